"""A storm: many incidents with escalations and replies, while the processes under it are killed and stalled."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.carrier import Accepted, Carrier
from tests.support.prefect_server import PrefectServer
from tests.support.real_engine import Person, RealEngine, RealWorker, person

LADDER = ("ana", "bob", "cleo", "dora")
SETTLE_WITHIN = 240
"""Seconds after the last kill; only a bound. An unproven page of somebody with one channel is repeated after 30."""
ENQUIRY = 32.0
"""Seconds after which the copy of a page of unknown outcome has left, where one is owed."""
BUDGET = 8.0
"""Seconds that one provider call may take: a page that is under way when somebody takes charge may still arrive."""


@dataclass
class Count:
    """What the provider's own list says after a storm."""

    incidents: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    lost: list[str] = field(default_factory=list)
    """Nobody was reached, or somebody was never tried; or the log says sent and the provider has nothing."""
    passed_over: list[str] = field(default_factory=list)
    """Every try of a person was interrupted by a kill, each channel and the copy; the ladder went on to the next."""
    doubled: list[str] = field(default_factory=list)
    """Pages that arrived twice, or again on the same channel, without a word that it may be a copy."""
    last_again: int = 0
    """Pages to the last rung, which is called again and again until somebody answers."""
    other_channel: int = 0
    """Pages to somebody who had been paged on another channel, because nobody knew whether that one had left."""
    marked: int = 0
    """Copies that say so."""
    after_charge: list[str] = field(default_factory=list)
    by_flow: int = 0
    """Pages that a flow asked for."""

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        return (
            f"{sum(self.kills.values())} kills ({kills}), {self.incidents} incidents, {self.pages} pages at the "
            f"provider: lost {len(self.lost)}, doubled {len(self.doubled)} (not marked as copies); copies that say so "
            f"{self.marked}, to the same person by another channel {self.other_channel}, last rung again "
            f"{self.last_again}, passed over {len(self.passed_over)}; asked for by flows {self.by_flow}"
        )


def people_of_a_storm() -> dict[str, Person]:
    kinds = {"ana": ("sms", "voice"), "bob": ("sms", "voice"), "cleo": ("sms",), "dora": ("sms", "voice")}
    return {each: person(each, *channels) for each, channels in kinds.items()}


class Storm:
    """`declares` sends the alerts; telephones answer by the plan that the seed has drawn."""

    def __init__(self, seed: int, engine: RealEngine, carrier: Carrier, people: dict[str, Person]) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.killed: Counter[str] = Counter()
        self.engine = engine
        self._carrier = carrier
        self._owner = {each.channels["sms"]: each.id for each in people.values()}
        self.answerer: dict[str, str | None] = {}
        """Incident -> who will answer its page, if anybody."""
        self.taken_at: dict[str, float] = {}
        self.calm_at = time.monotonic()
        """When the last process was killed."""
        self._said: dict[str, str] = {}
        carrier.engine = engine
        carrier.latency = lambda: self.random.uniform(0.0, 0.25)
        carrier.thinking = lambda: self.random.uniform(0.0, 2.0)
        carrier.picks_up = self._picks_up

    async def _picks_up(self, page: Accepted) -> None:
        """Whoever the seed has chosen for this incident answers their page, once."""
        if not page.is_page:
            return
        if page.incident not in self.answerer:
            chosen = random.Random(f"{self.seed}{page.incident}").choice([*LADDER, None, None])
            self.answerer[page.incident] = chosen
        if self.answerer[page.incident] != self._owner[page.to] or page.incident in self._said:
            return
        self._said[page.incident] = page.message_id
        number = page.incident.removeprefix("INC-")
        sid = f"SM{int(number):030d}ff"
        form = {"MessageSid": sid, "SmsSid": sid, "From": page.to, "To": "+12025550100", "Body": f"ack {number}"}
        answer = await self._carrier.insists("/twilio/sms", form)
        assert f"You have taken charge of {page.incident}." in answer.text, answer
        self.taken_at[page.incident] = time.monotonic()

    async def declares(self, incidents: int, over: float, go_on: Callable[[], bool]) -> None:
        """Alerts at random moments of this many seconds; each sender repeats until it is accepted."""
        moments = sorted(self.random.uniform(0, over) for _ in range(incidents))
        began = time.monotonic()

        async def send(number: int, moment: float) -> None:
            while go_on() and time.monotonic() < began + moment:
                await asyncio.sleep(0.05)
            await self.engine.hears(f"alert-{number}", seconds=120)

        await asyncio.gather(*(send(number, moment) for number, moment in enumerate(moments)))

    async def settles(self, incidents: int) -> None:
        """Wait until every incident is either taken, or has called up to the last rung and has nothing under way."""
        end = time.monotonic() + SETTLE_WITHIN
        while time.monotonic() < end:
            if len(await self._incidents()) == incidents and not self._open_still(incidents) and await self._at_rest():
                return
            await asyncio.sleep(0.3)

    def _open_still(self, incidents: int) -> list[str]:
        """Incidents that nobody has taken and whose last rung has not been reached."""
        numbers = (f"INC-{number}" for number in range(1, incidents + 1))
        return [each for each in numbers if each not in self.taken_at and LADDER[-1] not in self._reached(each)]

    def _reached(self, incident: str) -> set[str]:
        return {self._owner[page.to] for page in self._carrier.pages(incident)}

    async def _at_rest(self) -> bool:
        """Whether nothing waits and no copy will be owed: half a minute after the last unknown outcome."""
        with contextlib.suppress(OSError):
            rows = (await self.engine.get("/api/v1/status"))["outbox"]
            return not rows.get("pending") and not rows.get("sending") and time.monotonic() > self.calm_at + ENQUIRY
        return False

    async def count(self, incidents: int) -> Count:
        found = Count(incidents=incidents, kills=self.killed, pages=len(self._carrier.pages()))
        found.lost = [f"{each}: the ladder stopped" for each in self._open_still(incidents)]
        found.doubled = [f"{key} came {count} times" for key, count in self._carrier.sent_twice().items()]
        arrived = {each.message_id for each in self._carrier.taken}
        for incident in await self._incidents():
            self._compare(found, await self.engine.show(incident), arrived)
        for page in self._carrier.pages():
            taken_at = self.taken_at.get(page.incident)
            if taken_at is not None and page.at > taken_at + BUDGET:
                found.after_charge.append(page.message_id)
        return found

    def _compare(self, found: Count, shown: dict[str, Any], arrived: set[str]) -> None:
        """Hold one incident's log against the provider's list."""
        marked = {page["message_id"] for page in shown["pages"] if page["possible_duplicate"]}
        self._who_was_missed(found, shown)
        first: dict[tuple[str, str], str] = {}
        for page in self._carrier.pages(shown["id"]):
            if page.channel == "sms":
                assert page.says_copy == (page.message_id in marked), page
            if page.message_id in marked:
                found.marked += 1
            elif first.setdefault((page.to, page.channel), page.message_id) == page.message_id:
                continue
            elif self._owner[page.to] == LADDER[-1] and page.message_id not in self._carrier.sent_twice():
                found.last_again += 1
            else:
                found.doubled.append(f"{page.message_id} by {page.channel}, after {first[page.to, page.channel]}")
        claimed = {page["message_id"] for page in shown["pages"] if page["sent_at"] or page["delivered_at"]}
        found.lost += [f"{each}: the log says sent, the provider has nothing" for each in sorted(claimed - arrived)]
        reached = {(self._owner[to], channel) for to, channel in first}
        found.other_channel += len(reached) - len({who for who, _ in reached})
        asked = [event["by"] for event in shown["timeline"] if event["kind"] == "PageRequested"]
        found.by_flow += asked.count("flow")
        kinds = [event["kind"] for event in shown["timeline"]]
        if "Acknowledged" in kinds and "PageRequested" in kinds[kinds.index("Acknowledged") :]:
            found.after_charge.append(f"{shown['id']}: a page was asked for after somebody had taken charge")

    def _who_was_missed(self, found: Count, shown: dict[str, Any]) -> None:
        """People on the way to whoever was reached last, for whom nothing arrived."""
        reached = self._reached(shown["id"])
        furthest = max((LADDER.index(each) for each in reached), default=-1)
        for each in LADDER[:furthest]:
            if each in reached:
                continue
            tries = [page for page in shown["pages"] if page["contact"] == each]
            fair = any(page["possible_duplicate"] for page in tries) or shown["id"] in self.taken_at
            (found.passed_over if tries and fair else found.lost).append(f"{shown['id']}: {each}, {len(tries)} tries")

    async def _incidents(self) -> list[str]:
        with contextlib.suppress(OSError):
            listed = await self.engine.get("/api/v1/incidents?status=all&limit=1000")
            return [each["id"] for each in listed["incidents"]]
        return []


async def kill_again_and_again(storm: Storm, kills: int) -> None:
    """Kill the engine at random moments of its life, its start among them, sometimes stalled before."""
    engine = storm.engine
    for _ in range(kills):
        await asyncio.sleep(storm.random.uniform(0.4, 2.2))
        if storm.random.random() < 0.15:
            engine.stall()
            await asyncio.sleep(storm.random.uniform(0.1, 1.0))
            engine.go_on()
            await asyncio.sleep(storm.random.uniform(0.0, 0.2))
        engine.kill()
        storm.killed["engine"] += 1
        engine.start_soon()
        storm.calm_at = time.monotonic()
    await engine.is_up()


async def kill_any_of_them(storm: Storm, worker: RealWorker, server: PrefectServer, kills: int) -> None:
    """Kill the engine most of the time, its worker and the Prefect server now and then, each of them at least once."""
    once = ["engine", "worker", "Prefect server"]
    rest = storm.random.choices(once, weights=[6, 3, 1], k=max(0, kills - len(once)))
    victims = [*once, *rest]
    storm.random.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(storm.random.uniform(0.2, 2.0))
        storm.killed[victim] += 1
        match victim:
            case "engine":
                storm.engine.kill()
                await storm.engine.up()
            case "worker":
                worker.kill()
                worker.start()
            case _:
                server.kill()
                # It takes its 12 s; nobody waits for it, and an engine that is alive goes on.
                await asyncio.to_thread(server.start)
        storm.calm_at = time.monotonic()
