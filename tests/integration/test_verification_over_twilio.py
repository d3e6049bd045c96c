"""Codes over Twilio: an SMS is answered with its digits, a call with a key, and a number that wrote STOP gets none."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.telephones import Network, StrictRobot
from tests.support.counterparties import Emulators, free_port
from tests.support.real_engine import Engines, PlanFiles, RealEngine, person, rung

pytestmark = [pytest.mark.slow, pytest.mark.counterparty("twilio")]


@pytest.fixture
async def network(emulators: Emulators, strict_twilio: str) -> AsyncIterator[Network]:
    robot = StrictRobot(strict_twilio, emulators)
    await robot.start(free_port())
    yield Network(emulators, robot)
    await robot.stop()


async def outcomes(engine: RealEngine, **order: object) -> dict[tuple[str, str], str]:
    answer = await engine.ask("POST", "/api/v1/contacts/verify", json_body=order)
    assert answer.status == 200, answer.error
    return {(each["contact"], each["kind"]): each["outcome"] for each in answer.json["asked"]}


async def standing(engine: RealEngine, contact: str, kind: str) -> str:
    view: dict[str, Any] = await engine.get("/api/v1/contacts")
    person_ = next(each for each in view["contacts"] if each["id"] == contact)
    return str(next(each["standing"] for each in person_["channels"] if each["kind"] == kind))


async def becomes_proven(engine: RealEngine, contact: str, kind: str) -> None:
    async def proven() -> bool:
        return await standing(engine, contact, kind) == "proven"

    await engine.eventually(proven, f"{contact}'s {kind} is proven")


async def test_a_code_by_sms_is_written_back_and_a_call_is_answered_by_a_key(engines: Engines, network: Network):
    ana, bob = person("ana", "sms", "voice"), person("bob", "voice")
    plan = PlanFiles([ana, bob], [rung("ana")], ["bob"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    network.telephone(ana).presses("4")
    network.telephone(bob).picks_up = "machine"

    assert await outcomes(engine) == {("ana", "sms"): "sent", ("ana", "voice"): "sent", ("bob", "voice"): "sent"}

    sms = await network.gets_an_sms(engine, ana, "Your code is ")
    found = re.search(r"(?:\d ){5}\d", sms["body"])
    assert found is not None
    await network.writes(engine, ana, found[0])
    await becomes_proven(engine, "ana", "sms")
    await becomes_proven(engine, "ana", "voice")
    assert network.telephone(ana).heard[-1] == "Thank you: Tocsin reaches you here."
    await network.robot.all_calls_over()
    assert network.telephone(bob).heard == ["Nothing was confirmed. Goodbye."]
    assert await standing(engine, "bob", "voice") == "unproven"

    engine.kill()
    await engine.up()
    assert await standing(engine, "ana", "voice") == "proven", "a proof outlives the engine"


async def test_a_number_that_wrote_stop_shows_red_and_gets_no_code_until_start(engines: Engines, network: Network):
    ana, bob = person("ana", "sms"), person("bob", "sms")
    plan = PlanFiles([ana, bob], [rung("ana")], ["bob"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    await engine.ask("POST", "/api/v1/test-page", json_body={"contact": "ana", "channel": "sms"})
    await network.gets_an_sms(engine, ana)

    await network.writes(engine, ana, "STOP")

    async def out() -> bool:
        return await standing(engine, "ana", "sms") == "out"

    await engine.eventually(out, "the number is out")
    told = (await engine.get("/api/v1/status"))["addresses"]["out"]
    assert [(each["address"], each["contacts"]) for each in told] == [(ana.channels["sms"], ["ana"])]
    assert await outcomes(engine, contacts=["ana"]) == {("ana", "sms"): "out"}

    await network.writes(engine, ana, "START")

    async def back() -> bool:
        return await outcomes(engine, contacts=["ana"]) == {("ana", "sms"): "sent"}

    await engine.eventually(back, "the number gets a code")
    await network.gets_an_sms(engine, ana, "Your code is ")
