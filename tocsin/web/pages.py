"""Pages for the browser."""

from starlette.routing import Route

from engine.services import Engine


def routes(engine: Engine) -> list[Route]:
    return []
