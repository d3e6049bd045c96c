"""Counts and the conditions that wait for a number on them, for one brand. Pure.

A condition is a bit of the brand's `bits`. It comes on at 100 % of its limit and goes off below 70 % (hysteresis,
shared/design/detection.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import inf
from typing import Literal

from signals.conditions import Subject
from signals.observation import Observation
from signals.streams import HOUR, Stream

LEAVE_AT = 0.7
SINGLE_LASTS = HOUR
"""Minutes for which one mention that is enough keeps its condition on."""

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
    """A stream and the bits that hang on it. `limits` are the numbers at which one comes on, `leaves` those below which
    one goes off."""

    __slots__ = ("_specs", "key", "leaves", "limits", "stream")

    def __init__(self, key: Key, stream: Stream, specs: Sequence[tuple[int, CountSpec]]) -> None:
        self.key = key
        self.stream = stream
        self._specs = specs
        self.limits: list[tuple[list[int], int, float, int]] = []
        self.leaves: list[tuple[list[int], int, float, int]] = []

    def advance(self, minute: int, bits: int) -> None:
        if self.stream.advance(minute):
            self.set_limits(bits)

    def set_limits(self, bits: int) -> None:
        """What is usual has changed (a new hour), or a condition has turned."""
        self.limits, self.leaves = [], []
        for bit, spec in self._specs:
            trip = self.trip(spec)
            place = (getattr(self.stream, spec.measure), self.stream.windows.index(spec.window))
            if bits & bit:
                self.leaves.append((*place, trip * LEAVE_AT, bit))
            elif trip < inf:
                self.limits.append((*place, trip, bit))

    def trip(self, spec: CountSpec) -> float:
        """The number at which a condition comes on; infinite while it is not known what is usual."""
        return float(spec.number) if spec.number is not None else self.stream.trip(spec.window, spec.spreads)

    def value(self, measure: Measure, window: int) -> int:
        values: list[int] = getattr(self.stream, measure)
        return values[self.stream.windows.index(window)]

    def risen(self, bits: int) -> int:
        """The bits after something was counted."""
        for values, k, limit, bit in self.limits:
            if values[k] >= limit:
                bits |= bit
        return bits

    def turned(self, bits: int) -> int:
        """The bits after time has passed."""
        for values, k, limit, bit in self.leaves:
            if values[k] < limit:
                bits &= ~bit
        return self.risen(bits)


class Waiting:
    """Conversations without an answer of ours, oldest first, at most so many: whoever asks for 25 needs no more."""

    __slots__ = ("most", "since")

    def __init__(self, most: int) -> None:
        self.most = most
        self.since: dict[int, int] = {}

    def open(self, thread: int, minute: int) -> bool:
        if thread in self.since or len(self.since) >= self.most:
            return False
        self.since[thread] = minute
        return True

    def answered(self, thread: int) -> bool:
        return self.since.pop(thread, None) is not None

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
        """(since, which of the names) of the alert that has fired longest under one of them."""
        found = [(since, min(known & names)) for known, since in self.firing.values() if not known.isdisjoint(names)]
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
