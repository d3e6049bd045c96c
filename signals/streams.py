"""The counts of one stream: how many of a brand's mentions of one kind, now and usually. Pure, integers, fixed size.

The usual is EARS-C2 on sliding hours (shared/design/detection.md): the current value is the sum over the last minutes
of a window, the usual is mean and plain standard deviation of the sums of whole clock hours of 14 days, the latest day
left out; the variance is never below Poisson's. A verdict needs 42 hours of history.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import Any

HOUR = 60
"""Minutes."""
NEEDED = 42 * HOUR
"""Minutes of history before anything is said about the usual (shared/design/detection.md)."""
LEAST_HOURS = 18
"""Known hours that make a usual: 42 less the latest day. Hours in which we could not listen are none of them."""
AGAIN_AFTER = HOUR
"""Minutes in which a person counts once: floods and what is passed on count people, not posts."""
MISSING = -1
"""An hour in which we could not listen: it is not zero, it is unknown."""
MOST = 100_000_000
"""Mentions that an hour can hold: what a tally claims beyond that is left out, and sums of squares stay 64 bits."""
_PLACES, _FEW_PLACES = 512, 64
"""Places for authors of the last hour. When more write, one may be counted a second time, never left out."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual in a window: mean and spread of its sums."""

    mean: float
    spread: float

    def above(self, value: int) -> float:
        """By how many spreads the value is above the mean."""
        return (value - self.mean) / self.spread


class Stream:
    """Counts by minute (for as long as the longest window) and by hour (for as long as the usual looks back).

    Minutes and hours count from the epoch. Time only goes forward: `add` counts at the minute that `advance` reached.
    `sums[k]`, `people[k]`, `reach[k]` are those of the last `windows[k]` minutes, the current one included.
    """

    __slots__ = (
        "_each",
        "_guard",
        "_hour",
        "_hours",
        "_number",
        "_people",
        "_reach",
        "_ring",
        "_seen",
        "_squares",
        "_total",
        "_usual_hours",
        "first",
        "minute",
        "people",
        "reach",
        "sums",
        "windows",
    )

    def __init__(
        self, windows: Sequence[int], usual_hours: int = 0, guard_hours: int = 24, *, reach: bool = False
    ) -> None:
        self.windows = tuple(sorted(windows))
        self._each = range(len(self.windows))
        longest = self.windows[-1]
        self._ring = array("I", bytes(4 * longest))
        self._people = array("I", bytes(4 * longest))
        self._reach = array("Q", bytes(8 * longest)) if reach else None
        self.sums = [0] * len(self.windows)
        self.people = [0] * len(self.windows)
        self.reach = [0] * len(self.windows)
        self._usual_hours, self._guard = usual_hours, guard_hours
        self._hours = array("i", bytes(4 * (usual_hours + guard_hours + 1))) if usual_hours else None
        self._seen = array("Q", bytes(8 * (_PLACES if usual_hours else _FEW_PLACES)))
        self.minute = -1
        self.first = -1
        """The first minute of which anything is known."""
        self._hour = -1
        self._number = self._total = self._squares = 0

    # --- time ---

    def advance(self, minute: int) -> bool:
        """Let time pass up to this minute. Says whether a new hour has begun, which changes what is usual."""
        gone = minute - self.minute
        if gone <= 0:
            return False
        if self.first < 0:
            self._begin(minute)
            return True
        if self.sums[-1]:
            self._forget(minute, gone)
        if gone >= AGAIN_AFTER:
            self._seen = array("Q", bytes(8 * len(self._seen)))
        self.minute = minute
        hour = minute // HOUR
        if hour == self._hour:
            return False
        if self._hours is not None:
            self._roll_hours(hour, self._hours)
        self._hour = hour
        return True

    def _begin(self, minute: int) -> None:
        self.minute = self.first = minute
        self._hour = minute // HOUR

    def _forget(self, minute: int, gone: int) -> None:
        """Take out of each window what has grown too old for it."""
        ring, people, reach, length = self._ring, self._people, self._reach, len(self._ring)
        if gone >= length:
            self._empty()
            return
        for each in range(self.minute + 1, minute + 1):
            for k, window in enumerate(self.windows):
                place = (each - window) % length
                gone_now = ring[place]
                if gone_now:
                    self.sums[k] -= gone_now
                    self.people[k] -= people[place]
                    if reach is not None:
                        self.reach[k] -= reach[place]
            # The longest window has taken out what stands where the new minute will count.
            place = each % length
            ring[place] = people[place] = 0
            if reach is not None:
                reach[place] = 0

    def _empty(self) -> None:
        for values in (self._ring, self._people, self._reach):
            if values is not None:
                values[:] = array(values.typecode, bytes(values.itemsize * len(values)))
        for sums in (self.sums, self.people, self.reach):
            sums[:] = [0] * len(sums)

    def _roll_hours(self, hour: int, hours: "array[int]") -> None:
        size = len(hours)
        first_whole = -(-self.first // HOUR)
        if hour - self._hour > size:
            # Nothing was heard for longer than we look back: every hour that counts is zero.
            hours[:] = array(hours.typecode, bytes(hours.itemsize * size))
            oldest = max(hour - size + 1, first_whole)
            self._number, self._total, self._squares = max(hour - self._guard - oldest, 0), 0, 0
            return
        for each in range(self._hour + 1, hour + 1):
            entering, leaving = each - self._guard - 1, each - size
            if entering >= first_whole:
                self._weigh(hours[entering % size], 1)
            if leaving >= first_whole:
                self._weigh(hours[leaving % size], -1)
            hours[each % size] = 0

    def _weigh(self, value: int, sign: int) -> None:
        if value != MISSING:
            self._number += sign
            self._total += sign * value
            self._squares += sign * value * value

    # --- counting ---

    def add(self, author: int, count: int, reach: int) -> bool:
        """Count a mention at the current minute. An author (0: unknown) counts once an hour; False when not counted."""
        ring = self._ring
        place = self.minute % len(ring)
        if author:
            if self._has_just_written(author):
                return False
            count = 1
            self._people[place] += 1
            people = self.people
            for k in self._each:
                people[k] += 1
        else:
            count = min(count, MOST - ring[place])
            if count <= 0:
                return False
        ring[place] += count
        sums = self.sums
        for k in self._each:
            sums[k] += count
        if reach and self._reach is not None:
            self._reach[place] += reach
            for k in self._each:
                self.reach[k] += reach
        hours = self._hours
        if hours is not None:
            place = self._hour % len(hours)
            known = hours[place]
            if known != MISSING:
                hours[place] = min(known + count, MOST)
        return True

    def _has_just_written(self, author: int) -> bool:
        """Whether the author was counted in the last hour; remembers the current minute if not."""
        seen = self._seen
        place = author % len(seen)
        mark = author >> 16 << 16
        stored = seen[place]
        if stored >> 16 << 16 == mark and (self.minute - (stored & 0xFFFF)) & 0xFFFF < AGAIN_AFTER:
            return True
        seen[place] = mark | (self.minute & 0xFFFF)
        return False

    def miss(self, first_hour: int, last_hour: int) -> None:
        """Hours (inclusive) in which we could not listen, all the time or some of it: they are unknown."""
        if self._hours is None or self.first < 0:
            return
        size = len(self._hours)
        first_whole = -(-self.first // HOUR)
        for hour in range(max(first_hour, self._hour - size + 1, first_whole), min(last_hour, self._hour) + 1):
            if hour < self._hour - self._guard:
                self._weigh(self._hours[hour % size], -1)
            self._hours[hour % size] = MISSING

    # --- what is usual ---

    def usual(self, window: int) -> Usual | None:
        """What is usual in a window of so many minutes; None while there is too little history.

        Part of the variance is chance (Poisson, it grows with the window), the rest is the brand's own rise and fall,
        which within an hour hardly changes: it grows with the window's square.
        """
        number, total = self._number, self._total
        if number < LEAST_HOURS or self._hour * HOUR - self.first < NEEDED:
            return None
        mean = total / number
        variance = (number * self._squares - total * total) / (number * (number - 1))
        part = window / HOUR
        spread = sqrt(mean * part + max(variance - mean, 0.0) * part * part)
        return Usual(mean * part, spread or 1.0)

    def trip(self, window: int, spreads: float) -> float:
        """The smallest count that is so many spreads above the usual; infinite while nothing is known."""
        usual = self.usual(window)
        return inf if usual is None else max(1, ceil(usual.mean + spreads * usual.spread - 1e-9))

    def hourly(self, hours: int) -> list[int | None]:
        """The sums of the latest whole clock hours, oldest first; None where nothing is known."""
        if self._hours is None or self.first < 0:
            return [None] * hours
        size = len(self._hours)
        wanted = range(self._hour - hours, self._hour)
        known = [
            self._hours[hour % size] if hour > self._hour - size and hour >= self.first // HOUR else MISSING
            for hour in wanted
        ]
        return [None if value == MISSING else value for value in known]

    # --- memory ---

    def state(self) -> dict[str, Any]:
        """Everything that it knows, for JSON; `restore` takes it back."""
        return {
            "time": [self.minute, self.first, self._hour],
            "usual": [self._number, self._total, self._squares],
            "sums": [self.sums, self.people, self.reach],
            "counts": [values.tobytes().hex() for values in self._arrays()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was when `state` was taken of a stream made with the same arguments. ValueError for any other."""
        for values, stored in zip(self._arrays(), state["counts"], strict=True):
            content = bytes.fromhex(stored)
            if len(content) != len(values) * values.itemsize:
                raise ValueError("this is the memory of another stream")
            values[:] = array(values.typecode, content)
        self.minute, self.first, self._hour = state["time"]
        self._number, self._total, self._squares = state["usual"]
        for known, stored in zip((self.sums, self.people, self.reach), state["sums"], strict=True):
            known[:] = stored

    def _arrays(self) -> "list[array[int]]":
        known = (self._ring, self._people, self._reach, self._hours, self._seen)
        return [values for values in known if values is not None]
