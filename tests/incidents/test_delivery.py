"""Delivery is a lattice: whatever the order in which providers report, and however often, the belief is the same."""

import itertools
from datetime import timedelta

import pytest

from incidents import commands as c
from incidents.decide import decide
from incidents.events import PageFailure
from incidents.evolve import fold
from incidents.state import Incident, Page
from tests.incidents.samples import START, one_of_each

PAGE = "1.INC-1.1.r1.c1.1"
SENT = c.RecordSent(PAGE, "SM1", "provider:sms")
DELIVERED = c.RecordDelivered(PAGE, "provider:sms")
PROVEN = c.RecordProven(PAGE, "SM1", "provider:sms")
UNKNOWN = c.RecordFailed(PAGE, PageFailure.UNKNOWN, "", "provider:sms")
UNDELIVERED = c.RecordFailed(PAGE, PageFailure.UNDELIVERED, "", "provider:sms")


def paged() -> Incident:
    state = fold(one_of_each()[:3])
    assert state is not None
    return state


def after(*reports: c.Command) -> Page:
    state = paged()
    for second, report in enumerate(reports, start=10):
        folded = fold(decide(state, report, START + timedelta(seconds=second)), state)
        assert folded is not None
        state = folded
    return state.pages[PAGE]


def belief(page: Page) -> tuple[str, bool]:
    return page.state, page.failed


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ((SENT,), "sent"),
        ((DELIVERED,), "delivered"),
        ((SENT, DELIVERED), "delivered"),
        ((UNKNOWN,), "unknown"),
        ((UNKNOWN, SENT), "sent"),
        ((UNKNOWN, PROVEN), "sent"),
        ((UNKNOWN, DELIVERED), "delivered"),
        ((UNKNOWN, PROVEN, DELIVERED), "delivered"),
        ((SENT, UNDELIVERED), "failed"),
        ((UNKNOWN, UNDELIVERED), "failed"),
        ((UNKNOWN, SENT, UNDELIVERED), "failed"),
        ((UNKNOWN, PROVEN, SENT, DELIVERED), "delivered"),
        ((DELIVERED, UNDELIVERED), "failed"),
    ],
)
def test_any_order_and_repetition_gives_the_same_belief(reports, state):
    for order in itertools.permutations(reports):
        assert belief(after(*order)) == (state, state in ("failed", "unknown")), order
        assert belief(after(*order, *reversed(order))) == belief(after(*order)), order


def test_a_report_that_adds_nothing_is_no_event():
    state = paged()
    for report in (SENT, DELIVERED):
        folded = fold(decide(state, report, START), state)
        assert folded is not None
        state = folded
        assert decide(state, report, START) == []


def test_a_report_about_a_page_that_is_not_ours_is_no_event():
    assert decide(paged(), c.RecordSent("1.INC-9.1.r1.c1.1", "SM1", "provider:sms"), START) == []


def test_a_receipt_that_comes_after_we_gave_up_counts():
    gave_up = c.RecordFailed(PAGE, PageFailure.NO_RECEIPT, "", "engine")
    assert belief(after(SENT, gave_up)) == ("failed", True)
    assert belief(after(SENT, gave_up, DELIVERED)) == ("delivered", False)
