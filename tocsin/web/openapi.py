"""The OpenAPI description: FastAPI's own, plus the machine paths that bypass it. Committed as docs/openapi.json."""

import sys
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from tocsin.web.senders import AlertmanagerBody, OurSignal, PagerDutyEvent

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
_MACHINES: dict[str, tuple[str, type[Any], dict[str, str]]] = {
    "/v2/enqueue": (
        "PagerDuty Events API v2",
        PagerDutyEvent,
        {"202": "Taken", "400": "Invalid event", "413": "Too large", "503": "Overloaded: send it again"},
    ),
    "/webhooks/alertmanager/{key}": (
        "Alertmanager webhook, version 4",
        AlertmanagerBody,
        {
            "202": "Taken",
            "400": "Not a version 4 webhook",
            "401": "Unknown key",
            "413": "Too large",
            "503": "Overloaded: send it again",
        },
    ),
    "/api/v1/signals": (
        "A signal in our own format; needs an integration key, not the token",
        OurSignal,
        {
            "202": "Taken",
            "400": "Wrong fields",
            "401": "Unknown key",
            "413": "Too large",
            "503": "Overloaded: send it again",
        },
    ),
}


def describe(app: FastAPI) -> None:
    """Add the machine paths to what `app.openapi()` returns."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        described = own()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        for path, (summary, model, answers) in _MACHINES.items():
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
            described["paths"][path] = {"post": _operation(path, summary, model.__name__, answers)}
        return described

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


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


def render(app: FastAPI) -> bytes:
    """The description as the committed file holds it."""
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def write(app: FastAPI) -> None:
    """Rewrite the committed file."""
    FILE.write_bytes(render(app))
    sys.stdout.write(f"{FILE.name} written\n")
