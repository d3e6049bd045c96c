"""`decide(incident, command, now) -> events`: every rule about what may happen to an incident. Pure.

A duplicate of what has already happened gives no event; what the rules forbid raises CommandRefused with the sentence
that the person reads. Nothing here pages: what is due after an event, `runbooks.next_moves` says.
"""

from datetime import datetime
from typing import assert_never

from incidents import commands as c
from incidents import events as e
from incidents.errors import CommandRefused
from incidents.impact import BY_THE_MATRIX, Answer, severity_of
from incidents.severity import Severity
from incidents.state import Escalation, Incident, Page, Question, Status, StepState, missing_to_close


def declare(command: c.Declare, now: datetime) -> list[e.Event]:
    """The first events of an incident: it exists, some may have to stay out of it, and round 1 calls people."""
    if not command.title.strip():
        raise CommandRefused("An incident needs a title.")
    declared = e.IncidentDeclared(
        at=now,
        by=command.by,
        id=command.id,
        title=command.title.strip(),
        severity=command.severity,
        situation=command.situation,
        drill=command.drill,
        plan_version=command.plan_version,
        area=command.area,
        because=command.because,
        dedup_key=command.dedup_key,
        wakes=command.wakes,
    )
    found: list[e.Event] = [declared]
    if command.implicated:
        said = "named when it was declared"
        found.append(e.ContactsImplicated(at=now, by=command.by, contacts=command.implicated, because=said))
    found.extend(_impact_answered(each, now, command.by) for each in command.impact)
    severity, because = severity_of(command.impact, command.severity)
    if severity is not None and severity.is_worse_than(command.severity):
        found.append(_raised(command.severity, severity, because, now))
    else:
        severity = command.severity
    return [*found, _round(1, f"{severity} declared", now, command.by)]


def decide(incident: Incident, command: c.Command, now: datetime) -> list[e.Event]:
    """The events of one command. `now` is aware UTC; an event is never older than the incident's last one."""
    now = now if incident.last_event_at is None else max(now, incident.last_event_at)
    _must_not_be_left_out(incident, command)
    match command:
        case c.RecordSent() | c.RecordDelivered() | c.RecordFailed() | c.RecordProven():
            return _delivery(incident, command, now)
        case c.FoldSignal():
            return _fold_signal(incident, command, now)
        case c.RecoverSignal():
            return _recover_signal(incident, command, now)
        case c.AcknowledgeByMachine():
            return _machine_ack(incident, command, now)
        case c.Acknowledge():
            return _acknowledge(incident, command, now)
        case c.Pass():
            return _pass(incident, command, now)
        case c.AddNote():
            return [e.NoteAdded(at=now, by=command.by, text=_required(command.text, "A note needs a text."))]
        case c.Reopen():
            return _reopen(incident, command, now)
        case (
            c.Implicate()
            | c.AskQuestion()
            | c.AnswerQuestion()
            | c.PagePeople()
            | c.HandOver()
            | c.ChangeSeverity()
            | c.AnswerImpact()
            | c.CompleteStep()
            | c.SkipStep()
            | c.PublishUpdate()
            | c.Resolve()
            | c.ConfirmRecovery()
            | c.StandDown()
            | c.MergeInto()
            | c.Decide()
            | c.Compensate()
            | c.ApproveCompensation()
            | c.InformCustomers()
            | c.Replan()
            | c.Close()
        ):
            _must_be_open(incident)
            return _on_open(incident, command, now)
        case _:
            assert_never(command)


_OnOpen = (
    c.Implicate
    | c.AskQuestion
    | c.AnswerQuestion
    | c.PagePeople
    | c.HandOver
    | c.ChangeSeverity
    | c.AnswerImpact
    | c.CompleteStep
    | c.SkipStep
    | c.PublishUpdate
    | c.Resolve
    | c.ConfirmRecovery
    | c.StandDown
    | c.MergeInto
    | c.Decide
    | c.Compensate
    | c.ApproveCompensation
    | c.InformCustomers
    | c.Replan
    | c.Close
)


def _on_open(incident: Incident, command: _OnOpen, now: datetime) -> list[e.Event]:  # noqa: C901, PLR0912 - one line a command
    match command:
        case c.Implicate():
            return _implicate(incident, command, now)
        case c.AskQuestion():
            return _ask_question(incident, command, now)
        case c.AnswerQuestion():
            return _answer_question(incident, command, now)
        case c.PagePeople():
            return _page_people(incident, command, now)
        case c.HandOver():
            return _hand_over(incident, command, now)
        case c.ChangeSeverity():
            return _change_severity(incident, command, now)
        case c.AnswerImpact():
            return _answer_impact(incident, command, now)
        case c.CompleteStep() | c.SkipStep():
            return _end_step(incident, command, now)
        case c.PublishUpdate():
            return _publish_update(incident, command, now)
        case c.Resolve():
            return _resolve(incident, command, now)
        case c.ConfirmRecovery():
            return _confirm(incident, command, now)
        case c.StandDown():
            return _stand_down(incident, command, now)
        case c.MergeInto():
            if command.into == incident.id:
                raise CommandRefused(f"{incident.id} cannot be merged into itself.")
            return [e.Merged(at=now, by=command.by, into=command.into)]
        case c.Decide():
            return _make_decision(incident, command, now)
        case c.Compensate():
            return _compensate(incident, command, now)
        case c.ApproveCompensation():
            return _approve(incident, command, now)
        case c.InformCustomers():
            return _inform(incident, command, now)
        case c.Replan():
            if command.plan_version == incident.plan_version:
                return []
            reason = _required(command.because, "A new plan for a running incident needs a reason.")
            return [e.Replanned(at=now, by=command.by, plan_version=command.plan_version, because=reason)]
        case c.Close():
            missing = missing_to_close(incident)
            if missing:
                raise CommandRefused(f"{incident.id} cannot be closed yet. {' '.join(missing)}")
            return [e.Closed(at=now, by=command.by)]
        case _:
            assert_never(command)


# --- what monitors say -------------------------------------------------------------------------------------------


def _fold_signal(incident: Incident, command: c.FoldSignal, now: datetime) -> list[e.Event]:
    """A firing signal joins. A rise starts a round; so does a signal after resolution or after an unowned recovery."""
    _must_be_open(incident)
    found: list[e.Event] = []
    firing = incident.signals.get(command.dedup_key)
    if not firing:
        found.append(
            e.SignalFolded(
                at=now,
                by=command.by,
                dedup_key=command.dedup_key,
                summary=command.summary,
                severity=command.severity,
                because=command.because,
                wakes=command.wakes,
            )
        )
    rises = command.severity.is_worse_than(incident.severity)
    if rises:
        found.append(
            e.SeverityChanged(
                at=now, by=command.by, old=incident.severity, new=command.severity, because=command.summary
            )
        )
    if incident.status is Status.RESOLVED:
        because = f"{command.summary}: it fires again after it was resolved"
        found.append(e.Reopened(at=now, by=command.by, because=because))
        found.extend(_new_round(incident, because, now, command.by))
    elif rises:
        found.extend(_new_round(incident, f"now {command.severity}: {command.summary}", now, command.by))
    elif incident.commander is None and incident.live_round is None:
        found.extend(_new_round(incident, f"it fires again: {command.summary}", now, command.by))
    return found


def _recover_signal(incident: Incident, command: c.RecoverSignal, now: datetime) -> list[e.Event]:
    """The machine's `resolve`. An unanswered SEV3/4 round stops; SEV1/2 goes on until a person answers."""
    if not incident.status.is_open or not incident.signals.get(command.dedup_key):
        return []
    others = any(firing for key, firing in incident.signals.items() if key != command.dedup_key)
    recovered = e.SignalRecovered(
        at=now, by=command.by, dedup_key=command.dedup_key, summary=command.summary, all_recovered=not others
    )
    current = incident.live_round
    if others or current is None or incident.severity.rank <= Severity.SEV2.rank:
        return [recovered]
    because = "it recovered by itself before anybody answered"
    return [recovered, e.EscalationStopped(at=now, by=command.by, escalation=current.id, because=because)]


def _machine_ack(incident: Incident, command: c.AcknowledgeByMachine, now: datetime) -> list[e.Event]:
    if not incident.status.is_open:
        return []
    noted: list[e.Event] = [
        e.MachineAcknowledged(at=now, by=command.by, dedup_key=command.dedup_key, stops=command.stops)
    ]
    current = incident.live_round
    if command.stops and current is not None:
        because = "the monitor acknowledged it and the plan says that this stops the pages"
        noted.append(e.EscalationStopped(at=now, by=command.by, escalation=current.id, because=because))
    return noted


# --- what providers say ------------------------------------------------------------------------------------------


def _delivery(
    incident: Incident, command: c.RecordSent | c.RecordDelivered | c.RecordFailed | c.RecordProven, now: datetime
) -> list[e.Event]:
    """Delivery is a lattice: any order and repetition of reports ends in the same state."""
    page = incident.pages.get(command.message_id)
    if page is None:
        return []
    match command:
        case c.RecordSent():
            if page.sent_at is not None:
                return []
            return [e.PageSent(at=now, by=command.by, message_id=page.message_id, provider_id=command.provider_id)]
        case c.RecordDelivered():
            if page.delivered_at is not None:
                return []
            return [e.PageDelivered(at=now, by=command.by, message_id=page.message_id)]
        case c.RecordFailed():
            return _failed(incident, page, command, now)
        case c.RecordProven():
            if page.proven or page.sent_at is not None:
                return []
            return [e.PageProven(at=now, by=command.by, message_id=page.message_id, provider_id=command.provider_id)]
        case _:
            assert_never(command)


def _failed(incident: Incident, page: Page, command: c.RecordFailed, now: datetime) -> list[e.Event]:
    """Proof outweighs doubt, a definite failure outweighs both, and the first definite one stays."""
    escalation = incident.escalations.get(page.escalation)
    if command.failure is e.PageFailure.HUNG_UP and escalation is not None and not escalation.live:
        return []  # the call simply ended, after the answer
    if page.failure is not None and (command.failure.is_doubt or not page.failure.is_doubt):
        return []
    known = page.delivered_at is not None or (command.failure is e.PageFailure.UNKNOWN and page.sent_at is not None)
    if command.failure.is_doubt and known:
        return []
    return [
        e.PageFailed(
            at=now, by=command.by, message_id=page.message_id, failure=command.failure, because=command.because
        )
    ]


# --- what people say ---------------------------------------------------------------------------------------------


def _acknowledge(incident: Incident, command: c.Acknowledge, now: datetime) -> list[e.Event]:
    _must_be_open(incident)
    target = _target(incident, command.escalation, command.message_id, command.contact)
    by = f"person:{command.contact}"
    if target is not None and target.kind is e.EscalationKind.QUESTION:
        others = [each for each in _called_in(incident, command.contact) if each.kind is not target.kind]
        if not others:
            raise CommandRefused(f"{incident.id} asks you a question: answer yes, no or call.")
        target = others[0]
    role = _called_as(incident, command.contact, target)
    if target is None:
        known = command.contact == incident.commander or command.contact in incident.support
        answered = any(each.answered_by == command.contact for each in incident.escalations.values())
        if known or answered:
            return []
        current = str(incident.round)
        return [
            e.SupportJoined(
                at=now, by=by, escalation=current, contact=command.contact, channel=command.channel, role=role
            )
        ]
    taken: list[e.Event] = [
        e.Acknowledged(
            at=now,
            by=by,
            escalation=target.id,
            contact=command.contact,
            channel=command.channel,
            message_id=command.message_id,
            role=role,
        )
    ]
    if target.kind is e.EscalationKind.REMINDER and command.contact != incident.commander:
        # The one who had it did not answer the reminder: whoever answers now leads.
        note = f"{incident.commander} had said nothing for too long"
        taken.append(e.HandedOver(at=now, by=by, old=incident.commander, new=command.contact, note=note))
    return taken


def _called_as(incident: Incident, contact: str, target: Escalation | None) -> str:
    """What this contact was called as last, in this calling or in any; empty when they were not. A deputy takes the
    role itself."""
    mine = [page for page in incident.pages.values() if page.contact == contact and page.reference]
    here = [page for page in mine if target is not None and page.escalation == target.id]
    return (here or mine)[-1].reference.partition("/")[0] if mine else ""


def _pass(incident: Incident, command: c.Pass, now: datetime) -> list[e.Event]:
    _must_be_open(incident)
    target = _target(incident, command.escalation, command.message_id, command.contact)
    if target is None or command.contact in target.passed:
        return []
    by = f"person:{command.contact}"
    return [e.PagePassed(at=now, by=by, escalation=target.id, contact=command.contact, escalates=command.escalates)]


def _target(incident: Incident, escalation_id: str | None, message_id: str | None, contact: str) -> Escalation | None:
    """The live escalation that an answer is for. An answer to an earlier round counts for the live one."""
    page = incident.pages.get(message_id) if message_id is not None else None
    named = incident.escalations.get(escalation_id or (page.escalation if page is not None else ""))
    if named is not None and named.live:
        return named
    if named is not None and named.kind is not e.EscalationKind.ROUND:
        return None
    if incident.live_round is not None:
        return incident.live_round
    if incident.commander is None:
        # Nobody is called any more, because it recovered by itself; who answers now takes charge all the same.
        return incident.escalations.get(str(incident.round))
    if named is not None:
        return None
    anybodys = [each for each in incident.live_escalations if each.kind not in _ONLY_THEIRS]
    return next(iter((*_called_in(incident, contact), *anybodys)), None)


_ONLY_THEIRS = (e.EscalationKind.CREW, e.EscalationKind.QUESTION, e.EscalationKind.REMINDER)
"""Callings that only those who were called can answer: a role, a question, whether one is still on it."""


def _called_in(incident: Incident, contact: str) -> list[Escalation]:
    """The live callings in which this contact was paged."""
    live = incident.live_escalations
    return [each for each in live if any(incident.pages[page].contact == contact for page in each.pages)]


def _implicate(incident: Incident, command: c.Implicate, now: datetime) -> list[e.Event]:
    """They leave every ladder of this incident; if one of them leads it, somebody else is called to."""
    reason = _required(command.because, "Leaving somebody out needs a reason.")
    if command.by.removeprefix("person:") in command.contacts:
        raise CommandRefused("Nobody names themselves: say it to somebody who is not concerned.")
    new = tuple(each for each in command.contacts if each not in incident.implicated)
    if not new:
        return []
    found: list[e.Event] = [e.ContactsImplicated(at=now, by=command.by, contacts=new, because=reason)]
    if incident.commander in new:
        found.extend(_new_round(incident, f"{incident.commander}, who led it, is left out of it", now, command.by))
    return found


def _ask_question(incident: Incident, command: c.AskQuestion, now: datetime) -> list[e.Event]:
    text = _required(command.text, "A question needs its text.")
    to = tuple(each for each in command.to if each not in incident.implicated)
    if not to:
        raise CommandRefused("Say whom to ask.")
    if command.expires_at <= now:
        raise CommandRefused("The question would expire before anybody could read it.")
    if command.if_silent == "yes" and command.about != "other":
        raise CommandRefused("Silence never approves money or text; only a person does.")
    same = [each for each in incident.questions.values() if each.open and each.document == command.document]
    if command.document is not None and same:
        return []
    number = len(incident.questions) + 1
    name = f"question-{number}"
    return [
        e.QuestionAsked(
            at=now,
            by=command.by,
            question=name,
            text=text,
            about=command.about,
            to=to,
            expires_at=command.expires_at,
            if_silent=command.if_silent,
            document=command.document,
        ),
        e.EscalationStarted(
            at=now,
            by=command.by,
            escalation=name,
            escalation_kind=e.EscalationKind.QUESTION,
            subject=name,
            because=text,
            contacts=to,
        ),
    ]


def _answer_question(incident: Incident, command: c.AnswerQuestion, now: datetime) -> list[e.Event]:
    """Yes, no, or call. A yes to a compensation proposal approves it, within the authority of whoever says it."""
    asked = _question_for(incident, command)
    if asked.answer is not None:
        if asked.answered_by == command.contact and asked.answer == command.answer:
            return []
        raise CommandRefused(f"{asked.answered_by} has already said {asked.answer} to this.")
    if asked.expired_at is not None:
        raise CommandRefused(f"This question expired at {asked.expired_at:%H:%M} UTC without an answer.")
    by = f"person:{command.contact}"
    answered = e.QuestionAnswered(
        at=now, by=by, question=asked.id, answer=command.answer, contact=command.contact, channel=command.channel
    )
    if command.answer == "call":
        return [] if command.contact in asked.wants_call else [answered, *_wants_call(incident, asked, command, now)]
    found: list[e.Event] = [answered]
    if command.answer == "yes" and asked.document is not None:
        approval = c.ApproveCompensation(command.contact, asked.document, command.grant, command.who_can)
        found.extend(_approve(incident, approval, now))
    escalation = incident.escalations.get(asked.id)
    if escalation is not None and escalation.live:
        found.append(
            e.EscalationStopped(at=now, by=by, escalation=asked.id, because=f"{command.contact} said {command.answer}")
        )
    return found


def _question_for(incident: Incident, command: c.AnswerQuestion) -> Question:
    """The question that is meant: by name, by the page that asked it, else the last one that this contact was asked."""
    page = incident.pages.get(command.message_id) if command.message_id is not None else None
    name = command.question or (page.escalation if page is not None else None)
    named = incident.questions.get(name or "")
    if named is None:
        mine = [each for each in incident.questions.values() if command.contact in each.to]
        still = [each for each in mine if each.open]
        named = next(iter([*reversed(still), *reversed(mine)]), None)
    if named is None or command.contact not in named.to:
        raise CommandRefused(f"{incident.id} asks {command.contact} no question.")
    return named


def _wants_call(incident: Incident, asked: Question, command: c.AnswerQuestion, now: datetime) -> list[e.Event]:
    """Whoever asked is paged: somebody wants to talk before they decide."""
    asker = asked.asked_by.removeprefix("person:") if asked.asked_by.startswith("person:") else None
    if asked.document is not None and incident.proposal is not None:
        asker = incident.proposal.requester
    who = asker or incident.commander
    if who is None or who == command.contact:
        return []
    because = f"{command.contact} wants to be called before deciding: {asked.text}"
    return [_direct(incident, (who,), asked.id, because, now, f"person:{command.contact}")]


def _page_people(incident: Incident, command: c.PagePeople, now: datetime) -> list[e.Event]:
    reason = _required(command.because, "Paging somebody needs a reason: what do you need from them?")
    if not command.contacts:
        raise CommandRefused("Say whom to page.")
    return [_direct(incident, command.contacts, ", ".join(command.contacts), reason, now, command.by)]


def _direct(
    incident: Incident, contacts: tuple[str, ...], subject: str, because: str, now: datetime, by: str
) -> e.EscalationStarted:
    number = 1 + sum(1 for each in incident.escalations.values() if each.kind is e.EscalationKind.DIRECT)
    return e.EscalationStarted(
        at=now,
        by=by,
        escalation=f"direct-{number}",
        escalation_kind=e.EscalationKind.DIRECT,
        subject=subject,
        because=because,
        contacts=contacts,
    )


def _hand_over(incident: Incident, command: c.HandOver, now: datetime) -> list[e.Event]:
    if incident.commander is None:
        raise CommandRefused(f"Nobody has taken charge of {incident.id} yet: acknowledge it first.")
    if command.to == incident.commander:
        return []
    return [e.HandedOver(at=now, by=command.by, old=incident.commander, new=command.to, note=command.note)]


def _change_severity(incident: Incident, command: c.ChangeSeverity, now: datetime) -> list[e.Event]:
    """Severity rises by rule or person and falls only by a person with a reason (invariant 8)."""
    if command.severity is incident.severity:
        return []
    reason = _required(command.because, "A change of severity needs a reason.")
    rises = command.severity.is_worse_than(incident.severity)
    if not rises and not command.by.startswith("person:"):
        raise CommandRefused("Only a person may lower the severity.")
    changed = e.SeverityChanged(at=now, by=command.by, old=incident.severity, new=command.severity, because=reason)
    if not rises:
        return [changed]
    return [changed, *_new_round(incident, f"now {command.severity}: {reason}", now, command.by)]


def _answer_impact(incident: Incident, command: c.AnswerImpact, now: datetime) -> list[e.Event]:
    """Answers are recorded; when they come to something worse than it is rated, it rises and a round begins.

    An answer that stands already is no news, unless a person has lowered the severity since: then it counts again.
    """
    if not command.answers:
        raise CommandRefused("Answer at least one question about the impact.")
    new = [each for each in command.answers if not _stands(incident, each)]
    found: list[e.Event] = [_impact_answered(each, now, command.by) for each in new]
    severity, because = incident.rating_with(new)
    if not new or severity is None or not severity.is_worse_than(incident.severity):
        return found
    found.append(_raised(incident.severity, severity, because, now))
    round_because = f"now {severity}: {'; '.join(because)}"
    return [*found, *_new_round(incident, round_because, now, BY_THE_MATRIX)]


def _stands(incident: Incident, answer: Answer) -> bool:
    known = incident.impact.get(answer.question)
    return known is not None and known.said == answer and not known.weighed


def _impact_answered(answer: Answer, now: datetime, by: str) -> e.ImpactAnswered:
    return e.ImpactAnswered(
        at=now, by=by, question=answer.question, answer=answer.answer, severity=answer.severity, says=answer.says
    )


def _raised(old: Severity, new: Severity, because: tuple[str, ...], now: datetime) -> e.SeverityChanged:
    return e.SeverityChanged(at=now, by=BY_THE_MATRIX, old=old, new=new, because="; ".join(because))


def _end_step(incident: Incident, command: c.CompleteStep | c.SkipStep, now: datetime) -> list[e.Event]:
    step = incident.steps.get(command.step)
    if step is None:
        raise CommandRefused(f"{incident.id} has no open step {command.step!r}.")
    if isinstance(command, c.CompleteStep):
        if step.state is StepState.DONE:
            return []
        if step.state is StepState.SKIPPED:
            raise CommandRefused(f"Step {step.id} was skipped by {step.ended_by}: {step.evidence}")
        if step.asks_evidence is not None and not command.evidence.strip():
            raise CommandRefused(f"Step {step.id} asks for evidence: {step.asks_evidence}")
        return [e.StepDone(at=now, by=command.by, step=step.id, evidence=command.evidence.strip())]
    if step.state is StepState.SKIPPED:
        return []
    if step.state is StepState.DONE:
        raise CommandRefused(f"Step {step.id} is already done.")
    reason = _required(command.because, "Skipping a step needs a reason.")
    return [e.StepSkipped(at=now, by=command.by, step=step.id, because=reason)]


def _publish_update(incident: Incident, command: c.PublishUpdate, now: datetime) -> list[e.Event]:
    text = _required(command.text, "An update needs a text.")
    if command.next_update_by is not None and command.next_update_by <= now:
        raise CommandRefused("The next update must be promised for later than now.")
    if command.next_update_by is None and incident.resolved_at is None:
        raise CommandRefused("Say by when the next update will come: people wait for it.")
    return [
        e.UpdatePublished(
            at=now,
            by=command.by,
            number=len(incident.updates) + 1,
            audience=command.audience,
            text=text,
            next_update_by=command.next_update_by,
            messages=command.messages,
        )
    ]


def _resolve(incident: Incident, command: c.Resolve, now: datetime) -> list[e.Event]:
    """Whoever resolves an incident that nobody has taken takes it with the same word."""
    if incident.status is Status.RESOLVED:
        return []
    found: list[e.Event] = []
    current = incident.live_round
    if current is not None:
        found.append(
            e.Acknowledged(at=now, by=command.by, escalation=current.id, contact=command.contact, channel="resolve")
        )
    elif incident.commander is None:
        found.append(e.HandedOver(at=now, by=command.by, old=None, new=command.contact))
    found.append(e.Resolved(at=now, by=command.by, note=_required(command.note, "Say what resolved it.")))
    found.extend(
        e.EscalationStopped(at=now, by=command.by, escalation=each.id, because="the incident is resolved")
        for each in incident.live_escalations
        if each.kind in (e.EscalationKind.STEP, e.EscalationKind.UPDATE, e.EscalationKind.DIRECT)
    )
    return found


def _confirm(incident: Incident, command: c.ConfirmRecovery, now: datetime) -> list[e.Event]:
    if incident.resolved_at is None:
        raise CommandRefused(f"{incident.id} is not resolved yet; recovery is confirmed after that.")
    if incident.confirmed_at is not None:
        return []
    seen = _required(command.evidence, "Say what was seen from the customers' side.")
    return [e.RecoveryConfirmed(at=now, by=command.by, evidence=seen)]


def _reopen(incident: Incident, command: c.Reopen, now: datetime) -> list[e.Event]:
    if incident.status not in (Status.RESOLVED, Status.CLOSED, Status.STOOD_DOWN):
        raise CommandRefused(f"{incident.id} is {incident.status}; only what has ended can be reopened.")
    reason = _required(command.because, "Reopening needs a reason.")
    return [
        e.Reopened(at=now, by=command.by, because=reason),
        *_new_round(incident, f"reopened: {reason}", now, command.by),
    ]


def _stand_down(incident: Incident, command: c.StandDown, now: datetime) -> list[e.Event]:
    """A person says that it was no incident. What was paid for, or what customers were told of, is not undone by that:
    closing asks for a compensation decision and for telling the customers (invariant 9), and so does this."""
    reason = _required(command.because, "Standing down needs a reason.")
    if not command.by.startswith("person:"):
        raise CommandRefused("Only a person may stand an incident down.")
    if incident.proposal is not None and incident.proposal.per_customer is not None:
        raise CommandRefused(f"{incident.id}: a compensation is proposed. Decide it first; nothing is a decision too.")
    if incident.compensation is not None and incident.compensation.per_customer is not None:
        raise CommandRefused(f"{incident.id}: the customers get something, so it was no false alarm. Close it instead.")
    told = command.told.strip()
    heard = any(each.audience == "customers" and each.at >= incident.began_at for each in incident.updates)
    if heard and not told and incident.informed_at is None and not incident.drill:
        raise CommandRefused(f"The customers have been told of {incident.id}. Say what they are told now.")
    return [e.StoodDown(at=now, by=command.by, because=reason, told=told)]


def _make_decision(incident: Incident, command: c.Decide, now: datetime) -> list[e.Event]:
    asked = incident.decisions.get(command.decision)
    if asked is None:
        open_ones = ", ".join(each.id for each in incident.decisions.values() if each.choice is None) or "none"
        raise CommandRefused(f"{incident.id} has no decision {command.decision!r} to make; open: {open_ones}.")
    if asked.choice is not None:
        if asked.choice == command.choice:
            return []
        raise CommandRefused(f"{asked.id} was decided by {asked.made_by}: {asked.choice}.")
    chosen = next((each for each in asked.options if each.casefold() == command.choice.strip().casefold()), None)
    if chosen is None:
        raise CommandRefused(f"{command.choice!r} is not an option of {asked.id}: {', '.join(asked.options)}.")
    reason = _required(command.because, "A decision needs its reason.")
    return [e.DecisionMade(at=now, by=command.by, decision=asked.id, choice=chosen, because=reason)]


# --- what the customers get --------------------------------------------------------------------------------------


def _compensate(incident: Incident, command: c.Compensate, now: datetime) -> list[e.Event]:
    """Decided at once under the person's own authority, or proposed to somebody else who has it (invariant 10)."""
    if incident.compensation is not None:
        raise CommandRefused(f"{incident.id}: compensation was decided by {incident.compensation.decided_by}.")
    if command.per_customer is None and command.reason is None:
        raise CommandRefused("Paying nothing needs a reason code such as TRIVIAL_IMPACT.")
    if command.per_customer is not None and command.reason is not None:
        raise CommandRefused("An amount and a reason for paying nothing exclude each other.")
    if command.per_customer is not None and command.per_customer.amount <= 0:
        raise CommandRefused("An amount is more than zero; paying nothing is written with a reason code.")
    if command.per_customer is not None and command.population_count < 1:
        raise CommandRefused("Say how many customers this is for.")
    _required(command.population, "Name the customers whom this is for.")
    if len(command.rationale.strip()) < MINIMUM_RATIONALE:
        raise CommandRefused(
            f"The rationale needs at least {MINIMUM_RATIONALE} characters: it will be read by an auditor."
        )
    fields = {
        "document": command.document,
        "requester": command.contact,
        "per_customer": command.per_customer,
        "population": command.population.strip(),
        "population_count": command.population_count,
        "reason": command.reason,
        "rationale": command.rationale.strip(),
    }
    by = f"person:{command.contact}"
    if command.grant is not None and not command.needs_four_eyes:
        return [
            e.CompensationDecided(at=now, by=by, decided_by=command.contact, authority=command.grant, **fields)  # type: ignore[arg-type]
        ]
    if not any(who != command.contact for who in command.who_can):
        raise CommandRefused("Nobody in contacts.yaml has the authority to approve this.")
    if incident.proposal is not None and incident.proposal.document == command.document:
        return []
    return [e.CompensationProposed(at=now, by=by, **fields)]  # type: ignore[arg-type]


MINIMUM_RATIONALE = 20
"""Characters; domain.md 4.6."""


def _approve(incident: Incident, command: c.ApproveCompensation, now: datetime) -> list[e.Event]:
    proposal = incident.proposal
    if proposal is None:
        raise CommandRefused(f"{incident.id} has no compensation proposal to approve.")
    if proposal.document != command.document:
        raise CommandRefused("The proposal was edited since; read it again and approve what it says now.")
    if proposal.requester == command.contact:
        raise CommandRefused("Whoever asks for money cannot approve it; somebody else must.")
    if command.grant is None:
        able = ", ".join(who for who in command.who_can if who != proposal.requester) or "nobody"
        raise CommandRefused(f"The authority of {command.contact} does not cover this. Who can: {able}.")
    return [
        e.CompensationDecided(
            at=now,
            by=f"person:{command.contact}",
            document=proposal.document,
            requester=proposal.requester,
            decided_by=command.contact,
            per_customer=proposal.per_customer,
            population=proposal.population,
            population_count=proposal.population_count,
            reason=proposal.reason,
            rationale=proposal.rationale,
            authority=command.grant,
        )
    ]


def _inform(incident: Incident, command: c.InformCustomers, now: datetime) -> list[e.Event]:
    if incident.compensation is None:
        raise CommandRefused("Decide first what the customers get; then tell them.")
    if incident.informed_at is not None:
        return []
    text = _required(command.text, "Write down what the customers were told.")
    how = _required(command.how, "Say how the customers were told.")
    return [e.CustomersInformed(at=now, by=command.by, how=how, text=text)]


# --- rounds and small rules --------------------------------------------------------------------------------------


def _round(number: int, because: str, now: datetime, by: str) -> e.EscalationStarted:
    return e.EscalationStarted(
        at=now,
        by=by,
        escalation=str(number),
        escalation_kind=e.EscalationKind.ROUND,
        subject=f"round {number}",
        because=because,
    )


def _new_round(incident: Incident, because: str, now: datetime, by: str) -> list[e.Event]:
    """A round pages from rung 1; the one before it stops."""
    number = incident.round + 1
    started: list[e.Event] = []
    current = incident.live_round
    if current is not None:
        gone = f"round {number} takes its place"
        started.append(e.EscalationStopped(at=now, by=by, escalation=current.id, because=gone))
    started.append(_round(number, because, now, by))
    return started


def _must_not_be_left_out(incident: Incident, command: c.Command) -> None:
    """Who is implicated does nothing here, and nothing is put into their hands."""
    by = getattr(command, "by", "")
    acting = getattr(command, "contact", None) or (by.removeprefix("person:") if by.startswith("person:") else None)
    if acting in incident.implicated:
        raise CommandRefused(f"{acting} is left out of {incident.id}.")
    given = command.contacts if isinstance(command, c.PagePeople) else ()
    given = (command.to,) if isinstance(command, c.HandOver) else given
    for contact in given:
        if contact in incident.implicated:
            raise CommandRefused(f"{contact} is left out of {incident.id}: they can be given nothing in it.")


def _must_be_open(incident: Incident) -> None:
    if not incident.status.is_open:
        what = f"merged into {incident.merged_into}" if incident.status is Status.MERGED else str(incident.status)
        raise CommandRefused(f"{incident.id} is {what}.")


def _required(text: str, sentence: str) -> str:
    written = text.strip()
    if not written:
        raise CommandRefused(sentence)
    return written
