"""The schemas that editors use are current, accept what ships, and every pattern in them has words."""

import json

import pytest

from runbooks.plan import PlanFile
from runbooks.schemas import DOCS, SCHEMAS, schema_texts, write_schemas
from runbooks.wording import PATTERNS, keys_at


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_committed_schema_is_current(name):
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == schema_texts()[name], "run `python -m runbooks.schemas`"


def test_writing_twice_changes_nothing(tmp_path):
    first = {path: path.read_text() for path in write_schemas(tmp_path / "schemas")}
    assert {path: path.read_text() for path in write_schemas(tmp_path / "schemas")} == first


def test_every_pattern_of_the_models_is_explained_in_words():
    patterns = {pattern for text in schema_texts().values() for pattern in patterns_in(json.loads(text))}
    numbers = {pattern for pattern in patterns if "\\d" in pattern}
    assert patterns - numbers == set(PATTERNS)


def patterns_in(schema: object) -> set[str]:
    if isinstance(schema, list):
        return {pattern for each in schema for pattern in patterns_in(each)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    own |= set(schema.get("patternProperties", ()))
    return own | {pattern for each in schema.values() for pattern in patterns_in(each)}


def test_what_a_field_is_for_is_told_where_it_is_written():
    plan = json.loads(schema_texts()["plan.schema.json"])
    assert plan["properties"]["executives"]["description"] == "Who receives executive summaries."


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), "company"),
        (("ladders", "sev1", "rungs", 0), "page"),
        (("cadence", "SEV1"), "update_every"),
        (("company",), None),
    ],
)
def test_the_keys_of_a_place_are_known_from_the_models(path, key):
    assert (key is None and keys_at(PlanFile, path) == ()) or key in keys_at(PlanFile, path)
