"""Grafana's webhook contact point: unified alerting (version "1") and the older alerts of dashboards."""

import hmac
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.alertmanager import AlertmanagerAlert, alert_signal
from tocsin.web.senders.reading import (
    KB,
    Body,
    KeyRefused,
    Loose,
    LooseMapping,
    Request,
    labels_of,
    links_of,
    read_json,
    title_of,
    values_of,
)

LIMIT = 8 * KB * KB
_FURTHER_LINKS = ("dashboardURL", "panelURL", "silenceURL", "imageURL")


class GrafanaAlert(AlertmanagerAlert):
    dashboardURL: Loose = ""  # noqa: N815 - Grafana's own name
    panelURL: Loose = ""  # noqa: N815 - Grafana's own name
    silenceURL: Loose = ""  # noqa: N815 - Grafana's own name
    imageURL: Loose = ""  # noqa: N815 - Grafana's own name
    valueString: Loose = ""  # noqa: N815 - Grafana's own name


class GrafanaBody(Body):
    """Unified alerting."""

    version: Loose = ""
    status: Literal["firing", "resolved"]
    alerts: list[GrafanaAlert]
    title: Loose = ""
    message: Loose = ""


class LegacyGrafanaBody(Body):
    """An alert of a dashboard, before Grafana 9."""

    state: Literal["alerting", "ok", "no_data", "paused", "pending", "unknown"]
    ruleId: Loose = ""  # noqa: N815 - Grafana's own name
    ruleName: Loose = ""  # noqa: N815 - Grafana's own name
    ruleUrl: Loose = ""  # noqa: N815 - Grafana's own name
    imageUrl: Loose = ""  # noqa: N815 - Grafana's own name
    title: Loose = ""
    message: Loose = ""
    tags: LooseMapping = {}


_UNIFIED = TypeAdapter(GrafanaBody)
_LEGACY = TypeAdapter(LegacyGrafanaBody)


def check_signature(request: Request, secret: str) -> None:
    """Raises KeyRefused unless the body is signed with the contact point's HMAC secret (SHA-256, hex; Grafana 12)."""
    stamp = request.headers.get("x-grafana-alerting-signature-timestamp", "")
    signed = (stamp.encode() + b":" if stamp else b"") + request.body
    wanted = hmac.digest(secret.encode(), signed, "sha256").hex()
    given = request.headers.get("x-grafana-alerting-signature", "")
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        raise KeyRefused("X-Grafana-Alerting-Signature: this request is not signed with the plan's secret.")


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """Every alert of the body, however many."""
    body: Any = values_of(request)
    if isinstance(body, dict) and "alerts" not in body:
        return _legacy(request.body, integration)
    group = read_json(_UNIFIED, request.body)
    raw = request.body if len(group.alerts) == 1 else None
    return [_unified(alert, integration.severity_label, raw) for alert in group.alerts]


def _unified(alert: GrafanaAlert, severity_label: str, raw: bytes | None) -> Signal:
    further = tuple((name.removesuffix("URL"), getattr(alert, name)) for name in _FURTHER_LINKS)
    return alert_signal(alert, severity_label, raw, further)


def _legacy(raw: bytes, integration: Integration) -> list[Signal]:
    alert = read_json(_LEGACY, raw)
    key = f"rule-{alert.ruleId}" if alert.ruleId else alert.ruleName
    if not key:
        raise SignalRefused(["ruleId: neither ruleId nor ruleName says which alert this is"])
    if alert.state in ("paused", "pending", "unknown"):
        return []
    labels = labels_of(alert.tags, state=alert.state, ruleName=alert.ruleName)
    return [
        Signal(
            "resolve" if alert.state == "ok" else "trigger",
            stable_key(key),
            title_of(alert.ruleName, alert.title, alert.message, otherwise="alert"),
            alert.ruleUrl,
            labels.get(integration.severity_label) or (alert.state if alert.state == "no_data" else None),
            labels,
            raw,
            links=links_of([("rule", alert.ruleUrl), ("image", alert.imageUrl)]),
        )
    ]
