"""incident.io's HTTP alert source."""

from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from signals.integration import Integration
from signals.signal import LONGEST_TITLE, Signal, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, LooseMapping, Request, Title, labels_of, links_of, read_json

LIMIT = 512 * KB


class IncidentIoBody(Body):
    title: Title
    description: Any = None
    deduplication_key: Loose = ""
    status: Literal["firing", "resolved"]
    metadata: LooseMapping = {}
    source_url: Loose = ""


_BODY = TypeAdapter(IncidentIoBody)


def key_in(body: bytes) -> str:
    """The key that the answer repeats."""
    alert = read_json(_BODY, body)
    return alert.deduplication_key or alert.title


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    alert = read_json(_BODY, request.body)
    labels = labels_of(alert.metadata)
    return [
        Signal(
            "resolve" if alert.status == "resolved" else "trigger",
            stable_key(alert.deduplication_key or alert.title),
            alert.title[:LONGEST_TITLE],
            alert.source_url,
            labels.get(integration.severity_label),
            labels,
            request.body,
            links=links_of([("source", alert.source_url)]),
        )
    ]
