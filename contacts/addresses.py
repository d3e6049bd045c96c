"""Addresses: where a person can be reached, by which kind of channel, over which network; as in contacts.yaml."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints

from incidents.ids import Slug
from incidents.model import Frozen


class ChannelKind(StrEnum):
    CONSOLE = "console"
    SMS = "sms"
    VOICE = "voice"
    SLACK = "slack"
    EMAIL = "email"
    PUSH = "push"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


NETWORKS: dict[ChannelKind, str] = {
    ChannelKind.CONSOLE: "console",
    ChannelKind.SMS: "phone",
    ChannelKind.VOICE: "phone",
    ChannelKind.SLACK: "internet",
    ChannelKind.EMAIL: "internet",
    ChannelKind.PUSH: "internet",
    ChannelKind.WEBHOOK: "internet",
    ChannelKind.APPRISE: "internet",
}
"""What a channel rides on unless it says otherwise. Two channels of one network fail together."""

PROVIDERS: dict[ChannelKind, str] = {
    ChannelKind.CONSOLE: "console",
    ChannelKind.SMS: "twilio",
    ChannelKind.VOICE: "twilio",
    ChannelKind.SLACK: "slack",
    ChannelKind.EMAIL: "smtp",
    ChannelKind.PUSH: "web-push",
    ChannelKind.WEBHOOK: "webhook",
    ChannelKind.APPRISE: "apprise",
}
"""Who carries a channel unless `providers` in contacts.yaml names others."""


def possible_phone(number: str) -> str:
    """E.164 as written. Gate on *possible* numbers: test ranges are possible and never valid."""
    if has_letters(number):
        raise ValueError(f"{number!r} has letters in it; write its digits in E.164 form such as +12025550123")
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"{number!r} is not a phone number in E.164 form such as +12025550123") from error
    if not is_possible(parsed):
        raise ValueError(f"{number!r} cannot be a phone number: its length is wrong for its country")
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if written != number:
        raise ValueError(f"write {number!r} as {written!r} (E.164: plus sign, digits, nothing else)")
    return number


def is_possible(parsed: phonenumbers.PhoneNumber) -> bool:
    """Whether it can be dialled from anywhere; one that is long enough only within its own town cannot."""
    return phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE


def has_letters(number: str) -> bool:
    """`+44 7700 CALL`: the library would take the keys on which they stand, which nobody has checked."""
    return any(letter.isalpha() for letter in number)


Phone = Annotated[str, AfterValidator(possible_phone)]


class _Address(Frozen):
    network: Slug | None = None
    """What it rides on, where that is not what its kind usually does, such as another telephone company."""
    verified: date | None = None
    """The day on which its owner proved that it reaches them; `tocsin contacts verify` asks for it."""
    expires: date | None = None
    """From this day on the proof is no longer good; default `reverify_every` after it."""


class ConsoleChannel(_Address):
    kind: Literal["console"]
    to: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SmsChannel(_Address):
    kind: Literal["sms"]
    to: Phone


class VoiceChannel(_Address):
    kind: Literal["voice"]
    to: Phone


class SlackChannel(_Address):
    kind: Literal["slack"]
    to: Annotated[str, StringConstraints(pattern=r"^[CDGUW][A-Z0-9]{2,}$")]


class EmailChannel(_Address):
    kind: Literal["email"]
    to: Annotated[str, StringConstraints(pattern=r"^[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,190}$")]


class PushChannel(_Address):
    """A browser that its owner has subscribed on the page `/push`; the name is theirs."""

    kind: Literal["push"]
    to: Slug


class WebhookChannel(_Address):
    """A signed JSON request to a program of the company's own."""

    kind: Literal["webhook"]
    to: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/\S*)?$", max_length=500)]


class AppriseChannel(_Address):
    """Any other service by way of Apprise, one-way. Its address holds secrets: it stands in TOCSIN_APPRISE__<NAME>."""

    kind: Literal["apprise"]
    to: Slug


ContactChannel = Annotated[
    ConsoleChannel
    | SmsChannel
    | VoiceChannel
    | SlackChannel
    | EmailChannel
    | PushChannel
    | WebhookChannel
    | AppriseChannel,
    Field(discriminator="kind"),
]


def network_of(channel: ContactChannel) -> str:
    return channel.network or NETWORKS[ChannelKind(channel.kind)]
