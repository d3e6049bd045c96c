"""What providers say about messages, in any order and any number of times: the same end (architecture.md "Sending")."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from engine.clock import Clock
from engine.door import Change, Door
from incidents import commands as c
from incidents import events as e
from incidents.errors import UnknownIncident
from notifications.channel import DeliveryReport
from storage import outbox
from storage.database import Database, Tx
from storage.outbox import OutboxRow


class Receipts:
    """Of one installation epoch: a report about a message from before a restore says nothing."""

    def __init__(
        self, database: Database, door: Door, clock: Clock, publish: Callable[[Change], None], epoch: int
    ) -> None:
        self.database = database
        self.door = door
        self.clock = clock
        self.publish = publish
        self.epoch = epoch

    async def report(self, report: DeliveryReport) -> None:
        """A provider's word about a message: any order, any number of times, the same end."""
        if report.message_id.split(".", 1)[0] != str(self.epoch):
            return
        now = self.clock.now()

        def work(tx: Tx) -> list[Change]:
            row = outbox.get(tx, report.message_id)
            if row is None:
                return []
            members = outbox.bundled_in(tx, row.message_id) if row.kind == "bundle" else []
            return [change for each in (row, *members) for change in self._report_one(tx, each, report, now)]

        for change in await self.database.write(work):
            self.publish(change)

    def _report_one(self, tx: Tx, row: OutboxRow, report: DeliveryReport, now: datetime) -> list[Change]:
        state = _STATES.get(report.state, "failed")
        if outbox.goes_on(row.state, state):
            outbox.set_state(tx, row.message_id, state, report.provider_id or None, now.timestamp())
        if row.kind != "page":
            return []
        try:
            command = _report_command(replace(report, message_id=row.message_id), f"provider:{row.channel}")
            return [self.door.apply(tx, row.incident_id, command, now)]
        except UnknownIncident:
            return []


_STATES = {"accepted": "sent", "delivered": "delivered", "read": "read"}
_FAILURES = {
    "undelivered": e.PageFailure.UNDELIVERED,
    "failed": e.PageFailure.UNDELIVERED,
    "busy": e.PageFailure.BUSY,
    "no-answer": e.PageFailure.NO_ANSWER,
    "voicemail": e.PageFailure.VOICEMAIL,
    "hung-up": e.PageFailure.HUNG_UP,
}


def _report_command(report: DeliveryReport, by: str) -> c.Command:
    match report.state:
        case "accepted":
            return c.RecordSent(report.message_id, report.provider_id, by)
        case "delivered" | "read":
            return c.RecordDelivered(report.message_id, by)
        case _:
            return c.RecordFailed(report.message_id, _FAILURES[report.state], report.detail, by)
