"""The load program and the receiver, on bare asyncio protocols: the same two for both systems, in one process.

Every alert carries its number as `bx<n>x` in its summary, which reaches the page's text; so each page is matched with
the alert that caused it, and lost and doubled ones are counted from what the receiver got.
"""

import asyncio
import itertools
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qs, unquote_plus, urlsplit

_NUMBER = re.compile(rb"bx(\d+)x")
_TO = re.compile(rb"(?:^|&)To=([^&]*)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_LISTED = 50

Request = tuple[Sequence[int], bytes]
"""The numbers of the alerts in it, and the whole HTTP request."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it arrived. `to` is empty for an Alertmanager notification."""

    number: int
    to: str
    at: float
    copy: bool


class Receiver:
    """Answers 201 as Twilio does, and keeps a list of its own of everything that it was sent."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self._sent: dict[str, deque[tuple[str, str]]] = {}
        self._sids = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Incoming(self), "127.0.0.1", port, backlog=1024)

    def clear(self) -> None:
        self.pages.clear()

    async def until(self, pages: int, seconds: float) -> bool:
        """Wait until this many pages are here. False when they are not after `seconds`."""
        if len(self.pages) >= pages:
            return True
        self._wanted, self._waiter = pages, asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError:
            return False
        finally:
            self._waiter = None
        return True

    def take(self, line: bytes, body: bytes, at: float) -> tuple[bytes, bytes]:
        """(status, body) of the answer to one request whose first byte came at `at`."""
        if line.startswith(b"GET"):
            return b"200 OK", self._listing(line)
        number = _NUMBER.search(body)
        if number is None:
            return b"200 OK", b"{}"
        to = _TO.search(body)
        address = unquote_plus(to[1].decode()) if to is not None else ""
        self.pages.append(Page(int(number[1]), address, at, b"COPY" in body))
        if self._waiter is not None and len(self.pages) >= self._wanted and not self._waiter.done():
            self._waiter.set_result(None)
        sid = f"SM{next(self._sids):032x}"
        if to is not None:
            self._sent.setdefault(address, deque(maxlen=_LISTED)).appendleft((sid, body.decode()))
        return b"201 Created", _MESSAGE % sid.encode()

    def _listing(self, line: bytes) -> bytes:
        """What Twilio answers when it is asked for the last messages to a number."""
        query = parse_qs(urlsplit(line.split(b" ")[1].decode()).query)
        found = self._sent.get(query.get("To", [""])[0], ())
        messages = [{"sid": sid, "status": "sent", "body": parse_qs(body)["Body"][0]} for sid, body in found]
        return json.dumps({"messages": messages, "page": 0, "page_size": 50, "next_page_uri": None}).encode()


_MESSAGE = (
    b'{"sid": "%s", "status": "queued", "direction": "outbound-api", "num_segments": "1", "error_code": null, '
    b'"date_created": "Thu, 24 Aug 2023 05:01:45 +0000", "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000", '
    b'"date_sent": null, "account_sid": "ACbench", "api_version": "2010-04-01"}'
)


class _Messages(asyncio.Protocol):
    """HTTP messages with a Content-Length, one after the other, on a connection that stays open."""

    def __init__(self) -> None:
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._began = time.monotonic()
        self._buffer += data
        while True:
            head_end = self._buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = self._buffer[:head_end]
            length = _LENGTH.search(head)
            end = head_end + 4 + (int(length[1]) if length is not None else 0)
            if len(self._buffer) < end:
                return
            body, self._buffer = self._buffer[head_end + 4 : end], self._buffer[end:]
            self.message(head, body, self._began)

    def message(self, head: bytes, body: bytes, began: float) -> None:
        raise NotImplementedError


class _Incoming(_Messages):
    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver

    def message(self, head: bytes, body: bytes, began: float) -> None:
        status, answer = self._receiver.take(head[: head.find(b"\r\n")], body, began)
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, len(answer), answer)
            )


class Load:
    """Sends requests over `lanes` connections; each sends its next one when the last one is answered.

    With a rate, none leaves before its turn. `sent` has the moment of each alert's first byte.
    """

    def __init__(self, port: int, requests: Iterable[Request], *, rate: float | None = None) -> None:
        self._port = port
        self._requests: Iterator[Request] = iter(requests)
        self._pause = 0.0 if rate is None else 1.0 / rate
        self._turn = 0.0
        self._left = 0
        self._finished: asyncio.Future[None] | None = None
        self.sent: dict[int, float] = {}
        self.accepted: list[int] = []
        self.answers: Counter[bytes] = Counter()
        self.first_at = 0.0
        self.answered_at = 0.0
        self.on_answer: Callable[[], None] = lambda: None

    async def run(self, lanes: int) -> None:
        """Until every request is answered, or no connection is left."""
        loop = asyncio.get_running_loop()
        self._finished, self._left = loop.create_future(), lanes
        pairs = [await loop.create_connection(lambda: _Lane(self), "127.0.0.1", self._port) for _ in range(lanes)]
        self.first_at = self._turn = time.monotonic()
        for _, lane in pairs:
            lane.go()
        async with asyncio.timeout(120):
            await self._finished
        for transport, _ in pairs:
            transport.close()

    def next_turn(self) -> tuple[float, Request] | None:
        """The next request and how long to wait before it leaves."""
        request = next(self._requests, None)
        if request is None:
            return None
        wait = self._turn - time.monotonic()
        self._turn += self._pause
        return wait, request

    def answered(self, numbers: Sequence[int], status: bytes) -> None:
        self.answers[status] += 1
        if status.startswith(b"2"):
            self.accepted.extend(numbers)
        self.answered_at = time.monotonic()
        self.on_answer()

    def lane_ended(self) -> None:
        self._left -= 1
        if self._left == 0 and self._finished is not None and not self._finished.done():
            self._finished.set_result(None)


class _Lane(_Messages):
    def __init__(self, load: Load) -> None:
        super().__init__()
        self._load = load
        self._numbers: Sequence[int] = ()
        self._ended = False

    def go(self) -> None:
        turn = self._load.next_turn()
        if turn is None:
            self._end()
            return
        wait, request = turn
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send, request)
        else:
            self._send(request)

    def _send(self, request: Request) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._numbers, whole = request
        now = time.monotonic()
        for number in self._numbers:
            self._load.sent[number] = now
        self._transport.write(whole)

    def message(self, head: bytes, body: bytes, began: float) -> None:
        self._load.answered(self._numbers, head[9:12])
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._load.lane_ended()


# --- requests ---


def _post(path: str, body: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(),
        len(body),
        body,
    )


def _labels(number: int, name: str) -> dict[str, str]:
    return {"alertname": name, "n": str(number), "severity": "error", "instance": "shop-7:9090", "job": "shop"}


def _annotations(number: int) -> dict[str, str]:
    return {"summary": f"bx{number}x checkout fails", "description": "Nobody can pay for five minutes now."}


def to_tocsin(numbers: Sequence[int], name: str = "Outage") -> Request:
    """One Alertmanager webhook (version 4) with these alerts."""
    alerts = [
        {
            "status": "firing",
            "labels": _labels(number, name),
            "annotations": _annotations(number),
            "startsAt": "2026-03-07T14:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
            "fingerprint": f"{number:016x}",
        }
        for number in numbers
    ]
    group = {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": {},
        "commonLabels": {"alertname": name},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": alerts,
    }
    return numbers, _post("/webhooks/alertmanager/bench-alertmanager-key-0001", json.dumps(group).encode())


def to_alertmanager(numbers: Sequence[int], name: str = "Outage") -> Request:
    """One request of a Prometheus with these alerts."""
    alerts = [
        {
            "labels": _labels(number, name),
            "annotations": _annotations(number),
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        }
        for number in numbers
    ]
    return numbers, _post("/api/v2/alerts", json.dumps(alerts).encode())


def in_bodies(numbers: Iterable[int], size: int) -> Iterator[Sequence[int]]:
    remaining = iter(numbers)
    while body := list(itertools.islice(remaining, size)):
        yield body
