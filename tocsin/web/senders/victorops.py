"""VictorOps' (Splunk On-Call's) REST endpoint, as Alertmanager's victorops receiver and others use it."""

from datetime import datetime

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Action, Signal, one_line, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, Request, labels_of, links_of, read_json, title_of

LIMIT = 512 * KB
_ACTIONS: dict[str, Action] = {
    "RECOVERY": "resolve",
    "RESOLVED": "resolve",
    "OK": "resolve",
    "ACKNOWLEDGEMENT": "acknowledge",
    "ACK": "acknowledge",
}


class VictorOpsBody(Body):
    message_type: Loose = ""
    """CRITICAL, WARNING, ACKNOWLEDGEMENT, INFO or RECOVERY."""
    entity_id: Loose = ""
    entity_display_name: Loose = ""
    state_message: Loose = ""
    monitoring_tool: Loose = ""
    alert_url: Loose = ""


_BODY = TypeAdapter(VictorOpsBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """One signal; INFO tells and calls nobody."""
    alert = read_json(_BODY, request.body)
    kind = one_line(alert.message_type).upper()
    if not kind:
        raise SignalRefused(["message_type: Field required"])
    key = alert.entity_id or alert.entity_display_name
    if not key:
        raise SignalRefused(["entity_id: Field required"])
    if kind == "INFO":
        return []
    return [
        Signal(
            _ACTIONS.get(kind, "trigger"),
            stable_key(key),
            title_of(alert.entity_display_name, alert.state_message, alert.entity_id, otherwise="alert"),
            alert.monitoring_tool,
            kind,
            labels_of({}, message_type=kind, monitoring_tool=alert.monitoring_tool),
            request.body,
            links=links_of([("alert", alert.alert_url)]),
        )
    ]
