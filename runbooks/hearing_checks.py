"""Whether thresholds.yaml and listening.yaml fit together and with the plan, and what about them smells. Pure.

Paths begin with `thresholds` or `listening`, the field of Plan that a file becomes.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta
from itertools import chain

from incidents.durations import write_duration
from incidents.severity import Severity
from runbooks.findings import repeated, unknown, warning
from runbooks.places import Finding, ModelPath, Weight
from runbooks.plan import Plan
from runbooks.wording import nearest
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
    Waiting,
)
from signals.grammar import Named, read
from signals.listening import Listening, Replay, SourceSpec
from signals.rules import Rule, Thresholds
from signals.thresholds import SentenceAt, ThresholdsFile, compiled, sentences, usual_length

EVERYBODY = 8_000_000_000
"""People there are. More followers than that has nobody."""
LATEST = timedelta(minutes=10)
"""The longest `late`: every rule waits so long before it decides."""
SHORTEST_STEM = 3
"""Letters before the `*` of a topic's word: fewer begin too many words."""
LEAST_USUAL = timedelta(days=2)
"""Nothing is said about the usual before 42 hours of it are known (shared/design/detection.md)."""


def threshold_findings(plan: Plan) -> Iterator[Finding]:
    """Errors and warnings about thresholds.yaml, in the order of the file; none when there is none."""
    file = plan.thresholds
    if file is None:
        return
    yield from _words(file)
    yield from _usual(file)
    yield from _topics(file)
    yield from _situations(file, plan)
    names = [(_rule(index, "name"), rule.name.lower()) for index, rule in enumerate(file.rules)]
    yield from repeated(names, "Another rule has this name too.")
    thresholds = compiled(file)
    for sentence in sentences(file):
        yield from _names(sentence, file, plan)
        yield from _never(sentence, read(sentence.text).condition, thresholds.topics)
    for index, rule in enumerate(thresholds.rules):
        yield from _people(index, rule)
        yield from _brand(index, rule, plan)


def sentence_errors(text: str, plan: Plan | None = None) -> Iterator[Finding]:
    """What is wrong with a sentence that would stand under `when` in this plan; without one, in any plan.

    Raises ConditionError when it cannot be read. Its words of how far above are not looked at.
    """
    reading = read(text)
    path = _rule(0, "when")
    file = None if plan is None else plan.thresholds
    for named in reading.names:
        if named.kind == "source" and plan is not None:
            yield from _known_source(path, named, plan)
        elif named.kind == "topic" and (file is None or named.name not in file.topics):
            wrong = _wrong_with(named.name)
            if wrong is not None:
                yield Finding(path, wrong, offset=named.offset)
    topics = None if file is None else compiled(file).topics
    yield from _never(SentenceAt(0, ("when",), text), reading.condition, topics)


def listening_findings(plan: Plan) -> Iterator[Finding]:
    """Errors about listening.yaml, in the order of the file; none when there is none."""
    listening = plan.listening
    if listening is None:
        return
    brands: list[tuple[ModelPath, str]] = [
        (("listening", "brands", index, "id"), each.id) for index, each in enumerate(listening.brands)
    ]
    yield from repeated(brands, "Another brand is called {!r} too.")
    sources: list[tuple[ModelPath, str]] = [
        (("listening", "sources", index, "name"), each.name) for index, each in enumerate(listening.sources)
    ]
    yield from repeated(sources, "Another source is called {!r} too.")
    for index, source in enumerate(listening.sources):
        yield from _source(("listening", "sources", index), source, listening)
    keys: list[tuple[ModelPath, str]] = [
        (("listening", "sources", index, "key"), each.key)
        for index, each in enumerate(listening.sources)
        if each.kind in ("chatwoot", "zendesk")
    ]
    yield from repeated(keys, "Another source has this key too; every sender needs its own.")
    if listening.late > LATEST:
        longest = write_duration(LATEST)
        sentence = f"Rules decide so long after a mention was written: write {longest} at most."
        yield Finding(("listening", "late"), sentence)


def hearing_smells(plan: Plan) -> Iterator[Finding]:
    """What works less well than it looks: warnings. A plan that listens to nobody and has no rules has none."""
    if plan.thresholds is not None:
        yield from _smells_of_rules(plan.thresholds, plan)
    if plan.listening is not None:
        yield from _smells_of_listening(plan.listening, plan)


# thresholds.yaml


def _rule(index: int, *rest: str | int) -> ModelPath:
    return ("thresholds", "rules", index, *rest)


def _words(file: ThresholdsFile) -> Iterator[Finding]:
    if "above" in file.words:
        yield Finding(("thresholds", "words", "above"), "'above' cannot be such a word: every sentence has it already.")


def _usual(file: ThresholdsFile) -> Iterator[Finding]:
    same_brand, leave_out = usual_length(file)
    if same_brand < LEAST_USUAL or same_brand % timedelta(days=1):
        yield Finding(("thresholds", "usual", "same_brand"), "What is usual needs whole days, at least 2 days.")
    if leave_out % timedelta(hours=1):
        yield Finding(("thresholds", "usual", "leave_out"), "Whole hours are left out, such as 12 hours or 1 day.")


def _topics(file: ThresholdsFile) -> Iterator[Finding]:
    for topic, words in file.topics.items():
        path: ModelPath = ("thresholds", "topics", topic)
        usually = " ".join(topic.split()).lower()
        if topic != usually:
            yield Finding(path, f"A topic is written in small letters, with single blanks: {usually!r}.")
        for index, word in enumerate(words):
            wrong = _wrong_with(word)
            if wrong is not None:
                yield Finding((*path, index), wrong)


def _wrong_with(word: str) -> str | None:
    """Why a word or phrase could not be looked for, or would be found nearly everywhere."""
    if not any(map(str.isalnum, word)):
        return f"{word!r} has no letter and no digit, so it would never be found."
    for part in word.split():
        stem = part.removesuffix("*")
        if "*" in stem or (stem != part and len(stem) < SHORTEST_STEM):
            return f"A * may only end a word of at least {SHORTEST_STEM} letters, not {part!r}."
    return None


def _situations(file: ThresholdsFile, plan: Plan) -> Iterator[Finding]:
    what = "one of the situations of plan.yaml"
    needed = any(rule.situation is None for rule in file.rules)
    if needed and file.situation not in plan.situations:
        yield unknown(("thresholds", "situation"), file.situation, plan.situations, what)
    for index, rule in enumerate(file.rules):
        if rule.situation is not None and rule.situation not in plan.situations:
            yield unknown(_rule(index, "situation"), rule.situation, plan.situations, what)


def _names(sentence: SentenceAt, file: ThresholdsFile, plan: Plan) -> Iterator[Finding]:
    path = _rule(sentence.rule, *sentence.path)
    for named in read(sentence.text).names:
        match named.kind:
            case "word" if named.name not in file.words:
                yield unknown(path, named.name, file.words, "one of the words above", named.offset)
            case "source":
                yield from _known_source(path, named, plan)
            case "topic" if named.name not in file.topics:
                yield from _own_word(path, named, file)


def _known_source(path: ModelPath, named: Named, plan: Plan) -> Iterator[Finding]:
    known = [] if plan.listening is None else [each.name for each in plan.listening.sources]
    if named.name not in known:
        yield unknown(path, named.name, known, "a source of listening.yaml", named.offset)


def _own_word(path: ModelPath, named: Named, file: ThresholdsFile) -> Iterator[Finding]:
    """A topic that is not under `topics` is its own word; it may be a slip."""
    wrong = _wrong_with(named.name)
    if wrong is not None:
        yield Finding(path, wrong, offset=named.offset)
        return
    meant = nearest(named.name, tuple(file.topics))
    if meant is not None:
        sentence = f"{named.name!r} is not under 'topics', so it is looked for as a word; did you mean {meant!r}?"
        yield Finding(path, sentence, Weight.WARNING, named.offset)


def _never(sentence: SentenceAt, condition: Condition, topics: Collection[str] | None) -> Iterator[Finding]:
    """Conditions that nothing could ever meet. `topics`: of the file; None when nobody knows them."""
    path = _rule(sentence.rule, *sentence.path)
    match condition:
        case Share(percent=percent) if percent >= 100:
            yield Finding(path, "This can never hold: no share is above 100 %.")
        case OneMention(followers=int(followers)) if followers >= EVERYBODY:
            yield Finding(path, "This can never hold: there are not so many people.")
        case Reach(above=above) if above >= EVERYBODY:
            yield Finding(path, "This can never hold: there are not so many people.")
        case AtLeast(same_topic=True) if topics is not None and not topics:
            yield Finding(path, "This can never hold: there are no 'topics'.")
        case FromPeople() if sentence.path[0] != "only if":
            yield Finding(path, "'from at least ...' alone counts nothing; it belongs under 'only if'.")


def _people(index: int, rule: Rule) -> Iterator[Finding]:
    """`from at least 3 people` is about what the rule counts."""
    counts = any(isinstance(each, AboveUsual | AtLeast | Reach) for each in (*rule.when, *rule.otherwise))
    for number, condition in enumerate(rule.only_if):
        if isinstance(condition, FromPeople) and not counts:
            sentence = (
                "Nothing is counted here whose people could be meant; count something, such as "
                f"'at least {condition.people} mentions in 1 hour from at least {condition.people} people'."
            )
            yield Finding(_rule(index, "only if", number), sentence)


def _brand(index: int, rule: Rule, plan: Plan) -> Iterator[Finding]:
    known = [] if plan.listening is None else [each.id for each in plan.listening.brands]
    if rule.brand is not None and rule.brand not in known:
        yield unknown(_rule(index, "brand"), rule.brand, known, "a brand of listening.yaml")


# listening.yaml


def _source(path: ModelPath, source: SourceSpec, listening: Listening) -> Iterator[Finding]:
    known = [each.id for each in listening.brands]
    if source.brand is not None and source.brand not in known:
        yield unknown((*path, "brand"), source.brand, known, "one of the brands above")
    if isinstance(source, Replay):
        parts = source.file.replace("\\", "/").split("/")
        if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
            yield Finding((*path, "file"), "Only a file in the plan's folder is read: name it from there.")


# What smells


def _smells_of_rules(file: ThresholdsFile, plan: Plan) -> Iterator[Finding]:
    thresholds = compiled(file)
    for index, rule in enumerate(thresholds.rules):
        yield from _no_minimum(index, rule)
        if any(isinstance(each, Firing) for each in _all_of(rule)) and not plan.integrations:
            yield warning(_rule(index, "when"), "No monitoring alert can be heard: plan.yaml has no 'integrations'.")
    yield from _severities_never_reached(thresholds)
    if plan.listening is None or not plan.listening.sources:
        yield warning(("thresholds", "rules"), "Nobody is listened to: listening.yaml has no sources.")


def _all_of(rule: Rule) -> tuple[Condition, ...]:
    return (*rule.when, *rule.otherwise, *rule.only_if)


def _no_minimum(index: int, rule: Rule) -> Iterator[Finding]:
    """A rule by which very few mentions may wake somebody."""
    always = (*rule.when, *rule.only_if)
    if any(isinstance(each, AtLeast | Waiting) for each in always):
        return
    holders = (*rule.when, *rule.otherwise)
    if any(isinstance(each, AboveUsual | Share) for each in holders) and not _waits_for_another(rule):
        hint = "add 'only if: at least 20 mentions in 1 hour'"
        yield warning(_rule(index, "when"), f"Very few mentions may be enough for this on a quiet night; {hint}.")
    if any(isinstance(each, OneMention) and each == OneMention(each.subject) for each in holders):
        yield warning(_rule(index, "when"), "Any one mention is enough for this, whoever writes it.")


def _waits_for_another(rule: Rule) -> bool:
    """Something besides the counting has to be wrong as well: a monitor, a source, a big voice."""
    return any(isinstance(each, Firing | Silent | OneMention | Reach) for each in rule.when)


def _severities_never_reached(thresholds: Thresholds) -> Iterator[Finding]:
    reached = {rule.severity for rule in thresholds.rules}
    if thresholds.raise_within is not None and len({rule.family for rule in thresholds.rules}) > 1:
        reached |= {_worse(each) for each in reached}
    for severity in Severity:
        if severity not in reached:
            yield warning(("thresholds", "rules"), f"No rule ever reaches {severity}.")


def _worse(severity: Severity) -> Severity:
    return min(Severity, key=lambda each: abs(each.rank - max(severity.rank - 1, 1)))


def _smells_of_listening(listening: Listening, plan: Plan) -> Iterator[Finding]:
    if plan.thresholds is None:
        nothing = "What is heard declares nothing: there is no thresholds.yaml with rules."
        yield warning(("listening", "sources"), nothing)
        return
    waits = any(
        isinstance(each, Waiting) for each in chain.from_iterable(map(_all_of, compiled(plan.thresholds).rules))
    )
    for index, brand in enumerate(listening.brands):
        if waits and not brand.accounts:
            sentence = "Which answers are ours is not known without our own accounts: everybody would wait for ever."
            yield warning(("listening", "brands", index, "id"), sentence)
