"""The doors of help desks: the key and the signature are checked, an overload is a 503, a repetition is harmless."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from engine.book import PlanBook
from incidents.errors import CommandRefused, Overloaded
from signals.listening import Listening
from signals.mention import Mention
from tests.support.plans import crisis_plan, everybody
from tocsin.web.http import Reply
from tocsin.web.listening import LIMIT, HelpDesks

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY, OTHER = "chatwoot-key-0123456789", "zendesk-key-0123456789"
LISTENING = Listening.model_validate(
    {
        "brands": [{"id": "northwind", "names": ["Northwind"]}],
        "sources": [
            {"kind": "chatwoot", "name": "chat", "key": KEY},
            {"kind": "zendesk", "name": "desk", "key": OTHER, "secret_from": "DESK_SECRET"},
            {"kind": "replay", "name": "file", "file": "a.csv"},
        ],
    }
)
CHAT = json.dumps(
    {
        "event": "message_created",
        "id": 1,
        "content": "Hello?",
        "created_at": "2026-11-20T11:59:00Z",
        "message_type": "incoming",
        "private": False,
        "contact": {"id": 5, "name": "Ana"},
        "conversation": {"id": 9},
    }
).encode()
DESK = b"ticket=7&text=Broken&by=customer"


class Kept:
    """A real keeper of mentions by source and id, that can be made to refuse."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.kept: dict[tuple[str, str], Mention] = {}
        self.refusal = refusal

    async def hear(self, source: str, mentions: Sequence[Mention], *, by: str) -> int:
        assert by == "webhook"
        if self.refusal is not None:
            raise self.refusal
        before = len(self.kept)
        self.kept |= {(source, each.id): each for each in mentions}
        return len(self.kept) - before


class Desk:
    """The plan in force, a keeper of mentions and a clock that stands."""

    def __init__(self, kept: Kept, listening: Listening | None = LISTENING) -> None:
        self.listening = kept
        self.book = PlanBook()
        plan = crisis_plan().model_copy(update={"listening": listening})
        self.book.activate("v", plan, everybody())
        self.clock = StoppedClock()


class StoppedClock:
    held_back = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


async def post(
    path: str,
    body: bytes,
    kept: Kept | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    listening: Listening | None = LISTENING,
    secrets: Mapping[str, str] = {"DESK_SECRET": "a-secret"},
    method: str = "POST",
) -> Reply:
    named = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": named}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    reply = await HelpDesks(Desk(kept or Kept(), listening), secrets).take(scope, receive)
    assert reply is not None
    return reply


def zendesk_headers(body: bytes, secret: str = "a-secret") -> dict[str, str]:
    at = "2026-11-20T11:59:31Z"
    signature = base64.b64encode(hmac.new(secret.encode(), at.encode() + body, hashlib.sha256).digest()).decode()
    return {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": at}


async def test_a_message_in_chatwoot_is_heard():
    kept = Kept()
    reply = await post(f"/webhooks/chatwoot/{KEY}", CHAT, kept)
    assert (reply.status, orjson.loads(reply.body)) == (202, {"status": "accepted", "mentions": 1})
    assert kept.kept["chat", "1"].text == "Hello?"


async def test_a_repeated_delivery_keeps_one_mention_and_is_answered_the_same():
    kept = Kept()
    first, second = [await post(f"/webhooks/chatwoot/{KEY}", CHAT, kept) for _ in range(2)]
    assert first == second
    assert len(kept.kept) == 1


async def test_a_signed_ticket_of_zendesk_is_heard():
    kept = Kept()
    reply = await post(f"/webhooks/zendesk/{OTHER}", DESK, kept, zendesk_headers(DESK))
    assert reply.status == 202
    assert [each.text for each in kept.kept.values()] == ["Broken"]


@pytest.mark.parametrize("headers", [{}, zendesk_headers(DESK, "wrong"), zendesk_headers(b"another body")])
async def test_what_is_not_signed_with_our_secret_is_refused(headers):
    kept = Kept()
    reply = await post(f"/webhooks/zendesk/{OTHER}", DESK, kept, headers)
    assert reply.status == 401
    assert not kept.kept


async def test_a_missing_secret_of_ours_is_a_503_so_that_nothing_is_lost():
    reply = await post(f"/webhooks/zendesk/{OTHER}", DESK, secrets={})
    assert reply.status == 503
    assert b"DESK_SECRET is not set" in reply.body


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/chatwoot/",
        "/webhooks/chatwoot/wrong",
        f"/webhooks/chatwoot/{OTHER}",
        f"/webhooks/zendesk/{KEY}",
        f"/webhooks/chatwoot/{KEY}/more",
        "/webhooks/chatwoot/ñ\udcff",
    ],
)
async def test_a_wrong_key_is_refused_and_opens_no_other_kind(path):
    assert (await post(path, CHAT)).status == 401


async def test_without_a_listening_file_nobody_is_let_in():
    reply = await post(f"/webhooks/chatwoot/{KEY}", CHAT, listening=None)
    assert reply.status == 401


@pytest.mark.parametrize("refusal", [Overloaded("Full.", 7), CommandRefused("No."), RuntimeError("a fault of ours")])
async def test_overload_and_our_own_faults_are_a_503_with_a_time_to_come_back(refusal):
    reply = await post(f"/webhooks/chatwoot/{KEY}", CHAT, Kept(refusal))
    assert reply.status == 503
    assert dict(reply.headers)[b"retry-after"] in (b"7", b"5")


async def test_a_body_that_is_none_of_theirs_is_a_400_that_names_the_place():
    reply = await post(f"/webhooks/chatwoot/{KEY}", b'{"event": "message_created", "message_type": "incoming"}')
    assert reply.status == 400
    assert orjson.loads(reply.body)["problems"] == ["id: Field required", "conversation.id: Field required"]


async def test_an_event_that_is_no_mention_is_accepted_and_heard_by_nobody():
    kept = Kept()
    reply = await post(f"/webhooks/chatwoot/{KEY}", b'{"event": "conversation_created"}', kept)
    assert (reply.status, kept.kept) == (200, {})


async def test_a_body_that_is_too_large_is_refused_and_another_method_is_named():
    assert (await post(f"/webhooks/chatwoot/{KEY}", b" " * (LIMIT + 1))).status == 413
    reply = await post(f"/webhooks/chatwoot/{KEY}", b"", method="GET")
    assert (reply.status, dict(reply.headers)[b"allow"]) == (405, b"POST")


async def test_what_is_for_others_is_left_to_them():
    scope = {"type": "http", "method": "POST", "path": "/webhooks/alertmanager/x", "headers": []}
    assert await HelpDesks(Desk(Kept()), {}).take(scope, _never) is None


async def _never() -> dict[str, Any]:
    raise AssertionError("nobody may read the body")
