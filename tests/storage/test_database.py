"""One writer, group commit: what has returned is durable, and what fails, fails alone."""

import asyncio
import sqlite3
import threading

import pytest

from incidents.errors import Overloaded
from storage.database import BALLAST_BYTES, Database, StorageBroken, Tx, connect


@pytest.fixture
def database(tmp_path):
    # The ballast is a hole: nobody needs 64 MB of zeroes here.
    with (tmp_path / "ballast").open("wb") as ballast:
        ballast.truncate(BALLAST_BYTES)
    database = Database(tmp_path / "tocsin.db", longest_queue=10)
    database.start()
    database.write_now(lambda tx: tx.execute("CREATE TABLE facts (name TEXT PRIMARY KEY)"))
    yield database
    database.close()


def add(name: str):
    return lambda tx: tx.execute("INSERT INTO facts (name) VALUES (?)", (name,))


def facts(database: Database) -> list[str]:
    return [row[0] for row in database.read_now(lambda tx: tx.all("SELECT name FROM facts ORDER BY name"))]


def then_fails(name: str):
    def work(tx: Tx) -> None:
        add(name)(tx)
        raise ValueError(f"{name} cannot be")

    return work


def stalled_commit(database: Database) -> tuple[threading.Event, threading.Event]:
    """The next commit says that it is there, and waits."""
    inside, go_on = threading.Event(), threading.Event()

    def checkpoint(point: str) -> None:
        if point == "before commit":
            inside.set()
            go_on.wait(10)

    database._checkpoint = checkpoint
    return inside, go_on


def test_a_commit_survives_a_power_cut(database):
    assert database.synchronous == 2
    assert connect(database.path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_works_that_wait_are_committed_together(database):
    batches: list[str] = []
    database._checkpoint = batches.append
    await asyncio.gather(*(database.write(add(f"f{number:02}")) for number in range(100)))
    assert len(facts(database)) == 100
    assert batches.count("after commit") < 100


async def test_a_failing_work_fails_alone(database):
    results = await asyncio.gather(
        database.write(add("first")),
        database.write(then_fails("second")),
        database.write(add("third")),
        database.write(add("first")),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [int, ValueError, int, sqlite3.IntegrityError]
    assert facts(database) == ["first", "third"]


def test_a_failing_work_leaves_nothing_of_itself(database):
    with pytest.raises(ValueError, match="cannot be"):
        database.write_now(then_fails("half"))
    assert facts(database) == []


async def test_readers_see_only_what_is_committed(database):
    inside, go_on = stalled_commit(database)
    writing = asyncio.create_task(database.write(add("late")))
    await asyncio.to_thread(inside.wait)
    assert facts(database) == []
    go_on.set()
    await writing
    assert facts(database) == ["late"]


async def test_with_a_full_disk_signals_are_refused_and_everything_else_goes_on(database):
    database.disk_full = True
    with pytest.raises(Overloaded, match="disk is full"):
        await database.write(add("signal"), droppable=True)
    await database.write(add("answer"))
    assert facts(database) == ["answer"]


async def test_a_disk_that_fills_up_gives_back_the_ballast_and_refuses_only_signals(database):
    """SQLite says SQLITE_FULL once; the answer of the same batch is committed all the same."""
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    inside, go_on = stalled_commit(database)

    def signal(_: Tx) -> None:
        raise full

    first = asyncio.create_task(database.write(add("first")))
    await asyncio.to_thread(inside.wait)
    heard = asyncio.create_task(database.write(signal, droppable=True))
    answer = asyncio.create_task(database.write(add("answer")))
    await asyncio.sleep(0)
    go_on.set()
    results = await asyncio.gather(first, heard, answer, return_exceptions=True)
    assert isinstance(results[1], Overloaded)
    assert results[1].retry_after == 30
    assert facts(database) == ["answer", "first"]
    assert database.disk_full
    assert not (database.path.parent / "ballast").exists()


async def test_too_many_signals_at_once_are_refused_and_answers_are_not(database):
    inside, go_on = stalled_commit(database)
    writes = [asyncio.create_task(database.write(add("first")))]
    await asyncio.to_thread(inside.wait)
    writes += [asyncio.create_task(database.write(add(f"f{number:02}"), droppable=True)) for number in range(11)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="Too many"):
        await database.write(add("one too many"), droppable=True)
    writes.append(asyncio.create_task(database.write(add("answer"))))
    go_on.set()
    await asyncio.gather(*writes)
    assert len(facts(database)) == 13


def test_the_reader_cannot_write(database):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.read_now(add("no"))


def test_closing_commits_what_is_queued_and_may_be_done_twice(database):
    database.write_now(add("kept"))
    database.close()
    database.close()
    assert connect(database.path).execute("SELECT name FROM facts").fetchall() == [("kept",)]
    with pytest.raises(StorageBroken):
        database.read_now(lambda tx: tx.one("SELECT 1"))


def test_a_backup_is_taken_while_it_runs(database, tmp_path):
    database.write_now(add("kept"))
    size = database.backup(tmp_path / "copy.db")
    assert size == (tmp_path / "copy.db").stat().st_size
    assert connect(tmp_path / "copy.db").execute("SELECT name FROM facts").fetchall() == [("kept",)]


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "tocsin.db").write_bytes(b"this is a letter to my mother" * 100)
    with pytest.raises(StorageBroken, match=r"tocsin\.db cannot be opened"):
        Database(tmp_path / "tocsin.db").start()
