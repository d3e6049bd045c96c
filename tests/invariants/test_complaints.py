"""Each complaint of other tools' users about paging: its test is seen to fail with the feature switched off."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.invariants.complaints import COMPLAINTS, Complaint
from tests.invariants.planting import ROOT, copy_of, pytest_in, run

TABLE = ROOT / "docs" / "complaints.md"


def written(complaint: Complaint) -> str:
    test = complaint.fault.noticed_by.replace("::", ": ")
    return f"| {complaint.number} | {complaint.said} | {complaint.here} | `{test}` |"


@pytest.fixture(scope="module")
def copies(request, tmp_path_factory):
    """What became of each complaint's test on a copy without the feature; two at a time, unless xdist does that."""
    folder = tmp_path_factory.mktemp("copies")
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield lambda complaint: run(folder / f"{complaint.number}", complaint.fault)
        return
    with ThreadPoolExecutor(2) as pool:
        asked = [item.callspec.params.get("complaint") for item in request.session.items if hasattr(item, "callspec")]
        runs = {
            each.number: pool.submit(run, folder / f"{each.number}", each.fault) for each in COMPLAINTS if each in asked
        }
        yield lambda complaint: runs[complaint.number].result()


@pytest.mark.slow
@pytest.mark.parametrize("complaint", COMPLAINTS, ids=lambda each: each.fault.name)
def test_the_complaint_comes_true_only_with_the_feature_switched_off(copies, complaint):
    exit_code, said = copies(complaint)
    assert exit_code == 1, f"{complaint.fault.noticed_by} does not notice:\n{said}"
    assert "failed" in said


@pytest.mark.slow
def test_with_every_feature_in_place_none_comes_true(tmp_path):
    tests = dict.fromkeys(each.fault.noticed_by for each in COMPLAINTS)
    exit_code, said = pytest_in(copy_of(tmp_path / "whole"), *tests)
    assert exit_code == 0, said


def test_the_documentation_shows_this_very_table():
    text = TABLE.read_text(encoding="utf-8")
    missing = [line for each in COMPLAINTS if (line := written(each)) not in text]
    assert not missing, "docs/complaints.md lacks:\n" + "\n".join(missing)
