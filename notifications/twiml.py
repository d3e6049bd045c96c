"""What Twilio's voice says: TwiML documents, built with the SDK (https://www.twilio.com/docs/voice/twiml)."""

from typing import Literal

from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Gather, VoiceResponse

from notifications.wording import (
    Language,
    nobody_pressed,
    nothing_confirmed,
    proof_menu,
    question_menu,
    voice_menu,
    wrong_key,
)

ATTEMPTS = 3
"""How often the menu is offered to somebody who presses nothing, or a wrong key."""
_WAIT_SECONDS = 8

_VOICE: dict[Language, Literal["en-US", "es-ES"]] = {"en": "en-US", "es": "es-ES"}


def ask(
    text: str,
    language: Language,
    action: str,
    *,
    answered_by: str | None = None,
    attempt: int = 1,
    question: bool = False,
) -> str:
    """The page and its menu; a machine hears the page twice and no menu, because a machine must not take charge.

    `action` is where the key goes; it gets `?attempt=`, which counts the menus that were not answered.
    """
    document = VoiceResponse()
    if is_machine(answered_by):
        document.say(text, language=_VOICE[language], loop=2)
    else:
        _offer(document, [text, _menu(language, question)], language, action, attempt)
    return str(document)


def ask_again(
    text: str, language: Language, action: str, *, attempt: int, heard_a_key: bool, question: bool = False
) -> str:
    """After a wrong key or silence: the menu once more, and after the last time a farewell instead.

    `attempt` is that of the request; the document carries the next one.
    """
    document = VoiceResponse()
    opening = [wrong_key(language)] if heard_a_key else []
    if attempt >= ATTEMPTS:
        document.say(" ".join([*opening, nobody_pressed(language)]), language=_VOICE[language])
        document.hangup()
    else:
        _offer(document, [*opening, text, _menu(language, question)], language, action, attempt + 1)
    return str(document)


def ask_for_proof(
    text: str, language: Language, action: str, *, answered_by: str | None = None, attempt: int = 1
) -> str:
    """A verification call: the code and one key to confirm it. A machine is not told the code."""
    document = VoiceResponse()
    if is_machine(answered_by) or attempt > ATTEMPTS:
        document.say(nothing_confirmed(language), language=_VOICE[language])
        document.hangup()
    else:
        _offer(document, [text, proof_menu(language)], language, action, attempt)
    return str(document)


def say(sentence: str, language: Language) -> str:
    """One sentence and the end of the call: what became of the key that was pressed."""
    document = VoiceResponse()
    document.say(sentence, language=_VOICE[language])
    document.hangup()
    return str(document)


def say_twice(text: str, language: Language) -> str:
    """A page on a call that nobody can answer by key: without a public URL Twilio cannot bring us one."""
    document = VoiceResponse()
    document.say(text, language=_VOICE[language], loop=2)
    return str(document)


def reply(sentence: str | None) -> str:
    """The answer to an inbound SMS; None says nothing."""
    document = MessagingResponse()
    if sentence is not None:
        document.message(sentence)
    return str(document)


def is_machine(answered_by: str | None) -> bool:
    """https://www.twilio.com/docs/voice/answering-machine-detection: machine_start, machine_end_*, fax."""
    return answered_by is not None and (answered_by.startswith("machine") or answered_by == "fax")


def _menu(language: Language, question: bool) -> str:
    return question_menu(language) if question else voice_menu(language)


def _offer(document: VoiceResponse, sentences: list[str], language: Language, action: str, attempt: int) -> None:
    # actionOnEmptyResult: without it silence falls through to the end of the document and the call just ends.
    # https://www.twilio.com/docs/voice/twiml/gather#actiononemptyresult
    gather = Gather(
        input="dtmf",
        num_digits=1,
        timeout=_WAIT_SECONDS,
        finish_on_key="",  # "#" is a wrong key like any other, not silence
        action=f"{action}?attempt={attempt}",
        method="POST",
        action_on_empty_result=True,
    )
    for sentence in sentences:
        gather.say(sentence, language=_VOICE[language])
    document.append(gather)
