"""What makes a sound plan work less well than it looks, at a given moment: warnings, never errors. Pure.

Whether somebody is reached at every minute is for the proof (`runbooks.proof`); these are what one sees without it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain

from contacts.addresses import ChannelKind, ContactChannel, network_of
from contacts.directory import Contact, Directory, Occasion
from contacts.schedules import gaps
from incidents.durations import write_duration
from incidents.severity import Severity
from runbooks import people
from runbooks.findings import warning
from runbooks.hearing_checks import hearing_smells
from runbooks.places import Finding, ModelPath
from runbooks.plan import Ladder, Plan

AHEAD = timedelta(weeks=12)
"""How far schedules are looked through for gaps."""
SOON = timedelta(days=7)
_RINGS = {
    ChannelKind.SMS: "telephone",
    ChannelKind.VOICE: "telephone",
    ChannelKind.PUSH: "browser",
    ChannelKind.SLACK: "Slack account",
}
"""What the channels that interrupt somebody ring on: an SMS and a call to one number are one telephone."""
_AHEAD_OF_UTC = timedelta(hours=14)
"""How far the calendar of the first zone to begin a day is ahead of UTC."""
TARGETS = {
    Severity.SEV1: timedelta(minutes=5),
    Severity.SEV2: timedelta(minutes=5),
    Severity.SEV3: timedelta(minutes=15),
    Severity.SEV4: timedelta(hours=1),
}
"""How soon a page is to be answered where the plan has no `reach_within` (domain.md 3.2)."""


def smells(plan: Plan, directory: Directory, now: datetime) -> Iterator[Finding]:
    """Warnings in the order of the plan. A plan with everybody on the console has only those of its shape."""
    yield from _rungs_never_reached(plan, directory)
    yield from _waits_beyond_target(plan)
    yield from hearing_smells(plan)
    if all(channel.kind == "console" for contact in directory.contacts for channel in contact.channels):
        return
    yield from _single_points(plan, directory)
    yield from _shared(directory)
    yield from _addresses(directory, now)
    yield from _nobody_now(directory, now)
    yield from _gaps(directory, now)


def _rungs_never_reached(plan: Plan, directory: Directory) -> Iterator[Finding]:
    """A rung whose people have all been called by the rungs before: each is called once, so it calls nobody."""
    for name, ladder in plan.ladders.items():
        before: set[str] = set()
        for index, rung in enumerate(ladder.rungs):
            may = {each.id for reference in rung.page for each in people.behind(directory, reference)}
            if may and may <= before:
                sentence = "Everybody here has been called before: this rung calls nobody and is passed over."
                yield warning(("ladders", name, "rungs", index, "page"), sentence)
            before |= {each for reference in rung.page for each in _surely(directory, reference)}


def _surely(directory: Directory, reference: str) -> tuple[str, ...]:
    """Who is certainly called by a reference, whatever the hour; of a role nobody, for a deputy may stand in."""
    kind, _, _ = reference.rpartition(":")
    if kind in ("", "team"):
        return tuple(each.id for each in people.behind(directory, reference))
    found = people.behind(directory, reference)
    return (found[0].id,) if len(found) == 1 else ()


def _waits_beyond_target(plan: Plan) -> Iterator[Finding]:
    for severity, name in plan.severities.items():
        ladder = plan.ladders.get(name)
        cadence = plan.cadence.get(severity)
        if ladder is None:
            continue
        target = (None if cadence is None else cadence.reach_within) or TARGETS[severity]
        wait = ladder.rungs[0].wait
        if wait > target:
            sentence = (
                f"For {severity} somebody is to be reached in {write_duration(target)}, but when the first does not "
                f"answer the next one is called after {write_duration(wait)}."
            )
            yield warning(("ladders", name, "rungs", 0, "wait"), sentence)


def _single_points(plan: Plan, directory: Directory) -> Iterator[Finding]:
    """A ladder that hangs on one person, one provider or one network."""
    drills = {name for each in plan.situations.values() if each.drill for name in each.ladder.values()}
    for name, ladder in plan.ladders.items():
        if name in drills:
            continue
        on_it = _everybody_on(ladder, directory)
        path: ModelPath = ("ladders", name)
        if len(on_it) == 1:
            yield warning(path, f"This ladder hangs on one person: {on_it[0].name}.")
        for what, ways in (("provider", _providers), ("network", _networks)):
            common = set.intersection(*(ways(directory, each) for each in on_it)) if on_it else set()
            only = set.union(*(ways(directory, each) for each in on_it)) if on_it else set()
            if len(only) == 1 and common:
                hangs = f"Everybody on this ladder is reached by the {what} {min(only)!r} alone"
                yield warning(path, f"{hangs}; when it is down, nobody is.")


def _everybody_on(ladder: Ladder, directory: Directory) -> list[Contact]:
    references = chain(chain.from_iterable(rung.page for rung in ladder.rungs), ladder.in_extremis)
    found = {each.id: each for reference in references for each in people.behind(directory, reference)}
    return list(found.values())


def _real(contact: Contact) -> list[ContactChannel]:
    return [channel for channel in contact.channels if channel.kind != "console"]


def _providers(directory: Directory, contact: Contact) -> set[str]:
    kinds = {ChannelKind(channel.kind) for channel in _real(contact)}
    return {provider for kind in kinds for provider in directory.providers_of(kind)}


def _networks(_directory: Directory, contact: Contact) -> set[str]:
    return {network_of(channel) for channel in _real(contact)}


def _shared(directory: Directory) -> Iterator[Finding]:
    """An address that rings for several people: one hand holds it, so it is one person, whatever the ladder says."""
    first: dict[tuple[str, str], tuple[int, Contact]] = {}
    told: set[tuple[int, tuple[str, str]]] = set()
    for index, contact in enumerate(directory.contacts):
        for number, channel in enumerate(contact.channels):
            what = _RINGS.get(ChannelKind(channel.kind))
            if what is None:
                continue
            place, owner = first.setdefault((what, channel.to), (index, contact))
            if place == index or (index, (what, channel.to)) in told:
                continue
            told.add((index, (what, channel.to)))
            sentence = (
                f"{contact.name} has the same {what} as {owner.name} ({channel.to}): whoever holds it is one person, "
                "but they count as two. Give each of them their own."
            )
            yield warning(("contacts", index, "channels", number, "to"), sentence)


def _addresses(directory: Directory, now: datetime) -> Iterator[Finding]:
    """Addresses whose proof is missing, has run out, or runs out within a week."""
    unproven: list[tuple[ModelPath, str]] = []
    for index, contact in enumerate(directory.contacts):
        for number, channel in enumerate(contact.channels):
            if channel.kind == "console":
                continue
            path: ModelPath = ("contacts", index, "channels", number)
            verified, expires = directory.proof_of(channel)
            if channel.verified is not None and channel.verified > (now + _AHEAD_OF_UTC).date():
                sentence = (
                    f"'verified: {channel.verified}' is in the future: nobody has proven anything on that day yet."
                )
                yield warning((*path, "verified"), sentence)
            if verified is None or expires is None:
                unproven.append((path, contact.name))
            elif expires <= now.date():
                yield warning(path, f"The proof that this {channel.kind} reaches {contact.name} expired on {expires}.")
            elif expires <= (now + SOON).date():
                yield warning(path, f"The proof that this {channel.kind} reaches {contact.name} expires on {expires}.")
    if unproven:
        owners = len({name for _, name in unproven})
        sentence = (
            f"{len(unproven)} addresses of {owners} people are unproven; this is the first. "
            "`tocsin contacts verify` sends each a code."
        )
        yield warning(unproven[0][0], sentence)


def _nobody_now(directory: Directory, now: datetime) -> Iterator[Finding]:
    for field, everything in (("roles", directory.roles), ("areas", directory.areas)):
        for index, held in enumerate(everything):
            kind = field.removesuffix("s")
            found = directory.resolve(f"{kind}:{held.id}", Occasion(now))
            if not found.contacts:
                why = "; ".join(found.because) or "nobody stands behind it"
                yield warning((field, index, "id"), f"Nobody holds the {kind} {held.id!r} now: {why}.")


def _gaps(directory: Directory, now: datetime) -> Iterator[Finding]:
    for index, schedule in enumerate(directory.schedules):
        if schedule.calendar is not None and schedule.id not in directory.live.calendars:
            continue  # nothing is known of it without the engine
        feed = directory.live.calendars.get(schedule.id, ())
        holes = gaps(schedule, now, now + AHEAD, feed)
        if holes:
            first = holes[0].since
            when = "" if first is None else f", first at {first:%Y-%m-%d %H:%M} UTC"
            sentence = f"Nobody is on duty {len(holes)} times in the next 12 weeks{when}."
            yield warning(("schedules", index, "id"), sentence)
