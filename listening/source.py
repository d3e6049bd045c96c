"""What every source is: a plain function `poll(cursor) -> Batch`, and for some a stream with the same cursor.

The cursor is text that only the source understands. It is kept in the store, in the transaction that keeps the
mentions: a restart misses nothing, and what is read twice is kept once (`source` and `id` name a mention).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from incidents.errors import TocsinError
from signals.mention import Mention


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll brought: at most a few hundred mentions, oldest first, and where to go on."""

    mentions: tuple[Mention, ...] = ()
    cursor: str | None = None
    """None only when there was nothing yet and nothing to go on from."""
    more: bool = False
    """There is more at once: poll again without waiting."""


class SourceFailed(TocsinError):
    """The network could not be read; the cursor stays. `retry_after` seconds when it says so (its rate limit)."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


Poll = Callable[[str | None], Awaitable[Batch]]
"""Reads what is new since the cursor; None means from now on (a few minutes back). Ends within 60 s.

Raises SourceFailed and nothing else. Safe to call twice with one cursor, by two processes too.
"""
Follow = Callable[[str | None], AsyncGenerator[Batch, None]]
"""The same as it comes. Ends by SourceFailed when the stream breaks; what was missed meanwhile `poll` or a new stream
from the last cursor brings."""


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    kind: str
    every: timedelta
    poll: Poll
    follow: Follow | None = None
    close: Callable[[], Awaitable[None]] = field(default=_nothing_to_close)
