"""Times and people in words, the same in the terminal and in the browser. Pure: the time is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from contacts.addresses import PROVIDERS, ChannelKind

STATUS_WORDS = {
    "declared": "nobody has it",
    "acknowledged": "in hand",
    "resolved": "resolved, not closed",
    "closed": "closed",
    "stood-down": "stood down",
    "merged": "merged",
}

CHANNEL_WORDS = {
    "sms": "SMS",
    "slack": "Slack",
    "email": "e-mail",
    "push": "browser push",
    "apprise": "Apprise",
}
"""Channels whose name is not their kind."""
SHOWN_PAGES = 12
SHOWN_MOVES = 8
"""Of what comes next when nobody acts; somebody reads this with a telephone at their ear."""
ENDED = ("closed", "stood-down", "merged")


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


def impact_state(row: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> str:
    """What was answered to one question about the impact, by whom and when; `not asked` where nobody was."""
    if row["answer"] is None:
        return "not asked"
    rated = f" ({row['severity']})" if row["severity"] else ""
    weighed = ", weighed when the severity was lowered" if row["weighed"] else ""
    return f"{row['says']}{rated}, {person(row['by'], names)} at {clock(row['at'], now)}{weighed}"


def escalation_plan(
    view: Mapping[str, Any], now: datetime, names: Mapping[str, str], *, whole: bool = False
) -> list[PageLine]:
    """Past pages and, in the same list, what comes next when nobody acts. `whole`: however many there are."""
    since = str(view["declared_at"])
    lines = []
    earlier = 0 if whole else max(0, len(view["pages"]) - SHOWN_PAGES)
    if earlier:
        lines.append(PageLine("", "", f"{earlier} earlier pages", "see the timeline", future=False))
    for page in view["pages"][earlier:]:
        who = names.get(page["contact"], page["contact"])
        which = "" if page["escalation"] == str(view["round"]) else f", {_escalation(page['escalation'])}"
        doubled = ", possibly a second copy" if page["possible_duplicate"] else ""
        how = f"{by_channel(page)}{instead_of(page, view['pages'])}"
        lines.append(
            PageLine(
                clock(page["requested_at"], now),
                offset(page["requested_at"], since),
                f"{who} by {how}, rung {page['rung']}{which}{doubled}",
                page_state(page),
                future=False,
            )
        )
    if view["status"] in ("declared", "acknowledged", "resolved"):
        moves = list(view.get("next_moves") or ())
        shown = moves if whole else moves[:SHOWN_MOVES]
        lines.extend(
            PageLine(clock(move["at"], now), offset(move["at"], since), move["title"], until(move["at"], now), True)
            for move in shown
        )
        if len(moves) > len(shown):
            last = moves[-1]["at"]
            lines.append(PageLine("", "", f"and {len(moves) - len(shown)} more", f"the last {until(last, now)}", True))
    return lines


def by_channel(page: Mapping[str, Any]) -> str:
    """`SMS`, and through whom when that is not the usual provider: `SMS through backup`."""
    channel, provider = str(page["channel"]), page.get("provider") or ""
    word = CHANNEL_WORDS.get(channel, channel)
    usual = PROVIDERS[ChannelKind(channel)] if channel in set(ChannelKind) else channel
    return word if provider in ("", usual) else f"{word} through {provider}"


def instead_of(page: Mapping[str, Any], pages: Sequence[Mapping[str, Any]]) -> str:
    """`, instead of the SMS that failed`; empty for a page that stands in for none."""
    replaced = next((each for each in pages if each["message_id"] == page.get("instead_of")), None)
    if replaced is None:
        return ""
    fate = "is not known to have arrived" if replaced["state"] == "unknown" else "failed"
    if replaced["state"] not in ("unknown", "failed"):
        fate = "seemed to have failed"
    return f", instead of the {by_channel(replaced)} that {fate}"


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


def status_words(view: Mapping[str, Any]) -> str:
    """How it stands, in a word or two. After a rise people are called anew although somebody leads it."""
    if view["status"] == "declared" and view["commander"] is not None:
        return "people are called anew"
    return STATUS_WORDS[view["status"]]


def recovered(view: Mapping[str, Any]) -> str:
    """That the monitors no longer see it, where people are still called or at work; empty otherwise."""
    signals = view.get("signals") or ()
    if view["status"] not in ("declared", "acknowledged") or not signals or any(each["firing"] for each in signals):
        return ""
    who = "its monitors say" if len(signals) > 1 else "its monitor says"
    if view["commander"] is not None:
        return f"Nothing fires any more: {who} that it has recovered."
    return f"Nothing fires any more: {who} that it has recovered. Somebody must still take it, or stand it down."


def in_hand(view: Mapping[str, Any], names: Mapping[str, str], reader: str | None = None) -> str:
    """Who has it, as a sentence; `reader` is spoken to as you."""
    commander = view["commander"]
    over = view["status"] in ENDED
    if commander is None:
        return "It has ended; nobody had taken it." if over else "Nobody has taken it yet."
    if commander == reader:
        who = "You had it" if over else "You have it"
    else:
        who = f"{names.get(commander, commander)} {'had' if over else 'has'} it"
    support = [
        "you" if each == reader else names.get(each, each)
        for each in view.get("support") or ()
        if each not in (commander, None)
    ]
    return f"{who}, with {', '.join(support)}." if support else f"{who}."


def answers(view: Mapping[str, Any], reader: str | None = None) -> list[Mapping[str, Any]]:
    """The callings that somebody can take: those in which `reader` was paged, then the round, then the others.

    A question is no such calling: it is answered by yes, no or call. A direct page is answered by whom it was sent to.
    """
    mine = {page["escalation"] for page in view["pages"] if page["contact"] == reader} if reader else set()
    live = [
        each
        for each in view.get("escalations") or ()
        if each["live"]
        and each["kind"] != "question"
        and (each["kind"] != "direct" or reader is None or each["id"] in mine)
    ]
    return sorted(live, key=lambda each: (each["id"] not in mine, each["id"] != str(view["round"])))


def passed_at(view: Mapping[str, Any], reader: str) -> str | None:
    """When `reader` passed, unless they have been paged again since."""
    at = max((each["at"] for each in view["timeline"] if _is_pass_of(each, reader)), default=None)
    last = max((page["requested_at"] for page in view["pages"] if page["contact"] == reader), default="")
    return at if at is not None and at >= last else None


def _is_pass_of(entry: Mapping[str, Any], reader: str) -> bool:
    return bool(entry["kind"] == "PagePassed" and entry["by"] == f"person:{reader}")


# --- roles ---


def called_as(
    view: Mapping[str, Any], reader: str, escalation: str | None, titles: Mapping[str, str] | None = None
) -> str:
    """What `reader` would take this calling as, in words; empty for somebody who was called by their name."""
    mine = [page for page in view["pages"] if page["contact"] == reader and page.get("reference")]
    here = [page for page in mine if page["escalation"] == escalation]
    if not mine:
        return ""
    role = (here or mine)[-1]["reference"].partition("/")[0]
    return role_title(role, titles or {}) if ":" in role else ""


def role_title(reference: str, titles: Mapping[str, str]) -> str:
    """`Customer care lead`, or `care` where only the reference is known."""
    return titles.get(reference) or reference.removeprefix("role:").replace(":", " ")


def roles(
    view: Mapping[str, Any], names: Mapping[str, str], titles: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """(role, who has it), in the order in which they were taken."""
    return [
        (role_title(reference, titles or {}), names.get(who, who))
        for reference, who in (view.get("roles") or {}).items()
    ]


def roles_of(view: Mapping[str, Any], reader: str, titles: Mapping[str, str]) -> list[str]:
    """The roles that `reader` has here, in words."""
    return [role_title(reference, titles) for reference, who in (view.get("roles") or {}).items() if who == reader]


def taken(view: Mapping[str, Any], now: datetime, titles: Mapping[str, str]) -> str:
    """When the round was taken, and as what: `Taken at 14:03 UTC as Duty incident commander.`; empty before that."""
    current = next((each for each in view.get("escalations") or () if each["id"] == str(view["round"])), None)
    if current is None or current["answered_by"] is None or current["answered_by"] != view["commander"]:
        return ""
    titled = roles_of(view, current["answered_by"], titles)
    as_what = f" as {' and '.join(titled)}" if titled else ""
    return f"Taken at {clock(current['answered_at'], now)} UTC{as_what}."


# --- questions ---


def waiting_sentence(heard: Mapping[str, Any], now: datetime) -> str:
    """`3 customers wait for an answer, the first since 12:03 UTC.`"""
    number, since = heard["waiting"], clock(heard["waiting_since"], now)
    if not number:
        return "No customer waits for an answer."
    if number == 1:
        return f"1 customer waits for an answer, since {since} UTC."
    return f"{number} customers wait for an answer, the first since {since} UTC."


def customers_sentence(customers: Mapping[str, int]) -> str:
    """`12 customers have complained; 5 of them wait for an answer.`"""
    cases, waiting = customers["cases"], customers["waiting"]
    who = "1 customer has complained" if cases == 1 else f"{cases} customers have complained"
    if not waiting:
        return f"{who}; nobody waits for an answer."
    return f"{who}; {waiting} of them {'waits' if waiting == 1 else 'wait'} for an answer."


def person(by: str, names: Mapping[str, str]) -> str:
    """The name behind `person:nora`; `Tocsin` for what it asks by itself."""
    if not by.startswith("person:"):
        return "Tocsin"
    contact = by.removeprefix("person:")
    return names.get(contact, contact)


def can_answer(view: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """Whether an answer still changes anything: it is open, and what it is about has not been settled otherwise."""
    return bool(question["open"]) and view["status"] not in ENDED and _settled_otherwise(view, question, {}) is None


def questions_for(view: Mapping[str, Any], reader: str) -> list[Mapping[str, Any]]:
    """What this person was asked: what they can still answer first, the latest first."""
    mine = [each for each in view.get("questions") or () if reader in each["to"]]
    return sorted(reversed(mine), key=lambda each: not can_answer(view, each))


def question_word(view: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    """How a question stands, in one word: open, yes, no, expired, or over when it has nothing left to ask."""
    if question["answer"] is not None:
        return str(question["answer"])
    if question["expired_at"] is not None:
        return "expired"
    return "open" if can_answer(view, question) else "over"


def question_state(
    view: Mapping[str, Any],
    question: Mapping[str, Any],
    names: Mapping[str, str],
    now: datetime,
    reader: str | None = None,
) -> str:
    """What became of a question, as a sentence; `reader` is spoken to as you. Times are UTC."""
    if question["answer"] is not None:
        who, at = question["answered_by"], clock(question["answered_at"], now)
        if who == reader:
            return f"You said {question['answer']} at {at} UTC.{_approved(view, question)}"
        already = "" if reader is None or reader not in question["to"] else "already "
        return f"{names.get(who, who)} {already}said {question['answer']} at {at} UTC.{_approved(view, question)}"
    if question["expired_at"] is not None:
        means = "yes" if question["if_silent"] == "yes" and question["about"] == "other" else "no"
        return f"Nobody answered by {clock(question['expired_at'], now)} UTC. That means {means}."
    if view["status"] in ENDED:
        return "It was never answered; the incident has ended."
    return _settled_otherwise(view, question, names) or _still_open(question, names, now, reader)


def _still_open(question: Mapping[str, Any], names: Mapping[str, str], now: datetime, reader: str | None) -> str:
    wanting = [names.get(each, each) for each in question["wants_call"] if each != reader]
    called = []
    if reader in question["wants_call"]:
        called.append("You asked to be called first; you can still answer here.")
    if wanting:
        called.append(f"{' and '.join(wanting)} {'wants' if len(wanting) == 1 else 'want'} to be called first.")
    silence = "yes" if question["if_silent"] == "yes" and question["about"] == "other" else "no"
    left, at = until(question["expires_at"], now), clock(question["expires_at"], now)
    due = "The time is up" if left.endswith("overdue") else f"Answer {left}"
    deadline = f"{due} ({at} UTC). No answer means {silence}."
    return " ".join([*called, deadline])


def _approved(view: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    if question["answer"] == "yes" and question["document"] is not None:
        return " It is approved."
    return " Nothing is approved." if question["document"] is not None else ""


def _settled_otherwise(view: Mapping[str, Any], question: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    """Why a question about money has nothing left to ask, or None."""
    if question["document"] is None:
        return None
    given = view.get("compensation")
    if given is not None and given["state"] == "decided":
        return f"It needs no answer any more: {names.get(given['decided_by'], given['decided_by'])} has decided it."
    if given is None or given["document"] != question["document"]:
        return "It needs no answer any more: the proposal was edited since, and is asked anew."
    return None


@dataclass(frozen=True, slots=True)
class Approval:
    """What a yes approves: all of it, as it will be paid."""

    sum: str
    whom: str
    rationale: str
    requester: str


def approval(view: Mapping[str, Any], question: Mapping[str, Any], names: Mapping[str, str]) -> Approval | None:
    """What a yes to this question approves; None when it pays nothing."""
    given = view.get("compensation")
    if question["document"] is None or given is None or given.get("document") != question["document"]:
        return None
    requester = names.get(given["requester"], given["requester"])
    return Approval(money(given), f"{given['count']} {given['population']}", given["rationale"], requester)


def money(given: Mapping[str, Any]) -> str:
    """`20 EUR x 412 = 8240 EUR`, with the multiplication sign; or nothing, and why."""
    each = given["per_customer"]
    if each is None:
        return f"nothing ({given['reason']})"
    total = Decimal(str(each["amount"])) * int(given["count"])
    return f"{each['amount']} {each['currency']} \u00d7 {given['count']} = {total} {each['currency']}"


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
