"""A row is claimed once, finished by its holder, and never leaves once it is stale."""

import dataclasses
from datetime import UTC, datetime

import pytest

from incidents.commands import Acknowledge, StandDown
from storage import outbox
from storage.outbox import OutboxRow

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def row(message_id: str = "m1", **changes) -> OutboxRow:
    plain = OutboxRow(
        message_id, "INC-1", "1", "page", "sms", "ana", "+12025550134", "en", "Wake up", "AB2", False, 1, 100.0
    )
    return dataclasses.replace(plain, **changes)


@pytest.fixture
def box(memory):
    """`box(work)` runs one work in a transaction."""
    memory.do(lambda tx: outbox.insert(tx, [row()]))
    return memory.do


def state(box, message_id="m1"):
    found = box(lambda tx: outbox.get(tx, message_id))
    return found.state


def claim(box, *message_ids: str, by: str = "engine-1") -> list[str]:
    return [each.message_id for each in box(lambda tx: outbox.claim(tx, message_ids, by, 130.0, 100.0))]


def finish(box, state, *, by="engine-1"):
    return box(lambda tx: outbox.finish(tx, "m1", by, state, "SM1", None, 101.0))


def test_asking_for_the_same_message_twice_sends_it_once(box):
    box(lambda tx: outbox.insert(tx, [row(text="another text")]))
    assert [each.text for each in box(lambda tx: outbox.of_incident(tx, "INC-1"))] == ["Wake up"]


def test_a_row_is_due_when_its_time_has_come_and_the_most_pressing_goes_first(box):
    box(lambda tx: outbox.insert(tx, [row("m2", priority=0), row("m3", due_at=200.0, priority=0), row("m4")]))
    assert [each.message_id for each in box(lambda tx: outbox.due(tx, 150.0, 10))] == ["m2", "m1", "m4"]
    assert [each.message_id for each in box(lambda tx: outbox.due(tx, 150.0, 1))] == ["m2"]


def test_a_row_is_claimed_by_one(box):
    assert claim(box, "m1") == ["m1"]
    assert claim(box, "m1", by="engine-2") == []
    assert state(box) == "sending"


def test_a_stale_row_is_never_claimed(box):
    box(lambda tx: outbox.make_stale(tx, "INC-1", "1", 101.0))
    assert claim(box, "m1") == []
    assert state(box) == "stale"


def test_only_the_holder_of_the_claim_writes_its_result(box):
    claim(box, "m1")
    assert not finish(box, "failed", by="engine-2")
    assert finish(box, "sent")
    assert not finish(box, "failed")
    assert state(box) == "sent"


def test_the_providers_later_word_is_kept_whoever_claimed_it(box):
    claim(box, "m1")
    finish(box, "sent")
    box(lambda tx: outbox.set_state(tx, "m1", "delivered", None, 105.0))
    found = box(lambda tx: outbox.get(tx, "m1"))
    assert (found.state, found.provider_id) == ("delivered", "SM1")


def test_what_was_not_sent_is_given_back_or_put_off(box):
    claim(box, "m1")
    box(lambda tx: outbox.give_back(tx, "m1", "engine-1", 101.0))
    assert claim(box, "m1") == ["m1"]
    box(lambda tx: outbox.postpone(tx, "m1", "engine-1", 160.0, "the provider is busy", 101.0))
    assert box(lambda tx: outbox.due(tx, 159.0, 10)) == []
    found = box(lambda tx: outbox.due(tx, 160.0, 10))
    assert [(each.message_id, each.attempts) for each in found] == [("m1", 2)]


def test_claims_that_ran_out_and_claims_of_the_dead_are_found(box):
    claim(box, "m1")
    assert box(lambda tx: outbox.expired(tx, 129.0, 10)) == []
    assert [each.message_id for each in box(lambda tx: outbox.expired(tx, 130.0, 10))] == ["m1"]
    assert box(lambda tx: outbox.orphaned(tx, "engine-1")) == []
    assert [each.message_id for each in box(lambda tx: outbox.orphaned(tx, "engine-2"))] == ["m1"]


def test_an_answer_makes_only_its_own_ladder_stale_and_names_the_calls_to_hang_up(box):
    box(
        lambda tx: outbox.insert(
            tx, [row("m2", escalation="step-look"), row("m3", channel="voice"), row("m4", incident_id="INC-2")]
        )
    )
    claim(box, "m3")
    box(lambda tx: outbox.finish(tx, "m3", "engine-1", "sent", "CA1", None, 101.0))
    calls = box(lambda tx: outbox.make_stale(tx, "INC-1", "1", 102.0))
    assert [each.provider_id for each in calls] == ["CA1"]
    assert [state(box, each) for each in ("m1", "m2", "m3", "m4")] == ["stale", "pending", "sent", "pending"]


def test_after_a_restore_nothing_that_waited_leaves_by_itself(box):
    box(lambda tx: outbox.insert(tx, [row("m2"), row("m3")]))
    claim(box, "m2", "m3")
    box(lambda tx: outbox.finish(tx, "m3", "engine-1", "sent", None, None, 101.0))
    assert box(lambda tx: outbox.make_all_stale(tx, 102.0)) == 2
    assert [state(box, each) for each in ("m1", "m2", "m3")] == ["stale", "stale", "sent"]


def test_an_answer_without_a_number_is_for_the_last_page_to_that_address(box):
    box(lambda tx: outbox.insert(tx, [row("m2", incident_id="INC-2", created_at=5.0, state="sent")]))
    box(lambda tx: outbox.insert(tx, [row("m3", incident_id="INC-1", created_at=1.0, state="delivered")]))
    box(lambda tx: outbox.insert(tx, [row("m4", kind="notice", incident_id="INC-3", created_at=9.0, state="sent")]))
    latest = box(lambda tx: outbox.latest_to(tx, "+12025550134"))
    assert latest.message_id == "m2"
    named = box(lambda tx: outbox.latest_to(tx, "+12025550134", "INC-1"))
    assert named.message_id == "m3"
    assert box(lambda tx: outbox.latest_to(tx, "+12025550100")) is None


@pytest.mark.parametrize("gone", ["sending", "sent", "delivered", "read", "unknown"])
@pytest.mark.parametrize("here", ["pending", "stale", "failed"])
def test_an_answer_is_for_a_page_that_left_or_may_have_left(box, gone, here):
    box(lambda tx: outbox.insert(tx, [row("m2", state=gone, created_at=5.0), row("m3", state=here, created_at=9.0)]))
    assert box(lambda tx: outbox.latest_to(tx, "+12025550134")).message_id == "m2"


def test_nobody_answers_to_a_test_page_or_to_word_of_tocsins_own_trouble(box):
    trouble = row("m2", incident_id="TOCSIN", escalation=None, state="sent", created_at=5.0)
    box(lambda tx: outbox.insert(tx, [trouble, dataclasses.replace(trouble, message_id="m3", incident_id="TEST")]))
    assert box(lambda tx: outbox.latest_to(tx, "+12025550134")) is None


def test_the_open_incidents_that_paged_an_address_lately_are_known(memory):
    for _ in range(4):
        memory.declare(NOW)
    memory.apply(StandDown("a mistake", "person:ana"), NOW, "INC-3")
    pages = {
        "INC-1": row("m1", created_at=100.0, state="sent"),
        "INC-2": row("m2", created_at=99.0, state="sent"),
        "INC-3": row("m3", created_at=100.0, state="sent"),
        "INC-4": row("m4", created_at=100.0, state="delivered"),
    }
    waiting = row("m5", incident_id="INC-2", created_at=101.0)
    rows = [dataclasses.replace(each, incident_id=incident) for incident, each in pages.items()]
    memory.do(lambda tx: outbox.insert(tx, [*rows, waiting]))
    assert memory.do(lambda tx: outbox.open_incidents_paged(tx, "+12025550134", 100.0)) == ["INC-1", "INC-4"]


def test_an_incident_whose_every_page_failed_is_named_until_one_arrives_or_somebody_takes_it(memory):
    memory.declare(NOW)
    (page,) = memory.rows()

    def unreached():
        return memory.do(outbox.unreached)

    assert unreached() == [], "it may still arrive"
    memory.claim(page.message_id, NOW)
    memory.do(lambda tx: outbox.finish(tx, page.message_id, "network", "failed", None, "refused", NOW.timestamp()))
    assert unreached() == ["INC-1"]
    memory.do(lambda tx: outbox.insert(tx, [row("m8", state="stale")]))
    assert unreached() == ["INC-1"], "what never left has reached nobody"
    memory.do(lambda tx: outbox.insert(tx, [row("m9", state="sent")]))
    assert unreached() == []
    memory.do(lambda tx: tx.execute("DELETE FROM outbox WHERE message_id = 'm9'"))
    memory.apply(Acknowledge("ana", "cli"), NOW)
    assert unreached() == []
