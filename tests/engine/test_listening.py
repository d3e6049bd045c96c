"""Who reads a source: the flow while it is there, the engine when nobody has for twice the source's interval.

Simulated time: the clock jumps; sources are real files that people add lines to; detector, door and store are real.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.book import PlanBook
from engine.compose import Composer
from engine.detection import Detection
from engine.door import Door
from engine.links import Links
from engine.listening import ALLOWED_AHEAD, Listening, Step
from incidents.errors import CursorMoved, Overloaded
from listening.build import build_sources
from listening.reading import Reader
from listening.session import listen
from listening.source import Batch, Source, SourceFailed
from runbooks.plan import Plan
from signals.listening import Listening as ListeningPlan
from signals.mention import Mention
from signals.observation import AlertHeard, NotHeard, Observation
from signals.thresholds import ThresholdsFile
from storage import log, outbox, plans
from storage import mentions as store
from storage.database import Database
from storage.migrate import migrate
from tests.support.plans import crisis_plan, everybody

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STEP = 1.0
"""Seconds between two looks of the engine."""
HOUR = 3600
NAMES = ("Acornia", "Bramblebox", "Cedarwood", "Driftwell", "Elderkin", "Foxglove", "Goosefield", "Hazelmere")
"""One brand each, so that each mention declares an incident of its own."""
EVERY = {"forum": 20, "press": 60, "reviews": 180}
RULE = {"name": "Big voice", "when": "a negative mention by somebody with more than 1000 followers", "severity": "SEV1"}


def the_plan() -> Plan:
    brands = [{"id": name.lower(), "names": [name]} for name in NAMES]
    sources = [{"name": name, "kind": "replay", "file": f"{name}.jsonl", "every": f"{s}s"} for name, s in EVERY.items()]
    # JSON, as the plan's own files are read.
    listening = ListeningPlan.model_validate_json(json.dumps({"brands": brands, "sources": sources}))
    thresholds = ThresholdsFile.model_validate_json(json.dumps({"situation": "SHOP_DOWN", "rules": [RULE]}))
    return crisis_plan().model_copy(update={"listening": listening, "thresholds": thresholds})


class Jumping:
    """A clock that goes when it is told to."""

    held_back = 0.0

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - START).total_seconds()

    def jumps(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Town:
    """The engine's hearing in one folder. `passes` moves time a look at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Jumping()
        migrate(folder / "tocsin.db")
        self.database = Database(folder / "tocsin.db")
        self.database.start()
        # Nobody cuts the power of a simulated world: its commits need not wait for the disk.
        self.database._connection.execute("PRAGMA synchronous=OFF")
        self.book = PlanBook()
        plan, stamp = the_plan(), START.timestamp()
        version = self.database.write_now(lambda tx: plans.store_plan(tx, plan, stamp))
        self.book.activate(version, plan, everybody())
        self.told: list[str] = []
        composer = Composer(1, Links("a secret for tests", None), frozenset(), frozenset({"sms", "voice"}))
        door = Door(composer, self.book, lambda _: False)
        self.detection = Detection(
            self.database, door, self.book, self.clock, lambda _change: None, self._page_operators
        )
        for name in EVERY:
            (folder / f"{name}.jsonl").touch()
        self.begin()

    def begin(self) -> None:
        """A new process on the same file."""
        self.listening = Listening(
            self.database,
            self.book,
            self.clock,
            self._page_operators,
            self.detection.nudge,
            folder=self.folder,
            environment={},
        )
        self.listening.follow_plan()
        plan = self.listening.plan
        assert plan is not None
        self.listening._take(build_sources(plan, {}, self.clock.now, self.folder))

    async def _page_operators(self, _key: str, words: str) -> None:
        self.told.append(words)

    # --- what happens ---

    def writes(self, source: str, brand: str, words: str = "is a terrible disgrace, I hate it", **more: Any) -> str:
        """Somebody writes now; gives the mention's id."""
        mention_id = f"{source}-{brand}-{self.clock.monotonic():.0f}"
        said = {"id": mention_id, "at": self.clock.now().isoformat(), "text": f"{brand} {words}", "reach": 50_000}
        with (self.folder / f"{source}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**said, "author": mention_id, **more}) + "\n")
        return mention_id

    async def passes(self, seconds: float, each: Callable[[], Any] = lambda: None) -> None:
        for _ in range(round(seconds / STEP)):
            self.clock.jumps(STEP)
            each()
            await self.listening.look()
            await asyncio.gather(*self.listening.readings)
            if self.clock.monotonic() % 5 == 0:
                await self.decides()

    async def decides(self) -> None:
        if self.detection.detector is None:
            await self.detection._make_ready()
        await self.detection._look()

    async def flow_reads(self, name: str) -> None:
        """What the flow `listen` does at a source, in the same words."""

        async def take(batch: Batch, before: str | None) -> None:
            await self.listening.hear(name, batch.mentions, by="flow:worker", step=Step(before, batch.cursor))

        await listen(self.source(name), self.stand(name).cursor, take, lasting=0)

    def source(self, name: str) -> Source:
        plan = self.listening.plan
        assert plan is not None
        return next(each for each in build_sources(plan, {}, self.clock.now, self.folder) if each.name == name)

    # --- what there is ---

    def stand(self, name: str) -> store.Stand:
        return self.database.read_now(lambda tx: store.stand(tx, name))

    def heard(self) -> dict[str, tuple[float, float]]:
        """Id -> when it was written, and when it was heard."""
        rows = self.database.read_now(lambda tx: tx.all("SELECT id, at, heard_at FROM mentions WHERE brand <> ''", ()))
        return {row[0]: (row[1], row[2]) for row in rows}

    def counted(self, mention_id: str) -> float:
        row = self.database.read_now(lambda tx: tx.one("SELECT counted_at FROM mentions WHERE id = ?", (mention_id,)))
        assert row is not None
        return float(row[0]) - START.timestamp()

    def alerts(self) -> list[tuple[str, bool]]:
        rows = self.database.read_now(lambda tx: store.after(tx, 0, 1000))
        return [(each.heard.key, each.heard.firing) for each in rows if isinstance(each.heard, AlertHeard)]

    def pages(self) -> dict[str, str]:
        """Incident -> its title, of those that have paged somebody."""

        def look(tx: Any) -> dict[str, str]:
            rows = log.incident_rows(tx, only_open=False, limit=100)
            paged = {each.id for each in rows if any(row.kind == "page" for row in outbox.of_incident(tx, each.id))}
            return {each.id: each.title for each in rows if each.id in paged}

        return self.database.read_now(look)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    yield made
    await made.listening.stop()
    await asyncio.to_thread(made.database.close)


def mention(mention_id: str, at: datetime = START, text: str = "Acornia is late") -> Mention:
    return Mention("forum", mention_id, at, text)


# --- the hour without Prefect ---


async def test_an_hour_without_prefect_everything_is_heard_within_two_intervals_and_pages(town: Town):
    for name in EVERY:
        await town.flow_reads(name)
    await town.decides()
    names, sources, written = iter(NAMES), list(EVERY), {}

    def people_write() -> None:
        second = round(town.clock.monotonic())
        if second % 441 == 7 and (brand := next(names, None)) is not None:
            source = sources[second % 3]
            written[town.writes(source, brand)] = EVERY[source]

    await town.passes(HOUR, people_write)
    heard = town.heard()
    late = {each: heard[each][1] - heard[each][0] for each in written}

    assert len(written) == len(NAMES)
    assert set(heard) == set(written)
    assert not {each: late[each] for each, every in written.items() if late[each] > 2 * every + STEP}
    assert {town.stand(name).polled_by for name in EVERY} == {"engine"}
    assert sorted(town.pages().values()) == sorted(f"Big voice ({name})" for name in NAMES)


async def test_the_engine_stays_away_while_the_flow_reads(town: Town):
    def everybody_is_read() -> None:
        assert town.listening.readings == []

    for _ in range(20):
        await town.flow_reads("forum")
        await town.flow_reads("press")
        await town.flow_reads("reviews")
        await town.passes(18, everybody_is_read)

    assert {town.stand(name).polled_by for name in EVERY} == {"flow:worker"}


async def test_the_engine_takes_over_after_two_intervals_and_gives_back(town: Town):
    for name in EVERY:
        await town.flow_reads(name)
    await town.passes(2 * EVERY["forum"] - 1)
    assert town.stand("forum").polled_by == "flow:worker"
    await town.passes(1)
    assert town.stand("forum").polled_by == "engine"
    assert town.stand("press").polled_by == "flow:worker"
    await town.passes(EVERY["forum"])
    assert town.stand("forum").polled_at == town.clock.now().timestamp()

    await town.flow_reads("forum")
    await town.passes(2 * EVERY["forum"] - 1)
    assert town.stand("forum").polled_by == "flow:worker"


async def test_a_source_without_news_counts_as_read_and_its_cursor_as_old(town: Town):
    town.writes("forum", "Acornia")
    await town.flow_reads("forum")
    moved = town.stand("forum").moved_at
    await town.passes(10)
    await town.flow_reads("forum")
    stand = town.stand("forum")

    assert stand.moved_at == moved
    assert stand.polled_at == town.clock.now().timestamp()


# --- one cursor, two readers ---


async def test_of_two_that_read_from_one_cursor_the_second_keeps_nothing(town: Town):
    assert await town.listening.hear("forum", [mention("1")], by="flow:a", step=Step(None, "one")) == 1
    with pytest.raises(CursorMoved):
        await town.listening.hear("forum", [mention("2")], by="engine", step=Step(None, "two"))

    assert set(town.heard()) == {"1"}
    assert town.stand("forum").cursor == "one"
    assert town.stand("forum").polled_by == "flow:a"


async def test_what_comes_again_is_kept_once(town: Town):
    await town.listening.hear("forum", [mention("1"), mention("2")], by="flow:a", step=Step(None, None))
    kept = await town.listening.hear("forum", [mention("2"), mention("3")], by="flow:a", step=Step(None, "three"))

    assert kept == 1
    assert set(town.heard()) == {"1", "2", "3"}


async def test_nothing_is_kept_without_its_cursor(town: Town):
    """Overload refuses the whole: the batch comes again from the same cursor."""
    await town.listening.hear("forum", [mention("1")], by="flow:a", step=Step(None, "one"))
    town.database.disk_full = True
    with pytest.raises(Overloaded):
        await town.listening.hear("forum", [mention("2")], by="flow:a", step=Step("one", "two"))
    town.database.disk_full = False

    assert town.stand("forum").cursor == "one"
    assert await town.listening.hear("forum", [mention("2")], by="flow:a", step=Step("one", "two")) == 1


async def test_the_engine_reads_again_what_it_could_not_keep(town: Town):
    town.writes("forum", "Acornia")
    town.database.disk_full = True
    await town.passes(2 * EVERY["forum"])
    assert town.heard() == {}
    town.database.disk_full = False
    await town.passes(2 * EVERY["forum"])

    assert len(town.heard()) == 1


async def test_a_start_goes_on_from_the_cursor(town: Town):
    town.writes("forum", "Acornia")
    await town.passes(2 * EVERY["forum"])
    await town.listening.stop()
    second = town.writes("forum", "Bramblebox")
    town.begin()
    await town.passes(2 * EVERY["forum"])

    assert len(town.heard()) == 2
    assert town.heard()[second][1] > town.heard()[second][0]


async def test_another_plan_ends_what_is_being_read_before_its_source_is_closed(town: Town):
    ended: list[str] = []

    async def never(_cursor: str | None) -> Batch:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("reading")
        return Batch()

    async def close() -> None:
        ended.append("source")

    town.listening.start()
    town.listening._take([Source("forum", "replay", timedelta(seconds=20), never, close=close)])
    town.clock.jumps(40)
    await town.listening.look()
    await asyncio.sleep(0)
    town.listening.follow_plan()
    await town.listening.look()
    assert town.listening._closing is not None
    await town.listening._closing

    assert ended == ["reading", "source"]
    assert town.stand("forum").trouble is None


# --- trouble ---


async def in_trouble(town: Town, retry_after: float | None = None) -> None:
    """The forum's network does not answer."""

    async def poll(_cursor: str | None) -> Batch:
        raise SourceFailed("it does not answer", retry_after)

    town.listening._sources["forum"] = Source("forum", "replay", timedelta(seconds=20), poll)


async def test_a_source_that_nobody_can_read_is_a_sign_until_it_speaks_again(town: Town):
    await town.flow_reads("forum")
    await in_trouble(town)
    await town.passes(2 * EVERY["forum"] + 2)
    assert town.alerts() == [("source:forum", True)]
    assert town.listening.is_silent("forum")
    await town.passes(2 * EVERY["forum"])
    await town.flow_reads("forum")

    assert town.alerts() == [("source:forum", True), ("source:forum", False)]
    assert town.stand("forum").trouble is None


async def test_a_source_that_speaks_again_after_a_restart_ends_its_sign(town: Town):
    await in_trouble(town)
    await town.passes(2 * EVERY["forum"] + 2)
    await town.listening.stop()
    town.begin()
    await town.passes(2 * EVERY["forum"])

    assert town.alerts()[-1] == ("source:forum", False)


async def test_a_network_that_wants_to_be_left_alone_is_left_alone(town: Town):
    asked: list[float] = []

    async def poll(_cursor: str | None) -> Batch:
        asked.append(town.clock.monotonic())
        raise SourceFailed("too many requests", 300)

    town.listening._sources["forum"] = Source("forum", "replay", timedelta(seconds=20), poll)
    await town.passes(HOUR)

    assert 10 <= len(asked) <= 12
    assert min(later - sooner for sooner, later in pairwise(asked)) >= 300


async def test_what_the_flow_was_asked_to_wait_the_engine_waits_too(town: Town):
    await town.flow_reads("forum")
    await town.listening.failed("forum", "too many requests", 500)
    await town.passes(499)
    assert town.stand("forum").polled_by == "flow:worker"
    await town.passes(1)

    assert town.stand("forum").polled_by == "engine"


async def test_operators_are_told_once_of_a_source_that_stays_in_trouble(town: Town):
    await in_trouble(town)
    await town.passes(HOUR)

    assert len(town.told) == 1
    assert "forum cannot be read: it does not answer" in town.told[0]


async def test_the_word_lists_of_a_plan_are_read_off_the_loop_and_once(town: Town, monkeypatch: pytest.MonkeyPatch):
    threads: list[str] = []

    def made(*args: Any) -> Reader:
        threads.append(threading.current_thread().name)
        return Reader(*args)

    monkeypatch.setattr("engine.listening.Reader", made)
    town.listening.follow_plan()
    said = [mention("1"), mention("2")]
    heard = await asyncio.gather(*(town.listening.hear("forum", [each], by="test") for each in said))

    assert heard == [1, 1]
    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name


async def test_one_source_that_breaks_holds_up_no_other(town: Town):
    async def poll(_cursor: str | None) -> Batch:
        raise ZeroDivisionError

    town.listening._sources["forum"] = Source("forum", "replay", timedelta(seconds=20), poll)
    town.writes("press", "Acornia")
    await town.passes(2 * EVERY["press"])

    assert len(town.heard()) == 1
    assert town.stand("forum").trouble == "an error of ours; the log has it"


# --- when a mention counts ---


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        (-10, -10),  # just written
        (-29, -29),  # as late as can be
        (-31, -29),  # too late: when it came, less a second for the commit
        (-86_400, -29),
        (60, 0),  # their clock is ahead
        (ALLOWED_AHEAD + 1, 0),
        (86_400 * 365 * 1000, 0),
    ],
)
async def test_a_mention_counts_when_it_was_written_and_never_in_the_future(town: Town, written: float, counts: float):
    moment = town.clock.now() + timedelta(seconds=written)
    await town.listening.hear("forum", [mention("1", moment)], by="flow:a", step=Step(None, "one"))

    assert town.counted("1") == pytest.approx(counts, abs=1e-3)


async def test_a_mention_that_concerns_nobody_moves_the_cursor_and_is_not_kept(town: Town):
    kept = await town.listening.hear("forum", [mention("1", text="A nice day")], by="flow:a", step=Step(None, "one"))

    assert kept == 0
    assert town.heard() == {}
    assert town.stand("forum").cursor == "one"


async def test_a_broken_database_file_is_nobodys_end(town: Town, monkeypatch: pytest.MonkeyPatch):
    """A look that fails is followed by the next one."""
    looked = asyncio.Event()
    calls: list[int] = []

    async def look() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Overloaded("The disk is full.")
        looked.set()

    monkeypatch.setattr(town.listening, "look", look)
    monkeypatch.setattr("engine.listening.LOOK_EVERY", 0.01)
    town.listening.start()
    async with asyncio.timeout(30):
        await looked.wait()

    assert len(calls) >= 2


# --- after an absence ---


async def test_the_hours_in_which_nobody_read_a_source_are_unknown_and_its_backlog_is_not_how_many_write_now(
    town: Town,
):
    await town.passes(40)
    before = town.clock.now()
    town.writes("forum", "Acornia")
    # Nothing of ours runs for five hours: not the flow, not the engine.
    town.clock.jumps(5 * HOUR)
    await town.passes(60)
    await town.decides()

    rows = town.database.read_now(lambda tx: store.after(tx, 0, 1000))
    gaps = [each.heard for each in rows if isinstance(each.heard, NotHeard)]
    assert {each.brand for each in gaps} == {name.lower() for name in NAMES}
    assert all(each.at - each.since > 4 * HOUR and each.since <= before.timestamp() for each in gaps)
    old = [each.heard for each in rows if isinstance(each.heard, Observation)]
    assert [each.old for each in old] == [True]
    detector = town.detection.detector
    assert detector is not None
    picture = detector.picture_of("acornia")
    assert picture is not None
    assert picture.value == 0
    assert len(town.pages()) == 1  # what one mention may say, it says all the same
