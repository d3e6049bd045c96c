"""Ids are derived, never drawn: the same fact gets the same id after a restart."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
SituationCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,62}$")]

_INCIDENT_ID = re.compile(r"^INC-([1-9][0-9]{0,11})$")


def incident_id(number: int) -> str:
    return f"INC-{number}"


def parse_incident_id(text: str) -> str | None:
    """`INC-7`, `inc-7` and `7` all mean INC-7; anything else is None."""
    candidate = text.strip().upper()
    if candidate.isascii() and candidate.isdigit():
        candidate = f"INC-{candidate}"
    return candidate if _INCIDENT_ID.match(candidate) else None


def incident_number(text: str) -> int:
    found = _INCIDENT_ID.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not an incident id")
    return int(found.group(1))


@dataclass(frozen=True, slots=True)
class PageId:
    """`<epoch>.INC-7.<escalation>.r2.c1.<attempt>`: rung, contact and attempt count from 1.

    The installation epoch is bumped by a restore, so an old message never answers for a new one.
    """

    epoch: int
    incident: str
    escalation: str
    rung: int
    contact: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.incident}.{self.escalation}.r{self.rung}.c{self.contact}.{self.attempt}"


def message_epoch(message_id: str) -> int | None:
    head = message_id.split(".", 1)[0]
    return int(head) if head.isascii() and head.isdigit() else None
