"""Commands about plans: write a starter, check one, make the engine load its own again."""

from pathlib import Path

import click

from engine.client import activate_plan
from engine.clock import SystemClock
from incidents.errors import CommandRefused, PlanInvalid
from runbooks.loader import LoadedPlan, load_plan
from runbooks.starter import write_starter
from tocsin.commands.codes import PLAN_INVALID
from tocsin.commands.options import Desk, at_the_engine, json_option, plan_option, print_json
from tocsin.settings import load_settings


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@json_option
def init(folder: Path, as_json: bool) -> None:
    """Write a commented plan to start from into DIR. Overwrites nothing."""
    try:
        files = write_starter(folder)
    except OSError as error:
        raise CommandRefused(f"{folder} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json({"files": [str(each) for each in files]})
        return
    for each in files:
        click.echo(f"wrote {each}")
    click.echo(f"Make it yours, then: tocsin check {folder}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@plan_option
@json_option
@click.pass_context
def check(ctx: click.Context, folder: Path | None, plan: Path | None, as_json: bool) -> None:
    """Check the plan in DIR (or --plan, TOCSIN_PLAN). Every problem with file:line:column; exit code 4."""
    where = folder or plan
    if where is None:
        raise click.UsageError("Name the plan's folder: tocsin check DIR.")
    try:
        loaded = load_plan(where, SystemClock().now())
    except PlanInvalid as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": error.problems, "warnings": []})
        ctx.exit(PLAN_INVALID)
    warnings = [*loaded.warnings]
    if load_settings().heartbeat_url is None:
        warnings.append("TOCSIN_HEARTBEAT_URL is not set: nobody outside notices when Tocsin is dead.")
    if as_json:
        print_json({"valid": True, "problems": [], "warnings": warnings})
        return
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"The plan in {where} can be used: {', '.join(_sizes(loaded))}.")


def _sizes(loaded: LoadedPlan) -> list[str]:
    plan = loaded.plan
    sizes = [
        f"{len(plan.situations)} situations",
        f"{len(plan.runbooks)} runbooks",
        f"{len(loaded.directory.contacts)} contacts",
    ]
    if plan.thresholds is not None:
        sizes.append(f"{len(plan.thresholds.rules)} rules")
    if plan.listening is not None:
        sizes.append(f"{len(plan.listening.sources)} sources")
    return sizes


@click.group("plan")
def plan_group() -> None:
    """The plan that the engine follows."""


@plan_group.command()
@at_the_engine
def activate(desk: Desk) -> None:
    """Load the plan's folder again. An invalid plan changes nothing; open incidents keep theirs (`tocsin replan`)."""
    version = desk.client.ask(activate_plan())
    if desk.as_json:
        print_json({"plan_version": version})
    else:
        click.echo(f"The plan is loaded: version {version}.")


COMMANDS: dict[str, click.Command] = {"init": init, "check": check, "plan": plan_group}
