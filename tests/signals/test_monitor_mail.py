"""A monitor's subject says what is wrong and how it stands; two mails about one thing have one key."""

import pytest

from signals.monitor_mail import MailRules, MonitorMail, action_of, key_of, mail_signal
from signals.signal import Signal

WORDS = ("CRITICAL", "WARNING", "High")


def mail(subject: str, text: str = "") -> MonitorMail:
    return MonitorMail("nagios@example.com", subject, text, "mail:<1@x>", vouched=False)


def signal(subject: str, text: str = "", rules: MailRules | None = None) -> Signal:
    found = mail_signal(mail(subject, text), rules or MailRules(), WORDS)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("subject", "action"),
    [
        ("** PROBLEM Service Alert: web01/HTTP is CRITICAL **", "trigger"),
        ("** RECOVERY Service Alert: web01/HTTP is OK **", "resolve"),
        ("** ACKNOWLEDGEMENT Service Alert: web01/HTTP is CRITICAL **", "acknowledge"),
        ("[FIRING:3] ShopDown eu1", "trigger"),
        ("[RESOLVED] ShopDown eu1", "resolve"),
        ("Resolved: web01 is DOWN", "resolve"),
        ("web01 is DOWN (was OK)", "trigger"),
        ("web01 is OK (was DOWN)", "resolve"),
        ("OK: backup of db1", "resolve"),
        ("Problem: Zabbix agent is not available", "trigger"),
        ("The booking of web01 looks odd", "trigger"),
        ("", "trigger"),
    ],
)
def test_the_first_word_of_state_decides(subject: str, action: str):
    assert action_of(mail(subject), MailRules()) == action


def test_a_subject_without_a_word_of_state_leaves_it_to_the_first_lines():
    assert action_of(mail("Backup of db1", "State: RECOVERED\nat 02:00"), MailRules()) == "resolve"
    assert action_of(mail("Backup of db1", "\n" * 20 + "RECOVERED"), MailRules()) == "trigger"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("** PROBLEM Service Alert: web01/HTTP is CRITICAL **", "** RECOVERY Service Alert: web01/HTTP is OK **"),
        ("[FIRING:3] ShopDown eu1 (shop)", "[RESOLVED] ShopDown eu1 (shop)"),
        ("Problem: Disk full on db1", "Resolved: Disk full on db1"),
        ("Fwd: CRITICAL - web01", "Re: WARNING - web01"),
    ],
)
def test_two_mails_about_one_thing_have_one_key(one: str, other: str):
    assert key_of(one, MailRules(), WORDS) == key_of(other, MailRules(), WORDS) != ""


def test_two_things_have_two_keys():
    keys = {key_of(f"PROBLEM web{number:02}/HTTP is DOWN", MailRules(), WORDS) for number in range(20)}
    assert len(keys) == 20
    assert key_of("[db1] PROBLEM disk", MailRules(), WORDS) != key_of("[db2] PROBLEM disk", MailRules(), WORDS)


def test_words_can_be_the_companys_own():
    rules = MailRules(trigger=("Störung",), resolve=("Ende der Störung",), ignore=("Wartung",))

    assert action_of(mail("Störung: Kasse 4"), rules) == "trigger"
    assert action_of(mail("Ende der Störung: Kasse 4"), rules) == "resolve", "several words in a row may be one"
    assert mail_signal(mail("Wartung: Kasse 4"), rules, ()) is None


def test_the_title_is_the_subject_and_the_severity_one_of_the_plans_words():
    found = signal("PROBLEM web01 is CRITICAL")
    assert (found.summary, found.severity_word, found.source) == (
        "PROBLEM web01 is CRITICAL", "CRITICAL", "nagios@example.com"
    )  # fmt: skip
    assert signal("Disk full", "Severity: High").severity_word is None
    assert signal("", "\n Disk full \nmore").summary == "Disk full"
    assert signal("", "").dedup_key == "nagios@example.com"


@pytest.mark.parametrize(
    ("senders", "authenticated", "sender", "vouched", "allowed"),
    [
        ((), False, "anybody@example.org", False, True),
        ((), True, "anybody@example.org", False, False),
        ((), True, "anybody@example.org", True, True),
        (("nagios@example.com",), False, "NAGIOS@example.com", False, True),
        (("nagios@example.com",), False, "xnagios@example.com", False, False),
        (("@example.com",), False, "zabbix@example.com", False, True),
        (("@example.com",), False, "x@sub.example.com", False, False),
        (("@example.com",), False, "x@example.com.evil.example", False, False),
        (("@example.com",), True, "x@example.com", False, False),
    ],
)
def test_whose_mail_counts(senders: tuple[str, ...], authenticated: bool, sender: str, vouched: bool, allowed: bool):
    assert MailRules(senders=senders, authenticated=authenticated).allows(sender, vouched=vouched) is allowed


@pytest.mark.parametrize(
    "subject", ["[" * 100_000, "]" * 100_000, "OK " * 100_000, "[" * 50_000 + "]" * 50_000, "\x00[\x00]"]
)
def test_a_subject_that_is_made_to_break_us_costs_little(subject: str):
    found = signal(subject)
    assert len(found.dedup_key) <= 255
    assert 0 < len(found.summary) <= 200
