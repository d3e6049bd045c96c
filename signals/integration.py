"""Senders and their keys, as the plan declares them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from incidents.ids import SituationCode, Slug
from incidents.severity import Severity


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Route(_Frozen):
    """The first route whose every `match` equals the signal's label decides situation and severity."""

    match: dict[str, str] = {}
    situation: SituationCode
    severity: Severity | None = None


class Integration(_Frozen):
    """A sender with its own key. `severity_words` maps the sender's own words to ours."""

    name: Slug
    kind: Literal["pagerduty", "alertmanager", "signals"]
    key: Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
    severity_label: str = "severity"
    severity_words: dict[str, Severity] = {}
    machine_ack: Literal["recorded", "stops"] = "recorded"
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
