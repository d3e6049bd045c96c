"""Executive decision pages: a question to those with authority, and what silence means. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from contacts.authority import compensators_from, who_can_compensate
from contacts.directory import Directory
from incidents.money import Money
from incidents.state import Incident, Proposal, Question
from runbooks.callings import Timed
from runbooks.ladder import occasion_of
from runbooks.moves import AskApproval, ExpireQuestion

APPROVE_WITHIN = timedelta(hours=4)
"""How long a question about a compensation proposal stands. After it the overdue decision is chased."""


def questions(incident: Incident, directory: Directory, now: datetime) -> Iterator[Timed]:
    """What is due about questions: those that expire, and a compensation proposal that somebody must be asked about."""
    for asked in incident.questions.values():
        if asked.open:
            outcome = _outcome_of_silence(asked)
            yield ExpireQuestion(asked.id, outcome, asked.expires_at), asked.expires_at
    proposal = incident.proposal
    if proposal is None or any(_asks_about(each, proposal, incident) for each in incident.questions.values()):
        return
    occasion = occasion_of(incident, directory, now)
    able = who_can_compensate(directory, *_size_of(proposal), now, occasion)
    others = tuple(contact.id for contact in able if contact.id != proposal.requester)
    # With nobody to ask it is looked at again when somebody comes back; who that is, is decided then.
    since = proposal.at if others else compensators_from(directory, *_size_of(proposal), occasion)
    if since is not None:
        requester = directory.contact(proposal.requester)
        text = _proposal_in_words(proposal, proposal.requester if requester is None else requester.name)
        yield AskApproval(proposal.document, text, others, max(since, now) + APPROVE_WITHIN, since), since


def _size_of(proposal: Proposal) -> tuple[Money | None, int]:
    return proposal.per_customer, proposal.population_count


def _asks_about(asked: Question, proposal: Proposal, incident: Incident) -> bool:
    return asked.document == proposal.document and asked.asked_at >= incident.began_at


def _outcome_of_silence(asked: Question) -> Literal["no", "yes"]:
    """Silence never approves money or text (invariant 10)."""
    return "yes" if asked.if_silent == "yes" and asked.about == "other" else "no"


def _proposal_in_words(proposal: Proposal, requester: str) -> str:
    if proposal.per_customer is None:
        return f"Pay {proposal.population} nothing ({proposal.reason})? {requester} proposes it."
    each = f"{proposal.per_customer} to each of {proposal.population_count} customers ({proposal.population})"
    return f"Pay {each}? {requester} proposes it."
