"""Every setting, from the environment (`TOCSIN_*`). A wrong value names its variable and ends the start."""

import base64
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from incidents.errors import TocsinError
from notifications.channels import ChannelSettings
from notifications.channels import TwilioSettings as OtherTwilio
from notifications.email_account import EmailAccount, Security


class SettingsInvalid(TocsinError):
    """A `TOCSIN_*` variable cannot be used; the message names it."""


def _no_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


Url = Annotated[str, BeforeValidator(_no_slash), Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Port = Annotated[int, Field(ge=1, le=65535)]


def _signing_keys(secret: SecretStr) -> tuple[bytes, ...]:
    """The keys of a webhook secret: base64 after `whsec_`, else the text itself; several separated by commas."""
    keys = tuple(_signing_key(each.strip()) for each in secret.get_secret_value().split(",") if each.strip())
    if any(len(key) < LEAST_SECRET for key in keys):
        raise ValueError(f"a webhook secret has {LEAST_SECRET} bytes at least; `openssl rand -base64 24` makes one")
    return keys


def _signing_key(text: str) -> bytes:
    if not text.startswith(_WEBHOOK_SECRET):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_WEBHOOK_SECRET), validate=True)
    except ValueError as error:
        raise ValueError(f"what stands after {_WEBHOOK_SECRET} is not base64") from error


def _usable(secret: SecretStr) -> SecretStr:
    _signing_keys(secret)
    return secret


def _push_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
        raise ValueError("a push key is 32 bytes in base64url without padding: 43 characters")
    return secret


LEAST_SECRET = 16
"""Bytes of a webhook secret."""
_WEBHOOK_SECRET = "whsec_"


class TwilioSettings(BaseModel):
    account_sid: str | None = None
    auth_token: SecretStr | None = None
    """One token, or two separated by a comma while it is rotated: the first signs, both are accepted."""
    from_number: str | None = None
    base_url: Url | None = None

    def tokens(self) -> tuple[str, ...]:
        token = self.auth_token
        return () if token is None else tuple(each for each in token.get_secret_value().split(",") if each)

    def named(self, name: str) -> OtherTwilio | None:
        """This account as a provider of its own; None while something of it is missing."""
        if not (self.account_sid and self.tokens() and self.from_number):
            return None
        return OtherTwilio(
            name.lower().replace("_", "-"), self.account_sid, self.tokens(), self.from_number, self.base_url
        )


class SlackSettings(BaseModel):
    bot_token: SecretStr | None = None
    app_token: SecretStr | None = None
    """Opens Socket Mode: answers then need neither a public address nor the signing secret."""
    signing_secret: SecretStr | None = None
    base_url: Url | None = None


class PushSettings(BaseModel):
    subject: Annotated[str, Field(pattern=r"^(mailto:[^\s@]+@[^\s@]+|https://\S+)$")] | None = None
    """Whom a push service can write to; else the public URL, when that is https. Without either there is no push."""
    private_key: Annotated[SecretStr, AfterValidator(_push_key)] | None = None
    """Ours towards push services, instead of the one that is made once and kept in the home."""
    loopback: bool = False
    """For tests only: a browser may name a push service on this machine."""


class WebhookSettings(BaseModel):
    secret: Annotated[SecretStr, AfterValidator(_usable)] | None = None
    """One secret, or two separated by a comma while it is rotated: both sign."""

    def keys(self) -> tuple[bytes, ...]:
        return () if self.secret is None else _signing_keys(self.secret)


class EmailSettings(BaseModel):
    """Mail leaves with `smtp_host` and `from_address`; answers and bounces come in with `lmtp_port` or `imap_host`."""

    from_address: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,22}@[A-Za-z0-9.-]{1,190}$")] | None = None
    """Short, because what stands before the @ gets a token added after a plus sign."""
    smtp_host: str | None = None
    smtp_port: Port = 587
    smtp_security: Security = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    lmtp_host: str = "127.0.0.1"
    lmtp_port: Port | None = None
    imap_host: str | None = None
    imap_port: Port = 993
    imap_security: Security = "tls"
    imap_user: str = ""
    imap_password: SecretStr = SecretStr("")
    imap_folder: str = "INBOX"
    trusted_results: str | None = None
    """Whose Authentication-Results count: the name of a mail server of ours that checks DMARC."""

    def account(self) -> EmailAccount | None:
        """None without an address and a server: there is no mail then."""
        if self.from_address is None or self.smtp_host is None:
            return None
        return EmailAccount(
            from_address=self.from_address,
            smtp_host=self.smtp_host,
            smtp_port=self.smtp_port,
            smtp_security=self.smtp_security,
            smtp_user=self.smtp_user,
            smtp_password=_reveal(self.smtp_password),
            lmtp_host=self.lmtp_host,
            lmtp_port=self.lmtp_port,
            imap_host=self.imap_host,
            imap_port=self.imap_port,
            imap_security=self.imap_security,
            imap_user=self.imap_user,
            imap_password=self.imap_password.get_secret_value(),
            imap_folder=self.imap_folder,
            trusted_results=self.trusted_results,
        )


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TOCSIN_", env_nested_delimiter="__", extra="ignore")

    home: Path = Path(".tocsin")
    plan: Path | None = None
    host: str = "127.0.0.1"
    port: Port = 8420
    prefect_port: Port = 8421
    public_url: Url | None = None
    database_url: str | None = None
    api_token: SecretStr | None = None
    secret_key: SecretStr | None = None
    live_runs: Annotated[int, Field(ge=1, le=10_000)] = 200
    heartbeat_url: Annotated[Url | None, Field(repr=False)] = None
    """Whoever has it can say in our name that all is well."""
    fault: str | None = None
    """For tests only: see engine/faults.py."""
    twilio: TwilioSettings = TwilioSettings()
    twilio_accounts: dict[str, TwilioSettings] = {}
    """Further accounts by name: TOCSIN_TWILIO_ACCOUNTS__BACKUP__ACCOUNT_SID is that of the provider `backup`."""
    slack: SlackSettings = SlackSettings()
    push: PushSettings = PushSettings()
    webhook: WebhookSettings = WebhookSettings()
    email: EmailSettings = EmailSettings()
    apprise: dict[str, SecretStr] = {}
    """Apprise's own URLs by name: TOCSIN_APPRISE__TEAM_TELEGRAM is the address `team-telegram` in contacts.yaml."""

    def channels(self) -> ChannelSettings:
        tokens = self.twilio.tokens()
        return ChannelSettings(
            public_url=self.public_url,
            twilio_account_sid=self.twilio.account_sid,
            twilio_auth_tokens=tokens,
            twilio_from=self.twilio.from_number,
            twilio_base_url=self.twilio.base_url,
            other_twilios=tuple(
                account for name, each in self.twilio_accounts.items() if (account := each.named(name)) is not None
            ),
            slack_bot_token=_reveal(self.slack.bot_token),
            slack_app_token=_reveal(self.slack.app_token),
            slack_signing_secret=_reveal(self.slack.signing_secret),
            slack_base_url=self.slack.base_url,
            push_subject=self.push.subject or _if_https(self.public_url),
            push_key=_reveal(self.push.private_key),
            push_loopback=self.push.loopback,
            email=self.email.account(),
            webhook_keys=self.webhook.keys(),
            apprise_urls={name.lower(): url.get_secret_value() for name, url in self.apprise.items()},
        )


def _if_https(url: str | None) -> str | None:
    return url if url is not None and url.startswith("https://") else None


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def load_settings(**overrides: object) -> Settings:
    """The settings of this process. `overrides` are the command line's flags; None means "not given"."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        problems = [
            f"TOCSIN_{'__'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsInvalid("\n".join(problems)) from error
    except SettingsError as error:
        # Not chained, and not in its words: behind it stands the value.
        named = _FIELD.search(str(error))
        variable = f"TOCSIN_{named[1].upper()}" if named else "A TOCSIN_* variable"
        raise SettingsInvalid(
            f"{variable} has parts of its own: set {variable}__NAME=... for each, not {variable} itself."
        ) from None


_FIELD = re.compile(r'field "(\w+)"')
