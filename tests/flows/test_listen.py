"""`listen` without Prefect: what a run does at its sources, and whom it makes room for."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.client import Address, EngineClient, Sources, sources
from engine.clock import SystemClock
from flows import ears as ears_module
from flows import listen as listen_module
from flows.ears import AT_ONCE, Ears, Ending, Listener, as_json, parts
from flows.listen import NO_PLAN, Board, as_markdown, hear_source, sit
from listening.source import Batch, Follow, Poll, Source, SourceFailed
from signals.mention import Mention
from tests.support.fake_engine import FakeEngine, FakeSource
from tocsin.web.sources import MentionOrder

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FORUM = {"name": "forum", "kind": "replay", "file": "forum.jsonl", "every": "1s"}
PLAN: dict[str, Any] = {
    "brands": [{"id": "larkfield", "names": ["Larkfield"]}],
    "sources": [FORUM],
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears_module, "ENGINE_AWAY", 0.02)
    monkeypatch.setattr(ears_module, "GIVES_BACK", 0.01)
    monkeypatch.setattr(listen_module, "ENGINE_AWAY", 0.02)
    monkeypatch.setattr(listen_module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(listen_module, "hear_source", hear_source.plain)


@pytest.fixture
async def ears(engine: FakeEngine) -> AsyncIterator[Ears]:
    engine.sources["forum"] = FakeSource("forum")
    async with EngineClient(Address.of_home(engine.home)) as client:
        made = Ears(client, SystemClock(), "host-1-now", {})
        yield made
        await made.close()


class Shelf(Board):
    """Keeps what Prefect's pages would show."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    async def show(self, markdown: str) -> None:
        self.shown.append(markdown)


def wrote(*ids: str) -> tuple[Mention, ...]:
    return tuple(Mention("forum", each, START, f"Larkfield {each}") for each in ids)


class Forum:
    """A network with numbered posts; its cursor is how many were read."""

    def __init__(self) -> None:
        self.posts: list[Mention] = []
        self.asked: list[str | None] = []
        self.broken: SourceFailed | None = None
        self.closed = False

    def source(self, follow: Follow | None = None, poll: Poll | None = None) -> Source:
        return Source("forum", "replay", timedelta(seconds=0.01), poll or self.poll, follow, self.close)

    async def poll(self, cursor: str | None) -> Batch:
        self.asked.append(cursor)
        if self.broken is not None:
            raise self.broken
        return Batch(tuple(self.posts[int(cursor or 0) :]), str(len(self.posts)))

    async def close(self) -> None:
        self.closed = True


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def attending(ears: Ears, source: Source, known: Sources | None = None) -> AsyncIterator[Listener]:
    where = await ears.engine.ask(sources()) if known is None else known
    listener, ending = Listener(source, ears.engine, ears.by, where.stand("forum")), Ending()
    task = asyncio.create_task(listener.attend(ending, ears.clock))
    yield listener
    ending.end("the test is over")
    async with asyncio.timeout(20):
        await task


# --- one source ---


async def test_what_a_source_brings_is_handed_over_with_its_cursor(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    forum.posts += wrote("1", "2")
    async with attending(ears, forum.source()) as listener:
        await until(lambda: kept.cursor == "2")
        forum.posts += wrote("3")
        await until(lambda: kept.cursor == "3")

    assert list(kept.mentions) == ["1", "2", "3"]
    assert set(kept.by) == {"flow:host-1-now"}
    assert (listener.heard, listener.kept) == (3, 3)
    assert listener.sentence(ears.clock).startswith("3 mentions, 3 of them new and about us; the last came 0 s ago")


async def test_a_source_without_news_is_handed_over_empty_so_that_it_counts_as_read(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    async with attending(ears, forum.source()):
        await until(lambda: len(kept.by) >= 3)

    assert kept.mentions == {}


async def test_it_begins_at_the_cursor_where_somebody_else_has_left_it(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    forum.posts += wrote("1", "2", "3")
    kept.cursor = "2"
    async with attending(ears, forum.source()):
        await until(lambda: kept.cursor == "3")

    assert forum.asked[0] == "2"
    assert list(kept.mentions) == ["3"]


async def test_a_cursor_that_has_moved_is_read_again_and_it_goes_on_from_there(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    forum.posts += wrote("1", "2")
    before = await ears.engine.ask(sources())
    kept.cursor, kept.polled_by = "1", "engine"  # meanwhile
    async with attending(ears, forum.source(), before) as listener:
        await until(lambda: kept.cursor == "2")

    assert forum.asked[:2] == [None, "1"]
    assert list(kept.mentions) == ["2"]
    assert kept.troubles == []
    assert listener.trouble is None


@pytest.mark.parametrize("status", [500, 503])
async def test_what_the_engine_could_not_take_comes_again(engine: FakeEngine, ears: Ears, status: int):
    forum, kept, refused = Forum(), engine.sources["forum"], []

    def refuse(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        refused.append(body["before"])
        return (status, {"error": "Not now."}) if len(refused) <= 1 else None

    engine.refuse_batch = refuse
    forum.posts += wrote("1")
    async with asyncio.timeout(30):
        async with attending(ears, forum.source()):
            await until(lambda: kept.cursor == "1")

    assert refused[:2] == [None, None]
    assert list(kept.mentions) == ["1"]
    assert kept.troubles == []


async def test_an_engine_that_dies_after_its_commit_doubles_nothing(engine: FakeEngine, ears: Ears):
    """The batch is in and its answer is not: the cursor says so."""
    forum, kept = Forum(), engine.sources["forum"]

    def refuse(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if kept.mentions:
            return None
        kept.mentions["1"], kept.cursor, kept.polled_by = body["mentions"][0], body["cursor"], body["by"]
        return 500, {"error": "The connection is gone."}

    engine.refuse_batch = refuse
    forum.posts += wrote("1")
    async with attending(ears, forum.source()):
        await until(lambda: kept.cursor == "1")
        forum.posts += wrote("2")
        await until(lambda: kept.cursor == "2")

    assert list(kept.mentions) == ["1", "2"]


async def test_trouble_is_told_to_the_engine_and_tried_again(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    forum.broken = SourceFailed("forum does not answer", 0.05)
    async with attending(ears, forum.source()) as listener:
        await until(lambda: len(kept.troubles) >= 2)
        assert "cannot be read: forum does not answer" in listener.sentence(ears.clock)
        forum.broken = None
        forum.posts += wrote("1")
        await until(lambda: kept.cursor == "1")
        await until(lambda: listener.trouble is None)

    assert kept.troubles[0] == {"because": "forum does not answer", "retry_after": 0.05}


async def test_a_source_that_breaks_is_trouble_and_not_the_end(engine: FakeEngine, ears: Ears):
    kept = engine.sources["forum"]

    async def poll(_cursor: str | None) -> Batch:
        raise ZeroDivisionError

    async with attending(ears, Forum().source(poll=poll)):
        await until(lambda: len(kept.troubles) >= 2)

    assert "an error of ours" in kept.troubles[0]["because"]


async def test_what_the_engine_refuses_is_read_by_the_engine_and_then_it_goes_on(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    refusal: dict[str, Any] = {"error": "mentions.0.id: too long", "problems": ["mentions.0.id: too long"]}
    engine.refuse_batch = lambda body: (400, refusal) if body["before"] is None else None
    forum.posts += wrote("1", "2")
    async with attending(ears, forum.source()):
        await until(lambda: kept.troubles)
        engine.refuse_batch = lambda _body: None
        kept.cursor, kept.polled_by = "1", "engine"
        await until(lambda: kept.cursor == "2")

    assert "too long" in kept.troubles[0]["because"]
    assert list(kept.mentions) == ["2"]


async def test_a_network_that_wants_to_be_left_alone_is_not_asked(engine: FakeEngine, ears: Ears):
    forum, kept = Forum(), engine.sources["forum"]
    kept.not_before = (ears.clock.now() + timedelta(seconds=3600)).isoformat()
    async with attending(ears, forum.source()):
        await asyncio.sleep(0.1)

    assert forum.asked == []


async def test_a_stream_is_followed_and_left_when_it_is_told_to(engine: FakeEngine, ears: Ears):
    forum, kept, left = Forum(), engine.sources["forum"], []

    async def follow(cursor: str | None) -> AsyncGenerator[Batch, None]:
        at = int(cursor or 0)
        try:
            while True:
                at += 1
                yield Batch(wrote(str(at)), str(at))
                await asyncio.sleep(0.01)
        finally:
            left.append(at)

    async with attending(ears, forum.source(follow)):
        await until(lambda: len(kept.mentions) >= 5)

    assert forum.asked == [None]
    assert len(left) == 1


# --- what goes over the wire ---


def test_a_long_batch_goes_in_parts_of_which_the_last_is_known():
    mentions = wrote(*(str(number) for number in range(2 * AT_ONCE + 1)))
    given = list(parts(mentions))

    assert [len(part) for part, _ in given] == [AT_ONCE, AT_ONCE, 1]
    assert [last for _, last in given] == [False, False, True]
    assert [each["id"] for part, _ in given for each in part] == [each.id for each in mentions]


def test_long_texts_go_in_parts_that_the_engine_takes():
    mentions = [Mention("forum", str(number), START, "\U0001f525" * 65_536) for number in range(3)]
    sizes = [len(json.dumps(part)) for part, _ in parts(mentions)]

    assert len(sizes) == 3
    assert max(sizes) < 1024 * 1024 - 64 * 1024


async def test_the_parts_of_a_batch_move_the_cursor_only_at_the_end(engine: FakeEngine, ears: Ears):
    forum, kept, seen = Forum(), engine.sources["forum"], []
    engine.refuse_batch = lambda body: seen.append((body["before"], body["cursor"], len(body["mentions"])))
    forum.posts += wrote(*(str(number) for number in range(AT_ONCE + 5)))
    async with attending(ears, forum.source()):
        await until(lambda: kept.cursor is not None)

    assert seen[:2] == [(None, None, AT_ONCE), (None, str(AT_ONCE + 5), 5)]


def test_a_mention_is_the_same_on_the_other_side():
    full = Mention(
        *("forum", "1", START, "Grüße", "did:1", "Ana", "https://forum.example/1", "es", 12, True, "0", "0", "9"),
        *(True, True, True, "A title", 3, 7),
    )
    assert not [each.name for each in fields(Mention) if getattr(full, each.name) in (None, "", False)]

    for mention in (full, Mention("forum", "2", START, "")):
        assert MentionOrder.model_validate_json(json.dumps(as_json(mention))).mention("forum") == mention


def test_half_a_character_is_no_end_of_listening():
    said = as_json(Mention("forum", "1", START, "half \ud83d of it"))

    assert MentionOrder.model_validate_json(json.dumps(said)).text == "half ? of it"


# --- a run ---


async def a_run(ears: Ears, seconds: float = 600, board: Board | None = None) -> str:
    async with ears.seat() as ending:
        return await sit(ears, ending, seconds, board or Shelf())


def planned(engine: FakeEngine, folder: Path) -> Path:
    engine.listening, engine.folder = PLAN, folder
    file = folder / "forum.jsonl"
    file.write_text('{"id": "1", "at": "2026-03-02T09:00:00Z", "text": "Larkfield"}\n', encoding="utf-8")
    return file


async def test_without_a_plan_a_run_ends_at_once_and_says_so(ears: Ears):
    assert await a_run(ears) == NO_PLAN


async def test_a_run_sits_at_the_sources_of_the_plan_until_its_time_is_over(
    engine: FakeEngine, ears: Ears, tmp_path: Path
):
    planned(engine, tmp_path)
    shelf = Shelf()
    because = await a_run(ears, 0.5, shelf)

    assert "its time is over" in because
    assert list(engine.sources["forum"].mentions) == ["1"]
    assert "| forum | replay | 1 mentions, 1 of them new and about us" in shelf.shown[-1]


async def test_the_next_run_relieves_the_one_before_and_keeps_its_sources(
    engine: FakeEngine, ears: Ears, tmp_path: Path
):
    planned(engine, tmp_path)
    first = asyncio.create_task(a_run(ears))
    await until(lambda: engine.sources["forum"].mentions)
    built = await ears.sources_of(await ears.engine.ask(sources()))
    second = asyncio.create_task(a_run(ears))
    async with asyncio.timeout(20):
        assert "relieved" in await first
    assert await ears.sources_of(await ears.engine.ask(sources())) is built
    ears.end("parked: the worker stops")

    assert await second == "parked: the worker stops"


async def test_of_many_late_runs_the_last_one_listens(engine: FakeEngine, ears: Ears, tmp_path: Path):
    planned(engine, tmp_path)
    late = [asyncio.create_task(a_run(ears)) for _ in range(5)]
    async with asyncio.timeout(20):
        assert [because.partition(":")[0] for because in await asyncio.gather(*late[:4])] == ["relieved"] * 4
    assert not late[4].done()
    ears.end("enough")

    assert await late[4] == "enough"


async def test_with_another_plan_the_run_goes_on_with_its_sources(engine: FakeEngine, ears: Ears, tmp_path: Path):
    planned(engine, tmp_path)
    run = asyncio.create_task(a_run(ears))
    await until(lambda: engine.sources["forum"].mentions)
    engine.sources["press"] = FakeSource("press")
    engine.listening = {**PLAN, "sources": [{"name": "press", "kind": "replay", "file": "forum.jsonl", "every": "1s"}]}
    await until(lambda: engine.sources["press"].mentions)
    ears.end("enough")

    assert await run == "enough"


async def test_a_run_waits_for_an_engine_that_is_away(engine: FakeEngine, ears: Ears, tmp_path: Path):
    planned(engine, tmp_path)
    engine.away = True
    run = asyncio.create_task(a_run(ears))
    await asyncio.sleep(0.1)
    engine.away = False
    await until(lambda: engine.sources["forum"].mentions)
    ears.end("enough")

    assert await run == "enough"


async def test_a_source_without_its_secret_is_trouble_and_the_others_are_heard(
    engine: FakeEngine, ears: Ears, tmp_path: Path
):
    planned(engine, tmp_path)
    engine.sources["x"] = FakeSource("x", kind="x")
    engine.listening = {**PLAN, "sources": [{"name": "x", "kind": "x", "every": "1s"}, FORUM]}
    run = asyncio.create_task(a_run(ears))
    await until(lambda: engine.sources["x"].troubles and engine.sources["forum"].mentions)
    ears.end("enough")
    await run

    assert "TOCSIN_X_BEARER_TOKEN is not set" in engine.sources["x"].troubles[0]["because"]


async def test_what_networks_say_cannot_break_the_table(ears: Ears):
    listener = Listener(Forum().source(), ears.engine, ears.by, None)
    listener.trouble = "<b>no</b> | none\nat all"

    assert as_markdown([listener], ears).count("\n") == 3
    assert "<b>" not in as_markdown([listener], ears)
