"""Which incident gets a run next: worst severity first, three starts at a time, and a rest when starts keep failing.

While no run drives an incident the engine makes its moves, so nothing here is in a hurry, and nothing is lost.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import httpx
from prefect.exceptions import PrefectException

from engine.client import WorkItem, work
from flows.crew import Crew, StartFailed
from flows.hints import Asks, Hints
from incidents.errors import TocsinError
from incidents.severity import Severity

EVERY = 1.0
"""Seconds between two questions for work, without a hint."""
LEAST = 0.2
"""Seconds between them at least."""
STARTS = 3
"""Runs that start at once: with more, starting on SQLite takes longer for every one of them."""
FIRST_LINE_WITHIN = 60.0
"""Seconds from a run's creation to its first line, after which the start has failed."""
LOOK_ELSEWHERE = 5.0
"""Seconds after which Prefect is asked whether another worker has taken the run."""
FAILURES = 3
"""Failed starts in a row that open the breaker."""
REST = 30.0
"""Seconds for which an open breaker starts nothing."""
ASKED = 50
"""Work items asked for at a time."""

LAST = datetime.max.replace(tzinfo=UTC)

logger = logging.getLogger(__name__)


class Starter(Protocol):
    """What Prefect's side does for a start; `flows.prefect_worker` implements it."""

    @property
    def available(self) -> bool:
        """Whether a start can be tried at all now."""
        ...

    async def create(self, item: WorkItem, since: str | None) -> UUID:
        """Create the flow run and have it picked up at once; gives its id."""
        ...

    async def has_begun(self, run: UUID) -> bool:
        """Whether the run is past its start, here or in another worker. StartFailed when it will never be."""
        ...


class Breaker:
    """Opens for REST seconds after FAILURES failures in a row. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._opened_at: float | None = None

    def is_open(self, now: float) -> bool:
        return self._opened_at is not None and now - self._opened_at < REST

    def succeeded(self) -> None:
        self._failures = 0
        self._opened_at = None

    def failed(self, now: float) -> bool:
        """Count a failure; says whether this one opened the breaker."""
        self._failures += 1
        if self._failures < FAILURES:
            return False
        self._failures = 0
        self._opened_at = now
        return True


class Dispatch:
    """Gives runs to incidents for as long as `run` runs."""

    def __init__(self, engine: Asks, hints: Hints, crew: Crew, starter: Starter, live_runs: int) -> None:
        self._engine = engine
        self._hints = hints
        self._crew = crew
        self._starter = starter
        self._live_runs = live_runs
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._breaker = Breaker()

    async def run(self) -> None:
        """For ever; cancel it to stop. Starts that are under way are cancelled with it."""
        try:
            while True:
                self._hints.anything.clear()
                await self.one_round()
                await asyncio.sleep(LEAST)
                try:
                    await asyncio.wait_for(self._hints.anything.wait(), EVERY - LEAST)
                except TimeoutError:
                    continue
        finally:
            for start in self._starting.values():
                start.cancel()

    async def one_round(self) -> None:
        """Ask for work and begin as many starts as there is room for."""
        if not self._starter.available or self._breaker.is_open(_now()) or len(self._starting) >= STARTS:
            return
        try:
            items = await self._engine.ask(work(ASKED))
        except TocsinError as error:
            logger.debug("no work known: %s", error)
            return
        for item in sorted(items, key=urgency):
            if len(self._starting) >= STARTS:
                return
            if item.incident not in self._starting and not self._crew.drives(item.incident):
                if not self._has_room(item):
                    return
                self._starting[item.incident] = asyncio.create_task(self._start(item))

    def _has_room(self, item: WorkItem) -> bool:
        if self._crew.size + len(self._starting) < self._live_runs:
            return True
        # The seat is free when the parked run has ended; this item is asked for again until then.
        self._crew.make_room(item.incident, item.severity)
        return False

    async def _start(self, item: WorkItem) -> None:
        try:
            run = await self._starter.create(item, self._crew.shown_until(item.incident))
            await self._await_first_line(run)
        except (httpx.HTTPError, PrefectException, StartFailed, TimeoutError, RuntimeError) as error:
            self._failed(item, error)
        else:
            self._breaker.succeeded()
        finally:
            del self._starting[item.incident]
            self._hints.anything.set()

    async def _await_first_line(self, run: UUID) -> None:
        first_line = self._crew.first_line(run)
        try:
            async with asyncio.timeout(FIRST_LINE_WITHIN):
                while True:
                    done, _ = await asyncio.wait([first_line], timeout=LOOK_ELSEWHERE)
                    if done:
                        return first_line.result()
                    if await self._starter.has_begun(run):
                        return None
        finally:
            self._crew.give_up(run)

    def _failed(self, item: WorkItem, error: Exception) -> None:
        logger.warning("no run for %s: %r", item.incident, error)
        if self._breaker.failed(_now()):
            logger.error("%d starts failed in a row: trying again in %.0f s; the engine performs", FAILURES, REST)


def urgency(item: WorkItem) -> tuple[int, datetime]:
    """Worst severity first, then what is due first."""
    return Severity(item.severity).rank, item.due_at or LAST


def _now() -> float:
    return asyncio.get_running_loop().time()
