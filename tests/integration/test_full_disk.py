"""A full disk (invariant 15): signals wait at their senders; acknowledgements and pages go on; operators are paged."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import BALLAST_BYTES
from tests.support.every_door import FIRST, GENIE, knocks, write_plan
from tests.support.real_engine import Engines, PlanFiles, RealEngine, person, rung

MEGABYTE = 1024 * 1024
ROOM = 3 * BALLAST_BYTES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 192 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root, to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def engine(small_disk: Path, tmp_path: Path) -> Iterator[RealEngine]:
    engines = Engines(tmp_path)
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"], operators=["ana"])
    made = engines.make(plan)
    # The log stays outside: it is the operator's, and must not fill up with the disk.
    made.home = small_disk / "home"
    made.log_file = tmp_path / "engine.log"
    made.start()
    yield made
    engines.end()


def fill(file: Path) -> None:
    """Write until there is no room left at all."""
    with file.open("wb", buffering=0) as filler:
        for size in (MEGABYTE, 4096, 1):
            try:
                while filler.write(b"x" * size):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


async def test_on_a_full_disk_signals_are_refused_and_everything_else_goes_on(engine: RealEngine, small_disk: Path):
    ballast = engine.home / "ballast"
    assert ballast.stat().st_size == BALLAST_BYTES
    await engine.hears("before")
    filler = small_disk / "filler"
    fill(filler)

    async def refused(number: int) -> bool:
        answer = await engine.signal(f"while full {number}")
        assert answer.status in (202, 503), answer
        if answer.status == 503:
            assert answer.error == "The disk is full."
            assert int(answer.headers["retry-after"]) > 0
        return answer.status == 503

    number = 0
    while not await refused(number):
        number += 1
    heard = [each["title"] for each in (await engine.get("/api/v1/incidents"))["incidents"]]
    assert len(heard) == number + 1, "every signal that was accepted is there, and no other"

    assert not ballast.exists()
    assert (await engine.get("/api/v1/status"))["disk_full"]
    assert await engine.does("INC-1", "acknowledge", "ana") == "You have taken charge of INC-1."
    await engine.does("INC-1", "page", "ana", contacts=["ana"], because="Please free some disk.")

    async def paged() -> bool:
        pages = (await engine.show("INC-1"))["pages"]
        return [each["state"] for each in pages if each["escalation"] == "direct-1"] == ["delivered"]

    await engine.eventually(paged, "a page on a full disk")
    await engine.until(lambda: "The disk is full: signals are refused" in engine.tail(4000), "a page to the operators")

    filler.unlink()
    await engine.hears("after")

    async def recovered() -> bool:
        return not (await engine.get("/api/v1/status"))["disk_full"]

    await engine.eventually(recovered, "room again")
    assert ballast.stat().st_size == BALLAST_BYTES


async def test_on_a_full_disk_every_way_in_of_machines_is_a_503(small_disk: Path, tmp_path: Path, engines: Engines):
    every = engines.make(PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]))
    every.plan = write_plan(tmp_path / "every")
    every.home, every.log_file = small_disk / "home", tmp_path / "engine.log"
    await every.up()
    assert (await every.ask("POST", "/v2/alerts", json_body=FIRST, headers=GENIE, token=False)).status == 202
    fill(small_disk / "filler")

    async def is_full(number: int) -> bool:
        return (await every.signal(f"while full {number}")).status == 503

    number = 0
    while not await is_full(number):
        number += 1

    heard = {}
    for each in knocks():
        headers = {"Content-Type": "application/json", **each.headers}
        answer = await every.ask(each.method, each.address, body=each.body, headers=headers, token=False)
        heard[str(each)] = (answer.status, "retry-after" in answer.headers)
    assert {name: said for name, said in heard.items() if said != (503, True)} == {}
