"""Who drives what: live runs and the workers behind them. Kept in memory, written through to the database."""

from dataclasses import dataclass, field

from storage.plans import Driver

DEAD_AFTER = 6.0
"""Seconds without a word after which a worker is taken for dead."""
AWAY_ALARM = 600.0
"""Seconds without any worker after which the operators are paged."""


@dataclass(slots=True)
class Presence:
    """Times are monotonic seconds."""

    drivers: dict[str, Driver] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    last_worker_at: float | None = None
    started_at: float = 0.0

    def is_driven(self, incident_id: str) -> bool:
        """Whether a live run of a worker that lives drives this incident."""
        driver = self.drivers.get(incident_id)
        return driver is not None and driver.live and driver.worker in self.seen

    def worker_says(self, worker: str, now: float) -> None:
        self.seen[worker] = now
        self.last_worker_at = now

    def take(self, incident_id: str, driver: Driver) -> None:
        self.drivers[incident_id] = driver

    def leave(self, incident_id: str, epoch: int) -> None:
        driver = self.drivers.get(incident_id)
        if driver is not None and driver.epoch == epoch:
            del self.drivers[incident_id]

    def bury(self, now: float) -> list[str]:
        """Workers that have fallen silent. Their incidents are driven by nobody from now on."""
        dead = [worker for worker, at in self.seen.items() if now - at > DEAD_AFTER]
        for worker in dead:
            del self.seen[worker]
            for incident_id in [key for key, driver in self.drivers.items() if driver.worker == worker]:
                del self.drivers[incident_id]
        return dead

    @property
    def anybody(self) -> bool:
        return bool(self.seen)
