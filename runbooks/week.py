"""The 168 hours of the week on the clocks of a zone, as the bits of a number: bit 0 is Monday 00:00 to 01:00. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from contacts.walltime import zone
from runbooks.presence import moment

HOURS = 168
ALWAYS = (1 << HOURS) - 1
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR, _DAY = 3600, 86400
_MONDAY = 72
"""1970 began on a Thursday."""
WEEKEND = ((1 << 48) - 1) << 120
NIGHT = sum(1 << (24 * day + hour) for day in range(7) for hour in (22, 23, 0, 1, 2, 3, 4, 5))


class Week:
    """Which hours of the week seconds fall into, between `start` and `end` (seconds since 1970)."""

    def __init__(self, time_zone: str, start: int, end: int) -> None:
        self.zone = zone(time_zone)
        self._bounds, self._offsets = _offsets(self.zone, start, end)

    def hour(self, second: int) -> int:
        return ((second + self._offset(second)) // _HOUR + _MONDAY) % HOURS

    def next_hour(self, second: int) -> int:
        """The first second of the hour after the one that `second` lies in."""
        return second + _HOUR - (second + self._offset(second)) % _HOUR

    def mask(self, start: int, end: int) -> int:
        """Every hour of the week that [start, end) touches."""
        if end - start >= HOURS * _HOUR:
            return ALWAYS
        found = 0
        place = max(0, bisect_right(self._bounds, start) - 1)
        while start < end:
            stop = end if place + 1 == len(self._bounds) else min(end, self._bounds[place + 1])
            offset = self._offsets[place]
            first, last = (start + offset) // _HOUR, (stop - 1 + offset) // _HOUR
            bits = ((1 << (last - first + 1)) - 1) << ((first + _MONDAY) % HOURS)
            found |= (bits | bits >> HOURS) & ALWAYS
            start, place = stop, place + 1
        return found

    def first_in(self, hour: int, start: int, end: int) -> int:
        """The first second of [start, end) in that hour of the week; `start` when there is none."""
        second = start
        if self.hour(second) != hour:
            second = self.next_hour(second)
            ahead = (hour - self.hour(second)) % HOURS
            second += max(0, ahead - 1) * _HOUR
            while self.hour(second) != hour and second < end:
                second = self.next_hour(second)
        return second if second < end else start

    def _offset(self, second: int) -> int:
        return self._offsets[max(0, bisect_right(self._bounds, second) - 1)]


def _offsets(where: ZoneInfo, start: int, end: int) -> tuple[list[int], list[int]]:
    """From which second on which offset from UTC holds."""
    bounds, offsets = [start], [_offset(where, start)]
    for day in range(start, end + _DAY, _DAY):
        following = day + _DAY
        if _offset(where, following) != offsets[-1]:
            low, high = max(day, start), following
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(where, middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            bounds.append(high)
            offsets.append(_offset(where, high))
    return bounds, offsets


def _offset(where: ZoneInfo, second: int) -> int:
    found = moment(second).astimezone(where).utcoffset() or timedelta(0)
    return int(found.total_seconds())


def hours_of(mask: int) -> Iterator[int]:
    """The hours whose bits are set, from Monday on."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def in_words(mask: int) -> str:
    """`on weekends`, `at night`, `Sat 10:00-Mon 06:00 (44 hours a week)`."""
    if mask & ALWAYS == ALWAYS:
        return "at any hour"
    if mask == WEEKEND:
        return "on weekends"
    if mask == ALWAYS & ~WEEKEND:
        return "on weekdays"
    if mask == NIGHT:
        return "at night (22:00-06:00)"
    spans = list(_spans(mask))
    shown = ", ".join(f"{_clock(first)}-{_clock(last)}" for first, last in spans[:3])
    more = "" if len(spans) <= 3 else f" and {len(spans) - 3} more times"
    count = mask.bit_count()
    return f"{shown}{more} ({count} {'hour' if count == 1 else 'hours'} of the week)"


def _spans(mask: int) -> Iterator[tuple[int, int]]:
    """(first hour, hour after the last) of each run; one that goes over Sunday midnight is one run."""
    for hour in hours_of(mask):
        if mask >> ((hour - 1) % HOURS) & 1:
            continue
        last = hour
        while mask >> (last % HOURS) & 1 and last < hour + HOURS:
            last += 1
        yield hour, last % HOURS


def _clock(hour: int) -> str:
    return f"{DAYS[hour // 24]} {hour % 24:02d}:00"
