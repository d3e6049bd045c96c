"""thresholds.yaml and listening.yaml in a plan's folder: what is wrong is told with file, line and column."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from incidents.errors import PlanInvalid
from runbooks.loader import load_plan
from runbooks.plan import plan_version
from runbooks.starter import write_starter
from signals.thresholds import compiled

THRESHOLDS = """\
situation: VIRAL_COMPLAINT
topics:
  injury: [injur*, herid*]
rules:
  - name: Loud
    when: mentions in 1 hour are clear above usual
    and:
      - mentions in 15 minutes are noticeable above usual
      - >-
        at least 3 mentions in 1 hour
        about [injury, fire]
    only if: "at least 30 mentions in 1 hour"
    severity: SEV3
"""
LISTENING = """\
brands:
  - {id: ours, names: [Larkfield Home]}
sources:
  - name: press
    kind: feed
    url: https://news.example/feed.xml
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The starter plan, whose files of this kind are ours."""
    write_starter(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("thresholds.yaml").write_text(THRESHOLDS, encoding="utf-8")
    Path("listening.yaml").write_text(LISTENING, encoding="utf-8")


def problems() -> list[str]:
    with pytest.raises(PlanInvalid) as refused:
        load_plan(Path())
    return refused.value.problems


def change(file: str, old: str, new: str) -> None:
    text = Path(file).read_text(encoding="utf-8")
    assert old in text
    Path(file).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_both_files_become_part_of_the_plan():
    plan = load_plan(Path()).plan
    assert plan.thresholds is not None
    assert plan.listening is not None
    assert [rule.name for rule in compiled(plan.thresholds).rules] == ["Loud"]
    assert [source.name for source in plan.listening.sources] == ["press"]


def test_a_plan_without_them_listens_to_nobody():
    Path("thresholds.yaml").unlink()
    Path("listening.yaml").unlink()
    plan = load_plan(Path()).plan
    assert (plan.thresholds, plan.listening) == (None, None)


BROKEN = [
    # a sentence: in a plain text, in quotes, in a folded block
    ("thresholds.yaml", "clear above", "clear abov", "thresholds.yaml:6:40: Expected 'above', not 'abov'."),
    ("thresholds.yaml", "15 minutes", "15 minuets",
     "thresholds.yaml:8:24: Expected 'days', 'hours' or 'minutes', not 'minuets'. Did you mean 'minutes'?"),
    ("thresholds.yaml", "fire]", "fire", "thresholds.yaml:11:28: The sentence ends too early: expected ',' or ']'."),
    ("thresholds.yaml", "at least 30", "at most 30", "thresholds.yaml:12:18: Expected 'least', not 'most'."),
    ("thresholds.yaml", '"at least 30', '"at\\x20le\\u0061st 3O',
     "thresholds.yaml:12:32: Expected a number, not '3O'."),
    ("thresholds.yaml", "severity: SEV3", "or: reach of complaints in 1 hour is above 1,000\n    severity: SEV3",
     "thresholds.yaml:13:48: Write the number without separators: 1000."),
    # a name that nobody knows, at the name
    ("thresholds.yaml", "are noticeable", "are noticable",
     "thresholds.yaml:8:36: 'noticable' is not one of the words above; did you mean 'noticeable'?"),
    ("thresholds.yaml", "    severity", "    or: source pres is silent for 1 hour\n    severity",
     "thresholds.yaml:13:16: 'pres' is not a source of listening.yaml; did you mean 'press'?"),
    ("thresholds.yaml", "fire]", "f*re]",
     "thresholds.yaml:11:24: A * may only end a word of at least 3 letters, not 'f*re'."),
    # the file around the sentences
    ("thresholds.yaml", "only if:", "onlyif:",
     "thresholds.yaml:12:5: 'onlyif' is not a key here; did you mean 'only if'?"),
    ("thresholds.yaml", "rules:", "hold: {page again only when: never}\nrules:",
     "thresholds.yaml:4:30: 'page again only when' must be 'the severity rises', not 'never'."),
    ("thresholds.yaml", "rules:", "calm down: {propose to step down when: it is quiet}\nrules:",
     "thresholds.yaml:4:40: Expected 'every', not 'it'."),
    ("thresholds.yaml", "rules:", "usual: {same_brand: 14d}\nrules:",
     "thresholds.yaml:4:21: Write the unit out: 14 days."),
    ("thresholds.yaml", "injury:", "Injury:",
     "thresholds.yaml:3:3: 'Injury' must be a topic in small letters such as injury, without brackets, commas, quotes "
     "and *, not 'Injury'."),
    ("thresholds.yaml", "SEV3", "SEV9",
     "thresholds.yaml:13:15: 'severity' must be 'SEV1', 'SEV2', 'SEV3' or 'SEV4', not 'SEV9'; did you mean 'SEV4'?"),
    ("thresholds.yaml", "VIRAL_COMPLAINT", "VIRAL_COMPLAIN",
     "thresholds.yaml:1:12: 'VIRAL_COMPLAIN' is not one of the situations of plan.yaml; did you mean "
     "'VIRAL_COMPLAINT'?"),
    ("thresholds.yaml", "rules:", "- rules:",
     "thresholds.yaml:4:1: This is not YAML: expected <block end>, but found '-'."),
    # the sources
    ("listening.yaml", "url: https", "adress: https", "listening.yaml:4:5: 'url' is missing here."),
    ("listening.yaml", "kind: feed", "kind: feeds",
     "listening.yaml:4:5: 'kind' must be one of 'bluesky', 'mastodon', 'x', 'reddit', 'feed', 'imap', 'chatwoot', "
     "'zendesk', 'replay', not 'feeds'."),
    ("listening.yaml", "https://", "gopher://",
     "listening.yaml:6:10: 'url' must be an address such as https://example.com/feed.xml, without blanks, not "
     "'gopher://news.example/feed.xml'."),
    ("listening.yaml", "kind: feed", "kind: feed\n    brand: theirs",
     "listening.yaml:6:12: 'theirs' is not one of the brands above."),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "problem"), BROKEN, ids=[case[3] for case in BROKEN])
def test_what_is_wrong_is_told_at_its_place(file, old, new, problem):
    change(file, old, new)
    assert problem in problems()


def test_the_keys_that_a_source_may_have_are_those_of_its_kind():
    change("listening.yaml", "    url:", "    followers: 5\n    url:")
    (problem,) = problems()
    assert problem == (
        "listening.yaml:6:5: 'followers' is not a key here; the keys are name, every, brand, kind, url, reviews."
    )


def test_more_rules_than_anybody_can_judge_are_refused():
    rule = THRESHOLDS.partition("rules:\n")[2]
    change("thresholds.yaml", rule, rule * 201)
    assert problems() == ["thresholds.yaml:5:3: 'rules' can have at most 200 entries."]


def test_another_ending_is_not_passed_over_in_silence():
    Path("thresholds.yaml").rename("thresholds.yml")
    assert problems() == ["thresholds.yml:1:1: This is read from thresholds.yaml: rename it."]


def test_a_link_to_nowhere_is_a_file_that_is_missing_and_not_one_that_need_not_be_there():
    Path("thresholds.yaml").unlink()
    Path("thresholds.yaml").symlink_to("nowhere.yaml")
    assert problems() == [
        "thresholds.yaml:1:1: There is no such file; `tocsin init DIR` writes a plan to start from."
    ]  # fmt: skip


def test_every_problem_of_both_files_is_told_at_once():
    change("thresholds.yaml", "clear above", "clear abov")
    change("thresholds.yaml", "at least 30", "at most 30")
    change("listening.yaml", "https://", "gopher://")
    assert [each.split(": ")[0] for each in problems()] == [
        "thresholds.yaml:6:40",
        "thresholds.yaml:12:18",
        "listening.yaml:6:10",
    ]


def test_a_changed_threshold_is_another_version_of_the_plan_and_a_comment_is_none():
    before = plan_version(load_plan(Path()).plan)
    change("thresholds.yaml", "situation", "# ours\nsituation")
    assert plan_version(load_plan(Path()).plan) == before
    change("thresholds.yaml", "30 mentions", "31 mentions")
    assert plan_version(load_plan(Path()).plan) != before


def test_a_plan_that_smells_says_so_when_it_is_checked():
    change("listening.yaml", LISTENING.partition("sources:")[2], " []\n")
    warnings = load_plan(Path(), datetime(2027, 3, 8, tzinfo=UTC)).warnings
    assert "thresholds.yaml:4:1: Nobody is listened to: listening.yaml has no sources." in warnings
