"""Datadog's webhooks: the body is the user's own template. Ours stands in docs/monitors.md; Datadog's own works too."""

from datetime import datetime

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Signal, one_line, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, Request, labels_of, links_of, read_loose, title_of

LIMIT = 512 * KB
_OVER = ("recovered", "success")
_MOST_TAGS = 100


class DatadogBody(Body):
    title: Loose = ""
    """$EVENT_TITLE"""
    body: Loose = ""
    """$TEXT_ONLY_MSG"""
    message: Loose = ""
    """The same, as others call it."""
    transition: Loose = ""
    """$ALERT_TRANSITION: Triggered, Re-Triggered, Warn, No Data, Recovered …"""
    aggreg_key: Loose = ""
    """$AGGREG_KEY: the same for every event of one monitor and group."""
    monitor_id: Loose = ""
    """$ALERT_ID"""
    scope: Loose = ""
    """$ALERT_SCOPE"""
    priority: Loose = ""
    """$ALERT_PRIORITY: P1 to P5."""
    alert_type: Loose = ""
    """$ALERT_TYPE: error, warning, success, info."""
    hostname: Loose = ""
    """$HOSTNAME"""
    tags: Loose = ""
    """$TAGS"""
    link: Loose = ""
    """$LINK"""
    id: Loose = ""
    """$ID, of the event: all that Datadog's own template has."""


_BODY = TypeAdapter(DatadogBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    event = read_loose(_BODY, request)
    state, about = _split(event.title)
    transition = (event.transition or state).strip()
    over = transition.lower().startswith(_OVER) or (not transition and event.alert_type.lower() == "success")
    key = event.aggreg_key or (
        f"{event.monitor_id}:{event.scope}" if event.monitor_id else about or one_line(event.title) or event.id
    )
    if not key:
        raise SignalRefused(["aggreg_key: neither aggreg_key, monitor_id nor title says which monitor this is"])
    tags = dict(each.strip().split(":", 1) for each in event.tags.split(",")[:_MOST_TAGS] if ":" in each)
    labels = labels_of(
        tags,
        hostname=event.hostname,
        scope=event.scope,
        transition=transition,
        priority=event.priority,
        monitor_id=event.monitor_id,
    )
    return [
        Signal(
            "resolve" if over else "trigger",
            stable_key(key),
            title_of(about, event.title, event.body, event.message, otherwise="A monitor of Datadog"),
            event.hostname or event.scope,
            _severity_word(event, integration),
            labels,
            request.body,
            links=links_of([("event", event.link)]),
        )
    ]


def _severity_word(event: DatadogBody, integration: Integration) -> str | None:
    """The first of its words that the plan knows."""
    words = [each for each in (event.priority, event.transition, event.alert_type) if each]
    return next((each for each in words if each in integration.severity_words), words[0] if words else None)


def _split(title: str) -> tuple[str, str]:
    """`[P1] [Triggered on {host:a}] CPU` -> what the last bracket says, and what follows them."""
    state, rest = "", one_line(title)
    while rest.startswith("["):
        inside, closed, after = rest[1:].partition("]")
        if not closed:
            break
        state, rest = inside, after.lstrip()
    state, _, scope = state.partition(" on ")
    return state, f"{rest} {scope}".strip()
