"""The social score of shared/design/domain.md 2.3b, for people to look at. Pure, and it decides nothing.

A weighted sum cannot be explained in one sentence a rule, so no rule asks for it: where the domain model says "score
40", the rules are volume above usual and a big voice (docs/severity.md). An import contract keeps it so.

Each part gives what its highest reached step gives, as the domain model writes it, and nothing between the steps. What
is not known is not zero: the score is a range then. The cooldown of 2.3b is for calling people; this calls nobody.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

FLOOR = 30
"""Mentions an hour below which there is no score: two angry people are not a storm."""
NOT_GROWING = timedelta.max
"""As a doubling time: the mentions do not grow."""


class Authority(Enum):
    """Who is loudest among those who write, and what that gives."""

    NOBODY = ("nobody in particular", 0.0)
    MICRO_INFLUENCER = ("a small influencer", 0.25)
    REGIONAL_PRESS = ("regional press", 0.5)
    NATIONAL_PRESS = ("national press", 0.75)
    REGULATOR = ("a regulator or politician", 1.0)


class Topic(Enum):
    """The gravest thing that they write about, and what that gives."""

    OTHER = ("nothing grave", 0.0)
    PRICE_OR_DELAY = ("a price or a delay", 0.25)
    SERVICE = ("the service", 0.5)
    FAIRNESS = ("fairness, discrimination or privacy", 0.75)
    SAFETY = ("safety, children or a death", 1.0)


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of 15 minutes of one brand, reposts and bots left out. None: not known, which is not zero."""

    mentions: int | None = None
    usual: float | None = None
    """The median of the same quarter of an hour's number in this hour of the week."""
    in_hour: int | None = None
    """Mentions in the hour that ends with it."""
    doubling: timedelta | None = None
    """How long they take to double; NOT_GROWING when they do not. `doubling_time` gives it."""
    negative_share: float | None = None
    """0 to 1, of the mentions."""
    authority: Authority | None = None
    topic: Topic | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One of the five. `value` 0 to 1, None where it is not known; `weight` its share of the whole."""

    name: str
    weight: float
    value: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class SocialScore:
    """0 to 100: somewhere from `low` to `high`, which are the same when everything is known."""

    low: int
    high: int
    parts: tuple[Part, ...]
    """Of the latest window."""
    guards: tuple[str, ...] = ()
    """What holds it down, a sentence each."""
    too_few: int | None = None
    """Mentions in the hour when they are under the floor: there is no score then, and `low` and `high` are 0."""

    @property
    def sentence(self) -> str:
        """`Social score 55 of 100, for information only.`, or that there is none and why."""
        if self.too_few is not None:
            return f"No social score: {_mentions(self.too_few)} in the hour, under {FLOOR} there is none."
        where = str(self.low) if self.low == self.high else f"between {self.low} and {self.high}"
        return f"Social score {where} of 100, for information only."


_STEPS = (0.25, 0.5, 0.75, 1.0)
_TIMES_USUAL = (2.0, 3.0, 5.0, 10.0)
_DOUBLES_WITHIN = (timedelta(hours=4), timedelta(hours=2), timedelta(hours=1), timedelta(minutes=30))
_NEGATIVE = (0.40, 0.55, 0.70, 0.80)


def social_score(now: Window, before: Window | None) -> SocialScore:
    """The score of two windows that follow each other: the lower of the two, so that one loud quarter is no storm.

    `before` None: the window before is not known. Under `FLOOR` mentions an hour there is none.
    """
    parts = parts_of(now)
    if now.in_hour is not None and now.in_hour < FLOOR:
        return SocialScore(0, 0, parts, too_few=now.in_hour)
    low, high = _range(now)
    if before is None:
        return SocialScore(0, high, parts, (*_floor(now), "The window before is not known."))
    low_before, high_before = _range(before)
    guards = _floor(now)
    if high_before < low:
        guards = (*guards, f"The window before reached {high_before} only; two in a row count.")
    return SocialScore(min(low, low_before), min(high, high_before), parts, guards)


def parts_of(window: Window) -> tuple[Part, ...]:
    """The five parts of one window, each with its sentence."""
    return (
        Part("volume", 0.25, *_volume(window)),
        Part("velocity", 0.15, *_velocity(window)),
        Part("negative share", 0.20, *_negative_share(window)),
        Part("reach and authority", 0.20, *_authority(window)),
        Part("topic", 0.20, *_topic(window)),
    )


def doubling_time(before: int | None, after: int | None, apart: timedelta) -> timedelta | None:
    """How long a number that went from `before` to `after` within `apart` takes to double at that rate.

    NOT_GROWING when it did not rise; None when one of them is not known, or there was nothing to grow from.
    """
    if before is None or after is None or (before <= 0 < after):
        return None
    if after <= before:
        return NOT_GROWING
    return apart * (math.log(2) / math.log(after / before))


def _range(window: Window) -> tuple[int, int]:
    if window.in_hour is not None and window.in_hour < FLOOR:
        return 0, 0
    parts = parts_of(window)
    known = sum(each.weight * each.value for each in parts if each.value is not None)
    unknown = sum(each.weight for each in parts if each.value is None)
    low, high = round(100 * known), round(100 * (known + unknown))
    return (0 if window.in_hour is None else low), high


def _floor(window: Window) -> tuple[str, ...]:
    if window.in_hour is None:
        return (f"Whether there were {FLOOR} mentions in the hour is not known.",)
    return ()


def _mentions(number: int) -> str:
    return "1 mention" if number == 1 else f"{number} mentions"


def _volume(window: Window) -> tuple[float | None, str]:
    if window.mentions is None or window.usual is None:
        return None, "Volume: unknown."
    if window.usual <= 0:
        # Nothing is usual then, so that any number is infinitely more; the floor decides whether it is many.
        value, times = (1.0, "usually none") if window.mentions > 0 else (0.0, "usually none")
    else:
        ratio = window.mentions / window.usual
        value, times = _reached(ratio, _TIMES_USUAL), f"{ratio:.1f} times the usual {window.usual:g}"
    return value, f"Volume: {_mentions(window.mentions)} in 15 minutes, {times}: {value:g}."


def _velocity(window: Window) -> tuple[float | None, str]:
    if window.doubling is None:
        return None, "Velocity: unknown."
    if window.doubling == NOT_GROWING:
        return 0.0, "Velocity: not growing: 0."
    reached = [step for step, within in zip(_STEPS, _DOUBLES_WITHIN, strict=True) if window.doubling <= within]
    value = max(reached, default=0.0)
    minutes = window.doubling / timedelta(minutes=1)
    return value, f"Velocity: doubles in {minutes:.0f} minutes: {value:g}."


def _negative_share(window: Window) -> tuple[float | None, str]:
    if window.negative_share is None:
        return None, "Negative share: unknown."
    value = _reached(window.negative_share, _NEGATIVE)
    return value, f"Negative share: {100 * window.negative_share:.0f} %: {value:g}."


def _authority(window: Window) -> tuple[float | None, str]:
    if window.authority is None:
        return None, "Reach and authority: unknown."
    who, value = window.authority.value
    return value, f"Reach and authority: {who}: {value:g}."


def _topic(window: Window) -> tuple[float | None, str]:
    if window.topic is None:
        return None, "Topic: unknown."
    what, value = window.topic.value
    return value, f"Topic: {what}: {value:g}."


def _reached(number: float, steps: tuple[float, ...]) -> float:
    """What the highest of the steps that the number reaches gives; 0 below the first."""
    return max((given for given, step in zip(_STEPS, steps, strict=True) if number >= step), default=0.0)
