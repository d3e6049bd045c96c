"""A plan's rules on a history: the files are read, the history is told to the detector in simulated time. No Prefect.

The history is a file of mentions, read as the engine reads mentions, or what a running engine has kept. The command
line calls `run` plainly or through the flow `flows/backtest.py`, whose tasks call the same functions.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from engine.client import Request
from incidents.errors import CommandRefused
from listening.history import HistoryInvalid, Record, read_moment, records, start_of_field
from listening.reading import IMPERSONATION, Reader
from listening.replay import read_history
from listening.tone import Tone
from runbooks.loader import load_plan
from signals.backtest import Backtest, Difference, Label, Report, difference
from signals.brands import prepare
from signals.conditions import Waiting
from signals.listening import Brand, Listening, Replay
from signals.mention import Mention, Tagged
from signals.observation import Heard, Observation, number_of, observation
from signals.rules import Rule, Thresholds
from signals.thresholds import compiled
from signals.topics import Topics
from storage.mentions import Stored, heard_of, tagged_of

WARM_UP = 16 * 86400.0
"""Seconds before `since` that are replayed too: the usual looks back 15 days."""
READ_AT_ONCE = 500
_TOLD_EVERY = 2000
"""Mentions between two words about how far it is."""
_ROWS_AT_ONCE = 1000
_REMEMBERED = 1_000_000
"""Ids of mentions that may come twice."""
_MOST_LABELS = 100_000
_COLUMNS = ("brand", "start", "end", "name", "real")

T = TypeVar("T")
Tell = Callable[[float, str], None]
"""Is told how far it is (0 to 1) and in words."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is tried: the thresholds of a plan, and the brands that it listens for."""

    folder: Path
    thresholds: Thresholds
    listening: Listening

    @property
    def brands(self) -> tuple[str, ...]:
        return tuple(each.id for each in self.listening.brands)


@dataclass(frozen=True, slots=True)
class History:
    """What is replayed. `heard` may be asked once a plan: it reads afresh."""

    heard: Callable[[Rules, Tell], Iterator[Heard]]
    labels: tuple[Label, ...] = ()
    complete: bool = True
    """Whether a page outside every label is false."""
    since: float | None = None
    """What comes before only teaches what is usual."""
    until: float | None = None
    """When the history ends, if that is later than the last thing heard."""
    written: bool = False
    """Whether it is a file that somebody wrote: it may lack what we answered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one plan, or of two and what changes."""

    report: Report
    counts: Mapping[str, Mapping[int, int]]
    """Mentions of each brand, by hours since the epoch."""
    labels: tuple[Label, ...]
    old: Report | None = None
    change: Difference | None = None


class Asks(Protocol):
    """A client of a running engine, such as `engine.client.SyncEngineClient`."""

    def ask(self, request: Request[T]) -> T: ...


Part = Callable[[str, Callable[[Tell], Backtest]], Backtest]
"""Carries out one part under a name, and shows how far it is."""


def run(new: Rules, old: Rules | None, history: History, part: Part) -> Outcome:
    """Replay the history with one plan or two. The same twice gives the same."""
    name = "replay" if old is None else "replay with the new plan"
    after = part(name, lambda tell: replayed(new, history, tell))
    report = _report(after, history)
    if old is None:
        return Outcome(report, after.counts, history.labels)
    before = part("replay with the old plan", lambda tell: replayed(old, history, tell, words=False))
    known = _report(before, history)
    return Outcome(report, after.counts, history.labels, known, difference(known, report))


def _report(test: Backtest, history: History) -> Report:
    report = test.report(history.labels, complete=history.complete, since=history.since)
    if not history.written or test.answered:
        return report
    return replace(report, unjudged=tuple(each.name for each in test.thresholds.rules if _waits(each)))


def _waits(rule: Rule) -> bool:
    return any(isinstance(each, Waiting) for each in (*rule.when, *rule.otherwise, *rule.only_if))


def replayed(rules: Rules, history: History, tell: Tell, *, words: bool = True) -> Backtest:
    """Tell the detector everything, in the order in which it counts."""
    test = Backtest(rules.thresholds, rules.brands, words)
    about_us = False
    for heard in history.heard(rules, tell):
        about_us = about_us or not isinstance(heard, Observation) or heard.count > 0
        test.hear(heard)
    if not about_us:
        raise CommandRefused("There is nothing in this history: no mention of a brand of the plan.")
    if history.until is not None:
        test.pass_time(history.until)
    tell(1.0, f"{sum(sum(each.values()) for each in test.counts.values())} mentions")
    return test


# Plans


def rules_of(folder: Path, brand: str | None = None) -> Rules:
    """The rules of a plan. PlanInvalid for a plan that cannot be used; CommandRefused for one without rules.

    `brand`: everything without words of its own is about this brand. Without listening.yaml there is one brand, `brand`
    or the name `brand`, and everything is about it.
    """
    plan = load_plan(folder).plan
    if plan.thresholds is None:
        raise CommandRefused(f"There is no thresholds.yaml in {folder}: nothing can be replayed.")
    listening = plan.listening
    if listening is None:
        listening = Listening(brands=(Brand(id=brand or "brand", names=(plan.company or "brand",)),))
        brand = listening.brands[0].id
    known = [each.id for each in listening.brands]
    if brand is not None and brand not in known:
        raise CommandRefused(f"{brand!r} is no brand of {folder}; it has {', '.join(known)}.")
    whole = brand if brand is not None else (known[0] if len(known) == 1 else None)
    return Rules(folder, compiled(plan.thresholds), _with_sources(listening, brand, whole))


_NAMED, _COUNTED = "history", "history-tally"


def _with_sources(listening: Listening, named: str | None, counted: str | None) -> Listening:
    """The same, with the history as two sources: what has words, and lines that only say how many."""
    rest = [each for each in listening.sources if each.name not in (_NAMED, _COUNTED)]
    own = [Replay(kind="replay", name=_NAMED, file="history", brand=named)]
    own.append(Replay(kind="replay", name=_COUNTED, file="history", brand=counted))
    return listening.model_copy(update={"sources": (*rest, *own)})


# A history in a file


def history_in(path: Path, labels: Sequence[Label], tone: Tone, *, complete: bool = True) -> History:
    """A file of mentions or a tally. Raises OSError when it cannot be read; HistoryInvalid comes while it is read."""
    lines = _lines(path)

    def heard(rules: Rules, tell: Tell) -> Iterator[Heard]:
        reader = Reader(rules.listening, rules.thresholds.topics, tone)
        known: dict[int, None] = {}
        read = 0
        mentions = read_history(path, _NAMED)
        while many := list(islice(mentions, READ_AT_ONCE)):
            fresh = [_sourced(each, rules) for each in many if _is_new(known, each)]
            for mention, found in zip(fresh, reader.read_many(fresh), strict=True):
                yield from (observation(each, each.mention.at) for each in found)
                if not found:
                    # Of nobody's brand, or a tally's line with 0: time goes on.
                    yield Observation("", mention.at.timestamp(), mention.id, count=0)
            read += len(many)
            if read % _TOLD_EVERY == 0:
                tell(min(read / lines, 1.0), f"{read} of about {lines} lines, until {many[-1].at:%Y-%m-%d}")

    return History(heard, tuple(labels), complete, written=True)


def _sourced(mention: Mention, rules: Rules) -> Mention:
    """A line without words is about the one brand that there is."""
    if mention.text or mention.title or mention.stars is not None:
        return mention
    if next(each for each in rules.listening.sources if each.name == _COUNTED).brand is None:
        raise CommandRefused(
            f"A tally says of no brand that it is about it: name one with --brand ({', '.join(rules.brands)})."
        )
    return replace(mention, source=_COUNTED)


def _is_new(known: dict[int, None], mention: Mention) -> bool:
    """A mention is heard once, as in the engine, so far as ids are remembered."""
    name = number_of(mention.id)
    if name in known:
        return False
    known[name] = None
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
    return True


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return max(sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b"")), 1)


# A history that an engine has kept


def stored_history(client: Asks, since: float, until: float, labels: Sequence[Label] | None) -> History:
    """What a running engine has heard between two moments (seconds since the epoch), with labels or its own incidents.

    Brand, tone and complaints are as they were heard; topics are looked for again, as a plan may name others.
    """
    own = _own_labels(client, since) if labels is None else labels

    def heard(rules: Rules, tell: Tell) -> Iterator[Heard]:
        topics = Topics(rules.thresholds.topics)
        first = since - WARM_UP
        for row in _stored_rows(client, first, until):
            if row.seq % _TOLD_EVERY == 0:
                tell(min((row.counted_at - first) / max(until - first, 1.0), 1.0), f"row {row.seq}")
            yield _heard_again(row, topics)

    return History(heard, tuple(own), complete=labels is not None, since=since, until=until)


def _heard_again(row: Stored, topics: Topics) -> Heard:
    if row.body["kind"] != "mention":
        return heard_of(row.brand, row.counted_at, row.body)
    tagged = tagged_of(row.brand, row.body)
    return observation(_about(tagged, topics), row.counted_at)


def _about(tagged: Tagged, topics: Topics) -> Tagged:
    mention = tagged.mention
    text = prepare(f"{mention.title}\n{mention.text}" if mention.title else mention.text)
    return replace(tagged, topics=topics.of(text.words, text.folded) | (tagged.topics & {IMPERSONATION}))


def _stored_rows(client: Asks, since: float, until: float) -> Iterator[Stored]:
    place: dict[str, Any] | None = {"since": since}
    while place is not None:
        query = {**place, "until": until, "limit": _ROWS_AT_ONCE}
        answer = client.ask(_asked("/api/v1/history", **query))
        for row in answer["rows"]:
            yield Stored(row["seq"], row["counted_at"], row["brand"], row["body"])
        following = answer["next"]
        place = None if following is None else {"since": following["counted_at"], "after": following["seq"]}


def _own_labels(client: Asks, since: float) -> list[Label]:
    return [Label(**each) for each in client.ask(_asked("/api/v1/history/labels", since=since))["labels"]]


def _asked(path: str, **query: object) -> Request[dict[str, Any]]:
    return Request("GET", path, dict, query=query, patience=60.0)


# Labels in a file


def read_labels(path: Path, brands: Sequence[str]) -> list[Label]:
    """Labels of a CSV with the columns start, end, name and perhaps `brand` (else every brand) and `real` (else yes).

    Raises HistoryInvalid at the field that cannot be used, and OSError when there is no such file.
    """
    with path.open("rb") as file:
        rows = [(record, _row(record, path.name)) for record in records(file, path.name, 0, 1, quoted=True)]
    if not rows:
        raise HistoryInvalid(path.name, 1, 1, f"a line with the columns {', '.join(_COLUMNS[:4])} is expected")
    header, columns = rows[0][0], [each.strip().casefold() for each in rows[0][1]]
    for number, column in enumerate(columns):
        if column not in _COLUMNS or column in columns[:number]:
            raise _wrong(path, header, number, f"{column[:40]!r} is no column here, or stands here twice; the columns "
                         f"are {', '.join(_COLUMNS)}")  # fmt: skip
    missing = [each for each in _COLUMNS[1:4] if each not in columns]
    if missing:
        raise HistoryInvalid(path.name, header.line, 1, f"there is no column {', '.join(missing)}")
    if len(rows) > _MOST_LABELS:
        raise HistoryInvalid(path.name, rows[_MOST_LABELS][0].line, 1, f"more than {_MOST_LABELS} labels")
    return [_read_label(path, record, columns, row, brands) for record, row in rows[1:]]


def _row(record: Record, name: str) -> list[str]:
    try:
        return next(csv.reader([record.text], strict=True))
    except csv.Error as error:
        raise HistoryInvalid(name, record.line, 1, f"this is no CSV: {error}") from error


def _read_label(path: Path, record: Record, columns: Sequence[str], row: Sequence[str], brands: Sequence[str]) -> Label:
    if len(row) != len(columns):
        number = min(len(row), len(columns)) - 1
        raise _wrong(path, record, number, f"{len(columns)} fields are expected and {len(row)} are here")
    said = dict(zip(columns, (each.strip() for each in row), strict=True))
    place = columns.index
    brand = said.get("brand", "")
    if brand and brand not in brands:
        sentence = f"{brand[:40]!r} is no brand of the plan; it has {', '.join(brands)}"
        raise _wrong(path, record, place("brand"), sentence)
    moments: dict[str, float] = {}
    for column in ("start", "end"):
        try:
            moments[column] = read_moment(said[column]).timestamp()
        except (ValueError, TypeError, OverflowError, OSError) as error:
            sentence = "a time is expected, as 2026-11-20T14:05:00Z or in seconds since 1970"
            raise _wrong(path, record, place(column), sentence) from error
    if moments["end"] < moments["start"]:
        raise _wrong(path, record, place("end"), "it ends before it starts")
    real = said.get("real", "yes").casefold() or "yes"
    if real not in ("yes", "no", "true", "false"):
        raise _wrong(path, record, place("real"), "yes or no is expected: whether it really was an incident")
    return Label(brand, moments["start"], moments["end"], said["name"], real in ("yes", "true"))


def _wrong(path: Path, record: Record, number: int, sentence: str) -> HistoryInvalid:
    before = record.text[: start_of_field(record.text, number, ",")]
    line = record.line + before.count("\n")
    return HistoryInvalid(path.name, line, len(before) - (before.rfind("\n") + 1) + 1, sentence)
