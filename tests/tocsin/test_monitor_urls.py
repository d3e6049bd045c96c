"""Every URL that monitors know: who may speak there, and the answer that their program expects."""

import base64
import hmac
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from ruamel.yaml import YAML

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents.errors import Overloaded
from signals.integration import KINDS, Integration
from storage.database import Tx
from tests.support.counterparties import ROOT
from tests.support.monitors import EVERY_OTHER, captured, declared, integration, key_of, request
from tests.support.real_engine import ALERTMANAGER_KEY, PAGERDUTY_KEY, PlanFiles, person, rung
from tocsin.screen import incident_screen, status_screen
from tocsin.web.app import build_app
from tocsin.web.intake import ROUTES, Route
from tocsin.web.senders import SENDERS, grafana
from tocsin.web.senders.reading import KeyRefused, NotNow

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GENIE = {"Authorization": f"GenieKey {key_of('opsgenie')}"}
PROBLEM = {"tool": "probe", "region": "eu", "problems": [{"id": 1, "host": "web-1", "state": "down", "level": "error"}]}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    signed = integration("sentry", name="signed", key="signed-key-0123456789", secret_from="TOCSIN_TEST_SECRET")
    files = PlanFiles(
        [person("ana", "console"), person("dora")], [rung("ana")], ["dora"], more_integrations=[*EVERY_OTHER, signed]
    )
    config = EngineConfig(tmp_path / "home", files.write(tmp_path / "plan"), "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


@pytest.fixture
async def sender(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    async def nobody(_: str) -> bytes:
        raise NotNow("Amazon is not here.")

    transport = httpx.ASGITransport(app=build_app(engine, nobody))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client


async def shown(engine: Engine, incident: str = "INC-1") -> dict[str, Any]:
    return await engine.show(incident)


def kept(engine: Engine, action: str) -> list[bytes]:
    def work(tx: Tx) -> list[bytes]:
        return [row[0] for row in tx.all("SELECT body FROM signals WHERE action = ? ORDER BY id", (action,))]

    return engine.database.read_now(work)


def notes(view: dict[str, Any]) -> list[str]:
    return [each["sentence"] for each in view["timeline"] if each["kind"] == "NoteAdded"]


# --- who may speak ---


def path_of(route: Route, part: str) -> str:
    return "/" + "/".join(part if each == "*" else each for each in route.pattern)


async def test_nobody_is_heard_without_a_key_of_the_plan(engine: Engine, sender: httpx.AsyncClient):
    for route in ROUTES:
        body: dict[str, Any] = {"routing_key": "wrong-key", "summary": "x", "action": "trigger"}
        if route.pattern[-1] == "enqueue":
            payload = {"summary": "x", "source": "y", "severity": "info"}
            body = {"routing_key": "wrong-key", "event_action": "trigger", "payload": payload}
        for authorization in ("", "Bearer wrong", "Basic !", "GenieKey", "Bearer \xff"):
            headers = [(b"authorization", authorization.encode("latin-1"))] if authorization else []
            answer = await sender.request(route.method, path_of(route, "wrong-key"), json=body, headers=headers)
            # PagerDuty's clients know a wrong key by 400.
            assert answer.status_code == (400 if route.pattern[-1] == "enqueue" else 401), (route, answer.text)
    assert not engine.database.read_now(lambda tx: tx.all("SELECT 1 FROM signals"))


async def test_another_method_is_refused_with_those_that_there_are(sender: httpx.AsyncClient):
    for route in ROUTES:
        answer = await sender.patch(path_of(route, "k"))
        assert answer.status_code == 405
        assert route.method in answer.headers["allow"]


async def test_a_key_of_another_kind_opens_nothing(sender: httpx.AsyncClient):
    for kind in SENDERS:
        other = "pingdom" if kind != "pingdom" else "checkly"
        assert (await sender.post(f"/webhooks/{kind}/{key_of(other)}", json={})).status_code == 401


async def test_a_body_without_end_is_refused_where_its_limit_is(sender: httpx.AsyncClient):
    for kind, known in SENDERS.items():
        key = ALERTMANAGER_KEY if kind == "alertmanager" else key_of(kind)
        answer = await sender.post(f"/webhooks/{kind}/{key}", content=b" " * (known.limit + 1))
        assert answer.status_code == 413


async def test_a_signature_that_is_asked_for_is_demanded(
    engine: Engine, sender: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    body = json.dumps({"action": "created", "data": {"issue": {"id": 1, "title": "KeyError"}}}).encode()
    right = hmac.digest(b"client-secret", body, "sha256").hex()

    async def says(signature: str) -> int:
        headers = [(b"sentry-hook-signature", signature.encode("latin-1")), (b"sentry-hook-resource", b"issue")]
        return (await sender.post("/webhooks/sentry/signed-key-0123456789", content=body, headers=headers)).status_code

    assert await says(right) == 503, "a secret that is not set is no reason to drop a page"
    monkeypatch.setenv("TOCSIN_TEST_SECRET", "client-secret")
    assert [await says("0" * 64), await says(""), await says("\xe4")] == [401, 401, 401]
    assert await says(right) == 202
    assert (await shown(engine))["title"] == "KeyError"


@pytest.mark.parametrize("stamp", ["", "1732221780"])
def test_grafanas_signature_covers_the_body_and_the_time(stamp: str):
    body = b'{"status": "firing"}'
    signed = (stamp.encode() + b":" if stamp else b"") + body
    right = hmac.digest(b"secret", signed, "sha256").hex()
    headers = {"x_grafana_alerting_signature": right}
    timed = {"x_grafana_alerting_signature_timestamp": stamp} if stamp else {}

    grafana.check_signature(request(body, **headers, **timed), "secret")
    for wrong in (request(body + b" ", **headers, **timed), request(body, **timed)):
        with pytest.raises(KeyRefused):
            grafana.check_signature(wrong, "secret")
    with pytest.raises(KeyRefused):
        grafana.check_signature(request(body, **headers, **timed), "another")


async def test_too_much_at_once_is_a_503_wherever_it_comes_in(
    engine: Engine, sender: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_: object, **__: object) -> None:
        raise Overloaded("Too many signals at once.", 7)

    monkeypatch.setattr(engine, "hear", full)
    for name in ("change", "note", "refused"):
        monkeypatch.setattr(engine.remarks, name, full)
    token = {"Authorization": f"Bearer {key_of('incidentio')}"}
    requests: list[tuple[str, Any, dict[str, str]]] = [
        ("/v2/enqueue", alert(), {}),
        ("/v2/change/enqueue", CHANGE, {}),
        (f"/alertmanager/{ALERTMANAGER_KEY}/api/v2/alerts", told(), {}),
        (f"/api/v2/generic/incoming?token={key_of('goalert')}", {"summary": "x"}, {}),
        ("/v2/alert_events/http/1", {"title": "x", "status": "firing"}, token),
        ("/v2/alerts", {"message": "x"}, GENIE),
        ("/v2/alerts/eA/notes", {"note": "x"}, GENIE),
        (GENERIC, PROBLEM, {}),
        (GENERIC, {}, {}),
        (f"/webhooks/oncall/{key_of('oncall')}", {"title": "x"}, {}),
    ]
    for path, body, headers in requests:
        answer = await sender.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "7"), (path, answer.text)


# --- Prometheus ---


def told(**labels: str) -> list[dict[str, Any]]:
    return [{"labels": {"alertname": "ShopDown", **labels}, "annotations": {"summary": "The shop is down"}}]


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        (f"/alertmanager/{ALERTMANAGER_KEY}/api/v2/alerts", ""),
        ("/api/v2/alerts", f"Bearer {ALERTMANAGER_KEY}"),
        ("/api/v2/alerts", basic("prometheus", ALERTMANAGER_KEY)),
        ("/api/v2/alerts", basic(ALERTMANAGER_KEY, "")),
    ],
)
async def test_prometheus_brings_its_key_in_the_path_or_in_a_header(
    engine: Engine, sender: httpx.AsyncClient, path: str, authorization: str
):
    headers = {"Authorization": authorization} if authorization else {}

    answer = await sender.post(path, json=told(severity="critical"), headers=headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert (await shown(engine))["severity"] == "SEV1"
    status = await sender.get(path.replace("alerts", "status"), headers=headers)
    assert status.json()["cluster"] == {"status": "disabled"}


async def test_what_is_wrong_is_one_text_for_alertmanagers_clients(sender: httpx.AsyncClient):
    path = f"/alertmanager/{ALERTMANAGER_KEY}/api/v2/alerts"

    answer = await sender.post(path, json=[{"labels": {}}])

    assert answer.status_code == 400
    assert answer.json().startswith("0.labels: ")
    assert (await sender.post(path, json=[])).status_code == 200


# --- PagerDuty ---

CHANGE = {
    "routing_key": PAGERDUTY_KEY,
    "payload": {"summary": "Build 42 is live", "source": "deployer", "timestamp": "2026-11-21T20:43:00.000+0000",
                "custom_details": {"build": 42}},
    "links": [{"href": "https://ci.example/42", "text": "build"}],
}  # fmt: skip


def alert(key: str = "k", action: str = "trigger") -> dict[str, Any]:
    payload = {"summary": "Checkout fails", "source": "shop", "severity": "error"}
    return {"routing_key": PAGERDUTY_KEY, "event_action": action, "dedup_key": key, "payload": payload}


async def test_a_change_calls_nobody_and_stands_in_the_incidents_of_its_integration(
    engine: Engine, sender: httpx.AsyncClient
):
    before = await sender.post("/v2/change/enqueue", json=CHANGE)
    await sender.post("/v2/enqueue", json=alert())
    during = {**CHANGE, "payload": {**CHANGE["payload"], "summary": "Build 42 is rolled back"}}  # type: ignore[dict-item]
    await sender.post("/v2/change/enqueue", json=during)

    assert before.status_code == 202
    assert before.json() == {"status": "success", "message": "Change event processed"}
    view = await shown(engine)
    assert [(each["summary"], each["source"], each["links"]) for each in view["changes"]] == [
        ("Build 42 is rolled back", "deployer", ["https://ci.example/42"]),
        ("Build 42 is live", "deployer", ["https://ci.example/42"]),
    ]
    assert notes(view) == ["Note: Change: Build 42 is rolled back (deployer)"]
    assert json.loads(kept(engine, "change")[0]) == CHANGE
    assert len(engine.database.read_now(lambda tx: tx.all("SELECT 1 FROM incidents"))) == 1


async def test_a_change_that_is_sent_twice_is_one(engine: Engine, sender: httpx.AsyncClient):
    await sender.post("/v2/enqueue", json=alert())
    for _ in range(2):
        assert (await sender.post("/v2/change/enqueue", json=CHANGE)).status_code == 202

    view = await shown(engine)
    assert (len(view["changes"]), len(notes(view))) == (1, 1)


async def test_many_changes_do_not_fill_the_log(engine: Engine, sender: httpx.AsyncClient):
    await sender.post("/v2/enqueue", json=alert())
    for number in range(30):
        change = {**CHANGE, "payload": {"summary": f"Build {number}"}}
        assert (await sender.post("/v2/change/enqueue", json=change)).status_code == 202

    view = await shown(engine)
    assert len(notes(view)) == 10
    assert len(kept(engine, "change")) == 30
    assert view["changes"][0]["summary"] == "Build 29"


async def test_a_change_of_another_integration_is_not_shown(engine: Engine, sender: httpx.AsyncClient):
    await sender.post(f"/webhooks/oncall/{key_of('oncall')}", json={"title": "x"})
    await sender.post("/v2/change/enqueue", json=CHANGE)

    view = await shown(engine)
    assert (view["changes"], notes(view)) == ([], [])


@pytest.mark.parametrize(
    "wrong", [{}, {"payload": {"summary": ""}}, {"payload": {}}, {"payload": {"summary": "x" * 1025}}]
)
async def test_a_wrong_change_is_refused_by_its_field(sender: httpx.AsyncClient, wrong: dict[str, Any]):
    answer = await sender.post("/v2/change/enqueue", json={"routing_key": PAGERDUTY_KEY, **wrong})

    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith("payload")


async def test_links_of_an_alert_stand_in_its_reasons_and_in_no_summary(engine: Engine, sender: httpx.AsyncClient):
    await sender.post("/v2/enqueue", json={**alert(), "links": [{"href": "https://wiki.example/r", "text": "runbook"}]})

    assert "the sender links to runbook: https://wiki.example/r" in (await shown(engine))["because"]
    assert "wiki.example" not in str(await engine.brief("INC-1"))


# --- Opsgenie ---


async def opened(sender: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await sender.post("/v2/alerts", json={"message": "Shop down", "alias": "shop/1", **more}, headers=GENIE)
    assert answer.status_code == 202, answer.text
    return await fate(sender, answer)


async def fate(sender: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert set(taken) == {"result", "took", "requestId"}
    assert taken["result"] == "Request will be processed"
    found = await sender.get(f"/v2/alerts/requests/{taken['requestId']}", headers=GENIE)
    assert found.status_code == 200
    status: dict[str, Any] = found.json()["data"]
    return status


async def test_the_captured_life_of_an_alert_in_opsgenie(engine: Engine, sender: httpx.AsyncClient):
    firing, close = captured("alertmanager_opsgenie.firing.prom"), captured("alertmanager_opsgenie.close.amtool")
    await fate(sender, await sender.post("/v2/alerts", json=firing["body"], headers=GENIE))
    assert (await shown(engine))["severity"] == "SEV1"

    path = close["path"].removeprefix("/opsgenie")
    done = await fate(sender, await sender.post(path, json=close["body"], headers=GENIE))

    assert (done["action"], done["isSuccess"], done["alias"]) == ("Close", True, firing["body"]["alias"])
    assert [each["firing"] for each in (await shown(engine))["signals"]] == [False]


async def test_an_alert_is_found_by_id_by_alias_and_by_tiny_id(engine: Engine, sender: httpx.AsyncClient):
    created = await opened(sender, priority="P1", note="Look at the queue", user="probe")
    assert (created["success"], created["alias"]) == (True, "shop/1")
    found = (await sender.get(f"/v2/alerts/{created['alertId']}", headers=GENIE)).json()["data"]
    assert (found["message"], found["tinyId"], found["status"], found["acknowledged"]) == (
        "Shop down",
        "1",
        "open",
        False,
    )

    by_id = await sender.post(f"/v2/alerts/{created['alertId']}/acknowledge", json={"user": "bot"}, headers=GENIE)
    by_alias = await sender.post(
        "/v2/alerts/shop%2F1/notes?identifierType=alias", json={"note": "Restarted", "user": "bot"}, headers=GENIE
    )
    title = await sender.put(
        "/v2/alerts/shop%2F1/message?identifierType=alias", json={"message": "Shop still down"}, headers=GENIE
    )
    text = await sender.put(
        f"/v2/alerts/{created['alertId']}/description", json={"description": "More words"}, headers=GENIE
    )
    by_tiny = await sender.post("/v2/alerts/1/close?identifierType=tiny", headers=GENIE)

    assert [(await fate(sender, each))["isSuccess"] for each in (by_id, by_alias, title, text, by_tiny)] == [True] * 5
    view = await shown(engine)
    assert notes(view) == [
        "Note: probe: Look at the queue",
        "Note: bot: Restarted",
        "Note: Its message is now: Shop still down",
        "Note: Its description is now: More words",
    ]
    kinds = [each["kind"] for each in view["timeline"]]
    assert "MachineAcknowledged" in kinds
    assert "SignalRecovered" in kinds
    assert (view["severity"], view["commander"]) == ("SEV1", None)


async def test_what_is_asked_of_an_alert_that_is_not_there_is_told_afterwards(sender: httpx.AsyncClient):
    for path, body in (("x/close", {}), ("x/acknowledge", {}), ("x/notes", {"note": "n"}), ("9/close", {})):
        kind = "tiny" if path.startswith("9") else "alias"
        answer = await sender.post(f"/v2/alerts/{path}?identifierType={kind}", json=body, headers=GENIE)
        status = await fate(sender, answer)
        assert (status["isSuccess"], status["status"]) == (False, "Alert does not exist")
    assert (await sender.get("/v2/alerts/x?identifierType=alias", headers=GENIE)).status_code == 404
    deleted = await sender.delete("/v2/alerts/x?identifierType=alias", headers=GENIE)
    assert (await fate(sender, deleted))["isSuccess"] is False


async def test_opsgenie_refuses_in_opsgenies_words(sender: httpx.AsyncClient):
    nobody = await sender.post("/v2/alerts", json={"message": "x"})
    empty = await sender.post("/v2/alerts", json={"alias": "x"}, headers=GENIE)
    odd = await sender.post("/v2/alerts/x/close?identifierType=name", json={}, headers=GENIE)

    assert (nobody.status_code, nobody.json()["message"]) == (401, "Could not authenticate")
    assert (empty.status_code, list(empty.json()["errors"])) == (422, ["message"])
    assert (odd.status_code, list(odd.json()["errors"])) == (422, ["identifierType"])
    assert (await sender.get("/v2/alerts/requests/nonsense", headers=GENIE)).status_code == 404
    without_alias = await sender.post("/v2/alerts", json={"message": "x"}, headers=GENIE)
    assert (await fate(sender, without_alias))["alias"]


# --- GoAlert, incident.io, OnCall ---


async def test_goalert_answers_204_or_json(sender: httpx.AsyncClient):
    path = f"/api/v2/generic/incoming?token={key_of('goalert')}"
    form = {"summary": "Disk full", "dedup": "d"}

    plain = await sender.post(path, data=form)
    asked = await sender.post(path, json=form, headers={"Accept": "application/json"})
    other = await sender.post(
        "/api/v2/generic/incoming",
        data={**form, "dedup": "e", "token": key_of("goalert")},
        headers={"Accept": "application/json"},
    )

    assert (plain.status_code, plain.content) == (204, b"")
    assert asked.json() == {"AlertID": 1, "ServiceID": "our-goalert", "IsNew": False}
    assert other.json() == {"AlertID": 2, "ServiceID": "our-goalert", "IsNew": True}
    assert (await sender.post(path, data={"details": "x"})).status_code == 400
    assert (await sender.post(path, data={**form, "action": "close"})).status_code == 204


async def test_incident_ios_clients_are_answered_as_they_expect(sender: httpx.AsyncClient):
    body = {"title": "Queue full", "status": "firing", "deduplication_key": "q1"}
    answer = await sender.post(
        "/v2/alert_events/http/01ABC", json=body, headers={"Authorization": f"Bearer {key_of('incidentio')}"}
    )

    assert answer.status_code == 202
    assert answer.json() == {
        "status": "success", "message": "Event accepted for processing", "deduplication_key": "q1"
    }  # fmt: skip


async def test_oncalls_own_url_works_too(engine: Engine, sender: httpx.AsyncClient):
    path = f"/integrations/v1/formatted_webhook/{key_of('oncall')}/"

    assert (await sender.post(path, json={"title": "Disk full"})).status_code == 202
    assert (await shown(engine))["title"] == "Disk full"


async def test_victorops_has_a_routing_key_behind_its_key(engine: Engine, sender: httpx.AsyncClient):
    body = captured("alertmanager_victorops.CRITICAL.prom")["body"]

    assert (await sender.post(f"/webhooks/victorops/{key_of('victorops')}/rk", json=body)).status_code == 202
    assert (await shown(engine))["title"] == body["entity_display_name"]


# --- any other sender ---

GENERIC = f"/webhooks/generic/{key_of('generic')}"


async def test_a_mapping_makes_signals_of_any_body(engine: Engine, sender: httpx.AsyncClient):
    answer = await sender.post(GENERIC, json=PROBLEM)

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "alerts": 1})
    view = await shown(engine)
    assert (view["title"], view["severity"]) == ("web-1 is down", "SEV2")
    up = {**PROBLEM, "problems": [{"id": 1, "host": "web-1", "state": "UP"}]}
    assert (await sender.post(GENERIC, json=up)).status_code == 202
    assert [each["firing"] for each in (await shown(engine))["signals"]] == [False]


async def test_a_body_that_does_not_fit_is_kept_and_its_field_is_named(engine: Engine, sender: httpx.AsyncClient):
    answer = await sender.post(GENERIC, json={"problems": [{"id": 1, "host": "web-1", "state": "down"}, {"host": "b"}]})

    assert answer.status_code == 409
    assert answer.json()["problems"] == [
        "1.dedup_key: $.id finds no text in this body",
        "1.summary: {{ item.host }} is {{ item.state }} finds no text in this body",
    ]
    assert json.loads(kept(engine, "refused")[0])["problems"][1] == {"host": "b"}
    told = engine.database.read_now(lambda tx: tx.all("SELECT text FROM outbox WHERE incident_id = 'TOCSIN'"))
    assert "does not fit its mapping" in told[0][0]
    assert not engine.database.read_now(lambda tx: tx.all("SELECT 1 FROM incidents"))


async def test_bodies_that_never_fit_do_not_fill_the_disk(engine: Engine, sender: httpx.AsyncClient):
    for _ in range(110):
        assert (await sender.post(GENERIC, content=b"{}")).status_code == 409

    assert len(kept(engine, "refused")) == 100


# --- what people see, and what the documentation says ---


async def test_changes_stand_in_the_status_at_the_command_line_and_on_the_page(
    engine: Engine, sender: httpx.AsyncClient
):
    await sender.post("/v2/change/enqueue", json=CHANGE)
    await sender.post("/v2/enqueue", json=alert())
    token = {"Authorization": "Bearer t"}

    status = (await sender.get("/api/v1/status", headers=token)).json()
    assert [each["summary"] for each in status["changes"]] == ["Build 42 is live"]
    now, names = engine.clock.now(), {"ana": "Ana"}
    shown_lines = [click.unstyle(line) for line in incident_screen(await shown(engine), names, now, 100)]
    listed_lines = [click.unstyle(line) for line in status_screen(status, [], names, now, 100)]
    for lines in (shown_lines, listed_lines):
        assert any("Build 42 is live (deployer) [pagerduty] https://ci.example/42" in line for line in lines), lines

    link = (await sender.get("/api/v1/incidents/INC-1/link?contact=ana", headers=token)).json()["url"]
    page = await sender.get(link.removeprefix("http://127.0.0.1:1"))
    assert "Build 42 is live (deployer)" in page.text


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "monitors.md").read_text(encoding="utf-8")
    return [part.partition("```")[0] for part in text.split(f"```{language}\n")[1:]]


def test_every_integration_that_the_documentation_shows_can_be_used():
    shown_ones = [YAML(typ="safe").load(each) for each in blocks("yaml")]
    entries = [each.get("integrations", []) if isinstance(each, dict) else each for each in shown_ones]
    found = [Integration.model_validate_json(json.dumps(each)) for some in entries for each in some]

    assert [each.kind for each in found] == ["grafana", "email", "generic"]


def test_the_templates_of_the_documentation_are_read():
    datadog, uptimerobot = (json.loads(each) for each in blocks("json"))
    filled = {**datadog, "title": "[Triggered] CPU", "transition": "Recovered", "aggreg_key": "a", "priority": "P1"}
    up = {
        **uptimerobot,
        "monitorID": "7",
        "monitorFriendlyName": "Shop",
        "alertType": "2",
        "alertTypeFriendlyName": "Up",
    }

    assert [
        (each.action, each.dedup_key)
        for kind, body in (("datadog", filled), ("uptimerobot", up))
        for each in SENDERS[kind].read(request(body), declared(kind), NOW)
    ] == [("resolve", "a"), ("resolve", "7")]


def test_every_kind_is_documented():
    text = (ROOT / "docs" / "monitors.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text and kind != "signals"] == []
