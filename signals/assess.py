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


def assess(signal: Signal, integration: Integration, usual: Callable[[str], Severity]) -> Assessment | None:
    """The situation and severity of a signal, or None when no route of its integration matches.

    The first matching route decides the situation. Its own severity counts as it stands; else the sender's word, as the
    integration translates it; else what is usual for the situation.
    """
    route = next((each for each in integration.routes if _matches(each, signal)), None)
    if route is None:
        return None
    severity, why = _severity(signal, integration, route, usual)
    matched = ", ".join(f"{label}={value}" for label, value in sorted(route.match.items())) or "every signal"
    links = (f"{LINKS} {', '.join(signal.links)}",) if signal.links else ()
    because = (f"{integration.name} reports: {signal.summary}", f"{why} (route: {matched})", *links)
    return Assessment(route.situation, severity, because)


def _matches(route: Route, signal: Signal) -> bool:
    return all(signal.labels.get(label) == value for label, value in route.match.items())


def _severity(
    signal: Signal, integration: Integration, route: Route, usual: Callable[[str], Severity]
) -> tuple[Severity, str]:
    if route.severity is not None:
        return route.severity, f"the plan rates it {route.severity}"
    word = signal.severity_word
    if word is not None and word in integration.severity_words:
        severity = integration.severity_words[word]
        return severity, f"the sender calls it {word}, which the plan reads as {severity}"
    severity = usual(route.situation)
    return severity, f"{severity} is usual for {route.situation}"
