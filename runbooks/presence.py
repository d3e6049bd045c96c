"""Who stands behind the references of a plan over a stretch of time: strips, not moments. Pure.

A strip says from which second on which answer holds. The answers are those of `Directory.resolve`, asked once for each
state of the world that it can tell apart: who is on duty in the schedules, who is absent and has which deputy, who
keeps quiet hours. Between two changes of that state nothing can change, so nothing is asked.
Moments are whole seconds since 1970 here: they are compared a million times.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contacts.directory import Contact, Directory, Occasion, QuietHours, quiet_spans
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


@dataclass(slots=True)
class Presence:
    """Strips of one directory over [start, end), each worked out once."""

    directory: Directory
    start: int
    end: int
    _strips: dict[Hashable, Strip] = field(default_factory=dict)
    _duties: dict[str, list[tuple[int, tuple[str, ...]]]] = field(default_factory=dict)
    _quiet: dict[Hashable, list[tuple[int, int]]] = field(default_factory=dict)

    def kind(self, severity: Severity, situation: str | None, area: str | None) -> Kind:
        """The least that says the same as this severity, situation and area."""
        quiet = {each for contact in self.directory.contacts for hours in contact.quiet_hours for each in hours.severities}
        interests = {each for contact in self.directory.contacts for each in contact.conflicts}
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
            self._strips[key] = joined([self._of_one(each, kind) for each in names])
        return self._strips[key]

    def anybody(self, kind: Kind) -> Strip:
        """Whoever in the directory can be reached at all."""
        return self.of([contact.id for contact in self.directory.contacts], kind, None)

    def _of_one(self, reference: str, kind: Kind) -> Strip:
        key = ((reference,), kind, "one")
        if key not in self._strips:
            self._strips[key] = self._worked_out(reference, kind)
        return self._strips[key]

    def _worked_out(self, reference: str, kind: Kind) -> Strip:
        schedules, people = self._concerned(reference)
        tracks: list[list[tuple[int, Hashable]]] = [list[tuple[int, Hashable]](self._on_duty(each)) for each in schedules]
        for each in people:
            contact = self.directory.contact(each)
            if contact is not None:
                tracks.extend(self._away(contact, kind))
        known: dict[Hashable, Present] = {}
        bounds: list[int] = []
        answers: list[Present] = []
        for second, state in _side_by_side(tracks, self.start):
            answer = known.get(state)
            if answer is None:
                occasion = Occasion(moment(second), kind.severity, kind.situation, kind.area)
                found = self.directory.resolve(reference, occasion)
                answer = known[state] = Present(tuple(each.id for each in found.contacts), found.quiet)
            if not answers or answers[-1] != answer:
                bounds.append(second)
                answers.append(answer)
        return Strip(tuple(bounds), tuple(answers))

    def _concerned(self, reference: str) -> tuple[list[str], list[str]]:
        """The schedules and the people on whom the answer can depend: holders, members, whoever is on duty, deputies."""
        body, _, _ = reference.partition("/")
        kind, _, name = body.rpartition(":")
        held = {"role": self.directory.role, "area": self.directory.area}.get(kind)
        if held is not None:
            found = held(name)
            holders: tuple[str, ...] = () if found is None else found.holders
        elif kind == "team":
            team = self.directory.team(name)
            holders = () if team is None else team.members
        else:
            holders = (body,)
        schedules = [each.removeprefix("schedule:") for each in holders if each.startswith("schedule:")]
        people = [each for each in holders if not each.startswith("schedule:")]
        for schedule in schedules:
            people.extend(person for _, crew in self._on_duty(schedule) for person in crew)
        return schedules, self._with_deputies(people)

    def _with_deputies(self, people: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(dict.fromkeys(people))
        while waiting:
            each = waiting.pop()
            contact = self.directory.contact(each)
            if each in found or contact is None:
                continue
            found[each] = None
            deputies = (contact.deputy, *(absence.deputy for absence in contact.absences))
            waiting.extend(deputy for deputy in deputies if deputy is not None)
        return list(found)

    def _on_duty(self, schedule_id: str) -> list[tuple[int, tuple[str, ...]]]:
        if schedule_id not in self._duties:
            schedule = self.directory.schedule(schedule_id)
            feed = self.directory.live.calendars.get(schedule_id, ())
            found = () if schedule is None else duties(schedule, moment(self.start), moment(self.end), feed)
            self._duties[schedule_id] = [
                (self.start if each.since is None else seconds(each.since), each.people) for each in found
            ]
        return self._duties[schedule_id]

    def _away(self, contact: Contact, kind: Kind) -> Iterator[list[tuple[int, Hashable]]]:
        """What changes about one person: the deputy of their absence, and their quiet hours."""
        where = zone(contact.time_zone)
        spans = [
            (seconds(begins(each.starts, where)), seconds(ends(each.ends, where)), each.deputy or contact.deputy or "")
            for each in contact.absences
        ]
        edges = sorted({edge for start, end, _ in spans for edge in (start, end) if self.start < edge < self.end})
        if spans:
            yield [
                (edge, next((deputy for start, end, deputy in reversed(spans) if start <= edge < end), None))
                for edge in (self.start, *edges)
            ]
        for hours in contact.quiet_hours:
            if kind.severity in hours.severities:
                yield self._kept(contact, hours, kind.severity)

    def _kept(self, contact: Contact, hours: QuietHours, severity: Severity | None) -> list[tuple[int, Hashable]]:
        key = (contact.time_zone, hours, severity)
        if key not in self._quiet:
            self._quiet[key] = _quiet_edges(contact, hours, severity, self.start, self.end)
        return list(self._quiet[key])


def _quiet_edges(
    contact: Contact, hours: QuietHours, severity: Severity | None, start: int, end: int
) -> list[tuple[int, int]]:
    """(second, 1 or 0): from when on these quiet hours are kept, or are over."""
    alone = contact.model_copy(update={"quiet_hours": (hours,)})
    spans: set[tuple[int, int]] = set()
    day, last = moment(start), moment(end) + timedelta(days=_DAYS_AT_ONCE)
    while day < last:
        spans.update((seconds(since), seconds(until)) for since, until in quiet_spans(alone, severity, day))
        day += timedelta(days=_DAYS_AT_ONCE)
    kept = sorted(span for span in spans if span[0] < span[1])
    edges: dict[int, int] = {start: int(any(since <= start < until for since, until in kept))}
    reach = start
    for since, until in kept:
        if since > start:
            edges[since] = 1
        reach = max(reach, until)
        if until > start:
            edges.setdefault(until, 0)
    return sorted((edge, on) for edge, on in edges.items() if edge < end)


def _with_area(reference: str, area: str | None) -> str:
    body, slash, rank = reference.partition("/")
    return f"area:{area}{slash}{rank}" if body == "area:*" and area is not None else reference


def _side_by_side(
    tracks: Sequence[Sequence[tuple[int, Hashable]]], start: int
) -> Iterator[tuple[int, tuple[Hashable, ...]]]:
    """(second, the state of every track) whenever one of them changes, beginning at `start`."""
    changes = sorted(((second, number) for number, track in enumerate(tracks) for second, _ in track), key=_second)
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


def _second(change: tuple[int, int]) -> int:
    return change[0]


def joined(strips: Sequence[Strip]) -> Strip:
    """Strips laid side by side: everybody on any of them, in their order and each once."""
    if len(strips) == 1:
        return strips[0]
    start = max(strip.bounds[0] for strip in strips)
    tracks = [list(zip(strip.bounds, range(len(strip.bounds)), strict=True)) for strip in strips]
    known: dict[tuple[int, ...], Present] = {}
    ids: list[list[int]] = []
    distinct: list[Present] = []
    number: dict[Present, int] = {}
    for strip in strips:
        for answer in strip.answers:
            if answer not in number:
                number[answer] = len(distinct)
                distinct.append(answer)
        ids.append([number[answer] for answer in strip.answers])
    bounds: list[int] = []
    answers: list[Present] = []
    for second, places in _side_by_side(tracks, start):
        key = tuple(ids[index][place] for index, place in enumerate(places))  # type: ignore[index]  # places are ints
        answer = known.get(key)
        if answer is None:
            found = [distinct[each] for each in key]
            everybody = tuple(dict.fromkeys(person for each in found for person in each.contacts))
            answer = known[key] = Present(everybody, any(each.quiet for each in found))
        if not answers or answers[-1] != answer:
            bounds.append(second)
            answers.append(answer)
    return Strip(tuple(bounds), tuple(answers))

