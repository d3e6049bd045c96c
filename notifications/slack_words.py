"""What Tocsin says in Slack besides the page itself, in English and Spanish. Pure."""

from dataclasses import dataclass
from datetime import datetime

from contacts.addresses import ChannelKind
from notifications.wording import Language, Reader, local_time, notice_text

COMMAND = "/tocsin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a page. Names are for people; a moment is aware UTC."""

    taken_by: str | None = None
    taken_at: datetime | None = None
    passed_by: str | None = None
    passed_at: datetime | None = None
    escalated: bool = False
    said: str | None = None
    """The answer to a question: yes or no; call leaves it open."""
    said_by: str | None = None
    said_at: datetime | None = None
    expired_at: datetime | None = None
    stopped_at: datetime | None = None
    resolved_at: datetime | None = None
    ended: str | None = None
    """closed, stood-down or merged."""
    ended_at: datetime | None = None


def outcome_line(outcome: Outcome, reader: Reader) -> str | None:
    """The line that replaces the buttons; None while the page still asks for an answer."""
    sentences = [_answered(outcome, reader), _over(outcome, reader)]
    return " ".join(each for each in sentences if each) or None


def _answered(outcome: Outcome, reader: Reader) -> str | None:
    language = reader.language
    if outcome.said is not None and outcome.said_by is not None and outcome.said_at is not None:
        who, at = outcome.said_by, local_time(outcome.said_at, reader)
        spanish = "sí" if outcome.said == "yes" else "no"
        return _choose(language, f"{who} said {outcome.said} at {at}.", f"{who} dijo {spanish} ({at}).")
    if outcome.expired_at is not None:
        at = local_time(outcome.expired_at, reader)
        return _choose(language, f"Nobody answered until {at}.", f"Nadie contestó hasta {at}.")
    if outcome.taken_by is not None and outcome.taken_at is not None:
        at = local_time(outcome.taken_at, reader)
        return _choose(language, f"Taken by {outcome.taken_by} at {at}.", f"Lo tomó {outcome.taken_by} ({at}).")
    if outcome.passed_by is not None and outcome.passed_at is not None:
        who, at = outcome.passed_by, local_time(outcome.passed_at, reader)
        if outcome.escalated:
            return _choose(language, f"Escalated by {who} at {at}.", f"Lo escaló {who} ({at}).")
        return _choose(language, f"Passed by {who} at {at}.", f"Lo pasó {who} ({at}).")
    if outcome.stopped_at is not None:
        at = local_time(outcome.stopped_at, reader)
        return _choose(
            language,
            f"Nobody else is called since {at}; you need do nothing.",
            f"No se llama a nadie más desde {at}; no tiene que hacer nada.",
        )
    return None


_ENDED = {"closed": ("Closed", "Cerrado"), "stood-down": ("Stood down", "Desactivado"), "merged": ("Merged", "Unido")}


def _over(outcome: Outcome, reader: Reader) -> str | None:
    language = reader.language
    if outcome.ended is not None:
        english, spanish = _ENDED.get(outcome.ended, ("Ended", "Terminado"))
        when = "" if outcome.ended_at is None else local_time(outcome.ended_at, reader)
        return _choose(language, f"{english} at {when}.", f"{spanish} ({when}).")
    if outcome.resolved_at is not None:
        when = local_time(outcome.resolved_at, reader)
        return _choose(language, f"Resolved at {when}.", f"Resuelto ({when}).")
    return None


def safe(sentence: str) -> str:
    """One line that mentions nobody and links nowhere, whatever a person has written into it."""
    return notice_text(ChannelKind.SLACK, sentence, message_id="")


def help_text(language: Language) -> str:
    return _choose(
        language,
        f"`{COMMAND} declare [title]` something is wrong: call people\n"
        f"`{COMMAND} status` what is open\n"
        f"`{COMMAND} ack INC-7` take it · `{COMMAND} escalate INC-7` · `{COMMAND} pass INC-7`\n"
        f"`{COMMAND} yes INC-7` · `{COMMAND} no INC-7` · `{COMMAND} call INC-7` to a question that you were asked\n"
        f"`{COMMAND} note INC-7 text` write it down · `{COMMAND} resolve INC-7 what resolved it`",
        f"`{COMMAND} declare [título]` algo va mal: llamar a la gente\n"
        f"`{COMMAND} status` qué está abierto\n"
        f"`{COMMAND} ack INC-7` tomarlo · `{COMMAND} escalate INC-7` · `{COMMAND} pass INC-7`\n"
        f"`{COMMAND} yes INC-7` · `{COMMAND} no INC-7` · `{COMMAND} call INC-7` a una pregunta que le hicieron\n"
        f"`{COMMAND} note INC-7 texto` anotarlo · `{COMMAND} resolve INC-7 qué lo resolvió`",
    )


def stranger(person: str) -> str:
    """The refusal for somebody who is in no contacts.yaml; they learn nothing else."""
    return f"Tocsin does not know this person ({person}); nothing was changed. Ask to be added to contacts.yaml."


def unknown_message() -> str:
    return "Tocsin does not know this message; nothing was changed."


def nothing_open(language: Language) -> str:
    return _choose(language, "No incident is open.", "No hay ningún incidente abierto.")


def which_incident(verb: str, language: Language) -> str:
    return _choose(
        language,
        f"Say which incident: `{COMMAND} {verb} INC-7`. `{COMMAND} status` lists what is open.",
        f"Diga qué incidente: `{COMMAND} {verb} INC-7`. `{COMMAND} status` muestra lo que está abierto.",
    )


def no_form(because: str, instead: str, language: Language) -> str:
    """Slack did not open a form, and what to type in its place."""
    return _choose(
        language,
        f"The form did not open ({safe(because)}); nothing was changed. Type `{instead}`.",
        f"El formulario no se abrió ({safe(because)}); nada ha cambiado. Escriba `{instead}`.",
    )


def not_done(because: str) -> str:
    """Trouble of our own: the person must know that it did not happen."""
    return f"This could not be carried out: {because} Try again, or use the command line."


def _choose(language: Language, english: str, spanish: str) -> str:
    return english if language == "en" else spanish
