"""Bad input gets a clear error that names the field, and changes nothing; overload is a 503 (invariant 13)."""

import asyncio
import io
import json
import re
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pagerduty
import pdpyras  # type: ignore[import-untyped]  # the old client, which nobody types any more
import pytest
import trustme

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from tests.support.counterparties import ROOT, free_port
from tests.support.real_engine import (
    ALERTMANAGER_KEY,
    PAGERDUTY_KEY,
    SIGNALS_KEY,
    Answered,
    Engines,
    PlanFiles,
    RealEngine,
    person,
    rung,
)
from tocsin.web.app import build_app

AUTH_TOKEN = "twilio_test_auth_token"
ALERTMANAGER = f"/webhooks/alertmanager/{ALERTMANAGER_KEY}"
COMMANDS = "/api/v1/incidents/INC-1/commands"
KEPT = ("events", "signals", "outbox", "incidents", "open_keys")


def quiet_plan() -> PlanFiles:
    return PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEngine]:
    """One engine for all of them: each test shows that it changed nothing. It has one incident, INC-1."""
    engines = Engines(tmp_path_factory.mktemp("bad-input"))
    # A provider that nobody calls, so that callbacks have signatures.
    made = engines.make(quiet_plan(), twilio_url=f"http://127.0.0.1:{free_port()}")
    made.environment = {**made.environment, "TOCSIN_SLACK__SIGNING_SECRET": "slack_test_signing_secret"}
    made.start()
    yield made
    engines.end()


@pytest.fixture
async def quiet(engine: RealEngine) -> AsyncIterator[RealEngine]:
    """The engine with its incident, at rest; afterwards every table has as many rows as before."""
    await engine.hears("the first one")

    async def at_rest() -> bool:
        return [each["state"] for each in (await engine.show())["pages"]] == ["delivered"]

    await engine.eventually(at_rest, "a delivered page")
    before = {table: engine.counted(table) for table in KEPT}
    yield engine
    assert {table: engine.counted(table) for table in KEPT} == before


def pagerduty_event(**changes: object) -> dict[str, object]:
    payload = {"summary": "Checkout fails", "source": "shop", "severity": "critical"}
    event = {"routing_key": PAGERDUTY_KEY, "event_action": "trigger", "dedup_key": "k", "payload": payload, **changes}
    return {key: value for key, value in event.items() if value is not None}


def alert(**changes: object) -> dict[str, object]:
    return {"status": "firing", "labels": {"alertname": "A"}, "annotations": {}, "fingerprint": "f1", **changes}


def group(*alerts: object, **changes: object) -> dict[str, object]:
    return {"version": "4", "status": "firing", "alerts": list(alerts), **changes}


def our_signal(**changes: object) -> dict[str, object]:
    signal = {"routing_key": SIGNALS_KEY, "action": "trigger", "summary": "Checkout fails", **changes}
    return {key: value for key, value in signal.items() if value is not None}


def order(command: str, **fields: object) -> dict[str, object]:
    return {"command": command, "by": "ana", **fields}


def declaration(**changes: object) -> dict[str, object]:
    return {"title": "Shop down", "situation": "SHOP_DOWN", "by": "ana", **changes}


MALFORMED = [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"routing_key": ' + b"[" * 2000, b"NaN"]
MACHINES = ["/v2/enqueue", ALERTMANAGER, "/api/v1/signals"]

WRONG: list[tuple[str, object, str]] = [
    # path, body, the field that the error has to name
    ("/v2/enqueue", pagerduty_event(routing_key=None), "routing_key"),
    ("/v2/enqueue", pagerduty_event(routing_key=7), "routing_key"),
    ("/v2/enqueue", pagerduty_event(event_action="explode"), "event_action"),
    ("/v2/enqueue", pagerduty_event(payload=None), "payload"),
    ("/v2/enqueue", pagerduty_event(payload={"summary": "x", "source": "y"}), "payload.severity"),
    ("/v2/enqueue", pagerduty_event(payload={"summary": "", "source": "y", "severity": "info"}), "payload.summary"),
    ("/v2/enqueue", pagerduty_event(event_action="resolve", dedup_key=None, payload=None), "dedup_key"),
    ("/v2/enqueue", pagerduty_event(dedup_key="x" * 256), "dedup_key"),
    (ALERTMANAGER, group(alert(), version="3"), "version"),
    (ALERTMANAGER, {"version": "4", "status": "firing"}, "alerts"),
    (ALERTMANAGER, group(alert(labels="none")), "alerts.0.labels"),
    (ALERTMANAGER, group(alert(labels={"n": 1})), "alerts.0.labels.n"),
    (ALERTMANAGER, group(alert(), alert(status="perhaps")), "alerts.1.status"),
    (ALERTMANAGER, group(alert(fingerprint="")), "alerts.0.fingerprint"),
    ("/api/v1/signals", our_signal(action="shout"), "action"),
    ("/api/v1/signals", our_signal(summary=""), "summary"),
    ("/api/v1/signals", our_signal(summary=None), "summary"),
    ("/api/v1/signals", our_signal(labels={"a": {"b": 1}}), "labels.a"),
    ("/api/v1/signals", our_signal(severty="critical"), "severty"),
    ("/api/v1/signals", our_signal(action="resolve"), "dedup_key"),
]

WRONG_ORDERS: list[tuple[str, object, str]] = [
    (COMMANDS, {"by": "ana"}, "command"),
    (COMMANDS, {"command": "acknowledge"}, "by"),
    (COMMANDS, order("dance"), "command"),
    (COMMANDS, order("note"), "text"),
    (COMMANDS, order("note", text="x", colour="red"), "colour"),
    (COMMANDS, order("severity", severity="SEV9", because="worse"), "severity"),
    (COMMANDS, order("update", text="x", next_in="soon"), "next_in"),
    (COMMANDS, order("page", contacts=[], because="x"), "contacts"),
    (COMMANDS, order("compensate", population="all", count=-1, rationale="x"), "count"),
    (COMMANDS, order("note", text="x" * 4001), "text"),
    ("/api/v1/incidents", declaration(title=""), "title"),
    ("/api/v1/incidents", declaration(title="x" * 201), "title"),
    ("/api/v1/incidents", declaration(severity=1), "severity"),
    ("/api/v1/incidents", declaration(drill="perhaps"), "drill"),
    ("/api/v1/incidents", declaration(reporter="me"), "reporter"),
    ("/api/v1/test-page", {"contact": "ana", "channel": "pigeon"}, "channel"),
    ("/api/v1/incidents/INC-1/drivers", {"worker": "w"}, "run"),
    ("/api/v1/incidents/INC-1/perform", {"epoch": 0, "key": "x"}, "epoch"),
    ("/api/v1/workers/w", {"pid": "one"}, "pid"),
]


def named(path_and_field: tuple[str, object, str]) -> str:
    path, _, field = path_and_field
    return f"{path.split('/')[-1][:12]}-{field}"


def complaint(answer: Answered) -> str:
    """The words of an error, in whichever shape its sender knows."""
    body = answer.json
    return " ".join([str(body.get("error", "")), *body.get("errors", []), *body.get("problems", [])])


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
async def test_what_is_no_json_object_is_refused(quiet: RealEngine, path: str, body: bytes):
    answer = await quiet.ask("POST", path, body=body, token=False)

    assert answer.status == 400
    assert complaint(answer).strip()


@pytest.mark.parametrize(("path", "body", "field"), WRONG, ids=map(named, WRONG))
async def test_a_wrong_field_of_a_signal_is_named(quiet: RealEngine, path: str, body: object, field: str):
    answer = await quiet.ask("POST", path, json_body=body, token=False)

    assert answer.status == 400
    assert f"{field}: " in complaint(answer)


@pytest.mark.parametrize(("path", "body", "field"), WRONG_ORDERS, ids=map(named, WRONG_ORDERS))
async def test_a_wrong_field_of_an_order_is_named(quiet: RealEngine, path: str, body: object, field: str):
    answer = await quiet.ask("POST", path, json_body=body)

    assert answer.status == 400, answer
    assert field in answer.error


@pytest.mark.parametrize("path", [*MACHINES, COMMANDS, "/api/v1/incidents", "/twilio/sms", "/slack/interactions"])
async def test_a_body_of_a_megabyte_and_more_is_refused(quiet: RealEngine, path: str):
    size = 9 * 1024 * 1024 if path == ALERTMANAGER else 1024 * 1024 + 200
    answer = await quiet.ask("POST", path, body=b'{"x": "' + b"y" * size + b'"}', token=path.startswith("/api"))

    assert answer.status == 413
    assert "larger than" in answer.error


@pytest.mark.parametrize("path", ["/api/v1/incidents/INC-99", "/api/v1/incidents/INC-99/summary"])
async def test_an_unknown_incident_is_not_found(quiet: RealEngine, path: str):
    shown = await quiet.ask("GET", path)
    told = await quiet.command("INC-99", "note", "ana", text="x")
    odd = await quiet.ask("GET", "/api/v1/incidents/..%2f..%2fetc")
    lost = await quiet.ask("GET", "/api/v1/messages/1.INC-1.9.r1.c1.1")

    assert [each.status for each in (shown, told, odd, lost)] == [404] * 4
    assert shown.error == told.error == "There is no incident INC-99."


async def test_unknown_people_situations_and_steps_are_named_with_those_that_exist(quiet: RealEngine):
    stranger = await quiet.command("INC-1", "note", "zoe", text="x")
    situation = await quiet.ask("POST", "/api/v1/incidents", json_body=declaration(situation="FLOOD"))
    paged = await quiet.ask("POST", "/api/v1/test-page", json_body={"contact": "zoe"})

    assert (stranger.status, situation.status, paged.status) == (409, 409, 409)
    assert stranger.error == "contacts.yaml has nobody called 'zoe'; it has ana, dora."
    assert situation.error == "The plan has no situation 'FLOOD'; it has SHOP_DOWN."


async def test_a_wrong_integration_key_is_refused_as_each_sender_knows_it(quiet: RealEngine):
    enqueued = await quiet.ask("POST", "/v2/enqueue", json_body=pagerduty_event(routing_key=SIGNALS_KEY), token=False)
    posted = await quiet.ask("POST", f"/webhooks/alertmanager/{SIGNALS_KEY}", json_body=group(alert()), token=False)
    nothing = await quiet.ask("POST", "/webhooks/alertmanager/", json_body=group(alert()), token=False)
    ours = await quiet.ask("POST", "/api/v1/signals", json_body=our_signal(routing_key=PAGERDUTY_KEY), token=False)

    assert (enqueued.status, posted.status, nothing.status, ours.status) == (400, 401, 404, 401)
    assert enqueued.json == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["routing_key: no integration of the plan has this key"],
    }


async def test_wrong_signatures_and_stale_timestamps_are_refused(quiet: RealEngine):
    message_id = (await quiet.show())["pages"][0]["message_id"]
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "From": "+12025550100", "Body": "1a"}
    for path in ("/twilio/sms", f"/twilio/status/{message_id}", f"/twilio/voice/{message_id}", "/twilio/gather/x"):
        for signature in ("", "AAAA", "é"):
            answer = await quiet.twilio(path, form, AUTH_TOKEN, signature=signature)
            assert answer.status == 403, path
    now = time.time()
    for moment, secret in ((now - 301, ""), (now + 301, ""), (now, "guessed"), (0, "")):
        pressed = await quiet.slack_button("U1", message_id, at=moment, secret=secret)
        assert pressed.status == 401
    assert (await quiet.ask("POST", "/slack/interactions", body=b"payload={}", token=False)).status == 401
    assert (await quiet.ask("POST", "/slack/commands", body=b"", token=False)).status == 401
    assert (await quiet.ask("POST", "/slack/events", body=b"", token=False)).status == 404


# --- who may ask ---

OPEN = {"/healthz", "/readyz", "/metrics"}
VALUES = {"incident_id": "INC-1", "epoch": "1"}


def every_route() -> list[tuple[str, str]]:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    return [(method.upper(), path) for path, methods in described.items() for method in methods]


def address(path: str) -> str:
    return re.sub(r"\{([^}]+)\}", lambda found: VALUES.get(found.group(1), "k"), path)


def guard(method: str, path: str) -> str:
    """Which security scheme the description names for this operation; "" for none."""
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    return next((name for each in described[path][method.lower()].get("security", []) for name in each), "")


@pytest.mark.parametrize(("method", "path"), every_route())
async def test_every_route_wants_credentials(quiet: RealEngine, method: str, path: str):
    scheme = guard(method, path)
    if path in OPEN:
        assert (await quiet.ask(method, address(path), token=False)).status == 200
        return
    wrong = ("", "Bearer ", "Bearer wrong", "Basic YTpi", f"Token {quiet.token}", "Bearer ä")
    for credentials in wrong if scheme else ("", f"Bearer {quiet.token}"):
        headers = {"Authorization": credentials} if credentials else {}
        body = None if method in ("GET", "DELETE") else b"{}"
        answer = await quiet.ask(method, address(path), body=body, headers=headers, token=False)
        # A key that stands in a body or a query is looked at once the body is one of this sender's.
        expected = (401,) if scheme or "{key}" in path else (400, 401)
        assert answer.status in expected, (credentials, answer)
        if scheme == "HTTPBearer":
            assert "token" in answer.error


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/declare"),
        ("GET", "/incidents/INC-1"),
        ("GET", "/incidents/INC-1?c=ana&s=forged"),
        ("POST", "/declare"),
        ("POST", "/incidents/INC-1/acknowledge"),
        ("POST", "/incidents/INC-1/pass"),
        ("POST", "/incidents/INC-1/say"),
        ("GET", "/push"),
        ("GET", "/push?c=ana&u=99999999999&s=forged"),
        ("POST", "/push"),
    ],
)
async def test_every_page_wants_credentials_too(quiet: RealEngine, method: str, path: str):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await quiet.ask(method, path, body=b"c=ana&s=forged&title=x", headers=form, token=False)

    # What a browser posts to /push is JSON; anything else is bad input before anybody asks who it is.
    assert answer.status == 400 if (method, path) == ("POST", "/push") else answer.status in (303, 401, 403), answer
    assert "Checkout fails" not in answer.text


async def test_html_in_a_title_stays_text(engines: Engines):
    engine = await engines.make(quiet_plan()).up()
    nasty = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202e {{7*7}}"
    assert (await engine.signal("html", summary=nasty)).status == 202

    link = (await engine.get("/api/v1/incidents/INC-1/link?contact=ana"))["url"].removeprefix(engine.url)
    page = await engine.ask("GET", link, token=False)

    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "49" not in (await engine.show())["title"]


# --- overload ---


@pytest.fixture
async def crowded(tmp_path: Path) -> AsyncIterator[tuple[Engine, httpx.AsyncClient]]:
    """An engine in this process whose writer we can hold up, and a client for its application."""
    plan = quiet_plan().write(tmp_path / "plan")
    engine = Engine(
        EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t"), SystemClock(), io.StringIO()
    )
    engine.prepare()
    await engine.start()
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield engine, client
    await engine.stop()


async def test_overload_is_a_503_with_retry_after_and_never_a_429(crowded: tuple[Engine, httpx.AsyncClient]):
    engine, client = crowded
    taken = await client.post("/api/v1/signals", json=our_signal(dedup_key="before"))
    assert taken.status_code == 202
    engine.database._longest = 0
    released, held = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "before commit":
            held.set()
            released.wait(60)

    engine.database._checkpoint = hold

    async def says(command: str, **fields: str) -> httpx.Response:
        order = {"command": command, "by": "ana", **fields}
        return await client.post("/api/v1/incidents/INC-1/commands", json=order, headers={"Authorization": "Bearer t"})

    # A disk that takes its time; an answer is never refused, it waits for its turn.
    noting = asyncio.create_task(says("note", text="Looking."))
    await asyncio.to_thread(held.wait, 60)
    answering = asyncio.create_task(says("acknowledge"))
    while not engine.database.waiting:
        await asyncio.sleep(0.01)
    bodies: dict[str, Any] = {
        "/api/v1/signals": our_signal(),
        "/v2/enqueue": pagerduty_event(),
        ALERTMANAGER: group(alert()),
    }
    for path, body in bodies.items():
        refused = await client.post(path, json=body)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "Too many signals" in refused.json()["error"]

    assert not answering.done()
    released.set()
    assert (await noting).status_code == (await answering).status_code == 200
    assert (await client.post("/v2/enqueue", json=pagerduty_event())).status_code == 202


# --- PagerDuty's own clients ---


async def test_pagerduty_answers_in_pagerdutys_words(engines: Engines):
    engine = await engines.make(quiet_plan()).up()
    taken = await engine.ask("POST", "/v2/enqueue", json_body=pagerduty_event(), token=False)
    without_key = await engine.ask("POST", "/v2/enqueue", json_body=pagerduty_event(dedup_key=None), token=False)

    assert taken.status == without_key.status == 202
    assert taken.json == {"status": "success", "message": "Event processed", "dedup_key": "k"}
    assert set(without_key.json) == {"status", "message", "dedup_key"}
    assert len(without_key.json["dedup_key"]) >= 16


@pytest.fixture
async def https(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RealEngine, str]]:
    """An engine behind a proxy that ends TLS, as in front of a real one: PagerDuty's client refuses plain http."""
    engine = await engines.make(quiet_plan()).up()
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while part := await source.read(65536):
            target.write(part)
            await target.drain()
        target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", engine.port)
        await asyncio.gather(carry(reader, back), carry(there, writer), return_exceptions=True)
        for each in (back, writer):
            each.close()

    port = free_port()
    async with await asyncio.start_server(connected, "127.0.0.1", port, ssl=context):
        yield engine, f"https://127.0.0.1:{port}"


@pytest.mark.counterparty("pagerduty-client")
async def test_the_official_client_of_pagerduty(https: tuple[RealEngine, str]):
    engine, url = https

    def pages_somebody() -> str:
        with pagerduty.EventsApiV2Client(PAGERDUTY_KEY, base_url=url) as client:
            key = client.trigger("Checkout down", "shop", severity="critical", custom_details={"orders": 12})
            client.acknowledge(key)
            client.send_change_event({"summary": "Build 42 is live", "source": "deployer"})
            client.resolve(key)
            return str(key)

    key = await asyncio.to_thread(pages_somebody)

    shown = await engine.show()
    assert [(each["summary"], each["source"]) for each in shown["changes"]] == [("Build 42 is live", "deployer")]
    kinds = [each["kind"] for each in shown["timeline"]]
    assert shown["signals"] == [{"dedup_key": f"pagerduty:{key}", "firing": False}]
    assert [kind for kind in kinds if kind in ("MachineAcknowledged", "SignalRecovered")] == [
        "MachineAcknowledged",
        "SignalRecovered",
    ]
    assert shown["commander"] is None, "machines never take charge"


@pytest.mark.counterparty("pagerduty-client")
async def test_the_older_official_client_of_pagerduty(engines: Engines):
    engine = await engines.make(quiet_plan()).up()

    def pages_somebody() -> str:
        with pdpyras.EventsAPISession(PAGERDUTY_KEY) as session:
            session.url = engine.url
            key = session.trigger("Checkout down", "shop", severity="error")
            session.resolve(key)
            return str(key)

    key = await asyncio.to_thread(pages_somebody)

    shown = await engine.show()
    assert (shown["severity"], shown["title"]) == ("SEV2", "Checkout down")
    assert shown["signals"] == [{"dedup_key": f"pagerduty:{key}", "firing": False}]


@pytest.mark.counterparty("pagerduty-client")
async def test_a_wrong_key_is_an_error_of_the_official_client(https: tuple[RealEngine, str]):
    engine, url = https

    def knocks() -> None:
        with pagerduty.EventsApiV2Client("f" * 32, base_url=url) as client:
            client.trigger("Checkout down", "shop")

    with pytest.raises(pagerduty.Error, match="400"):
        await asyncio.to_thread(knocks)

    assert engine.counted("events") == 0
