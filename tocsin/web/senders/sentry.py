"""Sentry: webhooks of an internal integration (signed), and those of its older plugin."""

import hmac
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Action, Signal, stable_key
from tocsin.web.senders.reading import (
    KB,
    Body,
    KeyRefused,
    Loose,
    LooseMapping,
    Request,
    labels_of,
    links_of,
    read_json,
    title_of,
)

LIMIT = 2 * KB * KB
"""An event comes with its stack trace and everything around it."""
ISSUES: dict[str, Action] = {
    "created": "trigger",
    "unresolved": "trigger",
    "resolved": "resolve",
    "ignored": "resolve",
    "archived": "resolve",
    "assigned": "acknowledge",
}
METRICS: dict[str, Action] = {"critical": "trigger", "warning": "trigger", "open": "trigger", "resolved": "resolve"}


class SentryBody(Body):
    action: Loose = ""
    data: LooseMapping = {}


class PluginBody(Body):
    """Of the plugin "WebHooks"."""

    id: Loose = ""
    project: Loose = ""
    level: Loose = ""
    culprit: Loose = ""
    message: Loose = ""
    url: Loose = ""
    event: LooseMapping = {}


_BODY = TypeAdapter(SentryBody)
_PLUGIN = TypeAdapter(PluginBody)


def check_signature(request: Request, secret: str) -> None:
    """Raises KeyRefused unless the body is signed with this client secret (HMAC-SHA256, hex)."""
    wanted = hmac.digest(secret.encode(), request.body, "sha256").hex()
    given = request.headers.get("sentry-hook-signature", "")
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        raise KeyRefused("Sentry-Hook-Signature: this request is not signed with the integration's client secret.")


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    """What is wrong by an issue, an issue alert or a metric alert; anything else that Sentry tells is no signal."""
    hook = read_json(_BODY, request.body)
    data = hook.data
    resource = request.headers.get("sentry-hook-resource", "")
    if not data:
        # What Sentry tells besides, such as its installation, has a resource and needs no signal.
        return [] if resource else [_plugin(request)]
    if isinstance(metric := data.get("metric_alert"), dict):
        action = METRICS.get(hook.action)
        return [] if action is None else [_metric(action, hook.action, metric, data, request.body)]
    event = next((data[name] for name in ("event", "error") if isinstance(data.get(name), dict)), None)
    if event is not None:
        # An "error" is every single error; it is heard only where somebody has subscribed to all of them.
        return [_event(event, str(data.get("triggered_rule") or ""), request.body)]
    if isinstance(issue := data.get("issue"), dict):
        action = ISSUES.get(hook.action, "trigger" if hook.action == "triggered" else None)
        return [] if action is None else [_issue(action, issue, request.body)]
    return []


def _issue(action: Action, issue: dict[str, Any], body: bytes) -> Signal:
    project = issue.get("project")
    slug = project.get("slug") if isinstance(project, dict) else project
    link = issue.get("web_url") or issue.get("permalink") or issue.get("url")
    labels = labels_of(
        {name: issue.get(name) for name in ("shortId", "culprit", "level", "platform", "priority")}, {"project": slug}
    )
    return Signal(
        action,
        stable_key(f"issue-{_id(issue, 'data.issue', 'id')}"),
        title_of(_said(issue, "title"), _said(issue, "culprit"), otherwise="An issue in Sentry"),
        _said(issue, "culprit"),
        labels.get("level"),
        labels,
        body,
        links=links_of([("issue", link)]),
    )


def _event(event: dict[str, Any], rule: str, body: bytes) -> Signal:
    tags = {str(each[0]): each[1] for each in event.get("tags") or () if isinstance(each, list) and len(each) == 2}
    labels = labels_of(
        tags, {name: event.get(name) for name in ("project", "environment", "level", "culprit", "platform")}, rule=rule
    )
    return Signal(
        "trigger",
        stable_key(f"issue-{_id(event, 'data.event', 'issue_id', 'event_id')}"),
        title_of(_said(event, "title"), _said(event, "message"), rule, otherwise="An event in Sentry"),
        _said(event, "culprit"),
        labels.get("level"),
        labels,
        body,
        links=links_of([("event", event.get("web_url")), ("issue", event.get("issue_url"))]),
    )


def _metric(action: Action, word: str, metric: dict[str, Any], data: dict[str, Any], body: bytes) -> Signal:
    found = _id(metric, "data.metric_alert", "id", "identifier")
    titles = (_said(data, "description_title"), _said(metric, "title"), _said(data, "description_text"))
    return Signal(
        action,
        stable_key(f"metric-{found}"),
        title_of(*titles, otherwise="A metric alert in Sentry"),
        _said(data, "web_url"),
        word,
        labels_of({}, action=word, title=_said(metric, "title")),
        body,
        links=links_of([("alert", data.get("web_url"))]),
    )


def _plugin(request: Request) -> Signal:
    said = read_json(_PLUGIN, request.body)
    labels = labels_of({}, project=said.project, level=said.level, culprit=said.culprit)
    return Signal(
        "trigger",
        stable_key(f"issue-{_id({'id': said.id}, '', 'id')}"),
        title_of(_said(said.event, "title"), said.message, otherwise="An event in Sentry"),
        said.culprit,
        said.level or None,
        labels,
        request.body,
        links=links_of([("issue", said.url)]),
    )


def _id(found: dict[str, Any], place: str, *names: str) -> str:
    """The first of these fields that names anything. Raises SignalRefused, naming the first of them."""
    said = (found.get(name) for name in names)
    known = next((each for each in said if isinstance(each, str | int) and each != ""), None)
    if known is None:
        raise SignalRefused([f"{place}.{names[0]}: Field required".lstrip(".")])
    return str(known)


def _said(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
