"""Mentions in a file: CSV with a header or JSON lines, read record by record and never all of it.

Columns are the fields of a mention (`at`, `text`, `author`, `reach`, `thread`, …; `at` and `text` suffice), or a tally
`timestamp,value`: so many mentions from that moment on. Errors name file, line and column.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from incidents.errors import TocsinError
from listening.texts import body, line
from signals.mention import Mention

MOST_RECORD = 256 * 1024
"""Bytes of one record, line breaks within quotes included."""
_MOST_COUNT = 100_000_000


class HistoryInvalid(TocsinError):
    """The file cannot be read on: `file:line:column: sentence`. Nothing before that place is doubted."""

    def __init__(self, name: str, line_number: int, column: int, sentence: str) -> None:
        super().__init__(f"{name}:{line_number}:{column}: {sentence}")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands in the file. Offsets are in bytes, lines count from 1."""

    text: str
    start: int
    end: int
    line: int
    lines: int
    complete: bool
    """Whether a line break ends it; without one, somebody may still be writing."""


def records(file: BinaryIO, name: str, start: int, line_number: int, *, quoted: bool) -> Iterator[Record]:
    """The records from a byte on, without blank ones. `quoted`: a record goes on while a quotation mark is open."""
    file.seek(start)
    while True:
        raw, lines = _record(file, quoted=quoted)
        if not raw:
            return
        if len(raw) > MOST_RECORD:
            raise HistoryInvalid(name, line_number, 1, f"a record is longer than {MOST_RECORD // 1024} KB")
        record = Record(
            _decoded(raw, name, line_number), start, start + len(raw), line_number, lines, raw[-1:] == b"\n"
        )
        start, line_number = record.end, line_number + lines
        if record.text:
            yield record


def _record(file: BinaryIO, *, quoted: bool) -> tuple[bytes, int]:
    """The next record, at most a byte longer than it may be, and how many lines it has."""
    parts = [file.readline(MOST_RECORD + 1)]
    size, quotes = len(parts[0]), parts[0].count(b'"')
    while quoted and quotes % 2 and size <= MOST_RECORD:
        further = file.readline(MOST_RECORD + 1 - size)
        if not further:
            break
        parts.append(further)
        size, quotes = size + len(further), quotes + further.count(b'"')
    return b"".join(parts), len(parts)


def _decoded(raw: bytes, name: str, line_number: int) -> str:
    try:
        return raw.decode().removeprefix("\ufeff").strip("\r\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise HistoryInvalid(name, line_number + before.count(b"\n"), column, "this is not UTF-8") from error


@dataclass(frozen=True, slots=True)
class Shape:
    """How the records of one file are read: by the names of its columns, or as JSON objects."""

    name: str
    """The file's, for errors."""
    columns: tuple[str, ...] | None
    delimiter: str = ","

    @property
    def quoted(self) -> bool:
        return self.columns is not None

    def mention(self, record: Record, source: str) -> Mention:
        """Raises HistoryInvalid at the field that cannot be used."""
        values = self._values(record)
        fields: dict[str, Any] = {}
        for column, value in values.items():
            if value is None or value == "":
                continue
            field, read = _COLUMNS[column]
            try:
                fields[field] = read(value)
            except (ValueError, TypeError, OverflowError, OSError) as error:
                raise self._wrong(record, column, _reason(error, read)) from error
        if "at" not in fields:
            raise self._wrong(record, None, "there is no time: `at` or `timestamp`")
        if not {"text", "title", "stars", "count"} & {*fields}:
            raise self._wrong(record, None, "there is neither `text` nor `title`, `stars` or `value`")
        if "id" not in fields:
            fields["id"] = f"{record.start}-{hashlib.sha256(record.text.encode()).hexdigest()[:12]}"
        return Mention(source=source, **{"text": ""} | fields)

    def _values(self, record: Record) -> dict[str, Any]:
        if self.columns is None:
            return self._object(record)
        if '"' not in record.text:
            return self._named(record, record.text.split(self.delimiter))
        try:
            rows = list(csv.reader([record.text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise self._wrong(record, None, f"this is no CSV: {error}") from error
        return self._named(record, rows[0])

    def _named(self, record: Record, row: Sequence[str]) -> dict[str, Any]:
        columns = self.columns or ()
        if len(row) != len(columns):
            place = columns[min(len(row), len(columns)) - 1]
            raise self._wrong(record, place, f"{len(columns)} fields are expected and {len(row)} are here")
        return dict(zip(columns, row, strict=True))

    def _object(self, record: Record) -> dict[str, Any]:
        try:
            found = orjson.loads(record.text)
        except orjson.JSONDecodeError as error:
            raise HistoryInvalid(self.name, record.line, error.colno, f"this is no JSON: {error.msg}") from error
        if not isinstance(found, dict):
            raise self._wrong(record, None, "a JSON object is expected")
        for key in found:
            if key not in _COLUMNS:
                raise self._wrong(record, key, f"`{line(key, 40)}` is no field of a mention; known are {_KNOWN}")
        return found

    def _wrong(self, record: Record, column: str | None, sentence: str) -> HistoryInvalid:
        if column is None:
            at = 0
        elif self.columns is None:
            at = max(record.text.find(f'"{column}"'), 0)
        else:
            at = start_of_field(record.text, self.columns.index(column), self.delimiter)
        before = record.text[:at]
        return HistoryInvalid(self.name, record.line + before.count("\n"), at - (before.rfind("\n") + 1) + 1, sentence)


def shape_of(file: BinaryIO, name: str) -> tuple[Shape, int, int] | None:
    """How this file is read, and the byte and line at which its records begin; None while nothing stands in it.

    A file whose first character is `{` has a JSON object a line; every other begins with the names of its columns,
    which commas, semicolons or tabs divide. Raises HistoryInvalid for a column that is no field of a mention.
    """
    first = next(records(file, name, 0, 1, quoted=False), None)
    if first is None:
        return None
    if first.text.lstrip()[:1] == "{":
        return Shape(name, None), 0, 1
    if not first.complete:
        return None
    delimiter = max(",;\t", key=first.text.count)
    columns = tuple(each.strip().strip('"').casefold() for each in first.text.split(delimiter))
    for number, column in enumerate(columns):
        at = start_of_field(first.text, number, delimiter) + 1
        if column not in _COLUMNS:
            sentence = f"`{line(column, 40)}` is no field of a mention; known are {_KNOWN}"
            raise HistoryInvalid(name, first.line, at, sentence)
        if _COLUMNS[column][0] in [_COLUMNS[each][0] for each in columns[:number]]:
            raise HistoryInvalid(name, first.line, at, f"`{column}` stands here twice")
    return Shape(name, columns, delimiter), first.end, first.line + 1


def start_of_field(text: str, number: int, delimiter: str) -> int:
    """Where the field of this number begins, in characters."""
    open_quote = False
    for at, each in enumerate(text):
        if number == 0:
            return at
        if each == '"':
            open_quote = not open_quote
        elif each == delimiter and not open_quote:
            number -= 1
    return len(text)


def _reason(error: Exception, read: Callable[[Any], Any]) -> str:
    return _EXPECTED.get(read, str(error))


def read_moment(value: Any) -> datetime:
    """ISO 8601 or seconds since 1970; without a zone it is UTC. Raises ValueError and its like."""
    if isinstance(value, bool):
        raise TypeError("no time")
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    text = str(value).strip()
    if text.replace(".", "", 1).isdecimal():
        return datetime.fromtimestamp(float(text), UTC)
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("no text")
    return line(str(value))


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return body(value)


def _number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("no number")
    found = float(value)
    if found != int(found) or not 0 <= found <= _MOST_COUNT * 100:
        raise ValueError("no whole number")
    return int(found)


def _count(value: Any) -> int:
    found = _number(value)
    if found > _MOST_COUNT:
        raise ValueError("too many")
    return found


def _stars(value: Any) -> int:
    found = _number(value)
    if not 1 <= found <= 5:
        raise ValueError("no stars")
    return found


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return found[str(value).strip().casefold()] if str(value).strip().casefold() in found else _refuse()


def _refuse() -> bool:
    raise ValueError("neither true nor false")


_EXPECTED: Mapping[Callable[[Any], Any], str] = {
    read_moment: "a time is expected, as 2026-11-20T14:05:00Z or in seconds since 1970",
    _word: "a text is expected",
    _words: "a text is expected",
    _number: "a whole number is expected",
    _count: f"a whole number up to {_MOST_COUNT} is expected",
    _stars: "1 to 5 stars are expected",
    _truth: "true or false is expected",
}
_COLUMNS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "at": ("at", read_moment),
    "timestamp": ("at", read_moment),
    "text": ("text", _words),
    "id": ("id", _word),
    "author": ("author", _word),
    "author_name": ("author_name", _word),
    "link": ("link", _word),
    "language": ("language", _word),
    "reach": ("reach", _number),
    "verified": ("verified", _truth),
    "thread": ("thread", _word),
    "reply_to": ("reply_to", _word),
    "repost_of": ("repost_of", _word),
    "private": ("private", _truth),
    "to_us": ("to_us", _truth),
    "by_us": ("by_us", _truth),
    "title": ("title", _word),
    "stars": ("stars", _stars),
    "value": ("count", _count),
    "count": ("count", _count),
}
_KNOWN = ", ".join(_COLUMNS)


def columns() -> Sequence[str]:
    """The names that a column may have."""
    return tuple(_COLUMNS)
