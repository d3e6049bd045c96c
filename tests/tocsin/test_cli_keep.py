"""Looking after an installation: backup and restore, rebuilding, migrating, and the doctor."""

import contextlib
import json
import sqlite3
import stat
import time

import pytest
from click.testing import CliRunner

from engine.home import Home
from engine.rebuild import rebuild
from storage.database import SqliteTx, connect
from storage.migrate import migrate
from tests.support.counterparties import ROOT
from tests.support.real_engine import RealEngine
from tocsin.cli import cli


@pytest.fixture
def engine(tmp_path):
    made = RealEngine(tmp_path / "home", ROOT / "example")
    yield made
    made.stop()


@pytest.fixture
def tocsin(engine, monkeypatch):
    for name in ("TOCSIN_BY", "TOCSIN_API_TOKEN", "TOCSIN_PLAN", "TOCSIN_PUBLIC_URL", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_HOME", str(engine.home))

    def run(*words):
        return CliRunner().invoke(cli, [str(word) for word in words])

    return run


def declare(tocsin, title="The shop is down", situation="SERVICE_OUTAGE"):
    done = tocsin("declare", title, "--situation", situation, "--by", "nora", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["incident"]


def shown(tocsin, incident):
    return json.loads(tocsin("show", incident, "--json").stdout)


def read_model(home):
    """The list of incidents without what is only a cache, line by line."""
    with contextlib.closing(sqlite3.connect(home / "tocsin.db")) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM incidents ORDER BY number")]
    return [{name: value for name, value in row.items() if name != "next_due_at"} for row in rows]


def due_times(home):
    with contextlib.closing(sqlite3.connect(home / "tocsin.db")) as connection:
        return connection.execute("SELECT id, next_due_at FROM incidents ORDER BY number").fetchall()


# --- backup and restore ---


def test_a_restored_engine_pages_again_under_a_new_epoch(tocsin, engine, tmp_path):
    engine.start()
    declare(tocsin)
    assert tocsin("backup", tmp_path / "saved.db").exit_code == 0
    lost = declare(tocsin, "After the backup")
    engine.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "saved.db")) as saved, saved:
        saved.execute("UPDATE outbox SET state = 'pending'")  # as if the backup had caught them on their way out

    done = tocsin("restore", tmp_path / "saved.db", "--json")
    assert done.exit_code == 0, done.stderr
    engine.start()

    assert json.loads(done.stdout)["epoch"] == 2
    assert json.loads(done.stdout)["stale"] >= 1
    assert tocsin("show", lost["id"]).exit_code == 1
    assert declare(tocsin, "After the restore")["pages"][0]["message_id"].startswith("2.INC-2.")


@pytest.mark.slow
def test_a_page_that_the_backup_had_not_seen_leave_is_decided_again(tocsin, engine, tmp_path):
    engine.start()
    declare(tocsin)
    tocsin("backup", tmp_path / "saved.db")
    engine.stop()
    just_after_the_declaration(tmp_path / "saved.db")

    done = tocsin("restore", tmp_path / "saved.db", "--json")
    assert json.loads(done.stdout)["stale"] == 2
    engine.start()

    pages = shown(tocsin, 1)["pages"]
    assert {page["state"] for page in pages if page["message_id"].startswith("1.")} == {"unknown"}
    assert a_page_under_the_new_epoch(tocsin)["message_id"].startswith("2.INC-1.")


def just_after_the_declaration(path):
    """The copy as it would be had it been made between the commit and the first page's departure."""
    with contextlib.closing(sqlite3.connect(path)) as saved, saved:
        saved.execute("DELETE FROM events WHERE version > 4")
        saved.execute("UPDATE incidents SET version = 4")
        saved.execute("UPDATE outbox SET state = 'pending', claim = NULL, lease_until = NULL, provider_id = NULL")


def a_page_under_the_new_epoch(tocsin):
    """The first page of epoch 2: whether those before arrived is unknown, so it goes on at once."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for page in shown(tocsin, 1)["pages"]:
            if page["message_id"].startswith("2."):
                return page
        time.sleep(0.2)
    raise AssertionError(shown(tocsin, 1))


def test_restoring_twice_never_gives_the_same_epoch(tocsin, engine, tmp_path):
    engine.start()
    tocsin("backup", tmp_path / "saved.db")
    engine.stop()

    epochs = [json.loads(tocsin("restore", tmp_path / "saved.db", "--json").stdout)["epoch"] for _ in range(3)]

    assert epochs == [2, 3, 4]


def test_a_damaged_database_is_replaced_and_kept(tocsin, engine, tmp_path):
    engine.start()
    declare(tocsin)
    tocsin("backup", tmp_path / "saved.db")
    engine.stop()
    (engine.home / "tocsin.db").write_bytes(b"not a database at all" * 100)

    done = tocsin("restore", tmp_path / "saved.db")

    assert done.exit_code == 0, done.stderr
    assert list(engine.home.glob("tocsin.before-epoch-*.db"))
    engine.start()
    assert tocsin("show", "INC-1").exit_code == 0


@pytest.mark.parametrize("command", [("restore", "saved.db"), ("rebuild",), ("migrate",)])
def test_a_running_engine_is_never_touched(tocsin, engine, tmp_path, command):
    engine.start()
    done = tocsin(*command)

    assert done.exit_code == 1
    assert "already uses" in done.stderr


def test_what_is_no_backup_is_refused_and_changes_nothing(tocsin, engine, tmp_path):
    engine.start()
    declare(tocsin)
    engine.stop()
    before = read_model(engine.home)
    (tmp_path / "text").write_text("hello")
    sqlite3.connect(tmp_path / "empty.db").close()

    for name in ("text", "empty.db", "missing"):
        done = tocsin("restore", tmp_path / name)
        assert done.exit_code == 1
        assert name in done.stderr
    assert read_model(engine.home) == before


def test_a_backup_overwrites_nothing(tocsin, engine, tmp_path):
    engine.start()
    (tmp_path / "precious").write_text("mine")

    assert tocsin("backup", tmp_path / "precious").exit_code == 1
    assert (tmp_path / "precious").read_text() == "mine"


# --- rebuild and migrate ---


def test_the_list_is_rebuilt_from_the_log_exactly_as_it_was(tocsin, engine):
    engine.start()
    for number in range(4):
        declare(tocsin, f"Trouble {number}", "DRILL_SHOP_DOWN" if number % 2 else "PRODUCT_SAFETY")
    tocsin("ack", 1, "--by", "nora")
    tocsin("ack", 2, "--by", "tomas")
    tocsin("update", 1, "We know.", "--audience", "staff", "--by", "nora")
    tocsin("resolve", 2, "--note", "over", "--by", "tomas")
    tocsin("severity", 3, "SEV2", "--because", "smaller", "--by", "nora")
    tocsin("stand-down", 4, "--because", "nothing", "--by", "nora")
    engine.stop()
    before = read_model(engine.home)
    with contextlib.closing(sqlite3.connect(engine.home / "tocsin.db")) as broken, broken:
        broken.execute("DELETE FROM incidents WHERE number = 2")
        broken.execute("UPDATE incidents SET title = 'wrong', status = 'closed', is_open = 0, version = 1, round = 9")

    assert tocsin("rebuild").exit_code == 0
    assert read_model(engine.home) == before
    assert tocsin("rebuild").exit_code == 0
    assert read_model(engine.home) == before


def test_after_a_rebuild_the_engine_goes_on_where_it_was(tocsin, engine):
    engine.start()
    declare(tocsin)
    tocsin("ack", 1, "--by", "nora")
    engine.stop()
    tocsin("rebuild")
    engine.start()

    assert tocsin("note", 1, "still here", "--by", "nora").exit_code == 0
    assert shown(tocsin, 1)["status"] == "acknowledged"


def test_a_log_that_cannot_be_read_is_named_and_keeps_nobody_back(tocsin, engine):
    engine.start()
    declare(tocsin)
    declare(tocsin, "Another")
    engine.stop()
    with contextlib.closing(sqlite3.connect(engine.home / "tocsin.db")) as broken, broken:
        broken.execute("UPDATE events SET body = x'00' WHERE incident_id = 'INC-1' AND version = 1")

    done = tocsin("rebuild", "--json")

    assert [each.split(":")[0] for each in json.loads(done.stdout)["unreadable"]] == ["INC-1"]
    assert [row["id"] for row in read_model(engine.home)] == ["INC-1", "INC-2"]


def test_rebuilding_an_empty_log_gives_an_empty_list(tmp_path):
    migrate(tmp_path / "tocsin.db")
    with contextlib.closing(connect(tmp_path / "tocsin.db")) as connection:
        assert rebuild(SqliteTx(connection)) == []


def test_migrate_says_whether_it_did_anything(tocsin, engine):
    assert "brought up to date" in tocsin("migrate").stdout
    assert "up to date already" in tocsin("migrate").stdout


def test_there_is_nothing_to_rebuild_in_an_empty_home(tocsin):
    done = tocsin("rebuild")

    assert done.exit_code == 1
    assert "no database" in done.stderr


# --- doctor ---


def verdicts(tocsin, *words):
    done = tocsin("doctor", "--json", *words)
    return done.exit_code, [(each["check"], each["verdict"]) for each in json.loads(done.stdout)]


def test_a_sound_installation_has_no_failure(tocsin, engine):
    engine.start()
    code, found = verdicts(tocsin, "--plan", ROOT / "example")

    assert code == 0
    assert ("engine", "ok") in found
    assert ("plan", "ok") in found
    assert ("worker", "warn") in found
    assert ("heartbeat", "warn") in found
    assert ("public URL", "warn") in found


def test_every_line_begins_with_ok_warn_or_fail(tocsin):
    lines = tocsin("doctor", "--plan", ROOT / "example").stdout.splitlines()

    assert lines
    assert {line.split()[0] for line in lines} <= {"ok", "warn", "fail"}


def test_an_engine_that_is_away_is_a_failure(tocsin):
    code, found = verdicts(tocsin, "--plan", ROOT / "example")

    assert code == 1
    assert ("engine", "fail") in found


def test_a_home_that_others_can_read_is_a_failure(tocsin, engine):
    Home(engine.home).prepare()
    engine.home.chmod(0o755)
    (engine.home / "token").write_text("t")
    (engine.home / "token").chmod(0o644)

    _, found = verdicts(tocsin, "--plan", ROOT / "example")

    assert found.count(("home", "fail")) == 2
    assert stat.S_IMODE(engine.home.stat().st_mode) == 0o755


def test_twilio_without_a_public_address_says_that_answers_cannot_arrive(tocsin, monkeypatch):
    monkeypatch.setenv("TOCSIN_TWILIO__ACCOUNT_SID", "AC0")
    _, half = verdicts(tocsin)
    monkeypatch.setenv("TOCSIN_TWILIO__AUTH_TOKEN", "t")
    monkeypatch.setenv("TOCSIN_TWILIO__FROM_NUMBER", "+12025550100")
    text = tocsin("doctor").stdout

    assert ("twilio", "fail") in half
    assert "fail  twilio: ANSWERS CANNOT ARRIVE" in text


def test_an_unknown_plan_is_a_failure_with_its_place(tocsin, tmp_path):
    text = tocsin("doctor", "--plan", tmp_path).stdout

    assert f"fail  plan: {tmp_path / 'plan.yaml'}:1:1:" in text


def test_a_wrong_setting_names_its_variable(tocsin, monkeypatch):
    monkeypatch.setenv("TOCSIN_PORT", "eighty")
    done = tocsin("doctor")

    assert done.exit_code == 1
    assert "TOCSIN_PORT" in done.stderr
