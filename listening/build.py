"""Which sources this installation has: built once at start from listening.yaml and the environment."""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol

from listening.environment import PLAN_FOLDER
from listening.source import Source
from signals.listening import Brand, Listening, SourceSpec


class Build(Protocol):
    """What the module of every kind has as `build`. Opens no connection, reads no secret aloud, fails for nothing.

    `spec` is its model of signals.listening. Trouble, a missing secret included, is told by the source's poll.
    """

    def __call__(
        self,
        spec: SourceSpec,
        brands: tuple[Brand, ...],
        environment: Mapping[str, str],
        now: Callable[[], datetime],
    ) -> Source: ...


# A kind's module is imported when a source of it is built: the networks' clients take 0.2 to 1.6 s each.
MODULES: Mapping[str, str] = {
    "bluesky": "listening.bluesky",
    "mastodon": "listening.mastodon",
    "x": "listening.x",
    "reddit": "listening.reddit",
    "feed": "listening.feed",
    "imap": "listening.imap",
    "replay": "listening.replay",
}

# These come to our own door by themselves and are never asked.
BY_WEBHOOK = frozenset({"chatwoot", "zendesk"})


def build_sources(
    listening: Listening, environment: Mapping[str, str], now: Callable[[], datetime], folder: Path | None = None
) -> list[Source]:
    """The sources of listening.yaml in its order, without those that come by webhook. A second call builds new ones.

    `folder` is that of the plan, where files are that are replayed; without it the environment names it.
    """
    known = environment if folder is None else {**environment, PLAN_FOLDER: str(folder)}
    return [
        _build_of(spec.kind)(spec, listening.brands, known, now)
        for spec in listening.sources
        if spec.kind not in BY_WEBHOOK
    ]


def _build_of(kind: str) -> Build:
    build: Build = import_module(MODULES[kind]).build
    return build
