"""Opsgenie: the folder that its configuration backup writes, or lists of its REST API (docs/import.md). Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from contacts.addresses import ChannelKind
from contacts.directory import Absence, Beat
from contacts.schedules import WEEKLY
from incidents.severity import Severity
from tocsin.importers.reading import Shape, Value
from tocsin.importers.rotas import DAY, Hours, Instead, Rota, add_schedule, daily, local, stamp
from tocsin.importers.target import EVERY, LAST_WAIT, PUSH_ADVICE, Draft, Imported, beats_of, local_part

SHAPE = Shape(
    keys=("users", "teams", "schedules", "escalations", "forwardings", "integrations"),
    wrappers=("data",),
    more=(("paging", "next"),),
)

_TURNS = {"hourly": timedelta(hours=1), "daily": DAY, "weekly": WEEKLY}
_UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": DAY}
_KINDS = {"sms": ChannelKind.SMS, "voice": ChannelKind.VOICE, "email": ChannelKind.EMAIL}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPOKEN = ("en", "es")


def imported(export: dict[str, list[Value]]) -> Imported:
    """Raises CommandRefused with the place of whatever is not as Opsgenie documents it."""
    draft = Draft("Opsgenie")
    absences = _absences(export.get("forwardings", []), export.get("users", []))
    names = _contact_ids(draft, export.get("users", []))
    for wrapped in export.get("users", []):
        _user(draft, wrapped, names, absences)
    for wrapped in export.get("teams", []):
        _team(draft, wrapped)
    for wrapped in export.get("schedules", []):
        _schedule(draft, wrapped)
    for escalation in export.get("escalations", []):
        _escalation(draft, escalation)
    for wrapped in export.get("teams", []):
        _routing(draft, wrapped)
    for integration in export.get("integrations", []):
        _integration(draft, integration)
    return draft.done()


def _id(value: Value) -> str:
    return value.field("id").text()


def _inside(wrapped: Value, name: str) -> Value:
    """The backup puts an entity beside what belongs to it: `{"user": {...}, "notificationRuleList": [...]}`."""
    return wrapped.get(name) or wrapped


def _contact_ids(draft: Draft, users: Sequence[Value]) -> dict[str, str]:
    """A contact's id by the user's id and user name: a forwarding may name somebody who comes later."""
    found = {}
    for wrapped in users:
        user = _inside(wrapped, "user")
        username = user.field("username").text()
        contact_id = draft.contact_names.new(local_part(username), user.text_of("fullName"))
        found[_id(user)] = found[username.lower()] = contact_id
    return found


def _absences(forwardings: Sequence[Value], users: Sequence[Value]) -> dict[str, list[tuple[Value, str]]]:
    """By whom, each with the name of who is called instead."""
    ids = {_inside(each, "user").field("username").text().lower() for each in users}
    found: dict[str, list[tuple[Value, str]]] = {}
    for each in forwardings:
        away, instead = each.field("fromUser").field("username"), each.field("toUser").field("username")
        for who in (away, instead):
            if who.text().lower() not in ids:
                raise who.refuse(f"{who.text()!r} is not among the users of the export; is it complete?")
        found.setdefault(away.text().lower(), []).append((each, instead.text().lower()))
    return found


def _user(draft: Draft, wrapped: Value, names: dict[str, str], absences: dict[str, list[tuple[Value, str]]]) -> None:
    user = _inside(wrapped, "user")
    username, name = user.field("username").text(), user.text_of("fullName")
    whose = f"user {name or username!r}"
    if user.is_true("blocked"):
        draft.unmatched.append(f"{whose} is blocked there; here they are called like everybody else.")
    addresses = draft.addresses(whose)
    for contact in user.list_of("userContacts"):
        method, to = contact.field("contactMethod").text(), contact.field("to")
        if not contact.is_true("enabled", otherwise=True):
            draft.unmatched.append(f"{whose}: the contact {method} {to.text()!r} is disabled; left out.")
        elif method not in _KINDS:
            advice = PUSH_ADVICE if method == "mobile" else "give them another channel"
            draft.unmatched.append(f"{whose}: a contact of the kind {method!r} has no equivalent; {advice}.")
        elif method == "email":
            addresses.other(ChannelKind.EMAIL, to.text(), to.place)
        else:
            addresses.phone(_KINDS[method], to.text(), to.place)
    rules = wrapped.list_of("notificationRuleList") or user.list_of("notificationRuleList")
    known = {ChannelKind(each.kind) for each in addresses.found}
    language = user.text_of("locale")[:2].lower()
    draft.add_person(
        [_id(user), username.lower()],
        names[_id(user)],
        name or username,
        user.text_of("timeZone") or user.text_of("timezone"),
        addresses,
        _paging(draft, rules, known, whose),
        tuple(
            Absence(
                starts=stamp(each.field("startDate").moment()),
                ends=stamp(each.field("endDate").moment()),
                deputy=names[instead],
            )
            for each, instead in absences.get(username.lower(), [])
        ),
        language if language in _SPOKEN else "en",
    )


def _paging(
    draft: Draft, rules: Sequence[Value], known: set[ChannelKind], whose: str
) -> dict[Severity, tuple[Beat, ...]]:
    """The first enabled rule for a new alert that matches every alert. Rules for some alerts have no equivalent."""
    found: dict[Severity, tuple[Beat, ...]] = {}
    for rule in sorted(rules, key=lambda each: each.whole_of("order", 0)):
        called, kind = rule.text_of("name"), rule.field("actionType").text()
        if not rule.is_true("enabled", otherwise=True):
            continue
        if kind != "create-alert":
            if rule.list_of("steps"):
                draft.unmatched.append(f"{whose}: the notification rule {called!r} ({kind}) has no equivalent.")
            continue
        criteria = rule.get("criteria")
        some = criteria is not None and criteria.text_of("type") not in ("", "match-all")
        if some or rule.get("timeRestriction") is not None:
            draft.unmatched.append(
                f"{whose}: the notification rule {called!r} is for some alerts only; see 'paging' and 'quiet_hours'."
            )
            continue
        if found:
            continue  # the first that matches is the only one that counts
        repeat = rule.get("repeat")
        if repeat is not None and repeat.is_true("enabled", otherwise=True):
            draft.unmatched.append(f"{whose}: the notification rule {called!r} begins again; see 'every' of a beat.")
        times = [time for step in rule.list_of("steps") if (time := _step(step, known)) is not None]
        found = dict.fromkeys(EVERY, beats_of(times))
    return found


def _step(step: Value, known: set[ChannelKind]) -> tuple[timedelta, ChannelKind] | None:
    kind = _KINDS.get(step.field("contact").field("method").text())
    if kind is None or kind not in known or not step.is_true("enabled", otherwise=True):
        return None
    after = step.get("sendAfter")
    return timedelta(0) if after is None else _length(after), kind


def _length(value: Value) -> timedelta:
    unit = value.text_of("timeUnit") or "minutes"
    if unit not in _UNITS:
        raise value.field("timeUnit").refuse(f"this should be minutes, hours or days, not {unit!r}.")
    return value.field("timeAmount").whole(at_most=10_000) * _UNITS[unit]


def _team(draft: Draft, wrapped: Value) -> None:
    team = _inside(wrapped, "team")
    name = team.field("name").text()
    members = [draft.person(each.field("user").field("id")) for each in team.list_of("members")]
    draft.add_team([_id(team)], name, members)


def _schedule(draft: Draft, wrapped: Value) -> None:
    schedule = _inside(wrapped, "schedule")
    name = schedule.field("name").text()
    what = f"schedule {name!r}"
    time_zone = draft.time_zone(schedule.text_of("timezone") or schedule.text_of("timeZone"), what)
    if not schedule.is_true("enabled", otherwise=True):
        draft.unmatched.append(f"{what} is disabled there; here it is not.")
    if schedule.get("rotations") is None:
        raise schedule.refuse("the rotations are missing; export the schedules with expand=rotation.")
    rotas = [
        rota
        for each in schedule.field("rotations").items()
        if (rota := _rotation(draft, each, what, time_zone)) is not None
    ]
    overrides = wrapped.list_of("scheduleOverrideList") or schedule.list_of("overrides")
    instead = [found for each in overrides if (found := _override(draft, each, what)) is not None]
    add_schedule(draft, [_id(schedule), name], name, time_zone, rotas, instead)


def _rotation(draft: Draft, rotation: Value, schedule: str, time_zone: str) -> Rota | None:
    what = f"{schedule}: rotation {rotation.text_of('name')!r}"
    if not rotation.is_true("enabled", otherwise=True):
        draft.unmatched.append(f"{what} is disabled; left out.")
        return None
    crews = [_crew(draft, each, what) for each in rotation.field("participants").items()]
    if not crews or not all(crews):
        draft.unmatched.append(f"{what} is left out: it has a turn with nobody, or with an escalation.")
        return None
    kind, end = rotation.field("type"), rotation.get("endDate")
    if kind.text() not in _TURNS:
        raise kind.refuse(f"this should be hourly, daily or weekly, not {kind.text()!r}.")
    begins = local(rotation.field("startDate").moment(), time_zone)
    return Rota(
        name=_id(rotation),
        crews=tuple(crews),
        turn=rotation.whole_of("length", 1, 1, 10_000) * _TURNS[kind.text()],
        anchor=begins,
        hours=tuple(_hours(rotation)),
        begins=begins,
        ends=None if end is None else local(end.moment(), time_zone),
    )


def _crew(draft: Draft, participant: Value, what: str) -> tuple[str, ...]:
    kind = participant.field("type")
    match kind.text():
        case "user":
            return (draft.person(participant.field("id")),)
        case "team":
            found = participant.field("id")
            if found.text() not in draft.team_of:
                return ()
            team_id = draft.team(found).removeprefix("team:")
            draft.unmatched.append(f"{what}: the turn of the team {team_id!r} is that of everybody now in it.")
            return next(each.members for each in draft.teams if each.id == team_id)
        case "none" | "escalation":
            return ()
        case other:
            raise kind.refuse(f"{other!r} is not a participant that Opsgenie documents.")


def _hours(rotation: Value) -> Iterator[Hours]:
    limits = rotation.get("timeRestriction")
    if limits is None:
        return
    kind = limits.field("type")
    match kind.text():
        case "time-of-day":
            begin, end = _edge(limits.field("restriction"))
            yield from daily(begin, end - begin if end > begin else end - begin + DAY)
        case "weekday-and-time-of-day":
            for each in limits.field("restrictions").items():
                begin, end = _edge(each)
                first, last = _day(each.field("startDay")), _day(each.field("endDay"))
                length = (last - first) % 7 * DAY + end - begin
                yield Hours(first, begin, length if length > timedelta(0) else length + 7 * DAY)
        case other:
            raise kind.refuse(f"{other!r} is not a restriction that Opsgenie documents.")


def _edge(value: Value) -> tuple[timedelta, timedelta]:
    begin, end = (
        timedelta(hours=value.field(f"{edge}Hour").whole(0, 24), minutes=value.whole_of(f"{edge}Min", 0, 0, 59))
        for edge in ("start", "end")
    )
    return begin, end


def _day(value: Value) -> int:
    if value.text().lower() not in _DAYS:
        raise value.refuse(f"this should be a day such as monday, not {value.text()!r}.")
    return _DAYS.index(value.text().lower())


def _override(draft: Draft, override: Value, what: str) -> Instead | None:
    user, begin, end = override.field("user"), override.field("startDate"), override.field("endDate")
    if user.text_of("type") not in ("", "user"):
        span = f"{begin.text()} to {end.text()}"
        draft.unmatched.append(f"{what}: the override from {span} is of the kind {user.text_of('type')}; left out.")
        return None
    only = frozenset(_id(each) for each in override.list_of("rotations")) or None
    return Instead(begin.moment(), end.moment(), draft.person(user.field("id")), only)


def _escalation(draft: Draft, escalation: Value) -> None:
    """Rules count from the alert; rungs count from the rung before."""
    name = escalation.field("name").text()
    what = f"escalation {name!r}"
    calls: dict[timedelta, list[str]] = {}
    for number, rule in enumerate(escalation.field("rules").items(), start=1):
        delay = rule.get("delay")
        after = timedelta(0) if delay is None else _length(delay)
        calls.setdefault(after, []).extend(_recipient(draft, rule, f"{what}, rule {number}"))
    repeat = escalation.get("repeat")
    pause = LAST_WAIT
    if repeat is not None:
        pause = timedelta(minutes=repeat.whole_of("waitInterval", 5, 0, 100_000)) or LAST_WAIT
        if repeat.is_true("closeAlertAfterAll"):
            draft.unmatched.append(f"{what}: closing the alert after the last round has no equivalent.")
    delays = sorted(calls)
    if delays and delays[0]:
        draft.notes.append(f"{what} began after {delays[0]}; its ladder begins at once.")
    waits = [later - earlier for earlier, later in pairwise(delays)] + [pause]
    rungs = [(calls[delay], wait) for delay, wait in zip(delays, waits, strict=False)]  # no rules: no rung
    again = pause if repeat is not None and repeat.whole_of("count", 0) > 0 else None
    draft.add_ladder(_id(escalation), what, name, rungs, again)


def _recipient(draft: Draft, rule: Value, what: str) -> tuple[str, ...]:
    recipient = rule.field("recipient")
    kind, choice = recipient.field("type"), rule.text_of("notifyType") or "default"
    if rule.text_of("condition") == "if-not-closed":
        draft.unmatched.append(f"{what} pages until the alert is closed; here an answer stops it.")
    whom = "whoever is on duty" if kind.text() == "schedule" else "all of it"
    if choice not in ("default", "all"):
        draft.unmatched.append(f"{what} pages {choice!r} of its {kind.text()}; here it pages {whom}.")
    match kind.text():
        case "user":
            return (draft.person(recipient.field("id")),)
        case "schedule":
            return draft.duty(recipient.field("id"))
        case "team":
            if recipient.field("id").text() not in draft.team_of:
                draft.unmatched.append(f"{what}: nobody is in the team that it pages; left out.")
                return ()
            return (draft.team(recipient.field("id")),)
        case other:
            raise kind.refuse(f"{other!r} is not a recipient that Opsgenie documents.")


def _routing(draft: Draft, wrapped: Value) -> None:
    team = _inside(wrapped, "team")
    for rule in wrapped.list_of("teamRoutingRules"):
        called, notify = rule.text_of("name"), rule.get("notify")
        some = rule.get("criteria") is not None and rule.field("criteria").text_of("type") not in ("", "match-all")
        if some or rule.get("timeRestriction") is not None:
            whose = f"team {team.text_of('name')!r}"
            draft.unmatched.append(
                f"{whose}: the routing rule {called!r} is for some alerts only; write it as a route."
            )
        elif notify is not None and notify.text_of("type") == "escalation":
            ladder = draft.uses(notify.text_of("id"))
            if ladder is not None:
                draft.notes.append(f"team {team.text_of('name')!r} is paged by the ladder {ladder!r}.")


def _integration(draft: Draft, integration: Value) -> None:
    name, kind = integration.text_of("name"), integration.text_of("type")
    becomes = "alertmanager" if kind in ("Prometheus", "AlertManager", "Alertmanager") else "signals"
    draft.notes.append(f"integration {name!r} ({kind}) becomes an integration of the kind {becomes}.")
