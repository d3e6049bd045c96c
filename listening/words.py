"""What to ask a network for, and the quick look at a post of a stream: the brands' words. Pure.

A quick look may find too much, never too little: whether a mention is about a brand is decided later.
"""

from collections.abc import Iterable, Sequence

from signals.listening import Brand
from signals.words import fold, words

_FUZZY_FROM = 5
"""Letters of a name from which on one wrong letter is forgiven."""
_LONGEST_LOOK = 10_000
"""Characters of a post that are looked at."""


def of_interest(brands: Sequence[Brand], brand: str | None) -> tuple[Brand, ...]:
    """The brands that a source listens for: the one that it was given, else all."""
    return tuple(each for each in brands if brand is None or each.id == brand)


def search_words(brands: Iterable[Brand]) -> tuple[str, ...]:
    """Every name, misspelling, product, person and #hashtag once, in the order of the file."""
    found: dict[str, str] = {}
    for brand in brands:
        for word in (*brand.names, *brand.misspellings, *brand.products, *brand.people):
            found.setdefault(fold(word), word)
        for tag in brand.hashtags:
            found.setdefault(f"#{fold(tag)}", f"#{tag.lstrip('#')}")
    return tuple(found.values())


def hashtags(brands: Iterable[Brand]) -> tuple[str, ...]:
    """Without the #: what was named as one, and the names and products as people make hashtags of them."""
    found: dict[str, str] = {}
    for brand in brands:
        named = [each.lstrip("#") for each in brand.hashtags]
        for tag in (*named, *("".join(words(each)) for each in (*brand.names, *brand.products))):
            if tag:
                found.setdefault(fold(tag), tag)
    return tuple(found.values())


class QuickLook:
    """Whether a post may name a brand; some microseconds a post. Never changes: any thread may ask."""

    def __init__(self, brands: Iterable[Brand]) -> None:
        known = tuple(brands)
        wanted = {" ".join(words(each)) for each in search_words(known)}
        self._wanted = tuple(sorted(each for each in wanted if each))
        names = {each for brand in known for name in brand.names for each in ["".join(words(name))]}
        self._near = frozenset(near for name in names if len(name) >= _FUZZY_FROM for near in _without_one(name))

    def may_concern_us(self, text: str) -> bool:
        found = words(text[:_LONGEST_LOOK])
        run = " ".join(found)
        if any(each in run for each in self._wanted):
            return True
        return any(self._is_near(each) for each in found)

    def _is_near(self, word: str) -> bool:
        """Two words one edit apart have a form in common when each is left as it is or loses one letter."""
        if not _FUZZY_FROM - 1 <= len(word) <= _LONGEST_WORD:
            return False
        return any(each in self._near for each in _without_one(word))


_LONGEST_WORD = 40


def _without_one(word: str) -> Iterable[str]:
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
