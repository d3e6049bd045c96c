"""The rules of noise over what is stored: whether a signal is kept, and which incident of a group or storm it joins.

Everything that decides is pure (`signals/noise.py`, `runbooks/noise.py`); this fetches the facts and keeps the new
ones. Everything runs in the intake's transaction. A plan without rules costs a declaration a few questions.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.book import PlanBook
from incidents.severity import Severity
from runbooks.noise import Noise, open_windows
from runbooks.plan import Plan
from signals.assess import Assessment
from signals.heartbeats import SENDER
from signals.integration import Integration
from signals.noise import (
    REMEMBERED,
    Cover,
    Flapping,
    Grouping,
    Hold,
    Inhibition,
    Kind,
    Place,
    Rush,
    Storm,
    covering,
    group_of,
    inhibiting,
    is_new,
    kind_of,
    labels_of,
    read_matcher,
    storm_place,
    with_new_key,
)
from signals.signal import Signal
from storage import noise as store
from storage.database import Tx

LOOK_AGAIN = timedelta(minutes=10)
"""How often an inhibited signal is looked at besides: when its alert recovers or ends, that is said (`look_again`)."""
KIND_EVERY = timedelta(minutes=1)
"""How often it is written down that a known kind was heard again."""
_MOST_KINDS = 10_000


@dataclass(frozen=True, slots=True)
class Trigger:
    """A signal that would begin something, with what the plan makes of it."""

    integration: Integration
    signal: Signal
    key: str
    assessment: Assessment
    labels: dict[str, str]
    drill: bool
    again: store.HeldRow | None = None
    """It was kept, and nobody has sent it again: its reason is looked at."""


@dataclass(frozen=True, slots=True)
class _Rules:
    noise: Noise
    inhibit: tuple[Inhibition, ...]
    group: tuple[Grouping, ...]


class NoiseRules:
    """One an engine; it follows the plan that is active."""

    def __init__(self, book: PlanBook) -> None:
        self._book = book
        self._made: tuple[Plan, _Rules] | None = None
        self._rushes: dict[str, Rush] | None = None
        self._kinds: dict[tuple[str, str, str], Kind] = {}

    @property
    def flapping(self) -> Flapping | None:
        return self._rules().noise.flapping

    def trigger(
        self,
        integration: Integration,
        signal: Signal,
        key: str,
        assessment: Assessment,
        again: store.HeldRow | None = None,
    ) -> Trigger:
        drill = self._book.plan.situations[assessment.situation].drill
        labels = labels_of(signal, integration.name, assessment)
        return Trigger(integration, signal, key, assessment, labels, drill, again)

    def sender(self, name: str, key: str) -> Integration | None:
        """The integration of this name, for a key that it has sent; None when the plan has it no longer."""
        if name == SENDER:
            beats = self._book.plan.heartbeats
            return next((each.sender() for each in beats if each.dedup_key == key), None)
        return next((each for each in self._book.plan.integrations if each.name == name), None)

    # --- kept ---

    def hold(self, tx: Tx, it: Trigger, now: datetime) -> Hold | None:
        """Why this signal is kept and pages nobody; None when it is heard."""
        severity = it.assessment.severity
        cover = covering(self._covers(tx, now), it.labels, severity)
        if cover is not None:
            return Hold("silenced", cover.id, cover.words, cover.until)
        for rule in self._rules().inhibit:
            if rule.is_target(it.labels):
                firing = store.inhibitors(tx, rule.id, rule.pair(it.labels, drill=it.drill))
                found = inhibiting(firing, it.key, severity)
                if found is not None:
                    words = f"muted while {found.key} fires"
                    return Hold("inhibited", found.key, words, now + LOOK_AGAIN)
        return None

    def _covers(self, tx: Tx, now: datetime) -> list[Cover]:
        covers = [cover_of(each) for each in store.silences_in_force(tx, now)]
        windows = self._rules().noise.maintenance
        return covers + open_windows(windows, now) if windows else covers

    def fires(self, tx: Tx, it: Trigger) -> None:
        """It fires from now on, and mutes what the plan lets it mute."""
        for rule in self._rules().inhibit:
            if rule.is_source(it.labels):
                pair = rule.pair(it.labels, drill=it.drill)
                store.add_inhibitor(tx, rule.id, pair, it.key, it.assessment.severity)

    def fires_no_more(self, tx: Tx, key: str, now: datetime) -> None:
        """What it muted is looked at again."""
        if self._rules().inhibit:
            store.look_again(tx, now, key)

    # --- joined ---

    def group(self, it: Trigger) -> Place | None:
        return group_of(self._rules().group, it.labels, drill=it.drill)

    def storm_is_over(self, tx: Tx, sender: str) -> None:
        """What comes next of this sender begins anew."""
        if self._rushes is not None:
            self._rushes.pop(sender, None)
        store.end_storm(tx, sender)

    def storm(self, tx: Tx, it: Trigger, now: datetime) -> tuple[Place | None, str]:
        """Count a new key. The storm that it is more of the same of, if any; and a word on storms for its incident."""
        rule = self._rules().noise.storm
        if rule is None:
            return None, ""
        name, situation, severity = it.integration.name, it.assessment.situation, it.assessment.severity
        rush = self._count(tx, name, now, rule)
        named = kind_of(it.labels, rule)
        if rush.since is None:
            self._note_kind(tx, name, situation, named, severity, now)
            return None, ""
        new = is_new(store.kind(tx, name, situation, named), severity, now)
        store.heard_kind(tx, name, situation, named, severity, now, now - REMEMBERED)
        since = f"{name} sends more than {rule.more_than} new signals a minute since {rush.since:%H:%M} UTC"
        if new:
            return None, f"{since}; this is the first of its kind, or worse than those before"
        more = "more of the same is shown here, the first of anything new is an incident of its own"
        return storm_place(name, situation, drill=it.drill), f"{since}: {more}"

    def _count(self, tx: Tx, sender: str, now: datetime, rule: Storm) -> Rush:
        """One more new key of this sender. Only a storm is written down: a minute's count may be lost with the process.

        A count whose transaction failed is one too many, which is harmless.
        """
        if self._rushes is None:
            self._rushes = store.storms(tx)
        before = self._rushes.get(sender)
        rush = self._rushes[sender] = with_new_key(before, now, rule)
        if rush.since is not None and (before is None or rush.over_at != before.over_at or rush.since != before.since):
            store.keep_rush(tx, sender, rush)
        return rush

    def _note_kind(self, tx: Tx, sender: str, situation: str, named: str, severity: Severity, now: datetime) -> None:
        """A kind was heard, while there is no storm. Written once a minute, or when it is worse.

        What was noted in a transaction that failed is taken for new once more: it pages, which is the safe side.
        """
        known = self._kinds.get((sender, situation, named))
        if known is not None and now - known.last_at < KIND_EVERY and not severity.is_worse_than(known.severity):
            return
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[sender, situation, named] = Kind(severity, now)
        store.heard_kind(tx, sender, situation, named, severity, now, now - REMEMBERED)

    # --- the plan's rules, made ready once ---

    def _rules(self) -> _Rules:
        plan = self._book.plan
        if self._made is None or self._made[0] is not plan:
            noise = plan.noise
            inhibit = tuple(Inhibition.of(each) for each in noise.inhibit)
            self._made = plan, _Rules(noise, inhibit, tuple(Grouping.of(each) for each in noise.group))
        return self._made[1]


def cover_of(row: store.SilenceRow) -> Cover:
    words = f"silenced by {row.made_by} until {row.until:%d %b %H:%M} UTC ({row.name}): {row.because}"
    return Cover(row.name, tuple(read_matcher(each) for each in row.matchers), row.until, row.even_sev1, words)
