"""Calling people: each page a task run that waits for its fate, and a wait for somebody to take charge."""

from functools import partial

from prefect.states import Completed, Failed

from engine.client import Fate, IncidentObject, Move, PageObject
from flows.driver import FATES, Driver, Look
from flows.visible import Shown, Visible, begin_moves, done, left_open, not_made
from incidents.state import Status

WAITS = {
    "crew": "somebody takes the role",
    "question": "an executive answers",
    "reminder": "whoever took it says that they are on it",
}
"""Callings that wait for an answer of their own, and in which words."""


def call_people(driver: Driver, look: Look, since: str | None) -> None:
    """Page whoever is due, in the ladder's order, and show the pages that were made without this run.

    `since` is the time of the last thing that an earlier run has shown; later pages and pages under way are shown.
    """
    for move in look.due("page"):
        driver.begin(move.key, partial(page, move.title, driver, move), move)
    begin_moves(driver, look.due("skip-rung", "no-receipt", "stop-escalation"))
    for made in look.incident["pages"]:
        if _is_news(driver, made, since):
            name = f"page {made['contact']} by {made['channel']} (rung {made['rung']})"
            driver.begin_once(made["message_id"], partial(watch_page, name, driver, made))
    if look.incident["status"] == Status.DECLARED:
        called = look.incident["round"]
        name = f"wait: somebody takes charge (round {called})"
        driver.begin_once(name, partial(wait_for_charge, name, driver, called))
    for call in look.incident.get("escalations", ()):
        if call["live"] and call["kind"] in WAITS:
            waits_for = f"wait: {WAITS[call['kind']]} ({call['id']})"
            driver.begin_once(waits_for, partial(wait_for_answer, waits_for, driver, call["id"]))


@Visible
async def page(name: str, driver: Driver, move: Move) -> Shown:
    """Ask for the page and wait until it is known what became of it."""
    outcome = await driver.make(move)
    if not outcome.made:
        return not_made(outcome.sentence)
    fates = [await driver.fate(message_id) for message_id in outcome.messages]
    return worst([what_became_of_it(fate) for fate in fates]) if fates else done(outcome.sentence)


@Visible
async def watch_page(name: str, driver: Driver, made: PageObject) -> Shown:
    """A page that the engine made: in the declaration's own commit, or because no run was there in time."""
    return what_became_of_it(await driver.fate(made["message_id"]))


@Visible
async def wait_for_charge(name: str, driver: Driver, called: int) -> Shown:
    """Wait until somebody has taken charge, or nobody is called any more."""
    sentence = await driver.until(lambda incident: who_took_charge(incident, called))
    return done(sentence) if sentence else left_open("nobody has taken charge yet")


@Visible
async def wait_for_answer(name: str, driver: Driver, escalation: str) -> Shown:
    """Wait until somebody has answered one calling, or its cause has gone."""
    sentence = await driver.until(lambda incident: how_it_was_answered(incident, escalation))
    return done(sentence) if sentence else left_open("nobody has answered yet")


def how_it_was_answered(incident: IncidentObject, escalation: str) -> str | None:
    """How one calling ended, as a sentence; None while it goes on."""
    call = next((each for each in incident.get("escalations", ()) if each["id"] == escalation), None)
    if call is None or call["live"]:
        return None if call is not None else "it is gone"
    question = next((each for each in incident.get("questions", ()) if each["id"] == escalation), None)
    if question is not None:
        return f"{question['answered_by']} said {question['answer']}" if question["answer"] else "it expired unanswered"
    return f"{call['answered_by']} has answered" if call["answered_by"] else "it is not needed any more"


def who_took_charge(incident: IncidentObject, called: int) -> str | None:
    """How the wait of one round ended, as a sentence; None while it goes on."""
    if incident["status"] == Status.DECLARED and incident["round"] == called:
        return None
    if incident["round"] != called:
        return f"round {incident['round']} calls from the first rung again"
    if incident["commander"]:
        return f"{incident['commander']} has taken charge"
    return f"the incident is {incident['status']}"


def what_became_of_it(fate: Fate | None) -> Shown:
    """The fate of a page as the state of its task run."""
    if fate is None:
        return left_open("on its way when this run ended")
    match fate.state:
        case "delivered" | "read":
            return done(f"{fate.state} by {fate.channel}")
        case "sent":
            return Completed(name="Sent", message="the provider has it; no receipt so far")
        case "stale":
            return Completed(name="Stale", message="not sent: it was not needed any more")
        case "failed":
            return Failed(message=f"failed: {fate.failure}" if fate.failure else "failed")
        case "unknown":
            return Failed(name="Unknown", message="nobody knows whether it left; counted as failed")
        case _:
            return left_open(f"{fate.state} when this run ended")


def worst(states: list[Shown]) -> Shown:
    """A page of several messages failed when one of them did."""
    return next((state for state in states if state.is_failed()), states[0])


def _is_news(driver: Driver, made: PageObject, since: str | None) -> bool:
    if driver.driving.number == 1:
        return True
    return not _is_over(made) or (since is not None and made["requested_at"] > since)


def _is_over(made: PageObject) -> bool:
    return made["state"] in FATES or made["state"] == "sent"
