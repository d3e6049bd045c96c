"""Hears mentions and alerts in the order in which they count, and says when a threshold of the plan is crossed. Pure.

A mention costs a comparison with the next number that would turn a condition; rules are decided only when one turns,
and minute by minute while one holds. Nothing depends on when it is asked: `pass_time` as often
as one likes between two things heard gives the same findings as never. One detector serves all brands; its memory is `state()`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, assert_never

from incidents.severity import Severity
from signals.assess import Assessment
from signals.atoms import (
    AlertAtom,
    Alerts,
    CountAtom,
    Counter,
    ShareAtom,
    SingleAtom,
    Waiting,
    WaitingAtom,
    concerns,
)
from signals.conditions import Family, Subject
from signals.observation import AlertHeard, Heard, NotHeard, Observation
from signals.program import Program, RuleProgram
from signals.reasons import reason
from signals.rules import Thresholds

SHOWN_HOURS = 72
"""Of a picture."""

log = logging.getLogger("tocsin.detector")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a crossing looks like: whole clock hours before it, oldest first, and the window that crossed."""

    rule: str
    subject: Subject
    window: int
    """Minutes."""
    value: int
    limit: float
    mean: float | None
    spread: float | None
    hours: tuple[int | None, ...]
    until: int
    """The minute (from the epoch) at which the last of `hours` ends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules say of one brand now.

    `raises`: a new episode, or a worse severity than the episode had: people are paged. `joins`: a further rule of an
    episode, no worse. `calm`: every rule has been quiet for as long as the plan says; stepping down may be proposed.
    """

    kind: Literal["raises", "joins", "calm"]
    brand: str
    episode: str
    """The same for all findings of one episode: brand and the minute in which it began."""
    at: float
    """Seconds since the epoch."""
    assessment: Assessment
    rules: tuple[str, ...] = ()
    """Names of the rules that hold."""
    started: tuple[str, ...] = ()
    """Those that began now."""
    pictures: tuple[Picture, ...] = ()
    ignores_quiet_hours: bool = False

    @property
    def id(self) -> str:
        """Derived from facts: a replay gives the same."""
        return f"{self.episode}/{self.kind}/{int(self.at) // 60}/{self.assessment.severity}"


@dataclass(slots=True)
class _Episode:
    """From the first rule that holds until `join` after the last one held."""

    began: int
    severity: Severity
    situation: str
    last: int
    rules: set[str]
    calm_said: bool = False


class Detector:
    """`hear` in order of `at`; what is out of order counts at the time that was reached."""

    def __init__(self, thresholds: Thresholds, brands: Iterable[str] = ()) -> None:
        self.program = Program(thresholds)
        self.thresholds = thresholds
        self._alerts = Alerts()
        self._brands: dict[str, _Brand] = {}
        for brand in brands:
            self._brand(brand)

    def hear(self, heard: Heard) -> list[Finding]:
        """Count one thing, and say what follows."""
        found: list[Finding] = []
        match heard:
            case Observation():
                self._brand(heard.brand).observe(heard, found)
            case AlertHeard():
                self._hear_alert(heard, found)
            case NotHeard():
                self._brand(heard.brand).miss(heard, found)
            case _:
                assert_never(heard)
        return found

    def pass_time(self, at: float) -> list[Finding]:
        """Let time pass: what only time turns on or off."""
        found: list[Finding] = []
        for brand in self._brands.values():
            brand.pass_time(int(at // 60), found)
        return found

    def next_minute(self) -> float:
        """The minute (from the epoch) before which nothing can be found without something heard; may be infinite."""
        return min((brand.next_minute() for brand in self._brands.values()), default=inf)

    def _hear_alert(self, heard: AlertHeard, found: list[Finding]) -> None:
        minute = int(heard.at // 60)
        for brand in self._brands.values():
            brand.pass_time(minute, found)
        if not heard.firing:
            self._alerts.firing.pop(heard.key, None)
        elif heard.key not in self._alerts.firing:
            self._alerts.firing[heard.key] = (heard.names, minute)
        for brand in self._brands.values():
            brand.look_at_alerts(found)

    def _brand(self, name: str) -> "_Brand":
        brand = self._brands.get(name)
        if brand is None:
            brand = self._brands[name] = _Brand(name, self.program, self._alerts)
        return brand

    # --- to be seen ---

    def brands(self) -> list[str]:
        return sorted(self._brands)

    def picture_of(self, brand: str, subject: Subject = Subject.MENTIONS) -> Picture | None:
        """How a stream of a brand stands now, whatever the rules say; None for a brand never heard of."""
        known = self._brands.get(brand)
        return None if known is None else known.picture("", known.counters[subject, frozenset()], 60, 0.0)

    def standing(self, brand: str) -> tuple[str, ...]:
        """Names of the rules that hold now."""
        known = self._brands.get(brand)
        return () if known is None else tuple(known.holding())

    # --- memory ---

    def state(self) -> dict[str, Any]:
        """Everything that it knows, for JSON."""
        return {
            "alerts": {key: [sorted(names), since] for key, (names, since) in self._alerts.firing.items()},
            "brands": {name: brand.state() for name, brand in self._brands.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was when `state` was taken of a detector with the same thresholds; ValueError for other ones."""
        self._alerts.firing.update({key: (frozenset(names), since) for key, (names, since) in state["alerts"].items()})
        for name, stored in state["brands"].items():
            self._brand(name).restore(stored)


class _Brand:
    """One brand's streams, conditions and rules."""

    __slots__ = (
        "atoms",
        "counters",
        "episode",
        "hot",
        "last",
        "measured",
        "minute",
        "name",
        "on",
        "program",
        "rules",
        "shares",
        "singles",
        "timed",
        "topical",
        "waiting",
    )

    def __init__(self, name: str, program: Program, alerts: Alerts) -> None:
        self.name = name
        self.program = program
        self.rules: list[RuleProgram] = [each for each in program.rules if each.rule.brand in (None, name)]
        self.counters = program.counters()
        self.waiting: dict[Subject, Waiting] = {}
        self.atoms = program.atoms(self.counters, self.waiting, alerts)
        self.topical = [each for each in self.counters.values() if each.topics]
        self.measured = [each for each in self.counters.values() if any(atom.number is None for atom in each.atoms)]
        """Those of which somebody asks what is usual."""
        self.shares = {place: each for place, each in enumerate(self.atoms) if isinstance(each, ShareAtom)}
        self.singles = [each for each in self.atoms if isinstance(each, SingleAtom)]
        self.timed = [each for each in self.atoms if isinstance(each, WaitingAtom | AlertAtom)]
        self.on = [False] * len(self.rules)
        self.last = [-1] * len(self.rules)
        """The minute in which each rule last held; -1 for never."""
        self.hot = False
        """A rule lacks only a share, which any mention may change."""
        self.episode: _Episode | None = None
        self.minute = -1
        for counter in self.counters.values():
            counter.look_at_usual()

    # --- what is heard ---

    def observe(self, heard: Observation, found: list[Finding]) -> None:
        minute = int(heard.at // 60)
        if minute > self.minute:
            self.pass_time(minute, found)
        if heard.by_us:
            self._answered(heard, found)
            return
        turned = self._count(heard)
        for single in self.singles:
            if single.matches(heard):
                single.take(heard, self.minute)
                turned = True
        for subject, waiting in self.waiting.items():
            if concerns(subject, heard) and waiting.open(heard.thread, self.minute):
                turned = self._turn_timed() or turned
        if turned or self.hot:
            self._decide(found)

    def _count(self, heard: Observation) -> bool:
        counters = self.counters
        wanted = [counters[_ALL]]
        if heard.negative:
            wanted.append(counters[_NEGATIVE])
        if heard.complaint:
            wanted.append(counters[_COMPLAINTS])
        if heard.topics:
            wanted += [
                each
                for each in self.topical
                if not each.topics.isdisjoint(heard.topics) and concerns(each.subject, heard)
            ]
        turned = False
        for counter in wanted:
            counter.advance(self.minute)
            if counter.stream.add(heard.author, heard.count, heard.reach) and counter.limits and counter.reached():
                counter.turn_on()
                turned = True
        return turned

    def _answered(self, heard: Observation, found: list[Finding]) -> None:
        for waiting in self.waiting.values():
            waiting.answered(heard.thread)
        if self._turn_timed():
            self._decide(found)

    def miss(self, heard: NotHeard, found: list[Finding]) -> None:
        self.pass_time(int(heard.at // 60), found)
        for counter in self.counters.values():
            counter.advance(self.minute)
            counter.stream.miss(int(heard.since // 3600), int(heard.at // 3600))

    def look_at_alerts(self, found: list[Finding]) -> None:
        if self._turn_timed():
            self._decide(found)

    # --- time ---

    def pass_time(self, minute: int, found: list[Finding]) -> None:
        if self.minute < 0:
            self._begin(minute)
        while self.minute < minute:
            self.minute = int(min(minute, max(self.next_minute(), self.minute + 1)))
            self._turn(found)

    def _begin(self, minute: int) -> None:
        """From now on it is listened for: history begins for every stream of it."""
        self.minute = minute
        for counter in self.counters.values():
            counter.advance(minute)

    def next_minute(self) -> float:
        """The next minute in which something can turn by time alone: at once while a rule holds."""
        if self.hot or any(self.on):
            return self.minute + 1
        upcoming = [each.next_minute() for each in self.timed]
        if any(counter.stream.sums[-1] for counter in self.measured):
            # What is usual changes with the hour; the last minute before it decides by what was usual until then.
            hour = (self.minute // 60 + 1) * 60
            upcoming += [hour - 1, hour]
        if self.episode is not None and not self.episode.calm_said:
            upcoming.append(self.episode.last + self._minutes_of(self.program.thresholds.calm.total_seconds()))
        return min((each for each in upcoming if each > self.minute), default=inf)

    def _turn(self, found: list[Finding]) -> None:
        turned = False
        for counter in self.counters.values():
            if counter.stream.sums[-1] or any(atom.on for atom in counter.atoms):
                counter.advance(self.minute)
                turned = counter.turn() or turned
        for single in self.singles:
            if single.on and self.minute >= single.until:
                single.on = False
                turned = True
        turned = self._turn_timed() or turned
        if turned or self.hot or any(self.on):
            self._decide(found)
        self._calm_down(found)

    def _turn_timed(self) -> bool:
        turned = False
        for atom in self.timed:
            before = atom.on
            atom.turn(self.minute)
            turned = turned or atom.on != before
        return turned

    # --- rules ---

    def _decide(self, found: list[Finding]) -> None:
        started: list[int] = []
        self.hot = False
        for place, program in enumerate(self.rules):
            for share in program.shares:
                self.shares[share].lean(self.on[place])
            holds = program.holds(self.atoms)
            if holds:
                if not self.on[place]:
                    started.append(place)
                self.last[place] = self.minute
            elif program.shares and program.holds(self.atoms, but_for_shares=True):
                self.hot = True
            self.on[place] = holds
        if started:
            self._assess(started, found)
        elif self.episode is not None and any(self.on):
            self.episode.last = self.minute

    def _assess(self, started: list[int], found: list[Finding]) -> None:
        thresholds = self.program.thresholds
        join = self._minutes_of(thresholds.join.total_seconds())
        episode = self.episode
        fresh = episode is None or self.minute - episode.last > join
        severity, agreed = self._severity()
        names = {self.rules[place].rule.name for place in started}
        if episode is None or fresh:
            worst = min((self.rules[each] for each in started), key=lambda each: each.rule.severity.rank)
            episode = self.episode = _Episode(
                self.minute, severity, worst.rule.situation or thresholds.situation, self.minute, set()
            )
        rises = fresh or severity.is_worse_than(episode.severity)
        news = names - episode.rules
        episode.rules |= names
        episode.last = self.minute
        episode.calm_said = False
        if rises:
            episode.severity = severity
        if rises or news:
            found.append(self._finding("raises" if rises else "joins", episode, started, agreed))

    def _severity(self) -> tuple[Severity, tuple[Family, ...]]:
        """The highest of the rules that hold, one level up when rules of two families have held lately; and those."""
        worst = min((each.rule.severity for each in self._holding()), key=lambda each: each.rank)
        within = self.program.thresholds.raise_within
        if within is None:
            return worst, ()
        since = self.minute - self._minutes_of(within.total_seconds())
        families = {
            program.rule.family for program, last in zip(self.rules, self.last, strict=True) if last >= max(since, 0)
        }
        if len(families) < 2 or worst is Severity.SEV1:
            return worst, ()
        return worst.one_up, tuple(sorted(families))

    def _finding(
        self, kind: Literal["raises", "joins"], episode: _Episode, started: list[int], agreed: tuple[Family, ...]
    ) -> Finding:
        holding = self._holding()
        because = [reason(each, self.atoms, self.minute) for each in holding]
        if agreed:
            because.append(f"{' and '.join(agreed)} agree, which raises it one level to {episode.severity}")
        return Finding(
            kind,
            self.name,
            self._episode_id(episode),
            self.minute * 60.0,
            Assessment(episode.situation, episode.severity, tuple(because)),
            tuple(each.rule.name for each in holding),
            tuple(self.rules[each].rule.name for each in started),
            tuple(picture for each in holding if (picture := self._picture_of(each)) is not None),
            any(each.rule.ignores_quiet_hours for each in holding),
        )

    def _calm_down(self, found: list[Finding]) -> None:
        episode = self.episode
        if episode is None or episode.calm_said or any(self.on):
            return
        quiet = self._minutes_of(self.program.thresholds.calm.total_seconds())
        if self.minute - episode.last < quiet:
            return
        episode.calm_said = True
        because = (f"every rule has been quiet for {quiet // 60} hours; a person may step down",)
        found.append(
            Finding(
                "calm",
                self.name,
                self._episode_id(episode),
                self.minute * 60.0,
                Assessment(episode.situation, episode.severity, because),
            )
        )

    def _episode_id(self, episode: _Episode) -> str:
        return f"{self.name}@{episode.began}"

    def _holding(self) -> list[RuleProgram]:
        return [program for program, on in zip(self.rules, self.on, strict=True) if on]

    def holding(self) -> list[str]:
        return [each.rule.name for each in self._holding()]

    @staticmethod
    def _minutes_of(seconds: float) -> int:
        return int(seconds // 60)

    # --- pictures ---

    def _picture_of(self, program: RuleProgram) -> Picture | None:
        """Of the first count on a stream with a history."""
        for term in program.terms():
            for place in term[0] if term else ():
                atom = self.atoms[place]
                if isinstance(atom, CountAtom) and atom.measure == "sums" and not atom.counter.topics:
                    return self.picture(program.rule.name, atom.counter, atom.window, atom.trip)
        return None

    def picture(self, rule: str, counter: Counter, window: int, limit: float) -> Picture:
        stream = counter.stream
        stream_usual = stream.usual(window)
        return Picture(
            rule,
            counter.subject,
            window,
            stream.sums[stream.windows.index(window)],
            limit,
            None if stream_usual is None else stream_usual.mean,
            None if stream_usual is None else stream_usual.spread,
            tuple(stream.hourly(SHOWN_HOURS)),
            stream.minute // 60 * 60,
        )

    # --- memory ---

    def state(self) -> dict[str, Any]:
        episode = self.episode
        return {
            "minute": self.minute,
            "hot": self.hot,
            "streams": [counter.stream.state() for counter in self.counters.values()],
            "atoms": [
                [each.on, each.until, each.who, each.link, each.reach] if isinstance(each, SingleAtom) else [each.on]
                for each in self.atoms
            ],
            "rules": {
                each.rule.name: [on, last] for each, on, last in zip(self.rules, self.on, self.last, strict=True)
            },
            "waiting": {str(subject): waiting.since for subject, waiting in self.waiting.items()},
            "episode": None
            if episode is None
            else [
                episode.began,
                str(episode.severity),
                episode.situation,
                episode.last,
                sorted(episode.rules),
                episode.calm_said,
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.minute, self.hot = state["minute"], state["hot"]
        for counter, stored in zip(self.counters.values(), state["streams"], strict=True):
            counter.stream.restore(stored)
        for atom, (on, *single) in zip(self.atoms, state["atoms"], strict=True):
            atom.on = on
            if isinstance(atom, SingleAtom):
                atom.until, atom.who, atom.link, atom.reach = single
        for counter in self.counters.values():
            counter.look_at_usual()
        for place, program in enumerate(self.rules):
            self.on[place], self.last[place] = state["rules"][program.rule.name]
        for subject, since in state["waiting"].items():
            self.waiting[Subject(subject)].since = since
        if state["episode"] is not None:
            began, severity, situation, last, rules, calm = state["episode"]
            self.episode = _Episode(began, Severity(severity), situation, last, set(rules), calm)


_ALL = (Subject.MENTIONS, frozenset[str]())
_NEGATIVE = (Subject.NEGATIVE, frozenset[str]())
_COMPLAINTS = (Subject.COMPLAINTS, frozenset[str]())
