"""`tocsin backtest` on the golden history: its numbers were counted by hand (tests/support/backtests.py)."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.support.backtests import ANY, FEW, GOLDEN, MANY, NORTHWIND, POISON, plan_with
from tocsin.cli import cli

HISTORY, LABELS = GOLDEN / "history.csv", GOLDEN / "labels.csv"


@pytest.fixture
def backtest(monkeypatch, tmp_path):
    monkeypatch.delenv("TOCSIN_PLAN", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))
    return lambda *words: CliRunner().invoke(cli, ["backtest", *map(str, words)])


@pytest.fixture
def plan(tmp_path):
    return plan_with(tmp_path / "plan", MANY, POISON)


@pytest.fixture
def found(backtest, plan):
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", LABELS, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_golden_history_is_paged_as_counted_by_hand(found):
    pages = [(each["at"], each["severity"], each["verdict"], each["label"]) for each in found["pages"]]
    assert pages == [
        ("2026-01-03T10:20:00Z", "SEV3", "caught", "soup"),
        ("2026-01-03T10:40:00Z", "SEV1", "caught", "soup"),
        ("2026-01-06T08:02:00Z", "SEV3", "false", None),
        ("2026-01-10T15:15:00Z", "SEV1", "caught", "tea"),
    ]
    assert (found["from"], found["until"]) == ("2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z")
    assert found["pages_per_brand_and_week"] == 2.0
    assert (found["false"], found["unknown"], found["missed"]) == (1, 0, ["gates"])


def test_delays_count_from_the_start_of_the_label(found):
    assert [(each["name"], each["delay"]) for each in found["caught"]] == [("soup", 20 * 60), ("tea", 15 * 60)]
    assert found["median_delay"] == 17.5 * 60


def test_each_rule_has_its_own_pages_and_incidents(found):
    many, poison = found["rules"]
    assert many == {"rule": "Many write", "pages": 2, "false": 1, "caught": 1, "first": 1, "only": 0}
    assert poison == {"rule": "Poison", "pages": 2, "false": 0, "caught": 2, "first": 1, "only": 1}


def test_two_pages_a_week_are_not_too_many(found):
    assert found["warnings"] == []
    assert not found["too_many"]


def test_more_than_two_pages_a_week_are_called_out(backtest, tmp_path):
    loud = plan_with(tmp_path / "loud", ANY)
    done = backtest("--plan", loud, "--history", HISTORY, "--labels", LABELS)
    assert done.exit_code == 0, done.output
    assert "6 pages: 3.00 per brand and week" in done.stdout
    assert "WARNING: 3.0 pages per brand and week are more than 2" in done.stdout


def test_another_brand_that_nobody_writes_about_halves_the_pages_but_not_the_warning(backtest, tmp_path):
    loud = plan_with(tmp_path / "loud", ANY, brands=(NORTHWIND, {"id": "southwind", "names": ["Zephyros"]}))
    done = backtest("--plan", loud, "--history", HISTORY, "--labels", LABELS)
    assert "6 pages: 1.50 per brand and week" in done.stdout
    assert "WARNING: northwind alone is paged 3.0 times a week" in done.stdout


def test_against_an_old_plan_it_says_what_changes(backtest, plan, tmp_path):
    old = plan_with(tmp_path / "old", FEW, POISON)
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", LABELS, "--against", old, "--json")
    assert done.exit_code == 0, done.output
    change = json.loads(done.stdout)["difference"]
    # The old plan: soup at 10:10 and worse at 10:40, the lamps, tea (two rules at once: one page), the gates.
    assert change["pages"] == [5, 4]
    assert change["pages_per_brand_and_week"] == [2.5, 2.0]
    assert (change["caught_besides"], change["lost"]) == ([], ["gates"])
    assert change["delays"] == [{"name": "soup", "old": 600.0, "new": 1200.0}]
    assert change["median_delays"] == [900.0, 1050.0]
    assert change["rules"] == [
        {"rule": "Some write", "old": 4, "new": None},
        {"rule": "Many write", "old": None, "new": 2},
    ]


def test_the_difference_to_the_same_plan_is_none(backtest, plan):
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", LABELS, "--against", plan, "--json")
    change = json.loads(done.stdout)["difference"]
    assert (change["rules"], change["delays"], change["lost"], change["caught_besides"]) == ([], [], [], [])


def test_without_labels_nobody_says_that_a_page_is_false(backtest, plan):
    done = backtest("--plan", plan, "--history", HISTORY, "--json")
    found = json.loads(done.stdout)
    assert (found["false"], found["unknown"], len(found["pages"])) == (0, 4, 4)


def test_a_page_in_what_was_nothing_is_false(backtest, plan, tmp_path):
    labels = tmp_path / "l.csv"
    labels.write_text("brand,start,end,name,real\nnorthwind,2026-01-03T10:00Z,2026-01-03T12:00Z,a joke,no\n")
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", labels, "--json")
    found = json.loads(done.stdout)
    assert (found["false"], found["caught"], found["missed"]) == (4, [], [])


def test_the_chart_is_a_picture(backtest, plan, tmp_path):
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", LABELS, "--chart", tmp_path / "c.png")
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "c.png") as image:
        assert image.format == "PNG"
        shades = image.convert("L").getcolors()
        assert shades is not None
        assert {0, 255} < {shade for _, shade in shades}


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("c.jpg", 2, "--chart: a picture is written as PNG, so 'c.jpg' must end in .png."),
        ("nowhere/c.png", 1, "nowhere/c.png cannot be written: there is no folder "),
    ],
)
def test_a_chart_that_cannot_be_written_is_refused_before_the_replay(backtest, plan, tmp_path, name, code, sentence):
    done = backtest("--plan", plan, "--history", HISTORY, "--chart", tmp_path / name)
    assert done.exit_code == code
    assert sentence in done.stderr
    assert "replay" not in done.stderr


def test_it_says_that_no_prefect_answers_and_works_all_the_same(backtest, plan):
    done = backtest("--plan", plan, "--history", HISTORY)
    assert "No Prefect server of this home answers" in done.stderr
    assert "replay: 100 % (14 mentions)" in done.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("brand,start,end\n", "l.csv:1:1: there is no column name"),
        ("brand,start,end,nmae\n", "l.csv:1:17: 'nmae' is no column here"),
        ("brand,start,end,name\nnorthwind,soon,2026-01-03,x\n", "l.csv:2:11: a time is expected"),
        ("brand,start,end,name\nnorthwind,2026-01-03,2026-01-02,x\n", "l.csv:2:22: it ends before it starts"),
        ("brand,start,end,name\nwest,2026-01-03,2026-01-04,x\n", "l.csv:2:1: 'west' is no brand of the plan"),
        ("brand,start,end,name\nnorthwind,2026-01-03\n", "l.csv:2:11: 4 fields are expected and 2 are here"),
        ("", "l.csv:1:1: a line with the columns"),
    ],
)
def test_wrong_labels_are_named_with_their_place(backtest, plan, tmp_path, text, place):
    labels = tmp_path / "l.csv"
    labels.write_text(text)
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", labels)
    assert done.exit_code == 1
    assert place in done.stderr


def test_a_wrong_history_is_named_with_its_place(backtest, plan, tmp_path):
    (tmp_path / "h.csv").write_text("at,text\n2026-01-01T00:00:00Z,Northwind\nyesterday,Northwind\n")
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv")
    assert done.exit_code == 1
    assert "h.csv:3:1: a time is expected" in done.stderr


def test_a_tally_needs_a_brand_where_there_are_several(backtest, tmp_path):
    both = plan_with(tmp_path / "two", MANY, brands=(NORTHWIND, {"id": "southwind", "names": ["Zephyros"]}))
    (tmp_path / "t.csv").write_text("timestamp,value\n2026-01-01T00:00:00Z,2\n2026-01-01T00:05:00Z,1\n")
    assert (
        "name one with --brand (northwind, southwind)"
        in backtest("--plan", both, "--history", tmp_path / "t.csv").stderr
    )
    done = backtest("--plan", both, "--history", tmp_path / "t.csv", "--brand", "southwind", "--json")
    assert [each["brand"] for each in json.loads(done.stdout)["pages"]] == ["southwind"]


def test_a_plan_without_listening_is_about_one_brand(backtest, tmp_path):
    plan = plan_with(tmp_path / "bare", MANY, brands=())
    (tmp_path / "t.csv").write_text("timestamp,value\n2026-01-01T00:00:00Z,3\n")
    done = backtest("--plan", plan, "--history", tmp_path / "t.csv", "--json")
    assert [each["id"] for each in json.loads(done.stdout)["pages"]] == ["brand@29453760/raises/29453760/SEV3"]


def test_a_mention_that_stands_twice_counts_once(backtest, plan, tmp_path):
    line = "2026-01-01T00:00:00Z,Northwind,7\n"
    (tmp_path / "h.csv").write_text("at,text,id\n" + 5 * line)
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv", "--json")
    assert json.loads(done.stdout)["pages"] == []


def test_a_page_in_the_first_minute_counts_and_catches_what_began_in_it(backtest, tmp_path):
    voice = {"name": "Big voice", "when": "a mention by somebody with more than 500000 followers", "severity": "SEV2"}
    plan = plan_with(tmp_path / "voice", voice)
    (tmp_path / "h.csv").write_text("at,text,reach\n2026-01-01T10:00:44Z,Northwind,900000\n")
    labels = tmp_path / "l.csv"
    labels.write_text("brand,start,end,name\nnorthwind,2026-01-01T10:00:44Z,2026-01-01T12:00:00Z,the voice\n")
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv", "--labels", labels, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(each["at"], each["verdict"]) for each in found["pages"]] == [("2026-01-01T10:00:00Z", "caught")]
    assert [(each["name"], each["delay"]) for each in found["caught"]] == [("the voice", 0)]


def test_labels_without_the_column_brand_concern_every_brand(backtest, plan, tmp_path):
    (tmp_path / "l.csv").write_text("start,end,name\n2026-01-03T10:00Z,2026-01-03T12:00Z,soup\n")
    done = backtest("--plan", plan, "--history", HISTORY, "--labels", tmp_path / "l.csv", "--json")
    assert done.exit_code == 0, done.output
    assert [each["name"] for each in json.loads(done.stdout)["caught"]] == ["soup"]


def test_a_history_in_which_nobody_names_the_brand_is_refused(backtest, plan, tmp_path):
    (tmp_path / "h.csv").write_text("at,text\n2026-01-01T00:00:00Z,Somebody else has poisoned the soup\n")
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv")
    assert done.exit_code == 1
    assert "no mention of a brand of the plan" in done.stderr


def test_rules_about_waiting_cannot_be_judged_by_a_file_without_our_answers(backtest, tmp_path):
    waiting = {
        "name": "Left waiting",
        "when": "more than 1 complaint unanswered for longer than 2 hours",
        "severity": "SEV3",
    }
    plan = plan_with(tmp_path / "waiting", MANY, waiting)
    warning = "'Left waiting' cannot be judged: without our answers (by_us) in the file everybody waits for ever."
    assert f"WARNING: {warning}" in backtest("--plan", plan, "--history", HISTORY).stdout
    (tmp_path / "h.csv").write_text("at,text,by_us\n2026-01-01T00:00Z,Northwind,no\n2026-01-01T01:00Z,Northwind,yes\n")
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv", "--json")
    assert json.loads(done.stdout)["warnings"] == []
    without = plan_with(tmp_path / "without", MANY)
    done = backtest("--plan", without, "--history", HISTORY, "--json")
    assert json.loads(done.stdout)["warnings"] == []


def test_a_history_of_nothing_is_refused(backtest, plan, tmp_path):
    (tmp_path / "h.csv").write_text("at,text\n")
    done = backtest("--plan", plan, "--history", tmp_path / "h.csv")
    assert done.exit_code == 1
    assert "There is nothing in this history" in done.stderr


def test_one_history_is_asked_for(backtest, plan):
    assert "Name a history" in backtest("--plan", plan).stderr
    both = backtest("--plan", plan, "--since", "90d", "--history", HISTORY)
    assert (both.exit_code, "Only one history can be replayed" in both.stderr) == (2, True)
    nothing = backtest("--plan", plan, "--since", "0d")
    assert (nothing.exit_code, "--since: write a time of more than nothing" in nothing.stderr) == (2, True)
    assert backtest("--plan", plan, "--since", "91d").exit_code == 2
    assert backtest("--plan", plan, "--since", "7d").exit_code == 3
