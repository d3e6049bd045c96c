"""`tocsin heard|cases|sources|listen` and the page of what is heard, against a real engine."""

import asyncio
import json
from datetime import datetime

import pytest
from click.testing import CliRunner, Result

from tests.support.real_engine import PlanFiles, RealEngine, person, rung
from tests.tocsin.test_pages import HOSTILE, Browser
from tocsin.cli import cli
from tocsin.commands.heard import _stream

COMPLAINT = "Northwind, where is my order? I have been waiting for weeks, nobody answers"
LISTENING = {
    "brands": [{"id": "northwind", "names": ["Northwind"]}],
    "sources": [{"kind": "replay", "name": "rehearsal", "file": "absent.jsonl", "every": "1s"}],
    "late": "1s",
}
THRESHOLDS = """
words: {clear: 4.2}
topics: {poisoning: [poison*]}
situation: SHOP_DOWN
rules:
  - name: Big voice against us
    when: a negative mention by somebody with more than 100000 followers
    severity: SEV2
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heard")
    plan = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"]).write(folder / "plan")
    (plan / "listening.yaml").write_text(json.dumps(LISTENING))
    (plan / "thresholds.yaml").write_text(THRESHOLDS)
    running = RealEngine(folder / "home", plan).start()
    yield running
    running.stop()


def tocsin(engine: RealEngine, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--home", str(engine.home)], env={"TOCSIN_BY": "ana", "NO_COLOR": "1"})


def said(engine: RealEngine, *words: str) -> str:
    done = tocsin(engine, *words)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_is_heard_by_hand_is_listed_with_what_was_found_out(engine):
    made = said(
        engine, "listen", COMPLAINT, "--author", "Zoe", "--followers", "1234", "--link", "https://example.com/1"
    )
    assert made == "Heard of northwind: negative, a complaint.\n"
    listed = said(engine, "heard", "--brand", "northwind")
    assert "by-hand  Zoe (1,234 followers)  [negative, complaint]" in listed
    assert f"    {COMPLAINT}\n    https://example.com/1\n" in listed
    assert json.loads(said(engine, "heard", "--json", "--limit", "1"))["mentions"][0]["author_name"] == "Zoe"


def test_a_case_waits_until_somebody_says_that_they_answered(engine):
    said(engine, "listen", COMPLAINT, "--author", "Yan", "--at", "2025-03-03T12:00")
    waiting = said(engine, "cases", "--waiting")
    assert "Yan on by-hand" in waiting
    assert "for an answer" in waiting
    case = next(each["id"] for each in json.loads(said(engine, "cases", "--json"))["cases"] if each["author"] == "Yan")
    assert "for an answer" in said(engine, "status")
    assert said(engine, "cases", "answered", case.lower()) == f"{case} is answered. Yan waits no longer.\n"
    assert "was answered already" in said(engine, "cases", "answered", case.removeprefix("CASE-"))
    assert "Yan" not in said(engine, "cases", "--waiting")
    assert "answered after" in said(engine, "cases")
    assert "by-hand  ana  [answered elsewhere]\n" in said(engine, "heard")


def test_what_is_refused_is_told_with_the_exit_code_of_its_kind(engine):
    refused = tocsin(engine, "listen", "It is broken")
    assert (refused.exit_code, "name no brand of ours" in refused.output) == (1, True)
    assert tocsin(engine, "cases", "answered", "CASE-99").exit_code == 1
    assert tocsin(engine, "cases", "answered", "seven").exit_code == 2
    assert tocsin(engine, "heard", "--brand", "acme").exit_code == 1
    assert tocsin(engine, "listen", "Northwind", "--followers", "-1").exit_code == 2


def test_a_source_that_cannot_be_read_is_told_in_sources_and_in_status(engine):
    async def in_trouble() -> bool:
        return bool((await engine.get("/api/v1/status"))["heard"]["trouble"])

    asyncio.run(engine.eventually(in_trouble, "trouble with the absent file"))
    assert "There is no file absent.jsonl" in said(engine, "sources")
    assert "Source rehearsal cannot be read since" in said(engine, "status")


def test_a_big_voice_heard_by_hand_holds_a_rule(engine):
    said(engine, "listen", "Northwind is the worst, I hate it", "--author", "Loud", "--followers", "200000")

    async def holds() -> bool:
        (brand,) = (await engine.get("/api/v1/brands"))["brands"]
        return bool(brand["rules"] == ["Big voice against us"])

    asyncio.run(engine.eventually(holds, "the rule about a big voice"))
    assert "holds  Big voice against us" in said(engine, "heard")


async def test_the_page_of_what_is_heard_is_for_whoever_logged_in_and_escapes_what_strangers_write(engine):
    browser = Browser(engine)
    stranger = await browser.get("/heard")
    assert (stranger.status, stranger.headers["location"]) == (303, "/login?next=%2Fheard")
    order = {"text": f"Northwind {HOSTILE}", "author": HOSTILE, "by": "ana"}
    assert (await engine.ask("POST", "/api/v1/mentions", json_body=order)).status == 201

    await browser.logs_in("ana")
    page = await browser.get("/heard")

    assert page.status == 200
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "alert(1)" in page.words
    for words in ("Northwind", "Customers who wait", "Mentions"):
        assert words in page.words
    mentions = (await engine.get("/api/v1/mentions"))["mentions"]
    older = await browser.get(f"/heard?before={mentions[0]['seq']}")
    assert "alert(1)" not in older.words
    assert (await browser.get("/heard?before=x")).status == 200


async def test_the_page_marks_a_rule_that_holds_and_an_answer_given_elsewhere(engine):
    """A box to be ticked is for what is missing to close."""
    told = {"brand": "northwind", "by": "ana"}
    loud = {**told, "text": "Northwind is the worst, I hate it", "author": "Louder", "reach": 200000}
    waits = {**told, "text": COMPLAINT, "author": "Xavier", "at": "2025-03-03T12:00:00Z"}
    for order in (loud, waits):
        assert (await engine.ask("POST", "/api/v1/mentions", json_body=order)).status == 201
    case = next(each["id"] for each in (await engine.get("/api/v1/cases"))["cases"] if each["author"] == "Xavier")
    assert (await engine.ask("POST", f"/api/v1/cases/{case}/answered", json_body={"by": "ana"})).status == 200

    async def holds() -> bool:
        return bool((await engine.get("/api/v1/brands"))["brands"][0]["rules"])

    await engine.eventually(holds, "the rule about a big voice")
    browser = Browser(engine)
    await browser.logs_in("ana")

    page = await browser.get("/heard")

    assert '<ul class="holding"><li>Big voice against us</li></ul>' in page.text
    assert "answered elsewhere" in page.words


def test_one_of_something_is_told_in_the_singular():
    quiet = {"usual": None, "spread": None}
    assert _stream("complaints", {"hour": 1, **quiet}) == "1 complaint in the last hour"
    assert _stream("mentions", {"hour": 1, "usual": 20.0, "spread": 3.0}).startswith(
        "1 mention in the last hour (usual"
    )
    assert _stream("mentions", {"hour": 0, **quiet}) == "0 mentions in the last hour"
    assert _stream("negative", {"hour": 1, **quiet}) == "1 negative in the last hour"


def test_times_of_the_api_are_of_utc(engine):
    found = json.loads(said(engine, "heard", "--json"))["mentions"]
    assert all(datetime.fromisoformat(each["at"]).utcoffset() is not None for each in found)
