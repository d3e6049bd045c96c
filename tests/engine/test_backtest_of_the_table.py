"""What the engine has kept, replayed over its API, gives what it found live: the same findings, by their ids."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.backtest import History, replayed, rules_of, stored_history
from engine.client import Request
from engine.clock import SystemClock
from engine.history import EARLIER
from engine.services import Engine, EngineConfig
from incidents import commands as c
from signals.mention import Mention, Tagged
from storage import log
from storage import mentions as store
from tests.support.backtests import MANY, POISON, plan_with
from tocsin.web.app import build_app

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ALERT = {"name": "Checkout", "when": "monitoring alert [checkout] is firing for 5 minutes", "severity": "SEV2"}


class SetClock(SystemClock):
    """Stands where the test puts it."""

    at = MORNING

    def now(self) -> datetime:
        return self.at


class AppClient:
    """Asks the application itself, as `SyncEngineClient` asks over a socket."""

    def __init__(self, engine: Engine) -> None:
        self._client = TestClient(build_app(engine))
        self.pages = 0

    def ask(self, request: Request[Any]) -> Any:
        self.pages += 1
        answer = self._client.get(request.target, headers={"authorization": "Bearer t"})
        assert answer.status_code == 200, answer.text
        return request.read(json.loads(answer.content))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: SetClock) -> AsyncIterator[Engine]:
    plan_with(tmp_path / "plan", MANY, POISON, ALERT)
    config = EngineConfig(tmp_path / "home", tmp_path / "plan", "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


def tagged(minute: float, text: str, topics: frozenset[str] = frozenset()) -> Tagged:
    at = MORNING + timedelta(minutes=minute)
    mention = Mention(source="shop", id=f"{minute}", at=at, text=text, author=f"u{minute}")
    return Tagged(mention, "northwind", "en", "neutral", 0.0, complaint=False, topics=topics)


def keep(engine: Engine, *minutes: float, text: str = "Northwind", topics: frozenset[str] = frozenset()) -> None:
    for minute in minutes:
        at = (MORNING + timedelta(minutes=minute)).timestamp()
        engine.database.write_now(partial(store.keep, tagged=tagged(minute, text, topics), heard_at=at, counted_at=at))


async def live(engine: Engine, clock: SetClock, minute: float) -> None:
    """Let the engine's own detection look at a moment."""
    clock.at = MORNING + timedelta(minutes=minute)
    if engine.detection.detector is None:
        await engine.detection._make_ready()
    await engine.detection._look()


def found_live(engine: Engine) -> list[str]:
    return [each.id for each in engine.database.read_now(lambda tx: store.latest_assessments(tx, None, 500))][::-1]


def stored(engine: Engine, client: AppClient, clock: SetClock, back: timedelta = timedelta(days=1)) -> History:
    return stored_history(client, (clock.at - back).timestamp(), clock.at.timestamp() - 30, None)


async def a_day(engine: Engine, clock: SetClock) -> None:
    """A crowd, poison in it, an alert that burns on, calm, and a second crowd."""
    await live(engine, clock, 0)
    keep(engine, 5, 6, 7)
    await live(engine, clock, 10)
    keep(engine, 20, 21, text="Northwind is poison", topics=frozenset({"poison"}))
    await live(engine, clock, 30)
    at = (MORNING + timedelta(minutes=60)).timestamp()
    engine.database.write_now(lambda tx: store.keep_alert(tx, "m:1", {"checkout"}, at, firing=True))
    engine.database.write_now(lambda tx: store.keep_alert(tx, "m:1", (), at + 900, firing=False))
    await live(engine, clock, 62)
    for minute in (70, 75, 90, 180, 240):
        await live(engine, clock, minute)
    keep(engine, 600, 601, 602.5)
    for minute in (601, 610, 900):
        await live(engine, clock, minute)


async def test_the_table_replayed_finds_what_was_found_live(engine, clock, tmp_path):
    await a_day(engine, clock)
    found = found_live(engine)
    assert {each.split("/")[1] for each in found} >= {"raises", "calm"}
    assert len(found) >= 4
    rules = rules_of(tmp_path / "plan")
    test = replayed(rules, stored(engine, AppClient(engine), clock), lambda _done, _words: None)
    assert [each.id for each in sorted(test.findings, key=lambda each: each.at)] == found


async def test_pages_of_the_api_join_without_a_seam(engine, clock, monkeypatch, tmp_path):
    await a_day(engine, clock)
    whole = replayed(rules_of(tmp_path / "plan"), stored(engine, AppClient(engine), clock), lambda *_: None)
    monkeypatch.setattr("engine.backtest._ROWS_AT_ONCE", 2)
    client = AppClient(engine)
    parts = replayed(rules_of(tmp_path / "plan"), stored(engine, client, clock), lambda *_: None)
    assert client.pages > 5
    assert [each.id for each in parts.findings] == [each.id for each in whole.findings]


async def test_a_row_that_is_very_long_ends_a_page_and_nothing_is_left_out(engine, clock, monkeypatch, tmp_path):
    await a_day(engine, clock)
    monkeypatch.setattr("engine.history.MOST_BYTES", 1)
    test = replayed(rules_of(tmp_path / "plan"), stored(engine, AppClient(engine), clock), lambda *_: None)
    assert sum(test.counts["northwind"].values()) == 8


async def test_a_topic_that_only_the_new_plan_names_is_found_in_what_was_kept(engine, clock, tmp_path):
    await live(engine, clock, 0)
    keep(engine, 5, 6, text="Northwind soup full of mould")
    await live(engine, clock, 30)
    mould = {"name": "Mould", "when": "at least 2 mentions in 1 hour about [mould]", "severity": "SEV2"}
    rules = rules_of(plan_with(tmp_path / "new", mould))
    test = replayed(rules, stored(engine, AppClient(engine), clock), lambda *_: None)
    assert [each.started for each in test.findings] == [("Mould",)]


async def test_incidents_are_labels_those_stood_down_are_false_and_drills_are_none(engine, clock, tmp_path):
    await a_day(engine, clock)
    first, second = (each.id for each in reversed(await _open_incidents(engine)))
    await engine.declare(title="A drill", situation="SHOP_DOWN", severity=None, by="person:ana", drill=True)
    await engine.command(second, lambda _i, _n: c.StandDown("a joke", "person:ana"))
    history = stored(engine, AppClient(engine), clock)
    assert [(each.brand, each.real, each.name.split()[0]) for each in history.labels] == [
        ("northwind", True, first),
        ("northwind", False, second),
    ]
    assert all(each.start == each.began - EARLIER for each in history.labels)
    report = replayed(rules_of(tmp_path / "plan"), history, lambda *_: None).report(history.labels, complete=False)
    assert [each.label.name.split()[0] for each in report.caught] == [first]
    assert {each.verdict for each in report.pages} == {"caught", "false"}


async def test_what_only_a_monitor_declared_is_no_label_and_what_a_person_declared_is_one(engine, clock, tmp_path):
    declared = partial(engine.declare, situation="SHOP_DOWN", severity=None, drill=False)
    await declared(title="Disk of db1 is full", by="monitor:metrics")
    await declared(title="Somebody called", by="person:ana")
    history = stored(engine, AppClient(engine), clock)
    assert [(each.brand, each.name.partition(" ")[2]) for each in history.labels] == [("", "Somebody called")]


async def _open_incidents(engine: Engine) -> list[Any]:
    return await engine.database.read(lambda tx: log.incident_rows(tx, only_open=False, limit=10))


async def test_what_came_before_only_teaches(engine, clock, tmp_path):
    await a_day(engine, clock)
    since = (MORNING + timedelta(minutes=300)).timestamp()
    history = stored_history(AppClient(engine), since, clock.at.timestamp(), [])
    test = replayed(rules_of(tmp_path / "plan"), history, lambda *_: None)
    report = test.report(history.labels, since=history.since)
    assert report.span.start == since
    assert [each.finding.at for each in report.pages] == [(MORNING + timedelta(minutes=602)).timestamp()]
