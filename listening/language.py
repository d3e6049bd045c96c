"""Which language a text is in: the network's word, else a vote of small words, else lingua. Bounded, never by chance.

The vote settles most texts in microseconds. Lingua (low accuracy: three letters at a time, 10 MB for two languages
where its full models take 85) sees the rest, and at most `LOOKED_AT` characters of it, so that no text costs more than
a tenth of a millisecond or two and a storm waits for nothing.
"""

import re
from collections.abc import Sequence
from functools import cached_property

from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from signals.words import fold
from signals.words import words as words_of

ALWAYS = ("en", "es")
LOOKED_AT = 240
"""Characters of a text that are looked at."""
_FEWEST_LETTERS = 3
_PLAIN = 4
"""So many of one language, and none of the language that the network says, and the network is wrong."""
_NO_LANGUAGE = re.compile(r"und|zxx|mis|mul|art|q[a-z]{2}$")
"""What networks say when they do not know, or when there is no language in it."""
_CLEAR = 2
"""So many more small words of one language than of any other settle it; a single one does when no other has any."""

_SMALL_WORDS = {
    "en": """
        the and of to is it in you that was for are with his they this have from had but what all were when your can
        said
        there use each which she how their if will up about out many then them these some her would him into has look my
        who its now did get than been we our not i at be do does don on off just any where why am us by an or so very
        never
        after before again still because please thanks thank
    """,
    "es": """
        el la los las de que y en un una unos unas es por con para su sus al del lo como mas pero este esta esto estos
        estas
        ya cuando muy sin sobre tambien hasta hay donde quien desde todo todos nos durante uno les ni contra otros ese
        eso
        ante ellos yo otro tanto mucho nada cual poco ella algo nosotros mi mis te ti tu tus ellas vosotros os mio tuyo
        soy eres somos son estoy esta estamos estan ha han he hemos fue fueron ser tengo tiene tienen hace porque
        gracias
        siempre nunca ahora aqui asi aun todavia le se
    """,
}
_LETTERS = re.compile(r"[^\W\d_]")
_NOISE = re.compile(r"(?:https?://|www\.)[^\s]+|[@#]\w+")


def _only(language: str) -> frozenset[str]:
    others = {word for other, words in _SMALL_WORDS.items() if other != language for word in words.split()}
    return frozenset(_SMALL_WORDS[language].split()) - others


class Languages:
    """Tells languages apart; safe in threads."""

    def __init__(self, languages: Sequence[str] = ALWAYS) -> None:
        """`languages` are BCP 47 codes of those expected besides English and Spanish; one that lingua does not know is
        only ever had by the network's word."""
        self._codes = tuple(dict.fromkeys((*ALWAYS, *(primary(each) for each in languages))))
        self._votes = {code: _only(code) for code in self._codes if code in _SMALL_WORDS}

    def of(self, text: str, words: Sequence[str], said: str | None = None) -> str | None:
        """The language as a two- or three-letter code, or None when there is no telling.

        `words` are the text's (`signals.words.words`). `said` is the network's word. It counts when it is given, unless
        it names no language (`und`), or the text is plainly in the other of English and Spanish: programs send their
        own setting along, whatever is written.
        """
        plain = text[:LOOKED_AT]
        if "@" in plain or "#" in plain or "://" in plain or "www." in plain:
            plain = _NOISE.sub(" ", plain)
            words = words_of(plain)
        votes = self._count(words)
        network = primary(said) if said else ""
        if network and not _NO_LANGUAGE.match(network):
            return _contradicted(network, votes) or network
        return self._settled(votes) or self._asked(plain)

    def _count(self, words: Sequence[str]) -> dict[str, int]:
        """How many of the first words are small words of one language alone."""
        seen = words[:60]
        return {code: sum(map(small.__contains__, seen)) for code, small in self._votes.items()}

    def _settled(self, votes: dict[str, int]) -> str | None:
        """Only English and Spanish have small words here, so with other languages expected they settle nothing."""
        if len(self._codes) > len(votes):
            return None
        (second, _), (most, code) = sorted((number, code) for code, number in votes.items())[-2:]
        return code if most - second >= _CLEAR or most > second == 0 else None

    def _asked(self, plain: str) -> str | None:
        if len(_LETTERS.findall(plain)) < _FEWEST_LETTERS:
            return None
        # Half a surrogate pair is no text; lingua refuses it.
        found = self._lingua.detect_language_of(plain.encode(errors="ignore").decode())
        return None if found is None else found.iso_code_639_1.name.lower()

    @cached_property
    def _lingua(self) -> LanguageDetector:
        # Two threads that come first at once may both build it; one of the two is thrown away.
        known = {language.iso_code_639_1.name.lower(): language for language in Language.all()}
        expected = [known[code] for code in self._codes if code in known]
        return LanguageDetectorBuilder.from_languages(*expected).with_low_accuracy_mode().build()


def _contradicted(network: str, votes: dict[str, int]) -> str | None:
    """The language that a text is plainly in, when the network says the other one."""
    if votes.get(network) != 0:
        return None
    return next((code for code, number in votes.items() if number >= _PLAIN), None)


def primary(language: str) -> str:
    """`es` of `es-MX`, `en` of `EN_gb`."""
    return fold(language.strip())[:35].replace("_", "-").split("-", 1)[0]
