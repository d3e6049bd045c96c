"""Words and phrases looked for in a text, all at once: compiled once, linear in the text. Pure.

A phrase is one word or several in a row; a word of it that ends in * stands for all that begin so. Case, accents and
what stands between the words do not matter. A phrase in a script without blanks is found wherever its letters stand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from signals.memo import Memo
from signals.words import WORD, fold, is_unspaced

V = TypeVar("V")

LONGEST_PHRASE = 12
"""Words of a phrase; what is longer is cut, so that no phrase costs more."""


@dataclass(slots=True)
class _Node(Generic[V]):
    words: "dict[str, _Node[V]]" = field(default_factory=dict)
    stems: "dict[str, _Node[V]]" = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    """Of the stems, the longest first."""
    values: list[V] = field(default_factory=list)

    def after(self, word: str) -> "Iterator[_Node[V]]":
        found = self.words.get(word)
        if found is not None:
            yield found
        for length in self.lengths:
            found = self.stems.get(word[:length])
            if found is not None and len(word) >= length:
                yield found


class Phrases(Generic[V]):
    """Which values' phrases stand in a text. What it says never changes once it is built: any thread may ask."""

    def __init__(self, phrases: Iterable[tuple[str, V]]) -> None:
        """`phrases` are (phrase, value); a phrase without a letter or digit is never found."""
        self._root: _Node[V] = _Node()
        self._beginning = Memo(self._begin)
        self._unspaced: list[tuple[str, V]] = []
        for phrase, value in phrases:
            self._add(phrase, value)
        _set_lengths(self._root)

    def _add(self, phrase: str, value: V) -> None:
        folded = fold(phrase)
        if is_unspaced(folded):
            self._unspaced.append(("".join(WORD.findall(folded)), value))
            return
        parts = _parts(folded)
        node = self._root
        for word, is_stem in parts:
            table = node.stems if is_stem else node.words
            node = table.setdefault(word, _Node())
        if parts:
            node.values.append(value)

    def values_in(self, words: Sequence[str], folded: str = "") -> Iterator[V]:
        """The values of all phrases in `words` (of `signals.words.words`), each as often as it stands there.

        `folded` is the folded text, for phrases in scripts without blanks.
        """
        for _, _, value in self.matches(words):
            yield value
        for phrase, value in self._unspaced:
            if phrase in folded:
                yield value

    def matches(self, words: Sequence[str]) -> Iterator[tuple[int, int, V]]:
        """Where phrases stand: the first word's place, the place after the last, and the value."""
        for start, found in enumerate(map(self._beginning.__getitem__, words)):
            if found is None:
                continue
            values, longer = found
            for value in values:
                yield start, start + 1, value
            if longer:
                yield from self._longer(longer, words, start)

    def _begin(self, word: str) -> tuple[tuple[V, ...], tuple[_Node[V], ...]] | None:
        """The values of phrases that are this word alone, and where longer ones go on from it; None when none begins
        with it, as most do not."""
        nodes = tuple(self._root.after(word))
        values = tuple(value for node in nodes for value in node.values)
        return (values, tuple(node for node in nodes if node.words or node.stems)) if nodes else None

    def longest(self, words: Sequence[str]) -> Iterator[tuple[int, int, V]]:
        """The same from left to right without overlaps: of those that begin at one place the longest, and of two
        equally long the one whose words are written out."""
        free = 0
        best: tuple[int, int, V] | None = None
        for match in self.matches(words):
            if best is not None and match[0] != best[0]:
                yield best
                free, best = best[1], None
            if match[0] >= free and (best is None or match[1] > best[1]):
                best = match
        if best is not None:
            yield best

    def _longer(self, nodes: Sequence[_Node[V]], words: Sequence[str], start: int) -> Iterator[tuple[int, int, V]]:
        for place in range(start + 1, min(start + LONGEST_PHRASE, len(words))):
            nodes = [after for node in nodes for after in node.after(words[place])]
            if not nodes:
                return
            for node in nodes:
                for value in node.values:
                    yield start, place + 1, value


def _parts(folded: str) -> list[tuple[str, bool]]:
    """The words of a phrase, and whether each is a stem."""
    found = [(each.group(), folded[each.end() : each.end() + 1] == "*") for each in WORD.finditer(folded)]
    return found[:LONGEST_PHRASE]


def _set_lengths(node: _Node[V]) -> None:
    node.lengths = tuple(sorted({len(stem) for stem in node.stems}, reverse=True))
    for after in (*node.words.values(), *node.stems.values()):
        _set_lengths(after)
