"""Who may decide what the customers get. Time-outs decide nothing; whoever asks for money does not approve it."""

import pytest

from incidents import commands as c
from incidents.money import NoCompensationReason
from tests.support.plans import crisis_plan, eur, everybody, rung, someone

PEOPLE = everybody(
    someone("bob", "sms", may_pay=("50", "2000")),
    someone("cleo", "sms", may_pay=("500", "25000")),
    someone("dora", "sms", may_pay=("2500", "100000")),
)


@pytest.fixture
def resolved(world):
    """An incident that is resolved and confirmed; the money is all that is missing."""
    world.given_plan(crisis_plan(rung("ana")), PEOPLE)
    world.alert("ShopDown")
    world.phone("ana").rings().presses("4")
    world.does("INC-1", c.Resolve("restarted", "person:ana", "ana"))
    world.does("INC-1", c.ConfirmRecovery("orders go through", "person:ana"))
    return world


def test_within_their_authority_a_person_decides_at_once(resolved):
    resolved.does("INC-1", resolved.pays("bob", eur("20"), 100))
    resolved.incident().says("Compensation decided by bob (50 EUR a customer, 2000 EUR in total, granted by the board)")


def test_beyond_their_authority_they_propose_to_somebody_who_has_it(resolved):
    resolved.does("INC-1", resolved.pays("bob", eur("60"), 100))
    resolved.incident().lacks("has not been decided").says("Compensation proposed by bob")
    resolved.does("INC-1", resolved.approves("cleo", "v1", eur("60")))
    resolved.incident().says("Compensation decided by cleo")


def test_the_total_counts_as_much_as_the_single_amount(resolved):
    resolved.does("INC-1", resolved.pays("bob", eur("20"), 101))
    resolved.incident().says("Compensation proposed by bob")


def test_an_amount_for_nobody_is_refused_because_it_would_fit_any_total(resolved):
    assert resolved.refuses("INC-1", resolved.pays("bob", eur("20"), 0)) == "Say how many customers this is for."
    assert resolved.incident().lacks("has not been decided").state.proposal is None


def test_above_the_limit_two_people_are_needed_whatever_the_authority_of_the_first(resolved):
    resolved.does("INC-1", resolved.pays("dora", eur("151"), 10))
    resolved.incident().says("Compensation proposed by dora")
    refusal = resolved.refuses("INC-1", resolved.approves("dora", "v1", eur("151"), 10))
    assert "somebody else must" in refusal
    resolved.does("INC-1", resolved.approves("cleo", "v1", eur("151"), 10))
    resolved.incident().says("Compensation decided by cleo")


def test_an_approval_needs_authority_that_covers_it(resolved):
    resolved.does("INC-1", resolved.pays("bob", eur("2000"), 10))
    refusal = resolved.refuses("INC-1", resolved.approves("cleo", "v1", eur("2000"), 10))
    assert "The authority of cleo does not cover this" in refusal


def test_an_edit_voids_the_approval_of_what_stood_there_before(resolved):
    resolved.does("INC-1", resolved.pays("ana", eur("20"), document="v1"))
    resolved.does("INC-1", resolved.pays("ana", eur("40"), document="v2"))
    assert "edited since" in resolved.refuses("INC-1", resolved.approves("cleo", "v1", eur("20")))
    resolved.does("INC-1", resolved.approves("cleo", "v2", eur("40")))
    assert resolved.incident().state.compensation.per_customer == eur("40")


def test_the_same_proposal_twice_is_one(resolved):
    resolved.does("INC-1", resolved.pays("ana", eur("20")))
    before = resolved.incident().events
    resolved.does("INC-1", resolved.pays("ana", eur("20")))
    assert resolved.incident().events == before


def test_what_nobody_can_approve_is_not_even_proposed(resolved):
    refusal = resolved.refuses("INC-1", resolved.pays("ana", eur("9999")))
    assert "Nobody in contacts.yaml has the authority" in refusal


def test_what_is_decided_stays_decided(resolved):
    resolved.does("INC-1", resolved.pays("bob", eur("20"), 100))
    assert "was decided by bob" in resolved.refuses("INC-1", resolved.pays("dora", eur("30")))


def test_nothing_is_a_decision_too_with_a_reason_and_a_name(resolved):
    assert "reason code" in resolved.refuses("INC-1", resolved.pays("bob", None))
    resolved.does("INC-1", resolved.pays("bob", None, reason=NoCompensationReason.EXTRAORDINARY))
    resolved.incident().says("nothing for everybody with an order (EXTRAORDINARY)")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": NoCompensationReason.NOT_AFFECTED}, "exclude each other"),
        ({"rationale": "because"}, "at least 20 characters"),
    ],
)
def test_a_decision_that_says_too_little_or_too_much_is_refused(resolved, changed, words):
    assert words in resolved.refuses("INC-1", resolved.pays("bob", eur("20"), **changed))


def test_nothing_to_pay_is_not_written_as_a_zero(resolved):
    assert "more than zero" in resolved.refuses("INC-1", resolved.pays("bob", eur("0")))


def test_the_customers_are_told_only_after_it_is_decided(resolved):
    told = c.InformCustomers("e-mail", "You get something.", "person:ana")
    assert "Decide first" in resolved.refuses("INC-1", told)


def test_a_proposal_is_never_approved_by_waiting(resolved):
    resolved.does("INC-1", resolved.pays("ana", eur("20")))
    resolved.passes(days=60)
    assert resolved.incident().state.compensation is None
    assert "has not been decided" in resolved.refuses("INC-1", c.Close("person:ana"))


def test_reopening_asks_again_what_the_customers_get(resolved):
    resolved.phone("dora").is_told("What do the customers get?")
    resolved.does("INC-1", resolved.pays("bob", eur("20"), 100))
    resolved.does("INC-1", c.Reopen("it is back", "person:ana"))
    resolved.phone("ana").rings().presses("4")
    resolved.passes(hours=1)
    resolved.phone("dora").is_told("What do the customers get?")
    assert resolved.incident().state.compensation is None
