"""Whose word a mail is, what it may do, and how much is answered: an engine in this process, without servers."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.mailbox import MOST_REPLIES, MOST_UNCLEAR, Mailbox
from engine.services import Engine, EngineConfig
from notifications.channels import ChannelSettings
from notifications.email_account import EmailAccount
from notifications.email_tokens import MailAddresses
from storage import numbers, outbox
from storage.outbox import OutboxRow
from tests.support.real_engine import Person, PlanFiles, rung

OWN = "pages@larkfield.test"
ACCOUNT = EmailAccount(OWN, "127.0.0.1", 1, lmtp_port=1, trusted_results="mx.larkfield.test")
PASSED = "mx.larkfield.test; dmarc=pass header.from=people.test"
FAILED = "mx.larkfield.test; dmarc=fail header.from=people.test"


class Post:
    """An engine that has paged ana by mail about INC-1, and what comes to it. The pager does not run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.mailbox = Mailbox(engine, ACCOUNT, engine._sign_mail)
        self.number = 0

    def rows(self, incident: str = "INC-1") -> list[OutboxRow]:
        return self.engine.database.read_now(lambda tx: outbox.of_incident(tx, incident))

    def page(self, contact: str = "ana") -> OutboxRow:
        return next(each for each in self.rows() if each.kind == "page" and each.contact == contact)

    def put(self, row: OutboxRow) -> None:
        self.engine.database.write_now(lambda tx: outbox.insert(tx, [row]))

    async def comes(
        self, words: str, sender: str = "ana@people.test", to: OutboxRow | None = None, results: str | None = None
    ) -> None:
        self.number += 1
        token = None
        if to is not None:
            addresses = MailAddresses(OWN, self.engine._sign_mail)
            token = addresses.header_id(to.incident_id, to.code, to.message_id)
        head = {
            "From": sender,
            "To": OWN,
            "Message-ID": f"<{self.number}@laptop>",
            "References": token,
            "Authentication-Results": results,
        }
        lines = [f"{name}: {value}" for name, value in head.items() if value is not None]
        await self.mailbox.take("\r\n".join([*lines, "", words, ""]).encode())

    def told(self) -> list[OutboxRow]:
        """Every reply, the first one first."""
        rows = [*self.rows(), *self.rows("TEST"), *self.rows("VERIFY")]
        return sorted((each for each in rows if ".mail-" in each.message_id), key=lambda each: each.created_at)

    async def status(self) -> Any:
        return (await self.engine.show("INC-1"))["status"]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    people = [Person(name, {"email": f"{name}@people.test"}) for name in ("ana", "bob")]
    plan = PlanFiles(people, [rung("ana"), rung("bob")], ["bob"]).write(tmp_path / "plan")
    config = EngineConfig(
        tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t", channels=ChannelSettings(email=ACCOUNT)
    )
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    await engine.declare(title="x", situation="SHOP_DOWN", severity=None, by="person:bob")
    made = Post(engine)
    made.put(_page(engine))
    yield made
    await made.mailbox.stop()
    await engine.stop()


def _page(engine: Engine) -> OutboxRow:
    """A page of ana's, as the ladder makes it."""
    stamp = engine.clock.now().timestamp()
    return OutboxRow(
        message_id=f"{engine.epoch}.INC-1.x.r1.ana",
        incident_id="INC-1",
        escalation=None,
        kind="page",
        channel="email",
        contact="ana",
        address="ana@people.test",
        language="en",
        text="SEV1",
        code="ABCDE",
        drill=False,
        priority=1,
        due_at=stamp,
        state="delivered",
        created_at=stamp,
        updated_at=stamp,
    )


async def test_the_reply_of_the_person_paged_counts(post: Post):
    await post.comes("take", to=post.page())

    assert await post.status() == "acknowledged"
    assert [each.address for each in post.told()] == ["ana@people.test"]


@pytest.mark.parametrize("words", ["1 take", "1 yes", "1 no", "1 call", "1 resolved", "1p", "123456", "take"])
async def test_a_name_alone_is_worth_nothing(post: Post, words: str):
    before = (await post.engine.show("INC-1"))["version"]

    await post.comes(words)

    assert (await post.engine.show("INC-1"))["version"] == before
    (told,) = post.told()
    assert "Which page? Nothing was changed." in told.text
    assert told.incident_id == "TEST", "its addresses name no incident either"


@pytest.mark.parametrize(
    ("words", "status"), [("1 take", "acknowledged"), ("1 resolved", "declared"), ("1 yes", "declared")]
)
async def test_the_servers_word_is_enough_to_take_charge_and_for_nothing_more(post: Post, words: str, status: str):
    await post.comes(words, results=PASSED)

    assert await post.status() == status


async def test_a_message_about_one_incident_does_not_end_another(post: Post):
    other = replace(post.page(), message_id=f"{post.engine.epoch}.INC-9.x.r1.ana", incident_id="INC-9", code="BCDEF")
    post.put(other)

    await post.comes("1 resolved", to=other)
    assert await post.status() == "declared"
    await post.comes("resolved", to=post.page())
    assert await post.status() == "resolved"


@pytest.mark.parametrize(
    ("sender", "told"), [("sam@vendor.test", "cannot be answered from this address"), ("bob@people.test", "Which page")]
)
async def test_whoever_else_has_the_token_does_not_speak_for_the_person_paged(post: Post, sender: str, told: str):
    await post.comes("take", sender, to=post.page())

    assert await post.status() == "declared"
    (row,) = post.told()
    assert (row.address, row.incident_id) == (sender, "TEST")
    assert told in row.text
    assert row.contact != "ana", "nor does a reply to what they are told"


async def test_a_mail_that_our_server_doubts_changes_nothing_and_its_name_is_told(post: Post):
    await post.comes("take", to=post.page(), results=FAILED)
    await post.comes("1 take", results=FAILED)

    assert await post.status() == "declared"
    (row,) = post.told()
    assert row.address == "ana@people.test"
    assert "doubts" in row.text


async def test_strangers_are_told_nothing(post: Post):
    await post.comes("1 take", "sam@vendor.test")

    assert post.told() == []


@pytest.mark.parametrize(
    ("words", "most"), [("1 take", MOST_REPLIES), ("what?", MOST_UNCLEAR), ("123456", MOST_UNCLEAR)]
)
async def test_machines_that_answer_each_other_come_to_an_end(post: Post, words: str, most: int):
    for _ in range(most + 5):
        await post.comes(words, to=post.page())

    assert len(post.told()) == most


async def test_forged_mails_fill_nothing_and_use_up_nothing_of_the_persons_own(post: Post):
    for _ in range(20):
        await post.comes("1 take")
        await post.comes("take", "sam@vendor.test", to=post.page())
    assert len(post.told()) == MOST_UNCLEAR

    await post.comes("take", to=post.page())
    assert "You have taken charge" in post.told()[-1].text


async def test_replies_are_counted_by_the_hour(post: Post, monkeypatch: pytest.MonkeyPatch):
    for _ in range(5):
        await post.comes("1 take")
    later = post.engine.clock.now() + timedelta(hours=1, minutes=1)

    def now(_clock: SystemClock) -> datetime:
        return later

    monkeypatch.setattr(SystemClock, "now", now)
    await post.comes("1 take")

    assert len(post.told()) == MOST_UNCLEAR + 1


async def test_a_mail_that_cannot_be_read_is_dropped(post: Post, caplog: pytest.LogCaptureFixture):
    caplog.set_level("WARNING", "tocsin.mail")
    await post.mailbox.take(b"From: x@evil.test\nContent-Type: message/rfc822\n\n" * 5000)

    assert "mail dropped: it cannot be read error=RecursionError" in caplog.text
    assert post.told() == []


@pytest.mark.parametrize(
    ("channel", "address", "said"),
    [
        ("email", "ana@people.test", "Thank you: Tocsin reaches you here."),
        ("sms", "+12025550101", "reaches Ana by sms at the address ending in 0101"),
    ],
)
async def test_a_code_by_mail_proves_the_address_that_it_was_sent_to(post: Post, channel: str, address: str, said: str):
    now = post.engine.clock.now().timestamp()
    await post.engine.database.write(lambda tx: numbers.ask_for_proof(tx, channel, address, "ana", "123456", now))

    await post.comes("123456", results=PASSED)

    (told,) = post.told()
    assert said in told.text
