"""A trained judge: it says what scikit-learn says, without it; its file holds no code; its figure is honest."""

import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from incidents.errors import CommandRefused
from listening.labels import WORDS, Label, read_labels
from listening.tone import LexiconTone, word_of
from listening.tone_model import ToneModelInvalid, TrainedTone, load, models_in, save, score_of, tone_of
from listening.tone_training import cross_validate, fit, train
from signals.mention import Tone

ROOT = Path(__file__).parents[2]
LABELS = read_labels(ROOT / "tests/data/tone_es.csv")
TEXTS = [label.text for label in LABELS]


@pytest.fixture(scope="module")
def model():
    return train("es", LABELS)


def test_a_model_that_was_saved_and_loaded_judges_the_same(model, tmp_path):
    again = load(save(model, tmp_path))

    assert again.figures == model.figures
    assert [again.score(text, -0.3) for text in TEXTS] == [model.score(text, -0.3) for text in TEXTS]


def test_training_twice_gives_the_same_judge(model):
    twice = train("es", LABELS)

    assert [twice.score(text, 0.0) for text in TEXTS] == [model.score(text, 0.0) for text in TEXTS]


def test_it_learns_what_the_lexicon_does_not_know():
    words: dict[Tone, str] = {"negative": "zorbo", "neutral": "plim", "positive": "quaster"}
    told = [
        Label(f"{marker} {kind} {number}", "en", word)
        for word, marker in words.items()
        for number, kind in enumerate(islice(cycle(["train", "bank", "shop"]), 40))
    ]
    trained = train("en", told)

    assert [word_of(trained.score(f"the {marker} today", 0.0)) for marker in words.values()] == list(words)
    assert trained.figures.recall > 0.95
    assert trained.figures.lexicon_recall == pytest.approx(1 / 3)
    assert trained.figures.folds_won == 5


def test_labels_without_sense_give_a_figure_of_chance():
    """Honest means that a judge is not examined on what it learnt: these labels have nothing to do with their texts."""
    senseless = list(islice(cycle(WORDS), len(TEXTS)))
    figures = cross_validate("es", TEXTS, LexiconTone().judge(TEXTS, "es"), senseless)

    assert figures.recall < 0.5


def test_numbers_are_those_of_scikit_learn():
    """The same sum by scikit-learn's own pieces, kept apart from ours."""
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]  # noqa: PLC0415
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # noqa: PLC0415

    from listening.tone_model import dense_of, piece_terms, word_terms, words_of  # noqa: PLC0415

    scores, words = LexiconTone().judge(TEXTS, "es"), [label.word for label in LABELS]
    makers = [
        TfidfVectorizer(analyzer=lambda row: list(word_terms(row)), min_df=2, max_features=20_000, sublinear_tf=True),
        TfidfVectorizer(analyzer=lambda row: list(piece_terms(row)), min_df=2, max_features=40_000, sublinear_tf=True),
    ]
    split = [words_of(text) for text in TEXTS]
    dense = csr_matrix(np.array([dense_of(text, score) for text, score in zip(TEXTS, scores, strict=True)]))
    matrix = hstack([*(maker.fit_transform(split) for maker in makers), dense]).tocsr()
    regression = LogisticRegression(C=3.0, class_weight="balanced", max_iter=5_000).fit(matrix, words)
    ours = fit("es", TEXTS, scores, words)

    assert list(regression.classes_) == ["negative", "neutral", "positive"]
    for row, (text, score) in enumerate(zip(TEXTS, scores, strict=True)):
        assert ours.score(text, score) == pytest.approx(score_of(regression.predict_proba(matrix[row])[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("chances", "word"),
    [
        ([0.9, 0.05, 0.05], "negative"),
        ([0.34, 0.33, 0.33], "negative"),
        ([0.33, 0.34, 0.33], "neutral"),
        ([0.49, 0.51, 0.0], "neutral"),
        ([0.0, 0.5, 0.5], "neutral"),
        ([0.3, 0.3, 0.4], "positive"),
        ([0.0, 0.0, 1.0], "positive"),
    ],
)
def test_the_likeliest_of_the_three_is_the_word_of_the_score(chances, word):
    assert word_of(score_of(chances)) == word
    assert -1 <= score_of(chances) <= 1


def test_too_few_labels_are_refused_with_what_is_missing():
    with pytest.raises(CommandRefused, match="en: 99 labels are too few to train on; 100 at least"):
        train("en", LABELS[:99])
    one_sided = [Label(f"text {number}", "en", "negative") for number in range(120)]
    with pytest.raises(CommandRefused, match="en: 0 labels are neutral; at least 10 of each"):
        train("en", one_sided)


def test_languages_without_a_model_are_the_lexicon_s(model):
    tone, lexicon = TrainedTone({"es": model}), LexiconTone()

    assert tone.judge(["horrible service", "fine"], "en") == lexicon.judge(["horrible service", "fine"], "en")
    assert tone.judge(TEXTS[:5], "es") == [
        model.score(text, score) for text, score in zip(TEXTS[:5], lexicon.judge(TEXTS[:5], "es"), strict=True)
    ]


def test_a_home_without_models_is_judged_by_the_lexicon(tmp_path):
    tone, problems = tone_of(tmp_path)

    assert isinstance(tone, LexiconTone)
    assert problems == ()


def test_a_file_that_is_no_model_is_named_and_the_others_are_used(model, tmp_path):
    save(model, tmp_path)
    (tmp_path / "tone/en.npz").write_bytes(b"PK no zip at all")
    models, problems = models_in(tmp_path)

    assert set(models) == {"es"}
    assert len(problems) == 1
    assert "en.npz cannot be read" in problems[0]


def test_a_file_with_code_in_it_runs_nothing(tmp_path):
    """An .npz can hold a pickle, and a pickle can hold code."""
    spoilt = tmp_path / "tone" / "en.npz"
    spoilt.parent.mkdir()
    ran = tmp_path / "ran"
    np.savez(spoilt, about=np.array([Trap(ran)], dtype=object))

    with pytest.raises(ToneModelInvalid, match="cannot be read"):
        load(spoilt)
    assert not ran.exists()


class Trap:
    """Whoever unpickles it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("hurt", ["words", "words_weights", "bias", "about"])
def test_a_file_that_is_not_whole_is_refused(model, tmp_path, hurt):
    path = save(model, tmp_path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays[hurt] = arrays[hurt][:-1] if hurt == "about" else arrays[hurt][..., :-1]
    np.savez(path, **arrays)

    with pytest.raises(ToneModelInvalid, match=r"es\.npz"):
        load(path)


def test_a_judge_of_another_language_is_refused(model, tmp_path):
    path = save(model, tmp_path)
    path.rename(path.with_name("en.npz"))

    with pytest.raises(ToneModelInvalid, match="holds a judge of es"):
        load(path.with_name("en.npz"))


def test_judging_needs_no_scikit_learn(model, tmp_path):
    save(model, tmp_path)
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from pathlib import Path\nfrom listening.tone_model import tone_of\n"
        f"tone, problems = tone_of(Path({str(tmp_path)!r}))\n"
        "print(type(tone).__name__, problems, tone.judge(['menuda vergüenza'], 'es')[0] < -0.05)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "TrainedTone () True"
