"""Fields of requests whose JSON Schema says exactly what is taken, no more and no less: a client can rely on it.

`tests/integration/test_openapi_holds.py` holds each of them against what the engine does.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema

from incidents.money import Money
from signals.signal import one_line

LARGEST = 2**53 - 1
"""What every reader of JSON keeps exactly, and every column of the database holds."""
AMOUNT = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"
READABLE = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""Something is left when `one_line` has taken blanks and control characters away."""


def _number(value: Any) -> Any:
    if isinstance(value, str | bool):
        raise ValueError("must be a whole number")
    return value


def _whole(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


# JSON's numbers only: neither text nor yes and no stand for one.
Count = Annotated[int, Field(ge=0, le=10**9), BeforeValidator(_number), _whole(0, 10**9)]
Positive = Annotated[int, Field(ge=1, le=LARGEST), BeforeValidator(_number), _whole(1, LARGEST)]
Reach = Annotated[int, Field(ge=0, le=LARGEST), BeforeValidator(_number), _whole(0, LARGEST)]
Stars = Annotated[int, Field(ge=1, le=5), BeforeValidator(_number), _whole(1, 5)]
Epoch = Annotated[int, Field(ge=1, le=LARGEST)]


def _written(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a moment as text, with its offset: 2026-03-02T09:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
"""As RFC 3339 has it. A number would leave open what it counts."""


def _said(text: str) -> str:
    said = one_line(text)
    if not said:
        raise ValueError("must have something on it that people can read")
    return said


def _readable(longest: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest, "pattern": READABLE})


Title = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_said), _readable(200)]
"""One line, with something on it."""
LongTitle = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_said), _readable(1024)]


def _exact(value: Any) -> Decimal:
    if isinstance(value, str) and re.fullmatch(AMOUNT, value):
        return Decimal(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**12 and value % 1 == 0:
        return Decimal(int(value))
    raise ValueError('must be an amount such as "12.50" (as text) or 12, not negative, two decimals at most')


class Price(Money):
    """Money as a program sends it. JSON's own fractions are binary: 0.1 would be another amount."""

    amount: Annotated[
        Decimal,
        BeforeValidator(_exact),
        WithJsonSchema(
            {"anyOf": [{"type": "string", "pattern": AMOUNT}, {"type": "integer", "minimum": 0, "maximum": 10**12 - 1}]}
        ),
    ]
