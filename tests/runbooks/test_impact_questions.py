"""A plan may ask a row of the severity matrix in its own words and with its own limits."""

import re
import shutil
from pathlib import Path

import pytest

from incidents.errors import CommandRefused, PlanInvalid
from incidents.impact import MATRIX, Row, read_answers, severity_of
from incidents.severity import Severity
from runbooks.loader import load_plan

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "example"
PAGE = (ROOT / "docs" / "severity.md").read_text(encoding="utf-8")
OWN = """
impact:
  customers:
    ask: How many shops are hit?
    answers:
      hundreds: {says: 100 shops or more, severity: SEV1}
      some: {says: fewer, severity: SEV3}
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "plan")
    return tmp_path / "plan"


def written(folder: Path, text: str) -> Path:
    file = folder / "plan.yaml"
    file.write_text(file.read_text() + text)
    return folder


def test_without_a_word_in_the_plan_the_matrix_is_asked_as_it_ships(folder):
    assert load_plan(folder).plan.matrix == MATRIX


def test_a_row_of_the_plans_own_takes_the_place_of_the_shipped_one(folder):
    matrix = load_plan(written(folder, OWN)).plan.matrix

    assert list(matrix) == list(Row)
    assert matrix[Row.PEOPLE] == MATRIX[Row.PEOPLE]
    answers = read_answers({"customers": "hundreds"}, matrix)
    assert severity_of(answers, Severity.SEV4) == (
        Severity.SEV1,
        ("Customers hit: 100 shops or more (SEV1)",),
    )
    with pytest.raises(CommandRefused, match="it takes hundreds, some, dont-know"):
        read_answers({"customers": "5-25%"}, matrix)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("  customers:", "  reputation:", "'reputation'"),
        ("severity: SEV3", "severity: SEV7", "'SEV7'"),
        ("      some: {says: fewer, severity: SEV3}\n", "", "at least"),
        ("      some:", "      dont-know:", "dont-know is an answer to every question"),
        ("      some:", "      So Many:", "'So Many'"),
        ("    ask: How many shops are hit?\n", "", "'ask'"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place_and_a_sentence(folder, old, new, place):
    assert old in OWN

    with pytest.raises(PlanInvalid) as refused:
        load_plan(written(folder, OWN.replace(old, new)))

    problem = refused.value.problems[0]
    assert problem.partition(":")[0].endswith("plan.yaml")
    assert problem.split(":")[1].isdigit()
    assert place in problem


def test_the_page_about_severity_has_every_answer_and_a_snippet_that_loads(folder):
    for row, question in MATRIX.items():
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{row}` |"))
        cells = line.split("|")[2:6]
        for word, choice in question.answers.items():
            assert f"`{word}`" in cells[choice.severity.rank - 1]
    snippet = re.search(r"^```yaml\n# plan\.yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert snippet is not None
    assert "dozens" in load_plan(written(folder, snippet.group(1))).plan.matrix[Row.CUSTOMERS].answers
