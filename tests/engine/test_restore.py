"""Putting a backup back, incident by incident."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from functools import partial

from engine.home import Home
from engine.restore import put_back
from storage.database import Tx
from storage.migrate import migrate
from tests.support.memory import Memory

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _everything(table: str, tx: Tx) -> list[tuple[object, ...]]:
    return tx.all(f"SELECT * FROM {table}")


def test_one_log_that_cannot_be_read_does_not_keep_the_others_from_being_put_back(memory: Memory, tmp_path):
    memory.declare(NOW)
    memory.declare(NOW)
    memory.do(lambda tx: tx.execute("UPDATE events SET body = 'no event' WHERE incident_id = 'INC-1' AND version = 1"))
    memory.do(lambda tx: tx.execute("UPDATE incidents SET next_due_at = NULL"))
    saved = tmp_path / "saved.db"
    migrate(saved)
    with contextlib.closing(sqlite3.connect(saved)) as backup, backup:
        for table in ("events", "incidents", "outbox"):
            rows = memory.do(partial(_everything, table))
            backup.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    home = Home(tmp_path / "home")
    home.prepare()

    restored = put_back(home, saved, NOW)

    assert restored.epoch == 2
    with contextlib.closing(sqlite3.connect(home.database)) as database:
        unknown = database.execute("SELECT incident_id FROM events WHERE kind = 'PageFailed'").fetchall()
        looked_at = database.execute("SELECT id FROM incidents WHERE next_due_at <= ?", (NOW.timestamp(),)).fetchall()
    assert unknown == [("INC-2",)]
    assert looked_at == [("INC-1",), ("INC-2",)], "the engine looks at it, sets it aside and pages its operators"
