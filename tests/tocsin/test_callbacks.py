"""What people write back by SMS is for the incident, and by the person, that it was meant for."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from twilio.request_validator import RequestValidator

from contacts.directory import Directory
from engine.bundles import bundle_row
from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents import commands as c
from notifications.channel import Answer
from notifications.channels import ChannelSettings, TwilioSettings
from storage import codes, numbers, outbox
from storage.database import Tx
from tests.support.real_engine import Person, PlanFiles, rung
from tocsin.web.app import build_app

PUBLIC, TOKEN = "https://tocsin.example", "a token for tests"
DUTY, OTHER, US = "+12025550101", "+12025550102", "+12025550100"
Asks = Callable[[str, dict[str, str]], Awaitable[ElementTree.Element]]
Writes = Callable[[str, str], Awaitable[str | None]]


class MovableClock(SystemClock):
    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Engine]:
    """Ana and Bob share the duty telephone; Bob is paged first. Dora has one of her own."""
    people = [Person("ana", {"sms": DUTY}), Person("bob", {"sms": DUTY}), Person("dora", {"sms": OTHER})]
    plan = PlanFiles(people, [rung("bob"), rung("dora")], ["dora"], operators=["ana"]).write(tmp_path / "plan")
    channels = ChannelSettings(
        public_url=PUBLIC, twilio_account_sid="AC" + "1" * 32, twilio_auth_tokens=(TOKEN,), twilio_from=US
    )
    config = EngineConfig(
        tmp_path / "home", plan, "http://127.0.0.1:1", public_url=PUBLIC, api_token="t", channels=channels
    )
    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


@pytest.fixture
async def asks(engine: Engine) -> AsyncIterator[Asks]:
    """`await asks(path, form)` gives our answer to that request of Twilio's."""
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:

        async def asked(path: str, form: dict[str, str]) -> ElementTree.Element:
            signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}{path}", form)
            answer = await client.post(path, data=form, headers={"X-Twilio-Signature": signature})
            assert answer.status_code == 200, answer.text
            return ElementTree.fromstring(answer.text)

        yield asked


@pytest.fixture
def writes(asks: Asks) -> Writes:
    """`await writes(number, text)` gives our reply to that SMS."""
    numbers = itertools.count(1)

    async def written(sender: str, text: str) -> str | None:
        form = {"MessageSid": f"SM{next(numbers):032d}", "From": sender, "To": US, "Body": text}
        return (await asks("/twilio/sms", form)).findtext("Message")

    return written


async def declared(engine: Engine, title: str = "Shop down") -> str:
    """An incident, and its first page has left."""
    incident, _ = await engine.declare(title=title, situation="SHOP_DOWN", severity=None, by="person:dora")
    await sends_everything(engine)
    return incident


async def sends_everything(engine: Engine) -> None:
    def sent(tx: Tx) -> None:
        tx.execute("UPDATE outbox SET state = 'sent' WHERE state = 'pending'")

    await engine.database.write(sent)


async def commander(engine: Engine, incident: str) -> object:
    return (await engine.show(incident))["commander"]


async def test_of_two_people_with_one_duty_telephone_the_one_who_was_paged_answers(engine, writes):
    incident = await declared(engine)

    assert await writes(DUTY, "a") == "You have taken charge of INC-1."

    assert "bob" in str(await commander(engine, incident)).lower()


async def test_who_names_an_incident_that_they_were_not_paged_for_answers_as_themselves(engine, writes):
    incident = await declared(engine)

    assert await writes(OTHER, "ack 1") == "You have taken charge of INC-1."

    assert "dora" in str(await commander(engine, incident)).lower()


async def test_a_bare_letter_is_for_the_latest_message_to_that_phone(engine, writes):
    first = await declared(engine)
    await declared(engine, "Payments down")

    assert await writes(DUTY, "a") == "You have taken charge of INC-2."
    assert await commander(engine, first) is None


async def test_each_incident_has_a_small_code_of_its_own_on_that_phone(engine, writes):
    for title in ("Shop down", "Payments down"):
        await declared(engine, title)
    texts = engine.database.read_now(lambda tx: [row[0] for row in tx.all("SELECT text FROM outbox ORDER BY rowid")])
    assert ["Reply 1a" in texts[0], "Reply 2a" in texts[1]] == [True, True]

    assert await writes(DUTY, "2a") == "You have taken charge of INC-2."
    assert await writes(DUTY, "1e") == "INC-1 is escalated: the next person is being called."
    assert await writes(DUTY, "9a") == "Code 9 means nothing on this phone. Nothing was changed."


async def test_a_late_answer_by_the_code_of_an_incident_that_has_ended_is_not_for_the_next_one(engine, writes):
    first = await declared(engine)
    await engine.command(first, lambda _incident, _now: c.StandDown("a false alarm", "person:dora"))
    await declared(engine, "Payments down")

    assert await writes(DUTY, "1c") == "INC-1 is stood-down."
    assert await writes(DUTY, "2a") == "You have taken charge of INC-2."


async def test_the_codes_of_a_phone_go_round_and_skip_those_that_are_open(engine):
    def given(tx: Tx) -> list[int | None]:
        tx.execute("UPDATE incidents SET is_open = (id = 'INC-2')")
        return [codes.code_for(tx, DUTY, f"INC-{number}", now + number) for number in range(1, 103)]

    for title in ("Shop down", "Payments down"):
        await declared(engine, title)
    now = engine.clock.now().timestamp()
    got = await engine.database.write(given)

    assert got[:3] == [1, 2, 3]
    assert got[97:] == [98, 99, 1, 3, 4]


async def test_by_a_code_the_one_answers_whom_that_page_was_for(engine, writes):
    incident = await declared(engine)
    await engine.declare(
        title="Payments down", situation="SHOP_DOWN", severity=None, by="person:dora", implicated=("bob",)
    )
    await sends_everything(engine)

    assert await writes(DUTY, "1a") == "You have taken charge of INC-1."

    assert "bob" in str(await commander(engine, incident)).lower()


async def test_yes_to_a_question_is_not_start(engine, writes):
    incident = await declared(engine)
    ask = engine.grounds.ask(
        ["dora"], "Close?", about="other", expires_in=timedelta(hours=1), if_silent="no", by="person:bob"
    )
    await engine.command(incident, ask)
    await sends_everything(engine)
    await writes(OTHER, "STOP")

    assert await writes(OTHER, "1y") == "INC-1: you said yes."
    assert OTHER in engine.book.live.out
    assert "again" in (await writes(OTHER, "yes") or "")


async def test_nothing_that_waits_leaves_for_a_number_after_its_stop(engine, writes):
    incident, _ = await engine.declare(title="Shop down", situation="SHOP_DOWN", severity=None, by="person:dora")

    await writes(DUTY, "STOP")

    rows = engine.database.read_now(lambda tx: outbox.of_incident(tx, incident))
    assert [(row.address, row.state) for row in rows] == [(DUTY, "failed"), (OTHER, "pending")]


async def test_two_stops_at_the_same_moment_both_count(engine):
    await asyncio.gather(engine.numbers.take_out(DUTY, "STOP"), engine.numbers.take_out(OTHER, "STOP"))

    assert engine.book.live.out == {DUTY, OTHER}


async def test_whom_a_carrier_reports_as_stopped_is_called_at_their_other_addresses(engine):
    incident = await declared(engine)

    await engine.numbers.take_out(DUTY, "error 21610", by_owner=False)

    state = engine.database.read_now(lambda tx: engine.door.load(tx, incident))
    assert not state.escalations["1"].passed


async def test_resolving_by_sms_says_what_is_missing_to_close(engine, writes):
    await declared(engine)

    assert (await writes(DUTY, "1c") or "").startswith("INC-1 resolved. To close: ")


async def test_stop_takes_the_number_out_and_calls_the_next_person_at_once(engine, writes):
    incident = await declared(engine)

    assert "gets no more pages" in (await writes(DUTY, "STOP") or "")

    assert [page["contact"] for page in (await engine.show(incident))["pages"]] == ["bob", "dora"]
    [(address, owner, _, because)] = engine.numbers.out()
    assert (address, owner.id, because) == (DUTY, "ana", "its owner wrote STOP")
    second = await declared(engine, "Payments down")
    assert [page["contact"] for page in (await engine.show(second))["pages"]] == ["dora"]


async def test_a_number_that_was_stopped_is_still_out_after_a_restart_and_start_puts_it_back(engine, writes):
    await writes(DUTY, "Stop")
    engine.book.surround(replace(engine.book.live, out=frozenset()))
    engine.numbers.load()
    assert engine.book.live.out == {DUTY}

    assert await writes(DUTY, "START") == "This number gets pages from Tocsin again."

    assert engine.numbers.out() == []
    incident = await declared(engine)
    assert [page["contact"] for page in (await engine.show(incident))["pages"]] == ["bob"]


async def test_a_stranger_cannot_take_a_number_out(engine, writes):
    assert await writes("+12025550199", "STOP") is None
    assert engine.numbers.out() == []


async def test_a_machine_that_answers_us_is_not_told_for_ever_that_it_was_not_understood(engine, writes):
    await declared(engine)
    replies = [await writes(DUTY, "I am out of the office") for _ in range(7)]
    assert [reply is not None for reply in replies] == [True] * 5 + [False] * 2
    assert await writes(DUTY, "1a") == "You have taken charge of INC-1."
    assert await writes(DUTY, "thanks!") is not None


async def test_a_question_is_answered_by_one_letter(engine, writes, asks):
    incident = await declared(engine)
    await writes(DUTY, "1a")
    ask = engine.grounds.ask(
        ["dora"], "Close?", about="other", expires_in=timedelta(minutes=9), if_silent="no", by="person:bob"
    )
    await engine.command(incident, ask)
    await sends_everything(engine)

    assert await writes(OTHER, "a") == "INC-1 asks you a question: answer yes, no or call."
    assert await writes(OTHER, "y") == "INC-1: you said yes."
    assert (await engine.show(incident))["questions"][0]["answer"] == "yes"


async def test_a_question_on_the_telephone_has_keys_of_its_own(engine, asks):
    incident = await declared(engine)
    await engine.answer(Answer("acknowledge", incident=incident), engine.known_contact("bob"), incident, "cli")
    ask = engine.grounds.ask(
        ["dora"], "Close?", about="other", expires_in=timedelta(minutes=9), if_silent="no", by="person:bob"
    )
    await engine.command(incident, ask)
    page = (await engine.show(incident))["pages"][-1]["message_id"]

    heard = await asks(f"/twilio/voice/{page}", {"CallSid": "CA1", "To": OTHER})
    assert "Press 1 for yes, 2 for no" in ElementTree.tostring(heard, encoding="unicode")
    said = await asks(f"/twilio/gather/{page}", {"CallSid": "CA1", "Digits": "4", "To": OTHER})
    assert "That key does nothing here." in ElementTree.tostring(said, encoding="unicode")
    said = await asks(f"/twilio/gather/{page}", {"CallSid": "CA1", "Digits": "2", "To": OTHER})
    assert said.findtext("Say") == "INC-1: you said no. Nothing is approved."


async def test_one_code_answers_for_all_the_incidents_that_were_told_together(engine, writes):
    for title in ("Shop down", "Payments down"):
        await declared(engine, title)
    rows = engine.database.read_now(lambda tx: outbox.of_incident(tx, "INC-1") + outbox.of_incident(tx, "INC-2"))
    whole = await engine.database.write(lambda tx: bundle_row(tx, rows, engine.clock.now()))
    waiting = [row.message_id for row in rows]

    def together(tx: Tx) -> None:
        tx.execute("UPDATE outbox SET state = 'pending'")
        assert outbox.bundle(tx, whole, waiting, whole.created_at) == 2
        tx.execute("UPDATE outbox SET state = 'sent' WHERE kind = 'bundle'")

    await engine.database.write(together)
    assert "Reply 100aa take all" in whole.text

    said = await writes(DUTY, "100aa")

    assert said == "You have taken charge of INC-1. You have taken charge of INC-2."


async def test_a_code_that_came_by_sms_proves_the_number_when_it_is_written_back(engine, writes):
    now = engine.clock.now().timestamp()
    await engine.database.write(lambda tx: numbers.ask_for_proof(tx, "sms", OTHER, "dora", "123456", now))

    assert await writes(OTHER, "999999") == "'999999' is no code of the last three days; ask for a new one."
    assert await writes(OTHER, " 123456 ") == "Thank you: Tocsin reaches you here."
    dora = engine.known_contact("dora")
    assert engine.directory.is_proven(dora.channels[0], engine.clock.now().date())
    assert "no code" in (await writes(OTHER, "123456") or "")


async def test_who_says_a_code_that_went_to_somebody_else_is_not_told_that_they_are_reached(engine, writes):
    now = engine.clock.now().timestamp()
    await engine.database.write(lambda tx: numbers.ask_for_proof(tx, "sms", DUTY, "ana", "123456", now))

    said = await writes(OTHER, "123456") or ""

    assert "Tocsin reaches Ana by sms at the address ending in 0101. It says nothing about yours." in said
    today = engine.clock.now().date()
    assert engine.directory.is_proven(engine.known_contact("ana").channels[0], today)
    assert not engine.directory.is_proven(engine.known_contact("dora").channels[0], today)


async def test_thanks_after_word_of_tocsins_own_trouble_are_not_understood_and_break_nothing(engine, writes):
    await engine.page_operators("disk", "the disk is full.")
    await engine.test_page("ana", "sms")
    await sends_everything(engine)

    assert (await writes(DUTY, "ok thanks") or "").startswith("Not understood. Reply <n>a")
    assert (await writes(DUTY, "a") or "").startswith("Not understood. Reply <n>a")


async def test_a_stranger_learns_nothing(engine, writes):
    await declared(engine)
    assert await writes("+12025550199", "1a") is None


async def test_who_has_given_the_duty_telephone_back_is_not_who_answers_on_it(engine, writes):
    incident = await declared(engine)
    elsewhere = engine.directory.model_dump()
    next(each for each in elsewhere["contacts"] if each["id"] == "bob")["channels"] = [{"kind": "sms", "to": OTHER}]
    engine.book.activate(engine.book.version, engine.book.plan, Directory.model_validate(elsewhere))

    await writes(DUTY, "ack 1")

    assert "ana" in str(await commander(engine, incident)).lower()


async def test_a_key_pressed_in_a_test_call_is_received_and_changes_nothing(engine, asks):
    message_id, _ = await engine.test_page("ana", "sms")

    said = await asks(f"/twilio/gather/{message_id}", {"CallSid": "CA1", "Digits": "4", "To": DUTY})

    assert said.findtext("Say") == "Received. This message needs no answer."


@pytest.mark.parametrize("first", ["there", "missing"])
async def test_a_second_account_is_heard_under_its_own_token(tmp_path, first):
    plan = PlanFiles([Person("ana", {"sms": DUTY})], [rung("ana")], ["ana"]).write(tmp_path / "plan")
    backup = TwilioSettings("backup", "AC" + "2" * 32, ("the backup's token",), US)
    channels = ChannelSettings(public_url=PUBLIC, other_twilios=(backup,))
    if first == "there":
        channels = replace(channels, twilio_account_sid="AC" + "1" * 32, twilio_auth_tokens=(TOKEN,), twilio_from=US)
    engine = Engine(
        EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", PUBLIC, channels=channels),
        MovableClock(),
        io.StringIO(),
    )
    engine.prepare()
    try:
        transport = httpx.ASGITransport(app=build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            for path in ("/twilio/voice/x", "/twilio/sms", "/twilio/status/x"):
                form = {"AccountSid": backup.account_sid, "MessageSid": "SM1", "From": OTHER, "Body": "a"}
                for token, status in (("the backup's token", 200), (TOKEN, 403)):
                    signature = RequestValidator(token).compute_signature(PUBLIC + path, form)
                    answer = await client.post(path, data=form, headers={"X-Twilio-Signature": signature})
                    assert (path, token, answer.status_code) == (path, token, status)
    finally:
        await engine.stop()
