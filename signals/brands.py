"""Which brands a text is about: their words anywhere in it, and names that are one slip away. Pure.

What is found without being named in listening.yaml: a name of five letters or more with one letter too many, too few,
another, or two neighbours swapped; a name inside a CamelCase hashtag, or in a hashtag with a word of quarrel before or
after it (`#boycottnorthwind`). What is not: a name inside a longer word, and a blank put into a name.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from signals.accounts import Accounts
from signals.edits import one_edit
from signals.listening import Brand
from signals.memo import Memo
from signals.phrases import Phrases
from signals.words import LONGEST_TEXT, fold, is_unspaced, split, words

SHORTEST_GUESS = 5
"""Letters that a name needs before its misspellings are looked for."""
_LONGEST_TAGS = 100
"""Hashtags of a text that are looked into."""
_TAG = re.compile(r"#(\w{1,100})")
_QUARREL_WORDS = """
    boycott boycotting cancel stop ban quit leave never no not fire shame on down fail fails failed failure outage
    broken
    sucks suck scam scams scammer scammers fraud gate hell help support crisis lies liars liar thieves hack hacked
    breach
    leak recall refund strike fired out exposed

    boicot boicotea boicotear fuera estafa estafas estafadores ladrones robo verguenza asco caido caida falla fallo
    ayuda
    no nunca basta mentira mentirosos crisis huelga devolucion
"""
"""What people put before or after a name in a hashtag of small letters, folded."""
_QUARREL = frozenset(_QUARREL_WORDS.split())


@dataclass(frozen=True, slots=True)
class Text:
    """A mention's words in the forms that are compared; made once a mention."""

    original: str
    folded: str
    words: list[str]


def prepare(text: str) -> Text:
    """At most 64 K characters of it."""
    bounded = text[:LONGEST_TEXT]
    folded = fold(bounded)
    return Text(bounded, folded, split(folded))


def search_words(brand: Brand) -> tuple[str, ...]:
    """What a network is asked for: names, declared misspellings, products, people, and hashtags with their #.

    Each once (case and accents aside), in that order. What a network finds is looked at again by `Brands.find`.
    """
    tags = [f"#{tag.lstrip('#')}" for tag in brand.hashtags]
    everything = (*brand.names, *brand.misspellings, *brand.products, *brand.people, *tags)
    return tuple({fold(word): word for word in reversed(everything)}.values())[::-1]


@dataclass(frozen=True, slots=True)
class _Hit:
    brand: str
    sign: str = ""
    """What must stand in the folded text besides: the & of `AT&T`, so that `at T-Mobile` is none."""


class Brands:
    """The words of all brands, compiled. Never changes once built: any thread may ask."""

    def __init__(self, brands: Sequence[Brand], real_words: Collection[str] = ()) -> None:
        """`real_words`: folded words that are no misspelling of a name, however near (`apply` of Apple)."""
        self.accounts = Accounts(brands)
        self._phrases = Phrases(_phrases(brands))
        self._left_out = Phrases((word, brand.id) for brand in brands for word in brand.leave_out)
        self._has_left_out = any(brand.leave_out for brand in brands)
        self._tags = {fold(tag.lstrip("#")): brand.id for brand in reversed(brands) for tag in brand.hashtags}
        self._joined = _joined_names(brands)
        self._guesses = _Guesses(brands, frozenset(real_words) | _declared(brands))

    def find(self, text: Text) -> frozenset[str]:
        """The brands that a text is about, by its words. Who wrote it is `Brands.accounts`' question."""
        found = set(self._by_words(text.words, text.folded))
        if "#" in text.folded:
            found.update(self._by_tags(text.original))
        if found and self._has_left_out:
            found.difference_update(self._left_out.values_in(text.words, text.folded))
        found.update(self.accounts.named_in(text.original))
        return frozenset(found)

    def _by_words(self, words: Sequence[str], folded: str) -> Iterator[str]:
        for hit in self._phrases.values_in(words, folded):
            if not hit.sign or hit.sign in folded:
                yield hit.brand
        yield from self._guesses.find(words)

    def _by_tags(self, text: str) -> Iterator[str]:
        for number, found in enumerate(_TAG.finditer(text)):
            if number == _LONGEST_TAGS:
                return
            tag = fold(found.group(1))
            if tag in self._tags:
                yield self._tags[tag]
            parts = camel_parts(found.group(1))
            for joined in _joinings(parts):
                yield from self._by_words(joined, "")
            for name, brand in self._joined.items():
                if _is_quarrel(tag, name):
                    yield brand


class _Guesses:
    """Names one edit away. A name's first two letters or its last two survive any one edit, so few are compared."""

    def __init__(self, brands: Iterable[Brand], real_words: frozenset[str]) -> None:
        self._real = real_words
        self._by_size: dict[int, _Ends] = {}
        self._of_word = Memo(self._find_word)
        for brand in brands:
            for name in brand.names:
                self._add(words(name), brand.id)

    def _add(self, words: list[str], brand: str) -> None:
        name = " ".join(words)
        if len("".join(words)) >= SHORTEST_GUESS and not is_unspaced(name):
            self._by_size.setdefault(len(words), _Ends()).add(name, brand)

    def find(self, words: Sequence[str]) -> Iterator[str]:
        for size, ends in self._by_size.items():
            if size == 1:
                for found in map(self._of_word.__getitem__, words):
                    yield from found
                continue
            for place in range(len(words) - size + 1):
                if f"{words[place]} "[:2] in ends.first or f" {words[place + size - 1]}"[-2:] in ends.last:
                    yield from ends.near(" ".join(words[place : place + size]))

    def _find_word(self, word: str) -> tuple[str, ...]:
        return () if word in self._real else tuple(self._by_size[1].near(word))


class _Ends:
    """Names by their first two and their last two letters."""

    def __init__(self) -> None:
        self.first: dict[str, list[tuple[str, str]]] = {}
        self.last: dict[str, list[tuple[str, str]]] = {}

    def add(self, name: str, brand: str) -> None:
        self.first.setdefault(name[:2], []).append((name, brand))
        self.last.setdefault(name[-2:], []).append((name, brand))

    def near(self, seen: str) -> Iterator[str]:
        for name, brand in (*self.first.get(seen[:2], ()), *self.last.get(seen[-2:], ())):
            if one_edit(name, seen):
                yield brand


def _phrases(brands: Sequence[Brand]) -> Iterator[tuple[str, _Hit]]:
    for brand in brands:
        for word in (*brand.names, *brand.misspellings, *brand.products, *brand.people):
            sign = next((sign for sign in "&+" if sign in word.strip("&+")), "")
            yield word.replace("*", " "), _Hit(brand.id, sign)
    for name, brand_id in _joined_names(brands).items():
        yield name, _Hit(brand_id)


def _joined_names(brands: Sequence[Brand]) -> dict[str, str]:
    """`northwindbank` of Northwind Bank: as it stands in addresses and hashtags. Not of what is too short for it."""
    names = ((fold_name, brand.id) for brand in reversed(brands) for fold_name in map(_joined, brand.names))
    return {name: brand_id for name, brand_id in names if len(name) >= SHORTEST_GUESS and not is_unspaced(name)}


def _joined(name: str) -> str:
    return "".join(words(name))


def _declared(brands: Iterable[Brand]) -> frozenset[str]:
    """Words that somebody has written down stand for themselves: no misspelling of another brand's name."""
    found = set()
    for brand in brands:
        for word in (*brand.names, *brand.misspellings, *brand.products, *brand.people, *brand.leave_out):
            parts = words(word)
            if len(parts) == 1:
                found.add(parts[0])
    return frozenset(found)


def camel_parts(tag: str) -> list[str]:
    """`BoycottNorthWind2024` is boycott, north, wind, 2024; `ABCNews` is abc, news. Folded; linear."""
    parts: list[str] = []
    start = 0
    for place in range(1, len(tag) + 1):
        if place == len(tag) or _breaks(tag, place):
            parts.extend(words(tag[start:place]))
            start = place
    return parts


def _breaks(tag: str, place: int) -> bool:
    before, here = tag[place - 1], tag[place]
    if before.isdigit() != here.isdigit():
        return True
    if here.isupper():
        return before.islower() or (before.isupper() and tag[place + 1 : place + 2].islower())
    return False


def _joinings(parts: list[str]) -> Iterator[list[str]]:
    """The parts, and with two or three neighbours as one word: people write NorthWind for Northwind."""
    yield parts
    for size in (2, 3):
        if len(parts) >= size:
            yield ["".join(parts[place : place + size]) for place in range(len(parts) - size + 1)]


def _is_quarrel(tag: str, name: str) -> bool:
    if tag.startswith(name):
        return tag[len(name) :] in _QUARREL
    return tag.endswith(name) and tag[: -len(name)] in _QUARREL
