"""Which topics of thresholds.yaml a text is about: their words, compiled once. Pure."""

from collections.abc import Mapping, Sequence

from signals.phrases import Phrases


class Topics:
    def __init__(self, topics: Mapping[str, tuple[str, ...]]) -> None:
        """`topics`: a topic's id to its words, each as `signals.phrases` reads it."""
        self._phrases = Phrases((word, topic) for topic, words in topics.items() for word in words)

    def of(self, words: Sequence[str], folded: str = "") -> frozenset[str]:
        """The ids of all topics whose words stand among `words` (of `signals.words.words`)."""
        return frozenset(self._phrases.values_in(words, folded))
