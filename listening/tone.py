"""How a text sounds: a port, and the lexicons that stand behind it by default.

English is VADER with words of customer care that it has no score for; Spanish has a lexicon of our own, summed up by
VADER's arithmetic; emojis count the same in every language, and are all that counts in a third one.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from listening.lexicon import DATA, Lexicon, read_lexicon, read_signs
from listening.vader import Vader
from signals.mention import Tone as Word
from signals.words import WORD, fold, split

POSITIVE, NEGATIVE = 0.05, -0.05
"""VADER's own documented thresholds, for every judge. Fixed; tuned on nothing."""
JUDGED = 1_000
"""Characters of a text that are judged; VADER's time grows with the square of the words."""
_ALPHA = 15
"""VADER's: a sum of scores s becomes s / sqrt(s² + 15)."""
_TURNED, _STEP, _CAPITALS, _EXCLAMATION = -0.74, 0.293, 0.733, 0.292
_FADING = (1.0, 0.95, 0.9)
"""What a word one, two or three places before weighs. All of these are VADER's."""
_MOST_SIGNS = 3
"""A row of emojis says no more than so many."""


class Tone(Protocol):
    """Judges how texts sound. Safe in threads; the same text always gets the same score."""

    def judge(self, texts: Sequence[str], language: str | None) -> list[float]:
        """One score a text, -1 (worst) to 1. All texts are in `language`; None when nobody knows it."""
        ...


def word_of(score: float) -> Word:
    if score <= NEGATIVE:
        return "negative"
    return "positive" if score >= POSITIVE else "neutral"


class LexiconTone:
    """The default. Judges the first `JUDGED` characters of a text."""

    def __init__(self) -> None:
        """Reads its files; LexiconInvalid names a line that cannot be read."""
        signs = read_signs(DATA / "tone_emoji.txt")
        self._signs = _Signs(signs)
        self._english = _English(read_lexicon(DATA / "tone_en.txt"))
        self._spanish = _Spanish(read_lexicon(DATA / "tone_es.txt"))

    def judge(self, texts: Sequence[str], language: str | None) -> list[float]:
        return [self._judge(text[:JUDGED], language) for text in texts]

    def _judge(self, text: str, language: str | None) -> float:
        if language == "en":
            return _squeezed(self._english.sum(text) + self._signs.emojis(text))
        total = self._signs.emojis(text) + self._signs.emoticons(text)
        return _squeezed(total + self._spanish.sum(text) if language == "es" else total)


def _squeezed(total: float) -> float:
    return total / math.sqrt(total * total + _ALPHA)


def _loosened(score: float) -> float:
    """The sum that VADER made a score of; at the ends it is cut off."""
    inside = max(-0.99, min(0.99, score))
    return inside * math.sqrt(_ALPHA / (1 - inside * inside))


class _Signs:
    def __init__(self, scores: dict[str, float]) -> None:
        self._emojis = {sign: score for sign, score in scores.items() if not sign.isascii()}
        self._emoticons = {sign: score for sign, score in scores.items() if sign.isascii()}

    def emojis(self, text: str) -> float:
        if text.isascii() or self._emojis.keys().isdisjoint(text):
            return 0.0
        found = [sign for sign in text if sign in self._emojis]
        return sum(self._emojis[sign] for sign in found[:_MOST_SIGNS])

    def emoticons(self, text: str) -> float:
        found = [self._emoticons[each] for each in text.split() if each in self._emoticons]
        return sum(found[:_MOST_SIGNS])


class _English:
    def __init__(self, care: Lexicon) -> None:
        self._vader = Vader()
        for word in care.silent:
            self._vader.lexicon.pop(word, None)
        self._care = care

    def sum(self, text: str) -> float:
        words = split(fold(text))
        cared = sum(score for _, _, score in self._care.words.longest(words))
        return _loosened(self._vader.compound(text)) + cared


_LONG_DRAWN = re.compile(r"([a-z])\1{2,}")
_STOPS = re.compile(r"[,;:!?()\n]")
_CUT = {code: "." if chr(code) in ".,;:!?()\n" else " " for code in range(128) if not chr(code).isalnum()}
_WORD_OR_STOP = re.compile(r"[^\W_]+|\.")
_CAPITAL_PAIR = re.compile("[A-Z\u00c0-\u00de]{2}")
_SUPERLATIVES = ("isimo", "isima", "isimos", "isimas")


@dataclass(frozen=True, slots=True)
class _Spanish:
    lexicon: Lexicon

    def sum(self, text: str) -> float:
        folded = fold(text)
        if _LONG_DRAWN.search(folded):  # maaaalo is malo
            folded = _LONG_DRAWN.sub(r"\1", folded)
        words, clauses = self._cut(folded)
        shouted = _shouted(text, len(words))
        matches = list(self.lexicon.words.longest(words))
        # What belongs to a phrase (`nadie contesta`) turns nothing that comes after it.
        spent = {place for start, end, _ in matches for place in range(start, end)}
        turn = len(words) - 1 - words[::-1].index("pero") if "pero" in words else 0
        total = 0.0
        for start, end, score in matches:
            before = [
                "" if place in spent or clauses[place] != clauses[start] else words[place]
                for place in range(start - 1, max(start - 1 - len(_FADING), -1), -1)
            ]
            loud = math.copysign(_CAPITALS * any(shouted[start:end]), score)
            total += (self._weighed(score, before) + loud if score else 0.0) * _side(start, turn)
        loud = min(text.count("!"), 4) * _EXCLAMATION
        return total + math.copysign(loud, total) if total else 0.0

    def _cut(self, folded: str) -> tuple[list[str], list[int]]:
        """The words, and the number of the clause that each stands in."""
        tokens = _tokens(folded)
        if "isim" in folded:
            tokens = [self._positive(token) for token in tokens]
        numbers = accumulate(int(token == ".") for token in tokens)
        clauses = [number for token, number in zip(tokens, numbers, strict=True) if token != "."]
        return [token for token in tokens if token != "."], clauses

    def _positive(self, word: str) -> str:
        """`feisimo` is feo, when the lexicon has no word of its own for it."""
        if not word.endswith(_SUPERLATIVES) or word in self.lexicon.written:
            return word
        stem, _, ending = word.rpartition("isim")
        return stem + ending if stem + ending in self.lexicon.written else word

    def _weighed(self, score: float, before: Sequence[str]) -> float:
        """With up to three words before it, the nearest first: they strengthen, weaken or turn."""
        weighed, is_turned = score, False
        for word, fading in zip(before, _FADING, strict=False):
            if word in self.lexicon.strengthens:
                weighed += math.copysign(_STEP * fading, score)
            elif word in self.lexicon.weakens:
                weighed -= math.copysign(_STEP * fading, score)
            is_turned = is_turned or word in self.lexicon.turns
        return weighed * _TURNED if is_turned else weighed


def _tokens(folded: str) -> list[str]:
    """Words, and a full stop for whatever ends a clause."""
    if folded.isascii():
        return folded.translate(_CUT).replace(".", " . ").split()
    return _WORD_OR_STOP.findall(_STOPS.sub(".", folded))


def _shouted(text: str, number: int) -> list[bool]:
    """Which words are in capitals, when not all are; of none when folding has made another number of words of them."""
    if _CAPITAL_PAIR.search(text) is None:
        return [False] * number
    capitals = [len(word) > 1 and word.isupper() for word in WORD.findall(text)]
    return capitals if len(capitals) == number and not all(capitals) else [False] * number


def _side(place: int, turn: int) -> float:
    """What stands after a `pero` counts for more than what stands before it."""
    if not turn:
        return 1.0
    return 0.5 if place < turn else 1.5
