"""What `GET /api/v1/status`, the readiness check and the banner say about Tocsin itself."""

from typing import TYPE_CHECKING, Any

from engine.clock import from_stamp
from engine.contacts_view import known, standing_view
from engine.heard import heard_status
from engine.remarks import latest_changes
from engine.view import stamp
from runbooks.noise import open_windows
from storage import keys, noise, outbox
from storage import log as incident_log

if TYPE_CHECKING:
    from engine.services import Engine


async def status_of(engine: "Engine") -> dict[str, Any]:
    """The engine's own state as JSON values. Reads only."""
    now = engine.clock.monotonic()
    senders, today = engine.book.plan.integrations, engine.clock.now()
    open_by_severity, rows, unreached, quarantined, beside, changes, heard = await engine.database.read(
        lambda tx: (
            incident_log.counts(tx),
            outbox.counts(tx),
            outbox.unreached(tx),
            incident_log.quarantined(tx),
            known(tx),
            latest_changes(tx, senders, today),
            heard_status(engine, tx),
        )
    )
    return {
        "engine": engine.name,
        "can_page": engine.can_page,
        "not_ready": not_ready(engine),
        "plan_version": engine.book.version,
        "open": open_by_severity,
        "outbox": rows,
        "unreached": unreached,
        "in_flight": engine.pager.in_flight,
        "quarantined": quarantined,
        "changes": changes,
        "workers": {worker: round(now - at, 1) for worker, at in engine.presence.seen.items()},
        "driven": len(engine.presence.drivers),
        "prefect": prefect_sentence(engine),
        "prefect_away_since": _away_since(engine),
        "channels": {
            kind.value: {"receipts": channel.gives_receipts, "two_way": channel.two_way}
            for kind, channel in engine.channels.items()
        },
        "public_url": engine.config.public_url,
        "addresses": standing_view(engine.directory, engine.clock.now(), beside),
        "noise": await _noise_of(engine),
        "heard": heard,
        "heartbeat": engine.config.heartbeat_url is not None,
        "disk_full": engine.database.disk_full,
        "synchronous": engine.database.synchronous,
    }


async def _noise_of(engine: "Engine") -> dict[str, Any]:
    """What pages nobody now, and every heartbeat of the plan."""
    now = engine.clock.now()
    silences, kept, storms, flapping = await engine.database.read(
        lambda tx: (
            len(noise.silences_in_force(tx, now)),
            noise.held_counts(tx),
            noise.storms(tx),
            len(keys.flapping(tx)),
        )
    )
    windows = open_windows(engine.book.plan.noise.maintenance, now)
    return {
        "silences": silences,
        "maintenance": [each.id.removeprefix("maintenance:") for each in windows],
        "kept": kept,
        "storms": {name: stamp(rush.since) for name, rush in storms.items()},
        "flapping": flapping,
        "heartbeats": await engine.expectations.show(),
    }


def not_ready(engine: "Engine") -> str | None:
    """Why this engine could not page now, or None."""
    if not engine.started:
        return "the engine is starting"
    if not engine.can_page:
        return "one of the engine's loops has ended"
    return None


def prefect_sentence(engine: "Engine") -> str:
    """The banner: who performs the moves (invariant 17)."""
    if engine.presence.anybody:
        return "Prefect drives; the engine covers."
    since = _away_since(engine)
    if since is None:
        return "Prefect has not come yet; the engine performs."
    return f"Prefect away since {since[11:16]} UTC; the engine performs."


def _away_since(engine: "Engine") -> str | None:
    if engine.presence.anybody or engine.presence.last_worker_at is None:
        return None
    silent = engine.clock.monotonic() - engine.presence.last_worker_at
    return stamp(from_stamp(engine.clock.now().timestamp() - silent))
