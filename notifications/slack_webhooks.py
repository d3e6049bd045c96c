"""What Slack tells us: whether it is Slack, and which button a person pressed."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.signature import Clock, SignatureVerifier

from notifications.channel import Answer
from notifications.inbound import Verb

_ACTIONS: dict[str, Verb] = {
    "tocsin_ack": "acknowledge",
    "tocsin_escalate": "escalate",
    "tocsin_pass": "pass",
}


class _Moment(Clock):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> float:
        return self._now.timestamp()


def signed_by_slack(
    body: bytes, *, timestamp: str | None, signature: str | None, signing_secret: str, now: datetime
) -> bool:
    """Whether Slack signed this body less than five minutes ago. Junk in any part of it is a plain no.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    verifier = SignatureVerifier(signing_secret, clock=_Moment(now))
    try:
        return verifier.is_valid(body, timestamp, signature)
    except (ValueError, TypeError):  # a timestamp that is no number, a body that is no UTF-8, a signature beyond ASCII
        return False


def button_answer(body: bytes) -> Answer:
    """The button in a signed `block_actions` request; `unknown` for anything else Slack sends to the same address.

    Cheap on purpose: Slack wants its 200 within three seconds, whatever the answer then leads to.
    """
    payload = _payload(body)
    action = _first_action(payload)
    user = payload.get("user")
    person = user.get("id") if isinstance(user, dict) else None
    verb = _ACTIONS.get(str(action.get("action_id")), "unknown")
    pressed = action.get("action_ts") or payload.get("trigger_id")
    return Answer(
        verb=verb,
        message_id=str(action["value"]) if verb != "unknown" and action.get("value") else None,
        event_id=f"{person}:{pressed}" if pressed else None,
        sender=str(person) if person else None,
    )


def _payload(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(parse_qs(body.decode("utf-8"))["payload"][0])
    except (ValueError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}


def _first_action(payload: dict[str, Any]) -> dict[str, Any]:
    if payload.get("type") != "block_actions":
        return {}
    actions = payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else {}
    return first if isinstance(first, dict) else {}
