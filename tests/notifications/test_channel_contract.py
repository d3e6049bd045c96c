"""One contract for every channel, each against a real counterparty with its own record of what it was given."""

import hashlib
import io
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from contacts.addresses import ChannelKind
from incidents.errors import ProviderUnavailable, Undeliverable
from notifications.channel import Channel, Message, Sent
from notifications.channels import ChannelSettings, build_channels
from notifications.email_account import EmailAccount
from notifications.web_push import PushKey
from notifications.wording import message_code
from tests.support.counterparties import Emulators, Recorder, Reply, free_port
from tests.support.mail_servers import OURS_BY_LMTP, PASSWORD, MailServers
from tests.support.push_service import Book, PushService, encoded
from tests.support.webhook_receiver import WebhookReceiver

CONSOLE = pytest.param(ChannelKind.CONSOLE, id="console")
SMS = pytest.param(ChannelKind.SMS, id="sms", marks=pytest.mark.counterparty("twilio"))
VOICE = pytest.param(ChannelKind.VOICE, id="voice", marks=pytest.mark.counterparty("twilio"))
SLACK = pytest.param(ChannelKind.SLACK, id="slack", marks=pytest.mark.counterparty("slack"))
EMAIL = pytest.param(ChannelKind.EMAIL, id="email", marks=pytest.mark.counterparty("mail"))
POSTED = (ChannelKind.PUSH, ChannelKind.WEBHOOK, ChannelKind.APPRISE)
PUSH, WEBHOOK, APPRISE = (pytest.param(kind, id=kind.value) for kind in POSTED)

EVERY_CHANNEL = pytest.mark.parametrize("kind", [CONSOLE, SMS, VOICE, SLACK, EMAIL, PUSH, WEBHOOK, APPRISE])
WITH_A_PROVIDER = pytest.mark.parametrize("kind", [SMS, VOICE, SLACK, EMAIL, PUSH, WEBHOOK, APPRISE])
# Apprise is one-way by its nature, and says of a refusal only that it was one.
THAT_EXPLAINS_ITSELF = pytest.mark.parametrize("kind", [SMS, VOICE, SLACK, EMAIL, PUSH, WEBHOOK])

PUSH_KEY, WEBHOOK_SECRET = encoded(bytes(range(1, 33))), "what only the receiver knows"


@dataclass
class Line:
    """A channel, one address on it, and how many copies of a message the other side has."""

    channel: Channel
    to: str
    copies: Callable[[Message], int]

    def message(self, message_id: str, text: str = "Card payments fail") -> Message:
        code = message_code(message_id)
        return Message(message_id, "INC-7", "page", self.to, f"{text} #{code}", "en", code, link=None, contact="ana")


Connect = Callable[..., Line]


@pytest.fixture
def settings(request: pytest.FixtureRequest, kind: ChannelKind) -> ChannelSettings:
    """Settings that work; the console needs no counterparty."""
    if kind is ChannelKind.CONSOLE:
        return ChannelSettings()
    if kind is ChannelKind.EMAIL:
        return ChannelSettings(email=_mail_account(request.getfixturevalue("mail_servers")))
    if kind in POSTED:
        outsiders: Outsiders = request.getfixturevalue("outsiders")
        return outsiders.settings
    return _settings(request.getfixturevalue("emulators"), request.getfixturevalue("recorder"))


@dataclass
class Outsiders:
    """Who is posted to without an account: a push service with Ana's browsers, a signed webhook's receiver, Apprise."""

    recorder: Recorder
    push: PushService
    receiver: WebhookReceiver
    book: Book

    @property
    def settings(self) -> ChannelSettings:
        return ChannelSettings(
            public_url=self.recorder.url,
            push_subject="mailto:ops@tocsin.example",
            push_key=PUSH_KEY,
            push_loopback=True,
            webhook_keys=(WEBHOOK_SECRET.encode(),),
            apprise_urls={"the_team": self.recorder.url.replace("http://", "json://") + "/notify"},
        )

    def line(self, kind: ChannelKind, channel: Channel) -> Line:
        if kind is ChannelKind.PUSH:
            browser = self.push.subscribe(PushKey.from_text(PUSH_KEY).public)
            self.book.kept["ana", "telephone"] = browser.subscription
            unplugged = replace(browser.subscription, endpoint=f"http://127.0.0.1:{free_port()}/push/x")
            self.book.kept["ana", "unplugged"] = unplugged
            return Line(
                channel,
                "telephone",
                lambda asked: sum(each.content["tag"] == asked.message_id for each in browser.pushed),
            )
        if kind is ChannelKind.WEBHOOK:
            return Line(channel, self.receiver.url, lambda asked: self.receiver.copies.count(asked.message_id))
        return Line(
            channel,
            "the-team",
            lambda asked: sum(each.json["message"] == asked.text for each in self.recorder.at("/notify")),
        )


@pytest.fixture
async def outsiders(recorder: Recorder) -> AsyncIterator[Outsiders]:
    service = PushService()
    await service.start(free_port())
    recorder.replies["/gone"] = lambda _: Reply(status=410)
    yield Outsiders(recorder, service, WebhookReceiver(recorder, WEBHOOK_SECRET), Book())
    await service.stop()


@pytest.fixture
async def connect(
    request: pytest.FixtureRequest, kind: ChannelKind, settings: ChannelSettings
) -> AsyncIterator[Connect]:
    """Build the line under test; what is given overrides the settings that work."""
    opened: list[Channel] = []

    def build(**overrides: object) -> Line:
        stream = io.StringIO()
        wanted = replace(settings, **overrides)  # type: ignore[arg-type]
        channels = build_channels(
            wanted,
            stream,
            now=lambda: datetime.now(UTC),
            subscriptions=request.getfixturevalue("outsiders").book if kind is ChannelKind.PUSH else None,
            sign_mail=_signature,
        )
        opened.extend(channels.values())
        return _line(kind, channels[kind], stream, request)

    yield build
    for channel in opened:
        await channel.close()


def _settings(emulators: Emulators, recorder: Recorder) -> ChannelSettings:
    return ChannelSettings(
        public_url=recorder.url,
        twilio_account_sid=emulators.account_sid,
        twilio_auth_tokens=(emulators.auth_token,),
        twilio_from=emulators.number,
        twilio_base_url=emulators.twilio_url,
        slack_bot_token=emulators.slack_token,
        slack_signing_secret="slack_test_signing_secret",
        slack_base_url=emulators.slack_url,
    )


def _signature(message_id: str) -> str:
    return hashlib.sha256(message_id.encode()).hexdigest()[:16]


def _mail_account(servers: MailServers) -> EmailAccount:
    return EmailAccount(
        from_address=OURS_BY_LMTP,
        smtp_host="127.0.0.1",
        smtp_port=servers.smtp,
        smtp_security="none",
        smtp_user="pages",
        smtp_password=PASSWORD,
        lmtp_port=servers.our_lmtp,
    )


def _mailed(servers: MailServers, owner: str, message: Message) -> int:
    """Copies of this mail. A mail server answers before it delivers, so it is given a moment."""
    end = time.monotonic() + 3
    while True:
        copies: int = sum(each.get_content().strip() == message.text for each in servers.inbox(owner))
        if copies or time.monotonic() > end:
            return copies
        time.sleep(0.05)


def _line(kind: ChannelKind, channel: Channel, stream: io.StringIO, request: pytest.FixtureRequest) -> Line:
    if kind is ChannelKind.CONSOLE:
        return Line(channel, "ops", lambda message: stream.getvalue().count(message.text))
    if kind is ChannelKind.EMAIL:
        servers: MailServers = request.getfixturevalue("mail_servers")
        return Line(channel, "ana@people.test", lambda message: _mailed(servers, "ana", message))
    if kind in POSTED:
        outsiders: Outsiders = request.getfixturevalue("outsiders")
        return outsiders.line(kind, channel)
    emulators: Emulators = request.getfixturevalue("emulators")
    number = f"+1202555{free_port() % 10000:04d}"  # a number of this test's own: the emulators live for the whole run
    if kind is ChannelKind.SMS:
        return Line(channel, number, lambda message: sum(e["body"] == message.text for e in emulators.messages(number)))
    if kind is ChannelKind.VOICE:
        return Line(channel, number, lambda _: len(emulators.calls(number)))
    to = emulators.slack_user("ana@example.com")
    return Line(channel, to, lambda message: _posted(emulators, to, message))


def _posted(emulators: Emulators, user: str, message: Message) -> int:
    conversation = emulators.slack("conversations.open", users=user)["channel"]["id"]
    found = emulators.slack("conversations.history", channel=conversation, limit="200")["messages"]
    return sum(each["text"] == message.text for each in found)


@EVERY_CHANNEL
async def test_a_message_that_was_sent_is_there_once(kind: ChannelKind, connect: Connect):
    line = connect()
    message = line.message(f"1.INC-7.1.r1.c1.{free_port()}", "Señal & <ruido> ¿sí? “4 in 10” 💥")

    sent = await line.channel.send(message)

    assert line.copies(message) == 1
    assert isinstance(sent, Sent)
    assert (sent.provider_id is None) == (kind in (ChannelKind.CONSOLE, ChannelKind.WEBHOOK, ChannelKind.APPRISE))


@EVERY_CHANNEL
async def test_recover_finds_what_the_provider_has_or_says_that_it_cannot_know(kind: ChannelKind, connect: Connect):
    line = connect()
    message = line.message(f"1.INC-7.2.r1.c1.{free_port()}")
    sent = await line.channel.send(message)

    recovered = await line.channel.recover(message)

    knows = kind in (ChannelKind.SMS, ChannelKind.SLACK)
    assert recovered == (sent if knows else None)
    assert line.copies(message) == 1, "asking sends nothing"


@EVERY_CHANNEL
async def test_recover_never_claims_a_message_that_was_not_sent(kind: ChannelKind, connect: Connect):
    line = connect()
    other = line.message(f"1.INC-8.1.r1.c1.{free_port()}")
    await line.channel.send(other)

    assert await line.channel.recover(line.message(f"1.INC-9.1.r1.c1.{free_port()}")) is None


@EVERY_CHANNEL
async def test_cancel_and_close_may_be_called_twice(kind: ChannelKind, connect: Connect):
    line = connect()
    sent = await line.channel.send(line.message(f"1.INC-7.3.r1.c1.{free_port()}"))

    for _ in range(2):
        await line.channel.cancel(sent.provider_id or "")
    for _ in range(2):
        await line.channel.close()


@WITH_A_PROVIDER
async def test_an_address_that_does_not_exist_is_undeliverable(kind: ChannelKind, connect: Connect):
    line = connect()
    nobody = {
        ChannelKind.SLACK: "C0NOSUCH",
        ChannelKind.EMAIL: "nobody@people.test",
        ChannelKind.PUSH: "no-such-browser",
        ChannelKind.WEBHOOK: line.to.replace("/hook", "/gone"),
        ChannelKind.APPRISE: "no-such-team",
    }.get(kind, "+")

    with pytest.raises(Undeliverable):
        await line.channel.send(replace(line.message("1.INC-7.4.r1.c1.1"), to=nobody))


@WITH_A_PROVIDER
async def test_a_provider_that_nobody_answers_at_has_certainly_not_accepted(
    kind: ChannelKind, connect: Connect, settings: ChannelSettings
):
    port = free_port()
    nowhere = f"http://127.0.0.1:{port}"
    email = settings.email and replace(settings.email, smtp_port=port)
    apprise = {"the_team": f"json://127.0.0.1:{port}/"}
    line = connect(twilio_base_url=nowhere, slack_base_url=f"{nowhere}/api/", email=email, apprise_urls=apprise)
    to = {ChannelKind.PUSH: "unplugged", ChannelKind.WEBHOOK: f"{nowhere}/hook"}.get(kind, line.to)

    with pytest.raises(ProviderUnavailable):
        await line.channel.send(replace(line.message("1.INC-7.5.r1.c1.1"), to=to))


@THAT_EXPLAINS_ITSELF
async def test_wrong_credentials_are_named_as_the_cause(kind: ChannelKind, connect: Connect, settings: ChannelSettings):
    email = settings.email and replace(settings.email, smtp_password="not the password")
    line = connect(
        twilio_auth_tokens=("not the token",),
        slack_bot_token="xoxb-without-scopes",
        push_key=encoded(b"\7" * 32),
        webhook_keys=(b"not the secret",),
        email=email,
    )

    with pytest.raises(ProviderUnavailable, match="credentials"):
        await line.channel.send(line.message("1.INC-7.6.r1.c1.1"))
    assert line.copies(line.message("1.INC-7.6.r1.c1.1")) == 0


@THAT_EXPLAINS_ITSELF
async def test_without_a_way_back_a_channel_says_that_no_answer_can_arrive(
    kind: ChannelKind, connect: Connect, settings: ChannelSettings
):
    assert connect().channel.two_way
    line = connect(public_url=None, email=settings.email and replace(settings.email, lmtp_port=None))

    assert not line.channel.two_way
    assert not line.channel.gives_receipts
    await line.channel.send(message := line.message(f"1.INC-7.7.r1.c1.{free_port()}"))
    assert line.copies(message) == 1


@pytest.mark.parametrize("kind", [SMS])
async def test_an_sms_that_twilio_gave_up_on_is_no_proof_that_it_left(
    kind: ChannelKind, connect: Connect, emulators: Emulators
):
    line = connect()
    message = line.message(f"1.INC-7.8.r1.c1.{free_port()}")
    sent = await line.channel.send(message)
    emulators.message_becomes(sent.provider_id or "", "failed")

    assert await line.channel.recover(message) is None


@pytest.mark.parametrize("kind", [VOICE])
async def test_a_call_that_still_rings_is_cancelled(kind: ChannelKind, connect: Connect, emulators: Emulators):
    line = connect()
    sent = await line.channel.send(line.message("1.INC-7.9.r1.c1.1"))

    await line.channel.cancel(sent.provider_id or "")

    assert [each["status"] for each in emulators.calls(line.to)] == ["canceled"]


@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize("kind", [SMS, VOICE])
@pytest.mark.parametrize("public", [True, False], ids=["with callbacks", "without"])
async def test_our_requests_keep_to_twilios_own_description(
    kind: ChannelKind, connect: Connect, strict_twilio: str, public: bool
):
    overrides = {} if public else {"public_url": None}
    line = connect(twilio_base_url=strict_twilio, **overrides)
    message = line.message(f"1.INC-7.10.r1.c1.{free_port()}")

    sent = await line.channel.send(message)

    assert line.copies(message) == 1
    assert await line.channel.recover(message) == (sent if kind is ChannelKind.SMS else None)
    await line.channel.cancel(sent.provider_id or "")


@pytest.mark.counterparty("slack")
@pytest.mark.parametrize("kind", [SLACK])
async def test_a_slack_page_has_a_button_for_each_answer(kind: ChannelKind, connect: Connect, emulators: Emulators):
    line = connect()
    channel = emulators.slack_channel("incidents")
    message = replace(line.message(f"1.INC-7.11.r1.c1.{free_port()}"), to=channel, link="https://tocsin.example/i/7")

    await line.channel.send(message)

    posted = emulators.slack("conversations.history", channel=channel)["messages"][0]
    buttons = [each for block in posted["blocks"] if block["type"] == "actions" for each in block["elements"]]
    assert [each["action_id"] for each in buttons] == [
        "tocsin_ack", "tocsin_escalate", "tocsin_pass", "tocsin_resolve"
    ]  # fmt: skip
    assert {each["value"] for each in buttons} == {message.message_id}
    assert "<https://tocsin.example/i/7|INC-7>" in str(posted["blocks"][-1])


@pytest.mark.counterparty("slack")
@pytest.mark.parametrize("kind", [SLACK])
async def test_a_slack_page_that_cannot_be_answered_there_names_the_command(
    kind: ChannelKind, connect: Connect, emulators: Emulators
):
    line = connect(slack_signing_secret=None)
    channel = emulators.slack_channel("incidents")

    await line.channel.send(replace(line.message(f"1.INC-7.12.r1.c1.{free_port()}"), to=channel))

    posted = emulators.slack("conversations.history", channel=channel)["messages"][0]
    assert not [block for block in posted["blocks"] if block["type"] == "actions"]
    assert "tocsin ack INC-7" in str(posted["blocks"])
