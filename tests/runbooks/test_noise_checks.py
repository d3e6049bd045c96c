"""What `noise` and `heartbeats` of plan.yaml cannot say, found at its place."""

from datetime import UTC, datetime
from typing import Any

import pytest

from runbooks.noise import Maintenance, open_until
from runbooks.noise_checks import heartbeat_findings, noise_findings
from runbooks.places import ModelPath, Weight
from runbooks.plan import Plan
from tests.support.plans import crisis_plan

WINDOW = {"name": "w", "match": {"service": "shop"}, "because": "patching"}
WEEKLY = {"weekly": [{"days": ["sun"], "after": "02:00", "until": "04:00"}]}
BEAT = {"name": "backup", "key": "backup-heartbeat-key-1", "every": "1h", "situation": "SHOP_DOWN"}


def plan(**changes: Any) -> Plan:
    written = crisis_plan().model_dump(mode="json")
    return Plan.model_validate(written | changes)


def found(**changes: Any) -> list[tuple[ModelPath, str]]:
    whole = plan(**changes)
    findings = [*noise_findings(whole), *heartbeat_findings(whole)]
    return [(each.path, each.sentence) for each in findings if each.weight is Weight.ERROR]


def test_rules_that_fit_are_fine():
    noise = {
        "maintenance": [
            WINDOW | WEEKLY,
            WINDOW | {"name": "d", "dates": [{"starts": "2026-03-01", "ends": "2026-03-07"}]},
        ],
        "inhibit": [{"when": {"situation": "SHOP_DOWN"}, "mutes": {"rated": "SEV4"}, "equal": ["cluster"]}],
        "group": [{"by": ["service"], "match": {"integration": "mon*"}}],
    }
    assert found(noise=noise, heartbeats=[BEAT]) == []
    assert found(noise={"storm": None, "flapping": None}) == []


@pytest.mark.parametrize(
    ("noise", "place", "words"),
    [
        ({"maintenance": [WINDOW]}, ("maintenance", 0), "never opens"),
        (
            {"maintenance": [WINDOW | WEEKLY | {"match": {"cluster": "*"}}]},
            ("maintenance", 0, "match"),
            "covers every signal",
        ),
        ({"maintenance": [WINDOW | WEEKLY] * 2}, ("maintenance", 1, "name"), "called 'w' too"),
        (
            {"maintenance": [WINDOW | WEEKLY | {"time_zone": "Europe/Madird"}]},
            ("maintenance", 0, "time_zone"),
            "Madrid",
        ),
        ({"maintenance": [WINDOW | {"weekly": [{}]}]}, ("maintenance", 0, "weekly"), "never closes"),
        (
            {"maintenance": [WINDOW | {"dates": [{"starts": "2026-03-01", "ends": "2026-03-08"}]}]},
            ("maintenance", 0, "dates", 0, "ends"),
            "7d at most",
        ),
        (
            {"maintenance": [WINDOW | {"dates": [{"starts": "2026-03-02", "ends": "2026-03-01 10:00"}]}]},
            ("maintenance", 0, "dates", 0, "ends"),
            "before it begins",
        ),
        (
            {"inhibit": [{"when": {"situation": "SHOP_DWN"}, "mutes": {"a": "b"}}]},
            ("inhibit", 0, "when", "situation"),
            "did you mean 'SHOP_DOWN'?",
        ),
        ({"inhibit": [{"when": {"a": "b"}, "mutes": {"rated": "SEV5"}}]}, ("inhibit", 0, "mutes", "rated"), "severity"),
        (
            {"inhibit": [{"when": {"a": "b"}, "mutes": {"a": "b", "c": "d"}}]},
            ("inhibit", 0, "mutes"),
            "never muted",
        ),
        ({"group": [{"by": ["a", "a"]}]}, ("group", 0, "by", 1), "twice"),
        ({"group": [{"by": ["a"], "within": "2d"}]}, ("group", 0, "within"), "at most 1d"),
        (
            {"group": [{"by": ["a"], "match": {"integration": "nobody"}}]},
            ("group", 0, "match", "integration"),
            "nobody",
        ),
        ({"flapping": {"within": "0s"}}, ("flapping", "within"), "more than nothing"),
        ({"flapping": {"quiet": "2d"}}, ("flapping", "quiet"), "at most 1d"),
        ({"storm": {"calm": "0s"}}, ("storm", "calm"), "more than nothing"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_an_error_at_its_place(noise, place, words):
    ((path, sentence),) = found(noise=noise)
    assert path == ("noise", *place)
    assert words in sentence


@pytest.mark.parametrize(
    ("beats", "place", "words"),
    [
        ([BEAT, BEAT | {"key": "another-heartbeat-key"}], (1, "name"), "called 'backup' too"),
        ([BEAT, BEAT | {"name": "other"}], (1, "key"), "this key too"),
        ([BEAT | {"situation": "SHOP_DOWNN"}], (0, "situation"), "did you mean 'SHOP_DOWN'?"),
        ([BEAT | {"every": "5s"}], (0, "every"), "every 10s or less often"),
    ],
)
def test_a_heartbeat_that_cannot_be_meant_is_an_error_at_its_place(beats, place, words):
    ((path, sentence),) = found(heartbeats=beats)
    assert path == ("heartbeats", *place)
    assert words in sentence


def test_no_sender_is_called_as_the_sender_of_missing_heartbeats():
    integrations = [each.model_dump(mode="json") | {"name": "heartbeat"} for each in crisis_plan().integrations[:1]]
    assert found(integrations=integrations) == []
    ((path, _),) = found(integrations=integrations, heartbeats=[BEAT])
    assert path == ("integrations", 0, "name")
    key = integrations[0]["key"]
    ((path, _),) = found(heartbeats=[BEAT | {"key": key}])
    assert path == ("heartbeats", 0, "key")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-22 00:59", None),
        ("2026-03-22 01:00", "2026-03-22 03:00"),
        # The clocks of Madrid go from 02:00 to 03:00 on 29 March: the window begins at the jump.
        ("2026-03-29 00:59", None),
        ("2026-03-29 01:00", "2026-03-29 02:00"),
        ("2026-03-29 02:00", None),
        # And on 25 October 02:00 comes twice: from the first until 04:00, an hour longer.
        ("2026-10-25 00:00", "2026-10-25 03:00"),
        ("2026-10-25 03:00", None),
        # By its dates.
        ("2026-05-01 12:00", "2026-05-01 22:00"),
    ],
)
def test_a_window_opens_and_closes_by_the_clock_on_the_wall(at, until):
    window = Maintenance.model_validate(
        WINDOW | WEEKLY | {"time_zone": "Europe/Madrid", "dates": [{"starts": "2026-05-01", "ends": "2026-05-01"}]}
    )
    assert open_until(window, utc(at)) == (None if until is None else utc(until))
