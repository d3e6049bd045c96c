"""The one function that decides: what is due at a moment, and when to look again. A table of logs and times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contacts.directory import QuietHours
from incidents import commands as c
from incidents.decide import decide, declare
from incidents.evolve import fold
from incidents.severity import Severity
from incidents.state import Incident, is_quiet
from runbooks.moves import AskDecision, IssueSummary, OpenStep, PageContact
from runbooks.next_moves import next_moves, owed_update_by
from runbooks.plan import Plan, Step
from tests.support.plans import crisis_plan, decision, everybody, hours, minutes, rung, someone, step

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = everybody()
PLAN = crisis_plan(rung("ana"), steps=(step("look", within="10m"), step("mend", needs=("look",), within="30m")))


def declared(severity: Severity = Severity.SEV1) -> Incident:
    command = c.Declare("INC-1", "Shop down", severity, "SHOP_DOWN", "p", "person:ana", dedup_key="k")
    state = fold(declare(command, NOW))
    assert state is not None
    return state


def after(state: Incident, command: c.Command, at: datetime = NOW) -> Incident:
    changed = fold(decide(state, command, at), state)
    assert changed is not None
    return changed


def taken(at: datetime = NOW) -> Incident:
    return after(declared(), c.Acknowledge("ana", "sms"), at)


def due(state: Incident, plan: Plan, at: datetime) -> list[str]:
    return [move.key for move in next_moves(state, plan, PEOPLE, at).due]


def only_for(each: Step, *severities: Severity) -> Step:
    return each.model_copy(update={"when": severities})


def test_while_nobody_has_taken_charge_only_people_are_called():
    assert due(declared(), PLAN, NOW + hours(5)) == ["page:1.r1.c1.1"]


def test_the_same_facts_give_the_same_keys():
    assert due(declared(), PLAN, NOW) == due(declared(), PLAN, NOW + minutes(9))


def test_whoever_takes_charge_finds_the_steps_that_wait_for_nothing():
    assert due(taken(), PLAN, NOW) == ["open-step:look"]


def test_the_moves_are_in_the_order_in_which_they_came_due():
    plan = crisis_plan(rung("ana"), steps=(step("look"),), executives=("bob",), summary_every="30m")
    assert due(taken(NOW + minutes(45)), plan, NOW + hours(2)) == [
        "summary:1",
        "open-step:look",
        "ask-decision:compensation",
    ]


def test_nothing_is_due_of_what_has_ended():
    ended = after(declared(), c.StandDown("a test", "person:ana"))
    assert next_moves(ended, PLAN, PEOPLE, NOW + hours(9)) == next_moves(ended, PLAN, PEOPLE, NOW)
    assert next_moves(ended, PLAN, PEOPLE, NOW).wake_at is None


@pytest.mark.parametrize(("severity", "opens"), [(Severity.SEV1, True), (Severity.SEV3, False)])
def test_a_step_opens_only_for_the_severities_it_is_for(severity, opens):
    plan = crisis_plan(rung("ana"), steps=(only_for(step("call-the-press"), Severity.SEV1, Severity.SEV2),))
    state = after(declared(severity), c.Acknowledge("ana", "sms"))
    assert (due(state, plan, NOW) == ["open-step:call-the-press"]) == opens


def test_a_step_that_does_not_apply_holds_nobody_up():
    plan = crisis_plan(rung("ana"), steps=(only_for(step("look"), Severity.SEV4), step("mend", needs=("look",))))
    assert due(taken(), plan, NOW) == ["open-step:mend"]


def test_a_step_counts_from_the_declaration_but_leaves_at_least_five_minutes():
    def deadline(taken_at: datetime) -> datetime:
        (move,) = next_moves(taken(taken_at), PLAN, PEOPLE, taken_at).due
        assert isinstance(move, OpenStep)
        return move.step_due_at

    assert deadline(NOW + minutes(2)) == NOW + minutes(10)
    assert deadline(NOW + minutes(30)) == NOW + minutes(35)


def test_a_decision_is_asked_with_its_deadline():
    plan = crisis_plan(rung("ana"), steps=(step("look"),), decisions=(decision("recall", decider="bob", within="1h"),))
    asked = [move for move in next_moves(taken(), plan, PEOPLE, NOW).due if isinstance(move, AskDecision)]
    assert [(move.decision, move.decider, move.decide_by) for move in asked] == [("recall", "bob", NOW + hours(1))]


def test_what_the_customers_get_is_asked_an_hour_in_or_at_the_resolution():
    assert "ask-decision:compensation" not in due(taken(), PLAN, NOW + minutes(59))
    assert "ask-decision:compensation" in due(taken(), PLAN, NOW + minutes(60))
    resolved = after(taken(), c.Resolve("restarted", "person:ana", "ana"), NOW + minutes(7))
    assert "ask-decision:compensation" in due(resolved, PLAN, NOW + minutes(7))


def test_after_the_resolution_no_step_opens_any_more():
    resolved = after(taken(), c.Resolve("restarted", "person:ana", "ana"))
    assert not [key for key in due(resolved, PLAN, NOW + hours(5)) if key.startswith("open-step")]


def test_an_update_is_owed_by_cadence_then_by_promise_and_not_after_the_end():
    plan = crisis_plan(rung("ana"), update_every="30m")
    assert owed_update_by(taken(), plan) == NOW + minutes(30)
    promised = after(taken(), c.PublishUpdate("customers", "On it.", NOW + minutes(50), "person:ana"))
    assert owed_update_by(promised, plan) == NOW + minutes(50)
    assert owed_update_by(after(promised, c.StandDown("a test", "person:ana", told="It was a test.")), plan) is None
    assert owed_update_by(taken(), PLAN) is None


def test_executives_who_cannot_be_reached_get_no_summary_and_nobody_gets_two():
    plan = crisis_plan(rung("ana"), executives=("bob", "ghost", "bob"), summary_every="30m")
    (summary,) = [
        move for move in next_moves(taken(), plan, PEOPLE, NOW + minutes(30)).due if isinstance(move, IssueSummary)
    ]
    assert summary.recipients == ("bob",)


def test_it_wakes_at_the_earliest_of_everything():
    plan = crisis_plan(
        rung("ana"), steps=(step("look", within="20m"),), update_every="30m", executives=("bob",), summary_every="25m"
    )
    state = taken()
    assert next_moves(state, plan, PEOPLE, NOW).wake_at == NOW + minutes(25)


def test_a_situation_that_a_new_plan_no_longer_knows_is_still_paged():
    unknown = declared()
    plan = crisis_plan(rung("ana")).model_copy(update={"situations": {}})
    moves = next_moves(unknown, plan, PEOPLE, NOW).due
    assert [move.contact for move in moves if isinstance(move, PageContact)] == ["ana"]


def test_what_ignores_quiet_hours_wakes_people_for_a_minor_incident():
    night = QuietHours(after="22:00", until="07:00", severities=(Severity.SEV3, Severity.SEV4))
    sleepers = everybody(*(someone(each, quiet_hours=(night,)) for each in ("ana", "bob", "cleo", "dora")))
    at = NOW.replace(hour=23)

    def pages(state: Incident) -> bool:
        moves = next_moves(state, PLAN, sleepers, at).due
        return any(isinstance(move, PageContact) for move in moves)

    minor = c.Declare("INC-1", "Slow", Severity.SEV4, "SHOP_DOWN", "p", "rule", dedup_key="k")
    quiet = fold(declare(minor, at))
    woken = fold(declare(replace(minor, wakes=True), at))
    assert quiet is not None
    assert woken is not None
    assert not pages(quiet)
    assert pages(woken)
    joined = after(quiet, c.FoldSignal("other", "Danger", Severity.SEV4, "rule", wakes=True), at)
    assert pages(joined)


def test_quiet_is_what_recovered_before_anybody_took_charge():
    mild = declared(Severity.SEV3)
    recovered = after(mild, c.RecoverSignal("k", "k", "monitor:m"))
    assert not is_quiet(mild)
    assert is_quiet(recovered)
    assert not is_quiet(after(recovered, c.Acknowledge("ana", "sms")))


def test_a_new_round_of_a_reopened_incident_is_called_from_the_first_rung():
    resolved = after(taken(), c.Resolve("restarted", "person:ana", "ana"))
    reopened = after(resolved, c.Reopen("it is back", "person:bob"), NOW + timedelta(days=2))
    assert due(reopened, PLAN, NOW + timedelta(days=2)) == ["page:2.r1.c1.1"]
