"""Graylog's HTTP notifications: of events (since 3.1) and of the older stream alerts."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, LooseMapping, Request, labels_of, read_json, title_of

LIMIT = 2 * KB * KB
"""It sends the messages that led to the event along."""


class GraylogBody(Body):
    event_definition_id: Loose = ""
    event_definition_title: Loose = ""
    event_definition_description: Loose = ""
    event: LooseMapping = {}
    check_result: LooseMapping = {}
    stream: LooseMapping = {}


_BODY = TypeAdapter(GraylogBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """Graylog never says that it is over; only an old stream alert that has not triggered is."""
    body = read_json(_BODY, request.body)
    if body.check_result:
        return [_stream_alert(body, request.body)]
    key = body.event_definition_id or _said(body.event, "event_definition_id")
    if not key:
        raise SignalRefused(["event_definition_id: Field required"])
    fields = body.event.get("fields")
    labels = labels_of(
        fields if isinstance(fields, dict) else {},
        {name: body.event.get(name) for name in ("source", "key", "priority")},
        event_definition_title=body.event_definition_title,
    )
    word = labels.get(integration.severity_label) or labels.get("priority")
    title = title_of(_said(body.event, "message"), body.event_definition_title, otherwise="An event in Graylog")
    # One definition may watch many things apart; what it tells them apart by is its key.
    about = f"{key}:{labels['key']}" if labels.get("key") else key
    return [Signal("trigger", stable_key(about), title, labels.get("source", ""), word, labels, request.body)]


def _stream_alert(body: GraylogBody, raw: bytes) -> Signal:
    condition = body.check_result.get("triggered_condition")
    condition = condition if isinstance(condition, dict) else {}
    stream = _said(body.stream, "id") or _said(body.stream, "title")
    if not stream:
        raise SignalRefused(["stream.id: Field required"])
    labels = labels_of({}, stream=_said(body.stream, "title"), condition=_said(condition, "type"))
    return Signal(
        "resolve" if body.check_result.get("triggered") is False else "trigger",
        stable_key(f"{stream}:{_said(condition, 'id')}"),
        title_of(
            f"{_said(body.stream, 'title')}: {_said(body.check_result, 'result_description')}",
            otherwise="A stream of Graylog",
        ),
        _said(body.stream, "title"),
        None,
        labels,
        raw,
    )


def _said(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
