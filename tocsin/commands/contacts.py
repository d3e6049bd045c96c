"""`tocsin contacts` and `who-can`: how people are reached, the proof of it, paper for the worst day, authority."""

from collections.abc import Mapping
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from contacts.addresses import ChannelKind
from contacts.authority import ACTIONS, Action
from contacts.directory import Directory
from contacts.standing import shown
from contacts.walltime import begins, is_zone, zone
from engine import client as ask
from engine.client import SyncEngineClient
from engine.clock import SystemClock
from engine.contacts_view import Known, deciders_view, directory_view
from engine.view import stamp
from incidents.errors import CommandRefused
from incidents.money import Money
from runbooks.loader import load_plan
from tocsin.commands.codes import REFUSED
from tocsin.commands.options import Decorator, Desk, address, at_the_engine, home_option, json_option, print_json
from tocsin.contacts_screen import asked_lines, contacts_screen, deciders_screen
from tocsin.words import moment

_host: Decorator = click.option("--host", help="The engine's host, or its whole address (https://...).")
_port: Decorator = click.option("--port", type=click.IntRange(1, 65535), help="The engine's port, if not the home's.")
_folder: Any = click.Path(path_type=Path)
_plan: Decorator = click.argument("plan", metavar="PLAN", type=_folder)


class Moment(click.ParamType[datetime]):
    """`2027-03-28T02:30 Europe/Madrid`; without a zone or an offset UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text, _, name = str(value).strip().rpartition(" ")
        if not text or not is_zone(name):
            text, name = str(value).strip(), "UTC"
        try:
            return begins(text, zone(name))
        except ValueError as error:
            self.fail(
                f"{value!r} is no time: {error}, perhaps with a zone behind it such as Europe/Madrid.", param, ctx
            )


class _Contacts(click.Group):
    """Whatever does not name one of its commands is meant for `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if args and args[0] in known else ["list", *args])


@click.group("contacts", cls=_Contacts)
def contacts() -> None:
    """How everybody is reached, and whether that is proven: `tocsin contacts [PLAN]`.

    With PLAN it reads that folder and asks no engine.
    """


@contacts.command("list")
@click.argument("plan", metavar="[PLAN]", required=False, type=_folder)
@home_option
@_host
@_port
@json_option
def list_contacts(plan: Path | None, home: Path | None, host: str | None, port: int | None, as_json: bool) -> None:
    """Everybody with their channels, proofs and absences; who holds each role, area, team and schedule now."""
    now = SystemClock().now()
    if plan is None:
        view = SyncEngineClient(address(home, host, port)).ask(ask.contacts())
    else:
        view = directory_view(load_plan(plan).directory, now, Known())
    if as_json:
        print_json(view)
        return
    click.echo("\n".join(contacts_screen(view, now)))
    if plan is not None:
        click.echo(
            "\nFrom the file alone: codes that were answered and numbers that wrote STOP are the engine's to know."
        )


@contacts.command()
@click.argument("people", metavar="[PERSON]...", nargs=-1)
@click.option("--channel", type=click.Choice([each.value for each in ChannelKind]), help="Only this kind of channel.")
@click.option("--all", "everything", is_flag=True, help="Also those that are proven.")
@click.option("--expired", is_flag=True, help="Only those whose proof has expired.")
@at_the_engine
@click.pass_context
def verify(
    ctx: click.Context, desk: Desk, people: tuple[str, ...], channel: str | None, everything: bool, expired: bool
) -> None:
    """Send each PERSON (an id or role; default everybody) a code by each channel that is not proven, or soon not.

    Whoever gets it replies with it (SMS, mail), presses 4 (a call), or tells it to you: tocsin contacts confirm CODE.
    A code is good for three days, once; no address gets another within ten minutes, and none that is OUT gets any.
    Exit code 1 when proofs are missing and no code could be sent at all.
    """
    if everything and expired:
        raise click.UsageError("Choose --all or --expired.")
    which = "all" if everything else "expired" if expired else "due"
    asked = desk.client.ask(ask.verify(people, channel, which))
    if desk.as_json:
        print_json({"asked": asked})
    else:
        said = asked_lines(asked)
        click.echo("\n".join(said) or "Nothing was sent: nobody's proof is missing or ends within a week.")
    if asked and not any(each["outcome"] in ("sent", "just-sent") for each in asked):
        click.get_current_context().exit(REFUSED)


@contacts.command()
@click.argument("digits", metavar="CODE", nargs=-1, required=True)
@at_the_engine
def confirm(desk: Desk, digits: tuple[str, ...]) -> None:
    """Somebody has told you the CODE that they were sent: record the proof."""
    answer = desk.client.ask(ask.confirm_code("".join(digits)))
    if desk.as_json:
        print_json(answer)
    else:
        click.echo(answer["sentence"])


@contacts.command()
@_plan
@at_the_engine
def record(desk: Desk, plan: Path) -> None:
    """Write the proofs that the engine has into PLAN/contacts.yaml, for `check` and `prove`. Changes nothing else."""
    directory = load_plan(plan).directory
    known = desk.client.ask(ask.contacts())
    proofs = _proofs(directory, known)
    changes = import_module("tocsin.contacts_file").record(plan / "contacts.yaml", proofs, directory.reverify_every)
    if desk.as_json:
        print_json({"changed": [str(each) for each in changes]})
        return
    for each in changes:
        click.echo(str(each))
    if not changes:
        click.echo(f"{plan / 'contacts.yaml'} knows every proof already; nothing is changed.")


def _proofs(directory: Directory, view: Mapping[str, Any]) -> dict[tuple[str, str, str], date]:
    """The engine's proofs for the addresses of this folder. Of webhooks, which it shows by their host alone, the
    earliest of those that look alike."""
    answered: dict[tuple[str, str, str], list[datetime | None]] = {}
    for contact in view["contacts"]:
        for channel in contact["channels"]:
            key = (contact["id"], channel["kind"], channel["to"])
            answered.setdefault(key, []).append(moment(channel["answered_at"]))
    found: dict[tuple[str, str, str], date] = {}
    for person in directory.contacts:
        for each in person.channels:
            moments = answered.get((person.id, each.kind, shown(each)), [None])
            known = [at.date() for at in moments if at is not None]
            if len(known) == len(moments):
                found[person.id, each.kind, each.to] = min(known)
    return found


@contacts.command("print")
@_plan
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to (default contact-tree.pdf).")
@click.option("--text", "as_text", is_flag=True, help="Letters instead of a PDF; without --out to the terminal.")
def print_tree(plan: Path, out: Path | None, as_text: bool) -> None:
    """The contact tree of PLAN for the day when nothing works: ladders, roles, duties, a page a team; offline."""
    loaded = load_plan(plan)
    paper = import_module("tocsin.contact_tree")
    tree = paper.contact_tree(loaded.plan, loaded.directory, SystemClock().now())
    if as_text:
        text = paper.as_text(tree)
        if out is None:
            click.echo(text, nl=False)
            return
        _keep(out, text.encode())
        click.echo(f"wrote {out}")
        return
    printed = import_module("tocsin.contact_paper").as_pdf(tree)  # with reportlab, which only this needs
    target = out or Path("contact-tree.pdf")
    _keep(target, printed.pdf)
    pages = "1 page" if printed.pages == 1 else f"{printed.pages} pages"
    click.echo(f"wrote {target}: {pages}, {tree.version}; print it again before {tree.valid_until:%Y-%m-%d}")
    if printed.missing:
        click.echo(
            f"warning: this machine has no font for {printed.missing}; they were replaced. DejaVu has most letters.",
            err=True,
        )


def _keep(file: Path, content: bytes) -> None:
    """Personal data: for whoever prints it alone."""
    try:
        file.touch(mode=0o600)
        file.write_bytes(content)
    except OSError as error:
        raise CommandRefused(f"{file} cannot be written: {error.strerror}.") from error


@click.command("who-can")
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("words", metavar="[AMOUNT CURRENCY] [PLAN]", nargs=-1)
@click.option("--count", type=click.IntRange(1, 10**9), default=1, help="How many customers get it (default 1).")
@click.option("--area", metavar="ID", help="The area of the incident.")
@click.option("--at", type=Moment(), help="When: 2027-03-28T02:30 Europe/Madrid (default now).")
@home_option
@_host
@_port
@json_option
def who_can(
    action: Action,
    words: tuple[str, ...],
    count: int,
    area: str | None,
    at: datetime | None,
    home: Path | None,
    host: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Who may do ACTION (for AMOUNT CURRENCY a customer) and can be asked now, least senior first; who cannot, and why.

    With PLAN it reads that folder and asks no engine.
    """
    amount, plan = _amount_and_plan(words)
    if plan is not None:
        directory = load_plan(plan).directory
        view = deciders_view(directory, action, amount, area, at or SystemClock().now(), count=count)
    else:
        asked = {} if amount is None else {"amount": str(amount.amount), "currency": amount.currency}
        client = SyncEngineClient(address(home, host, port))
        view = client.ask(ask.who_can(action, **asked, count=count, area=area, at=stamp(at)))
    if as_json:
        print_json(view)
    else:
        click.echo("\n".join(deciders_screen(view)))


def _amount_and_plan(words: tuple[str, ...]) -> tuple[Money | None, Path | None]:
    """`500 EUR`, `PLAN`, `500 EUR PLAN` or nothing."""
    if len(words) > 3:
        raise click.UsageError("Write AMOUNT CURRENCY, then perhaps PLAN.")
    plan = Path(words[-1]) if len(words) in (1, 3) else None
    if len(words) < 2:
        return None, plan
    try:
        return Money.model_validate({"amount": words[0], "currency": words[1].upper()}), plan
    except ValidationError as error:
        raise click.UsageError(f"{words[0]} {words[1]} is no amount of money such as 500 EUR.") from error


COMMANDS: dict[str, click.Command] = {"contacts": contacts, "who-can": who_can}
