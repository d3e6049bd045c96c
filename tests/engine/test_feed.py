"""The feed: what changed, for those who wait."""

import asyncio

from engine.feed import Feed


async def test_who_waits_hears_of_the_next_change() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.wait(0, 30))
    await asyncio.sleep(0)

    feed.changed("INC-7")

    assert await waiting == (1, ["INC-7"])


async def test_nothing_new_is_an_answer() -> None:
    assert await Feed().wait(0, 0.01) == (0, [])


async def test_an_engine_that_leaves_answers_everybody_at_once() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.wait(0, 30))
    await asyncio.sleep(0)

    feed.close()

    assert await waiting == (0, [])
    assert await feed.wait(0, 30) == (0, [])
