"""What `show` and `status` print: pure functions from the engine's objects to lines. No colour without a word."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from tocsin.words import (
    PageLine,
    ago,
    answers,
    can_answer,
    clock,
    customers_sentence,
    escalation_plan,
    impact_state,
    in_hand,
    person,
    printable,
    question_state,
    question_word,
    recovered,
    roles,
    status_words,
    until,
    waiting_sentence,
)

_SEVERITY = {"SEV1": "red", "SEV2": "yellow", "SEV3": "cyan", "SEV4": None}
_BY_HAND = "`tocsin doctor` says why; until then call them yourself (tocsin contacts print)."
_RECENT = 12
_SUGGESTED = 3


def incident_screen(
    view: Mapping[str, Any],
    names: Mapping[str, str],
    now: datetime,
    width: int,
    *,
    whole: bool = False,
    program: str = "tocsin",
) -> list[str]:
    """Everything about one incident, in lines of `width`; times are UTC. `whole`: every page and the whole timeline."""
    view = printable(view)
    lines = [*_header(view, names, now), *_roles(view, names), *_questions(view, names, now, width)]
    lines += [
        *_impact(view, names, now),
        *_customers(view),
        *_social(view),
        *_left_out(view, names, width),
        *_calls(escalation_plan(view, now, names, whole=whole)),
    ]
    lines += [*_steps(view, names, now, width), *_decisions(view, names, now, width), *_compensation(view)]
    lines += _missing(view, width, program)
    lines += _changes("Recent changes", view.get("changes") or (), now, width)
    entries = view["timeline"] if whole else view["timeline"][-_RECENT:]
    left_out = len(view["timeline"]) - len(entries)
    lines += _title(f"Timeline (the last {len(entries)}; all with --all)" if left_out else "Timeline")
    for entry in entries:
        by = entry["by"].removeprefix("person:")
        lines += _folded(f"  {clock(entry['at'], now)} {entry['sentence']} [{by}]", width, 8)
    return lines


def status_screen(
    status: Mapping[str, Any],
    incidents: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    now: datetime,
    width: int,
) -> list[str]:
    """The banner and the open incidents, worst first."""
    incidents = printable(list(incidents))
    lines = [*_banner(status, names, now)]
    changed = _changes("Changed within a day", printable(list(status.get("changes") or ())), now, width)
    if not incidents:
        return [*lines, "", click.style("Nothing is open.", fg="green"), *changed]
    for each in sorted(incidents, key=lambda one: (one["severity"], one["declared_at"])):
        lines.append("")
        lines.append(_strip(each))
        who = in_hand(each, names)
        colour = "red" if each["commander"] is None and each["status"] == "declared" else None
        lines.append(f"  {click.style(who, fg=colour)} Declared {ago(each['declared_at'], now)}.")
        if each["next_update_by"] is not None and each["status"] in ("declared", "acknowledged"):
            lines.append(f"  Next update {_deadline(each['next_update_by'], now)}.")
        if each.get("quarantined"):
            lines += _folded(f"  Set aside, its log cannot be read: {each['quarantined']}", width, 2)
    return [*lines, *changed]


def _changes(title: str, changes: Sequence[Mapping[str, Any]], now: datetime, width: int) -> list[str]:
    """What was changed by whom, the latest first: the usual cause."""
    lines = _title(title) if changes else []
    for each in changes:
        where = f" ({each['source']})" if each["source"] else ""
        links = "".join(f" {link}" for link in each["links"])
        lines += _folded(
            f"  {clock(each['at'], now)} {each['summary']}{where} [{each['integration']}]{links}", width, 8
        )
    return lines


def _banner(status: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    able = status["can_page"]
    word = click.style("ready to page", fg="green") if able else click.style("CANNOT PAGE", fg="red", bold=True)
    outbox = status["outbox"]
    waiting = outbox.get("pending", 0) + outbox.get("sending", 0)
    yield f"Engine {word}, {waiting} messages waiting. {now:%H:%M:%S} UTC"
    if not able and status.get("not_ready"):
        yield f"  {status['not_ready']}"
    yield click.style(str(status["prefect"]), fg=None if status["workers"] else "yellow")
    unreached = status.get("unreached") or ()
    if unreached:
        words = f"NOBODY IS REACHED for {', '.join(unreached)}: every page has failed. {_BY_HAND}"
        yield click.style(words, fg="red", bold=True)
    if status.get("disk_full"):
        yield click.style("The disk is full: signals are refused, pages go on.", fg="red", bold=True)
    for line in _addresses(status.get("addresses") or {}, names, now):
        yield click.style(line, fg="red")
    yield from _noise(status.get("noise") or {}, now)
    yield from _heard(status.get("heard") or {}, now)


def _heard(heard: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Customers who wait, and sources that nobody can read."""
    if heard.get("waiting"):
        yield click.style(f"{waiting_sentence(heard, now)} (tocsin cases --waiting)", fg="yellow")
    for each in printable(list(heard.get("trouble") or ())):
        words = f"Source {each['name']} cannot be read since {clock(each['since'], now)} UTC: {each['trouble']}"
        yield click.style(words, fg="red")


def _noise(noise: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """What pages nobody now, and heartbeats."""
    kept = sum((noise.get("kept") or {}).values())
    parts = [f"{noise['silences']} silences"] if noise.get("silences") else []
    parts += [f"maintenance {name}" for name in noise.get("maintenance") or ()]
    parts += [f"{noise['flapping']} keys flapping"] if noise.get("flapping") else []
    if parts or kept:
        yield click.style(f"Quiet: {', '.join([*parts, f'{kept} signals kept'])} (tocsin silence list)", fg="yellow")
    for name, since in (noise.get("storms") or {}).items():
        yield click.style(f"{name} storms since {clock(since, now)} UTC", fg="yellow")
    beats = noise.get("heartbeats") or ()
    for each in beats:
        if each["state"] != "ok":
            yield click.style(
                f"Heartbeat {each['name']} {each['state']} since {clock(each['since'], now)} UTC, "
                f"last heard {ago(each['heard_at'], now)}",
                fg="red",
            )
    well = sum(1 for each in beats if each["state"] == "ok")
    if well:
        yield f"{well} of {len(beats)} heartbeats well"


def _addresses(standing: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Where people cannot be reached, or nobody knows whether they can."""
    for each in standing.get("out", ()):
        whose = ", ".join(names.get(contact, contact) for contact in each["contacts"]) or "nobody in contacts.yaml"
        since = clock(each["since"], now)
        yield f"{each['address']} ({whose}) is OUT since {since} UTC: {each['because']}"
    counted = [f"{standing.get(word, 0)} {word}" for word in ("unproven", "expired") if standing.get(word, 0)]
    if counted:
        yield f"Addresses without proof: {', '.join(counted)} (tocsin contacts verify)"


def _strip(view: Mapping[str, Any]) -> str:
    severity = click.style(view["severity"], fg=_SEVERITY[view["severity"]], bold=True)
    drill = " (drill)" if view["drill"] else ""
    return f"{click.style(view['id'], bold=True)}  {severity}  {status_words(view)}{drill}  {view['title']}"


def _header(view: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    yield _strip(view)
    nobody = view["commander"] is None and view["status"] == "declared"
    yield f"  {click.style(in_hand(view, names), fg='red' if nobody else None, bold=nobody)}"
    if recovered(view):
        yield click.style(f"  {recovered(view)}", fg="green")
    if nobody and view["pages"] and all(each["state"] == "failed" for each in view["pages"]):
        yield click.style(f"  NOBODY IS REACHED: every page has failed. {_BY_HAND}", fg="red", bold=True)
    yield f"  {view['situation']}, round {view['round']}, declared {ago(view['declared_at'], now)} " + (
        f"({clock(view['declared_at'], now)} UTC)"
    )
    for reason in view.get("because") or ():
        yield f"  Because {reason}"
    if view["status"] in ("declared", "acknowledged", "resolved"):
        promised = view["next_update_by"]
        yield "  Next update " + ("not promised" if promised is None else _deadline(promised, now))
        for call in answers(view):
            if call["kind"] != "round":
                yield click.style(f"  Calls for an answer: {call['because']}", fg="yellow")
    if view.get("stood_down_by"):
        yield f"  Stood down by {person(view['stood_down_by'], names)}: {view['stood_down_because']}"
    if view.get("merged_into"):
        yield f"  Merged into {view['merged_into']}"


def _roles(view: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    taken = roles(view, names)
    if not taken:
        return
    yield from _title("Roles")
    room = max(len(role) for role, _ in taken)
    for role, who in taken:
        yield f"  {role:<{room}}  {who}"


_ANSWER_COLOUR = {"open": "yellow", "yes": "green", "no": "red", "expired": "red"}


def _questions(view: Mapping[str, Any], names: Mapping[str, str], now: datetime, width: int) -> Iterator[str]:
    if not view.get("questions"):
        return
    yield from _title("Questions")
    for each in view["questions"]:
        word = question_word(view, each)
        styled = click.style(f"{word:<8}", fg=_ANSWER_COLOUR.get(word))
        yield f"  {styled} {click.style(each['id'], bold=True)}  {each['text']}"
        asked = ", ".join(names.get(who, who) for who in each["to"])
        yield from _folded(f"           {person(each['asked_by'], names)} asks {asked}", width, 11)
        yield from _folded(f"           {question_state(view, each, names, now)}", width, 11)


def impact_lines(view: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> list[str]:
    """Each question about the impact with its answer, or that nobody was asked."""
    rows = view.get("impact") or ()
    room = max((len(row["question"]) for row in rows), default=0)
    return [f"  {row['question']:<{room}}  {impact_state(row, names, now)}" for row in rows]


def _impact(view: Mapping[str, Any], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    if not any(row["answer"] for row in view.get("impact") or ()):
        return
    yield from _title("Impact")
    yield from impact_lines(view, names, now)


def _customers(view: Mapping[str, Any]) -> Iterator[str]:
    customers = view.get("customers") or {}
    if not customers.get("cases"):
        return
    yield from _title("Customers")
    yield f"  {customers_sentence(customers)}"


def _social(view: Mapping[str, Any]) -> Iterator[str]:
    score = view.get("social")
    if not score:
        return
    yield from _title("What the networks say")
    yield f"  {score['sentence']}"
    for sentence in (*(each["sentence"] for each in score["parts"]), *score["guards"]):
        yield f"    {sentence}"


def _left_out(view: Mapping[str, Any], names: Mapping[str, str], width: int) -> Iterator[str]:
    if not view.get("implicated"):
        return
    yield from _title("Left out")
    who = ", ".join(names.get(each, each) for each in view["implicated"])
    yield from _folded(f"  {who}: implicated; nobody of them is called or told", width, 4)


def _calls(lines: Sequence[PageLine]) -> Iterator[str]:
    if not lines:
        return
    yield from _title("Who is called")
    for line in lines:
        if line.future:
            yield click.style(f"  {line.offset:>8}  {line.sentence}, {line.state}, when nobody acts", dim=True)
        else:
            bad = line.state.startswith(("failed", "unknown"))
            yield f"  {line.offset:>8}  {line.sentence}: {click.style(line.state, fg='red' if bad else 'green')}"


def _steps(view: Mapping[str, Any], names: Mapping[str, str], now: datetime, width: int) -> Iterator[str]:
    if not view["steps"]:
        return
    yield from _title("Steps")
    for step in view["steps"]:
        word, colour = _step_word(step)
        owner = step["owner"].removeprefix("role:")
        yield f"  {click.style(f'{word:<8}', fg=colour)} {click.style(step['id'], bold=True)}  {step['title']}"
        match step["state"]:
            case "open":
                yield f"           {owner}, due {_deadline(step['due_at'], now)}"
                yield from _folded(f"           {step['say']}", width, 11)
                if step.get("asks_evidence"):
                    yield from _folded(f"           Evidence: {step['asks_evidence']}", width, 11)
            case "waiting" if step["needs"]:
                yield click.style(f"           {owner}, after {', '.join(step['needs'])}", dim=True)
            case "waiting":
                continue
            case _:
                by = (step["ended_by"] or "").removeprefix("person:")
                said = f": {step['evidence']}" if step["evidence"] else ""
                yield from _folded(f"           {names.get(by, by)} at {clock(step['ended_at'], now)}{said}", width, 11)


def _step_word(step: Mapping[str, Any]) -> tuple[str, str | None]:
    if step["overdue"]:
        return "overdue", "red"
    colours: dict[str, str | None] = {"open": "yellow", "done": "green", "skipped": "cyan"}
    return step["state"], colours.get(step["state"])


def _decisions(view: Mapping[str, Any], names: Mapping[str, str], now: datetime, width: int) -> Iterator[str]:
    if not view["decisions"]:
        return
    yield from _title("Decisions")
    for each in view["decisions"]:
        word = click.style("decided ", fg="green") if each["choice"] else click.style("open    ", fg="yellow")
        yield f"  {word} {click.style(each['id'], bold=True)}  {each['question']}"
        if each["choice"]:
            by = (each["made_by"] or "").removeprefix("person:")
            yield from _folded(f"           {each['choice']}, {names.get(by, by)}: {each['because']}", width, 11)
        else:
            options = f": {' / '.join(each['options'])}" if each["options"] else ""
            decider = each["decider"].removeprefix("role:")
            yield f"           {decider}, due {_deadline(each['due_at'], now)}{options}"


def _compensation(view: Mapping[str, Any]) -> Iterator[str]:
    found = view.get("compensation")
    if not found:
        return
    yield from _title("What the customers get")
    money = found["per_customer"]
    what = f"nothing ({found['reason']})" if money is None else f"{money['amount']} {money['currency']} each"
    yield f"  {what}, for {found['count']} {found['population']}: {found['rationale']}"
    if found["state"] == "decided":
        yield f"  {click.style('decided', fg='green')} by {found['decided_by']}, {found['authority']}"
    else:
        yield f"  {click.style('proposed', fg='yellow')} by {found['requester']}; somebody else approves document " + (
            str(found["document"])
        )


def _missing(view: Mapping[str, Any], width: int, program: str) -> Iterator[str]:
    """What is missing to close, and the very commands that would change it."""
    if view["missing_to_close"]:
        yield from _title("Missing to close")
    for sentence in view["missing_to_close"]:
        yield from _folded(f"  - {sentence}", width, 4)
    following = next_commands(view)
    if following:
        yield from _title("Next")
        for command in following:
            yield f"  {program}{command.removeprefix('tocsin')}"


def next_commands(view: Mapping[str, Any]) -> list[str]:
    """The commands that bring this incident on, as one would type them; the most pressing first."""
    id_ = view["id"]
    if view["status"] not in ("declared", "acknowledged", "resolved"):
        return []
    asked = _answer_commands(view)
    if view["commander"] is None:
        return [f"tocsin ack {id_}", *asked]
    found = asked + [_step_command(id_, step) for step in view["steps"] if step["state"] == "open"][:_SUGGESTED]
    found += [
        f'tocsin decide {id_} {each["id"]} --choice "{"|".join(each["options"])}" --because "..."'
        for each in view["decisions"]
        if not each["choice"] and each["options"] and each["id"] != "compensation"
    ][:_SUGGESTED]
    if view["status"] == "acknowledged":
        found.append(f'tocsin resolve {id_} --note "..."')
        return found
    return found + _last_commands(view)


def _answer_commands(view: Mapping[str, Any]) -> list[str]:
    """One for each question that is open; it is named when there are several."""
    still = [each["id"] for each in view.get("questions") or () if can_answer(view, each)]
    which = [f" --question {each}" for each in still] if len(still) > 1 else [""] * len(still)
    return [f"tocsin answer {view['id']} yes|no|call{each}" for each in which][:_SUGGESTED]


def _step_command(id_: str, step: Mapping[str, Any]) -> str:
    evidence = ' --evidence "..."' if step.get("asks_evidence") else ""
    return f"tocsin step {id_} {step['id']} done{evidence}"


def _last_commands(view: Mapping[str, Any]) -> list[str]:
    """Between resolved and closed."""
    id_, found = view["id"], []
    if view.get("confirmed_at") is None:
        found.append(f'tocsin confirm {id_} --evidence "..."')
    given = view.get("compensation")
    if given is None:
        found.append(f'tocsin decide {id_} compensation --none TRIVIAL_IMPACT --for "..." --count N --because "..."')
        found.append(
            f'tocsin decide {id_} compensation --amount 20 --currency EUR --for "..." --count N --because "..."'
        )
    elif given["state"] == "proposed":
        found.append(f"tocsin approve {id_} {given['document']}")
    elif view.get("informed_at") is None:
        found.append(f'tocsin inform {id_} --how "..." --text "..."')
    return found or [f"tocsin close {id_}"]


def _deadline(text: str, now: datetime) -> str:
    words = f"{until(text, now)} ({clock(text, now)} UTC)"
    return click.style(words, fg="red", bold=True) if until(text, now).endswith("overdue") else words


def _title(text: str) -> list[str]:
    return ["", click.style(text, bold=True)]


def _folded(text: str, width: int, indent: int) -> list[str]:
    """Folded at the terminal's edge; later lines are indented."""
    start = text[: len(text) - len(text.lstrip(" "))]
    clean = " ".join(text.split())
    return textwrap.wrap(clean, max(40, width), initial_indent=start, subsequent_indent=" " * indent) or [""]
