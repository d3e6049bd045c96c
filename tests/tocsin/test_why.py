"""Why rules declared an incident: on its page and with `tocsin picture`, from a real engine."""

import asyncio
import io
import re
from collections.abc import Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents.severity import Severity
from signals.assess import Assessment
from signals.conditions import Subject
from signals.detector import Finding, Picture
from tests.support.backtests import MANY, POISON, plan_with
from tests.support.real_engine import RealEngine
from tocsin.cli import cli

HOSTILE = "<script>alert(1)</script>\"'"
SENTENCE = f"Many write: 90 mentions in the last hour; usual 20 ± 12; 5.8 spreads above; 4.5x. By {HOSTILE}."


def finding(
    kind: Literal["raises", "joins"], minute: int, rule: str, severity: Severity, *, counts: bool = True
) -> Finding:
    picture = Picture(rule, Subject.MENTIONS, 60, 90, 70.0, 20.0, 12.0, (20,) * 71 + (None,), minute // 60 * 60)
    found = Assessment("SHOP_DOWN", severity, (SENTENCE,))
    episode = f"northwind@{1 if counts else 2}"
    pictures = (picture,) if counts else ()
    return Finding(kind, "northwind", episode, minute * 60.0, found, (rule,), (rule,), pictures)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEngine]:
    """INC-1 was declared by one rule and joined by another, INC-2 by one that counts nothing, INC-3 by a person."""
    folder = tmp_path_factory.mktemp("why")
    running = RealEngine(folder / "home", plan_with(folder / "plan", MANY, POISON))
    _declare_by_rules(running)
    running.start()
    yield running
    running.stop()


def _declare_by_rules(running: RealEngine) -> None:
    engine = Engine(
        EngineConfig(running.home, running.plan, running.url, api_token=running.token), SystemClock(), io.StringIO()
    )
    engine.prepare()
    for each in (
        finding("raises", 29453760, "Many write", Severity.SEV3),
        finding("joins", 29453770, HOSTILE, Severity.SEV3),
        finding("raises", 29463770, "Big voice", Severity.SEV3, counts=False),
    ):
        engine.database.write_now(partial(engine.detection._carry_out, finding=each))
    engine.database.close()
    engine._release()


async def page(engine: RealEngine, incident: str) -> str:
    answer = await engine.ask("GET", f"/api/v1/incidents/{incident}/link?contact=ana")
    link = urlsplit(answer.json["url"])
    shown = await engine.ask("GET", f"{link.path}?{link.query}", token=False)
    assert shown.status == 200
    assert "style-src 'self'" in shown.headers["content-security-policy"]
    return shown.text


async def test_the_page_says_why_with_the_picture_of_each_crossing(engine: RealEngine) -> None:
    text = await page(engine, "INC-1")
    pictures = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(pictures) == 2
    assert (
        "<title>Many write: 90 mentions in 1 hour at 01 Jan 00:00 UTC; usual 20 ± 12; limit 70</title>" in pictures[0]
    )
    assert unescape(text).count(SENTENCE) >= 2


async def test_what_strangers_call_themselves_stays_text(engine: RealEngine) -> None:
    text = await page(engine, "INC-1")
    assert "<script" not in text
    assert "style=" not in text


def _picture(engine: RealEngine, *words: str) -> Result:
    environment = {"TOCSIN_HOME": str(engine.home), "TOCSIN_API_TOKEN": engine.token}
    return CliRunner().invoke(cli, ["picture", *words], env=environment)


def test_each_picture_is_written_as_png(engine: RealEngine, tmp_path: Path) -> None:
    done = _picture(engine, "INC-1", "--out", str(tmp_path / "why.png"))
    assert done.exit_code == 0, done.output
    assert SENTENCE in done.output
    for name in ("why.png", "why-2.png"):
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.size) == ("PNG", (960, 472))


async def test_an_incident_that_no_rule_has_found_has_no_picture(engine: RealEngine) -> None:
    asked = {"title": "Somebody called", "situation": "SHOP_DOWN", "by": "ana"}
    assert (await engine.ask("POST", "/api/v1/incidents", json_body=asked)).status == 201
    done = await asyncio.to_thread(_picture, engine, "INC-3")
    assert done.exit_code == 1
    assert done.output == "There is no picture of INC-3: no rule has declared or joined it.\n"


def test_a_rule_that_counts_nothing_gives_no_picture(engine: RealEngine) -> None:
    done = _picture(engine, "INC-2")
    assert done.exit_code == 1
    assert done.output == (
        "There is no picture of INC-2: the rules that declared or joined it count nothing that can be drawn.\n"
    )


def test_there_is_no_picture_of_an_incident_that_does_not_exist(engine: RealEngine) -> None:
    done = _picture(engine, "INC-999")
    assert done.exit_code == 1
    assert done.output == "There is no incident INC-999.\n"


def test_where_nothing_can_be_written_it_says_so(engine: RealEngine, tmp_path: Path) -> None:
    done = _picture(engine, "1", "--out", str(tmp_path / "no" / "why.png"))
    assert done.exit_code == 1
    assert "cannot be written" in done.output
