"""How a run presents itself in Prefect's pages: its name, its tags, and no earlier run left `Running`."""

import asyncio
import logging
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.states import Crashed

from engine.client import WorkItem
from flows.driver import Driver

WITHIN = 10.0
"""Seconds that Prefect may take; a card that could not be corrected hurts nobody."""

logger = logging.getLogger(__name__)


def run_name(incident: str, number: int) -> str:
    return f"{incident} · {number}"


def run_tags(item: WorkItem) -> list[str]:
    drill = ["drill"] if item.drill else []
    return [incident_tag(item.incident), item.severity, item.situation, *drill]


def incident_tag(incident: str) -> str:
    return f"incident:{incident}"


def introduce(driver: Driver) -> None:
    """Correct the name it got before it drove, and end the cards of the runs that it replaces. Waits for nothing."""
    card = flow_run.get_id()
    if card is not None:
        name = flow_run.get_name() or ""
        driver.begin("run card", lambda: _correct(driver, UUID(card), name))


async def _correct(driver: Driver, card: UUID, name: str) -> None:
    wanted = run_name(driver.incident, driver.driving.number)
    if name == wanted and driver.driving.number == 1:
        return
    try:
        async with asyncio.timeout(WITHIN), get_client() as prefect:
            if name != wanted:
                await prefect.set_flow_run_name(card, wanted)
            await _end_earlier(prefect, driver.incident, card)
    except (httpx.HTTPError, PrefectException, RuntimeError, TimeoutError) as error:
        logger.info("the card of %s is not corrected: %r", wanted, error)


async def _end_earlier(prefect: PrefectClient, incident: str, card: UUID) -> None:
    """A worker that was killed leaves its run `Running` for ever; the run that replaces it knows better."""
    running = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[incident_tag(incident)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
    )
    for earlier in await prefect.read_flow_runs(flow_run_filter=running, limit=20):
        if earlier.id != card:
            await end_card(prefect, earlier.id, "its worker is gone; another run drives")


async def end_card(prefect: PrefectClient, card: UUID, sentence: str) -> None:
    """A run that nobody carries any more, and what it was about: `Crashed`, with the reason."""
    gone: State[None] = Crashed(message=sentence)
    await prefect.set_flow_run_state(card, gone, force=True)
    open_tasks = await prefect.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[card])),
        task_run_filter=TaskRunFilter(
            state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
        ),
    )
    for task_run in open_tasks:
        left: State[None] = Crashed(message=sentence)
        await prefect.set_task_run_state(task_run.id, left, force=True)
