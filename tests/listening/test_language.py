"""Languages: the network's word, the vote, lingua; and texts with nothing to tell by."""

import csv
from pathlib import Path

import pytest

from listening.language import Languages, primary
from signals.words import words

DATA = Path(__file__).parents[1] / "data"
LANGUAGES = Languages()


def told(text, said=None, languages=LANGUAGES):
    return languages.of(text, words(text), said)


@pytest.mark.parametrize("language", ["en", "es"])
def test_our_own_labelled_texts_are_told_apart(language):
    with (DATA / f"tone_{language}.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]

    assert [text for text in texts if told(text) != language] == []


@pytest.mark.parametrize(
    "text", ["", "😡😡😡", "12345", "ok", "https://northwind.example/la/los", "@maria #esta", "\ud800"]
)
def test_where_there_is_no_telling_nothing_is_said(text):
    assert told(text) is None


def test_the_network_s_word_counts():
    assert told("no funciona la app", "EN-gb") == "en"
    assert told("no funciona la app", "") == "es"
    assert primary("pt_BR") == "pt"


def test_a_text_that_is_plainly_in_the_other_language_is_taken_at_its_own_word():
    text = "Llevo tres semanas con este pedido y todavía no hay nadie que me lo explique"

    assert told(text, "en") == "es"
    assert told("I have been waiting for my parcel and they do not answer", "es") == "en"
    assert told(text, "ca") == "ca"


@pytest.mark.parametrize("said", ["und", "zxx", "qme", "art"])
def test_a_network_that_says_it_does_not_know_says_nothing(said):
    assert told("no funciona la app", said) == "es"


def test_a_language_that_is_expected_is_told_too():
    more = Languages(["pt", "de-AT"])

    assert told("Ich warte seit drei Wochen auf mein Paket", languages=more) == "de"
    assert told("the app does not work for me since the update", languages=more) == "en"


def test_a_language_that_nobody_can_tell_breaks_nothing():
    assert told("the app does not work", languages=Languages(["tlh"])) == "en"


def test_only_the_beginning_is_looked_at():
    assert told("it was not there when we came and they had gone " * 10 + "que los para con " * 5_000) == "en"
