"""A PagerDuty export becomes a plan: written after REST API v2 as documented, not captured from a real account."""

import pytest


@pytest.fixture(scope="module")
def brought(bring_once):
    return bring_once("pagerduty", "pagerduty.json")


def test_the_plan_can_be_used(brought):
    assert brought.result.exit_code == 0, brought.result.output
    assert brought.loaded.plan.severities == dict.fromkeys(("SEV1", "SEV2", "SEV3", "SEV4"), "payments")


def test_people_keep_their_addresses_in_e164_and_two_of_one_name_are_told_apart(brought):
    assert brought.channels("ana") == [
        ("email", "ana@larkfield.example"),
        ("voice", "+447700900101"),
        ("sms", "+447700900101"),
    ]
    assert brought.channels("ben") == [("email", "ben@larkfield.example"), ("voice", "+12025550102")]
    assert brought.channels("ana-2") == [("voice", "+447700900103")]
    assert brought.loaded.directory.contact("ben").time_zone == "America/New_York"


def test_rules_of_high_urgency_page_in_severe_incidents_and_those_of_low_in_the_others(brought):
    assert brought.beats("ana", "SEV1") == brought.beats("ana", "SEV2") == [(("sms",), 0), (("voice",), 2)]
    assert brought.beats("ana", "SEV3") == brought.beats("ana", "SEV4") == [(("email",), 0)]
    assert brought.beats("ben", "SEV4") == []


@pytest.mark.parametrize(
    ("moment", "person", "because"),
    [
        # The lowest layer: weeks from Monday 2026-01-05 09:00 in London, ana first. 2026-07-06 begins the 27th week.
        ("2026-07-06T07:59:00+00:00", "ben", "the 26th week ends at 09:00 British summer time"),
        ("2026-07-06T08:00:00+00:00", "ana", "the 27th week"),
        ("2026-12-07T08:59:00+00:00", "ben", "in winter 09:00 in London is 09:00 UTC"),
        ("2026-12-07T09:00:00+00:00", "ana", "the 49th week"),
        ("2026-07-08T11:00:00+00:00", "ana-2", "the override"),
        ("2026-07-08T12:00:00+00:00", "ana", "the override is over"),
        # The upper layer: 36 hours from Saturday 08:00.
        ("2026-07-11T06:59:00+00:00", "ana", "Saturday 07:59"),
        ("2026-07-11T07:00:00+00:00", "ana-2", "Saturday 08:00: the upper layer wins"),
        ("2026-07-12T18:59:00+00:00", "ana-2", "Sunday 19:59"),
        ("2026-07-12T19:00:00+00:00", "ana", "Sunday 20:00"),
    ],
)
def test_who_is_on_call_is_who_pagerduty_calls(brought, moment, person, because):
    assert brought.on_call("payments-primary", moment) == [person], because


def test_a_policy_becomes_a_ladder_that_calls_everybody_again(brought):
    ladder = brought.loaded.plan.ladders["payments"]

    assert brought.rungs("payments") == [(("schedule:payments-primary",), 5), (("ana", "ben"), 10)]
    assert ladder.in_extremis == ("schedule:payments-primary", "ana", "ben")
    assert ladder.again.every.total_seconds() == 600


def test_the_team_has_the_people_who_name_it(brought):
    assert [(team.id, team.members) for team in brought.loaded.directory.teams] == [("payments", ("ana", "ben"))]


def test_the_report_names_everything_that_has_no_equivalent(brought):
    assert brought.lines("No equivalent:") == [
        "user 'Ana Ruiz': contact method \"Ana's phone\" (push_notification_contact_method) has no equivalent; "
        "let them open the page /push in their browser and subscribe it.",
        "users[1].contact_methods[2].address: '112' cannot be a phone number; ask user 'Ben Odell'.",
        "team 'Old guard': nobody is in it; left out.",
        "schedule 'Payments primary': layer 'Before' ends on 2025-01-01T09:00:00Z and names people who are not in the "
        "export; left out.",
        "escalation policy 'Payments': rule 2 pages its targets in turn (round_robin); here it pages them all.",
        "service 'Card payments': resolving by itself after a time is not taken over (auto_resolve_timeout).",
    ]
