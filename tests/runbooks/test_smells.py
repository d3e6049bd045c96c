"""What makes a sound plan work less well than it looks: said at its place, and silent where nothing smells."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contacts.directory import Absence, Role, Team
from contacts.schedules import Layer, Schedule, Window
from incidents.severity import Severity
from runbooks.smells import smells
from tests.support.plans import crisis_plan, everybody, rung, someone

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def proven(contact, on="2026-02-20"):
    """The same person with every address proven on this day."""
    channels = tuple(each.model_copy(update={"verified": date.fromisoformat(on)}) for each in contact.channels)
    return contact.model_copy(update={"channels": channels})


def sound(**more):
    """Four people on two networks, each proven."""
    people = [proven(someone(each, "sms", "slack")) for each in ("ana", "bob", "cleo", "dora")]
    return everybody(*people, **more)


def found(plan, directory, now=NOW):
    return [(finding.path, finding.sentence) for finding in smells(plan, directory, now)]


def said(plan, directory, now=NOW):
    return [sentence for _, sentence in found(plan, directory, now)]


def test_a_sound_plan_smells_of_nothing():
    assert found(crisis_plan(), sound()) == []


def test_a_rung_that_calls_only_people_who_were_called_before_is_named():
    team = Team(id="both", title="Both", members=("ana", "bob"))
    [(path, sentence)] = found(crisis_plan(rung("team:both"), rung("bob"), rung("cleo")), sound(teams=(team,)))
    assert path == ("ladders", "everybody", "rungs", 1, "page")
    assert sentence.startswith("Everybody here has been called before")


def test_a_role_whose_deputy_may_stand_in_makes_no_rung_unreachable():
    role = Role(id="care", title="Care", responsible="ana", deputy="bob")
    assert found(crisis_plan(rung("role:care"), rung("ana"), rung("cleo")), sound(roles=(role,))) == []


def test_a_first_wait_beyond_the_target_is_named():
    [sentence, *_] = said(crisis_plan(rung("ana", wait="6m"), rung("bob")), sound())
    assert sentence == (
        "For SEV1 somebody is to be reached in 5m, but when the first does not answer the next one is called after 6m."
    )


def test_the_target_of_the_plan_counts():
    plan = crisis_plan(rung("ana", wait="6m"), rung("bob"))
    relaxed = {
        each: cadence.model_copy(update={"reach_within": timedelta(hours=1)}) for each, cadence in plan.cadence.items()
    }
    assert found(plan.model_copy(update={"cadence": relaxed}), sound()) == []


def test_a_ladder_that_hangs_on_one_person_is_named():
    assert "This ladder hangs on one person: Ana." in said(crisis_plan(rung("ana"), last=("ana",)), sound())


@pytest.mark.parametrize(("what", "name"), [("provider", "twilio"), ("network", "phone")])
def test_a_ladder_that_hangs_on_one_provider_or_network_is_named(what, name):
    phones = everybody(*(proven(someone(each, "sms", "voice")) for each in ("ana", "bob", "cleo", "dora")))
    sentence = f"Everybody on this ladder is reached by the {what} {name!r} alone; when it is down, nobody is."
    assert sentence in said(crisis_plan(), phones)


def test_two_providers_are_not_one():
    phones = [proven(someone(each, "sms", "voice")) for each in ("ana", "bob", "cleo", "dora")]
    two = everybody(*phones, providers={"sms": ("twilio", "backup"), "voice": ("twilio", "backup")})
    assert not [each for each in said(crisis_plan(), two) if "provider" in each]


def test_addresses_that_nobody_has_proven_are_counted_once():
    [(path, sentence)] = found(
        crisis_plan(), everybody(*(someone(each, "sms", "slack") for each in ("ana", "bob", "cleo", "dora")))
    )
    assert path == ("contacts", 0, "channels", 0)
    assert sentence.startswith("8 addresses of 4 people are unproven; this is the first.")


@pytest.mark.parametrize(
    ("on", "words"), [("2026-01-20", "expired on 2026-02-19"), ("2026-02-04", "expires on 2026-03-06")]
)
def test_a_proof_that_has_run_out_or_soon_will_is_named(on, words):
    bob = proven(someone("bob", "sms", "slack"), on)
    sentences = said(
        crisis_plan(), everybody(*(proven(someone(each, "sms", "slack")) for each in ("ana", "cleo", "dora")), bob)
    )
    assert len(sentences) == 2
    assert all(words in each and "Bob" in each for each in sentences)


@pytest.mark.parametrize(("on", "warned"), [("2026-03-02", 0), ("2026-03-03", 0), ("2026-03-04", 1)])
def test_a_proof_from_the_future_is_named_and_the_day_may_have_begun_elsewhere(on, warned):
    bob = proven(someone("bob", "sms"), on)
    directory = everybody(*(proven(someone(each, "sms", "slack")) for each in ("ana", "cleo", "dora")), bob)
    sentences = [each for _, each in found(crisis_plan(), directory, NOW + timedelta(hours=2)) if "future" in each]
    assert len(sentences) == warned


def test_two_people_with_one_telephone_are_named_at_the_second_once():
    shared = proven(someone("ana", "sms", "voice")).channels
    bob = someone("bob").model_copy(update={"channels": shared})
    people = [proven(someone(each, "sms", "slack")) for each in ("cleo", "dora")]
    directory = everybody(proven(someone("ana", "voice", "slack")), bob, *people)
    number = shared[0].to
    assert found(crisis_plan(), directory) == [
        (
            ("contacts", 1, "channels", 0, "to"),
            f"Bob has the same telephone as Ana ({number}): whoever holds it is one person, but they count as two. "
            "Give each of them their own.",
        )
    ]


def test_a_mailbox_that_two_people_read_is_no_smell():
    mail = someone("ana", "email").channels
    both = [proven(someone(each, "sms", "slack")) for each in ("ana", "bob")]
    shared = [each.model_copy(update={"channels": (*each.channels, *mail)}) for each in both]
    people = [proven(someone(each, "sms", "slack")) for each in ("cleo", "dora")]
    assert not [each for each in said(crisis_plan(), everybody(*shared, *people)) if "same" in each]


def test_a_role_that_nobody_holds_now_is_named_with_the_reason():
    away = Absence(starts="2026-03-01", ends="2026-03-05")
    ana = proven(someone("ana", "sms", "slack", absences=(away,)))
    people = [proven(someone(each, "sms", "slack")) for each in ("bob", "cleo", "dora")]
    directory = everybody(ana, *people, roles=(Role(id="care", title="Care", responsible="ana"),))
    assert said(crisis_plan(), directory) == ["Nobody holds the role 'care' now: ana is absent."]
    assert said(crisis_plan(), directory, NOW + timedelta(days=10)) == []


def test_gaps_of_a_schedule_are_counted_and_the_first_is_named():
    hours = (Window(after="08:00", until="18:00"),)
    day = Schedule(id="day", title="Day", layers=(Layer(people=("ana",), start="2026-01-05", only=hours),))
    [sentence] = said(crisis_plan(), sound(schedules=(day,)))
    assert sentence == "Nobody is on duty 84 times in the next 12 weeks, first at 2026-03-02 18:00 UTC."


def test_a_rehearsal_on_the_console_is_not_told_about_telephones():
    consoles = everybody(*(someone(each, "console") for each in ("ana", "bob", "cleo", "dora")))
    assert found(crisis_plan(), consoles) == []
    assert Severity.SEV1 in crisis_plan().severities
