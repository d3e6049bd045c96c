"""What pydantic found, as a sentence for the person who wrote the plan, at the place where it stands. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from incidents.durations import PATTERN as DURATION
from runbooks.documents import Document, Spot
from runbooks.places import ModelPath, Problem

PATTERNS = {
    DURATION: "a duration such as 30s, 5m, 2h, 3d or 1h 30m",
    r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$": "an id of lower-case letters, digits and hyphens such as tech-on-call",
    r"^(?:(?:(?:role|area|team|schedule):)?[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?|area:\*)(?:/(?:second-)?deputy)?$": (
        "a contact such as ana, or a role such as role:duty-commander, or area:*, team:NAME or schedule:NAME"
    ),
    r"^(schedule:)?[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$": "a contact such as ana, or a schedule such as schedule:tech",
    r"^[A-Z][A-Z0-9_]{1,62}$": "a situation's code of capitals, digits and underscores such as SERVICE_OUTAGE",
    r"^[A-Z]{3}$": "a currency's code of three capitals such as EUR",
    r"^[a-z]{2}$": "a language's code of two letters such as en or es",
    r"^[CDGUW][A-Z0-9]{2,}$": "a Slack id of a person or channel such as U024BE7LH (not its name)",
    r"^[A-Za-z0-9_-]+$": "a key of letters, digits, hyphens and underscores",
    r"^[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,190}$": "a mail address such as nora@example.com",
    r"^https?://[^\s/@]+(/\S*)?$": "an address such as https://example.com/pages (without a name or a password in it)",
    r"^(https?|webcal)://[^\s/]+(/\S*)?$": "the address of a calendar such as https://example.com/oncall.ics",
    r"^(https?|wss?)://[^\s]+$": "an address such as https://example.com/feed.xml, without blanks",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable such as TOCSIN_BLUESKY_PASSWORD",
    r"^[0-9]{1,20}$": "the number of an account, of digits only",
    r"^[a-z]{2,3}$": "a language's code of two or three letters such as en, es or fil",
    r"^[A-Za-z0-9_]{2,21}$": "a subreddit's name such as personalfinance, without r/",
    r"^[a-z][a-z-]{0,30}$": "a word of small letters such as clear",
    r"^[^\[\]\",*A-Z\s]([^\[\]\",*A-Z]{0,58}[^\[\]\",*A-Z\s])?$": (
        "a topic in small letters such as injury, without brackets, commas, quotes and *"
    ),
    r"^[^\[\]\",]{1,60}$": "a word or phrase of at most 60 characters without brackets, commas and quotes",
    r"^[^\s@<>,;\"]{0,64}@[^\s@<>,;\"]{1,190}$": "a sender such as nagios@example.com, or @example.com for all of them",
    r"^[a-z0-9][a-z0-9.%+-]{0,39}$": "an answer such as 5-25% or near-miss: small letters, digits, hyphens, . % and +",
    r"^arn:[!-~]{1,300}$": "the ARN of a topic such as arn:aws:sns:eu-west-1:123456789012:alarms",
}
"""What each pattern of the models asks for, in words."""
_MEMBER = re.compile(r"<[\w.]+: ('[^']*')>")
"""How pydantic writes a member of an enum: `<Severity.SEV3: 'SEV3'>`."""


@dataclass(frozen=True, slots=True)
class _Mistake:
    name: str
    error: ErrorDetails
    spot: Spot
    known_keys: tuple[str, ...]

    @property
    def ctx(self) -> dict[str, Any]:
        return self.error.get("ctx", {})

    @property
    def given(self) -> str:
        return _kind_of(self.error["input"], self.spot.plain)


def explain(model: type[BaseModel], document: Document, errors: list[ErrorDetails]) -> list[Problem]:
    """The problems behind pydantic's errors of `document` read as `model`, in the order of the file."""
    problems = [_explained(model, document, each) for each in errors if not _is_echo(each, errors)]
    return sorted(problems)


def _is_echo(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Whether a list is called too short only because its wrong entries were not counted."""
    loc = error["loc"]
    wrong_inside = (each for each in errors if len(each["loc"]) > len(loc) and each["loc"][: len(loc)] == loc)
    return error["type"] == "too_short" and any(wrong_inside)


def _explained(model: type[BaseModel], document: Document, error: ErrorDetails) -> Problem:
    path = path_of(error["loc"])
    spot = document.spot(path)
    if error["type"] == "condition":
        return Problem(document.inside(path, int(error["ctx"]["offset"])), str(error["ctx"]["sentence"]))
    mistake = _Mistake(_name_of(path), error, spot, keys_at(model, path[:-1], _kind_in(error["loc"])))
    sentence = _SENTENCES.get(error["type"], _anything_else)(mistake)
    at_key = error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",)
    return Problem(spot.key if at_key and spot.key is not None else spot.value, sentence)


def path_of(loc: tuple[int | str, ...]) -> ModelPath:
    """Where a pydantic `loc` points: without `[key]`, and without the kind of a channel or source, after its index."""
    return tuple(element for index, element in enumerate(loc) if element != "[key]" and not _is_kind(loc, index))


def _is_kind(loc: tuple[int | str, ...], index: int) -> bool:
    return index >= 2 and loc[index - 2] in ("channels", "sources") and type(loc[index - 1]) is int


def _kind_in(loc: tuple[int | str, ...]) -> str | None:
    return next((str(loc[index]) for index in range(len(loc)) if _is_kind(loc, index)), None)


def keys_at(model: type[BaseModel], path: ModelPath, of_kind: str | None = None) -> tuple[str, ...]:
    """The keys that the mapping at `path` may have, in the order of its model; empty where any key may stand.

    With `of_kind` only those of that kind of channel or source, where there are several.
    """
    here: list[Any] = [model]
    for element in path:
        here = [inner for kind in here for inner in _inside(kind, element)]
    models = [kind for kind in here if isinstance(kind, type) and issubclass(kind, BaseModel)]
    named = [each for each in models if "kind" in each.model_fields and of_kind in _kinds_of(each)]
    return tuple(dict.fromkeys(field.alias or name for each in named or models for name, field in _fields(each)))


def _kinds_of(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from model.model_fields.items()


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that `word` was probably meant to be."""
    found = get_close_matches(word, known, n=1, cutoff=0.72)
    return found[0] if found else None


def _inside(kind: Any, element: str | int) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in _fields(kind):
            if (field.alias or name) == element:
                yield from _alternatives(field.annotation)
    elif get_origin(kind) is tuple:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _alternatives(get_args(kind)[1])


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _alternatives(each)
    elif origin is not Literal:
        yield annotation


def _name_of(path: ModelPath) -> str:
    if not path:
        return "The file"
    if isinstance(path[-1], int):
        return f"Entry {path[-1] + 1} of {str(path[-2])!r}" if len(path) > 1 else f"Entry {path[-1] + 1}"
    return repr(path[-1])


def _kind_of(given: Any, plain: str | None) -> str:
    match given:
        case None:
            return "empty"
        case bool():
            return f"the yes-or-no value {plain or given}"
        case int() | float():
            return f"the number {plain or given}"
        case str():
            return repr(given)
        case list():
            return "a list"
    return "a mapping"


def _missing(mistake: _Mistake) -> str:
    return f"{mistake.name} is missing here."


def _unknown_key(mistake: _Mistake) -> str:
    key = str(mistake.error["loc"][-1])
    if key == "runbooks":
        return "'runbooks' is not a key here: each runbook stands in a file of its own in runbooks/."
    meant = nearest(key, mistake.known_keys)
    if meant is not None:
        return f"{mistake.name} is not a key here; did you mean {meant!r}?"
    return f"{mistake.name} is not a key here; the keys are {', '.join(mistake.known_keys)}."


def _not_text(mistake: _Mistake) -> str:
    given, plain = mistake.error["input"], mistake.spot.plain
    if given is None:
        return f"{mistake.name} is empty; text belongs here."
    if isinstance(given, list | dict):
        return f"{mistake.name} must be text, not {mistake.given}."
    lost = " so that the plus is not lost" if plain is not None and plain.startswith("+") else ""
    return (
        f'{mistake.name} must be text, but YAML reads {plain} as {_reading(given)}; put it in quotes{lost}: "{plain}".'
    )


def _reading(given: Any) -> str:
    return "yes or no" if isinstance(given, bool) else "a number"


def _must_be(wanted: str) -> Callable[[_Mistake], str]:
    return lambda mistake: f"{mistake.name} must be {wanted}, not {mistake.given}."


def _one_of(mistake: _Mistake) -> str:
    members = str(mistake.ctx["expected"])
    expected = _MEMBER.sub(r"\1", members)
    given = mistake.error["input"]
    meant = nearest(str(given), tuple(re.findall(r"'([^']*)'", expected)))
    # Of some members of an enum none is nearer to another member than the rest: SEV1 is not a misspelt SEV4.
    guess = isinstance(given, str) and meant is not None and expected == members
    return f"{mistake.name} must be {expected}, not {mistake.given}" + (f"; did you mean {meant!r}?" if guess else ".")


def _wrong_kind(mistake: _Mistake) -> str:
    return f"'kind' must be one of {mistake.ctx['expected_tags']}, not {str(mistake.ctx['tag'])!r}."


def _no_kind(mistake: _Mistake) -> str:
    return "'kind' is missing here."


def _too_few(mistake: _Mistake) -> str:
    least = mistake.ctx["min_length"]
    return f"{mistake.name} needs at least {least} {'entry' if least == 1 else 'entries'}."


def _too_many(mistake: _Mistake) -> str:
    return f"{mistake.name} can have at most {mistake.ctx['max_length']} entries."


def _too_little_text(mistake: _Mistake) -> str:
    least = mistake.ctx["min_length"]
    return f"{mistake.name} must not be empty." if least == 1 else f"{mistake.name} needs at least {least} characters."


def _too_much_text(mistake: _Mistake) -> str:
    return f"{mistake.name} is too long: at most {mistake.ctx['max_length']} characters."


def _misfit(mistake: _Mistake) -> str:
    pattern = str(mistake.ctx["pattern"])
    wanted = PATTERNS.get(pattern, f"something that fits {pattern}")
    return f"{mistake.name} must be {wanted}, not {mistake.given}."


def _refused(mistake: _Mistake) -> str:
    return f"{mistake.name}: {mistake.error['msg'].removeprefix('Value error, ')}."


def _anything_else(mistake: _Mistake) -> str:
    message = mistake.error["msg"]
    return f"{mistake.name}: {message[:1].lower()}{message[1:]} (it is {mistake.given})."


_SENTENCES: dict[str, Callable[[_Mistake], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "string_type": _not_text,
    "tuple_type": _must_be("a list"),
    "dict_type": _must_be("a mapping (key: value)"),
    "model_type": _must_be("a mapping (key: value)"),
    "model_attributes_type": _must_be("a mapping (key: value)"),
    "bool_type": _must_be("true or false"),
    "int_type": _must_be("a whole number"),
    "int_from_float": _must_be("a whole number"),
    "timezone_aware": _must_be("a time with its zone such as 2027-01-31T00:00:00Z"),
    "datetime_type": _must_be("a time with its zone such as 2027-01-31T00:00:00Z"),
    "datetime_parsing": _must_be("a time with its zone such as 2027-01-31T00:00:00Z"),
    "datetime_from_date_parsing": _must_be("a time with its zone such as 2027-01-31T00:00:00Z"),
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": _wrong_kind,
    "union_tag_not_found": _no_kind,
    "too_short": _too_few,
    "too_long": _too_many,
    "string_too_short": _too_little_text,
    "string_too_long": _too_much_text,
    "string_pattern_mismatch": _misfit,
    "value_error": _refused,
}
