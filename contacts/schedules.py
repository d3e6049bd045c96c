"""On-call schedules: who is on duty at a moment, and until when. Pure; wall time is the schedule's own zone.

A schedule is layers of rotations or the shifts of a calendar feed; swaps and overrides lie on top. It knows nothing of
absences: those are the person's, and who calls people (the directory) looks past whoever is away.

From the bottom up: the shifts of the feed; the layers, where a later one wins over an earlier one as long as it has
somebody on duty; the swaps, one after another; the overrides, where the last that covers a moment has the last word.

Days, weeks and any other length of a rotation are counted on the wall clock of the layer's zone: a hand-over at 09:00
stays at 09:00 and turns of 12 hours stay at 08:00 and 20:00, so on the days on which the clocks change somebody is on
duty for an hour less or more. What would happen in a skipped hour happens at the jump, in a doubled one the first time.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from contacts.turns import Daily, Hours, Turns
from contacts.walltime import ClockTime, LocalMoment, begins, ends, instant, wall, zone
from incidents.durations import parse_duration, write_duration
from incidents.ids import Slug
from incidents.model import Frozen


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty during [since, until); None where it is open. Nobody is a duty too: a gap."""

    people: tuple[str, ...]
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Shift:
    """One person on duty during [start, end): what a calendar feed comes down to."""

    person: str
    start: datetime
    end: datetime


DAILY, WEEKLY = timedelta(days=1), timedelta(days=7)
_NAMED = {"daily": DAILY, "weekly": WEEKLY}


def _rotation(value: Any) -> timedelta:
    try:
        length = _NAMED[value] if isinstance(value, str) and value in _NAMED else parse_duration(value)
    except ValueError:
        raise ValueError("write daily, weekly or the length of a turn such as 12h or 2d") from None
    if length <= timedelta(0):
        raise ValueError("a turn needs a length")
    return length


def _write_rotation(length: timedelta) -> str:
    return next((name for name, named in _NAMED.items() if named == length), write_duration(length))


Rotation = Annotated[
    timedelta,
    BeforeValidator(_rotation),
    PlainSerializer(_write_rotation),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(daily|weekly|\s*(\d+\s*[smhd]\s*)+)$", "examples": ["weekly", "12h"]}
    ),
]
"""`daily`, `weekly` or the length of a turn in wall time."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Window(Frozen):
    """Hours of a week during which a layer is on duty, in wall time of the layer's zone."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEK
    """The days on which it begins."""
    after: ClockTime = "00:00"
    until: ClockTime = "00:00"
    """Not later than `after`: the next day. Equal to it: a whole day."""


class Layer(Frozen):
    people: Annotated[tuple[Slug | Annotated[tuple[Slug, ...], Field(min_length=1)], ...], Field(min_length=1)]
    """In the order of their turns. A list in the list is a pair or more who are on duty together."""
    rotate: Rotation = WEEKLY
    start: LocalMoment | None = None
    """The first hand-over: the first of `people` begins. Before it nobody is on duty by this layer."""
    end: LocalMoment | None = None
    """From here on nobody is on duty by this layer; a day without a time is still on duty."""
    hand_over: ClockTime | None = None
    """The time of the hand-over where `start` is only a day; default midnight."""
    only: tuple[Window, ...] = ()
    """On duty only during these; the turns go on in between. Default always."""
    time_zone: str | None = None
    """The zone of this layer; default the schedule's."""

    def crews(self) -> tuple[tuple[str, ...], ...]:
        return tuple((entry,) if isinstance(entry, str) else entry for entry in self.people)


class Override(Frozen):
    """This person and nobody else, whatever the layers, the feed and the swaps say."""

    starts: LocalMoment
    ends: LocalMoment
    """A day without a time is meant whole."""
    person: Slug


class Swap(Frozen):
    """While it lasts, `other` does the duties of `person`, and the reverse."""

    starts: LocalMoment
    ends: LocalMoment
    """A day without a time is meant whole."""
    person: Slug
    other: Slug


class Schedule(Frozen):
    id: Slug
    title: str
    time_zone: str = "UTC"
    layers: tuple[Layer, ...] = ()
    calendar: (
        Annotated[str, StringConstraints(pattern=r"^(https?|webcal)://[^\s/]+(/\S*)?$", max_length=1000)] | None
    ) = None
    """The address of an iCalendar feed, in place of layers."""
    names: dict[str, Slug] = {}
    """Whom the calendar means by a name in its events. Ids and e-mail addresses are known without it."""
    overrides: tuple[Override, ...] = ()
    swaps: tuple[Swap, ...] = ()


def duty_at(schedule: Schedule, at: datetime, feed: tuple[Shift, ...] = ()) -> Duty:
    """Who is on duty at `at`, and bounds within which that stays so.

    The bounds may be narrower than the whole duty (where two turns of one person meet, say), never wider.
    `feed` is the last good copy of its calendar; hand over the same tuple each time, because what is worked out from it
    is kept for that tuple. The same holds for `schedule`.
    """
    return Duty(*_roster(schedule).at(at, _line(feed)))


def duties(schedule: Schedule, start: datetime, end: datetime, feed: tuple[Shift, ...] = ()) -> tuple[Duty, ...]:
    """[start, end) without a hole: neighbours differ in who is on duty; nobody is a duty too. None if end <= start."""
    roster, line = _roster(schedule).ahead(), _line(feed)
    found: list[Duty] = []
    since = moment = start.astimezone(UTC)
    stop = end.astimezone(UTC)
    people: tuple[str, ...] | None = None
    while moment < stop:
        now, _, until = roster.at(moment, line)
        if people is not None and now != people:
            found.append(Duty(people, since, moment))
            since = moment
        people = now
        moment = stop if until is None else until
    if people is not None:
        found.append(Duty(people, since, stop))
    return tuple(found)


def gaps(schedule: Schedule, start: datetime, end: datetime, feed: tuple[Shift, ...] = ()) -> tuple[Duty, ...]:
    """The parts of [start, end) during which nobody is on duty."""
    return tuple(duty for duty in duties(schedule, start, end, feed) if not duty.people)


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class _Same(Generic[Value]):
    """A frozen value as a key by being that object: to hash all that a schedule says costs more than its answer."""

    value: Value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


_Held = tuple[tuple[str, ...], datetime | None, datetime | None]
"""A duty on its way up through the layers."""


def _clip(
    since: datetime | None, until: datetime | None, low: datetime | None, high: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """The part of [since, until) inside [low, high); None is open."""
    if low is not None and (since is None or low > since):
        since = low
    if high is not None and (until is None or high < until):
        until = high
    return since, until


@dataclass(frozen=True, slots=True)
class _Rota:
    """A layer with its moments worked out."""

    crews: tuple[tuple[str, ...], ...]
    turns: Turns | None
    hours: Hours | None
    start: datetime | None
    end: datetime | None

    def at(self, moment: datetime) -> _Held:
        if self.start is not None and moment < self.start:
            return (), None, self.start
        if self.end is not None and moment >= self.end:
            return (), self.end, None
        since, until = self.start, self.end
        if self.hours is not None:
            inside, low, high = self.hours.at(moment)
            since, until = _clip(since, until, low, high)
            if not inside:
                return (), since, until
        if self.turns is None:
            return self.crews[0], since, until
        turn, low, high = self.turns.at(moment)
        return self.crews[turn % len(self.crews)], *_clip(since, until, low, high)


class _Ahead:
    """A rota that is asked for later and later moments: what it said last holds as long as it said."""

    def __init__(self, rota: _Rota) -> None:
        self._rota = rota
        self._last: _Held | None = None

    def at(self, moment: datetime) -> _Held:
        last = self._last
        if last is None or (last[2] is not None and moment >= last[2]):
            last = self._last = self._rota.at(moment)
        return last


@dataclass(frozen=True, slots=True)
class _Line:
    """Who is on duty from each bound to the next; nobody before the first and after the last."""

    bounds: tuple[datetime, ...]
    people: tuple[tuple[str, ...], ...]

    def at(self, moment: datetime) -> _Held:
        place = bisect_right(self.bounds, moment)
        since = self.bounds[place - 1] if place > 0 else None
        until = self.bounds[place] if place < len(self.bounds) else None
        return self.people[place - 1] if place > 0 else (), since, until


@dataclass(frozen=True, slots=True)
class _Roster:
    rotas: tuple[_Rota | _Ahead, ...]
    swaps: tuple[tuple[datetime, datetime, dict[str, str]], ...]
    overrides: tuple[tuple[datetime, datetime, tuple[str, ...]], ...]

    def ahead(self) -> "_Roster":
        """The same for one who asks for later and later moments."""
        return replace(self, rotas=tuple(_Ahead(rota) for rota in self.rotas if isinstance(rota, _Rota)))

    def at(self, moment: datetime, line: _Line) -> _Held:
        since: datetime | None = None
        until: datetime | None = None
        for start, end, alone in self.overrides:
            since, until = _clip(since, until, *_beside(moment, start, end))
            if start <= moment < end:
                return alone, since, until
        people, low, high = self._below(moment, line)
        since, until = _clip(since, until, low, high)
        for start, end, instead in self.swaps:
            since, until = _clip(since, until, *_beside(moment, start, end))
            if start <= moment < end:
                people = tuple(dict.fromkeys(instead.get(person, person) for person in people))
        return people, since, until

    def _below(self, moment: datetime, line: _Line) -> _Held:
        since: datetime | None = None
        until: datetime | None = None
        for rota in self.rotas:
            people, low, high = rota.at(moment)
            since, until = _clip(since, until, low, high)
            if people:
                return people, since, until
        people, low, high = line.at(moment)
        return people, *_clip(since, until, low, high)


def _beside(moment: datetime, start: datetime, end: datetime) -> tuple[datetime | None, datetime | None]:
    """The bounds of the part of time in which `moment` lies: before [start, end), inside it or after it."""
    if moment < start:
        return None, start
    return (start, end) if moment < end else (end, None)


def _roster(schedule: Schedule) -> _Roster:
    return _roster_of(_Same(schedule))


@lru_cache(1024)
def _roster_of(same: _Same[Schedule]) -> _Roster:
    """The schedule from the top down: what is asked first stands first."""
    schedule = same.value
    where = zone(schedule.time_zone)
    swaps = [(*_span(swap, where), {swap.person: swap.other, swap.other: swap.person}) for swap in schedule.swaps]
    overrides = [(*_span(override, where), (override.person,)) for override in reversed(schedule.overrides)]
    return _Roster(
        rotas=tuple(_rota(layer, zone(layer.time_zone or schedule.time_zone)) for layer in reversed(schedule.layers)),
        swaps=tuple(each for each in swaps if each[0] < each[1]),
        overrides=tuple(each for each in overrides if each[0] < each[1]),
    )


def _span(change: Override | Swap, where: ZoneInfo) -> tuple[datetime, datetime]:
    return begins(change.starts, where), ends(change.ends, where)


_MONDAY = "1970-01-05"
"""What a rotation that names no start counts from."""


def _rota(layer: Layer, where: ZoneInfo) -> _Rota:
    crews = layer.crews()
    anchor = wall(layer.start or _MONDAY, where, layer.hand_over or "00:00")
    return _Rota(
        crews=crews,
        turns=Turns(anchor, layer.rotate, where) if len(crews) > 1 else None,
        hours=Hours(tuple(_daily(window) for window in layer.only), where) if layer.only else None,
        start=None if layer.start is None else instant(anchor, where),
        end=None if layer.end is None else ends(layer.end, where),
    )


def _daily(window: Window) -> Daily:
    days = frozenset(WEEK.index(day) for day in window.days)
    return Daily(days, time.fromisoformat(window.after), time.fromisoformat(window.until))


_NO_SHIFTS = _Line((), ())


def _line(feed: tuple[Shift, ...]) -> _Line:
    return _line_of(_Same(feed)) if feed else _NO_SHIFTS


@lru_cache(256)
def _line_of(same: _Same[tuple[Shift, ...]]) -> _Line:
    """The shifts laid beside one another; people whose shifts overlap are on duty together."""
    shifts = sorted((shift for shift in same.value if shift.start < shift.end), key=lambda shift: shift.start)
    bounds = sorted({bound for shift in shifts for bound in (shift.start, shift.end)})
    people: list[tuple[str, ...]] = []
    waiting, current = 0, list[Shift]()
    for bound in bounds:
        current = [shift for shift in current if shift.end > bound]
        while waiting < len(shifts) and shifts[waiting].start <= bound:
            current.append(shifts[waiting])
            waiting += 1
        people.append(_each_once(shift.person for shift in current))
    return _Line(tuple(bounds), tuple(people))


def _each_once(people: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(people))
