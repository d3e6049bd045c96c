"""How a text sounds: a port, and the lexicons that stand behind it by default."""

from collections.abc import Sequence
from typing import Protocol

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from signals.mention import Tone as Word

POSITIVE, NEGATIVE = 0.05, -0.05
"""VADER's own documented thresholds, for every judge. Fixed; tuned on nothing."""
JUDGED = 1_000
"""Characters of a text that are judged; VADER's time grows with the square of the words."""


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
    """The default: VADER for everything, until its Spanish words are there."""

    def __init__(self) -> None:
        self._vader = SentimentIntensityAnalyzer()

    def judge(self, texts: Sequence[str], language: str | None) -> list[float]:
        return [float(self._vader.polarity_scores(text[:JUDGED])["compound"]) for text in texts]
