"""A world in simulated time: the real core, door, intake and storage; telephones and their network are played.

Nothing here decides anything. `passes` moves the clock from one moment at which something is due to the next, lets the
engine's tick go through the door, and hands what the outbox holds to the telephones.
"""

import asyncio
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from contacts.authority import covering_authority, describe, who_can_compensate
from contacts.directory import Directory
from engine.book import PlanBook
from engine.calendars import Calendars
from engine.clock import from_stamp
from engine.compose import Composer
from engine.door import Change, Door
from engine.intake import Heard, Intake
from engine.links import Links
from incidents import commands as c
from incidents.errors import CommandRefused
from incidents.events import Event, PageFailure
from incidents.evolve import fold
from incidents.money import Money, NoCompensationReason
from incidents.severity import Severity
from incidents.state import Incident, missing_to_close
from incidents.timeline import sentence
from runbooks.next_moves import next_moves
from runbooks.plan import Plan
from signals.signal import Action, Signal
from storage import keys, log, outbox
from storage.database import BALLAST_BYTES, Database, Tx
from storage.migrate import migrate
from storage.outbox import OutboxRow
from storage.plans import store_plan
from tests.support.plans import crisis_plan, everybody

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RECEIPTS = frozenset({"sms", "voice"})
AT_THE_PROVIDER = (PageFailure.REFUSED, PageFailure.PROVIDER_ERROR, PageFailure.UNKNOWN)


@dataclass(frozen=True)
class Ring:
    """One page that reached, or tried to reach, a telephone."""

    at: datetime
    row: OutboxRow


@dataclass
class Phone:
    """All the telephones of one person. It takes every message and gives a receipt until told otherwise."""

    world: "World"
    owner: str
    rang: list[Ring] = field(default_factory=list)
    told: list[Ring] = field(default_factory=list)
    unheard: list[Ring] = field(default_factory=list)
    trouble: dict[str, PageFailure] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)

    # --- what it will do ---

    def fails(self, failure: PageFailure, by: str = "any") -> Self:
        """From now on pages fail in this way on this channel."""
        self.trouble[by] = failure
        return self

    def gives_no_receipt(self, by: str = "any") -> Self:
        self.deaf.add(by)
        return self

    def works_again(self) -> Self:
        self.trouble.clear()
        self.deaf.clear()
        return self

    # --- what it did: each ring is asked for once ---

    def rings(self, by: str | None = None) -> Self:
        """It has rung since we last asked; the ring is answered by `presses`, or not."""
        assert self.unheard, f"{self.owner}'s phone does not ring\n{self.world.story()}"
        heard = self.unheard.pop(0)
        assert by is None or heard.row.channel == by, f"{self.owner} was paged by {heard.row.channel}, not {by}"
        self._last = heard
        return self

    _last: Ring | None = None

    def is_silent(self) -> Self:
        assert not self.unheard, f"{self.owner}'s phone rings\n{self.world.story()}"
        return self

    def ignores(self) -> Self:
        """Lets it ring."""
        return self

    def hears(self, words: str) -> Self:
        assert words in self.last.row.text, f"{words!r} is not in {self.last.row.text!r}"
        return self

    def is_told(self, words: str) -> Self:
        """A message that asks for no answer has come since we last asked."""
        found = next((ring for ring in self.told if words in ring.row.text), None)
        assert found is not None, f"{self.owner} was told {[ring.row.text for ring in self.told]}, not {words!r}"
        self.told.remove(found)
        return self

    def is_told_nothing(self) -> Self:
        assert not self.told, f"{self.owner} was told {[ring.row.text for ring in self.told]}"
        return self

    def presses(self, digit: str) -> Self:
        """Answers the ring heard last: 4 takes it, 5 escalates, 6 passes."""
        row = self.last.row
        command: c.Command = (
            c.Acknowledge(self.owner, row.channel, message_id=row.message_id)
            if digit == "4"
            else c.Pass(self.owner, escalates=digit == "5", message_id=row.message_id)
        )
        self.world.does(row.incident_id, command)
        return self

    @property
    def last(self) -> Ring:
        assert self._last is not None, f"{self.owner} has not heard it ring"
        return self._last

    def takes(self, row: OutboxRow) -> PageFailure | None:
        """What becomes of a message that is handed to the provider for this telephone."""
        ring = Ring(self.world.now, row)
        told = (row.channel, row.provider or "", "any")
        failure = next((self.trouble[each] for each in told if each in self.trouble), None)
        if row.kind != "page":
            self.told.append(ring)
            return None
        self.rang.append(ring)
        if failure is None:
            self.unheard.append(ring)
        return failure

    def gives_receipt(self, row: OutboxRow) -> bool:
        return not self.deaf & {row.channel, "any"}


@dataclass(frozen=True)
class Seen:
    """One incident, as somebody looks at it."""

    state: Incident
    events: tuple[Event, ...]
    world: "World"

    def is_now(self, status: str) -> Self:
        assert self.state.status == status, f"{self.state.id} is {self.state.status}\n{self.world.story()}"
        return self

    def is_led_by(self, contact: str | None) -> Self:
        assert self.state.commander == contact, f"{self.state.commander} leads {self.state.id}"
        return self

    def is_rated(self, severity: str) -> Self:
        assert self.state.severity == severity
        return self

    def is_in_round(self, number: int) -> Self:
        assert self.state.round == number
        return self

    def says(self, words: str) -> Self:
        assert any(words in line for line in self.timeline), f"nowhere {words!r} in:\n" + "\n".join(self.timeline)
        return self

    def lacks(self, words: str) -> Self:
        assert any(words in line for line in missing_to_close(self.state)), missing_to_close(self.state)
        return self

    @property
    def timeline(self) -> list[str]:
        return [sentence(event) for event in self.events]

    def kinds(self, *wanted: str) -> list[str]:
        return [event.kind for event in self.events if not wanted or event.kind in wanted]


class World:
    """Use `given_plan` first; then alerts, telephones, people and time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = START
        self.driven = False
        self._network_is_down = False
        self._phones: dict[str, Phone] = {}
        self._file = folder / "tocsin.db"
        _fresh_database(self._file)
        self._open()

    # --- what there is ---

    def given_plan(self, plan: Plan | None = None, people: Directory | None = None) -> None:
        self._plan, self._people = plan or crisis_plan(), people or everybody()
        version = self.database.write_now(lambda tx: store_plan(tx, self._plan, self._stamp))
        self.book.activate(version, self._plan, self._people)

    def given_people(self, people: Directory) -> None:
        """The directory changes; open incidents are looked at again."""
        self._people = people
        self.book.activate(self.book.version, self._plan, people)

        def look_again(tx: Tx) -> None:
            for incident_id in log.open_ids(tx):
                log.set_next_due(tx, incident_id, self._stamp)

        self.database.write_now(look_again)
        self._settle()

    def feeds_are_read(self, calendars: Calendars) -> None:
        """The background has fetched every calendar feed; nobody but it says that anything is to be looked at again."""

        async def refresh() -> None:
            await calendars.refresh()
            await asyncio.sleep(0)  # the last commit's own afterthought

        asyncio.run(refresh())
        self._people = self.book.directory
        self._settle()

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def people(self) -> Directory:
        return self._people

    def phone(self, contact: str) -> Phone:
        return self._phones.setdefault(contact, Phone(self, contact))

    def no_phone_rings(self) -> None:
        """Nobody has been paged since their rings were last asked for."""
        ringing = [phone.owner for phone in self._phones.values() if phone.unheard]
        assert not ringing, f"the phones of {ringing} ring\n{self.story()}"

    def all_ignore(self) -> None:
        """Everybody has heard what rang so far and does nothing about it."""
        for phone in self._phones.values():
            phone.unheard.clear()

    def incident(self, incident_id: str = "INC-1") -> Seen:
        events = self._log_of(incident_id)
        state = fold(events)
        assert state is not None
        return Seen(state, tuple(events), self)

    def incidents(self) -> list[str]:
        return self.database.read_now(log.all_ids)

    def rows(self, incident_id: str = "INC-1") -> list[OutboxRow]:
        return self.database.read_now(lambda tx: outbox.of_incident(tx, incident_id))

    def story(self) -> str:
        """Everything that happened, for whoever reads a failed test."""
        lines = [f"it is {self.now:%d %H:%M:%S}"]
        for incident_id in self.incidents():
            lines += [f"{each.at:%d %H:%M:%S} {each.by:16} {sentence(each)}" for each in self._log_of(incident_id)]
        return "\n".join(lines)

    def _log_of(self, incident_id: str) -> list[Event]:
        return self.database.read_now(lambda tx: log.load_events(tx, incident_id))

    # --- what happens ---

    def alert(self, name: str, severity: str | None = None) -> Heard:
        return self._signal("trigger", name, severity)

    def recovers(self, name: str) -> Heard:
        return self._signal("resolve", name, None)

    def monitor_acknowledges(self, name: str) -> Heard:
        return self._signal("acknowledge", name, None)

    def _signal(self, action: Action, name: str, severity: str | None) -> Heard:
        integration = self.book.plan.integrations[0]
        signal = Signal(action, name, f"{name} fires", "monitor", severity, {"alertname": name})
        heard = self.database.write_now(lambda tx: self.intake.hear(tx, integration, [signal], self.now))
        self._settle()
        return heard[0]

    def declares(
        self,
        title: str = "Shop down",
        severity: Severity = Severity.SEV1,
        *,
        drill: bool = False,
        implicated: tuple[str, ...] = (),
    ) -> str:
        """A person declares an incident; its id."""

        def make(new_id: str) -> c.Declare:
            version = self.book.version
            return c.Declare(new_id, title, severity, "SHOP_DOWN", version, "person:ana", drill, implicated=implicated)

        change = self.database.write_now(lambda tx: self.door.declare(tx, self.now, make))
        self._settle()
        return change.after.id

    def does(self, incident_id: str, command: c.Command) -> Change:
        """Somebody's command goes through the door. Raises CommandRefused."""
        change = self.database.write_now(lambda tx: self.door.apply(tx, incident_id, command, self.now))
        self._settle()
        return change

    def refuses(self, incident_id: str, command: c.Command) -> str:
        """The door says no, and nothing has changed; the sentence that says why."""
        before = self.incident(incident_id)
        try:
            self.does(incident_id, command)
        except CommandRefused as refused:
            assert self.incident(incident_id).events == before.events
            return str(refused)
        raise AssertionError(f"{command} was not refused")

    def pays(
        self,
        contact: str,
        per_customer: Money | None,
        count: int = 100,
        *,
        reason: NoCompensationReason | None = None,
        document: str = "v1",
        rationale: str = "They could not order for two hours.",
        four_eyes_above: int = 150,
    ) -> c.Compensate:
        """The command as the engine makes it: with the authority of this contact looked up."""
        person = self.people.contact(contact)
        assert person is not None
        grant = covering_authority(person, per_customer, count, self.now)
        able = who_can_compensate(self.people, per_customer, count, self.now)
        return c.Compensate(
            contact,
            per_customer,
            "everybody with an order",
            count,
            reason,
            rationale,
            document,
            None if grant is None else describe(grant),
            per_customer is not None and per_customer.amount > four_eyes_above,
            tuple(each.id for each in able),
        )

    def approves(self, contact: str, document: str, per_customer: Money, count: int = 100) -> c.ApproveCompensation:
        person = self.people.contact(contact)
        assert person is not None
        grant = covering_authority(person, per_customer, count, self.now)
        able = who_can_compensate(self.people, per_customer, count, self.now)
        return c.ApproveCompensation(
            contact, document, None if grant is None else describe(grant), tuple(each.id for each in able)
        )

    def report(self, command: c.Command, incident_id: str = "INC-1") -> None:
        """A provider's word, whenever it comes."""
        self.does(incident_id, command)

    # --- time ---

    def passes(self, **span: float) -> None:
        """Time goes by, from one due moment to the next."""
        until = self.now + timedelta(**span)
        while (moment := self._next_moment()) is not None and moment <= until:
            assert moment > self.now, f"something is due at {moment} and nobody makes it\n{self.story()}"
            self.now = moment
            self._come_to_rest()
        self.now = until
        self._settle()

    def network_is_down(self) -> None:
        """What the outbox holds stays there."""
        self._network_is_down = True

    def network_is_back(self) -> None:
        self._network_is_down = False
        self._settle()

    def engine_is_down(self, **span: float) -> None:
        """Time goes by with nobody at work; then the engine starts anew from its file."""
        self.now += timedelta(**span)
        self.restarts()
        self._settle()

    def restarts(self) -> None:
        """A new process: nothing is left but the file."""
        self.database.close()
        self._open()
        self.given_plan(self._plan, self._people)

    def _next_moment(self) -> datetime | None:
        waiting = None if self._network_is_down else self.database.read_now(outbox.oldest_due)
        stamps = [self.database.read_now(log.next_due), waiting]
        return min((from_stamp(stamp) for stamp in stamps if stamp is not None), default=None)

    def _settle(self) -> None:
        self._come_to_rest()
        self._is_what_its_log_says()

    def _come_to_rest(self) -> None:
        for _ in range(500):
            if not (self._make_due() | self._send_due()):
                return
        raise AssertionError(f"it never comes to rest\n{self.story()}")

    def _make_due(self) -> bool:
        def work(tx: Tx) -> bool:
            due = log.due_incidents(tx, self._stamp, 1000)
            changes = [self.door.perform_due(tx, incident_id, "engine", self.now) for incident_id, _ in due]
            return any(change.performed for change in changes)

        return self.database.write_now(work)

    def _send_due(self) -> bool:
        due = [] if self._network_is_down else self.database.read_now(lambda tx: outbox.due(tx, self._stamp, 1000))
        for row in due:
            self._send(row)
        return bool(due)

    # --- the telephone network: claims a row when it can send it, and reports as a provider does ---

    def _send(self, row: OutboxRow) -> None:
        lease = self._stamp + 30
        if not self.database.write_now(lambda tx: outbox.claim(tx, [row.message_id], "network", lease, self._stamp)):
            return
        phone = self.phone(row.contact)
        failure = phone.takes(row)
        by = f"provider:{row.channel}"
        if row.kind != "page":
            self._finish(row, "delivered", ())
        elif failure in AT_THE_PROVIDER:
            state = "unknown" if failure is PageFailure.UNKNOWN else "failed"
            self._finish(row, state, (c.RecordFailed(row.message_id, failure, "", by),))
        elif failure is PageFailure.NO_RECEIPT or not phone.gives_receipt(row):
            self._finish(row, "sent", (c.RecordSent(row.message_id, "SM1", by),))
        else:
            last: c.Command = (
                c.RecordDelivered(row.message_id, by)
                if failure is None
                else c.RecordFailed(row.message_id, failure, "", by)
            )
            state = "delivered" if failure is None else "failed"
            self._finish(row, state, (c.RecordSent(row.message_id, "SM1", by), last))

    def _finish(self, row: OutboxRow, state: str, reports: tuple[c.Command, ...]) -> None:
        def work(tx: Tx) -> None:
            outbox.finish(tx, row.message_id, "network", state, "SM1", None, self._stamp)
            for report in reports:
                self.door.apply(tx, row.incident_id, report, self.now)

        self.database.write_now(work)

    # --- what holds at every moment ---

    def _is_what_its_log_says(self) -> None:
        """The state in the door, the log's fold and what is due from either are the same; the row mirrors them."""

        def look(tx: Tx) -> None:
            for incident_id in log.all_ids(tx):
                folded = fold(log.load_events(tx, incident_id))
                live, moves = self.door.due(tx, incident_id, self.now)
                row = log.incident_row(tx, incident_id)
                assert folded is not None
                assert row is not None
                assert live == folded
                plan = self.book.pinned(tx, folded.plan_version)
                assert next_moves(folded, plan, self.people, self.now) == moves
                assert (row.version, row.status, row.severity) == (folded.version, folded.status, folded.severity)

        self.database.read_now(look)

    def key(self, name: str) -> keys.OpenKey | None:
        return self.database.read_now(lambda tx: keys.lookup(tx, f"monitor:{name}"))

    # --- wiring ---

    def _open(self) -> None:
        self.database = Database(self._file)
        self.database.start()
        # Nobody cuts the power of a simulated world: its commits need not wait for the disk.
        self.database._connection.execute("PRAGMA synchronous=OFF")
        self.book = PlanBook()
        composer = Composer(1, Links("a secret for tests", None), two_way=RECEIPTS, receipts=RECEIPTS)
        self.door = Door(composer, self.book, lambda _: self.driven)
        self.intake = Intake(self.door, self.book)

    def close(self) -> None:
        self.database.close()

    @property
    def _stamp(self) -> float:
        return self.now.timestamp()


def _fresh_database(path: Path) -> None:
    """A migrated file; the ballast beside it is a hole, so that a thousand worlds fit on one disk."""
    template = path.parent.parent / "template.db"
    if not template.exists():
        migrate(template)
    shutil.copy(template, path)
    with path.with_name("ballast").open("wb") as ballast:
        ballast.truncate(BALLAST_BYTES)
