"""Whether a request by HTTP comes from Slack. What it asks, `notifications.slack_requests` reads."""

from datetime import datetime

from slack_sdk.signature import Clock, SignatureVerifier


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
