"""Bluesky itself (PLC, PDS, AppView from npm): a customer's words are heard once, by the poll and by the firehose."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from listening import bluesky_account
from listening.bluesky import build
from listening.source import Batch, Source, SourceFailed
from signals.listening import Bluesky, Brand
from signals.mention import Mention
from tests.support.bluesky import PASSWORD, BlueskyNetwork, Person

pytestmark = [pytest.mark.counterparty("bluesky"), pytest.mark.slow]


def now() -> datetime:
    return datetime.now(UTC)


def a_source(network: BlueskyNetwork, us: Person, name: str = "brandco", **spec: object) -> Source:
    """Listens for one brand; what its name is, no other test writes."""
    given = {"kind": "bluesky", "name": "bluesky", "service": network.url, "handle": us.handle, "every": "1 s", **spec}
    brand = Brand(id="brand", names=(name,), hashtags=(f"{name}fail",), accounts=(us.handle,))
    return build(Bluesky.model_validate(given), (brand,), {"TOCSIN_BLUESKY_PASSWORD": PASSWORD}, now)


class Hearing:
    """What the engine does with a source: keeps mentions once and the cursor with them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cursor: str | None = None
        self.kept: dict[str, Mention] = {}
        self.handed_over: list[str] = []

    def keep(self, batch: Batch) -> None:
        self.cursor = batch.cursor
        self.handed_over += [each.id for each in batch.mentions]
        for mention in batch.mentions:
            self.kept.setdefault(mention.id, mention)

    async def polls_until(self, *references: object, seconds: float = 60) -> None:
        wanted = [each.uri for each in references]  # type: ignore[attr-defined]
        end = now() + timedelta(seconds=seconds)
        while missing := [number for number, uri in enumerate(wanted) if uri not in self.kept]:
            assert now() < end, f"not heard: {missing} of {len(wanted)}"
            self.keep(await self.source.poll(self.cursor))
            await asyncio.sleep(0.1)

    async def follows_until(self, *references: object, seconds: float = 20) -> None:
        wanted = {each.uri for each in references}  # type: ignore[attr-defined]
        assert self.source.follow is not None
        async with asyncio.timeout(seconds), aclosing(self.source.follow(self.cursor)) as batches:
            async for batch in batches:
                self.keep(batch)
                if wanted <= self.kept.keys():
                    return


async def is_following(hearing: Hearing, us: Person) -> None:
    """Follow until there is a sequence number: we follow ourselves again and again, which is no mention."""

    async def moves() -> None:
        while True:
            await asyncio.to_thread(us.follow, us)
            await asyncio.sleep(0.1)

    assert hearing.source.follow is not None
    moving = asyncio.create_task(moves())
    async with asyncio.timeout(20), aclosing(hearing.source.follow(hearing.cursor)) as batches:
        while '"seq":' not in (hearing.cursor or ""):
            hearing.cursor = (await anext(batches)).cursor
    moving.cancel()


async def test_what_customers_write_is_heard_once_with_every_field(bluesky_network: BlueskyNetwork):
    us, customer, friend = (bluesky_network.person(name) for name in ("acme", "customer", "friend"))
    friend.follow(customer)
    ours = us.write("Good morning!", langs=["en"])
    tagged = customer.tag(us, "the checkout is down")
    untagged = customer.write("Acmeworks ate my order", langs=["en-GB"])
    tag = friend.write("What is going on? #Acmeworksfail")
    reply = customer.reply(ours, "not for me")
    hearing = Hearing(a_source(bluesky_network, us, "Acmeworks"))
    await hearing.polls_until(ours, reply)  # of an answer to what it does not know yet, the AppView notifies nobody
    deep = friend.reply(reply, "nor for me", root=ours)
    repost = friend.repost(ours)
    quote = friend.quote(ours, "look at this")
    answer = us.reply(tagged, "we are on it")

    await hearing.polls_until(ours, tagged, untagged, reply, deep, repost, quote, answer, tag)

    kept = hearing.kept
    assert len(hearing.handed_over) == len(set(hearing.handed_over)) == 9
    mention = kept[tagged.uri]
    assert mention.text == f"@{us.handle} the checkout is down"
    assert (mention.source, mention.author, mention.author_name) == ("bluesky", customer.did, customer.handle)
    assert mention.link == f"https://bsky.app/profile/{customer.did}/post/{tagged.uri.rsplit('/', 1)[1]}"
    assert (mention.language, mention.reach, mention.to_us, mention.by_us) == ("en", 1, True, False)
    assert abs(mention.at - now()) < timedelta(minutes=2)
    assert (kept[untagged.uri].to_us, kept[untagged.uri].language) == (False, "en-GB")
    assert (kept[reply.uri].reply_to, kept[reply.uri].thread, kept[reply.uri].to_us) == (ours.uri, ours.uri, True)
    assert (kept[deep.uri].reply_to, kept[deep.uri].thread, kept[deep.uri].to_us) == (reply.uri, ours.uri, True)
    assert (kept[repost.uri].repost_of, kept[repost.uri].to_us) == (ours.uri, True)
    assert (kept[quote.uri].to_us, kept[quote.uri].repost_of) == (True, "")
    assert (kept[answer.uri].by_us, kept[answer.uri].thread, kept[answer.uri].to_us) == (True, tagged.uri, False)
    await hearing.source.close()


async def test_a_second_poll_brings_only_what_is_new_and_the_same_cursor_the_same(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    hearing = Hearing(a_source(bluesky_network, us, "Polltwice"))
    first = customer.tag(us, "one")
    await hearing.polls_until(first)
    before = hearing.cursor
    second = customer.write("Polltwice two")
    await hearing.polls_until(second)

    again = await hearing.source.poll(before)

    assert [each.id for each in again.mentions] == [second.uri]
    assert hearing.handed_over == [first.uri, second.uri]
    assert (await hearing.source.poll(hearing.cursor)).mentions == ()
    await hearing.source.close()


async def test_the_firehose_hears_what_names_us_and_nothing_else(bluesky_network: BlueskyNetwork):
    us, customer, friend = (bluesky_network.person(name) for name in ("acme", "customer", "friend"))
    source = a_source(bluesky_network, us, "Hosepipe", search=False, firehose=bluesky_network.firehose)
    hearing = Hearing(source)
    await is_following(hearing, us)
    first = customer.tag(us, "first")
    friend.write("Nothing to do with anybody")
    untagged = customer.write("hosepipe is broken", langs=["en"])
    misspelt = customer.write("my Hosepip is broken")
    repost = friend.repost(untagged)
    reply = friend.reply(first, "same here")
    answer = us.reply(first, "sorry!")

    await hearing.follows_until(first, untagged, misspelt, repost, answer)

    assert hearing.kept.keys() == {each.uri for each in (first, untagged, misspelt, repost, answer)}
    assert reply.uri not in hearing.kept, "it names nobody of ours and answers a stranger"
    assert len(hearing.handed_over) == 5
    assert hearing.kept[repost.uri].repost_of == untagged.uri
    assert hearing.kept[repost.uri].text == "hosepipe is broken"
    assert hearing.kept[untagged.uri].author_name == customer.handle
    assert hearing.kept[answer.uri].by_us
    await source.close()


async def test_after_a_kill_the_firehose_goes_on_from_its_cursor(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    spec = {"search": False, "firehose": bluesky_network.firehose, "every": "1 h"}
    hearing = Hearing(a_source(bluesky_network, us, "Killbrand", **spec))
    await is_following(hearing, us)
    before = customer.write("Killbrand before")
    await hearing.follows_until(before)
    await hearing.source.close()
    meanwhile = [customer.write(f"Killbrand while nobody listened {number}") for number in range(5)]

    hearing.source = a_source(bluesky_network, us, "Killbrand", **spec)
    await hearing.follows_until(*meanwhile)

    assert hearing.handed_over == [before.uri, *(each.uri for each in meanwhile)]
    await hearing.source.close()


async def test_what_was_read_and_not_kept_is_read_again(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    hearing = Hearing(a_source(bluesky_network, us, "Uncommitted"))
    hearing.keep(await hearing.source.poll(None))
    post = customer.tag(us, "heard and lost")
    while not (await hearing.source.poll(hearing.cursor)).mentions:
        await asyncio.sleep(0.1)
    await hearing.source.close()

    hearing.source = a_source(bluesky_network, us, "Uncommitted")
    await hearing.polls_until(post)

    assert hearing.handed_over.count(post.uri) == 1
    await hearing.source.close()


async def test_without_the_server_the_source_fails_and_goes_on_where_it_was(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    source = a_source(bluesky_network, us, "Gonebrand", firehose=bluesky_network.firehose)
    hearing = Hearing(source)
    before = customer.tag(us, "before")
    await hearing.polls_until(before)
    bluesky_network.shut()
    try:
        with pytest.raises(SourceFailed, match="cannot be reached"):
            await source.poll(hearing.cursor)
        with pytest.raises(SourceFailed):
            await hearing.follows_until(before, _Nobody())
    finally:
        bluesky_network.open()
    after = customer.tag(us, "after")

    await hearing.polls_until(after)

    assert hearing.handed_over == [before.uri, after.uri]
    await source.close()


class _Nobody:
    uri = "at://did:plc:nobody/app.bsky.feed.post/none"


async def test_the_stream_breaks_with_its_server_and_is_taken_up_again(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    source = a_source(bluesky_network, us, "Breakbrand", search=False, firehose=bluesky_network.firehose, every="1 h")
    hearing = Hearing(source)
    await is_following(hearing, us)
    first = customer.write("Breakbrand one")
    following = asyncio.create_task(hearing.follows_until(first, _Nobody()))
    while not hearing.handed_over:
        await asyncio.sleep(0.05)
    bluesky_network.shut()
    with pytest.raises(SourceFailed, match="firehose"):
        await following
    bluesky_network.open()

    second = customer.write("Breakbrand two")
    await hearing.follows_until(second)

    assert hearing.handed_over == [first.uri, second.uri]
    await source.close()


async def test_a_wrong_password_is_told_and_not_tried_again_and_again(bluesky_network: BlueskyNetwork):
    us = bluesky_network.person("acme")
    environment = {"TOCSIN_BLUESKY_PASSWORD": "wrong"}
    spec = Bluesky(kind="bluesky", name="bluesky", service=bluesky_network.url, handle=us.handle)
    source = build(spec, (Brand(id="brand", names=("Acme",)),), environment, now)

    with pytest.raises(SourceFailed, match=f"refuses the password of {us.handle}") as refused:
        await source.poll(None)
    assert refused.value.retry_after == 600
    environment["TOCSIN_BLUESKY_PASSWORD"] = PASSWORD
    assert (await source.poll(None)).cursor is not None
    await source.close()


async def test_a_session_that_is_over_is_made_anew(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    hearing = Hearing(a_source(bluesky_network, us, "Sessionbrand"))
    hearing.keep(await hearing.source.poll(None))
    session = hearing.source.poll.__self__._account._client._session  # type: ignore[attr-defined]
    session.access_jwt = us.client._session.refresh_jwt  # a token that the server refuses for queries

    post = customer.tag(us, "still there?")
    await hearing.polls_until(post)

    await hearing.source.close()


async def test_a_source_that_is_built_again_signs_in_no_second_time(bluesky_network: BlueskyNetwork):
    us, customer = bluesky_network.person("acme"), bluesky_network.person("customer")
    first = a_source(bluesky_network, us, "Againbrand")
    cursor = (await first.poll(None)).cursor
    await first.close()
    known = dict(bluesky_account._sessions)
    again = Hearing(a_source(bluesky_network, us, "Againbrand"))
    again.cursor = cursor

    await again.polls_until(customer.tag(us, "still there?"))

    key = (bluesky_network.url, us.handle, PASSWORD)
    assert bluesky_account._sessions[key] == known[key], "the session of the first source"
    await again.source.close()


async def test_a_crowd_is_handed_over_in_bounded_batches_and_nobody_is_lost(
    bluesky_network: BlueskyNetwork, monkeypatch
):
    monkeypatch.setattr("listening.walk.ROOM", 50)
    us, crowd = bluesky_network.person("acme"), [bluesky_network.person("crowd") for _ in range(2)]
    hearing = Hearing(a_source(bluesky_network, us, "Crowdbrand"))
    posts = [crowd[number % 2].write(f"Crowdbrand {number}") for number in range(250)]

    await hearing.polls_until(*posts, seconds=60)

    assert len(hearing.handed_over) == 250
    assert len(set(hearing.handed_over)) == 250
    await hearing.source.close()
