"""A Grafana OnCall export becomes a plan: written after its HTTP API reference, not captured from a real account."""

import pytest


@pytest.fixture(scope="module")
def brought(bring_once):
    return bring_once("grafana-oncall", "grafana-oncall.json")


def test_the_plan_can_be_used(brought):
    assert brought.result.exit_code == 0, brought.result.output
    assert brought.loaded.plan.severities["SEV1"] == "default"


def test_people_keep_slack_and_e_mail_and_a_number_that_was_written_into_the_export(brought):
    assert brought.channels("alex") == [("slack", "UALEXSLACK1"), ("email", "alex@larkfield.example")]
    assert brought.channels("bea") == [
        ("sms", "+447700900142"),
        ("voice", "+447700900142"),
        ("email", "bea@larkfield.example"),
    ]


def test_important_rules_page_in_severe_incidents_and_default_ones_in_the_others(brought):
    assert brought.beats("bea", "SEV1") == brought.beats("bea", "SEV2") == [(("voice",), 0)]
    assert brought.beats("bea", "SEV3") == [(("sms",), 0)]
    assert brought.beats("alex", "SEV1") == []
    assert brought.beats("alex", "SEV4") == [(("slack",), 0), (("email",), 5)]


@pytest.mark.parametrize(
    ("moment", "people", "because"),
    [
        # Primary: weeks from Monday 2026-01-05 09:00 in Berlin, beginning with user 1 (bea). 2026-07-06: the 27th.
        ("2026-07-06T06:59:00+00:00", ["alex"], "the 26th week ends at 09:00 in Berlin"),
        ("2026-07-06T07:00:00+00:00", ["bea"], "the 27th week"),
        ("2026-07-08T09:00:00+00:00", ["cyn"], "the override, 10:00 to 12:00 in Berlin"),
        ("2026-07-08T10:00:00+00:00", ["bea"], "the override is over"),
        ("2026-07-11T17:59:00+00:00", ["bea"], "Saturday 19:59"),
        ("2026-07-11T18:00:00+00:00", ["cyn"], "Saturday 20:00: the higher level wins"),
        ("2026-07-13T06:00:00+00:00", ["bea"], "Monday 08:00: Sunday's night is over"),
        ("2026-07-13T12:00:00+00:00", ["alex"], "the 28th week"),
        ("2026-07-14T12:00:00+00:00", ["cyn"], "cyn took alex's shift of this day"),
        ("2026-07-15T12:00:00+00:00", ["alex"], "and of no other"),
        ("2026-12-24T19:00:00+00:00", ["alex", "cyn"], "the single event of Christmas"),
    ],
)
def test_who_is_on_call_is_who_grafana_calls(brought, moment, people, because):
    assert brought.on_call("ops", moment) == people, because


def test_a_schedule_from_a_calendar_keeps_its_address(brought):
    schedule = brought.loaded.directory.schedule("network-team")

    assert schedule.calendar == "https://calendar.larkfield.example/network.ics"
    assert schedule.names == {"alex": "alex", "bea": "bea", "cyn": "cyn"}


def test_a_chain_becomes_a_ladder_whose_waits_stand_with_the_step_before(brought):
    assert brought.rungs("default") == [(("schedule:ops",), 5), (("alex", "bea"), 15), (("team:sre",), 5)]
    assert brought.loaded.plan.ladders["default"].in_extremis == ("schedule:ops", "alex", "bea", "team:sre")


def test_the_report_names_everything_that_has_no_equivalent(brought):
    assert brought.lines("No equivalent:") == [
        "user 'alex': the API does not give their telephone number away; ask them for it.",
        "user 'alex': the important rule 'notify_by_mobile_app' has no equivalent; let them open the page /push in "
        "their browser and subscribe it.",
        "user 'alex': the rule 'notify_by_phone_call' is left out, for the export has no address for it.",
        "user 'cyn': the time zone 'Mars/Olympus' is not known; UTC is taken.",
        "team 'Retired': nobody is in it; left out.",
        "schedule 'Ops': shift 'First of the month' is left out: months cannot be said here.",
        "schedule 'Network team': its calendar of overrides has no equivalent; write them as overrides.",
        "shift swap 'SSOPEN0000002' from 2026-09-14T00:00:00.000000Z to 2026-09-15T00:00:00.000000Z: nobody has taken "
        "it; left out.",
        "escalation chain 'default', step 3: notify_if_time_from_to has no equivalent (the ladder goes on at any hour; "
        "see 'quiet_hours'); left out.",
        "escalation chain 'default', step 4 pages its people in turn (round-robin); here it pages them all.",
        "escalation chain 'default', step 7: notify_if_num_alerts_in_window has no equivalent (the ladder goes on at "
        "any number); left out.",
        "escalation chain 'only a hook', step 1: trigger_webhook has no equivalent (a contact may have a channel of "
        "the kind webhook); left out.",
        "escalation chain 'only a hook': nobody is left to page; left out.",
        "route 'REAST1' (regex 'us-(east|west)'): routes here match whole labels; write it as a route of the "
        "integration.",
    ]
