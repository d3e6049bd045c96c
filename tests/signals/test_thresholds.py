"""thresholds.yaml: the design's example is read, compiled and printed; a family is that of a rule's first words."""

import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from incidents.severity import Severity
from signals import conditions as c
from signals.conditions import Family
from signals.grammar import parse
from signals.program import Program
from signals.rules import Rule, Thresholds
from signals.thresholds import ThresholdsFile, as_written, compiled, family_of

# shared/design/detection.md, word for word.
DESIGN = """\
words: {noticeable: 3.0, clear: 4.2, strong: 6.0, extreme: 10}   # what the words mean, in spreads
usual: {same_brand: 14 days, leave_out: 1 day}
rules:
  - name: People talk much more than usual
    when: mentions in 1 hour are clear above usual
    and:  mentions in 15 minutes are noticeable above usual      # still going on
    only if: at least 30 mentions in 1 hour
    severity: SEV3
  - name: Anger is spreading
    when: negative mentions in 1 hour are clear above usual
    and:  negative share in 1 hour is above 40 %
    only if: at least 20 mentions in 1 hour from at least 10 people
    severity: SEV2
  - name: Danger to people
    when: at least 3 mentions in 1 hour about [poisoning, injury, allergy, recall]
    only if: from at least 3 people
    severity: SEV1
    quiet hours: ignore
  - name: Big voice against us
    when: a negative mention by somebody with more than 100000 followers
    or:   reach of negative mentions in 30 minutes is above 500000
    severity: SEV2
  - name: Customers left waiting
    when: more than 25 complaints unanswered for longer than 2 hours
    severity: SEV3
  - name: Shop is down and people notice
    when: monitoring alert [checkout, login] is firing for 5 minutes
    and:  complaints in 30 minutes are noticeable above usual
    severity: SEV2
combine:
  severity: highest of the rules that hold
  raise one level when: rules from 2 different families hold within 2 hours
hold:
  join: rules that start within 12 hours belong to the same incident
  page again only when: the severity rises
calm down:
  propose to step down when: every rule has been quiet for 2 hours
  a person must lower: always
"""
HOUR = timedelta(hours=1)


def as_read(text: str) -> ThresholdsFile:
    tree = YAML(typ="safe", pure=True).load(text)
    return ThresholdsFile.model_validate_json(json.dumps(tree), strict=True)


def a_file(**rule: Any) -> ThresholdsFile:
    written = {"name": "Ours", "when": "mentions in 1 hour are clear above usual", "severity": "SEV3"}
    return ThresholdsFile.model_validate({"rules": [written | rule]})


@pytest.fixture
def design():
    return as_read(DESIGN)


def test_the_file_of_the_design_becomes_what_the_detector_decides_with(design):
    first, anger, danger, *_ = compiled(design).rules
    assert first == Rule(
        "People talk much more than usual",
        (c.AboveUsual(c.Subject.MENTIONS, HOUR, "clear"), c.AboveUsual(c.Subject.MENTIONS, HOUR / 4, "noticeable")),
        Severity.SEV3,
        Family.VOLUME,
        only_if=(c.AtLeast(c.Subject.MENTIONS, 30, HOUR),),
    )
    assert anger.only_if == (c.AtLeast(c.Subject.MENTIONS, 20, HOUR, people=10),)
    assert danger.ignores_quiet_hours
    assert not anger.ignores_quiet_hours


def test_what_the_design_writes_out_is_what_is_so_without_it(design):
    bare = ThresholdsFile(rules=design.rules)
    assert compiled(bare) == compiled(design)
    defaults = Thresholds((), "VIRAL_COMPLAINT")
    got = compiled(bare)
    for name in ("situation", "words", "usual_days", "leave_out", "raise_within", "join", "calm"):
        assert getattr(got, name) == getattr(defaults, name), name


def test_the_families_of_the_design(design):
    assert {rule.name: rule.family for rule in compiled(design).rules} == {
        "People talk much more than usual": Family.VOLUME,
        "Anger is spreading": Family.TONE,
        "Danger to people": Family.TOPIC,
        "Big voice against us": Family.REACH,
        "Customers left waiting": Family.WAITING,
        "Shop is down and people notice": Family.SYSTEMS,
    }


@pytest.mark.parametrize(
    ("leading", "family"),
    [
        ("mentions in 1 hour are clear above usual", Family.VOLUME),
        ("at least 30 mentions in 1 hour", Family.VOLUME),
        ("a mention", Family.VOLUME),
        ("complaints in 1 hour are clear above usual", Family.TONE),
        ("complaint share in 1 hour is above 40 %", Family.TONE),
        ("at least 30 negative mentions in 1 hour", Family.TONE),
        ("a complaint", Family.TONE),
        ("a complaint about [recall]", Family.TOPIC),
        ("a negative mention about [recall] by somebody with more than 100000 followers", Family.TOPIC),
        ("at least 5 complaints in 15 minutes about the same topic", Family.TOPIC),
        ("a mention by a verified account", Family.REACH),
        ("reach of mentions in 1 hour is above 5", Family.REACH),
        ("more than 5 mentions unanswered for longer than 1 hour", Family.WAITING),
        ("monitoring alert [shop] is firing", Family.SYSTEMS),
        ("a source is silent for 1 hour", Family.SYSTEMS),
    ],
)
def test_the_first_condition_of_a_rule_is_its_family(leading, family):
    assert family_of(parse(leading)) is family
    assert compiled(a_file(when=leading)).rules[0].family is family


def test_a_rule_may_say_its_family_itself():
    assert compiled(a_file(family="reach")).rules[0].family is Family.REACH


def test_one_sentence_or_several_may_stand_under_and_or_and_only_if():
    one = a_file(**{"and": "at least 3 mentions in 1 hour", "or": "a complaint", "only if": "from at least 3 people"})
    several = a_file(**{key: [text] for key, text in (("and", one.rules[0].and_[0]), ("or", "a complaint"))})
    rule = compiled(one).rules[0]
    assert (len(rule.when), len(rule.otherwise), len(rule.only_if)) == (2, 1, 1)
    assert compiled(several).rules[0].when == rule.when
    more = a_file(**{"and": ["at least 3 mentions in 1 hour", "negative share in 1 hour is above 5 %"]})
    assert len(compiled(more).rules[0].when) == 3


def test_a_topic_that_only_a_rule_names_is_its_own_word():
    file = ThresholdsFile.model_validate(
        {
            "topics": {"injury": ["Hurt", "injur*"]},
            "rules": [{"name": "R", "when": "a mention about [injury, Recall, poison*]", "severity": "SEV1"}],
        }
    )
    assert compiled(file).topics == {"injury": ("hurt", "injur*"), "recall": ("recall",), "poison*": ("poison*",)}


def test_the_alerts_of_a_monitor_are_no_topics():
    assert compiled(a_file(when="monitoring alert [checkout] is firing")).topics == {}


def test_never_raising_a_level_can_be_said(design):
    never = design.model_copy(update={"combine": design.combine.model_copy(update={"raise_one_level_when": "never"})})
    assert compiled(never).raise_within is None


def test_what_is_stored_with_the_plan_is_read_as_the_same(design):
    assert ThresholdsFile.model_validate_json(design.model_dump_json()) == design
    assert '"only if"' in design.model_dump_json()
    assert ThresholdsFile.model_validate(design.model_dump()) == design


def test_the_canonical_file_decides_the_same_and_stays_as_it_is(design):
    loose = as_read(DESIGN.replace("1 hour", "60  Minutes").replace("40 %", "40.0%").replace("14 days", "336 hours"))
    assert as_written(loose) != loose
    assert as_written(loose) == as_written(design) == design
    assert compiled(as_written(loose)) == compiled(loose) == compiled(design)


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("when", "mentions in 1 hour are clear abov usual", "Expected 'above', not 'abov'."),
        ("and", "negative share in 1 hour is above 40", "The sentence ends too early: expected '%' or 'percent'."),
        ("only if", ["from at least 0 people"], "This must be at least 1."),
    ],
)
def test_a_sentence_that_cannot_be_read_is_an_error_at_its_key(key, text, sentence):
    with pytest.raises(ValidationError) as refused:
        a_file(**{key: text})
    (error, *_) = [each for each in refused.value.errors() if each["type"] == "condition"]
    assert (error["loc"][:3], error["msg"]) == (("rules", 0, key), sentence)


@given(st.dictionaries(st.sampled_from(["when", "and", "or", "only if"]), st.text() | st.lists(st.text()) | st.none()))
def test_whatever_stands_in_a_rule_is_taken_or_refused(rule):
    with contextlib.suppress(ValidationError):
        compiled(a_file(**rule))


def test_the_detector_can_be_built_from_the_design(design):
    assert len(Program(compiled(design)).rules) == 6
