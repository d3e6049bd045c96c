"""What people are told when they answer: always the truth about who has it. Pure."""

from contacts.directory import Directory
from engine.briefing import name_of
from engine.compose import reader_of
from incidents import commands as c
from incidents.events import EscalationKind
from incidents.state import Incident
from notifications.wording import (
    Reader,
    already_taken,
    escalated,
    is_in_hand,
    is_yours,
    joined_support,
    passed,
    passed_before,
    passed_uncalled,
    question_answered,
    took_charge,
    took_role,
)


def declared_sentence(after: Incident) -> str:
    """What whoever has declared it is told: the severity, and what their answers about the impact had to do with it."""
    rated, because = after.rating
    declared = f"{after.id} is declared as {after.severity}; people are being paged."
    if rated is None:
        return declared
    if after.unraised is not None and after.severity.is_worse_than(after.unraised):
        return f"{declared} {after.severity} because of your answers: {'; '.join(because)}."
    return f"{declared}{_milder(after)}"


def sentence_for(before: Incident, after: Incident, command: c.Command, directory: Directory) -> str:
    """The reply to one command, in the person's language where it goes to a phone."""
    match command:
        case c.Acknowledge():
            return _acknowledged(before, after, command, directory)
        case c.Pass():
            return _passed(before, after, command, directory)
        case c.AnswerQuestion():
            reader = reader_of(directory.contact(command.contact))
            approved = before.compensation is None and after.compensation is not None
            return question_answered(after.id, command.answer, reader, approved=approved)
        case c.AnswerImpact():
            return _impact(before, after)
        case c.ChangeSeverity() if after.round > before.round:
            return f"{after.id} is {after.severity} now: people are called from the first rung, until somebody answers."
        case c.Resolve():
            return f"{after.id} resolved. To close: {' '.join(_to_close(after))}"
        case c.Compensate() if after.compensation is None:
            able = ", ".join(who for who in command.who_can if who != command.contact)
            return f"Proposed. Somebody else must approve it: {able}. Document {command.document}."
        case _:
            return _plain(after, command, directory)


def _impact(before: Incident, after: Incident) -> str:
    """What answers about the impact have done. They never lower anything: that is said, with how a person does."""
    if after.version == before.version:
        return f"This stands in {after.id} already; it is {after.severity}."
    if after.severity is not before.severity:
        _, because = after.rating
        called = "people are called from the first rung"
        return f"{after.id} is {after.severity} now, because of the answers: {'; '.join(because)}. So {called}."
    return f"Noted in {after.id}, which stays {after.severity}.{_milder(after)}"


def _milder(after: Incident) -> str:
    rated, _ = after.rating
    if rated is None or not after.severity.is_worse_than(rated):
        return ""
    how = f"`tocsin severity {after.id} {rated} --because ...`"
    return f" The answers come to {rated}; only a person lowers it: {how}"


def _by_a_rule(incident: Incident) -> bool:
    return incident.declared_by.partition(":")[0] == "rule"


def _acknowledged(before: Incident, after: Incident, command: c.Acknowledge, directory: Directory) -> str:
    contact = directory.contact(command.contact)
    reader = reader_of(contact)
    if after.version == before.version:
        mine = any(each.answered_by == command.contact for each in after.escalations.values())
        if mine:
            return took_charge(after.id, reader, _title(after, command.contact, directory))
        return joined_support(after.id, name_of(after.commander, directory), reader)
    newly = [
        each
        for key, each in after.escalations.items()
        if each.answered_by == command.contact and before.escalations[key].answered_by is None
    ]
    if newly and newly[0].id.isdigit() and after.commander not in (None, command.contact):
        return joined_support(after.id, name_of(after.commander, directory), reader)
    if newly and newly[0].id.isdigit():
        return took_charge(after.id, reader, _title(after, command.contact, directory))
    if newly and newly[0].kind is EscalationKind.CREW:
        return took_role(after.id, directory.title_of(newly[0].subject) or newly[0].subject, reader)
    if newly and newly[0].kind is EscalationKind.REMINDER:
        return took_charge(after.id, reader)
    if newly:
        return f"You have taken {newly[0].subject} of {after.id}: {newly[0].because}"
    current = after.escalations.get(str(after.round))
    leads_still = current is not None and current.answered_by == after.commander
    if leads_still and current is not None and current.answered_by is not None and current.answered_at is not None:
        taker = name_of(current.answered_by, directory)
        title = _title(after, current.answered_by, directory)
        taker = taker if title is None else f"{taker} ({title})"
        return already_taken(after.id, taker, current.answered_at, reader)
    return joined_support(after.id, name_of(after.commander, directory), reader)


def _title(incident: Incident, contact: str, directory: Directory) -> str | None:
    """What somebody has taken it as, in words; None for a person who was called by their name."""
    role = next((role for role, holder in incident.roles.items() if holder == contact), None)
    return None if role is None else directory.title_of(role)


def _passed(before: Incident, after: Incident, command: c.Pass, directory: Directory) -> str:
    reader = reader_of(directory.contact(command.contact))
    if after.version == before.version:
        return _not_passed(after, command, directory, reader)
    newly = {key for key, each in after.escalations.items() if command.contact in each.passed}
    newly -= {key for key, each in before.escalations.items() if command.contact in each.passed}
    if not any(page.contact == command.contact and page.escalation in newly for page in before.pages.values()):
        return passed_uncalled(after.id, reader)
    return escalated(after.id, reader) if command.escalates else passed(after.id, reader)


def _not_passed(incident: Incident, command: c.Pass, directory: Directory, reader: Reader) -> str:
    """Why nothing came of it."""
    if incident.commander is None:
        return passed_before(incident.id, reader)
    if incident.commander == command.contact:
        return is_yours(incident.id, reader)
    taker = name_of(incident.commander, directory)
    current = incident.escalations.get(str(incident.round))
    if current is not None and current.answered_by == incident.commander and current.answered_at is not None:
        return already_taken(incident.id, taker, current.answered_at, reader)
    return is_in_hand(incident.id, taker, reader)


def _to_close(incident: Incident) -> list[str]:
    missing = []
    if incident.confirmed_at is None:
        missing.append("confirm from the customers' side that it works,")
    if incident.compensation is None:
        missing.append("decide what the customers get,")
    if incident.informed_at is None:
        missing.append("tell the customers.")
    return missing


def _plain(after: Incident, command: c.Command, directory: Directory) -> str:  # noqa: C901, PLR0912 - a line a command
    match command:
        case c.PagePeople():
            return f"Paging {', '.join(command.contacts)} for {after.id}."
        case c.Implicate():
            return f"{', '.join(command.contacts)}: left out of {after.id}. Nobody of them is called or told."
        case c.AskQuestion():
            asked = list(after.questions.values())[-1]
            return f"{asked.id} of {after.id} is asked of {', '.join(asked.to)} until {asked.expires_at:%H:%M} UTC."
        case c.HandOver():
            return f"{name_of(after.commander, directory)} is in command of {after.id}."
        case c.ChangeSeverity():
            return f"{after.id} is {after.severity}."
        case c.CompleteStep():
            return f"Step {command.step} of {after.id} is done."
        case c.SkipStep():
            return f"Step {command.step} of {after.id} is skipped."
        case c.AddNote():
            return f"Noted in {after.id}."
        case c.PublishUpdate():
            until = f" Next update by {after.next_update_by:%H:%M} UTC." if after.next_update_by is not None else ""
            return f"Update {len(after.updates)} of {after.id} is on its way.{until}"
        case c.ConfirmRecovery():
            return f"Recovery of {after.id} is confirmed."
        case c.Reopen():
            return f"{after.id} is open again; round {after.round} pages from the first rung."
        case c.StandDown():
            again = " The rule that declared it calls again only after it was quiet." if _by_a_rule(after) else ""
            return f"{after.id} is stood down; whoever was called is told.{again}"
        case c.MergeInto():
            return f"{after.id} is merged into {command.into}."
        case c.Decide():
            return f"Decided: {command.decision}: {command.choice}."
        case c.Compensate() | c.ApproveCompensation():
            decided = after.compensation
            what = (
                "nothing" if decided is None or decided.per_customer is None else f"{decided.per_customer} a customer"
            )
            return f"Compensation of {after.id} is decided: {what}. Now tell the customers."
        case c.InformCustomers():
            return f"It is on record that the customers of {after.id} were told."
        case c.Replan():
            return f"{after.id} continues under plan {after.plan_version}."
        case c.Close():
            return f"{after.id} is closed."
        case _:
            return f"Done: {after.id}."
