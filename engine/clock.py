"""The only place that reads a clock or draws a random number."""

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC wall time."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward; for durations inside one process."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def from_stamp(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def random_token(size: int = 16) -> str:
    """An unguessable name: tokens, secrets, claim ids, generated dedup keys. `size` is in bytes."""
    return secrets.token_hex(size)
