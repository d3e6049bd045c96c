"""A plan is found by its hash as long as it can be read."""

import hashlib
import json

from runbooks.loader import LIBRARY, load_plan
from runbooks.plan import plan_version
from storage import plans
from tests.support.plans import crisis_plan

OLD = "INSERT INTO plans (version, body, stored_at) VALUES ('old', ?, 0)"


def test_a_stored_plan_is_found_as_it_was(memory):
    assert memory.do(lambda tx: plans.load_plan(tx, memory.book.version)) == crisis_plan()
    assert memory.do(lambda tx: plans.load_plan(tx, "unknown")) is None


def test_a_stored_plan_that_cannot_be_read_any_more_is_none_and_says_so(memory, caplog):
    memory.do(
        lambda tx: tx.execute("INSERT INTO plans (version, body, stored_at) VALUES ('old', '{\"company\": 1}', 0)")
    )
    assert memory.do(lambda tx: plans.load_plan(tx, "old")) is None
    assert "version=old" in caplog.text


def test_an_incident_whose_plan_cannot_be_read_goes_on_under_the_active_one(memory):
    memory.do(lambda tx: tx.execute(OLD, (b"no plan",)))
    assert memory.do(lambda tx: memory.book.pinned(tx, "old")) == memory.book.plan


def test_a_plan_is_stored_with_its_thresholds_and_its_sources(memory):
    whole = load_plan(LIBRARY).plan
    assert whole.thresholds is not None
    assert whole.listening is not None
    version = memory.do(lambda tx: plans.store_plan(tx, whole, 0))
    assert memory.do(lambda tx: plans.load_plan(tx, version)) == whole


def test_a_plan_that_was_stored_before_there_were_thresholds_is_still_read(memory):
    older = crisis_plan().model_dump(mode="json")
    for later in ("thresholds", "listening"):
        assert older.pop(later) is None
    memory.do(lambda tx: tx.execute(OLD, (json.dumps(older).encode(),)))
    found = memory.do(lambda tx: plans.load_plan(tx, "old"))
    assert found == crisis_plan()
    assert plan_version(found) == memory.book.version


def test_the_version_of_a_plan_without_thresholds_is_that_of_everything_else():
    """Version by version, so that no installation gets another plan by getting another Tocsin."""
    content = crisis_plan().model_dump(mode="json", exclude={"thresholds", "listening"})
    content["runbooks"].sort(key=lambda runbook: runbook["id"])
    by_hand = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    assert plan_version(crisis_plan()) == by_hand
