"""How an address stands on a day, what is shown of it, and who is away; who is left out of a decision and why."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contacts.addresses import ConsoleChannel, SmsChannel, WebhookChannel
from contacts.authority import grant_for, left_out, who_can
from contacts.directory import Absence, Area, Authority, Contact, Directory, Live
from contacts.standing import Standing, absence_at, address_of, addresses, ends_of, shown
from tests.support.plans import eur, someone

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NUMBER = "+12025550101"


def person(contact_id="ana", **more):
    channel = ConsoleChannel(kind="console", to=contact_id)
    return Contact(id=contact_id, name=contact_id.capitalize(), **{"channels": (channel,), **more})


def standing(channel, live=None):
    contact = person(channels=(channel,))
    found = address_of(Directory(contacts=(contact,)).with_live(live or Live()), contact, channel, TODAY)
    return found.standing, found.wants_proof(TODAY)


@pytest.mark.parametrize(
    ("verified", "expires", "expected", "wanted"),
    [
        (None, None, Standing.UNPROVEN, True),
        ("2026-11-23", None, Standing.PROVEN, False),
        ("2026-11-02", None, Standing.PROVEN, False),
        ("2026-11-01", None, Standing.PROVEN, True),
        ("2026-10-26", None, Standing.PROVEN, True),
        ("2026-10-25", None, Standing.EXPIRED, True),
        ("2026-10-01", "2027-01-01", Standing.PROVEN, False),
        ("2026-11-23", "2026-11-24", Standing.EXPIRED, True),
    ],
)
def test_a_proof_is_good_for_thirty_days_or_as_the_file_says_and_is_wanted_again_a_week_before(
    verified, expires, expected, wanted
):
    days = {name: date.fromisoformat(day) for name, day in (("verified", verified), ("expires", expires)) if day}

    assert standing(SmsChannel.model_validate({"kind": "sms", "to": NUMBER, **days})) == (expected, wanted)


def test_a_later_answer_counts_more_than_the_file_and_stop_more_than_both():
    old = SmsChannel(kind="sms", to=NUMBER, verified=date(2026, 1, 1), expires=date(2026, 2, 1))
    answered = Live(proofs={("sms", NUMBER): NOW})

    assert standing(old, answered) == (Standing.PROVEN, False)
    assert standing(old, Live(proofs=answered.proofs, out=frozenset({NUMBER}))) == (Standing.OUT, False)


def test_the_console_needs_no_proof():
    assert standing(ConsoleChannel(kind="console", to="ana")) == (Standing.NEEDS_NONE, False)


def test_everybodys_addresses_stand_in_the_order_of_the_file():
    found = addresses(Directory(contacts=(someone("bob"), someone("ana", "slack"))), TODAY)

    assert [(each.contact.id, each.kind.value, each.network) for each in found] == [
        ("bob", "sms", "phone"),
        ("bob", "voice", "phone"),
        ("ana", "slack", "internet"),
    ]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://hooks.example/T0/B0/secret", "https://hooks.example/..."),
        ("https://hooks.example?key=secret", "https://hooks.example/..."),
        ("http://hooks.example:8080/", "http://hooks.example:8080"),
    ],
)
def test_of_a_webhook_only_the_host_is_shown(url, seen):
    assert shown(WebhookChannel.model_construct(kind="webhook", to=url)) == seen


def test_an_absence_is_counted_in_days_of_the_persons_own_zone():
    away = person(time_zone="Asia/Tokyo", absences=(Absence(starts="2026-11-25", ends="2026-11-25"),))
    first = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)

    assert absence_at(away, first - timedelta(seconds=1)) is None
    assert absence_at(away, first) == away.absences[0]
    assert absence_at(away, first + timedelta(days=1)) is None
    assert ends_of(away, away.absences[0]) == first + timedelta(days=1)


# --- who is left out of a decision ---


def grant(amount="100", **more):
    return Authority(may="compensation", per_customer=eur(amount), granted_by="the board", **more)


def test_whoever_has_a_grant_and_cannot_decide_is_named_with_the_reason():
    people = Directory(
        contacts=(
            person("able", authority=(grant("900"), grant("500"))),
            person("small", authority=(grant("50"),)),
            person("ended", authority=(grant(until=NOW - timedelta(hours=1)),)),
            person("elsewhere", authority=(grant(areas=("shops",)),)),
            person("away", authority=(grant(),), absences=(Absence(starts="2026-11-20", ends="2026-11-30"),)),
            person("stopped", authority=(grant(),), channels=(SmsChannel(kind="sms", to=NUMBER),)),
            person("involved", authority=(grant(),), conflicts=("tech",)),
            person("other", authority=(Authority(may="recall", granted_by="the board"),)),
        ),
        areas=(
            Area(id="tech", title="Technology", responsible="able"),
            Area(id="shops", title="S", responsible="able"),
        ),
    ).with_live(Live(out=frozenset({NUMBER})))

    able = who_can(people, "compensation", eur("80"), "tech", NOW)
    found = {each.contact.id: each.because for each in left_out(people, "compensation", eur("80"), "tech", NOW)}

    assert [each.id for each in able] == ["able"]
    assert found == {
        "small": "the grant is too small: 50 EUR a customer, no limit in total, granted by the board",
        "ended": "the grant ended on 2026-11-24 08:00 UTC",
        "elsewhere": "the grant is only for shops",
        "away": "away is absent",
        "stopped": f"every address of stopped is out: {NUMBER}",
        "involved": "involved has a conflict of interest (tech)",
    }
    smallest = grant_for(able[0], "compensation", eur("80"), "tech", NOW)
    assert smallest is not None
    assert smallest.per_customer == eur("500")


def test_a_grant_in_another_currency_is_named_as_such():
    people = Directory(contacts=(person(authority=(grant("900"),)),))
    dollars = eur("1").model_copy(update={"currency": "USD"})

    assert left_out(people, "compensation", dollars, None, NOW)[0].because == "the grant is in EUR, not in USD"
