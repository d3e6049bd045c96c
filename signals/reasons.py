"""Why a rule holds, in one sentence with its numbers. Pure."""

from collections.abc import Sequence

from signals.atoms import AlertAtom, Atom, CountAtom, ShareAtom, SingleAtom, WaitingAtom
from signals.conditions import Subject
from signals.program import RuleProgram

_ONE = {Subject.MENTIONS: "mention", Subject.NEGATIVE: "negative mention", Subject.COMPLAINTS: "complaint"}


def reason(program: RuleProgram, atoms: Sequence[Atom], minute: int) -> str:
    """`Anger is spreading: 412 negative mentions in the last hour; usual 38 ± 12; 31 spreads above; 11x.`"""
    said: list[str] = []
    for term in program.terms():
        option = next((each for each in term if all(atoms[place].on for place in each)), ())
        for place in option:
            said.append(_condition(atoms[place], minute))
    return f"{program.rule.name}: {'; '.join(dict.fromkeys(said))}."


def _condition(atom: Atom, minute: int) -> str:
    match atom:
        case CountAtom():
            return _count(atom)
        case ShareAtom():
            part = str(atom.part.subject).removesuffix(" mentions")
            return f"{atom.value:.0f} % {part} in the last {span(atom.window)} (above {atom.percent:f} %)"
        case SingleAtom():
            about = f" about {', '.join(sorted(atom.topics))}" if atom.topics else ""
            by = f" by {atom.who}" + (f" with {atom.reach} followers" if atom.followers is not None else "")
            verified = ", a verified account" if atom.verified else ""
            return f"a {_ONE[atom.subject]}{about}{by}{verified}" + (f" ({atom.link})" if atom.link else "")
        case WaitingAtom():
            waiting = f"{atom.number(minute)} {atom.subject} unanswered for longer than {span(atom.longer_than)}"
            return f"{waiting} (more than {atom.more_than})"
        case AlertAtom():
            oldest = atom.alerts.oldest(atom.names)
            since, name = oldest or (minute, min(atom.names))
            if name.startswith("source:"):
                return f"{_source(name)} has been silent for {span(max(minute - since, 1))}"
            return f"monitoring alert {name} has been firing for {span(max(minute - since, 1))}"


def _source(name: str) -> str:
    source = name.removeprefix("source:")
    return "a source" if source == "*" else f"source {source}"


def _count(atom: CountAtom) -> str:
    what = str(atom.counter.subject)
    about = f" about {', '.join(sorted(atom.counter.topics))}" if atom.counter.topics else ""
    when = f"in the last {span(atom.window)}"
    if atom.measure == "people":
        return f"from {atom.value} people (at least {atom.number})"
    if atom.measure == "reach":
        return f"reach of {what} {when} is {atom.value} (above {(atom.number or 1) - 1})"
    usual = atom.usual()
    if atom.number is not None or usual is None:
        return f"{atom.value} {what}{about} {when} (at least {atom.number})"
    times = f"; {atom.value / usual.mean:.1f}x" if usual.mean > 0 else ""
    spreads = f"{usual.above(atom.value):.1f} spreads above"
    return f"{atom.value} {what} {when}; usual {usual.mean:.0f} ± {usual.spread:.0f}; {spreads}{times}"


def span(minutes: int) -> str:
    """`15 minutes`, `hour` (for exactly one), `2 hours`."""
    if minutes == 60:
        return "hour"
    if minutes % 60 == 0:
        return f"{minutes // 60} hours"
    return "minute" if minutes == 1 else f"{minutes} minutes"
