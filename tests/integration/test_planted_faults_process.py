"""Planted faults that only a real process shows: the guard taken out of a copy must make the named test fail.

The table of tests/invariants/test_planted_faults.py, continued: here the copy is started as a process of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.counterparties import NODE, ROOT

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", ".mypy_cache", ".ruff_cache", ".hypothesis", ".pytest_cache", ".tocsin", ".snac"
)
WATCH = "tests/integration/test_watch.py::"
KILLS = "tests/integration/test_kills.py::"
POINT = "test_killed_at_a_named_point_a_page_arrives_and_no_copy_is_passed_off_as_the_first"

FAULTS = [
    # invariant, file, guard, what stands there instead, the test that has to notice
    (
        2,
        "engine/door.py",
        "or now >= move.due_at + COVER[type(move)]",
        "or False",
        f"{WATCH}test_a_run_that_drives_and_does_nothing_delays_no_page",
    ),
    (
        3,
        "engine/pager.py",
        '            await self._doubtful(row, row.claim or "", because)\n        except Exception:',
        '            self._database.write_now(lambda tx: outbox.give_back(tx, row.message_id, row.claim or "", 0.0))\n'
        "        except Exception:",
        f"{KILLS}{POINT}[after claim:1]",
    ),
    (
        16,
        "engine/tick.py",
        '            log.error("no heartbeat sent because=%s", why_not)\n            return\n',
        '            log.error("no heartbeat sent because=%s", why_not)\n',
        f"{WATCH}test_the_heart_beats_while_pages_leave_on_time_and_stops_when_one_waits",
    ),
    (
        17,
        "engine/tick.py",
        "now - last > AWAY_ALARM",
        "False",
        f"{WATCH}test_after_ten_minutes_without_prefect_the_operators_are_paged",
    ),
]


@pytest.mark.slow
@pytest.mark.counterparty("twilio")
@pytest.mark.parametrize(
    ("file", "guard", "instead", "noticed_by"),
    [fault[1:] for fault in FAULTS],
    ids=[f"{fault[0]:02}-{fault[4].rpartition('::')[2][5:60]}" for fault in FAULTS],
)
def test_without_its_guard_the_invariant_is_seen_to_break(
    tmp_path: Path, file: str, guard: str, instead: str, noticed_by: str
):
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    (copy / NODE.relative_to(ROOT) / "node_modules").symlink_to(NODE / "node_modules")
    text = (copy / file).read_text(encoding="utf-8")
    assert text.count(guard) == 1, f"the guard stands {text.count(guard)} times in {file}: bring the table up to date"
    (copy / file).write_text(text.replace(guard, instead), encoding="utf-8")

    code, said = run(copy, noticed_by)

    assert code == 1, f"{noticed_by} does not notice:\n{said}"
    assert "1 failed" in said


def run(copy: Path, test: str) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(copy), "TOCSIN_SHARED": str(ROOT.parent / "shared")}
    environment.pop("CI", None)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", test]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout + done.stderr
