"""Whatever stands in the file: a sentence that names the place, exit code 1, and nothing written."""

import json
import zipfile
from pathlib import Path

import pytest

from incidents.errors import CommandRefused
from tocsin.commands.bring_in import VENDORS
from tocsin.importers.reading import gather

EXPORTS = Path(__file__).parent / "exports"
USER = {"id": "P1", "name": "Ana", "email": "ana@larkfield.example", "contact_methods": [], "notification_rules": []}
LAYER = {
    "id": "L1",
    "name": "Layer 1",
    "start": "2026-01-05T09:00:00Z",
    "end": None,
    "rotation_virtual_start": "2026-01-05T09:00:00Z",
    "rotation_turn_length_seconds": 604800,
    "users": [{"user": {"id": "P1"}}],
    "restrictions": [],
}
SCHEDULE = {"id": "S1", "name": "Primary", "time_zone": "UTC", "schedule_layers": [LAYER]}
POLICY = {"id": "E1", "name": "Policy", "num_loops": 0, "escalation_rules": []}


def pagerduty(**parts):
    return {"users": [USER], "schedules": [SCHEDULE], "escalation_policies": [POLICY]} | parts


def a_user(**parts):
    return pagerduty(users=[USER | parts])


def a_layer(**parts):
    return pagerduty(schedules=[SCHEDULE | {"schedule_layers": [LAYER | parts]}])


@pytest.fixture
def refused(tmp_path, bring):
    """Imports what the test wrote; gives the sentence. Nothing may be left behind beside the export."""

    def run(content, vendor="pagerduty", name="export.json"):
        export = tmp_path / name
        export.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        done = bring(vendor, export)

        assert done.result.exit_code == 1, done.result.output
        assert isinstance(done.result.exception, SystemExit), done.result.exception
        assert [path.name for path in tmp_path.iterdir()] == [name]
        return done.result.output.strip()

    return run


@pytest.mark.parametrize(
    ("export", "place"),
    [
        ([], "export.json: this should be an object"),
        ({}, "export.json: there is nothing to import here; it should have users"),
        ({"users": []}, "Nothing was written: there are no users"),
        ({"users": 7}, "users: this should be a list, not 7"),
        ({"users": [7]}, "users[0]: this should be an object, not 7"),
        (pagerduty(more=True), "export.json: the vendor says that more pages follow"),
        (pagerduty(users={"users": [USER], "more": True}), "users: the vendor says that more pages follow"),
        (a_user(id=None), "users[0].id: this is missing"),
        (a_user(name=["Ana"]), "users[0].name: this should be a text, not a list"),
        (a_user(contact_methods=None), "users[0].contact_methods: this is missing"),
        (
            a_user(contact_methods=[{"id": "C1", "type": "phone_contact_method", "address": 12, "country_code": 1}]),
            "users[0].contact_methods[0].address: this should be a text, not 12",
        ),
        (
            a_user(contact_methods=[{"id": "C1", "type": "phone_contact_method", "address": "1", "country_code": 1e9}]),
            "users[0].contact_methods[0].country_code: this should be a whole number",
        ),
        (
            a_user(contact_methods=[{"id": "C1", "type": "email_contact_method_reference"}]),
            "users[0].contact_methods[0]: the contact methods are only named here",
        ),
        (
            a_user(notification_rules=[{"id": "N1", "type": "assignment_notification_rule_reference"}]),
            "users[0].notification_rules[0]: the rules are only named here",
        ),
        (pagerduty(schedules=[SCHEDULE | {"schedule_layers": None}]), "schedules[0]: the layers are missing"),
        (a_layer(users=[{"user": {"id": "P9"}}]), "layers[0].users[0].user.id: 'P9' is not among the users"),
        (a_layer(rotation_turn_length_seconds=0), "layers[0].rotation_turn_length_seconds: this should be a whole"),
        (a_layer(rotation_virtual_start="soon"), "layers[0].rotation_virtual_start: this should be a moment"),
        (
            a_layer(rotation_virtual_start="2026-01-05T09:00:00"),
            "virtual_start: this should be a moment with an offset",
        ),
        (a_layer(start="9999-12-31T23:59:59-12:00"), "layers[0].start: this should be a moment"),
        (a_layer(start="0001-01-01T00:00:00Z"), "layers[0].start: this moment lies outside"),
        (
            a_layer(
                restrictions=[{"type": "daily_restriction", "start_time_of_day": "25:00:00", "duration_seconds": 60}]
            ),
            "restrictions[0].start_time_of_day: there is no such time",
        ),
        (
            a_layer(restrictions=[{"type": "lunar", "start_time_of_day": "09:00:00", "duration_seconds": 60}]),
            "restrictions[0].type: 'lunar' is not a restriction",
        ),
        (
            pagerduty(
                escalation_policies=[POLICY | {"escalation_rules": [{"targets": [{"type": "robot", "id": "R"}]}]}]
            ),
            "escalation_policies[0].escalation_rules[0].targets[0].type: 'robot' is not a target",
        ),
    ],
)
def test_what_is_not_as_documented_is_named_with_its_place(refused, export, place):
    assert place in refused(export)


def test_a_file_that_ends_too_early_says_so(refused):
    whole = (EXPORTS / "pagerduty.json").read_bytes()

    assert "the file ends too early; is the export complete?" in refused(whole[: len(whole) // 2].rstrip() + b" ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "export.json:1:1: Expecting value"),
        (b"\xff\xfe\x00", "export.json: this is not UTF-8 text"),
        (b"users: []", "export.json:1:1: Expecting value; is it JSON?"),
        (b"[" * 200_000, "export.json"),
        (b'{"users": ' + b"[" * 100 + b"]" * 100 + b"}", "export.json: this is nested more than"),
        (b'{"users": [' + b"9" * 10_000 + b"]}", "export.json: this is built to be unreadable"),
    ],
)
def test_what_is_no_export_is_refused_with_a_sentence(refused, content, sentence):
    assert sentence in refused(content)


def test_an_answer_of_errors_is_shown_and_not_imported(refused):
    export = {"errors": [{"message": "unauthorized"}], "data": None}

    assert "the vendor answered with errors instead of an export" in refused(export, "goalert")


def spots(tree, path=()):
    """The path of every value of a tree."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from spots(value, (*path, key))


def whole_export(vendor):
    """One tree; the backup of Opsgenie is a folder of files."""
    alone = EXPORTS / f"{vendor}.json"
    if alone.exists():
        return json.loads(alone.read_text(encoding="utf-8"))
    found: dict[str, list[object]] = {}
    for path in sorted((EXPORTS / vendor).rglob("*.json")):
        found.setdefault(path.parent.name, []).append(json.loads(path.read_text(encoding="utf-8")))
    return found


def with_value(tree, path, value):
    copy = json.loads(json.dumps(tree))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("wrong", [None, -1, "\ud800\x00 x", [], {}, [{}], True])
@pytest.mark.parametrize("vendor", list(VENDORS))
def test_a_value_of_any_other_kind_anywhere_is_refused_or_borne_and_never_a_crash(vendor, wrong):
    shape, read = VENDORS[vendor]
    whole = whole_export(vendor)
    outcomes = set()
    for path in spots(whole):
        try:
            read(gather(shape, [("", "export.json", with_value(whole, path, wrong))]))
            outcomes.add("borne")
        except CommandRefused:
            outcomes.add("refused")

    assert outcomes == {"borne", "refused"}


def zipped(path, name, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path.read_bytes()


def test_a_zip_that_swells_is_refused_before_it_is_unpacked(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("tocsin.importers.opening.SIZE_LIMIT", 1_000_000)
    content = zipped(tmp_path / "export.zip", "users.json", b" " * 5_000_000)

    assert "the export has more than 1 MB of JSON" in refused(content, name="export.zip")


def test_a_broken_zip_is_refused(refused, tmp_path):
    content = bytearray(zipped(tmp_path / "export.zip", "users.json", json.dumps([USER] * 50)))
    content[60] ^= 0xFF

    assert "this zip cannot be read" in refused(bytes(content), name="export.zip")


def test_a_zip_of_something_else_is_refused(refused, tmp_path):
    content = zipped(tmp_path / "export.zip", "../../elsewhere.json", b"{}")

    assert "There is nothing to import here" in refused(content, name="export.zip")


def test_a_link_in_a_folder_is_not_followed(tmp_path, bring):
    folder = tmp_path / "export"
    folder.mkdir()
    (tmp_path / "secret.json").write_text(json.dumps([USER]), encoding="utf-8")
    (folder / "users.json").symlink_to(tmp_path / "secret.json")

    assert "users.json: this is not a file of the export itself" in bring("pagerduty", folder).result.output


def test_a_page_that_is_missing_is_named_and_all_of_them_are_taken(tmp_path, bring):
    folder = tmp_path / "export"
    folder.mkdir()
    other = USER | {"id": "P2", "email": "ben@larkfield.example"}
    (folder / "users-1.json").write_text(json.dumps({"users": [USER], "more": True}), encoding="utf-8")
    missing = bring("pagerduty", folder)
    (folder / "users-2.json").write_text(json.dumps({"users": [other], "more": False}), encoding="utf-8")
    complete = bring("pagerduty", folder)

    assert "users: the vendor says that more pages follow" in missing.result.output
    assert [contact.id for contact in complete.loaded.directory.contacts] == ["ana", "ben"]


def test_an_unknown_vendor_is_a_usage_error(bring):
    assert bring("victorops", "pagerduty.json").result.exit_code == 2
