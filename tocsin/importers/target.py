"""What an import ends in, and the draft that a vendor's reader fills: people, schedules, ladders, leftovers."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import TypeAdapter, ValidationError

from contacts.addresses import (
    ChannelKind,
    ConsoleChannel,
    ContactChannel,
    SmsChannel,
    VoiceChannel,
    has_letters,
    is_possible,
)
from contacts.directory import Absence, Beat, Contact, Team
from contacts.schedules import Schedule
from incidents.severity import Severity
from runbooks.plan import Backoff, Ladder, Rung
from tocsin.importers.reading import Value

URGENT, CALM = (Severity.SEV1, Severity.SEV2), (Severity.SEV3, Severity.SEV4)
EVERY = (*URGENT, *CALM)
PUSH_ADVICE = "let them open the page /push in their browser and subscribe it"
LAST_WAIT = timedelta(minutes=5)
"""How long the last rung has when the vendor does not say."""
_LONGEST_AGAIN = timedelta(minutes=30)
Found = TypeVar("Found")
_CHANNEL: TypeAdapter[ContactChannel] = TypeAdapter(ContactChannel)


@dataclass(frozen=True, slots=True)
class Imported:
    """An export as Tocsin's own words. `unmatched` has one line for each object that has no equivalent here."""

    vendor: str
    contacts: tuple[Contact, ...]
    teams: tuple[Team, ...]
    schedules: tuple[Schedule, ...]
    ladders: dict[str, Ladder]
    main_ladder: str | None
    """The ladder that most services use, else the first."""
    unmatched: tuple[str, ...]
    notes: tuple[str, ...]
    """What is a little different from now on, and what to do about services and integrations."""


@dataclass(slots=True)
class Names:
    """Slugs of one kind, each given out once."""

    taken: set[str] = field(default_factory=set)

    def new(self, *wishes: str) -> str:
        """From the first wish that leaves something; the second of the same name is `ana-2`."""
        base = next((slug for wish in wishes if (slug := slugged(wish))), "unnamed")
        found, number = base, 1
        while found in self.taken:
            number += 1
            found = f"{base}-{number}"
        self.taken.add(found)
        return found


def slugged(text: str) -> str:
    """Small letters, digits and hyphens; accents are dropped. Empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")


def local_part(email: str) -> str:
    return email.partition("@")[0].partition("+")[0]


def e164(number: str) -> str | None:
    """`+447700900001` for a number that begins with its country code, however written; None if it cannot be one."""
    if has_letters(number):
        return None
    try:
        parsed = phonenumbers.parse(f"+{number.lstrip(' +')}", None)
    except phonenumbers.NumberParseException:
        return None
    if not is_possible(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@dataclass(slots=True)
class Addresses:
    """The channels of one contact as they are found, each once."""

    whose: str
    unmatched: list[str]
    found: list[ContactChannel] = field(default_factory=list)

    def phone(self, kind: ChannelKind, number: str, place: str) -> bool:
        written = e164(number)
        if written is None:
            self.unmatched.append(f"{place}: {number!r} cannot be a phone number; ask {self.whose}.")
            return False
        model = SmsChannel if kind is ChannelKind.SMS else VoiceChannel
        self._add(model.model_validate({"kind": kind.value, "to": written}))
        return True

    def other(self, kind: ChannelKind, to: str, place: str) -> bool:
        try:
            self._add(_CHANNEL.validate_python({"kind": kind.value, "to": to}))
        except ValidationError:
            self.unmatched.append(f"{place}: {to!r} is no {kind} address that Tocsin can use; ask {self.whose}.")
            return False
        return True

    def has(self, kind: ChannelKind) -> bool:
        return any(each.kind == kind for each in self.found)

    def several(self, kind: ChannelKind) -> bool:
        return sum(each.kind == kind for each in self.found) > 1

    def _add(self, channel: ContactChannel) -> None:
        if channel not in self.found:
            self.found.append(channel)

    def all_or_console(self, contact_id: str) -> tuple[ContactChannel, ...]:
        if self.found:
            return tuple(self.found)
        self.unmatched.append(f"{self.whose}: the export has no address for them; now they are on the console only.")
        return (ConsoleChannel(kind="console", to=contact_id),)


def beats_of(times: Iterable[tuple[timedelta, ChannelKind]]) -> tuple[Beat, ...]:
    """Beats from (how long after the first page, channel): what is due at once is one beat."""
    together: dict[timedelta, list[ChannelKind]] = {}
    for after, kind in sorted(times, key=lambda each: each[0]):
        kinds = together.setdefault(after, [])
        if kind not in kinds:
            kinds.append(kind)
    return tuple(Beat(by=tuple(kinds), after=after) for after, kinds in together.items())


@dataclass(slots=True)
class Draft:
    """What has been read so far. Vendors' ids stand for our references once their object has been read."""

    vendor: str
    contacts: list[Contact] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    ladders: dict[str, Ladder] = field(default_factory=dict)
    ladder_of: dict[str, str] = field(default_factory=dict)
    """A vendor's policy -> the ladder's name."""
    used_by: dict[str, int] = field(default_factory=dict)
    """A ladder's name -> how many services use it."""
    unmatched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)
    """A vendor's user -> the contact's id."""
    team_of: dict[str, str] = field(default_factory=dict)
    duty_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """A vendor's schedule -> the schedules that stand for it; several where people were on call side by side."""
    contact_names: Names = field(default_factory=Names)
    schedule_names: Names = field(default_factory=Names)
    team_names: Names = field(default_factory=Names)
    ladder_names: Names = field(default_factory=lambda: Names({"safety", "viral", "viral-major"}))
    """The starter plan keeps ladders of these names."""

    def addresses(self, whose: str) -> Addresses:
        return Addresses(whose, self.unmatched)

    def add_person(
        self,
        vendor_ids: Sequence[str],
        contact_id: str,
        name: str,
        time_zone: str,
        addresses: Addresses,
        paging: dict[Severity, tuple[Beat, ...]],
        absences: tuple[Absence, ...] = (),
        language: str = "en",
    ) -> None:
        for each in vendor_ids:
            self.people[each] = contact_id
        contact = Contact(
            id=contact_id,
            name=name[:80] or contact_id,
            language=language,
            time_zone=self.time_zone(time_zone, addresses.whose),
            channels=addresses.all_or_console(contact_id),
            paging={severity: beats for severity, beats in paging.items() if beats},
            absences=absences,
        )
        self.contacts.append(contact)

    def person(self, reference: Value) -> str:
        """The contact of a vendor's user id. CommandRefused when the export does not have that user."""
        return _known(self.people, reference, "users")

    def team(self, reference: Value) -> str:
        return f"team:{_known(self.team_of, reference, 'teams')}"

    def duty(self, reference: Value) -> tuple[str, ...]:
        """`schedule:x` of a vendor's schedule id; none when nothing of it could be taken."""
        return tuple(f"schedule:{each}" for each in _known(self.duty_of, reference, "schedules"))

    def add_team(self, vendor_ids: Sequence[str], name: str, members: Iterable[str]) -> None:
        """A team with nobody in it has no equivalent."""
        people = tuple(dict.fromkeys(members))
        if not people:
            self.unmatched.append(f"team {name!r}: nobody is in it; left out.")
            return
        team_id = self.team_names.new(name)
        for each in vendor_ids:
            self.team_of[each] = team_id
        self.teams.append(Team(id=team_id, title=name, members=people))

    def time_zone(self, name: str, whose: str) -> str:
        """A zone that exists; UTC, and a line in the report, for any other."""
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: a folder of zones such as Europe
            if name:
                self.unmatched.append(f"{whose}: the time zone {name!r} is not known; UTC is taken.")
            return "UTC"
        return name

    def add_ladder(
        self,
        vendor_id: str,
        what: str,
        name: str,
        rungs: Sequence[tuple[Sequence[str], timedelta]],
        repeats: timedelta | None,
    ) -> None:
        """A ladder from (references, wait) by rung; empty rungs are passed over, their wait is added to the one before.

        `repeats` is how long after the last rung the vendor begins again, where it does: then everybody is called again
        in extremis, else those of the last rung.
        """
        steps: list[tuple[list[str], timedelta]] = []
        for page, wait in rungs:
            references = list(dict.fromkeys(page))
            if references:
                steps.append((references, wait))
            elif steps:
                steps[-1] = (steps[-1][0], steps[-1][1] + wait)
        if not steps:
            self.unmatched.append(f"{what}: nobody is left to page; left out.")
            return
        ladder_id = self.ladder_names.new(name)
        self.ladder_of[vendor_id] = ladder_id
        everybody = [each for page, _ in steps for each in page] if repeats is not None else steps[-1][0]
        again = max(repeats or LAST_WAIT, timedelta(minutes=1))
        self.ladders[ladder_id] = Ladder(
            rungs=tuple(Rung(page=tuple(page), wait=max(wait, timedelta(minutes=1))) for page, wait in steps),
            in_extremis=tuple(dict.fromkeys(everybody)),
            again=Backoff(every=again, at_most=max(again, _LONGEST_AGAIN)),
        )

    def uses(self, vendor_policy_id: str) -> str | None:
        """The ladder of a policy that a service uses; counted."""
        ladder = self.ladder_of.get(vendor_policy_id)
        if ladder is not None:
            self.used_by[ladder] = self.used_by.get(ladder, 0) + 1
        return ladder

    def done(self) -> Imported:
        if self.ladders:
            self.notes.append(
                "Policies that ended after their last step go on: Tocsin calls 'in_extremis' until somebody answers."
            )
        main = max(self.ladders, key=lambda each: self.used_by.get(each, 0), default=None)
        return Imported(
            vendor=self.vendor,
            contacts=tuple(self.contacts),
            teams=tuple(self.teams),
            schedules=tuple(self.schedules),
            ladders=self._reachable(),
            main_ladder=main,
            unmatched=tuple(self.unmatched),
            notes=tuple(self.notes),
        )

    def _reachable(self) -> dict[str, Ladder]:
        """The ladders, each with somebody at its end who can be woken, if there is one."""
        awake = [each.id for each in self.contacts if can_be_woken(each)]
        if not awake:
            return self.ladders
        found = {}
        for name, ladder in self.ladders.items():
            if not any(self._behind(each).intersection(awake) for each in ladder.in_extremis):
                ladder = ladder.model_copy(update={"in_extremis": (*ladder.in_extremis, awake[0])})
                self.notes.append(f"Nobody at the end of the ladder {name!r} has a phone; {awake[0]} was added there.")
            found[name] = ladder
        return found

    def _behind(self, reference: str) -> set[str]:
        kind, _, name = reference.rpartition(":")
        if kind == "team":
            return {person for each in self.teams if each.id == name for person in each.members}
        if kind == "schedule":
            found = [each for each in self.schedules if each.id == name]
            crews = (crew for schedule in found for layer in schedule.layers for crew in layer.crews())
            return {person for crew in crews for person in crew}
        return {reference}


def can_be_woken(contact: Contact) -> bool:
    return any(channel.kind != "console" for channel in contact.channels)


def _known(ids: dict[str, Found], reference: Value, where: str) -> Found:
    found = ids.get(reference.text())
    if found is None:
        raise reference.refuse(f"{reference.text()!r} is not among the {where} of the export; is it complete?")
    return found
