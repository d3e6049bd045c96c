"""The counterparties themselves: that they start, refuse what the real ones refuse, and tell us what we rely on."""

import urllib.error

import pytest

from tests.support.counterparties import (  # noqa: F401 - fixtures are found by their names here
    Emulators,
    Recorder,
    StartAlertmanager,
    emulators,
    fire_alert,
    recorder,
    start_alertmanager,
    strict_twilio,
    wait_until,
)


@pytest.mark.counterparty("alertmanager")
def test_alertmanager_tells_its_receivers_when_an_alert_fires_and_when_it_ends(
    start_alertmanager: StartAlertmanager,  # noqa: F811
    recorder: Recorder,  # noqa: F811
):
    url = start_alertmanager(f'  webhook_configs: [{{url: "{recorder.url}/hook", send_resolved: true}}]')

    fire_alert(url, now_plus_seconds=2, alertname="CardPaymentsFail", severity="critical")

    wait_until(lambda: [each.json["status"] for each in recorder.at("/hook")] == ["firing", "resolved"], "both")
    assert recorder.at("/hook")[0].json["commonLabels"]["alertname"] == "CardPaymentsFail"


@pytest.mark.counterparty("twilio")
def test_prism_refuses_what_twilios_description_does_not_know(
    strict_twilio: str,  # noqa: F811
    emulators: Emulators,  # noqa: F811
):
    strict = Emulators(strict_twilio, emulators.slack_url)

    with pytest.raises(urllib.error.HTTPError) as refused:
        strict._twilio("POST", "Messages.json", {"To": "+12025550123", "RiskCheck": "bogus"})
    with refused.value as answer:
        assert answer.code == 422
