"""One aiohttp session a provider: pooled, with explicit time-outs under the pager's 8 s, behind the company's proxy."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable
from notifications.networks import OutsideResolver

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 7.0
_POOLED = 100
_NEVER_LEFT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


def open_session(base_url: str, total: float = TOTAL_SECONDS, *, outside_only: bool = False) -> aiohttp.ClientSession:
    """A session for one provider. Needs a running event loop; whoever opens it closes it.

    `outside_only`: its name must lead to the internet. Behind a proxy it is the proxy that finds the name.
    """
    proxy = proxy_for(base_url)
    resolver = OutsideResolver() if outside_only and proxy is None else None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_POOLED, resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=total, connect=CONNECT_SECONDS),
        proxy=proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def proxy_for(url: str) -> str | None:
    """The company's proxy for this address, or None where it is reached without one."""
    # Read once: aiohttp's own trust_env reads the environment, and ~/.netrc, again for every request.
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def what_became_of_it(error: aiohttp.ClientError | TimeoutError, provider: str) -> NotificationError:
    """Whether a request that ended without an answer can have arrived: only a missing connection says no for sure."""
    if isinstance(error, _NEVER_LEFT):
        return ProviderUnavailable(f"{provider} cannot be reached: {_named(error)}.")
    return OutcomeUnknown(f"{provider} did not answer: {_named(error)}.")


def seconds(retry_after: str | None) -> float | None:
    """The Retry-After header in seconds; its date form is ignored, because nobody here reads the clock."""
    return float(retry_after) if retry_after is not None and retry_after.strip().isdigit() else None


def _named(error: Exception) -> str:
    """By its type, and the number it carries. Never by its text: that of a broken answer holds the whole address, which
    is a secret at a webhook or a push service, and the log of an incident forgets nothing.
    """
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientResponseError) and error.status:
        return f"{name}, HTTP {error.status}"
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    # A name that is not found has a number below zero, of the resolver's own.
    return f"{name}, {os.strerror(number)}" if number is not None and number > 0 else name
