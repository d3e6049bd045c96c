"""What surrounds the runs: environment, orders, heartbeat, hints, and who is certainly gone."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from engine.client import Address, EngineClient, SyncEngineClient
from flows.hints import Hints
from flows.orders import Orders
from flows.prefect_worker import is_abandoned
from flows.pulse import Pulse
from flows.server import prefect_server_command
from flows.worker import WorkerSettings, worker_environment
from tests.support.fake_engine import FakeEngine

USERS_OWN = {
    "PREFECT_PROFILE": "work",
    "PREFECT_PROFILES_PATH": "/somewhere/ana/.prefect/profiles.toml",
    "HOME": "/somewhere/ana",
}


def test_the_servers_command_keeps_everything_in_the_home(tmp_path: Path) -> None:
    argv, env = prefect_server_command(tmp_path, 8421, USERS_OWN)

    assert argv[0] == sys.executable
    assert argv[-4:] == ["--host", "127.0.0.1", "--port", "8421"]
    assert env["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert env["PREFECT_SERVER_DATABASE_CONNECTION_URL"].endswith(f"{tmp_path}/prefect/prefect.db")
    assert env["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert env["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"
    assert env["HOME"] == "/somewhere/ana"
    assert "PREFECT_PROFILE" not in env
    assert not env["PREFECT_PROFILES_PATH"].startswith("/home")


def test_a_worker_reads_nobodys_profile_and_one_certificate(tmp_path: Path) -> None:
    settings = WorkerSettings(tmp_path, "http://127.0.0.1:8421/api")
    env = worker_environment(settings, {})
    pem = Path(env["PREFECT_API_SSL_CERT_FILE"]).read_text()

    assert env["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert pem.count("BEGIN CERTIFICATE") == 1
    assert ssl.PEM_cert_to_DER_cert(pem)
    assert worker_environment(settings, {}) == env


def test_a_prefect_over_https_is_verified_with_the_real_bundle(tmp_path: Path) -> None:
    env = worker_environment(WorkerSettings(tmp_path, "https://prefect.example.com/api"), {})

    assert "PREFECT_API_SSL_CERT_FILE" not in env


def test_naming_a_worker_and_a_server_imports_no_prefect() -> None:
    probe = "import sys, flows.worker, flows.server; sys.exit('prefect' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@pytest.mark.parametrize("order", ["stop\n", "sto", ""])
def test_a_pipe_that_ends_or_says_stop_is_an_order(order: str) -> None:
    obey = (
        "import asyncio\nfrom flows.orders import Orders\norders = Orders()\n"
        "async def wait():\n    await orders.heard().wait()\n"
        "with orders.taken_from_outside():\n    print('waiting', flush=True)\n    asyncio.run(wait())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", obey], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    child.stdin.write(order)
    child.stdin.flush()
    if not order.endswith("\n"):
        child.stdin.close()

    assert child.wait(30) == 0
    child.stdin.close()
    child.stdout.close()


async def test_an_order_given_before_anybody_listens_is_heard() -> None:
    orders = Orders()
    orders.stop()
    orders.stop()

    assert orders.heard().is_set()


def test_an_order_from_devnull_is_none() -> None:
    listen = (
        "from flows.orders import Orders\nimport threading\norders = Orders()\n"
        "with orders.taken_from_outside():\n    names = [each.name for each in threading.enumerate()]\n"
        "raise SystemExit('orders' in names)\n"
    )

    assert subprocess.run([sys.executable, "-c", listen], stdin=subprocess.DEVNULL, check=False).returncode == 0


async def test_a_worker_is_heard_as_long_as_its_loop_moves(engine: FakeEngine) -> None:
    client = SyncEngineClient(Address.of_home(engine.home))
    async with Pulse(client, "host-1-a", 1, give_up=lambda: None, every=0.01):
        while len(engine.alive) < 20:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    beats = len(engine.alive)
    await asyncio.sleep(0.1)

    assert set(engine.alive) == {"host-1-a"}
    assert len(engine.alive) == beats


async def test_a_worker_whose_loop_hangs_is_not_heard(engine: FakeEngine) -> None:
    client = SyncEngineClient(Address.of_home(engine.home))
    given_up: list[int] = []
    async with Pulse(client, "host-1-a", 1, give_up=lambda: given_up.append(1), every=0.01):
        await asyncio.sleep(0.1)
        hang = subprocess.run(["sleep", "2"], check=True)  # hanging the loop is the point
        beats = len(engine.alive)

    assert hang.returncode == 0
    assert beats < 40
    assert given_up == [1]


async def test_after_an_absence_of_the_engine_everybody_looks_again(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.hints.BACKOFF", 0.02)
    monkeypatch.setattr("flows.hints.WAIT", 0.05)
    incident = engine.declare("INC-1")
    hints = Hints()
    mine = hints.of("INC-1")
    async with EngineClient(Address.of_home(engine.home)) as client:
        listening = asyncio.create_task(hints.listen(client))
        while not mine.is_set():
            incident.happens("NoteAdded", "something happened")
            await asyncio.sleep(0.02)
        engine.away = True
        mine.clear()
        await asyncio.sleep(0.2)
        engine.away = False
        await asyncio.wait_for(mine.wait(), 10)
        listening.cancel()

    assert hints.anything.is_set()
    hints.forget("INC-1")
    assert hints.of("INC-1") is not mine


def test_who_is_certainly_gone() -> None:
    me = f"my-host-{os.getpid()}-20261121T090000"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)

    assert is_abandoned(f"my-host-{gone.pid}-20261121T080000", me)
    assert is_abandoned(f"my-host-{os.getpid()}-20261121T080000", me), "the same pid in a container, started before"
    assert not is_abandoned(me, me)
    assert not is_abandoned(f"my-host-{os.getppid()}-20261121T080000", me)
    assert not is_abandoned(f"other-{gone.pid}-20261121T080000", me)
    assert not is_abandoned("", me)
