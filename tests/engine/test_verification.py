"""A code goes to each address that nobody has proven, and whoever says it back is reached there."""

import io
import json
from datetime import timedelta

import pytest

from contacts.addresses import ChannelKind
from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from engine.verification import Fate
from incidents.errors import CommandRefused
from notifications.channels import ChannelSettings
from storage import numbers, outbox
from tests.support.real_engine import Person, PlanFiles, rung

ANA, BOB, DUTY = "+12025550101", "+447700900102", "+12025550103"


class MovableClock(SystemClock):
    def __init__(self):
        super().__init__()
        self.ahead = timedelta(0)

    def now(self):
        return super().now() + self.ahead


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def config(tmp_path, clock):
    """Ana: SMS (proven ten days ago), console. Bob: SMS (expired), voice, Slack. Cleo and Dora share a telephone."""
    people = [
        Person("ana", {"sms": ANA, "console": "ana"}),
        Person("bob", {"sms": BOB, "voice": BOB, "slack": "U0BOB"}),
        Person("cleo", {"sms": DUTY}),
        Person("dora", {"sms": DUTY}),
    ]
    plan = PlanFiles(people, [rung("ana")], ["bob"], operators=["ana"]).write(tmp_path / "plan")
    file = plan / "contacts.yaml"
    content = json.loads(file.read_text())
    today = clock.now().date()
    ana, bob = content["contacts"][:2]
    ana["channels"][0]["verified"] = (today - timedelta(days=10)).isoformat()
    bob["channels"][0]["verified"] = (today - timedelta(days=40)).isoformat()
    bob["language"] = "es"
    file.write_text(json.dumps(content))
    channels = ChannelSettings(
        twilio_account_sid="AC" + "1" * 32, twilio_auth_tokens=("a token for tests",), twilio_from="+12025550100"
    )
    return EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t", channels=channels)


@pytest.fixture
async def engine(config, clock):
    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


def chosen(engine, **asked):
    found = engine.verification.chosen(**asked)
    return [(each.contact.id, each.kind.value) for each in found]


async def sends(engine, *contacts, **asked):
    people = [engine.known_contact(each) for each in contacts]
    return await engine.verification.send(engine.verification.chosen(people, **asked))


def rows(engine):
    return engine.database.read_now(lambda tx: outbox.of_incident(tx, "VERIFY"))


def code_to(engine, channel, address):
    code = engine.database.read_now(lambda tx: numbers.code_of(tx, channel, address))
    assert code is not None
    return code


def standing(engine, contact, index=0):
    channel = engine.known_contact(contact).channels[index]
    return engine.directory.is_proven(channel, engine.clock.now().date())


# --- who is asked ---


def test_whoever_is_proven_is_left_in_peace_and_the_console_needs_no_proof(engine):
    assert chosen(engine) == [("bob", "sms"), ("bob", "voice"), ("bob", "slack"), ("cleo", "sms"), ("dora", "sms")]


def test_a_proof_that_ends_within_a_week_is_asked_for_again(engine, clock):
    clock.ahead = timedelta(days=12)
    assert ("ana", "sms") not in chosen(engine)

    clock.ahead = timedelta(days=13)

    assert ("ana", "sms") in chosen(engine)


def test_one_may_ask_for_the_expired_ones_for_all_or_for_one_kind_of_channel(engine):
    assert chosen(engine, expired=True) == [("bob", "sms")]
    assert ("ana", "sms") in chosen(engine, everything=True)
    assert chosen(engine, kind=ChannelKind.VOICE) == [("bob", "voice")]
    assert chosen(engine, kind=ChannelKind.CONSOLE) == [("ana", "console")]


# --- what is sent ---


async def test_each_address_gets_a_notice_with_six_digits_in_its_owners_language(engine):
    asked = await sends(engine, "bob")

    assert [each.fate for each in asked] == [Fate.SENT, Fate.SENT, Fate.NOT_SET_UP]
    sms, voice = rows(engine)
    assert {(row.kind, row.escalation, row.drill) for row in (sms, voice)} == {("notice", None, False)}
    spelled = " ".join(code_to(engine, "sms", BOB))
    assert f"Su codigo es {spelled}." in sms.text  # as GSM-7 carries it, in one segment
    assert voice.text.count(", ".join(code_to(engine, "voice", BOB))) == 2
    assert code_to(engine, "sms", BOB) != code_to(engine, "voice", BOB)


async def test_a_number_that_is_out_gets_no_code_and_one_hears_so(engine):
    await engine.numbers.take_out(BOB, "its owner wrote STOP")

    asked = await sends(engine, "bob", kind=ChannelKind.SMS)

    assert [each.fate for each in asked] == [Fate.OUT]
    assert rows(engine) == []


async def test_two_people_with_one_telephone_are_sent_one_code(engine):
    asked = await sends(engine, "cleo", "dora")

    assert [each.fate for each in asked] == [Fate.SENT, Fate.JUST_SENT]
    await engine.verification.confirm(code_to(engine, "sms", DUTY), "api")
    assert standing(engine, "cleo")
    assert standing(engine, "dora")


async def test_an_address_gets_no_second_code_within_ten_minutes_and_then_the_first_is_void(engine, clock):
    await sends(engine, "cleo")
    first = code_to(engine, "sms", DUTY)
    assert [each.fate for each in await sends(engine, "cleo")] == [Fate.JUST_SENT]
    assert code_to(engine, "sms", DUTY) == first

    clock.ahead = timedelta(minutes=11)
    assert [each.fate for each in await sends(engine, "cleo")] == [Fate.SENT]

    assert code_to(engine, "sms", DUTY) != first
    with pytest.raises(CommandRefused, match="no code of the last three days"):
        await engine.verification.confirm(first, "api")


# --- what proves ---


@pytest.mark.parametrize("written", ["{}{}{}{}{}{}", "{}{}{} {}{}{}", "{} {} {} {} {} {}", " {}{}{}-{}{}{}\n"])
async def test_a_code_counts_however_its_digits_are_written(engine, written):
    await sends(engine, "cleo")
    code = written.format(*code_to(engine, "sms", DUTY))

    assert engine.numbers.is_code(code)
    assert await engine.verification.confirm(code, "api") == ("sms", DUTY, "cleo")
    assert standing(engine, "cleo")


async def test_a_code_is_good_once(engine):
    await sends(engine, "cleo")
    code = code_to(engine, "sms", DUTY)
    await engine.verification.confirm(code, "api")

    with pytest.raises(CommandRefused):
        await engine.verification.confirm(code, "api")


async def test_a_code_is_good_for_three_days(engine, clock):
    await sends(engine, "cleo", "bob")
    clock.ahead = timedelta(days=3) - timedelta(minutes=1)
    await engine.verification.confirm(code_to(engine, "sms", DUTY), "api")

    clock.ahead = timedelta(days=3, minutes=1)
    with pytest.raises(CommandRefused):
        await engine.verification.confirm(code_to(engine, "sms", BOB), "api")


async def test_a_proof_lasts_as_long_as_contacts_yaml_says_and_outlives_the_engine(config, clock):
    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    await sends(engine, "cleo")
    await engine.verification.confirm(code_to(engine, "sms", DUTY), "api")
    await engine.stop()

    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    proven = standing(engine, "cleo")
    clock.ahead = timedelta(days=30)
    proven_later = standing(engine, "cleo")
    await engine.stop()

    assert proven
    assert not proven_later


async def test_after_five_wrong_codes_nothing_more_is_taken_from_that_sender_for_ten_minutes(engine, clock):
    await sends(engine, "cleo", "bob")
    good, other = code_to(engine, "sms", DUTY), code_to(engine, "sms", BOB)
    wrong = [each for each in (f"{number:06d}" for number in range(8)) if each not in (good, other)][:5]
    for code in wrong:
        with pytest.raises(CommandRefused, match="is no code"):
            await engine.verification.confirm(code, ANA)

    with pytest.raises(CommandRefused, match="5 codes were wrong"):
        await engine.verification.confirm(good, ANA)
    assert await engine.verification.confirm(good, "api") == ("sms", DUTY, "cleo")

    clock.ahead = timedelta(minutes=11)
    assert await engine.verification.confirm(other, ANA) == ("sms", BOB, "bob")
