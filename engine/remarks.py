"""What monitors say that calls nobody: changes, notes, and bodies that the plan's mapping does not fit.

They are kept among the raw signals, under a name of their own where an incident's id stands: they belong to none.
A change is told to the open incidents of its integration; those that begin within a day show it too.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from engine.clock import Clock, from_stamp
from engine.door import Change, Door
from engine.view import stamp
from incidents import commands as c
from incidents.errors import CommandRefused, UnknownIncident
from incidents.state import Incident
from signals.integration import Integration
from storage import keys
from storage.database import Database, Tx

BEFORE = timedelta(days=1)
"""How long before an incident a change is worth knowing."""
MOST_NOTES = 10
"""Notes that changes of one integration put into a log within WITHIN; more are kept and shown, but not noted."""
MOST_KEPT = 100
"""Bodies of one integration that fit no mapping, a day."""
WITHIN = timedelta(hours=1)
AGAIN = timedelta(minutes=10)
"""The same change within this time is one that its sender was not sure to have sent."""
MOST_SHOWN = 20
_MOST_INCIDENTS = 20
_LONGEST_NOTE = 1000


class Remarks:
    def __init__(
        self,
        database: Database,
        door: Door,
        clock: Clock,
        publish: Callable[[Change], None],
        page_operators: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._database = database
        self._door = door
        self._clock = clock
        self._publish = publish
        self._page_operators = page_operators

    async def change(self, integration: Integration, summary: str, source: str, body: bytes) -> None:
        """A change is durable when this returns. The same one again within AGAIN adds nothing. Raises Overloaded."""
        now = self._clock.now()
        where = f" ({source})" if source else ""

        def work(tx: Tx) -> list[Change]:
            place = _changes(integration.name)
            if _stands(tx, place, body, now - AGAIN):
                return []
            noted = _count(tx, place, now - WITHIN)
            keys.keep_signal(tx, place, place, integration.name, "change", now.timestamp(), body)
            if noted >= MOST_NOTES:
                return []
            return self._note(tx, _open_incidents(tx, integration), f"Change: {summary}{where}", integration, now)

        for each in await self._database.write(work, droppable=True):
            self._publish(each)

    async def note(self, integration: Integration, dedup_keys: Sequence[str], text: str) -> int:
        """Put a note into the open incidents of these keys; how many there were. Raises Overloaded."""
        now = self._clock.now()

        def work(tx: Tx) -> list[Change]:
            known = (keys.lookup(tx, f"{integration.name}:{each}") for each in dedup_keys)
            incidents = list(dict.fromkeys(each.incident_id for each in known if each is not None))
            return self._note(tx, incidents, text, integration, now)

        changes = await self._database.write(work, droppable=True)
        for each in changes:
            self._publish(each)
        return len(changes)

    def _note(
        self, tx: Tx, incidents: Sequence[str], text: str, integration: Integration, now: datetime
    ) -> list[Change]:
        note = c.AddNote(text[:_LONGEST_NOTE], f"monitor:{integration.name}")
        made = []
        for incident in incidents[:_MOST_INCIDENTS]:
            try:
                made.append(self._door.apply(tx, incident, note, now))
            except (CommandRefused, UnknownIncident):
                continue  # ended or set aside: there is nobody to tell
        return made

    async def refused(self, integration: Integration, problem: str, body: bytes) -> None:
        """Keep a body that the integration's mapping does not fit, and tell the operators once a day."""
        now = self._clock.now()

        def work(tx: Tx) -> None:
            place = f"refused:{integration.name}"
            if _count(tx, place, now - timedelta(days=1)) < MOST_KEPT:
                keys.keep_signal(tx, place, place, integration.name, "refused", now.timestamp(), body)

        await self._database.write(work, droppable=True)
        await self._page_operators(
            f"unmapped-{integration.name}-{now:%Y%m%d}",
            f"what {integration.name} sends does not fit its mapping, nobody is paged for it; it is kept: {problem}",
        )

    async def keys_in(self, integration: Integration, incident: str) -> list[str]:
        """The dedup keys of the integration that fold into this incident."""
        prefix = f"{integration.name}:"
        found = await self._database.read(lambda tx: keys.of_incident(tx, incident))
        return [row[0].removeprefix(prefix) for row in found if row[0].startswith(prefix)]

    async def knows(self, integration: Integration, dedup_key: str) -> bool:
        """Whether an open incident has this key."""
        return await self.alert(integration, dedup_key) is not None

    async def alert(self, integration: Integration, dedup_key: str) -> "Standing | None":
        """How the alert of this key stands; None when no open incident has it."""
        key = f"{integration.name}:{dedup_key}"

        def work(tx: Tx) -> Standing | None:
            row = tx.one(
                "SELECT i.id, i.title, i.severity, i.commander, k.count, k.first_at, k.last_at, k.firing "
                "FROM open_keys AS k JOIN incidents AS i ON i.id = k.incident_id WHERE k.dedup_key = ?",
                (key,),
            )
            if row is None:
                return None
            return Standing(
                incident=row[0],
                title=row[1],
                severity=row[2],
                commander=row[3],
                count=row[4],
                first_at=from_stamp(row[5]),
                last_at=from_stamp(row[6]),
                firing=bool(row[7]),
            )

        return await self._database.read(work)


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert and the open incident that it belongs to."""

    incident: str
    title: str
    severity: str
    commander: str | None
    count: int
    first_at: datetime
    last_at: datetime
    firing: bool


def changes_around(tx: Tx, incident: Incident) -> list[dict[str, Any]]:
    """The changes of an incident's senders from a day before it until its end, the latest first, as JSON values."""
    senders = sorted({key.partition(":")[0] for key in incident.signals})
    places = [_changes(each) for each in senders[:50]]
    until = incident.ended_at.timestamp() if incident.ended_at is not None else float("inf")
    return _shown(tx, places, (incident.declared_at - BEFORE).timestamp(), until, MOST_SHOWN)


def latest_changes(tx: Tx, integrations: Sequence[Integration], now: datetime) -> list[dict[str, Any]]:
    """What was changed within the last day, the latest first, as JSON values."""
    places = [_changes(each.name) for each in integrations]
    return _shown(tx, places, (now - BEFORE).timestamp(), now.timestamp(), 5)


def _shown(tx: Tx, places: Sequence[str], since: float, until: float, most: int) -> list[dict[str, Any]]:
    if not places:
        return []
    rows = tx.all(
        "SELECT integration, at, body FROM signals WHERE action = 'change' AND at BETWEEN ? AND ? "
        f"AND incident_id IN ({', '.join('?' * len(places))}) ORDER BY at DESC LIMIT ?",
        (since, min(until, 1e12), *places, most),
    )
    return [{"at": stamp(from_stamp(row[1])), "integration": row[0], **_said(row[2])} for row in rows]


def _said(body: bytes) -> dict[str, Any]:
    """What a kept change says. It was read when it came, so whatever is missing now was optional."""
    try:
        found = orjson.loads(body)
        payload = found["payload"]
        links = [each["href"] for each in found.get("links") or () if isinstance(each.get("href"), str)]
        return {
            "summary": str(payload["summary"])[:200],
            "source": str(payload.get("source") or ""),
            "links": links[:5],
        }
    except (ValueError, LookupError, TypeError, AttributeError):
        return {"summary": "(cannot be read any more)", "source": "", "links": []}


def _changes(name: str) -> str:
    return f"change:{name}"


def _count(tx: Tx, place: str, since: datetime) -> int:
    row = tx.one("SELECT COUNT(*) FROM signals WHERE incident_id = ? AND at > ?", (place, since.timestamp()))
    return 0 if row is None else int(row[0])


def _stands(tx: Tx, place: str, body: bytes, since: datetime) -> bool:
    found = tx.one(
        "SELECT 1 FROM signals WHERE incident_id = ? AND at > ? AND body = ?", (place, since.timestamp(), body)
    )
    return found is not None


def _open_incidents(tx: Tx, integration: Integration) -> list[str]:
    """Those that something of this integration has folded into, the newest first. A name holds no colon, so that
    everything of it lies between `name:` and `name;`."""
    rows = tx.all(
        "SELECT DISTINCT i.id, i.number FROM open_keys AS k JOIN incidents AS i ON i.id = k.incident_id "
        "WHERE k.dedup_key >= ? AND k.dedup_key < ? AND i.is_open = 1 AND i.quarantined IS NULL "
        "ORDER BY i.number DESC LIMIT ?",
        (f"{integration.name}:", f"{integration.name};", _MOST_INCIDENTS),
    )
    return [str(row[0]) for row in rows]
