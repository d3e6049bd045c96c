"""Reddit, through praw: a search of posts, the comments of named subreddits, and what is written to our account.

Nothing is changed there: nothing is marked as read. Reddit searches posts only, so comments are read as they come; of
`all` there are too many for that. A subreddit that is wholly about a brand (`brand`) is read without a search.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import praw
import requests
from praw.models import Comment, Message, Submission
from prawcore.exceptions import OAuthException, PrawcoreException, RequestException, ResponseException

from listening.blocking import POLL_LIMIT, Blocking, bound
from listening.environment import secret
from listening.source import Batch, Source, SourceFailed
from listening.texts import body, line
from listening.walk import Fetch, Item, Page, decode, walk
from listening.words import of_interest, search_words
from signals.listening import Brand, Reddit, SourceSpec
from signals.mention import Mention

_WEB, _API = "https://www.reddit.com", "https://oauth.reddit.com"
_PAGE = 100
_LONGEST_QUERY = 500
"""Characters; Reddit takes 512."""
_EVERYWHERE = frozenset({"all", "popular"})
_GONE = frozenset({"[deleted]", "[removed]", "[ Removed by Reddit ]"})
_RETRY_AFTER, _LONGEST_WAIT = 60.0, 3600.0
"""Seconds: when Reddit does not say how long to wait, and at most."""
_PATIENCE = 20.0
"""Seconds that one question waits for another of the same source."""


def build(
    spec: SourceSpec, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """A source that reads Reddit."""
    if not isinstance(spec, Reddit):
        raise TypeError(spec.kind)
    reader = _Reader(spec, of_interest(brands, spec.brand), environment, now)
    return Source(spec.name, spec.kind, spec.every, reader.poll, close=reader.close)


def queries(brands: Iterable[Brand]) -> list[str]:
    """Searches that together find every word of the brands, each within what Reddit takes."""
    found: list[str] = []
    for word in search_words(brands):
        bare = " ".join(word.lstrip("#").replace('"', " ").replace("\\", " ").split())
        if not any(each.isalnum() for each in bare):
            continue
        term = f'"{bare}"'
        if found and len(found[-1]) + len(term) + 4 <= _LONGEST_QUERY:
            found[-1] += f" OR {term}"
        else:
            found.append(term)
    return found


class _Once:
    """Instead of praw's retries, which sleep: whoever polls comes again."""

    def sleep(self) -> None:
        return None

    def should_retry_on_failure(self) -> bool:
        return False

    def consume_available_retry(self) -> "_Once":
        return self


class _Reader:
    def __init__(
        self, spec: Reddit, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        self._spec = spec
        self._environment = environment
        self._now = now
        self._blocking = Blocking("Reddit")
        self._subreddits = "+".join(spec.subreddits)
        self._named = not {each.casefold() for each in spec.subreddits} & _EVERYWHERE
        self._queries = queries(brands)
        accounts = {each.casefold().removeprefix("/").removeprefix("u/") for brand in brands for each in brand.accounts}
        self._ours = frozenset(accounts | ({spec.user.casefold()} if spec.user else set()))
        self._one = threading.Lock()
        self._reddit: Any = None
        self._session: requests.Session | None = None
        self._not_before: datetime | None = None

    async def poll(self, cursor: str | None) -> Batch:
        """See `listening.source.Poll`. What could be read is handed over even when another list could not be."""
        secrets = self._secrets()
        try:
            async with asyncio.timeout(POLL_LIMIT):
                walked = await walk(self._lists(secrets), decode(cursor), self._now())
        except TimeoutError:
            raise SourceFailed(f"Reddit took more than {POLL_LIMIT:.0f} s to answer.") from None
        return Batch(walked.mentions, walked.cursor.encode(), walked.more)

    async def close(self) -> None:
        session, self._session, self._reddit = self._session, None, None
        if session is not None:
            session.close()

    def _secrets(self) -> dict[str, str]:
        found = {
            "client_id": secret(self._environment, self._spec.client_id_from, "the id of our app at Reddit"),
            "client_secret": secret(self._environment, self._spec.client_secret_from, "its secret"),
        }
        if self._spec.user is not None:
            what = f"the password of u/{self._spec.user}"
            found["password"] = secret(self._environment, self._spec.password_from, what)
        return found

    def _lists(self, secrets: Mapping[str, str]) -> dict[str, Fetch]:
        """What is read, each the newest first."""
        paths: dict[str, tuple[str, dict[str, str]]] = {}
        if self._spec.user is not None:
            paths |= {"inbox": ("message/inbox/", {}), "sent": ("message/sent/", {})}
            paths["own"] = (f"user/{self._spec.user}/overview/", {"sort": "new"})
        if self._spec.brand is not None and self._named:
            paths["new"] = (f"r/{self._subreddits}/new/", {})
        else:
            search = {"sort": "new", "t": "week", "restrict_sr": "true" if self._named else "false"}
            paths |= {query: (f"r/{self._subreddits}/search/", {"q": query, **search}) for query in self._queries}
        if self._named:
            paths["comments"] = (f"r/{self._subreddits}/comments/", {})
        return {
            name: partial(self._page, path, wanted, dict(secrets), name == "inbox")
            for name, (path, wanted) in paths.items()
        }

    async def _page(
        self, path: str, wanted: dict[str, str], secrets: dict[str, str], to_us: bool, token: str | None, _: datetime
    ) -> Page:
        asked = wanted | {"limit": str(_PAGE)} | ({"after": token} if token else {})
        children, following = await self._blocking.run(partial(self._get, path, asked, secrets))
        items = [self._item(each, to_us=to_us) for each in children]
        return Page(tuple(each for each in items if each is not None), following)

    # --- in the thread ---

    def _get(self, path: str, asked: dict[str, str], secrets: Mapping[str, str]) -> tuple[list[Any], str | None]:
        """One page of a list, by one request (and one for a new token of access, when the last one is over)."""
        if not self._one.acquire(timeout=_PATIENCE):
            raise SourceFailed("Reddit has not answered the question before.")
        try:
            self._obey_limits()
            reddit = self._connected(secrets)
            listing = reddit.get(path, params=asked)
            self._remember_limits(reddit)
            return list(listing.children)[: 2 * _PAGE], listing.after
        except PrawcoreException as error:
            raise self._failed(error) from error
        finally:
            self._one.release()

    def _connected(self, secrets: Mapping[str, str]) -> Any:
        if self._reddit is None:
            session = requests.Session()
            bound(session, seconds=30.0)
            # Every setting that a praw.ini in the working folder or the environment could have is given here.
            settings: dict[str, Any] = {"password": None, **secrets}
            self._reddit = praw.Reddit(
                site_name="DEFAULT",
                requestor_kwargs={"session": session},
                oauth_url=self._spec.api or _API,
                reddit_url=self._spec.api or _WEB,
                user_agent=self._spec.user_agent,
                username=self._spec.user,
                refresh_token=None,
                check_for_updates=False,
                check_for_async=False,
                **settings,
            )
            self._session = session
            self._reddit._core._retry_strategy_class = _Once
        limiter = self._limiter(self._reddit)
        # praw would sleep here to spread its requests; what Reddit itself limits, _obey_limits obeys.
        limiter.next_request_timestamp_ns = None
        return self._reddit

    def _limiter(self, reddit: Any) -> Any:
        return reddit._core.rate_limiter

    def _obey_limits(self) -> None:
        now = self._now()
        if self._not_before is not None and now < self._not_before:
            raise _limited((self._not_before - now).total_seconds())

    def _remember_limits(self, reddit: Any) -> None:
        """X-Ratelimit-Remaining 0: nothing more until X-Ratelimit-Reset, which praw has turned into a moment."""
        limiter = self._limiter(reddit)
        if limiter.remaining is not None and limiter.remaining <= 0 and limiter.next_request_timestamp_ns is not None:
            self._wait((limiter.next_request_timestamp_ns - time.monotonic_ns()) / 1e9)

    def _wait(self, seconds: float) -> float:
        wait = min(max(seconds, 1.0), _LONGEST_WAIT)
        self._not_before = self._now() + timedelta(seconds=wait)
        return wait

    def _failed(self, error: PrawcoreException) -> SourceFailed:
        if isinstance(error, RequestException):
            given = error.original_exception
            return given if isinstance(given, SourceFailed) else SourceFailed(f"Reddit: {type(given).__name__}.")
        if isinstance(error, OAuthException):
            return SourceFailed(f"Reddit refuses u/{self._spec.user} and the password in {self._spec.password_from}.")
        if not isinstance(error, ResponseException):
            return SourceFailed(f"Reddit cannot be read ({type(error).__name__}).")
        status, headers = error.response.status_code, error.response.headers
        if status == 429:
            return _limited(self._wait(_seconds(headers)))
        if status == 401:
            return SourceFailed(f"Reddit refuses the app of {self._spec.client_id_from} (401).")
        if status == 200:
            return SourceFailed("What Reddit answers cannot be read.")
        return SourceFailed(f"Reddit answers {status}.")

    # --- what it says ---

    def _item(self, thing: Any, *, to_us: bool) -> Item | None:
        """An entry of a list; without a mention when it was deleted. None for what no person wrote."""
        # Not as attributes: praw asks Reddit for those that are not there.
        fields = vars(thing)
        name, created = str(fields.get("name") or ""), fields.get("created_utc")
        if not name or not isinstance(thing, Comment | Message | Submission):
            return None
        at = datetime.fromtimestamp(float(created or 0), UTC)
        return Item(name, at, self._mention(thing, fields, name, at, to_us=to_us))

    def _mention(
        self, thing: Any, fields: Mapping[str, Any], name: str, at: datetime, *, to_us: bool
    ) -> Mention | None:
        author = getattr(fields.get("author"), "name", None)
        who = line(str(author)) if author else ""
        text = body(str(fields.get("selftext" if isinstance(thing, Submission) else "body") or ""))
        if text in _GONE or (not who and not to_us):
            return None
        by_us = who.casefold() in self._ours
        private = isinstance(thing, Message)
        return Mention(
            source=self._spec.name,
            id=name,
            at=at,
            text=text,
            author=line(str(fields.get("author_fullname") or who)),
            author_name=who,
            link=_link(fields, private=private),
            thread=_thread(fields, name),
            reply_to=line(str(fields.get("parent_id") or "")),
            repost_of=line(str(fields.get("crosspost_parent") or "")),
            private=private,
            to_us=to_us and not by_us,
            by_us=by_us,
            title=line(str(fields.get("title" if isinstance(thing, Submission) else "subject") or ""))
            if isinstance(thing, Submission | Message)
            else "",
        )


def _thread(fields: Mapping[str, Any], name: str) -> str:
    """The post that a comment belongs to, or the first of several messages; empty for the first itself."""
    first = fields.get("link_id") or fields.get("first_message_name")
    if not first and isinstance(fields.get("context"), str):  # a reply in the inbox: /r/x/comments/POST/title/…
        parts: Sequence[str] = fields["context"].split("/")
        first = f"t3_{parts[4]}" if len(parts) > 4 and parts[3] == "comments" else ""
    return line(str(first or "")) if first != name else ""


def _link(fields: Mapping[str, Any], *, private: bool) -> str:
    path = fields.get("permalink") or fields.get("context")
    if isinstance(path, str) and path.startswith("/"):
        return line(f"{_WEB}{path.partition('?')[0]}", 2000)
    return f"{_WEB}/message/messages/{line(str(fields.get('id') or ''))}" if private else ""


def _limited(seconds: float) -> SourceFailed:
    return SourceFailed(f"Reddit asks us to wait {seconds:.0f} s (its rate limit).", retry_after=seconds)


def _seconds(headers: Mapping[str, str]) -> float:
    for name in ("retry-after", "x-ratelimit-reset"):
        try:
            return float(headers[name])
        except (KeyError, ValueError):
            continue
    return _RETRY_AFTER
