"""Every setting, from the environment (`TOCSIN_*`). A wrong value names its variable and ends the start."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from incidents.errors import TocsinError
from notifications.channels import ChannelSettings


class SettingsInvalid(TocsinError):
    """A `TOCSIN_*` variable cannot be used; the message names it."""


def _no_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


Url = Annotated[str, BeforeValidator(_no_slash), Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class TwilioSettings(BaseModel):
    account_sid: str | None = None
    auth_token: SecretStr | None = None
    """One token, or two separated by a comma while it is rotated: the first signs, both are accepted."""
    from_number: str | None = None
    base_url: Url | None = None


class SlackSettings(BaseModel):
    bot_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    base_url: Url | None = None


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
    heartbeat_url: Url | None = None
    fault: str | None = None
    """For tests only: see engine/faults.py."""
    twilio: TwilioSettings = TwilioSettings()
    slack: SlackSettings = SlackSettings()

    def channels(self) -> ChannelSettings:
        token = self.twilio.auth_token
        tokens = () if token is None else tuple(each for each in token.get_secret_value().split(",") if each)
        return ChannelSettings(
            public_url=self.public_url,
            twilio_account_sid=self.twilio.account_sid,
            twilio_auth_tokens=tokens,
            twilio_from=self.twilio.from_number,
            twilio_base_url=self.twilio.base_url,
            slack_bot_token=_reveal(self.slack.bot_token),
            slack_signing_secret=_reveal(self.slack.signing_secret),
            slack_base_url=self.slack.base_url,
        )


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
