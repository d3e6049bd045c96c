"""The plan's parts as plain functions: what a person reads in Prefect, without Prefect."""

from typing import Any

import pytest

from engine.client import Fate, IncidentObject, Move, WorkItem
from flows.call_people import what_became_of_it, who_took_charge, worst
from flows.decide_compensation import customers_told, is_decided
from flows.keep_informed import what_was_said
from flows.run_card import run_name, run_tags
from flows.timeline import artifact_key, as_markdown
from flows.work_runbook import calls_about, how_it_ended, how_it_was_decided, recovery, subject


def an_incident(**changes: Any) -> IncidentObject:
    known: IncidentObject = {
        "id": "INC-7",
        "title": "Checkout fails",
        "severity": "SEV1",
        "status": "declared",
        "situation": "SERVICE_OUTAGE",
        "drill": False,
        "round": 1,
        "plan_version": "1",
        "declared_at": "2026-11-21T09:00:00+00:00",
        "commander": None,
        "next_update_by": None,
        "pages": [],
        "steps": [],
        "updates": [],
        "decisions": [],
        "missing_to_close": [],
        "timeline": [],
    }
    known.update(changes)  # type: ignore[typeddict-item]  # keywords of the tests below
    return known


@pytest.mark.parametrize(
    ("fate", "name", "sentence"),
    [
        (Fate("m", "delivered", "sms"), "Completed", "delivered by sms"),
        (Fate("m", "read", "slack"), "Completed", "read by slack"),
        (Fate("m", "sent", "sms"), "Sent", "no receipt so far"),
        (Fate("m", "stale", "sms"), "Stale", "not needed any more"),
        (Fate("m", "failed", "voice", failure="busy"), "Failed", "failed: busy"),
        (Fate("m", "unknown", "sms"), "Unknown", "nobody knows"),
        (Fate("m", "pending", "sms"), "Open", "pending when this run ended"),
        (None, "Open", "on its way"),
    ],
)
def test_the_state_of_a_page_is_its_fate(fate: Fate | None, name: str, sentence: str) -> None:
    state = what_became_of_it(fate)

    assert state.name == name
    assert sentence in str(state.message)


@pytest.mark.parametrize("failed", ["failed", "unknown"])
def test_a_page_that_did_not_arrive_is_a_task_that_failed(failed: str) -> None:
    arrived = what_became_of_it(Fate("m", "delivered", "sms"))

    assert worst([arrived, what_became_of_it(Fate("n", failed, "sms"))]).is_failed()
    assert worst([arrived]).is_completed()


def test_the_wait_for_somebody_to_take_charge() -> None:
    assert who_took_charge(an_incident(), 1) is None
    assert who_took_charge(an_incident(status="acknowledged", commander="ana"), 1) == "ana has taken charge"
    assert who_took_charge(an_incident(round=2), 1) == "round 2 calls from the first rung again"
    assert who_took_charge(an_incident(status="stood-down"), 1) == "the incident is stood-down"


def test_a_step_ends_as_the_person_said() -> None:
    step: Any = {"state": "done", "ended_by": "person:ana", "evidence": None}

    assert how_it_ended(step).message == "done by ana"
    assert how_it_ended(step | {"state": "skipped", "evidence": "no database here"}).name == "Skipped"


def test_recovery_waits_for_its_confirmation() -> None:
    resolved = an_incident(resolved_at="2026-11-21T10:00:00.000Z")
    confirmed = recovery(an_incident(resolved_at="x", confirmed_at="2026-11-21T10:05:00.000Z"))
    reopened = recovery(an_incident())

    assert recovery(resolved) is None
    assert confirmed is not None
    assert confirmed.message == "confirmed"
    assert reopened is not None
    assert reopened.name == "Reopened"


def test_a_decision_names_who_made_it() -> None:
    made: Any = {"id": "regions", "choice": "all", "made_by": "ben"}

    assert how_it_was_decided(made).message == "all (by ben)"


def test_the_wait_for_an_update() -> None:
    out = {"audience": "customers", "by": "ana", "text": "We are on it."}

    assert what_was_said(an_incident(next_update_by="2026-11-21T09:30:00+00:00"), 1) is None
    assert what_was_said(an_incident(), 1) == "no update is owed any more"
    assert what_was_said(an_incident(updates=[out]), 1) == "to customers by ana: We are on it."


def test_compensation_is_decided_and_then_the_customers_are_told() -> None:
    decided = an_incident(decisions=[{"id": "compensation", "choice": "nothing"}])
    entry = {"at": "", "by": "ana", "kind": "CustomersInformed", "sentence": "ana told them"}
    told = an_incident(timeline=[entry], informed_at="2026-11-21T11:00:00.000Z")

    assert not is_decided(an_incident())
    assert is_decided(decided)
    assert is_decided(an_incident(compensation={"state": "decided"}))
    assert not is_decided(an_incident(compensation={"state": "proposed"}))
    assert customers_told(decided) is None
    assert customers_told(told) == "ana told them"


def test_moves_say_what_they_are_about() -> None:
    overdue = Move("start-escalation:step-confirm-scope-2", "start-escalation", "overdue")

    assert subject(overdue) == "step-confirm-scope-2"
    assert calls_about(overdue, "step", "decision")
    assert not calls_about(overdue, "update")
    assert calls_about(Move("start-escalation:closing", "start-escalation", "overdue"), "closing")


def test_a_run_is_named_after_its_incident_and_tagged_with_its_severity_and_situation() -> None:
    item = WorkItem("INC-7", "SEV1", "SERVICE_OUTAGE", True, "Checkout fails", None, 1)

    assert run_name("INC-7", 2) == "INC-7 · 2"
    assert run_tags(item) == ["incident:INC-7", "SEV1", "SERVICE_OUTAGE", "drill"]


def test_the_timeline_reads_top_to_bottom_and_cannot_be_broken_by_what_people_write() -> None:
    entry = {"at": "2026-11-21T09:00:01+00:00", "by": "person:ana", "kind": "NoteAdded", "sentence": "a | b\n<b>c"}
    markdown = as_markdown(an_incident(timeline=[entry], missing_to_close=["It is not resolved."], drill=True))

    assert artifact_key("INC-7") == "inc-7-timeline"
    assert "# INC-7 · DRILL: Checkout fails" in markdown
    assert "| 2026-11-21 09:00:01 | a \\| b &lt;b>c | person:ana |" in markdown
    assert "- It is not resolved." in markdown


def test_a_long_timeline_shows_its_end() -> None:
    entries = [{"at": f"2026-11-21T09:00:00+{n}", "by": "x", "kind": "k", "sentence": f"entry {n}"} for n in range(250)]
    markdown = as_markdown(an_incident(timeline=entries))

    assert "50 earlier entries" in markdown
    assert "entry 249" in markdown
    assert "entry 49 " not in markdown
