"""From a move to an outbox row: whom it goes to, in which words, how pressing it is. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from contacts.addresses import ChannelKind
from contacts.directory import Contact, Directory
from engine.links import Links
from incidents.events import EscalationKind
from incidents.ids import PageId
from incidents.state import Incident
from notifications.countries import takes_links, takes_replies
from notifications.wording import PageFacts, Reader, message_code, notice_text, page_text
from runbooks.moves import PageContact
from runbooks.plan import Plan
from storage.outbox import OutboxRow

NOTICE_PRIORITY = 90
FOLLOW_UP = 10
"""From this priority on a page goes to somebody who has been reached in its incident before."""
REPEAT = 20
"""From this priority on it goes to somebody whom this very calling has reached before: it can wait."""


@dataclass(frozen=True, slots=True)
class Composer:
    """What composing needs beyond the incident: the installation's epoch, its links, which channels are two-way."""

    epoch: int
    links: Links
    two_way: frozenset[str]
    receipts: frozenset[str]

    def page(
        self,
        incident: Incident,
        move: PageContact,
        plan: Plan,
        directory: Directory,
        now: datetime,
        code: int | None = None,
    ) -> OutboxRow:
        """The row of one page. The same move always gives the same message id, so asking twice is harmless.

        `code` is the incident's reply code on this phone.
        """
        message_id = str(PageId(self.epoch, incident.id, move.escalation, move.rung, move.contact_index, move.attempt))
        contact = directory.contact(move.contact)
        channel = ChannelKind(move.channel)
        text = page_text(channel, self._facts(incident, move, plan, directory, message_id, code))
        return self._row(
            incident,
            message_id,
            move.escalation,
            "page",
            move.channel,
            move.contact,
            move.to,
            contact,
            text,
            priority=_again(incident, move) + incident.severity.rank,
            now=now,
            provider=move.provider or None,
        )

    def notice(
        self,
        incident: Incident,
        contact: Contact,
        message_id: str,
        sentence: str,
        kind: str,
        now: datetime,
        out: frozenset[str] = frozenset(),
    ) -> OutboxRow | None:
        """A message that asks for no answer, on the first of their channels that can be read; None without one.

        Nothing goes to addresses that are `out`.
        """
        channels = [each for each in contact.channels_for(drill=incident.drill) if each.to not in out]
        readable = next((each for each in channels if ChannelKind(each.kind) is not ChannelKind.VOICE), None)
        if readable is None:
            return None
        text = notice_text(
            ChannelKind(readable.kind), sentence, message_id=message_id, language=contact.speaks, drill=incident.drill
        )
        return self._row(
            incident,
            message_id,
            None,
            kind,
            readable.kind,
            contact.id,
            readable.to,
            contact,
            text,
            priority=NOTICE_PRIORITY,
            now=now,
        )

    def publication(
        self, incident: Incident, channel: str, to: str, message_id: str, text: str, now: datetime
    ) -> OutboxRow:
        """A published update, on a channel that the plan names; a drill's is marked and goes to the console only."""
        place = "console" if incident.drill else channel
        words = notice_text(ChannelKind(place), text, message_id=message_id, drill=incident.drill)
        return self._row(
            incident, message_id, None, "update", place, to, to, None, words, priority=NOTICE_PRIORITY, now=now
        )

    def _facts(
        self,
        incident: Incident,
        move: PageContact,
        plan: Plan,
        directory: Directory,
        message_id: str,
        code: int | None,
    ) -> PageFacts:
        channel = ChannelKind(move.channel)
        contact = directory.contact(move.contact)
        situation = plan.situations.get(incident.situation)
        escalation = incident.escalations[move.escalation]
        is_round = escalation.kind is EscalationKind.ROUND
        recovered = bool(incident.signals) and not any(incident.signals.values())
        reason = "recovered by itself, needs an owner" if is_round and recovered else None
        asked = incident.questions.get(move.escalation)
        return PageFacts(
            message_id=message_id,
            incident=incident.id,
            severity=incident.severity,
            situation=situation.title if situation is not None else incident.situation,
            title=incident.title,
            declared_at=incident.declared_at,
            contact=move.contact,
            name=contact.name if contact is not None else move.contact,
            rung=move.rung,
            attempt=move.attempt,
            area=incident.area,
            reason=reason if is_round else escalation.because,
            reader=reader_of(contact),
            drill=incident.drill,
            possible_duplicate=move.possible_duplicate,
            two_way=move.channel in self.two_way and (channel is not ChannelKind.SMS or takes_replies(move.to)),
            link=self._link(incident, move, channel),
            role=directory.title_of(move.reference),
            code=code,
            question=None if asked is None else asked.text,
            expires_at=None if asked is None else asked.expires_at,
        )

    def _link(self, incident: Incident, move: PageContact, channel: ChannelKind) -> str | None:
        if channel is ChannelKind.SMS and not takes_links(move.to):
            return None
        return self.links.url(incident.id, move.contact)

    def _row(
        self,
        incident: Incident,
        message_id: str,
        escalation: str | None,
        kind: str,
        channel: str,
        contact_id: str,
        address: str,
        contact: Contact | None,
        text: str,
        *,
        priority: int,
        now: datetime,
        provider: str | None = None,
    ) -> OutboxRow:
        stamp = now.timestamp()
        return OutboxRow(
            message_id=message_id,
            incident_id=incident.id,
            escalation=escalation,
            kind=kind,
            channel=channel,
            contact=contact_id,
            address=address,
            language=contact.speaks if contact is not None else "en",
            text=text,
            code=message_code(message_id),
            drill=incident.drill,
            priority=priority,
            due_at=stamp,
            created_at=stamp,
            updated_at=stamp,
            provider=provider,
        )


def _again(incident: Incident, move: PageContact) -> int:
    """Whoever has not been reached in this incident comes before everybody's second page."""
    before = [page for page in incident.pages.values() if page.contact == move.contact and not page.failed]
    if any(page.escalation == move.escalation for page in before):
        return REPEAT
    return FOLLOW_UP if before else 0


def reader_of(contact: Contact | None) -> Reader:
    return Reader() if contact is None else Reader(contact.speaks, contact.time_zone)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
