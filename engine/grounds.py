"""Commands with what stands behind them looked up: whose authority covers it, who reports to whom, whom to ask.

The core decides without a directory; what it needs from one is filled in here, at the moment of the command.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from contacts.authority import covering_authority, describe, who_can_compensate
from contacts.directory import Contact, Directory
from engine.book import PlanBook
from engine.clock import Clock
from engine.compose import digest
from incidents import commands as c
from incidents.errors import CommandRefused
from incidents.impact import read_answers
from incidents.money import Money, NoCompensationReason
from incidents.state import Incident
from runbooks.ladder import occasion_of

FOUR_EYES_ABOVE = Decimal(150)
"""Per customer; above it somebody else must approve (domain.md 4.3)."""


class Grounds:
    def __init__(self, book: PlanBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    @property
    def directory(self) -> Directory:
        return self._book.directory

    def known_contact(self, reference: str) -> Contact:
        """The contact behind an id or a role. Raises CommandRefused with the ids that exist."""
        contact = self.directory.contact(reference) or self.directory.first(reference, self._clock.now())
        if contact is None:
            known = ", ".join(each.id for each in self.directory.contacts)
            is_role = reference in {each.id for each in self.directory.roles}
            hint = f" The role is written role:{reference}." if is_role else ""
            raise CommandRefused(f"contacts.yaml has nobody called {reference!r}; it has {known}.{hint}")
        return contact

    def compensate(
        self,
        contact_id: str,
        per_customer: Money | None,
        population: str,
        count: int,
        reason: NoCompensationReason | None,
        rationale: str,
    ) -> Callable[[Incident, datetime], c.Compensate]:
        """A compensation decision with the authority behind it looked up."""

        def make(incident: Incident, now: datetime) -> c.Compensate:
            contact = self.known_contact(contact_id)
            grant = covering_authority(contact, per_customer, count, now, incident.area)
            amount = Decimal(0) if per_customer is None else per_customer.amount
            document = digest(f"{incident.id}|{contact.id}|{per_customer}|{population}|{count}|{reason}|{rationale}")[
                :12
            ]
            able = self._who_can(incident, per_customer, count, now)
            return c.Compensate(
                contact=contact.id,
                per_customer=per_customer,
                population=population,
                population_count=count,
                reason=reason,
                rationale=rationale,
                document=document,
                grant=None if grant is None else describe(grant),
                needs_four_eyes=amount > FOUR_EYES_ABOVE,
                who_can=tuple(each.id for each in able),
            )

        return make

    def impact(self, given: Mapping[str, str], by: str) -> Callable[[Incident, datetime], c.AnswerImpact]:
        """Answers about the impact, with what the incident's own plan makes of them. Raises CommandRefused, naming what
        there is, for a question or an answer that it does not have."""

        def make(incident: Incident, _now: datetime) -> c.AnswerImpact:
            return c.AnswerImpact(read_answers(given, self._book.known(incident.plan_version).matrix), by)

        return make

    def approve(self, contact_id: str, document: str) -> Callable[[Incident, datetime], c.ApproveCompensation]:
        def make(incident: Incident, now: datetime) -> c.ApproveCompensation:
            contact = self.known_contact(contact_id)
            grant, able = self._authority_for_proposal(incident, contact, now)
            return c.ApproveCompensation(contact.id, document, grant, able)

        return make

    def _authority_for_proposal(
        self, incident: Incident, contact: Contact, now: datetime
    ) -> tuple[str | None, tuple[str, ...]]:
        """(the grant of this contact that covers the open proposal, in words; everybody whose grant covers it)."""
        proposal = incident.proposal
        per_customer = None if proposal is None else proposal.per_customer
        count = 0 if proposal is None else proposal.population_count
        grant = covering_authority(contact, per_customer, count, now, incident.area)
        able = self._who_can(incident, per_customer, count, now)
        return None if grant is None else describe(grant), tuple(each.id for each in able)

    def _who_can(
        self, incident: Incident, per_customer: Money | None, count: int, now: datetime
    ) -> tuple[Contact, ...]:
        occasion = occasion_of(incident, self.directory, now)
        return who_can_compensate(self.directory, per_customer, count, now, occasion)

    def implicate(
        self, references: Sequence[str], because: str, by: str
    ) -> Callable[[Incident, datetime], c.Implicate]:
        """These people, and everybody who reports to them, leave every ladder of the incident."""
        named = [self.known_contact(each).id for each in references]
        everybody = tuple(sorted(self.directory.implicated_in(named)))
        return lambda _incident, _now: c.Implicate(everybody, because, by)

    def ask(
        self,
        to: Sequence[str],
        text: str,
        *,
        about: Literal["money", "text", "other"],
        expires_in: timedelta,
        if_silent: Literal["no", "yes"],
        by: str,
    ) -> Callable[[Incident, datetime], c.AskQuestion]:
        """An executive decision page: one question to these people, in this order."""
        people = tuple(dict.fromkeys(self.known_contact(each).id for each in to))
        return lambda _incident, now: c.AskQuestion(text, about, people, now + expires_in, if_silent, by)

    def say(
        self,
        contact_id: str,
        answer: Literal["yes", "no", "call"],
        channel: str,
        *,
        question: str | None = None,
        message_id: str | None = None,
    ) -> Callable[[Incident, datetime], c.AnswerQuestion]:
        """Yes, no or call, with the authority behind a yes looked up."""

        def make(incident: Incident, now: datetime) -> c.AnswerQuestion:
            grant, able = self._authority_for_proposal(incident, self.known_contact(contact_id), now)
            return c.AnswerQuestion(contact_id, answer, channel, question, message_id, grant, able)

        return make
