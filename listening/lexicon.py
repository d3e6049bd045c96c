"""Files of words in data/, read once; data/tone_es.txt describes the form of those that say how words sound."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from incidents.errors import TocsinError
from signals.phrases import Phrases
from signals.words import fold

DATA = Path(__file__).parent / "data"
_GENDERS = ("o", "a", "os", "as")


class LexiconInvalid(TocsinError):
    """A line of a lexicon cannot be read; names file and line."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    words: Phrases[float]
    """Phrase to score, -4 to 4."""
    turns: frozenset[str]
    strengthens: frozenset[str]
    weakens: frozenset[str]
    written: frozenset[str]
    """Every single word that it knows, stems left out."""
    silent: frozenset[str]
    """The single words that score 0: they say nothing, whatever another lexicon says of them."""


def read_lexicon(path: Path) -> Lexicon:
    """LexiconInvalid names the line."""
    scored: list[tuple[str, float]] = []
    groups: dict[str, set[str]] = {"not": set(), "more": set(), "less": set()}
    for head, phrases in _lines(path):
        if head in groups:
            groups[head].update(fold(form) for phrase in phrases for form in _forms(phrase))
        else:
            score = float(head)
            scored.extend((form, score) for phrase in phrases for form in _forms(phrase))
    single = {fold(phrase) for phrase, _ in scored if " " not in phrase and not phrase.endswith("*")}
    return Lexicon(
        Phrases(scored),
        frozenset(groups["not"]),
        frozenset(groups["more"]),
        frozenset(groups["less"]),
        frozenset(single.union(*groups.values())),
        frozenset(fold(phrase) for phrase, score in scored if score == 0 and phrase.isalpha()),
    )


def read_signs(path: Path) -> dict[str, float]:
    """Emojis and emoticons to their scores. LexiconInvalid names the line."""
    return {sign: float(head) for head, signs in _lines(path, separator=None) for sign in signs}


def read_words(path: Path) -> frozenset[str]:
    """The words of a plain list, folded."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(fold(word) for line in lines if not line.startswith("#") for word in line.split())


def _lines(path: Path, separator: str | None = ",") -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        head, colon, rest = line.partition(":")
        if not colon or not (head in ("not", "more", "less") or _is_score(head)):
            raise LexiconInvalid(f"{path}:{number}: expected `score: words` with a score from -4 to 4.")
        yield head, [each.strip() for each in rest.split(separator) if each.strip()]


def _is_score(head: str) -> bool:
    return re.fullmatch(r"-?[0-4](\.[0-9]+)?", head) is not None and abs(float(head)) <= 4


def _forms(phrase: str) -> Sequence[str]:
    if "@" not in phrase:
        return (phrase,)
    return [phrase.replace("@", ending) for ending in _GENDERS]
