"""The entries of an RSS, Atom or JSON feed, from its bytes. It is read in a process of its own (listening/feed.py).

A feed is written by others. Entities are refused before anybody resolves them, encodings are what the bytes are and
not only what the server says, and what an entry lacks is empty.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import fastfeedparser  # type: ignore[import-untyped]
import orjson
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from listening.html_text import text_of
from listening.texts import body as plain_body
from listening.texts import line

MOST_ENTRIES = 1000
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
)
_ENCODINGS = ("utf-8", "utf-16", "ascii", "iso8859", "cp", "mac-", "koi8", "shift_jis", "euc_", "gb", "big5")
"""Python knows others by name (punycode) that take hours for 5 MB."""
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,500}\?>")
_ENTITY = "<!entity"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_NOT_XML = {code: None for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)}


class FeedInvalid(ValueError):
    """A sentence that says why there is nothing to read."""


def entries(content: bytes, charset: str | None, *, reviews: bool) -> list[dict[str, Any]]:
    """Each entry in the feed's order: id, link, title, text, author, author_id, at (ISO, UTC), language and stars.

    What is not there is empty or None. Raises FeedInvalid, or whatever the library that reads it raises.
    """
    text = decoded(content, charset)
    if text.lstrip()[:1] == "{":
        found, extras, language = _json_feed(text), list[_Extra](), ""
    else:
        xml = _DECLARATION.sub("", text.translate(_NOT_XML), count=1).lstrip().encode("utf-8", "replace")
        extras, language = _extras(xml)
        found = fastfeedparser.parse(xml, include_tags=False, include_media=False, include_enclosures=False)
    given = found.get("entries", [])[:MOST_ENTRIES]
    feed = found.get("feed", {})
    feed["language"] = feed.get("language") or language
    if len(extras) != len(given):
        extras = [_Extra()] * len(given)
    pairs = zip(given, extras, strict=True)
    return [_entry(each, extra, feed, reviews=reviews) for each, extra in pairs if not (reviews and extra.is_app)]


def decoded(content: bytes, charset: str | None) -> str:
    """The feed as text. Whatever is UTF-8 is read as UTF-8: a server that says something else is mistaken."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    declared = _DECLARED.match(content[:1024])
    for name in ("utf-8", charset, declared[1].decode() if declared else None, "cp1252"):
        try:
            known = codecs.lookup(name or "").name
            if known.startswith(_ENCODINGS):
                return content.decode(known)
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")


def _json_feed(text: str) -> dict[str, Any]:
    """A JSON Feed with nothing in it but what it may hold: one strange item does not make the others unreadable."""
    try:
        read = orjson.loads(text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        raise FeedInvalid(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    items = read.get("items")
    if not isinstance(items, list):
        raise FeedInvalid("it is JSON and no JSON Feed: there are no items")
    names = ("id", "url", "title", "content_html", "content_text", "summary", "date_published", "date_modified")
    clean = [
        {name: str(item[name]) for name in names if isinstance(item.get(name), str | int)} | _authors(item)
        for item in items[:MOST_ENTRIES]
        if isinstance(item, dict)
    ]
    whole = {"version": "https://jsonfeed.org/version/1.1", "items": clean}
    whole |= {name: read[name] for name in ("title", "language") if isinstance(read.get(name), str)}
    found: dict[str, Any] = fastfeedparser.parse(orjson.dumps(whole))
    return found


def _authors(item: dict[str, Any]) -> dict[str, Any]:
    given = item.get("authors") if isinstance(item.get("authors"), list) else [item.get("author")]
    named = [
        {"name": each["name"]} for each in given or () if isinstance(each, dict) and isinstance(each.get("name"), str)
    ]
    return {"authors": named[:1]} if named else {}


class _Extra:
    """What the library leaves out: stars, the author's address, and whether the entry is the app and no review."""

    def __init__(self, item: Element | None = None) -> None:
        self.stars: int | None = None
        self.author_id = ""
        self.is_app = False
        for each in () if item is None else item.iter():
            name = _local(each)
            if name == "rating":
                self.stars = self.stars or _stars(each.text)
            elif name == "starrating":
                self.stars = self.stars or _stars(each.get("average"))
            elif name == "uri" and not self.author_id:
                self.author_id = line(each.text or "")
            elif name == "artist":
                self.is_app = True


def _extras(xml: bytes) -> tuple[list[_Extra], str]:
    """Of each entry, and the language of the feed. Refuses entities.

    A feed that is no well-formed XML is left to the library, which mends some, without extras.
    """
    try:
        root = fromstring(xml, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise FeedInvalid("it defines entities, which nobody reads") from error
    except ParseError as error:
        if _ENTITY.encode() in xml.lower():
            raise FeedInvalid("it defines entities, which nobody reads") from error
        return [], ""
    language = next((each.text or "" for part in root for each in part if _local(each) == "language"), "")
    return [_Extra(each) for each in _items(root)], language.strip()


def _items(root: Element) -> Iterator[Element]:
    for number, each in enumerate(each for each in root.iter() if _local(each) in ("item", "entry")):
        if number == MOST_ENTRIES:
            return
        yield each


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _stars(text: str | None) -> int | None:
    try:
        found = round(float((text or "")[:20]))
    except (ValueError, OverflowError):
        return None
    return found if 1 <= found <= 5 else None


def _drawn_stars(text: str) -> int | None:
    """`★★☆☆☆ Never again`: some feeds draw them."""
    bare = text.lstrip()
    count = len(bare) - len(bare.lstrip("★"))
    return count if 1 <= count <= 5 else None


def _entry(entry: dict[str, Any], extra: _Extra, feed: dict[str, Any], *, reviews: bool) -> dict[str, Any]:
    contents = [each.get("value") for each in entry.get("content") or () if isinstance(each, dict)]
    markup = next((each for each in (*contents, entry.get("description")) if isinstance(each, str) and each), "")
    title = line(text_of(_word(entry.get("title"))))
    author = line(_word(entry.get("author")))
    language = _word(feed.get("language"))
    text = plain_body(text_of(markup))
    return {
        "id": line(_word(entry.get("id"))),
        "link": line(_word(entry.get("link")), 2000),
        "title": title,
        "text": text,
        "author": author or ("" if reviews else line(_word(feed.get("title")))),
        "author_id": extra.author_id or author,
        "at": _word(entry.get("published")) or _word(entry.get("updated")) or None,
        "language": language if not reviews and _LANGUAGE.fullmatch(language) else None,
        "stars": (extra.stars or _drawn_stars(title) or _drawn_stars(text)) if reviews else None,
    }


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def answer(question: bytes) -> bytes:
    """What a line of JSON with the options, followed by the feed, is answered: JSON with `entries`, or `failed`."""
    options, _, content = question.partition(b"\n")
    try:
        found: dict[str, Any] = {"entries": entries(content, **orjson.loads(options))}
    except FeedInvalid as error:
        found = {"failed": f"The feed cannot be read: {error}."}
    except Exception as error:  # noqa: BLE001 - it was made by others, perhaps to break the library that reads it
        found = {"failed": f"The feed cannot be read ({type(error).__name__})."}
    return orjson.dumps(found)
