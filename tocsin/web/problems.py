"""What pydantic found wrong with a request to our API, in plain words. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.web.fields import AMOUNT

_ONE_OF = re.compile(r"^\^\(([a-z|]+)\)\$$")
_NO_TIME = "is no time such as 2027-03-28T02:30Z"
_WORDS = {
    "missing": "is needed",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "string_too_short": "has at least {min_length} characters",
    "string_too_long": "has at most {max_length} characters",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "is {ge} or more",
    "less_than_equal": "is {le} or less",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "datetime_type": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "timezone_aware": "needs a time zone, as in 2027-03-28T02:30Z",
}
"""By pydantic's name of the error; what stands in braces comes from its context."""


def problem_of(error: Mapping[str, Any]) -> str:
    """`title: must not be empty`: one error of pydantic's `errors()`, at the field's path as its sender writes it."""
    return f"{_place(error['loc'])}: {_words(error)}"


def _place(location: Sequence[int | str]) -> str:
    """`body` and the union's tag are ours."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _words(error: Mapping[str, Any]) -> str:
    kind, told = str(error["type"]), error.get("ctx") or {}
    if kind == "string_pattern_mismatch":
        return _written_as(str(told["pattern"]))
    if kind in ("string_too_short", "too_short") and told["min_length"] == 1:
        return "must not be empty"
    plain = _WORDS.get(kind)
    return str(error["msg"]).removeprefix("Value error, ") if plain is None else plain.format(**told)


def _written_as(pattern: str) -> str:
    one_of = _ONE_OF.match(pattern)
    if one_of is not None:
        return f"must be {' or '.join(one_of[1].split('|'))}"
    if pattern == AMOUNT:
        return "must be an amount such as 12.50"
    if "https?://" in pattern:
        return "must be an address such as https://example.com/post, without blanks"
    return "is not written as it has to be"
