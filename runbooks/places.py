"""Where something stands in the plan's files, and what is wrong there."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

ModelPath: TypeAlias = tuple[str | int, ...]
"""The way to a value: a field of Plan or Directory, then keys and indexes: `("ladders", "sev1", "rungs", 0)`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file. Lines and columns count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong at a place, as a sentence for the person who wrote the file."""

    place: Place
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class Weight(StrEnum):
    ERROR = "error"
    """The plan cannot be used."""
    WARNING = "warning"
    """The plan works; on a bad day it may work less well than its author thinks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found at a value of the plan or the directory, before its place in a file is known."""

    path: ModelPath
    sentence: str
    weight: Weight = Weight.ERROR
    offset: int | None = None
    """Characters of the text at `path` that stand before what is meant; None: the whole value."""
