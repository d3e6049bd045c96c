"""The OpenAPI file that other programs read is the one that the engine serves."""

from tocsin.web.api import authorised, router
from tocsin.web.app import described_app
from tocsin.web.openapi import FILE, render


def test_the_committed_description_is_current() -> None:
    assert FILE.read_bytes() == render(described_app()), "run: .venv/bin/python -m tocsin.web"


def test_the_machine_paths_are_described_too() -> None:
    paths = described_app().openapi()["paths"]

    assert {"/v2/enqueue", "/webhooks/alertmanager/{key}", "/api/v1/signals"} <= set(paths)


def test_every_command_of_the_api_is_described() -> None:
    schemas = described_app().openapi()["components"]["schemas"]

    assert {"AcknowledgeOrder", "CompensateOrder", "CloseOrder", "ReplanOrder"} <= set(schemas)


def test_the_description_is_shown_only_with_the_token() -> None:
    route = next(each for each in router.routes if getattr(each, "path", "") == "/api/v1/openapi.json")

    assert authorised in [need.dependency for need in route.dependencies]  # type: ignore[attr-defined]
