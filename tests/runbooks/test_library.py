"""The plans that ship with Tocsin load, say what domain.md asks for, and can be made one's own."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from incidents.errors import CommandRefused
from incidents.severity import Severity
from runbooks.loader import LIBRARY, LoadedPlan, load_plan
from runbooks.plan import Runbook
from runbooks.starter import STARTER_KEYS, write_starter

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example"
WRITTEN_OUT = ["service-outage", "viral-complaint", "product-safety"]
# domain.md 2.6: common to all runbooks, with the latest minute (3.2 for the holding statement).
COMMON_STEPS = {
    "open-log": 5,
    "pause-scheduled-posts": 10,
    "holding-statement-sev1": 15,
    "holding-statement": 30,
    "position-note": 30,
    "executive-summary": 30,
    "prior-contact-sweep": 30,
    "compensation-assessment": 60,
}


@pytest.fixture(scope="module")
def library():
    return load_plan(LIBRARY)


def runbook(library: LoadedPlan, runbook_id: str) -> Runbook:
    found = library.plan.runbook(runbook_id)
    assert found is not None
    return found


def test_the_starter_plan_loads_and_says_that_its_numbers_are_invented(library):
    assert [warning.split(": ")[1] for warning in library.warnings] == [
        "34 numbers are reserved for examples and reach nobody; this is the first."
    ]


def test_the_example_plan_loads_and_says_that_it_is_a_rehearsal():
    assert [warning.split(": ", 1)[1] for warning in load_plan(EXAMPLE).warnings] == [
        "Everybody is on the console only: this plan can be rehearsed, but it cannot wake anybody."
    ]


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_a_runbook_has_every_common_step_in_time(library, runbook_id):
    steps = {step.id: step for step in runbook(library, runbook_id).steps}
    for step_id, minutes in COMMON_STEPS.items():
        assert steps[step_id].within == timedelta(minutes=minutes)
        assert not steps[step_id].needs, "it counts from the declaration and waits for nothing"


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_a_runbook_has_a_first_line_in_both_languages_and_what_not_to_do(library, runbook_id):
    known = runbook(library, runbook_id)
    assert set(known.first_line) == {"en", "es"}
    assert known.dont
    placeholders = [set(re.findall(r"\{[^}]+\}", line)) for line in known.first_line.values()]
    assert placeholders[0] == placeholders[1]


@pytest.mark.parametrize("runbook_id", [*WRITTEN_OUT, "generic"])
def test_every_step_belongs_to_a_role_and_asks_for_evidence(library, runbook_id):
    for step in runbook(library, runbook_id).steps:
        assert step.owner.startswith("role:")
        assert step.evidence
        assert step.say.endswith((".", "?"))


@pytest.mark.parametrize(("situation", "minutes"), [("SERVICE_OUTAGE", 25), ("PRODUCT_SAFETY", 20)])
def test_a_crisis_is_in_extremis_after_25_minutes_at_the_latest(library, situation, minutes):
    ladder = library.plan.ladder_for(situation, Severity.SEV1)
    assert sum((rung.wait for rung in ladder.rungs), timedelta()) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("role", "minutes"),
    [("duty-commander", 0), ("deputy-commander", 5), ("executive-sponsor", 15), ("chief-executive", 20)],
)
def test_who_is_called_when_in_a_crisis(library, role, minutes):
    waited = timedelta()
    for rung in library.plan.ladder_for("SERVICE_OUTAGE", Severity.SEV1).rungs:
        if f"role:{role}" in rung.page:
            break
        waited += rung.wait
    assert waited == timedelta(minutes=minutes)


def test_everybody_in_the_starter_plan_has_two_channels(library):
    assert all(len(contact.channels) >= 2 for contact in library.directory.contacts)


def test_every_number_that_ships_is_reserved_for_examples():
    for path in [*LIBRARY.rglob("*.yaml"), *EXAMPLE.rglob("*.yaml")]:
        for number in re.findall(r"\+\d{8,}", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"\+120255501\d{2}|\+447700900\d{3}", number), f"{path}: {number}"


def test_the_example_and_the_starter_plan_differ_in_the_drill_only(library):
    example = load_plan(EXAMPLE).plan
    assert set(example.situations) - set(library.plan.situations) == {"DRILL_SHOP_DOWN"}
    assert set(example.ladders) - set(library.plan.ladders) == {"drill"}
    assert {each: example.ladders[each] for each in library.plan.ladders} == library.plan.ladders
    assert {each.id for each in example.runbooks} - {each.id for each in library.plan.runbooks} == {"drill-shop-down"}
    assert example.cadence == library.plan.cadence


def test_the_drill_of_the_example_reaches_consoles_and_climbs_every_five_seconds():
    example = load_plan(EXAMPLE)
    assert example.plan.situations["DRILL_SHOP_DOWN"].drill
    ladders = {example.plan.ladder_for("DRILL_SHOP_DOWN", severity).rungs for severity in Severity}
    assert len(ladders) == 1
    assert {rung.wait for rung in ladders.pop()} == {timedelta(seconds=5)}
    assert all(contact.channels_for(drill=True) for contact in example.directory.contacts)


def test_the_starter_can_be_written_and_loaded(tmp_path):
    written = write_starter(tmp_path / "plan")
    assert sorted(path.relative_to(tmp_path / "plan").as_posix() for path in written) == [
        "contacts.yaml",
        "plan.yaml",
        "runbooks/generic.yaml",
        "runbooks/product-safety.yaml",
        "runbooks/service-outage.yaml",
        "runbooks/viral-complaint.yaml",
        "schemas/contacts.schema.json",
        "schemas/plan.schema.json",
        "schemas/runbook.schema.json",
    ]
    assert load_plan(tmp_path / "plan").plan.company == "Larkfield Home"


def test_every_starter_has_keys_of_its_own(tmp_path):
    for name in ("one", "two"):
        write_starter(tmp_path / name)
    one, two = ({each.key for each in load_plan(tmp_path / name).plan.integrations} for name in ("one", "two"))
    assert len(one | two) == 6
    assert not (one | two) & set(STARTER_KEYS)
    assert {len(key) for key in one | two} == {32}


def test_the_editor_finds_the_schema_of_every_file(tmp_path):
    write_starter(tmp_path)
    for path in [*tmp_path.rglob("*.yaml"), *LIBRARY.rglob("*.yaml"), *EXAMPLE.rglob("*.yaml")]:
        first_line = path.read_text(encoding="utf-8").splitlines()[0]
        schema = first_line.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / schema).is_file(), f"{path}: {first_line}"


@pytest.mark.parametrize("name", ["plan.yaml", "contacts.yaml", "runbooks/generic.yaml", "schemas/plan.schema.json"])
def test_a_folder_that_has_one_of_the_files_is_left_alone(tmp_path, name):
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("ours")
    with pytest.raises(CommandRefused, match=re.escape(f"Nothing was written, for this would replace {theirs}.")):
        write_starter(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text() == "ours"
