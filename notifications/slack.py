"""Pages in Slack: one message with buttons, in a channel or to a person; and whatever else the app's bot says."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from contacts.addresses import ChannelKind
from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from notifications.connections import open_session, seconds, what_became_of_it
from notifications.slack_requests import is_reply_address
from notifications.wording import Language, answer_by_command

BASE_URL = "https://slack.com/api/"
EVENT_TYPE = "tocsin_message"

_POST_SECONDS = 5.0
_OPEN_SECONDS = 2.5  # together under the pager's 8
_LISTED = 100
_SECTION = 3000  # https://docs.slack.dev/reference/block-kit/blocks/section-block: characters of text

# Errors of chat.postMessage and conversations.open that this address, or this message, will get every time.
# https://docs.slack.dev/reference/methods/chat.postMessage#errors
_ADDRESS = frozenset(
    {
        "channel_not_found", "is_archived", "not_in_channel", "user_not_found", "user_disabled", "user_not_visible",
        "users_not_found", "cannot_dm_bot", "messages_tab_disabled", "restricted_action", "msg_too_long", "no_text",
        "invalid_blocks", "invalid_blocks_format", "invalid_arguments", "not_enough_users",
    }
)  # fmt: skip
_CREDENTIALS = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "no_permission", "not_allowed_token_type", "access_denied", "org_login_required", "ekm_access_denied",
    }
)  # fmt: skip
# "It's possible some aspect of the operation succeeded before the error was raised" (the same page).
_DOUBTFUL = frozenset({"fatal_error", "internal_error", "request_timeout"})

_BUTTONS: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "en": (
        ("tocsin_ack", "Take it", "primary"),
        ("tocsin_escalate", "Escalate", ""),
        ("tocsin_pass", "Pass", ""),
        ("tocsin_resolve", "Resolve…", ""),
    ),
    "es": (
        ("tocsin_ack", "Lo tomo", "primary"),
        ("tocsin_escalate", "Escalar", ""),
        ("tocsin_pass", "Paso", ""),
        ("tocsin_resolve", "Resolver…", ""),
    ),
}


_DECISION_BUTTONS: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "en": (("tocsin_yes", "Yes", "primary"), ("tocsin_no", "No", "danger"), ("tocsin_call", "Call me", "")),
    "es": (("tocsin_yes", "Sí", "primary"), ("tocsin_no", "No", "danger"), ("tocsin_call", "Llámenme", "")),
}


class SlackWeb:
    """Slack's Web API as the app's bot. Opens its session with the first call; `close` gives it back."""

    def __init__(self, token: str, base_url: str = BASE_URL, timeout_seconds: float = _POST_SECONDS) -> None:
        self.base_url = base_url
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._client: AsyncWebClient | None = None
        self._conversations: dict[str, str] = {}

    def client(self) -> AsyncWebClient:
        if self._client is None:
            # retry_handlers=[]: the default ones repeat a request whose connection broke, and so could post twice.
            self._client = AsyncWebClient(
                token=self._token,
                base_url=self.base_url,
                session=open_session(self.base_url, total=self._timeout_seconds),
                retry_handlers=[],
            )
            self._client.proxy = None  # the session knows the proxy, and for which hosts there is none
        return self._client

    async def close(self) -> None:
        """A second call does nothing; a call of another method opens a session again."""
        client, self._client = self._client, None
        if client is not None and client.session is not None:
            await client.session.close()

    async def conversation(self, to: str) -> str:
        """The conversation to post in: a channel as it is; a person's direct messages are opened once."""
        if not to.startswith(("U", "W")):
            return to
        known = self._conversations.get(to)
        if known is None:
            answer = await self.asked("conversations.open", {"users": to})
            channel = answer.get("channel")
            known = str(channel.get("id") or "") if isinstance(channel, dict) else ""
            if not known:
                raise ProviderUnavailable("Slack opened a conversation but did not name it.")
            self._conversations[to] = known
        return known

    async def asked(self, method: str, question: dict[str, str]) -> Any:
        """A question that pages nobody: without an answer it is unavailable, never of unknown outcome."""
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                # As a form, which every method takes; the SDK's own methods would put it into the query.
                return await self.client().api_call(method, data=question)
        except SlackApiError as error:
            refusal = _refusal(error)
            raise ProviderUnavailable(str(refusal)) if isinstance(refusal, OutcomeUnknown) else refusal from error
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, AttributeError) as error:
            raise ProviderUnavailable(f"Slack cannot be asked: {str(error) or type(error).__name__}.") from error

    async def open_form(self, trigger: str, view: Mapping[str, Any]) -> None:
        """Open a form before the person whose request has this trigger: once, within three seconds of it.

        Raises NotificationError; then nothing has opened, or nobody knows.
        """
        await self.asked("views.open", {"trigger_id": trigger, "view": json.dumps(view)})

    async def settle(self, provider_id: str, message: Message, line: str) -> None:
        """Edit a page that was posted as `provider_id`: its buttons give way to `line`. Again, it changes nothing.

        Raises NotificationError.
        """
        conversation, _, ts = provider_id.partition(":")
        edited = {
            "channel": conversation,
            "ts": ts,
            "text": message.text,
            "blocks": json.dumps(settled_blocks(message, line)),
            "metadata": json.dumps(_metadata(message)),
        }
        await self.asked("chat.update", edited)

    async def reply(self, address: str, text: str) -> None:
        """Say something that only this person sees, at the address that came with their request.

        Raises Undeliverable for an address that is not Slack's, NotificationError when it did not arrive.
        """
        if not is_reply_address(address, self.base_url):
            raise Undeliverable("The reply address is not one of Slack's.")
        said = {"response_type": "ephemeral", "replace_original": False, "text": text}
        session = self.client().session
        assert session is not None  # we gave it one
        try:
            async with session.post(address, json=said, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ProviderUnavailable(f"The reply did not reach Slack: {type(error).__name__}.") from error
        if status != 200:
            raise ProviderUnavailable(f"Slack refuses the reply (HTTP {status}).")

    async def tell(self, person: str, text: str) -> None:
        """Write to a person's direct messages. Raises NotificationError."""
        await self.asked("chat.postMessage", {"channel": await self.conversation(person), "text": text})


class SlackChannel:
    """Posts as the app's bot. Slack reports no delivery; its acceptance counts."""

    kind = ChannelKind.SLACK
    gives_receipts = False

    def __init__(
        self, token: str, base_url: str = BASE_URL, *, two_way: bool, timeout_seconds: float = _POST_SECONDS
    ) -> None:
        self.two_way = two_way
        self.web = SlackWeb(token, base_url, timeout_seconds)

    async def send(self, message: Message) -> Sent:
        """See Channel.send. The provider id is `channel:ts`."""
        conversation = await self.web.conversation(message.to)
        try:
            answer = await self.web.client().chat_postMessage(
                channel=conversation,
                text=message.text,
                blocks=_blocks(message, with_buttons=self.two_way),
                metadata=_metadata(message),
                unfurl_links=False,
                unfurl_media=False,
            )
            posted = _post_id(conversation, answer.get("ts"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise what_became_of_it(error, "Slack") from error
        except SlackApiError as error:
            raise _refusal(error) from error
        except (ValueError, TypeError, AttributeError) as error:
            # The SDK expects a JSON object; whatever else comes with a 200 breaks it in one of these ways.
            raise OutcomeUnknown(f"Slack answered with something that cannot be read: {error}.") from error
        return Sent(provider_id=posted)

    async def recover(self, message: Message) -> Sent | None:
        """Look for our metadata among the last messages of the conversation. Needs the scopes `*:history`."""
        conversation = await self.web.conversation(message.to)
        question = {"channel": conversation, "include_all_metadata": "true", "limit": str(_LISTED)}
        answer = await self.web.asked("conversations.history", question)
        for posted in answer.get("messages") or []:
            metadata = posted.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") == EVENT_TYPE and payload.get("message_id") == message.message_id:
                return Sent(provider_id=_post_id(conversation, posted.get("ts")))
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: what was posted stays in the conversation's record."""

    async def close(self) -> None:
        await self.web.close()


def _blocks(message: Message, *, with_buttons: bool) -> list[dict[str, Any]]:
    """https://docs.slack.dev/reference/block-kit: the text, a link where there is one, and how to answer."""
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": message.text[:_SECTION]}},
    ]
    if message.kind == "page" and with_buttons:
        offered = (_DECISION_BUTTONS if message.question else _BUTTONS)[message.language]
        blocks.append({"type": "actions", "elements": [_button(*each, message.message_id) for each in offered]})
    remarks = [f"`#{message.code}`"]
    if message.kind == "page" and not with_buttons:
        remarks.insert(0, answer_by_command(message.incident, message.language))
    if message.link is not None:
        remarks.append(f"<{message.link}|{message.incident}>")
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(remarks)}]})
    return blocks


def settled_blocks(message: Message, line: str) -> list[dict[str, Any]]:
    """The same message without its buttons, and under it what became of it."""
    text, *rest = _blocks(message, with_buttons=True)
    settled = {"type": "section", "text": {"type": "mrkdwn", "text": f"*{line}*"}}
    return [text, settled, *(block for block in rest if block["type"] != "actions")]


def _metadata(message: Message) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"message_id": message.message_id}}


def _button(action: str, label: str, style: str, message_id: str) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "action_id": action,
        "value": message_id,
        "text": {"type": "plain_text", "text": label},
    }
    return {**button, "style": style} if style else button


def _post_id(conversation: str, ts: object) -> str:
    if not isinstance(ts, str) or not ts:
        raise OutcomeUnknown("Slack answered that it had posted, but named no message.")
    return f"{conversation}:{ts}"


def _refusal(error: SlackApiError) -> NotificationError:
    answer: Any = error.response
    # A body that is no JSON comes as aiohttp's response, any other as the SDK's own.
    status: int = answer.status_code if isinstance(answer, AsyncSlackResponse) else answer.status
    if status in (429, 503):
        return ProviderUnavailable(
            f"Slack asks to wait (HTTP {status}).",
            seconds(getattr(answer, "headers", {}).get("Retry-After")),
            passing=True,
        )
    if status >= 500:
        return OutcomeUnknown(f"Slack failed (HTTP {status}).")
    said = getattr(answer, "data", None)
    name = said.get("error") if isinstance(said, dict) else None
    if name is None:
        return OutcomeUnknown(f"Slack answered with something that cannot be read (HTTP {status}).")
    return _by_name(str(name))


def _by_name(name: str) -> NotificationError:
    """What an error name in an answer of Slack means; a name that we do not know was a refusal, and may pass."""
    if name in _DOUBTFUL:
        return OutcomeUnknown(f"Slack failed: {name}.")
    if name in _ADDRESS:
        return Undeliverable(f"Slack refuses this message: {name}.")
    if name in _CREDENTIALS:
        return ProviderUnavailable(f"Slack refuses our credentials: {name}; check the bot token and its scopes.")
    return ProviderUnavailable(f"Slack refuses for now: {name}.")
