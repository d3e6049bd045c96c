"""From the alert to CLOSED, in simulated time, and what monitors say on the way."""

import pytest

from incidents import commands as c
from incidents.impact import read_answers
from incidents.money import NoCompensationReason
from incidents.severity import Severity
from tests.support.plans import crisis_plan, eur, everybody, minutes, rung, someone, step
from tests.support.world import World

MONEY = everybody(someone("cleo", "sms", may_pay=("50", "5000")), someone("dora", "sms", may_pay=("500", "90000")))


def takes_charge(world: World, contact: str = "ana") -> None:
    world.phone(contact).rings().presses("4")


def the_customers_are_served(world: World, incident: str = "INC-1") -> None:
    """Everything that CLOSED needs after somebody has taken charge."""
    world.does(incident, c.Resolve("the certificate was renewed", "person:ana", "ana"))
    world.does(incident, c.ConfirmRecovery("three test orders went through", "person:ana"))
    nothing = world.pays("dora", None, reason=NoCompensationReason.TRIVIAL_IMPACT)
    world.does(incident, nothing)
    world.does(incident, c.InformCustomers("status page", "The shop works again.", "person:ana"))


def test_the_whole_story_from_the_alert_to_closed(world):
    world.given_plan(
        crisis_plan(
            rung("ana"),
            rung("bob"),
            steps=(step("look", within="15m"), step("mend", needs=("look",), evidence="what was changed")),
            update_every="30m",
        ),
        MONEY,
    )
    world.alert("ShopDown", "critical")
    world.phone("ana").rings().hears("SEV1").ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    incident = world.incident().is_now("acknowledged").is_led_by("bob")
    assert list(incident.state.steps) == ["look"]

    world.does("INC-1", c.CompleteStep("look", "the certificate has expired", "person:bob"))
    assert "asks for evidence: what was changed" in world.refuses("INC-1", c.CompleteStep("mend", " ", "person:bob"))
    world.does("INC-1", c.CompleteStep("mend", "a new certificate", "person:bob"))
    until = world.now + minutes(30)
    world.does("INC-1", c.PublishUpdate("customers", "We are on it.", until, "person:bob"))

    refusal = world.refuses("INC-1", c.Close("person:bob"))
    assert "It is not resolved." in refusal
    assert "Nobody has confirmed from the customers' side" in refusal
    assert "What the customers get has not been decided" in refusal
    assert "The customers have not been told the outcome." in refusal

    world.does("INC-1", c.Resolve("a new certificate", "person:bob", "bob"))
    world.incident().is_now("resolved").lacks("Nobody has confirmed")
    world.does("INC-1", c.ConfirmRecovery("three orders went through", "person:cleo"))
    world.does("INC-1", world.pays("cleo", eur("10"), 200))
    world.incident().lacks("have not been told").says("Compensation decided by cleo")
    world.does("INC-1", c.InformCustomers("e-mail", "You get 10 EUR.", "person:bob"))
    world.does("INC-1", c.Close("person:bob"))
    world.incident().is_now("closed")
    world.passes(days=30)
    world.no_phone_rings()


def test_the_first_page_is_in_the_declarations_own_commit(world):
    world.given_plan()
    world.network_is_down()
    world.alert("ShopDown")
    kinds = world.incident().kinds()
    assert kinds == ["IncidentDeclared", "EscalationStarted", "PageRequested"]
    assert [row.state for row in world.rows()] == ["pending"]


def test_a_repeated_alert_is_counted_and_calls_nobody_again(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings()
    before = world.incident().events
    assert [world.alert("ShopDown").outcome for _ in range(3)] == ["counted"] * 3
    assert world.incident().events == before
    assert world.key("ShopDown").count == 4
    world.no_phone_rings()


def test_a_mild_incident_that_recovers_by_itself_stops_and_tells_those_who_were_called(world):
    world.given_plan()
    world.alert("Slow", "warning")
    world.passes(minutes=5)
    world.phone("ana").rings()
    world.phone("bob").rings()
    world.recovers("Slow")
    world.phone("ana").is_told("recovered")
    world.phone("bob").is_told("recovered")
    world.phone("cleo").is_told_nothing()
    world.passes(days=2)
    world.no_phone_rings()
    world.incident().is_now("declared").is_led_by(None)


def test_a_mild_incident_that_fires_again_calls_people_again(world):
    world.given_plan()
    world.alert("Slow", "warning")
    world.phone("ana").rings()
    world.recovers("Slow")
    world.passes(hours=1)
    world.alert("Slow", "warning")
    world.phone("ana").rings()
    world.incident().is_in_round(2)
    assert world.incidents() == ["INC-1"]


def test_who_answers_after_it_recovered_by_itself_takes_charge_and_can_close_it(world):
    world.given_plan(people=MONEY)
    world.alert("Slow", "warning")
    ana = world.phone("ana").rings().ignores()
    world.recovers("Slow")
    ana.presses("4")
    world.incident().is_now("acknowledged").is_led_by("ana")
    the_customers_are_served(world)
    world.does("INC-1", c.Close("person:ana"))
    world.incident().is_now("closed")


def test_a_severe_incident_that_recovers_by_itself_goes_on_until_a_person_answers(world):
    world.given_plan()
    world.alert("ShopDown", "error")
    world.phone("ana").rings()
    world.recovers("ShopDown")
    world.phone("ana").is_told_nothing()
    world.passes(minutes=5)
    world.phone("bob").rings().hears("needs an owner").presses("4")
    world.incident().is_led_by("bob")


def test_it_recovers_only_when_every_signal_has(world):
    world.given_plan()
    world.alert("Slow", "warning")
    world.phone("ana").rings().ignores()
    world.does("INC-1", c.FoldSignal("monitor:Slower", "Slower fires", Severity.SEV3, "monitor:monitor"))
    world.recovers("Slow")
    world.passes(minutes=5)
    world.phone("bob").rings()


def test_a_machine_never_takes_charge(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.monitor_acknowledges("ShopDown")
    world.incident().is_now("declared").is_led_by(None).says("that stops nothing")
    world.passes(minutes=5)
    world.phone("bob").rings()


def test_a_machine_stops_the_calls_where_the_plan_says_so_but_takes_charge_of_nothing(world):
    world.given_plan(crisis_plan(machine_ack="stops"))
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.monitor_acknowledges("ShopDown")
    world.phone("ana").is_told("stop")
    world.incident().is_led_by(None)
    world.passes(days=1)
    world.no_phone_rings()


def test_a_trigger_after_the_machine_stopped_the_calls_calls_again_whatever_else_is_due(world):
    """Invariant 1: nobody has taken it, so an accepted trigger pages; a pending summary is not a live page."""
    world.given_plan(crisis_plan(machine_ack="stops", executives=("dora",), summary_every="4h"))
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.monitor_acknowledges("ShopDown")
    world.passes(minutes=10)
    world.no_phone_rings()
    world.alert("ShopDown")
    world.phone("ana").rings()


def test_a_worse_signal_raises_the_severity_and_a_milder_one_does_not_lower_it(world):
    world.given_plan()
    world.alert("ShopDown", "warning")
    world.phone("ana").rings().presses("4")
    world.alert("ShopDown", "critical")
    world.incident().is_rated("SEV1").is_in_round(2)
    world.phone("ana").rings().presses("4")
    world.alert("ShopDown", "info")
    world.incident().is_rated("SEV1").is_in_round(2)
    world.no_phone_rings()


def test_only_a_person_with_a_reason_lowers_the_severity(world):
    world.given_plan()
    world.alert("ShopDown", "critical")
    assert "reason" in world.refuses("INC-1", c.ChangeSeverity(Severity.SEV3, " ", "person:ana"))
    assert "Only a person" in world.refuses("INC-1", c.ChangeSeverity(Severity.SEV3, "calmer", "rule"))
    world.does("INC-1", c.ChangeSeverity(Severity.SEV3, "only the blog is down", "person:ana"))
    world.incident().is_rated("SEV3").is_in_round(1)


def test_a_trigger_after_resolution_reopens_it_with_a_new_round(world):
    world.given_plan()
    world.alert("ShopDown")
    takes_charge(world)
    world.does("INC-1", c.Resolve("restarted", "person:ana", "ana"))
    world.recovers("ShopDown")
    world.passes(hours=1)
    assert world.alert("ShopDown").outcome == "folded"
    world.incident().is_now("declared").is_in_round(2).is_led_by(None).says("fires again after it was resolved")
    world.phone("ana").rings()


def test_a_trigger_after_the_close_declares_a_new_incident(world):
    world.given_plan(people=MONEY)
    world.alert("ShopDown")
    takes_charge(world)
    the_customers_are_served(world)
    world.does("INC-1", c.Close("person:ana"))
    assert world.alert("ShopDown").outcome == "declared"
    assert world.incidents() == ["INC-1", "INC-2"]
    world.phone("ana").rings().hears("INC-2")


def test_a_trigger_after_standing_down_declares_a_new_incident(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.does("INC-1", c.StandDown("a test of the monitor", "person:ana"))
    world.incident().is_now("stood-down")
    assert world.alert("ShopDown").incident == "INC-2"


def test_those_who_were_called_are_told_when_it_is_stood_down(world):
    world.given_plan()
    world.alert("ShopDown")
    world.passes(minutes=5)
    world.does("INC-1", c.StandDown("a test of the monitor", "person:bob"))
    world.phone("ana").is_told("INC-1")
    world.all_ignore()
    world.passes(days=1)
    world.no_phone_rings()


def test_everybody_who_works_on_it_or_was_told_of_it_hears_that_it_was_nothing(world):
    world.given_plan(crisis_plan(rung("ana", tell=("cleo",)), rung("bob"), executives=("dora",), summary_every="2m"))
    world.alert("ShopDown")
    world.phone("ana").rings().ignores()
    world.phone("cleo").is_told("SEV1")
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    world.phone("ana").is_told("taken by Bob")
    world.phone("dora").is_told("SEV1")
    world.does("INC-1", c.StandDown("a film of last year", "person:bob"))
    for contact in ("ana", "cleo", "dora"):
        world.phone(contact).is_told("INC-1 is stood down by Bob: a film of last year")
    world.phone("bob").is_told_nothing()
    world.passes(days=30)
    world.no_phone_rings()


def test_who_never_heard_of_it_is_not_told_that_it_was_nothing(world):
    world.given_plan()
    world.alert("ShopDown")
    world.does("INC-1", c.StandDown("a test of the monitor", "person:dora"))
    world.phone("ana").is_told("stood down by Dora")
    world.phone("bob").is_told_nothing()
    world.phone("cleo").is_told_nothing()


def test_a_worse_answer_about_the_impact_calls_people_again_and_a_better_one_lowers_nothing(world):
    world.given_plan()
    world.alert("ShopDown", "warning")
    world.phone("ana").rings().presses("4")
    said = read_answers({"people": "death"}, world.plan.matrix)
    world.does("INC-1", c.AnswerImpact(said, "person:ana"))
    world.incident().is_rated("SEV1").is_in_round(2).says("Severity SEV3 became SEV1: People and safety: a death")
    world.phone("ana").rings().hears("SEV1").presses("4")
    world.does("INC-1", c.AnswerImpact(read_answers({"people": "none"}, world.plan.matrix), "person:ana"))
    world.incident().is_rated("SEV1").is_in_round(2).says("Impact: People and safety: nobody (SEV4)")
    world.no_phone_rings()


def test_what_was_merged_folds_into_the_other_from_now_on(world):
    world.given_plan()
    world.alert("ShopDown")
    takes_charge(world)
    world.alert("Payments")
    world.phone("ana").rings().hears("INC-2")
    world.does("INC-2", c.MergeInto("INC-1", "person:ana"))
    world.incident("INC-2").is_now("merged")
    world.passes(hours=1)
    world.no_phone_rings()
    assert world.alert("Payments").incident == "INC-1"
    assert "merged into INC-1" in world.refuses("INC-2", c.Close("person:ana"))


def test_reopening_starts_every_clock_anew(world):
    """Nobody is called about promises and deadlines of the incident's earlier life."""
    world.given_plan(crisis_plan(rung("ana"), update_every="30m", compensation_within="2h"), MONEY)
    world.alert("ShopDown")
    takes_charge(world)
    the_customers_are_served(world)
    world.does("INC-1", c.Close("person:ana"))
    world.passes(days=3)
    world.does("INC-1", c.Reopen("it is back", "person:bob"))
    takes_charge(world)
    world.passes(minutes=29, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("ana").rings().hears("update")


def test_who_resolves_what_nobody_has_taken_takes_it(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.does("INC-1", c.Resolve("it was a typo", "person:bob", "bob"))
    world.incident().is_now("resolved").is_led_by("bob")
    world.passes(hours=2)
    world.no_phone_rings()


def test_command_is_handed_over_only_by_what_has_been_taken(world):
    world.given_plan()
    world.alert("ShopDown")
    assert "acknowledge it first" in world.refuses("INC-1", c.HandOver("bob", "", "person:ana"))
    takes_charge(world)
    world.does("INC-1", c.HandOver("bob", "end of my shift", "person:ana"))
    world.incident().is_led_by("bob").says("bob is in command, after ana: end of my shift")


@pytest.mark.parametrize("at_minute", [0, 4, 5, 9, 12, 31])
def test_a_restart_in_the_middle_of_anything_gives_the_same_story(world, tmp_path_factory, at_minute):
    """The same script with and without a restart leaves the same log."""
    other = World(tmp_path_factory.mktemp("other"))
    plan = crisis_plan(rung("ana"), rung("bob"), steps=(step("look", within="10m"),), update_every="20m")
    for each in (world, other):
        each.given_plan(plan)
        each.phone("ana").gives_no_receipt("sms")
        each.alert("ShopDown")
        for minute in range(60):
            if minute == at_minute and each is world:
                each.restarts()
            if minute == 8:
                each.phone("bob").rings().presses("4")
            each.passes(minutes=1)
    assert world.incident().events == other.incident().events
    assert [(row.message_id, row.state) for row in world.rows()] == [
        (row.message_id, row.state) for row in other.rows()
    ]
    other.close()
