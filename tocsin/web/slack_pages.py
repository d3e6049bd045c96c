"""Pages in Slack that tell the truth: once a page asks nothing any more, its buttons give way to what became of it.

Whoever answered, and by whatever channel: the log says it, and the message is edited to what the log says. An edit that
is lost with the process is made again at the next change of its incident, or at the next start.
"""

import asyncio
import logging
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from contacts.addresses import ChannelKind
from contacts.directory import Directory
from engine.briefing import name_of
from engine.compose import reader_of
from engine.services import Engine
from incidents.errors import NotificationError, ProviderUnavailable, TocsinError
from incidents.evolve import fold
from incidents.state import Incident
from notifications.channel import Message
from notifications.slack_words import Outcome, outcome_line
from storage import log as incident_log
from storage import outbox
from storage.database import Tx
from storage.outbox import OutboxRow
from tocsin.web.slack_trouble import SlackTrouble

if TYPE_CHECKING:
    from notifications.slack import SlackWeb

log = logging.getLogger("tocsin.slack")

_REMEMBERED = 10_000
_TRIES = 3
_PAUSE = 2.0
_LONGEST_PAUSE = 60.0
_WAIT = 30.0
AT_START = timedelta(days=1)
"""Pages older than this are left as they are when the engine starts."""


class SlackPages:
    """`run` works until cancelled. Trouble with Slack is logged and leaves the buttons: they still answer."""

    def __init__(self, engine: Engine, web: "SlackWeb") -> None:
        self._engine = engine
        self._web = web
        self._trouble = SlackTrouble(engine, "slack-pages")
        self._lines: OrderedDict[str, str] = OrderedDict()
        """message id -> the line that stands under it."""

    async def run(self) -> None:
        seen, caught_up = self._engine.feed.sequence, False
        since = (self._engine.clock.now() - AT_START).timestamp()
        while True:
            try:
                if not caught_up:
                    for incident_id in await self._engine.database.read(lambda tx: incident_log.open_ids(tx)):
                        await self.settle(incident_id, since)
                    caught_up = True
                seen, changed = await self._engine.feed.wait(seen, _WAIT)
                for incident_id in changed:
                    await self.settle(incident_id)
                if not changed:
                    await asyncio.sleep(1)  # a feed that is closed answers at once
            except Exception as error:
                log.exception("slack pages not settled")
                await self._trouble.tell(f"pages in Slack do not follow their incidents: {type(error).__name__}.")
                await asyncio.sleep(_LONGEST_PAUSE)

    async def settle(self, incident_id: str, since: float = 0.0) -> None:
        """Edit those pages of an incident that say something else than the log. Never raises: one log that
        cannot be read keeps no other incident's pages back.
        """
        try:
            found = await self._engine.database.read(lambda tx: _posted(tx, incident_id, since))
            if found is None:
                return
            incident, rows = found
            for row in rows:
                line = outcome_line(
                    outcome(incident, row, self._engine.directory),
                    reader_of(self._engine.directory.contact(row.contact)),
                )
                if line is not None and self._lines.get(row.message_id) != line:
                    await self._edit(row, line)
        except TocsinError as error:
            log.warning("slack pages not settled incident=%s error=%s", incident_id, error)
        except Exception as error:
            log.exception("slack pages not settled incident=%s", incident_id)
            await self._trouble.tell(f"the pages of {incident_id} in Slack do not follow it: {type(error).__name__}.")

    async def _edit(self, row: OutboxRow, line: str) -> None:
        self._lines[row.message_id] = line
        if len(self._lines) > _REMEMBERED:
            self._lines.popitem(last=False)
        link = self._engine.links.url(row.incident_id, row.contact)
        for attempt in range(1, _TRIES + 1):
            try:
                await self._web.settle(row.provider_id or "", _message(row, link), line)
                return
            except ProviderUnavailable as error:
                log.warning("slack page not edited message=%s try=%d error=%s", row.message_id, attempt, error)
                await asyncio.sleep(min(error.retry_after or _PAUSE, _LONGEST_PAUSE))
            except NotificationError as error:
                log.warning("slack page cannot be edited message=%s error=%s", row.message_id, error)
                return
        del self._lines[row.message_id]


def outcome(incident: Incident, row: OutboxRow, directory: Directory) -> Outcome:
    """What became of one page, as far as the log knows. Pure."""
    calling = incident.escalations.get(row.escalation or "")
    taken = calling.answered_by if calling is not None else None
    passed_at = calling.passed.get(row.contact) if calling is not None else None
    asked = incident.questions.get(row.escalation or "")
    over = not incident.status.is_open
    return Outcome(
        said=asked.answer if asked is not None else None,
        said_by=None if asked is None or asked.answered_by is None else name_of(asked.answered_by, directory),
        said_at=asked.answered_at if asked is not None else None,
        expired_at=asked.expired_at if asked is not None else None,
        taken_by=None if taken is None else name_of(taken, directory),
        taken_at=calling.answered_at if calling is not None else None,
        passed_by=None if passed_at is None else name_of(row.contact, directory),
        passed_at=passed_at,
        escalated=calling is not None and row.contact in calling.escalated,
        stopped_at=calling.stopped_at if calling is not None else None,
        resolved_at=incident.resolved_at,
        ended=incident.status.value if over else None,
        ended_at=incident.ended_at,
    )


def _posted(tx: Tx, incident_id: str, since: float) -> tuple[Incident, list[OutboxRow]] | None:
    rows = [
        row
        for row in outbox.of_incident(tx, incident_id)
        if row.channel == ChannelKind.SLACK.value
        and row.kind == "page"
        and row.provider_id is not None
        and row.created_at >= since
    ]
    incident = fold(incident_log.load_events(tx, incident_id)) if rows else None
    return None if incident is None else (incident, rows)


def _message(row: OutboxRow, link: str | None) -> Message:
    return Message(
        message_id=row.message_id,
        incident=row.incident_id,
        kind="page",
        to=row.address,
        text=row.text,
        language="es" if row.language == "es" else "en",
        code=row.code,
        link=link,
        drill=row.drill,
        contact=row.contact,
        question=(row.escalation or "").startswith("question-"),
    )
