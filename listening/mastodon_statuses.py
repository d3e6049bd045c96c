"""Statuses of Mastodon and its kin (snac, GoToSocial, Pleroma) as mentions. Pure; what is missing is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from listening.html_text import text_of
from listening.plain import LONGEST_NAME, plain
from signals.mention import Mention

_NOT_FOR_ALL = frozenset({"direct", "private"})
"""Direct messages and what followers alone see; snac calls both private."""


def moment(value: object) -> datetime | None:
    """A time in UTC, from Mastodon.py's datetime or the JSON's text; None for what is none."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


def part(value: object, *path: str) -> Any:
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text_at(value: object, *path: str) -> str:
    """Ids come as text or as numbers."""
    found = part(value, *path)
    return plain(str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else ""


@dataclass(frozen=True, slots=True)
class Statuses:
    """Reads the statuses of one source."""

    source: str
    server: str
    """The host that accounts without one are at."""
    ours: frozenset[str]
    """Our own accounts, as `name@host` in small letters."""

    def address(self, account: object) -> str:
        """`name@host` in small letters; empty for what is no account."""
        acct = text_at(account, "acct").lower().removeprefix("@")
        return acct if "@" in acct or not acct else f"{acct}@{self.server}"

    def status(self, status: object, received: datetime) -> Mention | None:
        """A status as a mention; a boost as one that says what it passes on. None for what has no id."""
        boosted = part(status, "reblog")
        said = boosted if boosted else status
        status_id, account = text_at(status, "id"), part(status, "account")
        if not status_id:
            return None
        reach = part(account, "followers_count")
        by_us = self.address(account) in self.ours
        named = part(said, "mentions")
        to_us = any(self.address(each) in self.ours for each in (named if isinstance(named, list) else ())[:200])
        return Mention(
            self.source,
            status_id,
            min(moment(part(status, "created_at")) or received, received),
            _words(said),
            author=_author(account),
            author_name=text_at(account, "acct")[:LONGEST_NAME],
            link=text_at(said, "url") or text_at(said, "uri"),
            language=text_at(said, "language") or None,
            reach=reach if isinstance(reach, int) and reach >= 0 else None,
            reply_to=text_at(said, "in_reply_to_id") if not boosted else "",
            repost_of=text_at(boosted, "id"),
            private=text_at(status, "visibility") in _NOT_FOR_ALL,
            to_us=to_us and not by_us,
            by_us=by_us,
        )

    def notification(self, notification: object, received: datetime) -> Mention | None:
        """What a notification tells of: somebody's words to us, or that somebody passed ours on."""
        status, kind = part(notification, "status"), text_at(notification, "type")
        if kind not in {"mention", "quote", "reblog"} or not status:
            return None
        if kind != "reblog":
            mention = self.status(status, received)
            return mention and replace(mention, to_us=not mention.by_us)
        number, account = text_at(notification, "id"), part(notification, "account")
        # A boost has no id that its author's server tells us: the notification's stands for it.
        boost = self.status(
            {
                "id": f"notification-{number}" if number else "",
                "account": account,
                "created_at": part(notification, "created_at"),
                "reblog": status,
            },
            received,
        )
        return boost and replace(boost, to_us=not boost.by_us)


def _author(account: object) -> str:
    return text_at(account, "url") or text_at(account, "uri") or text_at(account, "acct")


def _words(status: object) -> str:
    """The warning before a status belongs to what it says."""
    warning, content = text_of(text_at(status, "spoiler_text")), text_of(text_at(status, "content"))
    return plain(f"{warning}\n\n{content}".strip())
