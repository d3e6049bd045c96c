"""The benchmark on labelled series: which bucket is given 1.0, which series it takes, and whose rules they are."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bench.nab import folder_of, judge, main, pages, read_counts, series_in, shipped
from runbooks.loader import LIBRARY, load_plan
from signals.thresholds import compiled

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def counts(buckets: int, burst: range) -> list[tuple[datetime, int]]:
    return [(BEGIN + timedelta(minutes=5 * each), 100 if each in burst else 3 + each % 2) for each in range(buckets)]


def test_the_rules_are_those_that_ship():
    file = load_plan(LIBRARY).plan.thresholds
    assert file is not None
    assert shipped() == compiled(file)


def test_only_the_bucket_that_pages_is_marked():
    burst = range(12 * 60, 12 * 60 + 30)
    (page,) = pages(shipped(), counts(12 * 100, burst))
    assert page.index in burst[:3]
    assert page.at == BEGIN + timedelta(minutes=5 * page.index)
    assert page.because.startswith("People talk much more than usual: ")


def test_nothing_is_marked_before_the_usual_is_known():
    assert list(pages(shipped(), counts(12 * 42, range(12 * 30, 12 * 41)))) == []


def test_series_are_those_that_have_labels_and_are_there(tmp_path):
    (tmp_path / "labels").mkdir()
    labels: dict[str, list[str]] = {"realTweets/there.csv": [], "realTweets/absent.csv": [], "other/there.csv": []}
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    for name in ("realTweets/there.csv", "realTweets/unlabelled.csv", "other/there.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("timestamp,value\n2026-03-02 00:05:00,7.0\n")
    assert series_in(tmp_path, "realTweets") == ["realTweets/there.csv"]
    assert series_in(tmp_path, "all") == ["other/there.csv", "realTweets/there.csv"]
    assert read_counts(tmp_path / "data" / "other" / "there.csv") == [(BEGIN + timedelta(minutes=5), 7)]


def test_the_folder_is_said_or_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TOCSIN_NAB", str(tmp_path))
    assert folder_of(None) == tmp_path.resolve()
    assert folder_of(str(tmp_path / "other")) == (tmp_path / "other").resolve()


def test_a_folder_without_series_is_told_of(tmp_path, capsys):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text("{}")
    (tmp_path / "nabscore.py").write_text("PROFILES = {}\n")
    assert main(["--nab", str(tmp_path)]) == 1
    assert "no labelled series of 'realTweets'" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        judge(tmp_path, "realTweets", shipped())
