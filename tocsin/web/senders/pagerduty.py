"""PagerDuty's Events API v2: alerts (`/v2/enqueue`) and change events (`/v2/change/enqueue`)."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter

from incidents.errors import SignalRefused
from signals.signal import LONGEST_TITLE, Signal
from tocsin.web.senders.reading import (
    KB,
    Body,
    Loose,
    LooseList,
    LooseMapping,
    Title,
    labels_of,
    links_of,
    named,
    read_json,
)

LIMIT = 512 * KB
"""PagerDuty's own."""
RoutingKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class PagerDutyPayload(Body):
    summary: Title
    source: Annotated[str, StringConstraints(min_length=1)]
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: Annotated[str | None, Field(alias="class")] = None
    custom_details: Any = None


class PagerDutyEvent(Body):
    routing_key: RoutingKey
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: Annotated[str, StringConstraints(max_length=255)] | None = None
    payload: PagerDutyPayload | None = None
    images: LooseList = []
    """`src`, `href`, `alt` each."""
    links: LooseList = []
    """`href`, `text` each."""
    client: Loose = ""
    client_url: Loose = ""


class ChangePayload(Body):
    summary: Title
    source: Loose = ""
    timestamp: Loose = ""
    custom_details: Any = None


class PagerDutyChange(Body):
    """Something was changed, such as a deployment. Not an alert: nobody is called for it."""

    routing_key: RoutingKey
    payload: ChangePayload
    links: LooseList = []
    images: LooseList = []


_EVENT = TypeAdapter(PagerDutyEvent)
_CHANGE = TypeAdapter(PagerDutyChange)


def read_pagerduty(body: bytes) -> PagerDutyEvent:
    """Raises SignalRefused with a problem a field."""
    event = read_json(_EVENT, body)
    if event.event_action == "trigger" and event.payload is None:
        raise SignalRefused(["payload: Field required for a trigger"])
    if event.event_action != "trigger" and not event.dedup_key:
        raise SignalRefused([f"dedup_key: Field required to {event.event_action}"])
    return event


def read_change(body: bytes) -> PagerDutyChange:
    """Raises SignalRefused with a problem a field."""
    return read_json(_CHANGE, body)


def change_links(change: PagerDutyChange) -> tuple[str, ...]:
    return links_of(_pairs(change.links, change.images))


def pagerduty_signal(event: PagerDutyEvent, dedup_key: str, body: bytes) -> Signal:
    payload = event.payload
    links = links_of([*_pairs(event.links, event.images), (event.client or "client", event.client_url)])
    if payload is None:
        named_so = named(event.event_action, dedup_key)
        return Signal(event.event_action, dedup_key, named_so, "", body=body, links=links)
    parts = {"component": payload.component, "group": payload.group, "class": payload.class_, "source": payload.source}
    details: LooseMapping = payload.custom_details if isinstance(payload.custom_details, dict) else {}
    return Signal(
        event.event_action,
        dedup_key,
        payload.summary[:LONGEST_TITLE],
        payload.source,
        payload.severity,
        labels_of(parts, details, severity=payload.severity),
        body,
        links=links,
    )


def _pairs(links: list[Any], images: list[Any]) -> list[tuple[Any, Any]]:
    """(text, address) of each; an image leads to its link, or else to itself."""
    texts = [(each.get("text"), each.get("href")) for each in links if isinstance(each, dict)]
    seen = [(each.get("alt"), each.get("href") or each.get("src")) for each in images if isinstance(each, dict)]
    return [*texts, *seen]
