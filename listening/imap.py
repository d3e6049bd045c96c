"""A mailbox that customers write to, read by IMAP and never changed: EXAMINE, BODY.PEEK, no flag is set.

A folder is read by UID, upwards. When its UIDVALIDITY changes, its numbers mean nothing any more: it is read again
from a day before the last mail, and Message-IDs say what is known.
"""

import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError, LoginError  # type: ignore[import-untyped]

from listening import cursors
from listening.blocking import Blocking
from listening.environment import secret
from listening.mails import Ours, ours_of, read_mail
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Imap, SourceSpec
from signals.mails import MOST_READ
from signals.mention import Mention

log = logging.getLogger("tocsin.listening")

AT_ONCE = 100
"""Mails of one folder in one poll."""
_FETCHED = 10
"""Mails in one answer of the server."""
_NUMBERS = 5_000
"""UIDs that one search covers; most of them may be gone."""
_LOOKED_AT = 200
"""Mails of today whose arrival the first poll looks at."""
_ENOUGH = 20.0
"""Seconds of one folder; the rest waits for the next poll."""
BACK = timedelta(minutes=5)
_AGAIN = timedelta(days=1)
_TIMEOUT = SocketTimeout(connect=5, read=15)
_PART = f"BODY.PEEK[]<0.{MOST_READ}>"


def build(
    spec: SourceSpec, brands: tuple[Brand, ...], environment: Mapping[str, str], now: Callable[[], datetime]
) -> Source:
    """A source that reads one mailbox, and what we answer where `sent` names its folder."""
    if not isinstance(spec, Imap):
        raise TypeError(spec.kind)
    blocking, ours = Blocking(f"The mailbox of {spec.user}"), ours_of(spec, brands)

    async def poll(cursor: str | None) -> Batch:
        password = secret(environment, spec.password_from, f"the password of {spec.user}")
        return await blocking.run(lambda: _poll(spec, ours, password, cursor, now()))

    return Source(spec.name, spec.kind, spec.every, poll)


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a folder was read: up to this UID, whose mail arrived then."""

    validity: int
    uid: int
    at: datetime


def _mailbox(spec: Imap) -> str:
    return f"{spec.user}@{spec.host}:{spec.port}"


def _decode(cursor: str | None, spec: Imap) -> dict[str, _Place]:
    written = cursors.decode(cursor, _mailbox(spec))
    if written is None:
        return {}
    return {
        str(name): _Place(int(validity), int(uid), datetime.fromisoformat(at))
        for name, (validity, uid, at) in written["folders"].items()
    }


def _encode(places: Mapping[str, _Place], spec: Imap) -> str:
    written = {name: [each.validity, each.uid, each.at.isoformat()] for name, each in places.items()}
    return cursors.encode(_mailbox(spec), {"folders": written})


def _poll(spec: Imap, ours: Ours, password: str, cursor: str | None, now: datetime) -> Batch:
    places = _decode(cursor, spec)
    mentions: list[Mention] = []
    more = False
    try:
        with _connected(spec, password) as client:
            for folder in [spec.folder, *([spec.sent] if spec.sent else [])]:
                found, places[folder], rest = _read(client, spec, ours, folder, places.get(folder), now)
                mentions += found
                more = more or rest
    except LoginError as error:
        raise SourceFailed(f"{spec.host} refuses {spec.user} and the password in {spec.password_from}.") from error
    except (IMAPClientError, OSError) as error:
        raise SourceFailed(f"The mailbox of {spec.user} cannot be read ({_words(error)}).") from error
    return Batch(tuple(sorted(mentions, key=lambda each: each.at)), _encode(places, spec), more)


def _words(error: Exception) -> str:
    """What went wrong, on a short line; what servers say may be long."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


@contextlib.contextmanager
def _connected(spec: Imap, password: str) -> Any:
    context = None if spec.security == "none" else ssl.create_default_context()
    client = IMAPClient(
        spec.host,
        port=spec.port,
        ssl=spec.security == "tls",
        ssl_context=context if spec.security == "tls" else None,
        timeout=_TIMEOUT,
    )
    client.normalise_times = False  # with their zone, as the server gives them
    try:
        if spec.security == "starttls":
            client.starttls(context)
        client.login(spec.user, password)
        yield client
        with contextlib.suppress(IMAPClientError, OSError):
            client.logout()
    finally:
        with contextlib.suppress(OSError):
            client.shutdown()


def _read(
    client: Any, spec: Imap, ours: Ours, folder: str, place: _Place | None, now: datetime
) -> tuple[list[Mention], _Place, bool]:
    """The mentions of a folder, how far it is then read, and whether there are more."""
    status = client.select_folder(folder, readonly=True)
    validity, following = int(status[b"UIDVALIDITY"]), int(status.get(b"UIDNEXT", 0))
    if place is None:
        place = _beginning(client, validity, following, now - BACK, now)
    elif place.validity != validity:
        place = _beginning(client, validity, following, place.at - _AGAIN, place.at)
    last = min(place.uid + _NUMBERS, following - 1) if following else place.uid + _NUMBERS
    if last <= place.uid:
        return [], place, False
    uids = sorted(each for each in client.search(["UID", f"{place.uid + 1}:{last}"]) if place.uid < each <= last)
    taken = uids[:AT_ONCE]
    found: list[Mention] = []
    at = place.at
    enough = time.monotonic() + _ENOUGH
    for first in range(0, len(taken), _FETCHED):
        if first and time.monotonic() > enough:
            taken = taken[:first]
            break
        for uid, answer in sorted(client.fetch(taken[first : first + _FETCHED], ["INTERNALDATE", _PART]).items()):
            arrived = _moment(answer.get(b"INTERNALDATE"), now)
            at = max(at, arrived)
            mention = _mention(answer, spec, ours, f"{folder}:{validity}.{uid}", arrived, sent=folder == spec.sent)
            found += [] if mention is None else [mention]
    uid = taken[-1] if len(uids) > len(taken) else last
    return found, _Place(validity, uid, at), bool(following) and uid < following - 1


def _beginning(client: Any, validity: int, following: int, since: datetime, at: datetime) -> _Place:
    """The place before the first mail that arrived at or after `since`; days are all that a search knows."""
    uids: Sequence[int] = sorted(client.search(["SINCE", (since - timedelta(days=1)).date()]))
    if at - since <= BACK:
        uids = uids[-_LOOKED_AT:]
    last = max(following - 1, uids[-1] if uids else 0, 0)
    for first in range(0, len(uids), 500):
        arrivals = client.fetch(uids[first : first + 500], ["INTERNALDATE"])
        for uid in sorted(arrivals):
            if _moment(arrivals[uid].get(b"INTERNALDATE"), since) >= since:
                return _Place(validity, uid - 1, at)
    return _Place(validity, last, at)


def _moment(value: Any, otherwise: datetime) -> datetime:
    """When the server took it: the date in the mail is the sender's own word."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else otherwise


def _mention(
    answer: Mapping[bytes, Any], spec: Imap, ours: Ours, name: str, arrived: datetime, *, sent: bool
) -> Mention | None:
    content = next((each for key, each in answer.items() if key.startswith(b"BODY[]")), None)
    if not isinstance(content, bytes):
        return None  # somebody has deleted it meanwhile
    try:
        return read_mail(content, spec.name, name, arrived, ours, sent=sent, keeps_sent=spec.sent is not None)
    except Exception as error:  # noqa: BLE001 - a stranger made it, perhaps to break the library that reads it
        log.warning("mail passed over: it cannot be read source=%s error=%s", spec.name, type(error).__name__)
        return None
