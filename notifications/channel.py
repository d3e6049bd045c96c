"""The port between the pager and a provider: one small Protocol, owned by the pager, which adapters do not inherit."""

from dataclasses import dataclass
from typing import Literal, Protocol

from contacts.addresses import ChannelKind
from notifications.inbound import Verb

MessageKind = Literal["page", "notice", "update", "summary", "bundle"]
DeliveryState = Literal[
    "accepted", "delivered", "read", "undelivered", "busy", "no-answer", "voicemail", "hung-up", "failed"
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way to one address. `text` is final; channels add only what their medium needs around it."""

    message_id: str
    """Derived, unique; stands in callback URLs and in provider metadata."""
    incident: str
    kind: MessageKind
    to: str
    """The address, as contacts.yaml has it: E.164, a Slack id, a name."""
    text: str
    language: Literal["en", "es"]
    code: str
    """The message's own short code, also inside the SMS body; `recover` finds it at the provider by this."""
    link: str | None
    """A signed single-purpose link to the incident page, or None without TOCSIN_PUBLIC_URL."""
    drill: bool = False
    question: bool = False
    """An executive decision page: it is answered by yes, no or call."""
    contact: str = ""
    """Whose address it is, for the channels where an address alone names nobody: a browser's name is its owner's."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has it."""

    provider_id: str | None


class Channel(Protocol):
    """A way to reach people. Implementations set their own connect and read time-outs, all under the pager's 8 s."""

    kind: ChannelKind
    gives_receipts: bool
    """Whether the provider will report delivery; without, its acceptance counts as delivered."""
    two_way: bool
    """Whether an answer can come back on this channel."""

    async def send(self, message: Message) -> Sent:
        """Hand the message to the provider once; never retries by itself.

        Raises Undeliverable (this address never), ProviderUnavailable (refused for now, certainly not accepted) or
        OutcomeUnknown (nobody can say). A second call may send a second copy.
        """
        ...

    async def recover(self, message: Message) -> Sent | None:
        """Ask the provider whether it accepted the message. Found is proof; None (not found) is *unknown*.

        Raises ProviderUnavailable when it cannot be asked now. Changes nothing; may be called again.
        """
        ...

    async def cancel(self, provider_id: str) -> None:
        """Stop a call that is queued or ringing, where the medium can. Does nothing elsewhere, or the second time.

        Raises ProviderUnavailable or OutcomeUnknown when the provider cannot be told; the call then rings on.
        """
        ...

    async def close(self) -> None:
        """Give connections back. A second call does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said on any channel, before anything is known about whether it still matters."""

    verb: Verb
    message_id: str | None = None
    incident: str | None = None
    event_id: str | None = None
    """The provider's own id of the answer: the same answer twice is one answer."""
    sender: str | None = None
    """The address it came from: E.164 or Slack user id."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A provider's word about a message, in any order and any number of times."""

    message_id: str
    provider_id: str
    state: DeliveryState
    event_id: str
    detail: str = ""
