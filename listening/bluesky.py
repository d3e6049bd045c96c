"""Bluesky: notifications of our account, what we wrote ourselves, a search for the brands' words, and the firehose."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from listening.bluesky_account import Account
from listening.bluesky_firehose import PassedOn, Reader, firehose
from listening.bluesky_posts import Posts, author_of, moment, part, text_at
from listening.environment import secret
from listening.following import Put, with_beats
from listening.source import Batch, Follow, Source, SourceFailed
from listening.walk import Cursor, Fetch, Item, Page, decode, walk
from listening.words import of_interest, quick_look, search_words
from signals.listening import Bluesky, Brand
from signals.mention import Mention

_PAGE = 100
_REASONS = ("mention", "reply", "quote", "repost")
_LONGEST_POLL = 50.0
"""Seconds."""


def build(
    spec: Bluesky, brands: Sequence[Brand], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """Opens no connection. Keep the source: a session is made once and refreshed (Bluesky allows 300 a day)."""
    listener = _Listener(spec, of_interest(brands, spec.brand), environment, now)
    follow: Follow | None = listener.follow if spec.firehose else None
    return Source(spec.name, spec.kind, spec.every, listener.poll, follow, listener.close)


class _Listener:
    def __init__(
        self, spec: Bluesky, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        self._spec = spec
        self._now = now
        self._words = search_words(brands) if spec.search else ()
        self._names_us = quick_look(brands)
        self._passed_on = PassedOn()
        accounts = tuple(account for brand in brands for account in brand.accounts)
        password = partial(secret, environment, spec.password_from, f"the app password of {spec.handle}")
        self._account = Account(spec.service, spec.handle, password, accounts, now)

    async def poll(self, cursor: str | None) -> Batch:
        """See `listening.source.Poll`. What could be read is handed over even when another list could not be."""
        try:
            async with asyncio.timeout(_LONGEST_POLL):
                return await self._poll(decode(cursor))
        except TimeoutError:
            raise SourceFailed(f"{self._spec.service} took more than {_LONGEST_POLL:.0f} s to answer.") from None

    async def _poll(self, cursor: Cursor) -> Batch:
        await self._account.ready()
        walked = await walk(self._lists(), cursor, self._now())
        mentions = await self._account.with_reach(walked.mentions)
        for mention in mentions:
            self._passed_on.remember(mention)
        return Batch(mentions, walked.cursor.encode(), walked.more)

    def _lists(self) -> dict[str, Fetch]:
        found: dict[str, Fetch] = {}
        if self._account.did:
            found["notifications"] = self._notifications
            found["own"] = self._own_posts
        for word in self._words:
            found[f"search:{word}"] = partial(self._search, word)
        return found

    @property
    def _posts(self) -> Posts:
        return Posts(self._spec.name, self._account.ours)

    async def _notifications(self, token: str | None, floor: datetime) -> Page:
        asked = {"limit": _PAGE, "reasons": list(_REASONS), "cursor": token}
        answer = await self._account.ask("app.bsky.notification.listNotifications", asked)
        return _page(answer, "notifications", self._notification)

    def _notification(self, view: object) -> Item | None:
        uri, reason, at = text_at(view, "uri"), text_at(view, "reason"), moment(part(view, "indexedAt"))
        if not uri or at is None:
            return None
        author, record = author_of(part(view, "author")), part(view, "record")
        mention: Mention | None = None
        if reason == "repost":
            mention = self._posts.repost(uri, record, author, at)
        elif reason in _REASONS:
            mention = self._posts.post(uri, record, author, at)
            mention = replace(mention, to_us=not mention.by_us)
        return Item(uri, at, mention)

    async def _own_posts(self, token: str | None, floor: datetime) -> Page:
        asked = {"actor": self._account.did, "limit": _PAGE, "filter": "posts_with_replies", "cursor": token}
        answer = await self._account.ask("app.bsky.feed.getAuthorFeed", asked)
        return _page(answer, "feed", lambda view: self._post_view(part(view, "post"), part(view, "reason")))

    async def _search(self, word: str, token: str | None, floor: datetime) -> Page:
        asked = {
            "q": word if " " not in word else '"' + word.replace('"', " ") + '"',
            "sort": "latest",
            "limit": _PAGE,
            "since": floor.isoformat().replace("+00:00", "Z"),
            "cursor": token,
        }
        return _page(await self._account.ask("app.bsky.feed.searchPosts", asked), "posts", self._post_view)

    def _post_view(self, view: object, passed_on: object = None) -> Item | None:
        uri, record, indexed = text_at(view, "uri"), part(view, "record"), moment(part(view, "indexedAt"))
        if not uri or indexed is None:
            return None
        if passed_on:  # our own repost of somebody, or a pinned post: sorted by another moment, and none of our words
            return Item(uri, moment(part(passed_on, "indexedAt")) or indexed, None)
        mention = self._posts.post(uri, record, author_of(part(view, "author")), indexed)
        return Item(uri, mention.at, mention)

    def follow(self, cursor: str | None) -> AsyncGenerator[Batch, None]:
        """See `listening.source.Follow`: the firehose, and beside it a poll every `every`."""
        return with_beats(cursor, self._listen, self.poll, self._spec.every.total_seconds(), self._account.with_reach)

    async def _listen(self, cursor: Cursor, put: Put) -> None:
        await self._account.ready()
        seq = cursor.more.get("seq")
        reader = Reader(self._posts, self._names_us, self._passed_on)
        await firehose(self._spec.firehose or "", seq if isinstance(seq, int) else None, reader, put)

    async def close(self) -> None:
        await self._account.close()


def _page(answer: Any, field: str, read: Callable[[object], Item | None]) -> Page:
    listed = part(answer, field)
    if not isinstance(listed, list):
        raise SourceFailed(f"Bluesky answered without {field}.")
    items = tuple(item for each in listed[: 2 * _PAGE] if (item := read(each)) is not None)
    token = text_at(answer, "cursor")
    return Page(items, token or None)
