"""What a run of `respond` finds around it: the engine, the hints, the clock, and who carries it.

The worker sets it for the runs that it carries. A run that is started anywhere else opens its own from TOCSIN_HOME, so
the flow can also be run by hand.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from engine.client import Address, EngineClient, SyncEngineClient, drive
from engine.clock import Clock, SystemClock
from flows.driver import BACKOFF, Driver
from flows.hints import Asks, Hints
from flows.pace import Pace
from flows.pulse import Pulse
from incidents.errors import EngineUnreachable, Overloaded

logger = logging.getLogger(__name__)


def _nothing(_: Driver) -> None:
    return None


def _carry_on() -> None:
    """A process that is not ours is not ended by us."""


@dataclass(frozen=True, slots=True)
class Aboard:
    """`joined` is called when a run's first line has run and it drives, `left` when it drives no more."""

    engine: Asks
    hints: Hints
    clock: Clock
    worker: str
    pace: Pace
    joined: Callable[[Driver], None] = _nothing
    left: Callable[[Driver], None] = _nothing


ABOARD: ContextVar[Aboard] = ContextVar("aboard")


@asynccontextmanager
async def driving(incident: str, run: str) -> AsyncIterator[Driver]:
    """Drive an incident from here on; every earlier run of it is stale. Releases it at the end.

    UnknownIncident when there is none. Waits for an engine that is away.
    """
    carried = ABOARD.get(None)
    if carried is None:
        home = Path(os.environ.get("TOCSIN_HOME", ".tocsin"))
        async with aboard_by_itself(home, SystemClock(), run) as own, _driving(own, incident, run) as driver:
            yield driver
        return
    async with _driving(carried, incident, run) as driver:
        yield driver


@asynccontextmanager
async def aboard_by_itself(home: Path, clock: Clock, run: str) -> AsyncIterator[Aboard]:
    """All that one run needs when no worker of ours carries it, with a heartbeat of its own."""
    address = Address.of_home(home)
    worker = f"{socket.gethostname()}-{os.getpid()}-{run}"
    async with (
        EngineClient(address) as engine,
        Pulse(SyncEngineClient(address), worker, os.getpid(), give_up=_carry_on),
    ):
        hints = Hints()
        listening = asyncio.create_task(hints.listen(engine))
        try:
            yield Aboard(engine, hints, clock, worker, Pace())
        finally:
            listening.cancel()


@asynccontextmanager
async def _driving(aboard: Aboard, incident: str, run: str) -> AsyncIterator[Driver]:
    hint = aboard.hints.of(incident)
    request = drive(incident, aboard.worker, run)
    for attempt in range(10**9):
        try:
            allowed = await aboard.engine.ask(request)
            break
        except (EngineUnreachable, Overloaded) as error:
            logger.info("incident %s cannot be driven yet: %s", incident, error)
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
    driver = Driver(incident, allowed, aboard.engine, aboard.clock, hint, aboard.pace)
    aboard.joined(driver)
    try:
        yield driver
    finally:
        await driver.leave()
        aboard.left(driver)
