"""A mailbox that is read by IMAP, in a thread of its own because the library blocks.

A mail that was taken gets the keyword TocsinTaken (where the server keeps no keywords: it is marked as read). It is
marked after it was taken, so a restart misses nothing; what is then taken twice is recognised by its Message-ID.
"""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

from imapclient import SEEN, IMAPClient, SocketTimeout  # type: ignore[import-untyped]

from notifications.email_account import EmailAccount

log = logging.getLogger("tocsin.mail")

TAKEN = b"TocsinTaken"
MOST_BYTES = 10 * 1024 * 1024
AT_ONCE = 50
LOOK_EVERY = 2.0
IDLE_FOR = 60
"""Looks of one second while the server is asked to tell of new mail; then it is asked anew (RFC 2177 allows 29 min)."""
TAKE_WITHIN = 30.0
LONGEST_PAUSE = 30.0
TROUBLE_AFTER = 3
"""Failures in a row before anybody is told."""
TOLD_AGAIN_AFTER = 3600.0
"""Whoever is told decides how often people hear of it, which is once a day."""
STOP_WITHIN = 3.0
_TIMEOUT = SocketTimeout(connect=5, read=20)


class _NotTaken(Exception):
    """One mail that cannot be had now. Try again later."""


Take = Callable[[bytes, Sequence[str], str | None], Awaitable[None]]


class ImapPoller:
    """`take` is given each new mail in the loop that called `start`; `trouble` hears why none can be read."""

    def __init__(self, account: EmailAccount, take: Take, trouble: Callable[[str], Awaitable[None]]) -> None:
        self._account = account
        self._take = take
        self._trouble = trouble
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failures = 0
        self._told_at: float | None = None
        self._later: dict[int, tuple[int, float]] = {}
        """Mails that could not be kept, by their number: how often they were tried, and when they are again."""

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="imap", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Waits for the mail in hand; a server that says nothing is not waited for."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.join, STOP_WITHIN)

    # --- in the thread ---

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._connected() as client:
                    self._read(client)
            except Exception as error:  # noqa: BLE001 - servers answer what they like; the thread must outlive it
                self._fails(error)
                self._stopping.wait(min(2.0 ** (self._failures - 1), LONGEST_PAUSE))

    def _connected(self) -> IMAPClient:
        account = self._account
        context = None if account.imap_security == "none" else ssl.create_default_context()
        client = IMAPClient(
            account.imap_host,
            port=account.imap_port,
            ssl=account.imap_security == "tls",
            ssl_context=context if account.imap_security == "tls" else None,
            timeout=_TIMEOUT,
        )
        try:
            if account.imap_security == "starttls":
                client.starttls(context)
            client.login(account.imap_user, account.imap_password)
        except BaseException:
            client.shutdown()
            raise
        return client

    def _read(self, client: IMAPClient) -> None:
        """Take what is new, and wait for more, until stopped."""
        selected = client.select_folder(self._account.imap_folder)
        kept = selected.get(b"PERMANENTFLAGS", ())
        keeps_keywords = b"\\*" in kept or TAKEN in kept
        mark, new = (TAKEN, ["UNKEYWORD", TAKEN.decode()]) if keeps_keywords else (SEEN, ["UNSEEN"])
        idles = client.has_capability("IDLE")
        log.info("mail is read by IMAP folder=%s", self._account.imap_folder)
        self._later.clear()  # other numbers, perhaps
        while not self._stopping.is_set():
            ready = self._ready(client.search(new))
            for number in ready[:AT_ONCE]:
                self._one(client, number, mark)
            if not self._later:
                self._failures = 0
            elif ready and not self._stopping.is_set():
                self._fails(_NotTaken(f"{len(self._later)} mails could not be kept; they are read again"))
            if len(ready) <= AT_ONCE:
                self._wait(client, idles=idles and not self._later)

    def _ready(self, found: Sequence[int]) -> list[int]:
        """What is to be taken now: new mail first, then what failed and waits no longer."""
        self._later = {number: self._later[number] for number in found if number in self._later}
        now = time.monotonic()
        again = [number for number, (_, at) in self._later.items() if at <= now]
        return [*(number for number in found if number not in self._later), *again]

    def _one(self, client: IMAPClient, number: int, mark: bytes) -> None:
        """Take one mail and mark it. One that cannot be kept now stays as it is, and holds up no other."""
        if self._stopping.is_set():
            return
        try:
            content = self._fetched(client, number)
            if content is not None:
                self._hand_over(content)
        except _NotTaken as error:
            tries = self._later.get(number, (0, 0.0))[0] + 1
            self._later[number] = (tries, time.monotonic() + min(2.0 ** (min(tries, 10) - 1), LONGEST_PAUSE))
            log.warning("mail not taken, to be read again error=%s", error)
            return
        client.add_flags([number], [mark], silent=True)
        self._later.pop(number, None)

    def _fetched(self, client: IMAPClient, number: int) -> bytes | None:
        """None when it is too long, or somebody has deleted it meanwhile."""
        size = client.fetch([number], ["RFC822.SIZE"]).get(number, {}).get(b"RFC822.SIZE", 0)
        if not isinstance(size, int):
            raise _NotTaken("the server gives a size that is no number")
        if size > MOST_BYTES:
            log.warning("mail passed over: it has %d bytes", size)
            return None
        content = client.fetch([number], ["BODY.PEEK[]"]).get(number, {}).get(b"BODY[]")
        return content if isinstance(content, bytes) else None

    def _hand_over(self, content: bytes) -> None:
        try:
            self._in_loop(self._take(content, (), None))
        except Exception as error:
            raise _NotTaken(type(error).__name__) from error

    def _wait(self, client: IMAPClient, *, idles: bool) -> None:
        if not idles:
            self._stopping.wait(LOOK_EVERY)
            client.noop()
            return
        client.idle()
        try:
            for _ in range(IDLE_FOR):
                if self._stopping.is_set() or client.idle_check(timeout=1):
                    break
        finally:
            client.idle_done()

    def _fails(self, error: Exception) -> None:
        self._failures += 1
        log.warning("mail cannot be read by IMAP failures=%d error=%s: %s", self._failures, type(error).__name__, error)
        now = time.monotonic()
        if self._failures < TROUBLE_AFTER or (self._told_at is not None and now < self._told_at + TOLD_AGAIN_AFTER):
            return
        try:
            self._in_loop(self._trouble(f"the mailbox cannot be read: {error}"))
            self._told_at = now
        except Exception as unheard:  # noqa: BLE001 - whatever it is, the mailbox is read again
            log.error("operators could not be told error=%s", type(unheard).__name__)

    def _in_loop(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        if self._loop is None or self._loop.is_closed():
            raise OSError("the engine has stopped")
        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            future.result(TAKE_WITHIN)
        except TimeoutError:
            future.cancel()
            raise
