"""The log and its read model: append events to an incident, load them, list incidents. Runs inside a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incidents.events import SCHEMA, ContactsImplicated, Event, decode, encode, stored_kind
from incidents.state import Incident
from storage.database import Tx


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One line of the read model."""

    id: str
    version: int
    title: str
    severity: str
    status: str
    situation: str
    drill: bool
    round: int
    commander: str | None
    plan_version: str
    declared_at: float
    next_update_by: float | None
    next_due_at: float | None
    is_open: bool
    quarantined: str | None


_COLUMNS = (
    "id, version, title, severity, status, situation, drill, round, commander, plan_version, declared_at, "
    "next_update_by, next_due_at, is_open, quarantined"
)


def next_number(tx: Tx) -> int:
    row = tx.one("SELECT MAX(number) FROM incidents")
    return 1 if row is None or row[0] is None else int(row[0]) + 1


def version_of(tx: Tx, incident_id: str) -> tuple[int, str | None] | None:
    """(version, why it is quarantined) of the incident, or None when there is none."""
    row = tx.one("SELECT version, quarantined FROM incidents WHERE id = ?", (incident_id,))
    return None if row is None else (int(row[0]), row[1])


def load_events(tx: Tx, incident_id: str, after: int = 0) -> list[Event]:
    """The events after version `after`, in order. Raises ValueError for a body that cannot be read."""
    rows = tx.all(
        "SELECT kind, schema, body FROM events WHERE incident_id = ? AND version > ? ORDER BY version",
        (incident_id, after),
    )
    return [decode(kind, schema, body) for kind, schema, body in rows]


def append(tx: Tx, incident: Incident, events: Sequence[Event]) -> None:
    """Append events whose fold ends in `incident`. The key is the safety net against a second writer."""
    first = incident.version - len(events) + 1
    tx.many(
        "INSERT INTO events (incident_id, version, at, schema, kind, body) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (incident.id, first + offset, event.at.timestamp(), SCHEMA, stored_kind(event), encode(event))
            for offset, event in enumerate(events)
        ],
    )


def insert_incident(tx: Tx, incident: Incident, number: int, next_due_at: datetime | None) -> None:
    tx.execute(
        "INSERT INTO incidents (id, number, version, title, severity, status, situation, drill, round, commander, "
        "plan_version, declared_at, next_update_by, next_due_at, is_open) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            incident.id,
            number,
            incident.version,
            incident.title,
            incident.severity.value,
            incident.status.value,
            incident.situation,
            int(incident.drill),
            incident.round,
            incident.commander,
            incident.plan_version,
            incident.declared_at.timestamp(),
            _stamp(incident.next_update_by),
            _stamp(next_due_at),
            int(incident.status.is_open),
        ),
    )


def update_incident(tx: Tx, incident: Incident, next_due_at: datetime | None) -> None:
    tx.execute(
        "UPDATE incidents SET version = ?, title = ?, severity = ?, status = ?, round = ?, commander = ?, "
        "plan_version = ?, next_update_by = ?, next_due_at = ?, is_open = ? WHERE id = ?",
        (
            incident.version,
            incident.title,
            incident.severity.value,
            incident.status.value,
            incident.round,
            incident.commander,
            incident.plan_version,
            _stamp(incident.next_update_by),
            _stamp(next_due_at),
            int(incident.status.is_open),
            incident.id,
        ),
    )


def set_next_due(tx: Tx, incident_id: str, at: float | None) -> None:
    tx.execute("UPDATE incidents SET next_due_at = ? WHERE id = ?", (at, incident_id))


def quarantine(tx: Tx, incident_id: str, because: str) -> bool:
    """Set an incident that cannot be folded aside. Returns whether this call did it."""
    changed = tx.execute(
        "UPDATE incidents SET quarantined = ?, next_due_at = NULL WHERE id = ? AND quarantined IS NULL",
        (because, incident_id),
    )
    return changed > 0


def due_incidents(tx: Tx, now: float, limit: int) -> list[tuple[str, float]]:
    rows = tx.all(
        "SELECT id, next_due_at FROM incidents WHERE next_due_at <= ? ORDER BY next_due_at LIMIT ?", (now, limit)
    )
    return [(str(each[0]), float(each[1])) for each in rows]


def next_due(tx: Tx) -> float | None:
    """When the tick must look again, or None."""
    row = tx.one("SELECT MIN(next_due_at) FROM incidents WHERE next_due_at IS NOT NULL")
    return None if row is None or row[0] is None else float(row[0])


def incident_row(tx: Tx, incident_id: str) -> IncidentRow | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM incidents WHERE id = ?", (incident_id,))
    return None if row is None else _row(row)


def incident_rows(tx: Tx, *, only_open: bool, limit: int) -> list[IncidentRow]:
    """All, the newest first; or the open ones, worst severity first and then the newest, so that a storm of lesser ones
    pushes none of the worst beyond the limit."""
    which = "WHERE is_open = 1 ORDER BY severity, number DESC" if only_open else "ORDER BY number DESC"
    rows = tx.all(f"SELECT {_COLUMNS} FROM incidents {which} LIMIT ?", (limit,))
    return [_row(row) for row in rows]


def open_rows_for(tx: Tx, contact: str, limit: int) -> list[IncidentRow]:
    """The worst open incidents, then the newest, that this contact may see: not those that they are left out of."""
    hidden = _left_out_of(tx, contact)
    rows = incident_rows(tx, only_open=True, limit=limit + len(hidden))
    return [row for row in rows if row.id not in hidden][:limit]


def _left_out_of(tx: Tx, contact: str) -> frozenset[str]:
    rows = tx.all(
        "SELECT e.incident_id, e.kind, e.schema, e.body FROM incidents i JOIN events e ON e.incident_id = i.id "
        "WHERE i.is_open = 1 AND e.kind = ?",
        (ContactsImplicated.__name__,),
    )
    return frozenset(incident for incident, *stored in rows if _names(contact, *stored))


def _names(contact: str, kind: str, schema: int, body: bytes | str) -> bool:
    """Whether this event leaves the contact out; if it cannot be read, whether it says their name at all."""
    try:
        event = decode(kind, schema, body)
    except ValueError:
        return contact in (body if isinstance(body, str) else body.decode(errors="replace"))
    return isinstance(event, ContactsImplicated) and contact in event.contacts


def due_rows(tx: Tx, until: float, limit: int) -> list[IncidentRow]:
    """Open incidents with something due until then, worst severity first, then longest due."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM incidents WHERE next_due_at <= ? AND is_open = 1 "
        "ORDER BY severity, next_due_at LIMIT ?",
        (until, limit),
    )
    return [_row(row) for row in rows]


def open_ids(tx: Tx) -> list[str]:
    """Open incidents, oldest first, without those that were set aside."""
    rows = tx.all("SELECT id FROM incidents WHERE is_open = 1 AND quarantined IS NULL ORDER BY number")
    return [str(row[0]) for row in rows]


def all_ids(tx: Tx) -> list[str]:
    return [str(row[0]) for row in tx.all("SELECT DISTINCT incident_id FROM events")]


def quarantined(tx: Tx) -> dict[str, str]:
    rows = tx.all("SELECT id, quarantined FROM incidents WHERE quarantined IS NOT NULL")
    return {str(incident_id): str(because) for incident_id, because in rows}


def counts(tx: Tx) -> dict[str, int]:
    rows = tx.all("SELECT severity, COUNT(*) FROM incidents WHERE is_open = 1 GROUP BY severity")
    return {str(severity): int(count) for severity, count in rows}


def _row(row: tuple[object, ...]) -> IncidentRow:
    values = list(row)
    values[6] = bool(values[6])
    values[13] = bool(values[13])
    return IncidentRow(*values)  # type: ignore[arg-type]  # the column list above is in the order of the fields


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
