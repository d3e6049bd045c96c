"""The calendars behind schedules: fetched in the background, the last good copy kept, trouble told once.

Ladders read the copies in the book's surroundings and never wait for a feed. A copy is shifts: who is on duty by it is
still asked when a rung is due.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import aiohttp
from pydantic import ValidationError

from contacts.calendars import laid_together, question
from contacts.directory import Contact, Directory
from contacts.schedules import Schedule, Shift
from engine.book import PlanBook
from engine.clock import Clock, from_stamp
from engine.feeds import Failed, Fetched, Marks, Unchanged, fetch, new_session, read
from incidents.errors import TocsinError
from incidents.model import Frozen
from storage import calendars, log
from storage.calendars import CalendarRow
from storage.database import Database, DatabaseError, Tx

logger = logging.getLogger("tocsin.calendars")

EVERY = timedelta(minutes=5)
BEFORE, AHEAD = timedelta(days=1), timedelta(days=400)
"""How far a copy reaches around the moment at which it was read."""
READ_AGAIN = timedelta(days=1)
"""A calendar that never changes is read again this often, so that its copy goes on reaching ahead."""
TOO_OLD = timedelta(days=7)
AT_ONCE = 4
"""Feeds that are fetched at the same time."""
LOOK_LIMIT = 90.0
"""Seconds for one feed, fetched and read: more than both may take, so that no feed ever keeps the others waiting."""
_MOST_PROBLEMS = 50
_LONGEST_TROUBLE = 300


@dataclass(frozen=True, slots=True)
class Copy:
    """What is known of one schedule's calendar."""

    url: str
    shifts: tuple[Shift, ...] = ()
    good_at: datetime | None = None
    """When the feed last was what this copy says; None while it has never been read."""
    read_at: datetime | None = None
    """When its text was last turned into shifts."""
    read_from: str = ""
    """What it was read from: the text and whom it names, as a digest."""
    whom: str = ""
    marks: Marks = field(default_factory=Marks)
    problems: tuple[str, ...] = ()
    """A sentence for each event that could not be used."""
    trouble: str | None = None
    trouble_since: datetime | None = None

    def has_more(self, now: datetime) -> bool:
        """Whether anybody is on duty by it from now on."""
        return any(shift.end > now for shift in self.shifts)


class _Body(Frozen):
    """A copy as it is stored. Shifts are person, start and end in seconds since the epoch."""

    shifts: tuple[tuple[str, float, float], ...]
    read_at: float
    read_from: str
    whom: str
    etag: str
    modified: str
    problems: tuple[str, ...]


class Calendars:
    """A companion of the engine. `load` once before anything pages; `follow_plan` when another plan is in force."""

    def __init__(
        self,
        database: Database,
        book: PlanBook,
        clock: Clock,
        page_operators: Callable[[str, str], Awaitable[None]],
        nudge: Callable[[], None],
    ) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._page_operators = page_operators
        self._nudge = nudge
        self._copies: dict[str, Copy] = {}
        self._told: set[str] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- life ---

    def load(self) -> None:
        """At start: the copies that an earlier process kept. One that cannot be read is fetched anew."""
        for row in self._database.read_now(calendars.every):
            try:
                self._copies[row.schedule] = _copy_of(row)
            except ValidationError as error:
                logger.error("calendar cannot be read back schedule=%s error=%s", row.schedule, error)
        self._surround()

    def follow_plan(self) -> None:
        """The book has another directory: copies of calendars that it no longer names are out, new ones are fetched."""
        self._surround()
        self._wanted.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="calendars")

    async def stop(self) -> None:
        """A second call does nothing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            self._wanted.clear()
            try:
                await self.refresh()
            except Exception:
                logger.exception("calendars not looked at; the next round is in %s", EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY.total_seconds()):
                    await self._wanted.wait()

    # --- what others ask ---

    def copy_of(self, schedule_id: str) -> Copy | None:
        """What is known of this schedule's calendar; None while it was never fetched."""
        return self._copies.get(schedule_id)

    async def refresh(self) -> None:
        """Fetch every calendar of the directory once; each in its own try. Raises nothing."""
        followed = [schedule for schedule in self._book.directory.schedules if schedule.calendar is not None]
        if not followed:
            return
        turns = asyncio.Semaphore(AT_ONCE)
        async with new_session() as session:
            await asyncio.gather(*(self._follow(session, schedule, turns) for schedule in followed))

    # --- one calendar ---

    async def _follow(self, session: aiohttp.ClientSession, schedule: Schedule, turns: asyncio.Semaphore) -> None:
        try:
            async with turns:
                found = await self._look_in_time(session, schedule)
            if self._is_followed(schedule):  # the plan may have changed meanwhile
                await (self._bear(schedule, found) if isinstance(found, Failed) else self._take(schedule, found))
        except (TocsinError, DatabaseError) as error:
            logger.error("calendar not kept schedule=%s error=%s", schedule.id, error)
        except Exception as error:
            logger.exception("calendar not followed schedule=%s", schedule.id)
            with contextlib.suppress(TocsinError, DatabaseError):
                await self._bear(schedule, Failed(f"It cannot be followed ({type(error).__name__})."))

    async def _look_in_time(self, session: aiohttp.ClientSession, schedule: Schedule) -> Copy | Failed:
        try:
            async with asyncio.timeout(LOOK_LIMIT):
                return await self._look(session, schedule)
        except TimeoutError:
            return Failed(f"It takes longer than {LOOK_LIMIT:.0f} s.")

    async def _look(self, session: aiohttp.ClientSession, schedule: Schedule) -> Copy | Failed:
        """The copy as it is now: the one we have where nothing has changed."""
        kept, now, directory = self._copies.get(schedule.id), self._clock.now(), self._book.directory
        url, whom = schedule.calendar or "", _named(schedule, directory)
        mark = _mark(schedule, whom)
        current = kept if kept is not None and _is_current(kept, mark, now) else None
        got = await fetch(session, url, Marks() if current is None else current.marks)
        match got:
            case Failed():
                return got
            case Unchanged():
                return (
                    Failed("Its server answered 304 though nothing was kept.")
                    if current is None
                    else _good(current, now)
                )
            case Fetched():
                read_from = hashlib.sha256(got.text.encode()).hexdigest()
        if current is not None and current.read_from == read_from:
            return replace(_good(current, now), marks=got.marks)
        reading = await read(question(got.text, now - BEFORE, now + AHEAD, whom, schedule.time_zone))
        if isinstance(reading, Failed):
            return reading
        if not reading.sound:
            return Failed(reading.problems[0] if reading.problems else "It cannot be used.")
        if not reading.shifts and kept is not None and kept.has_more(now):
            return Failed("It suddenly has no shifts at all.")
        return Copy(url, reading.shifts, now, now, read_from, mark, got.marks, _some(reading.problems))

    def _is_followed(self, schedule: Schedule) -> bool:
        current = self._book.directory.schedule(schedule.id)
        return current is not None and current.calendar == schedule.calendar

    async def _take(self, schedule: Schedule, copy: Copy) -> None:
        """The feed works. A copy that says something else is in force with the commit that keeps it."""
        before = self._copies.get(schedule.id)
        if before is not None and before.trouble is not None:
            logger.warning("calendar works again schedule=%s", schedule.id)
        now = self._clock.now()
        changed = before is None or before.good_at is None or copy.shifts != before.shifts
        if before is not None and not changed:
            copy = replace(copy, shifts=before.shifts)  # the same tuple, because what is worked out hangs on it
        row = _row_of(schedule.id, copy) if before is None or _reads_otherwise(copy, before) else None

        def work(tx: Tx) -> None:
            if row is None:
                calendars.say(tx, schedule.id, now.timestamp(), None, None)
            else:
                calendars.keep(tx, row)
            if changed:
                self._copies[schedule.id] = copy
                self._surround()
                _look_again(tx, now)

        try:
            await self._database.write(work)
        except BaseException:
            # It stays in force, because it is the newest; not known as kept, it is written by the next round.
            self._forget(schedule.id, before)
            raise
        self._copies[schedule.id] = copy
        if changed:
            logger.info("calendar changed schedule=%s shifts=%d", schedule.id, len(copy.shifts))
            self._nudge()

    def _forget(self, schedule_id: str, before: Copy | None) -> None:
        if before is None:
            self._copies.pop(schedule_id, None)
        else:
            self._copies[schedule_id] = before

    async def _bear(self, schedule: Schedule, failed: Failed) -> None:
        """The feed is in trouble: the last good copy stays in force, and the operators are told once.

        The first failure of a feed of which we have a copy is only noted: it pages when the next round fails as well.
        """
        now = self._clock.now()
        before = self._copies.get(schedule.id) or Copy(schedule.calendar or "")
        sentence = failed.because[:_LONGEST_TROUBLE]
        copy = replace(before, trouble=sentence, trouble_since=before.trouble_since or now)
        first = before.trouble is None
        if first:
            logger.warning("calendar in trouble schedule=%s trouble=%s", schedule.id, sentence)
        if not first or before.good_at is None:
            await self._tell(schedule, copy, now)
        if copy != before:
            await self._database.write(lambda tx: calendars.keep(tx, _row_of(schedule.id, copy)))
            self._copies[schedule.id] = copy

    async def _tell(self, schedule: Schedule, copy: Copy, now: datetime) -> None:
        """Page the operators: once for a trouble, daily while there is no copy or only an old one.

        Told before it is kept, so that a process that dies in between tells it again; a subject is paged once.
        """
        since = copy.trouble_since or now
        daily = copy.good_at is None or now - copy.good_at > TOO_OLD
        subject = f"calendar-{schedule.id}-{now if daily else since:%Y%m%d}"
        if subject in self._told:
            return
        await self._page_operators(subject, _sentence(schedule, copy, since, now))
        self._told.add(subject)

    def _surround(self) -> None:
        """The book knows the copies of the calendars that its directory names, and no others."""
        followed = {each.id for each in self._book.directory.schedules if each.calendar is not None}
        known = {key: copy.shifts for key, copy in self._copies.items() if key in followed and copy.good_at is not None}
        self._book.surround(replace(self._book.live, calendars=known))


def _sentence(schedule: Schedule, copy: Copy, since: datetime, now: datetime) -> str:
    begun = f"the calendar of {schedule.title} (schedule:{schedule.id}) is in trouble since {since:%d %b %H:%M} UTC"
    trouble = f"{begun}: {copy.trouble}"
    if copy.good_at is None:
        return f"{trouble} There is no copy of it: nobody is on duty by it."
    days = (now - copy.good_at).days
    age = f", {days} days old" if now - copy.good_at > TOO_OLD else ""
    return f"{trouble} The copy of {copy.good_at:%d %b %H:%M} UTC stays in force{age}."


def _named(schedule: Schedule, directory: Directory) -> dict[str, str]:
    """Whom a calendar may mean by what: ids, addresses, whole names, and what the schedule itself says, which wins.

    What two people share names neither of them.
    """
    shared: Counter[str] = Counter()
    named: dict[str, str] = {}
    for contact in directory.contacts:
        said = {each.strip().casefold() for each in _said_of(contact)}
        shared.update(said)
        named |= dict.fromkeys(said, contact.id)
    alone = {said: person for said, person in named.items() if shared[said] == 1}
    ids = {contact.id: contact.id for contact in directory.contacts}
    return alone | ids | {said.strip().casefold(): person for said, person in schedule.names.items()}


def _said_of(contact: Contact) -> Iterable[str]:
    return contact.name, *(channel.to for channel in contact.channels if channel.kind == "email")


def _mark(schedule: Schedule, whom: dict[str, str]) -> str:
    """Differs when the same text would be read into other shifts."""
    told = (schedule.calendar, schedule.time_zone, sorted(whom.items()))
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _is_current(copy: Copy, mark: str, now: datetime) -> bool:
    """Whether the same text would still be read into the same shifts."""
    return copy.whom == mark and copy.read_at is not None and now - copy.read_at < READ_AGAIN


def _reads_otherwise(copy: Copy, before: Copy) -> bool:
    """Whether more has to be written than that it is good."""
    return (copy.read_at, copy.marks) != (before.read_at, before.marks)


def _good(copy: Copy, now: datetime) -> Copy:
    return replace(copy, good_at=now, trouble=None, trouble_since=None)


def _some(problems: tuple[str, ...]) -> tuple[str, ...]:
    left_out = len(problems) - _MOST_PROBLEMS
    return problems if left_out <= 0 else (*problems[:_MOST_PROBLEMS], f"So it is with {left_out} more events.")


def _row_of(schedule_id: str, copy: Copy) -> CalendarRow:
    body = b""
    if copy.read_at is not None:
        kept = _Body(
            shifts=tuple((each.person, each.start.timestamp(), each.end.timestamp()) for each in copy.shifts),
            read_at=copy.read_at.timestamp(),
            read_from=copy.read_from,
            whom=copy.whom,
            etag=copy.marks.etag,
            modified=copy.marks.modified,
            problems=copy.problems,
        )
        body = kept.model_dump_json().encode()
    return CalendarRow(
        schedule_id,
        copy.url,
        body,
        0.0 if copy.good_at is None else copy.good_at.timestamp(),
        copy.trouble,
        None if copy.trouble_since is None else copy.trouble_since.timestamp(),
    )


def _copy_of(row: CalendarRow) -> Copy:
    """The reverse of `_row_of`. ValidationError for a body that another version may have written."""
    since = None if row.trouble_since is None else from_stamp(row.trouble_since)
    if not row.body:
        return Copy(row.url, trouble=row.trouble, trouble_since=since)
    body = _Body.model_validate_json(row.body)
    return Copy(
        url=row.url,
        # An earlier version kept them as they overlap.
        shifts=laid_together(Shift(person, from_stamp(start), from_stamp(end)) for person, start, end in body.shifts),
        good_at=from_stamp(row.read_at),
        read_at=from_stamp(body.read_at),
        read_from=body.read_from,
        whom=body.whom,
        marks=Marks(body.etag, body.modified),
        problems=body.problems,
        trouble=row.trouble,
        trouble_since=since,
    )


def _look_again(tx: Tx, now: datetime) -> None:
    """Due times of open incidents are a cache: who is on duty has changed."""
    for incident_id in log.open_ids(tx):
        log.set_next_due(tx, incident_id, now.timestamp())
