"""The command line against a real engine: what people type at three in the morning, and what scripts rely on."""

import json
import re
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from tests.support.counterparties import ROOT
from tests.support.real_engine import RealEngine
from tocsin.cli import ENTRIES, cli

FIXED = """
    up engine worker init check declare status show ack pass page handover severity step note update resolve reopen
    stand-down merge decide close replan test-page doctor backup restore rebuild migrate
"""
OBJECT = """
    id title severity status situation drill round plan_version declared_at commander next_update_by pages steps
    updates decisions missing_to_close timeline
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = RealEngine(tmp_path_factory.mktemp("cli") / "home", ROOT / "example").start()
    yield running
    running.stop()


@pytest.fixture
def tocsin(engine, monkeypatch):
    """Types a command; gives its result."""
    for name in ("TOCSIN_BY", "TOCSIN_API_TOKEN", "TOCSIN_PLAN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_HOME", str(engine.home))

    def run(*words, **more):
        return CliRunner().invoke(cli, [str(word) for word in words], **more)

    return run


@pytest.fixture
def incident(tocsin):
    """A fresh incident of the example's quick drill; its id."""
    done = tocsin("declare", "The shop is down", "--situation", "DRILL_SHOP_DOWN", "--by", "nora", "--json")
    return json.loads(done.stdout)["incident"]["id"]


# --- the shape of it ---


@pytest.mark.parametrize("name", FIXED.split())
def test_every_command_that_other_programs_rely_on_is_there(name):
    command = import_module(f"tocsin.commands.{ENTRIES[name].module}").COMMANDS[name]

    assert command.name == name
    assert command.help


def test_help_names_every_command_and_is_quick_because_it_imports_little():
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom tocsin.cli import cli\n"
        "print(CliRunner().invoke(cli, ['--help']).stdout)\n"
        "print('LOADED', sorted({'aiohttp', 'pydantic', 'fastapi', 'prefect', 'ruamel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert all(f"  {name} " in done.stdout for name in ENTRIES)
    assert "LOADED []" in done.stdout


def test_an_unknown_command_is_a_usage_error(tocsin):
    assert tocsin("frobnicate").exit_code == 2


def test_something_that_is_no_incident_is_a_usage_error(tocsin):
    done = tocsin("show", "INC-x")

    assert done.exit_code == 2
    assert "'INC-x' is not an incident" in done.stderr


def test_without_an_engine_the_code_is_3_and_the_sentence_says_how_to_start_one(tocsin, tmp_path):
    done = tocsin("status", "--home", tmp_path / "nowhere")

    assert done.exit_code == 3
    assert "tocsin up" in done.stderr


def test_a_broken_plan_is_code_4_with_the_place_of_each_problem(tocsin, tmp_path):
    tocsin("init", tmp_path / "plan")
    contacts = tmp_path / "plan" / "contacts.yaml"
    contacts.write_text(contacts.read_text().replace("id: ", "id: A ", 1))

    done = tocsin("check", tmp_path / "plan")
    machine = tocsin("check", tmp_path / "plan", "--json")

    assert done.exit_code == machine.exit_code == 4
    assert f"{contacts}:" in done.stderr
    assert json.loads(machine.stdout)["valid"] is False


def test_init_writes_a_plan_that_check_accepts_and_never_overwrites(tocsin, tmp_path):
    assert tocsin("init", tmp_path / "plan").exit_code == 0
    assert tocsin("check", tmp_path / "plan").exit_code == 0
    again = tocsin("init", tmp_path / "plan")
    assert again.exit_code == 1
    assert "Nothing was written" in again.stderr


def test_check_warns_when_nobody_outside_watches(tocsin, monkeypatch):
    monkeypatch.delenv("TOCSIN_HEARTBEAT_URL", raising=False)

    assert "TOCSIN_HEARTBEAT_URL" in tocsin("check", ROOT / "example").stderr


# --- who acts ---


def test_nobody_named_is_refused_with_the_names_there_are(tocsin, incident, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root")

    done = tocsin("ack", incident)

    assert done.exit_code == 1
    assert "--by" in done.stderr
    assert "nora, tomas" in done.stderr


def test_the_user_of_this_machine_acts_when_contacts_yaml_knows_them(tocsin, incident, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "tomas")

    assert tocsin("ack", incident).exit_code == 0
    assert json.loads(tocsin("show", incident, "--json").stdout)["commander"] == "tomas"


def test_the_environment_may_say_who_acts(tocsin, incident, monkeypatch):
    monkeypatch.setenv("TOCSIN_BY", "sofia")

    tocsin("ack", incident)

    assert json.loads(tocsin("show", incident, "--json").stdout)["commander"] == "sofia"


def test_somebody_unknown_is_refused(tocsin, incident):
    done = tocsin("note", incident, "hello", "--by", "mallory")

    assert done.exit_code == 1
    assert "nobody called 'mallory'" in done.stderr
    assert "is written" not in done.stderr
    assert "The role is written role:care." in tocsin("note", incident, "hello", "--by", "care").stderr


# --- an incident from end to end ---


def test_an_incident_is_worked_and_closed_from_the_terminal(tocsin, incident):
    def does(*words, by="nora"):
        done = tocsin(*words, "--by", by)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    assert "charge" in does("ack", incident)
    refused = tocsin("close", incident, "--by", "nora")
    assert refused.exit_code == 1
    assert "It is not resolved." in refused.stderr
    does("step", incident, "look", "done", "--evidence", "500 on /cart")
    does("step", incident, "tell-customers", "--evidence", "on the status page")
    does("step", incident, "list-the-harmed", "skip", "--because", "the care desk has the list")
    does("step", incident, "put-back", "done", "--evidence", "release 41 undone")
    does("update", incident, "Orders by telephone work.", "--audience", "customers", "--next-in", "30m")
    does("decide", incident, "telephone-orders", "--choice", "yes", "--because", "the desk is staffed")
    does("resolve", incident, "--note", "release 41 undone")
    does("confirm", incident, "--evidence", "ten orders went through")
    for_whom = ("--for", "customers whose order failed", "--count", "412", "--because", "they lost their basket")
    does("decide", incident, "compensation", "--amount", "20", "--currency", "EUR", *for_whom, by="amara")
    does("inform", incident, "--how", "mail", "--text", "You get 20 EUR.")
    does("close", incident)

    assert "closed" in tocsin("show", incident).stdout.splitlines()[0]


def test_money_beyond_the_own_authority_is_proposed_and_approved_by_somebody_else(tocsin, incident):
    tocsin("ack", incident, "--by", "nora")
    ask = ("decide", incident, "compensation", "--amount", "20", "--currency", "EUR", "--for", "all", "--count", "10")
    proposed = tocsin(*ask, "--because", "a fair sum for the hour lost", "--by", "nora")
    view = json.loads(tocsin("show", incident, "--json").stdout)

    assert "Somebody else must approve" in proposed.stdout
    assert view["compensation"]["document"] in tocsin("show", incident).stdout
    assert tocsin("approve", incident, view["compensation"]["document"], "--by", "amara").exit_code == 0


def test_paying_nothing_needs_a_reason_that_is_known(tocsin, incident):
    tocsin("ack", incident, "--by", "amara")
    words = ("--for", "visitors", "--count", "3", "--because", "nobody waited longer than a second", "--by", "amara")

    assert tocsin("decide", incident, "compensation", "--none", "TRIVIAL_IMPACT", *words).exit_code == 0
    assert tocsin("decide", incident, "compensation", "--none", "LAZINESS", *words).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("compensation", "--choice", "yes"),
        ("compensation", "--for", "all", "--count", "1"),
        ("compensation", "--amount", "20", "--for", "all", "--count", "1"),
        ("compensation", "--none", "TRIVIAL_IMPACT"),
        (
            "compensation",
            "--none",
            "TRIVIAL_IMPACT",
            "--amount",
            "1",
            "--currency",
            "EUR",
            "--for",
            "a",
            "--count",
            "1",
        ),
        ("failover",),
        ("failover", "--choice", "yes", "--amount", "20"),
    ],
)
def test_half_a_decision_is_a_usage_error_and_changes_nothing(tocsin, incident, words):
    before = json.loads(tocsin("show", incident, "--json").stdout)["decisions"]

    assert tocsin("decide", incident, *words, "--because", "so", "--by", "nora").exit_code == 2
    assert json.loads(tocsin("show", incident, "--json").stdout)["decisions"] == before


def test_the_rest_of_the_verbs_do_what_they_say(tocsin, incident):
    def does(*words):
        done = tocsin(*words, "--by", "nora")
        assert done.exit_code == 0, done.stderr
        return done.stdout

    does("pass", incident)
    does("escalate", incident)
    does("ack", incident)
    assert "Paging ruth" in does("page", incident, "role:legal", "--because", "read the statement")
    assert "SEV3" in does("severity", incident, "sev3", "--because", "one shop only")
    assert "Tom" in does("handover", incident, "tomas", "--note", "good luck")
    does("note", incident, "a note")
    does("replan", incident, "--because", "the plan was corrected")
    assert "goes to" in does("summary", incident, "--send")
    assert "Bottom line" in tocsin("summary", incident).stdout
    other = json.loads(does("declare", "The same again", "--drill", "--json"))["incident"]["id"]
    assert "merged" in does("merge", other, "--into", incident)
    does("stand-down", incident, "--because", "an exercise")
    assert "round 2" in does("reopen", incident, "--because", "it is back")
    assert "version" in tocsin("plan", "activate").stdout


def test_a_test_page_says_what_became_of_it(tocsin):
    done = tocsin("test-page", "priya")

    assert done.exit_code == 0
    assert "It was delivered." in done.stdout


def test_a_test_page_to_nobody_is_refused(tocsin):
    assert tocsin("test-page", "mallory").exit_code == 1
    assert tocsin("test-page", "priya", "--channel", "sms").exit_code == 1


# --- what is printed ---


def test_show_json_is_the_object_of_the_api(tocsin, engine, incident):
    shown = json.loads(tocsin("show", incident, "--json").stdout)

    assert next(iter(shown)) == "id"
    assert set(OBJECT.split()) <= set(shown)


def test_show_says_who_is_called_next_and_what_is_missing(tocsin, incident):
    text = tocsin("show", incident).stdout

    assert "Nobody has taken it yet." in text
    assert "when nobody acts" in text
    assert "Nora Lindqvist by console, rung 1" in text
    assert f"tocsin ack {incident}" in text
    assert "Missing to close" in text


def test_show_says_who_is_what_what_is_asked_and_who_is_left_out(tocsin, incident):
    def does(*words):
        done = tocsin(*words)
        assert done.exit_code == 0, done.stderr

    does("ack", incident, "--by", "nora")
    does("ask", incident, "leon", "--question", "Close all shops?", "--by", "nora")
    does("implicate", incident, "marcus", "--because", "his van", "--by", "nora")
    text = " ".join(tocsin("show", incident).stdout.split())

    assert "Roles duty-commander Nora Lindqvist" in text
    assert "Questions open question-1 Close all shops? Nora Lindqvist asks Leon Achterberg Answer in" in text
    assert re.search(r"Left out [^:]*Marcus Hale[^:]*: implicated", text)
    assert f"Next tocsin answer {incident} yes|no|call" in text
    does("answer", incident, "N", "--by", "leon")
    text = " ".join(tocsin("show", incident).stdout.split())
    assert re.search(r"Questions no question-1 .*? Leon Achterberg said no at \d\d:\d\d UTC\.", text)
    assert f"tocsin answer {incident}" not in text


def test_status_lists_the_open_ones_and_who_performs(tocsin, incident):
    text = tocsin("status").stdout

    assert "ready to page" in text
    assert "the engine performs" in text
    assert incident in text
    assert any(each["id"] == incident for each in json.loads(tocsin("status", "--json").stdout)["incidents"])


def test_watch_refreshes_until_it_is_interrupted(tocsin, incident, monkeypatch):
    looks = []

    class Pause:
        def wait(self, _seconds):
            looks.append(1)
            if len(looks) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("tocsin.commands.look.threading.Event", Pause)
    done = tocsin("status", "--watch")

    assert done.exit_code == 0
    assert done.stdout.count("ready to page") == 2


def test_colour_is_for_terminals_and_never_where_it_is_not_wanted(tocsin, incident, monkeypatch):
    assert "\x1b[" not in tocsin("show", incident).stdout
    assert "\x1b[" in tocsin("show", incident, color=True).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in tocsin("show", incident, color=True).stdout


def test_a_sender_cannot_write_to_the_terminal(tocsin):
    title = "down \x1b[2J\x07 now"
    done = tocsin("declare", title, "--drill", "--by", "nora", "--json")
    incident = json.loads(done.stdout)["incident"]["id"]

    for text in (tocsin("show", incident, color=True).stdout, tocsin("status", color=True).stdout):
        assert "\x1b[2J" not in text
        assert "\x07" not in text
    tocsin("stand-down", incident, "--because", "done", "--by", "nora")


def test_a_link_opens_the_page_of_one_person(tocsin, incident):
    assert f"/incidents/{incident}?c=nora&s=" in tocsin("link", incident, "nora").stdout


def test_the_engine_can_be_named_by_its_address(tocsin, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_API_TOKEN", engine.token)

    assert tocsin("status", "--home", tmp_path, "--port", engine.port).exit_code == 0
    assert tocsin("status", "--home", tmp_path, "--host", engine.url).exit_code == 0


def test_a_wrong_token_is_code_3(tocsin, engine, monkeypatch):
    monkeypatch.setenv("TOCSIN_API_TOKEN", "wrong")
    done = tocsin("status", "--port", engine.port)

    assert done.exit_code == 3
    assert "does not accept our token" in done.stderr


def test_every_command_documents_its_flags():
    for name, entry in ENTRIES.items():
        command = import_module(f"tocsin.commands.{entry.module}").COMMANDS[name]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)


def test_the_goodwill_matrix_can_be_asked_before_anything_is_decided(tocsin):
    said = tocsin("suggest", "--impact", 2, "--fault", 3, "--prior-failures", 2)

    assert said.exit_code == 0
    assert said.stdout.startswith("150.00 EUR")
    assert "- I2 and F3: 100 EUR" in said.stdout


def test_severe_harm_has_no_table(tocsin):
    assert "Legal assesses each case" in tocsin("suggest", "--impact", 5, "--fault", 3).stdout
