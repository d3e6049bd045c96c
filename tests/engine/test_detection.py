"""The detector over the table: in which order it is told, what a start takes up, and that nothing is found twice."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.detection import Detection
from incidents import commands as c
from incidents.severity import Severity
from runbooks.loader import LIBRARY, load_plan
from signals.mention import Mention, Tagged
from storage import mentions as store
from storage import outbox
from storage.database import DatabaseError, Tx
from tests.support.memory import Memory

T = TypeVar("T")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOON = START.timestamp()
LATE = 30.0
BRAND = "larkfield"
LIBRARY_PLAN = load_plan(LIBRARY)


class Table:
    """A database in memory, as the detection asks for it. `broken` refuses whatever is written."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.broken = False
        self.seconds = NOON

    def read_now(self, work: Callable[[Tx], T]) -> T:
        return self.memory.do(work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        await asyncio.sleep(0)
        if self.broken:
            raise DatabaseError("the disk is on fire")
        return self.memory.do(work)

    # --- the clock ---

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    held_back = 0.0


class Room:
    """One engine's detection on a table. `begins` is a new process on the same file."""

    def __init__(self) -> None:
        self.memory = Memory(LIBRARY_PLAN.plan, LIBRARY_PLAN.directory, START)
        self.table = Table(self.memory)
        self.begins()

    def begins(self) -> None:
        async def page(_key: str, _words: str) -> None:
            raise AssertionError("the detector broke")

        self.detection = Detection(
            self.table,  # type: ignore[arg-type]  # reads and writes as the database does
            self.memory.door,
            self.memory.book,
            self.table,
            lambda _change: None,
            page,
        )

    def follows(self, **changes: Any) -> None:
        """Another plan is in force."""
        plan = self.memory.book.plan
        assert plan.thresholds is not None
        other = plan.model_copy(update={"thresholds": plan.thresholds.model_copy(update=changes)})
        self.memory.book.activate(self.memory.book.version, other, LIBRARY_PLAN.directory)
        self.detection.follow_plan()

    def hears(self, *tagged: Tagged) -> None:
        for each in tagged:
            at = each.mention.at.timestamp()
            self.memory.do(partial(store.keep, tagged=each, heard_at=self.table.seconds, counted_at=at))

    def looks(self, seconds: float) -> None:
        """At this second of the day."""
        self.table.seconds = NOON + seconds
        asyncio.run(self.detection.look())

    def assessed(self) -> list[tuple[str, str, str]]:
        rows = self.memory.do(lambda tx: store.latest_assessments(tx, None, 1000))
        return sorted((row.id, row.severity, row.body["kind"]) for row in rows)

    def incidents(self) -> int:
        rows = self.memory.do(lambda tx: store.latest_assessments(tx, None, 1000))
        return len({row.incident_id for row in rows})


def mention(number: int, seconds: float, **tags: Any) -> Tagged:
    by = tags.pop("author", f"author {number}")
    at = datetime.fromtimestamp(NOON + seconds, UTC)
    said = Mention("rehearsal", f"m{number}", at, "words", author=by, reach=tags.pop("reach", 10))
    tagged: dict[str, Any] = {"tone": "neutral", "tone_score": 0.0, "complaint": False} | tags
    return Tagged(said, BRAND, "en", **tagged)


def danger(first: int, seconds: float, number: int = 3) -> list[Tagged]:
    return [
        mention(first + each, seconds + 5 * each, topics=frozenset({"poisoning"}), tone="negative")
        for each in range(number)
    ]


def a_bad_hour() -> list[Tagged]:
    """Big voices, complaints about one fault, people in danger: rules of several families begin and join."""
    voices = [mention(100 + each, 400 * each, tone="negative", reach=200_000) for each in range(3)]
    complaints = [
        mention(200 + each, 300 + 20 * each, tone="negative", complaint=True, topics=frozenset({"login"}))
        for each in range(8)
    ]
    return sorted([*voices, *complaints, *danger(300, 900, 4)], key=lambda each: each.mention.at)


def lived(room: Room, arrivals: Iterable[tuple[float, Tagged]], until: float) -> None:
    """Each arrives at its second; the detection looks every few seconds."""
    waiting = sorted(arrivals, key=lambda each: each[0])
    second = 0.0
    while second <= until:
        while waiting and waiting[0][0] <= second:
            room.table.seconds = NOON + waiting[0][0]
            room.hears(waiting.pop(0)[1])
        room.looks(second)
        second += 10


def in_time(history: Sequence[Tagged]) -> list[tuple[float, Tagged]]:
    return [(each.mention.at.timestamp() - NOON, each) for each in history]


def test_three_people_in_danger_declare_one_incident():
    room = Room()
    lived(room, in_time(danger(1, 0)), 120)
    ((_, severity, kind),) = room.assessed()
    assert (severity, kind) == (str(Severity.SEV1), "raises")
    assert room.memory.state("INC-1").situation == "PRODUCT_SAFETY"


def test_danger_after_a_viral_complaint_was_stood_down_is_declared_as_danger():
    room = Room()
    lived(room, in_time([mention(100, 0, tone="negative", reach=200_000)]), 120)
    assert room.memory.state("INC-1").situation == "VIRAL_COMPLAINT"
    room.memory.apply(c.StandDown("a joke", "person:ana"), datetime.fromtimestamp(NOON + 130, UTC))
    lived(room, in_time(danger(200, 300)), 500)
    assert room.memory.state("INC-2").situation == "PRODUCT_SAFETY"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_what_arrives_in_any_order_within_the_lateness_is_assessed_the_same(seed):
    draw = random.Random(seed)
    history = a_bad_hour()
    straight, shuffled = Room(), Room()
    lived(straight, in_time(history), 1200)
    lived(shuffled, [(at + draw.uniform(0, LATE - 15), each) for at, each in in_time(history)], 1200)
    assert straight.assessed()
    assert shuffled.assessed() == straight.assessed()


def test_a_restart_from_memory_or_from_nothing_decides_as_if_it_had_never_stopped():
    history = a_bad_hour()
    whole, stopped, forgotten = Room(), Room(), Room()
    lived(whole, in_time(history), 1200)
    for room in (stopped, forgotten):
        half = [each for each in in_time(history) if each[0] < 500]
        lived(room, half, 500)
        asyncio.run(room.detection.stop())
        if room is forgotten:
            room.memory.do(lambda tx: tx.execute("DELETE FROM detectors"))
            room.memory.do(lambda tx: tx.execute("DELETE FROM assessments"))
        room.begins()
        room.hears(*(each for at, each in in_time(history) if at >= 500))
        for second in range(500, 1210, 10):
            room.looks(second)
    assert stopped.assessed() == whole.assessed()
    # Told from scratch in silence, what had been found before is history; what comes after is found the same.
    after = [each for each in whole.assessed() if int(each[0].split("/")[2]) * 60 > NOON + 500]
    assert forgotten.assessed() == after
    assert after


@pytest.mark.parametrize("seconds", [40, 60])
def test_a_kill_between_a_mention_and_its_assessment_loses_nothing(seconds):
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.begins()  # killed: nothing was said in farewell
    room.looks(seconds)
    room.looks(120)
    assert len(room.assessed()) == 1


def test_a_kill_after_an_assessment_and_before_the_memory_doubles_nothing():
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.looks(50)
    before = room.assessed()
    assert before
    for second in (55, 58, 70):
        room.begins()
        room.looks(second)
    assert room.assessed() == before
    assert room.incidents() == 1


def test_what_could_not_be_written_down_is_found_again():
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.table.broken = True
    with pytest.raises(DatabaseError):
        room.looks(50)
    asyncio.run(room.detection.stop())
    room.table.broken = False
    room.begins()
    room.looks(60)
    assert [kind for _, _, kind in room.assessed()] == ["raises"]


def test_a_stop_in_the_middle_of_writing_keeps_no_memory_that_knows_more_than_the_store():
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.table.seconds = NOON + 50

    async def stopped_midway() -> None:
        task = asyncio.create_task(room.detection.look())
        await asyncio.sleep(0)  # it waits for the store to write what was found
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await room.detection.stop()

    asyncio.run(stopped_midway())
    assert not room.assessed()
    room.begins()
    room.looks(60)
    assert len(room.assessed()) == 1


def test_other_rules_are_told_the_past_in_silence():
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.looks(100)
    before = room.assessed()
    plan = room.memory.book.plan
    assert plan.thresholds is not None
    first, *others = plan.thresholds.rules
    room.follows(rules=(first.model_copy(update={"name": "Another name"}), *others))
    room.looks(110)
    assert room.assessed() == before
    # And they decide about what comes.
    room.hears(mention(50, 115, tone="negative", reach=200_000))
    room.looks(200)
    assert room.detection.detector is not None
    assert "Big voice against us" in room.detection.detector.standing(BRAND)


def test_a_quiet_brand_is_still_known_under_other_rules():
    room = Room()
    room.looks(0)
    room.looks(100)
    detector = room.detection.detector
    assert detector is not None
    begun = detector.state()["brands"][BRAND]["streams"][0][2]["time"][1]
    room.table.seconds = NOON + 5 * 86400
    room.follows(situation="GENERIC")
    room.looks(5 * 86400)
    again = room.detection.detector
    assert again is not None
    assert again is not detector
    assert again.state()["brands"][BRAND]["streams"][0][2]["time"][1] == begun


def test_an_alert_counts_in_its_turn_so_that_what_comes_before_it_is_not_skipped():
    room = Room()
    room.looks(0)
    names = frozenset({"source:rehearsal", "source:*"})
    room.memory.do(lambda tx: store.keep_alert(tx, "source:rehearsal", names, NOON + 20, firing=True))
    room.looks(25)
    asyncio.run(room.detection.stop())
    room.hears(*danger(1, 1))  # written before the alert, arriving after it
    room.begins()
    room.looks(60)
    assert [severity for _, severity, _ in room.assessed()] == [str(Severity.SEV1)]


def test_stepping_down_is_proposed_to_whoever_leads_it_and_nothing_changes_by_itself():
    room = Room()
    room.looks(0)
    room.hears(mention(1, 10, tone="negative", reach=200_000))
    room.looks(60)
    door, now = room.memory.door, room.table.now()
    room.memory.do(lambda tx: door.apply(tx, "INC-1", c.Acknowledge("nora", "console"), now))
    before = room.memory.do(lambda tx: door.load(tx, "INC-1"))
    room.looks(timedelta(hours=2, minutes=50).total_seconds())
    room.looks(timedelta(hours=3, minutes=10).total_seconds())

    after = room.memory.do(lambda tx: door.load(tx, "INC-1"))
    assert (after.severity, after.status, after.commander) == (before.severity, before.status, "nora")
    told = room.memory.do(lambda tx: [each for each in outbox.of_incident(tx, "INC-1") if each.kind == "notice"])
    calm = [each.text for each in told if ".calm-" in each.message_id]
    assert len(calm) == 1
    assert "INC-1: every rule has been quiet for 2 h. You may lower its severity or resolve it" in calm[0]
    assert [each.contact for each in told if ".calm-" in each.message_id] == ["nora"]


def test_a_memory_that_cannot_be_read_is_made_anew_from_the_table():
    room = Room()
    room.looks(0)
    room.hears(*danger(1, 1))
    room.looks(200)
    assert room.incidents() == 1
    asyncio.run(room.detection.stop())
    memory = room.memory.do(store.memory)
    assert memory is not None
    for body in (b"{}", b"no JSON", memory.body.replace(b'"streams"', b'"strings"')):
        room.memory.do(partial(store.remember, memory=replace(memory, body=body)))
        room.begins()
        room.looks(260)
        detector = room.detection.detector
        assert detector is not None
        assert detector.standing(BRAND) == ("Danger to people",)
    assert room.incidents() == 1


def test_a_silent_source_raises_and_speaks_again():
    room = Room()
    room.looks(0)
    names = frozenset({"source:rehearsal", "source:*"})
    room.memory.do(lambda tx: store.keep_alert(tx, "source:rehearsal", names, NOON + 10, firing=True))
    room.looks(60)
    detector = room.detection.detector
    assert detector is not None
    assert detector.firing() == ["source:rehearsal"]
    room.looks(timedelta(minutes=32).total_seconds())
    assert [severity for _, severity, _ in room.assessed()] == [str(Severity.SEV4)]
    room.memory.do(lambda tx: store.keep_alert(tx, "source:rehearsal", names, room.table.seconds, firing=False))
    room.looks(timedelta(minutes=34).total_seconds())
    assert detector.firing() == []
    assert detector.standing(BRAND) == ()


def test_an_alert_that_no_incident_stands_for_any_more_has_recovered():
    room = Room()
    room.looks(0)
    room.memory.do(
        lambda tx: store.keep_alert(tx, "alertmanager:checkout", frozenset({"checkout"}), NOON + 1, firing=True)
    )
    room.looks(60)
    detector = room.detection.detector
    assert detector is not None
    assert detector.firing() == ["alertmanager:checkout"]
    room.looks(120)
    room.looks(200)
    assert detector.firing() == []
