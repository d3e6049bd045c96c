"""Mastodon and the fediverse: notifications of our account, what we wrote ourselves, hashtags, and the stream."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from mastodon import Mastodon as Client
from mastodon.errors import MastodonError, MastodonNetworkError, MastodonNotFoundError, MastodonRatelimitError
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from listening.blocking import POLL_LIMIT, Blocking, bound
from listening.environment import secret
from listening.following import Put, with_beats
from listening.mastodon_statuses import Statuses, moment, part, text_at
from listening.mastodon_stream import streams
from listening.source import Batch, Follow, Source, SourceFailed
from listening.walk import Cursor, Fetch, Item, Page, decode, walk
from listening.words import hashtags, of_interest
from signals.listening import Brand, Mastodon
from signals.mention import Mention

_PAGE = 40
_TYPES = ["mention", "reblog", "quote"]
_CALL = 15.0
"""Seconds that a server may be silent."""
_RATE_LIMITED = 60.0
"""Seconds to wait where a rate limit does not say how long."""
_THREADS = 20
"""Conversations that are looked up for one batch."""
_KNOWN_THREADS = 5000
_REFUSED = frozenset({401, 403, 422})
"""snac answers 422 to a token that it does not know."""


def build(
    spec: Mastodon, brands: Sequence[Brand], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """Opens no connection. Without `stream`, and where the server has none, it is asked every `every`."""
    listener = _Listener(spec, of_interest(brands, spec.brand), environment, now)
    follow: Follow | None = listener.follow if spec.stream else None
    return Source(spec.name, spec.kind, spec.every, listener.poll, follow, listener.close)


class _Listener:
    def __init__(
        self, spec: Mastodon, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        self._spec = spec
        self._now = now
        self._token = partial(secret, environment, spec.token_from, f"the access token at {spec.server}")
        self._tags = hashtags(brands) if spec.hashtags else ()
        self._accounts = frozenset(each.lower().removeprefix("@") for brand in brands for each in brand.accounts)
        self._host = (urlsplit(spec.server).hostname or "").lower()
        self._blocking = Blocking(spec.server)
        self._client: Client | None = None
        self._session: requests.Session | None = None
        self._me: Any = None
        self._door: str | None = None
        """Where the streams are; empty where there are none, None while nobody has asked."""
        self._signing_in = asyncio.Lock()
        self._threads: OrderedDict[str, str] = OrderedDict()
        self._wait_until: datetime | None = None

    async def poll(self, cursor: str | None) -> Batch:
        """See `listening.source.Poll`. What could be read is handed over even when another list could not be."""
        try:
            async with asyncio.timeout(POLL_LIMIT):
                await self._ready()
                walked = await walk(self._lists(), decode(cursor), self._now())
                return Batch(await self._with_threads(walked.mentions), walked.cursor.encode(), walked.more)
        except TimeoutError:
            raise SourceFailed(f"{self._spec.server} took more than {POLL_LIMIT:.0f} s to answer.") from None

    def follow(self, cursor: str | None) -> AsyncGenerator[Batch, None]:
        """See `listening.source.Follow`: the streams of our account and the hashtags, and a poll every `every`."""
        every = self._spec.every.total_seconds()
        return with_beats(cursor, self._listen, self.poll, every, self._with_threads)

    async def close(self) -> None:
        session, self._session, self._client = self._session, None, None
        if session is not None:
            session.close()

    async def _listen(self, cursor: Cursor, put: Put) -> None:
        await self._ready()
        instance = await self._ask(_instance)
        base = text_at(instance, "configuration", "urls", "streaming") or text_at(instance, "urls", "streaming_api")
        if base:
            await streams(
                _same_door(base, self._spec.server), self._token(), self._tags, self._statuses, self._now, put
            )

    @property
    def _statuses(self) -> Statuses:
        ours = {*self._accounts, *(each for each in [self._my_address()] if each)}
        return Statuses(self._spec.name, self._host, frozenset(ours))

    def _my_address(self) -> str:
        return Statuses("", self._host, frozenset()).address(self._me)

    def _lists(self) -> dict[str, Fetch]:
        found: dict[str, Fetch] = {"notifications": self._notifications, "own": self._own}
        return found | {f"#{tag}": partial(self._hashtag, tag) for tag in self._tags}

    async def _notifications(self, token: str | None, floor: datetime) -> Page:
        listed = await self._ask(lambda client: client.notifications(types=_TYPES, limit=_PAGE, max_id=token))
        return self._page(listed, self._statuses.notification)

    async def _own(self, token: str | None, floor: datetime) -> Page:
        mine = text_at(self._me, "id")
        listed = await self._ask(
            lambda client: client.account_statuses(mine, exclude_reblogs=True, limit=_PAGE, max_id=token)
        )
        return self._page(listed, self._statuses.status)

    async def _hashtag(self, tag: str, token: str | None, floor: datetime) -> Page:
        listed = await self._ask(lambda client: client.timeline_hashtag(tag, limit=_PAGE, max_id=token))
        return self._page(listed, self._statuses.status)

    def _page(self, listed: Any, read: Callable[[object, datetime], Mention | None]) -> Page:
        if not isinstance(listed, list):
            raise SourceFailed(f"{self._spec.server} answered without a list.")
        now = self._now()
        few = listed[: 2 * _PAGE]
        items = tuple(
            Item(text_at(each, "id"), moment(part(each, "created_at")) or now, read(each, now)) for each in few
        )
        return Page(items, text_at(few[-1], "id") or None if few else None)

    async def _with_threads(self, mentions: Sequence[Mention]) -> tuple[Mention, ...]:
        """The mentions with the first post of their conversation; where nobody tells it, with the one they answer."""
        for mention in [each for each in mentions if each.reply_to and each.reply_to not in self._threads][:_THREADS]:
            if mention.reply_to in self._threads:
                continue
            try:
                context = await self._ask(partial(_context, mention.id))
            except SourceFailed:
                break  # a mention whose conversation is not known is better than none
            ancestors = part(context, "ancestors")
            first = text_at(ancestors[0], "id") if isinstance(ancestors, list) and ancestors else ""
            self._threads[mention.reply_to] = first or mention.reply_to
            if len(self._threads) > _KNOWN_THREADS:
                self._threads.popitem(last=False)
        return tuple(
            replace(each, thread=self._threads.get(each.reply_to, each.reply_to)) if each.reply_to else each
            for each in mentions
        )

    async def _ready(self) -> None:
        """There is a client, and it is known who we are. Asks nothing while the server wants us to wait."""
        if self._wait_until is not None and (rest := (self._wait_until - self._now()).total_seconds()) > 0:
            raise self._told_to_wait(rest)
        async with self._signing_in:
            if self._client is None:
                token = self._token()
                self._session = _session()
                self._client = Client(
                    access_token=token,
                    api_base_url=self._spec.server,
                    request_timeout=_CALL,
                    ratelimit_method="throw",
                    session=self._session,
                )
            if self._me is None:
                self._me = await self._ask(lambda client: client.me(), refusals=_REFUSED)

    async def _ask(self, question: Callable[[Client], Any], refusals: frozenset[int] = frozenset({401})) -> Any:
        client = self._client
        if client is None:
            raise SourceFailed(f"{self._spec.server} is not asked any more.")
        answer = await self._blocking.run(lambda: _answer(question, client))
        if isinstance(answer, MastodonError):
            raise await self._failure(client, answer, refusals) from answer
        return answer

    async def _failure(self, client: Client, failed: MastodonError, refusals: frozenset[int]) -> SourceFailed:
        server = self._spec.server
        if isinstance(failed, MastodonRatelimitError):
            reset: Any = client.ratelimit_reset
            rest = float(reset) - self._now().timestamp() if reset is not None else _RATE_LIMITED
            rest = max(1.0, min(rest, 3600.0))
            self._wait_until = self._now() + timedelta(seconds=rest)
            return self._told_to_wait(rest)
        if isinstance(failed, MastodonNetworkError):
            return SourceFailed(f"{server} cannot be reached.")
        status = failed.args[1] if len(failed.args) > 1 else None
        if status in refusals:
            self._me = None
            await self.close()  # the next poll reads the token again
            return SourceFailed(f"{server} refuses the token in {self._spec.token_from}: it answers {status}.")
        return SourceFailed(f"{server} cannot be read: {' '.join(str(each)[:200] for each in failed.args[:4])}")

    def _told_to_wait(self, seconds: float) -> SourceFailed:
        return SourceFailed(f"{self._spec.server} wants us to wait: its rate limit is used up.", seconds)


def _same_door(base: str, server: str) -> str:
    """Where the streams are; a server that names itself is reached as we reach it, whatever scheme it guesses."""
    named, known = urlsplit(base), urlsplit(server)
    same = named.hostname == known.hostname and named.port in {None, known.port}
    return server if same else base


def _session() -> requests.Session:
    session = requests.Session()
    # A server may close a connection in the moment in which it is used again; reading once more is harmless.
    once_more = Retry(1, connect=0, read=1, redirect=0, status=0, other=0, respect_retry_after_header=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=once_more))
    bound(session)
    return session


def _answer(question: Callable[[Client], Any], client: Client) -> Any:
    """What the client gives, or its error; in a thread."""
    try:
        return question(client)
    except MastodonError as failed:
        return failed


def _instance(client: Client) -> Any:
    """What the server says of itself; some that call themselves new enough know the old question alone."""
    try:
        return client.instance_v2()
    except MastodonNotFoundError:
        return client.instance_v1()


def _context(status_id: str, client: Client) -> Any:
    return client.status_context(status_id)
