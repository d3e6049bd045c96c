"""What was found out about a word, remembered: people use the same few thousand words. Pure; bounded."""

from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")

_MOST, _LONGEST = 20_000, 24
"""Words that are remembered, and their letters. Strangers choose the words: beyond this all is forgotten."""


class Memo(dict[str, V]):
    """`memo[word]` is `find(word)`, which must always say the same. Threads may share it: at worst they ask twice."""

    def __init__(self, find: Callable[[str], V]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, word: str) -> V:
        found = self._find(word)
        if len(word) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[word] = found
        return found
