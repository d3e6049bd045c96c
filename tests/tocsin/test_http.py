"""A body is read to its end or not at all, and never past its limit."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from tocsin.web import http
from tocsin.web.http import BodyCutOff, BodyTooLarge, Receive, TooMuchAtOnce, read_body, too_packed

GONE = {"type": "http.disconnect"}


def part(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def sending(*messages: dict[str, Any]) -> tuple[Receive, list[dict[str, Any]]]:
    """What a server hands on, and what of it has not been asked for."""
    left = list(messages)

    async def receive() -> MutableMapping[str, Any]:
        return left.pop(0)

    return receive, left


async def test_the_parts_of_a_body_are_put_together():
    receive, left = sending(part(b"a"), part(b""), part(b"bc"), part(b"d", more=False))

    assert await read_body(receive, 4) == b"abcd"
    assert left == []


@pytest.mark.parametrize(
    "messages",
    [
        [part(b"abcde", more=False)],
        [part(b"abcde"), part(b"never asked for")],
        [part(b"abc"), part(b"de"), part(b"never asked for")],
        [part(b"abc"), part(b"de", more=False)],
    ],
)
async def test_a_body_is_not_read_past_its_limit(messages: list[dict[str, Any]]):
    receive, left = sending(*messages)

    with pytest.raises(BodyTooLarge):
        await read_body(receive, 4)

    assert left == [each for each in messages if each["body"] == b"never asked for"]


@pytest.mark.parametrize("messages", [[GONE], [part(b"text=yes"), GONE], [part(b"{}"), part(b" "), GONE]])
async def test_nothing_of_a_body_is_left_when_its_sender_goes(messages: list[dict[str, Any]]):
    receive, _ = sending(*messages)

    with pytest.raises(BodyCutOff):
        await read_body(receive, 100)


async def test_all_bodies_together_are_bounded_and_give_back_what_they_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "MOST_AT_ONCE", 10)
    for _ in range(3):
        receive, _ = sending(part(b"x" * 6), part(b"x" * 6), part(b"", more=False))
        with pytest.raises(TooMuchAtOnce):
            await read_body(receive, 100)
    for ending, error in ((part(b"x" * 9), BodyTooLarge), (GONE, BodyCutOff)):
        receive, _ = sending(part(b"x" * 2), ending)
        with pytest.raises(error):
            await read_body(receive, 8)

    receive, _ = sending(part(b"x" * 5), part(b"x" * 5, more=False))
    assert len(await read_body(receive, 100)) == 10
    assert http._held.size == 0


def test_a_compressed_body_is_refused_with_what_is_taken():
    reply = too_packed("gzip")

    assert reply.status == 415
    assert (b"accept-encoding", b"identity") in reply.headers
