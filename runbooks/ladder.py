"""Who is paged next on one ladder, and when to look again. Pure.

The rules, in the order in which they bind:

- a rung's wait counts from the recorded departure of the rung before (architecture.md "Gaps");
- a failed delivery moves on at once: to the next provider of that channel when the provider was at fault, else to the
  person's next address, else to the next rung (invariant 7);
- an unknown outcome is a failed delivery; the same address is tried again, marked, only when no other is left;
- who passes leaves it to the others on their rung, who escalates does not wait for them;
- a person who stands twice on a ladder is paged once, but for the last rung;
- a rung on which nobody can be paged is skipped at once; whoever comes on duty there later is paged then;
- a rung that went out late by a minute or more gives the next one a minute at least: no volley after downtime;
- the last rung (in extremis) repeats with backoff until somebody answers (invariant 5).

How one person is called, their own channel ladder says (`contacts.directory.Beat`), in `runbooks.reach`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contacts.directory import Contact, Directory, Found, Occasion, Route, excluded
from incidents.events import EscalationKind
from incidents.state import Escalation, Incident, Page
from runbooks.moves import Move, Moves, PageContact, SkipRung, TellContacts
from runbooks.plan import Backoff, Repeat, Rung
from runbooks.reach import ENQUIRY, Standing, first_routes, missing_receipt, next_route, route_of, standing

LATE = timedelta(seconds=60)
FAILED_CYCLE = timedelta(seconds=30)
"""A contact of the last rung whose every delivery failed is tried again this soon at the latest."""


@dataclass(slots=True)
class _View:
    """What every rule below looks at: one escalation of one incident, now."""

    incident: Incident
    escalation: Escalation
    directory: Directory
    now: datetime
    occasion: Occasion

    def pages_on(self, rung: int) -> list[Page]:
        pages = (self.incident.pages[message_id] for message_id in self.escalation.pages)
        return [page for page in pages if page.rung == rung]

    def has_left(self, rung: int) -> bool:
        """Whether the ladder has gone beyond this rung: a copy sent on it later holds nobody up."""
        return any(self.incident.pages[message_id].rung > rung for message_id in self.escalation.pages)

    def routes(self, contact_id: str) -> tuple[Route, ...]:
        contact = self.directory.contact(contact_id)
        return () if contact is None else self.directory.routes(contact, drill=self.incident.drill)


def occasion_of(incident: Incident, directory: Directory, now: datetime) -> Occasion:
    """What people are wanted for in this incident, now."""
    return Occasion(
        at=now,
        severity=None if incident.wakes else incident.severity,  # without one no quiet hours count
        situation=incident.situation,
        area=incident.area,
        implicated=directory.implicated_in(incident.implicated) if incident.implicated else frozenset(),
        drill=incident.drill,
    )


def named(incident: Incident, reference: str) -> str:
    """The reference as the log keeps it: `area:*` is the incident's own area."""
    if incident.area is None or not reference.startswith("area:*"):
        return reference
    return f"area:{incident.area}{reference.removeprefix('area:*')}"


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
    occasion = occasion_of(incident, directory, now)
    if escalation.kind is EscalationKind.QUESTION:
        occasion = replace(occasion, in_person=True)  # nobody else may answer it
    view = _View(incident, escalation, directory, now, occasion)
    due: list[Move] = []
    wake: list[datetime] = []
    rung_due = escalation.due_at
    for number, rung in enumerate(rungs, start=1):
        pages = view.pages_on(number)
        if not pages and number in escalation.skipped:
            late = _late_arrivals(view, number, rung, ever_paged=_already_paged(view, due))
            due.extend(late.due)
            wake.extend([] if late.wake_at is None else [late.wake_at])
            continue
        if not pages:
            if rung_due > now:
                return Moves(tuple(due), min([rung_due, *wake]))
            due.extend(_tell(view, number, rung, rung_due))
            opened = _open_rung(view, number, rung.page, rung_due, ever_paged=_already_paged(view, due))
            due.extend(opened)
            if isinstance(opened[0], SkipRung):
                continue
            return Moves(tuple(due), min(wake, default=None))
        where = _rung_standing(view, number, pages, rung.repeat)
        due.extend(where.due)
        wake.extend(where.wake)
        if where.spent_at is not None:
            rung_due = where.spent_at
        elif where.departed_at is None and not view.has_left(number):
            return Moves(tuple(due), min(wake, default=None))
        elif where.departed_at is not None:
            rung_due = where.departed_at + _wait_after(pages, rung.wait)
    final = _last_rung(view, rungs, last, again, rung_due)
    wake.extend([] if final.wake_at is None else [final.wake_at])
    return Moves((*due, *final.due), min(wake, default=None))


def _already_paged(view: _View, due: Sequence[Move]) -> frozenset[str]:
    """Whoever has been paged on this ladder, or is about to be in this very look."""
    return frozenset(view.incident.pages[message_id].contact for message_id in view.escalation.pages) | _paged_by(due)


def _paged_by(moves: Sequence[Move]) -> frozenset[str]:
    return frozenset(move.contact for move in moves if isinstance(move, PageContact))


def _wait_after(pages: Sequence[Page], wait: timedelta) -> timedelta:
    first = min(pages, key=lambda page: page.requested_at)
    return max(wait, LATE) if first.requested_at - first.due_at >= LATE else wait


# --- opening a rung ----------------------------------------------------------------------------------------------


def _open_rung(
    view: _View, number: int, references: Iterable[str], due_at: datetime, ever_paged: frozenset[str]
) -> list[Move]:
    """The rung's first pages, in parallel, or the one move that skips it and says why."""
    pages: list[Move] = []
    reasons: list[str] = []
    seen = set(ever_paged)
    index = 0
    for reference in references:
        found = view.directory.resolve(reference, view.occasion)
        reasons.extend(found.because)
        if not found.contacts:
            index += 1
        for contact in found.contacts:
            index += 1
            reason = _not_now(view, contact, seen)
            if reason is not None:
                reasons.append(reason)
                continue
            seen.add(contact.id)
            called_as = named(view.incident, reference)
            pages.extend(_first_pages(view, number, index, contact, called_as, due_at))
    if pages:
        return pages
    because = "; ".join(dict.fromkeys(reasons)) or "nobody stands on it"
    return [SkipRung(view.escalation.id, number, because, due_at)]


def _not_now(view: _View, contact: Contact, seen: set[str]) -> str | None:
    if contact.id in view.escalation.passed:
        return f"{contact.id} has passed"
    return f"{contact.id} is already paged" if contact.id in seen else None


def _first_pages(
    view: _View, rung: int, index: int, contact: Contact, reference: str, due_at: datetime
) -> list[PageContact]:
    routes = first_routes(view.directory, contact, view.incident.severity, drill=view.incident.drill)
    return [
        _page(view, rung, index, contact.id, route, attempt, due_at, reference=reference)
        for attempt, route in enumerate(routes, start=1)
    ]


def _late_arrivals(view: _View, number: int, rung: Rung, ever_paged: frozenset[str]) -> Moves:
    """A rung that was skipped because nobody was there: whoever has come since is paged now, not forgotten."""
    found = [view.directory.resolve(reference, view.occasion) for reference in rung.page]
    wake = min((each.until for each in found if each.until is not None), default=None)
    if not any(each.contacts for each in found):
        return Moves((), wake)
    opened = _open_rung(view, number, rung.page, _came_at(view, found), ever_paged)
    return Moves((), wake) if isinstance(opened[0], SkipRung) else Moves(tuple(opened), wake)


def _came_at(view: _View, found: Sequence[Found]) -> datetime:
    """Since when the rung has somebody; the same moment at every look, so that a cover has something to count from."""
    return max([view.escalation.due_at, *(each.since for each in found if each.contacts and each.since is not None)])


def _tell(view: _View, number: int, rung: Rung, due_at: datetime) -> list[Move]:
    if number in view.escalation.told:
        return []
    people = [contact for each in rung.tell for contact in view.directory.resolve(each, view.occasion).contacts]
    told = tuple(dict.fromkeys(contact.id for contact in people))
    return [TellContacts(view.escalation.id, number, told, due_at)] if told else []


def _page(
    view: _View,
    rung: int,
    index: int,
    contact: str,
    route: Route,
    attempt: int,
    due_at: datetime,
    *,
    beat: int = 1,
    instead_of: str | None = None,
    reference: str = "",
    possible_duplicate: bool = False,
) -> PageContact:
    return PageContact(
        escalation=view.escalation.id,
        rung=rung,
        contact=contact,
        contact_index=index,
        channel=route.channel,
        to=route.to,
        attempt=attempt,
        due_at=due_at,
        possible_duplicate=possible_duplicate,
        line=route.line,
        provider=route.provider,
        beat=beat,
        instead_of=instead_of,
        reference=reference,
    )


# --- a rung that has been called ---------------------------------------------------------------------------------


def _rung_standing(view: _View, rung: int, pages: Sequence[Page], repeat: Repeat | None) -> Standing:
    by_contact: dict[int, list[Page]] = {}
    for page in pages:
        by_contact.setdefault(page.contact_index, []).append(page)
    each = [_contact_standing(view, attempts, repeat) for attempts in by_contact.values()]
    spent = [one.spent_at for one in each if one.spent_at is not None]
    hurried = [view.escalation.passed[page.contact] for page in pages if page.contact in view.escalation.escalated]
    departures = [one.departed_at for one in each if one.departed_at is not None]
    return Standing(
        due=tuple(move for one in each for move in one.due),
        wake=tuple(moment for one in each for moment in one.wake),
        spent_at=min(hurried) if hurried else max(spent) if len(spent) == len(each) else None,
        departed_at=min(departures, default=None),
    )


def _contact_standing(view: _View, attempts: Sequence[Page], repeat: Repeat | None) -> Standing:
    latest = max(attempts, key=lambda page: page.attempt)
    if latest.contact in view.escalation.passed:
        departed = min((page.sent_at for page in attempts if page.sent_at is not None), default=None)
        return Standing(spent_at=view.escalation.passed[latest.contact], departed_at=departed)
    contact = view.directory.contact(latest.contact)
    if contact is not None and excluded(contact, view.occasion) is not None:
        # Left out since they were called: whoever comes after them is called at once.
        return Standing(spent_at=latest.requested_at)
    routes = view.routes(latest.contact)
    beats = () if contact is None else view.directory.beats(contact, view.incident.severity)
    return standing(view.escalation.id, attempts, routes, beats, repeat, view.now)


# --- in extremis -------------------------------------------------------------------------------------------------


def _last_rung(
    view: _View, rungs: Sequence[Rung], references: tuple[str, ...], again: Backoff, due_at: datetime
) -> Moves:
    """In extremis: everybody on it, again and again with backoff. Never ends while nobody answers."""
    number = len(rungs) + 1
    last = _in_extremis(view, rungs, references)
    everybody = last.people
    if not everybody:
        if due_at > view.now:
            return Moves((), due_at)
        if last.quiet or number in view.escalation.skipped:
            return Moves((), last.changes_at)
        reason = "nobody at all can be reached" + (" by a drill" if view.incident.drill else "")
        return Moves((SkipRung(view.escalation.id, number, reason, due_at),), last.changes_at)
    pages = view.pages_on(number)
    if not pages and due_at > view.now:
        return Moves((), due_at)
    each = [
        _endless(view, number, pages, index, contact, named(view.incident, reference), again, due_at)
        for index, (contact, reference) in enumerate(everybody, start=1)
    ]
    wake = [moment for one in each for moment in one.wake]
    wake.extend([] if last.changes_at is None else [last.changes_at])
    return Moves(tuple(move for one in each for move in one.due), min(wake, default=None))


def _endless(
    view: _View,
    rung: int,
    pages: Sequence[Page],
    index: int,
    contact: Contact,
    reference: str,
    again: Backoff,
    due_at: datetime,
) -> Standing:
    """One contact of the last rung: by every address while deliveries fail, then again after a pause, for ever."""
    mine = [page for page in pages if page.contact == contact.id]
    # Who stands on the rung can change; a number that anybody here has had is never given again.
    numbered = (page.attempt for page in pages if page.contact == contact.id or page.contact_index == index)
    attempt = 1 + max(numbered, default=0)
    routes = view.routes(contact.id)
    if not mine:
        return Standing(due=(_page(view, rung, index, contact.id, routes[0], attempt, due_at, reference=reference),))
    tries = _tries(mine)
    latest = mine[-1]
    if latest.departed_at is None:
        return Standing()
    if all(page.failed for page in tries[-1]):
        untried = next_route(routes, tries[-1], latest)
        if untried is not None:
            failed_at = latest.failed_at or latest.departed_at
            instead = _page(
                view,
                rung,
                index,
                contact.id,
                untried,
                attempt,
                failed_at,
                beat=len(tries),
                instead_of=latest.message_id,
                reference=reference,
            )
            return Standing(due=(instead,))
    receipt = missing_receipt(latest, view.now) or Standing()
    route = _in_turn(routes, len(tries))
    copy = any(_line(page) == (route.channel, route.line) and page.state == "unknown" for page in tries[-1])
    again_at = latest.departed_at + _pause(tries, again)
    if copy:
        again_at = max(again_at, (latest.failed_at or latest.departed_at) + ENQUIRY)
    if again_at > view.now:
        return Standing(due=receipt.due, wake=(*receipt.wake, again_at))
    move = _page(
        view,
        rung,
        index,
        contact.id,
        route,
        attempt,
        again_at,
        beat=len(tries) + 1,
        reference=reference,
        possible_duplicate=copy,
    )
    return Standing(due=(*receipt.due, move))


def _in_turn(routes: Sequence[Route], turn: int) -> Route:
    """The first provider of the address whose turn it is."""
    lines = list({(route.channel, route.line): route for route in reversed(routes)}.values())[::-1]
    return lines[turn % len(lines)]


def _line(page: Page) -> tuple[str, int]:
    return page.channel, page.line


def _tries(pages: Sequence[Page]) -> list[list[Page]]:
    """The pages of one contact on the last rung: a try goes through their addresses while deliveries fail."""
    tries: list[list[Page]] = []
    for page in pages:
        # `failure`, not `failed`: the next one was tried because this one was believed to have failed then.
        if tries and tries[-1][-1].failure is not None and route_of(page) not in map(route_of, tries[-1]):
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


@dataclass(frozen=True, slots=True)
class _Last:
    """Who is called by the last rung, when that changes by itself, and whether quiet hours keep it waiting."""

    people: list[tuple[Contact, str]]
    changes_at: datetime | None = None
    quiet: bool = False


def _in_extremis(view: _View, rungs: Sequence[Rung], references: tuple[str, ...]) -> _Last:
    """Those named, else those who passed, else anybody with a channel; nobody but those asked for a question.

    While everybody named keeps quiet hours, nobody is woken for what is minor: the ladder waits for the first of them.
    """
    found = [(reference, view.directory.resolve(reference, view.occasion)) for reference in references]
    named = [(contact, reference) for reference, each in found for contact in each.contacts]
    able = [pair for pair in named if pair[0].id not in view.escalation.passed]
    if able:
        return _Last(_each_once(able))
    changes = [each.until for _, each in found if each.until is not None]
    if any(each.quiet for _, each in found):
        rest = [view.directory.resolve(reference, view.occasion) for rung in rungs for reference in rung.page]
        changes.extend(each.until for each in rest if each.quiet and each.until is not None)
        return _Last([], min(changes, default=None), quiet=True)
    if named or view.escalation.kind is EscalationKind.QUESTION:
        return _Last(_each_once(named), min(changes, default=None))
    anybody = [(each.id, view.directory.resolve(each.id, view.occasion)) for each in view.directory.contacts]
    reachable = [(contact, reference) for reference, each in anybody for contact in each.contacts]
    if not reachable:
        changes.extend(each.until for _, each in anybody if each.until is not None)
    return _Last(_each_once(reachable), min(changes, default=None))


def _each_once(pairs: Sequence[tuple[Contact, str]]) -> list[tuple[Contact, str]]:
    return list({contact.id: (contact, reference) for contact, reference in reversed(pairs)}.values())[::-1]
