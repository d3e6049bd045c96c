"""Which channels this installation has: built once at start, from settings alone."""

from dataclasses import dataclass
from typing import TextIO

from contacts.addresses import ChannelKind
from notifications.channel import Channel
from notifications.console import ConsoleChannel


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the channels need to know. A channel without its credentials does not exist; the console always does."""

    public_url: str | None = None
    """Where providers reach us; without it no receipt and no reply can arrive."""
    twilio_account_sid: str | None = None
    twilio_auth_tokens: tuple[str, ...] = ()
    """The first signs our requests; all of them are accepted on callbacks, so that a token can be rotated."""
    twilio_from: str | None = None
    """E.164 of the number that sends SMS and calls."""
    twilio_base_url: str | None = None
    slack_bot_token: str | None = None
    slack_signing_secret: str | None = None
    slack_base_url: str | None = None

    @property
    def has_twilio(self) -> bool:
        return bool(self.twilio_account_sid and self.twilio_auth_tokens and self.twilio_from)

    @property
    def has_slack(self) -> bool:
        return bool(self.slack_bot_token)


def build_channels(settings: ChannelSettings, stream: TextIO) -> dict[ChannelKind, Channel]:
    """Every channel that is configured, by kind. Opens no connection; closing each gives everything back."""
    channels: dict[ChannelKind, Channel] = {ChannelKind.CONSOLE: ConsoleChannel(stream)}
    if settings.has_twilio:
        channels.update(_twilio_channels(settings))
    if settings.has_slack:
        channels[ChannelKind.SLACK] = _slack_channel(settings)
    return channels


def _twilio_channels(settings: ChannelSettings) -> dict[ChannelKind, Channel]:
    # Imported here, because the SDK costs a quarter of a second at start and many installations have no Twilio.
    from notifications.twilio_client import BASE_URL, TwilioAccount, TwilioClient  # noqa: PLC0415
    from notifications.twilio_sms import TwilioSms  # noqa: PLC0415
    from notifications.twilio_voice import TwilioVoice  # noqa: PLC0415

    sid, sender = settings.twilio_account_sid or "", settings.twilio_from or ""
    client = TwilioClient(
        TwilioAccount(
            account_sid=sid,
            auth_token=settings.twilio_auth_tokens[0],
            base_url=settings.twilio_base_url or BASE_URL,
            public_url=settings.public_url,
        )
    )
    return {ChannelKind.SMS: TwilioSms(client, sender), ChannelKind.VOICE: TwilioVoice(client, sender)}


def _slack_channel(settings: ChannelSettings) -> Channel:
    # Imported here for the same reason.
    from notifications.slack import BASE_URL, SlackChannel  # noqa: PLC0415

    return SlackChannel(
        token=settings.slack_bot_token or "",
        base_url=settings.slack_base_url or BASE_URL,
        two_way=settings.public_url is not None and settings.slack_signing_secret is not None,
    )
