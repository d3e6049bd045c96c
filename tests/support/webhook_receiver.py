"""A program of the company's own that takes our webhooks: it believes nothing that is not signed, and drops copies.

Written from the Standard Webhooks specification, without a line of ours.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from tests.support.counterparties import Recorder, Reply, Request

TOLERANCE = 300
"""Seconds by which the sender's clock may be off."""


class WebhookReceiver:
    """Takes what comes to `url`; `taken` is what it believed, a message once."""

    def __init__(self, recorder: Recorder, secret: str) -> None:
        self.url = f"{recorder.url}/hook"
        self.secret = secret
        self.requests: list[Request] = []
        self.copies: list[str] = []
        """`webhook-id` of every believed request."""
        self.taken: dict[str, dict[str, Any]] = {}
        recorder.replies["/hook"] = self._take

    def _take(self, request: Request) -> Reply:
        self.requests.append(request)
        if not believed(request, self.secret):
            return Reply(body="", status=401)
        message_id = request.headers["webhook-id"]
        self.copies.append(message_id)
        self.taken.setdefault(message_id, json.loads(request.body))
        return Reply(body="", status=204)


def believed(request: Request, secret: str) -> bool:
    """Whether one of the request's signatures is this secret's, and it was signed just now."""
    stamp = request.headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = f"{request.headers['webhook-id']}.{stamp}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = request.headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)
