"""Worlds of the sources that are no social network of their own, and of the two whose answers are constructed."""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from listening import feed, imap, reddit, replay, x
from listening.source import Source
from signals.listening import Brand, Feed, Imap, Reddit, Replay, X
from tests.listening.test_reddit import ENVIRONMENT, ConstructedReddit, submission
from tests.listening.test_x import ConstructedX, post
from tests.support.counterparties import wait_until
from tests.support.mail_servers import PASSWORD, MailServers
from tests.support.network_server import Asked, NetworkServer, Reply
from tests.support.wire import Wire

BRANDS = (Brand(id="northwind", names=("Northwind",)),)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""What the constructed answers are dated by."""


class _BehindAWire:
    """Something on loopback that a wire leads to."""

    def __init__(self, port: int) -> None:
        self._wire = Wire("127.0.0.1", port)
        self._written = 0

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def cut(self) -> None:
        self._wire.cut()

    async def mend(self) -> None:
        self._wire.mend()

    def _next(self) -> int:
        self._written += 1
        return self._written


def _port(server: NetworkServer) -> int:
    return int(server.url.rsplit(":", 1)[1])


class FeedWorld(_BehindAWire):
    """A feed of the press."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._items: list[str] = []
        self._server = NetworkServer(self._answer)
        super().__init__(_port(self._server))

    def _answer(self, asked: Asked) -> Reply:
        content = f'<rss version="2.0"><channel><title>Press</title>{"".join(self._items)}</channel></rss>'
        return Reply(content.encode(), headers={"Content-Type": "application/rss+xml"})

    def source(self) -> Source:
        spec = Feed(kind="feed", name="heard", url=f"{self._wire.url}/feed")
        return feed.build(spec, BRANDS, {}, self.now)

    async def write(self, text: str) -> None:
        number = self._next()
        at = format_datetime(self.now() - timedelta(minutes=2) + timedelta(seconds=number))
        link = f"https://press.example/{number}"
        self._items.insert(
            0,
            f"<item><title>{escape(text)}</title><guid>{link}</guid><link>{link}</link>"
            f"<author>Dora</author><pubDate>{at}</pubDate></item>",
        )

    def end(self) -> None:
        self._wire.cut()
        self._server.stop()


class XWorld(_BehindAWire):
    """X's answers, constructed."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._network = ConstructedX()
        super().__init__(_port(self._network.server))

    def now(self) -> datetime:
        return NOW

    def source(self) -> Source:
        spec = X.model_validate({"kind": "x", "name": "heard", "api": self._wire.url})
        return x.build(spec, BRANDS, {"TOCSIN_X_BEARER_TOKEN": "a-token"}, self.now)

    async def write(self, text: str) -> None:
        self._network.posts.append(post(3 - 0.1 * self._next(), f"Northwind: {text}"))

    def end(self) -> None:
        self._wire.cut()
        self._network.server.stop()


class RedditWorld(_BehindAWire):
    """Reddit's answers, constructed."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._network = ConstructedReddit()
        super().__init__(_port(self._network.server))

    def now(self) -> datetime:
        return NOW

    def source(self) -> Source:
        spec = Reddit.model_validate({"kind": "reddit", "name": "heard", "api": self._wire.url})
        return reddit.build(spec, BRANDS, ENVIRONMENT, self.now)

    async def write(self, text: str) -> None:
        number = self._next()
        found = submission(f"p{number}", 3 - 0.1 * number, f"Northwind: {text}")
        self._network.lists.setdefault("/r/all/search/", []).insert(0, found)

    def end(self) -> None:
        self._wire.cut()
        self._network.server.stop()


class ReplayWorld:
    """A file in a plan's folder that grows."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="plan-"))
        self._file, self._away = self._folder / "day.csv", self._folder / "away.csv"
        self._file.write_text("at,id,text,author,link\n", encoding="utf-8")
        self._written = 0

    def now(self) -> datetime:
        return NOW

    def source(self) -> Source:
        spec = Replay(kind="replay", name="heard", file="day.csv")
        return replay.build(spec, BRANDS, {"TOCSIN_PLAN": str(self._folder)}, self.now)

    async def write(self, text: str) -> None:
        self._written += 1
        at = NOW - timedelta(minutes=2) + timedelta(seconds=self._written)
        line = f"{at:%Y-%m-%dT%H:%M:%SZ},{self._written},{text},ana,https://forum.example/{self._written}\n"
        target = self._file if self._file.exists() else self._away
        with target.open("a", encoding="utf-8") as written:
            written.write(line)

    async def cut(self) -> None:
        self._file.rename(self._away)

    async def mend(self) -> None:
        self._away.rename(self._file)

    def end(self) -> None:
        rmtree(self._folder)


class MailWorld(_BehindAWire):
    """A care mailbox on a real Dovecot behind a real Postfix."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._servers: MailServers = request.getfixturevalue("mail_servers")
        self._servers.forget("dora")
        super().__init__(self._servers.imap)

    def source(self) -> Source:
        given: dict[str, Any] = {"host": "127.0.0.1", "port": self._wire.port, "security": "none"}
        spec = Imap.model_validate({"kind": "imap", "name": "heard", "user": "dora@people.test", **given})
        return imap.build(spec, BRANDS, {"TOCSIN_CARE_MAIL_PASSWORD": PASSWORD}, self.now)

    async def write(self, text: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Ana <ana@people.test>", "dora@people.test", text
        mail["Message-ID"] = f"<{self._next()}@people.test>"
        mail.set_content(text)
        before = len(self._servers.inbox("dora"))
        await asyncio.to_thread(self._servers.post, mail)
        await asyncio.to_thread(wait_until, lambda: len(self._servers.inbox("dora")) > before, "the mail")

    def end(self) -> None:
        self._wire.cut()
