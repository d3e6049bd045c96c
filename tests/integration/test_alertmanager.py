"""Debian's Alertmanager as a sender: through our webhook, and through its PagerDuty notifier."""

import pytest

from tests.support.counterparties import StartAlertmanager, fire_alert
from tests.support.real_engine import (
    ALERTMANAGER_KEY,
    PAGERDUTY_KEY,
    Engines,
    PlanFiles,
    RealEngine,
    person,
    rung,
)

pytestmark = [pytest.mark.counterparty("alertmanager"), pytest.mark.slow]


@pytest.fixture
async def engine(engines: Engines) -> RealEngine:
    people = [person("ana", "console"), person("dora")]
    return await engines.make(PlanFiles(people, [rung("ana")], ["dora"])).up()


async def happens(engine: RealEngine, kind: str) -> None:
    async def happened() -> bool:
        return kind in await engine.kinds()

    await engine.eventually(happened, kind)


def webhook(engine: RealEngine) -> str:
    return f"""
  webhook_configs:
  - url: {engine.url}/webhooks/alertmanager/{ALERTMANAGER_KEY}
    send_resolved: true
"""


def pagerduty(engine: RealEngine) -> str:
    return f"""
  pagerduty_configs:
  - url: {engine.url}/v2/enqueue
    routing_key: {PAGERDUTY_KEY}
    severity: '{{{{ .CommonLabels.severity }}}}'
    send_resolved: true
"""


@pytest.mark.parametrize("receiver", [webhook, pagerduty])
async def test_an_alert_that_fires_and_recovers(engine: RealEngine, start_alertmanager: StartAlertmanager, receiver):
    alertmanager = start_alertmanager(receiver(engine))

    fire_alert(alertmanager, 3, alertname="ShopDown", severity="critical", service="checkout")
    await happens(engine, "PageRequested")
    await happens(engine, "SignalRecovered")

    shown = await engine.show()
    assert (shown["severity"], shown["situation"]) == ("SEV1", "SHOP_DOWN")
    assert "ShopDown" in shown["title"]
    assert [each["firing"] for each in shown["signals"]] == [False]
    assert shown["status"] == "declared", "a monitor that says it is over takes charge of nothing"


async def test_an_alertmanager_that_was_refused_because_we_were_away_comes_again(
    engine: RealEngine, start_alertmanager: StartAlertmanager
):
    engine.kill()
    alertmanager = start_alertmanager(webhook(engine))
    fire_alert(alertmanager, 300, alertname="ShopDown", severity="warning")
    await engine.up()

    await happens(engine, "PageRequested")
    assert (await engine.show())["severity"] == "SEV3"


async def test_two_alerts_of_one_group_are_two_signals(engine: RealEngine, start_alertmanager: StartAlertmanager):
    alertmanager = start_alertmanager(webhook(engine))

    fire_alert(alertmanager, 300, alertname="ShopDown", severity="critical", service="checkout")
    fire_alert(alertmanager, 300, alertname="ShopDown", severity="warning", service="search")

    async def both() -> bool:
        listed = (await engine.get("/api/v1/incidents"))["incidents"]
        return sorted(each["severity"] for each in listed) == ["SEV1", "SEV3"]

    await engine.eventually(both, "an incident for each alert")
