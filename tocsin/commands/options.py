"""What the commands share: flags, who acts, how the engine is reached, how an answer is printed."""

import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engine.client import Address, Reply, Request, SyncEngineClient
from incidents.errors import CommandRefused, EngineUnreachable
from incidents.ids import parse_incident_id

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_HOME = Path(".tocsin")
DEFAULT_PORT = 8420


class IncidentId(click.ParamType[str]):
    """`INC-7`, `inc-7` and `7` all mean INC-7."""

    name = "incident"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = parse_incident_id(str(value))
        if found is None:
            self.fail(f"{value!r} is not an incident; write INC-7 or 7.", param, ctx)
        return found


the_incident: Decorator = click.argument("incident", metavar="INC-N", type=IncidentId())
home_option: Decorator = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="TOCSIN_HOME",
    help="Where Tocsin keeps its data (TOCSIN_HOME, default ./.tocsin).",
)
plan_option: Decorator = click.option(
    "--plan", type=click.Path(path_type=Path), envvar="TOCSIN_PLAN", help="The plan's folder (TOCSIN_PLAN)."
)
host_option: Decorator = click.option("--host", help="Listen here (TOCSIN_HOST, default 127.0.0.1).")
port_option: Decorator = click.option(
    "--port", type=click.IntRange(1, 65535), help=f"Listen on this port (TOCSIN_PORT, default {DEFAULT_PORT})."
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Desk:
    """One command's way to the engine: where it is, who acts, how the answer is printed."""

    client: SyncEngineClient
    as_json: bool
    named: str | None = None

    @property
    def by(self) -> str:
        """The contact who acts. CommandRefused, with the contacts there are, when nobody was named."""
        return self.named or _guess(self.client)

    def names(self) -> dict[str, str]:
        """Contact id to name."""
        return {each["id"]: each["name"] for each in self.client.ask(PLAN)["contacts"]}

    def say(self, reply: Reply) -> None:
        if self.as_json:
            print_json({"sentence": reply.sentence, "incident": reply.incident})
        else:
            click.echo(reply.sentence)


PLAN: Request[dict[str, Any]] = Request("GET", "/api/v1/plan", lambda answer: dict(answer))
"""What a person chooses from: situations, contacts, roles."""


def at_the_engine(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--home --host --port --json`, for a command that asks the engine: it gets a Desk. The innermost decorator."""

    def run(
        home: Path | None, host: str | None, port: int | None, as_json: bool, by: str | None = None, **rest: Any
    ) -> Any:
        return command(Desk(SyncEngineClient(address(home, host, port)), as_json, by), **rest)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return home_option(_engine_host(_engine_port(json_option(run))))


def by_somebody(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same, and `--by`: for a command that somebody answers for."""
    return _by(at_the_engine(command))


_by: Decorator = click.option(
    "--by", metavar="CONTACT", envvar="TOCSIN_BY", help="Who acts: an id or role of contacts.yaml (TOCSIN_BY)."
)
_engine_host: Decorator = click.option(
    "--host", help="The engine's host, or its whole address (https://...), if not the home's."
)
_engine_port: Decorator = click.option(
    "--port", type=click.IntRange(1, 65535), help="The engine's port, if not the home's."
)


def address(home: Path | None, host: str | None = None, port: int | None = None) -> Address:
    """Where the engine is: what its home says, unless host or port are given. EngineUnreachable when nobody knows."""
    folder = home or DEFAULT_HOME
    if host is None and port is None:
        return Address.of_home(folder)
    url = (host or "127.0.0.1").rstrip("/")
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}:{port or DEFAULT_PORT}"
    elif port is not None:
        url = f"{url}:{port}"
    return Address(url, _token(folder, url))


def _token(folder: Path, url: str) -> str:
    given = os.environ.get("TOCSIN_API_TOKEN")
    if given:
        return given
    try:
        return (folder / "token").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EngineUnreachable(
            f"There is no token for {url}: set TOCSIN_API_TOKEN, or name the engine's home with --home."
        ) from error


def _guess(client: SyncEngineClient) -> str:
    """Whoever is logged in on this machine, when the directory knows one person of that name."""
    contacts = client.ask(PLAN)["contacts"]
    known = [str(each["id"]) for each in contacts]
    try:
        user = getpass.getuser().lower()
    except (KeyError, OSError):  # a container's user may have no name
        user = ""
    if user in known:
        return user
    raise CommandRefused(f"Say who you are with --by (or TOCSIN_BY): {', '.join(known)}.")


def print_json(content: object) -> None:
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def program() -> str:
    """How this very `tocsin` is called from here, for commands that a person copies."""
    path = Path(sys.argv[0])
    if path.name != "tocsin" or shutil.which("tocsin") == str(path):
        return "tocsin"
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
