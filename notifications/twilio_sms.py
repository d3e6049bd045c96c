"""Pages by SMS through Twilio."""

from contacts.addresses import ChannelKind
from incidents.errors import OutcomeUnknown, ProviderUnavailable
from notifications.channel import Message, Sent
from notifications.twilio_client import TwilioClient, accepted

# A page that waited longer in Twilio's queue is stale, and the ladder has gone on; their default is hours.
# https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource (ValidityPeriod)
_VALID_SECONDS = 600
_LISTED = 50
_LOST = frozenset({"failed", "undelivered", "canceled"})


class TwilioSms:
    """One SMS a message. Receipts and answers arrive only where the account has a public URL."""

    kind = ChannelKind.SMS

    def __init__(self, client: TwilioClient, sender: str) -> None:
        self._client = client
        self._sender = sender
        self.gives_receipts = client.account.public_url is not None
        self.two_way = self.gives_receipts

    async def send(self, message: Message) -> Sent:
        """See Channel.send. The text must hold the message's code as its last word, or `recover` cannot find it."""
        callback = self._client.account.callback("status", message.message_id)
        # A callback is left out, not sent empty: the SDK drops None.
        created = await self._client.ask(
            self._client.messages.create_async(
                to=message.to,
                from_=self._sender,
                body=message.text,
                status_callback=callback,
                validity_period=_VALID_SECONDS,
            )
        )
        return Sent(provider_id=accepted(created.sid))

    async def recover(self, message: Message) -> Sent | None:
        """Look for the code among the last messages to this number; one that Twilio has given up on proves nothing.

        Without a filter by date: DateSent stays empty until the message has left.
        """
        try:
            listed = await self._client.ask(self._client.messages.list_async(to=message.to, limit=_LISTED))
        except OutcomeUnknown as error:  # nothing was sent here: a question without an answer
            raise ProviderUnavailable(str(error)) from error
        for found in listed:
            if (found.body or "").endswith(f"#{message.code}") and found.sid and str(found.status) not in _LOST:
                return Sent(provider_id=found.sid)
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: an SMS cannot be called back."""

    async def close(self) -> None:
        await self._client.close()
