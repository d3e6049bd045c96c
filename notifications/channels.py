"""Which channels this installation has: built once at start, from settings alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from contacts.addresses import PROVIDERS, ChannelKind
from notifications.channel import Channel
from notifications.console import ConsoleChannel
from notifications.email_account import EmailAccount
from notifications.email_tokens import Sign
from notifications.push_subscriptions import Subscriptions


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    """One more account of Twilio's, for SMS and voice, under a name of its own (`providers` in contacts.yaml)."""

    name: str
    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    sender: str
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the channels need to know. A channel without its credentials does not exist; the console always does."""

    public_url: str | None = None
    """Where providers reach us; without it no receipt and no reply can arrive."""
    twilio_account_sid: str | None = None
    twilio_auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    """The first signs our requests; all of them are accepted on callbacks, so that a token can be rotated."""
    twilio_from: str | None = None
    """E.164 of the number that sends SMS and calls."""
    twilio_base_url: str | None = None
    other_twilios: tuple[TwilioSettings, ...] = ()
    slack_bot_token: str | None = field(default=None, repr=False)
    slack_app_token: str | None = field(default=None, repr=False)
    """For Socket Mode; with it answers come back without a public URL."""
    slack_signing_secret: str | None = field(default=None, repr=False)
    slack_base_url: str | None = None
    push_subject: str | None = None
    """Whom a push service writes to when our messages make trouble: `mailto:` or https."""
    push_key: str | None = field(default=None, repr=False)
    """Our private key towards push services, 32 bytes in base64url."""
    push_loopback: bool = False
    """Whether a push service may be on this machine; for tests."""
    webhook_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """All of them sign, so that a secret can be rotated."""
    apprise_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    email: EmailAccount | None = field(default=None, repr=False)

    @property
    def has_twilio(self) -> bool:
        return bool(self.twilio_account_sid and self.twilio_auth_tokens and self.twilio_from)

    @property
    def twilios(self) -> tuple[TwilioSettings, ...]:
        """Every account of Twilio's, the first one included where it is complete."""
        if not self.has_twilio:
            return self.other_twilios
        first = TwilioSettings(
            PROVIDERS[ChannelKind.SMS],
            self.twilio_account_sid or "",
            self.twilio_auth_tokens,
            self.twilio_from or "",
            self.twilio_base_url,
        )
        return (first, *self.other_twilios)

    @property
    def has_slack(self) -> bool:
        return bool(self.slack_bot_token)

    @property
    def has_push(self) -> bool:
        return bool(self.push_subject and self.push_key)


def build_others(settings: ChannelSettings) -> dict[tuple[ChannelKind, str], Channel]:
    """The channels of further providers, by kind and the provider's name."""
    return {
        (kind, other.name): channel
        for other in settings.other_twilios
        for kind, channel in _twilio_channels(other, settings.public_url).items()
    }


def build_channels(
    settings: ChannelSettings,
    stream: TextIO,
    *,
    now: Callable[[], datetime] | None = None,
    subscriptions: Subscriptions | None = None,
    sign_mail: Sign | None = None,
) -> dict[ChannelKind, Channel]:
    """Every channel that is configured, by kind. Opens no connection; closing each gives everything back.

    What signs with the time needs `now`, browsers need their `subscriptions`, and mail needs `sign_mail` so that only
    its reader can answer it; the engine gives all of them.
    """
    channels: dict[ChannelKind, Channel] = {ChannelKind.CONSOLE: ConsoleChannel(stream)}
    if settings.has_twilio:
        channels.update(_twilio_channels(settings.twilios[0], settings.public_url))
    if settings.has_slack:
        channels[ChannelKind.SLACK] = _slack_channel(settings)
    if settings.has_push and now is not None and subscriptions is not None:
        channels[ChannelKind.PUSH] = _push_channel(settings, now, subscriptions)
    if settings.webhook_keys and now is not None:
        channels[ChannelKind.WEBHOOK] = _webhook_channel(settings, now)
    if settings.apprise_urls:
        channels[ChannelKind.APPRISE] = _apprise_channel(settings)
    if settings.email is not None and sign_mail is not None and now is not None:
        channels[ChannelKind.EMAIL] = _email_channel(settings.email, sign_mail, now)
    return channels


def _twilio_channels(settings: TwilioSettings, public_url: str | None) -> dict[ChannelKind, Channel]:
    # Imported here, because the SDK costs a quarter of a second at start and many installations have no Twilio.
    from notifications.twilio_client import BASE_URL, TwilioAccount, TwilioClient  # noqa: PLC0415
    from notifications.twilio_sms import TwilioSms  # noqa: PLC0415
    from notifications.twilio_voice import TwilioVoice  # noqa: PLC0415

    client = TwilioClient(
        TwilioAccount(
            account_sid=settings.account_sid,
            auth_token=settings.auth_tokens[0],
            base_url=settings.base_url or BASE_URL,
            public_url=public_url,
        )
    )
    sender = settings.sender
    return {ChannelKind.SMS: TwilioSms(client, sender), ChannelKind.VOICE: TwilioVoice(client, sender)}


def _slack_channel(settings: ChannelSettings) -> Channel:
    # Imported here for the same reason.
    from notifications.slack import BASE_URL, SlackChannel  # noqa: PLC0415

    return SlackChannel(
        token=settings.slack_bot_token or "",
        base_url=settings.slack_base_url or BASE_URL,
        two_way=settings.slack_app_token is not None
        or (settings.public_url is not None and settings.slack_signing_secret is not None),
    )


def _push_channel(settings: ChannelSettings, now: Callable[[], datetime], subscriptions: Subscriptions) -> Channel:
    # Imported here for the same reason.
    from notifications.web_push import PushKey, WebPushChannel  # noqa: PLC0415

    return WebPushChannel(
        PushKey.from_text(settings.push_key or ""),
        settings.push_subject or "",
        subscriptions,
        now,
        public_url=settings.public_url,
        loopback=settings.push_loopback,
    )


def _webhook_channel(settings: ChannelSettings, now: Callable[[], datetime]) -> Channel:
    # Imported here for the same reason.
    from notifications.webhook import WebhookChannel  # noqa: PLC0415

    return WebhookChannel(settings.webhook_keys, now, two_way=settings.public_url is not None)


def _apprise_channel(settings: ChannelSettings) -> Channel:
    # Imported here for the same reason.
    from notifications.apprise_channel import AppriseChannel  # noqa: PLC0415

    return AppriseChannel(settings.apprise_urls)


def _email_channel(account: EmailAccount, sign: Sign, now: Callable[[], datetime]) -> Channel:
    # Imported here for the same reason.
    from notifications.email import EmailChannel  # noqa: PLC0415

    return EmailChannel(account, sign=sign, now=now)
