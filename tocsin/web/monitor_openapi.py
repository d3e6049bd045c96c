"""Those of the monitors' ways in that are APIs, for the OpenAPI description: PagerDuty's change events, what Prometheus
asks of an Alertmanager, and Opsgenie's alerts. Webhooks in the words of their vendors stand in docs/monitors.md.
"""

from typing import Any

from pydantic import BaseModel, TypeAdapter

from tocsin.web.fields import LongTitle
from tocsin.web.senders.alertmanager import PostedAlert
from tocsin.web.senders.opsgenie import OpsgenieAction, OpsgenieAlert, OpsgenieText
from tocsin.web.senders.pagerduty import PagerDutyChange

GENIE_KEY = "GenieKey"
MODELS: tuple[type[BaseModel], ...] = (PagerDutyChange, PostedAlert, OpsgenieAlert, OpsgenieAction, OpsgenieText)
_READABLE = TypeAdapter(LongTitle).json_schema()["pattern"]
_SAID = {
    "anyOf": [{"type": "string", "minLength": 1, "pattern": _READABLE}, {"type": "number"}, {"type": "boolean"}],
}
_TAKEN = {"200": "Taken", "400": "Bad input; names the field", "401": "Unknown key"}
_OPSGENIE = {"202": "Taken; ask with its requestId what became of it", "401": "Unknown key", "422": "Names the field"}


def monitor_paths() -> dict[str, dict[str, dict[str, Any]]]:
    """path -> method -> operation."""
    return {
        "/v2/change/enqueue": {
            "post": _operation(
                "PagerDuty change events",
                {"202": "Taken", "400": "Invalid event, or an unknown routing_key"},
                body=_ref(PagerDutyChange),
            )
        },
        "/alertmanager/{key}/api/v2/alerts": {"post": _prometheus()},
        "/alertmanager/{key}/api/v2/status": {
            "get": _operation("What amtool asks an Alertmanager", {"200": "As Alertmanager", "401": "Unknown key"},
                              {"key": {"type": "string"}})
        },
        **_opsgenie(),
    }  # fmt: skip


def _prometheus() -> dict[str, Any]:
    alerts = {"type": "array", "items": _ref(PostedAlert)}
    operation = _operation("What Prometheus posts to an Alertmanager", _TAKEN, {"key": {"type": "string"}}, alerts)
    # Alertmanager's clients read a refusal as one text.
    operation["responses"]["400"]["content"] = {"application/json": {"schema": {"type": "string"}}}
    return operation


def _opsgenie() -> dict[str, dict[str, dict[str, Any]]]:
    one, found = {"identifier": {"type": "string", "minLength": 1}}, _ref(OpsgenieAction)
    note = {"allOf": [found, {"required": ["note"], "properties": {"note": _SAID}}]}
    gone = {"200": "What became of it", "401": "Unknown key", "404": "No request has this id"}
    changes: dict[str, tuple[str, str, dict[str, Any]]] = {
        "close": ("Opsgenie: close an alert", "post", found),
        "acknowledge": ("Opsgenie: acknowledge an alert", "post", found),
        "notes": ("Opsgenie: add a note to an alert", "post", note),
        "message": ("Opsgenie: change an alert's message", "put", _text("message")),
        "description": ("Opsgenie: change an alert's description", "put", _text("description")),
    }
    return {
        "/v2/alerts": {"post": _genie("Opsgenie: create an alert", _OPSGENIE, body=_ref(OpsgenieAlert))},
        "/v2/alerts/requests/{request_id}": {
            "get": _genie(
                "Opsgenie: what became of a request", gone, {"request_id": {"type": "string", "minLength": 1}}
            )
        },
        **{
            f"/v2/alerts/{{identifier}}/{what}": {method: _genie(summary, _OPSGENIE, one, body, identified=True)}
            for what, (summary, method, body) in changes.items()
        },
        "/v2/alerts/{identifier}": {"delete": _genie("Opsgenie: delete an alert", _OPSGENIE, one, identified=True)},
    }


def _text(field: str) -> dict[str, Any]:
    return {"allOf": [_ref(OpsgenieText), {"required": [field], "properties": {field: _SAID}}]}


def _genie(
    summary: str,
    answers: dict[str, str],
    path: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
    *,
    identified: bool = False,
) -> dict[str, Any]:
    operation = _operation(summary, answers, path, body)
    if identified:
        kind = {"type": "string", "enum": ["id", "alias", "tiny"]}
        operation["parameters"].append({"name": "identifierType", "in": "query", "required": False, "schema": kind})
    return {**operation, "security": [{GENIE_KEY: []}]}


def _operation(
    summary: str, answers: dict[str, str], path: dict[str, Any] | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "operationId": summary.lower().replace(":", "").replace("'", "").replace(" ", "_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in (path or {}).items()
        ],
        "responses": {code: {"description": words} for code, words in answers.items()},
    }
    if body is not None:
        # Who closes an alert without a word sends no body.
        needed = body != _ref(OpsgenieAction)
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": body}}}
        operation["responses"] |= {"413": {"description": "Too large"}, "415": {"description": "Compressed"}}
    operation["responses"]["503"] = {"description": "Overloaded: send it again"}
    return operation


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
