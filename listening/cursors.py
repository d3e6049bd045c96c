"""Cursors as JSON that says of what: one of another address, file or kind of source starts over. Pure."""

from collections.abc import Mapping
from hashlib import blake2s
from typing import Any

import orjson


def encode(of: str, fields: Mapping[str, Any]) -> str:
    """`of` is what the cursor belongs to, such as the feed's address; only a digest of it is written."""
    return orjson.dumps({"of": _digest(of), **fields}).decode()


def decode(cursor: str | None, of: str) -> dict[str, Any] | None:
    """The fields; None for no cursor, for one of something else, and for what is none at all."""
    if cursor is None:
        return None
    try:
        found = orjson.loads(cursor)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and found.pop("of", None) == _digest(of) else None


def _digest(of: str) -> str:
    return blake2s(of.encode("utf-8", "replace"), digest_size=6).hexdigest()
