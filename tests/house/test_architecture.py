"""ARCHITECTURE.md cannot rot: the story is run, and every function that it names is called, in its order."""

import ast
import asyncio
import io
import re
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import httpx
import pytest

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from tocsin.web.app import build_app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PLACE = re.compile(r"\| `([a-z_/]+\.py)(?::([A-Za-z_.]+))?` \|$", re.MULTILINE)
ALERT = (
    b'{"version":"4","groupKey":"k","status":"firing","receiver":"r","alerts":[{"status":"firing",'
    b'"labels":{"alertname":"ShopDown","severity":"critical"},"annotations":{"summary":"The shop is down"},'
    b'"startsAt":"2026-11-21T20:43:41Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"f3d4"}]}'
)


class MovableClock(SystemClock):
    """The real clock, put forward by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


class Trace:
    """The functions of our packages in the order in which they were first called, in whatever thread."""

    def __init__(self) -> None:
        self.called: dict[str, None] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            path = Path(frame.f_code.co_filename).relative_to(ROOT)
            self.called.setdefault(f"{path}:{frame.f_code.co_qualname}")


@pytest.fixture
def trace() -> Iterator[Trace]:
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    yield trace
    sys.setprofile(None)
    threading.setprofile(None)


def _tables() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    story, elsewhere = TEXT.split("Elsewhere:", 1)
    return PLACE.findall(story), PLACE.findall(elsewhere.split("## Escalations", 1)[0])


async def _one_incident(home: Path) -> None:
    clock = MovableClock()
    engine = Engine(EngineConfig(home, ROOT / "example", "http://test"), clock, io.StringIO())
    engine.prepare()
    transport = httpx.ASGITransport(build_app(engine))
    headers = {"authorization": f"Bearer {engine.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as browser:
        await engine.start()
        answer = await browser.post("/webhooks/alertmanager/example-alertmanager-key-0001", content=ALERT)
        assert answer.status_code == 202
        await _until(browser, lambda shown: any(page["sent_at"] for page in shown["pages"]))
        clock.ahead += timedelta(seconds=6)
        await _until(browser, lambda shown: len(shown["pages"]) > 1)
        await _commands(browser)
        await engine.stop()


async def _until(browser: httpx.AsyncClient, found) -> None:
    for _ in range(200):
        shown = (await browser.get("/api/v1/incidents/INC-1")).json()
        if found(shown):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never came: {shown}")


async def _commands(browser: httpx.AsyncClient) -> None:
    for command in (
        {"command": "acknowledge", "by": "nora"},
        {"command": "update", "by": "nora", "text": "Orders fail; we are on it.", "next_in": "30m"},
        {"command": "summary", "by": "nora"},
        {"command": "resolve", "by": "nora", "note": "The last change was put back."},
    ):
        answer = await browser.post("/api/v1/incidents/INC-1/commands", json=command)
        assert answer.status_code == 200, answer.text
    refused = await browser.post("/api/v1/incidents/INC-1/commands", json={"command": "close", "by": "nora"})
    assert refused.status_code == 409
    decided = await browser.post(
        "/api/v1/incidents/INC-1/commands",
        json={
            "command": "compensate",
            "by": "sofia",
            "population": "nobody outside the drill",
            "count": 0,
            "reason": "NOT_AFFECTED",
            "rationale": "It was a drill: no customer was affected at all.",
        },
    )
    assert decided.status_code == 200, decided.text


async def test_the_story_goes_through_the_functions_that_the_page_names_in_their_order(
    tmp_path: Path, trace: Trace
) -> None:
    await _one_incident(tmp_path / "home")

    order = list(trace.called)
    named = [f"{file}:{function}" for file, function in _tables()[0]]
    assert [place for place in named if place not in trace.called] == []
    assert sorted(named, key=order.index) == named


def test_everything_else_that_the_page_names_exists() -> None:
    for file, function in _tables()[1]:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert not function or _defines(tree, function.split(".")), f"{file} has no {function}"


def _defines(tree: ast.AST, names: list[str]) -> bool:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == names[0]:
            return len(names) == 1 or _defines(node, names[1:])
    return False
