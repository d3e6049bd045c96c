"""What people, monitors, providers and the engine ask of an incident. Imperative, frozen; `decide` answers with events.

Times are arguments of `decide`. What a command needs from the plan or the directory (a grant, a due time) stands in it:
the door fills it in, so that the core needs neither.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incidents.events import PageFailure
from incidents.impact import Answer
from incidents.money import Money, NoCompensationReason
from incidents.severity import Severity


@dataclass(frozen=True, slots=True)
class Declare:
    id: str
    title: str
    severity: Severity
    situation: str
    plan_version: str
    by: str
    drill: bool = False
    area: str | None = None
    because: tuple[str, ...] = ()
    dedup_key: str | None = None
    wakes: bool = False
    """Nobody's quiet hours count for it."""
    implicated: tuple[str, ...] = ()
    impact: tuple[Answer, ...] = ()
    """What is known of the impact; it may raise `severity`, never lower it."""


@dataclass(frozen=True, slots=True)
class FoldSignal:
    dedup_key: str
    summary: str
    severity: Severity
    by: str
    because: str = ""
    """Why it joins, where its key does not say so."""
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class RecoverSignal:
    dedup_key: str
    summary: str
    by: str


@dataclass(frozen=True, slots=True)
class AcknowledgeByMachine:
    dedup_key: str
    stops: bool
    by: str


@dataclass(frozen=True, slots=True)
class RecordSent:
    message_id: str
    provider_id: str | None
    by: str


@dataclass(frozen=True, slots=True)
class RecordDelivered:
    message_id: str
    by: str


@dataclass(frozen=True, slots=True)
class RecordFailed:
    message_id: str
    failure: PageFailure
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class RecordProven:
    message_id: str
    provider_id: str | None
    by: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """I take it, and the role that I was called as. `escalation` or `message_id` say which calling it answers; with
    neither, a live one for which this contact was called, else any live one."""

    contact: str
    channel: str
    escalation: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    contact: str
    escalates: bool = False
    escalation: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Implicate:
    """`contacts` with everybody who reports to them: the door looks that up."""

    contacts: tuple[str, ...]
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class AskQuestion:
    """One question to `to`, in this order. `document` is the compensation proposal that a yes approves."""

    text: str
    about: Literal["money", "text", "other"]
    to: tuple[str, ...]
    expires_at: datetime
    if_silent: Literal["no", "yes"]
    by: str
    document: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerQuestion:
    """`question` None: the open one that this contact was asked last. `grant` as for an approval."""

    contact: str
    answer: Literal["yes", "no", "call"]
    channel: str
    question: str | None = None
    message_id: str | None = None
    grant: str | None = None
    who_can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PagePeople:
    contacts: tuple[str, ...]
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class HandOver:
    to: str
    note: str
    by: str


@dataclass(frozen=True, slots=True)
class ChangeSeverity:
    severity: Severity
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class AnswerImpact:
    """Rows of the severity matrix, at any time. They may raise the severity, and never lower it."""

    answers: tuple[Answer, ...]
    by: str


@dataclass(frozen=True, slots=True)
class CompleteStep:
    step: str
    evidence: str
    by: str


@dataclass(frozen=True, slots=True)
class SkipStep:
    step: str
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class AddNote:
    text: str
    by: str


@dataclass(frozen=True, slots=True)
class PublishUpdate:
    audience: str
    text: str
    next_update_by: datetime | None
    by: str
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolve:
    note: str
    by: str
    contact: str


@dataclass(frozen=True, slots=True)
class ConfirmRecovery:
    evidence: str
    by: str


@dataclass(frozen=True, slots=True)
class Reopen:
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class StandDown:
    """It was no incident. `told`: what the customers were told, where an update had told them of it."""

    because: str
    by: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class MergeInto:
    into: str
    by: str


@dataclass(frozen=True, slots=True)
class Decide:
    decision: str
    choice: str
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class Compensate:
    """`grant` describes the authority of `contact` that covers it, or is None when none does."""

    contact: str
    per_customer: Money | None
    population: str
    population_count: int
    reason: NoCompensationReason | None
    rationale: str
    document: str
    grant: str | None
    needs_four_eyes: bool
    who_can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApproveCompensation:
    contact: str
    document: str
    grant: str | None
    who_can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InformCustomers:
    how: str
    text: str
    by: str


@dataclass(frozen=True, slots=True)
class Replan:
    plan_version: str
    because: str
    by: str


@dataclass(frozen=True, slots=True)
class Close:
    by: str


Command = (
    FoldSignal
    | RecoverSignal
    | AcknowledgeByMachine
    | RecordSent
    | RecordDelivered
    | RecordFailed
    | RecordProven
    | Acknowledge
    | Pass
    | Implicate
    | AskQuestion
    | AnswerQuestion
    | PagePeople
    | HandOver
    | ChangeSeverity
    | AnswerImpact
    | CompleteStep
    | SkipStep
    | AddNote
    | PublishUpdate
    | Resolve
    | ConfirmRecovery
    | Reopen
    | StandDown
    | MergeInto
    | Decide
    | Compensate
    | ApproveCompensation
    | InformCustomers
    | Replan
    | Close
)
