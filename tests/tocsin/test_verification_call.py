"""A verification call says its code twice, and one key proves the number. A machine is told nothing."""

import io
from xml.etree import ElementTree

import httpx
import pytest
from twilio.request_validator import RequestValidator

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from notifications.channels import ChannelSettings
from storage import numbers, outbox
from tests.support.real_engine import Person, PlanFiles, rung
from tocsin.web.app import build_app

PUBLIC, TOKEN = "https://tocsin.example", "a token for tests"
BOB, US = "+447700900102", "+12025550100"


@pytest.fixture
async def engine(tmp_path):
    plan = PlanFiles([Person("bob", {"voice": BOB})], [rung("bob")], ["bob"], operators=["bob"]).write(tmp_path / "p")
    channels = ChannelSettings(
        public_url=PUBLIC, twilio_account_sid="AC" + "1" * 32, twilio_auth_tokens=(TOKEN,), twilio_from=US
    )
    config = EngineConfig(
        tmp_path / "home", plan, "http://127.0.0.1:1", public_url=PUBLIC, api_token="t", channels=channels
    )
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    await engine.verification.send(engine.verification.chosen())
    yield engine
    await engine.stop()


@pytest.fixture
def call(engine):
    return engine.database.read_now(lambda tx: outbox.of_incident(tx, "VERIFY"))[0]


@pytest.fixture
async def twilio(engine):
    """`await twilio(path, form)` gives what the call says, and where its key goes."""
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:

        async def asked(path, **form):
            form = {"CallSid": "CA" + "1" * 32, "To": BOB, **form}
            signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}{path}", form)
            answer = await client.post(path, data=form, headers={"X-Twilio-Signature": signature})
            assert answer.status_code == 200, answer.text
            document = ElementTree.fromstring(answer.text)
            gather = document.find("Gather")
            said = " ".join(each.text or "" for each in document.iter("Say"))
            return said, None if gather is None else gather.attrib["action"].removeprefix(PUBLIC)

        yield asked


def code(engine):
    found = engine.database.read_now(lambda tx: numbers.code_of(tx, "voice", BOB))
    return None if found is None else ", ".join(found)


def is_proven(engine):
    return engine.directory.is_proven(engine.known_contact("bob").channels[0], engine.clock.now().date())


async def test_whoever_presses_4_has_proven_the_number(engine, call, twilio):
    said, action = await twilio(f"/twilio/voice/{call.message_id}", AnsweredBy="human")
    assert said.count(code(engine)) == 2
    assert "Press 4 to confirm" in said
    assert not is_proven(engine)

    said, _ = await twilio(action, Digits="4")

    assert said == "Thank you: Tocsin reaches you here."
    assert is_proven(engine)


async def test_star_says_it_again_and_other_keys_prove_nothing_and_end_after_three(engine, call, twilio):
    _, action = await twilio(f"/twilio/voice/{call.message_id}", AnsweredBy="human")
    said, action = await twilio(action, Digits="*")
    assert code(engine) in said
    for key in ("5", "", "9"):
        assert action is not None
        said, action = await twilio(action, Digits=key)

    assert (said, action) == ("Nothing was confirmed. Goodbye.", None)
    assert not is_proven(engine)


async def test_voicemail_is_not_told_the_code(engine, call, twilio):
    said, action = await twilio(f"/twilio/voice/{call.message_id}", AnsweredBy="machine_start")

    assert (said, action) == ("Nothing was confirmed. Goodbye.", None)
    assert not is_proven(engine)


async def test_a_call_whose_code_is_void_proves_nothing(engine, call, twilio):
    _, action = await twilio(f"/twilio/voice/{call.message_id}", AnsweredBy="human")
    now = engine.clock.now().timestamp()
    later = "000000" if code(engine) != "0, 0, 0, 0, 0, 0" else "111111"
    await engine.database.write(lambda tx: numbers.ask_for_proof(tx, "voice", BOB, "bob", later, now))

    said, _ = await twilio(action, Digits="4")

    assert "Thank you" not in said
    assert not is_proven(engine)
