"""Zendesk's ticket events, constructed from the fields that its reference names, and our trigger's bodies."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from incidents.errors import SignalRefused
from listening.zendesk import read, signed
from signals.listening import Zendesk

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SPEC = Zendesk(name="care", kind="zendesk", key="0123456789abcdef")
ACTION = {"meta": {"sequence": {"id": "01HFZ", "position": 1}}}


def event(kind: str, more: dict[str, Any], **detail: Any) -> bytes:
    return json.dumps(
        {
            "account_id": 22129848,
            "id": "cbe4028c-7239-495d-b020-f22348516046",
            "time": "2026-11-20T11:59:30.045Z",
            "type": f"zen:event-type:ticket.{kind}",
            "zendesk_event_version": "2022-11-06",
            "subject": "zen:ticket:5158",
            "detail": {
                "id": "5158",
                "actor_id": "8447388090494",
                "requester_id": "8447388090494",
                "submitter_id": "8447388090494",
                "created_at": "2026-11-20T11:59:00Z",
                "updated_at": "2026-11-20T11:59:30Z",
                "subject": "Order 1137",
                "description": "It arrived broken.",
                "is_public": True,
                "status": "OPEN",
                "via": {"channel": "web_service"},
                **detail,
            },
            "event": more,
        }
    ).encode()


def comment(staff: bool | None = False, public: bool = True, author: str = "8447388090494") -> dict[str, Any]:
    who = {"id": author, "name": "Ana"} | ({} if staff is None else {"is_staff": staff})
    return {"comment": {"id": "8447", "body": "Any news?", "is_public": public, "author": who}}


def test_a_new_ticket_is_what_its_requester_says():
    (found,) = read(event("created", ACTION), SPEC, NOW)
    assert (found.id, found.thread, found.author, found.title) == ("5158:01HFZ", "5158", "8447388090494", "Order 1137")
    assert (found.text, found.at) == ("It arrived broken.", datetime(2026, 11, 20, 11, 59, tzinfo=UTC))
    assert found.private
    assert found.to_us


def test_the_comment_that_comes_with_a_new_ticket_is_the_same_mention():
    (created,) = read(event("created", ACTION), SPEC, NOW)
    (commented,) = read(event("comment_added", {**ACTION, **comment()}), SPEC, NOW)
    assert (created.source, created.id) == (commented.source, commented.id)


def test_a_comment_of_the_staff_is_by_us_and_a_customers_is_not():
    (theirs,) = read(event("comment_added", comment()), SPEC, NOW)
    (ours,) = read(event("comment_added", comment(staff=True, author="1")), SPEC, NOW)
    assert (theirs.by_us, ours.by_us) == (False, True)
    assert theirs.thread == ours.thread == "5158"
    assert theirs.id == "5158:comment-8447"


def test_without_is_staff_whoever_is_not_the_requester_is_one_of_us():
    (ours,) = read(event("comment_added", comment(staff=None, author="1")), SPEC, NOW)
    (theirs,) = read(event("comment_added", comment(staff=None)), SPEC, NOW)
    assert (ours.by_us, theirs.by_us) == (True, False)


def test_internal_notes_and_other_events_are_nothing():
    assert read(event("comment_added", comment(staff=True, public=False)), SPEC, NOW) == ()
    assert read(event("created", ACTION, is_public=False), SPEC, NOW) == ()
    assert read(event("status_changed", {"current": "OPEN", "previous": "NEW"}), SPEC, NOW) == ()


def trigger(**changes: Any) -> dict[str, Any]:
    fields = {
        "ticket": "5158",
        "title": "Order 1137",
        "text": 'It says "sent",\nbut nothing came.',
        "author": "8447388090494",
        "author_name": "Ana",
        "by": "customer",
        "at": "2026-11-20T11:59Z",
        "link": "https://northwind.zendesk.com/agent/tickets/5158",
    }
    return fields | changes


@pytest.mark.parametrize("written", [urlencode(trigger()).encode(), json.dumps(trigger()).encode()])
def test_our_trigger_may_send_a_form_or_json(written):
    (found,) = read(written, SPEC, NOW)
    assert found.text == 'It says "sent",\nbut nothing came.'
    assert (found.thread, found.author, found.author_name, found.by_us) == ("5158", "8447388090494", "Ana", False)
    assert found.link == "https://northwind.zendesk.com/agent/tickets/5158"
    assert found.at == datetime(2026, 11, 20, 11, 59, tzinfo=UTC)


def test_the_same_delivery_twice_is_the_same_mention_and_another_comment_is_another():
    first, again = read(urlencode(trigger()).encode(), SPEC, NOW), read(urlencode(trigger()).encode(), SPEC, NOW)
    (other,) = read(urlencode(trigger(text="And now?")).encode(), SPEC, NOW)
    assert first == again
    assert other.id != first[0].id


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "type: neither"),
        (b"{", "body: line 1, column"),
        (b"[1]", "body: it is no JSON object"),
        (b"a=1&" * 100, "body: it is neither JSON nor a form"),
        (b"ticket=\xff", "body: it is neither JSON nor a form"),
        (urlencode(trigger(by="me")).encode(), "by: customer or us"),
        (json.dumps(trigger(ticket=None, text=3)).encode(), "ticket: its number is required; text: Field required"),
        (event("comment_added", {}), "event.comment: Field required"),
        (json.dumps({"type": "zen:event-type:ticket.created"}).encode(), "detail.id: Field required"),
    ],
)
def test_what_zendesk_never_sends_is_refused_with_its_place(body, place):
    with pytest.raises(SignalRefused, match=place):
        read(body, SPEC, NOW)


def test_its_signature_is_that_of_time_and_body():
    body, at = event("created", ACTION), "2026-11-20T11:59:31Z"
    right = base64.b64encode(hmac.new(b"a-secret", at.encode() + body, hashlib.sha256).digest()).decode()
    assert signed("a-secret", at, body, right)
    assert not signed("a-secret", "2026-11-20T11:59:32Z", body, right)
    assert not signed("another", at, body, right)
    assert not signed("a-secret", at, b"", right)
    assert not signed("a-secret", at, body, "ñ")
