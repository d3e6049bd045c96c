"""Who may decide what, up to how much (domain.md 4.3). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from contacts.directory import Authority, Contact, Directory, Occasion, excluded
from incidents.money import Money

Action = Literal["compensation", "publish", "stop-sale", "recall", "shutdown"]
ACTIONS: tuple[Action, ...] = ("compensation", "publish", "stop-sale", "recall", "shutdown")


def who_can(
    directory: Directory,
    action: Action,
    amount: Money | None,
    area: str | None,
    now: datetime,
    *,
    count: int = 1,
    occasion: Occasion | None = None,
) -> tuple[Contact, ...]:
    """Everybody who may do this now and can be asked now, the least senior first (smallest limit first).

    `amount` is what each of `count` customers gets; None asks for a grant of any size. Who is absent, has no channel or
    has no business in the incident (`occasion`) is left out. Limits in another currency cover nothing.
    """
    about = occasion or Occasion(now, area=area)
    able = [
        (_size(grant), order, contact)
        for order, contact in enumerate(directory.contacts)
        for grant in _covering(contact, action, amount, count, about.area, now)[:1]
        if _can_be_asked(directory, contact, about)
    ]
    return tuple(contact for *_, contact in sorted(able, key=lambda each: each[:2]))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Somebody with a grant for an action who cannot be asked for it now, and why, as the end of a sentence."""

    contact: Contact
    because: str


def grant_for(
    contact: Contact, action: Action, amount: Money | None, area: str | None, now: datetime, *, count: int = 1
) -> Authority | None:
    """The grant by which they may: the smallest that covers it, or None."""
    return next(iter(_covering(contact, action, amount, count, area, now)), None)


def left_out(
    directory: Directory, action: Action, amount: Money | None, area: str | None, now: datetime, *, count: int = 1
) -> tuple[LeftOut, ...]:
    """Who has a grant for this action and is not among `who_can`, in the order of the file, with the reason."""
    able = {each.id for each in who_can(directory, action, amount, area, now, count=count)}
    occasion = Occasion(now, area=area)
    found: list[LeftOut] = []
    for contact in directory.contacts:
        grants = [each for each in contact.authority if each.may == action]
        if not grants or contact.id in able:
            continue
        if _covering(contact, action, amount, count, area, now):
            found.append(LeftOut(contact, _cannot_be_asked(directory, contact, occasion)))
        else:
            found.append(LeftOut(contact, "; ".join(_too_little(each, amount, count, area, now) for each in grants)))
    return tuple(found)


def _cannot_be_asked(directory: Directory, contact: Contact, occasion: Occasion) -> str:
    out = [each.to for each in contact.channels if each.to in directory.live.out]
    if len(out) == len(contact.channels):
        return f"every address of {contact.id} is out: {', '.join(dict.fromkeys(out))}"
    return "; ".join(directory.resolve(contact.id, occasion).because)


def _too_little(grant: Authority, amount: Money | None, count: int, area: str | None, now: datetime) -> str:
    """Why this grant does not cover it."""
    if not grant.in_force(now):
        return f"the grant ended on {grant.until:%Y-%m-%d %H:%M} UTC"
    if grant.areas and area not in grant.areas:
        return f"the grant is only for {', '.join(grant.areas)}"
    limits = [each for each in (grant.per_customer, grant.total) if each is not None]
    if amount is not None and any(each.currency != amount.currency for each in limits):
        return f"the grant is in {limits[0].currency}, not in {amount.currency}"
    return f"the grant is too small: {describe(grant)}"


def covering_authority(
    contact: Contact, per_customer: Money | None, population_count: int, now: datetime, area: str | None = None
) -> Authority | None:
    """The grant that lets `contact` decide this compensation, or None.

    `per_customer=None` (no compensation) needs a grant of any size. Limits in another currency cover nothing.
    """
    return next(iter(_covering(contact, "compensation", per_customer, population_count, area, now)), None)


def who_can_compensate(
    directory: Directory,
    per_customer: Money | None,
    population_count: int,
    now: datetime,
    occasion: Occasion | None = None,
) -> tuple[Contact, ...]:
    """Everybody whose authority covers it, smallest limit first: the least senior who can is asked first."""
    about = occasion or Occasion(now)
    return who_can(directory, "compensation", per_customer, about.area, now, count=population_count, occasion=about)


def compensators_from(
    directory: Directory, per_customer: Money | None, population_count: int, occasion: Occasion
) -> datetime | None:
    """When somebody with that authority who cannot be asked now may be asked again; None if nothing says so."""
    able = (
        contact
        for contact in directory.contacts
        if _covering(contact, "compensation", per_customer, population_count, occasion.area, occasion.at)
    )
    found = (directory.resolve(contact.id, occasion) for contact in able)
    return min((each.until for each in found if each.until is not None), default=None)


def describe(grant: Authority) -> str:
    """The grant as the log keeps it: limits and by whom, no personal data beyond the grantor's name or body."""
    each = f"{grant.per_customer} a customer" if grant.per_customer is not None else "any amount a customer"
    total = f"{grant.total} in total" if grant.total is not None else "no limit in total"
    return f"{each}, {total}, granted by {grant.granted_by}"


def _covering(
    contact: Contact, action: Action, amount: Money | None, count: int, area: str | None, now: datetime
) -> list[Authority]:
    return sorted(_in_force(contact, action, amount, count, area, now), key=_size)


def _in_force(
    contact: Contact, action: Action, amount: Money | None, count: int, area: str | None, now: datetime
) -> Iterator[Authority]:
    for grant in contact.authority:
        if grant.may != action or not grant.in_force(now):
            continue
        if grant.areas and area not in grant.areas:
            continue
        if amount is None or _covers(grant, amount, count):
            yield grant


def _can_be_asked(directory: Directory, contact: Contact, occasion: Occasion) -> bool:
    """Whether they themselves, not a deputy, can be asked: authority is personal."""
    if excluded(contact, occasion) is not None:
        return False
    return any(each.id == contact.id for each in directory.resolve(contact.id, occasion).contacts)


def _size(grant: Authority) -> Decimal:
    return grant.per_customer.amount if grant.per_customer is not None else Decimal("Infinity")


def _covers(grant: Authority, per_customer: Money, population_count: int) -> bool:
    total = per_customer.amount * population_count
    for limit, wanted in ((grant.per_customer, per_customer.amount), (grant.total, total)):
        if limit is not None and (limit.currency != per_customer.currency or limit.amount < wanted):
            return False
    return True
