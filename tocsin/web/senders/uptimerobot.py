"""UptimeRobot's web-hook: our template of its variables, as JSON, a form or in the query."""

from datetime import datetime

from pydantic import TypeAdapter

from signals.integration import Integration
from signals.signal import Action, Signal, stable_key
from tocsin.web.senders.reading import (
    KB,
    Body,
    Id,
    Loose,
    Request,
    form_of,
    labels_of,
    links_of,
    read_json,
    read_python,
    title_of,
)

LIMIT = 64 * KB
_DOWN, _UP, _CERTIFICATE = "1", "2", "3"


class UptimeRobotBody(Body):
    monitorID: Id  # noqa: N815 - UptimeRobot's own names
    monitorFriendlyName: Loose = ""  # noqa: N815
    monitorURL: Loose = ""  # noqa: N815
    alertType: Loose = ""  # noqa: N815
    """1 down, 2 up, 3 a certificate that expires."""
    alertTypeFriendlyName: Loose = ""  # noqa: N815
    alertDetails: Loose = ""  # noqa: N815


_BODY = TypeAdapter(UptimeRobotBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    said = _parsed(request)
    action: Action = "resolve" if said.alertType == _UP else "trigger"
    name = said.monitorFriendlyName or said.monitorURL or said.monitorID
    words = f"{name} is {said.alertTypeFriendlyName or 'down'}"
    detail = f": {said.alertDetails}" if said.alertDetails else ""
    labels = labels_of({}, monitor=said.monitorFriendlyName, url=said.monitorURL, alertType=said.alertType)
    return [
        Signal(
            action,
            stable_key(f"certificate-{said.monitorID}" if said.alertType == _CERTIFICATE else said.monitorID),
            title_of(words + detail, otherwise="A monitor of UptimeRobot"),
            said.monitorURL,
            said.alertTypeFriendlyName or None,
            labels,
            request.body,
            links=links_of([("monitor", said.monitorURL)]),
        )
    ]


def _parsed(request: Request) -> UptimeRobotBody:
    if request.body.lstrip()[:1] == b"{" or not (request.is_form or request.query):
        return read_json(_BODY, request.body)
    return read_python(_BODY, {**request.query, **form_of(request.body)})
