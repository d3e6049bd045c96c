"""The directory: a frozen snapshot of contacts.yaml. `resolve` says who stands behind a reference of the plan.

A reference is a contact id (`ana`) or a role (`role:duty-commander`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import phonenumbers
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from incidents.ids import Slug
from incidents.money import Money

Reference = Annotated[str, StringConstraints(pattern=r"^(role:)?[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]


class ChannelKind(StrEnum):
    CONSOLE = "console"
    SMS = "sms"
    VOICE = "voice"
    SLACK = "slack"


def possible_phone(number: str) -> str:
    """E.164 as written. Gate on *possible* numbers: test ranges are possible and never valid."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"{number!r} is not a phone number in E.164 form such as +12025550123") from error
    if not phonenumbers.is_possible_number(parsed):
        raise ValueError(f"{number!r} cannot be a phone number: its length is wrong for its country")
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if written != number:
        raise ValueError(f"write {number!r} as {written!r} (E.164: plus sign, digits, nothing else)")
    return number


Phone = Annotated[str, AfterValidator(possible_phone)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ConsoleChannel(_Frozen):
    kind: Literal["console"]
    to: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SmsChannel(_Frozen):
    kind: Literal["sms"]
    to: Phone


class VoiceChannel(_Frozen):
    kind: Literal["voice"]
    to: Phone


class SlackChannel(_Frozen):
    kind: Literal["slack"]
    to: Annotated[str, StringConstraints(pattern=r"^[CDGUW][A-Z0-9]{2,}$")]


ContactChannel = Annotated[ConsoleChannel | SmsChannel | VoiceChannel | SlackChannel, Field(discriminator="kind")]


class Authority(_Frozen):
    """What a contact may decide, up to how much, until when, by whose grant."""

    may: Literal["compensation", "publish", "stop-sale", "recall", "shutdown"]
    per_customer: Money | None = None
    total: Money | None = None
    until: AwareDatetime | None = None
    granted_by: str

    def in_force(self, now: datetime) -> bool:
        return self.until is None or now < self.until


class Contact(_Frozen):
    id: Slug
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    language: Literal["en", "es"] = "en"
    time_zone: str = "UTC"
    channels: Annotated[tuple[ContactChannel, ...], Field(min_length=1)]
    """In the order in which they are tried."""
    drills: bool = False
    """Opted in to drills on real channels; without it a drill reaches only their console (invariant 11)."""
    authority: tuple[Authority, ...] = ()

    def channels_for(self, *, drill: bool) -> tuple[ContactChannel, ...]:
        """The channels a page may use, in order. Empty means that this contact cannot be reached."""
        if drill and not self.drills:
            return tuple(channel for channel in self.channels if isinstance(channel, ConsoleChannel))
        return tuple(self.channels)


class Role(_Frozen):
    id: Slug
    title: str
    responsible: Slug
    deputy: Slug | None = None
    second_deputy: Slug | None = None


class Directory(_Frozen):
    """contacts.yaml as loaded. `resolve` and `contact` never raise for what the plan check has let through."""

    contacts: tuple[Contact, ...]
    roles: tuple[Role, ...] = ()

    def contact(self, contact_id: str) -> Contact | None:
        return self._by_id().get(contact_id)

    def role(self, role_id: str) -> Role | None:
        for role in self.roles:
            if role.id == role_id:
                return role
        return None

    def resolve(self, reference: str) -> Contact | None:
        """The contact behind a reference: of a role, its responsible, else the first deputy who exists."""
        if not reference.startswith("role:"):
            return self.contact(reference)
        role = self.role(reference.removeprefix("role:"))
        if role is None:
            return None
        for holder in (role.responsible, role.deputy, role.second_deputy):
            found = self.contact(holder) if holder is not None else None
            if found is not None:
                return found
        return None

    def _by_id(self) -> dict[str, Contact]:
        index: dict[str, Contact] | None = self.__dict__.get("_index")
        if index is None:
            index = {contact.id: contact for contact in self.contacts}
            self.__dict__["_index"] = index
        return index
