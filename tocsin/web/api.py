"""`/api/v1`: what the command line, the worker and other programs ask of the engine. Needs the token."""

import asyncio
import hmac
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from customers.compensation import Fault, Impact, propose
from engine.clock import from_stamp
from engine.services import Engine
from engine.status import status_of
from engine.view import move_view, questions_view, row_view, stamp
from incidents import commands as c
from incidents.errors import CommandRefused, UnknownIncident
from incidents.ids import parse_incident_id
from incidents.state import Incident
from signals.listening import Chatwoot, Zendesk
from storage import log as incident_log
from tocsin.web import orders as o
from tocsin.web.fields import LARGEST, Epoch
from tocsin.web.openapi import with_keys

LONGEST_WAIT = 8.0
"""Seconds that the feed lets somebody wait."""
_bearer = HTTPBearer(auto_error=False, description="The token in TOCSIN_HOME/token")


def engine_of(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


EngineHere = Annotated[Engine, Depends(engine_of)]


def authorised(
    engine: EngineHere, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Every route under /api/v1, from loopback too: a reverse proxy looks like loopback."""
    given = credentials.credentials if credentials is not None else ""
    if not hmac.compare_digest(given.encode(), engine.token.encode()):
        raise HTTPException(
            401,
            "Give the token of TOCSIN_HOME/token as Authorization: Bearer <token>.",
            {"www-authenticate": "Bearer"},
        )


def plainly_asked(request: Request) -> None:
    """A parameter that nobody knows is a slip of the pen, one that stands twice means two things: nothing is guessed.

    A body says that it is JSON: what a page in a browser can send unasked, a form or plain text, is never a command.
    """
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            listed = f"it has {', '.join(known)}" if known else "it has none"
            raise HTTPException(400, f"{name[:80]}: this path has no such parameter; {listed}.")
        if given.count(name) > 1:
            raise HTTPException(400, f"{name}: this parameter stands here more than once.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if request.method == "POST" and has_body and kind != "application/json":
        raise HTTPException(415, "Send the body as JSON, with Content-Type: application/json.")


GUARDED = [Depends(authorised), Depends(plainly_asked)]
"""What every router of `/api/v1` depends on."""
router = APIRouter(prefix="/api/v1", dependencies=GUARDED)


def the_incident(incident_id: str) -> str:
    """`7`, `inc-7` and `INC-7` are the same incident."""
    known = parse_incident_id(incident_id)
    if known is None:
        raise UnknownIncident(f"{incident_id!r} is not an incident id such as INC-7.")
    return known


IncidentId = Annotated[str, Depends(the_incident)]


@router.get("/incidents")
async def list_incidents(
    engine: EngineHere,
    status: Annotated[str, Query(pattern="^(open|all)$")] = "open",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    rows = await engine.database.read(
        lambda tx: incident_log.incident_rows(tx, only_open=status == "open", limit=limit)
    )
    return {"incidents": [row_view(row) for row in rows]}


@router.post("/incidents", status_code=201)
async def declare(engine: EngineHere, order: o.DeclareOrder) -> dict[str, Any]:
    contact = engine.known_contact(order.by)
    incident_id, sentence = await engine.declare(
        title=order.title,
        situation=order.situation,
        severity=order.severity,
        by=f"person:{contact.id}",
        area=order.area,
        drill=order.drill,
        because=order.because,
        implicated=order.implicated,
        impact=order.impact,
        command_id=order.command_id,
    )
    return {"sentence": sentence, "incident": await engine.show(incident_id)}


@router.get("/incidents/{incident_id}")
async def show(engine: EngineHere, incident_id: IncidentId) -> dict[str, Any]:
    return await engine.show(incident_id)


@router.get("/incidents/{incident_id}/summary")
async def summary(engine: EngineHere, incident_id: IncidentId) -> dict[str, Any]:
    briefing = await engine.brief(incident_id)
    return {
        "text": briefing.text,
        "bottom_line": briefing.bottom_line,
        "conditions": list(briefing.conditions),
        "actions": list(briefing.actions),
        "needs": list(briefing.needs),
        "next_update_by": stamp(briefing.next_update_by),
    }


@router.get("/incidents/{incident_id}/link", responses={409: {}})
async def link(engine: EngineHere, request: Request, incident_id: IncidentId, contact: str) -> dict[str, Any]:
    known = engine.known_contact(contact)
    await engine.show(incident_id)
    base = engine.config.public_url or str(request.base_url)
    return {"url": engine.links.url(incident_id, known.id, base=base)}


@router.post("/incidents/{incident_id}/commands")
async def command(engine: EngineHere, incident_id: IncidentId, order: o.Order) -> dict[str, Any]:
    contact = engine.known_contact(order.by)
    sentence = await carry_out(engine, incident_id, order, contact.id)
    return {"sentence": sentence, "incident": await engine.show(incident_id)}


async def carry_out(engine: Engine, incident_id: str, order: Any, contact: str) -> str:
    """One order of `contact`, through the door; the sentence says what it did."""
    by = f"person:{contact}"
    match order:
        case o.UpdateOrder():
            return await engine.publish_update(
                incident_id,
                audience=order.audience,
                text=order.text,
                next_in=order.next_in,
                by=by,
                command_id=order.command_id,
            )
        case o.SummaryOrder():
            sentence, _ = await engine.summarise(incident_id, by)
            return sentence
        case o.MergeOrder():
            return await engine.merge(incident_id, the_incident(order.into), by)
        case _:
            return await engine.command(incident_id, _maker(engine, order, contact, by), order.command_id)


def _maker(  # noqa: C901, PLR0912 - one line an order
    engine: Engine, order: Any, contact: str, by: str
) -> Callable[[Incident, datetime], c.Command]:
    made: c.Command
    match order:
        case o.AcknowledgeOrder():
            made = c.Acknowledge(contact, order.channel, escalation=order.escalation)
        case o.PassOrder():
            made = c.Pass(contact, order.command == "escalate", escalation=order.escalation)
        case o.PageOrder():
            made = c.PagePeople(tuple(engine.known_contact(each).id for each in order.contacts), order.because, by)
        case o.ImplicateOrder():
            return engine.grounds.implicate(order.contacts, order.because, by)
        case o.AskOrder():
            return engine.grounds.ask(
                order.to,
                order.text,
                about=order.about,
                expires_in=order.expires_in,
                if_silent=order.if_silent,
                by=by,
            )
        case o.AnswerOrder():
            return engine.grounds.say(contact, order.answer, order.channel, question=order.question)
        case o.HandoverOrder():
            made = c.HandOver(engine.known_contact(order.to).id, order.note, by)
        case o.SeverityOrder():
            made = c.ChangeSeverity(order.severity, order.because, by)
        case o.ImpactOrder():
            return engine.grounds.impact(order.impact, by)
        case o.StepDoneOrder():
            made = c.CompleteStep(order.step, order.evidence, by)
        case o.StepSkipOrder():
            made = c.SkipStep(order.step, order.because, by)
        case o.NoteOrder():
            made = c.AddNote(order.text, by)
        case o.ResolveOrder():
            made = c.Resolve(order.note, by, contact)
        case o.ConfirmOrder():
            made = c.ConfirmRecovery(order.evidence, by)
        case o.ReopenOrder():
            made = c.Reopen(order.because, by)
        case o.StandDownOrder():
            made = c.StandDown(order.because, by, order.told)
        case o.DecideOrder():
            made = c.Decide(order.decision, order.choice, order.because, by)
        case o.InformOrder():
            made = c.InformCustomers(order.how, order.text, by)
        case o.ReplanOrder():
            made = c.Replan(engine.book.version, order.because, by)
        case o.CloseOrder():
            made = c.Close(by)
        case o.CompensateOrder():
            return engine.grounds.compensate(
                contact, order.per_customer, order.population, order.count, order.reason, order.rationale
            )
        case o.ApproveOrder():
            return engine.grounds.approve(contact, order.document)
        case _:
            raise CommandRefused(f"There is no command {type(order).__name__}.")
    return lambda _incident, _now: made


@router.get("/compensation/proposal")
async def propose_compensation(
    impact: Annotated[int, Query(ge=0, le=5)],
    fault: Annotated[int, Query(ge=0, le=3)],
    prior_failures: Annotated[int, Query(ge=0, le=1000)] = 0,
    channels_exhausted: bool = False,
    vulnerable: bool = False,
) -> dict[str, Any]:
    """What the goodwill matrix gives one customer of a group that was hit alike. It decides nothing."""
    proposed = propose(
        Impact(impact),
        Fault(fault),
        prior_failures=prior_failures,
        channels_exhausted=channels_exhausted,
        vulnerable=vulnerable,
    )
    return {
        "per_customer": None if proposed.per_customer is None else proposed.per_customer.model_dump(mode="json"),
        "form": proposed.form,
        "individual": proposed.individual,
        "because": list(proposed.because),
    }


@router.get("/messages/{message_id}")
async def message(engine: EngineHere, message_id: str) -> dict[str, Any]:
    row = await engine.message(message_id)
    if row is None:
        raise UnknownIncident(f"There is no message {message_id}.")
    return {
        "message_id": row.message_id,
        "incident": row.incident_id,
        "kind": row.kind,
        "channel": row.channel,
        "contact": row.contact,
        "state": row.state,
        "attempts": row.attempts,
        "provider_id": row.provider_id,
        "detail": row.detail,
        "updated_at": stamp(from_stamp(row.updated_at)),
    }


@router.get("/status")
async def status(engine: EngineHere) -> dict[str, Any]:
    return await status_of(engine)


@router.get("/plan")
async def plan(engine: EngineHere) -> dict[str, Any]:
    """What a form needs to know: situations, people, roles, questions about the impact."""
    book = engine.book
    return {
        "version": book.version,
        "company": book.plan.company,
        "situations": [
            {"code": code, "title": each.title, "severity": each.severity.value, "drill": each.drill}
            for code, each in book.plan.situations.items()
        ],
        "contacts": [{"id": each.id, "name": each.name} for each in book.directory.contacts],
        "impact": questions_view(book.plan),
        "roles": [{"id": role.id, "title": role.title, "holder": role.responsible} for role in book.directory.roles],
    }


@router.post("/plan/activate", responses={422: {"description": "The plan cannot be used; every problem"}})
async def activate_plan(engine: EngineHere) -> dict[str, Any]:
    return {"plan_version": await engine.activate_plan()}


@router.post("/test-page")
async def test_page(engine: EngineHere, order: o.TestPageOrder) -> dict[str, Any]:
    message_id, sentence = await engine.test_page(order.contact, order.channel)
    return {"message_id": message_id, "sentence": sentence}


@router.post("/backup")
async def backup(engine: EngineHere, order: o.BackupOrder) -> dict[str, Any]:
    target = Path(order.path)
    if not target.is_absolute():
        raise CommandRefused("Give the backup's absolute path: the engine has its own working folder.")
    try:
        if target.resolve().parent == Path("/"):
            raise CommandRefused("A backup does not belong into the root folder. Name a folder of its own.")
        if target.exists():
            raise CommandRefused(f"{target} exists already; a backup overwrites nothing.")
        size = await asyncio.to_thread(engine.database.backup, target)
    except OSError as error:
        raise CommandRefused(f"{target} cannot be written: {error.strerror}") from error
    except ValueError as error:  # a NUL, or what no file's name can be
        raise CommandRefused(f"{order.path!r} is no path of this machine.") from error
    return {"path": str(target), "bytes": size}


@router.get("/openapi.json")
async def openapi(engine: EngineHere, request: Request) -> dict[str, Any]:
    """The description of this API, with the integration keys of the plan in force: keep it as you keep the plan.

    docs/openapi.json is the same without keys.
    """
    keys: dict[str, list[str]] = {}
    for each in engine.book.plan.integrations:
        keys.setdefault(each.kind, []).append(each.key)
    if engine.book.plan.heartbeats:
        keys["heartbeat"] = [each.key for each in engine.book.plan.heartbeats]
    for source in () if engine.book.plan.listening is None else engine.book.plan.listening.sources:
        if isinstance(source, Chatwoot | Zendesk):
            keys.setdefault(source.kind, []).append(source.key)
    return with_keys(request.app.openapi(), keys)


# --- for workers ---


@router.get("/work")
async def work(engine: EngineHere, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, Any]:
    found = await engine.wheel.work(limit)
    return {"work": [{**each, "due_at": stamp(from_stamp(each["due_at"]))} for each in found]}


@router.post("/workers/{worker}")
async def worker_says(engine: EngineHere, worker: str, word: o.WorkerWord) -> dict[str, Any]:
    await engine.wheel.worker_says(worker, word.pid)
    return {"worker": worker}


@router.post("/incidents/{incident_id}/drivers")
async def take_wheel(engine: EngineHere, incident_id: IncidentId, order: o.WheelOrder) -> dict[str, Any]:
    driver = await engine.wheel.take_wheel(incident_id, order.worker, order.run)
    return {"epoch": driver.epoch, "number": driver.runs}


@router.delete("/incidents/{incident_id}/drivers/{epoch}")
async def leave_wheel(engine: EngineHere, incident_id: IncidentId, epoch: Epoch) -> dict[str, Any]:
    await engine.wheel.leave_wheel(incident_id, epoch)
    return {"incident": incident_id, "epoch": epoch}


@router.get("/incidents/{incident_id}/moves")
async def moves(engine: EngineHere, incident_id: IncidentId) -> dict[str, Any]:
    incident, found = await engine.wheel.moves(incident_id)
    shown = await engine.show(incident_id)
    return {
        "version": incident.version,
        "status": incident.status.value,
        "due": [move_view(move) for move in found.due],
        "wake_at": stamp(found.wake_at),
        "next": shown["next_moves"],
    }


@router.post("/incidents/{incident_id}/perform")
async def perform(engine: EngineHere, incident_id: IncidentId, order: o.PerformOrder) -> dict[str, Any]:
    performed = await engine.wheel.perform(incident_id, order.epoch, order.key)
    row = await engine.database.read(lambda tx: incident_log.incident_row(tx, incident_id))
    return {
        "performed": [{**move_view(each.move), "messages": list(each.messages)} for each in performed],
        "version": 0 if row is None else row.version,
    }


@router.get("/feed")
async def feed(
    engine: EngineHere,
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    wait: Annotated[float, Query(ge=0, le=60)] = 15.0,
) -> dict[str, Any]:
    """What changed after `after`. Waits up to `wait` seconds for the first change, and never longer than 8: an empty
    list is an answer, and many a client gives up after ten."""
    sequence, changed = await engine.feed.wait(after, min(wait, LONGEST_WAIT))
    return {"sequence": sequence, "incidents": changed}


def include(app: FastAPI) -> None:
    app.include_router(router)
