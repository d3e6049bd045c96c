"""What comes back by mail: a person's answer, a bounce, or nothing. From bytes; pure.

Anybody may write to us: only the beginning of anything is read, and no step takes more than linear time.

A mail that a machine wrote is never an answer (RFC 3834), and whoever it is from is never told anything.
"""

import hashlib
import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message as Mail
from email.utils import getaddresses, parseaddr

from notifications.channel import Answer, DeliveryReport
from notifications.email_status import status_of
from notifications.email_tokens import MOST_TOKENS, MailToken, is_return_path, tokens_in
from notifications.inbound import understood
from signals import mails
from signals.monitor_mail import MonitorMail

_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
_CAME_BACK = "the mail came back"
_FINAL = re.compile(r"\b5\d\d\b|\b5\.\d{1,3}\.\d{1,3}\b")
_LATE = re.compile(r"(?i)delay|warning|not yet|still trying|demor|retras|\b4\.\d{1,3}\.\d{1,3}\b")
_FORGED = re.compile(r"(?i)\bdmarc=fail\b")
_QUOTED = re.compile(r'"[^"]*"')
_COMMENT = re.compile(r"\([^()]*\)")
_INVISIBLE = {ord(each): None for each in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"}
_MOST_KEPT = 64 * 1024
_MOST_ADDRESSES = 64 * 1024
_MOST_VALUES = 50
_MOST_TEXT = 32_000


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
    vouched: bool = False
    """Whether the mail server that we trust says that it is from whom it claims (DMARC)."""

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
    content: bytes, own: str, recipients: Sequence[str] = (), sender: str | None = None, trusted: str | None = None
) -> MailReply | MailBounce | None:
    """What this mail says. `own` is our plain address; `recipients` and `sender` are the envelope's, where it is known;
    `trusted` is the name under which our mail server writes Authentication-Results.

    None for everything that must change nothing: auto-replies, lists, our own mail, a warning that delivery takes long.
    Whoever calls it expects any exception: the standard library has some for mails that are made to break it.
    """
    mail = mails.opened(content)
    start = content[: mails.MOST_READ]
    ours = [*recipients, *(value for name in _TO for value in _all(mail, name))]
    event_id = f"mail:{mails.first_id(mails.header(mail, 'Message-ID')) or hashlib.sha256(content).hexdigest()}"
    who = parseaddr(mails.header(mail, "From"))[1]
    if mails.is_report(mail) or _is_daemon(who):
        failure = _failure(mail, ours)
        if failure is None:
            return None
        tokens = (*tokens_in("\n".join(ours)), *tokens_in(start.decode("latin-1")))
        return MailBounce(tuple(dict.fromkeys(tokens))[:MOST_TOKENS], event_id, failure)
    if "@" not in who or _plain_address(who) == _plain_address(own) or _is_by_a_machine(mail, sender):
        return None
    threads = mails.MESSAGE_ID.findall(mails.header(mail, "References"))
    words = own_words(_text(mail))
    verb, incident = understood(words)
    return MailReply(
        answer=Answer(verb, None, incident, event_id, who),
        tokens=tokens_in("\n".join([*ours, mails.header(mail, "In-Reply-To"), *reversed(threads)])),
        words=words,
        subject=mails.decoded(mails.header(mail, "Subject")),
        header_id=mails.first_id(mails.header(mail, "Message-ID")),
        references=tuple(threads[-5:]),
        forged=any(_FORGED.search(value) for value in _all(mail, "Authentication-Results")),
        vouched=trusted is not None and _is_vouched(mail, who, trusted),
    )


def read_monitor_mail(
    content: bytes,
    own: str,
    keys: Collection[str],
    recipients: Sequence[str] = (),
    sender: str | None = None,
    trusted: str | None = None,
) -> tuple[str, MonitorMail] | None:
    """A monitor's mail to `own+key`, with the key as it stands in `keys` (in lower case); None for any other mail.

    What answers a message of ours, or is a bounce, is never a monitor's, wherever else it was sent. Whoever calls it
    expects any exception, as of `read_mail`.
    """
    mail = mails.opened(content)
    start = content[: mails.MOST_READ]
    ours = "\n".join([*recipients, *(value for name in _TO for value in _all(mail, name))])[:_MOST_ADDRESSES]
    local, _, domain = own.rpartition("@")
    address = re.compile(rf"(?i)(?<![^\s<,;\"]){re.escape(local)}\+([a-z0-9_-]{{16,64}})@{re.escape(domain)}(?![\w.-])")
    key = next((each[1].lower() for each in address.finditer(ours) if each[1].lower() in keys), None)
    who = parseaddr(mails.header(mail, "From"))[1]
    answers = tokens_in("\n".join([ours, mails.header(mail, "In-Reply-To"), mails.header(mail, "References")]))
    if key is None or answers or "@" not in who or sender == "" or mails.is_report(mail) or _is_daemon(who):
        return None
    return key, MonitorMail(
        sender=who,
        subject=mails.decoded(mails.header(mail, "Subject")),
        text=_text(mail),
        event_id=f"mail:{mails.first_id(mails.header(mail, 'Message-ID')) or hashlib.sha256(content).hexdigest()}",
        vouched=trusted is not None and _is_vouched(mail, who, trusted),
        raw=start[:_MOST_KEPT],
    )


def _is_vouched(mail: Mail, who: str, trusted: str) -> bool:
    """Whether the server of this name says dmarc=pass of the one sender there is (RFC 8601).

    Only its topmost word counts: a server writes above what was there, and what was there may be a forger's.
    """
    by_it = (each for each in _all(mail, "Authentication-Results") if _first_word(each) == trusted.casefold())
    said = next(by_it, None)
    senders = getaddresses(_all(mail, "From"))
    if said is None or len(senders) != 1 or len(mail.get_all("From", [])) != 1:
        return False
    # A comment or a quoted local part may hold anything, `; dmarc=pass` too.
    bare = _COMMENT.sub(" ", _QUOTED.sub(" ", said))
    if any(each in bare for each in '"()\\'):  # one in the other, or never closed
        return False
    results = [each.split() for each in bare.split(";")[1:]]
    domain = f"header.from={who.rpartition('@')[2]}".casefold()
    return any(
        words[0].casefold() == "dmarc=pass" and domain in (each.casefold() for each in words)
        for words in results
        if words
    )


def _first_word(header: str) -> str:
    return header.replace(";", " ").strip().partition(" ")[0].casefold()


def own_words(text: str) -> str:
    """The first line that the person wrote themselves, or nothing: not what is quoted, not a signature."""
    lines = [line.translate(_INVISIBLE).strip() for line in text[:_MOST_TEXT].splitlines()]
    at = 0
    while at < len(lines):
        line = lines[at]
        if line in ("--", "—") or mails.ORIGINAL.match(line):
            return ""
        length = mails.length_of_wrote(lines[at : at + mails.LINES_OF_WROTE])
        if length:
            at += length
            if not _quotes_next(lines[at:]):  # the original follows as it was: nothing there is theirs
                return ""
        elif line and not line.startswith(">"):
            return line
        else:
            at += 1
    return ""


def _quotes_next(lines: Sequence[str]) -> bool:
    return next((line for line in lines if line), "").startswith(">")


# --- machines ---


def _is_by_a_machine(mail: Mail, sender: str | None) -> bool:
    return sender == "" or mails.is_by_a_machine(mail, parseaddr(mails.header(mail, "From"))[1])


def _is_daemon(address: str) -> bool:
    return mails.local_part(address) in mails.DAEMONS


def _failure(mail: Mail, ours: Sequence[str]) -> str | None:
    """The codes that say why it did not arrive; None when that is not what this report says."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            groups = [each for each in part.get_payload() if isinstance(each, Mail)] if part.is_multipart() else []
            actions = [(mails.header(each, "Action").strip().lower(), each) for each in groups if each.get("Action")]
            failed = next((each for action, each in actions if action == "failed"), None)
            if failed is not None:
                status = status_of(mails.header(failed, "Diagnostic-Code").partition(";")[2])
                return status or status_of(mails.header(failed, "Status")) or _CAME_BACK
            if actions:
                return None
    # A report that cannot be read. Only bounces go to the return path, and a warning about a delay says that it is one.
    if str(mail.get_param("report-type", "delivery-status")) != "delivery-status":
        return None
    if not any(is_return_path(each) for each in ours):
        return None
    words = f"{mails.decoded(mails.header(mail, 'Subject'))}\n{_text(mail)}"
    if _LATE.search(words) and not _FINAL.search(words):
        return None
    final = _FINAL.search(words)
    return _CAME_BACK if final is None else status_of(words[final.start() :])


# --- the parts of a mail ---


def _all(mail: Mail, name: str) -> list[str]:
    return [str(value)[: mails.MOST_HEADER] for value in mail.get_all(name, [])[:_MOST_VALUES]]


def _plain_address(address: str) -> str:
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _text(mail: Mail) -> str:
    # Four bytes a character at most, and a page of HTML says much about its looks before it says anything.
    return mails.words_of(mail, text_of_html, 4 * _MOST_TEXT)


_BODY = re.compile(r"(?i)<body\b")
_PIECE = re.compile(r"<!--(?P<comment>)|<(?P<tag>[^<>]*)>|(?P<text>[^<]+|<)")
_TAG = re.compile(r"(?P<end>/?)\s*(?P<name>[A-Za-z][A-Za-z0-9]*)")
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "hr", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote"})
_UNSEEN = frozenset({"style", "script", "head", "title"})


def text_of_html(markup: str) -> str:
    """The words of a page of HTML, a block a line, what is quoted behind `>`.

    Not html.parser: what is malformed on purpose takes it quadratic time, minutes for 100 KB.
    """
    body = _BODY.search(markup)
    start = 0 if body is None else body.start()
    words = _Words()
    for piece in _pieces(markup[start : start + _MOST_TEXT]):
        words.take(piece)
    return "\n".join(words.lines())


def _pieces(markup: str) -> Iterator[re.Match[str]]:
    """Tags and text between them, without comments; one that does not end hides the rest."""
    at = 0
    while (piece := _PIECE.match(markup, at)) is not None:
        at = piece.end()
        if piece["comment"] is None:
            yield piece
            continue
        end = markup.find("-->", at)
        if end < 0:
            return
        at = end + len("-->")


class _Words:
    """Keeps text; breaks lines at blocks."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, list[str]]] = [(0, [])]
        self._quoted = 0
        self._unseen = 0

    def lines(self) -> Iterator[str]:
        for depth, texts in self._lines:
            yield ("> " if depth else "") + " ".join(html.unescape("".join(texts)).split())

    def take(self, piece: re.Match[str]) -> None:
        tag = None if piece["tag"] is None else _TAG.match(piece["tag"])
        if tag is not None:
            self._tag(tag["name"].lower(), -1 if tag["end"] else 1)
        elif piece["text"] is not None and not self._unseen:
            self._lines[-1][1].append(piece["text"])

    def _tag(self, name: str, step: int) -> None:
        self._unseen = max(self._unseen + step * (name in _UNSEEN), 0)
        self._quoted = max(self._quoted + step * (name == "blockquote"), 0)
        if name in _BREAKS:
            self._lines.append((self._quoted, []))
