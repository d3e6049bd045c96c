"""Where monitors knock: `/v2/enqueue`, `/webhooks/alertmanager/{key}` and `/api/v1/signals`.

Bare ASGI: these are the paths that a storm comes through. An answer is given after the commit, never before.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from engine.clock import random_token
from engine.services import Engine
from incidents.errors import Overloaded, SignalRefused, TocsinError
from signals.integration import Integration
from signals.signal import Signal
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
READ_AT_ONCE = 256 * 1024
"""Bytes; reading a longer body would hold up everybody else for too long."""
COME_BACK_AFTER = 5
"""Seconds; what a sender is told whose body could not be taken."""

T = TypeVar("T")
log = logging.getLogger("tocsin.intake")


async def enqueue(engine: Engine, body: bytes) -> Reply:
    """PagerDuty's Events API v2: 202 with a dedup_key, 400 with the errors, as theirs."""
    try:
        event = await _read(body, read_pagerduty)
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
        found = await _read(body, lambda long: read_alertmanager(long, integration.severity_label))
    except SignalRefused as error:
        return error_reply(400, "This is not an Alertmanager webhook (version 4).", problems=error.problems)
    refused = await _hear(engine, integration, found)
    return refused or json_reply(202, {"status": "accepted", "alerts": len(found)})


async def signals(engine: Engine, body: bytes) -> Reply:
    """Our own format."""
    try:
        signal = await _read(body, read_ours)
    except SignalRefused as error:
        return error_reply(400, "This signal cannot be used.", problems=error.problems)
    integration = engine.integration(signal.routing_key)
    if integration is None or integration.kind != "signals":
        return error_reply(401, "routing_key: no signals integration of the plan has this key.")
    dedup_key = signal.dedup_key or random_token(16)
    refused = await _hear(engine, integration, [our_signal(signal, dedup_key, body)])
    return refused or json_reply(202, {"status": "accepted", "dedup_key": dedup_key})


async def _read(body: bytes, read: Callable[[bytes], T]) -> T:
    """What stands in a body. A long one is read in a thread: pages and answers do not wait for it."""
    return read(body) if len(body) <= READ_AT_ONCE else await asyncio.to_thread(read, body)


async def _hear(engine: Engine, integration: Integration, heard: list[Signal]) -> Reply | None:
    """None when everything is durable; otherwise the refusal to send.

    Only what is wrong with the request itself is a 4xx, because senders drop those. Everything else is a 503, so that
    they repeat: what the rules or a fault of ours refuse now may be taken then, and repeats are folded.
    """
    try:
        await engine.hear(integration, heard)
    except SignalRefused as error:
        return error_reply(400, "This signal cannot be used.", problems=error.problems)
    except Overloaded as error:
        return overloaded_reply(str(error), error.retry_after)
    except TocsinError as error:
        log.error("signals not taken integration=%s because=%s", integration.name, error)
        return overloaded_reply(str(error), COME_BACK_AFTER)
    except Exception:
        log.exception("signals not taken integration=%s", integration.name)
        return overloaded_reply("These signals could not be taken. Send them again.", COME_BACK_AFTER)
    return None


def too_large(error: BodyTooLarge) -> Reply:
    return error_reply(413, str(error))
