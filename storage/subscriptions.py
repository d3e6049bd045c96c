"""Browsers that ring: what each gave us when its owner subscribed it. One row a browser name of a contact."""

from dataclasses import dataclass

from storage.database import Tx


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    contact: str
    name: str
    endpoint: str
    p256dh: str
    auth: str
    since: float


_COLUMNS = "contact, name, endpoint, p256dh, auth, since"


def keep(tx: Tx, row: SubscriptionRow) -> None:
    """Keep a subscription; it replaces the one that this browser name had."""
    tx.execute(
        f"INSERT INTO subscriptions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (contact, name) DO UPDATE SET endpoint = excluded.endpoint, p256dh = excluded.p256dh, "
        "auth = excluded.auth, since = excluded.since",
        (row.contact, row.name, row.endpoint, row.p256dh, row.auth, row.since),
    )


def of(tx: Tx, contact: str, name: str) -> SubscriptionRow | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM subscriptions WHERE contact = ? AND name = ?", (contact, name))
    return None if row is None else SubscriptionRow(*row)


def of_contact(tx: Tx, contact: str) -> list[SubscriptionRow]:
    """All browsers of one contact, by name."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM subscriptions WHERE contact = ? ORDER BY name", (contact,))
    return [SubscriptionRow(*row) for row in rows]


def forget(tx: Tx, contact: str, name: str, endpoint: str) -> bool:
    """Forget this endpoint; a newer one of the same browser stays. Returns whether there was anything to forget."""
    return bool(
        tx.execute(
            "DELETE FROM subscriptions WHERE contact = ? AND name = ? AND endpoint = ?", (contact, name, endpoint)
        )
    )
