"""Libraries that block: asked in threads that nobody waits for longer than agreed, over HTTP that is bounded.

A thread can be left behind but not stopped. It is a daemon, so that whoever hangs does not hold up the engine's end,
and a source of which several questions hang is asked nothing more.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from listening.source import SourceFailed

POLL_LIMIT = 50.0
"""Seconds of one poll; a source ends within 60 s."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one answer, unpacked."""
_MOST_HANGING = 3
_CONNECT, _SILENCE = 5.0, 15.0
"""Seconds to connect, and between two packets."""
_AT_ONCE = 64 * 1024

T = TypeVar("T")


class Blocking:
    """Runs what blocks. `what` names the network in errors: `X`, `The mailbox of care@example.com`."""

    def __init__(self, what: str, seconds: float = POLL_LIMIT) -> None:
        self._what = what
        self._seconds = seconds
        self._hanging: set[threading.Thread] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives in a thread of its own. Raises SourceFailed for whatever it raises, and when it is late."""
        self._hanging = {each for each in self._hanging if each.is_alive()}
        if len(self._hanging) >= _MOST_HANGING:
            raise SourceFailed(f"{self._what} has left {_MOST_HANGING} questions without an answer.")
        done: Future[T] = Future()
        thread = threading.Thread(target=_into, args=(done, work), name="listening", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            self._hanging.add(thread)
            raise SourceFailed(f"{self._what} did not answer within {self._seconds:.0f} s.") from None
        except SourceFailed:
            raise
        except Exception as error:
            # By its kind alone: its words may hold an address with a secret in it.
            raise SourceFailed(f"{self._what} cannot be read ({type(error).__name__}).") from error


def _into(done: "Future[T]", work: Callable[[], T]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        found = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again in whoever waits
        done.set_exception(error)
    else:
        done.set_result(found)


def bound(session: Any, instead: tuple[str, str] | None = None, seconds: float = POLL_LIMIT) -> None:
    """Bound every request of a `requests` session: its time, its size, no redirects.

    `instead` is the address that the library has built in and the one to ask in its place. The library's own calls
    stay as they are: only what they call is replaced.
    """
    ask = session.request

    def request(method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if instead is not None and url.startswith(instead[0]):
            url = instead[1].rstrip("/") + url[len(instead[0]) :]
        options |= {"timeout": (_CONNECT, _SILENCE), "stream": True, "allow_redirects": False}
        end = time.monotonic() + seconds
        response = ask(method, url, *arguments, **options)
        body = bytearray()
        for part in response.iter_content(_AT_ONCE):
            body += part
            if len(body) > MOST_BYTES or time.monotonic() > end:
                response.close()
                raise SourceFailed(f"An answer was longer than {MOST_BYTES // 1024**2} MB or {seconds:.0f} s.")
        response._content, response._content_consumed = bytes(body), True
        return response

    session.request = request
