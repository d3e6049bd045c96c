"""`tocsin up`: what it refuses before it starts anything, what it keeps alive, how it stops, and the drill."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.home import Home
from tests.support.counterparties import ROOT, free_port
from tocsin.child import Child, Spec

NOWHERE = "http://127.0.0.1:9/api"
"""A Prefect server that is not there: the worker waits for it."""


class Up:
    """One `tocsin up`, its output, and its children."""

    def __init__(self, home, *flags, plan=ROOT / "example", port=None, **environment):
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.parent / f"up-{self.port}-{time.monotonic_ns()}.log"
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PREFECT_"))}
        environ |= {"TOCSIN_HOME": str(home), "TOCSIN_PORT": str(self.port), **environment}
        command = [sys.executable, "-m", "tocsin", "up", "--plan", str(plan), *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def said(self):
        return self.log.read_text(encoding="utf-8")

    def says(self, text, seconds=120):
        self.until(lambda: text in self.said, f"it never said {text!r}", seconds)

    def until(self, true, what, seconds=120):
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"it ended:\n{self.said}"
            assert time.monotonic() < end, f"{what}:\n{self.said}"
            time.sleep(0.05)

    def ask(self, path):
        asked = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read())

    @property
    def token(self):
        return Home(self.home).token_file.read_text().strip()

    @property
    def engine_pid(self):
        return json.loads(Home(self.home).address_file.read_text())["pid"]

    @property
    def children(self):
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def ends(self, seconds=120):
        """Its exit code."""
        return self.process.wait(seconds)

    def stop(self, order=signal.SIGTERM):
        self.process.send_signal(order)
        return self.ends()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def up(tmp_path):
    started = []

    def start(*flags, home=tmp_path / "home", **more):
        started.append(Up(home, *flags, **more))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            try:
                each.process.wait(60)
            except subprocess.TimeoutExpired:
                for pid in each.children:
                    os.kill(pid, signal.SIGKILL)
                each.process.kill()
                each.process.wait(60)


# --- refused before anything is started ---


def test_a_taken_port_is_refused_with_a_sentence(up, tmp_path):
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        engines = up("--no-prefect", port=port)
        prefects = up(home=tmp_path / "other", TOCSIN_PREFECT_PORT=str(port))

        assert engines.ends() == prefects.ends() == 1
    assert f"Port {port} on 127.0.0.1 is taken" in engines.said
    assert f"Port {port} on 127.0.0.1 is taken" in prefects.said
    assert "TOCSIN_PREFECT_PORT" in prefects.said
    assert not Home(tmp_path / "home").database.exists(), "nothing was started"


def test_a_second_instance_on_one_home_is_refused_with_a_sentence(up):
    first = up("--no-prefect")
    first.says("ready to page")

    second = up("--no-prefect")

    assert second.ends() == 1
    assert "already uses" in second.said
    assert is_alive(first.engine_pid)


def test_an_invalid_plan_is_code_4_with_its_places(up, tmp_path):
    broken = up("--no-prefect", plan=tmp_path)

    assert broken.ends() == 4
    assert f"{tmp_path / 'plan.yaml'}:1:1:" in broken.said


def test_a_plan_without_a_drill_cannot_be_drilled(up, tmp_path):
    subprocess.run([sys.executable, "-m", "tocsin", "init", str(tmp_path / "plan")], check=True, cwd=ROOT)
    started = up("--no-prefect", "--drill", plan=tmp_path / "plan")

    assert started.ends() == 1
    assert "alert.json" in started.said


def test_twilio_without_a_public_address_is_said_loudly(up):
    secrets = {"ACCOUNT_SID": "AC0", "AUTH_TOKEN": "t", "FROM_NUMBER": "+12025550100"}
    started = up("--no-prefect", **{f"TOCSIN_TWILIO__{name}": value for name, value in secrets.items()})

    started.says("ANSWERS CANNOT ARRIVE")
    started.says("ready to page")


# --- the drill ---


def test_the_drill_pages_one_after_the_other_and_tells_what_to_type(up):
    started = up("--no-prefect", "--drill")

    started.says("PAGE to nora")
    started.says(f"tocsin show INC-1 --home {started.home}")
    started.says("/incidents/INC-1?c=nora&s=")
    started.says("PAGE to tomas")
    assert "\nPAGE to nora" in started.said, "a page stands as the engine prints it"
    view = started.ask("/api/v1/incidents/INC-1")
    assert view["drill"]
    assert view["title"] == "Shop 127.0.0.1:18191 is down", "the words of the captured alert"
    assert started.stop() == 0


def test_a_second_start_goes_on_with_the_open_drill(up):
    first = up("--no-prefect", "--drill")
    first.says("/incidents/INC-1?c=")
    first.stop()
    second = up("--no-prefect", "--drill")

    second.says("INC-1 is still open; continuing.")
    assert [each["id"] for each in second.ask("/api/v1/incidents?status=all")["incidents"]] == ["INC-1"]


# --- kept alive, and stopped ---


def test_an_engine_that_is_killed_is_started_again_and_pages(up):
    started = up("--no-prefect")
    started.says("ready to page")
    first = started.engine_pid
    os.kill(first, signal.SIGKILL)

    started.says("engine ended (killed by SIGKILL); it is started again")
    started.until(lambda: started.engine_pid != first, "no new engine")
    started.until(lambda: is_ready(started.url), "the new engine is not ready")
    assert started.stop() == 0


def is_ready(url):
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_order_to_stop_ends_every_child_and_is_no_error(up, order):
    started = up("--no-prefect")
    started.says("ready to page")
    children = started.children

    assert started.stop(order) == 0
    assert children
    assert not any(is_alive(pid) for pid in children)


def test_nohup_means_that_it_goes_on_without_its_terminal(up):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        started = up("--no-prefect")
    finally:
        signal.signal(signal.SIGHUP, before)
    started.says("ready to page")
    started.process.send_signal(signal.SIGHUP)

    assert is_ready(started.url)
    assert started.stop() == 0
    assert started.said.count("stopping") == 1


@pytest.mark.slow
def test_the_worker_steps_back_for_the_engine(up):
    started = up(PREFECT_API_URL=NOWHERE)
    started.says("ready to page")
    started.until(lambda: len(started.children) == 2, "no worker was started")
    worker = next(pid for pid in started.children if pid != started.engine_pid)
    started.until(lambda: niceness(worker) == 10, "the worker is as important as the engine")

    assert Path(f"/proc/{worker}/oom_score_adj").read_text().strip() == "500"
    assert niceness(started.engine_pid) == 0
    assert started.stop() == 0
    assert not is_alive(worker)


def niceness(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[16])


def test_a_worker_whose_supervisor_dies_ends_too(up):
    started = up(PREFECT_API_URL=NOWHERE)
    started.says("worker")
    started.until(lambda: len(started.children) == 2, "no worker was started")
    engine = started.engine_pid
    worker = next(pid for pid in started.children if pid != engine)
    started.process.kill()
    started.process.wait(30)

    try:
        end = time.monotonic() + 60
        while is_alive(worker):
            assert time.monotonic() < end, "the worker outlives its supervisor"
            time.sleep(0.1)
        assert is_alive(engine), "who pages goes on: the supervisor is no reason for silence"
    finally:
        os.kill(engine, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.counterparty("prefect")
def test_the_whole_house_starts_drives_an_incident_and_stops_in_order(up):
    started = up("--drill", TOCSIN_PREFECT_PORT=str(free_port()))
    started.says("PAGE to nora")
    assert "Prefect answers" not in started.said, "the engine pages before Prefect is there"
    started.says("Prefect answers", 180)
    started.until(lambda: started.ask("/api/v1/status")["workers"], "no worker", 180)
    children = started.children
    assert len(children) == 3
    assert [niceness(pid) for pid in children if pid != started.engine_pid] == [10, 10]

    assert started.stop() == 0
    assert not any(is_alive(pid) for pid in children)
    assert not is_ready(started.url)


# --- one child ---


class Heard(list[str]):
    """What the supervisor was told, as `name | line`."""

    def __call__(self, name, line):
        self.append(f"{name} | {line}")


def child(tmp_path, program, **more):
    heard = Heard()
    spec = Spec("it", [sys.executable, "-u", "-c", program], os.environ, **more)
    return Child(spec, heard, SystemClock()), heard


@contextlib.asynccontextmanager
async def running(one):
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        await one.stop()
        await task


async def eventually(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_every_line_carries_the_name_even_the_last_without_an_end(tmp_path):
    one, heard = child(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); print('last', end='')")
    async with running(one):
        await one.ended.wait()
    assert {"it | out", "it | err", "it | last"} <= set(heard)


async def test_whatever_ends_is_started_again_until_it_is_stopped(tmp_path):
    marks = tmp_path / "starts"
    one, heard = child(tmp_path, f"open({str(marks)!r}, 'a').write('x'); raise SystemExit(7)")
    async with running(one):
        await eventually(lambda: marks.exists() and len(marks.read_text()) >= 3)
    starts = len(marks.read_text())
    await asyncio.sleep(0.1)

    assert "up | it ended (exit code 7); it is started again." in heard
    assert len(marks.read_text()) == starts, "none after the stop"


async def test_what_the_system_cannot_start_is_said_and_tried_again(tmp_path):
    heard = Heard()
    one = Child(Spec("it", [str(tmp_path / "missing")], os.environ), heard, SystemClock())
    async with running(one):
        await eventually(lambda: sum("could not be started" in line for line in heard) >= 2)
    assert one.exit_code == 127


async def test_whoever_does_not_obey_is_killed_with_all_that_it_started(tmp_path):
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)\n"
        "time.sleep(600)"
    )
    one, heard = child(tmp_path, program, grace=0.2)
    async with running(one):
        await eventually(lambda: heard)
    grandchild = int(heard[0].split(" | ")[1])

    await eventually(lambda: not is_alive(grandchild))
    assert any("is killed" in line for line in heard)


async def test_the_end_of_its_pipe_is_the_order_to_stop(tmp_path):
    one, heard = child(tmp_path, "import sys; print('up'); sys.stdin.read(); print('parked')", stops_by_pipe=True)
    async with running(one):
        await eventually(lambda: "it | up" in heard)
    assert "it | parked" in heard


async def test_decoration_is_kept_back_until_it_explains_an_end(tmp_path):
    silent, nothing = child(tmp_path, "print('banner'); import time; time.sleep(600)", quiet=True)
    async with running(silent):
        await eventually(lambda: silent.pid is not None)
    failing, heard = child(tmp_path, "print('the port is taken'); raise SystemExit(1)", quiet=True)
    async with running(failing):
        await eventually(lambda: any("started again" in line for line in heard))

    assert "it | banner" not in nothing
    assert "it | the port is taken" in heard
