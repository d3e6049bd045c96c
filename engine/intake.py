"""Signals in: durable, deduplicated, counted. The sender's 202 comes after the commit.

Folding: a signal joins the incident that its key is open for; a new key declares one, with its first page in the same
transaction. A repeat of a firing signal is counted beside the log and costs one update.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.book import PlanBook
from engine.door import Change, Door
from incidents import commands as c
from incidents.errors import CommandRefused, UnknownIncident
from incidents.severity import Severity
from incidents.state import Incident, Status
from signals.assess import Assessment, assess
from signals.integration import Integration
from signals.signal import Signal
from storage import keys
from storage.database import DatabaseError, Tx

_MOST_AT_ONCE = 1000

log = logging.getLogger("tocsin.intake")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one signal: declared, folded, counted, recovered, noted, dropped, unrouted or failed."""

    outcome: str
    incident: str | None
    change: Change | None = None


class Intake:
    def __init__(self, door: Door, book: PlanBook) -> None:
        self._door = door
        self._book = book

    def hear(self, tx: Tx, integration: Integration, signals: Sequence[Signal], now: datetime) -> list[Heard]:
        """Take a body's signals in order, in the caller's transaction. One that cannot be taken is `failed`."""
        repeated = self._only_repeats(tx, integration, signals)
        if repeated is not None:
            keys.count_again(tx, [key for key, _ in repeated], now.timestamp())
            return [Heard("counted", incident_id) for _, incident_id in repeated]
        return [self._hear_one(tx, integration, signal, now) for signal in signals]

    def _hear_one(self, tx: Tx, integration: Integration, signal: Signal, now: datetime) -> Heard:
        """One signal in a savepoint of its own: whatever is wrong with it costs no other its page."""
        tx.execute("SAVEPOINT signal")
        try:
            heard = self._hear(tx, integration, signal, now)
        except DatabaseError:
            raise
        except Exception:
            log.exception("signal cannot be taken integration=%s key=%s", integration.name, signal.dedup_key)
            tx.execute("ROLLBACK TO signal")
            heard = Heard("failed", None)
        tx.execute("RELEASE signal")
        return heard

    def _only_repeats(
        self, tx: Tx, integration: Integration, signals: Sequence[Signal]
    ) -> list[tuple[str, str]] | None:
        """(key, incident) of each signal of a body that changes nothing; None when any of them may.

        What monitors send most: the whole body costs a question and an update.
        """
        if len(signals) > _MOST_AT_ONCE or any(signal.action != "trigger" for signal in signals):
            return None
        named = [f"{integration.name}:{signal.dedup_key}" for signal in signals]
        known = keys.standing(tx, named)
        if any(key not in known for key in named):
            return None
        found: list[tuple[str, str]] = []
        for signal, key in zip(signals, named, strict=True):
            open_key, version, quarantined = known[key]
            assessment = assess(signal, integration, self._usual)
            if assessment is None or not open_key.firing or quarantined is not None:
                return None
            if assessment.severity.is_worse_than(Severity(open_key.severity)):
                return None
            incident = self._door.load(tx, open_key.incident_id, version)
            if not _is_seen_to(incident) or incident.drill != self._is_drill(assessment):
                return None
            found.append((key, open_key.incident_id))
        return found

    def _hear(self, tx: Tx, integration: Integration, signal: Signal, now: datetime) -> Heard:
        key = f"{integration.name}:{signal.dedup_key}"
        known = keys.lookup(tx, key)
        match signal.action:
            case "trigger":
                return self._trigger(tx, integration, signal, key, known, now)
            case "resolve":
                return self._resolve(tx, integration, signal, key, known, now)
            case "acknowledge":
                return self._acknowledge(tx, integration, signal, key, known, now)

    def _trigger(
        self,
        tx: Tx,
        integration: Integration,
        signal: Signal,
        key: str,
        known: keys.OpenKey | None,
        now: datetime,
    ) -> Heard:
        assessment = assess(signal, integration, self._usual)
        if assessment is None:
            keys.keep_signal(tx, key, "", integration.name, signal.action, now.timestamp(), signal.body)
            return Heard("unrouted", None)
        if known is None or not self._is_of_its_kind(tx, known.incident_id, assessment):
            return self._declare(tx, integration, signal, key, assessment, now)
        worse = assessment.severity.is_worse_than(Severity(known.severity))
        if known.firing and not worse and self._needs_nothing(tx, known.incident_id):
            keys.count_again(tx, [key], now.timestamp())
            return Heard("counted", known.incident_id)
        fold = c.FoldSignal(key, signal.summary, assessment.severity, f"monitor:{integration.name}")
        try:
            change = self._door.apply(tx, known.incident_id, fold, now)
        except (CommandRefused, UnknownIncident):
            # Ended or set aside since: what is wrong now is a new incident.
            return self._declare(tx, integration, signal, key, assessment, now)
        keys.open_key(tx, key, known.incident_id, assessment.severity, now.timestamp())
        if change.events:
            keys.keep_signal(tx, key, known.incident_id, integration.name, signal.action, now.timestamp(), signal.body)
        return Heard("folded", known.incident_id, change)

    def _declare(
        self, tx: Tx, integration: Integration, signal: Signal, key: str, assessment: Assessment, now: datetime
    ) -> Heard:
        situation = self._book.plan.situations[assessment.situation]

        def make(new_id: str) -> c.Declare:
            return c.Declare(
                id=new_id,
                title=signal.summary,
                severity=assessment.severity,
                situation=assessment.situation,
                plan_version=self._book.version,
                by=f"monitor:{integration.name}",
                drill=situation.drill,
                area=situation.area,
                because=assessment.because,
                dedup_key=key,
            )

        change = self._door.declare(tx, now, make)
        stamp = now.timestamp()
        keys.open_key(tx, key, change.after.id, assessment.severity, stamp)
        keys.keep_signal(tx, key, change.after.id, integration.name, signal.action, stamp, signal.body)
        return Heard("declared", change.after.id, change)

    def _resolve(
        self,
        tx: Tx,
        integration: Integration,
        signal: Signal,
        key: str,
        known: keys.OpenKey | None,
        now: datetime,
    ) -> Heard:
        if known is None or not known.firing:
            return Heard("dropped", None)
        recover = c.RecoverSignal(key, signal.summary, f"monitor:{integration.name}")
        try:
            change = self._door.apply(tx, known.incident_id, recover, now)
        except UnknownIncident:
            return Heard("dropped", known.incident_id)
        keys.set_firing(tx, key, now.timestamp(), firing=False)
        keys.keep_signal(tx, key, known.incident_id, integration.name, signal.action, now.timestamp(), signal.body)
        return Heard("recovered", known.incident_id, change)

    def _acknowledge(
        self,
        tx: Tx,
        integration: Integration,
        signal: Signal,
        key: str,
        known: keys.OpenKey | None,
        now: datetime,
    ) -> Heard:
        if known is None:
            return Heard("dropped", None)
        stops = integration.machine_ack == "stops"
        noted = c.AcknowledgeByMachine(key, stops, f"monitor:{integration.name}")
        try:
            change = self._door.apply(tx, known.incident_id, noted, now)
        except UnknownIncident:
            return Heard("dropped", known.incident_id)
        return Heard("noted", known.incident_id, change)

    def _usual(self, situation: str) -> Severity:
        return self._book.plan.situations[situation].severity

    def _is_drill(self, assessment: Assessment) -> bool:
        return self._book.plan.situations[assessment.situation].drill

    def _is_of_its_kind(self, tx: Tx, incident_id: str, assessment: Assessment) -> bool:
        """A real signal never folds into a drill, nor a drill's into something real (invariant 11)."""
        row = tx.one("SELECT drill FROM incidents WHERE id = ?", (incident_id,))
        return row is not None and bool(row[0]) == self._is_drill(assessment)

    def _needs_nothing(self, tx: Tx, incident_id: str) -> bool:
        """Whether a repeat changes nothing: somebody has taken it, or people are being called (invariant 1)."""
        try:
            incident = self._door.load(tx, incident_id)
        except UnknownIncident:
            return False
        return _is_seen_to(incident)


def _is_seen_to(incident: Incident) -> bool:
    if incident.status not in (Status.DECLARED, Status.ACKNOWLEDGED):
        return False
    return incident.commander is not None or incident.live_round is not None
