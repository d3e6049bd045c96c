"""Mastodon's streams: server-sent events of our account and of hashtags, with a bound on everything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from listening.following import Piece, Put
from listening.mastodon_statuses import Statuses
from listening.source import SourceFailed
from signals.mention import Mention

_STREAMED_TAGS = 10
"""Hashtags that have a stream; the others are heard by the polls."""
_SILENT = 90.0
"""Seconds without a byte after which a stream is dead: Mastodon says something every 15 s."""
_LONGEST_LINE = 1024 * 1024
_NO_STREAM = frozenset({400, 404, 405, 406, 426, 501})
"""What servers answer that have none."""

Read = Callable[[str, Any], Mention | None]
"""An event's name and payload as a mention."""


async def streams(
    base: str, token: str, tags: Sequence[str], statuses: Statuses, now: Callable[[], datetime], put: Put
) -> None:
    """Follows our account and the first hashtags. Returns where the server has no streams; else raises SourceFailed.

    `base` is what the server itself says, `wss://…` or `https://…`.
    """
    address = base.rstrip("/").replace("wss://", "https://", 1).replace("ws://", "http://", 1)

    def notification(event: str, payload: Any) -> Mention | None:
        return statuses.notification(payload, now()) if event == "notification" else None

    def status(event: str, payload: Any) -> Mention | None:
        return statuses.status(payload, now()) if event in {"update", "status.update"} else None

    timeout = aiohttp.ClientTimeout(total=None, connect=15, sock_read=_SILENT)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, read_bufsize=_LONGEST_LINE) as session:
        wanted = [_follow(session, f"{address}/api/v1/streaming/user", {}, notification, put)]
        for tag in tags[:_STREAMED_TAGS]:
            wanted.append(_follow(session, f"{address}/api/v1/streaming/hashtag", {"tag": tag}, status, put))
        await _all(wanted)


async def _all(wanted: Sequence[Any]) -> None:
    tasks = [asyncio.create_task(each) for each in wanted]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for each in done:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(session: aiohttp.ClientSession, url: str, params: dict[str, str], read: Read, put: Put) -> None:
    try:
        async with session.get(url, params=params, allow_redirects=False) as answer:
            if answer.status in _NO_STREAM:
                return
            if answer.status != 200:
                raise SourceFailed(f"{url} answers {answer.status}.")
            async for event, payload in _events(answer.content):
                mention = read(event, payload)
                if mention is not None:
                    await put(Piece((mention,)))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as broken:
        raise SourceFailed(f"{url} cannot be read: {broken!r}") from broken
    raise SourceFailed(f"{url} has ended.")


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Any]]:
    """The events with a payload of JSON. Raises ValueError for a line that is too long."""
    event, size = "", 0
    data: list[bytes] = []
    async for raw in content:
        line = raw.rstrip(b"\r\n")
        if not line:
            payload = _json(b"\n".join(data))
            if event and payload is not None:
                yield event, payload
            event, data, size = "", [], 0
        elif line.startswith(b"event:"):
            event = line[6:].strip().decode("utf-8", "replace")
        elif line.startswith(b"data:"):
            size += len(line)
            if size > _LONGEST_LINE:
                raise ValueError("an event is too long")
            data.append(line[5:].strip())


def _json(data: bytes) -> Any:
    """None for what is no JSON, such as the id of a deleted status that is none of ours."""
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError:
        return None
