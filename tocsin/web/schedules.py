"""Schedules over HTTP: who is on duty, with the token; and each as a calendar, by a signed link for calendar programs.

GET everywhere: nothing here changes anything.
"""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from engine.schedules import MOST_WEEKS, calendar_text, schedule_view, the_schedule
from engine.services import Engine
from incidents.errors import UnknownIncident
from tocsin.web.api import GUARDED, EngineHere

PURPOSE = "calendar"
WEEKS = 12
_CALENDAR = "text/calendar; charset=utf-8"

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)


@router.get("/schedules")
async def list_schedules(engine: EngineHere) -> dict[str, Any]:
    """Who is on duty now, the next hand-overs, gaps in the next 12 weeks, and trouble with calendar feeds."""
    now, directory = engine.clock.now(), engine.directory
    return {
        "schedules": [
            schedule_view(each, directory, engine.calendars.copy_of(each.id), now) for each in directory.schedules
        ]
    }


@router.get(
    "/schedules/{schedule_id}.ics",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
)
async def schedule_calendar(
    engine: EngineHere, schedule_id: str, weeks: Annotated[int, Query(ge=1, le=MOST_WEEKS)] = WEEKS
) -> Response:
    """The schedule as iCalendar, from now on for so many weeks."""
    return _calendar(engine, schedule_id, weeks)


@router.get("/schedules/{schedule_id}/link")
async def schedule_link(engine: EngineHere, request: Request, schedule_id: str) -> dict[str, Any]:
    """An address of this schedule for calendar programs. Whoever has it can read the schedule, and nothing else."""
    schedule = the_schedule(engine.directory, schedule_id)
    root = (engine.config.public_url or str(request.base_url)).rstrip("/")
    return {"url": f"{root}/calendars/{quote(schedule.id)}.ics?s={engine.links.signature(PURPOSE, schedule.id, '')}"}


def include(app: FastAPI) -> None:
    app.include_router(router)


def routes(engine: Engine) -> list[BaseRoute]:
    """The signed calendar, for the application to mount."""

    async def signed(request: Request) -> Response:
        schedule_id = request.path_params["schedule_id"]
        if not engine.links.is_signed(PURPOSE, schedule_id, "", request.query_params.get("s", "")):
            return PlainTextResponse("This link is not right. Ask for a new one: tocsin schedules link ID\n", 403)
        try:
            return _calendar(engine, schedule_id, WEEKS)
        except UnknownIncident:
            return PlainTextResponse("There is no such schedule any more.\n", 404)

    return [Route("/calendars/{schedule_id}.ics", signed, methods=["GET"])]


def _calendar(engine: Engine, schedule_id: str, weeks: int) -> Response:
    text = calendar_text(the_schedule(engine.directory, schedule_id), engine.directory, engine.clock.now(), weeks)
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=_CALENDAR, headers=headers)
