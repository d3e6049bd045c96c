"""RSS, Atom and JSON feeds: press, app stores, review sites. Polite, bounded, and read in a process of their own.

Feeds have no memory: the cursor remembers which entries were there. An entry is known by its id; when its words, author
and time were there before under another id, it is known too (some feeds make new ids every time).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from listening import apart, cursors
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Feed, SourceSpec
from signals.mention import Mention

TIME_LIMIT = 20.0
"""Seconds for all of the download, redirects included."""
SIZE_LIMIT = 5 * 1024 * 1024
"""Bytes, unpacked."""
READ_LIMIT = 30.0
"""Seconds in which a feed must be read."""
AT_ONCE = 300
"""Mentions of one poll."""
BACK = timedelta(minutes=5)
"""How far the first poll looks back."""
_MEMORY_LIMIT = 1024**3
_MOST_REDIRECTS = 5
_REMEMBERED = 3000
"""Entries that the cursor remembers at most; those that are in the feed now come first."""
_LONGEST_WAIT = 3600.0
_CHUNK = 64 * 1024
_READER = """
from listening.feed_entries import answer
sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
"""


def build(
    spec: SourceSpec, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """A source that reads one feed."""
    if not isinstance(spec, Feed):
        raise TypeError(spec.kind)

    async def poll(cursor: str | None) -> Batch:
        return await _poll(spec, _Past.decode(cursor, spec.url), now())

    return Source(spec.name, spec.kind, spec.every, poll)


@dataclass(frozen=True, slots=True)
class _Past:
    """What was there: the server's marks, a digest of the whole, and the entries by digests of id and of words."""

    url: str
    etag: str = ""
    modified: str = ""
    whole: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)
    """By the digest of its id: that of its words, author and time; the latest last."""
    first: bool = True

    @property
    def headers(self) -> dict[str, str]:
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}

    def encode(self) -> str:
        entries = "".join(f"{name}{words}" for name, words in self.entries.items())
        written = {"etag": self.etag, "modified": self.modified, "whole": self.whole, "entries": entries}
        return cursors.encode(self.url, written)

    @classmethod
    def decode(cls, cursor: str | None, url: str) -> "_Past":
        read = cursors.decode(cursor, url)
        if read is None:
            return cls(url)
        text, size = str(read["entries"]), 2 * _DIGITS
        entries = {text[at : at + _DIGITS]: text[at + _DIGITS : at + size] for at in range(0, len(text), size)}
        return cls(url, str(read["etag"]), str(read["modified"]), str(read["whole"]), entries, first=False)


_DIGITS = 12


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:_DIGITS]


async def _poll(spec: Feed, past: _Past, now: datetime) -> Batch:
    got = await _fetch(spec.url, past.headers, now)
    if got is None:
        return Batch(cursor=past.encode())
    content, charset, etag, modified = got
    whole = hashlib.sha256(content).hexdigest()[:16]
    marked = replace(past, etag=etag, modified=modified, whole=whole, first=False)
    if past.whole == whole:
        return Batch(cursor=marked.encode())
    entries = await _read(content, charset, reviews=spec.reviews)
    return _batch(spec, entries, past, marked, now)


def _batch(spec: Feed, entries: Sequence[Mapping[str, Any]], past: _Past, marked: _Past, now: datetime) -> Batch:
    """What was not there before, the oldest first; the rest of a long feed comes with the next poll."""
    names = _names(entries)
    known_words = set(past.entries.values())
    kept = dict(past.entries)
    new: dict[str, Mention] = {}
    more = False
    for name, entry in reversed(list(zip(names, entries, strict=True))):
        short, words = _digest(name), _words(entry)
        is_new = short not in past.entries and words not in known_words and short not in new
        if is_new and len(new) >= AT_ONCE:
            more = True
            continue
        kept.pop(short, None)
        kept[short] = words
        mention = _mention(spec, name, entry, now)
        if is_new and (not past.first or (entry["at"] is not None and mention.at >= now - BACK)):
            new[short] = mention
            known_words.add(words)
    for short in list(kept)[: max(len(kept) - _REMEMBERED, 0)]:
        del kept[short]
    ordered = tuple(sorted(new.values(), key=lambda each: each.at))
    # Asked again at once, a server that is told our marks would say that nothing has changed.
    marked = replace(marked, etag="", modified="", whole="") if more else marked
    return Batch(ordered, replace(marked, entries=kept).encode(), more)


def _names(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each entry is called: by its id, or its link, where no other entry of the feed has the same; else by what
    it says."""
    for_ids = [each["id"] or "" for each in entries]
    for_links = [each["link"] or "" for each in entries]
    counts = _counted(for_ids), _counted(for_links)
    found = []
    for own_id, link, entry in zip(for_ids, for_links, entries, strict=True):
        if own_id and counts[0][own_id] == 1:
            found.append(own_id)
        elif link and counts[1][link] == 1:
            found.append(link)
        else:
            found.append(f"sha256:{_words(entry)}")
    return found


def _counted(values: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in values:
        counts[each] = counts.get(each, 0) + 1
    return counts


def _words(entry: Mapping[str, Any]) -> str:
    return _digest(entry["title"], entry["text"], entry["author_id"], entry["at"] or "")


def _mention(spec: Feed, name: str, entry: Mapping[str, Any], now: datetime) -> Mention:
    """An entry without a time is as old as our look at it; its stars make a review."""
    at = now if entry["at"] is None else _moment(entry["at"], now)
    return Mention(
        source=spec.name,
        id=name,
        at=at,
        text=entry["text"] or entry["title"],
        author=entry["author_id"],
        author_name=entry["author"],
        link=entry["link"],
        language=entry["language"],
        to_us=spec.reviews,
        title=entry["title"],
        stars=entry["stars"],
    )


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return otherwise


async def _fetch(url: str, marks: Mapping[str, str], now: datetime) -> tuple[bytes, str | None, str, str] | None:
    """The feed, its charset by the server's word, and the server's marks; None when it is as it was."""
    headers = {"User-Agent": "Tocsin", "Accept": "application/rss+xml, application/atom+xml, */*;q=0.5", **marks}
    timeout = aiohttp.ClientTimeout(total=TIME_LIMIT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, max_line_size=16_384) as session,
            session.get(url, headers=headers, max_redirects=_MOST_REDIRECTS) as response,
        ):
            if response.status == 304 and marks:
                return None
            if response.status != 200:
                raise SourceFailed(f"The feed's server answered {response.status}.", _retry_after(response, now))
            body = bytearray()
            async for part in response.content.iter_chunked(_CHUNK):
                body += part
                if len(body) > SIZE_LIMIT:
                    raise SourceFailed(f"The feed is larger than {SIZE_LIMIT // 1024**2} MB.")
            etag, modified = response.headers.get("ETag", "")[:500], response.headers.get("Last-Modified", "")[:100]
            return bytes(body), response.charset, etag, modified
    except TimeoutError as error:
        raise SourceFailed(f"The feed did not come within {TIME_LIMIT:.0f} s.") from error
    except aiohttp.NonHttpUrlClientError as error:
        raise SourceFailed("The feed has moved to an address that is neither http nor https.") from error
    except aiohttp.TooManyRedirects as error:
        raise SourceFailed("The feed has moved, again and again.") from error
    except aiohttp.ClientPayloadError as error:
        raise SourceFailed("The feed broke off in the middle.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # By its kind alone: its words may hold the address, and that may be a secret.
        raise SourceFailed(f"The feed cannot be reached ({type(error).__name__}).") from error


def _retry_after(response: aiohttp.ClientResponse, now: datetime) -> float | None:
    """Seconds that the server asks us to wait (RFC 9110, 10.2.3)."""
    said = response.headers.get("Retry-After", "").strip()[:60]
    try:
        seconds = float(said) if said.isdecimal() else (parsedate_to_datetime(said) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 1.0), _LONGEST_WAIT)


async def _read(content: bytes, charset: str | None, *, reviews: bool) -> list[dict[str, Any]]:
    """The entries."""
    question = orjson.dumps({"charset": charset, "reviews": reviews}) + b"\n" + content
    found = orjson.loads(await answered_apart(question))
    if "failed" in found:
        raise SourceFailed(found["failed"])
    entries: list[dict[str, Any]] = found["entries"]
    return entries


async def answered_apart(question: bytes) -> bytes:
    """What listening.feed_entries.answer says, in a process of its own. Cancelling it ends that process."""
    try:
        return await apart.answer(_READER, question, seconds=READ_LIMIT, memory=_MEMORY_LIMIT)
    except apart.NotRead as error:
        raise SourceFailed(f"The feed {error}") from error
