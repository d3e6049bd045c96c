"""`tocsin engine`: one process that hears, decides and pages. Ready to page before it answers /readyz with 200."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Collection, Mapping

import uvicorn

from contacts.addresses import ChannelKind
from contacts.directory import Directory
from engine.clock import SystemClock
from engine.home import Home, HomeUnusable
from engine.services import Engine, EngineConfig
from incidents.errors import PlanInvalid, TocsinError
from notifications.channels import ChannelSettings
from tocsin.settings import Settings
from tocsin.web.app import build_app
from tocsin.web.connection import Connection

log = logging.getLogger("tocsin.engine")

_FILES = 16_384
REFUSED, PLAN_WRONG = 1, 4


def config_from(settings: Settings) -> EngineConfig:
    plan = settings.plan
    if plan is None:
        raise TocsinError("Say which plan to use: --plan FOLDER or TOCSIN_PLAN (`tocsin init FOLDER` writes one).")
    if settings.database_url is not None:
        raise TocsinError("TOCSIN_DATABASE_URL: this version keeps its store in TOCSIN_HOME (SQLite) only.")
    return EngineConfig(
        home=settings.home,
        plan=plan,
        url=f"http://{settings.host}:{settings.port}",
        public_url=settings.public_url,
        api_token=settings.api_token.get_secret_value() if settings.api_token else None,
        secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
        heartbeat_url=settings.heartbeat_url,
        channels=settings.channels(),
        fault=settings.fault,
    )


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code; says in a sentence why it could not start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "alembic", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Whatever we write is for our eyes alone: the database knows everybody's telephone and what went wrong.
    os.umask(0o077)
    # Threads take turns often: a page must not wait 5 ms for another's slice.
    sys.setswitchinterval(0.0001)
    _raise_file_limit()
    try:
        listener = _listen(settings.host, settings.port)
        engine = Engine(config_from(settings), SystemClock(), sys.stdout)
        engine.prepare()
        _for_us_alone(engine.home)
    except PlanInvalid as error:
        sys.stderr.write(f"The plan cannot be used:\n{error}\n")
        return PLAN_WRONG
    except TocsinError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    # What is loaded by now stays: looking through all of it for garbage would take 0.1 s at a time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    uvicorn_config = uvicorn.Config(
        build_app(engine),
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )
    with asyncio.Runner(loop_factory=uvicorn_config.get_loop_factory()) as runner:
        return runner.run(_run(engine, uvicorn_config, listener))


def _raise_file_limit() -> None:
    """As many open files as we may have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _for_us_alone(home: Home) -> None:
    """A database that an older Tocsin, or a copy put back, has left open to others; -wal and -shm hold parts of it."""
    for path in home.path.glob(f"{home.database.name}*"):
        with contextlib.suppress(OSError):
            path.chmod(0o600)


class _Server(uvicorn.Server):
    """Answers those who wait for news before it waits for them."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._engine.feed.close()
        await super().shutdown(sockets)


async def _run(engine: Engine, config: uvicorn.Config, listener: socket.socket) -> int:
    await engine.start()
    engine.announce()
    _say_loudly(engine)
    # uvicorn sends itself the signal again once it has stopped: it must not end us before the engine has.
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, lambda *_: None)
    server = _Server(config, engine)
    log.info("ready to page url=%s pid=%d plan=%s", engine.config.url, os.getpid(), engine.book.version)
    try:
        await server.serve(sockets=[listener])
    finally:
        await engine.stop()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Take the port first: a taken one is refused before anything is touched."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise HomeUnusable(
            f"Port {port} on {host} is taken ({error.strerror}). Is another Tocsin running? Choose another with --port."
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def _say_loudly(engine: Engine) -> None:
    """What a person must know at start, because it will matter at three in the morning."""
    two_way = {kind: channel.two_way for kind, channel in engine.channels.items()}
    for line in deaf_lines(two_way, engine.config.channels, engine.config.public_url):
        log.warning("%s", line)
    for line in missing_lines(engine.directory, {*engine.channels, *(kind for kind, _ in engine.other_channels)}):
        log.warning("%s", line)
    if engine.config.heartbeat_url is None:
        log.warning("TOCSIN_HEARTBEAT_URL is not set: nobody outside will notice when Tocsin is dead")


def missing_lines(directory: Directory, there: Collection[ChannelKind]) -> list[str]:
    """One sentence for each kind of channel that people are reached by and that this installation does not have."""
    people = directory.contacts
    lines = []
    for kind in sorted({ChannelKind(channel.kind) for each in people for channel in each.channels} - {*there}):
        having = [each for each in people if any(channel.kind == kind for channel in each.channels)]
        lines.append(f"{len(having)} people have {kind}, and no {kind} is set up here: such pages fail (tocsin doctor)")
    if people and not any(ChannelKind(channel.kind) in there for each in people for channel in each.channels):
        lines.append("NOBODY CAN BE REACHED: nothing by which anybody of the plan is reached is set up here")
    return lines


def deaf_lines(two_way: Mapping[ChannelKind, bool], channels: ChannelSettings, public_url: str | None) -> list[str]:
    """One sentence for each setting whose absence keeps answers out, with the channels that it makes one-way."""
    deaf: dict[str, list[str]] = {}
    for kind, hears in sorted(two_way.items()):
        if not hears and kind is not ChannelKind.APPRISE:  # which never hears, whatever is set
            deaf.setdefault(_what_lets_answers_in(kind, channels, public_url), []).append(kind.value)
    return [
        f"{setting} is not set: answers cannot arrive by {', '.join(kinds)}; people must answer with the command line "
        "or the web page"
        for setting, kinds in deaf.items()
    ]


def _what_lets_answers_in(kind: ChannelKind, channels: ChannelSettings, public_url: str | None) -> str:
    match kind:
        case ChannelKind.EMAIL:
            return "TOCSIN_EMAIL__LMTP_PORT or TOCSIN_EMAIL__IMAP_HOST"
        case ChannelKind.SLACK if public_url is not None and channels.slack_signing_secret is None:
            return "TOCSIN_SLACK__SIGNING_SECRET or TOCSIN_SLACK__APP_TOKEN"
        case _:
            return "TOCSIN_PUBLIC_URL"
