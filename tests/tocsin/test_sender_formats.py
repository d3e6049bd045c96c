"""What each monitor was seen to send, or says that it sends, becomes the signals that are meant."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents.errors import SignalRefused
from signals.integration import KINDS
from signals.signal import Signal
from tests.support.monitors import captured, declared, documented, request
from tocsin.web.senders import SENDERS, alertmanager, opsgenie, sentry
from tocsin.web.senders.pagerduty import pagerduty_signal, read_pagerduty
from tocsin.web.senders.reading import KeyRefused, Request

NOW = datetime(2026, 11, 21, 20, 43, tzinfo=UTC)
OWN_WAYS = {"pagerduty", "signals", "opsgenie", "email", "cloudwatch"}
"""Kinds that are not read by the registry."""


def read(kind: str, body: object, **headers: str) -> list[Signal]:
    return SENDERS[kind].read(request(body, **headers), declared(kind), NOW)


def only(kind: str, body: object, **headers: str) -> Signal:
    (signal,) = read(kind, body, **headers)
    return signal


def said(signal: Signal) -> tuple[str, str, str, str | None]:
    return signal.action, signal.dedup_key, signal.summary, signal.severity_word


def test_every_kind_of_integration_has_a_way_in():
    assert set(SENDERS) | OWN_WAYS == set(KINDS)


# --- Alertmanager, Prometheus, Grafana ---


@pytest.mark.parametrize("origin", ["amtool", "prom"])
def test_a_captured_alert_of_alertmanager_fires_and_resolves_under_one_name(origin: str):
    firing = only("alertmanager", captured(f"alertmanager_webhook.firing.{origin}")["body"])
    resolved = only("alertmanager", captured(f"alertmanager_webhook.resolved.{origin}")["body"])

    assert (firing.action, resolved.action) == ("trigger", "resolve")
    assert firing.dedup_key == resolved.dedup_key
    assert firing.severity_word == "critical"
    assert any(each.startswith("runbook: http://runbook/") for each in firing.links)


@pytest.mark.parametrize("name", ["firing.amtool", "firing.prom"])
def test_the_fingerprint_is_worked_out_as_alertmanager_does(name: str):
    (alert,) = captured(f"alertmanager_webhook.{name}")["body"]["alerts"]

    assert alertmanager.fingerprint(alert["labels"]) == alert["fingerprint"]


def test_an_alert_is_the_same_one_whether_prometheus_or_alertmanager_tells_it():
    (told,) = captured("alertmanager_webhook.firing.prom")["body"]["alerts"]
    ends = (NOW + timedelta(minutes=4)).isoformat()
    posted = {key: told[key] for key in ("labels", "annotations", "startsAt", "generatorURL")} | {"endsAt": ends}

    (signal,) = alertmanager.read_posted(request([posted]), declared("alertmanager"), NOW)

    assert signal.dedup_key == told["fingerprint"]
    assert signal.ends_at == NOW + timedelta(minutes=4)
    assert signal.summary == told["annotations"]["summary"]


@pytest.mark.parametrize(
    ("ends", "action", "until"),
    [
        ("", "trigger", NOW + alertmanager.RESOLVE_TIMEOUT),
        ("0001-01-01T00:00:00Z", "trigger", NOW + alertmanager.RESOLVE_TIMEOUT),
        ("2026-11-21T21:43:01+01:00", "trigger", NOW + timedelta(seconds=1)),
        ("2026-11-21T20:43:00.123456789Z", "trigger", NOW + timedelta(microseconds=123456)),
        ("2026-11-21T20:42:59Z", "resolve", None),
    ],
)
def test_an_end_that_has_passed_resolves(ends: str, action: str, until: datetime | None):
    alert = {"labels": {"alertname": "A"}, "endsAt": ends}

    (signal,) = alertmanager.read_posted(request([alert]), declared("alertmanager"), NOW)

    assert (signal.action, signal.ends_at) == (action, until)


def test_an_alert_without_labels_is_named_by_its_place():
    with pytest.raises(SignalRefused, match=r"^1\.labels: "):
        alertmanager.read_posted(request([{"labels": {"a": "b"}}, {"labels": {}}]), declared("alertmanager"), NOW)


def test_alerts_that_a_sender_left_out_are_told_to_the_operators():
    body = captured("alertmanager_webhook.firing.prom")["body"]
    kept, cut = json.dumps(body).encode(), json.dumps({**body, "truncatedAlerts": 12}).encode()

    assert alertmanager.trouble(kept) is None
    assert "leaves 12 alerts" in str(alertmanager.trouble(cut))


def test_new_fields_of_alertmanager_change_nothing():
    body = captured("alertmanager_webhook.firing.prom")["body"]
    newer = {**body, "notification_reason": "firing", "routeLabels": {"a": ["b"]}, "alerts": [
        {**body["alerts"][0], "somethingNew": [1, {"deep": None}]}
    ]}  # fmt: skip

    assert said(only("alertmanager", newer)) == said(only("alertmanager", body))


def test_documented_bodies_of_alertmanager():
    signal = only("alertmanager", documented("alerta_prometheus_v4_alert"))
    assert signal.summary == "No things for over 10 minutes"
    assert len(signal.dedup_key) == 16
    with pytest.raises(SignalRefused, match="version"):
        read("alertmanager", documented("alerta_prometheus_v3_alert"))


def test_grafana_is_heard_to_its_last_alert():
    labels = {"alertname": "A", "severity": "warning"}
    alert = {"status": "firing", "labels": labels, "dashboardURL": "https://g/d/1"}
    alerts = [{**alert, "labels": {**labels, "n": str(number)}, "fingerprint": f"f{number}"} for number in range(25)]
    body = {"version": "1", "status": "firing", "orgId": 1, "title": "t", "state": "alerting", "alerts": alerts}

    found = read("grafana", body)

    assert [each.dedup_key for each in found] == [f"f{number}" for number in range(25)]
    assert found[0].severity_word == "warning"
    assert "dashboard: https://g/d/1" in found[0].links


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alerta_grafana_6", ("trigger", "rule-58", "Testing -> Battery Voltage alert", "warning")),
        ("alerta_grafana_alert_alerting", ("trigger", "rule-7", "Zeta CPU alert", None)),
        ("alerta_grafana_alert_ok", ("resolve", "rule-7", "Zeta CPU alert", None)),
        ("alerta_grafana_example", ("trigger", "rule-1", "Load peaking!", None)),
    ],
)
def test_documented_bodies_of_legacy_grafana(name: str, expected: tuple[str, str, str, str | None]):
    assert said(only("grafana", documented(name))) == expected


@pytest.mark.parametrize(("state", "actions"), [("no_data", ["trigger"]), ("paused", []), ("pending", [])])
def test_the_other_states_of_legacy_grafana(state: str, actions: list[str]):
    body = {"ruleId": 3, "ruleName": "Load", "state": state, "title": "[x] Load"}

    assert [each.action for each in read("grafana", body)] == actions


# --- PagerDuty, Opsgenie, VictorOps as Alertmanager speaks them ---


@pytest.mark.parametrize("origin", ["amtool", "prom"])
def test_captured_events_of_pagerduty_carry_links_and_images(origin: str):
    bodies = [
        json.dumps(captured(f"alertmanager_pagerduty_v2.{each}.{origin}")["body"]).encode()
        for each in ("trigger", "resolve")
    ]
    trigger, resolve = (pagerduty_signal(read_pagerduty(body), "k", body) for body in bodies)

    assert (trigger.action, resolve.action) == ("trigger", "resolve")
    assert trigger.severity_word == "critical"
    assert {"runbook: http://runbook", "a: http://x"} <= set(trigger.links)
    assert any(each.startswith("Alertmanager: http://monitor.example.com") for each in trigger.links)


@pytest.mark.parametrize("client", ["pagerduty7", "pdpyras"])
def test_captured_events_of_pagerdutys_clients(client: str):
    for action in ("trigger", "acknowledge", "resolve"):
        body = json.dumps(captured(f"pagerduty_client.{client}.{action}")["body"]).encode()
        assert pagerduty_signal(read_pagerduty(body), "k", body).action == action


@pytest.mark.parametrize("nonsense", [7, "x", {"a": 1}, [7, None, {"href": 9}, {"href": "javascript:alert(1)"}]])
def test_a_page_is_not_lost_over_a_decoration(nonsense: object):
    payload = {"summary": "s", "source": "x", "severity": "error"}
    event = {"routing_key": "r", "event_action": "trigger", "payload": payload}
    body = json.dumps({**event, "links": nonsense, "images": nonsense, "client": nonsense, "client_url": nonsense})

    signal = pagerduty_signal(read_pagerduty(body.encode()), "k", b"")

    assert (signal.summary, signal.links) == ("s", ())


@pytest.mark.parametrize("origin", ["amtool", "prom"])
def test_a_captured_alert_of_opsgenie(origin: str):
    body = json.dumps(captured(f"alertmanager_opsgenie.firing.{origin}")["body"]).encode()
    alert = opsgenie.read_alert(body)

    signal = opsgenie.alert_signal(alert, alert.alias or "", declared("opsgenie"), body)

    assert signal.action == "trigger"
    assert signal.dedup_key == alert.alias
    assert signal.severity_word == "critical", "P3, which nobody chose, says less than the label"
    assert signal.labels["service"] in ("checkout", "shop")


def test_names_of_opsgenie_alerts_and_requests_can_be_read_back():
    for alias in ("a", "shop/checkout?x=1&y", "ä" * 500):
        assert opsgenie.alias_of(opsgenie.alert_id(alias)) == alias
    fate = opsgenie.Fate("Close", "Alert closed", "shop/1", True, "2026-11-21T20:43:00.000Z")
    assert opsgenie.fate_of(fate.packed()) == fate
    for nonsense in ("", "x", "%%%", "bm90IGpzb24", "W10", "ä", "A" * 100_000):
        assert opsgenie.fate_of(nonsense) is None


@pytest.mark.parametrize("origin", ["amtool", "prom"])
def test_captured_messages_of_victorops(origin: str):
    critical = only("victorops", captured(f"alertmanager_victorops.CRITICAL.{origin}")["body"])
    recovery = only("victorops", captured(f"alertmanager_victorops.RECOVERY.{origin}")["body"])

    assert (critical.action, critical.severity_word, recovery.action) == ("trigger", "CRITICAL", "resolve")
    assert critical.dedup_key == recovery.dedup_key
    assert read("victorops", {"message_type": "INFO", "entity_id": "x"}) == []


# --- the others, as their documentation has them ---


@pytest.mark.parametrize(
    ("kind", "name", "sample", "expected"),
    [
        ("pingdom", "alerta_pingdom_down", None, (
            "trigger", "803318",
            "Alerta API on OpenShift is DOWN: HTTP Server Error 503 Service Unavailable", "HIGH")),
        ("pingdom", "alerta_pingdom_up", None, ("resolve", "803318", "Alerta API on OpenShift is UP: OK", "HIGH")),
        ("gcp", "alerta_stackdriver_open", None, (
            "trigger", "f2e08c333dc64cb09f75eaab355393bz",
            "CPU (agent) for webserver-85 is above the threshold of 1% with a value of 28.5%", None)),
        ("gcp", "alerta_stackdriver_closed", None, (
            "resolve", "f2e08c333dc64cb09f75eaab355393bz",
            "CPU (agent) for webserver-85 is above the threshold of 1% with a value of 28.5%", None)),
        ("gcp", "keep_gcpmonitoring", "5XX_errors_production", (
            "trigger", "prod-5xx-123", "High rate of 5XX errors detected in production environment", None)),
        ("checkly", "keep_checkly", None, (
            "resolve", "927a2982-1007-4b81-b383-eae8bf717e61", "API Check #1 has recovered", "ALERT_RECOVERY")),
        ("datadog", "keep_datadog", "high_cpu_usage", ("trigger", "1234567890:", "High CPU Usage", "P3")),
        ("datadog", "keep_datadog", "low_disk_space", ("trigger", "1234567891:", "Low Disk Space", "4")),
        ("sentry", "keep_sentry", "browser_timeout", (
            "trigger", "issue-4616132097", "Failed to fetch user profile", "error")),
        ("graylog", "alerta_graylog_notification", None, (
            "trigger", "55f1509dbee8e2841898eb64:5e7a9c8d-9bb1-47b6-b8db-4a3a83a25e0c",
            "test: Stream had 2 messages in the last 1 minutes with trigger condition more than 1 messages."
            " (Current grace time: 1 minutes)", None)),
    ],
)  # fmt: skip
def test_documented_bodies(kind: str, name: str, sample: str | None, expected: tuple[str, str, str, str | None]):
    assert said(only(kind, documented(name, sample))) == expected


def test_uptimerobot_as_json_as_a_form_and_in_the_query():
    fields = {"monitorID": "789", "monitorFriendlyName": "Shop", "alertType": "1", "alertTypeFriendlyName": "Down"}
    form = request(
        b"monitorID=789&monitorFriendlyName=Shop&alertType=2", content_type="application/x-www-form-urlencoded"
    )
    query = Request(b"", {}, {**fields, "alertType": "3", "alertTypeFriendlyName": "SSL expiry"})

    assert said(only("uptimerobot", fields)) == ("trigger", "789", "Shop is Down", "Down")
    assert [each.action for each in SENDERS["uptimerobot"].read(form, declared("uptimerobot"), NOW)] == ["resolve"]
    (certificate,) = SENDERS["uptimerobot"].read(query, declared("uptimerobot"), NOW)
    assert certificate.dedup_key == "certificate-789", "a certificate that expires is no monitor that is down"


DATADOG = {"title": "[P1] [Triggered on {host:web-1}] CPU is high", "aggreg_key": "abc", "priority": "P1",
           "tags": "env:prod,team:shop", "link": "https://app.datadoghq.com/event/1"}  # fmt: skip


@pytest.mark.parametrize(
    ("transition", "action"),
    [("Triggered", "trigger"), ("Re-Triggered", "trigger"), ("No Data", "trigger"), ("Warn", "trigger"),
     ("Recovered", "resolve"), ("Re-No Data", "trigger")],
)  # fmt: skip
def test_datadog_with_our_template(transition: str, action: str):
    signal = only("datadog", {**DATADOG, "transition": transition})

    assert said(signal) == (action, "abc", "CPU is high {host:web-1}", "P1")
    assert signal.labels["team"] == "shop"


def test_datadog_with_its_own_template_has_only_the_title():
    fired, over = ({"id": "1", "title": f"[{state} on {{host:a}}] CPU is high"} for state in ("Triggered", "Recovered"))

    assert (only("datadog", fired).action, only("datadog", over).action) == ("trigger", "resolve")
    assert only("datadog", fired).dedup_key == only("datadog", over).dedup_key


def sentry_issue(action: str) -> dict[str, Any]:
    issue = {"id": "12", "title": "KeyError: 'cart'", "culprit": "shop.views", "level": "error",
             "web_url": "https://sentry.example/12", "project": {"slug": "shop"}}  # fmt: skip
    return {"action": action, "data": {"issue": issue}, "installation": {"uuid": "u"}}


@pytest.mark.parametrize(
    ("action", "expected"),
    [("created", "trigger"), ("unresolved", "trigger"), ("resolved", "resolve"), ("archived", "resolve"),
     ("ignored", "resolve"), ("assigned", "acknowledge")],
)  # fmt: skip
def test_an_issue_of_sentry(action: str, expected: str):
    signal = only("sentry", sentry_issue(action), sentry_hook_resource="issue")

    assert said(signal) == (expected, "issue-12", "KeyError: 'cart'", "error")
    assert (signal.labels["project"], signal.links) == ("shop", ("issue: https://sentry.example/12",))


def test_an_alert_about_an_issue_is_the_issue():
    event = {"event_id": "e", "issue_id": "12", "title": "KeyError", "level": "fatal", "tags": [["env", "prod"], "odd"]}
    body = {"action": "triggered", "data": {"event": event, "triggered_rule": "Many errors"}}

    signal = only("sentry", body, sentry_hook_resource="event_alert")

    assert said(signal) == ("trigger", "issue-12", "KeyError", "fatal")
    assert (signal.labels["env"], signal.labels["rule"]) == ("prod", "Many errors")


@pytest.mark.parametrize(
    ("action", "expected"), [("critical", "trigger"), ("warning", "trigger"), ("resolved", "resolve")]
)
def test_a_metric_alert_of_sentry(action: str, expected: str):
    data = {"metric_alert": {"id": "7", "title": "p95"}, "description_title": "Critical: p95", "web_url": "https://s/7"}

    assert said(only("sentry", {"action": action, "data": data})) == (expected, "metric-7", "Critical: p95", action)


def test_what_sentry_tells_besides_is_no_signal():
    body = {"action": "created", "data": {"installation": {"status": "installed"}}}
    assert read("sentry", body, sentry_hook_resource="installation") == []
    assert read("sentry", {"action": "created"}, sentry_hook_resource="installation") == []


def test_sentrys_signature_is_checked_over_the_bytes_that_came():
    body = b'{"action": "created"}'
    right = "5f6b8b7b0ed6d0b9c6d3a8b5b1c2d9a4"

    with pytest.raises(KeyRefused):
        sentry.check_signature(request(body, sentry_hook_signature=right), "client-secret")
    with pytest.raises(KeyRefused):
        sentry.check_signature(request(body), "client-secret")


def test_an_event_of_graylog_is_one_for_each_key():
    event = {"message": "Many 5xx", "source": "graylog", "key": "shop", "priority": 3, "fields": {"service": "shop"}}
    body = {"event_definition_id": "d1", "event_definition_title": "5xx", "event": event, "backlog": []}

    signal = only("graylog", body)

    assert said(signal) == ("trigger", "d1:shop", "Many 5xx", "3")
    assert signal.labels["service"] == "shop"


def test_oncalls_formatted_webhook():
    body = {"alert_uid": "08d6891a", "title": "Disk full", "state": "alerting", "message": "m",
            "link_to_upstream_details": "https://up.example/1", "image_url": "https://up.example/1.png"}  # fmt: skip

    signal = only("oncall", body)

    assert said(signal) == ("trigger", "08d6891a", "Disk full", None)
    assert signal.links == ("details: https://up.example/1", "image: https://up.example/1.png")
    assert only("oncall", {**body, "state": "ok"}).action == "resolve"


def test_incident_ios_http_alert():
    body = {"title": "Queue full", "status": "firing", "deduplication_key": "q1", "metadata": {"severity": "warning"}}

    assert said(only("incidentio", body)) == ("trigger", "q1", "Queue full", "warning")
    assert only("incidentio", {**body, "status": "resolved"}).action == "resolve"
    with pytest.raises(SignalRefused, match="status"):
        read("incidentio", {"title": "Queue full"})


@pytest.mark.parametrize(
    ("body", "headers", "action", "key"),
    [
        (b"summary=Disk+full&dedup=d1&meta=x", {"content_type": "application/x-www-form-urlencoded"}, "trigger", "d1"),
        (b"summary=x&dedup=d1&action=close", {"content_type": "application/x-www-form-urlencoded"}, "resolve", "d1"),
        (b"summary=Disk+full&dedup=d1", {}, "trigger", "d1"),
        (
            {"summary": "Disk full", "dedup": "d1", "meta": {"a": "b"}},
            {"content_type": "application/json"},
            "trigger",
            "d1",
        ),
        ({"dedup": "d1", "action": "close"}, {}, "resolve", "d1"),
    ],
)
def test_goalerts_generic_api(body: object, headers: dict[str, str], action: str, key: str):
    signal = only("goalert", body, **headers)

    assert (signal.action, signal.dedup_key) == (action, key)


def test_goalert_without_a_key_takes_equal_texts_for_one_thing():
    first, again, other = (only("goalert", {"summary": "Disk", "details": each}) for each in ("a", "a", "b"))

    assert first.dedup_key == again.dedup_key != other.dedup_key


# --- whatever they send ---

NEEDED: dict[str, dict[str, Any]] = {
    "alertmanager": {"version": "4", "status": "firing", "alerts": []},
    "checkly": {"check_id": "c"},
    "datadog": {"title": "t"},
    "gcp": {"incident": {"incident_id": "i", "state": "open"}},
    "generic": {"problems": [{"id": 1, "host": "h", "state": "down"}]},
    "goalert": {"summary": "s"},
    "grafana": {"version": "1", "status": "firing", "alerts": []},
    "graylog": {"event_definition_id": "d"},
    "incidentio": {"title": "t", "status": "firing"},
    "oncall": {"alert_uid": "u"},
    "pingdom": {"check_id": 1, "current_state": "DOWN"},
    "sentry": {"action": "created", "data": {"issue": {"id": 1}}},
    "uptimerobot": {"monitorID": 1},
    "victorops": {"message_type": "CRITICAL", "entity_id": "e"},
}


@pytest.mark.parametrize("kind", SENDERS)
def test_a_field_that_nobody_knows_refuses_no_body(kind: str):
    strange = {"brand-new": {"deep": [1, None, {"x": "y"}]}, "Ünïcode": "☃", "n": 10**400}

    assert len(read(kind, {**NEEDED[kind], **strange})) == len(read(kind, NEEDED[kind]))


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"7", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 5_000, b"NaN",
     b'"\\ud800"', b'{"title": "\\ud800"}', b"{" + b'"k":1,' * 20_000 + b'"z":1}'],
)  # fmt: skip
def test_a_malformed_body_is_refused_and_nothing_else(kind: str, body: bytes):
    with pytest.raises(SignalRefused):
        read(kind, body)


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize("value", [None, True, 1.5, 10**400, [], {}, "", "\x00\x1b[31m", "x" * 100_000, "\u202e"])
def test_any_value_in_any_field_is_a_signal_or_a_refusal(kind: str, value: object):
    for field in getattr(SENDERS[kind].model, "model_fields", ()):
        with contextlib.suppress(SignalRefused):
            for signal in read(kind, {**NEEDED[kind], field: value}):
                assert 0 < len(signal.dedup_key) <= 255
                assert 0 < len(signal.summary) <= 200
                assert all(isinstance(each, str) for each in signal.labels.values())


def test_a_mark_before_the_body_is_not_part_of_it():
    assert read("oncall", b"\xef\xbb\xbf" + json.dumps({"title": "x"}).encode())
