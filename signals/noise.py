"""Noise: what is heard and calls nobody anew. Pure: every answer follows from given facts and `now`.

Five rules, in the order in which `engine/intake.py` asks them of a signal that would begin something:

1. a **silence** or a maintenance window covers it: it is kept;
2. an alert that **inhibits** it fires: it is kept;
3. its key **flaps**: it is held as firing;
4. it belongs to a **group** whose incident is open: it joins that;
5. its sender **storms** and it is like what was heard before: it joins the storm's incident.

Patterns know one wildcard, `*`; matching takes time in proportion to pattern and text (no regular expression).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from incidents.durations import Duration, write_duration
from incidents.model import Frozen
from incidents.severity import Severity
from signals.assess import Assessment
from signals.signal import Signal

LONGEST_SILENCE = timedelta(days=7)
MOST_MATCHERS = 20
MOST_IN_ONE = 1000
"""Keys that one incident takes in by a rule of this module: its log is read quickly. The next key begins another."""
REMEMBERED = timedelta(hours=1)
"""So long a kind of signal counts as known; heard again after that, it is new."""
_KIND_LENGTH = 200
_NUMBER = re.compile(r"\d+")
_MATCHER = re.compile(r"^([^=!~]+)(=~|!=|!~|=)(.*)$", re.DOTALL)

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Pattern = Annotated[str, StringConstraints(max_length=500)]
Match = dict[Label, Pattern]
"""label: value; a `*` in the value stands for any text. Every line has to hold."""


# --- labels and matchers ---------------------------------------------------------------------------------------------


def labels_of(signal: Signal, integration: str, assessment: Assessment) -> dict[str, str]:
    """What a matcher can ask for: the sender's labels, its summary, and three that are ours and that no sender sets:
    `integration`, `situation` and `rated` (SEV1 to SEV4)."""
    return {
        "summary": signal.summary,
        **signal.labels,
        "integration": integration,
        "situation": assessment.situation,
        "rated": assessment.severity.value,
    }


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label. A label that is missing counts as empty."""

    label: str
    value: str
    wild: bool = False
    """Whether a `*` in the value stands for any text."""
    negated: bool = False

    def holds(self, labels: Mapping[str, str]) -> bool:
        said = labels.get(self.label, "")
        return (is_like(said, self.value) if self.wild else said == self.value) is not self.negated

    def __str__(self) -> str:
        sign = ("!~" if self.negated else "=~") if self.wild else ("!=" if self.negated else "=")
        return f"{self.label}{sign}{self.value}"


def read_matcher(text: str) -> Matcher:
    """`label=value`, `label!=value`, `label=~web-*` or `label!~web-*`. Raises ValueError with a sentence."""
    found = _MATCHER.match(text)
    label = found[1].strip() if found is not None else ""
    if found is None or not label:
        raise ValueError(f"{text[:100]!r} is no matcher: write label=value, label!=value, label=~web-* or label!~web-*")
    if len(label) > 200 or len(found[3]) > 500:
        raise ValueError(f"{text[:50]!r}… is too long: a label has 200 characters at most, a value 500")
    sign = found[2]
    return Matcher(label, found[3].strip(), wild="~" in sign, negated="!" in sign)


def read_matchers(texts: Sequence[str]) -> tuple[Matcher, ...]:
    """The matchers of one silence. Raises ValueError: for a bad one, for none, for too many, and when a signal without
    any label would meet them all, because a silence says what it covers."""
    if len(texts) > MOST_MATCHERS:
        raise ValueError(f"a silence has {MOST_MATCHERS} matchers at most")
    found = tuple(read_matcher(each) for each in texts)
    if covers_all(found):
        raise ValueError(
            "say what is silenced: at least one matcher such as service=checkout, which a signal without a service "
            "does not meet"
        )
    return found


def covers_all(matchers: Iterable[Matcher]) -> bool:
    """Whether a signal without any label would be covered, and with it whatever nobody had in mind."""
    return match_all(matchers, {})


def matchers_of(match: Mapping[str, str]) -> tuple[Matcher, ...]:
    return tuple(Matcher(label, value, wild="*" in value) for label, value in match.items())


def match_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(each.holds(labels) for each in matchers)


def is_like(text: str, pattern: str) -> bool:
    """Whether the whole text fits a pattern in which `*` stands for any text. No backtracking."""
    head, *parts = pattern.split("*")
    if not parts:
        return text == pattern
    tail = parts.pop()
    at, end = len(head), len(text) - len(tail)
    if end < at or not text.startswith(head) or not text.endswith(tail):
        return False
    for part in parts:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


# --- silences --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cover:
    """A silence, or a maintenance window while it is open: what it covers, until when, and the words for it."""

    id: str
    matchers: tuple[Matcher, ...]
    until: datetime
    even_sev1: bool
    words: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a signal is kept and calls nobody. `look_at`: when to ask again at the latest."""

    outcome: str
    """`silenced` or `inhibited`."""
    by: str
    """The cover's id, or the key of the alert that inhibits."""
    words: str
    look_at: datetime


def covering(covers: Iterable[Cover], labels: Mapping[str, str], severity: Severity) -> Cover | None:
    """The cover that lasts longest of those that cover this signal, or None. SEV1 only by one that says so."""
    found = [
        each
        for each in covers
        if (each.even_sev1 or severity is not Severity.SEV1) and match_all(each.matchers, labels)
    ]
    return max(found, key=lambda each: each.until, default=None)


# --- inhibition ------------------------------------------------------------------------------------------------------


class Inhibit(Frozen):
    """While an alert fires that `when` matches, signals that `mutes` matches are kept and page nobody.

    They are heard when it has recovered and they still fire. What is rated worse than the alert is never muted.
    """

    when: Annotated[Match, Field(min_length=1, max_length=MOST_MATCHERS)]
    mutes: Annotated[Match, Field(min_length=1, max_length=MOST_MATCHERS)]
    equal: Annotated[tuple[Label, ...], Field(max_length=MOST_MATCHERS)] = ()
    """Labels that have to be the same in both."""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """An Inhibit, ready to ask."""

    id: str
    when: tuple[Matcher, ...]
    mutes: tuple[Matcher, ...]
    equal: tuple[str, ...]

    @classmethod
    def of(cls, rule: Inhibit) -> "Inhibition":
        return cls(_digest(rule.model_dump(mode="json")), matchers_of(rule.when), matchers_of(rule.mutes), rule.equal)

    def pair(self, labels: Mapping[str, str], *, drill: bool) -> str:
        """Equal for an alert and a signal that belong together. A drill never mutes anything real, nor the reverse."""
        return _digest([drill, *(labels.get(each, "") for each in self.equal)])

    def is_source(self, labels: Mapping[str, str]) -> bool:
        return match_all(self.when, labels)

    def is_target(self, labels: Mapping[str, str]) -> bool:
        """What could itself mute others by this rule is not muted by it."""
        return match_all(self.mutes, labels) and not self.is_source(labels)


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """An alert that fires and mutes others."""

    key: str
    severity: Severity


def inhibiting(found: Iterable[Inhibitor], key: str, severity: Severity) -> Inhibitor | None:
    """Which of these alerts mutes a signal of this key and severity."""
    return next((each for each in found if each.key != key and not severity.is_worse_than(each.severity)), None)


# --- flapping --------------------------------------------------------------------------------------------------------


class Flapping(Frozen):
    """A key that changes between firing and recovered too often is held as firing until it has been quiet."""

    more_than: Annotated[int, Field(ge=2, le=100)] = 6
    """Changes, within `within`."""
    within: Duration = timedelta(minutes=15)
    quiet: Duration = timedelta(minutes=10)
    """Without a change for so long it is over."""


def with_change(changes: Sequence[float], now: float, rule: Flapping) -> tuple[float, ...]:
    """The times (seconds since the epoch) of a key's changes within the rule's time, this one last."""
    first = now - rule.within.total_seconds()
    return tuple(each for each in (*changes, now) if each > first)[-rule.more_than - 1 :]


def is_flapping(changes: Sequence[float], rule: Flapping) -> bool:
    return len(changes) > rule.more_than


def is_quiet(changes: Sequence[float], now: float, rule: Flapping) -> bool:
    return not changes or now - changes[-1] >= rule.quiet.total_seconds()


# --- groups ----------------------------------------------------------------------------------------------------------


class Group(Frozen):
    """Signals of one situation whose labels `by` are equal fold into one incident, although their keys differ."""

    by: Annotated[tuple[Label, ...], Field(min_length=1, max_length=MOST_MATCHERS)]
    """Every one of them has to be there."""
    within: Duration = timedelta(minutes=10)
    """Of the newest signal of the group."""
    match: Annotated[Match, Field(max_length=MOST_MATCHERS)] = {}
    """Only these signals; default all. `integration: prometheus` is one integration's."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A Group, ready to ask."""

    id: str
    by: tuple[str, ...]
    within: timedelta
    match: tuple[Matcher, ...]

    @classmethod
    def of(cls, rule: Group) -> "Grouping":
        return cls(_digest(rule.model_dump(mode="json")), rule.by, rule.within, matchers_of(rule.match))


@dataclass(frozen=True, slots=True)
class Place:
    """The name of a group or of a storm, and why a signal belongs to it."""

    rule: str
    name: str
    within: timedelta
    words: str


def group_of(rules: Iterable[Grouping], labels: Mapping[str, str], *, drill: bool) -> Place | None:
    """The first rule that takes this signal."""
    for rule in rules:
        if all(labels.get(each) for each in rule.by) and match_all(rule.match, labels):
            values = [labels[each] for each in rule.by]
            words = f"same {', '.join(rule.by)} within {write_duration(rule.within)}"
            return Place(rule.id, _digest([drill, labels["situation"], *values]), rule.within, words)
    return None


@dataclass(frozen=True, slots=True)
class Standing:
    """The incident of a group or a storm: how many keys it has taken in, and when the newest came."""

    incident_id: str
    keys: int
    last_at: datetime


def takes(standing: Standing | None, place: Place, now: datetime) -> bool:
    """Whether the incident of a group still takes another key."""
    return standing is not None and standing.keys < MOST_IN_ONE and now - standing.last_at <= place.within


# --- storms ----------------------------------------------------------------------------------------------------------


class Storm(Frozen):
    """One integration with too many new keys at once: more of what is known already folds into one incident."""

    more_than: Annotated[int, Field(ge=1, le=1_000_000)] = 30
    """New keys of one integration within a minute."""
    calm: Duration = timedelta(minutes=5)
    """Without a minute of so many for so long it is over."""
    by: Annotated[tuple[Label, ...], Field(max_length=MOST_MATCHERS)] = ("alertname", "class", "check")
    """The label that says what kind a signal is, the first that it has; else its summary without the numbers.
    A kind that was not heard before is never folded away."""


@dataclass(frozen=True, slots=True)
class Rush:
    """New keys of one integration: `new_keys` since `minute_at`, at most a minute ago; a storm since `since`."""

    minute_at: datetime
    new_keys: int = 0
    since: datetime | None = None
    over_at: datetime | None = None
    """When there was last a minute of too many."""

    @property
    def storms(self) -> bool:
        return self.since is not None


_MINUTE = timedelta(minutes=1)


def with_new_key(rush: Rush | None, now: datetime, rule: Storm) -> Rush:
    """Count one new key at `now`. The minute begins with its first."""
    if rush is None or is_calm(rush, now, rule):
        rush = Rush(now)
    begun = rush.minute_at if now - rush.minute_at < _MINUTE else now
    count = rush.new_keys + 1 if begun == rush.minute_at else 1
    if count > rule.more_than:
        return Rush(begun, count, rush.since or now, now)
    return Rush(begun, count, rush.since, rush.over_at)


def is_calm(rush: Rush, now: datetime, rule: Storm) -> bool:
    """Whether a storm is over."""
    return rush.over_at is not None and now - rush.over_at >= rule.calm


def kind_of(labels: Mapping[str, str], rule: Storm) -> str:
    """What kind of signal this is, for telling the first of anything new from more of the same."""
    named = next((f"{each}={labels[each]}" for each in rule.by if labels.get(each)), None)
    return (named or _NUMBER.sub("#", labels["summary"]))[:_KIND_LENGTH]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that was heard: how bad at worst, and when last."""

    severity: Severity
    last_at: datetime


def is_new(known: Kind | None, severity: Severity, now: datetime) -> bool:
    """Whether a signal is the first of something: its kind (of its situation) is not known, or it is worse than any."""
    return known is None or now - known.last_at > REMEMBERED or severity.is_worse_than(known.severity)


def storm_place(integration: str, situation: str, *, drill: bool) -> Place:
    """A storm has one incident for each situation: its people and its runbook are that situation's."""
    words = f"one of more new signals of {integration} than the plan lets call one by one"
    return Place("storm", _digest([integration, situation, drill]), timedelta.max, words)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
