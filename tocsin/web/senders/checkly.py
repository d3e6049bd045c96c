"""Checkly's webhook alerts, with the body that it proposes."""

from datetime import datetime

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, LooseList, Request, labels_of, links_of, read_json, title_of

LIMIT = 256 * KB
_OVER = ("ALERT_RECOVERY", "ALERT_DEGRADED_RECOVERY")


class ChecklyBody(Body):
    event: Loose = ""
    alert_type: Loose = ""
    """ALERT_FAILURE, ALERT_DEGRADED, ALERT_RECOVERY, ALERT_SSL …"""
    check_name: Loose = ""
    group_name: Loose = ""
    check_id: Loose = ""
    check_type: Loose = ""
    check_error_message: Loose = ""
    run_location: Loose = ""
    tags: Loose = ""
    link: Loose = ""
    ssl_check_domain: Loose = ""
    checks: LooseList = []


_BODY = TypeAdapter(ChecklyBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    alert = read_json(_BODY, request.body)
    key = alert.check_id or alert.check_name
    if not key:
        raise SignalRefused(["check_id: neither check_id nor check_name says which check this is"])
    is_certificate = alert.alert_type == "ALERT_SSL"
    labels = labels_of(
        {},
        check_name=alert.check_name,
        group_name=alert.group_name,
        check_type=alert.check_type,
        run_location=alert.run_location,
        tags=alert.tags,
        alert_type=alert.alert_type,
    )
    return [
        Signal(
            "resolve" if alert.alert_type in _OVER else "trigger",
            stable_key(f"certificate-{key}" if is_certificate else key),
            title_of(alert.event, f"{alert.check_name} {alert.check_error_message}", otherwise="A check of Checkly"),
            alert.link,
            alert.alert_type or None,
            labels,
            request.body,
            links=links_of([("check", alert.link)]),
        )
    ]
