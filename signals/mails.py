"""How a mail that anybody may have written is opened: only its beginning, in no more than linear time. Pure.

Of what a machine wrote RFC 3834 (auto-replies) and RFC 2369 (lists) say how it shows.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Mail
from itertools import islice

MOST_READ = 256 * 1024
"""Bytes of a mail: what people write stands before what they attach."""
MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
ORIGINAL = re.compile(
    r"(?i)(-{2,}\s*(original message|mensaje original|forwarded message|mensaje reenviado)\b|_{10,}$"
    r"|(from|de|von): .*@)"
)
"""The line above an original that follows as it was."""
LINES_OF_WROTE = 3
"""Over which programs break "On Tuesday Care wrote:"."""
DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon"})
UNREAD = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply"})
MOST_HEADER = 16_000
_MOST_DECODED = 2_000
_MOST_PARTS = 100
_BOUNDARY = re.compile(rb"(?i)boundary[\s*0-9]*=")
_MOST_BOUNDARIES = 20
"""The library compares every line with the boundary of every part around it."""
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
"""What Python decodes but is no character set of a mail; the first two take quadratic time."""
_WROTE = re.compile(
    r"(?i)(on|el|am|le|il|op|em|den)\b.*(wrote|escribió|schrieb|a écrit|ha scritto|schreef|escreveu|skrev)\b[^:]{0,80}:"
)
_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SELF_MADE = ("X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Reply", "X-Mail-Autoreply", "List-Id")
_AWAY = re.compile(
    r"(?i)\s*(auto(matic)?[ -]?(reply|response)|out of (the )?office|respuesta autom|fuera de (la )?oficina)"
)


def opened(content: bytes) -> Mail:
    """The beginning of a mail. ValueError for one made to keep the library busy; whoever reads it expects any other
    exception too: the library has some for mails that are made to break it."""
    start = content[:MOST_READ]
    if len(_BOUNDARY.findall(start)) > _MOST_BOUNDARIES:
        raise ValueError("more parts within parts than anybody writes")
    return message_from_bytes(start)


def header(mail: Mail, name: str) -> str:
    """A header as it stands, on one line; empty when it is not there."""
    return " ".join(str(mail.get(name, ""))[:MOST_HEADER].split())


def decoded(text: str) -> str:
    """The words of a header."""
    short = text[:_MOST_DECODED]
    try:
        return " ".join(str(make_header(decode_header(short))).split())
    except (HeaderParseError, LookupError, ValueError):  # a broken encoded word, an unknown character set
        return short


def first_id(text: str) -> str:
    """The first message id of a header; empty without one."""
    found = MESSAGE_ID.search(text)
    return "" if found is None else found[0]


def local_part(address: str) -> str:
    return address.partition("@")[0].lower()


def is_by_a_machine(mail: Mail, who: str) -> bool:
    """Whether it was sent without anybody writing it. `who` is the sender's address."""
    submitted = header(mail, "Auto-Submitted").split(";")[0].strip().lower()
    return (
        submitted not in ("", "no")
        or header(mail, "Precedence").strip().lower() in _BULK
        or any(header(mail, name) for name in _SELF_MADE)
        or local_part(who) in UNREAD
        or header(mail, "Return-Path").strip() == "<>"
        or _AWAY.match(decoded(header(mail, "Subject"))) is not None
    )


def is_report(mail: Mail) -> bool:
    return mail.get_content_type() == "multipart/report"


def words_of(mail: Mail, of_html: Callable[[str], str], most: int = MOST_READ) -> str:
    """The first readable words: plain text where there is any, else those of the HTML. `most` bytes of a part."""
    parts = [part for part in islice(mail.walk(), _MOST_PARTS) if not part.is_multipart() and not part.get_filename()]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() != kind:
                continue
            words = _text_of(part, most)
            if kind == "text/html":
                words = of_html(words)
            if words.strip():
                return words
    return ""


def _text_of(part: Mail, most: int) -> str:
    payload = part.get_payload(decode=True)
    raw = payload[:most] if isinstance(payload, bytes) else b""
    try:
        charset = part.get_content_charset() or "utf-8"
        if codecs.lookup(charset).name in _NO_CHARSETS:
            return raw.decode("latin-1")
        return raw.decode(charset, errors="replace")
    except (LookupError, ValueError):  # a character set that nobody knows, or that is made to break us
        return raw.decode("latin-1")


def length_of_wrote(lines: Sequence[str]) -> int:
    """How many of these lines are "On Tuesday Care wrote:", which programs break where they like; 0 for none."""
    for length in range(1, len(lines) + 1):
        if _WROTE.fullmatch(" ".join(lines[:length])):
            return length
    return 0
