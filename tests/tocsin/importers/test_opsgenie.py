"""An Opsgenie backup becomes a plan: written after the documented format, not captured from a real account."""

import json
import zipfile
from pathlib import Path

import pytest

EXPORTS = Path(__file__).parent / "exports"


@pytest.fixture(scope="module")
def brought(bring_once):
    return bring_once("opsgenie", "opsgenie")


def test_the_plan_can_be_used(brought):
    assert brought.result.exit_code == 0, brought.result.output
    assert brought.loaded.plan.severities["SEV1"] == "platform-escalation"


def test_contacts_become_channels_and_the_locale_the_language(brought):
    assert brought.channels("dee") == [("sms", "+447700900121"), ("voice", "+447700900121")]
    assert brought.channels("eli") == [("sms", "+12025550122")]
    assert brought.channels("fay") == [("email", "fay@larkfield.example")]
    assert [contact.language for contact in brought.loaded.directory.contacts] == ["es", "en", "en"]


def test_the_rule_for_every_alert_becomes_the_beats(brought):
    assert brought.beats("dee", "SEV1") == brought.beats("dee", "SEV4") == [(("sms",), 0), (("voice",), 5)]
    assert brought.beats("eli", "SEV1") == []


@pytest.mark.parametrize(
    ("moment", "people", "because"),
    [
        # Business: days from Monday 2026-01-05 09:00 in New York, dee first; Monday 09:00 to Friday 17:00.
        ("2026-07-07T14:00:00+00:00", ["eli"], "183 days later"),
        ("2026-07-08T12:59:00+00:00", ["fay"], "the override of this rotation, 12:00 to 14:00 UTC"),
        ("2026-07-08T14:00:00+00:00", ["dee"], "184 days later"),
        ("2026-07-10T20:59:00+00:00", ["dee"], "Friday 16:59, 186 days later"),
        ("2026-07-10T21:00:00+00:00", [], "Friday 17:00"),
        ("2026-07-12T16:00:00+00:00", [], "Sunday"),
        ("2026-07-21T14:00:00+00:00", ["eli"], "197 days later"),
        ("2026-07-22T14:00:00+00:00", ["eli"], "dee's turn, which she has forwarded to eli"),
    ],
)
def test_who_is_on_call_is_who_opsgenie_calls(brought, moment, people, because):
    assert brought.on_call("platform-schedule", moment) == people, because


def test_a_rotation_that_overlaps_another_is_on_call_beside_it(brought):
    assert brought.on_call("platform-schedule-2", "2026-07-07T02:00:00+00:00") == ["fay"]
    assert brought.on_call("platform-schedule-2", "2026-07-07T14:00:00+00:00") == []
    assert brought.on_call("platform-schedule", "2026-07-07T02:00:00+00:00") == ["dee"]


def test_rules_that_count_from_the_alert_become_rungs_that_count_from_each_other(brought):
    both = ("schedule:platform-schedule", "schedule:platform-schedule-2")
    everybody = (*both, "eli", "team:platform")

    assert brought.rungs("platform-escalation") == [(both, 5), (both, 10), (("eli", "team:platform"), 10)]
    assert brought.loaded.plan.ladders["platform-escalation"].in_extremis == everybody


def test_the_report_names_everything_that_has_no_equivalent(brought):
    assert brought.lines("No equivalent:") == [
        "user 'Dee Marsh': a contact of the kind 'mobile' has no equivalent; let them open the page /push in their "
        "browser and subscribe it.",
        "user 'Dee Marsh': the contact email 'dee@larkfield.example' is disabled; left out.",
        "user 'Dee Marsh': the notification rule 'Small ones' is for some alerts only; see 'paging' and 'quiet_hours'.",
        "user 'Dee Marsh': the notification rule 'Closed' (closed-alert) has no equivalent.",
        "user 'Dee Marsh': the notification rule 'New Alert' begins again; see 'every' of a beat.",
        "user 'Fay Quinn' is blocked there; here they are called like everybody else.",
        "OpsGenieBackups/users/fay@larkfield.example-u3.json: user.userContacts[1].to: '99' cannot be a phone number; "
        "ask user 'Fay Quinn'.",
        "schedule 'Platform_schedule': rotation 'Half the weeks' is left out: it has a turn with nobody, or with an "
        "escalation.",
        "schedule 'Platform_schedule': the override from 2026-09-08T12:00:00Z to 2026-09-08T14:00:00Z is of the kind "
        "escalation; left out.",
        "escalation 'Platform_escalation', rule 2 pages 'next' of its schedule; here it pages whoever is on duty.",
        "escalation 'Platform_escalation', rule 3 pages until the alert is closed; here an answer stops it.",
        "escalation 'Platform_escalation': closing the alert after the last round has no equivalent.",
        "team 'Platform': the routing rule 'Databases' is for some alerts only; write it as a route.",
    ]


def test_a_zip_and_one_file_of_api_answers_give_the_same_as_the_folder(bring, brought, tmp_path):
    packed = tmp_path / "backup.zip"
    together: dict[str, list[object]] = {}
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((EXPORTS / "opsgenie").rglob("*.json")):
            archive.write(path, path.relative_to(EXPORTS / "opsgenie"))
            together.setdefault(path.parent.name, []).append(json.loads(path.read_text(encoding="utf-8")))
    alone = tmp_path / "opsgenie.json"
    alone.write_text(json.dumps({key: {"data": items} for key, items in together.items()}), encoding="utf-8")

    for export in (packed, alone):
        other = bring("opsgenie", export, f"from-{export.suffix}")

        assert other.result.exit_code == 0, other.result.output
        assert other.loaded.directory == brought.loaded.directory
