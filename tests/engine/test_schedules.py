"""Schedules as people and programs see them: on duty, called, next, gaps; and as a calendar."""

from datetime import UTC, datetime, timedelta

import icalendar
import pytest

from contacts.calendars import known_as, read_calendar
from contacts.directory import Absence, Directory, Live
from contacts.schedules import Schedule, Shift, duties
from engine.calendars import Copy
from engine.schedules import calendar_text, schedule_view, the_schedule
from incidents.errors import UnknownIncident
from tests.support.plans import everybody, someone

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
WEEKLY = Schedule.model_validate(
    {"id": "tech", "title": "Tech on call", "layers": [{"people": ["ana", "bob"], "start": "2026-03-02 09:00"}]}
)
OFFICE = Schedule.model_validate(
    {
        "id": "office",
        "title": "Office hours",
        "layers": [{"people": ["ana"], "only": [{"days": ["wed"], "after": "08:00", "until": "18:00"}]}],
    }
)
FEED = Schedule(id="fed", title="By a feed", calendar="https://example.com/oncall.ics")


def directory(*schedules, people=(), **calendars):
    made = Directory(contacts=tuple(people) or everybody().contacts, schedules=schedules)
    return made.with_live(Live(calendars=calendars))


def ids(people):
    return [each["id"] for each in people]


def test_it_says_who_is_on_duty_until_when_and_who_comes_next():
    view = schedule_view(WEEKLY, directory(WEEKLY), None, NOW)

    assert view["on_duty"] == view["called"] == [{"id": "ana", "name": "Ana"}]
    assert view["until"] == "2026-03-09T09:00:00.000Z"
    assert [(each["from"][:10], ids(each["on_duty"])) for each in view["next"]] == [
        ("2026-03-09", ["bob"]),
        ("2026-03-16", ["ana"]),
        ("2026-03-23", ["bob"]),
    ]
    assert (view["gaps"], view["calendar"]) == ([], None)


def test_whoever_stands_in_for_somebody_who_is_away_is_said_to_be_called():
    away = someone("ana").model_copy(
        update={"deputy": "cleo", "absences": (Absence(starts="2026-03-04", ends="2026-03-05"),)}
    )
    view = schedule_view(WEEKLY, directory(WEEKLY, people=[away, someone("bob"), someone("cleo")]), None, NOW)

    assert (ids(view["on_duty"]), ids(view["called"])) == (["ana"], ["cleo"])
    assert view["because"] == ["ana is absent"]


def test_every_gap_of_the_next_twelve_weeks_is_named():
    gaps = schedule_view(OFFICE, directory(OFFICE), None, NOW)["gaps"]

    assert len(gaps) == 12
    assert gaps[0] == {"from": "2026-03-04T18:00:00.000Z", "until": "2026-03-11T08:00:00.000Z"}
    assert gaps[-1] == {"from": "2026-05-20T18:00:00.000Z", "until": "2026-05-27T08:00:00.000Z"}


def test_a_feed_that_was_never_read_is_a_gap_and_its_trouble_is_said():
    trouble = Copy("https://example.com/oncall.ics", trouble="Its server answered 500.", trouble_since=NOW)
    view = schedule_view(FEED, directory(FEED), trouble, NOW)

    assert view["on_duty"] == []
    assert view["gaps"] == [{"from": "2026-03-04T12:00:00.000Z", "until": None}]
    assert view["calendar"] == {
        "read_at": None,
        "trouble": "Its server answered 500.",
        "trouble_since": "2026-03-04T12:00:00.000Z",
        "problems": [],
    }


def test_a_schedule_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UnknownIncident, match=r"no schedule 'teck'; it has tech, office"):
        the_schedule(directory(WEEKLY, OFFICE), "teck")


# --- as a calendar ---


def events(text):
    return {
        str(each["UID"]): (each.decoded("DTSTART"), each.decoded("DTEND"))
        for each in icalendar.Calendar.from_ical(text).walk("VEVENT")
    }


def test_the_calendar_says_what_the_schedule_says():
    text = calendar_text(WEEKLY, directory(WEEKLY), NOW, weeks=12)
    ahead = NOW, NOW + timedelta(weeks=12)
    shifts = read_calendar(text, *ahead, known_as({"Ana": "ana", "Bob": "bob"})).shifts
    copy = Schedule(id="copy", title="Copy", calendar="https://example.com/tech.ics")

    assert duties(copy, *ahead, shifts) == duties(WEEKLY, *ahead)


def test_a_duty_that_has_begun_keeps_its_name_and_its_beginning_from_one_look_to_the_next():
    first = events(calendar_text(WEEKLY, directory(WEEKLY), NOW, weeks=1))
    later = events(calendar_text(WEEKLY, directory(WEEKLY), NOW + timedelta(days=2), weeks=1))

    begun = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert min(start for start, _ in first.values()) == begun
    assert first.keys() == later.keys()


def test_two_shifts_in_a_row_of_one_person_are_one_duty_with_one_name():
    start = NOW - timedelta(days=3)
    shifts = tuple(Shift("ana", start + n * timedelta(days=1), start + (n + 1) * timedelta(days=1)) for n in range(5))
    looks = [
        events(calendar_text(FEED, directory(FEED, fed=shifts), NOW + timedelta(days=n), weeks=1)) for n in range(2)
    ]

    assert looks[0] == looks[1]
    assert list(looks[0].values()) == [(start, start + timedelta(days=5))]


def test_a_duty_without_a_beginning_or_an_end_can_be_written_too():
    always = Schedule.model_validate({"id": "always", "title": "Always", "layers": [{"people": ["dora"]}]})
    ((start, end),) = events(calendar_text(always, directory(always), NOW, weeks=2)).values()

    assert (start, end) == (datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 19, tzinfo=UTC))
