"""Slack as an app meets it: Socket Mode and reply addresses are ours, the Web API is the emulator's.

The emulator has no Socket Mode. This speaks its protocol (https://docs.slack.dev/apis/events-api/using-socket-mode):
`apps.connections.open`, `hello`, envelopes, acknowledgements, `disconnect`. Ours, so it proves nothing about Slack's
formats beyond what Slack's own SDK, which is the client here, refuses.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web

from tests.support.counterparties import Emulators, free_port


@dataclass(frozen=True)
class Call:
    """One call of the Web API, and what the emulator answered."""

    method: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


class SlackSocketServer:
    """`send` an envelope; `acks`, `replies` and `calls` are what came back."""

    def __init__(self, emulators: Emulators) -> None:
        self.emulators = emulators
        self.url = ""
        self.acks: dict[str, dict[str, Any] | None] = {}
        """Envelope id -> the payload of its acknowledgement."""
        self.replies: list[dict[str, Any]] = []
        """What was posted to a reply address."""
        self.calls: list[Call] = []
        self.asked = 0
        """How often somebody asked where to connect."""
        self.refuses: str | None = None
        """The error with which they are refused."""
        self.held: dict[str, asyncio.Event] = {}
        """Methods of the Web API that answer when their event is set."""
        self._sockets: list[web.WebSocketResponse] = []

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def reply_address(self) -> str:
        return f"{self.url}/actions/T0/1/secret"

    @property
    def connected(self) -> int:
        return sum(not socket.closed for socket in self._sockets)

    def called(self, method: str) -> list[Call]:
        return [each for each in self.calls if each.method == method]

    # --- what Slack does ---

    async def send(self, kind: str, payload: object, envelope_id: str) -> None:
        """To the connection that was opened last, as Slack may choose any."""
        envelope = {
            "type": kind,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": kind in ("interactive", "slash_commands"),
        }
        await self.write(json.dumps(envelope))

    async def write(self, text: str) -> None:
        await self._sockets[-1].send_str(text)

    async def acknowledged(self, envelope_id: str) -> dict[str, Any] | None:
        await self.until(lambda: envelope_id in self.acks, f"an acknowledgement of {envelope_id}")
        return self.acks[envelope_id]

    async def asks_for_a_new_connection(self) -> None:
        """A warning as before maintenance: the old connection goes away soon."""
        await self.write(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))

    async def hangs_up(self) -> None:
        for socket in self._sockets:
            await socket.close()

    async def until(self, true: Callable[[], object], what: str, seconds: float = 60) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not true():
            assert asyncio.get_running_loop().time() < end, f"{what} did not come: {self.acks} {self.replies}"
            await asyncio.sleep(0.02)

    # --- serving ---

    async def start(self, port: int) -> None:
        application = web.Application()
        application.router.add_post("/api/apps.connections.open", self._where)
        application.router.add_post("/api/{method}", self._passed_on)
        application.router.add_post("/actions/{tail:.*}", self._replied)
        application.router.add_get("/link", self._link)
        self._session = aiohttp.ClientSession()
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        for event in self.held.values():
            event.set()
        await self.hangs_up()
        await self._runner.cleanup()
        await self._session.close()

    async def _where(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.refuses is not None:
            return web.json_response({"ok": False, "error": self.refuses})
        if not request.headers.get("Authorization", "").startswith("Bearer xapp-"):
            return web.json_response({"ok": False, "error": "not_allowed_token_type"})
        return web.json_response({"ok": True, "url": f"{self.url.replace('http', 'ws')}/link?ticket={self.asked}"})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                answer = json.loads(message.data)
                self.acks[answer["envelope_id"]] = answer.get("payload")
        return socket

    async def _passed_on(self, request: web.Request) -> web.Response:
        method, body = request.match_info["method"], await request.read()
        if method in self.held:
            await self.held[method].wait()
            if request.transport is None or request.transport.is_closing():
                return web.Response()  # whoever asked is gone, and never had an answer
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        async with self._session.post(f"{self.emulators.slack_url}{method}", data=body, headers=headers) as answer:
            found = await answer.json()
        self.calls.append(Call(method, _fields(request, body.decode()), found))
        return web.json_response(found)

    async def _replied(self, request: web.Request) -> web.Response:
        self.replies.append(await request.json())
        return web.Response(text="ok")


def _fields(request: web.Request, body: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body) if request.content_type == "application/json" else dict(parse_qsl(body))
    return {
        name: json.loads(value) if name in ("blocks", "view", "metadata") and isinstance(value, str) else value
        for name, value in found.items()
    }


@pytest.fixture
async def slack(emulators: Emulators) -> AsyncIterator[SlackSocketServer]:
    server = SlackSocketServer(emulators)
    await server.start(free_port())
    yield server
    await server.stop()


# --- what people do, as Slack reports it: https://docs.slack.dev/reference/interaction-payloads ---


def a_press(person: str, message_id: str, action: str, server: SlackSocketServer, **more: object) -> dict[str, Any]:
    """`more` may give `action_ts`, `trigger_id` and `response_url`."""
    pressed = {
        "type": "button",
        "action_id": action,
        "block_id": "b1",
        "value": message_id,
        "action_ts": more.pop("action_ts", "1548426417.840180"),
    }
    return {
        "type": "block_actions",
        "user": {"id": person, "username": "somebody"},
        "container": {"type": "message", "message_ts": "1548261231.000200", "channel_id": "C0INC"},
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "response_url": server.reply_address,
        "actions": [pressed],
        **more,
    }


def a_submission(person: str, view: dict[str, Any], **given: str) -> dict[str, Any]:
    """The form that was opened, filled in: `given` is block id -> text, or the value of an option."""
    values = {}
    for block in view["blocks"]:
        name, element = block["block_id"], block["element"]
        text = given.get(name)
        if element["type"] == "static_select":
            chosen = text or element.get("initial_option", {}).get("value")
            stated: dict[str, Any] = {"selected_option": None if chosen is None else {"value": chosen}}
        else:
            stated = {"value": element.get("initial_value") if text is None else text}
        values[name] = {element["action_id"]: {"type": element["type"], **stated}}
    return {"type": "view_submission", "user": {"id": person}, "view": {**view, "state": {"values": values}}}


def a_command(person: str, text: str, trigger: str, server: SlackSocketServer) -> dict[str, str]:
    return {
        "command": "/tocsin",
        "text": text,
        "user_id": person,
        "channel_id": "C0INC",
        "team_id": "T0",
        "trigger_id": trigger,
        "response_url": server.reply_address,
    }
