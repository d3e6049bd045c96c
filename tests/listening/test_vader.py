"""Our way of asking VADER gives VADER's own number."""

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from listening.vader import Vader

DATA = Path(__file__).parents[1] / "data"
THEIRS, OURS = SentimentIntensityAnalyzer(), Vader()
THEIRS.emojis = {}
SAID = """
    good GOOD bad horrible love hate no not never without doubt least at very kind of so this sort but the shit
    yeah right bus stop to die for isn't barely extremely :) :( ! !!! ??? it was and broken kiss death thanks
    "quoted" (good). no,
"""
WORDS = st.sampled_from(SAID.split())


def test_on_the_labelled_texts():
    for name in ("tone_en.csv", "tone_es.csv"):
        with (DATA / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert OURS.compound(row["text"]) == THEIRS.polarity_scores(row["text"])["compound"], row["text"]


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_on_all_that_its_rules_look_at(text):
    assert OURS.compound(text) == THEIRS.polarity_scores(text)["compound"]


@given(st.text())
def test_on_any_text(text):
    assert OURS.compound(text) == THEIRS.polarity_scores(text)["compound"]
