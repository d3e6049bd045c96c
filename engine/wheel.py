"""Who drives: workers that live, the run that holds an incident, the moves it asks for."""

from collections.abc import Callable
from typing import Any

from engine.clock import Clock
from engine.door import Change, Door, Performed
from engine.presence import Presence
from incidents.errors import StaleDriver
from incidents.state import Incident
from runbooks.moves import Moves
from storage import log as incident_log
from storage import plans
from storage.database import Database, Tx


class Wheel:
    """What workers ask of the engine. Presence is kept in memory at once; rows are for other engines and a restart."""

    def __init__(
        self, database: Database, door: Door, presence: Presence, clock: Clock, publish: Callable[[Change], None]
    ) -> None:
        self.database = database
        self.door = door
        self.presence = presence
        self.clock = clock
        self.publish = publish

    async def worker_says(self, worker: str, pid: int) -> None:
        """A worker lives. Kept in memory at once; the row is for other engines."""
        fresh = worker not in self.presence.seen
        self.presence.worker_says(worker, self.clock.monotonic())
        if fresh:
            now = self.clock.now().timestamp()
            await self.database.write(lambda tx: plans.seen(tx, worker, pid, now))

    async def take_wheel(self, incident_id: str, worker: str, run: str) -> plans.Driver:
        def work(tx: Tx) -> plans.Driver:
            self.door.load(tx, incident_id)
            return plans.take_wheel(tx, incident_id, worker, run)

        driver = await self.database.write(work)
        self.presence.take(incident_id, driver)
        return driver

    async def leave_wheel(self, incident_id: str, epoch: int) -> None:
        await self.database.write(lambda tx: plans.leave_wheel(tx, incident_id, epoch))
        self.presence.leave(incident_id, epoch)

    async def moves(self, incident_id: str) -> tuple[Incident, Moves]:
        return await self.database.write(lambda tx: self.door.due(tx, incident_id, self.clock.now()))

    async def perform(self, incident_id: str, epoch: int, key: str) -> list[Performed]:
        """Make one due move for the run that drives. Raises StaleDriver for any other run."""
        now = self.clock.now()

        def work(tx: Tx) -> Change:
            driver = plans.driver_of(tx, incident_id)
            if driver is None or driver.epoch != epoch or not driver.live:
                raise StaleDriver(f"Another run drives {incident_id} now.")
            return self.door.perform_due(tx, incident_id, "flow", now, key)

        change = await self.database.write(work)
        self.publish(change)
        return change.performed

    async def work(self, limit: int) -> list[dict[str, Any]]:
        """Open incidents with a move due within 2 s and no live run, worst first."""
        horizon = self.clock.now().timestamp() + 2.0

        def read(tx: Tx) -> list[dict[str, Any]]:
            rows = incident_log.due_rows(tx, horizon, limit * 4)
            found = []
            for row in rows:
                if self.presence.is_driven(row.id):
                    continue
                driver = plans.driver_of(tx, row.id)
                found.append(
                    {
                        "incident": row.id,
                        "severity": row.severity,
                        "situation": row.situation,
                        "drill": row.drill,
                        "title": row.title,
                        "due_at": row.next_due_at,
                        "runs": 0 if driver is None else driver.runs,
                    }
                )
            return found[:limit]

        return self.database.read_now(read)
