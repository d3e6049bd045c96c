"""What was heard and what became of it, for whoever replays it: rows as they are kept, and incidents as labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.evolve import fold
from incidents.state import Incident
from signals.backtest import Label
from storage import log as incident_log
from storage import mentions as store
from storage.database import Tx

EARLIER = 2 * 3600.0
"""Seconds before people knew of an incident in which a page counts as one for it."""
MOST_BYTES = 4 * 1024 * 1024
"""Of one answer: what strangers write may be long."""
_MOST_INCIDENTS = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """How far a history was read: the row that was last."""

    counted_at: float
    seq: int


def rows_after(tx: Tx, place: Place, until: float, limit: int) -> tuple[list[dict[str, Any]], Place | None]:
    """Rows in the order in which they count, for JSON, and where to go on; None at the end."""
    rows: list[dict[str, Any]] = []
    size = 0
    for row in store.stored_after(tx, place.counted_at, place.seq, until, limit):
        rows.append({"seq": row.seq, "counted_at": row.counted_at, "brand": row.brand, "body": row.body})
        place = Place(row.counted_at, row.seq)
        size += row.size
        if size >= MOST_BYTES:
            return rows, place
    return rows, (place if len(rows) == limit else None)


def labels(tx: Tx, since: float, now: datetime) -> list[Label]:
    """What people made of the incidents since then, the oldest first: real, or stood down. No drills, no merged ones.

    An incident that a monitor declared and no rule joined is none: nothing that is listened to could have told of it.
    A label begins EARLIER before its incident was declared: rules may know first. One whose log cannot be read is left
    out.
    """
    found = []
    for incident in _incidents(tx, since):
        brands = {each.brand for each in store.assessments_of(tx, incident.id)}
        if brands or not incident.declared_by.startswith("monitor:"):
            found.append(_label(incident, brands.pop() if len(brands) == 1 else "", now))
    return sorted(found, key=lambda each: each.start)


def _incidents(tx: Tx, since: float) -> Iterator[Incident]:
    for row in incident_log.incident_rows(tx, only_open=False, limit=_MOST_INCIDENTS):
        if row.drill or row.declared_at < since:
            continue
        try:
            incident = fold(incident_log.load_events(tx, row.id))
        except ValueError:
            continue
        if incident is not None and incident.merged_into is None:
            yield incident


def _label(incident: Incident, brand: str, now: datetime) -> Label:
    """`brand`: of the rules that declared or joined it; empty when nobody has put it to one brand."""
    declared = incident.declared_at.timestamp()
    end = incident.resolved_at or incident.ended_at or now
    return Label(
        brand,
        declared - EARLIER,
        max(end.timestamp(), declared),
        f"{incident.id} {incident.title}",
        real=incident.stood_down_by is None,
        known_at=declared,
    )
