"""`tocsin silence` and `tocsin heartbeats` against a real engine, whose companion hears what time brings."""

import asyncio
import json
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.real_engine import PlanFiles, RealEngine, person, rung
from tocsin.cli import cli

KEY = "backup-heartbeat-key-1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("silences")
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(folder / "plan")
    written = json.loads((plan / "plan.yaml").read_text())
    written["heartbeats"] = [
        {"name": "backup", "key": KEY, "every": "1h", "situation": "SHOP_DOWN", "severity": "SEV3"},
        {"name": "import", "key": f"{KEY}-2", "every": "1d", "situation": "SHOP_DOWN", "severity": "SEV3"},
    ]
    (plan / "plan.yaml").write_text(json.dumps(written))
    running = RealEngine(folder / "home", plan).start()
    yield running
    running.stop()


def tocsin(engine: RealEngine, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--home", str(engine.home)], env={"TOCSIN_BY": "ana", "NO_COLOR": "1"})


def said(engine: RealEngine, *words: str) -> str:
    done = tocsin(engine, *words)
    assert done.exit_code == 0, done.output
    return done.output


def declared(engine: RealEngine, title: str) -> None:
    async def found() -> bool | None:
        heard = (await engine.get("/api/v1/incidents"))["incidents"]
        return any(each["title"] == title for each in heard) or None

    asyncio.run(engine.eventually(found, title))


def beat(engine: RealEngine, key: str, query: str = "") -> None:
    with urllib.request.urlopen(f"{engine.url}/webhooks/heartbeat/{key}{query}", timeout=10) as answer:
        assert answer.status == 200


def signal(engine: RealEngine, key: str, summary: str) -> None:
    assert asyncio.run(engine.signal(key, summary=summary)).status == 202


def test_what_is_silenced_is_listed_and_heard_when_the_silence_is_over(engine):
    made = said(engine, "silence", "add", "summary=~*kernel*", "--for", "1h", "--because", "patching", "--even-sev1")
    assert made.startswith("S-1 silences summary=~*kernel* until ")
    signal(engine, "kernel", "A kernel panics")
    listed = said(engine, "silence", "list")
    assert "S-1  summary=~*kernel*, even SEV1  until " in listed
    assert "ana: patching. Keeps 1 signal, heard once." in listed
    assert "SEV1  A kernel panics  heard once since" in listed
    assert json.loads(said(engine, "silence", "list", "--json"))["kept_in_all"] == 1
    assert "Quiet: 1 silences, 1 signals kept (tocsin silence list)" in said(engine, "status")
    assert said(engine, "silence", "expire", "S-1") == "S-1 is over. What it kept and still fires is heard now.\n"
    declared(engine, "A kernel panics")
    assert said(engine, "silence", "list") == "Nothing is silenced.\n"
    assert "ended by ana" in said(engine, "silence", "list", "--all")


def test_a_silence_ends_by_itself(engine):
    said(engine, "silence", "add", "summary=Disk is slow", "--for", "2s", "--because", "copying", "--even-sev1")
    signal(engine, "disk", "Disk is slow")
    declared(engine, "Disk is slow")


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["summary", "--for", "1h"], 1, "is no matcher"),
        (["summary=x", "--for", "8d"], 1, "7d at most"),
        (["summary=x", "--for", "soon"], 2, "write a duration"),
        (["summary=x"], 2, "Say when it ends"),
        (["summary=x", "--for", "1h", "--until", "2030-01-01"], 2, "Say when it ends"),
        (["summary=x", "--until", "2030-01-01"], 1, "7d at most"),
    ],
)
def test_a_silence_that_says_too_little_is_refused(engine, words, code, expected):
    done = tocsin(engine, "silence", "add", *words, "--because", "x")
    assert done.exit_code == code
    assert expected in done.output


def test_a_silence_that_is_not_there_cannot_be_ended(engine):
    assert tocsin(engine, "silence", "expire", "S-99").exit_code == 1
    assert tocsin(engine, "silence", "expire", "mine").exit_code == 2


def test_heartbeats_are_listed_with_what_they_said_last(engine):
    listed = said(engine, "heartbeats")
    assert "backup  ok  never heard, every 60 min, due in " in listed
    beat(engine, KEY)
    beat(engine, f"{KEY}-2", "?fail")
    listed = said(engine, "heartbeats")
    assert "backup  ok  heard " in listed
    assert "import  FAILING since " in listed
    declared(engine, "Heartbeat import says that it fails")
    shown = said(engine, "status")
    assert "Heartbeat import failing since" in shown
    assert "1 of 2 heartbeats well" in shown
    beat(engine, f"{KEY}-2")
    assert all(each["state"] == "ok" for each in json.loads(said(engine, "heartbeats", "--json"))["heartbeats"])


def test_silences_and_heartbeats_outlive_the_process(engine, tmp_path: Path):
    said(engine, "silence", "add", "summary=Outlives", "--for", "1h", "--because", "it stays", "--even-sev1")
    signal(engine, "outlives", "Outlives")
    beat(engine, KEY)
    engine.kill()
    engine.start()
    assert "it stays. Keeps 1 signal," in said(engine, "silence", "list")
    heard = {each["name"]: each["beats"] for each in json.loads(said(engine, "heartbeats", "--json"))["heartbeats"]}
    assert heard["backup"] >= 1
