"""`tocsin prove`: for every moment of the coming weeks, how soon is a person reached, whatever is broken? Pure.

A scenario is a situation, a severity, an area and what is broken: nothing, one provider, or one network. For each the
ladder is climbed for all beginnings at once (`runbooks.descent`), and the worst time to the first, second and third
person is compared with the severity's target. docs/prove.md says what is assumed.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contacts.addresses import network_of
from contacts.directory import Contact, Directory, Route
from incidents.severity import Severity
from runbooks.descent import Cell, Descent, Level
from runbooks.one_call import Calls, OneCall
from runbooks.plan import Ladder, Plan
from runbooks.presence import Kind, Presence, Strip, moment, seconds
from runbooks.trial import HORIZON, Cause, reaches

MOST = 3
"""How many people are looked for."""
DEFAULT_TARGETS = {
    Severity.SEV1: timedelta(minutes=5),
    Severity.SEV2: timedelta(minutes=5),
    Severity.SEV3: timedelta(minutes=15),
    Severity.SEV4: timedelta(minutes=60),
}
"""Where neither the plan nor the command says anything (domain.md 3.2)."""


@dataclass(frozen=True, slots=True)
class Target:
    within: timedelta
    said_by: str
    """`--target`, `plan` or `default`."""

    @property
    def horizon(self) -> int:
        """For how many seconds the proof looks for people: four hours, or the target if that is longer."""
        return int(max(HORIZON, self.within).total_seconds())


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of the plan."""

    targets: Mapping[Severity, Target]
    silent: int = 0
    """How many of those who are reached may stay silent: the next one must still be reached within the target."""
    lenient: bool = False
    """Whether a target that is missed only while a provider or a network is down lets the proof pass."""
    verified_only: bool = False
    """Whether only addresses count whose proof is good when the span begins."""


@dataclass(frozen=True, slots=True)
class Scenario:
    severity: Severity
    situation: str
    area: str | None
    broken: str | None = None
    """`provider:twilio`, `network:phone`, or None."""
    alike: tuple[str, ...] = ()
    """Situations for which the same is true, this one among them."""

    @property
    def cause(self) -> Cause:
        return Cause(self.severity, self.situation, self.area)

    @property
    def name(self) -> str:
        return f"{self.severity} {self.subject}" + (f", {broken_in_words(self.broken)}" if self.broken else "")

    @property
    def subject(self) -> str:
        shown = self.alike or (self.situation,)
        names = ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")
        return names + (f" in {self.area}" if self.area else "")


@dataclass(frozen=True, slots=True)
class Result:
    """What is true of one scenario. Times are seconds; None: nobody within four hours."""

    scenario: Scenario
    target: Target
    silent: int
    worst: tuple[int | None, ...]
    """To the first, second and third person."""
    worst_at: tuple[datetime, ...]
    counts: bool
    """Whether a miss fails the proof."""
    missed_at: datetime | None
    """The first moment at which the target is missed."""
    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def in_time(self) -> bool:
        return self.missed_at is None

    @property
    def fails(self) -> bool:
        return self.counts and not self.in_time

    def time_at(self, cell: Cell, second: int) -> int | None:
        """To the person whom the target asks for, for an incident that begins then."""
        found = cell.times(second, self.target.horizon)
        return found[self.silent][0] if len(found) > self.silent else None

    def misses(self, time: int | None) -> bool:
        return time is None or time > self.target.within.total_seconds()


@dataclass(frozen=True, slots=True)
class Proof:
    start: datetime
    end: datetime
    time_zone: str
    terms: Terms
    results: tuple[Result, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.fails)

    @property
    def holds(self) -> bool:
        return not self.failed


def targets_of(plan: Plan, given: Mapping[Severity, timedelta]) -> dict[Severity, Target]:
    """By when a person must be reached: as given, else as the plan's clocks say, else the default."""
    found = {}
    for severity in Severity:
        cadence = plan.cadence.get(severity)
        if severity in given:
            found[severity] = Target(given[severity], "--target")
        elif cadence is not None and cadence.reach_within is not None:
            found[severity] = Target(cadence.reach_within, "plan")
        else:
            found[severity] = Target(DEFAULT_TARGETS[severity], "default")
    return found


def prove(
    plan: Plan, directory: Directory, start: datetime, end: datetime, terms: Terms, *, named: bool = False
) -> Proof:
    """The proof for every beginning in [start, end). `named`: its cells say who is reached, and are many more."""
    found = _Proving(plan, directory, seconds(start), seconds(end), terms, named)
    return Proof(start, end, _time_zone(directory), terms, tuple(found.results()), tuple(found.notes()))


def scenarios(plan: Plan, directory: Directory) -> list[Scenario]:
    """Every distinct calling that the plan's situations give, with nothing broken. Drills are none: they reach nobody
    who did not ask for it."""
    interests = {each for contact in directory.contacts for each in contact.conflicts}
    grouped: dict[Hashable, list[Scenario]] = {}
    for severity in sorted(Severity, key=lambda each: each.rank):
        for code, situation in plan.situations.items():
            if situation.drill:
                continue
            ladder = plan.ladder_for(code, severity)
            for area in _areas(ladder, situation.area, directory):
                what = area if area in interests or _asks_area(ladder) else None
                key = (severity, _said(ladder), code if code in interests else None, what)
                grouped.setdefault(key, []).append(Scenario(severity, code, what))
    return [
        Scenario(
            first.severity, first.situation, first.area, None, tuple(dict.fromkeys(one.situation for one in alike))
        )
        for first, *rest in grouped.values()
        for alike in [[first, *rest]]
    ]


def breakable(directory: Directory) -> list[str]:
    """Every provider and network that somebody's page can go over, the console apart."""
    found: dict[str, None] = {}
    for contact in directory.contacts:
        for route in directory.routes(contact, drill=False):
            if reaches(route):
                found[f"provider:{route.provider}"] = None
                found[f"network:{route.network}"] = None
    return sorted(found, reverse=True)


def broken_in_words(broken: str | None) -> str:
    if broken is None:
        return "nothing broken"
    kind, _, name = broken.partition(":")
    return f"{kind} {name} down"


def _areas(ladder: Ladder, own: str | None, directory: Directory) -> Iterable[str | None]:
    """The area of the situation; where it has none and the ladder asks for it, also each that may be given by hand."""
    if own is not None or not _asks_area(ladder):
        return (own,)
    return (None, *(area.id for area in directory.areas))


def _asks_area(ladder: Ladder) -> bool:
    references = (*(each for rung in ladder.rungs for each in rung.page), *ladder.in_extremis)
    return any(each.partition("/")[0] == "area:*" for each in references)


def _said(ladder: Ladder) -> str:
    return ladder.model_dump_json(include={"rungs", "in_extremis", "again"})


def _time_zone(directory: Directory) -> str:
    zones = [*(each.time_zone for each in directory.schedules), *(each.time_zone for each in directory.contacts)]
    return next(iter(zones), "UTC")


def is_rehearsal(directory: Directory) -> bool:
    """Whether everybody is on the console only: then that is what counts as reaching them."""
    return all(channel.kind == "console" for contact in directory.contacts for channel in contact.channels)


@dataclass(slots=True)
class _Proving:
    plan: Plan
    directory: Directory
    start: int
    end: int
    terms: Terms
    named: bool
    horizon: int = field(init=False)
    presence: Presence = field(init=False)
    _calls: dict[str | None, Calls] = field(default_factory=dict)
    _calls_on: dict[Hashable, dict[str, OneCall]] = field(default_factory=dict)
    _summaries: dict[Hashable, "_Summary"] = field(default_factory=dict)
    _climbed: dict[Hashable, tuple[Cell, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.horizon = max(target.horizon for target in self.terms.targets.values())
        self.presence = Presence(self.directory, self.start, self.end + 2 * self.horizon)

    def results(self) -> Iterator[Result]:
        for scenario in scenarios(self.plan, self.directory):
            for broken in (None, *breakable(self.directory)):
                yield self._result(
                    Scenario(scenario.severity, scenario.situation, scenario.area, broken, scenario.alike)
                )

    def notes(self) -> Iterator[str]:
        for schedule in self.directory.schedules:
            if schedule.calendar is not None and schedule.id not in self.directory.live.calendars:
                yield (
                    f"schedule:{schedule.id} follows a calendar of which there is no copy here: "
                    "where it has nothing else, nobody counts as on duty."
                )
        if is_rehearsal(self.directory):
            yield "Everybody is on the console only: this proves the order of the calls, not that anybody is woken."

    def _result(self, scenario: Scenario) -> Result:
        cells = self._cells(scenario)
        target = self.terms.targets[scenario.severity]
        key = (id(cells), target)
        if key not in self._summaries:
            self._summaries[key] = _summary(
                cells, self.terms.silent, int(target.within.total_seconds()), target.horizon
            )
        summary = self._summaries[key]
        return Result(
            scenario=scenario,
            target=target,
            silent=self.terms.silent,
            worst=tuple(summary.worst),
            worst_at=tuple(map(moment, summary.worst_at)),
            counts=scenario.broken is None or not self.terms.lenient,
            missed_at=None if summary.missed is None else moment(summary.missed),
            cells=cells,
        )

    def _cells(self, scenario: Scenario) -> tuple[Cell, ...]:
        ladder = self.plan.ladder_for(scenario.situation, scenario.severity)
        kind = self.presence.kind(scenario.severity, scenario.situation, scenario.area)
        levels = [
            Level(
                strip := self.presence.of(rung.page, kind, scenario.area),
                int(rung.wait.total_seconds()),
                self._on_rung(strip, ladder, index, scenario),
            )
            for index, rung in enumerate(ladder.rungs)
        ]
        strip = self.presence.of(ladder.in_extremis, kind, scenario.area)
        last = Level(strip, 0, self._in_extremis(strip, ladder, scenario))
        anybody = self._anybody(last, kind, ladder, scenario)
        horizon = self.terms.targets[scenario.severity].horizon
        key = (horizon, _key((*levels, last, *(() if anybody is None else (anybody,)))))
        if key not in self._climbed:
            descent = Descent(levels, last, anybody, MOST, horizon, self.named)
            self._climbed[key] = descent.cells(self.start, self.end)
        return self._climbed[key]

    def _anybody(self, last: Level, kind: Kind, ladder: Ladder, scenario: Scenario) -> Level | None:
        if all(answer.contacts or answer.quiet for answer in last.strip.answers):
            return None
        strip = self.presence.anybody(kind)
        return Level(strip, 0, self._in_extremis(strip, ladder, scenario))

    def _on_rung(self, strip: Strip, ladder: Ladder, index: int, scenario: Scenario) -> dict[str, OneCall]:
        rung = ladder.rungs[index]
        wait = int(rung.wait.total_seconds())
        key = (id(strip), wait, rung.repeat, scenario.severity, scenario.broken)
        if key not in self._calls_on:
            calls = self._calls_with(scenario.broken)
            self._calls_on[key] = {
                contact.id: _within(calls.on_rung(contact, scenario.severity, rung.repeat), wait)
                for contact in self._on(strip)
            }
        return self._calls_on[key]

    def _in_extremis(self, strip: Strip, ladder: Ladder, scenario: Scenario) -> dict[str, OneCall]:
        key = (id(strip), ladder.again, scenario.severity, scenario.broken)
        if key not in self._calls_on:
            calls = self._calls_with(scenario.broken)
            self._calls_on[key] = {
                contact.id: calls.in_extremis(contact, scenario.severity, ladder.again) for contact in self._on(strip)
            }
        return self._calls_on[key]

    def _on(self, strip: Strip) -> list[Contact]:
        people = dict.fromkeys(person for answer in strip.distinct for person in answer.contacts)
        found = (self.directory.contact(each) for each in people)
        return [contact for contact in found if contact is not None]

    def _calls_with(self, broken: str | None) -> Calls:
        if broken not in self._calls:
            dead = frozenset(() if broken is None else (broken,))
            self._calls[broken] = Calls(self.directory, dead, self._counting(), timedelta(seconds=self.horizon))
        return self._calls[broken]

    def _counting(self) -> "_Counting":
        today = moment(self.start)
        return _Counting(self.directory, is_rehearsal(self.directory), today if self.terms.verified_only else None)


@dataclass(slots=True)
class _Summary:
    worst: list[int | None]
    worst_at: list[int]
    missed: int | None


def _summary(cells: Sequence[Cell], silent: int, limit: int, horizon: int) -> _Summary:
    found = _Summary([-1] * MOST, [cells[0].start] * MOST, None)
    seen: set[int] = set()
    for cell in cells:
        same = id(cell.reached)
        if same in seen:
            continue
        times = cell.times(cell.start, horizon)
        if cell.constant:
            seen.add(same)
        for index in range(MOST):
            time = times[index][0] if index < len(times) else None
            if _longer(time, found.worst[index]):
                found.worst[index], found.worst_at[index] = time, cell.start
            if index == silent and found.missed is None and (time is None or time > limit):
                found.missed = cell.start
    return found


@dataclass(frozen=True, slots=True)
class _Counting:
    """Whether a page that arrives by a route counts as reaching somebody."""

    directory: Directory
    rehearsal: bool
    proven_on: datetime | None

    def __call__(self, contact: Contact, route: Route) -> bool:
        if not self.rehearsal and not reaches(route):
            return False
        if self.proven_on is None:
            return True
        return any(
            channel.kind == route.channel
            and channel.to == route.to
            and network_of(channel) == route.network
            and self.directory.is_proven(channel, self.proven_on.date())
            for channel in contact.channels
        )


def _within(one: OneCall, wait: int) -> OneCall:
    """A rung does not go on sooner for somebody who is spent only when its wait is over anyway."""
    late = one.spent is not None and one.departed is not None and one.spent >= one.departed + wait
    return OneCall(one.reached, one.departed, None) if late else one


def _key(levels: Sequence[Level]) -> Hashable:
    return tuple((id(each.strip), each.wait, tuple(each.calls.items())) for each in levels)


def _longer(time: int | None, other: int | None) -> bool:
    if other is None:
        return False
    return time is None or time > other
