"""Commands that look after an installation: test pages, backups, the database."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.client import backup as backup_request
from engine.client import message, trial_page
from engine.clock import SystemClock
from engine.home import Home
from engine.rebuild import rebuild as rebuild_read_model
from engine.restore import put_back
from incidents.errors import CommandRefused, UnknownIncident
from storage.database import SqliteTx, Tx, connect
from storage.migrate import migrate as bring_to_head
from tocsin.commands.codes import REFUSED
from tocsin.commands.options import DEFAULT_HOME, Desk, at_the_engine, home_option, json_option, print_json

T = TypeVar("T")

LOOK_EVERY = 0.25
_GONE = ("delivered", "read")
_LOST = ("failed", "stale")


@click.command("test-page")
@click.argument("contact")
@click.option("--channel", type=click.Choice(["console", "sms", "voice", "slack"]), help="Default: their first.")
@click.option("--wait", default=20.0, metavar="SECONDS", help="How long to wait for the receipt. Default 20.")
@at_the_engine
@click.pass_context
def test_page(ctx: click.Context, desk: Desk, contact: str, channel: str | None, wait: float) -> None:
    """Send one marked test page to CONTACT and say what became of it."""
    trial = desk.client.ask(trial_page(contact, channel))
    if not desk.as_json:
        click.echo(trial.sentence)
    state, detail = _fate(desk, trial.message_id, wait)
    if desk.as_json:
        print_json({"message_id": trial.message_id, "sentence": trial.sentence, "state": state, "detail": detail})
    elif state in _GONE:
        click.echo("It was delivered.")
    elif state in _LOST or state == "unknown":
        click.echo(f"It did not arrive for certain: {state}{': ' + detail if detail else ''}.", err=True)
    else:
        click.echo(f"The provider's receipt has not come yet ({state}); look at the telephone.")
    if state in _LOST or state == "unknown":
        ctx.exit(REFUSED)


def _fate(desk: Desk, message_id: str, wait: float) -> tuple[str, str]:
    """What became of a message: its final state, or the one it has after `wait` seconds."""
    clock, pause = SystemClock(), threading.Event()
    until = clock.monotonic() + wait
    while True:
        try:
            fate = desk.client.ask(message(message_id))
        except UnknownIncident:
            return "unknown", "the engine does not know the message"
        if fate.state in (*_GONE, *_LOST, "unknown") or clock.monotonic() >= until:
            return fate.state, fate.failure
        pause.wait(LOOK_EVERY)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@at_the_engine
def backup(desk: Desk, file: Path) -> None:
    """Write a backup to FILE, on the engine's machine, while it runs. Overwrites nothing."""
    size = desk.client.ask(backup_request(str(file.absolute())))
    if desk.as_json:
        print_json({"path": str(file.absolute()), "bytes": size})
    else:
        click.echo(f"{file} holds the backup, {size} bytes.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@json_option
def restore(file: Path, home: Path | None, as_json: bool) -> None:
    """Put the backup FILE back. The engine must be stopped. The database that was there is kept beside it.

    Nothing that was waiting to leave is sent: at its start the engine decides again who is to be paged, and messages
    from before count as possible duplicates.
    """
    with _stopped(home) as place:
        done = put_back(place, file, SystemClock().now())
    if as_json:
        print_json({"epoch": done.epoch, "stale": done.stale, "kept": None if done.kept is None else str(done.kept)})
        return
    kept = "" if done.kept is None else f" The database from before is {done.kept}."
    click.echo(f"Restored. Installation epoch {done.epoch}; {done.stale} waiting messages will not leave.{kept}")


@click.command()
@home_option
@json_option
def rebuild(home: Path | None, as_json: bool) -> None:
    """Rebuild the list of incidents from the log. The engine must be stopped."""
    with _stopped(home) as place:
        _must_exist(place)
        bring_to_head(place.database)
        unreadable = _in_one_transaction(place.database, rebuild_read_model)
        count = int(_in_one_transaction(place.database, lambda tx: tx.all("SELECT COUNT(*) FROM incidents"))[0][0])
    if as_json:
        print_json({"incidents": count, "unreadable": unreadable})
        return
    click.echo(f"{count} incidents are rebuilt from their logs.")
    for each in unreadable:
        click.echo(f"Set aside, its log cannot be read: {each}", err=True)


@click.command()
@home_option
@json_option
def migrate(home: Path | None, as_json: bool) -> None:
    """Bring the database to this version's schema. The engine must be stopped; it does this itself at its start."""
    with _stopped(home) as place:
        done = bring_to_head(place.database)
    if as_json:
        print_json({"migrated": done})
    else:
        click.echo("The schema is brought up to date." if done else "The schema is up to date already.")


@contextmanager
def _stopped(home: Path | None) -> Iterator[Home]:
    """Hold the home while no engine does. Raises HomeUnusable when one runs."""
    place = Home(home or DEFAULT_HOME)
    place.prepare()
    lock = place.lock()
    try:
        yield place
    finally:
        lock.close()


def _must_exist(place: Home) -> None:
    if not place.database.exists():
        raise CommandRefused(f"There is no database in {place.path}.")


def _in_one_transaction(path: Path, work: Callable[[Tx], T]) -> T:
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(SqliteTx(connection))
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise CommandRefused(f"{path} cannot be used: {error}.") from error
    finally:
        connection.close()
    return result


COMMANDS: dict[str, Any] = {each.name or "": each for each in (test_page, backup, restore, rebuild, migrate)}
