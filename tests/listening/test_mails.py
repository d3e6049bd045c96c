"""What a mail to the care mailbox says, and who is no customer."""

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from listening.mails import ours_of, own_words, read_mail
from signals.listening import Brand, Imap
from signals.mails import MOST_READ
from signals.mention import Mention
from tests.support.counterparties import ROOT

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRAND = Brand(
    id="northwind", names=("Northwind",), accounts=("help@northwind.example", "@care@social.example", "u/care")
)
SPEC = Imap(
    kind="imap", name="care", host="mail.example", user="care@northwind.example", ours=("@agents.northwind.example",)
)
OURS = ours_of(SPEC, [BRAND])


def mail(text: str = "My bag is lost.", **headers: str) -> EmailMessage:
    found = EmailMessage()
    given = {"From": "Ana Soto <Ana@people.example>", "To": "care@northwind.example", "Subject": "Bag"}
    for name, value in (given | {key.replace("_", "-"): value for key, value in headers.items()}).items():
        found[name] = value
    language = found["Content-Language"]
    found.set_content(text)  # it leaves out what was said of another content
    if language is not None:
        found["Content-Language"] = language
    return found


def read(content: EmailMessage | bytes, *, sent: bool = False, keeps_sent: bool = False) -> Mention | None:
    raw = content if isinstance(content, bytes) else content.as_bytes()
    return read_mail(raw, "care", "INBOX:1.7", NOW, OURS, sent=sent, keeps_sent=keeps_sent)


def test_a_customers_mail_is_a_private_mention_to_us():
    found = read(mail(Message_ID="<1@people.example>", Content_Language="es-ES, en"))
    assert found == Mention(
        source="care",
        id="<1@people.example>",
        at=NOW,
        text="My bag is lost.",
        author="ana@people.example",
        author_name="Ana Soto",
        language="es-ES",
        private=True,
        to_us=True,
        title="Bag",
    )


def test_an_answer_belongs_to_the_thread_of_the_first_mail_and_says_only_its_own_words():
    quoted = "On Fri, 20 Nov 2026 at 10:00, Care\n<care@northwind.example> wrote:\n> We are sorry."
    words = f"Still no bag.\n\n{quoted}\n-- \nAna"
    found = read(mail(words, References="<1@a> <2@b>", In_Reply_To="<2@b>"))
    assert found is not None
    assert (found.thread, found.reply_to, found.text) == ("<1@a>", "<2@b>", "Still no bag.")


def test_without_references_what_it_answers_is_the_thread():
    found = read(mail(In_Reply_To="<2@b>"))
    assert found is not None
    assert (found.thread, found.reply_to) == ("<2@b>", "<2@b>")


@pytest.mark.parametrize(
    ("written", "own"),
    [
        ("> quoted\nanswer below\n> more", "answer below"),
        ("Yes.\n-----Original Message-----\nFrom: Care", "Yes."),
        ("Sí.\n\nEl vie, 20 nov 2026, Care escribió:\n\nLo sentimos", "Sí."),
        ("One.\nOn Friday Care wrote:\n> quoted\nTwo.", "One.\nTwo."),
        ("a -- b\n--\nsignature", "a -- b"),
        ("", ""),
    ],
)
def test_what_is_quoted_is_not_the_persons_own(written, own):
    assert own_words(written) == own


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; type=x"},
        {"Precedence": "bulk"},
        {"Precedence": "List"},
        {"List_Id": "<news.example>"},
        {"List_Unsubscribe": "<https://news.example>"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
        {"From": "MAILER-DAEMON@mx.example"},
        {"From": "no-reply@shop.example"},
        {"From": "nobody at all"},
        {"Subject": "Automatic reply: Bag"},
        {"Subject": "=?utf-8?q?Fuera_de_la_oficina?="},
    ],
)
def test_what_a_machine_sends_is_no_customer(headers):
    assert read(mail(**headers)) is None


def test_auto_submitted_no_is_a_person():
    assert read(mail(Auto_Submitted="no")) is not None


def test_a_real_bounce_of_postfix_is_no_customer():
    bounce = (ROOT / "tests" / "payloads" / "email_bounce_dsn_postfix.eml").read_bytes()
    assert b"multipart/report" in bounce
    assert read(bounce) is None


@pytest.mark.parametrize(
    "address",
    ["care@northwind.example", "Care+42@Northwind.example", "help@northwind.example", "bea@agents.northwind.example"],
)
def test_what_we_write_is_by_us(address):
    found = read(mail(From=address))
    assert found is not None
    assert found.by_us
    assert not found.to_us


def test_where_our_answers_are_kept_a_stranger_who_claims_to_be_us_ends_nobodys_waiting():
    forged = mail(From="care@northwind.example", In_Reply_To="<1@people.example>")
    assert read(forged, keeps_sent=True) is None
    found = read(forged, sent=True, keeps_sent=True)
    assert found is not None
    assert found.by_us


def test_a_form_on_our_pages_is_the_customers_word():
    found = read(mail(From="no-reply@northwind.example", Reply_To="Ana <ana@people.example>"))
    assert found is not None
    assert (found.author, found.by_us, found.to_us) == ("ana@people.example", False, True)


def test_html_is_read_as_people_see_it_without_the_original():
    html = EmailMessage()
    html["From"], html["Subject"] = "ana@people.example", "Bag"
    html.set_content("<p>Still <b>no</b> bag</p><div class='x'><blockquote>We are sorry</blockquote></div>", "html")
    found = read(html)
    assert found is not None
    assert found.text == "Still no bag"


def test_plain_text_is_preferred_and_attachments_are_not_read():
    letter = mail("The words.")
    letter.add_alternative("<p>Other words.</p>", subtype="html")
    letter.add_attachment("a,b\n", filename="list.txt")
    found = read(letter)
    assert found is not None
    assert found.text == "The words."


def test_a_mail_without_an_id_is_named_by_its_place():
    found = read(mail())
    assert found is not None
    assert found.id == "INBOX:1.7"


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("iso-8859-15", b"Caf\xe9 \xa4", "Café €"),
        ("x-unknown", "Café".encode("latin-1"), "Café"),
        ("punycode", b"a" * 50, "a" * 50),
        ("utf-8", b"Caf\xe9", "Caf�"),
    ],
)
def test_whatever_the_character_set_the_words_are_read(charset, raw, text):
    head = f"From: ana@people.example\nContent-Type: text/plain; charset={charset}\n\n"
    found = read(head.encode() + raw)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@b.example\nSubject: =?utf-8?q?" + b"=" * 100_000 + b"?=\n\nx",
        b"From: " + b'"' * 200_000 + b"@b.example\n\nx",
        b"From: a@b.example\nReferences: " + b"<" * 200_000 + b"\n\nx",
        b"From: a@b.example\n\n" + b"On " * 80_000,
        b"From: a@b.example\n\n" + b"\n" * 250_000,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<" * 250_000,
        b"From: a@b.example\nContent-Type: text/html\n\n" + b"<blockquote" * 20_000,
        b"\xff" * 300_000,
        b"",
    ],
)
def test_a_mail_that_is_made_to_break_us_is_read_or_refused_soon(content):
    """With a quadratic step in it, this would take minutes."""
    found = read(content)
    assert found is None or len(found.text.encode()) <= 64 * 1024


def test_parts_within_parts_without_end_are_refused():
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(100))
    with pytest.raises(ValueError, match="more parts"):
        read(b"From: a@b.example\n" + nested)


def test_only_the_beginning_of_a_large_mail_is_read():
    found = read(mail("x" * 60 + "\n" + "line\n" * 100_000))
    assert found is not None
    assert 0 < len(found.text.encode()) <= 64 * 1024 < MOST_READ
