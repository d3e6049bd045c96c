"""The one door. Whatever changes an incident comes through here, inside one transaction:
load, decide, perform what is due, append events and outbox rows, update the read model.

Two drivers cannot double anything: the writer's transaction is the incident's lock, and a move that has been made is no
longer due. Everything in this module runs in the writer's thread; nothing here does I/O but through `tx`.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contacts.addresses import ChannelKind
from contacts.directory import Contact, excluded
from engine.book import PlanBook
from engine.briefing import Briefing, brief
from engine.compose import Composer, digest, reader_of
from incidents import commands as c
from incidents import events as e
from incidents.decide import decide, declare
from incidents.errors import UnknownIncident
from incidents.evolve import evolve, fold
from incidents.ids import incident_id as id_of
from incidents.state import Incident, Page, Status
from notifications.wording import (
    already_taken,
    decision_asked,
    ladder_stopped,
    quiet_again,
    recovered_by_itself,
    steps_opened,
    stood_down,
    summary_text,
    told_that_people_are_called,
)
from runbooks.ladder import occasion_of
from runbooks.moves import (
    AskApproval,
    AskDecision,
    ExpireQuestion,
    GiveUpOnReceipt,
    IssueSummary,
    Move,
    Moves,
    OpenStep,
    PageContact,
    SkipRung,
    StartEscalation,
    StopEscalation,
    TellContacts,
    recorded,
    requested,
)
from runbooks.next_moves import executives_of, next_moves
from runbooks.plan import Plan
from storage import codes, keys, log, outbox
from storage.database import DatabaseError, Tx
from storage.outbox import OutboxRow

COVER: dict[type, timedelta] = {
    PageContact: timedelta(seconds=0.25),
    TellContacts: timedelta(seconds=5),
    SkipRung: timedelta(seconds=0.25),
    GiveUpOnReceipt: timedelta(seconds=0.25),
    StartEscalation: timedelta(seconds=0.25),
    StopEscalation: timedelta(0),
    OpenStep: timedelta(seconds=5),
    AskDecision: timedelta(seconds=5),
    AskApproval: timedelta(seconds=0.25),  # it calls people
    ExpireQuestion: timedelta(seconds=0.25),
    IssueSummary: timedelta(seconds=30),
}
"""How long the engine leaves a due move to a live run before it makes it itself (architecture.md, sentence 6)."""

CALLING = (
    PageContact,
    TellContacts,
    SkipRung,
    GiveUpOnReceipt,
    StartEscalation,
    AskApproval,
    StopEscalation,
    ExpireQuestion,
)
"""Moves of calling people: made at once when no live run drives the incident."""

MINIMUM_TO_ANSWER = timedelta(minutes=30)
"""A question that is asked late still gets this long."""
NO_CODES_FOR = timedelta(minutes=1)
_MOST_PASSES = 50
_CACHED = 1_000

May = Callable[[Move, Incident], bool]


class Quarantined(UnknownIncident):
    """The incident's log cannot be folded; it is set aside and the operators have been paged."""


class Unreadable(UnknownIncident):
    """The incident's log cannot be folded, and nobody has set it aside yet."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A move that was made, by whom, and the messages that it put into the outbox."""

    move: Move
    by: str
    messages: tuple[str, ...]


@dataclass(slots=True)
class Change:
    """One incident's way through the door: what it was, what it became, what leaves because of it."""

    before: Incident | None
    after: Incident
    plan: Plan
    events: list[e.Event] = field(default_factory=list)
    rows: list[OutboxRow] = field(default_factory=list)
    cancel: list[OutboxRow] = field(default_factory=list)
    performed: list[Performed] = field(default_factory=list)
    moves: Moves = field(default_factory=lambda: Moves((), None))

    def add(self, *events: e.Event) -> None:
        """Fold events in. New events pass `evolve` before the commit."""
        for event in events:
            evolved = evolve(self.after, event)
            if evolved is None:
                raise ValueError(f"{event.kind} cannot follow nothing")
            self.after = evolved
            self.events.append(event)


class Door:
    """See the module. `by` is written into every event that a move makes: `engine` or `flow`."""

    def __init__(
        self,
        composer: Composer,
        book: PlanBook,
        is_driven: Callable[[str], bool],
        is_attended: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_driven` says whether a live run drives this incident; `is_attended`, whether any worker lives at all."""
        self._composer = composer
        self._book = book
        self._is_driven = is_driven
        self._is_attended = is_attended
        self._cache: OrderedDict[str, Incident] = OrderedDict()
        self._out_of_codes: dict[str, datetime] = {}

    # --- public: each in a transaction of the caller ---

    def still_calls(self, tx: Tx, page: OutboxRow, now: datetime) -> bool:
        """Whether this page still has to leave: its calling goes on, and its contact is wanted at this address."""
        if page.address in self._book.live.out:
            return False
        if page.escalation is None:
            return True
        incident = self.load(tx, page.incident_id)
        escalation = incident.escalations.get(page.escalation)
        if escalation is None:
            return True
        directory = self._book.directory
        contact = directory.contact(page.contact)
        left_out = contact is not None and excluded(contact, occasion_of(incident, directory, now)) is not None
        return escalation.live and page.contact not in escalation.passed and not left_out

    def declare(self, tx: Tx, now: datetime, make: Callable[[str], c.Declare]) -> Change:
        """A new incident with its first pages, in this one transaction (invariant 1)."""
        number = log.next_number(tx)
        command = make(id_of(number))
        events = declare(command, now)
        first = fold(events[:1])
        if first is None:
            raise ValueError("a declaration declares nothing")
        change = Change(None, first, self._book.pinned(tx, command.plan_version), [events[0]])
        change.add(*events[1:])
        self._perform(tx, change, now, "engine", self._everything)
        self._notices(change, now)
        log.insert_incident(tx, change.after, number, _next_look(change))
        self._append(tx, change, now)
        return change

    def apply(self, tx: Tx, incident_id: str, command: c.Command, now: datetime) -> Change:
        """Carry out one command and whatever is due at once after it. Raises CommandRefused, UnknownIncident."""
        change = self._open(tx, incident_id)
        change.add(*decide(change.after, command, not_before(change.after, now)))
        return self._finish(tx, change, now)

    def append(self, tx: Tx, incident_id: str, events: Callable[[Incident], list[e.Event]], now: datetime) -> Change:
        """Append facts that no rule has to allow (the engine was away, a notice was queued)."""
        change = self._open(tx, incident_id)
        change.add(*events(change.after))
        return self._finish(tx, change, now)

    def perform_due(self, tx: Tx, incident_id: str, by: str, now: datetime, key: str | None = None) -> Change:
        """Make the moves that are due: all that the engine may make now, or the one that a flow asks for by `key`.

        A key that is no longer due performs nothing. The second call for the same move performs nothing.
        """
        change = self._open(tx, incident_id)
        driven = self._is_driven(incident_id)
        if key is not None:
            self._perform(tx, change, now, by, lambda move, _: _key_of(move) == key, once=True)
        self._perform(tx, change, now, "engine", self._allowance(now, driven=driven))
        return self._store(tx, change, now)

    def brief_executives(self, tx: Tx, incident_id: str, by: str, now: datetime) -> tuple[Change, Briefing]:
        """An executive summary now, besides the cadence; the next one on the cadence counts from it."""
        change = self._open(tx, incident_id)
        recipients = executives_of(change.after, change.plan, self._book.directory, now)
        at = not_before(change.after, now)
        briefing = self._summarise(change, change.after.summaries + 1, recipients, at, by)
        return self._finish(tx, change, now), briefing

    def propose_to_step_down(self, tx: Tx, incident_id: str, note: str, quiet: timedelta, now: datetime) -> Change:
        """Every rule has been quiet for so long: it is noted, and whoever leads the incident is told. Nothing else
        changes: only a person lowers a severity (invariant 8). Raises CommandRefused, UnknownIncident."""
        change = self._open(tx, incident_id)
        at = not_before(change.after, now)
        change.add(*decide(change.after, c.AddNote(note, "rule"), at))
        commander = change.after.commander
        if commander is not None:
            minutes = int(quiet.total_seconds() // 60)
            words = quiet_again(incident_id, minutes, reader_of(self._book.directory.contact(commander)))
            self._tell(change, commander, f"calm-{int(at.timestamp() // 60)}", words, "quiet again", at, "engine")
        return self._finish(tx, change, now)

    def due(self, tx: Tx, incident_id: str, now: datetime) -> tuple[Incident, Moves]:
        """What is due, without making it."""
        change = self._open(tx, incident_id)
        return change.after, next_moves(change.after, change.plan, self._book.directory, now)

    def load(self, tx: Tx, incident_id: str, version: int | None = None) -> Incident:
        """The incident as it stands; at `version`, where the caller has just read it. Raises UnknownIncident."""
        cached = self._cache.get(incident_id)
        if cached is not None and cached.version == version:
            return cached
        return self._open(tx, incident_id).after

    # --- steps of the way ---

    def _open(self, tx: Tx, incident_id: str) -> Change:
        known = log.version_of(tx, incident_id)
        if known is None:
            raise UnknownIncident(f"There is no incident {incident_id}.")
        version, quarantined = known
        if quarantined is not None:
            raise Quarantined(f"{incident_id} is set aside because its log cannot be read: {quarantined}")
        cached = self._cache.get(incident_id)
        if cached is None or cached.version != version:
            cached = _read(tx, incident_id, version)
        else:
            self._cache.move_to_end(incident_id)
        return Change(cached, cached, self._book.pinned(tx, cached.plan_version))

    def _finish(self, tx: Tx, change: Change, now: datetime) -> Change:
        change.plan = self._book.pinned(tx, change.after.plan_version)
        driven = self._is_driven(change.after.id)
        self._perform(tx, change, now, "engine", self._allowance(now, driven=driven))
        return self._store(tx, change, now)

    def _store(self, tx: Tx, change: Change, now: datetime) -> Change:
        if change.events:
            self._notices(change, now)
            log.update_incident(tx, change.after, _next_look(change))
        else:
            log.set_next_due(tx, change.after.id, _stamp(_next_look(change)))
        self._append(tx, change, now)
        return change

    def _append(self, tx: Tx, change: Change, now: datetime) -> None:
        if change.events:
            self._stale(tx, change, now)
            log.append(tx, change.after, change.events)
            if change.rows:
                outbox.insert(tx, change.rows)
            self._keys(tx, change)
        self._cache[change.after.id] = change.after
        self._cache.move_to_end(change.after.id)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _perform(self, tx: Tx, change: Change, now: datetime, by: str, may: May, *, once: bool = False) -> None:
        for _ in range(_MOST_PASSES):
            directory = self._book.directory
            change.moves = next_moves(change.after, change.plan, directory, now)
            allowed = [move for move in change.moves.due if may(move, change.after)]
            if not allowed:
                return
            for move in allowed:
                self._make(tx, change, move, now, by)
            if once:
                change.moves = next_moves(change.after, change.plan, directory, now)
                return

    def _allowance(self, now: datetime, *, driven: bool) -> May:
        """Pages wait only for a run that drives; everything else for one that a living worker may still start."""
        if not driven and not self._is_attended():
            return self._everything

        def may(move: Move, incident: Incident) -> bool:
            if not driven and isinstance(move, CALLING):
                return True
            return _is_first_page(move, incident) or now >= move.due_at + COVER[type(move)]

        return may

    @staticmethod
    def _everything(_move: Move, _incident: Incident) -> bool:
        return True

    # --- making a move ---

    def _make(self, tx: Tx, change: Change, move: Move, now: datetime, by: str) -> None:
        at = not_before(change.after, now)
        before = len(change.rows)
        match move:
            case PageContact():
                self._page(tx, change, move, at, by)
            case TellContacts():
                self._tell_rung(change, move, at, by)
            case AskApproval():
                self._ask_approval(change, move, at, by)
            case GiveUpOnReceipt():
                gave_up = c.RecordFailed(move.message_id, e.PageFailure.NO_RECEIPT, "no receipt in 60 s", by)
                change.add(*decide(change.after, gave_up, at))
            case AskDecision():
                self._ask(change, move, at, by)
            case IssueSummary():
                self._summarise(change, move.number, move.recipients, at, by)
            case SkipRung() | StartEscalation() | StopEscalation() | OpenStep() | ExpireQuestion():
                change.add(recorded(move, at, by))
        change.performed.append(Performed(move, by, tuple(row.message_id for row in change.rows[before:])))

    def _page(self, tx: Tx, change: Change, move: PageContact, at: datetime, by: str) -> None:
        code = self._reply_code(tx, move, change.after.id, at)
        row = self._composer.page(change.after, move, change.plan, self._book.directory, at, code)
        change.add(
            requested(
                move,
                row.message_id,
                at,
                by,
                expects_receipt=move.channel in self._composer.receipts,
                text_sha256=digest(row.text),
            )
        )
        change.rows.append(row)

    def _reply_code(self, tx: Tx, move: PageContact, incident_id: str, at: datetime) -> int | None:
        """The incident's code on this phone. A phone that has run out of them is not asked again for a while."""
        if move.channel != ChannelKind.SMS or move.channel not in self._composer.two_way:
            return None
        if self._out_of_codes.get(move.to, at) > at:
            return None
        code = codes.code_for(tx, move.to, incident_id, at.timestamp())
        if code is None:
            self._out_of_codes[move.to] = at + NO_CODES_FOR
        return code

    def _tell_rung(self, change: Change, move: TellContacts, at: datetime, by: str) -> None:
        change.add(e.RungTold(at=at, by=by, escalation=move.escalation, rung=move.rung, contacts=move.contacts))
        incident = change.after
        for contact_id in move.contacts:
            reader = reader_of(self._book.directory.contact(contact_id))
            words = told_that_people_are_called(incident.id, incident.severity, incident.title, reader)
            self._tell(change, contact_id, f"{move.escalation}.r{move.rung}.told", words, "people are called", at, by)

    def _ask_approval(self, change: Change, move: AskApproval, at: datetime, by: str) -> None:
        asked = c.AskQuestion(
            move.text, "money", move.to, max(move.expires_at, at + MINIMUM_TO_ANSWER), "no", by, move.document
        )
        change.add(*decide(change.after, asked, at))

    def _ask(self, change: Change, move: AskDecision, at: datetime, by: str) -> None:
        change.add(recorded(move, at, by))
        decider = self._whoever(change, move.decider, at)
        if decider is not None and decider.id != change.after.commander:
            words = decision_asked(change.after.id, move.question, move.decide_by, reader_of(decider))
            name = f"{change.after.round}.decision-{move.decision}"
            self._tell(change, decider.id, name, words, f"decision {move.decision}", at, by)

    def _summarise(self, change: Change, number: int, recipients: tuple[str, ...], at: datetime, by: str) -> Briefing:
        """Issue an executive summary to these contacts."""
        incident = change.after
        briefing = brief(incident, change.plan, self._book.directory, at)
        sent: list[str] = []
        for contact_id in recipients:
            contact = self._book.directory.contact(contact_id)
            if contact is None:
                continue
            message_id = f"{self._composer.epoch}.{incident.id}.summary-{number}.{contact_id}"
            needs = "; ".join(briefing.needs) or None
            short = summary_text(
                incident.id,
                incident.severity,
                briefing.bottom_line,
                needs,
                briefing.next_update_by,
                reader_of(contact),
            )
            row = self._composer.notice(incident, contact, message_id, short, "summary", at, self._book.live.out)
            if row is not None:
                change.rows.append(row)
                sent.append(message_id)
        change.add(
            e.SummaryIssued(
                at=at,
                by=by,
                number=number,
                recipients=recipients,
                text_sha256=digest(briefing.text),
                messages=tuple(sent),
            )
        )
        return briefing

    def _tell(
        self, change: Change, contact_id: str, name: str, sentence: str, about: str, at: datetime, by: str
    ) -> None:
        contact = self._book.directory.contact(contact_id)
        if contact is None or contact_id in self._book.directory.implicated_in(change.after.implicated):
            return
        incident = change.after
        message_id = f"{self._composer.epoch}.{incident.id}.{name}.{contact_id}"
        row = self._composer.notice(incident, contact, message_id, sentence, "notice", at, self._book.live.out)
        if row is not None:
            change.rows.append(row)
            change.add(
                e.NoticeQueued(
                    at=at, by=by, message_id=message_id, contact=contact_id, channel=row.channel, about=about
                )
            )

    def _whoever(self, change: Change, reference: str, at: datetime) -> Contact | None:
        """Whoever stands behind a reference in this incident now, first."""
        directory = self._book.directory
        found = directory.resolve(reference, occasion_of(change.after, directory, at))
        return next(iter(found.contacts), None)

    # --- what follows from a change ---

    def _notices(self, change: Change, now: datetime) -> None:
        """People whose phones rang for a round that has ended without them are told why; owners, what is theirs."""
        at = not_before(change.after, now)
        self._tell_owners(change, at)
        for event in list(change.events):
            if isinstance(event, e.Acknowledged) and event.escalation.isdigit():
                for contact_id in _paged_before(change, event.escalation, besides=event.contact):
                    reader = reader_of(self._book.directory.contact(contact_id))
                    taker = self._book.directory.contact(event.contact)
                    who = taker.name if taker is not None else event.contact
                    words = already_taken(change.after.id, who, event.at, reader)
                    self._tell(change, contact_id, f"{event.escalation}.taken", words, "already taken", at, "engine")
            elif isinstance(event, e.EscalationStopped) and event.escalation.isdigit() and _is_over(change):
                recovered = any(isinstance(each, e.SignalRecovered) for each in change.events)
                for contact_id in _paged_before(change, event.escalation, besides=None):
                    reader = reader_of(self._book.directory.contact(contact_id))
                    words = (
                        recovered_by_itself(change.after.id, event.at, reader, needs_owner=False)
                        if recovered
                        else ladder_stopped(change.after.id, event.because, reader)
                    )
                    self._tell(change, contact_id, f"{event.escalation}.over", words, "no longer needed", at, "engine")
            elif isinstance(event, e.StoodDown):
                self._tell_it_was_nothing(change, event, at)
            elif isinstance(event, e.Merged | e.Closed) and (ended := _round_before(change)) is not None:
                for contact_id in _paged_before(change, ended, besides=None):
                    reader = reader_of(self._book.directory.contact(contact_id))
                    words = ladder_stopped(change.after.id, _why_ended(event), reader)
                    self._tell(change, contact_id, f"{ended}.over", words, "no longer needed", at, "engine")

    def _tell_it_was_nothing(self, change: Change, event: e.StoodDown, at: datetime) -> None:
        """Everybody who has heard of it hears that it was nothing, but for the one who says so."""
        who = event.by.removeprefix("person:")
        known = self._book.directory.contact(who)
        for contact_id in change.after.concerned:
            if contact_id == who:
                continue
            reader = reader_of(self._book.directory.contact(contact_id))
            words = stood_down(change.after.id, who if known is None else known.name, event.because, reader)
            self._tell(change, contact_id, f"{change.after.round}.stood-down", words, "stood down", at, "engine")

    def _tell_owners(self, change: Change, at: datetime) -> None:
        """Whoever owns steps that have just opened hears of them in one message; the commander sees them anyway."""
        opened: dict[str, list[e.StepOpened]] = {}
        for event in change.events:
            if isinstance(event, e.StepOpened):
                owner = self._whoever(change, event.owner, at)
                if owner is not None and owner.id != change.after.commander:
                    opened.setdefault(owner.id, []).append(event)
        for contact_id, steps in opened.items():
            reader = reader_of(self._book.directory.contact(contact_id))
            words = steps_opened(change.after.id, [(step.title, step.due_at) for step in steps], reader)
            self._tell(change, contact_id, f"steps-{steps[0].step}", words, "steps that opened", at, "engine")

    def _stale(self, tx: Tx, change: Change, now: datetime) -> None:
        """Pages of an escalation that is over and have not left never will (invariant 4)."""
        over = [
            each.id
            for each in (change.before.live_escalations if change.before is not None else ())
            if not change.after.escalations[each.id].live
        ]
        for escalation in over:
            change.cancel.extend(outbox.make_stale(tx, change.after.id, escalation, now.timestamp()))
        if over:
            change.rows = [row for row in change.rows if row.escalation not in over]
        for event in change.events:
            if isinstance(event, e.ContactsImplicated):
                change.cancel.extend(outbox.make_stale_for(tx, change.after.id, event.contacts, now.timestamp()))
                change.rows = [row for row in change.rows if row.contact not in event.contacts]

    def _keys(self, tx: Tx, change: Change) -> None:
        after = change.after
        if change.before is None or after.status.is_open == change.before.status.is_open:
            return
        if after.status.is_open:
            keys.take_back(tx, after.id, after.signals, after.severity, change.events[-1].at.timestamp())
        elif after.status is Status.MERGED and after.merged_into is not None:
            keys.repoint(tx, after.id, after.merged_into)
        else:
            keys.release(tx, after.id)


def _read(tx: Tx, incident_id: str, version: int) -> Incident:
    """Fold the log. Raises Unreadable for whatever is wrong with it: one bad incident stops no other."""
    try:
        incident = fold(log.load_events(tx, incident_id))
    except DatabaseError:
        raise  # the storage's trouble, not this incident's
    except Exception as error:
        raise Unreadable(f"the log of {incident_id} cannot be folded: {type(error).__name__}: {error}") from error
    if incident is None:
        raise Unreadable(f"the log of {incident_id} does not begin with a declaration")
    if incident.version != version:
        raise Unreadable(f"the log of {incident_id} ends at {incident.version}, its row says {version}")
    return incident


def _key_of(move: Move) -> str:
    return move.key


def _is_first_page(move: Move, incident: Incident) -> bool:
    """The first page of a round never waits for a driver."""
    if not isinstance(move, PageContact):
        return False
    return move.escalation.isdigit() and not incident.escalations[move.escalation].pages


def _is_over(change: Change) -> bool:
    """Whether nobody is called about the incident itself any more (a new round calls the same people again)."""
    return change.after.live_round is None


def _round_before(change: Change) -> str | None:
    """The round that was calling people before this change, if one was."""
    before = change.before.live_round if change.before is not None else None
    return None if before is None else before.id


def _why_ended(event: e.Merged | e.Closed) -> str:
    match event:
        case e.Merged():
            return f"it is part of {event.into} now"
        case e.Closed():
            return "it is closed"


def _paged_before(change: Change, escalation: str, *, besides: str | None) -> list[str]:
    pages: list[Page] = [page for page in change.after.pages.values() if page.escalation == escalation]
    told = [page.contact for page in pages if page.sent_at is not None and page.contact != besides]
    return list(dict.fromkeys(told))


def not_before(incident: Incident, now: datetime) -> datetime:
    """Event times never decrease."""
    return now if incident.last_event_at is None else max(now, incident.last_event_at)


def _next_look(change: Change) -> datetime | None:
    """When somebody must look again: at what is due and left to a driver, else when the next thing comes due."""
    waiting = [move.due_at for move in change.moves.due]
    return min([*waiting, *([] if change.moves.wake_at is None else [change.moves.wake_at])], default=None)


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
