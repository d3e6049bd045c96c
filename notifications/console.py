"""The console channel: a page as a block of text on a stream. It needs no account and never fails quietly."""

from typing import TextIO

from contacts.addresses import ChannelKind
from incidents.errors import ProviderUnavailable
from notifications.channel import Message, Sent

_RULE = "=" * 72
_LABEL = {"page": "PAGE", "notice": "NOTICE", "update": "UPDATE", "summary": "SUMMARY", "bundle": "PAGES"}


class ConsoleChannel:
    """Prints. Answers come from the command line, so it counts as two-way."""

    kind = ChannelKind.CONSOLE
    gives_receipts = False
    two_way = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def send(self, message: Message) -> Sent:
        """Write and flush at once. Raises ProviderUnavailable when the stream is gone."""
        try:
            self._stream.write(_printable(_block(message), self._stream.encoding))
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise ProviderUnavailable(f"The console cannot be written: {error}.") from error
        return Sent(provider_id=None)

    async def recover(self, message: Message) -> Sent | None:
        """Unknown: what a terminal has shown cannot be read back."""
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: what is printed stays printed."""

    async def close(self) -> None:
        """Nothing: the stream belongs to the caller."""


def _block(message: Message) -> str:
    return f"\n{_RULE}\n{_LABEL[message.kind]} to {message.to}  #{message.code}\n{message.text}\n{_RULE}\n"


def _printable(text: str, encoding: str | None) -> str:
    """The text with `?` for what the stream cannot encode: an ASCII terminal must not refuse a page over an accent."""
    known = encoding or "utf-8"
    return text.encode(known, errors="replace").decode(known)
