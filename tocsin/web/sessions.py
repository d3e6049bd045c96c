"""Who may look at pages: somebody who gave the API token at the login, or the holder of a signed link."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from engine.services import Engine

COOKIE = "tocsin_session"
LASTS = timedelta(hours=12)
ANSWER = "answer"
"""The purpose of a link in a page: look at one incident and answer the call."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who acts. With a link `signature` proves it, for one incident; with a session `session` does, everywhere."""

    contact: str
    signature: str | None = None
    session: str | None = None


def token_matches(engine: Engine, given: str) -> bool:
    """Whether this is the API token. Takes the same time for right and wrong."""
    return hmac.compare_digest(given.encode(), engine.token.encode())


def sign_in(engine: Engine, contact: str, request: Request, response: Response) -> None:
    """Set the cookie. Its value is derived from the token: it gives none away, and a new token ends every session."""
    until = int((engine.clock.now() + LASTS).timestamp())
    response.set_cookie(
        COOKIE,
        f"{until}.{contact}.{_seal(engine, contact, until)}",
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_https(engine, request),
        path="/",
    )


def sign_out(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def signed_in(engine: Engine, request: Request) -> Visitor | None:
    """The visitor behind the cookie, or None when it is missing, forged or over, or the contact has gone."""
    value = request.cookies.get(COOKIE, "")
    until, _, rest = value.partition(".")
    contact, _, seal = rest.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) < 16 and seal):
        return None
    if not hmac.compare_digest(seal.encode(), _seal(engine, contact, int(until)).encode()):
        return None
    if int(until) <= engine.clock.now().timestamp() or engine.directory.contact(contact) is None:
        return None
    return Visitor(contact, session=value)


def by_link(engine: Engine, incident: str, contact: str, signature: str) -> Visitor | None:
    """The visitor whom a signed link names, or None when it was not made here for this incident and contact."""
    if not contact or not engine.links.is_signed(ANSWER, incident, contact, signature):
        return None
    return None if engine.directory.contact(contact) is None else Visitor(contact, signature=signature)


def form_token(engine: Engine, visitor: Visitor) -> str:
    """What a form of this session carries, so that no other site can post it."""
    return engine.links.signature("form", visitor.session or "", visitor.contact)


def form_is_ours(engine: Engine, visitor: Visitor, given: str) -> bool:
    return hmac.compare_digest(form_token(engine, visitor).encode(), given.encode())


def _seal(engine: Engine, contact: str, until: int) -> str:
    fingerprint = hashlib.sha256(engine.token.encode()).hexdigest()
    return engine.links.signature("session", f"{fingerprint} {until}", contact)


def _is_https(engine: Engine, request: Request) -> bool:
    """A cookie that only travels encrypted, wherever the outside reaches us encrypted."""
    public = engine.config.public_url or ""
    forwarded = request.headers.get("x-forwarded-proto", "")
    return (
        request.url.scheme == "https"
        or forwarded == "https"
        or (public.startswith("https://") and request.url.hostname not in ("127.0.0.1", "localhost", "::1"))
    )
