"""What a rule says of itself: numbers with the word that fits them."""

import pytest

from signals.detector import Detector
from signals.observation import Observation
from signals.thresholds import ThresholdsFile, compiled

MINUTE = 27_000_000


def because(when: str, mentions: int) -> str:
    rule = {"name": "Somebody writes", "when": when, "severity": "SEV3"}
    plan = compiled(ThresholdsFile.model_validate({"situation": "VIRAL", "rules": [rule]}))
    detector = Detector(plan, ("brand",))
    detector.pass_time((MINUTE - 1) * 60.0)
    found = [
        finding
        for number in range(mentions)
        for finding in detector.hear(Observation("brand", MINUTE * 60.0, f"{number}", author=number + 1))
    ]
    return found[0].assessment.because[0]


@pytest.mark.parametrize(
    ("when", "mentions", "said"),
    [
        ("at least 1 mention in 1 hour", 1, "1 mention in the last hour (at least 1)."),
        ("at least 2 mentions in 1 hour", 2, "2 mentions in the last hour (at least 2)."),
        ("at least 1 mention in 1 hour from at least 1 person", 1, "from 1 person (at least 1)."),
    ],
)
def test_one_is_said_as_one(when, mentions, said):
    assert because(when, mentions).endswith(said)
