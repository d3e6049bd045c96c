"""The last good copy of each schedule's calendar feed, and what is wrong with the feed since. One row a schedule."""

from dataclasses import dataclass

from storage.database import Tx


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """`body` is empty and `read_at` 0 while the feed has never been read."""

    schedule: str
    url: str
    body: bytes
    read_at: float
    trouble: str | None
    trouble_since: float | None


_COLUMNS = "schedule, url, body, read_at, trouble, trouble_since"


def keep(tx: Tx, row: CalendarRow) -> None:
    """Keep this row; it replaces the one that the schedule had."""
    tx.execute(
        f"INSERT INTO calendars ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (schedule) DO UPDATE SET url = excluded.url, body = excluded.body, read_at = excluded.read_at, "
        "trouble = excluded.trouble, trouble_since = excluded.trouble_since",
        (row.schedule, row.url, row.body, row.read_at, row.trouble, row.trouble_since),
    )


def say(tx: Tx, schedule: str, read_at: float, trouble: str | None, trouble_since: float | None) -> None:
    """When the copy was last known to be good, and what is wrong since; the copy itself stays as it is."""
    tx.execute(
        "UPDATE calendars SET read_at = ?, trouble = ?, trouble_since = ? WHERE schedule = ?",
        (read_at, trouble, trouble_since, schedule),
    )


def every(tx: Tx) -> list[CalendarRow]:
    """By schedule; also of schedules that the plan no longer has."""
    return [CalendarRow(*row) for row in tx.all(f"SELECT {_COLUMNS} FROM calendars ORDER BY schedule")]
