"""On-call schedules: who is on duty at a moment, and until when. Pure; wall time is the schedule's own zone."""

from dataclasses import dataclass
from datetime import datetime

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


class Schedule(Frozen):
    id: Slug
    title: str
    time_zone: str = "UTC"


def duty_at(schedule: Schedule, at: datetime, feed: tuple[Shift, ...] = ()) -> Duty:
    """Who is on duty at `at`. `feed` is the last good copy of its calendar, sorted, where it has one."""
    return Duty((), None, None)
