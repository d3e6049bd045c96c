"""A real engine, worker and Prefect server listen together; the worker is killed while people write."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.database import connect
from tests.support.prefect_server import PrefectServer, a_prefect_server
from tests.support.real_engine import Engines, PlanFiles, RealEngine, RealWorker, person, rung

FILE = "mentions.jsonl"
LISTENING = {
    "brands": [{"id": "larkfield", "names": ["Larkfield"]}],
    "sources": [{"name": "rehearsal", "kind": "replay", "file": FILE, "every": "1s"}],
}


@pytest.fixture
def prefect_server(tmp_path: Path) -> Iterator[PrefectServer]:
    (tmp_path / "prefect").mkdir()
    with a_prefect_server(tmp_path / "prefect") as server:
        yield server


def listening_engine(engines: Engines) -> RealEngine:
    engine = engines.make(PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]))
    (engine.plan / "listening.yaml").write_text(json.dumps(LISTENING), encoding="utf-8")
    (engine.plan / FILE).touch()
    return engine


async def write(engine: RealEngine, numbers: range) -> None:
    """People write one after the other."""
    for number in numbers:
        said = {"id": f"m{number}", "at": datetime.now(UTC).isoformat(), "text": f"Larkfield let me down, {number}"}
        with (engine.plan / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
        await asyncio.sleep(0.15)


def heard(engine: RealEngine) -> list[str]:
    """The ids of everything that was kept, in the order in which it was."""
    connection = connect(engine.home / "tocsin.db")
    try:
        rows = connection.execute("SELECT id FROM mentions WHERE source = 'rehearsal' ORDER BY seq").fetchall()
    finally:
        connection.close()
    return [str(row[0]) for row in rows]


async def stand(engine: RealEngine) -> dict[str, Any]:
    shown: dict[str, Any] = (await engine.get("/api/v1/sources"))["sources"][0]
    return shown


async def read_by(engine: RealEngine, who: str) -> None:
    async def is_read() -> bool:
        return str((await stand(engine))["polled_by"]).partition(":")[0] == who

    await engine.eventually(is_read, f"{who} reads the source", 90)


async def has_heard(engine: RealEngine, number: int) -> None:
    async def all_of_them() -> bool:
        return len(heard(engine)) >= number

    await engine.eventually(all_of_them, f"{number} mentions are heard", 60)


def ask_prefect(server: PrefectServer, path: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(server.api_url + path, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


def runs(server: PrefectServer) -> list[str]:
    """The states of the runs of `listen` that have begun, the first one first."""
    wanted = {"flow_runs": {"tags": {"all_": ["listening"]}}, "sort": "START_TIME_ASC"}
    return [each["state"]["type"] for each in ask_prefect(server, "/flow_runs/filter", wanted) if each["start_time"]]


def deployment(server: PrefectServer) -> Any:
    (found,) = ask_prefect(server, "/deployments/filter", {"deployments": {"name": {"any_": ["listen"]}}})
    return found


async def is_scheduled(server: PrefectServer) -> bool:
    """Whether Prefect has made runs of the schedule for the time to come."""
    wanted = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    return bool(await asyncio.to_thread(ask_prefect, server, "/flow_runs/filter", wanted))


def nobody_takes_a_run(server: PrefectServer) -> str:
    """A run of the schedule whose time comes while no worker is there; gives its id."""
    at = (datetime.now(UTC) - timedelta(minutes=15)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
    path = f"/deployments/{deployment(server)['id']}/create_flow_run"
    return str(ask_prefect(server, path, {"state": state, "tags": ["listening"]})["id"])


@pytest.mark.prefect
@pytest.mark.counterparty("prefect")
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_what_is_written_while_the_worker_is_killed_is_heard_once(
    engines: Engines, prefect_server: PrefectServer
):
    engine = await listening_engine(engines).up()
    worker = RealWorker(engine, prefect_server.api_url).start()
    try:
        await read_by(engine, "flow")
        await write(engine, range(20))
        await has_heard(engine, 5)
        writing = asyncio.create_task(write(engine, range(20, 60)))
        await asyncio.sleep(1)
        worker.kill()
        await read_by(engine, "engine")
        await writing
        await has_heard(engine, 60)
        missed = nobody_takes_a_run(prefect_server)
        worker.start()
        await read_by(engine, "flow")
        await write(engine, range(60, 80))
        await has_heard(engine, 80)
        await asyncio.sleep(3)

        assert heard(engine) == [f"m{number}" for number in range(80)]
        assert str((await stand(engine))["polled_by"]).startswith("flow:")

        async def the_first_is_over() -> bool:
            return runs(prefect_server)[0] == "CRASHED"

        await engine.eventually(the_first_is_over, "Prefect knows that the killed run is over", 60)
        assert runs(prefect_server)[-1] == "RUNNING"
        tasks = ask_prefect(prefect_server, "/task_runs/filter", {"flow_runs": {"tags": {"all_": ["listening"]}}})
        assert {each["name"] for each in tasks} == {"rehearsal"}
        board = ask_prefect(prefect_server, "/artifacts/filter", {"artifacts": {"key": {"any_": ["listening"]}}})
        assert "| rehearsal | replay |" in board[0]["data"]
        assert [each["schedule"]["cron"] for each in deployment(prefect_server)["schedules"]] == ["*/15 * * * *"]
        await engine.eventually(lambda: is_scheduled(prefect_server), "the next run stands in Prefect's schedule", 90)
        read = ask_prefect(prefect_server, "/flow_runs/filter", {"flow_runs": {"id": {"any_": [missed]}}})
        assert read[0]["state"]["message"] == "no worker was there at its time"
    finally:
        worker.kill()
