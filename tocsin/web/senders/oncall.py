"""Grafana OnCall's formatted webhook."""

from datetime import datetime

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, Request, labels_of, links_of, read_loose, title_of

LIMIT = 512 * KB


class OnCallBody(Body):
    alert_uid: Loose = ""
    title: Loose = ""
    image_url: Loose = ""
    state: Loose = ""
    """`alerting` or `ok`; without one it alerts."""
    link_to_upstream_details: Loose = ""
    message: Loose = ""
    severity: Loose = ""


_BODY = TypeAdapter(OnCallBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    alert = read_loose(_BODY, request)
    key = alert.alert_uid or alert.title
    if not key:
        raise SignalRefused(["alert_uid: neither alert_uid nor title says which alert this is"])
    link = alert.link_to_upstream_details
    return [
        Signal(
            "resolve" if alert.state.strip().lower() == "ok" else "trigger",
            stable_key(key),
            title_of(alert.title, alert.message, otherwise="alert"),
            link,
            alert.severity or None,
            labels_of({}, state=alert.state),
            request.body,
            links=links_of([("details", link), ("image", alert.image_url)]),
        )
    ]
