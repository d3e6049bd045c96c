"""The page `/push`: its owner lets a browser ring, once. The only page of ours with a script, and it needs one.

Whoever may open it is somebody who logged in, or the holder of a link that was signed for a contact and for a day.
GET changes nothing; the POST carries the proof again and says whose browser now rings.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from contacts.addresses import ChannelKind
from engine.services import Engine
from engine.subscriptions import may_subscribe, subscribe_path
from notifications.push_subscriptions import LONGEST_ENDPOINT, Subscription, what_is_wrong
from tocsin.web.pages import SECURE, Pages
from tocsin.web.sessions import Visitor, form_is_ours, signed_in

_STATIC = Path(__file__).parent / "static"
LONGEST_BODY = 8 * 1024
# Beyond the other pages: our own script, our own service worker, and one request to ourselves.
WITH_SCRIPT = {
    **SECURE,
    "Content-Security-Policy": f"{SECURE['Content-Security-Policy']}; script-src 'self'; worker-src 'self'; "
    "connect-src 'self'",
}
_SCRIPT = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}


def routes(engine: Engine) -> list[BaseRoute]:
    """The page, its script and its service worker, for the application to mount."""
    push = PushPage(engine)
    return [
        Route("/push", push.show, methods=["GET"]),
        Route("/push", push.subscribe, methods=["POST"]),
        Route("/static/push.js", _script("push.js"), methods=["GET"]),
        # At the root, because a worker may speak only for what lies below its own address.
        Route("/push-worker.js", _script("push-worker.js"), methods=["GET"]),
    ]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="ignore")

    p256dh: Annotated[str, StringConstraints(max_length=200)]
    auth: Annotated[str, StringConstraints(max_length=100)]


class _Given(BaseModel):
    """What a browser's own PushSubscription.toJSON() gives."""

    model_config = ConfigDict(extra="ignore")

    endpoint: Annotated[str, StringConstraints(max_length=LONGEST_ENDPOINT)]
    keys: _Keys


class SubscribeOrder(BaseModel):
    """What the page's script posts: which browser, its subscription, and who says so."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=64)]
    subscription: _Given
    c: Annotated[str, StringConstraints(max_length=64)] = ""
    u: Annotated[str, StringConstraints(max_length=16)] = ""
    s: Annotated[str, StringConstraints(max_length=64)] = ""
    form: Annotated[str, StringConstraints(max_length=64)] = ""


@dataclass(frozen=True, slots=True)
class _Lettered:
    """How a browser's name in contacts.yaml looks on the page."""

    name: str
    rings: bool


class PushPage(Pages):
    """Looks like every other page; shows itself, and keeps what a browser posts."""

    async def show(self, request: Request) -> Response:
        asked = request.query_params
        proof = {name: asked.get(name, "") for name in ("c", "u", "s")}
        visitor = self._subscriber(request, **proof)
        if visitor is None:
            if proof["s"] or proof["c"]:
                return self._refused(None, "This link is not right, or it is older than a day.", 403)
            return self._to_login(request)
        ringing = self._engine.subscriptions.names_of(visitor.contact)
        page = self._page(
            "push.html",
            visitor,
            key=self._public_key(),
            browsers=[_Lettered(name, name in ringing) for name in self._browsers_of(visitor.contact)],
            proof=proof,
            elsewhere=self._link(visitor) if visitor.session is not None else None,
        )
        page.headers.update(WITH_SCRIPT)
        return page

    async def subscribe(self, request: Request) -> Response:
        """Keep the browser's subscription. The same again changes nothing; another one takes its place."""
        body = await request.body()
        if len(body) > LONGEST_BODY:
            return _refused(413, "This is too long for a subscription.")
        try:
            order = SubscribeOrder.model_validate_json(body)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            return _refused(400, problems)
        visitor = self._subscriber(request, order.c, order.u, order.s)
        if visitor is None or not self._may_subscribe(visitor, order):
            return _refused(403, "This page is out of date, or was not made for you. Open your link again.")
        wrong = self._wrong_with(order, visitor)
        if wrong is not None:
            return _refused(409, wrong)
        given = order.subscription
        kept = Subscription(given.endpoint, given.keys.p256dh, given.keys.auth)
        await self._engine.subscriptions.keep(visitor.contact, order.name, kept)
        return JSONResponse({"sentence": f"This browser now rings for you as {order.name}."}, headers=SECURE)

    def _wrong_with(self, order: SubscribeOrder, visitor: Visitor) -> str | None:
        if self._public_key() is None:
            return "Browser push is not set up on this Tocsin."
        names = self._browsers_of(visitor.contact)
        if order.name not in names:
            listed = ", ".join(names) or "none"
            return f"contacts.yaml names no browser {order.name!r} of yours; it has {listed}."
        given = order.subscription
        return what_is_wrong(
            Subscription(given.endpoint, given.keys.p256dh, given.keys.auth),
            loopback=self._engine.config.channels.push_loopback,
        )

    def _subscriber(self, request: Request, c: str, u: str, s: str) -> Visitor | None:
        """The link's holder, else the session's. A link that is not right opens nothing, whoever is logged in."""
        if not (c or s):
            return signed_in(self._engine, request)
        if not may_subscribe(self._engine.links, c, u, s, self._engine.clock.now()):
            return None
        return None if self._engine.directory.contact(c) is None else Visitor(c, signature=s)

    def _may_subscribe(self, visitor: Visitor, order: SubscribeOrder) -> bool:
        """A link proves itself by its signature; a session needs the token of its own page as well."""
        return visitor.signature is not None or form_is_ours(self._engine, visitor, order.form)

    def _browsers_of(self, contact_id: str) -> list[str]:
        contact = self._engine.directory.contact(contact_id)
        channels = () if contact is None else contact.channels
        return [each.to for each in channels if each.kind == "push"]

    def _public_key(self) -> str | None:
        # By name: the class would bring its encryption into engines that have no push.
        key: str | None = getattr(self._engine.channels.get(ChannelKind.PUSH), "public_key", None)
        return key

    def _link(self, visitor: Visitor) -> str:
        """For the contact's other browsers: a session ends with the browser in which it was opened."""
        root = (self._engine.config.public_url or self._engine.config.url).rstrip("/")
        return root + subscribe_path(self._engine.links, visitor.contact, self._engine.clock.now())


def _refused(status: Literal[400, 403, 409, 413], sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers=SECURE)


def _script(name: str) -> Any:
    async def answer(_: Request) -> Response:
        text = (_STATIC / name).read_text(encoding="utf-8")
        return Response(text, media_type="text/javascript", headers=_SCRIPT)

    return answer
