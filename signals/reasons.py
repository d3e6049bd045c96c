"""Why a rule holds, in one sentence with its numbers. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from signals.atoms import Alerts, AlertSpec, Counter, CountSpec, Key, ShareSpec, SingleSpec, Spec, Waiting, WaitingSpec
from signals.conditions import Subject
from signals.program import RuleProgram

_ONE = {Subject.MENTIONS: "mention", Subject.NEGATIVE: "negative mention", Subject.COMPLAINTS: "complaint"}


@dataclass(frozen=True, slots=True)
class Single:
    """The mention that alone was enough: until which minute it counts, and whose it is."""

    until: int
    who: str
    link: str
    reach: int


class Standing(Protocol):
    """What a sentence needs to know of a brand."""

    bits: int
    minute: int
    waiting: dict[Subject, Waiting]
    alerts: Alerts
    singled: dict[int, Single]

    def counter(self, key: Key) -> Counter: ...

    def share(self, spec: ShareSpec) -> float: ...


def reason(program: RuleProgram, specs: list[Spec], brand: Standing) -> str:
    """`Anger is spreading: 412 negative mentions in the last hour; usual 38 ± 12; 31 spreads above; 11x.`"""
    said: list[str] = []
    for term in program.terms():
        bits = next((each for each in term if brand.bits & each == each), 0)
        said += [_condition(1 << place, spec, brand) for place, spec in enumerate(specs) if bits >> place & 1]
    return f"{program.rule.name}: {'; '.join(dict.fromkeys(said))}."


def _condition(bit: int, spec: Spec, brand: Standing) -> str:
    match spec:
        case CountSpec():
            return _count(spec, brand.counter(spec.key))
        case ShareSpec():
            part = str(spec.part[0]).removesuffix(" mentions")
            return f"{brand.share(spec):.0f} % {part} in the last {span(spec.window)} (above {spec.percent:f} %)"
        case SingleSpec():
            return _single(spec, brand.singled[bit])
        case WaitingSpec(subject, more_than, longer_than):
            number = brand.waiting[subject].number_since(brand.minute - longer_than)
            waiting = f"{number} {_named(subject, number)}"
            return f"{waiting} unanswered for longer than {span(longer_than)} (more than {more_than})"
        case AlertSpec(names):
            since, name = brand.alerts.oldest(names) or (brand.minute, min(names))
            lasting = span(max(brand.minute - since, 1), one="1 hour")
            if name.startswith("source:"):
                source = name.removeprefix("source:")
                return f"{'a source' if source == '*' else f'source {source}'} has been silent for {lasting}"
            return f"monitoring alert {name} has been firing for {lasting}"


def _named(subject: Subject, number: int) -> str:
    return _ONE[subject] if number == 1 else str(subject)


def _single(spec: SingleSpec, single: Single) -> str:
    about = _about(spec.topics)
    followers = f" with {single.reach} followers" if spec.followers is not None else ""
    verified = ", a verified account" if spec.verified else ""
    link = f" ({single.link})" if single.link else ""
    return f"a {_ONE[spec.subject]}{about} by {single.who}{followers}{verified}{link}"


def _about(topics: Collection[str]) -> str:
    """` about injury or recall`: any of these was enough, and not every one was written about."""
    *others, last = sorted(topics) or [""]
    return f" about {', '.join(others)} or {last}" if others else f" about {last}" * bool(last)


def _count(spec: CountSpec, counter: Counter) -> str:
    subject, topics = spec.key
    what = f"{subject}{_about(topics)}"
    when = f"in the last {span(spec.window)}"
    value = counter.value(spec.measure, spec.window)
    if spec.measure == "people":
        return f"from {value} {'person' if value == 1 else 'people'} (at least {spec.number})"
    if spec.measure == "reach":
        return f"reach of {what} {when} is {value} (above {(spec.number or 1) - 1})"
    what = f"{_named(subject, value)}{_about(topics)}"
    usual = counter.stream.usual(spec.window)
    if spec.number is not None or usual is None:
        return f"{value} {what} {when} (at least {spec.number})"
    times = f"; {value / usual.mean:.1f}x" if usual.mean > 0 else ""
    above = f"{usual.above(value):.1f} spreads above"
    return f"{value} {what} {when}; usual {_round(usual.mean)} ± {_round(usual.spread)}; {above}{times}"


def _round(number: float) -> str:
    """Small numbers keep a decimal: `0.2 ± 0.5`, `38 ± 12`."""
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def span(minutes: int, one: str = "hour") -> str:
    """`15 minutes`, `hour` (`one`, for exactly one), `2 hours`."""
    if minutes == 60:
        return one
    if minutes % 60 == 0:
        return f"{minutes // 60} hours"
    return "minute" if minutes == 1 else f"{minutes} minutes"
