"""Browsers that ring for their owners: who may subscribe one, what is kept of it, and the key that it is bound to."""

import base64
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from engine.clock import Clock, random_token
from engine.home import Home
from engine.links import Links
from incidents.errors import TocsinError
from notifications.channels import ChannelSettings
from notifications.push_subscriptions import Subscription
from storage import subscriptions
from storage.database import Database, DatabaseError
from storage.subscriptions import SubscriptionRow

log = logging.getLogger("tocsin.subscriptions")

PURPOSE = "push"
LINK_LASTS = timedelta(days=1)
"""A link lets its holder's browser ring in place of the owner's: it is opened soon or asked for again."""


class BrowserSubscriptions:
    """The book behind the push channel; see notifications.push_subscriptions.Subscriptions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, contact: str, name: str) -> Subscription | None:
        row = self._database.read_now(lambda tx: subscriptions.of(tx, contact, name))
        return None if row is None else Subscription(row.endpoint, row.p256dh, row.auth)

    async def forget(self, contact: str, name: str, endpoint: str) -> None:
        """Best effort: a dead endpoint that could not be forgotten is told dead again at the next message."""
        try:
            await self._database.write(lambda tx: subscriptions.forget(tx, contact, name, endpoint))
        except (TocsinError, DatabaseError) as error:
            log.warning("subscription not forgotten contact=%s browser=%s error=%s", contact, name, error)

    async def keep(self, contact: str, name: str, subscription: Subscription) -> None:
        """From now on this browser rings under this name, and whatever did before does not. May be repeated."""
        row = SubscriptionRow(
            contact,
            name,
            subscription.endpoint,
            subscription.p256dh,
            subscription.auth,
            self._clock.now().timestamp(),
        )
        await self._database.write(lambda tx: subscriptions.keep(tx, row))

    def names_of(self, contact: str) -> frozenset[str]:
        """Which of the contact's browser names ring by now."""
        rows = self._database.read_now(lambda tx: subscriptions.of_contact(tx, contact))
        return frozenset(row.name for row in rows)


def with_push_key(settings: ChannelSettings, home: Home) -> ChannelSettings:
    """The settings with our key towards push services, where there is push: the one given, else the home's own."""
    if not settings.push_subject:
        return settings
    return replace(settings, push_key=home.push_key(settings.push_key, _new_push_key))


def subscribe_path(links: Links, contact: str, now: datetime) -> str:
    """The page on which this contact lets a browser ring, signed for a day and for nothing else."""
    until = str(int((now + LINK_LASTS).timestamp()))
    return f"/push?{urlencode({'c': contact, 'u': until, 's': links.signature(PURPOSE, until, contact)})}"


def may_subscribe(links: Links, contact: str, until: str, signature: str, now: datetime) -> bool:
    """Whether this link was made here for this contact and still holds."""
    if not (contact and until.isascii() and until.isdigit() and len(until) < 16):
        return False
    return links.is_signed(PURPOSE, until, contact, signature) and int(until) > now.timestamp()


def _new_push_key() -> str:
    scalar = bytearray.fromhex(random_token(32))
    scalar[0] &= 0x7F  # certainly below the order of P-256, which nearly all 32 bytes are
    return base64.urlsafe_b64encode(scalar).rstrip(b"=").decode("ascii")
