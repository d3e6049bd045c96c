"""The ladder climbed for every moment at once: interval arithmetic over when an incident can begin. Pure.

The rules are those of `runbooks.ladder`, for incidents in which every page leaves at once and nobody answers. How one
person is called is not said again here: `runbooks.one_call` takes it from the real ladder.

For all beginnings in [a, b) the ladder does the same until somebody comes or goes; there the interval is cut. A rung is
opened so long after the beginning (an offset). Whoever comes on duty on a rung that was skipped, or after quiet hours,
is called at a moment of the calendar, so that the time to them shrinks the later the incident begins. A time is
therefore a pair: (False, offset) or (True, second). Within a cell no time grows: the worst one is at its beginning.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runbooks.one_call import OneCall
from runbooks.presence import Present, Strip

When = tuple[bool, int]
"""(False, seconds after the beginning) or (True, a second of the calendar)."""
Reached = tuple[tuple[str, When], ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A rung: who stands on it when, how many seconds it has, how each of them is called."""

    strip: Strip
    wait: int
    calls: dict[str, OneCall]


class Cell(NamedTuple):
    """For every beginning in [start, end): who is reached, and when."""

    start: int
    end: int
    reached: Reached

    def times(self, start: int, horizon: int) -> list[tuple[int, str]]:
        """(seconds, person) for an incident that begins at `start`, the first ones first, none after the horizon."""
        soonest: dict[str, int] = {}
        for person, (fixed, second) in self.reached:
            after = second - start if fixed else second
            if after <= horizon and after < soonest.get(person, horizon + 1):
                soonest[person] = after
        return sorted((after, person) for person, after in soonest.items())

    @property
    def constant(self) -> bool:
        """Whether the times are the same for all beginnings of the cell."""
        return not any(fixed for _, (fixed, _) in self.reached)


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a rung does when it is opened. Who stands on no other rung is a number here: it makes no difference who."""

    paged: frozenset[str]
    """Those whom it pages and who stand on other rungs too."""
    gains: tuple[tuple[str, int], ...]
    """(person, seconds after the opening) for those who are reached."""
    at_once: int
    gap: int
    """Seconds until the next rung is due."""


@dataclass(frozen=True, slots=True)
class _State:
    """How far the calling has come, for all beginnings of an interval."""

    paged: frozenset[str] = frozenset()
    skipped: tuple[int, ...] = ()
    reached: Reached = ()
    sure: int = 0
    """How many were reached at once when they were called."""
    top: int = -1
    """The highest rung that has been called."""

    def after(self, opening: _Opening, rung: int, now: When) -> "_State":
        fixed, second = now
        return _State(
            self.paged | opening.paged,
            tuple(each for each in self.skipped if each != rung),
            self.reached + tuple((person, (fixed, second + after)) for person, after in opening.gains),
            self.sure + opening.at_once,
            max(rung, self.top),
        )

    def without(self, rung: int) -> "_State":
        return _State(self.paged, (*self.skipped, rung), self.reached, self.sure, self.top)


@dataclass(slots=True)
class _Due:
    """Rung `rung` is due `offset` after the beginning. What follows is worked out once for each way to open it."""

    rung: int
    offset: int
    state: _State
    track: "Track"
    following: "dict[int, _Due | _Wait | _Reached]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wait:
    """Rung `rung` is due at `until`, and before that somebody may come onto a rung that was skipped."""

    rung: int
    until: int
    state: _State


@dataclass(frozen=True, slots=True)
class _Reached:
    """So many are reached that nobody asks further."""

    reached: Reached


@dataclass(slots=True)
class Descent:
    """One ladder. `most` people are looked for, until `horizon` seconds after the beginning.

    What happens once `last` (in extremis) has been called is not followed: whoever comes onto it afterwards is reached
    later than by then and is not counted, so no time is ever shorter than the real one.
    """

    levels: Sequence[Level]
    last: Level
    anybody: Level | None
    """Who is called when nobody named in extremis can be; None when that cannot happen."""
    most: int
    horizon: int
    named: bool = False
    """Whether cells say everybody's name; else only how many, and many cells become one."""
    _starts: list[int] = field(default_factory=list)
    _finals: list[Reached] = field(default_factory=list)
    _people: list[frozenset[str]] = field(default_factory=list)
    _matters: list[frozenset[str]] = field(default_factory=list)
    _tracks: "dict[tuple[int, frozenset[str]], Track]" = field(default_factory=dict)
    _openings: dict[tuple[int, int, frozenset[str]], _Opening | None] = field(default_factory=dict)
    _same: dict[_Opening | None, _Opening | None] = field(default_factory=dict)
    _unions: dict[tuple[int, ...], Strip] = field(default_factory=dict)
    _normal: dict[Reached, Reached] = field(default_factory=dict)

    def cells(self, start: int, end: int) -> tuple[Cell, ...]:
        """[start, end) cut into cells, in order; neighbours differ."""
        self._starts, self._finals = [], []
        self._tracks = {}
        self._people = [frozenset(level.calls) for level in self.levels]
        self._matters = [self._elsewhere(rung) for rung in range(len(self.levels))]
        self._open(start, end, 0, 0, _State())
        ends = [*self._starts[1:], end]
        return tuple(map(Cell, self._starts, ends, self._finals))

    # --- climbing ---

    def _open(self, a: int, b: int, rung: int, offset: int, state: _State) -> None:
        """Rung `rung` is due `offset` after the beginning."""
        if offset > self.horizon:
            self._emit(a, b, state.reached)
        elif rung == len(self.levels):
            self._hold(a, b, (False, offset), None, state)
        else:
            self._climb(a, b, _Due(rung, offset, state, self._openings_of(rung, state.paged)))

    def _climb(self, a: int, b: int, due: _Due) -> None:
        offset = due.offset
        for start, end, opening in due.track.pieces(a + offset, b + offset):
            following = due.following.get(id(opening))
            if following is None:
                following = due.following[id(opening)] = self._following(due, opening)
            low, high = start - offset, end - offset
            match following:
                case _Reached():
                    self._write(low, following.reached)
                case _Due():
                    self._climb(low, high, following)
                case _Wait():
                    rung, until, state = following.rung, following.until, following.state
                    if state.skipped and until > offset:
                        self._wait(low, high, (False, offset), rung, until, state)
                    else:
                        self._open(low, high, rung, until, state)

    def _following(self, due: _Due, opening: _Opening | None) -> _Due | _Wait | _Reached:
        rung, offset = due.rung + 1, due.offset
        if opening is None:
            state = due.state.without(due.rung)
        else:
            state = due.state.after(opening, due.rung, (False, offset))
            if state.sure >= self.most:
                return _Reached(self._least(state.reached))
            offset += opening.gap
        if offset > self.horizon or rung == len(self.levels) or (state.skipped and opening is not None):
            return _Wait(rung, offset, state)
        return _Due(rung, offset, state, self._openings_of(rung, state.paged))

    def _wait(self, a: int, b: int, now: When, rung: int, offset: int, state: _State) -> None:
        """From `now` until `offset` after the beginning: whoever comes onto a skipped rung is called as they come."""
        until = min(offset, self.horizon)
        for low, high, change in _changes(self._union(state.skipped), a, b, now):
            # Beginnings before `edge` have left the skipped rung's hands before it changes.
            edge = high if change is None else min(max(change - until, low), high)
            if low < edge:
                self._open(low, edge, rung, offset, state)
            if edge == high or change is None:
                continue
            came, _ = self._arrivals(change, state)
            if came.sure >= self.most:
                self._emit(edge, high, came.reached)
            elif came.skipped:
                self._wait(edge, high, (True, change), rung, offset, came)
            else:
                self._open(edge, high, rung, offset, came)

    def _arrivals(self, second: int, state: _State) -> tuple[_State, int]:
        """Skipped rungs on which somebody stands now who has not been paged are called; the wait of the highest one."""
        gap = 0
        for rung in state.skipped:
            opening = self._opening(rung, self.levels[rung].strip.at(second), state.paged)
            if opening is not None:
                state, gap = state.after(opening, rung, (True, second)), opening.gap
        return state, gap

    def _openings_of(self, rung: int, paged: frozenset[str]) -> "Track":
        """What the rung does at any second, when these have been paged before."""
        key = (rung, paged & self._people[rung])
        if key not in self._tracks:
            self._tracks[key] = Track(self.levels[rung].strip, lambda answer: self._opening(rung, answer, key[1]))
        return self._tracks[key]

    def _opening(self, rung: int, answer: Present, paged: frozenset[str]) -> _Opening | None:
        key = (rung, id(answer), paged & self._people[rung])
        if key not in self._openings:
            opening = _opened(self.levels[rung], rung, answer, paged, self._matters[rung])
            self._openings[key] = self._same.setdefault(opening, opening)
        return self._openings[key]

    def _elsewhere(self, rung: int) -> frozenset[str]:
        """Those on this rung whose name matters: they stand elsewhere too, or somebody wants to read it."""
        mine = frozenset(self.levels[rung].calls)
        if self.named or self.anybody is not None:
            return mine
        others = [level.calls for number, level in enumerate((*self.levels, self.last)) if number != rung]
        return mine & frozenset(person for calls in others for person in calls)

    def _union(self, rungs: tuple[int, ...], *, last: bool = False) -> Strip:
        key = (*rungs, -1) if last else rungs
        if key not in self._unions:
            finally_called = [level.strip for level in (self.last, self.anybody) if last and level is not None]
            self._unions[key] = _side_by_side([*(self.levels[rung].strip for rung in rungs), *finally_called])
        return self._unions[key]

    # --- in extremis ---

    def _hold(self, a: int, b: int, now: When, due: int | None, state: _State) -> None:
        """All rungs are done with. In extremis is called now (or not before `due`), or when quiet hours end."""
        union = self._union(state.skipped, last=True)
        for start, end in self._uncalled(a, b, now, state) if due is None else ((a, b),):
            for low, high, change in _changes(union, start, end, now):
                self._hold_on(low, high, change, due, state)

    def _hold_on(self, a: int, b: int, change: int | None, due: int | None, state: _State) -> None:
        """Until the next change or `due`, whichever is first; a beginning whose horizon comes before ends here."""
        moments = [each for each in (change, due) if each is not None]
        edge = b if not moments else min(max(min(moments) - self.horizon, a), b)
        if a < edge:
            self._emit(a, edge, state.reached)
        if edge == b:
            return
        if change is not None and (due is None or change <= due):
            self._change(edge, b, change, None if due == change else due, state)
        elif due is not None:
            self._hold(edge, b, (True, due), None, state)

    def _change(self, a: int, b: int, second: int, due: int | None, state: _State) -> None:
        came, gap = self._arrivals(second, state)
        now: When = (True, second)
        for low, high in self._uncalled(a, b, now, came) if due is None else ((a, b),):
            if came.sure >= self.most:
                self._emit(low, high, came.reached)
            elif came.top > state.top:
                self._hold(low, high, now, second + gap if gap else None, came)
            else:
                for start, end, change in _changes(self._union(came.skipped, last=True), low, high, now):
                    self._hold_on(start, end, change, due, came)

    def _uncalled(self, a: int, b: int, now: When, state: _State) -> Iterator[tuple[int, int]]:
        """Calls everybody in extremis where there is anybody, after which nothing more is followed; yields the rest."""
        for start, end, answer in _pieces(self.last.strip, a, b, now):
            if answer.contacts:
                self._call_all(start, end, now, self.last, answer, state)
            elif answer.quiet or self.anybody is None:
                yield start, end
            else:
                named = self.last.strip.after(now[1] if now[0] else start + now[1])
                for low, high, everybody in _pieces(self.anybody.strip, start, end, now):
                    if everybody.contacts:
                        self._call_all(low, high, now, self.anybody, everybody, state, named)
                    else:
                        yield low, high

    def _call_all(
        self, a: int, b: int, now: When, level: Level, answer: Present, state: _State, changes: int | None = None
    ) -> None:
        """Everybody of `answer`. Who is reached only by a later try counts if they stay so long.

        `changes`: when others than these may be called, in any case.
        """
        fixed, second = now
        at_once = tuple((person, now) for person in answer.contacts if level.calls[person].reached == 0)
        later: list[tuple[str, int, int]] = []
        for person in answer.contacts:
            after = level.calls[person].reached
            if after:
                leaves = _leaves(level.strip, person, second if fixed else a + second)
                stays = min((each for each in (leaves, changes) if each is not None), default=None)
                # Up to which beginning they are still there when the later try comes.
                until = b if stays is None else stays - after - second
                later.append((person, after, until if not fixed else b if stays is None or until > 0 else a))
        edges = sorted({a, b, *(until for _, _, until in later if a < until < b)})
        for low, high in itertools.pairwise(edges):
            there = tuple((person, (fixed, second + after)) for person, after, until in later if low < until)
            self._emit(low, high, (*state.reached, *at_once, *there))

    # --- what comes out ---

    def _emit(self, a: int, b: int, reached: Reached) -> None:
        if a < b:
            self._write(a, self._least(reached))

    def _write(self, start: int, reached: Reached) -> None:
        """From this beginning on. Beginnings come in order, and `reached` is one object for all that are equal."""
        if not self._finals or self._finals[-1] is not reached:
            self._starts.append(start)
            self._finals.append(reached)

    def _least(self, reached: Reached) -> Reached:
        known = self._normal.get(reached)
        if known is None:
            known = _least(reached, self.most, self.horizon)
            known = self._normal.setdefault(known, known)
            self._normal[reached] = known
        return known


class Track:
    """What a rung does at any second, when certain people have been paged before. Neighbours that are equal are one."""

    __slots__ = ("_known", "_strip", "_work_out")

    def __init__(self, strip: Strip, work_out: Callable[[Present], _Opening | None]) -> None:
        self._strip = strip
        self._work_out = work_out
        self._known: dict[int, _Opening | None] = {}

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, _Opening | None]]:
        """[start, end) cut where the rung does something else; equal openings are one object."""
        bounds, numbers, known = self._strip.bounds, self._strip.numbers, self._known
        place, last = self._strip.place(start), len(bounds) - 1
        number = numbers[place]
        opening = known[number] if number in known else self._learn(number)
        while True:
            place += 1
            if place > last or bounds[place] >= end:
                yield start, end, opening
                return
            number = numbers[place]
            following = known[number] if number in known else self._learn(number)
            if following is not opening:
                yield start, bounds[place], opening
                start, opening = bounds[place], following

    def _learn(self, number: int) -> _Opening | None:
        found = self._known[number] = self._work_out(self._strip.distinct[number])
        return found


def _opened(
    level: Level, rung: int, answer: Present, paged: frozenset[str], matters: frozenset[str]
) -> _Opening | None:
    """None when nobody is left to be paged: the rung is skipped."""
    people = [person for person in answer.contacts if person not in paged]
    if not people:
        return None
    calls = [level.calls[person] for person in people]
    names = [person if person in matters else f"#{rung}.{place}" for place, person in enumerate(people)]
    gains = tuple((name, one.reached) for name, one in zip(names, calls, strict=True) if one.reached is not None)
    departures = [one.departed for one in calls if one.departed is not None]
    spent = [one.spent for one in calls if one.spent is not None]
    gaps = [min(departures) + level.wait] if departures else []
    if len(spent) == len(calls):
        gaps.append(max(spent))
    at_once = sum(1 for _, after in gains if after == 0)
    return _Opening(matters.intersection(people), gains, at_once, min(gaps, default=level.wait))


def _changes(strip: Strip, a: int, b: int, now: When) -> Iterator[tuple[int, int, int | None]]:
    """[a, b) cut so that the next change after `now` is one moment; None when nothing changes any more."""
    fixed, second = now
    if fixed:
        yield a, b, strip.after(second)
        return
    for start, end, _ in strip.pieces(a + second, b + second):
        yield start - second, end - second, strip.after(start)


def _pieces(strip: Strip, a: int, b: int, now: When) -> Iterator[tuple[int, int, Present]]:
    """[a, b) cut so that the answer at `now` is one."""
    fixed, second = now
    if fixed:
        yield a, b, strip.at(second)
        return
    for start, end, answer in strip.pieces(a + second, b + second):
        yield start - second, end - second, answer


def _leaves(strip: Strip, person: str, second: int) -> int | None:
    """When this person, who stands there at `second`, goes; None if never."""
    for place in range(strip.place(second) + 1, len(strip.bounds)):
        if person not in strip.answers[place].contacts:
            return strip.bounds[place]
    return None


_NOBODY = Present(())


def _side_by_side(strips: Sequence[Strip]) -> Strip:
    """All bounds of all strips. What holds between them is read from each."""
    bounds = sorted({bound for strip in strips for bound in strip.bounds})
    return Strip.of(bounds, (_NOBODY,) * len(bounds))


def _least(reached: Reached, most: int, horizon: int) -> Reached:
    """The same without what nobody asks for: each person once and the first `most` people, where that is certain."""
    if any(fixed for _, (fixed, _) in reached):
        return tuple(sorted(reached, key=_by_time))
    soonest: dict[str, int] = {}
    for person, (_, second) in reached:
        if second <= horizon and second < soonest.get(person, horizon + 1):
            soonest[person] = second
    first = sorted((second, person) for person, second in soonest.items())[:most]
    return tuple((person, (False, second)) for second, person in first)


def _by_time(entry: tuple[str, When]) -> tuple[bool, int, str]:
    person, (fixed, second) = entry
    return fixed, second, person
