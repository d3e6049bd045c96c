"""What people ask of us in Slack: payloads, the same by HTTP and over the socket. Pure; junk is None, never an error.

https://docs.slack.dev/reference/interaction-payloads and https://docs.slack.dev/interactivity/implementing-slash-commands
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from notifications.channel import Answer
from notifications.inbound import Verb

INTERACTIVE, COMMANDS = "interactive", "slash_commands"
"""Slack's own names of the two kinds of envelopes that a person causes."""

_ACTIONS: dict[str, Verb] = {
    "tocsin_ack": "acknowledge",
    "tocsin_escalate": "escalate",
    "tocsin_pass": "pass",
    "tocsin_resolve": "resolve",
    "tocsin_yes": "yes",
    "tocsin_no": "no",
    "tocsin_call": "call",
}
_SLACK_HOSTS = (".slack.com", ".slack-gov.com")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """A button under one of our messages."""

    answer: Answer
    trigger: str | None
    """Opens a form, once and within three seconds."""
    reply_to: str | None
    """Where a reply to this person is posted, five times within half an hour."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A form that a person filled in and sent."""

    form: str
    view: str
    """Slack's id of this opened form: the same one sent twice is one submission."""
    person: str
    given: Mapping[str, str] = field(default_factory=dict)
    """What was typed or chosen, by block; what was left empty is not in it."""
    note: Mapping[str, str] = field(default_factory=dict)
    """What we wrote into the form when we opened it."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """`/tocsin <verb> <rest>`."""

    person: str
    verb: str
    rest: str
    event_id: str | None
    trigger: str | None
    reply_to: str | None


SlackRequest = ButtonPress | Submission | SlashCommand


def form_of(body: bytes) -> dict[str, str]:
    """The first value of each field of a form; empty for anything that is none."""
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("utf-8"), max_num_fields=100).items()}
    except ValueError:
        return {}


def payload_of(body: bytes) -> dict[str, Any]:
    """The JSON that an interaction carries in the form field `payload`; empty for anything else."""
    try:
        found = json.loads(form_of(body).get("payload", ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_request(kind: str, payload: Mapping[str, Any]) -> SlackRequest | None:
    """What a person asks; None for whatever else Slack sends, and for what is malformed."""
    if kind == COMMANDS:
        return _command(payload)
    if kind != INTERACTIVE:
        return None
    match payload.get("type"):
        case "block_actions":
            return _press(payload)
        case "view_submission":
            return _submission(payload)
        case _:
            return None


def is_reply_address(url: str, base_url: str) -> bool:
    """Whether we may post there: Slack's own hosts by https, or this machine where the Web API is on it too (tests).

    The address comes inside a request; without this, whoever can forge one could make us call anything.
    """
    try:
        address, api = urlsplit(url), urlsplit(base_url)
        host, port = address.hostname or "", address.port
    except ValueError:
        return False
    if api.hostname in _LOOPBACK:
        return host in _LOOPBACK and address.scheme == "http"
    return address.scheme == "https" and port in (None, 443) and f".{host}".endswith(_SLACK_HOSTS)


def _press(payload: Mapping[str, Any]) -> ButtonPress | None:
    actions = payload.get("actions")
    action = _mapping(actions[0]) if isinstance(actions, list) and actions else {}
    verb, person = _ACTIONS.get(str(action.get("action_id"))), _person(payload)
    message_id, trigger = _text(action.get("value")), _text(payload.get("trigger_id"))
    if verb is None or person is None or message_id is None:
        return None
    pressed = _text(action.get("action_ts")) or trigger
    answer = Answer(
        verb=verb,
        message_id=message_id,
        event_id=f"{person}:{pressed}" if pressed else None,
        sender=person,
    )
    return ButtonPress(answer, trigger, _text(payload.get("response_url")))


def _submission(payload: Mapping[str, Any]) -> Submission | None:
    view, person = _mapping(payload.get("view")), _person(payload)
    form, view_id = _text(view.get("callback_id")), _text(view.get("id"))
    if form is None or view_id is None or person is None:
        return None
    return Submission(form, view_id, person, _given(view), _note(view.get("private_metadata")))


def _given(view: Mapping[str, Any]) -> dict[str, str]:
    """https://docs.slack.dev/reference/views/view-submission-payload: state.values[block_id][action_id]."""
    values = _mapping(_mapping(view.get("state")).get("values"))
    found = {}
    for block, actions in values.items():
        for element in _mapping(actions).values():
            stated = _mapping(element)
            said = _text(stated.get("value")) or _text(_mapping(stated.get("selected_option")).get("value"))
            if said is not None and said.strip():
                found[str(block)] = said.strip()
    return found


def _note(written: object) -> dict[str, str]:
    try:
        found = json.loads(written) if isinstance(written, str) else {}
    except (ValueError, RecursionError):
        return {}
    return {str(key): value for key, value in _mapping(found).items() if isinstance(value, str)}


def _command(payload: Mapping[str, Any]) -> SlashCommand | None:
    person, trigger = _text(payload.get("user_id")), _text(payload.get("trigger_id"))
    if person is None:
        return None
    verb, _, rest = (_text(payload.get("text")) or "").strip().partition(" ")
    return SlashCommand(
        person=person,
        verb=verb.casefold(),
        rest=rest.strip(),
        event_id=f"{person}:{trigger}" if trigger else None,
        trigger=trigger,
        reply_to=_text(payload.get("response_url")),
    )


def _person(payload: Mapping[str, Any]) -> str | None:
    return _text(_mapping(payload.get("user")).get("id"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """The text without lone surrogates, which JSON can carry and no database can keep."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) and value else None
