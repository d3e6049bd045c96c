"""Puts a backup back. What it says about waiting messages is old: nothing of it leaves, all of it is decided again."""

import contextlib
import logging
import os
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.home import Home
from incidents import commands as c
from incidents.decide import decide
from incidents.errors import CommandRefused
from incidents.events import Event, PageFailure
from incidents.evolve import evolve, fold
from incidents.state import Incident, Page
from storage import log, outbox, plans
from storage.database import SqliteTx, Tx, connect
from storage.migrate import HEAD, current_revision, migrate

BY = "restore"
_journal = logging.getLogger("tocsin.restore")


@dataclass(frozen=True, slots=True)
class Restored:
    epoch: int
    """The installation epoch from now on: an answer to an older message answers nothing new."""
    stale: int
    """Messages that were waiting in the backup and will not leave."""
    kept: Path | None
    """Where the database from before stands."""


def put_back(home: Home, backup: Path, now: datetime) -> Restored:
    """Replace the home's database by `backup`. The caller holds the home's lock.

    Raises CommandRefused, and changes nothing, when the file is not a backup of Tocsin or of a later version. A second
    call with the same file bumps the epoch again.
    """
    _look_at(backup)
    draft = home.path / "restore.db"
    draft.unlink(missing_ok=True)
    try:
        _copy(backup, draft)
        migrate(draft)
        epoch = max(_epoch(draft), _epoch(home.database)) + 1
        stale = _make_old(draft, epoch, now)
        kept = _set_aside(home.database, epoch)
        os.replace(draft, home.database)
        _sync(home.path)
    except (sqlite3.Error, OSError) as error:
        raise CommandRefused(f"The backup was not put back: {error}.") from error
    finally:
        for path in (draft, _beside(draft, "-wal"), _beside(draft, "-shm")):
            path.unlink(missing_ok=True)
    return Restored(epoch, stale, kept)


def _look_at(backup: Path) -> None:
    if not backup.is_file():
        raise CommandRefused(f"There is no file {backup}.")
    try:
        revision = current_revision(backup)
        with contextlib.closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            verdict = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.Error as error:
        raise CommandRefused(f"{backup} is not a backup of Tocsin: {error}.") from error
    if revision is None:
        raise CommandRefused(f"{backup} is not a backup of Tocsin.")
    if revision > HEAD:
        raise CommandRefused(f"{backup} was written by a newer Tocsin (schema {revision}; this one knows {HEAD}).")
    if verdict != "ok":
        raise CommandRefused(f"{backup} is damaged: {verdict}.")


def _copy(source: Path, target: Path) -> None:
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    writing = sqlite3.connect(target)
    try:
        reading.backup(writing)
    finally:
        writing.close()
        reading.close()


def _epoch(path: Path) -> int:
    """The epoch of a database; 0 where there is none, or none that can be read: restoring is for such days."""
    try:
        if current_revision(path) is None:
            return 0
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return plans.epoch(SqliteTx(connection))
    except sqlite3.DatabaseError:
        return 0


def _make_old(draft: Path, epoch: int, now: datetime) -> int:
    with contextlib.closing(connect(draft)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tx = SqliteTx(connection)
        plans.set_meta(tx, "epoch", str(epoch))
        tx.execute("UPDATE drivers SET live = 0")
        stale = outbox.make_all_stale(tx, now.timestamp())
        for incident_id in log.open_ids(tx):
            _doubt_if_readable(tx, incident_id, now)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return stale


def _doubt_if_readable(tx: Tx, incident_id: str, now: datetime) -> None:
    """One log that cannot be read must not cost all the others: the engine's next look sets that incident aside."""
    tx.execute("SAVEPOINT doubt")
    try:
        _doubt(tx, incident_id, now)
    except sqlite3.OperationalError:  # the disk, not this log
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are put back
        tx.execute("ROLLBACK TO doubt")
        _journal.error("log not read incident=%s because=%s", incident_id, error)
        log.set_next_due(tx, incident_id, now.timestamp())
    tx.execute("RELEASE doubt")


def _doubt(tx: Tx, incident_id: str, now: datetime) -> None:
    """A page that had not left when the backup was made may have left since: its ladder must not wait for it."""
    incident = fold(log.load_events(tx, incident_id))
    if incident is None:
        return
    events: list[Event] = []
    for page in incident.pages.values():
        if page.departed_at is None:
            for event in decide(incident, _unknown(page), now):
                incident = _after(incident, event)
                events.append(event)
    log.append(tx, incident, events)
    log.update_incident(tx, incident, incident.last_event_at)


def _unknown(page: Page) -> c.RecordFailed:
    because = "restored from a backup: nobody knows whether it left"
    return c.RecordFailed(page.message_id, PageFailure.UNKNOWN, because, BY)


def _after(incident: Incident, event: Event) -> Incident:
    evolved = evolve(incident, event)
    if evolved is None:
        raise ValueError(f"{event.kind} cannot follow nothing")
    return evolved


def _set_aside(database: Path, epoch: int) -> Path | None:
    """Keep the database from before, whole in one file, under a name that says which epoch took its place."""
    if not database.exists():
        return None
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = database.with_name(f"{database.stem}.before-epoch-{epoch}.db")
    os.replace(database, kept)
    for name in ("-wal", "-shm"):
        if _beside(database, name).exists():
            os.replace(_beside(database, name), _beside(kept, name))
    return kept


def _beside(path: Path, name: str) -> Path:
    return path.with_name(path.name + name)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
