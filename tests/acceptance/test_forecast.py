"""The plan shown ahead of time: who will be called, and when, if nobody acts."""

from datetime import timedelta

from runbooks.forecast import HORIZON, MOST, forecast
from runbooks.moves import PageContact
from tests.support.plans import crisis_plan, rung


def ahead_of(world):
    return forecast(world.incident().state, world.plan, world.people, world.now)


def test_the_whole_ladder_is_seen_before_anybody_is_called(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob", wait="10m"), last=("cleo",)))
    world.alert("ShopDown")

    ahead = ahead_of(world)

    pages = [(at - world.now, move.contact) for at, move in ahead if isinstance(move, PageContact)]
    assert pages[:2] == [(timedelta(minutes=5), "bob"), (timedelta(minutes=15), "cleo")]


def test_what_is_foreseen_is_what_happens(world):
    world.given_plan(crisis_plan(rung("ana"), rung("bob"), last=("cleo",)))
    world.alert("ShopDown")
    ahead = ahead_of(world)

    world.passes(minutes=59)

    foreseen = [(at, move.contact) for at, move in ahead if isinstance(move, PageContact)]
    rang = sorted((ring.at, name) for name in ("bob", "cleo") for ring in world.phone(name).rang)
    assert rang[: len(foreseen)] == foreseen


def test_it_looks_an_hour_ahead_and_no_further_than_a_screen(world):
    world.given_plan(crisis_plan(rung("ana", wait="10s"), last=("cleo",)))
    world.alert("ShopDown")

    ahead = ahead_of(world)

    assert 0 < len(ahead) <= MOST
    assert max(at for at, _ in ahead) <= world.now + HORIZON
