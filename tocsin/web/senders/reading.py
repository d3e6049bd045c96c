"""What every reader of a sender's body needs: the request, lenient fields, titles, labels and links.

A page must not be lost over a decoration: only what makes a signal is demanded, the rest is taken as it is found.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import from_json

from incidents.errors import SignalRefused, TocsinError
from signals.signal import LONGEST_TITLE, one_line
from tocsin.web.fields import LongTitle

KB = 1024
MOST_FIELDS = 1000
"""Of a form."""
_LONGEST_LABEL = 1024
_MOST_LABELS = 100
_MOST_LINKS = 5
_LONGEST_LINK = 500
_MARK = b"\xef\xbb\xbf"
"""Some programs begin UTF-8 with it."""

T = TypeVar("T")


class KeyRefused(TocsinError):
    """The request has no key of the plan, or a signature that is not right (401)."""


class NotNow(TocsinError):
    """What is needed to read the request is not there for the moment (503): it has to come again."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a sender, as far as its reading depends on it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")


def _loose(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < 10**1000:
            return str(value)
        case float():
            return str(value)
    return ""


Title = LongTitle
Word = Annotated[str, StringConstraints(max_length=255)]
Loose = Annotated[str, BeforeValidator(_loose), WithJsonSchema({})]
"""A text, a number, yes or no; anything else is as good as nothing."""
Id = Annotated[
    str,
    BeforeValidator(_loose),
    StringConstraints(min_length=1, max_length=1024),
    WithJsonSchema({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 1024}),
]
"""What names a thing, as a text or a number."""


def _mapping(value: Any) -> dict[str, Any]:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


LooseMapping = Annotated[dict[str, Any], BeforeValidator(_mapping), WithJsonSchema({})]
LooseList = Annotated[list[Any], BeforeValidator(_list), WithJsonSchema({})]


class Body(BaseModel):
    """Senders add fields with each release: unknown ones are kept in the raw signal and otherwise ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def problems_of(error: ValidationError) -> list[str]:
    """One sentence a field, with its path as the sender writes it."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]


def read_json(adapter: TypeAdapter[T], body: bytes) -> T:
    """Raises SignalRefused with a problem a field."""
    try:
        return adapter.validate_json(body.removeprefix(_MARK))
    except ValidationError as error:
        raise SignalRefused(problems_of(error)) from error


def read_loose(adapter: TypeAdapter[T], request: Request) -> T:
    """A JSON object, or the fields of a form. Raises SignalRefused with a problem a field."""
    if not request.is_form:
        return read_json(adapter, request.body)
    return read_python(adapter, form_of(request.body))


def read_python(adapter: TypeAdapter[T], fields: Mapping[str, Any]) -> T:
    """What fields of a form or a query say. Raises SignalRefused with a problem a field."""
    try:
        return adapter.validate_python(dict(fields))
    except ValidationError as error:
        raise SignalRefused(problems_of(error)) from error


def values_of(request: Request) -> Any:
    """The JSON value of a body, or a form's fields as a mapping. Raises SignalRefused when it is neither."""
    if request.is_form:
        return form_of(request.body)
    try:
        return from_json(request.body.removeprefix(_MARK), allow_inf_nan=False)
    except ValueError as error:
        raise SignalRefused([f"body: Invalid JSON: {error}"]) from error


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form; of those that stand there twice the last. Raises SignalRefused when it has too many."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise SignalRefused([f"body: a form has at most {MOST_FIELDS} fields"]) from error
    return dict(pairs)


def title_of(*candidates: str, otherwise: str) -> str:
    """The first of these that says anything, as a title."""
    return next((line for line in map(one_line, candidates) if line), otherwise)[:LONGEST_TITLE]


def named(action: str, dedup_key: str) -> str:
    """What stands in for the title that nobody has to send with a resolve or an acknowledge."""
    return one_line(f"{action} of {dedup_key}")[:LONGEST_TITLE]


def labels_of(*groups: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Labels of texts, numbers, yes and no, a later group over an earlier one; what is empty is left out."""
    found: dict[str, str] = {}
    for group in (*groups, more):
        for name, value in group.items():
            text = _loose(value)[:_LONGEST_LABEL]
            if text and len(found) < _MOST_LABELS:
                found[str(name)[:255]] = text
    return found


def links_of(pairs: Iterable[tuple[Any, Any]]) -> tuple[str, ...]:
    """`text: address` for the first web addresses among (text, address); anything else is left out."""
    found: list[str] = []
    for text, address in pairs:
        href = _loose(address) if address else ""
        link = _link(_loose(text)[:_LONGEST_LINK], href) if 0 < len(href) <= _LONGEST_LINK else ""
        if link:
            found.append(link)
            if len(found) == _MOST_LINKS:
                break
    return tuple(dict.fromkeys(found))


@lru_cache(1024)
def _link(text: str, address: str) -> str:
    """Empty for what is no web address. Remembered: a rule's alerts bring the same ones again and again."""
    href = one_line(address)
    if not href.lower().startswith(("https://", "http://")) or " " in href:
        return ""
    words = one_line(text)[:100]
    return f"{words}: {href}" if words and words != href else href


def moment_of(text: str) -> dt.datetime | None:
    """An RFC 3339 time in UTC; None for what is none, and for the year 1, by which Go says "not set"."""
    try:
        found = dt.datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    if found.tzinfo is None or found.year <= 1:
        return None
    try:
        return found.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        return None
