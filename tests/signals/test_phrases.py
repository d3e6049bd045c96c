"""Phrases and topics: words, stems, several words in a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.memo import Memo
from signals.phrases import LONGEST_PHRASE, Phrases
from signals.topics import Topics
from signals.words import words

TOPICS = Topics(
    {
        "injury": ("injur*", "hospital", "herid*"),
        "poisoning": ("food poisoning", "intoxica*", "comida en mal estado"),
        "outage": ("is down", "caíd*"),
        "recall": ("retira* del mercado",),
        "data": ("\u500b\u4eba\u60c5\u5831",),
    }
)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("My son was INJURED", {"injury"}),
        ("hospitals are closed", set()),
        ("in hospital with food-poisoning", {"injury", "poisoning"}),
        ("poisoning of food", set()),
        ("Intoxicación por comida en mal estado", {"poisoning"}),
        ("La app esta caida", {"outage"}),
        ("retirada del mercado", {"recall"}),
        ("retirado, del mercado!", {"recall"}),
        ("retirada de mercado", set()),
        ("", set()),
    ],
)
def test_topics_are_found_by_their_words(text, topics):
    assert TOPICS.of(words(text)) == topics


def test_a_topic_in_a_script_without_blanks_is_found():
    text = "\u79c1\u306e\u500b\u4eba\u60c5\u5831\u304c"

    assert TOPICS.of(words(text), text) == {"data"}


def test_no_topics_are_no_trouble():
    assert Topics({}).of(["a"]) == frozenset()
    assert Topics({"empty": ("*", "!!")}).of(["a"]) == frozenset()


def test_of_several_phrases_at_one_place_the_longest_counts_and_none_overlap():
    phrases = Phrases([("no", 1), ("no funciona", 2), ("funciona bien", 3)])

    assert list(phrases.longest(words("no funciona bien, no"))) == [(0, 2, 2), (3, 4, 1)]


def test_a_phrase_longer_than_any_is_cut():
    long = " ".join("abcdefghijklmnopqrstuvwxyz")
    phrases = Phrases([(long, 1)])

    assert list(phrases.values_in(words(long)[:LONGEST_PHRASE])) == [1]


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "abc"]), min_size=1, max_size=8)


@given(WORDS, st.lists(WORDS.filter(lambda each: len(each) < 4), max_size=5))
def test_every_phrase_is_found_where_looking_at_every_place_finds_it(text, phrases):
    known = Phrases((" ".join(phrase), number) for number, phrase in enumerate(phrases))
    expected = {
        (start, start + len(phrase), number)
        for number, phrase in enumerate(phrases)
        for start in range(len(text))
        if text[start : start + len(phrase)] == phrase
    }

    assert set(known.matches(text)) == expected
    assert set(known.matches(text)) == expected  # what is remembered changes nothing


def test_what_is_remembered_of_words_is_bounded():
    memo = Memo(len)
    for number in range(50_000):
        assert memo[f"w{number}"] == len(f"w{number}")

    assert 0 < len(memo) <= 20_000
    assert memo["x" * 1000] == 1000
    assert "x" * 1000 not in memo
