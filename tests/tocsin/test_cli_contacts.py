"""`tocsin contacts` and `tocsin who-can`, with a real engine and from the folder alone."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta

import pypdf
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from tests.support.counterparties import ROOT
from tests.support.real_engine import Person, PlanFiles, RealEngine, rung
from tocsin.cli import cli
from tocsin.screen import status_screen

ANA, BOB = "+12025550101", "+447700900102"
RED = "\x1b[31m"
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Ana may give little, Bob much; Bob's proof by SMS has expired; Cleo is away, Bob is called instead."""
    folder = tmp_path_factory.mktemp("contacts") / "plan"
    people = [
        Person("ana", {"console": "ana", "sms": ANA}, may_pay=(50, 1000)),
        Person("bob", {"sms": BOB, "console": "bob"}, may_pay=(500, 9000)),
        Person("cleo", {"console": "cleo"}, may_pay=(900, 9000)),
    ]
    PlanFiles(people, [rung("ana")], ["bob"], operators=["ana"]).write(folder)
    file = folder / "contacts.yaml"
    content = json.loads(file.read_text())
    _, bob, cleo = content["contacts"]
    bob["channels"][0]["verified"] = (TODAY - timedelta(days=40)).isoformat()
    bob["name"] = "Bob Muñoz"
    cleo["deputy"] = "bob"
    cleo["absences"] = [{"starts": "2026-01-01", "ends": "2099-12-31"}]
    content["roles"] = [{"id": "desk", "title": "Desk", "responsible": "cleo"}]
    content["teams"] = [{"id": "pay", "title": "Payments", "members": ["ana"]}]
    with file.open("w", encoding="utf-8") as writing:
        writing.write("# Kept: a comment of ours\n")
        YAML().dump(content, writing)
    return folder


@pytest.fixture(scope="module")
def engine(plan, tmp_path_factory):
    running = RealEngine(tmp_path_factory.mktemp("cli") / "home", plan).start()
    yield running
    running.stop()


@pytest.fixture
def tocsin(monkeypatch, request):
    for name in ("TOCSIN_BY", "TOCSIN_API_TOKEN", "TOCSIN_PLAN", "TOCSIN_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if "engine" in request.fixturenames:
        monkeypatch.setenv("TOCSIN_HOME", str(request.getfixturevalue("engine").home))

    def run(*words, **more):
        return CliRunner().invoke(cli, [str(word) for word in words], **more)

    return run


def listed(tocsin, *words):
    done = tocsin("contacts", "list", *words, "--json")
    assert done.exit_code == 0, done.output
    return {each["id"]: each for each in json.loads(done.stdout)["contacts"]}


# --- list ---


def test_the_list_shows_in_a_word_and_a_colour_what_is_not_proven_and_who_is_away(tocsin, plan):
    done = tocsin("contacts", plan, color=True)

    assert done.exit_code == 0, done.output
    expired = (TODAY - timedelta(days=10)).isoformat()
    assert f"{RED}UNPROVEN" in done.stdout
    assert f"{RED}EXPIRED since {expired}" in done.stdout
    assert "ABSENT until 01 Jan 00:00 UTC: Bob Muñoz is called instead" in done.stdout
    assert "Desk: \x1b[32mBob Muñoz" in done.stdout


def test_the_engine_lists_the_same_people_as_the_folder(tocsin, engine, plan):
    assert [*listed(tocsin)] == [*listed(tocsin, plan)] == ["ana", "bob", "cleo"]
    assert tocsin("contacts").stdout.startswith("ana  Ana (UTC, en)\n")


def test_without_an_engine_one_is_told_and_with_a_broken_folder_too(tocsin, tmp_path):
    assert tocsin("contacts", "--home", tmp_path).exit_code == 3
    assert tocsin("contacts", tmp_path).exit_code == 4


# --- verify, confirm, record ---


def code_on_the_console(engine):
    """What the engine's own terminal shows of its notice."""
    end = time.monotonic() + 60
    while "Your code is " not in engine.log.read_text(encoding="utf-8"):
        assert time.monotonic() < end, engine.tail()
        time.sleep(0.05)
    return engine.log.read_text(encoding="utf-8").split("Your code is ")[-1][:11]


def test_a_code_is_sent_said_back_and_written_into_the_file_with_nothing_else_changed(tocsin, engine, plan, tmp_path):
    sent = tocsin("contacts", "verify", "ana", "--channel", "console")
    assert (sent.exit_code, sent.stdout) == (0, "A code goes to Ana by console: ana.\n")
    again = tocsin("contacts", "verify", "ana", "--channel", "console")
    assert again.exit_code == 0
    assert "was sent a code in the last ten minutes" in again.stdout
    code = code_on_the_console(engine)

    confirmed = tocsin("contacts", "confirm", *code.split())

    until = (TODAY + timedelta(days=30)).isoformat()
    assert confirmed.stdout == f"Ana is reached by console at ana: proven until {until}.\n"
    assert f"proven until {until}" in tocsin("contacts").stdout
    copy = shutil.copytree(plan, tmp_path / "copy")
    before = (copy / "contacts.yaml").read_text()
    recorded = tocsin("contacts", "record", copy)
    assert recorded.stdout == f"ana, console ana: verified: {TODAY.isoformat()}\n"
    after = (copy / "contacts.yaml").read_text()
    assert [line.strip() for line in after.splitlines() if line not in before.splitlines()] == [
        f"verified: {TODAY.isoformat()}"
    ]
    assert listed(tocsin, copy)["ana"]["channels"][0]["standing"] == "proven"
    assert "nothing is changed" in tocsin("contacts", "record", copy).stdout
    assert (copy / "contacts.yaml").read_text() == after


def test_a_channel_that_the_installation_lacks_is_named_and_a_wrong_code_is_refused(tocsin, engine):
    done = tocsin("contacts", "verify", "--json")
    assert done.exit_code == 1
    asked = json.loads(done.stdout)["asked"]
    assert [(each["contact"], each["kind"], each["outcome"]) for each in asked] == [
        ("ana", "sms", "not-set-up"),
        ("bob", "sms", "not-set-up"),
    ]
    expired = json.loads(tocsin("contacts", "verify", "--expired", "--json").stdout)["asked"]
    assert [each["contact"] for each in expired] == ["bob"]

    refused = tocsin("contacts", "confirm", "000000")
    assert refused.exit_code == 1
    assert "no code of the last three days" in refused.stderr
    assert tocsin("contacts", "verify", "nobody").exit_code == 1
    assert tocsin("contacts", "verify", "--all", "--expired").exit_code == 2


def test_a_person_to_whom_no_code_could_be_sent_is_1(tocsin, engine):
    done = tocsin("contacts", "verify", "ana", "--channel", "sms")
    assert "this installation has no sms" in done.stdout
    assert done.exit_code == 1


def test_nobody_to_verify_is_said(tocsin, engine):
    done = tocsin("contacts", "verify", "cleo")
    assert done.stdout.startswith("Nothing was sent")
    assert done.exit_code == 0


# --- who-can ---


def who_can(tocsin, *words):
    done = tocsin("who-can", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_who_can_names_the_least_senior_first_and_says_why_others_are_left_out(tocsin, engine, plan):
    for folder in ((), (plan,)):
        view = who_can(tocsin, "compensation", *folder)
        assert [each["id"] for each in view["can"]] == ["ana", "bob"]
        view = who_can(tocsin, "compensation", 100, "EUR", *folder, "--count", 5)
        assert [each["id"] for each in view["can"]] == ["bob"]
        assert {each["id"]: each["because"].split(":")[0] for each in view["left_out"]} == {
            "ana": "the grant is too small",
            "cleo": "cleo is absent",
        }


def test_who_can_at_another_time_and_in_words(tocsin, plan):
    done = tocsin("who-can", "compensation", "600", "eur", plan, "--at", "2025-12-31T12:00 Europe/Madrid")

    assert "compensation of 600 EUR a customer, on Wed 2025-12-31 11:00 UTC:" in done.stdout
    assert "1. Cleo (cleo): compensation: 900 EUR a customer" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compensation", "1", "2", "3", "4"], "AMOUNT CURRENCY"),
        (["compensation", "-1", "EUR"], "-1"),
        (["compensation", "much", "EUR"], "no amount of money"),
        (["compensation", "--at", "soon"], "'soon' is no time"),
    ],
)
def test_what_who_can_does_not_understand_is_a_usage_error(tocsin, words, says):
    done = tocsin("who-can", *words)

    assert done.exit_code == 2
    assert says in done.stderr


def test_nobody_who_may_is_said_in_red_and_an_unknown_area_is_refused(tocsin, engine, plan):
    assert f"{RED}\x1b[1m  NOBODY may decide this now." in tocsin("who-can", "recall", plan, color=True).stdout
    for folder in ((), (plan,)):
        refused = tocsin("who-can", "recall", *folder, "--area", "moon")
        assert refused.exit_code == 1
        assert "There is no area 'moon'" in refused.stderr


# --- print ---


def test_the_tree_is_printed_as_pdf_and_as_letters_and_only_its_owner_may_read_it(tocsin, plan, tmp_path):
    out = tmp_path / "tree.pdf"
    done = tocsin("contacts", "print", plan, "--out", out)

    assert done.exit_code == 0, done.output
    assert f"wrote {out}: " in done.stdout
    assert out.stat().st_mode & 0o077 == 0
    assert "+1 202-555-0101" in "".join(page.extract_text() for page in pypdf.PdfReader(out).pages)
    assert "Bob Muñoz" in tocsin("contacts", "print", plan, "--text").stdout
    refused = tocsin("contacts", "print", plan, "--out", tmp_path / "no" / "tree.pdf")
    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr


# --- status ---


def test_status_shows_in_red_which_numbers_are_out_and_how_many_are_not_proven(tocsin, engine):
    done = tocsin("status", color=True)
    assert f"{RED}Addresses without proof: 1 unproven, 1 expired (tocsin contacts verify)" in done.stdout

    state = json.loads(tocsin("status", "--json").stdout)["status"]
    since = "2026-11-24T14:02:00.000Z"
    state["addresses"]["out"] = [
        {"address": BOB, "contacts": ["bob"], "since": since, "because": "its owner wrote STOP"}
    ]
    lines = status_screen(state, [], {"bob": "Bob Muñoz"}, datetime(2026, 11, 24, 15, 0, tzinfo=UTC), 100)

    assert f"{RED}{BOB} (Bob Muñoz) is OUT since 14:02 UTC: its owner wrote STOP\x1b[0m" in lines


def test_the_example_has_nobody_to_verify_because_everybody_is_on_the_console(tocsin):
    people = listed(tocsin, ROOT / "example").values()

    assert {channel["standing"] for each in people for channel in each["channels"]} <= {"needs-none", "proven"}
