"""A proof as one HTML file: hours of the week, a colour and a word each, a click for the reason. No script."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contacts.directory import Directory
from incidents.severity import Severity
from runbooks.heat import Hour, heat_of
from runbooks.plan import Plan
from runbooks.presence import moment
from runbooks.proof import Proof, Result
from runbooks.telling import minutes, moment_in_words, told
from runbooks.week import DAYS

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Square:
    """One hour of the week: `good`, `late` or `nobody`, in how many minutes at worst, and which reason says why."""

    verdict: str
    worst: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    sentence: str
    days: tuple[tuple[str, tuple[Square, ...]], ...]
    reasons: tuple[tuple[str, str], ...]
    """(id, sentence), each once."""


def heat_map(proof: Proof, plan: Plan, directory: Directory) -> str:
    """The page. The reasons of the hours in which nobody is late are those of one moment in them."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["minutes"] = minutes
    return environment.get_template("proof.html").render(
        company=plan.company,
        proof=proof,
        start=moment_in_words(proof.start, proof.time_zone),
        end=moment_in_words(proof.end, proof.time_zone),
        tables=list(_tables(proof, plan, directory)),
        rows=[(result, verdict_of(result)) for result in proof.results],
    )


def verdict_of(result: Result) -> str:
    """`in time`, `late` or `nobody`, for the person whom the target asks for."""
    if result.in_time:
        return "in time"
    return "nobody" if result.worst[result.silent] is None else "late"


def _tables(proof: Proof, plan: Plan, directory: Directory) -> Iterator[Table]:
    for severity in sorted(Severity, key=lambda each: each.rank):
        for broken in (False, True):
            heat = heat_of(proof, severity, broken=broken)
            if heat is None:
                continue
            writing = _Writing(proof, plan, directory, f"{severity}-{'down' if broken else 'up'}")
            squares = tuple(writing.square(hour) for hour in heat)
            target = proof.terms.targets[severity]
            nth = "a person" if proof.terms.silent == 0 else f"person {proof.terms.silent + 1}"
            yield Table(
                title=f"{severity}, {'with one provider or network down' if broken else 'nothing broken'}",
                sentence=(
                    f"Worst minutes to {nth} over all weeks and situations; "
                    f"the target is {minutes(int(target.within.total_seconds()))} min ({target.said_by})."
                ),
                days=tuple((day, squares[24 * number : 24 * number + 24]) for number, day in enumerate(DAYS)),
                reasons=tuple((reason, sentence) for sentence, reason in writing.reasons.items()),
            )


@dataclass(slots=True)
class _Writing:
    proof: Proof
    plan: Plan
    directory: Directory
    prefix: str
    reasons: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[int, int | None, int], str] = field(default_factory=dict)

    def square(self, hour: Hour) -> Square:
        verdict = "good" if not hour.late else "nobody" if hour.time is None else "late"
        return Square(verdict, minutes(hour.time), self._reason(hour))

    def _reason(self, hour: Hour) -> str:
        key = (id(hour.result), hour.time, hour.second if hour.late else 0)
        if key not in self._known:
            zone = self.proof.time_zone
            sentence = told(hour.result, self.plan, self.directory, moment(hour.second), zone)
            self._known[key] = self.reasons.setdefault(sentence, f"{self.prefix}-{len(self.reasons) + 1}")
        return self._known[key]
