"""Commands that run Tocsin: everything, the engine alone, a worker."""

import os
from importlib import import_module
from pathlib import Path

import click

from tocsin.commands.options import home_option, host_option, plan_option, port_option
from tocsin.settings import load_settings


@click.command()
@plan_option
@home_option
@host_option
@port_option
@click.option("--prefect-port", type=click.IntRange(1, 65535), help="Port of our Prefect server (default 8421).")
@click.option("--no-prefect", is_flag=True, help="Without Prefect: the engine performs every move.")
@click.option("--drill", is_flag=True, help="Post the plan's bundled alert (alert.json), unless a drill is open.")
@click.pass_context
def up(
    ctx: click.Context,
    plan: Path | None,
    home: Path | None,
    host: str | None,
    port: int | None,
    prefect_port: int | None,
    no_prefect: bool,
    drill: bool,
) -> None:
    """Start everything and watch over it: the engine, a Prefect server, a worker. Ctrl-C stops them in order.

    With PREFECT_API_URL that server is used and none is started.
    """
    settings = load_settings(plan=plan, home=home, host=host, port=port, prefect_port=prefect_port)
    # Only this command needs the supervisor, and the others must start quickly.
    ctx.exit(import_module("tocsin.up").run(settings, with_prefect=not no_prefect, drill=drill))


@click.command()
@plan_option
@home_option
@host_option
@port_option
@click.pass_context
def engine(ctx: click.Context, plan: Path | None, home: Path | None, host: str | None, port: int | None) -> None:
    """Start the engine alone. It hears, decides and pages, with Prefect or without."""
    settings = load_settings(plan=plan, home=home, host=host, port=port)
    # Only this command needs the web server, and the others must start quickly.
    ctx.exit(import_module("tocsin.web.server").serve(settings))


@click.command()
@home_option
@click.option("--prefect-port", type=click.IntRange(1, 65535), help="Port of our Prefect server (default 8421).")
@click.pass_context
def worker(ctx: click.Context, home: Path | None, prefect_port: int | None) -> None:
    """Start a Prefect worker that drives incidents. It ends when its standard input, a pipe, ends.

    PREFECT_API_URL names the Prefect server; without it, our own on --prefect-port.
    """
    settings = load_settings(home=home, prefect_port=prefect_port)
    # Only this command needs the flows, and the others must start quickly.
    flows, server = import_module("flows.worker"), import_module("flows.server")
    url = os.environ.get("PREFECT_API_URL") or server.prefect_api_url(settings.prefect_port)
    ctx.exit(
        flows.run_worker(
            flows.WorkerSettings(home=settings.home, prefect_api_url=url.rstrip("/"), live_runs=settings.live_runs)
        )
    )


COMMANDS: dict[str, click.Command] = {"up": up, "engine": engine, "worker": worker}
