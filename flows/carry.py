"""The worker process: engine, hints, heartbeat, crew, post and dispatch, wired; parks everything before it leaves."""

import asyncio
import logging
import os
import socket
import threading
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from engine.client import Address, EngineClient, SyncEngineClient
from engine.clock import Clock, SystemClock
from flows.crew import Crew
from flows.dispatch import Dispatch
from flows.hints import Hints
from flows.orders import Orders
from flows.prefect_worker import Post
from flows.pulse import Pulse
from flows.worker import WorkerSettings
from incidents.errors import EngineUnreachable

LOOK_FOR_ENGINE = 0.5
"""Seconds between two looks for an engine that has not started yet."""
SAY_EVERY = 60
STANDS_STILL = 70
"""Exit code of a worker whose event loop hung: the supervisor starts another one."""
DRAIN = 5.0
"""Seconds that the last task states may take on their way to Prefect."""

logger = logging.getLogger(__name__)


def carry(settings: WorkerSettings) -> int:
    """Work until told to stop; 0 when every run has parked. Call it in the main thread."""
    orders = Orders()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(_work(settings, orders, SystemClock()))
        except BaseException as error:  # noqa: BLE001  # nothing may end this thread unseen; it is raised again below
            failures.append(error)

    # A page that failed is a task run that failed: a fact, not an error of ours. Errors of ours `Driver` logs itself.
    logging.getLogger("prefect.task_runs").setLevel(logging.CRITICAL)
    with orders.taken_from_outside():
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    if failures:
        raise failures[0]
    return 0


def worker_name(clock: Clock) -> str:
    """`<host>-<pid>-<start>`: a worker that is started again is another one, or its dead runs would seem to live."""
    return f"{socket.gethostname()}-{os.getpid()}-{clock.now():%Y%m%dT%H%M%S}"


async def _work(settings: WorkerSettings, orders: Orders, clock: Clock) -> None:
    stop = orders.heard()
    address = await _find_engine(settings.home, stop)
    if address is None:
        return
    name = worker_name(clock)
    # The environment cannot turn flow heartbeats off; each costs a thread a run.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        async with EngineClient(address) as engine, AsyncExitStack() as stack:
            hints = Hints()
            crew = Crew(engine, hints, clock, name, settings.pace)
            post = Post(crew, name)
            listening = asyncio.create_task(hints.listen(engine))
            keeping = asyncio.create_task(post.keep())
            if await _first(stop, post.ready):
                await stack.enter_async_context(
                    Pulse(SyncEngineClient(address), name, os.getpid(), give_up=partial(os._exit, STANDS_STILL))
                )
                dispatching = asyncio.create_task(Dispatch(engine, hints, crew, post, settings.live_runs).run())
                logger.info("worker %s is ready", name)
                await stop.wait()
                await _end(dispatching)
                await crew.park()
            await _end(keeping, listening)
            await asyncio.to_thread(EventsWorker.drain_all, DRAIN)


async def _find_engine(home: Path, stop: asyncio.Event) -> Address | None:
    """Where the engine of this home listens; waits for one. None when told to stop first."""
    for attempt in range(10**9):
        try:
            return Address.of_home(home)
        except EngineUnreachable as error:
            if attempt % round(SAY_EVERY / LOOK_FOR_ENGINE) == 0:
                logger.warning("waiting: %s", error)
        try:
            await asyncio.wait_for(stop.wait(), LOOK_FOR_ENGINE)
        except TimeoutError:
            continue
        return None
    return None


async def _first(stop: asyncio.Event, ready: asyncio.Event) -> bool:
    """Wait for either; whether it was `ready`."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(ready.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
    return not stop.is_set()


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
