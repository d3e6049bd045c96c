"""What people write back by SMS is for the incident, and by the person, that it was meant for."""

import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from twilio.request_validator import RequestValidator

from contacts.directory import Directory
from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from notifications.channels import ChannelSettings
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

    assert await writes(OTHER, "1a") == "You have taken charge of INC-1."

    assert "dora" in str(await commander(engine, incident)).lower()


@pytest.mark.parametrize(("text", "listed"), [("a", "1a or 2a"), ("pass", "1p or 2p"), ("resolved", "1c or 2c")])
async def test_an_answer_that_could_be_for_two_incidents_is_asked_which_one(engine, writes, text, listed):
    first, second = await declared(engine), await declared(engine, "Payments down")
    before = [(await engine.show(each))["timeline"] for each in (first, second)]

    assert await writes(DUTY, text) == f"Which one? Reply {listed}."

    assert [(await engine.show(each))["timeline"] for each in (first, second)] == before
    assert await writes(DUTY, "1a") == "You have taken charge of INC-1."


async def test_an_answer_is_for_the_last_page_when_the_other_incident_is_long_ago(engine, writes, clock):
    await declared(engine)
    clock.ahead = timedelta(minutes=31)
    await declared(engine, "Payments down")

    assert await writes(DUTY, "a") == "You have taken charge of INC-2."


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

    await writes(DUTY, "1a")

    assert "ana" in str(await commander(engine, incident)).lower()


async def test_a_key_pressed_in_a_test_call_is_received_and_changes_nothing(engine, asks):
    message_id, _ = await engine.test_page("ana", "sms")

    said = await asks(f"/twilio/gather/{message_id}", {"CallSid": "CA1", "Digits": "4", "To": DUTY})

    assert said.findtext("Say") == "Received. This message needs no answer."
