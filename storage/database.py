"""One SQLite file, one writer at a time, group commit.

`write` queues a piece of work; the works that wait are run in one transaction, each in a savepoint of its own, and
every caller hears after the commit: a failing work fails alone, a failing commit fails all of them.
The answer to "is it durable?" is therefore always yes when `write` returns (`synchronous=FULL`).

The works run in the loop's thread, because Python runs one thread at a time and a second one that runs statements waits
for its turn at each of them. Only the COMMIT, which waits for the disk, has a thread, and the loop goes on meanwhile.
"""

import asyncio
import contextlib
import errno
import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from incidents.errors import Overloaded, TocsinError

T = TypeVar("T")
Row = tuple[Any, ...]
log = logging.getLogger("tocsin.storage")

DatabaseError = sqlite3.Error
"""What the driver raises when the storage itself is in trouble."""

LONGEST_BATCH = 0.005
"""Seconds of work in one transaction, so that the loop goes on; a single work is never cut."""
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
    future: "asyncio.Future[Any] | None"
    droppable: bool


@dataclass(slots=True)
class _Outcome:
    work: _Work
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """The caller hears, in the caller's loop."""
        future = self.work.future
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)

    def tell_from_here(self) -> None:
        """The same from another thread than the caller's loop."""
        if self.work.future is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
                self.work.future.get_loop().call_soon_threadsafe(self.tell)


@dataclass(slots=True)
class _Begun:
    """A transaction that is open: what its works said, or the error that ended it."""

    outcomes: list[_Outcome] = field(default_factory=list)
    error: sqlite3.Error | None = None


def connect(path: Path) -> sqlite3.Connection:
    """A connection with our settings. WAL and FULL: a commit that has returned survives a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA cache_size=-8000")
    return connection


class Database:
    """The engine's only door to the file. `start` opens it, `close` waits for what is queued."""

    def __init__(
        self, path: Path, *, checkpoint: Callable[[str], None] = lambda _: None, longest_queue: int = 20_000
    ) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._queue: deque[_Work] = deque()
        self._longest = longest_queue
        self._writer: sqlite3.Connection | None = None
        self._turn = threading.Lock()
        """Held from BEGIN to COMMIT, by whichever thread is at it."""
        self._committing = False
        self._closed = False
        self._commits: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        self._ballast = path.with_name("ballast")
        self.disk_full = False
        self.synchronous: int | None = None

    @property
    def path(self) -> Path:
        return self._path

    @property
    def waiting(self) -> int:
        """Works that are queued and not yet run."""
        return len(self._queue)

    def start(self) -> None:
        """Open the file and start the writer. Raises StorageBroken when it cannot be opened."""
        try:
            self._writer = connect(self._path)
            self._reader = connect(self._path)
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise StorageBroken(f"{self._path} cannot be opened: {error}") from error
        self.synchronous = int(self._writer.execute("PRAGMA synchronous").fetchone()[0])
        self._ensure_ballast()
        self._thread = threading.Thread(target=self._commit_for_ever, name="tocsin-commit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued, then close. A second call does nothing."""
        with self._turn:  # the loop's last transaction has been committed once this is ours
            self._closed = True
        if self._thread is not None:
            self._commits.put(None)
            self._thread.join()
            self._thread = None
        if self._writer is not None:
            with self._turn:
                while self._queue:
                    for outcome in self._finish(self._begin(self._next_batch())):
                        outcome.tell_from_here()
            self._writer.close()
            self._writer = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def write(self, work: Callable[[Tx], T], *, droppable: bool = False) -> T:
        """Run `work` in the next transaction and return its result after the commit.

        `droppable` work (signals, which their senders repeat) is refused with Overloaded when the queue is long or the
        disk is full; the rest (answers, pages) is not.
        """
        if droppable and (self.disk_full or len(self._queue) > self._longest):
            raise Overloaded("The disk is full." if self.disk_full else "Too many signals at once.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        self._queue.append(_Work(work, future, droppable))
        if not self._committing:
            self._committing = True
            loop.call_soon(self._run_batch, loop)
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
        with self._turn:
            (outcome,) = self._finish(self._begin([_Work(work, None, droppable=False)]))
        if outcome.error is not None:
            raise outcome.error
        value: T = outcome.result
        return value

    def backup(self, target: Path) -> int:
        """Copy the live database to `target` while it is written. Returns its size in bytes.

        Raises OSError when `target` cannot be written.
        """
        source = connect(self._path)
        try:
            with contextlib.closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        except sqlite3.Error as error:
            raise OSError(errno.EIO, str(error)) from error
        finally:
            source.close()
        return target.stat().st_size

    # --- transactions ---

    def _run_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the loop: run what waits, and hand the commit to its thread."""
        if not self._queue or self._writer is None:
            self._committing = False
            return
        self._turn.acquire()
        if self._closed:
            self._committing = False
            self._turn.release()
            return
        begun = self._begin(self._next_batch())

        def commit() -> None:
            outcomes = self._finish(begun)
            self._turn.release()
            try:
                loop.call_soon_threadsafe(self._tell, outcomes, loop)
            except RuntimeError:  # the loop is closed: nobody waits for these any more
                self._committing = False

        self._commits.put(commit)

    def _commit_for_ever(self) -> None:
        try:
            while (commit := self._commits.get()) is not None:
                commit()
        except BaseException:
            log.critical("the committing thread died", exc_info=True)
            os._exit(70)

    def _tell(self, outcomes: list[_Outcome], loop: asyncio.AbstractEventLoop) -> None:
        for outcome in outcomes:
            outcome.tell()
        # After the callers: what they ask for next goes into the next transaction.
        loop.call_soon(self._run_batch, loop)

    def _next_batch(self) -> Iterator[_Work]:
        """Works that wait, until the batch has taken long enough."""
        until = time.monotonic() + LONGEST_BATCH
        while self._queue:
            yield self._queue.popleft()
            if time.monotonic() > until:
                return

    def _begin(self, works: Iterable[_Work]) -> _Begun:
        """Run the works in a transaction that is still open afterwards."""
        begun = _Begun()
        remaining = iter(works)
        try:
            self._run(begun, remaining)
        except sqlite3.Error as error:
            begun.error = error
            begun.outcomes.extend(_Outcome(work) for work in remaining)
        return begun

    def _finish(self, begun: _Begun) -> list[_Outcome]:
        """Commit, or say why not."""
        if begun.error is None:
            try:
                self._checkpoint("before commit")
                self._connection.execute("COMMIT")
                self._checkpoint("after commit")
            except sqlite3.Error as error:
                begun.error = error
        if begun.error is None:
            return begun.outcomes
        self._roll_back()
        works = [outcome.work for outcome in begun.outcomes]
        if _is_full(begun.error):
            return self._commit_without_signals(works)
        log.error("commit failed error=%s works=%d", begun.error, len(works))
        broken = StorageBroken(f"The database cannot be written: {begun.error}")
        return [_Outcome(work, error=broken) for work in works]

    def _commit_without_signals(self, works: list[_Work]) -> list[_Outcome]:
        """The disk is full: the ballast goes, signals get Overloaded, answers and pages go on (invariant 15)."""
        self.disk_full = True
        if self._ballast.exists():
            self._ballast.unlink()
            log.critical("disk full: the ballast was released; signals are refused until there is room")
        refused = [_Outcome(work, error=Overloaded("The disk is full.", 30)) for work in works if work.droppable]
        rest = _Begun()
        try:
            self._run(rest, iter(work for work in works if not work.droppable))
            self._checkpoint("before commit")
            self._connection.execute("COMMIT")
            self._checkpoint("after commit")
        except sqlite3.Error as error:
            self._roll_back()
            broken = StorageBroken(f"The database cannot be written: {error}")
            return refused + [_Outcome(work, error=broken) for work in works if not work.droppable]
        return refused + rest.outcomes

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._writer is None:
            raise StorageBroken("The database is closed.")
        return self._writer

    def _run(self, begun: _Begun, works: Iterator[_Work]) -> None:
        connection = self._connection
        tx = SqliteTx(connection)
        connection.execute("BEGIN IMMEDIATE")
        for work in works:
            outcome = _Outcome(work)
            begun.outcomes.append(outcome)
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

    def _roll_back(self) -> None:
        connection = self._connection
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
