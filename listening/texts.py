"""What strangers write in mails, feeds and files, as plain text of bounded length. Linear in what is given; pure."""

MOST_TEXT = 64 * 1024
"""Bytes (UTF-8) of a mention's text."""
MOST_LINE = 500
"""Characters of a title, a name or a link."""
_UNWANTED = {code: None for code in (*range(32), *range(127, 160)) if code not in (9, 10, 13)}


def body(text: str, most: int = MOST_TEXT) -> str:
    """The text without control characters and lone surrogates, lines ended by \\n, cut to `most` bytes of UTF-8."""
    if len(text) <= most and text.isascii() and text.isprintable():
        return text.strip()
    short = text[:most].translate(_UNWANTED).replace("\r\n", "\n").replace("\r", "\n")
    return short.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore").strip()


def line(text: str, most: int = MOST_LINE) -> str:
    """The same on one line, cut to `most` characters."""
    if len(text) <= most and text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(body(text[: 4 * most], 16 * most).split())[:most]
