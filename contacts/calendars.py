"""iCalendar text into shifts, and duties into iCalendar text (RFC 5545). Pure: who fetches a feed is somebody else.

A feed is read an event at a time: one that cannot be used costs a sentence, never the others. A feed as a whole may
cost only so much work; whoever reads one that is not trusted does so in a process with a time limit (`answer`).
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from contacts.schedules import Duty, Schedule, Shift
from contacts.walltime import at_clock, instant, is_zone, zone

if TYPE_CHECKING:
    import icalendar

# The iCalendar libraries take a quarter of a second to import, and an engine may never need them: see the functions.

MOST_REPETITIONS = 50_000
"""Of one event, from its start to the end of what is asked for: daily for 136 years, hourly for five."""
MOST_SHIFTS = 20_000
"""Of one calendar in what is asked for: no rota has more, and each of them is kept."""
MOST_STEPS = 1_000_000
"""Of all its repetitions together, from where each begins: the library walks through them, at about 10 µs each."""
MOST_AT_ONCE = 100
"""People of one calendar who are on duty at one moment: what is worked out from it lists them at each hand-over."""

_MARGIN = timedelta(days=2)
_MARKS = {f"{mark}:{kind}": (mark, kind) for mark in ("BEGIN", "END") for kind in ("VEVENT", "VTIMEZONE")}
_LONGEST_SUMMARY = 500
"""What stands further on names nobody, and taking it apart costs more than its length."""
_EVENT = re.compile(r"^BEGIN:VEVENT[ \t]*$", re.IGNORECASE | re.MULTILINE)
_ENVELOPE = re.compile(r"^(BEGIN|END):VCALENDAR[ \t]*$", re.IGNORECASE | re.MULTILINE)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ON_CALL = re.compile(r"^\W*(?:on[ -]?call|oncall|de guardia|guardia)\b[\s:–—-]*", re.IGNORECASE)  # noqa: RUF001 - dashes


@dataclass(frozen=True, slots=True)
class Reading:
    """What a calendar says about a time."""

    shifts: tuple[Shift, ...]
    """In order of time; those that overlap the time asked for, uncut. Those of one person that overlap are one."""
    problems: tuple[str, ...]
    """A sentence for each event that could not be used, with its name."""
    sound: bool
    """False where it is no calendar, only a part of one, or not one of its events could be used.

    Whoever reads a feed then keeps the last good copy.
    """


def read_calendar(
    text: str, start: datetime, end: datetime, whom: Callable[[str], str | None], time_zone: str = "UTC"
) -> Reading:
    """The shifts of a calendar that overlap [start, end). Never raises, whatever the text.

    `whom` is asked for each event until it knows somebody: the attendees' addresses and names, the summary, what stands
    in it beside "On call:" and brackets. One event is one person's shift. Events that are cancelled do not count.
    `time_zone` is meant by all-day events and by times without a zone, unless the calendar names one (X-WR-TIMEZONE).
    """
    found = _found(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    if found is None:
        return Reading((), ("This is no iCalendar text, or only a part of one.",), sound=False)
    asked = _Asked(start, end, whom, time_zone)
    if sum(_steps(event, end) for series in found.series for event in series) > MOST_STEPS:
        return _too_much(f"Its events repeat more than {MOST_STEPS} times in all")
    shifts: list[Shift] = []
    problems = list(found.problems)
    usable = counted = 0
    for series in found.series:
        taken, sentences = asked.shifts_of(series)
        usable += taken is not None
        problems += sentences
        shifts += taken or ()
        counted += len(taken or ()) + len(sentences)
        if counted > MOST_SHIFTS:
            return _too_much(f"It has more than {MOST_SHIFTS} shifts from {start:%d %b %Y} to {end:%d %b %Y}")
    together = laid_together(shifts)
    if _most_at_once(together) > MOST_AT_ONCE:
        return _too_much(f"It has more than {MOST_AT_ONCE} people on duty at one moment")
    return Reading(together, tuple(dict.fromkeys(problems)), sound=usable > 0 or not (found.series or found.problems))


def _too_much(what: str) -> Reading:
    return Reading((), (f"{what}; a calendar with more is not read.",), sound=False)


def laid_together(shifts: Iterable[Shift]) -> tuple[Shift, ...]:
    """In order of time, each person's overlapping shifts as one: who is on duty when stays as it was.

    Shifts that only touch stay two: between them lies a hand-over.
    """
    found: list[Shift] = []
    for shift in sorted(shifts, key=lambda each: (each.person, each.start, each.end)):
        last = found[-1] if found else None
        if last is None or last.person != shift.person or last.end <= shift.start:
            if shift != last:
                found.append(shift)
        elif shift.end > last.end:
            found[-1] = Shift(last.person, last.start, shift.end)
    return tuple(sorted(found, key=lambda shift: (shift.start, shift.end, shift.person)))


def _most_at_once(shifts: Iterable[Shift]) -> int:
    """The most people on duty at one moment. An end comes before a beginning at the same moment."""
    edges = sorted((at, step) for shift in shifts for at, step in ((shift.start, 1), (shift.end, -1)))
    return max(accumulate((step for _, step in edges), initial=0))


def question(text: str, start: datetime, end: datetime, people: Mapping[str, str], time_zone: str) -> str:
    """What `read_calendar` is to be asked in another process; `people` as for `known_as`."""
    return json.dumps([text, start.isoformat(), end.isoformat(), dict(people), time_zone])


def answer(question: str) -> str:
    """The other process: reads the calendar of a `question`."""
    text, start, end, people, time_zone = json.loads(question)
    reading = read_calendar(
        text, datetime.fromisoformat(start), datetime.fromisoformat(end), known_as(people), time_zone
    )
    shifts = [(each.person, each.start.timestamp(), each.end.timestamp()) for each in reading.shifts]
    return json.dumps([shifts, reading.problems, reading.sound])


def answered(answer: str) -> Reading:
    """What the other process has read."""
    shifts, problems, sound = json.loads(answer)
    return Reading(
        tuple(Shift(who, datetime.fromtimestamp(a, UTC), datetime.fromtimestamp(b, UTC)) for who, a, b in shifts),
        tuple(problems),
        sound,
    )


def known_as(people: Mapping[str, str]) -> Callable[[str], str | None]:
    """A `whom` that looks up ids, names and addresses (keys) without regard to case and blanks around them."""
    folded = {said.strip().casefold(): person for said, person in people.items()}
    return lambda said: folded.get(said.strip().casefold())


def write_calendar(schedule: Schedule, duties: Iterable[Duty], names: Mapping[str, str], made_at: datetime) -> str:
    """One event a duty and person, in UTC; gaps are none. `names` are the people's by id.

    An event keeps its UID as long as the same person begins at the same moment, so cut the first duty where one begins.
    ValueError for a duty that is open at an end.
    """
    import icalendar  # noqa: PLC0415 - see the top

    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Tocsin//On-call schedules//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", schedule.title)
    calendar.add("x-wr-timezone", schedule.time_zone)
    for duty in duties:
        if duty.since is None or duty.until is None:
            raise ValueError("a duty without a beginning or an end cannot be written into a calendar")
        for person in duty.people:
            event = icalendar.Event()
            event.add("uid", f"{schedule.id}-{person}-{duty.since.astimezone(UTC):%Y%m%dT%H%M%SZ}@tocsin")
            event.add("dtstamp", made_at.astimezone(UTC))
            event.add("dtstart", duty.since.astimezone(UTC))
            event.add("dtend", duty.until.astimezone(UTC))
            event.add("summary", f"On call: {names.get(person, person)} ({schedule.title})")
            event.add("transp", "TRANSPARENT")
            calendar.add_component(event)
    return str(calendar.to_ical(), "utf-8")


_Series: TypeAlias = "list[icalendar.Component]"
"""The events of one UID: one that recurs, and those that stand in for single recurrences of it."""


@dataclass(frozen=True, slots=True)
class _Found:
    series: list[_Series]
    problems: list[str]


def _found(text: str) -> _Found | None:
    """The events of a text by UID; None where it is no calendar as a whole."""
    envelope = [mark.upper() for mark in _ENVELOPE.findall(text)]
    if not envelope or envelope != ["BEGIN", "END"] * (len(envelope) // 2):
        return None
    calendars = _parsed(text)
    if calendars is not None and sum(len(_events(calendar)) for calendar in calendars) == len(_EVENT.findall(text)):
        return _Found([series for calendar in calendars for series in _by_uid(calendar)], [])
    return _found_in_pieces(_blocks(text))


def _blocks(text: str) -> list[tuple[str, str]]:
    """Each event and zone as it is written, with its kind: from its first BEGIN to the first END after it.

    A line at a time, since a pattern over all of it looks for the END of each BEGIN anew: that of a broken feed of half
    a megabyte took minutes. A BEGIN whose END never comes is passed over, so that it does not swallow the others.
    """
    lines = text.split("\n")
    marks = [(place, _MARKS.get(line.rstrip(" \t").upper())) for place, line in enumerate(lines)]
    found = [(place, *mark) for place, mark in marks if mark is not None]
    last_end = {kind: place for place, mark, kind in found if mark == "END"}
    blocks: list[tuple[str, str]] = []
    first, open_kind = 0, ""
    for place, mark, kind in found:
        if not open_kind and mark == "BEGIN" and place < last_end.get(kind, -1):
            first, open_kind = place, kind
        elif mark == "END" and kind == open_kind:
            blocks.append((kind, "\n".join(lines[first : place + 1])))
            open_kind = ""
    return blocks


def _found_in_pieces(blocks: list[tuple[str, str]]) -> _Found | None:
    """The same where the text as a whole does not parse, or loses events: each of its events by itself."""
    import icalendar  # noqa: PLC0415 - see the top

    zones = "\n".join(block for kind, block in blocks if kind == "VTIMEZONE" and _parsed(_wrapped(block)))
    whole = icalendar.Calendar()
    problems = []
    for block in [block for kind, block in blocks if kind == "VEVENT"]:
        events = [event for calendar in _parsed(_wrapped(f"{zones}\n{block}")) or () for event in _events(calendar)]
        whole.subcomponents += events
        if not events:
            problems.append(f"The event {_written_name(block)} is not written as an event.")
    if not problems and not whole.subcomponents:
        return None
    return _Found(list(_by_uid(whole)), problems)


def _parsed(text: str) -> list[icalendar.Component] | None:
    import icalendar  # noqa: PLC0415 - see the top

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses about odd zone names; whoever asks can do nothing about them
            return list(icalendar.Calendar.from_ical(text, multiple=True))
    except Exception:  # noqa: BLE001 - icalendar raises ValueError, KeyError, AttributeError and others for broken text
        return None


def _wrapped(block: str) -> str:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{block.strip()}\nEND:VCALENDAR\n"


def _events(calendar: icalendar.Component) -> list[icalendar.Component]:
    return [each for each in calendar.subcomponents if each.name == "VEVENT"]


def _by_uid(calendar: icalendar.Component) -> Iterator[_Series]:
    series: dict[str, _Series] = {}
    for place, event in enumerate(_events(calendar)):
        zone_name = str(calendar.get("X-WR-TIMEZONE", ""))
        if is_zone(zone_name):
            event["X-WR-TIMEZONE"] = zone_name
        series.setdefault(str(event.get("UID") or f" {place}"), []).append(event)
    yield from series.values()


@dataclass(frozen=True, slots=True)
class _Asked:
    start: datetime
    end: datetime
    whom: Callable[[str], str | None]
    time_zone: str

    def shifts_of(self, series: _Series) -> tuple[list[Shift] | None, list[str]]:
        """The shifts of a series, None where nothing of it could be used, and a sentence for all that could not."""
        occurrences, problems = self._occurrences(series)
        if occurrences is None:
            return None, problems
        shifts: list[Shift] = []
        unused: list[str] = []
        for event in occurrences:
            try:
                found = self._shift(event)
            except Exception as error:  # noqa: BLE001 - see _parsed; each event is on its own
                found = _unreadable(event, error)
            if isinstance(found, Shift):
                shifts += [found] if found.start < self.end and self.start < found.end else []
            elif found is not None:
                unused.append(found)
        return (shifts if shifts or not unused else None), problems + unused

    def _occurrences(self, series: _Series) -> tuple[_Series | None, list[str]]:
        """The recurrences of all its events or, where these break, of those that do not break by themselves."""
        refused = {place: sentence for place, event in enumerate(series) if (sentence := self._refused(event))}
        sound = [event for place, event in enumerate(series) if place not in refused]
        if not sound:
            return None, list(refused.values())
        try:
            return self._expanded(sound), list(refused.values())
        except Exception as error:  # noqa: BLE001 - see _parsed; each event is on its own
            if len(sound) == 1:
                return None, [*refused.values(), _unreadable(sound[0], error)]
        alone = [self._occurrences([event]) for event in sound]
        problems = [*refused.values(), *(sentence for _, sentences in alone for sentence in sentences)]
        kept = [event for event, (found, _) in zip(sound, alone, strict=True) if found is not None]
        if not kept or len(kept) == len(sound):
            return None, problems or [f"The event {_name(sound[0])} and its exceptions do not fit together."]
        found, more = self._occurrences(kept)
        return found, problems + more

    def _refused(self, event: icalendar.Component) -> str | None:
        """Why it may not even be expanded."""
        try:
            reason = _endless(event, self.end) or self._backwards(event)
        except Exception as error:  # noqa: BLE001 - see _parsed; each event is on its own
            return _unreadable(event, error)
        return None if reason is None else f"The event {_name(event)} {reason}"

    def _backwards(self, event: icalendar.Component) -> str | None:
        """The library would turn such an event round."""
        where = zone(self.time_zone)
        if "DTEND" in event and _moment(_value(event, "DTEND").dt, where) < _moment(_value(event, "DTSTART").dt, where):
            return "ends before it begins."
        return None

    def _expanded(self, series: _Series) -> list[icalendar.Component]:
        import icalendar  # noqa: PLC0415 - see the top
        import recurring_ical_events  # type: ignore[import-untyped]  # noqa: PLC0415 - annotations, but no py.typed

        calendar = icalendar.Calendar()
        if "X-WR-TIMEZONE" in series[0]:
            calendar["X-WR-TIMEZONE"] = series[0]["X-WR-TIMEZONE"]
        calendar.subcomponents = list(series)
        query = recurring_ical_events.of(calendar)
        return list(query.between(self.start.astimezone(UTC) - _MARGIN, self.end.astimezone(UTC) + _MARGIN))

    def _shift(self, event: icalendar.Component) -> Shift | str | None:
        """Its shift, None where it is cancelled, or why it is none."""
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            return None
        said = list(dict.fromkeys(_candidates(event)))
        person = next((known for each in said if (known := self.whom(each)) is not None), None)
        if person is None:
            known = f"nobody whom we know, but {', '.join(said)[:200]}" if said else "nobody"
            return f"The event {_name(event)} names {known}."
        where = zone(str(event.get("X-WR-TIMEZONE", self.time_zone)))
        start, end = (_moment(_value(event, name).dt, where) for name in ("DTSTART", "DTEND"))
        if start >= end:
            return f"The event {_name(event)} has no length."
        return Shift(person, start, end)


def _value(event: icalendar.Component, name: str) -> Any:
    """A property as icalendar parsed it. KeyError if there is none."""
    return event[name]


def _listed(event: icalendar.Component, name: str) -> list[Any]:
    """A property that may be there any number of times."""
    value: Any = event.get(name, [])
    return value if isinstance(value, list) else [value]


def _moment(value: date | datetime, where: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return at_clock(value, "00:00", where)
    return instant(value, where) if value.tzinfo is None else value.astimezone(UTC)


def _endless(event: icalendar.Component, end: datetime) -> str | None:
    """Why its repetitions cannot be counted out, if they cannot: the library would walk through each of them."""
    import icalendar  # noqa: PLC0415 - see the top

    for rule in _listed(event, "RRULE"):
        if not isinstance(rule, icalendar.vRecur):
            raise ValueError("its rule of repetition is not written as one")
        often = str(rule["FREQ"][0]).upper()
        if often in ("SECONDLY", "MINUTELY"):
            return "repeats by the minute or second, which no shift does."
        if not _comes(rule):
            return "repeats on a day that never comes."
        if _repetitions(rule, _value(event, "DTSTART").dt, end) > MOST_REPETITIONS:
            return f"repeats more than {MOST_REPETITIONS} times; only fewer are counted out."
    return None


def _steps(event: icalendar.Component, end: datetime) -> float:
    """How often it repeats at most until `end`; one that is refused by itself is not counted out at all."""
    try:
        if _endless(event, end) is not None:
            return 0
        return sum(_repetitions(rule, _value(event, "DTSTART").dt, end) for rule in _listed(event, "RRULE"))
    except Exception:  # noqa: BLE001 - see _parsed; the event gets its sentence when it is read
        return 0


def _comes(rule: Mapping[str, list[Any]]) -> bool:
    months, days = rule.get("BYMONTH", []), rule.get("BYMONTHDAY", [])
    return not (months and days) or any(
        abs(int(day)) <= _LONGEST[int(month) - 1] for month, day in product(months, days)
    )


_A_DAY = {"HOURLY": 24, "DAILY": 1, "WEEKLY": 1 / 7, "MONTHLY": 1 / 28, "YEARLY": 1 / 365}


def _repetitions(rule: Mapping[str, list[Any]], first: date | datetime, end: datetime) -> float:
    """At most so many until `end`."""
    often, interval = str(rule["FREQ"][0]).upper(), int(rule.get("INTERVAL", [1])[0])
    if interval < 1:
        raise ValueError("it repeats at an interval of nothing")
    last = min([end.date(), *(date(each.year, each.month, each.day) for each in rule.get("UNTIL", []))])
    days = max((last - date(first.year, first.month, first.day)).days + 1, 0)
    if not any(part.startswith("BY") for part in rule):
        return min([days * _A_DAY[often] / interval, *(int(count) for count in rule.get("COUNT", []))])
    a_day = _A_DAY[often] / interval if often == "HOURLY" else 1
    for part in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        a_day *= max(len(rule.get(part, [])), 1)
    return days * a_day


def _candidates(event: icalendar.Component) -> Iterator[str]:
    """What may name the person, in the order in which it is believed."""
    for attendee in _listed(event, "ATTENDEE"):
        about = getattr(attendee, "params", {})
        if str(about.get("PARTSTAT", "")).upper() != "DECLINED":
            yield re.sub(r"^mailto:", "", str(attendee), flags=re.IGNORECASE).strip()
            if about.get("CN"):
                yield str(about["CN"]).strip()
    summary = str(event.get("SUMMARY", "")).strip()[:_LONGEST_SUMMARY]
    if not summary:
        return
    yield summary
    named = _ON_CALL.sub("", summary).strip()
    while named:
        yield named
        named = named.rpartition("(")[0].strip()
    parts = re.split(r"\s*[:|/,]\s*|\s+[–—-]\s+|\s*\(|\)\s*", summary)  # noqa: RUF001 - dashes of all lengths
    yield from (part.strip() for part in parts if part.strip())


def _name(event: icalendar.Component) -> str:
    return _called(str(event.get("SUMMARY", "")), str(event.get("UID", "")))


def _written_name(block: str) -> str:
    said = {name: value for name, value in re.findall(r"^(SUMMARY|UID)[^:\n]*:(.*)$", block, re.MULTILINE)}
    return _called(said.get("SUMMARY", ""), said.get("UID", ""))


def _called(summary: str, uid: str) -> str:
    summary, uid = (" ".join(each.split())[:80] for each in (summary, uid))
    return f"{summary!r} ({uid})" if summary and uid else repr(summary) if summary else uid or "without a name"


def _unreadable(event: icalendar.Component, error: Exception) -> str:
    reason = (
        f"it has no {error.args[0]}" if isinstance(error, KeyError) and error.args else " ".join(str(error).split())
    )
    return f"The event {_name(event)} cannot be read: {reason[:200]}."
