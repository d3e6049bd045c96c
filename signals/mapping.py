"""How the body of any sender becomes signals, as a plan declares it: by JSONPath (`$.state`), by a Jinja template
(`{{ item.host }} is {{ item.state }}`) or by plain words. Pure; signals/expressions.py evaluates them.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from incidents.errors import SignalRefused
from incidents.model import Frozen
from signals.expressions import Budget, evaluator, path
from signals.signal import LONGEST_KEY, LONGEST_TITLE, Action, Signal, one_line, stable_key

LONGEST_EXPRESSION = 2000
MOST_STEPS = 50_000
"""Of expressions over one body: some seconds at worst, in a thread."""
MOST_SIGNALS = 1000
"""Of one body."""
LONGEST_TEXT = 8_000
"""Characters of any text in a body that expressions see."""
DEEPEST = 60
"""Levels of a body."""
_LONGEST_LABEL = 1024
_WILDCARD = re.compile(r"\[\s*\*\s*\]|\.\*")


def _evaluable(text: str) -> str:
    evaluator(text)
    return text


def _leads_somewhere(text: str) -> str:
    path(text)
    return text


Expression = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EXPRESSION), AfterValidator(_evaluable)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EXPRESSION), AfterValidator(_leads_somewhere)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class ActionMapping(Frozen):
    """What a signal asks for. Anything that is none of these words triggers, and so does nothing at all."""

    of: Expression
    resolve: tuple[Word, ...] = ()
    acknowledge: tuple[Word, ...] = ()
    ignore: tuple[Word, ...] = ()
    """Dropped, such as a sender's test messages."""

    def action(self, word: str | None) -> Action | None:
        said = (word or "").strip().casefold()
        if said in map(str.casefold, self.ignore):
            return None
        if said in map(str.casefold, self.resolve):
            return "resolve"
        return "acknowledge" if said in map(str.casefold, self.acknowledge) else "trigger"


class Mapping(Frozen):
    """Where in a body the parts of a signal stand. In an expression `$` and `item` are the entry, `body` all of it."""

    each: Path | None = None
    """A list of entries, each a signal; without it the body is one."""
    summary: Expression
    dedup_key: Expression
    severity: Expression | None = None
    source: Expression | None = None
    action: ActionMapping | None = None
    labels: Annotated[dict[str, Expression], Field(max_length=50)] = {}


def signals_of(mapping: Mapping, body: Any, raw: bytes) -> list[Signal]:
    """The signals of a body (JSON values), in order; `raw` is the body as it came.

    Raises SignalRefused with a problem a field when a summary or a key is not there: nothing of the body is used then.
    What else is missing is left out. An empty list where the entries belong is no signal and no mistake.
    """
    whole, budget = bounded(body), Budget(MOST_STEPS)
    entries = [whole] if mapping.each is None else list(path(mapping.each)(whole, budget))
    if mapping.each is not None and not entries and not _lists_nothing(mapping.each, whole, budget):
        raise SignalRefused([f"each: {mapping.each} finds nothing in this body"])
    if len(entries) > MOST_SIGNALS:
        raise SignalRefused([f"each: {mapping.each} finds {len(entries)} entries; at most {MOST_SIGNALS} are taken"])
    problems: list[str] = []
    found: list[Signal] = []
    for number, entry in enumerate(entries):
        place = "" if mapping.each is None else f"{number}."
        signal = _signal(mapping, _Place(entry, whole, place, budget), raw if number == 0 else b"", problems)
        if signal is not None:
            found.append(signal)
    if problems:
        raise SignalRefused(problems[:20])
    return found


def _lists_nothing(each: str, whole: Any, budget: Budget) -> bool:
    """Whether an empty list stands where this path looks for entries: `$.problems` of `$.problems[*]` is `[]`."""
    for wildcard in _WILDCARD.finditer(each):
        try:
            find = path(each[: wildcard.start()])
        except ValueError:
            continue  # A star within a quoted name.
        lists = list(find(whole, budget))
        if lists and all(found == [] for found in lists):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the expressions of one signal look."""

    entry: Any
    whole: Any
    name: str
    budget: Budget

    def text(self, expression: str | None, longest: int = _LONGEST_LABEL) -> str | None:
        found = None if expression is None else evaluator(expression)(self.entry, self.whole, self.budget)
        return None if found is None else found[:longest]


def _signal(mapping: Mapping, place: _Place, raw: bytes, problems: list[str]) -> Signal | None:
    text = place.text
    action = mapping.action.action(text(mapping.action.of)) if mapping.action is not None else "trigger"
    if action is None:
        return None
    key = (text(mapping.dedup_key, LONGEST_TEXT) or "").strip()
    summary = one_line(text(mapping.summary) or "")
    if not key:
        problems.append(f"{place.name}dedup_key: {mapping.dedup_key} finds no text in this body")
    if not summary and action == "trigger":
        problems.append(f"{place.name}summary: {mapping.summary} finds no text in this body")
    labels = {name: value for name, each in mapping.labels.items() if (value := text(each)) is not None}
    return Signal(
        action,
        stable_key(key, LONGEST_KEY),
        summary[:LONGEST_TITLE] or f"{action} of {one_line(key)}"[:LONGEST_TITLE],
        text(mapping.source) or "",
        text(mapping.severity),
        labels,
        raw,
    )


def bounded(value: Any, depth: int = 0) -> Any:
    """A copy with every text cut to LONGEST_TEXT. Raises SignalRefused when it is deeper than DEEPEST."""
    if depth > DEEPEST:
        raise SignalRefused([f"body: it is more than {DEEPEST} levels deep"])
    match value:
        case str():
            return value[:LONGEST_TEXT]
        case dict():
            return {str(key): bounded(each, depth + 1) for key, each in value.items()}
        case list():
            return [bounded(each, depth + 1) for each in value]
    return value
