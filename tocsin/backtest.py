"""A backtest's result in words, as JSON and as Markdown."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from engine.backtest import Outcome
from signals.backtest import TOO_MANY, Difference, Page, Report, by_brand
from signals.conditions import Subject
from signals.streams import NEEDED

_SHOWN = 40
"""Pages, incidents or changes named one by one; --json has all of them."""


def as_text(outcome: Outcome) -> str:
    """For the terminal."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    report = outcome.report
    yield from _head(report)
    yield from _incidents(report)
    yield ""
    yield "By rule"
    yield from _table(
        ("rule", "pages", "false", "caught", "first", "only it"),
        [(each.rule, each.pages, each.false, each.caught, each.first, each.only) for each in report.rules],
    )
    if report.words:
        yield ""
        yield "Each word alone, in 1 hour: pages per brand and week"
        yield from _table(
            ("word", "spreads", *Subject),
            [(word, f"{spreads:g}", *(f"{rate:.2f}" for rate in rates)) for word, spreads, rates in report.words],
        )
    if outcome.change is not None:
        yield ""
        yield "Against the old plan"
        yield from _change(outcome.change)
    for warning in report.warnings():
        yield ""
        yield f"WARNING: {warning}"


def _head(report: Report) -> Iterator[str]:
    span = report.span
    yield (
        f"{_day(span.start)} to {_day(span.end)} UTC: {(span.end - span.start) / 86400:.1f} days, "
        f"{_number(len(span.brands), 'brand')}"
    )
    if span.end - (span.start if span.taught_from is None else span.taught_from) < 14 * 86400:
        yield f"Short: nothing is said about the usual before {NEEDED // 60} hours, and 14 days make it steady."
    yield f"{_number(len(report.pages), 'page')}: {report.pages_per_brand_and_week:.2f} per brand and week"
    if len(span.brands) > 1:
        yield "  " + ", ".join(f"{brand} {pages / span.weeks:.2f}" for brand, pages in by_brand(report).items())


def _incidents(report: Report) -> Iterator[str]:
    known = len(report.caught) + len(report.missed)
    if known:
        delay = "" if report.median_delay is None else f", median delay {length(report.median_delay)}"
        yield f"{len(report.caught)} of {_number(known, 'incident')} caught, {len(report.missed)} missed{delay}"
    unknown = f", {report.unknown} that nobody has said anything about" if report.unknown else ""
    yield f"{_number(report.false, 'false page')}{unknown}"
    for each in report.caught[:_SHOWN]:
        yield f"  caught  {each.label.name}: {length(each.delay)} by {' and '.join(each.rules)}"
    for label in report.missed[:_SHOWN]:
        yield f"  missed  {label.name} ({_moment(label.start)})"
    for page in [each for each in report.pages if each.verdict != "caught"][:_SHOWN]:
        yield f"  {page.verdict:7} {_moment(page.finding.at)} {page.finding.brand}: {' '.join(page.finding.started)}"


def _change(change: Difference) -> Iterator[str]:
    yield (
        f"pages {change.pages[0]} -> {change.pages[1]} "
        f"({change.rates[0]:.2f} -> {change.rates[1]:.2f} per brand and week), "
        f"false {change.false[0]} -> {change.false[1]}"
    )
    yield f"caught besides: {', '.join(change.gained) or 'none'}"
    yield f"lost: {', '.join(change.lost) or 'none'}"
    before, after = change.median_delays
    yield f"median delay {_or_none(before)} -> {_or_none(after)}"
    for name, old, new in change.delays[:_SHOWN]:
        yield f"  {name}: {length(old)} -> {length(new)}"
    for rule, pages, now in change.rules:
        yield f"  {rule}: {'no such rule' if pages is None else pages} -> {'no such rule' if now is None else now}"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    cells = [head, *(tuple(str(each) for each in row) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    for row in cells:
        first, *rest = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *rest])


def as_markdown(outcome: Outcome) -> str:
    """For Prefect's pages: the same, as it stands. A name cannot end the block."""
    return "```text\n" + as_text(outcome).replace("```", "'''") + "\n```"


def as_object(outcome: Outcome) -> dict[str, Any]:
    """For --json: seconds for delays, RFC 3339 in UTC for moments."""
    found = _report(outcome.report) | {"warnings": outcome.report.warnings()}
    if outcome.old is not None and outcome.change is not None:
        found |= {"old": _report(outcome.old), "difference": _difference(outcome.change)}
    return found


def _report(report: Report) -> dict[str, Any]:
    return {
        "from": _stamp(report.span.start),
        "until": _stamp(report.span.end),
        "brands": list(report.span.brands),
        "pages": [_page(each) for each in report.pages],
        "pages_per_brand_and_week": round(report.pages_per_brand_and_week, 4),
        "too_many": report.pages_per_brand_and_week > TOO_MANY,
        "caught": [{"name": each.label.name, "delay": each.delay, "rules": list(each.rules)} for each in report.caught],
        "missed": [each.name for each in report.missed],
        "false": report.false,
        "unknown": report.unknown,
        "median_delay": report.median_delay,
        "rules": [asdict(each) for each in report.rules],
        "words": [
            {"word": word, "spreads": spreads, "pages_per_brand_and_week": _by_subject(rates)}
            for word, spreads, rates in report.words
        ],
    }


def _page(page: Page) -> dict[str, Any]:
    finding = page.finding
    return {
        "id": finding.id,
        "at": _stamp(finding.at),
        "brand": finding.brand,
        "severity": str(finding.assessment.severity),
        "verdict": page.verdict,
        "label": None if page.label is None else page.label.name,
        "started": list(finding.started),
        "because": list(finding.assessment.because),
    }


def _by_subject(rates: tuple[float, ...]) -> Mapping[str, float]:
    return {str(subject): round(rate, 4) for subject, rate in zip(Subject, rates, strict=True)}


def _difference(change: Difference) -> dict[str, Any]:
    return {
        "pages": list(change.pages),
        "pages_per_brand_and_week": list(change.rates),
        "false": list(change.false),
        "caught_besides": list(change.gained),
        "lost": list(change.lost),
        "median_delays": list(change.median_delays),
        "delays": [{"name": name, "old": old, "new": new} for name, old, new in change.delays],
        "rules": [{"rule": rule, "old": old, "new": new} for rule, old, new in change.rules],
    }


def length(seconds: float) -> str:
    """`1 h 20 min`, `0 min`; `25 min earlier` for what came before."""
    minutes = round(abs(seconds) / 60)
    text = f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
    return f"{text} earlier" if seconds < 0 and minutes else text


def _or_none(seconds: float | None) -> str:
    return "none" if seconds is None else length(seconds)


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
