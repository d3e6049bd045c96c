"""A mailbox that is read by IMAP, in a thread of its own because the library blocks.

A mail that was taken gets the keyword TocsinTaken (where the server keeps no keywords: it is marked as read). It is
marked after it was taken, so a restart misses nothing; what is then taken twice is recognised by its Message-ID.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence

from imapclient import SEEN, IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError  # type: ignore[import-untyped]

from incidents.errors import TocsinError
from notifications.email_account import EmailAccount
from storage.database import DatabaseError

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
STOP_WITHIN = 3.0
_TIMEOUT = SocketTimeout(connect=5, read=20)


class _NotTaken(Exception):
    """Try again later."""


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
            except (IMAPClientError, OSError, _NotTaken) as error:
                self._failures += 1
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
        while not self._stopping.is_set():
            found = client.search(new)
            taken = [number for number in found[:AT_ONCE] if self._one(client, number, mark)]
            if len(taken) < len(found[:AT_ONCE]) and not self._stopping.is_set():
                raise _NotTaken("a mail could not be kept; it is read again")
            self._failures = 0
            if len(found) <= AT_ONCE:
                self._wait(client, idles=idles)

    def _one(self, client: IMAPClient, number: int, mark: bytes) -> bool:
        """Take one mail and mark it. One that cannot be kept now stays as it is, and holds up no other."""
        if self._stopping.is_set():
            return False
        size = client.fetch([number], ["RFC822.SIZE"]).get(number, {}).get(b"RFC822.SIZE", 0)
        content = None
        if size <= MOST_BYTES:
            content = client.fetch([number], ["BODY.PEEK[]"]).get(number, {}).get(b"BODY[]")
        else:
            log.warning("mail passed over: it has %d bytes", size)
        try:
            if content is not None:  # None: somebody has deleted it meanwhile
                self._in_loop(self._take(content, (), None))
        except Exception:
            log.exception("mail not taken, to be read again")
            return False
        client.add_flags([number], [mark], silent=True)
        return True

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
        log.warning("mail cannot be read by IMAP failures=%d error=%s", self._failures, error)
        if self._failures == TROUBLE_AFTER:
            try:
                self._in_loop(self._trouble(f"the mailbox cannot be read: {error}"))
            except (TocsinError, DatabaseError, TimeoutError) as unheard:
                log.error("operators could not be told error=%s", unheard)

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
