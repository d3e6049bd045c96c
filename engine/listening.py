"""What people write, heard once: read, kept, and its source's cursor moved, in one transaction.

Whoever polls a source (the flow `listen`, a webhook, the engine itself) brings what it found through `hear`. A batch
with a cursor is taken only while the cursor is still the one that it was polled from, so that two pollers cannot undo
each other. When nobody has read a source for twice its interval, the engine runs the same function itself.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from engine.book import PlanBook
from engine.clock import Clock
from incidents.errors import CursorMoved, TocsinError
from listening.build import build_sources
from listening.reading import Reader
from listening.session import listen
from listening.source import Batch, Source, SourceFailed
from listening.tone import Tone
from signals.listening import Listening as ListeningPlan
from signals.mention import Mention, Tagged
from storage import log as incident_log
from storage import mentions as store
from storage.database import Database, DatabaseError, Tx

LOOK_EVERY = 1.0
"""Seconds between two looks at who reads which source."""
COVER_AFTER = 2.0
"""Intervals of a source without anybody reading it, after which the engine does."""
ALLOWED_AHEAD = 120.0
"""Seconds that a network's clock may be ahead of ours; what comes from further is counted as written now."""
MARGIN = 1.0
"""Seconds that a commit may take before its mentions count later than they were written."""
TELL_AFTER = 600.0
"""Seconds of trouble after which the operators are told, once a trouble."""
UNKNOWN_AFTER = 3600.0
"""Seconds without anybody reading a source, after which those hours do not count as usual."""
SILENT_AFTER = 2.0
"""Intervals without a reading after which a source counts as silent."""
READ_AT_ONCE = 200
"""Mentions read in one thread call: language and tone cost milliseconds."""

log = logging.getLogger("tocsin.listening")


@dataclass(frozen=True, slots=True)
class Step:
    """A cursor's way: a batch that was polled from `before` leaves the source at `after`."""

    before: str | None
    after: str | None


class Listening:
    """A companion of the engine. `follow_plan` when another plan is in force."""

    def __init__(
        self,
        database: Database,
        book: PlanBook,
        clock: Clock,
        page_operators: Callable[[str, str], Awaitable[None]],
        nudge: Callable[[], None],
        *,
        folder: Path,
        tone: Tone | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._page_operators = page_operators
        self._nudge = nudge
        self._tone = tone
        self._environment = os.environ if environment is None else environment
        self._folder = folder
        self._making: asyncio.Task[Reader] | None = None
        self._outdated = True
        self._sources: dict[str, Source] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._not_before: dict[str, float] = {}
        self._silent: set[str] = set()
        self._told: set[str] = set()
        self._closing: asyncio.Task[None] | None = None
        self._since = clock.now().timestamp()

    # --- life ---

    def start(self) -> None:
        self.follow_plan()
        self._since = self._clock.now().timestamp()
        self._task = asyncio.create_task(self._run(), name="listening")

    async def stop(self) -> None:
        if self._making is not None:
            self._making.cancel()
        running = [task for task in (self._task, *self._tasks.values()) if task is not None]
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._task = None
        self._tasks = {}
        await _close(self._sources.values())
        self._sources = {}

    def follow_plan(self) -> None:
        """Another plan is in force: other words, other sources. What is being read is read again from its cursor."""
        self._making = None
        self._outdated = True

    async def _reader(self) -> Reader | None:
        """Who reads by the plan in force. Made once a plan, in a thread: word lists and models take their time."""
        plan, thresholds = self.plan, self._book.thresholds
        if plan is None:
            return None
        if self._making is None:
            topics = {} if thresholds is None else thresholds.topics
            self._making = asyncio.create_task(asyncio.to_thread(Reader, plan, topics, self._tone), name="reader")
        return await asyncio.shield(self._making)

    async def _build_sources(self) -> None:
        """The sources of the plan in force. In a thread: the networks' clients take up to 1.6 s to import."""
        plan = self.plan
        sources: list[Source] = []
        if plan is not None:
            await self._reader()
            sources = await asyncio.to_thread(build_sources, plan, self._environment, self._clock.now, self._folder)
        self._take(sources)

    def _take(self, sources: Sequence[Source]) -> None:
        """Read these from now on. What is being read of the old ones ends, and is read again from its cursor."""
        self._outdated = False
        old = list(self._sources.values())
        self._sources = {source.name: source for source in sources}
        if old:
            leaving, self._tasks = list(self._tasks.values()), {}
            self._closing = asyncio.create_task(_leave(leaving, old))

    @property
    def plan(self) -> ListeningPlan | None:
        """listening.yaml as it is in force."""
        return self._book.plan.listening

    # --- what is heard ---

    async def hear(self, source: str, mentions: Sequence[Mention], *, by: str, step: Step | None = None) -> int:
        """Keep what a source brought, and move its cursor. Returns how many mentions of our brands were new.

        Durable when it returns; what was kept before stays as it was. Raises CursorMoved when `step` no longer fits,
        Overloaded and StorageBroken when nothing can be kept now: whoever polled does so again.
        """
        tagged = await self._read(mentions)

        def work(tx: Tx) -> int:
            now = self._clock.now().timestamp()
            stand = store.stand(tx, source)
            if step is not None and stand.cursor != step.before:
                raise CursorMoved(f"{source} has been read by somebody else meanwhile.")
            kept = sum(self._keep(tx, each, now) for each in tagged)
            store.move(tx, source, stand.cursor if step is None else step.after, by, now)
            self._speaks_again(tx, stand, now)
            if step is not None:
                self._note_gap(tx, stand, now)
            return kept

        kept = await self._database.write(work, droppable=True)
        if kept:
            self._nudge()
        return kept

    async def report(self, mention: Mention, brand: str | None, *, by: str) -> tuple[list[Tagged], int]:
        """Keep what a person saw, as of a brand where they name one. Gives what it was read as and how many are new.

        Nothing is kept, and nothing given, where no brand is named and the words name none. Durable when it returns.
        """
        tagged = await self._read([mention])
        if brand is not None and brand not in [each.brand for each in tagged]:
            tagged = [replace(each, brand=brand) for each in tagged[:1]]
        tagged = [each for each in tagged if brand in (None, each.brand)]

        def work(tx: Tx) -> int:
            now = self._clock.now().timestamp()
            log.info("heard by hand source=%s id=%s by=%s", mention.source, mention.id, by)
            return sum(self._keep(tx, each, now) for each in tagged)

        kept = await self._database.write(work) if tagged else 0
        if kept:
            self._nudge()
        return tagged, kept

    async def _read(self, mentions: Sequence[Mention]) -> list[Tagged]:
        reader = await self._reader()
        if reader is None:
            return []
        found: list[Tagged] = []
        for start in range(0, len(mentions), READ_AT_ONCE):
            part = mentions[start : start + READ_AT_ONCE]
            for each in await asyncio.to_thread(reader.read_many, part):
                found.extend(each)
        return found

    def _keep(self, tx: Tx, tagged: Tagged, now: float) -> bool:
        """One mention of one brand, with what becomes of it: a case, or the answer to one."""
        mention = tagged.mention
        if not store.keep(tx, tagged, now, self.counts_at(mention.at, now)):
            return False
        if tagged.by_us:
            if mention.reply_to or mention.thread:
                store.answer_case(tx, mention.source, mention.thread or mention.reply_to, mention.at.timestamp())
        elif tagged.complaint and not mention.repost_of and store.open_case(tx, tagged):
            self._put_under_incident(tx, tagged)
        return True

    def _put_under_incident(self, tx: Tx, tagged: Tagged) -> None:
        """Whoever complains while an incident that rules raised is open belongs to it, until they say it is calm."""
        latest = next(iter(store.latest_assessments(tx, tagged.brand, 1)), None)
        if latest is None or latest.incident_id is None or latest.body.get("kind") == "calm":
            return
        row = incident_log.incident_row(tx, latest.incident_id)
        if row is not None and row.is_open:
            store.put_cases_under(tx, tagged.brand, row.id, tagged.mention.at.timestamp())

    def counts_at(self, written: datetime, now: float) -> float:
        """When a mention counts: when it was written, or now at the latest; never before what was decided already."""
        late = 30.0 if self.plan is None else self.plan.late.total_seconds()
        at = written.timestamp()
        if at > now + ALLOWED_AHEAD:
            return now
        return min(max(at, now - max(late - MARGIN, 0.0)), now)

    async def failed(self, source: str, because: str, retry_after: float | None = None) -> None:
        """A poll of a source ended in trouble: the cursor stays, and whoever looks sees why."""
        now = self._clock.now().timestamp()
        if retry_after is not None:
            self._not_before[source] = now + retry_after

        def work(tx: Tx) -> store.Stand:
            store.fail(tx, source, because[:500], now)
            return store.stand(tx, source)

        stand = await self._database.write(work)
        if stand.trouble_since is not None and now - stand.trouble_since >= TELL_AFTER and source not in self._told:
            self._told.add(source)
            await self._page_operators(
                f"source-{source}-{stand.trouble_since:.0f}", f"source {source} cannot be read: {because}"
            )

    # --- the engine's own readings ---

    @property
    def readings(self) -> Sequence[asyncio.Task[None]]:
        """The engine's own sittings that are under way."""
        return [task for task in self._tasks.values() if not task.done()]

    def is_silent(self, source: str) -> bool:
        """Whether `source:<name>` fires."""
        return source in self._silent

    def not_before(self, source: str) -> float | None:
        """Until when the network has asked to be left alone, whoever reads it; seconds since the epoch."""
        return self._not_before.get(source)

    def due_at(self, source: Source, stand: store.Stand) -> float:
        """When the engine reads a source itself, unless somebody does before; seconds since the epoch."""
        every = source.every.total_seconds()
        last = stand.polled_at if stand.polled_at is not None else self._since - every
        ours = stand.polled_by == "engine"
        due = last + (every if ours else COVER_AFTER * every)
        return max(due, self._not_before.get(source.name, 0.0))

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (TocsinError, DatabaseError) as error:
                log.error("sources cannot be looked at error=%s", error)
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Begin to read every source that is due by now. What is being read already goes on."""
        if self._outdated:
            await self._build_sources()
        now = self._clock.now().timestamp()
        stands = self._database.read_now(store.stands)
        self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
        for source in self._sources.values():
            stand = stands.get(source.name, store.Stand(source.name))
            await self._note_silence(source, stand, now)
            if source.name not in self._tasks and self.due_at(source, stand) <= now:
                self._tasks[source.name] = asyncio.create_task(self._listen(source, stand.cursor))

    async def _listen(self, source: Source, cursor: str | None) -> None:
        async def take(batch: Batch, before: str | None) -> None:
            await self.hear(source.name, batch.mentions, by="engine", step=Step(before, batch.cursor))

        try:
            await listen(source, cursor, take, lasting=source.every.total_seconds())
        except CursorMoved:
            log.debug("source %s is read by somebody else", source.name)
        except SourceFailed as error:
            log.warning("source not read source=%s because=%s", source.name, error)
            await self._keep_trying(source, str(error), error.retry_after)
        except (TocsinError, DatabaseError) as error:
            log.warning("nothing of a source could be kept source=%s because=%s", source.name, error)
            self._not_before[source.name] = self._clock.now().timestamp() + source.every.total_seconds()
        except Exception:
            log.exception("source %s broke", source.name)
            await self._keep_trying(source, "an error of ours; the log has it", None)

    async def _keep_trying(self, source: Source, because: str, retry_after: float | None) -> None:
        with contextlib.suppress(TocsinError, DatabaseError):
            await self.failed(source.name, because, max(retry_after or 0.0, source.every.total_seconds()))

    # --- silence is a signal too ---

    async def _note_silence(self, source: Source, stand: store.Stand, now: float) -> None:
        """A source that nobody could read for twice its interval fires as `source:<name>` until it speaks again."""
        last = stand.polled_at if stand.polled_at is not None else self._since
        silent = now - last >= SILENT_AFTER * source.every.total_seconds() and stand.trouble is not None
        if not silent or source.name in self._silent:
            return
        names = (f"source:{source.name}", "source:*")
        await self._database.write(lambda tx: store.keep_alert(tx, f"source:{source.name}", names, now, firing=True))
        self._silent.add(source.name)
        self._nudge()

    def _note_gap(self, tx: Tx, before: store.Stand, now: float) -> None:
        """A source that nobody has read for an hour: what its brands were in those hours is unknown, not zero."""
        plan = self.plan
        if plan is None or before.polled_at is None or now - before.polled_at < UNKNOWN_AFTER:
            return
        spec = next((each for each in plan.sources if each.name == before.source), None)
        concerned = [each.id for each in plan.brands] if spec is None or spec.brand is None else [spec.brand]
        for brand in concerned:
            store.keep_gap(tx, brand, before.source, before.polled_at, now)

    def _speaks_again(self, tx: Tx, before: store.Stand, now: float) -> None:
        """What `before` says of its trouble outlives a restart of ours, and with it the sign that it was silent."""
        source = before.source
        self._told.discard(source)
        self._not_before.pop(source, None)
        if source not in self._silent and before.trouble is None:
            return
        self._silent.discard(source)
        store.keep_alert(tx, f"source:{source}", (f"source:{source}",), now, firing=False)


async def _leave(readings: Sequence[asyncio.Task[None]], sources: Iterable[Source]) -> None:
    """End what reads these sources before they are closed: it would take that for trouble of theirs."""
    for task in readings:
        task.cancel()
    await asyncio.gather(*readings, return_exceptions=True)
    await _close(sources)


async def _close(sources: Iterable[Source]) -> None:
    for source in sources:
        with contextlib.suppress(Exception):
            await source.close()
