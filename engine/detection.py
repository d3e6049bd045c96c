"""Tails what was heard and lets the detector decide; what it finds becomes an incident, in one transaction.

The detector is told everything in the order in which it counts, `late` seconds after it was written: by then whatever
comes at all has come, so that a replay of the table finds the same. An assessment is written under an id derived from
facts, with the incident that it declares or joins: replayed after a kill it does nothing twice. The detector's memory
is kept every minute; a start takes it and tells it the rest. With other rules it is told everything again, in silence.
"""

import asyncio
import contextlib
import hashlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial

import orjson

from engine.book import PlanBook
from engine.clock import Clock, from_stamp
from engine.door import Change, Door
from engine.intake import Heard
from incidents import commands as c
from incidents.errors import CommandRefused, TocsinError, UnknownIncident
from signals.detector import Detector, Finding, Picture, listened_since
from signals.rules import SOURCES, Thresholds
from signals.signal import Signal
from storage import keys
from storage import mentions as store
from storage.database import Database, DatabaseError, Tx

EVERY = 1.0
"""Seconds between two looks; a nudge makes it look at once."""
AT_ONCE = 500
"""Rows told between two breaths of the loop."""
REMEMBER_EVERY = 60.0
FORGET_EVERY = 3600.0
LOOKS_BACK = 16 * 86400.0
"""Seconds of history that a new detector is told: the usual looks back 15 days."""
FORMAT = "3"
"""Of the memory; another one is rebuilt from the table."""

_BEGAN = frozenset({"declared", "folded", "grouped", "stormed", "flapping"})

log = logging.getLogger("tocsin.detection")


class Detection:
    """A companion of the engine. `follow_plan` when another plan is in force."""

    def __init__(
        self,
        database: Database,
        door: Door,
        book: PlanBook,
        clock: Clock,
        publish: Callable[[Change], None],
        page_operators: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._database = database
        self._door = door
        self._book = book
        self._clock = clock
        self._publish = publish
        self._page_operators = page_operators
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._seq = 0
        """The last row that was taken from the table."""
        self._waiting: list[tuple[float, int, store.Row]] = []
        """Rows that do not count yet, the first to count first."""
        self._reached = (0.0, 0)
        """The moment and row up to which everything was told."""
        self._remembered_at = 0.0
        self._forgot_at = 0.0
        self._stale = True
        self._unwritten = False
        """The detector knows of a finding that the store does not have: its memory must not be kept."""
        self.detector: Detector | None = None
        """None while the plan has no thresholds, or while they are being made ready."""

    # --- life ---

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="detection")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self.detector is not None and not self._stale and not self._unwritten:
            with contextlib.suppress(TocsinError, DatabaseError):
                await self._database.write(self._remember)

    def follow_plan(self) -> None:
        self._stale = True
        self.nudge()

    def nudge(self) -> None:
        """Something was heard."""
        self._nudged.set()

    async def _run(self) -> None:
        while True:
            self._nudged.clear()
            try:
                await self.look()
            except (TocsinError, DatabaseError) as error:
                log.error("nothing can be decided now error=%s", error)
                self._stale = self._stale or self._unwritten
            except Exception as error:
                log.exception("the detector broke; it is made anew")
                self._stale = True
                await self._page_operators("detection", f"the detector broke and is made anew: {error}")
                await asyncio.sleep(EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._nudged.wait()

    # --- monitors ---

    def note_alerts(
        self, tx: Tx, integration: str, signals: Sequence[Signal], heard: Sequence[Heard], now: datetime
    ) -> None:
        """Alerts that began to fire, for rules that ask about them; in the transaction that hears them."""
        if self.detector is None or not self.detector.program.alerts:
            return
        for signal, each in zip(signals, heard, strict=True):
            if signal.action == "trigger" and each.outcome in _BEGAN:
                key = f"{integration}:{signal.dedup_key}"
                store.keep_alert(tx, key, names_of(signal), now.timestamp(), firing=True)
        self.nudge()

    async def _note_recovered(self, detector: Detector, now: float) -> None:
        """Whatever made an alert recover: its sender, its end, a person."""
        known = [key for key in detector.firing() if not key.startswith("source:")]
        if not known:
            return
        standing = self._database.read_now(lambda tx: {key: keys.lookup(tx, key) for key in known})
        over = [key for key, each in standing.items() if each is None or not each.firing]
        if over:
            await self._database.write(partial(_keep_recovered, over=over, now=now))

    # --- making ready ---

    @property
    def rules(self) -> str:
        """Whose memory fits: the same rules, brands and format."""
        plan = self._book.plan
        brands = () if plan.listening is None else tuple(each.id for each in plan.listening.brands)
        text = f"{FORMAT}\n{brands}\n{None if plan.thresholds is None else plan.thresholds.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    async def _make_ready(self) -> None:
        """The detector of the plan in force, told what has been heard so far. Its findings of then are history.

        What was heard after the kept memory, and counts, is told as if it came now: a kill lost nothing.
        """
        thresholds = self._book.thresholds
        self.detector = None
        if thresholds is None:
            self._stale = False
            return
        plan = self._book.plan.listening
        brands = () if plan is None else tuple(each.id for each in plan.brands)
        memory = self._database.read_now(store.memory)
        now = self._clock.now().timestamp()
        detector = None if memory is None else self._remembered(thresholds, brands, memory)
        if detector is None:
            detector = Detector(thresholds, brands)
            until = self._until(now) if memory is None else memory.counted_at
            self._begin_as_before(detector, memory, now - LOOKS_BACK)
            await self._tell_history(detector, now - LOOKS_BACK, until)
        self._waiting = []
        self._unwritten = False
        await self._gather_since_reached(now)
        self.detector = detector
        self._stale = False

    def _remembered(self, thresholds: Thresholds, brands: Sequence[str], memory: store.Memory) -> Detector | None:
        """The detector as its memory has it; None when that is of other rules, or cannot be read and is made anew."""
        if memory.rules != self.rules:
            return None
        detector = Detector(thresholds, brands)
        try:
            detector.restore(orjson.loads(memory.body))
        except (KeyError, IndexError, TypeError, ValueError):
            log.exception("the detector's memory cannot be read; what was heard is told again")
            return None
        self._reached = (memory.counted_at, memory.seq)
        return detector

    @staticmethod
    def _begin_as_before(detector: Detector, memory: store.Memory | None, since: float) -> None:
        """What is usual goes on under other rules: a brand of which nobody writes has been listened to all the same."""
        if memory is None:
            return
        with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):  # the memory of another version
            before = listened_since(orjson.loads(memory.body))
            for brand in set(before).intersection(detector.brands()):
                detector.begin(brand, max(before[brand], int(since // 60)))

    async def _tell_history(self, detector: Detector, since: float, until: float) -> None:
        self._reached = (since, 0)
        while True:
            rows = self._rows_after(self._reached, until)
            for row in rows:
                detector.hear(row.heard)
                self._reached = (row.counted_at, row.seq)
            if len(rows) < AT_ONCE:
                detector.pass_time(until)
                self._reached = max(self._reached, (until, 0))
                return
            await asyncio.sleep(0)

    async def _gather_since_reached(self, now: float) -> None:
        """What counts later than what was told."""
        place = self._reached
        self._seq = self._database.read_now(store.last_seq)
        while True:
            rows = self._rows_after(place, now + 1e6)
            for row in rows:
                if row.seq <= self._seq:
                    heapq.heappush(self._waiting, (row.counted_at, row.seq, row))
                place = (row.counted_at, row.seq)
            if len(rows) < AT_ONCE:
                return
            await asyncio.sleep(0)

    def _rows_after(self, place: tuple[float, int], until: float) -> list[store.Row]:
        return self._database.read_now(lambda tx: store.counted_after(tx, *place, until, AT_ONCE))

    # --- deciding ---

    def _until(self, now: float) -> float:
        """The moment up to which whatever comes at all has come."""
        plan = self._book.plan.listening
        return now - (30.0 if plan is None else plan.late.total_seconds())

    async def look(self) -> None:
        """Decide about what counts by now; under new rules the detector is made anew before."""
        if self._stale:
            await self._make_ready()
        await self._look()

    async def _look(self) -> None:
        """Tell the detector what counts by now, and write down what it finds."""
        detector = self.detector
        if detector is None:
            return
        now = self._clock.now().timestamp()
        await self._note_recovered(detector, now)
        while True:
            rows = self._database.read_now(lambda tx: store.after(tx, self._seq, AT_ONCE))
            for row in rows:
                heapq.heappush(self._waiting, (row.counted_at, row.seq, row))
                self._seq = row.seq
            await self._tell(detector, self._until(now))
            if len(rows) < AT_ONCE:
                break
            await asyncio.sleep(0)
        if now - self._remembered_at >= REMEMBER_EVERY:
            await self._database.write(self._remember)
            self._remembered_at = now
        if now - self._forgot_at >= FORGET_EVERY:
            self._forgot_at = now
            await self._database.write(lambda tx: store.forget(tx, now - store.KEPT_FOR, 5000))

    async def _tell(self, detector: Detector, until: float) -> None:
        told = 0
        until = max(until, self._reached[0])
        while self._waiting and self._waiting[0][0] <= until:
            _, _, row = heapq.heappop(self._waiting)
            found = detector.hear(row.heard)
            self._reached = max(self._reached, (row.counted_at, row.seq))
            await self._act_on(found)
            told += 1
            if told % AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._act_on(detector.pass_time(until))
        self._reached = max(self._reached, (until, 0))

    async def _act_on(self, found: list[Finding]) -> None:
        """What is found and not written down, because of a kill or a stop, is found again from the memory before."""
        self._unwritten = bool(found)
        for finding in found:
            change = await self._database.write(partial(self._carry_out, finding=finding))
            if change is not None:
                self._publish(change)
        self._unwritten = False

    def _remember(self, tx: Tx) -> None:
        if self.detector is not None:
            body = orjson.dumps(self.detector.state())
            store.remember(tx, store.Memory(*self._reached, self.rules, body))

    # --- what follows ---

    def _carry_out(self, tx: Tx, finding: Finding) -> Change | None:
        """The assessment and the incident that it declares, joins or calms, once."""
        assessment = finding.assessment
        body = {
            "kind": finding.kind,
            "episode": finding.episode,
            "situation": assessment.situation,
            "because": assessment.because,
            "rules": finding.rules,
            "started": finding.started,
            "pictures": [picture_body(each) for each in finding.pictures],
        }
        row = store.AssessmentRow(finding.id, finding.brand, finding.at, None, str(assessment.severity), body)
        if not store.assess_once(tx, row):
            return None
        now = self._clock.now()
        key = f"rules:{finding.episode}"
        known = keys.lookup(tx, key)
        change: Change | None = None
        if finding.kind == "calm":
            change = None if known is None else self._propose(tx, known.incident_id, finding)
        elif known is None:
            change = self._declare(tx, finding, key)
        else:
            # A key of its own: each rule that joins stands in the timeline with its sentences.
            fold = c.FoldSignal(
                f"{key}/{finding.id}",
                self._title(finding),
                assessment.severity,
                "rule",
                because=" ".join(assessment.because),
                wakes=finding.ignores_quiet_hours,
            )
            try:
                change = self._door.apply(tx, known.incident_id, fold, now)
                keys.open_key(tx, key, known.incident_id, assessment.severity, now.timestamp())
            except (CommandRefused, UnknownIncident):
                change = self._declare(tx, finding, key)
        if change is not None:
            store.assigned(tx, finding.id, change.after.id)
            if finding.kind != "calm":
                store.put_cases_under(tx, finding.brand, change.after.id, finding.at - 86400.0)
        return change

    def _propose(self, tx: Tx, incident_id: str, finding: Finding) -> Change | None:
        """Stepping down, to whoever leads it. None where it is over already."""
        thresholds, note = self._book.thresholds, " ".join(finding.assessment.because)
        try:
            incident = self._door.load(tx, incident_id)
            if thresholds is None or not incident.status.is_open or incident.resolved_at is not None:
                return None
            return self._door.propose_to_step_down(tx, incident_id, note, thresholds.calm, self._clock.now())
        except (CommandRefused, UnknownIncident):
            return None

    def _declare(self, tx: Tx, finding: Finding, key: str) -> Change:
        plan, assessment, now = self._book.plan, finding.assessment, self._clock.now()
        situation = plan.situations[assessment.situation]

        def make(new_id: str) -> c.Declare:
            return c.Declare(
                id=new_id,
                title=self._title(finding),
                severity=assessment.severity,
                situation=assessment.situation,
                plan_version=self._book.version,
                by="rule",
                drill=situation.drill,
                area=situation.area,
                because=assessment.because,
                dedup_key=key,
                wakes=finding.ignores_quiet_hours,
            )

        change = self._door.declare(tx, now, make)
        keys.open_key(tx, key, change.after.id, assessment.severity, now.timestamp())
        log.info("rules declared %s brand=%s at=%s", change.after.id, finding.brand, from_stamp(finding.at))
        return change

    def _title(self, finding: Finding) -> str:
        plan = self._book.plan.listening
        brand = None if plan is None else plan.brand(finding.brand)
        named = "our sources" if finding.brand == SOURCES else finding.brand
        return f"{' and '.join(finding.started or finding.rules)} ({named if brand is None else brand.names[0]})"


def names_of(signal: Signal) -> frozenset[str]:
    """What a rule may call an alert: its labels' values and the words of its summary, in lower case."""
    words = (word.strip(".,:;!?()[]\"'") for word in signal.summary[:1000].split())
    return frozenset(each.lower() for each in (*signal.labels.values(), *words) if each)


def _keep_recovered(tx: Tx, over: Sequence[str], now: float) -> None:
    for key in over:
        store.keep_alert(tx, key, (), now, firing=False)


def picture_body(picture: Picture) -> dict[str, object]:
    """For the store and the API."""
    return asdict(picture) | {"limit": None if picture.limit == float("inf") else picture.limit}
