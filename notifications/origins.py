"""POST to addresses that somebody else chose: one pooled session an origin, no redirect followed, no body read."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from incidents.errors import ProviderUnavailable
from notifications.connections import TOTAL_SECONDS, open_session, seconds, what_became_of_it


@dataclass(frozen=True, slots=True)
class Answered:
    """The head of an answer."""

    status: int
    retry_after: float | None
    """Its own wish in seconds, if it gave one."""
    location: str | None

    @property
    def is_acceptance(self) -> bool:
        return 200 <= self.status < 300

    @property
    def asks_to_wait(self) -> bool:
        return self.status in (429, 503)


class Origins:
    """Opens what it needs; `close` gives everything back, and a later post opens anew."""

    def __init__(self, timeout_seconds: float = TOTAL_SECONDS, *, outside_only: bool = False) -> None:
        """`outside_only`: no name may lead to a network of our own."""
        self._timeout_seconds = timeout_seconds
        self._outside_only = outside_only
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], provider: str) -> Answered:
        """One request, never repeated. `provider` is its name in the errors, which hold no address.

        Raises ProviderUnavailable when it certainly did not arrive and OutcomeUnknown when it may have.
        """
        try:
            session = self._session(url)
        except ValueError:  # whose text may hold the address
            raise ProviderUnavailable(f"{provider} has an address that is none.") from None
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return Answered(
                    answer.status, seconds(answer.headers.get("Retry-After")), answer.headers.get("Location")
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            # Not chained: whoever logs the trace would log the address, which is a secret.
            raise what_became_of_it(error, provider) from None

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _session(self, url: str) -> aiohttp.ClientSession:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._sessions:
            self._sessions[origin] = open_session(origin, self._timeout_seconds, outside_only=self._outside_only)
        return self._sessions[origin]
