"""Which message a mail is about: a signed token in the addresses and the Message-ID of every mail that leaves.

`pages+inc-7.abcde.0123456789abcdef@example.com`: incident, the message's own code, and a signature over its id, all in
lower case because mail servers may fold addresses. Whoever has not had the mail cannot make one. Pure.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

SIGNED = 16
"""Hex digits of the signature: 64 bits, and with the rest still under the 64 characters of a local part."""

MOST_TOKENS = 20
"""Each costs a look into the database, and anybody may write as many as they like."""
_READ = 64 * 1024
"""So far tokens are looked for: the search takes seconds for 10 MB, and everybody waits for it."""

Sign = Callable[[str], str]
"""From a message id to its signature, SIGNED hex digits."""

_TOKEN = re.compile(
    r"(?P<incident>[a-z]{3,10}(?:-[0-9]{1,12})?)\.(?P<code>[a-z2-7]{5})\.(?P<signature>[0-9a-f]{16})@", re.IGNORECASE
)
_RETURNED = re.compile(rf"\+b\.{_TOKEN.pattern}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailToken:
    """What a token says; true only when `signature` is that of a message with this incident and code."""

    incident: str
    code: str
    signature: str


@dataclass(frozen=True, slots=True)
class MailAddresses:
    """Our own addresses, one set a message. `own` is the plain one, such as `pages@example.com`."""

    own: str
    sign: Sign

    @property
    def domain(self) -> str:
        return self.own.rpartition("@")[2]

    def reply_to(self, incident: str, code: str, message_id: str) -> str:
        return f"{self._local}+{self._token(incident, code, message_id)}@{self.domain}"

    def return_path(self, incident: str, code: str, message_id: str) -> str:
        """Where a bounce goes: the envelope's sender, so that the message is known even if the bounce is unreadable."""
        return f"{self._local}+b.{self._token(incident, code, message_id)}@{self.domain}"

    def header_id(self, incident: str, code: str, message_id: str) -> str:
        """The Message-ID, the same for every copy of the message."""
        return f"<{self._token(incident, code, message_id)}@{self.domain}>"

    @property
    def _local(self) -> str:
        return self.own.rpartition("@")[0]

    def _token(self, incident: str, code: str, message_id: str) -> str:
        return f"{incident}.{code}.{self.sign(message_id)}".lower()


def tokens_in(text: str) -> tuple[MailToken, ...]:
    """The first tokens in this text, in order, each once."""
    found = (
        MailToken(each["incident"].upper(), each["code"].upper(), each["signature"].lower())
        for each in _TOKEN.finditer(text, 0, _READ)
    )
    return tuple(islice(_each_once(found), MOST_TOKENS))


def _each_once(tokens: Iterable[MailToken]) -> Iterator[MailToken]:
    seen: set[MailToken] = set()
    for token in tokens:
        if token not in seen:
            seen.add(token)
            yield token


def is_return_path(address: str) -> bool:
    """Whether only bounces are expected at this address of ours."""
    return _RETURNED.search(address, 0, _READ) is not None
