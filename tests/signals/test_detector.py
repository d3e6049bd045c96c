"""The detector against a second one that counts everything again, and what its memory and its sense of time promise."""

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.severity import Severity
from signals import conditions as c
from signals.conditions import Family, Subject
from signals.detector import Detector, Finding
from signals.observation import AlertHeard, Heard, NotHeard, Observation, number_of
from signals.rules import Rule, Thresholds
from tests.support.recount import Found, recount

HOUR = timedelta(hours=1)
BEGIN = 27_000_000
"""A minute from the epoch that begins an hour."""
BRANDS = ("a", "b")
TOPICS: dict[str, tuple[str, ...]] = {topic: (topic,) for topic in ("fire", "bill")}


# --- histories and rules of every kind ---

subjects = st.sampled_from(list(Subject))
windows = st.sampled_from([timedelta(minutes=each) for each in (1, 15, 30, 60, 90, 180)])
topics = st.sampled_from([("fire",), ("bill",), ("fire", "bill")])
percents = st.sampled_from([Decimal(20), Decimal("33.3"), Decimal(50)])
lengths = st.sampled_from([timedelta(minutes=each) for each in (5, 60, 125)])
above = st.builds(c.AboveUsual, subjects, windows, st.sampled_from(["noticeable", "clear", "strong"]))
at_least = st.one_of(
    st.builds(c.AtLeast, subjects, st.integers(1, 12), windows, people=st.integers(0, 4)),
    st.builds(c.AtLeast, subjects, st.integers(1, 4), windows, topics, people=st.integers(0, 3)),
    st.builds(c.AtLeast, subjects, st.integers(1, 4), windows, same_topic=st.just(True), people=st.integers(0, 3)),
)
leading = st.one_of(
    above,
    at_least,
    st.builds(c.Share, st.sampled_from([Subject.NEGATIVE, Subject.COMPLAINTS]), windows, percents),
    st.builds(c.OneMention, subjects, st.sampled_from([None, 500]), st.booleans(), st.sampled_from([(), ("fire",)])),
    st.builds(c.Reach, subjects, windows, st.sampled_from([100, 1000])),
    st.builds(c.Waiting, subjects, st.integers(0, 4), lengths),
    st.builds(c.Firing, st.sampled_from([("checkout",), ("checkout", "login")]), st.sampled_from([timedelta(), HOUR])),
    st.builds(c.Silent, st.sampled_from([None, "bluesky"]), lengths),
)


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    when = tuple(draw(st.lists(leading, min_size=1, max_size=2)))
    otherwise = tuple(draw(st.lists(leading, max_size=1)))
    only_if: tuple[c.Condition, ...] = tuple(draw(st.lists(at_least, max_size=1)))
    if any(isinstance(each, c.AboveUsual | c.AtLeast | c.Reach) for each in (*when, *otherwise)) and draw(
        st.booleans()
    ):
        only_if += (c.FromPeople(draw(st.integers(1, 3))),)
    return Rule(
        f"rule {number}",
        when,
        draw(st.sampled_from(list(Severity))),
        draw(st.sampled_from(list(Family))),
        otherwise,
        only_if,
        draw(st.sampled_from([None, f"SITUATION_{number}"])),
        draw(st.sampled_from([None, None, "a"])),
    )


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    return Thresholds(
        tuple(draw(rules(number)) for number in range(draw(st.integers(1, 5)))),
        "CRISIS",
        usual_days=draw(st.sampled_from([2, 14])),
        leave_out=timedelta(hours=draw(st.sampled_from([2, 24]))),
        raise_within=draw(st.sampled_from([None, timedelta(hours=2)])),
        join=timedelta(hours=draw(st.sampled_from([1, 12]))),
        calm=timedelta(hours=draw(st.sampled_from([1, 2]))),
        topics=TOPICS,
    )


AUTHORS = [0, *(number_of(f"author {number}") for number in range(5))]
THREADS = [number_of(f"thread {number}") for number in range(8)]


@st.composite
def happenings(draw: st.DrawFn) -> list[Heard]:
    """Two days of a few mentions an hour, and whatever may come after: bursts, gaps, alerts, answers, wrong stamps."""
    rise = draw(st.integers(0, 6))
    usual = [
        Observation("a", (BEGIN + 60 * hour + 7) * 60.0, f"usual {hour}", count=1 + hour * rise % 5)
        for hour in range(draw(st.sampled_from([0, 44, 50])))
    ]
    found: list[Heard] = list(usual)
    minute = BEGIN + 60 * len(usual)
    for number in range(draw(st.integers(1, 40))):
        minute += draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 14, 15, 16, 29, 59, 60, 61, 120, 400, 900]))
        at = minute * 60.0 + draw(st.integers(0, 59)) - draw(st.sampled_from([0, 0, 0, 0, 0, 90, 4000]))
        brand = draw(st.sampled_from(["a", "a", "a", "b"]))
        what = draw(st.sampled_from(["mention"] * 14 + ["ours", "alert", "alert", "gap"]))
        match what:
            case "mention":
                negative = draw(st.booleans())
                away = draw(st.sampled_from([0, 0, 0, 0, 61, 100_000]))
                found.append(
                    Observation(
                        brand,
                        at,
                        f"{number}",
                        author=draw(st.sampled_from(AUTHORS)),
                        count=draw(st.sampled_from([1, 1, 2, 5, 40])),
                        negative=negative,
                        complaint=negative and draw(st.booleans()),
                        topics=draw(st.sampled_from([frozenset(), frozenset({"fire"}), frozenset(TOPICS)])),
                        reach=draw(st.sampled_from([0, 90, 600])),
                        verified=draw(st.booleans()),
                        thread=draw(st.sampled_from(THREADS)),
                        written=at - away if away else 0.0,
                        who="somebody",
                    )
                )
            case "ours":
                found.append(Observation(brand, at, f"{number}", thread=draw(st.sampled_from(THREADS)), by_us=True))
            case "alert":
                name = draw(st.sampled_from(["checkout", "source:bluesky"]))
                names = frozenset({name, "source:*"} if name.startswith("source:") else {name, "disk"})
                found.append(AlertHeard(at, name, names, firing=draw(st.booleans())))
            case "gap":
                found.append(NotHeard(brand, at - 3600 * draw(st.sampled_from([0, 1, 30])), at))
    return found


def facts(found: Sequence[Finding]) -> list[Found]:
    return [
        Found(
            each.kind,
            each.brand,
            round(each.at) // 60,
            each.assessment.severity,
            each.assessment.situation,
            each.rules,
            each.started,
        )
        for each in found
    ]


def told(detector: Detector, history: Sequence[Heard]) -> list[Finding]:
    return [finding for heard in history for finding in detector.hear(heard)]


def begun(plan: Thresholds) -> Detector:
    detector = Detector(plan, BRANDS)
    detector.pass_time(BEGIN * 60.0)
    return detector


def end_of(history: Sequence[Heard]) -> int:
    return max(int(heard.at // 60) for heard in history) + 1600


slowly = settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def in_order(found: Sequence[Found]) -> list[Found]:
    """Of each brand; what happens to several by one alert has no order among them."""
    return sorted(found, key=lambda each: each.brand)


@slowly
@given(thresholds(), happenings())
def test_the_detector_finds_what_counting_everything_again_finds(plan, history):
    detector = begun(plan)
    found = facts(told(detector, history) + detector.pass_time(end_of(history) * 60.0))
    again = recount(plan, BRANDS, BEGIN, history, end_of(history))
    assert in_order(found) == in_order(again)


@slowly
@given(thresholds(), happenings(), st.integers(1, 7))
def test_looking_as_often_as_one_likes_changes_nothing(plan, history, every):
    seldom, often = begun(plan), begun(plan)
    found = told(seldom, history) + seldom.pass_time(end_of(history) * 60.0)
    looked: list[Finding] = []
    minute = BEGIN
    for heard in history:
        until = int(heard.at // 60)
        for between in range(minute, until + 1, every):
            looked += often.pass_time(between * 60.0)
        minute = max(minute, until)
        looked += often.hear(heard)
    for between in range(minute, end_of(history) + 1):
        looked += often.pass_time(between * 60.0)
    for brand in BRANDS:
        assert [each for each in found if each.brand == brand] == [each for each in looked if each.brand == brand]


@slowly
@given(thresholds(), happenings(), st.data())
def test_a_memory_taken_at_any_point_goes_on_as_if_nothing_had_been(plan, history, data):
    place = data.draw(st.integers(0, len(history)))
    one = begun(plan)
    told(one, history[:place])
    other = Detector(plan, BRANDS)
    other.restore(json.loads(json.dumps(one.state())))
    assert other.state() == one.state()
    assert other.next_minute() == one.next_minute()
    assert told(other, history[place:]) == told(one, history[place:])
    end = end_of(history) * 60.0
    assert other.pass_time(end) == one.pass_time(end)
    assert other.state() == one.state()


@slowly
@given(thresholds(), happenings())
def test_within_an_episode_the_severity_only_rises_and_no_finding_is_told_twice(plan, history):
    detector = begun(plan)
    found = told(detector, history) + detector.pass_time(end_of(history) * 60.0)
    assert len({each.id for each in found}) == len(found)
    episodes: dict[str, list[Finding]] = {}
    for each in found:
        episodes.setdefault(each.episode, []).append(each)
    for each_episode in episodes.values():
        raised = [each.assessment.severity for each in each_episode if each.kind == "raises"]
        assert all(later.is_worse_than(sooner) for sooner, later in pairwise(raised))
        assert each_episode[0].kind == "raises"
