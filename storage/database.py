"""One SQLite file, one writer thread, group commit.

`write` hands a piece of work to the writer; the works that wait are run in one transaction, each in a savepoint of its
own, and every caller hears after the commit: a failing work fails alone, a failing commit fails all of them.
The answer to "is it durable?" is therefore always yes when `write` returns (`synchronous=FULL`).
"""

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from incidents.errors import Overloaded, TocsinError

T = TypeVar("T")
Row = tuple[Any, ...]
log = logging.getLogger("tocsin.storage")

LARGEST_BATCH = 256
BALLAST_BYTES = 64 * 1024 * 1024


class StorageBroken(TocsinError):
    """The database cannot be written at all; the engine says so on /readyz and goes on trying."""


class Tx(Protocol):
    """What a work may do inside a transaction."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> int:
        """Run one statement; returns the number of rows changed."""
        ...

    def many(self, sql: str, parameters: list[tuple[Any, ...]]) -> None: ...

    def one(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row | None: ...

    def all(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]: ...


class SqliteTx:
    """A transaction on one connection. Placeholders are `?`."""

    __slots__ = ("_execute", "_many")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._many = connection.executemany

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> int:
        return self._execute(sql, parameters).rowcount

    def many(self, sql: str, parameters: list[tuple[Any, ...]]) -> None:
        self._many(sql, parameters)

    def one(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row | None:
        row: Row | None = self._execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        return self._execute(sql, parameters).fetchall()


@dataclass(slots=True)
class _Work:
    run: Callable[[Tx], Any]
    done: Callable[[Any, BaseException | None], None]
    droppable: bool


@dataclass(slots=True)
class _Outcome:
    work: _Work
    result: Any = None
    error: BaseException | None = None


def connect(path: Path) -> sqlite3.Connection:
    """A connection with our settings. WAL and FULL: a commit that has returned survives a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA cache_size=-32000")
    return connection


class Database:
    """The engine's only door to the file. `start` opens it, `close` waits for what is queued."""

    def __init__(
        self, path: Path, *, checkpoint: Callable[[str], None] = lambda _: None, longest_queue: int = 20_000
    ) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._waiting = 0
        self._longest = longest_queue
        self._thread: threading.Thread | None = None
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        self._ballast = path.with_name("ballast")
        self.disk_full = False
        self.synchronous: int | None = None
        self.after_batch: Callable[[], None] = lambda: None

    @property
    def path(self) -> Path:
        return self._path

    @property
    def waiting(self) -> int:
        """Works that are queued and not yet committed."""
        return self._waiting

    def start(self) -> None:
        """Open the file and start the writer. Raises StorageBroken when it cannot be opened."""
        try:
            writer = connect(self._path)
            self._reader = connect(self._path)
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise StorageBroken(f"{self._path} cannot be opened: {error}") from error
        self.synchronous = int(writer.execute("PRAGMA synchronous").fetchone()[0])
        self._ensure_ballast()
        self._thread = threading.Thread(target=self._write_for_ever, args=(writer,), name="tocsin-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued, then close. A second call does nothing."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def write(self, work: Callable[[Tx], T], *, droppable: bool = False) -> T:
        """Run `work` in the next transaction and return its result after the commit.

        `droppable` work (signals, which their senders repeat) is refused with Overloaded when the queue is long or the
        disk is full; the rest (answers, pages) is not.
        """
        if droppable and (self.disk_full or self._waiting > self._longest):
            raise Overloaded("The disk is full." if self.disk_full else "Too many signals at once.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(_resolve, future, result, error)

        self._waiting += 1
        self._queue.put(_Work(work, done, droppable))
        return await future

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run a read-only work on a connection of its own, in a thread; sees only committed rows."""
        return await asyncio.to_thread(self.read_now, work)

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """The same, in this thread: for start-up and for the few reads that cost microseconds."""
        if self._reader is None:
            raise StorageBroken("The database is closed.")
        with self._reader_lock:
            return work(SqliteTx(self._reader))

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """Run one work and wait for its commit, for start-up, commands and tests outside the loop."""
        answered = threading.Event()
        outcome: list[tuple[Any, BaseException | None]] = []

        def done(result: Any, error: BaseException | None) -> None:
            outcome.append((result, error))
            answered.set()

        self._waiting += 1
        self._queue.put(_Work(work, done, droppable=False))
        answered.wait()
        result, error = outcome[0]
        if error is not None:
            raise error
        value: T = result
        return value

    def backup(self, target: Path) -> int:
        """Copy the live database to `target` while it is written. Returns its size in bytes."""
        source = connect(self._path)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()
        return target.stat().st_size

    # --- the writer thread ---

    def _write_for_ever(self, connection: sqlite3.Connection) -> None:
        tx = SqliteTx(connection)
        while True:
            batch, last = self._next_batch()
            if batch:
                for outcome in self._commit(connection, tx, batch):
                    self._waiting -= 1
                    outcome.work.done(outcome.result, outcome.error)
                self.after_batch()
            if last:
                connection.close()
                return

    def _next_batch(self) -> tuple[list[_Work], bool]:
        batch: list[_Work] = []
        first = self._queue.get()
        if first is None:
            return batch, True
        batch.append(first)
        with contextlib.suppress(queue.Empty):
            while len(batch) < LARGEST_BATCH:
                work = self._queue.get_nowait()
                if work is None:
                    return batch, True
                batch.append(work)
        return batch, False

    def _commit(self, connection: sqlite3.Connection, tx: Tx, batch: list[_Work]) -> list[_Outcome]:
        try:
            return self._transaction(connection, tx, batch)
        except sqlite3.Error as error:
            self._roll_back(connection)
            if not _is_full(error):
                log.error("commit failed error=%s works=%d", error, len(batch))
                broken = StorageBroken(f"The database cannot be written: {error}")
                return [_Outcome(work, error=broken) for work in batch]
        return self._commit_without_signals(connection, tx, batch)

    def _commit_without_signals(self, connection: sqlite3.Connection, tx: Tx, batch: list[_Work]) -> list[_Outcome]:
        """The disk is full: the ballast goes, signals get Overloaded, answers and pages go on (invariant 15)."""
        self.disk_full = True
        if self._ballast.exists():
            self._ballast.unlink()
            log.critical("disk full: the ballast was released; signals are refused until there is room")
        refused = [_Outcome(work, error=Overloaded("The disk is full.", 30)) for work in batch if work.droppable]
        rest = [work for work in batch if not work.droppable]
        try:
            return refused + self._transaction(connection, tx, rest)
        except sqlite3.Error as error:
            self._roll_back(connection)
            broken = StorageBroken(f"The database cannot be written: {error}")
            return refused + [_Outcome(work, error=broken) for work in rest]

    def _transaction(self, connection: sqlite3.Connection, tx: Tx, batch: list[_Work]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        connection.execute("BEGIN IMMEDIATE")
        for work in batch:
            outcome = _Outcome(work)
            connection.execute("SAVEPOINT work")
            try:
                outcome.result = work.run(tx)
            except sqlite3.Error as error:
                if _is_full(error) or not connection.in_transaction:
                    raise
                outcome.error = error
            except Exception as error:  # noqa: BLE001 - any error of a work is its caller's, never its neighbours'
                outcome.error = error
            if outcome.error is not None:
                connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            outcomes.append(outcome)
        self._checkpoint("before commit")
        connection.execute("COMMIT")
        self._checkpoint("after commit")
        return outcomes

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _ensure_ballast(self) -> None:
        """64 MB put aside for the day when the disk is full."""
        if self._ballast.exists() and self._ballast.stat().st_size >= BALLAST_BYTES:
            return
        try:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            self._ballast.unlink(missing_ok=True)
            log.warning("no room for the ballast file path=%s", self._ballast)

    def room_again(self) -> bool:
        """Look whether the disk has room; if so signals are taken again and the ballast is put back."""
        if not self.disk_full:
            return True
        space = os.statvfs(self._path.parent)
        if space.f_bavail * space.f_frsize < 2 * BALLAST_BYTES:
            return False
        self._ensure_ballast()
        self.disk_full = False
        return True


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _resolve(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
