"""Thresholds and sources that do not fit together, or that could never hold, are found at the very word."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.hearing_checks import hearing_smells, listening_findings, threshold_findings
from runbooks.loader import LIBRARY, load_plan
from runbooks.places import Finding, Weight
from runbooks.plan import Plan
from signals.conditions import AboveUsual, Condition, Silent
from signals.grammar import write
from signals.listening import Listening
from signals.program import Program
from signals.thresholds import ThresholdsFile, compiled
from tests.signals.test_grammar import KINDS
from tests.support.plans import crisis_plan

SITUATION = "SHOP_DOWN"
BRAND = {"id": "larkfield", "names": ["Larkfield Home"], "accounts": ["care.larkfield.example"]}
SOURCE = {"name": "rehearsal", "kind": "replay", "file": "mentions.jsonl"}


def a_rule(**changes: Any) -> dict[str, Any]:
    return {"name": "Ours", "when": "at least 30 mentions in 1 hour", "severity": "SEV3"} | changes


def a_plan(*rules: dict[str, Any], listening: dict[str, Any] | None = None, **file: Any) -> Plan:
    """A plan with these rules, and with one brand and one source unless `listening` says otherwise."""
    beside = {
        "thresholds": ThresholdsFile.model_validate({"situation": SITUATION, "rules": rules or (a_rule(),)} | file),
        "listening": Listening.model_validate({"brands": [BRAND], "sources": [SOURCE]} | (listening or {})),
    }
    return crisis_plan().model_copy(update=beside)


def told(findings: Sequence[Finding]) -> list[tuple[str, str, int | None]]:
    """Path, sentence and offset of the errors."""
    errors = [each for each in findings if each.weight is Weight.ERROR]
    return [(".".join(map(str, each.path)), each.sentence, each.offset) for each in errors]


def errors(plan: Plan) -> list[tuple[str, str, int | None]]:
    return told([*threshold_findings(plan), *listening_findings(plan)])


def smelt(plan: Plan) -> list[str]:
    return [each.sentence for each in hearing_smells(plan)]


def test_a_plan_without_these_files_has_nothing_to_be_said_about_them():
    assert errors(crisis_plan()) == []
    assert smelt(crisis_plan()) == []


def test_sound_rules_and_sources_are_taken():
    assert errors(a_plan()) == []


WRONG_RULES = [
    (
        {"when": "mentions in 1 hour are cleer above usual"},
        "when",
        "'cleer' is not one of the words above; did you mean 'clear'?",
        23,
    ),
    (
        {"or": ["a complaint", "source blusky is silent for 1 hour"]},
        "or.1",
        "'blusky' is not a source of listening.yaml.",
        7,
    ),
    (
        {"or": "source reharsal is silent for 1 hour"},
        "or.0",
        "'reharsal' is not a source of listening.yaml; did you mean 'rehearsal'?",
        7,
    ),
    (
        {"situation": "SHOP_DWN"},
        "situation",
        "'SHOP_DWN' is not one of the situations of plan.yaml; did you mean 'SHOP_DOWN'?",
        None,
    ),
    (
        {"brand": "larkfeld"},
        "brand",
        "'larkfeld' is not a brand of listening.yaml; did you mean 'larkfield'?",
        None,
    ),
    (
        {"when": "a mention about [po*]"},
        "when",
        "A * may only end a word of at least 3 letters, not 'po*'.",
        17,
    ),
    (
        {"when": "a mention about [recall, food p*ison]"},
        "when",
        "A * may only end a word of at least 3 letters, not 'p*ison'.",
        25,
    ),
    ({"when": "a mention about [!?]"}, "when", "'!?' has no letter and no digit, so it would never be found.", 17),
    (
        {"when": "from at least 3 people"},
        "when",
        "'from at least ...' alone counts nothing; it belongs under 'only if'.",
        None,
    ),
    (
        {"when": "a complaint", "only if": "from at least 3 people"},
        "only if.0",
        "Nothing is counted here whose people could be meant; count something, such as 'at least 3 mentions in 1 hour "
        "from at least 3 people'.",
        None,
    ),
    (
        {"and": "negative share in 1 hour is above 100 %"},
        "and.0",
        "This can never hold: no share is above 100 %.",
        None,
    ),
    (
        {"or": "a mention by somebody with more than 8000000000 followers"},
        "or.0",
        "This can never hold: there are not so many people.",
        None,
    ),
    (
        {"or": "reach of mentions in 1 hour is above 8000000000"},
        "or.0",
        "This can never hold: there are not so many people.",
        None,
    ),
    (
        {"or": "at least 5 mentions in 1 hour about the same topic"},
        "or.0",
        "This can never hold: there are no 'topics'.",
        None,
    ),
]


@pytest.mark.parametrize(("changes", "path", "sentence", "offset"), WRONG_RULES, ids=[case[2] for case in WRONG_RULES])
def test_a_wrong_rule_is_found_at_its_place(changes, path, sentence, offset):
    assert errors(a_plan(a_rule(**changes))) == [(f"thresholds.rules.0.{path}", sentence, offset)]


def test_a_share_just_below_everything_may_hold():
    assert errors(a_plan(a_rule(**{"and": "negative share in 1 hour is above 99.99 %"}))) == []


def test_two_rules_of_one_name_are_told_apart_by_nobody():
    found = errors(a_plan(a_rule(), a_rule(name="Another"), a_rule(name="OURS")))
    assert found == [("thresholds.rules.2.name", "Another rule has this name too.", None)]


def test_the_situation_of_the_file_matters_only_where_a_rule_has_none():
    assert errors(a_plan(a_rule(situation=SITUATION), situation="UNHEARD_OF")) == []
    assert errors(a_plan(a_rule(), situation="UNHEARD_OF")) == [
        ("thresholds.situation", "'UNHEARD_OF' is not one of the situations of plan.yaml.", None)
    ]


def test_without_a_listening_file_no_source_and_no_brand_is_known():
    plan = a_plan(a_rule(brand="larkfield", **{"or": "source x is silent for 1 hour"}))
    alone = plan.model_copy(update={"listening": None})
    assert [path for path, _, _ in errors(alone)] == ["thresholds.rules.0.or.0", "thresholds.rules.0.brand"]


@pytest.mark.parametrize(
    ("file", "path", "sentence"),
    [
        ({"words": {"above": 3}}, "words.above", "'above' cannot be such a word: every sentence has it already."),
        (
            {"usual": {"same_brand": "1 day"}},
            "usual.same_brand",
            "What is usual needs whole days, at least 2 days.",
        ),
        (
            {"usual": {"same_brand": "49 hours"}},
            "usual.same_brand",
            "What is usual needs whole days, at least 2 days.",
        ),
        (
            {"usual": {"leave_out": "90 minutes"}},
            "usual.leave_out",
            "Whole hours are left out, such as 12 hours or 1 day.",
        ),
        (
            {"topics": {"É tude": ["x"]}},
            "topics.É tude",
            "A topic is written in small letters, with single blanks: 'é tude'.",
        ),
        (
            {"topics": {"injury": ["hurt", "in*"]}},
            "topics.injury.1",
            "A * may only end a word of at least 3 letters, not 'in*'.",
        ),
        (
            {"topics": {"injury": ["???"]}},
            "topics.injury.0",
            "'???' has no letter and no digit, so it would never be found.",
        ),
    ],
)
def test_what_is_wrong_around_the_rules_is_found_at_its_place(file, path, sentence):
    assert errors(a_plan(**file)) == [(f"thresholds.{path}", sentence, None)]


def test_a_topic_that_looks_like_a_slip_is_taken_with_a_warning():
    plan = a_plan(a_rule(when="a mention about [injry, flood]"), topics={"injury": ["injur*"]})
    assert errors(plan) == []
    (warned,) = threshold_findings(plan)
    assert (warned.weight, warned.offset) == (Weight.WARNING, 17)
    assert warned.sentence == (
        "'injry' is not under 'topics', so it is looked for as a word; did you mean 'injury'?"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("listening", "path", "sentence"),
    [
        ({"brands": [BRAND, BRAND]}, "brands.1.id", "Another brand is called 'larkfield' too."),
        ({"sources": [SOURCE, SOURCE]}, "sources.1.name", "Another source is called 'rehearsal' too."),
        (
            {"sources": [SOURCE | {"brand": "larkfeld"}]},
            "sources.0.brand",
            "'larkfeld' is not one of the brands above; did you mean 'larkfield'?",
        ),
        *(
            (
                {"sources": [SOURCE | {"file": file}]},
                "sources.0.file",
                "Only a file in the plan's folder is read: name it from there.",
            )
            for file in ("/etc/passwd", "../mentions.csv", "a/../../b.csv", "C:\\mentions.csv", "..\\mentions.csv")
        ),
        (
            {
                "sources": [
                    {"name": "one", "kind": "chatwoot", "key": "the-same-key-0001"},
                    {"name": "two", "kind": "zendesk", "key": "the-same-key-0001"},
                ]
            },
            "sources.1.key",
            "Another source has this key too; every sender needs its own.",
        ),
        ({"late": "601s"}, "late", "Rules decide so long after a mention was written: write 10m at most."),
    ],
)
def test_a_wrong_source_is_found_at_its_place(listening, path, sentence):
    assert errors(a_plan(listening=listening)) == [(f"listening.{path}", sentence, None)]


def test_rules_may_wait_ten_minutes_for_what_comes_late():
    assert errors(a_plan(listening={"late": "10m"})) == []


def test_rules_in_which_nothing_is_found_wrong_can_be_decided():
    """What the checks let pass, the detector takes."""
    for when in ("mentions in 1 hour are clear above usual", "reach of mentions in 1 hour is above 5"):
        plan = a_plan(a_rule(when=when, **{"only if": "from at least 3 people"}))
        assert errors(plan) == []
        assert plan.thresholds is not None
        assert len(Program(compiled(plan.thresholds)).rules) == 1


# What smells

NOT_ALL = [f"No rule ever reaches {severity}." for severity in ("SEV1", "SEV2", "SEV4")]


def test_severities_that_no_rule_reaches_are_named():
    assert smelt(a_plan()) == NOT_ALL
    two = (a_rule(), a_rule(name="Other", when="a complaint about [recall]", severity="SEV2"))
    assert smelt(a_plan(*two)) == ["No rule ever reaches SEV4."]
    assert smelt(a_plan(*two, combine={"raise one level when": "never"})) == [NOT_ALL[0], NOT_ALL[2]]


@pytest.mark.parametrize(
    "changes",
    [
        {"when": "mentions in 1 hour are clear above usual"},
        {"when": "negative share in 1 hour is above 40 %"},
        {"when": "a complaint about [recall]", "or": "complaints in 1 hour are clear above usual"},
    ],
)
def test_a_rule_that_very_few_mentions_may_meet_is_named(changes):
    few = "Very few mentions may be enough for this on a quiet night; add 'only if: at least 20 mentions in 1 hour'."
    waits_for_somebody_else = "or" in changes
    assert smelt(a_plan(a_rule(**changes))) == ([] if waits_for_somebody_else else [few]) + NOT_ALL
    assert smelt(a_plan(a_rule(**changes, **{"only if": "at least 20 mentions in 1 hour"}))) == NOT_ALL


def test_a_rule_that_any_one_mention_meets_is_named():
    anybody = "Any one mention is enough for this, whoever writes it."
    assert smelt(a_plan(a_rule(when="a negative mention"))) == [anybody, *NOT_ALL]
    assert smelt(a_plan(a_rule(when="a negative mention by a verified account"))) == NOT_ALL


def test_rules_without_sources_and_sources_without_rules_are_named():
    nobody = "Nobody is listened to: listening.yaml has no sources."
    assert smelt(a_plan(listening={"sources": []})) == [*NOT_ALL, nobody]
    assert smelt(a_plan().model_copy(update={"listening": None})) == [*NOT_ALL, nobody]
    assert smelt(a_plan().model_copy(update={"thresholds": None})) == [
        "What is heard declares nothing: there is no thresholds.yaml with rules."
    ]


def test_answers_that_nobody_could_know_as_ours_are_named():
    waiting = a_rule(when="more than 25 complaints unanswered for longer than 2 hours")
    stranger = {key: value for key, value in BRAND.items() if key != "accounts"}
    plan = a_plan(waiting, listening={"brands": [stranger]})
    assert smelt(plan)[-1].startswith("Which answers are ours is not known without our own accounts")
    assert smelt(a_plan(listening={"brands": [stranger]})) == NOT_ALL


def test_a_monitoring_alert_that_nobody_could_send_is_named():
    plan = a_plan(a_rule(when="monitoring alert [checkout] is firing"))
    mute = plan.model_copy(update={"integrations": ()})
    assert "No monitoring alert can be heard: plan.yaml has no 'integrations'." in smelt(mute)


def with_known_names(condition: Condition) -> Condition:
    match condition:
        case AboveUsual():
            return replace(condition, word="clear")
        case Silent():
            return replace(condition, source=None)
    return condition


sentences = st.one_of(*KINDS.values()).map(with_known_names).map(write)


@given(sentences, st.lists(sentences, max_size=2), st.lists(sentences, max_size=2), st.lists(sentences, max_size=2))
def test_whatever_the_checks_let_pass_the_detector_takes(when, also, other, only_if):
    plan = a_plan(a_rule(when=when, **{"and": also, "or": other, "only if": only_if}), topics={"injury": ["injur*"]})
    if errors(plan):
        return
    assert plan.thresholds is not None
    Program(compiled(plan.thresholds))


def test_the_shipped_rules_are_taken_by_the_detector():
    file = load_plan(LIBRARY).plan.thresholds
    assert file is not None
    assert len(Program(compiled(file)).rules) == len(file.rules) == 9
