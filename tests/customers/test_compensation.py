"""The goodwill matrix of domain.md 4.2, cell by cell, and what changes it."""

import itertools

import pytest

from customers.compensation import Fault, Impact, propose
from tests.support.plans import eur

AMOUNTS = [
    #  impact, F0, F1, F2, F3
    (0, None, None, None, None),
    (1, None, None, "10.00", "20.00"),
    (2, None, "25.00", "50.00", "100.00"),
    (3, None, "100.00", "200.00", "300.00"),
    (4, None, "300.00", "600.00", "1000.00"),
    (5, None, None, None, None),
]
CELLS = [(Impact(impact), Fault(fault), amount) for impact, *row in AMOUNTS for fault, amount in enumerate(row)]


@pytest.mark.parametrize(("impact", "fault", "amount"), CELLS)
def test_the_matrix_says_what_is_paid(impact, fault, amount):
    assert propose(impact, fault).per_customer == (None if amount is None else eur(amount))


@pytest.mark.parametrize(
    ("impact", "form"),
    [
        (Impact.NONE, "information"),
        (Impact.SMALL_DELAY, "an apology and help"),
        (Impact.LOST_DAY, "help"),
        (Impact.DAYS_OF_DISRUPTION, "help, and what the care costs"),
        (Impact.SERIOUS, "a case manager"),
    ],
)
def test_what_is_out_of_our_control_is_not_paid_for_but_helped_with(impact, form):
    proposal = propose(impact, Fault.NOT_OURS)
    assert (proposal.per_customer, proposal.form) == (None, form)
    assert "out of our control" in proposal.because[-1]


@pytest.mark.parametrize("fault", Fault)
def test_severe_harm_is_assessed_one_by_one_whoever_is_to_blame(fault):
    proposal = propose(Impact.SEVERE, fault, prior_failures=3)
    assert proposal.individual
    assert proposal.per_customer is None
    assert "Legal" in proposal.form


@pytest.mark.parametrize(
    ("failures", "exhausted", "amount", "called"),
    [
        (0, False, "50.00", False),
        (1, False, "62.50", False),
        (2, False, "75.00", True),
        (9, False, "75.00", True),
        (0, True, "75.00", True),
        (1, True, "75.00", True),
    ],
)
def test_a_second_failure_is_worth_more_and_brings_a_call(failures, exhausted, amount, called):
    proposal = propose(Impact.LOST_DAY, Fault.ACCIDENTAL, prior_failures=failures, channels_exhausted=exhausted)
    assert proposal.per_customer == eur(amount)
    assert ("a manager calls" in proposal.form) == called


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("impact", [each for each in Impact if each is not Impact.SEVERE])
def test_a_vulnerable_person_counts_one_level_higher(impact, fault):
    shifted = propose(impact, fault, vulnerable=True)
    plain = propose(Impact(impact + 1), fault)
    assert (shifted.per_customer, shifted.form, shifted.individual) == (
        plain.per_customer,
        plain.form,
        plain.individual,
    )
    assert "vulnerable" in shifted.because[0]


def test_a_small_delay_pays_a_part_of_the_price_where_that_is_more():
    assert propose(Impact.SMALL_DELAY, Fault.ACCIDENTAL, affected_price=eur("300")).per_customer == eur("30.00")
    assert propose(Impact.SMALL_DELAY, Fault.PREVENTABLE, affected_price=eur("300")).per_customer == eur("60.00")
    assert propose(Impact.SMALL_DELAY, Fault.ACCIDENTAL, affected_price=eur("80")).per_customer == eur("10.00")
    assert propose(Impact.LOST_DAY, Fault.ACCIDENTAL, affected_price=eur("9000")).per_customer == eur("50.00")


def test_goodwill_ends_at_one_and_a_half_times_the_price():
    proposal = propose(Impact.SERIOUS, Fault.PREVENTABLE, prior_failures=2, affected_price=eur("200"))
    assert proposal.per_customer == eur("300.00")
    assert "150%" in proposal.because[-1]


def test_amounts_are_whole_cents():
    proposal = propose(Impact.SMALL_DELAY, Fault.ACCIDENTAL, prior_failures=1, affected_price=eur("100.05"))
    assert proposal.per_customer == eur("12.51")


def test_worse_impact_and_more_fault_never_pay_less():
    def worth(impact, fault):
        money = propose(impact, fault).per_customer
        return 0 if money is None else money.amount

    tabled = [each for each in Impact if each is not Impact.SEVERE]
    assert all(worth(low, fault) <= worth(high, fault) for fault in Fault for low, high in itertools.pairwise(tabled))
    assert all(
        worth(impact, low) <= worth(impact, high) for impact in tabled for low, high in itertools.pairwise(Fault)
    )


def test_every_proposal_says_why():
    assert all(propose(impact, fault).because for impact in Impact for fault in Fault)


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ValueError, match="prior_failures"):
        propose(Impact.NONE, Fault.SHARED, prior_failures=-1)
    price = eur("1").model_copy(update={"currency": "USD"})
    with pytest.raises(ValueError, match="USD"):
        propose(Impact.NONE, Fault.SHARED, affected_price=price)
