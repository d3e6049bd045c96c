"""A rule in one sentence that needs no knowledge of the file."""

import pytest

from signals.grammar import parse
from signals.plain_words import condition_in_words, rule_in_words
from signals.thresholds import ThresholdsFile, compiled
from tests.signals.test_grammar import CANONICAL

WORDS = {"clear": 4.2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mentions in 1 hour are clear above usual",
         "the mentions in the last hour are at least 4.2 spreads above what is usual"),
        ("mentions in 15 minutes are odd above usual",
         "the mentions in the last 15 minutes are odd above what is usual"),
        ("complaint share in 2 hours is above 12.5 %",
         "more than 12.5 % of all mentions in the last 2 hours are complaints"),
        ("at least 1 complaint in 1 day about [login, payment] from at least 1 person",
         "there is at least 1 complaint in the last day about login or payment by at least 1 person"),
        ("at least 5 complaints in 15 minutes about the same topic of [login, payment]",
         "there are at least 5 complaints in the last 15 minutes about one and the same topic of login or payment"),
        ("a negative mention about [recall] by a verified account with more than 5 followers",
         "a verified account with more than 5 followers writes a negative mention about recall"),
        ("reach of negative mentions in 30 minutes is above 500000",
         "all who wrote negative mentions in the last 30 minutes have more than 500000 followers together"),
        ("more than 25 complaints unanswered for longer than 2 hours",
         "more than 25 complaints have had no answer from us for longer than 2 hours"),
        ("monitoring alert [checkout, login] is firing", "a monitor's alert named checkout or login has been firing"),
        ("source bluesky is silent for 30 minutes", "nothing could be read from the source bluesky for 30 minutes"),
        ("from at least 3 people", "those were written by at least 3 people"),
    ],
)  # fmt: skip
def test_a_condition_in_plain_words(text, words):
    assert condition_in_words(parse(text), WORDS) == words


@pytest.mark.parametrize("condition", CANONICAL.values(), ids=list(CANONICAL))
def test_every_condition_says_all_its_numbers(condition):
    said = condition_in_words(condition, WORDS)
    for number in ("people", "number", "above", "more_than", "followers"):
        value = getattr(condition, number, None)
        assert not value or str(value) in said


def test_a_rule_in_one_sentence():
    file = ThresholdsFile.model_validate(
        {
            "situation": "VIRAL",
            "rules": [
                {
                    "name": "R",
                    "when": "mentions in 1 hour are clear above usual",
                    "and": "negative share in 1 hour is above 40 %",
                    "or": "a complaint about [recall]",
                    "only if": "from at least 3 people",
                    "severity": "SEV1",
                    "brand": "larkfield",
                    "quiet hours": "ignore",
                }
            ],
        }
    )
    thresholds = compiled(file)
    assert rule_in_words(thresholds.rules[0], thresholds) == (
        "SEV1 VIRAL for larkfield when the mentions in the last hour are at least 4.2 spreads above what is usual, and "
        "more than 40 % of all mentions in the last hour are negative, or somebody writes a complaint about recall; "
        "but only if those were written by at least 3 people; people are called at night too."
    )
