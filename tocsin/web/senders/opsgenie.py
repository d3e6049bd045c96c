"""Opsgenie's alert API: what its clients, and Alertmanager's opsgenie receiver, send and expect back."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import LONGEST_TITLE, Signal, one_line, stable_key
from tocsin.web.senders.reading import KB, Body, Loose, LooseList, LooseMapping, Title, labels_of, read_json

LIMIT = 512 * KB
USUAL_PRIORITY = "P3"
"""What Opsgenie takes an alert without a priority for."""


class OpsgenieAlert(Body):
    message: Title
    alias: Annotated[str, StringConstraints(max_length=512)] | None = None
    description: Loose = ""
    source: Loose = ""
    entity: Loose = ""
    priority: Loose = ""
    tags: LooseList = []
    details: LooseMapping = {}
    responders: LooseList = []
    note: Loose = ""
    user: Loose = ""


class OpsgenieAction(Body):
    """Of close, acknowledge and notes."""

    user: Loose = ""
    source: Loose = ""
    note: Loose = ""


class OpsgenieText(Body):
    """Of a changed message or description."""

    message: Loose = ""
    description: Loose = ""


_ALERT = TypeAdapter(OpsgenieAlert)
_ACTION = TypeAdapter(OpsgenieAction)
_TEXT = TypeAdapter(OpsgenieText)


def read_alert(body: bytes) -> OpsgenieAlert:
    """Raises SignalRefused with a problem a field."""
    return read_json(_ALERT, body)


def read_action(body: bytes) -> OpsgenieAction:
    """An empty body is one without a word. Raises SignalRefused with a problem a field."""
    return read_json(_ACTION, body) if body.strip() else OpsgenieAction()


def read_text(body: bytes, field: str) -> str:
    """The new message or description. Raises SignalRefused when it is empty."""
    said = one_line(str(getattr(read_json(_TEXT, body), field)))
    if not said:
        raise SignalRefused([f"{field}: must not be empty"])
    return said


def alert_signal(alert: OpsgenieAlert, alias: str, integration: Integration, body: bytes) -> Signal:
    tags = [str(each) for each in alert.tags if isinstance(each, str)]
    pairs = dict(each.split(":", 1) for each in tags if ":" in each)
    priority = alert.priority or USUAL_PRIORITY
    labels = labels_of(
        pairs, alert.details, entity=alert.entity, source=alert.source, tags=",".join(tags), priority=priority
    )
    word = priority if priority in integration.severity_words else labels.get(integration.severity_label)
    return Signal(
        "trigger",
        stable_key(alias),
        alert.message[:LONGEST_TITLE],
        alert.source,
        word or priority,
        labels,
        body,
    )


# --- names of alerts and of requests ---
#
# Both carry what they name, so that they mean the same after a restart and cost no table.


def alert_id(alias: str) -> str:
    return _packed(alias)


def alias_of(identifier: str) -> str | None:
    """The alias behind one of our alert ids; None when it is none."""
    return _unpacked(identifier)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a request."""

    action: str
    status: str
    alias: str
    done: bool
    at: str

    def packed(self) -> str:
        return _packed(json.dumps([self.action, self.status, self.alias, self.done, self.at], separators=(",", ":")))


def fate_of(request_id: str) -> Fate | None:
    """What a request id of ours says; None when it is none."""
    text = _unpacked(request_id)
    try:
        found: Any = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
    match found:
        case [str(action), str(status), str(alias), bool(done), str(at)]:
            return Fate(action, status, alias, done, at)
    return None


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _unpacked(text: str) -> str | None:
    if len(text) > 4 * KB or not text.isascii():
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
