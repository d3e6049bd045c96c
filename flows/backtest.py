"""A backtest as a Prefect flow: a task a part, each with a progress bar in Prefect's pages, and the result as a page.

Nothing is persisted and nothing is tried again: a backtest that is started twice gives the same twice. The command line
calls `with_prefect`, which prepares the environment before Prefect is imported; `run` needs both done.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.backtest import History, Outcome, Rules, Tell
from flows.worker import FOREIGN, WorkerSettings, worker_environment

Say = Callable[[str, float, str], None]
"""Is told which part is how far (0 to 1), in words: the terminal's side of the progress."""


class PrefectAway(Exception):
    """The flow could not begin, or Prefect went away under it; nothing was lost but its pages."""


def with_prefect(
    home: Path, api_url: str, new: Rules, old: Rules | None, history: History, say: Say, page: Callable[[Outcome], str]
) -> Outcome:
    """Run the flow in this process against the Prefect server at `api_url`; the user's own profile is not touched.

    Raises PrefectAway when Prefect fails; what the backtest itself raises comes through.
    `page`: the result as Markdown.
    """
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(worker_environment(WorkerSettings(home, api_url), os.environ))
    # Prefect reads its settings once, at import: not before the environment stands.
    carried: Any = import_module("flows.backtest_flow")
    outcome: Outcome = carried.carry(new, old, history, say, page)
    return outcome


def parameters(new: Rules, old: Rules | None, history: History) -> Mapping[str, Any]:
    """What Prefect's pages say that the run was started with."""
    return {
        "plan": str(new.folder),
        "against": None if old is None else str(old.folder),
        "labels": len(history.labels),
    }


__all__ = ["PrefectAway", "Say", "Tell", "parameters", "with_prefect"]
