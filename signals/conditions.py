"""What a rule may ask, as data: the conditions of thresholds.yaml after reading (shared/design/detection.md).

`signals/grammar.py` reads and prints them, `signals/detector.py` decides them. Windows are whole minutes.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


class Subject(StrEnum):
    """Which mentions of a brand are counted."""

    MENTIONS = "mentions"
    NEGATIVE = "negative mentions"
    COMPLAINTS = "complaints"


class Family(StrEnum):
    """What a rule looks at; rules of two different families that agree raise the severity one level."""

    VOLUME = "volume"
    TONE = "tone"
    REACH = "reach"
    TOPIC = "topic"
    WAITING = "waiting"
    SYSTEMS = "systems"


@dataclass(frozen=True, slots=True)
class AboveUsual:
    """`negative mentions in 1 hour are clear above usual`: more than usual by `word`'s number of spreads."""

    subject: Subject
    window: timedelta
    word: str


@dataclass(frozen=True, slots=True)
class Share:
    """`negative share in 1 hour is above 40 %`, `complaint share ...`: of all mentions of the brand in the window."""

    subject: Subject
    window: timedelta
    percent: Decimal


@dataclass(frozen=True, slots=True)
class AtLeast:
    """`at least 20 mentions in 1 hour about [injury] from at least 10 people`.

    `same_topic` (`about the same topic`): one topic of thresholds.yaml reaches the number by itself.
    `people` counts authors that are known; 0 asks for none.
    """

    subject: Subject
    number: int
    window: timedelta
    topics: tuple[str, ...] = ()
    same_topic: bool = False
    people: int = 0


@dataclass(frozen=True, slots=True)
class FromPeople:
    """`from at least 3 people`, under `only if`: of what the rule's other conditions count, in their longest window."""

    people: int


@dataclass(frozen=True, slots=True)
class OneMention:
    """A single mention is enough: `a negative mention by somebody with more than 100000 followers`,
    `a mention about [recall]`, `a negative mention by a verified account`."""

    subject: Subject
    followers: int | None = None
    """More than so many."""
    verified: bool = False
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """`reach of negative mentions in 30 minutes is above 500000`: followers of all who wrote, each person once."""

    subject: Subject
    window: timedelta
    above: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """`more than 25 complaints unanswered for longer than 2 hours`."""

    subject: Subject
    more_than: int
    longer_than: timedelta


@dataclass(frozen=True, slots=True)
class Firing:
    """`monitoring alert [checkout, login] is firing for 5 minutes`: any of them; a name is a label's value or a word of
    the alert's summary. Without `for` it holds at once."""

    names: tuple[str, ...]
    """In lower case."""
    lasting: timedelta


@dataclass(frozen=True, slots=True)
class Silent:
    """`source bluesky is silent for 30 minutes`, `a source is silent ...`: nothing could be read from it that long."""

    source: str | None
    """None: any of them."""
    lasting: timedelta


Condition = AboveUsual | Share | AtLeast | FromPeople | OneMention | Reach | Waiting | Firing | Silent
