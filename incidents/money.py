"""Money is a decimal and a currency, never a float (domain.md 4.6), and the reasons for which nothing is paid."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Money(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Decimal = Field(ge=0, max_digits=14, decimal_places=2)
    currency: Currency

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class NoCompensationReason(StrEnum):
    """Terminal reasons of domain.md 4.5; deferrals are not among them."""

    NOT_AFFECTED = "NOT_AFFECTED"
    TRIVIAL_IMPACT = "TRIVIAL_IMPACT"
    EXTRAORDINARY = "EXTRAORDINARY"
    CUSTOMER_CAUSED = "CUSTOMER_CAUSED"
    THIRD_PARTY_OUT_OF_SCOPE = "THIRD_PARTY_OUT_OF_SCOPE"
    ALREADY_COMPENSATED = "ALREADY_COMPENSATED"
    NON_MONETARY_SUFFICIENT = "NON_MONETARY_SUFFICIENT"
    CUSTOMER_DECLINED = "CUSTOMER_DECLINED"
    FRAUD_CONFIRMED = "FRAUD_CONFIRMED"
