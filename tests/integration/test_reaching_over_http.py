"""Reaching people through real engines: two providers, limits of one, several incidents in one call, STOP and START."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.telephones import Network, StrictRobot
from tests.support.counterparties import Emulators, free_port
from tests.support.misbehaving_provider import MisbehavingProvider
from tests.support.real_engine import Engines, PlanFiles, RealEngine, person, rung

pytestmark = pytest.mark.slow

TWO_PROVIDERS = {"providers": {"sms": ["twilio", "backup"], "voice": ["twilio", "backup"]}}


@pytest.fixture
async def network(emulators: Emulators, strict_twilio: str) -> AsyncIterator[Network]:
    robot = StrictRobot(strict_twilio, emulators)
    await robot.start(free_port())
    yield Network(emulators, robot)
    await robot.stop()


@pytest.fixture
async def provider() -> AsyncIterator[MisbehavingProvider]:
    found = MisbehavingProvider()
    await found.start(free_port())
    yield found
    await found.stop()


def backup_account(emulators: Emulators, url: str) -> dict[str, str]:
    """A second account, at an address of its own."""
    return {
        "TOCSIN_TWILIO_ACCOUNTS__BACKUP__ACCOUNT_SID": emulators.account_sid,
        "TOCSIN_TWILIO_ACCOUNTS__BACKUP__AUTH_TOKEN": emulators.auth_token,
        "TOCSIN_TWILIO_ACCOUNTS__BACKUP__FROM_NUMBER": emulators.number,
        "TOCSIN_TWILIO_ACCOUNTS__BACKUP__BASE_URL": url,
    }


async def is_led_by(engine: RealEngine, contact: str, incident: str = "INC-1") -> None:
    async def led() -> bool:
        return bool((await engine.show(incident))["commander"] == contact)

    await engine.eventually(led, f"{contact} leads {incident}")


async def pages(engine: RealEngine, incident: str = "INC-1") -> list[tuple[Any, ...]]:
    return [
        (each["contact"], each["channel"], each["provider"], each["failure"])
        for each in (await engine.show(incident))["pages"]
    ]


@pytest.mark.counterparty("twilio")
async def test_when_one_twilio_account_is_down_the_other_carries_the_page_and_brings_the_answer(
    engines: Engines, network: Network
):
    ana, dora = person("ana", "sms", "voice"), person("dora")
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"], more_contacts=TWO_PROVIDERS)
    nowhere = f"http://127.0.0.1:{free_port()}"
    engine = engines.make(
        plan,
        twilio_url=nowhere,
        emulators=network.emulators,
        **backup_account(network.emulators, network.robot.url),
    )
    await engine.up()
    await engine.hears("alert")

    await network.gets_an_sms(engine, ana, "SEV1 INC-1")

    assert await pages(engine) == [("ana", "sms", "twilio", "provider-error"), ("ana", "sms", "backup", None)]
    await network.writes(engine, ana, "1a")
    await is_led_by(engine, "ana")


@pytest.mark.counterparty("twilio")
async def test_a_provider_that_the_plan_names_and_nobody_configured_costs_nobody_their_page(
    engines: Engines, network: Network
):
    ana, dora = person("ana", "sms"), person("dora")
    wrong_order = {"providers": {"sms": ["backup", "twilio"]}}
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"], more_contacts=wrong_order)
    engine = engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators)
    await engine.up()
    await engine.hears("alert")

    await network.gets_an_sms(engine, ana, "SEV1 INC-1")

    assert [each[2] for each in await pages(engine)] == ["backup", "twilio"]


async def test_a_page_that_is_refused_for_a_second_waits_that_second_and_leaves_once(
    engines: Engines, provider: MisbehavingProvider
):
    ana, dora = person("ana", "sms", "voice"), person("dora")
    engine = await engines.make(PlanFiles([ana, dora], [rung("ana")], ["dora"]), twilio_url=provider.url).up()
    provider.how, provider.retry_after = "too many", "1"

    await engine.hears("alert")
    await engine.until(lambda: provider.asked, "the refusal")
    provider.how = "answers"

    await engine.until(lambda: provider.accepted, "the page after all")
    assert ["Body" in each for each in provider.accepted] == [True], "by the same channel, once"
    assert [(each[1], each[3]) for each in await pages(engine)] == [("sms", None)]


async def test_a_provider_that_asks_for_longer_than_a_page_has_is_passed_over_at_once(
    engines: Engines, provider: MisbehavingProvider
):
    ana, dora = person("ana", "sms", "voice"), person("dora")
    engine = await engines.make(PlanFiles([ana, dora], [rung("ana")], ["dora"]), twilio_url=provider.url).up()
    provider.how, provider.retry_after = "too many", "60"

    await engine.hears("alert")
    await engine.until(lambda: len(provider.asked) >= 2, "both channels")

    assert ["Calls" in path for path in provider.asked[:2]] == [False, True], "nothing was offered twice"
    assert [each[1:] for each in (await pages(engine))[:2]] == [
        ("sms", "twilio", "provider-error"),
        ("voice", "twilio", "provider-error"),
    ]


async def test_a_page_that_is_answered_while_it_waits_for_the_provider_does_not_leave(
    engines: Engines, provider: MisbehavingProvider
):
    ana, bob, dora = person("ana", "sms"), person("bob", "console"), person("dora")
    engine = await engines.make(
        PlanFiles([ana, bob, dora], [rung("ana", "bob")], ["dora"]), twilio_url=provider.url
    ).up()
    provider.how, provider.retry_after = "too many", "3"

    await engine.hears("alert")
    await engine.until(lambda: provider.asked, "the refusal")
    await engine.does("INC-1", "acknowledge", "bob")
    provider.how = "answers"
    await asyncio.sleep(5)

    assert not [each for each in provider.accepted if "Reply" in each.get("Body", "")]


@pytest.mark.counterparty("twilio")
async def test_many_incidents_at_once_ring_first_each_and_then_all_in_one_call_that_takes_them_all(
    engines: Engines, network: Network
):
    ana, dora = person("ana", "sms", "voice"), person("dora")
    quick = {"paging": {"SEV1": [{"by": ["sms"]}, {"by": ["voice"], "after": "4s", "every": "60s", "times": 3}]}}
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"], more_contacts=quick)
    engine = engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators)
    await engine.up()
    network.telephone(ana).presses(*"444444")
    alerts = [f"alert-{number}" for number in range(6)]
    await asyncio.gather(*(engine.hears(each) for each in alerts))

    async def all_told() -> bool:
        return len([each for each in await network.messages(ana) if "Reply" in each["body"]]) == len(alerts)

    await engine.eventually(all_told, "a first page for every incident")
    for number in range(1, len(alerts) + 1):
        await is_led_by(engine, "ana", f"INC-{number}")

    heard = " ".join(network.telephone(ana).heard)
    assert "incidents wait for you" in heard
    assert len(await network.calls(ana)) < len(alerts), "told together, not one call an incident"
    taken = [each.count("You have taken charge") for each in network.telephone(ana).heard]
    assert max(taken) > 1, "one key took several"


@pytest.mark.counterparty("twilio")
async def test_stop_and_start_by_sms(engines: Engines, network: Network):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"])
    engine = engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators)
    await engine.up()
    await engine.hears("alert")
    await network.gets_an_sms(engine, ana, "SEV1 INC-1")

    await network.writes(engine, ana, "STOP")
    await network.gets_an_sms(engine, bob, "SEV1 INC-1")

    engine.kill()
    await engine.up()
    await engine.hears("another")
    await network.gets_an_sms(engine, bob, "SEV1 INC-2")
    assert not [each for each in await network.messages(ana) if "INC-2" in each["body"]]

    await network.writes(engine, ana, "START")
    await engine.hears("a third")
    await network.gets_an_sms(engine, ana, "SEV1 INC-3")


async def test_a_provider_that_says_stop_takes_the_number_out(engines: Engines, provider: MisbehavingProvider):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"])
    engine = await engines.make(plan, twilio_url=provider.url).up()
    provider.how, provider.error_code = "refuses", 21610
    await engine.hears("alert")

    async def is_out() -> bool:
        out = (await engine.get("/api/v1/status"))["addresses"]["out"]
        return ana.channels["sms"] in str(out)

    await engine.eventually(is_out, "ana's number in red")


@pytest.mark.counterparty("twilio")
async def test_an_executive_approves_an_amount_by_one_key_on_the_telephone(engines: Engines, network: Network):
    ana, dora = person("ana", "sms"), person("dora", "voice", may_pay=(500, 50_000))
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"])
    engine = engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators)
    await engine.up()
    network.telephone(dora).presses("9", "1")
    await engine.hears("alert")
    await engine.does("INC-1", "acknowledge", "ana")

    await engine.does(
        "INC-1",
        "compensate",
        "ana",
        per_customer={"amount": "200", "currency": "EUR"},
        population="whose order was lost",
        count=10,
        rationale="They lost their order and had to start again.",
    )

    async def decided() -> bool:
        return ((await engine.show())["compensation"] or {}).get("state") == "decided"

    await engine.eventually(decided, "the decision")
    heard = " ".join(network.telephone(dora).heard)
    assert "You are asked to decide. Pay 200 EUR to each of 10 customers" in heard
    assert "That key does nothing here." in heard
    assert "you said yes. It is approved." in heard
    shown = await engine.show()
    assert (shown["compensation"]["decided_by"], shown["compensation"]["requester"]) == ("dora", "ana")
