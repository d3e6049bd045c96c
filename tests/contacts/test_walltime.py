"""When it is that the clocks on a wall show a time: also in hours that a zone skips or doubles."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contacts.walltime import ClockTime, LocalMoment, at_clock, begins, ends, instant, is_zone, wall, zone

MADRID = zone("Europe/Madrid")
ZONES = (
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
)


@pytest.mark.parametrize(
    ("local", "where", "moment"),
    [
        # An ordinary day, summer and winter.
        ("2026-07-01 09:00", "Europe/Madrid", "2026-07-01 07:00"),
        ("2026-12-01 09:00", "Europe/Madrid", "2026-12-01 08:00"),
        # The skipped hour begins at the jump, whichever minute of it is meant.
        ("2027-03-28 02:00", "Europe/Madrid", "2027-03-28 01:00"),
        ("2027-03-28 02:30", "Europe/Madrid", "2027-03-28 01:00"),
        ("2027-03-28 02:59", "Europe/Madrid", "2027-03-28 01:00"),
        ("2027-03-28 03:00", "Europe/Madrid", "2027-03-28 01:00"),
        ("2027-03-28 03:01", "Europe/Madrid", "2027-03-28 01:01"),
        # The doubled hour is meant the first time.
        ("2026-10-25 02:00", "Europe/Madrid", "2026-10-25 00:00"),
        ("2026-10-25 02:59", "Europe/Madrid", "2026-10-25 00:59"),
        ("2026-10-25 03:00", "Europe/Madrid", "2026-10-25 02:00"),
        # Half an hour on Lord Howe, a whole day in Samoa, Ramadan in Morocco, never in India.
        ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03 15:30"),
        ("2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04 14:45"),
        ("2011-12-30 12:00", "Pacific/Apia", "2011-12-30 10:00"),
        ("2026-03-22 02:30", "Africa/Casablanca", "2026-03-22 02:00"),
        ("2027-03-28 02:30", "Asia/Kolkata", "2027-03-27 21:00"),
    ],
)
def test_a_time_on_the_wall_is_one_moment(local, where, moment):
    assert instant(datetime.fromisoformat(local), zone(where)) == datetime.fromisoformat(moment + "+00:00")


@given(
    st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2037-01-01")).map(
        lambda each: each.replace(second=0, microsecond=0)
    ),
    st.sampled_from(ZONES),
)
def test_it_is_the_first_moment_at_which_the_clocks_have_come_so_far(local, where):
    moment = instant(local, zone(where))
    shown = [
        (moment + timedelta(minutes=minutes)).astimezone(zone(where)).replace(tzinfo=None) for minutes in range(-180, 1)
    ]
    assert shown[-1] >= local
    assert max(shown[:-1]) < local


def test_midnight_to_midnight_is_23_24_or_25_hours():
    lengths = [
        at_clock(day + timedelta(days=1), "00:00", MADRID) - at_clock(day, "00:00", MADRID)
        for day in (date(2027, 3, 28), date(2027, 3, 29), date(2026, 10, 25))
    ]
    assert lengths == [timedelta(hours=23), timedelta(hours=24), timedelta(hours=25)]


def test_a_day_begins_at_midnight_and_ends_with_the_next_one():
    assert begins("2026-12-24", MADRID) == datetime(2026, 12, 23, 23, tzinfo=UTC)
    assert ends("2026-12-24", MADRID) == datetime(2026, 12, 24, 23, tzinfo=UTC)


def test_a_time_is_the_same_for_a_beginning_and_an_end():
    assert begins("2026-12-24 18:00", MADRID) == ends("2026-12-24T18:00:00", MADRID)
    assert ends("2026-12-24 18:00", MADRID) == datetime(2026, 12, 24, 17, tzinfo=UTC)


def test_an_offset_of_its_own_wins_over_the_zone():
    assert begins("2026-12-24T18:00Z", MADRID) == datetime(2026, 12, 24, 18, tzinfo=UTC)
    assert ends("2026-12-24 18:00-05:00", MADRID) == datetime(2026, 12, 24, 23, tzinfo=UTC)
    assert wall("2026-12-24T18:00Z", MADRID) == datetime.fromisoformat("2026-12-24 19:00")


def test_the_wall_shows_what_was_written_even_in_a_skipped_hour():
    assert wall("2027-03-28 02:30", MADRID) == datetime.fromisoformat("2027-03-28 02:30")
    assert wall("2027-03-28", MADRID) == datetime.fromisoformat("2027-03-28 00:00")
    assert wall("2027-03-28", MADRID, "09:15") == datetime.fromisoformat("2027-03-28 09:15")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("24.12.2026", "write a day such as"),
        ("2026-13-01", "month must be in 1..12"),
        ("2026-12-24 25:00", "hour must be in 0..23"),
        ("2026-12-24 18", "write a day such as"),
        ("0001-01-01", "write a year"),
        ("9999-12-31", "write a year"),
    ],
)
def test_what_is_no_moment_is_refused_with_a_sentence(text, words):
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(LocalMoment).validate_python(text)


@pytest.mark.parametrize("text", ["9:00", "24:00", "09:60", "09:00:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ValidationError):
        TypeAdapter(ClockTime).validate_python(text)


@pytest.mark.parametrize("name", ["Europe/Madird", "", "../etc/passwd", "/etc/localtime"])
def test_a_zone_that_does_not_exist_is_known_as_such_and_read_as_utc(name):
    assert not is_zone(name)
    assert zone(name).key == "UTC"


def test_zones_that_exist_are_zones():
    assert all(is_zone(name) for name in (*ZONES, "UTC"))
