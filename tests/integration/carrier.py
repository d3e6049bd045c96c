"""A telephone network for storms: Twilio as the engine sees it, fast, in the test's own loop, with its own list.

Telephones give a receipt for every SMS and call, and answer what a test asks them to; both are repeated while the
engine is away.
"""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from tests.support.misbehaving_provider import MisbehavingProvider
from tests.support.real_engine import Answered, RealEngine

_MESSAGE_ID = re.compile(r"/twilio/(?:status|voice)/([^/?]+)")


@dataclass(frozen=True)
class Accepted:
    """One message or call that this network has taken."""

    at: float
    message_id: str
    to: str
    sid: str
    body: str

    @property
    def channel(self) -> str:
        return "sms" if self.sid.startswith("SM") else "voice"

    @property
    def incident(self) -> str:
        return self.message_id.split(".")[1]

    @property
    def is_page(self) -> bool:
        """Pages of a round: `<epoch>.INC-7.<round>.r2.c1.<attempt>`; anything else is a notice."""
        return re.fullmatch(r"\d+\.INC-\d+\.\d+\.r\d+\.c\d+\.\d+", self.message_id) is not None

    @property
    def says_copy(self) -> bool:
        return self.body.removeprefix("DRILL ").startswith("COPY?")


def message_id_of(form: dict[str, Any]) -> str:
    """The message that a request of ours is about; it stands in its callback's URL."""
    found = _MESSAGE_ID.search(form.get("StatusCallback") or form.get("Url") or "")
    assert found is not None, form
    return unquote(found[1])


class Carrier(MisbehavingProvider):
    """`taken` is the list that a test counts. `picks_up` is called for everything taken; what it returns goes on."""

    def __init__(self, auth_token: str) -> None:
        super().__init__()
        self.taken: list[Accepted] = []
        self.engine: RealEngine | None = None
        self.picks_up: Callable[[Accepted], Awaitable[None]] | None = None
        self.latency: Callable[[], float] = lambda: 0.0
        """Seconds on the way here, and again on the way back."""
        self.thinking: Callable[[], float] = lambda: 0.0
        """Seconds until a telephone has given its receipt, and until somebody answers."""
        self._auth_token = auth_token
        self._lines: set[asyncio.Task[None]] = set()
        self.troubles: list[BaseException] = []

    async def stop(self) -> None:
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await super().stop()

    async def _created(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.latency())
        before = len(self.accepted)
        answer = await super()._created(request)
        if request.match_info.get("resource") and len(self.accepted) > before:
            self._take(request, self.accepted[-1], len(self.accepted))
            await asyncio.sleep(self.latency())
        return answer

    def _take(self, request: web.Request, form: dict[str, Any], number: int) -> None:
        prefix = "CA" if "/Calls" in request.path else "SM"
        sid = f"{prefix}{number:032x}"
        taken = Accepted(time.monotonic(), message_id_of(form), form["To"], sid, form.get("Body", ""))
        self.taken.append(taken)
        line = asyncio.create_task(self._line(taken))
        self._lines.add(line)
        line.add_done_callback(self._hung_up)

    def _hung_up(self, line: "asyncio.Task[None]") -> None:
        self._lines.discard(line)
        error = None if line.cancelled() else line.exception()
        if error is not None:
            self.troubles.append(error)

    async def _line(self, taken: Accepted) -> None:
        await asyncio.sleep(self.thinking())
        await self.gives_its_receipt(taken)
        if self.picks_up is not None:
            await self.picks_up(taken)

    async def gives_its_receipt(self, taken: Accepted) -> None:
        if taken.channel == "sms":
            form = {"MessageSid": taken.sid, "MessageStatus": "delivered", "To": taken.to}
            await self.insists(f"/twilio/status/{taken.message_id}", form)
        else:
            form = {"CallSid": taken.sid, "CallStatus": "in-progress", "To": taken.to, "AnsweredBy": "human"}
            await self.insists(f"/twilio/voice/{taken.message_id}", form)

    async def insists(self, path: str, form: dict[str, str], seconds: float = 120) -> Answered:
        """A signed request, made again until the engine has answered it."""
        assert self.engine is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                answer = await self.engine.twilio(path, form, self._auth_token)
                if answer.status == 200:
                    return answer
                assert answer.status in (500, 503), answer
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} was never answered\n{self.engine.tail()}")

    # --- the count ---

    def pages(self, incident: str | None = None) -> list[Accepted]:
        return [each for each in self.taken if each.is_page and incident in (None, each.incident)]

    def sent_twice(self) -> dict[str, int]:
        """Messages of which this network has more than one copy: the very same page, sent again."""
        return {key: count for key, count in Counter(each.message_id for each in self.taken).items() if count > 1}
