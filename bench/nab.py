"""The Numenta Anomaly Benchmark's company mentions, judged by the rules that ship with Tocsin: `python -m bench.nab`.

Every five-minute count of a series is told to the live detector (`signals.detector.Detector`, the thresholds of
runbooks/library as the plan loader reads them). The scorer is given 1.0 in the bucket where the rules raise, that is
where people would be paged, and 0.0 elsewhere, so that no threshold is chosen afterwards. Any folder of the same layout
will do: `labels/combined_windows.json`, and `data/` with those of its files that are there.
"""

import argparse
import csv
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from runbooks.loader import LIBRARY, load_plan
from signals.detector import Detector
from signals.observation import Observation
from signals.rules import Thresholds
from signals.thresholds import compiled

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "nab"
SCORER = "nabscore.py"
PROFILES = {"standard": "standard", "reward_low_FP_rate": "low-FP", "reward_low_FN_rate": "low-FN"}
FIXED = 0.5
"""The threshold on scores of which each is 0 or 1."""
NOTHING_FITTED = (
    "left out: the score of a series when whatever was chosen by looking at the series is chosen on the others only.\n"
    "Nothing was fitted here: every constant is the one that shared/design/detection.md gives: both columns agree.\n"
    "That document found its constants by measuring on series of this kind; expect less of a brand never seen (73-79)."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A bucket in which people would be paged."""

    index: int
    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one series came to. Scores are standard, low-FP, low-FN."""

    name: str
    scores: tuple[float, ...]
    caught: int
    windows: int
    false_pages: int
    weeks: float


def shipped() -> Thresholds:
    """The rules that ship with Tocsin, as a plan of them would decide."""
    file = load_plan(LIBRARY).plan.thresholds
    if file is None:
        raise FileNotFoundError(f"{LIBRARY / 'thresholds.yaml'} is not there")
    return compiled(file)


def read_counts(path: Path) -> list[tuple[datetime, int]]:
    """(moment, count) of each line of a series, as the benchmark writes them: `timestamp,value`, UTC."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (datetime.fromisoformat(line["timestamp"].strip()).replace(tzinfo=UTC), round(float(line["value"])))
            for line in csv.DictReader(file)
        ]


def pages(thresholds: Thresholds, counts: Iterable[tuple[datetime, int]]) -> Iterator[Page]:
    """Where the rules raise, told the counts one after the other as the engine would."""
    detector = Detector(thresholds, ("brand",))
    for index, (at, count) in enumerate(counts):
        moment = at.timestamp()
        found = detector.pass_time(moment)
        if count > 0:
            found += detector.hear(Observation("brand", moment, f"{index}", count=count))
        raised = [each for each in found if each.kind == "raises"]
        if raised:
            yield Page(index, at, " ".join(raised[0].assessment.because))


def scorer(folder: Path) -> ModuleType:
    """The scorer of the folder, or that of shared/ when it has none."""
    path = next((each / SCORER for each in (folder, SHARED) if (each / SCORER).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"there is no {SCORER} in {folder} or {SHARED}")
    spec = importlib.util.spec_from_file_location("nabscore", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["nabscore"] = module  # its classes look themselves up
    spec.loader.exec_module(module)
    return module


def series_in(folder: Path, subset: str) -> list[str]:
    """Names of the labelled series of a subset (a folder under data/, or `all`) whose files are there, in order."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    return sorted(
        name for name in labels if (subset == "all" or name.startswith(f"{subset}/")) and _data(folder, name).is_file()
    )


def _data(folder: Path, name: str) -> Path:
    return folder / "data" / name


@dataclass(frozen=True, slots=True)
class Judged:
    rows: tuple[Row, ...]
    """A row a series, then all of them together."""
    pages: dict[str, tuple[Page, ...]]


def judge(folder: Path, subset: str, thresholds: Thresholds) -> Judged:
    """Score every series by itself and all of them together."""
    nab = scorer(folder)
    names = series_in(folder, subset)
    if not names:
        raise FileNotFoundError(f"no labelled series of {subset!r} in {folder}")
    series = nab.load(str(folder), names)
    found = {name: tuple(pages(thresholds, read_counts(_data(folder, name)))) for name in names}
    column: dict[str, list[float]] = {}
    for name in names:
        column[name] = [0.0] * len(series[name].values)
        for page in found[name]:
            column[name][page.index] = 1.0
    rows = [_row(nab, name, {name: series[name]}, column) for name in names if series[name].windows]
    return Judged((*rows, _row(nab, "all", series, column)), found)


def _row(nab: ModuleType, name: str, series: dict[str, Any], column: dict[str, list[float]]) -> Row:
    result = nab.score(series, {each: column[each] for each in series}, dict.fromkeys(nab.PROFILES, FIXED))
    ops = result["ops"]
    weeks = sum((each.stamps[-1] - each.stamps[each.probation]).total_seconds() for each in series.values()) / 604_800
    scores = tuple(float(result[profile]["score"]) for profile in PROFILES)
    return Row(name, scores, ops["hit"], ops["windows"], ops["fp_episodes"], weeks)


def table(rows: Iterable[Row]) -> str:
    """Markdown."""
    head = ("series", *PROFILES.values(), "standard, left out", "windows caught", "false pages", "a series and week")
    lines = [head, ("---",) * len(head)]
    lines += [
        (
            row.name.removesuffix(".csv"),
            *(f"{score:.1f}" for score in row.scores),
            f"{row.scores[0]:.1f}",
            f"{row.caught} of {row.windows}",
            str(row.false_pages),
            f"{row.false_pages / row.weeks:.2f}",
        )
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def folder_of(said: str | None) -> Path:
    return Path(said or os.environ.get("TOCSIN_NAB") or SHARED).resolve()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.nab", description=__doc__)
    parser.add_argument("--nab", metavar="DIR", help="default: $TOCSIN_NAB, or shared/data/nab beside this checkout")
    parser.add_argument("--subset", default="realTweets", help="a folder under data/, or all")
    parser.add_argument("--pages", action="store_true", help="every page, with its reasons")
    said = parser.parse_args(arguments)
    try:
        judged = judge(folder_of(said.nab), said.subset, shipped())
    except (FileNotFoundError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(judged.rows), NOTHING_FITTED, sep="\n\n")
    if said.pages:
        for name, found in judged.pages.items():
            print(f"\n{name}")
            for page in found:
                print(f"  {page.at:%Y-%m-%d %H:%M}  {page.because}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
