"""Several pages to one phone as one message: what it says, and by which code all of them are answered."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contacts.addresses import ChannelKind
from incidents.severity import Severity
from notifications.wording import Reader, bundle_spoken, bundle_text, message_code
from storage import codes, log
from storage.database import Tx
from storage.outbox import OutboxRow

BUNDLE = "BUNDLE"
"""Stands where an incident's id stands in other messages."""


def bundle_row(tx: Tx, rows: Sequence[OutboxRow], now: datetime) -> OutboxRow:
    """The one message in place of these pages, which go to the same address; they are its members from then on."""
    first = rows[0]
    told = [_told(tx, each) for each in dict.fromkeys(row.incident_id for row in rows)]
    incidents = [incident for incident, _, _ in told]
    code = codes.bundle_code_for(tx, first.address, incidents, now.timestamp())
    members = hashlib.sha256("\n".join(row.message_id for row in rows).encode()).hexdigest()[:16]
    message_id = f"{first.message_id.split('.', 1)[0]}.{BUNDLE}.{members}"
    reader = Reader("es" if first.language == "es" else "en")
    voice = first.channel == ChannelKind.VOICE
    text = (
        bundle_spoken(told, reader, drill=first.drill)
        if voice
        else bundle_text(told, code, message_id, reader, drill=first.drill)
    )
    stamp = now.timestamp()
    return replace(
        first,
        message_id=message_id,
        incident_id=BUNDLE,
        escalation=None,
        kind="bundle",
        text=text,
        code=message_code(message_id),
        priority=min(row.priority for row in rows),
        due_at=stamp,
        state="pending",
        claim=None,
        attempts=0,
        provider_id=None,
        created_at=stamp,
        updated_at=stamp,
        bundle=None,
    )


def _told(tx: Tx, incident_id: str) -> tuple[str, Severity, str]:
    row = log.incident_row(tx, incident_id)
    if row is None:
        return incident_id, Severity.SEV1, ""
    return incident_id, Severity(row.severity), row.title
