"""Examines an installation: what would keep a page from leaving, or an answer from arriving, said before it matters."""

import os
import shutil
import socket
import stat
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from contacts.directory import Directory
from engine.client import Address, SyncEngineClient
from engine.client import status as status_request
from engine.home import Home, HomeUnusable
from incidents.errors import EngineUnreachable, PlanInvalid, TocsinError
from runbooks.loader import load_plan
from storage.migrate import HEAD, current_revision
from tocsin.settings import Settings

ROOM_WANTED, ROOM_NEEDED = 1024**3, 256 * 1024**2
"""Bytes that ought to be free, and that must be: the ballast alone takes 64 MB."""
PATIENCE = 3.0


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    verdict: Verdict
    sentence: str


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in a fixed order. Changes nothing; never raises for what is wrong."""
    directory, plan_findings = _plan(settings)
    return [
        *_home(settings.home),
        *_database(Home(settings.home)),
        *plan_findings,
        *_engine(settings),
        *_prefect(settings),
        *_twilio(settings, directory),
        *_slack(settings, directory),
        *_outside(settings),
    ]


def _ok(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.OK, sentence)


def _warn(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.WARN, sentence)


def _fail(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.FAIL, sentence)


# --- this machine ---


def _home(path: Path) -> Iterator[Finding]:
    if not path.is_dir():
        yield _warn("home", f"{path} is not there yet; the first start makes it.")
        path = next((each for each in path.absolute().parents if each.is_dir()), Path("/"))
    else:
        try:
            Home(path).prepare()
        except HomeUnusable as error:
            yield _fail("home", str(error))
        if not os.access(path, os.W_OK | os.X_OK):
            yield _fail("home", f"{path} cannot be written.")
        elif open_to := _open_to_others(path):
            yield _fail("home", f"{path} is open to {open_to}: chmod 700 {path}")
        else:
            yield _ok("home", f"{path} is ours alone.")
        for name in ("token", "secret"):
            secret = path / name
            if secret.exists() and (open_to := _open_to_others(secret)):
                yield _fail("home", f"{secret} can be read by {open_to}: chmod 600 {secret}")
    free = shutil.disk_usage(path).free
    room = f"{free // 1024**2} MB are free."
    if free < ROOM_NEEDED:
        yield _fail("disk", f"Only {room}")
    elif free < ROOM_WANTED:
        yield _warn("disk", f"Only {room}")
    else:
        yield _ok("disk", room)


def _open_to_others(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return "everybody" if mode & 0o007 else "its group" if mode & 0o070 else ""


def _database(home: Home) -> Iterator[Finding]:
    if not home.database.exists():
        return
    revision = current_revision(home.database)
    if revision == HEAD:
        yield _ok("database", f"Schema {revision}.")
    elif revision is not None and revision > HEAD:
        yield _fail("database", f"Schema {revision} is of a newer Tocsin; this one knows {HEAD}.")
    else:
        yield _warn("database", "The schema is older; the next start brings it up to date.")


def _plan(settings: Settings) -> tuple[Directory | None, list[Finding]]:
    if settings.plan is None:
        return None, [_fail("plan", "Which plan is not said: --plan DIR or TOCSIN_PLAN.")]
    try:
        loaded = load_plan(settings.plan)
    except PlanInvalid as error:
        return None, [_fail("plan", problem) for problem in error.problems]
    warnings = [_warn("plan", each) for each in loaded.warnings]
    return loaded.directory, [*warnings, _ok("plan", f"The plan in {settings.plan} can be used.")]


# --- the processes ---


def _engine(settings: Settings) -> Iterator[Finding]:
    try:
        client = SyncEngineClient(Address.of_home(settings.home))
        state = client.ask(status_request())
    except EngineUnreachable as error:
        yield _fail("engine", str(error))
        yield from _port("engine", settings.host, settings.port, "TOCSIN_PORT")
        return
    except TocsinError as error:
        yield _fail("engine", str(error))
        return
    if state["can_page"]:
        yield _ok("engine", f"{client.address.url} is ready to page.")
    else:
        yield _fail("engine", f"{client.address.url} cannot page: {state.get('not_ready')}.")
    for incident, because in dict(state.get("quarantined") or {}).items():
        yield _fail("engine", f"{incident} is set aside, its log cannot be read: {because}")
    if state.get("disk_full"):
        yield _fail("engine", "The disk is full: signals are refused.")
    workers = state.get("workers") or {}
    yield (_ok if workers else _warn)("worker", str(state["prefect"]))


def _port(name: str, host: str, port: int, variable: str) -> Iterator[Finding]:
    if taken(host, port):
        yield _fail(name, f"Port {port} is taken by another program; choose one with {variable}.")


def taken(host: str, port: int) -> bool:
    """Whether somebody listens there already (or we may not)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _prefect(settings: Settings) -> Iterator[Finding]:
    given = os.environ.get("PREFECT_API_URL")
    url = (given or f"http://127.0.0.1:{settings.prefect_port}/api").rstrip("/")
    opener = urllib.request.build_opener(*(() if given else (urllib.request.ProxyHandler({}),)))
    try:
        with opener.open(f"{url}/health", timeout=PATIENCE):
            yield _ok("prefect", f"{url} answers.")
    except (OSError, ValueError) as error:
        if given is None and taken("127.0.0.1", settings.prefect_port):
            yield _fail("prefect", f"Port {settings.prefect_port} is taken by another program: TOCSIN_PREFECT_PORT.")
            return
        yield _warn("prefect", f"{url} does not answer ({_reason(error)}); the engine performs without it.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "")) or str(error) or type(error).__name__


# --- the world outside ---


def _twilio(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    twilio = settings.twilio
    parts = {
        "TOCSIN_TWILIO__ACCOUNT_SID": twilio.account_sid,
        "TOCSIN_TWILIO__AUTH_TOKEN": twilio.auth_token,
        "TOCSIN_TWILIO__FROM_NUMBER": twilio.from_number,
    }
    yield from _credentials("twilio", parts, _wanting(directory, ("sms", "voice")), settings.public_url)


def _slack(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    parts = {
        "TOCSIN_SLACK__BOT_TOKEN": settings.slack.bot_token,
        "TOCSIN_SLACK__SIGNING_SECRET": settings.slack.signing_secret,
    }
    yield from _credentials("slack", parts, _wanting(directory, ("slack",)), settings.public_url)


def _credentials(
    check: str, parts: Mapping[str, object], wanted_by: list[str], public_url: str | None
) -> Iterator[Finding]:
    missing = [name for name, value in parts.items() if not value]
    if len(missing) == len(parts):
        if wanted_by:
            yield _fail(check, f"Not configured, but these are to be paged by it: {', '.join(wanted_by)}.")
        else:
            yield _ok(check, "Not configured, and nobody in contacts.yaml needs it.")
        return
    if missing:
        yield _fail(check, f"Half configured: {', '.join(missing)} missing.")
        return
    if public_url is None:
        yield _fail(check, "ANSWERS CANNOT ARRIVE: set TOCSIN_PUBLIC_URL to the address by which it reaches us.")
        return
    yield _ok(check, "Configured. `tocsin test-page` proves that it arrives.")


def _wanting(directory: Directory | None, kinds: tuple[str, ...]) -> list[str]:
    contacts = () if directory is None else directory.contacts
    return [each.id for each in contacts if any(channel.kind in kinds for channel in each.channels)]


def _outside(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None:
        yield _warn("public URL", "TOCSIN_PUBLIC_URL is not set: no links in pages, no answers from providers.")
    elif settings.public_url.startswith("http://"):
        yield _warn("public URL", f"{settings.public_url} is not encrypted; see docs/operations.md.")
    else:
        yield _ok("public URL", settings.public_url)
    if settings.heartbeat_url is None:
        yield _warn("heartbeat", "TOCSIN_HEARTBEAT_URL is not set: nobody outside notices when Tocsin is dead.")
    else:
        yield _ok("heartbeat", "An outside watch hears from us every 30 s.")
