"""Pages by telephone call through Twilio. Only a pressed key is an answer; that somebody picked up is not."""

from contacts.addresses import ChannelKind
from incidents.errors import Undeliverable
from notifications import twiml
from notifications.channel import Message, Sent
from notifications.twilio_client import TwilioClient, accepted

# Shorter than most carriers' voicemail, so that a phone that rings out is no-answer and the next channel starts.
_RING_SECONDS = 25
_EVENTS = ["initiated", "ringing", "answered", "completed"]


class TwilioVoice:
    """One call a message. With a public URL Twilio fetches the menu from us and brings the key back; without, it reads
    the page out and no answer can arrive."""

    kind = ChannelKind.VOICE

    def __init__(self, client: TwilioClient, sender: str) -> None:
        self._client = client
        self._sender = sender
        self.gives_receipts = client.account.public_url is not None
        self.two_way = self.gives_receipts

    async def send(self, message: Message) -> Sent:
        """See Channel.send: the provider has queued the call."""
        calls, account = self._client.calls, self._client.account
        url = account.callback("voice", message.message_id)
        if url is None:
            document = twiml.say_twice(message.text, message.language)
            call = calls.create_async(to=message.to, from_=self._sender, twiml=document, timeout=_RING_SECONDS)
        else:
            call = calls.create_async(
                to=message.to,
                from_=self._sender,
                url=url,
                status_callback=account.callback("status", message.message_id),
                status_callback_event=_EVENTS,
                machine_detection="Enable",
                timeout=_RING_SECONDS,
            )
        created = await self._client.ask(call)
        return Sent(provider_id=accepted(created.sid))

    async def recover(self, message: Message) -> Sent | None:
        """Unknown, always: Twilio's list of calls shows neither our id nor the text of a call.

        The proof is Twilio's own request for the menu, or a status callback: both carry the message id in their URL.
        https://www.twilio.com/docs/voice/api/call-resource#call-properties
        """
        return None

    async def cancel(self, provider_id: str) -> None:
        """End the call while it is queued or ringing; one that is being talked on, or over, is left alone."""
        try:
            await self._client.ask(self._client.calls.get(provider_id).update_async(status="canceled"))
        except Undeliverable:
            # https://www.twilio.com/docs/api/errors/21220: the call is no longer in a state that can be cancelled
            return

    async def close(self) -> None:
        await self._client.close()
