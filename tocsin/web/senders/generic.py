"""Any other sender, by the mapping of its integration."""

from datetime import datetime

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.mapping import signals_of
from signals.signal import Signal
from tocsin.web.senders.reading import KB, Request, values_of

LIMIT = 512 * KB


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """Raises SignalRefused naming the field of the mapping that finds nothing."""
    if integration.mapping is None:
        raise SignalRefused(["mapping: the plan does not say how a body of this sender is read"])
    return signals_of(integration.mapping, values_of(request), request.body)
