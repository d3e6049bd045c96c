"""Each integration says what its kind needs, and nothing that its kind never looks at."""

from typing import Any

import pytest

from runbooks.loader import LIBRARY, load_plan
from runbooks.places import Weight
from runbooks.plan import Plan
from runbooks.sender_checks import sender_findings
from tests.support.monitors import declared


def findings(*entries: tuple[str, dict[str, Any]]) -> list[tuple[str, Weight]]:
    whole = load_plan(LIBRARY).plan
    senders = tuple(declared(kind, **more) for kind, more in entries)
    plan: Plan = whole.model_copy(update={"integrations": senders})
    return [(f"{'.'.join(map(str, each.path))}: {each.sentence}", each.weight) for each in sender_findings(plan)]


def test_what_is_whole_is_not_found_fault_with():
    assert findings(("generic", {}), ("email", {}), ("cloudwatch", {"topics": ["arn:aws:sns:eu-west-1:1:a"]})) == []
    assert findings(("sentry", {"secret_from": "TOCSIN_SENTRY_SECRET"})) == []


def test_sentry_without_a_secret_is_a_warning():
    ((sentence, weight),) = findings(("sentry", {}))
    assert (sentence.split(":")[0], weight) == ("integrations.0.kind", Weight.WARNING)


@pytest.mark.parametrize(
    ("kind", "more", "place"),
    [
        ("generic", {"mapping": None}, "integrations.0.kind"),
        ("pingdom", {"topics": ["arn:aws:sns:eu-west-1:1:a"]}, "integrations.0.topics"),
        ("checkly", {"secret_from": "A_SECRET"}, "integrations.0.secret_from"),
        ("grafana", {"mail": {}}, "integrations.0.mail"),
        ("gcp", {"mapping": {"summary": "$.a", "dedup_key": "$.b"}}, "integrations.0.mapping"),
        ("email", {"key": "k" * 41}, "integrations.0.key"),
    ],
)
def test_what_is_missing_or_in_vain_is_an_error_at_its_place(kind: str, more: dict[str, Any], place: str):
    ((sentence, weight),) = findings((kind, more))
    assert (sentence.split(":")[0], weight) == (place, Weight.ERROR)


def test_two_mail_addresses_that_differ_by_capitals_only_are_one():
    ((sentence, _),) = findings(
        ("email", {"key": "a-key-0123456789"}), ("email", {"name": "b", "key": "A-KEY-0123456789"})
    )
    assert "capitals" in sentence
