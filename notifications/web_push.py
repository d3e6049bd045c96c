"""Pages in a browser: an encrypted message that the browser's own push service carries (RFC 8030, 8291, 8292).

A push service takes a message and says no more. A second copy of one message carries the same Topic, so that it
replaces the first while that waits for the browser, and the same tag, so that it replaces it on the screen.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import AnyHttpUrl, ValidationError
from webpush import WebPush, WebPushSubscription  # type: ignore[import-untyped]  # it ships no py.typed
from webpush.types import WebPushKeys  # type: ignore[import-untyped]  # likewise

from contacts.addresses import ChannelKind
from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from notifications.connections import TOTAL_SECONDS
from notifications.origins import Answered, Origins
from notifications.push_subscriptions import Subscription, Subscriptions, what_is_wrong

TTL_SECONDS = 600
"""A page that nobody could be shown for ten minutes is worth nothing any more: the ladder is long past it."""
TOKEN_LASTS = timedelta(hours=12)
LONGEST_PAYLOAD = 2900
"""Bytes of JSON. A push service takes 4096 of ciphertext; some take less."""
_SCALAR = 32
_LONGEST_ID = 500


@dataclass(frozen=True, slots=True)
class PushKey:
    """Our key pair towards push services (VAPID). A browser's subscription is bound to it: a new key needs new ones."""

    private: ec.EllipticCurvePrivateKey

    @staticmethod
    def from_text(text: str) -> "PushKey":
        """From the 32 bytes in base64url that other tools write as well. Raises ValueError."""
        try:
            scalar = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError as error:
            raise ValueError("a push key is 32 bytes in base64url") from error
        if len(scalar) != _SCALAR:
            raise ValueError("a push key is 32 bytes in base64url")
        return PushKey(ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()))

    @property
    def public(self) -> str:
        """What a browser is given when it subscribes (applicationServerKey)."""
        return _base64url(self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def authorization(self, endpoint: str, subject: str, until: int) -> str:
        """The header by which a push service knows us. The audience is the endpoint's origin, with its port."""
        parts = urlsplit(endpoint)
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": until, "sub": subject}
        signed = ".".join(_base64url(json.dumps(each).encode()) for each in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_SCALAR, "big") + s.to_bytes(_SCALAR, "big")
        return f"vapid t={signed}.{_base64url(signature)}, k={self.public}"


class WebPushChannel:
    """Gives no receipts: a push service does not say whether a screen lit up. The answer comes by the page's link."""

    kind = ChannelKind.PUSH
    gives_receipts = False

    def __init__(
        self,
        key: PushKey,
        subject: str,
        subscriptions: Subscriptions,
        now: Callable[[], datetime],
        *,
        public_url: str | None,
        loopback: bool = False,
        timeout_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.two_way = public_url is not None
        self.public_key = key.public
        self.loopback = loopback
        """Whether browsers may name a push service on this machine; for tests."""
        self._key = key
        self._subject = subject
        self._subscriptions = subscriptions
        self._now = now
        self._public_url = public_url
        self._origins = Origins(timeout_seconds, outside_only=not loopback)
        pem, public_pem = _pems(key)
        self._crypt = WebPush(private_key=pem, public_key=public_pem, subscriber="unused", ttl=TTL_SECONDS)

    async def send(self, message: Message) -> Sent:
        """See Channel.send. A second call may send a second copy, which replaces the first (see above).

        A browser that its push service no longer knows is forgotten; until its owner subscribes again every message
        to it is undeliverable at once.
        """
        subscription = await self._subscriptions.of(message.contact, message.to)
        if subscription is None:
            raise Undeliverable(
                f"The browser {message.to} of {message.contact} does not ring yet: its owner opens "
                f"{self._public_url or ''}/push on it once."
            )
        wrong = what_is_wrong(subscription, loopback=self.loopback)
        if wrong is not None:
            raise Undeliverable(wrong)
        answered = await self._origins.post(
            subscription.endpoint, self._encrypted(message, subscription), self._headers(message, subscription), _NAME
        )
        if answered.is_acceptance:
            return Sent(provider_id=_message_resource(answered))
        if answered.status in (404, 410):
            await self._subscriptions.forget(message.contact, message.to, subscription.endpoint)
        raise _refusal(answered)

    async def recover(self, message: Message) -> Sent | None:
        """Unknown: a push service cannot be asked what it has."""
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: a notification that is shown stays until its owner puts it away."""

    async def close(self) -> None:
        await self._origins.close()

    def _encrypted(self, message: Message, subscription: Subscription) -> bytes:
        keys = WebPushKeys(auth=subscription.auth, p256dh=subscription.p256dh)
        try:
            target = WebPushSubscription(endpoint=AnyHttpUrl(subscription.endpoint), keys=keys)
            return bytes(self._crypt.get(payload(message), target).encrypted)
        except (ValueError, ValidationError) as error:  # a key that is no point of the curve
            raise Undeliverable("The browser's key cannot be used; its owner opens /push on it again.") from error

    def _headers(self, message: Message, subscription: Subscription) -> dict[str, str]:
        # Not the library's own Authorization: it leaves the port out of the audience and knows mailto: only.
        until = int((self._now() + TOKEN_LASTS).timestamp())
        return {
            "Authorization": self._key.authorization(subscription.endpoint, self._subject, until),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Urgency": "high" if message.kind == "page" else "normal",
            "Topic": topic(message.message_id),
        }


_NAME = "The push service"


def topic(message_id: str) -> str:
    """32 characters of base64url that stand for the message: its later copy replaces an earlier one that waits."""
    return _base64url(hashlib.sha256(message_id.encode()).digest()[:24])


def payload(message: Message) -> bytes:
    """What the service worker shows: small JSON, its text cut at the end where a push service would refuse it."""
    title, _, body = message.text.partition("\n")
    if not body:
        title, body = message.incident, title
    content = {
        "title": title,
        "body": body,
        "link": message.link or "",
        "tag": message.message_id,
        "code": message.code,
        "kind": message.kind,
        "language": message.language,
    }
    written = _json(content)
    while len(written) > LONGEST_PAYLOAD and content["body"]:
        over = len(written) - LONGEST_PAYLOAD
        content["body"] = content["body"][: -max(over // 4, 3)].rstrip(" .") + ".."
        if content["body"] == "..":
            content["body"] = ""
        written = _json(content)
    return written


def _json(content: dict[str, str]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def _message_resource(answered: Answered) -> str | None:
    location = answered.location
    return location if location is not None and len(location) <= _LONGEST_ID else None


def _refusal(answered: Answered) -> NotificationError:
    status = answered.status
    if answered.asks_to_wait:
        return ProviderUnavailable(f"{_NAME} asks to wait (HTTP {status}).", answered.retry_after, passing=True)
    if status in (404, 410):
        return Undeliverable(
            f"The push service no longer knows this browser (HTTP {status}); its owner opens /push on it again."
        )
    if status == 413:
        return Undeliverable("The push service finds the message too large (HTTP 413).")
    if status >= 500:
        return OutcomeUnknown(f"{_NAME} failed (HTTP {status}).")
    if status in (400, 401, 403):
        return ProviderUnavailable(
            f"The push service refuses our credentials (HTTP {status}); check TOCSIN_PUSH__SUBJECT, and whether this "
            "browser was subscribed with another push key."
        )
    return ProviderUnavailable(f"{_NAME} refuses for now (HTTP {status}).")


def _pems(key: PushKey) -> tuple[bytes, bytes]:
    return (
        key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
