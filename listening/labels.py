"""The team's own labels: a CSV of text, language and label, as `tocsin tone labels` writes it and people correct it."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from incidents.errors import TocsinError
from signals.mention import Tone

COLUMNS = ("text", "language", "label")
WORDS: tuple[Tone, ...] = get_args(Tone)
LARGEST_FILE = 64 * 1024 * 1024
_MOST_PROBLEMS = 20
_LANGUAGE = re.compile(r"^[a-z]{2,3}$")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class LabelsInvalid(TocsinError):
    """The file cannot be used; every problem with file:line."""


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    language: str
    word: Tone


def read_labels(path: Path) -> list[Label]:
    """The labels of a CSV file, each text of a language once. LabelsInvalid names each line that is wrong (the first
    twenty); two labels of one text that differ are wrong."""
    if path.stat().st_size > LARGEST_FILE:
        raise LabelsInvalid(f"{path}: it is larger than {LARGEST_FILE // 1024 // 1024} MB.")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise LabelsInvalid(f"{path}:{line}: it is not UTF-8; save it as `CSV UTF-8`.") from error
    seen: dict[tuple[str, str], tuple[Label, int]] = {}
    problems = list(_problems(path, content, seen))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        raise LabelsInvalid("\n".join(problems[:_MOST_PROBLEMS] + ([f"... and {more} more."] if more > 0 else [])))
    return [label for label, _ in seen.values()]


def _problems(path: Path, content: str, seen: dict[tuple[str, str], tuple[Label, int]]) -> Iterator[str]:
    """Fills `seen`, and says what is wrong."""
    rows = csv.reader(io.StringIO(content), strict=True)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            yield f"{path}:1: the first line must name the columns text, language and label; {missing[0]} is missing."
            return
        places = [header.index(name) for name in COLUMNS]
        start = rows.line_num + 1
        for row in rows:
            where, start = f"{path}:{start}", rows.line_num + 1
            if any(cell.strip() for cell in row):
                yield from _row_problems(where, [row[place] if place < len(row) else "" for place in places], seen)
    except csv.Error as error:
        yield f"{path}:{rows.line_num}: it is not CSV: {error}."


def _row_problems(where: str, cells: list[str], seen: dict[tuple[str, str], tuple[Label, int]]) -> Iterator[str]:
    text, language, word = _unquoted(cells[0]).strip(), cells[1].strip().lower(), cells[2].strip().lower()
    known: tuple[Tone, ...] = tuple(each for each in WORDS if each == word)
    if not text:
        yield f"{where}: text is empty."
    if not _LANGUAGE.match(language):
        yield f"{where}: language must be a code of two or three letters such as en, not {cells[1]!r}."
    if not known:
        yield f"{where}: label must be negative, neutral or positive, not {cells[2]!r}."
    if not (text and known):
        return
    line = int(where.rsplit(":", 1)[1])
    label = Label(text, language, known[0])
    earlier, at = seen.setdefault((language, " ".join(text.casefold().split())), (label, line))
    if earlier.word != label.word:
        yield f"{where}: line {at} calls the same text {earlier.word}."


def write_labels(labels: Iterable[Label]) -> str:
    """The CSV. A text that a spreadsheet would take for a formula gets a ' before it; reading takes it off again."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((_quoted(label.text), label.language, label.word) for label in labels)
    return out.getvalue()


def _quoted(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unquoted(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
