"""Turns and hours on the wall: which turn of a rotation a moment falls into, and whether it lies in a window. Pure.

Both count on the clock of the wall and look up each bound in its zone, so a hand-over at 09:00 stays at 09:00 on days
of 23 and 25 hours. No answer is walked to: the cost of a moment is the same ten years after the start.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from contacts.walltime import at_clock, instant

_DAY = timedelta(days=1)
_SEARCHED = 9
"""Days to look for the next or the last window: a week, and what a zone that skips a day can shift."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns of one length of wall time, one after another, in both directions from `anchor` (naive, in `where`)."""

    anchor: datetime
    length: timedelta
    where: ZoneInfo

    def begin(self, turn: int) -> datetime:
        return instant(self.anchor + turn * self.length, self.where)

    def at(self, moment: datetime) -> tuple[int, datetime, datetime]:
        """The turn of `moment` and its bounds [since, until); turn 0 begins at the anchor.

        A turn that lies wholly inside a skipped hour has no time at all and is never the answer; it still counts.
        """
        turn = (moment.astimezone(self.where).replace(tzinfo=None) - self.anchor) // self.length
        since = self.begin(turn)
        while since > moment:
            turn -= 1
            since = self.begin(turn)
        until = self.begin(turn + 1)
        while until <= moment:
            turn += 1
            since, until = until, self.begin(turn + 1)
        return turn, since, until


@dataclass(frozen=True, slots=True)
class Hours:
    """From `after` to `until` on certain days of the week (Monday is 0); over midnight where `until` is not later."""

    days: frozenset[int]
    after: str
    until: str
    where: ZoneInfo

    def at(self, moment: datetime) -> tuple[bool, datetime, datetime]:
        """Whether `moment` lies inside, and bounds [since, until) around it within which that stays so."""
        today = moment.astimezone(self.where).date()
        for shift in (0, -1, 1, -2):
            window = _window(self, today + shift * _DAY)
            if window is not None and window[0] <= moment < window[1]:
                return True, *window
        return False, self._last_end(today, moment), self._next_begin(today, moment)

    def _next_begin(self, today: date, moment: datetime) -> datetime:
        for shift in range(-1, _SEARCHED):
            window = _window(self, today + shift * _DAY)
            if window is not None and window[0] > moment:
                return window[0]
        return at_clock(today + (_SEARCHED - 1) * _DAY, "00:00", self.where)

    def _last_end(self, today: date, moment: datetime) -> datetime:
        for shift in range(1, -_SEARCHED, -1):
            window = _window(self, today + shift * _DAY)
            if window is not None and window[1] <= moment:
                return window[1]
        return at_clock(today - (_SEARCHED - 2) * _DAY, "00:00", self.where)


@lru_cache(1 << 14)
def _window(hours: Hours, day: date) -> tuple[datetime, datetime] | None:
    """The window that begins on that day; None on other days, and where a skipped hour leaves nothing of it."""
    if day.weekday() not in hours.days:
        return None
    last = day if time.fromisoformat(hours.until) > time.fromisoformat(hours.after) else day + _DAY
    begin, end = at_clock(day, hours.after, hours.where), at_clock(last, hours.until, hours.where)
    return (begin, end) if begin < end else None
