"""Senders and their keys, as the plan declares them."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from incidents.ids import SituationCode, Slug
from incidents.severity import Severity
from signals.mapping import Mapping
from signals.monitor_mail import MailRules

Kind = Literal[
    "alertmanager",
    "checkly",
    "cloudwatch",
    "datadog",
    "email",
    "gcp",
    "generic",
    "goalert",
    "grafana",
    "graylog",
    "incidentio",
    "oncall",
    "opsgenie",
    "pagerduty",
    "pingdom",
    "sentry",
    "signals",
    "uptimerobot",
    "victorops",
]
KINDS: tuple[str, ...] = get_args(Kind)


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
    kind: Kind
    key: Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
    severity_label: str = "severity"
    """The label that says how bad it is, where the sender has no field for it."""
    severity_words: dict[str, Severity] = {}
    machine_ack: Literal["recorded", "stops"] = "recorded"
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    mapping: Mapping | None = None
    """How the body becomes signals: needed by the kind generic, possible for email."""
    mail: MailRules | None = None
    """The kind email: whose mail counts, and which words end what a mail began."""
    topics: tuple[Annotated[str, StringConstraints(pattern=r"^arn:[!-~]{1,300}$")], ...] = ()
    """The kind cloudwatch: the SNS topics that may write here; empty means every topic that has the key."""
    secret_from: Annotated[str | None, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] = None
    """The kinds sentry and grafana: the environment variable with the secret that signs every request."""
