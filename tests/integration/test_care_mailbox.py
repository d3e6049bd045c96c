"""A care mailbox on a real Dovecot: customers write through a real Postfix, and nothing in it is ever changed."""

import asyncio
import imaplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from listening.imap import build
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Imap
from tests.support.counterparties import wait_until
from tests.support.mail_servers import PASSWORD, MailServers

pytestmark = pytest.mark.counterparty("mail")

BRANDS = (Brand(id="northwind", names=("Northwind",)),)
OWNER = "dora"


@pytest.fixture(autouse=True)
def emptied(mail_servers: MailServers) -> None:
    mail_servers.forget(OWNER)


def source_of(servers: MailServers, password: str = PASSWORD, **fields: Any) -> Source:
    given = {"host": "127.0.0.1", "port": servers.imap, "security": "none", "user": f"{OWNER}@people.test", **fields}
    spec = Imap.model_validate({"kind": "imap", "name": "care", **given})
    return build(spec, BRANDS, {"TOCSIN_CARE_MAIL_PASSWORD": password}, lambda: datetime.now(UTC))


def write(servers: MailServers, subject: str, text: str = "Where is it?", **headers: str) -> str:
    """Post a mail and wait until it lies in the mailbox. Returns its Message-ID."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ana <ana@people.test>", f"{OWNER}@people.test", subject
    mail["Message-ID"] = f"<{subject.replace(' ', '-')}@people.test>"
    for name, value in headers.items():
        del mail[name.replace("_", "-")]
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    before = len(servers.inbox(OWNER))
    servers.post(mail)
    wait_until(lambda: len(servers.inbox(OWNER)) > before, f"the mail {subject}")
    return str(mail["Message-ID"])


def with_mailbox(servers: MailServers, work: Callable[[imaplib.IMAP4], object]) -> None:
    with imaplib.IMAP4("127.0.0.1", servers.imap, timeout=20) as client:
        client.login(OWNER, PASSWORD)
        work(client)


def subjects(batch: Batch) -> list[str]:
    return [each.title for each in batch.mentions]


async def test_customers_mails_are_heard_once_and_nothing_is_changed(mail_servers):
    source = source_of(mail_servers)
    await asyncio.to_thread(write, mail_servers, "first")
    first = await source.poll(None)
    again = await source.poll(first.cursor)
    await asyncio.to_thread(write, mail_servers, "second")
    second = await source_of(mail_servers).poll(again.cursor)
    assert [subjects(each) for each in (first, again, second)] == [["first"], [], ["second"]]
    assert (first.mentions[0].author, first.mentions[0].text) == ("ana@people.test", "Where is it?")
    assert abs(datetime.now(UTC) - first.mentions[0].at) < timedelta(minutes=5)
    flags = " ".join(await asyncio.to_thread(mail_servers.flags, OWNER))
    assert "Seen" not in flags
    assert "Tocsin" not in flags


async def test_a_poll_repeated_with_one_cursor_gives_the_same(mail_servers):
    source = source_of(mail_servers)
    await asyncio.to_thread(write, mail_servers, "same")
    first, second = await source.poll(None), await source.poll(None)
    assert subjects(first) == ["same"]
    assert (first.mentions, _uids(first)) == (second.mentions, _uids(second))


def _uids(batch: Batch) -> str:
    return (batch.cursor or "").partition("T")[0]


async def test_what_lay_there_before_is_not_new(mail_servers):
    def old(client: imaplib.IMAP4) -> None:
        at = imaplib.Time2Internaldate(datetime.now(UTC) - timedelta(hours=3))
        client.append("INBOX", "", at, b"From: bob@people.test\r\nSubject: old\r\n\r\nold\r\n")

    await asyncio.to_thread(with_mailbox, mail_servers, old)
    await asyncio.to_thread(write, mail_servers, "new")
    assert subjects(await source_of(mail_servers).poll(None)) == ["new"]


async def test_our_answer_in_the_sent_folder_is_by_us_and_a_forged_one_in_the_inbox_is_nothing(mail_servers):
    source = source_of(mail_servers, sent="Sent")
    await asyncio.to_thread(with_mailbox, mail_servers, lambda client: client.create("Sent"))
    begun = await source.poll(None)
    question = await asyncio.to_thread(write, mail_servers, "lost bag")
    await asyncio.to_thread(
        write, mail_servers, "forged", From=f"{OWNER}@people.test", In_Reply_To=question, References=question
    )

    def answer(client: imaplib.IMAP4) -> None:
        head = (
            f"From: {OWNER}@people.test\r\nSubject: Re: lost bag\r\nIn-Reply-To: {question}\r\nReferences: {question}"
        )
        client.append("Sent", "", "", f"{head}\r\nMessage-ID: <answer@people.test>\r\n\r\nFound it.\r\n".encode())

    await asyncio.to_thread(with_mailbox, mail_servers, answer)
    batch = await source.poll(begun.cursor)
    found = {each.title: each for each in batch.mentions}
    assert {*found} == {"lost bag", "Re: lost bag"}
    assert not found["lost bag"].by_us
    assert found["Re: lost bag"].by_us
    assert found["Re: lost bag"].thread == found["lost bag"].id == question


async def test_a_backlog_comes_in_batches_and_none_is_missed_or_doubled(mail_servers):
    source = source_of(mail_servers)
    cursor = (await source.poll(None)).cursor

    def many(client: imaplib.IMAP4) -> None:
        for number in range(130):
            client.append("INBOX", "", "", f"From: ana@people.test\r\nSubject: n{number:03}\r\n\r\nx\r\n".encode())

    await asyncio.to_thread(with_mailbox, mail_servers, many)
    found: list[str] = []
    more = True
    while more:
        batch = await source.poll(cursor)
        cursor, more = batch.cursor, batch.more
        assert len(batch.mentions) <= 100
        found += subjects(batch)
    assert sorted(found) == [f"n{number:03}" for number in range(130)]


async def test_machines_are_passed_over(mail_servers):
    source = source_of(mail_servers)
    cursor = (await source.poll(None)).cursor
    await asyncio.to_thread(write, mail_servers, "away", Auto_Submitted="auto-replied")
    await asyncio.to_thread(write, mail_servers, "news", List_Id="<news.test>")
    await asyncio.to_thread(write, mail_servers, "person")
    assert subjects(await source.poll(cursor)) == ["person"]


async def test_a_folder_that_was_made_anew_is_read_again_and_known_mails_keep_their_names(mail_servers):
    """Its UIDVALIDITY is another one then, and its numbers begin anew."""
    source = source_of(mail_servers, folder="Care")
    await asyncio.to_thread(with_mailbox, mail_servers, lambda client: client.create("Care"))
    await asyncio.to_thread(write, mail_servers, "kept")

    def moved(client: imaplib.IMAP4) -> None:
        client.select("INBOX")
        client.copy("1:*", "Care")

    await asyncio.to_thread(with_mailbox, mail_servers, moved)
    first = await source.poll(None)

    def made_anew(client: imaplib.IMAP4) -> None:
        client.delete("Care")
        client.create("Care")
        client.select("INBOX")
        client.copy("1:*", "Care")
        client.append("Care", "", "", b"From: bob@people.test\r\nMessage-ID: <late@b>\r\nSubject: late\r\n\r\nx\r\n")

    # A second must pass: Dovecot makes UIDVALIDITY from the time.
    await asyncio.sleep(1.1)
    await asyncio.to_thread(with_mailbox, mail_servers, made_anew)
    second = await source.poll(first.cursor)
    third = await source.poll(second.cursor)
    await asyncio.to_thread(with_mailbox, mail_servers, lambda client: client.delete("Care"))
    assert subjects(first) == ["kept"]
    assert sorted(subjects(second)) == ["kept", "late"]
    assert {each.id for each in first.mentions} < {each.id for each in second.mentions}
    assert third.mentions == ()


async def test_a_wrong_password_and_a_missing_folder_are_told_in_a_sentence(mail_servers):
    with pytest.raises(SourceFailed, match=r"refuses dora@people\.test and the password in TOCSIN_CARE_MAIL_PASSWORD"):
        await source_of(mail_servers, password="wrong").poll(None)
    with pytest.raises(SourceFailed, match=r"The mailbox of dora@people\.test cannot be read"):
        await source_of(mail_servers, folder="Nowhere").poll(None)


async def test_a_server_that_is_away_is_trouble_and_the_place_is_kept(mail_servers):
    with pytest.raises(SourceFailed, match="cannot be read"):
        await source_of(mail_servers, port=9).poll(None)
