"""HTML of strangers as text. Linear in its length, and only the beginning of it is read.

Not html.parser: what is malformed on purpose takes it quadratic time, minutes for 100 KB.
"""

import html
from collections.abc import Iterator

MOST_MARKUP = 256 * 1024
"""Characters of HTML: a page says much about its looks before it says anything."""
_BREAKS = frozenset(
    {
        *(
            "article",
            "blockquote",
            "br",
            "dd",
            "div",
            "dl",
            "dt",
            "figure",
            "footer",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
        ),
        *("header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"),
    }
)
_UNSEEN = frozenset({"head", "noscript", "script", "style", "template", "title"})
_AT_ONCE = 2_000
"""Digits of a character reference are read as a number, which Python does in quadratic time."""


def text_of(markup: str) -> str:
    """The words, a block a line, what is quoted (`blockquote`) behind `> `; comments, scripts and styles left out."""
    lines: list[tuple[int, list[str]]] = [(0, [])]
    quoted = unseen = 0
    for tag, text in _pieces(markup[:MOST_MARKUP]):
        name, step = (tag.lstrip("/"), -1 if tag.startswith("/") else 1) if tag else ("", 0)
        if name in _UNSEEN:
            unseen = max(unseen + step, 0)
        elif name == "blockquote":
            quoted = max(quoted + step, 0)
        if name in _BREAKS:
            lines.append((quoted, []))
        if text and not unseen:
            lines[-1][1].append(text)
    written = (("> " if depth else "") + " ".join(unescaped("".join(parts)).split()) for depth, parts in lines)
    return "\n".join(written).strip()


def unescaped(text: str) -> str:
    """`&amp;` and its like as characters."""
    return " ".join(_unescaped(each) for each in text.split(" ")) if len(text) > _AT_ONCE else _unescaped(text)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text) if "&" in text else text
    except (ValueError, OverflowError):  # a number of more digits than Python reads
        return text


def _pieces(markup: str) -> Iterator[tuple[str, str]]:
    """Tags by their names (`/p` for an end) and the text between them; a comment that does not end hides the rest."""
    at, close = 0, -1
    while (begin := markup.find("<", at)) >= 0:
        if begin > at:
            yield "", markup[at:begin]
        if markup.startswith("<!--", begin):
            end = markup.find("-->", begin + 4)
            if end < 0:
                return
            at = end + 3
            continue
        if close < begin:
            close = _found(markup, ">", begin)
        following = markup.find("<", begin + 1)
        name = _name(markup[begin + 1 : begin + 32])
        if close == len(markup) or 0 <= following < close:
            yield "", "<"  # it is no tag: the text goes on
            at = begin + 1
        elif name or markup.startswith(("<!", "<?"), begin):
            yield name, ""
            at = close + 1
        else:
            yield "", "<"
            at = begin + 1
    yield "", markup[at:]


def _found(markup: str, what: str, start: int) -> int:
    """Where it stands next; the length of all where it does not."""
    at = markup.find(what, start)
    return len(markup) if at < 0 else at


def _name(text: str) -> str:
    """The name that a tag begins with; nothing when it is no tag."""
    slash = "/" if text.startswith("/") else ""
    bare = text.removeprefix("/")
    length = next((at for at, each in enumerate(bare) if not (each.isascii() and each.isalnum())), len(bare))
    return slash + bare[:length].lower() if bare[:1].isalpha() and bare[:1].isascii() else ""
