"""What people are told who pass or escalate: that the next one is called only where that is so."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.answers import sentence_for
from incidents import commands as c
from incidents.severity import Severity
from tests.support.memory import Memory

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANA = "1.INC-1.1.r1.c1.1"


@pytest.fixture
def called(memory: Memory) -> Memory:
    """INC-1, for which Ana is called."""
    memory.declare(NOW)
    memory.apply(c.RecordSent(ANA, "SM1", "provider:sms"), NOW)
    return memory


def told(memory: Memory, command: c.Command, after_seconds: float = 1) -> str:
    before = memory.state()
    change = memory.apply(command, NOW + timedelta(seconds=after_seconds))
    return sentence_for(before, change.after, command, memory.book.directory)


@pytest.mark.parametrize(("escalates", "said"), [(True, "is escalated"), (False, "passed on")])
def test_who_is_called_hears_that_the_next_one_is(called: Memory, escalates: bool, said: str):
    words = told(called, c.Pass("ana", escalates))
    assert said in words
    assert "the next person is being called" in words


def test_who_is_not_called_hears_that_nobody_is_called_sooner(called: Memory):
    words = told(called, c.Pass("cleo", True))
    assert words.startswith("You will not be called for INC-1; who is called now is waited for.")


def test_a_second_pass_says_that_nothing_changes(called: Memory):
    told(called, c.Pass("ana", False))
    assert "nothing changes" in told(called, c.Pass("ana", True), 2)


def test_who_leads_it_is_shown_the_way_to_hand_it_over(called: Memory):
    told(called, c.Acknowledge("ana", "sms"))
    assert told(called, c.Pass("ana", True), 2).startswith("You are in charge of INC-1. To hand it over:")


def test_the_others_hear_who_leads_it_now_by_name(called: Memory):
    told(called, c.Acknowledge("ana", "sms"))
    assert "was already taken by Ana" in told(called, c.Pass("bob", False), 2)
    told(called, c.HandOver("cleo", "she knows it", "person:ana"), 3)
    assert told(called, c.Pass("bob", False), 4).startswith("Cleo is in charge of INC-1.")
    assert told(called, c.Pass("cleo", False), 5).startswith("You are in charge of INC-1.")


def test_who_raises_the_severity_hears_that_people_are_called_anew(called: Memory):
    told(called, c.Acknowledge("ana", "sms"))
    milder = told(called, c.ChangeSeverity(Severity.SEV2, "it is small", "person:ana"), 2)
    assert milder == "INC-1 is SEV2."
    worse = told(called, c.ChangeSeverity(Severity.SEV1, "it is large", "person:ana"), 3)
    assert worse == "INC-1 is SEV1 now: people are called from the first rung, until somebody answers."
