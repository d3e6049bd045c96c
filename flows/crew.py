"""The runs that live in this process: taken from Prefect's worker, carried as asyncio tasks, parked at the end.

They belong to nobody else: when Prefect's own worker object breaks (its server was away too long), they go on.
"""

import asyncio
import logging
from contextvars import Context, copy_context
from functools import partial
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async

from engine.clock import Clock
from flows.aboard import ABOARD, Aboard
from flows.driver import Driver
from flows.ears import EARS, Ears
from flows.hints import Asks, Hints
from flows.listen import listen
from flows.pace import Pace
from flows.respond import respond
from incidents.severity import Severity

PARK_WITHIN = 25.0
"""Seconds that all runs may take to park when the worker stops: a driver's own 12, and Prefect's share."""

logger = logging.getLogger(__name__)


class StartFailed(Exception):
    """A run ended before its first line."""


class Crew:
    """Carries runs of `respond`, and beside them those of `listen`."""

    def __init__(self, engine: Asks, hints: Hints, clock: Clock, worker: str, pace: Pace) -> None:
        self._ears = Ears(engine, clock, worker)
        self._listening: dict[UUID, asyncio.Task[None]] = {}
        self._aboard = Aboard(engine, hints, clock, worker, pace)
        self._hints = hints
        self._runs: dict[UUID, asyncio.Task[None]] = {}
        self._first_lines: dict[UUID, asyncio.Future[None]] = {}
        self._begun: set[UUID] = set()
        self._drivers: dict[str, Driver] = {}
        self._shown_until: dict[str, str] = {}
        # Runs start from this context, not from the one of Prefect's worker, whose client is closed with it.
        self._context: Context = copy_context()

    @property
    def size(self) -> int:
        """How many incidents' runs it carries."""
        return len(self._runs)

    def drives(self, incident: str) -> bool:
        return incident in self._drivers

    def shown_until(self, incident: str) -> str | None:
        """The time of the last thing that a run of ours has shown of this incident."""
        return self._shown_until.get(incident)

    def first_line(self, run: UUID) -> asyncio.Future[None]:
        """Done when the run drives; StartFailed when it ended before."""
        awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if run in self._begun:
            awaited.set_result(None)
        else:
            self._first_lines[run] = awaited
        return awaited

    def give_up(self, run: UUID) -> None:
        """Nobody waits for this run's first line any more."""
        self._first_lines.pop(run, None)

    def take(self, flow_run: FlowRun) -> None:
        """Carry this run from here on. Taken twice, it runs once."""
        if flow_run.id not in self._runs:
            carrying = self._carry(flow_run)
            self._runs[flow_run.id] = asyncio.get_running_loop().create_task(carrying, context=self._context.copy())

    @property
    def listens(self) -> bool:
        """Whether it carries a run of `listen`."""
        return bool(self._listening)

    def take_listening(self, flow_run: FlowRun) -> None:
        """Carry this run of `listen` from here on; it relieves the one before. Taken twice, it runs once."""
        if flow_run.id not in self._listening:
            carrying = self._carry_listening(flow_run)
            task = asyncio.get_running_loop().create_task(carrying, context=self._context.copy())
            self._listening[flow_run.id] = task

    def make_room(self, for_whom: str, severity: str) -> bool:
        """Park the mildest waiting run that is milder than `severity`; says whether there was one."""
        rank = Severity(severity).rank
        milder = {each: _rank(each) for each in self._drivers.values() if _rank(each) > rank and not each.ending}
        if not milder:
            return False
        mildest = max(milder, key=lambda each: milder[each])
        mildest.end(f"parked: made room for {for_whom} ({severity})")
        return True

    async def park(self) -> None:
        """End every run with its true state, as the worker's last act."""
        for driver in tuple(self._drivers.values()):
            driver.end("parked: the worker stops")
        self._ears.end("parked: the worker stops")
        if carried := [*self._runs.values(), *self._listening.values()]:
            _, late = await asyncio.wait(carried, timeout=PARK_WITHIN)
            if late:
                logger.warning("%d runs did not park in time; the next worker starts new ones", len(late))
        await self._ears.close()

    async def _carry(self, flow_run: FlowRun) -> None:
        run = flow_run.id
        ABOARD.set(
            Aboard(
                engine=self._aboard.engine,
                hints=self._hints,
                clock=self._aboard.clock,
                worker=self._aboard.worker,
                pace=self._aboard.pace,
                joined=partial(self._joined, run),
                left=self._left,
            )
        )
        try:
            await run_flow_async(
                respond, flow_run=_unwatched(flow_run), parameters=flow_run.parameters, return_type="state"
            )
        except Exception as error:  # noqa: BLE001  # whatever broke one run (Prefect away, say), the others go on
            logger.warning("run %s ended badly: %r", flow_run.name, error)
        finally:
            self._runs.pop(run, None)
            self._begun.discard(run)
            first_line = self._first_lines.pop(run, None)
            if first_line is not None and not first_line.done():
                first_line.set_exception(StartFailed(f"{flow_run.name} ended before its first line"))

    async def _carry_listening(self, flow_run: FlowRun) -> None:
        EARS.set(self._ears)
        try:
            await run_flow_async(
                listen, flow_run=_unwatched(flow_run), parameters=flow_run.parameters, return_type="state"
            )
        except Exception as error:  # noqa: BLE001  # whatever broke it, the engine listens until the next one
            logger.warning("run %s ended badly: %r", flow_run.name, error)
        finally:
            self._listening.pop(flow_run.id, None)

    def _joined(self, run: UUID, driver: Driver) -> None:
        if earlier := self._drivers.get(driver.incident):
            earlier.end("stale: another run drives")
        self._drivers[driver.incident] = driver
        self._begun.add(run)
        first_line = self._first_lines.pop(run, None)
        if first_line is not None and not first_line.done():
            first_line.set_result(None)

    def _left(self, driver: Driver) -> None:
        if self._drivers.get(driver.incident) is driver:
            del self._drivers[driver.incident]
            self._hints.forget(driver.incident)
        if driver.seen is not None and driver.seen["timeline"]:
            self._shown_until[driver.incident] = driver.seen["timeline"][-1]["at"]


def _unwatched(flow_run: FlowRun) -> FlowRun:
    """For a run of a deployment Prefect starts a thread with an event loop and a websocket that watch for a request to
    suspend it. Our event loop, all its runs with it, waits for that thread at the start, without a limit, and at the
    end; with 100 runs it stood for ever. Nobody suspends our runs: without its deployment's id it is off.
    """
    return flow_run.model_copy(update={"deployment_id": None})


def _rank(driver: Driver) -> int:
    return 0 if driver.seen is None else Severity(driver.seen["severity"]).rank
