"""The executive summary: bottom line, conditions, actions, needs, next update by (domain.md 5.1). Pure."""

from dataclasses import dataclass
from datetime import datetime

from contacts.directory import Directory
from incidents.state import Incident, StepState, is_quiet, missing_to_close
from runbooks.next_moves import owed_update_by
from runbooks.plan import Plan
from signals.assess import LINKS


@dataclass(frozen=True, slots=True)
class Briefing:
    bottom_line: str
    conditions: tuple[str, ...]
    actions: tuple[str, ...]
    needs: tuple[str, ...]
    next_update_by: datetime | None

    @property
    def text(self) -> str:
        """The whole summary, a line a fact, for chat, mail and screen."""
        lines = [f"Bottom line: {self.bottom_line}"]
        for name, facts in (("Conditions", self.conditions), ("Actions", self.actions), ("Needs", self.needs)):
            lines.append(f"{name}:" + ("" if facts else " none"))
            lines.extend(f"- {fact}" for fact in facts)
        until = f"{self.next_update_by:%Y-%m-%d %H:%M} UTC" if self.next_update_by is not None else "none promised"
        lines.append(f"Next update by: {until}")
        return "\n".join(lines)


def brief(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> Briefing:
    """The summary as of `now`; the same state and time give the same words."""
    return Briefing(
        bottom_line=_bottom_line(incident, directory),
        conditions=_conditions(incident, plan, now),
        actions=_actions(incident),
        needs=_needs(incident, now),
        next_update_by=owed_update_by(incident, plan),
    )


def name_of(contact_id: str | None, directory: Directory) -> str:
    contact = directory.contact(contact_id) if contact_id is not None else None
    return contact.name if contact is not None else (contact_id or "nobody")


def _bottom_line(incident: Incident, directory: Directory) -> str:
    what = f"{incident.severity} {incident.title}"
    if not incident.status.is_open:
        return f"{what}: {incident.status}."
    if incident.resolved_at is not None:
        return f"{what}: resolved at {incident.resolved_at:%H:%M} UTC, {incident.resolution}"
    if incident.commander is None:
        called = len({page.contact for page in incident.pages.values()})
        quiet = "it recovered by itself" if is_quiet(incident) else f"{called} people were paged so far"
        return f"{what}: nobody has taken charge yet; {quiet}."
    return f"{what}: {name_of(incident.commander, directory)} is in charge."


def _conditions(incident: Incident, plan: Plan, now: datetime) -> tuple[str, ...]:
    situation = plan.situations.get(incident.situation)
    minutes = int((now - incident.declared_at).total_seconds() // 60)
    found = [
        f"Situation: {situation.title if situation is not None else incident.situation}",
        f"Since {incident.declared_at:%H:%M} UTC ({minutes} min)",
    ]
    found.extend(each for each in incident.because if not each.startswith(LINKS))
    found.extend(each.said.sentence for each in incident.impact.values())
    if incident.signals:
        firing = sum(incident.signals.values())
        found.append(f"{firing} of {len(incident.signals)} signals still fire")
    if incident.updates:
        latest = incident.updates[-1]
        found.append(f"Told to {latest.audience} at {latest.at:%H:%M} UTC: {latest.text}")
    else:
        found.append("Nobody outside has been told anything yet")
    return tuple(found)


def _actions(incident: Incident) -> tuple[str, ...]:
    done = [f"done: {step.title}" for step in incident.steps.values() if step.state is StepState.DONE]
    going = [
        f"until {step.due_at:%H:%M} UTC: {step.title} ({step.owner})"
        for step in incident.steps.values()
        if step.state is StepState.OPEN
    ]
    made = [
        f"decided: {each.question} {each.choice}" for each in incident.decisions.values() if each.choice is not None
    ]
    return (*done, *made, *going)


def _needs(incident: Incident, now: datetime) -> tuple[str, ...]:
    waiting = [
        f"{each.question} ({each.decider}, by {each.due_at:%H:%M} UTC{', overdue' if each.due_at < now else ''})"
        for each in incident.decisions.values()
        if each.choice is None and incident.status.is_open
    ]
    if incident.proposal is not None:
        waiting.append(f"approval of the compensation that {incident.proposal.requester} proposed")
    if incident.resolved_at is not None:
        waiting.extend(missing_to_close(incident))
    return tuple(waiting)
