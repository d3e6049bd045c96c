"""What comes back by mail: as programs write it, as servers bounce it, and as machines answer it."""

import contextlib
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.email_inbound import MailBounce, MailReply, own_words, read_mail, text_of_html
from notifications.email_status import status_of
from notifications.email_tokens import MOST_TOKENS, MailToken

MAILS = Path(__file__).with_name("mails")
OWN = "pages@larkfield.test"
TOKEN = "inc-7.abcde.0123456789abcdef"
REPLY_TO, RETURN_PATH = f"pages+{TOKEN}@larkfield.test", f"pages+b.{TOKEN}@larkfield.test"
SIGNED = MailToken("INC-7", "ABCDE", "0123456789abcdef")


def mail(words: str = "take", **headers: str) -> EmailMessage:
    made = EmailMessage()
    given_headers = {
        "From": "Ana Ruiz <ana@people.test>",
        "To": f"Tocsin <{REPLY_TO}>",
        "Subject": "Re: SEV1 INC-7",
        "Message-ID": "<1@laptop.test>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    for name, value in given_headers.items():
        made[name] = value
    made.set_content(words)
    return made


def read(made: EmailMessage, *recipients: str, sender: str | None = None) -> MailReply | MailBounce | None:
    return read_mail(made.as_bytes(), OWN, recipients, sender)


def test_a_reply_says_who_what_and_to_which_message():
    found = read(mail("Take.\n\nAna", References="<a@x> <b@x>"))

    assert isinstance(found, MailReply)
    assert found.tokens == (SIGNED,)
    assert found.subject == "Re: SEV1 INC-7"
    assert (found.header_id, found.references) == ("<1@laptop.test>", ("<a@x>", "<b@x>"))
    answer = found.to("1.INC-7.1.r1.c1.1")
    assert (answer.verb, answer.sender, answer.event_id) == ("acknowledge", "ana@people.test", "mail:<1@laptop.test>")
    assert answer.message_id == "1.INC-7.1.r1.c1.1"


@pytest.mark.parametrize(
    ("words", "verb", "incident"),
    [
        ("take", "acknowledge", None),
        ("7a", "acknowledge", "INC-7"),
        ("PASS!", "pass", None),
        ("escalar", "escalate", None),
        ("\n\n  resolved  \n", "resolve", None),
        ("I will look at it", "unknown", None),
        ("", "unknown", None),
    ],
)
def test_one_word_in_the_first_line_is_the_answer(words, verb, incident):
    found = read(mail(words))

    assert isinstance(found, MailReply)
    assert (found.answer.verb, found.answer.incident) == (verb, incident)


QUOTED = "> SEV1 INC-7\n> take\n"


@pytest.mark.parametrize(
    "words",
    [
        f"take\n\nOn Sat, 21 Nov 2026 at 14:05, Tocsin <p@x> wrote:\n\n{QUOTED}",
        f"On Sat, 21 Nov 2026 at 14:05, Tocsin <p@x>\nwrote:\n\n{QUOTED}\ntake",
        f"El sáb, 21 nov 2026 a las 14:05, Tocsin (<p@x>) escribió:\n{QUOTED}take",
        f"Am 21.11.26 um 14:05 schrieb Tocsin:\n{QUOTED}take",
        f"{QUOTED}take",
        "\u200b\ntake\n-- \npass",
        "take\n\n-----Original Message-----\nFrom: p@x\npass",
        "\N{NO-BREAK SPACE}\ntake\n________________________________\nFrom: Tocsin <p@x>\npass",
    ],
)
def test_what_is_quoted_is_not_what_they_say(words):
    assert own_words(words) == "take"


@pytest.mark.parametrize(
    "words",
    [
        f"On Sat, 21 Nov 2026, Tocsin wrote:\n{QUOTED}",
        "On Sat, 21 Nov 2026, Tocsin wrote:\n\ntake",
        "-----Original Message-----\nFrom: p@x\ntake",
        "________________________________\nFrom: p@x\ntake",
        "From: Tocsin <p@x>\nSent: today\ntake",
        "-- \ntake",
        QUOTED,
    ],
)
def test_whoever_sends_back_only_what_we_wrote_has_said_nothing(words):
    assert own_words(words) == ""


def test_a_mail_that_is_only_html_is_read_as_text():
    made = mail("x")
    made.set_content(
        "<html><head><style>p {take}</style><title>pass</title></head><body><div><br></div><p>&nbsp;</p>"
        "<p><b>Ta</b>ke</p><blockquote>pass</blockquote></body></html>",
        subtype="html",
    )
    found = read(made)

    assert isinstance(found, MailReply)
    assert found.answer.verb == "acknowledge"


def test_a_quotation_in_html_stays_one():
    words = text_of_html('<div>On Sat, Tocsin wrote:</div><blockquote type="cite">take<br>7p</blockquote>')

    assert own_words(words) == ""
    assert own_words(text_of_html("<blockquote>take</blockquote>pass")) == "pass"


def test_plain_text_is_preferred_and_attachments_are_passed_over():
    made = mail("pass")
    made.add_alternative("<p>take</p>", subtype="html")
    made.add_attachment("take", filename="a.txt")
    found = read(made)

    assert isinstance(found, MailReply)
    assert found.answer.verb == "pass"


@pytest.mark.parametrize(
    ("charset", "body"),
    [("utf-8", "“take”".encode()), ("iso-8859-1", b"\xa0take"), ("no-such-charset", b"take"), ("utf-16", b"take")],
)
def test_any_character_set_is_read_as_well_as_it_can_be(charset, body):
    raw = (
        f"From: ana@people.test\r\nTo: {REPLY_TO}\r\nContent-Type: text/plain; charset={charset}\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode()
    found = read_mail(raw + body, OWN)

    assert isinstance(found, MailReply)
    assert found.answer.verb == ("unknown" if charset == "utf-16" else "acknowledge")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; x=y"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "x"},
        {"List_Id": "<all.people.test>"},
        {"Return_Path": "<>"},
        {"Subject": "Automatic reply: SEV1 INC-7"},
        {"Subject": "Out of office"},
        {"Subject": "=?utf-8?q?Fuera_de_la_oficina?="},
        {"From": "Mail Delivery System <MAILER-DAEMON@people.test>"},
        {"From": "noreply@people.test"},
        {"From": f"Tocsin <{OWN}>"},
        {"From": f"Tocsin <{REPLY_TO.upper()}>"},
        {"From": "nobody at all"},
    ],
)
def test_a_machine_never_answers(headers):
    assert read(mail("take", **headers)) is None


def test_what_comes_from_nobody_is_no_answer():
    assert read(mail("take"), REPLY_TO, sender="") is None
    assert isinstance(read(mail("take", Auto_Submitted="no"), REPLY_TO, sender="ana@people.test"), MailReply)


@pytest.mark.parametrize(
    ("headers", "recipients"),
    [
        ({}, ()),
        ({"To": OWN}, (REPLY_TO.upper(),)),
        ({"To": OWN, "Delivered_To": REPLY_TO}, ()),
        ({"To": OWN, "In_Reply_To": f"<{TOKEN}@larkfield.test>"}, ()),
        ({"To": OWN, "References": f"<other@x> <{TOKEN}@larkfield.test>"}, ()),
    ],
)
def test_which_message_it_answers_stands_in_an_address_or_in_the_thread(headers, recipients):
    found = read(mail("take", **headers), *recipients)

    assert isinstance(found, MailReply)
    assert found.tokens == (SIGNED,)


def test_what_stands_in_the_text_proves_nothing():
    found = read(mail(f"take\n{REPLY_TO}", To=OWN))

    assert isinstance(found, MailReply)
    assert found.tokens == ()


def test_our_own_servers_doubt_about_the_sender_is_kept():
    doubtful = read(mail("7a", To=OWN, Authentication_Results="mx.larkfield.test; dkim=none; dmarc=fail"))

    assert isinstance(doubtful, MailReply)
    assert doubtful.forged


SAYS = "mx.larkfield.test; spf=none; dmarc=pass (p=reject) header.from=people.test"


@pytest.mark.parametrize(
    ("results", "vouched"),
    [
        ([SAYS], True),
        ([SAYS.replace("mx.", "MX.")], True),
        ([SAYS, "mx.larkfield.test; dmarc=none header.from=people.test"], True),
        (["mx.larkfield.test; dmarc=none header.from=people.test", SAYS], False),
        ([SAYS.replace("pass", "none")], False),
        ([SAYS.replace("people.test", "evil.test")], False),
        ([SAYS.replace("mx.larkfield.test", "mx.evil.test")], False),
        (['mx.larkfield.test; spf=pass smtp.mailfrom="; dmarc=pass header.from=people.test ;"@evil.test'], False),
        (["mx.larkfield.test; spf=pass (a; dmarc=pass header.from=people.test ;)"], False),
        (["mx.larkfield.test; spf=pass (a(b) ; dmarc=pass header.from=people.test ;)"], False),
        (["mx.larkfield.test; spf=pass (\\) ; dmarc=pass header.from=people.test ;)"], False),
        ([], False),
    ],
)
def test_only_the_first_word_of_a_named_server_vouches_for_a_sender(results: list[str], vouched: bool):
    raw = b"".join(f"Authentication-Results: {each}\n".encode() for each in results) + mail("7a", To=OWN).as_bytes()
    found, unnamed = read_mail(raw, OWN, trusted="mx.larkfield.test"), read_mail(raw, OWN)

    assert isinstance(found, MailReply)
    assert isinstance(unnamed, MailReply)
    assert (found.vouched, unnamed.vouched) == (vouched, False)


def test_nobody_is_vouched_for_who_has_two_senders():
    for more in ("From: bob@people.test\n", ""):
        senders = "ana@people.test" if more else "ana@people.test, bob@evil.test"
        raw = f"Authentication-Results: {SAYS}\n{more}From: {senders}\n\n7a\n".encode()
        found = read_mail(raw, OWN, trusted="mx.larkfield.test")

        assert isinstance(found, MailReply)
        assert not found.vouched


@pytest.mark.parametrize(
    "charset", ["idna", "undefined", "punycode", "unicode_escape", "raw_unicode_escape", "a\0b", "zlib", "rot13"]
)
def test_what_is_no_character_set_of_a_mail_does_no_harm(charset: str):
    raw = f'From: ana@people.test\nContent-Type: text/plain; charset="{charset}"\n\ntake\n'.encode()
    found = read_mail(raw, OWN)

    assert isinstance(found, MailReply)
    assert found.answer.verb == "acknowledge"


ONE_HEAD = b"From: ana@people.test\nTo: pages@larkfield.test\n"
REPORT = b"From: mailer-daemon@x\nContent-Type: multipart/report; boundary=b\n\n--b\n"
DEEP = b"".join(b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (at, at + 1) for at in range(300))


@pytest.mark.parametrize(
    "raw",
    [
        *(
            ONE_HEAD + b"Content-Type: text/html\n\n" + piece * 100_000
            for piece in (b"<a ", b"<!--", b"</", b"<a x='", b"<br/", b"&#")
        ),
        REPORT + b"aaaaaaaaaa-111111111111 " * 400_000,
        REPORT + b"inc-1.abcde.0123456789abcdef@ " * 300_000,
        REPORT + b"Content-Type: message/delivery-status\n\n" + b"a: b\n\n" * 1_000_000,
        ONE_HEAD + b"Content-Type: multipart/mixed; boundary=b0\n\n" + DEEP + b"a\n" * 500_000,
        ONE_HEAD + b"Subject: " + b"=?utf-8?q?a?= " * 500_000 + b"\n\nx",
        ONE_HEAD + b"References: <" + b"a" * 5_000_000 + b"\n\nx",
    ],
)
def test_a_mail_that_is_made_to_take_long_takes_seconds_at_most(raw: bytes):
    began = time.process_time()
    with contextlib.suppress(ValueError, RecursionError):
        read_mail(raw, OWN, (RETURN_PATH,))
    assert time.process_time() - began < 5


def test_few_tokens_are_read_and_the_envelopes_come_first():
    made_up = b"\n".join(b"inc-1.abcde.%016x@" % at for at in range(1000))
    found = read_mail(captured() + made_up, OWN, (RETURN_PATH,), "")

    assert isinstance(found, MailBounce)
    assert found.tokens[0] == SIGNED
    assert len(found.tokens) <= MOST_TOKENS


def test_the_looks_of_a_page_of_html_do_not_hide_its_words():
    looks = "<style>p { color: red }</style>" * 2000
    commented = "<!--[if mso]><p>pass</p><![endif]-->"

    assert own_words(text_of_html(f"<html><head>{looks}</head><body>{commented}<p>1 &lt; 2</p></body>")) == "1 < 2"
    assert own_words(text_of_html("take<!-- never closed <p>pass")) == "take"


# --- bounces ---


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("550 5.1.1 User ana.ruiz does not exist", "550 5.1.1"),
        ("550-5.7.1 +12025550101 mailbox disabled", "550 5.7.1"),
        ("550 #5.1.0 ana.ruiz=40x.test unknown", "550 5.1.0"),
        ("5.2.2", "5.2.2"),
        ("554 X-Original-To: SRS0=abc=ana.ruiz", "554"),
        ("5501234567", ""),
        ("ana.ruiz is away", ""),
        ("", ""),
    ],
)
def test_of_a_servers_words_only_the_numbers_are_kept(answer: str, kept: str):
    assert status_of(answer) == kept


def captured() -> bytes:
    return (MAILS / "bounce_by_postfix.eml").read_bytes()


def test_a_bounce_by_postfix_is_a_failure_with_the_servers_codes():
    found = read_mail(captured().replace(b"<INC-8.bounceme@x.test>", f"<{TOKEN}@larkfield.test>".encode()), OWN)

    assert isinstance(found, MailBounce)
    assert found.tokens == (SIGNED,)
    report = found.of("1.INC-7.1.r1.c1.1", "<x>")
    assert (report.state, report.detail) == ("undelivered", "550 5.2.2")
    assert report.event_id == "mail:<20261121205114.933E82C4193@mx.crisis.test>"


def test_a_bounce_is_known_by_the_address_it_comes_to():
    found = read_mail(captured(), OWN, (RETURN_PATH,), "")

    assert isinstance(found, MailBounce)
    assert found.tokens == (SIGNED,)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_a_report_of_anything_but_a_failure_changes_nothing(action):
    raw = captured().replace(b"Action: failed", f"Action: {action}".encode())

    assert read_mail(raw, OWN, (RETURN_PATH,), "") is None


@pytest.mark.parametrize(
    ("words", "bounced"),
    [
        ("Sorry, the mailbox of <ana@people.test> does not exist.", True),
        ("550 5.1.1 unknown, will not try again", True),
        ("Delivery is delayed; we are still trying.", False),
        ("451 4.4.1 not yet", False),
    ],
)
def test_a_bounce_that_cannot_be_read_counts_where_only_bounces_come(words, bounced):
    made = mail(words, From="MAILER-DAEMON@people.test", Subject="Undelivered", To=RETURN_PATH)
    found = read(made, RETURN_PATH, sender="")

    assert isinstance(found, MailBounce) == bounced
    if isinstance(found, MailBounce):
        assert found.tokens == (SIGNED,)
        assert found.detail == ("550 5.1.1" if "550" in words else "the mail came back")


def test_a_daemon_that_writes_to_the_reply_address_changes_nothing():
    assert read(mail("550 unknown", From="MAILER-DAEMON@people.test"), REPLY_TO, sender="") is None


def test_a_vacation_note_to_the_return_path_is_no_bounce():
    made = mail("I am away. 550 things to do.", To=RETURN_PATH, Auto_Submitted="auto-replied")

    assert read(made, RETURN_PATH, sender="") is None


def test_a_read_receipt_is_no_bounce():
    raw = captured().replace(b"report-type=delivery-status", b"report-type=disposition-notification")
    raw = raw.replace(b"Content-Type: message/delivery-status", b"Content-Type: message/disposition-notification")

    assert read_mail(raw, OWN, (RETURN_PATH,), "") is None


@given(junk=st.binary(max_size=400))
def test_junk_is_read_without_an_error(junk: bytes):
    read_mail(junk, OWN)
    read_mail(b"From: ana@people.test\n" + junk, OWN)
    read_mail(b"From: a@b.c\nContent-Type: text/html\n\n" + junk, OWN)
    read_mail(captured()[:900] + junk, OWN, (RETURN_PATH,), "")


@given(
    name=st.sampled_from(["From", "To", "Subject", "Content-Type", "References", "Auto-Submitted", "Message-ID"]),
    value=st.text(max_size=60),
)
def test_a_header_may_hold_anything(name: str, value: str):
    raw = f"{name}: {value}\nFrom: ana@people.test\n\ntake\n".encode("utf-8", errors="replace")

    read_mail(raw, OWN)
