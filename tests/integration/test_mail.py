"""A page by mail, its answer, and a real bounce: through Postfix into Dovecot and back, by LMTP and by IMAP.

Nothing of Tocsin runs in these tests but its own process; the people use imaplib and smtplib.
"""

import asyncio
import re
from email.message import EmailMessage
from typing import Any

import pytest

from tests.support.counterparties import free_port
from tests.support.mail_servers import OURS_BY_IMAP, OURS_BY_LMTP, PASSWORD, MailServers, reply
from tests.support.real_engine import Engines, Person, PlanFiles, RealEngine, person, rung

pytestmark = [pytest.mark.counterparty("mail"), pytest.mark.slow]

WAYS = pytest.mark.parametrize("way", ["lmtp", "imap"])


def by_mail(name: str, domain: str = "people.test") -> Person:
    return Person(name, {"email": f"{name}@{domain}"})


@pytest.fixture(autouse=True)
def emptied(mail_servers: MailServers) -> None:
    """Nobody has mail yet; an incident has the same number in every test."""
    for owner in ("ana", "bob", "cleo", "dora", "pages"):
        mail_servers.forget(owner)


def mail_environment(servers: MailServers, way: str) -> dict[str, str]:
    environment = {
        "TOCSIN_EMAIL__SMTP_HOST": "127.0.0.1",
        "TOCSIN_EMAIL__SMTP_PORT": str(servers.smtp),
        "TOCSIN_EMAIL__SMTP_SECURITY": "none",
    }
    if way == "lmtp":
        return environment | {
            "TOCSIN_EMAIL__FROM_ADDRESS": OURS_BY_LMTP,
            "TOCSIN_EMAIL__LMTP_PORT": str(servers.our_lmtp),
        }
    return environment | {
        "TOCSIN_EMAIL__FROM_ADDRESS": OURS_BY_IMAP,
        "TOCSIN_EMAIL__IMAP_HOST": "127.0.0.1",
        "TOCSIN_EMAIL__IMAP_PORT": str(servers.imap),
        "TOCSIN_EMAIL__IMAP_SECURITY": "none",
        "TOCSIN_EMAIL__IMAP_USER": "pages",
        "TOCSIN_EMAIL__IMAP_PASSWORD": PASSWORD,
    }


class Post:
    """What the people in a test see and do with their mail programs."""

    def __init__(self, servers: MailServers, engine: RealEngine) -> None:
        self.servers = servers
        self.engine = engine

    async def inbox(self, who: str) -> list[EmailMessage]:
        return await asyncio.to_thread(self.servers.inbox, who)

    async def gets(self, who: str, words: str, *, to: EmailMessage | None = None) -> EmailMessage:
        """Wait for a mail with these words in its text; `to`, for one that answers this mail of theirs."""

        async def arrived() -> EmailMessage | None:
            said = [each for each in await self.inbox(who) if words in each.get_content()]
            return next((each for each in said if to is None or each["In-Reply-To"] == to["Message-ID"]), None)

        return await self.engine.eventually(arrived, f"a mail to {who} with {words!r}")

    async def writes(self, mail: EmailMessage, sender: str | None = None) -> None:
        await asyncio.to_thread(self.servers.post, mail, sender)

    async def has_been_taken(self, engine: RealEngine) -> None:
        """Wait until everything posted so far has been looked at: a mail after it has had its answer."""
        page = await self.gets("ana", "INC-1")
        await self.writes(reply(page, "1x what", "ana@people.test"))
        await self.gets("ana", "Not understood")


async def an_engine(engines: Engines, plan: PlanFiles, environment: dict[str, str]) -> RealEngine:
    return await engines.make(plan, twilio_url=None, emulators=None, **environment).up()


async def a_page(engines: Engines, servers: MailServers, way: str, *people: Person) -> tuple[RealEngine, Post]:
    """An engine that has paged the first of these people by mail; the second is on the next rung, dora the last."""
    dora = person("dora")
    rungs = [rung(each.id) for each in people]
    plan = PlanFiles([*people, dora], rungs, ["dora"])
    engine = await an_engine(engines, plan, mail_environment(servers, way))
    await engine.hears("alert")
    return engine, Post(servers, engine)


async def is_taken(engine: RealEngine) -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        shown = await engine.show()
        return shown if shown["status"] == "acknowledged" else None

    return await engine.eventually(reached, "INC-1 taken")


@WAYS
async def test_a_page_by_mail_is_taken_by_a_reply_and_who_is_late_is_told_by_whom(
    engines: Engines, mail_servers: MailServers, way: str
):
    ana, bob = by_mail("ana"), by_mail("bob")
    dora = person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana", "bob")], ["dora"])
    engine = await an_engine(engines, plan, mail_environment(mail_servers, way))
    await engine.hears("alert")
    post = Post(mail_servers, engine)
    to_ana, to_bob = await post.gets("ana", "Reply to this mail"), await post.gets("bob", "Reply to this mail")
    assert to_ana["Subject"].startswith("SEV1 INC-1 Shop down")

    answer = reply(to_ana, "Take", "Ana <ana@people.test>")
    await post.writes(answer)

    assert (await is_taken(engine))["commander"] == "ana"
    truth = await post.gets("ana", "You have taken charge of INC-1.", to=answer)
    assert truth["References"] == f"{to_ana['Message-ID']} {answer['Message-ID']}"
    assert truth["Subject"] == answer["Subject"]
    assert truth["Auto-Submitted"] == "auto-replied"

    too_late = reply(to_bob, "take", "bob@people.test")
    await post.writes(too_late)
    late = await post.gets("bob", "INC-1 was already taken by Ana at ", to=too_late)
    assert late["Subject"] == f"Re: {to_bob['Subject']}"
    assert (await engine.show())["commander"] == "ana"


@WAYS
async def test_an_unknown_mailbox_bounces_and_the_next_rung_is_paged(
    engines: Engines, mail_servers: MailServers, way: str
):
    engine, post = await a_page(engines, mail_servers, way, by_mail("nobody", "late.test"), by_mail("bob"))

    await post.gets("bob", "Reply to this mail")

    pages = {each["contact"]: each for each in (await engine.show())["pages"]}
    assert pages["nobody"]["state"] == "failed"
    assert pages["bob"]["state"] in ("requested", "sent", "delivered")
    failed = next(each for each in (await engine.show())["timeline"] if each["kind"] == "PageFailed")
    assert "550 5.1.1" in str(failed)
    assert "exist" not in str(failed), "the server's words may name somebody"


@WAYS
async def test_a_mailbox_that_is_refused_at_once_costs_no_bounce(engines: Engines, mail_servers: MailServers, way: str):
    engine, post = await a_page(engines, mail_servers, way, by_mail("nobody"), by_mail("bob"))

    await post.gets("bob", "Reply to this mail")

    pages = {each["contact"]: each["state"] for each in (await engine.show())["pages"]}
    assert pages["nobody"] == "failed"


@WAYS
async def test_strangers_machines_and_forged_tokens_change_nothing_and_are_told_nothing(
    engines: Engines, mail_servers: MailServers, way: str
):
    engine, post = await a_page(engines, mail_servers, way, by_mail("ana"), by_mail("bob"))
    page = await post.gets("ana", "Reply to this mail")
    own = OURS_BY_LMTP if way == "lmtp" else OURS_BY_IMAP
    before = engine.counted("events")
    stranger = EmailMessage()
    stranger["From"], stranger["To"], stranger["Subject"] = "cleo@people.test", own, "INC-1"
    stranger.set_content("1a")
    forged = reply(page, "take", "cleo@people.test")
    for name in ("To", "In-Reply-To", "References"):
        forged.replace_header(name, re.sub(r"[0-9a-f]{16}@", f"{'0' * 16}@", forged[name]))

    await post.writes(stranger)
    await post.writes(forged)
    await post.writes(reply(page, "take", "ana@people.test", Auto_Submitted="auto-replied"))
    await post.writes(reply(page, "take", "ana@people.test", Precedence="bulk"))
    await post.writes(reply(page, "take", f"Tocsin <{own}>"))
    bounce = page["Reply-To"].replace("+", "+b.")
    vacation = reply(page, "I am away", "ana@people.test", Auto_Submitted="auto-replied")
    vacation.replace_header("To", bounce)
    await post.writes(vacation, "")

    await post.has_been_taken(engine)
    assert engine.counted("events") == before
    assert await post.inbox("cleo") == []
    assert len(await post.inbox("ana")) == 2, "the page, and the answer to the one mail that a person wrote"


async def test_whoever_else_is_in_the_thread_speaks_for_nobody_and_is_told_so(
    engines: Engines, mail_servers: MailServers
):
    engine, post = await a_page(engines, mail_servers, "lmtp", by_mail("ana"), by_mail("bob"))
    page = await post.gets("ana", "Reply to this mail")

    await post.writes(reply(page, "take", "cleo@people.test"))

    told = await post.gets("cleo", "this message cannot be answered from this address")
    assert "inc-1" not in told["Reply-To"].lower()
    await post.writes(reply(told, "1 take", "cleo@people.test"))
    await post.has_been_taken(engine)
    assert (await engine.show())["status"] == "declared"


async def test_a_fresh_mail_in_a_known_name_proves_nothing_until_it_answers_a_mail_of_ours(
    engines: Engines, mail_servers: MailServers
):
    engine, post = await a_page(engines, mail_servers, "lmtp", by_mail("ana"), by_mail("bob"))
    await post.gets("ana", "Reply to this mail")
    fresh = EmailMessage()
    fresh["From"], fresh["To"], fresh["Subject"] = "Ana@people.test", OURS_BY_LMTP, "Hello"
    fresh["Message-ID"] = f"<{free_port()}@laptop>"
    fresh.set_content("1p")

    await post.writes(fresh)
    told = await post.gets("ana", "Which page? Nothing was changed.")
    assert (await engine.show())["status"] == "declared"
    assert "inc-1" not in str(told).lower(), "somebody who was left out of it may read this"
    await post.writes(reply(told, "1p", "ana@people.test"))

    await post.gets("bob", "Reply to this mail")


@WAYS
async def test_no_answer_is_lost_or_doubled_over_a_restart(engines: Engines, mail_servers: MailServers, way: str):
    engine, post = await a_page(engines, mail_servers, way, by_mail("ana"), by_mail("bob"))
    page = await post.gets("ana", "Reply to this mail")
    answer = reply(page, "pass", "ana@people.test")

    engine.kill()
    await post.writes(answer)
    await engine.up()
    await post.gets("bob", "Reply to this mail")
    await post.gets("ana", "You have passed on INC-1")
    version = (await engine.show())["version"]
    await post.writes(answer)
    engine.kill()
    await engine.up()
    await post.has_been_taken(engine)

    assert (await engine.show())["version"] == version
    told = [each for each in await post.inbox("ana") if "You have passed" in each.get_content()]
    assert len(told) == 1


async def test_mail_that_was_taken_is_marked_and_stays_unread_for_people(engines: Engines, mail_servers: MailServers):
    _, post = await a_page(engines, mail_servers, "imap", by_mail("ana"), by_mail("bob"))
    page = await post.gets("ana", "Reply to this mail")

    await post.writes(reply(page, "take", "ana@people.test"))
    await post.gets("ana", "You have taken charge of INC-1.")

    flags = await asyncio.to_thread(mail_servers.flags, "pages")
    assert len(flags) == 1
    assert "TocsinTaken" in flags[0]
    assert "Seen" not in flags[0]


async def test_a_taken_port_does_not_keep_the_engine_from_paging(engines: Engines, mail_servers: MailServers):
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", mail_servers.our_lmtp)
    try:
        _, post = await a_page(engines, mail_servers, "lmtp", by_mail("ana"), by_mail("bob"))
        await post.gets("ana", "Reply to this mail")
    finally:
        taken.close()


async def test_a_mailbox_that_cannot_be_read_is_told_to_the_operators(engines: Engines, mail_servers: MailServers):
    ana, dora = by_mail("ana"), person("dora")
    plan = PlanFiles([ana, dora], [rung("ana")], ["dora"], operators=["ana"])
    environment = mail_environment(mail_servers, "imap") | {"TOCSIN_EMAIL__IMAP_PASSWORD": "not the password"}
    engine = await an_engine(engines, plan, environment)

    await Post(mail_servers, engine).gets("ana", "answers and bounces by mail do not arrive")


async def test_people_who_write_nothing_sensible_are_told_so_three_times_at_most(
    engines: Engines, mail_servers: MailServers
):
    engine, post = await a_page(engines, mail_servers, "lmtp", by_mail("ana"), by_mail("bob"))
    page = await post.gets("ana", "Reply to this mail")

    for number in range(5):
        await post.writes(reply(page, f"what? {number}", "ana@people.test"))
    await post.writes(reply(page, "take", "ana@people.test"))

    await post.gets("ana", "You have taken charge of INC-1.")
    assert (await is_taken(engine))["commander"] == "ana"
    unclear = [each for each in await post.inbox("ana") if "Not understood" in each.get_content()]
    assert len(unclear) <= 3


@WAYS
async def test_a_code_by_mail_is_written_back_and_proves_the_mailbox(
    engines: Engines, mail_servers: MailServers, way: str
):
    ana = by_mail("ana")
    engine = await an_engine(engines, PlanFiles([ana], [rung("ana")], ["ana"]), mail_environment(mail_servers, way))
    post = Post(mail_servers, engine)
    asked = await engine.ask("POST", "/api/v1/contacts/verify", json_body={})
    assert [each["outcome"] for each in asked.json["asked"]] == ["sent"]

    mail = await post.gets("ana", "Your code is ")
    code = re.search(r"(?:\d ){5}\d", mail.get_content())
    assert code is not None
    await post.writes(reply(mail, code[0], "ana@people.test"))

    await post.gets("ana", "Thank you: Tocsin reaches you here.")
    contacts = (await engine.get("/api/v1/contacts"))["contacts"]
    assert contacts[0]["channels"][0]["standing"] == "proven"
