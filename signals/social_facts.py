"""What the social score asks, counted from the mentions of one brand. Pure; it decides nothing, as the score.

Who is loudest is not counted: no number of followers tells a regulator or the press from anybody else, so that part is
for a person to say and is unknown until then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median

from signals.observation import Observation
from signals.social_score import Authority, SocialScore, Topic, Window, doubling_time, social_score

QUARTER = 15 * 60
"""Seconds of a window."""
LOOKS_BACK = timedelta(minutes=75)
"""Of mentions before the moment asked about: the hour that ends with the window before."""
ENOUGH_PEOPLE = 3
"""A topic is what they write about when so many do; of what fewer write about nobody knows."""
TOPICS: Mapping[str, Topic] = {
    "poisoning": Topic.SAFETY,
    "injury": Topic.SAFETY,
    "allergy": Topic.SAFETY,
    "recall": Topic.SAFETY,
    "website": Topic.SERVICE,
    "checkout": Topic.SERVICE,
    "login": Topic.SERVICE,
    "payment": Topic.SERVICE,
    "delivery": Topic.PRICE_OR_DELAY,
}
"""What the topics of the starter thresholds.yaml are worth; of any other topic nobody knows."""


def score_of(
    heard: Iterable[Observation],
    at: float,
    same_hours: Iterable[int | None] = (),
    *,
    authority: Authority | None = None,
    topics: Mapping[str, Topic] = TOPICS,
) -> SocialScore:
    """The score of one brand at a moment (seconds since the epoch), of its mentions of `LOOKS_BACK` before it.

    `same_hours`: its mentions in this hour of the week, in earlier weeks; without any, volume is unknown. `heard` may
    be in any order; what lies outside is left out, and so is what we wrote ourselves.
    """
    theirs = [each for each in heard if not each.by_us and each.at < at]
    known = [each for each in same_hours if each is not None]
    usual = median(known) / 4 if known else None
    now, before = (
        replace(_window(theirs, at - back, topics), usual=usual, authority=authority) for back in (0, QUARTER)
    )
    return social_score(now, before)


def people(heard: Sequence[Observation]) -> int:
    """How many have written. Whoever floods and whatever is passed on count once; what nobody is known to have written
    counts as it is."""
    unknown = sum(each.count for each in heard if not each.author)
    return len({each.author for each in heard if each.author}) + unknown


def _window(heard: Sequence[Observation], until: float, topics: Mapping[str, Topic]) -> Window:
    quarter = _within(heard, until - QUARTER, until)
    earlier = people(_within(heard, until - 2 * QUARTER, until - QUARTER))
    mentions = people(quarter)
    negative = people([each for each in quarter if each.negative])
    return Window(
        mentions=mentions,
        in_hour=people(_within(heard, until - 4 * QUARTER, until)),
        doubling=doubling_time(earlier, mentions, timedelta(seconds=QUARTER)),
        negative_share=negative / mentions if mentions else None,
        topic=_topic(quarter, topics),
    )


def _within(heard: Sequence[Observation], since: float, until: float) -> list[Observation]:
    return [each for each in heard if since <= each.at < until]


def _topic(heard: Sequence[Observation], topics: Mapping[str, Topic]) -> Topic | None:
    """The gravest thing that enough people write about. None where they write about something of unknown weight, and
    where too few write to tell: in all, or about whatever they do write about."""
    written = {(name, each.author or each.id) for each in heard for name in each.topics}
    writers = Counter(name for name, _ in written)
    named = [name for name, count in writers.items() if count >= ENOUGH_PEOPLE]
    if people(heard) < ENOUGH_PEOPLE or (writers and not named):
        return None
    worth = [topics[name] for name in named if name in topics]
    gravest = max(worth, key=lambda each: each.value[1], default=Topic.OTHER)
    return gravest if gravest is Topic.SAFETY or len(worth) == len(named) else None
