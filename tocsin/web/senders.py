"""What monitors send: PagerDuty Events v2, Alertmanager webhook v4 and our own signals, as models at the edge."""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from incidents.errors import SignalRefused
from signals.signal import Signal

LONGEST_TITLE = 200
_Word = Annotated[str, StringConstraints(max_length=255)]


def _line(text: Any) -> Any:
    """A title as people read it: control characters are spaces, and there is no space around it."""
    if not isinstance(text, str):
        return text
    return "".join(" " if unicodedata.category(each) == "Cc" else each for each in text).strip()


_Title = Annotated[str, BeforeValidator(_line), StringConstraints(min_length=1, max_length=1024)]


class _Sender(BaseModel):
    """Senders add fields with each release: unknown ones are kept in the raw signal and otherwise ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PagerDutyPayload(_Sender):
    summary: _Title
    source: Annotated[str, StringConstraints(min_length=1)]
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: Annotated[str | None, Field(alias="class")] = None
    custom_details: Any = None


class PagerDutyEvent(_Sender):
    routing_key: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: Annotated[str, StringConstraints(max_length=255)] | None = None
    payload: PagerDutyPayload | None = None


class AlertmanagerAlert(_Sender):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815 - Alertmanager's own name
    endsAt: str = ""  # noqa: N815 - Alertmanager's own name
    generatorURL: str = ""  # noqa: N815 - Alertmanager's own name
    fingerprint: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AlertmanagerBody(_Sender):
    version: Literal["4"]
    groupKey: str = ""  # noqa: N815 - Alertmanager's own name
    receiver: str = ""
    status: Literal["firing", "resolved"]
    alerts: list[AlertmanagerAlert]


class OurSignal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    routing_key: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    action: Literal["trigger", "acknowledge", "resolve"]
    summary: _Title = ""
    source: Annotated[str, StringConstraints(max_length=255)] = ""
    dedup_key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    severity: _Word | None = None
    labels: dict[str, str] = {}


_PAGERDUTY = TypeAdapter(PagerDutyEvent)
_ALERTMANAGER = TypeAdapter(AlertmanagerBody)
_OURS = TypeAdapter(OurSignal)


def _problems(error: ValidationError) -> list[str]:
    """One sentence a field, with its path as the sender writes it."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}" for problem in error.errors()
    ]


def read_pagerduty(body: bytes) -> PagerDutyEvent:
    """Raises SignalRefused with a problem a field."""
    try:
        event = _PAGERDUTY.validate_json(body)
    except ValidationError as error:
        raise SignalRefused(_problems(error)) from error
    if event.event_action == "trigger" and event.payload is None:
        raise SignalRefused(["payload: Field required for a trigger"])
    if event.event_action != "trigger" and not event.dedup_key:
        raise SignalRefused([f"dedup_key: Field required to {event.event_action}"])
    return event


def pagerduty_signal(event: PagerDutyEvent, dedup_key: str, body: bytes) -> Signal:
    payload = event.payload
    if payload is None:
        return Signal(event.event_action, dedup_key, _named(event.event_action, dedup_key), "", body=body)
    named = {"component": payload.component, "group": payload.group, "class": payload.class_, "source": payload.source}
    details = payload.custom_details if isinstance(payload.custom_details, dict) else {}
    labels = {key: value for key, value in named.items() if value is not None}
    labels.update({str(key): str(value) for key, value in details.items() if isinstance(value, str | int | float)})
    return Signal(
        event.event_action,
        dedup_key,
        payload.summary[:LONGEST_TITLE],
        payload.source,
        payload.severity,
        {**labels, "severity": payload.severity},
        body,
    )


def _named(action: str, dedup_key: str) -> str:
    """What stands in for the title that nobody has to send with a resolve or an acknowledge."""
    return str(_line(f"{action} of {dedup_key}"))[:LONGEST_TITLE]


def read_alertmanager(body: bytes, severity_label: str) -> list[Signal]:
    """Every alert of the body, in order. A firing group may hold resolved alerts: each alert's own status counts."""
    try:
        group = _ALERTMANAGER.validate_json(body)
    except ValidationError as error:
        raise SignalRefused(_problems(error)) from error
    alone = len(group.alerts) == 1
    return [_alert_signal(alert, severity_label, body if alone else None) for alert in group.alerts]


def _alert_signal(alert: AlertmanagerAlert, severity_label: str, body: bytes | None) -> Signal:
    annotations, labels = alert.annotations, alert.labels
    named = (annotations.get("summary"), annotations.get("description"), labels.get("alertname"))
    summary: str = next((line for line in map(_line, named) if line), "alert")
    return Signal(
        "trigger" if alert.status == "firing" else "resolve",
        alert.fingerprint,
        summary[:LONGEST_TITLE],
        alert.generatorURL,
        labels.get(severity_label),
        labels,
        body if body is not None else alert.__pydantic_serializer__.to_json(alert),
    )


def read_ours(body: bytes) -> OurSignal:
    """Raises SignalRefused with a problem a field."""
    try:
        signal = _OURS.validate_json(body)
    except ValidationError as error:
        raise SignalRefused(_problems(error)) from error
    if signal.action == "trigger" and not signal.summary:
        raise SignalRefused(["summary: Field required for a trigger"])
    if signal.action != "trigger" and signal.dedup_key is None:
        raise SignalRefused([f"dedup_key: Field required to {signal.action}"])
    return signal


def our_signal(signal: OurSignal, dedup_key: str, body: bytes) -> Signal:
    return Signal(
        signal.action,
        dedup_key,
        signal.summary[:LONGEST_TITLE] or _named(signal.action, dedup_key),
        signal.source,
        signal.severity,
        signal.labels,
        body,
    )
