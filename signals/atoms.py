"""Counts and the conditions that wait for a number on them, for one brand. Pure.

A condition is a bit of the brand's `bits`. It comes on at 100 % of its limit and goes off below 70 % (hysteresis,
shared/design/detection.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import inf
from typing import Literal

from signals.conditions import Subject
from signals.observation import Observation
from signals.streams import HOUR, Stream

LEAVE_PERCENT = 70
ANY_SOURCE = "source:*"
"""A name that every source has which has fallen silent, besides its own."""
SINGLE_LASTS = HOUR
"""Minutes for which one mention that is enough keeps its condition on."""
REMEMBERED = 20
"""Times as many conversations are remembered as a rule asks for: when some are answered, others still wait."""

Measure = Literal["sums", "people", "reach"]
Key = tuple[Subject, frozenset[str]]
"""Which stream of a brand: the mentions of a subject, all of them or those about one of the topics."""


@dataclass(frozen=True, slots=True)
class CountSpec:
    """So many mentions, people or followers in a window of minutes: a number, or so many spreads above the usual."""

    key: Key
    measure: Measure
    window: int
    number: int | None = None
    spreads: float = 0.0


@dataclass(frozen=True, slots=True)
class ShareSpec:
    """More than a part of all mentions of a window, in percent."""

    part: Key
    window: int
    percent: Decimal

    def enters(self, part: int, whole: int) -> bool:
        return 100 * part > self.percent * whole

    def stays(self, part: int, whole: int) -> bool:
        """Whether a rule that held by it goes on."""
        return whole > 0 and 10_000 * part >= LEAVE_PERCENT * self.percent * whole


@dataclass(frozen=True, slots=True)
class SingleSpec:
    """One mention is enough."""

    subject: Subject
    followers: int | None
    verified: bool
    topics: frozenset[str]

    def matches(self, heard: Observation) -> bool:
        if self.followers is not None and heard.reach <= self.followers:
            return False
        if self.verified and not heard.verified:
            return False
        if self.topics and self.topics.isdisjoint(heard.topics):
            return False
        return concerns(self.subject, heard)


@dataclass(frozen=True, slots=True)
class WaitingSpec:
    """More than so many conversations wait for our answer for longer than so many minutes."""

    subject: Subject
    more_than: int
    longer_than: int


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """A monitor's alert fires for so many minutes, or a source has been silent for so long."""

    names: frozenset[str]
    lasting: int


Spec = CountSpec | ShareSpec | SingleSpec | WaitingSpec | AlertSpec


class Counter:
    """A stream and the bits that hang on it.

    Of each number that is counted only the nearest limits are kept: in `limits` the lowest at which a bit comes on, in
    `leaves` the highest below which one goes off. Most mentions cost a comparison with these and turn nothing.
    """

    __slots__ = ("_specs", "key", "leaves", "limits", "stream")

    def __init__(self, key: Key, stream: Stream, specs: Sequence[tuple[int, CountSpec]]) -> None:
        self.key = key
        self.stream = stream
        self._specs = specs
        self.limits: list[tuple[list[int], int, float]] = []
        self.leaves: list[tuple[list[int], int, float]] = []

    def advance(self, minute: int, bits: int) -> None:
        if self.stream.advance(minute):
            self.set_limits(bits)

    def set_limits(self, bits: int) -> None:
        """What is usual has changed (a new hour), or a condition has turned."""
        limits: dict[tuple[Measure, int], float] = {}
        leaves: dict[tuple[Measure, int], float] = {}
        for bit, spec in self._specs:
            trip, place = self.trip(spec), (spec.measure, spec.window)
            if bits & bit:
                leaves[place] = max(leaves.get(place, 0), leave_below(trip))
            elif trip < limits.get(place, inf):
                limits[place] = trip
        self.limits, self.leaves = self._placed(limits), self._placed(leaves)

    def _placed(self, limits: dict[tuple[Measure, int], float]) -> list[tuple[list[int], int, float]]:
        stream = self.stream
        return [
            (getattr(stream, measure), stream.windows.index(window), limit)
            for (measure, window), limit in limits.items()
        ]

    def trip(self, spec: CountSpec) -> float:
        """The number at which a condition comes on; infinite while it is not known what is usual."""
        return float(spec.number) if spec.number is not None else self.stream.trip(spec.window, spec.spreads)

    def value(self, measure: Measure, window: int) -> int:
        values: list[int] = getattr(self.stream, measure)
        return values[self.stream.windows.index(window)]

    def risen(self, bits: int) -> int:
        """The bits after something was counted."""
        for values, k, limit in self.limits:
            if values[k] >= limit:
                return self._looked_at(bits)
        return bits

    def turned(self, bits: int) -> int:
        """The bits after time has passed."""
        for values, k, limit in self.leaves:
            if values[k] < limit:
                return self._looked_at(bits)
        return self.risen(bits)

    def _looked_at(self, bits: int) -> int:
        for bit, spec in self._specs:
            trip, value = self.trip(spec), self.value(spec.measure, spec.window)
            if value >= (leave_below(trip) if bits & bit else trip):
                bits |= bit
            else:
                bits &= ~bit
        return bits


def leave_below(trip: float) -> float:
    """Of a condition that came on at `trip`: the smallest number that keeps it on."""
    return trip if trip == inf else -(-int(trip) * LEAVE_PERCENT // 100)


class Waiting:
    """Conversations without an answer of ours, oldest first, at most `most`; further ones are not remembered.

    `numbers` are those that rules ask for (`more than 25`): a condition can turn only where one of them is passed.
    """

    __slots__ = ("least", "most", "numbers", "since")

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = frozenset(numbers)
        self.least = min(self.numbers)
        self.most = REMEMBERED * max(self.numbers) + 100
        self.since: dict[int, int] = {}

    def open(self, thread: int, minute: int) -> bool:
        """Returns whether a condition may turn by it, at once or in time."""
        number = len(self.since)
        if thread in self.since or number >= self.most:
            return False
        late = number > 0 and minute < next(reversed(self.since.values()))
        self.since[thread] = minute
        if late:  # its network was away: it takes its place among those who wrote before it was heard
            self.since = dict(sorted(self.since.items(), key=lambda each: each[1]))
            return number >= self.least
        return number in self.numbers

    def answered(self, thread: int) -> bool:
        """Returns whether a condition may turn by it."""
        return self.since.pop(thread, None) is not None and len(self.since) >= self.least

    def from_when(self, spec: WaitingSpec) -> float:
        """The minute from which the condition holds as things stand; infinite when too few wait."""
        since = next(islice(self.since.values(), spec.more_than, None), None)
        return inf if since is None else since + spec.longer_than

    def number_since(self, minute: int) -> int:
        return sum(1 for each in self.since.values() if each <= minute)


class Alerts:
    """What fires now: each alert's names and since which minute. One for all brands."""

    __slots__ = ("firing",)

    def __init__(self) -> None:
        self.firing: dict[str, tuple[frozenset[str], int]] = {}

    def oldest(self, names: frozenset[str]) -> tuple[int, str] | None:
        """(since, what it is called) of the alert that has fired longest under one of the names."""
        found = [
            (since, min(known - {ANY_SOURCE} if ANY_SOURCE in names else known & names, default=ANY_SOURCE))
            for known, since in self.firing.values()
            if not known.isdisjoint(names)
        ]
        return min(found, default=None)

    def from_when(self, spec: AlertSpec) -> float:
        """The minute from which the condition holds as things stand; infinite when nothing of the kind fires."""
        oldest = self.oldest(spec.names)
        return inf if oldest is None else oldest[0] + spec.lasting


def concerns(subject: Subject, heard: Observation) -> bool:
    """Whether a mention is one of these."""
    match subject:
        case Subject.MENTIONS:
            return True
        case Subject.NEGATIVE:
            return heard.negative
        case Subject.COMPLAINTS:
            return heard.complaint
