"""What every way in of machines has in common: keys, the reading of a body, and the answer after the commit."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from engine.intake import Heard
from engine.services import Engine
from incidents.errors import Overloaded, SignalRefused, TocsinError
from signals.integration import Integration
from signals.signal import Signal
from tocsin.web.http import Reply, Scope, error_reply, overloaded_reply
from tocsin.web.senders.reading import Request

READ_AT_ONCE = 256 * 1024
"""Bytes; reading a longer body would hold up everybody else for too long."""
COME_BACK_AFTER = 5
"""Seconds; what a sender is told whose body could not be taken."""
_MOST_PARAMETERS = 100

T = TypeVar("T")
log = logging.getLogger("tocsin.intake")


def request_of(scope: Scope, body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(body, headers, query_of(scope), scope["method"])


def query_of(scope: Scope) -> dict[str, str]:
    """The query's parameters, of a repeated one the last; nothing of it when there are too many."""
    try:
        text = scope.get("query_string", b"").decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return {}
    return dict(pairs)


def integration_for(engine: Engine, kind: str, candidates: Sequence[str]) -> Integration | None:
    """The integration of this kind that has one of these keys."""
    found = (engine.integration(each) for each in candidates if each)
    return next((each for each in found if each is not None and each.kind == kind), None)


def keys_in(authorization: str) -> list[str]:
    """What may be a key in an Authorization header: behind Bearer and the like, or in Basic as password or name."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return [rest.strip()] if rest else []
    try:
        name, _, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return []
    return [password, name]


async def read(body: bytes, reading: Callable[[bytes], T]) -> T:
    """What stands in a body. A long one is read in a thread: pages and answers do not wait for it."""
    return reading(body) if len(body) <= READ_AT_ONCE else await asyncio.to_thread(reading, body)


async def hear(engine: Engine, integration: Integration, signals: list[Signal]) -> tuple[list[Heard], Reply | None]:
    """What became of the signals, and None when everything is durable; otherwise the refusal to send.

    Only what is wrong with the request itself is a 4xx, because senders drop those. Everything else is a 503, so that
    they repeat: what the rules or a fault of ours refuse now may be taken then, and repeats are folded.
    """
    try:
        return list(await engine.hear(integration, signals)) if signals else [], None
    except SignalRefused as error:
        return [], error_reply(400, "This signal cannot be used.", problems=error.problems)
    except Overloaded as error:
        return [], overloaded_reply(str(error), error.retry_after)
    except TocsinError as error:
        log.error("signals not taken integration=%s because=%s", integration.name, error)
        return [], overloaded_reply(str(error), COME_BACK_AFTER)
    except Exception:
        log.exception("signals not taken integration=%s", integration.name)
        return [], overloaded_reply("These signals could not be taken. Send them again.", COME_BACK_AFTER)


def segments(scope: Scope) -> Iterator[str]:
    """The parts of the path between its slashes, each decoded by itself: an alias may hold a slash (%2F)."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    path = raw.partition(b"?")[0].decode("latin-1")
    return (unquote(each, errors="replace") for each in path.strip("/").split("/"))
