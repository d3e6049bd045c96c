"""The contact tree: who is called, in which order and how, as sheets of paper for the day when nothing works. Pure.

Made from the plan's folder alone: no engine, no network. Nothing secret is on it: a webhook shows only its host.
"""

import hashlib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import phonenumbers

from contacts.addresses import ChannelKind
from contacts.directory import Area, Contact, Directory, Role
from contacts.schedules import Duty, Schedule, duties
from contacts.standing import BAD, Address, Standing, address_of, ends_of, shown
from contacts.walltime import begins, zone
from engine.contacts_view import grant_sentence
from incidents.durations import write_duration
from incidents.severity import Severity
from runbooks.plan import Ladder, Plan, plan_version

MOST_DUTIES = 100
"""Turns of one schedule that are printed; how many more there are is said."""
TEXT_WIDTH = 90
UNBROKEN = "\N{NO-BREAK SPACE}"

_LABELS: dict[ChannelKind, str] = {
    ChannelKind.VOICE: "Phone",
    ChannelKind.SMS: "SMS",
    ChannelKind.EMAIL: "Mail",
    ChannelKind.SLACK: "Slack",
    ChannelKind.CONSOLE: "Console",
    ChannelKind.PUSH: "Browser",
    ChannelKind.WEBHOOK: "Webhook",
    ChannelKind.APPRISE: "Apprise",
}
_PHONES = (ChannelKind.VOICE, ChannelKind.SMS)


class Weight(StrEnum):
    HEADING = "heading"
    NUMBER = "number"
    """What one dials."""
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a label in the margin, and what it says."""

    value: str
    label: str = ""
    weight: Weight = Weight.TEXT
    note: str = ""
    """Said beside it, smaller."""


Block = tuple[Row, ...]
"""Rows that stay on one page where they can."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands under one heading; begins on a page of its own."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ContactTree:
    company: str
    version: str
    """`plan 0123456789ab, contacts 0123456789ab`: equal files have equal versions."""
    printed: datetime
    valid_until: datetime
    sheets: tuple[Sheet, ...]

    @property
    def foot(self) -> str:
        """Stands on every page."""
        return (
            f"Printed on paper {_day(self.printed)} {self.printed:%H:%M} UTC: valid until {_day(self.valid_until)} "
            f"({self.version})."
        )


def contact_tree(plan: Plan, directory: Directory, now: datetime) -> ContactTree:
    """Everything that is printed. It is good as long as a proof is: then people should be asked again anyway."""
    until = now + directory.reverify_every
    contacts_version = hashlib.sha256(directory.model_dump_json().encode()).hexdigest()[:12]
    pen = _Pen(plan, directory, now, until)
    return ContactTree(
        company=plan.company,
        version=f"plan {plan_version(plan)}, contacts {contacts_version}",
        printed=now,
        valid_until=until,
        sheets=tuple(sheet for sheet in pen.sheets() if sheet.blocks),
    )


@dataclass(frozen=True, slots=True)
class _Pen:
    plan: Plan
    directory: Directory
    now: datetime
    until: datetime

    def sheets(self) -> Iterator[Sheet]:
        yield Sheet("Who is called", tuple(self._ladders()))
        yield Sheet("Roles and areas", tuple(self._held(each) for each in self._everything_held()))
        yield Sheet("On duty", tuple(self._duty(each) for each in self.directory.schedules))
        in_a_team: set[str] = set()
        for team in self.directory.teams:
            in_a_team.update(team.members)
            yield Sheet(team.title, tuple(self._card(each) for each in self._people(team.members)))
        others = [each for each in self.directory.contacts if each.id not in in_a_team]
        yield Sheet("Without a team" if in_a_team else "Everybody", tuple(self._card(each) for each in others))

    # --- ladders ---

    def _ladders(self) -> Iterator[Block]:
        """Those of the severities first, then those of situations that have their own; not those of drills."""
        used: dict[str, list[str]] = {}
        for severity in Severity:
            used.setdefault(self.plan.severities[severity], []).append(severity.value)
        for situation in (each for each in self.plan.situations.values() if not each.drill):
            for name in dict.fromkeys(situation.ladder.values()):
                severities = ", ".join(each.value for each, its in situation.ladder.items() if its == name)
                used.setdefault(name, []).append(f"{severities} of “{situation.title}”")
        for name, occasions in used.items():
            yield self._ladder(name, occasions, self.plan.ladders[name])

    def _ladder(self, name: str, occasions: Sequence[str], ladder: Ladder) -> Block:
        rows = [Row(f"Ladder {name}", weight=Weight.HEADING), Row("; ".join(occasions), "for")]
        after = timedelta(0)
        for rung in ladder.rungs:
            rows += self._rung("at once" if not after else f"+{write_duration(after)}", rung.page)
            after += rung.wait
        rows += self._rung(f"+{write_duration(after)}", ladder.in_extremis)
        again = ladder.again
        rows.append(
            Row(
                f"Then these last ones again every {write_duration(again.every)}, slower and slower up to "
                f"{write_duration(again.at_most)}, until somebody answers."
            )
        )
        if ladder.crew:
            rows += self._rung(f"+{write_duration(ladder.crew_after)}", ladder.crew)
            rows.append(Row("The last line is the crew: each is called until somebody has taken that role."))
        return tuple(rows)

    def _rung(self, label: str, references: Sequence[str]) -> Iterator[Row]:
        for index, reference in enumerate(references):
            yield Row(self._reference(reference), "" if index else label)

    def _reference(self, reference: str) -> str:
        """`Customer care lead: Amara Diallo +44 7700 900123, or Callum Reid +44 7700 900124`."""
        body, _, rank = reference.partition("/")
        kind, _, name = body.rpartition(":")
        title = self.directory.title_of(reference)
        match kind:
            case "role" | "area" if name != "*":
                held = self.directory.role(name) if kind == "role" else self.directory.area(name)
                if held is None:
                    return reference
                ranked = {"deputy": (held.deputy,), "second-deputy": (held.second_deputy,)}.get(rank, held.holders)
                who = ", or ".join(self._holder(each) for each in ranked if each is not None)
            case "area":
                title = f"The area that is hit, {rank.replace('-', ' ') or 'responsible'}"
                who = "see Roles and areas"
            case "team":
                team = self.directory.team(name)
                who = ", ".join(self._line_to(each) for each in self._people(() if team is None else team.members))
            case "schedule":
                who = self._holder(body)
            case _:
                who = self._holder(name)
        return who if title is None else f"{title}: {who}"

    def _holder(self, holder: str) -> str:
        if holder.startswith("schedule:"):
            schedule = self.directory.schedule(holder.removeprefix("schedule:"))
            return f"whoever is on duty (see On duty: {holder if schedule is None else schedule.title})"
        contact = self.directory.contact(holder)
        return holder if contact is None else self._line_to(contact)

    def _line_to(self, contact: Contact) -> str:
        """Their name and the first number that one can dial."""
        numbers = [channel.to for kind in _PHONES for channel in contact.channels if channel.kind == kind]
        return f"{contact.name} {_spaced(numbers[0])}" if numbers else contact.name

    # --- roles, areas, schedules ---

    def _everything_held(self) -> tuple[Role | Area, ...]:
        return (*self.directory.roles, *self.directory.areas)

    def _held(self, held: Role | Area) -> Block:
        word = "role" if isinstance(held, Role) else "area"
        ranked = (("responsible", held.responsible), ("deputy", held.deputy), ("2nd deputy", held.second_deputy))
        return (
            Row(f"{held.title} ({word} {held.id})", weight=Weight.HEADING),
            *(Row(self._holder(holder), rank) for rank, holder in ranked if holder is not None),
        )

    def _duty(self, schedule: Schedule) -> Block:
        heading = Row(
            f"{schedule.title} (schedule {schedule.id}; times in {schedule.time_zone})", weight=Weight.HEADING
        )
        if schedule.calendar is not None:
            return heading, Row("Kept in a calendar of its own, which is not in the plan's folder: see the calendar.")
        turns = duties(schedule, self.now, self.until)
        rows = [self._turn(schedule, duty) for duty in turns[:MOST_DUTIES]]
        if len(turns) > MOST_DUTIES:
            rows.append(Row(f"and {len(turns) - MOST_DUTIES} more turns until {_day(self.until)}."))
        return (heading, *rows)

    def _turn(self, schedule: Schedule, duty: Duty) -> Row:
        where = zone(schedule.time_zone)
        moments = ((self.now, "now"), (self.until, f"{_day(self.until)} (end of this paper)"))
        start, end = (
            word if edge is None or edge == moment else f"{_day(edge.astimezone(where))} {edge.astimezone(where):%H:%M}"
            for edge, (moment, word) in zip((duty.since, duty.until), moments, strict=True)
        )
        who = ", ".join(self._line_to(each) for each in self._people(duty.people)) or "NOBODY"
        return Row(f"{start} to {end}: {who}")

    # --- people ---

    def _people(self, ids: Iterable[str]) -> list[Contact]:
        return [contact for each in ids if (contact := self.directory.contact(each)) is not None]

    def _card(self, contact: Contact) -> Block:
        lives = f"{contact.time_zone}, speaks {contact.language}"
        rows = [Row(contact.name, weight=Weight.HEADING, note=lives), *self._addresses(contact)]
        roles = [_rank(contact, each) for each in self._everything_held() if contact.id in each.holders]
        if roles:
            rows.append(Row("; ".join(roles), "Is"))
        if contact.deputy is not None:
            rows.append(Row(self._holder(contact.deputy), "Deputy"))
        rows += [Row(grant_sentence(each), "May decide") for each in contact.authority]
        for absence in contact.absences:
            end = ends_of(contact, absence)
            if end > self.now:
                start = begins(absence.starts, zone(contact.time_zone))
                deputy = absence.deputy or contact.deputy
                instead = "" if deputy is None else f", call {self._holder(deputy)}"
                rows.append(Row(f"{_minute(start)} to {_minute(end)}{instead}", "Away"))
        return tuple(rows)

    def _addresses(self, contact: Contact) -> Iterator[Row]:
        """In the order in which they are tried; one row for a number that takes calls and SMS."""
        found: dict[tuple[bool, str], list[Address]] = {}
        for channel in contact.channels:
            address = address_of(self.directory, contact, channel, self.now.date())
            found.setdefault((address.kind in _PHONES, channel.to), []).append(address)
        for (is_phone, to), every in found.items():
            label = ", ".join(dict.fromkeys(_LABELS[each.kind] for each in every))
            if is_phone:
                yield Row(_spaced(to), label, Weight.NUMBER, _note(every))
            else:
                yield Row(shown(every[0].channel), label, note=_note(every))


def _rank(contact: Contact, held: Role | Area) -> str:
    rank = (held.responsible, held.deputy, held.second_deputy).index(contact.id)
    return held.title + ("", ", deputy", ", second deputy")[rank]


def _note(every: Sequence[Address]) -> str:
    """What is wrong with an address, by kind where that differs."""
    words = [_standing_words(each) for each in every]
    if len(set(words)) == 1:
        return words[0]
    return ", ".join(f"{_LABELS[each.kind]} {word}" for each, word in zip(every, words, strict=True) if word)


def _standing_words(address: Address) -> str:
    if address.standing not in BAD:
        return ""
    if address.standing is Standing.EXPIRED and address.expires is not None:
        return f"proof expired {address.expires}"
    return address.standing.value


def _spaced(number: str) -> str:
    """As one dials it: `+44 7700 900123`. Its spaces do not break a line."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace(" ", UNBROKEN)


def _day(moment: datetime) -> str:
    return f"{moment:%a %d %b %Y}"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def as_text(tree: ContactTree) -> str:
    """The same for a printer that knows only letters; form feeds part the sheets."""
    pages = [_text_of(tree, sheet) for sheet in tree.sheets]
    return "\f".join(pages)


def _text_of(tree: ContactTree, sheet: Sheet) -> str:
    title = f"{tree.company}: {sheet.title}"
    lines = [title, "=" * min(len(title), TEXT_WIDTH)]
    for block in sheet.blocks:
        lines.append("")
        for row in block:
            said = f"{row.value} ({row.note})" if row.note else row.value
            first, later = ("", "") if row.weight is Weight.HEADING else (f"  {row.label:<12} ", " " * 15)
            lines += textwrap.wrap(said, TEXT_WIDTH, initial_indent=first, subsequent_indent=later)
    return "\n".join([*lines, "", *textwrap.wrap(tree.foot, TEXT_WIDTH), ""]).replace(UNBROKEN, " ")
