"""What will happen when nobody acts: the moves to come, with their times. Pure; the same `next_moves`, in assumed time.

Every page is assumed to leave and to be delivered at once, and nobody to answer.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import assert_never

from contacts.directory import Directory
from incidents import events as e
from incidents.evolve import fold
from incidents.state import Incident
from runbooks.moves import (
    AskApproval,
    AskDecision,
    ExpireQuestion,
    GiveUpOnReceipt,
    IssueSummary,
    Move,
    OpenStep,
    PageContact,
    SkipRung,
    StartEscalation,
    StopEscalation,
    TellContacts,
    recorded,
    requested,
)
from runbooks.next_moves import next_moves
from runbooks.plan import Plan

HORIZON = timedelta(hours=1)
"""How far ahead people want to see on the worst day of their year."""
MOST = 30
_FORECAST = "forecast"


def forecast(incident: Incident, plan: Plan, directory: Directory, now: datetime) -> list[tuple[datetime, Move]]:
    """(when, move) in order, at most MOST of them and none later than HORIZON; empty when nothing is to come."""
    found: list[tuple[datetime, Move]] = []
    state, at = incident, now
    while len(found) < MOST:
        moves = next_moves(state, plan, directory, at)
        for move in moves.due:
            found.append((max(at, move.due_at), move))
            state = fold(_assumed(move, at), state) or state
        if moves.due:
            continue
        if moves.wake_at is None or moves.wake_at > now + HORIZON:
            break
        at = moves.wake_at
    return found[:MOST]


def _assumed(move: Move, at: datetime) -> Iterator[e.Event]:
    """The events that making this move would leave behind."""
    by = _FORECAST
    match move:
        case PageContact():
            message_id = f"{_FORECAST}.{move.key}"
            yield requested(move, message_id, at, by)
            yield e.PageSent(at=at, by=by, message_id=message_id)
            yield e.PageDelivered(at=at, by=by, message_id=message_id)
        case GiveUpOnReceipt():
            yield e.PageFailed(at=at, by=by, message_id=move.message_id, failure=e.PageFailure.NO_RECEIPT)
        case TellContacts():
            yield e.RungTold(at=at, by=by, escalation=move.escalation, rung=move.rung, contacts=move.contacts)
        case AskApproval():
            yield e.QuestionAsked(
                at=at,
                by=by,
                question=move.key,
                text=move.text,
                about="money",
                to=move.to,
                expires_at=move.expires_at,
                document=move.document,
            )
        case SkipRung() | StartEscalation() | StopEscalation() | OpenStep() | AskDecision() | ExpireQuestion():
            yield recorded(move, at, by)
        case IssueSummary():
            yield e.SummaryIssued(at=at, by=by, number=move.number, recipients=move.recipients, text_sha256="")
        case _:
            assert_never(move)
