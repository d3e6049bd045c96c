"""Rules made ready: which streams a brand needs, which conditions on them, and how they make up each rule. Pure.

Made once for all brands; a brand has only the numbers (`Atom`s, in the order of `Program.specs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import assert_never

from signals.atoms import (
    AlertAtom,
    Alerts,
    Atom,
    CountAtom,
    Counter,
    Measure,
    ShareAtom,
    SingleAtom,
    Waiting,
    WaitingAtom,
)
from signals.conditions import (
    AboveUsual,
    AtLeast,
    Condition,
    Firing,
    FromPeople,
    OneMention,
    Reach,
    Share,
    Silent,
    Subject,
)
from signals.conditions import Waiting as WaitingCondition
from signals.rules import Rule, Thresholds
from signals.streams import HOUR, Stream

Key = tuple[Subject, frozenset[str]]
Option = tuple[int, ...]
"""Conditions of which all have to hold, by their place."""
Term = tuple[Option, ...]
"""Options of which one is enough."""


@dataclass(frozen=True, slots=True)
class CountSpec:
    key: Key
    measure: Measure
    window: int
    number: int | None = None
    spreads: float = 0.0


@dataclass(frozen=True, slots=True)
class ShareSpec:
    part: Key
    window: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class SingleSpec:
    subject: Subject
    followers: int | None
    verified: bool
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class WaitingSpec:
    subject: Subject
    more_than: int
    longer_than: int


@dataclass(frozen=True, slots=True)
class AlertSpec:
    names: frozenset[str]
    lasting: int


Spec = CountSpec | ShareSpec | SingleSpec | WaitingSpec | AlertSpec


@dataclass(frozen=True, slots=True)
class RuleProgram:
    rule: Rule
    alternatives: tuple[tuple[Term, ...], ...]
    """One of them has to hold: `when` with its `and`s, or an `or`."""
    only_if: tuple[Term, ...]
    shares: tuple[int, ...]
    """Places of those among its conditions that are shares."""

    def holds(self, atoms: Sequence[Atom], *, but_for_shares: bool = False) -> bool:
        left_out = self.shares if but_for_shares else ()

        def on(term: Term) -> bool:
            return any(all(atoms[each].on or each in left_out for each in option) for option in term)

        return any(all(map(on, terms)) for terms in self.alternatives) and all(map(on, self.only_if))

    def terms(self) -> list[Term]:
        return [*(term for terms in self.alternatives for term in terms), *self.only_if]


@dataclass(slots=True)
class Program:
    thresholds: Thresholds
    specs: list[Spec] = field(default_factory=list)
    rules: list[RuleProgram] = field(default_factory=list)
    windows: dict[Key, set[int]] = field(default_factory=dict)
    """The windows of each stream. The three streams of a brand are always there."""
    reaching: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        for subject in Subject:
            self.windows[subject, frozenset()] = {HOUR}
        for rule in self.thresholds.rules:
            self.rules.append(self._rule(rule))

    # --- from conditions ---

    def _rule(self, rule: Rule) -> RuleProgram:
        counted = _counted((*rule.when, *rule.otherwise))
        when = tuple(self._term(each, counted) for each in rule.when)
        others = [(self._term(each, counted),) for each in rule.otherwise]
        only_if = tuple(self._term(each, counted) for each in rule.only_if)
        alternatives = ((when,) if when else ()) + tuple(others)
        program = RuleProgram(rule, alternatives, only_if, ())
        places = {each for term in program.terms() for option in term for each in option}
        shares = tuple(sorted(each for each in places if isinstance(self.specs[each], ShareSpec)))
        return RuleProgram(rule, alternatives, only_if, shares)

    def _term(self, condition: Condition, counted: tuple[Key, int] | None) -> Term:
        if isinstance(condition, AtLeast):
            return self._at_least(condition)
        return ((self._place(self._spec(condition, counted)),),)

    def _spec(self, condition: Condition, counted: tuple[Key, int] | None) -> Spec:
        match condition:
            case AboveUsual(subject, window, word):
                return CountSpec((subject, frozenset()), "sums", _minutes(window), None, self.thresholds.words[word])
            case Share(subject, window, percent):
                return ShareSpec((subject, frozenset()), _minutes(window), percent)
            case FromPeople(people):
                if counted is None:
                    raise ValueError("from at least N people: nothing is counted here")
                return CountSpec(counted[0], "people", counted[1], people)
            case OneMention(subject, followers, verified, topics):
                return SingleSpec(subject, followers, verified, frozenset(topics))
            case Reach(subject, window, above):
                return CountSpec((subject, frozenset()), "reach", _minutes(window), above + 1)
            case WaitingCondition(subject, more_than, longer_than):
                return WaitingSpec(subject, more_than, _minutes(longer_than))
            case Firing(names, lasting):
                return AlertSpec(frozenset(each.lower() for each in names), _minutes(lasting))
            case Silent(source, lasting):
                return AlertSpec(frozenset({f"source:{source or '*'}"}), _minutes(lasting))
        raise TypeError(f"no such condition: {condition!r}")

    def _at_least(self, condition: AtLeast) -> Term:
        if condition.same_topic:
            groups = [frozenset({topic}) for topic in condition.topics or sorted(self.thresholds.topics)]
        else:
            groups = [frozenset(condition.topics)]
        window = _minutes(condition.window)
        options: list[Option] = []
        for topics in groups:
            key = (condition.subject, topics)
            places = [self._place(CountSpec(key, "sums", window, condition.number))]
            if condition.people:
                places.append(self._place(CountSpec(key, "people", window, condition.people)))
            options.append(tuple(places))
        return tuple(options)

    def _place(self, spec: Spec) -> int:
        """Rules that ask the same share one condition."""
        if isinstance(spec, CountSpec):
            self.windows.setdefault(spec.key, set()).add(spec.window)
            if spec.measure == "reach":
                self.reaching.add(spec.key)
        if isinstance(spec, ShareSpec):
            for key in ((Subject.MENTIONS, frozenset[str]()), spec.part):
                self.windows.setdefault(key, set()).add(spec.window)
        if spec not in self.specs:
            self.specs.append(spec)
        return self.specs.index(spec)

    # --- for a brand ---

    def counters(self) -> dict[Key, Counter]:
        usual, guard = self.thresholds.usual_days * 24, int(self.thresholds.leave_out.total_seconds() // 3600)
        return {
            key: Counter(*key, Stream(sorted(windows), 0 if key[1] else usual, guard, reach=key in self.reaching))
            for key, windows in self.windows.items()
        }

    def atoms(self, counters: dict[Key, Counter], waiting: dict[Subject, Waiting], alerts: Alerts) -> list[Atom]:
        return [self._atom(spec, counters, waiting, alerts) for spec in self.specs]

    def _atom(self, spec: Spec, counters: dict[Key, Counter], waiting: dict[Subject, Waiting], alerts: Alerts) -> Atom:
        match spec:
            case CountSpec(key, measure, window, number, spreads):
                counter = counters[key]
                atom = CountAtom(counter, measure, window, counter.stream.windows.index(window), number, spreads)
                counter.atoms.append(atom)
                return atom
            case ShareSpec(part, window, percent):
                of, all_of = counters[part], counters[Subject.MENTIONS, frozenset()]
                places = (of.stream.windows.index(window), all_of.stream.windows.index(window))
                return ShareAtom(of, all_of, window, *places, percent)
            case SingleSpec(subject, followers, verified, topics):
                return SingleAtom(subject, followers, verified, topics)
            case WaitingSpec(subject, more_than, longer_than):
                queue = waiting.setdefault(subject, Waiting())
                queue.most = max(queue.most, 4 * more_than + 1)
                return WaitingAtom(subject, more_than, longer_than, queue)
            case AlertSpec(names, lasting):
                return AlertAtom(names, lasting, alerts)
            case _:
                assert_never(spec)


def _counted(conditions: Sequence[Condition]) -> tuple[Key, int] | None:
    """What `from at least N people` is about: what the rule counts, in its longest window."""
    found: list[tuple[Key, int]] = []
    for condition in conditions:
        match condition:
            case AboveUsual(subject, window) | Reach(subject, window):
                found.append(((subject, frozenset()), _minutes(window)))
            case AtLeast(subject, _, window, topics, same_topic):
                found.append(((subject, frozenset() if same_topic else frozenset(topics)), _minutes(window)))
            case _:
                pass
    return max(found, key=lambda each: each[1], default=None)


def _minutes(span: timedelta) -> int:
    return max(1, int(span.total_seconds() // 60))
