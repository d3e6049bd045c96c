"""Reply codes: the small number by which an incident is named in an SMS to one phone, as GoAlert's users know them.

A code is the lowest free one of its phone, and free again when its incident has ended. From 100 on a code stands for
several incidents that were told in one message.
"""

from collections.abc import Sequence

from storage.database import Tx

BUNDLES_FROM = 100
_MOST = 99


def code_for(tx: Tx, address: str, incident_id: str, now: float) -> int | None:
    """The code of this incident on this phone, made when there is none; None when a phone has all 99 in use."""
    known = tx.one(
        "SELECT code FROM reply_codes WHERE address = ? AND incidents = ? AND code < ?",
        (address, incident_id, BUNDLES_FROM),
    )
    if known is not None:
        return int(known[0])
    rows = tx.all(
        "SELECT r.code FROM reply_codes AS r JOIN incidents AS i ON i.id = r.incidents "
        "WHERE r.address = ? AND r.code < ? AND i.is_open = 1",
        (address, BUNDLES_FROM),
    )
    taken = {int(row[0]) for row in rows}
    free = next((code for code in range(1, _MOST + 1) if code not in taken), None)
    if free is not None:
        _give(tx, address, free, incident_id, now)
    return free


def known_code(tx: Tx, address: str, incident_id: str) -> int | None:
    """The code by which this phone names the incident, or None."""
    row = tx.one("SELECT code FROM reply_codes WHERE address = ? AND incidents = ?", (address, incident_id))
    return None if row is None else int(row[0])


def bundle_code_for(tx: Tx, address: str, incidents: Sequence[str], now: float) -> int:
    """A code from 100 on for several incidents; the same incidents keep theirs."""
    together = " ".join(incidents)
    known = tx.one("SELECT code FROM reply_codes WHERE address = ? AND incidents = ?", (address, together))
    if known is not None:
        return int(known[0])
    latest = tx.one("SELECT MAX(code) FROM reply_codes WHERE address = ? AND code >= ?", (address, BUNDLES_FROM))
    code = BUNDLES_FROM if latest is None or latest[0] is None else int(latest[0]) + 1
    if code > 999:
        code = BUNDLES_FROM
    _give(tx, address, code, together, now)
    return code


def incidents_of(tx: Tx, address: str, code: int) -> list[str]:
    """The incidents that this code means on this phone; empty for a code that it never had."""
    row = tx.one("SELECT incidents FROM reply_codes WHERE address = ? AND code = ?", (address, code))
    return [] if row is None else str(row[0]).split()


def _give(tx: Tx, address: str, code: int, incidents: str, now: float) -> None:
    tx.execute(
        "INSERT INTO reply_codes (address, code, incidents, made_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (address, code) DO UPDATE SET incidents = excluded.incidents, made_at = excluded.made_at",
        (address, code, incidents, now),
    )
