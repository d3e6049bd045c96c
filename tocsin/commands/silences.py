"""`tocsin silence add|list|expire` and `tocsin heartbeats`: what pages nobody now, and what has fallen silent."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import click

from engine.client import Request
from engine.clock import SystemClock
from incidents.durations import parse_duration, write_duration
from tocsin.commands.contacts import Moment
from tocsin.commands.options import Desk, at_the_engine, by_somebody, print_json
from tocsin.words import ago, clock, printable, span, until

_SHOWN = 20


class Span(click.ParamType[timedelta]):
    """`90m`, `2h`, `1d 12h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


@click.group()
def silence() -> None:
    """Silence signals for a time. They are kept, counted and shown; what still fires at the end is heard then.

    What is an incident already goes on, and so does what is rated SEV1 unless you say --even-sev1.
    """


@silence.command()
@click.argument("matchers", metavar="LABEL=VALUE...", nargs=-1, required=True)
@click.option("--for", "lasting", type=Span(), help="How long: 90m, 2h, 1d; seven days at most.")
@click.option(
    "--until", "ends", type=Moment(), help="Until when: '2027-03-28T02:30 Europe/Madrid'; without a zone UTC."
)
@click.option("--because", required=True, help="Why: whoever is not paged will ask.")
@click.option("--even-sev1", is_flag=True, help="Also what is rated SEV1.")
@by_somebody
def add(
    desk: Desk,
    matchers: tuple[str, ...],
    lasting: timedelta | None,
    ends: datetime | None,
    because: str,
    even_sev1: bool,
) -> None:
    """Silence what matches: service=checkout, host=~web-*, severity!=critical. All of them have to hold.

    Besides the sender's labels: integration, situation, rated (SEV1 to SEV4), summary.
    """
    if (lasting is None) == (ends is None):
        raise click.UsageError("Say when it ends: --for 2h, or --until.")
    body = {
        "matchers": list(matchers),
        "by": desk.by,
        "because": because,
        "even_sev1": even_sev1,
        **({"lasting": write_duration(lasting)} if lasting is not None else {}),
        **({"until": ends.isoformat()} if ends is not None else {}),
    }
    _say(desk, desk.client.ask(Request("POST", "/api/v1/silences", dict, body=body)))


@silence.command("list")
@click.option("--all", "ended_too", is_flag=True, help="Also silences that have ended.")
@at_the_engine
def list_silences(desk: Desk, ended_too: bool) -> None:
    """Silences, maintenance windows, and the signals that are kept because of them or because an alert mutes them."""
    query = {"status": "all" if ended_too else "active"}
    found = desk.client.ask(Request("GET", "/api/v1/silences", dict, query=query))
    if desk.as_json:
        print_json(found)
        return
    click.echo("\n".join(_silences(printable(found), SystemClock().now())))


@silence.command()
@click.argument("silence_id", metavar="S-N")
@by_somebody
def expire(desk: Desk, silence_id: str) -> None:
    """End the silence S-N now: what it kept and still fires is heard."""
    if not silence_id.upper().removeprefix("S-").isdigit():
        raise click.BadParameter(f"{silence_id!r} is no silence; write S-3 or 3.")
    path = f"/api/v1/silences/{silence_id.upper().removeprefix('S-')}/expire"
    _say(desk, desk.client.ask(Request("POST", path, dict, body={"by": desk.by})))


@click.command()
@at_the_engine
def heartbeats(desk: Desk) -> None:
    """Every heartbeat of the plan: when it was heard, when it is due, what is missing."""
    found = desk.client.ask(Request("GET", "/api/v1/heartbeats", dict))
    if desk.as_json:
        print_json(found)
        return
    beats = printable(found["heartbeats"])
    if not beats:
        click.echo("plan.yaml has no heartbeats.")
    now = SystemClock().now()
    for each in beats:
        click.echo(_heartbeat(each, now))


def _say(desk: Desk, answer: Mapping[str, Any]) -> None:
    if desk.as_json:
        print_json(dict(answer))
    else:
        click.echo(answer["sentence"])


# --- how it looks ---


def _silences(found: Mapping[str, Any], now: datetime) -> Iterator[str]:
    windows = [each for each in found["maintenance"] if each["open_until"] is not None]
    if not found["silences"] and not windows:
        yield "Nothing is silenced."
    for each in found["silences"]:
        state = f"until {clock(each['until'], now)} UTC ({until(each['until'], now)})"
        if each["state"] != "in force":
            ended = f" by {each['ended_by']}" if each["ended_by"] else ""
            state = f"{each['state']}{ended} {ago(each['ended_at'] or each['until'], now)}"
        even = ", even SEV1" if each["even_sev1"] else ""
        yield f"{click.style(each['id'], bold=True)}  {', '.join(each['matchers'])}{even}  {state}"
        yield f"    {each['by']}: {each['because']}. {_keeps(each)}"
    for each in windows:
        name = click.style(f"maintenance {each['name']}", bold=True)
        what = ", ".join(f"{label}={value}" for label, value in each["match"].items())
        yield f"{name}  {what}  until {clock(each['open_until'], now)} UTC"
        yield f"    {each['because']}. {_keeps(each)}"
    if found["kept"]:
        yield ""
        yield f"Kept, paging nobody ({found['kept_in_all']}):"
    for each in found["kept"][:_SHOWN]:
        times = _times(each["count"])
        yield f"  {each['severity']}  {each['summary']}  heard {times} since {clock(each['first_at'], now)} UTC"
        yield f"        {each['outcome']}: {each['because']}"
    if found["kept_in_all"] > _SHOWN:
        yield "  more of them with --json"


def _keeps(each: Mapping[str, Any]) -> str:
    signals = "1 signal" if each["keeps"] == 1 else f"{each['keeps']} signals"
    return f"Keeps {signals}, heard {_times(each['heard'])}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _heartbeat(each: Mapping[str, Any], now: datetime) -> str:
    name, every = click.style(each["name"], bold=True), span(each["every"])
    heard = "never heard" if each["heard_at"] is None else f"heard {ago(each['heard_at'], now)}"
    if each["state"] == "ok":
        return f"{name}  {click.style('ok', fg='green')}  {heard}, every {every}, due {until(each['due_at'], now)}"
    state = click.style(f"{each['state'].upper()} since {clock(each['since'], now)} UTC", fg="red", bold=True)
    return f"{name}  {state}  {heard}, every {every}, {each['situation']}"


COMMANDS: dict[str, click.Command] = {"silence": silence, "heartbeats": heartbeats}
