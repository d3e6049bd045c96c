"""One HTTP connection, bounded: uvicorn's protocol waits for ever for the end of a head, and takes any number of both.

Whoever holds connections open takes file descriptors, and pages need some of them to leave.
"""

import asyncio
import resource
import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN = 10.0
"""Seconds for a request's line and headers, counted from the connection or from the answer before."""
BODY_WITHIN = 30.0
"""Seconds for a request's body, counted from its headers."""
LARGEST_HEAD = 64 * 1024
"""Bytes of address and headers."""
OURS = 256
"""File descriptors that no sender gets: the database, the log, and what pages go out by."""


def _come_again(sentence: bytes) -> bytes:
    body = b'{"error":"%s"}' % sentence
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
    )


_FULL = _come_again(b"Too many connections are open. Come again.")
_SLOW = _come_again(b"The body did not come in time. Send it again.")


def most_connections() -> int:
    """As many as the limit of open files allows, and never none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(32, soft - OURS)


class Connection(HttpToolsProtocol):
    """Closes when a head or a body does not come in time, or a head is too large.

    With too many of them the one that has waited longest without a request makes room; when all are at work, the new
    one is told to come again (503).
    """

    waiting_since: float | None = None
    _head: int = 0
    _body_comes: bool = False
    """Whether a head is read and the end of its body is not."""
    _until: float | None = None
    """By when what is waited for must have come, in the loop's time; None while nothing is."""
    _clock: asyncio.TimerHandle | None = None
    """Rings at `_until` or before. It is not set anew for every request: that would cost more than reading one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections() and not self._room_is_made():
            transport.write(_FULL)
            transport.close()
            return
        self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        if not self._is_too_large():
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if not self._is_too_large():
            super().on_header(name, value)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._body_comes and self._until is None and not self.transport.is_closing():
            self._wait(BODY_WITHIN)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if not self._is_too_large():
            super().on_headers_complete()
            self._body_comes = True

    def on_message_complete(self) -> None:
        self._body_comes = False
        super().on_message_complete()
        if self.cycle.response_complete:  # it was answered before its end, and the next request is waited for
            self._wait_for_a_head()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and not self.pipeline:
            self._wait_for_a_head()

    def _is_too_large(self) -> bool:
        if self._head <= LARGEST_HEAD:
            return False
        if not self.transport.is_closing():
            self.send_400_response("The address and headers of this request are too long.")
        return True

    def _wait_for_a_head(self) -> None:
        self._wait(HEAD_WITHIN)
        self.waiting_since = self.loop.time()

    def _wait(self, seconds: float) -> None:
        self.waiting_since = None
        self._until = self.loop.time() + seconds
        if self._clock is not None and self._clock.when() > self._until:
            self._clock.cancel()
            self._clock = None
        if self._clock is None:
            self._clock = self.loop.call_at(self._until, self._ring)

    def _stop_waiting(self) -> None:
        self.waiting_since = self._until = None

    def _ring(self) -> None:
        self._clock = None
        if self._until is None or self.transport.is_closing():
            return
        if self.loop.time() < self._until:
            self._clock = self.loop.call_at(self._until, self._ring)
        elif self._body_comes:
            self._give_up()
        else:
            self.transport.close()

    def _give_up(self) -> None:
        """The handler hears that its sender has gone; the sender, that it has to come again."""
        if not self.cycle.response_started:
            self.transport.write(_SLOW)
        self.transport.close()

    def _room_is_made(self) -> bool:
        waiting = [each for each in self.connections if isinstance(each, Connection) and each.waiting_since is not None]
        if not waiting:
            return False
        min(waiting, key=lambda each: each.waiting_since or 0.0).transport.abort()
        return True
