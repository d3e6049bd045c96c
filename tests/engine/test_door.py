"""The one door: two drivers double nothing, a failed transaction leaves nothing, and the log says who made what."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.door import COVER, Quarantined
from incidents import commands as c
from incidents import events as e
from incidents.errors import CommandRefused, UnknownIncident
from incidents.events import PageFailure
from incidents.severity import Severity
from runbooks.moves import AskDecision, IssueSummary, OpenStep, PageContact, SkipRung, StartEscalation
from storage import outbox
from tests.support.memory import Memory
from tests.support.plans import crisis_plan, everybody, rung, someone, step

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ONE = "1.INC-1.1.r1.c1.1"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def reached(memory: Memory, message: str = ONE, at: datetime = NOW) -> None:
    memory.apply(c.RecordSent(message, "SM1", "provider:sms"), at)
    memory.apply(c.RecordDelivered(message, "provider:sms"), at)


def test_the_log_says_by_its_hash_which_text_was_paged(memory):
    memory.declare(NOW)
    (row,) = memory.rows()
    page = next(event for event in memory.events() if isinstance(event, e.PageRequested))
    assert page.text_sha256 == hashlib.sha256(row.text.encode()).hexdigest()
    assert page.message_id == row.message_id == ONE


def test_the_log_carries_no_number_of_anybody(memory):
    memory.declare(NOW)
    reached(memory)
    memory.perform(NOW + seconds(300))
    (first, *_) = memory.rows()
    assert first.address.startswith("+")
    assert all(first.address not in e.encode(event).decode() for event in memory.events())


def test_the_same_move_asked_for_twice_is_made_once(memory):
    memory.declare(NOW)
    reached(memory)
    later = NOW + seconds(300)
    assert len(memory.perform(later).performed) == 1
    assert memory.perform(later).performed == []
    assert memory.perform(later, by="flow", key="page:1.r2.c1.1").performed == []
    assert len(memory.rows()) == 2


def test_a_flow_makes_the_move_it_asks_for_and_the_log_says_so(memory):
    memory.driven = True
    memory.declare(NOW)
    reached(memory)
    change = memory.perform(NOW + seconds(300), by="flow", key="page:1.r2.c1.1")
    assert [each.messages for each in change.performed] == [("1.INC-1.1.r2.c1.1",)]
    assert memory.events()[-1].by == "flow"


def test_a_key_that_is_not_due_performs_nothing(memory):
    memory.driven = True
    memory.declare(NOW)
    reached(memory)
    before = memory.events()
    assert memory.perform(NOW + seconds(1), by="flow", key="page:1.r2.c1.1").performed == []
    assert memory.perform(NOW + seconds(1), by="flow", key="nonsense").performed == []
    assert memory.events() == before


def test_the_first_page_never_waits_for_a_driver(memory):
    memory.driven = True
    assert [type(each.move) for each in memory.declare(NOW).performed] == [PageContact]


def test_a_page_is_left_to_a_live_run_for_a_quarter_of_a_second_and_a_step_for_five(memory):
    plan = crisis_plan(steps=(step("look"),))
    driven = Memory(plan, everybody(), NOW)
    driven.driven = True
    driven.declare(NOW)
    reached(driven)
    page_due = NOW + seconds(300)
    assert driven.perform(page_due + seconds(0.24)).performed == []
    assert [type(each.move) for each in driven.perform(page_due + seconds(0.25)).performed] == [PageContact]
    taken = page_due + seconds(10)
    driven.apply(c.Acknowledge("bob", "sms"), taken)
    assert driven.perform(taken + seconds(4.9)).performed == []
    assert [type(each.move) for each in driven.perform(taken + seconds(5)).performed] == [OpenStep]


def test_every_move_has_its_cover():
    assert COVER[PageContact] == COVER[SkipRung] == COVER[StartEscalation] == seconds(0.25)
    assert COVER[OpenStep] == COVER[AskDecision] == seconds(5)
    assert COVER[IssueSummary] == seconds(30)


def test_without_any_run_the_engine_makes_every_move_at_once():
    memory = Memory(crisis_plan(steps=(step("look"),)), everybody(), NOW)
    memory.declare(NOW)
    change = memory.apply(c.Acknowledge("ana", "sms"), NOW + seconds(5))
    assert [type(each.move) for each in change.performed] == [OpenStep]
    assert memory.events()[-1].by == "engine"


@pytest.mark.parametrize("driver", ["engine", "flow"])
def test_whoever_drives_the_log_is_the_same_but_for_its_by(driver):
    """Invariant 14: the whole way to the resolution, once with a run that asks for every move, once with none."""

    def story(by: str) -> list[dict[str, Any]]:
        memory = Memory(crisis_plan(rung("ana"), rung("bob"), steps=(step("look", within="2m"),)), everybody(), NOW)
        memory.driven = by == "flow"
        memory.declare(NOW)
        reached(memory)
        for minute in range(30):
            at = NOW + timedelta(minutes=minute)
            if minute == 7:
                memory.apply(c.Acknowledge("bob", "sms"), at)
            if minute == 21:
                memory.apply(c.Resolve("restarted", "person:bob", "bob"), at)
            while by == "flow" and (due := memory.due(at)):
                memory.perform(at, by="flow", key=due[0].key)
            memory.perform(at)
            for row in memory.rows():
                if memory.claim(row.message_id, at) and row.kind == "page":
                    reached(memory, row.message_id, at)
        # Of what happens in one instant a run makes the moves in commits of their own: the order there may differ.
        facts = [
            event.model_dump(exclude={"by"} if event.by in ("flow", "engine") else set()) for event in memory.events()
        ]
        return sorted(facts, key=lambda fact: (fact["at"], fact["kind"], str(fact)))

    assert story(driver) == story("engine")


def test_what_fails_with_its_transaction_has_not_happened_even_in_the_doors_own_memory(memory):
    memory.declare(NOW)

    def half(tx):
        memory.door.apply(tx, "INC-1", c.AddNote("never", "person:ana"), NOW)
        raise ValueError("the commit failed")

    before = memory.events()
    with pytest.raises(ValueError, match="commit failed"):
        memory.do(half)
    assert memory.events() == before
    assert memory.state() == memory.folded()
    memory.apply(c.AddNote("this one", "person:ana"), NOW)
    assert memory.state() == memory.folded()
    assert memory.state().version == len(before) + 1


def test_a_refusal_changes_nothing(memory):
    memory.declare(NOW)
    before, rows = memory.events(), memory.rows()
    with pytest.raises(CommandRefused, match="cannot be closed yet"):
        memory.apply(c.Close("person:ana"), NOW)
    assert (memory.events(), memory.rows()) == (before, rows)


def test_there_is_no_incident_that_nobody_declared(memory):
    with pytest.raises(UnknownIncident, match="INC-9"):
        memory.apply(c.Close("person:ana"), NOW, incident="INC-9")


def test_a_declaration_without_a_title_declares_nothing(memory):
    command = c.Declare("INC-1", "  ", Severity.SEV1, "SHOP_DOWN", memory.book.version, "person:ana")
    with pytest.raises(CommandRefused, match="title"):
        memory.do(lambda tx: memory.door.declare(tx, NOW, lambda _: command))
    assert memory.do(lambda tx: tx.all("SELECT id FROM incidents")) == []


def test_an_incident_that_was_set_aside_says_so(memory):
    memory.declare(NOW)
    memory.do(lambda tx: tx.execute("UPDATE incidents SET quarantined = 'event 3 is broken'"))
    with pytest.raises(Quarantined, match="event 3 is broken"):
        memory.state()


def test_event_times_never_decrease_even_when_the_clock_does(memory):
    memory.declare(NOW)
    memory.apply(c.AddNote("later", "person:ana"), NOW + seconds(60))
    memory.apply(c.AddNote("the clock went back", "person:ana"), NOW - seconds(3600))
    times = [event.at for event in memory.events()]
    assert times == sorted(times)


def test_an_answer_makes_waiting_pages_stale_and_names_the_calls_that_still_ring():
    memory = Memory(crisis_plan(rung("ana", "bob")), everybody(someone("ana", "voice"), someone("bob", "sms")), NOW)
    memory.declare(NOW)
    memory.claim(ONE, NOW)
    memory.do(lambda tx: outbox.finish(tx, ONE, "network", "sent", "CA1", None, 1.0))
    change = memory.apply(c.Acknowledge("bob", "sms"), NOW + seconds(9))
    assert [row.provider_id for row in change.cancel] == ["CA1"]
    assert {row.contact: row.state for row in memory.rows() if row.kind == "page"} == {"ana": "sent", "bob": "stale"}


def test_a_drills_update_goes_to_the_console_wherever_the_plan_publishes(memory):
    memory.declare(NOW, drill=True)
    composer = memory.door._composer
    row = composer.publication(memory.state(), "slack", "C0CUSTOMERS", "1.INC-1.update-1.1", "We are on it.", NOW)
    assert (row.channel, row.drill) == ("console", True)


def test_the_next_look_is_when_the_next_thing_comes_due(memory):
    memory.declare(NOW)
    reached(memory)
    assert memory.do(lambda tx: tx.one("SELECT next_due_at FROM incidents")) == (NOW.timestamp() + 300,)


def test_an_ended_incident_needs_no_look(memory):
    memory.declare(NOW)
    memory.apply(c.StandDown("a test", "person:ana"), NOW)
    assert memory.do(lambda tx: tx.one("SELECT next_due_at, is_open FROM incidents")) == (None, 0)


def test_a_failed_page_and_the_next_one_are_one_commit(memory):
    memory.declare(NOW)
    change = memory.apply(c.RecordFailed(ONE, PageFailure.REFUSED, "no such number", "provider:sms"), NOW)
    assert [event.kind for event in change.events] == ["PageFailed", "PageRequested"]
    assert [row.channel for row in change.rows] == ["voice"]
