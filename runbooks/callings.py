"""The callings of an incident: whom each goes to, when one starts by itself and when its cause has gone. Pure.

A round calls about the incident; the others about something overdue, a role that must be taken, an answer that is owed.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from contacts.authority import who_can_compensate
from contacts.directory import Directory
from incidents.events import EscalationKind
from incidents.state import Escalation, Incident, Status, StepState, is_quiet, missing_to_close
from runbooks.ladder import ladder_moves, named, occasion_of
from runbooks.moves import Move, Moves, StartEscalation, StopEscalation
from runbooks.plan import Ladder, Plan, Rung

Timed = tuple[Move, datetime]


def escalation_moves(
    incident: Incident, escalation: Escalation, plan: Plan, directory: Directory, now: datetime
) -> Moves:
    """What is due in one calling of people: its ladder depends on why they are called."""
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


def stops(incident: Incident, now: datetime) -> Iterator[Timed]:
    """Escalations whose cause has gone: nobody needs to be called any more."""
    for escalation in incident.live_escalations:
        because = _cause_gone(incident, escalation)
        if because is not None:
            yield StopEscalation(escalation.id, because, now), now


def _cause_gone(incident: Incident, escalation: Escalation) -> str | None:
    found = _CAUSES.get(escalation.kind)
    return None if found is None else found(incident, escalation)


def _step_ended(incident: Incident, escalation: Escalation) -> str | None:
    step = incident.steps.get(escalation.subject)
    return f"step {step.id} is {step.state}" if step is not None and step.state is not StepState.OPEN else None


def _update_out(incident: Incident, escalation: Escalation) -> str | None:
    latest = incident.updates[-1] if incident.updates else None
    return "the update is out" if latest is not None and latest.at >= escalation.started_at else None


def _decided(incident: Incident, escalation: Escalation) -> str | None:
    asked = incident.decisions.get(escalation.subject)
    return f"{escalation.subject} is decided" if asked is None or asked.choice is not None else None


def _nothing_missing(incident: Incident, escalation: Escalation) -> str | None:
    if is_quiet(incident) or (incident.resolved_at is not None and missing_to_close(incident)):
        return None
    return "nothing is missing any more"


def _heard_from(incident: Incident, escalation: Escalation) -> str | None:
    if incident.resolved_at is not None:
        return "it is resolved"
    if incident.commander != escalation.subject:
        return f"{incident.commander or 'nobody'} leads it now"
    heard = incident.heard_at is not None and incident.heard_at > escalation.started_at
    return f"{incident.commander} is on it" if heard else None


def _role_taken(incident: Incident, escalation: Escalation) -> str | None:
    if incident.resolved_at is not None:
        return "it is resolved"
    if is_quiet(incident):
        return "it recovered by itself"
    holder = incident.roles.get(escalation.subject)
    return None if holder is None else f"{holder} has taken it"


def _question_over(incident: Incident, escalation: Escalation) -> str | None:
    asked = incident.questions.get(escalation.subject)
    if asked is None:
        return None
    proposal = incident.proposal
    if asked.open and asked.document is not None and (proposal is None or proposal.document != asked.document):
        return "the proposal is not what it was"
    if asked.open:
        return None
    return f"the question has {'expired' if asked.answer is None else 'its answer'}"


_CAUSES: dict[EscalationKind, Callable[[Incident, Escalation], str | None]] = {
    EscalationKind.STEP: _step_ended,
    EscalationKind.UPDATE: _update_out,
    EscalationKind.DECISION: _decided,
    EscalationKind.CLOSING: _nothing_missing,
    EscalationKind.REMINDER: _heard_from,
    EscalationKind.CREW: _role_taken,
    EscalationKind.QUESTION: _question_over,
    EscalationKind.DIRECT: _question_over,
}
"""Why each kind of calling ends by itself. A round ends only by an answer, or with the incident; so does a direct call,
unless it is about a question that somebody wanted to talk about first."""


def crew(incident: Incident, plan: Plan) -> Iterator[Timed]:
    """Roles that somebody must take besides the commander: several people may each have to answer."""
    if incident.resolved_at is not None or is_quiet(incident):
        return
    ladder = plan.ladder_for(incident.situation, incident.severity)
    began = max(incident.began_at, _last_round_at(incident))
    for reference in (named(incident, each) for each in ladder.crew):
        mine = [
            each
            for each in incident.escalations.values()
            if each.kind is EscalationKind.CREW and each.subject == reference
        ]
        if reference in incident.roles or any(_still_counts(incident, each, began) for each in mine):
            continue
        # No two references have the same name: ids have neither of these signs.
        name = f"crew-{reference.replace(':', '_').replace('/', '.')}" + (f".{len(mine) + 1}" if mine else "")
        at = began + ladder.crew_after
        because = f"{reference.partition(':')[2] or reference} is needed besides whoever leads it"
        yield StartEscalation(name, EscalationKind.CREW, reference, because, at, (reference,)), at


def _still_counts(incident: Incident, calling: Escalation, began: datetime) -> bool:
    """Whether a calling for a role stands: it goes on, a holder has answered, or it is of this round."""
    if calling.live:
        return True
    if calling.answered_by is not None:
        return calling.answered_by not in incident.implicated and calling.started_at >= incident.began_at
    return calling.started_at >= began


def _last_round_at(incident: Incident) -> datetime:
    current = incident.escalations.get(str(incident.round))
    return incident.began_at if current is None else current.started_at


def still_on_it(incident: Incident, plan: Plan) -> Iterator[Timed]:
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
