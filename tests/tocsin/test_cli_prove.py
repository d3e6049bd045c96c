"""`tocsin prove` and `tocsin who` on plan folders: what they print, what they write, and their exit codes."""

import json
import re

import pytest
from click.testing import CliRunner

from runbooks.starter import write_starter
from tests.support.counterparties import ROOT
from tocsin.cli import cli

EXAMPLE = ROOT / "example"
SOON = ("--from", "2027-03-22 Europe/Madrid", "--weeks", "2")


@pytest.fixture
def tocsin(monkeypatch):
    monkeypatch.delenv("TOCSIN_PLAN", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def starter(tmp_path):
    """A plan that reaches people; `edited` writes a copy in which a text stands for another."""
    write_starter(tmp_path / "plan")
    return tmp_path / "plan"


@pytest.fixture
def edited(tmp_path):
    def write(name, file, old, new):
        folder = tmp_path / name
        write_starter(folder)
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return folder

    return write


def test_a_sound_plan_is_proven_and_the_code_is_0(tocsin, starter):
    done = tocsin("prove", starter, *SOON)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith("The proof holds")
    assert re.search(r"^in time +0 +0 +\S+ +SEV1 SERVICE_OUTAGE", done.stdout, re.M)


def test_a_plan_that_misses_its_target_fails_with_a_counter_example(tocsin, starter):
    done = tocsin("prove", starter, *SOON, "--target", "SEV1=4m", "--silent", "2")
    assert done.exit_code == 1
    assert re.search(
        r"^SEV1 SERVICE_OUTAGE in technology, Sun 2027-03-21 23:00 London: fewer than 3 people before \+5 min, "
        r"because rung 1 \(\+0 min\): ",
        done.stdout,
        re.M,
    )
    assert done.stdout.splitlines()[-1].startswith("The proof fails")


def test_what_is_written_can_be_read_by_programs_and_by_people_without_a_network(tocsin, starter, tmp_path):
    done = tocsin("prove", starter, *SOON, "--out", tmp_path / "out")
    assert done.exit_code == 0
    proof = json.loads((tmp_path / "out" / "proof.json").read_text(encoding="utf-8"))
    assert proof["holds"] is True
    first = proof["scenarios"][0]
    assert (first["severity"], first["verdict"], first["counter_example"]) == ("SEV1", "in time", None)
    assert first["example"]["reached"][0]["seconds"] == 0
    page = (tmp_path / "out" / "proof.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import|\burl\(", page)
    linked, reasons = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'<li id="([^"]+)"', page))
    assert linked == reasons
    assert page.count("<small>good</small>") == 8 * 168


def test_late_hours_are_said_in_a_word_and_lead_to_their_reason(tocsin, starter, tmp_path):
    page = tmp_path / "proof.html"
    done = tocsin("prove", starter, *SOON, "--target", "SEV3=1m", "--silent", "1", "--html", page)
    assert done.exit_code == 1
    text = page.read_text(encoding="utf-8")
    reason = re.search(r'<td class="late"><a href="#([^"]+)">\+\d+<small>late</small>', text)
    assert reason is not None
    assert re.search(rf'<li id="{reason[1]}">SEV3 .*: fewer than 2 people before \+\d+ min, because', text)


def test_against_the_plan_before_only_differences_are_printed_and_worse_is_1(tocsin, starter, edited):
    slower = edited("slower", "plan.yaml", "wait: 5m", "wait: 9m")
    done = tocsin("prove", slower, "--against", starter, *SOON, "--markdown")
    assert done.exit_code == 1
    assert "- **Worse:** SEV1 " in done.stdout
    assert "5 → 9 min" in done.stdout
    assert "SEV3" not in done.stdout
    assert tocsin("prove", starter, "--against", slower, *SOON).exit_code == 0
    same = tocsin("prove", starter, "--against", starter, *SOON)
    assert (same.exit_code, same.stdout) == (0, "Nothing changes in how people are reached.\n")


def test_a_rehearsal_plan_is_proven_with_a_note(tocsin):
    done = tocsin("prove", EXAMPLE, *SOON)
    assert done.exit_code == 0
    assert "note: Everybody is on the console only" in done.stdout


def test_an_invalid_plan_is_4_and_no_plan_a_usage_error(tocsin, tmp_path):
    assert tocsin("prove", tmp_path).exit_code == 4
    assert tocsin("prove").exit_code == 2


@pytest.mark.parametrize(
    "words", [("--from", "yesterday"), ("--from", "2027-01-01 Mars/Base"), ("--target", "SEV9=1m")]
)
def test_what_cannot_be_read_is_a_usage_error(tocsin, starter, words):
    assert tocsin("prove", starter, *words).exit_code == 2


def test_who_shows_rungs_people_addresses_and_their_proofs(tocsin, starter):
    done = tocsin("who", starter, "--at", "2027-03-22T10:00 Europe/Madrid", "--severity", "SEV1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "SEV1 SERVICE_OUTAGE in technology, Mon 2027-03-22 10:00 Madrid, if nobody answers:"
    assert lines[1].startswith("+0 min  rung 1: ")
    assert any(re.match(r" +\+0 min  sms \+447700900\d+ by twilio, never proven", line) for line in lines)
    assert any(line.startswith("+25 min  in extremis: ") for line in lines)


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("2027-03-28T02:30 Europe/Madrid", "Europe/Madrid skips 2027-03-28 02:30 on this day; 03:00, right after"),
        ("2027-10-31 02:30 Europe/Madrid", "Europe/Madrid has 2027-10-31 02:30 twice on this day; the first"),
    ],
)
def test_who_says_when_a_local_time_does_not_exist_or_exists_twice(tocsin, starter, at, sentence):
    assert tocsin("who", starter, "--at", at, "--severity", "sev1").stdout.startswith(sentence)


def test_who_supposes_that_something_is_down(tocsin, starter):
    at = ("--at", "2027-03-22T10:00+00:00", "--severity", "SEV1")
    assert "by twilio FAILS" in tocsin("who", starter, *at, "--down", "network:phone").stdout
    assert "FAILS" not in tocsin("who", starter, *at).stdout


def test_who_for_programs_says_who_is_left_out_and_why(tocsin, edited):
    away = "    absences:\n      - {starts: 2027-03-22, ends: 2027-03-24, deputy: tomas}\n"
    folder = edited("away", "contacts.yaml", "    # absences:\n", away + "    # absences:\n")
    done = tocsin("who", folder, "--at", "2027-03-23", "--severity", "SEV1", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    commander = found["rungs"][0]["references"][0]
    assert "nora is absent" in commander["left_out"]
    assert commander["contacts"][0]["routes"][0]["proven"] is False
    assert found["steps"][0]["rung"] == 1


def test_who_names_the_situations_when_there_is_none_of_that_name(tocsin, starter):
    done = tocsin("who", starter, "--severity", "SEV1", "--situation", "NOTHING")
    assert done.exit_code == 1
    assert "SERVICE_OUTAGE" in done.stderr


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("--down", "nope"), "network:internet, network:phone, network:second-phone, provider:slack"),
        (("--down", "provider:nope"), "provider:twilio"),
        (("--down", "network:phone", "--down", "twilio"), "provider:twilio"),
        (("--area", "nope"), "technology"),
    ],
)
def test_who_refuses_a_name_that_the_plan_does_not_have_and_says_which_it_has(tocsin, starter, words, known):
    done = tocsin("who", starter, "--severity", "SEV1", *words)
    assert done.exit_code == 2
    assert "the plan does not have" in done.stderr
    assert known in " ".join(done.stderr.split())


@pytest.mark.parametrize("option", ["--json", "--html"])
@pytest.mark.parametrize("name", ["notes.md", "package.json", "index.html"])
def test_a_proof_does_not_replace_a_file_that_is_not_one(tocsin, starter, tmp_path, option, name):
    mine = tmp_path / name
    mine.write_text(
        "{}\n" if name.endswith("json") else '<!doctype html>\n<html lang="en">\n<head>\n', encoding="utf-8"
    )
    before = mine.read_bytes()
    done = tocsin("prove", starter, *SOON, option, mine)
    assert done.exit_code == 2
    assert "is no proof of before" in done.stderr
    assert mine.read_bytes() == before


def test_a_folder_for_both_keeps_a_file_of_that_name_that_is_none(tocsin, starter, tmp_path):
    (tmp_path / "proof.html").write_text("<p>Mine\n", encoding="utf-8")
    done = tocsin("prove", starter, *SOON, "--out", tmp_path)
    assert done.exit_code == 2
    assert (tmp_path / "proof.html").read_text(encoding="utf-8") == "<p>Mine\n"
    assert not (tmp_path / "proof.json").exists()


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_proof_replaces_the_one_before_whatever_it_is_called(tocsin, starter, tmp_path, option):
    file = tmp_path / "proof.txt"
    file.touch()
    for weeks in ("1", "2"):
        done = tocsin("prove", starter, "--from", "2027-03-22", "--weeks", weeks, option, file)
        assert done.exit_code == 0, done.output
    assert file.stat().st_size > 1000


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_proof_is_not_written_into_a_folder_that_is_missing_or_onto_the_terminal(
    tocsin, starter, tmp_path, monkeypatch, option
):
    monkeypatch.chdir(tmp_path)
    nowhere = tocsin("prove", starter, *SOON, option, tmp_path / "missing" / "proof")
    assert nowhere.exit_code == 2
    assert not (tmp_path / "missing").exists()
    dash = tocsin("prove", starter, *SOON, option, "-")
    assert dash.exit_code == 2
    assert "name one" in dash.stderr
    assert not (tmp_path / "-").exists()
