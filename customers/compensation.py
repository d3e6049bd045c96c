"""What goodwill is proposed: the matrix of domain.md 4.2, impact against fault. Pure; a person decides.

The amount pays for the impact on the customer, not for the error. Proved expenses, and what law or contract grant, come
on top and are not reduced by it.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import IntEnum
from typing import assert_never

from incidents.money import Money

CURRENCY = "EUR"
"""The matrix is written in euros; other currencies need a matrix of their own."""
PERCENT_OF_PRICE = {Decimal(10): Decimal("0.10"), Decimal(20): Decimal("0.20")}
"""I1 pays an amount or this part of the affected price, whichever is more."""
CEILING = Decimal("1.50")
"""Goodwill above this part of the affected price lowers loyalty; it is the default cap (domain.md 4.1)."""


class Impact(IntEnum):
    NONE = 0
    SMALL_DELAY = 1
    LOST_DAY = 2
    DAYS_OF_DISRUPTION = 3
    SERIOUS = 4
    SEVERE = 5


class Fault(IntEnum):
    NOT_OURS = 0
    SHARED = 1
    ACCIDENTAL = 2
    PREVENTABLE = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """`per_customer` is None where no money is proposed, or none can be from a table (`individual`)."""

    per_customer: Money | None
    form: str
    individual: bool
    because: tuple[str, ...]


_AMOUNTS: dict[Impact, dict[Fault, int]] = {
    Impact.SMALL_DELAY: {Fault.ACCIDENTAL: 10, Fault.PREVENTABLE: 20},
    Impact.LOST_DAY: {Fault.SHARED: 25, Fault.ACCIDENTAL: 50, Fault.PREVENTABLE: 100},
    Impact.DAYS_OF_DISRUPTION: {Fault.SHARED: 100, Fault.ACCIDENTAL: 200, Fault.PREVENTABLE: 300},
    Impact.SERIOUS: {Fault.SHARED: 300, Fault.ACCIDENTAL: 600, Fault.PREVENTABLE: 1000},
}
_NOT_OURS: dict[Impact, str] = {
    Impact.NONE: "information",
    Impact.SMALL_DELAY: "an apology and help",
    Impact.LOST_DAY: "help",
    Impact.DAYS_OF_DISRUPTION: "help, and what the care costs",
    Impact.SERIOUS: "a case manager",
}
_INDIVIDUAL = "an executive gets in touch; Legal assesses each case"


def propose(
    impact: Impact,
    fault: Fault,
    *,
    prior_failures: int = 0,
    channels_exhausted: bool = False,
    vulnerable: bool = False,
    affected_price: Money | None = None,
) -> Proposal:
    """The goodwill for one customer of a group that was hit alike.

    `prior_failures` counts those of the last twelve months. `affected_price` is what the failed service cost: it
    decides I1 where a part of it is more than the amount, and caps goodwill at 150 % of it. ValueError for a price in
    another currency, or a negative count.
    """
    if prior_failures < 0:
        raise ValueError("prior_failures cannot be negative")
    if affected_price is not None and affected_price.currency != CURRENCY:
        raise ValueError(f"the goodwill matrix is written in {CURRENCY}, not in {affected_price.currency}")
    because: list[str] = []
    level = impact
    if vulnerable and level < Impact.SEVERE:
        level = Impact(level + 1)
        because.append(f"a vulnerable person counts one level higher: I{impact} became I{level}")
    if level is Impact.SEVERE:
        because.append("I5 has no table: severe harm is assessed one by one")
        return Proposal(None, _INDIVIDUAL, individual=True, because=tuple(because))
    amount = _AMOUNTS.get(level, {}).get(fault)
    if amount is None:
        because.append(f"I{level} and F{fault}: nothing is paid{_why_nothing(fault)}")
        return Proposal(None, _form_without_money(level, fault), individual=False, because=tuple(because))
    because.append(f"I{level} and F{fault}: {amount} {CURRENCY}")
    worth = _by_price(Decimal(amount), level, affected_price, because)
    worth, call = _after_failures(worth, prior_failures, channels_exhausted, because)
    worth = _capped(worth, affected_price, because)
    form = "an apology and money" + (", and a manager calls" if call else "")
    return Proposal(Money(amount=worth, currency=CURRENCY), form, individual=False, because=tuple(because))


def _why_nothing(fault: Fault) -> str:
    match fault:
        case Fault.NOT_OURS:
            return " for what is out of our control, except by law or for care"
        case Fault.SHARED | Fault.ACCIDENTAL | Fault.PREVENTABLE:
            return " for ordinary annoyance"
        case _:
            assert_never(fault)


def _form_without_money(impact: Impact, fault: Fault) -> str:
    return _NOT_OURS[impact] if fault is Fault.NOT_OURS else "an apology"


def _by_price(amount: Decimal, impact: Impact, price: Money | None, because: list[str]) -> Decimal:
    part = PERCENT_OF_PRICE.get(amount)
    if impact is not Impact.SMALL_DELAY or price is None or part is None or price.amount * part <= amount:
        return amount
    because.append(f"{part:.0%} of the price is more")
    return price.amount * part


def _after_failures(
    amount: Decimal, prior_failures: int, channels_exhausted: bool, because: list[str]
) -> tuple[Decimal, bool]:
    """A second failure is worth more, and never the same again: a manager calls."""
    if prior_failures >= 2 or channels_exhausted:
        why = (
            f"{prior_failures} failures in twelve months" if prior_failures >= 2 else "every channel was tried in vain"
        )
        because.append(f"{why}: half as much again, and a manager calls")
        return amount * Decimal("1.5"), True
    if prior_failures == 1:
        because.append("a failure in the last twelve months: a quarter more")
        return amount * Decimal("1.25"), False
    return amount, False


def _capped(amount: Decimal, price: Money | None, because: list[str]) -> Decimal:
    if price is not None and price.amount > 0 and amount > price.amount * CEILING:
        because.append(f"goodwill ends at {CEILING:.0%} of the affected price")
        amount = price.amount * CEILING
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
