"""Two servers that really federate (snac2): a customer of one mentions us on the other."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from listening.mastodon import build
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Mastodon
from signals.mention import Mention
from tests.support.fediverse import Fediverse

pytestmark = [pytest.mark.counterparty("fediverse"), pytest.mark.slow]


def now() -> datetime:
    return datetime.now(UTC)


def a_source(fediverse: Fediverse, token: str = "", *, tags: Sequence[str] = ()) -> Source:
    given = {"kind": "mastodon", "name": "snac", "server": fediverse.brand.server, "every": "1 s"}
    brand = Brand(id="brand", names=("Acme",), hashtags=tuple(tags), accounts=(f"@{fediverse.brand.address}",))
    spec = Mastodon.model_validate(given | {"hashtags": bool(tags)})
    return build(spec, (brand,), {"TOCSIN_MASTODON_TOKEN": token or fediverse.brand.token}, now)


async def hear(source: Source, cursor: str | None, count: int) -> tuple[list[Mention], str | None]:
    heard: list[Mention] = []
    async with asyncio.timeout(40):
        while len(heard) < count:
            batch: Batch = await source.poll(cursor)
            heard, cursor = [*heard, *batch.mentions], batch.cursor
            await asyncio.sleep(0.3)
    return heard, cursor


async def test_a_mention_from_another_server_is_heard_as_plain_text(fediverse: Fediverse):
    source = a_source(fediverse)
    before = (await source.poll(None)).cursor
    write = fediverse.customer.client.status_post
    public = await asyncio.to_thread(write, "@acme@127.0.0.2 checkout is <down> &\nI am *angry*", spoiler_text="Rant")
    direct = await asyncio.to_thread(write, "@acme@127.0.0.2 order 1", visibility="direct")

    heard, after = await hear(source, before, 2)

    mention, private = sorted(heard, key=lambda each: each.private)
    assert mention.text == "Rant\n\n@acme@127.0.0.2 checkout is <down> &\nI am angry"
    assert (mention.source, mention.link) == ("snac", public.url)
    assert (mention.author, mention.author_name) == ("http://127.0.0.3/customer1", "customer1@127.0.0.3")
    assert (mention.to_us, mention.by_us, mention.thread, mention.reply_to) == (True, False, "", "")
    assert abs(mention.at - now()) < timedelta(minutes=1)
    assert (private.link, private.text, private.private) == (direct.url, "@acme@127.0.0.2 order 1", True)
    assert (await source.poll(after)).mentions == ()
    await source.close()


async def test_our_answer_and_the_customers_reply_are_one_conversation(fediverse: Fediverse):
    source = a_source(fediverse)
    cursor = (await source.poll(None)).cursor
    customer, brand = fediverse.customer.client, fediverse.brand.client
    await asyncio.to_thread(customer.status_post, "@acme@127.0.0.2 where is my parcel?")
    [question], cursor = await hear(source, cursor, 1)
    theirs = await asyncio.to_thread(brand.status, question.id)
    await asyncio.to_thread(brand.status_reply, theirs, "We look into it")
    answer = None
    async with asyncio.timeout(40):
        while answer is None:
            notifications = await asyncio.to_thread(customer.notifications)
            answer = next((n.status for n in notifications if n.status and "look into" in n.status.content), None)
            await asyncio.sleep(0.3)
    await asyncio.to_thread(customer.status_reply, answer, "Thank you")

    heard: list[Mention] = []
    async with asyncio.timeout(40):
        while not [each for each in heard if "Thank you" in each.text]:
            more, cursor = await hear(source, cursor, 1)
            heard += more

    [thanks] = [each for each in heard if "Thank you" in each.text]
    assert thanks.reply_to
    assert thanks.thread == question.id
    assert len({each.id for each in heard}) == len(heard)
    await source.close()


async def test_a_server_without_streams_is_followed_by_polls(fediverse: Fediverse):
    source = a_source(fediverse)
    cursor = (await source.poll(None)).cursor
    assert source.follow is not None
    await asyncio.to_thread(fediverse.customer.client.status_post, "@acme@127.0.0.2 is anybody there?")

    heard: list[str] = []
    async with asyncio.timeout(40), aclosing(source.follow(cursor)) as batches:
        async for batch in batches:
            heard += [each.text for each in batch.mentions]
            if heard:
                break

    assert heard == ["@acme@127.0.0.2 is anybody there?"]
    await source.close()


async def test_a_token_that_snac_does_not_know_is_told(fediverse: Fediverse):
    source = a_source(fediverse, "wrong")

    with pytest.raises(SourceFailed, match="refuses the token in TOCSIN_MASTODON_TOKEN: it answers 422"):
        await source.poll(None)
    await source.close()


async def test_hashtags_are_heard_where_the_server_has_them(fediverse: Fediverse):
    source = a_source(fediverse, tags=("acmefail",))
    cursor = (await source.poll(None)).cursor
    await asyncio.to_thread(fediverse.brand.client.status_post, "ours #acmefail")

    heard, _ = await hear(source, cursor, 1)

    assert [(each.text, each.by_us) for each in heard] == [("ours #acmefail", True)]
    await source.close()
