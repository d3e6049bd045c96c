"""The little of HTTP that the hot paths need, below any framework: read a body with a limit, answer JSON."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"


class BodyTooLarge(Exception):
    """The request's body is larger than this path takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit // 1024} KB.")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def json_reply(status: int, content: Any, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, orjson.dumps(content), JSON, headers)


def error_reply(status: int, sentence: str, *headers: tuple[bytes, bytes], **more: Any) -> Reply:
    """`{"error": sentence}`: the one shape of our own errors."""
    return json_reply(status, {"error": sentence, **more}, *headers)


def overloaded_reply(sentence: str, retry_after: int) -> Reply:
    """503, never 429 or another 4xx: senders drop those (invariant 13)."""
    return error_reply(503, sentence, (b"retry-after", str(retry_after).encode()))


def too_packed(encoding: str) -> Reply:
    """415 for a compressed body: what it becomes has no size that we would know before."""
    sentence = f"Send the body as it is: this server does not unpack {encoding[:40]!r}."
    return error_reply(415, sentence, (b"accept-encoding", b"identity"))


MOST_AT_ONCE = 128 * 1024 * 1024
"""Bytes of all bodies that have come in part."""


class TooMuchAtOnce(Exception):
    """So many large bodies come in at once that this one has to come again (503)."""


class BodyCutOff(Exception):
    """The sender has gone before the end of its body: nothing of it counts, and nobody hears an answer."""


class _Held:
    """The bytes of bodies that have come in part. One for the process."""

    def __init__(self) -> None:
        self.size = 0


_held = _Held()


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body; `tocsin/web/connection.py` bounds the time that it may take.

    Raises BodyTooLarge as soon as it grows past `limit` bytes, TooMuchAtOnce, and BodyCutOff when its sender goes away;
    the rest is not read then.
    """
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body
    return await _read_parts(receive, limit, body)


async def _read_parts(receive: Receive, limit: int, first: bytes) -> bytes:
    parts, size, more = [first], len(first), True
    _held.size += size
    try:
        while more and size <= limit:
            if _held.size > MOST_AT_ONCE:
                raise TooMuchAtOnce("Too much comes in at once. Send it again.")
            message = await _next(receive)
            part, more = message.get("body", b""), bool(message.get("more_body"))
            parts.append(part)
            size += len(part)
            _held.size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        return b"".join(parts)
    finally:
        _held.size -= size


async def _next(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise BodyCutOff
    return message


async def send_reply(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def header(scope: Scope, name: bytes) -> str:
    """The first header of this lower-case name, or ""."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""
