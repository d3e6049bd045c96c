"""HTML that a stranger wrote as plain text: one pass over it, bounded, no parser that can be led astray. Pure."""

import html
import re

from listening.plain import plain

_LONGEST = 128 * 1024
"""Characters of HTML that are looked at."""
_BREAKS = {"br": "\n", "p": "\n\n", "li": "\n", "tr": "\n"}
_BREAKS |= dict.fromkeys(("div", "blockquote", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table"), "\n\n")
_KNOWN_TAGS = """
    a abbr address article aside audio b bdi bdo blockquote body br button caption center cite code col colgroup data dd
    del details dfn div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html
    i iframe img input ins kbd label legend li link main map mark math meta nav noscript object ol optgroup option p
    param picture pre q rb rp rt rtc ruby s samp script section select small source span strike strong style sub summary
    sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr
"""
_KNOWN = frozenset(_KNOWN_TAGS.split())
_SILENT = frozenset({"script", "style", "head", "title", "template"})
_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]{0,20})")
_ALT = re.compile(r"""\balt=(?:"([^"]{1,200})"|'([^']{1,200})')""", re.IGNORECASE)
_EMPTY_LINES = re.compile(r"\n{3,}")


def text_of(markup: str) -> str:
    """The text of HTML as a person reads it: paragraphs a blank line apart, links by their words, pictures by theirs.

    What is no tag stays as it stands. At most 64 K characters come back, of the first 128 K.
    """
    cut = markup[:_LONGEST]
    if "<" not in cut:
        return plain(_tidy(_unescaped(cut)))
    pieces: list[str] = []
    at = 0
    while at < len(cut):
        start = cut.find("<", at)
        if start < 0:
            pieces.append(_unescaped(cut[at:]))
            break
        pieces.append(_unescaped(cut[at:start]))
        at = _after_tag(cut, start, pieces)
    return plain(_tidy("".join(pieces)))


def _after_tag(markup: str, start: int, pieces: list[str]) -> int:
    """Where the text goes on after what begins with the < at `start`; its own words go to `pieces`."""
    if markup.startswith("<!--", start):
        end = markup.find("-->", start)
        return end + 3 if end >= 0 else len(markup)
    named = _NAME.match(markup, start + 1)
    if named is not None and named.group(1).lower() not in _KNOWN:
        named = None  # `it is <down>`: a person's brackets, which some servers leave as they are
    if named is None and not markup.startswith(("<!", "<?"), start):
        pieces.append("<")
        return start + 1
    end = markup.find(">", start)
    if end < 0:
        return len(markup)  # a tag that never ends: nothing after it was meant to be read
    if named is None:
        return end + 1
    name = named.group(1).lower()
    if name in _SILENT and markup[start + 1] != "/":
        closing = markup.find(f"</{name}", end)
        return closing if closing >= 0 else len(markup)
    pieces.append(_BREAKS.get(name, ""))
    if name == "img" and (alt := _ALT.search(markup, start, end)):
        pieces.append(_unescaped(alt.group(1) or alt.group(2)))
    return end + 1


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text) if "&" in text else text
    except ValueError:  # a number of thousands of digits
        return text


def _tidy(text: str) -> str:
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip()
