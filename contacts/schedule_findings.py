"""What is wrong with a schedule though each part reads well: a path and a sentence each, for the plan check."""

from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from contacts.schedules import Layer, Schedule
from contacts.walltime import begins, ends, is_zone, wall, zone

Path = tuple[str | int, ...]
_SHORTEST = timedelta(hours=1)
_FAR = timedelta(days=366)


def schedule_findings(schedule: Schedule, today: date | None = None) -> Iterator[tuple[Path, str]]:
    """Paths are inside the schedule. Only with `today` is a first hand-over found that is more than a year away."""
    if not is_zone(schedule.time_zone):
        yield ("time_zone",), _no_zone(schedule.time_zone)
    if schedule.layers and schedule.calendar is not None:
        yield ("calendar",), "A schedule has layers or a calendar, not both: remove one of them."
    if not schedule.layers and schedule.calendar is None:
        yield ("id",), f"Nobody is ever on duty by {schedule.id!r}: give it layers or a calendar."
    if schedule.names and schedule.calendar is None:
        yield ("names",), "Names say whom a calendar means, and there is no calendar: remove them."
    for index, layer in enumerate(schedule.layers):
        for path, sentence in _layer_findings(layer, schedule.time_zone, today):
            yield ("layers", index, *path), sentence
    where = zone(schedule.time_zone)
    for index, override in enumerate(schedule.overrides):
        yield from (
            (("overrides", index, "ends"), sentence) for sentence in _no_time(override.starts, override.ends, where)
        )
    for index, swap in enumerate(schedule.swaps):
        yield from ((("swaps", index, "ends"), sentence) for sentence in _no_time(swap.starts, swap.ends, where))
        if swap.person == swap.other:
            yield ("swaps", index, "other"), f"{swap.person!r} cannot swap with themselves."


def people_named(schedule: Schedule) -> Iterator[tuple[Path, str]]:
    """Every id of a person in it, and where it stands: for whoever knows the contacts."""
    for index, layer in enumerate(schedule.layers):
        for place, entry in enumerate(layer.people):
            if isinstance(entry, str):
                yield ("layers", index, "people", place), entry
            else:
                yield from ((("layers", index, "people", place, each), person) for each, person in enumerate(entry))
    for index, override in enumerate(schedule.overrides):
        yield ("overrides", index, "person"), override.person
    for index, swap in enumerate(schedule.swaps):
        yield ("swaps", index, "person"), swap.person
        yield ("swaps", index, "other"), swap.other
    for name, person in schedule.names.items():
        yield ("names", name), person


def _layer_findings(layer: Layer, zone_name: str, today: date | None) -> Iterator[tuple[Path, str]]:
    if layer.time_zone is not None and not is_zone(layer.time_zone):
        yield ("time_zone",), _no_zone(layer.time_zone)
    where = zone(layer.time_zone or zone_name)
    if len(layer.people) > 1:
        yield from _rotation_findings(layer)
    if layer.start is None:
        return
    first = wall(layer.start, where, layer.hand_over or "00:00")
    if layer.end is not None:
        yield from ((("end",), sentence) for sentence in _no_time(layer.start, layer.end, where))
    if layer.hand_over is not None and f"{first:%H:%M}" != layer.hand_over:
        yield ("hand_over",), f"'start' says {first:%H:%M} and 'hand_over' {layer.hand_over}: write the time only once."
    if today is not None and first.date() - today > _FAR:
        yield ("start",), f"The first hand-over ({layer.start}) is more than a year away: nobody is on duty until then."


def _rotation_findings(layer: Layer) -> Iterator[tuple[Path, str]]:
    if layer.start is None:
        yield (
            ("people",),
            "Several people take turns, and nothing says when the first one begins: give the layer a 'start'.",
        )
    if layer.rotate < _SHORTEST:
        yield ("rotate",), "A turn shorter than an hour is too short to be on duty."


def _no_time(starts: str, ended: str, where: ZoneInfo) -> Iterator[str]:
    if begins(starts, where) >= ends(ended, where):
        yield f"It ends ({ended}) before it has begun ({starts})."


def _no_zone(name: str) -> str:
    return f"There is no time zone {name!r}; write one such as Europe/Madrid."
