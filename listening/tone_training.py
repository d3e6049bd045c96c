"""Training of a judge of tone. The only importer of scikit-learn: `pip install tocsin[tone]`.

Nothing is chosen by looking at results: one kind of model, its settings fixed here, and the figure that is printed is
of texts that the model had not seen.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import f1_score, recall_score  # type: ignore[import-untyped]
from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]
from sklearn.pipeline import FeatureUnion  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]

from incidents.errors import CommandRefused
from listening.labels import WORDS, Label
from listening.tone import LexiconTone, word_of
from listening.tone_model import Figures, Numbers, Terms, ToneModel, dense_of, piece_terms, word_terms, words_of
from signals.mention import Tone

FEWEST = 100
"""Labels of a language."""
FEWEST_EACH = 10
"""Labels of each of negative, neutral and positive."""
FOLDS = 5
_MOST_WORDS, _MOST_PIECES = 20_000, 40_000
_STRENGTH = 3.0
"""Inverse of the regularisation: C of the logistic regression."""

Terming = Callable[[Sequence[str]], Iterator[str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    words: list[str]
    dense: Numbers


def refuse_too_few(language: str, labels: Sequence[Label]) -> None:
    """CommandRefused, saying how many are missing."""
    counts = Counter(label.word for label in labels)
    if len(labels) < FEWEST:
        raise CommandRefused(
            f"{language}: {len(labels)} labels are too few to train on; {FEWEST} at least are needed, and 500 pay off."
        )
    for word in WORDS:
        if counts[word] < FEWEST_EACH:
            raise CommandRefused(
                f"{language}: {counts[word]} labels are {word}; at least {FEWEST_EACH} of each word are needed."
            )


def train(language: str, labels: Sequence[Label]) -> ToneModel:
    """A model of all labels, which are in `language`, with the figures of a stratified cross-validation on them.

    The same labels give the same model. Takes seconds to minutes. CommandRefused when there are too few.
    """
    refuse_too_few(language, labels)
    texts, words = [label.text for label in labels], [label.word for label in labels]
    scores = LexiconTone().judge(texts, language)
    return fit(language, texts, scores, words, cross_validate(language, texts, scores, words))


def cross_validate(language: str, texts: Sequence[str], scores: Sequence[float], words: Sequence[Tone]) -> Figures:
    """Each fifth is judged by a model of the other four; the lexicon, which learns nothing, judges the same fifths."""
    results = []
    folds = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=0)
    for learnt, kept in folds.split(texts, words):
        model = fit(language, _at(texts, learnt), _at(scores, learnt), _at(words, learnt))
        truth = _at(words, kept)
        said = [word_of(model.score(texts[place], scores[place])) for place in kept]
        lexicon = [word_of(scores[place]) for place in kept]
        results.append((*_figures(truth, said), *_figures(truth, lexicon)))
    recall, f1, lexicon_recall, lexicon_f1 = (float(each) for each in np.mean(results, axis=0))
    won = sum(each[0] > each[2] for each in results)
    return Figures(len(texts), FOLDS, recall, f1, lexicon_recall, lexicon_f1, won)


def fit(
    language: str, texts: Sequence[str], scores: Sequence[float], words: Sequence[Tone], figures: Figures | None = None
) -> ToneModel:
    """A model of these texts, their scores by the lexicon, and what people called them."""
    rows = [Row(words_of(text), dense_of(text, score)) for text, score in zip(texts, scores, strict=True)]
    word_terming, piece_terming = _vectorizer(word_terms, _MOST_WORDS), _vectorizer(piece_terms, _MOST_PIECES)
    # Fitted one after the other in this process: FeatureUnion keeps these very objects.
    union = FeatureUnion(
        [("words", word_terming), ("pieces", piece_terming), ("dense", FunctionTransformer(_dense_columns))]
    )
    regression = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=5_000)
    regression.fit(union.fit_transform(rows), words)
    order = [list(regression.classes_).index(word) for word in WORDS]
    weights: Numbers = regression.coef_[order]
    first = len(word_terming.idf_)
    second = first + len(piece_terming.idf_)
    return ToneModel(
        language=language,
        words=_terms(word_terming, weights[:, :first]),
        pieces=_terms(piece_terming, weights[:, first:second]),
        dense=np.ascontiguousarray(weights[:, second:]),
        bias=regression.intercept_[order],
        figures=figures or Figures(len(texts), 0, 0.0, 0.0, 0.0, 0.0, 0),
    )


def _vectorizer(terming: Terming, most: int) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer=lambda row: list(terming(row.words)), min_df=2, max_features=most, sublinear_tf=True
    )


def _dense_columns(rows: Sequence[Row]) -> Numbers:
    return np.array([row.dense for row in rows])


def _terms(vectorizer: TfidfVectorizer, weights: Numbers) -> Terms:
    places = {str(term): place for place, term in enumerate(vectorizer.get_feature_names_out())}
    return Terms(places, vectorizer.idf_.astype(float), np.ascontiguousarray(weights))


def _figures(truth: Sequence[Tone], said: Sequence[Tone]) -> tuple[float, float]:
    chosen = {"labels": list(WORDS), "average": "macro", "zero_division": 0.0}
    return float(recall_score(truth, said, **chosen)), float(f1_score(truth, said, **chosen))


def _at(values: Sequence[T], places: Iterable[int]) -> list[T]:
    return [values[place] for place in places]
