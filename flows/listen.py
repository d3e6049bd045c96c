"""`listen`: one run sits at all sources for a quarter of an hour, each a task run that a person can watch.

One run a quarter and not one a poll: a run costs 58 KB in Prefect's database and 0.3 s. The next run relieves it; while
there is none, or it fails, the engine reads every source itself once nobody has for twice its interval.
"""

import asyncio
import logging
from uuid import UUID

import httpx
from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.states import Completed, Failed

from engine.client import Sources, sources
from flows.ears import ENGINE_AWAY, LEAVE_WITHIN, Ears, Ending, Listener, ears_here
from flows.timeline import WITHIN, plain
from flows.visible import Shown, Visible, done
from incidents.errors import EngineUnreachable, Overloaded, TocsinError

SCHEDULE = "*/15 * * * *"
"""When a run begins, in cron's words."""
MINUTES = 16.0
"""That a run sits: a minute longer than a quarter, so that the next one relieves it and nobody is missed between."""
LOOK_EVERY = 30.0
"""Seconds between two looks at the plan, and between two writings of the artifact."""
NO_PLAN = "The plan has no listening.yaml, or no source in it that is polled: there is nothing to listen to."
CHANGED = "the plan has changed"
ARTIFACT = "listening"

logger = logging.getLogger(__name__)


@flow(name="listen", persist_result=False, validate_parameters=False, log_prints=False)
async def listen(minutes: float = MINUTES) -> State[None]:
    """Sit at every source for so many minutes. Ends before when another run listens, or the worker stops."""
    board = Board()
    async with ears_here() as ears, ears.seat() as ending:
        because = await sit(ears, ending, minutes * 60.0, board)
    return Completed(message=because)


async def sit(ears: Ears, ending: Ending, seconds: float, board: "Board") -> str:
    """Listen until the time is over or `ending` is told; with another plan, go on with its sources. Gives the end."""
    until = _now() + seconds
    while not ending.told:
        known = await _known(ears, ending, until)
        if known is None:
            return ending.because or "the engine was away"
        found = await ears.sources_of(known)
        if not found:
            return NO_PLAN
        listeners = [Listener(each, ears.engine, ears.by, known.stand(each.name)) for each in found]
        because = await _round(ears, listeners, known, ending, until, board)
        if because != CHANGED:
            return because
    return ending.because


async def _round(
    ears: Ears, listeners: list[Listener], known: Sources, ending: Ending, until: float, board: "Board"
) -> str:
    """Sit at the sources of one plan."""
    over = Ending()
    tasks = [asyncio.create_task(_sit_at(each, over, ears)) for each in listeners]
    try:
        because = await _watch(ears, listeners, known, ending, until, board)
        over.end(because)
        await asyncio.wait(tasks, timeout=LEAVE_WITHIN)
    finally:
        over.end("the run ends")
        for each in tasks:
            each.cancel()
        for failed in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failed, Exception):
                logger.warning("a source is left to the engine: %r", failed)
    await board.show(as_markdown(listeners, ears))
    return because


async def _sit_at(listener: Listener, over: Ending, ears: Ears) -> Shown:
    return await hear_source(listener.source.name, listener, over, ears)


async def _watch(
    ears: Ears, listeners: list[Listener], known: Sources, ending: Ending, until: float, board: "Board"
) -> str:
    """Show how far it has come, until there is a reason to end; gives the reason."""
    while True:
        await board.show(as_markdown(listeners, ears))
        if await ending.within(min(LOOK_EVERY, until - _now())):
            return ending.because
        if _now() >= until:
            return "its time is over; the next run goes on"
        try:
            now = await ears.engine.ask(sources())
        except TocsinError:
            continue
        if (now.listening, now.folder) != (known.listening, known.folder):
            return CHANGED


async def _known(ears: Ears, ending: Ending, until: float) -> Sources | None:
    """What the engine says of the sources; waits for one that is away. None when it is time to end."""
    while True:
        try:
            return await ears.engine.ask(sources())
        except (EngineUnreachable, Overloaded) as error:
            logger.info("nobody to listen for yet: %s", error)
        if await ending.within(ENGINE_AWAY) or _now() >= until:
            return None


@Visible
async def hear_source(name: str, listener: Listener, ending: Ending, ears: Ears) -> Shown:
    """One source, until the run ends."""
    await listener.attend(ending, ears.clock)
    sentence = listener.sentence(ears.clock)
    return done(sentence) if listener.trouble is None else Failed(message=sentence)


class Board:
    """One run's artifact. Prefect may be away: what cannot be written is written with the next look."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._shown = ""

    async def show(self, markdown: str) -> None:
        """Show this; a second time it does nothing."""
        if markdown == self._shown:
            return
        try:
            async with asyncio.timeout(WITHIN):
                await self._put(markdown)
        except (httpx.HTTPError, PrefectException, RuntimeError, TimeoutError) as error:
            logger.info("how listening goes is not shown: %r", error)
        else:
            self._shown = markdown

    async def _put(self, markdown: str) -> None:
        if self._artifact is None:
            self._artifact = await acreate_markdown_artifact(markdown, key=ARTIFACT, description="Who is listened to")
            return
        async with get_client() as prefect:
            await prefect.update_artifact(self._artifact, ArtifactUpdate(data=markdown))


def as_markdown(listeners: list[Listener], ears: Ears) -> str:
    """A line a source: how many mentions, and how old its cursor is."""
    lines = ["| source | kind | how it goes |", "|---|---|---|"]
    lines += [
        f"| {plain(each.source.name)} | {each.source.kind} | {plain(each.sentence(ears.clock))} |" for each in listeners
    ]
    return "\n".join(lines) + "\n"


def _now() -> float:
    return asyncio.get_running_loop().time()
