"""What the detector is told, in the order in which it counts. Pure data, small: 20,000 of them pass in a second."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from signals.mention import Tagged

MOST_REACH = 100_000_000_000
"""Followers. A server of a stranger's may claim any number."""


OLD_AFTER = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One mention of one brand, as far as rules ask."""

    brand: str
    at: float
    """Seconds since the epoch: when it counts (`counted_at` in the store)."""
    id: str
    """Names it among the brand's: source and the network's id."""
    author: int = 0
    """64 bits that stand for the author; 0 where nobody knows."""
    count: int = 1
    negative: bool = False
    complaint: bool = False
    topics: frozenset[str] = frozenset()
    reach: int = 0
    verified: bool = False
    thread: int = 0
    """64 bits that stand for the conversation."""
    by_us: bool = False
    """Our own answer: it ends the waiting of its thread and is counted nowhere."""
    old: bool = False
    """Written so long before it counts (a source was away) that it says nothing of how many write now: it is not among
    the counts of a brand's three streams. What one mention may say, a topic, a waiting customer, it says as ever."""
    written: float = 0.0
    """When it was written, where that is before it counts; 0 where it is not."""
    who: str = ""
    """How a sentence calls the author."""
    link: str = ""


@dataclass(frozen=True, slots=True)
class AlertHeard:
    """A monitor's alert began to fire or recovered; or a source fell silent (`source:<name>`) or spoke again."""

    at: float
    key: str
    names: frozenset[str]
    """Lower case: values of its labels and words of its summary."""
    firing: bool


@dataclass(frozen=True, slots=True)
class NotHeard:
    """A brand could not be listened to between two moments: those hours are unknown, not zero."""

    brand: str
    since: float
    at: float
    """Until."""


Heard = Observation | AlertHeard | NotHeard


def observation(tagged: Tagged, counted_at: datetime | float) -> Observation:
    """What the rules see of a mention."""
    mention = tagged.mention
    author = f"{mention.source}\x00{mention.author}" if mention.author else ""
    at = counted_at.timestamp() if isinstance(counted_at, datetime) else counted_at
    written = mention.at.timestamp()
    return Observation(
        brand=tagged.brand,
        at=at,
        id=f"{mention.source}:{mention.id}",
        author=number_of(author),
        count=mention.count,
        negative=tagged.tone == "negative",
        complaint=tagged.complaint,
        topics=tagged.topics,
        reach=min(max(mention.reach or 0, 0), MOST_REACH),
        verified=bool(mention.verified),
        thread=number_of(f"{mention.source}\x00{mention.thread or mention.id}"),
        by_us=tagged.by_us or mention.by_us,
        old=at - written > OLD_AFTER,
        written=written if written < at else 0.0,
        who=mention.author_name or mention.author or "somebody",
        link=mention.link,
    )


def number_of(name: str) -> int:
    """The same 64 bits for the same name after every restart, not to be chosen by its owner; 0 for no name."""
    if not name:
        return 0
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1
