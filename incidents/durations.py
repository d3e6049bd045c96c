"""Lengths of time as a plan writes them: `90s`, `5m`, `2h`, `3d`, or several: `1h 30m`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PATTERN = r"^ *(([0-9]{1,9} *s|[0-9]{1,7} *m|[0-9]{1,6} *h|[0-9]{1,5} *d) *){1,8}$"
"""As JSON Schema has it too. Two thousand years at most: a moment that far away can still be written down."""
_DURATION = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+) *([smhd])")


def parse_duration(value: Any) -> timedelta:
    """`1h 30m` as a timedelta. ValueError for anything that is not such a text."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("write a duration such as 30s, 5m, 2h, 3d or 1h 30m")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value)))


def write_duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        amount, seconds = divmod(seconds, _UNITS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["5m", "1h 30m"]}),
]
