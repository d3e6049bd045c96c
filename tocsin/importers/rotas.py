"""Rotations of any vendor as schedules of ours. Pure.

Where a vendor lets people be on call side by side, each rotation that can overlap another gets a schedule of its own
(`payments`, `payments-2`), and a rung pages them all; rotations whose hours never meet share one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from contacts.schedules import WEEK, WEEKLY, Layer, Override, Schedule, Window, duties
from contacts.walltime import instant
from tocsin.importers.target import Draft

DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_LONGEST_REPLACED = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of every week: begins on `day` (Monday is 0) at `after`, lasts `length`, at most a week."""

    day: int
    after: timedelta
    length: timedelta


@dataclass(frozen=True, slots=True)
class Rota:
    """Crews that take turns of one length, on duty during `hours` only (none: always)."""

    name: str
    crews: tuple[tuple[str, ...], ...]
    turn: timedelta = WEEKLY
    anchor: datetime | None = None
    """When the turn of the first crew begins (naive, in the rota's zone)."""
    hours: tuple[Hours, ...] = ()
    time_zone: str | None = None
    """Where it is not that of the schedule."""
    begins: datetime | None = None
    """Nobody is on duty by this rota before (naive); counted to the turn in which it lies."""
    ends: datetime | None = None
    level: int = 0
    """A higher level replaces a lower one while it has somebody on duty; the same level stands beside."""


@dataclass(frozen=True, slots=True)
class Instead:
    """One person on duty and nobody else, in the schedules that stand for these rotas (None: all)."""

    start: datetime
    end: datetime
    person: str
    rotas: frozenset[str] | None = None


def daily(after: timedelta, length: timedelta) -> tuple[Hours, ...]:
    return tuple(Hours(day, after, length) for day in range(7)) if length < DAY else ()


def add_schedule(
    draft: Draft,
    vendor_ids: Sequence[str],
    name: str,
    time_zone: str,
    rotas: Sequence[Rota],
    instead: Iterable[Instead] = (),
) -> tuple[Schedule, ...]:
    """The schedules that stand for a vendor's; none, and a line in the report, when it has no rota with people."""
    if not rotas:
        draft.unmatched.append(f"schedule {name!r}: nothing of it could be taken; left out.")
        for each in vendor_ids:
            draft.duty_of[each] = ()
        return ()
    columns = _columns(draft, name, rotas)
    changes = list(instead)
    made = []
    for number, column in enumerate(columns, start=1):
        here = {rota.name for rota in column}
        overrides = [each for each in changes if each.rotas is None or each.rotas & here]
        made.append(
            Schedule(
                id=draft.schedule_names.new(name),
                title=name if number == 1 else f"{name} ({number})",
                time_zone=time_zone,
                layers=tuple(_layer(rota) for rota in column),
                overrides=tuple(Override(starts=stamp(o.start), ends=stamp(o.end), person=o.person) for o in overrides),
            )
        )
    draft.schedules.extend(made)
    for each in vendor_ids:
        draft.duty_of[each] = tuple(schedule.id for schedule in made)
    if len(made) > 1:
        draft.notes.append(
            f"schedule {name!r}: people are on call side by side in it, so it became {len(made)} schedules: "
            f"{', '.join(schedule.id for schedule in made)}; its rungs page all of them."
        )
    return tuple(made)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replaced(schedule: Schedule, start: datetime, end: datetime, person: str, other: str) -> list[Override] | None:
    """Overrides by which `other` does the duties of `person` in [start, end); None where a pair would be parted.

    None also where who is on duty stands in a calendar, and for more than 400 days.
    """
    if end - start > _LONGEST_REPLACED or schedule.calendar is not None:
        return None
    found = []
    for duty in duties(schedule, start, end):
        if person not in duty.people:
            continue
        if duty.people != (person,) or duty.since is None or duty.until is None:
            return None
        found.append(Override(starts=stamp(duty.since), ends=stamp(duty.until), person=other))
    return found


def replace_in(draft: Draft, vendor_id: str, start: datetime, end: datetime, person: str, other: str) -> bool:
    """The same in every schedule that stands for a vendor's. Changes nothing, and is False, when one cannot say it."""
    ids = draft.duty_of.get(vendor_id, ())
    changes = {}
    for schedule in draft.schedules:
        if schedule.id in ids:
            more = replaced(schedule, start, end, person, other)
            if more is None:
                return False
            changes[schedule.id] = schedule.model_copy(update={"overrides": (*schedule.overrides, *more)})
    draft.schedules[:] = [changes.get(each.id, each) for each in draft.schedules]
    return True


def _columns(draft: Draft, name: str, rotas: Sequence[Rota]) -> list[list[Rota]]:
    """Rotas that one schedule can hold as layers, the lowest level first."""
    levels = [
        _side_by_side([rota for rota in rotas if rota.level == level]) for level in sorted({r.level for r in rotas})
    ]
    if any(len(level) > 1 for level in levels[1:]):
        draft.unmatched.append(
            f"schedule {name!r}: rotations of a higher level are on call side by side; somebody of a lower level "
            "may be paged beside them. Check it with `tocsin who`."
        )
    width = max(len(level) for level in levels)
    return [[rota for level in levels for rota in level[min(column, len(level) - 1)]] for column in range(width)]


def _side_by_side(rotas: Sequence[Rota]) -> list[list[Rota]]:
    columns: list[list[Rota]] = []
    for rota in rotas:
        free = (column for column in columns if not any(_may_meet(rota, other) for other in column))
        column = next(free, None)
        if column is None:
            columns.append([rota])
        else:
            column.append(rota)
    return columns


def _may_meet(one: Rota, other: Rota) -> bool:
    if one.time_zone != other.time_zone:
        return True
    if one.ends is not None and other.begins is not None and one.ends <= other.begins:
        return False
    if other.ends is not None and one.begins is not None and other.ends <= one.begins:
        return False
    return bool(_minutes(one) & _minutes(other))


def _minutes(rota: Rota) -> int:
    """The minutes of the week in which somebody may be on duty, one bit each."""
    week = 7 * 24 * 60
    if not rota.hours:
        return (1 << week) - 1
    found = 0
    for hours in rota.hours:
        begin = hours.day * 24 * 60 + int(hours.after / _MINUTE)
        bits = ((1 << min(int(hours.length / _MINUTE), week)) - 1) << begin
        found |= bits | (bits >> week)
    return found & ((1 << week) - 1)


def _layer(rota: Rota) -> Layer:
    rota = _moved(rota)
    start = rota.anchor if len(rota.crews) > 1 else rota.begins or rota.anchor
    return Layer(
        people=tuple(crew[0] if len(crew) == 1 else crew for crew in rota.crews),
        rotate=rota.turn,
        start=None if start is None else _written(start),
        end=None if rota.ends is None else _written(rota.ends),
        only=_windows(rota.hours),
        time_zone=rota.time_zone,
    )


def _written(local: datetime) -> str:
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def _moved(rota: Rota) -> Rota:
    """The same turns, counted from the last hand-over before it begins."""
    if rota.anchor is None or rota.begins is None or rota.begins <= rota.anchor or len(rota.crews) == 1:
        return rota
    turns = (rota.begins - rota.anchor) // rota.turn
    first = turns % len(rota.crews)
    return replace(rota, anchor=rota.anchor + turns * rota.turn, crews=rota.crews[first:] + rota.crews[:first])


def _windows(hours: Sequence[Hours]) -> tuple[Window, ...]:
    """One window for equal hours of several days; hours of more than a day are cut at its end."""
    days: dict[tuple[str, str], list[int]] = {}
    for each in hours:
        day, after, left = each.day, each.after, each.length
        while left > timedelta(0):
            piece = min(left, DAY)
            key = (_clock(after), _clock(after + piece))
            days.setdefault(key, []).append(day % 7)
            day, left = day + 1, left - piece
    return tuple(
        Window(days=tuple(WEEK[day] for day in sorted(set(found))), after=after, until=until)
        for (after, until), found in days.items()
    )


def _clock(length: timedelta) -> str:
    minutes = int(length / _MINUTE) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def local(moment: datetime, time_zone: str) -> datetime:
    """What the clocks of the zone show at a moment (naive)."""
    return moment.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)


def moment_of(local_time: datetime, time_zone: str) -> datetime:
    return instant(local_time, ZoneInfo(time_zone))
