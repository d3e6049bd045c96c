"""One long poll of the engine's feed for a whole worker, as wake-up calls for those who wait.

A hint only says "look again": one that is lost costs the next regular look, never a move.
"""

import asyncio
import logging
from typing import Protocol, TypeVar

from engine.client import Request, feed
from incidents.errors import TocsinError

T = TypeVar("T")

WAIT = 20.0
"""Seconds that one long poll may take."""
BACKOFF = 1.0
"""Seconds between polls while the engine is away."""

logger = logging.getLogger(__name__)


class Asks(Protocol):
    """What flows need of `engine.client.EngineClient`."""

    async def ask(self, request: Request[T]) -> T: ...


class Hints:
    """Wake-up calls by incident, and one for any incident at all."""

    def __init__(self) -> None:
        self.anything = asyncio.Event()
        self._waiting: dict[str, asyncio.Event] = {}

    def of(self, incident: str) -> asyncio.Event:
        """The event that is set when this incident has changed; who waits clears it before looking."""
        return self._waiting.setdefault(incident, asyncio.Event())

    def forget(self, incident: str) -> None:
        self._waiting.pop(incident, None)

    def give(self, incidents: tuple[str, ...]) -> None:
        for incident in incidents:
            if waiting := self._waiting.get(incident):
                waiting.set()
        if incidents:
            self.anything.set()

    def give_all(self) -> None:
        self.give(tuple(self._waiting))
        self.anything.set()

    async def listen(self, engine: Asks) -> None:
        """Follow the feed for ever. While the engine is away, try again; when it is back, wake everybody."""
        after = await self._first(engine)
        while True:
            try:
                heard = await engine.ask(feed(after, WAIT))
            except TocsinError as error:
                logger.debug("feed lost: %s", error)
                await asyncio.sleep(BACKOFF)
                after = await self._first(engine)
                self.give_all()
                continue
            after = heard.sequence
            self.give(heard.incidents)

    async def _first(self, engine: Asks) -> int:
        """Where the feed stands now: an engine that was started again may count from elsewhere."""
        while True:
            try:
                return (await engine.ask(feed(0, 0))).sequence
            except TocsinError:
                await asyncio.sleep(BACKOFF)
