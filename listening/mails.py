"""A mail of a customer as a mention, from its bytes. Pure.

Anybody may write to us: only the beginning of anything is read, and no step takes more than linear time. What machines
send (auto-replies, bounces, newsletters, lists) is no customer's; RFC 3834 and RFC 2369 say how it shows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.message import Message as Mail
from email.utils import getaddresses

from listening.html_text import text_of
from listening.texts import body as plain_body
from listening.texts import line
from signals import mails
from signals.listening import Brand, Imap
from signals.mention import Mention

_MOST_REFERENCES = 100
_OF_LISTS = ("List-Unsubscribe", "List-Post")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_QUOTES = ("<blockquote", 'class="gmail_quote', 'id="divrplyfwdmsg', 'id="appendonsend')
"""Where the original begins in the HTML of common mail programs."""
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
    mail = mails.opened(content)
    references = mails.MESSAGE_ID.findall(mails.header(mail, "References"))[:_MOST_REFERENCES]
    answered = mails.first_id(mails.header(mail, "In-Reply-To")) or (references[-1] if references else "")
    who, named = _author(mail, ours, is_new=not answered)
    by_us = sent or who in ours
    if not sent and (_is_by_a_machine(mail, who) or (by_us and keeps_sent)):
        return None
    said = mails.header(mail, "Content-Language").split(",")[0].strip()
    return Mention(
        source=source,
        id=mails.first_id(mails.header(mail, "Message-ID")) or name,
        at=arrived,
        text=own_words(mails.words_of(mail, lambda markup: text_of(_without_original(markup)))),
        author=who.casefold(),
        author_name=line(named or who),
        language=said if _LANGUAGE.fullmatch(said) else None,
        thread=(references[0] if references else "") or answered,
        reply_to=answered,
        private=True,
        to_us=not by_us,
        by_us=by_us,
        title=line(mails.decoded(mails.header(mail, "Subject"))),
    )


def own_words(text: str) -> str:
    """What the person wrote themselves: without what is quoted, the original below it, and a signature."""
    lines = plain_body(text).split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        bare = lines[at][:_LONGEST_LINE].strip()
        if lines[at].rstrip() in ("--", "-- ", "—") or mails.ORIGINAL.match(bare):
            break
        length = mails.length_of_wrote([each[:_LONGEST_LINE].strip() for each in lines[at : at + mails.LINES_OF_WROTE]])
        if length:
            at += length
            if not next((each.strip() for each in lines[at:] if each.strip()), "").startswith(">"):
                break  # the original follows as it was: nothing there is theirs
            continue
        if not bare.startswith(">"):
            kept.append(lines[at].rstrip())
        at += 1
    return "\n".join(kept).strip()


# --- who ---


def _author(mail: Mail, ours: Ours, *, is_new: bool) -> tuple[str, str]:
    """Address and name of who wrote. A form on our own pages writes in our name, and answers go to the customer."""
    name, address = _first_address(mail, "From")
    if is_new and (address in ours or mails.local_part(address) in mails.UNREAD):
        reply_name, reply_to = _first_address(mail, "Reply-To")
        if reply_to and reply_to not in ours and mails.local_part(reply_to) not in mails.UNREAD:
            return reply_to, reply_name
    return address, name


def _first_address(mail: Mail, header: str) -> tuple[str, str]:
    found = [each for each in getaddresses([mails.header(mail, header)]) if "@" in each[1]]
    if not found:
        return "", ""
    name, address = found[0]
    return mails.decoded(name), address[:320]


def _is_by_a_machine(mail: Mail, who: str) -> bool:
    return (
        mails.is_by_a_machine(mail, who)
        or mails.is_report(mail)
        or any(mails.header(mail, name) for name in _OF_LISTS)
        or mails.local_part(who) in mails.DAEMONS
        or not who
    )


def _without_original(markup: str) -> str:
    folded = markup.lower()
    found = [at for at in map(folded.find, _QUOTES) if at >= 0]
    return markup[: markup.rfind("<", 0, min(found) + 1)] if found and len(folded) == len(markup) else markup
