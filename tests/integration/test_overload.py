"""Overload is 503 with Retry-After at every way in of machines, never 429 or another 4xx: senders drop those."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from storage.database import Tx
from tests.support.amazon import Amazon
from tests.support.every_door import FIRST, GENIE, Knock, changing, knocks, write_plan
from tocsin.web.app import build_app

AMAZON = Amazon()
EVERY = knocks(AMAZON.message())
TABLES = ("signals", "events", "outbox", "incidents", "open_keys", "mentions")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    plan = write_plan(tmp_path / "plan")
    config = EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


@pytest.fixture
async def sender(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(engine, AMAZON.fetch))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        assert (await client.post("/v2/alerts", json=FIRST, headers=GENIE)).status_code == 202
        yield client


async def ask(sender: httpx.AsyncClient, knock: Knock) -> httpx.Response:
    headers = {"Content-Type": "application/json", **knock.headers}
    return await sender.request(knock.method, knock.address, content=knock.body, headers=headers)


def counts(engine: Engine) -> list[int]:
    def work(tx: Tx) -> list[int]:
        return [tx.all(f"SELECT COUNT(*) FROM {each}")[0][0] for each in TABLES]

    return engine.database.read_now(work)


def test_no_way_in_is_left_out():
    assert {str(each) for each in EVERY} == changing()


async def test_a_full_queue_is_a_503_that_says_when_to_come_again(engine: Engine, sender: httpx.AsyncClient):
    before, longest = counts(engine), engine.database._longest
    engine.database._longest = -1  # not one signal may wait
    refused = {str(each): await ask(sender, each) for each in EVERY}

    assert {name: each.status_code for name, each in refused.items() if each.status_code != 503} == {}
    assert all(int(each.headers["retry-after"]) > 0 for each in refused.values())
    assert all("Too many signals" in each.text for each in refused.values())
    assert counts(engine) == before

    # The same requests are right: with room for them, each is taken.
    engine.database._longest = longest
    taken = {str(each): await ask(sender, each) for each in EVERY}
    assert {name: each.text for name, each in taken.items() if each.status_code not in (200, 202, 204)} == {}
