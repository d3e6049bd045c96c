"""The directory: contacts.yaml as a frozen snapshot. `resolve` says who stands behind a reference of the plan now.

A reference is a contact (`ana`), `role:care`, `area:technology`, `area:*` (the incident's own area), `team:payments` or
`schedule:tech`; `role:care/deputy` and `/second-deputy` name the others of a role or an area.
Nothing here does I/O: what changes while the file does not (calendars, proofs, numbers taken out) stands in `Live`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, PrivateAttr, StringConstraints

from contacts.addresses import PROVIDERS, ChannelKind, ConsoleChannel, ContactChannel, network_of
from contacts.schedules import WEEK, Schedule, Shift, Weekday, duty_at
from contacts.walltime import ClockTime, LocalMoment, at_clock, begins, ends, zone
from incidents.durations import Duration
from incidents.ids import SituationCode, Slug
from incidents.model import Frozen
from incidents.money import Money
from incidents.severity import Severity

Reference = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?:(?:(?:role|area|team|schedule):)?[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?|area:\*)"
        r"(?:/(?:second-)?deputy)?$"
    ),
]
Holder = Annotated[str, StringConstraints(pattern=r"^(schedule:)?[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
_REACH_OF_DEPUTIES = 8


class Authority(Frozen):
    """What a contact may decide, up to how much, until when, by whose grant."""

    may: Literal["compensation", "publish", "stop-sale", "recall", "shutdown"]
    per_customer: Money | None = None
    total: Money | None = None
    areas: tuple[Slug, ...] = ()
    """Only for incidents of these areas; empty means all."""
    until: AwareDatetime | None = None
    granted_by: str

    def in_force(self, now: datetime) -> bool:
        return self.until is None or now < self.until


class Absence(Frozen):
    """Out of office: whoever is named as deputy, here or on the contact, is called instead."""

    starts: LocalMoment
    ends: LocalMoment
    """A day without a time is meant whole."""
    deputy: Slug | None = None


class QuietHours(Frozen):
    """When minor incidents wait. SEV1 and SEV2 keep no quiet hours."""

    after: ClockTime
    until: ClockTime
    """Not later than `after` means the next morning."""
    severities: Annotated[tuple[Literal[Severity.SEV3, Severity.SEV4], ...], Field(min_length=1)]
    days: tuple[Weekday, ...] = ()
    """The days on which they begin; empty means every day."""


class Beat(Frozen):
    """One beat of a channel ladder: these channels at once, so long after the first page, perhaps repeated."""

    by: Annotated[tuple[ChannelKind, ...], Field(min_length=1)]
    after: Duration = timedelta(0)
    every: Duration | None = None
    times: Annotated[int, Field(ge=0, le=30)] = 0
    """How often it is repeated after its first time, `every` apart."""


class Contact(Frozen):
    id: Slug
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    """What they are called in: en and es have texts; whoever speaks another language hears English."""
    time_zone: str = "UTC"
    channels: Annotated[tuple[ContactChannel, ...], Field(min_length=1)]
    """In the order in which they are tried."""
    paging: dict[Severity, Annotated[tuple[Beat, ...], Field(min_length=1)]] = {}
    """Their own channel ladder by severity; default that of the directory."""
    drills: bool = False
    """Opted in to drills on real channels; without it a drill reaches only their console (invariant 11)."""
    deputy: Slug | None = None
    """Called in their place while they are absent."""
    reports_to: Slug | None = None
    """Who is implicated in an incident leaves its ladders together with everybody who reports to them."""
    areas: tuple[Slug, ...] = ()
    conflicts: tuple[SituationCode | Slug, ...] = ()
    """Situations and areas in which they have an interest of their own: they leave the ladders of those incidents."""
    quiet_hours: tuple[QuietHours, ...] = ()
    absences: tuple[Absence, ...] = ()
    authority: tuple[Authority, ...] = ()

    @property
    def speaks(self) -> Literal["en", "es"]:
        """The language of the texts that they get."""
        return "es" if self.language == "es" else "en"

    def channels_for(self, *, drill: bool) -> tuple[ContactChannel, ...]:
        """The channels a page may use, in order. Empty means that this contact cannot be reached."""
        if drill and not self.drills:
            return tuple(channel for channel in self.channels if isinstance(channel, ConsoleChannel))
        return tuple(self.channels)


class _Held(Frozen):
    id: Slug
    title: str
    responsible: Holder
    """A contact, or a schedule whose people on duty hold it."""
    deputy: Holder | None = None
    second_deputy: Holder | None = None

    @property
    def holders(self) -> tuple[str, ...]:
        return tuple(each for each in (self.responsible, self.deputy, self.second_deputy) if each is not None)


class Role(_Held):
    pass


class Area(_Held):
    """A part of the company: who answers for it, and who after them."""


class Team(Frozen):
    id: Slug
    title: str
    members: Annotated[tuple[Slug, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What somebody is wanted for, and when. Without a severity quiet hours do not count."""

    at: datetime
    severity: Severity | None = None
    situation: str | None = None
    area: str | None = None
    implicated: frozenset[str] = frozenset()
    drill: bool = False
    in_person: bool = False
    """Nobody can stand in: authority is personal."""


@dataclass(frozen=True, slots=True)
class Found:
    """Who stands behind a reference; why others do not; and the span around the moment in which this stays so."""

    contacts: tuple[Contact, ...]
    because: tuple[str, ...] = ()
    quiet: bool = False
    """Whether somebody would have been found but for their quiet hours."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One way to one address: the `line`-th address of this kind that the contact has, by this provider."""

    channel: ChannelKind
    line: int
    provider: str
    to: str
    network: str


@dataclass(frozen=True, slots=True)
class Live:
    """What is known beside the file: calendars as last read, addresses taken out by STOP, proofs that were given."""

    calendars: dict[str, tuple[Shift, ...]] = field(default_factory=dict)
    out: frozenset[str] = frozenset()
    proofs: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """(channel kind, address) -> when its owner last proved that it reaches them."""
    broken: frozenset[str] = frozenset()
    """Providers and networks (`provider:twilio`, `network:phone`) that are taken for dead; `prove` sets it."""


class Directory(Frozen):
    """contacts.yaml as loaded. `resolve` and `contact` never raise for what the plan check has let through."""

    contacts: tuple[Contact, ...]
    roles: tuple[Role, ...] = ()
    areas: tuple[Area, ...] = ()
    teams: tuple[Team, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    providers: dict[ChannelKind, Annotated[tuple[Slug, ...], Field(min_length=1)]] = {}
    """Who carries each kind of channel, in the order in which they are tried."""
    paging: dict[Severity, Annotated[tuple[Beat, ...], Field(min_length=1)]] = {}
    """How everybody is called, by severity: the channel ladder of whoever has none of their own. Without one the
    channels are tried in their order, and a rung's `repeat` goes on to the next."""
    reverify_every: Duration = timedelta(days=30)
    """How long a proof is good (domain.md B12)."""

    _live: Live = PrivateAttr(default_factory=Live)

    @property
    def live(self) -> Live:
        return self._live

    def with_live(self, live: Live) -> "Directory":
        """The same file with other surroundings."""
        copy = self.model_copy()
        copy._live = live
        copy.__dict__.pop("_routes", None)
        return copy

    # --- who there is ---

    def contact(self, contact_id: str) -> Contact | None:
        return self._by_id().get(contact_id)

    def role(self, role_id: str) -> Role | None:
        return next((each for each in self.roles if each.id == role_id), None)

    def area(self, area_id: str) -> Area | None:
        return next((each for each in self.areas if each.id == area_id), None)

    def team(self, team_id: str) -> Team | None:
        return next((each for each in self.teams if each.id == team_id), None)

    def schedule(self, schedule_id: str) -> Schedule | None:
        return next((each for each in self.schedules if each.id == schedule_id), None)

    def owner_of(self, address: str) -> Contact | None:
        """Whose address this is, the first of those who share it."""
        return next((each for each in self.contacts if any(channel.to == address for channel in each.channels)), None)

    def title_of(self, reference: str) -> str | None:
        """`Customer care lead` for `role:care`; None for a person."""
        body, _, rank = reference.partition("/")
        kind, _, name = body.rpartition(":")
        known = {"role": self.role, "area": self.area, "team": self.team, "schedule": self.schedule}.get(kind)
        found = None if known is None else known(name)
        if found is None:
            return None
        return f"{found.title}, {rank.replace('-', ' ')}" if rank else found.title

    # --- who is wanted ---

    def resolve(self, reference: str, occasion: Occasion) -> Found:
        """Everybody whom `reference` means on this occasion. Nobody is an answer too, with its reasons."""
        look = _Look(self, occasion)
        contacts = look.behind(reference)
        distinct = tuple({contact.id: contact for contact in contacts}.values())
        return Found(distinct, tuple(dict.fromkeys(look.because)), look.quiet, look.since, look.until)

    def first(self, reference: str, at: datetime) -> Contact | None:
        """Whoever is asked first behind a reference, whatever it is about."""
        return next(iter(self.resolve(reference, Occasion(at)).contacts), None)

    def implicated_in(self, contacts: Sequence[str]) -> frozenset[str]:
        """These contacts and everybody who reports to one of them, directly or through others."""
        out = set(contacts)
        grown = True
        while grown:
            more = {each.id for each in self.contacts if each.reports_to in out} - out
            out |= more
            grown = bool(more)
        return frozenset(out)

    # --- how they are reached ---

    def routes(self, contact: Contact, *, drill: bool) -> tuple[Route, ...]:
        """Every way to this contact that may be used now, in the order in which they are tried."""
        # Asked for several times a page; what is known of an address changes only with the surroundings. Kept beside
        # the fields, as the index of contacts is: it is no part of what the directory says.
        cache: dict[tuple[str, bool], tuple[Route, ...]] = self.__dict__.setdefault("_routes", {})
        known = cache.get((contact.id, drill))
        if known is None:
            known = self._routes_of(contact, drill=drill)
            if self._by_id().get(contact.id) is contact:
                cache[contact.id, drill] = known
        return known

    def _routes_of(self, contact: Contact, *, drill: bool) -> tuple[Route, ...]:
        lines: dict[str, int] = {}
        found: list[Route] = []
        usable = contact.channels_for(drill=drill)
        for channel in usable:
            kind = ChannelKind(channel.kind)
            lines[kind] = lines.get(kind, 0) + 1
            if channel.to in self._live.out:
                continue
            network = network_of(channel)
            found.extend(
                Route(kind, lines[kind], provider, channel.to, network) for provider in self.providers_of(kind)
            )
        return tuple(found)

    def providers_of(self, kind: ChannelKind) -> tuple[str, ...]:
        return self.providers.get(kind) or (PROVIDERS[kind],)

    def beats(self, contact: Contact, severity: Severity) -> tuple[Beat, ...]:
        """The channel ladder of this contact; empty means: their channels in their order."""
        return contact.paging.get(severity) or self.paging.get(severity) or ()

    def proof_of(self, channel: ContactChannel) -> tuple[date | None, date | None]:
        """(verified, expires) of an address: the later of what the file says and what its owner has answered."""
        answered = self._live.proofs.get((channel.kind, channel.to))
        day = None if answered is None else answered.date()
        if day is not None and (channel.verified is None or day > channel.verified):
            return day, day + self.reverify_every
        if channel.verified is None:
            return None, None
        return channel.verified, channel.expires or channel.verified + self.reverify_every

    def is_proven(self, channel: ContactChannel, today: date) -> bool:
        verified, expires = self.proof_of(channel)
        return verified is not None and expires is not None and today < expires

    def _by_id(self) -> dict[str, Contact]:
        index: dict[str, Contact] | None = self.__dict__.get("_index")
        if index is None:
            index = {contact.id: contact for contact in self.contacts}
            self.__dict__["_index"] = index
        return index


def excluded(contact: Contact, occasion: Occasion) -> str | None:
    """Why this contact may have nothing to do with the incident, or None."""
    if contact.id in occasion.implicated:
        return f"{contact.id} is implicated, or reports to somebody who is"
    for interest in contact.conflicts:
        if interest in (occasion.situation, occasion.area):
            return f"{contact.id} has a conflict of interest ({interest})"
    return None


@dataclass(slots=True)
class _Look:
    """One resolution: gathers reasons, and the moments around now at which the answer may change."""

    directory: Directory
    occasion: Occasion
    because: list[str] = field(default_factory=list)
    quiet: bool = False
    since: datetime | None = None
    until: datetime | None = None

    def behind(self, reference: str) -> list[Contact]:
        body, _, rank = reference.partition("/")
        kind, _, name = body.rpartition(":")
        match kind:
            case "role":
                return self._held(self.directory.role(name), body, rank)
            case "area":
                wanted = self.occasion.area if name == "*" else name
                if wanted is None:
                    self.because.append("the incident has no area")
                    return []
                return self._held(self.directory.area(wanted), f"area:{wanted}", rank)
            case "team":
                team = self.directory.team(name)
                members = () if team is None else team.members
                return [found for each in members for found in self._person(each)]
            case "schedule":
                return self._on_duty(name)
            case _:
                return self._person(body)

    def _held(self, held: _Held | None, name: str, rank: str) -> list[Contact]:
        """The responsible, or whoever comes after them; with a rank, the holder of just that one."""
        if held is None:
            self.because.append(f"{name} is nobody")
            return []
        ranked = {"": held.holders, "deputy": (held.deputy,), "second-deputy": (held.second_deputy,)}[rank]
        if ranked == (None,):
            self.because.append(f"{name} has no {rank.replace('-', ' ')}")
        for holder in ranked:
            if holder is None:
                continue
            if holder.startswith("schedule:"):
                found = self._on_duty(holder.removeprefix("schedule:"))
            else:
                found = self._person(holder, to_deputy=rank != "" or len(ranked) == 1)
            if found:
                return found
        # Nobody of the role itself: their own deputies.
        return [found for each in held.holders if not each.startswith("schedule:") for found in self._person(each)][:1]

    def _on_duty(self, schedule_id: str) -> list[Contact]:
        schedule = self.directory.schedule(schedule_id)
        if schedule is None:
            self.because.append(f"schedule:{schedule_id} is nobody")
            return []
        duty = duty_at(schedule, self.occasion.at, self.directory.live.calendars.get(schedule_id, ()))
        self._bounds(duty.since, duty.until)
        if not duty.people:
            self.because.append(f"nobody is on duty in schedule:{schedule_id}")
        return [found for each in duty.people for found in self._person(each)]

    def _person(self, contact_id: str, *, to_deputy: bool = True, passed_on: int = 0) -> list[Contact]:
        contact = self.directory.contact(contact_id)
        if contact is None:
            self.because.append(f"{contact_id} is nobody")
            return []
        conflict = excluded(contact, self.occasion)
        if conflict is not None:
            self.because.append(conflict)
            return []
        absence = self._absence(contact)
        if absence is not None:
            self.because.append(f"{contact.id} is absent")
            deputy = absence.deputy or contact.deputy
            if deputy is None or not to_deputy or self.occasion.in_person or passed_on >= _REACH_OF_DEPUTIES:
                return []
            return self._person(deputy, passed_on=passed_on + 1)
        if not self.directory.routes(contact, drill=self.occasion.drill):
            usable = " that a drill may use" if self.occasion.drill else ""
            self.because.append(f"{contact.id} has no channel{usable}")
            return []
        if self._is_quiet(contact):
            self.quiet = True
            self.because.append(f"{contact.id} has quiet hours")
            return []
        return [contact]

    def _absence(self, contact: Contact) -> Absence | None:
        where, found = zone(contact.time_zone), None
        for absence in contact.absences:
            start, end = begins(absence.starts, where), ends(absence.ends, where)
            self._edge(start)
            self._edge(end)
            if start <= self.occasion.at < end:
                found = absence
        return found

    def _is_quiet(self, contact: Contact) -> bool:
        quiet = False
        for start, end in quiet_spans(contact, self.occasion.severity, self.occasion.at):
            self._edge(start)
            self._edge(end)
            quiet = quiet or start <= self.occasion.at < end
        return quiet

    def _edge(self, moment: datetime) -> None:
        if moment <= self.occasion.at:
            self._bounds(moment, None)
        else:
            self._bounds(None, moment)

    def _bounds(self, since: datetime | None, until: datetime | None) -> None:
        if since is not None and (self.since is None or since > self.since):
            self.since = since
        if until is not None and (self.until is None or until < self.until):
            self.until = until


def quiet_spans(contact: Contact, severity: Severity | None, around: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The quiet hours of this severity near a moment: those of yesterday, today and the days up to the next ones."""
    where = zone(contact.time_zone)
    today = around.astimezone(where).date()
    for each in contact.quiet_hours:
        if severity not in each.severities:
            continue
        for offset in range(-1, 8):
            day = today + timedelta(days=offset)
            if each.days and WEEK[day.weekday()] not in each.days:
                continue
            following = day + timedelta(days=1) if each.until <= each.after else day
            yield at_clock(day, each.after, where), at_clock(following, each.until, where)
