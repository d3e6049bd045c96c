"""The timeline: every event as one sentence that a person can read aloud. Pure; times are added by whoever shows it."""

from datetime import datetime
from typing import assert_never

from incidents import events as e
from incidents.impact import Answer


def sentence(event: e.Event) -> str:  # noqa: C901, PLR0912, PLR0915 - one line a kind
    """What happened, in the past tense, without its time."""
    match event:
        case e.IncidentDeclared():
            why = f" because {'; '.join(event.because)}" if event.because else ""
            return (
                f"Declared as {event.severity} {event.situation}{' (drill)' if event.drill else ''}: {event.title}{why}"
            )
        case e.SignalFolded():
            return f"Another signal joined: {event.summary}" + (f" ({event.because})" if event.because else "")
        case e.SignalRecovered():
            return f"The monitor says it recovered: {event.summary}" + (
                "" if event.all_recovered else " (others still fire)"
            )
        case e.MachineAcknowledged():
            return "The monitor acknowledged it" + ("" if event.stops else "; that stops nothing")
        case e.SeverityChanged():
            return f"Severity {event.old} became {event.new}: {event.because}"
        case e.ImpactAnswered():
            return f"Impact: {Answer(event.question, event.answer, event.severity, event.says).sentence}"
        case e.EscalationStarted():
            return f"Calling people ({event.escalation}): {event.because}"
        case e.EscalationStopped():
            return f"Stopped calling people ({event.escalation}): {event.because}"
        case e.PageRequested():
            copy = ", possibly a duplicate" if event.possible_duplicate else ""
            called = f" as {event.reference}" if ":" in event.reference else ""
            via = f" through {event.provider}" if event.provider not in ("", event.channel) else ""
            how = f"{event.channel}{via}"
            return f"Paging {event.contact}{called} by {how} (rung {event.rung}, attempt {event.attempt}{copy})"
        case e.RungTold():
            return f"Told, without having to answer (rung {event.rung}): {', '.join(event.contacts)}"
        case e.RungSkipped():
            return f"Rung {event.rung} was skipped: {event.because}"
        case e.PageSent():
            return f"The provider took the page {event.message_id}"
        case e.PageDelivered():
            return f"The page {event.message_id} was delivered"
        case e.PageFailed():
            return (
                f"The page {event.message_id} failed ({event.failure}){': ' + event.because if event.because else ''}"
            )
        case e.PageProven():
            return f"The page {event.message_id} was found at the provider after all"
        case e.Acknowledged():
            what = "took charge" if event.escalation.isdigit() else f"took {event.escalation}"
            role = f" as {event.role}" if ":" in event.role else ""
            return f"{event.contact} {what}{role} (by {event.channel})"
        case e.SupportJoined():
            return f"{event.contact} joined as support"
        case e.PagePassed():
            return f"{event.contact} {'escalated' if event.escalates else 'passed'}: the next one now"
        case e.ContactsImplicated():
            return f"Left out of everything here: {', '.join(event.contacts)}: {event.because}"
        case e.QuestionAsked():
            until = _until(event.expires_at, event.at)
            return f"Asked of {', '.join(event.to)} until {until} ({event.question}): {event.text}"
        case e.QuestionAnswered():
            said = {"yes": "said yes", "no": "said no", "call": "wants to be called first"}[event.answer]
            return f"{event.contact} {said} to {event.question} (by {event.channel})"
        case e.QuestionExpired():
            return f"Nobody answered {event.question} in time: that means {event.outcome}"
        case e.HandedOver():
            note = f": {event.note}" if event.note else ""
            return f"{event.new} is in command" + (f", after {event.old}" if event.old else "") + note
        case e.StepOpened():
            return f"Step {event.step} opened for {event.owner}, due {_until(event.due_at, event.at)}: {event.title}"
        case e.StepDone():
            return f"Step {event.step} done" + (f": {event.evidence}" if event.evidence else "")
        case e.StepSkipped():
            return f"Step {event.step} skipped: {event.because}"
        case e.NoteAdded():
            return f"Note: {event.text}"
        case e.UpdatePublished():
            until = (
                f" Next update by {_until(event.next_update_by, event.at)}." if event.next_update_by is not None else ""
            )
            return f"Update {event.number} for {event.audience}: {event.text}{until}"
        case e.SummaryIssued():
            return f"Executive summary {event.number} went to {', '.join(event.recipients)}"
        case e.PublicationFailed():
            return f"The update did not reach {event.to}: {event.because}"
        case e.NoticeQueued():
            return f"{event.contact} is told by {event.channel}: {event.about}"
        case e.DecisionRequested():
            return f"Decision asked of {event.decider} by {_until(event.due_at, event.at)}: {event.question}"
        case e.DecisionMade():
            return f"Decided {event.decision}: {event.choice}, because {event.because}"
        case e.CompensationProposed():
            return f"Compensation proposed by {event.requester}: {_compensation(event)}"
        case e.CompensationDecided():
            return f"Compensation decided by {event.decided_by} ({event.authority}): {_compensation(event)}"
        case e.CustomersInformed():
            return f"The customers were told ({event.how}): {event.text}"
        case e.Resolved():
            return f"Resolved: {event.note}"
        case e.RecoveryConfirmed():
            return f"Recovery confirmed from the customers' side: {event.evidence}"
        case e.Reopened():
            return f"Reopened: {event.because}"
        case e.Replanned():
            return f"Continues under plan {event.plan_version}: {event.because}"
        case e.StoodDown():
            told = f"; the customers were told: {event.told}" if event.told else ""
            return f"Stood down: {event.because}{told}"
        case e.Merged():
            return f"Merged into {event.into}"
        case e.Closed():
            return "Closed"
        case e.EngineWasAway():
            skipped = f" Not done meanwhile: {'; '.join(event.skipped)}." if event.skipped else ""
            return f"Tocsin itself was away from {event.since:%H:%M:%S} to {event.until:%H:%M:%S} UTC.{skipped}"
        case e.ClockJumped():
            return f"The computer's clock jumped by {event.seconds} s"
        case e.Unknown():
            return f"An event of a kind that this version does not know: {event.original_kind}"
        case _:
            assert_never(event)


def _until(moment: datetime, at: datetime) -> str:
    """A deadline as it is read beside an event: with its date when that is another day."""
    return f"{moment:%H:%M} UTC" if moment.date() == at.date() else f"{moment:%Y-%m-%d %H:%M} UTC"


def _compensation(event: e.CompensationProposed | e.CompensationDecided) -> str:
    if event.per_customer is None:
        return f"nothing for {event.population} ({event.reason}): {event.rationale}"
    return (
        f"{event.per_customer} for each of {event.population_count} customers ({event.population}): {event.rationale}"
    )
