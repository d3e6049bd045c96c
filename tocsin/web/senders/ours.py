"""Signals in our own format: `POST /api/v1/signals`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

from incidents.errors import SignalRefused
from signals.signal import LONGEST_TITLE, Signal
from tocsin.web.senders.reading import Title, Word, named, read_json


class OurSignal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    routing_key: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    action: Literal["trigger", "acknowledge", "resolve"]
    summary: Title = ""
    source: Annotated[str, StringConstraints(max_length=255)] = ""
    dedup_key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    severity: Word | None = None
    labels: dict[str, str] = {}


_OURS = TypeAdapter(OurSignal)


def read_ours(body: bytes) -> OurSignal:
    """Raises SignalRefused with a problem a field."""
    signal = read_json(_OURS, body)
    if signal.action == "trigger" and not signal.summary:
        raise SignalRefused(["summary: Field required for a trigger"])
    if signal.action != "trigger" and signal.dedup_key is None:
        raise SignalRefused([f"dedup_key: Field required to {signal.action}"])
    return signal


def our_signal(signal: OurSignal, dedup_key: str, body: bytes) -> Signal:
    return Signal(
        signal.action,
        dedup_key,
        signal.summary[:LONGEST_TITLE] or named(signal.action, dedup_key),
        signal.source,
        signal.severity,
        signal.labels,
        body,
    )
