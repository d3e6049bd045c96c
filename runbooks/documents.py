"""One YAML 1.2 file as plain values, with the place of every value and key. Pure: text in, Document out.

The node graph is read instead of ruamel's finished objects: it has the place of every key and value, also in flow
style, shows both of two equal keys, and nothing is built from tags, anchors or aliases, which a plan does not use.
"""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from runbooks.places import ModelPath, Place, Problem

DEPTH_LIMIT = 24
"""Levels of nesting. A plan needs nine; a file that is built to exhaust the reader needs hundreds."""

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({_TAG + "str", _TAG + "timestamp"})


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands. `key` is the place of its key, None in a list. `plain` is an unquoted scalar as written."""

    value: Place
    key: Place | None = None
    plain: str | None = None
    scalar: bool = True
    start: int = 0
    """Characters of the file before it."""
    style: str | None = None
    """Of a scalar: `'`, `"`, `|`, `>`, or None without quotes."""

    @property
    def name(self) -> Place:
        """Where a person looks for it: the key of a mapping or list that has one, else the value itself."""
        return self.value if self.scalar or self.key is None else self.key


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read. `sound` is False when `tree` lacks parts, so that only `problems` is worth reading."""

    file: str
    tree: Any
    spots: dict[ModelPath, Spot]
    problems: tuple[Problem, ...]
    sound: bool
    source: str = ""

    def spot(self, path: ModelPath) -> Spot:
        """The spot of a value, or of the nearest enclosing one that is written in the file. Never raises."""
        for length in range(len(path), -1, -1):
            found = self.spots.get(path[:length])
            if found is not None:
                return found
        return Spot(Place(self.file, 1, 1))

    def inside(self, path: ModelPath, offset: int) -> Place:
        """The place of one character of a text, which may be quoted, folded or indented.

        `offset` counts the characters of the value before it; past the end it is the place right after the text.
        """
        spot = self.spot(path)
        if not spot.scalar:
            return spot.value
        return _place_of_character(self.source, spot, self._text_at(path), offset)

    def _text_at(self, path: ModelPath) -> str:
        tree = self.tree
        for element in path:
            if isinstance(tree, str):
                break
            tree = tree[element]
        return str(tree)


def read_document(file: str, text: str) -> Document:
    """The document in `text`; `file` is the name that problems carry. Total: whatever is wrong is in `problems`."""
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        return _unreadable(_marked(file, error))
    except ReaderError as error:
        place = _place_of_offset(file, text, error.position)
        return _unreadable(Problem(place, "This character is not allowed in YAML."))
    except RecursionError:
        return _unreadable(_too_deep(Place(file, 1, 1)))
    except Exception as error:  # noqa: BLE001 - ruamel raises plain ValueError, TypeError and others for broken text
        return _unreadable(Problem(Place(file, 1, 1), f"This is not YAML: {error}."))
    if root is None:
        return _unreadable(Problem(Place(file, 1, 1), "The file is empty."))
    return _Builder(file, text).build(root)


def _unreadable(problem: Problem) -> Document:
    return Document(problem.place.file, None, {}, (problem,), sound=False)


def _marked(file: str, error: MarkedYAMLError) -> Problem:
    problem = str(error.problem)
    if error.context_mark is not None and ("end of stream" in problem or "<stream end>" in problem):
        return Problem(_place(file, error.context_mark), "This is not YAML: what begins here is never closed.")
    mark = error.problem_mark or error.context_mark
    place = _place(file, mark) if mark is not None else Place(file, 1, 1)
    said = str(error.problem or error.context or "it cannot be read").splitlines()[0].strip()
    return Problem(place, f"This is not YAML: {said}.")


def _too_deep(place: Place) -> Problem:
    return Problem(place, f"This is nested deeper than {DEPTH_LIMIT} levels; no plan needs that.")


def _place(file: str, mark: StringMark) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


def _place_of_offset(file: str, text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(file, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


@dataclass(slots=True)
class _Builder:
    file: str
    source: str
    spots: dict[ModelPath, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    anchors: set[int] = field(default_factory=set)
    sound: bool = True

    def build(self, root: Node) -> Document:
        tree = self._value(root, (), None)
        return Document(self.file, tree, self.spots, tuple(self.problems), self.sound, self.source)

    def _value(self, node: Node, path: ModelPath, key: Place | None) -> Any:
        place = _place(self.file, node.start_mark)
        plain = node.value if isinstance(node, ScalarNode) and node.style is None else None
        if plain == "" and key is not None:
            place = key  # nothing is written; ruamel puts it at whatever comes next, often in another line
        style = node.style if isinstance(node, ScalarNode) else None
        self.spots[path] = Spot(place, key, plain, isinstance(node, ScalarNode), node.start_mark.index, style)
        if node.anchor is not None:
            return self._refuse_anchor(node, place)
        if len(path) > DEPTH_LIMIT:
            return self._give_up(_too_deep(place))
        match node:
            case MappingNode() if node.tag == _TAG + "map":
                return self._mapping(node, path)
            case SequenceNode() if node.tag == _TAG + "seq":
                return [self._value(each, (*path, index), None) for index, each in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, place)
        return self._give_up(Problem(place, f"Tags such as {node.tag} are not used in a plan; leave it out."))

    def _refuse_anchor(self, node: Node, place: Place) -> None:
        """Every alias is this same node again: it is said once, and not followed."""
        if id(node) not in self.anchors:
            self.anchors.add(id(node))
            self._give_up(Problem(place, f"Anchors and aliases (&{node.anchor}) are not used in a plan; write it out."))

    def _give_up(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.sound = False

    def _mapping(self, node: MappingNode, path: ModelPath) -> dict[str, Any]:
        built: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            place = _place(self.file, key_node.start_mark)
            if not isinstance(key_node, ScalarNode) or key_node.tag not in _TEXT_TAGS:
                self._give_up(Problem(place, "A key must be text; put it in quotes."))
                continue
            key = self._text(key_node, place)
            if key in lines:
                again = f"{key!r} stands here a second time; the first is in line {lines[key]}."
                self.problems.append(Problem(place, again))
                continue
            lines[key] = place.line
            built[key] = self._value(value_node, (*path, key), place)
        return built

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        if node.tag in _TEXT_TAGS:
            return self._text(node, place)
        match str(node.tag).removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return node.value.lower() in ("true", "yes", "on", "y")
            case "int" | "float":
                return _number(node.value)
        return self._give_up(Problem(place, f"Tags such as {node.tag} are not used in a plan; leave it out."))

    def _text(self, node: ScalarNode, place: Place) -> str:
        text: str = node.value
        if node.style == ">":
            text = text.replace("\x07", "")  # ruamel marks with it where a folded text was folded
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._give_up(Problem(place, "This text contains half a character (a lone surrogate)."))
        return text


def _number(written: str) -> int | float:
    """The number as JSON can carry it. Where text is meant only the kind matters, so an exotic one may be 0."""
    try:
        number = float(written)
    except ValueError:
        return 0
    if not abs(number) < 1e15:
        return 0
    return int(number) if number.is_integer() and "." not in written else number


_CODES = {"x": 2, "u": 4, "U": 8}
"""Escapes in double quotes that a number of so many digits follows."""
_BLANK_ESCAPES = frozenset(" \t\n\rtnrNLP_")


def _place_of_character(source: str, spot: Spot, text: str, offset: int) -> Place:
    """Where a character of a scalar stands. Only what is no blank is counted: YAML folds, indents and escapes blanks in
    too many ways."""
    at = spot.start + _opening(source, spot)
    for _ in range(sum(1 for character in text[:offset] if not character.isspace())):
        at = _past_blanks(source, at, spot.style)
        at += _written_length(source, at, spot.style)
    if not text[offset : offset + 1].isspace() and offset < len(text):
        at = _past_blanks(source, at, spot.style)
    lines = source[spot.start : at].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    column = spot.value.column if len(lines) == 1 else 1
    return Place(spot.value.file, spot.value.line + len(lines) - 1, column + len(lines[-1]))


def _opening(source: str, spot: Spot) -> int:
    """The length of what comes before the text: a quote, or the first line of a block."""
    if spot.style in ("'", '"'):
        return 1
    if spot.style in ("|", ">"):
        return source.find("\n", spot.start) - spot.start + 1
    return 0


def _past_blanks(source: str, at: int, style: str | None) -> int:
    while at < len(source):
        if source[at].isspace():
            at += 1
        elif style == '"' and source[at] == "\\" and _is_blank_escape(source[at + 1 : at + 10]):
            at += _written_length(source, at, style)
        else:
            break
    return at


def _is_blank_escape(rest: str) -> bool:
    digits = _CODES.get(rest[:1])
    return rest[:1] in _BLANK_ESCAPES if digits is None else chr(int(rest[1 : digits + 1], 16)).isspace()


def _written_length(source: str, at: int, style: str | None) -> int:
    """How long one character of the text is in the file."""
    if style == "'" and source.startswith("''", at):
        return 2
    if style == '"' and source.startswith("\\", at):
        return 2 + _CODES.get(source[at + 1 : at + 2], 0)
    return 1
