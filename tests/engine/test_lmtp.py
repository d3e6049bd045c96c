"""Our LMTP server: how many may talk to it at once."""

import asyncio
from collections.abc import Sequence

from engine.lmtp import MOST_AT_ONCE, LmtpServer
from tests.support.counterparties import free_port


async def _never(_content: bytes, _recipients: Sequence[str], _sender: str | None) -> None:
    raise AssertionError("no mail was sent")


async def test_one_connection_too_many_is_told_to_come_again():
    port = free_port()
    server = LmtpServer("127.0.0.1", port, "pages@larkfield.test", _never)
    await server.start()
    try:
        async with asyncio.timeout(20):
            within = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_AT_ONCE)]
            greetings = [await reader.readline() for reader, _ in within]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"LHLO x\r\n")
            refused = await reader.read()
            writer.close()
            within[0][1].close()
            await within[0][1].wait_closed()
            await asyncio.sleep(0.1)
            again, another = await asyncio.open_connection("127.0.0.1", port)
            greeting = await again.readline()
            for _, each in [*within[1:], (again, another)]:
                each.close()
    finally:
        await server.stop()

    assert all(each.startswith(b"220 ") for each in greetings)
    assert refused.startswith(b"421 4.3.2 ")
    assert b"\r\n250" not in refused
    assert greeting.startswith(b"220 ")
