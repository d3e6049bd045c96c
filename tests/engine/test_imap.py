"""A mailbox read by IMAP whose mails, or whose server, are trouble: it goes on, and people hear of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine import imap
from engine.imap import ImapPoller
from notifications.email_account import EmailAccount


class Box:
    """An IMAP server as far as the poller uses it, over a list of mails."""

    def __init__(self, *mails: bytes, size: object = 100) -> None:
        self.mails = list(mails)
        self.size = size
        self.marked: set[int] = set()

    def __enter__(self) -> "Box":
        return self

    def __exit__(self, *_: object) -> None: ...

    def select_folder(self, _folder: str) -> dict[bytes, tuple[bytes, ...]]:
        return {b"PERMANENTFLAGS": (b"\\*",)}

    def has_capability(self, _name: str) -> bool:
        return False

    def search(self, _what: object) -> list[int]:
        return [number for number in range(len(self.mails)) if number not in self.marked]

    def fetch(self, numbers: list[int], _what: object) -> dict[int, dict[bytes, object]]:
        mail = self.mails[numbers[0]]
        return {numbers[0]: {b"RFC822.SIZE": self.size if mail == b"odd" else len(mail), b"BODY[]": mail}}

    def add_flags(self, numbers: list[int], _flags: object, *, silent: bool) -> None:
        assert silent
        self.marked |= set(numbers)

    def noop(self) -> None: ...


class Desk:
    """Takes every mail but `bad`, and hears of trouble."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.told: list[str] = []

    async def take(self, content: bytes, _recipients: object, _sender: object) -> None:
        if content == b"bad":
            raise ValueError("cannot be kept")
        self.taken.append(content)

    async def trouble(self, because: str) -> None:
        self.told.append(because)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(imap, "LOOK_EVERY", 0.01)


async def read(connected: Callable[[], Any], until: Callable[[Desk], bool]) -> Desk:
    desk = Desk()
    poller = ImapPoller(EmailAccount("pages@l.test", "x", imap_host="x"), desk.take, desk.trouble)
    poller._connected = connected  # type: ignore[method-assign]
    await poller.start()
    try:
        async with asyncio.timeout(10):
            while not until(desk):
                await asyncio.sleep(0.01)
    finally:
        await poller.stop()
    return desk


async def test_mails_that_cannot_be_kept_hold_up_no_other_and_are_told_of():
    box = Box(*[b"bad"] * 60, b"good")

    desk = await read(lambda: box, lambda desk: bool(desk.taken and desk.told))

    assert desk.taken == [b"good"]
    assert box.marked == {60}


async def test_a_size_that_is_no_number_ends_nothing():
    box = Box(b"odd", b"good", size=b"NIL")

    desk = await read(lambda: box, lambda desk: bool(desk.taken and desk.told))

    assert desk.taken == [b"good"]


async def test_a_server_that_makes_no_sense_is_asked_again_and_told_of_once_an_hour_until_it_does():
    asked: list[int] = []

    def connected() -> Box:
        asked.append(1)
        if len(asked) < 8:
            raise TypeError("what?")
        return Box(b"good")

    desk = await read(connected, lambda desk: bool(desk.taken))

    assert len(desk.told) == 1


async def test_trouble_that_lasts_is_told_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imap, "TOLD_AGAIN_AFTER", 0.05)

    def connected() -> Box:
        raise OSError("nobody there")

    await read(connected, lambda desk: len(desk.told) >= 3)
