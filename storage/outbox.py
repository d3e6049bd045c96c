"""The outbox: every effect on the outside world, from the commit that wants it to the provider's last word.

pending -> sending -> sent -> delivered -> read, or failed | stale | unknown. Only the pager moves a row to `sending`,
and only the holder of the claim writes its result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx


@dataclass(frozen=True, slots=True)
class OutboxRow:
    message_id: str
    incident_id: str
    escalation: str | None
    kind: str
    channel: str
    contact: str
    address: str
    language: str
    text: str
    code: str
    drill: bool
    priority: int
    """Smaller goes first: first pages before repeats before everything else, and worse severities before milder."""
    due_at: float
    state: str = "pending"
    claim: str | None = None
    attempts: int = 0
    provider_id: str | None = None
    detail: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    provider: str | None = None
    """Who carries it; None for the first provider of its channel."""
    bundle: str | None = None
    """The message in which it was told together with others."""


_COLUMNS = (
    "message_id, incident_id, escalation, kind, channel, contact, address, language, text, code, drill, priority, "
    "due_at, state, claim, attempts, provider_id, detail, created_at, updated_at, provider, bundle"
)
_INSERT = f"INSERT INTO outbox ({_COLUMNS}) VALUES ({', '.join('?' * 22)}) ON CONFLICT (message_id) DO NOTHING"
# Test pages and word of Tocsin's own trouble have no escalation.
_PAGE_THAT_LEFT = (
    "(kind = 'bundle' OR (kind = 'page' AND escalation IS NOT NULL)) "
    "AND state IN ('sending', 'sent', 'delivered', 'read', 'unknown')"
)
_RANKS = {
    "pending": 0,
    "sending": 0,
    "stale": 0,
    "bundled": 0,
    "unknown": 1,
    "sent": 2,
    "failed": 3,
    "delivered": 4,
    "read": 5,
}
TERMINAL = ("failed", "stale", "delivered", "read")


def goes_on(current: str, wanted: str) -> bool:
    """Whether a report moves a row from one state to another: the lattice of delivery, whatever the order."""
    return _RANKS[wanted] > _RANKS.get(current, 0)


def insert(tx: Tx, rows: Sequence[OutboxRow]) -> None:
    """Add rows. A row whose message id exists already is left as it is: asking twice is harmless."""
    tx.many(_INSERT, [_values(row) for row in rows])


def _values(row: OutboxRow) -> tuple[object, ...]:
    return (
        row.message_id,
        row.incident_id,
        row.escalation,
        row.kind,
        row.channel,
        row.contact,
        row.address,
        row.language,
        row.text,
        row.code,
        int(row.drill),
        row.priority,
        row.due_at,
        row.state,
        row.claim,
        row.attempts,
        row.provider_id,
        row.detail,
        row.created_at,
        row.updated_at,
        row.provider,
        row.bundle,
    )


def due(tx: Tx, now: float, limit: int, besides: Sequence[str] = ()) -> list[OutboxRow]:
    """Pending rows whose time has come, most pressing first, but for the channels in `besides`."""
    others = f"AND channel NOT IN ({', '.join('?' * len(besides))}) " if besides else ""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM outbox WHERE state = 'pending' AND due_at <= ? {others}"
        "ORDER BY priority, due_at LIMIT ?",
        (now, *besides, limit),
    )
    return [_row(row) for row in rows]


def claim(tx: Tx, message_ids: Sequence[str], claimed_by: str, lease_until: float, now: float) -> list[OutboxRow]:
    """Take pending rows for sending. Returns those that were still pending; the others are somebody else's or stale."""
    if not message_ids:
        return []
    rows = tx.all(
        "UPDATE outbox SET state = 'sending', claim = ?, lease_until = ?, attempts = attempts + 1, updated_at = ? "
        f"WHERE message_id IN ({', '.join('?' * len(message_ids))}) AND state = 'pending' RETURNING {_COLUMNS}",
        (claimed_by, lease_until, now, *message_ids),
    )
    taken = {str(row[0]): _row(row) for row in rows}
    return [taken[message_id] for message_id in message_ids if message_id in taken]


def finish(
    tx: Tx, message_id: str, claimed_by: str, state: str, provider_id: str | None, detail: str | None, now: float
) -> bool:
    """Write a claim's result. False when the claim was lost meanwhile; the fact is then kept by the caller."""
    changed = tx.execute(
        "UPDATE outbox SET state = ?, provider_id = COALESCE(?, provider_id), detail = ?, lease_until = NULL, "
        "updated_at = ? WHERE message_id = ? AND state = 'sending' AND claim = ?",
        (state, provider_id, detail, now, message_id, claimed_by),
    )
    return changed > 0


def set_state(tx: Tx, message_id: str, state: str, provider_id: str | None, now: float) -> None:
    """A provider's later word (delivered, read, failed) about a row, whoever claimed it."""
    tx.execute(
        "UPDATE outbox SET state = ?, provider_id = COALESCE(?, provider_id), updated_at = ? WHERE message_id = ?",
        (state, provider_id, now, message_id),
    )


def give_back(tx: Tx, message_id: str, claimed_by: str, now: float) -> None:
    """Return a row that was claimed and certainly not sent."""
    tx.execute(
        "UPDATE outbox SET state = 'pending', claim = NULL, lease_until = NULL, updated_at = ? "
        "WHERE message_id = ? AND state = 'sending' AND claim = ?",
        (now, message_id, claimed_by),
    )


def postpone(tx: Tx, message_id: str, claimed_by: str, due_at: float, detail: str, now: float) -> None:
    """Return a row that was certainly not sent, to be tried at `due_at`."""
    tx.execute(
        "UPDATE outbox SET state = 'pending', claim = NULL, lease_until = NULL, due_at = ?, detail = ?, updated_at = ? "
        "WHERE message_id = ? AND state = 'sending' AND claim = ?",
        (due_at, detail, now, message_id, claimed_by),
    )


def expired(tx: Tx, now: float, limit: int) -> list[OutboxRow]:
    """Rows whose claim has run out: nobody knows whether they left."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE state = 'sending' AND lease_until <= ? LIMIT ?", (now, limit))
    return [_row(row) for row in rows]


def orphaned(tx: Tx, claimed_by: str) -> list[OutboxRow]:
    """Rows claimed by anybody but `claimed_by`: with one engine a home, by a process that is gone."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE state = 'sending' AND claim <> ?", (claimed_by,))
    return [_row(row) for row in rows]


def unknown_since(tx: Tx, since: float, limit: int) -> list[OutboxRow]:
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE state = 'unknown' AND updated_at >= ? LIMIT ?", (since, limit))
    return [_row(row) for row in rows]


def hold(tx: Tx, message_id: str, until: float, now: float) -> None:
    """A pending row is not looked at before then."""
    tx.execute(
        "UPDATE outbox SET due_at = ?, updated_at = ? WHERE message_id = ? AND state = 'pending'",
        (until, now, message_id),
    )


def bundle(tx: Tx, whole: OutboxRow, message_ids: Sequence[str], now: float) -> int:
    """Pending rows go out in one message, `whole`. Returns how many were still pending; with none nothing is added."""
    joined = tx.execute(
        f"UPDATE outbox SET state = 'bundled', bundle = ?, updated_at = ? "
        f"WHERE message_id IN ({', '.join('?' * len(message_ids))}) AND state = 'pending'",
        (whole.message_id, now, *message_ids),
    )
    if joined:
        insert(tx, [whole])
    return joined


def bundled_in(tx: Tx, message_id: str) -> list[OutboxRow]:
    """The pages that one message told together."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE bundle = ? ORDER BY priority, created_at", (message_id,))
    return [_row(row) for row in rows]


def left_for(tx: Tx, addresses: Sequence[str], since: float) -> list[tuple[str, str, float]]:
    """(channel, address, when) of what left for these addresses since then, oldest first."""
    rows = tx.all(
        "SELECT channel, address, updated_at FROM outbox "
        f"WHERE address IN ({', '.join('?' * len(addresses))}) AND created_at >= ? "
        "AND kind IN ('page', 'bundle') AND bundle IS NULL "
        "AND state IN ('sending', 'sent', 'delivered', 'read', 'unknown') ORDER BY updated_at",
        (*addresses, since),
    )
    return [(str(row[0]), str(row[1]), float(row[2])) for row in rows]


def withhold(tx: Tx, address: str, because: str, now: float) -> list[OutboxRow]:
    """What waits for this address will not leave. Returns the pages of incidents among it, which have failed."""
    pages = tx.all(
        "UPDATE outbox SET state = 'failed', detail = ?, updated_at = ? WHERE address = ? AND state = 'pending' "
        f"AND kind = 'page' AND escalation IS NOT NULL RETURNING {_COLUMNS}",
        (because, now, address),
    )
    tx.execute(
        "UPDATE outbox SET state = 'stale', detail = ?, updated_at = ? WHERE address = ? AND state = 'pending'",
        (because, now, address),
    )
    return [_row(row) for row in pages]


def make_stale(tx: Tx, incident_id: str, escalation: str, now: float) -> list[OutboxRow]:
    """Pending pages of an escalation will not leave. Returns calls already handed over, to be cancelled."""
    tx.execute(
        "UPDATE outbox SET state = 'stale', updated_at = ? "
        "WHERE incident_id = ? AND escalation = ? AND state = 'pending'",
        (now, incident_id, escalation),
    )
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM outbox WHERE incident_id = ? AND escalation = ? AND channel = 'voice' "
        "AND state = 'sent' AND provider_id IS NOT NULL",
        (incident_id, escalation),
    )
    return [_row(row) for row in rows]


def make_stale_for(tx: Tx, incident_id: str, contacts: Sequence[str], now: float) -> list[OutboxRow]:
    """Nothing that is pending of this incident will leave for these contacts. Returns calls to be cancelled."""
    among = f"incident_id = ? AND contact IN ({', '.join('?' * len(contacts))})"
    tx.execute(
        f"UPDATE outbox SET state = 'stale', updated_at = ? WHERE {among} AND state = 'pending'",
        (now, incident_id, *contacts),
    )
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM outbox WHERE {among} AND channel = 'voice' AND state = 'sent' "
        "AND provider_id IS NOT NULL",
        (incident_id, *contacts),
    )
    return [_row(row) for row in rows]


def make_all_stale(tx: Tx, now: float) -> int:
    """After a restore nothing that was pending leaves by itself: it is decided again. Returns how many."""
    return tx.execute("UPDATE outbox SET state = 'stale', updated_at = ? WHERE state IN ('pending', 'sending')", (now,))


def get(tx: Tx, message_id: str) -> OutboxRow | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM outbox WHERE message_id = ?", (message_id,))
    return None if row is None else _row(row)


def latest_to(tx: Tx, address: str, incident_id: str | None = None) -> OutboxRow | None:
    """The last page of an incident that left for this address, or may have left; of one incident or of any."""
    where, more = ("AND incident_id = ? ", (incident_id,)) if incident_id is not None else ("", ())
    row = tx.one(
        f"SELECT {_COLUMNS} FROM outbox WHERE address = ? AND {_PAGE_THAT_LEFT} {where}"
        "ORDER BY created_at DESC, message_id DESC LIMIT 1",
        (address, *more),
    )
    return None if row is None else _row(row)


def open_incidents_paged(tx: Tx, address: str, since: float) -> list[str]:
    """Open incidents of which a page left for this address since then, or may have left; the oldest first."""
    rows = tx.all(
        "SELECT id FROM incidents WHERE is_open = 1 AND id IN "
        f"(SELECT incident_id FROM outbox WHERE address = ? AND created_at >= ? AND {_PAGE_THAT_LEFT}) ORDER BY number",
        (address, since),
    )
    return [str(row[0]) for row in rows]


def of_incident(tx: Tx, incident_id: str) -> list[OutboxRow]:
    rows = tx.all(f"SELECT {_COLUMNS} FROM outbox WHERE incident_id = ? ORDER BY created_at", (incident_id,))
    return [_row(row) for row in rows]


def counts(tx: Tx) -> dict[str, int]:
    return {str(state): int(count) for state, count in tx.all("SELECT state, COUNT(*) FROM outbox GROUP BY state")}


def unreached(tx: Tx) -> list[str]:
    """Open incidents that nobody has taken and whose every page has failed: nobody knows of them."""
    rows = tx.all(
        "SELECT o.incident_id FROM outbox AS o JOIN incidents AS i ON i.id = o.incident_id "
        "WHERE i.is_open = 1 AND i.commander IS NULL AND o.kind = 'page' GROUP BY o.incident_id "
        "HAVING SUM(o.state = 'failed') > 0 AND SUM(o.state NOT IN ('failed', 'stale', 'pending', 'sending')) = 0 "
        "ORDER BY MIN(i.number)"
    )
    return [str(row[0]) for row in rows]


def oldest_due(tx: Tx) -> float | None:
    row = tx.one("SELECT MIN(due_at) FROM outbox WHERE state = 'pending'")
    return None if row is None or row[0] is None else float(row[0])


def _row(row: tuple[object, ...]) -> OutboxRow:
    values = list(row)
    values[10] = bool(values[10])
    return OutboxRow(*values)  # type: ignore[arg-type]  # the column list above is in the order of the fields


def coded(tx: Tx, incident_id: str, channel: str, code: str) -> list[OutboxRow]:
    """The messages of an incident with this code of their own: nearly always one, for a code is a digest."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM outbox WHERE incident_id = ? AND channel = ? AND code = ? LIMIT 5",
        (incident_id, channel, code),
    )
    return [_row(row) for row in rows]
