"""What the engine may rely on, whatever a source reads: the contract of listening/source.py, for every source.

A new source is one line in WORLDS.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta

import pytest

from listening.build import MODULES
from listening.source import Batch, Source, SourceFailed
from signals.mention import Mention
from tests.support.more_source_worlds import FeedWorld, MailWorld, RedditWorld, ReplayWorld, XWorld
from tests.support.source_worlds import BlueskyWorld, MakeWorld, MastodonWorld, World

WORLDS = [
    pytest.param(MastodonWorld, id="mastodon", marks=pytest.mark.counterparty("mastodon")),
    pytest.param(BlueskyWorld, id="bluesky", marks=[pytest.mark.counterparty("bluesky"), pytest.mark.slow]),
    pytest.param(XWorld, id="x, constructed"),
    pytest.param(RedditWorld, id="reddit, constructed"),
    pytest.param(FeedWorld, id="feed"),
    pytest.param(MailWorld, id="imap", marks=pytest.mark.counterparty("mail")),
    pytest.param(ReplayWorld, id="replay"),
]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest):
    make: MakeWorld = request.param
    found = make(request)
    yield found
    found.end()


@pytest.fixture
async def source(world: World) -> AsyncIterator[Source]:
    built = world.source()
    yield built
    await built.close()


async def poll_until(source: Source, cursor: str | None, *texts: str) -> Batch:
    """The first batch from this cursor that holds the texts: networks take a moment to list what was written."""
    async with asyncio.timeout(30):
        while True:
            batch = await source.poll(cursor)
            if all(any(text in each.text or text in each.title for each in batch.mentions) for text in texts):
                return batch
            await asyncio.sleep(0.1)


def named(batch: Batch) -> list[tuple[str, str]]:
    return [(each.source, each.id) for each in batch.mentions]


def test_every_kind_of_source_is_held_to_the_contract():
    assert {str(each.id).partition(",")[0] for each in WORLDS} == MODULES.keys()


async def test_what_was_written_a_moment_before_the_first_poll_is_heard_with_its_fields(world: World, source: Source):
    await world.write("is anybody there?")

    batch = await poll_until(source, None, "is anybody there?")

    [mention] = batch.mentions
    assert mention.source == source.name == "heard"
    assert mention.id
    assert mention.at.tzinfo is UTC
    assert world.now() - timedelta(minutes=5) < mention.at <= world.now() + timedelta(seconds=5)
    assert mention.author
    assert mention.link.startswith(("http://", "https://")) or mention.private  # a mail is nowhere to be looked at
    assert (mention.by_us, mention.count, mention.stars) == (False, 1, None)
    assert batch.cursor is not None


async def test_the_same_cursor_brings_the_same_mentions(world: World, source: Source):
    start = (await source.poll(None)).cursor
    await world.write("one")
    first = await poll_until(source, start, "one")

    second = await source.poll(start)

    assert named(second) == named(first)


async def test_the_cursor_moves_on_and_nothing_comes_twice(world: World, source: Source):
    await world.write("one")
    first = await poll_until(source, None, "one")
    assert (await source.poll(first.cursor)).mentions == ()
    await world.write("two")

    second = await poll_until(source, first.cursor, "two")

    assert not {*named(first)} & {*named(second)}
    assert second.cursor != first.cursor
    assert (await source.poll(second.cursor)).mentions == ()


async def test_mentions_come_oldest_first(world: World, source: Source):
    texts = [f"number {number}" for number in range(4)]
    for text in texts:
        await world.write(text)

    batch = await poll_until(source, None, *texts)

    times = [each.at for each in batch.mentions]
    assert times == sorted(times)
    assert len(batch.mentions) == 4


async def test_a_failure_is_a_sentence_and_the_cursor_stays_good(world: World, source: Source):
    start = (await source.poll(None)).cursor
    await world.write("before")
    await world.cut()

    with pytest.raises(SourceFailed) as failed:
        await source.poll(start)

    assert str(failed.value).endswith((".", ")"))
    await world.mend()
    await world.write("after")
    batch = await poll_until(source, start, "before", "after")
    assert len(batch.mentions) == 2


async def test_killed_between_the_poll_and_the_commit_nothing_is_lost(world: World, source: Source):
    start = (await source.poll(None)).cursor
    await world.write("heard and not kept")
    lost = await poll_until(source, start, "heard and not kept")
    await source.close()

    after_the_kill = world.source()
    again = await after_the_kill.poll(start)
    await after_the_kill.close()

    assert named(again) == named(lost)


async def test_two_polls_at_once_bring_the_same(world: World, source: Source):
    start = (await source.poll(None)).cursor
    await world.write("for both")
    await poll_until(source, start, "for both")

    first, second = await asyncio.gather(source.poll(start), source.poll(start))

    assert named(first) == named(second)


async def test_a_cursor_of_another_kind_of_source_starts_over(world: World, source: Source):
    await world.write("still heard")
    await poll_until(source, None, "still heard")

    batch = await source.poll('{"since_id": "7"}')

    assert [type(each) for each in batch.mentions] == [Mention]


async def test_a_source_that_was_closed_can_be_closed_again(world: World, source: Source):
    await source.poll(None)
    await source.close()
    await source.close()
