"""Who may decide what, up to how much (domain.md 4.3). Pure."""

from datetime import datetime
from decimal import Decimal

from contacts.directory import Authority, Contact, Directory
from incidents.money import Money


def covering_authority(
    contact: Contact, per_customer: Money | None, population_count: int, now: datetime
) -> Authority | None:
    """The grant that lets `contact` decide this compensation, or None.

    `per_customer=None` (no compensation) needs a grant of any size. Limits in another currency cover nothing.
    """
    for grant in contact.authority:
        if grant.may != "compensation" or not grant.in_force(now):
            continue
        if per_customer is None or _covers(grant, per_customer, population_count):
            return grant
    return None


def who_can_compensate(
    directory: Directory, per_customer: Money | None, population_count: int, now: datetime
) -> tuple[Contact, ...]:
    """Everybody whose authority covers it, smallest limit first: the least senior who can is asked first."""
    able = [
        (grant.per_customer.amount if grant.per_customer is not None else Decimal("Infinity"), contact)
        for contact in directory.contacts
        if (grant := covering_authority(contact, per_customer, population_count, now)) is not None
    ]
    return tuple(contact for _, contact in sorted(able, key=lambda pair: pair[0]))


def _covers(grant: Authority, per_customer: Money, population_count: int) -> bool:
    total = per_customer.amount * population_count
    for limit, wanted in ((grant.per_customer, per_customer.amount), (grant.total, total)):
        if limit is not None and (limit.currency != per_customer.currency or limit.amount < wanted):
            return False
    return True


def describe(grant: Authority) -> str:
    """The grant as the log keeps it: limits and by whom, no personal data beyond the grantor's name or body."""
    each = f"{grant.per_customer} a customer" if grant.per_customer is not None else "any amount a customer"
    total = f"{grant.total} in total" if grant.total is not None else "no limit in total"
    return f"{each}, {total}, granted by {grant.granted_by}"
