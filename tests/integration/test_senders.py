"""Real monitors at our door: Debian's Prometheus without an Alertmanager, and Alertmanager's other receivers."""

import asyncio
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counterparties import StartAlertmanager, fire_alert, free_port, wait_until
from tests.support.monitors import EVERY_OTHER, key_of
from tests.support.real_engine import ALERTMANAGER_KEY, PAGERDUTY_KEY, Engines, PlanFiles, RealEngine, person, rung

pytestmark = pytest.mark.slow

RULES = """
groups:
- name: shop
  rules:
  - alert: ShopDown
    expr: up{job="shop"} == 0
    labels: {severity: critical, service: shop}
    annotations: {summary: "Shop {{ $labels.instance }} is down", runbook_url: "http://runbook/shop"}
"""


@pytest.fixture
async def engine(engines: Engines) -> RealEngine:
    people = [person("ana", "console"), person("dora")]
    return await engines.make(PlanFiles(people, [rung("ana")], ["dora"], more_integrations=EVERY_OTHER)).up()


StartPrometheus = Callable[[str, int], subprocess.Popen[bytes]]


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[StartPrometheus]:
    """Start Debian's Prometheus: this alerting section, and a shop that it looks at on this port."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(alerting: str, shop: int) -> subprocess.Popen[bytes]:
        port = free_port()
        (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {cluster: eu1}}\n"
            f"rule_files: [rules.yml]\n{alerting}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{shop}']}}]}}]\n",
            encoding="utf-8",
        )
        options = [
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--rules.alert.resend-delay=1s",
        ]
        with (tmp_path / "prometheus.log").open("wb") as log:
            processes.append(subprocess.Popen(["prometheus", *options], stdout=log, stderr=log))
        wait_until(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).close() or True, "ready"
        )
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


class Shop:
    """What Prometheus looks at; it can be closed and opened."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
            writer.write(head + b"orders 1\n")
            await writer.drain()
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


async def fires(engine: RealEngine, wanted: bool, incident: str = "INC-1") -> None:
    async def so() -> bool:
        return [each["firing"] for each in (await engine.show(incident))["signals"]] == [wanted]

    await engine.eventually(so, f"firing={wanted}", 90)


def by_prefix(engine: RealEngine) -> str:
    return (
        f"alerting: {{alertmanagers: [{{path_prefix: /alertmanager/{ALERTMANAGER_KEY}, "
        f"static_configs: [{{targets: ['127.0.0.1:{engine.port}']}}]}}]}}"
    )


def by_basic_auth(engine: RealEngine) -> str:
    return (
        f"alerting: {{alertmanagers: [{{basic_auth: {{username: prometheus, password: {ALERTMANAGER_KEY}}}, "
        f"static_configs: [{{targets: ['127.0.0.1:{engine.port}']}}]}}]}}"
    )


@pytest.mark.counterparty("prometheus")
@pytest.mark.parametrize("alerting", [by_prefix, by_basic_auth])
async def test_prometheus_points_straight_at_us(engine: RealEngine, start_prometheus: StartPrometheus, alerting):
    shop = Shop()
    await asyncio.to_thread(start_prometheus, alerting(engine), shop.port)
    await fires(engine, wanted=True)

    shown = await engine.show()
    assert (shown["severity"], shown["title"]) == ("SEV1", f"Shop 127.0.0.1:{shop.port} is down")
    assert any("runbook: http://runbook/shop" in each for each in shown["because"])

    await shop.open()
    await fires(engine, wanted=False)
    await shop.close()


@pytest.mark.counterparty("prometheus")
async def test_what_a_prometheus_no_longer_repeats_is_over_when_it_said_so(
    engine: RealEngine, start_prometheus: StartPrometheus
):
    process = await asyncio.to_thread(start_prometheus, by_prefix(engine), free_port())
    await fires(engine, wanted=True)

    process.kill()

    await fires(engine, wanted=False)
    assert (await engine.show())["status"] == "declared", "its silence takes charge of nothing"


def pagerduty(engine: RealEngine) -> str:
    return f"""
  pagerduty_configs:
  - url: {engine.url}/v2/enqueue
    routing_key: {PAGERDUTY_KEY}
    severity: critical
    links: [{{href: 'https://wiki.example/runbook', text: runbook}}]
    images: [{{src: 'https://charts.example/1.png', alt: chart}}]
"""


def opsgenie(engine: RealEngine) -> str:
    return f"""
  opsgenie_configs:
  - api_url: {engine.url}/
    api_key: {key_of("opsgenie")}
    priority: P1
    update_alerts: true
"""


def victorops(engine: RealEngine) -> str:
    return f"""
  victorops_configs:
  - api_url: {engine.url}/webhooks/victorops/
    api_key: {key_of("victorops")}
    routing_key: shop
"""


@pytest.mark.counterparty("alertmanager")
@pytest.mark.parametrize("receiver", [pagerduty, opsgenie, victorops])
async def test_alertmanagers_other_receivers_are_heard_and_recover(
    engine: RealEngine, start_alertmanager: StartAlertmanager, receiver
):
    alertmanager = await asyncio.to_thread(start_alertmanager, receiver(engine))

    await asyncio.to_thread(fire_alert, alertmanager, 4, alertname="ShopDown", severity="critical", service="checkout")
    await fires(engine, wanted=True)
    await fires(engine, wanted=False)

    shown = await engine.show()
    assert "ShopDown" in shown["title"]
    assert shown["commander"] is None
    if receiver is pagerduty:
        links = next(each for each in shown["because"] if each.startswith("the sender links to"))
        assert "runbook: https://wiki.example/runbook" in links
        assert "chart: https://charts.example/1.png" in links


@pytest.mark.counterparty("alertmanager")
async def test_amtool_takes_us_for_an_alertmanager(engine: RealEngine):
    """amtool comes with Alertmanager and speaks the same API as Prometheus."""
    assert shutil.which("amtool")
    url = f"{engine.url}/alertmanager/{ALERTMANAGER_KEY}"

    def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["amtool", f"--alertmanager.url={url}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    added = await asyncio.to_thread(amtool, "alert", "add", "alertname=ByHand", "severity=warning")
    assert added.returncode == 0, added.stderr
    await fires(engine, wanted=True)
    cluster = await asyncio.to_thread(amtool, "cluster", "show")
    assert "disabled" in cluster.stdout, cluster.stderr

    url = f"{engine.url}/alertmanager/wrong-key"
    refused = await asyncio.to_thread(amtool, "alert", "add", "alertname=ByHand")
    assert refused.returncode != 0
    assert json.loads(json.dumps((await engine.get("/api/v1/incidents"))["incidents"]))[1:] == []
