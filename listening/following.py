"""A stream and a poll with one cursor: the stream says at once what is new, the poll that nothing was missed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from listening.source import Batch, Poll, SourceFailed
from listening.walk import ROOM, Cursor, Gathered, decode
from signals.mention import Mention

PATIENCE = 600.0
"""Seconds that a stream goes on while the polls beside it fail; then somebody must know."""
_WAITING = 500
"""Pieces of a stream that wait to be taken; a stream that is faster waits, too."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came out of a stream: mentions, and where the stream can be taken up after them."""

    mentions: tuple[Mention, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


Put = Callable[[Piece], Awaitable[None]]
Listen = Callable[[Cursor, Put], Coroutine[Any, Any, None]]
"""Reads a stream from the cursor on. Raises SourceFailed when it breaks; returns where the server has no stream."""
Enrich = Callable[[tuple[Mention, ...]], Awaitable[tuple[Mention, ...]]]


async def with_beats(
    text: str | None, listen: Listen, poll: Poll, every: float, enrich: Enrich | None = None
) -> AsyncGenerator[Batch, None]:
    """Batches of the stream as they come, and of a poll every so many seconds. Poll once before you follow.

    Raises SourceFailed when the stream breaks, when a poll fails and there is no stream, and when the polls beside a
    stream have failed for ten minutes.
    """
    loop = asyncio.get_running_loop()
    cursor, beat, failing_since = decode(text), loop.time() + every, None
    pieces: asyncio.Queue[Piece] = asyncio.Queue(_WAITING)
    stream = asyncio.create_task(listen(cursor, pieces.put))
    try:
        while True:
            if loop.time() >= beat:
                try:
                    batch = await poll(cursor.encode())
                except SourceFailed as failed:
                    failing_since = failing_since or loop.time()
                    if stream.done() or loop.time() - failing_since > PATIENCE:
                        raise
                    beat = loop.time() + max(every, failed.retry_after or 0)
                else:
                    failing_since, cursor = None, decode(batch.cursor)
                    beat = loop.time() + (0 if batch.more else every)
                    yield batch
            came = await _next(pieces, stream, beat - loop.time())
            if came:
                cursor, batch = await _batch_of(came, cursor, enrich)
                yield batch
    finally:
        stream.cancel()
        with suppress(asyncio.CancelledError, SourceFailed):
            await stream


async def _next(pieces: asyncio.Queue[Piece], stream: asyncio.Task[None], seconds: float) -> list[Piece]:
    """What came within so many seconds, as soon as something did. Raises what broke the stream once all is taken."""
    if pieces.empty() and stream.done() and (broken := stream.exception()) is not None:
        raise broken
    taken = asyncio.create_task(pieces.get())
    watched = {taken} if stream.done() else {taken, stream}
    try:
        await asyncio.wait(watched, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not taken.done():
            taken.cancel()
    if not taken.done():
        return []
    found = [taken.result()]
    while not pieces.empty() and sum(len(each.mentions) for each in found) < ROOM:
        found.append(pieces.get_nowait())
    return found


async def _batch_of(pieces: list[Piece], cursor: Cursor, enrich: Enrich | None) -> tuple[Cursor, Batch]:
    gathered, more = Gathered.after(cursor), dict(cursor.more)
    for piece in pieces:
        more.update(piece.more)
        for mention in piece.mentions:
            gathered.add(mention)
    mentions = gathered.oldest_first()
    if enrich is not None and mentions:
        mentions = await enrich(mentions)
    after = replace(cursor, seen=gathered.remembered(), more=more)
    return after, Batch(mentions, after.encode())
