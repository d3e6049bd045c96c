"""Amazon SNS at the door: signatures are checked with Amazon's own certificates, subscriptions are confirmed.

Everything that is fetched is at an address of SNS itself, over https, without redirects, within FETCH_SECONDS and
LARGEST bytes: a stranger's message must not send us anywhere else.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp.abc import AbstractResolver

from engine.clock import Clock
from engine.services import Engine
from signals.integration import Integration
from tocsin.web.hearing import COME_BACK_AFTER, hear
from tocsin.web.http import Reply, error_reply, json_reply, overloaded_reply
from tocsin.web.senders import cloudwatch
from tocsin.web.senders.reading import KeyRefused, NotNow, Request

FETCH_SECONDS = 5.0
LARGEST = 64 * 1024
MOST_CERTIFICATES = 20
TRY_AGAIN_AFTER = 10.0
"""Seconds; whoever sends much must not make us ask for a missing certificate each time."""

Fetch = Callable[[str], Awaitable[bytes]]
log = logging.getLogger("tocsin.intake")


def fetcher(resolver: AbstractResolver | None = None, context: ssl.SSLContext | None = None) -> Fetch:
    """What asks Amazon. Raises NotNow when it does not answer as it should. Both arguments are for tests."""

    async def fetch(url: str) -> bytes:
        if not cloudwatch.is_amazons(url):
            raise NotNow("This is not an address of Amazon SNS.")
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=True if context is None else context)
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=timeout, headers={"User-Agent": "Tocsin"}
                ) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise NotNow(f"Amazon SNS answered {response.status}.")
                return await _bounded(response)
        except TimeoutError as error:
            raise NotNow(f"Amazon SNS did not answer within {FETCH_SECONDS:.0f} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NotNow(f"Amazon SNS cannot be reached ({type(error).__name__}).") from error

    return fetch


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(16 * 1024):
        body += part
        if len(body) > LARGEST:
            raise NotNow("Amazon SNS answered with more than belongs there.")
    return bytes(body)


class Certificates:
    """Amazon's certificates by address: fetched once, one at a time, and after a failure not again for a while."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, bytes] = {}
        self._failed: dict[str, float] = {}
        self._one_by_one = asyncio.Lock()

    async def at(self, url: str) -> bytes:
        """The certificate (PEM). Raises NotNow."""
        if url in self._known:
            return self._known[url]
        async with self._one_by_one:
            if url in self._known:
                return self._known[url]
            now = self._clock.monotonic()
            self._failed = {each: at for each, at in self._failed.items() if now - at < TRY_AGAIN_AFTER}
            if url in self._failed or len(self._failed) >= MOST_CERTIFICATES:
                raise NotNow("The certificate of Amazon SNS could not be fetched just now.")
            try:
                found = await self._fetch(url)
            except NotNow:
                self._failed[url] = now
                raise
            while len(self._known) >= MOST_CERTIFICATES:
                del self._known[next(iter(self._known))]
            self._known[url] = found
            return found


class SnsDesk:
    """Takes what SNS posts to `/webhooks/cloudwatch/{key}`."""

    def __init__(self, engine: Engine, fetch: Fetch | None = None) -> None:
        self._engine = engine
        self._fetch = fetch or fetcher()
        self._certificates = Certificates(self._fetch, engine.clock)

    async def take(self, integration: Integration, request: Request) -> Reply:
        """Raises SignalRefused, with a problem a field, for what is no message of SNS."""
        envelope = cloudwatch.read_envelope(request)
        try:
            certificate = await self._certificates.at(cloudwatch.certificate_url(envelope))
            cloudwatch.check_signature(envelope, certificate)
            if not cloudwatch.allows(integration, envelope):
                return error_reply(403, f"{envelope.TopicArn[:300]} is not among the topics of this integration.")
            match envelope.Type:
                case "Notification":
                    _, refused = await hear(self._engine, integration, [cloudwatch.signal_of(envelope, request.body)])
                    return refused or json_reply(200, {"status": "accepted"})
                case "SubscriptionConfirmation":
                    return await self._confirm(integration, envelope)
                case "UnsubscribeConfirmation":
                    return await self._unsubscribed(integration, envelope)
        except KeyRefused as error:
            return error_reply(401, str(error), (b"www-authenticate", b"Signature"))
        except NotNow as error:
            log.warning("message of SNS not taken integration=%s because=%s", integration.name, error)
            return overloaded_reply(str(error), COME_BACK_AFTER)

    async def _confirm(self, integration: Integration, envelope: cloudwatch.Envelope) -> Reply:
        """Whoever subscribed us has the key; the address that confirms it is Amazon's, or nothing is asked."""
        url = envelope.SubscribeURL or ""
        if not cloudwatch.is_amazons(url):
            return error_reply(400, "This subscription cannot be used.", problems=["SubscribeURL: not Amazon's"])
        await self._fetch(url)
        log.warning("subscribed by SNS integration=%s topic=%s", integration.name, envelope.TopicArn[:300])
        return json_reply(200, {"status": "confirmed"})

    async def _unsubscribed(self, integration: Integration, envelope: cloudwatch.Envelope) -> Reply:
        today = f"{self._engine.clock.now():%Y%m%d}"
        await self._engine.page_operators(
            f"unsubscribed-{integration.name}-{today}",
            f"{envelope.TopicArn[:300]} no longer sends to {integration.name}: its subscription was ended.",
        )
        return json_reply(200, {"status": "noted"})
