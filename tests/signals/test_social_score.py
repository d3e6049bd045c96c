"""The social score: what each part gives, what holds it down, and that not knowing is not zero."""

from dataclasses import replace
from datetime import timedelta

import pytest

from signals.social_score import (
    NOT_GROWING,
    Authority,
    Topic,
    Window,
    doubling_time,
    parts_of,
    social_score,
)

STORM = Window(
    mentions=100,
    usual=10.0,
    in_hour=220,
    doubling=timedelta(minutes=30),
    negative_share=0.8,
    authority=Authority.REGULATOR,
    topic=Topic.SAFETY,
)
CALM = Window(
    mentions=10,
    usual=10.0,
    in_hour=40,
    doubling=NOT_GROWING,
    negative_share=0.1,
    authority=Authority.NOBODY,
    topic=Topic.OTHER,
)


def value(name: str, **known: object) -> float | None:
    window = replace(CALM, **known)  # type: ignore[arg-type]  # each test gives what the field takes
    return next(each.value for each in parts_of(window) if each.name == name)


def test_everything_at_its_worst_is_a_hundred_and_a_calm_hour_is_nothing():
    assert (social_score(STORM, STORM).low, social_score(STORM, STORM).high) == (100, 100)
    assert (social_score(CALM, CALM).low, social_score(CALM, CALM).high) == (0, 0)


def test_the_weights_are_those_of_the_domain_model():
    assert [(each.name, each.weight) for each in parts_of(STORM)] == [
        ("volume", 0.25),
        ("velocity", 0.15),
        ("negative share", 0.20),
        ("reach and authority", 0.20),
        ("topic", 0.20),
    ]


@pytest.mark.parametrize(
    ("mentions", "gives"), [(19, 0.0), (20, 0.25), (30, 0.5), (49, 0.5), (50, 0.75), (99, 0.75), (100, 1.0), (900, 1.0)]
)
def test_volume_counts_in_times_of_the_usual(mentions, gives):
    assert value("volume", mentions=mentions) == gives


def test_where_nothing_is_usual_anything_is_more():
    assert value("volume", mentions=40, usual=0.0) == 1.0
    assert value("volume", mentions=0, usual=0.0) == 0.0


@pytest.mark.parametrize(
    ("minutes", "gives"), [(241, 0.0), (240, 0.25), (120, 0.5), (60, 0.75), (31, 0.75), (30, 1.0), (5, 1.0)]
)
def test_velocity_counts_in_time_to_double(minutes, gives):
    assert value("velocity", doubling=timedelta(minutes=minutes)) == gives


@pytest.mark.parametrize(
    ("share", "gives"), [(0.39, 0.0), (0.40, 0.25), (0.55, 0.5), (0.70, 0.75), (0.79, 0.75), (0.80, 1.0)]
)
def test_the_negative_share_counts_in_its_steps(share, gives):
    assert value("negative share", negative_share=share) == gives


def test_who_writes_and_about_what_counts_by_its_class():
    assert [value("reach and authority", authority=each) for each in Authority] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [value("topic", topic=each) for each in Topic] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_every_part_says_in_one_sentence_where_it_comes_from():
    said = [each.sentence for each in parts_of(STORM)]

    assert said == [
        "Volume: 100 mentions in 15 minutes, 10.0 times the usual 10: 1.",
        "Velocity: doubles in 30 minutes: 1.",
        "Negative share: 80 %: 1.",
        "Reach and authority: a regulator or politician: 1.",
        "Topic: safety, children or a death: 1.",
    ]


def test_what_is_not_known_makes_a_range_and_is_said():
    half_blind = replace(STORM, usual=None, authority=None)

    score = social_score(half_blind, half_blind)

    assert (score.low, score.high) == (55, 100)
    assert score.sentence == "Social score between 55 and 100 of 100, for information only."
    assert [each.sentence for each in score.parts if each.value is None] == [
        "Volume: unknown.",
        "Reach and authority: unknown.",
    ]


def test_nothing_known_is_no_zero():
    score = social_score(Window(), Window())

    assert (score.low, score.high) == (0, 100)
    assert all(each.value is None for each in score.parts)


def test_under_thirty_mentions_an_hour_there_is_no_score():
    quiet = replace(STORM, in_hour=29)

    score = social_score(quiet, quiet)

    assert (score.low, score.high) == (0, 0)
    assert score.sentence == "No social score: 29 mentions in the hour, under 30 there is none."
    assert score.guards == ()
    assert social_score(replace(STORM, in_hour=1), None).sentence.startswith("No social score: 1 mention in the hour,")
    assert social_score(replace(STORM, in_hour=30), STORM).low == 100


def test_whether_the_floor_is_reached_may_be_unknown_too():
    unsure = replace(STORM, in_hour=None)

    assert (social_score(unsure, STORM).low, social_score(unsure, STORM).high) == (0, 100)


def test_one_loud_quarter_of_an_hour_is_no_storm():
    score = social_score(STORM, CALM)

    assert (score.low, score.high) == (0, 0)
    assert score.guards == ("The window before reached 0 only; two in a row count.",)


def test_a_window_before_that_nobody_knows_leaves_it_open():
    score = social_score(STORM, None)

    assert (score.low, score.high) == (0, 100)
    assert score.guards == ("The window before is not known.",)


@pytest.mark.parametrize(
    ("before", "after", "minutes"), [(10, 20, 15), (10, 40, 7.5), (100, 110, 109.1), (20, 10, None), (0, 0, None)]
)
def test_the_time_to_double_follows_from_two_counts(before, after, minutes):
    found = doubling_time(before, after, timedelta(minutes=15))

    assert found is not None
    if minutes is None:
        assert found == NOT_GROWING
    else:
        assert found / timedelta(minutes=1) == pytest.approx(minutes, abs=0.1)


@pytest.mark.parametrize(("before", "after"), [(None, 5), (5, None), (0, 5)])
def test_from_nothing_no_time_to_double_follows(before, after):
    assert doubling_time(before, after, timedelta(minutes=15)) is None
