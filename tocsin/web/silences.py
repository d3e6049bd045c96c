"""Silences and heartbeats over HTTP: `/api/v1/silences`, `/api/v1/heartbeats`, and where heartbeats beat."""

import re
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from incidents.durations import Duration
from incidents.errors import CommandRefused, SignalRefused
from signals.heartbeats import Heartbeat
from signals.noise import MOST_MATCHERS
from tocsin.web.api import GUARDED, EngineHere
from tocsin.web.orders import By

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)
beats = APIRouter()
"""Needs the heartbeat's key, not the token."""

WELL = frozenset({"0", "alive", "ok", "pass", "passed", "resolved", "success", "succeeded", "up"})
FAILS = frozenset({"critical", "down", "error", "fail", "failed", "failing", "failure", "firing"})
_LONGEST_STATUS = 32 * 1024
"""Bytes of a body that are looked into; a longer one, such as a job's log, is a beat and no more."""
_EXIT_CODE = re.compile(r"^[0-9]{1,3}$")

CommandId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
SilenceId = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class SilenceOrder(BaseModel):
    """Exactly one of `until` and `lasting` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    matchers: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=720)], ...],
        Field(min_length=1, max_length=MOST_MATCHERS),
    ]
    """`label=value`, `label!=value`, `label=~web-*`, `label!~web-*`; all of them have to hold."""
    by: By
    because: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    until: AwareDatetime | None = None
    """Seven days from now at the latest."""
    lasting: Duration | None = None
    even_sev1: StrictBool = False
    """Only with this it covers what is rated SEV1."""
    command_id: CommandId | None = None
    """The same id a second time gives the same answer and does nothing."""


class ExpireOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By


@router.get("/silences")
async def list_silences(
    engine: EngineHere, status: Annotated[str, Query(pattern="^(active|all)$")] = "active"
) -> dict[str, Any]:
    """Silences, how many signals each keeps, the signals that are kept, and the plan's maintenance windows."""
    return await engine.silences.show(ended_too=status == "all")


@router.post("/silences", status_code=201)
async def add_silence(engine: EngineHere, order: SilenceOrder) -> dict[str, Any]:
    """What matches is kept, counted and shown, and pages nobody until the silence ends. Incidents go on."""
    contact = engine.known_contact(order.by)
    try:
        name, sentence = await engine.silences.add(
            order.matchers,
            contact.id,
            order.because,
            until=order.until,
            lasting=order.lasting,
            even_sev1=order.even_sev1,
            command_id=order.command_id,
        )
    except SignalRefused as error:  # what it says has its form; the rules of silences want more of it
        raise CommandRefused(str(error)) from error
    return {"id": name, "sentence": sentence}


@router.post("/silences/{silence_id}/expire")
async def expire_silence(engine: EngineHere, silence_id: SilenceId, order: ExpireOrder) -> dict[str, Any]:
    """End it now: what it kept and still fires is heard. One that has ended stays as it is."""
    contact = engine.known_contact(order.by)
    sentence = await engine.silences.expire(silence_id, contact.id)
    engine.expectations.nudge()
    return {"id": silence_id, "sentence": sentence}


@router.get("/heartbeats")
async def list_heartbeats(engine: EngineHere) -> dict[str, Any]:
    """Every heartbeat of the plan: ok, failing or missing, when it was heard, when it is due. Spans in seconds."""
    return {"heartbeats": await engine.expectations.show()}


Key = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_KNOWN = "|".join(
    "".join(f"[{each}{each.upper()}]" for each in word) for word in sorted(WELL | FAILS) if word.isalpha()
)
Word = Annotated[str | None, Query(max_length=40)]
Status = Annotated[str | None, Query(max_length=40, pattern=rf"^\s*([0-9]{{1,3}}|{_KNOWN})?\s*$")]
_ANSWERS: dict[int | str, dict[str, Any]] = {401: {"description": "Unknown key"}}


@beats.get("/webhooks/heartbeat/{key}", responses=_ANSWERS)
async def beat(engine: EngineHere, key: Key, fail: Word = None, status: Status = None) -> dict[str, Any]:
    """A heartbeat; with `?fail` or `?status=fail` it says that it fails. Needs the heartbeat's key, not the token."""
    known = _heartbeat(engine, key)
    fails = fail is not None or _fails(status)
    return await _heard(engine, known, fails=fails, words="")


@beats.post("/webhooks/heartbeat/{key}", responses=_ANSWERS)
async def beat_by_post(
    engine: EngineHere, request: Request, key: Key, fail: Word = None, status: Status = None
) -> dict[str, Any]:
    """The same; its body may say how it is: `{"status": "ok" | "fail", "message": "..."}`, or the bare word."""
    known = _heartbeat(engine, key)
    said, words = _said(await request.body())
    fails = fail is not None or _fails(status) or _fails(said)
    return await _heard(engine, known, fails=fails, words=words if fails else "")


async def _heard(engine: EngineHere, known: Heartbeat, *, fails: bool, words: str) -> dict[str, Any]:
    sentence = await engine.expectations.beat(known, fails=fails, words=words)
    return {"heartbeat": known.name, "status": "failing" if fails else "ok", "sentence": sentence}


def _heartbeat(engine: EngineHere, key: str) -> Heartbeat:
    known = next((each for each in engine.book.plan.heartbeats if each.key == key), None)
    if known is None:
        raise HTTPException(401, "No heartbeat of the plan has this key.")
    return known


def _said(body: bytes) -> tuple[str | None, str]:
    """(status, message) of a body; nothing of one that says neither."""
    if not body or len(body) > _LONGEST_STATUS:
        return None, ""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        word = body[:40].decode("utf-8", "replace").strip().lower()
        return (word if word in WELL | FAILS else None), ""
    if not isinstance(content, dict):
        return (str(content) if isinstance(content, str | int) and not isinstance(content, bool) else None), ""
    status, message = content.get("status"), content.get("message")
    if status is not None and (isinstance(status, bool) or not isinstance(status, str | int)):
        raise SignalRefused(["status: write ok or fail"])
    return (None if status is None else str(status)), " ".join(str(message or "").split())[:150]


def _fails(status: str | None) -> bool:
    """Raises SignalRefused for a word that says neither: a guess would be wrong half the time."""
    word = (status or "").strip().lower()
    if not word or word in WELL:
        return False
    if word in FAILS or (_EXIT_CODE.match(word) and int(word) != 0):
        return True
    if _EXIT_CODE.match(word):
        return False
    raise SignalRefused([f"status: {word[:40]!r} says neither that it is well nor that it fails: write ok or fail"])


def include(app: FastAPI) -> None:
    app.include_router(router)
    app.include_router(beats)
