"""Silences and heartbeats over HTTP, on the real engine: what is kept, what is heard at the end, what falls silent."""

import io
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from storage import log
from tests.support.real_engine import SIGNALS_KEY, PlanFiles, person, rung
from tocsin.web.app import build_app

KEY = "backup-heartbeat-key-1"
BEAT = f"/webhooks/heartbeat/{KEY}"
TOKEN = {"authorization": "Bearer t"}


class MovedClock(SystemClock):
    """The real clock, and as much later as a test says."""

    moved = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.moved


def plan_in(folder: Path) -> Path:
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(folder)
    written = json.loads((plan / "plan.yaml").read_text())
    situation = next(iter(written["situations"]))
    written["heartbeats"] = [
        {"name": "backup", "key": KEY, "every": "1h", "grace": "10m", "situation": situation, "severity": "SEV3"}
    ]
    written["noise"] = {
        "maintenance": [
            {
                "name": "always-sunday",
                "match": {"service": "blog"},
                "because": "kernel",
                "weekly": [{"days": ["sun"], "after": "02:00", "until": "04:00"}],
            }
        ]
    }
    (plan / "plan.yaml").write_text(json.dumps(written))
    return plan


def an_engine(tmp_path: Path, clock: SystemClock) -> Engine:
    config = EngineConfig(tmp_path / "home", tmp_path / "plan", "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, clock, io.StringIO())
    engine.prepare()
    return engine


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Engine]:
    plan_in(tmp_path / "plan")
    engine = an_engine(tmp_path, clock)
    yield engine
    await engine.stop()


@pytest.fixture
async def api(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client


async def signal(api: httpx.AsyncClient, key: str, severity: str = "warning", **labels: str) -> None:
    body: dict[str, Any] = {"routing_key": SIGNALS_KEY, "action": "trigger", "summary": f"{key} fires"}
    body |= {"dedup_key": key, "severity": severity, "labels": labels}
    assert (await api.post("/api/v1/signals", json=body)).status_code == 202


async def silence(api: httpx.AsyncClient, *matchers: str, **more: object) -> httpx.Response:
    order = {"matchers": list(matchers), "by": "ana", "because": "we know", "lasting": "1h", **more}
    return await api.post("/api/v1/silences", json=order, headers=TOKEN)


async def silences(api: httpx.AsyncClient, status: str = "active") -> Any:
    return (await api.get(f"/api/v1/silences?status={status}", headers=TOKEN)).json()


def incidents(engine: Engine) -> list[str]:
    return engine.database.read_now(log.all_ids)


# --- silences ---


async def test_a_silence_keeps_what_it_covers_and_shows_it(engine, api):
    made = await silence(api, "service=shop", "host=~web-*")
    assert (made.status_code, made.json()["id"]) == (201, "S-1")
    assert made.json()["sentence"].startswith("S-1 silences service=shop, host=~web-* until ")
    for _ in range(2):
        await signal(api, "latency", service="shop", host="web-1")
    await signal(api, "errors", service="shop", host="db-1")
    assert incidents(engine) == ["INC-1"]
    found = await silences(api)
    (shown,) = found["silences"]
    assert (shown["state"], shown["by"], shown["keeps"], shown["heard"]) == ("in force", "ana", 1, 2)
    (kept,) = found["kept"]
    assert (kept["dedup_key"], kept["outcome"], kept["held_by"], kept["count"]) == (
        "signals:latency",
        "silenced",
        "S-1",
        2,
    )
    assert found["maintenance"][0]["name"] == "always-sunday"
    assert engine.signals_heard["silenced"] == 2


async def test_what_still_fires_is_heard_when_the_silence_ends_by_time_or_by_hand(engine, api, clock):
    await silence(api, "service=shop")
    await silence(api, "service=blog", lasting="3h")
    await signal(api, "latency", service="shop")
    await signal(api, "slow", service="blog")
    await engine.expectations.look()
    assert incidents(engine) == []
    clock.moved = timedelta(minutes=61)
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1"]
    ended = await api.post("/api/v1/silences/s-2/expire", json={"by": "ana"}, headers=TOKEN)
    assert ended.json()["sentence"] == "S-2 is over. What it kept and still fires is heard now."
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1", "INC-2"]
    again = await api.post("/api/v1/silences/2/expire", json={"by": "ana"}, headers=TOKEN)
    assert again.json()["sentence"] == "S-2 had ended already."
    assert (await silences(api))["silences"] == []
    states = {each["id"]: each["state"] for each in (await silences(api, "all"))["silences"]}
    assert states == {"S-1": "expired", "S-2": "ended"}


BY_THE_RULES: list[tuple[list[str], dict[str, object], str]] = [
    (["service"], {}, "matchers: 'service' is no matcher"),
    (["service!=shop"], {}, "matchers: say what is silenced"),
    (["service=~*"], {}, "matchers: say what is silenced"),
    (["rated=SEV9"], {}, "matchers: 'SEV9' is not a severity from SEV1 to SEV4"),
    (["integration=nonesuch", "service=shop"], {}, "matchers: 'nonesuch' is not one of the integrations"),
    (["service=shop"], {"lasting": "8d"}, "until: A silence lasts 7d at most"),
    (["service=shop"], {"lasting": "0s"}, "until: A silence ends in the future"),
    (["service=shop"], {"lasting": None}, "until: Say when it ends"),
    (["service=shop"], {"until": "2030-01-01T00:00:00Z"}, "until: Say when it ends"),
    (["service=shop"], {"until": "2030-01-01T00:00:00Z", "lasting": None}, "until: A silence lasts 7d at most"),
    (["service=shop"], {"because": "   "}, "because: Say why"),
]
BY_ITS_FORM: list[tuple[list[str], dict[str, object], str]] = [
    ([], {}, "matchers"),
    (["service=shop"], {"lasting": "soon"}, "lasting"),
    (["service=shop"], {"until": "2030-01-01T00:00:00", "lasting": None}, "until"),
    (["service=shop"] * 21, {}, "matchers"),
]


@pytest.mark.parametrize(("status", "refused"), [(409, BY_THE_RULES), (400, BY_ITS_FORM)])
async def test_a_silence_that_says_too_little_or_too_much_is_refused_by_its_field(api, status, refused):
    for matchers, more, words in refused:
        answer = await silence(api, *matchers, **more)
        assert answer.status_code == status, more
        assert words in answer.json()["error"]
    assert (await silences(api, "all"))["silences"] == []


async def test_the_same_command_id_makes_one_silence(api):
    first = await silence(api, "service=shop", command_id="c-1")
    assert (await silence(api, "service=shop", command_id="c-1")).json() == first.json()
    assert len((await silences(api))["silences"]) == 1


async def test_a_silence_that_is_not_there_cannot_be_ended(api):
    for name in ("S-9", "x", "S-99999999999999999999"):
        answer = await api.post(f"/api/v1/silences/{name}/expire", json={"by": "ana"}, headers=TOKEN)
        assert answer.status_code == 404


async def test_another_plan_makes_everything_that_is_kept_be_looked_at(engine, api, tmp_path):
    await silence(api, "service=shop")
    await signal(api, "latency", service="shop")
    await engine.expectations.look()
    engine.database.write_now(lambda tx: tx.execute("UPDATE silences SET until = 1"))  # as if it had never been
    await engine.expectations.look()
    assert incidents(engine) == []
    engine.expectations.follow_plan()
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1"]


# --- heartbeats ---


async def heartbeat(api: httpx.AsyncClient) -> Any:
    (found,) = (await api.get("/api/v1/heartbeats", headers=TOKEN)).json()["heartbeats"]
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_heartbeat_that_stays_away_is_an_incident_and_the_next_beat_recovers_it(engine, api, clock, method):
    await engine.expectations.look()
    assert (await api.request(method, BEAT)).json()["status"] == "ok"
    assert (await heartbeat(api))["state"] == "ok"
    clock.moved = timedelta(minutes=69)
    await engine.expectations.look()
    assert incidents(engine) == []
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    shown = await engine.show("INC-1")
    assert shown["severity"] == "SEV3"
    assert "Heartbeat backup is missing: it was last heard at" in shown["title"]
    assert (await heartbeat(api))["state"] == "missing"
    await api.request(method, BEAT)
    assert (await heartbeat(api))["state"] == "ok"
    shown = await engine.show("INC-1")
    assert shown["signals"] == [{"dedup_key": "heartbeat:backup", "firing": False}]


async def test_a_heartbeat_that_was_never_heard_is_missed_too(engine, api, clock):
    await engine.expectations.look()
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    assert "it was never heard, expected every 1h" in (await engine.show("INC-1"))["title"]


async def test_a_heartbeat_that_stays_away_is_said_again_until_somebody_sees_to_it(engine, api, clock):
    await api.get(BEAT)
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    await engine.command("INC-1", stand_down)
    clock.moved = timedelta(minutes=100)
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1"]
    clock.moved = timedelta(minutes=132)
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1", "INC-2"]


def stand_down(incident, _now):
    from incidents.commands import StandDown  # noqa: PLC0415 - one word of a test

    return StandDown("we know", "person:ana")


async def test_after_a_start_a_heartbeat_that_came_due_meanwhile_is_given_time(tmp_path):
    plan_in(tmp_path / "plan")
    clock = MovedClock()
    first = an_engine(tmp_path, clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=build_app(first)), base_url="http://t") as api:
        await api.get(BEAT)
    await first.stop()
    clock.moved = timedelta(hours=5)
    second = an_engine(tmp_path, clock)
    await second.expectations.look()
    assert incidents(second) == []
    clock.moved = timedelta(hours=5, minutes=19)
    await second.expectations.look()
    assert incidents(second) == []
    clock.moved = timedelta(hours=5, minutes=21)
    await second.expectations.look()
    assert incidents(second) == ["INC-1"]
    await second.stop()


FAILS = [
    ("?fail", b""),
    ("?status=fail", b""),
    ("?status=1", b""),
    ("", b"fail"),
    ("", b'{"status": "down", "message": "disk\\n full"}'),
    ("", b'{"status": 2}'),
]


async def test_a_heartbeat_may_say_that_it_fails(engine, api):
    for query, body in FAILS:
        answer = await api.post(BEAT + query, content=body)
        assert (answer.status_code, answer.json()["status"]) == (200, "failing"), body
        assert "Heartbeat backup says that it fails" in (await engine.show("INC-1"))["title"]
        assert (await api.get(BEAT)).json()["status"] == "ok"
    engine.database.write_now(lambda tx: tx.execute("DELETE FROM open_keys"))
    await api.post(BEAT, content=FAILS[4][1])
    assert (await engine.show("INC-2"))["title"] == "Heartbeat backup says that it fails: disk full"
    await api.get(BEAT)
    assert not (await engine.show("INC-2"))["signals"][0]["firing"]


WELL = [b"", b"ok", b"0", b'{"status": "ok"}', b"{}", b"\xff\xfe", b"a log of 200 lines", b"[" * 30_000, b"x" * 90_000]


async def test_whatever_else_it_brings_it_is_a_beat(engine, api):
    for body in WELL:
        answer = await api.post(BEAT, content=body)
        assert (answer.status_code, answer.json()["status"]) == (200, "ok"), body[:20]
    assert incidents(engine) == []


async def test_a_status_that_says_neither_is_refused_and_is_no_beat(api):
    for query in ("?status=perhaps", "?status=ok-ish"):
        answer = await api.get(BEAT + query)
        assert answer.status_code == 400
        assert "status" in answer.json()["error"]
    assert (await api.post(BEAT, json={"status": {"is": "ok"}})).status_code == 400
    assert (await heartbeat(api))["heard_at"] is None


async def test_a_heartbeat_needs_its_key_and_nothing_else(api):
    assert (await api.get("/webhooks/heartbeat/somebody-elses-key")).status_code == 401
    assert (await api.post("/webhooks/heartbeat/somebody-elses-key")).status_code == 401
    assert (await api.get("/api/v1/heartbeats")).status_code == 401


async def test_a_heartbeat_that_leaves_the_plan_recovers(engine, api, clock, tmp_path):
    await api.get(BEAT)
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    written = json.loads((tmp_path / "plan" / "plan.yaml").read_text())
    (tmp_path / "plan" / "plan.yaml").write_text(json.dumps({**written, "heartbeats": []}))
    await engine.activate_plan()
    await engine.expectations.look()
    assert not (await engine.show("INC-1"))["signals"][0]["firing"]


async def test_a_missing_heartbeat_can_be_silenced_as_everything_else(engine, api, clock):
    await api.get(BEAT)
    await silence(api, "heartbeat=backup", lasting="2h")
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    assert incidents(engine) == []
    clock.moved = timedelta(minutes=121)
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1"]


async def test_while_the_disk_is_full_nobody_is_blamed_for_silence(engine, api, clock, monkeypatch):
    await api.get(BEAT)
    monkeypatch.setattr(engine.database, "disk_full", True)
    clock.moved = timedelta(minutes=71)
    await engine.expectations.look()
    monkeypatch.undo()
    await engine.expectations.look()
    assert incidents(engine) == []
    clock.moved = timedelta(minutes=71 + 21)
    await engine.expectations.look()
    assert incidents(engine) == ["INC-1"]


# --- what is shown ---


async def test_status_and_metrics_show_what_pages_nobody(engine, api, clock):
    await silence(api, "service=shop")
    await signal(api, "latency", service="shop")
    await api.get(BEAT + "?fail")
    noise = (await api.get("/api/v1/status", headers=TOKEN)).json()["noise"]
    assert (noise["silences"], noise["kept"], noise["flapping"], noise["storms"]) == (1, {"silenced": 1}, 0, {})
    assert [(each["name"], each["state"]) for each in noise["heartbeats"]] == [("backup", "failing")]
    figures = (await api.get("/metrics")).text
    assert 'tocsin_signals_total{outcome="silenced"} 1.0' in figures
    assert 'tocsin_kept_signals{outcome="silenced"} 1.0' in figures
    assert "tocsin_silences 1.0" in figures
    assert 'tocsin_heartbeats{state="failing"} 1.0' in figures
