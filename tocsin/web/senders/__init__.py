"""The registry of senders that have no URL of their own: `POST /webhooks/{kind}/{key}`. One file a sender."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signals.integration import Integration
from signals.signal import Signal
from tocsin.web.senders import (
    alertmanager,
    checkly,
    datadog,
    gcp,
    generic,
    goalert,
    grafana,
    graylog,
    incidentio,
    oncall,
    pingdom,
    sentry,
    uptimerobot,
    victorops,
)
from tocsin.web.senders.reading import Request

Read = Callable[[Request, Integration, datetime], list[Signal]]


@dataclass(frozen=True, slots=True)
class Sender:
    """How the bodies of one kind of integration are read. `read` raises SignalRefused, KeyRefused or NotNow."""

    title: str
    read: Read
    limit: int
    """Bytes of a body."""
    model: type[Any] | None = None
    """What docs/openapi.json shows of its body."""
    accepts_forms: bool = False
    trouble: Callable[[bytes], str | None] | None = None
    """What its operators have to know of a body that was taken."""


SENDERS: dict[str, Sender] = {
    "alertmanager": Sender(
        "Alertmanager webhook, version 4",
        alertmanager.read,
        alertmanager.LIMIT,
        alertmanager.AlertmanagerBody,
        trouble=alertmanager.trouble,
    ),
    "checkly": Sender("Checkly webhook", checkly.read, checkly.LIMIT, checkly.ChecklyBody),
    "datadog": Sender(
        "Datadog webhook, with our template or Datadog's own", datadog.read, datadog.LIMIT, datadog.DatadogBody, True
    ),
    "gcp": Sender("Google Cloud Monitoring webhook", gcp.read, gcp.LIMIT, gcp.GcpBody),
    "generic": Sender("Any body, by the integration's mapping", generic.read, generic.LIMIT, None, True),
    "goalert": Sender("GoAlert generic API", goalert.read, goalert.LIMIT, goalert.GoAlertBody, True),
    "grafana": Sender("Grafana webhook, unified or legacy", grafana.read, grafana.LIMIT, grafana.GrafanaBody),
    "graylog": Sender("Graylog HTTP notification", graylog.read, graylog.LIMIT, graylog.GraylogBody),
    "incidentio": Sender("incident.io HTTP alert", incidentio.read, incidentio.LIMIT, incidentio.IncidentIoBody),
    "oncall": Sender("Grafana OnCall formatted webhook", oncall.read, oncall.LIMIT, oncall.OnCallBody, True),
    "pingdom": Sender("Pingdom webhook", pingdom.read, pingdom.LIMIT, pingdom.PingdomBody),
    "sentry": Sender("Sentry webhook", sentry.read, sentry.LIMIT, sentry.SentryBody),
    "uptimerobot": Sender(
        "UptimeRobot web-hook", uptimerobot.read, uptimerobot.LIMIT, uptimerobot.UptimeRobotBody, True
    ),
    "victorops": Sender("VictorOps REST endpoint", victorops.read, victorops.LIMIT, victorops.VictorOpsBody),
}
