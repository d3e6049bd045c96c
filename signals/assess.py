"""How bad is a signal? `assess(signal, integration, usual) -> Assessment`. Pure; says why in one sentence a rule."""

from collections.abc import Callable
from dataclasses import dataclass

from incidents.severity import Severity
from signals.integration import Integration, Route
from signals.signal import Signal

LINKS = "the sender links to"
"""Begins the sentence that is for whoever works on it, and for no summary."""


@dataclass(frozen=True, slots=True)
class Assessment:
    situation: str
    severity: Severity
    because: tuple[str, ...]


def route_of(signal: Signal, integration: Integration) -> Route | None:
    """The first route whose labels the signal all has; None when no route of its integration matches."""
    has = signal.labels.items()
    return next((each for each in integration.routes if each.match.items() <= has), None)


def severity_of(signal: Signal, integration: Integration, route: Route, usual: Callable[[str], Severity]) -> Severity:
    """The route's own severity counts as it stands; else the sender's word, as the integration translates it; else what
    is usual for the situation."""
    if route.severity is not None:
        return route.severity
    if signal.severity_word in integration.severity_words:
        return integration.severity_words[signal.severity_word]
    return usual(route.situation)


def assess(signal: Signal, integration: Integration, usual: Callable[[str], Severity]) -> Assessment | None:
    """The situation and severity of a signal, and why; None when no route of its integration matches."""
    route = route_of(signal, integration)
    if route is None:
        return None
    severity = severity_of(signal, integration, route, usual)
    matched = ", ".join(f"{label}={value}" for label, value in sorted(route.match.items())) or "every signal"
    links = (f"{LINKS} {', '.join(signal.links)}",) if signal.links else ()
    why = f"{_why(signal, integration, route, severity)} (route: {matched})"
    return Assessment(route.situation, severity, (f"{integration.name} reports: {signal.summary}", why, *links))


def _why(signal: Signal, integration: Integration, route: Route, severity: Severity) -> str:
    if route.severity is not None:
        return f"the plan rates it {severity}"
    if signal.severity_word in integration.severity_words:
        return f"the sender calls it {signal.severity_word}, which the plan reads as {severity}"
    return f"{severity} is usual for {route.situation}"
