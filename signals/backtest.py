"""What a plan's rules would have done with a history: pages, incidents caught and missed, delays, rule by rule. Pure.

A `Backtest` is told a history in the order in which it counts, as the engine tells it to its own detector; a `Report`
holds what came of it against labels: what really was an incident, and what only seemed to be one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median

from incidents.severity import Severity
from signals.conditions import AboveUsual, Subject
from signals.detector import Detector, Finding
from signals.grammar import write
from signals.observation import Heard, Observation
from signals.rules import Rule, Thresholds
from signals.thresholds import family_of

MINUTE = 60.0
HOUR = 3600.0
WEEK = 7 * 24 * HOUR
TOO_MANY = 2.0
"""Pages per brand and week above which a plan is called out (shared/design/detection.md)."""


def minute_of(at: float) -> float:
    """When the minute began in which this is: findings carry that time, so nothing later is compared with them."""
    return at // MINUTE * MINUTE


@dataclass(frozen=True, slots=True)
class Label:
    """What really happened to a brand, from `start` to `end` (seconds since the epoch)."""

    brand: str
    """Empty: whichever brand; nobody has said."""
    start: float
    end: float
    name: str
    real: bool = True
    """False: it was looked into and was nothing; a page in it is false."""
    known_at: float | None = None
    """When people knew of it, if that was not `start`: delays count from it and may be negative."""

    @property
    def began(self) -> float:
        return self.start if self.known_at is None else self.known_at

    def holds(self, brand: str, at: float) -> bool:
        return self.brand in ("", brand) and minute_of(self.start) <= at <= self.end


@dataclass(frozen=True, slots=True)
class Span:
    """What was replayed: seconds since the epoch, and which brands."""

    start: float
    end: float
    brands: tuple[str, ...]
    taught_from: float | None = None
    """Since when it was listened, if that is before `start`: what is usual was learned from then on."""

    @property
    def weeks(self) -> float:
        """At least one: a page on the only day that was replayed is not seven a week."""
        return max((self.end - self.start) / WEEK, 1.0)

    def rate(self, pages: int) -> float:
        """Pages per brand and week."""
        return pages / max(len(self.brands), 1) / self.weeks


@dataclass(frozen=True, slots=True)
class Page:
    """A finding that pages people."""

    finding: Finding
    verdict: str
    """`caught`, `false`, or `unknown`: nobody has said what it was."""
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Caught:
    label: Label
    delay: float
    """Seconds from when it began, or was known, to the first page."""
    rules: tuple[str, ...]
    """That paged first."""


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What one rule did. `first`: incidents that it paged for first; `only`: that no other rule has found."""

    rule: str
    pages: int = 0
    false: int = 0
    caught: int = 0
    first: int = 0
    only: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    span: Span
    pages: tuple[Page, ...]
    caught: tuple[Caught, ...]
    missed: tuple[Label, ...]
    rules: tuple[RuleReport, ...]
    words: tuple[tuple[str, float, tuple[float, ...]], ...] = ()
    """Each word of the plan: its spreads, and pages per brand and week of a rule of this word alone, a stream each."""
    unjudged: tuple[str, ...] = ()
    """Rules about waiting, when what we answered is not in the history."""

    @property
    def pages_per_brand_and_week(self) -> float:
        return self.span.rate(len(self.pages))

    @property
    def false(self) -> int:
        return sum(each.verdict == "false" for each in self.pages)

    @property
    def unknown(self) -> int:
        return sum(each.verdict == "unknown" for each in self.pages)

    @property
    def median_delay(self) -> float | None:
        """Seconds; None when nothing was caught."""
        return median(each.delay for each in self.caught) if self.caught else None

    def warnings(self) -> list[str]:
        """Who is paged too often to go on listening, and which rules this history says nothing about."""
        found = []
        rate = self.pages_per_brand_and_week
        if rate > TOO_MANY:
            found.append(
                f"{rate:.1f} pages per brand and week are more than {TOO_MANY:.0f}: people stop believing the bell."
            )
        for brand, pages in sorted(Counter(each.finding.brand for each in self.pages).items()):
            weekly = pages / self.span.weeks
            if len(self.span.brands) > 1 and weekly > TOO_MANY:
                found.append(f"{brand} alone is paged {weekly:.1f} times a week, more than {TOO_MANY:.0f}.")
        if self.unjudged:
            rules = ", ".join(repr(each) for each in self.unjudged)
            found.append(f"{rules} cannot be judged: without our answers (by_us) in the file everybody waits for ever.")
        return found


@dataclass(frozen=True, slots=True)
class Difference:
    """A plan against an older one on the same history and labels."""

    pages: tuple[int, int]
    """Of the old one and the new one, as all pairs here."""
    rates: tuple[float, float]
    false: tuple[int, int]
    gained: tuple[str, ...]
    """Incidents that only the new one catches."""
    lost: tuple[str, ...]
    delays: tuple[tuple[str, float, float], ...]
    """Incidents that both catch, with the delays in seconds, where these differ."""
    median_delays: tuple[float | None, float | None]
    rules: tuple[tuple[str, int | None, int | None], ...]
    """Pages of each rule that differs; None where there is no such rule."""


@dataclass(slots=True)
class Backtest:
    """Replays a history through the detector that decides live. `hear` in the order of `at`, then `report`.

    Every brand begins to be listened to with the first thing heard, as in the engine. With `words`, a rule of each word
    alone is tried on each of the three streams besides.
    """

    thresholds: Thresholds
    brands: tuple[str, ...]
    words: bool = True
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    """Mentions of each brand, by hours since the epoch."""
    start: float | None = None
    end: float = 0.0
    answered: bool = False
    """Whether anything heard was by us."""
    _detector: Detector = field(init=False)
    _trials: list[tuple[str, Subject, Detector, list[Finding]]] = field(init=False)

    def __post_init__(self) -> None:
        self._detector = Detector(self.thresholds, self.brands)
        self.counts = {brand: {} for brand in self.brands}
        self._trials = [
            (word, subject, Detector(_alone(self.thresholds, word, subject), self.brands), [])
            for word in (self.thresholds.words if self.words else ())
            for subject in Subject
        ]

    def hear(self, heard: Heard) -> None:
        """Count one thing; a tally's line with 0 only lets time pass."""
        self._reach(heard.at)
        if not isinstance(heard, Observation):
            self.findings += self._detector.hear(heard)
            for _, _, trial, found in self._trials:
                found += trial.hear(heard)
            return
        if heard.count == 0:
            self.pass_time(heard.at)
            return
        self.findings += self._detector.hear(heard)
        if heard.by_us:
            self.answered = True
        else:
            hours = self.counts.setdefault(heard.brand, {})
            hour = int(heard.at // HOUR)
            hours[hour] = hours.get(hour, 0) + heard.count
        for _, subject, trial, found in self._trials:
            if _concerns(subject, heard):
                found += trial.hear(heard)

    def pass_time(self, at: float) -> None:
        """Let time pass, as the engine does when nobody writes; also at the end of a history."""
        self._reach(at)
        self.findings += self._detector.pass_time(at)
        for _, _, trial, found in self._trials:
            found += trial.pass_time(at)

    def _reach(self, at: float) -> None:
        if self.start is None:
            self.start = at
            self.findings += self._detector.pass_time(at)
            for _, _, trial, found in self._trials:
                found += trial.pass_time(at)
        self.end = max(self.end, at)

    def span(self, since: float | None = None) -> Span:
        """What was replayed; `since`: what came before only taught what is usual."""
        start = self.end if self.start is None else max(self.start, since or self.start)
        return Span(start, max(self.end, start), tuple(sorted({*self.brands, *self.counts})), self.start)

    def report(self, labels: Sequence[Label], *, complete: bool = True, since: float | None = None) -> Report:
        """What came of it. `complete`: a page outside every label is false; else nobody has said what it was."""
        span = self.span(since)
        first = minute_of(span.start)
        found = report([each for each in self.findings if each.at >= first], labels, span, self.thresholds.rules,
                       complete=complete)  # fmt: skip
        return Report(found.span, found.pages, found.caught, found.missed, found.rules, self._words(span))

    def _words(self, span: Span) -> tuple[tuple[str, float, tuple[float, ...]], ...]:
        rates: dict[str, list[float]] = defaultdict(list)
        first = minute_of(span.start)
        for word, _, _, found in self._trials:
            rates[word].append(span.rate(sum(each.kind == "raises" and each.at >= first for each in found)))
        return tuple((word, self.thresholds.words[word], tuple(each)) for word, each in rates.items())


def report(
    findings: Iterable[Finding], labels: Sequence[Label], span: Span, rules: Sequence[Rule], *, complete: bool = True
) -> Report:
    """What the findings were worth. Labels that end before the span or begin after it are left out."""
    known = [each for each in labels if each.end >= span.start and each.start <= span.end]
    found = list(findings)
    pages = _judged([each for each in found if each.kind == "raises"], known, complete=complete)
    caught, missed = [], []
    for label in known:
        if not label.real:
            continue
        first = next((each.finding for each in pages if label.holds(each.finding.brand, each.finding.at)), None)
        if first is None:
            missed.append(label)
        else:
            delay = first.at - label.began
            caught.append(Caught(label, max(delay, 0.0) if label.known_at is None else delay, first.started))
    reports = _by_rule(found, pages, caught, rules)
    return Report(span, tuple(pages), tuple(caught), tuple(missed), reports)


def difference(old: Report, new: Report) -> Difference:
    """What changes when the new plan goes live."""
    before, after = ({_key(each.label): each for each in one.caught} for one in (old, new))
    both = [key for key in after if key in before]
    by_rule = [{each.rule: each.pages for each in one.rules} for one in (old, new)]
    names = dict.fromkeys((*by_rule[0], *by_rule[1]))
    return Difference(
        pages=(len(old.pages), len(new.pages)),
        rates=(old.pages_per_brand_and_week, new.pages_per_brand_and_week),
        false=(old.false, new.false),
        gained=tuple(each.label.name for key, each in after.items() if key not in before),
        lost=tuple(each.label.name for key, each in before.items() if key not in after),
        delays=tuple(
            (after[key].label.name, before[key].delay, after[key].delay)
            for key in both
            if before[key].delay != after[key].delay
        ),
        median_delays=(old.median_delay, new.median_delay),
        rules=tuple(
            (name, by_rule[0].get(name), by_rule[1].get(name))
            for name in names
            if by_rule[0].get(name) != by_rule[1].get(name)
        ),
    )


def _key(label: Label) -> tuple[str, float, float, str]:
    return label.brand, label.start, label.end, label.name


def _judged(raises: Sequence[Finding], labels: Sequence[Label], *, complete: bool) -> list[Page]:
    """A page is worth what its label says, of several the one that began last; after its end, what its episode was."""
    of_episode: dict[str, Label] = {}
    pages = []
    for finding in raises:
        within = [each for each in labels if each.holds(finding.brand, finding.at)]
        label = max(within, key=lambda each: (each.start, each.real), default=None)
        label = of_episode.get(finding.episode) if label is None else label
        if label is None:
            pages.append(Page(finding, "false" if complete else "unknown"))
            continue
        of_episode[finding.episode] = label
        pages.append(Page(finding, "caught" if label.real else "false", label))
    return pages


def _by_rule(
    findings: Sequence[Finding], pages: Sequence[Page], caught: Sequence[Caught], rules: Sequence[Rule]
) -> tuple[RuleReport, ...]:
    counts: dict[str, Counter[str]] = {each.name: Counter() for each in rules}
    for page in pages:
        for rule in page.finding.started:
            counts[rule]["pages"] += 1
            counts[rule]["false"] += page.verdict == "false"
    for each in caught:
        heard = [one for one in findings if one.kind != "calm" and each.label.holds(one.brand, one.at)]
        found = {rule for one in heard for rule in one.rules}
        for rule in found:
            counts[rule]["caught"] += 1
            counts[rule]["only"] += len(found) == 1
        for rule in each.rules:
            counts[rule]["first"] += 1
    return tuple(
        RuleReport(name, *(said[key] for key in ("pages", "false", "caught", "first", "only")))
        for name, said in counts.items()
    )


def _alone(thresholds: Thresholds, word: str, subject: Subject) -> Thresholds:
    """The same plan with one rule: this word of this stream in an hour."""
    when = AboveUsual(subject, timedelta(hours=1), word)
    rule = Rule(write(when), (when,), Severity.SEV3, family_of(when))
    return Thresholds(
        (rule,),
        thresholds.situation,
        thresholds.words,
        thresholds.usual_days,
        thresholds.leave_out,
        None,
        thresholds.join,
        thresholds.calm,
    )


def _concerns(subject: Subject, heard: Observation) -> bool:
    match subject:
        case Subject.MENTIONS:
            return True
        case Subject.NEGATIVE:
            return heard.negative
        case Subject.COMPLAINTS:
            return heard.complaint


def by_brand(report: Report) -> Mapping[str, int]:
    """Pages of each brand, those without any too."""
    counted = Counter(each.finding.brand for each in report.pages)
    return {brand: counted[brand] for brand in report.span.brands}
