"""GoAlert's generic API: `POST /api/v2/generic/incoming?token=`, as a form, JSON or in the query."""

import hashlib
from datetime import datetime

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import LONGEST_TITLE, Signal, one_line, stable_key
from tocsin.web.senders.reading import (
    KB,
    Body,
    Loose,
    LooseMapping,
    Request,
    form_of,
    labels_of,
    named,
    read_json,
    read_python,
    title_of,
)

LIMIT = 256 * KB


class GoAlertBody(Body):
    summary: Loose = ""
    details: Loose = ""
    action: Loose = ""
    """`close`; anything else triggers."""
    dedup: Loose = ""
    meta: LooseMapping = {}
    token: Loose = ""


_BODY = TypeAdapter(GoAlertBody)


def parse(request: Request) -> GoAlertBody:
    """Raises SignalRefused when the body is neither a form nor JSON."""
    is_json = request.headers.get("content-type", "").lower().startswith("application/json")
    if is_json or request.body.lstrip()[:1] == b"{":
        return read_json(_BODY, request.body)
    return read_python(_BODY, {**request.query, **form_of(request.body)})


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """One signal. Without `dedup`, equal texts are one thing, as GoAlert has it."""
    said = parse(request)
    action = "resolve" if said.action.strip().lower() == "close" else "trigger"
    if not one_line(said.summary) and not (action == "resolve" and said.dedup):
        raise SignalRefused(["summary: Field required"])
    text = f"{said.summary}\n{said.details}".encode("utf-8", "surrogatepass")
    key = stable_key(said.dedup) or f"auto:{hashlib.sha256(text).hexdigest()[:32]}"
    labels = labels_of(said.meta)
    return [
        Signal(
            action,  # type: ignore[arg-type]  # one of two, above
            key,
            title_of(said.summary, otherwise=named(action, key))[:LONGEST_TITLE],
            "",
            labels.get(integration.severity_label),
            labels,
            request.body,
        )
    ]
