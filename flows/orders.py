"""How a worker is told to stop: by the end of a pipe on its standard input, by a line `stop`, or by a signal.

The worker's event loop runs in a thread of its own. Prefect replaces the SIGTERM handler of the main thread while a
flow lives, and would crash every run; in a thread it cannot.
"""

import asyncio
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STDIN = 0


class Orders:
    """The order to stop, given from any thread, heard in one event loop."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: asyncio.Event | None = None

    def stop(self) -> None:
        """Give the order. A second call does nothing."""
        with self._lock:
            self._given.set()
            if self._loop is not None and self._heard is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._heard.set)

    def heard(self) -> asyncio.Event:
        """The event, in the running loop, that the order sets."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._heard = asyncio.Event()
            if self._given.is_set():
                self._heard.set()
            return self._heard

    @contextmanager
    def taken_from_outside(self) -> Iterator[None]:
        """Obey signals and the pipe on standard input meanwhile. Call it in the main thread."""

        def obey(_signal: int, _frame: FrameType | None) -> None:
            self.stop()

        before = {each: signal.signal(each, obey) for each in (signal.SIGTERM, signal.SIGINT)}
        if _is_pipe(STDIN):
            threading.Thread(target=self._read, name="orders", daemon=True).start()
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _read(self) -> None:
        # os.read and no buffered reader: a thread that holds a buffer's lock breaks the interpreter's exit.
        line = b""
        while chunk := os.read(STDIN, 1024):
            *lines, line = (line + chunk).split(b"\n")
            if any(each.strip() == b"stop" for each in lines):
                break
        self.stop()


def _is_pipe(descriptor: int) -> bool:
    """/dev/null (systemd) and a terminal say nothing when they end; a supervisor's pipe does."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
