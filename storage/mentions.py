"""What people wrote, where each source stands, what the rules found, and customers' cases.

`mentions` holds in one order everything that the detector is told: mentions, alerts that begin and end, hours in which
nobody could listen. `counted_at` is the moment at which a row counts, `seq` the order in which rows were committed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import orjson

from signals.mention import Mention, Tagged
from signals.observation import AlertHeard, Heard, NotHeard, Observation, observation
from storage.database import Tx

KEPT_FOR = 90 * 86400.0
"""Seconds for which mentions are kept: as long as `tocsin backtest --since 90d` looks back."""
LATER_THAN_ALL = 2**63 - 1
"""No row has this `seq`."""
_ANSWERS_LOOKED_AT = 50
"""Mentions of a conversation among which an answer that came before its complaint is looked for."""


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    counted_at: float
    heard: Heard


# --- mentions ---


def keep(tx: Tx, tagged: Tagged, heard_at: float, counted_at: float) -> bool:
    """Keep a mention of a brand once. False when it is there already; it stays as it was then."""
    mention = tagged.mention
    thread = mention.thread or mention.id
    body = orjson.dumps({"kind": "mention", **_mention_body(tagged)})
    return _insert(
        tx, tagged.brand, mention.source, mention.id, mention.at.timestamp(), heard_at, counted_at, thread, body
    )


def keep_alert(tx: Tx, key: str, names: Iterable[str], now: float, *, firing: bool) -> None:
    """An alert began to fire or recovered, or a source fell silent or spoke again (`source:<name>`)."""
    body = orjson.dumps({"kind": "alert", "key": key, "names": sorted(names), "firing": firing})
    _insert(tx, "", "alerts", f"{key}@{now:.3f}@{int(firing)}", now, now, now, "", body)


def keep_gap(tx: Tx, brand: str, source: str, since: float, until: float) -> None:
    """A brand could not be listened to on a source; with one of its sources away its hours are not known whole."""
    body = orjson.dumps({"kind": "gap", "since": since})
    _insert(tx, brand, f"gap:{source}", f"{since:.0f}", until, until, until, "", body)


def _insert(
    tx: Tx, brand: str, source: str, id_: str, at: float, heard_at: float, counted_at: float, thread: str, body: bytes
) -> bool:
    done = tx.execute(
        "INSERT INTO mentions (brand, source, id, at, heard_at, counted_at, thread, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id, brand) DO NOTHING",
        (brand, source, id_, at, heard_at, counted_at, thread, body),
    )
    return done > 0


def after(tx: Tx, seq: int, limit: int) -> list[Row]:
    """Rows in the order in which they were committed."""
    rows = tx.all("SELECT seq, brand, counted_at, body FROM mentions WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
    return [_row(*row) for row in rows]


def counted_after(tx: Tx, counted_at: float, seq: int, until: float, limit: int) -> list[Row]:
    """Rows in the order in which they count, after that of (`counted_at`, `seq`), up to `until` seconds."""
    rows = tx.all(
        "SELECT seq, brand, counted_at, body FROM mentions WHERE (counted_at, seq) > (?, ?) AND counted_at <= ? "
        "ORDER BY counted_at, seq LIMIT ?",
        (counted_at, seq, until, limit),
    )
    return [_row(*row) for row in rows]


def latest(tx: Tx, brand: str | None, before: int | None, limit: int) -> list[tuple[int, Tagged]]:
    """What was kept last comes first, of one brand or all; `before` is the `seq` of the last one of the page before."""
    only, values = ("brand <> ''", ()) if brand is None else ("brand = ?", (brand,))
    rows = tx.all(
        f"SELECT seq, brand, body FROM mentions WHERE {only} AND seq < ? AND source NOT LIKE 'gap:%' "
        "ORDER BY seq DESC LIMIT ?",
        (*values, LATER_THAN_ALL if before is None else before, limit),
    )
    return [(row[0], tagged_of(row[1], orjson.loads(row[2]))) for row in rows]


def counted_of(
    tx: Tx, brand: str, place: tuple[float, int], until: float, limit: int
) -> list[tuple[float, int, bytes]]:
    """(counted_at, seq, body) of a brand's mentions in the order in which they count, after `place`, before `until`.

    Bodies as they are kept: `observed` reads them, where it holds nobody up.
    """
    rows = tx.all(
        "SELECT counted_at, seq, body FROM mentions WHERE (counted_at, seq) > (?, ?) AND counted_at < ? AND brand = ? "
        "AND source NOT LIKE 'gap:%' ORDER BY counted_at, seq LIMIT ?",
        (*place, until, brand, limit),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def observed(brand: str, counted_at: float, body: bytes) -> Observation:
    """What rules see of a mention that was kept."""
    return observation(tagged_of(brand, orjson.loads(body)), counted_at)


def listened_since(tx: Tx, brand: str) -> float | None:
    """When the first mention of a brand that is still kept counted; None when there is none."""
    row = tx.one("SELECT counted_at FROM mentions WHERE brand = ? ORDER BY seq LIMIT 1", (brand,))
    return None if row is None else float(row[0])


def seqs_of(tx: Tx, source: str, id_: str) -> dict[str, int]:
    """Brand to `seq` of one mention."""
    return {
        row[0]: row[1] for row in tx.all("SELECT brand, seq FROM mentions WHERE source = ? AND id = ?", (source, id_))
    }


def last_seq(tx: Tx) -> int:
    row = tx.one("SELECT MAX(seq) FROM mentions")
    return 0 if row is None or row[0] is None else int(row[0])


def forget(tx: Tx, before: float, limit: int) -> int:
    """Delete up to `limit` rows that counted before. Returns how many went."""
    return tx.execute(
        "DELETE FROM mentions WHERE seq IN (SELECT seq FROM mentions WHERE counted_at < ? ORDER BY counted_at LIMIT ?)",
        (before, limit),
    )


def _row(seq: int, brand: str, counted_at: float, body: bytes) -> Row:
    return Row(seq, counted_at, heard_of(brand, counted_at, orjson.loads(body)))


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it is kept, for whoever replays it elsewhere: `heard_of` makes of it what the detector was told."""

    seq: int
    counted_at: float
    brand: str
    body: dict[str, Any]
    size: int = 0
    """Bytes of the body."""


def stored_after(tx: Tx, counted_at: float, seq: int, until: float, limit: int) -> Iterator[Stored]:
    """As `counted_after`, as it is kept."""
    rows = tx.all(
        "SELECT seq, counted_at, brand, body FROM mentions WHERE (counted_at, seq) > (?, ?) AND counted_at <= ? "
        "ORDER BY counted_at, seq LIMIT ?",
        (counted_at, seq, until, limit),
    )
    for row_seq, at, brand, body in rows:
        yield Stored(row_seq, at, brand, orjson.loads(body), len(body))


def heard_of(brand: str, counted_at: float, body: dict[str, Any]) -> Heard:
    """What the detector was told of a row."""
    match body["kind"]:
        case "alert":
            return AlertHeard(counted_at, body["key"], frozenset(body["names"]), body["firing"])
        case "gap":
            return NotHeard(brand, body["since"], counted_at)
        case _:
            return observation(tagged_of(brand, body), counted_at)


_PLAIN = tuple(field.name for field in fields(Mention) if field.name != "at")
_TAGS = ("tone", "tone_score", "complaint")


def _mention_body(tagged: Tagged) -> dict[str, Any]:
    mention = tagged.mention
    said = {name: getattr(mention, name) for name in _PLAIN}
    return {
        "mention": {name: value for name, value in said.items() if value not in (None, "", False)}
        | {"at": mention.at.timestamp()},
        "language": tagged.language,
        "topics": sorted(tagged.topics),
        "by_us": tagged.by_us,
        **{name: getattr(tagged, name) for name in _TAGS},
    }


def tagged_of(brand: str, body: dict[str, Any]) -> Tagged:
    """A mention of a brand, of the body that it is kept in."""
    said: dict[str, Any] = {"text": "", **body["mention"]}
    at = datetime.fromtimestamp(said.pop("at"), UTC)
    mention = Mention(at=at, **said)
    return Tagged(
        mention,
        brand,
        body["language"],
        body["tone"],
        body["tone_score"],
        body["complaint"],
        frozenset(body["topics"]),
        body["by_us"],
    )


# --- sources ---


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a source stands. Times are seconds since the epoch; None for never."""

    source: str
    cursor: str | None = None
    moved_at: float | None = None
    polled_at: float | None = None
    """When somebody last read it without trouble, whether it brought anything or not."""
    polled_by: str | None = None
    trouble: str | None = None
    trouble_since: float | None = None


_STAND = "source, cursor, moved_at, polled_at, polled_by, trouble, trouble_since"


def stand(tx: Tx, source: str) -> Stand:
    row = tx.one(f"SELECT {_STAND} FROM cursors WHERE source = ?", (source,))
    return Stand(source) if row is None else Stand(*row)


def stands(tx: Tx) -> dict[str, Stand]:
    return {row[0]: Stand(*row) for row in tx.all(f"SELECT {_STAND} FROM cursors")}


def move(tx: Tx, source: str, cursor: str | None, by: str, now: float) -> None:
    """A poll ended well: the cursor is where it says, and trouble is over."""
    tx.execute(
        "INSERT INTO cursors (source, cursor, moved_at, polled_at, polled_by) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (source) DO UPDATE SET moved_at = CASE WHEN cursors.cursor IS excluded.cursor THEN moved_at "
        "ELSE excluded.moved_at END, cursor = excluded.cursor, polled_at = excluded.polled_at, "
        "polled_by = excluded.polled_by, trouble = NULL, trouble_since = NULL",
        (source, cursor, now, now, by),
    )


def fail(tx: Tx, source: str, because: str, now: float) -> None:
    """A poll failed: the cursor stays."""
    tx.execute(
        "INSERT INTO cursors (source, trouble, trouble_since) VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE SET "
        "trouble = excluded.trouble, trouble_since = COALESCE(cursors.trouble_since, excluded.trouble_since)",
        (source, because, now),
    )


# --- the detector's memory ---


@dataclass(frozen=True, slots=True)
class Memory:
    counted_at: float
    seq: int
    rules: str
    """Whose memory it is: the digest of rules and brands, and the memory's format."""
    body: bytes


def memory(tx: Tx) -> Memory | None:
    row = tx.one("SELECT counted_at, seq, rules, body FROM detectors WHERE name = 'detector'")
    return None if row is None else Memory(*row)


def remember(tx: Tx, memory: Memory) -> None:
    tx.execute(
        "INSERT INTO detectors (name, counted_at, seq, rules, body) VALUES ('detector', ?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET counted_at = excluded.counted_at, seq = excluded.seq, "
        "rules = excluded.rules, body = excluded.body",
        (memory.counted_at, memory.seq, memory.rules, memory.body),
    )


# --- assessments ---


@dataclass(frozen=True, slots=True)
class AssessmentRow:
    id: str
    brand: str
    at: float
    incident_id: str | None
    severity: str
    body: dict[str, Any]


_ASSESSMENT = "id, brand, at, incident_id, severity, body"


def assess_once(tx: Tx, row: AssessmentRow) -> bool:
    """Write an assessment down. False when it was written before: then everything that follows from it was too."""
    done = tx.execute(
        f"INSERT INTO assessments ({_ASSESSMENT}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (row.id, row.brand, row.at, row.incident_id, row.severity, orjson.dumps(row.body)),
    )
    return done > 0


def assigned(tx: Tx, assessment_id: str, incident_id: str) -> None:
    tx.execute("UPDATE assessments SET incident_id = ? WHERE id = ?", (incident_id, assessment_id))


def assessments_of(tx: Tx, incident_id: str) -> list[AssessmentRow]:
    rows = tx.all(f"SELECT {_ASSESSMENT} FROM assessments WHERE incident_id = ? ORDER BY at", (incident_id,))
    return [_assessment(*row) for row in rows]


def latest_assessments(tx: Tx, brand: str | None, limit: int, incident_id: str | None = None) -> list[AssessmentRow]:
    """The newest first, of one brand or all, of one incident or all."""
    asked = {"brand": brand, "incident_id": incident_id}
    given = {name: value for name, value in asked.items() if value is not None}
    only = f"WHERE {' AND '.join(f'{name} = ?' for name in given)}" if given else ""
    rows = tx.all(
        f"SELECT {_ASSESSMENT} FROM assessments {only} ORDER BY at DESC, id DESC LIMIT ?", (*given.values(), limit)
    )
    return [_assessment(*row) for row in rows]


def _assessment(id_: str, brand: str, at: float, incident_id: str | None, severity: str, body: bytes) -> AssessmentRow:
    return AssessmentRow(id_, brand, at, incident_id, severity, orjson.loads(body))


# --- cases ---


@dataclass(frozen=True, slots=True)
class Case:
    """A customer who wants something from us. Times are seconds since the epoch; it counts from when they wrote."""

    number: int
    brand: str
    source: str
    mention: str
    thread: str
    author: str
    opened_at: float
    answered_at: float | None
    incident_id: str | None

    @property
    def id(self) -> str:
        return f"CASE-{self.number}"


_CASE = "number, brand, source, mention, thread, author, opened_at, answered_at, incident_id"


def open_case(tx: Tx, tagged: Tagged) -> bool:
    """A complaint becomes a case, one a conversation. False when its conversation has one.

    It counts from when the customer wrote. An answer of ours that was heard before its complaint answers it at once.
    """
    mention = tagged.mention
    thread, opened_at = mention.thread or mention.id, mention.at.timestamp()
    done = tx.execute(
        "INSERT INTO cases (brand, source, mention, thread, author, opened_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (source, thread) DO NOTHING",
        (tagged.brand, mention.source, mention.id, thread, mention.author_name or mention.author, opened_at),
    )
    if not done:
        return False
    answered_at = _answered_after(tx, mention.source, thread, opened_at)
    if answered_at is not None:
        answer_case(tx, mention.source, thread, answered_at)
    return True


def _answered_after(tx: Tx, source: str, thread: str, opened_at: float) -> float | None:
    rows = tx.all(
        "SELECT at, body FROM mentions WHERE source = ? AND thread = ? AND at >= ? ORDER BY at LIMIT ?",
        (source, thread, opened_at, _ANSWERS_LOOKED_AT),
    )
    return next((float(at) for at, body in rows if orjson.loads(body).get("by_us")), None)


def answer_elsewhere(tx: Tx, case: Case, by: str, at: datetime, now: float, counted_at: float) -> bool:
    """Somebody answered where no source hears it: the case is answered, and our answer stands in its conversation, so
    that the detector, which hears nothing but mentions, no longer counts it as waiting. False when it was answered.
    """
    if not answer_case(tx, case.source, case.thread, at.timestamp()):
        return False
    answer = Mention(
        source=case.source,
        id=f"answer:{case.id}",
        at=at,
        text="",
        author=f"contact:{by}",
        author_name=by,
        thread=case.thread,
        by_us=True,
    )
    for brand in sorted({case.brand, *_brands_of(tx, case.source, case.thread)}):
        keep(tx, Tagged(answer, brand, None, "neutral", 0.0, False, by_us=True), now, counted_at)
    return True


def _brands_of(tx: Tx, source: str, thread: str) -> list[str]:
    """Whose conversation it is: it waits for each of them."""
    rows = tx.all("SELECT DISTINCT brand FROM mentions WHERE source = ? AND thread = ?", (source, thread))
    return [row[0] for row in rows]


def answer_case(tx: Tx, source: str, thread: str, at: float) -> bool:
    """We answered in its conversation: the first answer counts."""
    return (
        tx.execute(
            "UPDATE cases SET answered_at = ? WHERE source = ? AND thread = ? AND answered_at IS NULL",
            (at, source, thread),
        )
        > 0
    )


def put_cases_under(tx: Tx, brand: str, incident_id: str, since: float) -> int:
    """Cases of a brand from `since` on that belong to no incident belong to this one. Returns how many."""
    return tx.execute(
        "UPDATE cases SET incident_id = ? WHERE brand = ? AND incident_id IS NULL AND opened_at >= ?",
        (incident_id, brand, since),
    )


def case(tx: Tx, number: int) -> Case | None:
    row = tx.one(f"SELECT {_CASE} FROM cases WHERE number = ?", (number,))
    return None if row is None else Case(*row)


def cases(tx: Tx, *, waiting: bool, limit: int, brand: str | None = None, incident_id: str | None = None) -> list[Case]:
    """Cases of one brand or all, of one incident or all. `waiting`: only those without an answer, those that have
    waited longest first; else the newest first."""
    asked = {"brand": brand, "incident_id": incident_id}
    given = {name: value for name, value in asked.items() if value is not None}
    conditions = [f"{name} = ?" for name in given] + (["answered_at IS NULL"] if waiting else [])
    only = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "opened_at, number" if waiting else "opened_at DESC, number DESC"
    rows = tx.all(f"SELECT {_CASE} FROM cases {only} ORDER BY {order} LIMIT ?", (*given.values(), limit))
    return [Case(*row) for row in rows]


def said(tx: Tx, case: Case) -> Mention | None:
    """What the customer wrote; None when it is kept no longer."""
    row = tx.one(
        "SELECT body FROM mentions WHERE source = ? AND id = ? AND brand = ?", (case.source, case.mention, case.brand)
    )
    return None if row is None else tagged_of(case.brand, orjson.loads(row[0])).mention


def cases_of(tx: Tx, incident_id: str) -> tuple[int, int]:
    """(all, unanswered) of an incident."""
    row = tx.one(
        "SELECT COUNT(*), COALESCE(SUM(answered_at IS NULL), 0) FROM cases WHERE incident_id = ?", (incident_id,)
    )
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def waiting(tx: Tx) -> tuple[int, float | None]:
    """(customers who wait for an answer, since when the first of them does), whatever the incident."""
    row = tx.one("SELECT COUNT(*), MIN(opened_at) FROM cases WHERE answered_at IS NULL")
    return (0, None) if row is None else (int(row[0]), row[1])
