"""What users of other tools complain about, and why it cannot happen here: one row a complaint.

The numbers are those of the peer study (shared/design/peers.md, section 3). Each row names the test that shows it, and
the feature that has to be switched off for that test to fail. docs/complaints.md shows this table, and a test compares.
"""

from dataclasses import dataclass

from tests.invariants.planting import Fault

PAGING = "tests/acceptance/test_paging.py::"
REACHING = "tests/acceptance/test_reaching.py::"
SCHEDULES = "tests/contacts/test_schedules.py::"


@dataclass(frozen=True)
class Complaint:
    number: int
    said: str
    here: str
    fault: Fault


def _row(number: int, said: str, here: str, file: str, guard: str, instead: str, noticed_by: str) -> Complaint:
    return Complaint(number, said, here, Fault(number, file, guard, instead, noticed_by))


COMPLAINTS = (
    _row(
        1,
        "An escalation never went on after a wait, or after a restart.",
        "Every wait is computed from recorded facts: a restart at any moment changes nothing of what is called.",
        "runbooks/ladder.py",
        "            rung_due = where.departed_at + _wait_after(pages, rung.wait)\n",
        "            rung_due = view.now + _wait_after(pages, rung.wait)\n",
        PAGING + "test_a_restart_at_any_moment_changes_nothing_of_what_is_called",
    ),
    _row(
        2,
        "The phone had no signal for a minute, and nobody called again.",
        "A channel ladder repeats as often as the plan says, and the last rung repeats until somebody answers.",
        "runbooks/reach.py",
        "        for turn in range(beat.times + 1 if beat.every is not None else 1):\n",
        "        for turn in range(1):\n",
        REACHING + "test_push_and_sms_come_at_once_and_the_telephone_rings_a_minute_later_again_and_again",
    ),
    _row(
        3,
        "Somebody had no channel for important pages, so it went past them.",
        "Whoever lacks the first channels of a ladder is called by their next ones at once; `tocsin check` names them.",
        "runbooks/reach.py",
        "        if not here:\n            continue\n",
        "",
        REACHING + "test_whoever_lacks_the_first_channels_is_called_by_the_next_at_once",
    ),
    _row(
        4,
        "One's own waiting steps are silently cut off by the next step of the chain.",
        "The calls to one person go on when the next rung is called.",
        "runbooks/ladder.py",
        "        where = _rung_standing(view, number, pages, rung.repeat)\n        due.extend(where.due)\n",
        "        where = _rung_standing(view, number, pages, rung.repeat)\n"
        "        due.extend(() if view.has_left(number) else where.due)\n",
        REACHING + "test_the_calls_to_one_person_go_on_when_the_next_rung_is_called",
    ),
    _row(
        5,
        "A broken contact on the step stopped everybody's page.",
        "Each person of a rung is called by themselves; what fails for one costs the others nothing.",
        "runbooks/ladder.py",
        "else max(spent) if len(spent) == len(each) else None",
        "else max(spent) if spent else None",
        REACHING + "test_somebody_whose_every_page_fails_costs_the_others_on_their_rung_nothing",
    ),
    _row(
        6,
        "Paged again after the answer.",
        "An answer makes what has not left stale, in its own transaction; the pager claims only what is still wanted.",
        "engine/door.py",
        "            self._stale(tx, change, now)\n",
        "",
        PAGING + "test_pages_that_have_not_left_when_somebody_answers_never_leave",
    ),
    _row(
        8,
        "Acknowledged at night, and forgotten.",
        "An acknowledgement expires by severity: its owner is reminded first, then the ladder is called.",
        "runbooks/callings.py",
        "    at = incident.heard_at + expires\n",
        "    at = incident.heard_at + 1000 * expires\n",
        REACHING + "test_an_acknowledgement_that_was_forgotten_is_asked_about_and_then_the_ladder_is_called",
    ),
    _row(
        9,
        "A step with nobody on call still waits its delay.",
        "A rung on which nobody can be paged is skipped at once, with its reason.",
        "runbooks/ladder.py",
        "            continue\n        if not pages:\n            if rung_due > now:\n",
        "            rung_due += rung.wait\n            continue\n        if not pages:\n"
        "            if any(not view.pages_on(each) and each not in escalation.skipped for each in range(1, number)):\n"
        "                return Moves(tuple(due), None)\n            if rung_due > now:\n",
        PAGING + "test_a_rung_on_which_nobody_stands_is_skipped_at_once_with_its_reason",
    ),
    _row(
        10,
        "Nobody was on call; the next one on call never heard of it.",
        "Whoever comes on duty on a rung that was skipped is paged then.",
        "runbooks/ladder.py",
        "    if not any(each.contacts for each in found):\n",
        "    if found:\n",
        REACHING + "test_a_rung_with_nobody_on_duty_does_not_wait_and_whoever_comes_on_duty_is_called_then",
    ),
    _row(
        11,
        "Gaps, overlaps and shifts an hour off when the clocks change.",
        "Rotations and windows are wall time of their zone, made moments in one place.",
        "contacts/walltime.py",
        "    return None if offsets or offset is None else _EPOCH.replace(tzinfo=None) + offset\n",
        "    return _EPOCH.replace(tzinfo=None) + (offset or max(offsets))\n",
        SCHEDULES + "test_a_hand_over_in_the_skipped_hour_takes_place_at_the_jump",
    ),
    _row(
        12,
        "The rotation was attached and not the schedule, so overrides were ignored.",
        "A ladder can name a schedule only as a whole; its overrides have the last word.",
        "contacts/schedules.py",
        "for override in reversed(schedule.overrides)]",
        "for override in ()]",
        SCHEDULES + "test_an_override_is_on_duty_alone_through_its_last_day",
    ),
    _row(
        13,
        "One cannot escalate from the telephone.",
        "`1e` by SMS, key 5, a button, a mail: the next rung at once, whoever else stands on one's own.",
        "runbooks/ladder.py",
        "        spent_at=min(hurried) if hurried else max(spent)",
        "        spent_at=max(spent)",
        PAGING + "test_who_escalates_does_not_wait_for_the_others_on_their_rung",
    ),
    _row(
        17,
        "One cannot test whom a route calls at a given time.",
        "`tocsin who --at '2027-03-28T02:30 Europe/Madrid' --severity SEV1`; `tocsin prove` for every minute.",
        "runbooks/trial.py",
        "    now = at\n    opened: set[int] = set()\n",
        "    now = at + timedelta(hours=12)\n    opened: set[int] = set()\n",
        "tests/runbooks/test_trial.py::test_who_would_be_called_is_asked_for_a_moment_and_not_for_now",
    ),
    _row(
        18,
        "An important alert had been broken for two months; a drill is not told from a real one.",
        "A drill goes the whole way, says so in its first word, and reaches only who agreed to drills.",
        "notifications/wording.py",
        '    return _choose(language, "DRILL", "SIMULACRO")\n',
        '    return ""\n',
        "tests/notifications/test_wording.py::test_a_drill_says_so_in_its_first_word",
    ),
    _row(
        20,
        "One provider, and it was down; a public address is not allowed.",
        "Providers are a list a channel, tried in turn; Slack and mail bring answers without a public address.",
        "contacts/directory.py",
        "        return self.providers.get(kind) or (PROVIDERS[kind],)\n",
        "        return (PROVIDERS[kind],)\n",
        REACHING + "test_when_a_provider_is_down_the_other_one_carries_the_same_page_at_once",
    ),
    _row(
        23,
        "Forty teams need forty copies of the same chain; a plain mail address cannot stand in one.",
        "`area:*` in one ladder is whoever answers for the incident's area; e-mail is a channel like any other.",
        "contacts/directory.py",
        '                wanted = self.occasion.area if name == "*" else name\n',
        "                wanted = name\n",
        REACHING + "test_the_area_of_the_incident_answers_for_it",
    ),
)
