"""`respond` on a real Prefect server and in a real worker process, against the fake engine."""

import signal
from collections.abc import Callable

import pytest

from engine.client import Address, SyncEngineClient, drive
from tests.flows.conftest import PrefectPages, Worker, eventually
from tests.support.fake_engine import FakeEngine, FakeIncident
from tests.support.prefect_server import PrefectServer

pytestmark = [pytest.mark.counterparty("prefect"), pytest.mark.prefect, pytest.mark.slow]


LATER = "2026-11-21T10:00:00.000Z"


def when_made(incident: FakeIncident) -> None:
    eventually(lambda: not incident.due, f"what is due for {incident.id} is made")


def when_left(incident: FakeIncident) -> None:
    eventually(lambda: incident.driver is None, f"the run of {incident.id} has ended")


def ended(prefect: PrefectPages, run: str) -> tuple[str, str]:
    """The final state of a run, and its message."""
    eventually(lambda: prefect.run(run)["end_time"], f"Prefect knows the end of {run}")
    state = prefect.run(run)["state"]
    return state["name"], state["message"]


def shown(prefect: PrefectPages, run: str, task: str, state: str) -> str:
    """The message of a task run, once Prefect shows it in this state."""
    eventually(lambda: prefect.tasks(run).get(task, ("",))[0] == state, f"{task!r} is {state}")
    return prefect.tasks(run)[task][1]


def test_a_person_watches_the_crisis_plan_in_prefects_pages(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker]
) -> None:
    start_worker(linger=1)
    incident = engine.declare("INC-7", drill=True)
    incident.page_now("ana")
    incident.owe_page("ben", "voice", rung=2, fate="failed")
    incident.owe_page("cto", "slack", rung=2, fate="stale")
    when_made(incident)
    run = prefect.run("INC-7 · 1")

    assert {"incident:INC-7", "SEV2", "SERVICE_OUTAGE", "drill"} == set(run["tags"])
    assert run["state"]["type"] == "RUNNING"
    assert shown(prefect, "INC-7 · 1", "page ana by sms (rung 1)", "Completed") == "delivered by sms"
    assert shown(prefect, "INC-7 · 1", "page ben by voice (rung 2)", "Failed") == "failed: busy"
    assert "not needed any more" in shown(prefect, "INC-7 · 1", "page cto by slack (rung 2)", "Stale")
    shown(prefect, "INC-7 · 1", "wait: somebody takes charge (round 1)", "Running")

    incident.acknowledged("ana")
    incident.owe("open-step", "confirm-scope", "step: Confirm the scope")
    incident.owe("open-step", "rollback", "step: Roll back")
    incident.owe("ask-decision", "regions", "decide: Which regions?")
    incident.owe("summary", "1", "executive summary 1")
    incident.owe("start-escalation", "step-rollback", "overdue: step rollback")
    when_made(incident)

    assert shown(prefect, "INC-7 · 1", "wait: somebody takes charge (round 1)", "Completed") == "ana has taken charge"
    shown(prefect, "INC-7 · 1", "step: Roll back", "Running")
    shown(prefect, "INC-7 · 1", "executive summary 1", "Completed")
    shown(prefect, "INC-7 · 1", "overdue: step rollback", "Completed")

    incident.step_done("confirm-scope", "ana", "2,300 customers")
    incident.decided("regions", "all", "ben")
    incident.happens("Resolved", "ana: resolved", "ana", status="resolved", resolved_at=LATER)
    shown(prefect, "INC-7 · 1", "wait: recovery is confirmed from the customers' side", "Running")
    incident.happens("RecoveryConfirmed", "ana: confirmed", "ana", confirmed_at=LATER)
    incident.owe("ask-decision", "compensation", "decide: What do the customers get?")
    when_made(incident)
    shown(prefect, "INC-7 · 1", "decide: compensation", "Running")
    incident.decided("compensation", "5 EUR each", "cfo")
    shown(prefect, "INC-7 · 1", "wait: the customers are told the outcome", "Running")
    incident.happens("CustomersInformed", "ana told the customers", "ana", informed_at=LATER)
    incident.happens("Closed", "closed", "ana", status="closed")
    when_left(incident)

    assert ended(prefect, "INC-7 · 1") == ("Completed", "closed")
    assert shown(prefect, "INC-7 · 1", "step: Confirm the scope", "Completed") == "done by ana: 2,300 customers"
    assert shown(prefect, "INC-7 · 1", "step: Roll back", "Open") == "neither done nor skipped yet"
    assert shown(prefect, "INC-7 · 1", "decide: Which regions?", "Completed") == "all (by ben)"
    assert shown(prefect, "INC-7 · 1", "decide: compensation", "Completed") == "5 EUR each (by cfo)"
    assert (
        shown(prefect, "INC-7 · 1", "wait: the customers are told the outcome", "Completed") == "ana told the customers"
    )
    assert "| closed |" in prefect.artifact("inc-7-timeline")
    assert len(prefect.runs("INC-7")) == 1


def test_a_run_parks_when_nothing_is_due_and_the_next_due_move_gets_a_new_one(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker]
) -> None:
    start_worker(linger=0.5)
    incident = engine.declare("INC-8")
    incident.owe_page("ana")
    when_made(incident)
    when_left(incident)

    assert ended(prefect, "INC-8 · 1") == ("Completed", "parked")
    assert shown(prefect, "INC-8 · 1", "wait: somebody takes charge (round 1)", "Open") == "nobody has taken charge yet"

    incident.owe_page("ben", rung=2)
    when_made(incident)
    when_left(incident)

    assert ended(prefect, "INC-8 · 2") == ("Completed", "parked")
    assert "page ben by sms (rung 2)" in prefect.tasks("INC-8 · 2")
    assert "page ana by sms (rung 1)" not in prefect.tasks("INC-8 · 2")


def test_a_run_that_another_one_replaced_makes_nothing_and_ends(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    incident = engine.declare("INC-9")
    incident.owe_page("ana")
    when_made(incident)
    SyncEngineClient(Address.of_home(engine.home)).ask(drive("INC-9", "elsewhere", "another-run"))
    incident.owe_page("ben", rung=2)

    assert ended(prefect, "INC-9 · 1") == ("Completed", "stale: another run drives")
    assert "another run drives" in shown(prefect, "INC-9 · 1", "page ben by sms (rung 2)", "NotMade")
    assert len(incident.asked) == 1
    assert incident.driver == ("elsewhere", "another-run")


def test_a_run_waits_for_an_engine_that_is_away(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker()
    incident = engine.declare("INC-10")
    incident.owe_page("ana")
    when_made(incident)
    engine.away = True
    incident.owe_page("ben", rung=2)
    eventually(lambda: "the engine does not hear us" in worker.said, "the worker says that the engine is away")
    engine.away = False
    when_made(incident)

    shown(prefect, "INC-10 · 1", "page ben by sms (rung 2)", "Completed")
    assert len(prefect.runs("INC-10")) == 1


@pytest.mark.parametrize("order", ["pipe", "SIGTERM"])
def test_a_worker_that_is_told_to_stop_parks_its_runs_first(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker], order: str
) -> None:
    worker = start_worker()
    incident = engine.declare(f"INC-11{len(order)}")
    incident.owe("open-step", "confirm-scope", "step: Confirm the scope")
    when_made(incident)
    if order == "SIGTERM":
        worker.child.send_signal(signal.SIGTERM)
        assert worker.child.wait(60) == 0
    else:
        assert worker.stop() == 0

    assert incident.driver is None
    assert ended(prefect, f"{incident.id} · 1") == ("Completed", "parked: the worker stops")
    shown(prefect, f"{incident.id} · 1", "step: Confirm the scope", "Open")


def test_the_runs_of_a_killed_worker_are_crashed_and_the_next_worker_goes_on(
    engine: FakeEngine, prefect: PrefectPages, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker()
    incident = engine.declare("INC-12")
    incident.owe("open-step", "confirm-scope", "step: Confirm the scope")
    when_made(incident)
    shown(prefect, "INC-12 · 1", "step: Confirm the scope", "Running")
    worker.child.kill()
    worker.child.wait(30)
    incident.driver = None  # as the engine sees it 6 s after the last heartbeat
    incident.owe_page("ana")
    start_worker()
    when_made(incident)

    assert ended(prefect, "INC-12 · 1")[0] == "Crashed"
    assert "its worker was killed" in shown(prefect, "INC-12 · 1", "step: Confirm the scope", "Crashed")
    shown(prefect, "INC-12 · 2", "step: Confirm the scope", "Running")
    shown(prefect, "INC-12 · 2", "page ana by sms (rung 1)", "Completed")


@pytest.mark.timeout(400)
def test_a_prefect_server_may_come_late_and_die_while_a_run_drives(
    engine: FakeEngine, prefect_server: PrefectServer
) -> None:
    server = PrefectServer(engine.home)
    worker = Worker(engine.home, server.api_url)
    try:
        incident = engine.declare("INC-13")
        incident.owe_page("ana")
        eventually(lambda: "Prefect is away" in worker.said, "the worker says that Prefect is away")
        assert not incident.driver
        server.start()
        when_made(incident)

        server.kill()
        incident.owe_page("ben", rung=2)
        incident.owe("open-step", "confirm-scope", "step: Confirm the scope")
        when_made(incident)
        incident.step_done("confirm-scope", "ana")
        incident.owe_page("cto", rung=3)
        when_made(incident)
        assert len(incident.asked) == 4

        server.start()
        other = engine.declare("INC-14", severity="SEV1")
        other.owe_page("ana")
        eventually(lambda: not other.due, "a new incident gets a run again", within=120)
        assert PrefectPages(server.api_url).run("INC-14 · 1")["name"] == "INC-14 · 1"
        incident.owe_page("ceo", rung=4)
        when_made(incident)
        assert worker.stop() == 0
    finally:
        worker.end()
        server.kill()
