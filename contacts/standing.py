"""How each address stands: proven until when, never proven, expired, or taken out; and who is away. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from contacts.addresses import ChannelKind, ContactChannel, network_of
from contacts.directory import Absence, Contact, Directory
from contacts.walltime import begins, ends, zone

SOON = timedelta(days=7)
"""A proof that ends within this is asked for again."""


class Standing(StrEnum):
    PROVEN = "proven"
    UNPROVEN = "unproven"
    EXPIRED = "expired"
    OUT = "out"
    """Its owner wrote STOP: no page goes there."""
    NEEDS_NONE = "needs-none"
    """The engine's own console: it shows what it is sent."""


BAD = frozenset({Standing.UNPROVEN, Standing.EXPIRED, Standing.OUT})
"""Shown in red: on the night one may not be reached there."""


@dataclass(frozen=True, slots=True)
class Address:
    """One channel of one contact, as it stands on a day."""

    contact: Contact
    channel: ContactChannel
    standing: Standing
    verified: date | None = None
    expires: date | None = None

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind(self.channel.kind)

    @property
    def network(self) -> str:
        return network_of(self.channel)

    def wants_proof(self, today: date) -> bool:
        """Whether a code should be sent there: never proven, expired, or soon to be."""
        match self.standing:
            case Standing.UNPROVEN | Standing.EXPIRED:
                return True
            case Standing.PROVEN:
                return self.expires is not None and self.expires <= today + SOON
            case _:
                return False


def addresses(directory: Directory, today: date) -> tuple[Address, ...]:
    """Every channel of everybody, in the order of the file."""
    return tuple(
        address_of(directory, contact, channel, today) for contact in directory.contacts for channel in contact.channels
    )


def address_of(directory: Directory, contact: Contact, channel: ContactChannel, today: date) -> Address:
    verified, expires = directory.proof_of(channel)
    if channel.to in directory.live.out:
        standing = Standing.OUT
    elif verified is None or expires is None:
        console = ChannelKind(channel.kind) is ChannelKind.CONSOLE
        standing = Standing.NEEDS_NONE if console else Standing.UNPROVEN
    else:
        standing = Standing.PROVEN if today < expires else Standing.EXPIRED
    return Address(contact, channel, standing, verified, expires)


def shown(channel: ContactChannel) -> str:
    """The address without what may be a secret: of a webhook only the host."""
    if ChannelKind(channel.kind) is not ChannelKind.WEBHOOK:
        return channel.to
    parts = urlsplit(channel.to)
    return f"{parts.scheme}://{parts.netloc}" + ("/..." if parts.path.strip("/") or parts.query else "")


def absence_at(contact: Contact, at: datetime) -> Absence | None:
    """The absence in which this moment falls, as their own zone counts its days."""
    where = zone(contact.time_zone)
    for absence in contact.absences:
        if begins(absence.starts, where) <= at < ends(absence.ends, where):
            return absence
    return None


def ends_of(contact: Contact, absence: Absence) -> datetime:
    """When they are back."""
    return ends(absence.ends, zone(contact.time_zone))
