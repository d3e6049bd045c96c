"""The firehose: every post of a Bluesky relay or PDS, looked at here, with the sequence number as its cursor."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import aiohttp
from atproto import CAR, CID, firehose_models  # type: ignore[import-untyped]
from atproto_core.exceptions import AtProtocolError  # type: ignore[import-untyped]

from listening.bluesky_posts import POST, REPOST, Author, Posts, did_of, moment, part, text_at
from listening.following import Piece
from listening.source import SourceFailed
from signals.mention import Mention

_LARGEST = 5 * 1024 * 1024
"""Bytes of a message; the protocol allows no more."""
_LARGEST_BLOCKS = 2 * 1024 * 1024
"""Bytes of a commit's blocks that are unpacked: its limit in the protocol."""
_IN_A_THREAD = 64 * 1024
"""Bytes from which on unpacking is left to a thread."""
_OPERATIONS = 200
_BREATH = 20
"""Messages after which others have their turn, when a backlog comes at once."""
_SAVED_EVERY = 5.0
"""Seconds after which the sequence number is kept though nothing was about us."""
_DEAD = 20.0
"""Seconds without an answer to a ping after which the connection is dead; a quiet network is none."""
_REMEMBERED = 5000
_UNREADABLE = (AtProtocolError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


class PassedOn:
    """The texts of the posts about us, so that their reposts are heard."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()

    def remember(self, mention: Mention) -> None:
        if not mention.repost_of:
            self._texts[mention.id] = mention.text
            if len(self._texts) > _REMEMBERED:
                self._texts.popitem(last=False)

    def text(self, uri: str) -> str | None:
        return self._texts.get(uri)


class Reader:
    """Picks what is about us out of the firehose's commits."""

    def __init__(self, posts: Posts, names_us: Callable[[str], bool], passed_on: PassedOn) -> None:
        self._posts = posts
        self._names_us = names_us
        self._passed_on = passed_on

    def read(self, body: dict[str, Any]) -> tuple[Mention, ...]:
        """The mentions in the body of one commit. What cannot be read is left out."""
        wanted = list(_wanted(body))
        blocks = body.get("blocks")
        received = moment(body.get("time"))
        if not wanted or received is None or not isinstance(blocks, bytes) or len(blocks) > _LARGEST_BLOCKS:
            return ()
        try:
            records = CAR.from_bytes(blocks).blocks
        except _UNREADABLE:
            return ()
        found = (self._mention(uri, records.get(cid), received) for uri, cid in wanted)
        return tuple(each for each in found if each is not None)

    def _mention(self, uri: str, record: object, received: datetime) -> Mention | None:
        author = Author(did_of(uri))
        kind = text_at(record, "$type")
        if kind == REPOST:
            subject = text_at(record, "subject", "uri")
            text = self._passed_on.text(subject)
            if text is None and did_of(subject) not in self._posts.ours:
                return None
            return self._posts.repost(uri, record, author, received, text or "")
        if kind != POST:
            return None
        mention = self._posts.post(uri, record, author, received)
        if mention.to_us or mention.by_us or self._names_us(mention.text):
            self._passed_on.remember(mention)
            return mention
        return None


def _wanted(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The uri and content id of every post and repost that a commit creates."""
    operations = body.get("ops")
    for each in operations[:_OPERATIONS] if isinstance(operations, list) else ():
        path, cid = text_at(each, "path"), part(each, "cid")
        if part(each, "action") != "create" or path.partition("/")[0] not in {POST, REPOST}:
            continue
        try:
            yield f"at://{text_at(body, 'repo')}/{path}", CID.from_decoded_bytes(cid)
        except _UNREADABLE:
            continue


async def firehose(url: str, seq: int | None, reader: Reader, put: Callable[[Piece], Awaitable[None]]) -> None:
    """Reads on from after `seq` (None: from now) until the stream breaks. Always raises SourceFailed.

    A server that does not know the number any more, because it is another one now, is read from now on.
    """
    loop = asyncio.get_running_loop()
    saved, count = -_SAVED_EVERY, 0  # the first number is kept at once: without one, a break would leave a gap
    try:
        async for frame in _frames(url, seq):
            body = frame.body
            if isinstance(frame, firehose_models.ErrorFrame):
                if body.error != "FutureCursor":
                    raise SourceFailed(f"The firehose {url} ended with {body.error}.")
                await put(Piece(more={"seq": None}))
                raise SourceFailed(f"The firehose {url} has begun anew; it is read from now on.")
            if frame.type != "#commit" or not isinstance(body.get("seq"), int):
                continue
            large = len(body.get("blocks") or b"") > _IN_A_THREAD
            mentions = await asyncio.to_thread(reader.read, body) if large else reader.read(body)
            if mentions or loop.time() - saved > _SAVED_EVERY:
                await put(Piece(mentions, {"seq": body["seq"]}))
                saved = loop.time()
            count += 1
            if count % _BREATH == 0:
                await asyncio.sleep(0)
    except (aiohttp.ClientError, TimeoutError, OSError) as broken:
        raise SourceFailed(f"The firehose {url} cannot be read: {broken!r}") from broken
    raise SourceFailed(f"The firehose {url} has closed the connection.")


async def _frames(url: str, seq: int | None) -> AsyncIterator[Any]:
    base = url.rstrip("/").removesuffix("/xrpc")
    cursor = {} if seq is None else {"cursor": str(seq)}
    timeout = aiohttp.ClientTimeout(total=None, connect=15)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.ws_connect(
            f"{base}/xrpc/com.atproto.sync.subscribeRepos", params=cursor, heartbeat=_DEAD, max_msg_size=_LARGEST
        ) as connection,
    ):
        async for message in connection:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            try:
                yield firehose_models.Frame.from_bytes(message.data)
            except _UNREADABLE:
                continue  # one frame that nobody can read must not hold up all that follow
