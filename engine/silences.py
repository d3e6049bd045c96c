"""Silences that people make: what they cover is kept, counted and shown, and pages nobody until they end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.book import PlanBook
from engine.clock import Clock
from engine.view import stamp
from incidents.durations import write_duration
from incidents.errors import SignalRefused, UnknownIncident
from runbooks.noise import Maintenance, open_until
from runbooks.noise_checks import unknown_values
from signals.noise import LONGEST_SILENCE, read_matchers
from storage import noise as store
from storage import plans
from storage.database import Database, Tx
from storage.noise import HeldRow, SilenceRow

MOST_SHOWN = 500


class Silences:
    def __init__(self, database: Database, clock: Clock, book: PlanBook) -> None:
        self._database = database
        self._clock = clock
        self._book = book

    async def add(
        self,
        matchers: Sequence[str],
        by: str,
        because: str,
        *,
        until: datetime | None = None,
        lasting: timedelta | None = None,
        even_sev1: bool = False,
        command_id: str | None = None,
    ) -> tuple[str, str]:
        """(name, sentence). It ends `until` a moment or after `lasting`, seven days from now at the latest.

        Raises SignalRefused, naming the field, and nothing has changed. A command id seen before gives the same answer
        again and makes nothing.
        """
        now = self._clock.now()
        ends = _end(until, lasting, now)
        reason = because.strip()
        if not reason:
            raise SignalRefused(["because: Say why: whoever is not paged will ask."])
        try:
            found = read_matchers(matchers)
        except ValueError as error:
            raise SignalRefused([f"matchers: {error}"]) from error
        unknown = [f"matchers: {each}" for each in unknown_values(self._book.plan, found)]
        if unknown:
            raise SignalRefused(unknown)
        covered = [str(each) for each in found]

        def work(tx: Tx) -> tuple[str, str]:
            before = plans.remembered(tx, command_id) if command_id is not None else None
            if before is not None:
                return before
            row = store.add_silence(tx, covered, by, reason, now, ends, even_sev1=even_sev1)
            sentence = f"{row.name} silences {', '.join(covered)} until {ends:%a %d %b %H:%M} UTC. {_WHAT_GOES_ON}"
            if command_id is not None:
                plans.remember(tx, command_id, row.name, sentence, now.timestamp())
            return row.name, sentence

        return await self._database.write(work)

    async def expire(self, name: str, by: str) -> str:
        """End a silence now: what it kept and still fires is heard within a second. Raises UnknownIncident.

        One that has ended stays as it is.
        """
        number, now = number_of(name), self._clock.now()

        def work(tx: Tx) -> str:
            row = store.silence(tx, number)
            if row is None:
                raise UnknownIncident(f"There is no silence S-{number}.")
            if not store.end_silence(tx, number, by, now):
                return f"{row.name} had ended already."
            store.look_again(tx, now, row.name)
            return f"{row.name} is over. What it kept and still fires is heard now."

        return await self._database.write(work)

    async def show(self, *, ended_too: bool = False) -> dict[str, Any]:
        """Silences in force (or the newest ones), the plan's maintenance windows, how many signals each keeps, and the
        signals that are kept, by whatever rule."""
        now, windows = self._clock.now(), self._book.plan.noise.maintenance

        def look(tx: Tx) -> dict[str, Any]:
            rows = store.newest_silences(tx, MOST_SHOWN) if ended_too else store.silences_in_force(tx, now)
            kept = store.held_by(tx)
            return {
                "silences": [silence_view(row, now, kept.get(row.name, (0, 0))) for row in rows],
                "maintenance": [_window_view(each, now, kept) for each in windows],
                "kept": [held_view(row) for row in store.newest_held(tx, MOST_SHOWN)],
                "kept_in_all": sum(store.held_counts(tx).values()),
            }

        return await self._database.read(look)


_WHAT_GOES_ON = "What is an incident already goes on."


def _end(until: datetime | None, lasting: timedelta | None, now: datetime) -> datetime:
    if (until is None) == (lasting is None):
        raise SignalRefused(["until: Say when it ends: until a moment, or for a time. One of the two."])
    ends = until if until is not None else now + (lasting or timedelta(0))
    if ends <= now:
        raise SignalRefused(["until: A silence ends in the future."])
    if ends > now + LONGEST_SILENCE:
        longest = write_duration(LONGEST_SILENCE)
        raise SignalRefused([f"until: A silence lasts {longest} at most; what lasts longer belongs into the plan."])
    return ends


def number_of(name: str) -> int:
    """`S-3`, `s-3` and `3` are the same silence. Raises UnknownIncident."""
    digits = name.strip().upper().removeprefix("S-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise UnknownIncident(f"{name[:40]!r} is no silence such as S-3.")
    return int(digits)


def silence_view(row: SilenceRow, now: datetime, kept: tuple[int, int]) -> dict[str, Any]:
    """One silence as JSON values. `keeps`: signals; `heard`: how often these were heard."""
    state = "ended" if row.ended_at is not None else "expired" if row.until <= now else "in force"
    return {
        "id": row.name,
        "matchers": list(row.matchers),
        "by": row.made_by,
        "because": row.because,
        "made_at": stamp(row.made_at),
        "until": stamp(row.until),
        "even_sev1": row.even_sev1,
        "state": state,
        "ended_at": stamp(row.ended_at),
        "ended_by": row.ended_by,
        "keeps": kept[0],
        "heard": kept[1],
    }


def _window_view(window: Maintenance, now: datetime, kept: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """One maintenance window as JSON values. `open_until` is null while it is closed."""
    keeps, heard = kept.get(f"maintenance:{window.name}", (0, 0))
    return {
        "name": window.name,
        "match": dict(window.match),
        "because": window.because,
        "even_sev1": window.even_sev1,
        "open_until": stamp(open_until(window, now)),
        "keeps": keeps,
        "heard": heard,
    }


def held_view(row: HeldRow) -> dict[str, Any]:
    """One signal that is kept, as JSON values."""
    return {
        "dedup_key": row.key,
        "summary": row.signal.summary,
        "severity": row.severity,
        "outcome": row.outcome,
        "held_by": row.held_by,
        "because": row.words,
        "first_at": stamp(row.first_at),
        "last_at": stamp(row.last_at),
        "count": row.count,
    }
