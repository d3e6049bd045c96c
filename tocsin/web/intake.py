"""Where monitors knock: `/v2/enqueue`, `/webhooks/alertmanager/{key}` and `/api/v1/signals`.

Bare ASGI: these are the paths that a storm comes through. An answer is given after the commit, never before.
"""

from engine.clock import random_token
from engine.services import Engine
from incidents.errors import Overloaded, SignalRefused
from signals.integration import Integration
from signals.signal import Signal
from storage.database import StorageBroken
from tocsin.web.http import BodyTooLarge, Reply, error_reply, json_reply, overloaded_reply
from tocsin.web.senders import (
    our_signal,
    pagerduty_signal,
    read_alertmanager,
    read_ours,
    read_pagerduty,
)

PAGERDUTY_LIMIT = 512 * 1024
"""Bytes; PagerDuty's own."""
ALERTMANAGER_LIMIT = 8 * 1024 * 1024
SIGNAL_LIMIT = 512 * 1024


async def enqueue(engine: Engine, body: bytes) -> Reply:
    """PagerDuty's Events API v2: 202 with a dedup_key, 400 with the errors, as theirs."""
    try:
        event = read_pagerduty(body)
    except SignalRefused as error:
        return _invalid_event(error.problems)
    integration = engine.integration(event.routing_key)
    if integration is None or integration.kind != "pagerduty":
        return _invalid_event(["routing_key: no integration of the plan has this key"])
    dedup_key = event.dedup_key or random_token(16)
    refused = await _hear(engine, integration, [pagerduty_signal(event, dedup_key, body)])
    if refused is not None:
        return refused
    return json_reply(202, {"status": "success", "message": "Event processed", "dedup_key": dedup_key})


def _invalid_event(problems: list[str]) -> Reply:
    return json_reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": problems})


async def alertmanager(engine: Engine, key: str, body: bytes) -> Reply:
    """Alertmanager's webhook, version 4, with any number of alerts."""
    integration = engine.integration(key)
    if integration is None or integration.kind != "alertmanager":
        return error_reply(401, "No alertmanager integration of the plan has this key.")
    try:
        found = read_alertmanager(body, integration.severity_label)
    except SignalRefused as error:
        return error_reply(400, "This is not an Alertmanager webhook (version 4).", problems=error.problems)
    refused = await _hear(engine, integration, found)
    return refused or json_reply(202, {"status": "accepted", "alerts": len(found)})


async def signals(engine: Engine, body: bytes) -> Reply:
    """Our own format."""
    try:
        signal = read_ours(body)
    except SignalRefused as error:
        return error_reply(400, "This signal cannot be used.", problems=error.problems)
    integration = engine.integration(signal.routing_key)
    if integration is None or integration.kind != "signals":
        return error_reply(401, "routing_key: no signals integration of the plan has this key.")
    dedup_key = signal.dedup_key or random_token(16)
    refused = await _hear(engine, integration, [our_signal(signal, dedup_key, body)])
    return refused or json_reply(202, {"status": "accepted", "dedup_key": dedup_key})


async def _hear(engine: Engine, integration: Integration, heard: list[Signal]) -> Reply | None:
    """None when everything is durable; otherwise the refusal to send."""
    try:
        await engine.hear(integration, heard)
    except Overloaded as error:
        return overloaded_reply(str(error), error.retry_after)
    except StorageBroken as error:
        return overloaded_reply(str(error), 5)
    return None


def too_large(error: BodyTooLarge) -> Reply:
    return error_reply(413, str(error))
