"""Alertmanager's webhook, version 4, and what Prometheus sends to an Alertmanager (`POST /api/v2/alerts`)."""

import json
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter

from signals.integration import Integration
from signals.signal import Signal
from tocsin.web.senders.reading import KB, Body, Request, links_of, moment_of, read_json, title_of

LIMIT = 8 * KB * KB
RESOLVE_TIMEOUT = timedelta(minutes=5)
"""How long an alert fires that does not say until when: Alertmanager's own default."""
_START, _PRIME, _MASK = 14695981039346656037, 1099511628211, (1 << 64) - 1
_LEAVES_OUT = re.compile(rb'"truncatedAlerts"\s*:\s*[1-9]')
"""Seen in a body before it is read a second time; nearly every body says 0."""
_RUNBOOKS = {"runbook_url": "runbook", "runbook": "runbook", "dashboard_url": "dashboard"}
"""Annotations that hold an address, and what the link is called."""


class AlertmanagerAlert(Body):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815 - Alertmanager's own name
    endsAt: str = ""  # noqa: N815 - Alertmanager's own name
    generatorURL: str = ""  # noqa: N815 - Alertmanager's own name
    fingerprint: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Alertmanager has sent it since 0.19; of an older one it is worked out."""


class AlertmanagerBody(Body):
    version: Literal["4"]
    groupKey: str = ""  # noqa: N815 - Alertmanager's own name
    truncatedAlerts: Any = ""  # noqa: N815 - Alertmanager's own name
    """How many alerts of the group the sender has left out (its `max_alerts`)."""
    receiver: str = ""
    status: Literal["firing", "resolved"]
    alerts: list[AlertmanagerAlert]
    externalURL: Any = ""  # noqa: N815 - Alertmanager's own name
    """Whatever it is: `links_of` takes what is an address. A validator in Python would nearly double the reading."""


class PostedAlert(Body):
    """An alert as Prometheus tells it: it fires until `endsAt` and is told again meanwhile."""

    labels: Annotated[dict[str, str], Field(min_length=1)]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815 - Alertmanager's own name
    endsAt: str = ""  # noqa: N815 - Alertmanager's own name
    generatorURL: str = ""  # noqa: N815 - Alertmanager's own name


_WEBHOOK = TypeAdapter(AlertmanagerBody)
_POSTED = TypeAdapter(list[PostedAlert])


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """Every alert of a webhook, in order. A firing group may hold resolved alerts: each alert's own status counts."""
    group = read_json(_WEBHOOK, request.body)
    raw = request.body if len(group.alerts) == 1 else None
    link = (("group", group.externalURL),)
    return [alert_signal(alert, integration.severity_label, raw, link) for alert in group.alerts]


def trouble(body: bytes) -> str | None:
    """What the operators have to know of a webhook: alerts that its sender has left out never come."""
    if _LEAVES_OUT.search(body) is None:
        return None
    left_out = read_json(_WEBHOOK, body).truncatedAlerts
    if not isinstance(left_out, int) or left_out <= 0:
        return None
    return f"Alertmanager leaves {left_out} alerts of a group out: raise max_alerts of its webhook."


def alert_signal(
    alert: AlertmanagerAlert,
    severity_label: str,
    body: bytes | None,
    further_links: tuple[tuple[str, str], ...] = (),
) -> Signal:
    """One alert of a webhook. `body` is the whole request when it holds no other alert."""
    annotations, labels = alert.annotations, alert.labels
    return Signal(
        "trigger" if alert.status == "firing" else "resolve",
        alert.fingerprint or fingerprint(labels),
        _summary(annotations, labels),
        alert.generatorURL,
        labels.get(severity_label),
        labels,
        body if body is not None else alert.__pydantic_serializer__.to_json(alert),
        links=links_of([*_links(annotations, alert.generatorURL), *further_links]),
    )


def read_posted(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """The alerts that a Prometheus posts. One whose end has passed is resolved; the others fire until then."""
    alerts = read_json(_POSTED, request.body)
    return [_posted_signal(alert, integration.severity_label, now) for alert in alerts]


def _posted_signal(alert: PostedAlert, severity_label: str, now: datetime) -> Signal:
    labels = {name: value for name, value in alert.labels.items() if value}
    until = moment_of(alert.endsAt) or now + RESOLVE_TIMEOUT
    fires = until > now
    return Signal(
        "trigger" if fires else "resolve",
        fingerprint(labels),
        _summary(alert.annotations, labels),
        alert.generatorURL,
        labels.get(severity_label),
        labels,
        json.dumps(alert.model_dump(), ensure_ascii=False).encode("utf-8", "replace"),
        ends_at=until if fires else None,
        links=links_of(_links(alert.annotations, alert.generatorURL)),
    )


def _summary(annotations: dict[str, str], labels: dict[str, str]) -> str:
    candidates = (annotations.get("summary", ""), annotations.get("description", ""), labels.get("alertname", ""))
    return title_of(*candidates, otherwise="alert")


def _links(annotations: dict[str, str], generator: str) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = [(_RUNBOOKS[name], annotations[name]) for name in _RUNBOOKS if name in annotations]
    found.append(("source", generator))
    return found


def fingerprint(labels: dict[str, str]) -> str:
    """An alert's name as Prometheus and Alertmanager work it out (FNV-1a over the sorted labels), 16 hex digits."""
    value = _START
    for name in sorted(labels):
        for part in (name, labels[name]):
            for byte in (*part.encode("utf-8", "surrogatepass"), 255):
                value = ((value ^ byte) * _PRIME) & _MASK
    return f"{value:016x}"
