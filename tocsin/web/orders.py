"""The commands of `POST /api/v1/incidents/{id}/commands`, as strict models: one a verb, told apart by `command`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from contacts.addresses import ChannelKind
from incidents.durations import Duration
from incidents.money import NoCompensationReason
from incidents.severity import Severity
from tocsin.web.fields import Count, Positive, Price, Title

_Line = Annotated[str, StringConstraints(max_length=200)]
_Words = Annotated[str, StringConstraints(max_length=4000)]
_Impact = Annotated[dict[_Line, _Line], Field(max_length=20)]


By = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By
    """The contact who gives the command."""
    command_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """The same id a second time gives the same answer and does nothing."""


class AcknowledgeOrder(_Order):
    command: Literal["acknowledge"]
    escalation: _Line | None = None
    channel: Literal["cli", "web", "api"] = "api"


class PassOrder(_Order):
    command: Literal["pass", "escalate"]
    escalation: _Line | None = None


class PageOrder(_Order):
    command: Literal["page"]
    contacts: Annotated[tuple[By, ...], Field(min_length=1, max_length=50)]
    because: _Words


class ImplicateOrder(_Order):
    """These people and everybody who reports to them leave every ladder of the incident."""

    command: Literal["implicate"]
    contacts: Annotated[tuple[By, ...], Field(min_length=1, max_length=50)]
    because: _Words


class AskOrder(_Order):
    """An executive decision page. Silence never approves money or text."""

    command: Literal["ask"]
    to: Annotated[tuple[By, ...], Field(min_length=1, max_length=20)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    about: Literal["money", "text", "other"] = "other"
    expires_in: Duration = timedelta(minutes=30)
    if_silent: Literal["no", "yes"] = "no"


class AnswerOrder(_Order):
    """Yes, no, or call me first."""

    command: Literal["answer"]
    answer: Literal["yes", "no", "call"]
    question: _Line | None = None
    channel: Literal["cli", "web", "api"] = "api"


class HandoverOrder(_Order):
    command: Literal["handover"]
    to: By
    note: _Words = ""


class SeverityOrder(_Order):
    command: Literal["severity"]
    severity: Severity
    because: _Words


class ImpactOrder(_Order):
    """Answers about the impact, by question; `dont-know` is one to each. They raise the severity and never lower it."""

    command: Literal["impact"]
    impact: Annotated[_Impact, Field(min_length=1)]


class StepDoneOrder(_Order):
    command: Literal["step-done"]
    step: _Line
    evidence: _Words = ""


class StepSkipOrder(_Order):
    command: Literal["step-skip"]
    step: _Line
    because: _Words


class NoteOrder(_Order):
    command: Literal["note"]
    text: _Words


class UpdateOrder(_Order):
    command: Literal["update"]
    audience: Literal["customers", "staff", "executives"] = "customers"
    text: _Words
    next_in: Duration | None = None


class SummaryOrder(_Order):
    command: Literal["summary"]


class ResolveOrder(_Order):
    command: Literal["resolve"]
    note: _Words


class ConfirmOrder(_Order):
    command: Literal["confirm"]
    evidence: _Words


class ReopenOrder(_Order):
    command: Literal["reopen"]
    because: _Words


class StandDownOrder(_Order):
    """It was no incident. Where customers were told of it, `told` says what they are told now."""

    command: Literal["stand-down"]
    because: _Words
    told: _Words = ""


class MergeOrder(_Order):
    command: Literal["merge"]
    into: _Line


class DecideOrder(_Order):
    command: Literal["decide"]
    decision: _Line
    choice: _Line
    because: _Words


class CompensateOrder(_Order):
    command: Literal["compensate"]
    per_customer: Price | None = None
    population: _Words
    count: Count
    reason: NoCompensationReason | None = None
    rationale: _Words


class ApproveOrder(_Order):
    command: Literal["approve"]
    document: _Line


class InformOrder(_Order):
    command: Literal["inform-customers"]
    how: _Words
    text: _Words


class CloseOrder(_Order):
    command: Literal["close"]


class ReplanOrder(_Order):
    command: Literal["replan"]
    because: _Words


Order = Annotated[
    AcknowledgeOrder
    | PassOrder
    | PageOrder
    | ImplicateOrder
    | AskOrder
    | AnswerOrder
    | HandoverOrder
    | SeverityOrder
    | ImpactOrder
    | StepDoneOrder
    | StepSkipOrder
    | NoteOrder
    | UpdateOrder
    | SummaryOrder
    | ResolveOrder
    | ConfirmOrder
    | ReopenOrder
    | StandDownOrder
    | MergeOrder
    | DecideOrder
    | CompensateOrder
    | ApproveOrder
    | InformOrder
    | CloseOrder
    | ReplanOrder,
    Field(discriminator="command"),
]


class DeclareOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Title
    situation: _Line
    severity: Severity | None = None
    area: _Line | None = None
    drill: StrictBool = False
    by: By
    because: Annotated[tuple[_Words, ...], Field(max_length=20)] = ()
    implicated: Annotated[tuple[By, ...], Field(max_length=20)] = ()
    """Who has to do with what happened: they and those who report to them are left out."""
    impact: _Impact = {}
    """Answers about the impact, by question; they may make it worse than `severity`, never milder."""
    command_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class TestPageOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    contact: By
    channel: ChannelKind | None = None


class BackupOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class WorkerWord(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: Positive


class WheelOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    worker: _Line
    run: _Line


class PerformOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: Positive
    key: _Words
