"""Expressions over a body that a stranger wrote: JSONPath (RFC 9535) and templates of Jinja's syntax. Pure.

One process reads all bodies, so what an expression costs is bounded: templates have no loops, calls or arithmetic and
write only so much; a path goes down into everything at most once; and all of it is counted against a Budget.
"""

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any

from incidents.errors import SignalRefused

_LONGEST_OUTPUT = 4_000
_FILTER_STEPS = 3


class Budget:
    """How many more steps the expressions over one body may take; a step is some ten microseconds at most."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises SignalRefused when there are not so many left."""
        self._left -= steps
        if self._left < 0:
            raise SignalRefused(["body: to read it by this mapping would take too long"])


Evaluate = Callable[[Any, Any, Budget], str | None]
"""(entry, whole body, what it may take) -> text, or None where nothing is found."""


@lru_cache(2000)
def evaluator(text: str) -> Evaluate:
    """What evaluates this expression. Raises ValueError with a sentence when it is none, or might take too long."""
    if text.lstrip().startswith("$"):
        find = path(text)
        return lambda entry, _body, budget: next((_text(each) for each in find(entry, budget)), None)
    if "{{" in text or "{%" in text or "{#" in text:
        return _template(text)
    return lambda _entry, _body, _budget: text


def _text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    return None


Find = Callable[[Any, Budget], Iterator[Any]]


@lru_cache(2000)
def path(text: str) -> Find:
    """What finds the values of a JSONPath (RFC 9535). Raises ValueError as `evaluator` does."""
    # Imported here: most plans have no mapping, and the library takes 0.15 s.
    from jsonpath import JSONPathEnvironment, JSONPathError  # noqa: PLC0415

    try:
        compiled: Any = JSONPathEnvironment(strict=True, filter_caching=False).compile(text.strip())
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ValueError(f"{text!r} is no JSONPath: {_first_line(error)}") from error
    refused = _too_much(compiled)
    if refused is not None:
        raise ValueError(f"{text!r}: {refused}")
    steps = [_step(segment) for segment in compiled.segments]

    def find(value: Any, budget: Budget) -> Iterator[Any]:
        found = iter([value])
        for step in steps:
            found = step(found, budget)
        return found

    return find


Step = Callable[[Iterator[Any], Budget], Iterator[Any]]


def _step(segment: Any) -> Step:
    """One segment of a path. Our own walk instead of the library's: it counts, and it remembers nothing on its way."""
    from jsonpath.segments import JSONPathRecursiveDescentSegment  # noqa: PLC0415 - as above

    select = _selection(segment.selectors[0])
    descends = isinstance(segment, JSONPathRecursiveDescentSegment)

    def step(nodes: Iterator[Any], budget: Budget) -> Iterator[Any]:
        for node in nodes:
            for each in _everything(node, budget) if descends else (node,):
                budget.spend(1)
                yield from select(each, budget)

    return step


def _everything(node: Any, budget: Budget) -> Iterator[Any]:
    """It and all that is in it, in the order in which it stands there."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        inside = [each for each in _children(here) if isinstance(each, _HOLDERS)]
        budget.spend(len(_children(here)) // 10)
        waiting.extend(reversed(inside))


_HOLDERS = (dict, list)


def _children(node: Any) -> Collection[Any]:
    match node:
        case dict():
            return node.values()
        case list():
            return node
    return ()


def _selection(selector: Any) -> Callable[[Any, Budget], Iterator[Any]]:
    from jsonpath import selectors  # noqa: PLC0415 - as above

    def select(node: Any, budget: Budget) -> Iterator[Any]:
        match selector:
            case selectors.NameSelector() if isinstance(node, dict) and selector.name in node:
                yield node[selector.name]
            case selectors.IndexSelector() if isinstance(node, list) and -len(node) <= selector.index < len(node):
                yield node[selector.index]
            case selectors.SliceSelector() if isinstance(node, list) and selector.slice.step != 0:
                yield from node[selector.slice]
            case selectors.WildcardSelector():
                yield from _children(node)
            case selectors.Filter():
                for each in _children(node):
                    budget.spend(_FILTER_STEPS)
                    context = selectors.FilterContext(env=selector.env, current=each, root=node)
                    if selector.expression.evaluate(context):
                        yield each

    return select


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
    return str(between)[:20].join(_clipped(each)[:200] for each in listed[:50])[:_LONGEST_OUTPUT]


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
        cost = 2 * sum(1 for _ in tree.find_all(nodes.Node))
        compiled = environment.from_string(text)
    except TemplateError as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(f"line {line} of this template cannot be read: {_first_line(error)}") from error
    except RecursionError as error:
        raise ValueError("this template is nested too deeply") from error

    def evaluate(entry: Any, body: Any, budget: Budget) -> str | None:
        budget.spend(cost)
        scope = {**(entry if isinstance(entry, dict) else {}), "item": entry, "body": body}
        try:
            return str(compiled.render(scope))[:_LONGEST_OUTPUT]
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError):
            # What the body does not have, or has otherwise than the template expects: there is nothing to find.
            return None

    return evaluate
