"""Paging the people who run Tocsin when Tocsin itself is in trouble. Needs no incident and no fold."""

from datetime import datetime

from contacts.directory import ChannelKind, Directory
from engine.compose import reader_of
from notifications.wording import message_code, notice_text
from runbooks.plan import Plan
from storage import outbox
from storage.database import Tx
from storage.outbox import OutboxRow

TROUBLE = "TOCSIN"
"""Stands where the incident id stands in messages about Tocsin itself."""


def page_operators(
    tx: Tx, epoch: int, plan: Plan, directory: Directory, subject: str, sentence: str, now: datetime
) -> list[OutboxRow]:
    """One message to every operator on every channel they have. The same subject a second time adds nothing."""
    rows: list[OutboxRow] = []
    for reference in plan.operators:
        contact = directory.resolve(reference)
        if contact is None:
            continue
        for channel in contact.channels:
            message_id = f"{epoch}.{TROUBLE}.{subject}.{contact.id}.{channel.kind}"
            reader = reader_of(contact)
            text = notice_text(
                ChannelKind(channel.kind), f"Tocsin: {sentence}", message_id=message_id, language=reader.language
            )
            rows.append(
                OutboxRow(
                    message_id=message_id,
                    incident_id=TROUBLE,
                    escalation=None,
                    kind="page",
                    channel=channel.kind,
                    contact=contact.id,
                    address=channel.to,
                    language=contact.language,
                    text=text,
                    code=message_code(message_id),
                    drill=False,
                    priority=0,
                    due_at=now.timestamp(),
                    created_at=now.timestamp(),
                    updated_at=now.timestamp(),
                )
            )
    outbox.insert(tx, rows)
    return rows
