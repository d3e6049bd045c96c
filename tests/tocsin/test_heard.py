"""What people see of listening, over HTTP: mentions page by page, customers' cases, what a person reports by hand."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents import commands as c
from signals.mention import Mention
from signals.observation import Observation, number_of
from storage import mentions as store
from tests.support.real_engine import PlanFiles, person, rung
from tocsin.web.app import build_app

TOKEN = {"authorization": "Bearer t"}
LISTENING = {
    "brands": [{"id": "northwind", "names": ["Northwind"]}, {"id": "larkfield", "names": ["Larkfield"]}],
    "sources": [{"kind": "replay", "name": "file", "file": "said.jsonl", "every": "1h"}],
}
COMPLAINT = "@Northwind where is my order? I have been waiting for weeks, nobody answers"
WRITTEN = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(tmp_path / "plan")
    (plan / "listening.yaml").write_text(json.dumps(LISTENING))
    config = EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    engine.listening.follow_plan()
    yield engine
    await engine.stop()


@pytest.fixture
async def api(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client


def wrote(id_: str, text: str = COMPLAINT, *, after: float = 0, **more: Any) -> Mention:
    at = WRITTEN + timedelta(minutes=after)
    return Mention(source="file", id=id_, at=at, text=text, **{"author": f"a-{id_}", "author_name": f"A {id_}", **more})


async def hears(engine: Engine, *mentions: Mention) -> None:
    await engine.listening.hear("file", mentions, by="test")


async def got(api: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await api.get(f"/api/v1/{path}", headers=TOKEN)
    assert answer.status_code == status, answer.text
    return answer.json()


async def post(api: httpx.AsyncClient, path: str, **body: object) -> httpx.Response:
    return await api.post(f"/api/v1/{path}", json=body, headers=TOKEN)


async def cases(api: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await got(api, f"cases{query}"))["cases"]
    return found


# --- mentions ---


async def test_mentions_come_page_by_page_what_was_heard_last_first(engine, api):
    # The third was written first: pages follow the order in which mentions were kept.
    await hears(engine, wrote("1"), wrote("2", after=2), wrote("3", "Larkfield is fine", after=-9))
    first = await got(api, "mentions?limit=2")
    assert [each["id"] for each in first["mentions"]] == ["3", "2"]
    rest = await got(api, f"mentions?limit=2&before={first['before']}")
    assert ([each["id"] for each in rest["mentions"]], rest["before"]) == (["1"], None)
    only = (await got(api, "mentions?brand=larkfield"))["mentions"]
    assert [(each["id"], each["brand"], each["source"]) for each in only] == [("3", "larkfield", "file")]


async def test_a_mention_is_shown_with_what_was_found_out_about_it(engine, api):
    await hears(engine, wrote("1", link="https://example.com/1", reach=12))
    (shown,) = (await got(api, "mentions"))["mentions"]
    assert {key: value for key, value in shown.items() if key not in ("seq", "tone_score", "title")} == {
        "brand": "northwind",
        "source": "file",
        "id": "1",
        "at": "2025-03-03T12:00:00.000Z",
        "text": COMPLAINT,
        "author_name": "A 1",
        "reach": 12,
        "link": "https://example.com/1",
        "thread": "1",
        "language": "en",
        "tone": "negative",
        "complaint": True,
        "topics": [],
        "by_us": False,
    }


async def test_alerts_and_gaps_are_no_mentions(engine, api):
    def work(tx: Any) -> None:
        store.keep_alert(tx, "prom:checkout", ["checkout"], 5.0, firing=True)
        store.keep_gap(tx, "northwind", "file", 1.0, 2.0)

    await engine.database.write(work)
    assert (await got(api, "mentions"))["mentions"] == []
    assert (await got(api, "mentions?brand=northwind"))["mentions"] == []


# --- cases ---


async def test_a_complaint_is_a_case_that_counts_from_when_the_customer_wrote(engine, api):
    await hears(engine, wrote("1"))
    (case,) = await cases(api)
    assert (case["id"], case["opened_at"], case["answered_at"]) == ("CASE-1", "2025-03-03T12:00:00.000Z", None)
    assert (case["author"], case["text"], case["brand"]) == ("A 1", COMPLAINT, "northwind")
    assert case["waited"] > 86400


async def test_our_reply_in_its_conversation_answers_it(engine, api):
    await hears(engine, wrote("1"), wrote("2", "We are on it", after=7, thread="1", by_us=True))
    (case,) = await cases(api)
    assert (case["answered_at"], case["waited"]) == ("2025-03-03T12:07:00.000Z", 420)
    assert await cases(api, "?waiting=true") == []


async def test_a_reply_that_is_heard_before_its_complaint_answers_it_too(engine, api):
    await hears(engine, wrote("2", "We are on it", after=7, thread="1", by_us=True))
    await hears(engine, wrote("1"))
    assert [each["answered_at"] for each in await cases(api)] == ["2025-03-03T12:07:00.000Z"]


async def test_what_we_wrote_before_the_complaint_answers_nothing(engine, api):
    await hears(engine, wrote("0", "Northwind sale today", by_us=True), wrote("1", after=3, thread="0"))
    assert [each["answered_at"] for each in await cases(api, "?waiting=true")] == [None]


async def test_a_second_complaint_in_a_conversation_is_the_same_case_and_a_repost_opens_none(engine, api):
    await hears(engine, wrote("1"), wrote("2", after=1, thread="1"), wrote("3", after=2, repost_of="1"))
    await hears(engine, wrote("1"))  # the source is read again
    assert [each["mention"] for each in await cases(api)] == ["1"]


def rules_say(engine: Engine, kind: str, incident: str, at: float) -> None:
    row = store.AssessmentRow(f"northwind@1/{kind}/{at}", "northwind", at, incident, "SEV2", {"kind": kind})
    engine.database.write_now(lambda tx: store.assess_once(tx, row))


async def test_whoever_complains_while_an_incident_of_rules_is_open_belongs_to_it(engine, api):
    incident, _ = await engine.declare(title="t", situation="SHOP_DOWN", severity=None, by="rule")
    await hears(engine, wrote("before"))
    rules_say(engine, "raises", incident, 1.0)
    await hears(engine, wrote("1", after=1), wrote("2", f"Larkfield! {COMPLAINT[10:]}", after=2))
    rules_say(engine, "calm", incident, 2.0)
    await hears(engine, wrote("calm", after=3))
    rules_say(engine, "joins", incident, 3.0)
    await engine.command(incident, lambda _incident, _now: c.StandDown("nothing", "person:ana", ""))
    await hears(engine, wrote("ended", after=4))
    found = {each["mention"]: each["incident"] for each in await cases(api)}
    assert found == {"before": None, "1": incident, "2": None, "calm": None, "ended": None}
    assert (await got(api, f"incidents/{incident}"))["customers"] == {"cases": 1, "waiting": 1}
    assert [each["mention"] for each in await cases(api, f"?incident={incident}")] == ["1"]


async def test_those_who_wait_longest_come_first(engine, api):
    await hears(engine, wrote("late", after=9), wrote("early"), wrote("answered", after=-9))
    answered = await post(api, "cases/3/answered", by="ana")
    assert answered.json()["sentence"] == "CASE-3 is answered. A answered waits no longer."
    shown = await got(api, "cases?waiting=true")
    assert [each["mention"] for each in shown["cases"]] == ["early", "late"]
    assert (shown["waiting"], shown["waiting_since"]) == (2, "2025-03-03T12:00:00.000Z")


async def test_an_answer_elsewhere_is_told_to_the_detector_as_ours_in_that_conversation(engine, api):
    await hears(engine, wrote("2", thread="1"))
    answer = await post(api, "cases/case-1/answered", by="ana", at="2025-03-03T12:30:00Z")
    assert answer.status_code == 200
    assert [each["answered_at"] for each in await cases(api)] == ["2025-03-03T12:30:00.000Z"]
    told = engine.database.read_now(lambda tx: store.after(tx, 0, 10))[-1].heard
    assert isinstance(told, Observation)
    assert (told.brand, told.by_us, told.thread) == ("northwind", True, number_of("file\x001"))


async def test_a_conversation_about_two_brands_waits_for_neither_when_it_was_answered(engine, api):
    await hears(engine, wrote("1", f"{COMPLAINT}, and Larkfield neither"))
    await post(api, "cases/1/answered", by="ana")
    ours = [each["brand"] for each in (await got(api, "mentions"))["mentions"] if each["by_us"]]
    assert sorted(ours) == ["larkfield", "northwind"]


async def test_a_case_is_answered_once(engine, api):
    await hears(engine, wrote("1"))
    await post(api, "cases/1/answered", by="ana", at="2025-03-03T12:30:00Z")
    again = await post(api, "cases/1/answered", by="dora")
    assert again.json()["sentence"] == "CASE-1 was answered already, at Mon 03 Mar 12:30 UTC."
    assert sum(each["by_us"] for each in (await got(api, "mentions"))["mentions"]) == 1


REFUSED: list[tuple[str, dict[str, object], int, str]] = [
    ("cases/1/answered", {"by": "nobody"}, 409, "nobody"),
    ("cases/1/answered", {"by": "ana", "at": "2099-01-01T00:00:00Z"}, 409, "lies ahead"),
    ("cases/1/answered", {"by": "ana", "at": "2025-03-03T11:00:00Z"}, 409, "wrote only at 2025-03-03T12:00"),
    ("cases/1/answered", {"by": "ana", "at": "2025-03-03T12:00:00"}, 400, "at"),
    ("cases/9/answered", {"by": "ana"}, 404, "CASE-9"),
    ("cases/x/answered", {"by": "ana"}, 404, "'x'"),
    ("mentions", {"by": "ana", "text": "It is broken"}, 409, "name no brand of ours"),
    ("mentions", {"by": "ana", "text": "It is broken", "brand": "acme"}, 409, "has northwind, larkfield"),
    ("mentions", {"by": "ana", "text": " \n "}, 400, "text"),
    ("mentions", {"by": "ana", "text": "Northwind", "at": "2099-01-01T00:00:00Z"}, 409, "lies ahead"),
    ("mentions", {"by": "ana", "text": "Northwind", "reach": -1}, 400, "reach"),
    ("mentions", {"by": "ana", "text": "Northwind", "link": "javascript:alert(1)"}, 400, "link"),
    ("mentions", {"by": "ana", "text": "Northwind", "source": "file"}, 400, "source"),
]


async def test_what_cannot_be_is_refused_by_its_place_and_changes_nothing(engine, api):
    await hears(engine, wrote("1"))
    for path, body, status, words in REFUSED:
        answer = await post(api, path, **body)
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert [each["answered_at"] for each in await cases(api)] == [None]
    assert len((await got(api, "mentions"))["mentions"]) == 1


async def test_a_brand_that_nobody_knows_is_told_with_those_there_are(api):
    for path in ("mentions", "assessments", "cases"):
        assert "has northwind, larkfield" in (await got(api, f"{path}?brand=acme", 404))["error"]


# --- by hand ---


async def test_what_a_person_reports_is_read_counted_and_a_case(api):
    answer = await post(api, "mentions", by="ana", text=COMPLAINT, author="Zoe", reach=200_000)
    assert answer.status_code == 201
    said = answer.json()
    assert (said["sentence"], said["new"]) == ("Heard of northwind: negative, a complaint.", True)
    (shown,) = (await got(api, "mentions"))["mentions"]
    assert (shown["source"], shown["author_name"], shown["reach"]) == ("by-hand", "Zoe", 200_000)
    assert shown == said["mentions"][0]
    assert [each["author"] for each in await cases(api, "?waiting=true")] == ["Zoe"]


async def test_a_brand_that_is_named_is_the_one_it_is_about(api):
    await post(api, "mentions", by="ana", text="It does not work", brand="larkfield")
    await post(api, "mentions", by="ana", text="Northwind and Larkfield", brand="larkfield")
    assert [each["brand"] for each in (await got(api, "mentions"))["mentions"]] == ["larkfield"] * 2


async def test_what_was_reported_before_is_the_same_mention(api):
    names: list[dict[str, object]] = [{"link": "https://example.com/p/1"}, {"command_id": "c-1"}]
    for named in names:
        first = (await post(api, "mentions", by="ana", text=COMPLAINT, author="Zoe", **named)).json()
        again = (await post(api, "mentions", by="dora", text=COMPLAINT, author="Zoe", **named)).json()
        assert (again["sentence"], again["new"]) == ("This was heard before, of northwind.", False)
        assert again["mentions"][0]["seq"] == first["mentions"][0]["seq"]
    assert len((await got(api, "mentions"))["mentions"]) == 2


# --- the whole ---


async def test_status_says_who_waits_and_which_source_is_in_trouble(engine, api):
    await hears(engine, wrote("1"))
    await engine.listening.failed("file", "There is no file said.jsonl")
    heard = (await got(api, "status"))["heard"]
    assert (heard["waiting"], heard["waiting_since"]) == (1, "2025-03-03T12:00:00.000Z")
    (trouble,) = heard["trouble"]
    assert (trouble["name"], trouble["kind"], trouble["trouble"]) == ("file", "replay", "There is no file said.jsonl")


async def test_brands_are_there_before_any_rule_is(api):
    found = await got(api, "brands")
    assert [(each["id"], each["name"], each["rules"]) for each in found["brands"]] == [
        ("northwind", "Northwind", []),
        ("larkfield", "Larkfield", []),
    ]
    assert found["decides"] is False


async def test_nothing_is_shown_without_the_token(api):
    for path in ("mentions", "assessments", "brands", "cases"):
        assert (await api.get(f"/api/v1/{path}")).status_code == 401


async def test_a_query_that_means_nothing_is_refused(api):
    for query in ("mentions?before=0", "mentions?limit=501", "cases?waiting=yes", "mentions?since=1"):
        await got(api, query, 400)
