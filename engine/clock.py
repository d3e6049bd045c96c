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

    @property
    def held_back(self) -> float:
        """Seconds by which `now` is ahead of the computer's own clock, because that one was put back."""
        ...


BACKWARDS = 1.0
"""Seconds by which the wall clock may be corrected back without being held."""


class SystemClock:
    """The computer's clock, made steady: it follows a jump forward and refuses one back.

    Deadlines are compared with recorded times. If the wall clock were put back an hour, everything that is due would
    wait an hour; instead time goes on from where it was until the wall clock has caught up.
    """

    def __init__(self) -> None:
        self._wall, self._mono = time.time(), time.monotonic()
        self._held_back = 0.0

    @property
    def held_back(self) -> float:
        return self._held_back

    def now(self) -> datetime:
        wall, mono = time.time(), time.monotonic()
        steady = self._wall + (mono - self._mono)
        self._held_back = steady - wall if wall < steady - BACKWARDS else 0.0
        if self._held_back:
            return from_stamp(steady)
        self._wall, self._mono = wall, mono
        return from_stamp(wall)

    def monotonic(self) -> float:
        return time.monotonic()


def from_stamp(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def random_token(size: int = 16) -> str:
    """An unguessable name: tokens, secrets, claim ids, generated dedup keys. `size` is in bytes."""
    return secrets.token_hex(size)


def random_digits(count: int) -> str:
    """A code that a person reads and types back, such as `048213`."""
    return "".join(secrets.choice("0123456789") for _ in range(count))
