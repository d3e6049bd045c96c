"""What Twilio tells us: whether it is Twilio, what a person answered, and what became of a message or a call.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from notifications.channel import Answer, DeliveryReport, DeliveryState
from notifications.inbound import Said, Verb, read_sms
from notifications.twiml import is_machine

Form = Mapping[str, str]

_KEYS: dict[str, Verb] = {"4": "acknowledge", "5": "escalate", "6": "pass", "*": "repeat"}
_DECISION_KEYS: dict[str, Verb] = {"1": "yes", "2": "no", "3": "call", "*": "repeat"}

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
_MESSAGE_STATES: dict[str, DeliveryState] = {
    "delivered": "delivered",
    "read": "read",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values
_CALL_STATES: dict[str, DeliveryState] = {
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "failed",
    "completed": "hung-up",
}
_SIP_NO_ANSWER = "480"


class TwilioSignatures:
    """Knows Twilio's requests by their signature, under any auth token of our accounts (two while one is rotated)."""

    def __init__(self, accounts: Iterable[tuple[str, Sequence[str]]]) -> None:
        """`accounts`: each account's SID and its auth tokens."""
        self._of_account: dict[str, tuple[RequestValidator, ...]] = {}
        for sid, tokens in accounts:
            made = tuple(RequestValidator(token) for token in tokens if token)
            # Two names may stand for one account, with a number each.
            self._of_account[sid] = (*self._of_account.get(sid, ()), *made)

    def accept(self, url: str, form: Form, signature: str | None) -> bool:
        """Whether Twilio signed this request. `url` is the public one with its query, as Twilio was given it.

        A request that names an account of ours is that account's, and no other's token signs it.
        """
        if not signature:
            return False
        everybody = [each for validators in self._of_account.values() for each in validators]
        validators = self._of_account.get(form.get("AccountSid", ""), everybody)
        return any(validator.validate(url, form, signature) for validator in validators)


def read_form(body: bytes) -> dict[str, str]:
    """The form in a request's body, empty fields included: they are signed too. Never raises."""
    return dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


def sms_said(form: Form) -> Said:
    """What an inbound SMS says. STOP and START also come as Twilio's own word for them.

    https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out (OptOutType)
    """
    match form.get("OptOutType"):
        case "STOP":
            return Said("stop")
        case "START":
            return Said("start")
        case _:
            return read_sms(form.get("Body", ""))


def sms_event_id(form: Form) -> str | None:
    return form.get("MessageSid") or form.get("SmsSid")


def key_answer(message_id: str, form: Form, attempt: int = 1, *, question: bool = False) -> Answer:
    """What a key pressed in a call says; `unknown` for any other key and for silence (`heard_a_key` tells which).

    `attempt` is the menu's, so that the same key at two menus is two answers and a repeated request is one.
    """
    digits = form.get("Digits", "")
    return Answer(
        verb=(_DECISION_KEYS if question else _KEYS).get(digits, "unknown"),
        message_id=message_id,
        event_id=f"{form.get('CallSid', '')}:{attempt}:{digits}",
        sender=form.get("To"),
    )


def heard_a_key(form: Form) -> bool:
    return bool(form.get("Digits"))


def menu_attempt(query: str | None) -> int:
    """The `attempt` of a gather URL; whatever is no count starts over at 1."""
    return int(query) if query is not None and query.isascii() and query.isdigit() and len(query) < 4 else 1


def status_report(message_id: str, form: Form) -> DeliveryReport:
    """A status callback of a message or a call. A state that we do not know says only that Twilio has it."""
    if form.get("CallSid"):
        return _call_report(message_id, form)
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    return DeliveryReport(
        message_id=message_id,
        provider_id=sid,
        state=_MESSAGE_STATES.get(status, "accepted"),
        event_id=f"{sid}:{status}",
        detail=_detail(status, form.get("ErrorCode")),
    )


def pick_up_report(message_id: str, form: Form) -> DeliveryReport:
    """Twilio's request for a call's TwiML: proof that it has the call, and the moment it knows who picked up.

    Only this request means `delivered`: the `answered` callback comes before the machine detection has ended.
    """
    sid, answered_by = form.get("CallSid", ""), form.get("AnsweredBy")
    return DeliveryReport(
        message_id=message_id,
        provider_id=sid,
        state="voicemail" if is_machine(answered_by) else "delivered",
        event_id=f"{sid}:picked-up",
        detail=answered_by or "",
    )


def _call_report(message_id: str, form: Form) -> DeliveryReport:
    sid, status = form["CallSid"], form.get("CallStatus", "")
    state = _CALL_STATES.get(status, "accepted")
    if is_machine(form.get("AnsweredBy")):
        state = "voicemail"
    elif status == "failed" and form.get("SipResponseCode") == _SIP_NO_ANSWER:
        state = "no-answer"
    return DeliveryReport(
        message_id=message_id,
        provider_id=sid,
        state=state,
        event_id=f"{sid}:{status}",
        detail=_detail(status, form.get("SipResponseCode") or form.get("ErrorCode")),
    )


def _detail(status: str, code: str | None) -> str:
    return f"{status} ({code})" if code else status
