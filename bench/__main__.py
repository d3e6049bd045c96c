"""See the package. `--only latency,storm` measures a part, `--quick` less of everything."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime

import uvloop

from bench import bursts, nab
from bench import measures as m
from bench.detection import TIMED, detection
from bench.proof import proof
from bench.report import Report
from bench.systems import ROOT, Alertmanager, Prefect, Tocsin, free_port
from bench.wire import Receiver

PARTS = ("latency", "storm", "ingest", "folding", "crowd", "restart", "killed", "proof", "detection", "nab", "bursts")

INSIDE = {"proof", "detection", "nab", "bursts"}
"""Parts that need no other system."""


class Bench:
    def __init__(self, parts: set[str], *, quick: bool, prefect: bool) -> None:
        self._parts = parts
        self._quick = quick
        self._with_prefect = prefect
        self._receiver = Receiver()
        self._receiver_port = free_port()
        self._place = ROOT / "bench" / "results" / "homes"
        self.report = Report()

    async def run(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir(parents=True)
        await self._receiver.start(self._receiver_port)
        prefect = Prefect(self._place / "prefect-home") if self._with_prefect else None
        try:
            if prefect is not None:
                self._say("starting the Prefect server")
                await prefect.start()
            if self._parts & {"latency", "storm", "ingest", "folding"}:
                await self._side_by_side(prefect)
            if self._parts & {"crowd", "restart"}:
                await self._crowd(prefect)
            if "killed" in self._parts:
                await self._killed()
            if "proof" in self._parts:
                self._say("ten years of two hundred people")
                self.report.proof(proof())
            self._listening()
        finally:
            if prefect is not None:
                await prefect.end()

    def _listening(self) -> None:
        """What is measured inside this process, on one core."""
        if "detection" in self._parts:
            self._say("fifty rules on a thousand streams")
            self.report.detection(detection(20_000 if self._quick else TIMED))
        for part, measure in (("nab", nab.main), ("bursts", bursts.main)):
            if part in self._parts:
                self._say(part)
                if measure([]):
                    self.report.fact(part, "left out: there is no data")

    async def _side_by_side(self, prefect: Prefect | None) -> None:
        tocsin, other = self._tocsin("side"), self._alertmanager("side")
        try:
            await tocsin.start()
            await other.start()
            if prefect is not None:
                await prefect.work_for(tocsin)
            status = await tocsin.status()
            self.report.fact("PRAGMA synchronous of the live engine", str(status["synchronous"]))
            self.report.fact("Prefect while measuring", f"{status['prefect']} (workers: {len(status['workers'])})")
            for system in (other, tocsin):
                await m.storm(system, self._receiver, 200)  # both warm
            if "latency" in self._parts:
                await self._latency(tocsin, other)
            if "storm" in self._parts:
                rounds = 1 if self._quick else 3
                theirs = [await m.storm(other, self._receiver, 1000) for _ in range(rounds)]
                ours = [await m.storm(tocsin, self._receiver, 1000) for _ in range(rounds)]
                self.report.storm(sorted(ours, key=_seconds)[rounds // 2], sorted(theirs, key=_seconds)[rounds // 2])
            if "ingest" in self._parts:
                count = 2000 if self._quick else 6000
                for size in (1, 100):
                    theirs_ = await m.storm(other, self._receiver, count, size)
                    ours_ = await m.storm(tocsin, self._receiver, count, size)
                    self.report.ingest(size, ours_, theirs_)
            if "folding" in self._parts:
                count = 10_000 if self._quick else 100_000
                for size in (1, 100):
                    theirs_f = await m.folding(other, self._receiver, count, size)
                    ours_f = await m.folding(tocsin, self._receiver, count, size)
                    self.report.folding(size, ours_f, theirs_f)
        finally:
            await _end(tocsin, other)

    async def _latency(self, tocsin: Tocsin, other: Alertmanager) -> None:
        for size, bodies in ((1, 100 if self._quick else 400), (100, 4 if self._quick else 16)):
            theirs = await m.latency(other, self._receiver, bodies, size)
            ours = await m.latency(tocsin, self._receiver, bodies, size)
            self.report.latency(size, ours, theirs)

    async def _crowd(self, prefect: Prefect | None) -> None:
        incidents = 2000 if self._quick else 10_000
        tocsin = self._tocsin("crowd")
        try:
            await tocsin.start()
            if prefect is not None:
                await prefect.work_for(tocsin)
            await asyncio.sleep(1)
            found = await m.crowd(tocsin, self._receiver, incidents, rate=500)
            self.report.crowd(found)
            if "restart" in self._parts:
                if prefect is not None:
                    await prefect.rest()
                await tocsin.running.end()
                self.report.restart(await tocsin.start(), incidents)
        finally:
            await _end(tocsin)

    async def _killed(self) -> None:
        for system in (self._alertmanager("killed"), self._tocsin("killed")):
            try:
                await system.start()
                # Alertmanager has forgotten; Tocsin asks the provider for 30 s about the pages that were in flight.
                wait = 3 if isinstance(system, Alertmanager) else 36
                self.report.killed(system.name, await m.killed(system, self._receiver, 1000, wait))
            finally:
                await _end(system)

    def _tocsin(self, name: str) -> Tocsin:
        self._say(f"Tocsin: {name}")
        return Tocsin(self._place / f"tocsin-{name}", self._receiver_port)

    def _alertmanager(self, name: str) -> Alertmanager:
        return Alertmanager(self._place / f"alertmanager-{name}", self._receiver_port)

    def _say(self, what: str) -> None:
        print(f"[{time.monotonic() - BEGAN:5.0f} s, load {os.getloadavg()[0]:.1f}] {what}", file=sys.stderr, flush=True)


def _seconds(storm: m.Storm) -> float:
    return storm.seconds


async def _end(*systems: Tocsin | Alertmanager) -> None:
    for system in systems:
        if system.process is not None:
            await system.process.end()


BEGAN = time.monotonic()


def _revision() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return found.stdout.strip() or "no revision"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--without-prefect", action="store_true")
    arguments = parser.parse_args()
    parts = set(arguments.only.split(","))
    if parts - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(parts - set(PARTS)))}")
    if parts - INSIDE and shutil.which("prometheus-alertmanager") is None:
        print("needs the Debian package prometheus-alertmanager", file=sys.stderr)
        return 1
    bench = Bench(parts, quick=arguments.quick, prefect=not arguments.without_prefect and bool(parts - INSIDE))
    bench.report.fact("revision", _revision())
    bench.report.fact("load average before", f"{os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bench.run())
    bench.report.fact("took", f"{time.monotonic() - BEGAN:.0f} s")
    text = bench.report.text()
    results = ROOT / "bench" / "results"
    (results / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
