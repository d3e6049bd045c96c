"""One run's hold on an incident, without Prefect: over real HTTP against the fake engine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from engine.client import Address, EngineClient, Move, drive
from flows.driver import Driver, Look
from flows.hints import Hints
from flows.pace import Pace
from tests.support.fake_engine import START, FakeEngine

HASTE = Pace(look_every=timedelta(seconds=0.2), linger=timedelta(0))


class StandingClock:
    """Wall time that a test sets."""

    held_back = 0.0

    def __init__(self, now: datetime = START) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
async def client(engine: FakeEngine) -> AsyncIterator[EngineClient]:
    async with EngineClient(Address.of_home(engine.home)) as opened:
        yield opened


Hold = Callable[..., Awaitable[Driver]]


@pytest.fixture
def hold(client: EngineClient) -> Hold:
    async def take(incident: str, pace: Pace = HASTE, hint: asyncio.Event | None = None) -> Driver:
        allowed = await client.ask(drive(incident, "worker", "run"))
        return Driver(incident, allowed, client, StandingClock(), hint or asyncio.Event(), pace)

    return take


async def see_it_through(driver: Driver, each_look: Callable[[Look], None] = lambda _: None) -> None:
    """Make whatever is due at each look until the driver ends."""
    async for look in driver.looks():
        for move in look.moves.due:
            driver.begin(move.key, partial(driver.make, move), move)
        each_look(look)
    await driver.leave()


async def test_everything_due_is_made_and_the_run_parks(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    incident.owe_page("ana")
    incident.owe("open-step", "confirm-scope", "step: Confirm the scope")
    driver = await hold("INC-1")
    await see_it_through(driver)

    assert driver.ending == "parked"
    assert len(incident.asked) == 2
    assert incident.driver is None


async def test_a_run_does_not_park_while_something_is_due_within_15_minutes(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    incident.wake_at = START + timedelta(minutes=14)
    driver = await hold("INC-1")
    looks = 0

    def count(_: Look) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            incident.wake_at = START + timedelta(minutes=15)

    await see_it_through(driver, count)

    assert driver.ending == "parked"
    assert looks >= 4


async def test_a_run_lingers_while_people_are_at_work(engine: FakeEngine, hold: Hold) -> None:
    engine.declare("INC-1")
    driver = await hold("INC-1", Pace(look_every=timedelta(seconds=0.05), linger=timedelta(days=1)))
    looks = 0

    def count(_: Look) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            driver.end("the test is over")

    await see_it_through(driver, count)

    assert driver.ending == "the test is over"


@pytest.mark.parametrize("status", ["closed", "stood-down", "merged"])
async def test_a_run_ends_with_its_incident(engine: FakeEngine, hold: Hold, status: str) -> None:
    engine.declare("INC-1").happens("Ended", "over", status=status)
    driver = await hold("INC-1")
    await see_it_through(driver)

    assert driver.ending == status


async def test_a_hint_wakes_a_waiting_run(engine: FakeEngine, hold: Hold, client: EngineClient) -> None:
    incident = engine.declare("INC-1")
    hints = Hints()
    listening = asyncio.create_task(hints.listen(client))
    driver = await hold("INC-1", Pace(linger=timedelta(days=1)), hints.of("INC-1"))
    driving = asyncio.create_task(see_it_through(driver))
    await driver.until(lambda _: True)
    await asyncio.to_thread(incident.owe_page, "ana")
    while incident.due:
        await asyncio.sleep(0.01)
    driver.end("the test is over")
    await driving
    listening.cancel()

    assert len(incident.asked) == 1


async def test_a_stale_run_makes_nothing_and_ends(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    driver = await hold("INC-1")
    await hold("INC-1")
    incident.owe_page("ana")
    await see_it_through(driver)

    assert driver.ending == "stale: another run drives"
    assert incident.asked == []
    assert incident.driver == ("worker", "run"), "the newer run still drives"


async def test_a_refused_move_is_looked_at_again_not_failed(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    incident.owe_page("ana")
    refusals = 2

    def refuse(_: dict[str, object]) -> tuple[int, dict[str, object]] | None:
        nonlocal refusals
        refusals -= 1
        return (409, {"error": "Not now."}) if refusals >= 0 else None

    engine.refuse = refuse
    driver = await hold("INC-1")
    await see_it_through(driver)

    assert len(incident.asked) == 1


async def test_a_move_that_somebody_else_made_is_not_made_again(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    driver = await hold("INC-1")
    outcome = await driver.make(Move("page:1.r1.c1.1", "page", "page ana by sms (rung 1)"))

    assert not outcome.made
    assert "no longer due" in outcome.sentence
    assert incident.asked == []


async def test_an_overloaded_engine_is_asked_again(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    incident.owe_page("ana")
    answers = iter([(503, {"error": "Too much at once."}), None])
    engine.refuse = lambda _: next(answers, None)
    driver = await hold("INC-1")
    await see_it_through(driver)

    assert len(incident.asked) == 1


async def test_a_run_waits_for_an_engine_that_is_away_but_ends_when_told_to(engine: FakeEngine, hold: Hold) -> None:
    engine.declare("INC-1")
    driver = await hold("INC-1")
    engine.away = True
    driving = asyncio.create_task(see_it_through(driver))
    await asyncio.sleep(0)
    driver.end("parked: the worker stops")
    await driving

    assert driver.ending == "parked: the worker stops"


async def test_a_run_for_an_unknown_incident_ends(engine: FakeEngine, hold: Hold) -> None:
    engine.declare("INC-1")
    driver = await hold("INC-1")
    del engine.incidents["INC-1"]
    await see_it_through(driver)

    assert driver.ending == "There is no INC-1."


async def test_the_fate_of_a_page_is_awaited_until_nothing_more_will_come(engine: FakeEngine, hold: Hold) -> None:
    incident = engine.declare("INC-1")
    message = incident.page_now("ana", fate="sending")
    driver = await hold("INC-1", Pace(look_every=timedelta(seconds=0.05), linger=timedelta(days=1)))
    driving = asyncio.create_task(see_it_through(driver))
    fate = asyncio.create_task(driver.fate(message))
    await driver.until(lambda _: True)
    assert not fate.done()
    await asyncio.to_thread(incident.page_becomes, message, "delivered")
    known = await fate
    driver.end("the test is over")
    await driving

    assert known is not None
    assert known.state == "delivered"


async def test_a_message_that_nobody_knows_has_no_fate(engine: FakeEngine, hold: Hold) -> None:
    engine.declare("INC-1")
    driver = await hold("INC-1")
    asked = asyncio.create_task(driver.fate("nowhere"))
    await asyncio.sleep(0.05)
    driver.end("the test is over")

    assert await asked is None


async def test_what_a_run_has_begun_may_break_without_breaking_the_run(
    engine: FakeEngine, hold: Hold, caplog: pytest.LogCaptureFixture
) -> None:
    incident = engine.declare("INC-1")
    incident.owe_page("ana")
    driver = await hold("INC-1")

    async def breaks() -> None:
        raise ZeroDivisionError

    async for look in driver.looks():
        driver.begin("broken", breaks)
        for move in look.moves.due:
            driver.begin(move.key, partial(driver.make, move), move)
    await driver.leave()

    assert len(incident.asked) == 1
    assert "broken broke" in caplog.text
