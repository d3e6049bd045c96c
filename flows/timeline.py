"""The incident's timeline as a Prefect artifact, one a run, rewritten whenever something has happened.

Prefect may be away: what cannot be written is written with the next change, and the run does not wait for it.
"""

import asyncio
import logging
from uuid import UUID

import httpx
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.exceptions import PrefectException

from engine.client import IncidentObject

LATEST = 200
"""Entries shown; the engine has them all."""
WITHIN = 10.0
"""Seconds that one writing may take."""

logger = logging.getLogger(__name__)


class Timeline:
    """Writes one run's artifact, in the background: always the newest timeline, never two at a time."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._shown_version: int | None = None
        self._latest: IncidentObject | None = None
        self._writer: asyncio.Task[None] | None = None

    def show(self, incident: IncidentObject) -> None:
        """Show this state of the incident. Called again for the same version, does nothing."""
        if incident.get("version") == self._shown_version:
            return
        self._shown_version = incident.get("version")
        self._latest = incident
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def finish(self) -> None:
        """Wait for the last writing, as long as one may take."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=WITHIN)

    async def _write(self) -> None:
        while (incident := self._latest) is not None:
            self._latest = None
            try:
                async with asyncio.timeout(WITHIN):
                    await self._put(artifact_key(incident["id"]), as_markdown(incident))
            except (httpx.HTTPError, PrefectException, RuntimeError, TimeoutError) as error:
                logger.info("timeline of %s not shown: %r", incident["id"], error)

    async def _put(self, key: str, markdown: str) -> None:
        if self._artifact is None:
            self._artifact = await acreate_markdown_artifact(markdown, key=key, description="What has happened so far")
            return
        async with get_client() as prefect:
            await prefect.update_artifact(self._artifact, ArtifactUpdate(data=markdown))


def artifact_key(incident: str) -> str:
    """`inc-7-timeline`: Prefect takes lowercase letters, digits and dashes."""
    return f"{incident.lower()}-timeline"


def as_markdown(incident: IncidentObject) -> str:
    """Where the incident stands and what has happened, newest last."""
    drill = "DRILL: " if incident["drill"] else ""
    lines = [
        f"# {incident['id']} · {drill}{plain(incident['title'])}",
        "",
        f"**{incident['severity']}** · {incident['status']} · {incident['situation']}"
        f" · in charge: {incident['commander'] or 'nobody yet'}"
        f" · next update by: {_clock(incident['next_update_by']) or 'none owed'}",
        "",
    ]
    entries = incident["timeline"]
    if len(entries) > LATEST:
        lines += [f"{len(entries) - LATEST} earlier entries: `tocsin show {incident['id']}`", ""]
    lines += ["| UTC | what | by |", "|---|---|---|"]
    lines += [
        f"| {_clock(each['at'])} | {plain(each['sentence'])} | {plain(each['by'])} |" for each in entries[-LATEST:]
    ]
    if incident["missing_to_close"]:
        lines += ["", "**Missing to close**", ""]
        lines += [f"- {plain(sentence)}" for sentence in incident["missing_to_close"]]
    return "\n".join(lines) + "\n"


def _clock(moment: str | None) -> str:
    """`14:03:07` of an ISO time in UTC, with its day in front."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}"


def plain(text: str) -> str:
    """What people wrote, so that it cannot break the table or become markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(escaped.split())
