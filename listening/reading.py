"""How a mention is read: which brands it concerns, in which language, how it sounds, what it is about, who complains.

Pure computing, no I/O once built; safe in threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from listening.language import Languages
from listening.lexicon import DATA, read_words
from listening.tone import LexiconTone, Tone, word_of
from signals.accounts import speaks_as_us
from signals.brands import Brands, Text, prepare
from signals.complaint import is_complaint
from signals.listening import Listening
from signals.mention import Mention, Tagged
from signals.topics import Topics

IMPERSONATION = "impersonation"
"""The topic of a mention by a look-alike account that writes as if it were us."""


@dataclass(frozen=True, slots=True)
class _Found:
    mention: Mention
    text: Text
    brands: frozenset[str]
    copied: frozenset[str]
    """Brands that it writes as if it were."""
    by_us: bool
    language: str | None


class Reader:
    """Reads mentions by one listening.yaml and the topics of one thresholds.yaml; a changed plan gets a new Reader."""

    def __init__(self, listening: Listening, topics: Mapping[str, tuple[str, ...]], tone: Tone | None = None) -> None:
        """`topics`: Thresholds.topics. `tone`: the judge; by default the lexicons."""
        self._brands = Brands(listening.brands, read_words(DATA / "common_words.txt"))
        self._all = tuple(brand.id for brand in listening.brands)
        self._of_source = {source.name: source.brand for source in listening.sources if source.brand is not None}
        self._topics = Topics(topics)
        self._languages = Languages(listening.languages)
        self._tone = LexiconTone() if tone is None else tone

    def read(self, mention: Mention) -> tuple[Tagged, ...]:
        """One Tagged a brand that the mention concerns, in the order of listening.yaml; empty when it concerns none."""
        return self.read_many([mention])[0]

    def read_many(self, mentions: Sequence[Mention]) -> list[tuple[Tagged, ...]]:
        """The same of each, in their order; a judge that likes many texts at once gets all of a language."""
        found = [self._find(mention) for mention in mentions]
        scores = self._judged([each for each in found if each is not None])
        return [() if each is None else self._tag(each, next(scores)) for each in found]

    def _find(self, mention: Mention) -> _Found | None:
        """Everything but the tone; None when it concerns no brand."""
        text = prepare(f"{mention.title}\n{mention.text}" if mention.title else mention.text)
        owner = self._brands.accounts.owner((mention.author, mention.author_name))
        by_us = mention.by_us or owner is not None
        copied = frozenset[str]() if by_us else self._impersonated(mention, text)
        brands = self._concerned(mention, text, owner) | copied
        if not brands:
            return None
        language = self._languages.of(text.original, text.words, mention.language)
        return _Found(mention, text, brands, copied, by_us, language)

    def _judged(self, found: Sequence[_Found]) -> Iterator[float]:
        """The tones, in the order of what was found."""
        scores = [0.0] * len(found)
        for language in {each.language for each in found}:
            places = [place for place, each in enumerate(found) if each.language == language]
            judged = self._tone.judge([found[place].text.original for place in places], language)
            for place, score in zip(places, judged, strict=True):
                scores[place] = score
        return iter(scores)

    def _tag(self, found: _Found, score: float) -> tuple[Tagged, ...]:
        mention, text, tone = found.mention, found.text, word_of(score)
        topics = self._topics.of(text.words, text.folded)
        complains = not found.by_us and not found.copied and is_complaint(mention, text.words, tone)
        return tuple(
            Tagged(
                mention=mention,
                brand=brand,
                language=found.language,
                tone=tone,
                tone_score=score,
                complaint=complains,
                topics=topics | {IMPERSONATION} if brand in found.copied else topics,
                by_us=found.by_us,
            )
            for brand in self._all
            if brand in found.brands
        )

    def _concerned(self, mention: Mention, text: Text, owner: str | None) -> frozenset[str]:
        of_source = self._of_source.get(mention.source)
        if of_source is not None:
            return frozenset({of_source})
        if owner is not None:
            return frozenset({owner})
        found = self._brands.find(text)
        if not found and (mention.to_us or mention.by_us or mention.private):
            # Nobody says whose account it was: the first brand, so that it is not lost.
            return frozenset({self._all[0]})
        return found

    def _impersonated(self, mention: Mention, text: Text) -> frozenset[str]:
        if not speaks_as_us(text.words):
            return frozenset()
        return self._brands.accounts.like((mention.author_name, mention.author))
