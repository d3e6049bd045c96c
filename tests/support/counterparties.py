"""Fixtures that start programs which we did not write, on loopback, and a recorder for what they send to us.

Import what a test needs, or name this module in `pytest_plugins`. Every process is ended by its own pid.
Third-party specifications are read from `$TOCSIN_SHARED/testing` (default `../shared/testing`) and never committed.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from tests.support.misbehaving_provider import MisbehavingProvider
from tests.support.phones import VoiceRobot

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "counterparties" / "node"
SHARED = Path(os.environ.get("TOCSIN_SHARED", ROOT.parent / "shared"))
TWILIO_SPEC = SHARED / "testing" / "specs" / "twilio_slim_patched.json"

_FIRST_PORT, _PORTS = 20000, 9000
_next_port = [os.getpid() * 37 % _PORTS]


def free_port(following: int = 0) -> int:
    """A port on loopback that nothing listens on, with `following` more after it.

    Between 20000 and 29999: below Linux's ephemeral range, and none of the ports that fetch() refuses to dial
    (https://fetch.spec.whatwg.org/#port-blocking).
    """
    while True:
        candidate = _FIRST_PORT + _next_port[0] % _PORTS
        _next_port[0] += 1 + following
        if all(_is_free(candidate + offset) for offset in range(following + 1)):
            return candidate


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Ask again and again, with every refused connection a no. Raises TimeoutError naming what never came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise TimeoutError(what)


def _listening(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        socket.create_connection(("127.0.0.1", port), timeout=0.3).close()
        return True

    return ask


def _is_ok(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)


def _started(command: list[str], *ports: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for port in ports:
            wait_until(_listening(port), f"{command[0]} on port {port}")
    except BaseException:
        _ended(process)
        raise
    return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(6)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _node_program(*path: str) -> list[str]:
    program = NODE.joinpath("node_modules", *path)
    if shutil.which("node") is None or not program.exists():
        pytest.skip("needs node, then: npm ci --prefix tests/counterparties/node")
    return ["node", "-r", str(NODE / "loopback.cjs"), str(program)]


@dataclass
class Emulators:
    """npm `emulate`: a stateful Twilio and a stateful Slack, with their own records of what they were given.

    Its methods block. `text_us` and `..._becomes` return after our callback has answered: where the server that is
    called back runs in the test's own event loop, call them through `asyncio.to_thread`.
    """

    twilio_url: str
    slack_url: str
    account_sid: str = "AC" + "0" * 32
    auth_token: str = "twilio_test_auth_token"
    number: str = "+12025550199"
    slack_token: str = "xoxb-local-test"

    def messages(self, to: str) -> list[dict[str, Any]]:
        """The SMS that Twilio has for this number, the latest first."""
        found: list[dict[str, Any]] = self._twilio("GET", f"Messages.json?To={quote(to)}")["messages"]
        return found

    def calls(self, to: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._twilio("GET", f"Calls.json?To={quote(to)}")["calls"]
        return found

    def replies_go_to(self, url: str) -> None:
        """Where an SMS to our number is reported from now on."""
        owned = self._twilio("GET", "IncomingPhoneNumbers.json")["incoming_phone_numbers"]
        sid = next(each["sid"] for each in owned if each["phone_number"] == self.number)
        self._twilio("POST", f"IncomingPhoneNumbers/{sid}.json", {"SmsUrl": url})

    def text_us(self, sender: str, body: str) -> None:
        """A person writes an SMS to our number."""
        self._simulate("inbound-message", {"To": self.number, "From": sender, "Body": body})

    def message_becomes(self, sid: str, status: str) -> None:
        self._simulate("message-status", {"MessageSid": sid, "Status": status})

    def call_becomes(self, sid: str, status: str) -> None:
        self._simulate("call-status", {"CallSid": sid, "Status": status})

    def slack(self, method: str, **arguments: str) -> dict[str, Any]:
        """One call of Slack's Web API as the bot, without our code or the SDK in between."""
        headers = {"Authorization": f"Bearer {self.slack_token}"}
        return _fetched(f"{self.slack_url}{method}", "POST", arguments, headers)

    def slack_user(self, email: str) -> str:
        return str(self.slack("users.lookupByEmail", email=email)["user"]["id"])

    def slack_channel(self, name: str) -> str:
        channels = self.slack("conversations.list")["channels"]
        return str(next(each["id"] for each in channels if each["name"] == name))

    def _twilio(self, verb: str, path: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        url = f"{self.twilio_url}/2010-04-01/Accounts/{self.account_sid}/{path}"
        return _fetched(url, verb, form, self._basic())

    def _simulate(self, what: str, form: dict[str, str]) -> None:
        _fetched(f"{self.twilio_url}/_twilio/simulate/{what}", "POST", form, self._basic())

    def _basic(self) -> dict[str, str]:
        pair = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}


def _fetched(url: str, verb: str, form: dict[str, str] | None, headers: dict[str, str]) -> dict[str, Any]:
    body = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data=body, headers=headers, method=verb)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """One pair of emulators for the whole run: tests keep apart by using their own telephone numbers."""
    program = _node_program("emulate", "dist", "index.js")
    port = free_port(following=1)
    found = Emulators(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}/api/")
    seed = tmp_path_factory.mktemp("emulate") / "seed.json"
    seed.write_text(json.dumps(_seed(found)), encoding="utf-8")
    command = [*program, "--service", "twilio,slack", "--port", str(port), "--seed", str(seed)]
    process = _started(command, port, port + 1)
    yield found
    _ended(process)


def _seed(emulators: Emulators) -> dict[str, Any]:
    scopes = [
        "chat:write", "channels:read", "channels:manage", "channels:history", "groups:history", "im:write",
        "im:read", "im:history", "users:read", "users:read.email",
    ]  # fmt: skip
    return {
        "twilio": {
            "account": {"sid": emulators.account_sid, "auth_token": emulators.auth_token},
            "phone_numbers": [{"phone_number": emulators.number}],
        },
        "slack": {
            "users": [{"name": "ana", "email": "ana@example.com"}, {"name": "pager", "email": "pager@example.com"}],
            "channels": [{"name": "incidents"}],
            "tokens": [
                {"token": emulators.slack_token, "user": "pager", "scopes": scopes},
                {"token": "xoxb-without-scopes", "user": "pager", "scopes": ["users:read"]},
            ],
            "strict_scopes": True,
            "signing_secret": "slack_test_signing_secret",
        },
    }


@pytest.fixture(scope="session")
def strict_twilio(emulators: Emulators) -> Iterator[str]:
    """Twilio's base URL behind Prism, which refuses every request that breaks Twilio's own OpenAPI description."""
    if not TWILIO_SPEC.is_file():
        pytest.skip("needs Twilio's OpenAPI description in $TOCSIN_SHARED/testing/specs, which is not in this tree")
    port = free_port()
    prism = _node_program(".bin", "prism")
    options = ["proxy", "-h", "127.0.0.1", "-p", str(port), "--errors", str(TWILIO_SPEC), emulators.twilio_url]
    process = _started([*prism, *options], port)
    yield f"http://127.0.0.1:{port}"
    _ended(process)


@pytest.fixture
async def phones(emulators: Emulators) -> AsyncIterator[VoiceRobot]:
    """Twilio with telephones that ring, listen and press keys; everything else goes on to the emulator."""
    robot = VoiceRobot(emulators.twilio_url, emulators.account_sid, emulators.auth_token)
    await robot.start(free_port())
    yield robot
    await robot.stop()


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What a recorder answers."""

    body: str = "{}"
    content_type: str = "application/json"
    status: int = 200


class Recorder:
    """A web server that keeps every request; `replies[path prefix]` says what it answers, 200 and `{}` otherwise.

    In threads of its own, so that a test may block, or not be asynchronous at all, while somebody calls it.
    """

    def __init__(self, port: int) -> None:
        self.requests: list[Request] = []
        self.replies: dict[str, Callable[[Request], Reply]] = {}
        self.url = f"http://127.0.0.1:{port}"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def at(self, prefix: str) -> list[Request]:
        """The requests below this path so far, in order."""
        return [each for each in self.requests if each.url.removeprefix(self.url).startswith(prefix)]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        path = request.url.removeprefix(self.url)
        return next((reply(request) for prefix, reply in self.replies.items() if path.startswith(prefix)), Reply())

    def _handler(recorder) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's here
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = recorder._answer(Request(self.command, recorder.url + self.path, headers, body))
                written = reply.body.encode()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            do_GET = do_PUT = do_POST  # noqa: N815 - http.server finds them by these names

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing: what came is in `requests`."""

        return Handler


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Somebody outside who is told things: a public URL, a webhook's target."""
    found = Recorder(free_port())
    yield found
    found.stop()


@pytest.fixture
async def misbehaving_provider() -> AsyncIterator[MisbehavingProvider]:
    """A Twilio and Slack that fail in a way the test chooses, with their own list of what they accepted."""
    provider = MisbehavingProvider()
    await provider.start(free_port())
    yield provider
    await provider.stop()


StartAlertmanager = Callable[[str], str]


@pytest.fixture
def start_alertmanager(tmp_path: Path) -> Iterator[StartAlertmanager]:
    """Start Debian's Alertmanager with these receivers (the YAML below `- name: everyone`); gives its URL."""
    if shutil.which("prometheus-alertmanager") is None:
        pytest.skip("needs the Debian package prometheus-alertmanager")
    processes: list[subprocess.Popen[bytes]] = []

    def start(receivers: str) -> str:
        port = free_port()
        configuration = tmp_path / f"alertmanager-{port}.yml"
        configuration.write_text(
            "route: {receiver: everyone, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n"
            f"receivers:\n- name: everyone\n{receivers}\n",
            encoding="utf-8",
        )
        options = [
            f"--config.file={configuration}",
            f"--storage.path={tmp_path / f'alertmanager-{port}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        processes.append(_started(["prometheus-alertmanager", *options], port))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ok(f"{url}/-/ready"), "Alertmanager")
        return url

    yield start
    for process in processes:
        _ended(process)


def fire_alert(alertmanager_url: str, now_plus_seconds: int = 300, **labels: str) -> None:
    """Tell Alertmanager of a firing alert through its own API, as Prometheus does."""
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + now_plus_seconds))
    body = json.dumps([{"labels": labels, "endsAt": ends}]).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{alertmanager_url}/api/v2/alerts", data=body, headers=headers)
    urllib.request.urlopen(request, timeout=10).close()
