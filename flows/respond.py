"""`respond`: the crisis plan as a Prefect flow, from the first page to the compensation decision.

It reads top to bottom as the plan does. What is due, for whom and when is decided by the engine from the incident's log
(`runbooks.next_moves`); each pass looks again, so a run that is killed, parked or replaced loses nothing.
"""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.aboard import driving
from flows.call_people import call_people
from flows.decide_compensation import decide_compensation
from flows.keep_informed import keep_people_informed
from flows.run_card import introduce
from flows.timeline import Timeline
from flows.visible import begin_the_rest
from flows.work_runbook import confirm_recovery, work_the_runbook


@flow(name="respond", persist_result=False, validate_parameters=False, log_prints=False)
async def respond(incident: str, since: str | None = None) -> State[None]:
    """See one incident through. Ends `Completed` when it has ended, when nothing is due for a while (parked: the next
    due move gets a new run), or when another run drives.

    `since` is when an earlier run of this incident last showed something, so that its pages are not shown again.
    """
    timeline = Timeline()
    async with driving(incident, flow_run.get_id() or "by-hand") as driver:
        introduce(driver)
        async for look in driver.looks():
            call_people(driver, look, since)  # in order, until somebody has taken charge
            work_the_runbook(driver, look)
            keep_people_informed(driver, look)
            confirm_recovery(driver, look)
            decide_compensation(driver, look)
            begin_the_rest(driver, look)
            timeline.show(look.incident)
    await timeline.finish()
    return Completed(message=driver.ending)
