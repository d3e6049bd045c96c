"""How fast one phone may ring: limits a phone, and several incidents in one message instead of a volley. Pure.

A first page, of an incident to somebody who has not been reached in it, is never held up and never bundled: whatever
else that phone has been sent, a *different* incident's first page leaves at once. Pages after it may be told together.
Only a page that says again what the same calling has said before is held up: a ladder never waits for a limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.compose import FOLLOW_UP, REPEAT
from storage.outbox import OutboxRow


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` messages to one address in `seconds`."""

    most: int
    seconds: float


LIMITS: Mapping[str, Limit] = {"sms": Limit(6, 300.0), "voice": Limit(6, 300.0)}
"""For pages after the first, so that a plan's voice call each minute fits, and a storm does not."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What to do with waiting rows: send alone, tell together, or hold until a moment."""

    alone: tuple[OutboxRow, ...]
    together: tuple[tuple[OutboxRow, ...], ...]
    later: tuple[tuple[OutboxRow, float], ...]


def is_paced(row: OutboxRow) -> bool:
    return row.kind == "page" and row.escalation is not None and row.channel in LIMITS and row.priority >= FOLLOW_UP


def pace(waiting: Sequence[OutboxRow], history: Mapping[tuple[str, str], Sequence[float]], now: float) -> Paced:
    """`history` has, by (channel, address), when messages left for it within the longest limit, oldest first."""
    alone: list[OutboxRow] = []
    # Two people may share a telephone, and a drill is never told as if it were real.
    groups: dict[tuple[str, str, str, str, bool], list[OutboxRow]] = {}
    for row in waiting:
        if is_paced(row):
            groups.setdefault((row.channel, row.address, row.provider or "", row.contact, row.drill), []).append(row)
        else:
            alone.append(row)
    together: list[tuple[OutboxRow, ...]] = []
    later: list[tuple[OutboxRow, float]] = []
    for (channel, address, *_), rows in groups.items():
        free_at = _free_at(LIMITS[channel], history.get((channel, address), ()), now)
        held = [row for row in rows if free_at > now and row.priority >= REPEAT]
        later.extend((row, free_at) for row in held)
        plain, several = _split([row for row in rows if row not in held])
        alone.extend(plain)
        if several:
            together.append(several)
    return Paced(tuple(alone), tuple(together), tuple(later))


def _split(rows: Sequence[OutboxRow]) -> tuple[list[OutboxRow], tuple[OutboxRow, ...]]:
    """Questions, and calls about something overdue, say what nothing else says; rounds of several incidents do not."""
    rounds = [row for row in rows if (row.escalation or "").isdigit()]
    if len({row.incident_id for row in rounds}) < 2:
        return list(rows), ()
    return [row for row in rows if row not in rounds], tuple(sorted(rounds, key=lambda row: row.priority))


def _free_at(limit: Limit, left: Sequence[float], now: float) -> float:
    # What left "later" than now left before the clock was put right.
    recent = [at for at in left if now - limit.seconds < at <= now]
    return now if len(recent) < limit.most else recent[-limit.most] + limit.seconds
