"""`tocsin backtest` as a flow on a real Prefect server: tasks, progress and result in its pages; and without one."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, PrefectPages
from tests.support.backtests import FEW, GOLDEN, MANY, POISON, plan_with
from tests.support.prefect_server import PrefectServer, free_port

pytestmark = pytest.mark.counterparty("prefect")


def backtest(home: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as somebody types it."""
    (home / "prefect").mkdir(parents=True, exist_ok=True)  # as `tocsin up` leaves it
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TOCSIN_"))}
    environ |= {"TOCSIN_HOME": str(home), "TOCSIN_PREFECT_PORT": str(port)}
    argv = [sys.executable, "-m", "tocsin", "backtest", *words]
    return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)


def asked(tmp_path: Path, history: Path = GOLDEN / "history.csv") -> list[str]:
    new, old = plan_with(tmp_path / "new", MANY, POISON), plan_with(tmp_path / "old", FEW, POISON)
    files = ["--history", str(history), "--labels", str(GOLDEN / "labels.csv")]
    return ["--plan", str(new), "--against", str(old), *files]


@pytest.mark.slow
def test_each_part_is_a_task_with_a_bar_and_the_result_a_page(
    tmp_path: Path, prefect_server: PrefectServer, prefect: PrefectPages
) -> None:
    done = backtest(tmp_path / "home", prefect_server.port, *asked(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"This run stands in Prefect's pages: http://127.0.0.1:{prefect_server.port}/runs" in done.stderr
    (run,) = prefect._ask("/flow_runs/filter", {"flows": {"name": {"any_": ["backtest"]}}})
    assert run["state"]["name"] == "Completed"
    tasks = prefect._ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert {(each["name"], each["state"]["name"]) for each in tasks} == {
        ("replay with the new plan", "Completed"),
        ("replay with the old plan", "Completed"),
    }
    assert prefect.artifact("backtest-replay-with-the-new-plan") == "100"
    assert "4 pages: 2.00 per brand and week" in prefect.artifact("backtest")
    plainly = backtest(tmp_path / "home", prefect_server.port, "--plain", *asked(tmp_path))
    assert plainly.stdout == done.stdout


@pytest.mark.slow
def test_what_is_wrong_with_the_history_is_said_as_without_prefect(
    tmp_path: Path, prefect_server: PrefectServer
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("at,text\n2026-01-01T00:00:00Z,Northwind\nsoon,Northwind\n")
    done = backtest(tmp_path / "home", prefect_server.port, *asked(tmp_path, bad))
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("seconds since 1970")
    assert "bad.csv:3:1: a time is expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_no_server_answers_it_works_without_and_imports_no_prefect(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2)
    done = backtest(home, port, *asked(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "No Prefect server of this home answers" in done.stderr
    look = "import sys, tocsin.commands.backtest; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=False).returncode == 0
