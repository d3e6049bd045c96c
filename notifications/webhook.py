"""Pages to a program of the company's own: one signed JSON request, as https://www.standardwebhooks.com describes.

`webhook-id` is the message's own id and the same in every copy of it, so that the receiver can drop a second one.
"""

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime

from contacts.addresses import ChannelKind
from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from notifications.connections import TOTAL_SECONDS
from notifications.origins import Answered, Origins

_NAME = "The webhook's receiver"
_SCHEME = "v1"


class WebhookChannel:
    """Its acceptance is all that a receiver says. An answer comes by the link that the request carries."""

    kind = ChannelKind.WEBHOOK
    gives_receipts = False

    def __init__(
        self,
        keys: Sequence[bytes],
        now: Callable[[], datetime],
        *,
        two_way: bool,
        timeout_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """`keys` all sign: while a secret is rotated there are two, and the receiver needs to know only one."""
        self.two_way = two_way
        self._keys = tuple(keys)
        self._now = now
        self._origins = Origins(timeout_seconds)

    async def send(self, message: Message) -> Sent:
        """See Channel.send. Any 2xx is acceptance; a redirect is not followed, because the signature is for one place.

        A second call sends a second copy with the same `webhook-id`.
        """
        body = content(message)
        answered = await self._origins.post(message.to, body, self._headers(message.message_id, body), _NAME)
        if answered.is_acceptance:
            return Sent(provider_id=None)
        raise _refusal(answered)

    async def recover(self, message: Message) -> Sent | None:
        """Unknown: a receiver cannot be asked; it knows a copy by its `webhook-id`."""
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: what was received stays with the receiver."""

    async def close(self) -> None:
        await self._origins.close()

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        stamp = str(int(self._now().timestamp()))
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signatures(self._keys, message_id, stamp, body),
        }


def content(message: Message) -> bytes:
    """The request's JSON; docs/ describes it to receivers, so a field may be added and none may change its meaning."""
    described = {
        "type": message.kind,
        "message_id": message.message_id,
        "incident": message.incident,
        "contact": message.contact,
        "text": message.text,
        "language": message.language,
        "code": message.code,
        "link": message.link,
        "drill": message.drill,
    }
    return json.dumps(described, ensure_ascii=False).encode("utf-8", errors="replace")


def signatures(keys: Sequence[bytes], message_id: str, stamp: str, body: bytes) -> str:
    """One signature a key, separated by a space."""
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    digests = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii") for key in keys)
    return " ".join(f"{_SCHEME},{each}" for each in digests)


def _refusal(answered: Answered) -> NotificationError:
    status = answered.status
    if answered.asks_to_wait:
        return ProviderUnavailable(f"{_NAME} asks to wait (HTTP {status}).", answered.retry_after, passing=True)
    if status >= 500:
        return OutcomeUnknown(f"{_NAME} failed (HTTP {status}).")
    if status in (401, 403):
        return ProviderUnavailable(
            f"{_NAME} refuses our credentials (HTTP {status}); check TOCSIN_WEBHOOK__SECRET on both sides."
        )
    if status == 410:
        return Undeliverable(f"{_NAME} says that this address is gone for good (HTTP 410).")
    if 300 <= status < 400:
        return Undeliverable(f"{_NAME} redirects (HTTP {status}), which is not followed; correct it in contacts.yaml.")
    return Undeliverable(f"{_NAME} refuses this message (HTTP {status}).")
