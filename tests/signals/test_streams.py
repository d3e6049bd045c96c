"""A stream's sums, people and usual, against the plain list of what was counted."""

import json
import statistics
from math import ceil, inf, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.observation import number_of
from signals.streams import MOST, NEEDED, Stream

BEGIN = 27_000_000
"""A minute that begins an hour."""
WINDOWS = (15, 60, 180)
AUTHORS = [0, *(number_of(f"author {number}") for number in range(5))]
"""Each has a place of its own among the stream's 512; two who share one may be counted again (see below)."""

steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 14, 15, 16, 59, 60, 61, 179, 180, 181, 3000, 65_536, 700_000]),
        st.sampled_from(AUTHORS),
        st.integers(1, 9),
        st.sampled_from([0, 50]),
    ),
    max_size=60,
)


def steady(hours: int, count: int = 10) -> Stream:
    """So many hours with one tally each; it is the first minute of the hour after."""
    stream = Stream(WINDOWS, 336)
    for hour in range(hours):
        stream.advance(BEGIN + 60 * hour)
        stream.add(0, count + hour % 2, 0)
    stream.advance(BEGIN + 60 * hours)
    return stream


@settings(deadline=None)
@given(steps)
def test_sums_people_and_reach_are_those_of_the_list(told):
    stream = Stream(WINDOWS, 336, reach=True)
    stream.advance(BEGIN)
    minute = BEGIN
    counted: list[tuple[int, int, bool, int]] = []
    last: dict[int, int] = {}
    for gap, author, count, reach in told:
        minute += gap
        stream.advance(minute)
        fresh = author == 0 or minute - last.get(author, -inf) >= 60
        assert stream.add(author, count, reach) is fresh
        if fresh:
            last[author] = minute
            counted.append((minute, 1 if author else count, author != 0, reach))
        for k, window in enumerate(WINDOWS):
            within = [each for each in counted if minute - window < each[0]]
            assert stream.sums[k] == sum(each[1] for each in within)
            assert stream.people[k] == sum(each[2] for each in within)
            assert stream.reach[k] == sum(each[3] for each in within)


def test_two_who_share_a_place_may_be_counted_again_and_nobody_is_left_out():
    stream = Stream(WINDOWS, 336)
    stream.advance(BEGIN)
    one, other = number_of("author 1"), number_of("author 5")
    assert one % 512 == other % 512
    assert [stream.add(each, 1, 0) for each in (one, one, other, one)] == [True, False, True, True]


@settings(deadline=None)
@given(steps, st.integers(0, 59))
def test_a_memory_continues_as_the_stream_did(told, place):
    one, other = Stream(WINDOWS, 336, reach=True), Stream(WINDOWS, 336, reach=True)
    minute = BEGIN
    for number, (gap, author, count, reach) in enumerate(told):
        if number == place:
            other.restore(json.loads(json.dumps(one.state())))
        minute += gap
        for stream in (one, other) if number >= place else (one,):
            stream.advance(minute)
            stream.add(author, count, reach)
    if len(told) > place:
        assert other.state() == one.state()


def test_the_memory_of_another_stream_is_refused():
    with pytest.raises(ValueError, match="another stream"):
        Stream((60,), 336).restore(Stream((15,), 336).state())


def test_nothing_is_usual_before_forty_two_hours():
    assert steady(NEEDED // 60 - 1).usual(60) is None
    assert steady(NEEDED // 60).usual(60) is not None
    assert steady(NEEDED // 60 - 1).trip(60, 3.0) == inf


def test_the_usual_is_that_of_336_whole_hours_without_the_latest_day():
    stream, sums = Stream((60,), 336), []
    for hour in range(500):
        stream.advance(BEGIN + 60 * hour)
        count = 5 + hour * 7 % 13
        stream.add(0, count, 0)
        sums.append(count)
    stream.advance(BEGIN + 60 * 500)
    hours = sums[500 - 24 - 336 : 500 - 24]
    usual = stream.usual(60)
    assert usual is not None
    assert usual.mean == pytest.approx(statistics.fmean(hours))
    assert usual.spread == pytest.approx(statistics.stdev(hours))
    assert stream.trip(60, 4.2) == ceil(usual.mean + 4.2 * usual.spread)


def test_the_hour_that_began_in_the_middle_is_not_a_whole_one():
    stream = Stream((60,), 336)
    stream.advance(BEGIN + 30)
    stream.add(0, 1000, 0)
    for hour in range(1, 50):
        stream.advance(BEGIN + 60 * hour)
        stream.add(0, 10, 0)
    usual = stream.usual(60)
    assert usual is not None
    assert usual.mean == 10


@pytest.mark.parametrize("window", [15, 60, 180])
def test_the_spread_is_never_below_chance(window):
    stream = Stream(WINDOWS, 336)
    for hour in range(60):
        stream.advance(BEGIN + 60 * hour)
        stream.add(0, 16, 0)
    usual = stream.usual(window)
    assert usual is not None
    assert usual.spread == pytest.approx(sqrt(16 * window / 60))


def test_a_brand_of_which_nobody_writes_has_a_usual_of_nothing():
    stream = Stream((60,), 336)
    stream.advance(BEGIN)
    stream.advance(BEGIN + 60 * 100)
    assert stream.trip(60, 4.2) == 5


def test_a_leap_of_months_forgets_everything_and_counts_the_hours_between_as_nothing():
    stream = steady(50)
    stream.advance(BEGIN + 60 * 24 * 200)
    usual = stream.usual(60)
    assert usual is not None
    assert usual.mean == 0
    assert stream.sums == [0, 0, 0]
    again = stream.state()["usual"]
    assert again == [336, 0, 0]


def test_an_hour_in_which_nobody_could_listen_is_unknown_and_not_nothing():
    stream = steady(60)
    before = stream.usual(60)
    first = BEGIN // 60
    stream.miss(first + 20, first + 25)
    after = stream.usual(60)
    assert before is not None
    assert after is not None
    assert after.mean == pytest.approx(before.mean)
    assert stream.state()["usual"][0] == 30  # 60 hours, less the latest day, less six
    stream.miss(first + 20, first + 25)
    assert stream.state()["usual"][0] == 30
    assert stream.hourly(60)[20:26] == [None] * 6


def test_what_is_heard_in_the_rest_of_a_missed_hour_does_not_make_it_whole():
    stream = steady(60)
    hour = BEGIN // 60 + 60
    stream.miss(hour, hour)
    stream.add(0, 3, 0)
    assert stream.sums[0] == 3
    stream.advance(BEGIN + 60 * 61)
    assert stream.hourly(1) == [None]


def test_too_few_known_hours_make_no_usual():
    stream = steady(60)
    first = BEGIN // 60
    stream.miss(first, first + 18)
    assert stream.usual(60) is None


def test_when_an_hour_missed_at_once_counts_as_usual_it_is_left_out():
    stream = steady(43)
    hour = BEGIN // 60 + 42
    stream.miss(hour, hour)
    known = stream.state()["usual"][0]
    stream.advance(BEGIN + 60 * (43 + 24))
    assert stream.state()["usual"][0] == known + 23


def test_a_tally_beyond_all_measure_is_cut_and_breaks_nothing():
    stream = Stream((60,), 336)
    stream.advance(BEGIN)
    assert stream.add(0, 10**30, 10**11)
    assert not stream.add(0, 5, 0)
    assert not stream.add(0, 0, 0)
    assert not stream.add(0, -4, 0)
    assert stream.sums == [MOST]
    for hour in range(1, 400):
        stream.advance(BEGIN + 60 * hour)
        stream.add(0, 10**30, 10**11)
    assert max(stream.state()["usual"]) < 2**63
    usual = stream.usual(60)
    assert usual is not None
    assert usual.spread == pytest.approx(sqrt(MOST))


def test_time_does_not_go_back():
    stream = Stream((60,))
    stream.advance(BEGIN + 10)
    assert not stream.advance(BEGIN)
    assert stream.minute == BEGIN + 10


def test_a_person_counts_again_after_an_hour_and_after_any_number_of_weeks():
    stream = Stream((60,), 336)
    stream.advance(BEGIN)
    author = AUTHORS[1]
    assert stream.add(author, 1, 0)
    stream.advance(BEGIN + 59)
    assert not stream.add(author, 1, 0)
    stream.advance(BEGIN + 60)
    assert stream.add(author, 1, 0)
    stream.advance(BEGIN + 60 + 65_536)
    assert stream.add(author, 1, 0)
