"""Who is on duty, and until when: turns, windows, changes on top, a feed below; on days of 23, 24 and 25 hours."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contacts.schedule_findings import people_named, schedule_findings
from contacts.schedules import Duty, Layer, Override, Schedule, Shift, Swap, Window, duties, duty_at, gaps

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(*layers: Layer, time_zone: str = "Europe/Madrid", **more) -> Schedule:
    return Schedule(id="tech", title="Technology on call", time_zone=time_zone, layers=layers, **more)


def layer(**said: Any) -> Layer:
    return Layer(**said)


def two(rotate="weekly", start="2026-01-05", **more) -> Layer:
    return layer(people=("priya", "jonas"), rotate=rotate, start=start, **more)


def who(tech: Schedule, moment: str, feed: tuple[Shift, ...] = ()) -> tuple[str, ...]:
    return duty_at(tech, utc(moment), feed).people


def lengths(tech: Schedule, start: str, end: str) -> list[tuple[str, timedelta]]:
    return [
        ("+".join(duty.people), duty.until - duty.since)
        for duty in duties(tech, utc(start), utc(end))
        if duty.since is not None and duty.until is not None
    ]


# Turns


def test_the_first_of_a_rotation_begins_at_its_start_and_the_next_a_week_later():
    tech = schedule(two(hand_over="09:00"))
    assert duty_at(tech, utc("2026-01-07 12:00")) == Duty(("priya",), utc("2026-01-05 08:00"), utc("2026-01-12 08:00"))
    assert duty_at(tech, utc("2026-01-12 08:00")) == Duty(("jonas",), utc("2026-01-12 08:00"), utc("2026-01-19 08:00"))


def test_nobody_is_on_duty_before_the_start():
    assert duty_at(schedule(two()), utc("2025-12-31 12:00")) == Duty((), None, utc("2026-01-04 23:00"))


def test_a_layer_that_has_an_end_is_on_duty_through_that_day():
    tech = schedule(two(end="2026-01-06"))
    assert who(tech, "2026-01-06 22:59") == ("priya",)
    assert duty_at(tech, utc("2026-01-06 23:00")) == Duty((), utc("2026-01-06 23:00"), None)


def test_one_person_alone_is_on_duty_always():
    assert duty_at(schedule(Layer(people=("priya",))), utc("1990-01-01 00:00")) == Duty(("priya",), None, None)


def test_a_list_in_the_list_is_on_duty_together():
    tech = schedule(layer(people=("priya", ("jonas", "felix")), rotate="daily", start="2026-01-05"))
    assert [duty.people for duty in duties(tech, utc("2026-01-05 00:00"), utc("2026-01-07 00:00"))] == [
        ("priya",),
        ("jonas", "felix"),
        ("priya",),
    ]


def test_a_weekly_hand_over_stays_at_nine_when_the_clocks_change():
    tech = schedule(two(hand_over="09:00"))
    before, after = (
        duties(tech, utc("2027-03-16 00:00"), utc("2027-04-06 00:00"))[1:3],
        duties(tech, utc("2026-10-14 00:00"), utc("2026-11-05 00:00"))[1:3],
    )
    assert [duty.since for duty in before] == [utc("2027-03-22 08:00"), utc("2027-03-29 07:00")]
    assert [duty.since for duty in after] == [utc("2026-10-19 07:00"), utc("2026-10-26 08:00")]


def test_a_daily_turn_is_23_hours_long_on_the_day_that_loses_one():
    tech = schedule(two("daily", hand_over="00:00"))
    assert [length / HOUR for _, length in lengths(tech, "2027-03-26 23:00", "2027-03-29 22:00")] == [24, 23, 24]


def test_a_daily_turn_is_25_hours_long_on_the_day_that_gains_one():
    tech = schedule(two("daily", hand_over="00:00"))
    assert [length / HOUR for _, length in lengths(tech, "2026-10-23 22:00", "2026-10-26 23:00")] == [24, 25, 24]


def test_a_hand_over_in_the_skipped_hour_takes_place_at_the_jump():
    tech = schedule(two("daily", start="2027-03-20", hand_over="02:30"))
    hand_overs = [duty.until for duty in duties(tech, utc("2027-03-27 12:00"), utc("2027-03-29 12:00"))[:2]]
    assert hand_overs == [utc("2027-03-28 01:00"), utc("2027-03-29 00:30")]


def test_a_hand_over_in_the_doubled_hour_takes_place_the_first_time():
    tech = schedule(two("daily", start="2026-10-20", hand_over="02:30"))
    leaving, coming = who(tech, "2026-10-25 00:29"), who(tech, "2026-10-25 00:30")
    assert leaving != coming
    # 02:15 comes once more, and whoever has taken over stays.
    assert who(tech, "2026-10-25 01:15") == who(tech, "2026-10-25 01:45") == coming
    assert duty_at(tech, utc("2026-10-25 01:15")).until == utc("2026-10-26 01:30")


def test_a_rotation_may_start_in_a_skipped_hour_and_still_hands_over_at_its_own_time():
    tech = schedule(two("daily", start="2027-03-28 02:30"))
    assert who(tech, "2027-03-28 00:59") == ()
    assert duty_at(tech, utc("2027-03-28 01:00")) == Duty(("priya",), utc("2027-03-28 01:00"), utc("2027-03-29 00:30"))


@pytest.mark.parametrize("rotate", ["12h", "8h"])
def test_turns_of_hours_stay_at_their_places_in_the_day_when_the_clocks_change(rotate):
    tech = schedule(two(rotate, start="2026-01-05 08:00"))
    for start, end in (("2027-03-26 23:00", "2027-03-30 22:00"), ("2026-10-23 22:00", "2026-10-27 23:00")):
        hand_overs = {
            f"{duty.since.astimezone(ZoneInfo('Europe/Madrid')):%H:%M}"
            for duty in duties(tech, utc(start), utc(end))[1:]
            if duty.since is not None
        }
        assert hand_overs == ({"08:00", "20:00"} if rotate == "12h" else {"00:00", "08:00", "16:00"})


def test_a_turn_that_a_skipped_day_swallows_still_counts():
    # Samoa had no 2011-12-30.
    tech = schedule(layer(people=("ana", "bob", "cleo"), rotate="daily", start="2011-12-29"), time_zone="Pacific/Apia")
    assert lengths(tech, "2011-12-29 10:00", "2011-12-31 10:00") == [("ana", DAY), ("cleo", DAY)]


def test_who_is_on_duty_in_ten_years_does_not_depend_on_what_was_asked_before():
    tech = schedule(two(hand_over="09:00"))
    assert duty_at(tech, utc("2036-01-01 00:00")).since == utc("2035-12-31 08:00")


# Windows


def test_business_hours_follow_the_clock_of_the_zone():
    weekdays = Window(days=("mon", "tue", "wed", "thu", "fri"), after="08:00", until="20:00")
    tech = schedule(Layer(people=("priya",), only=(weekdays,)))
    assert [(duty.since, duty.until) for duty in duties(tech, utc("2027-03-26 00:00"), utc("2027-03-30 00:00"))] == [
        (utc("2027-03-26 00:00"), utc("2027-03-26 07:00")),
        (utc("2027-03-26 07:00"), utc("2027-03-26 19:00")),
        (utc("2027-03-26 19:00"), utc("2027-03-29 06:00")),
        (utc("2027-03-29 06:00"), utc("2027-03-29 18:00")),
        (utc("2027-03-29 18:00"), utc("2027-03-30 00:00")),
    ]


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins():
    tech = schedule(Layer(people=("priya",), only=(Window(days=("fri",), after="22:00", until="06:00"),)))
    assert who(tech, "2026-06-05 19:59") == ()
    assert duty_at(tech, utc("2026-06-06 03:59")) == Duty(("priya",), utc("2026-06-05 20:00"), utc("2026-06-06 04:00"))
    assert duty_at(tech, utc("2026-06-06 21:00")) == Duty((), utc("2026-06-06 04:00"), utc("2026-06-12 20:00"))


def test_a_night_is_an_hour_shorter_or_longer_when_the_clocks_change():
    tech = schedule(Layer(people=("priya",), only=(Window(after="22:00", until="06:00"),)))
    nights = [
        length / HOUR
        for start, end in (("2027-03-27 12:00", "2027-03-28 12:00"), ("2026-10-24 12:00", "2026-10-25 12:00"))
        for people, length in lengths(tech, start, end)
        if people
    ]
    assert nights == [7, 9]


def test_a_window_inside_the_skipped_hour_is_not_there_that_day():
    tech = schedule(Layer(people=("priya",), only=(Window(after="02:15", until="02:45"),)))
    assert [duty.since for duty in duties(tech, utc("2027-03-27 00:00"), utc("2027-03-30 00:00")) if duty.people] == [
        utc("2027-03-27 01:15"),
        utc("2027-03-29 00:15"),
    ]


def test_a_window_inside_the_doubled_hour_is_there_once():
    tech = schedule(Layer(people=("priya",), only=(Window(after="02:15", until="02:45"),)))
    assert [
        (duty.since, duty.until)
        for duty in duties(tech, utc("2026-10-25 00:00"), utc("2026-10-25 12:00"))
        if duty.people
    ] == [(utc("2026-10-25 00:15"), utc("2026-10-25 00:45"))]


def test_whole_days_join_to_one_window():
    tech = schedule(Layer(people=("priya",), only=(Window(days=("sat", "sun")),)))
    assert duty_at(tech, utc("2026-06-06 12:00")) == Duty(("priya",), utc("2026-06-05 22:00"), utc("2026-06-07 22:00"))


def test_the_turns_go_on_while_no_window_is_open():
    tech = schedule(two("daily", only=(Window(after="08:00", until="18:00"),)))
    assert [duty.people for duty in duties(tech, utc("2026-01-05 00:00"), utc("2026-01-08 00:00")) if duty.people] == [
        ("priya",),
        ("jonas",),
        ("priya",),
    ]


def test_the_time_without_a_window_is_one_whole_whenever_it_is_asked_about():
    tech = schedule(layer(people=("priya",), only=(Window(days=("mon",), after="08:00", until="10:00"),)))
    for day in range(400):
        duty = duty_at(tech, utc("2026-01-01 12:00") + day * DAY)
        assert duty.people == ()
        assert duty.since is not None
        assert duty.until is not None
        assert abs((duty.until - duty.since) - timedelta(hours=166)) <= HOUR


# Layers


def sun(after: str, until: str) -> Schedule:
    window = (Window(after=after, until=until),)
    return schedule(
        Layer(people=("aiko",), time_zone="Asia/Tokyo", only=window),
        Layer(people=("marta",), time_zone="Europe/Madrid", only=window),
        Layer(people=("sam",), time_zone="America/Los_Angeles", only=window),
    )


DST_WEEKS = [("2027-03-10 00:00", "2027-04-02 00:00"), ("2026-10-20 00:00", "2026-11-06 00:00")]


@pytest.mark.parametrize(("start", "end"), DST_WEEKS)
def test_following_the_sun_leaves_no_gap_and_one_person_at_a_time_while_the_zones_change_on_different_days(start, end):
    tech = sun("08:00", "17:00")
    assert gaps(tech, utc(start), utc(end)) == ()
    assert all(len(duty.people) == 1 for duty in duties(tech, utc(start), utc(end)))
    assert {duty.people[0] for duty in duties(tech, utc(start), utc(end))} == {"aiko", "marta", "sam"}


@pytest.mark.parametrize(("start", "end"), DST_WEEKS)
def test_following_the_sun_without_an_hour_to_spare_has_a_gap_that_is_found(start, end):
    # 08:00 in Los Angeles is 16:00 in Madrid, except in the weeks in which only one of the two has changed its clocks.
    # Tokyo never changes, so there the hour is missing in the whole summer.
    found = gaps(sun("08:00", "16:00"), utc(start), utc(end))
    assert found
    assert {duty.until - duty.since for duty in found if duty.until and duty.since} == {HOUR}


def test_a_later_layer_wins_while_it_has_somebody_on_duty():
    tech = schedule(
        Layer(people=("night",)),
        Layer(people=("day",), only=(Window(after="08:00", until="20:00"),)),
    )
    assert [(duty.people[0]) for duty in duties(tech, utc("2026-06-01 00:00"), utc("2026-06-02 00:00"))] == [
        "night",
        "day",
        "night",
    ]


def test_a_layer_below_is_not_seen_in_the_bounds_of_the_one_above():
    tech = schedule(two("daily"), Layer(people=("felix",)))
    assert duty_at(tech, utc("2026-06-01 00:00")) == Duty(("felix",), None, None)


# Changes on top


def test_an_override_is_on_duty_alone_through_its_last_day():
    tech = schedule(two("daily"), overrides=(Override(starts="2026-12-24", ends="2026-12-26", person="felix"),))
    assert duty_at(tech, utc("2026-12-26 22:59")) == Duty(("felix",), utc("2026-12-23 23:00"), utc("2026-12-26 23:00"))
    assert who(tech, "2026-12-26 23:00") != ("felix",)


def test_the_last_override_that_covers_a_moment_counts():
    tech = schedule(
        two(),
        overrides=(
            Override(starts="2026-12-24", ends="2026-12-26", person="felix"),
            Override(starts="2026-12-25 10:00", ends="2026-12-25 12:00", person="ana"),
        ),
    )
    assert [who(tech, f"2026-12-25 {clock}") for clock in ("08:59", "09:00", "11:00")] == [
        ("felix",),
        ("ana",),
        ("felix",),
    ]
    assert duty_at(tech, utc("2026-12-25 08:59")).until == utc("2026-12-25 09:00")


def test_whoever_of_a_swap_is_on_duty_the_other_one_is():
    swap = Swap(starts="2026-01-05 09:00", ends="2026-01-19 09:00", person="priya", other="felix")
    tech = schedule(two(hand_over="09:00"), swaps=(swap,))
    plain = schedule(two(hand_over="09:00"))
    assert who(plain, "2026-01-06 00:00") == ("priya",)
    assert who(tech, "2026-01-06 00:00") == ("felix",)
    assert who(tech, "2026-01-13 00:00") == ("jonas",)
    assert who(tech, "2026-01-20 00:00") == ("priya",)


def test_two_who_swap_do_each_other_s_turns():
    swap = Swap(starts="2026-01-05", ends="2026-01-06", person="priya", other="jonas")
    tech = schedule(two("daily"), swaps=(swap,))
    assert [who(tech, f"2026-01-{day:02} 12:00") for day in (5, 6, 7, 8)] == [
        ("jonas",),
        ("priya",),
        ("priya",),
        ("jonas",),
    ]


def test_a_swap_with_somebody_who_is_on_duty_too_pages_nobody_twice():
    swap = Swap(starts="2026-01-05", ends="2026-01-06", person="priya", other="felix")
    pair = schedule(Layer(people=(("priya", "felix", "ana"),)), swaps=(swap,))
    assert who(pair, "2026-01-05 12:00") == ("felix", "priya", "ana")
    third = schedule(
        Layer(people=(("priya", "ana"),)), swaps=(swap.model_copy(update={"person": "priya", "other": "ana"}),)
    )
    assert sorted(who(third, "2026-01-05 12:00")) == ["ana", "priya"]


def test_an_override_has_the_last_word_over_a_swap():
    tech = schedule(
        two(),
        swaps=(Swap(starts="2026-01-05", ends="2026-01-06", person="felix", other="ana"),),
        overrides=(Override(starts="2026-01-05", ends="2026-01-06", person="felix"),),
    )
    assert who(tech, "2026-01-05 12:00") == ("felix",)


def test_a_changed_copy_of_a_schedule_is_not_answered_for_by_the_old_one():
    tech = schedule(two())
    assert who(tech, "2026-01-06 00:00") == ("priya",)
    override = Override(starts="2026-01-05", ends="2026-01-06", person="felix")
    assert who(tech.model_copy(update={"overrides": (override,)}), "2026-01-06 00:00") == ("felix",)


# A feed


def shift(person: str, start: str, end: str) -> Shift:
    return Shift(person, utc(start), utc(end))


FEED = (
    shift("priya", "2026-01-05 09:00", "2026-01-12 09:00"),
    shift("ana", "2026-01-06 09:00", "2026-01-07 09:00"),
    shift("jonas", "2026-01-12 09:00", "2026-01-19 09:00"),
    shift("jonas", "2026-01-20 09:00", "2026-01-21 09:00"),
)
CALENDAR = schedule(calendar="https://example.com/oncall.ics")


def test_the_shifts_of_a_feed_are_its_duties_and_what_lies_between_them_is_a_gap():
    assert [duty.people for duty in duties(CALENDAR, utc("2026-01-05 09:00"), utc("2026-01-21 09:00"), FEED)] == [
        ("priya",),
        ("priya", "ana"),
        ("priya",),
        ("jonas",),
        (),
        ("jonas",),
    ]
    assert duty_at(CALENDAR, utc("2026-01-19 09:00"), FEED) == Duty(
        (), utc("2026-01-19 09:00"), utc("2026-01-20 09:00")
    )
    assert duty_at(CALENDAR, utc("2026-02-01 09:00"), FEED) == Duty((), utc("2026-01-21 09:00"), None)


def test_a_calendar_that_was_never_read_has_nobody_on_duty():
    assert duty_at(CALENDAR, utc("2026-01-06 00:00")) == Duty((), None, None)


def test_overrides_and_swaps_lie_on_top_of_a_feed_too():
    tech = schedule(
        calendar="https://example.com/oncall.ics",
        overrides=(Override(starts="2026-01-06 12:00", ends="2026-01-06 13:00", person="felix"),),
        swaps=(Swap(starts="2026-01-12", ends="2026-01-31", person="jonas", other="cleo"),),
    )
    assert who(tech, "2026-01-06 11:30", FEED) == ("felix",)
    assert who(tech, "2026-01-13 00:00", FEED) == ("cleo",)


# The whole, against its definition

ZONES = (
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
)
NEAR_CHANGES = (
    *("2027-03-28 01:00", "2026-10-25 01:00", "2027-03-14 07:00", "2026-11-01 06:00", "2026-10-03 15:30"),
    *("2026-04-04 15:00", "2011-12-30 10:00", "2026-02-15 02:00", "2026-03-22 02:00", "2027-01-01 00:00"),
)
"""Moments (UTC) at which one of the zones changes its clocks, and one at which none does."""
PEOPLE = ("priya", "jonas", "felix", "ana")


def shown(moment: datetime, where: str) -> datetime:
    """How far the clocks of a zone have come: what they show, or showed before they were put back."""
    return max(
        (moment - minutes * timedelta(minutes=15)).astimezone(ZoneInfo(where)).replace(tzinfo=None)
        for minutes in range(14)
    )


def of_layer(each: Layer, tech: Schedule, moment: datetime) -> tuple[str, ...]:
    clock = shown(moment, each.time_zone or tech.time_zone)
    start = datetime.fromisoformat(each.start or "2026-01-05")
    if each.hand_over is not None:
        start = datetime.fromisoformat(f"{each.start} {each.hand_over}")
    if each.start is not None and clock < start:
        return ()
    if each.only and not any(opens(window, clock) for window in each.only):
        return ()
    turn = int((clock - start).total_seconds() // each.rotate.total_seconds())
    entry = each.people[turn % len(each.people)]
    return (entry,) if isinstance(entry, str) else entry


def opens(window: Window, clock: datetime) -> bool:
    for day in (clock.date() - DAY, clock.date()):
        begin = datetime.fromisoformat(f"{day} {window.after}")
        end = datetime.fromisoformat(f"{day} {window.until}")
        if end <= begin:
            end += DAY
        if f"{day:%a}".lower() in window.days and begin <= clock < end:
            return True
    return False


def by_definition(tech: Schedule, moment: datetime, feed: tuple[Shift, ...]) -> tuple[str, ...]:
    clock = f"{shown(moment, tech.time_zone):%Y-%m-%d %H:%M}"
    for override in reversed(tech.overrides):
        if override.starts <= clock < override.ends:
            return (override.person,)
    people = tuple(each.person for each in feed if each.start <= moment < each.end)
    for layer in tech.layers:
        people = of_layer(layer, tech, moment) or people
    for swap in tech.swaps:
        if swap.starts <= clock < swap.ends:
            other = {swap.person: swap.other, swap.other: swap.person}
            people = tuple(other.get(person, person) for person in people)
    return tuple(dict.fromkeys(people))


quarters = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
people = st.sampled_from(PEOPLE)
crews = st.lists(people | st.lists(people, min_size=1, max_size=2, unique=True).map(tuple), min_size=2, max_size=4)
windows = st.builds(
    Window,
    days=st.lists(st.sampled_from(Window().days), min_size=1, max_size=7, unique=True).map(tuple),
    after=quarters,
    until=quarters,
)


@st.composite
def cases(draw):
    """A schedule with its feed and some days to ask about, all close to one change of clocks."""
    change = utc(draw(st.sampled_from(NEAR_CHANGES)))

    def near(days: int) -> st.SearchStrategy[datetime]:
        return st.integers(-96 * days, 96 * days).map(lambda quarter: change + quarter * timedelta(minutes=15))

    local = near(3).map(lambda moment: f"{moment:%Y-%m-%d %H:%M}")
    starts = st.tuples(near(40).map(lambda moment: f"{moment:%Y-%m-%d}"), quarters) | st.tuples(local, st.none())
    layers = st.builds(
        lambda first, **more: layer(start=first[0], hand_over=first[1], **more),
        starts,
        people=crews.map(tuple),
        rotate=st.sampled_from(["daily", "weekly", "2d", "12h", "8h", "36h", "1h 30m", "1h", "30m"]),
        only=st.lists(windows, max_size=2).map(tuple),
        time_zone=st.sampled_from((None, *ZONES)),
    )
    spans = st.tuples(local, local).map(sorted)
    tech = schedule(
        *draw(st.lists(layers, max_size=3)),
        time_zone=draw(st.sampled_from(ZONES)),
        overrides=tuple(
            Override(starts=start, ends=end, person=draw(people)) for start, end in draw(st.lists(spans, max_size=2))
        ),
        swaps=tuple(
            Swap(starts=start, ends=end, person=draw(people), other=draw(people))
            for start, end in draw(st.lists(spans, max_size=2))
        ),
    )
    shifts = st.builds(
        lambda person, start, hours: Shift(person, start, start + hours * HOUR), people, near(3), st.integers(1, 90)
    )
    feed = tuple(sorted(draw(st.lists(shifts, max_size=4)), key=lambda each: each.start))
    return tech, feed, draw(near(4)), draw(st.integers(0, 4 * 96))


SAMOA = schedule(two("1h", start="2011-12-29 00:15"), time_zone="Pacific/Apia")


@settings(max_examples=100, deadline=None)
@given(cases())
@example((SAMOA, (), utc("2011-12-30 09:45"), 8))
def test_one_moment_the_whole_and_the_definition_agree(case):
    tech, feed, start, quarters_long = case
    end = start + quarters_long * timedelta(minutes=15)
    covered = duties(tech, start, end, feed)
    assert [duty.since for duty in covered] == [start, *(duty.until for duty in covered[:-1])][: len(covered)]
    assert not covered or covered[-1].until == end
    assert all(one.people != next_one.people for one, next_one in pairwise(covered))
    for moment in (start + quarter * timedelta(minutes=15) for quarter in range(quarters_long)):
        (duty,) = (each for each in covered if (each.since or start) <= moment < (each.until or end))
        alone = duty_at(tech, moment, feed)
        assert duty.people == alone.people == by_definition(tech, moment, feed)
        since, until = max(alone.since or start, start), min(alone.until or end, end)
        assert (duty.since or start) <= since <= moment < until <= (duty.until or end)


def test_no_time_at_all_has_no_duties():
    assert duties(schedule(two()), utc("2026-01-05 00:00"), utc("2026-01-05 00:00")) == ()


# What a schedule says that cannot be meant


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"people": []}, "at least 1"),
        ({"people": ["priya"], "rotate": "monthly"}, "write daily, weekly or the length"),
        ({"people": ["priya"], "rotate": "0h"}, "a turn needs a length"),
        ({"people": ["priya"], "only": [{"days": []}]}, "at least 1"),
        ({"people": ["priya"], "only": [{"after": "24:00"}]}, "hour must be in 0..23"),
        ({"people": ["Priya Raman"]}, "match pattern"),
        ({"people": ["priya"], "from": "2026-01-01"}, "Extra inputs"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        Layer.model_validate(wrong)


def test_a_rotation_is_written_as_it_is_read():
    for text in ("daily", "weekly", "12h", "2d", "1h 30m"):
        written = two(text).model_dump_json()
        assert json.loads(written)["rotate"] == text
        assert Layer.model_validate_json(written, strict=True) == two(text)


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        (schedule(two(), time_zone="Europe/Madird"), ("time_zone",), "no time zone 'Europe/Madird'"),
        (schedule(two(time_zone="Mars/Base")), ("layers", 0, "time_zone"), "no time zone 'Mars/Base'"),
        (schedule(), ("id",), "Nobody is ever on duty by 'tech'"),
        (schedule(two(), calendar="https://example.com/a.ics"), ("calendar",), "not both"),
        (schedule(two(), names={"Priya Raman": "priya"}), ("names",), "there is no calendar"),
        (schedule(two(), two("30m")), ("layers", 1, "rotate"), "shorter than an hour"),
        (schedule(two(start=None)), ("layers", 0, "people"), "give the layer a 'start'"),
        (schedule(two(end="2026-01-04")), ("layers", 0, "end"), "ends (2026-01-04) before it has begun"),
        (schedule(two(start="2026-01-05 08:00", hand_over="09:00")), ("layers", 0, "hand_over"), "only once"),
        (schedule(two(start="2028-01-05")), ("layers", 0, "start"), "more than a year away"),
        (
            schedule(two(), overrides=(Override(starts="2026-12-24 10:00", ends="2026-12-24 10:00", person="ana"),)),
            ("overrides", 0, "ends"),
            "before it has begun",
        ),
        (
            schedule(two(), swaps=(Swap(starts="2026-12-24", ends="2026-12-23", person="ana", other="bob"),)),
            ("swaps", 0, "ends"),
            "before it has begun",
        ),
        (
            schedule(two(), swaps=(Swap(starts="2026-12-24", ends="2026-12-24", person="ana", other="ana"),)),
            ("swaps", 0, "other"),
            "swap with themselves",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(wrong, path, words):
    ((place, sentence),) = schedule_findings(wrong, utc("2026-11-24 00:00").date())
    assert place == path
    assert words in sentence


def test_a_schedule_as_it_should_be_has_no_findings():
    tech = schedule(
        two(hand_over="09:00"),
        two("12h", start="2026-01-05 08:00", only=(Window(after="20:00", until="08:00"),)),
        Layer(people=("felix",)),
        overrides=(Override(starts="2026-12-24", ends="2026-12-24", person="felix"),),
        swaps=(Swap(starts="2026-12-31 09:00", ends="2027-01-01 09:00", person="priya", other="jonas"),),
    )
    assert list(schedule_findings(tech, utc("2026-11-24 00:00").date())) == []
    assert list(schedule_findings(CALENDAR)) == []


def test_everybody_whom_a_schedule_names_is_known_with_their_place():
    tech = schedule(
        Layer(people=("priya", ("jonas", "felix")), start="2026-01-05"),
        names={"Ana B.": "ana"},
        overrides=(Override(starts="2026-12-24", ends="2026-12-24", person="cleo"),),
        swaps=(Swap(starts="2026-12-24", ends="2026-12-24", person="dora", other="emil"),),
    )
    assert dict(people_named(tech)) == {
        ("layers", 0, "people", 0): "priya",
        ("layers", 0, "people", 1, 0): "jonas",
        ("layers", 0, "people", 1, 1): "felix",
        ("overrides", 0, "person"): "cleo",
        ("swaps", 0, "person"): "dora",
        ("swaps", 0, "other"): "emil",
        ("names", "Ana B."): "ana",
    }
