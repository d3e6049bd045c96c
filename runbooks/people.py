"""Who may ever stand behind a reference, whatever the hour: for checks, not for paging. Pure."""

from collections.abc import Iterator

from contacts.directory import Contact, Directory
from contacts.schedules import Schedule


def holder(directory: Directory, kind: str, name: str, rank: str) -> str | None:
    """Who is the `deputy` or `second-deputy` of a role or an area."""
    held = directory.role(name) if kind == "role" else directory.area(name)
    if held is None:
        return None
    return held.deputy if rank == "deputy" else held.second_deputy


def usual(directory: Directory, reference: str) -> Contact | None:
    """Whom one expects behind a reference to one person; None for teams, schedules and the incident's own area."""
    body, _, rank = reference.partition("/")
    kind, _, name = body.rpartition(":")
    if not kind:
        return directory.contact(name)
    held = {"role": directory.role, "area": directory.area}.get(kind)
    found = None if held is None else held(name)
    if found is None:
        return None
    holders = (holder(directory, kind, name, rank),) if rank else found.holders
    people = (directory.contact(each) for each in holders if each is not None)
    return next((each for each in people if each is not None), None)


def behind(directory: Directory, reference: str) -> tuple[Contact, ...]:
    """Everybody who can ever be called by a reference. For `area:*`: whoever answers for any area."""
    body, _, rank = reference.partition("/")
    kind, _, name = body.rpartition(":")
    ids: list[str] = []
    match kind:
        case "role" | "area":
            every = directory.roles if kind == "role" else directory.areas
            for held in every:
                if name not in ("*", held.id):
                    continue
                one = held.deputy if rank == "deputy" else held.second_deputy
                ids += [one] if rank and one is not None else [] if rank else held.holders
        case "team":
            team = directory.team(name)
            ids += () if team is None else team.members
        case "schedule":
            ids.append(body)
        case _:
            ids.append(name)
    people = [person for each in ids for person in _one(directory, each)]
    return tuple(contact for each in dict.fromkeys(people) if (contact := directory.contact(each)) is not None)


def _one(directory: Directory, holder_id: str) -> Iterator[str]:
    if not holder_id.startswith("schedule:"):
        yield holder_id
        return
    schedule = directory.schedule(holder_id.removeprefix("schedule:"))
    if schedule is not None:
        yield from (person for _, person in on_schedule(schedule))


def on_schedule(schedule: Schedule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place inside the schedule, person) for everybody whom it names."""
    for index, layer in enumerate(schedule.layers):
        for number, crew in enumerate(layer.crews()):
            for person in crew:
                yield ("layers", index, "people", number), person
    for index, override in enumerate(schedule.overrides):
        yield ("overrides", index, "person"), override.person
    for index, swap in enumerate(schedule.swaps):
        yield ("swaps", index, "person"), swap.person
        yield ("swaps", index, "other"), swap.other
    for name, person in schedule.names.items():
        yield ("names", name), person
