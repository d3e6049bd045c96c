"""Hearing through a real engine on the starter's thresholds: from what people write to the page, and to the answer."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from runbooks.loader import LIBRARY
from tests.support.real_engine import Engines, PlanFiles, RealEngine, person, rung
from tests.tocsin.test_pages import Browser

pytestmark = pytest.mark.slow

CHAT_KEY = "chatwoot-key-0123456789"
SHOP_RULE = {
    "name": "Shop is down and people notice",
    "when": "monitoring alert [checkout, login] is firing for 1 minute",
    "and": "at least 2 complaints in 30 minutes",
    "severity": "SEV2",
    "situation": "SERVICE_OUTAGE",
}
"""The starter's waits five minutes, and asks for complaints above usual, which nobody knows for the first 42 hours."""


def listening_plan(folder: Path) -> Path:
    """The tests' quiet plan with the starter's thresholds and situations, a replayed file and Chatwoot."""
    people = [person("ana", "console"), person("dora", "console")]
    plan = PlanFiles(people, [rung("ana")], ["dora"]).write(folder)
    written = json.loads((plan / "plan.yaml").read_text())
    for name in ("VIRAL_COMPLAINT", "PRODUCT_SAFETY", "CARE_COLLAPSE", "SERVICE_OUTAGE", "GENERIC"):
        written["situations"][name] = {"title": name.capitalize(), "severity": "SEV3", "runbook": "outage"}
    # The monitor by itself is no incident worth counting here.
    for integration in written["integrations"]:
        integration["severity_words"] = dict.fromkeys(integration["severity_words"], "SEV4")
    (plan / "plan.yaml").write_text(json.dumps(written))
    thresholds = yaml.safe_load((LIBRARY / "thresholds.yaml").read_text(encoding="utf-8"))
    thresholds["rules"] = [SHOP_RULE if each["name"] == SHOP_RULE["name"] else each for each in thresholds["rules"]]
    (plan / "thresholds.yaml").write_text(json.dumps(thresholds), encoding="utf-8")
    listening = {
        "brands": [{"id": "larkfield", "names": ["Larkfield"]}, {"id": "northwind", "names": ["Northwind"]}],
        "sources": [
            {"kind": "replay", "name": "rehearsal", "file": "said.jsonl", "every": "1s"},
            {"kind": "chatwoot", "name": "chat", "key": CHAT_KEY, "brand": "larkfield"},
        ],
        "late": "1s",
    }
    (plan / "listening.yaml").write_text(json.dumps(listening))
    (plan / "said.jsonl").write_text("")
    return plan


class Prepared(PlanFiles):
    """The same for `Engines.make`."""

    def write(self, folder: Path) -> Path:
        return listening_plan(folder)


@pytest.fixture
async def engine(engines: Engines) -> RealEngine:
    return await engines.make(Prepared([], [], [])).up()


def now() -> datetime:
    return datetime.now(UTC)


def say(engine: RealEngine, *lines: dict[str, Any]) -> None:
    """People write: lines at the end of the file that the engine reads by itself."""
    with (engine.plan / "said.jsonl").open("a", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({"at": now().isoformat(), **line}) + "\n")


async def incident_of(engine: RealEngine, brand: str, severity: str) -> dict[str, Any]:
    """The incident that rules declared for a brand, once it has this severity."""

    async def found() -> dict[str, Any] | None:
        for each in (await engine.get(f"/api/v1/assessments?brand={brand}"))["assessments"]:
            if each["incident"] is not None:
                shown = await engine.show(each["incident"])
                if shown["severity"] == severity:
                    return shown
        return None

    return await engine.eventually(found, f"an incident of {brand} at {severity}", 90)


async def reported(engine: RealEngine, text: str, **more: object) -> None:
    answer = await engine.ask("POST", "/api/v1/mentions", json_body={"text": text, "by": "ana", **more})
    assert answer.status == 201, answer


async def chatwoot(engine: RealEngine, number: int, content: str, kind: str, at: datetime) -> None:
    event = {
        "event": "message_created",
        "id": number,
        "content": content,
        "created_at": at.isoformat(),
        "message_type": kind,
        "private": False,
        "sender": {"id": 3, "name": "Agent Ana", "type": "user"} if kind == "outgoing" else {"id": 5, "name": "Zoe"},
        "contact": {"id": 5, "name": "Zoe"},
        "conversation": {"id": 9},
        "account": {"id": 1},
    }
    answer = await engine.ask("POST", f"/webhooks/chatwoot/{CHAT_KEY}", json_body=event, token=False)
    assert answer.status == 202, answer


async def waiting(engine: RealEngine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await engine.get("/api/v1/cases?waiting=true"))["cases"]
    return found


async def test_three_people_who_write_of_poisoning_page_somebody_and_a_restart_doubles_nothing(engine: RealEngine):
    words = "Larkfield's kettle soup gave me food poisoning, I am so sick"
    say(engine, *({"id": f"p{each}", "text": words, "author": f"person-{each}"} for each in range(3)))

    shown = await incident_of(engine, "larkfield", "SEV1")

    assert shown["situation"] == "PRODUCT_SAFETY"
    assert shown["declared_by"] == "rule"
    assert any("3 mentions" in each and "poisoning" in each for each in shown["because"]), shown["because"]

    async def scored() -> str | None:
        social = (await engine.show(shown["id"]))["social"]
        return None if social is None else str(social["sentence"])

    found = await engine.eventually(scored, "the social score")
    assert found == "No social score: 3 mentions in the hour, under 30 there is none."

    async def paged() -> bool:
        pages = (await engine.show(shown["id"]))["pages"]
        return any(each["contact"] == "ana" and each["state"] in ("sent", "delivered") for each in pages)

    await engine.eventually(paged, "a page to ana")
    before = {table: engine.counted(table) for table in ("mentions", "assessments", "incidents", "cases")}
    cursor = (await engine.get("/api/v1/sources"))["sources"][0]["cursor"]
    engine.kill()
    await engine.up()
    say(engine, {"id": "calm", "text": "A quiet day at Larkfield", "author": "somebody-else"})

    async def read_on() -> bool:
        return bool((await engine.get("/api/v1/sources"))["sources"][0]["cursor"] != cursor)

    await engine.eventually(read_on, "the file's next line")
    after = {table: engine.counted(table) for table in before}
    assert after == {**before, "mentions": before["mentions"] + 1}

    sentence = await engine.does(shown["id"], "stand-down", "ana", because="A drill of ours")
    assert shown["id"] in sentence
    over = await engine.show(shown["id"])
    assert (over["status"], over["stood_down_because"]) == ("stood-down", "A drill of ours")


async def test_a_big_voice_is_heard_by_hand_and_its_brand_shows_what_holds(engine: RealEngine):
    words = "Northwind is the worst company ever, I hate how they treat people"
    await reported(engine, words, author="Big Voice", reach=250_000, link="https://example.com/p/1")
    await reported(engine, words, author="Big Voice", reach=250_000, link="https://example.com/p/1")

    shown = await incident_of(engine, "northwind", "SEV2")

    assert any("250,000" in each or "250000" in each for each in shown["because"]), shown["because"]
    brands = {each["id"]: each for each in (await engine.get("/api/v1/brands"))["brands"]}
    assert brands["northwind"]["rules"] == ["Big voice against us"]
    assert brands["northwind"]["streams"]["negative"]["hour"] == 1
    assert brands["northwind"]["episode"]["incident"] == shown["id"]
    assert brands["larkfield"]["rules"] == []
    (found,) = (await engine.get(f"/api/v1/assessments?incident={shown['id']}"))["assessments"]
    assert (found["kind"], found["severity"], found["because"]) == ("raises", "SEV2", shown["because"])


async def test_a_complaint_in_chatwoot_is_a_case_until_our_answer_there(engine: RealEngine):
    wrote, answered = now() - timedelta(minutes=20), now() - timedelta(minutes=5)
    complaint = "Where is my order? I have been waiting for three weeks and nobody answers me"

    await chatwoot(engine, 1, complaint, "incoming", wrote)
    (case,) = await waiting(engine)
    assert (case["author"], case["source"], case["text"]) == ("Zoe", "chat", complaint)
    assert datetime.fromisoformat(case["opened_at"]) - wrote < timedelta(milliseconds=1)
    await chatwoot(engine, 2, "Still no answer? I want my money back!", "incoming", wrote + timedelta(minutes=1))
    assert len(await waiting(engine)) == 1
    await chatwoot(engine, 3, "We are sorry, it leaves today.", "outgoing", answered)

    assert await waiting(engine) == []
    (case,) = (await engine.get("/api/v1/cases"))["cases"]
    assert case["waited"] == round((answered - wrote).total_seconds())


@pytest.mark.timeout(600)
async def test_an_alert_and_people_who_notice_are_one_incident_with_the_customers_under_it(engine: RealEngine):
    await engine.signal("checkout", summary="Checkout fails")
    complaints = "I can't pay at Larkfield, the checkout does not work, fix this!"
    say(engine, *({"id": f"c{each}", "text": complaints, "author": f"buyer-{each}"} for each in range(2)))

    shown = await incident_of(engine, "larkfield", "SEV2")

    assert shown["situation"] == "SERVICE_OUTAGE"
    assert any("checkout" in each for each in shown["because"]), shown["because"]

    async def both() -> bool:
        return bool((await engine.show(shown["id"]))["customers"] == {"cases": 2, "waiting": 2})

    await engine.eventually(both, "both customers under the incident")
    case = (await waiting(engine))[0]
    answer = await engine.ask("POST", f"/api/v1/cases/{case['id']}/answered", json_body={"by": "dora"})
    assert answer.status == 200, answer
    assert (await engine.show(shown["id"]))["customers"] == {"cases": 2, "waiting": 1}
    browser = Browser(engine)
    await browser.logs_in("ana")
    page = await browser.get(f"/incidents/{shown['id']}")
    assert "2 customers have complained; 1 of them waits for an answer." in page.words
    assert (await engine.get("/api/v1/status"))["heard"]["waiting"] == 1
