"""What Bluesky's servers may answer besides what we hope for, from a server of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import libipld
import pytest
from aiohttp import web

from listening.bluesky import build
from listening.bluesky_firehose import PassedOn, Reader, firehose
from listening.bluesky_posts import Posts
from listening.following import Piece
from listening.source import Source, SourceFailed
from signals.listening import Bluesky, Brand
from tests.support.counterparties import free_port
from tests.support.network_server import Asked, NetworkServer, Reply

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def source_of(server: NetworkServer, clock: list[datetime]) -> Source:
    """Without an account: search alone."""
    spec = Bluesky(kind="bluesky", name="sky", service=server.url)
    return build(spec, (Brand(id="brand", names=("Northwind",)),), {}, lambda: clock[0])


async def poll_of(reply: Reply) -> SourceFailed:
    server = NetworkServer(lambda asked: reply)
    source = source_of(server, [NOON])
    try:
        with pytest.raises(SourceFailed) as failed:
            await source.poll(None)
    finally:
        await source.close()
        server.stop()
    return failed.value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit-reset": str(int(NOON.timestamp()) + 240)}, 240),
        ({"retry-after": "30"}, 30),
        ({"ratelimit-reset": "never"}, 60),
        ({"ratelimit-reset": str(int(NOON.timestamp()) + 10**9)}, 3600),
        ({}, 60),
    ],
)
async def test_a_rate_limit_says_when_to_come_back(headers: dict[str, str], seconds: float):
    failed = await poll_of(Reply({"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, 429, headers))

    assert failed.retry_after == seconds


async def test_nothing_is_asked_before_the_rate_limit_is_over():
    answers = [Reply({"error": "RateLimitExceeded"}, 429, {"retry-after": "100"}), Reply({"posts": []})]
    server, clock = NetworkServer(lambda asked: answers.pop(0)), [NOON]
    source = source_of(server, clock)
    for _ in range(2):
        with pytest.raises(SourceFailed, match="rate limit"):
            await source.poll(None)
    asked = len(server.asked)
    clock[0] += timedelta(seconds=101)

    assert (await source.poll(None)).mentions == ()

    assert (asked, len(server.asked)) == (1, 2)
    await source.close()
    server.stop()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>", 200, {"Content-Type": "text/html"}),
        Reply(b'{"posts": ', 200),
        Reply(b"[" * 100_000, 200),
        Reply({"posts": "none"}),
        Reply([]),
        Reply({"error": "InternalServerError"}, 500),
        Reply(b"", 502),
        Reply({"error": 5, "message": []}, 400),
        Reply({"posts": []}, cut=100),
    ],
)
async def test_whatever_is_answered_is_trouble_told_in_a_sentence(reply: Reply):
    assert len(str(await poll_of(reply))) < 500


async def test_posts_of_any_shape_hide_no_other():
    good = {
        "uri": "at://did:plc:a/app.bsky.feed.post/1",
        "author": {"did": "did:plc:a", "handle": "ana.test", "followersCount": 7},
        "record": {"text": "Northwind", "createdAt": "2026-11-20T11:59:00Z"},
        "indexedAt": "2026-11-20T11:59:30Z",
    }
    odd = [None, 1, {}, {"uri": 4}, {"uri": "x", "indexedAt": "y"}, {**good, "uri": "at://did:plc:b/x/1", "record": 1}]

    def answer(asked: Asked) -> Reply:
        return Reply({"posts": [*odd, good]} if "searchPosts" in asked.path else {"profiles": [None]})

    server = NetworkServer(answer)
    source = source_of(server, [NOON])

    batch = await source.poll(None)

    assert [each.text for each in batch.mentions] == ["Northwind", ""]
    assert batch.mentions[0].reach == 7
    await source.close()
    server.stop()


Serve = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


async def heard_from(serve: Serve, seq: int | None = 7) -> tuple[list[Piece], str]:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await serve(socket, request)
        await socket.close()
        return socket

    application = web.Application()
    application.router.add_get("/xrpc/com.atproto.sync.subscribeRepos", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    pieces: list[Piece] = []

    async def put(piece: Piece) -> None:
        pieces.append(piece)

    reader = Reader(Posts("sky", frozenset()), lambda text: True, PassedOn())
    try:
        async with asyncio.timeout(20):
            with pytest.raises(SourceFailed) as failed:
                await firehose(f"ws://127.0.0.1:{port}", seq, reader, put)
    finally:
        await runner.cleanup()
    return pieces, str(failed.value)


def frame(header: dict[str, object], body: object) -> bytes:
    return bytes(libipld.encode_dag_cbor(header) + libipld.encode_dag_cbor(body))


def commit(seq: int, **fields: object) -> bytes:
    body = {"seq": seq, "repo": "did:plc:a", "ops": [], "blocks": b"", "time": "2026-11-20T12:00:00Z", **fields}
    return frame({"op": 1, "t": "#commit"}, body)


async def test_frames_that_nobody_can_read_hold_up_none_that_follow():
    async def serve(socket: web.WebSocketResponse, request: web.Request) -> None:
        assert request.query["cursor"] == "7"
        await socket.send_str("text")
        hostile = [b"", b"\xff" * 50, b"\x9f" * 100_000, frame({"op": 5}, {}), frame({"op": 1, "t": "#new"}, {})]
        hostile += [frame({"op": 1}, [1]), commit(8, ops=[{"action": 7}], blocks=b"x" * 3_000_000), b"\x81" * 100_000]
        hostile += [
            frame({"op": 1, "t": "#commit"}, {"seq": "8"}),
            frame({"op": 1, "t": "#info"}, {"name": "Outdated"}),
        ]
        for each in hostile:
            await socket.send_bytes(each)
        await socket.send_bytes(commit(9))

    pieces, sentence = await heard_from(serve)

    assert [each.more["seq"] for each in pieces][:1] == [8]
    assert all(each.mentions == () for each in pieces)
    assert "has closed the connection" in sentence


async def test_a_firehose_that_has_begun_anew_is_read_from_now_on():
    async def serve(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_bytes(frame({"op": -1}, {"error": "FutureCursor", "message": "Cursor in the future."}))

    pieces, sentence = await heard_from(serve)

    assert [each.more for each in pieces] == [{"seq": None}]
    assert "has begun anew" in sentence


async def test_a_reader_that_is_too_slow_is_told_so():
    async def serve(socket: web.WebSocketResponse, request: web.Request) -> None:
        assert "cursor" not in request.query
        await socket.send_bytes(frame({"op": -1}, {"error": "ConsumerTooSlow"}))

    pieces, sentence = await heard_from(serve, None)

    assert pieces == []
    assert "ended with ConsumerTooSlow" in sentence
