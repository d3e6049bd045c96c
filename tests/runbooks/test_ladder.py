"""Who is paged next on one ladder: each rule alone, on the pure function."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from incidents import events as e
from incidents.evolve import fold
from incidents.severity import Severity
from incidents.state import Incident
from runbooks.ladder import ladder_moves
from runbooks.moves import GiveUpOnReceipt, Moves, PageContact, SkipRung
from runbooks.plan import Backoff
from tests.support.plans import everybody, rung, someone

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = everybody(someone("cleo", "sms"))
RUNGS = (rung("ana"), rung("bob"))


class Ladder:
    """One round of one incident; `asks` says what is due at a time, as pages or other moves in short."""

    def __init__(self, *rungs, last=("dora",), again=None, people=PEOPLE, drill=False):
        self.rungs, self.last, self.people = rungs or RUNGS, last, people
        self.again = again or Backoff(every=timedelta(minutes=5), at_most=timedelta(minutes=30))
        declared = e.IncidentDeclared(
            at=START,
            by="x",
            id="INC-1",
            title="t",
            severity=Severity.SEV1,
            situation="S",
            plan_version="p",
            drill=drill,
        )
        started = e.EscalationStarted(
            at=START, by="x", escalation="1", escalation_kind=e.EscalationKind.ROUND, subject="round 1", because="b"
        )
        self.log: list[e.Event] = [declared, started]

    @property
    def state(self) -> Incident:
        state = fold(self.log)
        assert state is not None
        return state

    def moves(self, seconds: float) -> Moves:
        now = START + timedelta(seconds=seconds)
        state = self.state
        return ladder_moves(state, state.escalations["1"], self.rungs, self.last, self.again, self.people, now)

    def asks(self, seconds: float) -> list[str]:
        return [_short(move) for move in self.moves(seconds).due]

    def wakes(self, seconds: float) -> float | None:
        wake = self.moves(seconds).wake_at
        return None if wake is None else (wake - START).total_seconds()

    def requested(self, contact, channel, *, rung=1, index=1, attempt=1, at=0.0, due=None, receipt=True, copy=False):
        self.log.append(
            e.PageRequested(
                at=START + timedelta(seconds=at),
                by="engine",
                message_id=f"r{rung}.c{index}.{attempt}",
                escalation="1",
                rung=rung,
                contact=contact,
                contact_index=index,
                attempt=attempt,
                channel=channel,
                due_at=START + timedelta(seconds=at if due is None else due),
                expects_receipt=receipt,
                possible_duplicate=copy,
            )
        )
        return self

    def sent(self, message, at=0.0):
        self.log.append(e.PageSent(at=START + timedelta(seconds=at), by="p", message_id=message))
        return self

    def delivered(self, message, at=0.0):
        self.sent(message, at)
        self.log.append(e.PageDelivered(at=START + timedelta(seconds=at), by="p", message_id=message))
        return self

    def failed(self, message, failure=e.PageFailure.BUSY, at=0.0):
        self.log.append(e.PageFailed(at=START + timedelta(seconds=at), by="p", message_id=message, failure=failure))
        return self

    def proven(self, message, at=0.0):
        self.log.append(e.PageProven(at=START + timedelta(seconds=at), by="p", message_id=message))
        return self

    def passed(self, contact, at=0.0, *, escalates=False):
        self.log.append(
            e.PagePassed(at=START + timedelta(seconds=at), by="p", escalation="1", contact=contact, escalates=escalates)
        )
        return self


def only_last(*last, again=None) -> Ladder:
    """A ladder that is nothing but its last rung, as that of a direct page."""
    ladder = Ladder(last=last, again=again)
    ladder.rungs = ()
    return ladder


def _short(move) -> str:
    match move:
        case PageContact():
            copy = " again" if move.possible_duplicate else ""
            return f"r{move.rung}.c{move.contact_index}.{move.attempt} {move.contact} {move.channel}{copy}"
        case SkipRung():
            return f"skip r{move.rung}: {move.because}"
        case GiveUpOnReceipt():
            return f"give up {move.message_id}"
        case _:
            raise AssertionError(move)


def test_the_first_rung_is_due_at_once():
    assert Ladder().asks(0) == ["r1.c1.1 ana sms"]


def test_while_the_page_is_on_its_way_nothing_is_due():
    ladder = Ladder().requested("ana", "sms")
    assert (ladder.asks(3600), ladder.wakes(3600)) == ([], None)


def test_the_next_rung_is_due_its_wait_after_the_departure():
    ladder = Ladder().requested("ana", "sms").delivered("r1.c1.1", at=40)
    assert (ladder.asks(339), ladder.wakes(339)) == ([], 340)
    assert ladder.asks(340) == ["r2.c1.1 bob sms"]


def test_a_rung_waits_from_its_first_departure():
    ladder = Ladder(rung("ana", "bob"), rung("cleo"))
    ladder.requested("ana", "sms").requested("bob", "sms", index=2)
    ladder.delivered("r1.c1.1", at=10).delivered("r1.c2.1", at=200)
    assert ladder.wakes(200) == 310


@pytest.mark.parametrize("failure", e.PageFailure)
def test_every_failure_goes_to_the_next_channel_then_to_the_next_rung_at_once(failure):
    ladder = Ladder().requested("ana", "sms").sent("r1.c1.1").failed("r1.c1.1", failure, at=20)
    assert ladder.asks(20) == ["r1.c1.2 ana voice"]
    ladder.requested("ana", "voice", attempt=2, at=20).failed("r1.c1.2", failure, at=25)
    assert ladder.asks(25) == ["r2.c1.1 bob sms"]


def test_a_failure_of_one_does_not_hurry_a_rung_on_which_another_was_reached():
    ladder = Ladder(rung("cleo", "ana"), rung("bob"))
    ladder.requested("cleo", "sms").requested("ana", "sms", index=2)
    ladder.failed("r1.c1.1", at=1).delivered("r1.c2.1", at=1)
    assert (ladder.asks(2), ladder.wakes(2)) == ([], 301)


def test_a_missing_receipt_is_given_up_after_a_minute():
    ladder = Ladder().requested("ana", "sms").sent("r1.c1.1", at=5)
    assert (ladder.asks(64), ladder.wakes(64)) == ([], 65)
    assert ladder.asks(65) == ["give up r1.c1.1"]


def test_a_channel_without_receipts_owes_none():
    ladder = Ladder().requested("ana", "console", receipt=False).sent("r1.c1.1")
    assert ladder.asks(120) == []


def test_the_only_channel_is_repeated_marked_half_a_minute_after_an_unknown_outcome():
    ladder = Ladder(rung("cleo"), rung("bob")).requested("cleo", "sms").failed("r1.c1.1", e.PageFailure.UNKNOWN, at=8)
    assert ladder.asks(8) == ["r2.c1.1 bob sms"]
    ladder.requested("bob", "sms", rung=2, at=8).delivered("r2.c1.1", at=8)
    assert (ladder.asks(37), ladder.wakes(37)) == ([], 38)
    assert ladder.asks(38) == ["r1.c1.2 cleo sms again"]
    ladder.requested("cleo", "sms", attempt=2, at=38, copy=True).failed("r1.c1.2", e.PageFailure.UNKNOWN, at=46)
    assert ladder.asks(100) == []


@pytest.mark.parametrize("proof", ["proven", "delivered", "sent"])
def test_what_was_found_after_all_is_not_repeated(proof):
    ladder = Ladder(rung("cleo"), rung("bob")).requested("cleo", "sms").failed("r1.c1.1", e.PageFailure.UNKNOWN, at=8)
    ladder.requested("bob", "sms", rung=2, at=8).delivered("r2.c1.1", at=8)
    getattr(ladder, proof)("r1.c1.1", at=20)
    assert not [move for move in ladder.asks(200) if "cleo" in move]


def test_who_passes_leaves_it_to_the_others_and_who_escalates_does_not():
    def ladder():
        two = Ladder(rung("ana", "cleo"), rung("bob")).requested("ana", "sms").requested("cleo", "sms", index=2)
        return two.delivered("r1.c1.1").delivered("r1.c2.1")

    assert ladder().passed("ana", at=9).asks(9) == []
    assert ladder().passed("ana", at=9).passed("cleo", at=10).asks(10) == ["r2.c1.1 bob sms"]
    assert ladder().passed("ana", at=9, escalates=True).asks(9) == ["r2.c1.1 bob sms"]


def test_who_has_passed_is_not_called_on_a_later_rung():
    ladder = Ladder(rung("ana"), rung("bob"), rung("cleo")).requested("ana", "sms").delivered("r1.c1.1")
    ladder.passed("bob", at=1)
    assert ladder.asks(300) == ["skip r2: bob has passed", "r3.c1.1 cleo sms"]


def test_rungs_with_nobody_on_them_are_skipped_with_the_reason():
    ladder = Ladder(rung("ghost"), rung("role:captain"), rung("bob"))
    assert ladder.asks(0) == ["skip r1: ghost is nobody", "skip r2: role:captain is nobody", "r3.c1.1 bob sms"]


def test_two_references_to_one_person_are_one_page():
    assert Ladder(rung("ana", "ana", "bob")).asks(0) == ["r1.c1.1 ana sms", "r1.c3.1 bob sms"]


def test_a_rung_that_went_out_late_gives_the_next_a_minute():
    def ladder(late):
        short = Ladder(rung("ana", wait="20s"), rung("bob"))
        return short.requested("ana", "sms", at=late, due=0).delivered("r1.c1.1", at=late)

    assert ladder(59).wakes(59) == 79
    assert ladder(60).wakes(60) == 120


def test_the_last_rung_repeats_with_backoff_on_the_next_channel():
    ladder = Ladder(rung("ana"), last=("bob",)).requested("ana", "sms").delivered("r1.c1.1")
    departures, at = [], 300.0
    for attempt in range(1, 8):
        assert ladder.asks(at - 1) == []
        channel = ("sms", "voice")[(attempt - 1) % 2]
        assert ladder.asks(at) == [f"r2.c1.{attempt} bob {channel}"]
        ladder.requested("bob", channel, rung=2, attempt=attempt, at=at).delivered(f"r2.c1.{attempt}", at=at)
        departures.append(at)
        at = ladder.wakes(at)
    assert [after - before for before, after in itertools.pairwise(departures)] == [
        300,
        600,
        1200,
        1800,
        1800,
        1800,
    ]


def test_on_the_last_rung_each_persons_failure_moves_on_for_themselves():
    ladder = Ladder(rung("ana"), last=("bob", "dora")).requested("ana", "sms").failed("r1.c1.1")
    ladder.requested("ana", "voice", attempt=2).failed("r1.c1.2")
    ladder.requested("bob", "sms", rung=2).requested("dora", "sms", rung=2, index=2)
    ladder.delivered("r2.c1.1", at=1).failed("r2.c2.1", at=1)
    assert ladder.asks(1) == ["r2.c2.2 dora voice"]


def test_when_every_channel_of_the_last_rung_has_failed_it_is_tried_again_soon():
    ladder = only_last("bob").requested("bob", "sms").failed("r1.c1.1", at=1)
    ladder.requested("bob", "voice", attempt=2, at=1).failed("r1.c1.2", at=2)
    assert ladder.wakes(2) == 32
    assert ladder.asks(32) == ["r1.c1.3 bob voice"]


def test_on_the_last_rung_an_unknown_outcome_is_repeated_marked_and_not_before_the_enquiry_is_over():
    fast = Backoff(every=timedelta(seconds=5), at_most=timedelta(seconds=5))
    ladder = only_last("cleo", again=fast)
    ladder.requested("cleo", "sms").failed("r1.c1.1", e.PageFailure.UNKNOWN, at=8)
    assert ladder.wakes(8) == 38
    assert ladder.asks(38) == ["r1.c1.2 cleo sms again"]


def test_a_number_is_never_given_twice_when_people_leave_the_last_rung():
    ladder = only_last("ana", "bob")
    ladder.requested("ana", "sms").requested("bob", "sms", index=2)
    ladder.requested("ana", "voice", attempt=2).requested("bob", "voice", index=2, attempt=2)
    for message in ("r1.c1.1", "r1.c2.1", "r1.c1.2", "r1.c2.2"):
        ladder.delivered(message)
    ladder.passed("ana", at=1)
    assert ladder.asks(1800) == ["r1.c1.3 bob sms"]


def test_when_nobody_on_the_last_rung_can_be_reached_everybody_else_is():
    assert Ladder(rung("ghost"), last=("ghost",)).asks(0) == [
        "skip r1: ghost is nobody",
        "r2.c1.1 ana sms",
        "r2.c2.1 bob sms",
        "r2.c3.1 cleo sms",
        "r2.c4.1 dora sms",
    ]


def test_a_drill_finds_nobody_rather_than_somebody_who_did_not_opt_in():
    ladder = Ladder(rung("ana"), drill=True)
    assert ladder.asks(0)[-1] == "skip r2: nobody at all can be reached by a drill"


def test_a_copy_on_its_way_does_not_hold_up_the_rung_after_it():
    ladder = Ladder(rung("cleo"), rung("bob"), rung("ana")).requested("cleo", "sms")
    ladder.failed("r1.c1.1", e.PageFailure.UNKNOWN, at=8).requested("bob", "sms", rung=2, at=8)
    ladder.requested("cleo", "sms", attempt=2, at=38, copy=True).failed("r2.c1.1", at=39)
    assert ladder.asks(39) == ["r2.c1.2 bob voice"]
