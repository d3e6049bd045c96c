"""X, through tweepy: a recent search for each brand's words, and the mentions of our account.

X gives the newest first and charges by the post, so every question says where the last one ended (`since_id`), and a
long list is read down to there over several polls (`until_id`). The search is complete for posts that are 30 s old.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import tweepy  # type: ignore[import-untyped]

from listening import cursors
from listening.blocking import Blocking, bound
from listening.environment import secret
from listening.source import Batch, Source, SourceFailed
from listening.texts import body, line
from signals.listening import Brand, SourceSpec, X
from signals.mention import Mention

# It writes every request with our token into the log otherwise, wherever somebody sets the level to DEBUG.
logging.getLogger("tweepy.client").setLevel(logging.INFO)

_HOST = "https://api.twitter.com"
"""The address that tweepy has built in."""
_PAGE = 100
_MOST_PAGES = 3
_BACK = timedelta(minutes=5)
"""How far the first poll looks back."""
_SEARCHED = timedelta(days=6, hours=23)
"""X searches seven days and refuses an older since_id."""
_ENOUGH = 25.0
"""Seconds after which the other questions wait for the next poll: what was read by then is handed over."""
_EPOCH_MS = 1288834974657
_RETRY_AFTER = 60.0
"""Seconds, when X limits us and does not say for how long."""
_LONGEST_WAIT = 3600.0
_TWEET_FIELDS = [
    *("author_id", "conversation_id", "created_at", "entities", "in_reply_to_user_id", "lang", "note_tweet"),
    *("public_metrics", "referenced_tweets"),
]
_USER_FIELDS = ["name", "public_metrics", "username", "verified"]
_EXPANSIONS = ["author_id", "referenced_tweets.id"]
_NO_LANGUAGE = frozenset({"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"})
"""What X says of a post of links, hashtags or nothing at all."""


def build(
    spec: SourceSpec, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """A source that reads X."""
    if not isinstance(spec, X):
        raise TypeError(spec.kind)
    reader = _Reader(spec, brands, environment, now)
    return Source(spec.name, spec.kind, spec.every, reader.poll, close=reader.close)


def queries(brands: Sequence[Brand], longest: int) -> list[str]:
    """X search queries of at most `longest` characters that together find every word and account of the brands.

    A brand's `leave_out` is left out on X already, as far as it fits in half a query; the rest is left out later.
    """
    found: list[str] = []
    for brand in brands:
        words = dict.fromkeys(map(_term, (*brand.names, *brand.misspellings, *brand.products, *brand.people)))
        tags = dict.fromkeys(map(_hashtag, brand.hashtags))
        without = ""
        for each in filter(None, map(_term, brand.leave_out)):
            if len(without) + len(each) + 2 <= longest // 2:
                without += f" -{each}"
        found += _grouped([each for each in (*words, *tags) if each], without, longest)
        handles = [handle for handle in map(_handle, brand.accounts) if handle]
        found += _grouped([f"{sort}{each}" for each in handles for sort in ("@", "from:")], "", longest)
    return list(dict.fromkeys(found))


def _grouped(terms: Sequence[str], without: str, longest: int) -> Iterator[str]:
    group: list[str] = []
    for term in terms:
        if group and len(f"({' OR '.join([*group, term])}){without}") > longest:
            yield f"({' OR '.join(group)}){without}"
            group = []
        group.append(term)
    if group:
        yield f"({' OR '.join(group)}){without}"


def _term(words: str) -> str:
    """A word as it is, anything else as an exact phrase: only there have operators no meaning."""
    bare = " ".join(words.replace('"', " ").replace("\\", " ").split())
    if bare.isalnum() and bare not in ("OR", "AND", "NOT"):
        return bare
    return f'"{bare}"' if any(each.isalnum() for each in bare) else ""


def _hashtag(word: str) -> str:
    bare = word.strip().lstrip("#")
    return f"#{bare}" if bare.replace("_", "a").isalnum() else _term(bare)


def _handle(account: str) -> str:
    """`care` of an account of X; nothing of an account that can only be of another network."""
    bare = account.strip().removeprefix("@")
    return bare if bare.isascii() and bare.replace("_", "a").isalnum() and len(bare) <= 15 else ""


def id_at(moment: datetime) -> int:
    """The smallest id that X gives at this moment."""
    return max(int(moment.timestamp() * 1000) - _EPOCH_MS, 0) << 22


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where one question stands: everything up to `since` is read; while a long list is read, its newest and oldest."""

    since: int
    newest: int = 0
    until: int = 0

    def after(self, ids: Sequence[int], *, rest: bool) -> "_Mark":
        newest = max([self.newest, self.since, *ids])
        return _Mark(self.since, newest, min(ids)) if rest and ids else _Mark(newest)


@dataclass(frozen=True, slots=True)
class _Question:
    """One thing that X is asked again and again; `query` None asks for the mentions of our account."""

    query: str | None

    @property
    def key(self) -> str:
        return "mentions" if self.query is None else hashlib.sha256(self.query.encode()).hexdigest()[:12]


class _Reader:
    def __init__(
        self, spec: X, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        self._spec = spec
        self._environment = environment
        self._now = now
        self._blocking = Blocking("X")
        ours = [each for each in brands if spec.brand in (None, each.id)]
        asked = [_Question(each) for each in queries(ours, spec.longest_query)]
        self._questions = [*([_Question(None)] if spec.user_id else []), *asked]
        self._handles = frozenset(_handle(each).casefold() for brand in brands for each in brand.accounts) - {""}
        self._client: Any = None
        self._not_before: datetime | None = None

    async def poll(self, cursor: str | None) -> Batch:
        token = secret(self._environment, self._spec.token_from, "the bearer token of X")
        return await self._blocking.run(lambda: self._read(cursor, token))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.session.close()

    # --- in the thread ---

    def _read(self, cursor: str | None, token: str) -> Batch:
        now = self._now()
        if self._not_before is not None and now < self._not_before:
            raise self._limited((self._not_before - now).total_seconds())
        turn, marks = _marks(cursor, self._questions, now)
        client = self._connected(token)
        found: dict[str, Mention] = {}
        more = False
        enough = time.monotonic() + _ENOUGH
        for step in range(len(self._questions)):
            number = (turn + step) % len(self._questions)
            question = self._questions[number]
            if step and time.monotonic() > enough:
                return _batch(found, number, marks, more=True)
            try:
                mentions, marks[question.key], rest = self._ask(client, question, marks[question.key], now)
            except tweepy.TooManyRequests as error:
                wait = _wait(error, now)
                self._not_before = now + timedelta(seconds=wait)
                if step == 0:
                    raise self._limited(wait) from error
                # What was read is kept. The next poll begins with the question that got no answer.
                return _batch(found, number, marks, more=False)
            except tweepy.HTTPException as error:
                raise SourceFailed(_refused(error, self._spec.token_from)) from error
            found |= {each.id: each for each in mentions if each.id not in found}
            more = more or rest
        return _batch(found, turn, marks, more=more)

    def _limited(self, seconds: float) -> SourceFailed:
        return SourceFailed(f"X asks us to wait {seconds:.0f} s (its rate limit).", retry_after=seconds)

    def _connected(self, token: str) -> Any:
        if self._client is None or self._client.bearer_token != token:
            client = tweepy.Client(bearer_token=token, wait_on_rate_limit=False)
            bound(client.session, (_HOST, self._spec.api or _HOST))
            self._client = client
        return self._client

    def _ask(self, client: Any, question: _Question, mark: _Mark, now: datetime) -> tuple[list[Mention], _Mark, bool]:
        """The posts of a few pages, where the question then stands, and whether there are more."""
        found: list[Mention] = []
        for _ in range(_MOST_PAGES):
            page = self._page(client, question, mark, now)
            posts = page.data or []
            people = {each.id: each for each in page.includes.get("users", [])}
            originals = {each.id: each for each in page.includes.get("tweets", [])}
            found += [self._mention(each, people, originals, to_us=question.query is None) for each in posts]
            rest = bool(posts) and bool(page.meta.get("next_token"))
            mark = mark.after([each.id for each in posts], rest=rest)
            if not rest:
                return found, mark, False
        return found, mark, True

    def _page(self, client: Any, question: _Question, mark: _Mark, now: datetime) -> Any:
        wanted = {
            "since_id": mark.since,
            "until_id": mark.until or None,
            "max_results": _PAGE,
            "tweet_fields": _TWEET_FIELDS,
            "user_fields": _USER_FIELDS,
            "expansions": _EXPANSIONS,
        }
        if question.query is None:
            return client.get_users_mentions(self._spec.user_id, **wanted)
        wanted["since_id"] = max(mark.since, id_at(now - _SEARCHED))
        return client.search_recent_tweets(question.query, **wanted)

    def _mention(self, post: Any, people: Mapping[int, Any], originals: Mapping[int, Any], *, to_us: bool) -> Mention:
        """A post as X has it. A repost has the text of what it passes on, which X cuts short in the repost itself."""
        author = people.get(post.author_id)
        refers = {each.type: each.id for each in post.referenced_tweets or ()}
        original = originals.get(refers.get("retweeted", 0))
        name = "" if author is None else line(author.username)
        metrics = (None if author is None else author.public_metrics) or {}
        followers = metrics.get("followers_count")
        addressed = {each.get("username", "").casefold() for each in (post.entities or {}).get("mentions", ())}
        ours = {str(post.author_id), str(post.in_reply_to_user_id)} & {self._spec.user_id}
        return Mention(
            source=self._spec.name,
            id=str(post.id),
            at=_moment(post),
            text=body(_text(post if original is None else original)),
            author="" if post.author_id is None else str(post.author_id),
            author_name=name,
            link=f"https://x.com/{name or 'i'}/status/{post.id}",
            language=None if post.lang in _NO_LANGUAGE else post.lang,
            reach=followers if isinstance(followers, int) else None,
            verified=None if author is None else author.verified,
            thread=str(post.conversation_id) if post.conversation_id not in (None, post.id) else "",
            reply_to=str(refers.get("replied_to", "")),
            repost_of=str(refers.get("retweeted", "")),
            to_us=to_us or bool(addressed & self._handles) or str(post.in_reply_to_user_id) in ours,
            by_us=name.casefold() in self._handles or str(post.author_id) in ours,
        )


def _text(post: Any) -> str:
    """Posts of more than 280 characters have all of it in `note_tweet`, which tweepy has no attribute for."""
    note = post.data.get("note_tweet")
    return str(note.get("text") or post.text) if isinstance(note, dict) else str(post.text)


def _moment(post: Any) -> datetime:
    """When it was written. The id says it too, where X leaves the field out."""
    at = post.created_at
    if at is None:
        at = datetime.fromtimestamp(((post.id >> 22) + _EPOCH_MS) / 1000, UTC)
    return datetime.fromtimestamp(at.timestamp(), UTC)


def _wait(error: Any, now: datetime) -> float:
    if error.reset_time is None:
        return _RETRY_AFTER
    return float(min(max(error.reset_time - now.timestamp(), 1.0), _LONGEST_WAIT))


def _refused(error: Any, token_from: str) -> str:
    status = error.response.status_code
    if status == 401:
        return f"X refuses the token in {token_from} (401)."
    said = "; ".join(line(str(each), 200) for each in error.api_messages[:3])
    return f"X answers {status}{f': {said}' if said else ''}."


def _marks(cursor: str | None, questions: Sequence[_Question], now: datetime) -> tuple[int, dict[str, _Mark]]:
    """Whose turn it is, and where each question stands. A new question begins where the others are at least."""
    turn, known = 0, dict[str, _Mark]()
    written = cursors.decode(cursor, "x")
    if written is not None:
        turn = int(written["turn"]) % max(len(questions), 1)
        known = {key: _Mark(*map(int, numbers)) for key, numbers in written["marks"].items()}
    start = _Mark(min((each.since for each in known.values()), default=id_at(now - _BACK)))
    return turn, {each.key: known.get(each.key, start) for each in questions}


def _batch(found: Mapping[str, Mention], turn: int, marks: Mapping[str, _Mark], *, more: bool) -> Batch:
    mentions = tuple(sorted(found.values(), key=lambda each: (each.at, len(each.id), each.id)))
    written = {key: [mark.since, mark.newest, mark.until] for key, mark in sorted(marks.items())}
    return Batch(mentions, cursors.encode("x", {"turn": turn, "marks": written}), more)
