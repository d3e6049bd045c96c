"""Where each source stands, and what the flow `listen` brings from it: `/api/v1/sources`.

A batch is taken only while the cursor is still the one that it was polled from; else 409 with `moved`. The same batch
a second time keeps nothing twice, for a source and an id name a mention for ever.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from engine.clock import from_stamp
from engine.listening import Step
from engine.services import Engine
from engine.view import stamp
from incidents.errors import CommandRefused
from listening.build import BY_WEBHOOK
from signals.listening import Listening, SourceSpec
from signals.mention import Mention
from storage import mentions as store
from tocsin.web.api import GUARDED, EngineHere
from tocsin.web.fields import Count, Moment, Reach, Stars

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)

MOST_MENTIONS = 500
"""In one body; a longer batch comes in several, of which the last one moves the cursor."""
LONGEST_CURSOR = 256 * 1024
LONGEST_WAIT = 86_400.0
"""Seconds for which a network may ask to be left alone."""
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""A time beyond is a clock that has gone wild: what was written then counts when it was heard, and is kept as this."""

Name = Annotated[str, Path(min_length=1, max_length=64)]
Word = Annotated[str, StringConstraints(max_length=2000)]
Cursor = Annotated[str, StringConstraints(max_length=LONGEST_CURSOR)]


class MentionOrder(BaseModel):
    """What somebody wrote, as signals.mention has it. What a network does not tell is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    at: Moment
    text: Annotated[str, StringConstraints(max_length=65_536)]
    author: Word = ""
    author_name: Word = ""
    link: Annotated[str, StringConstraints(max_length=8000)] = ""
    language: Annotated[str, StringConstraints(max_length=100)] | None = None
    reach: Reach | None = None
    verified: StrictBool | None = None
    thread: Word = ""
    reply_to: Word = ""
    repost_of: Word = ""
    private: StrictBool = False
    to_us: StrictBool = False
    by_us: StrictBool = False
    title: Word = ""
    stars: Stars | None = None
    count: Count = 1

    def mention(self, source: str) -> Mention:
        said = {name: getattr(self, name) for name in type(self).model_fields}
        at = min(max(self.at, EARLIEST), LATEST).astimezone(UTC)
        return Mention(**{**said, "source": source, "at": at})


class BatchOrder(BaseModel):
    """What was read from `before` on, and the cursor after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: Cursor | None
    cursor: Cursor | None
    mentions: Annotated[tuple[MentionOrder, ...], Field(max_length=MOST_MENTIONS)]
    """Oldest first; none, when there was nothing new: the source counts as read all the same."""
    by: Annotated[str, StringConstraints(pattern=r"^flow(:[A-Za-z0-9._-]{1,80})?$")]
    """Who read it."""


class TroubleOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    because: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    retry_after: Annotated[float, Field(ge=0, le=LONGEST_WAIT, strict=True, allow_inf_nan=False)] | None = None
    """Seconds for which the network wants to be left alone; the engine does, too."""


@router.get("/sources")
async def list_sources(engine: EngineHere) -> dict[str, Any]:
    """Every source of listening.yaml and where it stands, and the plan that the worker builds those to be polled from.

    Spans are seconds. `listening` names the environment variables that hold secrets, and holds none itself.
    """
    plan = engine.listening.plan
    if plan is None:
        return {"sources": [], "listening": None, "folder": None}
    stands = await engine.database.read(store.stands)
    shown = [_view(engine, spec, stands.get(spec.name, store.Stand(spec.name))) for spec in plan.sources]
    folder = str(engine.config.plan.absolute())
    return {"sources": shown, "listening": polled(plan).model_dump(mode="json"), "folder": folder}


@router.post("/sources/{name}/batch")
async def take_batch(engine: EngineHere, name: Name, order: BatchOrder) -> dict[str, Any]:
    """Keep what was read and move the cursor, in one transaction; `kept` is how many were new and concern our brands.

    409 with `moved` when somebody else has read this source meanwhile: nothing was kept, read on from its new cursor.
    """
    spec = _polled_source(engine, name)
    found = [each.mention(spec.name) for each in order.mentions]
    kept = await engine.listening.hear(spec.name, found, by=order.by, step=Step(order.before, order.cursor))
    return {"kept": kept}


@router.post("/sources/{name}/trouble")
async def note_trouble(engine: EngineHere, name: Name, order: TroubleOrder) -> dict[str, Any]:
    """A source could not be read. Its cursor stays; its next batch ends the trouble."""
    spec = _polled_source(engine, name)
    await engine.listening.failed(spec.name, order.because, order.retry_after)
    return {"source": spec.name, "trouble": order.because}


def polled(plan: Listening) -> Listening:
    """The plan without the sources that come by webhook: nobody polls them, and their keys are secrets."""
    return plan.model_copy(update={"sources": tuple(each for each in plan.sources if each.kind not in BY_WEBHOOK)})


def _polled_source(engine: Engine, name: str) -> SourceSpec:
    plan = engine.listening.plan
    spec = next((each for each in (() if plan is None else plan.sources) if each.name == name), None)
    if spec is None:
        raise HTTPException(404, f"listening.yaml has no source {name[:80]!r}.")
    if spec.kind in BY_WEBHOOK:
        raise CommandRefused(f"{spec.name} comes by webhook; nobody polls it.")
    return spec


def _view(engine: Engine, spec: SourceSpec, stand: store.Stand) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "every": spec.every.total_seconds(),
        "webhook": spec.kind in BY_WEBHOOK,
        "cursor": stand.cursor,
        "moved_at": _moment(stand.moved_at),
        "polled_at": _moment(stand.polled_at),
        "polled_by": stand.polled_by,
        "trouble": stand.trouble,
        "trouble_since": _moment(stand.trouble_since),
        "silent": engine.listening.is_silent(spec.name),
        "not_before": _moment(engine.listening.not_before(spec.name)),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else stamp(from_stamp(seconds))


def include(app: FastAPI) -> None:
    app.include_router(router)
