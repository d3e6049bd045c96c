"""Debian's Alertmanager as a monitor that can only write mail: through Postfix to us, by LMTP and by IMAP."""

import asyncio

import pytest

from tests.integration.test_mail import WAYS, an_engine, by_mail, mail_environment
from tests.support.counterparties import StartAlertmanager, fire_alert
from tests.support.mail_servers import OURS_BY_IMAP, OURS_BY_LMTP, MailServers
from tests.support.monitors import integration, key_of
from tests.support.real_engine import Engines, PlanFiles, RealEngine, person, rung

pytestmark = [pytest.mark.counterparty("mail"), pytest.mark.counterparty("alertmanager"), pytest.mark.slow]


def writes_mail(servers: MailServers, way: str) -> str:
    local, _, domain = (OURS_BY_LMTP if way == "lmtp" else OURS_BY_IMAP).partition("@")
    return f"""
  email_configs:
  - to: {local}+{key_of("email")}@{domain}
    from: alertmanager@people.test
    smarthost: 127.0.0.1:{servers.smtp}
    hello: laptop.people.test
    require_tls: false
    send_resolved: true
    headers:
      Subject: '[{{{{ .Status | toUpper }}}}] {{{{ .CommonLabels.alertname }}}} {{{{ .CommonLabels.service }}}}'
"""


async def fires(engine: RealEngine, wanted: bool) -> None:
    async def so() -> bool:
        return [each["firing"] for each in (await engine.show())["signals"]] == [wanted]

    await engine.eventually(so, f"firing={wanted}", 90)


@WAYS
async def test_alertmanagers_mail_fires_and_recovers(
    engines: Engines, mail_servers: MailServers, start_alertmanager: StartAlertmanager, way: str
):
    await asyncio.to_thread(mail_servers.forget, "pages")
    nagios = integration("email", mail={"senders": ["alertmanager@people.test"]})
    plan = PlanFiles([by_mail("ana"), person("dora")], [rung("ana")], ["dora"], more_integrations=[nagios])
    engine = await an_engine(engines, plan, mail_environment(mail_servers, way))
    alertmanager = await asyncio.to_thread(start_alertmanager, writes_mail(mail_servers, way))

    await asyncio.to_thread(fire_alert, alertmanager, 4, alertname="ShopDown", service="checkout")
    await fires(engine, wanted=True)
    await fires(engine, wanted=False)

    shown = await engine.show()
    assert shown["title"] == "[FIRING] ShopDown checkout"
    assert shown["commander"] is None
