"""`next_moves(incident, plan, directory, now)`: what is due now, and when to look again. The one function that decides.

Pure: no I/O, no clock. The engine, the flows, `rehearse`, `prove` and `backtest` ask the same question here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from contacts.directory import Directory
from incidents.events import EscalationKind
from incidents.state import Incident, Status, StepState, is_quiet, missing_to_close
from runbooks.callings import Timed, crew, escalation_moves, still_on_it, stops
from runbooks.ladder import occasion_of
from runbooks.moves import (
    AskDecision,
    IssueSummary,
    Move,
    Moves,
    OpenStep,
    StartEscalation,
    StopEscalation,
)
from runbooks.plan import Decision, Plan, Step
from runbooks.questions import questions

LEAST_TIME_FOR_A_STEP = timedelta(minutes=5)
"""A step that opens late still gets this long, or its own deadline where that is shorter."""


def next_moves(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> Moves:
    """Every move that is due at `now`, oldest first, and the next moment at which there can be another."""
    if not incident.status.is_open:
        return Moves((), None)
    due: list[Move] = []
    wake: list[datetime] = []
    for move, at in _timed_moves(incident, plan, directory, now):
        if at <= now:
            due.append(move)
        else:
            wake.append(at)
    stopping = {move.escalation for move in due if isinstance(move, StopEscalation)}
    for escalation in incident.live_escalations:
        if escalation.id in stopping:
            continue
        found = escalation_moves(incident, escalation, plan, directory, now)
        due.extend(found.due)
        if found.wake_at is not None:
            wake.append(found.wake_at)
    due.sort(key=lambda move: move.due_at)
    return Moves(tuple(due), min(wake, default=None))


def owed_update_by(incident: Incident, plan: Plan) -> datetime | None:
    """By when the next status update is owed: as promised, else by the severity's cadence. None: none is owed."""
    if incident.next_update_by is not None or not incident.status.is_open:
        return incident.next_update_by
    if incident.resolved_at is not None:
        return None
    every = plan.cadence[incident.severity].update_every
    return None if every is None else incident.began_at + every


def executives_of(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> tuple[str, ...]:
    """The contacts who receive this incident's summaries: those of the plan who can be reached, each once."""
    occasion = occasion_of(incident, directory, now)
    reachable = (
        contact.id for reference in plan.executives for contact in directory.resolve(reference, occasion).contacts
    )
    return tuple(dict.fromkeys(reachable))


def _timed_moves(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> Iterator[Timed]:
    yield from stops(incident, now)
    yield from questions(incident, directory, now)
    if incident.status is Status.DECLARED or incident.commander is not None:
        yield from crew(incident, plan)
    if incident.commander is None:
        yield from _summary(incident, plan, directory, now)
        yield from _left_open(incident, plan)
        return
    yield from _steps(incident, plan)
    yield from _decisions(incident, plan)
    yield from _summary(incident, plan, directory, now)
    yield from _overdue(incident, plan)
    yield from still_on_it(incident, plan)


# --- the runbook -------------------------------------------------------------------------------------------------


def _steps(incident: Incident, plan: Plan) -> Iterator[Timed]:
    runbook = plan.runbook_of(incident.situation)
    if runbook is None or incident.resolved_at is not None:
        return
    for step in runbook.steps:
        if step.id in incident.steps or not _applies(step, incident):
            continue
        ready_at = _ready_at(step.needs, incident, plan)
        if ready_at is not None:
            yield _open_step(step, incident, ready_at), ready_at


def _open_step(step: Step, incident: Incident, opened: datetime) -> OpenStep:
    least = opened + min(step.within, LEAST_TIME_FOR_A_STEP)
    deadline = opened + step.within if step.needs else max(incident.began_at + step.within, least)
    return OpenStep(
        step=step.id,
        step_title=step.title,
        owner=step.owner,
        step_due_at=deadline,
        required=step.required,
        asks_evidence=step.evidence,
        due_at=opened,
    )


def _applies(item: Step | Decision, incident: Incident) -> bool:
    return not item.when or incident.severity in item.when


def _ready_at(needs: tuple[str, ...], incident: Incident, plan: Plan) -> datetime | None:
    """When the last of what it waits for ended, or somebody took charge; None while it still waits.

    A step that does not apply here holds nobody up.
    """
    runbook = plan.runbook_of(incident.situation)
    moments = [incident.took_charge_at or incident.began_at]
    for need in needs:
        known = incident.steps.get(need)
        if known is not None:
            if known.ended_at is None:
                return None
            moments.append(known.ended_at)
            continue
        planned = None if runbook is None else next((each for each in runbook.steps if each.id == need), None)
        if planned is not None and _applies(planned, incident):
            return None
    return max(moments)


def _decisions(incident: Incident, plan: Plan) -> Iterator[Timed]:
    runbook = plan.runbook_of(incident.situation)
    for decision in runbook.decisions if runbook is not None and incident.resolved_at is None else ():
        if decision.id in incident.decisions or not _applies(decision, incident):
            continue
        ready_at = _ready_at(decision.needs, incident, plan)
        if ready_at is not None:
            least = ready_at + min(decision.within, LEAST_TIME_FOR_A_STEP)
            decide_by = max(incident.began_at + decision.within, least)
            ask = AskDecision(decision.id, decision.question, decision.options, decision.decider, decide_by, ready_at)
            yield ask, ready_at
    if "compensation" not in incident.decisions and incident.compensation is None:
        at = incident.resolved_at or incident.began_at + plan.compensation.open_after
        yield _ask_compensation(incident, plan, at), at


def _ask_compensation(incident: Incident, plan: Plan, at: datetime) -> AskDecision:
    within = plan.cadence[incident.severity].compensation_within
    return AskDecision(
        decision="compensation",
        question="What do the customers get?",
        options=("an amount for each customer of a named group", "nothing, with a reason code"),
        decider=plan.compensation.decider,
        decide_by=max(incident.began_at + within, at + min(within, LEAST_TIME_FOR_A_STEP)),
        due_at=at,
    )


def _summary(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> Iterator[Timed]:
    """The executives' summary on its cadence, until the incident is resolved. Missed ones are not made up for."""
    every = plan.cadence[incident.severity].summary_every
    if every is None or incident.resolved_at is not None:
        return
    recipients = executives_of(incident, plan, directory, now)
    if recipients:
        at = (incident.last_summary_at or incident.began_at) + every
        yield IssueSummary(incident.summaries + 1, recipients, at), at


# --- what is overdue ---------------------------------------------------------------------------------------------


def _overdue(incident: Incident, plan: Plan) -> Iterator[Timed]:
    for step in incident.steps.values():
        if step.state is StepState.OPEN and incident.resolved_at is None:
            because = f"step {step.id} ({step.title}) is overdue"
            yield from _call_about(incident, plan, EscalationKind.STEP, step.id, because, step.due_at)
    for asked in incident.decisions.values():
        if asked.choice is None:
            because = f"decision {asked.id} is overdue: {asked.question}"
            yield from _call_about(incident, plan, EscalationKind.DECISION, asked.id, because, asked.due_at)
    owed = owed_update_by(incident, plan)
    if owed is not None and incident.resolved_at is None:
        because = f"the update promised for {owed:%H:%M} UTC is overdue"
        number = str(len(incident.updates) + 1)
        yield from _call_about(incident, plan, EscalationKind.UPDATE, number, because, owed)
    if incident.resolved_at is not None:
        at = incident.resolved_at + plan.cadence[incident.severity].compensation_within
        because = "it is resolved but not closed: " + " ".join(missing_to_close(incident))
        yield from _call_about(incident, plan, EscalationKind.CLOSING, "closing", because, at)


def _left_open(incident: Incident, plan: Plan) -> Iterator[Timed]:
    """It recovered by itself and nobody was ever in charge: somebody must still close it or stand it down."""
    current = incident.escalations.get(str(incident.round))
    if current is None or current.stopped_at is None or not is_quiet(incident):
        return
    at = current.stopped_at + plan.cadence[incident.severity].compensation_within
    because = "it recovered by itself and is still open: take it, or stand it down"
    yield from _call_about(incident, plan, EscalationKind.CLOSING, "closing", because, at)


def _call_about(
    incident: Incident, plan: Plan, kind: EscalationKind, subject: str, because: str, at: datetime
) -> Iterator[Timed]:
    """Start calling at `at`; once answered, again when it is still overdue `page_again_after` later."""
    mine = [each for each in incident.escalations.values() if each.kind is kind and each.subject == subject]
    if any(each.live for each in mine):
        return
    name = subject if kind is EscalationKind.CLOSING else f"{kind}-{subject}"
    if not mine:
        yield StartEscalation(name, kind, subject, because, at), at
        return
    ended = max(each.answered_at or each.stopped_at or each.started_at for each in mine)
    again = max(at, ended + plan.page_again_after)
    yield StartEscalation(f"{name}.{len(mine) + 1}", kind, subject, because, again), again
