"""Chatwoot's webhooks: what a contact writes is a mention, what an agent answers is by us. Pure.

A private note, an activity line, an automatic template, and what a bot or a rule sends on its own are none: they answer
nobody. The conversation is the thread; the message's id names the mention, so that a repeated delivery changes nothing.
"""

import hmac
from datetime import datetime
from typing import Any

from incidents.errors import SignalRefused
from listening.texts import body as plain_body
from listening.texts import line
from listening.webhooks import digest, moment, part, read_object, word
from signals.listening import Chatwoot
from signals.mention import Mention

_TYPES = {"incoming": "incoming", "outgoing": "outgoing", "0": "incoming", "1": "outgoing"}
"""Of message_type; activity and template are neither. Older versions write numbers."""


def read(body: bytes, spec: Chatwoot, now: datetime) -> tuple[Mention, ...]:
    """The mention of a `message_created`; nothing of every other event. `now` stands for a time that cannot be read.

    Raises SignalRefused, with the field, for a body that is no event of Chatwoot's.
    """
    event = read_object(body)
    if not isinstance(event.get("event"), str) or not event["event"]:
        raise SignalRefused(["event: a name is required"])
    if event["event"] != "message_created":
        return ()
    kind = _TYPES.get(word(event.get("message_type")))
    if kind is None or event.get("private") is True or (kind == "outgoing" and _is_automatic(event)):
        return ()
    number, thread = word(event.get("id")), _conversation(event)
    problems = [f"{name}: Field required" for name, value in (("id", number), ("conversation.id", thread)) if not value]
    if problems:
        raise SignalRefused(problems)
    return (_mention(event, spec, number, thread, now, by_us=kind == "outgoing"),)


def signed(secret: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Whether X-Chatwoot-Signature is that of this body at X-Chatwoot-Timestamp (Chatwoot 4.13 and later)."""
    expected = f"sha256={digest(secret, timestamp.encode('latin-1', 'replace') + b'.' + body).hex()}"
    return hmac.compare_digest(expected.encode(), signature.encode("latin-1", "replace"))


def _is_automatic(event: dict[str, Any]) -> bool:
    """Sent by a bot, an automation rule or a campaign: nobody has answered yet."""
    return (
        word(part(event, "sender", "type")).casefold().replace("_", "") == "agentbot"
        or part(event, "content_attributes", "automation_rule_id") is not None
        or part(event, "additional_attributes", "campaign_id") is not None
    )


def _conversation(event: dict[str, Any]) -> str:
    """Conversations are numbered within their account."""
    number = word(part(event, "conversation", "id")) or word(part(event, "conversation", "display_id"))
    account = word(part(event, "account", "id"))
    return f"{account}.{number}" if account and number else number


def _mention(event: dict[str, Any], spec: Chatwoot, number: str, thread: str, now: datetime, *, by_us: bool) -> Mention:
    contact = event.get("contact") or part(event, "conversation", "meta", "sender")
    who = event.get("sender") if by_us else (contact or event.get("sender"))
    content = event.get("content")
    account = word(part(event, "account", "id"))
    link = "" if spec.url is None else f"{spec.url.rstrip('/')}/app/accounts/{account}/conversations/"
    followers = part(who, "additional_attributes", "followers_count")
    return Mention(
        source=spec.name,
        id=number,
        at=moment(event.get("created_at"), now),
        text=plain_body(content) if isinstance(content, str) else "",
        author=f"agent:{word(part(who, 'id'))}" if by_us else word(part(who, "id")),
        author_name=line(word(part(who, "name"))),
        link=link and link + thread.rpartition(".")[2],
        reach=followers if isinstance(followers, int) and not by_us else None,
        thread=thread,
        reply_to=word(part(event, "content_attributes", "in_reply_to")),
        private=True,
        to_us=not by_us,
        by_us=by_us,
        title=line(word(part(event, "content_attributes", "email", "subject"))),
    )
