"""Who is paged next on one ladder, and when to look again. Pure.

The rules, in the order in which they bind:

- a rung's wait counts from the recorded departure of the rung before (architecture.md "Gaps");
- a failed delivery moves on at once, to the person's next channel, else to the next rung (invariant 7);
- an unknown outcome is a failed delivery; the same channel is repeated, marked, only when no other is left;
- who passes leaves it to the others on their rung, who escalates does not wait for them;
- a person who stands twice on a ladder is paged once;
- a rung that went out late by a minute or more gives the next one a minute at least: no volley after downtime;
- the last rung (in extremis) repeats with backoff until somebody answers (invariant 5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contacts.addresses import ContactChannel
from contacts.directory import Contact, Directory
from incidents.events import PageFailure
from incidents.state import Escalation, Incident, Page
from runbooks.moves import GiveUpOnReceipt, Move, Moves, PageContact, SkipRung
from runbooks.plan import Backoff, Repeat, Rung

RECEIPT_WITHIN = timedelta(seconds=60)
"""A page without its receipt for this long counts as not delivered (invariant 7)."""
ENQUIRY = timedelta(seconds=30)
"""How long the provider is asked about an unknown outcome before the same channel may be repeated."""
LATE = timedelta(seconds=60)
FAILED_CYCLE = timedelta(seconds=30)
"""A contact of the last rung whose every delivery failed is tried again this soon at the latest."""


@dataclass(slots=True)
class _Standing:
    """Where one rung stands: its moves, when it next needs a look, whether it is spent, and when it left."""

    due: tuple[Move, ...] = ()
    wake: tuple[datetime, ...] = ()
    spent_at: datetime | None = None
    departed_at: datetime | None = None


@dataclass(slots=True)
class _View:
    """What every rule below looks at: one escalation of one incident, now."""

    incident: Incident
    escalation: Escalation
    directory: Directory
    now: datetime

    def pages_on(self, rung: int) -> list[Page]:
        pages = (self.incident.pages[message_id] for message_id in self.escalation.pages)
        return [page for page in pages if page.rung == rung]

    def has_left(self, rung: int) -> bool:
        """Whether the ladder has gone beyond this rung: a copy sent on it later holds nobody up."""
        return any(self.incident.pages[message_id].rung > rung for message_id in self.escalation.pages)

    def channels(self, contact_id: str) -> tuple[ContactChannel, ...]:
        contact = self.directory.contact(contact_id)
        return () if contact is None else contact.channels_for(drill=self.incident.drill)


def ladder_moves(
    incident: Incident,
    escalation: Escalation,
    rungs: Sequence[Rung],
    last: tuple[str, ...],
    again: Backoff,
    directory: Directory,
    now: datetime,
) -> Moves:
    """What is due on this ladder now. `last` is the rung that repeats for ever; its number is len(rungs) + 1."""
    view = _View(incident, escalation, directory, now)
    due: list[Move] = []
    wake: list[datetime] = []
    rung_due = escalation.due_at
    for number, rung in enumerate(rungs, start=1):
        if number in escalation.skipped:
            continue
        pages = view.pages_on(number)
        if not pages:
            if rung_due > now:
                return Moves(tuple(due), min([rung_due, *wake]))
            opened = _open_rung(view, number, rung.page, rung_due, ever_paged=_already_paged(view))
            due.extend(opened)
            if isinstance(opened[0], SkipRung):
                continue
            return Moves(tuple(due), min(wake, default=None))
        standing = _rung_standing(view, number, pages, rung.repeat)
        due.extend(standing.due)
        wake.extend(standing.wake)
        if standing.spent_at is not None:
            rung_due = standing.spent_at
        elif standing.departed_at is None and not view.has_left(number):
            return Moves(tuple(due), min(wake, default=None))
        elif standing.departed_at is not None:
            rung_due = standing.departed_at + _wait_after(pages, rung.wait)
    final = _last_rung(view, len(rungs) + 1, last, again, rung_due)
    wake.extend([] if final.wake_at is None else [final.wake_at])
    return Moves((*due, *final.due), min(wake, default=None))


def _already_paged(view: _View) -> frozenset[str]:
    return frozenset(view.incident.pages[message_id].contact for message_id in view.escalation.pages)


def _wait_after(pages: Sequence[Page], wait: timedelta) -> timedelta:
    first = min(pages, key=lambda page: page.requested_at)
    return max(wait, LATE) if first.requested_at - first.due_at >= LATE else wait


def _open_rung(
    view: _View, number: int, references: Iterable[str], due_at: datetime, ever_paged: frozenset[str]
) -> list[Move]:
    """The rung's first pages, in parallel, or the one move that skips it and says why."""
    pages: list[Move] = []
    reasons: list[str] = []
    seen: set[str] = set()
    for index, reference in enumerate(references, start=1):
        contact = view.directory.resolve(reference)
        reason = _unreachable(view, reference, contact, ever_paged, seen)
        if reason is not None or contact is None:
            reasons.append(reason or f"{reference}: nobody")
            continue
        seen.add(contact.id)
        channel = contact.channels_for(drill=view.incident.drill)[0]
        pages.append(_page(view, number, index, contact.id, channel, 1, due_at))
    if pages:
        return pages
    return [SkipRung(view.escalation.id, number, "; ".join(reasons) or "nobody stands on it", due_at)]


def _unreachable(
    view: _View, reference: str, contact: Contact | None, ever_paged: frozenset[str], seen: set[str]
) -> str | None:
    if contact is None:
        return f"{reference} is nobody"
    if contact.id in view.escalation.passed:
        return f"{contact.id} has passed"
    if contact.id in ever_paged or contact.id in seen:
        return f"{contact.id} is already paged"
    if not contact.channels_for(drill=view.incident.drill):
        return f"{contact.id} has no channel" + (" that a drill may use" if view.incident.drill else "")
    return None


def _page(
    view: _View,
    rung: int,
    index: int,
    contact: str,
    channel: ContactChannel,
    attempt: int,
    due_at: datetime,
    *,
    possible_duplicate: bool = False,
) -> PageContact:
    return PageContact(
        escalation=view.escalation.id,
        rung=rung,
        contact=contact,
        contact_index=index,
        channel=channel.kind,
        to=channel.to,
        attempt=attempt,
        due_at=due_at,
        possible_duplicate=possible_duplicate,
    )


def _rung_standing(view: _View, rung: int, pages: Sequence[Page], repeat: Repeat | None) -> _Standing:
    by_contact: dict[int, list[Page]] = {}
    for page in pages:
        by_contact.setdefault(page.contact_index, []).append(page)
    each = [_contact_standing(view, rung, attempts, repeat) for attempts in by_contact.values()]
    spent = [standing.spent_at for standing in each if standing.spent_at is not None]
    hurried = [view.escalation.passed[page.contact] for page in pages if page.contact in view.escalation.escalated]
    departures = [standing.departed_at for standing in each if standing.departed_at is not None]
    return _Standing(
        due=tuple(move for standing in each for move in standing.due),
        wake=tuple(moment for standing in each for moment in standing.wake),
        spent_at=min(hurried) if hurried else max(spent) if len(spent) == len(each) else None,
        departed_at=min(departures, default=None),
    )


def _contact_standing(view: _View, rung: int, attempts: Sequence[Page], repeat: Repeat | None) -> _Standing:
    latest = max(attempts, key=lambda page: page.attempt)
    departed = min((page.sent_at for page in attempts if page.sent_at is not None), default=None)
    if latest.contact in view.escalation.passed:
        return _Standing(spent_at=view.escalation.passed[latest.contact], departed_at=departed)
    if latest.failed:
        return _after_failure(view, rung, attempts, latest, departed)
    if latest.sent_at is None:
        # On its way out. The pager always ends it, as sent, failed or unknown; the claim's lease bounds that.
        return _Standing(departed_at=departed)
    receipt = _missing_receipt(view, latest)
    if receipt is not None:
        return _Standing(due=receipt.due, wake=receipt.wake, departed_at=departed)
    return _repeat(view, rung, attempts, latest, repeat, departed)


def _after_failure(
    view: _View, rung: int, attempts: Sequence[Page], latest: Page, departed: datetime | None
) -> _Standing:
    failed_at = latest.failed_at or latest.requested_at
    tried = {page.channel for page in attempts}
    untried = [channel for channel in view.channels(latest.contact) if channel.kind not in tried]
    if untried:
        move = _page(view, rung, latest.contact_index, latest.contact, untried[0], latest.attempt + 1, failed_at)
        return _Standing(due=(move,), departed_at=departed)
    unknown = [page for page in attempts if page.failure is PageFailure.UNKNOWN and not page.proven]
    repeated = any(page.possible_duplicate for page in attempts)
    reached = any(page.sent_at is not None and not page.failed for page in attempts)
    if not unknown or repeated or reached:
        return _Standing(spent_at=failed_at, departed_at=departed)
    again_at = (unknown[-1].failed_at or unknown[-1].requested_at) + ENQUIRY
    channel = next((each for each in view.channels(latest.contact) if each.kind == unknown[-1].channel), None)
    if channel is None:
        return _Standing(spent_at=failed_at, departed_at=departed)
    if again_at > view.now:
        return _Standing(wake=(again_at,), spent_at=failed_at, departed_at=departed)
    move = _page(
        view,
        rung,
        latest.contact_index,
        latest.contact,
        channel,
        latest.attempt + 1,
        again_at,
        possible_duplicate=True,
    )
    return _Standing(due=(move,), spent_at=failed_at, departed_at=departed)


def _missing_receipt(view: _View, page: Page) -> _Standing | None:
    """A page that owes a receipt: give up on it when it is overdue, else look again then."""
    if not page.expects_receipt or page.delivered_at is not None or page.sent_at is None:
        return None
    if page.failure is not None:
        return None
    give_up_at = page.sent_at + RECEIPT_WITHIN
    if give_up_at <= view.now:
        return _Standing(due=(GiveUpOnReceipt(page.message_id, give_up_at),))
    return _Standing(wake=(give_up_at,))


def _repeat(
    view: _View,
    rung: int,
    attempts: Sequence[Page],
    latest: Page,
    repeat: Repeat | None,
    departed: datetime | None,
) -> _Standing:
    """The same contact again on the next of their channels, as often as the plan says."""
    made = sum(1 for page in attempts if not page.failed) - 1
    channels = view.channels(latest.contact)
    if repeat is None or made >= repeat.times or not channels or latest.sent_at is None:
        return _Standing(departed_at=departed)
    again_at = latest.sent_at + repeat.every
    if again_at > view.now:
        return _Standing(wake=(again_at,), departed_at=departed)
    channel = channels[latest.attempt % len(channels)]
    move = _page(view, rung, latest.contact_index, latest.contact, channel, latest.attempt + 1, again_at)
    return _Standing(due=(move,), departed_at=departed)


def _last_rung(view: _View, number: int, references: tuple[str, ...], again: Backoff, due_at: datetime) -> Moves:
    """In extremis: everybody on it, again and again with backoff. Never ends while nobody answers."""
    everybody = _in_extremis(view, references)
    if not everybody:
        if number in view.escalation.skipped:
            return Moves((), None)
        reason = "nobody at all can be reached" + (" by a drill" if view.incident.drill else "")
        return _when(view.now, due_at, (SkipRung(view.escalation.id, number, reason, due_at),))
    pages = view.pages_on(number)
    if not pages and due_at > view.now:
        return Moves((), due_at)
    each = [
        _endless(view, number, pages, index, contact, again, due_at) for index, contact in enumerate(everybody, start=1)
    ]
    wake = [moment for standing in each for moment in standing.wake]
    return Moves(tuple(move for standing in each for move in standing.due), min(wake, default=None))


def _endless(
    view: _View,
    rung: int,
    pages: Sequence[Page],
    index: int,
    contact: Contact,
    again: Backoff,
    due_at: datetime,
) -> _Standing:
    """One contact of the last rung: on every channel while deliveries fail, then again after a pause, for ever."""
    mine = [page for page in pages if page.contact == contact.id]
    # Who stands on the rung can change; a number that anybody here has had is never given again.
    numbered = (page.attempt for page in pages if page.contact == contact.id or page.contact_index == index)
    attempt = 1 + max(numbered, default=0)
    channels = contact.channels_for(drill=view.incident.drill)
    if not mine:
        return _Standing(due=(_page(view, rung, index, contact.id, channels[0], attempt, due_at),))
    tries = _tries(mine)
    latest = mine[-1]
    if latest.departed_at is None:
        return _Standing()
    if all(page.failed for page in tries[-1]):
        tried = {page.channel for page in tries[-1]}
        untried = [channel for channel in channels if channel.kind not in tried]
        if untried:
            failed_at = latest.failed_at or latest.departed_at
            return _Standing(due=(_page(view, rung, index, contact.id, untried[0], attempt, failed_at),))
    receipt = _missing_receipt(view, latest) or _Standing()
    channel = channels[len(tries) % len(channels)]
    copy = any(page.channel == channel.kind and page.failed and page.state == "unknown" for page in tries[-1])
    again_at = latest.departed_at + _pause(tries, again)
    if copy:
        again_at = max(again_at, (latest.failed_at or latest.departed_at) + ENQUIRY)
    if again_at > view.now:
        return _Standing(due=receipt.due, wake=(*receipt.wake, again_at))
    move = _page(view, rung, index, contact.id, channel, attempt, again_at, possible_duplicate=copy)
    return _Standing(due=(*receipt.due, move))


def _tries(pages: Sequence[Page]) -> list[list[Page]]:
    """The pages of one contact on the last rung: a try goes through their channels while deliveries fail."""
    tries: list[list[Page]] = []
    for page in pages:
        # `failure`, not `failed`: the next channel was tried because this one was believed to have failed then.
        if tries and tries[-1][-1].failure is not None and page.channel not in {each.channel for each in tries[-1]}:
            tries[-1].append(page)
        else:
            tries.append([page])
    return tries


def _pause(tries: Sequence[Sequence[Page]], again: Backoff) -> timedelta:
    doubled: int = 2 ** min(len(tries) - 1, 16)
    pause = min(again.every * doubled, again.at_most)
    if all(page.failed for page in tries[-1]):
        return min(pause, FAILED_CYCLE)
    return _wait_after(tries[-1], pause)


def _in_extremis(view: _View, references: tuple[str, ...]) -> list[Contact]:
    """Who can still be called: those named, else those who passed, else anybody in the directory with a channel."""
    named = [contact for each in references if (contact := view.directory.resolve(each)) is not None]
    for candidates in (
        [contact for contact in named if contact.id not in view.escalation.passed],
        named,
        list(view.directory.contacts),
    ):
        reachable = [contact for contact in candidates if contact.channels_for(drill=view.incident.drill)]
        if reachable:
            return list({contact.id: contact for contact in reachable}.values())
    return []


def _when(now: datetime, due_at: datetime, moves: tuple[Move, ...]) -> Moves:
    return Moves(moves, None) if due_at <= now else Moves((), due_at)
