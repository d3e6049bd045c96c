"""The worker's heartbeat to the engine, in a thread of its own: starting flows stalls the event loop up to a second.

It beats only while the event loop moves: a worker whose loop hangs must count as dead, so that the engine takes over.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from engine.client import SyncEngineClient, alive
from incidents.errors import TocsinError

EVERY = 1.0
"""Seconds between two beats; the engine counts a worker dead after 6."""
STUCK = 5
"""Beats without any movement of the event loop after which the heart stops."""
LOST = 60
"""Beats after which it is given up."""

logger = logging.getLogger(__name__)


class Pulse:
    """Beats from entering to leaving. Entered in the event loop whose movement it vouches for."""

    def __init__(
        self,
        engine: SyncEngineClient,
        worker: str,
        pid: int,
        *,
        give_up: Callable[[], None],
        every: float = EVERY,
    ) -> None:
        """`give_up` is called, in the heartbeat's thread, when the event loop has not moved for LOST beats."""
        self._engine = engine
        self._worker = worker
        self._pid = pid
        self._give_up = give_up
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._still = 0
        self._mover: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._mover = asyncio.create_task(self._move())
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._mover is not None:
            self._mover.cancel()

    async def _move(self) -> None:
        while True:
            self._still = 0
            await asyncio.sleep(self._every / 2)

    def _beat(self) -> None:
        was_away = False
        while not self._stopping.is_set():
            self._still += 1
            if self._still > LOST:
                logger.critical("the event loop has not moved for %d beats: giving up", LOST)
                return self._give_up()
            try:
                if self._still <= STUCK:
                    self._engine.ask(alive(self._worker, self._pid))
                was_away = False
            except TocsinError as error:
                if not was_away:
                    logger.warning("the engine does not hear us: %s", error)
                was_away = True
            self._stopping.wait(self._every)
