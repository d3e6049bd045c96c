"""For every invariant of architecture.md a planted fault: its guard taken out of a copy must make a named test fail.

A row names the invariant, the file, the guard's text, what stands there instead, and the test that has to notice. A
text that is not found (or stands there twice) fails too, so that the table cannot rot. To add a row, add a line.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.invariants.complaints import COMPLAINTS
from tests.invariants.planting import ROOT, Fault, copy_of, pytest_in, run

PAGING = "tests/acceptance/test_paging.py::"
STORY = "tests/acceptance/test_story.py::"
CLOCKS = "tests/acceptance/test_clocks.py::"
REACHING = "tests/acceptance/test_reaching.py::"
MONEY = "tests/acceptance/test_money.py::"
DOOR = "tests/engine/test_door.py::"
NOISE = "tests/engine/test_noise.py::"

FAULTS = (
    # 1 A declaration commits its first page; a trigger that nobody has taken pages.
    Fault(
        1,
        "engine/door.py",
        '        self._perform(tx, change, now, "engine", self._everything)\n        self._notices',
        "        self._notices",
        STORY + "test_the_first_page_is_in_the_declarations_own_commit",
    ),
    Fault(
        1,
        "engine/intake.py",
        "return incident.commander is not None or incident.live_round is not None",
        "return True",
        STORY + "test_a_trigger_after_the_machine_stopped_the_calls_calls_again_whatever_else_is_due",
    ),
    # 1 What is kept or folded away loses nothing: the first of anything new, and what still fires after a silence.
    Fault(
        1,
        "signals/noise.py",
        "    return known is None or now - known.last_at > REMEMBERED or severity.is_worse_than(known.severity)\n",
        "    return False\n",
        NOISE + "test_of_a_storm_the_first_of_anything_new_is_an_incident_that_pages",
    ),
    Fault(
        1,
        "engine/expectations.py",
        "        for row in store.held_to_look_at(tx, now, AT_ONCE):\n",
        "        for row in store.held_to_look_at(tx, now, 0):\n",
        NOISE + "test_a_silenced_signal_that_still_fires_is_heard_when_the_silence_ends",
    ),
    # 3 What may be a second copy is marked, and is sent only when no other channel is left.
    Fault(
        3,
        "runbooks/reach.py",
        "1, again_at, beat=self.latest.beat, possible_duplicate=True)",
        "1, again_at, beat=beat)",
        PAGING + "test_after_an_unknown_outcome_the_same_channel_is_repeated_marked_only_when_no_other_is_left",
    ),
    # 4 After an acknowledgement nothing of that ladder is claimed.
    Fault(
        4,
        "engine/door.py",
        "            self._stale(tx, change, now)\n",
        "",
        PAGING + "test_pages_that_have_not_left_when_somebody_answers_never_leave",
    ),
    Fault(
        4,
        "storage/outbox.py",
        " AND state = 'pending' RETURNING",
        " RETURNING",
        "tests/storage/test_outbox.py::test_a_stale_row_is_never_claimed",
    ),
    Fault(
        4,
        "incidents/state.py",
        "return self.answered_at is None and self.stopped_at is None",
        "return self.stopped_at is None",
        PAGING + "test_an_answer_stops_everything_and_the_others_are_told",
    ),
    # 5 It never ends in silence.
    Fault(
        5,
        "runbooks/ladder.py",
        "    receipt = missing_receipt(latest, view.now) or Standing()\n",
        "    receipt = missing_receipt(latest, view.now) or Standing()\n"
        "    if len(tries) > 5:\n        return receipt\n",
        PAGING + "test_nobody_answers_for_two_days_and_it_never_ends_in_silence",
    ),
    # 6 After downtime nothing stale is sent, and no volley.
    Fault(
        6,
        "runbooks/ladder.py",
        "return max(wait, LATE) if first.requested_at - first.due_at >= LATE else wait",
        "return wait",
        PAGING + "test_after_downtime_one_rung_is_called_and_the_next_no_sooner_than_a_minute_later",
    ),
    # 7 A failed delivery moves on at once.
    Fault(
        7,
        "runbooks/reach.py",
        "    instead, exhausted = call.replacements()\n",
        "    instead, exhausted = [], False\n",
        PAGING + "test_a_failed_delivery_moves_on_at_once_to_the_next_channel",
    ),
    Fault(
        7,
        "runbooks/reach.py",
        " or repeated or reached:\n            return Standing(spent_at=failed_at, departed_at=departed)\n",
        " or repeated or reached:\n            return Standing(departed_at=failed_at)\n",
        PAGING + "test_when_no_channel_is_left_the_next_rung_is_called_at_once",
    ),
    Fault(
        7,
        "runbooks/reach.py",
        "    if give_up_at <= now:\n",
        "    if give_up_at <= page.requested_at:\n",
        PAGING + "test_a_page_without_a_receipt_for_a_minute_counts_as_failed",
    ),
    # 8 Severity falls only by a person with a reason.
    Fault(
        8,
        "incidents/decide.py",
        'if not rises and not command.by.startswith("person:"):',
        "if False:",
        STORY + "test_only_a_person_with_a_reason_lowers_the_severity",
    ),
    Fault(
        8,
        "incidents/decide.py",
        "if not new or severity is None or not severity.is_worse_than(incident.severity):",
        "if not new or severity is None:",
        "tests/incidents/test_impact.py::test_a_better_answer_is_recorded_and_lowers_nothing",
    ),
    Fault(
        8,
        "incidents/evolve.py",
        "unraised=event.new, impact=weighed)",
        "unraised=event.new)",
        "tests/incidents/test_impact.py::test_what_a_person_has_lowered_stays_low_until_something_new_is_answered",
    ),
    # 9 CLOSED needs everything.
    Fault(
        9,
        "incidents/decide.py",
        "            if missing:\n",
        "            if False:\n",
        STORY + "test_the_whole_story_from_the_alert_to_closed",
    ),
    Fault(
        9,
        "incidents/state.py",
        "    if incident.compensation is None:\n",
        "    if False:\n",
        STORY + "test_the_whole_story_from_the_alert_to_closed",
    ),
    Fault(
        9,
        "incidents/state.py",
        "    if incident.informed_at is None:\n",
        "    if False:\n",
        STORY + "test_the_whole_story_from_the_alert_to_closed",
    ),
    Fault(
        9,
        "incidents/decide.py",
        "if heard and not told and incident.informed_at is None and not incident.drill:",
        "if False:",
        "tests/incidents/test_impact.py::test_customers_who_were_told_of_it_are_told_that_it_was_nothing",
    ),
    # 10 Money needs authority and a second person; an edit voids; silence decides nothing.
    Fault(
        10,
        "incidents/decide.py",
        "if proposal.requester == command.contact:",
        "if False:",
        MONEY + "test_above_the_limit_two_people_are_needed_whatever_the_authority_of_the_first",
    ),
    Fault(
        10,
        "incidents/decide.py",
        "if command.grant is not None and not command.needs_four_eyes:",
        "if command.grant is not None:",
        MONEY + "test_above_the_limit_two_people_are_needed_whatever_the_authority_of_the_first",
    ),
    Fault(
        10,
        "incidents/decide.py",
        "if proposal.document != command.document:",
        "if False:",
        MONEY + "test_an_edit_voids_the_approval_of_what_stood_there_before",
    ),
    Fault(
        10,
        "incidents/decide.py",
        "    if command.grant is None:\n        able",
        "    if False:\n        able",
        MONEY + "test_an_approval_needs_authority_that_covers_it",
    ),
    Fault(
        10,
        "contacts/authority.py",
        "limit.currency != per_customer.currency or limit.amount < wanted",
        "limit.currency != per_customer.currency",
        MONEY + "test_beyond_their_authority_they_propose_to_somebody_who_has_it",
    ),
    Fault(
        10,
        "incidents/decide.py",
        'if command.if_silent == "yes" and command.about != "other":',
        "if False:",
        REACHING + "test_silence_never_approves_money_or_text",
    ),
    Fault(
        10,
        "incidents/decide.py",
        "approval = c.ApproveCompensation(command.contact, asked.document, command.grant, command.who_can)",
        "approval = c.ApproveCompensation(command.contact, asked.document, 'any', command.who_can)",
        REACHING + "test_nobody_approves_money_by_a_yes_without_the_authority",
    ),
    # 11 A drill reaches only those who opted in.
    Fault(
        11,
        "contacts/directory.py",
        "        if drill and not self.drills:\n",
        "        if False:\n",
        PAGING + "test_a_drill_reaches_only_consoles_and_those_who_opted_in",
    ),
    Fault(
        11,
        "engine/compose.py",
        '"console" if incident.drill else channel',
        "channel",
        DOOR + "test_a_drills_update_goes_to_the_console_wherever_the_plan_publishes",
    ),
    # 12 Which text left, by its hash; no personal data in the log.
    Fault(
        12,
        "engine/door.py",
        "                text_sha256=digest(row.text),\n",
        '                text_sha256="",\n',
        DOOR + "test_the_log_says_by_its_hash_which_text_was_paged",
    ),
    Fault(
        12,
        "runbooks/moves.py",
        "        contact=move.contact,\n        contact_index",
        "        contact=move.to,\n        contact_index",
        DOOR + "test_the_log_carries_no_number_of_anybody",
    ),
    # 13 What is refused changes nothing; what fails, fails alone.
    Fault(
        13,
        "storage/database.py",
        '                connection.execute("ROLLBACK TO work")\n',
        "                pass\n",
        "tests/storage/test_database.py::test_a_failing_work_leaves_nothing_of_itself",
    ),
    Fault(
        13,
        "engine/door.py",
        "        if cached is None or cached.version != version:\n",
        "        if cached is None:\n",
        DOOR + "test_what_fails_with_its_transaction_has_not_happened_even_in_the_doors_own_memory",
    ),
    # 14 With no Prefect at all the engine makes every move.
    Fault(
        14,
        "engine/door.py",
        "        if not driven and not self._is_attended():\n            return self._everything\n",
        "",
        DOOR + "test_without_any_run_the_engine_makes_every_move_at_once",
    ),
    # 15 Disk full: signals are refused, answers and pages go on.
    Fault(
        15,
        "storage/database.py",
        "        if droppable and (self.disk_full or ",
        "        if droppable and (",
        "tests/storage/test_database.py::test_with_a_full_disk_signals_are_refused_and_everything_else_goes_on",
    ),
    Fault(
        15,
        "storage/database.py",
        "            return self._commit_without_signals(works)\n",
        "            return [_Outcome(work, error=Overloaded('The disk is full.', 30)) for work in works]\n",
        "tests/storage/test_database.py::test_a_disk_that_fills_up_gives_back_the_ballast_and_refuses_only_signals",
    ),
    # 17 Every event says who made it.
    Fault(
        17,
        "engine/door.py",
        "            self._perform(tx, change, now, by, lambda",
        '            self._perform(tx, change, now, "engine", lambda',
        DOOR + "test_a_flow_makes_the_move_it_asks_for_and_the_log_says_so",
    ),
)


@pytest.fixture(scope="module")
def copies(request, tmp_path_factory):
    """What became of each fault's test on a copy with the fault. Two run at a time, unless xdist does that already."""
    folder = tmp_path_factory.mktemp("copies")
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield lambda fault: run(folder / f"{FAULTS.index(fault)}", fault)
        return
    with ThreadPoolExecutor(2) as pool:
        asked_for = [item.callspec.params.get("fault") for item in request.session.items if hasattr(item, "callspec")]
        wanted = [fault for fault in FAULTS if fault in asked_for]
        runs = {fault: pool.submit(run, folder / f"{number}", fault) for number, fault in enumerate(wanted)}
        yield lambda fault: runs[fault].result()


@pytest.mark.parametrize("fault", [*FAULTS, *(each.fault for each in COMPLAINTS)], ids=lambda fault: fault.name)
def test_the_guard_of_a_planted_fault_stands_once(fault):
    """Quick, so that whoever moves a guard learns of it on this change and not in the gate."""
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.guard) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_without_its_guard_the_invariant_is_seen_to_break(copies, fault):
    exit_code, said = copies(fault)
    assert exit_code == 1, f"{fault.noticed_by} does not notice:\n{said}"
    assert "failed" in said


@pytest.mark.slow
def test_with_every_guard_in_place_a_copy_is_well(tmp_path):
    """Otherwise the failures above would prove nothing."""
    exit_code, said = pytest_in(copy_of(tmp_path / "whole"), *dict.fromkeys(fault.noticed_by for fault in FAULTS))
    assert exit_code == 0, said
