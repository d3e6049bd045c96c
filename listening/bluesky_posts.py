"""Bluesky's records as mentions. Pure; what is missing or of the wrong shape is left out, never guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from listening.plain import plain
from signals.mention import Mention

POST = "app.bsky.feed.post"
REPOST = "app.bsky.feed.repost"
_LINKS = 100
"""Facets of a post that are looked at."""


@dataclass(frozen=True, slots=True)
class Author:
    did: str
    handle: str = ""
    followers: int | None = None
    verified: bool | None = None


def part(value: object, *path: str) -> Any:
    """What stands at the path inside nested mappings; None where anything on the way is missing."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text_at(value: object, *path: str) -> str:
    found = part(value, *path)
    return plain(found) if isinstance(found, str) else ""


def moment(text: object) -> datetime | None:
    """An RFC 3339 time in UTC; None for what is none. Without a zone it is taken for UTC, as Bluesky does."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def did_of(uri: str) -> str:
    """Whose record it is: at://<did>/<collection>/<key>."""
    return uri.removeprefix("at://").split("/", 1)[0] if uri.startswith("at://did:") else ""


def link_to(uri: str) -> str:
    """The page of a post, by what never changes: the did and the record's key. Empty for what is no post."""
    parts = uri.removeprefix("at://").split("/")
    return f"https://bsky.app/profile/{parts[0]}/post/{parts[2]}" if len(parts) == 3 and parts[1] == POST else ""


def author_of(profile: object) -> Author:
    """From any of Bluesky's views of a profile."""
    followers = part(profile, "followersCount")
    status = text_at(profile, "verification", "verifiedStatus")
    return Author(
        text_at(profile, "did"),
        text_at(profile, "handle"),
        followers if isinstance(followers, int) and followers >= 0 else None,
        status == "valid" if status else None,
    )


@dataclass(frozen=True, slots=True)
class Posts:
    """Reads the records of one source. `ours` are the dids of our own accounts."""

    source: str
    ours: frozenset[str]

    def post(self, uri: str, record: object, author: Author, received: datetime) -> Mention:
        """A post as a mention. `received` is when the network had it: nothing was written later than that."""
        quoted = _quoted(record)
        text = text_at(record, "text")
        parent, root = text_at(record, "reply", "parent", "uri"), text_at(record, "reply", "root", "uri")
        concerned = (did_of(parent), did_of(root), did_of(quoted), *_named(record))
        return Mention(
            self.source,
            uri,
            min(moment(part(record, "createdAt")) or received, received),
            text,
            author=author.did,
            author_name=author.handle,
            link=link_to(uri),
            language=_language(record),
            reach=author.followers,
            verified=author.verified,
            thread=root,
            reply_to=parent,
            repost_of="" if text.strip() else quoted,
            to_us=author.did not in self.ours and any(did in self.ours for did in concerned),
            by_us=author.did in self.ours,
        )

    def repost(self, uri: str, record: object, author: Author, received: datetime, text: str = "") -> Mention:
        """A repost as a mention; `text` is what the passed on post says, where that is known."""
        subject = text_at(record, "subject", "uri")
        return Mention(
            self.source,
            uri,
            min(moment(part(record, "createdAt")) or received, received),
            text,
            author=author.did,
            author_name=author.handle,
            link=link_to(subject),
            reach=author.followers,
            verified=author.verified,
            repost_of=subject,
            to_us=author.did not in self.ours and did_of(subject) in self.ours,
            by_us=author.did in self.ours,
        )


def _quoted(record: object) -> str:
    """The uri of the post that this one quotes, with or without pictures beside it."""
    return text_at(record, "embed", "record", "uri") or text_at(record, "embed", "record", "record", "uri")


def _language(record: object) -> str | None:
    langs = part(record, "langs")
    first = langs[0] if isinstance(langs, list) and langs else None
    return first if isinstance(first, str) and 2 <= len(first) <= 35 else None


def _named(record: object) -> Iterable[str]:
    """The dids that the post tags."""
    facets = part(record, "facets")
    for facet in facets[:_LINKS] if isinstance(facets, list) else ():
        features = part(facet, "features")
        for feature in features[:_LINKS] if isinstance(features, list) else ():
            yield text_at(feature, "did")
