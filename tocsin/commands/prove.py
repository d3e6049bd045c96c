"""`tocsin prove`: is a person always reached in time? `tocsin who`: who would be called at one moment."""

import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from contacts.addresses import ChannelKind, network_of
from contacts.directory import Directory
from contacts.walltime import instant, wall, zone
from engine.clock import SystemClock
from incidents.durations import parse_duration
from incidents.errors import CommandRefused
from incidents.severity import Severity
from runbooks.difference import Change, Side, differences
from runbooks.loader import LoadedPlan, load_plan
from runbooks.plan import Plan
from runbooks.proof import Proof, Result, Terms, broken_in_words, prove, targets_of
from runbooks.telling import counterexample, first_reached, minutes, moment_in_words, steps_of
from runbooks.trial import Call, Cause, Look, Skip, Step, trial
from tocsin.commands.codes import REFUSED
from tocsin.commands.options import json_option, plan_option, print_json
from tocsin.heatmap import heat_map, verdict_of
from tocsin.who import who_lines, who_object

_COLOUR = {"in time": "green", "late": "yellow", "nobody": "red"}


class Moment(click.ParamType[datetime]):
    """`2027-03-28T02:30 Europe/Madrid`, `2027-03-28` or `2027-03-28T02:30+02:00`; without a zone it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment_of(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is no moment: {error}.", param, ctx)


def moment_of(text: str) -> datetime:
    """The moment that a text names. ValueError, with the reason, when it names none."""
    said, place = _split(text)
    if place is not None and zone(place).key != place:
        raise ValueError(f"there is no time zone {place!r}")
    where = zone(place or "UTC")
    return instant(wall(said, where), where)


def _split(text: str) -> tuple[str, str | None]:
    """(`2027-03-28T02:30`, `Europe/Madrid`); also where a blank stands for the T."""
    said, _, place = text.strip().partition(" ")
    if place and place[0].isdigit():
        clock, _, place = place.partition(" ")
        said = f"{said}T{clock}"
    return said, place.strip() or None


def odd_hour(text: str) -> str | None:
    """What is odd about a local time that its zone skips or has twice; None for every other one."""
    said, place = _split(text)
    where = zone(place or "UTC")
    local = wall(said, where)
    first, second = local.replace(tzinfo=where, fold=0).utcoffset(), local.replace(tzinfo=where, fold=1).utcoffset()
    if first is None or second is None or first == second:
        return None
    shown = f"{local:%Y-%m-%d %H:%M}"
    if first > second:
        return f"{place} has {shown} twice on this day; the first one is meant."
    jump = instant(local, where).astimezone(where)
    return f"{place} skips {shown} on this day; {jump:%H:%M}, right after the jump, is meant."


class Target(click.ParamType[tuple[Severity, timedelta]]):
    """`SEV1=5m`"""

    name = "target"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Severity, timedelta]:
        if isinstance(value, tuple):
            return value
        name, _, length = str(value).partition("=")
        try:
            return Severity(name.strip().upper()), parse_duration(length)
        except ValueError:
            self.fail(f"{value!r} is no target; write SEV1=5m.", param, ctx)


@click.command("prove")
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@plan_option
@click.option("--from", "start", type=Moment(), help="The first moment; default now.")
@click.option("--weeks", type=click.IntRange(1, 1200), default=12, show_default=True, help="How many weeks.")
@click.option(
    "--target", "targets", type=Target(), multiple=True, help="SEV1=5m: in place of the plan's. May be repeated."
)
@click.option("--silent", "-k", type=click.IntRange(0, 2), default=0, help="How many people may stay silent.")
@click.option("--lenient-outage", is_flag=True, help="Do not fail for what is late only while something is down.")
@click.option("--verified-only", is_flag=True, help="Count only addresses whose proof is good at --from.")
@click.option("--against", type=click.Path(path_type=Path), help="The folder of the plan before: print what changes.")
@click.option("--markdown", is_flag=True, help="Print the difference for a pull request.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JSON here.")
@click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the heat map here.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write proof.json and proof.html into this folder."
)
@click.pass_context
def prove_command(
    ctx: click.Context,
    folder: Path | None,
    plan: Path | None,
    start: datetime | None,
    weeks: int,
    targets: tuple[tuple[Severity, timedelta], ...],
    silent: int,
    lenient_outage: bool,
    verified_only: bool,
    against: Path | None,
    markdown: bool,
    json_file: Path | None,
    html_file: Path | None,
    out: Path | None,
) -> None:
    """Prove that a person is reached in time at every moment of the coming weeks; exit code 1 with a counter-example.

    For each severity and situation, with nothing broken, and with each provider and each network down: who is paged
    when nobody answers, and how long it takes at worst until the first, second and third person is reached.
    """
    json_file = _free("--json", json_file, out and out / "proof.json", _JSON_BEGINS)
    html_file = _free("--html", html_file, out and out / "proof.html", _HTML_BEGINS)
    with _no_collector():
        loaded = _loaded(folder, plan)
        begin = start or SystemClock().now().astimezone(UTC).replace(second=0, microsecond=0)
        span = (begin, begin + timedelta(weeks=weeks))
        given = dict(targets)

        def proven(of: LoadedPlan) -> Proof:
            terms = Terms(targets_of(of.plan, given), silent, lenient_outage, verified_only)
            return prove(of.plan, of.directory, *span, terms)

        proof = proven(loaded)
        _write(proof, loaded, json_file, html_file)
        if against is not None:
            before = load_plan(against)
            old, new = (Side(each.plan, each.directory, proven(each)) for each in (before, loaded))
            worse = _print_difference(differences(old, new), markdown=markdown)
        else:
            _print_proof(proof, loaded)
            worse = not proof.holds
    if worse:
        ctx.exit(REFUSED)


@contextmanager
def _no_collector() -> Iterator[None]:
    """A proof makes millions of small things and no circles: looking for those takes a third of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _loaded(folder: Path | None, plan: Path | None) -> LoadedPlan:
    where = folder or plan
    if where is None:
        raise click.UsageError("Name the plan's folder: give DIR, --plan or TOCSIN_PLAN.")
    return load_plan(where)


# --- what is printed ---


def _print_proof(proof: Proof, loaded: LoadedPlan) -> None:
    zone_name = proof.time_zone
    between = f"{moment_in_words(proof.start, zone_name)} to {moment_in_words(proof.end, zone_name)}"
    click.echo(f"{len(proof.results)} scenarios, {between}. Worst minutes to the 1st, 2nd, 3rd person:")
    for line in _lines(proof):
        click.echo(line)
    for note in proof.notes:
        click.echo(f"note: {note}")
    for result in proof.failed:
        click.echo("")
        click.echo(counterexample(result, loaded.plan, loaded.directory, zone_name))
    click.echo("")
    if proof.holds:
        late = sum(1 for result in proof.results if not result.in_time)
        allowed = f" ({late} are late only during an outage, which was allowed)" if late else ""
        click.echo(f"The proof holds: somebody is always reached in time{allowed}.")
    else:
        click.echo(f"The proof fails: {len(proof.failed)} of {len(proof.results)} scenarios miss their target.")


def _lines(proof: Proof) -> Iterator[str]:
    """One line a scenario; what is down and changes nothing is one line together."""
    for group in _grouped(proof.results):
        base = group[0]
        yield _line(base, f"{base.scenario.severity} {base.scenario.subject}")
        same = [each for each in group[1:] if each.worst == base.worst and each.in_time == base.in_time]
        for each in group[1:]:
            if each not in same:
                yield _line(each, f"     {broken_in_words(each.scenario.broken)}")
        if same:
            names = ", ".join(broken_in_words(each.scenario.broken).removesuffix(" down") for each in same)
            yield f"       the same with any of these down: {names}"


def _grouped(results: Iterable[Result]) -> list[list[Result]]:
    groups: dict[tuple[Severity, str, str | None], list[Result]] = {}
    for each in results:
        groups.setdefault((each.scenario.severity, each.scenario.situation, each.scenario.area), []).append(each)
    return list(groups.values())


def _line(result: Result, name: str) -> str:
    verdict = verdict_of(result)
    word = click.style(f"{verdict:<7}", fg=_COLOUR[verdict], bold=verdict != "in time")
    allowed = "" if result.in_time or result.counts else ", allowed"
    worst = "  ".join(f"{minutes(each):>5}" for each in result.worst)
    within = minutes(int(result.target.within.total_seconds()))
    nth = "" if result.silent == 0 else f" to person {result.silent + 1}"
    return f"{word} {worst}  {name}  (target {within} min{nth}, {result.target.said_by}{allowed})"


def _print_difference(changes: list[Change], *, markdown: bool) -> bool:
    """Whether the change makes anything worse."""
    worse = any(each.worse for each in changes)
    verdict = "worse" if worse else "not worse"
    if markdown:
        click.echo("### How people are reached: what this change does\n")
        for each in changes:
            click.echo(f"- {'**Worse:** ' if each.worse else ''}{each.sentence}")
        click.echo(f"\nReaching people becomes **{verdict}**." if changes else "Nothing changes.")
        return worse
    for each in changes:
        word = click.style("worse", fg="red", bold=True) if each.worse else "other"
        click.echo(f"{word}  {each.sentence}")
    click.echo("Nothing changes in how people are reached." if not changes else f"Reaching people becomes {verdict}.")
    return worse


# --- what is written ---

_JSON_BEGINS = '{\n  "from": "'
_HTML_BEGINS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Is somebody always reached?"""
"""How our own files begin: another one that is in the way is somebody's, and is not replaced."""


def _free(option: str, named: Path | None, in_out: Path | None, beginning: str) -> Path | None:
    """Where to write, asked before anything is proven. click.BadParameter where that would replace something else."""
    if named is not None and str(named) == "-":
        raise click.BadParameter("a proof goes into a file here; name one.", param_hint=option)
    if named is not None and not named.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(named.parent)!r}; make it first.", param_hint=option)
    file = named or in_out
    if file is None or not file.is_file():
        return file
    try:
        with file.open(encoding="utf-8", errors="replace") as there:
            found = there.read(len(beginning))
    except OSError as error:
        raise click.BadParameter(f"{str(file)!r} cannot be read: {error.strerror}.", param_hint=option) from error
    if found and found != beginning:
        raise click.BadParameter(f"{str(file)!r} is no proof of before and is kept; name another.", param_hint=option)
    return file


def _write(proof: Proof, loaded: LoadedPlan, json_file: Path | None, html_file: Path | None) -> None:
    texts: dict[Path, str] = {}
    if json_file:
        content = proof_object(proof, loaded.plan, loaded.directory)
        texts[json_file] = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if html_file:
        texts[html_file] = heat_map(proof, loaded.plan, loaded.directory)
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandRefused(f"{path} cannot be written: {error.strerror}.") from error
        click.echo(f"wrote {path}", err=True)


def proof_object(proof: Proof, plan: Plan, directory: Directory) -> dict[str, Any]:
    """The proof for programs: every scenario with its worst times, and who is paged when at its worst moment."""
    return {
        "from": proof.start.isoformat(),
        "until": proof.end.isoformat(),
        "time_zone": proof.time_zone,
        "holds": proof.holds,
        "silent": proof.terms.silent,
        "verified_only": proof.terms.verified_only,
        "notes": list(proof.notes),
        "scenarios": [_scenario_object(each, plan, directory, proof.time_zone) for each in proof.results],
    }


def _scenario_object(result: Result, plan: Plan, directory: Directory, time_zone: str) -> dict[str, Any]:
    at = result.missed_at or result.worst_at[result.silent]
    steps = steps_of(result, plan, directory, at)
    return {
        "severity": result.scenario.severity,
        "situations": list(result.scenario.alike),
        "area": result.scenario.area,
        "broken": result.scenario.broken,
        "target_seconds": int(result.target.within.total_seconds()),
        "target_from": result.target.said_by,
        "worst": [
            {"people": number, "seconds": time, "at": moment.isoformat()}
            for number, (time, moment) in enumerate(zip(result.worst, result.worst_at, strict=True), start=1)
        ],
        "verdict": verdict_of(result),
        "fails": result.fails,
        "counter_example": counterexample(result, plan, directory, time_zone),
        "example": {
            "at": at.isoformat(),
            "reached": [
                {"seconds": int(after.total_seconds()), "contact": who}
                for after, who in first_reached(steps, directory)
            ],
            "steps": [step_object(step) for step in steps],
        },
    }


def step_object(step: Step) -> Mapping[str, Any]:
    common = {"seconds": int(step.after.total_seconds()), "rung": step.rung}
    match step:
        case Call():
            return {
                **common,
                "contact": step.contact,
                "reference": step.reference,
                "channel": step.route.channel,
                "provider": step.route.provider,
                "network": step.route.network,
                "arrives": step.works,
            }
        case Skip():
            return {**common, "skipped": step.because}
        case Look():
            return {**common, "left_out": list(step.because)}


# --- who ---


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@plan_option
@click.option("--at", "at", metavar="MOMENT", help="'2027-03-28T02:30 Europe/Madrid'; default now.")
@click.option(
    "--severity",
    type=click.Choice([each.value for each in Severity], case_sensitive=False),
    required=True,
    help="How bad the incident is supposed to be.",
)
@click.option("--situation", help="A situation of the plan; default the first one.")
@click.option("--area", help="The area that is hit; default the situation's own.")
@click.option("--down", multiple=True, metavar="WHAT", help="provider:twilio or network:phone: suppose it is down.")
@json_option
def who(
    folder: Path | None,
    plan: Path | None,
    at: str | None,
    severity: str,
    situation: str | None,
    area: str | None,
    down: tuple[str, ...],
    as_json: bool,
) -> None:
    """Who would be called, rung by rung, if an incident began at a moment and nobody answered; and who would not."""
    loaded = _loaded(folder, plan)
    moment = _moment_or_now(at)
    code = situation or next(iter(each for each, known in loaded.plan.situations.items() if not known.drill), None)
    if code is None or code not in loaded.plan.situations:
        known = ", ".join(loaded.plan.situations)
        raise CommandRefused(f"The plan has no situation {code!r}; it has {known}.")
    _refuse_unknown("--area", area, areas_of(loaded))
    for each in down:
        _refuse_unknown("--down", each, breakable_of(loaded.directory))
    known_area = area or loaded.plan.situations[code].area
    cause = Cause(Severity(severity.upper()), code, known_area)
    ladder = loaded.plan.ladder_for(code, cause.severity)
    steps = list(trial(ladder, loaded.directory, cause, moment, down))
    odd = None if at is None else odd_hour(at)
    if as_json:
        print_json(
            {"odd_hour": odd, **who_object(steps, ladder, loaded.directory, cause, moment)}
            | {"steps": [step_object(step) for step in steps]}
        )
        return
    if odd is not None:
        click.echo(odd)
    place = None if at is None else _split(at)[1]
    for line in who_lines(steps, ladder, loaded.directory, cause, moment, down, place):
        click.echo(line)


def areas_of(loaded: LoadedPlan) -> list[str]:
    """Every area that an incident of this plan can have."""
    named = {each.area for each in loaded.plan.situations.values() if each.area is not None}
    return sorted(named | {each.id for each in loaded.directory.areas})


def breakable_of(directory: Directory) -> list[str]:
    """Everything that can be supposed to be down: who carries somebody's pages, and what they ride on."""
    channels = [each for contact in directory.contacts for each in contact.channels]
    kinds = {*(ChannelKind(each.kind) for each in channels), *directory.providers}
    providers = {f"provider:{name}" for kind in kinds for name in directory.providers_of(kind)}
    return sorted(providers | {f"network:{network_of(each)}" for each in channels})


def _refuse_unknown(option: str, given: str | None, known: list[str]) -> None:
    if given is not None and given not in known:
        names = f"it has {', '.join(known)}" if known else "it has none"
        raise click.BadParameter(f"the plan does not have {given!r}; {names}.", param_hint=option)


def _moment_or_now(at: str | None) -> datetime:
    if at is None:
        return SystemClock().now().astimezone(UTC)
    try:
        return moment_of(at)
    except ValueError as error:
        raise click.BadParameter(f"{at!r} is no moment: {error}.", param_hint="--at") from error


COMMANDS: dict[str, click.Command] = {"prove": prove_command, "who": who}
