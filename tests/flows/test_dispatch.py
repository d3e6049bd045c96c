"""Which incident gets a run, and what happens when runs do not start."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from engine.client import Address, EngineClient, WorkItem
from flows import dispatch
from flows.crew import Crew, StartFailed
from flows.dispatch import Breaker, Dispatch, urgency
from flows.hints import Hints
from flows.pace import Pace
from tests.flows.test_driver import StandingClock
from tests.support.fake_engine import START, FakeEngine


class Starts:
    """A starter that remembers what it was asked for, and lets a test decide how it goes."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.available = True
        self.begun = True
        self.broken = False

    async def create(self, item: WorkItem, since: str | None) -> UUID:
        self.created.append(item.incident)
        if self.broken:
            raise StartFailed("Prefect is away")
        return UUID(int=len(self.created))

    async def has_begun(self, run: UUID) -> bool:
        return self.begun


@pytest.fixture
async def dispatching(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Dispatch, Starts]]:
    monkeypatch.setattr(dispatch, "LOOK_ELSEWHERE", 0.01)
    starts = Starts()
    async with EngineClient(Address.of_home(engine.home)) as client:
        crew = Crew(client, Hints(), StandingClock(), "worker", Pace())
        yield Dispatch(client, Hints(), crew, starts, 200), starts


def owing(engine: FakeEngine, incident: str, severity: str) -> None:
    engine.declare(incident, severity=severity).owe_page("ana")


async def test_the_worst_are_started_first_three_at_a_time(
    engine: FakeEngine, dispatching: tuple[Dispatch, Starts]
) -> None:
    dispatch_, starts = dispatching
    starts.begun = False
    for number, severity in enumerate(["SEV3", "SEV1", "SEV4", "SEV2", "SEV1"], start=1):
        owing(engine, f"INC-{number}", severity)
    await dispatch_.one_round()
    await dispatch_.one_round()
    await asyncio.sleep(0)

    assert starts.created == ["INC-2", "INC-5", "INC-4"]
    starts.begun = True
    while len(starts.created) < 5:
        await asyncio.sleep(0.01)
        for incident in starts.created:
            engine.incidents[incident].driver = ("worker", "run")
        await dispatch_.one_round()

    assert starts.created[3:] == ["INC-1", "INC-3"]


async def test_three_failures_in_a_row_rest_the_worker(
    engine: FakeEngine, dispatching: tuple[Dispatch, Starts], caplog: pytest.LogCaptureFixture
) -> None:
    dispatch_, starts = dispatching
    starts.broken = True
    for number in range(1, 9):
        owing(engine, f"INC-{number}", "SEV2")
    await dispatch_.one_round()
    await asyncio.sleep(0.05)
    await dispatch_.one_round()
    await asyncio.sleep(0.05)

    assert len(starts.created) == 3
    assert "3 starts failed in a row" in caplog.text


async def test_nothing_is_started_before_prefects_worker_is_there(
    engine: FakeEngine, dispatching: tuple[Dispatch, Starts]
) -> None:
    dispatch_, starts = dispatching
    owing(engine, "INC-1", "SEV2")
    starts.available = False
    await dispatch_.one_round()
    await asyncio.sleep(0)
    assert starts.created == []
    starts.available = True
    await dispatch_.one_round()
    await asyncio.sleep(0)

    assert starts.created == ["INC-1"]


async def test_no_more_runs_than_live_runs(engine: FakeEngine, dispatching: tuple[Dispatch, Starts]) -> None:
    dispatch_, starts = dispatching
    dispatch_._live_runs = 1
    starts.begun = False
    owing(engine, "INC-1", "SEV2")
    owing(engine, "INC-2", "SEV2")
    await dispatch_.one_round()
    await asyncio.sleep(0.05)

    assert starts.created == ["INC-1"]


async def test_an_engine_that_is_away_gives_no_work(engine: FakeEngine, dispatching: tuple[Dispatch, Starts]) -> None:
    dispatch_, starts = dispatching
    owing(engine, "INC-1", "SEV2")
    engine.away = True
    await dispatch_.one_round()
    await asyncio.sleep(0)

    assert starts.created == []


def test_the_breaker_opens_after_three_failures_in_a_row_and_closes_after_its_rest() -> None:
    breaker = Breaker()

    assert [breaker.failed(0), breaker.failed(0)] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(0), breaker.failed(0), breaker.failed(0)] == [False, False, True]
    assert breaker.is_open(29.9)
    assert not breaker.is_open(30)


def test_severity_comes_before_time() -> None:
    mild = WorkItem("INC-1", "SEV3", "X", False, "", START, 0)
    bad = WorkItem("INC-2", "SEV1", "X", False, "", START + timedelta(hours=1), 0)
    bad_and_undated = WorkItem("INC-3", "SEV1", "X", False, "", None, 0)

    assert sorted([mild, bad_and_undated, bad], key=urgency) == [bad, bad_and_undated, mild]
