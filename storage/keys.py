"""Open keys: which open incident a signal folds into, and the raw signals that opened or changed one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.database import Row, Tx


@dataclass(frozen=True, slots=True)
class OpenKey:
    incident_id: str
    count: int
    firing: bool
    """As its incident has it: a key that flaps is held as firing."""
    severity: str
    changes: tuple[float, ...] = ()
    """When it last changed between firing and recovered; as many as the rule of flapping asks for."""
    flapping_since: float | None = None
    said_firing: bool = True
    """What its sender said last, while it flaps."""


_COLUMNS = "incident_id, count, firing, severity, changes, flapping_since, said_firing"


def lookup(tx: Tx, dedup_key: str) -> OpenKey | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM open_keys WHERE dedup_key = ?", (dedup_key,))
    return None if row is None else _open_key(row)


def standing(tx: Tx, dedup_keys: Sequence[str]) -> dict[str, tuple[OpenKey, int, str | None]]:
    """Those of the keys that are open, each with its incident's version and why that is quarantined."""
    rows = tx.all(
        "SELECT k.incident_id, k.count, k.firing, k.severity, k.changes, k.flapping_since, k.said_firing, "
        "k.dedup_key, i.version, i.quarantined FROM open_keys AS k JOIN incidents AS i ON i.id = k.incident_id "
        f"WHERE k.dedup_key IN ({', '.join('?' * len(dedup_keys))})",
        tuple(dedup_keys),
    )
    return {row[7]: (_open_key(row), row[8], row[9]) for row in rows}


def open_key(
    tx: Tx,
    dedup_key: str,
    incident_id: str,
    severity: str,
    now: float,
    ends_at: float | None = None,
    changes: Sequence[float] = (),
) -> None:
    """Point a key at an incident, whatever it pointed at before."""
    tx.execute(
        "INSERT INTO open_keys (dedup_key, incident_id, count, first_at, last_at, firing, severity, ends_at, changes) "
        "VALUES (?, ?, 1, ?, ?, 1, ?, ?, ?) ON CONFLICT (dedup_key) DO UPDATE SET incident_id = excluded.incident_id, "
        "count = open_keys.count + 1, last_at = excluded.last_at, firing = 1, severity = excluded.severity, "
        "ends_at = excluded.ends_at, changes = excluded.changes, flapping_since = NULL, said_firing = NULL",
        (dedup_key, incident_id, now, now, severity, ends_at, _written(changes)),
    )


def count_again(tx: Tx, repeated: Sequence[tuple[str, float | None]], now: float) -> None:
    """Each of these keys was heard once more, with the time at which its sender's word ends by itself, if any."""
    tx.many(
        "UPDATE open_keys SET count = count + 1, last_at = ?, ends_at = ? WHERE dedup_key = ?",
        [(now, ends_at, key) for key, ends_at in repeated],
    )


def recover(tx: Tx, dedup_key: str, now: float, changes: Sequence[float] = ()) -> None:
    """It fires no more, and flaps no more."""
    tx.execute(
        "UPDATE open_keys SET firing = 0, last_at = ?, ends_at = NULL, changes = ?, flapping_since = NULL, "
        "said_firing = NULL WHERE dedup_key = ?",
        (now, _written(changes), dedup_key),
    )


def flap(
    tx: Tx, dedup_key: str, now: float, changes: Sequence[float], since: float, ends_at: float | None, *, firing: bool
) -> None:
    """It flaps: held as firing, while its sender last said `firing`."""
    tx.execute(
        "UPDATE open_keys SET last_at = ?, ends_at = ?, changes = ?, flapping_since = ?, said_firing = ? "
        "WHERE dedup_key = ?",
        (now, ends_at, _written(changes), since, int(firing), dedup_key),
    )


def calm(tx: Tx, dedup_key: str) -> None:
    """It flaps no more, and fires."""
    tx.execute(
        "UPDATE open_keys SET flapping_since = NULL, said_firing = NULL, changes = NULL WHERE dedup_key = ?",
        (dedup_key,),
    )


def endless(tx: Tx, dedup_key: str) -> None:
    """Nobody waits for its repeats any more."""
    tx.execute("UPDATE open_keys SET ends_at = NULL WHERE dedup_key = ?", (dedup_key,))


def flapping(tx: Tx) -> dict[str, OpenKey]:
    rows = tx.all(f"SELECT {_COLUMNS}, dedup_key FROM open_keys WHERE flapping_since IS NOT NULL")
    return {row[7]: _open_key(row) for row in rows}


def ended(tx: Tx, now: float, since: float, patience: float, limit: int) -> list[str]:
    """Firing keys whose sender has not repeated them in time.

    One that was last heard before `since` (we have listened again since then) is given until `patience`.
    """
    rows = tx.all(
        "SELECT dedup_key FROM open_keys WHERE ends_at <= ? AND firing = 1 AND (last_at >= ? OR ? >= ?) "
        "ORDER BY ends_at LIMIT ?",
        (now, since, now, patience, limit),
    )
    return [str(row[0]) for row in rows]


def _open_key(row: Row) -> OpenKey:
    changes = tuple(float(each) for each in row[4].split()) if row[4] else ()
    return OpenKey(row[0], row[1], bool(row[2]), row[3], changes, row[5], row[6] != 0)


def _written(changes: Sequence[float]) -> str | None:
    return " ".join(map(repr, changes)) or None


def repoint(tx: Tx, old: str, new: str) -> None:
    """Merged: what folded into `old` folds into `new` from now on."""
    tx.execute("UPDATE open_keys SET incident_id = ? WHERE incident_id = ?", (new, old))
    tx.execute("UPDATE signal_groups SET incident_id = ? WHERE incident_id = ?", (new, old))


def take_back(tx: Tx, incident_id: str, signals: Mapping[str, bool], severity: str, now: float) -> None:
    """Reopened: what has folded into it before does so again, unless another incident has taken it since."""
    tx.many(
        "INSERT INTO open_keys (dedup_key, incident_id, count, first_at, last_at, firing, severity) "
        "VALUES (?, ?, 0, ?, ?, ?, ?) ON CONFLICT (dedup_key) DO NOTHING",
        [(key, incident_id, now, now, int(firing), severity) for key, firing in signals.items()],
    )


def release(tx: Tx, incident_id: str) -> None:
    """The incident has ended: its keys open a new one next time, and what they muted is looked at again."""
    tx.execute(
        "UPDATE held SET look_at = 0 WHERE held_by IN (SELECT dedup_key FROM open_keys WHERE incident_id = ?)",
        (incident_id,),
    )
    tx.execute("DELETE FROM open_keys WHERE incident_id = ?", (incident_id,))
    tx.execute("DELETE FROM signal_groups WHERE incident_id = ?", (incident_id,))


def of_incident(tx: Tx, incident_id: str) -> list[tuple[str, int, float, float, bool, str]]:
    rows = tx.all(
        "SELECT dedup_key, count, first_at, last_at, firing, severity FROM open_keys WHERE incident_id = ? "
        "ORDER BY first_at",
        (incident_id,),
    )
    return [(row[0], row[1], row[2], row[3], bool(row[4]), row[5]) for row in rows]


def keep_signal(
    tx: Tx, dedup_key: str, incident_id: str, integration: str, action: str, now: float, body: bytes
) -> None:
    """Keep the raw signal that changed something, as it came."""
    tx.execute(
        "INSERT INTO signals (dedup_key, incident_id, integration, action, at, body) VALUES (?, ?, ?, ?, ?, ?)",
        (dedup_key, incident_id, integration, action, now, body),
    )
