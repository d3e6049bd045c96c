"""How soon a person is reached in each hour of the week, over all weeks and situations of a proof: the worst. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from incidents.severity import Severity
from runbooks.presence import seconds
from runbooks.proof import Proof, Result
from runbooks.week import HOURS, Week, hours_of


@dataclass(frozen=True, slots=True)
class Hour:
    """The worst of one hour of the week: which scenario, and a second at which it happens."""

    time: int | None
    """Seconds to the person whom the target asks for; None: nobody within the horizon."""
    result: Result
    second: int

    @property
    def late(self) -> bool:
        return self.result.misses(self.time)


Heat = tuple[Hour, ...]
"""168 hours, Monday 00:00 first, in the proof's zone."""


def heat_of(proof: Proof, severity: Severity, *, broken: bool) -> Heat | None:
    """The worst hours of one severity with nothing broken, or with the worst single thing broken; None: no scenario."""
    results = [each for each in proof.results if each.scenario.severity is severity]
    return _heat(proof, [each for each in results if (each.scenario.broken is not None) == broken])


def late_hours(heat: Heat | None) -> int:
    """The hours in which the target is missed, as the bits of a mask."""
    return sum(1 << number for number, hour in enumerate(heat or ()) if hour.late)


def week_of(proof: Proof) -> Week:
    return Week(proof.time_zone, seconds(proof.start), seconds(proof.end))


def _heat(proof: Proof, results: Iterable[Result]) -> Heat | None:
    week, found = week_of(proof), list[Hour | None]([None] * HOURS)
    done: set[int] = set()
    for result in results:
        if id(result.cells) not in done:
            done.add(id(result.cells))
            _add(found, result, week)
    hours = tuple(hour for hour in found if hour is not None)
    # A span shorter than a week leaves hours out: nothing can be said about those.
    return hours if len(hours) == HOURS else None


def _add(found: list[Hour | None], result: Result, week: Week) -> None:
    seen: dict[int, int] = {}
    for cell in result.cells:
        if not cell.constant:
            second = cell.start
            while second < cell.end:
                _take(found, week.hour(second), Hour(result.time_at(cell, second), result, second))
                second = week.next_hour(second)
            continue
        same = id(cell.reached)
        new = week.mask(cell.start, cell.end) & ~seen.get(same, 0)
        if new:
            seen[same] = seen.get(same, 0) | new
            time = result.time_at(cell, cell.start)
            for hour in hours_of(new):
                if _is_worse(time, found[hour]):
                    _take(found, hour, Hour(time, result, week.first_in(hour, cell.start, cell.end)))


def _take(found: list[Hour | None], number: int, hour: Hour) -> None:
    if _is_worse(hour.time, found[number]):
        found[number] = hour


def _is_worse(time: int | None, than: Hour | None) -> bool:
    if than is None:
        return True
    return than.time is not None and (time is None or time > than.time)
