"""The flow itself; imports Prefect, so it is imported by `flows/backtest.py` once the environment stands."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import PrefectException

from engine.backtest import History, Outcome, Rules, Tell, run
from flows.backtest import PrefectAway, Say, parameters
from incidents.errors import TocsinError
from signals.backtest import Backtest

_SHOWN_EVERY = 0.05
"""Of the whole, between two writings of the bar."""


def carry(new: Rules, old: Rules | None, history: History, say: Say, page: Callable[[Outcome], str]) -> Outcome:
    """Run the flow `backtest`. Raises PrefectAway when Prefect fails; errors of the backtest come through."""
    raised: list[Exception] = []
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        # What a history or Prefect did wrong is said once, in a sentence, by whoever called.
        logging.getLogger(name).setLevel(logging.CRITICAL)

    @flow(name="backtest", validate_parameters=False, persist_result=False, log_prints=False)
    def backtest(plan: str, against: str | None, labels: int) -> Any:  # its page shows them
        try:
            outcome = run(new, old, history, lambda name, work: _part(name, work, say, raised))
            create_markdown_artifact(page(outcome), key="backtest", description="What the rules would have done")
        except (TocsinError, OSError) as error:
            if not _is_prefects(error):
                raised.append(error)
            raise
        return outcome

    try:
        outcome: Outcome = backtest(**parameters(new, old, history))
    except Exception as error:
        if raised:
            raise raised[0] from error
        raise PrefectAway(f"{type(error).__name__}: {error}") from error
    return outcome


def _part(name: str, work: Callable[[Tell], Backtest], say: Say, raised: list[Exception]) -> Backtest:
    @task(name="replay", task_run_name=name, persist_result=False, cache_policy=NO_CACHE)
    def part() -> Backtest:
        bar = _Bar(name)

        def tell(done: float, words: str) -> None:
            say(name, done, words)
            bar.show(done, words)

        try:
            return work(tell)
        except (TocsinError, OSError) as error:
            if not _is_prefects(error):
                raised.append(error)
            raise

    return part()


def _is_prefects(error: Exception) -> bool:
    return isinstance(error, (PrefectException, httpx.HTTPError))


class _Bar:
    """A progress artifact. A Prefect that goes away stops nothing: then there is no bar."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = 0.0
        self._id: UUID | None = None
        self._put(0.0, name)

    def show(self, done: float, words: str) -> None:
        if done >= 1.0 or done - self._shown >= _SHOWN_EVERY:
            self._shown = done
            self._put(done, f"{self._name}: {words}")

    def _put(self, done: float, words: str) -> None:
        try:
            if self._id is None:
                key = "backtest-" + self._name.replace(" ", "-")
                self._id = create_progress_artifact(round(100 * done, 1), key=key, description=words)  # type: ignore[assignment]  # sync here
            else:
                update_progress_artifact(self._id, round(100 * done, 1), description=words)
        except (PrefectException, httpx.HTTPError, RuntimeError):
            self._id = None
