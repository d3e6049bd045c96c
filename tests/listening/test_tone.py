"""The lexicons: what turns, strengthens and weakens; emojis; and the figure on our own small set."""

import csv
from pathlib import Path

import pytest

from listening.lexicon import DATA, LexiconInvalid, read_lexicon, read_signs
from listening.tone import LexiconTone, word_of

TEXTS = Path(__file__).parents[1] / "data"
TONE = LexiconTone()


def score(text, language="es"):
    return TONE.judge([text], language)[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Qué desastre de servicio", "negative"),
        ("me encanta la app", "positive"),
        ("el pedido es el 4411", "neutral"),
        ("no me gusta", "negative"),
        ("nada bueno", "negative"),
        ("no está mal", "positive"),
        ("sin problemas", "positive"),
        ("buenos días", "neutral"),
        ("a lo mejor voy", "neutral"),
        ("PÉSIMO", "negative"),
        ("malooooo", "negative"),
        ("feísimo", "negative"),
        ("muy bueno pero no funciona", "negative"),
        ("nadie contesta, una vergüenza", "negative"),
        ("no, malo", "negative"),
        ("no es “bueno”", "negative"),
        ("", "neutral"),
    ],
)
def test_spanish(text, word):
    assert word_of(score(text)) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("horrible service", "negative"),
        ("not good", "negative"),
        ("I love it", "positive"),
        ("your app doesn't work", "negative"),
        ("still waiting for my parcel", "negative"),
        ("it arrived on time", "positive"),
        ("my order is 4411", "neutral"),
    ],
)
def test_english(text, word):
    assert word_of(score(text, "en")) == word


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Your kettle burst into flames in my hand", "en"),
        ("burned my hand on your kettle", "en"),
        ("Kettle exploded, it burned my hand", "en"),
        ("exploded and burned my face", "en"),
        ("The toaster caught fire", "en"),
        ("The plug gave me an electric shock", "en"),
        ("my son choked on a loose part", "en"),
        ("we ended up in hospital after your soup", "en"),
        ("El hervidor explotó y me quemó la mano", "es"),
        ("se incendió la tostadora", "es"),
        ("me dio una descarga eléctrica", "es"),
        ("mi hijo se atragantó con una pieza", "es"),
        ("mi hija casi se asfixia", "es"),
        ("acabamos en urgencias después de cenar", "es"),
    ],
)
def test_that_somebody_came_to_harm_is_negative(text, language):
    assert word_of(score(text, language)) == "negative"


@pytest.mark.parametrize(
    ("text", "language", "word"),
    [
        ("she gave me a hand with my bags", "en", "positive"),
        ("hand luggage is 10 kg", "en", "neutral"),
        ("I love the burnt orange sofa", "en", "positive"),
        ("the candle burns for forty hours", "en", "neutral"),
        ("the kettle didn't explode", "en", "neutral"),
        ("an explosion of flavours, delicious", "en", "positive"),
        ("la descarga de la app ocupa 40 MB", "es", "neutral"),
        ("¿a qué hora llamas?", "es", "neutral"),
        ("una explosión de sabor, riquísimo", "es", "positive"),
        ("no hubo heridos", "es", "neutral"),
    ],
)
def test_words_of_harm_in_another_sense_are_no_harm(text, language, word):
    assert word_of(score(text, language)) == word


def test_a_single_word_that_scores_nothing_takes_away_what_vader_says_of_it(tmp_path):
    path = tmp_path / "tone.txt"
    path.write_text("0: hand, at hand\n2: helping hand\n", encoding="utf-8")

    assert read_lexicon(path).silent == {"hand"}
    assert score("hand", "en") == 0


@pytest.mark.parametrize("language", ["en", "es", "de", None])
def test_emojis_count_in_every_language(language):
    assert word_of(score("4411 😡", language)) == "negative"
    assert word_of(score("4411 😍", language)) == "positive"


def test_of_a_row_of_emojis_three_count():
    assert score("😡" * 3) == score("😡" * 500)


def test_emoticons_count_in_spanish():
    assert word_of(score("ya llegó :(")) == "negative"


def test_another_language_has_no_words_here():
    assert score("absolut furchtbar, horrible, malo", "de") == 0


def test_what_strengthens_and_weakens_does():
    assert score("muy malo") < score("malo") < score("algo malo") < 0
    assert score("muy bueno") > score("bueno") > score("poco bueno") > 0
    assert score("qué MALO eres") < score("qué malo eres")
    assert score("malo!!!") < score("malo")


def test_a_score_stays_within_its_bounds():
    assert -1 <= score("pésimo " * 500) < -0.9
    assert -1 <= score("horrible " * 500, "en") < -0.9


def test_the_thresholds_are_vader_s():
    assert [word_of(each) for each in (-0.05, -0.049, 0.0, 0.049, 0.05)] == [
        "negative",
        "neutral",
        "neutral",
        "neutral",
        "positive",
    ]


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "tone.txt"
    path.write_text("# fine\n-3: malo\nfive: bueno\n", encoding="utf-8")

    with pytest.raises(LexiconInvalid, match=r"tone\.txt:3: expected"):
        read_lexicon(path)


def test_no_word_of_a_lexicon_stands_there_with_two_scores():
    for name in ("tone_es.txt", "tone_en.txt"):
        seen: dict[str, str] = {}
        for line in (DATA / name).read_text(encoding="utf-8").splitlines():
            head, _, rest = line.partition(":")
            if line.startswith("#") or not rest or head in ("not", "more", "less"):
                continue
            for phrase in (each.strip() for each in rest.split(",")):
                assert seen.setdefault(phrase, head) == head, (name, phrase)


def test_emojis_have_one_letter_each_and_no_sign_stands_there_twice():
    signs = read_signs(DATA / "tone_emoji.txt")
    lines = (DATA / "tone_emoji.txt").read_text(encoding="utf-8").splitlines()

    assert all(len(sign) == 1 for sign in signs if not sign.isascii())
    assert len(signs) == sum(len(line.split(":", 1)[1].split()) for line in lines if ":" in line and line[0] != "#")


@pytest.mark.parametrize(("language", "least"), [("en", 0.78), ("es", 0.75)])
def test_macro_recall_on_our_own_small_set_is_what_the_documentation_says(language, least):
    """Our own words, labelled before the judge ran once: small, and no measure of the world (docs/tone.md)."""
    with (TEXTS / f"tone_{language}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = [word_of(each) for each in TONE.judge([row["text"] for row in rows], language)]
    recalls = []
    for word in ("negative", "neutral", "positive"):
        of_word = [told for row, told in zip(rows, said, strict=True) if row["label"] == word]
        recalls.append(of_word.count(word) / len(of_word))

    assert len(rows) == 130
    assert sum(recalls) / 3 >= least
