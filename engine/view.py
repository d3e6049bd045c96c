"""The object of `GET /api/v1/incidents/{id}` and of `tocsin show --json`. From now on its changes are additive."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from contacts.directory import Directory
from engine.clock import from_stamp
from incidents.events import Event
from incidents.impact import TITLES
from incidents.state import Incident, StepState, is_quiet, missing_to_close
from incidents.timeline import sentence
from runbooks.forecast import forecast
from runbooks.moves import AskDecision, Move, OpenStep, PageContact, kind_of
from runbooks.next_moves import owed_update_by
from runbooks.plan import Plan
from signals.observation import Observation
from signals.social_facts import LOOKS_BACK, people, score_of
from signals.social_score import SocialScore
from storage import mentions
from storage.database import Database
from storage.log import IncidentRow

MOST_SCORED = 20_000
"""Mentions of 75 minutes beyond which there is no social score: it is for people to look at, and costs time."""
_AT_ONCE = 1000
"""Mentions read between two breaths of whoever else reads."""
_WEEKS = 4
"""Earlier weeks whose same hour says what is usual."""
_PATIENCE = 0.5
"""Seconds that whoever looks at an incident waits for the score."""
_MOST_SCORES = 100
"""Scores that are kept: that of an assessment never changes."""


def stamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def incident_view(
    incident: Incident,
    plan: Plan,
    directory: Directory,
    events: list[Event],
    now: datetime,
    social: SocialScore | None = None,
) -> dict[str, Any]:
    """Everything about one incident as JSON values. `social`: where a brand that we listen for is concerned."""
    return {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity.value,
        "status": incident.status.value,
        "situation": incident.situation,
        "drill": incident.drill,
        "round": incident.round,
        "plan_version": incident.plan_version,
        "declared_at": stamp(incident.declared_at),
        "declared_by": incident.declared_by,
        "commander": incident.commander,
        "next_update_by": stamp(owed_update_by(incident, plan)),
        "area": incident.area,
        "because": list(incident.because),
        "version": incident.version,
        "quiet": is_quiet(incident),
        "resolved_at": stamp(incident.resolved_at),
        "confirmed_at": stamp(incident.confirmed_at),
        "informed_at": stamp(incident.informed_at),
        "ended_at": stamp(incident.ended_at),
        "merged_into": incident.merged_into,
        "support": list(incident.support),
        "roles": dict(incident.roles),
        "implicated": list(incident.implicated),
        "questions": _questions(incident),
        "pages": _pages(incident),
        "escalations": _escalations(incident),
        "steps": _steps(incident, plan, now),
        "updates": _updates(incident),
        "decisions": _decisions(incident),
        "compensation": _compensation(incident),
        "impact": _impact(incident, plan),
        "social": None if social is None else social_view(social),
        "stood_down_by": incident.stood_down_by,
        "stood_down_because": incident.stood_down_because,
        "signals": [{"dedup_key": key, "firing": firing} for key, firing in incident.signals.items()],
        "missing_to_close": missing_to_close(incident),
        "next_moves": _next(incident, plan, directory, now),
        "timeline": [
            {"at": stamp(event.at), "by": event.by, "kind": event.kind, "sentence": sentence(event)} for event in events
        ],
    }


class SocialScores:
    """The social score at the time of the latest assessment that raised an incident, of that brand's mentions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, asyncio.Task[SocialScore | None]] = {}

    async def of(self, incident_id: str) -> SocialScore | None:
        """None for an incident that no rule raised, where more was written than is read for it, and while it is being
        counted: whoever looks at an incident does not wait for what decides nothing."""
        rows = await self._database.read(lambda tx: mentions.assessments_of(tx, incident_id))
        raised = [each for each in rows if each.body.get("kind") == "raises"]
        if not raised:
            return None
        latest = raised[-1]
        task = self._known.get(latest.id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            if len(self._known) >= _MOST_SCORES:
                self._known.pop(next(iter(self._known)))
            # An assessment is of a minute, and the mention that turned it may stand at its end.
            task = self._known[latest.id] = asyncio.create_task(self._score(latest.brand, latest.at + 60.0))
        await asyncio.wait({task}, timeout=_PATIENCE)
        counted = task.done() and not task.cancelled() and task.exception() is None
        return task.result() if counted else None

    async def _score(self, brand: str, at: float) -> SocialScore | None:
        heard = await self._between(brand, at - LOOKS_BACK.total_seconds(), at)
        if heard is None:
            return None
        began = await self._database.read(lambda tx: mentions.listened_since(tx, brand))
        hours: list[int | None] = []
        for week in range(1, _WEEKS + 1):
            since = at // 3600 * 3600 - week * 7 * 86400.0
            if began is None or began > since:
                break
            then = await self._between(brand, since, since + 3600.0)
            hours.append(None if then is None else people([each for each in then if not each.by_us]))
        return score_of(heard, at, hours)

    async def _between(self, brand: str, since: float, until: float) -> list[Observation] | None:
        """A brand's mentions of a span; None when they are more than MOST_SCORED."""
        found: list[Observation] = []
        place = (since, 0)
        while True:
            rows = await self._database.read(
                partial(mentions.counted_of, brand=brand, place=place, until=until, limit=_AT_ONCE)
            )
            found += await asyncio.to_thread(_observed, brand, rows)
            if len(rows) < _AT_ONCE:
                return found
            if len(found) >= MOST_SCORED:
                return None
            place = rows[-1][:2]


def _observed(brand: str, rows: Sequence[tuple[float, int, bytes]]) -> list[Observation]:
    return [mentions.observed(brand, counted_at, body) for counted_at, _, body in rows]


def row_view(row: IncidentRow) -> dict[str, Any]:
    """One line of the list."""
    return {
        "id": row.id,
        "title": row.title,
        "severity": row.severity,
        "status": row.status,
        "situation": row.situation,
        "drill": row.drill,
        "round": row.round,
        "commander": row.commander,
        "declared_at": _from(row.declared_at),
        "next_update_by": _from(row.next_update_by),
        "next_due_at": _from(row.next_due_at),
        "quarantined": row.quarantined,
    }


def _from(seconds: float | None) -> str | None:
    return None if seconds is None else stamp(from_stamp(seconds))


def _pages(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "message_id": page.message_id,
            "escalation": page.escalation,
            "escalation_kind": incident.escalations[page.escalation].kind.value
            if page.escalation in incident.escalations
            else None,
            "rung": page.rung,
            "contact": page.contact,
            "channel": page.channel,
            "attempt": page.attempt,
            "state": page.state,
            "requested_at": stamp(page.requested_at),
            "sent_at": stamp(page.sent_at),
            "delivered_at": stamp(page.delivered_at),
            "failed_at": stamp(page.failed_at),
            "failure": None if page.failure is None else page.failure.value,
            "possible_duplicate": page.possible_duplicate,
            "line": page.line,
            "provider": page.provider,
            "instead_of": page.instead_of,
            "reference": page.reference,
        }
        for page in incident.pages.values()
    ]


def _escalations(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "kind": each.kind.value,
            "subject": each.subject,
            "because": each.because,
            "live": each.live,
            "started_at": stamp(each.started_at),
            "answered_by": each.answered_by,
            "answered_at": stamp(each.answered_at),
            "stopped_at": stamp(each.stopped_at),
        }
        for each in incident.escalations.values()
    ]


def _steps(incident: Incident, plan: Plan, now: datetime) -> list[dict[str, Any]]:
    runbook = plan.runbook_of(incident.situation)
    planned = {step.id: step for step in runbook.steps} if runbook is not None else {}
    found: list[dict[str, Any]] = []
    for step in incident.steps.values():
        known = planned.pop(step.id, None)
        found.append(
            {
                "id": step.id,
                "title": step.title,
                "owner": step.owner,
                "say": known.say if known is not None else "",
                "due_at": stamp(step.due_at),
                "state": step.state.value,
                "overdue": step.state is StepState.OPEN and step.due_at <= now,
                "needs": list(known.needs) if known is not None else [],
                "asks_evidence": step.asks_evidence,
                "evidence": step.evidence,
                "ended_by": step.ended_by,
                "ended_at": stamp(step.ended_at),
                "required": step.required,
            }
        )
    for planned_step in planned.values():
        if planned_step.when and incident.severity not in planned_step.when:
            continue
        found.append(
            {
                "id": planned_step.id,
                "title": planned_step.title,
                "owner": planned_step.owner,
                "say": planned_step.say,
                "due_at": None,
                "state": "waiting",
                "overdue": False,
                "needs": list(planned_step.needs),
                "asks_evidence": planned_step.evidence,
                "evidence": "",
                "ended_by": None,
                "ended_at": None,
                "required": planned_step.required,
            }
        )
    return found


def _updates(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "number": update.number,
            "audience": update.audience,
            "text": update.text,
            "at": stamp(update.at),
            "by": update.by,
            "next_update_by": stamp(update.next_update_by),
        }
        for update in incident.updates
    ]


def _decisions(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "question": each.question,
            "options": list(each.options),
            "decider": each.decider,
            "requested_at": stamp(each.requested_at),
            "due_at": stamp(each.due_at),
            "choice": each.choice,
            "made_by": each.made_by,
            "made_at": stamp(each.made_at),
            "because": each.because,
        }
        for each in incident.decisions.values()
    ]


def _questions(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "text": each.text,
            "about": each.about,
            "to": list(each.to),
            "asked_by": each.asked_by,
            "asked_at": stamp(each.asked_at),
            "expires_at": stamp(each.expires_at),
            "if_silent": each.if_silent,
            "document": each.document,
            "open": each.open,
            "answer": each.answer,
            "answered_by": each.answered_by,
            "answered_at": stamp(each.answered_at),
            "wants_call": list(each.wants_call),
            "expired_at": stamp(each.expired_at),
        }
        for each in incident.questions.values()
    ]


def _impact(incident: Incident, plan: Plan) -> list[dict[str, Any]]:
    """Every row of the severity matrix; one that nobody has answered has no answer. `weighed`: see incidents.state."""
    found = []
    for row, question in plan.matrix.items():
        given = incident.impact.get(row.value)
        rated = None if given is None else given.said.severity
        found.append(
            {
                "question": row.value,
                "title": TITLES[row],
                "ask": question.ask,
                "answer": None if given is None else given.said.answer,
                "says": None if given is None else given.said.says,
                "severity": None if rated is None else rated.value,
                "by": None if given is None else given.by,
                "at": None if given is None else stamp(given.at),
                "weighed": given is not None and given.weighed,
            }
        )
    return found


def social_view(score: SocialScore) -> dict[str, Any]:
    """The social score, for people to look at: it decides nothing."""
    return {
        "low": score.low,
        "high": score.high,
        "sentence": score.sentence,
        "parts": [
            {"name": each.name, "weight": each.weight, "value": each.value, "sentence": each.sentence}
            for each in score.parts
        ],
        "guards": list(score.guards),
    }


def questions_view(plan: Plan) -> list[dict[str, Any]]:
    """What is asked about the impact, with every answer and what it makes of the severity."""
    return [
        {
            "question": row.value,
            "title": TITLES[row],
            "ask": question.ask,
            "answers": [
                {"answer": word, "says": each.says, "severity": each.severity.value}
                for word, each in question.answers.items()
            ],
        }
        for row, question in plan.matrix.items()
    ]


def _compensation(incident: Incident) -> dict[str, Any] | None:
    decided, proposed = incident.compensation, incident.proposal
    if decided is not None:
        return {
            "state": "decided",
            "per_customer": None if decided.per_customer is None else decided.per_customer.model_dump(mode="json"),
            "population": decided.population,
            "count": decided.population_count,
            "reason": decided.reason,
            "rationale": decided.rationale,
            "requester": decided.requester,
            "decided_by": decided.decided_by,
            "authority": decided.authority,
            "at": stamp(decided.at),
        }
    if proposed is not None:
        return {
            "state": "proposed",
            "document": proposed.document,
            "per_customer": None if proposed.per_customer is None else proposed.per_customer.model_dump(mode="json"),
            "population": proposed.population,
            "count": proposed.population_count,
            "reason": proposed.reason,
            "rationale": proposed.rationale,
            "requester": proposed.requester,
            "at": stamp(proposed.at),
        }
    return None


def move_view(move: Move) -> dict[str, Any]:
    """One move, due or to come."""
    subject = move.step if isinstance(move, OpenStep) else move.decision if isinstance(move, AskDecision) else None
    person = move.contact if isinstance(move, PageContact) else move.owner if isinstance(move, OpenStep) else None
    return {
        "key": move.key,
        "kind": kind_of(move),
        "title": move.title,
        "due_at": stamp(move.due_at),
        "subject": subject,
        "person": person,
    }


def _next(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> list[dict[str, Any]]:
    """What happens next when nobody acts, with its times."""
    return [{"at": stamp(at), **move_view(move)} for at, move in forecast(incident, plan, directory, now)]
