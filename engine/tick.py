"""The engine's own driver: every move whose time has come and that no live run makes; and a watch over the engine."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol

import aiohttp

from engine.clock import Clock, from_stamp
from engine.door import Change, Door, Unreadable
from engine.pager import Pager
from engine.presence import AWAY_ALARM, Presence
from incidents import events as e
from incidents.errors import TocsinError, UnknownIncident
from incidents.state import Incident
from storage import log as incident_log
from storage import outbox, plans
from storage.database import Database, DatabaseError, Tx

log = logging.getLogger("tocsin.tick")

LOOK_EVERY = 0.1
"""Seconds between two looks at the clock; a due page is claimed within 0.5 s of its time (invariant 2)."""
BATCH = 100
WATCH_EVERY = 1.0
ALIVE_EVERY = 10.0
AWAY_WORTH_TELLING = 60.0
JUMP = 5.0
HEARTBEAT_EVERY = 30.0
LATE_TICK, LATE_PAGE = 2.0, 10.0


class Resident(Protocol):
    """What the tick needs of the engine around it."""

    clock: Clock
    database: Database
    door: Door
    pager: Pager
    presence: Presence

    @property
    def heartbeat_url(self) -> str | None: ...

    def publish(self, change: Change) -> None: ...

    async def page_operators(self, subject: str, sentence: str) -> None: ...

    async def set_aside(self, incident_id: str, because: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """The clocks at one look: `wall` as Tocsin goes by it, `held_back` what it refused of the computer's."""

    wall: float
    mono: float
    held_back: float

    @classmethod
    def by(cls, clock: Clock) -> "_Seen":
        return cls(clock.now().timestamp(), clock.monotonic(), clock.held_back)

    def jump_until(self, now: "_Seen") -> float:
        """Seconds by which the computer's wall clock jumped since."""
        ours = (now.wall - self.wall) - (now.mono - self.mono)
        return ours - (now.held_back - self.held_back)


class Tick:
    def __init__(self, engine: Resident) -> None:
        self._engine = engine
        self._nudged = asyncio.Event()
        self._not_before: dict[str, float] = {}
        self.last_look_at = engine.clock.monotonic()

    def nudge(self) -> None:
        self._nudged.set()

    async def run(self) -> None:
        """Until cancelled: perform what is due, then wait for a nudge or the next look."""
        while True:
            self._nudged.clear()
            self.last_look_at = self._engine.clock.monotonic()
            try:
                busy = await self._perform_due()
            except (TocsinError, DatabaseError) as error:
                log.error("due moves cannot be read error=%s", error)
                busy = False
            if not busy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):  # not wait_for: it can swallow a cancellation
                        await self._nudged.wait()

    async def _perform_due(self) -> bool:
        engine = self._engine
        now = engine.clock.now()
        stamp = now.timestamp()
        rows = engine.database.read_now(lambda tx: incident_log.due_incidents(tx, stamp, BATCH * 4))
        due = [incident_id for incident_id, _ in rows if self._not_before.get(incident_id, 0.0) <= stamp][:BATCH]
        if not due:
            return False
        results = await asyncio.gather(*(self._one(incident_id, now) for incident_id in due))
        return any(results)

    async def _one(self, incident_id: str, now: datetime) -> bool:
        """One incident in its own try: a bad log stops no other (architecture.md, "Poison")."""
        engine = self._engine
        try:
            change = await engine.database.write(lambda tx: engine.door.perform_due(tx, incident_id, "engine", now))
        except Unreadable as error:
            await engine.set_aside(incident_id, str(error))
            return False
        except UnknownIncident:
            return False
        except (TocsinError, DatabaseError) as error:
            log.error("tick failed incident=%s error=%s", incident_id, error)
            return False
        except Exception as error:
            log.exception("incident cannot be folded incident=%s", incident_id)
            await engine.set_aside(incident_id, f"{type(error).__name__}: {error}")
            return False
        engine.publish(change)
        self._leave_to_driver(incident_id, change, now)
        return bool(change.performed)

    def _leave_to_driver(self, incident_id: str, change: Change, now: datetime) -> None:
        """What is due but left to a live run is looked at again when the engine's own time for it comes."""
        if change.moves.due:
            self._not_before[incident_id] = now.timestamp() + 0.1
        else:
            self._not_before.pop(incident_id, None)

    # --- watching ---

    async def watch(self) -> None:
        """Every second: silent workers, expired claims, the disk, the clock; every 10 s a sign of life."""
        seen = _Seen.by(self._engine.clock)
        self._alive_at = self._beat_at = seen.mono
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                await asyncio.sleep(WATCH_EVERY)
                now = _Seen.by(self._engine.clock)
                try:
                    await self._watch_once(session, seen, now)
                except (TocsinError, DatabaseError) as error:
                    log.error("the watch met trouble error=%s", error)
                seen = now

    async def _watch_once(self, session: aiohttp.ClientSession, before: "_Seen", now: "_Seen") -> None:
        engine = self._engine
        await self._clock_jump(before.jump_until(now))
        await self._bury(now.mono)
        await engine.pager.sweep()
        engine.database.room_again()
        await self._disk_alarm()
        if now.mono - self._alive_at >= ALIVE_EVERY:
            self._alive_at = now.mono
            await self._sign_of_life(now.wall)
        if engine.heartbeat_url is not None and now.mono - self._beat_at >= HEARTBEAT_EVERY:
            self._beat_at = now.mono
            await self._heartbeat(session, engine.heartbeat_url, now.wall)

    _alive_at = 0.0
    _beat_at = 0.0

    async def _bury(self, now: float) -> None:
        engine = self._engine
        for worker in engine.presence.bury(now):
            log.warning("worker fell silent worker=%s", worker)
            dropped = await engine.database.write(partial(_drop_drivers, worker))
            for incident_id in dropped:
                self._not_before.pop(incident_id, None)
        last = engine.presence.last_worker_at
        if engine.presence.anybody:
            self._told_about_prefect = False
        elif last is not None and now - last > AWAY_ALARM and not self._told_about_prefect:
            self._told_about_prefect = True
            since = from_stamp(engine.clock.now().timestamp() - (now - last))
            await engine.page_operators(
                f"prefect-away-{since:%Y%m%d%H%M}", f"Prefect is away since {since:%H:%M} UTC; the engine performs."
            )

    async def _disk_alarm(self) -> None:
        engine = self._engine
        if engine.database.disk_full and not self._told_about_disk:
            self._told_about_disk = True
            day = engine.clock.now()
            await engine.page_operators(f"disk-{day:%Y%m%d%H%M}", "The disk is full: signals are refused, pages go on.")
        elif not engine.database.disk_full:
            self._told_about_disk = False

    _told_about_disk = False
    _told_about_prefect = False

    async def _clock_jump(self, jumped: float) -> None:
        """A jump of wall against monotonic time is recorded in every open incident."""
        if abs(jumped) <= JUMP:
            return
        log.warning("clock jumped seconds=%.1f", jumped)
        seconds = Decimal(f"{jumped:.1f}")
        await self._to_all_open(
            lambda incident, at: [e.ClockJumped(at=_after(incident, at), by="engine", seconds=seconds)]
        )

    async def note_absence(self) -> None:
        """At start: if Tocsin was away for a minute or more, every open incident says so, with what was not done."""
        engine = self._engine
        said = engine.database.read_now(lambda tx: plans.get_meta(tx, "alive_at"))
        now = engine.clock.now()
        await engine.database.write(lambda tx: plans.set_meta(tx, "alive_at", str(now.timestamp())))
        if said is None or now.timestamp() - float(said) < AWAY_WORTH_TELLING:
            return
        since = from_stamp(float(said))
        await self._to_all_open(
            lambda incident, at: [
                e.EngineWasAway(
                    at=_after(incident, at), by="engine", since=since, until=at, skipped=_skipped(incident, since, at)
                )
            ]
        )

    async def _to_all_open(self, make: Callable[[Incident, datetime], list[e.Event]]) -> None:
        engine = self._engine
        now = engine.clock.now()
        for incident_id in engine.database.read_now(incident_log.open_ids):
            try:
                change = await self._append(incident_id, make, now)
            except Unreadable as error:
                await engine.set_aside(incident_id, str(error))
                continue
            except UnknownIncident:
                continue
            except Exception as error:
                log.exception("incident cannot be folded incident=%s", incident_id)
                await engine.set_aside(incident_id, f"{type(error).__name__}: {error}")
                continue
            engine.publish(change)

    async def _append(
        self, incident_id: str, make: Callable[[Incident, datetime], list[e.Event]], now: datetime
    ) -> Change:
        engine = self._engine
        return await engine.database.write(
            lambda tx: engine.door.append(tx, incident_id, lambda incident: make(incident, now), now)
        )

    async def _sign_of_life(self, now: float) -> None:
        await self._engine.database.write(lambda tx: plans.set_meta(tx, "alive_at", str(now)))

    # --- the outside watch ---

    def healthy(self) -> str | None:
        """Why no heartbeat may be sent now, or None: ticks are on time and no due page is older than 10 s."""
        engine = self._engine
        if engine.clock.monotonic() - self.last_look_at > LATE_TICK:
            return "the tick is late"
        oldest = engine.database.read_now(outbox.oldest_due)
        if oldest is not None and engine.clock.now().timestamp() - oldest > LATE_PAGE:
            return "a due page waits for more than 10 s"
        return None

    async def _heartbeat(self, session: aiohttp.ClientSession, url: str, _: float) -> None:
        why_not = self.healthy()
        if why_not is not None:
            log.error("no heartbeat sent because=%s", why_not)
            return
        try:
            async with session.get(url) as response:
                if response.status >= 400:
                    log.warning("heartbeat refused status=%d", response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("heartbeat failed error=%s", error)


def _drop_drivers(worker: str, tx: Tx) -> list[str]:
    return plans.drop_drivers_of(tx, worker)


def _after(incident: Incident, at: datetime) -> datetime:
    return at if incident.last_event_at is None else max(at, incident.last_event_at)


def _skipped(incident: Incident, since: datetime, until: datetime) -> tuple[str, ...]:
    """What should have happened while Tocsin was away and will not be made up for, one line a kind."""
    found = []
    if incident.next_update_by is not None and since < incident.next_update_by <= until:
        found.append(f"the update promised for {incident.next_update_by:%H:%M} UTC was not chased")
    overdue = [step.id for step in incident.steps.values() if step.ended_at is None and since < step.due_at <= until]
    if overdue:
        found.append(f"nobody was paged when these steps came due: {', '.join(overdue)}")
    if incident.live_round is not None:
        found.append("rungs and repeats that came due meanwhile: one is paged now, the rest in their turn")
    return tuple(found)
