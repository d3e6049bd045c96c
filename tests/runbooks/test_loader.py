"""A broken plan is refused with every problem at its place; a whole one reads the same however it is written."""

import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.errors import PlanInvalid
from runbooks.loader import LIBRARY, LoadedPlan, load_plan
from runbooks.plan import plan_version

PLAN = """\
company: Larkfield Home
ladders:
  all:
    rungs:
      - page: [role:commander]
        wait: 5m
    in_extremis: [leon]
severities: {SEV1: all, SEV2: all, SEV3: all, SEV4: all}
cadence:
  SEV1: {compensation_within: 2d}
  SEV2: {compensation_within: 3d}
  SEV3: {compensation_within: 7d}
  SEV4: {compensation_within: 14d}
situations:
  OUTAGE: {title: The shop is down, severity: SEV2, runbook: outage}
integrations:
  - name: monitor
    kind: signals
    key: monitor-key-00001
    routes:
      - situation: OUTAGE
operators: [nora]
compensation: {decider: leon}
"""
CONTACTS = """\
contacts:
  - id: nora
    name: Nora Lindqvist
    channels:
      - {kind: sms, to: "+12025550101"}
      - {kind: voice, to: "+12025550101"}
    authority:
      - {may: compensation, granted_by: Leon}
  - id: leon
    name: Leon Achterberg
    channels:
      - {kind: sms, to: "+12025550102"}
      - {kind: voice, to: "+12025550102"}
    authority:
      - {may: compensation, granted_by: The board}
roles:
  - {id: commander, title: Commander, responsible: nora, deputy: leon}
"""
RUNBOOK = """\
id: outage
title: The shop is down
purpose: Get it up again.
closes_when: It is up.
steps:
  - id: look
    title: Look
    owner: role:commander
    say: Look at it.
    within: 10m
  - id: mend
    title: Mend
    owner: nora
    say: Mend it.
    within: 20m
    needs: [look]
"""
FILES = {"plan.yaml": PLAN, "contacts.yaml": CONTACTS, "runbooks/outage.yaml": RUNBOOK}

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The plan's folder is the current one, so that problems name files as a person would."""
    monkeypatch.chdir(tmp_path)
    write(FILES)
    return tmp_path


def write(files: dict[str, str]) -> None:
    Path("runbooks").mkdir(exist_ok=True)
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")


def problems() -> list[str]:
    with pytest.raises(PlanInvalid) as refused:
        load_plan(Path())
    return refused.value.problems


def problems_if_any() -> list[str]:
    try:
        load_plan(Path())
    except PlanInvalid as refused:
        return refused.problems
    return []


def test_a_whole_plan_loads_with_its_warnings_at_their_places():
    loaded = load_plan(Path())
    assert loaded.warnings == (
        "contacts.yaml:5:25: 4 numbers are reserved for examples and reach nobody; this is the first.",
    )
    assert [runbook.id for runbook in loaded.plan.runbooks] == ["outage"]
    assert loaded.directory.first("role:commander", NOW) == loaded.directory.contact("nora")


BROKEN = [
    # what YAML itself refuses
    (
        "plan.yaml",
        "company: Lark",
        "company: : Lark",
        "plan.yaml:1:10: This is not YAML: mapping values are not allowed here.",
    ),
    (
        "plan.yaml",
        "operators: [nora]",
        "operators: [nora",
        "plan.yaml:23:13: This is not YAML: expected ',' or ']', but got ':'.",
    ),
    (
        "plan.yaml",
        "company:",
        "\tcompany:",
        "plan.yaml:1:1: This is not YAML: found character '\\t' that cannot start any token.",
    ),
    ("plan.yaml", "Larkfield Home", "Lark\x07field", "plan.yaml:1:14: This character is not allowed in YAML."),
    (
        "plan.yaml",
        "Larkfield Home",
        "'Larkfield",
        "plan.yaml:1:10: This is not YAML: what begins here is never closed.",
    ),
    ("plan.yaml", PLAN, "", "plan.yaml:1:1: The file is empty."),
    ("plan.yaml", PLAN, "# nothing yet\n", "plan.yaml:1:1: The file is empty."),
    ("plan.yaml", PLAN, "just words\n", "plan.yaml:1:1: The file must be a mapping (key: value), not 'just words'."),
    ("plan.yaml", PLAN, f"{PLAN}---\n{PLAN}", "plan.yaml:24:1: This is not YAML: but found another document."),
    # what a plan does not use
    (
        "plan.yaml",
        "rungs:\n",
        "rungs: &steps\n",
        "plan.yaml:4:12: Anchors and aliases (&steps) are not used in a plan; write it out.",
    ),
    (
        "plan.yaml",
        "Larkfield Home",
        "!!binary aGk=",
        "plan.yaml:1:10: Tags such as tag:yaml.org,2002:binary are not used in a plan; leave it out.",
    ),
    (
        "plan.yaml",
        "Larkfield Home",
        "[" * 40 + "]" * 40,
        "plan.yaml:1:34: This is nested deeper than 24 levels; no plan needs that.",
    ),
    ("plan.yaml", "company:", "1: 2\ncompany:", "plan.yaml:1:1: A key must be text; put it in quotes."),
    (
        "plan.yaml",
        "Larkfield Home",
        '"\\ud800"',
        "plan.yaml:1:10: This text contains half a character (a lone surrogate).",
    ),
    # keys
    (
        "plan.yaml",
        "operators: [nora]",
        "operators: [nora]\ncompany: Other",
        "plan.yaml:23:1: 'company' stands here a second time; the first is in line 1.",
    ),
    (
        "plan.yaml",
        "company:",
        "compnay: x\ncompany:",
        "plan.yaml:1:1: 'compnay' is not a key here; did you mean 'company'?",
    ),
    (
        "contacts.yaml",
        "    name: Nora",
        "    vip: true\n    name: Nora",
        "contacts.yaml:3:5: 'vip' is not a key here; the keys are id, name, language, time_zone, channels, paging, "
        "drills, deputy, reports_to, areas, conflicts, quiet_hours, absences, authority.",
    ),
    (
        "contacts.yaml",
        'sms, to: "+12025550101"',
        'sms, too: "+1", to: "+12025550101"',
        "contacts.yaml:5:21: 'too' is not a key here; did you mean 'to'?",
    ),
    (
        "plan.yaml",
        "company:",
        "runbooks: []\ncompany:",
        "plan.yaml:1:1: 'runbooks' is not a key here: each runbook stands in a file of its own in runbooks/.",
    ),
    ("plan.yaml", "company: Larkfield Home\n", "", "plan.yaml:1:1: 'company' is missing here."),
    ("runbooks/outage.yaml", "    say: Look at it.\n", "", "runbooks/outage.yaml:6:5: 'say' is missing here."),
    ("contacts.yaml", '{kind: voice, to: "+12025550101"}', "{kind: voice}", "contacts.yaml:6:9: 'to' is missing here."),
    (
        "contacts.yaml",
        '{kind: voice, to: "+12025550101"}',
        '{to: "+12025550101"}',
        "contacts.yaml:6:9: 'kind' is missing here.",
    ),
    # values
    (
        "contacts.yaml",
        '"+12025550101"}\n    auth',
        "+12025550101}\n    auth",
        "contacts.yaml:6:27: 'to' must be text, but YAML reads +12025550101 as a number; put it in "
        'quotes so that the plus is not lost: "+12025550101".',
    ),
    (
        "contacts.yaml",
        "Nora Lindqvist",
        "0o17",
        "contacts.yaml:3:11: 'name' must be text, but YAML reads 0o17 as a number; put it in quotes: \"0o17\".",
    ),
    (
        "plan.yaml",
        "Larkfield Home",
        "true",
        "plan.yaml:1:10: 'company' must be text, but YAML reads true as yes or no; put it in quotes: \"true\".",
    ),
    ("plan.yaml", "Larkfield Home", "", "plan.yaml:1:1: 'company' is empty; text belongs here."),
    ("plan.yaml", "Larkfield Home", "[a, b]", "plan.yaml:1:10: 'company' must be text, not a list."),
    ("plan.yaml", "Larkfield Home", "''", "plan.yaml:1:10: 'company' must not be empty."),
    ("plan.yaml", "[role:commander]", "role:commander", "plan.yaml:5:15: 'page' must be a list, not 'role:commander'."),
    ("plan.yaml", "[role:commander]", "[]", "plan.yaml:5:15: 'page' needs at least 1 entry."),
    (
        "plan.yaml",
        "[role:commander]",
        "[Nora]",
        "plan.yaml:5:16: Entry 1 of 'page' must be a contact such as ana, or a role such as "
        "role:duty-commander, or area:*, team:NAME or schedule:NAME, not 'Nora'.",
    ),
    ("plan.yaml", "wait: 5m", "wait: 5", "plan.yaml:6:15: 'wait': write a duration such as 30s, 5m, 2h, 3d or 1h 30m."),
    (
        "plan.yaml",
        "wait: 5m",
        "wait: 5m\n        repeat: {every: 1m, times: many}",
        "plan.yaml:7:36: 'times' must be a whole number, not 'many'.",
    ),
    (
        "plan.yaml",
        "{compensation_within: 2d}",
        "soon",
        "plan.yaml:10:9: 'SEV1' must be a mapping (key: value), not 'soon'.",
    ),
    (
        "plan.yaml",
        "severity: SEV2",
        "severity: SVE2",
        "plan.yaml:15:47: 'severity' must be 'SEV1', 'SEV2', 'SEV3' or 'SEV4', not 'SVE2'; did you mean 'SEV2'?",
    ),
    (
        "plan.yaml",
        "SEV4: all}",
        "SEV4: all, SEV5: all}",
        "plan.yaml:8:58: 'SEV5' must be 'SEV1', 'SEV2', 'SEV3' or 'SEV4', not 'SEV5'; did you mean 'SEV4'?",
    ),
    (
        "plan.yaml",
        "kind: signals",
        "kind: signal",
        "plan.yaml:18:11: 'kind' must be 'alertmanager', 'checkly', 'cloudwatch', 'datadog', 'email', 'gcp', "
        "'generic', 'goalert', 'grafana', 'graylog', 'incidentio', 'oncall', 'opsgenie', 'pagerduty', 'pingdom', "
        "'sentry', 'signals', 'uptimerobot' or 'victorops', not 'signal'; did you mean 'signals'?",
    ),
    (
        "plan.yaml",
        "kind: signals",
        "kind: generic",
        "plan.yaml:18:11: The kind generic needs 'mapping': where in a body summary and key stand.",
    ),
    (
        "plan.yaml",
        "kind: signals",
        "kind: pingdom\n    topics: ['arn:aws:sns:eu-west-1:1:a']",
        "plan.yaml:19:5: 'topics' is for the kinds cloudwatch, not for pingdom.",
    ),
    (
        "plan.yaml",
        "kind: signals",
        "kind: generic\n    mapping: {summary: '$.title', dedup_key: '$..[?@.a == 1'}",
        "plan.yaml:19:46: 'dedup_key': '$..[?@.a == 1' is no JSONPath: unexpected end of segment.",
    ),
    (
        "plan.yaml",
        "kind: signals",
        "kind: generic\n    mapping:\n      dedup_key: $.id\n      summary: '{% for x in y %}{% endfor %}'",
        "plan.yaml:21:16: 'summary': line 1 of this template has a for; it may hold values, comparisons, `if` and the "
        "filters d, default, first, join, last, length, lower, replace, string, trim, truncate, upper.",
    ),
    ("plan.yaml", "key: monitor-key-00001", "key: short", "plan.yaml:19:10: 'key' needs at least 16 characters."),
    (
        "contacts.yaml",
        "    name: Nora Lindqvist\n",
        "    name: Nora Lindqvist\n    quiet_hours: [{after: '22:00', until: '07:00', severities: [SEV1]}]\n",
        "contacts.yaml:4:65: Entry 1 of 'severities' must be 'SEV3' or 'SEV4', not 'SEV1'.",
    ),
    (
        "contacts.yaml",
        "kind: voice",
        "kind: fax",
        "contacts.yaml:6:9: 'kind' must be one of 'console', 'sms', 'voice', 'slack', 'email', 'push', 'webhook', "
        "'apprise', not 'fax'.",
    ),
    (
        "contacts.yaml",
        'voice, to: "+12025550101"',
        'voice, to: "+1 202 555 0101"',
        "contacts.yaml:6:27: 'to': write '+1 202 555 0101' as '+12025550101' (E.164: plus sign, digits, nothing else).",
    ),
    (
        "contacts.yaml",
        '    channels:\n      - {kind: sms, to: "+12025550101"}',
        '    drills: sometimes\n    channels:\n      - {kind: sms, to: "+12025550101"}',
        "contacts.yaml:4:13: 'drills' must be true or false, not 'sometimes'.",
    ),
    (
        "contacts.yaml",
        "granted_by: Leon}",
        "granted_by: Leon, until: 2027-01-01}",
        "contacts.yaml:8:54: 'until' must be a time with its zone such as 2027-01-31T00:00:00Z, not '2027-01-01'.",
    ),
    (
        "contacts.yaml",
        "granted_by: Leon}",
        "granted_by: Leon, per_customer: {amount: -1, currency: EUR}}",
        "contacts.yaml:8:70: 'amount': input should be greater than or equal to 0 (it is the number -1).",
    ),
    # the library
    (
        "plan.yaml",
        "operators:",
        "library: [viral-complaints]\noperators:",
        "plan.yaml:22:11: 'viral-complaints' is not in the library; did you mean 'viral-complaint'?",
    ),
    (
        "plan.yaml",
        "operators:",
        "library: [outage]\noperators:",
        "plan.yaml:22:11: The runbook 'outage' is there already; name it once, here or in runbooks/.",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "problem"), BROKEN, ids=[case[3] for case in BROKEN])
def test_a_broken_plan_is_refused_with_place_and_sentence(file, old, new, problem):
    assert old in FILES[file]
    write({file: FILES[file].replace(old, new, 1)})
    assert problems() == [problem]


def test_every_problem_of_every_file_is_told_at_once():
    write(
        {
            "plan.yaml": PLAN.replace("company: Larkfield Home", "compny: x").replace("wait: 5m", "wait: soon"),
            "contacts.yaml": CONTACTS.replace("kind: sms", "kind: fax"),
            "runbooks/outage.yaml": "id: [",
            "runbooks/other.yaml": "",
        }
    )
    assert problems() == [
        "plan.yaml:1:1: 'company' is missing here.",
        "plan.yaml:1:1: 'compny' is not a key here; did you mean 'company'?",
        "plan.yaml:6:15: 'wait': write a duration such as 30s, 5m, 2h, 3d or 1h 30m.",
        "contacts.yaml:5:9: 'kind' must be one of 'console', 'sms', 'voice', 'slack', 'email', 'push', 'webhook', "
        "'apprise', not 'fax'.",
        "contacts.yaml:12:9: 'kind' must be one of 'console', 'sms', 'voice', 'slack', 'email', 'push', 'webhook', "
        "'apprise', not 'fax'.",
        "runbooks/other.yaml:1:1: The file is empty.",
        "runbooks/outage.yaml:1:6: This is not YAML: what begins here is never closed.",
    ]


def test_words_that_older_yaml_would_turn_into_something_else_stay_words():
    write({"plan.yaml": PLAN.replace("Larkfield Home", "NO").replace("The shop is down", "22:30")})
    plan = load_plan(Path()).plan
    assert (plan.company, plan.situations["OUTAGE"].title) == ("NO", "22:30")


# Files that cannot be read


@pytest.mark.parametrize("name", ["plan.yaml", "contacts.yaml"])
def test_a_missing_file_is_named(name):
    Path(name).unlink()
    assert problems() == [f"{name}:1:1: There is no such file; `tocsin init DIR` writes a plan to start from."]


def test_a_plan_without_any_runbook_is_refused():
    Path("runbooks/outage.yaml").unlink()
    Path("runbooks").rmdir()
    assert problems() == ["plan.yaml:1:1: There is no runbook: put one in runbooks/ or name one under 'library'."]


def test_a_file_that_is_not_utf8_is_refused_where_it_breaks():
    Path("contacts.yaml").write_bytes("contacts:\n  # Am\u00e9lie".encode("latin-1"))
    assert problems() == ["contacts.yaml:2:7: This is not UTF-8 text from here on; save the file as UTF-8."]


def test_a_byte_order_mark_is_no_problem():
    Path("plan.yaml").write_text(PLAN, encoding="utf-8-sig")
    assert load_plan(Path()).plan.company == "Larkfield Home"


def test_a_huge_file_is_refused_unread():
    Path("contacts.yaml").write_text("#" * 1_000_001)
    assert problems() == ["contacts.yaml:1:1: This is larger than 1 MB, which no plan needs."]


def test_a_link_out_of_the_folder_is_refused(tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "contacts.yaml"
    outside.write_text(CONTACTS)
    Path("contacts.yaml").unlink()
    Path("contacts.yaml").symlink_to(outside)
    assert problems() == ["contacts.yaml:1:1: This is a link that leads out of .; put the file itself here."]


def test_a_link_inside_the_folder_is_followed_as_kubernetes_mounts_files():
    Path("..data").mkdir()
    Path("contacts.yaml").rename("..data/contacts.yaml")
    Path("contacts.yaml").symlink_to("..data/contacts.yaml")
    assert load_plan(Path()).directory.contact("nora") is not None


def test_links_in_a_circle_and_links_to_nothing_are_refused():
    Path("runbooks/round.yaml").symlink_to("round.yaml")
    Path("runbooks/void.yaml").symlink_to("nowhere.yaml")
    found = problems()
    assert found[0].startswith("runbooks/round.yaml:1:1: This cannot be read: ")
    assert found[1].startswith("runbooks/void.yaml:1:1: There is no such file")


def test_a_pipe_is_not_opened():
    os.mkfifo("runbooks/pipe.yaml")
    assert problems() == ["runbooks/pipe.yaml:1:1: This is not a file that can be read."]


def test_a_folder_in_place_of_a_file_is_refused():
    Path("contacts.yaml").unlink()
    Path("contacts.yaml").mkdir()
    assert problems() == ["contacts.yaml:1:1: This is not a file that can be read."]


def test_a_name_that_the_system_cannot_open_is_refused():
    with pytest.raises(PlanInvalid, match=r"x/plan\.yaml:1:1: This cannot be read: File name too long\."):
        load_plan(Path("x" * 300))


def test_a_runbook_with_another_ending_is_not_passed_over_in_silence():
    Path("runbooks/second.yml").write_text(RUNBOOK)
    assert problems() == ["runbooks/second.yml:1:1: Runbooks are read from .yaml files: rename it to second.yaml."]


def test_what_an_editor_leaves_behind_is_passed_over():
    Path("runbooks/.#outage.yaml").symlink_to("nora@laptop.1234")
    Path("runbooks/outage.yaml~").write_text("old")
    assert len(load_plan(Path()).plan.runbooks) == 1


def test_runbooks_as_a_file_is_refused():
    Path("runbooks/outage.yaml").unlink()
    Path("runbooks").rmdir()
    Path("runbooks").write_text("")
    assert problems() == ["runbooks:1:1: This cannot be read as a folder of runbooks: Not a directory."]


def test_a_bomb_of_aliases_is_refused_quickly():
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    write({"plan.yaml": "\n".join(lines)})
    assert len(problems()) == 60


@pytest.mark.parametrize("text", ["[" * 1_200, "- " * 20_000, "{a: " * 20_000], ids=["lists", "dashes", "mappings"])
def test_a_bomb_of_brackets_is_refused(text):
    write({"plan.yaml": text})
    assert problems()[0].startswith("plan.yaml:1:1: This is nested deeper than 24 levels")


# The library


def test_a_shipped_runbook_is_used_by_its_name():
    library = "library: [generic]\ncompany:"
    write({"plan.yaml": PLAN.replace("company:", library).replace("runbook: outage", "runbook: generic")})
    write({"contacts.yaml": (LIBRARY / "contacts.yaml").read_text()})
    write({"plan.yaml": Path("plan.yaml").read_text().replace("role:commander", "role:duty-commander")})
    Path("runbooks/outage.yaml").unlink()
    assert [runbook.id for runbook in load_plan(Path()).plan.runbooks] == ["generic"]


def test_a_role_that_a_shipped_runbook_needs_is_missed_at_its_place_there():
    write({"plan.yaml": PLAN.replace("company:", "library: [generic]\ncompany:")})
    assert any(
        "generic.yaml:" in each and "'role:scribe' is not a role in contacts.yaml" in each for each in problems()
    )


# The version


def test_comments_key_order_and_file_names_do_not_change_the_version():
    before = plan_version(load_plan(Path()).plan)
    severities = "severities: {SEV1: all, SEV2: all, SEV3: all, SEV4: all}\n"
    turned = "# ours\nseverities: {SEV4: all, SEV3: all, SEV2: all, SEV1: all}\n" + PLAN.replace(severities, "")
    write({"plan.yaml": turned.replace("wait: 5m", "wait: 300s  # five minutes")})
    Path("runbooks/outage.yaml").rename("runbooks/zz.yaml")
    assert plan_version(load_plan(Path()).plan) == before


def test_a_changed_wait_changes_the_version():
    before = plan_version(load_plan(Path()).plan)
    write({"plan.yaml": PLAN.replace("wait: 5m", "wait: 6m")})
    assert plan_version(load_plan(Path()).plan) != before


def test_what_was_loaded_can_be_written_and_loaded_again():
    """JSON is YAML: a plan that is dumped loads as the same plan."""
    first = load_plan(Path(__file__).parents[2] / "example")
    write(dumped(first))
    Path("runbooks/outage.yaml").unlink()
    second = load_plan(Path())
    assert (second.plan, second.directory) == (first.plan, first.directory)


def dumped(loaded: LoadedPlan) -> dict[str, str]:
    files = {
        "plan.yaml": loaded.plan.model_dump_json(exclude={"runbooks", "thresholds", "listening"}),
        "contacts.yaml": loaded.directory.model_dump_json(exclude_none=True),
    }
    for name, beside in (("thresholds.yaml", loaded.plan.thresholds), ("listening.yaml", loaded.plan.listening)):
        if beside is not None:
            files[name] = beside.model_dump_json()
    for runbook in loaded.plan.runbooks:
        files[f"runbooks/{runbook.id}.yaml"] = runbook.model_dump_json()
    return files


# Whatever is in the files

ANY_PART = [
    "",
    ":",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!!int ",
    "\t",
    "\n",
    '"',
    "'",
    "|",
    ">",
    "# ",
    "%",
    "?",
    "@",
]
ODD_VALUES = [
    "null",
    "1e999",
    "-.inf",
    "0x1F",
    "9" * 5000,
    "2026-02-31",
    "<<",
    "\u2028",
    "\x00",
    "\ufeff",
    "\U0001f6ce",
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32), edits=st.integers(1, 4))
def test_whatever_is_in_a_file_nothing_but_plan_invalid_is_raised(file, seed, edits):
    write(FILES | {file: mutated(FILES[file], random.Random(seed), edits)})
    assert all(well_placed(problem) for problem in problems_if_any())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
)
def test_whatever_value_stands_anywhere_nothing_but_plan_invalid_is_raised(content):
    write({"plan.yaml": PLAN.replace("Larkfield Home", json.dumps(content)).replace("5m", json.dumps(content))})
    assert all(well_placed(problem) for problem in problems_if_any())


def mutated(text: str, chance: random.Random, edits: int) -> str:
    for _ in range(edits):
        at = chance.randrange(len(text) + 1)
        until = min(len(text), at + chance.choice((0, 0, 1, 2, 9, 40)))
        text = text[:at] + chance.choice(ANY_PART + ODD_VALUES) + text[until:]
    return text


def well_placed(problem: str) -> bool:
    file, line, column, sentence = problem.split(":", 3)
    return file.endswith(".yaml") and int(line) > 0 and int(column) > 0 and len(sentence) > 5 and "\n" not in problem
