"""The OpenAPI description: FastAPI's own, plus the machine paths that bypass it. Committed as docs/openapi.json.

It says everything that a program may hear: `tests/integration/test_openapi_holds.py` asks for all of it.
"""

import copy
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from tocsin.web.listening import ChatwootEvent, ZendeskEvent
from tocsin.web.monitor_openapi import GENIE_KEY, MODELS, monitor_paths
from tocsin.web.senders.alertmanager import AlertmanagerBody
from tocsin.web.senders.ours import OurSignal
from tocsin.web.senders.pagerduty import PagerDutyEvent

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
_TAKEN, _TOO_LARGE, _OVERLOADED = "Taken", "Too large", "Overloaded: send it again"
_MACHINES: dict[str, tuple[str, type[Any], dict[str, str]]] = {
    "/v2/enqueue": (
        "PagerDuty Events API v2",
        PagerDutyEvent,
        {"202": _TAKEN, "400": "Invalid event, or an unknown routing_key", "413": _TOO_LARGE, "503": _OVERLOADED},
    ),
    "/webhooks/alertmanager/{key}": (
        "Alertmanager webhook, version 4",
        AlertmanagerBody,
        {
            "202": _TAKEN,
            "400": "Not a version 4 webhook",
            "401": "Unknown key",
            "413": _TOO_LARGE,
            "503": _OVERLOADED,
        },
    ),
    "/api/v1/signals": (
        "A signal in our own format; needs an integration key, not the token",
        OurSignal,
        {
            "202": _TAKEN,
            "400": "Wrong fields",
            "401": "Unknown key",
            "413": _TOO_LARGE,
            "503": _OVERLOADED,
        },
    ),
}
for _path, _title, _model in (
    ("/webhooks/chatwoot/{key}", "Chatwoot's webhooks, a source of listening.yaml", ChatwootEvent),
    ("/webhooks/zendesk/{key}", "Zendesk's webhooks, a source of listening.yaml", ZendeskEvent),
):
    _MACHINES[_path] = (
        _title,
        _model,
        {
            "200": "Nothing in it to hear",
            "202": _TAKEN,
            "400": "Not what it sends",
            "401": "Unknown key, or not signed",
            "413": _TOO_LARGE,
            "503": _OVERLOADED,
        },
    )
_MONITORS = monitor_paths()
_A_WORD = {"type": "string", "minLength": 1}
_REFUSAL = "Refusal"
_REFUSAL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": _REFUSAL,
    "description": "Why not, as a sentence for people; `problems` has one line a field.",
    "properties": {
        "error": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
        "stale": {"type": "boolean", "description": "Another run drives this incident: end."},
    },
    "required": ["error"],
}
_WORDS = {
    "400": "Bad input; names the field. Nothing has changed.",
    "401": "No token, or a wrong one",
    "404": "There is no such thing",
    "409": "Refused by the rules, with the reason. Nothing has changed.",
    "413": "The body is too large",
    "422": "The plan cannot be used",
    "415": "The body is not JSON, or it is compressed",
    "503": "Overloaded, or the disk is full: nothing was taken, ask again",
}
_NEEDS: dict[str, list[dict[str, Any]]] = {
    "PagerDutyEvent": [
        {"properties": {"event_action": {"const": "trigger"}, "payload": {"type": "object"}}, "required": ["payload"]},
        {
            "properties": {"event_action": {"enum": ["acknowledge", "resolve"]}, "dedup_key": _A_WORD},
            "required": ["dedup_key"],
        },
    ],
    "OurSignal": [
        {"properties": {"action": {"const": "trigger"}}, "required": ["summary"]},
        {
            "properties": {"action": {"enum": ["acknowledge", "resolve"]}, "dedup_key": _A_WORD},
            "required": ["dedup_key"],
        },
    ],
}
"""What an action needs besides: one of these holds."""
_HEADERS: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    "503": {
        "Retry-After": {"required": True, "description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
    },
}
_LINKS = (
    ("get /api/v1/incidents", "200", "$response.body#/incidents/0/id", "incident_id"),
    ("post /api/v1/incidents", "201", "$response.body#/incident/id", "incident_id"),
    ("post /api/v1/incidents/{incident_id}/drivers", "200", "$response.body#/epoch", "epoch"),
    ("get /api/v1/incidents/{incident_id}", "200", "$response.body#/pages/0/message_id", "message_id"),
    ("post /api/v1/test-page", "200", "$response.body#/message_id", "message_id"),
    ("get /api/v1/schedules", "200", "$response.body#/schedules/0/id", "schedule_id"),
)
"""Operation, answer, where the name stands in it, and the parameter that it is for."""
_WITH_KEY = re.compile(r"(?:/webhooks)?/([a-z]+)/\{key\}(?:/.*)?")
_BY_FASTAPI = ("HTTPValidationError", "ValidationError")
"""Its own shape of a refusal; ours is another."""
_ALWAYS_ANSWERS = ("/healthz", "/metrics")


def describe(app: FastAPI) -> None:
    """Add the machine paths, and what every path may answer, to what `app.openapi()` returns."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = own()
            _describe_machines(described)
            for path, method, operation in _operations(described):
                _say_what_may_come(path, method, operation)
            _link(described)
            schemas = described["components"]["schemas"]
            schemas[_REFUSAL] = _REFUSAL_SCHEMA
            for name in _BY_FASTAPI:
                schemas.pop(name, None)
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _describe_machines(described: dict[str, Any]) -> None:
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    for path, (summary, model, answers) in _MACHINES.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema | ({"anyOf": needs} if (needs := _NEEDS.get(model.__name__)) else {})
        described["paths"][path] = {"post": _operation(path, summary, model.__name__, answers)}
    for each in MODELS:
        schema = each.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[each.__name__] = schema
    described["paths"].update(monitor_paths())
    schemes = described["components"].setdefault("securitySchemes", {})
    schemes[GENIE_KEY] = {"type": "apiKey", "in": "header", "name": "Authorization"}


def _operation(path: str, summary: str, schema: str, answers: dict[str, str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "operationId": path.strip("/").replace("/", "_").replace("{", "").replace("}", ""),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        },
        "responses": {code: {"description": words} for code, words in answers.items()},
    }
    if "{key}" in path:
        operation["parameters"] = [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}]
    return operation


def _say_what_may_come(path: str, method: str, operation: dict[str, Any]) -> None:
    """Every answer that this operation may give, with its shape and its headers."""
    answers, is_ours = operation["responses"], path not in _MACHINES and path not in _MONITORS
    if answers.get("422", {}).get("description") == "Validation Error":
        del answers["422"]
    for code in _codes(path, method, operation):
        answers.setdefault(code, {"description": _WORDS[code]})
    for code, answer in answers.items():
        answer["description"] = answer.get("description") or _WORDS[code]
        if code == "503" or (code == "401" and "security" in operation):
            answer.setdefault("headers", _HEADERS[code])
        if code in _WORDS and "content" not in answer:
            # A sender hears a refusal in the words that it knows.
            shape = {"$ref": f"#/components/schemas/{_REFUSAL}"} if is_ours else {"type": "object"}
            answer["content"] = {"application/json": {"schema": shape}}
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])


def _codes(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    if path not in _ALWAYS_ANSWERS:
        yield "503"
    if method == "post":
        yield from ("413", "415")
    if path in _MACHINES or path in _MONITORS:
        return
    if "security" in operation:
        yield "401"
    if "parameters" in operation or "requestBody" in operation or "security" in operation:
        yield "400"
    if "{" in path:
        yield "404"
    if method != "get":
        yield "409"


def _link(described: dict[str, Any]) -> None:
    """Say which answers name what other operations ask for."""
    for source, code, where, parameter in _LINKS:
        answer = next(
            operation["responses"][code]
            for path, method, operation in _operations(described)
            if source == f"{method} {path}"
        )
        links = answer.setdefault("links", {})
        for _, _, operation in _operations(described):
            names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
            if parameter in names and (len(names) == 1 or "{" in source):
                given = {name: f"$request.path.{name}" for name in names if "{" + name + "}" in source}
                links[operation["operationId"]] = {
                    "operationId": operation["operationId"],
                    "parameters": {**given, parameter: where},
                }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is text: it is there or it is not, but it is never null."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(kinds) == len(schema.get("anyOf", [])):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}


# --- what one engine serves ---


def with_keys(described: dict[str, Any], keys: Mapping[str, list[str]]) -> dict[str, Any]:
    """The description as the engine of one plan serves it: `keys` has the integration keys by kind of integration.

    The key is part of what makes a request right. A program that was made from this description, or tries everything
    in it, needs to know which ones there are.
    """
    served = copy.deepcopy(described)
    schemas = served["components"]["schemas"]
    for model, kind in (
        ("PagerDutyEvent", "pagerduty"),
        ("PagerDutyChange", "pagerduty"),
        ("OurSignal", "signals"),
    ):
        if keys.get(kind):
            schemas[model]["properties"]["routing_key"] = {"type": "string", "enum": keys[kind]}
    for path, _, operation in _operations(served):
        found = _WITH_KEY.fullmatch(path)
        for parameter in operation.get("parameters", []):
            if found is not None and parameter["name"] == "key" and keys.get(found.group(1)):
                parameter["schema"] = {"type": "string", "enum": keys[found.group(1)]}
    return served


def render(app: FastAPI) -> bytes:
    """The description as the committed file holds it."""
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def write(app: FastAPI) -> None:
    """Rewrite the committed file."""
    FILE.write_bytes(render(app))
    sys.stdout.write(f"{FILE.name} written\n")
