"""Plans for backtests: a small plan on disk with rules and a brand, and the golden history with what it comes to.

tests/data/backtest/history.csv lasts exactly two weeks. By hand, with `MANY` (3 mentions in 1 hour) and `POISON` (2 in
1 hour about poison): soup is paged at 10:20 (MANY, 20 minutes after the label's start) and again, worse, at 10:40; the
lamps at 08:02 on the 6th are a false page; tea is paged at 15:15 (POISON, 15 minutes); the gates, two mentions, are
missed. That is 4 pages in 2 weeks of 1 brand: 2.0. With 2 mentions instead: 10:10, 08:01, 15:15 and 09:20, a page each.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.counterparties import ROOT
from tests.support.real_engine import PlanFiles, person, rung

GOLDEN = ROOT / "tests" / "data" / "backtest"
MANY = {"name": "Many write", "when": "at least 3 mentions in 1 hour", "severity": "SEV3"}
FEW = {"name": "Some write", "when": "at least 2 mentions in 1 hour", "severity": "SEV3"}
ANY = {"name": "Anybody writes", "when": "at least 1 mentions in 1 hour", "severity": "SEV3"}
POISON = {"name": "Poison", "when": "at least 2 mentions in 1 hour about [poison]", "severity": "SEV1"}
NORTHWIND = {"id": "northwind", "names": ["Northwind"]}


def plan_with(
    folder: Path, *rules: Mapping[str, Any], brands: Sequence[Mapping[str, Any]] = (NORTHWIND,), **more: Any
) -> Path:
    """A plan that can be used, with these rules. `more`: other keys of thresholds.yaml."""
    PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(folder)
    thresholds = {
        "situation": "SHOP_DOWN",
        "combine": {"raise one level when": "never"},
        "hold": {"join": "rules that start within 2 hours belong to the same incident"},
        "rules": [dict(each) for each in rules],
    }
    (folder / "thresholds.yaml").write_text(json.dumps(thresholds | more), encoding="utf-8")
    if brands:
        (folder / "listening.yaml").write_text(json.dumps({"brands": list(brands)}), encoding="utf-8")
    return folder
