"""The drill of `tocsin up --drill`: a bundled, really captured alert, and what a newcomer may do then."""

import os
import shlex
import threading
import urllib.error
import urllib.request
from pathlib import Path

from engine.client import Address, IncidentObject, Request, SyncEngineClient, incident, incidents, link
from incidents.errors import CommandRefused, EngineUnreachable, TocsinError
from runbooks.plan import Plan
from tocsin.commands.options import DEFAULT_HOME, program

ALERT = "alert.json"
PATIENCE = 10.0


def drill_request(plan: Plan, folder: Path) -> tuple[str, bytes]:
    """(path, body) of the alert that starts the plan's drill. CommandRefused when the plan has none."""
    key = next((each.key for each in plan.integrations if each.kind == "alertmanager"), None)
    alert = folder / ALERT
    if key is None:
        raise CommandRefused(f"--drill: the plan in {folder} has no integration of the kind alertmanager.")
    try:
        return f"/webhooks/alertmanager/{key}", alert.read_bytes()
    except OSError as error:
        raise CommandRefused(f"--drill: {alert} cannot be read: {error.strerror}.") from error


def play(address: Address, path: str, body: bytes, home: Path) -> list[str]:
    """Post the alert unless a drill is open; gives the lines to tell. Raises EngineUnreachable."""
    client = SyncEngineClient(address)
    before = [each["id"] for each in client.ask(incidents()) if each["drill"]]
    if before:
        return [f"{before[0]} is still open; continuing.", *_what_to_do(client, before[0], home)]
    _post(address, path, body)
    pause = threading.Event()
    for _ in range(50):
        opened = [each["id"] for each in client.ask(incidents()) if each["drill"]]
        if opened:
            return ["A drill: the bundled Alertmanager alert is posted.", *_what_to_do(client, opened[0], home)]
        pause.wait(0.1)
    return ["The bundled alert was posted, but it opened no drill: does the plan route it to a drill's situation?"]


def _post(address: Address, path: str, body: bytes) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(
        address.url + path, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with opener.open(asked, timeout=PATIENCE):
            return
    except OSError as error:
        raise EngineUnreachable(f"The drill's alert could not be posted: {error}.") from error


def _what_to_do(client: SyncEngineClient, incident_id: str, home: Path) -> list[str]:
    view = client.ask(incident(incident_id))
    asked: Request[dict[str, list[dict[str, str]]]] = Request("GET", "/api/v1/plan", lambda answer: dict(answer))
    names = {each["id"]: each["name"] for each in client.ask(asked)["contacts"]}
    who = view["commander"] or (view["pages"][0]["contact"] if view["pages"] else next(iter(names)))
    name = names.get(who, who)
    lines = [f"{incident_id} {view['severity']} {view['title']}", ""]
    if view["commander"] is None:
        lines += [
            f"{name} is paged first, the next one a few seconds later, and so on until somebody answers.",
            "You are whoever you say you are. In another terminal:",
            "",
            _shell(home, "ack", incident_id, "--by", who),
        ]
    else:
        lines += [f"{name} has it. In another terminal:", ""]
    lines += [
        _shell(home, "show", incident_id) + "    # names the next command, up to `close`",
        *_first_step(view, who, home),
        "",
        "Or in the browser:",
        f"  {_link(client, incident_id, who)}",
    ]
    return lines


def _first_step(view: IncidentObject, who: str, home: Path) -> list[str]:
    step = next((each["id"] for each in view["steps"] if each["state"] in ("open", "waiting")), None)
    if step is None:
        return []
    return [_shell(home, "step", view["id"], step, "done", "--by", who, "--evidence", "the shop answers 500")]


def _link(client: SyncEngineClient, incident_id: str, who: str) -> str:
    try:
        return client.ask(link(incident_id, who))
    except TocsinError as error:
        return str(error)


def _shell(home: Path, *words: str) -> str:
    usual = home.absolute() == DEFAULT_HOME.absolute() and "TOCSIN_HOME" not in os.environ
    extra = [] if usual else ["--home", str(home)]
    return "  " + shlex.join([program(), *words, *extra])
