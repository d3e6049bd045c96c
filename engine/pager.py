"""The only caller of providers. Takes outbox rows, sends each once, and writes down what became of it.

A row is claimed only at the moment it can be sent. What the provider says becomes an event through the door, so that a
failure moves the ladder on in the same transaction. An unknown outcome counts as a failure at once; meanwhile the
provider is asked for half a minute whether it has the message.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from contacts.addresses import PROVIDERS, ChannelKind
from engine.bundles import bundle_row
from engine.clock import Clock
from engine.door import Change, Door, not_before
from engine.pace import LIMITS, Paced, is_paced, pace
from incidents import commands as c
from incidents import events as e
from incidents.errors import (
    CommandRefused,
    NotificationError,
    OptedOut,
    OutcomeUnknown,
    ProviderUnavailable,
    TocsinError,
    Undeliverable,
    UnknownIncident,
)
from incidents.events import PageFailure
from notifications.channel import Channel, Message, Sent
from storage import outbox
from storage.database import Database, DatabaseError, Tx
from storage.outbox import OutboxRow

log = logging.getLogger("tocsin.pager")

ASKED_AT_ONCE = 10
"""Enquiries under way at once: they must not take the connections that pages need."""
BUDGET = 8.0
"""Seconds that one provider call may take in all."""
LEASE = 30.0
"""Seconds that a claim holds."""
ENQUIRE_FOR, ENQUIRE_EVERY = 30.0, 2.0
LOOK_EVERY = 0.2
MOST_NOTICE_ATTEMPTS = 6
FIRST_PAUSE, LEAST_CALL = 0.5, 1.0
"""Seconds before a page that was refused for the moment is offered again, doubling; and what a call needs at least."""

_FAILURE: dict[type[NotificationError], PageFailure] = {
    Undeliverable: PageFailure.REFUSED,
    OptedOut: PageFailure.REFUSED,
    ProviderUnavailable: PageFailure.PROVIDER_ERROR,
    OutcomeUnknown: PageFailure.UNKNOWN,
}


class Pager:
    """`run` works until cancelled; `nudge` says that there may be new rows."""

    def __init__(
        self,
        database: Database,
        door: Door,
        channels: Mapping[ChannelKind, Channel],
        clock: Clock,
        name: str,
        *,
        publish: Callable[[Change], None],
        link: Callable[[str, str], str | None],
        checkpoint: Callable[[str], None],
        slots: int = 100,
        others: Mapping[tuple[ChannelKind, str], Channel] | None = None,
        bundle: Callable[[Tx, Sequence[OutboxRow], datetime], OutboxRow] = bundle_row,
        opted_out: Callable[[str, str], Awaitable[object]] | None = None,
    ) -> None:
        """`others` are the channels of further providers; `bundle` makes one message of several pages to a phone.

        `opted_out(address, because)` hears of owners who have told their provider to stop.
        """
        self._opted_out = opted_out
        self._others = {} if others is None else others
        self._bundle = bundle
        self._database = database
        self._door = door
        self._channels = channels
        self._clock = clock
        self._name = name
        self._publish = publish
        self._link = link
        self._checkpoint = checkpoint
        self._slots = slots
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._nudged = asyncio.Event()
        self._busy: Counter[str] = Counter()
        self._asking_at_once = asyncio.Semaphore(ASKED_AT_ONCE)
        self._fresh: list[OutboxRow] = []
        self._behind = True
        self._looked_at = 0.0
        self.last_look_at = clock.monotonic()

    @property
    def in_flight(self) -> int:
        return len(self._sending)

    def nudge(self) -> None:
        self._nudged.set()

    def committed(self, rows: Sequence[OutboxRow]) -> None:
        """These rows have just been committed: they need not be looked for."""
        self._fresh.extend(rows)
        self._nudged.set()

    async def take_over(self) -> int:
        """Rows that a process before this one had claimed: nobody knows whether they left. Returns how many."""
        rows = self._database.read_now(lambda tx: outbox.orphaned(tx, self._name))
        for row in rows:
            await self._in_doubt(row, "the engine stopped while sending")
        for row in self._database.read_now(lambda tx: outbox.unknown_since(tx, self._now() - ENQUIRE_FOR, 1000)):
            self._enquire(row)
        return len(rows)

    async def run(self) -> None:
        """Until cancelled. Trouble with the storage is waited out: the rows are still there afterwards."""
        try:
            while True:
                self._nudged.clear()
                self.last_look_at = self._clock.monotonic()
                try:
                    started = await self._start_due()
                except (TocsinError, DatabaseError) as error:
                    log.error("pages cannot be claimed error=%s", error)
                    started, self._behind = False, True
                if not started:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):  # not wait_for: it can swallow a cancellation
                            await self._nudged.wait()
        finally:
            for task in (*self._sending.values(), *self._asking.values()):
                task.cancel()

    async def cancel_calls(self, rows: Sequence[OutboxRow]) -> None:
        """Calls that still ring for a ladder that is over. Best effort: a call that goes on does no harm."""
        for row in rows:
            channel = self._channel(row)
            if channel is not None and row.provider_id is not None:
                with contextlib.suppress(NotificationError):
                    await channel.cancel(row.provider_id)

    # --- claiming ---

    async def _start_due(self) -> bool:
        now = self._now()
        paced = self._paced(self._wanted(now), now)
        if not (paced.alone or paced.together or paced.later):
            return False

        def work(tx: Tx) -> list[OutboxRow]:
            wanted = [row.message_id for row in paced.alone]
            for row, until in paced.later:
                outbox.hold(tx, row.message_id, until, now)
            for rows in paced.together:
                whole = self._bundle(tx, rows, self._clock.now())
                if outbox.bundle(tx, whole, [row.message_id for row in rows], now):
                    wanted.append(whole.message_id)
            return outbox.claim(tx, wanted, self._name, now + LEASE, now)

        claimed = await self._database.write(work)
        self._checkpoint("after claim")
        for row in claimed:
            task = asyncio.create_task(self._send(row))
            self._busy[row.channel] += 1
            self._sending[row.message_id] = task
        return bool(claimed)

    def _paced(self, waiting: Sequence[OutboxRow], now: float) -> Paced:
        """Which of these leave now, alone or together, and which phones have had enough for the moment."""
        if not any(is_paced(row) for row in waiting):
            return Paced(tuple(waiting), (), ())
        addresses = list({row.address for row in waiting if is_paced(row)})
        since = now - max(limit.seconds for limit in LIMITS.values())
        history: dict[tuple[str, str], list[float]] = {}
        for channel, address, at in self._database.read_now(lambda tx: outbox.left_for(tx, addresses, since)):
            history.setdefault((channel, address), []).append(at)
        return pace(waiting, history, now)

    def _wanted(self, now: float) -> list[OutboxRow]:
        """What to claim next, most pressing first. The table is read only when there may be more than is known."""
        fresh, self._fresh = self._fresh, []
        if fresh and not self._behind and now - self._looked_at < LOOK_EVERY:
            waiting = [row for row in sorted(fresh, key=_pressing) if row.due_at <= now]
        else:
            full = [channel for channel, busy in self._busy.items() if busy >= self._slots]
            waiting = self._database.read_now(lambda tx: outbox.due(tx, now, self._slots, full))
            self._behind, self._looked_at = len(waiting) == self._slots, now
        fitting = self._fitting(waiting)
        self._behind = self._behind or len(fitting) < len(waiting)
        return fitting

    def _fitting(self, waiting: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Those for which their own channel has a slot: a provider that hangs holds up no other."""
        room = Counter({row.channel: self._slots for row in waiting}) - self._busy
        fitting: list[OutboxRow] = []
        for row in waiting:
            if room[row.channel] > 0 and row.message_id not in self._sending:
                room[row.channel] -= 1
                fitting.append(row)
        return fitting

    async def sweep(self) -> None:
        """Claims of ours that have run out without a task behind them (the result could not be written)."""
        rows = self._database.read_now(lambda tx: outbox.expired(tx, self._now(), 100))
        for row in rows:
            if row.message_id not in self._sending:
                await self._in_doubt(row, "the claim ran out")

    async def _in_doubt(self, row: OutboxRow, because: str) -> None:
        """One row whose incident cannot be decided about stops no other; the tick sets that incident aside."""
        try:
            await self._doubtful(row, row.claim or "", because)
        except Exception:
            log.exception("the outcome cannot be written message=%s", row.message_id)
            now, claim = self._now(), row.claim or ""
            with contextlib.suppress(DatabaseError):
                await self._database.write(
                    lambda tx: outbox.finish(tx, row.message_id, claim, "unknown", None, because, now)
                )

    # --- sending ---

    async def _send(self, row: OutboxRow) -> None:
        try:
            outcome = await self._hand_over(row)
            self._checkpoint("provider accepted")
            self._checkpoint("before record")
            await self._record(row, outcome)
        except TocsinError as error:
            # The row stays claimed; `sweep` takes it up when the lease has run out.
            log.error("result not recorded message=%s error=%s", row.message_id, error)
        finally:
            self._sending.pop(row.message_id, None)
            self._busy[row.channel] -= 1
            self._nudged.set()

    async def _hand_over(self, row: OutboxRow) -> Sent | NotificationError:
        """A page that the provider will not take just now is offered again with backoff, within the page's budget."""
        until = self._clock.monotonic() + BUDGET
        pause = FIRST_PAUSE
        while True:
            outcome = await self._hand_over_once(row, until - self._clock.monotonic())
            if not (isinstance(outcome, ProviderUnavailable) and outcome.passing and row.kind in ("page", "bundle")):
                return outcome
            wait = max(outcome.retry_after or 0.0, pause)
            if self._clock.monotonic() + wait + LEAST_CALL > until:
                return outcome
            await asyncio.sleep(wait)
            if not self._still_wanted(row):
                return outcome
            pause *= 2

    def _still_wanted(self, row: OutboxRow) -> bool:
        """Whether somebody still has to be called by this page: it may have been answered meanwhile (invariant 4)."""
        try:
            return self._database.read_now(lambda tx: self._wants(tx, row))
        except (TocsinError, DatabaseError):
            return True

    def _wants(self, tx: Tx, row: OutboxRow) -> bool:
        pages = outbox.bundled_in(tx, row.message_id) if row.kind == "bundle" else [row]
        return any(self._door.still_calls(tx, page, self._clock.now()) for page in pages)

    async def _hand_over_once(self, row: OutboxRow, budget: float) -> Sent | NotificationError:
        channel = self._channel(row)
        if channel is None and row.provider is not None and ChannelKind(row.channel) in self._channels:
            return ProviderUnavailable(f"the provider {row.provider} is not configured on this installation")
        if channel is None:
            return Undeliverable(f"{row.channel} is not configured on this installation")
        try:
            async with asyncio.timeout(budget):
                return await channel.send(self._message(row))
        except TimeoutError:
            return OutcomeUnknown(f"no answer from the provider in {BUDGET:.0f} s")
        except NotificationError as error:
            return error
        except Exception as error:
            log.exception("channel failed message=%s channel=%s", row.message_id, row.channel)
            return OutcomeUnknown(f"{type(error).__name__}: {error}")

    async def _record(self, row: OutboxRow, outcome: Sent | NotificationError) -> None:
        if isinstance(outcome, OptedOut) and self._opted_out is not None:
            await self._opted_out(row.address, str(outcome))
        if isinstance(outcome, Sent):
            await self._write(lambda tx: self._sent(tx, row, outcome))
        elif row.kind not in ("page", "bundle"):
            await self._write(lambda tx: _some(self._notice_failed(tx, row, outcome)))
        elif isinstance(outcome, OutcomeUnknown):
            await self._doubtful(row, self._name, str(outcome))
        else:
            await self._write(lambda tx: self._failed(tx, row, outcome))

    def _sent(self, tx: Tx, row: OutboxRow, sent: Sent) -> list[Change]:
        now = self._clock.now()
        channel = self._channel(row)
        receipts = channel is not None and channel.gives_receipts
        state = "sent" if receipts else "delivered"
        held = outbox.finish(tx, row.message_id, self._name, state, sent.provider_id, None, now.timestamp())
        if not held:
            current = outbox.get(tx, row.message_id)
            if current is not None and current.state == "unknown":
                outbox.set_state(tx, row.message_id, state, sent.provider_id, now.timestamp())
        return [change for page in self._pages(tx, row, state) for change in self._page_sent(tx, page, sent, receipts)]

    def _page_sent(self, tx: Tx, page: OutboxRow, sent: Sent, receipts: bool) -> list[Change]:
        if page.escalation is None:
            return []
        by = f"provider:{page.channel}"
        change = self._apply(tx, page, c.RecordSent(page.message_id, sent.provider_id, by))
        if change is None:
            return []
        if not receipts:
            return [change, *_some(self._apply(tx, page, c.RecordDelivered(page.message_id, by)))]
        if not change.after.escalations[page.escalation].live and page.bundle is None:
            # Answered while the call was being placed: it must not ring.
            change.cancel.append(replace(page, provider_id=sent.provider_id))
        return [change]

    def _pages(self, tx: Tx, row: OutboxRow, state: str) -> list[OutboxRow]:
        """The pages that a row carries: itself, or those that it tells together, which share its fate."""
        if row.kind != "bundle":
            return [row] if row.kind == "page" else []
        pages = outbox.bundled_in(tx, row.message_id)
        for page in pages:
            if outbox.goes_on(page.state, state):
                outbox.set_state(tx, page.message_id, state, None, self._clock.now().timestamp())
        return pages

    def _failed(self, tx: Tx, row: OutboxRow, error: NotificationError) -> list[Change]:
        now = self._clock.now().timestamp()
        log.warning("page failed message=%s channel=%s because=%s", row.message_id, row.channel, error)
        outbox.finish(tx, row.message_id, self._name, "failed", None, str(error), now)
        failure = _FAILURE.get(type(error), PageFailure.PROVIDER_ERROR)
        return self._all_failed(tx, row, failure, str(error), "failed")

    def _all_failed(self, tx: Tx, row: OutboxRow, failure: PageFailure, because: str, state: str) -> list[Change]:
        by = f"provider:{row.channel}"
        return [
            change
            for page in self._pages(tx, row, state)
            for change in _some(self._apply(tx, page, c.RecordFailed(page.message_id, failure, because, by)))
        ]

    def _notice_failed(self, tx: Tx, row: OutboxRow, error: NotificationError) -> Change | None:
        """A notice that certainly did not leave is tried again with backoff; one in doubt is not sent twice."""
        now = self._clock.now().timestamp()
        if isinstance(error, ProviderUnavailable) and row.attempts < MOST_NOTICE_ATTEMPTS:
            pause = max(error.retry_after or 0.0, 2.0**row.attempts)
            outbox.postpone(tx, row.message_id, self._name, now + pause, str(error), now)
        else:
            state = "unknown" if isinstance(error, OutcomeUnknown) else "failed"
            outbox.finish(tx, row.message_id, self._name, state, None, str(error), now)
            if row.kind == "update":
                return self._update_failed(tx, row, str(error))
        return None

    def _update_failed(self, tx: Tx, row: OutboxRow, because: str) -> Change | None:
        """People wait for this update: the timeline says that it did not leave, and the commander is paged."""
        now, by = self._clock.now(), f"provider:{row.channel}"
        try:
            change = self._door.append(
                tx,
                row.incident_id,
                lambda incident: [
                    e.PublicationFailed(
                        at=not_before(incident, now), by=by, message_id=row.message_id, to=row.contact, because=because
                    )
                ],
                now,
            )
            commander = change.after.commander
            if commander is None or not change.after.status.is_open:
                return change
            why = f"an update did not reach {row.contact}: {because}"
            return self._door.apply(tx, row.incident_id, c.PagePeople((commander,), why, by), now)
        except (CommandRefused, UnknownIncident):
            return None

    # --- doubt ---

    async def _doubtful(self, row: OutboxRow, claimed_by: str, because: str) -> None:
        """Unknown outcome: a failed delivery at once, and the provider is asked."""

        def work(tx: Tx) -> list[Change]:
            now = self._clock.now().timestamp()
            outbox.finish(tx, row.message_id, claimed_by, "unknown", None, because, now)
            return self._all_failed(tx, row, PageFailure.UNKNOWN, because, "unknown")

        await self._write(work)
        self._enquire(row)

    def _enquire(self, row: OutboxRow) -> None:
        if row.kind in ("page", "bundle") and row.message_id not in self._asking:
            self._asking[row.message_id] = asyncio.create_task(self._ask(row))

    async def _ask(self, row: OutboxRow) -> None:
        channel = self._channel(row)
        until = self._clock.monotonic() + ENQUIRE_FOR
        try:
            while channel is not None and self._clock.monotonic() < until:
                found = await self._recover(channel, row)
                if found is not None:
                    await self._note_proof(row, found)
                    return
                await asyncio.sleep(ENQUIRE_EVERY)
        finally:
            self._asking.pop(row.message_id, None)

    async def _note_proof(self, row: OutboxRow, found: Sent) -> None:
        await self._write(lambda tx: self._proven(tx, row, found))

    async def _recover(self, channel: Channel, row: OutboxRow) -> Sent | None:
        try:
            async with self._asking_at_once, asyncio.timeout(BUDGET):
                return await channel.recover(self._message(row))
        except (TimeoutError, NotificationError):
            return None
        except Exception:
            log.exception("enquiry failed message=%s channel=%s", row.message_id, row.channel)
            return None

    def _proven(self, tx: Tx, row: OutboxRow, found: Sent) -> list[Change]:
        outbox.set_state(tx, row.message_id, "sent", found.provider_id, self._clock.now().timestamp())
        by = f"provider:{row.channel}"
        return [
            change
            for page in self._pages(tx, row, "sent")
            for change in _some(self._apply(tx, page, c.RecordProven(page.message_id, found.provider_id, by)))
        ]

    # --- small ---

    def _apply(self, tx: Tx, row: OutboxRow, command: c.Command) -> Change | None:
        """The incident's side of a row's fate. A row that belongs to no incident (a test page) has none."""
        try:
            return self._door.apply(tx, row.incident_id, command, self._clock.now())
        except UnknownIncident:
            return None

    async def _write(self, work: Callable[[Tx], list[Change]]) -> None:
        for change in await self._database.write(work):
            self._publish(change)

    def _channel(self, row: OutboxRow) -> Channel | None:
        """The channel of the row's provider; None when this installation has none of that name."""
        kind = ChannelKind(row.channel)
        if row.provider in (None, PROVIDERS[kind]):
            return self._channels.get(kind)
        return self._others.get((kind, row.provider or ""))

    def _message(self, row: OutboxRow) -> Message:
        return Message(
            message_id=row.message_id,
            incident=row.incident_id,
            kind=row.kind,  # type: ignore[arg-type]  # the column holds what compose wrote, a MessageKind
            to=row.address,
            text=row.text,
            language=row.language,  # type: ignore[arg-type]  # likewise "en" or "es"
            code=row.code,
            link=self._link(row.incident_id, row.contact),
            drill=row.drill,
            contact=row.contact,
            question=row.escalation is not None and row.escalation.startswith("question-"),
        )

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _some(change: Change | None) -> list[Change]:
    return [] if change is None else [change]


def _pressing(row: OutboxRow) -> tuple[int, float]:
    return row.priority, row.due_at
