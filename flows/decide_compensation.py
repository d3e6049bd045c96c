"""Deciding what the customers get: the question, the wait for whoever has the authority, and telling the customers.

Money is decided by people only. Nothing here proposes, approves or times out an amount; it shows that we wait.
"""

from functools import partial

from engine.client import IncidentObject
from flows.driver import Driver, Look
from flows.visible import Shown, Visible, done, left_open
from flows.work_runbook import COMPENSATION, decide, made_decision, subject

NAME = "decide: compensation"
TOLD = "wait: the customers are told the outcome"


def decide_compensation(driver: Driver, look: Look) -> None:
    """Put the question when it is due, wait for the decision, then until the customers have been told."""
    for move in look.due("ask-decision"):
        if subject(move) == COMPENSATION:
            driver.begin(NAME, partial(decide, NAME, driver, COMPENSATION, move), move)
    asked = next((each for each in look.incident["decisions"] if each["id"] == COMPENSATION), None)
    if asked is not None and not asked["choice"]:
        driver.begin(NAME, partial(decide, NAME, driver, COMPENSATION, None))
    if is_decided(look.incident) and customers_told(look.incident) is None:
        driver.begin(TOLD, partial(wait_until_told, TOLD, driver))


@Visible
async def wait_until_told(name: str, driver: Driver) -> Shown:
    """Wait until somebody has recorded that the customers know the outcome."""
    sentence = await driver.until(customers_told)
    return done(sentence) if sentence else left_open("the customers have not been told yet")


def is_decided(incident: IncidentObject) -> bool:
    decided = (incident.get("compensation") or {}).get("state") == "decided"
    return decided or made_decision(incident, COMPENSATION) is not None


def customers_told(incident: IncidentObject) -> str | None:
    """How the customers were told, as the timeline says it; None before."""
    if not incident.get("informed_at"):
        return None
    told = (entry["sentence"] for entry in reversed(incident["timeline"]) if entry["kind"] == "CustomersInformed")
    return next(told, "told")
