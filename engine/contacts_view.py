"""The directory as JSON values, as it stands at a moment: for the API, and for the command line without an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts.addresses import ContactChannel
from contacts.authority import Action, describe, grant_for, left_out, who_can
from contacts.directory import Authority, Contact, Directory, Occasion
from contacts.standing import Standing, absence_at, address_of, addresses, ends_of, shown
from engine.clock import from_stamp
from engine.view import stamp
from incidents.errors import CommandRefused
from incidents.money import Money
from storage import numbers
from storage.database import Tx


@dataclass(frozen=True, slots=True)
class Known:
    """What an engine knows of addresses beside what `Directory.live` has; a plan's folder alone knows nothing."""

    out: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    """Address -> since when no page goes there, and why."""
    asked: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """(channel kind, address) -> when a code was last sent there."""


def known(tx: Tx) -> Known:
    return Known(
        out={address: (from_stamp(since), because) for address, (since, because) in numbers.out(tx).items()},
        asked={key: from_stamp(at) for key, at in numbers.asked(tx).items()},
    )


def directory_view(directory: Directory, now: datetime, known: Known) -> dict[str, Any]:
    """Everybody with their channels and how each stands, and who holds each role, area, team and schedule now."""
    return {
        "at": stamp(now),
        "contacts": [_contact(directory, each, now, known) for each in directory.contacts],
        "roles": [_held(directory, f"role:{each.id}", each, now) for each in directory.roles],
        "areas": [_held(directory, f"area:{each.id}", each, now) for each in directory.areas],
        "teams": [
            {
                "id": each.id,
                "title": each.title,
                "members": list(each.members),
                **_now(directory, f"team:{each.id}", now),
            }
            for each in directory.teams
        ],
        "schedules": [
            {"id": each.id, "title": each.title, **_now(directory, f"schedule:{each.id}", now)}
            for each in directory.schedules
        ],
        "standing": standing_view(directory, now, known),
    }


def standing_view(directory: Directory, now: datetime, known: Known) -> dict[str, Any]:
    """What shows red: how many addresses are unproven or expired, and which are out, since when and whose."""
    every = addresses(directory, now.date())
    owners: dict[str, list[str]] = {}
    for each in every:
        if each.channel.to in known.out and each.contact.id not in owners.setdefault(each.channel.to, []):
            owners[each.channel.to].append(each.contact.id)
    return {
        "unproven": sum(each.standing is Standing.UNPROVEN for each in every),
        "expired": sum(each.standing is Standing.EXPIRED for each in every),
        "out": [
            {"address": address, "contacts": owners.get(address, []), "since": stamp(since), "because": because}
            for address, (since, because) in sorted(known.out.items(), key=lambda item: item[1][0])
        ],
    }


def _contact(directory: Directory, contact: Contact, now: datetime, known: Known) -> dict[str, Any]:
    absence = absence_at(contact, now)
    instead = directory.resolve(contact.id, Occasion(now)).contacts if absence is not None else ()
    return {
        "id": contact.id,
        "name": contact.name,
        "language": contact.language,
        "time_zone": contact.time_zone,
        "deputy": contact.deputy,
        "drills": contact.drills,
        "areas": list(contact.areas),
        "absent_until": None if absence is None else stamp(ends_of(contact, absence)),
        "called_instead": [each.id for each in instead],
        "channels": [_channel(directory, contact, each, now, known) for each in contact.channels],
        "authority": [_grant(each) for each in contact.authority],
    }


def _channel(
    directory: Directory, contact: Contact, channel: ContactChannel, now: datetime, known: Known
) -> dict[str, Any]:
    found = address_of(directory, contact, channel, now.date())
    since, because = known.out.get(channel.to, (None, None))
    answered = directory.live.proofs.get((channel.kind, channel.to))
    asked = known.asked.get((channel.kind, channel.to))
    return {
        "kind": channel.kind,
        "to": shown(channel),
        "network": found.network,
        "standing": found.standing.value,
        "verified": None if found.verified is None else found.verified.isoformat(),
        "expires": None if found.expires is None else found.expires.isoformat(),
        "out_since": stamp(since),
        "out_because": because,
        "answered_at": stamp(answered),
        "asked_at": stamp(asked),
    }


def _grant(grant: Authority) -> dict[str, Any]:
    limits = {
        name: None if limit is None else limit.model_dump(mode="json")
        for name, limit in (("per_customer", grant.per_customer), ("total", grant.total))
    }
    return {
        "may": grant.may,
        **limits,
        "areas": list(grant.areas),
        "until": stamp(grant.until),
        "granted_by": grant.granted_by,
        "sentence": grant_sentence(grant),
    }


def grant_sentence(grant: Authority) -> str:
    """`compensation: 500 EUR a customer, ...`; only money has limits."""
    limits = describe(grant) if grant.may == "compensation" else f"granted by {grant.granted_by}"
    areas = f", only for {', '.join(grant.areas)}" if grant.areas else ""
    until = f", until {grant.until:%Y-%m-%d %H:%M} UTC" if grant.until is not None else ""
    return f"{grant.may}: {limits}{areas}{until}"


def _held(directory: Directory, reference: str, held: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": held.id,
        "title": held.title,
        "responsible": held.responsible,
        "deputy": held.deputy,
        "second_deputy": held.second_deputy,
        **_now(directory, reference, now),
    }


def _now(directory: Directory, reference: str, now: datetime) -> dict[str, Any]:
    found = directory.resolve(reference, Occasion(now))
    return {"now": [each.id for each in found.contacts], "because": list(found.because), "until": stamp(found.until)}


def deciders_view(
    directory: Directory,
    action: Action,
    amount: Money | None,
    area: str | None,
    at: datetime,
    *,
    count: int = 1,
) -> dict[str, Any]:
    """Who may do this at that moment and can be asked, in the order in which they are asked; and who is left out.

    Raises CommandRefused for an area that there is not.
    """
    if area is not None and directory.area(area) is None:
        known_areas = ", ".join(each.id for each in directory.areas) or "none"
        raise CommandRefused(f"There is no area {area!r}; the plan has {known_areas}.")
    able: Sequence[Contact] = who_can(directory, action, amount, area, at, count=count)
    grants = [(each, grant_for(each, action, amount, area, at, count=count)) for each in able]
    return {
        "at": stamp(at),
        "action": action,
        "amount": None if amount is None else amount.model_dump(mode="json"),
        "count": count,
        "area": area,
        "can": [
            {"id": each.id, "name": each.name, "grant": _grant(grant)} for each, grant in grants if grant is not None
        ],
        "left_out": [
            {"id": each.contact.id, "name": each.contact.name, "because": each.because}
            for each in left_out(directory, action, amount, area, at, count=count)
        ],
    }
