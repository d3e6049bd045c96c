"""Mail as it leaves: what it says about itself, and what a mail server in trouble lets us assume."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contacts.addresses import ChannelKind
from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable, Undeliverable
from incidents.severity import Severity
from notifications.channel import Message
from notifications.email import EmailChannel, compose, split, without_addresses
from notifications.email_account import EmailAccount, Security
from notifications.email_tokens import MailAddresses, MailToken, is_return_path, tokens_in
from notifications.inbound import understood
from notifications.wording import Language, PageFacts, Reader, mail_answer, message_code, notice_text, page_text
from tests.support.counterparties import free_port
from tests.support.mail_servers import MailServers

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
PAGE_ID = "1.INC-7.1.r1.c1.1"
CODE = message_code(PAGE_ID)
FACTS = PageFacts(
    message_id=PAGE_ID,
    incident="INC-7",
    severity=Severity.SEV1,
    situation="Card payments fail",
    title="4 in 10 cards declined",
    declared_at=NOW,
    contact="ana",
    name="Ana Ruiz",
    rung=1,
    reader=Reader("en", "Europe/Madrid"),
    link="https://tocsin.example/incidents/INC-7?c=ana&s=k",
)


def signed(message_id: str) -> str:
    return f"{len(message_id):016x}"


ADDRESSES = MailAddresses("pages@larkfield.test", signed)


def page(text: str | None = None, to: str = "ana@people.test") -> Message:
    words = text or page_text(ChannelKind.EMAIL, FACTS)
    return Message(PAGE_ID, "INC-7", "page", to, words, "en", CODE, link=None)


def test_a_page_by_mail_says_what_where_since_when_and_how_to_answer():
    assert page_text(ChannelKind.EMAIL, replace(FACTS, area="shop")) == (
        "SEV1 INC-7 Card payments fail: 4 in 10 cards declined\n\n"
        "Severity: SEV1\n"
        "Incident: INC-7\n"
        "What: Card payments fail: 4 in 10 cards declined\n"
        "Area: shop\n"
        "Since: Sat 14:05\n"
        "Needs: somebody to take charge\n\n"
        "Reply to this mail with one word in the first line: take, pass, escalate or resolved.\n"
        "Or open: https://tocsin.example/incidents/INC-7?c=ana&s=k\n\n"
        f"#{CODE}"
    )


def test_a_page_by_mail_speaks_spanish_marks_a_drill_and_says_when_no_answer_can_arrive():
    facts = replace(FACTS, reader=Reader("es", "Europe/Madrid"), drill=True, possible_duplicate=True, two_way=False)
    text = page_text(ChannelKind.EMAIL, replace(facts, link=None))

    assert text.startswith("SIMULACRO (posible duplicado) SEV1 INC-7 ")
    assert "Gravedad: SEV1\nIncidente: INC-7\nQué: " in text
    assert "Conteste con: tocsin ack INC-7" in text
    assert "Responda" not in text


def test_the_words_that_a_page_asks_for_are_understood():
    languages: tuple[Language, ...] = ("en", "es")
    for language in languages:
        text = page_text(ChannelKind.EMAIL, replace(FACTS, reader=Reader(language)))
        offered = re.search(r"(?:first line|primera línea): (.*)\.\n", text)
        assert offered is not None
        words = re.split(r", | or | o ", offered[1])
        assert [understood(word)[0] for word in words] == ["acknowledge", "pass", "escalate", "resolve"]


def test_a_question_by_mail_is_answered_by_a_word_too():
    offers: dict[Language, str] = {"en": "yes, no or call", "es": "sí, no o llamar"}
    for language, offered in offers.items():
        asked = replace(FACTS, question="Pay 20 euros each?", reader=Reader(language))
        text = page_text(ChannelKind.EMAIL, asked)
        assert "Pay 20 euros each?" in text
        assert f": {offered}." in text
        assert [understood(word)[0] for word in re.split(r", | or | o ", offered)] == ["yes", "no", "call"]


def test_a_test_page_asks_for_no_answer():
    text = page_text(ChannelKind.EMAIL, replace(FACTS, incident="TEST"))

    assert "Reply" not in text
    assert "tocsin ack" not in text


def test_a_notice_has_its_sentence_in_the_subject_and_in_the_body():
    text = notice_text(ChannelKind.EMAIL, "INC-7 was already taken by Bob.", message_id=PAGE_ID, drill=True)

    assert text == f"DRILL INC-7 was already taken by Bob.\n\nDRILL INC-7 was already taken by Bob.\n\n#{CODE}"


def test_a_mail_names_itself_and_asks_machines_not_to_answer():
    mail = compose(page(), ADDRESSES, NOW, two_way=True)
    token = f"inc-7.{CODE.lower()}.0000000000000011"

    assert mail["From"] == "Tocsin <pages@larkfield.test>"
    assert mail["Reply-To"] == f"Tocsin <pages+{token}@larkfield.test>"
    assert mail["Message-ID"] == f"<{token}@larkfield.test>"
    assert mail["Subject"] == "SEV1 INC-7 Card payments fail: 4 in 10 cards declined"
    assert mail["Date"] == "Sat, 21 Nov 2026 13:05:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "NDR" not in mail["X-Auto-Response-Suppress"].split(", "), "a bounce is what we want"
    assert mail["Importance"] == "high"
    assert not [name for name in mail if name.lower().startswith("list-")]
    assert mail.get_content_type() == "text/plain"
    assert ADDRESSES.return_path("INC-7", CODE, PAGE_ID) == f"pages+b.{token}@larkfield.test"


def test_a_copy_has_the_same_message_id_and_a_notice_is_not_important():
    later = compose(page(), ADDRESSES, datetime(2026, 11, 22, tzinfo=UTC), two_way=True)
    notice = compose(replace(page(), kind="notice"), ADDRESSES, NOW, two_way=False)

    assert later["Message-ID"] == compose(page(), ADDRESSES, NOW, two_way=True)["Message-ID"]
    assert notice["Importance"] is None
    assert notice["Reply-To"] is None


@pytest.mark.parametrize("text", ["Señal “4 in 10” 💥", "one\n\n.\n..two\nFrom here"])
def test_the_body_arrives_letter_for_letter(text):
    raw = compose(page(f"Subject\n\n{text}"), ADDRESSES, NOW, two_way=True)

    assert raw.get_content() == f"{text}\n"
    assert raw.as_bytes().isascii()


def test_a_subject_cannot_smuggle_a_header_in():
    text = mail_answer(
        "Taken.", subject="x\nBcc: all@people.test", thread=["<a@b>"], message_id=PAGE_ID, language="en", drill=False
    )
    mail = compose(page(text), ADDRESSES, NOW, two_way=True)

    assert mail["Bcc"] is None
    assert mail["Subject"] == "Re: x Bcc: all@people.test"


def test_an_answer_by_mail_is_in_the_thread_of_what_it_answers():
    text = mail_answer(
        "You have taken charge of INC-7.",
        subject="RE: re: SEV1 INC-7",
        thread=["<page@larkfield.test>", "<theirs@laptop.test>"],
        message_id=PAGE_ID,
        language="en",
        drill=False,
    )
    mail = compose(replace(page(text), kind="notice"), ADDRESSES, NOW, two_way=True)

    assert mail["Subject"] == "Re: SEV1 INC-7"
    assert mail["In-Reply-To"] == "<theirs@laptop.test>"
    assert mail["References"] == "<page@larkfield.test> <theirs@laptop.test>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail.get_content() == f"You have taken charge of INC-7.\n\n#{CODE}\n"


def test_no_word_is_lost_when_a_text_has_no_head():
    assert split("one line") == ("one line", {}, "one line")
    assert split("two\nlines\n\nand more") == ("two", {}, "two\nlines\n\nand more")


@pytest.mark.parametrize("message_id", [PAGE_ID, "2.INC-123456789012.step-confirm-scope.r2.c1.1", "1.TEST.ana.email.5"])
def test_an_address_of_ours_can_be_read_again_and_is_short_enough_for_every_server(message_id):
    incident, code = message_id.split(".")[1], message_code(message_id)
    for address in (
        ADDRESSES.reply_to(incident, code, message_id),
        ADDRESSES.return_path(incident, code, message_id),
        ADDRESSES.header_id(incident, code, message_id),
    ):
        assert tokens_in(address.upper()) == (MailToken(incident, code, signed(message_id)),)
        assert len(address.partition("@")[0]) <= 64
    assert is_return_path(ADDRESSES.return_path(incident, code, message_id))
    assert not is_return_path(ADDRESSES.reply_to(incident, code, message_id))


def test_what_is_kept_of_a_servers_words_names_nobody():
    said = without_addresses("5.1.1 <ana@people.test>: User unknown\n ana@people.test")

    assert said == "5.1.1 the address: User unknown the address"


# --- servers in trouble ---

Answers = dict[str, str | None]
"""What a server answers to each command; None hangs up, "" says nothing. `.` is the end of the data."""

WELL = {
    "": "220 mx ESMTP",
    "EHLO": "250-mx\r\n250-AUTH PLAIN\r\n250 DSN",
    "AUTH": "235 ok",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 ok",
    "QUIT": "221 bye",
    "RSET": "250 ok",
}


class Script:
    """A mail server that says what the test wants, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers: Answers = dict(WELL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            goes_on = await self._say(writer, "")
            in_data = False
            while goes_on and (line := await reader.readline()):
                text = line.decode().rstrip("\r\n")
                if in_data and text != ".":
                    continue
                command = "." if in_data else text.split(" ")[0].upper()
                self.heard.append(text)
                in_data = command == "DATA"
                goes_on = await self._say(writer, command)
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, command: str) -> bool:
        answer = self.answers[command]
        if answer:
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
        return answer is not None


Connected = Callable[..., tuple[Script, EmailChannel]]


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    """A channel to a scripted server; what is given changes its answers."""
    port, script = free_port(), Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", port)

    def build(answers: Answers | None = None, security: Security = "none") -> tuple[Script, EmailChannel]:
        script.answers.update(answers or {})
        account = EmailAccount(
            "pages@larkfield.test",
            "127.0.0.1",
            port,
            security,
            smtp_user="pages",
            smtp_password="secret",
            timeout_seconds=0.5,
        )
        return script, EmailChannel(account, sign=signed, now=lambda: NOW)

    yield build
    server.close()


async def test_the_envelope_tells_which_message_a_bounce_is_about(connected: Connected):
    script, channel = connected()

    sent = await channel.send(page())

    token = f"inc-7.{CODE.lower()}.0000000000000011@larkfield.test"
    assert sent.provider_id == f"<{token}>"
    assert f"MAIL FROM:<pages+b.{token}> RET=HDRS" in script.heard
    assert "RCPT TO:<ana@people.test> NOTIFY=FAILURE" in script.heard


@pytest.mark.parametrize(
    ("command", "answer", "becomes"),
    [
        ("", "421 too busy", ProviderUnavailable),
        ("", "554 go away", ProviderUnavailable),
        ("", None, ProviderUnavailable),
        ("", "", ProviderUnavailable),
        ("EHLO", None, ProviderUnavailable),
        ("AUTH", "535 5.7.8 no", ProviderUnavailable),
        ("AUTH", "454 4.7.0 later", ProviderUnavailable),
        ("MAIL", "451 4.3.0 later", ProviderUnavailable),
        ("MAIL", "553 5.7.1 not your address", ProviderUnavailable),
        ("RCPT", "450 4.2.1 greylisted", ProviderUnavailable),
        ("RCPT", "530 5.7.0 log in first", ProviderUnavailable),
        ("RCPT", "550 5.1.1 unknown", Undeliverable),
        ("RCPT", "552 5.2.2 full", Undeliverable),
        ("RCPT", "", ProviderUnavailable),
        ("RCPT", None, ProviderUnavailable),
        (".", "451 4.3.0 no room", ProviderUnavailable),
        (".", "554 5.6.0 refused", Undeliverable),
        (".", "299 perhaps", OutcomeUnknown),
        (".", "what?", OutcomeUnknown),
        (".", "", OutcomeUnknown),
        (".", None, OutcomeUnknown),
    ],
)
async def test_what_a_server_says_and_when_decides_what_may_be_assumed(
    connected: Connected, command: str, answer: str | None, becomes: type[NotificationError]
):
    script, channel = connected({command: answer})

    with pytest.raises(NotificationError) as error:
        await channel.send(page())

    assert type(error.value) is becomes, error.value
    assert script.heard.count("DATA") <= 1, "the channel never repeats by itself"


async def test_of_what_a_server_says_only_its_codes_are_kept(connected: Connected):
    _, channel = connected({"RCPT": "550 5.1.1 User ana.ruiz does not exist"})

    with pytest.raises(Undeliverable) as error:
        await channel.send(page())

    assert str(error.value) == "The mail server refuses this address or mail: 550 5.1.1."


async def test_refused_credentials_are_named(connected: Connected):
    _, channel = connected({"AUTH": "535 5.7.8 no"})

    with pytest.raises(ProviderUnavailable, match="credentials"):
        await channel.send(page())


@pytest.mark.parametrize("to", ["añna@people.test", "ana@péople.test"])
async def test_an_address_that_smtp_cannot_carry_is_undeliverable(connected: Connected, to: str):
    _, channel = connected()

    with pytest.raises(Undeliverable):
        await channel.send(page(to=to))


@pytest.mark.counterparty("mail")
async def test_mail_leaves_encrypted_or_not_at_all(mail_servers: MailServers, monkeypatch: pytest.MonkeyPatch):
    account = EmailAccount("pages@lmtp.test", "localhost", mail_servers.smtp, "starttls")
    channel = EmailChannel(account, sign=signed, now=lambda: NOW)

    with pytest.raises(ProviderUnavailable, match=r"(?i)certificate"):
        await channel.send(page(to="bob@people.test"))
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_servers.folder / "ca.pem"))
    await channel.send(page(to="bob@people.test"))


async def test_a_server_without_starttls_gets_no_mail(connected: Connected):
    script, channel = connected(security="starttls")

    with pytest.raises(ProviderUnavailable, match="STARTTLS"):
        await channel.send(page())
    assert "DATA" not in script.heard
