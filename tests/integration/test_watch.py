"""Who watches the watchman: cover when a driver does nothing (2, 17), and a heartbeat that is true (16)."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine.tick
from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from signals.signal import Signal
from tests.support.counterparties import Recorder
from tests.support.real_engine import SIGNALS_KEY, Engines, PlanFiles, RealEngine, person, rung


def two_rungs(wait: str = "2s") -> PlanFiles:
    people = [person("ana", "console"), person("bob", "console"), person("dora")]
    return PlanFiles(people, [rung("ana", wait=wait), rung("bob")], ["dora"], operators=["bob"])


async def is_paged(running: RealEngine, contact: str) -> str:
    """Wait until this contact is paged; gives who made the move."""

    async def asked() -> str | None:
        shown = await running.show()
        line = next((each for each in shown["timeline"] if f"Paging {contact} by" in each["sentence"]), None)
        return None if line is None else str(line["by"])

    return await running.eventually(asked, f"a page to {contact}")


@pytest.mark.slow
async def test_a_run_that_drives_and_does_nothing_delays_no_page(engines: Engines):
    running = await engines.make(two_rungs()).up()
    beating = asyncio.create_task(_says_that_it_lives(running))
    await running.eventually(lambda: _sentence(running, "Prefect drives; the engine covers."), "a present Prefect")
    await running.hears("alert")
    wheel = await running.ask(
        "POST", "/api/v1/incidents/INC-1/drivers", json_body={"worker": "idle-worker", "run": "idle"}
    )
    assert wheel.status == 200

    assert await is_paged(running, "bob") == "engine"
    assert (await running.get("/api/v1/status"))["driven"] == 1

    metrics = (await running.ask("GET", "/metrics")).text
    assert 'tocsin_moves_total{driver="engine",kind="page"} 2.0' in metrics
    beating.cancel()
    await running.eventually(lambda: _sentence(running, "Prefect away since "), "the banner")


async def _says_that_it_lives(running: RealEngine) -> None:
    while True:
        await running.ask("POST", "/api/v1/workers/idle-worker", json_body={"pid": 1})
        await asyncio.sleep(1)


async def _sentence(running: RealEngine, words: str) -> bool:
    return str((await running.get("/api/v1/status"))["prefect"]).startswith(words)


async def test_a_run_that_another_has_replaced_makes_nothing_any_more(engines: Engines):
    running = await engines.make(two_rungs("60d")).up()
    await running.ask("POST", "/api/v1/workers/w", json_body={"pid": 1})
    await running.hears("alert")
    epochs = []
    for run in ("first", "second"):
        order = {"worker": "w", "run": run}
        taken = await running.ask("POST", "/api/v1/incidents/INC-1/drivers", json_body=order)
        epochs.append(taken.json["epoch"])
    before = running.counted("events")

    stale = {"epoch": epochs[0], "key": "page:1.r2.c1.1"}
    refused = await running.ask("POST", "/api/v1/incidents/INC-1/perform", json_body=stale)

    assert (refused.status, refused.json["stale"]) == (409, True)
    assert running.counted("events") == before


@pytest.fixture
async def resident(tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """An engine in this process that is quick to beat and quick to doubt itself."""
    monkeypatch.setattr(engine.tick, "WATCH_EVERY", 0.05)
    monkeypatch.setattr(engine.tick, "HEARTBEAT_EVERY", 0.1)
    monkeypatch.setattr(engine.tick, "LATE_PAGE", 0.5)
    config = EngineConfig(
        tmp_path / "home", two_rungs("60d").write(tmp_path / "plan"), "http://127.0.0.1:1", heartbeat_url=recorder.url
    )
    made = Engine(config, SystemClock(), io.StringIO())
    made.prepare()
    await made.start()
    yield made
    await made.stop()


async def beats(recorder: Recorder, more_than: int) -> None:
    async with asyncio.timeout(60):
        while len(recorder.requests) <= more_than:
            await asyncio.sleep(0.02)


async def test_the_heart_beats_while_pages_leave_on_time_and_stops_when_one_waits(resident: Engine, recorder: Recorder):
    await beats(recorder, 2)
    assert resident.tick.healthy() is None

    integration = resident.integration(SIGNALS_KEY)
    assert integration is not None
    resident.pager._slots = 0  # a pager that claims nothing
    await resident.hear(integration, [Signal("trigger", "k", "Checkout fails", "shop")])
    async with asyncio.timeout(60):
        while resident.tick.healthy() is None:
            await asyncio.sleep(0.02)
    assert resident.tick.healthy() == "a due page waits for more than 10 s"
    await asyncio.sleep(0.3)
    silent_at = len(recorder.requests)
    await asyncio.sleep(1)
    assert len(recorder.requests) == silent_at

    resident.pager._slots = 100
    await beats(recorder, silent_at)


async def test_the_heart_does_not_beat_for_a_tick_that_is_late(resident: Engine):
    resident.tick.last_look_at -= 60

    assert resident.tick.healthy() == "the tick is late"


async def test_after_ten_minutes_without_prefect_the_operators_are_paged(resident: Engine):
    stream = resident._stream
    assert isinstance(stream, io.StringIO)
    await resident.wheel.worker_says("w", 1)
    resident.presence.seen["w"] -= 700
    resident.presence.last_worker_at = resident.clock.monotonic() - 700

    async with asyncio.timeout(60):
        while "the engine performs" not in stream.getvalue():
            await asyncio.sleep(0.02)
    assert "Prefect is away since" in stream.getvalue()


@pytest.mark.slow
async def test_a_real_engine_beats_at_its_own_pace(engines: Engines, recorder: Recorder):
    running = await engines.make(two_rungs(), TOCSIN_HEARTBEAT_URL=f"{recorder.url}/beat").up()
    await running.until(lambda: recorder.at("/beat"), "a heartbeat", 60)

    assert recorder.at("/beat")[0].method == "GET"
