"""Who is reached, how and as what: channel ladders, providers, schedules, absences, roles, questions. Assumed time."""

from datetime import timedelta

from contacts.addresses import ChannelKind
from contacts.directory import Absence, Area, Directory, QuietHours, Role, Team
from contacts.schedules import Layer, Schedule, Window
from incidents import commands as c
from incidents.events import PageFailure
from incidents.severity import Severity
from tests.support.plans import beat, crisis_plan, eur, everybody, rung, someone

CRISIS = {Severity.SEV1: (beat("push", "sms"), beat("voice", after="1m", every="1m", times=2))}
TWO_PROVIDERS = {ChannelKind.SMS: ("twilio", "backup"), ChannelKind.VOICE: ("twilio", "backup")}


def office_hours(*people):
    """A schedule with somebody on duty from eight to six only."""
    hours = (Window(after="08:00", until="18:00"),)
    return Schedule(id="office", title="Office", layers=(Layer(people=people, start="2026-01-05", only=hours),))


# --- how one person is called ---


def test_push_and_sms_come_at_once_and_the_telephone_rings_a_minute_later_again_and_again(world):
    world.given_plan(people=everybody(someone("ana", "push", "sms", "voice"), paging=CRISIS))
    world.alert("ShopDown")
    ana = world.phone("ana")
    ana.rings(by="push").rings(by="sms").is_silent()
    world.passes(seconds=59)
    ana.is_silent()
    world.passes(seconds=1)
    ana.rings(by="voice").is_silent()
    world.passes(minutes=1)
    ana.rings(by="voice").is_silent()
    world.passes(minutes=1)
    ana.rings(by="voice").is_silent()
    world.passes(minutes=1, seconds=59)
    ana.is_silent()
    world.phone("bob").is_silent()
    world.passes(seconds=1)
    world.phone("bob").rings(by="sms")


def test_the_calls_to_one_person_go_on_when_the_next_rung_is_called(world):
    patient = {Severity.SEV1: (beat("sms"), beat("voice", after="10m"))}
    world.given_plan(people=everybody(someone("ana", paging=patient)))
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms").ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().ignores()
    world.passes(minutes=5)
    world.phone("ana").rings(by="voice")


def test_somebody_whose_every_page_fails_costs_the_others_on_their_rung_nothing(world):
    world.given_plan(crisis_plan(rung("ana", "bob"), rung("cleo")))
    world.phone("ana").fails(PageFailure.REFUSED)
    world.alert("ShopDown")
    world.phone("bob").rings().ignores()
    world.passes(minutes=4, seconds=59)
    world.phone("cleo").is_silent()
    world.passes(seconds=1)
    world.phone("cleo").rings()


def test_whoever_lacks_the_first_channels_is_called_by_the_next_at_once(world):
    world.given_plan(people=everybody(someone("ana", "voice"), paging=CRISIS))
    world.alert("ShopDown")
    world.phone("ana").rings(by="voice").is_silent()
    world.passes(minutes=1)
    world.phone("ana").rings(by="voice")


def test_ones_own_channel_ladder_wins_over_everybodys(world):
    own = someone("ana", "sms", "voice", paging={Severity.SEV1: (beat("voice"), beat("sms", after="30s"))})
    world.given_plan(people=everybody(own, paging=CRISIS))
    world.alert("ShopDown")
    world.phone("ana").rings(by="voice").is_silent()
    world.passes(seconds=30)
    world.phone("ana").rings(by="sms")


def test_a_failed_page_of_a_pair_is_replaced_at_once_and_the_ladder_of_channels_goes_on(world):
    world.given_plan(people=everybody(someone("ana", "push", "sms", "voice"), paging=CRISIS))
    world.phone("ana").fails(PageFailure.UNDELIVERED, by="sms")
    world.alert("ShopDown")
    world.phone("ana").rings(by="push").rings(by="voice").is_silent()
    world.passes(minutes=1)
    world.phone("ana").rings(by="voice").is_silent()
    world.phone("bob").is_silent()


def test_a_pair_of_which_one_arrived_does_not_hurry_to_the_next_person(world):
    world.given_plan(people=everybody(someone("ana", "push", "sms"), paging=CRISIS))
    world.phone("ana").fails(PageFailure.REFUSED, by="push")
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms").is_silent()
    world.passes(minutes=4, seconds=59)
    world.phone("bob").is_silent()
    world.passes(seconds=1)
    world.phone("bob").rings()


def test_the_second_number_of_somebody_is_tried_when_the_first_fails(world):
    world.given_plan(people=everybody(someone("ana", "sms", "sms-2")))
    world.phone("ana").fails(PageFailure.REFUSED)
    world.alert("ShopDown")
    tried = [ring.row.address for ring in world.phone("ana").rang]
    assert len(set(tried)) == 2
    world.phone("bob").rings()


# --- providers ---


def test_when_a_provider_is_down_the_other_one_carries_the_same_page_at_once(world):
    world.given_plan(people=everybody(providers=TWO_PROVIDERS))
    world.phone("ana").fails(PageFailure.PROVIDER_ERROR, by="twilio")
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms").is_silent()
    assert [row.provider for row in world.rows() if row.contact == "ana"] == ["twilio", "backup"]
    world.incident().says("Paging ana by sms through backup")
    world.passes(minutes=4, seconds=59)
    world.phone("bob").is_silent()


def test_an_sms_that_the_network_could_not_deliver_is_offered_to_the_other_provider(world):
    world.given_plan(people=everybody(providers=TWO_PROVIDERS))
    world.phone("ana").fails(PageFailure.UNDELIVERED, by="twilio")
    world.alert("ShopDown")
    world.phone("ana").rings(by="sms").is_silent()


def test_a_line_that_is_busy_is_not_called_again_by_the_other_provider(world):
    world.given_plan(people=everybody(someone("ana", "voice"), providers=TWO_PROVIDERS))
    world.phone("ana").fails(PageFailure.BUSY)
    world.alert("ShopDown")
    assert len(world.phone("ana").rang) == 1
    world.phone("bob").rings()


def test_an_unknown_outcome_goes_to_another_address_and_never_to_the_other_provider_of_the_same(world):
    world.given_plan(people=everybody(providers=TWO_PROVIDERS))
    world.phone("ana").fails(PageFailure.UNKNOWN, by="sms")
    world.alert("ShopDown")
    world.phone("ana").rings(by="voice").is_silent()
    assert [row.channel for row in world.rows() if row.contact == "ana"] == ["sms", "voice"]


def test_when_both_providers_are_down_the_next_person_is_called_at_once(world):
    world.given_plan(people=everybody(someone("bob", "slack"), providers=TWO_PROVIDERS))
    world.phone("ana").fails(PageFailure.PROVIDER_ERROR)
    world.alert("ShopDown")
    assert [(row.channel, row.provider) for row in world.rows() if row.contact == "ana"] == [
        ("sms", "twilio"),
        ("sms", "backup"),
        ("voice", "twilio"),
        ("voice", "backup"),
    ]
    world.phone("bob").rings(by="slack")


# --- who is there ---


def test_whoever_is_on_duty_when_the_rung_is_due_is_called(world):
    people = everybody(schedules=(office_hours("cleo"),))
    world.given_plan(crisis_plan(rung("schedule:office"), rung("bob")), people)
    world.alert("ShopDown")
    world.phone("cleo").rings()


def test_a_rung_with_nobody_on_duty_does_not_wait_and_whoever_comes_on_duty_is_called_then(world):
    people = everybody(schedules=(office_hours("cleo"),))
    world.given_plan(crisis_plan(rung("schedule:office"), rung("bob", wait="2h")), people)
    world.passes(hours=22)
    world.alert("ShopDown")
    world.phone("bob").rings().ignores()
    world.phone("cleo").is_silent()
    world.incident().says("nobody is on duty in schedule:office")
    world.passes(minutes=59)
    world.phone("cleo").is_silent()
    world.passes(minutes=1)
    world.phone("cleo").rings().presses("4")
    world.incident().is_led_by("cleo")
    world.passes(hours=24)
    world.no_phone_rings()


def test_a_deputy_is_called_for_whoever_is_out_of_office(world):
    away = Absence(starts="2026-03-01", ends="2026-03-03")
    people = everybody(someone("ana", deputy="cleo", absences=(away,)))
    world.given_plan(people=people)
    world.alert("ShopDown")
    world.phone("cleo").rings()
    world.phone("ana").is_silent()


def test_a_deputy_in_a_role_comes_before_ones_own_deputy(world):
    away = Absence(starts="2026-03-01", ends="2026-03-03")
    role = Role(id="care", title="Customer care lead", responsible="ana", deputy="bob")
    people = everybody(someone("ana", deputy="cleo", absences=(away,)), roles=(role,))
    world.given_plan(crisis_plan(rung("role:care")), people)
    world.alert("ShopDown")
    world.phone("bob").rings()
    world.phone("cleo").is_silent()


def test_minor_incidents_wait_for_the_morning_and_a_crisis_does_not(world):
    night = QuietHours(after="22:00", until="07:00", severities=(Severity.SEV3, Severity.SEV4))
    sleepers = [someone(each, quiet_hours=(night,)) for each in ("ana", "bob", "cleo", "dora")]
    world.given_plan(people=everybody(*sleepers))
    world.passes(hours=15)
    world.declares("Slow search", Severity.SEV4)
    world.passes(hours=6, minutes=59)
    world.no_phone_rings()
    world.passes(minutes=1)
    world.phone("ana").rings()
    world.all_ignore()
    world.passes(hours=16)
    world.all_ignore()
    world.declares("Shop down", Severity.SEV1)
    world.phone("ana").rings()


def test_the_area_of_the_incident_answers_for_it(world):
    areas = (
        Area(id="shops", title="Shops", responsible="bob", deputy="dora"),
        Area(id="web", title="Web", responsible="cleo"),
    )
    people = everybody(areas=areas)
    world.given_plan(crisis_plan(rung("area:*"), rung("area:*/deputy"), area="shops"), people)
    world.alert("ShopDown")
    world.phone("bob").rings().ignores()
    world.phone("cleo").is_silent()
    world.passes(minutes=5)
    world.phone("dora").rings()


def test_a_whole_team_is_called_at_once_and_each_of_them_once(world):
    people = everybody(teams=(Team(id="all", title="All", members=("ana", "bob")),))
    world.given_plan(crisis_plan(rung("team:all", "ana"), rung("cleo")), people)
    world.alert("ShopDown")
    world.phone("ana").rings().is_silent()
    world.phone("bob").rings().is_silent()


def test_whoever_is_implicated_and_whoever_reports_to_them_is_left_out(world):
    people = everybody(someone("bob", reports_to="ana"), someone("cleo", reports_to="bob"))
    world.given_plan(crisis_plan(rung("ana"), rung("bob", "cleo"), rung("dora")), people)
    world.declares("Scandal", implicated=("ana", "bob", "cleo"))
    world.phone("dora").rings().presses("4")
    for each in ("ana", "bob", "cleo"):
        world.phone(each).is_silent().is_told_nothing()
    assert "left out" in world.refuses("INC-1", c.Acknowledge("ana", "cli"))


def test_when_the_commander_turns_out_to_be_implicated_somebody_else_is_called(world):
    world.given_plan()
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.Implicate(("ana",), "it was her order", "person:dora"))
    world.incident().is_led_by(None).is_in_round(2)
    world.phone("bob").rings().presses("4")
    world.incident().is_led_by("bob")
    world.phone("ana").is_silent()


def test_a_conflict_of_interest_takes_somebody_off_the_ladder_of_that_situation(world):
    people = everybody(someone("ana", conflicts=("SHOP_DOWN",)))
    world.given_plan(people=people)
    world.alert("ShopDown")
    world.phone("bob").rings()
    world.phone("ana").is_silent()


# --- what an answer means ---


def test_to_take_it_is_to_take_the_role_that_one_was_called_as(world):
    role = Role(id="care", title="Customer care lead", responsible="ana", deputy="bob")
    world.given_plan(crisis_plan(rung("role:care"), rung("cleo")), everybody(roles=(role,)))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    assert world.incident().state.roles == {"role:care": "ana"}
    world.incident().says("ana took charge as role:care (by sms)")


def test_several_people_may_each_have_to_answer(world):
    roles = (
        Role(id="press", title="Press", responsible="cleo", deputy="bob"),
        Role(id="legal", title="Legal", responsible="dora"),
    )
    plan = crisis_plan(rung("ana"), rung("bob", wait="1h"), crew=("role:press", "role:legal"))
    world.given_plan(plan, everybody(roles=roles))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.passes(minutes=5)
    world.phone("dora").rings().presses("4")
    world.phone("cleo").rings().ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    assert world.incident().state.roles == {"role:legal": "dora", "role:press": "bob"}
    world.incident().is_led_by("ana")
    world.passes(hours=20)
    world.no_phone_rings()


def test_an_acknowledgement_that_was_forgotten_is_asked_about_and_then_the_ladder_is_called(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob"), ack_expires="30m"))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.passes(minutes=29, seconds=59)
    world.no_phone_rings()
    world.passes(seconds=1)
    world.phone("ana").rings().hears("still on it").ignores()
    world.phone("bob").is_silent()
    world.passes(minutes=5)
    world.phone("bob").rings().presses("4")
    world.incident().is_led_by("bob").says("ana had said nothing for too long")


def test_whoever_answers_the_reminder_keeps_it_and_is_asked_again_after_as_long(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob"), ack_expires="30m"))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.passes(minutes=30)
    world.phone("ana").rings().presses("4")
    world.incident().is_led_by("ana")
    world.passes(minutes=29)
    world.no_phone_rings()
    world.passes(minutes=1)
    world.phone("ana").rings()


def test_whatever_the_commander_does_is_a_sign_of_life(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob"), ack_expires="30m"))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.passes(minutes=20)
    world.does("INC-1", c.AddNote("Rolled back.", "person:ana"))
    world.passes(minutes=29)
    world.no_phone_rings()


def test_who_is_only_told_is_told_when_the_rung_is_called_and_asked_for_nothing(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob", tell=("dora",)), last=("cleo",)))
    world.alert("ShopDown")
    world.phone("dora").is_told_nothing()
    world.passes(minutes=5)
    world.phone("dora").is_told("You need do nothing").is_silent().is_told_nothing()


# --- decision pages ---


def asks(world, *to, about="other", if_silent="no", minutes=30):
    until = world.now + timedelta(minutes=minutes)
    world.does("INC-1", c.AskQuestion("Close all shops?", about, to, until, if_silent, "person:ana"))


def taken(world, **plan):
    world.given_plan(crisis_plan(rung("ana"), **plan))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")


def test_an_executive_is_asked_one_question_and_says_yes(world):
    taken(world)
    asks(world, "dora")
    world.phone("dora").rings().hears("Close all shops?")
    world.does("INC-1", c.AnswerQuestion("dora", "yes", "sms"))
    assert world.incident().state.questions["question-1"].answer == "yes"
    world.passes(hours=5)
    world.no_phone_rings()
    assert "already said yes" in world.refuses("INC-1", c.AnswerQuestion("dora", "no", "sms"))


def test_who_does_not_answer_is_followed_by_the_next_who_was_asked(world):
    taken(world)
    asks(world, "dora", "cleo")
    world.phone("dora").rings().ignores()
    world.passes(minutes=5)
    world.phone("cleo").rings()
    world.does("INC-1", c.AnswerQuestion("cleo", "no", "sms"))
    assert world.incident().state.questions["question-1"].answer == "no"


def test_who_wants_to_talk_first_is_called_and_the_question_stays_open(world):
    taken(world)
    asks(world, "dora")
    world.does("INC-1", c.AnswerQuestion("dora", "call", "sms"))
    world.phone("ana").rings().hears("wants to be called")
    assert world.incident().state.questions["question-1"].open
    world.does("INC-1", c.AnswerQuestion("dora", "no", "sms"))
    world.all_ignore()
    world.passes(hours=2)
    world.no_phone_rings()


def test_who_is_left_out_answers_no_question(world):
    taken(world)
    asks(world, "dora", "cleo")
    world.does("INC-1", c.Implicate(("dora",), "it is about her", "person:bob"))
    assert "left out" in world.refuses("INC-1", c.AnswerQuestion("dora", "yes", "sms"))
    world.phone("cleo").rings()


def test_silence_is_a_no_when_the_question_expires(world):
    taken(world)
    asks(world, "dora")
    world.passes(minutes=29)
    world.all_ignore()
    world.passes(minutes=2)
    assert world.incident().state.questions["question-1"].expired_at is not None
    world.incident().says("Nobody answered question-1 in time: that means no")
    world.all_ignore()
    world.passes(hours=1)
    world.no_phone_rings()
    assert "expired" in world.refuses("INC-1", c.AnswerQuestion("dora", "yes", "sms"))


def test_silence_never_approves_money_or_text(world):
    taken(world)
    for about in ("money", "text"):
        asked = c.AskQuestion("Pay?", about, ("dora",), world.now + timedelta(hours=1), "yes", "person:ana")
        assert "never approves" in world.refuses("INC-1", asked)


def test_a_proposed_compensation_asks_whoever_can_approve_it_and_their_yes_approves_it(world):
    world.given_plan(crisis_plan(rung("ana")), everybody(someone("dora", may_pay=("500", "50000"))))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", world.pays("ana", eur("200"), 10))
    world.phone("dora").rings().hears("200 EUR")
    approval = world.approves("dora", "v1", eur("200"), 10)
    world.does("INC-1", c.AnswerQuestion("dora", "yes", "sms", grant=approval.grant, who_can=approval.who_can))
    decided = world.incident().state.compensation
    assert (decided.decided_by, decided.requester) == ("dora", "ana")


def test_nobody_approves_money_by_a_yes_without_the_authority(world):
    world.given_plan(crisis_plan(rung("ana")), everybody(someone("dora", may_pay=("500", "50000"))))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", world.pays("ana", eur("200"), 10))
    refused = world.refuses("INC-1", c.AnswerQuestion("dora", "yes", "sms", grant=None, who_can=()))
    assert "authority" in refused
    assert world.incident().state.compensation is None


# --- what a hostile reading of the rules found ---


def test_a_call_that_nobody_takes_does_not_end_the_calls_to_come(world):
    patient = {Severity.SEV1: (beat("sms"), beat("voice", after="1m", every="1m", times=3))}
    world.given_plan(
        crisis_plan(rung("ana", wait="15m"), rung("bob")), everybody(someone("ana", "sms", "voice", paging=patient))
    )
    world.phone("ana").fails(PageFailure.NO_ANSWER, by="voice")
    world.alert("ShopDown")
    world.passes(minutes=14)
    assert [ring.row.channel for ring in world.phone("ana").rang] == ["sms", "voice", "voice", "voice", "voice"]
    world.phone("bob").is_silent()


def test_whoever_comes_on_duty_for_two_rungs_at_once_is_called_once(world):
    hours = (Window(after="10:00", until="18:00"),)
    day = Schedule(id="day", title="By day", layers=(Layer(people=("bob",), start="2026-01-05", only=hours),))
    world.given_plan(
        crisis_plan(rung("schedule:day"), rung("schedule:day"), rung("ana"), last=("dora",)),
        everybody(schedules=(day,)),
    )
    world.alert("ShopDown")
    world.passes(hours=1, minutes=1)
    assert [ring.at.strftime("%H:%M") for ring in world.phone("bob").rang] == ["10:00"]


def test_when_everybody_was_away_whoever_comes_back_first_is_called(world):
    away = someone("dora", absences=(Absence(starts="2026-03-01", ends="2026-03-02 10:00"),))
    gone = someone("ana", absences=(Absence(starts="2026-03-01", ends="2026-03-20"),))
    world.given_plan(crisis_plan(rung("ana"), last=("dora",)), Directory(contacts=(gone, away)))
    world.alert("ShopDown")
    world.phone("dora").is_silent()
    world.passes(hours=1)
    world.phone("dora").rings()


def test_a_question_goes_to_nobody_but_those_who_are_asked(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob")), everybody(someone("clerk")))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    later = world.now + timedelta(hours=4)
    world.does("INC-1", c.AskQuestion("Sell the branch?", "money", ("dora",), later, "no", "person:ana"))
    world.phone("dora").rings()
    world.does("INC-1", c.Implicate(("dora",), "it is hers", "person:ana"))
    world.passes(minutes=20)
    world.phone("bob").is_silent()
    world.phone("clerk").is_silent()


def test_the_deputy_of_somebody_absent_is_not_asked_what_only_they_may_answer(world):
    dora = someone("dora", absences=(Absence(starts="2026-03-01", ends="2026-03-02 09:30"),), deputy="bob")
    world.given_plan(crisis_plan(rung("ana")), everybody(dora))
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    later = world.now + timedelta(hours=1)
    world.does("INC-1", c.AskQuestion("Close the shops?", "other", ("dora",), later, "no", "person:ana"))
    world.phone("bob").is_silent()
    world.passes(minutes=30)
    world.phone("dora").rings()
