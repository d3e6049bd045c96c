"""One process under the supervisor: started, started again with backoff, stopped within a bounded time."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.clock import Clock

BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the first, second, ... start after an end; the last one for all further ones."""
SOUND = 60.0
"""Seconds of life after which the next end counts as the first."""
PIPE_BYTES = 1024 * 1024
NOT_STARTED = 127
"""The exit code of what the system could not even start, as shells have it."""

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Spec:
    """What to start. `own_stdout`: it writes to our standard output itself, so that no page waits for the supervisor.

    `stops_by_pipe`: its standard input is a pipe, and the end of it is the order to stop; else SIGTERM is.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    own_stdout: bool = False
    stops_by_pipe: bool = False
    quiet: bool = False
    """Its standard output is decoration; the end of it is told when it fails."""
    grace: float = 8.0
    """Seconds from the order to stop until it is killed."""


class Child:
    """`run` keeps it alive until `stop`. The supervisor hears every line it says through `say(name, line)`."""

    def __init__(self, spec: Spec, say: Say, clock: Clock) -> None:
        self.spec = spec
        self._say = say
        self._clock = clock
        self._running: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._order: int | None = None
        self._decoration: deque[str] = deque(maxlen=20)
        self.ended = asyncio.Event()
        """Set at its first end; `exit_code` then says how."""
        self.exit_code: int | None = None

    @property
    def pid(self) -> int | None:
        return None if self._running is None else self._running.pid

    async def run(self) -> None:
        """Start it, and again whenever it ends, until `stop`."""
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                code = await self._live()
            except OSError as error:
                self._say("up", f"{self.spec.name} could not be started: {error}")
                code = NOT_STARTED
            self.exit_code = code
            self.ended.set()
            if self._stopping.is_set():
                return
            failures = 0 if self._clock.monotonic() - began > SOUND else failures
            delay = BACKOFF[min(failures, len(BACKOFF) - 1)]
            failures += 1
            later = f" in {delay:g} s" if delay else ""
            for line in self._decoration:
                self._say(self.spec.name, line)
            self._say("up", f"{self.spec.name} ended ({_how(code)}); it is started again{later}.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def stop(self) -> None:
        """Order it to stop; kill it when it does not obey within its grace. A second call waits for the same end."""
        self._stopping.set()
        running = self._running
        if running is None or running.returncode is not None:
            return
        self._tell(running)
        try:
            await asyncio.wait_for(running.wait(), self.spec.grace)
        except TimeoutError:
            self._say("up", f"{self.spec.name} did not stop within {self.spec.grace:g} s and is killed.")
        self.kill()
        await running.wait()

    def kill(self) -> None:
        """SIGKILL to it and to whatever it has started."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._running.pid, signal.SIGKILL)

    def _tell(self, running: asyncio.subprocess.Process) -> None:
        if self._order is not None:
            os.close(self._order)
            self._order = None
            return
        with contextlib.suppress(ProcessLookupError):
            running.send_signal(signal.SIGTERM)

    async def _live(self) -> int:
        """One life: from its start to its end. Returns the exit code, negative for a signal."""
        reading, writing = os.pipe()
        # An engine must not wait for a stalled supervisor: its pipe is large, and rather than wait it loses a log line.
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        if self.spec.own_stdout:
            os.set_blocking(writing, False)
        shown, decorating = os.pipe() if self.spec.quiet else (None, None)
        order, self._order = os.pipe() if self.spec.stops_by_pipe else (None, None)
        try:
            running = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=dict(self.spec.env),
                stdin=asyncio.subprocess.DEVNULL if order is None else order,
                stdout=None if self.spec.own_stdout else writing if decorating is None else decorating,
                stderr=writing,
                start_new_session=True,
            )
        except OSError:
            _close(reading, shown, self._order)
            self._order = None
            raise
        finally:
            _close(writing, order, decorating)
        self._running = running
        self._decoration.clear()
        listening = [asyncio.create_task(self._listen(reading, lambda line: self._say(self.spec.name, line)))]
        if shown is not None:
            listening.append(asyncio.create_task(self._listen(shown, self._decoration.append)))
        if self._stopping.is_set():
            self._tell(running)
        code = await running.wait()
        # Whatever it had started may hold the pipe; what is left of it has a moment to be read.
        await asyncio.wait(listening, timeout=1.0)
        for task in listening:
            task.cancel()
        if self._order is not None:
            os.close(self._order)
            self._order = None
        return code

    async def _listen(self, reading: int, hear: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading))
        rest = b""
        try:
            while chunk := await stream.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > PIPE_BYTES:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    hear(line.decode(errors="replace").rstrip("\r"))
            if rest:
                hear(rest.decode(errors="replace"))
        finally:
            transport.close()


def _close(*descriptors: int | None) -> None:
    for each in descriptors:
        if each is not None:
            os.close(each)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
