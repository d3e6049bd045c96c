"""`tocsin prove --against OLD`: what a change of the plan does to how soon people are reached. Pure."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from contacts.addresses import ChannelKind
from contacts.directory import Contact, Directory
from incidents.severity import Severity
from runbooks.heat import heat_of, late_hours, week_of
from runbooks.plan import Plan
from runbooks.presence import Presence, Strip, seconds
from runbooks.proof import Proof, broken_in_words, scenarios
from runbooks.telling import minutes
from runbooks.trial import reaches
from runbooks.week import ALWAYS, Week, in_words

_WORDS = ("a person", "a second person", "a third person")
_NOTHING: frozenset[str] = frozenset()
Worst = tuple[int | None, ...]
"""Seconds to the first, second and third person; None: never."""


@dataclass(frozen=True, slots=True)
class Change:
    sentence: str
    worse: bool


@dataclass(frozen=True, slots=True)
class Side:
    """A plan and what was proven about it; both sides of a comparison are proven over the same span and zone."""

    plan: Plan
    directory: Directory
    proof: Proof


def differences(old: Side, new: Side) -> list[Change]:
    """What is different, the worst first; empty when nothing is."""
    found = [
        *_situations(old.proof, new.proof),
        *_times(old.proof, new.proof),
        *_hours(old.proof, new.proof),
        *_people(old, new),
    ]
    return sorted(found, key=lambda change: not change.worse)


def _situations(old: Proof, new: Proof) -> Iterator[Change]:
    before, after = _codes(old), _codes(new)
    for code in sorted(after - before):
        yield Change(f"{code} is new.", False)
    for code in sorted(before - after):
        yield Change(f"{code} is gone: its signals have nobody to go to.", True)


def _codes(proof: Proof) -> set[str]:
    return {code for result in proof.results for code in result.scenario.alike}


# --- worst times ---


def _times(old: Proof, new: Proof) -> Iterator[Change]:
    """Scenarios that change in the same way are told in one sentence."""
    before, after = _by_case(old), _by_case(new)
    changed: dict[tuple[Severity, tuple[tuple[int | None, int | None], ...]], list[tuple[str, str | None]]] = {}
    for (severity, code, broken), now_in in after.items():
        was_in = before.get((severity, code, broken))
        if was_in is None:
            continue
        for area in _areas(was_in, now_in):
            both = tuple(zip(_worst_in(area, was_in), _worst_in(area, now_in), strict=True))
            if any(was != now for was, now in both):
                name = code + (f" in {area}" if area else "")
                changed.setdefault((severity, both), []).append((name, broken))
    for (severity, both), cases in changed.items():
        parts = [
            f"worst time to {whom} {_from_to(was, now)}"
            for whom, (was, now) in zip(_WORDS, both, strict=True)
            if was != now
        ]
        worse = any(_longer(now, was) for was, now in both)
        yield Change(f"{severity} {_cases(cases)}: {'; '.join(parts)}.", worse)


def _by_case(proof: Proof) -> dict[tuple[Severity, str, str | None], dict[str | None, Worst]]:
    """The worst times by area, for every severity, situation and what is broken."""
    found: dict[tuple[Severity, str, str | None], dict[str | None, Worst]] = {}
    for each in proof.results:
        for code in each.scenario.alike:
            by_area = found.setdefault((each.scenario.severity, code, each.scenario.broken), {})
            by_area[each.scenario.area] = each.worst
    return found


def _areas(was_in: Collection[str | None], now_in: Collection[str | None]) -> list[str | None]:
    """The areas in which an incident of the new plan can be, and those of the old one that it need not have any more.

    A situation that had an area, and a ladder that asks for none now, are compared in that area.
    """
    before = was_in if None in now_in else ()
    every = dict.fromkeys((*now_in, *before))
    return [each for each in every if each is not None or None in was_in or len(now_in) > 1]


def _worst_in(area: str | None, by_area: dict[str | None, Worst]) -> Worst:
    """The worst times in an area, also of a plan that was not asked about it.

    A ladder without `area:*` calls the same people in every area: then what is true without an area is true in each.
    Where that is not known either, the worst of all its areas stands for it.
    """
    known = by_area.get(area) or by_area.get(None)
    return known or tuple(max(times, key=_length) for times in zip(*by_area.values(), strict=True))


def _length(time: int | None) -> float:
    return math.inf if time is None else time


def _cases(cases: Sequence[tuple[str, str | None]]) -> str:
    names = list(dict.fromkeys(name for name, _ in cases))
    broken = list(dict.fromkeys(each for _, each in cases))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    if broken == [None]:
        return shown
    if None in broken:
        return f"{shown}, also with {', '.join(broken_in_words(each) for each in broken if each)}"
    return f"{shown} with {', '.join(broken_in_words(each) for each in broken)}"


def _from_to(was: int | None, now: int | None) -> str:
    if now is None:
        return f"{minutes(was)} min → never"
    return f"{minutes(was)} → {minutes(now)} min"


def _longer(time: int | None, than: int | None) -> bool:
    return than is not None and (time is None or time > than)


# --- hours of the week ---


def _hours(old: Proof, new: Proof) -> Iterator[Change]:
    for severity in sorted({each.scenario.severity for each in new.results}, key=lambda each: each.rank):
        for broken in (False, True):
            before = late_hours(heat_of(old, severity, broken=broken))
            after = late_hours(heat_of(new, severity, broken=broken))
            when = " when one provider or network is down" if broken else ""
            if after & ~before:
                yield Change(f"{severity} misses its target {in_words(after & ~before)}{when}.", True)
            if before & ~after:
                yield Change(f"{severity} meets its target now {in_words(before & ~after)}{when}.", False)


# --- people and channels ---


@dataclass(slots=True)
class _Coverage:
    """Who can be called for a severity in which hours of the week, and which channels somebody there has."""

    people: dict[str, int] = field(default_factory=dict)
    missing: dict[ChannelKind, int] = field(default_factory=dict)
    """Hours in which, in some week, nobody who is called has this kind of channel."""
    having: dict[ChannelKind, frozenset[str]] = field(default_factory=dict)

    def add(self, strip: Strip, week: Week, start: int, end: int, kinds_of: Callable[[str], frozenset[str]]) -> None:
        for since, until, answer in strip.pieces(start, end):
            mask = week.mask(since, until)
            there: frozenset[str] = _NOTHING
            for person in answer.contacts:
                self.people[person] = self.people.get(person, 0) | mask
                kinds = kinds_of(person)
                there |= kinds
                for kind in kinds:
                    named = ChannelKind(kind)
                    self.having[named] = self.having.get(named, _NOTHING) | {person}
            for kind in ChannelKind:
                if kind not in there:
                    self.missing[kind] = self.missing.get(kind, 0) | mask


def _people(old: Side, new: Side) -> Iterator[Change]:
    week = week_of(new.proof)
    for severity in sorted(Severity, key=lambda each: each.rank):
        before, after = _coverage(old, severity, week), _coverage(new, severity, week)
        yield from _channels(severity, old, before, after)
        gone = [each for each in before.people if each not in after.people]
        come = [each for each in after.people if each not in before.people]
        for person in gone:
            yield Change(f"{severity} no longer calls {_named(old.directory, person)}.", False)
        for person in come:
            yield Change(f"{severity} now also calls {_named(new.directory, person)}.", False)


def _channels(severity: Severity, old: Side, before: _Coverage, after: _Coverage) -> Iterator[Change]:
    for kind in ChannelKind:
        if kind not in before.having or kind is ChannelKind.CONSOLE:
            continue
        lost = after.missing.get(kind, 0) & ~before.missing.get(kind, 0)
        if not lost:
            continue
        had = sorted(each for each in before.having[kind] if before.people[each] & lost)
        who = _and(had)
        what = f"the only {kind} contact" if len(had) == 1 else f"every {kind} contact"
        when = "" if lost == ALWAYS else f" {in_words(lost)}"
        yield Change(f"This removes {what} of {severity}{when} ({who}).", True)


def _coverage(side: Side, severity: Severity, week: Week) -> _Coverage:
    start, end = seconds(side.proof.start), seconds(side.proof.end)
    presence = Presence(side.directory, start, end)
    kinds = {contact.id: _kinds(side.directory, contact) for contact in side.directory.contacts}
    found = _Coverage()
    for scenario in scenarios(side.plan, side.directory):
        if scenario.severity is not severity:
            continue
        ladder = side.plan.ladder_for(scenario.situation, severity)
        references = (*(each for rung in ladder.rungs for each in rung.page), *ladder.in_extremis)
        kind = presence.kind(severity, scenario.situation, scenario.area)
        found.add(
            presence.of(references, kind, scenario.area), week, start, end, lambda person: kinds.get(person, _NOTHING)
        )
    return found


def _kinds(directory: Directory, contact: Contact) -> frozenset[str]:
    return frozenset(route.channel for route in directory.routes(contact, drill=False) if reaches(route))


def _named(directory: Directory, person: str) -> str:
    contact = directory.contact(person)
    kinds = () if contact is None else tuple(dict.fromkeys(channel.kind for channel in contact.channels))
    return f"{person} ({', '.join(kinds)})"


def _and(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
