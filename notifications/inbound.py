"""What a person may write back where free text is carried: `7a`, `7e`, `7p`, `7c`, or the words themselves."""

import re
import unicodedata
from typing import Literal

from incidents.ids import parse_incident_id

Verb = Literal["acknowledge", "escalate", "pass", "resolve", "repeat", "unknown"]

_VERBS: dict[str, Verb] = {
    "a": "acknowledge", "ack": "acknowledge", "acknowledge": "acknowledge", "take": "acknowledge",
    "tomo": "acknowledge", "acepto": "acknowledge",
    "e": "escalate", "escalate": "escalate", "escala": "escalate", "escalar": "escalate",
    "p": "pass", "pass": "pass", "paso": "pass",
    "c": "resolve", "close": "resolve", "resolve": "resolve", "resolved": "resolve", "resuelto": "resolve",
}  # fmt: skip

_NUMBER_THEN_VERB = re.compile(r"(?:inc-?)?0*(?P<number>\d{1,12})\s*(?P<verb>[a-z]+)")
_VERB_THEN_NUMBER = re.compile(r"(?P<verb>[a-z]+?)[\s#:]*(?:inc-?)?0*(?P<number>\d{1,12})")
_VERB_ALONE = re.compile(r"(?P<verb>[a-z]+)")
_AROUND = " \t'\"`.,;:!()"


def understood(text: str) -> tuple[Verb, str | None]:
    """The verb, and the incident it names; without a number the incident is None: the last one paged to this sender.

    Only the first line with anything on it counts, because telephones add signatures. Anything else is `unknown`.
    """
    said = next((line for line in text.splitlines() if line.strip(_AROUND)), "")
    words = _straight(said)
    for pattern in (_NUMBER_THEN_VERB, _VERB_THEN_NUMBER, _VERB_ALONE):
        found = pattern.fullmatch(words)
        if found is None or found["verb"] not in _VERBS:
            continue
        number = found.groupdict().get("number")
        incident = parse_incident_id(number) if number is not None else None
        if number is None or incident is not None:
            return _VERBS[found["verb"]], incident
    return "unknown", None


def _straight(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join("'" if each in "‘’“”´" else each for each in folded).strip(_AROUND)  # noqa: RUF001 - as phones write
