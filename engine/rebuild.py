"""Makes the read model `incidents` anew from the log, which is the truth. The engine must be stopped."""

from incidents.evolve import fold
from incidents.ids import incident_number
from storage import log
from storage.database import Tx


def rebuild(tx: Tx) -> list[str]:
    """Fold every log and write its line of the list. Returns the incidents whose log cannot be folded, with the reason.

    Those are set aside and their line stays as it was. `next_due_at` is a cache: every open incident is due to be
    looked at, and the engine's next look computes it. A second call gives the same.
    """
    unreadable = []
    for incident_id in sorted(log.all_ids(tx), key=incident_number):
        try:
            incident = fold(log.load_events(tx, incident_id))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one log must not keep the others back
            log.quarantine(tx, incident_id, f"{type(error).__name__}: {error}")
            unreadable.append(f"{incident_id}: {error}")
            continue
        if incident is not None:
            tx.execute("DELETE FROM incidents WHERE id = ?", (incident_id,))
            look = incident.last_event_at if incident.status.is_open else None
            log.insert_incident(tx, incident, incident_number(incident_id), look)
    return unreadable
