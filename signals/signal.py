"""A signal: one thing that one sender said, validated at the edge."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Action = Literal["trigger", "acknowledge", "resolve"]


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
