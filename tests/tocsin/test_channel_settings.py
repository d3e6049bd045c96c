"""The variables of browser push, webhooks and Apprise, as a person sets them."""

import base64
import traceback

import pytest

from tocsin.settings import SettingsInvalid, load_settings
from tocsin.web.server import config_from

SECRET = base64.b64encode(b"twenty-four bytes of it!").decode()


@pytest.fixture
def variables(monkeypatch):
    def set_them(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"TOCSIN_{name}", value)
        return load_settings().channels()

    return set_them


def test_nothing_is_there_until_it_is_asked_for(variables):
    settings = variables()

    assert not settings.has_push
    assert settings.push_subject is None
    assert settings.webhook_keys == ()
    assert settings.apprise_urls == {}


def test_a_name_of_apprise_is_its_variable_in_lower_case(variables):
    settings = variables(APPRISE__TEAM_TELEGRAM="json://127.0.0.1/x", APPRISE__OPS="json://127.0.0.1/y")

    assert settings.apprise_urls == {"team_telegram": "json://127.0.0.1/x", "ops": "json://127.0.0.1/y"}


def test_a_webhook_secret_is_base64_or_plain_and_may_be_two(variables):
    settings = variables(WEBHOOK__SECRET=f"whsec_{SECRET}, sixteen or more of them")

    assert settings.webhook_keys == (b"twenty-four bytes of it!", b"sixteen or more of them")


@pytest.mark.parametrize(
    ("public", "subject", "expected"),
    [
        ("https://tocsin.example", None, "https://tocsin.example"),
        ("http://127.0.0.1:8420", None, None),
        ("http://127.0.0.1:8420", "mailto:ops@tocsin.example", "mailto:ops@tocsin.example"),
    ],
)
def test_push_needs_somebody_to_write_to(variables, public, subject, expected):
    given = {"PUBLIC_URL": public} | ({} if subject is None else {"PUSH__SUBJECT": subject})

    assert variables(**given).push_subject == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEBHOOK__SECRET", "short"),
        ("WEBHOOK__SECRET", "whsec_?"),
        ("PUSH__PRIVATE_KEY", "not a key"),
        ("PUSH__SUBJECT", "ops@tocsin.example"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable_and_not_itself(variables, variable, value):
    with pytest.raises(SettingsInvalid, match=f"TOCSIN_{variable}") as refused:
        variables(**{variable: value})
    assert "SECRET" not in variable or value not in str(refused.value)


@pytest.mark.parametrize("variable", ["APPRISE", "TWILIO", "TWILIO_ACCOUNTS", "EMAIL", "SLACK"])
def test_a_variable_that_has_parts_and_is_set_as_a_whole_is_named_in_a_sentence(variables, variable):
    with pytest.raises(SettingsInvalid, match=f"^TOCSIN_{variable} has parts of its own") as refused:
        variables(**{variable: "tgram://" + SECRET})

    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_no_secret_is_in_what_a_trace_or_a_log_shows_of_the_settings(monkeypatch):
    named = {
        "TWILIO__AUTH_TOKEN": "SECRET-1",
        "TWILIO_ACCOUNTS__B__AUTH_TOKEN": "SECRET-2",
        "TWILIO_ACCOUNTS__B__ACCOUNT_SID": "AC",
        "TWILIO_ACCOUNTS__B__FROM_NUMBER": "+12025550100",
        "SLACK__BOT_TOKEN": "SECRET-3",
        "SLACK__APP_TOKEN": "SECRET-4",
        "SLACK__SIGNING_SECRET": "SECRET-5",
        "PUSH__PRIVATE_KEY": "SECRET" + "6" * 37,
        "WEBHOOK__SECRET": "SECRET-7-and-some-more",
        "APPRISE__X": "tgram://SECRET-8",
        "API_TOKEN": "SECRET-9",
        "SECRET_KEY": "SECRET-10",
        "HEARTBEAT_URL": "https://hc.example/SECRET-11",
        "EMAIL__FROM_ADDRESS": "a@b.example",
        "EMAIL__SMTP_HOST": "h",
        "EMAIL__SMTP_PASSWORD": "SECRET-12",
        "PLAN": "/x",
    }
    for name, value in named.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    settings = load_settings()
    config = config_from(settings)

    assert config.channels.apprise_urls == {"x": "tgram://SECRET-8"}
    for shown in (settings, config, config.channels, config.channels.twilios):
        assert "SECRET" not in repr(shown)
