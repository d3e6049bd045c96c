"""Which pages leave alone, which are told together, and which wait because a phone has had enough."""

from dataclasses import replace

import pytest

from engine.compose import FOLLOW_UP, REPEAT
from engine.pace import LIMITS, pace
from storage.outbox import OutboxRow

NOW = 1_000_000.0
ENOUGH = {("sms", "+12025550101"): [NOW - 10 + each for each in range(LIMITS["sms"].most)]}


def page(incident, priority=REPEAT + 1, **changes):
    row = OutboxRow(
        f"1.{incident}.2.r1.c1.1",
        incident,
        "2",
        "page",
        "sms",
        "ana",
        "+12025550101",
        "en",
        "text",
        "CODE",
        drill=False,
        priority=priority,
        due_at=NOW,
    )
    return replace(row, **changes)


def incidents(paced):
    return (
        [row.incident_id for row in paced.alone],
        [[row.incident_id for row in rows] for rows in paced.together],
        [row.incident_id for row, _ in paced.later],
    )


def test_a_first_page_leaves_at_once_and_alone_whatever_the_phone_has_had():
    first, other = page("INC-1", 1), page("INC-2", 2)
    assert incidents(pace([first, other], ENOUGH, NOW)) == (["INC-1", "INC-2"], [], [])


def test_further_pages_of_several_incidents_are_told_together():
    rows = [page("INC-1", FOLLOW_UP + 2), page("INC-2", REPEAT + 1)]
    assert incidents(pace(rows, {}, NOW)) == ([], [["INC-1", "INC-2"]], [])


def test_a_phone_that_has_had_enough_hears_the_same_again_later():
    assert incidents(pace([page("INC-1")], ENOUGH, NOW)) == ([], [], ["INC-1"])


def test_what_a_calling_has_not_said_yet_never_waits():
    rows = [page("INC-1", FOLLOW_UP + 1), page("INC-2", FOLLOW_UP + 1), page("INC-3")]
    assert incidents(pace(rows, ENOUGH, NOW)) == ([], [["INC-1", "INC-2"]], ["INC-3"])


@pytest.mark.parametrize("other", [{"drill": True}, {"contact": "bob"}, {"provider": "backup"}])
def test_only_what_is_for_the_same_person_and_equally_real_is_told_together(other):
    rows = [page("INC-1"), page("INC-2", **other)]
    assert incidents(pace(rows, {}, NOW)) == (["INC-1", "INC-2"], [], [])


def test_a_clock_that_was_put_back_holds_nothing_up():
    tomorrow = {("sms", "+12025550101"): [NOW + 86_400 + each for each in range(6)]}
    assert incidents(pace([page("INC-1")], tomorrow, NOW)) == (["INC-1"], [], [])
