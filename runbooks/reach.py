"""How one person is called: the beats of their channel ladder, and what follows a delivery that failed. Pure.

A beat pages one or more addresses at once. The next beat comes so long after the one before has left, whatever became
of it; a failed page is replaced at once and within its beat.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contacts.addresses import PROVIDERS, ChannelKind
from contacts.directory import Beat, Contact, Directory, Route
from incidents.events import PageFailure
from incidents.severity import Severity
from incidents.state import Page
from runbooks.moves import GiveUpOnReceipt, Move, PageContact
from runbooks.plan import Repeat

RECEIPT_WITHIN = timedelta(seconds=60)
"""A page without its receipt for this long counts as not delivered (invariant 7)."""
ENQUIRY = timedelta(seconds=30)
"""How long the provider is asked about an unknown outcome before the same address may be tried again."""
PROVIDERS_FAULT = (PageFailure.PROVIDER_ERROR, PageFailure.UNDELIVERED)
"""What another provider of the same channel may do better. It certainly did not arrive, so nothing is doubled."""

RouteKey = tuple[str, int, str]


@dataclass(slots=True)
class Standing:
    """Where somebody, or a rung, stands: moves, when to look again, whether it is spent, and when it left."""

    due: tuple[Move, ...] = ()
    wake: tuple[datetime, ...] = ()
    spent_at: datetime | None = None
    departed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Planned:
    """One beat as it will be: how long after the one before, and by which routes."""

    gap: timedelta
    routes: tuple[Route, ...]


def first_routes(directory: Directory, contact: Contact, severity: Severity, *, drill: bool) -> tuple[Route, ...]:
    """By which routes this contact is paged first, all at once."""
    routes = directory.routes(contact, drill=drill)
    planned = next(_planned(routes, directory.beats(contact, severity)), None)
    return routes[:1] if planned is None else planned.routes


def standing(
    escalation: str,
    attempts: Sequence[Page],
    routes: Sequence[Route],
    beats: Sequence[Beat],
    repeat: Repeat | None,
    now: datetime,
) -> Standing:
    """Where the calling of one contact stands on one rung. `attempts` are their pages there; there is at least one."""
    call = _Call(escalation, sorted(attempts, key=lambda page: page.attempt), tuple(routes), tuple(beats), repeat, now)
    departed = min((page.sent_at for page in attempts if page.sent_at is not None), default=None)
    instead, exhausted = call.replacements()
    receipts = [found for page in attempts if (found := missing_receipt(page, now)) is not None]
    due: tuple[Move, ...] = (*(move for each in receipts for move in each.due), *instead)
    wake = tuple(moment for each in receipts for moment in each.wake)
    if instead:
        return Standing(due=due, wake=wake, departed_at=departed)
    if any(page.departed_at is None for page in attempts):
        # On its way out. The pager always ends it, as sent, failed or unknown; the claim's lease bounds that.
        return Standing(due=due, wake=wake, departed_at=departed)
    # The rung does not wait for somebody whom nothing has reached; they are called by the next beats all the same.
    spent = call.spent(departed) if exhausted and all(page.failed for page in attempts) else Standing()
    following = call.next_beat() if not spent.due else Standing()
    return Standing((*due, *spent.due, *following.due), (*wake, *spent.wake, *following.wake), spent.spent_at, departed)


def missing_receipt(page: Page, now: datetime) -> Standing | None:
    """A page that owes a receipt: give up on it when it is overdue, else look again then."""
    if not page.expects_receipt or page.delivered_at is not None or page.sent_at is None:
        return None
    if page.failure is not None:
        return None
    give_up_at = page.sent_at + RECEIPT_WITHIN
    if give_up_at <= now:
        return Standing(due=(GiveUpOnReceipt(page.message_id, give_up_at),))
    return Standing(wake=(give_up_at,))


def route_of(page: Page) -> RouteKey:
    """Which route a page took; logs from before there were providers mean the usual one."""
    return page.channel, page.line, page.provider or PROVIDERS[ChannelKind(page.channel)]


def next_route(routes: Sequence[Route], tried: Sequence[Page], failed: Page) -> Route | None:
    """What takes the place of a page that failed: the same address by another provider where the provider was at fault,
    else an address that was not tried yet. None when nothing is left."""
    keys = {route_of(page) for page in tried}
    by_line: dict[tuple[str, int], list[Page]] = {}
    for page in tried:
        by_line.setdefault((page.channel, page.line), []).append(page)

    def is_open(route: Route) -> bool:
        here = by_line.get((route.channel, route.line), [])
        return all(page.failed and page.failure in PROVIDERS_FAULT for page in here)

    left = [route for route in routes if _key(route) not in keys and is_open(route)]
    same = [route for route in left if (route.channel, route.line) == (failed.channel, failed.line)]
    return next(iter((*same, *left)), None)


def _key(route: Route) -> RouteKey:
    return route.channel, route.line, route.provider


@dataclass(slots=True)
class _Call:
    """The calling of one contact on one rung."""

    escalation: str
    attempts: list[Page]
    routes: tuple[Route, ...]
    beats: tuple[Beat, ...]
    repeat: Repeat | None
    now: datetime

    @property
    def latest(self) -> Page:
        return self.attempts[-1]

    @property
    def latest_beat(self) -> list[Page]:
        current = max(page.beat for page in self.attempts)
        return [page for page in self.attempts if page.beat == current]

    def replacements(self) -> tuple[list[Move], bool]:
        """Pages that take the place of failed ones, at once; and whether one failed that nothing can replace."""
        replaced = {page.instead_of for page in self.attempts}
        failed = [page for page in self.attempts if page.failed and page.message_id not in replaced]
        tried, moves, exhausted = list(self.attempts), list[Move](), False
        for page in sorted(failed, key=lambda each: (each.failed_at or each.requested_at, each.attempt)):
            route = next_route(self.routes, tried, page)
            if route is None:
                exhausted = True
                continue
            due_at = page.failed_at or page.requested_at
            move = self._page(route, len(moves) + 1, due_at, beat=page.beat, instead_of=page.message_id)
            moves.append(move)
            tried.append(_as_tried(page, route))
        return moves, exhausted

    def spent(self, departed: datetime | None) -> Standing:
        """Nothing is left to try: the next rung. Only an unknown outcome is tried once more by itself, marked."""
        first_beat = [page for page in self.attempts if page.beat == self.attempts[0].beat]
        failed_at = max(page.failed_at or page.requested_at for page in first_beat)
        unknown = [page for page in self.attempts if page.failure is PageFailure.UNKNOWN and not page.proven]
        repeated = any(page.possible_duplicate for page in self.attempts)
        reached = any(page.sent_at is not None and not page.failed for page in self.attempts)
        if not unknown or repeated or reached:
            return Standing(spent_at=failed_at, departed_at=departed)
        doubtful = unknown[-1]
        again_at = (doubtful.failed_at or doubtful.requested_at) + ENQUIRY
        same = [each for each in self.routes if (each.channel, each.line) == (doubtful.channel, doubtful.line)]
        if not same:
            return Standing(spent_at=failed_at, departed_at=departed)
        if again_at > self.now:
            return Standing(wake=(again_at,), spent_at=failed_at, departed_at=departed)
        other = [each for each in same if _key(each) != route_of(doubtful)]
        move = self._page((*other, *same)[0], 1, again_at, beat=self.latest.beat, possible_duplicate=True)
        return Standing(due=(move,), spent_at=failed_at, departed_at=departed)

    def next_beat(self) -> Standing:
        left = max((page.departed_at for page in self.latest_beat if page.departed_at is not None), default=None)
        planned = self._following()
        if planned is None or left is None:
            return Standing()
        due_at = left + planned.gap
        if due_at > self.now:
            return Standing(wake=(due_at,))
        beat = self.latest_beat[0].beat + 1
        return Standing(
            due=tuple(
                self._page(self._best((route.channel, route.line)), each, due_at, beat=beat)
                for each, route in enumerate(planned.routes, start=1)
            )
        )

    def _following(self) -> _Planned | None:
        """The beat that comes after the latest one; None when there is no more."""
        if self.beats:
            current = self.latest_beat[0].beat
            return next(
                (each for number, each in enumerate(_planned(self.routes, self.beats), 1) if number > current), None
            )
        if self.repeat is None or self.latest_beat[0].beat > self.repeat.times or not self.routes:
            return None
        lines = list(dict.fromkeys((route.channel, route.line) for route in self.routes))
        line = lines[self.latest.attempt % len(lines)]
        route = next(route for route in self.routes if (route.channel, route.line) == line)
        return _Planned(self.repeat.every, (route,))

    def _best(self, line: tuple[str, int]) -> Route:
        """The first provider of an address that has not failed on it, else the first."""
        here = [route for route in self.routes if (route.channel, route.line) == line]
        failed = {route_of(page) for page in self.attempts if page.failed and page.failure in PROVIDERS_FAULT}
        return next((route for route in here if _key(route) not in failed), here[0])

    def _page(
        self,
        route: Route,
        ahead: int,
        due_at: datetime,
        *,
        beat: int,
        instead_of: str | None = None,
        possible_duplicate: bool = False,
    ) -> PageContact:
        latest = self.latest
        return PageContact(
            escalation=self.escalation,
            rung=latest.rung,
            contact=latest.contact,
            contact_index=latest.contact_index,
            channel=route.channel,
            to=route.to,
            attempt=latest.attempt + ahead,
            due_at=due_at,
            possible_duplicate=possible_duplicate,
            line=route.line,
            provider=route.provider,
            beat=beat,
            instead_of=instead_of,
            reference=latest.reference,
        )


def _as_tried(page: Page, route: Route) -> Page:
    """A stand-in for the page that is about to take this route, so that a second failed one takes another."""
    return Page(
        message_id="",
        escalation=page.escalation,
        rung=page.rung,
        contact=page.contact,
        contact_index=page.contact_index,
        attempt=page.attempt,
        channel=route.channel,
        requested_at=page.requested_at,
        due_at=page.due_at,
        expects_receipt=False,
        possible_duplicate=False,
        line=route.line,
        provider=route.provider,
    )


def _planned(routes: Sequence[Route], beats: Sequence[Beat]) -> Iterator[_Planned]:
    """The beats that this contact has addresses for, repeats written out. The first one comes at once."""
    offset: timedelta | None = None
    for beat in beats:
        here = _by_kind(routes, beat.by)
        if not here:
            continue
        for turn in range(beat.times + 1 if beat.every is not None else 1):
            at = beat.after + turn * (beat.every or timedelta(0))
            yield _Planned(timedelta(0) if offset is None else max(at - offset, timedelta(0)), here)
            offset = at


def _by_kind(routes: Sequence[Route], kinds: Sequence[ChannelKind]) -> tuple[Route, ...]:
    """For each kind the first address that can be used, by its first provider."""
    found = (next((route for route in routes if route.channel is kind), None) for kind in kinds)
    return tuple(route for route in found if route is not None)
