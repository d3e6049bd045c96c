"""thresholds.yaml: what counts as a crisis, as a communications team writes it. Strict models; pure.

Every sentence is kept as it was written and read by `signals/grammar.py`. `compiled` makes of a file what the detector
decides with; what the models cannot see is looked at by `runbooks/hearing_checks.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from incidents.errors import ConditionError
from incidents.ids import SituationCode, Slug
from incidents.model import Frozen
from incidents.severity import Severity
from signals import grammar
from signals.conditions import (
    AboveUsual,
    AtLeast,
    Condition,
    Family,
    Firing,
    FromPeople,
    OneMention,
    Reach,
    Silent,
    Subject,
    Waiting,
)
from signals.rules import Rule, Thresholds

LONGEST_USUAL = timedelta(days=56)
LONGEST_GUARD = timedelta(days=7)
RULES_LIMIT = 200
"""Nobody can judge more, and every one is decided for every brand."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,30}$")]
Spreads = Annotated[float, Field(gt=0, le=100)]
TopicId = Annotated[str, StringConstraints(pattern=r"^[^\[\]\",*A-Z\s]([^\[\]\",*A-Z]{0,58}[^\[\]\",*A-Z\s])?$")]
TopicWord = Annotated[str, StringConstraints(pattern=r"^[^\[\]\",]{1,60}$", strip_whitespace=True)]


def _reads(read: Callable[[str], object]) -> AfterValidator:
    """Refuses a text that `read` cannot read; the error tells where in the text."""

    def look(text: str) -> str:
        try:
            read(text)
        except ConditionError as error:
            where = {"sentence": error.sentence, "offset": error.offset}
            raise PydanticCustomError("condition", "{sentence}", where) from None
        return text

    return AfterValidator(look)


def _several(value: Any) -> Any:
    """One text stands for a list of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


_Sentence = Annotated[str, StringConstraints(max_length=grammar.LENGTH_LIMIT)]
Sentence = Annotated[_Sentence, _reads(grammar.read), Field(examples=["mentions in 1 hour are clear above usual"])]
Sentences = Annotated[tuple[Sentence, ...], BeforeValidator(_several, json_schema_input_type=str | tuple[str, ...])]
UsualLength = Annotated[_Sentence, _reads(lambda text: grammar.parse_length(text, LONGEST_USUAL))]
GuardLength = Annotated[_Sentence, _reads(lambda text: grammar.parse_length(text, LONGEST_GUARD))]


class _Blank(Frozen):
    """A model with keys that are written with blanks, as people write them."""

    model_config = ConfigDict(serialize_by_alias=True)


class RuleText(_Blank):
    """Holds when `when` and every `and` hold, or one `or`; and every `only if` besides."""

    name: Text
    when: Sentence
    and_: Sentences = Field((), alias="and")
    or_: Sentences = Field((), alias="or")
    only_if: Sentences = Field((), alias="only if")
    """How many there have to be, so that three instead of one wake nobody."""
    severity: Severity
    situation: SituationCode | None = None
    """Instead of the file's."""
    brand: Slug | None = None
    """Only for this brand of listening.yaml; else for each."""
    family: Family | None = None
    """What the rule looks at, where `when` does not show it."""
    quiet_hours: Literal["keep", "ignore"] = Field("keep", alias="quiet hours")
    """`ignore`: people are called at night too, however minor it is."""


class UsualText(Frozen):
    same_brand: UsualLength = "14 days"
    """What is usual is learned from so long a time of the same brand."""
    leave_out: GuardLength = "1 day"
    """The latest so long is left out, so that the first day of a crisis never becomes usual."""


class CombineText(_Blank):
    severity: Literal["highest of the rules that hold"] = "highest of the rules that hold"
    raise_one_level_when: Annotated[_Sentence, _reads(grammar.parse_raising)] = Field(
        "rules from 2 different families hold within 2 hours", alias="raise one level when"
    )
    """Or `never`."""


class HoldText(_Blank):
    join: Annotated[_Sentence, _reads(grammar.parse_joining)] = (
        "rules that start within 12 hours belong to the same incident"
    )
    page_again_only_when: Literal["the severity rises"] = Field("the severity rises", alias="page again only when")


class CalmText(_Blank):
    propose_to_step_down_when: Annotated[_Sentence, _reads(grammar.parse_calming)] = Field(
        "every rule has been quiet for 2 hours", alias="propose to step down when"
    )
    a_person_must_lower: Literal["always"] = Field("always", alias="a person must lower")


class ThresholdsFile(_Blank):
    """thresholds.yaml."""

    words: Annotated[dict[Word, Spreads], Field(min_length=1)] = {
        "noticeable": 3.0,
        "clear": 4.2,
        "strong": 6.0,
        "extreme": 10.0,
    }
    """What the words of `above usual` mean, in spreads (standard deviations of the usual hours)."""
    usual: UsualText = UsualText()
    topics: dict[TopicId, Annotated[tuple[TopicWord, ...], Field(min_length=1)]] = {}
    """Each topic's words, in every language you listen in; `poison*` stands for all words that begin so."""
    situation: SituationCode = "VIRAL_COMPLAINT"
    """Of a rule that names none: a situation of plan.yaml."""
    rules: Annotated[tuple[RuleText, ...], Field(min_length=1, max_length=RULES_LIMIT)]
    combine: CombineText = CombineText()
    hold: HoldText = HoldText()
    calm_down: CalmText = Field(CalmText(), alias="calm down")


# What the detector decides with


def compiled(file: ThresholdsFile) -> Thresholds:
    """The thresholds of a file in which the checks find nothing wrong. The same file always gives the same."""
    return Thresholds(
        rules=tuple(compiled_rule(each) for each in file.rules),
        situation=file.situation,
        words=dict(file.words),
        usual_days=usual_length(file)[0].days,
        leave_out=usual_length(file)[1],
        raise_within=grammar.parse_raising(file.combine.raise_one_level_when),
        join=grammar.parse_joining(file.hold.join),
        calm=grammar.parse_calming(file.calm_down.propose_to_step_down_when),
        topics=_topics(file),
    )


def default_words() -> dict[str, float]:
    """What the words mean in a file that does not say."""
    return dict(ThresholdsFile.model_fields["words"].default)


def as_written(file: ThresholdsFile) -> ThresholdsFile:
    """The file with every sentence as it ought to be written. Compiles to the same; a second time changes nothing."""
    usual = tuple(map(grammar.write_length, usual_length(file)))
    raising = grammar.write_raising(grammar.parse_raising(file.combine.raise_one_level_when))
    joining = grammar.write_joining(grammar.parse_joining(file.hold.join))
    calming = grammar.write_calming(grammar.parse_calming(file.calm_down.propose_to_step_down_when))
    said = {
        "usual": UsualText(same_brand=usual[0], leave_out=usual[1]),
        "rules": tuple(map(_rule_as_written, file.rules)),
        "combine": file.combine.model_copy(update={"raise_one_level_when": raising}),
        "hold": file.hold.model_copy(update={"join": joining}),
        "calm_down": file.calm_down.model_copy(update={"propose_to_step_down_when": calming}),
    }
    return file.model_copy(update=said)


def _rule_as_written(rule: RuleText) -> RuleText:
    def canonical(text: str) -> str:
        return grammar.write(grammar.parse(text))

    said: dict[str, Any] = {"when": canonical(rule.when)}
    for name in ("and_", "or_", "only_if"):
        said[name] = tuple(map(canonical, getattr(rule, name)))
    return rule.model_copy(update=said)


def usual_length(file: ThresholdsFile) -> tuple[timedelta, timedelta]:
    """How long a time tells what is usual, and how much of the latest is left out of it."""
    usual = file.usual
    same_brand = grammar.parse_length(usual.same_brand, LONGEST_USUAL)
    return same_brand, grammar.parse_length(usual.leave_out, LONGEST_GUARD)


def compiled_rule(rule: RuleText) -> Rule:
    when = grammar.parse(rule.when)
    return Rule(
        name=rule.name,
        when=(when, *map(grammar.parse, rule.and_)),
        severity=rule.severity,
        family=rule.family or family_of(when),
        otherwise=tuple(map(grammar.parse, rule.or_)),
        only_if=tuple(map(grammar.parse, rule.only_if)),
        situation=rule.situation,
        brand=rule.brand,
        ignores_quiet_hours=rule.quiet_hours == "ignore",
    )


def family_of(leading: Condition) -> Family:
    """What a rule looks at: its first condition, `when`, decides.

    Topics first; then followers and verified accounts are reach, waiting is waiting, alerts and sources are systems; a
    share, and whatever counts negative mentions or complaints, is tone; what counts all mentions is volume.
    """
    match leading:
        case AtLeast(topics=topics, same_topic=same_topic) if topics or same_topic:
            return Family.TOPIC
        case OneMention(topics=topics) if topics:
            return Family.TOPIC
        case Reach():
            return Family.REACH
        case OneMention(followers=followers, verified=verified) if followers is not None or verified:
            return Family.REACH
        case Waiting():
            return Family.WAITING
        case Firing() | Silent():
            return Family.SYSTEMS
        case AboveUsual(subject=Subject.MENTIONS) | AtLeast(subject=Subject.MENTIONS):
            return Family.VOLUME
        case OneMention(subject=Subject.MENTIONS) | FromPeople():
            return Family.VOLUME
    return Family.TONE


def _topics(file: ThresholdsFile) -> dict[str, tuple[str, ...]]:
    """The topics as written, and every topic that only a rule names: it is its own word."""
    topics = {name: tuple(word.lower() for word in words) for name, words in file.topics.items()}
    for sentence in sentences(file):
        for named in grammar.read(sentence.text).names:
            if named.kind == "topic":
                topics.setdefault(named.name, (named.name,))
    return topics


@dataclass(frozen=True, slots=True)
class SentenceAt:
    """A sentence of a rule and where it stands: the rule's index and the way from there."""

    rule: int
    path: tuple[str | int, ...]
    text: str


def sentences(file: ThresholdsFile) -> Iterator[SentenceAt]:
    """Every condition of the file, in its order. A `path` has an index where several may stand."""
    for index, rule in enumerate(file.rules):
        yield SentenceAt(index, ("when",), rule.when)
        for key, several in (("and", rule.and_), ("or", rule.or_), ("only if", rule.only_if)):
            for number, text in enumerate(several):
                yield SentenceAt(index, (key, number), text)
