"""The log keeps every event as it was; keys say which incident a signal folds into."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.events import NoteAdded, Unknown
from incidents.evolve import fold
from incidents.severity import Severity
from storage import keys, log

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_version_is_written_once(memory):
    """The safety net against a second writer."""
    memory.declare(NOW)
    state = memory.state()
    note = NoteAdded(at=NOW, by="person:ana", text="x")
    with pytest.raises(Exception, match="UNIQUE"):
        memory.do(lambda tx: log.append(tx, state, [note]))


def test_events_after_a_version_are_read_alone(memory):
    memory.declare(NOW)
    events = memory.events()
    assert memory.do(lambda tx: log.load_events(tx, "INC-1", after=1)) == events[1:]


def test_an_event_of_a_kind_that_is_not_known_is_kept_as_it_came(memory):
    memory.declare(NOW)
    body = b'{"kind":"MoonRose","at":"2026-03-02T09:00:00Z","by":"rule","phase":"full"}'
    version = memory.state().version + 1
    memory.do(
        lambda tx: tx.execute(
            "INSERT INTO events (incident_id, version, at, schema, kind, body) "
            "VALUES ('INC-1', ?, 0, 7, 'MoonRose', ?)",
            (version, body),
        )
    )
    last = memory.events()[-1]
    assert isinstance(last, Unknown)
    assert last.original_kind == "MoonRose"
    folded = fold(memory.events())
    assert folded is not None
    assert folded.version == version


def test_open_incidents_are_found_by_when_they_need_a_look(memory):
    memory.declare(NOW)
    memory.declare(NOW)
    stamp = NOW.timestamp()
    memory.do(lambda tx: log.set_next_due(tx, "INC-1", stamp + 60))
    memory.do(lambda tx: log.set_next_due(tx, "INC-2", None))
    assert memory.do(lambda tx: log.due_incidents(tx, stamp + 59, 10)) == []
    assert memory.do(lambda tx: log.due_incidents(tx, stamp + 60, 10)) == [("INC-1", stamp + 60)]
    assert memory.do(log.next_due) == stamp + 60


def test_an_incident_that_cannot_be_read_is_set_aside_once(memory):
    memory.declare(NOW)
    assert memory.do(lambda tx: log.quarantine(tx, "INC-1", "bad body"))
    assert not memory.do(lambda tx: log.quarantine(tx, "INC-1", "bad body"))
    assert memory.do(lambda tx: log.version_of(tx, "INC-1"))[1] == "bad body"
    assert memory.do(log.next_due) is None


def test_an_incident_that_was_set_aside_is_not_among_the_open_ones(memory):
    memory.declare(NOW)
    memory.declare(NOW)
    memory.do(lambda tx: log.quarantine(tx, "INC-1", "bad body"))
    assert memory.do(log.open_ids) == ["INC-2"]


def test_the_newest_incidents_come_first(memory):
    for minute in range(3):
        memory.declare(NOW + timedelta(minutes=minute))
    rows = memory.do(lambda tx: log.incident_rows(tx, only_open=True, limit=2))
    assert [row.id for row in rows] == ["INC-3", "INC-2"]


def test_a_storm_of_lesser_incidents_pushes_none_of_the_worst_off_the_list_of_open_ones(memory):
    memory.declare(NOW, severity=Severity.SEV2)
    memory.declare(NOW, severity=Severity.SEV1)
    for minute in range(1, 4):
        memory.declare(NOW + timedelta(minutes=minute), severity=Severity.SEV3)

    rows = memory.do(lambda tx: log.open_rows_for(tx, "ana", 3))
    assert [row.id for row in rows] == ["INC-2", "INC-1", "INC-5"]
    everything = memory.do(lambda tx: log.incident_rows(tx, only_open=False, limit=2))
    assert [row.id for row in everything] == ["INC-5", "INC-4"]


def test_the_read_model_is_what_the_log_says(memory):
    memory.declare(NOW)
    memory.hears("trigger", "Slow", NOW, "warning")
    for incident_id in ("INC-1", "INC-2"):
        state = memory.folded(incident_id)
        row = memory.do(lambda tx, one=incident_id: log.incident_row(tx, one))
        assert (row.version, row.title, row.severity, row.status, row.round) == (
            state.version,
            state.title,
            state.severity,
            state.status,
            state.round,
        )


def test_a_key_opens_counts_moves_and_is_released(memory):
    memory.do(lambda tx: keys.open_key(tx, "k", "INC-1", "SEV2", 1.0))
    memory.do(lambda tx: keys.count_again(tx, [("k", None)] * 3, 2.0))
    memory.do(lambda tx: keys.recover(tx, "k", 3.0))
    assert memory.do(lambda tx: keys.lookup(tx, "k")) == keys.OpenKey("INC-1", 4, False, "SEV2")
    memory.do(lambda tx: keys.repoint(tx, "INC-1", "INC-2"))
    assert memory.do(lambda tx: keys.of_incident(tx, "INC-2")) == [("k", 4, 1.0, 3.0, False, "SEV2")]
    memory.do(lambda tx: keys.release(tx, "INC-2"))
    assert memory.do(lambda tx: keys.lookup(tx, "k")) is None
