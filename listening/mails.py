"""A mail of a customer as a mention, from its bytes. Pure.

Anybody may write to us: only the beginning of anything is read, and no step takes more than linear time. What machines
send (auto-replies, bounces, newsletters, lists) is no customer's; RFC 3834 and RFC 2369 say how it shows.
"""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail
from email.utils import getaddresses
from itertools import islice

from listening.html_text import text_of
from listening.texts import body as plain_body
from listening.texts import line
from signals.listening import Brand, Imap
from signals.mention import Mention

MOST_READ = 256 * 1024
"""Bytes of a mail: what people write stands before what they attach."""
_MOST_HEADER = 16_000
_MOST_SUBJECT = 2_000
_MOST_PARTS = 100
_MOST_REFERENCES = 100
_BOUNDARY = re.compile(rb"(?i)boundary[\s*0-9]*=")
_MOST_BOUNDARIES = 20
"""The library compares every line with the boundary of every part around it."""
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
"""What Python decodes but is no character set of a mail; the first two take quadratic time."""
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon"})
_UNREAD = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply"})
_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SELF_MADE = (
    *("X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Reply", "X-Mail-Autoreply"),
    *("List-Id", "List-Unsubscribe", "List-Post"),
)
_AWAY = re.compile(
    r"(?i)\s*(auto(matic)?[ -]?(reply|response)|out of (the )?office|respuesta autom|fuera de (la )?oficina)"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_QUOTES = ("<blockquote", 'class="gmail_quote', 'id="divrplyfwdmsg', 'id="appendonsend')
"""Where the original begins in the HTML of common mail programs."""
_WROTE = re.compile(
    r"(?i)(on|el|am|le|il|op|em|den)\b.*(wrote|escribió|schrieb|a écrit|ha scritto|schreef|escreveu|skrev)\b[^:]{0,80}:"
)
_ORIGINAL = re.compile(
    r"(?i)(-{2,}\s*(original message|mensaje original|forwarded message|mensaje reenviado)\b|_{10,}$"
    r"|(from|de|von): .*@)"
)
_LINES_OF_WROTE = 3
_LONGEST_LINE = 400


@dataclass(frozen=True, slots=True)
class Ours:
    """Which addresses are ours: whole ones, and domains."""

    addresses: frozenset[str]
    domains: frozenset[str]

    def __contains__(self, address: str) -> bool:
        folded = address.casefold()
        local, _, domain = folded.rpartition("@")
        plain = f"{local.partition('+')[0]}@{domain}"
        return folded in self.addresses or plain in self.addresses or domain in self.domains


def ours_of(spec: Imap, brands: Iterable[Brand]) -> Ours:
    """The mailbox's own address, those of `ours`, and the mail addresses among the brands' accounts."""
    named = [*spec.ours, spec.user, *(account for brand in brands for account in brand.accounts)]
    folded = [each.strip().casefold() for each in named]
    addresses = frozenset(each for each in folded if each.count("@") == 1 and not each.startswith("@"))
    return Ours(addresses, frozenset(each[1:] for each in spec.ours if each.startswith("@")))


def read_mail(
    content: bytes, source: str, name: str, arrived: datetime, ours: Ours, *, sent: bool, keeps_sent: bool
) -> Mention | None:
    """The mention that a mail is; None for what no person wrote to us.

    `name` stands for a Message-ID that is missing. `sent`: it lies in the folder of what we sent, and is by us whatever
    it says. Where there is such a folder (`keeps_sent`), a mail in the other one that claims to be ours is nothing:
    anybody can claim that, and an answer ends a customer's waiting. Whoever calls expects any exception: the library
    has some for mails that are made to break it.
    """
    start = content[:MOST_READ]
    if len(_BOUNDARY.findall(start)) > _MOST_BOUNDARIES:
        raise ValueError("more parts within parts than anybody writes")
    mail = message_from_bytes(start)
    references = _MESSAGE_ID.findall(_header(mail, "References"))[:_MOST_REFERENCES]
    answered = _first_id(_header(mail, "In-Reply-To")) or (references[-1] if references else "")
    who, named = _author(mail, ours, is_new=not answered)
    by_us = sent or who in ours
    if not sent and (_is_by_a_machine(mail, who) or (by_us and keeps_sent)):
        return None
    said = _header(mail, "Content-Language").split(",")[0].strip()
    return Mention(
        source=source,
        id=_first_id(_header(mail, "Message-ID")) or name,
        at=arrived,
        text=own_words(_text(mail)),
        author=who.casefold(),
        author_name=line(named or who),
        language=said if _LANGUAGE.fullmatch(said) else None,
        thread=(references[0] if references else "") or answered,
        reply_to=answered,
        private=True,
        to_us=not by_us,
        by_us=by_us,
        title=line(_decoded(_header(mail, "Subject"))),
    )


def own_words(text: str) -> str:
    """What the person wrote themselves: without what is quoted, the original below it, and a signature."""
    lines = plain_body(text).split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        bare = lines[at][:_LONGEST_LINE].strip()
        if lines[at].rstrip() in ("--", "-- ", "—") or _ORIGINAL.match(bare):
            break
        length = _length_of_wrote([each[:_LONGEST_LINE].strip() for each in lines[at : at + _LINES_OF_WROTE]])
        if length:
            at += length
            if not next((each.strip() for each in lines[at:] if each.strip()), "").startswith(">"):
                break  # the original follows as it was: nothing there is theirs
            continue
        if not bare.startswith(">"):
            kept.append(lines[at].rstrip())
        at += 1
    return "\n".join(kept).strip()


def _length_of_wrote(lines: Sequence[str]) -> int:
    """How many of these lines are "On Tuesday Care wrote:", which programs break where they like; 0 for none."""
    for length in range(1, len(lines) + 1):
        if _WROTE.fullmatch(" ".join(lines[:length])):
            return length
    return 0


# --- who ---


def _author(mail: Mail, ours: Ours, *, is_new: bool) -> tuple[str, str]:
    """Address and name of who wrote. A form on our own pages writes in our name, and answers go to the customer."""
    name, address = _first_address(mail, "From")
    if is_new and (address in ours or _local(address) in _UNREAD):
        reply_name, reply_to = _first_address(mail, "Reply-To")
        if reply_to and reply_to not in ours and _local(reply_to) not in _UNREAD:
            return reply_to, reply_name
    return address, name


def _first_address(mail: Mail, header: str) -> tuple[str, str]:
    found = [each for each in getaddresses([_header(mail, header)]) if "@" in each[1]]
    if not found:
        return "", ""
    name, address = found[0]
    return _decoded(name), address[:320]


def _is_by_a_machine(mail: Mail, who: str) -> bool:
    submitted = _header(mail, "Auto-Submitted").split(";")[0].strip().lower()
    return (
        submitted not in ("", "no")
        or mail.get_content_type() == "multipart/report"
        or _header(mail, "Precedence").strip().lower() in _BULK
        or any(_header(mail, name) for name in _SELF_MADE)
        or _local(who) in _UNREAD | _DAEMONS
        or _header(mail, "Return-Path").strip() == "<>"
        or _AWAY.match(_decoded(_header(mail, "Subject"))) is not None
        or not who
    )


def _local(address: str) -> str:
    return address.partition("@")[0].lower()


# --- the parts of a mail ---


def _header(mail: Mail, name: str) -> str:
    """A header as it stands, on one line; empty when it is not there."""
    return " ".join(str(mail.get(name, ""))[:_MOST_HEADER].split())


def _decoded(header: str) -> str:
    short = header[:_MOST_SUBJECT]
    try:
        return " ".join(str(make_header(decode_header(short))).split())
    except (HeaderParseError, LookupError, ValueError):  # a broken encoded word, an unknown character set
        return short


def _first_id(header: str) -> str:
    found = _MESSAGE_ID.search(header)
    return "" if found is None else found[0]


def _text(mail: Mail) -> str:
    """The first readable words: plain text where there is any, else the text of the HTML without the original."""
    parts = [part for part in islice(mail.walk(), _MOST_PARTS) if not part.is_multipart() and not part.get_filename()]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() != kind:
                continue
            words = _words(part)
            if kind == "text/html":
                words = text_of(_without_original(words))
            if words.strip():
                return words
    return ""


def _without_original(markup: str) -> str:
    folded = markup.lower()
    found = [at for at in map(folded.find, _QUOTES) if at >= 0]
    return markup[: markup.rfind("<", 0, min(found) + 1)] if found and len(folded) == len(markup) else markup


def _words(part: Mail) -> str:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    try:
        charset = part.get_content_charset() or "utf-8"
        if codecs.lookup(charset).name in _NO_CHARSETS:
            return raw.decode("latin-1")
        return raw.decode(charset, errors="replace")
    except (LookupError, ValueError):  # a character set that nobody knows, or that is made to break us
        return raw.decode("latin-1")
