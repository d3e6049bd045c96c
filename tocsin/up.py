"""`tocsin up`: starts the engine, a Prefect server and a worker, keeps them alive, and stops them in order.

The engine is ready to page before the others are started. They step back for it: nice 10, first for the kernel's memory
killer. One log stream: every line begins with the name of its process, pages stand as the engine prints them.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from engine.client import Address
from engine.clock import SystemClock
from engine.home import Home, HomeUnusable
from flows.server import prefect_api_url, prefect_server_command
from incidents.errors import TocsinError
from runbooks.loader import LoadedPlan, load_plan
from tocsin.child import Child, Spec
from tocsin.commands.codes import DONE, PLAN_INVALID, REFUSED, USAGE
from tocsin.doctor import taken
from tocsin.drill import drill_request, play
from tocsin.settings import Settings

READY_LOOK = 0.05
HEALTHY_LOOK = 1.0
PATIENCE = 2.0
_REFUSALS = (REFUSED, USAGE, PLAN_INVALID)


def run(settings: Settings, *, with_prefect: bool, drill: bool) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; gives the exit code.

    Raises, before anything is started: PlanInvalid, HomeUnusable (in use, or not usable), CommandRefused, and
    TocsinError for a port that is taken.
    """
    if settings.plan is None:
        raise TocsinError("Say which plan to use: --plan FOLDER or TOCSIN_PLAN (`tocsin init FOLDER` writes one).")
    loaded = load_plan(settings.plan)
    request = drill_request(loaded.plan, settings.plan) if drill else None
    external = os.environ.get("PREFECT_API_URL")
    with _only_one(Home(settings.home)):
        _ports(settings, own_prefect=with_prefect and external is None)
        _say_loudly(settings, loaded)
        return asyncio.run(Supervisor(settings, external, with_prefect, request).run())


class Supervisor:
    """One run of `tocsin up`."""

    def __init__(
        self, settings: Settings, external: str | None, with_prefect: bool, request: tuple[str, bytes] | None
    ) -> None:
        self._settings = settings
        self._request = request
        self._clock = SystemClock()
        self._asked_to_stop = 0
        self._stop = asyncio.Event()
        self._engine = Child(_engine(settings), say, self._clock)
        self._others: list[Child] = []
        if with_prefect:
            if external is None:
                self._others.append(Child(_prefect_server(settings), say, self._clock))
            url = external or prefect_api_url(settings.prefect_port)
            self._others.append(Child(_worker(settings, url), say, self._clock))
        self._own_prefect = with_prefect and external is None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:  # nohup and a shell's & have said otherwise
                loop.add_signal_handler(each, self._ask_to_stop)
        keeping = [asyncio.create_task(self._engine.run())]
        try:
            if await self._until_ready():
                keeping += [asyncio.create_task(child.run()) for child in self._others]
                chores = asyncio.gather(self._drill(), self._until_healthy())
                await self._stop.wait()
                chores.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await chores
            return self._refusal()
        finally:
            await self._stop_all()
            await asyncio.gather(*keeping)

    def _refusal(self) -> int:
        """The code of an engine that refused to start, else DONE."""
        return DONE if self._stop.is_set() else (self._engine.exit_code or REFUSED)

    def _ask_to_stop(self) -> None:
        self._asked_to_stop += 1
        self._stop.set()
        if self._asked_to_stop == 1:
            say("up", "stopping: worker, Prefect server, engine. Once more kills them at once.")
            return
        for child in (*self._others, self._engine):
            child.kill()

    async def _until_ready(self) -> bool:
        """True once the engine is ready to page; False when it refused to start, or when we are to stop."""
        while not self._stop.is_set():
            if await asyncio.to_thread(_answers, f"{_url(self._settings)}/readyz"):
                say("up", f"the engine is ready to page: {_url(self._settings)}")
                return True
            if self._engine.ended.is_set() and self._engine.exit_code in _REFUSALS:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), READY_LOOK)
        return False

    async def _until_healthy(self) -> None:
        if not self._own_prefect:
            return
        url = prefect_api_url(self._settings.prefect_port)
        while not await asyncio.to_thread(_answers, f"{url}/health"):
            await asyncio.sleep(HEALTHY_LOOK)
        say("up", f"Prefect answers; its pages: {url.removesuffix('/api')}/runs")

    async def _drill(self) -> None:
        if self._request is None:
            return
        try:
            address = Address(_url(self._settings), Home(self._settings.home).token(_token(self._settings)))
            lines = await asyncio.to_thread(play, address, *self._request, self._settings.home)
        except TocsinError as error:
            lines = [str(error)]
        _write("\n" + "\n".join(lines) + "\n\n")

    async def _stop_all(self) -> None:
        """The worker first, which parks its runs; then the Prefect server; the engine last."""
        for child in (*reversed(self._others), self._engine):
            await child.stop()


# --- what is started ---


def _engine(settings: Settings) -> Spec:
    return Spec("engine", _tocsin("engine"), _environment(settings), own_stdout=True)


def _prefect_server(settings: Settings) -> Spec:
    argv, env = prefect_server_command(settings.home, settings.prefect_port, _environment(settings))
    return Spec("prefect", _stepping_back(argv), env, quiet=True)


def _worker(settings: Settings, url: str) -> Spec:
    env = {**_environment(settings), "PREFECT_API_URL": url}
    return Spec("worker", _stepping_back(_tocsin("worker")), env, stops_by_pipe=True)


def _tocsin(*words: str) -> list[str]:
    # -P: a folder of the user's that is called like one of our packages must not be imported.
    return [sys.executable, "-P", "-m", "tocsin", *words]


def _stepping_back(argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "tocsin.launch", *argv]


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with what the command line's flags have changed."""
    return {
        **os.environ,
        "TOCSIN_HOME": str(settings.home.absolute()),
        "TOCSIN_PLAN": "" if settings.plan is None else str(settings.plan.absolute()),
        "TOCSIN_HOST": settings.host,
        "TOCSIN_PORT": str(settings.port),
        "TOCSIN_PREFECT_PORT": str(settings.prefect_port),
        "PYTHONUNBUFFERED": "1",
    }


def _url(settings: Settings) -> str:
    """How this machine reaches the engine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host.strip("[]") else f"http://{host}:{settings.port}"


def _token(settings: Settings) -> str | None:
    return None if settings.api_token is None else settings.api_token.get_secret_value()


# --- before anything is started ---


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the home against another `tocsin up`, for as long as this one runs. Raises HomeUnusable."""
    home.prepare()
    home.lock().close()  # an engine that was started without us is found here
    path: Path = home.path / "up.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HomeUnusable(f"Another `tocsin up` already runs on {home.path}: stop that one first.") from error
        yield


def _ports(settings: Settings, *, own_prefect: bool) -> None:
    wanted = [(settings.host, settings.port, "--port or TOCSIN_PORT")]
    if own_prefect:
        wanted.append(("127.0.0.1", settings.prefect_port, "--prefect-port or TOCSIN_PREFECT_PORT"))
    for host, port, how in wanted:
        if taken(host, port):
            raise TocsinError(f"Port {port} on {host} is taken by another program. Choose another with {how}.")


def _say_loudly(settings: Settings, loaded: LoadedPlan) -> None:
    """What a person must know now, because it will matter at three in the morning."""
    for warning in loaded.warnings:
        say("up", f"warning: {warning}")
    channels = settings.channels()
    if settings.public_url is None and (channels.has_twilio or channels.has_slack):
        loud = "ANSWERS CANNOT ARRIVE: TOCSIN_PUBLIC_URL is not set, so no key press, SMS or button reaches us."
        say("up", click.style(loud, fg="red", bold=True))


# --- one log stream ---


def say(name: str, line: str) -> None:
    """One line of the stream, under the name of its process."""
    _write(f"{name:<7} | {line}\n")


def _write(text: str) -> None:
    # A terminal that is gone must not take the engine with it.
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, nl=False)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE) as response:
            return bool(response.status == 200)
    except OSError:
        return False
