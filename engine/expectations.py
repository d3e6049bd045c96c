"""When something is not heard again by a time, then …: what time alone brings between the intake and an incident.

- A signal with an end (`Signal.ends_at`) that was not repeated has recovered (`open_keys.ends_at`, `held.ends_at`).
- A heartbeat that stays away is a signal; one that beats again recovers it (`heartbeats`).
- A kept signal whose silence is over, or whose alert has recovered, is heard (`held.look_at`).
- A key that flapped and is quiet, and a storm that is over, are said to be.

A companion of the engine: it looks once a second, in small works of their own. After a start, and after a full disk,
senders are given time to repeat what found nobody.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine.book import PlanBook
from engine.clock import Clock
from engine.intake import Heard, Intake
from engine.view import stamp
from incidents.errors import Overloaded, TocsinError
from signals.heartbeats import Heartbeat
from signals.noise import REMEMBERED, is_calm, is_quiet
from storage import keys
from storage import noise as store
from storage.database import Database, DatabaseError, Tx

log = logging.getLogger("tocsin.expectations")

EVERY = 1.0
"""Seconds between two looks."""
AT_ONCE = 25
"""Signals in one work: it holds up the loop while it runs."""
PATIENCE = timedelta(minutes=2)
"""After a start: until then a signal that was heard before it may be repeated late."""
LATER = timedelta(minutes=1)
"""A kept signal that cannot be heard is tried again then."""
CLEAR_EVERY = timedelta(hours=1)
GROUPS_KEPT, SILENCES_KEPT = timedelta(days=2), timedelta(days=90)

Work = Callable[[Tx, datetime], list[Heard]]


class Resident(Protocol):
    """What this needs of the engine around it."""

    clock: Clock
    database: Database
    book: PlanBook
    intake: Intake

    def take(self, heard: Sequence[Heard]) -> None: ...

    async def answer_for(self, sender: str, heard: Sequence[Heard]) -> None: ...


class Expectations:
    def __init__(self, engine: Resident) -> None:
        self._engine = engine
        self._since = engine.clock.now()
        """Since when we have listened without a gap."""
        self._look_at_all = True
        self._cleared_at: datetime | None = None
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- life ---

    def start(self) -> None:
        self._since = self._engine.clock.now()
        self._task = asyncio.create_task(self._run(), name="expectations")

    async def stop(self) -> None:
        """A second call does nothing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def nudge(self) -> None:
        """Look now."""
        self._nudged.set()

    def follow_plan(self) -> None:
        """Another plan is in force: everything that is kept is looked at."""
        self._look_at_all = True
        self._nudged.set()

    async def _run(self) -> None:
        while True:
            self._nudged.clear()
            try:
                await self.look()
            except (TocsinError, DatabaseError) as error:
                log.error("not looked at what is overdue; again in %s s error=%s", EVERY, error)
            except Exception:
                log.exception("not looked at what is overdue; again in %s s", EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._nudged.wait()

    async def look(self) -> None:
        """Do everything that is due now."""
        engine = self._engine
        now = engine.clock.now()
        if engine.database.disk_full:
            self._since = now  # signals are refused: nobody can be blamed for silence
            return
        if self._look_at_all:
            if engine.database.read_now(store.holds_anything):
                await engine.database.write(lambda tx: store.look_again(tx, now))
            self._look_at_all = False
        await self._clear(now)
        expected = bool(engine.book.plan.heartbeats)
        if not expected and not engine.database.read_now(lambda tx: store.anything_due(tx, now)):
            return
        works: tuple[Work, ...] = (
            self.recover_ended,
            self.settle_flapping,
            self.hear_kept,
            self.miss_heartbeats,
            self.end_storms,
        )
        for work in works:
            await self._finish(work, now)

    async def _clear(self, now: datetime) -> None:
        if self._cleared_at is None:
            self._cleared_at = now  # not at the start, which has more urgent things to write
        elif now - self._cleared_at >= CLEAR_EVERY:
            self._cleared_at = now
            before = now - REMEMBERED, now - GROUPS_KEPT, now - SILENCES_KEPT
            await self._engine.database.write(lambda tx: store.clear(tx, *before))

    async def _finish(self, work: Work, now: datetime) -> None:
        """One kind of work, part by part, until nothing of it is left."""
        engine = self._engine
        while True:
            heard = await engine.database.write(lambda tx: work(tx, now))
            if not heard:
                return
            engine.take(heard)
            with contextlib.suppress(Overloaded):  # there is no sender to ask again
                await engine.answer_for("kept-signals", heard)
            if len(heard) < AT_ONCE:
                return

    # --- the works: each does at most AT_ONCE and says what became of them ---

    def recover_ended(self, tx: Tx, now: datetime) -> list[Heard]:
        """What was not repeated in time has recovered."""
        since, patience = self._since, self._since + PATIENCE
        because = "not repeated by its sender in time, which means that it recovered"
        kept = [each.key for each in store.held_that_ended(tx, now, since, patience, AT_ONCE)]
        stamps = now.timestamp(), since.timestamp(), patience.timestamp()
        ended = [*kept, *keys.ended(tx, *stamps, AT_ONCE - len(kept))]
        return [self._engine.intake.recover(tx, key, because, now) for key in dict.fromkeys(ended)]

    def settle_flapping(self, tx: Tx, now: datetime) -> list[Heard]:
        """What flapped and has been quiet is what its sender said last."""
        rule, stamp = self._engine.book.plan.noise.flapping, now.timestamp()
        quiet = [
            key for key, known in keys.flapping(tx).items() if rule is None or is_quiet(known.changes, stamp, rule)
        ]
        return [self._engine.intake.settle(tx, key, now) for key in quiet[:AT_ONCE]]

    def hear_kept(self, tx: Tx, now: datetime) -> list[Heard]:
        """Kept signals whose reason may have gone."""
        heard = []
        for row in store.held_to_look_at(tx, now, AT_ONCE):
            heard.append(self._engine.intake.look_again(tx, row, now))
            if heard[-1].outcome == "failed":
                store.look_later(tx, row.key, now + LATER)
        return heard

    def miss_heartbeats(self, tx: Tx, now: datetime) -> list[Heard]:
        """Heartbeats that stay away, and those that the plan no longer has."""
        planned = {each.name: each for each in self._engine.book.plan.heartbeats}
        rows = store.heartbeats(tx)
        heard = []
        for name in rows.keys() - planned.keys():
            store.forget_heartbeat(tx, name)
            if rows[name].state != "ok":
                heard.append(self._engine.intake.recover(tx, f"heartbeat:{name}", "the plan has it no longer", now))
        for name, beat in planned.items():
            row = rows.get(name)
            if row is None:
                store.expect(tx, name, beat.due_after(now), now)
            elif self.due(beat, row) <= now and len(heard) < AT_ONCE:
                heard += self._engine.intake.hear(tx, beat.sender(), [beat.missing(row.heard_at)], now)
                store.miss(tx, name, beat.again_after(now), now)
        return heard

    def end_storms(self, tx: Tx, now: datetime) -> list[Heard]:
        """Storms that are over; each of their incidents says so."""
        rule = self._engine.book.plan.noise.storm
        heard: list[Heard] = []
        for sender, rush in store.storms(tx).items():
            if rule is None or is_calm(rush, now, rule):
                heard += self._engine.intake.end_storm(tx, sender, now)
        return heard

    # --- heartbeats ---

    def due(self, beat: Heartbeat, row: store.HeartbeatRow) -> datetime:
        """When this heartbeat is missing, or when it is said again that it is."""
        if row.state == "missing":
            return row.due_at
        return beat.due(beat.due_after(row.heard_at or row.since), row.heard_at, self._since)

    async def beat(self, beat: Heartbeat, *, fails: bool = False, words: str = "") -> str:
        """It was heard: well, or saying that it fails. The sentence says what that means. Raises Overloaded."""
        now = self._engine.clock.now()

        def work(tx: Tx) -> list[Heard]:
            row = store.heartbeat(tx, beat.name)
            store.beat(tx, beat.name, "failing" if fails else "ok", beat.due_after(now), now)
            if fails:
                return self._engine.intake.hear(tx, beat.sender(), [beat.failing(words)], now)
            if row is not None and row.state != "ok":
                return self._engine.intake.hear(tx, beat.sender(), [beat.beats_again()], now)
            return []

        heard = await self._engine.database.write(work, droppable=True)
        self._engine.take(heard)
        await self._engine.answer_for(beat.dedup_key, heard)
        if fails:
            return f"{beat.name} fails."
        return f"{beat.name} is well; the next beat is due by {beat.due_after(now):%H:%M:%S} UTC."

    async def show(self) -> list[dict[str, Any]]:
        """Every heartbeat of the plan as JSON values: its state, when it was heard, when it is due."""
        rows = await self._engine.database.read(store.heartbeats)
        return [self._view(each, rows.get(each.name)) for each in self._engine.book.plan.heartbeats]

    def _view(self, beat: Heartbeat, row: store.HeartbeatRow | None) -> dict[str, Any]:
        return {
            "name": beat.name,
            "state": "ok" if row is None else row.state,
            "since": None if row is None else stamp(row.since),
            "heard_at": None if row is None else stamp(row.heard_at),
            "due_at": None if row is None else stamp(beat.due_after(row.heard_at or row.since)),
            "beats": 0 if row is None else row.beats,
            "every": beat.every.total_seconds(),
            "grace": beat.grace.total_seconds(),
            "situation": beat.situation,
        }
