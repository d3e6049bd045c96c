"""Keeping people informed: summaries on their cadence, and the status update that is owed next."""

from functools import partial

from engine.client import IncidentObject
from flows.driver import Driver, Look
from flows.visible import Shown, Visible, begin_moves, done, left_open
from flows.work_runbook import calls_about, who


def keep_people_informed(driver: Driver, look: Look) -> None:
    """Send the executive summary when it is due, call about an overdue update, and wait for the one that is owed."""
    begin_moves(driver, look.due("summary"))
    begin_moves(driver, tuple(move for move in look.due("start-escalation") if calls_about(move, "update")))
    if owed_by := look.incident["next_update_by"]:
        number = len(look.incident["updates"]) + 1
        name = f"update {number}: owed by {owed_by[11:16]} UTC"
        driver.begin_once(f"update {number}", partial(wait_for_update, name, driver, number))


@Visible
async def wait_for_update(name: str, driver: Driver, number: int) -> Shown:
    """Wait until update `number` (from 1) is out, or none is owed any more."""
    sentence = await driver.until(lambda incident: what_was_said(incident, number))
    return done(sentence) if sentence else left_open("not out yet")


def what_was_said(incident: IncidentObject, number: int) -> str | None:
    """How the wait for update `number` ended, as a sentence; None while it is owed."""
    updates = incident["updates"]
    if len(updates) >= number:
        said = updates[number - 1]
        return f"to {said.get('audience', 'everybody')} by {who(said.get('by'))}: {said.get('text', '')}"
    return None if incident["next_update_by"] else "no update is owed any more"
