"""A real Prefect server of our own on a free port, started as the supervisor starts it, ended by its pid."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.server import prefect_api_url, prefect_server_command

READY_WITHIN = 90
"""Seconds; 11-16 on an idle machine."""


class PrefectServer:
    """`prefect server start` with its own home. `kill` and `start` may alternate: the database stays."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.api_url = prefect_api_url(self.port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers."""
        argv, env = prefect_server_command(self.home, self.port, os.environ)
        Path(env["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
        with (self.home / "prefect-server.log").open("ab") as log:
            self._process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            assert self._process.poll() is None, (self.home / "prefect-server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"no Prefect server within {READY_WITHIN} s"
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. A second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api_url}/health", timeout=2) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.URLError):
            return False


@contextmanager
def a_prefect_server(home: Path) -> Iterator[PrefectServer]:
    server = PrefectServer(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port from 20000 to 29999 that nobody listens on, below the range from which the kernel hands ports out."""
    first = 20000 + os.getpid() * 37 % 9000
    for port in range(first, 30000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port between 20000 and 29999")
