"""A trial call: the real ladder in assumed time, with nobody who answers and with something that may be dead. Pure.

Every page by a working route is assumed to leave and to arrive at once, every other one to fail at once. `tocsin who`
shows a trial, a counter-example is told by one, and the proof takes from it how one single person is called.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contacts.addresses import ChannelKind, network_of
from contacts.directory import Contact, Directory, Route
from incidents import events as e
from incidents.evolve import fold
from incidents.severity import Severity
from incidents.state import Incident
from runbooks.ladder import ladder_moves, occasion_of
from runbooks.moves import Move, PageContact, SkipRung, TellContacts, recorded, requested
from runbooks.plan import Backoff, Ladder, Rung

HORIZON = timedelta(hours=4)
"""Whoever is not reached by then is not reached."""
_MOST_LOOKS = 5000


@dataclass(frozen=True, slots=True)
class Cause:
    """What somebody is wanted for: all of an incident that decides who is called, beside the moment."""

    severity: Severity
    situation: str = ""
    area: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One page of a trial, so long after the beginning."""

    after: timedelta
    rung: int
    contact: str
    reference: str
    route: Route
    beat: int
    works: bool
    """Whether it arrives; the routes that do not are those over something that is broken."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A rung on which nobody could be paged."""

    after: timedelta
    rung: int
    because: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the directory says about the references of a rung when it opens: why some are not called."""

    after: timedelta
    rung: int
    because: tuple[str, ...]


Step = Call | Skip | Look


def is_broken(route: Route, broken: Collection[str]) -> bool:
    """Whether this route goes over one of `broken`, written `provider:twilio` or `network:phone`."""
    return f"provider:{route.provider}" in broken or f"network:{route.network}" in broken


def reaches(route: Route) -> bool:
    """Whether a page by this route wakes anybody: a console is only seen by whoever looks at it."""
    return route.channel is not ChannelKind.CONSOLE


def trial(
    ladder: Ladder,
    directory: Directory,
    cause: Cause,
    at: datetime,
    broken: Collection[str] = (),
    horizon: timedelta = HORIZON,
) -> Iterator[Step]:
    """The steps of one calling that begins at `at`, in order, as far as they are read and until the horizon."""
    return call(ladder.rungs, ladder.in_extremis, ladder.again, directory, cause, at, broken, horizon)


def call(
    rungs: Sequence[Rung],
    last: tuple[str, ...],
    again: Backoff,
    directory: Directory,
    cause: Cause,
    at: datetime,
    broken: Collection[str] = (),
    horizon: timedelta = HORIZON,
) -> Iterator[Step]:
    """The same for rungs that need not be a ladder."""
    state = _declared(cause, at)
    now = at
    opened: set[int] = set()
    for _ in range(_MOST_LOOKS):
        moves = ladder_moves(state, state.escalations["1"], rungs, last, again, directory, now)
        for move in moves.due:
            rung = _rung_of(move)
            if rung is not None and rung not in opened:
                opened.add(rung)
                yield _look(state, rungs, last, rung, directory, now, at)
            step = _step(move, directory, broken, now - at)
            if step is not None:
                yield step
            works = not isinstance(step, Call) or step.works
            state = fold(_assumed(move, now, works=works), state) or state
        if moves.due:
            continue
        if moves.wake_at is None or moves.wake_at > at + horizon:
            return
        now = moves.wake_at


def _declared(cause: Cause, at: datetime) -> Incident:
    state = fold(
        [
            e.IncidentDeclared(
                at=at,
                by=_BY,
                id="INC-1",
                title="trial",
                severity=cause.severity,
                situation=cause.situation,
                plan_version="",
                area=cause.area,
            ),
            e.EscalationStarted(
                at=at, by=_BY, escalation="1", escalation_kind=e.EscalationKind.ROUND, subject="1", because="trial"
            ),
        ]
    )
    assert state is not None  # a declaration always makes an incident
    return state


_BY = "trial"


def _rung_of(move: Move) -> int | None:
    return move.rung if isinstance(move, PageContact | SkipRung) else None


def _look(
    state: Incident,
    rungs: Sequence[Rung],
    last: tuple[str, ...],
    rung: int,
    directory: Directory,
    now: datetime,
    at: datetime,
) -> Look:
    references = rungs[rung - 1].page if rung <= len(rungs) else last
    occasion = occasion_of(state, directory, now)
    because = (sentence for each in references for sentence in directory.resolve(each, occasion).because)
    return Look(now - at, rung, tuple(dict.fromkeys(because)))


def _step(move: Move, directory: Directory, broken: Collection[str], after: timedelta) -> Step | None:
    match move:
        case PageContact():
            route = _route(move, directory)
            return Call(after, move.rung, move.contact, move.reference, route, move.beat, not is_broken(route, broken))
        case SkipRung():
            return Skip(after, move.rung, move.because)
        case _:
            return None


def _route(move: PageContact, directory: Directory) -> Route:
    contact = directory.contact(move.contact)
    kind = ChannelKind(move.channel)
    network = "" if contact is None else _network(contact, kind, move.to)
    return Route(kind, move.line, move.provider, move.to, network)


def _network(contact: Contact, kind: ChannelKind, to: str) -> str:
    return next((network_of(each) for each in contact.channels if each.kind == kind and each.to == to), "")


def _assumed(move: Move, at: datetime, *, works: bool) -> Iterator[e.Event]:
    match move:
        case PageContact():
            message_id = move.key
            yield requested(move, message_id, at, _BY)
            if works:
                yield e.PageSent(at=at, by=_BY, message_id=message_id)
                yield e.PageDelivered(at=at, by=_BY, message_id=message_id)
            else:
                yield e.PageFailed(at=at, by=_BY, message_id=message_id, failure=e.PageFailure.PROVIDER_ERROR)
        case TellContacts():
            yield e.RungTold(at=at, by=_BY, escalation=move.escalation, rung=move.rung, contacts=move.contacts)
        case SkipRung():
            yield recorded(move, at, _BY)
        case _:
            return
