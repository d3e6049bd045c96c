"""The application: machines and providers by bare ASGI, people and programs by FastAPI, one error shape."""

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp

from engine.metrics import render
from engine.services import Engine
from engine.status import not_ready
from incidents.errors import (
    CommandRefused,
    CursorMoved,
    Overloaded,
    PlanInvalid,
    StaleDriver,
    TocsinError,
    UnknownIncident,
)
from storage.database import StorageBroken
from tocsin.web import api, directory, heard, history, pages, push, schedules, silences, sources
from tocsin.web.callbacks import LIMIT as CALLBACK_LIMIT
from tocsin.web.callbacks import Callbacks
from tocsin.web.hearing import COME_BACK_AFTER
from tocsin.web.http import (
    BodyCutOff,
    BodyTooLarge,
    Receive,
    Reply,
    Scope,
    Send,
    TooMuchAtOnce,
    error_reply,
    header,
    overloaded_reply,
    read_body,
    send_reply,
    too_packed,
)
from tocsin.web.intake import Doors
from tocsin.web.listening import Desk, HelpDesks
from tocsin.web.openapi import describe
from tocsin.web.problems import problem_of
from tocsin.web.sns import Fetch

API_LIMIT = 1024 * 1024
_STATUS: list[tuple[type[TocsinError], int]] = [
    (StaleDriver, 409),
    (CursorMoved, 409),
    (CommandRefused, 409),
    (UnknownIncident, 404),
    (PlanInvalid, 422),
    (Overloaded, 503),
    (StorageBroken, 503),
]


def build_app(engine: Engine, fetch: Fetch | None = None) -> ASGIApp:
    """Everything that one engine serves. `fetch` asks Amazon for certificates; a test has its own."""
    app = described_app()
    app.state.engine = engine
    app.router.routes.extend([*pages.routes(engine), *push.routes(engine), *schedules.routes(engine)])
    _errors(app)
    return Front(engine, app, fetch)


def described_app() -> FastAPI:
    """The routes that the OpenAPI file describes, without an engine behind them."""
    app = FastAPI(
        title="Tocsin",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A path with a slash too many is another path: a redirect would be built from what the sender calls us.
        redirect_slashes=False,
    )
    _routes(app)
    api.include(app)
    schedules.include(app)
    directory.include(app)
    silences.include(app)
    sources.include(app)
    heard.include(app)
    history.include(app)
    describe(app)
    return app


def _routes(app: FastAPI) -> None:
    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Alive: the loop answers."""
        return "alive\n"

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz(engine: api.EngineHere) -> Response:
        """Ready: a page that is due now would be sent."""
        why_not = not_ready(engine)
        if why_not is not None:
            return PlainTextResponse(f"not ready: {why_not}\n", 503)
        return PlainTextResponse("ready to page\n")

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics(engine: api.EngineHere) -> Response:
        """Prometheus text format."""
        content, content_type = render(engine)
        return Response(content, media_type=content_type)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(TocsinError)
    async def refused(_: Request, error: TocsinError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 400)
        content: dict[str, Any] = {"error": str(error)}
        headers = {}
        if isinstance(error, StaleDriver):
            content["stale"] = True
        if isinstance(error, CursorMoved):
            content["moved"] = True
        if isinstance(error, PlanInvalid):
            content["problems"] = error.problems
        if status == 503:
            headers["retry-after"] = str(getattr(error, "retry_after", 5))
        return JSONResponse(content, status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [problem_of(each) for each in error.errors()]
        return JSONResponse({"error": "; ".join(problems), "problems": problems}, 400)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        headers = error.headers
        if error.status_code == 405:
            headers = {"allow": ", ".join(_methods_at(app, request.scope))}
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=headers)


def _methods_at(app: FastAPI, scope: Scope) -> list[str]:
    """What may be asked of this path. The router itself names the methods of the first route that matches only."""
    return [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(each.matches({**scope, "method": method})[0] is Match.FULL for each in app.router.routes)
    ]


class Front:
    """The way in. Storm paths skip the framework; the rest is FastAPI's."""

    def __init__(self, engine: Engine, app: ASGIApp, fetch: Fetch | None = None) -> None:
        self._app = app
        self._callbacks = Callbacks(engine)
        self._doors = Doors(engine, fetch)
        self._help_desks = HelpDesks(cast(Desk, engine))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except BodyCutOff:
            return
        except TooMuchAtOnce as error:
            await send_reply(send, overloaded_reply(str(error), COME_BACK_AFTER))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        encoded = header(scope, b"content-encoding").strip().lower()
        if encoded not in ("", "identity") and scope["method"] in ("POST", "PUT"):
            await send_reply(send, too_packed(encoded))
            return
        handled = await self._doors.take(scope, receive) or await self._help_desks.take(scope, receive)
        if handled is not None:
            await send_reply(send, handled)
            return
        if scope["method"] == "POST":
            handled = await self._post(path, scope, receive)
            if handled is not None:
                await send_reply(send, handled)
                return
            try:
                receive = _once(await read_body(receive, API_LIMIT), receive)
            except BodyTooLarge as error:
                await send_reply(send, error_reply(413, str(error)))
                return
        await self._app(scope, receive, send)

    async def _post(self, path: str, scope: Scope, receive: Receive) -> Reply | None:
        try:
            if path.startswith(("/twilio/", "/slack/")):
                return await self._callbacks.take(path, scope, await read_body(receive, CALLBACK_LIMIT))
        except BodyTooLarge as error:
            return error_reply(413, str(error))
        return None


def _once(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, for the framework: it would turn our refusal of a large one into another error."""
    given = False

    async def give() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
