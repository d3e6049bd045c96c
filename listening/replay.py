"""A file of mentions, for drills, trials and backtests: what is added at its end is read.

`read_history` reads the same files for a backtest, in the order of time.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from listening import cursors
from listening.blocking import Blocking
from listening.environment import PLAN_FOLDER, secret
from listening.history import HistoryInvalid, Shape, records, shape_of
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Replay, SourceSpec
from signals.mention import Mention

AT_ONCE = 300
"""Mentions of one poll."""
OUT_OF_ORDER = 20_000
"""Records by which a history may be out of order."""
_MOST_HELD = 64 * 1024 * 1024
"""Characters that are held to put a history in order."""
_CHECKED = 1024
"""Bytes before the cursor that must be what they were."""


def build(
    spec: SourceSpec, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """A source that reads a file in the plan's folder, from its beginning."""
    if not isinstance(spec, Replay):
        raise TypeError(spec.kind)
    blocking = Blocking(f"The file {spec.file}")

    async def poll(cursor: str | None) -> Batch:
        folder = Path(secret(environment, PLAN_FOLDER, "the plan's folder"))
        return await blocking.run(lambda: _poll(folder, spec, cursor))

    return Source(spec.name, spec.kind, spec.every, poll)


def read_history(path: Path, source: str = "history") -> Iterator[Mention]:
    """Every mention of the file, the oldest first; a tally's line with 0 too, for time goes on with it.

    Streams: at most OUT_OF_ORDER records are held. Raises HistoryInvalid for the first record that cannot be used,
    and for one that is older than what stands more than so many records before it (sort such a file first, as with
    `sort`), and OSError when there is no such file. An id that stands twice is given twice.
    """
    waiting: list[tuple[datetime, int, Mention]] = []
    held, latest, number = 0, None, 0
    with path.open("rb") as file:
        for shape, start, line_number in filter(None, [shape_of(file, path.name)]):
            for record in records(file, path.name, start, line_number, quoted=shape.quoted):
                mention = shape.mention(record, source)
                if latest is not None and mention.at < latest:
                    sentence = f"it is older than a record more than {OUT_OF_ORDER} before it: sort the file by time"
                    raise HistoryInvalid(path.name, record.line, 1, sentence)
                number += 1
                heapq.heappush(waiting, (mention.at, number, mention))
                held += len(mention.text)
                while len(waiting) > OUT_OF_ORDER or held > _MOST_HELD:
                    latest, _, mention = heapq.heappop(waiting)
                    held -= len(mention.text)
                    yield mention
    while waiting:
        yield heapq.heappop(waiting)[2]


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the file was read, and a digest of what stands just before."""

    at: int
    line: int
    before: str

    @classmethod
    def decode(cls, cursor: str | None, file: str) -> "_Place | None":
        written = cursors.decode(cursor, file)
        return None if written is None else cls(int(written["at"]), int(written["line"]), str(written["before"]))

    def encode(self, file: str) -> str:
        return cursors.encode(file, {"at": self.at, "line": self.line, "before": self.before})


def _poll(folder: Path, spec: Replay, cursor: str | None) -> Batch:
    path = (folder / spec.file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SourceFailed(f"{spec.file} does not lie in the plan's folder.")
    if not path.is_file():
        raise SourceFailed(f"There is no file {spec.file} in the plan's folder.")
    try:
        with path.open("rb") as file:
            return _read(file, spec, cursor)
    except OSError as error:
        raise SourceFailed(f"{spec.file} cannot be read ({error.strerror}).") from error
    except HistoryInvalid as error:
        raise SourceFailed(f"{error}.") from error


def _read(file: BinaryIO, spec: Replay, cursor: str | None) -> Batch:
    found = shape_of(file, spec.file)
    if found is None:
        return Batch(cursor=cursor)
    shape, start, line_number = found
    place = _Place.decode(cursor, spec.file)
    if place is not None:
        if _digest(file, place.at) != place.before:
            raise SourceFailed(
                f"{spec.file} has changed before byte {place.at}, which was read already: "
                "give it another name to have all of it read."
            )
        start, line_number = max(place.at, start), max(place.line, line_number)
    return _batch(file, shape, spec, start, line_number)


def _batch(file: BinaryIO, shape: Shape, spec: Replay, start: int, line_number: int) -> Batch:
    """A few hundred mentions. A record without its line break is left: somebody is writing it."""
    mentions: list[Mention] = []
    more = False
    try:
        for record in records(file, spec.file, start, line_number, quoted=shape.quoted):
            if len(mentions) >= AT_ONCE or not record.complete:
                more = record.complete
                break
            mentions.append(shape.mention(record, spec.name))
            start, line_number = record.end, record.line + record.lines
    except HistoryInvalid:
        if not mentions:
            raise
        more = True  # the next poll says what is wrong, with its place
    heard = tuple(sorted((each for each in mentions if each.count), key=lambda each: each.at))
    return Batch(heard, _Place(start, line_number, _digest(file, start)).encode(spec.file), more)


def _digest(file: BinaryIO, end: int) -> str:
    """Of the bytes before `end`; of a file that has become shorter it is that of nothing."""
    start = max(end - _CHECKED, 0)
    file.seek(start)
    found = file.read(end - start)
    return hashlib.sha256(found if len(found) == end - start else b"shorter").hexdigest()[:16]
