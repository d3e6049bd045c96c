"""The state of an incident: a fold over its log, nothing else. Frozen; a change is a new value."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from incidents.events import EscalationKind, PageFailure
from incidents.impact import Answer, severity_of
from incidents.money import Money, NoCompensationReason
from incidents.severity import Severity


class Status(StrEnum):
    DECLARED = "declared"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"
    STOOD_DOWN = "stood-down"
    MERGED = "merged"

    @property
    def is_open(self) -> bool:
        """Whether Tocsin still has something to see through."""
        return self not in (Status.CLOSED, Status.STOOD_DOWN, Status.MERGED)


class StepState(StrEnum):
    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Page:
    message_id: str
    escalation: str
    rung: int
    contact: str
    contact_index: int
    attempt: int
    channel: str
    requested_at: datetime
    due_at: datetime
    expects_receipt: bool
    possible_duplicate: bool
    line: int = 1
    provider: str = ""
    beat: int = 1
    instead_of: str | None = None
    reference: str = ""
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    failure: PageFailure | None = None
    proven: bool = False

    @property
    def departed_at(self) -> datetime | None:
        """When the provider took it, or when it was known not to; None while it is on its way out."""
        return self.sent_at or self.failed_at

    @property
    def failed(self) -> bool:
        """Whether this delivery is believed to have failed. Doubt gives way to proof, a definite failure does not."""
        return self.failure is not None and not (self.proven and self.failure.is_doubt)

    @property
    def may_have_come(self) -> bool:
        """Whether its contact may have it: the provider took it, or nobody can tell."""
        return self.sent_at is not None or (self.failure is not None and self.failure.is_doubt)

    @property
    def state(self) -> str:
        if self.failed:
            return "unknown" if self.failure is PageFailure.UNKNOWN else "failed"
        if self.delivered_at is not None:
            return "delivered"
        return "sent" if self.sent_at is not None or self.proven else "requested"


@dataclass(frozen=True)
class Escalation:
    """One calling of people up a ladder, until somebody answers or its cause has gone."""

    id: str
    kind: EscalationKind
    subject: str
    because: str
    started_at: datetime
    due_at: datetime
    contacts: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    skipped: dict[int, str] = field(default_factory=dict)
    told: tuple[int, ...] = ()
    """Rungs whose `tell` has been carried out."""
    passed: dict[str, datetime] = field(default_factory=dict)
    """Who will not take it, since when."""
    escalated: tuple[str, ...] = ()
    """Those of them who asked for the next rung at once, whoever else stands on theirs."""
    answered_by: str | None = None
    answered_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.answered_at is None and self.stopped_at is None


@dataclass(frozen=True)
class Step:
    id: str
    title: str
    owner: str
    opened_at: datetime
    due_at: datetime
    required: bool
    asks_evidence: str | None = None
    state: StepState = StepState.OPEN
    ended_at: datetime | None = None
    ended_by: str | None = None
    evidence: str = ""


@dataclass(frozen=True)
class Decision:
    id: str
    question: str
    options: tuple[str, ...]
    decider: str
    requested_at: datetime
    due_at: datetime
    choice: str | None = None
    made_at: datetime | None = None
    made_by: str | None = None
    because: str = ""


@dataclass(frozen=True)
class Question:
    """One question to somebody with authority. `answer` call leaves it open: they want to talk first."""

    id: str
    text: str
    about: str
    to: tuple[str, ...]
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    if_silent: str = "no"
    document: str | None = None
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    wants_call: tuple[str, ...] = ()
    expired_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.answer is None and self.expired_at is None


@dataclass(frozen=True)
class Impact:
    """A row of the severity matrix as it was answered last. `weighed`: a person has lowered the severity since, knowing
    this answer; it raises nothing any more until it is given again."""

    said: Answer
    by: str
    at: datetime
    weighed: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    number: int
    audience: str
    text: str
    at: datetime
    by: str
    next_update_by: datetime | None


@dataclass(frozen=True, slots=True)
class Proposal:
    document: str
    requester: str
    per_customer: Money | None
    population: str
    population_count: int
    reason: NoCompensationReason | None
    rationale: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Compensation:
    per_customer: Money | None
    population: str
    population_count: int
    reason: NoCompensationReason | None
    rationale: str
    requester: str
    decided_by: str
    authority: str
    at: datetime


@dataclass(frozen=True)
class Incident:
    id: str
    title: str
    severity: Severity
    situation: str
    drill: bool
    plan_version: str
    declared_at: datetime
    declared_by: str
    area: str | None = None
    because: tuple[str, ...] = ()
    version: int = 0
    last_event_at: datetime | None = None
    status: Status = Status.DECLARED
    round: int = 0
    commander: str | None = None
    took_charge_at: datetime | None = None
    heard_at: datetime | None = None
    """When the commander last did anything here."""
    roles: dict[str, str] = field(default_factory=dict)
    """Who has taken which role: reference -> contact."""
    implicated: tuple[str, ...] = ()
    questions: dict[str, Question] = field(default_factory=dict)
    escalations: dict[str, Escalation] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    unraised: Severity | None = None
    """The severity without what the answers about the impact have made of it."""
    impact: dict[str, Impact] = field(default_factory=dict)
    """Answered rows of the severity matrix, by their question."""
    wakes: bool = False
    """Nobody's quiet hours count for it."""
    signals: dict[str, bool] = field(default_factory=dict)
    """dedup key -> True while it fires."""
    steps: dict[str, Step] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    updates: tuple[Update, ...] = ()
    next_update_by: datetime | None = None
    summaries: int = 0
    last_summary_at: datetime | None = None
    told: tuple[str, ...] = ()
    """Who was told of it without having to answer: by a rung, or by an executive summary."""
    support: tuple[str, ...] = ()
    resolved_at: datetime | None = None
    resolution: str = ""
    confirmed_at: datetime | None = None
    proposal: Proposal | None = None
    compensation: Compensation | None = None
    informed_at: datetime | None = None
    reopened_at: datetime | None = None
    ended_at: datetime | None = None
    merged_into: str | None = None
    stood_down_by: str | None = None
    stood_down_because: str = ""

    @property
    def began_at(self) -> datetime:
        """From when its clocks run: the declaration, or the last reopening."""
        return self.reopened_at or self.declared_at

    @property
    def concerned(self) -> tuple[str, ...]:
        """Everybody who has heard of it from us since it began, each once: called, told, or at work on it."""
        called = [
            page.contact for page in self.pages.values() if page.may_have_come and page.requested_at >= self.began_at
        ]
        working = [*([] if self.commander is None else [self.commander]), *self.support, *self.roles.values()]
        return tuple(dict.fromkeys((*called, *working, *self.told)))

    @property
    def rating(self) -> tuple[Severity | None, tuple[str, ...]]:
        """What the answers about the impact come to, and why; those that a person has weighed are left out."""
        return self.rating_with(())

    def rating_with(self, answers: Iterable[Answer]) -> tuple[Severity | None, tuple[str, ...]]:
        """The same, as if these answers had been given too."""
        counting = {name: each.said for name, each in self.impact.items() if not each.weighed}
        counting.update({each.question: each for each in answers})
        return severity_of(counting.values(), self.unraised or self.severity)

    @property
    def live_round(self) -> Escalation | None:
        """The round that still wants somebody to take charge, or None."""
        current = self.escalations.get(str(self.round))
        return current if current is not None and current.live else None

    @property
    def live_escalations(self) -> tuple[Escalation, ...]:
        return tuple(each for each in self.escalations.values() if each.live)


def missing_to_close(incident: Incident) -> list[str]:
    """What still stands between this incident and CLOSED, each as a sentence; empty when nothing does (invariant 9)."""
    if not incident.status.is_open:
        return []
    missing = []
    if incident.commander is None:
        missing.append("Nobody has taken charge.")
    if incident.resolved_at is None:
        missing.append("It is not resolved.")
    if incident.confirmed_at is None:
        missing.append("Nobody has confirmed from the customers' side that it works again.")
    open_steps = [step.id for step in incident.steps.values() if step.required and step.state is StepState.OPEN]
    if open_steps:
        missing.append(f"These steps are neither done nor skipped with a reason: {', '.join(open_steps)}.")
    undecided = [each.id for each in incident.decisions.values() if each.choice is None and each.id != "compensation"]
    if undecided:
        missing.append(f"These decisions are open: {', '.join(undecided)}.")
    if incident.compensation is None:
        missing.append(
            "What the customers get has not been decided (nothing is a decision too, with a reason and a name)."
        )
    if incident.informed_at is None:
        missing.append("The customers have not been told the outcome.")
    return missing


def is_quiet(incident: Incident) -> bool:
    """Whether it recovered by itself and nobody was in charge: open, but nobody is called."""
    return (
        incident.status is Status.DECLARED
        and incident.commander is None
        and incident.live_round is None
        and not any(incident.signals.values())
    )
