"""The GSM 7-bit alphabet: what an SMS may hold in 160 septets before it falls to 70 characters or becomes several.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
"""
# ruff: noqa: RUF001 - the characters that look like others are what this file is about

import unicodedata

SMS_SEPTETS = 160

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€")
# Extended characters cost two septets, so they are spelled otherwise; the rest has no decomposition of its own.
_SPELLED = {
    "€": "EUR", "[": "(", "]": ")", "{": "(", "}": ")", "~": "-", "^": "'", "\\": "/", "|": "/", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "–": "-", "—": "-", "−": "-",
    "…": "...", "•": "-", "·": "-", "×": "x", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "œ": "oe", "Œ": "OE", "ı": "i",
    "ð": "d", "þ": "th", "→": "->",
}  # fmt: skip
_UNKNOWN = "?"
_PLAIN = frozenset(character for character in _BASIC if character.isascii() and character not in "?\n\r")


def fold(text: str) -> str:
    """The text in one line of basic GSM-7: accents the alphabet lacks fall off, what it cannot say becomes `?`."""
    if _PLAIN.issuperset(text):
        return " ".join(text.split())
    folded = "".join(_fold_character(character) for character in unicodedata.normalize("NFC", text))
    while _UNKNOWN * 2 in folded:
        folded = folded.replace(_UNKNOWN * 2, _UNKNOWN)
    return " ".join(folded.split())


def _fold_character(character: str) -> str:
    if character in _SPELLED:
        return _SPELLED[character]
    if character in _BASIC or character.isspace():
        return character
    if unicodedata.category(character).startswith("C"):
        return " "
    base = (_SPELLED.get(part, part) for part in unicodedata.normalize("NFKD", character))
    return "".join(part for whole in base for part in whole if part in _BASIC) or _UNKNOWN


def septets(text: str) -> int | None:
    """How many septets the text costs, or None when it is not GSM-7 at all."""
    if _BASIC.issuperset(text):
        return len(text)
    if any(character not in _BASIC and character not in _EXTENDED for character in text):
        return None
    return sum(2 if character in _EXTENDED else 1 for character in text)


def shorten(text: str, room: int) -> str:
    """The text cut to `room` characters at a word, with `..` where something is missing."""
    if len(text) <= room:
        return text
    if room <= 2:
        return text[: max(room, 0)]
    cut = text[: room - 2]
    at_word = cut.rsplit(" ", 1)[0]
    return (at_word if len(at_word) >= len(cut) // 2 else cut).rstrip(" .,:;-") + ".."
