"""What Slack tells us, signed by Slack's own code."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from notifications.channel import Answer
from notifications.slack_webhooks import button_answer, signed_by_slack

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
SECRET = "slack_test_signing_secret"
PAGE_ID = "1.INC-7.1.r1.c1.1"


def pressed(action_id: str, **changes: object) -> bytes:
    """The body of a button press as Slack posts it: https://docs.slack.dev/interactivity/handling-user-interaction."""
    payload: dict[str, object] = {
        "type": "block_actions",
        "user": {"id": "U0ANA", "username": "ana"},
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "container": {"type": "message", "message_ts": "1548261231.000200", "channel_id": "C0INC"},
        "response_url": "https://hooks.slack.com/actions/T0/1/x",
        "actions": [{"action_id": action_id, "value": PAGE_ID, "type": "button", "action_ts": "1548426417.840180"}],
    }
    return urlencode({"payload": json.dumps({**payload, **changes})}).encode()


def signature(body: bytes, timestamp: str) -> str | None:
    return SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=body)


def accepted(body: bytes, timestamp: str | None, signed: str | None, now: datetime = NOW) -> bool:
    return signed_by_slack(body, timestamp=timestamp, signature=signed, signing_secret=SECRET, now=now)


@pytest.mark.parametrize(
    ("action_id", "verb"),
    [("tocsin_ack", "acknowledge"), ("tocsin_escalate", "escalate"), ("tocsin_pass", "pass")],
)
def test_each_button_is_its_answer(action_id, verb):
    assert button_answer(pressed(action_id)) == Answer(
        verb=verb, message_id=PAGE_ID, event_id="U0ANA:1548426417.840180", sender="U0ANA"
    )


def test_the_same_press_delivered_twice_is_one_event_and_two_people_are_two():
    once, again = button_answer(pressed("tocsin_ack")), button_answer(pressed("tocsin_ack"))
    another = button_answer(pressed("tocsin_ack", user={"id": "U0LUIS"}))

    assert once.event_id == again.event_id != another.event_id


@pytest.mark.parametrize(
    "body",
    [
        pressed("some_other_button"),
        pressed("tocsin_ack", type="view_submission"),
        pressed("tocsin_ack", actions=[]),
        pressed("tocsin_ack", actions=None, user=None),
        b"payload=%5B1%5D",
        b"payload={",
        b"\xff\xfe",
        b"",
    ],
)
def test_anything_else_is_unknown(body):
    answer = button_answer(body)

    assert (answer.verb, answer.message_id) == ("unknown", None)


def test_what_slack_signed_is_accepted_within_five_minutes():
    body, then = pressed("tocsin_ack"), str(int(NOW.timestamp()))

    assert accepted(body, then, signature(body, then))
    assert accepted(body, then, signature(body, then), NOW + timedelta(minutes=5))
    assert not accepted(body, then, signature(body, then), NOW + timedelta(minutes=5, seconds=1))
    assert not accepted(body, then, signature(body, then), NOW - timedelta(minutes=5, seconds=1))


def test_what_somebody_else_signed_is_refused():
    body, then = pressed("tocsin_ack"), str(int(NOW.timestamp()))
    genuine = signature(body, then)

    assert not accepted(body + b"x", then, genuine)
    assert not accepted(body, str(int(then) + 1), genuine)
    assert not accepted(body, then, None)
    assert not accepted(body, None, genuine)
    assert not signed_by_slack(body, timestamp=then, signature=genuine, signing_secret="other", now=NOW)


@given(body=st.binary(max_size=60), timestamp=st.none() | st.text(max_size=20), signed=st.none() | st.text(max_size=80))
def test_junk_is_a_plain_no(body, timestamp, signed):
    assert not accepted(body, timestamp, signed)
    assert button_answer(body).verb == "unknown"
