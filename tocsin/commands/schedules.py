"""`tocsin schedules`: who is on duty and for how long, gaps ahead, trouble with calendars; export and link."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from contacts.walltime import zone
from engine import client as ask
from engine.client import SyncEngineClient
from engine.clock import SystemClock
from engine.schedules import MOST_WEEKS, calendar_text, schedule_view, the_schedule
from incidents.errors import CommandRefused, UnknownIncident
from runbooks.loader import load_plan
from tocsin.commands.options import (
    Decorator,
    Desk,
    address,
    at_the_engine,
    home_option,
    json_option,
    print_json,
)
from tocsin.words import moment, printable, span

_SHOWN_GAPS = 3
_SHOWN_PROBLEMS = 3

_host: Decorator = click.option("--host", help="The engine's host, or its whole address (https://...).")
_port: Decorator = click.option("--port", type=click.IntRange(1, 65535), help="The engine's port, if not the home's.")
_plan: Decorator = click.argument("plan", metavar="[PLAN]", required=False, type=click.Path(path_type=Path))


class _Schedules(click.Group):
    """Whatever does not name one of its commands is meant for `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if args and args[0] in known else ["list", *args])


@click.group("schedules", cls=_Schedules)
def schedules() -> None:
    """Who is on duty, until when, and who comes next: `tocsin schedules [PLAN]`.

    With PLAN it reads that folder and asks no engine.
    """


@schedules.command("list")
@_plan
@home_option
@_host
@_port
@json_option
def list_schedules(plan: Path | None, home: Path | None, host: str | None, port: int | None, as_json: bool) -> None:
    """Every schedule: on duty now, until when, next; gaps in the next 12 weeks; trouble with its calendar."""
    now = SystemClock().now()
    if plan is None:
        views = SyncEngineClient(address(home, host, port)).ask(ask.schedules())
    else:
        directory = load_plan(plan).directory
        views = [schedule_view(each, directory, None, now) for each in directory.schedules]
    if as_json:
        print_json({"schedules": views})
        return
    if not views:
        click.echo("contacts.yaml has no schedules.")
    for place, view in enumerate(printable(views)):
        click.echo(("\n" if place else "") + "\n".join(_lines(view, now, offline=plan is not None)))


@schedules.command()
@click.argument("schedule", metavar="ID")
@_plan
@click.option("--weeks", type=click.IntRange(1, MOST_WEEKS), default=12, show_default=True, help="How far ahead.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it here, not to the terminal.")
@home_option
@_host
@_port
def export(
    schedule: str,
    plan: Path | None,
    weeks: int,
    out: Path | None,
    home: Path | None,
    host: str | None,
    port: int | None,
) -> None:
    """The schedule ID as an iCalendar file."""
    if plan is None:
        text = SyncEngineClient(address(home, host, port)).ask(ask.schedule_calendar(schedule, weeks))
    else:
        text = _offline(plan, schedule, weeks)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandRefused(f"{out} cannot be written: {error.strerror}.") from error
    click.echo(f"wrote {out}")


def _offline(plan: Path, schedule_id: str, weeks: int) -> str:
    directory = load_plan(plan).directory
    try:
        schedule = the_schedule(directory, schedule_id)
    except UnknownIncident as error:
        raise CommandRefused(str(error)) from error
    if schedule.calendar is not None:
        raise CommandRefused(f"schedule:{schedule_id} follows a calendar; the engine has it. Leave PLAN out.")
    return calendar_text(schedule, directory, SystemClock().now(), weeks)


@schedules.command()
@click.argument("schedule", metavar="ID")
@at_the_engine
def link(desk: Desk, schedule: str) -> None:
    """An address of the schedule ID to subscribe to with a calendar program. Whoever has it can read it."""
    url = desk.client.ask(ask.schedule_link(schedule))
    if desk.as_json:
        print_json({"url": url})
    else:
        click.echo(url)


# --- how it looks ---


def _lines(view: Mapping[str, Any], now: datetime, *, offline: bool) -> Iterator[str]:
    where = view["time_zone"]
    yield f"{click.style(view['id'], bold=True)}  {view['title']} ({where})"
    until = "" if view["until"] is None else f", until {_local(view['until'], where)}"
    if view["on_duty"]:
        yield f"  On duty  {click.style(_names(view['on_duty']), fg='green')}{until}"
    else:
        yield "  On duty  " + click.style(f"nobody{until}", fg="red", bold=True)
    if view["on_duty"] and view["called"] != view["on_duty"]:
        called = _names(view["called"]) or "nobody"
        reasons = f" ({'; '.join(view['because'])})" if view["because"] else ""
        yield click.style(f"  Called   {called}{reasons}", fg="yellow" if view["called"] else "red")
    for place, each in enumerate(view["next"]):
        word = "Next" if place == 0 else ""
        who = _names(each["on_duty"]) or click.style("nobody", fg="red")
        yield f"  {word:<8} {_local(each['from'], where)}  {who}"
    yield from _gaps(view, where)
    if view["calendar"] is not None:
        yield from _calendar(view["calendar"], now, offline=offline)


def _gaps(view: Mapping[str, Any], where: str) -> Iterator[str]:
    gaps = view["gaps"]
    if not gaps:
        yield "  Gaps     " + click.style("none in the next 12 weeks", fg="green")
        return
    yield "  Gaps     " + click.style(f"{len(gaps)} in the next 12 weeks:", fg="red")
    for gap in gaps[:_SHOWN_GAPS]:
        end = f"to {_local(gap['until'], where)}" if gap["until"] is not None else "on"
        yield click.style(f"           from {_local(gap['from'], where)} {end}", fg="red")
    if len(gaps) > _SHOWN_GAPS:
        yield click.style("           all of them with --json", dim=True)


def _calendar(feed: Mapping[str, Any], now: datetime, *, offline: bool) -> Iterator[str]:
    if offline:
        yield click.style("  Calendar it follows a feed, of which there is no copy here: leave PLAN out", fg="yellow")
        return
    good_at, since = moment(feed["read_at"]), moment(feed["trouble_since"])
    if good_at is None and since is None:
        yield click.style("  Calendar not yet read", fg="yellow")
        return
    if since is None:
        yield f"  Calendar read {span((now - (good_at or now)).total_seconds())} ago"
    else:
        yield click.style(
            f"  Calendar in trouble for {span((now - since).total_seconds())}: {feed['trouble']}", fg="red"
        )
        copy = "there is no copy" if good_at is None else f"its copy of {good_at:%a %d %b %H:%M} UTC is used"
        yield click.style(f"           {copy}", fg="red")
    for problem in feed["problems"][:_SHOWN_PROBLEMS]:
        yield click.style(f"           {problem}", fg="yellow")
    if len(feed["problems"]) > _SHOWN_PROBLEMS:
        yield click.style("           more such events with --json", dim=True)


def _names(people: list[dict[str, str]]) -> str:
    return ", ".join(each["name"] for each in people)


def _local(text: str | None, where: str) -> str:
    at = moment(text)
    return "?" if at is None else f"{at.astimezone(zone(where)):%a %d %b %H:%M}"


COMMANDS: dict[str, click.Command] = {"schedules": schedules}
