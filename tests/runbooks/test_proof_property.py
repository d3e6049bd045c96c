"""The prover against brute force: for any plan and any second, what it says is what the real `next_moves` do.

The brute force knows nothing of intervals: it lets one incident begin at one second, asks `next_moves` again and again
in simulated time, lets pages over what is broken fail and all others arrive, and nobody answer.
"""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from contacts.addresses import ChannelKind, ConsoleChannel, EmailChannel, SlackChannel, SmsChannel, VoiceChannel
from contacts.directory import Absence, Area, Beat, Contact, Directory, QuietHours, Role, Team
from contacts.schedules import WEEK, Layer, Override, Schedule, Swap, Window
from incidents import events as e
from incidents.evolve import fold
from incidents.severity import Severity
from runbooks.moves import PageContact, SkipRung, recorded
from runbooks.next_moves import next_moves
from runbooks.plan import Backoff, Repeat, Rung
from runbooks.presence import moment, seconds
from runbooks.proof import MOST, Terms, is_rehearsal, prove, targets_of
from tests.support.plans import crisis_plan

START, END = datetime(2027, 3, 26, tzinfo=UTC), datetime(2027, 3, 30, tzinfo=UTC)
"""Madrid and London change their clocks in between."""
HORIZON = timedelta(hours=4)
PROVIDERS: tuple[dict[ChannelKind, tuple[str, ...]], ...] = (
    {},
    {ChannelKind.SMS: ("tw-a", "tw-b"), ChannelKind.VOICE: ("tw-b", "tw-a")},
)
EXAMPLES = 120
ZONES = ("UTC", "Europe/Madrid", "Europe/London", "America/New_York", "Asia/Kolkata")
PEOPLE = tuple(f"p{number}" for number in range(6))
SITUATION = "SHOP_DOWN"
KINDS = ("sms", "voice", "slack", "email", "console")


# --- brute force ---


def brute_force(plan, directory, cause, at, broken, wanted):
    """({person: seconds until a page first reaches them}, seconds until in extremis is called or None).

    Once in extremis has been called it goes on only until everybody `wanted` is reached.
    """
    rehearsal = is_rehearsal(directory)
    last = len(plan.ladder_for(cause.situation, cause.severity).rungs) + 1
    state = fold(
        [
            e.IncidentDeclared(
                at=at,
                by="x",
                id="INC-1",
                title="t",
                severity=cause.severity,
                situation=cause.situation,
                plan_version="p",
                area=cause.area,
            ),
            e.EscalationStarted(
                at=at, by="x", escalation="1", escalation_kind=e.EscalationKind.ROUND, subject="1", because="b"
            ),
        ]
    )
    assert state is not None
    reached: dict[str, int] = {}
    ended, now = None, at
    while True:
        moves = next_moves(state, plan, directory, now)
        for move in moves.due:
            state = fold(_done(move, now, directory, broken), state) or state
            if not isinstance(move, PageContact):
                continue
            after = int((now - at).total_seconds())
            if move.rung == last and ended is None:
                ended = after
            arrives = _network(move, directory) not in broken and f"provider:{move.provider}" not in broken
            if arrives and (move.channel != "console" or rehearsal):
                reached.setdefault(move.contact, after)
        if moves.due:
            continue
        if ended is not None and wanted <= reached.keys():
            return reached, ended
        if moves.wake_at is None or moves.wake_at > at + HORIZON:
            return reached, ended
        now = moves.wake_at


def _done(move, now, directory, broken):
    match move:
        case PageContact():
            fails = _network(move, directory) in broken or f"provider:{move.provider}" in broken
            yield e.PageRequested(
                at=now,
                by="x",
                message_id=move.key,
                escalation=move.escalation,
                rung=move.rung,
                contact=move.contact,
                contact_index=move.contact_index,
                attempt=move.attempt,
                channel=move.channel,
                due_at=move.due_at,
                expects_receipt=True,
                line=move.line,
                provider=move.provider,
                beat=move.beat,
                instead_of=move.instead_of,
                reference=move.reference,
            )
            if fails:
                failure = e.PageFailure.PROVIDER_ERROR
                yield e.PageFailed(at=now, by="x", message_id=move.key, failure=failure)
            else:
                yield e.PageSent(at=now, by="x", message_id=move.key)
                yield e.PageDelivered(at=now, by="x", message_id=move.key)
        case SkipRung():
            yield recorded(move, now, "x")
        case _:
            raise AssertionError(move)


def _network(move, directory):
    routes = directory.routes(directory.contact(move.contact), drill=False)
    return next(
        f"network:{each.network}"
        for each in routes
        if (each.channel, each.line, each.provider) == (move.channel, move.line, move.provider)
    )


# --- any plan ---


def _number(name, which):
    return f"+447700900{PEOPLE.index(name):02d}{which}"


CHANNELS = (
    lambda name, net: SmsChannel(kind="sms", to=_number(name, 0), network=net),
    lambda name, net: SmsChannel(kind="sms", to=_number(name, 1), network=net),
    lambda name, net: VoiceChannel(kind="voice", to=_number(name, 0), network=net),
    lambda name, net: SlackChannel(kind="slack", to=f"U{name.upper()}0", network=net),
    lambda name, net: EmailChannel(kind="email", to=f"{name}@example.com", network=net),
    lambda name, net: ConsoleChannel(kind="console", to=name, network=net),
)
REFERENCES = (
    "role:boss", "role:boss/deputy", "area:*", "area:shop/second-deputy", "team:all", "schedule:day", "schedule:night",
    "schedule:day", "schedule:night", *PEOPLE,
)  # fmt: skip


class Any:
    """Draws a company of six people with everything that can keep one of them out, and a ladder over them."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self.one_of, self.chance = self._random.choice, self._random.random

    def some(self, options, least, most):
        return tuple(self._random.sample(options, self._random.randint(least, most)))

    def maybe(self, make, chance=0.5):
        return make() if self.chance() < chance else None

    def several(self, make, most):
        return tuple(make() for _ in range(self._random.randint(0, most)))

    def clock(self):
        return f"{self._random.randrange(24):02d}:{self.one_of(('00', '30'))}"

    def local(self):
        day = f"2027-03-{self._random.randint(26, 29)}"
        return self.one_of((day, f"{day} {self.clock()}", f"{day} {self.clock()}"))

    def span(self):
        return dict(zip(("starts", "ends"), sorted((self.local(), self.local())), strict=True))

    def person(self):
        return self.one_of(PEOPLE)

    def holder(self):
        return self.one_of((*PEOPLE, "schedule:day", "schedule:night", "schedule:day", "schedule:night"))

    def minutes(self, *options):
        return timedelta(minutes=self.one_of(options))

    def beats(self):
        return tuple(
            Beat(
                by=self.some(KINDS, 1, 2),
                after=number * self.minutes(1, 2, 3),
                every=self.maybe(lambda: self.minutes(1, 4)),
                times=self.one_of((0, 1, 2)),
            )
            for number in range(self.one_of((1, 2)))
        )

    def paging(self):
        return {each: self.beats() for each in Severity} if self.chance() < 0.3 else {}

    def quiet_hours(self):
        return QuietHours(
            after=self.clock(),
            until=self.clock(),
            severities=self.one_of(((Severity.SEV3,), (Severity.SEV4,), (Severity.SEV3, Severity.SEV4))),
            days=self.one_of(((), ("sat", "sun"), ("sun",))),
        )

    def contact(self, name):
        return Contact(
            id=name,
            name=name.upper(),
            time_zone=self.one_of(ZONES),
            channels=tuple(make(name, self.maybe(lambda: "other-phone", 0.25)) for make in self.some(CHANNELS, 1, 3)),
            paging=self.paging(),
            deputy=self.maybe(self.person),
            conflicts=self.one_of(((), (), (), (), (SITUATION,), ("shop",))),
            quiet_hours=self.several(self.quiet_hours, 2),
            absences=self.several(lambda: Absence(**self.span(), deputy=self.maybe(self.person)), 2),
        )

    def window(self):
        days = self.one_of((("sat", "sun"), ("mon", "fri"), WEEK, WEEK))
        return Window(days=days, after=self.clock(), until=self.clock())

    def layer(self):
        return Layer(
            people=tuple(self.one_of((self.person(), self.some(PEOPLE, 2, 2))) for _ in range(self.one_of((1, 2, 3)))),
            rotate=self.one_of((timedelta(days=1), timedelta(hours=12), timedelta(hours=5), timedelta(days=7))),
            start=self.one_of(("2027-03-01", "2027-03-27")),
            hand_over=self.clock(),
            only=self.several(self.window, 2),
        )

    def schedule(self, name):
        return Schedule(
            id=name,
            title=name,
            time_zone=self.one_of(ZONES),
            layers=tuple(self.layer() for _ in range(self.one_of((1, 2)))),
            overrides=self.several(lambda: Override(**self.span(), person=self.person()), 1),
            swaps=self.several(lambda: Swap(**self.span(), person="p0", other="p1"), 1),
        )

    def holders(self):
        return {
            "responsible": self.holder(),
            "deputy": self.maybe(self.holder),
            "second_deputy": self.maybe(self.holder),
        }

    def directory(self):
        return Directory(
            contacts=tuple(map(self.contact, PEOPLE)),
            roles=(Role(id="boss", title="Boss", **self.holders()),),
            areas=(Area(id="shop", title="Shop", **self.holders()),),
            teams=(Team(id="all", title="All", members=self.some(PEOPLE, 1, 2)),),
            schedules=(self.schedule("day"), self.schedule("night")),
            providers=self.one_of(PROVIDERS),
            paging=self.paging(),
        )

    def rung(self):
        repeat = self.maybe(lambda: Repeat(every=timedelta(minutes=1), times=2))
        return Rung(page=self.some(REFERENCES, 1, 2), wait=self.minutes(1, 5, 20, 60, 90), repeat=repeat)

    def plan(self):
        rungs = [self.rung() for _ in range(self.one_of((1, 2, 3, 4)))]
        plan = crisis_plan(*rungs, last=self.some(REFERENCES, 1, 2), again=Backoff(every=timedelta(minutes=5)))
        known = plan.situations[SITUATION].model_copy(update={"area": self.one_of((None, "shop"))})
        return plan.model_copy(update={"situations": {**plan.situations, SITUATION: known}})

    def cells(self, cells, most):
        """Some of them, the short ones rather than the long ones: they are where something changes."""
        return self.some(sorted(cells, key=lambda cell: cell.end - cell.start)[:40], 1, min(most, len(cells)))

    def seconds(self, cell):
        return {cell.start, cell.end - 1, self._random.randrange(cell.start, cell.end)}


# Shrinking a seed would say nothing.
@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES // 3, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_without_names_the_proof_says_the_same(seed):
    draw = Any(seed)
    plan, directory = draw.plan(), draw.directory()
    named = prove(plan, directory, START, END, Terms(targets_of(plan, {})), named=True).results
    short = prove(plan, directory, START, END, Terms(targets_of(plan, {}))).results
    for one, other in zip(named, short, strict=True):
        assert (one.worst, one.worst_at, one.missed_at) == (other.worst, other.worst_at, other.missed_at)


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_what_is_proven_for_a_moment_is_what_next_moves_do_then(seed):
    draw = Any(seed)
    plan, directory = draw.plan(), draw.directory()
    results = prove(plan, directory, START, END, Terms(targets_of(plan, {})), named=True).results
    result = draw.one_of(results)
    assert [result.cells[0].start, result.cells[-1].end] == [seconds(START), seconds(END)]
    assert all(before.end == after.start for before, after in itertools.pairwise(result.cells))
    for cell in draw.cells(result.cells, 3):
        for second in draw.seconds(cell):
            _compare(plan, directory, result, cell, second)


def _compare(plan, directory, result, cell, second):
    broken = {result.scenario.broken}
    said = cell.times(second, int(HORIZON.total_seconds()))[:MOST]
    wanted = {who for _, who in said}
    really, ended = brute_force(plan, directory, result.scenario.cause, moment(second), broken, wanted)
    exact = sorted((after, who) for who, after in really.items())[:MOST]
    if ended is None or all(after <= ended for after, _ in exact):
        event("as the ladder climbs")
        assert said == exact, (result.scenario, moment(second), ended)
        return
    # What becomes of in extremis after its first call is not followed: it may only be better than what is said.
    event("after in extremis began")
    assert [each for each in said if each[0] <= ended] == [each for each in exact if each[0] <= ended]
    assert len(said) <= len(exact)
    assert all(true[0] <= claimed[0] for claimed, true in zip(said, exact, strict=False))
