"""Where help desks knock: `/webhooks/chatwoot/{key}` and `/webhooks/zendesk/{key}`.

Bare ASGI, as for monitors: an answer is given after the commit. Only what is wrong with the request itself is a 4xx;
everything else is a 503, so that it comes again. What comes again names the same mentions and changes nothing.
"""

import asyncio
import hmac
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from engine.book import PlanBook
from engine.clock import Clock
from incidents.errors import Overloaded, SignalRefused, TocsinError
from listening import chatwoot, zendesk
from listening.environment import secret
from listening.source import SourceFailed
from signals.listening import Chatwoot, Listening, Zendesk
from signals.mention import Mention
from tocsin.web.http import (
    BodyTooLarge,
    Receive,
    Reply,
    Scope,
    error_reply,
    header,
    json_reply,
    overloaded_reply,
    read_body,
)

LIMIT = 1024 * 1024
"""Bytes of one body."""
READ_AT_ONCE = 256 * 1024
"""Bytes; a longer body is read in a thread."""
COME_BACK_AFTER = 5
"""Seconds; what a sender is told whose body could not be taken."""
_UNKNOWN_KEY = (b"www-authenticate", b"Key")
_UNSIGNED = (b"www-authenticate", b"Signature")
PATHS = ("/webhooks/chatwoot/", "/webhooks/zendesk/")

_EVENT: dict[str, Any] = {"event": {"type": "string", "minLength": 1}}
_ZENDESK: list[Any] = [
    {"properties": {"type": {"type": "string", "pattern": "^zen:event-type:"}}, "required": ["type"]},
    {
        "properties": {
            "ticket": {"type": "string", "pattern": "[A-Za-z0-9]"},
            "text": {"type": "string"},
            "by": {"enum": ["customer", "us"]},
        },
        "required": ["ticket", "text", "by"],
    },
]

log = logging.getLogger("tocsin.listening")


class ChatwootEvent(BaseModel):
    """What Chatwoot sends: `event`, and for a message_created `id`, `message_type` and `conversation.id`."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"required": ["event"], "properties": _EVENT})


class ZendeskEvent(BaseModel):
    """A ticket event of Zendesk's, or what the trigger of docs/sources.md sends (as JSON or as a form)."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"anyOf": _ZENDESK})


class Hearing(Protocol):
    """What keeps mentions; `by` says how they came. Returns how many were new."""

    async def hear(self, source: str, mentions: Sequence[Mention], *, by: str) -> int: ...


class Desk(Protocol):
    """What a help desk's request meets: the plan in force, the keeper of mentions, and a clock."""

    @property
    def book(self) -> PlanBook: ...

    @property
    def listening(self) -> Hearing: ...

    @property
    def clock(self) -> Clock: ...


class HelpDesks:
    """`environment` holds the secrets of signatures."""

    def __init__(self, desk: Desk, environment: Mapping[str, str] | None = None) -> None:
        self._desk = desk
        self._environment = os.environ if environment is None else environment

    async def take(self, scope: Scope, receive: Receive) -> Reply | None:
        """The answer to a request to one of PATHS; None for every other."""
        path: str = scope["path"]
        if not path.startswith(PATHS):
            return None
        if scope["method"] != "POST":
            return error_reply(405, "Method Not Allowed", (b"allow", b"POST"))
        try:
            body = await read_body(receive, LIMIT)
        except BodyTooLarge as error:
            return error_reply(413, str(error))
        return await self._answer(path, scope, body)

    async def _answer(self, path: str, scope: Scope, body: bytes) -> Reply:
        _, _, kind, key = path.split("/", 3)
        spec = _source(self._desk.book.plan.listening, kind, key)
        if spec is None:
            return error_reply(401, f"No {kind} source of listening.yaml has this key.", _UNKNOWN_KEY)
        try:
            refused = _unsigned(spec, self._environment, scope, body)
        except SourceFailed as error:
            log.error("webhook not taken source=%s because=%s", spec.name, error)
            return overloaded_reply(str(error), COME_BACK_AFTER)
        if refused is not None:
            return refused
        now = self._desk.clock.now()
        try:
            if len(body) <= READ_AT_ONCE:
                found = _read(spec, body, now)
            else:
                found = await asyncio.to_thread(_read, spec, body, now)
        except SignalRefused as error:
            return error_reply(400, f"This is no webhook of {kind.capitalize()}.", problems=error.problems)
        return await _hear(self._desk.listening, spec.name, found)


def _source(listening: Listening | None, kind: str, key: str) -> Chatwoot | Zendesk | None:
    """The source of this kind with this key. Every key is compared, so that time says nothing."""
    found = None
    for spec in () if listening is None else listening.sources:
        if (
            isinstance(spec, Chatwoot | Zendesk)
            and spec.kind == kind
            and hmac.compare_digest(spec.key.encode(), key.encode("utf-8", "replace"))
        ):
            found = spec
    return found


def _unsigned(spec: Chatwoot | Zendesk, environment: Mapping[str, str], scope: Scope, body: bytes) -> Reply | None:
    """The refusal of a request that is not signed as it should be. Raises SourceFailed without our secret."""
    if spec.secret_from is None:
        return None
    known = secret(environment, spec.secret_from, f"the secret of {spec.name}'s webhooks")
    if isinstance(spec, Chatwoot):
        at, signature = header(scope, b"x-chatwoot-timestamp"), header(scope, b"x-chatwoot-signature")
        signed = chatwoot.signed(known, at, body, signature)
    else:
        at = header(scope, b"x-zendesk-webhook-signature-timestamp")
        signed = zendesk.signed(known, at, body, header(scope, b"x-zendesk-webhook-signature"))
    return None if signed else error_reply(401, f"The request is not signed with the secret of {spec.name}.", _UNSIGNED)


def _read(spec: Chatwoot | Zendesk, body: bytes, now: datetime) -> tuple[Mention, ...]:
    return chatwoot.read(body, spec, now) if isinstance(spec, Chatwoot) else zendesk.read(body, spec, now)


async def _hear(hearing: Hearing, source: str, found: Sequence[Mention]) -> Reply:
    if not found:
        return json_reply(200, {"status": "nothing to hear", "mentions": 0})
    try:
        await hearing.hear(source, found, by="webhook")
    except Overloaded as error:
        return overloaded_reply(str(error), error.retry_after)
    except TocsinError as error:
        log.error("mentions not taken source=%s because=%s", source, error)
        return overloaded_reply(str(error), COME_BACK_AFTER)
    except Exception:
        log.exception("mentions not taken source=%s", source)
        return overloaded_reply("These mentions could not be taken. Send them again.", COME_BACK_AFTER)
    return json_reply(202, {"status": "accepted", "mentions": len(found)})
