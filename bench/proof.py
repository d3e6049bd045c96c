"""How long the proof takes, against asking the real ladder minute by minute, which nobody would wait for."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contacts.directory import Directory
from runbooks.plan import Ladder
from runbooks.proof import Scenario, Terms, breakable, prove, scenarios, targets_of
from runbooks.trial import Call, Cause, trial
from tests.support.big_company import big_company

START = datetime(2027, 1, 4, tzinfo=UTC)
ASKED = 200
"""Moments that are really asked; the loop's time is extrapolated from them."""


@dataclass(frozen=True, slots=True)
class ProofTimes:
    people: int
    years: int
    scenarios: int
    seconds: float
    minute_loop: float
    """Seconds that a loop over every minute of every scenario would take, extrapolated."""


def proof(people: int = 200, schedules: int = 40, years: int = 10) -> ProofTimes:
    """Prove a large company for ten years once, as `tocsin prove --weeks 521` does, every provider and network down in
    turn."""
    plan, directory = big_company(people, schedules, years)
    end = START + timedelta(days=365 * years)
    began = time.perf_counter()
    found = prove(plan, directory, START, end, Terms(targets_of(plan, {})))
    seconds = time.perf_counter() - began
    each = scenarios(plan, directory)
    broken: list[str | None] = [None, *breakable(directory)]
    began = time.perf_counter()
    for number in range(ASKED):
        scenario, down = each[number % len(each)], broken[number % len(broken)]
        at = START + timedelta(minutes=number * (end - START) // timedelta(minutes=1) // ASKED)
        _three(plan.ladder_for(scenario.situation, scenario.severity), directory, scenario, at, down)
    minutes = (end - START) // timedelta(minutes=1)
    loop = (time.perf_counter() - began) / ASKED * minutes * len(each) * len(broken)
    return ProofTimes(people, years, len(found.results), seconds, loop)


def _three(ladder: Ladder, directory: Directory, scenario: Scenario, at: datetime, down: str | None) -> None:
    """Ask the ladder until a third person is reached."""
    reached: set[str] = set()
    cause = Cause(scenario.severity, scenario.situation, scenario.area)
    broken = () if down is None else (down,)
    for step in trial(ladder, directory, cause, at, broken):
        if isinstance(step, Call) and step.works:
            reached.add(step.contact)
            if len(reached) == 3:
                return
