"""Schemathesis against the description that an engine serves: every path, method and check, and it finds nothing.

The gate runs a bounded number of requests from a fixed seed. TOCSIN_FUZZ=N sends N requests an operation instead,
from a seed of its own that stands in the output (`make fuzz`).
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from signals.integration import KINDS
from tests.support.counterparties import ROOT
from tests.support.real_engine import LONG, Engines, PlanFiles, RealEngine, person, rung

EXAMPLES = 10
"""Requests an operation and phase."""
LONGER = os.environ.get("TOCSIN_FUZZ", "")
SEED = ["--generation-database", "none"] if LONGER else ["--generation-deterministic"]
SEARCH = [
    *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
    *("--max-examples", LONGER or str(EXAMPLES), *SEED),
    *("--mode", "all", "--continue-on-failure", "--request-timeout", "30"),
    # A description that leads nowhere would be tested by nobody.
    *("--warnings", "missing_auth,validation_mismatch"),
]


MAPPING = {"summary": "$.title", "dedup_key": "$.id"}


def plan() -> PlanFiles:
    people = [person("ana", "console"), person("dora")]
    turns = {"people": ["ana", "dora"], "start": "2026-01-05"}
    desk = {"id": "desk", "title": "The desk", "time_zone": "Europe/Madrid", "layers": [turns]}
    refund = {"id": "refund", "question": "Refund?", "options": ["yes", "no"], "decider": "dora", "within": LONG}
    return PlanFiles(people, [rung("ana")], ["dora"], decisions=[refund], more_contacts={"schedules": [desk]})


KEYS = {
    kind: f"{kind}-key-0123456789" for kind in KINDS if kind not in ("email", "alertmanager", "pagerduty", "signals")
}


def with_every_sender(folder: Path) -> None:
    """An integration of each kind, and a heartbeat, beside those that the plan has."""
    plan = json.loads((folder / "plan.yaml").read_text(encoding="utf-8"))
    for kind, key in KEYS.items():
        integration = {"name": kind, "kind": kind, "key": key, "routes": [{"situation": "SHOP_DOWN"}]}
        plan["integrations"].append(integration | ({"mapping": MAPPING} if kind == "generic" else {}))
    beat = {"name": "backup", "key": "heartbeat-key-0123456789", "every": LONG, "situation": "SHOP_DOWN"}
    plan["heartbeats"] = [beat]
    (folder / "plan.yaml").write_text(json.dumps(plan), encoding="utf-8")


async def search(engine: RealEngine, folder: Path, **environment: str) -> tuple[int, str]:
    """Its exit code and what it printed."""
    address = f"{engine.url}/api/v1/openapi.json"
    token = f"Authorization: Bearer {engine.token}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", address, "--header", token, *SEARCH),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode("utf-8", "replace")


@pytest.mark.slow
@pytest.mark.timeout(36_000 if LONGER else 600)
@pytest.mark.parametrize("knows", ["nobody", "the plan's names"])
async def test_nothing_is_answered_that_the_description_does_not_say(engines: Engines, tmp_path: Path, knows: str):
    engine = engines.make(plan())
    with_every_sender(engine.plan)
    await engine.up()
    for signal in ("one", "two"):
        await engine.hears(signal)
    hooks = {"SCHEMATHESIS_HOOKS": "tests.support.fuzzed_names"} if knows != "nobody" else {}

    found, said = await search(engine, tmp_path, TOCSIN_FUZZED_FOLDER=str(tmp_path), **hooks)

    assert found == 0, said
    assert engine.runs
    assert "Traceback" not in engine.log.read_text(encoding="utf-8")
