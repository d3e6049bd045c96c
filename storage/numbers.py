"""What is known of addresses beside contacts.yaml: which are taken out by STOP, and which have been proven."""

from storage.database import Tx


def take_out(tx: Tx, address: str, because: str, now: float) -> None:
    """No page goes to this address until `put_back`. The second time the first reason stays."""
    tx.execute(
        "INSERT INTO addresses_out (address, since, because) VALUES (?, ?, ?) ON CONFLICT (address) DO NOTHING",
        (address, now, because),
    )


def put_back(tx: Tx, address: str) -> bool:
    """Whether it was out."""
    return tx.execute("DELETE FROM addresses_out WHERE address = ?", (address,)) > 0


def out(tx: Tx) -> dict[str, tuple[float, str]]:
    """address -> (since, because)."""
    return {str(row[0]): (float(row[1]), str(row[2])) for row in tx.all("SELECT * FROM addresses_out")}


def ask_for_proof(tx: Tx, channel: str, address: str, contact: str, code: str, now: float) -> None:
    """A code is on its way to this address; an earlier one is void."""
    tx.execute(
        "INSERT INTO proofs (channel, address, contact, code, asked_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (channel, address) DO UPDATE SET contact = excluded.contact, code = excluded.code, "
        "asked_at = excluded.asked_at",
        (channel, address, contact, code, now),
    )


def asked(tx: Tx) -> dict[tuple[str, str], float]:
    """(channel, address) -> when a code was last sent there."""
    rows = tx.all("SELECT channel, address, asked_at FROM proofs WHERE asked_at IS NOT NULL")
    return {(str(row[0]), str(row[1])): float(row[2]) for row in rows}


def is_on_its_way(tx: Tx, code: str) -> bool:
    """Whether this code was sent to some address, and is neither used nor void."""
    return tx.one("SELECT 1 FROM proofs WHERE code = ?", (code,)) is not None


def code_of(tx: Tx, channel: str, address: str) -> str | None:
    """The code that was sent to this address and is neither used nor void."""
    row = tx.one("SELECT code FROM proofs WHERE channel = ? AND address = ?", (channel, address))
    return None if row is None or row[0] is None else str(row[0])


def prove(tx: Tx, code: str, since: float, now: float) -> tuple[str, str, str] | None:
    """(channel, address, contact) of the address to which this code was sent since then; it is proven now. A code is
    good once; None for one that is wrong, used or too old."""
    row = tx.one("SELECT channel, address, contact FROM proofs WHERE code = ? AND asked_at >= ?", (code, since))
    if row is None:
        return None
    tx.execute("UPDATE proofs SET code = NULL, proven_at = ? WHERE channel = ? AND address = ?", (now, row[0], row[1]))
    return str(row[0]), str(row[1]), str(row[2])


def proven(tx: Tx) -> dict[tuple[str, str], float]:
    """(channel, address) -> when its owner last proved that it reaches them."""
    rows = tx.all("SELECT channel, address, proven_at FROM proofs WHERE proven_at IS NOT NULL")
    return {(str(row[0]), str(row[1])): float(row[2]) for row in rows}
