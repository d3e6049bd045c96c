"""Heartbeat (dead-man) monitors: something that reports while it is well. Silence is the alarm. Pure."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import StringConstraints

from incidents.durations import Duration, write_duration
from incidents.ids import SituationCode, Slug
from incidents.model import Frozen
from incidents.severity import Severity
from signals.integration import Integration, Route
from signals.signal import Signal

SENDER = "heartbeat"
"""The integration that speaks for a heartbeat that is missing."""
LONGEST_PATIENCE = timedelta(minutes=10)
"""After a start, at most so much of `every` is waited for again."""
AGAIN = (timedelta(minutes=1), timedelta(hours=1))
"""A heartbeat that stays away is said again every so often: `every`, within these."""

State = Literal["ok", "missing", "failing"]


class Heartbeat(Frozen):
    """Beats come to `/webhooks/heartbeat/{key}`, by GET or POST. One that stays away for longer than `every` and
    `grace` is a signal of its situation; the next beat recovers it."""

    name: Slug
    key: Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
    every: Duration
    grace: Duration = timedelta(minutes=1)
    situation: SituationCode
    severity: Severity | None = None
    """Default: the situation's."""

    @property
    def dedup_key(self) -> str:
        return f"{SENDER}:{self.name}"

    def sender(self) -> Integration:
        route = Route(situation=self.situation, severity=self.severity)
        return Integration(name=SENDER, kind="signals", key=self.key, routes=(route,))

    def due_after(self, heard_at: datetime) -> datetime:
        """When the next beat is missing, after one at `heard_at`."""
        return heard_at + self.every + self.grace

    def due(self, due_at: datetime, heard_at: datetime | None, listening_since: datetime) -> datetime:
        """When it is missing, by an engine that has listened since then: beats before may have found nobody."""
        if heard_at is not None and heard_at >= listening_since:
            return due_at
        return max(due_at, listening_since + min(self.every, LONGEST_PATIENCE) + self.grace)

    def again_after(self, now: datetime) -> datetime:
        """When it is said again that it is missing."""
        return now + min(max(self.every, AGAIN[0]), AGAIN[1])

    def missing(self, heard_at: datetime | None) -> Signal:
        last = "was never heard" if heard_at is None else f"was last heard at {heard_at:%d %b %H:%M:%S} UTC"
        return self._signal("trigger", f"Heartbeat {self.name} is missing: it {last}, {self._expected}")

    def failing(self, words: str) -> Signal:
        return self._signal("trigger", f"Heartbeat {self.name} says that it fails{': ' if words else ''}{words}")

    def beats_again(self) -> Signal:
        return self._signal("resolve", f"Heartbeat {self.name} is heard again")

    @property
    def _expected(self) -> str:
        return f"expected every {write_duration(self.every)}"

    def _signal(self, action: Literal["trigger", "resolve"], summary: str) -> Signal:
        return Signal(action, self.name, summary, SENDER, labels={"heartbeat": self.name})
