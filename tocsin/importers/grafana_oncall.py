"""Grafana OnCall: the lists of its public HTTP API (docs/import.md names the calls). Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from contacts.addresses import ChannelKind
from contacts.schedules import WEEK, Schedule
from tocsin.importers.reading import Shape, Value
from tocsin.importers.rotas import DAY, Hours, Instead, Rota, add_schedule, daily, moment_of, replace_in
from tocsin.importers.target import (
    CALM,
    LAST_WAIT,
    PUSH_ADVICE,
    URGENT,
    Addresses,
    Draft,
    Imported,
    beats_of,
    local_part,
)

SHAPE = Shape(
    keys=(
        "users",
        "teams",
        "personal_notification_rules",
        "on_call_shifts",
        "schedules",
        "shift_swaps",
        "escalation_chains",
        "escalation_policies",
        "integrations",
        "routes",
    ),
    wrappers=("results",),
    more=(("next",),),
)

_WEEK = 7 * DAY
_DAYS = {name[:2].upper(): index for index, name in enumerate(WEEK)}
_PERIODS = {"hourly": timedelta(hours=1), "daily": DAY, "weekly": _WEEK}
_RULES = {
    "notify_by_slack": ChannelKind.SLACK,
    "notify_by_sms": ChannelKind.SMS,
    "notify_by_phone_call": ChannelKind.VOICE,
    "notify_by_email": ChannelKind.EMAIL,
}
_TOP = 1_000_000
"""The level of an override."""


def imported(export: dict[str, list[Value]]) -> Imported:
    """Raises CommandRefused with the place of whatever is not as Grafana documents it."""
    draft = Draft("Grafana OnCall")
    rules: dict[str, list[Value]] = {}
    for rule in export.get("personal_notification_rules", []):
        rules.setdefault(rule.field("user_id").text(), []).append(rule)
    users = export.get("users", [])
    for user in users:
        _user(draft, user, rules.get(_id(user), []))
    _teams(draft, export.get("teams", []), users)
    shifts = {_id(each): each for each in export.get("on_call_shifts", [])}
    for schedule in export.get("schedules", []):
        _schedule(draft, schedule, shifts)
    for swap in export.get("shift_swaps", []):
        _swap(draft, swap)
    _chains(draft, export)
    for integration in export.get("integrations", []):
        _integration(draft, integration)
    for route in export.get("routes", []):
        _route(draft, route)
    return draft.done()


def _id(value: Value) -> str:
    return value.field("id").text()


def _user(draft: Draft, user: Value, rules: Sequence[Value]) -> None:
    email, username = user.text_of("email"), user.text_of("username")
    whose = f"user {username or email!r}"
    addresses = draft.addresses(whose)
    number = user.get("phone_number")
    if number is not None:
        addresses.phone(ChannelKind.SMS, number.text(), number.place)
        addresses.phone(ChannelKind.VOICE, number.text(), number.place)
    elif user.is_true("is_phone_number_verified"):
        draft.unmatched.append(f"{whose}: the API does not give their telephone number away; ask them for it.")
    for each in _slack(user):
        addresses.other(ChannelKind.SLACK, each.text(), each.place)
    if email:
        addresses.other(ChannelKind.EMAIL, email, f"{user.place}.email")
    times = {important: list(_times(draft, addresses, rules, important, whose)) for important in (True, False)}
    draft.add_person(
        [_id(user)],
        draft.contact_names.new(username if "@" not in username else local_part(username), local_part(email)),
        username or email,
        user.text_of("timezone"),
        addresses,
        dict.fromkeys(URGENT, beats_of(times[True])) | dict.fromkeys(CALM, beats_of(times[False])),
    )


def _slack(user: Value) -> list[Value]:
    found = user.get("slack")
    if found is None:
        return []
    return [each.field("user_id") for each in (found.items() if isinstance(found.given, list) else [found])]


def _times(
    draft: Draft, addresses: Addresses, rules: Sequence[Value], important: bool, whose: str
) -> Iterator[tuple[timedelta, ChannelKind]]:
    after = timedelta(0)
    chosen = [each for each in rules if each.is_true("important") is important]
    for rule in sorted(chosen, key=lambda each: each.whole_of("position", 0)):
        kind = rule.field("type").text()
        if kind == "wait":
            after += timedelta(seconds=rule.whole_of("duration", 300, at_most=100_000))
        elif kind not in _RULES:
            word = "important" if important else "default"
            advice = PUSH_ADVICE if "mobile_app" in kind else "give them another channel"
            draft.unmatched.append(f"{whose}: the {word} rule {kind!r} has no equivalent; {advice}.")
        elif addresses.has(_RULES[kind]):
            yield after, _RULES[kind]
        else:
            draft.unmatched.append(f"{whose}: the rule {kind!r} is left out, for the export has no address for it.")


def _teams(draft: Draft, teams: Iterable[Value], users: Iterable[Value]) -> None:
    members: dict[str, list[str]] = {}
    for user in users:
        for each in user.list_of("teams"):
            members.setdefault(each.text(), []).append(draft.people[_id(user)])
    for team in teams:
        draft.add_team([_id(team)], team.field("name").text(), members.get(_id(team), []))


def _schedule(draft: Draft, schedule: Value, shifts: dict[str, Value]) -> None:
    name = schedule.field("name").text()
    what = f"schedule {name!r}"
    if schedule.text_of("ical_url_overrides"):
        draft.unmatched.append(f"{what}: its calendar of overrides has no equivalent; write them as overrides.")
    if schedule.text_of("ical_url_primary"):
        _calendar(draft, schedule, name)
        return
    time_zone = draft.time_zone(schedule.text_of("time_zone") or "UTC", what)
    rotas: list[Rota] = []
    instead: list[Instead] = []
    for each in schedule.list_of("shifts"):
        if each.text() not in shifts:
            raise each.refuse(f"{each.text()!r} is not among the on_call_shifts of the export; is it complete?")
        shift = _Shift(draft, shifts[each.text()], what, time_zone)
        if shift.value.field("type").text() == "override" and len(shift.crew()) == 1:
            begin, end = (moment_of(each, shift.zone) for each in shift.span())
            instead.append(Instead(begin, end, shift.crew()[0]))
        else:
            rotas += shift.rotas()
    add_schedule(draft, [_id(schedule)], name, time_zone, rotas, instead)


def _calendar(draft: Draft, schedule: Value, name: str) -> None:
    url = schedule.field("ical_url_primary")
    names = {contact.name: contact.id for contact in draft.contacts}
    try:
        made = Schedule(id=draft.schedule_names.new(name), title=name, calendar=url.text(), names=names)
    except ValidationError:
        draft.unmatched.append(f"schedule {name!r}: {url.text()!r} is no address of a calendar; left out.")
        draft.duty_of[_id(schedule)] = ()
        return
    draft.schedules.append(made)
    draft.duty_of[_id(schedule)] = (made.id,)


@dataclass(frozen=True, slots=True)
class _Shift:
    """One on-call shift: an event that recurs, and whose people take turns."""

    draft: Draft
    value: Value
    schedule: str
    schedule_zone: str

    @property
    def what(self) -> str:
        return f"{self.schedule}: shift {self.value.text_of('name')!r}"

    @property
    def zone(self) -> str:
        return self.draft.time_zone(self.value.text_of("time_zone") or self.schedule_zone, self.what)

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=self.value.field("duration").whole(60, 366 * 86400))

    @property
    def start(self) -> datetime:
        return self.value.field("start").wall_time()

    def crew(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.draft.person(each) for each in self.value.list_of("users")))

    def span(self) -> tuple[datetime, datetime]:
        return self.start, self.start + self.duration

    def rotas(self) -> list[Rota]:
        """None, and a line in the report, when it cannot be said here."""
        kind = self.value.field("type")
        match kind.text():
            case "single_event" | "override":
                crews: list[tuple[str, ...]] = [self.crew()]
            case "recurrent_event":
                crews = [self.crew()]
            case "rolling_users":
                crews = self._rolling()
            case other:
                raise kind.refuse(f"{other!r} is not a shift that Grafana documents.")
        if not crews or not all(crews):
            return self._left_out("it has a turn with nobody in it")
        if kind.text() in ("single_event", "override"):
            begins, ends = self.span()
            level = _TOP if kind.text() == "override" else self._level()
            return [self._rota(crews, DAY, begins, (), ends, level)]
        return self._recurring(crews)

    def _rolling(self) -> list[tuple[str, ...]]:
        given = self.value.list_of("rolling_users")
        crews = [tuple(dict.fromkeys(self.draft.person(user) for user in each.items())) for each in given]
        first = self.value.whole_of("start_rotation_from_user_index", 0, 0, max(len(crews) - 1, 0))
        return crews[first:] + crews[:first]

    def _level(self) -> int:
        return self.value.whole_of("level", 0, 0, 10_000)

    def _recurring(self, crews: list[tuple[str, ...]]) -> list[Rota]:
        frequency, interval = self.value.field("frequency").text(), self.value.whole_of("interval", 1, 1, 10_000)
        if self.value.list_of("by_month") or self.value.list_of("by_monthday") or frequency not in _PERIODS:
            return self._left_out("months cannot be said here")
        turn = interval * _PERIODS[frequency]
        alone, days = len(crews) == 1, self._days()
        if days:
            if frequency == "weekly" and interval == 1 and self.duration <= DAY:
                hours = tuple(Hours(day, self._clock(), self.duration) for day in days)
                return [self._rota(crews, turn, self._week_of_start(), hours, self._until(), self._level())]
            if frequency == "daily" and interval == 1 and alone and self.duration <= DAY:
                hours = tuple(Hours(day, self._clock(), self.duration) for day in days)
                return [self._rota(crews, turn, self.start, hours, self._until(), self._level())]
            return self._left_out(f"{frequency} every {interval} on certain days cannot be said here")
        if self.duration == turn or (alone and self.duration > turn):
            return [self._rota(crews, turn, self.start, (), self._until(), self._level())]
        if self.duration > turn:
            return self._left_out("one turn lasts beyond the beginning of the next")
        if turn == DAY:
            hours = daily(self._clock(), self.duration)
            return [self._rota(crews, turn, self.start, hours, self._until(), self._level())]
        if turn == _WEEK:
            hours = (Hours(self.start.weekday(), self._clock(), self.duration),)
            return [self._rota(crews, turn, self.start, hours, self._until(), self._level())]
        return self._left_out(f"a part of {frequency} every {interval} cannot be said here")

    def _days(self) -> list[int]:
        found = []
        for each in self.value.list_of("by_day"):
            if each.text() not in _DAYS:
                raise each.refuse(f"this should be a day such as MO, not {each.text()!r}.")
            found.append(_DAYS[each.text()])
        return sorted(found)

    def _clock(self) -> timedelta:
        return timedelta(hours=self.start.hour, minutes=self.start.minute)

    def _week_of_start(self) -> datetime:
        """The first day of the week in which it starts, at its own time of day."""
        first = _DAYS.get(self.value.text_of("week_start") or "SU", 6)
        return self.start - ((self.start.weekday() - first) % 7) * DAY

    def _until(self) -> datetime | None:
        found = self.value.get("until")
        return None if found is None else found.wall_time()

    def _rota(
        self,
        crews: list[tuple[str, ...]],
        turn: timedelta,
        anchor: datetime,
        hours: tuple[Hours, ...],
        ends: datetime | None,
        level: int,
    ) -> Rota:
        rotation = self.value.get("rotation_start")
        begins = max(self.start, rotation.wall_time()) if rotation is not None else self.start
        zone = self.zone
        other = zone if zone != self.schedule_zone else None
        return Rota(_id(self.value), tuple(crews), turn, anchor, hours, other, begins, ends, level)

    def _left_out(self, because: str) -> list[Rota]:
        self.draft.unmatched.append(f"{self.what} is left out: {because}.")
        return []


def _swap(draft: Draft, swap: Value) -> None:
    schedule, begin, end = swap.field("schedule"), swap.field("swap_start"), swap.field("swap_end")
    what = f"shift swap {_id(swap)!r} from {begin.text()} to {end.text()}"
    taker = swap.get("benefactor")
    if taker is None:
        draft.unmatched.append(f"{what}: nobody has taken it; left out.")
        return
    draft.duty(schedule)
    person, other = draft.person(swap.field("beneficiary")), draft.person(taker)
    if not replace_in(draft, schedule.text(), begin.moment(), end.moment(), person, other):
        draft.unmatched.append(f"{what}: {other} in place of {person} could not be taken; write it as an override.")


def _chains(draft: Draft, export: dict[str, list[Value]]) -> None:
    steps: dict[str, list[Value]] = {}
    for step in export.get("escalation_policies", []):
        steps.setdefault(step.field("escalation_chain_id").text(), []).append(step)
    for chain in export.get("escalation_chains", []):
        own = sorted(steps.get(_id(chain), []), key=lambda each: each.field("position").whole())
        _chain(draft, chain, own)


def _chain(draft: Draft, chain: Value, steps: Sequence[Value]) -> None:
    name = chain.field("name").text()
    what = f"escalation chain {name!r}"
    rungs: list[tuple[list[str], timedelta]] = []
    page: list[str] = []
    repeats: timedelta | None = None
    for number, step in enumerate(steps, start=1):
        kind = step.get("type")
        match "" if kind is None else kind.text():
            case "wait":
                wait = timedelta(seconds=step.whole_of("duration", 300, at_most=100_000))
                rungs.append((page, wait))
                page = []
            case "repeat_escalation":
                repeats = rungs[-1][1] if rungs and not page else LAST_WAIT
            case _:
                page += _page(draft, step, f"{what}, step {number}")
    if page:
        rungs.append((page, LAST_WAIT))
    draft.add_ladder(_id(chain), what, name, rungs, repeats)


def _page(draft: Draft, step: Value, what: str) -> list[str]:
    kind = step.text_of("type")
    match kind:
        case "notify_persons" | "notify_one_person":
            return [draft.person(each) for each in step.list_of("persons_to_notify")]
        case "notify_on_call_from_schedule":
            found = step.get("notify_on_call_from_schedule")
            if found is None:
                draft.unmatched.append(f"{what}: it names no schedule; left out.")
                return []
            return list(draft.duty(found))
        case "notify_team_members":
            found = step.field("team_to_notify")
            if found.text() not in draft.team_of:
                draft.unmatched.append(f"{what}: nobody is in the team that it pages; left out.")
                return []
            return [draft.team(found)]
        case "notify_person_next_each_time":
            draft.unmatched.append(f"{what} pages its people in turn (round-robin); here it pages them all.")
            return [draft.person(each) for each in step.list_of("persons_to_notify_next_each_time")]
        case _:
            draft.unmatched.append(
                f"{what}: {kind or 'an empty step'} has no equivalent{_ADVICE.get(kind, '')}; left out."
            )
            return []


_ADVICE = {
    "notify_if_time_from_to": " (the ladder goes on at any hour; see 'quiet_hours')",
    "notify_if_num_alerts_in_window": " (the ladder goes on at any number)",
    "trigger_webhook": " (a contact may have a channel of the kind webhook)",
    "notify_user_group": " (make it a team in contacts.yaml)",
    "notify_whole_channel": " (see 'publications')",
    "resolve": " (only a person resolves)",
    "declare_incident": " (every page belongs to an incident)",
}


def _integration(draft: Draft, integration: Value) -> None:
    name, kind = integration.text_of("name"), integration.text_of("type")
    route = integration.get("default_route")
    chain = None if route is None else route.text_of("escalation_chain_id")
    ladder = draft.uses(chain) if chain else None
    becomes = "alertmanager" if kind in ("alertmanager", "grafana_alerting", "grafana") else "signals"
    pages = f", and its default route pages by the ladder {ladder!r}" if ladder is not None else ""
    draft.notes.append(f"integration {name!r} ({kind}) becomes an integration of the kind {becomes}{pages}.")


def _route(draft: Draft, route: Value) -> None:
    if route.is_true("is_the_last_route"):
        return
    regex = route.text_of("routing_regex")
    draft.unmatched.append(
        f"route {_id(route)!r} ({route.text_of('routing_type') or 'regex'} {regex!r}): routes here match whole labels; "
        "write it as a route of the integration."
    )
