"""A GoAlert export becomes a plan: written after its GraphQL schema, not captured from a real account."""

import pytest


@pytest.fixture(scope="module")
def brought(bring_once):
    return bring_once("goalert", "goalert.json")


def test_the_plan_can_be_used(brought):
    assert brought.result.exit_code == 0, brought.result.output
    assert brought.loaded.plan.severities["SEV1"] == "desk-policy"


def test_contact_methods_become_channels_and_somebody_without_one_keeps_their_e_mail_address(brought):
    assert brought.channels("mia") == [("sms", "+447700900131"), ("voice", "+447700900131")]
    assert brought.channels("jon") == [("sms", "+12025550132"), ("slack", "U024BE7LH")]
    assert brought.channels("kai") == [("email", "kai@larkfield.example")]


def test_notification_rules_become_beats_of_every_severity(brought):
    assert brought.beats("mia", "SEV1") == brought.beats("mia", "SEV4") == [(("sms",), 0), (("voice",), 3)]
    assert brought.beats("jon", "SEV2") == [(("slack",), 0), (("sms",), 1)]


@pytest.mark.parametrize(
    ("moment", "person", "because"),
    [
        # Primary: jon has the turn until Monday 2026-07-06 09:00 in Madrid, then mia, a week each; weekdays 08-20.
        ("2026-07-02T10:00:00+00:00", "jon", "Thursday noon, his turn still"),
        ("2026-07-06T06:59:00+00:00", "jon", "Monday 08:59"),
        ("2026-07-06T07:00:00+00:00", "mia", "Monday 09:00"),
        ("2026-07-07T11:00:00+00:00", "kai", "Tuesday: kai replaces mia from 10:00 to 12:00 UTC"),
        ("2026-07-07T12:00:00+00:00", "mia", "the override is over"),
        ("2026-07-07T18:00:00+00:00", "kai", "Tuesday 20:00: nights are kai's"),
        ("2026-07-11T12:00:00+00:00", "kai", "Saturday"),
        ("2026-07-14T10:00:00+00:00", "jon", "the next week"),
    ],
)
def test_who_is_on_call_is_who_goalert_calls(brought, moment, person, because):
    assert brought.on_call("desk", moment) == [person], because


def test_people_who_are_on_call_side_by_side_get_a_schedule_each_and_a_rung_pages_both(brought):
    # Shadow: turns of two days from Monday 2026-06-01 20:00 in Madrid, kai first; jon is always on call beside.
    assert brought.on_call("second", "2026-06-02T12:00:00+00:00") == ["kai"]
    assert brought.on_call("second", "2026-06-03T18:00:00+00:00") == ["mia"]
    assert brought.on_call("second-2", "2026-06-03T18:00:00+00:00") == ["jon"]
    assert brought.rungs("desk-policy")[1] == (("schedule:primary", "schedule:second", "schedule:second-2"), 10)


def test_steps_stand_in_their_order_and_a_rotation_that_is_paged_itself_gets_a_schedule(brought):
    assert brought.rungs("desk-policy")[0] == (("schedule:desk",), 5)
    assert brought.on_call("primary", "2026-07-11T12:00:00+00:00") == ["mia"]


def test_the_report_names_everything_that_has_no_equivalent(brought):
    assert brought.lines("No equivalent:") == [
        "user 'Mia Ortega': contact method 'Old' (EMAIL) is disabled or was never verified; left out.",
        "user 'Mia Ortega': contact method 'Lamp' (WEBHOOK) is left out; add a channel of the kind webhook when the "
        "program understands Tocsin's requests.",
        "rotation 'Shadow': the export has no nextHandoffTimes, so its turns are counted from its start; check who is "
        "on call now.",
        "schedule 'Desk': the temporary schedule from 2026-08-01T00:00:00Z to 2026-08-02T00:00:00Z is left out; write "
        "it as overrides.",
        "schedule 'Desk': telling '#desk' who is on call has no equivalent.",
        "override of 'Desk' from 2026-07-20T10:00:00Z to 2026-07-20T12:00:00Z: one here puts one person in place of "
        "another, and does not add or remove one.",
        "escalation policy 'Desk policy': telling '#desk' (slackChannel) has no equivalent; see 'publications'.",
        "escalation policy 'Nobody': nobody is left to page; left out.",
        "service 'Shop': the integration key 'Mailbox' (email) has no equivalent.",
        "service 'Shop': the heartbeat monitor 'Nightly job' has no equivalent.",
    ]
