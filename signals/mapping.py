"""How the body of any sender becomes signals, as a plan declares it: by JSONPath (`$.state`), by a Jinja template
(`{{ item.host }} is {{ item.state }}`) or by plain words. Pure.

Strangers write the bodies, and one process reads them all: an expression takes time in proportion to the body, whatever
stands there. So templates have no loops, calls or arithmetic, and a path goes down into everything at most once.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from incidents.errors import SignalRefused
from incidents.model import Frozen
from signals.signal import LONGEST_KEY, LONGEST_TITLE, Action, Signal, one_line, stable_key

if TYPE_CHECKING:
    pass

LONGEST_EXPRESSION = 2000
MOST_SIGNALS = 1000
"""Of one body."""
LONGEST_TEXT = 8_000
"""Characters of any text in a body that expressions see."""
DEEPEST = 60
"""Levels of a body."""
_LONGEST_LABEL = 1024
_LONGEST_OUTPUT = 4_000

Evaluate = Callable[[Any, Any], str | None]
"""(entry, whole body) -> text, or None where nothing is found."""


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
    What else is missing is left out.
    """
    whole = bounded(body)
    entries = [whole] if mapping.each is None else list(path(mapping.each)(whole))
    if mapping.each is not None and not entries:
        raise SignalRefused([f"each: {mapping.each} finds nothing in this body"])
    if len(entries) > MOST_SIGNALS:
        raise SignalRefused([f"each: {mapping.each} finds {len(entries)} entries; at most {MOST_SIGNALS} are taken"])
    problems: list[str] = []
    found: list[Signal] = []
    for number, entry in enumerate(entries):
        place = "" if mapping.each is None else f"{number}."
        signal = _signal(mapping, entry, whole, raw if number == 0 else b"", place, problems)
        if signal is not None:
            found.append(signal)
    if problems:
        raise SignalRefused(problems[:20])
    return found


def _signal(mapping: Mapping, entry: Any, whole: Any, raw: bytes, place: str, problems: list[str]) -> Signal | None:
    def text(expression: str | None, longest: int = _LONGEST_LABEL) -> str | None:
        found = None if expression is None else evaluator(expression)(entry, whole)
        return None if found is None else found[:longest]

    action = mapping.action.action(text(mapping.action.of)) if mapping.action is not None else "trigger"
    if action is None:
        return None
    key = (text(mapping.dedup_key, _LONGEST_OUTPUT) or "").strip()
    summary = one_line(text(mapping.summary) or "")
    if not key:
        problems.append(f"{place}dedup_key: {mapping.dedup_key} finds no text in this body")
    if not summary and action == "trigger":
        problems.append(f"{place}summary: {mapping.summary} finds no text in this body")
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


# --- expressions ---


@lru_cache(2000)
def evaluator(text: str) -> Evaluate:
    """What evaluates this expression. Raises ValueError with a sentence when it is none, or might take too long."""
    if text.lstrip().startswith("$"):
        find = path(text)
        return lambda entry, _body: next((_text(each) for each in find(entry)), None)
    if "{{" in text or "{%" in text or "{#" in text:
        return _template(text)
    return lambda _entry, _body: text


def _text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    return None


@lru_cache(2000)
def path(text: str) -> Callable[[Any], Iterator[Any]]:
    """What finds the values of a JSONPath (RFC 9535). Raises ValueError as `evaluator` does."""
    # Imported here: most plans have no mapping, and the library takes 0.15 s.
    from jsonpath import JSONPathEnvironment, JSONPathError  # noqa: PLC0415

    try:
        compiled = JSONPathEnvironment(strict=True, filter_caching=False).compile(text.strip())
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ValueError(f"{text!r} is no JSONPath: {_first_line(error)}") from error
    refused = _too_much(compiled)
    if refused is not None:
        raise ValueError(f"{text!r}: {refused}")

    def find(value: Any) -> Iterator[Any]:
        if isinstance(value, dict | list):  # a text would be read as JSON
            yield from (match.obj for match in compiled.finditer(value))

    return find


def _too_much(compiled: Any) -> str | None:
    """Why this path might take more time than the body is long, or None."""
    from jsonpath import segments, selectors  # noqa: PLC0415 - as above

    descents = sum(isinstance(each, segments.JSONPathRecursiveDescentSegment) for each in compiled.segments)
    if descents > 1:
        return "a path may go down into everything (`..`) once"
    for segment in compiled.segments:
        if len(segment.selectors) != 1:
            return "a path takes one thing in each pair of brackets"
        (selector,) = segment.selectors
        if isinstance(selector, selectors.Filter) and not _is_plain(selector.expression):
            return "a filter compares a field with a value, such as [?@.state == 'down']"
    return None


def _is_plain(expression: Any) -> bool:
    """Whether a filter only compares fields of its entry with values: no functions, no paths to many."""
    from jsonpath import filter as filters  # noqa: PLC0415 - as above

    match expression:
        case filters.FilterExpression():
            return _is_plain(expression.expression)
        case filters.InfixExpression():
            return _is_plain(expression.left) and _is_plain(expression.right)
        case filters.PrefixExpression():
            return _is_plain(expression.right)
        case filters.RelativeFilterQuery():
            return bool(expression.path.singular_query())
    literals = (filters.StringLiteral, filters.IntegerLiteral, filters.FloatLiteral, filters.BooleanLiteral)
    return isinstance(expression, (*literals, filters.Nil))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


@lru_cache(1)
def _environment() -> Any:
    # Imported here, as above: 0.1 s.
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    class Environment(ImmutableSandboxedEnvironment):
        """`a.b` is a key of a mapping and nothing else: `items` is a frequent key, and no method is ever reached."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, dict) and attribute in obj:
                return obj[attribute]
            return self.undefined(obj=obj, name=attribute)

    made = Environment(undefined=StrictUndefined, autoescape=False, finalize=_output)
    made.globals.clear()
    made.filters = dict(_FILTERS)
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


_TESTS = ("defined", "undefined", "none", "string", "number", "mapping", "true", "false", "in", "eq", "ne")


def _output(value: Any) -> Any:
    """What `{{ }}` writes, never more than _LONGEST_OUTPUT characters."""
    from jinja2 import Undefined  # noqa: PLC0415 - as above

    if isinstance(value, Undefined):
        return value  # StrictUndefined raises when it is written
    if isinstance(value, dict | list):
        raise ValueError("a list or a mapping is no text")
    return "" if value is None else str(_text(value) or "")[:_LONGEST_OUTPUT]


def _clipped(value: Any) -> str:
    return str(_output(value))


def _default(value: Any, other: Any = "", even_empty: Any = False) -> Any:
    from jinja2 import Undefined  # noqa: PLC0415 - as above

    return other if isinstance(value, Undefined) or value is None or (even_empty and not value) else value


def _joined(value: Any, between: Any = "") -> str:
    listed = value if isinstance(value, list | tuple) else [value]
    return str(between)[:20].join(_clipped(each) for each in listed[:100])[:_LONGEST_OUTPUT]


def _replaced(value: Any, old: Any, new: Any) -> str:
    old, new = str(old), str(new)
    if not old or len(new) > len(old) * 20:
        raise ValueError("replace puts at most twenty times as much in the place of something")
    return _clipped(value).replace(old, new)[:_LONGEST_OUTPUT]


_FILTERS: dict[str, Callable[..., Any]] = {
    "default": _default,
    "d": _default,
    "lower": lambda value: _clipped(value).lower(),
    "upper": lambda value: _clipped(value).upper(),
    "trim": lambda value: _clipped(value).strip(),
    "string": _clipped,
    "first": lambda value: value[0] if isinstance(value, list | str) and value else None,
    "last": lambda value: value[-1] if isinstance(value, list | str) and value else None,
    "length": lambda value: len(value) if isinstance(value, list | dict | str) else 0,
    "join": _joined,
    "replace": _replaced,
    "truncate": lambda value, length=200: _clipped(value)[: int(length)],
}
# fmt: off
_NODES = (
    "Template", "Output", "TemplateData", "Name", "Getattr", "Getitem", "Slice", "Const", "Filter", "Test", "If",
    "CondExpr", "Compare", "Operand", "And", "Or", "Not", "Tuple", "List", "Neg",
)
# fmt: on


def _template(text: str) -> Evaluate:
    from jinja2 import TemplateError, nodes  # noqa: PLC0415 - as above

    environment = _environment()
    try:
        tree = environment.parse(text)
        refused = next((each for each in tree.find_all(nodes.Node) if type(each).__name__ not in _NODES), None)
        if refused is not None:
            raise ValueError(
                f"line {refused.lineno} of this template has a {type(refused).__name__.lower()}; it may hold values, "
                f"comparisons, `if` and the filters {', '.join(sorted(_FILTERS))}"
            )
        compiled = environment.from_string(text)
    except TemplateError as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(f"line {line} of this template cannot be read: {_first_line(error)}") from error
    except RecursionError as error:
        raise ValueError("this template is nested too deeply") from error

    def evaluate(entry: Any, body: Any) -> str | None:
        scope = {**(entry if isinstance(entry, dict) else {}), "item": entry, "body": body}
        try:
            return str(compiled.render(scope))[:_LONGEST_OUTPUT]
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError):
            # What the body does not have, or has otherwise than the template expects: there is nothing to find.
            return None

    return evaluate
