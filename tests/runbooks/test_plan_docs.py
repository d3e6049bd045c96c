"""docs/plans.md: every snippet goes into the starter plan and loads, and nothing that can be written is left out."""

import io
import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from contacts.addresses import ChannelKind
from contacts.directory import Absence, Area, Authority, Beat, Contact, Directory, QuietHours, Team
from contacts.schedules import Layer, Override, Schedule, Swap, Window
from runbooks.loader import LoadedPlan, load_plan
from runbooks.plan import Backoff, Cadence, Ladder, Repeat, Rung
from runbooks.starter import write_starter

PAGE = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n# (contacts|plan)\.yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = [Contact, Absence, Area, Authority, Beat, QuietHours, Team, Directory, Layer, Override, Schedule, Swap, Window]
SHOWN += [Backoff, Cadence, Ladder, Repeat, Rung]


def put_in(folder: Path, name: str, text: str) -> LoadedPlan:
    """The starter plan with a snippet in it: entries of the same id or name give way."""
    write_starter(folder)
    yaml, path = YAML(typ="rt", pure=True), folder / f"{name}.yaml"
    whole = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in yaml.load(text).items():
        match value:
            case list():
                new = {entry["id"]: entry for entry in value}
                whole[key] = [each for each in whole[key] if each["id"] not in new] + list(new.values())
            case dict():
                whole[key] = dict(whole.get(key) or {}) | dict(value)
            case _:
                whole[key] = value
    written = io.StringIO()
    yaml.dump(whole, written)
    path.write_text(written.getvalue(), encoding="utf-8")
    return load_plan(folder)


def test_every_block_of_yaml_says_which_file_it_belongs_to():
    assert PAGE.count("```yaml") == len(SNIPPETS) > 10


@pytest.mark.parametrize(("name", "text"), SNIPPETS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(SNIPPETS)])
def test_a_snippet_can_be_put_into_the_starter_plan(tmp_path, name, text):
    warnings = put_in(tmp_path, name, text).warnings
    assert [each.split(": ", 1)[1] for each in warnings if "are reserved for examples" not in each] == []


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_everything_that_can_be_written_is_shown(model: type[BaseModel]):
    written = "\n".join(text for _, text in SNIPPETS)
    missing = [name for name in model.model_fields if not re.search(rf"\b{name}:", written)]
    assert missing == []


@pytest.mark.parametrize("kind", ChannelKind)
def test_every_kind_of_channel_is_shown(kind):
    assert any(f"kind: {kind}," in text for _, text in SNIPPETS)
