"""What the bodies of webhooks have in common: read with a limit, every field in doubt. Pure."""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from incidents.errors import SignalRefused
from listening.texts import line

_FORMATS = ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f000 +0000", "%Y-%m-%dT%H:%MZ")
"""Beside ISO 8601 and seconds: what Chatwoot and Zendesk write."""
_LATEST = 32_503_680_000
"""Seconds; the year 3000. A larger number counts milliseconds."""


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises SignalRefused with the place of the mistake."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SignalRefused([f"body: line {error.lineno}, column {error.colno}: {error.msg}"]) from error
    if not isinstance(found, dict):
        raise SignalRefused(["body: it is no JSON object"])
    return found


def part(value: Any, *path: str) -> Any:
    """What stands at this path; None where anything on the way is not there or no object."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def word(value: Any) -> str:
    """A text or a number on one line; empty for anything else."""
    return line(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def moment(value: Any, otherwise: datetime) -> datetime:
    """The time that a sender wrote, aware UTC; `otherwise` when it is none that we can read."""
    found = _moment(value)
    return otherwise if found is None else found


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > _LATEST else value, UTC)
        if not isinstance(value, str) or len(value) > 64:
            return None
        if value.isdecimal():
            return _moment(int(value))
        found = next(filter(None, (_formatted(value, each) for each in _FORMATS)), None)
        found = found or datetime.fromisoformat(value)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _formatted(value: str, shape: str) -> datetime | None:
    try:
        return datetime.strptime(value, shape).replace(tzinfo=UTC)
    except ValueError:
        return None


def digest(secret: str, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(secret.encode(), message, sha256)
