"""The programs that are measured, as processes on loopback; each is ended by its own pid."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.server import prefect_server_command

ROOT = Path(__file__).resolve().parents[1]
PLAN = ROOT / "bench" / "plan"
_PORTS = range(20000, 29999)
_given: set[int] = set()

PROGRAM = str(Path(sys.executable).with_name("tocsin"))


def free_port() -> int:
    """A port on loopback that nothing listens on, and that was not given before."""
    start = os.getpid() * 37 % len(_PORTS)
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port between 20000 and 29999")


def get(url: str, token: str | None = None) -> bytes:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2) as answer:
        body: bytes = answer.read()
        return body


class Process:
    """A child with its own log file. `nice` is added to ours."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None, nice: int = 0) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        if nice:
            command = ["nice", "-n", str(nice), *command]
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=env or dict(os.environ), cwd=ROOT
            )
        self.log = log

    @property
    def pid(self) -> int:
        return self._child.pid

    async def until(self, true: Callable[[], object], what: str, seconds: float, every: float = 0.05) -> float:
        """Ask until it is true; how long that took. Raises RuntimeError with the end of the log."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self._child.poll() is not None:
                break
            try:
                if await asyncio.to_thread(true):
                    return time.monotonic() - began
            except (OSError, ValueError):
                pass
            await asyncio.sleep(every)
        raise RuntimeError(f"{what}: not within {seconds} s\n{self.log.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._child.wait()

    async def end(self) -> None:
        """Ask it to stop; insist after ten seconds."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                await asyncio.to_thread(self._child.wait, 10)
            except subprocess.TimeoutExpired:
                self.kill()

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


class Tocsin:
    """One engine on one home. `start` may be called again after `kill`."""

    name = "Tocsin"

    def __init__(self, home: Path, receiver: int) -> None:
        self.home = home
        self.port = free_port()
        self._receiver = receiver
        self.process: Process | None = None

    @property
    def running(self) -> Process:
        if self.process is None:
            raise RuntimeError("the engine is not running")
        return self.process

    async def start(self) -> float:
        """Seconds from the process's start until /readyz answers 200."""
        env = dict(os.environ) | {
            "TOCSIN_HOME": str(self.home),
            "TOCSIN_PLAN": str(PLAN),
            "TOCSIN_PORT": str(self.port),
            "TOCSIN_PUBLIC_URL": "http://127.0.0.1:1",
            "TOCSIN_TWILIO__ACCOUNT_SID": "AC" + "0" * 32,
            "TOCSIN_TWILIO__AUTH_TOKEN": "0" * 32,
            "TOCSIN_TWILIO__FROM_NUMBER": "+12025550100",
            "TOCSIN_TWILIO__BASE_URL": f"http://127.0.0.1:{self._receiver}",
        }
        self.process = Process([PROGRAM, "engine"], self.home.with_suffix(".log"), env)
        url = f"http://127.0.0.1:{self.port}/readyz"
        return await self.process.until(lambda: get(url), "the engine", 30, every=0.01)

    async def status(self) -> dict[str, Any]:
        token = (self.home / "token").read_text().strip()
        found: dict[str, Any] = json.loads(
            await asyncio.to_thread(get, f"http://127.0.0.1:{self.port}/api/v1/status", token)
        )
        return found


class Alertmanager:
    """Debian's, with every alert a group of its own and no waiting."""

    name = "Alertmanager"

    def __init__(self, home: Path, receiver: int) -> None:
        self.home = home
        self.port = free_port()
        self._receiver = receiver
        self.process: Process | None = None

    @property
    def running(self) -> Process:
        if self.process is None:
            raise RuntimeError("Alertmanager is not running")
        return self.process

    async def start(self) -> float:
        self.home.mkdir(parents=True, exist_ok=True)
        config = self.home / "alertmanager.yml"
        config.write_text(
            "route: {receiver: bench, group_by: [alertname, n], group_wait: 0s, group_interval: 5m}\n"
            "receivers:\n- name: bench\n  webhook_configs:\n"
            f"  - {{url: 'http://127.0.0.1:{self._receiver}/alertmanager', send_resolved: false}}\n"
        )
        command = [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={self.home}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        self.process = Process(command, self.home.with_suffix(".log"))
        return await self.process.until(lambda: get(f"http://127.0.0.1:{self.port}/-/ready"), "Alertmanager", 30)


class Prefect:
    """The Prefect server and one worker for the engine of `home`, as `tocsin up` runs them: at nice 10."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self._server: Process | None = None
        self._worker: Process | None = None

    async def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        argv, env = prefect_server_command(self.home, self.port, os.environ)
        self._server = Process(argv, self.home.with_name("prefect-server.log"), env, nice=10)
        await self._server.until(lambda: get(f"http://127.0.0.1:{self.port}/api/health"), "Prefect", 90, every=0.5)

    async def work_for(self, tocsin: Tocsin) -> None:
        """A worker for this engine; returns when the engine has heard of it."""
        await self.rest()
        env = dict(os.environ) | {
            "TOCSIN_HOME": str(tocsin.home),
            "TOCSIN_PLAN": str(PLAN),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
        }
        self._worker = Process([PROGRAM, "worker"], self.home.with_name("worker.log"), env, nice=10)
        end = time.monotonic() + 60
        while not (await tocsin.status())["workers"]:
            if time.monotonic() > end:
                raise RuntimeError(f"no worker came\n{self._worker.log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.3)

    async def rest(self) -> None:
        if self._worker is not None:
            await self._worker.end()
            self._worker = None

    async def end(self) -> None:
        await self.rest()
        if self._server is not None:
            await self._server.end()
