"""`tocsin who` on the screen: the rungs of one calling, who is paged by what, and how good each address is."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from contacts.directory import Contact, Directory, Occasion, Route
from runbooks.plan import Ladder
from runbooks.telling import minutes, moment_in_words
from runbooks.trial import Call, Cause, Look, Skip, Step


def who_lines(
    steps: Sequence[Step],
    ladder: Ladder,
    directory: Directory,
    cause: Cause,
    at: datetime,
    down: Collection[str],
    time_zone: str | None = None,
) -> Iterator[str]:
    """A tree: rungs, below them people, below them their pages; then why others are left out.

    Times are those of `time_zone`, or of the plan's first schedule.
    """
    zone = time_zone or zone_for(directory)
    area = f" in {cause.area}" if cause.area else ""
    broken = f", with {', '.join(down)} down" if down else ""
    yield f"{cause.severity} {cause.situation}{area}, {moment_in_words(at, zone)}{broken}, if nobody answers:"
    last = len(ladder.rungs) + 1
    for rung in range(1, last + 1):
        mine = [step for step in steps if step.rung == rung]
        if not mine:
            continue
        after = minutes(int(mine[0].after.total_seconds()))
        references = ladder.in_extremis if rung == last else ladder.rungs[rung - 1].page
        name = "in extremis" if rung == last else f"rung {rung}"
        yield f"+{after} min  {name}: {', '.join(references)}"
        yield from _called([step for step in mine if isinstance(step, Call)], directory, at)
        for step in mine:
            if isinstance(step, Skip):
                yield "    " + click.style("nobody", fg="red", bold=True) + f": {step.because}"
        skipped = any(isinstance(step, Skip) for step in mine)
        for look in (step for step in mine if isinstance(step, Look) and not skipped):
            for because in look.because:
                yield f"    left out: {because}"


def _called(calls: Sequence[Call], directory: Directory, at: datetime) -> Iterator[str]:
    for who in dict.fromkeys(call.contact for call in calls):
        contact = directory.contact(who)
        reference = next(call.reference for call in calls if call.contact == who)
        name = who if contact is None else contact.name
        yield f"    {name} ({who}{'' if reference in ('', who) else f', {reference}'})"
        seen: dict[tuple[str, int, str], list[Call]] = {}
        for call in (each for each in calls if each.contact == who):
            seen.setdefault((call.route.channel, call.route.line, call.route.provider), []).append(call)
        for pages in seen.values():
            yield f"        {_page(pages, contact, directory, at)}"


def _page(pages: Sequence[Call], contact: Contact | None, directory: Directory, at: datetime) -> str:
    route = pages[0].route
    times = ", ".join(f"+{minutes(int(call.after.total_seconds()))}" for call in pages[:4])
    more = f" and {len(pages) - 4} more" if len(pages) > 4 else ""
    fails = "" if pages[0].works else click.style(" FAILS", fg="red", bold=True)
    word, good = proof_in_words(route, contact, directory, at)
    proof = click.style(word, fg="green" if good else "red")
    return f"{times}{more} min  {route.channel} {route.to} by {route.provider}{fails}, {proof}"


def proof_in_words(route: Route, contact: Contact | None, directory: Directory, at: datetime) -> tuple[str, bool]:
    """(`proven until …`, `proof expired …`, `never proven`; whether it is good): of one address at a moment."""
    channel = next(
        (
            each
            for each in (() if contact is None else contact.channels)
            if (each.kind, each.to) == (route.channel, route.to)
        ),
        None,
    )
    if channel is None:
        return "never proven", False
    if channel.kind == "console":
        return "needs no proof", True
    verified, expires = directory.proof_of(channel)
    if verified is None or expires is None:
        return "never proven", False
    if directory.is_proven(channel, at.date()):
        return f"proven {verified}, good until {expires}", True
    return f"proof expired {expires}", False


def who_object(
    steps: Sequence[Step], ladder: Ladder, directory: Directory, cause: Cause, at: datetime
) -> dict[str, Any]:
    """For programs: who stands on each rung when it is opened, with their addresses and how good those are."""
    rungs: list[dict[str, Any]] = []
    for look in (step for step in steps if isinstance(step, Look)):
        references = ladder.rungs[look.rung - 1].page if look.rung <= len(ladder.rungs) else ladder.in_extremis
        rungs.append(
            {
                "rung": look.rung,
                "in_extremis": look.rung > len(ladder.rungs),
                "seconds": int(look.after.total_seconds()),
                "references": [
                    _reference_object(each, directory, _occasion(cause, at + look.after)) for each in references
                ],
            }
        )
    return {
        "at": at.isoformat(),
        "severity": cause.severity,
        "situation": cause.situation,
        "area": cause.area,
        "rungs": rungs,
    }


def _occasion(cause: Cause, at: datetime) -> Occasion:
    return Occasion(at, cause.severity, cause.situation, cause.area)


def _reference_object(reference: str, directory: Directory, occasion: Occasion) -> dict[str, Any]:
    found = directory.resolve(reference, occasion)
    return {
        "reference": reference,
        "contacts": [
            {
                "contact": each.id,
                "name": each.name,
                "routes": [
                    _route_object(route, each, directory, occasion.at) for route in directory.routes(each, drill=False)
                ],
            }
            for each in found.contacts
        ],
        "left_out": list(found.because),
        "until": None if found.until is None else found.until.isoformat(),
    }


def _route_object(route: Route, contact: Contact, directory: Directory, at: datetime) -> dict[str, Any]:
    word, good = proof_in_words(route, contact, directory, at)
    return {
        "channel": route.channel,
        "to": route.to,
        "provider": route.provider,
        "network": route.network,
        "proof": word,
        "proven": good,
    }


def zone_for(directory: Directory) -> str:
    """The zone in which times are shown: that of the first schedule, else of the first contact."""
    zones = [*(each.time_zone for each in directory.schedules), *(each.time_zone for each in directory.contacts)]
    return next(iter(zones), "UTC")
