"""Times and people in words, the same in the terminal and in the browser. Pure: the time is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STATUS_WORDS = {
    "declared": "nobody has it",
    "acknowledged": "in hand",
    "resolved": "resolved, not closed",
    "closed": "closed",
    "stood-down": "stood down",
    "merged": "merged",
}


SHOWN_PAGES = 12


def moment(text: str | None) -> datetime | None:
    """The time behind an RFC 3339 text."""
    return None if text is None else datetime.fromisoformat(text)


def clock(text: str | None, now: datetime) -> str:
    """`14:02`, with the date when it is another day than `now`; UTC both."""
    at = moment(text)
    if at is None:
        return "-"
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%d %b %H:%M}"


def span(seconds: float) -> str:
    """A length of time in the largest sensible units: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    whole = int(abs(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 36:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def until(text: str | None, now: datetime) -> str:
    """`in 12 min`, `now`, or `3 min overdue`."""
    at = moment(text)
    if at is None:
        return "no time set"
    left = (at - now).total_seconds()
    if -1 < left < 1:
        return "now"
    return f"in {span(left)}" if left > 0 else f"{span(left)} overdue"


def ago(text: str | None, now: datetime) -> str:
    """`12 min ago`."""
    at = moment(text)
    return "-" if at is None else f"{span(max(0.0, (now - at).total_seconds()))} ago"


def offset(text: str | None, since: str) -> str:
    """How long after `since`: `+0:05`, `+1:02:00`."""
    at, start = moment(text), moment(since)
    if at is None or start is None:
        return ""
    minutes, seconds = divmod(max(0, int((at - start).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02}:{seconds:02}" if hours else f"+{minutes}:{seconds:02}"


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of the escalation plan. `future` lines happen only when nobody acts."""

    at: str
    offset: str
    sentence: str
    state: str
    future: bool


def escalation_plan(view: Mapping[str, Any], now: datetime, names: Mapping[str, str]) -> list[PageLine]:
    """Past pages and, in the same list, what comes next when nobody acts."""
    since = str(view["declared_at"])
    lines = []
    earlier = max(0, len(view["pages"]) - SHOWN_PAGES)
    if earlier:
        lines.append(PageLine("", "", f"{earlier} earlier pages", "see the timeline", future=False))
    for page in view["pages"][earlier:]:
        who = names.get(page["contact"], page["contact"])
        which = "" if page["escalation"] == str(view["round"]) else f", {_escalation(page['escalation'])}"
        doubled = ", possibly a second copy" if page["possible_duplicate"] else ""
        lines.append(
            PageLine(
                clock(page["requested_at"], now),
                offset(page["requested_at"], since),
                f"{who} by {page['channel']}, rung {page['rung']}{which}{doubled}",
                page_state(page),
                future=False,
            )
        )
    if view["status"] in ("declared", "acknowledged", "resolved"):
        lines.extend(
            PageLine(clock(move["at"], now), offset(move["at"], since), move["title"], until(move["at"], now), True)
            for move in view.get("next_moves") or ()
        )
    return lines


def page_state(page: Mapping[str, Any]) -> str:
    """What became of a page, in words."""
    match page["state"]:
        case "requested":
            return "leaving"
        case "sent":
            return "sent"
        case "delivered":
            return "delivered"
        case "failed":
            return f"failed: {page['failure']}"
        case "unknown":
            return "unknown whether it arrived"
        case other:
            return str(other)


def _escalation(name: str) -> str:
    return f"round {name}" if name.isdigit() else name.replace("-", " ", 1)


def in_hand(view: Mapping[str, Any], names: Mapping[str, str], reader: str | None = None) -> str:
    """Who has it, as a sentence; `reader` is spoken to as you."""
    commander = view["commander"]
    if commander is None:
        if view["status"] in ("closed", "stood-down", "merged"):
            return "It has ended; nobody had taken it."
        return "Nobody has taken it yet."
    over = view["status"] in ("closed", "stood-down", "merged")
    if commander == reader:
        who = "You had it" if over else "You have it"
    else:
        who = f"{names.get(commander, commander)} {'had' if over else 'has'} it"
    support = [names.get(each, each) for each in view.get("support") or () if each != commander]
    return f"{who}, with {', '.join(support)}." if support else f"{who}."


def answers(view: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The callings that still want somebody, the round first."""
    live = [each for each in view.get("escalations") or () if each["live"]]
    return sorted(live, key=lambda each: each["id"] != str(view["round"]))


def printable(value: Any) -> Any:
    """The same object, with a blank for every control character in its texts: senders do not write to our terminals."""
    match value:
        case str():
            return value if value.isprintable() else "".join(each if each.isprintable() else " " for each in value)
        case Mapping():
            return {key: printable(each) for key, each in value.items()}
        case list():
            return [printable(each) for each in value]
        case _:
            return value
