"""One flow run's hold on one incident: what it reads, makes and waits for.

A driver knows nothing by itself. Each look reads again what is due; the engine alone makes moves, and makes none twice.
Nothing here imports Prefect: what a person sees of it in Prefect's pages is `flows.visible`'s concern.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from engine.client import Driving, Fate, IncidentObject, Move, Moves, Request, message, moves, perform, release
from engine.client import incident as read_incident
from engine.clock import Clock
from flows.hints import Asks
from flows.pace import Pace
from incidents.errors import CommandRefused, EngineUnreachable, Overloaded, StaleDriver, TocsinError, UnknownIncident
from incidents.state import Status

T = TypeVar("T")

BACKOFF = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two questions while the engine does not answer; the last one repeats."""
FATE_EVERY = 2.0
"""Seconds after which the fate of a message is asked again, hint or not."""
LEAST_WAIT = 0.1
"""Seconds between two looks at least, whatever the clocks say."""
LEAVE_WITHIN = 12.0
"""Seconds that what a run has begun may take to come to its end; longer than one question to the engine."""
FATES = frozenset({"delivered", "read", "failed", "stale", "unknown"})
"""States of a message after which nothing more is awaited."""

STALE = "stale: another run drives"
PARKED = "parked"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """The incident as it is now, and what is due."""

    incident: IncidentObject
    moves: Moves

    def due(self, *kinds: str) -> tuple[Move, ...]:
        return tuple(move for move in self.moves.due if move.kind in kinds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What asking for a move came to. `made` is False when the engine made nothing; `sentence` says why."""

    made: bool
    sentence: str
    messages: tuple[str, ...] = ()


class Driver:
    """Drives one incident from `looks()` until it parks, the incident ends, or another run takes over."""

    def __init__(
        self, incident: str, driving: Driving, engine: Asks, clock: Clock, hint: asyncio.Event, pace: Pace
    ) -> None:
        self.incident = incident
        self.driving = driving
        self.ending = ""
        """Why this run ends, as a sentence; empty while it goes on."""
        self.shown: set[str] = set()
        """What already has its task run here: message ids and names of waits. Losing it costs a task run, no move."""
        self.seen: IncidentObject | None = None
        self._engine = engine
        self._clock = clock
        self._hint = hint
        self._pace = pace
        self._ended = asyncio.Event()
        self._looked = asyncio.Event()
        self._unsettled: set[str] = set()
        self._settled = asyncio.Event()
        self._begun: dict[str, asyncio.Task[object]] = {}
        self._moved = False
        self._last_stir = self._loop_time()

    # --- the looks ---

    async def looks(self) -> AsyncIterator[Look]:
        """Look, let the caller begin what is due, wait until that is settled; then look again when there is reason to.

        Ends when `ending` says why. Waits while the engine is away.
        """
        while not self.ending:
            self._hint.clear()
            look = await self._look()
            if look is None:
                return
            yield look
            if not Status(look.incident["status"]).is_open:
                self.end(look.incident["status"])
                return
            await self._settle()
            if not self._moved and not self.ending:
                await self._wait(look)
            self._moved = False

    def end(self, why: str) -> None:
        """End this run, for the first reason given. What it waits for is left, not lost: the next run sees it."""
        if not self.ending:
            self.ending = why
        self._ended.set()
        self._looked.set()
        self._settled.set()

    async def _look(self) -> Look | None:
        due = await self._persist(moves(self.incident))
        if due is None:
            return None
        if self.seen is None or self.seen.get("version") != due.version:
            seen = await self._persist(read_incident(self.incident))
            if seen is None:
                return None
            self.seen = seen
            self._last_stir = self._loop_time()
        self._looked.set()
        self._looked = asyncio.Event()
        return Look(self.seen, due)

    async def _wait(self, look: Look) -> None:
        wait = self._pace.look_every.total_seconds()
        quiet_for = self._loop_time() - self._last_stir
        if not look.moves.due and self._nothing_soon(look.moves):
            linger = self._pace.linger.total_seconds() - quiet_for
            if linger <= 0:
                return self.end(PARKED)
            wait = min(wait, linger)
        if look.moves.wake_at is not None:
            wait = min(wait, (look.moves.wake_at - self._clock.now()).total_seconds())
        await self._either(self._hint, max(wait, LEAST_WAIT))

    def _nothing_soon(self, due: Moves) -> bool:
        return due.wake_at is None or due.wake_at - self._clock.now() >= self._pace.parks_ahead

    # --- what a run begins ---

    def begin(self, key: str, work: Callable[[], Awaitable[object]], move: Move | None = None) -> None:
        """Start something that goes on beside the looks. Nothing happens when the same `key` is still under way.

        With a `move`, the next look waits until the engine has answered for it.
        """
        if key in self._begun or self.ending:
            return
        if move is not None:
            self._unsettled.add(move.key)
        task = asyncio.ensure_future(work())
        self._begun[key] = task
        task.add_done_callback(lambda _: self._finished(key, task, move))

    def begin_once(self, key: str, work: Callable[[], Awaitable[object]]) -> None:
        """As `begin`, but only once in this run."""
        if key not in self.shown and not self.ending:
            self.shown.add(key)
            self.begin(key, work)

    def is_making(self, move: Move) -> bool:
        return move.key in self._unsettled

    async def make(self, move: Move) -> Outcome:
        """Have the engine make a due move; tries again while the engine is away. A second call makes nothing."""
        try:
            return await self._make(move)
        finally:
            self._settle_one(move)

    async def fate(self, message_id: str) -> Fate | None:
        """Wait until nothing more will become of a message; None when the run ended before anything was known."""
        last: Fate | None = None
        since = self._loop_time()
        while not self.ending:
            known = self._fate_in_log(message_id)
            if known is not None:
                return known
            last = await self._persist(message(message_id)) or last
            if last is not None and self._is_final(last, since):
                return last
            await self._either(self._looked, FATE_EVERY)
        return last

    async def until(self, found: Callable[[IncidentObject], T | None]) -> T | None:
        """Wait until a look shows it; None when the run ended without."""
        while True:
            looked = self._looked
            result = None if self.seen is None else found(self.seen)
            if result is not None or self.ending:
                return result
            await looked.wait()

    async def leave(self) -> None:
        """Let what was begun come to its end, and tell the engine that this run drives no more."""
        self.end(PARKED)
        if self._begun:
            _, late = await asyncio.wait(self._begun.values(), timeout=LEAVE_WITHIN)
            for task in late:
                task.cancel()
        try:
            await self._engine.ask(release(self.incident, self.driving.epoch))
        except TocsinError as error:
            logger.info("incident %s not released: %s", self.incident, error)

    # --- how ---

    async def _make(self, move: Move) -> Outcome:
        try:
            performed = await self._persist(perform(self.incident, self.driving.epoch, move.key))
        except StaleDriver:
            self.end(STALE)
            return Outcome(False, "another run drives this incident")
        except CommandRefused as error:
            return Outcome(False, str(error))
        if performed is None:
            return Outcome(False, "the engine did not answer before this run ended")
        if not performed.made:
            return Outcome(False, "no longer due: the engine had already made it, or it was not needed any more")
        self._moved = True
        self.shown.update(performed.messages)
        return Outcome(True, "; ".join(made.title for made in performed.made), performed.messages)

    async def _persist(self, request: Request[T]) -> T | None:
        """Ask until the engine answers; None when the run ends first or the incident does not exist."""
        attempt = 0
        while not self.ending:
            try:
                return await self._engine.ask(request)
            except UnknownIncident as error:
                if request.method == "GET" and request.path.endswith(("/moves", self.incident)):
                    self.end(str(error))
                return None
            except (EngineUnreachable, Overloaded) as error:
                logger.info("incident %s waits for the engine: %s", self.incident, error)
                await self._either(self._ended, BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
        return None

    async def _settle(self) -> None:
        while self._unsettled and not self.ending:
            self._settled.clear()
            await self._settled.wait()

    def _settle_one(self, move: Move) -> None:
        self._unsettled.discard(move.key)
        self._settled.set()

    def _finished(self, key: str, task: asyncio.Task[object], move: Move | None) -> None:
        self._begun.pop(key, None)
        if move is not None:
            self._settle_one(move)
        if not task.cancelled() and (error := task.exception()):
            logger.error("incident %s: %s broke", self.incident, key, exc_info=error)

    async def _either(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, the end of the run, or so many seconds, whichever is first."""
        waits = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._ended.wait())}
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _fate_in_log(self, message_id: str) -> Fate | None:
        """What the incident itself knows of a page's end: a receipt that never came is no news to the outbox."""
        pages = () if self.seen is None else self.seen["pages"]
        known = next((page for page in pages if page["message_id"] == message_id and page["state"] in FATES), None)
        if known is None:
            return None
        return Fate(message_id, known["state"], known["channel"], failure=known["failure"] or "")

    def _is_final(self, fate: Fate, since: float) -> bool:
        if fate.state == "sent":
            waited = self._loop_time() - since
            return fate.expects_receipt is False or waited > self._pace.receipt_within.total_seconds()
        return fate.state in FATES

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()
