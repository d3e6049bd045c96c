"""The engine, wired: everything that lives as long as the process, and every operation that the outside may ask for."""

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol, TextIO

from contacts.addresses import PROVIDERS, ChannelKind
from contacts.directory import Contact, Directory
from engine.answers import declared_sentence, sentence_for
from engine.book import PlanBook
from engine.briefing import Briefing, brief
from engine.calendars import Calendars
from engine.clock import Clock, random_token
from engine.compose import Composer, digest
from engine.detection import Detection
from engine.door import Change, Door
from engine.expectations import Expectations
from engine.faults import checkpoint_from
from engine.feed import Feed
from engine.grounds import Grounds
from engine.home import Home
from engine.intake import Heard, Intake
from engine.links import Links
from engine.listening import Listening
from engine.mailbox import Mailbox
from engine.numbers import Numbers
from engine.outside import page_operators, trial_row
from engine.pager import Pager
from engine.presence import Presence
from engine.receipts import Receipts
from engine.remarks import Remarks, changes_around
from engine.silences import Silences
from engine.subscriptions import BrowserSubscriptions, with_push_key
from engine.tick import Tick
from engine.verification import Verification
from engine.view import SocialScores, incident_view
from engine.wheel import Wheel
from incidents import commands as c
from incidents import events as e
from incidents.errors import CommandRefused, Overloaded, PlanInvalid, UnknownIncident
from incidents.evolve import fold
from incidents.impact import read_answers
from incidents.severity import Severity
from incidents.state import Incident
from listening.tone_model import tone_of
from notifications.channel import Answer, Channel
from notifications.channels import ChannelSettings, build_channels, build_others
from notifications.email_tokens import SIGNED
from runbooks.loader import LoadedPlan, load_plan
from runbooks.moves import kind_of
from runbooks.next_moves import executives_of
from signals.integration import Integration
from signals.signal import Signal
from storage import log as incident_log
from storage import mentions, outbox, plans
from storage.database import Database, Tx
from storage.migrate import migrate
from storage.outbox import OutboxRow

log = logging.getLogger("tocsin.engine")

HEARD_AT_ONCE = 25
"""Signals in one work; it holds up the loop while it runs."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What one engine needs to know; tocsin.settings makes it from the environment."""

    home: Path
    plan: Path
    url: str
    public_url: str | None = None
    api_token: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    heartbeat_url: str | None = field(default=None, repr=False)
    channels: ChannelSettings = field(default_factory=ChannelSettings)
    fault: str | None = None


class Companion(Protocol):
    """Something that lives as long as the engine pages, and whose trouble is never the engine's."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


class Engine:
    """`start` makes it ready to page; `stop` lets what is queued be committed. Use one a process."""

    def __init__(self, config: EngineConfig, clock: Clock, stream: TextIO) -> None:
        self.config = config
        self.clock = clock
        self.home = Home(config.home)
        self._stream = stream
        self._lock: IO[str] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.book = PlanBook()
        self.feed = Feed()
        self.presence = Presence(started_at=clock.monotonic())
        self.moves_made: Counter[tuple[str, str]] = Counter()
        self.signals_heard: Counter[str] = Counter()
        self.started = False
        self.plan_trouble: str | None = None
        """Why the plan folder is not what is in force, or None."""
        self._absence: asyncio.Task[None] | None = None
        self._companions: list[Companion] = []

    # --- life ---

    def accompany(self, companion: Companion) -> None:
        """Start it when this engine starts, or now if it has; stop it before the channels close."""
        self._companions.append(companion)
        if self.started:
            companion.start()

    def prepare(self) -> None:
        """Everything that can refuse to start, before a port is opened: home, lock, schema, plan, secrets."""
        self.home.prepare()
        self._lock = self.home.lock()
        migrate(self.home.database)
        checkpoint = checkpoint_from(self.config.fault)
        self.checkpoint = checkpoint
        self.database = Database(self.home.database, checkpoint=checkpoint)
        self.database.start()
        self.token = self.home.token(self.config.api_token)
        self.epoch = self.database.read_now(plans.epoch)
        self.links = Links(self.home.secret(self.config.secret_key), self.config.public_url, self.epoch)
        self.subscriptions = BrowserSubscriptions(self.database, self.clock)
        self.channels: dict[ChannelKind, Channel] = build_channels(
            with_push_key(self.config.channels, self.home),
            self._stream,
            now=self.clock.now,
            subscriptions=self.subscriptions,
            sign_mail=self._sign_mail,
        )
        self.other_channels = build_others(self.config.channels)
        self.mailbox = Mailbox(self, self.config.channels.email, self._sign_mail)
        self._activate(self._load_plan())
        self._wire(checkpoint)

    def _sign_mail(self, message_id: str) -> str:
        """What makes our mail addresses ours; of this installation's epoch, as links are."""
        return self.links.signature("mail", message_id, "")[:SIGNED]

    def _load_plan(self) -> LoadedPlan:
        """The plan folder; if somebody has left it broken, the last plan that was in force (and operators are told).

        Raises PlanInvalid only where no plan was ever in force: an engine that restarts in a crisis must page.
        """
        try:
            return load_plan(self.config.plan)
        except PlanInvalid as error:
            last = self.database.read_now(plans.last_active)
            if last is None:
                self.database.close()
                self._release()
                raise
            self.plan_trouble = error.problems[0]
            log.critical("the plan folder cannot be used; the last good plan is in force: %s", error)
            return LoadedPlan(plan=last[0], directory=last[1], warnings=())

    def _wire(self, checkpoint: Callable[[str], None]) -> None:
        self.name = f"engine-{os.getpid()}-{random_token(3)}"
        others = [(kind, channel) for (kind, _), channel in self.other_channels.items()]
        everything = [*self.channels.items(), *others]
        composer = Composer(
            self.epoch,
            self.links,
            two_way=frozenset(kind.value for kind, channel in everything if channel.two_way),
            receipts=frozenset(kind.value for kind, channel in everything if channel.gives_receipts),
        )
        self.composer = composer
        self.door = Door(composer, self.book, self.presence.is_driven, lambda: self.presence.anybody)
        self.intake = Intake(self.door, self.book)
        self.pager = Pager(
            self.database,
            self.door,
            self.channels,
            self.clock,
            self.name,
            publish=self.publish,
            link=self.links.url,
            checkpoint=checkpoint,
            others=self.other_channels,
            opted_out=lambda address, because: self.numbers.take_out(address, because, by_owner=False),
        )
        self.numbers = Numbers(self.database, self.door, self.book, self.clock, self.publish)
        self.numbers.load()
        carriers = {*((kind, PROVIDERS[kind]) for kind in self.channels), *self.other_channels}
        self.verification = Verification(
            self.database, self.book, self.clock, self.numbers, self.epoch, carriers, self.pager.nudge
        )
        self.grounds = Grounds(self.book, self.clock)
        self.remarks = Remarks(self.database, self.door, self.clock, self.publish, self.page_operators)
        self.receipts = Receipts(self.database, self.door, self.clock, self.publish, self.epoch)
        self.wheel = Wheel(self.database, self.door, self.presence, self.clock, self.publish)
        self.tick = Tick(self)
        self.calendars = Calendars(self.database, self.book, self.clock, self.page_operators, self.tick.nudge)
        self.calendars.load()
        self.accompany(self.calendars)
        tone, problems = tone_of(self.config.home)
        for problem in problems:
            log.error("a judge of tone cannot be used: %s", problem)
        self.detection = Detection(self.database, self.door, self.book, self.clock, self.publish, self.page_operators)
        self.listening = Listening(
            self.database,
            self.book,
            self.clock,
            self.page_operators,
            self.detection.nudge,
            folder=self.config.plan,
            tone=tone,
        )
        self.accompany(self.detection)
        self.accompany(self.listening)
        self.social = SocialScores(self.database)
        self.silences = Silences(self.database, self.clock, self.book)
        self.expectations = Expectations(self)
        self.accompany(self.expectations)

    async def start(self) -> None:
        """Take over what an earlier process left, and begin to page."""
        await self.pager.take_over()
        self._tasks = [
            asyncio.create_task(self.pager.run(), name="pager"),
            asyncio.create_task(self.tick.run(), name="tick"),
            asyncio.create_task(self.tick.watch(), name="watch"),
        ]
        for task in self._tasks:
            task.add_done_callback(_fall)
        self._absence = asyncio.create_task(self.tick.note_absence(), name="absence")
        self._absence.add_done_callback(_fall)
        self.started = True
        await self.mailbox.start()
        for each in self._companions:
            each.start()
        if self.plan_trouble is not None:
            await self.page_operators(
                f"plan-{digest(self.plan_trouble)[:8]}",
                f"the plan folder cannot be used, the last good plan is in force: {self.plan_trouble}",
            )

    def announce(self) -> None:
        """Tell the command line where we are, once the port is open."""
        self.home.write_address(self.config.url, self.token)

    async def stop(self) -> None:
        """Stop paging in order: nothing new is claimed, what was decided is committed. A second call does nothing."""
        await self.mailbox.stop()
        running = [*self._tasks, *([] if self._absence is None else [self._absence])]
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        for each in self._companions:
            await each.stop()
        for channel in (*self.channels.values(), *self.other_channels.values()):
            await channel.close()
        await asyncio.to_thread(self.database.close)
        self._release()

    def _release(self) -> None:
        """Let go of the home."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _activate(self, loaded: LoadedPlan) -> str:
        now = self.clock.now().timestamp()

        def work(tx: Tx) -> str:
            directory = plans.store_directory(tx, loaded.directory, now)
            version = plans.store_plan(tx, loaded.plan, now)
            plans.set_active(tx, version, directory)
            return version

        version = self.database.write_now(work)
        self.book.activate(version, loaded.plan, loaded.directory)
        return version

    async def activate_plan(self) -> str:
        """Load the plan folder again. An invalid plan raises PlanInvalid and changes nothing."""
        loaded = await asyncio.to_thread(load_plan, self.config.plan)
        self.plan_trouble = None
        version = await asyncio.to_thread(self._activate, loaded)
        self.calendars.follow_plan()
        self.listening.follow_plan()
        self.detection.follow_plan()
        self.expectations.follow_plan()
        await self.database.write(lambda tx: self._look_again(tx))
        self.tick.nudge()
        return version

    def _look_again(self, tx: Tx) -> None:
        """A directory change recomputes the due times of open incidents: they are a cache."""
        now = self.clock.now().timestamp()
        for incident_id in incident_log.open_ids(tx):
            incident_log.set_next_due(tx, incident_id, now)

    @property
    def heartbeat_url(self) -> str | None:
        return self.config.heartbeat_url

    @property
    def directory(self) -> Directory:
        return self.book.directory

    @property
    def can_page(self) -> bool:
        return self.started and all(not task.done() for task in self._tasks)

    # --- after a commit ---

    def publish(self, change: Change) -> None:
        """What follows a commit and may be lost with the process: hints, metrics, hanging up calls."""
        if not change.events and not change.performed:
            return
        for each in change.performed:
            self.moves_made[kind_of(each.move), each.by] += 1
        self.feed.changed(change.after.id)
        if change.rows:
            self.pager.committed(change.rows)
        if change.cancel:
            task = asyncio.create_task(self.pager.cancel_calls(change.cancel))
            task.add_done_callback(_retrieve)
        if change.moves.due:
            self.tick.nudge()

    # --- signals ---

    def integration(self, key: str) -> Integration | None:
        return self.book.plan.integration(key)

    async def hear(self, integration: Integration, signals: Sequence[Signal]) -> list[Heard]:
        """Signals of one body, durable when this returns. Raises Overloaded; the sender repeats them then.

        A long body is taken in parts, so that its first pages leave while the rest is heard and nobody else waits.
        """
        now = self.clock.now()
        if len(signals) <= HEARD_AT_ONCE:
            everything = await self._hear(integration, signals, now)
        else:
            parts = [signals[start : start + HEARD_AT_ONCE] for start in range(0, len(signals), HEARD_AT_ONCE)]
            heard = await asyncio.gather(*(self._hear(integration, part, now) for part in parts))
            everything = [each for part in heard for each in part]
        await self.answer_for(integration.name, everything)
        return everything

    async def answer_for(self, sender: str, heard: Sequence[Heard]) -> None:
        """Nothing accepted is lost: what could not be taken is sent again, and the operators are told."""
        outcomes = {each.outcome for each in heard}
        today = self.clock.now()
        if "unrouted" in outcomes:
            await self.page_operators(
                f"unrouted-{sender}-{today:%Y%m%d}",
                f"a signal of {sender} matches no route of the plan; it is kept, nobody is paged for it.",
            )
        if "failed" in outcomes:
            await self.page_operators(
                f"signal-{sender}-{today:%Y%m%d}",
                f"a signal of {sender} cannot be taken; its sender is asked to send it again.",
            )
            raise Overloaded("One of these signals could not be taken; the others were. Send it again.", 30)

    async def _hear(self, integration: Integration, signals: Sequence[Signal], now: datetime) -> list[Heard]:
        def work(tx: Tx) -> list[Heard]:
            heard = self.intake.hear(tx, integration, signals, now)
            self.detection.note_alerts(tx, integration.name, signals, heard, now)
            return heard

        heard = await self.database.write(work, droppable=True)
        self.take(heard)
        return heard

    def take(self, heard: Sequence[Heard]) -> None:
        """Count what became of signals, and do what follows their commit."""
        for each in heard:
            self.signals_heard[each.outcome] += 1
            if each.change is not None:
                self.publish(each.change)

    # --- incidents ---

    async def declare(
        self,
        *,
        title: str,
        situation: str,
        severity: Severity | None,
        by: str,
        area: str | None = None,
        drill: bool = False,
        because: tuple[str, ...] = (),
        implicated: Sequence[str] = (),
        impact: Mapping[str, str] | None = None,
        command_id: str | None = None,
    ) -> tuple[str, str]:
        """(incident, sentence). A command id seen before gives the same answer again and declares nothing.

        `implicated` have to do with what happened: they and everybody who reports to them stay out of it. `impact`
        answers questions of the plan's matrix; it may make the incident worse than `severity`, never milder.
        """
        left_out = tuple(sorted(self.directory.implicated_in([self.known_contact(each).id for each in implicated])))
        known = self.book.plan.situations.get(situation)
        if known is None:
            raise CommandRefused(
                f"The plan has no situation {situation!r}; it has {', '.join(sorted(self.book.plan.situations))}."
            )
        answers = read_answers(impact or {}, self.book.plan.matrix)
        now = self.clock.now()

        def work(tx: Tx) -> tuple[str, str, Change | None]:
            before = plans.remembered(tx, command_id) if command_id is not None else None
            if before is not None:
                return (*before, None)
            change = self.door.declare(
                tx,
                now,
                lambda new_id: c.Declare(
                    id=new_id,
                    title=title,
                    severity=severity or known.severity,
                    situation=situation,
                    plan_version=self.book.version,
                    by=by,
                    drill=drill or known.drill,
                    area=area or known.area,
                    because=because,
                    implicated=left_out,
                    impact=answers,
                ),
            )
            sentence = declared_sentence(change.after)
            if command_id is not None:
                plans.remember(tx, command_id, change.after.id, sentence, now.timestamp())
            return change.after.id, sentence, change

        incident_id, sentence, change = await self.database.write(work)
        if change is not None:
            self.publish(change)
        return incident_id, sentence

    async def command(
        self, incident_id: str, make: Callable[[Incident, datetime], c.Command], command_id: str | None = None
    ) -> str:
        """Carry out a command and say what it did. A command id seen before does nothing again."""
        now = self.clock.now()

        def work(tx: Tx) -> tuple[str, Change | None]:
            before = plans.remembered(tx, command_id) if command_id is not None else None
            if before is not None:
                return before[1], None
            current = self.door.load(tx, incident_id)
            command = make(current, now)
            if isinstance(command, c.Acknowledge):
                self.checkpoint("during acknowledgement")
            change = self.door.apply(tx, incident_id, command, now)
            sentence = sentence_for(current, change.after, command, self.directory)
            if command_id is not None:
                plans.remember(tx, command_id, incident_id, sentence, now.timestamp())
            return sentence, change

        sentence, change = await self.database.write(work)
        if change is not None:
            self.publish(change)
        return sentence

    async def merge(self, incident_id: str, into: str, by: str) -> str:
        """Merge into another open incident: this one's signals fold into that one from now on."""
        now = self.clock.now()

        def work(tx: Tx) -> list[Change]:
            target = self.door.load(tx, into)
            if not target.status.is_open:
                raise CommandRefused(f"{into} is {target.status}; merge into an incident that is open.")
            if target.drill != self.door.load(tx, incident_id).drill:
                raise CommandRefused("A drill and a real incident are never merged.")
            merged = self.door.apply(tx, incident_id, c.MergeInto(into, by), now)
            told = c.AddNote(f"{incident_id} was merged into this incident: {merged.after.title}", by)
            changes = [merged, self.door.apply(tx, into, told, now)]
            # What still fires there fires here now; a worse severity comes along and calls people.
            changes.extend(
                self.door.apply(tx, into, c.FoldSignal(key, merged.after.title, merged.after.severity, by), now)
                for key, firing in merged.after.signals.items()
                if firing
            )
            return changes

        for change in await self.database.write(work):
            self.publish(change)
        return f"{incident_id} is merged into {into}."

    async def publish_update(
        self, incident_id: str, *, audience: str, text: str, next_in: timedelta | None, by: str, command_id: str | None
    ) -> str:
        """Publish a status update to where the plan sends this audience's, with the promise of the next one."""
        now = self.clock.now()

        def work(tx: Tx) -> tuple[str, Change | None]:
            before = plans.remembered(tx, command_id) if command_id is not None else None
            if before is not None:
                return before[1], None
            incident = self.door.load(tx, incident_id)
            plan = self.book.pinned(tx, incident.plan_version)
            number = len(incident.updates) + 1
            every = next_in or plan.cadence[incident.severity].update_every or timedelta(hours=4)
            until = None if incident.resolved_at is not None and next_in is None else now + every
            places = [place for place in plan.publications if place.audience == audience]
            rows = [
                self.composer.publication(
                    incident,
                    place.channel,
                    place.to,
                    f"{self.epoch}.{incident_id}.update-{number}.{index}",
                    _with_promise(text, until),
                    now,
                )
                for index, place in enumerate(places, start=1)
            ]
            command = c.PublishUpdate(audience, text, until, by, tuple(row.message_id for row in rows))
            change = self.door.apply(tx, incident_id, command, now)
            outbox.insert(tx, rows)
            change.rows.extend(rows)
            sentence = sentence_for(incident, change.after, command, self.directory)
            if not rows:
                sentence += f" The plan names no place to publish for {audience}: it stands in the log only."
            if command_id is not None:
                plans.remember(tx, command_id, incident_id, sentence, now.timestamp())
            return sentence, change

        sentence, change = await self.database.write(work)
        if change is not None:
            self.publish(change)
        return sentence

    async def summarise(self, incident_id: str, by: str) -> tuple[str, Briefing]:
        """Send the executives a summary now, besides the cadence."""
        now = self.clock.now()

        change, briefing = await self.database.write(lambda tx: self.door.brief_executives(tx, incident_id, by, now))
        self.publish(change)
        recipients = executives_of(change.after, change.plan, self.directory, now)
        names = ", ".join(recipients) or "nobody: the plan names no executive who can be reached"
        return f"Summary {change.after.summaries} of {incident_id} goes to {names}.", briefing

    def known_contact(self, reference: str) -> Contact:
        """The contact behind an id or a role. Raises CommandRefused with the ids that exist."""
        return self.grounds.known_contact(reference)

    async def show(self, incident_id: str) -> dict[str, Any]:
        """The incident as the API shows it. Reads the log; changes nothing."""

        def work(tx: Tx) -> dict[str, Any]:
            row = incident_log.incident_row(tx, incident_id)
            if row is None:
                raise UnknownIncident(f"There is no incident {incident_id}.")
            events = incident_log.load_events(tx, incident_id)
            incident = self._fold(events, incident_id)
            plan = self.book.pinned(tx, incident.plan_version)
            view = incident_view(incident, plan, self.directory, events, self.clock.now(), social)
            cases, waiting = mentions.cases_of(tx, incident_id)
            customers = {"cases": cases, "waiting": waiting}
            return {**view, "changes": changes_around(tx, incident), "customers": customers}

        social = await self.social.of(incident_id)
        return await self.database.read(work)

    async def brief(self, incident_id: str) -> Briefing:
        def work(tx: Tx) -> Briefing:
            incident = self._fold(incident_log.load_events(tx, incident_id), incident_id)
            return brief(incident, self.book.pinned(tx, incident.plan_version), self.directory, self.clock.now())

        return await self.database.read(work)

    def _fold(self, events: list[e.Event], incident_id: str) -> Incident:
        incident = fold(events)
        if incident is None:
            raise UnknownIncident(f"There is no incident {incident_id}.")
        return incident

    # --- answers from outside ---

    async def answer(self, answer: Answer, contact: Contact, incident_id: str, channel: str) -> str:
        """A person's word on any channel, carried out; the sentence tells them the truth about who has it."""
        command: c.Command
        match answer.verb:
            case "yes" | "no" | "call":
                make = self.grounds.say(contact.id, answer.verb, channel, message_id=answer.message_id)
                return await self.command(incident_id, make, answer.event_id)
            case "acknowledge":
                command = c.Acknowledge(contact.id, channel, message_id=answer.message_id)
            case "escalate" | "pass":
                command = c.Pass(contact.id, answer.verb == "escalate", message_id=answer.message_id)
            case "resolve":
                command = c.Resolve(f"by {channel}", f"person:{contact.id}", contact.id)
            case _:
                raise CommandRefused(f"{answer.verb} is not something to carry out.")
        return await self.command(incident_id, lambda _incident, _now: command, answer.event_id)

    async def message(self, message_id: str) -> OutboxRow | None:
        return self.database.read_now(lambda tx: outbox.get(tx, message_id))

    async def latest_page_to(self, address: str, incident_id: str | None) -> OutboxRow | None:
        return self.database.read_now(lambda tx: outbox.latest_to(tx, address, incident_id))

    async def incidents_of(self, row: OutboxRow) -> list[str]:
        """The incidents that a message is about: its own, or those of the pages that it tells together."""
        if row.kind != "bundle":
            return [row.incident_id]
        members = self.database.read_now(lambda tx: outbox.bundled_in(tx, row.message_id))
        return list(dict.fromkeys(each.incident_id for each in members))

    def contact_at(self, address: str) -> Contact | None:
        """Whose address this is, as far as contacts.yaml knows."""
        return self.directory.owner_of(address)

    # --- test pages ---

    async def test_page(self, contact_reference: str, channel_kind: str | None) -> tuple[str, str]:
        """Send one marked test page to somebody. (message id, sentence)."""
        contact = self.known_contact(contact_reference)
        channels = [each for each in contact.channels if channel_kind in (None, each.kind)]
        if not channels:
            raise CommandRefused(f"{contact.name} has no channel {channel_kind}.")
        channel = channels[0]
        row = trial_row(self.epoch, contact, channel, self.clock.now())
        await self.database.write(lambda tx: outbox.insert(tx, [row]))
        self.pager.nudge()
        return row.message_id, f"A test page goes to {contact.name} by {channel.kind}."

    # --- trouble ---

    async def page_operators(self, subject: str, sentence: str) -> None:
        """Tell the operators that Tocsin itself is in trouble, once a subject; a second call says it to nobody."""
        now = self.clock.now()

        def work(tx: Tx) -> bool:
            return bool(page_operators(tx, self.epoch, self.book.plan, self.directory, subject, sentence, now))

        news = True
        try:
            news = await self.database.write(work)
        finally:
            # Said here too where it could not be written down: the log may be the only place left.
            if news:
                log.critical("operators paged subject=%s sentence=%s", subject, sentence)
        self.pager.nudge()

    async def set_aside(self, incident_id: str, because: str) -> None:
        """Quarantine an incident whose log cannot be folded, and page the operators."""
        done = await self.database.write(lambda tx: incident_log.quarantine(tx, incident_id, because))
        if done:
            await self.page_operators(
                f"quarantine-{incident_id}", f"{incident_id} cannot be read and is set aside: {because}"
            )


def _with_promise(text: str, until: datetime | None) -> str:
    if until is None:
        return text
    sentence = text.rstrip()
    stop = "" if sentence.endswith((".", "!", "?", "…")) else "."
    return f"{sentence}{stop} Next update by {until:%H:%M} UTC."


def _retrieve(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("hanging up failed error=%s", task.exception())


def _fall(task: "asyncio.Task[None]") -> None:
    """A loop of the engine that ends by an error ends the process: the supervisor starts a sound one."""
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        log.critical("loop died task=%s", task.get_name(), exc_info=error)
        os._exit(70)
