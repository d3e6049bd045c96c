"""Plans and directories by content hash, the installation's own facts, and who drives what."""

import hashlib
import logging
from dataclasses import dataclass

from pydantic import ValidationError

from contacts.directory import Directory
from runbooks.plan import Plan, plan_version
from storage.database import Tx

log = logging.getLogger("tocsin.storage")


def store_plan(tx: Tx, plan: Plan, now: float) -> str:
    """Keep a plan; the second time does nothing. Returns its version."""
    version = plan_version(plan)
    tx.execute(
        "INSERT INTO plans (version, body, stored_at) VALUES (?, ?, ?) ON CONFLICT (version) DO NOTHING",
        (version, plan.model_dump_json().encode(), now),
    )
    return version


def load_plan(tx: Tx, version: str) -> Plan | None:
    """The plan of this version; None when there is none, or none that this Tocsin can still read."""
    row = tx.one("SELECT body FROM plans WHERE version = ?", (version,))
    if row is None:
        return None
    try:
        return Plan.model_validate_json(row[0])
    except ValidationError as error:
        log.error("stored plan not read version=%s because=%s", version, error)
        return None


def store_directory(tx: Tx, directory: Directory, now: float) -> str:
    body = directory.model_dump_json().encode()
    version = hashlib.sha256(body).hexdigest()[:12]
    tx.execute(
        "INSERT INTO directories (version, body, stored_at) VALUES (?, ?, ?) ON CONFLICT (version) DO NOTHING",
        (version, body, now),
    )
    return version


def set_active(tx: Tx, plan: str, directory: str) -> None:
    set_meta(tx, "active_plan", plan)
    set_meta(tx, "active_directory", directory)


def last_active(tx: Tx) -> tuple[Plan, Directory] | None:
    """The plan and the directory that were in force last; None on a fresh home or when they cannot be read any more."""
    plan = load_plan(tx, get_meta(tx, "active_plan") or "")
    row = tx.one("SELECT body FROM directories WHERE version = ?", (get_meta(tx, "active_directory") or "",))
    if plan is None or row is None:
        return None
    try:
        return plan, Directory.model_validate_json(row[0])
    except ValidationError:
        return None


def get_meta(tx: Tx, key: str) -> str | None:
    row = tx.one("SELECT value FROM meta WHERE key = ?", (key,))
    return None if row is None else str(row[0])


def set_meta(tx: Tx, key: str, value: str) -> None:
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def epoch(tx: Tx) -> int:
    """The installation epoch: 1, and one more after each restore."""
    return int(get_meta(tx, "epoch") or "1")


def remembered(tx: Tx, command_id: str) -> tuple[str, str] | None:
    """(incident, sentence) of a command that was already carried out."""
    row = tx.one("SELECT incident_id, sentence FROM commands WHERE command_id = ?", (command_id,))
    return None if row is None else (str(row[0]), str(row[1]))


def remember(tx: Tx, command_id: str, incident_id: str, sentence: str, now: float) -> None:
    tx.execute(
        "INSERT INTO commands (command_id, incident_id, sentence, at) VALUES (?, ?, ?, ?)",
        (command_id, incident_id, sentence, now),
    )


@dataclass(frozen=True, slots=True)
class Driver:
    epoch: int
    worker: str
    run: str
    runs: int
    live: bool


def driver_of(tx: Tx, incident_id: str) -> Driver | None:
    row = tx.one("SELECT epoch, worker, run, runs, live FROM drivers WHERE incident_id = ?", (incident_id,))
    return None if row is None else Driver(row[0], row[1], row[2], row[3], bool(row[4]))


def take_wheel(tx: Tx, incident_id: str, worker: str, run: str) -> Driver:
    """This run drives from now on; every earlier epoch is stale. The same run asking again keeps its epoch."""
    known = driver_of(tx, incident_id)
    if known is not None and known.live and known.run == run and known.worker == worker:
        return known
    epoch_, runs = (1, 1) if known is None else (known.epoch + 1, known.runs + 1)
    tx.execute(
        "INSERT INTO drivers (incident_id, epoch, worker, run, runs, live) VALUES (?, ?, ?, ?, ?, 1) "
        "ON CONFLICT (incident_id) DO UPDATE SET epoch = excluded.epoch, worker = excluded.worker, "
        "run = excluded.run, runs = excluded.runs, live = 1",
        (incident_id, epoch_, worker, run, runs),
    )
    return Driver(epoch_, worker, run, runs, live=True)


def leave_wheel(tx: Tx, incident_id: str, epoch_: int) -> None:
    tx.execute("UPDATE drivers SET live = 0 WHERE incident_id = ? AND epoch = ?", (incident_id, epoch_))


def seen(tx: Tx, worker: str, pid: int, now: float) -> None:
    tx.execute(
        "INSERT INTO workers (worker, pid, seen_at) VALUES (?, ?, ?) "
        "ON CONFLICT (worker) DO UPDATE SET pid = excluded.pid, seen_at = excluded.seen_at",
        (worker, pid, now),
    )


def live_drivers(tx: Tx) -> dict[str, Driver]:
    rows = tx.all("SELECT incident_id, epoch, worker, run, runs, live FROM drivers WHERE live = 1")
    return {str(row[0]): Driver(row[1], row[2], row[3], row[4], live=True) for row in rows}


def workers_seen(tx: Tx) -> dict[str, float]:
    return {str(worker): float(at) for worker, at in tx.all("SELECT worker, seen_at FROM workers")}


def drop_drivers_of(tx: Tx, worker: str) -> list[str]:
    """The worker is dead: its incidents are driven by nobody. Returns them."""
    rows = tx.all("SELECT incident_id FROM drivers WHERE worker = ? AND live = 1", (worker,))
    tx.execute("UPDATE drivers SET live = 0 WHERE worker = ?", (worker,))
    return [str(row[0]) for row in rows]
