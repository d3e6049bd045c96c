"""Everything that a machine may ask, once: a right request for every operation of the description that writes.

`tests/integration/test_overload.py` shows that none is left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.counterparties import ROOT
from tests.support.monitors import EVERY_OTHER, key_of
from tests.support.real_engine import (
    ALERTMANAGER_KEY,
    LONG,
    PAGERDUTY_KEY,
    SIGNALS_KEY,
    PlanFiles,
    person,
    rung,
)

BEAT_KEY = "heartbeat-key-0123456789"
GENIE = {"Authorization": f"GenieKey {key_of('opsgenie')}"}
KNOWN = "known"
"""The alias of the alert that actions of Opsgenie are about."""
FIRST = {"message": "Checkout fails", "alias": KNOWN}
"""What has to be posted to /v2/alerts before."""


@dataclass(frozen=True)
class Knock:
    """`path` is the operation's; names in braces are filled in with `values`."""

    method: str
    path: str
    content: Any = None
    values: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    @property
    def address(self) -> str:
        return self.path.format(**self.values) + self.query

    @property
    def body(self) -> bytes | None:
        return None if self.content is None else json.dumps(self.content).encode()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def write_plan(folder: Path) -> Path:
    """A plan with every kind of integration, a heartbeat, and the help desks of listening.yaml."""
    files = PlanFiles(
        [person("ana", "console"), person("dora")], [rung("ana")], ["dora"], more_integrations=EVERY_OTHER
    )
    files.write(folder)
    plan = json.loads((folder / "plan.yaml").read_text(encoding="utf-8"))
    plan["heartbeats"] = [{"name": "backup", "key": BEAT_KEY, "every": LONG, "situation": "SHOP_DOWN"}]
    (folder / "plan.yaml").write_text(json.dumps(plan), encoding="utf-8")
    desks = [{"kind": kind, "name": kind, "key": key_of(kind)} for kind in ("chatwoot", "zendesk")]
    listening = {"brands": [{"id": "northwind", "names": ["Northwind"]}], "sources": desks}
    (folder / "listening.yaml").write_text(json.dumps(listening), encoding="utf-8")
    return folder


_ALERT = {"status": "firing", "labels": {"alertname": "Overload"}, "fingerprint": "f-overload"}
_EVENT = {"summary": "Overload", "source": "shop", "severity": "error"}
_CHAT = {
    "event": "message_created",
    "id": 1,
    "content": "Northwind does not answer!",
    "created_at": "2026-11-20T11:59:00Z",
    "message_type": "incoming",
    "private": False,
    "contact": {"id": 5, "name": "Ana"},
    "conversation": {"id": 9},
}


def _webhook(kind: str, content: Any, path: str = "", **values: str) -> Knock:
    return Knock("POST", path or f"/webhooks/{kind}/{{key}}", content, {"key": key_of(kind), **values})


def _opsgenie(method: str, what: str, content: Any = None) -> Knock:
    path = f"/v2/alerts/{{identifier}}{what}"
    return Knock(method, path, content, {"identifier": KNOWN}, GENIE, "?identifierType=alias")


def knocks(sns: Any = None) -> list[Knock]:
    """One a way in. `sns` is a message that Amazon has signed; without it CloudWatch is left out."""
    group = {"version": "4", "status": "firing", "alerts": [_ALERT]}
    posted = [{"labels": {"alertname": "Overload"}}]
    victorops = {"message_type": "CRITICAL", "entity_id": "overload"}
    oncall = {"alert_uid": "overload", "title": "Overload"}
    incidentio = {"title": "Overload", "status": "firing"}
    goalert = {"summary": "Overload"}
    problem = {"tool": "probe", "problems": [{"id": "1", "host": "web-1", "state": "down"}]}
    alertmanager = {"key": ALERTMANAGER_KEY}
    found = [
        Knock("POST", "/v2/enqueue", {"routing_key": PAGERDUTY_KEY, "event_action": "trigger", "payload": _EVENT}),
        Knock("POST", "/v2/change/enqueue", {"routing_key": PAGERDUTY_KEY, "payload": {"summary": "Build 42"}}),
        Knock("POST", "/api/v1/signals", {"routing_key": SIGNALS_KEY, "action": "trigger", "summary": "Overload"}),
        Knock("POST", "/webhooks/alertmanager/{key}", group, alertmanager),
        Knock("POST", "/alertmanager/{key}/api/v2/alerts", posted, alertmanager),
        Knock("POST", "/api/v2/alerts", posted, headers={"Authorization": f"Bearer {ALERTMANAGER_KEY}"}),
        Knock("POST", "/api/v2/generic/incoming", goalert, query=f"?token={key_of('goalert')}"),
        Knock(
            "POST",
            "/v2/alert_events/http/{source}",
            incidentio,
            {"source": "s"},
            query=f"?token={key_of('incidentio')}",
        ),
        _webhook("oncall", oncall, "/integrations/v1/formatted_webhook/{key}"),
        _webhook("oncall", oncall),
        _webhook("incidentio", incidentio),
        _webhook("goalert", goalert),
        _webhook("generic", problem),
        _webhook("grafana", {**group, "version": "1"}),
        _webhook("checkly", {"check_id": "c", "alert_type": "ALERT_FAILURE"}),
        _webhook("datadog", {"title": "CPU", "aggreg_key": "a"}),
        _webhook("gcp", {"incident": {"incident_id": "i", "state": "open"}}),
        _webhook("graylog", {"event_definition_id": "d", "event": {"message": "Overload"}}),
        _webhook("pingdom", {"check_id": 1, "current_state": "DOWN"}),
        _webhook("sentry", {"action": "created", "data": {"issue": {"id": "7", "title": "Overload"}}}),
        _webhook("uptimerobot", {"monitorID": "7", "alertType": "1"}),
        _webhook("victorops", victorops),
        _webhook("victorops", victorops, "/webhooks/victorops/{key}/{routing_key}", routing_key="team"),
        _webhook("chatwoot", _CHAT),
        _webhook("zendesk", {"ticket": "7", "text": "Northwind is broken", "by": "customer"}),
        Knock("GET", "/webhooks/heartbeat/{key}", values={"key": BEAT_KEY}),
        Knock("POST", "/webhooks/heartbeat/{key}", values={"key": BEAT_KEY}),
        Knock("POST", "/v2/alerts", {"message": "Overload"}, headers=GENIE),
        _opsgenie("POST", "/close", {}),
        _opsgenie("POST", "/acknowledge", {}),
        _opsgenie("POST", "/notes", {"note": "Looking."}),
        _opsgenie("PUT", "/message", {"message": "Another"}),
        _opsgenie("PUT", "/description", {"description": "More"}),
        _opsgenie("DELETE", ""),
    ]
    return found if sns is None else [*found, _webhook("cloudwatch", sns)]


def changing() -> set[str]:
    """Every operation of the description that a machine may ask and that changes anything."""
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    asked = {
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method, operation in methods.items()
        if not any("HTTPBearer" in each for each in operation.get("security", []))
    }
    reads = {f"GET {path}" for path in described if not path.startswith("/webhooks/")}
    return asked - reads
