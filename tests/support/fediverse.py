"""Two real servers of the fediverse on loopback that speak ActivityPub with each other: snac2 on 127.0.0.2 and .3.

Both need port 80, so root: a mention names its server without a port. One pair a machine: a lock keeps runs apart.
"""

import fcntl
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from mastodon import Mastodon

from tests.support.counterparties import ROOT, _ended, wait_until

SNAC = ROOT / "tests" / "counterparties" / "snac" / ".snac" / "root" / "usr" / "bin" / "snac"
_ASIDE = "urn:ietf:wg:oauth:2.0:oob"
_SCOPES = ["read", "write", "follow"]


@dataclass(frozen=True)
class Resident:
    """Somebody with an account at one of the servers: a real client, signed in by the server's own form."""

    address: str
    """`name@127.0.0.2`."""
    server: str
    client: Mastodon

    @property
    def token(self) -> str:
        return str(self.client.access_token)


@dataclass(frozen=True)
class Fediverse:
    brand: Resident
    customer: Resident


@pytest.fixture(scope="session")
def fediverse() -> Iterator[Fediverse]:
    """`acme` on one server, `customer1` on the other. snac works its queue every 3 s or so."""
    if not SNAC.exists():
        pytest.skip("needs tests/counterparties/snac/get_snac.sh")
    folder = Path(tempfile.mkdtemp(prefix="snac-"))
    processes: list[subprocess.Popen[bytes]] = []
    with (Path(tempfile.gettempdir()) / "tocsin-snac.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            brand = _resident(folder, "127.0.0.2", "acme", processes)
            customer = _resident(folder, "127.0.0.3", "customer1", processes)
            yield Fediverse(brand, customer)
        finally:
            for process in processes:
                _ended(process)
            shutil.rmtree(folder, ignore_errors=True)


def _resident(folder: Path, ip: str, name: str, processes: "list[subprocess.Popen[bytes]]") -> Resident:
    home = folder / ip
    answers = f"{ip}\n80\n{ip}\n\n\n"
    subprocess.run([SNAC, "init", home], input=answers.encode(), check=True, capture_output=True)
    settings = home / "server.json"
    written = json.loads(settings.read_text(encoding="utf-8")) | {"protocol": "http", "disable_cache": True}
    settings.write_text(json.dumps(written), encoding="utf-8")
    added = subprocess.run([SNAC, "adduser", home, name], check=True, capture_output=True, text=True)
    found = re.search(r"password is (\S+)", added.stdout + added.stderr, re.IGNORECASE)
    assert found is not None, added.stdout + added.stderr
    processes.append(subprocess.Popen([SNAC, "httpd", home], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    server = f"http://{ip}"
    wait_until(lambda: requests.get(server, timeout=2).status_code < 500, server)
    return Resident(f"{name}@{ip}", server, _signed_in(server, name, found.group(1)))


def _signed_in(server: str, name: str, password: str) -> Mastodon:
    """snac resets a connection now and then, mostly just after its start: a person would press the button again."""
    clients: list[Mastodon] = []

    def is_signed_in() -> bool:
        clients.append(_signs_in(server, name, password))
        return True

    wait_until(is_signed_in, f"{name} is signed in")
    return clients[0]


def _signs_in(server: str, name: str, password: str) -> Mastodon:
    """Through OAuth as a person does it: the form of the server, the code that its page shows."""
    made = Mastodon.create_app("tocsin", api_base_url=server, scopes=_SCOPES, redirect_uris=_ASIDE)
    client_id, client_secret = str(made[0]), str(made[1])
    asked = {"client_id": client_id, "redirect_uri": _ASIDE, "response_type": "code", "scope": " ".join(_SCOPES)}
    # Each on a connection of its own: snac resets one that is used again.
    form = requests.get(f"{server}/oauth/authorize", params=asked, timeout=10).text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    action = re.search(r'action="([^"]+)"', form)
    assert action is not None, form
    target = action.group(1) if action.group(1).startswith("http") else server + action.group(1)
    filled = fields | {"login": name, "passwd": password}
    answer = requests.post(target, data=filled, allow_redirects=False, timeout=10)
    codes = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code", [])
    shown = re.findall(r"\b([0-9a-f]{16,}[0-9a-zA-Z._-]*)\b", re.sub(r"<[^>]+>", " ", answer.text))
    client = Mastodon(client_id=client_id, client_secret=client_secret, api_base_url=server, request_timeout=20)
    client.log_in(code=[*codes, *shown][0], redirect_uri=_ASIDE, scopes=_SCOPES)
    return client
