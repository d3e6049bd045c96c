"""What is overdue calls people: steps, updates, decisions, the close. Executives are told on their cadence."""

import itertools

from incidents import commands as c
from incidents.money import NoCompensationReason
from tests.support.plans import crisis_plan, decision, everybody, hours, minutes, rung, someone, step


def test_an_overdue_step_calls_its_owner_then_the_ladder(world):
    world.given_plan(crisis_plan(rung("bob"), rung("ana"), steps=(step("look", owner="cleo", within="10m"),)))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(minutes=9, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("cleo").rings().hears("look").ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().ignores()
    world.passes(minutes=5)
    world.phone("ana").rings()


def test_a_step_done_at_last_stops_the_calls(world):
    world.given_plan(crisis_plan(rung("bob"), rung("ana"), steps=(step("look", owner="cleo", within="10m"),)))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(minutes=12)
    world.phone("cleo").rings()
    world.does("INC-1", c.CompleteStep("look", "", "person:cleo"))
    world.passes(days=1)
    world.no_phone_rings()
    world.incident().says("Stopped calling people (step-look): step look is done")


def test_a_step_that_stays_overdue_calls_again_after_the_answer(world):
    world.given_plan(
        crisis_plan(rung("bob"), steps=(step("look", owner="cleo", within="10m"),), page_again_after="15m")
    )
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(minutes=11)
    world.phone("cleo").rings().presses("4")
    world.incident().is_led_by("bob").says("cleo took step-look")
    world.passes(minutes=14, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("cleo").rings()


def test_two_steps_whose_names_resemble_each_other_are_called_about_separately(world):
    world.given_plan(
        crisis_plan(
            rung("bob"),
            steps=(step("look", owner="ana", within="10m"), step("look-2", owner="cleo", within="20m")),
            page_again_after="5m",
        )
    )
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(minutes=10)
    world.phone("ana").rings().presses("4")
    world.passes(minutes=5)
    world.phone("ana").rings().ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings().hears("look-2")


def test_a_step_waits_for_those_it_needs(world):
    world.given_plan(crisis_plan(rung("bob"), steps=(step("look"), step("mend", needs=("look",), within="10m"))))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(hours=2)
    assert list(world.incident().state.steps) == ["look"]
    world.does("INC-1", c.SkipStep("look", "we can see it", "person:bob"))
    assert world.incident().state.steps["mend"].due_at == world.now + minutes(10)


def test_no_step_opens_before_somebody_has_taken_charge(world):
    world.given_plan(crisis_plan(rung("bob"), steps=(step("look"),)))
    world.alert("ShopDown")
    world.passes(hours=2)
    assert world.incident().state.steps == {}


def test_a_missed_update_calls_the_commander_then_the_ladder(world):
    world.given_plan(crisis_plan(rung("bob"), rung("cleo"), update_every="30m"))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(minutes=29, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("bob").rings().hears("update promised for 09:30").ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings()
    world.does("INC-1", c.PublishUpdate("customers", "Still on it.", world.now + hours(1), "person:cleo"))
    world.passes(minutes=59)
    world.no_phone_rings()
    world.passes(minutes=1)
    world.phone("bob").rings()


def test_an_update_must_promise_the_next_one(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    assert "by when" in world.refuses("INC-1", c.PublishUpdate("customers", "On it.", None, "person:ana"))
    late = c.PublishUpdate("customers", "On it.", world.now, "person:ana")
    assert "later than now" in world.refuses("INC-1", late)


def test_an_overdue_decision_calls_its_decider(world):
    world.given_plan(crisis_plan(rung("bob"), decisions=(decision("recall", decider="cleo", within="1h"),)))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.phone("cleo").is_told("Recall?")
    world.passes(minutes=59, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("cleo").rings().hears("recall")
    world.does("INC-1", c.Decide("recall", "YES", "somebody was hurt", "person:cleo"))
    world.passes(days=1)
    world.no_phone_rings()
    world.incident().says("Decided recall: yes, because somebody was hurt")


def test_a_decision_is_made_once_among_its_options_and_with_a_reason(world):
    world.given_plan(crisis_plan(rung("bob"), decisions=(decision("recall", decider="cleo", within="1h"),)))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    assert "not an option" in world.refuses("INC-1", c.Decide("recall", "maybe", "?", "person:cleo"))
    assert "reason" in world.refuses("INC-1", c.Decide("recall", "no", "", "person:cleo"))
    assert "no decision 'sale'" in world.refuses("INC-1", c.Decide("sale", "no", "x", "person:cleo"))
    world.does("INC-1", c.Decide("recall", "no", "nobody was hurt", "person:cleo"))
    assert "was decided by person:cleo" in world.refuses("INC-1", c.Decide("recall", "yes", "x", "person:bob"))


def test_silence_decides_nothing(world):
    """Invariant 10: a day goes by, everybody is called, nobody answers, and no decision is made."""
    plan = crisis_plan(
        rung("bob"),
        decisions=(decision("recall", decider="cleo", within="1h"),),
        compensation_within="4h",
        update_every="1h",
    )
    world.given_plan(plan, everybody(someone("dora", "sms", may_pay=("500", "9000"))))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(days=1)
    state = world.incident().state
    assert state.compensation is None
    assert state.updates == ()
    assert {each.choice for each in state.decisions.values()} == {None}
    assert "PageRequested" in world.incident().kinds()


def test_compensation_is_asked_an_hour_after_the_declaration_and_overdue_calls_those_who_can_decide_it(world):
    people = everybody(someone("cleo", "sms", may_pay=("50", "5000")), someone("dora", "sms", may_pay=("500", "90000")))
    world.given_plan(crisis_plan(rung("bob"), compensation_within="4h", decider="dora"), people)
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.passes(hours=1)
    world.phone("dora").is_told("What do the customers get?")
    world.passes(hours=3)
    world.phone("dora").rings().ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings()
    world.does("INC-1", world.pays("cleo", None, reason=NoCompensationReason.NOT_AFFECTED))
    world.passes(days=1)
    world.no_phone_rings()


def test_what_is_resolved_but_not_closed_calls_the_commander(world):
    world.given_plan(crisis_plan(rung("bob"), compensation_within="4h"))
    world.alert("ShopDown")
    world.phone("bob").rings().presses("4")
    world.does("INC-1", c.Resolve("restarted", "person:bob", "bob"))
    world.passes(minutes=1)
    world.does("INC-1", c.ConfirmRecovery("orders go through", "person:bob"))
    world.passes(hours=4)
    world.phone("dora").rings()
    world.phone("bob").rings().hears("not closed")


def test_executives_are_told_on_their_cadence_even_while_nobody_has_taken_charge(world):
    world.given_plan(crisis_plan(rung("ana"), executives=("cleo",), summary_every="30m"))
    world.alert("ShopDown")
    world.passes(minutes=95)
    told = [ring.at for ring in world.phone("cleo").told]
    assert [after - before for before, after in itertools.pairwise(told)] == [minutes(30), minutes(30)]
    world.phone("cleo").is_told("nobody")


def test_after_downtime_one_summary_goes_out_and_not_all_that_were_missed(world):
    world.given_plan(crisis_plan(rung("ana"), executives=("cleo",), summary_every="30m"))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.engine_is_down(hours=5)
    assert len(world.phone("cleo").told) == 1


def test_summaries_end_with_the_resolution(world):
    world.given_plan(crisis_plan(rung("ana"), executives=("cleo",), summary_every="30m"))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.Resolve("restarted", "person:ana", "ana"))
    world.passes(hours=5)
    world.phone("cleo").is_told_nothing()


def test_what_recovered_by_itself_and_was_never_taken_is_not_left_open_for_ever(world):
    world.given_plan(crisis_plan(rung("ana"), last=("cleo",)))
    world.alert("ShopSlow", "warning")
    world.phone("ana").rings().ignores()
    world.recovers("ShopSlow")
    world.passes(days=59)
    world.no_phone_rings()
    world.passes(days=2)
    world.phone("ana").rings().hears("still open")
