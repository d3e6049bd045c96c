"""Kill or stall any process at any line: no page is lost, and a second copy says that it may be one (invariant 3).

Lost and doubled are counted from the provider's own list.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.integration.carrier import Carrier
from tests.integration.storm import Count, Storm, kill_again_and_again, kill_any_of_them, people_of_a_storm
from tests.support.counterparties import Emulators, free_port
from tests.support.prefect_server import a_prefect_server
from tests.support.real_engine import Engines, Person, PlanFiles, RealEngine, RealWorker, person, rung

SEED = int(os.environ.get("TOCSIN_SEED", "20261121"))
KILLS = int(os.environ.get("TOCSIN_KILLS") or (200 if os.environ.get("CI", "").lower() in ("1", "true") else 40))
KILLS_WITH_PREFECT = KILLS // 10 + 4
A_STORM = 90
"""Kills a storm at most: with TOCSIN_KILLS=200, as in CI, there are two without Prefect and one with it."""
INCIDENTS = 100


def storms(kills: int) -> list[tuple[int, int]]:
    """Seed and kills of each storm."""
    return [(SEED + number, min(A_STORM, kills - done)) for number, done in enumerate(range(0, kills, A_STORM))]


EMULATOR = Emulators("", "")


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    found = Carrier(EMULATOR.auth_token)
    await found.start(free_port())
    yield found
    await found.stop()


class TwilioLists:
    """What Twilio's emulator has for one person."""

    def __init__(self, emulators: Emulators, owner: Person) -> None:
        self._emulators = emulators
        self._number = owner.channels["sms"]

    async def sms(self) -> list[str]:
        found = await asyncio.to_thread(self._emulators.messages, self._number)
        return [str(each["body"]) for each in found if each["direction"] != "inbound" and "SEV1" in each["body"]]

    async def calls(self) -> int:
        return len(await asyncio.to_thread(self._emulators.calls, self._number))


async def one_engine(engines: Engines, emulators: Emulators) -> tuple[RealEngine, Person, TwilioLists]:
    """ana has a telephone for SMS and calls; nobody else is called for days."""
    ana = person("ana", "sms", "voice")
    plan = PlanFiles([ana, person("dora")], [rung("ana")], ["dora"])
    engine = engines.make(plan, twilio_url=emulators.twilio_url, emulators=emulators)
    return engine, ana, TwilioLists(emulators, ana)


async def nothing_is_under_way(engine: RealEngine) -> None:
    """Wait until every page has left or failed, and nothing is due."""

    async def quiet() -> bool:
        shown = await engine.show()
        settled = all(each["state"] not in ("requested",) for each in shown["pages"])
        rows = (await engine.get("/api/v1/status"))["outbox"]
        return settled and bool(shown["pages"]) and not rows.get("pending") and not rows.get("sending")

    await engine.eventually(quiet, "an outbox at rest")


COMMITS = [f"{when} commit:{number}" for number in range(1, 8) for when in ("before", "after")]
"""The first commits of a process: plan, sign of life, declaration, claim, what the provider said."""
AT_THE_PAGER = {"after claim:1": (0, 1), "provider accepted:1": (1, 0), "before record:1": (1, 0)}
"""SMS and calls in the end. Before the provider has it the next channel goes; Twilio's callback comes first."""


@pytest.mark.slow
@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize("point", [*COMMITS, *AT_THE_PAGER])
async def test_killed_at_a_named_point_a_page_arrives_and_no_copy_is_passed_off_as_the_first(
    engines: Engines, emulators: Emulators, point: str
):
    engine, _, twilio = await one_engine(engines, emulators)
    await engine.up(f"{point}:kill")
    sender = asyncio.create_task(engine.hears("alert"))
    await engine.dies()
    await engine.up()
    await sender
    await nothing_is_under_way(engine)

    sms, calls = await twilio.sms(), await twilio.calls()
    assert len(sms) + calls >= 1, "lost"
    assert len(sms) <= 1, "two SMS of one page"
    assert calls <= 1, "two calls of one page"
    assert point not in AT_THE_PAGER or (len(sms), calls) == AT_THE_PAGER[point]
    assert [each["id"] for each in (await engine.get("/api/v1/incidents"))["incidents"]] == ["INC-1"]


@pytest.mark.slow
@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize(
    "point", ["before commit:3", "after commit:3", "after claim:1", "provider accepted:1", "before record:1"]
)
async def test_stalled_at_a_named_point_it_goes_on_and_the_page_arrives_once(
    engines: Engines, emulators: Emulators, point: str
):
    engine, _, twilio = await one_engine(engines, emulators)
    await engine.up(f"{point}:stop")
    sender = asyncio.create_task(engine.hears("alert"))
    await engine.until(lambda: engine.is_stalled, "the stall")
    await asyncio.sleep(random.Random(f"{SEED}{point}").uniform(3, 5))
    engine.go_on()
    await sender
    await nothing_is_under_way(engine)

    assert (len(await twilio.sms()), await twilio.calls()) == (1, 0)


@pytest.mark.slow
@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize("action", ["kill", "stop"])
async def test_killed_or_stalled_during_an_acknowledgement_the_answer_counts_once(
    engines: Engines, emulators: Emulators, action: str
):
    engine, ana, twilio = await one_engine(engines, emulators)
    await engine.up(f"during acknowledgement:1:{action}")
    await engine.hears("alert")
    await nothing_is_under_way(engine)
    sid = "SM" + "a" * 32
    form = {"MessageSid": sid, "SmsSid": sid, "From": ana.channels["sms"], "To": emulators.number, "Body": "1a"}

    async def taken() -> bool:
        answer = await engine.twilio("/twilio/sms", form, emulators.auth_token)
        return "You have taken charge of INC-1." in answer.text

    answering = asyncio.create_task(engine.eventually(taken, "the answer's answer"))
    if action == "kill":
        await engine.dies()
        await engine.up()
    else:
        await engine.until(lambda: engine.is_stalled, "the stall")
        await asyncio.sleep(3.5)
        engine.go_on()
    await answering

    assert (await engine.kinds()).count("Acknowledged") == 1
    assert (await engine.show())["commander"] == "ana"
    assert (len(await twilio.sms()), await twilio.calls()) == (1, 0)


# --- the storm ---


async def weather(storm: Storm, killing: Awaitable[None], seconds: float) -> None:
    """Incidents during these seconds, and kills, until both are over."""
    killed = asyncio.ensure_future(killing)
    await storm.declares(INCIDENTS, over=seconds, go_on=lambda: not killed.done())
    await killed


@pytest.fixture
def tell(capfd: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Say something on the terminal of whoever runs the tests, whatever pytest captures."""

    def say(sentence: str) -> None:
        with capfd.disabled():
            sys.stderr.write(f"\n{sentence}\n")

    return say


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "kills"), storms(KILLS - KILLS_WITH_PREFECT))
async def test_a_storm_with_the_engine_killed_again_and_again(
    engines: Engines, carrier: Carrier, tell: Callable[[str], None], seed: int, kills: int
):
    storm = await a_storm(seed, engines, carrier)
    await weather(storm, kill_again_and_again(storm, kills), seconds=kills * 1.2)
    await survived(storm, carrier, tell)


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.counterparty("prefect")
@pytest.mark.timeout(900)
async def test_a_storm_with_engine_worker_and_prefect_server_killed(
    engines: Engines, carrier: Carrier, tell: Callable[[str], None], tmp_path: Path
):
    (tmp_path / "prefect").mkdir()
    with a_prefect_server(tmp_path / "prefect") as server:
        storm = await a_storm(SEED + 1000, engines, carrier)
        worker = RealWorker(storm.engine, server.api_url).start()
        try:
            await worker.is_heard()
            killing = kill_any_of_them(storm, worker, server, KILLS_WITH_PREFECT)
            await weather(storm, killing, seconds=KILLS_WITH_PREFECT * 2.0)
            count = await survived(storm, carrier, tell)
        finally:
            worker.kill()
    assert set(count.kills) == {"engine", "worker", "Prefect server"}
    assert count.by_flow, "no move was made by a flow: this storm had no Prefect"


async def a_storm(seed: int, engines: Engines, carrier: Carrier) -> Storm:
    people = people_of_a_storm()
    rungs = [rung("ana", wait="3s"), rung("bob", wait="3s"), rung("cleo", wait="3s")]
    plan = PlanFiles(list(people.values()), rungs, ["dora"])
    engine = await engines.make(plan, twilio_url=carrier.url).up()
    return Storm(seed, engine, carrier, people)


async def survived(storm: Storm, carrier: Carrier, tell: Callable[[str], None]) -> Count:
    """Let it settle, and count what the provider has."""
    await storm.settles(INCIDENTS)
    count = await storm.count(INCIDENTS)
    tell(f"storm seed={storm.seed}: {count}")
    assert not count.lost
    assert not count.doubled
    assert not count.after_charge
    assert not carrier.troubles
    return count
