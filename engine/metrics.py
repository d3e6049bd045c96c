"""`GET /metrics`: the engine's figures in the Prometheus text format. Computed when asked; nothing on the hot path."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage import keys, noise, outbox
from storage import log as incident_log

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
        yield from self._noise()
        yield GaugeMetricFamily(
            "tocsin_storage_waiting", "Writes queued and not yet committed.", engine.database.waiting
        )
        yield GaugeMetricFamily("tocsin_pages_in_flight", "Provider calls under way.", engine.pager.in_flight)
        yield GaugeMetricFamily("tocsin_prefect_present", "1 while a worker lives.", int(engine.presence.anybody))
        yield GaugeMetricFamily(
            "tocsin_disk_full", "1 while signals are refused for want of disk.", int(engine.database.disk_full)
        )

    def _noise(self) -> Iterator[Metric]:
        now = self._engine.clock.now()
        kept, silences, storms, flapping, beats = self._engine.database.read_now(
            lambda tx: (
                noise.held_counts(tx),
                len(noise.silences_in_force(tx, now)),
                len(noise.storms(tx)),
                len(keys.flapping(tx)),
                noise.heartbeats(tx),
            )
        )
        held = GaugeMetricFamily("tocsin_kept_signals", "Signals kept without a page, by why.", labels=["outcome"])
        for outcome in ("silenced", "inhibited"):
            held.add_metric([outcome], kept.get(outcome, 0))
        yield held
        yield GaugeMetricFamily("tocsin_silences", "Silences in force.", silences)
        yield GaugeMetricFamily("tocsin_storms", "Integrations that storm.", storms)
        yield GaugeMetricFamily("tocsin_flapping_keys", "Keys held as firing because they flap.", flapping)
        states = GaugeMetricFamily("tocsin_heartbeats", "Heartbeats, by state.", labels=["state"])
        for state, count in Counter(each.state for each in beats.values()).items():
            states.add_metric([state], count)
        yield states

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
