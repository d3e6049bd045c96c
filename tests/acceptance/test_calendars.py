"""Whoever a calendar feed says is on duty is called: at that moment, and also when the feed has broken since."""

from datetime import timedelta

import pytest

from contacts.schedules import Schedule
from engine.calendars import Calendars
from tests.support.feed_server import FeedServer, shift
from tests.support.plans import crisis_plan, everybody, hours, minutes, rung
from tests.support.world import START


@pytest.fixture
def feed():
    server = FeedServer()
    yield server
    server.stop()


@pytest.fixture
def calendars(world, feed):
    """Cleo first, whoever is on duty by the feed five minutes later, Dora at last."""
    directory = everybody().model_copy(
        update={"schedules": (Schedule(id="tech", title="Tech on call", calendar=feed.url),)}
    )
    world.given_plan(crisis_plan(rung("cleo"), rung("schedule:tech"), last=("dora",)), directory)
    return follower(world)


def follower(world):
    """The engine's background part, in the world's time."""
    made = Calendars(world.database, world.book, WorldClock(world), told_to_nobody, lambda: None)
    made.load()
    return made


class WorldClock:
    held_back = 0.0

    def __init__(self, world):
        self._world = world

    def now(self):
        return self._world.now

    def monotonic(self):
        return self._world.now.timestamp()


async def told_to_nobody(subject, sentence):
    """What operators hear is tested in tests/engine/test_calendars.py."""


ANA_UNTIL_LATER = shift("ana", START - hours(1), START + minutes(3))
THEN_BOB = shift("bob", START + minutes(3), START + hours(8))


def test_the_rung_calls_whoever_is_on_duty_when_it_is_due_and_not_when_the_incident_began(world, feed, calendars):
    feed.gives(ANA_UNTIL_LATER, THEN_BOB)
    world.feeds_are_read(calendars)
    world.alert("ShopDown")
    world.phone("cleo").rings().ignores()
    world.passes(minutes=5)
    world.phone("bob").rings().hears("INC-1").presses("4")
    world.phone("ana").is_silent()


def test_after_the_feed_has_broken_the_last_good_copy_calls_the_right_person(world, feed, calendars):
    feed.gives(ANA_UNTIL_LATER, THEN_BOB)
    world.feeds_are_read(calendars)
    feed.says("<html>gone</html>")
    world.passes(minutes=1)
    world.feeds_are_read(calendars)
    feed.says("oops", 500)
    world.alert("ShopDown")
    world.feeds_are_read(calendars)
    world.phone("cleo").rings().ignores()
    world.passes(minutes=5)
    world.phone("bob").rings()


def test_the_last_good_copy_outlives_the_process(world, feed, calendars):
    feed.gives(ANA_UNTIL_LATER, THEN_BOB)
    world.feeds_are_read(calendars)
    feed.says("oops", 500)
    world.alert("ShopDown")
    world.phone("cleo").rings().ignores()
    world.restarts()
    world.feeds_are_read(follower(world))
    world.passes(minutes=5)
    world.phone("bob").rings()


def test_whose_shift_begins_after_nobody_was_on_duty_is_called_when_it_begins(world, feed, calendars):
    feed.gives(shift("ana", START + minutes(12), START + hours(8)))
    world.feeds_are_read(calendars)
    world.alert("ShopDown")
    world.phone("cleo").rings().ignores()
    world.passes(minutes=5)
    world.incident("INC-1").says("nobody is on duty in schedule:tech")
    world.phone("dora").rings().ignores()
    world.passes(minutes=6, seconds=59)
    world.all_ignore()
    world.phone("ana").is_silent()
    world.passes(seconds=1)
    world.phone("ana").rings().presses("4")
    world.incident("INC-1").is_now("acknowledged").is_led_by("ana")


def test_a_feed_that_changes_while_an_incident_is_open_is_heard_at_once(world, feed, calendars):
    feed.gives(shift("bob", START + timedelta(days=2), START + timedelta(days=3)))
    world.feeds_are_read(calendars)
    world.alert("ShopDown")
    world.phone("cleo").rings().ignores()
    world.passes(minutes=6)
    world.phone("dora").rings().ignores()
    feed.gives(shift("ana", START, START + hours(8)))
    world.feeds_are_read(calendars)
    world.phone("ana").rings()
