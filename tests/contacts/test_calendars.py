"""iCalendar feeds of every kind, good and broken, into shifts; and duties into iCalendar text."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import calendars
from contacts.calendars import known_as, laid_together, read_calendar, write_calendar
from contacts.schedules import Duty, Layer, Schedule, Shift, Window, duties, duty_at
from tests.support.counterparties import SHARED

CORPUS = SHARED / "testing" / "ics"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WHOM = known_as({"priya": "priya", "Priya Raman": "priya", "priya@example.com": "priya", "Jonas Weiß": "jonas"})


def event(*lines: str, uid: str = "one", **more: str) -> str:
    said = {"uid": uid, "summary": "Priya Raman"} | more
    written = [f"{name.upper().replace('_', '-')}:{value}" for name, value in said.items() if value]
    return "\n".join(["BEGIN:VEVENT", *written, *lines, "END:VEVENT"])


def calendar(*parts: str) -> str:
    return "\r\n".join("\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *parts, "END:VCALENDAR"]).split("\n")) + "\r\n"


def read(*parts: str, start="2026-01-01", end="2027-12-31", whom=WHOM, time_zone="Europe/Madrid"):
    return read_calendar(calendar(*parts), utc(start), utc(end), whom, time_zone)


def shift(person: str, start: str, end: str) -> Shift:
    return Shift(person, utc(start), utc(end))


DAY = ("DTSTART:20260105T080000Z", "DTEND:20260106T080000Z")
THE_DAY = shift("priya", "2026-01-05 08:00", "2026-01-06 08:00")


# Times


def test_an_event_is_a_shift():
    reading = read(event(*DAY))
    assert (reading.shifts, reading.problems, reading.sound) == ((THE_DAY,), (), True)


def test_shifts_come_in_order_and_whole_and_only_those_that_overlap():
    parts = [
        event("DTSTART:20260107T080000Z", "DTEND:20260108T080000Z", uid="late"),
        event(*DAY, uid="middle"),
        event("DTSTART:20260101T080000Z", "DTEND:20260105T080000Z", uid="touches the start"),
        event("DTSTART:20260108T120000Z", "DTEND:20260109T080000Z", uid="touches the end"),
    ]
    reading = read(*parts, start="2026-01-05 08:00", end="2026-01-08 12:00")
    assert reading.shifts == (THE_DAY, shift("priya", "2026-01-07 08:00", "2026-01-08 08:00"))
    assert read(*parts, start="2026-01-05 20:00", end="2026-01-05 21:00").shifts == (THE_DAY,)


def test_a_weekly_event_stays_at_nine_in_its_own_zone():
    weekly = event(
        "DTSTART;TZID=America/New_York:20261026T090000",
        "DTEND;TZID=America/New_York:20261102T090000",
        "RRULE:FREQ=WEEKLY;COUNT=2",
    )
    assert read(weekly).shifts == (
        shift("priya", "2026-10-26 13:00", "2026-11-02 14:00"),
        shift("priya", "2026-11-02 14:00", "2026-11-09 14:00"),
    )


def test_a_day_that_is_excepted_is_nobody_s():
    daily = event(*DAY, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260106T080000Z")
    assert [each.start for each in read(daily).shifts] == [utc("2026-01-05 08:00"), utc("2026-01-07 08:00")]


def test_one_recurrence_may_be_somebody_else_s_or_cancelled():
    daily = event(*DAY, "RRULE:FREQ=DAILY;COUNT=3")
    other = event(
        "RECURRENCE-ID:20260106T080000Z",
        "DTSTART:20260106T090000Z",
        "DTEND:20260107T080000Z",
        summary="Jonas Weiß",
    )
    gone = event(
        "RECURRENCE-ID:20260107T080000Z", "DTSTART:20260107T080000Z", "DTEND:20260108T080000Z", "STATUS:CANCELLED"
    )
    assert read(daily, other, gone).shifts == (THE_DAY, shift("jonas", "2026-01-06 09:00", "2026-01-07 08:00"))


WHOLE_DAY = event("DTSTART;VALUE=DATE:20261025", "DTEND;VALUE=DATE:20261026")


def test_an_all_day_event_is_the_whole_day_of_the_schedule_s_zone():
    assert read(WHOLE_DAY).shifts == (shift("priya", "2026-10-24 22:00", "2026-10-25 23:00"),)


def test_the_calendar_s_own_zone_comes_before_the_schedule_s():
    assert read("X-WR-TIMEZONE:Asia/Kolkata", WHOLE_DAY).shifts == (
        shift("priya", "2026-10-24 18:30", "2026-10-25 18:30"),
    )
    assert read("X-WR-TIMEZONE:Nowhere/Land", WHOLE_DAY).shifts == read(WHOLE_DAY).shifts


def test_a_time_without_a_zone_is_meant_where_the_schedule_is():
    floating = event("DTSTART:20260701T090000", "DTEND:20260701T170000")
    assert read(floating).shifts == (shift("priya", "2026-07-01 07:00", "2026-07-01 15:00"),)


def test_a_zone_that_the_calendar_describes_itself_is_honoured():
    described = "\n".join(
        [
            "BEGIN:VTIMEZONE",
            "TZID:Head office",
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZOFFSETFROM:+0345",
            "TZOFFSETTO:+0345",
            "END:STANDARD",
            "END:VTIMEZONE",
        ]
    )
    meant = event("DTSTART;TZID=Head office:20260701T090000", "DTEND;TZID=Head office:20260701T170000")
    assert read(described, meant).shifts == (shift("priya", "2026-07-01 05:15", "2026-07-01 13:15"),)


# Whom an event means


@pytest.mark.parametrize(
    ("said", "person"),
    [
        (event(*DAY, summary="priya"), "priya"),
        (event(*DAY, summary="  PRIYA raman "), "priya"),
        (event(*DAY, summary="On call: Jonas Weiß"), "jonas"),
        (event(*DAY, summary="On-call Jonas Weiß"), "jonas"),
        (event(*DAY, summary="On call: Priya Raman (Technology (EU))"), "priya"),
        (event(*DAY, summary="On Call - Priya Raman - Technology"), "priya"),
        (event(*DAY, summary="[L1] Technology: Jonas Weiß"), "jonas"),
        (event(*DAY, "ATTENDEE:MAILTO:Priya@Example.com", summary="Technology"), "priya"),
        (event(*DAY, "ATTENDEE;CN=Priya Raman:mailto:pr@elsewhere.example", summary="Technology"), "priya"),
        # An address is believed before the summary, a stranger's is not, and whoever declined does not come.
        (event(*DAY, "ATTENDEE:mailto:priya@example.com", summary="Jonas Weiß"), "priya"),
        (event(*DAY, "ATTENDEE:mailto:room-7@example.com", summary="Jonas Weiß"), "jonas"),
        (event(*DAY, "ATTENDEE;PARTSTAT=DECLINED:mailto:priya@example.com", summary="Jonas Weiß"), "jonas"),
    ],
)
def test_an_event_is_the_shift_of_the_first_whom_it_names_and_we_know(said, person):
    assert [each.person for each in read(said).shifts] == [person]


def test_an_event_of_a_stranger_costs_a_sentence_and_nothing_else():
    reading = read(event(*DAY), event(*DAY, uid="two", summary="Zoe"), event(*DAY, uid="three", summary=""))
    assert reading.shifts == (THE_DAY,)
    assert reading.problems == (
        "The event 'Zoe' (two) names nobody whom we know, but Zoe.",
        "The event three names nobody.",
    )
    assert reading.sound


# Broken events and broken calendars


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (event(uid="two"), "it has no DTSTART"),
        (event("DTSTART:yesterday", "DTEND:20260106T080000Z", uid="two"), "cannot be read"),
        (event("DTSTART:20260105T080000Z", "DTEND:20260104T080000Z", uid="two"), "ends before it begins"),
        (event("DTSTART:20260105T080000Z", uid="two"), "has no length"),
        (event(*DAY, "RRULE:FREQ=SOMETIMES", uid="two"), "its rule of repetition is not written as one"),
        (event(*DAY, "RRULE:FREQ=DAILY;COUNT=many", uid="two"), "its rule of repetition is not written as one"),
        (event(*DAY, "RRULE:FREQ=DAILY", "EXDATE:tomorrow", uid="two"), "cannot be read"),
        (event(*DAY, "RRULE:FREQ=DAILY;INTERVAL=0", uid="two"), "an interval of nothing"),
        (event(*DAY, "RRULE:FREQ=SECONDLY", uid="two"), "by the minute or second"),
        (event(*DAY, "RRULE:FREQ=MINUTELY;COUNT=3", uid="two"), "by the minute or second"),
        (event("DTSTART:19700101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY", uid="two"), "more than 50000 times"),
        (
            event(*DAY, "RRULE:FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=1,2", uid="two"),
            "more",
        ),
        (event(*DAY, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", uid="two"), "on a day that never comes"),
        # For the first of these icalendar gives up the whole text, for the second it loses the event without a word.
        (event(*DAY, "END:VALARM", uid="two"), "'Priya Raman' (two) is not written as an event"),
        (event(*DAY, "BEGIN:VALARM", uid="two"), "'Priya Raman' (two) is not written as an event"),
    ],
)
def test_a_broken_event_costs_a_sentence_with_its_name_and_never_the_others(broken, words):
    reading = read(event(*DAY), broken, event("DTSTART:20260201T080000Z", "DURATION:P1D", uid="three"))
    assert reading.shifts == (THE_DAY, shift("priya", "2026-02-01 08:00", "2026-02-02 08:00"))
    (problem,) = reading.problems
    assert words in problem
    assert "two" in problem
    assert reading.sound


def test_a_broken_exception_leaves_its_series_as_it_was():
    daily = event(*DAY, "RRULE:FREQ=DAILY;COUNT=2")
    reading = read(daily, event("RECURRENCE-ID:20260106T080000Z", "DTSTART:never", summary="Jonas Weiß"))
    assert reading.shifts == (THE_DAY, shift("priya", "2026-01-06 08:00", "2026-01-07 08:00"))
    assert len(reading.problems) == 1


def test_a_line_that_says_nothing_costs_nothing():
    assert read("nothing", event(*DAY, "nothing")).shifts == (THE_DAY,)


def test_a_broken_zone_does_not_cost_the_events_that_do_not_need_it():
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Mars\nBEGIN:STANDARD\nTZOFFSETFROM:+9999\nTZOFFSETTO:+9999\nEND:STANDARD\nEND:VTIMEZONE"
    )
    assert read(zone, event(*DAY)).shifts == (THE_DAY,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!DOCTYPE html><title>Sign in</title>",
        event(*DAY),
        calendar(event(*DAY)).removesuffix("END:VCALENDAR\r\n"),
        calendar(event(*DAY))[:80],
    ],
)
def test_what_is_no_whole_calendar_is_not_sound_so_that_the_last_good_copy_stays(text):
    reading = read_calendar(text, utc("2026-01-01"), utc("2027-01-01"), WHOM)
    assert (reading.shifts, reading.sound) == ((), False)
    assert reading.problems == ("This is no iCalendar text, or only a part of one.",)


def test_a_calendar_of_which_nothing_can_be_used_is_not_sound_either():
    assert not read(event(uid="two"), event(*DAY, summary="Zoe")).sound


def test_a_calendar_without_events_is_sound_and_so_is_one_whose_events_lie_elsewhere():
    assert read().sound
    assert read(event(*DAY), start="2027-01-01").sound


def test_a_rule_that_ended_long_ago_is_not_held_to_have_gone_on():
    hourly = event("DTSTART:19900101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY;UNTIL=19910101T000000Z")
    assert read(hourly).problems == ()


def test_a_yearly_rule_may_be_as_old_as_address_books_make_it():
    yearly = event("DTSTART;VALUE=DATE:16040301", "RRULE:FREQ=YEARLY")
    assert [each.start for each in read(yearly).shifts] == [utc("2026-02-28 23:00"), utc("2027-02-28 23:00")]


GOOD = calendar(
    event(*DAY, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260106T080000Z", "ATTENDEE;CN=Priya:mailto:priya@example.com"),
    event("DTSTART;TZID=Europe/Madrid:20260201T080000", "DURATION:P1D", "BEGIN:VALARM", "END:VALARM", uid="two"),
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(max_size=6) | st.sampled_from("\n:;=,PT-9\x00"))
def test_no_damage_to_a_calendar_raises(place, lost, put_in):
    reading = read_calendar(GOOD[:place] + put_in + GOOD[place + lost :], utc("2026-01-01"), utc("2027-12-31"), WHOM)
    assert reading.sound or reading.problems


# Work that a calendar may cost


@pytest.mark.parametrize("summary", ["Priya Raman", "Zoe"])
def test_a_calendar_with_too_many_shifts_is_refused_as_a_whole_whoever_they_name(monkeypatch, summary):
    monkeypatch.setattr(calendars, "MOST_SHIFTS", 10)
    daily = [event(*DAY, "RRULE:FREQ=DAILY;COUNT=6", uid=uid, summary=summary) for uid in ("one", "two")]
    assert read(daily[0]).problems == () or summary == "Zoe"
    reading = read(*daily)
    assert (reading.shifts, reading.sound) == ((), False)
    assert reading.problems == (
        "It has more than 10 shifts from 01 Jan 2026 to 31 Dec 2027; a calendar with more is not read.",
    )


def test_series_that_together_take_hours_to_count_out_are_refused_before_they_are():
    hourly = [
        event("DTSTART:20220101T000000Z", "DURATION:PT1M", "RRULE:FREQ=HOURLY;UNTIL=20260101T000000Z", uid=str(n))
        for n in range(1000)
    ]
    began = time.monotonic()
    reading = read(*hourly)
    assert time.monotonic() - began < 10
    assert not reading.sound
    assert reading.problems == ("Its events repeat more than 1000000 times in all; a calendar with more is not read.",)


def test_a_calendar_with_a_crowd_on_duty_at_once_is_refused(monkeypatch):
    monkeypatch.setattr(calendars, "MOST_AT_ONCE", 2)
    crowd = [event(*DAY, uid=name, summary=name) for name in ("a", "b", "c")]
    after = event("DTSTART:20260106T080000Z", "DURATION:P1D", uid="d", summary="d")
    assert len(read(*crowd[:2], after, whom=str).shifts) == 3
    assert read(*crowd, whom=str).problems == (
        "It has more than 2 people on duty at one moment; a calendar with more is not read.",
    )


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VEVENT\n" * 40_000,
        "BEGIN:VTIMEZONE\nBEGIN:VEVENT\nEND:VALARM\n" * 20_000,
        "BEGIN:VEVENT\nEND:VALARM\n" + "END:VTIMEZONE\n" * 40_000,
        event(*DAY, summary="(" * 500_000),
        event(*DAY, summary="a" + " " * 500_000 + "b"),
    ],
    ids=["begins", "both kinds", "ends", "brackets", "blanks"],
)
def test_a_hostile_text_takes_no_longer_than_a_good_one(text):
    began = time.monotonic()
    assert not read(text).sound
    assert time.monotonic() - began < 10


def test_an_event_that_does_not_end_costs_no_other_even_where_the_text_does_not_parse():
    reading = read(event(*DAY, "END:VALARM", uid="broken"), event(*DAY), "BEGIN:VTIMEZONE", event(*DAY, uid="two"))
    assert reading.shifts == (THE_DAY,)
    assert len(reading.problems) == 1


moments = st.integers(0, 40).map(lambda hour: utc("2026-01-01") + timedelta(hours=hour))
some_shifts = st.lists(
    st.builds(Shift, st.sampled_from("abc"), moments, moments).filter(lambda each: each.start < each.end), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(some_shifts)
def test_shifts_laid_together_leave_everybody_on_duty_when_they_were_and_once(shifts):
    together = laid_together(shifts)
    for hour in range(41):
        moment = utc("2026-01-01") + timedelta(hours=hour)
        on_duty = [each.person for each in together if each.start <= moment < each.end]
        assert sorted(on_duty) == sorted({each.person for each in shifts if each.start <= moment < each.end})
    assert laid_together(together) == together


def test_shifts_of_one_person_that_only_touch_stay_two():
    first, second = shift("ana", "2026-01-01", "2026-01-02"), shift("ana", "2026-01-02", "2026-01-03")
    assert laid_together([second, first, first]) == (first, second)


@pytest.mark.parametrize("overlapping", ["one person's", "a crowd's"])
def test_the_most_shifts_that_are_allowed_are_looked_through_at_once(overlapping):
    people = 1 if overlapping == "one person's" else calendars.MOST_AT_ONCE
    start = utc("2026-01-01")
    shifts = laid_together(
        Shift(f"p{n % people}", start + timedelta(hours=n), start + timedelta(hours=n + people + 0.5 * (people == 1)))
        for n in range(calendars.MOST_SHIFTS)
    )
    followed = Schedule(id="copy", title="Copy", calendar="https://example.com/tech.ics")
    began = time.monotonic()
    assert duty_at(followed, start + timedelta(hours=200), shifts).people
    assert time.monotonic() - began < 5


def test_what_another_process_reads_is_the_same():
    parts = calendar(event(*DAY), event(*DAY, uid="two", summary="Zoe"))
    here = read_calendar(parts, utc("2026-01-01"), utc("2027-01-01"), known_as({"Priya Raman": "priya"}))
    asked = calendars.question(parts, utc("2026-01-01"), utc("2027-01-01"), {"Priya Raman": "priya"}, "UTC")
    assert calendars.answered(calendars.answer(asked)) == here
    assert here.shifts
    assert here.problems


@pytest.mark.skipif(
    not CORPUS.is_dir(), reason="needs the corpus in $TOCSIN_SHARED/testing/ics, which is not in this tree"
)
def test_no_file_of_the_corpus_raises_and_most_calendars_give_shifts():
    files = sorted(CORPUS.rglob("*.ics"))
    readings = {
        path.name: read_calendar(
            path.read_bytes().decode("utf-8", "replace"), utc("2000-01-01"), utc("2030-01-01"), lambda said: "somebody"
        )
        for path in files
    }
    assert len(files) >= 150
    assert sum(reading.sound for reading in readings.values()) > 50
    assert all(reading.sound or reading.problems for reading in readings.values())
    # Series with zones of their own, a calendar with a line that is none, and two good events beside a broken one.
    assert len(readings["issue_466_respect_unique_timezone.ics"].shifts) == 376
    assert len(readings["issue_104_broken_calendar.ics"].shifts) == 1
    assert len(readings["issue_722_missing_timezones.ics"].shifts) == 2
    assert len(readings["issue_722_missing_timezones.ics"].problems) == 1


def test_the_calendar_libraries_are_imported_only_when_a_calendar_is_read():
    code = "import sys, engine.calendars; print('icalendar' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "False\n"


# Out again

TECH = Schedule(
    id="tech",
    title="Technology, on call (EU; nights)",
    time_zone="Europe/Madrid",
    layers=(
        Layer(people=("priya", ("jonas", "ana")), start="2026-01-05", hand_over="09:00"),
        Layer(people=("felix",), only=(Window(days=("sat",), after="12:00", until="03:00"),)),
    ),
)
NAMES = {"priya": "Priya Raman", "jonas": "Jonas; Weiß, Jr. (night)", "ana": "Ana \\ B"}
MADE_AT = utc("2026-11-24 12:00")
BACK = known_as({name: person for person, name in NAMES.items()} | {"felix": "felix"})


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2000), st.integers(1, 90))
def test_what_is_written_reads_back_as_the_same_shifts(first, days):
    start = utc("2026-01-01 00:00") + first * timedelta(hours=7)
    end = start + days * timedelta(days=1)
    written = duties(TECH, start, end)
    text = write_calendar(TECH, written, NAMES, MADE_AT)
    reading = read_calendar(text, start, end, BACK)
    assert reading.problems == ()
    assert set(reading.shifts) == {
        Shift(person, duty.since, duty.until)
        for duty in written
        for person in duty.people
        if duty.since is not None and duty.until is not None
    }
    again = Schedule(id="copy", title="Copy", calendar="https://example.com/tech.ics")
    for duty in written:
        moment = duty.since or start
        assert set(duty_at(again, moment, reading.shifts).people) == set(duty.people)


def test_a_duty_has_the_same_uid_whenever_it_is_written():
    first, second = (
        {str(each["UID"]) for each in icalendar.Calendar.from_ical(text).walk("VEVENT")}
        for text in (
            write_calendar(TECH, duties(TECH, utc(start), utc("2026-02-16 08:00")), NAMES, made_at)
            for start, made_at in (("2026-01-05 08:00", MADE_AT), ("2026-02-02 08:00", MADE_AT + timedelta(days=1)))
        )
    )
    assert len(second) == 8
    assert second < first
    assert "tech-priya-20260202T080000Z@tocsin" in second


def test_a_calendar_says_what_it_is_in_words_that_other_programs_know():
    (duty,) = duties(TECH, utc("2026-01-05 08:00"), utc("2026-01-06 08:00"))
    written = icalendar.Calendar.from_ical(write_calendar(TECH, [duty], NAMES, MADE_AT))
    (only,) = written.walk("VEVENT")
    assert str(written["X-WR-CALNAME"]) == TECH.title
    assert str(written["X-WR-TIMEZONE"]) == "Europe/Madrid"
    assert str(only["SUMMARY"]) == "On call: Priya Raman (Technology, on call (EU; nights))"
    assert only["DTSTART"].to_ical() == b"20260105T080000Z"
    assert only["DTSTAMP"].to_ical() == b"20261124T120000Z"


def test_a_gap_is_no_event():
    text = write_calendar(TECH, duties(TECH, utc("2026-01-01 00:00"), utc("2026-01-02 00:00")), NAMES, MADE_AT)
    assert "BEGIN:VCALENDAR" in text
    assert "BEGIN:VEVENT" not in text


def test_a_duty_without_an_end_cannot_be_written():
    with pytest.raises(ValueError, match="without a beginning or an end"):
        write_calendar(TECH, [Duty(("priya",), utc("2026-01-01 00:00"), None)], NAMES, MADE_AT)
