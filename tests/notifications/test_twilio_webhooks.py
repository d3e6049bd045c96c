"""What Twilio tells us, as its emulator and its own signing code send it."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from twilio.request_validator import RequestValidator

from contacts.addresses import ChannelKind
from notifications import twiml
from notifications.channel import Answer, Channel, DeliveryReport, Message
from notifications.channels import ChannelSettings, build_channels
from notifications.inbound import Said, read_sms
from notifications.twilio_webhooks import (
    TwilioSignatures,
    heard_a_key,
    key_answer,
    menu_attempt,
    pick_up_report,
    read_form,
    sms_event_id,
    sms_said,
    status_report,
)
from notifications.wording import message_code
from tests.support.counterparties import Emulators, Recorder, Reply, Request
from tests.support.phones import VoiceRobot

PAGE_ID = "1.INC-7.1.r1.c1.1"


TEST_RANGE = "+447700900"
"""Three more digits make a test telephone number."""


class Switchboard:
    """The few lines that stand between Twilio's requests and these functions in the web application."""

    def __init__(self, recorder: Recorder, auth_token: str) -> None:
        self.answers: list[Answer] = []
        self.said: list[tuple[Said, str | None, str | None]] = []
        self.reports: list[DeliveryReport] = []
        self.unsigned: list[str] = []
        self._url = recorder.url
        self._signatures = TwilioSignatures([("AC", ["a token that was rotated away", auth_token])])
        recorder.replies["/twilio/"] = self.answer

    def answer(self, request: Request) -> Reply:
        form = read_form(request.body)
        if not self._signatures.accept(request.url, form, request.headers.get("x-twilio-signature")):
            self.unsigned.append(request.url)
            return Reply("", status=403)
        _, _, duty, *rest = urlsplit(request.url).path.split("/")
        document = self._document(duty, rest[0] if rest else "", request.url, form)
        return Reply(document, content_type="text/xml")

    def _document(self, duty: str, message_id: str, url: str, form: dict[str, str]) -> str:
        action = f"{self._url}/twilio/gather/{message_id}"
        attempt = menu_attempt(parse_qs(urlsplit(url).query).get("attempt", [None])[0])
        if duty == "voice":
            self.reports.append(pick_up_report(message_id, form))
            return twiml.ask("Card payments fail.", "en", action, answered_by=form.get("AnsweredBy"))
        if duty == "gather":
            answer = key_answer(message_id, form, attempt)
            self.answers.append(answer)
            if answer.verb == "repeat":
                return twiml.ask("Card payments fail.", "en", action, attempt=attempt)
            if answer.verb == "unknown":
                return twiml.ask_again(
                    "Card payments fail.", "en", action, attempt=attempt, heard_a_key=heard_a_key(form)
                )
            return twiml.say(f"You chose {answer.verb}.", "en")
        if duty == "status":
            self.reports.append(status_report(message_id, form))
        else:
            self.said.append((sms_said(form), form.get("From"), sms_event_id(form)))
        return twiml.reply(None)


@pytest.fixture
def switchboard(recorder: Recorder, emulators: Emulators) -> Switchboard:
    return Switchboard(recorder, emulators.auth_token)


@pytest.fixture
async def channels(
    emulators: Emulators, recorder: Recorder, phones: VoiceRobot
) -> AsyncIterator[dict[ChannelKind, Channel]]:
    settings = ChannelSettings(
        public_url=recorder.url,
        twilio_account_sid=emulators.account_sid,
        twilio_auth_tokens=(emulators.auth_token,),
        twilio_from=emulators.number,
        twilio_base_url=phones.url,
    )
    with open("/dev/null", "w", encoding="utf-8") as nowhere:
        built = build_channels(settings, nowhere)
        yield built
        for channel in built.values():
            await channel.close()


def page(to: str, kind: str) -> Message:
    code = message_code(PAGE_ID)
    return Message(PAGE_ID, "INC-7", "page", to, f"Card payments fail by {kind} #{code}", "en", code, link=None)


@pytest.fixture
async def call(channels: dict[ChannelKind, Channel], phones: VoiceRobot, switchboard: Switchboard):
    """Page a telephone by voice and wait until it is hung up."""

    async def make(to: str) -> str | None:
        sent = await channels[ChannelKind.VOICE].send(page(to, "voice"))
        await phones.all_calls_over()
        assert not switchboard.unsigned
        return sent.provider_id

    return make


@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize(("key", "verb"), [("4", "acknowledge"), ("5", "escalate"), ("6", "pass")])
async def test_a_pressed_key_is_an_answer_and_is_confirmed_in_words(call, phones, switchboard, key, verb):
    phone = phones.phone(f"{TEST_RANGE}40{key}").presses(key)

    sid = await call(f"{TEST_RANGE}40{key}")

    assert switchboard.answers == [Answer(verb, PAGE_ID, None, f"{sid}:1:{key}", f"{TEST_RANGE}40{key}")]
    assert phone.heard[-1] == f"You chose {verb}."


@pytest.mark.counterparty("twilio")
async def test_star_repeats_the_page(call, phones, switchboard):
    phone = phones.phone("+447700900410").presses("*", "*", "*", "*", "4")

    await call("+447700900410")

    assert phone.heard.count("Card payments fail.") == 5
    assert switchboard.answers[-1].verb == "acknowledge"


@pytest.mark.counterparty("twilio")
async def test_wrong_keys_get_the_menu_again_three_times_at_most(call, phones, switchboard):
    phone = phones.phone("+447700900411").presses("9", "1", "0", "4")

    await call("+447700900411")

    assert [answer.verb for answer in switchboard.answers] == ["unknown"] * 3
    assert len({answer.event_id for answer in switchboard.answers}) == 3
    assert phone.heard.count("That key does nothing here.") == 2
    assert phone.heard[-1].endswith("Goodbye.")
    assert phone.keys == ["4"], "after the farewell nobody asks any more"


@pytest.mark.counterparty("twilio")
async def test_silence_gets_the_menu_again_and_is_no_answer(call, phones, switchboard):
    phone = phones.phone("+447700900412")

    await call("+447700900412")

    assert {answer.verb for answer in switchboard.answers} == {"unknown"}
    assert phone.heard.count("Card payments fail.") == 3
    assert "That key does nothing here." not in phone.heard


@pytest.mark.counterparty("twilio")
async def test_a_machine_hears_the_page_without_a_menu_and_counts_as_voicemail(call, phones, switchboard):
    phone = phones.phone("+447700900413")
    phone.picks_up = "machine"

    await call("+447700900413")

    assert phone.heard == ["Card payments fail."]
    assert not switchboard.answers
    assert [report.state for report in switchboard.reports if report.event_id.endswith("picked-up")] == ["voicemail"]


@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize(
    ("picks_up", "states"),
    [
        ("human", ["accepted", "accepted", "delivered", "hung-up"]),
        ("nobody", ["accepted", "no-answer"]),
        ("busy", ["accepted", "busy"]),
    ],
)
async def test_a_call_is_reported_step_by_step(call, phones, switchboard, picks_up, states):
    number = f"{TEST_RANGE}42{len(states)}"
    phones.phone(number).picks_up = picks_up

    sid = await call(number)

    assert [report.state for report in switchboard.reports] == states
    assert {(report.message_id, report.provider_id) for report in switchboard.reports} == {(PAGE_ID, sid)}
    assert len({report.event_id for report in switchboard.reports}) == len(states)


@pytest.mark.counterparty("twilio")
async def test_an_sms_is_reported_until_it_is_delivered(channels, emulators, switchboard):
    sent = await channels[ChannelKind.SMS].send(page("+447700900430", "sms"))
    for status in ("sent", "delivered", "delivered"):
        emulators.message_becomes(sent.provider_id, status)

    assert not switchboard.unsigned
    assert [report.state for report in switchboard.reports][-3:] == ["accepted", "delivered", "delivered"]
    assert {report.message_id for report in switchboard.reports} == {PAGE_ID}
    assert switchboard.reports[-1].event_id == switchboard.reports[-2].event_id, "a repeated callback is one event"


@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize("status", ["undelivered", "failed"])
async def test_an_sms_that_did_not_arrive_is_a_failure(channels, emulators, switchboard, status):
    sent = await channels[ChannelKind.SMS].send(page("+447700900431", "sms"))
    emulators.message_becomes(sent.provider_id, status)

    assert switchboard.reports[-1].state == status


@pytest.mark.counterparty("twilio")
async def test_the_first_callback_may_come_before_the_send_returns(channels, switchboard):
    """Twilio's emulator awaits its first callback before it answers the request that created the message."""
    sent = await channels[ChannelKind.SMS].send(page("+447700900432", "sms"))

    assert [report.provider_id for report in switchboard.reports] == [sent.provider_id]


@pytest.mark.counterparty("twilio")
async def test_a_reply_by_sms_is_understood(emulators, recorder, switchboard):
    emulators.replies_go_to(f"{recorder.url}/twilio/sms")

    emulators.text_us("+447700900433", " 7A ")

    assert not switchboard.unsigned
    [(said, sender, event_id)] = switchboard.said
    assert (said, sender) == (Said("acknowledge", code=7), "+447700900433")
    assert event_id


@pytest.mark.counterparty("twilio")
async def test_a_request_that_twilio_did_not_sign_is_refused(emulators, recorder, switchboard):
    emulators.replies_go_to(f"{recorder.url}/twilio/sms")
    emulators.text_us("+447700900434", "7a")
    genuine = recorder.at("/twilio/sms")[0]
    form, signature = read_form(genuine.body), genuine.headers["x-twilio-signature"]
    signatures = TwilioSignatures([(emulators.account_sid, [emulators.auth_token])])

    assert signatures.accept(genuine.url, form, signature)
    assert not signatures.accept(genuine.url, {**form, "Body": "8a"}, signature)
    assert not signatures.accept(genuine.url, {**form, "Extra": ""}, signature)
    assert not signatures.accept(genuine.url.replace("sms", "voice"), form, signature)
    assert not signatures.accept(genuine.url, form, None)
    assert not signatures.accept(genuine.url, form, "Ω")
    assert not TwilioSignatures([("AC", ["another token"])]).accept(genuine.url, form, signature)
    assert not TwilioSignatures([]).accept(genuine.url, form, signature)
    assert not TwilioSignatures([("AC", [""])]).accept(
        genuine.url, form, RequestValidator("").compute_signature(genuine.url, form)
    )


@pytest.mark.counterparty("twilio")
async def test_a_call_that_is_cancelled_while_it_rings_stops_ringing(channels, phones, emulators, switchboard):
    phones.phone("+447700900435").picks_up = "rings"
    sent = await channels[ChannelKind.VOICE].send(page("+447700900435", "voice"))

    await channels[ChannelKind.VOICE].cancel(sent.provider_id)

    await phones.all_calls_over()
    assert emulators.calls("+447700900435")[0]["status"] == "canceled"
    assert not phones.phone("+447700900435").heard


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("7a", Said("acknowledge", code=7)),
        ("7 E", Said("escalate", code=7)),
        ("'7p'", Said("pass", code=7)),
        ("“7c”.", Said("resolve", code=7)),
        ("100aa", Said("acknowledge", code=100)),
        ("100cc", Said("resolve", code=100)),
        ("1y", Said("yes", code=1)),
        ("1n", Said("no", code=1)),
        ("1 call", Said("call", code=1)),
        ("1 sí", Said("yes", code=1)),
        ("Y", Said("yes")),
        ("No.", Said("no")),
        ("CALL", Said("call")),
        ("INC-7 ack", Said("acknowledge", incident="INC-7")),
        ("ack 12", Said("acknowledge", incident="INC-12")),
        ("a#7", Said("acknowledge", incident="INC-7")),
        ("Take inc-0042", Said("acknowledge", incident="INC-42")),
        ("7 tomo", Said("acknowledge", code=7)),
        ("paso", Said("pass")),
        ("A", Said("acknowledge")),
        ("\n 7a\n-- \nSent from my telephone 8e", Said("acknowledge", code=7)),
        ("\N{FULLWIDTH DIGIT SEVEN}\N{FULLWIDTH LATIN SMALL LETTER A}", Said("acknowledge", code=7)),
        ("STOP", Said("stop")),
        ("StopAll", Said("stop")),
        ("unsubscribe", Said("stop")),
        ("Start", Said("start")),
        ("0a", Said("unknown")),
        ("7a 8a", Said("unknown")),
        ("7", Said("unknown")),
        ("7ab", Said("unknown")),
        ("please stop it", Said("unknown")),
        ("what is going on?", Said("unknown")),
        ("", Said("unknown")),
        ("ack 9999999999999", Said("unknown")),
    ],
)
def test_what_people_write_back(written, said):
    assert read_sms(written) == said


def test_twilios_own_word_for_stop_counts_whatever_was_written():
    assert sms_said({"Body": "arrêt", "OptOutType": "STOP"}) == Said("stop")
    assert sms_said({"Body": "oui", "OptOutType": "START"}) == Said("start")


@pytest.mark.parametrize(
    ("form", "state"),
    [
        ({"CallStatus": "failed", "SipResponseCode": "480"}, "no-answer"),
        ({"CallStatus": "failed", "SipResponseCode": "404"}, "failed"),
        ({"CallStatus": "completed", "AnsweredBy": "machine_end_beep"}, "voicemail"),
        ({"CallStatus": "completed", "AnsweredBy": "human"}, "hung-up"),
        ({"CallStatus": "in-progress"}, "accepted"),
        ({"CallStatus": "something new"}, "accepted"),
    ],
)
def test_what_became_of_a_call(form, state):
    assert status_report(PAGE_ID, {"CallSid": "CA1", **form}).state == state


def test_the_code_of_a_failed_sms_is_kept_for_the_timeline():
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30008"}

    assert status_report(PAGE_ID, form).detail == "undelivered (30008)"


@pytest.mark.parametrize(("query", "attempt"), [("2", 2), (None, 1), ("x", 1), ("-1", 1), ("99999999", 1), ("²", 1)])
def test_a_gather_url_that_was_tampered_with_starts_over(query, attempt):
    assert menu_attempt(query) == attempt


FIRST, SECOND = "AC" + "1" * 32, "AC" + "2" * 32


@pytest.mark.parametrize(
    ("named", "token", "taken"),
    [
        (FIRST, "one", True),
        (SECOND, "two", True),
        (SECOND, "three", True),
        (SECOND, "one", False),
        (FIRST, "two", False),
        (None, "one", True),
        (None, "two", True),
        ("AC" + "9" * 32, "two", True),
        (None, "stranger", False),
    ],
)
def test_every_account_signs_with_its_own_tokens(named, token, taken):
    signatures = TwilioSignatures([(FIRST, ["one"]), (SECOND, ["two"]), (SECOND, ["three"])])
    form = {"MessageSid": "SM1"} | ({} if named is None else {"AccountSid": named})
    url = "https://tocsin.example/twilio/sms"

    assert signatures.accept(url, form, RequestValidator(token).compute_signature(url, form)) is taken
