"""`tocsin tone`: what it prints, what it keeps, what it refuses."""

import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from listening.labels import WORDS, Label, write_labels
from listening.tone_model import models_in
from signals.mention import Tone
from tocsin.cli import cli

MARKERS = dict(zip(WORDS, ("zorbo", "plim", "quaster"), strict=True))


@pytest.fixture
def tocsin(tmp_path, monkeypatch):
    """Types a command about a home of its own; gives its result."""
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))

    def run(*typed):
        return CliRunner().invoke(cli, ["tone", *(str(word) for word in typed)])

    return run


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def labels_file(folder, *languages, each=40):
    """Labels of words that no lexicon knows, so that a judge of one's own is better."""
    rows = [
        Label(f"{marker} {kind} {number}", language, word)
        for language in languages
        for word, marker in MARKERS.items()
        for number, kind in enumerate(islice(cycle(["train", "bank", "shop"]), each))
    ]
    path = folder / "labels.csv"
    path.write_text(write_labels(rows), encoding="utf-8")
    return path


def test_a_text_can_be_tried_without_an_engine(tocsin):
    said = tocsin("try", "No funciona y nadie contesta, una vergüenza")

    assert said.exit_code == 0
    assert said.stdout.startswith("negative (-0.")
    assert "language es, judged by the lexicon" in said.stdout
    assert "it would be a complaint" in said.stdout


def test_a_program_gets_json(tocsin):
    answer = json.loads(tocsin("try", "I love it", "--json").stdout)

    assert answer | {"score": None} == {
        "language": "en",
        "label": "positive",
        "score": None,
        "complaint": False,
        "judge": "the lexicon",
    }


def test_a_language_may_be_said(tocsin):
    assert "language de" in tocsin("try", "kaputt", "--language", "de").stdout


def test_training_prints_both_figures_and_keeps_the_better_judge(tocsin, tmp_path, home):
    said = tocsin("train", labels_file(tmp_path, "en"))

    assert said.exit_code == 0
    assert "en: 120 labels (40 negative, 40 neutral, 40 positive)" in said.stdout
    assert "this judge            1.000     1.000" in said.stdout
    assert "the lexicon           0.333     0.167" in said.stdout
    assert "Means of 5 stratified folds" in said.stdout
    assert set(models_in(home)[0]) == {"en"}
    assert "trained on 120 labels" in tocsin("show").stdout
    assert "judged by the judge trained on 120 labels" in tocsin("try", "the zorbo was there and you know it").stdout


def test_a_judge_that_is_no_better_is_not_kept_unless_somebody_insists(tocsin, tmp_path, home):
    texts: dict[Tone, str] = {"negative": "horrible", "neutral": "plim", "positive": "wonderful"}
    rows = [Label(f"{text} thing {number}", "en", word) for word, text in texts.items() for number in range(40)]
    path = tmp_path / "easy.csv"
    path.write_text(write_labels(rows), encoding="utf-8")
    said = tocsin("train", path)

    assert said.exit_code == 1
    assert "no better than the lexicon" in said.stderr
    assert models_in(home)[0] == {}
    assert tocsin("train", path, "--anyway").exit_code == 0
    assert set(models_in(home)[0]) == {"en"}


def test_too_few_labels_are_refused_and_change_nothing_while_the_other_language_is_trained(tocsin, tmp_path, home):
    path = labels_file(tmp_path, "en")
    with path.open("a", encoding="utf-8") as file:
        file.write("solo una,es,negative\n")
    said = tocsin("train", path)

    assert said.exit_code == 1
    assert "es: 1 labels are too few to train on; 100 at least are needed" in said.stderr
    assert set(models_in(home)[0]) == {"en"}


def test_a_wrong_file_is_refused_with_its_lines(tocsin, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("text,language,label\nfine,en,great\n", encoding="utf-8")
    said = tocsin("train", path)

    assert said.exit_code == 1
    assert f"{path}:2: label must be negative, neutral or positive, not 'great'." in said.stderr


def test_a_file_without_a_label_is_refused(tocsin, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("text,language,label\n", encoding="utf-8")

    assert "there is no label in it" in tocsin("train", path).stderr


def test_without_scikit_learn_training_says_what_to_install(tocsin, tmp_path, monkeypatch):
    path = labels_file(tmp_path, "en")
    monkeypatch.setitem(__import__("sys").modules, "sklearn.feature_extraction.text", None)
    monkeypatch.delitem(__import__("sys").modules, "listening.tone_training", raising=False)
    said = tocsin("train", path)

    assert said.exit_code == 1
    assert "pip install 'tocsin[tone]'" in said.stderr


def test_a_spoilt_judge_is_named_and_the_lexicon_judges(tocsin, home):
    (home / "tone").mkdir(parents=True)
    (home / "tone" / "en.npz").write_bytes(b"nothing of ours")
    said = tocsin("show")

    assert "en, es: the lexicon" in said.stdout
    assert "en.npz cannot be read" in said.stderr


PAGES = {
    None: {
        "mentions": [
            {"text": "@northwind so slow", "language": "en", "tone": "neutral", "by_us": False},
            {"text": "We are sorry", "language": "en", "tone": "negative", "by_us": True},
            {"text": "qué bien", "language": "es", "tone": "positive", "by_us": False},
        ],
        "before": 41,
    },
    "41": {
        "mentions": [
            {"text": "@northwind so slow", "language": "en", "tone": "neutral", "by_us": False},
            {"text": "😡", "language": None, "tone": "negative", "by_us": False},
            {"text": "older", "language": "en", "tone": "positive", "by_us": False},
        ],
        "before": None,
    },
}


class Mentions(BaseHTTPRequestHandler):
    """Answers as the engine's GET /api/v1/mentions does."""

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        body = json.dumps(PAGES[asked.get("before", [None])[0]]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setenv("TOCSIN_API_TOKEN", "t")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mentions)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_labels_to_correct_are_the_latest_mentions_each_text_once_without_our_own(tocsin, port):
    said = tocsin("labels", "--port", port)

    assert said.exit_code == 0
    assert list(csv.reader(io.StringIO(said.stdout))) == [
        ["text", "language", "label"],
        ["'@northwind so slow", "en", "neutral"],
        ["qué bien", "es", "positive"],
        ["older", "en", "positive"],
    ]


def test_labels_may_be_of_one_language_and_few(tocsin, port):
    assert "older" in tocsin("labels", "--language", "en", "--port", port).stdout
    assert "older" not in tocsin("labels", "--language", "en", "--limit", 1, "--port", port).stdout


def test_a_file_that_somebody_may_have_corrected_is_not_overwritten(tocsin, port, tmp_path):
    path = tmp_path / "labels.csv"
    assert "wrote 3 labels" in tocsin("labels", "--out", path, "--port", port).stdout
    path.write_text("mine", encoding="utf-8")
    said = tocsin("labels", "--out", path, "--port", port)

    assert said.exit_code == 1
    assert "exists already" in said.stderr
    assert path.read_text(encoding="utf-8") == "mine"
