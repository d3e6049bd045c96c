"""Turns and hours on the wall: which turn of a rotation a moment falls into, and whether it lies in a window. Pure.

Both count on the clock of the wall and look up each bound in its zone, so a hand-over at 09:00 stays at 09:00 on days
of 23 and 25 hours. No answer is walked to: the cost of a moment is the same ten years after the start.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

from contacts.walltime import instant

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns of one length of wall time, one after another, in both directions from `anchor` (naive, in `where`)."""

    anchor: datetime
    length: timedelta
    where: ZoneInfo
    _there: datetime = field(init=False, repr=False)
    """The anchor with its zone: two times of one zone are subtracted as the clocks on the wall show them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_there", self.anchor.replace(tzinfo=self.where))

    def begin(self, turn: int) -> datetime:
        return instant(self.anchor + turn * self.length, self.where)

    def at(self, moment: datetime) -> tuple[int, datetime, datetime]:
        """The turn of `moment` and its bounds [since, until); turn 0 begins at the anchor.

        A turn that lies wholly inside a skipped hour has no time at all and is never the answer; it still counts.
        """
        turn = (moment.astimezone(self.where) - self._there) // self.length
        since, until = self.begin(turn), self.begin(turn + 1)
        # Clocks that were put back show a time of the turn before.
        while until <= moment:
            turn += 1
            since, until = until, self.begin(turn + 1)
        return turn, since, until


@dataclass(frozen=True, slots=True)
class Daily:
    """From `after` to `until` on certain days of the week (Monday is 0); to the next day's where it is not later."""

    days: frozenset[int]
    after: time
    until: time

    def on(self, day: date, where: ZoneInfo) -> tuple[datetime, datetime] | None:
        """The window that begins on that day; None on other days, and where a skipped hour leaves nothing of it."""
        if day.weekday() not in self.days:
            return None
        last = day if self.until > self.after else day + _DAY
        begin = instant(datetime.combine(day, self.after), where)
        end = instant(datetime.combine(last, self.until), where)
        return (begin, end) if begin < end else None


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Whatever lies in one of these windows."""

    windows: tuple[Daily, ...]
    where: ZoneInfo

    def at(self, moment: datetime) -> tuple[bool, datetime, datetime]:
        """Whether `moment` lies inside, and bounds [since, until) around it within which that stays so."""
        bounds = _bounds(self, moment.astimezone(self.where).toordinal() // _STRETCH)
        place = bisect_right(bounds, moment)
        return place % 2 == 0, bounds[place - 1], bounds[place]


_STRETCH = 56
"""Days whose windows are worked out and kept together: few enough for one question, enough for ten years of them."""


@lru_cache(1 << 14)
def _bounds(hours: Hours, stretch: int) -> tuple[datetime, ...]:
    """Bounds around that stretch of days: outside from the first on, inside from the second, and so on in turn.

    Reaches far enough for windows of a week's other days, those over midnight, and a day that a zone skips.
    """
    first = date.fromordinal(stretch * _STRETCH) - 9 * _DAY
    last = first + (_STRETCH + 18) * _DAY
    low, high = (instant(datetime.combine(day, time.min), hours.where) for day in (first, last))
    inside: list[tuple[datetime, datetime]] = []
    for begin, end in _windows(hours, first - 2 * _DAY, last):
        if inside and begin <= inside[-1][1]:
            inside[-1] = (inside[-1][0], max(end, inside[-1][1]))
        elif end > low:
            inside.append((max(begin, low), end))
    return (low, *(min(bound, high) for bound in chain.from_iterable(inside)), high)


def _windows(hours: Hours, first: date, last: date) -> list[tuple[datetime, datetime]]:
    days = [first + shift * _DAY for shift in range((last - first).days)]
    return sorted(window for day in days for each in hours.windows if (window := each.on(day, hours.where)) is not None)
