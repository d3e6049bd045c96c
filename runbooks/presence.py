"""Who stands behind the references of a plan over a stretch of time: strips, not moments. Pure.

A strip says from which second on which answer holds. The answers are those of `Directory.resolve`, asked once for each
state of the world that it can tell apart: who is on duty in the schedules, who is absent and has which deputy, who
keeps quiet hours. Between two changes of that state nothing can change, so nothing is asked.
Moments are whole seconds since 1970 here: they are compared a million times.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from contacts.directory import Contact, Directory, Occasion, quiet_spans
from contacts.schedules import duties
from contacts.walltime import begins, ends, zone
from incidents.severity import Severity

_DAYS_AT_ONCE = 7


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@dataclass(frozen=True, slots=True)
class Present:
    """Who would be paged, in order and each once, and whether quiet hours alone keep somebody out."""

    contacts: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """`answers[i]` holds from `bounds[i]` until the next bound; the last one for ever. Neighbours differ."""

    bounds: tuple[int, ...]
    answers: tuple[Present, ...]
    distinct: tuple[Present, ...]
    """Each answer, once or a few times."""
    numbers: tuple[int, ...]
    """`answers[i]` is `distinct[numbers[i]]`."""

    @staticmethod
    def of(bounds: Sequence[int], answers: Sequence[Present]) -> "Strip":
        """Answers that are one object are told to be equal by that, which is much quicker than by what they say."""
        once = {id(answer): answer for answer in answers}
        number = dict(zip(once, range(len(once)), strict=True))
        numbers = tuple([number[id(answer)] for answer in answers])
        return Strip(tuple(bounds), tuple(answers), tuple(once.values()), numbers)

    def place(self, second: int) -> int:
        """Which piece a second lies in; what is before the first bound counts as the first piece."""
        return max(0, bisect_right(self.bounds, second) - 1)

    def at(self, second: int) -> Present:
        return self.answers[self.place(second)]

    def after(self, second: int) -> int | None:
        """The first bound later than a second; None when nothing changes any more."""
        place = bisect_right(self.bounds, second)
        return self.bounds[place] if place < len(self.bounds) else None

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, Present]]:
        """[start, end) cut at the bounds: (from, to, answer)."""
        bounds, answers = self.bounds, self.answers
        place, last = self.place(start), len(bounds) - 1
        while start < end:
            stop = end if place == last or bounds[place + 1] > end else bounds[place + 1]
            yield start, stop, answers[place]
            start, place = stop, place + 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What `resolve` is told beside the moment, without what makes no difference to anybody in this directory."""

    severity: Severity | None = None
    situation: str | None = None
    area: str | None = None


Track = list[tuple[int, Hashable]]
"""From which second on something is in which state, in order."""
_HERE, _QUIET, _AWAY = "here", "quiet", "away"


@dataclass(slots=True)
class Presence:
    """Strips of one directory over [start, end), each worked out once."""

    directory: Directory
    start: int
    end: int
    _strips: dict[Hashable, Strip] = field(default_factory=dict)
    _tracks: dict[Hashable, Track] = field(default_factory=dict)
    _away: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    _kept: dict[Hashable, list[tuple[int, bool]]] = field(default_factory=dict)
    _rosters: dict[str, list[tuple[int, int, tuple[str, ...]]]] = field(default_factory=dict)
    _answers: dict[Present, Present] = field(default_factory=dict)

    def kind(self, severity: Severity, situation: str | None, area: str | None) -> Kind:
        """The least that says the same as this severity, situation and area."""
        people = self.directory.contacts
        quiet = {each for contact in people for hours in contact.quiet_hours for each in hours.severities}
        interests = {each for contact in people for each in contact.conflicts}
        return Kind(
            severity if severity in quiet else None,
            situation if situation in interests else None,
            area if area in interests else None,
        )

    def of(self, references: Sequence[str], kind: Kind, area: str | None) -> Strip:
        """Everybody behind these references together, as a rung calls them. `area` is what `area:*` means."""
        names = tuple(_with_area(each, area) for each in references)
        key = (names, kind)
        if key not in self._strips:
            self._strips[key] = self._joined([self._of_one(each, kind) for each in names])
        return self._strips[key]

    def anybody(self, kind: Kind) -> Strip:
        """Whoever in the directory can be reached at all."""
        return self.of([contact.id for contact in self.directory.contacts], kind, None)

    def _of_one(self, reference: str, kind: Kind) -> Strip:
        key = (reference, kind)
        if key not in self._strips:
            self._strips[key] = self._worked_out(reference, kind)
        return self._strips[key]

    def _worked_out(self, reference: str, kind: Kind) -> Strip:
        """Asks the directory once for each state of those on whom its answer depends.

        Whoever is found on the schedule that holds a role or an area is who is called; the others matter only when
        nobody is.
        """
        schedules, people = self._holders(reference)
        tracks = [self._on_duty(each, kind) for each in schedules] + [self._of_person(each, kind) for each in people]
        first = self._first_schedule(reference)
        if first is not None:
            strip = self._of_one(first, kind)
            tracks.insert(0, list(zip(strip.bounds, strip.answers, strict=True)))
        known: dict[Hashable, Present] = {}
        bounds: list[int] = []
        answers: list[Present] = []
        for second, state in _side_by_side(tracks, self.start):
            if first is not None and isinstance(state[0], Present) and state[0].contacts:
                answer: Present | None = state[0]
            else:
                answer = known.get(state)
            if answer is None:
                occasion = Occasion(moment(second), kind.severity, kind.situation, kind.area)
                found = self.directory.resolve(reference, occasion)
                answer = known[state] = self._same(tuple(each.id for each in found.contacts), quiet=found.quiet)
            if not answers or answers[-1] is not answer:
                bounds.append(second)
                answers.append(answer)
        return Strip.of(bounds, answers)

    def _joined(self, strips: Sequence[Strip]) -> Strip:
        """Strips laid side by side: everybody on any of them, in their order and each once."""
        if len(strips) == 1:
            return strips[0]
        tracks = [list[tuple[int, Hashable]](zip(strip.bounds, strip.answers, strict=True)) for strip in strips]
        known: dict[Hashable, Present] = {}
        bounds: list[int] = []
        answers: list[Present] = []
        for second, found in _side_by_side(tracks, self.start):
            key = tuple(map(id, found))
            answer = known.get(key)
            if answer is None:
                each = [one for one in found if isinstance(one, Present)]
                people = dict.fromkeys(person for one in each for person in one.contacts)
                answer = known[key] = self._same(tuple(people), quiet=any(one.quiet for one in each))
            if not answers or answers[-1] is not answer:
                bounds.append(second)
                answers.append(answer)
        return Strip.of(bounds, answers)

    def _same(self, people: tuple[str, ...], *, quiet: bool) -> Present:
        """Equal answers are one object."""
        answer = Present(people, quiet)
        return self._answers.setdefault(answer, answer)

    # --- on what an answer depends ---

    def _holders(self, reference: str) -> tuple[list[str], list[str]]:
        """The schedules and the people behind a reference; deputies of people are part of a person's state."""
        body, _, _ = reference.partition("/")
        kind, _, name = body.rpartition(":")
        match kind:
            case "role" | "area":
                held = self.directory.role(name) if kind == "role" else self.directory.area(name)
                holders: tuple[str, ...] = () if held is None else held.holders
            case "team":
                team = self.directory.team(name)
                holders = () if team is None else team.members
            case _:
                holders = (body,)
        schedules = [each.removeprefix("schedule:") for each in holders if each.startswith("schedule:")]
        return schedules, [each for each in holders if not each.startswith("schedule:")]

    def _first_schedule(self, reference: str) -> str | None:
        """The schedule that holds a role or an area before anybody else, as a reference."""
        body, _, name = reference.partition(":")
        held = {"role": self.directory.role, "area": self.directory.area}.get(body)
        found = None if held is None else held(name)
        return found.responsible if found is not None and found.responsible.startswith("schedule:") else None

    def _on_duty(self, schedule_id: str, kind: Kind) -> Track:
        """Who is on duty, with the state of each of them."""
        key = (schedule_id, kind.severity)
        if key not in self._tracks:
            self._tracks[key] = list(self._crews(schedule_id, kind))
        return self._tracks[key]

    def _crews(self, schedule_id: str, kind: Kind) -> Iterator[tuple[int, Hashable]]:
        for since, until, people in self._duties(schedule_id):
            states = [list(self._states(person, kind, since, until, 0)) for person in people]
            for second, state in _side_by_side(states, since):
                yield second, (people, state)

    def _duties(self, schedule_id: str) -> list[tuple[int, int, tuple[str, ...]]]:
        if schedule_id not in self._rosters:
            schedule = self.directory.schedule(schedule_id)
            feed = self.directory.live.calendars.get(schedule_id, ())
            found = () if schedule is None else duties(schedule, moment(self.start), moment(self.end), feed)
            self._rosters[schedule_id] = [
                (
                    self.start if each.since is None else seconds(each.since),
                    self.end if each.until is None else seconds(each.until),
                    each.people,
                )
                for each in found
            ]
        return self._rosters[schedule_id]

    def _of_person(self, person: str, kind: Kind) -> Track:
        key = ("person", person, kind.severity)
        if key not in self._tracks:
            self._tracks[key] = list(self._states(person, kind, self.start, self.end, 0))
        return self._tracks[key]

    def _states(self, person: str, kind: Kind, start: int, end: int, passed_on: int) -> Iterator[tuple[int, Hashable]]:
        """Here, quiet, or away with the deputy in their own state: all that the directory can know of a person."""
        contact = self.directory.contact(person)
        if contact is None:
            yield start, None
            return
        for since, until, deputy in _between(self._absences(contact), start, end):
            if deputy is None:
                for second, _, quiet in _between(self._quiet(contact, kind.severity), since, until):
                    yield second, _QUIET if quiet else _HERE
            elif not deputy or passed_on > _DEEPEST:
                yield since, _AWAY
            else:
                for second, state in self._states(deputy, kind, since, until, passed_on + 1):
                    yield second, (deputy, state)

    def _absences(self, contact: Contact) -> list[tuple[int, str | None]]:
        """(second, the deputy from then on): None while they are there, "" while nobody stands in."""
        if contact.id not in self._away:
            where = zone(contact.time_zone)
            spans = [
                (seconds(begins(each.starts, where)), seconds(ends(each.ends, where)), each.deputy or contact.deputy)
                for each in contact.absences
            ]
            edges = sorted({self.start, *(edge for since, until, _ in spans for edge in (since, until))})
            self._away[contact.id] = [
                (edge, next((deputy or "" for since, until, deputy in reversed(spans) if since <= edge < until), None))
                for edge in edges
            ]
        return self._away[contact.id]

    def _quiet(self, contact: Contact, severity: Severity | None) -> list[tuple[int, bool]]:
        """(second, whether they keep quiet hours from then on)."""
        kept = tuple(each for each in contact.quiet_hours if severity in each.severities)
        key = (contact.time_zone, kept)
        if key not in self._kept:
            spans = _spans(contact, severity, self.start, self.end) if kept else []
            self._kept[key] = _covered(spans, self.start)
        return self._kept[key]


_DEEPEST = 8
"""Beyond any chain of deputies that the directory follows."""


def _spans(contact: Contact, severity: Severity | None, start: int, end: int) -> list[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    day, last = moment(start), moment(end) + timedelta(days=_DAYS_AT_ONCE)
    while day < last:
        found.update((seconds(since), seconds(until)) for since, until in quiet_spans(contact, severity, day))
        day += timedelta(days=_DAYS_AT_ONCE)
    return sorted(span for span in found if span[0] < span[1])


def _covered(spans: Sequence[tuple[int, int]], start: int) -> list[tuple[int, bool]]:
    """Spans, in order and perhaps overlapping, as a track that begins at `start`."""
    joined: list[tuple[int, int]] = []
    for since, until in spans:
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    track = [(start, False)]
    for since, until in joined:
        if until > start:
            track += [(max(since, start), True), (until, False)]
    return track[1:] if len(track) > 1 and track[1][0] == start else track


Value = TypeVar("Value")


def _between(track: Sequence[tuple[int, Value]], start: int, end: int) -> Iterator[tuple[int, int, Value]]:
    """[start, end) cut at the changes of a track: (from, to, state)."""
    place = max(0, bisect_right(track, start, key=_second) - 1)
    while start < end:
        stop = end if place + 1 == len(track) else min(end, track[place + 1][0])
        if start < stop:
            yield start, stop, track[place][1]
        start, place = stop, place + 1


def _second(change: tuple[int, object]) -> int:
    return change[0]


def _with_area(reference: str, area: str | None) -> str:
    body, slash, rank = reference.partition("/")
    return f"area:{area}{slash}{rank}" if body == "area:*" and area is not None else reference


def _side_by_side(tracks: Sequence[Track], start: int) -> Iterator[tuple[int, tuple[Hashable, ...]]]:
    """(second, the state of every track) whenever one of them changes, beginning at `start`."""
    if len(tracks) == 1:
        for second, state in tracks[0]:
            yield second, (state,)
        return
    changes = sorted((second, number) for number, track in enumerate(tracks) for second, _ in track)
    states: list[Hashable] = [None] * len(tracks)
    places = [0] * len(tracks)
    latest = start
    for second, number in changes:
        if second > latest:
            yield latest, tuple(states)
            latest = second
        states[number] = tracks[number][places[number]][1]
        places[number] += 1
    yield latest, tuple(states)
