"""What a person may write back where free text is carried: `1a`, `1e`, `1p`, `1c`, `1y`, or the words themselves."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from incidents.ids import parse_incident_id

Verb = Literal["acknowledge", "escalate", "pass", "resolve", "repeat", "yes", "no", "call", "stop", "start", "unknown"]

_VERBS: dict[str, Verb] = {
    "a": "acknowledge", "ack": "acknowledge", "acknowledge": "acknowledge", "take": "acknowledge",
    "tomo": "acknowledge", "acepto": "acknowledge", "aa": "acknowledge",
    "e": "escalate", "escalate": "escalate", "escala": "escalate", "escalar": "escalate", "ee": "escalate",
    "p": "pass", "pass": "pass", "paso": "pass", "pp": "pass",
    "c": "resolve", "close": "resolve", "resolve": "resolve", "resolved": "resolve", "resuelto": "resolve",
    "cc": "resolve",
    "y": "yes", "yes": "yes", "s": "yes", "si": "yes", "sí": "yes",
    "n": "no", "no": "no",
    "call": "call", "llamar": "call", "llame": "call",
}  # fmt: skip
# Carriers and Twilio know these words too: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
_START = frozenset({"start", "unstop"})

_NUMBER_THEN_VERB = re.compile(r"(?P<prefix>inc-?)?0*(?P<number>\d{1,12})\s*(?P<verb>[^\W\d_]+)")
_VERB_THEN_NUMBER = re.compile(r"(?P<verb>[^\W\d_]+?)[\s#:]*(?P<prefix>inc-?)?0*(?P<number>\d{1,12})")
_VERB_ALONE = re.compile(r"(?P<verb>[^\W\d_]+)")
_AROUND = " \t'\"`.,;:!()¡¿?"


@dataclass(frozen=True, slots=True)
class Said:
    """What was written. `code` is the small number of one phone; `incident` a whole incident's id."""

    verb: Verb
    code: int | None = None
    incident: str | None = None


def read_sms(text: str) -> Said:
    """The verb, and what it is about: `1a` names a code of that phone, `ack 12`, `a#12` and `INC-12 a` an incident.

    A bare word is about the last message to that phone. Only the first line with anything on it counts, because
    telephones add signatures. Anything else is `unknown`.
    """
    words = _straight(_first_line(text))
    if words in _STOP:
        return Said("stop")
    if words in _START:
        return Said("start")
    for pattern in (_NUMBER_THEN_VERB, _VERB_THEN_NUMBER, _VERB_ALONE):
        found = pattern.fullmatch(words)
        if found is None or found["verb"] not in _VERBS:
            continue
        verb, parts = _VERBS[found["verb"]], found.groupdict()
        number = parts.get("number")
        if number is None:
            return Said(verb)
        if pattern is _NUMBER_THEN_VERB and parts["prefix"] is None:
            return Said(verb, code=int(number)) if int(number) > 0 else Said("unknown")
        incident = parse_incident_id(number)
        if incident is not None:
            return Said(verb, incident=incident)
    return Said("unknown")


def understood(text: str) -> tuple[Verb, str | None]:
    """The verb, and the incident it names where there are no codes (mail); None means the one that it replies to."""
    said = read_sms(text)
    if said.code is not None:
        return said.verb, parse_incident_id(str(said.code))
    return said.verb, said.incident


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip(_AROUND)), "")


def _straight(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join("'" if each in "‘’“”´" else each for each in folded).strip(_AROUND)  # noqa: RUF001 - as phones write
