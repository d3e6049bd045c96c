"""Where monitors knock: most at `/webhooks/{kind}/{key}`; those that know their own service's URL only find it here.

Bare ASGI: these are the paths that a storm comes through. An answer is given after the commit, never before.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from engine.clock import random_token
from engine.services import Engine
from incidents.errors import Overloaded, SignalRefused
from signals.integration import Integration
from tocsin.web.hearing import (
    COME_BACK_AFTER,
    hear,
    integration_for,
    keys_in,
    read,
    request_of,
    segments,
)
from tocsin.web.http import (
    BodyTooLarge,
    Receive,
    Reply,
    Scope,
    error_reply,
    json_reply,
    overloaded_reply,
    read_body,
)
from tocsin.web.opsgenie_desk import OpsgenieDesk
from tocsin.web.senders import (
    SENDERS,
    Sender,
    alertmanager,
    cloudwatch,
    goalert,
    grafana,
    incidentio,
    oncall,
    opsgenie,
    pagerduty,
    sentry,
    victorops,
)
from tocsin.web.senders.ours import our_signal, read_ours
from tocsin.web.senders.pagerduty import pagerduty_signal, read_change, read_pagerduty
from tocsin.web.senders.reading import KB, KeyRefused, Request
from tocsin.web.sns import Fetch, SnsDesk

SIGNAL_LIMIT = 512 * KB
_UNKNOWN_KEY = (b"www-authenticate", b"Key")


class Doors:
    """The ways in of machines. `fetch` asks Amazon for certificates; `environment` holds the secrets of signatures."""

    def __init__(
        self, engine: Engine, fetch: Fetch | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._engine = engine
        self._sns = SnsDesk(engine, fetch)
        self._opsgenie = OpsgenieDesk(engine)
        self._environment = os.environ if environment is None else environment

    async def take(self, scope: Scope, receive: Receive) -> Reply | None:
        """The answer to a machine's request; None for what is not for machines."""
        parts = tuple(segments(scope))
        route = route_of(scope["method"], parts)
        if route is None:
            allowed = [each for each in _METHODS if route_of(each, parts) is not None]
            return _wrong_method(", ".join(allowed)) if allowed else None
        try:
            body = await read_body(receive, route.limit)
        except BodyTooLarge as error:
            return error_reply(413, str(error))
        return await route.handler(self, parts, request_of(scope, body))

    # --- their own URLs ---

    async def enqueue(self, _parts: tuple[str, ...], request: Request) -> Reply:
        """PagerDuty's Events API v2: 202 with a dedup_key, 400 with the errors, as theirs."""
        try:
            event = await read(request.body, read_pagerduty)
        except SignalRefused as error:
            return _invalid_event(error.problems)
        integration = integration_for(self._engine, "pagerduty", [event.routing_key])
        if integration is None:
            return _invalid_event(["routing_key: no integration of the plan has this key"])
        dedup_key = event.dedup_key or random_token(16)
        _, refused = await hear(self._engine, integration, [pagerduty_signal(event, dedup_key, request.body)])
        if refused is not None:
            return refused
        return json_reply(202, {"status": "success", "message": "Event processed", "dedup_key": dedup_key})

    async def change(self, _parts: tuple[str, ...], request: Request) -> Reply:
        """PagerDuty's change events: kept, and told to the open incidents of the integration."""
        try:
            change = await read(request.body, read_change)
        except SignalRefused as error:
            return _invalid_event(error.problems)
        integration = integration_for(self._engine, "pagerduty", [change.routing_key])
        if integration is None:
            return _invalid_event(["routing_key: no integration of the plan has this key"])
        try:
            await self._engine.remarks.change(integration, change.payload.summary, change.payload.source, request.body)
        except Overloaded as error:
            return overloaded_reply(str(error), error.retry_after)
        return json_reply(202, {"status": "success", "message": "Change event processed"})

    async def signals(self, _parts: tuple[str, ...], request: Request) -> Reply:
        """Our own format."""
        try:
            signal = await read(request.body, read_ours)
        except SignalRefused as error:
            return error_reply(400, "This signal cannot be used.", problems=error.problems)
        integration = integration_for(self._engine, "signals", [signal.routing_key])
        if integration is None:
            return _no_key("routing_key: no signals integration of the plan has this key.")
        dedup_key = signal.dedup_key or random_token(16)
        _, refused = await hear(self._engine, integration, [our_signal(signal, dedup_key, request.body)])
        return refused or json_reply(202, {"status": "accepted", "dedup_key": dedup_key})

    async def prometheus(self, parts: tuple[str, ...], request: Request) -> Reply:
        """What a Prometheus posts to an Alertmanager: its clients read a refusal as one JSON text."""
        integration = self._behind_alertmanager(parts, request)
        if integration is None:
            return _no_key(_NO_ALERTMANAGER)
        now = self._engine.clock.now()
        try:
            found = await read(request.body, lambda _: alertmanager.read_posted(request, integration, now))
        except SignalRefused as error:
            return json_reply(400, str(error))
        _, refused = await hear(self._engine, integration, found)
        return refused or Reply(200)

    async def status(self, parts: tuple[str, ...], request: Request) -> Reply:
        """What amtool asks an Alertmanager first."""
        known = self._behind_alertmanager(parts, request)
        return _no_key(_NO_ALERTMANAGER) if known is None else json_reply(200, _STATUS)

    def _behind_alertmanager(self, parts: tuple[str, ...], request: Request) -> Integration | None:
        keys = [parts[1]] if parts[0] == "alertmanager" else keys_in(request.headers.get("authorization", ""))
        return integration_for(self._engine, "alertmanager", keys)

    async def goalert(self, _parts: tuple[str, ...], request: Request) -> Reply:
        """204, or JSON for those who ask for it."""
        try:
            said = await read(request.body, lambda _: goalert.parse(request))
        except SignalRefused as error:
            return error_reply(400, "This alert cannot be used.", problems=error.problems)
        keys = [request.query.get("token", ""), said.token, *keys_in(request.headers.get("authorization", ""))]
        integration = integration_for(self._engine, "goalert", keys)
        if integration is None:
            return _no_key("token: no goalert integration of the plan has this key.")
        try:
            found = goalert.read(request, integration, self._engine.clock.now())
        except SignalRefused as error:
            return error_reply(400, "This alert cannot be used.", problems=error.problems)
        heard, refused = await hear(self._engine, integration, found)
        if refused is not None:
            return refused
        if "application/json" not in request.headers.get("accept", ""):
            return Reply(204)
        incident = next((each.incident for each in heard if each.incident), None)
        new = any(each.outcome == "declared" for each in heard)
        return json_reply(200, {"AlertID": _number(incident), "ServiceID": integration.name, "IsNew": new})

    async def incidentio(self, _parts: tuple[str, ...], request: Request) -> Reply:
        keys = [*keys_in(request.headers.get("authorization", "")), request.query.get("token", "")]
        integration = integration_for(self._engine, "incidentio", keys)
        if integration is None:
            return _no_key("No incidentio integration of the plan has this key.")
        reply = await self._read_and_hear(SENDERS["incidentio"], integration, request)
        if reply.status != 202:
            return reply
        key = incidentio.key_in(request.body)
        said = {"status": "success", "message": "Event accepted for processing", "deduplication_key": key}
        return json_reply(202, said)

    async def formatted(self, parts: tuple[str, ...], request: Request) -> Reply:
        return await self._webhook("oncall", parts[-1], request)

    async def opsgenie(self, parts: tuple[str, ...], request: Request) -> Reply:
        return await self._opsgenie.take(request, list(parts[2:]))

    # --- /webhooks/{kind}/{key} ---

    async def webhook(self, parts: tuple[str, ...], request: Request) -> Reply:
        return await self._webhook(parts[1], parts[2], request)

    async def _webhook(self, kind: str, key: str, request: Request) -> Reply:
        integration = integration_for(self._engine, kind, [key])
        if integration is None:
            return _no_key(f"No {kind} integration of the plan has this key.")
        if kind == "cloudwatch":
            try:
                return await self._sns.take(integration, request)
            except SignalRefused as error:
                return error_reply(400, "This is not a message of Amazon SNS.", problems=error.problems)
        refused = self._unsigned(integration, request)
        return refused or await self._read_and_hear(SENDERS[kind], integration, request)

    def _unsigned(self, integration: Integration, request: Request) -> Reply | None:
        """The refusal of a request without the signature that its integration asks for."""
        check = _SIGNATURES.get(integration.kind)
        if check is None or integration.secret_from is None:
            return None
        secret = self._environment.get(integration.secret_from)
        if not secret:
            sentence = f"{integration.secret_from} is not set: the signatures of {integration.name} cannot be checked."
            return overloaded_reply(sentence, COME_BACK_AFTER)
        try:
            check(request, secret)
        except KeyRefused as error:
            return error_reply(401, str(error), (b"www-authenticate", b"Signature"))
        return None

    async def _read_and_hear(self, sender: Sender, integration: Integration, request: Request) -> Reply:
        now = self._engine.clock.now()
        try:
            found = await read(request.body, lambda _: sender.read(request, integration, now))
        except SignalRefused as error:
            return await self._misfit(sender, integration, request, error)
        _, refused = await hear(self._engine, integration, found)
        if refused is not None:
            return refused
        trouble = None if sender.trouble is None else sender.trouble(request.body)
        if trouble is not None:
            await self._engine.page_operators(f"sender-{integration.name}-{now:%Y%m%d}", trouble)
        return json_reply(202, {"status": "accepted", "alerts": len(found)})

    async def _misfit(self, sender: Sender, integration: Integration, request: Request, error: SignalRefused) -> Reply:
        if integration.mapping is not None:
            try:
                await self._engine.remarks.refused(integration, error.problems[0], request.body)
            except Overloaded as overloaded:
                return overloaded_reply(str(overloaded), overloaded.retry_after)
        # What a mapping does not find is no fault of the request by itself: the plan asks for more than it has.
        status = 409 if sender is SENDERS["generic"] and error.problems[0].partition(":")[0] != "body" else 400
        return error_reply(status, f"This body cannot be used ({sender.title}).", problems=error.problems)


Handler = Callable[[Doors, tuple[str, ...], Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` is the path's parts; `*` stands for any one."""

    method: str
    pattern: tuple[str, ...]
    limit: int
    """Bytes of a body."""
    handler: Handler

    def fits(self, parts: tuple[str, ...]) -> bool:
        """Whether these parts, as many as the pattern has, are its own."""
        return all(wanted in ("*", part) for wanted, part in zip(self.pattern, parts, strict=True))


def route_of(method: str, parts: tuple[str, ...]) -> Route | None:
    """Where a request of a machine belongs; None for what is not for machines."""
    known = _BY_START.get((method, len(parts), parts[0]), ())
    return next((each for each in known if each.fits(parts)), None)


def _route(method: str, path: str, limit: int, handler: Handler) -> Route:
    return Route(method, tuple(path.strip("/").split("/")), limit, handler)


ROUTES: tuple[Route, ...] = (
    _route("POST", "/v2/enqueue", pagerduty.LIMIT, Doors.enqueue),
    _route("POST", "/webhooks/alertmanager/*", alertmanager.LIMIT, Doors.webhook),
    _route("POST", "/api/v1/signals", SIGNAL_LIMIT, Doors.signals),
    _route("POST", "/v2/change/enqueue", pagerduty.LIMIT, Doors.change),
    _route("POST", "/alertmanager/*/api/v2/alerts", alertmanager.LIMIT, Doors.prometheus),
    _route("POST", "/api/v2/alerts", alertmanager.LIMIT, Doors.prometheus),
    _route("GET", "/alertmanager/*/api/v2/status", SIGNAL_LIMIT, Doors.status),
    _route("GET", "/api/v2/status", SIGNAL_LIMIT, Doors.status),
    _route("POST", "/api/v2/generic/incoming", goalert.LIMIT, Doors.goalert),
    _route("POST", "/v2/alert_events/http/*", incidentio.LIMIT, Doors.incidentio),
    _route("POST", "/integrations/v1/formatted_webhook/*", oncall.LIMIT, Doors.formatted),
    _route("POST", "/v2/alerts", opsgenie.LIMIT, Doors.opsgenie),
    _route("GET", "/v2/alerts/requests/*", opsgenie.LIMIT, Doors.opsgenie),
    _route("POST", "/v2/alerts/*/close", opsgenie.LIMIT, Doors.opsgenie),
    _route("POST", "/v2/alerts/*/acknowledge", opsgenie.LIMIT, Doors.opsgenie),
    _route("POST", "/v2/alerts/*/notes", opsgenie.LIMIT, Doors.opsgenie),
    _route("PUT", "/v2/alerts/*/message", opsgenie.LIMIT, Doors.opsgenie),
    _route("PUT", "/v2/alerts/*/description", opsgenie.LIMIT, Doors.opsgenie),
    _route("GET", "/v2/alerts/*", opsgenie.LIMIT, Doors.opsgenie),
    _route("DELETE", "/v2/alerts/*", opsgenie.LIMIT, Doors.opsgenie),
    _route("POST", "/webhooks/cloudwatch/*", cloudwatch.LIMIT, Doors.webhook),
    _route("POST", "/webhooks/victorops/*/*", victorops.LIMIT, Doors.webhook),
    *(_route("POST", f"/webhooks/{kind}/*", sender.limit, Doors.webhook) for kind, sender in SENDERS.items()),
)
"""What comes most stands first."""
_BY_START: dict[tuple[str, int, str], list[Route]] = {}
for _each in ROUTES:
    _BY_START.setdefault((_each.method, len(_each.pattern), _each.pattern[0]), []).append(_each)


_METHODS = ("GET", "POST", "PUT", "DELETE")
_NO_ALERTMANAGER = "No alertmanager integration of the plan has this key."
_SIGNATURES: dict[str, Callable[[Request, str], None]] = {
    "sentry": sentry.check_signature,
    "grafana": grafana.check_signature,
}
_STATUS = {
    "cluster": {"status": "disabled"},
    "config": {"original": ""},
    "versionInfo": dict.fromkeys(("branch", "buildDate", "buildUser", "goVersion", "revision"), "")
    | {"version": "tocsin"},
    "uptime": "1970-01-01T00:00:00.000Z",
}
"""What amtool wants to know; we are no cluster and have no configuration of that kind."""


def _invalid_event(problems: list[str]) -> Reply:
    return json_reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": problems})


def _no_key(sentence: str) -> Reply:
    return error_reply(401, sentence, _UNKNOWN_KEY)


def _wrong_method(allowed: str) -> Reply:
    return error_reply(405, "Method Not Allowed", (b"allow", allowed.encode()))


def _number(incident: str | None) -> int:
    return int(incident.rpartition("-")[2]) if incident is not None else 0
