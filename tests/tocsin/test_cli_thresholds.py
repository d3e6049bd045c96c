"""`tocsin thresholds`: the rules of a plan on paper, and one sentence tried, without an engine."""

import json

import pytest
from click.testing import CliRunner

from runbooks.loader import load_plan
from runbooks.starter import write_starter
from signals.thresholds import as_written, compiled
from tests.support.counterparties import ROOT
from tocsin.cli import cli

EXAMPLE = ROOT / "example"


@pytest.fixture
def tocsin(monkeypatch):
    monkeypatch.delenv("TOCSIN_PLAN", raising=False)
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def starter(tmp_path):
    write_starter(tmp_path / "plan")
    return tmp_path / "plan"


def test_what_is_printed_is_a_file_that_decides_the_same(tocsin, starter):
    before = load_plan(starter).plan.thresholds
    text = (starter / "thresholds.yaml").read_text(encoding="utf-8")
    (starter / "thresholds.yaml").write_text(text.replace("1 hour are", "60 Minutes are"), encoding="utf-8")
    done = tocsin("thresholds", "print", starter)
    assert done.exit_code == 0, done.output
    (starter / "thresholds.yaml").write_text(done.stdout, encoding="utf-8")
    after = load_plan(starter).plan.thresholds
    assert before is not None
    assert after == as_written(before)
    assert compiled(after) == compiled(before)
    assert tocsin("thresholds", "print", "--plan", starter).stdout == done.stdout


def test_one_sentence_stands_as_a_text_and_keys_that_say_nothing_are_left_out(tocsin):
    lines = tocsin("thresholds", "print", EXAMPLE).stdout.splitlines()
    begin = lines.index("  - name: People talk much more than usual")
    assert lines[begin + 1 : begin + 5] == [
        "    when: mentions in 1 hour are clear above usual",
        "    and: mentions in 15 minutes are noticeable above usual",
        "    only if: at least 30 mentions in 1 hour",
        "    severity: SEV3",
    ]
    assert lines[begin + 5].startswith("  - name:")


def test_every_rule_is_explained_in_one_sentence(tocsin):
    lines = tocsin("thresholds", "print", EXAMPLE, "--explain").stdout.splitlines()
    thresholds = load_plan(EXAMPLE).plan.thresholds
    assert thresholds is not None
    assert len(lines) == len(thresholds.rules)
    assert (
        "Customers left waiting (waiting): SEV3 CARE_COLLAPSE when more than 25 complaints have had no answer from us "
        "for longer than 2 hours."
    ) in lines


def test_the_rules_can_be_had_as_json(tocsin):
    told = json.loads(tocsin("thresholds", "print", EXAMPLE, "--json").stdout)
    assert told["rules"][3]["rule"] == told["thresholds"]["rules"][3]["name"] == "Danger to people"
    assert (told["rules"][3]["family"], told["rules"][3]["severity"]) == ("topic", "SEV1")


def test_a_plan_without_thresholds_is_refused(tocsin, starter):
    (starter / "thresholds.yaml").unlink()
    done = tocsin("thresholds", "print", starter)
    assert (done.exit_code, done.stderr) == (1, f"There is no thresholds.yaml in {starter}.\n")


def test_a_broken_plan_is_refused_with_its_places(tocsin, starter):
    path = starter / "thresholds.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("when: mentions in 1 hour are clear above", "when: mentions in 1 hour are clear abov"))
    for words in (["print", starter], ["try", "a complaint", "--plan", starter]):
        done = tocsin("thresholds", *words)
        assert (done.exit_code, done.stderr.count("\n")) == (4, 1)
        assert done.stderr.endswith(": Expected 'above', not 'abov'.\n")
        assert done.stderr.startswith(f"{path}:")


def test_without_a_folder_it_is_asked_for(tocsin):
    assert tocsin("thresholds", "print").exit_code == 2


def test_a_sentence_that_is_tried_is_told_as_it_is_read(tocsin):
    done = tocsin("thresholds", "try", "Negative mentions in 60 minutes are clear above usual")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "negative mentions in 1 hour are clear above usual",
        "It holds when the negative mentions in the last hour are at least 4.2 spreads above what is usual. A rule "
        "that begins with it is of the family tone.",
    ]


def test_a_sentence_that_is_wrong_has_a_caret_under_its_place(tocsin):
    done = tocsin("thresholds", "try", "negative mentions in 1 huor are clear above usual")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "negative mentions in 1 huor are clear above usual",
        "                       ^",
        "line 1, column 24: Expected 'days', 'hours' or 'minutes', not 'huor'. Did you mean 'hour'?",
    ]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("negative share in 1 hour is above 140 %", "line 1, column 1: This can never hold: no share is above 100 %."),
        (
            "from at least 3 people",
            "line 1, column 1: 'from at least ...' alone counts nothing; it belongs under 'only if'.",
        ),
        (
            "reach of mentions in 1 hour is above 9000000000",
            "line 1, column 1: This can never hold: there are not so many people.",
        ),
        (
            "a mention about [re*call]",
            "line 1, column 18: A * may only end a word of at least 3 letters, not 're*call'.",
        ),
        (
            "source nowhere is silent for 1 hour",
            "line 1, column 8: 'nowhere' is not a source of listening.yaml.",
        ),
    ],
)
def test_a_sentence_that_check_refuses_is_refused_with_the_same_words(tocsin, starter, sentence, told):
    done = tocsin("thresholds", "try", sentence, "--plan", starter)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == told
    path = starter / "thresholds.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("when: mentions in 1 hour are clear above usual", f"when: {sentence}", 1), "utf-8")
    assert told.split(": ", 1)[1] in tocsin("check", starter).output


def test_without_a_plan_nobody_knows_its_topics_and_sources(tocsin):
    for sentence in ("at least 3 mentions in 1 hour about the same topic", "source nowhere is silent for 1 hour"):
        assert tocsin("thresholds", "try", sentence).exit_code == 0
    assert tocsin("thresholds", "try", "negative share in 1 hour is above 140 %").exit_code == 1


def test_the_caret_stands_in_the_line_in_which_reading_stopped(tocsin):
    done = tocsin("thresholds", "try", "mentions in 1 hour\nare clear over usual\nand more")
    assert done.stderr.splitlines()[:2] == ["are clear over usual", "          ^"]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_word_means_what_the_plan_says(tocsin, starter, as_json):
    path = starter / "thresholds.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("{noticeable: 3.0,", "{slight: 1.5, noticeable: 3.0,"), encoding="utf-8")
    sentence = "mentions in 1 hour are slight above usual"
    mine = tocsin("thresholds", "try", sentence, "--plan", starter, *as_json)
    assert mine.exit_code == 0
    assert "at least 1.5 spreads above" in mine.stdout
    shipped = tocsin("thresholds", "try", sentence, *as_json)
    assert shipped.exit_code == 1
    if as_json:
        assert json.loads(shipped.stdout) == {
            "understood": False,
            "problem": "'slight' is not one of the words 'noticeable', 'clear', 'strong', 'extreme'.",
            "line": 1,
            "column": 24,
        }


def test_check_says_how_many_rules_and_sources_there_are_and_what_smells_about_them(tocsin, starter):
    done = tocsin("check", starter)
    assert done.exit_code == 0
    assert done.stdout.endswith(", 18 contacts, 9 rules, 0 sources.\n")
    assert "Nobody is listened to: listening.yaml has no sources." in done.stderr
    (starter / "thresholds.yaml").unlink()
    (starter / "listening.yaml").unlink()
    assert tocsin("check", starter).stdout.endswith(", 18 contacts.\n")


def test_init_writes_both_files_with_their_schemas(tocsin, tmp_path):
    written = tocsin("init", tmp_path / "new").stdout
    for name in ("thresholds.yaml", "listening.yaml", "thresholds.schema.json", "listening.schema.json"):
        assert f"/{name}\n" in written
    thresholds = json.loads((tmp_path / "new" / "schemas" / "thresholds.schema.json").read_text(encoding="utf-8"))
    assert {"when", "and", "or", "only if", "quiet hours"} <= set(thresholds["$defs"]["RuleText"]["properties"])
