"""Pages to any other service by way of Apprise: one-way, for the long tail that has no channel of its own here."""

import asyncio
import concurrent.futures
import logging
import queue
import threading
import warnings
from collections.abc import Mapping

from apprise import Apprise, AppriseAsset, NotifyFormat

from contacts.addresses import ChannelKind
from incidents.errors import OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from notifications.connections import TOTAL_SECONDS

_AT_ONCE = 16
# Its own log writes an address that it cannot read, and these addresses are secrets. Our errors say what matters.
_LOG = logging.getLogger("apprise")
_LOG.setLevel(logging.CRITICAL + 1)
_LOG.propagate = False
_Handed = tuple[concurrent.futures.Future[bool | None], str, str, str]


class _Threads:
    """Up to so many daemon threads that hand messages over.

    Not a pool of the library's: Python waits for its threads at the end of the process, and one service that hangs
    would keep the engine from ending.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._started = 0

    def submit(self, url: str, title: str, body: str) -> concurrent.futures.Future[bool | None]:
        """Called by one thread only. A future that is cancelled before its turn is not handed over."""
        future: concurrent.futures.Future[bool | None] = concurrent.futures.Future()
        self._waiting.put((future, url, title, body))
        if self._started < self._at_once:  # never fewer: who is idle cannot be known without a race
            self._started += 1
            threading.Thread(target=self._work, name=f"apprise-{self._started}", daemon=True).start()
        return future

    def end(self) -> None:
        """Whatever has not had its turn is dropped; threads that are free end now, the others when they are done."""
        while True:
            try:
                left = self._waiting.get_nowait()
            except queue.Empty:
                break
            if left is not None:
                left[0].cancel()
        for _ in range(self._started):
            self._waiting.put(None)

    def _work(self) -> None:
        while (handed := self._waiting.get()) is not None:
            future, url, title, body = handed
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(_notify(url, title, body))
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                    future.set_exception(error)


class AppriseChannel:
    """Names no message and reports no delivery. Nothing comes back: a page says by which link or command to answer."""

    kind = ChannelKind.APPRISE
    gives_receipts = False
    two_way = False

    def __init__(self, urls: Mapping[str, str], *, timeout_seconds: float = TOTAL_SECONDS) -> None:
        """`urls` is Apprise's own URL by the last part of its variable, in lower case."""
        _load_plugins()
        self._urls = dict(urls)
        self._timeout_seconds = timeout_seconds
        # Apprise's asynchronous interface runs its blocking plugins in the loop's shared threads. Ours are our own: a
        # service that hangs must not take those of the storage.
        self._threads: _Threads | None = None

    async def send(self, message: Message) -> Sent:
        """See Channel.send. Apprise says only yes or no: a no counts as refused for now.

        A service that has not answered in time may still take it: the outcome is unknown, and the thread ends by the
        plugin's own time-outs. A message that had to wait for a thread all that time has not left.
        """
        url = self._url(message.to)
        title, body = _parts(message)
        handed_over = self._pool().submit(url, title, body)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                taken = await asyncio.wrap_future(handed_over)
        except TimeoutError as error:
            if handed_over.cancelled():
                raise ProviderUnavailable("Apprise is busy with services that do not answer.") from error
            raise OutcomeUnknown(
                f"Apprise's service {message.to} did not answer in {self._timeout_seconds:g} s."
            ) from error
        if taken is None:
            raise Undeliverable(f"{_variable(message.to)} is not an address that Apprise knows.")
        if not taken:
            raise ProviderUnavailable(f"Apprise could not hand the message to {message.to}.")
        return Sent(provider_id=None)

    async def recover(self, message: Message) -> Sent | None:
        """Unknown: Apprise has no way to ask."""
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: what was handed over stays where it is."""

    async def close(self) -> None:
        """Does not wait for services that hang: their threads end by the plugins' time-outs, or with us."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.end()

    def _url(self, name: str) -> str:
        url = self._urls.get(key_of(name))
        if url is None:
            raise Undeliverable(f"{_variable(name)} is not set, so that {name} leads nowhere.")
        return url

    def _pool(self) -> _Threads:
        if self._threads is None:
            self._threads = _Threads(_AT_ONCE)
        return self._threads


def key_of(name: str) -> str:
    """The name as a variable can carry it: `team-telegram` is team_telegram."""
    return name.replace("-", "_").lower()


def _variable(name: str) -> str:
    return f"TOCSIN_APPRISE__{key_of(name).upper()}"


def _parts(message: Message) -> tuple[str, str]:
    title, _, body = message.text.partition("\n")
    return (title, body) if body else (message.incident, title)


def _load_plugins() -> None:
    """All hundred of them, a third of a second: at start, because a page in the middle of the night cannot wait."""
    with warnings.catch_warnings():
        # One of them imports a module that Python 3.13 has no more; it brings its own there.
        warnings.simplefilter("ignore", DeprecationWarning)
        Apprise.instantiate("json://localhost")


def _notify(url: str, title: str, body: str) -> bool | None:
    """In a thread. None when the URL is none of Apprise's; False for whatever else went wrong."""
    # Built anew each time: a plugin that is kept sleeps between its messages, some for five seconds, and a second page
    # cannot wait for that.
    service = Apprise(asset=AppriseAsset(async_mode=False))
    if not service.add(url):
        return None
    return bool(service.notify(body=body, title=title, body_format=NotifyFormat.TEXT))
