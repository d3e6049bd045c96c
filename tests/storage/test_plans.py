"""A plan is found by its hash as long as it can be read."""

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
