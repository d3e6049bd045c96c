"""A push service and the browsers that it serves: it checks who posts, decrypts, and keeps what each browser was sent.

Ours, so it proves nothing about any vendor's push service; but it is written from RFC 8030, 8188, 8291 and 8292 with
bare HMAC, AES and ECDH, and shares no line with the library that encrypts.
"""

import base64
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from notifications.push_subscriptions import Subscription

CURVE = ec.SECP256R1()
LONGEST_BODY = 4096


@dataclass(frozen=True)
class Pushed:
    """One message that a browser was sent, as it decrypted it."""

    content: dict[str, Any]
    size: int
    """Bytes of the decrypted payload."""
    headers: dict[str, str]
    claims: dict[str, Any]
    """What the sender's token says of itself."""


@dataclass
class Browser:
    """A subscribed browser: only it has the private key."""

    endpoint: str
    application_key: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(CURVE))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    alive: bool = True
    pushed: list[Pushed] = field(default_factory=list)

    @property
    def subscription(self) -> Subscription:
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return Subscription(self.endpoint, encoded(point), encoded(self.auth))

    @property
    def shown(self) -> dict[str, Pushed]:
        """What it would show after having been asleep: of each Topic the last."""
        return {each.headers["Topic"]: each for each in self.pushed}


class PushService:
    """Set `refuses` to a status to have everything refused with it."""

    def __init__(self) -> None:
        self.url = ""
        self.refuses: int | None = None
        self.answer_headers: dict[str, str] = {}
        self.asked: list[web.Request] = []
        self.complaints: list[str] = []
        """Why a request was answered 4xx."""
        self._browsers: dict[str, Browser] = {}

    async def start(self, port: int) -> None:
        application = web.Application(client_max_size=10 * LONGEST_BODY)
        application.router.add_post("/push/{token}", self._take)
        application.router.add_post("/moved/{token}", self._move)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def subscribe(self, application_key: str) -> Browser:
        """A browser of its own, bound to this sender's public key, as a real one binds itself."""
        token = secrets.token_urlsafe(12)
        browser = Browser(f"{self.url}/push/{token}", application_key)
        self._browsers[token] = browser
        return browser

    def adopt(self, application_key: str, browser: Browser) -> None:
        """Serve a browser whose keys the test has chosen."""
        self._browsers[browser.endpoint.rpartition("/")[2]] = browser

    async def _take(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        body = await request.read()
        browser = self._browsers.get(request.match_info["token"])
        if self.refuses is not None:
            return web.Response(status=self.refuses, headers=self.answer_headers)
        if browser is None or not browser.alive:
            return web.Response(status=404 if browser is None else 410)
        try:
            claims = self._known_sender(request.headers.get("Authorization", ""), browser)
        except ValueError as error:
            return self._complain(403, str(error))
        wrong = _wrong_with(request, body)
        if wrong is not None:
            return self._complain(413 if len(body) > LONGEST_BODY else 400, wrong)
        plain = decrypted(body, browser.private, browser.auth)
        browser.pushed.append(Pushed(json.loads(plain), len(plain), dict(request.headers), claims))
        return web.Response(status=201, headers={"Location": f"{self.url}/message/{len(browser.pushed)}"})

    async def _move(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.Response(status=307, headers={"Location": f"{self.url}/push/{request.match_info['token']}"})

    def _complain(self, status: int, sentence: str) -> web.Response:
        self.complaints.append(sentence)
        return web.Response(status=status, text=sentence)

    def _known_sender(self, authorization: str, browser: Browser) -> dict[str, Any]:
        """RFC 8292: the claims of a token that is signed by the key to which this browser has bound itself."""
        found = re.fullmatch(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)", authorization)
        if found is None:
            raise ValueError("no vapid token")
        head, said, signature, key = found.groups()
        if key != browser.application_key:
            raise ValueError("another sender's key")
        raw = decoded(signature)
        if json.loads(decoded(head)).get("alg") != "ES256" or len(raw) != 64:
            raise ValueError("not an ES256 signature")
        r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
        public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decoded(key))
        try:
            public.verify(encode_dss_signature(r, s), f"{head}.{said}".encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise ValueError("the signature is wrong") from error
        claims: dict[str, Any] = json.loads(decoded(said))
        if claims.get("aud") != self.url:
            raise ValueError(f"the audience is {claims.get('aud')}, not {self.url}")
        if not 0 < claims.get("exp", 0) - time.time() <= 24 * 3600:
            raise ValueError("the token ends too late, or has ended")
        if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
            raise ValueError("the token names nobody to write to")
        return claims


def _wrong_with(request: web.Request, body: bytes) -> str | None:
    """What RFC 8030 asks of a request beyond its sender."""
    headers = request.headers
    if headers.get("Content-Encoding") != "aes128gcm":
        return "the content coding is not aes128gcm"
    if not headers.get("TTL", "").isdigit():
        return "there is no TTL"
    if headers.get("Urgency") not in ("very-low", "low", "normal", "high"):
        return "the urgency is none of the four"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("Topic", "")):
        return "the topic is not 1 to 32 characters of base64url"
    if len(body) > LONGEST_BODY:
        return "the body is too large"
    return None


def decrypted(body: bytes, private: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """RFC 8291 on one record of RFC 8188. Raises whatever the arithmetic raises when it was not meant for this key."""
    salt, record_size, id_length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    sender, sealed = body[21 : 21 + id_length], body[21 + id_length :]
    assert len(sealed) <= record_size, "one record only"
    receiver = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
    keyed = _hmac(auth, shared)
    material = _hmac(keyed, b"WebPush: info\0" + receiver + sender + b"\1")
    mixed = _hmac(salt, material)
    key = _hmac(mixed, b"Content-Encoding: aes128gcm\0\1")[:16]
    nonce = _hmac(mixed, b"Content-Encoding: nonce\0\1")[:12]
    padded = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
    assert padded.endswith(b"\2"), "the last record ends in 2"
    return padded[:-1]


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Book:
    """The subscriptions of one test, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Subscription] = {}

    async def of(self, contact: str, name: str) -> Subscription | None:
        return self.kept.get((contact, name))

    async def forget(self, contact: str, name: str, endpoint: str) -> None:
        if (kept := self.kept.get((contact, name))) is not None and kept.endpoint == endpoint:
            del self.kept[contact, name]
