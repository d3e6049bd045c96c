"""Rules made ready: which streams a brand needs, which conditions on them, and how they make up each rule. Pure.

Made once for all brands. A condition is a bit: the same condition in two rules is the same bit.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from signals.atoms import (
    ANY_SOURCE,
    AlertSpec,
    Counter,
    CountSpec,
    Key,
    ShareSpec,
    SingleSpec,
    Spec,
    Waiting,
    WaitingSpec,
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

Term = tuple[int, ...]
"""Sets of bits of which one is enough: all of a set have to be on."""


@dataclass(frozen=True, slots=True)
class RuleProgram:
    rule: Rule
    alternatives: tuple[tuple[Term, ...], ...]
    """One of them has to hold: `when` with its `and`s, or an `or`."""
    only_if: tuple[Term, ...]
    shares: tuple[tuple[int, ShareSpec], ...] = ()
    """Bit and share of each among its conditions."""
    needed: int = 0
    """Bits without which it cannot hold."""
    asked: int = 0
    """Every bit that it asks for."""

    def holds(self, bits: int) -> bool:
        if bits & self.needed != self.needed:
            return False
        return _all(self.only_if, bits) and any(_all(terms, bits) for terms in self.alternatives)

    def terms(self) -> list[Term]:
        return [*(term for terms in self.alternatives for term in terms), *self.only_if]


def _all(terms: Sequence[Term], bits: int) -> bool:
    for term in terms:
        for wanted in term:
            if bits & wanted == wanted:
                break
        else:
            return False
    return True


@dataclass(slots=True)
class Program:
    thresholds: Thresholds
    specs: list[Spec] = field(default_factory=list)
    """A condition's bit is `1 << place`."""
    rules: list[RuleProgram] = field(default_factory=list)
    windows: dict[Key, set[int]] = field(default_factory=dict)
    """The windows of each stream. The three streams of a brand are always there."""
    counts: dict[Key, list[tuple[int, CountSpec]]] = field(default_factory=lambda: defaultdict(list))
    singles: list[tuple[int, SingleSpec]] = field(default_factory=list)
    waiting: list[tuple[int, WaitingSpec]] = field(default_factory=list)
    alerts: list[tuple[int, AlertSpec]] = field(default_factory=list)
    topical: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))
    """The streams that a topic counts on."""
    loud: float = inf
    """Followers above which a single mention may matter."""
    always_matched: bool = False
    """Some rule wants to see every single mention, whoever wrote it."""
    shares: list[tuple[int, ShareSpec]] = field(default_factory=list)
    share_bits: int = 0

    def __post_init__(self) -> None:
        for subject in Subject:
            self.windows[subject, frozenset()] = {HOUR}
        for rule in self.thresholds.rules:
            self.rules.append(self._rule(rule))
        for place, spec in enumerate(self.specs):
            self._file(1 << place, spec)

    def _file(self, bit: int, spec: Spec) -> None:
        match spec:
            case CountSpec(key):
                self.counts[key].append((bit, spec))
                for topic in key[1]:
                    if key not in self.topical[topic]:
                        self.topical[topic].append(key)
            case ShareSpec():
                self.shares.append((bit, spec))
                self.share_bits |= bit
            case SingleSpec(_, followers, verified, topics):
                self.singles.append((bit, spec))
                if followers is not None:
                    self.loud = min(self.loud, followers)
                elif not verified and not topics:
                    self.always_matched = True
            case WaitingSpec():
                self.waiting.append((bit, spec))
            case AlertSpec():
                self.alerts.append((bit, spec))

    # --- from conditions ---

    def _rule(self, rule: Rule) -> RuleProgram:
        counted = _counted((*rule.when, *rule.otherwise))
        when = tuple(self._term(each, counted) for each in rule.when)
        others = tuple((self._term(each, counted),) for each in rule.otherwise)
        only_if = tuple(self._term(each, counted) for each in rule.only_if)
        alternatives = ((when,) if when else ()) + others
        certain = [*only_if, *(alternatives[0] if len(alternatives) == 1 else ())]
        needed = 0
        for term in certain:
            needed |= term[0] if len(term) == 1 else 0
        places = 0
        for term in (*(term for terms in alternatives for term in terms), *only_if):
            for bits in term:
                places |= bits
        shares = tuple(
            (1 << place, spec)
            for place, spec in enumerate(self.specs)
            if isinstance(spec, ShareSpec) and places >> place & 1
        )
        return RuleProgram(rule, alternatives, only_if, shares, needed, places)

    def _term(self, condition: Condition, counted: tuple[Key, int] | None) -> Term:
        if isinstance(condition, AtLeast):
            return self._at_least(condition)
        return (self._bit(self._spec(condition, counted)),)

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
                return AlertSpec(frozenset(each.lower() for each in names), _minutes(lasting, 0))
            case Silent(source, lasting):
                return AlertSpec(frozenset({f"source:{source}" if source else ANY_SOURCE}), _minutes(lasting))
        raise TypeError(f"no such condition: {condition!r}")

    def _at_least(self, condition: AtLeast) -> Term:
        if condition.same_topic:
            groups = [frozenset({topic}) for topic in condition.topics or sorted(self.thresholds.topics)]
        else:
            groups = [frozenset(condition.topics)]
        window = _minutes(condition.window)
        options: list[int] = []
        for topics in groups:
            key = (condition.subject, topics)
            bits = self._bit(CountSpec(key, "sums", window, condition.number))
            if condition.people:
                bits |= self._bit(CountSpec(key, "people", window, condition.people))
            options.append(bits)
        return tuple(options)

    def _bit(self, spec: Spec) -> int:
        match spec:
            case CountSpec(key, _, window):
                self.windows.setdefault(key, set()).add(window)
            case ShareSpec(part, window):
                for key in ((Subject.MENTIONS, frozenset[str]()), part):
                    self.windows.setdefault(key, set()).add(window)
            case _:
                pass
        if spec not in self.specs:
            self.specs.append(spec)
        return 1 << self.specs.index(spec)

    # --- for a brand ---

    def counter(self, key: Key) -> Counter:
        thresholds = self.thresholds
        usual = 0 if key[1] else thresholds.usual_days * 24
        guard = int(thresholds.leave_out.total_seconds() // 3600)
        reaching = any(spec.measure == "reach" for _, spec in self.counts[key])
        stream = Stream(sorted(self.windows[key]), usual, guard, reach=reaching)
        return Counter(key, stream, self.counts[key])

    def queues(self) -> dict[Subject, Waiting]:
        """Who waits, for each subject that a rule asks about."""
        numbers: dict[Subject, list[int]] = defaultdict(list)
        for _, spec in self.waiting:
            numbers[spec.subject].append(spec.more_than)
        return {subject: Waiting(each) for subject, each in numbers.items()}


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


def _minutes(span: timedelta, least: int = 1) -> int:
    return max(least, int(span.total_seconds() // 60))
