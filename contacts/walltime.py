"""Wall time and moments: the one place where a clock on the wall of a zone becomes an instant. Pure.

An hour that a zone skips begins at the jump; an hour that it doubles means the first of the two. Whoever asks for the
same local time on two days therefore gets moments that are 23, 24 or 25 hours apart.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, StringConstraints

_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AROUND = tuple(timedelta(hours=hours) for hours in range(-12, 37, 6))
_MOMENT = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$")


def _is_clock_time(text: str) -> str:
    time.fromisoformat(text)
    return text


ClockTime = Annotated[str, StringConstraints(pattern=r"^\d{2}:\d{2}$"), AfterValidator(_is_clock_time)]
"""`07:30`, in quotes."""


def _is_local_moment(text: str) -> str:
    _parts(text)
    return text


LocalMoment = Annotated[str, AfterValidator(_is_local_moment)]
"""`2026-12-24`, `2026-12-24 18:00` in the zone of whoever it is about, or with an offset of its own."""


@lru_cache(64)
def zone(name: str) -> ZoneInfo:
    """The zone of this name; UTC for one that does not exist, which the plan check refuses."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_zone(name: str) -> bool:
    """Whether `zone` finds one of this name."""
    return name == "UTC" or zone(name).key == name


def instant(local: datetime, where: ZoneInfo) -> datetime:
    """The moment (aware UTC) at which the clocks of `where` show the naive `local`. See the module for odd hours."""
    epoch = _epoch_of_day(where, local.toordinal())
    if epoch is not None:
        return _EPOCH + (local - epoch)
    early = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    if early.astimezone(where).replace(tzinfo=None) == local.replace(fold=0):
        return early
    return _jump(local.replace(tzinfo=where, fold=1).astimezone(UTC), early, where)


@lru_cache(1 << 16)
def _epoch_of_day(where: ZoneInfo, ordinal: int) -> datetime | None:
    """What the clocks of that day's offset showed at the epoch; None where they are changed on it or next to it."""
    midnight = datetime.fromordinal(ordinal)
    offsets = {where.utcoffset(midnight + hours) for hours in _AROUND}
    offset = offsets.pop()
    return None if offsets or offset is None else _EPOCH.replace(tzinfo=None) + offset


def _jump(before: datetime, after: datetime, where: ZoneInfo) -> datetime:
    """The first moment of the new offset, between two moments on either side of a change."""
    new = after.astimezone(where).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) / 2
        if middle.astimezone(where).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def at_clock(day: date, clock: str, where: ZoneInfo) -> datetime:
    """The moment at which it is `clock` on that day in `where`."""
    return instant(datetime.combine(day, time.fromisoformat(clock)), where)


def wall(text: str, where: ZoneInfo, clock: str = "00:00") -> datetime:
    """What the clocks of `where` show (naive) at a LocalMoment, as written: also an hour that they skip.

    A day without a time is taken at `clock`.
    """
    day, written, fixed = _parts(text)
    if fixed is not None:
        return fixed.astimezone(where).replace(tzinfo=None)
    return datetime.combine(day, time.fromisoformat(written or clock))


@lru_cache(1 << 14)
def begins(text: str, where: ZoneInfo) -> datetime:
    """The moment that a LocalMoment names; a day without a time begins at midnight."""
    day, clock, fixed = _parts(text)
    if fixed is not None:
        return fixed
    return at_clock(day, clock or "00:00", where)


@lru_cache(1 << 14)
def ends(text: str, where: ZoneInfo) -> datetime:
    """The same for an end: a day without a time is meant whole."""
    day, clock, fixed = _parts(text)
    if fixed is not None:
        return fixed
    return at_clock(day + timedelta(days=1), "00:00", where) if clock is None else at_clock(day, clock, where)


def _parts(text: str) -> tuple[date, str | None, datetime | None]:
    found = _MOMENT.match(text)
    if found is None:
        raise ValueError("write a day such as 2026-12-24, or a day and a time such as 2026-12-24 18:00")
    if not "1970" <= text[:4] <= "2999":
        raise ValueError("write a year from 1970 to 2999")
    day, clock, seconds, offset = date.fromisoformat(found[1]), found[2], found[3], found[4]
    if offset is not None:
        return day, None, datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    if clock is not None:
        time.fromisoformat(clock + (seconds or ""))
    return day, clock, None
