"""Chatwoot's webhooks, as `Message#webhook_data` of its source builds them."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.errors import SignalRefused
from listening.chatwoot import read, signed
from signals.listening import Chatwoot

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SPEC = Chatwoot(name="care", kind="chatwoot", key="0123456789abcdef", url="https://chat.example.com/")


def message(**changes: Any) -> bytes:
    return json.dumps(
        {
            "event": "message_created",
            "id": 77287,
            "content": "My parcel never came.",
            "created_at": "2026-11-20T11:58:00.262Z",
            "message_type": "incoming",
            "content_type": "text",
            "content_attributes": {"in_reply_to": None},
            "private": False,
            "source_id": None,
            "sender": {"id": 52870, "name": "Ana", "email": "ana@people.example"},
            "contact": {"id": 52870, "name": "Ana"},
            "inbox": {"id": 58, "name": "Website"},
            "conversation": {"id": 13098, "channel": "Channel::WebWidget", "status": "open"},
            "account": {"id": 3, "name": "Northwind"},
            **changes,
        }
    ).encode()


def test_what_a_contact_writes_is_a_private_mention_in_the_thread_of_its_conversation():
    (found,) = read(message(), SPEC, NOW)
    assert (found.source, found.id, found.thread, found.author, found.author_name) == (
        "care",
        "77287",
        "3.13098",
        "52870",
        "Ana",
    )
    assert found.at == datetime(2026, 11, 20, 11, 58, 0, 262000, UTC)
    assert found.private
    assert found.to_us
    assert found.link == "https://chat.example.com/app/accounts/3/conversations/13098"


def test_an_agents_answer_is_by_us_in_the_same_thread():
    (question,) = read(message(), SPEC, NOW)
    (answer,) = read(
        message(id=77288, message_type="outgoing", sender={"id": 7, "name": "Bea", "type": "user"}), SPEC, NOW
    )
    assert answer.by_us
    assert not answer.to_us
    assert (answer.thread, answer.author) == (question.thread, "agent:7")


@pytest.mark.parametrize(
    "changes",
    [
        {"message_type": "outgoing", "private": True},
        {"message_type": "incoming", "private": True},
        {"message_type": "template"},
        {"message_type": "activity"},
        {"message_type": 3},
        {"message_type": "outgoing", "sender": {"id": 1, "name": "Robot", "type": "agent_bot"}},
        {"message_type": "outgoing", "content_attributes": {"automation_rule_id": 4}},
        {"message_type": "outgoing", "additional_attributes": {"campaign_id": 9}},
        {"event": "message_updated"},
        {"event": "conversation_status_changed"},
    ],
)
def test_a_note_an_activity_and_what_a_machine_sends_are_nothing(changes):
    assert read(message(**changes), SPEC, NOW) == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-20 11:58:00 UTC", datetime(2026, 11, 20, 11, 58, tzinfo=UTC)),
        (1795175880, datetime(2026, 11, 20, 11, 58, tzinfo=UTC)),
        ("2026-11-20T13:58:00+02:00", datetime(2026, 11, 20, 11, 58, tzinfo=UTC)),
        ("yesterday", NOW),
        (None, NOW),
        (1e300, NOW),
        (True, NOW),
    ],
)
def test_a_time_is_read_as_every_version_writes_it_and_else_it_is_now(written, meant):
    (found,) = read(message(created_at=written), SPEC, NOW)
    assert found.at == meant


def test_numbers_of_older_versions_mean_the_same():
    (found,) = read(message(message_type=0, conversation={"display_id": "12"}, account=None), SPEC, NOW)
    assert (found.thread, found.by_us) == ("12", False)


def test_the_same_delivery_twice_is_the_same_mention():
    assert read(message(), SPEC, NOW) == read(message(), SPEC, NOW)


def test_a_picture_without_words_is_still_heard():
    (found,) = read(message(content=None), SPEC, NOW)
    assert found.text == ""


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body: line 1, column 1"),
        (b"[]", "body: it is no JSON object"),
        (b"{}", "event: a name is required"),
        (b'{"event": 5}', "event: a name is required"),
        (b"\xff\xfe", "body: line 1, column 1"),
        (b"[" * 100_000, "body: line"),
        (message(id=None), "id: Field required"),
        (message(conversation=[]), "conversation.id: Field required"),
        (message(id={"a": 1}), "id: Field required"),
    ],
)
def test_what_is_no_event_of_chatwoots_is_refused_with_its_place(body, place):
    with pytest.raises(SignalRefused, match=place):
        read(body, SPEC, NOW)


def test_its_signature_is_that_of_time_and_body():
    body = message()
    right = "sha256=" + hmac.new(b"a-secret", b"1795175880." + body, hashlib.sha256).hexdigest()
    assert signed("a-secret", "1795175880", body, right)
    assert not signed("a-secret", "1795175881", body, right)
    assert not signed("another", "1795175880", body, right)
    assert not signed("a-secret", "1795175880", body + b" ", right)
    assert not signed("a-secret", "", body, "ñ")
