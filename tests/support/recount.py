"""The detector a second time, slow and plain: everything is counted again from the list for every minute.

Written from shared/design/detection.md and the docstrings of signals/conditions.py and signals/rules.py, not from the
detector: a test compares the two. It knows no bits, rings or limits; of a condition it remembers whether it is on.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction

from incidents.severity import Severity
from signals import conditions as c
from signals.conditions import Subject
from signals.observation import AlertHeard, Heard, NotHeard, Observation
from signals.rules import Rule, Thresholds

Kind = tuple[Subject, frozenset[str]]
OUR_SOURCES = "source:*"
"""In the place of a brand: rules that only ask whether we hear anything are decided once, not for every brand."""


def about(rule: Rule) -> str | None:
    asked = {type(each) for each in (*rule.when, *rule.otherwise, *rule.only_if)}
    return OUR_SOURCES if asked == {c.Silent} else None


@dataclass(frozen=True, slots=True)
class Found:
    kind: str
    brand: str
    minute: int
    severity: Severity
    situation: str
    holding: tuple[str, ...]
    started: tuple[str, ...]


@dataclass(slots=True)
class Counted:
    minute: int
    count: int
    person: bool
    reach: int


@dataclass(slots=True)
class BrandAgain:
    begun: int
    counted: dict[Kind, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    last_of: dict[tuple[Kind, int], int] = field(default_factory=dict)
    """The minute in which an author was last counted."""
    mentions: list[tuple[int, Observation]] = field(default_factory=list)
    waiting: dict[Subject, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last hour, inclusive."""
    on: set[str] = field(default_factory=set)
    """Conditions with a memory that are on, by their text."""
    holding: set[str] = field(default_factory=set)
    last_held: dict[str, int] = field(default_factory=dict)
    episode: "EpisodeAgain | None" = None
    usual: dict[tuple[Kind, int], tuple[float, float] | None] = field(default_factory=dict)


@dataclass(slots=True)
class EpisodeAgain:
    severity: Severity
    situation: str
    last: int
    rules: set[str]
    calm_said: bool = False


def recount(
    thresholds: Thresholds, brands: Sequence[str], begin: int, history: Sequence[Heard], end: int
) -> list[Found]:
    """What is to be found from minute `begin` to minute `end`, told the history in its order."""
    return Recount(thresholds, brands, begin).run(history, end)


class Recount:
    def __init__(self, thresholds: Thresholds, brands: Sequence[str], begin: int) -> None:
        self.thresholds = thresholds
        self.brands = {brand: BrandAgain(begin) for brand in (*brands, OUR_SOURCES)}
        self.firing: dict[str, tuple[frozenset[str], int]] = {}
        self.minute = begin
        self.found: list[Found] = []

    def run(self, history: Sequence[Heard], end: int) -> list[Found]:
        for brand in self.brands:
            self.look(brand)
        for heard in history:
            self.minutes_until(int(heard.at // 60))
            self.tell(heard)
        self.minutes_until(end)
        return self.found

    def minutes_until(self, minute: int) -> None:
        while self.minute < minute:
            for known in self.brands.values():
                if known.episode is not None and known.holding:
                    known.episode.last = self.minute
            self.minute += 1
            for brand in self.brands:
                self.look(brand)
                self.calm(brand)

    # --- telling ---

    def tell(self, heard: Heard) -> None:
        if isinstance(heard, AlertHeard):
            if not heard.firing:
                self.firing.pop(heard.key, None)
            else:
                self.firing.setdefault(heard.key, (heard.names, int(heard.at // 60)))
            for brand in self.brands:
                self.look(brand)
            return
        known = self.brands[heard.brand]
        if isinstance(heard, NotHeard):
            known.gaps.append((int(heard.since // 3600), int(heard.at // 3600)))
            known.usual.clear()
        elif heard.by_us:
            for threads in known.waiting.values():
                threads.pop(heard.thread, None)
        else:
            self.count(known, heard)
        self.look(heard.brand)

    def count(self, brand: BrandAgain, heard: Observation) -> None:
        brand.mentions.append((self.minute, heard))
        for kind in self.kinds():
            subject, topics = kind
            if not is_a(subject, heard) or (topics and not topics & heard.topics):
                continue
            last = brand.last_of.get((kind, heard.author))
            if heard.author and last is not None and self.minute - last < 60:
                continue
            brand.last_of[kind, heard.author] = self.minute
            count = 1 if heard.author else heard.count
            brand.counted[kind].append(Counted(self.minute, count, heard.author != 0, heard.reach))
        for subject in Subject:
            if is_a(subject, heard):
                written = int(heard.written // 60) if heard.written else self.minute
                brand.waiting[subject].setdefault(heard.thread, min(self.minute, written))

    def kinds(self) -> set[Kind]:
        found: set[Kind] = {(subject, frozenset()) for subject in Subject}
        for rule in self.thresholds.rules:
            for each in (*rule.when, *rule.otherwise, *rule.only_if):
                if isinstance(each, c.AtLeast):
                    found |= set(self.kinds_of(each))
        return found

    def kinds_of(self, condition: c.AtLeast) -> list[Kind]:
        if not condition.same_topic:
            return [(condition.subject, frozenset(condition.topics))]
        return [(condition.subject, frozenset({each})) for each in condition.topics or self.thresholds.topics]

    # --- numbers ---

    def within(self, brand: BrandAgain, kind: Kind, window: timedelta) -> list[Counted]:
        oldest = self.minute - minutes(window)
        found: list[Counted] = []
        for each in reversed(brand.counted[kind]):
            if each.minute <= oldest:
                break
            found.append(each)
        return found

    def number(self, brand: BrandAgain, kind: Kind, window: timedelta) -> int:
        return sum(each.count for each in self.within(brand, kind, window))

    def people(self, brand: BrandAgain, kind: Kind, window: timedelta) -> int:
        return sum(each.person for each in self.within(brand, kind, window))

    def usual_of(self, brand: BrandAgain, kind: Kind, window: timedelta) -> tuple[float, float] | None:
        """Mean and spread of what is usual in a window, by the hour that runs."""
        hour = self.minute // 60
        if (kind, hour) not in brand.usual:
            brand.usual[kind, hour] = self.usual_hour(brand, kind, hour)
        known = brand.usual[kind, hour]
        if known is None:
            return None
        mean, variance = known
        part = minutes(window) / 60
        spread = math.sqrt(mean * part + max(variance - mean, 0) * part**2)
        return mean * part, spread or 1.0

    def usual_hour(self, brand: BrandAgain, kind: Kind, hour: int) -> tuple[float, float] | None:
        guard = int(self.thresholds.leave_out.total_seconds() // 3600)
        hours = range(hour - guard - 24 * self.thresholds.usual_days, hour - guard)
        sums = dict.fromkeys((each for each in hours if each * 60 >= brand.begun and not unknown(brand, each)), 0)
        for each in brand.counted[kind]:
            if each.minute // 60 in sums:
                sums[each.minute // 60] += each.count
        if hour * 60 - brand.begun < 42 * 60 or len(sums) < 18:
            return None
        return statistics.fmean(sums.values()), statistics.variance(sums.values())

    # --- conditions ---

    def holds(self, name: str, condition: c.Condition, rule: Rule) -> bool:
        brand = self.brands[name]
        match condition:
            case c.AboveUsual(subject, window, word):
                usual = self.usual_of(brand, (subject, frozenset()), window)
                if usual is None:
                    brand.on.discard(repr(condition))
                    return False
                limit = max(1, math.ceil(usual[0] + self.thresholds.words[word] * usual[1] - 1e-9))
                return self.kept(brand, repr(condition), self.number(brand, (subject, frozenset()), window), limit)
            case c.Share(subject, window, percent):
                whole = self.number(brand, (Subject.MENTIONS, frozenset()), window)
                share = Fraction(self.number(brand, (subject, frozenset()), window), whole) if whole else Fraction(-1)
                limit_of = Fraction(percent) / 100
                return share >= limit_of * Fraction(7, 10) if rule.name in brand.holding else share > limit_of
            case c.AtLeast():
                return any([self.at_least(brand, condition, kind) for kind in self.kinds_of(condition)])
            case c.FromPeople(people):
                return self.enough_people(brand, people, *self.counted_by(rule))
            case c.OneMention():
                return any(
                    self.minute - 60 < at and self.is_one(condition, heard) for at, heard in brand.mentions[-200:]
                )
            case c.Reach(subject, window, above):
                reach = sum(each.reach for each in self.within(brand, (subject, frozenset()), window))
                return self.kept(brand, repr(condition), reach, above + 1)
            case c.Waiting(subject, more_than, longer_than):
                oldest = self.minute - minutes(longer_than)
                return sum(since <= oldest for since in brand.waiting[subject].values()) > more_than
            case c.Firing() | c.Silent():
                return self.fires(condition)
        raise TypeError(condition)

    def at_least(self, brand: BrandAgain, condition: c.AtLeast, kind: Kind) -> bool:
        memory = f"{kind} {condition.window}"
        number = self.number(brand, kind, condition.window)
        enough = self.kept(brand, f"number {condition.number} {memory}", number, condition.number)
        if not condition.people:
            return enough
        return self.enough_people(brand, condition.people, kind, condition.window) and enough

    def enough_people(self, brand: BrandAgain, least: int, kind: Kind, window: timedelta) -> bool:
        return self.kept(brand, f"people {least} {kind} {window}", self.people(brand, kind, window), least)

    def kept(self, brand: BrandAgain, memory: str, value: int, limit: int) -> bool:
        """On at the limit, off below 70 % of it."""
        on = 10 * value >= 7 * limit if memory in brand.on else value >= limit
        (brand.on.add if on else brand.on.discard)(memory)
        return on

    def counted_by(self, rule: Rule) -> tuple[Kind, timedelta]:
        found: list[tuple[timedelta, Kind]] = []
        for each in (*rule.when, *rule.otherwise):
            if isinstance(each, c.AboveUsual | c.Reach):
                found.append((each.window, (each.subject, frozenset())))
            elif isinstance(each, c.AtLeast):
                found.append((each.window, (each.subject, frozenset(() if each.same_topic else each.topics))))
        window, kind = max(found, key=lambda each: each[0])
        return kind, window

    def is_one(self, condition: c.OneMention, heard: Observation) -> bool:
        return (
            is_a(condition.subject, heard)
            and (condition.followers is None or heard.reach > condition.followers)
            and (not condition.verified or heard.verified)
            and (not condition.topics or bool(set(condition.topics) & heard.topics))
        )

    def fires(self, condition: c.Firing | c.Silent) -> bool:
        if isinstance(condition, c.Firing):
            names = frozenset(condition.names)
        else:
            names = frozenset({f"source:{condition.source or '*'}"})
        latest = self.minute - minutes(condition.lasting)
        return any(since <= latest and known & names for known, since in self.firing.values())

    # --- rules ---

    def look(self, name: str) -> None:
        brand = self.brands[name]
        rules = [rule for rule in self.thresholds.rules if name == (rule.brand or about(rule) or name)]
        if name == OUR_SOURCES:
            rules = [rule for rule in rules if about(rule) == OUR_SOURCES]
        now = {rule.name for rule in rules if self.rule_holds(name, rule)}
        started = now - brand.holding
        for ended in brand.holding - now:
            self.held(brand, ended, self.minute - 1)
        went_on = brand.holding & now
        brand.holding = now
        for each in started:
            self.held(brand, each, self.minute)
        if started:
            self.assess(name, brand, [rule for rule in rules if rule.name in now], started, bool(went_on))

    def held(self, brand: BrandAgain, rule: str, minute: int) -> None:
        brand.last_held[rule] = max(brand.last_held.get(rule, -1), minute)

    def rule_holds(self, name: str, rule: Rule) -> bool:
        # Every condition is looked at: those with a memory remember.
        when = [self.holds(name, each, rule) for each in rule.when]
        otherwise = [self.holds(name, each, rule) for each in rule.otherwise]
        only_if = [self.holds(name, each, rule) for each in rule.only_if]
        return ((bool(when) and all(when)) or any(otherwise)) and all(only_if)

    def assess(self, name: str, brand: BrandAgain, holding: list[Rule], started: set[str], went_on: bool) -> None:
        severity = min((rule.severity for rule in holding), key=lambda each: each.rank)
        within = self.thresholds.raise_within
        if within is not None and severity is not Severity.SEV1:
            since = self.minute - minutes(within)
            lately = {rule.family for rule in self.thresholds.rules if brand.last_held.get(rule.name, -1) >= since}
            lately |= {rule.family for rule in holding}
            if len(lately) > 1:
                severity = severity.one_up
        # As if it were declared now: the worst that holds, of equals what has just started.
        worst = min(holding, key=lambda each: (each.severity.rank, each.name not in started))
        situation = worst.situation or self.thresholds.situation
        episode = brand.episode
        if episode is None or (not went_on and self.minute - episode.last > minutes(self.thresholds.join)):
            brand.episode = episode = EpisodeAgain(severity, situation, self.minute, set(started))
            kind = "raises"
        elif severity.is_worse_than(episode.severity):
            episode.severity, kind = severity, "raises"
        elif started - episode.rules:
            kind = "joins"
        else:
            kind = ""
        episode.rules |= started
        episode.last = self.minute
        episode.calm_said = False
        if kind:
            names = tuple(rule.name for rule in holding)
            ordered = tuple(each for each in names if each in started)
            self.found.append(Found(kind, name, self.minute, episode.severity, situation, names, ordered))

    def calm(self, name: str) -> None:
        brand = self.brands[name]
        episode = brand.episode
        if episode is None or brand.holding or episode.calm_said:
            return
        if self.minute - episode.last >= minutes(self.thresholds.calm):
            episode.calm_said = True
            self.found.append(Found("calm", name, self.minute, episode.severity, episode.situation, (), ()))


def unknown(brand: BrandAgain, hour: int) -> bool:
    return any(first <= hour <= last for first, last in brand.gaps)


def is_a(subject: Subject, heard: Observation) -> bool:
    return subject is Subject.MENTIONS or (heard.negative if subject is Subject.NEGATIVE else heard.complaint)


def minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
