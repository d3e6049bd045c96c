"""`evolve(incident, event) -> incident`: the fold. Total: an event that does not fit stays in the log, ignored here."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar, assert_never

from incidents import events as e
from incidents.events import PageFailure
from incidents.impact import BY_THE_MATRIX, Answer
from incidents.state import (
    Compensation,
    Decision,
    Escalation,
    Impact,
    Incident,
    Page,
    Proposal,
    Question,
    Status,
    Step,
    StepState,
    Update,
)

State = TypeVar("State", Incident, Escalation, Page, Step, Decision, Question, Impact)


def replace(old: State, /, **changes: Any) -> State:
    """`dataclasses.replace` without its checks of every field: it would take a third of the fold's time."""
    changed: State = object.__new__(type(old))
    changed.__dict__.update(old.__dict__)
    changed.__dict__.update(changes)
    return changed


def fold(log: Iterable[e.Event], incident: Incident | None = None) -> Incident | None:
    """The state after these events, starting from `incident` (None: from nothing)."""
    for event in log:
        incident = evolve(incident, event)
    return incident


def evolve(incident: Incident | None, event: e.Event) -> Incident | None:
    """The state after one more event. Versions count every event, also those that change nothing else."""
    if incident is None:
        return _declared(event) if isinstance(event, e.IncidentDeclared) else None
    changed = _heard(_apply(incident, event), event)
    latest = event.at if incident.last_event_at is None else max(event.at, incident.last_event_at)
    return replace(changed, version=incident.version + 1, last_event_at=latest)


def _heard(incident: Incident, event: e.Event) -> Incident:
    """Whatever the commander does is a sign that they are still on it."""
    if incident.commander is None or event.by != f"person:{incident.commander}" or isinstance(event, e.PagePassed):
        return incident  # who passes on the question whether they are still on it says that they are not
    return replace(incident, heard_at=event.at)


def _declared(event: e.IncidentDeclared) -> Incident:
    return Incident(
        id=event.id,
        title=event.title,
        severity=event.severity,
        situation=event.situation,
        drill=event.drill,
        plan_version=event.plan_version,
        declared_at=event.at,
        declared_by=event.by,
        area=event.area,
        because=event.because,
        version=1,
        last_event_at=event.at,
        unraised=event.severity,
        wakes=event.wakes,
        signals={} if event.dedup_key is None else {event.dedup_key: True},
    )


def _apply(incident: Incident, event: e.Event) -> Incident:  # noqa: C901, PLR0912 - a match that names one step a kind
    match event:
        case e.SignalFolded():
            return replace(
                incident,
                signals={**incident.signals, event.dedup_key: True},
                wakes=incident.wakes or event.wakes,
            )
        case e.SignalRecovered():
            return replace(incident, signals={**incident.signals, event.dedup_key: False})
        case e.SeverityChanged():
            return _rated(incident, event)
        case e.ImpactAnswered():
            said = Answer(event.question, event.answer, event.severity, event.says)
            return replace(incident, impact={**incident.impact, said.question: Impact(said, event.by, event.at)})
        case e.EscalationStarted():
            return _escalation_started(incident, event)
        case e.EscalationStopped():
            return _change_escalation(incident, event.escalation, stopped_at=event.at)
        case e.PageRequested():
            return _page_requested(incident, event)
        case e.RungTold():
            known_escalation = incident.escalations.get(event.escalation)
            told = () if known_escalation is None else (*known_escalation.told, event.rung)
            return _told(_change_escalation(incident, event.escalation, told=told), event.contacts)
        case e.RungSkipped():
            return _rung_skipped(incident, event)
        case e.PageSent():
            return _page_sent(incident, event)
        case e.PageDelivered():
            return _page_delivered(incident, event)
        case e.PageFailed():
            return _page_failed(incident, event)
        case e.PageProven():
            return _page_proven(incident, event)
        case e.Acknowledged():
            return _acknowledged(incident, event)
        case e.SupportJoined():
            known = event.contact in incident.support
            joined = incident if known else replace(incident, support=(*incident.support, event.contact))
            return _role_taken(joined, event.role, event.contact)
        case e.PagePassed():
            return _page_passed(incident, event)
        case e.HandedOver():
            began = incident.took_charge_at or event.at
            return replace(incident, commander=event.new, took_charge_at=began, heard_at=event.at)
        case e.ContactsImplicated():
            return _implicated(incident, event)
        case e.QuestionAsked() | e.QuestionAnswered() | e.QuestionExpired():
            return _question(incident, event)
        case e.StepOpened() | e.StepDone() | e.StepSkipped():
            return _step(incident, event)
        case e.UpdatePublished():
            return _updated(incident, event)
        case e.SummaryIssued():
            issued = replace(incident, summaries=event.number, last_summary_at=event.at)
            return _told(issued, event.recipients)
        case e.DecisionRequested() | e.DecisionMade():
            return _decision(incident, event)
        case e.CompensationProposed():
            return _proposed(incident, event)
        case e.CompensationDecided():
            return _compensated(incident, event)
        case e.CustomersInformed():
            return replace(incident, informed_at=event.at)
        case e.Resolved():
            return replace(incident, status=Status.RESOLVED, resolved_at=event.at, resolution=event.note)
        case e.RecoveryConfirmed():
            return replace(incident, confirmed_at=event.at)
        case e.Reopened():
            return _reopened(incident, event.at)
        case e.Replanned():
            return replace(incident, plan_version=event.plan_version)
        case e.StoodDown():
            ended = _ended(incident, Status.STOOD_DOWN, event.at)
            return replace(ended, stood_down_by=event.by, stood_down_because=event.because)
        case e.Merged():
            return replace(_ended(incident, Status.MERGED, event.at), merged_into=event.into)
        case e.Closed():
            return _ended(incident, Status.CLOSED, event.at)
        case (
            e.IncidentDeclared()
            | e.MachineAcknowledged()
            | e.NoteAdded()
            | e.PublicationFailed()
            | e.NoticeQueued()
            | e.EngineWasAway()
            | e.ClockJumped()
            | e.Unknown()
        ):
            return incident
        case _:
            assert_never(event)


def _rated(incident: Incident, event: e.SeverityChanged) -> Incident:
    """A person who lowers it has weighed every answer so far; what the matrix made of them is no ground to stand on."""
    if event.by == BY_THE_MATRIX:
        return replace(incident, severity=event.new)
    if not event.old.is_worse_than(event.new):
        return replace(incident, severity=event.new, unraised=event.new)
    weighed = {name: replace(each, weighed=True) for name, each in incident.impact.items()}
    return replace(incident, severity=event.new, unraised=event.new, impact=weighed)


def _escalation_started(incident: Incident, event: e.EscalationStarted) -> Incident:
    started = Escalation(
        id=event.escalation,
        kind=event.escalation_kind,
        subject=event.subject,
        because=event.because,
        started_at=event.at,
        due_at=event.due_at or event.at,
        contacts=event.contacts,
    )
    escalations = {**incident.escalations, started.id: started}
    if event.escalation_kind is not e.EscalationKind.ROUND:
        return replace(incident, escalations=escalations)
    status = incident.status if incident.status is Status.RESOLVED else Status.DECLARED
    return replace(incident, escalations=escalations, round=int(event.escalation), status=status)


def _change_escalation(incident: Incident, escalation_id: str, **changes: object) -> Incident:
    escalation = incident.escalations.get(escalation_id)
    if escalation is None:
        return incident
    changed = replace(escalation, **changes)
    return replace(incident, escalations={**incident.escalations, escalation_id: changed})


def _place(incident: Incident, event: e.PageRequested) -> tuple[int, str | None]:
    """(beat, instead of which page) for logs from before pages said so: one page at a time, and a failed one was
    followed at once."""
    before: Page | None = None
    for page in reversed(incident.pages.values()):
        same = (page.escalation, page.rung, page.contact_index) == (event.escalation, event.rung, event.contact_index)
        if same:
            before = page
            break
    if before is None:
        return 1, None
    if before.failure is not None and not event.possible_duplicate:
        return before.beat, before.message_id
    return before.beat + 1, None


def _page_requested(incident: Incident, event: e.PageRequested) -> Incident:
    beat, instead_of = (1, None) if event.beat else _place(incident, event)
    page = Page(
        message_id=event.message_id,
        escalation=event.escalation,
        rung=event.rung,
        contact=event.contact,
        contact_index=event.contact_index,
        attempt=event.attempt,
        channel=event.channel,
        requested_at=event.at,
        due_at=event.due_at,
        expects_receipt=event.expects_receipt,
        possible_duplicate=event.possible_duplicate,
        line=event.line,
        provider=event.provider,
        beat=event.beat or beat,
        instead_of=event.instead_of if event.beat else instead_of,
        reference=event.reference,
    )
    with_page = replace(incident, pages={**incident.pages, page.message_id: page})
    escalation = incident.escalations.get(event.escalation)
    if escalation is None:
        return with_page
    return _change_escalation(with_page, escalation.id, pages=(*escalation.pages, page.message_id))


def _rung_skipped(incident: Incident, event: e.RungSkipped) -> Incident:
    escalation = incident.escalations.get(event.escalation)
    if escalation is None:
        return incident
    return _change_escalation(incident, escalation.id, skipped={**escalation.skipped, event.rung: event.because})


def _change_page(incident: Incident, message_id: str, **changes: object) -> Incident:
    page = incident.pages.get(message_id)
    if page is None:
        return incident
    changed = replace(page, **changes)
    return replace(incident, pages={**incident.pages, message_id: changed})


def _told(incident: Incident, contacts: tuple[str, ...]) -> Incident:
    return replace(incident, told=tuple(dict.fromkeys((*incident.told, *contacts))))


def _page_sent(incident: Incident, event: e.PageSent) -> Incident:
    page = incident.pages.get(event.message_id)
    if page is None or page.sent_at is not None:
        return incident
    # The provider's own word, however late, ends the doubt whether it was accepted.
    proven = page.proven or page.failure is PageFailure.UNKNOWN
    return _change_page(incident, event.message_id, sent_at=event.at, proven=proven)


def _page_proven(incident: Incident, event: e.PageProven) -> Incident:
    page = incident.pages.get(event.message_id)
    if page is None:
        return incident
    return _change_page(incident, event.message_id, proven=True, sent_at=page.sent_at or event.at)


def _page_delivered(incident: Incident, event: e.PageDelivered) -> Incident:
    page = incident.pages.get(event.message_id)
    if page is None or page.delivered_at is not None:
        return incident
    # A receipt proves acceptance, whatever was believed before, and can come before the create call returns.
    return _change_page(
        incident, event.message_id, delivered_at=event.at, sent_at=page.sent_at or event.at, proven=True
    )


def _page_failed(incident: Incident, event: e.PageFailed) -> Incident:
    page = incident.pages.get(event.message_id)
    if page is None or (page.failure is not None and not page.failure.is_doubt):
        return incident
    return _change_page(incident, event.message_id, failed_at=page.failed_at or event.at, failure=event.failure)


def _acknowledged(incident: Incident, event: e.Acknowledged) -> Incident:
    escalation = incident.escalations.get(event.escalation)
    if escalation is None or not (escalation.live or _is_unowned(incident, escalation)):
        return incident
    answered = _change_escalation(incident, escalation.id, answered_by=event.contact, answered_at=event.at)
    role = escalation.subject if escalation.kind is e.EscalationKind.CREW else event.role
    answered = _role_taken(answered, role, event.contact)
    if escalation.kind is not e.EscalationKind.ROUND:
        return answered
    status = Status.ACKNOWLEDGED if answered.status is Status.DECLARED else answered.status
    commander = answered.commander or event.contact
    began = answered.took_charge_at or event.at
    return replace(answered, status=status, commander=commander, took_charge_at=began, heard_at=event.at)


def _role_taken(incident: Incident, role: str, contact: str) -> Incident:
    if ":" not in role:
        return incident
    return replace(incident, roles={**incident.roles, role: contact})


def _implicated(incident: Incident, event: e.ContactsImplicated) -> Incident:
    """Who is implicated leads nothing any more and holds no role of it."""
    out = tuple(dict.fromkeys((*incident.implicated, *event.contacts)))
    roles = {role: contact for role, contact in incident.roles.items() if contact not in out}
    support = tuple(each for each in incident.support if each not in out)
    changed = replace(incident, implicated=out, roles=roles, support=support)
    return replace(changed, commander=None, took_charge_at=None) if incident.commander in out else changed


def _question(incident: Incident, event: e.QuestionAsked | e.QuestionAnswered | e.QuestionExpired) -> Incident:
    known = incident.questions.get(event.question)
    if isinstance(event, e.QuestionAsked):
        if known is not None:
            return incident
        asked = Question(
            id=event.question,
            text=event.text,
            about=event.about,
            to=event.to,
            asked_by=event.by,
            asked_at=event.at,
            expires_at=event.expires_at,
            if_silent=event.if_silent,
            document=event.document,
        )
        return replace(incident, questions={**incident.questions, asked.id: asked})
    if known is None or not known.open:
        return incident
    if isinstance(event, e.QuestionExpired):
        changed = replace(known, expired_at=event.at)
    elif event.answer == "call":
        changed = replace(known, wants_call=(*known.wants_call, event.contact))
    else:
        changed = replace(known, answer=event.answer, answered_by=event.contact, answered_at=event.at)
    return replace(incident, questions={**incident.questions, known.id: changed})


def _is_unowned(incident: Incident, escalation: Escalation) -> bool:
    """A round that stopped by itself before anybody took charge can still be taken."""
    is_last = escalation.id == str(incident.round)
    return is_last and escalation.answered_at is None and incident.commander is None


def _page_passed(incident: Incident, event: e.PagePassed) -> Incident:
    escalation = incident.escalations.get(event.escalation)
    if escalation is None or event.contact in escalation.passed:
        return incident
    escalated = (*escalation.escalated, event.contact) if event.escalates else escalation.escalated
    passed = {**escalation.passed, event.contact: event.at}
    return _change_escalation(incident, escalation.id, passed=passed, escalated=escalated)


def _step(incident: Incident, event: e.StepOpened | e.StepDone | e.StepSkipped) -> Incident:
    if isinstance(event, e.StepOpened):
        if event.step in incident.steps:
            return incident
        step = Step(event.step, event.title, event.owner, event.at, event.due_at, event.required, event.asks_evidence)
        return replace(incident, steps={**incident.steps, step.id: step})
    known = incident.steps.get(event.step)
    if known is None or known.state is not StepState.OPEN:
        return incident
    if isinstance(event, e.StepDone):
        ended = replace(known, state=StepState.DONE, ended_at=event.at, ended_by=event.by, evidence=event.evidence)
    else:
        ended = replace(known, state=StepState.SKIPPED, ended_at=event.at, ended_by=event.by, evidence=event.because)
    return replace(incident, steps={**incident.steps, known.id: ended})


def _updated(incident: Incident, event: e.UpdatePublished) -> Incident:
    update = Update(event.number, event.audience, event.text, event.at, event.by, event.next_update_by)
    return replace(incident, updates=(*incident.updates, update), next_update_by=event.next_update_by)


def _decision(incident: Incident, event: e.DecisionRequested | e.DecisionMade) -> Incident:
    known = incident.decisions.get(event.decision)
    if isinstance(event, e.DecisionRequested):
        if known is not None:
            return incident
        asked = Decision(event.decision, event.question, event.options, event.decider, event.at, event.due_at)
        return replace(incident, decisions={**incident.decisions, asked.id: asked})
    if known is None or known.choice is not None:
        return incident
    made = replace(known, choice=event.choice, made_at=event.at, made_by=event.by, because=event.because)
    return replace(incident, decisions={**incident.decisions, made.id: made})


def _proposed(incident: Incident, event: e.CompensationProposed) -> Incident:
    proposal = Proposal(
        document=event.document,
        requester=event.requester,
        per_customer=event.per_customer,
        population=event.population,
        population_count=event.population_count,
        reason=event.reason,
        rationale=event.rationale,
        at=event.at,
    )
    return replace(incident, proposal=proposal)


def _compensated(incident: Incident, event: e.CompensationDecided) -> Incident:
    decided = Compensation(
        per_customer=event.per_customer,
        population=event.population,
        population_count=event.population_count,
        reason=event.reason,
        rationale=event.rationale,
        requester=event.requester,
        decided_by=event.decided_by,
        authority=event.authority,
        at=event.at,
    )
    asked = incident.decisions.get("compensation")
    decisions = incident.decisions
    if asked is not None and asked.choice is None:
        choice = "none" if event.per_customer is None else str(event.per_customer)
        made = replace(asked, choice=choice, made_at=event.at, made_by=event.by, because=event.rationale)
        decisions = {**decisions, asked.id: made}
    return replace(incident, compensation=decided, proposal=None, decisions=decisions)


def _reopened(incident: Incident, at: datetime) -> Incident:
    """Back to DECLARED with nothing confirmed, nobody in charge and every clock started anew."""
    return replace(
        incident,
        status=Status.DECLARED,
        resolved_at=None,
        resolution="",
        confirmed_at=None,
        compensation=None,
        proposal=None,
        decisions={key: value for key, value in incident.decisions.items() if key != "compensation"},
        informed_at=None,
        commander=None,
        took_charge_at=None,
        roles={},
        ended_at=None,
        stood_down_by=None,
        stood_down_because="",
        next_update_by=None,
        told=(),
        reopened_at=at,
    )


def _ended(incident: Incident, status: Status, at: datetime) -> Incident:
    escalations = {
        key: replace(each, stopped_at=at) if each.live else each for key, each in incident.escalations.items()
    }
    return replace(incident, status=status, ended_at=at, escalations=escalations, next_update_by=None)
