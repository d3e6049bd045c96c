"""A real engine process on a plan that the test writes, and a client for it. Ended by its own pid.

The process is the one that `tocsin engine` starts; nothing of ours runs inside the test but this client.
"""

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from storage.database import connect
from tests.support.counterparties import ROOT, Emulators, free_port

T = TypeVar("T")

COMMAND = [sys.executable, "-c", "from tocsin.cli import main; main()", "engine"]
WORKER_COMMAND = [*COMMAND[:-1], "worker"]
READY_WITHIN = 60
"""Seconds; about one on an idle machine. Only a bound: nothing is asserted about it."""
LONG = "60d"

ALERTMANAGER_KEY = "alertmanager-key-0123456789"
PAGERDUTY_KEY = "0123456789abcdef0123456789abcdef"
SIGNALS_KEY = "signals-key-0123456789"
SLACK_SECRET = "slack_test_signing_secret"

_numbers = iter(range(os.getpid() * 37 % 9000, 10**6))


def a_number() -> str:
    """A test telephone number that no other test of this process has."""
    return f"+1202{5550000 + next(_numbers):07d}"


@dataclass(frozen=True)
class Person:
    """A contact. `channels` is channel kind -> address, in the order in which they are tried."""

    id: str
    channels: Mapping[str, str]
    may_pay: tuple[int, int] | None = None
    """Per customer and in all, in euros."""

    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": self.id,
            "name": self.id.capitalize(),
            "time_zone": "UTC",
            "channels": [{"kind": kind, "to": to} for kind, to in self.channels.items()],
        }
        if self.may_pay is not None:
            per_customer, total = ({"amount": each, "currency": "EUR"} for each in self.may_pay)
            grant = {"may": "compensation", "per_customer": per_customer, "total": total, "granted_by": "The board"}
            entry["authority"] = [grant]
        return entry


def person(contact_id: str, *kinds: str, slack: str = "", may_pay: tuple[int, int] | None = None) -> Person:
    """A contact with one telephone of their own, reached by these channels in this order."""
    number = a_number()
    addresses = {"sms": number, "voice": number, "slack": slack, "console": contact_id}
    return Person(contact_id, {kind: addresses[kind] for kind in kinds or ("sms", "voice")}, may_pay)


@dataclass(frozen=True)
class Rung:
    people: tuple[str, ...]
    wait: str = LONG


def rung(*people: str, wait: str = LONG) -> Rung:
    return Rung(people, wait)


@dataclass(frozen=True)
class PlanFiles:
    """What the test wants of the plan; everything else is quiet: clocks of 60 days, no cadence, one optional step."""

    people: Sequence[Person]
    rungs: Sequence[Rung]
    last: Sequence[str]
    again: str = LONG
    steps: Sequence[Mapping[str, Any]] = ()
    decisions: Sequence[Mapping[str, Any]] = ()
    operators: Sequence[str] = ()
    publications: Sequence[Mapping[str, str]] = ()
    update_every: str | None = None
    more_contacts: Mapping[str, Any] = field(default_factory=dict)
    """What else stands in contacts.yaml: roles, schedules, providers, paging."""
    more_people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Contact id -> what else stands in their entry."""
    more_integrations: Sequence[Mapping[str, Any]] = ()

    def write(self, folder: Path) -> Path:
        """JSON is YAML: no quoting to get wrong."""
        (folder / "runbooks").mkdir(parents=True, exist_ok=True)
        files = {"plan": self._plan(), "contacts": self._contacts(), "runbooks/outage": self._runbook()}
        for name, content in files.items():
            (folder / f"{name}.yaml").write_text(json.dumps(content, indent=1), encoding="utf-8")
        return folder

    def _contacts(self) -> dict[str, Any]:
        entries = [{**each.entry(), **self.more_people.get(each.id, {})} for each in self.people]
        if not any("authority" in each for each in entries):
            # Somebody has to be able to decide what customers get, or no plan is accepted.
            paying = Person(self.last[0], {}, may_pay=(500, 50_000)).entry()["authority"]
            next(each for each in entries if each["id"] == self.last[0])["authority"] = paying
        return {"contacts": entries, "roles": [], **self.more_contacts}

    def _plan(self) -> dict[str, Any]:
        severities = ("SEV1", "SEV2", "SEV3", "SEV4")
        cadence = {"compensation_within": LONG}
        if self.update_every is not None:
            cadence["update_every"] = self.update_every
        words = {"critical": "SEV1", "error": "SEV2", "warning": "SEV3", "info": "SEV4"}
        keys = {"alertmanager": ALERTMANAGER_KEY, "pagerduty": PAGERDUTY_KEY, "signals": SIGNALS_KEY}
        return {
            "company": "Larkfield",
            "library": [],
            "ladders": {
                "everybody": {
                    "rungs": [{"page": list(each.people), "wait": each.wait} for each in self.rungs],
                    "in_extremis": list(self.last),
                    "again": {"every": self.again, "at_most": self.again},
                }
            },
            "severities": dict.fromkeys(severities, "everybody"),
            "cadence": dict.fromkeys(severities, cadence),
            "situations": {
                "SHOP_DOWN": {"title": "Shop down", "severity": "SEV1", "area": "shop", "runbook": "outage"}
            },
            "integrations": [
                {
                    "name": kind,
                    "kind": kind,
                    "key": key,
                    "severity_words": words,
                    "routes": [{"situation": "SHOP_DOWN"}],
                }
                for kind, key in keys.items()
            ]
            + [dict(each) for each in self.more_integrations],
            # Tests count incidents: every key is to be one, however many come at once.
            "noise": {"storm": {"more_than": 1_000_000}},
            "executives": [],
            "operators": list(self.operators or self.last),
            "compensation": {"currency": "EUR", "open_after": LONG, "decider": self.last[0]},
            "publications": [dict(each) for each in self.publications],
            "page_again_after": LONG,
        }

    def _runbook(self) -> dict[str, Any]:
        quiet = {
            "id": "look",
            "title": "Look at it",
            "owner": self.rungs[0].people[0],
            "within": LONG,
            "say": "Look at it.",
            "required": False,
        }
        return {
            "id": "outage",
            "title": "The shop is down",
            "purpose": "Get it up again.",
            "closes_when": "It is up.",
            "steps": [dict(each) for each in self.steps] or [quiet],
            "decisions": [dict(each) for each in self.decisions],
        }


@dataclass(frozen=True)
class Answered:
    """What the engine answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        return str(self.json.get("error", ""))


@dataclass
class RealEngine:
    """One home. `start`, `kill` and `start` again is what a supervisor does."""

    home: Path
    plan: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    token: str = "a-token-for-tests"
    log_file: Path | None = None
    """Beside the home, unless the test says otherwise."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.log_file or self.home.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # --- life ---

    def start(self, fault: str | None = None, **more: str) -> Self:
        """Returns when it says that it is ready to page, or when the fault has ended it before that."""
        self.start_soon(fault, **more)
        return self._wait_until_ready(may_end=fault is not None)

    def _wait_until_ready(self, *, may_end: bool = False) -> Self:
        end = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if not self.runs and may_end:
                return self
            assert self.runs, f"the engine ended by itself:\n{self.tail()}"
            assert time.monotonic() < end, f"not ready within {READY_WITHIN} s:\n{self.tail()}"
            time.sleep(0.02)
        return self

    def start_soon(self, fault: str | None = None, **more: str) -> None:
        assert not self.runs
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PREFECT_"))}
        environ |= {
            "TOCSIN_HOME": str(self.home),
            "TOCSIN_PLAN": str(self.plan),
            "TOCSIN_PORT": str(self.port),
            "TOCSIN_API_TOKEN": self.token,
            **self.environment,
            **more,
        }
        if fault is not None:
            environ["TOCSIN_FAULT"] = fault
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                COMMAND, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def up(self, fault: str | None = None, **more: str) -> Self:
        """`start` for a test in whose own loop the counterparties live."""
        return await asyncio.to_thread(self.start, fault, **more)

    async def is_up(self) -> Self:
        """Wait for one that was started a while ago."""
        return await asyncio.to_thread(self._wait_until_ready)

    def kill(self) -> None:
        """SIGKILL; nothing of it is left when this returns. Does nothing when it is dead."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def stall(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def is_stalled(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].startswith("T")
        return False

    def stop(self) -> None:
        """SIGTERM, as a supervisor stops it; SIGKILL when that takes too long."""
        if self._process is None:
            return
        if self.runs:
            with contextlib.suppress(ProcessLookupError):
                self.go_on()
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait(30)

    async def dies(self, seconds: float = 60) -> None:
        """Wait until the fault has ended it."""
        await self.until(lambda: not self.runs, "the engine's end", seconds)

    def tail(self, lines: int = 60) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    # --- asking ---

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: bool = True,
    ) -> Answered:
        """One request on a connection of its own. `token=False` leaves the credentials out."""
        sent = dict(headers or {})
        if token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if json_body is not None:
            body = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                self.url + path,
                data=None if body is None else io.BytesIO(body),
                headers=sent,
                allow_redirects=False,
            ) as answer,
        ):
            named = {key.lower(): value for key, value in answer.headers.items()}
            return Answered(answer.status, named, await answer.text())

    async def get(self, path: str) -> Any:
        """What is there. Raises LookupError for what is not; `eventually` takes that for a no."""
        answer = await self.ask("GET", path)
        if answer.status == 404:
            raise LookupError(answer.error)
        assert answer.status == 200, answer
        return answer.json

    async def show(self, incident: str = "INC-1") -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/api/v1/incidents/{incident}")
        return found

    async def kinds(self, incident: str = "INC-1") -> list[str]:
        return [each["kind"] for each in (await self.show(incident))["timeline"]]

    async def command(self, incident: str, command: str, by: str, **fields: object) -> Answered:
        order = {"command": command, "by": by, **fields}
        return await self.ask("POST", f"/api/v1/incidents/{incident}/commands", json_body=order)

    async def does(self, incident: str, command: str, by: str, **fields: object) -> str:
        """A command that is carried out; gives its sentence."""
        answer = await self.command(incident, command, by, **fields)
        assert answer.status == 200, answer
        return str(answer.json["sentence"])

    async def refuses(self, incident: str, command: str, by: str, **fields: object) -> str:
        """A command that the rules refuse; gives the sentence that says why."""
        answer = await self.command(incident, command, by, **fields)
        assert answer.status == 409, answer
        return answer.error

    async def signal(self, dedup_key: str, action: str = "trigger", summary: str = "Checkout fails") -> Answered:
        """One attempt of a sender in our own format."""
        body = {"routing_key": SIGNALS_KEY, "action": action, "dedup_key": dedup_key, "summary": summary}
        return await self.ask("POST", "/api/v1/signals", json_body=body, token=False)

    async def hears(self, dedup_key: str, seconds: float = 60) -> None:
        """A sender that repeats its signal until it is accepted, as every sender of alerts does."""
        await self.eventually(lambda: self._accepted(dedup_key), f"202 for {dedup_key}", seconds)

    async def _accepted(self, dedup_key: str) -> bool:
        answer = await self.signal(dedup_key)
        assert answer.status in (202, 503), answer
        return answer.status == 202

    async def twilio(
        self, path: str, form: Mapping[str, str], auth_token: str, *, signature: str | None = None
    ) -> Answered:
        """A request as Twilio makes it, signed with its own validator (or with what the test says)."""
        signed = RequestValidator(auth_token).compute_signature(self.url + path, dict(form))
        headers = {"X-Twilio-Signature": signed if signature is None else signature}
        return await self._form(path, form, headers)

    async def slack_button(
        self,
        user: str,
        message_id: str,
        *,
        action: str = "tocsin_ack",
        at: float | None = None,
        secret: str = "",
        reply_to: str | None = None,
    ) -> Answered:
        """A pressed button as Slack reports it, signed with Slack's own code. `at` is when, in seconds."""
        moment = str(int(time.time() if at is None else at))
        pressed = {"action_id": action, "value": message_id, "type": "button", "action_ts": f"{moment}.1"}
        payload = {"type": "block_actions", "user": {"id": user}, "actions": [pressed], "trigger_id": "1.2.3"}
        payload |= {} if reply_to is None else {"response_url": reply_to}
        form = {"payload": json.dumps(payload)}
        body = _form_body(form)
        signature = SignatureVerifier(secret or SLACK_SECRET).generate_signature(timestamp=moment, body=body)
        assert signature is not None
        headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature}
        return await self._form("/slack/interactions", form, headers)

    async def _form(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answered:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, body=_form_body(form).encode(), headers={**kind, **headers}, token=False)

    async def eventually(self, question: Callable[[], Awaitable[T | None]], what: str, seconds: float = 60) -> T:
        """Ask again until the answer is true; an engine that is away is a no. Shows the log when it never is."""
        end = time.monotonic() + seconds
        found: T | None = None
        while time.monotonic() < end:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, LookupError):
                found = await question()
                if found:
                    return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{what} did not come within {seconds:.0f} s; last: {found!r}\n{self.tail()}")

    async def until(self, true: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something outside the engine is so."""

        async def ask() -> bool:
            return bool(true())

        await self.eventually(ask, what, seconds)

    # --- the file itself ---

    def counted(self, table: str) -> int:
        """Rows of a table of the database, read beside the running engine."""
        connection = connect(self.home / "tocsin.db")
        try:
            return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
        finally:
            connection.close()


def _form_body(form: Mapping[str, str]) -> str:
    return urlencode(form)


def provider_environment(port: int, twilio_url: str, emulators: Emulators | None = None) -> dict[str, str]:
    """What makes an engine send through this Twilio, and through the emulated Slack where there is one."""
    known = emulators or Emulators("", "")
    environment = {
        "TOCSIN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TOCSIN_TWILIO__ACCOUNT_SID": known.account_sid,
        "TOCSIN_TWILIO__AUTH_TOKEN": known.auth_token,
        "TOCSIN_TWILIO__FROM_NUMBER": known.number,
        "TOCSIN_TWILIO__BASE_URL": twilio_url,
    }
    if known.slack_url:
        environment |= {
            "TOCSIN_SLACK__BOT_TOKEN": known.slack_token,
            "TOCSIN_SLACK__SIGNING_SECRET": SLACK_SECRET,
            "TOCSIN_SLACK__BASE_URL": known.slack_url,
        }
    return environment


class Engines:
    """Makes engines in one folder and ends whatever it made; a failed test shows their logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[RealEngine] = []

    def make(
        self, plan: PlanFiles, *, twilio_url: str | None = None, emulators: Emulators | None = None, **environment: str
    ) -> RealEngine:
        """An engine that is not started yet. Without `twilio_url` it has the console only."""
        name, port = f"engine-{len(self._made) + 1}", free_port()
        provider = {} if twilio_url is None else provider_environment(port, twilio_url, emulators)
        engine = RealEngine(
            home=self._folder / name,
            plan=plan.write(self._folder / f"{name}-plan"),
            environment={**provider, **environment},
            port=port,
        )
        self._made.append(engine)
        return engine

    def end(self) -> None:
        for engine in self._made:
            engine.stop()
            sys.stdout.write(f"--- {engine.log.name}\n{engine.tail()}\n")


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    made = Engines(tmp_path)
    yield made
    made.end()


class RealWorker:
    """`tocsin worker` on an engine's home and a Prefect server. `start` and `kill` may alternate."""

    def __init__(self, engine: RealEngine, prefect_api_url: str) -> None:
        self._engine = engine
        self._prefect_api_url = prefect_api_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PREFECT_"))}
        environ |= {"TOCSIN_HOME": str(self._engine.home), "PREFECT_API_URL": self._prefect_api_url}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                WORKER_COMMAND, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        return self

    @property
    def log(self) -> Path:
        return self._engine.home.with_suffix(".worker.log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def is_heard(self) -> None:
        """Wait until the engine hears it."""

        async def heard() -> bool:
            return bool((await self._engine.get("/api/v1/status"))["workers"])

        await self._engine.eventually(heard, "a word of the worker", 90)

    def kill(self) -> None:
        """SIGKILL. A second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None
