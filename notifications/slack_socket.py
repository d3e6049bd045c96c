"""Socket Mode: what people do in Slack arrives over a connection that we opened, so that no address of ours is public.

https://docs.slack.dev/apis/events-api/using-socket-mode. Slack signs nothing here: who holds the app token is Slack.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from notifications.connections import proxy_for
from notifications.slack import BASE_URL, SlackWeb

log = logging.getLogger("tocsin.slack")

Tell = Callable[[str], Awaitable[None]]
"""Hears in a sentence that no answer arrives from Slack; never raises."""
Take = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Carries out what an envelope of this type asks; what it returns goes back with the acknowledgement."""

_CONNECT_SECONDS = 30.0
_LOOK_EVERY = 5.0
_LOST_AFTER = 6
"""Looks in a row without a connection, after which the client is given up for a fresh one."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_CLOSE_SECONDS = 3.0
_ADDRESS = re.compile(r"wss?://\S+")
_TELL_AFTER = 7
"""Failures in a row after which somebody is told: with the pauses between them, more than a minute without Slack."""


class SlackSocket:
    """`run` holds one connection open until it is cancelled; Slack being away, or refusing us, never ends it."""

    def __init__(
        self,
        app_token: str,
        take: Take,
        base_url: str = BASE_URL,
        *,
        trouble: Tell | None = None,
        shortest_pause: float = _SHORTEST_PAUSE,
    ) -> None:
        self._app_token = app_token
        self._take = take
        self._base_url = base_url
        self._trouble = trouble
        self._shortest_pause = shortest_pause

    async def run(self) -> None:
        """Until cancelled. A connection that breaks is the SDK's to mend; one that stays broken is begun anew."""
        pause, failures = self._shortest_pause, 0
        while True:
            web = SlackWeb("", self._base_url)
            client: SocketModeClient | None = None
            try:
                client = await self._connected(web)
                pause, failures = self._shortest_pause, 0
                await _until_lost(client)
                log.warning("slack socket lost; connecting anew")
            except Exception as error:  # noqa: BLE001 - whatever a proxy in Slack's place answers, we ask again
                failures += 1
                log.warning("slack socket not connected error=%s pause=%.0f", _named(error), pause)
                if failures >= _TELL_AFTER and self._trouble is not None:
                    await self._trouble(f"Slack is not connected, answers do not arrive from there: {_named(error)}.")
            finally:
                await _given_up(client, web)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connected(self, web: SlackWeb) -> SocketModeClient:
        client = SocketModeClient(self._app_token, logger=_SdkLog(), web_client=web.client())
        client.proxy = proxy_for(self._base_url)  # the SDK knows the proxy, but not for which hosts there is none
        client.socket_mode_request_listeners.append(self._heard)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                # Asked for here and not by `connect`, which would ask for ever with a token that Slack refuses.
                client.wss_uri = await client.issue_new_wss_url()
                await client.connect()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        except BaseException:
            await _given_up(client, web)
            raise
        log.info("slack socket connected")
        return client

    async def _heard(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge every envelope, whatever came of it: `take` is bounded well below Slack's three seconds."""
        payload = None
        try:
            payload = await self._take(request.type, request.payload)
        except Exception:
            log.exception("slack envelope failed type=%s", request.type)
        finally:
            answer = payload if request.accepts_response_payload else None
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, answer))


class _SdkLog(logging.Logger):
    """What the SDK logs, as one line of ours: no stack trace a try, and no address, which holds a ticket."""

    def __init__(self) -> None:
        super().__init__(log.name, logging.WARNING)

    def handle(self, record: logging.LogRecord) -> None:
        record.msg, record.args = _ADDRESS.sub("…", " ".join(record.getMessage().split())), None
        record.exc_info = record.exc_text = None
        log.handle(record)


async def _until_lost(client: SocketModeClient) -> None:
    missed = 0
    while missed < _LOST_AFTER:
        await asyncio.sleep(_LOOK_EVERY)
        missed = 0 if await client.is_connected() else missed + 1


async def _given_up(client: SocketModeClient | None, web: SlackWeb) -> None:
    """Never raises: what cannot be closed is left, and the next round begins."""
    if client is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await client.close()  # type: ignore[no-untyped-call]  # likewise
        with contextlib.suppress(Exception):
            await client.aiohttp_client_session.close()
    with contextlib.suppress(Exception):
        await web.close()


def _named(error: BaseException) -> str:
    """One line; never an address, which holds a ticket."""
    if isinstance(error, SlackApiError):
        answer: Any = error.response
        return f"Slack refuses: {answer.get('error') if hasattr(answer, 'get') else type(error).__name__}"
    return type(error).__name__
