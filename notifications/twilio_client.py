"""One Twilio account: the official SDK on a pooled asynchronous connection, and what each refusal means for a page."""

import re
from base64 import b64encode
from collections.abc import Awaitable
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallList
from twilio.rest.api.v2010.account.message import MessageList

from incidents.errors import NotificationError, OptedOut, OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.connections import TOTAL_SECONDS, open_session, seconds, what_became_of_it

BASE_URL = "https://api.twilio.com"

_NUMBER = re.compile(r"\+?\d{7,15}")

Created = TypeVar("Created")

# https://www.twilio.com/docs/api/errors: faults of our account or sender; another person's phone would fail as well.
_OUR_FAULT = frozenset({20003, 20005, 20006, 20404, 21210, 21212, 21603, 21606, 21611, 21659, 21660})
_BUSY = (429, 503)
_CREDENTIALS = (401, 403)
# Permissions of one destination arrive as 403 too: https://www.twilio.com/docs/api/errors/21408
_DESTINATION = frozenset({13227, 21215, 21216, 21408, 21612, 21614})
_STOPPED = 21610


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """How to reach an account. `public_url` is where its callbacks find us; without it there are none."""

    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = BASE_URL
    public_url: str | None = None
    timeout_seconds: float = TOTAL_SECONDS
    """For one request, from the first byte to the last."""

    def callback(self, duty: str, message_id: str) -> str | None:
        """`{public_url}/twilio/{duty}/{message_id}`, or None without a public URL."""
        if self.public_url is None:
            return None
        return f"{self.public_url.rstrip('/')}/twilio/{duty}/{quote(message_id, safe='')}"


class PooledHttp(AsyncHttpClient):
    """The SDK's transport seam (https://www.twilio.com/docs/libraries/python/custom-http-client).

    The SDK's own asynchronous transport sends `timeout=None` with each request, which switches off any time-out its
    session has, and formats a dozen log lines a request whether or not anybody logs.
    """

    def __init__(self, account: TwilioAccount) -> None:
        super().__init__(getLogger("twilio"), is_async=True)
        pair = f"{account.account_sid}:{account.auth_token}".encode()
        self._authorization = {"Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
        self._account = account
        self._session: aiohttp.ClientSession | None = None

    async def request(  # type: ignore[override] # the SDK's own AsyncHttpClient overrides its base in the same way
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        if self._session is None:
            self._session = open_session(self._account.base_url, self._account.timeout_seconds)
        body = urlencode(data, doseq=True).encode("ascii") if data else None
        async with self._session.request(
            method,
            uri,
            params=params,
            data=body,
            headers={**(headers or {}), **self._authorization},
            allow_redirects=False,
        ) as answer:
            text = (await answer.read()).decode("utf-8", errors="replace")
            if answer.status in _BUSY:
                raise ProviderUnavailable(
                    f"Twilio asks to wait (HTTP {answer.status}).",
                    seconds(answer.headers.get("Retry-After")),
                    passing=True,
                )
            return Response(answer.status, text, answer.headers)

    async def close(self) -> None:
        """Give the connections back; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class TwilioClient:
    """The messages and calls of one account, over one pool; the SMS and the voice channel share it."""

    def __init__(self, account: TwilioAccount) -> None:
        self.account = account
        self._http = PooledHttp(account)
        client = Client(account.account_sid, account.auth_token, http_client=self._http)
        client.api.base_url = account.base_url
        # Kept, because every look-up through the client builds them anew.
        self.messages: MessageList = client.api.v2010.account.messages
        self.calls: CallList = client.api.v2010.account.calls

    async def ask(self, call: Awaitable[Created]) -> Created:
        """Await one call of the SDK. Raises only the three notification errors."""
        try:
            return await call
        except (aiohttp.ClientError, TimeoutError) as error:
            raise what_became_of_it(error, "Twilio") from error
        except (TwilioRestException, TwilioServiceException) as error:
            raise _refusal(error) from error
        except TwilioException as error:  # so the SDK reports a list that was refused, whatever its status
            raise OutcomeUnknown(f"Twilio gave no list: {error}.") from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # The SDK parses what came back; a body that is no Twilio resource breaks it in any of these ways.
            raise OutcomeUnknown(f"Twilio answered with something that cannot be read: {error}.") from error

    async def close(self) -> None:
        await self._http.close()


def accepted(sid: object) -> str:
    """The id of what was created. Raises OutcomeUnknown where the answer has none."""
    if isinstance(sid, str) and sid:
        return sid
    raise OutcomeUnknown("Twilio answered that it had accepted, but named no message.")


def _refusal(error: TwilioRestException | TwilioServiceException) -> NotificationError:
    status, code, words = error.status, error.code, _words(error)
    if status >= 500 or status == 409:
        return OutcomeUnknown(f"Twilio failed (HTTP {status}): {words}.")
    if code == _STOPPED:
        return OptedOut(f"Twilio error {code}: {words}.")
    if code in _DESTINATION:
        return Undeliverable(f"Twilio error {code}: {words}.")
    if status in _CREDENTIALS:
        return ProviderUnavailable(
            f"Twilio refuses our credentials (HTTP {status}: {words}); check the account SID and the auth token."
        )
    if code in _OUR_FAULT or status < 400 or status == 408:
        return ProviderUnavailable(f"Twilio refuses our account or sender (error {code}, HTTP {status}): {words}.")
    return Undeliverable(f"Twilio error {code}: {words}.")


def _words(error: TwilioRestException | TwilioServiceException) -> str:
    """Twilio's words without the number that it likes to quote: they go into the log, which forgets nothing."""
    said: Any = error.msg if isinstance(error, TwilioRestException) else error.detail or error.title
    return _NUMBER.sub(lambda found: f"{found[0][:3]}..{found[0][-2:]}", str(said)).rstrip(".")
