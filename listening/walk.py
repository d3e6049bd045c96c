"""Going back from the newest to what was read before: what the networks that list the newest first have in common.

A place says how far one list has been read. Posts are indexed late and in no strict order, so every walk goes a little
further back than the last one (OVERLAP); what the cursor has already is left out by a short digest of its id.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2s
from typing import Any

from listening.source import SourceFailed
from signals.mention import Mention

OVERLAP = timedelta(minutes=10)
"""How late a post may appear in a list, by the time that the list is sorted by, and still be heard by the next poll;
so far back starts a poll without a cursor, too."""
ROOM = 300
"""Mentions of one poll after which it ends with `more`."""
PAGES = 10
"""Pages of one list in one poll."""
REMEMBERED = 1000
"""Ids that a cursor remembers; one that was forgotten is handed over again, and kept once."""


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    at: datetime
    """What its list is sorted by, the newest first."""
    mention: Mention | None
    """None where there is nothing in it for us."""


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[Item, ...]
    next: str | None
    """What to ask for the page after this one; None at the end."""


Fetch = Callable[[str | None, datetime], Awaitable[Page]]
"""Gives the page that begins at a token (None: the newest). Nobody needs what is older than the moment."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far one list has been read: everything up to `since`; with a `page`, a walk down from `top` goes on there."""

    since: datetime
    page: str | None = None
    top: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was read, of every list, and the ids that the next walks will meet again."""

    places: dict[str, Place] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    turn: int = 0
    """The list that is asked first, so that none waits for ever behind a busy one."""
    more: dict[str, Any] = field(default_factory=dict)
    """What one network needs besides."""

    def encode(self) -> str:
        places = {name: _place_as_json(place) for name, place in self.places.items()}
        written = {"v": 1, "places": places, "seen": "".join(self.seen), "turn": self.turn, **self.more}
        return json.dumps(written, separators=(",", ":"))


def decode(text: str | None) -> Cursor:
    """The cursor as `encode` wrote it. Anything else, such as one of another kind of source, starts over."""
    if text is None:
        return Cursor()
    try:
        written = json.loads(text)
        places = {str(name): _place_of(each) for name, each in written.pop("places").items()}
        digests = str(written.pop("seen"))
        seen = tuple(digests[at : at + _DIGITS] for at in range(0, len(digests), _DIGITS))
        return Cursor(places, seen, int(written.pop("turn")), {k: v for k, v in written.items() if k != "v"})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Cursor()


def _place_as_json(place: Place) -> list[str | None]:
    return [place.since.isoformat(), place.page, place.top.isoformat() if place.top else None]


def _place_of(written: list[str | None]) -> Place:
    since, page, top = written
    return Place(_moment(since), page, _moment(top) if top is not None else None)


def _moment(text: str | None) -> datetime:
    found = datetime.fromisoformat(text or "")
    if found.tzinfo is None:
        raise ValueError(text)
    return found


_DIGITS = 8


def digest(mention_id: str) -> str:
    """48 bits: with 1000 remembered ids one new id in 10^11 is taken for known."""
    short = blake2s(mention_id.encode("utf-8", "surrogatepass"), digest_size=6)
    return urlsafe_b64encode(short.digest()).decode()


@dataclass(slots=True)
class Gathered:
    """What one poll has found so far, each mention once."""

    seen: set[str]
    order: list[str]
    mentions: list[Mention] = field(default_factory=list)

    @classmethod
    def after(cls, cursor: Cursor) -> "Gathered":
        return cls(set(cursor.seen), list(cursor.seen))

    @property
    def is_full(self) -> bool:
        return len(self.mentions) >= ROOM

    def knows(self, mention_id: str) -> bool:
        return digest(mention_id) in self.seen

    def add(self, mention: Mention) -> bool:
        """Whether it is new."""
        short = digest(mention.id)
        if short in self.seen:
            return False
        self.seen.add(short)
        self.order.append(short)
        self.mentions.append(mention)
        return True

    def oldest_first(self) -> tuple[Mention, ...]:
        return tuple(sorted(self.mentions, key=lambda each: each.at))

    def remembered(self) -> tuple[str, ...]:
        return tuple(self.order[-REMEMBERED:])


async def go_back(known: Place | None, fetch: Fetch, gathered: Gathered, now: datetime) -> Place:
    """Read one list from its newest item, or from where the last walk had to stop, down to what is known.

    Adds what is new to `gathered`. The place that comes back has a `page` when there is more of this walk to do.
    """
    place = known or Place(now - OVERLAP)
    floor = place.since - OVERLAP if known else place.since
    top, token = place.top or place.since, place.page
    for _ in range(PAGES):
        page = await fetch(token, floor)
        if token is None:
            # A moment in the future is somebody's wrong clock: it must not make us skip what comes until then.
            top = max([top, *(min(each.at, now) for each in page.items)])
        added = [gathered.add(each.mention) for each in page.items if each.mention is not None and each.at >= floor]
        if page.next is None or page.next == token or _is_known(page, place.since, floor, any(added)):
            return Place(top)
        token = page.next
        if gathered.is_full:
            break
    return replace(place, page=token, top=top)


def _is_known(page: Page, since: datetime, floor: datetime, has_news: bool) -> bool:
    """Whether what follows this page was read by an earlier walk."""
    old = sum(each.at < floor for each in page.items)
    if page.items and old * 2 >= len(page.items):
        return True
    return not has_news and bool(page.items) and all(each.at <= since for each in page.items)


@dataclass(frozen=True, slots=True)
class Walked:
    """What one poll over several lists brought."""

    mentions: tuple[Mention, ...]
    cursor: Cursor
    more: bool


async def walk(lists: Mapping[str, Fetch], cursor: Cursor, now: datetime) -> Walked:
    """Every list read as far as there is room, the one whose turn it is first.

    What was read is handed over even where another list could not be, so that one list that fails silences no other;
    its place stays. Raises SourceFailed when nothing new was read and a list failed.
    """
    names = list(lists)
    gathered, places, turn = Gathered.after(cursor), dict(cursor.places), cursor.turn % max(1, len(names))
    failure: SourceFailed | None = None
    for name in names[turn:] + names[:turn]:
        if gathered.is_full:
            turn = names.index(name)
            break
        try:
            places[name] = await go_back(places.get(name), lists[name], gathered, now)
        except SourceFailed as failed:
            failure = failure or failed
            if failed.retry_after is not None:
                break  # asked to wait: the other lists wait, too
    if failure is not None and not gathered.mentions:
        raise failure
    kept = {name: places[name] for name in names if name in places}
    after = replace(cursor, places=kept, seen=gathered.remembered(), turn=turn)
    unread = gathered.is_full or any(place.page for place in kept.values())
    return Walked(gathered.oldest_first(), after, unread and failure is None)
