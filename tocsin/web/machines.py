"""What docs/openapi.json says of the paths of machines, which bypass the framework (`tocsin/web/intake.py:ROUTES`).

Each says exactly which bodies are taken: a model of tocsin/web/senders has the fields, `NEEDS` what one of them needs
besides. `tests/integration/test_openapi_holds.py` holds it against what the engine does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tocsin.web.fields import READABLE
from tocsin.web.listening import ChatwootEvent, ZendeskEvent
from tocsin.web.senders import SENDERS, sentry
from tocsin.web.senders.alertmanager import PostedAlert
from tocsin.web.senders.cloudwatch import Envelope
from tocsin.web.senders.goalert import GoAlertBody
from tocsin.web.senders.grafana import GrafanaBody, LegacyGrafanaBody
from tocsin.web.senders.incidentio import IncidentIoBody
from tocsin.web.senders.oncall import OnCallBody
from tocsin.web.senders.opsgenie import OpsgenieAction, OpsgenieAlert, OpsgenieText
from tocsin.web.senders.ours import OurSignal
from tocsin.web.senders.pagerduty import PagerDutyChange, PagerDutyEvent

Schema = dict[str, Any]
KEY = "IntegrationKey"
"""The security scheme of senders that put their key into the header."""
KEY_SCHEME: Schema = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "An integration key: `Bearer <key>`, `GenieKey <key>`, or Basic with the key as password",
}


def _said(**more: Any) -> Schema:
    """A text, a number, yes or no: what a sender may write where it names something."""
    return {"anyOf": [{"type": "string", "minLength": 1, **more}, {"type": "number"}, {"type": "boolean"}]}


def _has(**fields: Schema) -> Schema:
    return {"properties": fields, "required": list(fields)}


_SAID, _READABLE = _said(), _said(pattern=READABLE)
_TEXT: Schema = {"type": "string", "minLength": 1}
_FILLED: Schema = {"type": "object", "minProperties": 1}
_NUMBER_OR_TEXT: Schema = {"anyOf": [_TEXT, {"type": "integer"}]}
_CLOSE: Schema = {"type": "string", "pattern": r"^\s*[cC][lL][oO][sS][eE]\s*$"}
_ENDS = {"enum": ["acknowledge", "resolve"]}
_OLD_GRAYLOG = _has(check_result=_FILLED)
_STREAM: Schema = {"type": "object", "anyOf": [_has(id=_TEXT), _has(title=_TEXT)]}

_OBJECT: Schema = {"type": "object"}
_ID: Schema = {"anyOf": [_TEXT, {"type": "integer"}, {"type": "boolean"}]}
_AN_EVENT: Schema = {"anyOf": [_has(issue_id=_ID), _has(event_id=_ID)]}


def _not(*names: str) -> Schema:
    """None of these is an object."""
    return {"not": {"anyOf": [_has(**{name: _OBJECT}) for name in names]}}


def _data(inside: Schema, besides: Schema | None = None) -> Schema:
    """What Sentry's `data` holds when there is something in it."""
    return {**(besides or {}), **_has(data={"allOf": [_FILLED, inside]})}


NEEDS: dict[str, list[Schema]] = {
    "PagerDutyEvent": [
        _has(event_action={"const": "trigger"}, payload={"type": "object"}),
        _has(event_action=_ENDS, dedup_key=_TEXT),
    ],
    "OurSignal": [_has(action={"const": "trigger"}, summary=_TEXT), _has(action=_ENDS, dedup_key=_TEXT)],
    "ChecklyBody": [_has(check_id=_SAID), _has(check_name=_SAID)],
    "DatadogBody": [_has(aggreg_key=_SAID), _has(monitor_id=_SAID), _has(id=_SAID), _has(title=_READABLE)],
    "GoAlertBody": [_has(summary=_READABLE), _has(action=_CLOSE, dedup=_SAID)],
    "LegacyGrafanaBody": [_has(ruleId=_SAID), _has(ruleName=_SAID)],
    "GraylogBody": [
        _has(check_result=_FILLED, stream=_STREAM),
        {"not": _OLD_GRAYLOG, **_has(event_definition_id=_SAID)},
        {"not": _OLD_GRAYLOG, **_has(event={"type": "object", **_has(event_definition_id=_TEXT)})},
    ],
    "OnCallBody": [_has(alert_uid=_SAID), _has(title=_SAID)],
    "VictorOpsBody": [
        _has(message_type=_READABLE, entity_id=_SAID),
        _has(message_type=_READABLE, entity_display_name=_SAID),
    ],
    "SentryBody": [
        {"not": _has(data=_FILLED), **_has(id=_SAID)},
        _data(_has(metric_alert=_OBJECT), {"not": _has(action={"enum": sorted(sentry.METRICS)})}),
        _data(_has(metric_alert={**_OBJECT, "anyOf": [_has(id=_ID), _has(identifier=_ID)]})),
        _data({**_not("metric_alert"), **_has(event={**_OBJECT, **_AN_EVENT})}),
        _data({**_not("metric_alert", "event"), **_has(error={**_OBJECT, **_AN_EVENT})}),
        _data({**_not("metric_alert", "event", "error"), **_has(issue={**_OBJECT, **_has(id=_ID)})}),
        _data(
            {**_not("metric_alert", "event", "error"), **_has(issue=_OBJECT)},
            {"not": _has(action={"enum": sorted([*sentry.ISSUES, "triggered"])})},
        ),
        _data(_not("metric_alert", "event", "error", "issue")),
    ],
    "Envelope": [
        _has(Type={"enum": ["Notification", "UnsubscribeConfirmation"]}),
        _has(Type={"const": "SubscriptionConfirmation"}, SubscribeURL=_TEXT, Token=_TEXT),
    ],
}
"""By the name of a model: one of these holds."""

_LOOSE: Schema = {}
_POSTED: Schema = {"type": "array", "items": PostedAlert.model_json_schema()}


@dataclass(frozen=True, slots=True)
class Machine:
    """One operation. `keys` is the kind of integration whose keys it takes."""

    method: str
    path: str
    summary: str
    body: type[Any] | Schema | None = None
    answers: tuple[str, ...] = ("202", "400", "401")
    keys: str = ""
    key_in: str = "path"
    """path, header, query or body."""
    more: type[Any] | None = None
    """Another body that is taken as well."""
    field: str = ""
    """The one field that a body of this path needs."""
    may_be_silent: bool = False
    """Whether it may come without a body."""
    content: str = "application/json"
    query: tuple[tuple[str, Schema, bool], ...] = ()
    """Name, schema, whether it is needed."""


_IDENTIFIER = (("identifierType", {"enum": ["id", "alias", "tiny"], "type": "string", "default": "id"}, False),)
_TAKEN = ("202", "401", "404", "422")


def _opsgenie(method: str, path: str, summary: str, body: type[Any] | None, field: str = "") -> Machine:
    query = _IDENTIFIER if "{identifier}" in path else ()
    silent = body is OpsgenieAction and not field
    return Machine(
        method, path, summary, body, _TAKEN, "opsgenie", "header", field=field, may_be_silent=silent, query=query
    )


def machines() -> Iterator[Machine]:
    """Every operation of a machine, in the order of the file."""
    yield Machine("post", "/v2/enqueue", "PagerDuty Events API v2", PagerDutyEvent, ("202", "400"), "pagerduty", "body")
    yield Machine(
        "post", "/v2/change/enqueue", "PagerDuty change events", PagerDutyChange, ("202", "400"), "pagerduty", "body"
    )
    yield Machine(
        "post",
        "/api/v1/signals",
        "A signal in our own format; needs an integration key, not the token",
        OurSignal,
        keys="signals",
        key_in="body",
    )
    for kind, sender in SENDERS.items():
        body = sender.model if sender.model is not None else _LOOSE
        more = LegacyGrafanaBody if sender.model is GrafanaBody else None
        answers = ("202", "400", "401", *(("409",) if kind == "generic" else ()))
        yield Machine("post", f"/webhooks/{kind}/{{key}}", sender.title, body, answers, kind, more=more)
        if kind == "victorops":
            path = "/webhooks/victorops/{key}/{routing_key}"
            yield Machine("post", path, f"{sender.title}, with its routing key", body, answers, kind)
    yield Machine(
        "post",
        "/webhooks/cloudwatch/{key}",
        "Amazon SNS, for CloudWatch: signed by Amazon",
        Envelope,
        ("200", "400", "401", "403"),
        "cloudwatch",
    )
    for desk, model in (("chatwoot", ChatwootEvent), ("zendesk", ZendeskEvent)):
        summary = f"{desk.capitalize()}'s webhooks, a source of listening.yaml"
        answers = ("200", "202", "400", "401")
        yield Machine("post", f"/webhooks/{desk}/{{key}}", summary, model, answers, desk)
    for prefix, key_in in (("", "header"), ("/alertmanager/{key}", "path")):
        yield Machine(
            "post",
            f"{prefix}/api/v2/alerts",
            "What a Prometheus posts to its Alertmanager",
            _POSTED,
            ("200", "400", "401"),
            "alertmanager",
            key_in,
        )
        yield Machine(
            "get",
            f"{prefix}/api/v2/status",
            "What amtool asks an Alertmanager first",
            None,
            ("200", "401"),
            "alertmanager",
            key_in,
        )
    token = ("token", {"type": "string", "minLength": 1}, True)
    yield Machine(
        "post",
        "/api/v2/generic/incoming",
        "GoAlert generic API; its key is the token",
        GoAlertBody,
        ("200", "204", "400", "401"),
        "goalert",
        "query",
        query=(token,),
    )
    yield Machine(
        "post",
        "/v2/alert_events/http/{source}",
        "incident.io HTTP alert; its key is the token, or stands in the header",
        IncidentIoBody,
        keys="incidentio",
        key_in="query",
        query=(token,),
    )
    yield Machine(
        "post",
        "/integrations/v1/formatted_webhook/{key}",
        "Grafana OnCall formatted webhook",
        OnCallBody,
        keys="oncall",
    )
    alert = "/v2/alerts/{identifier}"
    yield _opsgenie("post", "/v2/alerts", "Opsgenie: create an alert", OpsgenieAlert)
    yield _opsgenie("post", f"{alert}/close", "Opsgenie: close it", OpsgenieAction)
    yield _opsgenie("post", f"{alert}/acknowledge", "Opsgenie: acknowledge it", OpsgenieAction)
    yield _opsgenie("post", f"{alert}/notes", "Opsgenie: add a note", OpsgenieAction, "note")
    yield _opsgenie("put", f"{alert}/message", "Opsgenie: change its message", OpsgenieText, "message")
    yield _opsgenie("put", f"{alert}/description", "Opsgenie: change its description", OpsgenieText, "description")
    yield Machine(
        "get",
        alert,
        "Opsgenie: how it stands",
        None,
        ("200", "401", "404", "422"),
        "opsgenie",
        "header",
        query=_IDENTIFIER,
    )
    yield _opsgenie("delete", alert, "Opsgenie: delete it, which closes it", None)
    yield Machine(
        "get",
        "/v2/alerts/requests/{request_id}",
        "Opsgenie: what became of a request",
        None,
        ("200", "401", "404"),
        "opsgenie",
        "header",
    )


def body_schema(machine: Machine, schemas: dict[str, Any]) -> Schema:
    """The schema of its body; models are put among `schemas`."""
    if not isinstance(machine.body, type):
        return {} if machine.body is None else machine.body
    found = _reference(machine.body, schemas)
    if machine.more is not None:
        # Which of the two it is, is told by one field.
        other = {"allOf": [_reference(machine.more, schemas), {"not": {"required": ["alerts"]}}]}
        return {"anyOf": [found, other]}
    return found if not machine.field else {"allOf": [found, _has(**{machine.field: _READABLE})]}


def _reference(model: type[Any], schemas: dict[str, Any]) -> Schema:
    name = model.__name__
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema | ({"anyOf": NEEDS[name]} if name in NEEDS else {})
    return {"$ref": f"#/components/schemas/{name}"}
