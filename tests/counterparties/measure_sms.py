"""How many SMS a second one process hands to Twilio's SDK, against a bare server on loopback that answers at once.

    .venv/bin/python -m tests.counterparties.measure_sms [messages] [at once]

Prints the rate and the CPU a message costs this process; on a busy machine only the second is worth comparing.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from typing import cast

import uvloop

from notifications.channel import Message
from notifications.twilio_client import TwilioAccount, TwilioClient
from notifications.twilio_sms import TwilioSms
from notifications.wording import message_code
from tests.support.counterparties import free_port, wait_until

# The fields of https://www.twilio.com/docs/messaging/api/message-resource#message-properties
_RESOURCE = {
    "account_sid": "AC" + "0" * 32, "api_version": "2010-04-01", "body": "x" * 140,
    "date_created": "Sat, 21 Nov 2026 14:05:00 +0000", "date_sent": None,
    "date_updated": "Sat, 21 Nov 2026 14:05:00 +0000", "direction": "outbound-api", "error_code": None,
    "error_message": None, "from": "+12025550199", "num_media": "0", "num_segments": "1", "price": None,
    "price_unit": "USD", "messaging_service_sid": None, "sid": "SM" + "0" * 32, "status": "queued",
    "subresource_uris": {"media": "/2010-04-01/Accounts/AC/Messages/SM/Media.json"}, "to": "+12025550123",
    "uri": "/2010-04-01/Accounts/AC/Messages/SM.json",
}  # fmt: skip


class _AnswerAtOnce(asyncio.Protocol):
    _body = json.dumps(_RESOURCE).encode()
    _answer = (
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_body) + _body
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say so

    def data_received(self, data: bytes) -> None:
        # One request a packet: nothing here is larger, and nobody pipelines.
        if data.startswith(b"POST") or data.startswith(b"GET"):
            self._transport.write(self._answer)


def _serve(port: int) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_AnswerAtOnce, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())


def _listens(port: int) -> bool:
    async def connect() -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True

    return asyncio.run(connect())


async def _measure(port: int, messages: int, at_once: int) -> tuple[float, float]:
    account = TwilioAccount("AC" + "0" * 32, "token", f"http://127.0.0.1:{port}", "https://tocsin.example")
    channel = TwilioSms(TwilioClient(account), "+12025550199")
    numbers = iter(range(messages))

    async def send_until_done() -> None:
        for number in numbers:
            message_id = f"1.INC-7.1.r1.c1.{number}"
            code = message_code(message_id)
            await channel.send(
                Message(message_id, "INC-7", "page", "+12025550123", f"{'x' * 140} #{code}", "en", code, None)
            )

    await channel.send(Message("1", "INC-7", "page", "+12025550123", "first", "en", "ABCDE", None))
    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as senders:
        for _ in range(at_once):
            senders.create_task(send_until_done())
    took, used = time.perf_counter() - began, time.process_time() - cpu
    await channel.close()
    return took, used


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    server.start()
    try:
        wait_until(lambda: _listens(port), "the bare server")
        took, used = uvloop.run(_measure(port, messages, at_once))
        each = f"{used / messages * 1e6:,.0f} us of CPU each"
        sys.stdout.write(f"{messages / took:,.0f} messages a second, {each} ({at_once} at once)\n")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
