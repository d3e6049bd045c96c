"""What the social score is told is counted in people, from the mentions of the last hour and a quarter."""

from typing import Any

import pytest

from signals.observation import Observation
from signals.social_facts import score_of
from signals.social_score import Authority

NOON = 1_800_000_000.0
MINUTE = 60.0


def wrote(number: int, minutes_ago: float, **more: Any) -> list[Observation]:
    """So many people, one mention each."""
    at = NOON - minutes_ago * MINUTE
    return [
        Observation(
            brand="larkfield", at=at, id=f"x:{minutes_ago}-{each}", author=int(minutes_ago * 1000) + each + 1, **more
        )
        for each in range(number)
    ]


def part(score, name):
    return next(each for each in score.parts if each.name == name)


def test_a_growing_angry_storm_is_told_part_by_part():
    heard = [
        *wrote(40, 5, negative=True, topics=frozenset({"injury"})),
        *wrote(10, 6),
        *wrote(25, 20, negative=True, topics=frozenset({"injury"})),
        *wrote(12, 35),
    ]

    score = score_of(heard, NOON, [40, 36, None], authority=Authority.NATIONAL_PRESS)

    assert [each.sentence for each in score.parts] == [
        "Volume: 50 mentions in 15 minutes, 5.3 times the usual 9.5: 0.75.",
        "Velocity: doubles in 15 minutes: 1.",
        "Negative share: 80 %: 1.",
        "Reach and authority: national press: 0.75.",
        "Topic: safety, children or a death: 1.",
    ]
    # The window before: 25 mentions, 2.6 times the usual, doubled in 14 minutes, all negative.
    assert (score.low, score.high) == (76, 76)


def test_without_earlier_weeks_and_without_a_word_on_who_is_loudest_it_is_a_range():
    score = score_of([*wrote(30, 5), *wrote(30, 20)], NOON)

    assert [each.name for each in score.parts if each.value is None] == ["volume", "reach and authority"]
    assert (score.low, score.high) == (0, 45)


def test_whoever_floods_counts_once():
    flood = [Observation("larkfield", NOON - each, f"x:{each}", author=7, negative=True) for each in range(1, 900)]

    score = score_of(flood, NOON, [4])

    assert part(score, "volume").sentence.startswith("Volume: 1 mention in")
    assert score.sentence == "No social score: 1 mention in the hour, under 30 there is none."


def test_what_nobody_is_known_to_have_written_counts_as_it_is():
    tally = [
        Observation("larkfield", NOON - MINUTE, "x:1", count=60),
        Observation("larkfield", NOON - 960, "x:2", count=60),
    ]

    assert part(score_of(tally, NOON, [40]), "volume").value == 0.75


def test_our_own_answers_and_what_came_later_or_much_earlier_are_left_out():
    heard = [*wrote(50, 5, by_us=True), *wrote(50, -1), *wrote(50, 80)]

    assert part(score_of(heard, NOON, [4]), "volume").sentence.startswith("Volume: 0 mentions")
    assert part(score_of(heard, NOON, [4]), "negative share").value is None


def test_a_topic_needs_three_people_and_of_fewer_it_is_not_known():
    two, three = wrote(2, 5, topics=frozenset({"injury"})), wrote(3, 5, topics=frozenset({"injury"}))

    assert part(score_of(two, NOON), "topic").sentence == "Topic: unknown."
    assert part(score_of([*two, *wrote(9, 6)], NOON), "topic").value is None
    assert part(score_of(three, NOON), "topic").value == 1.0


def test_of_what_too_few_people_write_the_topic_is_not_known():
    assert part(score_of(wrote(2, 5), NOON), "topic").value is None
    assert part(score_of(wrote(3, 5), NOON), "topic").sentence == "Topic: nothing grave: 0."
    few_of_many = [*wrote(2, 5, topics=frozenset({"injury"})), *wrote(3, 6, topics=frozenset({"checkout"}))]
    assert part(score_of(few_of_many, NOON), "topic").value == 0.5


@pytest.mark.parametrize(("topics", "value"), [({"our-own"}, None), ({"our-own", "injury"}, 1.0), ({"checkout"}, 0.5)])
def test_what_a_topic_of_the_plans_own_weighs_is_not_known(topics, value):
    assert part(score_of(wrote(3, 5, topics=frozenset(topics)), NOON), "topic").value == value


def test_nothing_heard_is_no_score():
    score = score_of([], NOON)

    assert (score.low, score.high) == (0, 0)
