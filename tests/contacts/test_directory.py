"""Who stands behind a reference, and on which channels they may be reached."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from contacts.addresses import SmsChannel, possible_phone
from contacts.directory import Contact, Directory, Role
from tests.support.plans import someone

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def holders(responsible: str, deputy: str | None = None, second: str | None = None) -> Directory:
    role = Role(id="commander", title="Commander", responsible=responsible, deputy=deputy, second_deputy=second)
    return Directory(contacts=(someone("ana"), someone("bob")), roles=(role,))


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        (holders("ana", "bob"), "ana"),
        (holders("ghost", "bob"), "bob"),
        (holders("ghost", "other-ghost", "bob"), "bob"),
        (holders("ghost", None, "bob"), "bob"),
    ],
)
def test_a_role_is_its_responsible_or_the_first_deputy_who_exists(directory, found):
    assert directory.first("role:commander", NOW).id == found


def test_a_reference_to_nobody_is_nobody():
    assert holders("ghost").first("role:commander", NOW) is None
    assert holders("ana").first("role:captain", NOW) is None
    assert holders("ana").first("ghost", NOW) is None


def test_a_contact_is_found_by_its_id():
    assert holders("ana").first("bob", NOW) == holders("ana").contact("bob")


def test_a_drill_may_use_only_the_console_of_who_did_not_opt_in():
    both = someone("ana", "sms", "console")
    assert [each.kind for each in both.channels_for(drill=True)] == ["console"]
    assert [each.kind for each in both.channels_for(drill=False)] == ["sms", "console"]
    assert someone("ana", "sms").channels_for(drill=True) == ()
    opted_in = someone("ana", "sms", "voice", drills=True)
    assert [each.kind for each in opted_in.channels_for(drill=True)] == ["sms", "voice"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("12025550123", "not a phone number in E.164"),
        ("+1202555", "length is wrong"),
        ("+1 202 555 0123", "write"),
        ("tel 1", "has letters in it"),
        ("1", "not a phone number"),
        ("+44" + "77009001", "length is wrong"),
        ("+12025550", "length is wrong"),
        ("+15550123", "length is wrong"),
    ],
)
def test_a_number_that_cannot_be_dialled_is_refused_with_the_reason(number, words):
    with pytest.raises(ValueError, match=words):
        possible_phone(number)


def test_a_number_with_letters_is_refused_without_guessing_at_its_digits():
    with pytest.raises(ValueError, match="has letters in it") as refused:
        possible_phone("+44 7700 CALL")
    assert "2255" not in str(refused.value)


def test_a_contact_without_any_channel_is_refused():
    with pytest.raises(ValidationError, match="channels"):
        Contact(id="ana", name="Ana", channels=())


def test_a_number_of_a_test_range_is_possible():
    assert SmsChannel(kind="sms", to="+12025550123").to == "+12025550123"
