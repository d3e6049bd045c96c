"""A judge of tone that was trained on the team's own labels. Runs with numpy alone.

Its file holds numbers and words and no code: an .npz that is read without pickle. It weighs words, pairs of words and
pieces of words (tf-idf) together with what the lexicon says. `listening.tone_training` makes it.
"""

import json
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from incidents.errors import TocsinError
from listening.labels import WORDS
from listening.tone import JUDGED, POSITIVE, LexiconTone, Tone
from signals.words import words as words_in

Numbers = npt.NDArray[np.float64]

FORM = 1
"""Of the file; another one is refused."""
FOLDER = "tone"
"""In TOCSIN_HOME."""
_PIECES = (3, 4, 5)
"""Letters of a piece of a word."""
_DENSE = 4
_LONGEST_WORD = 40


class ToneModelInvalid(TocsinError):
    """A file of a trained judge cannot be used; names it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a cross-validation said: means over the folds, 0 to 1; and how many labels there were."""

    labels: int
    folds: int
    recall: float
    f1: float
    lexicon_recall: float
    lexicon_f1: float
    folds_won: int
    """Folds in which the model's macro-recall was above the lexicon's."""


@dataclass(frozen=True, slots=True)
class Terms:
    """One kind of terms: which there are, how rare each is, and how it counts for each of `WORDS`."""

    places: Mapping[str, int]
    rarity: Numbers
    """Inverse document frequency, one a term."""
    weights: Numbers
    """A row for each of `WORDS`, a column a term."""


@dataclass(frozen=True, slots=True)
class ToneModel:
    """One language's."""

    language: str
    words: Terms
    pieces: Terms
    dense: Numbers
    """A row for each of `WORDS`, a column for each of `dense_of`."""
    bias: Numbers
    figures: Figures

    def score(self, text: str, lexicon_score: float) -> float:
        """-1 to 1. At or beyond ±0.05 exactly when negative or positive is the likeliest of the three."""
        words = words_of(text)
        z = self.bias + self.dense @ dense_of(text, lexicon_score)
        z = z + _weighed(self.words, word_terms(words)) + _weighed(self.pieces, piece_terms(words))
        chances = np.exp(z - z.max())
        chances /= chances.sum()
        return score_of(chances)


def score_of(chances: Sequence[float] | Numbers) -> float:
    """A score of the chances of negative, neutral and positive."""
    negative, neutral, positive = (float(each) for each in chances)
    if neutral >= max(negative, positive):
        return (positive - negative) * POSITIVE * 0.99
    likeliest = max(negative, positive)
    score = POSITIVE + (1 - POSITIVE) * max(0.0, likeliest - 1 / 3) * 1.5
    return min(score, 1.0) if positive > negative else max(-score, -1.0)


def words_of(text: str) -> list[str]:
    return [word[:_LONGEST_WORD] for word in words_in(text[:JUDGED])]


def word_terms(words: Sequence[str]) -> Iterator[str]:
    """Words and pairs of neighbours."""
    yield from words
    yield from map(" ".join, pairwise(words))


def piece_terms(words: Sequence[str]) -> Iterator[str]:
    """Three to five letters in a row within a word, its ends being blanks."""
    for word in words:
        padded = f" {word} "
        for size in _PIECES:
            for start in range(max(1, len(padded) - size + 1)):
                yield padded[start : start + size]


def dense_of(text: str, lexicon_score: float) -> Numbers:
    """What counts besides terms: the lexicon's score, its good and bad half apart, and whether it asks or shouts."""
    asks, shouts = float("?" in text[:JUDGED]), float("!" in text[:JUDGED])
    return np.array([max(lexicon_score, 0.0), max(-lexicon_score, 0.0), asks, shouts])


def _weighed(terms: Terms, found: Iterator[str]) -> Numbers:
    """The terms' share in each word's weight: (1 + ln count) · rarity, brought to length one."""
    counts = Counter(place for term in found if (place := terms.places.get(term)) is not None)
    if not counts:
        return np.zeros(len(WORDS))
    places = np.fromiter(counts, dtype=np.intp, count=len(counts))
    values = (1.0 + np.log(np.fromiter(counts.values(), dtype=float, count=len(counts)))) * terms.rarity[places]
    weighed: Numbers = terms.weights[:, places] @ (values / np.linalg.norm(values))
    return weighed


class TrainedTone:
    """Judges the languages that there are models of; the others the lexicon judges."""

    def __init__(self, models: Mapping[str, ToneModel], lexicon: Tone | None = None) -> None:
        self.models = dict(models)
        self._lexicon = LexiconTone() if lexicon is None else lexicon

    def judge(self, texts: Sequence[str], language: str | None) -> list[float]:
        scores = self._lexicon.judge(texts, language)
        model = self.models.get(language or "")
        if model is None:
            return scores
        return [model.score(text, score) for text, score in zip(texts, scores, strict=True)]


def save(model: ToneModel, home: Path) -> Path:
    """Writes the model into its home, whole or not at all; the one before it is replaced."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.language}.npz"
    about = {"form": FORM, "language": model.language, "labels": WORDS, "figures": asdict(model.figures)}
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
        np.savez_compressed(
            file,
            about=_text(json.dumps(about)),
            words=_text("\n".join(model.words.places)),
            words_rarity=model.words.rarity,
            words_weights=model.words.weights,
            pieces=_text("\n".join(model.pieces.places)),
            pieces_rarity=model.pieces.rarity,
            pieces_weights=model.pieces.weights,
            dense=model.dense,
            bias=model.bias,
        )
    os.replace(file.name, path)
    return path


def load(path: Path) -> ToneModel:
    """ToneModelInvalid when it is no model of ours, or not whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            if about["form"] != FORM or tuple(about["labels"]) != WORDS:
                raise ToneModelInvalid(f"{path} was made by another version of Tocsin: train it again.")
            model = ToneModel(
                language=str(about["language"]),
                words=_terms(file, "words"),
                pieces=_terms(file, "pieces"),
                dense=_numbers(file["dense"], len(WORDS), _DENSE),
                bias=_numbers(file["bias"], len(WORDS)),
                figures=Figures(**about["figures"]),
            )
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ToneModelInvalid(f"{path} cannot be read as a trained judge of tone: {error}") from error
    if model.language != path.stem:
        raise ToneModelInvalid(f"{path} holds a judge of {model.language}.")
    return model


def models_in(home: Path) -> tuple[dict[str, ToneModel], tuple[str, ...]]:
    """The trained judges of a home by language, and a sentence for each file that cannot be used."""
    models, problems = {}, []
    for path in sorted((home / FOLDER).glob("*.npz")):
        try:
            models[path.stem] = load(path)
        except ToneModelInvalid as error:
            problems.append(str(error))
    return models, tuple(problems)


def tone_of(home: Path) -> tuple[Tone, tuple[str, ...]]:
    """The best judge that a home has, and what could not be used of it. Reads files; call it once, at start."""
    models, problems = models_in(home)
    return (TrainedTone(models) if models else LexiconTone()), problems


def _text(content: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(content.encode(), dtype=np.uint8)


def _terms(file: Mapping[str, npt.NDArray[np.float64]], name: str) -> Terms:
    content = file[name].tobytes().decode()
    terms = content.split("\n") if content else []
    places = {term: place for place, term in enumerate(terms)}
    if len(places) != len(terms):
        raise ValueError(f"{name} names a term twice")
    return Terms(
        places,
        _numbers(file[f"{name}_rarity"], len(terms)),
        _numbers(file[f"{name}_weights"], len(WORDS), len(terms)),
    )


def _numbers(array: npt.NDArray[np.float64], *shape: int) -> Numbers:
    if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError(f"numbers of shape {shape} were expected")
    return array
