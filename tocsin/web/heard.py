"""What people see of listening, over HTTP: mentions, what the rules found, brands, customers who wait."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints, WithJsonSchema

from engine import heard
from incidents.ids import parse_incident_id
from listening.texts import body, line
from signals.signal import one_line
from tocsin.web.api import GUARDED, EngineHere
from tocsin.web.fields import LARGEST, READABLE, Count
from tocsin.web.orders import By

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)

LONGEST_TEXT = 10_000
"""Characters of what a person reports."""
Brand = Annotated[str | None, Query(min_length=1, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=500)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST)]
CommandId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
CaseId = Annotated[str, StringConstraints(min_length=1, max_length=40)]


def _written(text: str) -> str:
    said = body(text)
    if not one_line(said):
        raise ValueError("must have something in it that people can read")
    return said


Written = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_TEXT),
    AfterValidator(_written),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": READABLE}),
]
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(line)]
Link = Annotated[str, StringConstraints(max_length=2000, pattern=r"^(https?://[!-~]+)?$")]


class ReportOrder(BaseModel):
    """What a person saw. It counts as what a source brings does, and may declare an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Written
    by: By
    """The contact who reports it."""
    source: Annotated[str, StringConstraints(pattern=f"^{heard.BY_HAND}$")] = heard.BY_HAND
    brand: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Whom it concerns; else its words say so."""
    author: Name = ""
    """Who wrote it, as people see their name. Rules count people: without a name nobody knows whether it is another."""
    link: Link = ""
    """The same link a second time is the same mention."""
    reach: Count | None = None
    """Followers of the author."""
    at: AwareDatetime | None = None
    """When it was written; now, unless said."""
    command_id: CommandId | None = None
    """The same id a second time is the same mention."""


class AnsweredOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By
    """The contact who answered the customer."""
    at: AwareDatetime | None = None
    """When; now, unless said."""


@router.get("/mentions", responses={404: {}})
async def list_mentions(
    engine: EngineHere, brand: Brand = None, limit: Limit = 50, before: Before = None
) -> dict[str, Any]:
    """What people write, what was heard last first. `before`: the `before` of the answer before, for older ones."""
    return await heard.mentions_of(engine, brand, before, limit)


@router.post("/mentions", status_code=201)
async def report_mention(engine: EngineHere, order: ReportOrder) -> dict[str, Any]:
    """Hear what a person saw, by hand."""
    return await heard.report(
        engine,
        text=order.text,
        by=order.by,
        brand=order.brand,
        author=order.author,
        link=order.link,
        reach=order.reach,
        at=order.at,
        command_id=order.command_id,
    )


@router.get("/assessments", responses={404: {}})
async def list_assessments(
    engine: EngineHere,
    brand: Brand = None,
    incident: Annotated[str | None, Query(min_length=1, max_length=40)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What the rules found, the latest first: each with its reasons, a sentence a rule, and the picture of crossings.

    An incident that nobody knows has none.
    """
    asked = None if incident is None else parse_incident_id(incident) or incident
    return await heard.assessments_of(engine, brand, asked, limit)


@router.get("/brands")
async def list_brands(engine: EngineHere) -> dict[str, Any]:
    """Each brand now: the last hour on its three streams against the usual, the rules that hold, its latest episode."""
    return await heard.brands_of(engine)


@router.get("/cases", responses={404: {}})
async def list_cases(
    engine: EngineHere,
    waiting: Annotated[str, Query(pattern="^(true|false)$")] = "false",
    brand: Brand = None,
    incident: Annotated[str | None, Query(min_length=1, max_length=40)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Customers who want something from us. With `waiting=true` those whom nobody has answered, the oldest first."""
    asked = None if incident is None else parse_incident_id(incident) or incident
    return await heard.cases_of(engine, waiting=waiting == "true", limit=limit, brand=brand, incident_id=asked)


@router.post("/cases/{case_id}/answered")
async def answer_case(engine: EngineHere, case_id: CaseId, order: AnsweredOrder) -> dict[str, Any]:
    """Somebody answered this customer where no source hears it: they wait no longer. A second call changes nothing."""
    return {"id": case_id, "sentence": await heard.answer(engine, case_id, order.by, order.at)}


def include(app: FastAPI) -> None:
    app.include_router(router)
