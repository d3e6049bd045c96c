"""How a move or a wait becomes a task run that a person can watch in Prefect's pages, with its true outcome.

Nothing is persisted or cached, and nothing is tried again by Prefect: asking the engine twice makes nothing twice, and
`Driver` asks until it answers. A task's state says what became of the thing, never whether our code ran well.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, ParamSpec

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from engine.client import Move
from flows.driver import Driver, Look

P = ParamSpec("P")

Shown = State[None]


class Visible(Generic[P]):
    """An async function as a Prefect task; its first argument, `name`, is what each run is called."""

    def __init__(self, plain: Callable[P, Awaitable[Shown]]) -> None:
        self.plain = plain
        """The function itself, which needs no Prefect server."""
        shown = task(task_run_name="{name}", persist_result=False, cache_policy=NO_CACHE, log_prints=False)
        self._task: Any = shown(plain)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Shown]:
        shown: Awaitable[Shown] = self._task(*args, **kwargs)
        return shown


def done(sentence: str) -> Shown:
    return Completed(message=sentence)


def not_made(sentence: str) -> Shown:
    """The engine made nothing for us: somebody else had, or it is not needed any more."""
    return Completed(name="NotMade", message=sentence)


def left_open(sentence: str) -> Shown:
    """The run ended first; the next one waits on."""
    return Completed(name="Open", message=sentence)


@Visible
async def make_move(name: str, driver: Driver, move: Move) -> Shown:
    """A move that is over as soon as it is made."""
    outcome = await driver.make(move)
    return done(outcome.sentence) if outcome.made else not_made(outcome.sentence)


def begin_moves(driver: Driver, due: tuple[Move, ...]) -> None:
    """Make each of these moves as a task run named after it."""
    for move in due:
        driver.begin(move.key, partial(make_move, move.title, driver, move), move)


def begin_the_rest(driver: Driver, look: Look) -> None:
    """Make what no part of the plan has begun: kinds of moves that a newer engine may know."""
    begin_moves(driver, tuple(move for move in look.moves.due if not driver.is_making(move)))
