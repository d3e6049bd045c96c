"""What changed, for those who wait: a sequence of incident ids. A hint; the truth is in the log."""

import asyncio
import contextlib
from collections import OrderedDict

_REMEMBERED = 10_000


class Feed:
    def __init__(self) -> None:
        self._sequence = 0
        self._changed: OrderedDict[str, int] = OrderedDict()
        self._waiters: set[asyncio.Event] = set()
        self._closed = False

    @property
    def sequence(self) -> int:
        return self._sequence

    def changed(self, incident_id: str) -> None:
        self._sequence += 1
        self._changed[incident_id] = self._sequence
        self._changed.move_to_end(incident_id)
        if len(self._changed) > _REMEMBERED:
            self._changed.popitem(last=False)
        for waiter in self._waiters:
            waiter.set()

    def close(self) -> None:
        """Whoever waits is answered now, and nobody waits any more: the engine is leaving."""
        self._closed = True
        for waiter in self._waiters:
            waiter.set()

    def since(self, after: int) -> list[str]:
        return [incident_id for incident_id, at in self._changed.items() if at > after]

    async def wait(self, after: int, seconds: float) -> tuple[int, list[str]]:
        """The ids that changed after `after`; waits up to `seconds` for the first. An empty list is an answer.

        An `after` beyond our own number was counted by an engine that has ended: everything is news to whoever says it.
        """
        if after > self._sequence:
            return self._sequence, self.since(0)
        if self._sequence == after and not self._closed:
            waiter = asyncio.Event()
            self._waiters.add(waiter)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):  # not wait_for: it can swallow a cancellation
                        await waiter.wait()
            finally:
                self._waiters.discard(waiter)
        return self._sequence, self.since(after)
