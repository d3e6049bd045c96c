"""A signal: one thing that one sender said, validated at the edge."""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Action = Literal["trigger", "acknowledge", "resolve"]

LONGEST_TITLE = 200
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Signal:
    action: Action
    dedup_key: str
    """The sender's own name for what is wrong; equal keys of one integration are one thing."""
    summary: str
    source: str
    severity_word: str | None = None
    """The sender's word for how bad it is; the integration says what it means here."""
    labels: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    """As it came."""
    ends_at: datetime | None = None
    """A trigger that its sender repeats while it lasts: recovered by itself when this has passed."""
    links: tuple[str, ...] = ()
    """What the sender points to, `text: address` each: runbooks, charts, its own page of it."""


def one_line(text: str) -> str:
    """A text as people read it on one line: control characters are spaces, and there is no space around it."""
    if text.isprintable():  # nearly always, and much cheaper to see
        return text.strip()
    return "".join(" " if unicodedata.category(each) == "Cc" else each for each in text).strip()


def stable_key(key: str, longest: int = LONGEST_KEY) -> str:
    """A dedup key of at most `longest` characters: of a longer one the end is a digest of all of it."""
    if len(key) <= longest:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{key[: longest - len(digest) - 1]}~{digest}"
