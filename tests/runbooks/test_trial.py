"""A trial call: whom a ladder would call at a moment, without calling anybody."""

from datetime import UTC, datetime, timedelta

from contacts.directory import Role
from contacts.schedules import Layer, Schedule, Window
from incidents.severity import Severity
from runbooks.trial import Call, Cause, trial
from tests.support.plans import crisis_plan, everybody, rung

DAY = Schedule(
    id="day",
    title="By day",
    time_zone="Europe/Madrid",
    layers=(Layer(people=("bob",), start="2026-01-05", only=(Window(after="08:00", until="18:00"),)),),
)
PEOPLE = everybody(schedules=(DAY,), roles=(Role(id="duty", title="Duty", responsible="schedule:day", deputy="cleo"),))
LADDER = crisis_plan(rung("role:duty"), rung("ana"), last=("dora",)).ladders["everybody"]


def called(at: datetime) -> list[tuple[str, int]]:
    """(who, minutes after the beginning) of everybody's first page."""
    found: dict[str, int] = {}
    for step in trial(LADDER, PEOPLE, Cause(Severity.SEV1), at):
        if isinstance(step, Call):
            found.setdefault(step.contact, round(step.after / timedelta(minutes=1)))
    return list(found.items())


def test_who_would_be_called_is_asked_for_a_moment_and_not_for_now():
    at_noon, at_night = datetime(2027, 3, 27, 11, tzinfo=UTC), datetime(2027, 3, 28, 0, 30, tzinfo=UTC)

    assert called(at_noon) == [("bob", 0), ("ana", 5), ("dora", 10)]
    assert called(at_night) == [("cleo", 0), ("ana", 5), ("dora", 10)]
