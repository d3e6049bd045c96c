"""An export as values that know their place. Pure: bytes in, values out.

Whatever a file holds, reading it ends in a value or in CommandRefused with the place: `users[3].email`.
"""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from incidents.errors import CommandRefused

DEPTH_LIMIT = 32
"""Levels of nesting. A vendor's export needs ten; a file that is built to exhaust the reader has thousands."""
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an export and its place. The methods raise CommandRefused when it is not what it should be."""

    given: Any
    place: str

    def refuse(self, sentence: str) -> CommandRefused:
        return CommandRefused(f"{self.place.rstrip(':')}: {sentence}")

    def get(self, name: str) -> "Value | None":
        """A field; None when it is absent or null."""
        found = self.table().get(name)
        return None if found is None else Value(found, self._inner(name))

    def _inner(self, name: str) -> str:
        """`users[3].email`, and `users/ana.json: email` at the top of a file of its own."""
        joint = " " if self.place.endswith(":") else "." if self.place else ""
        return f"{self.place}{joint}{name}"

    def field(self, name: str) -> "Value":
        found = self.get(name)
        if found is None:
            raise CommandRefused(f"{self._inner(name)}: this is missing; is the export complete?")
        return found

    def table(self) -> dict[str, Any]:
        if not isinstance(self.given, dict):
            raise self.refuse(f"this should be an object, not {_shown(self.given)}.")
        return self.given

    def items(self) -> "list[Value]":
        if not isinstance(self.given, list):
            raise self.refuse(f"this should be a list, not {_shown(self.given)}.")
        return [Value(each, f"{self.place}[{index}]") for index, each in enumerate(self.given)]

    def list_of(self, name: str) -> "list[Value]":
        """The items of a field; none when it is absent or null."""
        found = self.get(name)
        return [] if found is None else found.items()

    def text(self) -> str:
        """Without characters that cannot be printed; white space as single blanks. May be empty."""
        if not isinstance(self.given, str):
            raise self.refuse(f"this should be a text, not {_shown(self.given)}.")
        kept = (" " if each.isspace() else each for each in self.given)
        return " ".join("".join(each for each in kept if unicodedata.category(each)[0] != "C").split())

    def text_of(self, name: str) -> str:
        """The text of a field; empty when it is absent or null."""
        found = self.get(name)
        return "" if found is None else found.text()

    def whole(self, at_least: int = 0, at_most: int = 1_000_000_000) -> int:
        if isinstance(self.given, bool) or not isinstance(self.given, int) or not at_least <= self.given <= at_most:
            raise self.refuse(f"this should be a whole number from {at_least} to {at_most}, not {_shown(self.given)}.")
        return self.given

    def whole_of(self, name: str, otherwise: int, at_least: int = 0, at_most: int = 1_000_000_000) -> int:
        found = self.get(name)
        return otherwise if found is None else found.whole(at_least, at_most)

    def is_true(self, name: str, otherwise: bool = False) -> bool:
        found = self.get(name)
        if found is None:
            return otherwise
        if not isinstance(found.given, bool):
            raise found.refuse(f"this should be true or false, not {_shown(found.given)}.")
        return found.given

    def moment(self) -> datetime:
        """A moment with an offset, as aware UTC."""
        found = self._timestamp()
        if found.tzinfo is None:
            raise self.refuse(f"this should be a moment with an offset, not {_shown(self.given)}.")
        return found.astimezone(UTC)

    def wall_time(self) -> datetime:
        """A moment without an offset, to be read in a time zone that stands elsewhere."""
        found = self._timestamp()
        return found.replace(tzinfo=None)

    def _timestamp(self) -> datetime:
        text = self.text()
        try:
            found = datetime.fromisoformat(text)
            found.astimezone(UTC) if found.tzinfo is not None else found
        except (ValueError, OverflowError) as error:
            raise self.refuse(f"this should be a moment such as 2026-01-05T09:00:00Z, not {_shown(text)}.") from error
        if not 1971 <= found.year <= 2200:
            raise self.refuse(f"this moment lies outside of what a schedule can need: {_shown(text)}.")
        return found.replace(microsecond=0)


def _shown(given: object) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, dict):
        return "an object"
    if isinstance(given, list):
        return "a list"
    text = json.dumps(given) if not isinstance(given, str) else repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def read_json(name: str, content: bytes) -> Any:
    """The JSON in a file; `name` is what a refusal calls it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandRefused(f"{name}: this is not UTF-8 text (byte {error.start}).") from error
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{name}:{error.lineno}:{error.colno}"
        rest = "the file ends too early; is the export complete?" if error.pos >= len(text.rstrip()) else "is it JSON?"
        raise CommandRefused(f"{where}: {error.msg}; {rest}") from error
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise CommandRefused(f"{name}: this is built to be unreadable, not to be imported.") from error
    if _deeper_than(found, DEPTH_LIMIT):
        raise CommandRefused(f"{name}: this is nested more than {DEPTH_LIMIT} levels deep; no such export is known.")
    return found


def _deeper_than(tree: Any, limit: int) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Shape:
    """How a vendor wraps its lists: the keys that we read, what holds the items, and how it says that more follow."""

    keys: tuple[str, ...]
    wrappers: tuple[str, ...]
    """Names under which a page holds its items, beside the key's own."""
    more: tuple[tuple[str, ...], ...]
    """Paths to what is true, or not empty, when another page follows."""


def gather(shape: Shape, files: Iterable[tuple[str, str, Any]]) -> dict[str, list[Value]]:
    """The items of every key, from files as (key or empty, name, tree). A file without a key holds them all by key.

    Pages of a list may be one file each, or a list of pages. Raises CommandRefused for a list whose last page is
    missing, and when no key is known.
    """
    found: dict[str, list[Value]] = {}
    pages: dict[str, int] = {}
    unfinished: dict[str, int] = {}
    for key, name, tree in files:
        whole = Value(tree, f"{name}:" if key else "")
        for each in [(key, whole)] if key else _by_key(shape, whole, name):
            for page in _pages(shape, *each):
                items, goes_on = _items(shape, each[0], page)
                found.setdefault(each[0], []).extend(items)
                pages[each[0]] = pages.get(each[0], 0) + 1
                unfinished[each[0]] = unfinished.get(each[0], 0) + goes_on
    for key, count in unfinished.items():
        if count and count >= pages[key]:
            raise CommandRefused(f"{key}: the vendor says that more pages follow, and they are not in the export.")
    return found


def _by_key(shape: Shape, whole: Value, name: str) -> list[tuple[str, Value]]:
    if not isinstance(whole.given, dict):
        raise CommandRefused(f"{name}: this should be an object with {', '.join(shape.keys)}.")
    errors = whole.get("errors")
    if errors is not None and errors.given:
        raise CommandRefused(f"{name}: the vendor answered with errors instead of an export: {_shown(errors.given)}.")
    data = whole.get("data")
    body = data if data is not None and isinstance(data.given, dict) else whole
    if any(_says_more(whole.given, path) for path in shape.more):
        raise CommandRefused(f"{name}: the vendor says that more pages follow, and they are not in the export.")
    known = [(key, value) for key in shape.keys if (value := body.get(key)) is not None]
    if not known:
        raise CommandRefused(f"{name}: there is nothing to import here; it should have {', '.join(shape.keys)}.")
    return known


def _pages(shape: Shape, key: str, value: Value) -> list[Value]:
    for name in ("data", key):
        inner = value.get(name) if isinstance(value.given, dict) else None
        value = inner if inner is not None and isinstance(inner.given, dict) else value
    if isinstance(value.given, list) and value.given and all(_is_page(shape, key, each) for each in value.given):
        return value.items()
    return [value]


def _is_page(shape: Shape, key: str, given: Any) -> bool:
    return isinstance(given, dict) and any(isinstance(given.get(name), list) for name in (key, *shape.wrappers))


def _items(shape: Shape, key: str, page: Value) -> tuple[list[Value], bool]:
    if not isinstance(page.given, dict):
        return page.items(), False
    held = next((name for name in (key, *shape.wrappers) if isinstance(page.given.get(name), list)), None)
    if held is None:
        return [page], False  # a file with one object in it
    return page.field(held).items(), any(_says_more(page.given, path) for path in shape.more)


def _says_more(given: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        given = given.get(name) if isinstance(given, dict) else None
    return bool(given)
