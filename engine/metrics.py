"""`GET /metrics`: the engine's figures in the Prometheus text format. Computed when asked; nothing on the hot path."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage import log as incident_log
from storage import outbox

if TYPE_CHECKING:
    from engine.services import Engine


class _EngineFigures(Collector):
    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        engine = self._engine
        moves = CounterMetricFamily("tocsin_moves", "Moves made, by kind and by who drove.", labels=["kind", "driver"])
        for (kind, driver), count in engine.moves_made.items():
            moves.add_metric([kind, driver], count)
        yield moves
        heard = CounterMetricFamily("tocsin_signals", "Signals heard, by what became of them.", labels=["outcome"])
        for outcome, count in engine.signals_heard.items():
            heard.add_metric([outcome], count)
        yield heard
        yield from self._stored()
        yield GaugeMetricFamily(
            "tocsin_storage_waiting", "Writes queued and not yet committed.", engine.database.waiting
        )
        yield GaugeMetricFamily("tocsin_pages_in_flight", "Provider calls under way.", engine.pager.in_flight)
        yield GaugeMetricFamily("tocsin_prefect_present", "1 while a worker lives.", int(engine.presence.anybody))
        yield GaugeMetricFamily(
            "tocsin_disk_full", "1 while signals are refused for want of disk.", int(engine.database.disk_full)
        )

    def _stored(self) -> Iterator[Metric]:
        open_by_severity, rows = self._engine.database.read_now(lambda tx: (incident_log.counts(tx), outbox.counts(tx)))
        incidents = GaugeMetricFamily("tocsin_open_incidents", "Open incidents by severity.", labels=["severity"])
        for severity, count in open_by_severity.items():
            incidents.add_metric([severity], count)
        yield incidents
        messages = GaugeMetricFamily("tocsin_outbox_messages", "Messages by state.", labels=["state"])
        for state, count in rows.items():
            messages.add_metric([state], count)
        yield messages


def render(engine: "Engine") -> tuple[bytes, str]:
    """(body, content type)."""
    registry = CollectorRegistry()
    registry.register(_EngineFigures(engine))
    return generate_latest(registry), CONTENT_TYPE_LATEST
