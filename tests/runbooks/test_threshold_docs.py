"""docs/thresholds.md: each sentence is read, each snippet loads, every key is shown, commands print what it shows."""

import re

import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from ruamel.yaml import YAML

from runbooks.loader import load_plan
from runbooks.starter import write_starter
from signals.conditions import Condition, Family
from signals.grammar import parse, write
from signals.thresholds import CalmText, CombineText, HoldText, RuleText, ThresholdsFile, UsualText, family_of
from tests.support.counterparties import ROOT
from tocsin.cli import cli

PAGE = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLE = PAGE.partition("| sentence | holds when |")[2].partition("\n\n")[0]
SENTENCES = re.findall(r"^\| `([^`]+)` \|", TABLE, re.MULTILINE)
CALLS = re.findall(r"^\$ tocsin thresholds try \"([^\"\n]*)\"\n(.*?)(?=^\$|^```|^$)", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_of_the_table_is_read_and_written_so(text):
    assert write(parse(text)) == text


def test_every_kind_of_condition_is_in_the_table():
    assert {type(parse(text)) for text in SENTENCES} == set(Condition.__args__)


@pytest.mark.parametrize("text", SNIPPETS)
def test_a_snippet_can_be_put_into_the_starter_plan(tmp_path, text):
    write_starter(tmp_path)
    path, yaml = tmp_path / "thresholds.yaml", YAML(typ="rt", pure=True)
    whole = yaml.load(path.read_text(encoding="utf-8")) | (yaml.load(text) or {})
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(whole, file)
    assert [each for each in load_plan(tmp_path).warnings if "are reserved for examples" not in each] == []


@pytest.mark.parametrize("model", [ThresholdsFile, RuleText, UsualText, CombineText, HoldText, CalmText])
def test_everything_that_can_be_written_is_shown(model: type[BaseModel]):
    written = "\n".join(SNIPPETS)
    keys = [field.alias or name for name, field in model.model_fields.items()]
    assert [key for key in keys if not re.search(rf"^[\s{{-]*{key}:|[{{,] ?{key}:", written, re.MULTILINE)] == []


@pytest.mark.parametrize(("sentence", "shown"), CALLS)
def test_what_a_command_prints_is_what_the_page_shows(sentence, shown):
    done = CliRunner().invoke(cli, ["thresholds", "try", sentence])
    assert done.output == shown


def test_both_ways_in_which_a_sentence_can_be_tried_are_shown():
    assert len(CALLS) == 2


def test_the_table_of_families_is_true():
    table = PAGE.partition("| `when` | family |")[2].partition("\n\n")[0]
    assert set(re.findall(r"\| (\w+) \|$", table, re.MULTILINE)) == set(Family)
    assert {family_of(parse(text)) for text in SENTENCES} == set(Family)
