"""Zendesk's webhooks: its own ticket events, and what a trigger of ours sends (docs/sources.md). Pure.

The ticket is the thread. A public comment by somebody of the staff is by us; an internal note is nothing. Creating a
ticket may come as two events of one action: they share the action's number, which therefore names the mention.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from incidents.errors import SignalRefused
from listening.texts import body as plain_body
from listening.texts import line
from listening.webhooks import digest, moment, part, read_object, word
from signals.listening import Zendesk
from signals.mention import Mention

_EVENT = "zen:event-type:"
_CREATED, _COMMENTED = f"{_EVENT}ticket.created", f"{_EVENT}ticket.comment_added"
_NUMBER = re.compile(r"[A-Za-z0-9]")
_MOST_FIELDS = 50


def read(body: bytes, spec: Zendesk, now: datetime) -> tuple[Mention, ...]:
    """The mention of a created ticket or of a public comment; nothing of other events.

    `now` stands for a time that cannot be read. Raises SignalRefused, with the field, for anything else.
    """
    found = read_object(body) if body.lstrip()[:1] in (b"{", b"[") else _form(body)
    kind = found.get("type")
    if isinstance(kind, str) and kind.startswith(_EVENT):
        return _event(found, kind, spec, now)
    if "ticket" in found:
        return (_by_trigger(found, spec, now),)
    raise SignalRefused(["type: neither an event of Zendesk's nor what the trigger of docs/sources.md sends"])


def signed(secret: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Whether X-Zendesk-Webhook-Signature is that of this body at X-Zendesk-Webhook-Signature-Timestamp."""
    expected = base64.b64encode(digest(secret, timestamp.encode("latin-1", "replace") + body))
    return hmac.compare_digest(expected, signature.encode("latin-1", "replace"))


def _form(body: bytes) -> dict[str, Any]:
    """A trigger's body in form encoding: there no quotation mark of a customer can break it."""
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise SignalRefused(["body: it is neither JSON nor a form in UTF-8"]) from error


def _event(event: dict[str, Any], kind: str, spec: Zendesk, now: datetime) -> tuple[Mention, ...]:
    ticket = word(part(event, "detail", "id")) or word(event.get("subject")).rpartition(":")[2]
    if kind not in (_CREATED, _COMMENTED):
        return ()
    if not ticket:
        raise SignalRefused(["detail.id: Field required"])
    if kind == _CREATED:
        return _created(event, ticket, spec, now)
    return _commented(event, ticket, spec, now)


def _created(event: dict[str, Any], ticket: str, spec: Zendesk, now: datetime) -> tuple[Mention, ...]:
    """What a requester asks for; a ticket that only holds internal notes is none of theirs."""
    detail = event.get("detail")
    if part(detail, "is_public") is False:
        return ()
    name = f"{ticket}:{_action(event) or 'created'}"
    who = word(part(detail, "requester_id"))
    at = part(detail, "created_at") or event.get("time")
    return (_mention(spec, name, ticket, moment(at, now), part(detail, "description"), who, "", detail, by_us=False),)


def _commented(event: dict[str, Any], ticket: str, spec: Zendesk, now: datetime) -> tuple[Mention, ...]:
    comment, detail = part(event, "event", "comment"), event.get("detail")
    if not isinstance(comment, dict):
        raise SignalRefused(["event.comment: Field required"])
    if comment.get("is_public") is False:
        return ()
    author = part(comment, "author", "id")
    who = word(author if author is not None else part(detail, "actor_id"))
    staff = part(comment, "author", "is_staff")
    by_us = staff if isinstance(staff, bool) else who not in ("", word(part(detail, "requester_id")))
    name = f"{ticket}:{_action(event) or 'comment-' + (word(comment.get('id')) or word(event.get('id')))}"
    text, named = comment.get("body"), word(part(comment, "author", "name"))
    return (_mention(spec, name, ticket, moment(event.get("time"), now), text, who, named, detail, by_us=by_us),)


def _action(event: dict[str, Any]) -> str:
    """The number of what somebody did, which all events that follow from it share."""
    return word(part(event, "event", "meta", "sequence", "id"))


def _by_trigger(found: dict[str, Any], spec: Zendesk, now: datetime) -> Mention:
    """The fields that the trigger of docs/sources.md sends. It has no number of the comment: the words name it."""
    given, text, by = found.get("ticket"), found.get("text"), found.get("by")
    ticket = word(given)
    problems = []
    if not isinstance(given, str) or not _NUMBER.search(ticket):
        problems.append("ticket: its number is required")
    if not isinstance(text, str):
        problems.append("text: Field required")
    if by not in ("customer", "us"):
        problems.append("by: customer or us")
    if problems:
        raise SignalRefused(problems)
    words = hashlib.sha256(f"{by}\n{word(found.get('at'))}\n{text}".encode("utf-8", "replace")).hexdigest()[:16]
    at, who, named = moment(found.get("at"), now), word(found.get("author")), word(found.get("author_name"))
    return _mention(spec, f"{ticket}:{words}", ticket, at, text, who, named, found, by_us=by == "us")


def _mention(
    spec: Zendesk,
    name: str,
    ticket: str,
    at: datetime,
    text: Any,
    who: str,
    named: str,
    detail: Any,
    *,
    by_us: bool,
) -> Mention:
    return Mention(
        source=spec.name,
        id=name,
        at=at,
        text=plain_body(text) if isinstance(text, str) else "",
        author=who,
        author_name=line(named),
        link=line(word(part(detail, "link"))),
        thread=ticket,
        private=True,
        to_us=not by_us,
        by_us=by_us,
        title=line(word(part(detail, "subject")) or word(part(detail, "title"))),
    )
