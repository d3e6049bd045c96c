"""How many mentions a second the live detector counts and decides about, and how much a stream weighs.

Fifty rules with every kind of condition, 334 brands with three streams each, all past the 42 hours that the usual
needs, one core. Tone and topics are given: finding them is measured elsewhere. What is timed is `Detector.hear`, as the
engine calls it for each row of its table, findings included.
"""

import gc
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from incidents.severity import Severity
from signals.detector import Detector
from signals.grammar import parse
from signals.observation import AlertHeard, Observation, number_of
from signals.rules import Rule, Thresholds
from signals.thresholds import family_of

BRANDS = 334
"""Three streams each."""
HISTORY = 43
"""Hours told before anything is timed."""
PACES = (30, 300, 3000)
"""Mentions an hour and brand; at the last one a brand is in the news of the world."""
TIMED = 100_000
"""Mentions timed at each pace."""
PIECES = 10
"""Timed piece by piece: the median piece says what it costs when nobody else has the core."""

SUBJECTS = ("mentions", "negative mentions", "complaints")
TOPICS = tuple(f"topic {number}" for number in range(9))


def fifty_rules() -> Thresholds:
    """Every kind of condition that thresholds.yaml may have, most of them several times."""
    said: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = []

    def rule(*when: str, otherwise: tuple[str, ...] = (), only_if: tuple[str, ...] = ()) -> None:
        said.append((when, otherwise, only_if))

    for subject in SUBJECTS:
        for word in ("noticeable", "clear", "strong", "extreme"):
            rule(
                f"{subject} in 1 hour are {word} above usual",
                f"{subject} in 15 minutes are noticeable above usual",
                only_if=(f"at least 30 {subject} in 1 hour",),
            )
        for percent in (40, 60, 80):
            rule(
                f"{subject} in 1 hour are clear above usual",
                f"negative share in 1 hour is above {percent} %",
                only_if=(f"at least 20 {subject} in 1 hour from at least 10 people",),
            )
    for first, second in pairwise(TOPICS):
        rule(f"at least 3 mentions in 1 hour about [{first}, {second}]", only_if=("from at least 3 people",))
    rule("at least 5 complaints in 15 minutes about the same topic from at least 5 people")
    for followers in (100_000, 1_000_000):
        rule(
            f"a negative mention by somebody with more than {followers} followers",
            otherwise=(f"reach of negative mentions in 30 minutes is above {5 * followers}",),
        )
    rule("a negative mention by a verified account")
    rule("a mention about [topic 1]")
    for number in (25, 50, 100):
        rule(f"more than {number} complaints unanswered for longer than 2 hours")
    for name in ("checkout", "login"):
        rule(
            f"monitoring alert [{name}] is firing for 5 minutes",
            "complaints in 30 minutes are noticeable above usual",
        )
    rule("source bluesky is silent for 30 minutes")
    rule("a source is silent for 1 hour")
    while len(said) < 50:
        rule(
            f"at least {100 + 10 * len(said)} mentions in 30 minutes",
            "complaint share in 30 minutes is above 20 %",
        )
    return Thresholds(tuple(_rules(said)), "CRISIS", topics={topic: (topic,) for topic in TOPICS})


def _rules(said: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]) -> Iterator[Rule]:
    for number, (when, otherwise, only_if) in enumerate(said):
        conditions = tuple(map(parse, when))
        yield Rule(
            f"rule {number}",
            conditions,
            tuple(Severity)[number % 4],
            family_of(conditions[0]),
            tuple(map(parse, otherwise)),
            tuple(map(parse, only_if)),
        )


class World:
    """Brands in their usual state, and some in a burst; who complains is answered within the hour, mostly."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._authors = [number_of(f"author {number}") for number in range(200_000)]
        self._open: list[tuple[str, int]] = []
        self.now = 1.7e9 // 3600 * 3600
        self.told = 0

    def mentions(self, number: int, an_hour: float, bursting: tuple[int, ...] = ()) -> list[Observation]:
        """So many, at so many an hour and brand; a bursting brand has ten times that, most of it angry."""
        weights = [10 if brand in bursting else 1 for brand in range(BRANDS)]
        step = 3600 / (an_hour * sum(weights))
        brands = self._random.choices(range(BRANDS), weights, k=number)
        return [self._mention(brand, step, brand in bursting) for brand in brands]

    def _mention(self, brand: int, step: float, bursting: bool) -> Observation:
        draw = self._random
        self.now += step
        self.told += 1
        if len(self._open) > 3 * BRANDS and draw.random() < 0.1:
            answered, thread = self._open.pop(draw.randrange(len(self._open)))
            return Observation(answered, self.now, str(self.told), thread=thread, by_us=True)
        x = draw.random()
        negative = x < (0.6 if bursting else 0.15)
        complaint = x < (0.2 if bursting else 0.05)
        heard = Observation(
            f"brand {brand}",
            self.now,
            str(self.told),
            author=draw.choice(self._authors),
            negative=negative,
            complaint=complaint,
            topics=frozenset({draw.choice(TOPICS)}) if draw.random() < 0.02 else frozenset(),
            reach=int(draw.paretovariate(0.9) * 50),
            thread=draw.getrandbits(64),
        )
        heard = replace(heard, reach=min(heard.reach, 90_000)) if draw.random() > 0.001 else heard
        if complaint:
            self._open.append((heard.brand, heard.thread))
        return heard


@dataclass(frozen=True, slots=True)
class Pace:
    an_hour: int
    """Mentions an hour and brand."""
    bursting: int
    """Brands with ten times that."""
    a_second: float
    """Mentions counted and decided about in a second of one core, by the median piece."""
    slowest: float
    """By the slowest piece."""
    findings: int


@dataclass(frozen=True, slots=True)
class DetectionFound:
    rules: int
    streams: int
    paces: tuple[Pace, ...]
    kilobytes: float
    """A stream, with all that a brand has besides: its rules' standing, who waits, topics."""


def detection(timed: int = TIMED) -> DetectionFound:
    """Tell two days, then time `timed` mentions at each pace in a quiet world and with ten brands in a burst."""
    thresholds = fifty_rules()
    detector = Detector(thresholds, (f"brand {number}" for number in range(BRANDS)))
    world = World(1)
    detector.pass_time(world.now)
    detector.hear(AlertHeard(world.now, "alertmanager:disk", frozenset({"disk"}), True))
    for heard in world.mentions(int(HISTORY * BRANDS * PACES[0]), PACES[0]):
        detector.hear(heard)
    paces = []
    weight = 0.0
    for an_hour in PACES:
        for bursting in ((), tuple(range(10))):
            paces.append(_timed(detector, world.mentions(timed, an_hour, bursting), an_hour, len(bursting)))
        if not weight:
            weight = weight_of(detector) / 1024 / (3 * BRANDS)
    return DetectionFound(len(thresholds.rules), 3 * BRANDS, tuple(paces), weight)


def _timed(detector: Detector, told: list[Observation], an_hour: int, bursting: int) -> Pace:
    findings, rates = 0, []
    size = len(told) // PIECES
    gc.collect()
    for start in range(0, size * PIECES, size):
        piece = told[start : start + size]
        began = time.process_time()
        for heard in piece:
            findings += len(detector.hear(heard))
        rates.append(size / (time.process_time() - began))
    rates.sort()
    return Pace(an_hour, bursting, rates[PIECES // 2], rates[0], findings)


def weight_of(detector: Detector) -> int:
    """Bytes that a detector holds for its brands; what they share (rules made ready) left out."""
    shared: set[int] = set()
    _weigh(detector.program, shared)
    return _weigh(detector, shared)


def _weigh(thing: object, seen: set[int]) -> int:
    """Everything reachable from it that was not seen before."""
    total, waiting = 0, [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        waiting += gc.get_referents(each)
    return total


if __name__ == "__main__":
    print(detection(), f"load {os.getloadavg()[0]:.2f}")
