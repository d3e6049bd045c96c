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

from tocsin.web.machines import KEY, KEY_SCHEME, Machine, body_schema, machines

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
_MACHINES = {(each.method, each.path): each for each in machines()}
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
_HEARD = {
    "200": "Heard",
    "202": "Taken: it is durable",
    "204": "Taken: it is durable",
    "400": "Not what this sender sends, or an unknown key; names the field",
    "401": "Unknown key",
    "403": "A topic that the plan does not know",
    "409": "The integration's mapping does not find what it needs",
    "422": "Not what this sender sends; names the field",
}
"""What a machine hears."""
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
    ("get /api/v1/cases", "200", "$response.body#/cases/0/id", "case_id"),
)
"""Operation, answer, where the name stands in it, and the parameter that it is for."""
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
    components = described.setdefault("components", {})
    components.setdefault("securitySchemes", {})[KEY] = KEY_SCHEME
    schemas = components.setdefault("schemas", {})
    for (method, path), machine in _MACHINES.items():
        described["paths"].setdefault(path, {})[method] = _operation(machine, schemas)


def _operation(machine: Machine, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": machine.summary,
        "operationId": f"{machine.method}{re.sub('[^a-z0-9]+', '_', machine.path)}",
        "responses": {code: {"description": _HEARD.get(code) or _WORDS[code]} for code in machine.answers},
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"\{([^}]+)\}", machine.path)
        ]
        + [
            {"name": name, "in": "query", "required": needed, "schema": schema}
            for name, schema, needed in machine.query
        ],
    }
    if machine.body is not None:
        content = {machine.content: {"schema": body_schema(machine, schemas)}}
        operation["requestBody"] = {"required": not machine.may_be_silent, "content": content}
    if machine.key_in == "header":
        operation["security"] = [{KEY: []}]
    return {name: value for name, value in operation.items() if value != []}


def _say_what_may_come(path: str, method: str, operation: dict[str, Any]) -> None:
    """Every answer that this operation may give, with its shape and its headers."""
    answers, is_ours = operation["responses"], (method, path) not in _MACHINES
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
            shape = {"$ref": f"#/components/schemas/{_REFUSAL}"} if is_ours else {}
            answer["content"] = {"application/json": {"schema": shape}}
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])


def _codes(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    if path not in _ALWAYS_ANSWERS:
        yield "503"
    if method in ("post", "put"):
        yield from ("413", "415")
    if (method, path) in _MACHINES:
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
    for path, method, operation in _operations(served):
        machine = _MACHINES.get((method, path))
        kind = machine.keys if machine is not None else "heartbeat" if path.startswith("/webhooks/heartbeat/") else ""
        if not keys.get(kind):
            continue
        known = {"type": "string", "enum": keys[kind]}
        for parameter in operation.get("parameters", []):
            if parameter["name"] in ("key", "token"):
                parameter["schema"] = known
        if machine is not None and machine.key_in == "body" and isinstance(machine.body, type):
            schemas[machine.body.__name__]["properties"]["routing_key"] = known
    return served


def render(app: FastAPI) -> bytes:
    """The description as the committed file holds it."""
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def write(app: FastAPI) -> None:
    """Rewrite the committed file."""
    FILE.write_bytes(render(app))
    sys.stdout.write(f"{FILE.name} written\n")
