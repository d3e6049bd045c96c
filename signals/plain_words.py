"""Rules in plain words, for people who never saw the file: one sentence a rule. Pure."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from signals.conditions import (
    AboveUsual,
    AtLeast,
    Condition,
    Firing,
    FromPeople,
    OneMention,
    Reach,
    Share,
    Silent,
    Subject,
    Waiting,
)
from signals.grammar import write_length
from signals.rules import Rule, Thresholds


def rule_in_words(rule: Rule, thresholds: Thresholds) -> str:
    """`SEV2, VIRAL_COMPLAINT, when in the last hour ... and ...; but only if ...`, and what else sets it apart."""

    def said(conditions: Iterable[Condition], between: str) -> str:
        return between.join(condition_in_words(each, thresholds.words) for each in conditions)

    only_if = f"; but only if {said(rule.only_if, ' and ')}" if rule.only_if else ""
    when = said(rule.when, ", and ") + "".join(
        f", or {condition_in_words(each, thresholds.words)}" for each in rule.otherwise
    )
    brand = f" for {rule.brand}" if rule.brand is not None else ""
    night = "; people are called at night too" if rule.ignores_quiet_hours else ""
    return f"{rule.severity} {rule.situation or thresholds.situation}{brand} when {when}{only_if}{night}."


def condition_in_words(condition: Condition, words: Mapping[str, float]) -> str:
    """What has to be so. A word that `words` does not know is left as it is."""
    match condition:
        case AboveUsual():
            spreads = words.get(condition.word)
            by = condition.word if spreads is None else f"at least {spreads:g} spreads"
            return f"the {condition.subject} {_last(condition.window)} are {by} above what is usual"
        case Share():
            part = "complaints" if condition.subject is Subject.COMPLAINTS else "negative"
            return f"more than {condition.percent:f} % of all mentions {_last(condition.window)} are {part}"
        case AtLeast():
            number = f"at least {condition.number} {_named(condition.subject, condition.number)}"
            there = "there is" if condition.number == 1 else "there are"
            return f"{there} {number} {_last(condition.window)}{_about(condition)}{_people(condition.people)}"
        case FromPeople():
            return f"those were written by at least {_persons(condition.people)}"
        case OneMention():
            return _one_mention(condition)
        case Reach():
            who = f"all who wrote {condition.subject} {_last(condition.window)}"
            return f"{who} have more than {condition.above} followers together"
        case Waiting():
            what = f"more than {condition.more_than} {_named(condition.subject, condition.more_than)}"
            return f"{what} have had no answer from us for longer than {write_length(condition.longer_than)}"
        case Firing():
            lasting = f" for {write_length(condition.lasting)}" if condition.lasting else ""
            return f"a monitor's alert named {_either(condition.names)} has been firing{lasting}"
        case Silent():
            source = "one of the sources" if condition.source is None else f"the source {condition.source}"
            return f"nothing could be read from {source} for {write_length(condition.lasting)}"


def _one_mention(condition: OneMention) -> str:
    who = "a verified account" if condition.verified else "somebody"
    following = f" with more than {condition.followers} followers" if condition.followers is not None else ""
    about = f" about {_either(condition.topics)}" if condition.topics else ""
    return f"{who}{following} writes a {condition.subject.value.removesuffix('s')}{about}"


def _last(window: timedelta) -> str:
    length = write_length(window)
    return f"in the last {length.removeprefix('1 ')}"


def _named(subject: Subject, number: int) -> str:
    return subject.value.removesuffix("s") if number == 1 else subject.value


def _about(condition: AtLeast) -> str:
    if condition.same_topic:
        return " about one and the same topic" + (f" of {_either(condition.topics)}" if condition.topics else "")
    return f" about {_either(condition.topics)}" if condition.topics else ""


def _people(people: int) -> str:
    return f" by at least {_persons(people)}" if people else ""


def _persons(people: int) -> str:
    return "1 person" if people == 1 else f"{people} people"


def _either(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
