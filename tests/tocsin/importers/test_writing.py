"""All of an import is written, or nothing; and never over a file that is there."""

import json
import os

from click.testing import CliRunner
from ruamel.yaml import YAML

from tocsin.cli import cli

LADDERS = "ladders.yaml"


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_import_into_the_same_folder_is_refused_and_changes_nothing(bring):
    first = bring("pagerduty", "pagerduty.json")
    before = files_of(first.folder)
    second = bring("goalert", "goalert.json")

    assert second.result.exit_code == 1
    assert "Nothing was written, for this would replace" in second.result.output
    assert files_of(first.folder) == before
    assert [path.name for path in first.folder.parent.iterdir()] == ["plan"]


def test_beside_a_plan_only_contacts_and_ladders_are_written_and_pasting_them_makes_a_plan_that_can_be_used(
    bring, tmp_path
):
    folder = tmp_path / "plan"
    CliRunner().invoke(cli, ["init", str(folder)])
    (folder / "contacts.yaml").unlink()
    before = files_of(folder)
    done = bring("pagerduty", "pagerduty.json")

    assert done.result.exit_code == 0, done.result.output
    assert {name: text for name, text in files_of(folder).items() if name in before} == before
    assert set(files_of(folder)) - set(before) == {"contacts.yaml", LADDERS}
    assert "Next: paste ladders.yaml under 'ladders:'" in done.result.output

    yaml = YAML()
    plan = yaml.load((folder / "plan.yaml").read_text(encoding="utf-8"))
    plan["ladders"].update(yaml.load((folder / LADDERS).read_text(encoding="utf-8")))
    with (folder / "plan.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(plan, file)

    assert "payments" in done.loaded.plan.ladders


def test_contacts_that_are_there_are_never_replaced(bring, tmp_path):
    folder = tmp_path / "plan"
    CliRunner().invoke(cli, ["init", str(folder)])
    before = files_of(folder)
    done = bring("pagerduty", "pagerduty.json")

    assert done.result.exit_code == 1
    assert files_of(folder) == before


def test_a_disk_that_fails_in_the_middle_leaves_nothing(bring, tmp_path, monkeypatch):
    real, calls = os.link, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "link", failing)
    done = bring("pagerduty", "pagerduty.json")

    assert done.result.exit_code == 1
    assert "cannot be written: No space left on device." in done.result.output
    assert list(tmp_path.iterdir()) == []


def test_nobody_gets_authority_over_money_from_an_import(bring):
    done = bring("pagerduty", "pagerduty.json")
    grants = [(contact.id, grant) for contact in done.loaded.directory.contacts for grant in contact.authority]

    assert [(who, grant.may, grant.total.amount, grant.per_customer.amount) for who, grant in grants] == [
        ("ana", "compensation", 0, 0)
    ]
    assert any("authority in contacts.yaml: Ana Ruiz" in line for line in done.lines("Placeholders, to be made right:"))


def test_json_says_the_same_as_the_report(bring):
    done = bring("goalert", "goalert.json", "plan", "--json")
    said = json.loads(done.result.output)

    assert said["taken"] == {"contacts": 3, "teams": 0, "schedules": 4, "ladders": 1}
    assert len(said["unmatched"]) == 10
    assert all("plan/" in each for each in said["files"])


def test_hostile_names_are_texts_in_the_file_and_nothing_else(bring, tmp_path):
    name = 'x"\n]}: &a *b !!python/object \u202e\x00 # {'
    user = {"id": "P1", "name": name, "email": "", "contact_methods": [], "notification_rules": []}
    export = tmp_path / "export.json"
    export.write_text(json.dumps({"users": [user]}), encoding="utf-8")
    done = bring("pagerduty", export)

    assert done.result.exit_code == 0, done.result.output
    assert [(contact.id, contact.name) for contact in done.loaded.directory.contacts] == [
        ("x-a-b-python-object", 'x" ]}: &a *b !!python/object # {')
    ]
