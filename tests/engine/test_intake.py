"""What becomes of one signal: declared, folded, counted, recovered, noted or dropped."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents import commands as c
from incidents.severity import Severity
from signals.integration import Integration, Route
from signals.signal import Signal
from storage import keys
from tests.support.memory import Memory
from tests.support.plans import crisis_plan, everybody

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def key(memory: Memory, name: str = "ShopDown") -> keys.OpenKey:
    found = memory.do(lambda tx: keys.lookup(tx, f"monitor:{name}"))
    assert found is not None
    return found


def test_a_new_key_declares_an_incident_and_pages_in_the_same_transaction(memory):
    heard = memory.hears("trigger", "ShopDown", NOW, "error")
    assert (heard.outcome, heard.incident) == ("declared", "INC-1")
    state = memory.state()
    assert (state.severity, state.situation, state.declared_by) == (Severity.SEV2, "SHOP_DOWN", "monitor:monitor")
    assert state.because[0] == "monitor reports: ShopDown fires"
    assert [row.state for row in memory.rows()] == ["pending"]
    assert key(memory) == keys.OpenKey("INC-1", 1, True, "SEV2")


def test_a_repeat_is_counted_beside_the_log(memory):
    memory.hears("trigger", "ShopDown", NOW)
    version = memory.state().version
    assert memory.hears("trigger", "ShopDown", NOW).outcome == "counted"
    assert memory.state().version == version
    assert key(memory).count == 2


def test_a_repeat_that_is_worse_folds_in_and_one_that_is_milder_is_counted(memory):
    memory.hears("trigger", "ShopDown", NOW, "warning")
    assert memory.hears("trigger", "ShopDown", NOW, "critical").outcome == "folded"
    assert memory.hears("trigger", "ShopDown", NOW, "info").outcome == "counted"
    assert memory.state().severity is Severity.SEV1


def test_after_a_person_lowered_the_severity_a_repeat_does_not_raise_it_again(memory):
    memory.hears("trigger", "ShopDown", NOW, "critical")
    memory.apply(c.ChangeSeverity(Severity.SEV3, "only the blog", "person:ana"), NOW)
    assert memory.hears("trigger", "ShopDown", NOW, "critical").outcome == "counted"
    assert memory.state().severity is Severity.SEV3


def test_different_keys_are_different_incidents(memory):
    assert memory.hears("trigger", "ShopDown", NOW).incident == "INC-1"
    assert memory.hears("trigger", "Payments", NOW).incident == "INC-2"


def test_a_recovery_is_heard_once(memory):
    memory.hears("trigger", "ShopDown", NOW)
    assert memory.hears("resolve", "ShopDown", NOW).outcome == "recovered"
    assert memory.hears("resolve", "ShopDown", NOW).outcome == "dropped"
    assert not key(memory).firing


@pytest.mark.parametrize("action", ["resolve", "acknowledge"])
def test_what_was_never_triggered_can_neither_recover_nor_be_acknowledged(memory, action):
    assert memory.hears(action, "ShopDown", NOW).outcome == "dropped"


def test_a_signal_that_no_route_takes_is_kept_and_said_to_be_unrouted():
    memory = Memory(crisis_plan(), everybody(), NOW)
    picky = Integration(
        name="picky",
        kind="signals",
        key="picky-key-0123456789",
        routes=(Route(match={"team": "shop"}, situation="SHOP_DOWN"),),
    )
    signal = Signal("trigger", "k", "something", "monitor", labels={"team": "blog"})
    assert [each.outcome for each in memory.do(lambda tx: memory.intake.hear(tx, picky, [signal], NOW))] == ["unrouted"]


def test_the_first_route_that_matches_decides_and_its_own_severity_stands(memory):
    strict = Integration(
        name="strict",
        kind="signals",
        key="strict-key-0123456789",
        severity_words={"critical": Severity.SEV1},
        routes=(
            Route(match={"team": "shop"}, situation="SHOP_DOWN", severity=Severity.SEV4),
            Route(situation="DRILL"),
        ),
    )
    signal = Signal("trigger", "k", "something", "monitor", "critical", {"team": "shop"})
    memory.do(lambda tx: memory.intake.hear(tx, strict, [signal], NOW))
    state = memory.state()
    assert (state.situation, state.severity) == ("SHOP_DOWN", Severity.SEV4)
    assert "the plan rates it SEV4" in state.because[1]


def test_equal_keys_of_two_senders_are_two_things(memory):
    other = memory.book.plan.integrations[0].model_copy(update={"name": "other"})
    memory.hears("trigger", "ShopDown", NOW)
    signal = Signal("trigger", "ShopDown", "down", "other")
    (heard,) = memory.do(lambda tx: memory.intake.hear(tx, other, [signal], NOW))
    assert heard.outcome == "declared"


def test_the_raw_body_that_changed_something_is_kept_as_it_came(memory):
    signal = Signal("trigger", "k", "down", "monitor", body=b'{"so": "it came"}')
    integration = memory.book.plan.integrations[0]
    memory.do(lambda tx: memory.intake.hear(tx, integration, [signal, signal], NOW))
    kept = memory.do(lambda tx: tx.all("SELECT incident_id, action, body FROM signals"))
    assert kept == [("INC-1", "trigger", b'{"so": "it came"}')]


def test_the_signals_of_one_body_are_taken_in_order(memory):
    integration = memory.book.plan.integrations[0]
    body = [
        Signal("trigger", "a", "a", "m"),
        Signal("trigger", "b", "b", "m"),
        Signal("resolve", "a", "a", "m"),
        Signal("trigger", "a", "a", "m"),
    ]
    heard = memory.do(lambda tx: memory.intake.hear(tx, integration, body, NOW))
    assert [each.outcome for each in heard] == ["declared", "declared", "recovered", "folded"]
    assert [each.incident for each in heard] == ["INC-1", "INC-2", "INC-1", "INC-1"]


def test_a_signal_of_an_incident_that_was_set_aside_declares_a_new_one(memory):
    memory.hears("trigger", "ShopDown", NOW)
    memory.do(lambda tx: tx.execute("UPDATE incidents SET quarantined = 'broken'"))
    heard = memory.hears("trigger", "ShopDown", NOW)
    assert (heard.outcome, heard.incident) == ("declared", "INC-2")
    assert memory.hears("resolve", "ShopDown", NOW).incident == "INC-2"


@pytest.mark.parametrize("end", [c.StandDown("a test", "person:ana"), c.MergeInto("INC-2", "person:ana")])
def test_an_incident_that_ended_lets_go_of_its_keys(memory, end):
    memory.hears("trigger", "ShopDown", NOW)
    memory.hears("trigger", "Payments", NOW)
    memory.apply(end, NOW)
    heard = memory.hears("trigger", "ShopDown", later(5))
    assert heard.incident == ("INC-2" if isinstance(end, c.MergeInto) else "INC-3")


def test_a_monitors_acknowledgement_is_noted_and_stops_nothing(memory):
    memory.hears("trigger", "ShopDown", NOW)
    assert memory.hears("acknowledge", "ShopDown", NOW).outcome == "noted"
    assert memory.state().live_round is not None


def test_an_incident_that_is_reopened_takes_its_keys_back_unless_another_has_them(memory):
    memory.hears("trigger", "ShopDown", NOW)
    memory.hears("trigger", "Payments", NOW)
    for incident in ("INC-1", "INC-2"):
        memory.apply(c.StandDown("a test", "person:ana"), NOW, incident)
    assert memory.hears("trigger", "Payments", NOW).incident == "INC-3"
    for incident in ("INC-1", "INC-2"):
        memory.apply(c.Reopen("it was none", "person:ana"), NOW, incident)
    assert memory.hears("trigger", "ShopDown", NOW).incident == "INC-1"
    assert memory.hears("trigger", "Payments", NOW).incident == "INC-3"
