"""One event of every kind, in an order in which they could happen."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from incidents import events as e
from incidents.money import Money, NoCompensationReason
from incidents.severity import Severity

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEN = Money(amount=Decimal("10.00"), currency="EUR")


def one_of_each() -> list[e.Event]:
    """Every kind once, one second apart."""
    log: list[e.Event] = []

    def at() -> datetime:
        return START + timedelta(seconds=len(log))

    def page(number: int) -> str:
        return f"1.INC-1.1.r{number}.c1.1"

    def requested(number: int, contact: str) -> e.PageRequested:
        return e.PageRequested(
            at=at(),
            by="engine",
            message_id=page(number),
            escalation="1",
            rung=number,
            contact=contact,
            contact_index=1,
            attempt=1,
            channel="sms",
            due_at=at(),
            expects_receipt=True,
            text_sha256="ab" * 32,
        )

    log.append(
        e.IncidentDeclared(
            at=at(),
            by="monitor:shop",
            id="INC-1",
            title="The shop is down",
            severity=Severity.SEV2,
            situation="SHOP_DOWN",
            plan_version="aaaaaaaaaaaa",
            area="shop",
            because=("shop reports: down",),
            dedup_key="shop:down",
        )
    )
    log.append(
        e.EscalationStarted(
            at=at(),
            by="monitor:shop",
            escalation="1",
            escalation_kind=e.EscalationKind.ROUND,
            subject="round 1",
            because="SEV2 declared",
        )
    )
    log.append(requested(1, "ana"))
    log.append(e.PageSent(at=at(), by="provider:sms", message_id=page(1), provider_id="SM1"))
    log.append(e.PageDelivered(at=at(), by="provider:sms", message_id=page(1)))
    log.append(e.RungSkipped(at=at(), by="engine", escalation="1", rung=2, because="role:ghost is nobody"))
    log.append(e.PagePassed(at=at(), by="person:ana", escalation="1", contact="ana", escalates=True))
    log.append(requested(3, "bob"))
    log.append(
        e.PageFailed(
            at=at(), by="provider:sms", message_id=page(3), failure=e.PageFailure.UNKNOWN, because="no answer in 8 s"
        )
    )
    log.append(e.PageProven(at=at(), by="provider:sms", message_id=page(3), provider_id="SM2"))
    log.append(
        e.SignalFolded(at=at(), by="monitor:shop", dedup_key="shop:pay", summary="Payments", severity=Severity.SEV2)
    )
    log.append(
        e.SignalRecovered(at=at(), by="monitor:shop", dedup_key="shop:pay", summary="Payments", all_recovered=False)
    )
    log.append(e.MachineAcknowledged(at=at(), by="monitor:shop", dedup_key="shop:down"))
    log.append(
        e.Acknowledged(at=at(), by="person:bob", escalation="1", contact="bob", channel="sms", message_id=page(3))
    )
    log.append(e.SupportJoined(at=at(), by="person:ana", escalation="1", contact="ana", channel="sms"))
    log.append(
        e.NoticeQueued(
            at=at(), by="engine", message_id="1.INC-1.1.taken.ana", contact="ana", channel="sms", about="already taken"
        )
    )
    log.append(e.SeverityChanged(at=at(), by="person:bob", old=Severity.SEV2, new=Severity.SEV1, because="all of it"))
    log.append(e.HandedOver(at=at(), by="person:bob", old="bob", new="ana", note="end of shift"))
    log.append(
        e.StepOpened(
            at=at(),
            by="flow",
            step="look",
            title="Look",
            owner="ana",
            due_at=at() + timedelta(minutes=10),
            asks_evidence="what was seen",
        )
    )
    log.append(e.StepOpened(at=at(), by="flow", step="tell", title="Tell", owner="bob", due_at=at(), required=False))
    log.append(
        e.EscalationStarted(
            at=at(),
            by="engine",
            escalation="step-tell",
            escalation_kind=e.EscalationKind.STEP,
            subject="tell",
            because="step tell (Tell) is overdue",
            due_at=at(),
        )
    )
    log.append(e.StepDone(at=at(), by="person:ana", step="look", evidence="a certificate"))
    log.append(e.StepSkipped(at=at(), by="person:bob", step="tell", because="they know"))
    log.append(e.EscalationStopped(at=at(), by="engine", escalation="step-tell", because="step tell is skipped"))
    log.append(e.NoteAdded(at=at(), by="person:ana", text="The lift is stuck too."))
    log.append(
        e.UpdatePublished(
            at=at(),
            by="person:ana",
            number=1,
            audience="customers",
            text="We are on it.",
            next_update_by=at() + timedelta(minutes=30),
            messages=("1.INC-1.update-1.1",),
        )
    )
    log.append(
        e.SummaryIssued(
            at=at(),
            by="engine",
            number=1,
            recipients=("dora",),
            text_sha256="cd" * 32,
            messages=("1.INC-1.summary-1.dora",),
        )
    )
    log.append(
        e.DecisionRequested(
            at=at(),
            by="flow",
            decision="recall",
            question="Recall?",
            options=("yes", "no"),
            decider="dora",
            due_at=at() + timedelta(hours=1),
        )
    )
    log.append(e.DecisionMade(at=at(), by="person:dora", decision="recall", choice="no", because="nobody is hurt"))
    log.append(e.Replanned(at=at(), by="person:dora", plan_version="bbbbbbbbbbbb", because="a better ladder"))
    log.append(e.EngineWasAway(at=at(), by="engine", since=START, until=at(), skipped=("an update",)))
    log.append(e.ClockJumped(at=at(), by="engine", seconds=Decimal("-7.5")))
    log.append(e.Resolved(at=at(), by="person:ana", note="a new certificate"))
    log.append(e.RecoveryConfirmed(at=at(), by="person:bob", evidence="three orders"))
    log.append(
        e.CompensationProposed(
            at=at(),
            by="person:ana",
            document="0123456789ab",
            requester="ana",
            per_customer=TEN,
            population="all with an order",
            population_count=200,
            reason=None,
            rationale="They could not order for two hours.",
        )
    )
    log.append(
        e.CompensationDecided(
            at=at(),
            by="person:dora",
            document="0123456789ab",
            requester="ana",
            decided_by="dora",
            per_customer=TEN,
            population="all with an order",
            population_count=200,
            reason=None,
            rationale="They could not order for two hours.",
            authority="500 EUR a customer, no limit in total, granted by the board",
        )
    )
    log.append(e.CustomersInformed(at=at(), by="person:bob", how="e-mail", text="You get 10 EUR."))
    log.append(e.Closed(at=at(), by="person:ana"))
    log.append(e.Reopened(at=at(), by="person:ana", because="it is back"))
    log.append(
        e.CompensationDecided(
            at=at(),
            by="person:dora",
            document="ba9876543210",
            requester="dora",
            decided_by="dora",
            per_customer=None,
            population="nobody",
            population_count=0,
            reason=NoCompensationReason.NOT_AFFECTED,
            rationale="Nobody noticed it this time.",
            authority="500 EUR a customer, no limit in total, granted by the board",
        )
    )
    log.append(e.StoodDown(at=at(), by="person:ana", because="it was the test system"))
    log.append(e.Merged(at=at(), by="person:ana", into="INC-2"))
    log.append(
        e.PublicationFailed(
            at=at(), by="provider:slack", message_id="1.INC-1.update-1.1", to="C0STATUS", because="not_in_channel"
        )
    )
    return log


def later_kinds() -> list[e.Event]:
    """One of each kind that came with the second golden file; after `one_of_each`."""
    at = START + timedelta(hours=1)
    return [
        e.RungTold(at=at, by="engine", escalation="1", rung=1, contacts=("dora",)),
        e.ContactsImplicated(at=at, by="person:ana", contacts=("cleo", "dora"), because="it is about them"),
        e.QuestionAsked(
            at=at,
            by="person:bob",
            question="question-1",
            text="Close the shop until noon?",
            about="other",
            to=("dora",),
            expires_at=at + timedelta(minutes=30),
            if_silent="no",
        ),
        e.QuestionAnswered(at=at, by="person:dora", question="question-1", answer="yes", contact="dora", channel="sms"),
        e.QuestionExpired(at=at, by="engine", question="question-2", outcome="no"),
        e.ImpactAnswered(
            at=at,
            by="person:ana",
            question="customers",
            answer="5-25%",
            severity=Severity.SEV2,
            says="5 to 25 %, or 10,000 or more",
        ),
    ]
