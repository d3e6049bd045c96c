"""What people do in Slack, signed by Slack's own code, reaches a real engine; the emulator shows what they then see."""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents import commands as c
from notifications import slack as slack_channel
from notifications.channels import ChannelSettings
from tests.support.counterparties import emulators  # noqa: F401 - a fixture
from tests.support.real_engine import Person, PlanFiles, rung
from tests.support.slack_socket_server import (
    SlackSocketServer,
    a_command,
    a_press,
    a_submission,
    slack,  # noqa: F401 - a fixture
)
from tocsin.web.app import build_app

pytestmark = pytest.mark.counterparty("slack")

PUBLIC, SECRET = "https://tocsin.example", "slack_test_signing_secret"
Posts = Callable[[str, bytes], Awaitable[httpx.Response]]

_numbers = itertools.count(1)


class Desk:
    """People in Slack, and an engine that they talk to by HTTP."""

    def __init__(self, engine: Engine, client: httpx.AsyncClient, server: SlackSocketServer, ana: str) -> None:
        self.engine = engine
        self.slack = server
        self.ana = ana
        self._client = client

    async def post(self, path: str, form: Mapping[str, str], secret: str = SECRET) -> httpx.Response:
        body = urlencode(form).encode()
        moment = str(int(self.engine.clock.now().timestamp()))
        signature = SignatureVerifier(secret).generate_signature(timestamp=moment, body=body)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": moment,
            "X-Slack-Signature": str(signature),
        }
        return await self._client.post(path, content=body, headers=headers)

    async def interacts(self, payload: Mapping[str, Any]) -> Any:
        """The body of our 200, None where it is empty."""
        answer = await self.post("/slack/interactions", {"payload": json.dumps(payload)})
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    async def presses(self, action: str, message_id: str, person: str | None = None, **more: object) -> None:
        more.setdefault("action_ts", f"1548426417.{next(_numbers):06d}")
        assert await self.interacts(a_press(person or self.ana, message_id, action, self.slack, **more)) is None

    async def hears(self) -> str:
        """The next sentence at the reply address."""
        await self.slack.until(lambda: self.slack.replies, "a reply")
        reply = self.slack.replies.pop(0)
        assert (reply["response_type"], reply["replace_original"]) == ("ephemeral", False)
        return str(reply["text"])

    async def types(self, text: str, trigger: str | None = None, person: str | None = None) -> Any:
        command = a_command(person or self.ana, text, trigger or f"trigger-{next(_numbers)}", self.slack)
        answer = await self.post("/slack/commands", command)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    async def reads(self, text: str, **more: Any) -> str:
        answer = await self.types(text, **more)
        assert answer["response_type"] == "ephemeral"
        return str(answer["text"])

    def trigger(self) -> str:
        return str(self.slack.emulators.slack("views.generateTriggerId", user_id=self.ana)["trigger_id"])

    async def opened(self) -> dict[str, Any]:
        """The form that has just opened, as Slack keeps it."""
        await self.slack.until(lambda: self.slack.called("views.open"), "a form")
        call = self.slack.called("views.open").pop()
        assert call.answer["ok"], call.answer
        return dict(call.answer["view"])

    async def paged(self, title: str = "Card payments fail") -> tuple[str, str]:
        """An incident and the id of Ana's page, which Slack has."""
        incident, _ = await self.engine.declare(title=title, situation="SHOP_DOWN", severity=None, by="person:bob")
        return incident, await self.page_of(incident)

    async def page_of(self, incident: str) -> str:
        while True:
            pages = (await self.engine.show(incident))["pages"]
            sent = [each for each in pages if each["channel"] == "slack" and each["state"] == "delivered"]
            if sent:
                return str(sent[-1]["message_id"])
            await asyncio.sleep(0.02)

    async def message(self, message_id: str) -> dict[str, Any]:
        """The post of a page as it now stands in Slack."""
        row = await self.engine.message(message_id)
        assert row is not None
        assert row.provider_id is not None
        channel, _, ts = row.provider_id.partition(":")
        found = self.slack.emulators.slack("conversations.history", channel=channel, limit="200")["messages"]
        return dict(next(each for each in found if each["ts"] == ts))

    async def becomes(self, message_id: str, line: str) -> dict[str, Any]:
        """Wait until the page says this; gives it."""
        for _ in range(500):
            message = await self.message(message_id)
            if line in json.dumps(message["blocks"], ensure_ascii=False):
                return message
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {line!r} in {message}")

    async def show(self, incident: str) -> dict[str, Any]:
        return await self.engine.show(incident)


def buttons(message: Mapping[str, Any]) -> list[str]:
    return [
        each["action_id"] for block in message["blocks"] for each in block.get("elements", []) if "action_id" in each
    ]


@pytest.fixture
async def desk(tmp_path: Path, slack: SlackSocketServer) -> AsyncIterator[Desk]:  # noqa: F811
    """Ana is paged in Slack; Bob answers on the command line, and Dora would be called last."""
    ana = slack.emulators.slack_user("ana@example.com")
    people = [Person("ana", {"slack": ana}), Person("bob", {"console": "bob"}), Person("dora", {"slack": "U0DORA"})]
    plan = PlanFiles(people, [rung("ana"), rung("bob")], ["dora"]).write(tmp_path / "plan")
    channels = ChannelSettings(
        public_url=PUBLIC,
        slack_bot_token=slack.emulators.slack_token,
        slack_signing_secret=SECRET,
        slack_base_url=slack.api_url,
    )
    config = EngineConfig(
        tmp_path / "home", plan, "http://127.0.0.1:1", public_url=PUBLIC, api_token="t", channels=channels
    )
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    transport = httpx.ASGITransport(app=build_app(engine))
    await engine.start()
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        yield Desk(engine, client, slack, ana)
    await engine.stop()


# --- buttons ---


async def test_who_takes_it_hears_so_alone_and_the_page_says_it_to_everybody(desk):
    incident, page = await desk.paged()
    assert buttons(await desk.message(page)) == ["tocsin_ack", "tocsin_escalate", "tocsin_pass", "tocsin_resolve"]

    await desk.presses("tocsin_ack", page)

    assert await desk.hears() == f"You have taken charge of {incident}."
    assert (await desk.show(incident))["commander"] == "ana"
    message = await desk.becomes(page, "Taken by Ana at ")
    assert buttons(message) == []
    assert "Card payments fail" in message["text"]


async def test_a_page_that_somebody_answered_elsewhere_says_so(desk):
    incident, page = await desk.paged()

    await desk.engine.command(incident, lambda _incident, _now: c.Acknowledge("bob", "cli"))

    assert buttons(await desk.becomes(page, "Taken by Bob at ")) == []


@pytest.mark.parametrize(
    ("action", "sentence", "line"),
    [
        ("tocsin_pass", "You have passed on {}: the next person is being called.", "Passed by Ana at "),
        ("tocsin_escalate", "{} is escalated: the next person is being called.", "Escalated by Ana at "),
    ],
)
async def test_who_passes_or_escalates_has_no_buttons_any_more(desk, action, sentence, line):
    incident, page = await desk.paged()

    await desk.presses(action, page)

    assert await desk.hears() == sentence.format(incident)
    assert buttons(await desk.becomes(page, line)) == []


async def test_a_press_that_is_delivered_again_later_is_answered_as_before_and_changes_nothing(desk):
    incident, page = await desk.paged()
    await desk.presses("tocsin_pass", page, action_ts="1.000001")
    passed = await desk.hears()
    await desk.presses("tocsin_ack", page, action_ts="1.000002")
    assert await desk.hears() == f"You have taken charge of {incident}."
    before = (await desk.show(incident))["timeline"]

    await desk.presses("tocsin_pass", page, action_ts="1.000001")

    assert await desk.hears() == passed
    assert (await desk.show(incident))["timeline"] == before


async def test_strangers_and_unknown_messages_change_nothing(desk):
    incident, page = await desk.paged()
    before = (await desk.show(incident))["timeline"]

    await desk.presses("tocsin_ack", page, person="U0STRANGER")
    assert await desk.hears() == (
        "Tocsin does not know this person (U0STRANGER); nothing was changed. Ask to be added to contacts.yaml."
    )
    await desk.presses("tocsin_ack", "1.INC-99.1.r1.c1.1")
    assert await desk.hears() == "Tocsin does not know this message; nothing was changed."

    assert (await desk.show(incident))["timeline"] == before


async def test_a_button_under_a_test_page_is_received_and_changes_nothing(desk):
    message_id, _ = await desk.engine.test_page("ana", "slack")

    await desk.presses("tocsin_ack", message_id)

    assert await desk.hears() == "Received. This message needs no answer."


async def test_a_reply_address_that_is_not_slacks_is_never_called_and_the_person_hears_it_all_the_same(desk):
    incident, page = await desk.paged()

    elsewhere = desk.slack.reply_address.replace(
        "127.0.0.1", "0.0.0.0"
    )  # the same server, by a name that is not allowed
    await desk.presses("tocsin_ack", page, response_url=elsewhere)

    await desk.slack.until(
        lambda: any("You have taken" in str(each.arguments) for each in desk.slack.called("chat.postMessage")),
        "a direct message",
    )
    assert desk.slack.replies == []
    assert (await desk.show(incident))["commander"] == "ana"


# --- questions ---


async def asked(desk, expires_in=timedelta(hours=1)):
    """Ana is asked a question; gives the incident and the id of the page that asks it."""
    incident, first = await desk.paged()
    question = "May we tell the press at six?"
    ask = desk.engine.grounds.ask(
        ["ana"], question, about="text", expires_in=expires_in, if_silent="no", by="person:bob"
    )
    await desk.engine.command(incident, ask)
    while (page := await desk.page_of(incident)) == first:
        await asyncio.sleep(0.02)
    return incident, page


@pytest.mark.parametrize(
    ("action", "heard", "line"),
    [
        ("tocsin_yes", "{}: you said yes.", "Ana said yes at "),
        ("tocsin_no", "{}: you said no. Nothing is approved.", "Ana said no at "),
    ],
)
async def test_a_question_is_answered_by_its_own_buttons(desk, action, heard, line):
    incident, page = await asked(desk)
    message = await desk.message(page)
    assert buttons(message) == ["tocsin_yes", "tocsin_no", "tocsin_call"]
    assert "May we tell the press at six?" in message["text"]

    await desk.presses(action, page)

    assert await desk.hears() == heard.format(incident)
    assert buttons(await desk.becomes(page, line)) == []


async def test_who_wants_a_call_first_can_still_say_yes(desk):
    incident, page = await asked(desk)

    await desk.presses("tocsin_call", page)

    assert "whoever asked is told to call you" in await desk.hears()
    assert buttons(await desk.message(page)) == ["tocsin_yes", "tocsin_no", "tocsin_call"]
    assert await desk.reads(f"yes {incident}") == f"{incident}: you said yes."


async def test_a_question_that_nobody_answered_says_so(desk):
    _, page = await asked(desk, timedelta(seconds=1))

    assert buttons(await desk.becomes(page, "Nobody answered until ")) == []


# --- resolving ---


async def test_resolving_asks_for_the_note_and_the_page_says_that_it_is_over(desk):
    incident, page = await desk.paged()

    await desk.presses("tocsin_resolve", page, trigger_id=desk.trigger())
    view = await desk.opened()
    assert view["title"]["text"] == f"Resolve {incident}"
    assert (await desk.show(incident))["resolved_at"] is None

    assert await desk.interacts(a_submission(desk.ana, view, note="The payment provider is back")) is None

    assert (await desk.hears()).startswith(f"{incident} resolved. To close: ")
    assert "The payment provider is back" in str((await desk.show(incident))["timeline"])
    await desk.becomes(page, "Resolved at ")


async def test_an_empty_note_keeps_the_form_open_and_the_same_form_then_works_once(desk):
    incident, page = await desk.paged()
    await desk.presses("tocsin_resolve", page, trigger_id=desk.trigger())
    view = await desk.opened()

    refused = await desk.interacts(a_submission(desk.ana, view, note="  "))
    assert refused == {
        "response_action": "errors",
        "errors": {"note": "Resolving needs a note: what resolved it?"},
    }

    assert await desk.interacts(a_submission(desk.ana, view, note="Restarted")) is None
    resolved = await desk.hears()
    await desk.engine.command(incident, lambda _incident, _now: c.Reopen("it is back", "person:bob"))
    assert await desk.interacts(a_submission(desk.ana, view, note="Restarted")) is None
    assert await desk.hears() == resolved
    assert (await desk.show(incident))["resolved_at"] is None


async def test_a_form_that_slack_does_not_open_is_said_with_the_command_that_does_the_same(desk):
    incident, page = await desk.paged()

    await desk.presses("tocsin_resolve", page, trigger_id="too.old")

    said = await desk.hears()
    assert "invalid_trigger_id" in said
    assert f"/tocsin resolve {incident}" in said
    assert "resolved. To close" in await desk.reads(f"resolve {incident} Restarted")


async def test_what_takes_too_long_is_acknowledged_goes_on_and_is_told_when_it_is_done(desk, monkeypatch):
    monkeypatch.setattr(slack_channel, "_OPEN_SECONDS", 60)
    _, page = await desk.paged()
    desk.slack.held["views.open"] = asyncio.Event()

    await desk.presses("tocsin_resolve", page, trigger_id="too.old")

    assert desk.slack.replies == []
    desk.slack.held["views.open"].set()
    assert "invalid_trigger_id" in await desk.hears()


# --- the command ---


async def test_declaring_needs_nothing_but_a_title(desk):
    assert await desk.types("declare Nobody can pay", trigger=desk.trigger()) is None
    view = await desk.opened()
    assert view["blocks"][0]["element"]["initial_value"] == "Nobody can pay"

    assert await desk.interacts(a_submission(desk.ana, view)) is None

    assert await desk.hears() == "INC-1 is declared as SEV1; people are being paged."
    declared = await desk.show("INC-1")
    assert (declared["title"], declared["declared_by"]) == ("Nobody can pay", "person:ana")
    await desk.page_of("INC-1")


async def test_what_is_given_in_the_form_is_kept_and_a_repeated_submission_declares_nothing_twice(desk):
    await desk.types("declare", trigger=desk.trigger())
    view = await desk.opened()
    filled = a_submission(desk.ana, view, title="Slow checkout", severity="SEV3", known="40 calls since nine")

    for _ in range(2):
        assert await desk.interacts(filled) is None
        assert await desk.hears() == "INC-1 is declared as SEV3; people are being paged."

    declared = await desk.show("INC-1")
    assert (declared["severity"], declared["because"]) == ("SEV3", ["40 calls since nine"])
    assert "INC-2" not in await desk.reads("status")


async def test_answers_about_the_impact_in_the_form_raise_what_is_declared(desk):
    await desk.types("declare", trigger=desk.trigger())
    answered = {"impact-people": "injury", "impact-data": "dont-know"}
    filled = a_submission(desk.ana, await desk.opened(), title="A lamp burns", severity="SEV3", **answered)

    await desk.interacts(filled)

    heard = await desk.hears()
    assert heard.startswith("INC-1 is declared as SEV1; people are being paged. SEV1 because of your answers: ")
    declared = await desk.show("INC-1")
    given = {row["question"]: row["answer"] for row in declared["impact"] if row["answer"]}
    assert (declared["severity"], given) == ("SEV1", {"people": "injury", "data": "dont-know"})


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"title": " "}, {"title": "An incident needs a title."}),
        ({"title": "x" * 201}, {"title": "At most 200 characters."}),
        (
            {"title": "x", "situation": "FLOOD"},
            {"situation": "The plan does not have this situation any more; choose another."},
        ),
        ({"title": "x", "severity": "SEV9"}, {"severity": "Choose SEV1, SEV2, SEV3 or SEV4."}),
    ],
)
async def test_what_is_wrong_in_the_form_is_said_below_its_field(desk, given, errors):
    await desk.types("declare", trigger=desk.trigger())

    answer = await desk.interacts(a_submission(desk.ana, await desk.opened(), **given))

    assert answer == {"response_action": "errors", "errors": errors}
    assert await desk.reads("status") == "No incident is open."


async def test_the_commands_that_need_no_form(desk):
    incident, _ = await desk.paged("Shop & <till> down")

    status = await desk.reads("status")
    assert f"|{incident}>* SEV1 declared · nobody · Shop &amp; &lt;till&gt; down" in status
    assert await desk.reads(f"note {incident} called the bank") == f"Noted in {incident}."
    assert await desk.reads("ACK inc-1") == f"You have taken charge of {incident}."
    assert "called the bank" in str((await desk.show(incident))["timeline"])
    assert "acknowledged · Ana" in await desk.reads("status")


async def test_whoever_is_left_out_learns_nothing_of_it_from_the_list(desk):
    secret, _ = await desk.engine.declare(
        title="Ana took the money", situation="SHOP_DOWN", severity=None, by="person:bob", implicated=["ana"]
    )
    assert await desk.reads("status") == "No incident is open."
    assert secret in await desk.reads("status", person="U0DORA")

    other, _ = await desk.engine.declare(title="Slow", situation="SHOP_DOWN", severity=None, by="person:bob")
    status = await desk.reads("status")
    assert other in status
    assert secret not in status


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("pass INC-1", "You have passed on INC-1: the next person is being called."),
        ("ack", "Say which incident: `/tocsin ack INC-7`. `/tocsin status` lists what is open."),
        ("ack INC-99", "There is no incident INC-99."),
        ("note INC-1", "A note needs a text."),
        ("resolve INC-1", "Resolving needs a note: what resolved it?"),
    ],
)
async def test_what_a_command_answers(desk, typed, read):
    await desk.paged()

    assert await desk.reads(typed) == read


@pytest.mark.parametrize("typed", ["", "help", "frobnicate INC-1"])
async def test_anything_else_gets_the_help(desk, typed):
    assert "`/tocsin declare [title]`" in await desk.reads(typed)


async def test_a_command_delivered_twice_is_carried_out_once(desk):
    incident, _ = await desk.paged()

    for _ in range(2):
        assert await desk.reads(f"note {incident} once", trigger="the same") == f"Noted in {incident}."

    kinds = [each["kind"] for each in (await desk.show(incident))["timeline"]]
    assert kinds.count("NoteAdded") == 1


async def test_a_stranger_gets_a_plain_refusal_whatever_they_try(desk):
    for typed in ("declare Fire", "status", "ack INC-1", "help"):
        assert (await desk.reads(typed, person="U0STRANGER")).startswith("Tocsin does not know this person")

    form = {"callback_id": "tocsin_declare", "id": "V1", "blocks": []}
    answer = await desk.interacts(a_submission("U0STRANGER", form))
    assert answer["errors"]["title"].startswith("Tocsin does not know this person")
    assert desk.slack.called("views.open") == []


# --- bad input ---


@pytest.mark.parametrize("path", ["/slack/interactions", "/slack/commands"])
async def test_what_slack_did_not_sign_is_refused(desk, path):
    answer = await desk.post(path, {"payload": "{}", "user_id": desk.ana, "text": "status"}, secret="guessed")

    assert answer.status_code == 401


async def test_nothing_else_lives_below_slack(desk):
    assert (await desk.post("/slack/events", {})).status_code == 404


@pytest.mark.parametrize(
    "payload",
    [
        "{", "[]", "null", "7", '"x"', "{}", '{"type":"block_actions"}', '{"type":"block_actions","actions":{}}',
        '{"type":"block_actions","actions":[7],"user":7}', '{"type":"view_submission","view":[],"user":{"id":"U1"}}',
        '{"type":"view_submission","user":{"id":"U1"},"view":{"id":"V1","callback_id":"other","state":7}}',
        '{"type":"view_submission","user":{"id":"U1"},"view":{"id":"V1","callback_id":7}}',
        '{"type":"shortcut","user":{"id":"U1"}}', "[" * 20_000,
    ],
)  # fmt: skip
async def test_junk_is_acknowledged_and_does_nothing(desk, payload, caplog):
    answer = await desk.post("/slack/interactions", {"payload": payload})

    assert answer.status_code == 200
    assert [each for each in caplog.records if each.exc_info] == []


async def test_words_that_no_database_can_keep_are_kept_as_far_as_they_go(desk):
    incident, page = await desk.paged()
    await desk.presses("tocsin_resolve", page, trigger_id=desk.trigger())

    assert await desk.interacts(a_submission(desk.ana, await desk.opened(), note="fixed \ud83d now")) is None

    assert "fixed ? now" in str((await desk.show(incident))["timeline"])
