"""A small engine in memory behind real HTTP: the routes of ARCHITECTURE.md that flows use, and people who act in tests.

It decides nothing by itself: a test says what is due (`FakeIncident.owe`), the fake makes it when it is asked to.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


@dataclass
class FakeSource:
    """A source as the fake's store has it: its cursor, and every mention by its id."""

    name: str
    kind: str = "replay"
    every: float = 1.0
    cursor: str | None = None
    by: list[str] = field(default_factory=list)
    """Who brought each batch."""
    mentions: dict[str, dict[str, Any]] = field(default_factory=dict)
    troubles: list[dict[str, Any]] = field(default_factory=list)
    not_before: str | None = None
    polled_by: str | None = None

    def as_object(self) -> dict[str, Any]:
        shown: dict[str, Any] = {name: getattr(self, name) for name in ("name", "kind", "every", "cursor")}
        shown |= {"polled_by": self.polled_by, "not_before": self.not_before, "webhook": False, "silent": False}
        shown |= dict.fromkeys(("moved_at", "polled_at", "trouble_since"))
        return shown | {"trouble": self.troubles[-1]["because"] if self.troubles else None}


@dataclass
class FakeIncident:
    """One incident. Every method that changes it is a fact: version, timeline and feed move on."""

    engine: "FakeEngine"
    id: str
    title: str = "Checkout fails"
    severity: str = "SEV2"
    situation: str = "SERVICE_OUTAGE"
    drill: bool = False
    status: str = "declared"
    round: int = 1
    commander: str | None = None
    next_update_by: str | None = None
    resolved_at: str | None = None
    confirmed_at: str | None = None
    informed_at: str | None = None
    wake_at: datetime | None = None
    version: int = 1
    epoch: int = 0
    driver: tuple[str, str] | None = None
    runs: int = 0
    due: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Keys of the moves made for a run, in order."""
    pages: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)

    # What the plan owes

    def owe(self, kind: str, subject: str, title: str, **more: Any) -> None:
        """A move is due from now on."""
        with self.engine.lock:
            move = {"key": f"{kind}:{subject}", "kind": kind, "title": title, "due_at": _iso(START), **more}
            self.due.append({"subject": subject, "person": more.get("contact", ""), **move})
            self.engine.changed(self)

    def owe_page(self, contact: str, channel: str = "sms", rung: int = 1, fate: str = "delivered") -> None:
        title = f"page {contact} by {channel} (rung {rung})"
        subject = f"{self.round}.r{rung}.c{len(self.pages) + len(self.due) + 1}.1"
        self.owe("page", subject, title, contact=contact, channel=channel, rung=rung, fate=fate)

    # What people do

    def happens(self, kind: str, sentence: str, by: str = "engine", **changes: Any) -> None:
        """Something happened: it stands in the timeline, and the given fields have new values."""
        with self.engine.lock:
            for name, value in changes.items():
                setattr(self, name, value)
            self._record(kind, sentence, by)

    def acknowledged(self, by: str) -> None:
        self.happens("Acknowledged", f"{by} has taken charge", by, status="acknowledged", commander=by)

    def step_done(self, step: str, by: str, evidence: str = "") -> None:
        with self.engine.lock:
            row = next(each for each in self.steps if each["id"] == step)
            row.update(state="done", ended_by=by, evidence=evidence)
            self._record("StepDone", f"{by} did {step}", by)

    def decided(self, decision: str, choice: str, by: str) -> None:
        with self.engine.lock:
            row = next(each for each in self.decisions if each["id"] == decision)
            row.update(choice=choice, made_by=by)
            self._record("DecisionMade", f"{by} decided {decision}", by)

    def page_becomes(self, message_id: str, state: str, failure: str | None = None) -> None:
        with self.engine.lock:
            row = next(each for each in self.pages if each["message_id"] == message_id)
            row.update(state=state, failure=failure)
            self._record("PageReported", f"{message_id} is {state}", "provider:fake")

    # What the engine answers

    def page_now(self, contact: str, channel: str = "sms", rung: int = 1, fate: str = "delivered") -> str:
        """A page that the engine requests by itself, as in a declaration's own commit."""
        with self.engine.lock:
            message_id = f"1.{self.id}.{self.round}.r{rung}.c1.{len(self.pages) + 1}"
            row = {"message_id": message_id, "escalation": str(self.round), "escalation_kind": "round", "rung": rung}
            row |= {"contact": contact, "channel": channel, "attempt": 1, "state": fate, "possible_duplicate": False}
            row |= dict.fromkeys(("sent_at", "delivered_at", "failed_at"))
            row |= {"requested_at": _iso(self.engine.tick()), "failure": "busy" if fate == "failed" else None}
            self.pages.append(row)
            self._record("PageRequested", f"{contact} is paged by {channel}", "engine")
            return message_id

    def make(self, move: dict[str, Any]) -> list[str]:
        self.due.remove(move)
        self.asked.append(move["key"])
        match move["kind"]:
            case "page":
                return [self.page_now(move["contact"], move["channel"], move["rung"], move["fate"])]
            case "open-step":
                row = {"id": move["subject"], "title": move["title"].removeprefix("step: "), "owner": "ana", "say": ""}
                row |= {"due_at": None, "state": "open", "overdue": False, "needs": [], "evidence": None}
                self.steps.append(row | {"ended_by": None, "ended_at": None, "required": True})
            case "ask-decision":
                row = {"id": move["subject"], "question": move["title"].removeprefix("decide: "), "options": ["a", "b"]}
                self.decisions.append(
                    row | {"decider": "ben", "due_at": None, "choice": None, "made_by": None, "because": None}
                )
        self._record("Made", move["title"], "flow")
        return []

    def as_object(self) -> dict[str, Any]:
        names: tuple[str, ...] = (
            "id",
            "title",
            "severity",
            "status",
            "situation",
            "drill",
            "round",
            "commander",
            "next_update_by",
        )
        names += ("resolved_at", "confirmed_at", "informed_at")
        shown: dict[str, Any] = {name: getattr(self, name) for name in names}
        shown |= {"plan_version": "1", "declared_at": _iso(START), "missing_to_close": [], "version": self.version}
        for name in ("pages", "steps", "updates", "decisions", "timeline"):
            shown[name] = [dict(row) for row in getattr(self, name)]
        return shown

    def _record(self, kind: str, sentence: str, by: str) -> None:
        self.timeline.append({"at": _iso(self.engine.tick()), "by": by, "kind": kind, "sentence": sentence})
        self.version += 1
        self.engine.changed(self)


class FakeEngine:
    """Serves while entered, in a thread of its own; writes `engine.json` and `token` as the engine does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.token = "token-of-the-fake"
        self.lock = threading.RLock()
        self.incidents: dict[str, FakeIncident] = {}
        self.alive: list[str] = []
        """Workers, one entry a heartbeat."""
        self.away = False
        """Answer 500 to everything, as long as this holds."""
        self.refuse: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _body: None
        """Asked before a perform: a status and a body to refuse it with."""
        self.sources: dict[str, FakeSource] = {}
        self.listening: dict[str, Any] | None = None
        """listening.yaml, as the engine gives it to the worker."""
        self.folder: Path | None = None
        self.refuse_batch: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _body: None
        """Asked before a batch is taken: a status and a body to refuse it with."""
        self.url = ""
        self._closing = False
        self._sequence = 0
        self._changes: list[tuple[int, str]] = []
        self._now = START
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def declare(self, incident_id: str, **fields: Any) -> FakeIncident:
        with self.lock:
            incident = FakeIncident(self, incident_id, **fields)
            self.incidents[incident_id] = incident
            incident._record("IncidentDeclared", incident.title, "person:test")
            return incident

    def changed(self, incident: FakeIncident) -> None:
        self._sequence += 1
        self._changes.append((self._sequence, incident.id))

    def tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def __enter__(self) -> "FakeEngine":
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "token").write_text(self.token)
        (self.home / "engine.json").write_text(f'{{"url": "{self.url}", "pid": 1}}')
        self._up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        one = "/api/v1/incidents/{id}"
        app.router.add_get("/api/v1/work", self._work)
        app.router.add_post("/api/v1/workers/{worker}", self._heartbeat)
        app.router.add_get(one, self._show)
        app.router.add_get(one + "/moves", self._moves)
        app.router.add_post(one + "/perform", self._perform)
        app.router.add_post(one + "/drivers", self._drive)
        app.router.add_delete(one + "/drivers/{epoch}", self._release)
        app.router.add_get("/api/v1/messages/{id}", self._message)
        app.router.add_get("/api/v1/feed", self._feed)
        app.router.add_get("/api/v1/sources", self._sources)
        app.router.add_post("/api/v1/sources/{name}/batch", self._batch)
        app.router.add_post("/api/v1/sources/{name}/trouble", self._trouble)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return web.json_response({"error": "The fake is away."}, status=500)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "No token."}, status=401)
        if request.path.startswith("/api/v1/incidents/") and request.match_info["id"] not in self.incidents:
            return web.json_response({"error": f"There is no {request.match_info['id']}."}, status=404)
        answer: web.StreamResponse = await handler(request)
        return answer

    def _incident(self, request: web.Request) -> FakeIncident:
        return self.incidents[request.match_info["id"]]

    async def _work(self, request: web.Request) -> web.Response:
        with self.lock:
            waiting = [each for each in self.incidents.values() if each.due and each.driver is None]
            names = ("severity", "situation", "drill", "title", "runs")
            work = [
                {"incident": each.id, "due_at": _iso(START), **{name: getattr(each, name) for name in names}}
                for each in sorted(waiting, key=lambda each: each.severity)
            ]
        return web.json_response({"work": work[: int(request.query["limit"])]})

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self.alive.append(request.match_info["worker"])
        return web.json_response({})

    async def _show(self, request: web.Request) -> web.Response:
        with self.lock:
            return web.json_response(self._incident(request).as_object())

    async def _moves(self, request: web.Request) -> web.Response:
        incident = self._incident(request)
        with self.lock:
            shown = {"version": incident.version, "status": incident.status, "due": list(incident.due), "next": []}
            return web.json_response(shown | {"wake_at": _iso(incident.wake_at)})

    async def _perform(self, request: web.Request) -> web.Response:
        incident, body = self._incident(request), await request.json()
        with self.lock:
            if refusal := self.refuse(body):
                return web.json_response(refusal[1], status=refusal[0])
            if body["epoch"] != incident.epoch:
                return web.json_response({"error": "Another run drives.", "stale": True}, status=409)
            move = next((each for each in incident.due if each["key"] == body["key"]), None)
            made = []
            if move is not None:
                made.append({name: move[name] for name in ("key", "kind", "title")} | {"messages": incident.make(move)})
            return web.json_response({"performed": made, "version": incident.version})

    async def _drive(self, request: web.Request) -> web.Response:
        incident, body = self._incident(request), await request.json()
        with self.lock:
            incident.epoch += 1
            incident.runs += 1
            incident.driver = (body["worker"], body["run"])
            return web.json_response({"epoch": incident.epoch, "number": incident.runs})

    async def _release(self, request: web.Request) -> web.Response:
        incident = self._incident(request)
        with self.lock:
            if incident.epoch == int(request.match_info["epoch"]):
                incident.driver = None
            return web.json_response({})

    async def _message(self, request: web.Request) -> web.Response:
        with self.lock:
            pages = [row for each in self.incidents.values() for row in each.pages]
            row = next((row for row in pages if row["message_id"] == request.match_info["id"]), None)
            if row is None:
                return web.json_response({"error": "There is no such message."}, status=404)
            shown = {name: row[name] for name in ("message_id", "state", "channel", "failure")}
            return web.json_response(shown | {"provider_id": None, "attempts": 1, "expects_receipt": True})

    async def _sources(self, request: web.Request) -> web.Response:
        with self.lock:
            shown = [each.as_object() for each in self.sources.values()]
        folder = None if self.folder is None else str(self.folder)
        return web.json_response({"sources": shown, "listening": self.listening, "folder": folder})

    async def _batch(self, request: web.Request) -> web.Response:
        source, body = self.sources.get(request.match_info["name"]), await request.json()
        with self.lock:
            if source is None:
                return web.json_response({"error": "There is no such source."}, status=404)
            if refusal := self.refuse_batch(body):
                return web.json_response(refusal[1], status=refusal[0])
            if body["before"] != source.cursor:
                return web.json_response({"error": "It has moved.", "moved": True}, status=409)
            new = [each for each in body["mentions"] if each["id"] not in source.mentions]
            source.mentions |= {each["id"]: each for each in new}
            source.cursor, source.polled_by = body["cursor"], body["by"]
            source.by.append(body["by"])
            return web.json_response({"kept": len(new)})

    async def _trouble(self, request: web.Request) -> web.Response:
        source, body = self.sources[request.match_info["name"]], await request.json()
        with self.lock:
            source.troubles.append(body)
            return web.json_response({"source": source.name, "trouble": body["because"]})

    async def _feed(self, request: web.Request) -> web.Response:
        after, wait = int(request.query["after"]), float(request.query["wait"])
        for _ in range(max(1, round(wait / 0.02))):
            if self._closing:
                break
            with self.lock:
                new = [incident for sequence, incident in self._changes if sequence > after]
                if new or wait == 0:
                    return web.json_response({"sequence": self._sequence, "incidents": sorted(set(new))})
            await asyncio.sleep(0.02)
        return web.json_response({"sequence": after, "incidents": []})
