"""A proof in words: times, moments, and why nobody is reached sooner. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contacts.directory import Directory
from contacts.walltime import zone
from runbooks.plan import Plan
from runbooks.proof import Result, broken_in_words, is_rehearsal
from runbooks.trial import Call, Look, Skip, Step, reaches, trial


def minutes(seconds: int | None) -> str:
    """`5`, `2.5`; `never` for None."""
    if seconds is None:
        return "never"
    return f"{seconds / 60:.1f}".removesuffix(".0")


def moment_in_words(at: datetime, time_zone: str) -> str:
    """`Sun 2027-03-28 02:30 Madrid`. An hour that the zone has twice says its offset, too."""
    where = zone(time_zone)
    local = at.astimezone(where)
    shown = f"{local:%a %Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")
    doubled = f" ({local:%z})" if _is_doubled(local, where) else ""
    return f"{shown} {time_zone.rpartition('/')[2].replace('_', ' ')}{doubled}"


def _is_doubled(local: datetime, where: ZoneInfo) -> bool:
    naive = local.replace(tzinfo=None)
    first, second = naive.replace(tzinfo=where, fold=0), naive.replace(tzinfo=where, fold=1)
    return (first.utcoffset() or timedelta(0)) > (second.utcoffset() or timedelta(0))


def counterexample(result: Result, plan: Plan, directory: Directory, time_zone: str) -> str | None:
    """`SEV1 SERVICE_OUTAGE, Sun 2027-03-28 02:30 Madrid: nobody before +25 min, because …`; None when it is in time."""
    if result.missed_at is None:
        return None
    return told(result, plan, directory, result.missed_at, time_zone)


def told(result: Result, plan: Plan, directory: Directory, at: datetime, time_zone: str) -> str:
    """What happens in this scenario when an incident begins at `at`, and why."""
    steps = steps_of(result, plan, directory, at)
    reached = first_reached(steps, directory)
    wanted = result.silent + 1
    who = "nobody" if wanted == 1 else f"fewer than {wanted} people"
    if len(reached) < wanted:
        when = f"{who} within {result.target.horizon // 3600} h"
        upto = timedelta(seconds=result.target.horizon)
    else:
        upto = reached[wanted - 1][0]
        when = f"{who} before +{minutes(int(upto.total_seconds()))} min"
        if not result.misses(int(upto.total_seconds())):
            when = f"{reached[wanted - 1][1]} at +{minutes(int(upto.total_seconds()))} min"
    reasons = "; ".join(_reasons(steps, upto, directory, result.scenario.broken))
    because = f", because {reasons}" if reasons else ""
    return f"{result.scenario.name}, {moment_in_words(at, time_zone)}: {when}{because}"


def steps_of(result: Result, plan: Plan, directory: Directory, at: datetime) -> list[Step]:
    """What the real ladder does then, until enough people are reached or the horizon."""
    scenario = result.scenario
    ladder = plan.ladder_for(scenario.situation, scenario.severity)
    broken = () if scenario.broken is None else (scenario.broken,)
    horizon = timedelta(seconds=result.target.horizon)
    steps: list[Step] = []
    upto: timedelta | None = None
    for step in trial(ladder, directory, scenario.cause, at, broken, horizon):
        if upto is not None and step.after > upto:
            break
        steps.append(step)
        reached = first_reached(steps, directory)
        if upto is None and len(reached) > result.silent:
            upto = step.after
    return steps


def first_reached(steps: Iterable[Step], directory: Directory) -> list[tuple[timedelta, str]]:
    """(how long after the beginning, who): each person once, when a page first reaches them."""
    rehearsal = is_rehearsal(directory)
    found: dict[str, timedelta] = {}
    for step in steps:
        if isinstance(step, Call) and step.works and (rehearsal or reaches(step.route)):
            found.setdefault(step.contact, step.after)
    return sorted((after, who) for who, after in found.items())


def _reasons(steps: Sequence[Step], upto: timedelta, directory: Directory, broken: str | None) -> list[str]:
    """Why nobody is reached sooner, rung by rung; nothing for rungs that are opened only then."""
    reasons: list[str] = []
    for look in (step for step in steps if isinstance(step, Look) and step.after < upto):
        here = [*look.because]
        calls = [step for step in steps if isinstance(step, Call) and step.rung == look.rung and step.after <= upto]
        for who in dict.fromkeys(call.contact for call in calls):
            mine = [call for call in calls if call.contact == who]
            if not any(call.works for call in mine):
                here.append(f"{who} cannot be reached while {broken_in_words(broken).removesuffix(' down')} is down")
            elif not any(call.works and (reaches(call.route) or is_rehearsal(directory)) for call in mine):
                here.append(f"{who} is called on the console, which wakes nobody")
            elif min(call.after for call in mine if call.works) < upto:
                here.append(f"{who} is called and says nothing")
        if not here:
            skips = [step.because for step in steps if isinstance(step, Skip) and step.rung == look.rung]
            here.extend(skips[:1])
        where = f"rung {look.rung} (+{minutes(int(look.after.total_seconds()))} min)"
        reasons.append(f"{where}: {', '.join(dict.fromkeys(here))}")
    return reasons
