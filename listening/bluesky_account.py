"""Our account at Bluesky: its session, what it may ask, and who the others are."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
from atproto import AsyncClient, AsyncRequest  # type: ignore[import-untyped]
from atproto_client.exceptions import (  # type: ignore[import-untyped]
    RateLimitExceededError,
    RequestErrorBase,
    UnauthorizedError,
)
from atproto_client.models.dot_dict import DotDict  # type: ignore[import-untyped]
from atproto_core.exceptions import AtProtocolError  # type: ignore[import-untyped]

from listening.bluesky_posts import Author, author_of, part, text_at
from listening.source import SourceFailed
from signals.mention import Mention

_CALL = 15.0
"""Seconds for one request."""
_REFUSED = 600.0
"""Seconds after which a refused password is tried again: a network locks out who tries too often."""
_RATE_LIMITED = 60.0
"""Seconds to wait where a rate limit does not say how long."""
_PROFILES = 25
"""The most that Bluesky gives at once."""
_PROFILE_CALLS = 8
_KNOWN = 5000
_FRESH = timedelta(hours=6)
_ACCOUNTS = 20

_sessions: dict[tuple[str, str, str], str] = {}
"""The sessions of this process by service, handle and password: sources are built anew with every plan and every run of
a flow, and Bluesky allows 300 sign-ins a day."""


class Account:
    """One session, made when it is first needed and refreshed by itself; without a handle, nobody's."""

    def __init__(
        self,
        service: str,
        handle: str | None,
        password: Callable[[], str],
        accounts: Iterable[str],
        now: Callable[[], datetime],
    ) -> None:
        self._service = service
        self._handle = handle
        self._password = password
        self._now = now
        self._client: Any = None
        self._signing_in = asyncio.Lock()
        self._refused: tuple[str, datetime] | None = None
        self._wait_until: datetime | None = None
        self._accounts: dict[str, str | None] = dict.fromkeys(_handles(accounts))
        self._profiles: OrderedDict[str, tuple[Author, datetime]] = OrderedDict()
        self._no_profiles_until: datetime | None = None
        self._is_new_session_wanted = False
        self.did = ""

    @property
    def ours(self) -> frozenset[str]:
        """The dids of our own accounts, as far as they are known."""
        return frozenset(did for did in (self.did, *self._accounts.values()) if did)

    async def ready(self) -> Any:
        """The client, signed in. Raises SourceFailed, without asking while the network wants us to wait."""
        now = self._now()
        if self._wait_until is not None and now < self._wait_until:
            raise self._told_to_wait((self._wait_until - now).total_seconds())
        async with self._signing_in:
            if self._client is None:
                self._client = await self._sign_in()
                await self._find_accounts(self._client)
            return self._client

    async def ask(self, method: str, asked: Mapping[str, Any]) -> Any:
        """The answer of a query. A session that is over is made anew once. Raises SourceFailed."""
        params = DotDict({name: value for name, value in asked.items() if value is not None})
        for last in (False, True):
            client = await self.ready()
            try:
                answer = await client.invoke_query(method, params=params)
                return answer.content
            except _FAILURES as failed:
                if last or not (self._handle and _is_session_over(failed)):
                    raise self._failure(failed, method) from failed
                await self._forget_session(client)
        raise AssertionError("the second try returns or raises")

    async def with_reach(self, mentions: Sequence[Mention]) -> tuple[Mention, ...]:
        """The mentions with the followers, handle and verification of who wrote them, as far as they can be had."""
        wanted = [each.author for each in mentions if each.reach is None and each.author]
        unknown = [did for did in dict.fromkeys(wanted) if not self._is_fresh(did)]
        for at in range(0, min(len(unknown), _PROFILES * _PROFILE_CALLS), _PROFILES):
            if not await self._learn(unknown[at : at + _PROFILES]):
                break
        return tuple(self._told(each) for each in mentions)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.request.close()

    async def _sign_in(self) -> Any:
        client = AsyncClient(self._service, request=AsyncRequest(timeout=_CALL))
        try:
            if self._handle:
                password = self._password()
                self._stop_if_refused(password)
                await self._sign_in_as(client, (self._service, self._handle, password))
                self._refused = None
        except UnauthorizedError as refused:
            await client.request.close()
            self._refused = (password, self._now() + timedelta(seconds=_REFUSED))
            raise SourceFailed(self._refusal(), _REFUSED) from refused
        except _FAILURES as failed:
            await client.request.close()
            raise self._failure(failed, "signing in") from failed
        except SourceFailed:
            await client.request.close()
            raise
        return client

    async def _sign_in_as(self, client: Any, key: tuple[str, str, str]) -> None:
        """With the session of an earlier source if there is one, else with the password."""
        client.on_session_change(lambda event, session: _sessions.update({key: session.export()}))
        known = _sessions.pop(key, None)
        if known is not None and not self._is_new_session_wanted:
            await client.login(session_string=known, fetch_bsky_profile=False)
        else:
            await client.login(key[1], key[2], fetch_bsky_profile=False)
        self._is_new_session_wanted = False
        self.did = client._session.did

    def _stop_if_refused(self, password: str) -> None:
        if self._refused is not None and self._refused[0] == password and self._now() < self._refused[1]:
            raise SourceFailed(self._refusal(), (self._refused[1] - self._now()).total_seconds())

    def _refusal(self) -> str:
        return f"{self._service} refuses the password of {self._handle}: it wants an app password of this account."

    async def _forget_session(self, client: Any) -> None:
        async with self._signing_in:
            if self._client is client:
                self._client = None
                self._is_new_session_wanted = True
                await client.request.close()

    async def _find_accounts(self, client: Any) -> None:
        for handle, did in self._accounts.items():
            if did is None:
                try:
                    found = await client.invoke_query(
                        "com.atproto.identity.resolveHandle",
                        params=DotDict({"handle": handle}),
                    )
                    self._accounts[handle] = text_at(found.content, "did")
                except _FAILURES:
                    continue  # somebody else's network, or out of reach: asked again with the next session

    def _failure(self, failed: Exception, what: str) -> SourceFailed:
        if isinstance(failed, RateLimitExceededError):
            seconds = failed.retry_after
            if seconds is None and failed.reset_at is not None:
                seconds = (failed.reset_at - self._now()).total_seconds()
            seconds = max(1.0, min(seconds if seconds is not None else _RATE_LIMITED, 3600.0))
            self._wait_until = self._now() + timedelta(seconds=seconds)
            return self._told_to_wait(seconds)
        if isinstance(failed, RequestErrorBase) and failed.response is not None:
            return SourceFailed(f"{self._service} refuses {what}: {failed}")
        return SourceFailed(f"{self._service} cannot be reached: {failed.__cause__ or failed!r}")

    def _told_to_wait(self, seconds: float) -> SourceFailed:
        return SourceFailed(f"{self._service} wants us to wait: its rate limit is used up.", seconds)

    def _is_fresh(self, did: str) -> bool:
        known = self._profiles.get(did)
        return known is not None and self._now() - known[1] < _FRESH

    async def _learn(self, dids: Sequence[str]) -> bool:
        now = self._now()
        if self._no_profiles_until is not None and now < self._no_profiles_until:
            return False
        try:
            answer = await self.ask("app.bsky.actor.getProfiles", {"actors": list(dids)})
        except SourceFailed:
            self._no_profiles_until = now + timedelta(minutes=5)
            return False  # a mention without its reach is better than none
        profiles = part(answer, "profiles")
        found = [author_of(each) for each in profiles] if isinstance(profiles, list) else []
        for author in (*(Author(did) for did in dids), *found):
            self._profiles[author.did] = (author, now)
            self._profiles.move_to_end(author.did)
        while len(self._profiles) > _KNOWN:
            self._profiles.popitem(last=False)
        return True

    def _told(self, mention: Mention) -> Mention:
        known = self._profiles.get(mention.author)
        if known is None or mention.reach is not None:
            return mention
        author = known[0]
        return replace(
            mention,
            reach=author.followers,
            author_name=mention.author_name or author.handle,
            verified=mention.verified if author.verified is None else author.verified,
        )


_FAILURES = (AtProtocolError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TypeError, RecursionError)


def _is_session_over(failed: Exception) -> bool:
    if isinstance(failed, UnauthorizedError):
        return True
    content = failed.response.content if isinstance(failed, RequestErrorBase) and failed.response else None
    return getattr(content, "error", None) in {"ExpiredToken", "InvalidToken"}


def _handles(accounts: Iterable[str]) -> list[str]:
    """Those of our accounts whose spelling is a Bluesky handle: a domain name."""
    plain = [each.removeprefix("@").lower() for each in accounts]
    return [each for each in plain if "." in each and not set(each) & set("@/ ")][:_ACCOUNTS]
