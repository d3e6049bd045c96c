"""A stranger's text as words that can be compared: folded, cut apart, bounded. Pure and linear."""

import re
import unicodedata

LONGEST_TEXT = 65_536
"""Characters of a text that are looked at."""

_INVISIBLE = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"


def _marks(first: int, last: int) -> str:
    return "".join(chr(code) for code in range(first, last) if unicodedata.combining(chr(code)))


# Two classes: one that has letters beyond U+FFFF is a hundred times slower than one that has none.
_DROPPED = re.compile(f"[{_marks(0x300, 0x10000)}{_INVISIBLE}]+")
_DROPPED_BEYOND = re.compile(f"[{_marks(0x10000, 0x1F000)}]+")
WORD = re.compile(r"[^\W_]+")
"""Letters and digits. A class without a choice: no text makes it go back."""


def fold(text: str) -> str:
    """The text without what people leave out or put in: case, accents (ñ is n), widths, invisible characters. What is
    longer than `LONGEST_TEXT` is cut."""
    text = text[:LONGEST_TEXT]
    if text.isascii():
        return text.lower()
    # Marks go first: putting a long run of them into their canonical order takes quadratic time.
    plain = unicodedata.normalize("NFKD", _without_marks(text).casefold())
    # One letter can become eighteen.
    return _DROPPED.sub("", plain[:LONGEST_TEXT])


def _without_marks(text: str) -> str:
    bare = _DROPPED.sub("", text)
    return _DROPPED_BEYOND.sub("", bare) if max(bare, default="") > "\uffff" else bare


def words(text: str) -> list[str]:
    """The words of a text, folded, in their order."""
    return WORD.findall(fold(text))


_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def is_unspaced(text: str) -> bool:
    """Whether it has letters of a script that puts no blanks between words (Chinese, Japanese, Thai, ...)."""
    return not text.isascii() and _UNSPACED.search(text) is not None
