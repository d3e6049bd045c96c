"""Which browser rings for whom, as the push channel asks for it; and which endpoints it may be given."""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

LONGEST_ENDPOINT = 1000
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_INTERNAL = (
    ".localhost", ".localdomain", ".local", ".internal", ".intranet", ".private", ".corp", ".home", ".lan", ".arpa",
)  # fmt: skip
"""Names of networks of one's own: RFC 6762 (with its appendix G), RFC 8375, and ICANN's .internal."""
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_POINT, _SECRET = 65, 16  # https://www.rfc-editor.org/rfc/rfc8291#section-3.1 and 3.2: bytes


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser gave us: where to post, and the keys (base64url) for which only it has the other half."""

    endpoint: str
    p256dh: str
    auth: str


class Subscriptions(Protocol):
    """The engine's book of them. One browser name of one contact has one subscription; the newest counts."""

    async def of(self, contact: str, name: str) -> Subscription | None:
        """The subscription of this browser, or None. Changes nothing."""
        ...

    async def forget(self, contact: str, name: str, endpoint: str) -> None:
        """This endpoint is dead. Does nothing when the browser has another one by now, or the second time."""
        ...


def what_is_wrong(subscription: Subscription, *, loopback: bool = False) -> str | None:
    """Why we would not post to this, as a sentence; None when we would.

    Endpoints come from browsers, so they are only ever https to a public name: never an address of the company's own
    network. `loopback` lets tests have a push service on this machine.
    """
    if len(subscription.endpoint) > LONGEST_ENDPOINT:
        return f"The endpoint has more than {LONGEST_ENDPOINT} characters."
    if not subscription.endpoint.isascii() or not subscription.endpoint.isprintable() or " " in subscription.endpoint:
        return "The endpoint is not an address."
    try:
        parts = urlsplit(subscription.endpoint)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return "The endpoint is not an address."
    if not (_is_public(parts) or (loopback and _is_loopback(parts))):
        return "The endpoint is not the https address of a push service."
    if _length(subscription.p256dh) != _POINT or _length(subscription.auth) != _SECRET:
        return "The keys are not those of a push subscription."
    return None


def _is_public(parts: SplitResult) -> bool:
    """An https address by name; a bare name without a dot would be a neighbour's."""
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or parts.username is not None or "." not in host.strip("."):
        return False
    return not (host.endswith(_INTERNAL) or _is_number(host))


def _is_number(host: str) -> bool:
    """Whether a resolver would read this as an address and not as a name: also 127.1 and 10.0.0.0xa."""
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(parts: SplitResult) -> bool:
    return parts.scheme in ("http", "https") and parts.username is None and parts.hostname in _LOOPBACK_NAMES


def _length(key: str) -> int:
    """How many bytes this base64url stands for; 0 when it is none."""
    try:
        return len(base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return 0
