"""Schedules as people and programs look at them: who is on duty, the next hand-overs, gaps; and as a calendar.

Pure but for its arguments: the same for a running engine and for a plan on a disk.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from contacts.calendars import write_calendar
from contacts.directory import Directory, Occasion
from contacts.schedules import Duty, Schedule, Shift, duties, duty_at
from engine.view import stamp
from incidents.errors import UnknownIncident

LOOK_AHEAD = timedelta(weeks=12)
"""How far hand-overs and gaps are looked for."""
MOST_WEEKS = 104
_NEXT = 3
_FARTHEST_BACK = timedelta(days=400)


class FeedState(Protocol):
    """What is known of a schedule's calendar: `engine.calendars.Copy`."""

    @property
    def good_at(self) -> datetime | None: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def trouble_since(self) -> datetime | None: ...
    @property
    def problems(self) -> tuple[str, ...]: ...


def the_schedule(directory: Directory, schedule_id: str) -> Schedule:
    """UnknownIncident, with the schedules that there are, for any other."""
    found = directory.schedule(schedule_id)
    if found is None:
        known = ", ".join(each.id for each in directory.schedules) or "none"
        raise UnknownIncident(f"contacts.yaml has no schedule {schedule_id!r}; it has {known}.")
    return found


def schedule_view(schedule: Schedule, directory: Directory, feed: FeedState | None, now: datetime) -> dict[str, Any]:
    """One schedule as JSON values. `called` is whom a page to it would go to now: deputies of whoever is away, say."""
    ahead = duties(schedule, now, now + LOOK_AHEAD, _shifts(directory, schedule))
    called = directory.resolve(f"schedule:{schedule.id}", Occasion(now))
    return {
        "id": schedule.id,
        "title": schedule.title,
        "time_zone": schedule.time_zone,
        "on_duty": _people(ahead[0], directory),
        "until": _until(ahead[0], now),
        "called": [{"id": each.id, "name": each.name} for each in called.contacts],
        "because": list(called.because),
        "next": [
            {"from": stamp(each.since), "until": _until(each, now), "on_duty": _people(each, directory)}
            for each in ahead[1 : 1 + _NEXT]
        ],
        "gaps": [{"from": stamp(each.since), "until": _until(each, now)} for each in ahead if not each.people],
        "calendar": None if schedule.calendar is None else _calendar_view(feed),
    }


def calendar_text(schedule: Schedule, directory: Directory, now: datetime, weeks: int) -> str:
    """Who is on duty from now on, for so many weeks and to the end of the last day, as iCalendar text."""
    shifts = _shifts(directory, schedule)
    end = _midnight(now) + timedelta(weeks=weeks, days=1)
    found = duties(schedule, _begun(schedule, now, shifts), end, shifts)
    names = {each.id: each.name for each in directory.contacts}
    return write_calendar(schedule, [each for each in found if each.people], names, now)


def _shifts(directory: Directory, schedule: Schedule) -> tuple[Shift, ...]:
    return directory.live.calendars.get(schedule.id, ())


def _begun(schedule: Schedule, now: datetime, shifts: tuple[Shift, ...]) -> datetime:
    """When the duty that lasts now began, so that its event keeps its name; where that is far back, this midnight."""
    duty = duty_at(schedule, now, shifts)
    since = duty.since
    while since is not None and now - since < _FARTHEST_BACK:
        before = duty_at(schedule, since - timedelta(microseconds=1), shifts)
        if before.people != duty.people:
            return since
        since = before.since
    return _midnight(now)


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _people(duty: Duty, directory: Directory) -> list[dict[str, str]]:
    known = [(each, directory.contact(each)) for each in duty.people]
    return [{"id": each, "name": each if contact is None else contact.name} for each, contact in known]


def _until(duty: Duty, now: datetime) -> str | None:
    """None where it goes on beyond what we look at."""
    return None if duty.until is None or duty.until >= now + LOOK_AHEAD else stamp(duty.until)


def _calendar_view(feed: FeedState | None) -> dict[str, Any]:
    problems: Sequence[str] = () if feed is None else feed.problems
    return {
        "read_at": None if feed is None else stamp(feed.good_at),
        "trouble": None if feed is None else feed.trouble,
        "trouble_since": None if feed is None else stamp(feed.trouble_since),
        "problems": list(problems),
    }
