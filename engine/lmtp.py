"""A small LMTP server (RFC 2033): the company's mail server hands us the mail to our addresses.

What could not be kept is refused for now (451), and the mail server brings it again; nothing is ever bounced by us.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from incidents.errors import TocsinError
from storage.database import DatabaseError

log = logging.getLogger("tocsin.mail")
# aiosmtpd writes down every command, with everybody's address and our tokens in it.
logging.getLogger("mail.log").setLevel(logging.WARNING)

MOST_BYTES = 10 * 1024 * 1024
IDLE_SECONDS = 60.0
MOST_AT_ONCE = 20
"""Connections: each may hold a mail of MOST_BYTES. A mail server that is refused comes again."""

Take = Callable[[bytes, Sequence[str], str | None], Awaitable[None]]


class LmtpServer:
    """`take` is given each mail with its envelope. Listens from `start` to `stop`."""

    def __init__(self, host: str, port: int, from_address: str, take: Take) -> None:
        self._host = host
        self._port = port
        self._name = from_address.rpartition("@")[2]
        self._handler = _Handler(take)
        self._server: asyncio.Server | None = None
        self._open: set[LMTP] = set()

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._host, self._port)
        log.info("mail is taken by LMTP on %s port %d", self._host, self._port)

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _connection(self) -> LMTP:
        return _Connection(
            self._open,
            self._handler,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname=self._name,  # else the library asks the DNS for our name, and waits
            ident="Tocsin",
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )


class _Connection(LMTP):
    """One of a limited number; the others are told to come again (421, RFC 5321, section 3.8)."""

    def __init__(self, others: set[LMTP], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._others = others

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._others) >= MOST_AT_ONCE and isinstance(transport, asyncio.WriteTransport):
            log.warning("connection by LMTP refused: there are %d", len(self._others))
            transport.write(b"421 4.3.2 Too many connections. Come again.\r\n")
            transport.close()
            return
        self._others.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._others:
            self._others.discard(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """What a refused client says meanwhile is not heard."""
        if self in self._others:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self in self._others else None


class _Handler:
    """The hooks that aiosmtpd calls."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def handle_DATA(self, server: LMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.original_content or b""
        recipients = list(envelope.rcpt_tos)
        try:
            await self._take(content, recipients, envelope.mail_from)
        except (TocsinError, DatabaseError) as error:
            log.warning("mail not taken, to be brought again error=%s", error)
            return _each(recipients, "451 4.3.0 Not now. Bring it again.")
        return _each(recipients, "250 2.0.0 Taken")

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail not taken, to be brought again", exc_info=error)
        return "451 4.3.0 Not now. Bring it again."


def _each(recipients: Sequence[str], status: str) -> str:
    """LMTP answers once a recipient after the data (RFC 2033, section 4.2); aiosmtpd sends what it is given."""
    return "\r\n".join([status] * max(len(recipients), 1))
