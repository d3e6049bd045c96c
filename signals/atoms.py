"""Conditions at work for one brand: each is on or off, and knows what would turn it. Pure.

A condition comes on at 100 % of its limit and goes off below 70 % (hysteresis, shared/design/detection.md).
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import ceil, inf
from typing import Literal

from signals.conditions import Subject
from signals.observation import Observation
from signals.streams import HOUR, Stream, Usual

LEAVE_AT = 0.7
SINGLE_LASTS = HOUR
"""Minutes for which one mention that is enough keeps its condition on."""

Measure = Literal["sums", "people", "reach"]


class Counter:
    """A stream and the conditions that wait for a number on it. `limits` are the next numbers at which one turns."""

    __slots__ = ("atoms", "limits", "stream", "subject", "topics")

    def __init__(self, subject: Subject, topics: frozenset[str], stream: Stream) -> None:
        self.subject = subject
        self.topics = topics
        self.stream = stream
        self.atoms: list[CountAtom] = []
        self.limits: list[tuple[list[int], int, float]] = []

    def advance(self, minute: int) -> None:
        if self.stream.advance(minute):
            self.look_at_usual()

    def look_at_usual(self) -> None:
        """A new hour: what is usual has changed, and with it the numbers."""
        for atom in self.atoms:
            atom.trip = atom.limit()
        self.set_limits()

    def set_limits(self) -> None:
        lowest: dict[tuple[Measure, int], float] = {}
        for atom in self.atoms:
            if not atom.on and atom.trip < inf:
                place = (atom.measure, atom.k)
                lowest[place] = min(lowest.get(place, inf), atom.trip)
        self.limits = [(getattr(self.stream, measure), k, trip) for (measure, k), trip in lowest.items()]

    def reached(self) -> bool:
        """Whether a number is reached at which a condition comes on."""
        return any(values[k] >= limit for values, k, limit in self.limits)

    def turn_on(self) -> None:
        for atom in self.atoms:
            if not atom.on and atom.value >= atom.trip:
                atom.on = True
        self.set_limits()

    def turn(self) -> bool:
        """Bring every condition up to date, on and off. Says whether one has turned."""
        turned = False
        for atom in self.atoms:
            on = atom.value >= (atom.trip * LEAVE_AT if atom.on else atom.trip)
            turned = turned or on != atom.on
            atom.on = on
        if turned:
            self.set_limits()
        return turned


@dataclass(slots=True, eq=False)
class CountAtom:
    """So many mentions, people or followers in a window: a fixed number, or so many spreads above the usual."""

    counter: Counter
    measure: Measure
    window: int
    k: int
    number: int | None = None
    spreads: float = 0.0
    on: bool = False
    trip: float = inf

    @property
    def value(self) -> int:
        values: list[int] = getattr(self.counter.stream, self.measure)
        return values[self.k]

    def limit(self) -> float:
        return float(self.number) if self.number is not None else self.counter.stream.trip(self.window, self.spreads)

    def usual(self) -> Usual | None:
        return self.counter.stream.usual(self.window)


@dataclass(slots=True, eq=False)
class ShareAtom:
    """A part of all mentions of a window, in percent."""

    part: Counter
    whole: Counter
    window: int
    k_part: int
    k_whole: int
    percent: Decimal
    on: bool = False

    @property
    def value(self) -> float:
        whole = self.whole.stream.sums[self.k_whole]
        return 100.0 * self.part.stream.sums[self.k_part] / whole if whole else 0.0

    def lean(self, holds: bool) -> None:
        """Decide for a rule that holds or not. It remembers nothing: both counts change with every mention, so whoever
        looks more often must not see more."""
        value = self.value
        self.on = value >= float(self.percent) * LEAVE_AT if holds else value > float(self.percent)


@dataclass(slots=True, eq=False)
class SingleAtom:
    """One mention is enough."""

    subject: Subject
    followers: int | None
    verified: bool
    topics: frozenset[str]
    until: int = -1
    """Minute until which the last one keeps it on."""
    on: bool = False
    who: str = ""
    link: str = ""
    reach: int = 0

    def matches(self, heard: Observation) -> bool:
        if self.followers is not None and heard.reach <= self.followers:
            return False
        if self.verified and not heard.verified:
            return False
        if self.topics and self.topics.isdisjoint(heard.topics):
            return False
        return concerns(self.subject, heard)

    def take(self, heard: Observation, minute: int) -> None:
        self.until = minute + SINGLE_LASTS
        self.on = True
        self.who, self.link, self.reach = heard.who, heard.link, heard.reach


@dataclass(slots=True, eq=False)
class WaitingAtom:
    """More than so many conversations wait for our answer for longer than so many minutes."""

    subject: Subject
    more_than: int
    longer_than: int
    waiting: "Waiting"
    on: bool = False

    def turn(self, minute: int) -> None:
        since = self.waiting.since_of(self.more_than)
        self.on = since is not None and minute >= since + self.longer_than

    def next_minute(self) -> float:
        """When time alone would turn it on."""
        since = None if self.on else self.waiting.since_of(self.more_than)
        return inf if since is None else since + self.longer_than

    def number(self, minute: int) -> int:
        return self.waiting.number_since(minute - self.longer_than)


class Waiting:
    """Conversations without an answer of ours, oldest first, at most so many: whoever asks for 25 needs no more."""

    __slots__ = ("most", "since")

    def __init__(self) -> None:
        self.most = 0
        self.since: dict[str, int] = {}

    def open(self, thread: str, minute: int) -> bool:
        if thread in self.since or len(self.since) >= self.most:
            return False
        self.since[thread] = minute
        return True

    def answered(self, thread: str) -> bool:
        return self.since.pop(thread, None) is not None

    def since_of(self, place: int) -> int | None:
        return next(islice(self.since.values(), place, None), None)

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


@dataclass(slots=True, eq=False)
class AlertAtom:
    """A monitor's alert fires for so many minutes, or a source has been silent for so long."""

    names: frozenset[str]
    lasting: int
    alerts: Alerts
    on: bool = False

    def turn(self, minute: int) -> None:
        oldest = self.alerts.oldest(self.names)
        self.on = oldest is not None and minute >= oldest[0] + self.lasting

    def next_minute(self) -> float:
        oldest = None if self.on else self.alerts.oldest(self.names)
        return inf if oldest is None else oldest[0] + self.lasting


Atom = CountAtom | ShareAtom | SingleAtom | WaitingAtom | AlertAtom


def concerns(subject: Subject, heard: Observation) -> bool:
    """Whether a mention is one of these."""
    match subject:
        case Subject.MENTIONS:
            return True
        case Subject.NEGATIVE:
            return heard.negative
        case Subject.COMPLAINTS:
            return heard.complaint


def minutes(seconds: float) -> int:
    """Whole minutes, at least one."""
    return max(1, ceil(seconds / 60))
