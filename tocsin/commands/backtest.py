"""`tocsin backtest`: what a plan's rules would have done; `tocsin picture`: why rules declared, as a picture."""

import json
import os
import sys
import urllib.request
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from engine.backtest import History, Outcome, Rules, Tell, history_in, read_labels, rules_of, run, stored_history
from engine.client import Request, SyncEngineClient
from engine.client import incident as the_object
from engine.clock import SystemClock
from flows.server import prefect_api_url, prefect_home
from incidents.durations import parse_duration
from incidents.errors import CommandRefused
from listening.tone_model import tone_of
from signals.backtest import Backtest, Label
from signals.pictures import Drawing, crossing, history, of_assessment
from tocsin.backtest import as_markdown, as_object, as_text
from tocsin.commands.options import (
    DEFAULT_HOME,
    Desk,
    address,
    at_the_engine,
    home_option,
    json_option,
    plan_option,
    print_json,
    the_incident,
)
from tocsin.settings import load_settings

LONGEST = 90 * 86400.0
"""Seconds: mentions are kept so long."""
_folder: Any = click.Path(path_type=Path, file_okay=False, exists=True)
_file: Any = click.Path(path_type=Path, dir_okay=False, exists=True)
_out: Any = click.Path(path_type=Path, dir_okay=False)


@click.command()
@plan_option
@click.option("--history", "file", type=_file, help="A file of mentions or a tally (docs/backtest.md).")
@click.option("--since", metavar="90d", help="What the running engine has heard in this time instead.")
@click.option("--labels", type=_file, help="A CSV of what really happened: brand,start,end,name[,real].")
@click.option("--against", type=_folder, metavar="OLD_PLAN", help="The plan to compare with.")
@click.option("--brand", metavar="ID", help="What the file is about, when its words do not say.")
@click.option("--chart", type=_out, metavar="FILE.png", help="Draw the history with incidents and pages.")
@click.option("--plain", is_flag=True, help="Without Prefect, even when its server runs.")
@home_option
@json_option
def backtest(
    plan: Path | None,
    file: Path | None,
    since: str | None,
    labels: Path | None,
    against: Path | None,
    brand: str | None,
    chart: Path | None,
    plain: bool,
    home: Path | None,
    as_json: bool,
) -> None:
    """Replay a history with a plan's thresholds: pages per week, incidents caught and missed, delays, by rule.

    \b
    tocsin backtest --plan plan --history mentions.csv --labels labels.csv --chart backtest.png
    tocsin backtest --plan new --against plan --since 90d

    The rules decide as they do live, in simulated time; nobody is paged.
    """
    if plan is None:
        raise click.UsageError("Name the plan with --plan (or TOCSIN_PLAN).")
    if file is None and since is None:
        raise click.UsageError("Name a history: --history FILE or --since 90d.")
    if file is not None and since is not None:
        raise click.UsageError("Only one history can be replayed: leave out --history or --since.")
    if chart is not None:
        _writable_png(chart, "--chart")
    new = rules_of(plan, brand)
    old = None if against is None else rules_of(against, brand)
    known = None if labels is None else _labels(labels, new, old)
    where = home or DEFAULT_HOME
    replayed = _stored(where, str(since), known) if file is None else _written(file, known, where)
    outcome = _carry_out(where, new, old, replayed, plain=plain)
    if chart is not None:
        _write(chart, history(outcome.report, outcome.counts, outcome.labels))
    if as_json:
        print_json(as_object(outcome))
        return
    click.echo(as_text(outcome))
    if chart is not None:
        click.echo(f"wrote {chart}")


@click.command()
@the_incident
@click.option("--out", type=_out, metavar="FILE.png", help="Default INC-N.png. With several pictures: INC-N-2.png, …")
@at_the_engine
def picture(desk: Desk, incident: str, out: Path | None) -> None:
    """Draw why rules declared or joined an incident: counts, the usual band, the crossing. One PNG a rule."""
    first = out or Path(f"{incident}.png")
    _writable_png(first, "--out")
    found = desk.client.ask(_assessments(incident))[::-1]
    drawings = [crossing(each, one["at_seconds"]) for one in found for each in of_assessment(one)]
    if not drawings:
        desk.client.ask(the_object(incident))
        why = (
            "the rules that declared or joined it count nothing that can be drawn"
            if found
            else "no rule has declared or joined it"
        )
        raise CommandRefused(f"There is no picture of {incident}: {why}.")
    files = [first.with_stem(f"{first.stem}-{place}") if place > 1 else first for place in range(1, len(drawings) + 1)]
    for file, drawing in zip(files, drawings, strict=True):
        _write(file, drawing)
    if desk.as_json:
        print_json({"incident": incident, "files": [str(each) for each in files], "assessments": found})
        return
    for one in found:
        for sentence in one["because"]:
            click.echo(sentence)
    for file in files:
        click.echo(f"wrote {file}")


def _assessments(incident: str) -> Request[list[dict[str, Any]]]:
    """The latest first."""
    query = {"incident": incident, "limit": 500}
    return Request("GET", "/api/v1/assessments", lambda answer: list(answer["assessments"]), query=query)


def _labels(path: Path, new: Rules, old: Rules | None) -> list[Label]:
    brands = dict.fromkeys((*new.brands, *(() if old is None else old.brands)))
    try:
        return read_labels(path, tuple(brands))
    except OSError as error:
        raise CommandRefused(f"{path} cannot be read: {error.strerror}.") from error


def _written(path: Path, labels: list[Label] | None, home: Path) -> History:
    """Without labels nobody has said what a page of it was."""
    tone, problems = tone_of(home)
    for problem in problems:
        click.echo(problem, err=True)
    try:
        return history_in(path, labels or [], tone, complete=labels is not None)
    except OSError as error:
        raise CommandRefused(f"{path} cannot be read: {error.strerror}.") from error


def _stored(home: Path, since: str, labels: list[Label] | None) -> History:
    try:
        span = parse_duration(since).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--since: {error}.") from error
    if span <= 0:
        raise click.UsageError("--since: write a time of more than nothing, such as 90d.")
    if span > LONGEST:
        raise click.UsageError("--since: mentions are kept for 90 days.")
    now = SystemClock().now().timestamp()
    return stored_history(SyncEngineClient(address(home)), now - span, now, labels)


def _carry_out(home: Path, new: Rules, old: Rules | None, replayed: History, *, plain: bool) -> Outcome:
    """As a Prefect flow when the Prefect of `tocsin up` answers, else the same functions plainly."""
    say = _Progress()
    api_url = None if plain else _prefect(home)
    if api_url is not None:
        flows: Any = import_module("flows.backtest")
        try:
            outcome: Outcome = flows.with_prefect(home, api_url, new, old, replayed, say, as_markdown)
        except flows.PrefectAway as error:
            click.echo(f"Prefect failed ({error}); the same once more without it.", err=True)
        else:
            click.echo(f"This run stands in Prefect's pages: {api_url.removesuffix('/api')}/runs", err=True)
            return outcome
    elif not plain:
        click.echo("No Prefect server of this home answers: the backtest runs here, without its pages.", err=True)

    def part(name: str, work: Callable[[Tell], Backtest]) -> Backtest:
        return work(lambda done, words: say(name, done, words))

    return run(new, old, replayed, part)


def _prefect(home: Path) -> str | None:
    """Where the Prefect server of `tocsin up` answers; None when there is none. Asks for a second at most."""
    external = os.environ.get("PREFECT_API_URL")
    if external is None and not prefect_home(home).is_dir():
        return None
    url = external or prefect_api_url(load_settings().prefect_port)
    if not url.startswith(("http://", "https://")):
        return None
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/health", timeout=1) as answer:
            return url if answer.status == 200 and json.loads(answer.read(100)) is True else None
    except (OSError, ValueError):
        return None


class _Progress:
    """How far it is, on standard error: one line that changes on a terminal, a line a tenth elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._said: tuple[str, int] = ("", -1)

    def __call__(self, part: str, done: float, words: str) -> None:
        line = f"{part}: {100 * done:3.0f} % ({words})"
        if self._terminal:
            click.echo(f"\r\x1b[2K{line}", nl=done >= 1, err=True)
        elif (part, int(done * 10)) != self._said:
            click.echo(line, err=True)
        self._said = (part, int(done * 10))


def _writable_png(path: Path, option: str) -> None:
    """Refuse what could not be written before anything is asked or replayed."""
    if path.suffix.casefold() != ".png":
        raise click.UsageError(f"{option}: a picture is written as PNG, so {path.name!r} must end in .png.")
    if not path.parent.is_dir():
        raise CommandRefused(f"{path} cannot be written: there is no folder {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandRefused(f"{path} cannot be written: this needs permission to write there.")


def _write(path: Path, drawing: Drawing) -> None:
    png: Any = import_module("tocsin.pictures").png
    try:
        path.write_bytes(png(drawing))
    except OSError as error:
        raise CommandRefused(f"{path} cannot be written: {error.strerror}.") from error


COMMANDS: dict[str, click.Command] = {"backtest": backtest, "picture": picture}
