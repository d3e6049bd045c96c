"""What people see of listening: mentions, what the rules found, customers who wait; and what a person reports by hand.

JSON values for the API, the command line and the pages. Spans are seconds, times RFC 3339 in UTC.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.clock import from_stamp, random_token
from engine.view import stamp
from incidents.errors import CommandRefused, UnknownIncident
from signals.conditions import Subject
from signals.detector import Detector, Picture
from signals.mention import Mention, Tagged
from storage import keys
from storage import mentions as store
from storage.database import Tx
from storage.mentions import AssessmentRow, Case, Stand

if TYPE_CHECKING:
    from engine.services import Engine

BY_HAND = "by-hand"
"""The source of what a person reports."""
LONGEST_SAID = 500
"""Characters of a customer's words that a case shows."""
_AHEAD = 120.0
"""Seconds by which a person's clock may be ahead of ours."""


# --- what was heard ---


async def mentions_of(engine: "Engine", brand: str | None, before: int | None, limit: int) -> dict[str, Any]:
    """A page of mentions, what was kept last first, and the `before` of the next page; None on the last one.

    Raises UnknownIncident for a brand that nobody has listened for.
    """

    def work(tx: Tx) -> list[tuple[int, Tagged]]:
        _known_brand(engine, tx, brand)
        return store.latest(tx, brand, before, limit)

    found = await engine.database.read(work)
    return {
        "mentions": [mention_view(seq, tagged) for seq, tagged in found],
        "before": found[-1][0] if len(found) == limit else None,
    }


def mention_view(seq: int, tagged: Tagged) -> dict[str, Any]:
    mention = tagged.mention
    return {
        "seq": seq,
        "brand": tagged.brand,
        "source": mention.source,
        "id": mention.id,
        "at": stamp(mention.at),
        "title": mention.title,
        "text": mention.text,
        "author_name": mention.author_name or mention.author,
        "reach": mention.reach,
        "link": mention.link,
        "thread": mention.thread or mention.id,
        "language": tagged.language,
        "tone": tagged.tone,
        "tone_score": round(tagged.tone_score, 3),
        "complaint": tagged.complaint,
        "topics": sorted(tagged.topics),
        "by_us": tagged.by_us,
    }


async def assessments_of(engine: "Engine", brand: str | None, incident_id: str | None, limit: int) -> dict[str, Any]:
    """What the rules found, the latest first."""

    def work(tx: Tx) -> list[AssessmentRow]:
        _known_brand(engine, tx, brand)
        return store.latest_assessments(tx, brand, limit, incident_id)

    return {"assessments": [assessment_view(each) for each in await engine.database.read(work)]}


def assessment_view(row: AssessmentRow) -> dict[str, Any]:
    """`kind`: raises, joins or calm. `pictures`: what each crossing looks like, for whoever draws it."""
    return {
        "id": row.id,
        "brand": row.brand,
        "at": stamp(from_stamp(row.at)),
        "at_seconds": row.at,
        "incident": row.incident_id,
        "severity": row.severity,
        **row.body,
    }


def _known_brand(engine: "Engine", tx: Tx, brand: str | None) -> None:
    plan = engine.listening.plan
    known = [] if plan is None else [each.id for each in plan.brands]
    if brand is not None and brand not in known and store.listened_since(tx, brand) is None:
        raise UnknownIncident(f"There is no brand {brand[:80]!r}; {_listed(known)}.")


def _listed(brands: list[str]) -> str:
    return f"listening.yaml has {', '.join(brands)}" if brands else "the plan has no listening.yaml"


# --- brands ---

STREAMS = {"mentions": Subject.MENTIONS, "negative": Subject.NEGATIVE, "complaints": Subject.COMPLAINTS}


async def brands_of(engine: "Engine") -> dict[str, Any]:
    """Each brand as the rules see it now: its three streams, the rules that hold, its latest episode.

    `streams` is empty and nothing holds while there are no thresholds, or while they are being made ready.
    """
    plan, detector = engine.listening.plan, engine.detection.detector
    if plan is None:
        return {"brands": [], "decides": False}
    episodes = {each.id: None if detector is None else detector.episode_of(each.id) for each in plan.brands}
    incidents = await engine.database.read(lambda tx: {each: _incident_of(tx, each) for each in episodes.values()})
    return {
        "brands": [
            {
                "id": each.id,
                "name": each.names[0],
                "streams": {} if detector is None else _streams(detector, each.id),
                "rules": [] if detector is None else list(detector.standing(each.id)),
                "episode": _episode(episodes[each.id], incidents),
            }
            for each in plan.brands
        ],
        "decides": detector is not None,
    }


def _streams(detector: Detector, brand: str) -> dict[str, Any]:
    found = {name: detector.picture_of(brand, subject) for name, subject in STREAMS.items()}
    return {name: _stream(each) for name, each in found.items() if each is not None}


def _stream(picture: Picture) -> dict[str, Any]:
    """The number of the last hour, and what is usual (mean and spread); None before 42 hours are known."""
    mean, spread = picture.mean, picture.spread
    return {
        "hour": picture.value,
        "usual": None if mean is None else round(mean, 2),
        "spread": None if spread is None else round(spread, 2),
        "hours": list(picture.hours),
        "until": stamp(from_stamp(picture.until * 60.0)),
    }


def _incident_of(tx: Tx, episode: str | None) -> str | None:
    known = None if episode is None else keys.lookup(tx, f"rules:{episode}")
    return None if known is None else known.incident_id


def _episode(episode: str | None, incidents: dict[str | None, str | None]) -> dict[str, Any] | None:
    if episode is None:
        return None
    began = float(episode.rpartition("@")[2]) * 60
    return {"id": episode, "began": stamp(from_stamp(began)), "incident": incidents[episode]}


# --- cases ---


async def cases_of(
    engine: "Engine", *, waiting: bool, limit: int, brand: str | None = None, incident_id: str | None = None
) -> dict[str, Any]:
    """Customers' cases. `waiting`: those without an answer, who have waited longest first; else the newest first."""
    now = engine.clock.now().timestamp()

    def work(tx: Tx) -> dict[str, Any]:
        _known_brand(engine, tx, brand)
        found = store.cases(tx, waiting=waiting, limit=limit, brand=brand, incident_id=incident_id)
        number, since = store.waiting(tx)
        return {
            "cases": [case_view(each, store.said(tx, each), now) for each in found],
            "waiting": number,
            "waiting_since": None if since is None else stamp(from_stamp(since)),
        }

    return await engine.database.read(work)


def case_view(case: Case, said: Mention | None, now: float) -> dict[str, Any]:
    """`waited`: seconds from when the customer wrote until we answered, or until now."""
    until = now if case.answered_at is None else case.answered_at
    return {
        "id": case.id,
        "brand": case.brand,
        "source": case.source,
        "mention": case.mention,
        "author": case.author,
        "text": "" if said is None else said.text[:LONGEST_SAID],
        "link": "" if said is None else said.link,
        "opened_at": stamp(from_stamp(case.opened_at)),
        "answered_at": None if case.answered_at is None else stamp(from_stamp(case.answered_at)),
        "waited": round(max(until - case.opened_at, 0.0)),
        "incident": case.incident_id,
    }


async def answer(engine: "Engine", case_id: str, by: str, at: datetime | None) -> str:
    """Somebody answered a customer where nothing of ours hears it. Gives a sentence; a second call changes nothing.

    The detector hears of it as of an answer in the conversation. Raises UnknownIncident for a case that is not there,
    CommandRefused for a time that lies ahead or before the customer wrote.
    """
    number = _number(case_id)
    contact = engine.known_contact(by)
    clock_now = engine.clock.now()
    now = clock_now.timestamp()
    answered = clock_now if at is None else at
    if answered.timestamp() > now + _AHEAD:
        raise CommandRefused(f"at: {stamp(answered)} lies ahead; say when it was answered.")

    def work(tx: Tx) -> str:
        case = store.case(tx, number)
        if case is None:
            raise UnknownIncident(f"There is no case CASE-{number}.")
        if case.answered_at is not None:
            return f"{case.id} was answered already, at {from_stamp(case.answered_at):%a %d %b %H:%M} UTC."
        if answered.timestamp() < case.opened_at:
            raise CommandRefused(
                f"at: {case.author or 'The customer'} wrote only at {stamp(from_stamp(case.opened_at))}; "
                "say when they were answered."
            )
        counted_at = engine.listening.counts_at(answered, now)
        store.answer_elsewhere(tx, case, contact.id, answered, now, counted_at)
        return f"{case.id} is answered. {case.author or 'The customer'} waits no longer."

    sentence = await engine.database.write(work)
    engine.detection.nudge()
    return sentence


def _number(case_id: str) -> int:
    """`7`, `case-7` and `CASE-7` are the same case."""
    written = case_id.upper().removeprefix("CASE-")
    if not (written.isascii() and written.isdigit() and 0 < len(written) <= 15):
        raise UnknownIncident(f"{case_id[:40]!r} is not a case such as CASE-7.")
    return int(written)


# --- by hand ---


async def report(
    engine: "Engine",
    *,
    text: str,
    by: str,
    brand: str | None = None,
    author: str = "",
    link: str = "",
    reach: int | None = None,
    at: datetime | None = None,
    command_id: str | None = None,
) -> dict[str, Any]:
    """Hear what a person saw: it is read, counted and decided about as if a source had brought it.

    The same link, or the same command id, a second time is the same mention. Raises CommandRefused where no brand is
    named and the words name none, and for a time that lies ahead.
    """
    contact, now = engine.known_contact(by), engine.clock.now()
    plan = engine.listening.plan
    known = [] if plan is None else [each.id for each in plan.brands]
    if not known:
        raise CommandRefused("Nobody is listened for: the plan has no listening.yaml.")
    if brand is not None and brand not in known:
        raise CommandRefused(f"brand: there is no {brand!r}; {_listed(known)}.")
    if at is not None and at.timestamp() > now.timestamp() + _AHEAD:
        raise CommandRefused(f"at: {stamp(at)} lies ahead; say when it was written.")
    mention = Mention(
        source=BY_HAND,
        id=command_id or link or f"{contact.id}-{random_token(8)}",
        at=at or now,
        text=text,
        author=author.casefold(),
        author_name=author,
        link=link,
        reach=reach,
        to_us=brand is not None,
    )
    tagged, kept = await engine.listening.report(mention, brand, by=f"person:{contact.id}")
    if not tagged:
        raise CommandRefused(f"These words name no brand of ours: say which one. {_listed(known).capitalize()}.")
    seqs = await engine.database.read(lambda tx: store.seqs_of(tx, mention.source, mention.id))
    names = ", ".join(each.brand for each in tagged)
    return {
        "sentence": _heard_as(tagged[0], names) if kept else f"This was heard before, of {names}.",
        "new": kept > 0,
        "mentions": [mention_view(seqs.get(each.brand, 0), each) for each in tagged],
    }


def _heard_as(tagged: Tagged, brands: str) -> str:
    what = "a complaint" if tagged.complaint else "no complaint"
    topics = f", about {', '.join(sorted(tagged.topics))}" if tagged.topics else ""
    return f"Heard of {brands}: {tagged.tone}, {what}{topics}."


# --- trouble ---


def in_trouble(engine: "Engine", stands: dict[str, Stand]) -> list[dict[str, Any]]:
    """Sources of the plan in force that could not be read lately."""
    plan = engine.listening.plan
    found = [] if plan is None else [(each, stands.get(each.name)) for each in plan.sources]
    return [
        {
            "name": source.name,
            "kind": source.kind,
            "trouble": each.trouble,
            "since": None if each.trouble_since is None else stamp(from_stamp(each.trouble_since)),
        }
        for source, each in found
        if each is not None and each.trouble is not None
    ]


def heard_status(engine: "Engine", tx: Tx) -> dict[str, Any]:
    """For `GET /api/v1/status`: sources in trouble, customers who wait."""
    number, since = store.waiting(tx)
    return {
        "trouble": in_trouble(engine, store.stands(tx)),
        "waiting": number,
        "waiting_since": None if since is None else stamp(from_stamp(since)),
    }
