"""Somebody who is posted to and answers badly: never, by hanging up, elsewhere, or not now."""

import asyncio
from typing import Literal

from aiohttp import web

How = Literal["answers", "never answers", "hangs up", "redirects", "too many"]


class MisbehavingReceiver:
    """Set `how` before the call; `asked` has the path of every request."""

    def __init__(self) -> None:
        self.url = ""
        self.how: How = "answers"
        self.asked: list[str] = []
        self._over = asyncio.Event()

    async def start(self, port: int) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._over.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        match self.how:
            case "never answers":
                await self._over.wait()
            case "hangs up":
                assert request.transport is not None
                request.transport.abort()
            case "redirects":
                return web.Response(status=302, headers={"Location": f"{self.url}/elsewhere"})
            case "too many":
                return web.Response(status=429, headers={"Retry-After": "7"})
            case "answers":
                pass
        return web.Response()
