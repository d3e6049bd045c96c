"""Real bursts on a quiet and on a busy brand, found by the rules that ship with Tocsin: `python -m bench.bursts`.

The shape of a burst is that of a labelled window of the benchmark's series (bench/nab.py), from halfway to its peak on:
what is above the series' median. It is added, with a highest hour of 3, 5 or 10 times the brand's usual one, to eleven
days of quiet (Poisson, by the time of day of a series outside its windows), of which a share is negative. Tones carry
the errors of a lexicon. Seeds are fixed. A burst is found when the rules raise within 24 hours of its first mention; of
days without any burst it is counted too how many raise, which is chance.
"""

import argparse
import random
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.nab import SHARED, folder_of, read_counts, scorer, series_in, shipped
from signals.detector import Detector
from signals.observation import Observation
from signals.rules import Thresholds

BUCKET = 300
"""Seconds."""
HOUR, DAY = 12, 288
"""Buckets."""
QUIET_DAYS = 10
BEFORE_BURST = QUIET_DAYS * DAY
BRANDS = {"quiet": 20.0, "busy": 500.0}
"""Mentions in a usual hour."""
TIMES = (0, 3, 5, 10)
USUAL_NEGATIVE, BURST_NEGATIVE = 0.15, 0.6
HIT, FALSE_ALARM = 0.6, 0.1
"""The stated confusion of a lexicon: of negative mentions it calls so many negative, and of others so many."""
BEGIN = 1_700_000_000 // 86_400 * 86_400

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    brand: str
    times: int
    what: str
    """`volume`: the tone of everything is unknown. `negative`: with tones as a lexicon gives them."""
    bursts: int
    hours: tuple[float, ...]
    """From the first mention of each burst that was found to the page."""

    @property
    def share(self) -> float:
        return len(self.hours) / self.bursts

    @property
    def delay(self) -> float:
        return statistics.median(self.hours) if self.hours else float("nan")


def shapes(folder: Path, subset: str) -> tuple[list[Counts], list[Counts]]:
    """(bursts, days): each labelled window above the median with a highest hour of 1; usual days, mean 1."""
    names = series_in(folder, subset)
    loaded = scorer(folder).load(str(folder), names)
    bursts: list[Counts] = []
    days: list[Counts] = []
    for name in names:
        values = np.array([count for _, count in read_counts(folder / "data" / name)], dtype=float)
        outside = np.ones(len(values), dtype=bool)
        for first, last in loaded[name].windows:
            outside[first : last + 1] = False
        middle = np.median(values[outside])
        for first, last in loaded[name].windows:
            above = np.maximum(values[first : last + 1] - middle, 0.0)
            hours = np.convolve(above, np.ones(12), "valid")
            if hours.max() > 0:
                bursts.append(above[int(hours.argmax()) // 2 :][:DAY] / hours.max())
        places = np.arange(len(values)) % DAY
        day = np.array([np.median(values[outside & (places == each)]) for each in range(DAY)])
        days.append(day / day.mean() if day.mean() else np.ones(DAY))
    return bursts, days


def found_in(thresholds: Thresholds, usual: Counts, burst: Counts, toned: bool, seed: int) -> float | None:
    """Hours from the burst's first mention to the page; None when there is none within 24 hours."""
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    ordinary = numbers.poisson(np.tile(usual, QUIET_DAYS + 1))
    extra = np.zeros(len(ordinary), dtype=int)
    extra[BEFORE_BURST : BEFORE_BURST + len(burst)] = numbers.poisson(burst)
    begin = int(np.flatnonzero(extra)[0]) if extra.any() else BEFORE_BURST
    detector = Detector(thresholds, ("brand",))
    for place in range(min(begin + DAY, len(ordinary))):
        at = BEGIN + place * BUCKET
        ours, further = int(ordinary[place]), int(extra[place])
        if not toned:
            told = [Observation("brand", at, "", count=ours + further)] if ours + further else []
        elif place < begin - HOUR:
            told = _tally(draw, at, ours)
        else:
            told = _persons(draw, at, _tones(draw, ours, USUAL_NEGATIVE) + _tones(draw, further, BURST_NEGATIVE))
        found = detector.pass_time(at) + [each for heard in told for each in detector.hear(heard)]
        raised = [each.at for each in found if each.kind == "raises"]
        if place >= begin and raised:
            return (raised[0] - (BEGIN + begin * BUCKET)) / 3600
    return None


def _tally(draw: random.Random, at: int, number: int) -> list[Observation]:
    """What is usual, long before the burst: needs no persons."""
    negative = sum(_tones(draw, number, USUAL_NEGATIVE))
    counts = ((False, number - negative), (True, negative))
    return [Observation("brand", at, "", count=count, negative=which) for which, count in counts if count]


def _persons(draw: random.Random, at: int, tones: list[bool]) -> list[Observation]:
    """One mention each, spread over the bucket; nobody writes twice."""
    return [
        Observation(
            "brand", at + number * BUCKET / len(tones), "", author=draw.getrandbits(64) | 1 << 40, negative=tone
        )
        for number, tone in enumerate(tones)
    ]


def _tones(draw: random.Random, number: int, share: float) -> list[bool]:
    """Whether the lexicon calls each of so many mentions negative."""
    return [draw.random() < (HIT if draw.random() < share else FALSE_ALARM) for _ in range(number)]


def bursts(folder: Path, subset: str = "realTweets") -> list[Found]:
    """Every burst on a day of every kind, once each."""
    all_shapes, days = shapes(folder, subset)
    thresholds = shipped()
    found: list[Found] = []
    for brand, hourly in BRANDS.items():
        for times in TIMES:
            for what in ("volume", "negative"):
                hours = [
                    found_in(
                        thresholds,
                        days[number % len(days)] * hourly / 12,
                        shape * times * hourly,
                        what == "negative",
                        1000 + number,
                    )
                    for number, shape in enumerate(all_shapes)
                ]
                known = tuple(each for each in hours if each is not None)
                found.append(Found(brand, times, what, len(hours), known))
    return found


def table(found: list[Found]) -> str:
    """Markdown."""
    lines = [("brand", "burst", "rules see", "found within 24 h", "median delay"), ("---",) * 5]
    for each in found:
        burst = f"{each.times}x" if each.times else "none"
        caught = f"{len(each.hours)} of {each.bursts} ({each.share:.0%})"
        lines.append((each.brand, burst, each.what, caught, f"{each.delay:.1f} h" if each.hours else "-"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.bursts", description=__doc__)
    parser.add_argument("--nab", metavar="DIR", help=f"default: $TOCSIN_NAB, or {SHARED.name} in shared/data")
    parser.add_argument("--subset", default="realTweets")
    said = parser.parse_args(arguments)
    try:
        print(table(bursts(folder_of(said.nab), said.subset)))
    except (FileNotFoundError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
