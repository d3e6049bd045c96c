"""Commands that look and change nothing: status, show, summary, link."""

import json
import shutil
import sys
import threading
from collections.abc import Sequence

import click

from engine import client as ask
from engine.clock import SystemClock
from incidents.errors import EngineUnreachable
from tocsin.commands.options import Desk, at_the_engine, by_somebody, print_json, program, the_incident
from tocsin.screen import incident_screen, status_screen

WATCH_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[J"


@click.command()
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option("--all", "ended_too", is_flag=True, help="Also incidents that have ended.")
@at_the_engine
def status(desk: Desk, watch: bool, ended_too: bool) -> None:
    """Open incidents, and the state of Tocsin."""
    if not watch:
        click.echo("\n".join(_status(desk, ended_too=ended_too)))
        return
    terminal = sys.stdout.isatty()
    pause = threading.Event()
    try:
        while True:
            try:
                lines = _status(desk, ended_too=ended_too)
            except EngineUnreachable as error:
                lines = [click.style(f"The engine does not answer. {error}", fg="red", bold=True)]
            click.echo((_CLEAR if terminal else "") + "\n".join(lines))
            pause.wait(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _status(desk: Desk, *, ended_too: bool) -> Sequence[str]:
    state = desk.client.ask(ask.status())
    found = desk.client.ask(ask.incidents("all" if ended_too else "open"))
    if desk.as_json:
        return [json.dumps({"status": state, "incidents": found}, indent=2, ensure_ascii=False)]
    return status_screen(state, found, desk.names(), SystemClock().now(), _width())


@click.command()
@the_incident
@click.option("--all", "whole", is_flag=True, help="The whole timeline, and everybody who is called.")
@at_the_engine
def show(desk: Desk, incident: str, whole: bool) -> None:
    """Everything about one incident: who has it, who is called, steps, decisions, what is missing, the timeline."""
    view = desk.client.ask(ask.incident(incident))
    if desk.as_json:
        print_json(view)
        return
    click.echo(
        "\n".join(incident_screen(view, desk.names(), SystemClock().now(), _width(), whole=whole, program=program()))
    )


@click.command()
@the_incident
@click.option("--send", is_flag=True, help="Send it to the executives now.")
@by_somebody
def summary(desk: Desk, incident: str, send: bool) -> None:
    """The executive summary: bottom line, conditions, actions, needs, next update by."""
    if send:
        desk.say(desk.client.ask(ask.command(incident, "summary", by=desk.by)))
        return
    text = desk.client.ask(ask.summary(incident))
    if desk.as_json:
        print_json({"text": text})
    else:
        click.echo(text)


@click.command()
@the_incident
@click.argument("contact")
@at_the_engine
def link(desk: Desk, incident: str, contact: str) -> None:
    """A signed link for CONTACT to the incident's page, where it can be taken. Give it to nobody else."""
    url = desk.client.ask(ask.link(incident, contact))
    if desk.as_json:
        print_json({"url": url})
    else:
        click.echo(url)


def _width() -> int:
    return min(110, shutil.get_terminal_size((100, 40)).columns)


COMMANDS: dict[str, click.Command] = {each.name or "": each for each in (status, show, summary, link)}
