"""Signals in: durable, deduplicated, counted. The sender's 202 comes after the commit.

Folding: a signal joins the incident that its key is open for; a new key declares one, with its first page in the same
transaction. A repeat of a firing signal is counted beside the log and costs one update.

What would begin something (a new key, one that fires again, one whose incident is resolved) is first asked about noise:
it may be kept without a page (a silence, an alert that inhibits it), held as firing (it flaps), or join the incident of
a group or a storm. What fires in an incident that somebody has, or people are being called for, is past that.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.book import PlanBook
from engine.clock import from_stamp
from engine.door import Change, Door
from engine.noise import NoiseRules, Trigger
from incidents import commands as c
from incidents.errors import CommandRefused, UnknownIncident
from incidents.severity import Severity
from incidents.state import Incident, Status
from signals.assess import Assessment, assess, route_of, severity_of
from signals.integration import Integration
from signals.noise import Flapping, Hold, Place, is_flapping, takes, with_change
from signals.signal import Signal
from storage import keys
from storage import noise as store
from storage.database import DatabaseError, Tx

_MOST_AT_ONCE = 1000
GIVEN_AT_LEAST = timedelta(minutes=1)
"""A trigger whose end has passed when it comes (its sender's clock is wrong) lasts so long all the same."""

log = logging.getLogger("tocsin.intake")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one signal: declared, folded, grouped, stormed, counted, flapping, silenced, inhibited,
    recovered, noted, dropped, unrouted or failed."""

    outcome: str
    incident: str | None
    change: Change | None = None


class Intake:
    def __init__(self, door: Door, book: PlanBook) -> None:
        self._door = door
        self._book = book
        self._noise = NoiseRules(book)

    def hear(self, tx: Tx, integration: Integration, signals: Sequence[Signal], now: datetime) -> list[Heard]:
        """Take a body's signals in order, in the caller's transaction. One that cannot be taken is `failed`."""
        repeated = self._only_repeats(tx, integration, signals, now)
        if repeated is not None:
            keys.count_again(tx, [(key, ends_at) for key, _, ends_at in repeated], now.timestamp())
            return [Heard("counted", incident_id) for _, incident_id, _ in repeated]
        return [self._hear_one(tx, integration, signal, now) for signal in signals]

    def look_again(self, tx: Tx, kept: store.HeldRow, now: datetime) -> Heard:
        """A kept signal whose reason may have gone: it is heard now, or kept on. `failed` leaves it as it is."""
        integration = self._noise.sender(kept.integration, kept.key)
        if integration is None:
            # The plan that knew its sender is gone: nobody can say what it means any more.
            keys.keep_signal(tx, kept.key, "", kept.integration, "trigger", now.timestamp(), kept.signal.body)
            heard = Heard("unrouted", None)
        else:
            heard = self._hear_one(tx, integration, kept.signal, now, kept)
        if heard.outcome not in ("silenced", "inhibited", "failed"):
            store.let_go(tx, kept.key)
        return heard

    def recover(self, tx: Tx, key: str, because: str, now: datetime) -> Heard:
        """A key whose sender has not repeated it in time, as if the sender had said that it recovered."""
        sender, _, dedup_key = key.partition(":")
        signal = Signal("resolve", dedup_key, because, sender)

        def work() -> Heard:
            return self._resolve(tx, sender, signal, key, keys.lookup(tx, key), now)

        heard = _alone(tx, work, key)
        if heard.outcome in ("dropped", "failed"):
            keys.endless(tx, key)  # its incident cannot be read: it is not asked for again
        return heard

    def settle(self, tx: Tx, key: str, now: datetime) -> Heard:
        """A key that has flapped is quiet: its incident hears what its sender said last."""
        known = keys.lookup(tx, key)
        if known is None or known.flapping_since is None:
            return Heard("dropped", None)
        told = f"{key} flaps no more (since {from_stamp(known.flapping_since):%H:%M} UTC)"
        incident = known.incident_id
        if known.said_firing:
            keys.calm(tx, key)
            return _alone(tx, lambda: self._note(tx, incident, f"{told}: it fires.", "settled", now), key)
        keys.recover(tx, key, now.timestamp())
        self._noise.fires_no_more(tx, key, now)
        return _alone(
            tx, lambda: self._recovered(tx, key, incident, f"{told}: recovered and quiet", "engine", now), key
        )

    def end_storm(self, tx: Tx, sender: str, now: datetime) -> list[Heard]:
        """The incidents of a storm that is over say so, if they are still open."""
        heard = []
        for each in store.storms_of(tx, sender):
            told = f"The storm of {sender} is over; {each.keys} of its signals are shown here."
            heard.append(self._end_of_storm(tx, sender, each.incident_id, told, now))
        self._noise.storm_is_over(tx, sender)
        return heard

    def _end_of_storm(self, tx: Tx, sender: str, incident_id: str, told: str, now: datetime) -> Heard:
        return _alone(tx, lambda: self._note(tx, incident_id, told, "settled", now), f"storm of {sender}")

    def _hear_one(
        self, tx: Tx, integration: Integration, signal: Signal, now: datetime, again: store.HeldRow | None = None
    ) -> Heard:
        """One signal in a savepoint of its own: whatever is wrong with it costs no other its page."""
        key = f"{integration.name}:{signal.dedup_key}"
        return _alone(tx, lambda: self._hear(tx, integration, signal, key, now, again), key)

    def _only_repeats(
        self, tx: Tx, integration: Integration, signals: Sequence[Signal], now: datetime
    ) -> list[tuple[str, str, float | None]] | None:
        """(key, incident, end) of each signal of a body that changes nothing; None when any of them may.

        What monitors send most: the whole body costs a question and an update.
        """
        if len(signals) > _MOST_AT_ONCE or any(signal.action != "trigger" for signal in signals):
            return None
        named = [f"{integration.name}:{signal.dedup_key}" for signal in signals]
        known = keys.standing(tx, named)
        if any(key not in known for key in named):
            return None
        situations = self._book.plan.situations
        found: list[tuple[str, str, float | None]] = []
        for signal, key in zip(signals, named, strict=True):
            open_key, version, quarantined = known[key]
            route = route_of(signal, integration)
            if route is None or not open_key.firing or quarantined is not None:
                return None
            severity = severity_of(signal, integration, route, self._usual)
            worse = severity != open_key.severity and severity.is_worse_than(Severity(open_key.severity))
            if worse or open_key.flapping_since is not None:
                return None
            incident = self._door.load(tx, open_key.incident_id, version)
            if not _is_seen_to(incident) or incident.drill != situations[route.situation].drill:
                return None
            found.append((key, open_key.incident_id, _end_of(signal, now)))
        return found

    def _hear(
        self, tx: Tx, integration: Integration, signal: Signal, key: str, now: datetime, again: store.HeldRow | None
    ) -> Heard:
        known = keys.lookup(tx, key)
        match signal.action:
            case "trigger":
                return self._trigger(tx, integration, signal, key, known, now, again)
            case "resolve":
                return self._resolve(tx, integration.name, signal, key, known, now)
            case "acknowledge":
                return self._acknowledge(tx, integration, signal, key, known, now)

    # --- it fires ---

    def _trigger(
        self,
        tx: Tx,
        integration: Integration,
        signal: Signal,
        key: str,
        known: keys.OpenKey | None,
        now: datetime,
        again: store.HeldRow | None,
    ) -> Heard:
        assessment = assess(signal, integration, self._usual)
        if assessment is None:
            keys.keep_signal(tx, key, "", integration.name, signal.action, now.timestamp(), signal.body)
            return Heard("unrouted", None)
        if known is not None and not self._is_of_its_kind(tx, known.incident_id, assessment):
            known = None
        under_way = known is not None and known.firing and self._needs_nothing(tx, known.incident_id)
        if known is not None and under_way and not assessment.severity.is_worse_than(Severity(known.severity)):
            return self._repeat(tx, signal, key, known, now)
        it = self._noise.trigger(integration, signal, key, assessment, again)
        if not under_way:
            hold = self._noise.hold(tx, it, now)
            if hold is not None:
                return self._keep(tx, it, known, hold, now)
        folded = None if known is None else self._fold(tx, it, known, now)
        return folded or self._begin(tx, it, now)

    def _repeat(self, tx: Tx, signal: Signal, key: str, known: keys.OpenKey, now: datetime) -> Heard:
        """It changes nothing. That a flapping key fires again is noted beside the log."""
        keys.count_again(tx, [(key, _end_of(signal, now))], now.timestamp())
        rule = self._noise.flapping
        if known.flapping_since is None or known.said_firing:
            return Heard("counted", known.incident_id)
        changes = known.changes if rule is None else with_change(known.changes, now.timestamp(), rule)
        self._flap(tx, key, changes, known.flapping_since, _end_of(signal, now), now, firing=True)
        return Heard("flapping", known.incident_id)

    def _keep(self, tx: Tx, it: Trigger, known: keys.OpenKey | None, hold: Hold, now: datetime) -> Heard:
        """Durable, counted and shown, and nobody is paged. An incident that knew its key says so once."""
        first = it.again is None and known is not None and store.held(tx, it.key) is None
        times = 0 if it.again is not None else 1
        store.hold(
            tx,
            it.key,
            it.integration.name,
            it.signal,
            it.assessment.severity,
            hold,
            now,
            times,
            _end_of(it.signal, now),
        )
        self._noise.fires(tx, it)
        if known is None or not first:
            return Heard(hold.outcome, None if known is None else known.incident_id)
        told = f"It fires again and pages nobody: {it.signal.summary}; {hold.words}"
        return self._note(tx, known.incident_id, told, hold.outcome, now)

    def _fold(self, tx: Tx, it: Trigger, known: keys.OpenKey, now: datetime) -> Heard | None:
        """Into the incident of its key; None when that has ended or was set aside: what is wrong now is a new one."""
        rule, stamp = self._noise.flapping, now.timestamp()
        changes = known.changes
        if rule is not None and not known.firing:
            changes = with_change(changes, stamp, rule)
        flaps = rule is not None and (known.flapping_since is not None or is_flapping(changes, rule))
        because = _kept_words(it)
        if flaps and rule is not None and known.flapping_since is None:
            because = _flapping_words(changes, rule)
        fold = c.FoldSignal(it.key, it.signal.summary, it.assessment.severity, _monitor(it), because)
        try:
            change = self._door.apply(tx, known.incident_id, fold, now)
        except (CommandRefused, UnknownIncident):
            return None
        self._opened(tx, it, known.incident_id, now, changes, changed=bool(change.events))
        if flaps:
            self._flap(tx, it.key, changes, known.flapping_since, _end_of(it.signal, now), now, firing=True)
        return Heard("folded", known.incident_id, change)

    def _begin(self, tx: Tx, it: Trigger, now: datetime) -> Heard:
        """A new key: it joins the incident of its group, that of a storm, or declares its own."""
        group = self._noise.group(it)
        joined = None if group is None else self._join(tx, it, group, "grouped", now)
        if joined is not None:
            return joined
        storm, words = self._noise.storm(tx, it, now)
        joined = None if storm is None else self._join(tx, it, storm, "stormed", now)
        if joined is not None:
            return joined
        heard = self._declare(tx, it, now, in_storm=storm is not None, words=words)
        for place in (group, storm):
            if place is not None and heard.incident is not None:
                store.found(tx, place, it.integration.name, heard.incident, now)
        return heard

    def _join(self, tx: Tx, it: Trigger, place: Place, outcome: str, now: datetime) -> Heard | None:
        """None when there is no such incident, or it takes no more keys, or is not being worked on."""
        standing = store.standing(tx, place)
        if standing is None or not takes(standing, place, now):
            return None
        fold = c.FoldSignal(
            it.key, it.signal.summary, it.assessment.severity, _monitor(it), _joined(place.words, _kept_words(it))
        )
        try:
            if not _takes_in(self._door.load(tx, standing.incident_id), it):
                return None
            change = self._door.apply(tx, standing.incident_id, fold, now)
        except (CommandRefused, UnknownIncident):
            return None
        store.joined(tx, place, now)
        self._opened(tx, it, standing.incident_id, now)
        return Heard(outcome, standing.incident_id, change)

    def _declare(self, tx: Tx, it: Trigger, now: datetime, *, in_storm: bool, words: str) -> Heard:
        situation = self._book.plan.situations[it.assessment.situation]
        title = f"Storm of {it.integration.name}: {it.signal.summary}" if in_storm else it.signal.summary
        more = tuple(each for each in (words, _kept_words(it)) if each)

        def make(new_id: str) -> c.Declare:
            return c.Declare(
                id=new_id,
                title=title,
                severity=it.assessment.severity,
                situation=it.assessment.situation,
                plan_version=self._book.version,
                by=_monitor(it),
                drill=situation.drill,
                area=situation.area,
                because=it.assessment.because + more,
                dedup_key=it.key,
            )

        change = self._door.declare(tx, now, make)
        self._opened(tx, it, change.after.id, now)
        return Heard("declared", change.after.id, change)

    def _opened(
        self,
        tx: Tx,
        it: Trigger,
        incident_id: str,
        now: datetime,
        changes: tuple[float, ...] = (),
        *,
        changed: bool = True,
    ) -> None:
        """Its key points at the incident now. What changed something is kept as it came."""
        stamp, end = now.timestamp(), _end_of(it.signal, now)
        keys.open_key(tx, it.key, incident_id, it.assessment.severity, stamp, end, changes)
        store.let_go(tx, it.key)
        self._noise.fires(tx, it)
        if changed:
            keys.keep_signal(tx, it.key, incident_id, it.integration.name, it.signal.action, stamp, it.signal.body)

    # --- it recovers, or somebody has seen it ---

    def _resolve(
        self, tx: Tx, sender: str, signal: Signal, key: str, known: keys.OpenKey | None, now: datetime
    ) -> Heard:
        kept = store.held(tx, key)
        if kept is not None:
            keys.keep_signal(tx, key, "", sender, "trigger", kept.last_at.timestamp(), kept.signal.body)
            store.let_go(tx, key)
        self._noise.fires_no_more(tx, key, now)
        if known is None or not known.firing or (known.flapping_since is not None and not known.said_firing):
            return Heard("dropped" if kept is None else "recovered", None if known is None else known.incident_id)
        rule, stamp = self._noise.flapping, now.timestamp()
        changes = () if rule is None else with_change(known.changes, stamp, rule)
        if rule is not None and (known.flapping_since is not None or is_flapping(changes, rule)):
            self._flap(tx, key, changes, known.flapping_since, None, now, firing=False)
            if known.flapping_since is not None:
                return Heard("flapping", known.incident_id)
            told = f"{signal.summary}: {_flapping_words(changes, rule)}"
            return self._note(tx, known.incident_id, told, "flapping", now)
        heard = self._recovered(tx, key, known.incident_id, signal.summary, f"monitor:{sender}", now)
        if heard.outcome == "recovered":
            keys.recover(tx, key, stamp, changes)
            keys.keep_signal(tx, key, known.incident_id, sender, signal.action, stamp, signal.body)
        return heard

    def _recovered(self, tx: Tx, key: str, incident_id: str, summary: str, by: str, now: datetime) -> Heard:
        try:
            change = self._door.apply(tx, incident_id, c.RecoverSignal(key, summary, by), now)
        except UnknownIncident:
            return Heard("dropped", incident_id)
        return Heard("recovered", incident_id, change)

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

    # --- small things ---

    def _flap(
        self,
        tx: Tx,
        key: str,
        changes: tuple[float, ...],
        since: float | None,
        ends_at: float | None,
        now: datetime,
        *,
        firing: bool,
    ) -> None:
        begun = since if since is not None else changes[0]
        keys.flap(tx, key, now.timestamp(), changes, begun, ends_at, firing=firing)

    def _note(self, tx: Tx, incident_id: str, text: str, outcome: str, now: datetime) -> Heard:
        """Into the timeline, if that can still be written."""
        try:
            return Heard(outcome, incident_id, self._door.apply(tx, incident_id, c.AddNote(text, "engine"), now))
        except UnknownIncident:
            return Heard(outcome, incident_id)

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


def _alone(tx: Tx, work: Callable[[], Heard], key: str) -> Heard:
    """In a savepoint: what cannot be done leaves nothing behind and is `failed`."""
    tx.execute("SAVEPOINT signal")
    try:
        heard = work()
    except DatabaseError:
        raise
    except Exception:
        log.exception("signal cannot be taken key=%s", key)
        tx.execute("ROLLBACK TO signal")
        heard = Heard("failed", None)
    tx.execute("RELEASE signal")
    return heard


def _is_seen_to(incident: Incident) -> bool:
    if incident.status not in (Status.DECLARED, Status.ACKNOWLEDGED):
        return False
    return incident.commander is not None or incident.live_round is not None


def _takes_in(incident: Incident, it: Trigger) -> bool:
    """A group's or a storm's incident: open, not yet resolved, and a drill only for drills (invariant 11)."""
    return incident.status in (Status.DECLARED, Status.ACKNOWLEDGED) and incident.drill == it.drill


def _monitor(it: Trigger) -> str:
    return f"monitor:{it.integration.name}"


def _end_of(signal: Signal, now: datetime) -> float | None:
    """When the sender's word ends by itself, in seconds since the epoch."""
    if signal.ends_at is None:
        return None
    return (signal.ends_at if signal.ends_at > now else now + GIVEN_AT_LEAST).timestamp()


def _kept_words(it: Trigger) -> str:
    """What became of a signal before it is heard at last."""
    kept = it.again
    if kept is None:
        return ""
    return f"kept since {kept.first_at:%d %b %H:%M} UTC, heard {kept.count} times: {kept.words}"


def _flapping_words(changes: tuple[float, ...], rule: Flapping) -> str:
    minutes = int(rule.quiet.total_seconds() // 60)
    return (
        f"flapping since {from_stamp(changes[0]):%H:%M} UTC, {len(changes)} changes: held as firing until it has been "
        f"quiet for {minutes} minutes"
    )


def _joined(*words: str) -> str:
    return "; ".join(each for each in words if each)
