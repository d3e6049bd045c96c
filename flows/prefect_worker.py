"""Our worker as Prefect knows it: type and work pool `tocsin`, its deployments, runs in this process.

`respond/respond` has a run an incident, created by `flows.dispatch`; `listen/listen` has a schedule, and a
run when a worker starts.
"""

import asyncio
import logging
import os
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectAlreadyExists, PrefectException
from prefect.states import Cancelled
from prefect.types.entrypoint import EntrypointType
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from engine.client import WorkItem
from engine.clock import SystemClock
from flows.crew import Crew, StartFailed
from flows.listen import SCHEDULE, listen
from flows.respond import respond
from flows.run_card import end_card, run_name, run_tags

POOL = "tocsin"
DEPLOYMENT = "respond"
LISTENING = "listen"
RETRY = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to reach Prefect; the last one repeats."""
SAY_EVERY = 60.0
"""Seconds between two log lines about a Prefect that is away."""
LISTEN_WITHIN = 5.0
"""Seconds that a worker gives to the first run of `listen` before it takes up the runs of incidents."""
WORKER_LABEL = "prefect.worker.name"

logger = logging.getLogger(__name__)


class TocsinWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Gives each run to the crew, which carries it in this process."""

    type = "tocsin"
    job_configuration = BaseJobConfiguration
    _description = "Carries Tocsin's flow runs inside `tocsin worker`."

    def __init__(self, crew: Crew, name: str, listening: UUID) -> None:
        super().__init__(work_pool_name=POOL, name=name)
        self._crew = crew
        self._listening = listening
        self._polling = asyncio.Lock()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """As the base class; one at a time, so that an extra poll cannot submit a run twice."""
        async with self._polling:
            return await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: Any = None,
    ) -> BaseWorkerResult:
        """Hand the run over and return at once: it outlives this worker object."""
        if flow_run.deployment_id == self._listening:
            self._crew.take_listening(flow_run)
        else:
            self._crew.take(flow_run)
        if task_status is not None:
            task_status.started(os.getpid())
        return HandedOver(status_code=0, identifier=str(os.getpid()))


class HandedOver(BaseWorkerResult):
    """The crew carries the run now; how it ends is the run's own state."""


class Post:
    """Keeps a `TocsinWorker` at its post, and creates runs through it. Prefect may come and go."""

    def __init__(self, crew: Crew, name: str) -> None:
        self.ready = asyncio.Event()
        """Set as soon as Prefect has once known our pool and deployment."""
        self._crew = crew
        self._name = name
        self._worker: TocsinWorker | None = None
        self._deployment: UUID | None = None
        self._said_at: float | None = None

    async def keep(self) -> None:
        """For ever; cancel it to stop. A worker object that broke is replaced; the crew's runs do not notice."""
        attempt = 0
        while True:
            try:
                self._deployment, listening = await ensure_deployment(), await ensure_listening()
                await end_abandoned([self._deployment, listening], self._name)
                self.ready.set()
                self._said_at = None
                attempt = 0
                self._worker = TocsinWorker(self._crew, self._name, listening)
                await self._begin_to_listen(listening)
                await self._worker.start(printer=logger.info)
            except Exception as error:  # noqa: BLE001  # whatever Prefect's worker dies of, there must be a next one
                self._say(error)
            finally:
                self._worker = None
            await asyncio.sleep(RETRY[min(attempt, len(RETRY) - 1)])
            attempt += 1

    async def _begin_to_listen(self, listening: UUID) -> None:
        """A run of `listen` for the time until its schedule, unless one is carried. Incidents never wait for it."""
        if self._crew.listens:
            return
        try:
            async with asyncio.timeout(LISTEN_WITHIN):
                await listen_now(listening)
        except (httpx.HTTPError, PrefectException, RuntimeError, TimeoutError) as error:
            logger.warning("no run of listen now, the engine listens until the next one: %r", error)

    @property
    def available(self) -> bool:
        """Whether Prefect's worker stands at its post; it says nothing about Prefect's server at this moment."""
        return self._worker is not None and self._worker.is_setup

    async def create(self, item: WorkItem, since: str | None) -> UUID:
        """Create the run of `respond` for this incident and poll for it at once. StartFailed while Prefect is away."""
        worker, deployment = self._worker, self._deployment
        if worker is None or deployment is None or not worker.is_setup:
            raise StartFailed("Prefect is away")
        flow_run = await worker.client.create_flow_run_from_deployment(
            deployment,
            name=run_name(item.incident, item.runs + 1),
            tags=run_tags(item),
            parameters={"incident": item.incident, "since": since},
        )
        await worker.get_and_submit_flow_runs()
        return flow_run.id

    async def has_begun(self, run: UUID) -> bool:
        """Whether the run is running or over, wherever it is carried. StartFailed when it crashed or failed."""
        if self._worker is None:
            return False
        state = (await self._worker.client.read_flow_run(run)).state
        if state is not None and (state.is_crashed() or state.is_failed()):
            raise StartFailed(f"it is {state.name}: {state.message}")
        return state is not None and (state.is_running() or state.is_final())

    def _say(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if self._said_at is None or now - self._said_at >= SAY_EVERY:
            self._said_at = now
            logger.warning("Prefect is away (%s: %s); runs go on, the engine performs the rest", _kind(error), error)


async def ensure_deployment() -> UUID:
    """The id of deployment `respond/respond` on work pool `tocsin`; both are created when they are missing."""
    async with get_client() as prefect:
        template: dict[str, Any] = TocsinWorker.get_default_base_job_template()
        pool = WorkPoolCreate(name=POOL, type=TocsinWorker.type, base_job_template=template)
        try:
            await prefect.create_work_pool(pool)
        except ObjectAlreadyExists:
            logger.debug("work pool %s exists", POOL)
    deployment = await respond.ato_deployment(
        name=DEPLOYMENT,
        work_pool_name=POOL,
        entrypoint_type=EntrypointType.MODULE_PATH,
        description="One run sees one incident through until it ends or parks.",
    )
    return await deployment.aapply()


async def ensure_listening() -> UUID:
    """The id of deployment `listen/listen` on work pool `tocsin`, with its schedule. Create the pool first."""
    deployment = await listen.ato_deployment(
        name=LISTENING,
        work_pool_name=POOL,
        cron=SCHEDULE,
        entrypoint_type=EntrypointType.MODULE_PATH,
        description="One run sits at all sources of listening.yaml for a quarter of an hour; the next one relieves it.",
        tags=["listening"],
    )
    return await deployment.aapply()


async def listen_now(deployment: UUID) -> None:
    """A run for the time until the next one is scheduled; those that nobody took in time are called off."""
    async with get_client() as prefect:
        await _call_off_missed(prefect, deployment)
        await prefect.create_flow_run_from_deployment(deployment, tags=["listening"])


async def _call_off_missed(prefect: PrefectClient, deployment: UUID) -> None:
    """Runs that waited while no worker was there would all begin at once, each to be relieved by the next."""
    missed = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": SystemClock().now()}),
    )
    state: State[None] = Cancelled(message="no worker was there at its time")
    while waited := await prefect.read_flow_runs(flow_run_filter=missed, limit=200):
        await asyncio.gather(*(prefect.set_flow_run_state(each.id, state, force=True) for each in waited))


async def end_abandoned(deployments: list[UUID], me: str) -> None:
    """End the runs that a killed worker of this machine left `Running` or `Pending`: nobody carries them any more."""
    open_states = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=deployments), state=FlowRunFilterState(type=open_states)
    )
    async with get_client() as prefect:
        for flow_run in await prefect.read_flow_runs(flow_run_filter=wanted, limit=200):
            if is_abandoned(str((flow_run.labels or {}).get(WORKER_LABEL, "")), me):
                await _crash(prefect, flow_run)


def is_abandoned(worker: str, me: str) -> bool:
    """Whether a worker called `<host>-<pid>-<start>` is certainly gone; of other hosts that cannot be known."""
    host, pid, start = _parts(worker)
    my_host, my_pid, my_start = _parts(me)
    if host != my_host or not pid.isdigit():
        return False
    return start != my_start if pid == my_pid else not _lives(int(pid))


async def _crash(prefect: PrefectClient, flow_run: FlowRun) -> None:
    try:
        await end_card(prefect, flow_run.id, "its worker was killed; a new run goes on")
    except (httpx.HTTPError, PrefectException) as error:
        logger.info("run %s stays as it was left: %r", flow_run.name, error)


def _parts(worker: str) -> tuple[str, str, str]:
    before, _, start = worker.rpartition("-")
    host, _, pid = before.rpartition("-")
    return host, pid, start


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kind(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
