"""Messages that belong to no incident: test pages, and word to the operators that Tocsin itself is in trouble."""

from datetime import datetime

from contacts.addresses import ChannelKind, ContactChannel
from contacts.directory import Contact, Directory, Occasion
from engine.compose import reader_of
from incidents.severity import Severity
from notifications.wording import PageFacts, message_code, notice_text, page_text
from runbooks.plan import Plan
from storage import outbox
from storage.database import Tx
from storage.outbox import OutboxRow

TROUBLE, TRIAL = "TOCSIN", "TEST"
"""Stand where an incident's id stands in other messages."""


def page_operators(
    tx: Tx, epoch: int, plan: Plan, directory: Directory, subject: str, sentence: str, now: datetime
) -> list[OutboxRow]:
    """One message to every operator on every channel they have. The same subject a second time adds nothing.

    Gives the messages that are new. Needs no incident and no fold: it works when a log cannot be read.
    """
    occasion = Occasion(now)
    operators = {person.id: person for each in plan.operators for person in directory.resolve(each, occasion).contacts}
    rows: list[OutboxRow] = []
    for contact in operators.values():
        for channel in (each for each in contact.channels if each.to not in directory.live.out):
            message_id = f"{epoch}.{TROUBLE}.{subject}.{contact.id}.{channel.kind}"
            text = notice_text(
                ChannelKind(channel.kind), f"Tocsin: {sentence}", message_id=message_id, language=contact.speaks
            )
            rows.append(_row(TROUBLE, message_id, contact, channel, text, now, drill=False))
    news = [row for row in rows if outbox.get(tx, row.message_id) is None]
    outbox.insert(tx, news)
    return news


def trial_row(epoch: int, contact: Contact, channel: ContactChannel, now: datetime) -> OutboxRow:
    """A page that says that it is a test and asks for no answer."""
    message_id = f"{epoch}.{TRIAL}.{contact.id}.{channel.kind}.{int(now.timestamp() * 1000)}"
    facts = PageFacts(
        message_id=message_id,
        incident=TRIAL,
        severity=Severity.SEV4,
        situation="Test page",
        title="This is a test of your paging channel. Nothing is wrong.",
        declared_at=now,
        contact=contact.id,
        name=contact.name,
        rung=1,
        reader=reader_of(contact),
        drill=True,
        two_way=False,
    )
    return _row(TRIAL, message_id, contact, channel, page_text(ChannelKind(channel.kind), facts), now, drill=True)


def _row(
    about: str, message_id: str, contact: Contact, channel: ContactChannel, text: str, now: datetime, *, drill: bool
) -> OutboxRow:
    stamp = now.timestamp()
    return OutboxRow(
        message_id=message_id,
        incident_id=about,
        escalation=None,
        kind="page",
        channel=channel.kind,
        contact=contact.id,
        address=channel.to,
        language=contact.speaks,
        text=text,
        code=message_code(message_id),
        drill=drill,
        priority=5 if drill else 0,
        due_at=stamp,
        created_at=stamp,
        updated_at=stamp,
    )
