"""What the rules of noise go by: silences, kept signals, alerts that inhibit, groups, kinds, rushes, heartbeats."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from incidents.severity import Severity
from signals.heartbeats import State
from signals.noise import Hold, Inhibitor, Kind, Place, Rush, Standing
from signals.signal import Signal
from storage.database import Row, Tx

_SIGNAL = TypeAdapter(Signal)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


# --- silences ---


@dataclass(frozen=True, slots=True)
class SilenceRow:
    id: int
    matchers: tuple[str, ...]
    made_by: str
    because: str
    made_at: datetime
    until: datetime
    even_sev1: bool
    ended_at: datetime | None
    """When somebody ended it before its time."""
    ended_by: str | None

    @property
    def name(self) -> str:
        return f"S-{self.id}"


_SILENCE = "id, matchers, made_by, because, made_at, until, even_sev1, ended_at, ended_by"


def add_silence(
    tx: Tx, matchers: Sequence[str], made_by: str, because: str, made_at: datetime, until: datetime, *, even_sev1: bool
) -> SilenceRow:
    row = tx.one(
        "INSERT INTO silences (matchers, made_by, because, made_at, until, even_sev1) VALUES (?, ?, ?, ?, ?, ?) "
        f"RETURNING {_SILENCE}",
        (
            json.dumps(list(matchers)),
            made_by,
            because,
            made_at.timestamp(),
            until.timestamp(),
            int(even_sev1),
        ),
    )
    if row is None:
        raise ValueError("a silence was not written")
    return _silence(row)


def silence(tx: Tx, silence_id: int) -> SilenceRow | None:
    row = tx.one(f"SELECT {_SILENCE} FROM silences WHERE id = ?", (silence_id,))
    return None if row is None else _silence(row)


def end_silence(tx: Tx, silence_id: int, by: str, now: datetime) -> bool:
    """Whether it was in force until now."""
    changed = tx.execute(
        "UPDATE silences SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL AND until > ?",
        (now.timestamp(), by, silence_id, now.timestamp()),
    )
    return changed > 0


def silences_in_force(tx: Tx, now: datetime) -> list[SilenceRow]:
    rows = tx.all(f"SELECT {_SILENCE} FROM silences WHERE until > ? AND ended_at IS NULL", (now.timestamp(),))
    return [_silence(row) for row in rows]


def newest_silences(tx: Tx, limit: int) -> list[SilenceRow]:
    return [_silence(row) for row in tx.all(f"SELECT {_SILENCE} FROM silences ORDER BY id DESC LIMIT ?", (limit,))]


def _silence(row: Row) -> SilenceRow:
    matchers = tuple(json.loads(row[1]))
    return SilenceRow(row[0], matchers, row[2], row[3], _at(row[4]), _at(row[5]), bool(row[6]), _maybe(row[7]), row[8])


# --- kept signals ---


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A signal that is kept and pages nobody. `signal` is its newest, `count` how often it was heard."""

    key: str
    integration: str
    outcome: str
    held_by: str
    words: str
    look_at: datetime
    ends_at: datetime | None
    first_at: datetime
    last_at: datetime
    count: int
    severity: str
    signal: Signal


_HELD = (
    "dedup_key, integration, outcome, held_by, words, look_at, ends_at, first_at, last_at, count, severity, signal, "
    "body"
)


def hold(
    tx: Tx,
    key: str,
    integration: str,
    signal: Signal,
    severity: Severity,
    reason: Hold,
    now: datetime,
    times: int,
    ends_at: float | None,
) -> None:
    """Keep a signal, or say anew why one is kept; `times` is added to its count (0: nobody has sent it again).

    `ends_at`, in seconds since the epoch: it has recovered then unless it is repeated.
    """
    stamp = now.timestamp()
    tx.execute(
        f"INSERT INTO held ({_HELD}, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (dedup_key) DO UPDATE SET outcome = excluded.outcome, held_by = excluded.held_by, "
        "words = excluded.words, look_at = excluded.look_at, "
        "ends_at = CASE WHEN excluded.count > 0 THEN excluded.ends_at ELSE held.ends_at END, "
        "last_at = CASE WHEN excluded.count > 0 THEN excluded.last_at ELSE held.last_at END, "
        "count = held.count + excluded.count, severity = excluded.severity, signal = excluded.signal, "
        "body = excluded.body, summary = excluded.summary",
        (
            key,
            integration,
            reason.outcome,
            reason.by,
            reason.words,
            reason.look_at.timestamp(),
            ends_at,
            stamp,
            stamp,
            times,
            severity.value,
            _SIGNAL.dump_json(replace(signal, body=b"")),
            signal.body,
            signal.summary,
        ),
    )


def held(tx: Tx, key: str) -> HeldRow | None:
    row = tx.one(f"SELECT {_HELD} FROM held WHERE dedup_key = ?", (key,))
    return None if row is None else _held(row)


def let_go(tx: Tx, key: str) -> bool:
    """It is kept no longer. Whether it was."""
    return tx.execute("DELETE FROM held WHERE dedup_key = ?", (key,)) > 0


def held_to_look_at(tx: Tx, now: datetime, limit: int) -> list[HeldRow]:
    """Kept signals whose reason may have gone, those longest due first."""
    rows = tx.all(f"SELECT {_HELD} FROM held WHERE look_at <= ? ORDER BY look_at LIMIT ?", (now.timestamp(), limit))
    return [_held(row) for row in rows]


def held_that_ended(tx: Tx, now: datetime, since: datetime, patience: datetime, limit: int) -> list[HeldRow]:
    """Kept signals that were not repeated in time; see `keys.ended`."""
    rows = tx.all(
        f"SELECT {_HELD} FROM held WHERE ends_at <= ? AND (last_at >= ? OR ? >= ?) ORDER BY ends_at LIMIT ?",
        (now.timestamp(), since.timestamp(), now.timestamp(), patience.timestamp(), limit),
    )
    return [_held(row) for row in rows]


def newest_held(tx: Tx, limit: int) -> list[HeldRow]:
    return [_held(row) for row in tx.all(f"SELECT {_HELD} FROM held ORDER BY first_at DESC LIMIT ?", (limit,))]


def held_counts(tx: Tx) -> dict[str, int]:
    """outcome -> how many signals are kept for it."""
    return {str(row[0]): int(row[1]) for row in tx.all("SELECT outcome, COUNT(*) FROM held GROUP BY outcome")}


def held_by(tx: Tx) -> dict[str, tuple[int, int]]:
    """What holds (a silence's name, `maintenance:<name>`, a key) -> (signals kept, how often they were heard)."""
    rows = tx.all("SELECT held_by, COUNT(*), SUM(count) FROM held GROUP BY held_by")
    return {str(row[0]): (int(row[1]), int(row[2])) for row in rows}


def look_later(tx: Tx, key: str, at: datetime) -> None:
    tx.execute("UPDATE held SET look_at = ? WHERE dedup_key = ?", (at.timestamp(), key))


def holds_anything(tx: Tx) -> bool:
    """Whether any signal is kept without a page."""
    return tx.one("SELECT 1 FROM held LIMIT 1") is not None


def look_again(tx: Tx, now: datetime, by: str | None = None) -> None:
    """The reason may have gone: of what `by` holds, or of everything that is kept."""
    if by is None:
        tx.execute("UPDATE held SET look_at = ?", (now.timestamp(),))
    else:
        tx.execute("UPDATE held SET look_at = ? WHERE held_by = ?", (now.timestamp(), by))


def _held(row: Row) -> HeldRow:
    key, integration, outcome, by, words, look_at, ends_at, first_at, last_at, count, severity, signal, body = row
    return HeldRow(
        key,
        integration,
        outcome,
        by,
        words,
        _at(look_at),
        _maybe(ends_at),
        _at(first_at),
        _at(last_at),
        count,
        severity,
        replace(_SIGNAL.validate_json(signal), body=body),
    )


# --- inhibition ---


def add_inhibitor(tx: Tx, rule: str, pair: str, key: str, severity: Severity) -> None:
    tx.execute(
        "INSERT INTO inhibitors (rule, pair, dedup_key, severity) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (rule, pair, dedup_key) DO UPDATE SET severity = excluded.severity",
        (rule, pair, key, severity.value),
    )


def inhibitors(tx: Tx, rule: str, pair: str) -> list[Inhibitor]:
    """The alerts of this rule and pair that fire now: in an open incident, or kept themselves."""
    rows = tx.all(
        "SELECT i.dedup_key, i.severity FROM inhibitors AS i LEFT JOIN open_keys AS k ON k.dedup_key = i.dedup_key "
        "LEFT JOIN held AS h ON h.dedup_key = i.dedup_key "
        "WHERE i.rule = ? AND i.pair = ? AND (k.firing = 1 OR h.dedup_key IS NOT NULL) ORDER BY i.severity LIMIT 100",
        (rule, pair),
    )
    return [Inhibitor(str(row[0]), Severity(row[1])) for row in rows]


# --- groups and storms ---


def standing(tx: Tx, place: Place) -> Standing | None:
    row = tx.one(
        "SELECT incident_id, keys, last_at FROM signal_groups WHERE rule = ? AND name = ?", (place.rule, place.name)
    )
    return None if row is None else Standing(str(row[0]), int(row[1]), _at(row[2]))


def found(tx: Tx, place: Place, integration: str, incident_id: str, now: datetime) -> None:
    """A group begins with this incident, whatever it was before."""
    tx.execute(
        "INSERT INTO signal_groups (rule, name, integration, incident_id, keys, last_at) VALUES (?, ?, ?, ?, 1, ?) "
        "ON CONFLICT (rule, name) DO UPDATE SET integration = excluded.integration, "
        "incident_id = excluded.incident_id, keys = 1, last_at = excluded.last_at",
        (place.rule, place.name, integration, incident_id, now.timestamp()),
    )


def joined(tx: Tx, place: Place, now: datetime) -> None:
    tx.execute(
        "UPDATE signal_groups SET keys = keys + 1, last_at = ? WHERE rule = ? AND name = ?",
        (now.timestamp(), place.rule, place.name),
    )


def storms_of(tx: Tx, integration: str) -> list[Standing]:
    rows = tx.all(
        "SELECT incident_id, keys, last_at FROM signal_groups WHERE rule = 'storm' AND integration = ?", (integration,)
    )
    return [Standing(str(row[0]), int(row[1]), _at(row[2])) for row in rows]


def end_storm(tx: Tx, integration: str) -> None:
    """What comes next begins anew."""
    tx.execute("DELETE FROM signal_groups WHERE rule = 'storm' AND integration = ?", (integration,))
    tx.execute("DELETE FROM rushes WHERE integration = ?", (integration,))


def kind(tx: Tx, integration: str, situation: str, named: str) -> Kind | None:
    row = tx.one(
        "SELECT severity, last_at FROM signal_kinds WHERE integration = ? AND situation = ? AND kind = ?",
        (integration, situation, named),
    )
    return None if row is None else Kind(Severity(row[0]), _at(row[1]))


def heard_kind(
    tx: Tx, integration: str, situation: str, named: str, severity: Severity, now: datetime, since: datetime
) -> None:
    """This kind was heard. Its severity is the worst one heard `since` then, or this one."""
    tx.execute(
        "INSERT INTO signal_kinds (integration, situation, kind, severity, last_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (integration, situation, kind) DO UPDATE SET last_at = excluded.last_at, severity = CASE "
        "WHEN signal_kinds.last_at >= ? AND signal_kinds.severity < excluded.severity THEN signal_kinds.severity "
        "ELSE excluded.severity END",
        (integration, situation, named, severity.value, now.timestamp(), since.timestamp()),
    )


def keep_rush(tx: Tx, integration: str, known: Rush) -> None:
    tx.execute(
        "INSERT INTO rushes (integration, minute_at, new_keys, since, over_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (integration) DO UPDATE SET minute_at = excluded.minute_at, new_keys = excluded.new_keys, "
        "since = excluded.since, over_at = excluded.over_at",
        (integration, known.minute_at.timestamp(), known.new_keys, _stamp(known.since), _stamp(known.over_at)),
    )


def storms(tx: Tx) -> dict[str, Rush]:
    """Integrations that storm."""
    rows = tx.all("SELECT minute_at, new_keys, since, over_at, integration FROM rushes WHERE since IS NOT NULL")
    return {str(row[4]): _rush(row) for row in rows}


def _rush(row: Row) -> Rush:
    return Rush(_at(row[0]), row[1], _maybe(row[2]), _maybe(row[3]))


# --- heartbeats ---


@dataclass(frozen=True, slots=True)
class HeartbeatRow:
    """`due_at`: when the next beat is missing, or when it is said again that it is. `since`: of its state."""

    name: str
    state: State
    due_at: datetime
    heard_at: datetime | None
    since: datetime
    beats: int


_HEARTBEAT = "name, state, due_at, heard_at, since, beats"


def expect(tx: Tx, name: str, due_at: datetime, now: datetime) -> None:
    """A heartbeat is expected from now on; one that was expected already stays as it is."""
    tx.execute(
        f"INSERT INTO heartbeats ({_HEARTBEAT}) VALUES (?, 'ok', ?, NULL, ?, 0) ON CONFLICT (name) DO NOTHING",
        (name, due_at.timestamp(), now.timestamp()),
    )


def heartbeat(tx: Tx, name: str) -> HeartbeatRow | None:
    row = tx.one(f"SELECT {_HEARTBEAT} FROM heartbeats WHERE name = ?", (name,))
    return None if row is None else _heartbeat(row)


def heartbeats(tx: Tx) -> dict[str, HeartbeatRow]:
    return {str(row[0]): _heartbeat(row) for row in tx.all(f"SELECT {_HEARTBEAT} FROM heartbeats ORDER BY name")}


def beat(tx: Tx, name: str, state: State, due_at: datetime, now: datetime) -> None:
    """It was heard: well, or saying that it fails."""
    tx.execute(
        f"INSERT INTO heartbeats ({_HEARTBEAT}) VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (name) DO UPDATE SET "
        "since = CASE WHEN heartbeats.state = excluded.state THEN heartbeats.since ELSE excluded.since END, "
        "state = excluded.state, due_at = excluded.due_at, heard_at = excluded.heard_at, beats = heartbeats.beats + 1",
        (name, state, due_at.timestamp(), now.timestamp(), now.timestamp()),
    )


def miss(tx: Tx, name: str, again_at: datetime, now: datetime) -> None:
    """It was not heard in time."""
    tx.execute(
        "UPDATE heartbeats SET since = CASE WHEN state = 'missing' THEN since ELSE ? END, state = 'missing', "
        "due_at = ? WHERE name = ?",
        (now.timestamp(), again_at.timestamp(), name),
    )


def forget_heartbeat(tx: Tx, name: str) -> None:
    """The plan no longer has it."""
    tx.execute("DELETE FROM heartbeats WHERE name = ?", (name,))


def _heartbeat(row: Row) -> HeartbeatRow:
    return HeartbeatRow(row[0], row[1], _at(row[2]), _maybe(row[3]), _at(row[4]), row[5])


# --- what time brings ---


def anything_due(tx: Tx, now: datetime) -> bool:
    """Whether anything may be due, but for a heartbeat that is expected for the first time: looks into indexes."""
    stamp = now.timestamp()
    row = tx.one(
        "SELECT EXISTS (SELECT 1 FROM held WHERE look_at <= ?) OR EXISTS (SELECT 1 FROM held WHERE ends_at <= ?) "
        "OR EXISTS (SELECT 1 FROM open_keys WHERE ends_at <= ?) "
        "OR EXISTS (SELECT 1 FROM open_keys WHERE flapping_since IS NOT NULL) "
        "OR EXISTS (SELECT 1 FROM rushes WHERE since IS NOT NULL) OR EXISTS (SELECT 1 FROM heartbeats)",
        (stamp, stamp, stamp),
    )
    return row is not None and bool(row[0])


def clear(tx: Tx, kinds_before: datetime, groups_before: datetime, silences_before: datetime) -> None:
    """Forget facts that decide nothing any more. Storms are ended by `end_storm`."""
    tx.execute("DELETE FROM signal_kinds WHERE last_at < ?", (kinds_before.timestamp(),))
    tx.execute("DELETE FROM signal_groups WHERE rule <> 'storm' AND last_at < ?", (groups_before.timestamp(),))
    tx.execute("DELETE FROM silences WHERE until < ?", (silences_before.timestamp(),))
    tx.execute(
        "DELETE FROM inhibitors WHERE dedup_key NOT IN (SELECT dedup_key FROM open_keys WHERE firing = 1) "
        "AND dedup_key NOT IN (SELECT dedup_key FROM held)"
    )
