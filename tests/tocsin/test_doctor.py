"""What the doctor says about channels, providers and mail servers, and what an engine says loudly at its start."""

import pytest

from contacts.addresses import ChannelKind
from notifications.channels import ChannelSettings
from tests.support.counterparties import free_port
from tests.support.mail_servers import OURS_BY_IMAP, PASSWORD, MailServers, mail_servers
from tests.support.plans import everybody
from tests.support.real_engine import Person, PlanFiles, rung
from tocsin.doctor import Verdict, examine
from tocsin.settings import load_settings
from tocsin.web.server import deaf_lines, missing_lines

__all__ = ["mail_servers"]

TWILIO = {"ACCOUNT_SID": "AC0", "AUTH_TOKEN": "t", "FROM_NUMBER": "+12025550100"}
PUBLIC = {"PUBLIC_URL": "https://tocsin.example"}
SECRET = "sixteen or more of them"


def twilio(prefix="TWILIO"):
    return {f"{prefix}__{name}": value for name, value in TWILIO.items()}


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """Examines these contacts' channels with these variables; gives `verdict: sentence` lines of one check."""

    def ask(check, people=None, contacts=None, **variables):
        named = {"ana": {"console": "ana"}} if people is None else people
        everybody = [Person(each, channels, may_pay=(500, 50_000)) for each, channels in named.items()]
        plan = PlanFiles(everybody, [rung(everybody[0].id)], list(named), more_contacts=contacts or {})
        for name, value in variables.items():
            monkeypatch.setenv(f"TOCSIN_{name}", str(value))
        settings = load_settings(plan=plan.write(tmp_path / "plan"), home=tmp_path / "home")
        found = examine(settings)
        assert not [each for each in found if each.check == "plan" and each.verdict is Verdict.FAIL], found
        return [f"{each.verdict}: {each.sentence}" for each in found if each.check == check]

    return ask


# --- a channel that somebody uses is there ---


@pytest.mark.parametrize(
    ("check", "kind", "address", "variable"),
    [
        ("twilio", "sms", "+12025550101", "TOCSIN_TWILIO__ACCOUNT_SID"),
        ("twilio", "voice", "+12025550101", "TOCSIN_TWILIO__ACCOUNT_SID"),
        ("slack", "slack", "U0ANA", "TOCSIN_SLACK__BOT_TOKEN"),
        ("e-mail", "email", "ana@example.com", "TOCSIN_EMAIL__SMTP_HOST"),
        ("push", "push", "ana-phone", "TOCSIN_PUSH__SUBJECT"),
        ("webhook", "webhook", "https://hooks.example/x", "TOCSIN_WEBHOOK__SECRET"),
    ],
)
def test_a_channel_that_is_used_and_not_configured_is_warned_of_with_names(doctor, check, kind, address, variable):
    [line] = doctor(check, {"ana": {kind: address, "console": "ana"}, "bob": {"console": "bob"}})

    assert line.startswith("warn: Not configured (")
    assert variable in line
    assert line.endswith("to be paged by it: ana.")


def test_a_channel_that_nobody_uses_needs_nothing(doctor):
    assert doctor("webhook") == ["ok: Not configured, and nobody in contacts.yaml needs it."]


def test_without_a_plan_nobody_is_said_to_need_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_APPRISE__TEAM", "json://127.0.0.1:1/")
    monkeypatch.setenv("TOCSIN_PUSH__SUBJECT", "mailto:ana@example.com")
    monkeypatch.setenv("TOCSIN_PUBLIC_URL", "https://tocsin.example")

    found = {each.check: each for each in examine(load_settings(plan=None, home=tmp_path / "home"))}

    assert found["plan"].sentence == "Which plan is not said: --plan DIR or TOCSIN_PLAN."
    for check in ("twilio", "slack", "e-mail", "webhook", "push", "apprise"):
        assert found[check].verdict is Verdict.WARN, found[check]
        assert "was not looked at" in found[check].sentence


def test_whoever_has_no_channel_that_works_is_a_failure(doctor):
    people = {"ana": {"console": "ana"}, "bob": {"sms": "+12025550101", "slack": "U0BOB"}}

    assert doctor("contacts", people) == [
        "fail: NOBODY CAN REACH THEM, none of their channels is configured: bob.",
    ]
    assert doctor("contacts", people, SLACK__BOT_TOKEN="xoxb-1") == []


# --- Twilio and its further accounts ---


def test_each_twilio_account_is_examined(doctor):
    half = {"TWILIO_ACCOUNTS__EU_2__ACCOUNT_SID": "AC1"}
    variables = {**twilio(), **twilio("TWILIO_ACCOUNTS__BACKUP"), **half, **PUBLIC}

    assert doctor("twilio", **variables)[0].startswith("ok: Configured.")
    assert doctor("twilio backup")[0].startswith("ok: Configured.")
    [line] = doctor("twilio eu-2")
    assert line == (
        "fail: Half configured: TOCSIN_TWILIO_ACCOUNTS__EU_2__AUTH_TOKEN, TOCSIN_TWILIO_ACCOUNTS__EU_2__FROM_NUMBER "
        "missing."
    )


def test_a_provider_of_contacts_yaml_without_an_account_names_its_variables(doctor):
    contacts = {"providers": {"sms": ["twilio", "backup"], "voice": ["backup"]}}
    people = {"ana": {"sms": "+12025550101", "console": "ana"}}

    lines = doctor("providers", people, contacts, **twilio(), **PUBLIC)
    assert len(lines) == 2
    assert all("TOCSIN_TWILIO_ACCOUNTS__BACKUP__ACCOUNT_SID" in each and each.startswith("fail") for each in lines)
    assert doctor("providers", people, contacts, **twilio("TWILIO_ACCOUNTS__BACKUP")) == [
        "ok: sms through backup: set up.",
        "ok: voice through backup: set up.",
    ]


def test_a_provider_that_there_is_not_is_a_failure(doctor):
    [line] = doctor("providers", contacts={"providers": {"slack": ["discord"]}})

    assert line == "fail: slack through discord: Tocsin has only slack for slack."


# --- Slack ---


def test_slack_hears_by_socket_mode_without_a_public_address(doctor):
    assert doctor("slack", SLACK__BOT_TOKEN="xoxb-1", SLACK__APP_TOKEN="xapp-1")[0].endswith("by Socket Mode.")


def test_slack_that_cannot_hear_is_a_failure_with_both_ways_out(doctor):
    [line] = doctor("slack", SLACK__BOT_TOKEN="xoxb-1")

    assert line == (
        "fail: ANSWERS CANNOT ARRIVE: set TOCSIN_SLACK__SIGNING_SECRET and TOCSIN_PUBLIC_URL, or "
        "TOCSIN_SLACK__APP_TOKEN for Socket Mode."
    )
    assert doctor("slack", SLACK__SIGNING_SECRET="s", **PUBLIC)[0].startswith("ok")


def test_slack_without_its_bot_token_is_half_configured(doctor):
    assert doctor("slack", SLACK__APP_TOKEN="xapp-1") == ["fail: Half configured: TOCSIN_SLACK__BOT_TOKEN missing."]


# --- mail ---


def mail(**more):
    return {"EMAIL__FROM_ADDRESS": "pages@example.com", "EMAIL__SMTP_HOST": "127.0.0.1", **more}


def test_a_mail_server_that_is_not_there_is_a_failure_and_mail_without_replies_is_one_way(doctor):
    port = free_port()
    refused, one_way = doctor("e-mail", **mail(EMAIL__SMTP_PORT=port))

    assert refused.startswith(f"fail: 127.0.0.1:{port} cannot be used: ")
    assert one_way.startswith("warn: One-way")
    assert "TOCSIN_EMAIL__LMTP_PORT" in one_way


def test_replies_by_lmtp_are_said(doctor):
    lines = doctor("e-mail", **mail(EMAIL__SMTP_PORT=free_port(), EMAIL__LMTP_PORT=2424))

    assert "ok: Replies and bounces are expected by LMTP on 127.0.0.1:2424." in lines


def of_servers(servers: MailServers, password=PASSWORD):
    smtp = {"SMTP_PORT": servers.smtp, "SMTP_SECURITY": "none", "SMTP_USER": "pages", "SMTP_PASSWORD": password}
    imap = {
        "IMAP_HOST": "127.0.0.1",
        "IMAP_PORT": servers.imap,
        "IMAP_SECURITY": "none",
        "IMAP_USER": "pages",
        "IMAP_PASSWORD": password,
    }
    return mail(**{f"EMAIL__{name}": value for name, value in (smtp | imap).items()}, EMAIL__FROM_ADDRESS=OURS_BY_IMAP)


@pytest.mark.slow
@pytest.mark.counterparty("mail")
def test_real_mail_servers_take_our_login_or_say_why_not(doctor, mail_servers):
    right = doctor("e-mail", **of_servers(mail_servers))
    wrong = doctor("e-mail", **of_servers(mail_servers, "guessed"))
    no_folder = doctor("e-mail", **of_servers(mail_servers), EMAIL__IMAP_FOLDER="Nowhere")

    assert right == [
        f"ok: 127.0.0.1:{mail_servers.smtp} answers and takes our login.",
        f"ok: Replies and bounces are read from INBOX on 127.0.0.1:{mail_servers.imap}.",
    ]
    assert [each.split(":")[0] for each in wrong] == ["fail", "fail"]
    assert "authentication failed" in wrong[0].lower()
    assert no_folder[1].endswith("cannot be read: there is no folder Nowhere")


# --- push, webhook, Apprise ---


def test_a_push_and_a_webhook_without_a_public_address_are_one_way(doctor):
    people = {"ana": {"push": "ana-phone", "webhook": "https://hooks.example/x", "console": "ana"}}
    variables = {"PUSH__SUBJECT": "mailto:ops@example.com", "WEBHOOK__SECRET": SECRET}

    assert "TOCSIN_PUBLIC_URL is not set" in doctor("push", people, **variables)[0]
    assert "TOCSIN_PUBLIC_URL is not set" in doctor("webhook", people)[0]
    assert doctor("push", people, **PUBLIC)[0].endswith("https://tocsin.example/push: ana.")
    assert doctor("webhook", people)[0].startswith("ok")


def test_each_name_of_apprise_has_its_variable(doctor):
    people = {"ana": {"apprise": "team-telegram", "console": "ana"}, "bob": {"apprise": "ops", "console": "bob"}}
    lines = doctor("apprise", people, APPRISE__OPS="json://127.0.0.1/x", APPRISE__OLD="json://127.0.0.1/y")

    assert lines == [
        "fail: TOCSIN_APPRISE__TEAM_TELEGRAM is not set; these need it: ana.",
        "warn: Nobody in contacts.yaml uses old.",
        "ok: Configured, one-way: ops.",
    ]


# --- what an engine says at its start ---


def deaf(*kinds, public_url=None, **settings):
    return deaf_lines(dict.fromkeys(kinds, False), ChannelSettings(**settings), public_url)


def test_channels_that_need_the_public_address_are_named_together():
    [line] = deaf(ChannelKind.SMS, ChannelKind.VOICE, ChannelKind.WEBHOOK)

    assert line.startswith("TOCSIN_PUBLIC_URL is not set: answers cannot arrive by sms, voice, webhook;")


@pytest.mark.parametrize("public_url", [None, "https://tocsin.example"])
def test_one_way_mail_names_what_brings_replies_in_and_not_the_public_address(public_url):
    [line] = deaf(ChannelKind.EMAIL, public_url=public_url)

    assert line.startswith("TOCSIN_EMAIL__LMTP_PORT or TOCSIN_EMAIL__IMAP_HOST is not set: answers cannot arrive by ")
    assert "PUBLIC_URL" not in line


def test_slack_with_a_public_address_wants_one_of_its_secrets():
    [line] = deaf(ChannelKind.SLACK, public_url="https://tocsin.example")

    assert line.startswith("TOCSIN_SLACK__SIGNING_SECRET or TOCSIN_SLACK__APP_TOKEN is not set")


def test_what_hears_or_never_could_is_not_warned_of():
    assert deaf(ChannelKind.APPRISE) == []
    assert deaf_lines({ChannelKind.SMS: True}, ChannelSettings(), None) == []


def test_what_people_are_reached_by_and_nothing_carries_is_said_at_the_start():
    kinds = {ChannelKind(channel.kind) for each in everybody().contacts for channel in each.channels}

    assert missing_lines(everybody(), kinds) == []
    *each, nobody = missing_lines(everybody(), set())
    assert [line.split("no ")[1].split(" is")[0] for line in each] == sorted(kinds)
    assert nobody.startswith("NOBODY CAN BE REACHED")


@pytest.mark.parametrize("name", ["token", "secret", "push-key", "tocsin.db", "tocsin.db-wal"])
def test_what_others_could_read_in_the_home_is_named(doctor, tmp_path, name):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / name).touch(mode=0o600)
    (home / name).chmod(0o644)

    assert f"fail: {home / name} can be read by everybody: chmod 600 {home / name}" in doctor("home")
    (home / name).chmod(0o600)
    assert not [line for line in doctor("home") if line.startswith("fail")]
