"""The whole story over real HTTP: a captured alert, telephones at Twilio's emulator behind Prism, buttons in Slack.

Nothing of Tocsin runs in these tests but its own processes.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.integration.telephones import Network, StrictRobot
from tests.support.counterparties import SHARED, Emulators, Recorder, free_port
from tests.support.prefect_server import PrefectServer, a_prefect_server
from tests.support.real_engine import (
    ALERTMANAGER_KEY,
    Engines,
    PlanFiles,
    RealEngine,
    RealWorker,
    person,
    rung,
)

pytestmark = [pytest.mark.counterparty("twilio"), pytest.mark.counterparty("slack"), pytest.mark.slow]

CAPTURED = SHARED / "testing" / "payloads"
TOLD = "Card payments failed from 09:00 to 09:40; they work again. Each of you gets 20 euros."


@pytest.fixture
async def network(emulators: Emulators, strict_twilio: str) -> AsyncIterator[Network]:
    robot = StrictRobot(strict_twilio, emulators)
    await robot.start(free_port())
    yield Network(emulators, robot)
    await robot.stop()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with a_prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


def captured_alert(name: str) -> bytes:
    """The body of a request that a real Alertmanager once made."""
    file = CAPTURED / f"alertmanager_webhook.{name}.prom.json"
    if not file.is_file():
        pytest.skip("needs the captured payloads in $TOCSIN_SHARED/testing/payloads, which are not in this tree")
    return json.dumps(json.loads(file.read_text(encoding="utf-8"))["body"]).encode()


async def alertmanager_posts(engine: RealEngine, name: str = "firing") -> None:
    path = f"/webhooks/alertmanager/{ALERTMANAGER_KEY}"
    answer = await engine.ask("POST", path, body=captured_alert(name), token=False)
    assert answer.status == 202, answer


async def the_page_to(engine: RealEngine, contact: str, incident: str = "INC-1") -> dict[str, Any]:
    """The latest page to this contact, once there is one."""

    async def asked() -> dict[str, Any] | None:
        pages = (await engine.show(incident))["pages"]
        return next((each for each in reversed(pages) if each["contact"] == contact), None)

    return await engine.eventually(asked, f"a page to {contact}")


async def is_now(engine: RealEngine, status: str, incident: str = "INC-1") -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        shown = await engine.show(incident)
        return shown if shown["status"] == status else None

    return await engine.eventually(reached, f"{incident} {status}")


def sms_from(number: str, body: str, sid: str) -> dict[str, str]:
    """The form of an inbound SMS, as Twilio sends it."""
    return {"MessageSid": sid, "SmsSid": sid, "From": number, "To": "+12025550100", "Body": body, "NumMedia": "0"}


STEPS = (
    {"id": "look", "title": "Look at it", "owner": "dora", "within": "1h", "say": "Look.", "evidence": "What fails"},
    {"id": "undo", "title": "Undo it", "owner": "dora", "within": "1h", "say": "Undo.", "needs": ["look"]},
)
DECISIONS = (
    {"id": "phone", "question": "Orders by phone?", "options": ["Yes", "No"], "decider": "dora", "within": "1h"},
)


async def from_the_alert_to_the_close(engines: Engines, network: Network, prefect: str | None) -> list[dict[str, Any]]:
    """The whole way of one incident, called out to five people; gives its timeline."""
    ana, bob, cleo = person("ana", "sms"), person("bob", "voice"), person("cleo", "voice")
    eve, dora = person("eve", "voice"), person("dora", "voice", may_pay=(50, 5_000))
    sofia = person("sofia", "sms", may_pay=(500, 50_000))
    plan = PlanFiles(
        people=[ana, bob, cleo, eve, dora, sofia],
        rungs=[rung("ana", wait="3s"), rung("bob"), rung("cleo"), rung("eve", wait="3s"), rung("dora")],
        last=["sofia"],
        steps=STEPS,
        decisions=DECISIONS,
        publications=[{"audience": "customers", "channel": "console", "to": "status-page"}],
    )
    engine = engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators)
    await engine.up()
    worker = None if prefect is None else RealWorker(engine, prefect).start()
    try:
        if worker is not None:
            await worker.is_heard()
        network.telephone(bob).picks_up = "machine"
        network.telephone(cleo).picks_up = "busy"
        network.telephone(eve).picks_up = "rings"
        network.telephone(dora).presses("9", "4")

        await alertmanager_posts(engine)
        page = await network.gets_an_sms(engine, ana, "INC-1")
        assert "SEV1" in page["body"]
        await network.receives(page)

        # ana ignores it; bob's voicemail and cleo's busy line are passed over at once; eve lets it ring; dora takes it
        shown = await is_now(engine, "acknowledged")
        assert shown["commander"] == "dora"
        assert network.telephone(dora).heard[-1] == "You have taken charge of INC-1."
        assert "That key does nothing here." in network.telephone(dora).heard
        failures = {each["contact"]: each["failure"] for each in shown["pages"]}
        assert (failures["bob"], failures["cleo"]) == ("voicemail", "busy")

        async def hung_up() -> bool:
            return [each["status"] for each in await network.calls(eve)] == ["canceled"]

        await engine.eventually(hung_up, "the end of eve's call")
        await network.gets_an_sms(engine, ana, "already taken by Dora")

        late = await engine.twilio(
            "/twilio/sms", sms_from(ana.channels["sms"], "1a", "SM" + "1" * 32), network.emulators.auth_token
        )
        assert "INC-1 was already taken by Dora at " in late.text

        await the_rest_of_the_story(engine)
        assert [len(await network.calls(each)) for each in (bob, cleo, eve, dora)] == [1, 1, 1, 1]
        timeline: list[dict[str, Any]] = (await engine.show())["timeline"]
        return timeline
    finally:
        if worker is not None:
            worker.kill()


async def the_rest_of_the_story(engine: RealEngine) -> None:
    """Steps, news, decision, resolution, compensation, close: each refused before its time."""

    async def open_step(step: str) -> bool:
        return any(each["id"] == step and each["state"] == "open" for each in (await engine.show())["steps"])

    assert "cannot be closed yet" in await engine.refuses("INC-1", "close", "dora")
    assert "not resolved yet" in await engine.refuses("INC-1", "confirm", "dora", evidence="Bought a lamp.")
    informed = {"how": "mail", "text": TOLD}
    assert "Decide first" in await engine.refuses("INC-1", "inform-customers", "dora", **informed)
    assert "no open step 'undo'" in await engine.refuses("INC-1", "step-done", "dora", step="undo")

    await engine.eventually(lambda: open_step("look"), "step look")
    assert "asks for evidence: What fails" in await engine.refuses("INC-1", "step-done", "dora", step="look")
    await engine.does("INC-1", "step-done", "dora", step="look", evidence="Cards fail, transfers work.")
    await engine.eventually(lambda: open_step("undo"), "step undo")
    assert "needs a reason" in await engine.refuses("INC-1", "step-skip", "dora", step="undo", because=" ")
    await engine.does("INC-1", "step-skip", "dora", step="undo", because="It went away by itself.")

    said = await engine.does("INC-1", "update", "dora", text="Cards fail. Pay by transfer.", next_in="30m")
    assert "Next update by" in said
    assert (await engine.show())["next_update_by"] is not None

    async def asks(decision: str) -> bool:
        return any(each["id"] == decision for each in (await engine.show())["decisions"])

    await engine.eventually(lambda: asks("phone"), "the decision")
    wrong = {"decision": "phone", "choice": "Perhaps", "because": "I cannot say."}
    assert "is not an option" in await engine.refuses("INC-1", "decide", "dora", **wrong)
    await engine.does("INC-1", "decide", "dora", decision="phone", choice="yes", because="It costs us nothing.")

    await engine.does("INC-1", "resolve", "dora", note="The acquirer works again.")
    assert "Nobody has confirmed" in await engine.refuses("INC-1", "close", "dora")
    await engine.does("INC-1", "confirm", "dora", evidence="Bought a lamp with a card.")
    await engine.eventually(lambda: asks("compensation"), "the question what the customers get")
    await what_the_customers_get(engine)
    assert "have not been told" in await engine.refuses("INC-1", "close", "dora")
    await engine.does("INC-1", "inform-customers", "dora", **informed)
    assert await engine.does("INC-1", "close", "dora") == "INC-1 is closed."


async def what_the_customers_get(engine: RealEngine) -> None:
    offer = {
        "per_customer": {"amount": "100", "currency": "EUR"},
        "population": "Those whose orders failed",
        "count": 90,
        "rationale": "They waited for forty minutes.",
    }
    short = {**offer, "rationale": "Because."}
    assert "rationale needs at least" in await engine.refuses("INC-1", "compensate", "dora", **short)
    proposed = await engine.does("INC-1", "compensate", "dora", **offer)
    assert "Somebody else must approve it: sofia" in proposed, "100 euros are more than dora may give"
    await the_page_to(engine, "sofia")  # a flow pages a moment after the question is asked
    document = (await engine.show())["compensation"]["document"]
    assert "somebody else must" in await engine.refuses("INC-1", "approve", "dora", document=document)
    assert "authority of ana" in await engine.refuses("INC-1", "approve", "ana", document=document)
    assert "edited since" in await engine.refuses("INC-1", "approve", "sofia", document="another")
    await engine.does("INC-1", "approve", "sofia", document=document)
    decided = (await engine.show())["compensation"]
    assert (decided["state"], decided["decided_by"], decided["requester"]) == ("decided", "sofia", "dora")


async def test_from_a_real_alert_to_the_close_without_prefect(engines: Engines, network: Network):
    timeline = await from_the_alert_to_the_close(engines, network, prefect=None)

    assert timeline[-1]["kind"] == "Closed"
    assert not any(each["by"] == "flow" for each in timeline)


def paged(entry: dict[str, Any]) -> str:
    """Who was asked to come, so that a difference says whom it concerns; empty for anything else."""
    return str(entry["sentence"]) if entry["kind"] == "PageRequested" else ""


@pytest.mark.prefect
@pytest.mark.counterparty("prefect")
async def test_with_prefect_it_is_the_same_story_told_by_a_flow(
    engines: Engines, network: Network, prefect_server: PrefectServer
):
    with_prefect = await from_the_alert_to_the_close(engines, network, prefect_server.api_url)
    without = await from_the_alert_to_the_close(engines, network, prefect=None)

    assert any(each["by"] == "flow" for each in with_prefect)
    assert Counter(map(paged, with_prefect)) == Counter(map(paged, without))
    assert Counter(each["kind"] for each in with_prefect) == Counter(each["kind"] for each in without)


async def test_answers_by_sms(engines: Engines, network: Network):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    for number in (1, 2, 3, 4):
        await engine.hears(f"alert {number}")
        await network.gets_an_sms(engine, ana, f"INC-{number} ")

    await network.writes(engine, ana, "1a")
    await network.writes(engine, ana, " 2E ")
    await network.writes(engine, ana, "3 p\n--\nSent from my phone")
    await network.writes(engine, ana, "what is this?")

    assert (await is_now(engine, "acknowledged", "INC-1"))["commander"] == "ana"
    await network.gets_an_sms(engine, bob, "INC-2 ")
    await network.gets_an_sms(engine, bob, "INC-3 ")
    assert await engine.kinds("INC-4") == ["IncidentDeclared", "EscalationStarted", "PageRequested", "PageSent"]
    assert [each["body"].split()[1] for each in await network.messages(bob)] == ["INC-2", "INC-3"]


async def test_an_answer_by_sms_is_told_the_truth(engines: Engines, network: Network):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana", "bob")], ["dora"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    await engine.hears("alert")
    await network.gets_an_sms(engine, ana)
    await network.gets_an_sms(engine, bob)

    async def reply_to(number: str, body: str, sid: str) -> str:
        form = sms_from(number, body, sid.ljust(34, "0"))
        answer = await engine.twilio("/twilio/sms", form, network.emulators.auth_token)
        assert answer.status == 200
        return answer.text

    at_ana, at_bob = ana.channels["sms"], bob.channels["sms"]
    assert "Not understood. Reply 1a to take it" in await reply_to(at_ana, "hello?", "SM1")
    assert "Message" not in await reply_to("+12025550199", "1a", "SM2"), "a stranger learns nothing"
    assert "Code 9 means nothing on this phone." in await reply_to(at_ana, "9a", "SM3")
    assert "There is no incident INC-9." in await reply_to(at_ana, "ack 9", "SM6")
    assert "You have taken charge of INC-1." in await reply_to(at_bob, "1a", "SM4")
    version = (await engine.show())["version"]
    assert "You have taken charge of INC-1." in await reply_to(at_bob, "1a", "SM4"), "Twilio repeats itself"
    assert (await engine.show())["version"] == version
    assert "INC-1 was already taken by Bob at " in await reply_to(at_ana, "1a", "SM5")
    assert (await engine.show())["commander"] == "bob"


async def test_a_wrong_signature_changes_nothing(engines: Engines, network: Network):
    ana, dora = person("ana", "sms"), person("dora")
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    await engine.hears("alert")
    await network.gets_an_sms(engine, ana)
    message_id = (await the_page_to(engine, "ana"))["message_id"]
    before = engine.counted("events")
    form = sms_from(ana.channels["sms"], "1a", "SM" + "2" * 32)

    for token, signature in (("another token", None), (network.emulators.auth_token, ""), ("x", "bm90IHNpZ25lZA==")):
        for path in ("/twilio/sms", f"/twilio/status/{message_id}", f"/twilio/gather/{message_id}"):
            answer = await engine.twilio(path, {**form, "Digits": "4"}, token, signature=signature)
            assert answer.status == 403, path
            assert "not signed by Twilio" in answer.error
    tampered = await engine.twilio("/twilio/sms", form, network.emulators.auth_token)
    assert tampered.status == 200, "the same form is taken with the right signature"

    assert engine.counted("events") > before
    assert (await engine.show())["commander"] == "ana"


async def test_a_button_in_slack_takes_it(engines: Engines, network: Network, recorder: Recorder):
    user = await _slack_user(network)
    ana = person("ana", "slack", slack=user)
    dora = person("dora")
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"])
    engine = await engines.make(plan, twilio_url=network.robot.url, emulators=network.emulators).up()
    await engine.hears("alert", seconds=30)
    message_id = (await the_page_to(engine, "ana"))["message_id"]
    posted = await engine.eventually(lambda: _posted(network, ana, message_id), "the post in Slack")
    assert posted["text"].startswith("*SEV1")
    before = engine.counted("events")

    wrong = await engine.slack_button(user, message_id, secret="another secret")
    stale = await engine.slack_button(user, message_id, at=time.time() - 360)
    stranger = await engine.slack_button("U0STRANGER", message_id, reply_to=f"{recorder.url}/stranger")
    unknown = await engine.slack_button(user, "1.INC-99.1.r1.c1.1", reply_to=f"{recorder.url}/unknown")
    assert (wrong.status, stale.status) == (401, 401)
    assert "older than five minutes" in stale.error
    assert (stranger.status, stranger.text, unknown.status, unknown.text) == (200, "", 200, "")
    for place in ("/stranger", "/unknown"):
        assert "nothing was changed" in (await _replied(engine, recorder, place))
    assert engine.counted("events") == before

    taken = await engine.slack_button(user, message_id, reply_to=f"{recorder.url}/taken")
    assert (taken.status, taken.text) == (200, "")
    assert (await engine.show())["commander"] == "ana"
    assert await _replied(engine, recorder, "/taken") == "You have taken charge of INC-1."


async def _replied(engine: RealEngine, recorder: Recorder, place: str) -> str:
    """What was said at this reply address; Slack ignores the body that acknowledges a button."""
    await engine.until(lambda: recorder.at(place), f"a reply at {place}")
    return str(recorder.at(place)[0].json["text"])


async def _slack_user(network: Network) -> str:
    return await asyncio.to_thread(network.emulators.slack_user, "ana@example.com")


async def _posted(network: Network, who: Any, message_id: str) -> dict[str, Any] | None:
    for each in await network.posts(who):
        if message_id in json.dumps(each.get("metadata") or each.get("blocks") or {}):
            return each
    return None
