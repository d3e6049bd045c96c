"""Mail of monitors and mail of people come in by one door, and neither is taken for the other."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.mailbox import Mailbox
from engine.services import Engine, EngineConfig
from incidents.errors import Overloaded
from notifications.channels import ChannelSettings
from notifications.email_account import EmailAccount
from notifications.email_tokens import MailAddresses
from storage import outbox
from storage.outbox import OutboxRow
from tests.support.monitors import integration, key_of
from tests.support.real_engine import Person, PlanFiles, rung

OWN = "pages@larkfield.test"
ACCOUNT = EmailAccount(OWN, "127.0.0.1", 1, lmtp_port=1, trusted_results="mx.larkfield.test")
NAGIOS = f"pages+{key_of('email')}@larkfield.test"
STRICT = "pages+strict-key-0123456789@larkfield.test"
MAPPED = "pages+mapped-key-0123456789@larkfield.test"
PROBLEM, RECOVERY = "** PROBLEM web01/HTTP is CRITICAL **", "** RECOVERY web01/HTTP is OK **"


class Post:
    """An engine, and the mail that comes to it. The pager does not run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.mailbox = Mailbox(engine, ACCOUNT, engine._sign_mail)
        self.number = 0

    async def comes(self, subject: str, to: str = NAGIOS, text: str = "", **more: str) -> None:
        self.number += 1
        head = {"From": "nagios@example.com", "To": to, "Subject": subject, "Message-ID": f"<{self.number}@mon>"}
        head |= {name.replace("_", "-"): value for name, value in more.items()}
        lines = [f"{name}: {value}" for name, value in head.items()]
        await self.mailbox.take("\r\n".join([*lines, "", text, ""]).encode(), (), "nagios@example.com")

    def incidents(self) -> list[str]:
        return [row[0] for row in self.engine.database.read_now(lambda tx: tx.all("SELECT title FROM incidents"))]

    def told(self, about: str) -> list[str]:
        return [each.text for each in self.engine.database.read_now(lambda tx: outbox.of_incident(tx, about))]

    async def firing(self, incident: str = "INC-1") -> list[bool]:
        return [each["firing"] for each in (await self.engine.show(incident))["signals"]]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    people = [Person(name, {"email": f"{name}@people.test"}) for name in ("ana", "bob")]
    mapping: dict[str, Any] = {
        "summary": "{{ subject }}", "dedup_key": "{{ subject | replace('down', '') | replace('up', '') }}",
        "severity": "{{ 'critical' if 'urgent' in text else 'info' }}",
        "action": {"of": "{{ 'up' if ' up' in subject else '' }}", "resolve": ["up"]},
    }  # fmt: skip
    entries = [
        integration("email", severity_words={"CRITICAL": "SEV1"}),
        integration("email", name="strict", key="strict-key-0123456789",
                    mail={"senders": ["@example.com"], "authenticated": True}),
        integration("email", name="mapped", key="mapped-key-0123456789", mapping=mapping),
    ]  # fmt: skip
    plan = PlanFiles(people, [rung("ana"), rung("bob")], ["bob"], more_integrations=entries).write(tmp_path / "plan")
    config = EngineConfig(
        tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t", channels=ChannelSettings(email=ACCOUNT)
    )
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    made = Post(engine)
    yield made
    await made.mailbox.stop()
    await engine.stop()


async def test_a_problem_and_its_recovery_by_mail(post: Post):
    await post.comes(PROBLEM)
    assert post.incidents() == [PROBLEM]
    assert (await post.engine.show("INC-1"))["severity"] == "SEV1"

    await post.comes(RECOVERY)
    assert await post.firing() == [False]


async def test_the_address_counts_wherever_it_stands_and_however_it_is_written(post: Post):
    await post.comes(PROBLEM, to=f'"Monitoring" <{NAGIOS.upper()}>')
    await post.comes("PROBLEM db1", to="undisclosed-recipients:;", X_Original_To=NAGIOS)
    await post.comes("PROBLEM db2", to="somebody@larkfield.test", Cc=f"x@larkfield.test, {NAGIOS}")
    await post.mailbox.take(b"From: nagios@example.com\r\nSubject: PROBLEM db3\r\n\r\n", [NAGIOS], "nagios@example.com")

    assert len(post.incidents()) == 4


async def test_machines_may_write_to_a_monitors_address(post: Post):
    await post.comes(PROBLEM, Auto_Submitted="auto-generated", Precedence="bulk", From="noreply@example.com")

    assert post.incidents() == [PROBLEM]


async def test_the_same_mail_by_two_ways_is_one(post: Post):
    await post.comes(PROBLEM, Message_ID="<same@mon>")
    await post.comes(RECOVERY, Message_ID="<other@mon>")
    await post.comes(PROBLEM, Message_ID="<same@mon>")

    assert await post.firing() == [False], "a copy that comes late does not fire it again"


async def test_only_whom_the_plan_allows_is_heard(post: Post):
    passed = "mx.larkfield.test; dmarc=pass header.from=example.com"
    await post.comes(PROBLEM, to=STRICT)
    await post.comes(PROBLEM, to=STRICT, Authentication_Results=passed, From="nagios@elsewhere.example")
    assert post.incidents() == []
    assert len(set(post.told("TOCSIN"))) == 1
    assert "does not allow" in post.told("TOCSIN")[0]

    await post.comes(PROBLEM, to=STRICT, Authentication_Results=passed)
    assert post.incidents() == [PROBLEM]


@pytest.mark.parametrize(
    "to",
    [
        OWN,
        "pages+wrong-key-00123456789@larkfield.test",
        f"pages+{key_of('email')}@elsewhere.test",
        f"xpages+{key_of('email')}@larkfield.test",
        f"pages+{key_of('email')}@larkfield.test.evil.example",
        f"pages+{key_of('email')}x@larkfield.test",
        f"other+{key_of('email')}@larkfield.test",
    ],
)
async def test_another_address_is_no_monitors(post: Post, to: str):
    await post.comes(PROBLEM, to=to)

    assert post.incidents() == []


async def test_an_answer_of_a_person_stays_one_even_when_a_monitor_gets_a_copy(post: Post):
    await post.engine.declare(title="x", situation="SHOP_DOWN", severity=None, by="person:bob")
    stamp = post.engine.clock.now().timestamp()
    page = OutboxRow(
        message_id=f"{post.engine.epoch}.INC-1.x.r1.ana", incident_id="INC-1", escalation=None, kind="page",
        channel="email", contact="ana", address="ana@people.test", language="en", text="SEV1", code="ABCDE",
        drill=False, priority=1, due_at=stamp, state="delivered", created_at=stamp, updated_at=stamp,
    )  # fmt: skip
    post.engine.database.write_now(lambda tx: outbox.insert(tx, [page]))
    token = MailAddresses(OWN, post.engine._sign_mail).header_id(page.incident_id, page.code, page.message_id)

    await post.comes("Re: SEV1", text="take", to=f"{OWN}, {NAGIOS}", From="ana@people.test", In_Reply_To=token)

    assert (await post.engine.show("INC-1"))["commander"] == "ana"
    assert post.incidents() == ["x"]


async def test_a_bounce_to_a_monitors_address_is_no_alert(post: Post):
    await post.comes("Undelivered Mail Returned to Sender", From="MAILER-DAEMON@example.com")
    await post.comes("Delivery failure", Content_Type='multipart/report; boundary="b"')

    assert post.incidents() == []


async def test_a_mapping_reads_subject_and_text(post: Post):
    await post.comes("db1 is down", to=MAPPED, text="This is urgent.")
    assert (await post.engine.show("INC-1"))["severity"] == "SEV1"

    await post.comes("db1 is up", to=MAPPED)
    assert await post.firing() == [False]
    await post.comes("", to=MAPPED)
    assert post.incidents() == ["db1 is down"]
    assert any("does not fit its mapping" in each for each in post.told("TOCSIN"))


async def test_mail_that_could_not_be_kept_is_to_be_given_again(post: Post, monkeypatch: pytest.MonkeyPatch):
    async def full(*_: object) -> None:
        raise Overloaded("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(post.engine, "hear", full)
        with pytest.raises(Overloaded):
            await post.comes(PROBLEM, Message_ID="<again@mon>")
    await post.comes(PROBLEM, Message_ID="<again@mon>")

    assert post.incidents() == [PROBLEM]


async def test_mail_that_is_made_to_break_us_is_dropped(post: Post):
    nasty = f"To: {NAGIOS}\r\nContent-Type: multipart/mixed; boundary=a\r\n".encode()
    await post.mailbox.take(nasty + b"boundary=x\r\n" * 1000 + b"\r\n", (), "a@b")
    await post.mailbox.take(f"To: {NAGIOS}\r\nFrom: ".encode() + b"<" * 100_000 + b"\r\n\r\n", (), "a@b")

    assert post.incidents() == []


async def test_the_operators_hear_that_a_monitor_waits_for_mail_in_vain(post: Post):
    deaf = Mailbox(post.engine, None, post.engine._sign_mail)

    await deaf.start()
    await deaf.start()

    (told,) = set(post.told("TOCSIN"))
    assert "our-email, strict, mapped waits for mail" in told
