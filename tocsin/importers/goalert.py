"""GoAlert: the answers to GraphQL queries (docs/import.md has them). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from contacts.addresses import ChannelKind
from contacts.schedules import WEEKLY
from tocsin.importers.reading import Shape, Value
from tocsin.importers.rotas import DAY, Hours, Rota, add_schedule, local, moment_of, replace_in
from tocsin.importers.target import EVERY, Draft, Imported, beats_of, local_part

SHAPE = Shape(
    keys=("users", "rotations", "schedules", "userOverrides", "escalationPolicies", "services"),
    wrappers=("nodes",),
    more=(("pageInfo", "hasNextPage"),),
)

_MINUTE = timedelta(minutes=1)
_TURNS = {"hourly": timedelta(hours=1), "daily": DAY, "weekly": WEEKLY}
_KINDS = {
    "SMS": ChannelKind.SMS,
    "VOICE": ChannelKind.VOICE,
    "EMAIL": ChannelKind.EMAIL,
    "SLACK_DM": ChannelKind.SLACK,
}
_INTEGRATIONS = {
    "prometheusAlertmanager": "an integration of the kind alertmanager",
    "grafana": "an integration of the kind alertmanager (Grafana sends it as the contact point 'Alertmanager')",
    "generic": "an integration of the kind signals",
    "universal": "an integration of the kind signals",
}


def imported(export: dict[str, list[Value]]) -> Imported:
    """Raises CommandRefused with the place of whatever is not as GoAlert documents it."""
    draft = Draft("GoAlert")
    for user in export.get("users", []):
        _user(draft, user)
    rotations = {_id(each): _rotation(draft, each) for each in export.get("rotations", [])}
    for schedule in export.get("schedules", []):
        _schedule(draft, schedule, rotations)
    for override in export.get("userOverrides", []):
        _override(draft, override)
    for policy in export.get("escalationPolicies", []):
        _policy(draft, policy, rotations)
    for service in export.get("services", []):
        _service(draft, service)
    return draft.done()


def _id(value: Value) -> str:
    return value.field("id").text()


def _user(draft: Draft, user: Value) -> None:
    name, email = user.text_of("name"), user.text_of("email")
    whose = f"user {name or email!r}"
    addresses = draft.addresses(whose)
    kinds: dict[str, ChannelKind] = {}
    for method in user.list_of("contactMethods"):
        kind = _method(draft, method, whose)
        value = method.field("value")
        if kind in (ChannelKind.SMS, ChannelKind.VOICE):
            taken = addresses.phone(kind, value.text(), value.place)
        else:
            taken = kind is not None and addresses.other(kind, value.text(), value.place)
        if taken and kind is not None:
            kinds[_id(method)] = kind
    if not addresses.found and email and addresses.other(ChannelKind.EMAIL, email, f"{user.place}.email"):
        draft.notes.append(f"{whose} had no contact method that could be taken; their e-mail address is one now.")
    times = [
        (rule.field("delayMinutes").whole(at_most=100_000) * _MINUTE, kinds[found])
        for rule in user.list_of("notificationRules")
        if (found := rule.field("contactMethodID").text()) in kinds
    ]
    beats = beats_of(times)
    draft.add_person(
        [_id(user)],
        draft.contact_names.new(local_part(email), name),
        name,
        "UTC",
        addresses,
        dict.fromkeys(EVERY, beats),
    )


def _method(draft: Draft, method: Value, whose: str) -> ChannelKind | None:
    kind, called = method.field("type").text(), method.text_of("name")
    if method.is_true("disabled") or method.is_true("pending"):
        draft.unmatched.append(
            f"{whose}: contact method {called!r} ({kind}) is disabled or was never verified; left out."
        )
        return None
    if kind not in _KINDS:
        advice = "add a channel of the kind webhook when the program understands Tocsin's requests"
        draft.unmatched.append(f"{whose}: contact method {called!r} ({kind}) is left out; {advice}.")
    return _KINDS.get(kind)


@dataclass(frozen=True, slots=True)
class _Turns:
    rota: Rota
    time_zone: str


def _rotation(draft: Draft, rotation: Value) -> _Turns | None:
    """Who has the turn now, and when it ends, is what GoAlert itself goes by; the rotation's start is not."""
    name = rotation.field("name").text()
    users = [draft.person(each) for each in rotation.field("userIDs").items()]
    if not users:
        draft.unmatched.append(f"rotation {name!r}: nobody is in it; left out.")
        return None
    time_zone = draft.time_zone(rotation.field("timeZone").text(), f"rotation {name!r}")
    kind = rotation.field("type")
    if kind.text() not in _TURNS:
        draft.unmatched.append(f"rotation {name!r}: turns of the kind {kind.text()!r} cannot be said here; left out.")
        return None
    turn = rotation.whole_of("shiftLength", 1, 1, 100_000) * _TURNS[kind.text()]
    following = rotation.list_of("nextHandoffTimes")
    if following:
        first = rotation.field("activeUserIndex").whole(0, len(users) - 1)
        anchor = local(following[0].moment(), time_zone) - turn
    else:
        first, anchor = 0, local(rotation.field("start").moment(), time_zone)
        if len(users) > 1:
            draft.unmatched.append(
                f"rotation {name!r}: the export has no nextHandoffTimes, so its turns are counted from its start; "
                "check who is on call now."
            )
    crews = tuple((user,) for user in users[first:] + users[:first])
    return _Turns(Rota(name, crews, turn, anchor), time_zone)


def _schedule(draft: Draft, schedule: Value, rotations: dict[str, _Turns | None]) -> None:
    name = schedule.field("name").text()
    time_zone = draft.time_zone(schedule.field("timeZone").text(), f"schedule {name!r}")
    rotas = list(_rotas(draft, schedule, name, time_zone, rotations))
    add_schedule(draft, [_id(schedule)], name, time_zone, rotas)
    for each in schedule.list_of("temporarySchedules"):
        span = f"{each.field('start').text()} to {each.field('end').text()}"
        draft.unmatched.append(
            f"schedule {name!r}: the temporary schedule from {span} is left out; write it as overrides."
        )
    for rule in schedule.list_of("onCallNotificationRules"):
        target = rule.field("target").text_of("name") or rule.field("target").text_of("type")
        draft.unmatched.append(f"schedule {name!r}: telling {target!r} who is on call has no equivalent.")


def _rotas(
    draft: Draft, schedule: Value, name: str, time_zone: str, rotations: dict[str, _Turns | None]
) -> Iterator[Rota]:
    for number, each in enumerate(schedule.list_of("targets")):
        hours = [found for rule in each.list_of("rules") for found in _hours(rule)]
        if not hours:
            continue
        always = sum((every.length for every in hours), timedelta(0)) >= 7 * DAY
        target = each.field("target")
        limits = () if always else tuple(hours)
        match target.field("type").text():
            case "user":
                yield Rota(f"{number}", ((draft.person(target.field("id")),),), hours=limits)
            case "rotation":
                yield from _turns_in(draft, name, time_zone, target, rotations, limits)
            case other:
                draft.unmatched.append(f"schedule {name!r}: a target of the kind {other!r} is left out.")


def _turns_in(
    draft: Draft,
    name: str,
    time_zone: str,
    target: Value,
    rotations: dict[str, _Turns | None],
    limits: tuple[Hours, ...],
) -> Iterator[Rota]:
    found = target.field("id")
    if found.text() not in rotations:
        raise found.refuse(f"{found.text()!r} is not among the rotations of the export; is it complete?")
    turns = rotations[found.text()]
    if turns is None:
        return
    if limits and turns.time_zone != time_zone:
        draft.unmatched.append(
            f"schedule {name!r}: the rotation {turns.rota.name!r} hands over by the clock of {turns.time_zone}; here "
            f"it does by that of {time_zone}, the schedule's, so in part of the year an hour earlier or later."
        )
        anchor = turns.rota.anchor
        moved = None if anchor is None else local(moment_of(anchor, turns.time_zone), time_zone)
        yield Rota(turns.rota.name, turns.rota.crews, turns.rota.turn, moved, limits)
        return
    zone = None if turns.time_zone == time_zone else turns.time_zone
    yield Rota(turns.rota.name, turns.rota.crews, turns.rota.turn, turns.rota.anchor, limits, zone)


def _hours(rule: Value) -> list[Hours]:
    begin, end = _clock(rule.field("start")), _clock(rule.field("end"))
    length = end - begin if end > begin else end - begin + DAY
    days = rule.field("weekdayFilter").items()
    if len(days) != 7 or not all(isinstance(each.given, bool) for each in days):
        raise rule.field("weekdayFilter").refuse("this should be seven times true or false, beginning with Sunday.")
    return [Hours((index - 1) % 7, begin, length) for index, each in enumerate(days) if each.given]


def _clock(value: Value) -> timedelta:
    hours, _, minutes = value.text().partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise value.refuse(f"this should be a time such as 08:30, not {value.text()!r}.")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _override(draft: Draft, override: Value) -> None:
    target = override.field("target")
    added, removed = override.text_of("addUserID"), override.text_of("removeUserID")
    start, end = override.field("start"), override.field("end")
    what = f"override of {target.text_of('name')!r} from {start.text()} to {end.text()}"
    if not (added and removed):
        draft.unmatched.append(f"{what}: one here puts one person in place of another, and does not add or remove one.")
        return
    person, other = draft.person(override.field("removeUserID")), draft.person(override.field("addUserID"))
    draft.duty(target.field("id"))
    if not replace_in(draft, target.field("id").text(), start.moment(), end.moment(), person, other):
        draft.unmatched.append(f"{what}: {other} in place of {person} could not be taken; write it as an override.")


def _policy(draft: Draft, policy: Value, rotations: dict[str, _Turns | None]) -> None:
    name = policy.field("name").text()
    what = f"escalation policy {name!r}"
    steps = sorted(policy.list_of("steps"), key=lambda each: each.field("stepNumber").whole())
    rungs = [
        (
            [found for target in step.list_of("targets") for found in _page(draft, target, what, rotations)],
            step.field("delayMinutes").whole(at_most=100_000) * _MINUTE,
        )
        for step in steps
    ]
    repeats = rungs[-1][1] if rungs and policy.whole_of("repeat", 0) > 0 else None
    draft.add_ladder(_id(policy), what, name, rungs, repeats)


def _page(draft: Draft, target: Value, what: str, rotations: dict[str, _Turns | None]) -> tuple[str, ...]:
    found, kind = target.field("id"), target.field("type").text()
    match kind:
        case "user":
            return (draft.person(found),)
        case "schedule":
            return draft.duty(found)
        case "rotation":
            if found.text() not in draft.duty_of:
                turns = rotations.get(found.text())
                if found.text() in rotations and turns is None:
                    return ()
                if turns is not None:
                    add_schedule(draft, [found.text()], turns.rota.name, turns.time_zone, [turns.rota])
            return draft.duty(found)
        case _:
            called = target.text_of("name") or found.text()
            draft.unmatched.append(f"{what}: telling {called!r} ({kind}) has no equivalent; see 'publications'.")
            return ()


def _service(draft: Draft, service: Value) -> None:
    name = service.field("name").text()
    ladder = draft.uses(service.field("escalationPolicyID").text())
    keys = service.list_of("integrationKeys")
    for key in keys:
        kind = key.field("type").text()
        advice = _INTEGRATIONS.get(kind)
        if advice is None:
            called = key.text_of("name")
            draft.unmatched.append(f"service {name!r}: the integration key {called!r} ({kind}) has no equivalent.")
        else:
            draft.notes.append(f"service {name!r}: its key {key.text_of('name')!r} ({kind}) becomes {advice}.")
    if ladder is not None:
        draft.notes.append(f"service {name!r} pages by the ladder {ladder!r}: name it in the situation of its route.")
    for monitor in service.list_of("heartbeatMonitors"):
        draft.unmatched.append(
            f"service {name!r}: the heartbeat monitor {monitor.text_of('name')!r} has no equivalent."
        )
