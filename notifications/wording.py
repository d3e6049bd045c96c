"""What Tocsin says, in English and Spanish: pages for each channel, notices, updates. Pure; knows no provider.

An SMS is one segment of GSM-7 at any fill, its last word the message's own code, by which `recover` finds it again.
Keys are the same everywhere: voice 4 takes charge, 5 escalates, 6 passes, * repeats; SMS `1a`, `1e`, `1p`, `1c`, where
1 is the incident's code on that phone. A question is answered by 1, 2, 3 on the telephone, by SMS `1y`, `1n`, `1call`.
"""

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contacts.addresses import ChannelKind
from incidents.ids import incident_number, parse_incident_id
from incidents.severity import Severity
from notifications.gsm7 import SMS_SEPTETS, fold, septets, shorten

Language = Literal["en", "es"]

_SMS_REASON = 60
_VOICE_CHARACTERS = 375  # with its menu: 25 seconds at 15 characters a second
_VOICE_SITUATION, _VOICE_REASON, _VOICE_QUESTION = 60, 60, 220
_CHAT_TITLE = 300
_SPOKEN_INCIDENTS = 5
_MAIL_SUBJECT = 150
_WORDS_BY_MAIL = ("take, pass, escalate or resolved", "tomo, paso, escalar o resuelto")

_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lun", "mar", "mié", "jue", "vie", "sáb", "dom"),
}
_SPOKEN_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads or hears it: decides the language and in whose local time a moment is written."""

    language: Language = "en"
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class PageFacts:
    """All that a page says. `reason` is why this person is called when it is not the incident itself."""

    message_id: str
    incident: str
    severity: Severity
    situation: str
    title: str
    declared_at: datetime
    contact: str
    """The contact's id, as the command line takes it."""
    name: str
    rung: int
    attempt: int = 1
    area: str | None = None
    reason: str | None = None
    reader: Reader = Reader()
    drill: bool = False
    possible_duplicate: bool = False
    two_way: bool = True
    """Whether an answer on this channel can arrive; without it the text names the command instead."""
    link: str | None = None
    role: str | None = None
    """What they are called as: the title of a role, an area or a team."""
    code: int | None = None
    """The incident's reply code on this phone; without one an SMS is answered by the incident's number."""
    question: str | None = None
    """An executive decision page: this, answered by yes, no or call, is all that it asks."""
    expires_at: datetime | None = None


def message_code(message_id: str) -> str:
    """Five characters that stand for the message wherever its id is too long; the same id gives the same code."""
    return base64.b32encode(hashlib.sha256(message_id.encode()).digest()[:5]).decode("ascii")[:5]


def page_text(channel: ChannelKind, facts: PageFacts) -> str:
    """The page as this channel carries it: final text, to which the channel adds only its buttons or its menu."""
    match channel:
        case ChannelKind.SMS:
            return _sms_page(facts)
        case ChannelKind.VOICE:
            return _voice_page(facts)
        case ChannelKind.SLACK:
            return _slack_page(facts)
        case ChannelKind.CONSOLE:
            return _console_page(facts)
        case ChannelKind.PUSH | ChannelKind.WEBHOOK | ChannelKind.APPRISE:
            return _plain_page(channel, facts)
        case ChannelKind.EMAIL:
            return _email_page(facts)
        case _:
            assert_never(channel)


def notice_text(
    channel: ChannelKind, sentence: str, *, message_id: str, language: Language = "en", drill: bool = False
) -> str:
    """Any other sentence as this channel carries it: drills marked by their first word, an SMS cut to one segment."""
    spoken = _plain(sentence)
    opening = f"{_drill_word(language)} " if drill else ""
    if channel is ChannelKind.SMS:
        ending = f" #{message_code(message_id)}"
        return opening + shorten(fold(spoken), SMS_SEPTETS - len(opening) - len(ending)) + ending
    if channel is ChannelKind.SLACK:
        return opening + _escape_slack(spoken)
    if channel is ChannelKind.VOICE:
        return f"{opening.strip().capitalize()}. {spoken}" if drill else spoken
    if channel is ChannelKind.EMAIL:
        return _mail(opening + shorten(spoken, _MAIL_SUBJECT), opening + spoken, message_code(message_id))
    return opening + spoken


def _sms_page(facts: PageFacts) -> str:
    language = facts.reader.language
    opening = " ".join(
        word
        for word in (
            _drill_word(language) if facts.drill else "",
            _choose(language, "COPY?", "COPIA?") if facts.possible_duplicate else "",
            facts.severity.value,
            facts.incident,
        )
        if word
    )
    since = fold(_sms_time(facts))
    ending = f". {since}. {_sms_reply(facts)}".rstrip()
    code = f" #{message_code(facts.message_id)}"
    room = SMS_SEPTETS - len(opening) - len(ending) - len(code) - 1
    subject = shorten(_sms_subject(facts), room)
    page = f"{opening} {subject}{ending[1:] if subject.endswith(('?', '!')) else ending}"
    return page + _link_that_fits(facts.link, SMS_SEPTETS - len(page) - len(code)) + code


def _sms_time(facts: PageFacts) -> str:
    language = facts.reader.language
    if facts.expires_at is not None:
        return f"{_choose(language, 'Until', 'Hasta')} {local_time(facts.expires_at, facts.reader)}"
    return f"{_choose(language, 'Since', 'Desde')} {local_time(facts.declared_at, facts.reader)}"


def _sms_subject(facts: PageFacts) -> str:
    subject = fold(_subject(facts)).rstrip(" .")
    if facts.question is not None:
        return fold(facts.question).rstrip(" .")
    if facts.reason is None:
        return subject
    return f"{shorten(fold(facts.reason).rstrip(' .'), _SMS_REASON)}. {subject}"


def _is_real(facts: PageFacts) -> bool:
    """Whether there is an incident to answer for; a test page has none, and asks for nothing."""
    return parse_incident_id(facts.incident) is not None


def _sms_reply(facts: PageFacts) -> str:
    if not _is_real(facts):
        return ""
    if not facts.two_way:
        return f"{_choose(facts.reader.language, 'Answer', 'Conteste')}: tocsin ack {facts.incident}"
    language, say = facts.reader.language, reply_word(facts.code, facts.incident)
    if facts.question is not None:
        return _choose(
            language,
            f"Reply {say('y')} yes, {say('n')} no, {say('call')} to talk first",
            f"Responda {say('s')} si, {say('n')} no, {say('llamar')} para hablar antes",
        )
    return _choose(
        language,
        f"Reply {say('a')} take, {say('e')} escalate, {say('p')} pass",
        f"Responda {say('a')} tomo, {say('e')} escala, {say('p')} paso",
    )


def reply_word(code: int | None, incident: str) -> Callable[[str], str]:
    """How one writes a verb for this incident: `1a` with its code on this phone, `a#7` with its number."""
    number = incident_number(incident)
    return lambda verb: f"{code}{verb}" if code is not None else f"{verb}#{number}"


def _link_that_fits(link: str | None, room: int) -> str:
    cost = septets(link) if link is not None else None
    return f" {link}" if cost is not None and cost + 1 <= room else ""


def _voice_page(facts: PageFacts) -> str:
    before, after = _before_the_title(facts), _after_the_title(facts)
    situation = _spoken(facts.situation, _VOICE_SITUATION)
    if facts.question is not None:
        return " ".join([*before, _question_spoken(facts)])
    spoken = " ".join([*before, situation, *after, voice_menu(facts.reader.language)])
    title = _spoken(facts.title, max(_VOICE_CHARACTERS - len(spoken) - len("..  "), 0))
    named = dict.fromkeys(each for each in (situation, title) if each)
    return " ".join([*before, *(f"{each}." for each in named), *after])


def _before_the_title(facts: PageFacts) -> list[str]:
    language, rank = facts.reader.language, facts.severity.rank
    number = incident_number(facts.incident) if _is_real(facts) else 0
    sentences = [
        _drill_sentence(language),
        _choose(language, "You may have had this call before.", "Quizá ya recibió esta llamada."),
        _choose(language, "This is the Tocsin crisis line.", "Esta es la línea de crisis Tocsin."),
        _choose(language, f"Severity {rank}, incident {number}.", f"Gravedad {rank}, incidente {number}."),
    ]
    said = (facts.drill, facts.possible_duplicate, True, _is_real(facts))
    return [sentence for sentence, true in zip(sentences, said, strict=True) if true]


def _after_the_title(facts: PageFacts) -> list[str]:
    language = facts.reader.language
    sentences = [_since_spoken(facts)]
    if facts.reason:
        sentences.append(f"{_spoken(facts.reason, _VOICE_REASON)}.")
    if _is_real(facts) and not facts.two_way:
        number = incident_number(facts.incident)
        sentences.append(
            _choose(
                language,
                f"To answer, use the command: tocsin, ack, incident {number}.",
                f"Para contestar, use la orden: tocsin, ack, incidente {number}.",
            )
        )
    return sentences


def _question_spoken(facts: PageFacts) -> str:
    language = facts.reader.language
    asked = _spoken(facts.question or "", _VOICE_QUESTION)
    opening = _choose(language, "You are asked to decide.", "Se le pide una decisión.")
    return f"{opening} {asked}."


def question_menu(language: Language) -> str:
    """The choice that a decision page offers on the telephone."""
    return _choose(
        language,
        "Press 1 for yes, 2 for no, 3 to be called first, or star to hear this again.",
        "Pulse 1 para sí, 2 para no, 3 para que le llamen antes, o asterisco para repetir.",
    )


def _since_spoken(facts: PageFacts) -> str:
    local = _local(facts.declared_at, facts.reader)
    day, at = _SPOKEN_DAYS[facts.reader.language][local.weekday()], f"{local:%H:%M}"
    return _choose(facts.reader.language, f"Since {day} at {at}.", f"Desde el {day} a las {at}.")


def voice_menu(language: Language) -> str:
    """The choice that a voice page offers; the same keys at every repetition."""
    return _choose(
        language,
        "Press 4 to take charge, 5 to escalate, 6 to pass, or star to hear this again.",
        "Pulse 4 para hacerse cargo, 5 para escalar, 6 para pasar, o asterisco para repetir.",
    )


def wrong_key(language: Language) -> str:
    return _choose(language, "That key does nothing here.", "Esa tecla no hace nada aquí.")


def nobody_pressed(language: Language) -> str:
    """The last words of a voice page that was heard and not answered."""
    return _choose(
        language,
        "Nothing was answered. The next person is being called. Goodbye.",
        "No hubo respuesta. Se llama a la siguiente persona. Adiós.",
    )


def _slack_page(facts: PageFacts) -> str:
    language = facts.reader.language
    opening = f"{_drill_word(language)} " if facts.drill else ""
    if facts.possible_duplicate:
        opening += _choose(language, "(possible duplicate) ", "(posible duplicado) ")
    lines = [
        f"{opening}*{facts.severity.value} · {_escape_slack(_plain(facts.situation))}* — {facts.incident}",
        f"*{_choose(language, 'What', 'Qué')}:* {_escape_slack(shorten(_plain(facts.title), _CHAT_TITLE))}",
        f"*{_choose(language, 'Since', 'Desde')}:* {local_time(facts.declared_at, facts.reader)}",
        f"*{_choose(language, 'Needs', 'Se necesita')}:* {_escape_slack(_need(facts))}",
    ]
    if facts.area:
        lines.insert(2, f"*{_choose(language, 'Area', 'Área')}:* {_escape_slack(_plain(facts.area))}")
    if facts.role:
        lines.append(f"*{_choose(language, 'You are', 'Usted es')}:* {_escape_slack(_plain(facts.role))}")
    return "\n".join(lines)


def answer_by_command(incident: str, language: Language) -> str:
    """What a one-way channel says instead of its buttons."""
    return f"{_choose(language, 'Answer with', 'Conteste con')} `tocsin ack {incident}`"


def _plain_page(channel: ChannelKind, facts: PageFacts) -> str:
    """Lines without markup, the first of them a title. A link that the medium carries beside the text is not in it."""
    language = facts.reader.language
    opening = f"{_drill_word(language)} " if facts.drill else ""
    duplicate = _choose(language, " (possible duplicate)", " (posible duplicado)") if facts.possible_duplicate else ""
    situation, title = _plain(facts.situation), shorten(_plain(facts.title), _CHAT_TITLE)
    since = f"{_choose(language, 'Since', 'Desde')} {local_time(facts.declared_at, facts.reader)}"
    lines = [
        f"{opening}{facts.severity.value} {facts.incident}{duplicate}: {situation or title}",
        title if title != situation else "",
        f"{_plain(facts.area)}, {since[:1].lower()}{since[1:]}" if facts.area else since,
        f"{_choose(language, 'Needs', 'Se necesita')}: {_need(facts)}",
        _plain_answer(channel, facts),
    ]
    return "\n".join(line for line in lines if line)


def _plain_answer(channel: ChannelKind, facts: PageFacts) -> str:
    language = facts.reader.language
    if not _is_real(facts):
        return ""
    if facts.link is None:
        return f"{_choose(language, 'Answer with', 'Conteste con')}: tocsin ack {facts.incident}"
    return f"{_choose(language, 'Answer', 'Conteste')}: {facts.link}" if channel is ChannelKind.APPRISE else ""


def _mail(subject: str, body: str, code: str) -> str:
    """A mail's text: the subject, a blank line, the body, the message's code. The channel makes a mail of it."""
    return f"{subject}\n\n{body}\n\n#{code}"


def _email_page(facts: PageFacts) -> str:
    language = facts.reader.language
    opening = f"{_drill_word(language)} " if facts.drill else ""
    copy = _choose(language, "(possible duplicate) ", "(posible duplicado) ") if facts.possible_duplicate else ""
    subject = f"{opening}{copy}{facts.severity.value} {facts.incident} {_plain(_subject(facts))}"
    rows = [
        (_choose(language, "Severity", "Gravedad"), facts.severity.value),
        (_choose(language, "Incident", "Incidente"), facts.incident),
        (_choose(language, "What", "Qué"), _plain(_subject(facts))),
        (_choose(language, "Area", "Área"), _plain(facts.area or "")),
        (_choose(language, "Since", "Desde"), local_time(facts.declared_at, facts.reader)),
        (_choose(language, "You are", "Usted es"), _plain(facts.role or "")),
        (_choose(language, "Needs", "Se necesita"), _need(facts) if facts.question is None else ""),
        (_choose(language, "Question", "Pregunta"), _plain(facts.question or "")),
    ]
    said = "\n".join(f"{name}: {value}" for name, value in rows if value)
    body = "\n\n".join(part for part in (said, _email_answer(facts)) if part)
    return _mail(shorten(subject, _MAIL_SUBJECT).rstrip(), body, message_code(facts.message_id))


def _email_answer(facts: PageFacts) -> str:
    language = facts.reader.language
    if not _is_real(facts):
        return ""
    if facts.two_way:
        how = f"{_choose(language, 'Reply to this mail with', 'Responda a este correo con')} {_one_word(facts)}"
    elif facts.question is not None:
        how = f"{_choose(language, 'Answer with', 'Conteste con')}: tocsin answer {facts.incident} yes|no|call"
    else:
        how = f"{_choose(language, 'Answer with', 'Conteste con')}: tocsin ack {facts.incident}"
    if facts.link is None:
        return how
    return f"{how}\n{_choose(language, 'Or open', 'O abra')}: {facts.link}"


def _one_word(facts: PageFacts) -> str:
    return one_word_by_mail(facts.reader, asked=facts.question is not None)


def one_word_by_mail(reader: Reader, *, asked: bool) -> str:
    """What the first line of a reply may say; `asked` when the mail holds a question."""
    words = ("yes, no or call", "sí, no o llamar") if asked else _WORDS_BY_MAIL
    where = _choose(reader.language, "one word in the first line", "una palabra en la primera línea")
    return f"{where}: {_choose(reader.language, *words)}."


def mail_answer(
    sentence: str, *, subject: str, thread: Sequence[str], message_id: str, language: Language, drill: bool
) -> str:
    """The reply to somebody's mail, in its thread: `thread` holds Message-IDs, the last of them that of their mail.

    The lines under the subject are headers for the channel.
    """
    opening = f"{_drill_word(language)} " if drill else ""
    bare = _plain(subject)
    while bare[:3].lower() == "re:":
        bare = bare[3:].lstrip()
    head = [f"{opening}Re: {shorten(bare.removeprefix(opening), _MAIL_SUBJECT)}".rstrip()]
    if thread:
        head += [f"In-Reply-To: {thread[-1]}", f"References: {' '.join(thread)}"]
    return _mail("\n".join(head), opening + _plain(sentence), message_code(message_id))


def _console_page(facts: PageFacts) -> str:
    language = facts.reader.language
    opening = f"{_drill_word(language)} " if facts.drill else ""
    duplicate = _choose(language, " (possible duplicate)", " (posible duplicado)") if facts.possible_duplicate else ""
    rung = _choose(
        language,
        f"rung {facts.rung}, attempt {facts.attempt}",
        f"peldaño {facts.rung}, intento {facts.attempt}",
    )
    rows = [
        (_choose(language, "To", "Para"), f"{_plain(facts.name)} ({facts.contact}), {rung}"),
        (_choose(language, "As", "Como"), _plain(facts.role or "")),
        (_choose(language, "What", "Qué"), _plain(_subject(facts))),
        (_choose(language, "Area", "Área"), _plain(facts.area or "")),
        (_choose(language, "Since", "Desde"), local_time(facts.declared_at, facts.reader)),
        (_choose(language, "Needs", "Pide"), _need(facts)),
        (
            _choose(language, "Answer", "Conteste"),
            _console_answer(facts),
        ),
        (_choose(language, "Page", "Página"), facts.link or ""),
    ]
    head = f"{opening}{facts.severity.value} {facts.incident}{duplicate}"
    return "\n".join([head, *(f"  {label:<9} {value}" for label, value in rows if value)])


def _console_answer(facts: PageFacts) -> str:
    if not _is_real(facts):
        return ""
    if facts.question is not None:
        return f"tocsin answer {facts.incident} yes|no|call --by {facts.contact}"
    return f"tocsin ack {facts.incident} --by {facts.contact}"


def already_taken(incident: str, by: str, at: datetime, reader: Reader) -> str:
    when = local_time(at, reader)
    return _choose(
        reader.language,
        f"{incident} was already taken by {by} at {when}. You need do nothing.",
        f"{incident} ya lo tomó {by} ({when}). No tiene que hacer nada.",
    )


def took_charge(incident: str, reader: Reader, role: str | None = None) -> str:
    """`role` is the title of what they were called as."""
    as_what = "" if role is None else _choose(reader.language, f" as {role}", f" como {role}")
    english = f"You have taken charge of {incident}{as_what}."
    return _choose(reader.language, english, f"Usted se ha hecho cargo de {incident}{as_what}.")


def took_role(incident: str, role: str, reader: Reader) -> str:
    return _choose(reader.language, f"You are {role} of {incident}.", f"Usted es {role} de {incident}.")


def joined_support(incident: str, commander: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"{commander} is in charge of {incident}. You have joined as support.",
        f"{commander} está al mando de {incident}. Usted se ha unido como apoyo.",
    )


def question_answered(incident: str, answer: str, reader: Reader, *, approved: bool) -> str:
    """What became of a yes, a no or a call."""
    match answer:
        case "yes":
            more = _choose(reader.language, " It is approved.", " Queda aprobado.") if approved else ""
            return _choose(reader.language, f"{incident}: you said yes.{more}", f"{incident}: usted dijo sí.{more}")
        case "no":
            return _choose(
                reader.language,
                f"{incident}: you said no. Nothing is approved.",
                f"{incident}: usted dijo no. No se aprueba nada.",
            )
        case _:
            return _choose(
                reader.language,
                f"{incident}: whoever asked is told to call you. The question stays open.",
                f"{incident}: se avisa a quien preguntó para que le llame. La pregunta sigue abierta.",
            )


def told_that_people_are_called(incident: str, severity: Severity, title: str, reader: Reader) -> str:
    what = _plain(title).rstrip(" .")
    return _choose(
        reader.language,
        f"{incident} {severity.value}: {what}. People are being called. You need do nothing.",
        f"{incident} {severity.value}: {what}. Se está llamando al personal. No tiene que hacer nada.",
    )


def number_is_out(reader: Reader) -> str:
    return _choose(
        reader.language,
        "This number gets no more pages from Tocsin; the next person is called. START turns it on again.",
        "Este número no recibe más avisos de Tocsin; se llama a la siguiente persona. START lo activa de nuevo.",
    )


def verification_text(code: str, reader: Reader) -> str:
    """Sent to an address whose owner is to prove that it reaches them."""
    spelled = " ".join(code)
    return _choose(
        reader.language,
        f"Tocsin checks that it can reach you here. Your code is {spelled}. "
        "Answer with it, or tell it to whoever asked.",
        f"Tocsin comprueba que puede localizarle aquí. Su código es {spelled}. "
        "Responda con él, o dígaselo a quien se lo pida.",
    )


def verification_spoken(code: str, reader: Reader) -> str:
    """The same in a call: the code twice, a digit at a time."""
    slowly = ", ".join(code)
    return _choose(
        reader.language,
        "This is the Tocsin crisis line, checking that it can reach you. Nothing is wrong. "
        f"Your code is: {slowly}. Once more: {slowly}.",
        "Esta es la línea de crisis Tocsin, que comprueba que puede localizarle. No pasa nada. "
        f"Su código es: {slowly}. Otra vez: {slowly}.",
    )


def proof_menu(language: Language) -> str:
    """What a verification call offers. One key: whoever presses it has the telephone in their hand."""
    return _choose(
        language,
        "Press 4 to confirm that this reaches you, or star to hear this again.",
        "Pulse 4 para confirmar que le localizamos aquí, o asterisco para repetir.",
    )


def nothing_confirmed(language: Language) -> str:
    """The last words of a verification call that proved nothing: silence, or a machine."""
    return _choose(language, "Nothing was confirmed. Goodbye.", "No se ha confirmado nada. Adiós.")


def address_is_proven(reader: Reader) -> str:
    return _choose(reader.language, "Thank you: Tocsin reaches you here.", "Gracias: Tocsin le localiza aquí.")


def other_address_is_proven(reader: Reader, owner: str, channel: str, address: str) -> str:
    """To somebody who said a code that went elsewhere: whose address it has proven, of which they see the end."""
    return _choose(
        reader.language,
        f"Thank you: the code proves that Tocsin reaches {owner} by {channel} at the address ending in {address[-4:]}. "
        "It says nothing about yours.",
        f"Gracias: el código prueba que Tocsin localiza a {owner} por {channel} en la que termina en {address[-4:]}. "
        "No dice nada de la suya.",
    )


def number_is_back(reader: Reader) -> str:
    return _choose(
        reader.language, "This number gets pages from Tocsin again.", "Este número vuelve a recibir avisos de Tocsin."
    )


def bundle_text(
    incidents: Sequence[tuple[str, Severity, str]], code: int, message_id: str, reader: Reader, *, drill: bool = False
) -> str:
    """Several incidents in one SMS, the worst first: `100aa` takes them all."""
    listed = ", ".join(f"{incident} {severity.value}" for incident, severity, _ in incidents)
    opening = _choose(
        reader.language,
        f"{len(incidents)} incidents wait for you: {listed}",
        f"{len(incidents)} incidentes le esperan: {listed}",
    )
    ending = _choose(
        reader.language,
        f". Reply {code}aa take all, {code}pp pass all",
        f". Responda {code}aa tomo todos, {code}pp paso todos",
    )
    last = f" #{message_code(message_id)}"
    opening = f"{_drill_word(reader.language)} {opening}" if drill else opening
    return shorten(fold(opening), SMS_SEPTETS - len(ending) - len(last)) + ending + last


def escalated(incident: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"{incident} is escalated: the next person is being called.",
        f"{incident} se ha escalado: se llama a la siguiente persona.",
    )


def passed(incident: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"You have passed on {incident}: the next person is being called.",
        f"Usted ha pasado {incident}: se llama a la siguiente persona.",
    )


def is_yours(incident: str, reader: Reader) -> str:
    """To who leads it and passes it on: that is a handover."""
    return _choose(
        reader.language,
        f"You are in charge of {incident}. To hand it over: tocsin handover {incident} <who>.",
        f"Usted está al mando de {incident}. Para entregarlo: tocsin handover {incident} <quién>.",
    )


def is_in_hand(incident: str, commander: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"{commander} is in charge of {incident}. You need do nothing.",
        f"{commander} está al mando de {incident}. No tiene que hacer nada.",
    )


def passed_before(incident: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"You had passed on {incident} already; nothing changes. To call somebody now: tocsin page {incident} <who>.",
        f"Usted ya había pasado {incident}; nada cambia. Para llamar a alguien ya: tocsin page {incident} <quién>.",
    )


def passed_uncalled(incident: str, reader: Reader) -> str:
    """To who passes or escalates before they were called: whoever is called now is waited for all the same."""
    return _choose(
        reader.language,
        f"You will not be called for {incident}; who is called now is waited for. To call somebody now: "
        f"tocsin page {incident} <who>.",
        f"No se le llamará por {incident}; se espera a quien se llama ahora. Para llamar a alguien ya: "
        f"tocsin page {incident} <quién>.",
    )


def bundle_spoken(incidents: Sequence[tuple[str, Severity, str]], reader: Reader, *, drill: bool = False) -> str:
    """The same on the telephone: the keys answer for all of them."""
    named = ". ".join(
        _choose(
            reader.language,
            f"Incident {incident_number(incident)}, severity {severity.rank}",
            f"Incidente {incident_number(incident)}, gravedad {severity.rank}",
        )
        for incident, severity, _ in incidents[:_SPOKEN_INCIDENTS]
    )
    count = len(incidents)
    opening = _choose(
        reader.language,
        f"This is the Tocsin crisis line. {count} incidents wait for you. {named}. What you press is for all of them.",
        f"Esta es la línea de crisis Tocsin. {count} incidentes le esperan. {named}. Lo que pulse vale para todos.",
    )
    return f"{_drill_sentence(reader.language)} {opening}" if drill else opening


def not_understood(reader: Reader, code: int | None = None, incident: str | None = None) -> str:
    """The reply to words that mean nothing to us; names what to write where an incident is known."""
    say = reply_word(code, incident) if incident is not None else lambda verb: f"<n>{verb}"
    a, e, p, c = (say(verb) for verb in "aepc")
    return _choose(
        reader.language,
        f"Not understood. Reply {a} to take it, {e} to escalate, {p} to pass, {c} to resolve.",
        f"No se entiende. Responda {a} tomo, {e} escala, {p} paso, {c} resuelto.",
    )


def not_understood_by_mail(reader: Reader, *, asked: bool = False) -> str:
    say = _choose(reader.language, "Not understood. Reply with", "No se entiende. Responda con")
    return f"{say} {one_word_by_mail(reader, asked=asked)}"


def no_such_code(reader: Reader, code: int) -> str:
    return _choose(
        reader.language,
        f"Code {code} means nothing on this phone. Nothing was changed.",
        f"El código {code} no significa nada en este teléfono. No se cambió nada.",
    )


def nothing_to_answer(reader: Reader) -> str:
    """The reply to an answer to a test page, or to word of trouble with Tocsin itself."""
    return _choose(
        reader.language, "Received. This message needs no answer.", "Recibido. Este mensaje no pide respuesta."
    )


def recovered_by_itself(incident: str, at: datetime, reader: Reader, *, needs_owner: bool) -> str:
    """For the people who were paged: a mild incident is over; a grave one still wants somebody to own it."""
    when = local_time(at, reader)
    if needs_owner:
        return _choose(
            reader.language,
            f"{incident} recovered by itself at {when}, needs an owner",
            f"{incident} se recuperó solo ({when}), necesita responsable",
        )
    return _choose(
        reader.language,
        f"{incident} recovered by itself at {when}. Nobody else is called; you need do nothing.",
        f"{incident} se recuperó solo ({when}). No se llama a nadie más; no tiene que hacer nada.",
    )


def decision_asked(incident: str, question: str, due: datetime, reader: Reader) -> str:
    """For whoever must decide; the question is the plan's own."""
    when = local_time(due, reader)
    return _choose(
        reader.language,
        f"{incident} asks you to decide by {when}: {question}",
        f"{incident} le pide decidir antes de {when}: {question}",
    )


def steps_opened(incident: str, steps: list[tuple[str, datetime]], reader: Reader) -> str:
    """For whoever owns the steps that have just opened: what to do by when."""
    listed = "; ".join(
        f"{title} ({_choose(reader.language, 'by', 'antes de')} {local_time(due, reader)})" for title, due in steps
    )
    return _choose(reader.language, f"{incident} needs this from you: {listed}.", f"{incident} le pide: {listed}.")


def ladder_stopped(incident: str, because: str, reader: Reader) -> str:
    return _choose(
        reader.language,
        f"{incident}: nobody else is called, because {because}. You need do nothing.",
        f"{incident}: no se llama a nadie más, porque {because}. No tiene que hacer nada.",
    )


def stood_down(incident: str, who: str, because: str, reader: Reader) -> str:
    """For everybody who has heard of it: it was nothing, and who says so."""
    return _choose(
        reader.language,
        f"{incident} is stood down by {who}: {because}. You need do nothing more.",
        f"{incident} queda sin efecto, dice {who}: {because}. No tiene que hacer nada más.",
    )


def quiet_again(incident: str, minutes: int, reader: Reader) -> str:
    """For the commander: what the rules found is over; only a person steps down."""
    hours = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return _choose(
        reader.language,
        f"{incident}: every rule has been quiet for {hours}. You may lower its severity or resolve it; by itself "
        "nothing changes.",
        f"{incident}: todas las reglas llevan {hours} en calma. Puede rebajar su gravedad o darlo por resuelto; por sí "
        "solo nada cambia.",
    )


def update_text(incident: str, severity: Severity, text: str, next_by: datetime | None, reader: Reader) -> str:
    """An update for staff and executives; the text is what was approved, word for word."""
    return f"{incident} {severity.value}: {text}{_next_by(next_by, reader)}"


def summary_text(
    incident: str, severity: Severity, bottom_line: str, needs: str | None, next_by: datetime | None, reader: Reader
) -> str:
    """The executive summary in short: bottom line first, then the decision that is needed ("none" is an answer)."""
    needed = needs or _choose(reader.language, "none", "nada")
    bottom, need = _choose(reader.language, "Bottom line", "En resumen"), _choose(reader.language, "Needs", "Se pide")
    return f"{incident} {severity.value}. {bottom}: {bottom_line} {need}: {needed}.{_next_by(next_by, reader)}"


def _next_by(moment: datetime | None, reader: Reader) -> str:
    if moment is None:
        return ""
    return f" {_choose(reader.language, 'Next by', 'Siguiente antes de')} {local_time(moment, reader)}."


def local_time(moment: datetime, reader: Reader) -> str:
    """`Sat 14:05` where the reader is; in UTC it says so."""
    local = _local(moment, reader)
    zone = " UTC" if local.utcoffset() is not None and str(local.tzinfo) == "UTC" else ""
    return f"{_DAYS[reader.language][local.weekday()]} {local:%H:%M}{zone}"


def _local(moment: datetime, reader: Reader) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(reader.time_zone))
    except (ZoneInfoNotFoundError, ValueError):  # a wrong zone must not cost a page: UTC, and the text says UTC
        return moment.astimezone(ZoneInfo("UTC"))


def _subject(facts: PageFacts) -> str:
    parts = [part for part in (facts.situation.strip(), facts.title.strip()) if part]
    return ": ".join(dict.fromkeys(parts))


def _need(facts: PageFacts) -> str:
    if facts.reason:
        return _plain(facts.reason)
    if not _is_real(facts):
        return _choose(facts.reader.language, "nothing", "nada")
    return _choose(facts.reader.language, "somebody to take charge", "alguien que se haga cargo")


def _plain(text: str) -> str:
    """One line without control characters or lone surrogates, which no provider's JSON or XML can carry."""
    kept = (" " if unicodedata.category(each) in ("Cc", "Cs", "Cn") else each for each in text)
    return " ".join("".join(kept).split())


def _spoken(text: str, room: int) -> str:
    return shorten(_plain(text), room).rstrip(" .")


def _escape_slack(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text#escaping: also disarms <!channel> and <@U...>
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _drill_sentence(language: Language) -> str:
    return _choose(language, "Drill. This is only a drill.", "Simulacro. Esto es solo un simulacro.")


def _drill_word(language: Language) -> str:
    return _choose(language, "DRILL", "SIMULACRO")


def _choose(language: Language, english: str, spanish: str) -> str:
    return english if language == "en" else spanish
