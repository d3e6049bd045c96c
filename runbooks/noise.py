"""The plan's word on noise: `noise` in plan.yaml, and which maintenance windows are open at a moment. Pure."""

from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from contacts.schedules import WEEK, Window
from contacts.turns import Daily, Hours
from contacts.walltime import LocalMoment, begins, ends, zone
from incidents.ids import Slug
from incidents.model import Frozen
from signals.noise import (
    LONGEST_SILENCE,
    MOST_MATCHERS,
    Cover,
    Flapping,
    Group,
    Inhibit,
    Match,
    Storm,
    matchers_of,
)


class Dates(Frozen):
    starts: LocalMoment
    ends: LocalMoment
    """A day without a time is meant whole. At most seven days after `starts`."""


class Maintenance(Frozen):
    """While it is open, what `match` matches is kept, counted and shown, and pages nobody."""

    name: Slug
    match: Annotated[Match, Field(min_length=1, max_length=MOST_MATCHERS)]
    because: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
    weekly: tuple[Window, ...] = ()
    """Hours of a week, in wall time of its zone."""
    dates: tuple[Dates, ...] = ()
    time_zone: str = "UTC"
    even_sev1: bool = False
    """Only with this it covers what is rated SEV1."""


class Noise(Frozen):
    """What is heard and pages nobody, or not by itself."""

    maintenance: tuple[Maintenance, ...] = ()
    inhibit: tuple[Inhibit, ...] = ()
    group: tuple[Group, ...] = ()
    """The first rule that fits a signal counts."""
    flapping: Flapping | None = Flapping()
    """null: every change is told."""
    storm: Storm | None = Storm()
    """null: every new key is an incident of its own."""


def open_windows(windows: tuple[Maintenance, ...], now: datetime) -> list[Cover]:
    """The maintenance windows that are open at `now`, as covers; each until it closes."""
    found = []
    for each in windows:
        until = open_until(each, now)
        if until is not None:
            words = f"maintenance {each.name} until {until:%d %b %H:%M} UTC: {each.because}"
            found.append(Cover(f"maintenance:{each.name}", matchers_of(each.match), until, each.even_sev1, words))
    return found


def open_until(window: Maintenance, now: datetime) -> datetime | None:
    """When a window that is open at `now` closes; None while it is closed."""
    where = zone(window.time_zone)
    closing = [
        ends(each.ends, where) for each in window.dates if begins(each.starts, where) <= now < ends(each.ends, where)
    ]
    if window.weekly:
        inside, _, until = Hours(tuple(_daily(each) for each in window.weekly), where).at(now)
        if inside:
            closing.append(until)
    return max(closing, default=None)


def longest_opening(window: Maintenance, around: datetime) -> timedelta:
    """How long it is open at a stretch: by its dates, and by its weekly hours in the week after `around`."""
    where = zone(window.time_zone)
    spans = [ends(each.ends, where) - begins(each.starts, where) for each in window.dates]
    if window.weekly:
        hours = Hours(tuple(_daily(each) for each in window.weekly), where)
        at, last = around, around + LONGEST_SILENCE
        while at < last:
            inside, since, until = hours.at(at)
            if inside:
                spans.append(until - since)
            at = until
    return max(spans, default=timedelta(0))


def _daily(window: Window) -> Daily:
    days = frozenset(WEEK.index(day) for day in window.days)
    return Daily(days, time.fromisoformat(window.after), time.fromisoformat(window.until))
