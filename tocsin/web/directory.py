"""`/api/v1/contacts` and `/api/v1/who-can`: how people can be reached, the proof of it, and who may decide."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contacts.addresses import ChannelKind
from contacts.authority import Action
from contacts.standing import shown
from engine.contacts_view import deciders_view, directory_view, known
from engine.verification import Asked, Fate
from incidents.errors import CommandRefused
from incidents.money import Currency, Money
from tocsin.web.api import GUARDED, EngineHere
from tocsin.web.fields import AMOUNT
from tocsin.web.orders import By

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)

_FATES: dict[Fate, str] = {
    Fate.SENT: "A code goes to {name} by {kind}: {to}.",
    Fate.OUT: "Nothing goes to {name} by {kind}: {to} is out until its owner writes START.",
    Fate.JUST_SENT: "{to} ({name}, {kind}) was sent a code in the last ten minutes.",
    Fate.NOT_SET_UP: "Nothing goes to {name} by {kind}: this installation has no {kind}.",
}


class VerifyOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    contacts: Annotated[tuple[By, ...], Field(max_length=1000)] = ()
    """Ids or roles; empty means everybody."""
    channel: ChannelKind | None = None
    which: Literal["due", "expired", "all"] = "due"
    """`due`: never proven, expired, or expiring within seven days."""


class ConfirmOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(min_length=1, max_length=40)]


@router.get("/contacts")
async def contacts(engine: EngineHere) -> dict[str, Any]:
    """Everybody, how each of their addresses stands, and who holds what now."""
    beside = await engine.database.read(known)
    return {"plan_version": engine.book.version, **directory_view(engine.directory, engine.clock.now(), beside)}


@router.post("/contacts/verify")
async def verify(engine: EngineHere, order: VerifyOrder) -> dict[str, Any]:
    """Send codes. Says of each address that was chosen whether one goes there, and why not."""
    chosen = engine.verification.chosen(
        [engine.known_contact(each) for each in order.contacts],
        order.channel,
        everything=order.which == "all",
        expired=order.which == "expired",
    )
    return {"asked": [_asked(each) for each in await engine.verification.send(chosen)]}


def _asked(asked: Asked) -> dict[str, Any]:
    address = asked.address
    words = {"name": address.contact.name, "kind": address.kind.value, "to": shown(address.channel)}
    return {
        "contact": address.contact.id,
        **words,
        "outcome": asked.fate.value,
        "message_id": asked.message_id,
        "sentence": _FATES[asked.fate].format(**words),
    }


@router.post("/contacts/confirm")
async def confirm(engine: EngineHere, order: ConfirmOrder) -> dict[str, Any]:
    """Somebody says a code back: their address is proven."""
    channel, address, contact = await engine.verification.confirm(order.code, "api")
    person = engine.directory.contact(contact)
    until = engine.clock.now().date() + engine.directory.reverify_every
    name = contact if person is None else person.name
    return {
        "contact": contact,
        "channel": channel,
        "address": address,
        "sentence": f"{name} is reached by {channel} at {address}: proven until {until}.",
    }


@router.get("/who-can", responses={409: {}})
async def who_can(
    engine: EngineHere,
    action: Action,
    amount: Annotated[str | None, Query(pattern=AMOUNT)] = None,
    currency: Currency | None = None,
    count: Annotated[int, Query(ge=1, le=10**9)] = 1,
    area: Annotated[str | None, Query(max_length=64)] = None,
    at: AwareDatetime | None = None,
) -> dict[str, Any]:
    """Who may do this now (or at a moment), the least senior first, and who is left out and why."""
    if (amount is None) != (currency is None):
        raise CommandRefused("Give an amount and its currency, or neither.")
    money = None if amount is None or currency is None else Money(amount=Decimal(amount), currency=currency)
    return deciders_view(engine.directory, action, money, area, at or engine.clock.now(), count=count)


def include(app: FastAPI) -> None:
    app.include_router(router)
