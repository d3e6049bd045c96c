"""In CI a run that quietly leaves tests out fails. Each case is a small run of its own, with our conftest.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COUNTERPARTIES, read_allowances

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(tmp_path):
    """Runs pytest over one planted test file, with every counterparty met; returns exit code and output."""
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(TESTS / "conftest.py", folder)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = counterparty(name): x\n")

    def once(planted: str, allowed: str = "", *arguments: str, ci: bool = True, met: tuple[str, ...] = COUNTERPARTIES):
        # The counterparties of this small run are tests that claim to have met one.
        meetings = "".join(
            f"def test_meets_{number}(record_property): record_property('counterparty', {name!r})\n"
            for number, name in enumerate(met)
        )
        (folder / "test_meetings.py").write_text(meetings)
        (folder / "test_planted.py").write_text(f"import pytest\n{planted}\n")
        (folder / "allowed_skips.txt").write_text(allowed)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        environment["CI"] = "true" if ci else ""
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    return once


SKIPS = "def test_absent(): pytest.skip('needs a moon')"


def test_a_full_run_passes_and_says_so(run):
    code, output = run("def test_present(): pass")

    assert code == 0, output
    assert "Nothing was left out." in output
    assert f"Tests executed per counterparty: {', '.join(f'{name} 1' for name in COUNTERPARTIES)}" in output


def test_a_skip_fails_in_ci_and_is_told_elsewhere(run):
    code, output = run(SKIPS)

    assert code == 1
    assert "CI: Left out without allowance: tests/test_planted.py::test_absent: needs a moon" in output

    code, output = run(SKIPS, ci=False)

    assert code == 0
    assert "Left out 1: needs a moon (tests/test_planted.py::test_absent)" in output


def test_an_allowed_skip_passes(run):
    code, output = run(SKIPS, "tests/test_planted.py::test_abs*  # there is no moon in CI\n")

    assert code == 0, output


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param("@pytest.mark.xfail\ndef test_broken(): assert False", id="expected failure"),
        pytest.param("pytest.skip('no moon', allow_module_level=True)", id="whole module"),
        pytest.param("pytest.importorskip('a_module_that_is_not_there')", id="missing import"),
    ],
)
def test_every_other_way_to_leave_a_test_out_fails_in_ci(run, planted):
    code, output = run(planted)

    assert code == 1, output
    assert "CI: Left out without allowance: tests/test_planted.py" in output


def test_a_deselection_fails_in_ci(run):
    code, output = run("def test_present(): pass", "", "--deselect", "tests/test_planted.py::test_present")

    assert code == 1
    assert "tests/test_planted.py::test_present: deselected" in output


def test_a_deselection_is_seen_through_xdist(run):
    code, output = run("def test_present(): pass", "", "-n1", "--deselect", "tests/test_planted.py::test_present")

    assert code == 1
    assert "tests/test_planted.py::test_present: deselected" in output


def test_a_counterparty_that_met_no_test_fails_in_ci(run):
    code, output = run("def test_present(): pass", met=COUNTERPARTIES[1:])

    assert code == 1
    assert f"CI: No test met the counterparty {COUNTERPARTIES[0]}." in output


def test_a_counterparty_that_is_not_installed_is_left_out_with_the_way_to_install_it(run):
    # The small run's own folder has no node_modules.
    code, output = run("@pytest.mark.counterparty('twilio')\ndef test_page(): pass", ci=False)

    assert code == 0
    assert "needs node, then: npm ci --ignore-scripts --prefix tests/counterparties/node" in output


def test_a_counterparty_nobody_knows_is_refused(run):
    code, output = run("@pytest.mark.counterparty('twillio')\ndef test_page(): pass")

    assert code != 0
    assert "counterparty('twillio') is none of" in output


def test_an_allowance_needs_a_reason():
    with pytest.raises(pytest.UsageError, match=r"allowed_skips\.txt:2: the reason is missing"):
        read_allowances("# a comment\ntests/test_a.py::test_b\n")


def test_the_brackets_of_a_parametrised_test_are_meant_as_they_stand():
    [allowance] = read_allowances("tests/test_a.py::test_b[1-x]  # because\n")

    assert allowance.covers("tests/test_a.py::test_b[1-x]")
    assert not allowance.covers("tests/test_a.py::test_b1")
