"""What is measured, one function a measurement. Each takes the system as it finds it and leaves it running."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.systems import Alertmanager, Tocsin
from bench.wire import Load, Receiver, Request, in_bodies, to_alertmanager, to_tocsin

System = Tocsin | Alertmanager
FIRST, SECOND = "+12025550101", "+12025550102"
FIRST_WAIT = 30.0
"""The first rung's wait in the ladder `quick` of plan/plan.yaml."""
LANES = 64

_numbers = itertools.count(100_000)


def fresh(count: int) -> list[int]:
    """Numbers of alerts that nobody has sent before."""
    return list(itertools.islice(_numbers, count))


def _maker(system: System) -> Callable[[Sequence[int], str], Request]:
    return to_tocsin if isinstance(system, Tocsin) else to_alertmanager


def requests(system: System, numbers: Sequence[int], size: int, name: str = "Outage") -> list[Request]:
    """Made beforehand, so that the load program only sends."""
    make = _maker(system)
    return [make(body, name) for body in in_bodies(numbers, size)]


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Delay:
    p50: float
    p95: float
    worst: float
    missing: int


def delays(values: Sequence[float], wanted: int) -> Delay:
    return Delay(quantile(values, 0.5), quantile(values, 0.95), max(values, default=float("nan")), wanted - len(values))


async def latency(system: System, receiver: Receiver, bodies: int, size: int) -> Delay:
    """From the first byte of an alert's request to the first byte of its page, one request at a time."""
    receiver.clear()
    numbers = fresh(bodies * size)
    load = Load(system.port, requests(system, numbers, size), rate=50 if size == 1 else 4)
    await load.run(1)
    await receiver.until(len(numbers), 20)
    arrived: dict[int, float] = {}
    for page in receiver.pages:
        arrived.setdefault(page.number, page.at)
    return delays([arrived[each] - load.sent[each] for each in numbers if each in arrived], len(numbers))


@dataclass(frozen=True, slots=True)
class Storm:
    """`seconds` from the first request to the last page; `answered` to the last 2xx."""

    seconds: float
    answered: float
    alerts: int
    pages: int
    refused: int

    @property
    def rate(self) -> float:
        return self.pages / self.seconds


async def storm(system: System, receiver: Receiver, alerts: int, size: int = 1, lanes: int = LANES) -> Storm:
    """So many distinct alerts as fast as they are taken, until all of them are paged."""
    receiver.clear()
    numbers = fresh(alerts)
    load = Load(system.port, requests(system, numbers, size))
    await load.run(lanes)
    await receiver.until(alerts, 30)
    last = max((page.at for page in receiver.pages), default=float("nan"))
    paged = len({page.number for page in receiver.pages})
    return Storm(last - load.first_at, load.answered_at - load.first_at, alerts, paged, alerts - len(load.accepted))


async def folding(system: System, receiver: Receiver, alerts: int, size: int) -> float:
    """Alerts a second when they all belong to a hundred incidents that are open already."""
    receiver.clear()
    numbers = fresh(100)
    opening = Load(system.port, requests(system, numbers, 1))
    await opening.run(1)
    await receiver.until(100, 10)
    prepared = itertools.cycle(requests(system, numbers, size))
    load = Load(system.port, itertools.islice(prepared, alerts // size))
    await load.run(LANES)
    if set(load.answers) - {b"200", b"202"}:
        raise RuntimeError(f"{system.name} refused: {load.answers}")
    return alerts / (load.answered_at - load.first_at)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Memory in MB at 0, 1,000 and all incidents open; how late their second rungs were received."""

    incidents: int
    empty: float
    at_thousand: float
    full: float
    lateness: Delay

    @property
    def kilobytes_each(self) -> float:
        return (self.full - self.empty) * 1024 / self.incidents


async def open_incidents(tocsin: Tocsin, receiver: Receiver, count: int, rate: float, name: str) -> Load:
    load = Load(tocsin.port, requests(tocsin, fresh(count), 1, name), rate=rate)
    await load.run(LANES)
    return load


async def crowd(tocsin: Tocsin, receiver: Receiver, incidents: int, rate: float) -> Crowd:
    """Open incidents whose second rung is due `FIRST_WAIT` after the first page's departure; all of them escalate."""
    receiver.clear()
    empty = tocsin.running.memory()
    first = await open_incidents(tocsin, receiver, 1000, rate, "Escalating")
    await asyncio.sleep(0.5)
    at_thousand = tocsin.running.memory()
    rest = await open_incidents(tocsin, receiver, incidents - 1000, rate, "Escalating")
    await asyncio.sleep(0.5)
    full = tocsin.running.memory()
    began = time.monotonic()
    await receiver.until(2 * incidents, FIRST_WAIT + 60)
    while time.monotonic() - began < 1:
        await asyncio.sleep(0.1)
    sent = first.sent | rest.sent
    departed: dict[int, float] = {}
    late: dict[int, float] = {}
    for page in receiver.pages:
        if page.to == FIRST:
            departed.setdefault(page.number, page.at)
        elif page.to == SECOND and page.number in departed:
            late.setdefault(page.number, page.at - departed[page.number] - FIRST_WAIT)
    return Crowd(incidents, empty, at_thousand, full, delays([late[each] for each in sent if each in late], incidents))


@dataclass(frozen=True, slots=True)
class Killed:
    """Counted from the receiver's list: accepted alerts without any page, and second pages to the same person."""

    accepted: int
    lost: int
    copies: int
    unmarked: int
    back_after: float


async def killed(system: System, receiver: Receiver, alerts: int, wait: float) -> Killed:
    """SIGKILL when a third of a storm is accepted, start again on the same home, and wait."""
    receiver.clear()
    load = Load(system.port, requests(system, fresh(alerts), 1))

    def maybe() -> None:
        if len(load.accepted) == alerts // 3:
            system.running.kill()

    load.on_answer = maybe
    await load.run(LANES)
    back = await system.start()
    await asyncio.sleep(wait)
    pages = list(receiver.pages)
    got = {page.number for page in pages}
    seen: Counter[tuple[int, str]] = Counter()
    copies = unmarked = 0
    for page in pages:
        seen[page.number, page.to] += 1
        if seen[page.number, page.to] > 1:
            copies += 1
            unmarked += 0 if page.copy else 1
    return Killed(len(load.accepted), len(set(load.accepted) - got), copies, unmarked, back)
