"""What can have happened to an incident: one frozen model a kind, closed by the type checker.

Every event says when (`at`, aware UTC) and who made it happen (`by`): `engine`, `flow`, `person:<contact>`,
`monitor:<integration>`, `rule` or `provider:<channel>`. `schema_` is the version of the kind's shape; upcasters in
`decode` lift older ones. Events carry contact ids, never addresses: personal data stands beside the log.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from incidents.money import Money, NoCompensationReason
from incidents.severity import Severity


def _to_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class EscalationKind(StrEnum):
    """Why people are called. A round is the incident itself; the others are something that is overdue."""

    ROUND = "round"
    STEP = "step"
    UPDATE = "update"
    DECISION = "decision"
    DIRECT = "direct"
    CLOSING = "closing"
    REMINDER = "reminder"
    """Whoever took it has said nothing for too long: they are asked first, then the ladder."""
    CREW = "crew"
    """A role besides the commander's that somebody has to take."""
    QUESTION = "question"
    """One question to somebody with authority, answered by yes, no or call."""


class PageFailure(StrEnum):
    """Every way in which a page can fail; each moves on at once (invariant 7)."""

    REFUSED = "refused"
    UNDELIVERED = "undelivered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    VOICEMAIL = "voicemail"
    HUNG_UP = "hung-up"
    PROVIDER_ERROR = "provider-error"
    NO_RECEIPT = "no-receipt"
    UNKNOWN = "unknown"

    @property
    def is_doubt(self) -> bool:
        """Whether it says only that nobody knows; a later proof of delivery, or of failure, outweighs it."""
        return self in (PageFailure.NO_RECEIPT, PageFailure.UNKNOWN)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: Moment
    by: str


class IncidentDeclared(_Event):
    kind: Literal["IncidentDeclared"] = "IncidentDeclared"
    id: str
    title: str
    severity: Severity
    situation: str
    drill: bool = False
    plan_version: str
    area: str | None = None
    because: tuple[str, ...] = ()
    dedup_key: str | None = None
    wakes: bool = False
    """Nobody's quiet hours count for it."""


class SignalFolded(_Event):
    """A *different* signal joined the incident. Repeats of one signal are counted beside the log."""

    kind: Literal["SignalFolded"] = "SignalFolded"
    dedup_key: str
    summary: str
    severity: Severity
    because: str = ""
    """Why it joined, where its key does not say so: a group, a storm, the end of a silence, a rule's sentences."""
    wakes: bool = False
    """From now on nobody's quiet hours count for the incident."""


class SignalRecovered(_Event):
    kind: Literal["SignalRecovered"] = "SignalRecovered"
    dedup_key: str
    summary: str
    all_recovered: bool


class MachineAcknowledged(_Event):
    """A monitor said `acknowledge`. Recorded; machines never take charge."""

    kind: Literal["MachineAcknowledged"] = "MachineAcknowledged"
    dedup_key: str
    stops: bool = False


class SeverityChanged(_Event):
    kind: Literal["SeverityChanged"] = "SeverityChanged"
    old: Severity
    new: Severity
    because: str


class ImpactAnswered(_Event):
    """A row of the severity matrix was answered, with what the plan's matrix made of it then."""

    kind: Literal["ImpactAnswered"] = "ImpactAnswered"
    question: str
    answer: str
    severity: Severity | None
    """None: whoever was asked does not know."""
    says: str


class EscalationStarted(_Event):
    """People are being called. For a round, `escalation` is its number; else `<kind>-<subject>.<n>`."""

    kind: Literal["EscalationStarted"] = "EscalationStarted"
    escalation: str
    escalation_kind: EscalationKind
    subject: str
    because: str
    due_at: Moment | None = None
    contacts: tuple[str, ...] = ()


class EscalationStopped(_Event):
    kind: Literal["EscalationStopped"] = "EscalationStopped"
    escalation: str
    because: str


class PageRequested(_Event):
    """A page and its outbox row, one commit. `due_at` is when it ought to have been requested."""

    kind: Literal["PageRequested"] = "PageRequested"
    message_id: str
    escalation: str
    rung: int
    contact: str
    contact_index: int
    attempt: int
    channel: str
    due_at: Moment
    possible_duplicate: bool = False
    expects_receipt: bool = False
    text_sha256: str = ""
    line: int = 1
    """Which of the contact's addresses of this kind, from 1."""
    provider: str = ""
    beat: int = 0
    """Which beat of the contact's channel ladder it belongs to, from 1; 0 in logs from before there were any."""
    instead_of: str | None = None
    """The page that failed and whose place it takes."""
    reference: str = ""
    """What the plan called them as, such as `role:care`."""


class RungTold(_Event):
    """Who is told when this rung is called, without having to answer."""

    kind: Literal["RungTold"] = "RungTold"
    escalation: str
    rung: int
    contacts: tuple[str, ...]


class RungSkipped(_Event):
    kind: Literal["RungSkipped"] = "RungSkipped"
    escalation: str
    rung: int
    because: str


class PageSent(_Event):
    """The provider accepted the page."""

    kind: Literal["PageSent"] = "PageSent"
    message_id: str
    provider_id: str | None = None


class PageDelivered(_Event):
    kind: Literal["PageDelivered"] = "PageDelivered"
    message_id: str


class PageFailed(_Event):
    kind: Literal["PageFailed"] = "PageFailed"
    message_id: str
    failure: PageFailure
    because: str = ""


class PageProven(_Event):
    """A page whose outcome was unknown was found at the provider. A late fact: nothing is called back for it."""

    kind: Literal["PageProven"] = "PageProven"
    message_id: str
    provider_id: str | None = None


class Acknowledged(_Event):
    """Somebody took it. Stops the escalation; for a round it makes them commander if there is none."""

    kind: Literal["Acknowledged"] = "Acknowledged"
    escalation: str
    contact: str
    channel: str
    message_id: str | None = None
    role: str = ""
    """What they take it as: the reference by which they were called."""


class SupportJoined(_Event):
    """An answer that came after somebody else had taken it."""

    kind: Literal["SupportJoined"] = "SupportJoined"
    escalation: str
    contact: str
    channel: str
    role: str = ""


class PagePassed(_Event):
    """PASS or ESCALATE: this contact will not take it; the next one now."""

    kind: Literal["PagePassed"] = "PagePassed"
    escalation: str
    contact: str
    escalates: bool = False


class ContactsImplicated(_Event):
    """These people have to do with what happened: they leave every ladder of this incident."""

    kind: Literal["ContactsImplicated"] = "ContactsImplicated"
    contacts: tuple[str, ...]
    because: str


class QuestionAsked(_Event):
    """An executive decision page: one question, answered by yes, no or call until it expires."""

    kind: Literal["QuestionAsked"] = "QuestionAsked"
    question: str
    text: str
    about: Literal["money", "text", "other"]
    to: tuple[str, ...]
    expires_at: Moment
    if_silent: Literal["no", "yes"] = "no"
    document: str | None = None
    """The compensation proposal that a yes approves."""


class QuestionAnswered(_Event):
    kind: Literal["QuestionAnswered"] = "QuestionAnswered"
    question: str
    answer: Literal["yes", "no", "call"]
    contact: str
    channel: str


class QuestionExpired(_Event):
    """Nobody answered in time. Silence never approves money or text."""

    kind: Literal["QuestionExpired"] = "QuestionExpired"
    question: str
    outcome: Literal["no", "yes"]


class HandedOver(_Event):
    kind: Literal["HandedOver"] = "HandedOver"
    old: str | None
    new: str
    note: str = ""


class StepOpened(_Event):
    kind: Literal["StepOpened"] = "StepOpened"
    step: str
    title: str
    owner: str
    due_at: Moment
    required: bool = True
    asks_evidence: str | None = None


class StepDone(_Event):
    kind: Literal["StepDone"] = "StepDone"
    step: str
    evidence: str = ""


class StepSkipped(_Event):
    kind: Literal["StepSkipped"] = "StepSkipped"
    step: str
    because: str


class NoteAdded(_Event):
    kind: Literal["NoteAdded"] = "NoteAdded"
    text: str


class UpdatePublished(_Event):
    """A status update that a person wrote, for customers, staff or executives."""

    kind: Literal["UpdatePublished"] = "UpdatePublished"
    number: int
    audience: str
    text: str
    next_update_by: Moment | None
    messages: tuple[str, ...] = ()


class SummaryIssued(_Event):
    """An executive summary went out."""

    kind: Literal["SummaryIssued"] = "SummaryIssued"
    number: int
    recipients: tuple[str, ...]
    text_sha256: str
    messages: tuple[str, ...] = ()


class PublicationFailed(_Event):
    """A published update did not leave."""

    kind: Literal["PublicationFailed"] = "PublicationFailed"
    message_id: str
    to: str
    because: str


class NoticeQueued(_Event):
    """Somebody is told something that asks for no answer ("already taken", "recovered")."""

    kind: Literal["NoticeQueued"] = "NoticeQueued"
    message_id: str
    contact: str
    channel: str
    about: str


class DecisionRequested(_Event):
    kind: Literal["DecisionRequested"] = "DecisionRequested"
    decision: str
    question: str
    options: tuple[str, ...]
    decider: str
    due_at: Moment


class DecisionMade(_Event):
    kind: Literal["DecisionMade"] = "DecisionMade"
    decision: str
    choice: str
    because: str


class CompensationProposed(_Event):
    """A proposal waits for somebody else with authority. `document` is its hash: an edit voids approvals."""

    kind: Literal["CompensationProposed"] = "CompensationProposed"
    document: str
    requester: str
    per_customer: Money | None
    population: str
    population_count: int
    reason: NoCompensationReason | None
    rationale: str


class CompensationDecided(_Event):
    kind: Literal["CompensationDecided"] = "CompensationDecided"
    document: str
    requester: str
    decided_by: str
    per_customer: Money | None
    population: str
    population_count: int
    reason: NoCompensationReason | None
    rationale: str
    authority: str


class CustomersInformed(_Event):
    kind: Literal["CustomersInformed"] = "CustomersInformed"
    how: str
    text: str


class Resolved(_Event):
    kind: Literal["Resolved"] = "Resolved"
    note: str


class RecoveryConfirmed(_Event):
    """The customer side works again, seen from the customer side."""

    kind: Literal["RecoveryConfirmed"] = "RecoveryConfirmed"
    evidence: str


class Reopened(_Event):
    kind: Literal["Reopened"] = "Reopened"
    because: str


class Replanned(_Event):
    kind: Literal["Replanned"] = "Replanned"
    plan_version: str
    because: str


class StoodDown(_Event):
    """A person says that it was no incident: a false alarm of whatever declared it."""

    kind: Literal["StoodDown"] = "StoodDown"
    because: str
    told: str = ""
    """What the customers were told of it, where they had been told that there was something."""


class Merged(_Event):
    kind: Literal["Merged"] = "Merged"
    into: str


class Closed(_Event):
    kind: Literal["Closed"] = "Closed"


class EngineWasAway(_Event):
    """Tocsin itself was down. `skipped` says what was not done meanwhile and will not be made up for."""

    kind: Literal["EngineWasAway"] = "EngineWasAway"
    since: Moment
    until: Moment
    skipped: tuple[str, ...] = ()


class ClockJumped(_Event):
    kind: Literal["ClockJumped"] = "ClockJumped"
    seconds: Decimal


class Unknown(_Event):
    """An event of a kind this version does not know: kept, shown, ignored."""

    kind: Literal["Unknown"] = "Unknown"
    original_kind: str
    body: dict[str, Any]


KnownEvent = (
    IncidentDeclared
    | SignalFolded
    | SignalRecovered
    | MachineAcknowledged
    | SeverityChanged
    | ImpactAnswered
    | EscalationStarted
    | EscalationStopped
    | PageRequested
    | RungTold
    | RungSkipped
    | PageSent
    | PageDelivered
    | PageFailed
    | PageProven
    | Acknowledged
    | SupportJoined
    | PagePassed
    | ContactsImplicated
    | QuestionAsked
    | QuestionAnswered
    | QuestionExpired
    | HandedOver
    | StepOpened
    | StepDone
    | StepSkipped
    | NoteAdded
    | UpdatePublished
    | SummaryIssued
    | PublicationFailed
    | NoticeQueued
    | DecisionRequested
    | DecisionMade
    | CompensationProposed
    | CompensationDecided
    | CustomersInformed
    | Resolved
    | RecoveryConfirmed
    | Reopened
    | Replanned
    | StoodDown
    | Merged
    | Closed
    | EngineWasAway
    | ClockJumped
)
Event = KnownEvent | Unknown

SCHEMA = 1
_ADAPTER: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="kind")])

# (kind, schema) -> a pure function that lifts a body to schema + 1. Empty while there is one released schema.
UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}


def encode(event: Event) -> bytes:
    """The body as stored. An Unknown goes back exactly as it came."""
    if isinstance(event, Unknown):
        return orjson.dumps(event.body)
    return event.__pydantic_serializer__.to_json(event)


def stored_kind(event: Event) -> str:
    return event.original_kind if isinstance(event, Unknown) else event.kind


def decode(kind: str, schema: int, body: bytes | str) -> Event:
    """The event of a stored row. Total for JSON objects with `at` and `by`: unknown kinds become Unknown.

    Raises ValueError for a body that is not even that; the incident is then quarantined.
    """
    if schema == SCHEMA:
        try:
            return _ADAPTER.validate_json(body)
        except ValidationError:
            pass
    raw = orjson.loads(body)
    while (lift := UPCASTERS.get((kind, schema))) is not None:
        raw, schema = lift(raw), schema + 1
    try:
        return _ADAPTER.validate_python(raw)
    except ValidationError:
        if kind in KNOWN_KINDS and schema <= SCHEMA:
            raise
        return Unknown(at=raw["at"], by=raw["by"], original_kind=kind, body=raw)


KNOWN_KINDS: frozenset[str] = frozenset(model.model_fields["kind"].default for model in KnownEvent.__args__)
