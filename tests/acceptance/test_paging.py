"""Calling people, as those who are called live through it."""

import itertools

import pytest

from incidents import commands as c
from incidents.events import PageFailure
from incidents.severity import Severity
from runbooks.plan import Backoff
from tests.support.plans import crisis_plan, everybody, minutes, rung, someone

THREE_RUNGS = crisis_plan(rung("ana"), rung("bob"), rung("cleo"), last=("dora",))


def test_when_nobody_answers_the_next_one_is_called(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().hears("INC-1").ignores()
    world.passes(minutes=4, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("bob").rings().ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings().ignores()
    world.passes(minutes=5)
    world.phone("dora").rings().presses("4")
    world.incident("INC-1").is_now("acknowledged").is_led_by("dora")
    world.passes(hours=24)
    world.no_phone_rings()


def test_a_pass_calls_the_next_one_at_once(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("6")
    world.phone("bob").rings()
    world.incident("INC-1").is_now("declared").says("ana passed")


def test_an_escalation_calls_the_next_one_at_once(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("5")
    world.phone("bob").rings().presses("5")
    world.phone("cleo").rings()
    world.incident("INC-1").says("bob escalated")


def test_who_escalates_does_not_wait_for_the_others_on_their_rung(world):
    world.given_plan(crisis_plan(rung("ana", "bob"), rung("cleo")))
    world.alert("ShopDown")
    world.phone("bob").rings().ignores()
    world.phone("ana").rings().presses("5")
    world.phone("cleo").rings()


def test_who_passes_leaves_it_to_the_others_on_their_rung(world):
    world.given_plan(crisis_plan(rung("ana", "bob"), rung("cleo")))
    world.alert("ShopDown")
    world.phone("bob").rings().ignores()
    world.phone("ana").rings().presses("6")
    world.no_phone_rings()
    world.phone("bob").presses("6")
    world.phone("cleo").rings()


def test_everybody_on_a_rung_is_called_at_once(world):
    world.given_plan(crisis_plan(rung("ana", "bob"), rung("cleo")))
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.phone("bob").rings()
    world.passes(minutes=5)
    world.phone("cleo").rings()


def test_an_answer_stops_everything_and_the_others_are_told(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.passes(minutes=5)
    world.phone("ana").rings().ignores()
    world.phone("bob").rings().presses("4")
    world.phone("ana").is_told("Bob")
    world.phone("bob").is_told_nothing()
    world.passes(days=2)
    world.no_phone_rings()


def test_a_late_answer_joins_as_support(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    ana = world.phone("ana").rings().ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    world.passes(minutes=1)
    ana.presses("4")
    world.incident("INC-1").is_led_by("bob").says("ana joined as support")
    world.no_phone_rings()


def test_the_answer_to_an_early_page_still_takes_charge(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    ana = world.phone("ana").rings().ignores()
    world.passes(minutes=6)
    world.phone("bob").rings().ignores()
    ana.presses("4")
    world.incident("INC-1").is_now("acknowledged").is_led_by("ana")
    world.passes(hours=1)
    world.no_phone_rings()


@pytest.mark.parametrize("failure", [each for each in PageFailure if each is not PageFailure.NO_RECEIPT])
def test_a_failed_delivery_moves_on_at_once_to_the_next_channel(world, failure):
    world.given_plan(THREE_RUNGS)
    world.phone("ana").fails(failure, by="sms")
    world.alert("ShopDown")
    world.phone("ana").rings(by="voice")
    world.phone("bob").is_silent()


@pytest.mark.parametrize("failure", [each for each in PageFailure if each is not PageFailure.NO_RECEIPT])
def test_when_no_channel_is_left_the_next_rung_is_called_at_once(world, failure):
    world.given_plan(THREE_RUNGS)
    world.phone("ana").fails(failure)
    world.alert("ShopDown")
    world.phone("ana").is_silent()
    world.phone("bob").rings()


@pytest.mark.parametrize("failure", [each for each in PageFailure if each is not PageFailure.NO_RECEIPT])
def test_on_the_last_rung_too_a_failed_delivery_moves_on_at_once(world, failure):
    world.given_plan(crisis_plan(rung("ana"), last=("cleo", "dora")))
    world.phone("dora").fails(failure, by="sms")
    world.alert("ShopDown")
    world.passes(minutes=5)
    world.phone("dora").rings(by="voice")
    world.phone("cleo").rings(by="sms").is_silent()


@pytest.mark.parametrize("failure", [each for each in PageFailure if each is not PageFailure.NO_RECEIPT])
def test_a_direct_page_that_fails_moves_on_at_once(world, failure):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.phone("cleo").fails(failure, by="sms")
    world.does("INC-1", c.PagePeople(("cleo",), "your database is on fire", "person:ana"))
    world.phone("cleo").rings(by="voice").hears("database")


def test_a_page_without_a_receipt_for_a_minute_counts_as_failed(world):
    world.given_plan(THREE_RUNGS)
    world.phone("ana").gives_no_receipt(by="sms")
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms")
    world.passes(seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("ana").rings(by="voice")


def test_after_an_unknown_outcome_the_same_channel_is_repeated_marked_only_when_no_other_is_left(world):
    world.given_plan(crisis_plan(rung("ana")), everybody(someone("ana", "sms")))
    world.phone("ana").fails(PageFailure.UNKNOWN)
    world.alert("ShopDown")
    world.phone("dora").rings()
    world.phone("ana").works_again()
    world.passes(seconds=29)
    world.phone("ana").is_silent()
    world.passes(seconds=1)
    world.phone("ana").rings(by="sms")
    world.incident("INC-1").says("possibly a duplicate")
    assert [page.possible_duplicate for page in world.incident().state.pages.values()] == [False, False, True]


def test_after_an_unknown_outcome_another_channel_that_works_is_enough(world):
    world.given_plan(crisis_plan(rung("ana")))
    world.phone("ana").fails(PageFailure.UNKNOWN, by="sms")
    world.alert("ShopDown")
    world.phone("ana").rings(by="voice")
    world.passes(minutes=4, seconds=59)
    world.no_phone_rings()
    assert not any(page.possible_duplicate for page in world.incident().state.pages.values())


def test_a_page_found_at_the_provider_after_all_is_not_repeated(world):
    world.given_plan(crisis_plan(rung("ana")), everybody(someone("ana", "sms")))
    world.phone("ana").fails(PageFailure.UNKNOWN)
    world.alert("ShopDown")
    world.phone("dora").rings()
    world.passes(seconds=5)
    world.report(c.RecordProven("1.INC-1.1.r1.c1.1", "SM9", "provider:sms"))
    world.passes(minutes=4)
    world.no_phone_rings()


def test_while_a_repeat_is_on_its_way_the_rung_after_it_still_moves_on(world):
    """The copy of rung 1 must not hold up rung 2, whose page fails meanwhile."""
    world.given_plan(
        crisis_plan(rung("ana"), rung("bob"), rung("cleo")), everybody(someone("ana", "sms"), someone("bob", "sms"))
    )
    world.phone("ana").fails(PageFailure.UNKNOWN)
    world.alert("ShopDown")
    world.phone("bob").rings()
    world.network_is_down()
    world.passes(seconds=30)
    world.report(c.RecordFailed("1.INC-1.1.r2.c1.1", PageFailure.UNDELIVERED, "", "provider:sms"))
    assert [page.contact for page in world.incident().state.pages.values()] == ["ana", "bob", "ana", "cleo"]


def test_a_rung_on_which_nobody_stands_is_skipped_at_once_with_its_reason(world):
    world.given_plan(crisis_plan(rung("role:nobody"), rung("bob")))
    world.alert("ShopDown")
    world.phone("bob").rings()
    world.incident("INC-1").says("Rung 1 was skipped: role:nobody is nobody")


def test_a_ladder_on_which_nobody_stands_goes_to_the_last_rung_at_once(world):
    world.given_plan(crisis_plan(rung("role:nobody"), rung("role:nobody-else"), last=("dora",)))
    world.alert("ShopDown")
    world.phone("dora").rings()


def test_a_person_who_stands_on_the_ladder_twice_is_called_once(world):
    world.given_plan(crisis_plan(rung("ana"), rung("ana", "bob"), rung("ana"), rung("cleo")))
    world.alert("ShopDown")
    world.phone("ana").rings()
    world.passes(minutes=5)
    world.phone("bob").rings()
    world.passes(minutes=5)
    world.phone("cleo").rings()
    world.phone("ana").is_silent()
    world.incident("INC-1").says("Rung 3 was skipped: ana is already paged")


def test_a_rung_may_repeat_on_the_other_channel_while_it_waits(world):
    world.given_plan(crisis_plan(rung("ana", wait="10m", repeat="2m", times=2), rung("bob")))
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms")
    world.passes(minutes=2)
    world.phone("ana").rings(by="voice")
    world.passes(minutes=2)
    world.phone("ana").rings(by="sms")
    world.passes(minutes=5, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("bob").rings()


def test_nobody_answers_for_two_days_and_it_never_ends_in_silence(world):
    world.given_plan(
        crisis_plan(rung("ana"), last=("cleo", "dora"), again=Backoff(every=minutes(5), at_most=minutes(30)))
    )
    world.alert("ShopDown")
    world.passes(hours=48)
    called = sorted(ring.at for name in ("ana", "cleo", "dora") for ring in world.phone(name).rang)
    gaps = [after - before for before, after in itertools.pairwise(called)]
    assert max(gaps) == minutes(30)
    assert gaps[:6] == [minutes(5), minutes(0), minutes(5), minutes(0), minutes(10), minutes(0)]
    assert world.now - called[-1] <= minutes(30)
    world.phone("dora").rings().presses("4")
    world.all_ignore()
    world.passes(hours=48)
    world.no_phone_rings()


def test_when_every_phone_is_dead_it_still_never_ends_in_silence(world):
    world.given_plan(crisis_plan(rung("ana"), last=("dora",)), everybody(someone("dora", "sms")))
    for name in ("ana", "dora"):
        world.phone(name).fails(PageFailure.PROVIDER_ERROR)
    world.alert("ShopDown")
    world.passes(minutes=40)
    tried = len(world.phone("dora").rang)
    assert tried >= 2 * 40
    world.phone("dora").works_again()
    world.passes(seconds=30)
    world.phone("dora").rings()


def test_who_passed_on_the_last_rung_is_called_again_when_nobody_else_is_left(world):
    world.given_plan(crisis_plan(rung("ana"), last=("ana",)), everybody(someone("ana", "sms")))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("6")
    world.passes(hours=2)
    world.phone("ana").rings()


def test_the_channels_of_a_ladder_nobody_can_be_reached_on_appear_with_the_directory(world):
    world.given_plan(crisis_plan(rung("ghost"), last=("ghost",)), everybody())
    nobody = world.people.model_copy(update={"contacts": ()})
    world.given_people(nobody)
    world.alert("ShopDown")
    world.passes(hours=1)
    world.no_phone_rings()
    world.incident("INC-1").says("nobody at all can be reached")
    world.given_people(everybody(someone("ghost", "sms")))
    world.phone("ghost").rings()


def test_after_downtime_one_rung_is_called_and_the_next_no_sooner_than_a_minute_later(world):
    world.given_plan(crisis_plan(rung("ana", wait="20s"), rung("bob", wait="20s"), rung("cleo", wait="20s")))
    world.alert("ShopDown")
    world.phone("ana").rings().ignores()
    world.engine_is_down(hours=1)
    world.phone("bob").rings().ignores()
    world.no_phone_rings()
    world.passes(seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("cleo").rings()
    world.passes(seconds=20)
    world.phone("dora").rings()


def test_a_rung_waits_from_its_recorded_departure(world):
    world.given_plan(THREE_RUNGS)
    world.network_is_down()
    world.alert("ShopDown")
    world.passes(seconds=40)
    world.network_is_back()
    world.phone("ana").rings()
    world.passes(minutes=4, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("bob").rings()


def test_pages_that_have_not_left_when_somebody_answers_never_leave(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    ana = world.phone("ana").rings().ignores()
    world.network_is_down()
    world.passes(minutes=5)
    ana.presses("4")
    world.network_is_back()
    world.passes(hours=1)
    world.no_phone_rings()
    assert [row.state for row in world.rows() if row.contact == "bob"] == ["stale"]


def test_a_drill_reaches_only_consoles_and_those_who_opted_in(world):
    people = everybody(
        someone("ana", "sms", "console"), someone("bob", "sms"), someone("cleo", "sms", "voice", drills=True)
    )
    world.given_plan(crisis_plan(rung("ana"), rung("bob"), rung("cleo"), executives=("bob", "cleo")), people)
    world.alert("Drill")
    world.phone("ana").rings(by="console").hears("DRILL")
    world.passes(minutes=5)
    world.phone("cleo").rings(by="sms").hears("DRILL")
    world.incident("INC-1").says("bob has no channel that a drill may use")
    world.passes(hours=24)
    assert {row.contact for row in world.rows() if row.channel != "console"} == {"cleo"}


def test_a_restart_at_any_moment_changes_nothing_of_what_is_called(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    for _ in range(16):
        world.passes(minutes=1)
        world.restarts()
    called = [
        (name, ring.at - world.incident().state.declared_at)
        for name in ("ana", "bob", "cleo")
        for ring in world.phone(name).rang
    ]
    assert called == [("ana", minutes(0)), ("bob", minutes(5)), ("cleo", minutes(10))]
    assert world.phone("dora").rang[0].at - world.incident().state.declared_at == minutes(15)


def test_a_direct_page_repeats_until_they_answer(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.PagePeople(("cleo",), "we need the database", "person:ana"))
    world.phone("cleo").rings().hears("we need the database").ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings().presses("4")
    world.incident("INC-1").is_led_by("ana").says("cleo took direct-1")
    world.passes(hours=2)
    world.no_phone_rings()


def test_a_direct_page_for_somebody_unreachable_calls_the_last_rung_and_not_the_whole_directory(world):
    world.given_plan(THREE_RUNGS)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.PagePeople(("ghost",), "we need the database", "person:ana"))
    world.phone("dora").rings()
    world.no_phone_rings()


def test_a_severity_rise_calls_everybody_from_the_first_rung_again(world):
    world.given_plan(THREE_RUNGS)
    world.alert("Slow", "warning")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.ChangeSeverity(Severity.SEV1, "nobody can pay", "person:ana"))
    world.phone("ana").rings().ignores()
    world.incident("INC-1").is_in_round(2).is_rated("SEV1")
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    world.incident("INC-1").is_led_by("ana").is_now("acknowledged")
    world.passes(hours=24)
    world.no_phone_rings()


def test_a_plan_with_shorter_waits_counts_from_the_moment_of_replanning(world):
    world.given_plan(crisis_plan(rung("ana", wait="2h"), rung("bob")))
    world.alert("ShopDown")
    world.phone("ana").rings().ignores()
    world.passes(minutes=1)
    world.given_plan(crisis_plan(rung("ana", wait="5m"), rung("bob")))
    world.does("INC-1", c.Replan(world.book.version, "two hours are too long", "person:dora"))
    world.passes(minutes=3, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("bob").rings()


def test_a_proof_that_comes_late_on_the_last_rung_causes_no_second_page_before_its_time(world):
    world.given_plan(crisis_plan(rung("ana"), last=("dora",)), everybody(someone("dora", "sms", "voice")))
    world.phone("ana").fails(PageFailure.REFUSED)
    world.phone("dora").fails(PageFailure.UNKNOWN)
    world.alert("ShopDown")
    tried = [ring.row for ring in world.phone("dora").rang]
    assert [row.channel for row in tried] == ["sms", "voice"]
    world.does("INC-1", c.RecordDelivered(tried[0].message_id, "provider:sms"))
    world.phone("dora").works_again()
    world.passes(minutes=4)
    assert len(world.phone("dora").rang) == 2
    world.passes(minutes=2)
    assert len(world.phone("dora").rang) == 3
