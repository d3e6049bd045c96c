"""docs/noise.md: what it shows can be written, loads, and is everything that there is."""

import io
import re
from pathlib import Path

from ruamel.yaml import YAML

from runbooks.noise import Dates, Maintenance, Noise
from runbooks.noise_checks import noise_findings
from runbooks.plan import Plan
from signals.heartbeats import Heartbeat
from signals.noise import Flapping, Group, Inhibit, Storm
from tests.support.plans import crisis_plan

PAGE = (Path(__file__).parents[2] / "docs" / "noise.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_snippet_can_be_put_into_a_plan():
    assert len(SNIPPETS) == 6
    for text in SNIPPETS:
        written = YAML(typ="safe", pure=True).load(io.StringIO(text))
        plan = Plan.model_validate(crisis_plan().model_dump(mode="json") | written)
        errors = [each for each in noise_findings(plan) if each.path[-1] != "integration"]
        assert errors == [], text


def test_every_field_is_shown():
    for model in (Noise, Maintenance, Dates, Inhibit, Group, Flapping, Storm, Heartbeat):
        for name in model.model_fields:
            assert re.search(rf"\b{name}:", PAGE), f"{model.__name__}.{name}"


def test_the_defaults_are_the_ones_that_it_names():
    assert "more than six times in fifteen minutes" in PAGE
    assert (Flapping().more_than, Flapping().within.total_seconds(), Flapping().quiet.total_seconds()) == (6, 900, 600)
    assert "more than 30 new keys within a minute" in PAGE
    assert Storm().more_than == 30
    shown = YAML(typ="safe", pure=True).load(io.StringIO(SNIPPETS[4]))["noise"]["storm"]
    assert Storm.model_validate(shown) == Storm()
