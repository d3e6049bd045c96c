"""What can be due. A move's `key` is derived from recorded facts: the same move has the same key after a restart."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

from incidents import events as e
from incidents.events import EscalationKind


@dataclass(frozen=True, slots=True)
class PageContact:
    """Page this contact on this channel now."""

    escalation: str
    rung: int
    contact: str
    contact_index: int
    channel: str
    to: str
    attempt: int
    due_at: datetime
    possible_duplicate: bool = False
    line: int = 1
    """Which of the contact's addresses of this kind, from 1."""
    provider: str = ""
    beat: int = 1
    instead_of: str | None = None
    reference: str = ""

    @property
    def key(self) -> str:
        return f"page:{self.escalation}.r{self.rung}.c{self.contact_index}.{self.attempt}"

    @property
    def title(self) -> str:
        return f"page {self.contact} by {self.channel} (rung {self.rung})"


@dataclass(frozen=True, slots=True)
class TellContacts:
    """Tell these contacts that people are being called; nothing is asked of them."""

    escalation: str
    rung: int
    contacts: tuple[str, ...]
    due_at: datetime

    @property
    def key(self) -> str:
        return f"tell:{self.escalation}.r{self.rung}"

    @property
    def title(self) -> str:
        return f"tell {', '.join(self.contacts)}"


@dataclass(frozen=True, slots=True)
class SkipRung:
    """Nobody on this rung can be paged: the next one at once."""

    escalation: str
    rung: int
    because: str
    due_at: datetime

    @property
    def key(self) -> str:
        return f"skip-rung:{self.escalation}.r{self.rung}"

    @property
    def title(self) -> str:
        return f"skip rung {self.rung}: {self.because}"


@dataclass(frozen=True, slots=True)
class GiveUpOnReceipt:
    """No receipt came in time: the delivery counts as failed."""

    message_id: str
    due_at: datetime

    @property
    def key(self) -> str:
        return f"no-receipt:{self.message_id}"

    @property
    def title(self) -> str:
        return "no delivery receipt came: go on"


@dataclass(frozen=True, slots=True)
class StartEscalation:
    """Something is overdue: call people about it."""

    escalation: str
    kind: EscalationKind
    subject: str
    because: str
    due_at: datetime
    contacts: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"start-escalation:{self.escalation}"

    @property
    def title(self) -> str:
        called = self.kind is EscalationKind.CREW
        return f"call: {self.because}" if called else f"overdue: {self.because}"


@dataclass(frozen=True, slots=True)
class StopEscalation:
    """Its cause has gone: stop calling."""

    escalation: str
    because: str
    due_at: datetime

    @property
    def key(self) -> str:
        return f"stop-escalation:{self.escalation}"

    @property
    def title(self) -> str:
        return f"stop calling: {self.because}"


@dataclass(frozen=True, slots=True)
class OpenStep:
    step: str
    step_title: str
    owner: str
    """The reference of the plan; who holds it is shown where it is read."""
    step_due_at: datetime
    required: bool
    asks_evidence: str | None
    due_at: datetime

    @property
    def key(self) -> str:
        return f"open-step:{self.step}"

    @property
    def title(self) -> str:
        return f"step: {self.step_title}"


@dataclass(frozen=True, slots=True)
class AskDecision:
    decision: str
    question: str
    options: tuple[str, ...]
    decider: str
    decide_by: datetime
    due_at: datetime

    @property
    def key(self) -> str:
        return f"ask-decision:{self.decision}"

    @property
    def title(self) -> str:
        return f"decide: {self.question}"


@dataclass(frozen=True, slots=True)
class AskApproval:
    """A compensation proposal waits for somebody else with authority: an executive decision page."""

    document: str
    text: str
    to: tuple[str, ...]
    expires_at: datetime
    due_at: datetime

    @property
    def key(self) -> str:
        return f"ask-approval:{self.document}"

    @property
    def title(self) -> str:
        return f"ask {self.to[0] if self.to else 'somebody with that authority'} to approve: {self.text}"


@dataclass(frozen=True, slots=True)
class ExpireQuestion:
    """Nobody answered in time."""

    question: str
    outcome: Literal["no", "yes"]
    due_at: datetime

    @property
    def key(self) -> str:
        return f"expire:{self.question}"

    @property
    def title(self) -> str:
        return f"{self.question} expires: that means {self.outcome}"


@dataclass(frozen=True, slots=True)
class IssueSummary:
    number: int
    recipients: tuple[str, ...]
    due_at: datetime

    @property
    def key(self) -> str:
        return f"summary:{self.number}"

    @property
    def title(self) -> str:
        return f"executive summary {self.number}"


Move = (
    PageContact
    | TellContacts
    | SkipRung
    | GiveUpOnReceipt
    | StartEscalation
    | StopEscalation
    | OpenStep
    | AskDecision
    | AskApproval
    | ExpireQuestion
    | IssueSummary
)


@dataclass(frozen=True, slots=True)
class Moves:
    """What is due now, and when to look again (None: only when something happens)."""

    due: tuple[Move, ...]
    wake_at: datetime | None


KIND: dict[type, str] = {
    PageContact: "page",
    TellContacts: "tell",
    SkipRung: "skip-rung",
    GiveUpOnReceipt: "no-receipt",
    StartEscalation: "start-escalation",
    StopEscalation: "stop-escalation",
    OpenStep: "open-step",
    AskDecision: "ask-decision",
    AskApproval: "ask-approval",
    ExpireQuestion: "expire-question",
    IssueSummary: "summary",
}


def kind_of(move: Move) -> str:
    """The move's kind as the API and metrics write it."""
    return KIND[type(move)]


def requested(
    move: PageContact, message_id: str, at: datetime, by: str, *, expects_receipt: bool = False, text_sha256: str = ""
) -> e.PageRequested:
    """The event that asking for this page leaves in the log, whether it really leaves or is only assumed."""
    return e.PageRequested(
        at=at,
        by=by,
        message_id=message_id,
        escalation=move.escalation,
        rung=move.rung,
        contact=move.contact,
        contact_index=move.contact_index,
        attempt=move.attempt,
        channel=move.channel,
        due_at=move.due_at,
        possible_duplicate=move.possible_duplicate,
        expects_receipt=expects_receipt,
        text_sha256=text_sha256,
        line=move.line,
        provider=move.provider,
        beat=move.beat,
        instead_of=move.instead_of,
        reference=move.reference,
    )


def recorded(
    move: SkipRung | StartEscalation | StopEscalation | OpenStep | AskDecision | ExpireQuestion, at: datetime, by: str
) -> e.Event:
    """The event that making this move leaves in the log, for the moves that are nothing but their event."""
    match move:
        case SkipRung():
            return e.RungSkipped(at=at, by=by, escalation=move.escalation, rung=move.rung, because=move.because)
        case StartEscalation():
            return e.EscalationStarted(
                at=at,
                by=by,
                escalation=move.escalation,
                escalation_kind=move.kind,
                subject=move.subject,
                because=move.because,
                due_at=move.due_at,
                contacts=move.contacts,
            )
        case ExpireQuestion():
            return e.QuestionExpired(at=at, by=by, question=move.question, outcome=move.outcome)
        case StopEscalation():
            return e.EscalationStopped(at=at, by=by, escalation=move.escalation, because=move.because)
        case OpenStep():
            return e.StepOpened(
                at=at,
                by=by,
                step=move.step,
                title=move.step_title,
                owner=move.owner,
                due_at=move.step_due_at,
                required=move.required,
                asks_evidence=move.asks_evidence,
            )
        case AskDecision():
            return e.DecisionRequested(
                at=at,
                by=by,
                decision=move.decision,
                question=move.question,
                options=move.options,
                decider=move.decider,
                due_at=move.decide_by,
            )
        case _:
            assert_never(move)
