"""What monitors send becomes a title that people can read; a blank one costs nobody their page."""

import json
from datetime import UTC, datetime

import pytest

from incidents.errors import SignalRefused
from signals.integration import Integration
from tocsin.web.senders import alertmanager
from tocsin.web.senders.ours import our_signal, read_ours
from tocsin.web.senders.pagerduty import pagerduty_signal, read_pagerduty
from tocsin.web.senders.reading import Request

NOW = datetime(2026, 11, 21, tzinfo=UTC)
INTEGRATION = Integration.model_validate(
    {"name": "x", "kind": "alertmanager", "key": "0" * 16, "routes": [{"situation": "SHOP_DOWN"}]}
)


def alert(annotations: dict[str, str], labels: dict[str, str]) -> dict[str, object]:
    return {"status": "firing", "fingerprint": "f", "annotations": annotations, "labels": labels}


def titles(*alerts: dict[str, object]) -> list[str]:
    group = {"version": "4", "status": "firing", "alerts": alerts}
    request = Request(json.dumps(group).encode())
    return [signal.summary for signal in alertmanager.read(request, INTEGRATION, NOW)]


def event(summary: str) -> bytes:
    payload = {"summary": summary, "source": "shop", "severity": "error"}
    return json.dumps({"routing_key": "r", "event_action": "trigger", "payload": payload}).encode()


def ours(summary: str, action: str = "trigger", dedup_key: str = "k") -> bytes:
    signal = {"routing_key": "r", "action": action, "summary": summary, "dedup_key": dedup_key}
    return json.dumps(signal).encode()


def test_an_alert_with_a_blank_summary_is_called_by_the_next_thing_that_it_says():
    labels = {"alertname": "ShopDown"}
    assert titles(
        alert({"summary": " ", "description": "No orders"}, labels),
        alert({"summary": "\t\n", "description": "  "}, labels),
        alert({"summary": " \u0000 "}, {"alertname": " "}),
        alert({"summary": "  Shop is down \n"}, labels),
    ) == ["No orders", "ShopDown", "alert", "Shop is down"]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u0000"])
def test_a_blank_summary_is_refused_by_the_name_of_its_field(blank):
    with pytest.raises(SignalRefused, match=r"^payload\.summary: "):
        read_pagerduty(event(blank))
    with pytest.raises(SignalRefused, match=r"^summary: "):
        read_ours(ours(blank))


def test_control_characters_in_a_title_are_spaces_whoever_sends_it():
    nasty, clean = " Shop\ndown\u001b[31m \u0007", "Shop down [31m"
    by_pagerduty, by_us = read_pagerduty(event(nasty)), read_ours(ours(nasty))
    assert pagerduty_signal(by_pagerduty, "k", b"").summary == clean
    assert our_signal(by_us, "k", b"").summary == clean
    assert titles(alert({"summary": nasty}, {})) == [clean]


def test_a_resolve_without_a_summary_is_named_by_its_key():
    body = json.dumps({"routing_key": "r", "action": "resolve", "dedup_key": "a\nb"}).encode()
    assert our_signal(read_ours(body), "a\nb", body).summary == "resolve of a b"
