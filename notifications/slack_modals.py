"""The forms that open in Slack, as pure functions from what is known to a view.

https://docs.slack.dev/reference/views/modal-views; each block's id is the name under which its value comes back.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from incidents.impact import DONT_KNOW, MATRIX, Question, Row
from incidents.severity import Severity
from notifications.wording import Language

DECLARE, RESOLVE = "tocsin_declare", "tocsin_resolve"
TITLE, SITUATION, SEVERITY, KNOWN, NOTE = "title", "situation", "severity", "known", "note"
IMPACT = "impact-"
"""Begins the block of each question about the impact."""

LONGEST_TITLE = 200
LONGEST_TEXT = 3000  # https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
_MOST_OPTIONS = 100  # https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element
_OPTION, _HEADING = 75, 24
_NOTE = 3000

_SEVERITIES: dict[Severity, tuple[str, str]] = {
    Severity.SEV1: ("SEV1 crisis", "SEV1 crisis"),
    Severity.SEV2: ("SEV2 major", "SEV2 grave"),
    Severity.SEV3: ("SEV3 moderate", "SEV3 moderada"),
    Severity.SEV4: ("SEV4 minor", "SEV4 leve"),
}


def declare_view(
    title: str,
    situations: Sequence[tuple[str, str]],
    reply_to: str | None,
    language: Language,
    matrix: Mapping[Row, Question] = MATRIX,
) -> dict[str, Any]:
    """`situations` are (id, title) in the plan's order; the first is chosen beforehand, so that a title is enough.

    `matrix`: the questions about the impact, each of which may be left alone.
    """
    say = _Say(language)
    options = [_option(name or each, each) for each, name in situations[:_MOST_OPTIONS]]
    select = {**_select(SITUATION, options), **({"initial_option": options[0]} if options else {})}
    severities = [_option(say(*words), each.value) for each, words in _SEVERITIES.items()]
    return {
        "type": "modal",
        "callback_id": DECLARE,
        "private_metadata": _metadata({"reply_to": reply_to}),
        "title": _plain(say("Declare an incident", "Declarar incidente")),
        "submit": _plain(say("Declare", "Declarar")),
        "close": _plain(say("Cancel", "Cancelar")),
        "blocks": [
            _input(TITLE, say("What is wrong?", "¿Qué pasa?"), _line(TITLE, LONGEST_TITLE, title)),
            _input(SITUATION, say("Situation", "Situación"), select),
            _input(
                SEVERITY,
                say("Severity, if you know it", "Gravedad, si la conoce"),
                _select(SEVERITY, severities),
                optional=True,
            ),
            _input(KNOWN, say("What do you know?", "¿Qué se sabe?"), _area(KNOWN), optional=True),
            *(_impact(row, question, language) for row, question in matrix.items()),
        ],
    }


def _impact(row: Row, question: Question, language: Language) -> dict[str, Any]:
    say, block = _Say(language), f"{IMPACT}{row}"
    options = [_option(say(each.says, each.es or each.says), word) for word, each in question.answers.items()]
    options.append(_option(say("I don't know", "No lo sé"), DONT_KNOW))
    return _input(block, say(question.ask, question.es or question.ask), _select(block, options), optional=True)


def impact_of(given: Mapping[str, str]) -> dict[str, str]:
    """The answers about the impact in what was given in a form, by question."""
    return {block.removeprefix(IMPACT): said for block, said in given.items() if block.startswith(IMPACT)}


def resolve_view(incident: str, reply_to: str | None, language: Language) -> dict[str, Any]:
    """Asks for the note without which nothing is resolved."""
    say = _Say(language)
    return {
        "type": "modal",
        "callback_id": RESOLVE,
        "private_metadata": _metadata({"reply_to": reply_to, "incident": incident}),
        "title": _plain(say(f"Resolve {incident}", f"Resolver {incident}")[:_HEADING]),
        "submit": _plain(say("Resolve", "Resolver")),
        "close": _plain(say("Cancel", "Cancelar")),
        "blocks": [_input(NOTE, say("What resolved it?", "¿Qué lo resolvió?"), _area(NOTE))],
    }


def refusal(errors: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a submission that keeps the form open, with a sentence below each field."""
    return {"response_action": "errors", "errors": dict(errors)}


class _Say:
    """Chooses the reader's language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, english: str, spanish: str) -> str:
        return english if self._language == "en" else spanish


def _metadata(note: Mapping[str, str | None]) -> str:
    """What comes back with the submission; without the reply address where that would be too long for Slack."""
    known = {key: value for key, value in note.items() if value is not None}
    written = json.dumps(known, ensure_ascii=True)
    return written if len(written) <= _NOTE else json.dumps({**known, "reply_to": ""}, ensure_ascii=True)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _option(text: str, value: str) -> dict[str, Any]:
    shown = text if len(text) <= _OPTION else f"{text[: _OPTION - 1]}…"
    return {"text": _plain(shown), "value": value}


def _select(block: str, options: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "static_select", "action_id": block, "options": list(options)}


def _line(block: str, longest: int, given: str) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "plain_text_input", "action_id": block, "max_length": longest}
    return {**element, "initial_value": given[:longest]} if given else element


def _area(block: str) -> dict[str, Any]:
    return {"type": "plain_text_input", "action_id": block, "multiline": True, "max_length": LONGEST_TEXT}


def _input(block: str, label: str, element: Mapping[str, Any], *, optional: bool = False) -> dict[str, Any]:
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element, "optional": optional}
