"""What `contacts` and `who-can` print: pure functions from JSON values to lines. No colour without a word."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from contacts.standing import Standing
from tocsin.words import clock, moment, printable


def contacts_screen(view: Mapping[str, Any], now: datetime) -> list[str]:
    """Everybody, how each address stands, and who holds what now."""
    view = printable(view)
    names = {each["id"]: each["name"] for each in view["contacts"]}
    lines: list[str] = []
    for contact in view["contacts"]:
        lines += [*([""] if lines else []), *_contact(contact, names, now)]
    for title, key in (("Roles", "roles"), ("Areas", "areas"), ("Teams", "teams"), ("Schedules", "schedules")):
        if view[key]:
            lines += ["", click.style(f"{title}, and who holds them now", bold=True)]
            lines += [line for each in view[key] for line in _holder(each, names, now)]
    return lines


def _contact(contact: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    about = [contact["time_zone"], contact["language"]]
    about += [f"deputy {contact['deputy']}"] if contact["deputy"] else []
    yield f"{click.style(contact['id'], bold=True)}  {contact['name']} ({', '.join(about)})"
    if contact["absent_until"] is not None:
        instead = ", ".join(names.get(each, each) for each in contact["called_instead"]) or "nobody"
        colour = "yellow" if contact["called_instead"] else "red"
        until = clock(contact["absent_until"], now)
        yield click.style(f"  ABSENT until {until} UTC: {instead} is called instead", fg=colour)
    for channel in contact["channels"]:
        word, red_or_green = standing_word(channel, now)
        said = click.style(word, fg=red_or_green)
        yield f"  {channel['kind']:<8} {channel['to']:<30} {channel['network']:<9} {said}"


def standing_word(channel: Mapping[str, Any], now: datetime) -> tuple[str, str | None]:
    """How an address stands, and the colour of that word."""
    asked, asked_at, answered_at = "", moment(channel["asked_at"]), moment(channel["answered_at"])
    if asked_at is not None and (answered_at is None or answered_at < asked_at):
        asked = f", a code was sent at {clock(channel['asked_at'], now)} UTC"
    match Standing(channel["standing"]):
        case Standing.PROVEN:
            return f"proven until {channel['expires']}{asked}", "green"
        case Standing.UNPROVEN:
            return f"UNPROVEN{asked}", "red"
        case Standing.EXPIRED:
            return f"EXPIRED since {channel['expires']}{asked}", "red"
        case Standing.OUT:
            since = f" since {clock(channel['out_since'], now)} UTC" if channel["out_since"] else ""
            because = f" ({channel['out_because']})" if channel["out_because"] else ""
            return f"OUT{since}{because}", "red"
        case Standing.NEEDS_NONE:
            return "needs no proof", None


def _holder(each: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    head = f"  {each['id']:<20} {each['title']}: "
    if each["now"]:
        until = f", until {clock(each['until'], now)} UTC" if each["until"] is not None else ""
        yield head + click.style(", ".join(names.get(one, one) for one in each["now"]), fg="green") + until
    else:
        yield head + click.style("NOBODY", fg="red", bold=True)
    if each["because"]:
        yield click.style(f"  {'':<20} {'; '.join(each['because'])}", fg="yellow")


def asked_lines(asked: Sequence[Mapping[str, Any]]) -> list[str]:
    """What became of each address that was to be verified."""
    colours = {"sent": None, "just-sent": "yellow"}
    return [click.style(each["sentence"], fg=colours.get(each["outcome"], "red")) for each in printable(list(asked))]


def deciders_screen(view: Mapping[str, Any]) -> list[str]:
    """Who may decide it, in the order in which they are asked; and who is left out, with the reason."""
    view = printable(view)
    money = view["amount"]
    what = view["action"] if money is None else f"{view['action']} of {money['amount']} {money['currency']} a customer"
    many = f" for {view['count']}" if view["count"] > 1 else ""
    area = f" in {view['area']}" if view["area"] is not None else ""
    at = moment(view["at"])
    lines = [f"{what}{many}{area}, on {at:%a %Y-%m-%d %H:%M} UTC:"]
    for number, each in enumerate(view["can"], 1):
        lines.append(f"  {number}. {click.style(each['name'], bold=True)} ({each['id']}): {each['grant']['sentence']}")
    if not view["can"]:
        lines.append(click.style("  NOBODY may decide this now.", fg="red", bold=True))
    for each in view["left_out"]:
        lines.append(click.style(f"  left out: {each['name']} ({each['id']}), because {each['because']}", dim=True))
    return lines
