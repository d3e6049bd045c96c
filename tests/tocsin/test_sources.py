"""Where sources stand and what a flow brings, over HTTP, on the real engine."""

import io
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from signals.listening import Listening
from storage import mentions as store
from tests.support.real_engine import PlanFiles, person, rung
from tocsin.web.app import build_app
from tocsin.web.sources import LONGEST_CURSOR, MOST_MENTIONS

KEY = "chatwoot-key-0123456789"
BATCH = "/api/v1/sources/forum/batch"
TROUBLE = "/api/v1/sources/forum/trouble"
LISTENING = {
    "brands": [{"id": "larkfield", "names": ["Larkfield"]}],
    "sources": [
        {"name": "forum", "kind": "replay", "file": "forum.jsonl", "every": "90s"},
        {"name": "desk", "kind": "chatwoot", "key": KEY},
    ],
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(tmp_path / "plan")
    (plan / "listening.yaml").write_text(json.dumps(LISTENING), encoding="utf-8")
    config = EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    # Nobody else reads here: the engine's own readings are not begun.
    engine.listening.follow_plan()
    yield engine
    await engine.stop()


@pytest.fixture
async def http(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(engine))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://engine", headers={"authorization": "Bearer t"}
    ) as client:
        yield client


def said(mention_id: str, **more: Any) -> dict[str, Any]:
    return {"id": mention_id, "at": "2026-03-02T09:00:00Z", "text": "Larkfield is late", **more}


def a_batch(*mentions: dict[str, Any], before: str | None = None, cursor: str | None = "one", **more: Any) -> Any:
    return {"before": before, "cursor": cursor, "mentions": list(mentions), "by": "flow:host-1", **more}


def stand(engine: Engine) -> store.Stand:
    return engine.database.read_now(lambda tx: store.stand(tx, "forum"))


async def test_where_each_source_stands(http: httpx.AsyncClient):
    await http.post(BATCH, json=a_batch(said("1")))
    shown = (await http.get("/api/v1/sources")).json()
    forum, desk = shown["sources"]

    assert (forum["name"], forum["kind"], forum["every"], forum["webhook"]) == ("forum", "replay", 90.0, False)
    assert (forum["cursor"], forum["polled_by"], forum["trouble"], forum["silent"]) == (
        *("one", "flow:host-1", None),
        False,
    )
    assert datetime.fromisoformat(forum["moved_at"]) <= datetime.fromisoformat(forum["polled_at"])
    assert (desk["name"], desk["webhook"], desk["cursor"]) == ("desk", True, None)


async def test_the_worker_builds_its_sources_from_it_and_sees_no_secret(http: httpx.AsyncClient, tmp_path: Path):
    answer = await http.get("/api/v1/sources")
    plan = Listening.model_validate_json(json.dumps(answer.json()["listening"]))

    assert [(each.name, each.every) for each in plan.sources] == [("forum", timedelta(seconds=90))]
    assert answer.json()["folder"] == str(tmp_path / "plan")
    assert KEY not in answer.text


async def test_a_batch_is_kept_and_its_cursor_moved(http: httpx.AsyncClient, engine: Engine):
    answer = await http.post(BATCH, json=a_batch(said("1"), said("2"), said("3", text="Nothing about you")))

    assert (answer.status_code, answer.json()) == (200, {"kept": 2})
    assert stand(engine).cursor == "one"


async def test_a_batch_from_a_cursor_that_has_moved_is_refused_as_such(http: httpx.AsyncClient, engine: Engine):
    await http.post(BATCH, json=a_batch(said("1")))
    again = await http.post(BATCH, json=a_batch(said("2"), cursor="two"))

    assert (again.status_code, again.json()["moved"]) == (409, True)
    assert stand(engine).cursor == "one"
    assert (await http.post(BATCH, json=a_batch(said("2"), before="one", cursor="two"))).json() == {"kept": 1}


async def test_trouble_is_seen_until_the_next_batch(http: httpx.AsyncClient, engine: Engine):
    answer = await http.post(TROUBLE, json={"because": "too many requests", "retry_after": 300})
    forum = (await http.get("/api/v1/sources")).json()["sources"][0]

    assert answer.status_code == 200
    assert forum["trouble"] == "too many requests"
    assert forum["not_before"] > forum["trouble_since"]
    await http.post(BATCH, json=a_batch())
    forum = (await http.get("/api/v1/sources")).json()["sources"][0]
    assert (forum["trouble"], forum["trouble_since"], forum["not_before"]) == (None, None, None)


async def test_overload_is_a_503_and_nothing_is_kept(http: httpx.AsyncClient, engine: Engine):
    engine.database.disk_full = True
    answer = await http.post(BATCH, json=a_batch(said("1")))

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert stand(engine).cursor is None


@pytest.mark.parametrize("what", ["batch", "trouble"])
async def test_only_what_is_polled_can_be_brought(http: httpx.AsyncClient, what: str):
    body = a_batch() if what == "batch" else {"because": "it does not answer"}
    unknown = await http.post(f"/api/v1/sources/nobody/{what}", json=body)
    webhook = await http.post(f"/api/v1/sources/desk/{what}", json=body)

    assert (unknown.status_code, unknown.json()["error"]) == (404, "listening.yaml has no source 'nobody'.")
    assert (webhook.status_code, webhook.json()["error"]) == (409, "desk comes by webhook; nobody polls it.")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (a_batch(said("")), "mentions.0.id"),
        (a_batch(said("1"), said("2", at="yesterday")), "mentions.1.at"),
        (a_batch(said("1", at="2026-03-02T09:00:00")), "mentions.0.at"),
        (a_batch(said("1", at=1772442000)), "mentions.0.at"),
        (a_batch(said("1", text="x" * 65_537)), "mentions.0.text"),
        (a_batch(said("1", stars=6)), "mentions.0.stars"),
        (a_batch(said("1", reach=-1)), "mentions.0.reach"),
        (a_batch(said("1", verified="yes")), "mentions.0.verified"),
        (a_batch(said("1", source="press")), "mentions.0.source"),
        (a_batch(*(said(str(number)) for number in range(MOST_MENTIONS + 1))), "mentions"),
        (a_batch(cursor="x" * (LONGEST_CURSOR + 1)), "cursor"),
        (a_batch(by="engine"), "by"),
        ({"cursor": "one", "mentions": [], "by": "flow"}, "before"),
    ],
)
async def test_what_cannot_be_kept_is_refused_at_its_place(
    http: httpx.AsyncClient, engine: Engine, body: dict[str, Any], place: str
):
    answer = await http.post(BATCH, json=body)

    assert answer.status_code == 400
    assert answer.json()["problems"][0].startswith(f"{place}: ")
    assert stand(engine).cursor is None


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z"])
async def test_a_clock_that_has_gone_wild_stops_nobody(http: httpx.AsyncClient, engine: Engine, at: str):
    answer = await http.post(BATCH, json=a_batch(said("1", at=at)))
    rows = engine.database.read_now(lambda tx: store.after(tx, 0, 10))

    assert answer.json() == {"kept": 1}
    assert abs(rows[0].counted_at - engine.clock.now().timestamp()) < 60


async def test_without_the_token_nobody_is_told_or_heard(http: httpx.AsyncClient):
    http.headers.pop("authorization")

    assert (await http.get("/api/v1/sources")).status_code == 401
    assert (await http.post(BATCH, json=a_batch())).status_code == 401
    assert (await http.post(TROUBLE, json={"because": "x"})).status_code == 401
