"""What the models cannot see: whether a plan and its directory fit together. Pure.

Errors are what would leave somebody uncalled or something undecided; warnings are what works less well than it looks.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo, available_timezones

from contacts.directory import Area, Authority, Beat, Contact, Directory, Role
from contacts.schedule_findings import schedule_findings
from contacts.walltime import begins, ends, zone
from incidents.durations import write_duration
from incidents.severity import Severity
from runbooks import people
from runbooks.findings import repeated, unknown, warning
from runbooks.hearing_checks import listening_findings, threshold_findings
from runbooks.noise_checks import heartbeat_findings, noise_findings
from runbooks.places import Finding, ModelPath
from runbooks.plan import Decision, Ladder, Plan, Runbook, Step
from runbooks.sender_checks import sender_findings
from runbooks.wording import nearest
from signals.integration import Integration

COMPENSATION_DECISION = "compensation"
"""The decision that Tocsin asks by itself at the end of every incident; a runbook cannot have one of the same name."""

# Set aside for fiction by the British and the North American numbering plans.
_RESERVED_NUMBER = re.compile(r"^(\+447700900\d{3}|\+1\d{3}55501\d{2})$")
_TWICE = "{!r} stands here twice."


def check(plan: Plan, directory: Directory) -> list[Finding]:
    """Every error and warning about a plan and its directory, in the order of the plan. Never raises."""
    looks: tuple[Callable[[Plan, Directory], Iterator[Finding]], ...] = (
        _ladders,
        _severities,
        _situations,
        _integrations,
        _references,
        _compensation,
        _publications,
        _runbooks,
        _contacts,
        _providers,
        _roles,
        _teams,
        _schedules,
        _paging,
        _reach,
        _hearing,
        _noise,
    )
    return list(chain.from_iterable(look(plan, directory) for look in looks))


def _noise(plan: Plan, directory: Directory) -> Iterator[Finding]:
    yield from noise_findings(plan)
    yield from heartbeat_findings(plan)


def _reference(directory: Directory, path: ModelPath, reference: str) -> Iterator[Finding]:
    body, _, rank = reference.partition("/")
    kind, _, name = body.rpartition(":")
    known = _known_names(directory)
    if kind == "area" and name == "*":
        return
    if kind:
        if name not in known[kind]:
            meant = nearest(name, known[kind])
            article = "an" if kind == "area" else "a"
            hint = f"; did you mean '{kind}:{meant}'?" if meant is not None else "."
            yield Finding(path, f"{reference!r} is not {article} {kind} in contacts.yaml{hint}")
        elif rank and kind not in ("role", "area"):
            yield Finding(path, f"{reference!r}: only a role or an area has a {rank.replace('-', ' ')}.")
        elif rank and people.holder(directory, kind, name, rank) is None:
            yield warning(path, f"{body!r} has no {rank.replace('-', ' ')}: nobody is called here.")
    elif directory.contact(name) is None:
        other = next((each for each in ("role", "area", "team", "schedule") if name in known[each]), None)
        if other is not None:
            article = "an" if other == "area" else "a"
            yield Finding(path, f"{name!r} is {article} {other}; write it as '{other}:{name}'.")
        else:
            yield unknown(path, name, [contact.id for contact in directory.contacts], "a contact in contacts.yaml")


def _known_names(directory: Directory) -> dict[str, tuple[str, ...]]:
    return {
        "role": tuple(each.id for each in directory.roles),
        "area": tuple(each.id for each in directory.areas),
        "team": tuple(each.id for each in directory.teams),
        "schedule": tuple(each.id for each in directory.schedules),
    }


# What the plan names


def _ladders(plan: Plan, directory: Directory) -> Iterator[Finding]:
    for name, ladder in plan.ladders.items():
        for path, references in _called(name, ladder):
            for index, reference in enumerate(references):
                yield from _reference(directory, (*path, index), reference)
            yield from _called_twice(directory, path, references)
        yield from _again(ladder, ("ladders", name, "again"))


def _again(ladder: Ladder, path: ModelPath) -> Iterator[Finding]:
    again = ladder.again
    if not again.every:
        yield warning((*path, "every"), "'every' is 0s: everybody in extremis is called again without a pause.")
    elif again.at_most < again.every:
        every, at_most = write_duration(again.every), write_duration(again.at_most)
        sentence = f"'at_most' ({at_most}) is shorter than 'every' ({every}), so {at_most} is the pause from the start."
        yield warning((*path, "at_most"), sentence)


def _called(name: str, ladder: Ladder) -> Iterator[tuple[ModelPath, tuple[str, ...]]]:
    for index, rung in enumerate(ladder.rungs):
        yield ("ladders", name, "rungs", index, "page"), rung.page
        yield ("ladders", name, "rungs", index, "tell"), rung.tell
    yield ("ladders", name, "crew"), ladder.crew
    yield ("ladders", name, "in_extremis"), ladder.in_extremis


def _called_twice(directory: Directory, path: ModelPath, references: tuple[str, ...]) -> Iterator[Finding]:
    entries = [((*path, index), reference) for index, reference in enumerate(references)]
    yield from repeated(entries, "{!r} is called twice at once here.")
    seen: dict[str, str] = {}
    for entry, reference in entries:
        contact = people.usual(directory, reference)
        if contact is None or seen.get(contact.id) == reference:
            continue
        if contact.id in seen:
            yield warning(entry, f"{reference!r} and {seen[contact.id]!r} are both {contact.name}, who is paged once.")
        seen.setdefault(contact.id, reference)


def _severities(plan: Plan, directory: Directory) -> Iterator[Finding]:
    for severity in Severity:
        if severity not in plan.severities:
            yield Finding(("severities",), f"{severity} has no ladder.")
        if severity not in plan.cadence:
            yield Finding(("cadence",), f"{severity} has no clocks.")
        elif plan.cadence[severity].reach_within == timedelta(0):
            sentence = "'reach_within' is 0s: no plan meets that when one address fails. Write such as 5m."
            yield warning(("cadence", severity, "reach_within"), sentence)
    for severity, ladder in plan.severities.items():
        if ladder not in plan.ladders:
            yield unknown(("severities", severity), ladder, plan.ladders, "one of the ladders")
    used = {*plan.severities.values(), *(name for each in plan.situations.values() for name in each.ladder.values())}
    for name in plan.ladders:
        if name not in used:
            yield warning(("ladders", name), f"No severity and no situation uses the ladder {name!r}.")


def _situations(plan: Plan, directory: Directory) -> Iterator[Finding]:
    known = [runbook.id for runbook in plan.runbooks]
    for code, situation in plan.situations.items():
        path: ModelPath = ("situations", code)
        if situation.runbook not in known:
            yield unknown((*path, "runbook"), situation.runbook, known, "the id of a runbook")
        for severity, ladder in situation.ladder.items():
            if ladder not in plan.ladders:
                yield unknown((*path, "ladder", severity), ladder, plan.ladders, "one of the ladders")
    used = {situation.runbook for situation in plan.situations.values()}
    for index, runbook in enumerate(plan.runbooks):
        if runbook.id not in used:
            yield warning(("runbooks", index, "id"), f"No situation uses the runbook {runbook.id!r}.")


def _integrations(plan: Plan, directory: Directory) -> Iterator[Finding]:
    senders = plan.integrations
    names = [(("integrations", index, "name"), each.name) for index, each in enumerate(senders)]
    keys = [(("integrations", index, "key"), each.key) for index, each in enumerate(senders)]
    yield from repeated(names, "Another integration is called {!r} too.")
    yield from repeated(keys, "Another integration has this key too; every sender needs its own.")
    for index, sender in enumerate(senders):
        yield from _routes(plan, sender, ("integrations", index, "routes"))
    yield from sender_findings(plan)


def _routes(plan: Plan, sender: Integration, path: ModelPath) -> Iterator[Finding]:
    catch_all: int | None = None
    for index, route in enumerate(sender.routes):
        if route.situation not in plan.situations:
            yield unknown((*path, index, "situation"), route.situation, plan.situations, "one of the situations")
        if catch_all is not None:
            yield warning((*path, index), f"This route is never reached: route {catch_all + 1} takes everything.")
        elif not route.match:
            catch_all = index
    if catch_all is None:
        yield Finding(path, f"What matches no route of {sender.name!r} would vanish; end with a route without 'match'.")


def _references(plan: Plan, directory: Directory) -> Iterator[Finding]:
    for field in ("executives", "operators"):
        references: tuple[str, ...] = getattr(plan, field)
        for index, reference in enumerate(references):
            yield from _reference(directory, (field, index), reference)
        yield from _called_twice(directory, (field,), references)
    if not plan.executives and any(cadence.summary_every for cadence in plan.cadence.values()):
        yield warning(("cadence",), "Executive summaries are due, but 'executives' names nobody who receives them.")


def _compensation(plan: Plan, directory: Directory) -> Iterator[Finding]:
    yield from _reference(directory, ("compensation", "decider"), plan.compensation.decider)
    holders = [contact for contact in directory.contacts if any(map(_is_compensation, contact.authority))]
    if not holders:
        needed = "Nobody in contacts.yaml has authority for compensation, so no incident could ever be closed."
        yield Finding(("compensation",), needed)
        return
    decider = people.usual(directory, plan.compensation.decider)
    if decider is not None and decider not in holders:
        others = ", ".join(contact.name for contact in holders)
        yield warning(
            ("compensation", "decider"), f"{decider.name} has no authority for compensation; {others} must do it."
        )
    if len(holders) == 1:
        alone = f"Only {holders[0].name} has authority for compensation, and nobody decides their own proposal."
        yield warning(("compensation",), alone)
    for index, contact in enumerate(directory.contacts):
        for number, grant in enumerate(contact.authority):
            if _is_compensation(grant) and not _in_currency(grant, plan.compensation.currency):
                sentence = f"This authority covers nothing: the plan compensates in {plan.compensation.currency}."
                yield warning(("contacts", index, "authority", number), sentence)


def _is_compensation(grant: Authority) -> bool:
    return grant.may == "compensation"


def _in_currency(grant: Authority, currency: str) -> bool:
    return all(limit is None or limit.currency == currency for limit in (grant.per_customer, grant.total))


def _publications(plan: Plan, directory: Directory) -> Iterator[Finding]:
    entries = [(("publications", index), each) for index, each in enumerate(plan.publications)]
    yield from repeated(
        ((path, (each.audience, each.channel, each.to)) for path, each in entries),
        "This audience gets every update here already.",
    )
    for path, publication in entries:
        if publication.channel == "slack" and publication.to[:1] not in "CG":
            yield Finding((*path, "to"), "A Slack channel is named by its id, such as C024BE7LH.")
    told = {publication.audience for publication in plan.publications}
    if "customers" not in told and any(cadence.update_every for cadence in plan.cadence.values()):
        yield warning(("cadence",), "Updates are due, but 'publications' has no place where customers can read them.")


# What a runbook says


def _runbooks(plan: Plan, directory: Directory) -> Iterator[Finding]:
    ids = [(("runbooks", index, "id"), runbook.id) for index, runbook in enumerate(plan.runbooks)]
    yield from repeated(ids, "Another runbook is called {!r} too.")
    for index, runbook in enumerate(plan.runbooks):
        path: ModelPath = ("runbooks", index)
        yield from _steps(directory, runbook, (*path, "steps"))
        yield from _decisions(directory, runbook, (*path, "decisions"))
        yield from _circles(runbook, (*path, "steps"))


def _steps(directory: Directory, runbook: Runbook, path: ModelPath) -> Iterator[Finding]:
    yield from repeated([((*path, index, "id"), each.id) for index, each in enumerate(runbook.steps)], _TWICE)
    for index, step in enumerate(runbook.steps):
        yield from _reference(directory, (*path, index, "owner"), step.owner)
        yield from _needs(step, runbook, (*path, index, "needs"))


def _decisions(directory: Directory, runbook: Runbook, path: ModelPath) -> Iterator[Finding]:
    yield from repeated([((*path, index, "id"), each.id) for index, each in enumerate(runbook.decisions)], _TWICE)
    for index, decision in enumerate(runbook.decisions):
        yield from _reference(directory, (*path, index, "decider"), decision.decider)
        yield from _needs(decision, runbook, (*path, index, "needs"))
        yield from _choice(decision, (*path, index))


def _choice(decision: Decision, path: ModelPath) -> Iterator[Finding]:
    if decision.id == COMPENSATION_DECISION:
        yield Finding((*path, "id"), "Tocsin asks for 'compensation' by itself, in every incident; leave it out.")
    options = [((*path, "options", index), option) for index, option in enumerate(decision.options)]
    yield from repeated(options, _TWICE)


def _needs(task: Step | Decision, runbook: Runbook, path: ModelPath) -> Iterator[Finding]:
    steps = {step.id: step for step in runbook.steps}
    for index, need in enumerate(task.needs):
        if need not in steps:
            yield unknown((*path, index), need, steps, "a step of this runbook")


def _circles(runbook: Runbook, path: ModelPath) -> Iterator[Finding]:
    """Steps that wait for themselves by way of others; each circle once, at its first step."""
    steps = {step.id: step for step in runbook.steps}
    told: set[str] = set()
    for index, step in enumerate(runbook.steps):
        circle = _circle_through(step.id, steps)
        if circle and told.isdisjoint(circle):
            told.update(circle)
            yield Finding(
                (*path, index, "needs"), f"These steps wait for each other: {' needs '.join((*circle, step.id))}."
            )


def _circle_through(start: str, steps: dict[str, Step]) -> tuple[str, ...]:
    """The shortest way from a step by its needs back to itself; empty when there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    reached: set[str] = set()
    for way in ways:
        for need in steps[way[-1]].needs:
            if need == start:
                return way
            if need in steps and need not in reached:
                reached.add(need)
                ways.append((*way, need))
    return ()


# What contacts.yaml says


def _providers(plan: Plan, directory: Directory) -> Iterator[Finding]:
    for kind, names in directory.providers.items():
        yield from (
            warning(each.path, each.sentence)
            for each in repeated([(("providers", kind, index), name) for index, name in enumerate(names)], _TWICE)
        )


def _contacts(plan: Plan, directory: Directory) -> Iterator[Finding]:
    if not directory.reverify_every:
        yield warning(("contacts",), "'reverify_every' is 0s: every proof is over on its own day. Write such as 30d.")
    ids = [(("contacts", index, "id"), contact.id) for index, contact in enumerate(directory.contacts)]
    yield from repeated(ids, "Another contact is called {!r} too.")
    for index, contact in enumerate(directory.contacts):
        path: ModelPath = ("contacts", index)
        channels = [((*path, "channels", number), (each.kind, each.to)) for number, each in enumerate(contact.channels)]
        yield from repeated(channels, "This channel stands here twice.")
        yield from _ties(plan, directory, contact, path)
        if not _zone_exists(contact.time_zone):
            yield unknown((*path, "time_zone"), contact.time_zone, available_timezones(), "a time zone")
        if _is_real(contact) and len(contact.channels) == 1:
            yield warning(
                (*path, "channels"), f"{contact.name} has one channel; when that one is down they are not reached."
            )


def _ties(plan: Plan, directory: Directory, contact: Contact, path: ModelPath) -> Iterator[Finding]:
    """What one contact says about others, areas and situations."""
    known = [each.id for each in directory.contacts]
    named = {"deputy": contact.deputy, "reports_to": contact.reports_to}
    yield from _people(known, {(*path, field): each for field, each in named.items()}, contact.id)
    places = {(*path, "absences", index, "deputy"): each.deputy for index, each in enumerate(contact.absences)}
    yield from _people(known, places, contact.id)
    areas = [each.id for each in directory.areas]
    for index, area in enumerate(contact.areas):
        if area not in areas:
            yield unknown((*path, "areas", index), area, areas, "an area in contacts.yaml")
    interests = [*plan.situations, *areas, *(each.area for each in plan.situations.values() if each.area)]
    for index, interest in enumerate(contact.conflicts):
        if interest not in interests:
            yield unknown((*path, "conflicts", index), interest, interests, "a situation or an area")
    where = zone(contact.time_zone)
    for index, absence in enumerate(contact.absences):
        if ends(absence.ends, where) <= begins(absence.starts, where):
            yield Finding((*path, "absences", index, "ends"), "This absence ends before it begins.")
    if contact.language not in ("en", "es"):
        yield warning((*path, "language"), f"There are no texts in {contact.language!r}; English is used.")
    yield from _chain_of_command(directory, contact, path)


def _people(known: list[str], named: dict[ModelPath, str | None], myself: str) -> Iterator[Finding]:
    for place, each in named.items():
        if each == myself:
            yield Finding(place, f"{myself!r} cannot be this to themselves.")
        elif each is not None and each not in known:
            yield unknown(place, each, known, "a contact in contacts.yaml")


def _chain_of_command(directory: Directory, contact: Contact, path: ModelPath) -> Iterator[Finding]:
    above, seen = contact.reports_to, [contact.id]
    while above is not None and above not in seen:
        seen.append(above)
        person = directory.contact(above)
        above = None if person is None else person.reports_to
    if above == contact.id and len(seen) > 1 and min(seen) == contact.id:
        yield Finding((*path, "reports_to"), f"These people report to each other: {', '.join(seen)}.")


def _teams(plan: Plan, directory: Directory) -> Iterator[Finding]:
    known = [each.id for each in directory.contacts]
    ids = [(("teams", index, "id"), team.id) for index, team in enumerate(directory.teams)]
    yield from repeated(ids, "Another team is called {!r} too.")
    for index, team in enumerate(directory.teams):
        members: list[tuple[ModelPath, str]] = [
            (("teams", index, "members", number), each) for number, each in enumerate(team.members)
        ]
        yield from repeated(members, "{!r} is in this team already.")
        for place, member in members:
            if member not in known:
                yield unknown(place, member, known, "a contact in contacts.yaml")


def _schedules(plan: Plan, directory: Directory) -> Iterator[Finding]:
    known = [each.id for each in directory.contacts]
    ids = [(("schedules", index, "id"), each.id) for index, each in enumerate(directory.schedules)]
    yield from repeated(ids, "Another schedule is called {!r} too.")
    for index, schedule in enumerate(directory.schedules):
        path: ModelPath = ("schedules", index)
        for inner, sentence in schedule_findings(schedule):
            yield Finding((*path, *inner), sentence)
        for inner, person in people.on_schedule(schedule):
            if person not in known:
                yield unknown((*path, *inner), person, known, "a contact in contacts.yaml")


def _paging(plan: Plan, directory: Directory) -> Iterator[Finding]:
    """Channel ladders that nobody's addresses fit."""
    for severity, beats in directory.paging.items():
        yield from _beats(("paging", severity), beats)
        for index, contact in enumerate(directory.contacts):
            kinds = {each.kind for each in contact.channels}
            fits = any(kind in kinds for beat in beats for kind in beat.by)
            if not fits and severity not in contact.paging and _is_real(contact):
                said = f"{contact.name} has no channel of the {severity} channel ladder: theirs are tried in turn."
                yield warning(("contacts", index, "channels"), said)
    for index, contact in enumerate(directory.contacts):
        kinds = {each.kind for each in contact.channels}
        for severity, beats in contact.paging.items():
            path: ModelPath = ("contacts", index, "paging", severity)
            yield from _beats(path, beats)
            for number, beat in enumerate(beats):
                if not any(kind in kinds for kind in beat.by):
                    yield warning((*path, number, "by"), f"{contact.name} has no such channel: this beat is left out.")


def _beats(path: ModelPath, beats: tuple[Beat, ...]) -> Iterator[Finding]:
    latest = None
    for number, beat in enumerate(beats):
        if latest is not None and beat.after < latest:
            yield Finding((*path, number, "after"), "Beats stand in the order of their times.")
        latest = beat.after
        if beat.times and beat.every is None:
            yield Finding((*path, number, "times"), "Say how far apart the repeats are: 'every'.")


def _zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones such as Europe
        return False
    return True


def _roles(plan: Plan, directory: Directory) -> Iterator[Finding]:
    yield from _held(directory, "role", directory.roles)
    yield from _held(directory, "area", directory.areas)


def _held(directory: Directory, kind: str, everything: tuple[Role, ...] | tuple[Area, ...]) -> Iterator[Finding]:
    field = f"{kind}s"
    ids = [((field, index, "id"), held.id) for index, held in enumerate(everything)]
    yield from repeated(ids, f"Another {kind} is called {{!r}} too.")
    for index, held in enumerate(everything):
        path: ModelPath = (field, index)
        holders = {"responsible": held.responsible, "deputy": held.deputy, "second_deputy": held.second_deputy}
        named = [((*path, name), holder) for name, holder in holders.items() if holder is not None]
        for place, holder in named:
            yield from _reference(directory, place, holder)
        yield from repeated(named, f"{{!r}} holds the {kind} {held.id!r} already.")
        if len(named) == 1 and not held.responsible.startswith("schedule:"):
            yield warning((*path, "id"), f"The {kind} {held.id!r} has no deputy.")


# What is heard


def _hearing(plan: Plan, directory: Directory) -> Iterator[Finding]:
    yield from threshold_findings(plan)
    yield from listening_findings(plan)


# Whether anybody is woken


def _reach(plan: Plan, directory: Directory) -> Iterator[Finding]:
    if not any(map(_is_real, directory.contacts)):
        rehearsal = "Everybody is on the console only: this plan can be rehearsed, but it cannot wake anybody."
        yield warning(("contacts",), rehearsal)
    else:
        yield from _unreachable_ends(plan, directory)
        yield from _never_woken(plan, directory)
        yield from _example_numbers(directory)
    yield from _unreachable_drills(plan, directory)


def _example_numbers(directory: Directory) -> Iterator[Finding]:
    found = [
        ("contacts", index, "channels", number, "to")
        for index, contact in enumerate(directory.contacts)
        for number, channel in enumerate(contact.channels)
        if _RESERVED_NUMBER.match(channel.to)
    ]
    if found:
        sentence = f"{len(found)} numbers are reserved for examples and reach nobody; this is the first."
        yield warning(found[0], sentence)


def _is_real(contact: Contact) -> bool:
    return any(channel.kind != "console" for channel in contact.channels)


def _never_woken(plan: Plan, directory: Directory) -> Iterator[Finding]:
    """People who are called when something is wrong, and have nothing that would wake them."""
    ladders: dict[str, str] = {}
    for name in sorted(_ladders_in_earnest(plan)):
        ladder = plan.ladders.get(name)
        references = (*(each for rung in ladder.rungs for each in rung.page), *ladder.in_extremis) if ladder else ()
        for reference in references:
            for person in people.behind(directory, reference):
                ladders.setdefault(person.id, name)
    for index, contact in enumerate(directory.contacts):
        if contact.id in ladders and not _is_real(contact):
            sentence = (
                f"{contact.name} stands on the ladder {ladders[contact.id]!r} with the console only, which wakes "
                "nobody: to be called there they need a telephone, Slack or another channel."
            )
            yield warning(("contacts", index, "channels"), sentence)


def _ladders_in_earnest(plan: Plan) -> set[str]:
    """The ladders of situations that are no drills; also of every severity, which anything can turn out to have."""
    named = {name for each in plan.situations.values() if not each.drill for name in each.ladder.values()}
    return named | set(plan.severities.values())


def _unreachable_ends(plan: Plan, directory: Directory) -> Iterator[Finding]:
    drills = {name for each in plan.situations.values() if each.drill for name in each.ladder.values()}
    for name, ladder in plan.ladders.items():
        called = list(chain.from_iterable(people.behind(directory, each) for each in ladder.in_extremis))
        if name not in drills and called and not any(_is_real(person) for person in called):
            sentence = "Nobody here has a phone or Slack: a call that gets this far would end unheard."
            yield Finding(("ladders", name, "in_extremis"), sentence)


def _unreachable_drills(plan: Plan, directory: Directory) -> Iterator[Finding]:
    for code, situation in plan.situations.items():
        for name in sorted(set(situation.ladder.values())) if situation.drill else ():
            ladder = plan.ladders.get(name)
            called = chain.from_iterable(references for _, references in _called(name, ladder)) if ladder else ()
            found = [contact for each in called for contact in people.behind(directory, each)]
            if found and not any(person.channels_for(drill=True) for person in found):
                sentence = (
                    f"Nobody on the ladder {name!r} has a console or 'drills: true', so this drill reaches nobody."
                )
                yield warning(("situations", code), sentence)
