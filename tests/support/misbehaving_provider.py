"""A provider that fails in every way a real one can, and keeps its own list of what it accepted.

Speaks just enough of Twilio's and Slack's HTTP to be called through their SDKs. Ours, so it proves nothing about the
real providers' formats; it is there for what no emulator does: silence, lateness, refusals and broken answers.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import parse_qsl

from aiohttp import web

How = Literal[
    "answers", "never answers", "answers late", "hangs up", "too many", "unavailable", "fails", "unauthorized",
    "refuses", "empty body", "half a body", "web page", "no id", "a list",
]  # fmt: skip
Listing = Literal["truth", "empty", "refused", "never answers"]


class MisbehavingProvider:
    """Set `how` and `listing` before the call. `accepted` is the truth that a test counts."""

    def __init__(self) -> None:
        self.url = ""
        self.how: How = "answers"
        self.listing: Listing = "truth"
        self.late_seconds = 20.0
        self.retry_after = "7"
        self.error_code = 21614
        self.accepted: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """Path of every request, refused ones included."""
        self._over = asyncio.Event()

    @property
    def slack_url(self) -> str:
        return f"{self.url}/api/"

    async def start(self, port: int) -> None:
        application = web.Application()
        application.router.add_post("/2010-04-01/Accounts/{sid}/{resource}.json", self._created)
        application.router.add_post("/2010-04-01/Accounts/{sid}/Calls/{call}.json", self._created)
        application.router.add_get("/2010-04-01/Accounts/{sid}/{resource}.json", self._listed)
        application.router.add_post("/api/chat.postMessage", self._created)
        application.router.add_post("/api/conversations.history", self._listed)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._over.set()
        await self._runner.cleanup()

    async def _created(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        how = self.how
        if how in ("too many", "unavailable", "unauthorized", "refuses"):
            return self._refusal(how)
        if how == "fails":
            return web.json_response({"message": "Internal error", "code": 20500}, status=500)
        self.accepted.append(_fields(request, await request.text()))
        if how == "never answers":
            await self._over.wait()
        if how == "answers late":
            await _first(self._over.wait(), asyncio.sleep(self.late_seconds))
        if how == "hangs up" and request.transport is not None:
            request.transport.abort()
        return _ANSWERS.get(how, _answer)(request, len(self.accepted))

    def _refusal(self, how: How) -> web.Response:
        if how == "too many":
            headers = {"Retry-After": self.retry_after}
            return web.json_response({"code": 20429, "message": "Too Many Requests"}, status=429, headers=headers)
        if how == "unavailable":
            return web.Response(text="no healthy upstream", status=503)
        if how == "unauthorized":
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        refused = {"code": self.error_code, "message": "The number +12025550123 was refused", "status": 400}
        return web.json_response(refused, status=400)

    async def _listed(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.listing == "refused":
            return web.json_response({"code": 20500, "message": "Internal error"}, status=500)
        if self.listing == "never answers":
            await self._over.wait()
        known = self.accepted if self.listing == "truth" else []
        if request.path.startswith("/api/"):
            found = [{"ts": str(number), **each} for number, each in enumerate(known)]
            return web.json_response({"ok": True, "messages": found})
        to = request.query.get("To")
        messages = [
            {"sid": f"SM{number:032x}", "body": each["Body"], "to": each["To"], "status": "queued"}
            for number, each in enumerate(known, start=1)
            if each.get("To") == to
        ]
        return web.json_response({"messages": messages, "page_size": 50, "next_page_uri": None})


def _fields(request: web.Request, body: str) -> dict[str, Any]:
    if request.content_type == "application/json":
        found: dict[str, Any] = json.loads(body)
        return found
    return dict(parse_qsl(body))


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _answer(request: web.Request, number: int) -> web.Response:
    if request.path.startswith("/api/"):
        return web.json_response({"ok": True, "channel": "C1", "ts": f"{number}.000100"})
    prefix = "CA" if "/Calls" in request.path else "SM"
    return web.json_response({"sid": f"{prefix}{number:032x}", "status": "queued"}, status=201)


def _unreadable(text: str, content_type: str) -> Callable[[web.Request, int], web.Response]:
    def answer(request: web.Request, number: int) -> web.Response:
        status = 200 if request.path.startswith("/api/") else 201
        return web.Response(text=text, content_type=content_type, status=status)

    return answer


_ANSWERS: dict[str, Callable[[web.Request, int], web.Response]] = {
    "empty body": _unreadable("", "application/json"),
    "half a body": _unreadable('{"ok": true, "sid": "SM0', "application/json"),
    "web page": _unreadable("<html>Welcome to the hotel</html>", "text/html"),
    "no id": _unreadable('{"ok": true}', "application/json"),
    "a list": _unreadable("[1, 2]", "application/json"),
}
