"""A calendar server: gives what the test says, or fails as calendar servers do. In threads of its own."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.counterparties import free_port


def shift(who: str, start: datetime, end: datetime) -> str:
    """One event: `who` stands in its summary."""
    times = [f"{name}:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" for name, at in (("DTSTART", start), ("DTEND", end))]
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{who}-{start.timestamp()}", *times, f"SUMMARY:{who}", "END:VEVENT"])


def calendar(*events: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", *events, "END:VCALENDAR", ""])


class FeedServer:
    """`url` is the feed. `asked` is the headers of every request."""

    def __init__(self) -> None:
        self.status = 200
        self.text = calendar()
        self.headers: dict[str, str] = {}
        self.cut = 0
        """Bytes that are promised and never come."""
        self.asked: list[dict[str, str]] = []
        self.answers = threading.Event()
        self.answers.set()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/oncall.ics"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def gives(self, *events: str) -> None:
        """A good calendar of these events from now on, whatever was wrong before."""
        self.says(calendar(*events))

    def says(self, text: str, status: int = 200, cut: int = 0, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.text, self.status, self.cut, self.headers = text, status, cut, dict(headers)

    def stop(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(feed) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's here
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = {name.lower(): value for name, value in self.headers.items()}
                feed.asked.append(asked)
                feed.answers.wait(60)
                known = feed.headers.get("ETag")
                if known is not None and asked.get("if-none-match") == known:
                    self.send_response(304)
                    self.end_headers()
                    return
                written = feed.text.encode()
                self.send_response(feed.status)
                for name, value in feed.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/calendar")
                self.send_header("Content-Length", str(len(written) + feed.cut))
                self.end_headers()
                self.wfile.write(written)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing: what came is in `asked`."""

        return Handler
