"""`next_moves(incident, plan, directory, now)`: what is due now, and when to look again. The one function that decides.

Pure: no I/O, no clock. The engine, the flows, `rehearse`, `prove` and `backtest` ask the same question here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from contacts.authority import who_can_compensate
from contacts.directory import Directory
from incidents.events import EscalationKind
from incidents.state import Escalation, Incident, Proposal, Question, Status, StepState, missing_to_close
from runbooks.ladder import ladder_moves, named, occasion_of
from runbooks.moves import (
    AskApproval,
    AskDecision,
    ExpireQuestion,
    IssueSummary,
    Move,
    Moves,
    OpenStep,
    StartEscalation,
    StopEscalation,
)
from runbooks.plan import Decision, Ladder, Plan, Rung, Step

LEAST_TIME_FOR_A_STEP = timedelta(minutes=5)
"""A step that opens late still gets this long, or its own deadline where that is shorter."""
APPROVE_WITHIN = timedelta(hours=4)
"""How long a question about a compensation proposal stands; then it is asked again, never answered by itself."""

Timed = tuple[Move, datetime]


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
        found = _escalation_moves(incident, escalation, plan, directory, now)
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
    yield from _stops(incident, now)
    yield from _questions(incident, directory, now)
    if incident.status is Status.DECLARED or incident.commander is not None:
        yield from _crew(incident, plan)
    if incident.commander is None:
        yield from _summary(incident, plan, directory, now)
        yield from _left_open(incident, plan)
        return
    yield from _steps(incident, plan)
    yield from _decisions(incident, plan)
    yield from _summary(incident, plan, directory, now)
    yield from _overdue(incident, plan)
    yield from _still_on_it(incident, plan)


# --- calling people ----------------------------------------------------------------------------------------------


def _escalation_moves(
    incident: Incident, escalation: Escalation, plan: Plan, directory: Directory, now: datetime
) -> Moves:
    ladder = plan.ladder_for(incident.situation, incident.severity)
    first = _first_asked(incident, escalation, plan, directory, now)
    wait = ladder.rungs[0].wait
    if escalation.kind is EscalationKind.DIRECT:
        asked = _still_asked(incident, escalation, directory, now) or ladder.in_extremis
        return ladder_moves(incident, escalation, (), asked, ladder.again, directory, now)
    if escalation.kind in (EscalationKind.CREW, EscalationKind.QUESTION):
        own, last = _just_these(incident, escalation, ladder)
        return ladder_moves(incident, escalation, own, last, ladder.again, directory, now)
    own = tuple(Rung(page=(reference,), wait=wait) for reference in first)
    rungs = (*own, *ladder.rungs)
    return ladder_moves(incident, escalation, rungs, ladder.in_extremis, ladder.again, directory, now)


def _just_these(incident: Incident, escalation: Escalation, ladder: Ladder) -> tuple[tuple[Rung, ...], tuple[str, ...]]:
    """The ladder of a role that must be taken, or of a question: only those whom it concerns, then all of them again.

    A role that nobody takes becomes the commander's trouble; a question never becomes anybody else's.
    """
    wait, repeat = ladder.rungs[0].wait, ladder.rungs[0].repeat
    if escalation.kind is EscalationKind.QUESTION:
        rungs = tuple(Rung(page=(each,), wait=wait, repeat=repeat) for each in escalation.contacts)
        return rungs, escalation.contacts
    reference = escalation.contacts[0]
    ranked = (reference, f"{reference}/deputy", f"{reference}/second-deputy")
    held = reference.startswith(("role:", "area:")) and "/" not in reference
    rungs = tuple(Rung(page=(each,), wait=wait, repeat=repeat) for each in (ranked if held else (reference,)))
    commander = () if incident.commander is None else (incident.commander,)
    return rungs, (reference, *(commander or ladder.in_extremis))


def _still_asked(incident: Incident, escalation: Escalation, directory: Directory, now: datetime) -> tuple[str, ...]:
    """Who of those paged directly can be reached and has not passed."""
    occasion = occasion_of(incident, directory, now)
    return tuple(
        reference
        for reference in escalation.contacts
        if any(each.id not in escalation.passed for each in directory.resolve(reference, occasion).contacts)
    )


def _first_asked(
    incident: Incident, escalation: Escalation, plan: Plan, directory: Directory, now: datetime
) -> tuple[str, ...]:
    """Who is asked before the ladder: whoever owns what is overdue, then the commander."""
    commander = () if incident.commander is None else (incident.commander,)
    match escalation.kind:
        case EscalationKind.STEP:
            step = incident.steps.get(escalation.subject)
            return (*(() if step is None else (step.owner,)), *commander)
        case EscalationKind.DECISION:
            asked = incident.decisions.get(escalation.subject)
            own = () if asked is None else (asked.decider,)
            if escalation.subject != "compensation":
                return (*own, *commander)
            occasion = occasion_of(incident, directory, now)
            able = tuple(contact.id for contact in who_can_compensate(directory, None, 0, now, occasion))
            return (*own, *able)
        case EscalationKind.UPDATE | EscalationKind.CLOSING | EscalationKind.REMINDER:
            return commander
        case EscalationKind.ROUND | EscalationKind.DIRECT | EscalationKind.CREW | EscalationKind.QUESTION:
            return ()


def _stops(incident: Incident, now: datetime) -> Iterator[Timed]:
    """Escalations whose cause has gone: nobody needs to be called any more."""
    for escalation in incident.live_escalations:
        because = _cause_gone(incident, escalation)
        if because is not None:
            yield StopEscalation(escalation.id, because, now), now


def _cause_gone(incident: Incident, escalation: Escalation) -> str | None:
    match escalation.kind:
        case EscalationKind.STEP:
            step = incident.steps.get(escalation.subject)
            if step is not None and step.state is not StepState.OPEN:
                return f"step {step.id} is {step.state}"
        case EscalationKind.UPDATE:
            latest = incident.updates[-1] if incident.updates else None
            if latest is not None and latest.at >= escalation.started_at:
                return "the update is out"
        case EscalationKind.DECISION:
            asked = incident.decisions.get(escalation.subject)
            if asked is None or asked.choice is not None:
                return f"{escalation.subject} is decided"
        case EscalationKind.CLOSING:
            if not (is_quiet(incident) or (incident.resolved_at is not None and missing_to_close(incident))):
                return "nothing is missing any more"
        case EscalationKind.REMINDER:
            if incident.resolved_at is not None:
                return "it is resolved"
            if incident.commander != escalation.subject:
                return f"{incident.commander or 'nobody'} leads it now"
            if incident.heard_at is not None and incident.heard_at > escalation.started_at:
                return f"{incident.commander} is on it"
        case EscalationKind.CREW:
            if incident.resolved_at is not None:
                return "it is resolved"
            if escalation.subject in incident.roles:
                return f"{incident.roles[escalation.subject]} has taken it"
        case EscalationKind.QUESTION:
            asked_one = incident.questions.get(escalation.subject)
            if asked_one is not None and not asked_one.open:
                return f"the question has {'expired' if asked_one.answer is None else 'its answer'}"
        case EscalationKind.ROUND | EscalationKind.DIRECT:
            pass
    return None


def _crew(incident: Incident, plan: Plan) -> Iterator[Timed]:
    """Roles that somebody must take besides the commander: several people may each have to answer."""
    if incident.resolved_at is not None or is_quiet(incident):
        return
    ladder = plan.ladder_for(incident.situation, incident.severity)
    began = max(incident.began_at, _last_round_at(incident))
    for reference in (named(incident, each) for each in ladder.crew):
        mine = [each for each in incident.escalations.values() if each.kind is EscalationKind.CREW]
        called = [each for each in mine if each.subject == reference and each.started_at >= incident.began_at]
        if reference in incident.roles or called:
            continue
        number = 1 + sum(1 for each in mine if each.subject == reference)
        name = f"crew-{reference.replace(':', '-').replace('/', '-')}" + (f".{number}" if number > 1 else "")
        at = began + ladder.crew_after
        because = f"{reference.partition(':')[2] or reference} is needed besides whoever leads it"
        yield StartEscalation(name, EscalationKind.CREW, reference, because, at, (reference,)), at


def _last_round_at(incident: Incident) -> datetime:
    current = incident.escalations.get(str(incident.round))
    return incident.began_at if current is None else current.started_at


def _still_on_it(incident: Incident, plan: Plan) -> Iterator[Timed]:
    """An acknowledgement does not last for ever: whoever has said nothing for too long is reminded first."""
    expires = plan.cadence[incident.severity].ack_expires
    if expires is None or incident.status is not Status.ACKNOWLEDGED or incident.heard_at is None:
        return
    commander = incident.commander or ""
    mine = [each for each in incident.escalations.values() if each.kind is EscalationKind.REMINDER]
    if any(each.live for each in mine):
        return
    at = incident.heard_at + expires
    because = f"still on it? {commander} has said nothing since {incident.heard_at:%H:%M} UTC"
    yield StartEscalation(f"reminder-{len(mine) + 1}", EscalationKind.REMINDER, commander, because, at), at


# --- questions to executives -------------------------------------------------------------------------------------


def _questions(incident: Incident, directory: Directory, now: datetime) -> Iterator[Timed]:
    for asked in incident.questions.values():
        if asked.open:
            outcome = _outcome_of_silence(asked)
            yield ExpireQuestion(asked.id, outcome, asked.expires_at), asked.expires_at
    proposal = incident.proposal
    if proposal is None or any(each.document == proposal.document for each in incident.questions.values()):
        return
    occasion = occasion_of(incident, directory, now)
    able = who_can_compensate(directory, proposal.per_customer, proposal.population_count, now, occasion)
    others = tuple(contact.id for contact in able if contact.id != proposal.requester)
    if others:
        text = _proposal_in_words(proposal)
        ask = AskApproval(proposal.document, text, others, proposal.at + APPROVE_WITHIN, proposal.at)
        yield ask, proposal.at


def _outcome_of_silence(asked: Question) -> Literal["no", "yes"]:
    """Silence never approves money or text (invariant 10)."""
    return "yes" if asked.if_silent == "yes" and asked.about == "other" else "no"


def _proposal_in_words(proposal: Proposal) -> str:
    if proposal.per_customer is None:
        return f"Pay {proposal.population} nothing ({proposal.reason})? {proposal.requester} proposes it."
    each = f"{proposal.per_customer} to each of {proposal.population_count} customers ({proposal.population})"
    return f"Pay {each}? {proposal.requester} proposes it."


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


def is_quiet(incident: Incident) -> bool:
    """Whether it recovered by itself and nobody was in charge: open, but nobody is called."""
    return (
        incident.status is Status.DECLARED
        and incident.commander is None
        and incident.live_round is None
        and not any(incident.signals.values())
    )
