"""Plans and directories in a line or two, for tests that need one and not its files."""

import zlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contacts.addresses import (
    ChannelKind,
    ConsoleChannel,
    ContactChannel,
    EmailChannel,
    PushChannel,
    SlackChannel,
    SmsChannel,
    VoiceChannel,
)
from contacts.directory import Authority, Beat, Contact, Directory
from incidents.durations import parse_duration
from incidents.money import Money
from incidents.severity import Severity
from runbooks.plan import (
    Backoff,
    Cadence,
    CompensationPolicy,
    Decision,
    Ladder,
    Plan,
    Publication,
    Repeat,
    Runbook,
    Rung,
    Situation,
    Step,
)
from signals.integration import Integration, Route

WORDS = {"critical": Severity.SEV1, "error": Severity.SEV2, "warning": Severity.SEV3, "info": Severity.SEV4}
LONG = parse_duration("60d")


def number_of(contact_id: str) -> str:
    """A test telephone number of their own."""
    return f"+447700900{zlib.crc32(contact_id.encode()) % 1000:03d}"


def someone(
    contact_id: str, *channels: str, drills: bool = False, may_pay: tuple[str, str] | None = None, **more: Any
) -> Contact:
    """A contact with these channels in this order (SMS, then voice, when none is named)."""
    kinds = channels or ("sms", "voice")
    return Contact(
        id=contact_id,
        name=contact_id.capitalize(),
        channels=tuple(_channel(contact_id, kind) for kind in kinds),
        drills=drills,
        authority=() if may_pay is None else (authority(*may_pay),),
        **more,
    )


def authority(per_customer: str, total: str) -> Authority:
    return Authority(may="compensation", per_customer=eur(per_customer), total=eur(total), granted_by="the board")


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def _channel(contact_id: str, kind: str) -> ContactChannel:
    match kind:
        case "sms":
            return SmsChannel(kind="sms", to=number_of(contact_id))
        case "voice":
            return VoiceChannel(kind="voice", to=number_of(contact_id))
        case "sms-2":
            return SmsChannel(kind="sms", to=number_of(f"{contact_id}-2"))
        case "push":
            return PushChannel(kind="push", to=contact_id)
        case "email":
            return EmailChannel(kind="email", to=f"{contact_id}@example.com")
        case "slack":
            return SlackChannel(kind="slack", to=f"U{contact_id.upper().replace('-', '')}0")
        case _:
            return ConsoleChannel(kind="console", to=contact_id)


def rung(*people: str, wait: str = "5m", repeat: str | None = None, times: int = 1, tell: Sequence[str] = ()) -> Rung:
    again = None if repeat is None else Repeat(every=parse_duration(repeat), times=times)
    return Rung(page=people, wait=parse_duration(wait), repeat=again, tell=tuple(tell))


def beat(*by: str, after: str = "0s", every: str | None = None, times: int = 0) -> Beat:
    """One beat of a channel ladder."""
    return Beat(
        by=tuple(ChannelKind(each) for each in by),
        after=parse_duration(after),
        every=None if every is None else parse_duration(every),
        times=times,
    )


def step(
    step_id: str,
    *,
    owner: str = "ana",
    within: str = "60d",
    needs: Sequence[str] = (),
    evidence: str | None = None,
    required: bool = True,
) -> Step:
    return Step(
        id=step_id,
        title=step_id.capitalize(),
        owner=owner,
        say=f"{step_id}.",
        within=parse_duration(within),
        needs=tuple(needs),
        evidence=evidence,
        required=required,
    )


def decision(decision_id: str, *, decider: str, within: str, options: Sequence[str] = ("yes", "no")) -> Decision:
    question = f"{decision_id.capitalize()}?"
    return Decision(
        id=decision_id, question=question, options=tuple(options), decider=decider, within=parse_duration(within)
    )


def crisis_plan(
    *rungs: Rung,
    last: Iterable[str] = ("dora",),
    again: Backoff | None = None,
    steps: Sequence[Step] = (),
    decisions: Sequence[Decision] = (),
    executives: Sequence[str] = (),
    update_every: str | None = None,
    summary_every: str | None = None,
    compensation_within: str = "60d",
    decider: str = "dora",
    machine_ack: str = "recorded",
    publications: Sequence[Publication] = (),
    page_again_after: str = "15m",
    crew: Sequence[str] = (),
    ack_expires: str | None = None,
    area: str | None = None,
) -> Plan:
    """A plan with one ladder for every severity, quiet clocks, and the monitor's alerts routed by their name."""
    cadence = Cadence(
        update_every=None if update_every is None else parse_duration(update_every),
        summary_every=None if summary_every is None else parse_duration(summary_every),
        compensation_within=parse_duration(compensation_within),
        ack_expires=None if ack_expires is None else parse_duration(ack_expires),
    )
    routes = (Route(match={"alertname": "Drill"}, situation="DRILL"), Route(situation="SHOP_DOWN"))
    monitor = Integration(
        name="monitor",
        kind="signals",
        key="monitor-key-0123456789",
        severity_words=WORDS,
        machine_ack=machine_ack,  # type: ignore[arg-type]  # pydantic checks the word
        routes=routes,
    )
    ladder = Ladder(
        rungs=rungs or (rung("ana"), rung("bob"), rung("cleo")),
        in_extremis=tuple(last),
        again=again or Backoff(),
        crew=tuple(crew),
    )
    runbook = Runbook(
        id="outage",
        title="The shop is down",
        purpose="Get it up again.",
        closes_when="It is up.",
        steps=tuple(steps) or (step("look", required=False),),
        decisions=tuple(decisions),
    )
    return Plan(
        company="Larkfield",
        ladders={"everybody": ladder},
        severities=dict.fromkeys(Severity, "everybody"),
        cadence=dict.fromkeys(Severity, cadence),
        situations={
            "SHOP_DOWN": Situation(title="Shop down", severity=Severity.SEV1, runbook="outage", area=area),
            "DRILL": Situation(title="Drill", severity=Severity.SEV1, runbook="outage", drill=True),
        },
        integrations=(monitor,),
        executives=tuple(executives),
        operators=("ana",),
        compensation=CompensationPolicy(decider=decider),
        publications=tuple(publications),
        page_again_after=parse_duration(page_again_after),
        runbooks=(runbook,),
    )


def everybody(*others: Contact, **more: Any) -> Directory:
    """Ana, Bob, Cleo and Dora, each with SMS and voice; a contact of the same id takes a person's place."""
    known = {each.id: each for each in (someone("ana"), someone("bob"), someone("cleo"), someone("dora"))}
    known.update({each.id: each for each in others})
    return Directory(contacts=tuple(known.values()), **more)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
