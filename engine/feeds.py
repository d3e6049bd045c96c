"""Asks for a calendar feed over HTTP, once, and has it read. Whatever goes wrong is an answer, never an exception.

A feed is written by others: it is read in a process of its own (listening/apart.py).
"""

import codecs
from dataclasses import dataclass

import aiohttp

from contacts.calendars import Reading, answered
from listening import apart

TIME_LIMIT = 10.0
"""Seconds for all of it, redirects included."""
SIZE_LIMIT = 5 * 1024 * 1024
"""Bytes, unpacked."""
READ_LIMIT = 60.0
"""Seconds in which a feed must be read. One of 5 MB takes 20 s on a busy machine."""
_MEMORY_LIMIT = 2 * 1024**3
"""Bytes of address space in which a feed must be read."""
_READER = """
from contacts.calendars import answer
sys.stdout.write(answer(sys.stdin.read()))
"""
"""Not a module run by its name: this one would import aiohttp, and `contacts` does no I/O."""
_MOST_REDIRECTS = 5
_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Marks:
    """What a server gave us to ask with whether anything has changed (RFC 9110, ETag and Last-Modified)."""

    etag: str = ""
    modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    text: str
    marks: Marks


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server says that we have it already."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A sentence that says why there is nothing to read."""

    because: str


def new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIME_LIMIT),
        headers={"Accept": "text/calendar, */*;q=0.1", "User-Agent": "Tocsin"},
    )


async def fetch(session: aiohttp.ClientSession, url: str, marks: Marks) -> Fetched | Unchanged | Failed:
    """What the feed says now. `webcal` means https; redirects lead to http and https only."""
    address = f"https://{url[len('webcal://') :]}" if url.startswith("webcal://") else url
    try:
        async with session.get(address, headers=marks.headers, max_redirects=_MOST_REDIRECTS) as response:
            return await _read(response, asked_with=marks)
    except TimeoutError:
        return Failed(f"It did not come within {TIME_LIMIT:.0f} s.")
    except aiohttp.NonHttpUrlClientError:
        return Failed("It has moved to an address that is neither http nor https.")
    except aiohttp.TooManyRedirects:
        return Failed("It has moved, again and again.")
    except aiohttp.ClientPayloadError:
        return Failed("It broke off in the middle.")
    except aiohttp.ClientConnectorError as error:
        return Failed(f"It cannot be reached ({error.os_error.strerror or type(error).__name__}).")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # By its kind alone: its words may hold the address, and that may be a secret.
        return Failed(f"It cannot be reached ({type(error).__name__}).")


async def _read(response: aiohttp.ClientResponse, *, asked_with: Marks) -> Fetched | Unchanged | Failed:
    if response.status == 304 and asked_with.headers:
        return Unchanged()
    if response.status != 200:
        return Failed(f"Its server answered {response.status}.")
    body = bytearray()
    async for part in response.content.iter_chunked(_AT_ONCE):
        body += part
        if len(body) > SIZE_LIMIT:
            return Failed(f"It is larger than {SIZE_LIMIT // 1024**2} MB.")
    marks = Marks(response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))
    return Fetched(bytes(body).decode(_encoding(response), "replace"), marks)


async def read(question: str) -> Reading | Failed:
    """What the calendar of a `contacts.calendars.question` says. Cancelling it ends the process that reads."""
    try:
        said = await apart.answer(_READER, question.encode(), seconds=READ_LIMIT, memory=_MEMORY_LIMIT)
    except apart.NotRead as error:
        return Failed(f"It {error}")
    return answered(said.decode())


_ENCODINGS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "mac-", "koi8", "shift_jis", "euc_", "gb", "big5")


def _encoding(response: aiohttp.ClientResponse) -> str:
    """iCalendar is UTF-8 unless its sender says otherwise (RFC 5545, 3.1.4).

    Only encodings in which calendars are written: Python knows others by name (punycode) that take hours for 5 MB.
    """
    try:
        said = codecs.lookup(response.charset or "utf-8").name
    except LookupError:
        return "utf-8"
    return said if said.startswith(_ENCODINGS) else "utf-8"
