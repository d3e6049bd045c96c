"""What both clients make of the engine's answers; each test asks through both."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.client import (
    Address,
    EngineClient,
    Request,
    SyncEngineClient,
    command,
    declare,
    feed,
    incident,
    message,
    moves,
    perform,
    status,
    trial_page,
    work,
)
from incidents.errors import (
    CommandRefused,
    EngineUnreachable,
    Overloaded,
    SignalRefused,
    StaleDriver,
    TocsinError,
    UnknownIncident,
)

Ask = Callable[[Request[Any]], Any]


class Canned:
    """A server with one answer, which remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.content: bytes = b"{}"
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, Any, str]] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(sent) if sent else None
                canned.asked.append((self.command, self.path, body, self.headers["Authorization"]))
                self.send_response(canned.status)
                for name, value in {"Content-Length": str(len(canned.content)), **canned.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(canned.content)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names that http.server calls

            def log_message(self, *_: object) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def says(self, status: int, body: Any, **headers: str) -> None:
        self.status, self.content, self.headers = status, json.dumps(body).encode(), headers

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def canned() -> Iterator[Canned]:
    server = Canned()
    yield server
    server.close()


async def _ask_async(address: Address, request: Request[Any]) -> Any:
    async with EngineClient(address) as client:
        return await client.ask(request)


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest, canned: Canned) -> Ask:
    address = Address(canned.url, "secret")
    if request.param == "sync":
        return SyncEngineClient(address).ask
    return lambda asked: asyncio.run(_ask_async(address, asked))


def test_a_request_carries_the_token_and_what_was_asked(ask: Ask, canned: Canned) -> None:
    canned.says(200, {"sentence": "Done.", "incident": {"id": "INC-7"}})
    reply = ask(command("INC-7", "step-done", by="ana", step="rollback", evidence=None))

    assert reply.sentence == "Done."
    assert reply.incident == {"id": "INC-7"}
    sent = {"command": "step-done", "by": "ana", "step": "rollback"}
    assert canned.asked == [("POST", "/api/v1/incidents/INC-7/commands", sent, "Bearer secret")]


def test_moves_are_read_with_their_times(ask: Ask, canned: Canned) -> None:
    move = {"key": "page:1.r1.c1.1", "kind": "page", "title": "page ana by sms (rung 1)"}
    move |= {"due_at": "2026-11-21T09:00:00Z", "subject": "1", "person": "ana"}
    canned.says(200, {"version": 3, "status": "declared", "due": [move], "wake_at": "2026-11-21T09:05:00+00:00"})
    due = ask(moves("INC-7"))

    assert due.version == 3
    assert due.due[0].key == "page:1.r1.c1.1"
    assert due.wake_at > due.due[0].due_at
    assert due.wake_at.utcoffset().total_seconds() == 0


def test_what_was_performed_names_the_messages(ask: Ask, canned: Canned) -> None:
    made = [{"key": "k", "kind": "page", "title": "t", "messages": ["1.INC-7.1.r1.c1.1"]}]
    canned.says(200, {"performed": made, "version": 4})

    assert ask(perform("INC-7", 2, "k")).messages == ("1.INC-7.1.r1.c1.1",)
    assert canned.asked[0][2] == {"epoch": 2, "key": "k"}


def test_ids_are_quoted_and_empty_questions_left_out(ask: Ask, canned: Canned) -> None:
    canned.says(200, {"message_id": "a/b", "state": "sent"})
    fate = ask(message("a/b"))

    assert canned.asked[0][1] == "/api/v1/messages/a%2Fb"
    assert (fate.state, fate.expects_receipt) == ("sent", None)


def test_an_empty_answer_is_enough_for_a_heartbeat_and_a_feed_says_what_changed(ask: Ask, canned: Canned) -> None:
    canned.says(200, {"sequence": 9, "incidents": ["INC-7"]})

    assert ask(feed(3, 0.5)).incidents == ("INC-7",)
    assert canned.asked[0][1] == "/api/v1/feed?after=3&wait=0.5"


def test_work_declarations_and_trial_pages(ask: Ask, canned: Canned) -> None:
    item = {"incident": "INC-7", "severity": "SEV1", "situation": "X", "drill": False, "title": "t", "due_at": None}
    canned.says(200, {"work": [item | {"runs": 2}]})
    assert ask(work(5))[0].runs == 2
    canned.says(201, {"sentence": "Declared.", "incident": {}})
    ask(declare("Checkout fails", "SERVICE_OUTAGE", by="ana", drill=False))
    canned.says(200, {"message_id": "m", "sentence": "Sent."})

    assert ask(trial_page("ana")).message_id == "m"
    assert canned.asked[1][2] == {
        "title": "Checkout fails",
        "situation": "SERVICE_OUTAGE",
        "by": "ana",
        "drill": False,
    }


@pytest.mark.parametrize(
    ("answered", "body", "error", "sentence"),
    [
        (400, {"error": "Wrong.", "problems": ["by: missing"]}, SignalRefused, "by: missing"),
        (400, {"error": "Wrong."}, SignalRefused, "Wrong."),
        (401, {"error": "No."}, EngineUnreachable, "does not accept our token"),
        (404, {"error": "There is no INC-7."}, UnknownIncident, "There is no INC-7."),
        (409, {"error": "It is closed."}, CommandRefused, "It is closed."),
        (409, {"error": "Another run drives.", "stale": True}, StaleDriver, "Another run drives."),
        (503, {"error": "Too much."}, Overloaded, "Too much."),
        (500, {}, EngineUnreachable, "answered 500"),
        (500, "not an object", EngineUnreachable, "answered 500"),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(
    ask: Ask, canned: Canned, answered: int, body: Any, error: type[TocsinError], sentence: str
) -> None:
    canned.says(answered, body)

    with pytest.raises(error, match=sentence):
        ask(incident("INC-7"))


def test_an_overloaded_engine_says_when_to_come_back(ask: Ask, canned: Canned) -> None:
    canned.says(503, {"error": "Too much."}, **{"Retry-After": "17"})
    with pytest.raises(Overloaded) as raised:
        ask(status())

    assert raised.value.retry_after == 17


def test_something_else_that_answers_is_no_engine(ask: Ask, canned: Canned) -> None:
    canned.content = b"<html>"

    with pytest.raises(EngineUnreachable, match="not a Tocsin engine"):
        ask(moves("INC-7"))


def test_nobody_there_is_unreachable() -> None:
    address = Address("http://127.0.0.1:9", "secret")

    with pytest.raises(EngineUnreachable):
        SyncEngineClient(address).ask(status())
    with pytest.raises(EngineUnreachable):
        asyncio.run(_ask_async(address, status()))


def test_the_address_comes_from_the_home_and_is_looked_up_again(canned: Canned, tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="tocsin up"):
        Address.of_home(tmp_path)
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "engine.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    address = Address.of_home(tmp_path)

    async def ask_twice() -> Any:
        async with EngineClient(address) as client:
            with pytest.raises(EngineUnreachable):
                await client.ask(status())
            (tmp_path / "engine.json").write_text(json.dumps({"url": canned.url, "pid": 1}))
            with pytest.raises(EngineUnreachable):
                await client.ask(status())
            return await client.ask(status())

    assert asyncio.run(ask_twice()) == {}
    assert canned.asked[0][3] == "Bearer secret"
