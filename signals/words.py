"""A stranger's text as words that can be compared: folded, cut apart, bounded. Pure and linear.

Everything that is read passes here, whole networks too, so the usual scripts have a quick way: what is Latin letters,
signs and emojis goes through tables of C, the rest through regular expressions. Both give the same words.
"""

import re
import string
import unicodedata

from signals.memo import Memo

LONGEST_TEXT = 65_536
"""Characters of a text that are looked at."""
WORD = re.compile(r"[^\W_]+")
"""Letters and digits. A class without a choice: no text makes it go back."""

_INVISIBLE = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
_NO_LETTERS = str.maketrans("\u2122\u2120\u00bc\u00bd\u00be", "     ")
"""Signs that would fall apart into letters and digits: Northwind and its trade mark sign are not `northwindtm`."""


def _marks(first: int, last: int) -> str:
    return "".join(chr(code) for code in range(first, last) if unicodedata.combining(chr(code)))


# Two classes: one that has letters beyond U+FFFF is a hundred times slower than one that has none.
_DROPPED = re.compile(f"[{_marks(0x300, 0x10000)}{_INVISIBLE}]+")
_DROPPED_BEYOND = re.compile(f"[{_marks(0x10000, 0x1F000)}]+")


def fold(text: str) -> str:
    """The text without what people leave out or put in: case, accents (ñ is n), widths, invisible characters. What is
    longer than `LONGEST_TEXT` is cut."""
    text = text[:LONGEST_TEXT]
    if text.isascii():
        return text.lower()
    quick = _fold_latin(text)
    return quick if quick is not None else _fold_any(text)


def _fold_any(text: str) -> str:
    # Marks go first: putting a long run of them into their canonical order takes quadratic time.
    plain = unicodedata.normalize("NFKD", _without_marks(text.translate(_NO_LETTERS)).casefold())
    # One letter can become eighteen.
    return _DROPPED.sub("", plain[:LONGEST_TEXT])


def _without_marks(text: str) -> str:
    bare = _DROPPED.sub("", text)
    return _DROPPED_BEYOND.sub("", bare) if max(bare, default="") > "\uffff" else bare


def _latin(code: int) -> int:
    """Letters become their plain ones; a sign beyond ASCII becomes a blank, so that what comes out mostly is ASCII."""
    folded = _fold_any(chr(code))
    is_kept = code < 128 or folded.isalnum()
    return ord(folded) if is_kept and len(folded) == 1 and ord(folded) < 256 else ord(" ")


_LATIN = bytes(_latin(code) for code in range(256))
_LATIN_LETTERS = frozenset(map(chr, range(256)))


def _is_sign(letter: str) -> bool:
    """Whether it stands between words and is nothing else: a quotation mark, an emoji."""
    if letter in "\u2122\u2120":
        return True
    if unicodedata.category(letter)[0] not in "PSZ":
        return False
    plain = unicodedata.normalize("NFKD", letter)
    return not any(each.isalnum() or each in string.punctuation or unicodedata.combining(each) for each in plain)


_SIGNS = Memo(_is_sign)


def _fold_latin(text: str) -> str | None:
    """None when it has letters of other scripts, or marks. A sign beyond Latin becomes a blank."""
    small = text.casefold()
    try:
        letters = small.encode("latin-1")
    except UnicodeEncodeError:
        if not all(map(_SIGNS.__getitem__, set(small) - _LATIN_LETTERS)):
            return None
        # What is replaced becomes a question mark, which ends a clause; an emoji or a quotation mark ends none.
        letters = small.replace("?", ".").encode("latin-1", "replace").replace(b"?", b" ")
    return letters.translate(_LATIN, b"\xad").decode("latin-1")


_BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}


def split(folded: str) -> list[str]:
    """The words of a text that is folded, in their order."""
    return folded.translate(_BLANKS).split() if folded.isascii() else WORD.findall(folded)


def words(text: str) -> list[str]:
    """The words of a text, folded, in their order."""
    return split(fold(text))


_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def is_unspaced(text: str) -> bool:
    """Whether it has letters of a script that puts no blanks between words (Chinese, Japanese, Thai, ...)."""
    return not text.isascii() and _UNSPACED.search(text) is not None
