"""Flow tests: plain functions, a fake engine over real HTTP, and one real Prefect server a session."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Prefect reads its settings when it is first imported: not the user's.
os.environ.update(PREFECT_HOME=tempfile.mkdtemp(prefix="tocsin-prefect-"), PREFECT_LOGGING_TO_API_ENABLED="false")

from tests.support.fake_engine import FakeEngine
from tests.support.prefect_server import PrefectServer, a_prefect_server

ROOT = Path(__file__).resolve().parents[2]

WORK = """
import sys
from datetime import timedelta
from pathlib import Path
from flows.pace import Pace
from flows.worker import WorkerSettings, run_worker
pace = Pace(look_every=timedelta(seconds=2), linger=timedelta(seconds=float(sys.argv[3])))
sys.exit(run_worker(WorkerSettings(Path(sys.argv[1]), sys.argv[2], 20, pace)))
"""


def eventually(seen: Callable[[], Any], what: str, within: float = 60) -> Any:
    """The first true value that `seen` gives; fails with `what` when there is none in time."""
    deadline = time.monotonic() + within
    while not (value := seen()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)
    return value


class Worker:
    """A real worker process, as the supervisor starts it."""

    def __init__(self, home: Path, prefect_api_url: str, linger: float = 600) -> None:
        self.log = home / "worker.log"
        argv = [sys.executable, "-c", WORK, str(home), prefect_api_url, str(linger)]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        """Close its pipe, as a supervisor that goes does; gives the exit code."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        return self.child.wait(60)

    def end(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(30)
        if self.child.stdin is not None:
            self.child.stdin.close()


@dataclass
class PrefectPages:
    """What Prefect's pages show, read from the API that they read."""

    api_url: str

    def runs(self, incident: str) -> list[dict[str, Any]]:
        """The flow runs of an incident, first one first."""
        tagged = {"flow_runs": {"tags": {"all_": [f"incident:{incident}"]}}, "sort": "START_TIME_ASC"}
        return self._ask("/flow_runs/filter", tagged)

    def run(self, name: str) -> dict[str, Any]:
        return self._ask("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})[0]

    def tasks(self, name: str) -> dict[str, tuple[str, str]]:
        """The task runs of the run of that name: name -> (state's name, message)."""
        found = self._ask("/task_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
        return {row["name"]: (row["state"]["name"], row["state"]["message"] or "") for row in found if row["state"]}

    def artifact(self, key: str) -> str:
        found = self._ask("/artifacts/latest/filter", {"artifacts": {"key": {"any_": [key]}}})
        return str(found[0]["data"]) if found else ""

    def _ask(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self.api_url + path, data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(asked, timeout=20) as response:
            rows: list[dict[str, Any]] = json.load(response)
        return rows


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with FakeEngine(tmp_path / "home") as fake:
        yield fake


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with a_prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def prefect(prefect_server: PrefectServer) -> PrefectPages:
    return PrefectPages(prefect_server.api_url)


@pytest.fixture
def start_worker(engine: FakeEngine, prefect_server: PrefectServer) -> Iterator[Callable[..., Worker]]:
    """Starts a worker on the fake engine and the session's Prefect server, and waits until it is heard."""
    started: list[Worker] = []

    def start(linger: float = 600) -> Worker:
        heard = len(engine.alive)
        worker = Worker(engine.home, prefect_server.api_url, linger)
        started.append(worker)
        eventually(lambda: len(engine.alive) > heard, "the engine hears the worker")
        return worker

    yield start
    for worker in started:
        worker.end()
