"""Whose word is enough, for how much, until when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from contacts.authority import covering_authority, describe, who_can_compensate
from contacts.directory import Authority, Contact
from incidents.money import Money
from tests.support.plans import authority, eur, everybody, someone

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KIM = someone("kim", may_pay=("50", "2000"))


@pytest.mark.parametrize(
    ("amount", "count", "covered"),
    [
        ("50", 1, True),
        ("50.01", 1, False),
        ("50", 40, True),
        ("50", 41, False),
        ("0.01", 200_000, True),
        ("0.01", 200_001, False),
    ],
)
def test_a_grant_covers_up_to_its_limits_each_and_in_total(amount, count, covered):
    assert (covering_authority(KIM, eur(amount), count, NOW) is not None) == covered


def test_a_limit_in_another_currency_covers_nothing():
    assert covering_authority(KIM, Money(amount=Decimal(1), currency="USD"), 1, NOW) is None


def test_paying_nothing_needs_a_compensation_grant_of_any_size():
    assert covering_authority(KIM, None, 1_000_000, NOW) is not None
    assert covering_authority(someone("ana"), None, 1, NOW) is None


def with_grants(*grants: Authority) -> Contact:
    return someone("kim").model_copy(update={"authority": grants})


def test_a_grant_ends_at_its_date():
    kim = with_grants(authority("50", "2000").model_copy(update={"until": NOW}))
    assert covering_authority(kim, eur("1"), 1, NOW - timedelta(seconds=1)) is not None
    assert covering_authority(kim, eur("1"), 1, NOW) is None


def test_authority_to_publish_is_not_authority_to_pay():
    assert covering_authority(with_grants(Authority(may="publish", granted_by="the board")), None, 1, NOW) is None


def test_a_second_grant_counts_where_the_first_does_not_reach():
    kim = with_grants(authority("50", "2000"), authority("500", "9000"))
    assert covering_authority(kim, eur("100"), 10, NOW) == authority("500", "9000")


def test_a_grant_without_limits_covers_everything():
    kim = with_grants(Authority(may="compensation", granted_by="the owner"))
    assert covering_authority(kim, eur("1000000"), 1_000_000, NOW) is not None


def test_the_least_senior_who_can_is_asked_first():
    unlimited = someone("zoe").model_copy(
        update={"authority": (Authority(may="compensation", granted_by="the owner"),)}
    )
    people = everybody(
        unlimited, someone("dora", may_pay=("2500", "100000")), someone("cleo", may_pay=("500", "25000"))
    )
    assert [each.id for each in who_can_compensate(people, eur("60"), 100, NOW)] == ["cleo", "dora", "zoe"]
    assert [each.id for each in who_can_compensate(people, eur("600"), 100, NOW)] == ["dora", "zoe"]


def test_the_grant_is_written_down_in_words():
    assert describe(authority("50", "2000")) == "50 EUR a customer, 2000 EUR in total, granted by the board"
    unlimited = Authority(may="compensation", granted_by="the owner")
    assert describe(unlimited) == "any amount a customer, no limit in total, granted by the owner"
