"""One sitting at a source: everything that is new, then its stream for as long as wanted. Flow and engine run it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from listening.source import Batch, Source, SourceFailed

POLL_LIMIT = 60.0
"""Seconds that one poll may take."""
MOST_AT_ONCE = 50
"""Polls in a row while there is more."""

Take = Callable[[Batch, str | None], Awaitable[None]]
"""Keeps a batch that was read from this cursor."""


async def listen(source: Source, cursor: str | None, take: Take, lasting: float) -> str | None:
    """Poll until there is nothing more, then follow the stream, if it has one, for `lasting` seconds.

    Returns the cursor that was reached. Raises SourceFailed, and whatever `take` raises; what was taken stays taken.
    """
    for _ in range(MOST_AT_ONCE):
        batch = await _poll(source, cursor)
        await take(batch, cursor)
        cursor = batch.cursor
        if not batch.more:
            break
    if source.follow is None:
        return cursor
    try:
        async with asyncio.timeout(lasting), contextlib.aclosing(source.follow(cursor)) as stream:
            async for batch in stream:
                await take(batch, cursor)
                cursor = batch.cursor
    except TimeoutError:
        return cursor
    return cursor


async def _poll(source: Source, cursor: str | None) -> Batch:
    try:
        async with asyncio.timeout(POLL_LIMIT):
            return await source.poll(cursor)
    except TimeoutError:
        raise SourceFailed(f"{source.name} did not answer within {POLL_LIMIT:.0f} s") from None
