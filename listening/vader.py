"""VADER, asked for its compound score alone: the same number by its own rules, three times as fast.

`polarity_scores` copies the text letter by letter and, for each word that it knows, the whole list of words several
times. Here each rule of VADER's gets the few words that it looks at. tests/listening/test_vader.py holds both against
each other.
"""

from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]
    BOOSTER_DICT,
    SentimentIntensityAnalyzer,
    SentiText,
    normalize,
)


class Vader(SentimentIntensityAnalyzer):  # type: ignore[misc]
    """Without its names of emojis (`pouting face`), few of which say anything."""

    def make_emoji_dict(self) -> dict[str, str]:
        return {}

    def compound(self, text: str) -> float:
        """-1 to 1; what `polarity_scores(text)["compound"]` is."""
        text = text.strip()
        looked_at = SentiText(text)
        words: list[str] = looked_at.words_and_emoticons
        scores: list[float] = []
        for place, word in enumerate(words):
            lower = word.lower()
            if lower not in self.lexicon or lower in BOOSTER_DICT or _is_kind_of(words, place):
                scores.append(0)
            else:
                scores = self.sentiment_valence(0, looked_at, word, place, scores)
        if not scores:
            return 0.0
        total = float(sum(self._but_check(words, scores)))
        loud = self._punctuation_emphasis(text)
        if total:
            total += loud if total > 0 else -loud
        return round(float(normalize(total)), 4)

    @staticmethod
    def _negation_check(valence: float, words_and_emoticons: list[str], start_i: int, i: int) -> float:
        """It looks at three words before the one at `i`."""
        first = max(0, i - 3)
        window = words_and_emoticons[first : i + 1]
        checked: float = SentimentIntensityAnalyzer._negation_check(valence, window, start_i, i - first)
        return checked

    def _special_idioms_check(self, valence: float, words_and_emoticons: list[str], i: int) -> float:
        """It looks at three words before the one at `i` and two after it; VADER asks only where there are three."""
        window = words_and_emoticons[i - 3 : i + 3]
        checked: float = SentimentIntensityAnalyzer._special_idioms_check(valence, window, 3)
        return checked


def _is_kind_of(words: list[str], place: int) -> bool:
    return place < len(words) - 1 and words[place].lower() == "kind" and words[place + 1].lower() == "of"
