"""Matchers and the arithmetic of flapping and storms, without any engine around them."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.severity import Severity
from signals.heartbeats import Heartbeat
from signals.noise import (
    Flapping,
    Inhibit,
    Inhibition,
    Kind,
    Rush,
    Storm,
    is_calm,
    is_like,
    is_new,
    kind_of,
    read_matcher,
    read_matchers,
    with_change,
    with_new_key,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("web", "web", True),
        ("web", "web-1", False),
        ("web-*", "web-1", True),
        ("web-*", "web-", True),
        ("*-eu", "web-eu", True),
        ("web-*-eu", "web-eu", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a*a", "a", False),
        ("a*b*a", "aba", True),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("**", "anything", True),
        ("w[e]b.", "w[e]b.", True),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_is_special(pattern, text, fits):
    assert is_like(text, pattern) is fits


def test_a_pattern_that_a_regular_expression_would_choke_on_is_answered():
    assert not is_like("a" * 200_000 + "!", "*a" * 200 + "b")


@pytest.mark.parametrize(
    ("text", "label", "value", "wild", "negated"),
    [
        ("service=shop", "service", "shop", False, False),
        (" service = shop ", "service", "shop", False, False),
        ("host=~web-*", "host", "web-*", True, False),
        ("severity!=critical", "severity", "critical", False, True),
        ("host!~web-*", "host", "web-*", True, True),
        ("query=a=b", "query", "a=b", False, False),
        ("literal=*", "literal", "*", False, False),
    ],
)
def test_a_matcher_is_a_label_a_sign_and_a_value(text, label, value, wild, negated):
    found = read_matcher(text)
    assert (found.label, found.value, found.wild, found.negated) == (label, value, wild, negated)
    assert read_matcher(str(found)) == found


@pytest.mark.parametrize("text", ["", "service", "=shop", " =shop", "~=x", "x" * 201 + "=y", "x=" + "y" * 501])
def test_what_is_no_matcher_is_refused(text):
    with pytest.raises(ValueError, match=r"matcher|too long"):
        read_matcher(text)


def test_a_label_that_is_missing_counts_as_empty():
    assert read_matcher("team!=shop").holds({})
    assert not read_matcher("team=shop").holds({})
    assert read_matcher("team!~shop*").holds({"team": "blog"})


def test_a_silence_says_what_it_covers():
    for everything in (["severity!=critical"], ["service=~*"], ["service="], ["service=~*", "team!=shop"]):
        with pytest.raises(ValueError, match="say what is silenced"):
            read_matchers(everything)
    assert len(read_matchers(["service=~*", "team=shop"])) == 2
    with pytest.raises(ValueError, match="20 matchers"):
        read_matchers(["a=b"] * 21)


def test_labels_that_are_missing_in_both_are_equal():
    rule = Inhibition.of(Inhibit(when={"a": "1"}, mutes={"b": "1"}, equal=("cluster",)))
    assert rule.pair({}, drill=False) == rule.pair({"other": "x"}, drill=False)
    assert rule.pair({}, drill=False) != rule.pair({"cluster": "x"}, drill=False)


def test_only_the_changes_within_the_time_are_counted():
    rule = Flapping(more_than=3, within=timedelta(minutes=1))
    assert with_change((0.0, 30.0, 59.0), 61.0, rule) == (30.0, 59.0, 61.0)
    assert len(with_change(tuple(float(each) for each in range(50)), 50.5, rule)) == 4


def test_a_storm_begins_with_one_key_too_many_within_a_minute_and_ends_when_it_was_calm():
    rule = Storm(more_than=3, calm=timedelta(minutes=5))
    rush: Rush | None = None
    for second in (0, 10, 20):
        rush = with_new_key(rush, NOW + timedelta(seconds=second), rule)
        assert not rush.storms
    rush = with_new_key(rush, NOW + timedelta(seconds=59), rule)
    assert rush.since == NOW + timedelta(seconds=59)
    rush = with_new_key(rush, NOW + timedelta(minutes=3), rule)
    assert rush.storms
    assert rush.new_keys == 1
    assert is_calm(rush, NOW + timedelta(minutes=6), rule)
    assert not with_new_key(rush, NOW + timedelta(minutes=6), rule).storms


def test_a_minute_begins_with_its_first_key():
    rule = Storm(more_than=3)
    rush: Rush | None = None
    for second in (0, 30, 50, 61, 70, 80):
        rush = with_new_key(rush, NOW + timedelta(seconds=second), rule)
    assert rush is not None
    assert not rush.storms


def test_new_is_what_was_not_heard_for_an_hour_or_is_worse():
    known = Kind(Severity.SEV3, NOW)
    assert is_new(None, Severity.SEV4, NOW)
    assert not is_new(known, Severity.SEV3, NOW + timedelta(minutes=60))
    assert is_new(known, Severity.SEV3, NOW + timedelta(minutes=61))
    assert is_new(known, Severity.SEV2, NOW)


def test_the_kind_is_the_first_label_that_it_has_or_its_summary_without_numbers():
    assert kind_of({"summary": "x", "class": "cpu", "check": "load"}, Storm()) == "class=cpu"
    assert kind_of({"summary": "disk 91 % on web-17"}, Storm()) == kind_of({"summary": "disk 5 % on web-2"}, Storm())
    assert len(kind_of({"summary": "x" * 5000}, Storm())) == 200


def test_a_heartbeat_is_due_after_its_time_and_its_grace():
    beat = Heartbeat.model_validate(
        {"name": "b", "key": "0123456789abcdef", "every": "1h", "grace": "5m", "situation": "BACKUP"}
    )
    due = beat.due_after(NOW)
    assert due == NOW + timedelta(minutes=65)
    assert beat.due(due, NOW, NOW - timedelta(hours=1)) == due
    restarted = NOW + timedelta(minutes=64)
    assert beat.due(due, NOW, restarted) == restarted + timedelta(minutes=15)
    assert beat.again_after(NOW) == NOW + timedelta(hours=1)
    assert beat.model_copy(update={"every": timedelta(days=1)}).again_after(NOW) == NOW + timedelta(hours=1)
    assert beat.model_copy(update={"every": timedelta(seconds=10)}).again_after(NOW) == NOW + timedelta(minutes=1)
