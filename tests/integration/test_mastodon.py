"""Mastodon's API as mastodon-mock has it: what is said to us is heard once, by the poll and by the stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from mastodon_mock.config import DatabaseConfig, MastodonMockConfig, SeedAccount, SeedConfig, StreamingConfig
from mastodon_mock.testing import MockServer

from listening.mastodon import build
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Mastodon
from signals.mention import Mention
from tests.support.wire import Wire

pytestmark = pytest.mark.counterparty("mastodon")

PEOPLE = SeedConfig(
    accounts=[SeedAccount(username=each, access_token=f"token-{each}") for each in ("acme", "ana", "bo")]
)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(seed=PEOPLE) as started:
        yield started


@pytest.fixture
def server_without_streams() -> Iterator[MockServer]:
    config = MastodonMockConfig(
        database=DatabaseConfig(path=":memory:"), seed=PEOPLE, streaming=StreamingConfig(enabled=False)
    )
    with MockServer(config=config) as started:
        yield started


def a_source(server: MockServer, token: str = "token-acme", every: str = "1 s", url: str = "") -> Source:
    given = {"kind": "mastodon", "name": "mastodon", "server": url or server.base_url, "every": every}
    spec = Mastodon.model_validate(given)
    brand = Brand(id="brand", names=("Acme Works",), hashtags=("acmefail",))
    return build(spec, (brand,), {"TOCSIN_MASTODON_TOKEN": token}, now)


class Hearing:
    """What the engine does with a source: keeps mentions once and the cursor with them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cursor: str | None = None
        self.handed_over: list[Mention] = []

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.handed_over]

    def keep(self, batch: Batch) -> None:
        self.cursor = batch.cursor
        self.handed_over += batch.mentions

    async def poll(self) -> list[Mention]:
        batch = await self.source.poll(self.cursor)
        self.keep(batch)
        return list(batch.mentions)

    async def follow_until(self, *texts: str) -> None:
        await self.poll()
        assert self.source.follow is not None
        stream: AsyncIterator[Batch] = self.source.follow(self.cursor)
        async with asyncio.timeout(20), aclosing(stream) as batches:  # type: ignore[type-var]
            while not set(texts) <= set(self.texts):
                self.keep(await anext(batches))


async def test_what_customers_write_is_heard_once_with_every_field(server: MockServer):
    us, ana, bo = (server.client(each) for each in ("acme", "ana", "bo"))
    bo.account_follow(ana.me())
    ours = us.status_post("Good morning!")
    tagged = ana.status_post("@acme checkout is <down>", language="en", spoiler_text="Rant")
    direct = ana.status_post("@acme my order 123", visibility="direct")
    tag = bo.status_post("So slow #acmefail")
    name = bo.status_post("What now, #AcmeWorks?")
    ana.status_post("Nothing to do with anybody")
    answer = us.status_reply(tagged, "on it")
    reply = ana.status_reply(answer, "thanks")
    bo.status_reblog(ours)
    hearing = Hearing(a_source(server))

    await hearing.poll()

    heard = {each.id: each for each in hearing.handed_over}
    assert len(heard) == len(hearing.handed_over) == 8
    mention = heard[str(tagged.id)]
    assert mention.text == "Rant\n\n@acme checkout is <down>"
    assert (mention.author, mention.author_name) == (ana.me().url, "ana")
    assert (mention.link, mention.reach, mention.language) == (tagged.url, 1, "en")
    assert (mention.to_us, mention.by_us, mention.private, mention.thread) == (True, False, False, "")
    assert abs(mention.at - now()) < timedelta(minutes=1)
    assert heard[str(direct.id)].private
    assert not heard[str(tag.id)].to_us
    assert heard[str(name.id)].text == "What now, #AcmeWorks?"
    assert heard[str(ours.id)].by_us
    assert (heard[str(answer.id)].by_us, heard[str(answer.id)].reply_to) == (True, str(tagged.id))
    assert (heard[str(reply.id)].reply_to, heard[str(reply.id)].thread) == (str(answer.id), str(tagged.id))
    [boost] = [each for each in hearing.handed_over if each.repost_of]
    assert (boost.repost_of, boost.author_name, boost.to_us, boost.text) == (str(ours.id), "bo", True, "Good morning!")
    assert [each.at for each in hearing.handed_over] == sorted(each.at for each in hearing.handed_over)
    assert await hearing.poll() == []
    await hearing.source.close()


async def test_the_stream_brings_at_once_what_the_next_poll_does_not_bring_again(server: MockServer):
    ana = server.client("ana")
    hearing = Hearing(a_source(server, every="1 h"))
    following = asyncio.create_task(hearing.follow_until("@acme by our account", "by a tag #acmefail"))
    while "#acmefail warm" not in " ".join(hearing.texts):
        await asyncio.to_thread(ana.status_post, f"#acmefail warm {time.monotonic()}")
        await asyncio.sleep(0.2)
    await asyncio.to_thread(ana.status_post, "@acme by our account")
    await asyncio.to_thread(ana.status_post, "by a tag #acmefail")

    await following

    heard = [each.text for each in hearing.handed_over if "by " in each.text]
    assert heard == ["@acme by our account", "by a tag #acmefail"]
    assert await hearing.poll() == []
    await hearing.source.close()


async def test_what_was_written_while_nobody_followed_is_heard_first(server: MockServer):
    ana = server.client("ana")
    hearing = Hearing(a_source(server))
    await asyncio.to_thread(ana.status_post, "@acme one")
    await hearing.follow_until("@acme one")
    await hearing.source.close()
    await asyncio.to_thread(ana.status_post, "@acme two")

    hearing.source = a_source(server)
    await hearing.follow_until("@acme two")

    assert hearing.texts == ["@acme one", "@acme two"]
    await hearing.source.close()


async def test_a_server_without_streams_is_polled(server_without_streams: MockServer):
    ana = server_without_streams.client("ana")
    hearing = Hearing(a_source(server_without_streams, every="1 s"))
    following = asyncio.create_task(hearing.follow_until("@acme one", "@acme two"))
    await asyncio.to_thread(ana.status_post, "@acme one")
    while not hearing.handed_over:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(ana.status_post, "@acme two")

    await following

    assert hearing.texts == ["@acme one", "@acme two"]
    await hearing.source.close()


async def test_a_stream_that_breaks_is_told_and_nothing_is_lost(server: MockServer):
    ana, wire = server.client("ana"), Wire("127.0.0.1", server.port)
    hearing = Hearing(a_source(server, every="1 h", url=wire.url))
    following = asyncio.create_task(hearing.follow_until("never"))
    while not hearing.handed_over:
        await asyncio.to_thread(ana.status_post, "@acme are you there?")
        await asyncio.sleep(0.2)
    wire.cut()

    with pytest.raises(SourceFailed, match="streaming"):
        await following
    cursor = hearing.cursor
    with pytest.raises(SourceFailed, match="cannot be reached"):
        await hearing.poll()
    assert hearing.cursor == cursor
    await asyncio.to_thread(ana.status_post, "@acme two")
    wire.mend()
    await hearing.follow_until("@acme two")
    assert len({each.id for each in hearing.handed_over}) == len(hearing.handed_over)
    await hearing.source.close()
    wire.cut()


async def test_a_server_that_is_out_for_a_moment_costs_nothing(server: MockServer):
    ana = server.client("ana")
    hearing = Hearing(a_source(server))
    await hearing.poll()
    ana.status_post("@acme one")
    with server.fault(path="/api/v1/notifications", status=503, count=1), pytest.raises(SourceFailed, match="503"):
        await hearing.poll()

    assert [each.text for each in await hearing.poll()] == ["@acme one"]
    await hearing.source.close()


async def test_one_list_that_fails_silences_no_other(server: MockServer):
    hearing = Hearing(a_source(server))
    await hearing.poll()
    server.client("ana").status_post("#acmefail is still heard")
    with server.fault(path="/api/v1/notifications", status=503):
        assert [each.text for each in await hearing.poll()] == ["#acmefail is still heard"]
        with pytest.raises(SourceFailed, match="503"):
            await hearing.poll()
    await hearing.source.close()


async def test_a_rate_limit_is_obeyed(server: MockServer):
    server.client("ana").status_post("@acme one")
    hearing = Hearing(a_source(server))
    reset = (now() + timedelta(seconds=200)).isoformat()
    headers = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    fault = server.fault(path="/api/v1/notifications", type="ratelimit", status=429, headers=headers)
    with fault, pytest.raises(SourceFailed) as limited:
        await hearing.poll()
    assert limited.value.retry_after == pytest.approx(200, abs=10)

    with pytest.raises(SourceFailed, match="wants us to wait"):
        await hearing.poll()  # nothing is asked before the limit is over, though the server would answer again
    await hearing.source.close()


async def test_a_token_that_the_server_does_not_know_is_told(server: MockServer):
    source = a_source(server, token="wrong")

    with pytest.raises(SourceFailed, match="refuses the token in TOCSIN_MASTODON_TOKEN"):
        await source.poll(None)
    await source.close()


async def test_without_its_token_the_source_is_in_trouble_and_nothing_else(server: MockServer):
    spec = Mastodon(kind="mastodon", name="mastodon", server=server.base_url)
    source = build(spec, (Brand(id="brand", names=("Acme",)),), {}, now)

    with pytest.raises(SourceFailed, match="TOCSIN_MASTODON_TOKEN is not set"):
        await source.poll(None)
    await source.close()


async def test_a_crowd_is_handed_over_in_bounded_batches_and_nobody_is_lost(server: MockServer, monkeypatch):
    monkeypatch.setattr("listening.walk.ROOM", 50)
    ana = server.client("ana")
    hearing = Hearing(a_source(server))
    for number in range(130):
        ana.status_post(f"#acmefail {number}")

    first = await hearing.source.poll(None)
    hearing.keep(first)
    while (batch := await hearing.source.poll(hearing.cursor)).more or batch.mentions:
        hearing.keep(batch)

    assert first.more
    assert len(first.mentions) < 100
    assert sorted(hearing.texts) == sorted(f"#acmefail {number}" for number in range(130))
    await hearing.source.close()
