"""A monitor that can only write mail: its mail becomes a signal by the words of its subject. Pure.

`PROBLEM web01/HTTP is CRITICAL` and `RECOVERY web01/HTTP is OK` are one thing: the words that say how it stands
are left out of its key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from incidents.model import Frozen
from signals.signal import LONGEST_TITLE, Action, Signal, one_line, stable_key

Words = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
Sender = Annotated[str, StringConstraints(pattern=r"^[^\s@<>,;\"]{0,64}@[^\s@<>,;\"]{1,190}$")]

_FURTHER_STATE = ("alert", "alarm", "major", "minor", "unknown", "re", "fw", "fwd")
"""Words that say how it stands, or nothing at all, and decide nothing."""
_LINES_READ = 10
_LONGEST_SUBJECT = 500
_LONGEST_TEXT = 4_000
_MOST_WORDS = 400


class MailRules(Frozen):
    """Whose mail counts, and which words end what a mail began. The first of the words, in the subject or else in the
    first lines, decides; a mail without any triggers."""

    senders: tuple[Sender, ...] = ()
    """`nagios@example.com`, or `@example.com` for everybody there; empty means everybody who knows the address."""
    authenticated: bool = False
    """Only mail of which our own mail server says that it is from whom it claims (DMARC)."""
    trigger: tuple[Words, ...] = ("PROBLEM", "FIRING", "TRIGGERED", "DOWN", "CRITICAL", "WARNING", "ERROR", "FAILED")
    resolve: tuple[Words, ...] = ("RESOLVED", "RECOVERY", "RECOVERED", "OK", "UP", "CLEARED", "CLOSED")
    acknowledge: tuple[Words, ...] = ("ACKNOWLEDGEMENT", "ACKNOWLEDGED")
    ignore: Annotated[tuple[Words, ...], Field(max_length=50)] = ()
    """Dropped wherever one stands in the subject, such as DOWNTIME."""

    def allows(self, sender: str, *, vouched: bool) -> bool:
        """Whether mail of this address counts; `vouched`: our mail server says that it is really theirs."""
        who = sender.casefold()
        listed = not self.senders or any(
            who.endswith(each.casefold()) if each.startswith("@") else who == each.casefold() for each in self.senders
        )
        return listed and (vouched or not self.authenticated)


@dataclass(frozen=True, slots=True)
class MonitorMail:
    """A mail as far as it matters here."""

    sender: str
    subject: str
    text: str
    event_id: str
    """The same for every copy of the mail."""
    vouched: bool
    raw: bytes = b""


def action_of(mail: MonitorMail, rules: MailRules) -> Action | None:
    """What the mail asks for; None when it is to be ignored."""
    subject = list(_words(mail.subject[:_LONGEST_SUBJECT]))
    if any(_at(subject, each) is not None for each in rules.ignore):
        return None
    first_lines = list(_words(" ".join(mail.text[:_LONGEST_TEXT].splitlines()[:_LINES_READ])))
    return _first_state(subject, rules) or _first_state(first_lines, rules) or "trigger"


def mail_signal(mail: MonitorMail, rules: MailRules, severity_words: Iterable[str]) -> Signal | None:
    """The signal of a mail; None when it is to be ignored."""
    action = action_of(mail, rules)
    if action is None:
        return None
    known = tuple(severity_words)
    subject = one_line(mail.subject[:_LONGEST_SUBJECT])
    words = list(_words(subject))
    said = sorted((at, each) for each in known if (at := _at(words, each)) is not None)
    first_line = next((line for line in map(one_line, mail.text[:_LONGEST_TEXT].splitlines()) if line), "")
    title = (subject or first_line or f"A mail of {mail.sender}")[:LONGEST_TITLE]
    return Signal(
        action,
        key_of(subject or first_line, rules, known) or mail.sender.casefold(),
        title,
        mail.sender,
        said[0][1] if said else None,
        {"from": mail.sender, "subject": subject},
        mail.raw,
    )


def key_of(subject: str, rules: MailRules, severity_words: Iterable[str]) -> str:
    """What a subject is about, in lower case: without the words that say how it stands, and without the brackets that
    hold one of them (`[FIRING:3]`)."""
    states = [*rules.trigger, *rules.resolve, *rules.acknowledge, *severity_words, *_FURTHER_STATE]
    phrases = sorted((tuple(_words(each)) for each in states), key=len, reverse=True)
    left = "".join(each for each in _pieces(subject) if not _says_state(each, phrases))
    return stable_key(" ".join(_without(list(_words(left)), phrases)))


def _says_state(piece: str, phrases: Sequence[tuple[str, ...]]) -> bool:
    """Whether this is a pair of brackets with a word of state in it."""
    if not piece.startswith("["):
        return False
    words = list(_words(piece))
    return any(_at(words, " ".join(each)) is not None for each in phrases)


def _pieces(subject: str) -> Iterator[str]:
    """The subject cut before each `[` and behind each `]`."""
    for part in subject.replace("[", "\0[").split("\0"):
        inside, bracket, rest = part.partition("]") if part.startswith("[") else ("", "", part)
        if bracket:
            yield f"{inside}]"
            yield rest
        else:
            yield part


def _without(words: list[str], phrases: Sequence[tuple[str, ...]]) -> Iterator[str]:
    at = 0
    while at < len(words):
        found = next((each for each in phrases if each and tuple(words[at : at + len(each)]) == each), None)
        if found is None:
            yield words[at]
        at += len(found or (1,))


def _first_state(words: list[str], rules: MailRules) -> Action | None:
    states: tuple[tuple[Action, tuple[str, ...]], ...] = (
        ("trigger", rules.trigger),
        ("resolve", rules.resolve),
        ("acknowledge", rules.acknowledge),
    )
    found = [(at, action) for action, phrases in states for each in phrases if (at := _at(words, each)) is not None]
    return min(found)[1] if found else None


def _at(words: list[str], phrase: str) -> int | None:
    """Where this word, or these words in a row, first stand."""
    wanted = list(_words(phrase))
    for at in range(len(words) - len(wanted) + 1):
        if wanted and words[at : at + len(wanted)] == wanted:
            return at
    return None


def _words(text: str) -> Iterator[str]:
    """Its words in lower case. Signs end a word, but not inside one: `web01/http` and `10.0.0.1` are one each."""
    for number, each in enumerate(text.replace(":", " ").replace("=", " ").split()):
        if number >= _MOST_WORDS:
            return
        word = each.strip("[](){}<>*#!?.,;|-\u2013\u2014\"'").casefold()
        if word:
            yield word
