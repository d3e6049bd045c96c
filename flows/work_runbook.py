"""Working the runbook: each step and each of its decisions a task run that goes on until a person has ended it."""

from functools import partial

from prefect.states import Completed

from engine.client import DecisionObject, IncidentObject, Move, StepObject
from flows.driver import Driver, Look
from flows.visible import Shown, Visible, begin_moves, done, left_open

COMPENSATION = "compensation"
"""The id of the decision that `flows.decide_compensation` waits for."""


def work_the_runbook(driver: Driver, look: Look) -> None:
    """Open the steps and put the decisions that are due, call about overdue ones, and wait for those that are open."""
    for move in look.due("open-step"):
        step_id = subject(move)
        driver.begin(f"step {step_id}", partial(step, move.title, driver, step_id, move), move)
    for move in look.due("ask-decision"):
        if (asked := subject(move)) != COMPENSATION:
            driver.begin(f"decide {asked}", partial(decide, move.title, driver, asked, move), move)
    begin_moves(driver, tuple(move for move in look.due("start-escalation") if calls_about(move, "step", "decision")))
    _wait_for_what_is_open(driver, look)


def confirm_recovery(driver: Driver, look: Look) -> None:
    """Once it is resolved: wait until somebody has confirmed it from the customers' side."""
    if recovery(look.incident) is None:
        name = "wait: recovery is confirmed from the customers' side"
        driver.begin(name, partial(wait_for_confirmation, name, driver))
    begin_moves(driver, tuple(move for move in look.due("start-escalation") if calls_about(move, "closing")))


@Visible
async def step(name: str, driver: Driver, step_id: str, move: Move | None) -> Shown:
    """Open the step when that is due, and wait until a person has done or skipped it."""
    if move is not None:
        await driver.make(move)
    ended = await driver.until(lambda incident: _ended_step(incident, step_id))
    return left_open("neither done nor skipped yet") if ended is None else how_it_ended(ended)


@Visible
async def decide(name: str, driver: Driver, decision_id: str, move: Move | None) -> Shown:
    """Put the question when that is due, and wait until somebody has decided."""
    if move is not None:
        await driver.make(move)
    made = await driver.until(lambda incident: made_decision(incident, decision_id))
    return left_open("not decided yet") if made is None else how_it_was_decided(made)


@Visible
async def wait_for_confirmation(name: str, driver: Driver) -> Shown:
    """Wait until somebody has confirmed it, or it came back."""
    found = await driver.until(recovery)
    return found if found is not None else left_open("not confirmed yet")


def recovery(incident: IncidentObject) -> Shown | None:
    """Where the recovery stands; None while it is said to be resolved and waits to be confirmed."""
    if incident.get("confirmed_at"):
        return done("confirmed")
    return None if incident.get("resolved_at") else Completed(name="Reopened", message="not resolved")


def how_it_ended(ended: StepObject) -> Shown:
    by = who(ended["ended_by"])
    evidence = ended["evidence"] or ""
    if ended["state"] == "skipped":
        return Completed(name="Skipped", message=f"skipped by {by}: {evidence}")
    return done(f"done by {by}: {evidence}" if evidence else f"done by {by}")


def how_it_was_decided(made: DecisionObject) -> Shown:
    return done(f"{made['choice']} (by {who(made['made_by'])})")


def who(by: str | None) -> str:
    """A contact's own id: the log writes `person:ana`."""
    return (by or "somebody").removeprefix("person:")


def made_decision(incident: IncidentObject, decision_id: str) -> DecisionObject | None:
    """The decision once it is made."""
    return next((each for each in incident["decisions"] if each["id"] == decision_id and each["choice"]), None)


def subject(move: Move) -> str:
    """What a move is about: a key is `<kind>:<subject>`."""
    return move.key.partition(":")[2]


def calls_about(move: Move, *kinds: str) -> bool:
    """Whether an escalation is about one of these; its name is `<kind>-<subject>` or the kind alone."""
    return subject(move).partition("-")[0] in kinds


def _wait_for_what_is_open(driver: Driver, look: Look) -> None:
    """Steps and decisions that were opened without this run: it waits for them as for its own."""
    for each in look.incident["steps"]:
        if each["state"] == "open":
            driver.begin(f"step {each['id']}", partial(step, f"step: {each['title']}", driver, each["id"], None))
    for asked in look.incident["decisions"]:
        if not asked["choice"] and asked["id"] != COMPENSATION:
            name = f"decide: {asked['question']}"
            driver.begin(f"decide {asked['id']}", partial(decide, name, driver, asked["id"], None))


def _ended_step(incident: IncidentObject, step_id: str) -> StepObject | None:
    ended = (each for each in incident["steps"] if each["id"] == step_id and each["state"] in ("done", "skipped"))
    return next(ended, None)
