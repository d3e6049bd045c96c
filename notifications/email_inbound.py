"""What comes back by mail: a person's answer, a bounce, or nothing. From bytes; pure; never raises, whatever they are.

A mail that a machine wrote is never an answer (RFC 3834), and whoever it is from is never told anything.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail
from email.utils import parseaddr
from html.parser import HTMLParser

from notifications.channel import Answer, DeliveryReport
from notifications.email import without_addresses
from notifications.email_tokens import MailToken, is_return_path, tokens_in
from notifications.inbound import understood

_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
_DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon"})
_UNREAD = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply"})
_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SELF_MADE = ("X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Reply", "X-Mail-Autoreply", "List-Id")
_AWAY = re.compile(
    r"(?i)\s*(auto(matic)?[ -]?(reply|response)|out of (the )?office|respuesta autom|fuera de (la )?oficina)"
)
_FINAL = re.compile(r"\b5\d\d\b|\b5\.\d{1,3}\.\d{1,3}\b")
_LATE = re.compile(r"(?i)delay|warning|not yet|still trying|demor|retras|\b4\.\d{1,3}\.\d{1,3}\b")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_FORGED = re.compile(r"(?i)\bdmarc=fail\b")
_INVISIBLE = {ord(each): None for each in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"}
_MOST_TEXT = 100_000

_WROTE = re.compile(
    r"(?i)(on|el|am|le|il|op|em|den)\b.*(wrote|escribió|schrieb|a écrit|ha scritto|schreef|escreveu|skrev)\b[^:]{0,80}:"
)
_ORIGINAL = re.compile(
    r"(?i)(-{2,}\s*(original message|mensaje original|forwarded message)\b|_{10,}$|(from|de|von): .*@)"
)
_LINES_OF_WROTE = 3


@dataclass(frozen=True, slots=True)
class MailReply:
    """A person's mail. `tokens` name the message that it answers, the likeliest first; none is proven yet."""

    answer: Answer
    tokens: tuple[MailToken, ...]
    words: str
    """The line that was read."""
    subject: str
    header_id: str | None
    references: tuple[str, ...]
    forged: bool = False
    """Whether our own mail server says that it is not from whom it claims; a forger can only say so of himself."""

    def to(self, message_id: str | None) -> Answer:
        """The answer, once it is known which message it is to."""
        said = self.answer
        return Answer(said.verb, message_id, said.incident, said.event_id, said.sender)


@dataclass(frozen=True, slots=True)
class MailBounce:
    """A mail of ours did not arrive, and will not."""

    tokens: tuple[MailToken, ...]
    event_id: str
    detail: str

    def of(self, message_id: str, provider_id: str) -> DeliveryReport:
        return DeliveryReport(message_id, provider_id, "undelivered", self.event_id, self.detail)


def read_mail(
    content: bytes, own: str, recipients: Sequence[str] = (), sender: str | None = None
) -> MailReply | MailBounce | None:
    """What this mail says. `own` is our plain address; `recipients` and `sender` are the envelope's, where it is known.

    None for everything that must change nothing: auto-replies, lists, our own mail, a warning that delivery takes long.
    """
    mail = message_from_bytes(content)
    ours = [*recipients, *(value for name in _TO for value in _all(mail, name))]
    event_id = f"mail:{_first_id(_header(mail, 'Message-ID')) or hashlib.sha256(content).hexdigest()}"
    who = parseaddr(_header(mail, "From"))[1]
    if _is_report(mail) or _is_daemon(who):
        failure = _failure(mail, ours)
        if failure is None:
            return None
        tokens = tokens_in("\n".join([*ours, content.decode("latin-1")]))
        return MailBounce(tokens, event_id, without_addresses(failure))
    if "@" not in who or _plain_address(who) == _plain_address(own) or _is_by_a_machine(mail, sender):
        return None
    threads = _MESSAGE_ID.findall(_header(mail, "References"))
    words = own_words(_text(mail))
    verb, incident = understood(words)
    return MailReply(
        answer=Answer(verb, None, incident, event_id, who),
        tokens=tokens_in("\n".join([*ours, _header(mail, "In-Reply-To"), *reversed(threads)])),
        words=words,
        subject=_decoded(_header(mail, "Subject")),
        header_id=_first_id(_header(mail, "Message-ID")),
        references=tuple(threads[-5:]),
        forged=any(_FORGED.search(value) for value in _all(mail, "Authentication-Results")),
    )


def own_words(text: str) -> str:
    """The first line that the person wrote themselves, or nothing: not what is quoted, not a signature."""
    lines = [line.translate(_INVISIBLE).strip() for line in text[:_MOST_TEXT].splitlines()]
    at = 0
    while at < len(lines):
        line = lines[at]
        if line in ("--", "—") or _ORIGINAL.match(line):
            return ""
        length = _length_of_wrote(lines[at : at + _LINES_OF_WROTE])
        if length:
            at += length
            if not _quotes_next(lines[at:]):  # the original follows as it was: nothing there is theirs
                return ""
        elif line and not line.startswith(">"):
            return line
        else:
            at += 1
    return ""


def _length_of_wrote(lines: Sequence[str]) -> int:
    """How many of these lines are "On Tuesday Tocsin wrote:", which programs break where they like; 0 for none."""
    for length in range(1, len(lines) + 1):
        if _WROTE.fullmatch(" ".join(lines[:length])):
            return length
    return 0


def _quotes_next(lines: Sequence[str]) -> bool:
    return next((line for line in lines if line), "").startswith(">")


# --- machines ---


def _is_by_a_machine(mail: Mail, sender: str | None) -> bool:
    submitted = _header(mail, "Auto-Submitted").split(";")[0].strip().lower()
    return (
        submitted not in ("", "no")
        or _header(mail, "Precedence").strip().lower() in _BULK
        or any(_header(mail, name) for name in _SELF_MADE)
        or sender == ""
        or _local(parseaddr(_header(mail, "From"))[1]) in _UNREAD
        or _header(mail, "Return-Path").strip() == "<>"
        or _AWAY.match(_decoded(_header(mail, "Subject"))) is not None
    )


def _is_daemon(address: str) -> bool:
    return _local(address) in _DAEMONS


def _local(address: str) -> str:
    return address.partition("@")[0].lower()


def _is_report(mail: Mail) -> bool:
    return mail.get_content_type() == "multipart/report"


def _failure(mail: Mail, ours: Sequence[str]) -> str | None:
    """Why it did not arrive, in the server's words; None when that is not what this report says."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            groups = [each for each in part.get_payload() if isinstance(each, Mail)] if part.is_multipart() else []
            actions = [(_header(each, "Action").strip().lower(), each) for each in groups if each.get("Action")]
            failed = next((each for action, each in actions if action == "failed"), None)
            if failed is not None:
                because = _header(failed, "Diagnostic-Code").partition(";")[2] or _header(failed, "Status")
                return because.strip() or "the mail came back"
            if actions:
                return None
    # A report that cannot be read. Only bounces go to the return path, and a warning about a delay says that it is one.
    if str(mail.get_param("report-type", "delivery-status")) != "delivery-status":
        return None
    if not any(is_return_path(each) for each in ours):
        return None
    words = f"{_decoded(_header(mail, 'Subject'))}\n{_text(mail)}"
    if _LATE.search(words) and not _FINAL.search(words):
        return None
    return next((line for line in words.splitlines() if line.strip()), "the mail came back")


# --- the parts of a mail ---


def _header(mail: Mail, name: str) -> str:
    """A header as it stands, on one line; empty when it is not there."""
    return " ".join(str(mail.get(name, "")).split())


def _all(mail: Mail, name: str) -> list[str]:
    return [str(value) for value in mail.get_all(name, [])]


def _decoded(header: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(header))).split())
    except (HeaderParseError, LookupError, ValueError):  # a broken encoded word, an unknown character set
        return header


def _first_id(header: str) -> str | None:
    found = _MESSAGE_ID.search(header)
    return None if found is None else found[0]


def _plain_address(address: str) -> str:
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _text(mail: Mail) -> str:
    """The first readable words: plain text where there is any, else the text of the HTML."""
    for kind in ("text/plain", "text/html"):
        for part in mail.walk():
            if part.get_content_type() != kind or part.is_multipart() or part.get_filename():
                continue
            words = _words(part)
            if kind == "text/html":
                words = text_of_html(words)
            if words.strip():
                return words
    return ""


def _words(part: Mail) -> str:
    payload = part.get_payload(decode=True)
    raw = payload[: 4 * _MOST_TEXT] if isinstance(payload, bytes) else b""
    try:
        return raw.decode(part.get_content_charset() or "utf-8", errors="replace")
    except LookupError:  # a character set that nobody knows
        return raw.decode("latin-1")


def text_of_html(markup: str) -> str:
    """The words of a page of HTML, a block a line, what is quoted behind `>`."""
    reader = _Words()
    reader.feed(markup[:_MOST_TEXT])
    reader.close()
    return "\n".join(reader.lines())


class _Words(HTMLParser):
    """Keeps text; breaks lines at blocks."""

    _BREAKS = frozenset({"br", "p", "div", "tr", "li", "hr", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote"})
    _UNSEEN = frozenset({"style", "script", "head", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[tuple[int, str]] = [(0, "")]
        self._quoted = 0
        self._unseen = 0

    def lines(self) -> Iterator[str]:
        for depth, text in self._lines:
            yield ("> " if depth else "") + " ".join(text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN
        self._quoted += tag == "blockquote"
        if tag in self._BREAKS:
            self._lines.append((self._quoted, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._BREAKS:
            self._lines.append((self._quoted, ""))

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(self._unseen - (tag in self._UNSEEN), 0)
        self._quoted = max(self._quoted - (tag == "blockquote"), 0)
        if tag in self._BREAKS:
            self._lines.append((self._quoted, ""))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            depth, text = self._lines[-1]
            self._lines[-1] = (depth, text + data)
