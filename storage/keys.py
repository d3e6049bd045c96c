"""Open keys: which open incident a signal folds into, and the raw signals that opened or changed one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.database import Tx


@dataclass(frozen=True, slots=True)
class OpenKey:
    incident_id: str
    count: int
    firing: bool
    severity: str


def lookup(tx: Tx, dedup_key: str) -> OpenKey | None:
    row = tx.one("SELECT incident_id, count, firing, severity FROM open_keys WHERE dedup_key = ?", (dedup_key,))
    return None if row is None else OpenKey(row[0], row[1], bool(row[2]), row[3])


def standing(tx: Tx, dedup_keys: Sequence[str]) -> dict[str, tuple[OpenKey, int, str | None]]:
    """Those of the keys that are open, each with its incident's version and why that is quarantined."""
    rows = tx.all(
        "SELECT k.dedup_key, k.incident_id, k.count, k.firing, k.severity, i.version, i.quarantined "
        "FROM open_keys AS k JOIN incidents AS i ON i.id = k.incident_id "
        f"WHERE k.dedup_key IN ({', '.join('?' * len(dedup_keys))})",
        tuple(dedup_keys),
    )
    return {row[0]: (OpenKey(row[1], row[2], bool(row[3]), row[4]), row[5], row[6]) for row in rows}


def open_key(tx: Tx, dedup_key: str, incident_id: str, severity: str, now: float) -> None:
    """Point a key at an incident, whatever it pointed at before."""
    tx.execute(
        "INSERT INTO open_keys (dedup_key, incident_id, count, first_at, last_at, firing, severity) "
        "VALUES (?, ?, 1, ?, ?, 1, ?) ON CONFLICT (dedup_key) DO UPDATE SET incident_id = excluded.incident_id, "
        "count = open_keys.count + 1, last_at = excluded.last_at, firing = 1, severity = excluded.severity",
        (dedup_key, incident_id, now, now, severity),
    )


def count_again(tx: Tx, dedup_keys: Sequence[str], now: float) -> None:
    """Each of these was heard once more."""
    tx.many(
        "UPDATE open_keys SET count = count + 1, last_at = ? WHERE dedup_key = ?", [(now, each) for each in dedup_keys]
    )


def set_firing(tx: Tx, dedup_key: str, now: float, *, firing: bool) -> None:
    tx.execute("UPDATE open_keys SET firing = ?, last_at = ? WHERE dedup_key = ?", (int(firing), now, dedup_key))


def repoint(tx: Tx, old: str, new: str) -> None:
    """Merged: what folded into `old` folds into `new` from now on."""
    tx.execute("UPDATE open_keys SET incident_id = ? WHERE incident_id = ?", (new, old))


def take_back(tx: Tx, incident_id: str, signals: Mapping[str, bool], severity: str, now: float) -> None:
    """Reopened: what has folded into it before does so again, unless another incident has taken it since."""
    tx.many(
        "INSERT INTO open_keys (dedup_key, incident_id, count, first_at, last_at, firing, severity) "
        "VALUES (?, ?, 0, ?, ?, ?, ?) ON CONFLICT (dedup_key) DO NOTHING",
        [(key, incident_id, now, now, int(firing), severity) for key, firing in signals.items()],
    )


def release(tx: Tx, incident_id: str) -> None:
    """The incident has ended: its keys open a new one next time."""
    tx.execute("DELETE FROM open_keys WHERE incident_id = ?", (incident_id,))


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
