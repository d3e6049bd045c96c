"""Whatever goes wrong with a body, its sender hears 503 and repeats it, or hears what is wrong with it."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents.errors import CommandRefused, SignalRefused, UnknownIncident
from tests.support.real_engine import ALERTMANAGER_KEY, PAGERDUTY_KEY, SIGNALS_KEY, PlanFiles, person, rung
from tocsin.web import hearing, intake
from tocsin.web.app import build_app
from tocsin.web.senders import alertmanager

ALERTMANAGER = f"/webhooks/alertmanager/{ALERTMANAGER_KEY}"
BODIES = {
    "/v2/enqueue": {
        "routing_key": PAGERDUTY_KEY,
        "event_action": "trigger",
        "payload": {"summary": "Checkout fails", "source": "shop", "severity": "error"},
    },
    ALERTMANAGER: {
        "version": "4",
        "status": "firing",
        "alerts": [{"status": "firing", "labels": {"alertname": "A"}, "fingerprint": "f"}],
    },
    "/api/v1/signals": {"routing_key": SIGNALS_KEY, "action": "trigger", "summary": "Checkout fails"},
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(tmp_path / "plan")
    config = EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


@pytest.fixture
async def sender(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client


def failing(engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def hear(*_: object) -> None:
        raise error

    monkeypatch.setattr(engine, "hear", hear)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "error", [CommandRefused("Give it a title."), UnknownIncident("There is no incident INC-3."), KeyError("sev")]
)
async def test_what_could_not_be_taken_is_asked_for_again(engine, sender, monkeypatch, path, error):
    failing(engine, monkeypatch, error)

    answer = await sender.post(path, json=BODIES[path])

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]


async def test_what_is_wrong_with_the_request_itself_is_named(engine, sender, monkeypatch):
    failing(engine, monkeypatch, SignalRefused(["labels.team: too long"]))

    answer = await sender.post(ALERTMANAGER, json=BODIES[ALERTMANAGER])

    assert (answer.status_code, answer.json()["problems"]) == (400, ["labels.team: too long"])


@pytest.mark.parametrize(
    ("path", "place", "reader"),
    [
        ("/v2/enqueue", intake, "read_pagerduty"),
        (ALERTMANAGER, alertmanager, "read_json"),
        ("/api/v1/signals", intake, "read_ours"),
    ],
)
async def test_a_long_body_is_read_while_others_are_served(sender, monkeypatch, path, place, reader):
    began, served, read = threading.Event(), threading.Event(), getattr(place, reader)

    def slow(*arguments: object) -> object:
        began.set()
        assert served.wait(10), "the loop waits for the body to be read"
        return read(*arguments)

    monkeypatch.setattr(place, reader, slow)
    body = json.dumps(BODIES[path]).encode() + b" " * hearing.READ_AT_ONCE

    taken = asyncio.create_task(sender.post(path, content=body))
    assert await asyncio.to_thread(began.wait, 10)
    assert (await sender.get("/healthz")).status_code == 200
    served.set()

    assert (await taken).status_code == 202
