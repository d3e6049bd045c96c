"""Socket Mode against a real engine process that nobody outside can reach: Slack's SDK, a server of its protocol.

The Web API is the emulator's; the engine has no public URL and no signing secret.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.real_engine import Engines, Person, PlanFiles, RealEngine, rung
from tests.support.slack_socket_server import (
    SlackSocketServer,
    a_command,
    a_press,
    a_submission,
    slack,  # noqa: F401 - a fixture
)

pytestmark = [pytest.mark.counterparty("slack"), pytest.mark.slow]


@pytest.fixture
def ana(slack: SlackSocketServer) -> str:  # noqa: F811
    return slack.emulators.slack_user("ana@example.com")


@pytest.fixture
def engine(engines: Engines, slack: SlackSocketServer, ana: str) -> RealEngine:  # noqa: F811
    """Not started yet. Ana is paged in Slack, Bob has the command line, Dora would be called last."""
    people = [Person("ana", {"slack": ana}), Person("bob", {"console": "bob"}), Person("dora", {"slack": "U0DORA"})]
    return engines.make(
        PlanFiles(people, [rung("ana"), rung("bob")], ["dora"]),
        TOCSIN_SLACK__BOT_TOKEN=slack.emulators.slack_token,
        TOCSIN_SLACK__APP_TOKEN="xapp-1-local-test",
        TOCSIN_SLACK__BASE_URL=slack.api_url,
    )


async def connected(engine: RealEngine, slack: SlackSocketServer) -> RealEngine:  # noqa: F811
    await engine.up()
    await slack.until(lambda: slack.connected, "a connection")
    return engine


async def the_page(engine: RealEngine, incident: str = "INC-1") -> str:
    async def asked() -> str | None:
        pages = (await engine.show(incident))["pages"]
        return next((str(each["message_id"]) for each in pages if each["state"] == "delivered"), None)

    return await engine.eventually(asked, "a page that Slack has")


def posted(slack: SlackSocketServer, method: str, **wanted: object) -> list[Mapping[str, Any]]:  # noqa: F811
    return [each.arguments for each in slack.called(method) if wanted.items() <= each.arguments.items()]


def buttons(message: Mapping[str, Any]) -> list[str]:
    return [
        each["action_id"] for block in message["blocks"] for each in block.get("elements", []) if "action_id" in each
    ]


async def test_a_button_takes_it_without_any_public_address(engine, slack, ana):  # noqa: F811
    await connected(engine, slack)
    await engine.hears("alert")
    page = await the_page(engine)
    assert "tocsin_ack" in buttons(posted(slack, "chat.postMessage")[0])

    await slack.send("interactive", a_press(ana, page, "tocsin_ack", slack), "e1")

    assert await slack.acknowledged("e1") is None
    assert (await engine.show())["commander"] == "ana"
    await slack.until(lambda: slack.replies, "a reply")
    assert slack.replies[0]["text"] == "You have taken charge of INC-1."
    await slack.until(lambda: slack.called("chat.update"), "an edit")
    edited = posted(slack, "chat.update")[-1]
    assert buttons(edited) == []
    assert "Taken by Ana at " in json.dumps(edited["blocks"])


async def test_an_edit_that_is_lost_with_the_process_is_made_by_the_next_one(engine, slack, ana):  # noqa: F811
    await connected(engine, slack)
    await engine.hears("alert")
    page = await the_page(engine)
    slack.held["chat.update"] = asyncio.Event()
    await slack.send("interactive", a_press(ana, page, "tocsin_ack", slack), "e1")
    await slack.acknowledged("e1")
    engine.kill()
    slack.held.pop("chat.update").set()
    assert slack.called("chat.update") == []

    await engine.up()

    await slack.until(lambda: slack.called("chat.update"), "an edit")
    assert "Taken by Ana at " in json.dumps(posted(slack, "chat.update")[-1]["blocks"])


async def test_a_form_is_opened_refused_and_carried_out_once(engine, slack, ana):  # noqa: F811
    await connected(engine, slack)
    trigger = str(slack.emulators.slack("views.generateTriggerId", user_id=ana)["trigger_id"])
    await slack.send("slash_commands", a_command(ana, "declare Nobody can pay", trigger, slack), "e1")
    assert await slack.acknowledged("e1") is None
    await slack.until(lambda: slack.called("views.open"), "a form")
    opened = slack.called("views.open")[0].answer
    assert opened["ok"], opened

    await slack.send("interactive", a_submission(ana, opened["view"], title=" "), "e2")
    refused = await slack.acknowledged("e2")
    assert refused == {"response_action": "errors", "errors": {"title": "An incident needs a title."}}
    assert (await engine.get("/api/v1/incidents"))["incidents"] == []

    for envelope in ("e3", "e4"):
        await slack.send("interactive", a_submission(ana, opened["view"]), envelope)
        assert await slack.acknowledged(envelope) is None
    declared = (await engine.get("/api/v1/incidents"))["incidents"]
    assert [each["title"] for each in declared] == ["Nobody can pay"]
    await slack.until(lambda: len(slack.replies) == 2, "the replies")
    assert {each["text"] for each in slack.replies} == {"INC-1 is declared as SEV1; people are being paged."}


async def test_a_command_is_answered_in_its_acknowledgement(engine, slack, ana):  # noqa: F811
    await connected(engine, slack)
    await engine.hears("alert")

    await slack.send("slash_commands", a_command(ana, "ack INC-1", "t1", slack), "e1")
    await slack.send("slash_commands", a_command("U0STRANGER", "ack INC-1", "t2", slack), "e2")

    assert await slack.acknowledged("e1") == {
        "response_type": "ephemeral",
        "text": "You have taken charge of INC-1.",
    }
    refused = await slack.acknowledged("e2")
    assert refused is not None
    assert refused["text"].startswith("Tocsin does not know this person")
    assert (await engine.show())["support"] == []


@pytest.mark.parametrize("end", ["asks_for_a_new_connection", "hangs_up"])
async def test_it_connects_again_by_itself(engine, slack, ana, end):  # noqa: F811
    await connected(engine, slack)
    await engine.hears("alert")
    before = slack.asked

    await getattr(slack, end)()
    await slack.until(lambda: slack.asked > before and slack.connected, "another connection")

    await slack.send("slash_commands", a_command(ana, "ack INC-1", "t1", slack), "e1")
    assert "You have taken charge" in str(await slack.acknowledged("e1"))


async def test_a_slack_that_refuses_the_app_token_stops_no_page_and_is_asked_again(engine, slack, ana):  # noqa: F811
    slack.refuses = "invalid_auth"
    await engine.up()
    await engine.hears("alert")
    await the_page(engine)
    await slack.until(lambda: slack.asked > 1, "another try")
    assert "slack socket not connected error=Slack refuses: invalid_auth" in engine.tail()
    assert "Traceback" not in engine.tail()

    slack.refuses = None
    await slack.until(lambda: slack.connected, "a connection")

    await slack.send("slash_commands", a_command(ana, "ack INC-1", "t1", slack), "e1")
    assert "You have taken charge" in str(await slack.acknowledged("e1"))


async def test_junk_over_the_socket_is_acknowledged_and_breaks_nothing(engine, slack, ana):  # noqa: F811
    await connected(engine, slack)
    payloads: list[Any] = [{}, {"type": "block_actions", "actions": 7}, {"type": "view_submission", "view": []}]
    for number, payload in enumerate(payloads):
        await slack.send("interactive", payload, f"i{number}")
        await slack.send("slash_commands", payload, f"c{number}")
        await slack.send("events_api", payload, f"v{number}")
    for junk in ("not json", "[]", "{broken", "{}"):
        await slack.write(junk)

    for number in range(len(payloads)):
        for kind in "icv":
            assert await slack.acknowledged(f"{kind}{number}") is None
    assert "Traceback" not in engine.tail()
    assert await slack_still_works(slack, ana)


async def slack_still_works(slack: SlackSocketServer, ana: str) -> bool:  # noqa: F811
    await slack.send("slash_commands", a_command(ana, "status", "t9", slack), "last")
    return "No incident is open." in str(await slack.acknowledged("last"))
