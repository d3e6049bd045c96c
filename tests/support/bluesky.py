"""The real Bluesky on loopback: PLC, PDS and AppView from npm, with a PostgreSQL and a Redis of its own.

`bluesky_network` is the whole, started once a session (7 to 20 s) and shared: a test makes its own accounts, and opens
the PDS again when it has shut it.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from atproto import Client, models  # type: ignore[import-untyped]

from tests.support.counterparties import NODE, ROOT, _ended, _listening, free_port, wait_until

FOLDER = ROOT / "tests" / "counterparties" / "bluesky"
PASSWORD = "correct-horse-battery"
_numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody with an account: the real client, signed in."""

    handle: str
    client: Client

    @property
    def did(self) -> str:
        found: str = self.client._session.did
        return found

    def write(self, text: str, **fields: Any) -> Any:
        """Posts; gives the reference (uri, cid)."""
        record = models.AppBskyFeedPost.Record(text=text, created_at=self.client.get_current_time_iso(), **fields)
        return self._create("app.bsky.feed.post", record)

    def tag(self, whom: "Person", text: str) -> Any:
        """Posts `@handle text` with a facet, as the apps do."""
        name = f"@{whom.handle}"
        place = models.AppBskyRichtextFacet.ByteSlice(byte_start=0, byte_end=len(name))
        feature = models.AppBskyRichtextFacet.Mention(did=whom.did)
        facet = models.AppBskyRichtextFacet.Main(features=[feature], index=place)
        return self.write(f"{name} {text}", facets=[facet], langs=["en"])

    def reply(self, parent: Any, text: str, root: Any = None) -> Any:
        def strong(reference: Any) -> Any:
            return models.ComAtprotoRepoStrongRef.Main(uri=reference.uri, cid=reference.cid)

        answered = models.AppBskyFeedPost.ReplyRef(parent=strong(parent), root=strong(root or parent))
        return self.write(text, reply=answered)

    def repost(self, post: Any) -> Any:
        subject = models.ComAtprotoRepoStrongRef.Main(uri=post.uri, cid=post.cid)
        record = models.AppBskyFeedRepost.Record(subject=subject, created_at=self.client.get_current_time_iso())
        return self._create("app.bsky.feed.repost", record)

    def follow(self, whom: "Person") -> None:
        record = models.AppBskyGraphFollow.Record(subject=whom.did, created_at=self.client.get_current_time_iso())
        self._create("app.bsky.graph.follow", record)

    def quote(self, post: Any, text: str) -> Any:
        strong = models.ComAtprotoRepoStrongRef.Main(uri=post.uri, cid=post.cid)
        return self.write(text, embed=models.AppBskyEmbedRecord.Main(record=strong))

    def _create(self, collection: str, record: Any) -> Any:
        data = models.ComAtprotoRepoCreateRecord.Data(repo=self.did, collection=collection, record=record)
        return self.client.com.atproto.repo.create_record(data)


@dataclass
class BlueskyNetwork:
    process: "subprocess.Popen[bytes]"
    log: Path
    url: str
    firehose: str
    has_appview: bool
    people: list[Person] = field(default_factory=list)

    def person(self, name: str) -> Person:
        """A new account, known to the AppView; its handle begins with the name."""
        handle = f"{name}{os.getpid()}x{next(_numbers)}.test"
        client = Client(base_url=f"{self.url}/xrpc")
        email = f"{name}{next(_numbers)}@example.com"
        client.com.atproto.server.create_account({"handle": handle, "email": email, "password": PASSWORD})
        client.login(handle, PASSWORD, fetch_bsky_profile=False)
        if self.has_appview:
            wait_until(lambda: _is_known(client, handle), f"the AppView knows {handle}")
        self.people.append(Person(handle, client))
        return self.people[-1]

    def shut(self) -> None:
        """Nobody reaches the PDS any more, and whoever was connected is cut off."""
        self._say("shut")

    def open(self) -> None:
        self._say("open")

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        already = self.log.read_text().count(f'"{word}":true')
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        wait_until(lambda: self.log.read_text().count(f'"{word}":true') > already, word)


def _is_known(client: Client, handle: str) -> bool:
    try:
        return bool(client.app.bsky.actor.get_profile({"actor": handle}).handle == handle)
    except Exception as unknown:
        raise OSError(handle) from unknown


def _start(mode: str, environment: dict[str, str], *more: str) -> tuple[BlueskyNetwork, Path]:
    if shutil.which("node") is None or not (FOLDER / "node_modules" / "@atproto" / "dev-env").exists():
        pytest.skip("needs node, then: tests/counterparties/bluesky/install.sh")
    plc, pds = free_port(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="bluesky-"))
    log = folder / "log"
    command = ["node", "-r", str(NODE / "loopback.cjs"), "network.mjs", mode, str(plc), str(pds), *more]
    given = {**os.environ, **environment, "TMPDIR": str(folder), "LOG_ENABLED": "0", "NODE_NO_WARNINGS": "1"}
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, cwd=FOLDER, env=given, stdin=subprocess.PIPE, stdout=written, stderr=subprocess.STDOUT
        )
    network = BlueskyNetwork(process, log, f"http://localhost:{pds}", f"ws://localhost:{pds}", mode == "net")
    try:
        wait_until(lambda: _is_ready(process, log), "Bluesky", 120)
    except BaseException:
        _ended(process)
        raise
    return network, folder


def _is_ready(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    said = log.read_text(errors="replace")
    if process.poll() is not None:
        pytest.fail(f"Bluesky ended with {process.returncode}: {said[-2000:]}")
    return '"ready":true' in said


def _stopped(network: BlueskyNetwork, folder: Path) -> None:
    for person in network.people:
        person.client.request.close()
    _ended(network.process)
    assert network.process.stdin is not None
    network.process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


_running: list[BlueskyNetwork] = []


@pytest.fixture(scope="session")
def bluesky_network() -> Iterator[BlueskyNetwork]:
    """PLC, PDS and AppView: notifications, search, profiles, firehose. One for all who import this fixture."""
    if _running:
        yield _running[0]
        return
    with ExitStack() as stores:
        postgres, redis = stores.enter_context(throwaway_postgres()), stores.enter_context(throwaway_redis())
        needs = {"DB_POSTGRES_URL": postgres, "REDIS_HOST": redis}
        network, folder = _start("net", needs, str(free_port()), "net")
        stores.callback(_stopped, network, folder)
        _running.append(network)
        yield network
        _running.clear()


@contextmanager
def throwaway_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that keeps nothing. It starts for nobody but its own user."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("needs the Debian package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    port, data = free_port(), folder / "data"
    settings = ["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        [*user, str(programs / "initdb"), "-D", str(data), "-U", "postgres", *settings],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    careless = ["listen_addresses=127.0.0.1", "fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    options = [part for each in careless for part in ("-c", each)]
    command = [*user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    stop = [*user, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
    try:
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(stop, check=False, stdout=subprocess.DEVNULL, cwd=folder)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def postgres_programs() -> Path | None:
    """The folder with initdb and postgres that Debian keeps out of the PATH; the newest of several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def throwaway_redis() -> Iterator[str]:
    """host:port of a Redis that keeps nothing."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs the Debian package redis-server")
    port, folder = free_port(), tempfile.mkdtemp(prefix="redis-")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        wait_until(_listening(port), "Redis")
        yield f"127.0.0.1:{port}"
    finally:
        _ended(process)
        shutil.rmtree(folder, ignore_errors=True)
