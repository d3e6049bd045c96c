"""Whether a request is Slack's, signed by Slack's own code."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from notifications.slack_webhooks import signed_by_slack

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
SECRET = "slack_test_signing_secret"
BODY = b"payload=%7B%22type%22%3A%22block_actions%22%7D"


def signature(body: bytes, timestamp: str) -> str | None:
    return SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=body)


def accepted(body: bytes, timestamp: str | None, signed: str | None, now: datetime = NOW) -> bool:
    return signed_by_slack(body, timestamp=timestamp, signature=signed, signing_secret=SECRET, now=now)


def test_what_slack_signed_is_accepted_within_five_minutes():
    body, then = BODY, str(int(NOW.timestamp()))

    assert accepted(body, then, signature(body, then))
    assert accepted(body, then, signature(body, then), NOW + timedelta(minutes=5))
    assert not accepted(body, then, signature(body, then), NOW + timedelta(minutes=5, seconds=1))
    assert not accepted(body, then, signature(body, then), NOW - timedelta(minutes=5, seconds=1))


def test_what_somebody_else_signed_is_refused():
    body, then = BODY, str(int(NOW.timestamp()))
    genuine = signature(body, then)

    assert not accepted(body + b"x", then, genuine)
    assert not accepted(body, str(int(then) + 1), genuine)
    assert not accepted(body, then, None)
    assert not accepted(body, None, genuine)
    assert not signed_by_slack(body, timestamp=then, signature=genuine, signing_secret="other", now=NOW)


@given(body=st.binary(max_size=60), timestamp=st.none() | st.text(max_size=20), signed=st.none() | st.text(max_size=80))
def test_junk_is_a_plain_no(body, timestamp, signed):
    assert not accepted(body, timestamp, signed)
