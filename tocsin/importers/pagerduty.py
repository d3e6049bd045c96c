"""PagerDuty: lists of its REST API v2 (docs/import.md names the calls). Pure."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from contacts.addresses import ChannelKind
from contacts.directory import Beat
from incidents.severity import Severity
from tocsin.importers.reading import Shape, Value
from tocsin.importers.rotas import DAY, Hours, Instead, Rota, add_schedule, daily, local
from tocsin.importers.target import CALM, PUSH_ADVICE, URGENT, Addresses, Draft, Imported, beats_of, local_part

SHAPE = Shape(
    keys=("users", "teams", "schedules", "escalation_policies", "services"),
    wrappers=(),
    more=(("more",),),
)

_MINUTE = timedelta(minutes=1)
_WEEK = 7 * DAY
_PHONES = {"phone_contact_method": ChannelKind.VOICE, "sms_contact_method": ChannelKind.SMS}


def imported(export: dict[str, list[Value]]) -> Imported:
    """Raises CommandRefused with the place of whatever is not as PagerDuty documents it."""
    draft = Draft("PagerDuty")
    users = export.get("users", [])
    for user in users:
        _user(draft, user)
    _teams(draft, export.get("teams", []), users)
    for schedule in export.get("schedules", []):
        _schedule(draft, schedule.get("schedule") or schedule)
    for policy in export.get("escalation_policies", []):
        _policy(draft, policy.get("escalation_policy") or policy)
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
    for method in user.field("contact_methods").items():
        kind = _method(draft, addresses, method, whose)
        if kind is not None:
            kinds[_id(method)] = kind
    draft.add_person(
        [_id(user)],
        draft.contact_names.new(local_part(email), name),
        name,
        user.text_of("time_zone"),
        addresses,
        _paging(user, kinds),
    )


def _method(draft: Draft, addresses: Addresses, method: Value, whose: str) -> ChannelKind | None:
    kind, label = method.field("type").text(), method.text_of("label")
    address = method.get("address")
    if kind.endswith("_reference") or address is None:
        raise method.refuse("the contact methods are only named here; export the users with include[]=contact_methods.")
    if kind in _PHONES:
        number = f"{method.field('country_code').whole(1, 999)}{address.text()}"
        return _PHONES[kind] if addresses.phone(_PHONES[kind], number, address.place) else None
    if kind == "email_contact_method":
        taken = addresses.other(ChannelKind.EMAIL, address.text(), address.place)
        return ChannelKind.EMAIL if taken else None
    advice = PUSH_ADVICE if kind == "push_notification_contact_method" else "give them another channel"
    draft.unmatched.append(f"{whose}: contact method {label!r} ({kind}) has no equivalent; {advice}.")
    return None


def _paging(user: Value, kinds: dict[str, ChannelKind]) -> dict[Severity, tuple[Beat, ...]]:
    """High urgency is SEV1 and SEV2, low urgency the others."""
    found: dict[str, list[tuple[timedelta, ChannelKind]]] = {"high": [], "low": []}
    for rule in user.list_of("notification_rules"):
        if rule.field("type").text() != "assignment_notification_rule":
            raise rule.refuse("the rules are only named here; export the users with include[]=notification_rules.")
        urgency = rule.field("urgency")
        if urgency.text() not in found:
            raise urgency.refuse(f"this should be high or low, not {urgency.text()!r}.")
        kind = kinds.get(_id(rule.field("contact_method")))
        if kind is not None:
            after = rule.field("start_delay_in_minutes").whole(at_most=100_000) * _MINUTE
            found[urgency.text()].append((after, kind))
    return dict.fromkeys(URGENT, beats_of(found["high"])) | dict.fromkeys(CALM, beats_of(found["low"]))


def _teams(draft: Draft, teams: Iterable[Value], users: list[Value]) -> None:
    members: dict[str, list[str]] = {}
    for user in users:
        for each in user.list_of("teams"):
            members.setdefault(_id(each), []).append(draft.people[_id(user)])
    for team in teams:
        draft.add_team([_id(team)], team.field("name").text(), members.get(_id(team), []))


def _schedule(draft: Draft, schedule: Value) -> None:
    """PagerDuty lists the layers from the top down: an earlier one wins over a later one."""
    name = schedule.field("name").text()
    time_zone = draft.time_zone(schedule.field("time_zone").text(), f"schedule {name!r}")
    if schedule.get("schedule_layers") is None:
        raise schedule.refuse("the layers are missing; export the schedules with include[]=schedule_layers.")
    layers = schedule.field("schedule_layers").items()
    rotas = [
        rota
        for level, layer in enumerate(reversed(layers))
        if (rota := _layer(draft, layer, level, name, time_zone)) is not None
    ]
    instead = [
        Instead(each.field("start").moment(), each.field("end").moment(), draft.person(each.field("user").field("id")))
        for each in schedule.list_of("overrides")
    ]
    add_schedule(draft, [_id(schedule)], name, time_zone, rotas, instead)


def _layer(draft: Draft, layer: Value, level: int, schedule: str, time_zone: str) -> Rota | None:
    what = f"schedule {schedule!r}: layer {layer.text_of('name')!r}"
    users = [each.field("user").field("id") for each in layer.field("users").items()]
    end = layer.get("end")
    if not users:
        draft.unmatched.append(f"{what} has nobody in it; left out.")
        return None
    if end is not None and any(each.text() not in draft.people for each in users):
        draft.unmatched.append(f"{what} ends on {end.text()} and names people who are not in the export; left out.")
        return None
    seconds = layer.field("rotation_turn_length_seconds").whole(60, 366 * 86400)
    return Rota(
        name=_id(layer) if layer.get("id") is not None else f"{level}",
        crews=tuple((draft.person(each),) for each in users),
        turn=timedelta(seconds=seconds),
        anchor=local(layer.field("rotation_virtual_start").moment(), time_zone),
        hours=tuple(_hours(draft, layer, what)),
        begins=local(layer.field("start").moment(), time_zone),
        ends=None if end is None else local(end.moment(), time_zone),
        level=level,
    )


def _hours(draft: Draft, layer: Value, what: str) -> Iterator[Hours]:
    for each in layer.list_of("restrictions"):
        clock, seconds = each.field("start_time_of_day"), each.field("duration_seconds").whole(1, 7 * 86400)
        after, length = _clock(clock), timedelta(seconds=seconds)
        if after % _MINUTE or length % _MINUTE:
            draft.unmatched.append(f"{what}: its hours begin or end within a minute; the seconds are dropped.")
        match each.field("type").text():
            case "daily_restriction" if length < DAY:
                yield from daily(after, length)
            case "weekly_restriction" if length < _WEEK:
                yield Hours(each.field("start_day_of_week").whole(1, 7) - 1, after, length)
            case "daily_restriction" | "weekly_restriction":
                yield from (Hours(day, timedelta(0), DAY) for day in range(7))
            case other:
                raise each.field("type").refuse(f"{other!r} is not a restriction that PagerDuty documents.")


def _clock(value: Value) -> timedelta:
    parts = value.text().split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() and len(part) == 2 for part in parts):
        raise value.refuse(f"this should be a time such as 08:30:00, not {value.text()!r}.")
    hours, minutes, seconds = (*(int(part) for part in parts), 0)[:3]
    if hours > 23 or minutes > 59 or seconds > 59:
        raise value.refuse(f"there is no such time: {value.text()!r}.")
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _policy(draft: Draft, policy: Value) -> None:
    name = policy.field("name").text()
    what = f"escalation policy {name!r}"
    rungs = []
    for number, rule in enumerate(policy.field("escalation_rules").items(), start=1):
        strategy = rule.get("escalation_rule_assignment_strategy")
        kind = "" if strategy is None else strategy.text_of("type")
        if kind not in ("", "assign_to_everyone"):
            draft.unmatched.append(f"{what}: rule {number} pages its targets in turn ({kind}); here it pages them all.")
        page = [found for target in rule.field("targets").items() for found in _page(draft, target)]
        rungs.append((page, rule.field("escalation_delay_in_minutes").whole(at_most=100_000) * _MINUTE))
    repeats = rungs[-1][1] if rungs and policy.whole_of("num_loops", 0) > 0 else None
    draft.add_ladder(_id(policy), what, name, rungs, repeats)


def _page(draft: Draft, target: Value) -> tuple[str, ...]:
    kind = target.field("type")
    match kind.text():
        case "user_reference" | "user":
            return (draft.person(target.field("id")),)
        case "schedule_reference" | "schedule":
            return draft.duty(target.field("id"))
        case other:
            raise kind.refuse(f"{other!r} is not a target that PagerDuty documents.")


def _service(draft: Draft, service: Value) -> None:
    name = service.field("name").text()
    ladder = draft.uses(_id(service.field("escalation_policy")))
    if ladder is not None:
        draft.notes.append(
            f"service {name!r} pages by the ladder {ladder!r}: give its senders an integration of the kind pagerduty, "
            "whose key is their new routing key, and name the ladder in the situation of its route."
        )
    urgency = service.get("incident_urgency_rule")
    if urgency is not None and urgency.text_of("type") == "use_support_hours":
        draft.unmatched.append(f"service {name!r}: an urgency by support hours has no equivalent; see 'quiet_hours'.")
    for field, what in (
        ("auto_resolve_timeout", "resolving by itself after a time"),
        ("acknowledgement_timeout", "an acknowledgement that ends after a time"),
    ):
        if service.get(field) is not None:
            draft.unmatched.append(f"service {name!r}: {what} is not taken over ({field}).")
