"""The proof, one rule at a time; that it agrees with the real ladder everywhere is in test_proof_property.py."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contacts.addresses import ChannelKind, SmsChannel
from contacts.directory import Absence, Area, Directory, Occasion, QuietHours, Role
from contacts.schedules import Layer, Schedule, Window
from incidents.severity import Severity
from runbooks.difference import Side, differences
from runbooks.heat import heat_of, late_hours
from runbooks.plan import Situation
from runbooks.presence import Presence, moment, seconds
from runbooks.proof import Terms, breakable, prove, scenarios, targets_of
from runbooks.telling import counterexample, minutes, moment_in_words
from runbooks.week import ALWAYS, NIGHT, WEEKEND, Week, in_words
from tests.support.big_company import big_company
from tests.support.plans import crisis_plan, everybody, rung, someone

START = datetime(2027, 3, 22, tzinfo=UTC)
SPAN = (START, START + timedelta(weeks=2))
MADRID = "Europe/Madrid"


def proof_of(plan, people, *, span=SPAN, targets=None, silent=0, lenient=False, verified_only=False):
    terms = Terms(targets_of(plan, targets or {}), silent, lenient, verified_only)
    return prove(plan, people, span[0], span[1], terms)


def result_of(proof, severity=Severity.SEV1, broken=None):
    return next(each for each in proof.results if each.scenario.severity is severity and each.scenario.broken == broken)


def worst(plan, people, severity=Severity.SEV1, broken=None, **more):
    return tuple(map(minutes, result_of(proof_of(plan, people, **more), severity, broken).worst))


def night_shift(*windows, schedule="night", people=("ana",)):
    return Schedule(
        id=schedule, title="Night", time_zone=MADRID, layers=(Layer(people=people, start="2027-01-04", only=windows),)
    )


def with_schedules(*schedules, contacts=(), **more):
    return Directory(contacts=everybody(*contacts).contacts, schedules=schedules, **more)


# --- how soon ---


def test_the_worst_times_are_those_of_the_rungs_when_nobody_answers():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob", wait="10m"), rung("cleo"))
    assert worst(plan, everybody()) == ("0", "5", "15")


def test_a_rung_on_which_nobody_can_be_paged_does_not_wait():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob", wait="10m"), rung("cleo"))
    away = someone("ana").model_copy(update={"absences": (Absence(starts="2027-01-01", ends="2027-12-31"),)})
    assert worst(plan, everybody(away)) == ("0", "10", "15")


def test_who_stands_twice_on_the_ladder_counts_once():
    plan = crisis_plan(rung("ana"), rung("ana", "bob"), last=("ana",))
    assert worst(plan, everybody()) == ("0", "5", "never")


def test_a_gap_in_a_schedule_is_found_to_the_second_on_the_day_on_which_the_clocks_change():
    # Sunday 02:00-03:00 does not exist in Madrid; the gap is 03:00-06:00 summer time, three hours.
    day = night_shift(Window(after="06:00", until="02:00"))
    plan = crisis_plan(rung("schedule:night", wait="5m"), rung("bob", wait="20m"), last=("cleo",))
    people = with_schedules(day, contacts=(someone("bob", "console"),))
    proof = proof_of(plan, people, span=(datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 3, 28, 4, tzinfo=UTC)))
    found = result_of(proof)
    assert found.missed_at == datetime(2027, 3, 28, 1, tzinfo=UTC)
    sentence = counterexample(found, plan, people, proof.time_zone)
    assert sentence is not None
    assert sentence.startswith(
        "SEV1 SHOP_DOWN, Sun 2027-03-28 03:00 Madrid: nobody before +20 min, because rung 1 (+0 min)"
    )
    assert "nobody is on duty in schedule:night" in sentence
    assert "bob is called on the console, which wakes nobody" in sentence


def test_whoever_comes_on_duty_on_a_skipped_rung_is_counted_from_then():
    day = night_shift(Window(after="06:00", until="02:00"))
    plan = crisis_plan(rung("schedule:night", wait="5m"), rung("bob", wait="3h"), last=("bob",))
    people = with_schedules(day, contacts=(someone("bob", "console"),))
    # An incident at 03:00 local waits three hours; one at 05:50 ten minutes.
    found = result_of(proof_of(plan, people))
    cell = next(each for each in found.cells if each.start == seconds(datetime(2027, 3, 24, 1, tzinfo=UTC)) + 3600)
    assert found.time_at(cell, cell.start) == 3 * 3600
    assert found.time_at(cell, seconds(datetime(2027, 3, 24, 4, 50, tzinfo=UTC))) == 600


def test_minor_incidents_wait_for_the_end_of_quiet_hours_and_serious_ones_do_not():
    kept = QuietHours(after="22:00", until="07:00", severities=(Severity.SEV4,))
    people = everybody(*(someone(each).model_copy(update={"quiet_hours": (kept,)}) for each in ("ana", "bob", "dora")))
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob", wait="5m"))
    targets = {Severity.SEV4: timedelta(hours=9)}
    assert worst(plan, people, Severity.SEV1)[0] == "0"
    assert worst(plan, people, Severity.SEV4, targets=targets)[0] == "540"
    assert result_of(proof_of(plan, people, targets=targets), Severity.SEV4).in_time


# --- what is broken ---


def test_without_the_phone_network_people_with_nothing_else_are_passed_over_at_once():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob", wait="5m"))
    people = everybody(someone("bob", "sms", "slack"))
    assert worst(plan, people, broken="network:phone") == ("0", "never", "never")
    assert worst(plan, people, broken="network:internet") == ("0", "5", "10")


def test_when_everybody_hangs_on_one_provider_its_loss_fails_the_proof_unless_that_is_allowed():
    plan = crisis_plan(rung("ana"), rung("bob"))
    assert not proof_of(plan, everybody()).holds
    assert proof_of(plan, everybody(), lenient=True).holds
    assert {each.scenario.broken for each in proof_of(plan, everybody()).failed} == {"provider:twilio", "network:phone"}


def test_a_second_provider_takes_over_at_once():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob"))
    two = Directory(
        contacts=everybody().contacts, providers={ChannelKind.SMS: ("first", "second"), ChannelKind.VOICE: ("second",)}
    )
    assert breakable(two) == ["provider:second", "provider:first", "network:phone"]
    assert worst(plan, two, broken="provider:first")[:2] == ("0", "5")
    assert worst(plan, two, broken="provider:second")[:2] == ("0", "5")


# --- who counts ---


def test_a_console_wakes_nobody_except_in_a_plan_that_is_only_a_rehearsal():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob"))
    assert worst(plan, everybody(someone("ana", "console")))[0] == "5"
    rehearsal = everybody(*(someone(each, "console") for each in ("ana", "bob", "cleo", "dora")))
    assert worst(plan, rehearsal)[0] == "0"


def test_with_verified_only_an_address_counts_while_its_proof_is_good():
    def proven(until):
        number = SmsChannel(kind="sms", to="+447700900001", verified=date(2027, 3, 1), expires=until)
        return someone("bob").model_copy(update={"channels": (number,)})

    plan = crisis_plan(rung("ana", wait="5m"), rung("bob"))
    assert worst(plan, everybody(proven(date(2027, 3, 31))), verified_only=True)[0] == "5"
    assert worst(plan, everybody(proven(date(2027, 3, 22))), verified_only=True)[0] == "never"


def test_when_some_may_stay_silent_the_next_person_must_be_reached_in_time():
    plan = crisis_plan(rung("ana", wait="5m"), rung("bob", wait="1m"), rung("cleo"))
    quick = {each: timedelta(minutes=5) for each in Severity}
    assert proof_of(plan, everybody(), targets=quick, silent=1, lenient=True).holds
    assert not proof_of(plan, everybody(), targets=quick, silent=2, lenient=True).holds


def test_the_target_is_what_is_asked_else_the_plans_else_the_default():
    plan = crisis_plan()
    slow = plan.cadence[Severity.SEV2].model_copy(update={"reach_within": timedelta(minutes=9)})
    plan = plan.model_copy(update={"cadence": {**plan.cadence, Severity.SEV2: slow, Severity.SEV1: slow}})
    found = targets_of(plan, {Severity.SEV1: timedelta(minutes=2)})
    assert [(each.within.total_seconds() / 60, each.said_by) for each in found.values()] == [
        (2, "--target"),
        (9, "plan"),
        (15, "default"),
        (60, "default"),
    ]


def test_situations_that_are_called_alike_are_one_scenario_and_drills_are_none():
    plan = crisis_plan()
    more = {"FLOOD": Situation(title="Flood", severity=Severity.SEV2, runbook="outage")}
    plan = plan.model_copy(update={"situations": {**plan.situations, **more}})
    assert [each.alike for each in scenarios(plan, everybody())] == [("SHOP_DOWN", "FLOOD")] * 4
    interested = someone("ana").model_copy(update={"conflicts": ("FLOOD",)})
    assert [each.alike for each in scenarios(plan, everybody(interested))] == [("SHOP_DOWN",), ("FLOOD",)] * 4


# --- hours of the week ---


def test_the_heat_map_is_late_in_the_hours_of_the_gap_and_in_no_others():
    weekdays = night_shift(Window(days=("mon", "tue", "wed", "thu", "fri")))
    plan = crisis_plan(rung("schedule:night", wait="5m"), rung("bob", wait="20m"), last=("cleo",))
    proof = proof_of(plan, with_schedules(weekdays, contacts=(someone("bob", "console"),)))
    assert late_hours(heat_of(proof, Severity.SEV1, broken=False)) == WEEKEND


def test_hours_of_the_week_follow_the_clocks_of_their_zone():
    week = Week(MADRID, seconds(START), seconds(START + timedelta(weeks=2)))
    before, after = datetime(2027, 3, 28, 0, 59, tzinfo=UTC), datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    assert (week.hour(seconds(before)), week.hour(seconds(after))) == (6 * 24 + 1, 6 * 24 + 3)
    assert week.mask(seconds(before), seconds(after) + 1) == 1 << 145 | 1 << 147
    assert week.first_in(147, seconds(before), seconds(after) + 99) == seconds(after)
    assert week.mask(seconds(START), seconds(START) + 7 * 86400) == ALWAYS


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (ALWAYS, "at any hour"),
        (WEEKEND, "on weekends"),
        (NIGHT, "at night (22:00-06:00)"),
        (1 << 167 | 1, "Sun 23:00-Mon 01:00 (2 hours of the week)"),
        (1, "Mon 00:00-Mon 01:00 (1 hour of the week)"),
    ],
)
def test_hours_in_words(mask, words):
    assert in_words(mask) == words


def test_an_hour_that_a_zone_has_twice_says_which_it_is():
    first, second = datetime(2027, 10, 31, 0, 30, tzinfo=UTC), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert moment_in_words(first, MADRID) == "Sun 2027-10-31 02:30 Madrid (+0200)"
    assert moment_in_words(second, MADRID) == "Sun 2027-10-31 02:30 Madrid (+0100)"


# --- what a change does ---


def side(plan, people):
    return Side(plan, people, proof_of(plan, people))


def test_a_longer_wait_is_told_as_a_longer_time_to_a_person():
    people = everybody(someone("ana", "console"))
    found = differences(
        side(crisis_plan(rung("ana", wait="4m"), rung("bob")), people),
        side(crisis_plan(rung("ana", wait="9m"), rung("bob")), people),
    )
    assert found[0].worse
    assert "SEV1 SHOP_DOWN: worst time to a person 4 → 9 min; worst time to a second person 9 → 14 min." in [
        each.sentence for each in found
    ]


def test_removing_the_only_voice_contact_of_the_weekends_is_told():
    weekend = night_shift(Window(days=("sat", "sun")), schedule="weekend", people=("bob",))
    weekdays = night_shift(Window(days=("mon", "tue", "wed", "thu", "fri")), schedule="week", people=("cleo",))
    people = with_schedules(
        weekend, weekdays, contacts=(someone("ana", "sms"), someone("bob", "voice"), someone("cleo", "voice"))
    )
    old = crisis_plan(rung("ana"), rung("schedule:week"), rung("schedule:weekend"), last=("ana",))
    new = crisis_plan(rung("ana"), rung("schedule:week"), last=("ana",))
    found = [each.sentence for each in differences(side(old, people), side(new, people)) if each.worse]
    assert "This removes the only voice contact of SEV1 on weekends (bob)." in found


def test_the_same_plan_makes_no_difference():
    plan = crisis_plan()
    assert differences(side(plan, everybody()), side(plan, everybody())) == []


def test_hours_that_are_late_now_and_were_not_are_told():
    weekdays = night_shift(Window(days=("mon", "tue", "wed", "thu", "fri")))
    people = with_schedules(weekdays, contacts=(someone("bob", "console"),))
    old = crisis_plan(rung("schedule:night", "ana", wait="5m"), rung("bob", wait="20m"), last=("cleo",))
    new = crisis_plan(rung("schedule:night", wait="5m"), rung("bob", wait="20m"), last=("cleo",))
    found = [each.sentence for each in differences(side(old, people), side(new, people)) if each.worse]
    assert "SEV1 misses its target on weekends." in found


def with_area(*responsible):
    areas = tuple(Area(id=f"area-of-{each}", title="Area", responsible=each) for each in responsible)
    return everybody(areas=areas)


def worse_times(old, new):
    return [each.sentence for each in differences(old, new) if each.worse and "worst time" in each.sentence]


@pytest.mark.parametrize("own", [None, "area-of-ana"])
def test_a_ladder_that_stops_asking_for_the_area_and_reaches_a_second_person_later_is_worse(own):
    people = with_area("ana")
    old = crisis_plan(rung("area:*"), rung("bob"), last=("cleo",), area=own)
    new = crisis_plan(rung("ana", wait="20m"), rung("bob"), last=("cleo",), area=own)
    assert (
        "SEV1 SHOP_DOWN in area-of-ana: worst time to a second person 5 → 20 min; "
        "worst time to a third person 10 → 25 min."
    ) in worse_times(side(old, people), side(new, people))


@pytest.mark.parametrize("own", [None, "area-of-ana"])
def test_a_ladder_that_begins_to_ask_for_the_area_and_reaches_a_second_person_later_is_worse(own):
    people = with_area("ana")
    old = crisis_plan(rung("ana"), rung("bob"), last=("cleo",), area=own)
    new = crisis_plan(rung("area:*", wait="20m"), rung("bob"), last=("cleo",), area=own)
    assert (
        "SEV1 SHOP_DOWN in area-of-ana: worst time to a second person 5 → 20 min; "
        "worst time to a third person 10 → 25 min."
    ) in worse_times(side(old, people), side(new, people))


def test_a_situation_of_another_area_is_compared_with_the_one_that_it_had():
    people = with_area("ana", "bob")
    rungs = (rung("area:*", wait="5m"), rung("bob", wait="5m"))
    old = crisis_plan(*rungs, last=("cleo",), area="area-of-ana")
    new = crisis_plan(*rungs, last=("cleo",), area="area-of-bob")
    [first, *_] = worse_times(side(old, people), side(new, people))
    assert first == "SEV1 SHOP_DOWN in area-of-bob: worst time to a third person 10 min → never."


def test_a_situation_that_loses_the_area_for_which_its_ladder_asks_is_worse():
    people = with_area("ana")
    rungs = (rung("area:*"), rung("bob"))
    old, new = (crisis_plan(*rungs, last=("cleo",), area=area) for area in ("area-of-ana", None))
    [first, *_] = worse_times(side(old, people), side(new, people))
    assert first == "SEV1 SHOP_DOWN: worst time to a third person 10 min → never."


def test_a_ladder_that_names_the_one_person_of_the_area_instead_is_not_worse():
    people = with_area("ana")
    old = crisis_plan(rung("area:*"), rung("bob"), last=("cleo",), area="area-of-ana")
    new = crisis_plan(rung("ana"), rung("bob"), last=("cleo",), area="area-of-ana")
    assert worse_times(side(old, people), side(new, people)) == []


# --- who stands there ---


def test_strips_say_at_every_second_what_the_directory_says_then():
    _, people = big_company(people=40, schedules=8, years=1)
    people = people.model_copy(update={"roles": (*people.roles, Role(id="x", title="X", responsible="p001"))})
    start, end = seconds(START), seconds(START + timedelta(weeks=8))
    presence = Presence(people, start, end)
    for severity in (Severity.SEV1, Severity.SEV4):
        kind = presence.kind(severity, None, None)
        for reference in ("schedule:s00", "area:a00", "area:a01/deputy", "role:commander", "role:x", "p000"):
            strip = presence.of((reference,), kind, None)
            edges = [bound + shift for bound in strip.bounds[:60] for shift in (-1, 0, 1)]
            for second in (each for each in (*edges, *range(start, end, 7919 * 60)) if start <= each < end):
                found = people.resolve(reference, Occasion(moment(second), severity))
                assert strip.at(second).contacts == tuple(each.id for each in found.contacts)
