"""A mention: one thing that somebody wrote, as its network has it, and what was found out about it. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Tone = Literal["negative", "neutral", "positive"]


@dataclass(frozen=True, slots=True)
class Mention:
    """As a source hands it over. What a network does not tell is None or empty, never guessed.

    `source` and `id` name it for ever: the same pair a second time is the same mention. Times are aware UTC.
    """

    source: str
    """The source's name in listening.yaml."""
    id: str
    """The network's own id."""
    at: datetime
    """When it was written, by the network's word."""
    text: str
    """Plain text: no markup, at most 64 KB."""
    author: str = ""
    """The network's lasting id of who wrote it; empty where nobody knows."""
    author_name: str = ""
    """The name or handle that people see."""
    link: str = ""
    language: str | None = None
    """BCP 47, when the network says it."""
    reach: int | None = None
    """Followers of the author."""
    verified: bool | None = None
    thread: str = ""
    """The id of the conversation's first post; empty when this is the first."""
    reply_to: str = ""
    """The id of what it answers."""
    repost_of: str = ""
    """The id of the post that it only passes on."""
    private: bool = False
    """Written to us alone: a direct message, a mail, a form."""
    to_us: bool = False
    """It names or reaches one of our own accounts, so it concerns us whatever words stand in it."""
    by_us: bool = False
    """Written by one of our own accounts: it answers its thread and is counted nowhere."""
    title: str = ""
    """Of a press article, a mail, a review."""
    stars: int | None = None
    """Of a review, 1 to 5."""
    count: int = 1
    """How many mentions a line of a replayed tally stands for; 1 for everything that is a post."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A mention of one brand, read."""

    mention: Mention
    brand: str
    """The brand's id in listening.yaml."""
    language: str | None
    tone: Tone
    tone_score: float
    """-1 (worst) to 1."""
    complaint: bool
    """Somebody wants something from us: negative, and about what we do or owe."""
    topics: frozenset[str] = frozenset()
    """Ids of `topics` in thresholds.yaml whose words stand in it."""
    by_us: bool = False
