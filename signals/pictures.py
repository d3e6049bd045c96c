"""Pictures of counts: what a crossing looked like, and what a plan made of a whole history. Pure.

A picture is a list of shapes, which `svg` writes as text and `tocsin/pictures.py` paints as PNG. It says everything
without colours: counts are bars, the usual is a band with a line, the limit is dashed, a crossing is solid and marked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import Any, Literal

from signals.backtest import Label, Report

WIDTH, HEIGHT = 480, 236
"""Of a crossing: its words are still read on a telephone."""
_STRIP_WIDTH, _STRIP, _STRIP_TOP = 960, 230, 58
"""Of a history: a strip a brand."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 66, 40
_LONGEST_TITLE = 56
_MOST_BARS = 640
"""Of a whole history; more hours than that share a bar, which is as high as the highest of them."""


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    shade: float
    """0 (nothing) to 1 (solid)."""


@dataclass(frozen=True, slots=True)
class Line:
    x: float
    y: float
    to_x: float
    to_y: float
    dashes: tuple[int, int] | None = None
    shade: float = 1.0


@dataclass(frozen=True, slots=True)
class Wedge:
    """A triangle that points down at (x, y)."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Words:
    x: float
    y: float
    """Of the base line."""
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    size: int = 11
    bold: bool = False


Shape = Box | Line | Wedge | Words


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on a sheet, in pixels from its upper left corner; `title` is the whole of it in a sentence."""

    width: int
    height: int
    title: str
    shapes: tuple[Shape, ...]


@dataclass(slots=True)
class _Plot:
    """A sheet with one scale: hours to the right, counts upwards."""

    start: float
    """Hours since the epoch at the left edge."""
    hours: float
    highest: float
    width: int = WIDTH
    top: int = _TOP
    height: int = HEIGHT
    shapes: list[Shape] = field(default_factory=list)

    def x(self, hour: float) -> float:
        return round(_LEFT + (hour - self.start) / self.hours * (self.width - _LEFT - _RIGHT), 1)

    @property
    def floor(self) -> float:
        return self.height - _BOTTOM

    def y(self, count: float) -> float:
        return round(self.floor - min(count / self.highest, 1.0) * (self.floor - self.top), 1)

    def bar(self, hour: float, width: float, count: float, shade: float) -> None:
        x, y = self.x(hour), self.y(count)
        wide = max(self.x(hour + width) - x - 1, 1)
        self.shapes.append(Box(x, y, round(wide, 1), round(self.floor - y, 1), shade))

    def scale(self, label: str, above: float = 8) -> None:
        self.shapes.append(Words(_LEFT - 40, self.top - above, label))
        for count in _ticks(self.highest):
            y = self.y(count)
            self.shapes += [
                Line(_LEFT, y, self.width - _RIGHT, y, None, 0.15),
                Words(_LEFT - 6, y + 4, f"{count:g}", "end"),
            ]
        self.shapes.append(Line(_LEFT, self.floor, self.width - _RIGHT, self.floor))

    def times(self) -> None:
        """Midnights, or as many of them as have room; else hours."""
        days = self.hours / 24
        step = next((each for each in (1, 2, 7, 14, 28, 91, 364) if days / each <= 9), 364) * 24 if days > 1.5 else 6
        first = ceil(self.start / step) * step
        form = "%d %b" if step >= 24 else "%d %b %H:%M"
        for hour in range(int(first), int(self.start + self.hours) + 1, int(step)):
            x = self.x(hour)
            self.shapes.append(Line(x, self.floor, x, self.floor + 4))
            anchor: Literal["start", "middle", "end"] = "middle" if x < self.width - 40 else "end"
            self.shapes.append(Words(x, self.floor + 16, f"{datetime.fromtimestamp(hour * 3600, UTC):{form}}", anchor))
        self.shapes.append(Words(self.width - _RIGHT, self.floor + 32, "time (UTC)", "end"))


def crossing(picture: Mapping[str, Any], at: float) -> Drawing:
    """A crossing, of the body of a `signals.detector.Picture` and the second at which it was found.

    The last bar is the window that crossed. Bars of hours are their part for so long a window.
    """
    window, value = int(picture["window"]), int(picture["value"])
    limit, mean, spread = picture["limit"], picture["mean"], picture["spread"]
    part = window / 60
    hours = [None if each is None else each * part for each in picture["hours"]]
    end = max(at / 3600, picture["until"] / 60)
    first = picture["until"] / 60 - len(hours)
    highest = max([value, limit or 0.0, (mean or 0.0) + (spread or 0.0), *(each or 0 for each in hours), 1.0]) * 1.08
    extra = max((end - first) * 0.03, part)
    plot = _Plot(first, end - first + extra, highest)
    span = _span(window)
    plot.scale(f"{picture['subject']} in {span}", above=28)
    if window != 60:
        plot.shapes.append(Words(_LEFT - 40, plot.floor + 32, f"hours: their part for {span}"))
    _usual(plot, mean, spread)
    for place, count in enumerate(hours):
        if count is None:
            plot.shapes.append(Line(plot.x(first + place), plot.floor - 2, plot.x(first + place + 1), plot.floor - 2,
                                    (1, 2)))  # fmt: skip
        else:
            plot.bar(first + place, 1, count, 0.4)
    plot.bar(end, extra, value, 1.0)
    plot.shapes.append(Wedge(plot.x(end + extra / 2), plot.y(value) - 3))
    if limit is not None:
        y = plot.y(limit)
        plot.shapes.append(Line(_LEFT, y, WIDTH - _RIGHT, y, (7, 4)))
        plot.shapes.append(Words(WIDTH - _RIGHT, _TOP - 12, f"dashed: limit {limit:g}", "end"))
    plot.times()
    moment = f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M} UTC"
    plot.shapes.append(Words(WIDTH - _RIGHT, _TOP - 28, f"{value} at {moment}", "end", bold=True))
    usual = "" if mean is None or spread is None else f"; usual {mean:.0f} ± {spread:.0f}"
    name = _shortened(str(picture["rule"] or picture["subject"]))
    title = f"{name}: {value} {picture['subject']} in {span} at {moment}{usual}"
    return _drawing(WIDTH, HEIGHT, name, title + ("" if limit is None else f"; limit {limit:g}"), plot.shapes)


def of_assessment(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pictures of an assessment that say something new: of the rules that began then, or of all."""
    pictures: list[Mapping[str, Any]] = list(body.get("pictures", ()))
    return [each for each in pictures if each["rule"] in body.get("started", ())] or pictures


def history(report: Report, counts: Mapping[str, Mapping[int, int]], labels: Sequence[Label] = ()) -> Drawing:
    """What a plan made of a history: a strip a brand with its hours, labels as bands, pages marked."""
    span = report.span
    start, hours = floor(span.start / 3600), max(ceil(span.end / 3600) - floor(span.start / 3600), 1)
    shapes: list[Shape] = []
    bottom = 0
    for brand in span.brands or ("",):
        top, bottom = bottom + _STRIP_TOP, bottom + _STRIP
        known = counts.get(brand, {})
        bars = _bars(known, start, hours)
        highest = max([1.0, *(count for _, _, count in bars)]) * 1.12
        plot = _Plot(start, hours, highest, _STRIP_WIDTH, top, bottom)
        plot.scale(f"{_shortened(brand)}: mentions in an hour")
        for label in labels:
            if label.brand in ("", brand) and label.end >= span.start and label.start <= span.end:
                _band(plot, label, span.start, span.end)
        for hour, width, count in bars:
            plot.bar(hour, width, count, 0.55)
        for page in report.pages:
            if page.finding.brand == brand:
                x = plot.x(page.finding.at / 3600)
                dashes = None if page.verdict == "caught" else (2, 3)
                plot.shapes += [Line(x, plot.top + 8, x, plot.floor, dashes), Wedge(x, plot.top + 8)]
        plot.times()
        shapes += plot.shapes
    rate = report.pages_per_brand_and_week
    heading = f"{len(report.pages)} page{'' if len(report.pages) == 1 else 's'}, {rate:.2f} per brand and week"
    legend = "bars: mentions an hour; bands: incidents; solid: a page for one; dotted: any other page"
    shapes.append(Words(_LEFT - 40, bottom + 4, legend))
    return _drawing(_STRIP_WIDTH, bottom + 14, heading, f"{heading}. {legend}", shapes)


def svg(drawing: Drawing) -> str:
    """The picture as an SVG element in the colour of the text around it. Whatever text stands in it is escaped."""
    parts = [_element(shape) for shape in drawing.shapes]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {drawing.height}" width="100%" '
        f'role="img" font-family="system-ui, DejaVu Sans, sans-serif" fill="currentColor" stroke="none">'
        f"<title>{escape(_printable(drawing.title))}</title>{''.join(parts)}</svg>"
    )


def _element(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, shade):
            return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill-opacity="{shade:g}"/>'
        case Line(x, y, to_x, to_y, dashes, shade):
            dash = "" if dashes is None else f' stroke-dasharray="{dashes[0]} {dashes[1]}"'
            return (
                f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="currentColor" '
                f'stroke-opacity="{shade:g}"{dash}/>'
            )
        case Wedge(x, y):
            return f'<path d="M{x:g} {y:g}l-5 -9h10z"/>'
        case Words(x, y, text, anchor, size, bold):
            weight = ' font-weight="bold"' if bold else ""
            return (
                f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"{weight}>'
                f"{escape(_printable(text))}</text>"
            )


def _drawing(width: int, height: int, heading: str, title: str, shapes: Iterable[Shape]) -> Drawing:
    head = Words(_LEFT - 40, 18, _shortened(heading), size=14, bold=True)
    return Drawing(width, height, title, (head, *shapes))


def _usual(plot: _Plot, mean: float | None, spread: float | None) -> None:
    if mean is None or spread is None:
        return
    low, high = plot.y(max(mean - spread, 0.0)), plot.y(mean + spread)
    right = plot.width - _RIGHT
    plot.shapes.append(Box(_LEFT, high, right - _LEFT, round(max(low - high, 1), 1), 0.13))
    plot.shapes += [Line(_LEFT, each, right, each, (1, 3)) for each in (low, high)]
    plot.shapes.append(Line(_LEFT, plot.y(mean), right, plot.y(mean), None, 0.6))
    plot.shapes.append(Words(_LEFT - 40, _TOP - 12, f"band: usual {mean:.0f} ± {spread:.0f}"))


def _band(plot: _Plot, label: Label, start: float, end: float) -> None:
    x, to_x = plot.x(max(label.start, start) / 3600), plot.x(min(label.end, end) / 3600)
    shade = 0.2 if label.real else 0.07
    plot.shapes.append(Box(x, plot.top, round(max(to_x - x, 2), 1), plot.floor - plot.top, shade))


def _bars(counts: Mapping[int, int], start: int, hours: int) -> list[tuple[int, int, int]]:
    """(hour, hours, the highest count of them)."""
    wide = max(ceil(hours / _MOST_BARS), 1)
    found: dict[int, int] = {}
    for hour, count in counts.items():
        if start <= hour <= start + hours:
            place = (hour - start) // wide
            found[place] = max(found.get(place, 0), count)
    return [(start + place * wide, wide, count) for place, count in sorted(found.items())]


def _ticks(highest: float) -> list[float]:
    """Three to six round numbers up to the highest."""
    step = 10 ** floor(log10(highest / 3)) if highest > 3 else 1
    while highest / step > 6:
        step *= 2 if str(step)[0] != "2" else 2.5
    return [place * step for place in range(int(highest / step) + 1)]


def _span(minutes: int) -> str:
    if minutes % 60 == 0:
        return "1 hour" if minutes == 60 else f"{minutes // 60} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"


def _printable(text: str) -> str:
    """XML cannot carry control characters or halves of characters, however they are escaped."""
    return "".join(each if each.isprintable() else " " for each in text)
