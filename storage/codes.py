"""Reply codes: the small number by which an incident is named in an SMS to one phone, as GoAlert's users know them.

A phone's codes go round: one whose incident has ended is given again only after all others, so that a late answer to
an old message says something about the old incident. From 100 on a code stands for several incidents that were told in
one message.
"""

from collections.abc import Sequence

from storage.database import Tx

BUNDLES_FROM = 100
_MOST = 99
_MOST_BUNDLES = 999


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
    latest = _latest(tx, address, 1, _MOST)
    free = next((code for code in (*range(latest + 1, _MOST + 1), *range(1, latest + 1)) if code not in taken), None)
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
    latest = _latest(tx, address, BUNDLES_FROM, _MOST_BUNDLES)
    code = BUNDLES_FROM if latest == _MOST_BUNDLES else max(latest + 1, BUNDLES_FROM)
    _give(tx, address, code, together, now)
    return code


def incidents_of(tx: Tx, address: str, code: int) -> list[str]:
    """The incidents that this code means on this phone; empty for a code that it never had."""
    row = tx.one("SELECT incidents FROM reply_codes WHERE address = ? AND code = ?", (address, code))
    return [] if row is None else str(row[0]).split()


def _latest(tx: Tx, address: str, lowest: int, highest: int) -> int:
    """The code that this phone was given last, within bounds; 0 when there is none."""
    row = tx.one(
        "SELECT code FROM reply_codes WHERE address = ? AND code BETWEEN ? AND ? "
        "ORDER BY made_at DESC, code DESC LIMIT 1",
        (address, lowest, highest),
    )
    return 0 if row is None else int(row[0])


def _give(tx: Tx, address: str, code: int, incidents: str, now: float) -> None:
    tx.execute(
        "INSERT INTO reply_codes (address, code, incidents, made_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (address, code) DO UPDATE SET incidents = excluded.incidents, made_at = excluded.made_at",
        (address, code, incidents, now),
    )
