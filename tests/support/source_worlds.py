"""For each kind of source a world in which somebody writes: what tests/listening/test_source_contract.py drives.

A new source gets a class here, or beside its own tests, and one line in that module.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from mastodon_mock.config import SeedAccount, SeedConfig
from mastodon_mock.testing import MockServer

from listening import bluesky, mastodon
from listening.source import Source
from signals.listening import Bluesky, Brand, Mastodon
from tests.support.bluesky import PASSWORD, BlueskyNetwork
from tests.support.wire import Wire

BRAND = Brand(id="contractor", names=("Contractor",), hashtags=("Contractorfail",))


class World(Protocol):
    """A network, and a source that reads it."""

    def now(self) -> datetime:
        """The time of this world."""

    def source(self) -> Source:
        """Built anew, as after a restart of the engine. It is named `heard`."""

    async def write(self, text: str) -> None:
        """A customer writes something that concerns us, so that its text holds this one."""

    async def cut(self) -> None:
        """The network is out of reach."""

    async def mend(self) -> None: ...

    def end(self) -> None: ...


MakeWorld = Callable[[pytest.FixtureRequest], World]


class MastodonWorld:
    """mastodon-mock behind a wire."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        people = [SeedAccount(username=each, access_token=f"token-{each}") for each in ("acme", "ana")]
        self._server = MockServer(seed=SeedConfig(accounts=people)).start()
        self._wire = Wire("127.0.0.1", self._server.port)
        self._ana = self._server.client("ana")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def source(self) -> Source:
        spec = Mastodon(kind="mastodon", name="heard", server=self._wire.url)
        return mastodon.build(spec, (BRAND,), {"TOCSIN_MASTODON_TOKEN": "token-acme"}, self.now)

    async def write(self, text: str) -> None:
        await asyncio.to_thread(self._ana.status_post, f"@acme {text}")

    async def cut(self) -> None:
        self._wire.cut()

    async def mend(self) -> None:
        self._wire.mend()

    def end(self) -> None:
        self._wire.cut()
        self._server.stop()


class BlueskyWorld:
    """The real network, whose PDS shuts its door."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._network: BlueskyNetwork = request.getfixturevalue("bluesky_network")
        self._us, self._ana = self._network.person("acme"), self._network.person("ana")
        self._is_cut = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def source(self) -> Source:
        # By its handle alone: what other tests write about the brand is not this world's.
        fields: dict[str, Any] = {"service": self._network.url, "handle": self._us.handle, "search": False}
        spec = Bluesky.model_validate({"kind": "bluesky", "name": "heard", **fields})
        return bluesky.build(spec, (BRAND,), {"TOCSIN_BLUESKY_PASSWORD": PASSWORD}, self.now)

    async def write(self, text: str) -> None:
        await asyncio.to_thread(self._ana.tag, self._us, text)

    async def cut(self) -> None:
        await asyncio.to_thread(self._network.shut)
        self._is_cut = True

    async def mend(self) -> None:
        await asyncio.to_thread(self._network.open)
        self._is_cut = False

    def end(self) -> None:
        if self._is_cut:
            self._network.open()
