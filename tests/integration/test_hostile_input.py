"""Senders that mean harm, or are broken: what they send is bounded in size, depth and time, and pages go on leaving.

Nothing is said about how long anything takes: a page left, or an answer came.
"""

import asyncio
import contextlib
import gzip
import json
import resource
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.monitors import EVERY_OTHER
from tests.support.real_engine import (
    ALERTMANAGER_KEY,
    PAGERDUTY_KEY,
    SIGNALS_KEY,
    Answered,
    Engines,
    PlanFiles,
    RealEngine,
    person,
    rung,
)

ALERTMANAGER = f"/webhooks/alertmanager/{ALERTMANAGER_KEY}"
PROMETHEUS = f"/alertmanager/{ALERTMANAGER_KEY}/api/v2/alerts"
SIGNALS = "/api/v1/signals"
INCIDENTS = "/api/v1/incidents"
INTAKES = ("/v2/enqueue", ALERTMANAGER, PROMETHEUS, SIGNALS, INCIDENTS)
KEPT = ("events", "signals", "outbox", "incidents", "open_keys")
KB = 1024


def plan() -> PlanFiles:
    return PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"], more_integrations=EVERY_OTHER)


@pytest.fixture
async def engine(engines: Engines) -> AsyncIterator[RealEngine]:
    started = await engines.make(plan()).up()
    yield started
    assert started.runs
    assert "Traceback" not in started.log.read_text(encoding="utf-8")


def body(path: str, summary: str = "Checkout fails", dedup_key: str = "k") -> dict[str, Any] | list[Any]:
    """What is right for this path."""
    alert = {"status": "firing", "labels": {"alertname": summary}, "fingerprint": dedup_key}
    bodies: dict[str, dict[str, Any] | list[Any]] = {
        "/v2/enqueue": {
            "routing_key": PAGERDUTY_KEY,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "payload": {"summary": summary, "source": "shop", "severity": "critical"},
        },
        ALERTMANAGER: {"version": "4", "status": "firing", "alerts": [alert]},
        PROMETHEUS: [{"labels": {"alertname": summary, "k": dedup_key}}],
        SIGNALS: {"routing_key": SIGNALS_KEY, "action": "trigger", "summary": summary, "dedup_key": dedup_key},
        INCIDENTS: {"title": summary, "situation": "SHOP_DOWN", "by": "ana"},
    }
    return bodies[path]


async def post(engine: RealEngine, path: str, content: bytes, **headers: str) -> Answered:
    named = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
    return await engine.ask("POST", path, body=content, headers=named, token=path == INCIDENTS)


async def pages(engine: RealEngine, dedup_key: str) -> None:
    """A new incident is declared, and the page for it leaves."""
    assert (await post(engine, SIGNALS, json.dumps(body(SIGNALS, dedup_key=dedup_key)).encode())).status == 202

    async def left() -> bool:
        shown = await engine.show(incident_of(engine, dedup_key))
        return any(page["state"] in ("sent", "delivered") for page in shown["pages"])

    await engine.eventually(left, f"a page for {dedup_key}")


def incident_of(engine: RealEngine, dedup_key: str) -> str:
    """Raises LookupError when there is none."""
    connection = sqlite3.connect(engine.home / "tocsin.db", timeout=30)
    try:
        query = "SELECT incident_id FROM open_keys WHERE dedup_key = ?"
        found = connection.execute(query, (f"signals:{dedup_key}",)).fetchone()
    finally:
        connection.close()
    if found is None:
        raise LookupError(dedup_key)
    return str(found[0])


def counts(engine: RealEngine) -> dict[str, int]:
    return {table: engine.counted(table) for table in KEPT}


# --- JSON ---

DEEP = 100_000
BOMBS: dict[str, bytes] = {
    "lists in lists": b"[" * DEEP,
    "objects in objects": b'{"a":' * (DEEP // 2) + b"1" + b"}" * (DEEP // 2),
    "deep in a field": b'{"routing_key":"x","custom_details":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a number of a hundred thousand digits": b'{"routing_key":' + b"9" * DEEP + b"}",
    "an exponent without end": b'{"routing_key":1e' + b"9" * 300 + b"}",
    "not a number": b'{"routing_key":NaN,"x":Infinity,"y":-Infinity}',
    "half a surrogate": b'{"routing_key":"\\ud800","event_action":"trigger"}',
    "half a character": b'{"routing_key":"\xe2\x82"}',
    "nul": b'{"routing_key":"a\x00b"}',
    "two documents": b"{}{}",
    "utf-16": '{"routing_key":"x"}'.encode("utf-16"),
    "latin-1": '{"routing_key":"señal"}'.encode("latin-1"),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_hostile_json_is_refused_everywhere_and_changes_nothing(quiet: RealEngine, bomb: str):
    before = counts(quiet)

    for path in INTAKES:
        assert (await post(quiet, path, BOMBS[bomb])).status == 400, path

    assert counts(quiet) == before


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Any:
    engines = Engines(tmp_path_factory.mktemp("hostile"))
    yield engines.make(plan()).start()
    engines.end()


@pytest.fixture
async def quiet(one: RealEngine) -> AsyncIterator[RealEngine]:
    """One engine for many tests."""
    yield one
    assert one.runs
    assert "Traceback" not in one.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", INTAKES)
async def test_of_a_field_that_stands_twice_the_last_one_counts(quiet: RealEngine, path: str):
    right = json.dumps(body(path, dedup_key="twice")).encode()
    doubled = right if right[:1] == b"[" else b'{"version":"9","title":"","summary":"","event_action":"x",' + right[1:]

    answer = await post(quiet, path, doubled)

    # Whatever is not the path's own field is ignored by a monitor's format, and refused by ours.
    ours = path in (SIGNALS, INCIDENTS)
    assert answer.status == (400 if ours else 202 if path != PROMETHEUS else 200), answer


@pytest.mark.parametrize("path", ["/v2/enqueue", ALERTMANAGER, SIGNALS, INCIDENTS])
async def test_half_a_megabyte_of_one_text_is_refused_by_its_field(quiet: RealEngine, path: str):
    before = counts(quiet)
    content = json.dumps(body(path, summary="x" * 500 * KB)).encode()

    answer = await post(quiet, path, content)

    if path == ALERTMANAGER:  # its labels have no length of their own: the title is cut
        assert answer.status == 202
        return
    assert answer.status == 400
    assert counts(quiet) == before


async def test_a_mark_before_utf8_is_no_error(quiet: RealEngine):
    content = b"\xef\xbb\xbf" + json.dumps(body("/v2/enqueue", "señal, 警報", "marked")).encode()

    assert (await post(quiet, "/v2/enqueue", content)).status == 202


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x" * 1000])
@pytest.mark.parametrize("path", INTAKES)
async def test_a_compressed_body_is_not_unpacked(quiet: RealEngine, path: str, encoding: str):
    bomb = gzip.compress(b"0" * 10 * KB * KB)

    answer = await post(quiet, path, bomb, content_encoding=encoding)

    assert answer.status == 415
    assert "does not unpack" in answer.error
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\u00e9"]
)
async def test_a_command_says_that_it_is_json(quiet: RealEngine, kind: str):
    before = counts(quiet)
    headers = {"Content-Type": kind}
    content = json.dumps(body(INCIDENTS)).encode()

    answer = await quiet.ask("POST", INCIDENTS, body=content, headers=headers)

    assert answer.status == 415
    assert counts(quiet) == before


# --- addresses and parameters ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/incidents?limit=1&limit=2", 400),
        ("/api/v1/incidents?limit=99999999999999999999999", 400),
        ("/api/v1/incidents?limit=%00", 400),
        ("/api/v1/incidents?colour=red", 400),
        ("/api/v1/feed?after=9223372036854775808&wait=0", 400),
        ("/api/v1/feed?after=0&wait=nan", 400),
        ("/api/v1/feed?after=0&wait=inf", 400),
        ("/api/v1/incidents/", 404),
        ("/api/v1/incidents/%00", 404),
        ("/api/v1/incidents/%ff%fe", 404),
        ("/api/v1/incidents/" + "9" * 4000, 404),
        ("/api/v1//incidents", 404),
        ("/api/v1/who-can?action=publish&at=0001-01-01T00:00:00%2B14:00", 200),
        ("/api/v1/who-can?action=publish&at=9999-12-31T23:59:59-14:00", 200),
        ("/api/v1/who-can?action=publish&at=2026-11-25T00:00:00", 400),
        ("/api/v1/who-can?action=publish&amount=1e3&currency=EUR", 400),
    ],
)
async def test_odd_addresses_and_parameters_have_their_answer(quiet: RealEngine, path: str, status: int):
    answer = await quiet.ask("GET", path)

    assert answer.status == status, answer
    assert status == 200 or answer.error


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/v2/enqueue", ALERTMANAGER, SIGNALS])
async def test_a_wrong_method_is_a_405_that_names_the_right_one(quiet: RealEngine, method: str, path: str):
    answer = await quiet.ask(method, path, token=False)

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_every_method_of_a_path_is_named(quiet: RealEngine):
    for method in ("PUT", "OPTIONS", "TRACE"):
        answer = await quiet.ask(method, "/api/v1/incidents")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


# --- slow senders and too many of them ---


class Raw:
    """A connection on which anything at all is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def hears(self) -> bytes:
        """Everything until the other side closes."""
        found = b""
        with contextlib.suppress(ConnectionError):
            found = await self.reader.read()
        await self.close()
        return found

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def connect(engine: RealEngine) -> Raw:
    return Raw(*await asyncio.open_connection("127.0.0.1", engine.port))


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: tocsin", *lines, "", ""]).encode("latin-1")


@pytest.mark.slow
async def test_a_head_that_never_ends_is_hung_up_on(engine: RealEngine):
    silent, slow = await connect(engine), await connect(engine)
    await slow.send(b"POST /v2/enqueue HTTP/1.1\r\nHost: tocsin\r\nX-Slow: ")

    async def trickles() -> None:
        while True:
            await slow.send(b"x")
            await asyncio.sleep(0.2)

    trickling = asyncio.create_task(trickles())
    try:
        assert await silent.hears() == b""
        assert await slow.hears() == b""
    finally:
        trickling.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v2/enqueue", INCIDENTS])
async def test_a_body_that_never_ends_is_a_503_and_nothing_of_it_counts(engine: RealEngine, path: str):
    before = counts(engine)
    slow = await connect(engine)
    right = json.dumps(body(path)).encode()
    await slow.send(head(path, f"Authorization: Bearer {engine.token}", "Content-Length: 100000") + right)

    answer = await slow.hears()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in answer
    assert counts(engine) == before


@pytest.mark.parametrize("path", INTAKES)
async def test_a_chunked_body_without_an_end_is_cut_by_its_size(quiet: RealEngine, path: str):
    before = counts(quiet)
    endless = await connect(quiet)
    await endless.send(head(path, f"Authorization: Bearer {quiet.token}", "Transfer-Encoding: chunked"))
    chunk = b"10000\r\n" + b" " * 64 * KB + b"\r\n"

    async def pours() -> None:
        while not endless.writer.is_closing():
            await endless.send(chunk)
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pours())
    try:
        answer = await endless.reader.readuntil(b"\r\n\r\n")
    finally:
        pouring.cancel()
        await endless.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert counts(quiet) == before


@pytest.mark.parametrize("path", INTAKES)
async def test_nothing_of_a_body_counts_whose_sender_is_cut_off(quiet: RealEngine, path: str):
    before = counts(quiet)
    content = json.dumps(body(path, dedup_key="cut")).encode()
    cut = await connect(quiet)
    # All of the document, and less than was promised.
    await cut.send(head(path, f"Authorization: Bearer {quiet.token}", f"Content-Length: {len(content) + 1}") + content)
    cut.writer.write_eof()
    await cut.close()

    assert (await quiet.ask("GET", "/readyz")).status == 200
    assert counts(quiet) == before


async def test_headers_without_end_are_refused(quiet: RealEngine):
    many = await connect(quiet)
    await many.send(b"GET / HTTP/1.1\r\n")
    for number in range(3000):
        await many.send(f"X-{number}: {'y' * 100}\r\n".encode())

    assert (await many.hears()).startswith((b"HTTP/1.1 400 ", b""))
    assert (await quiet.ask("GET", "/readyz")).status == 200


async def test_what_is_no_http_is_refused(quiet: RealEngine):
    for content in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\r\n" * 1000 + b"x\r\n\r\n",
        b"\x00" * 100,
    ):
        odd = await connect(quiet)
        await odd.send(content)
        assert (await odd.hears()).startswith(b"HTTP/1.1 400 "), content

    upgraded = await connect(quiet)
    await upgraded.send(b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost: t\r\n\r\n")
    upgraded.writer.write_eof()
    assert b" 101 " not in await upgraded.hears()


@pytest.mark.slow
async def test_a_page_leaves_while_strangers_hold_every_connection(engine: RealEngine):
    files = 400
    resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (files, files))
    held: list[Raw] = []
    try:
        for number in range(2 * files):
            with contextlib.suppress(OSError):
                held.append(await connect(engine))
                await held[-1].send(b"POST /v2/enqueue HTTP/1.1\r\nX-Slow: " if number % 2 else b"")

        await pages(engine, "under-siege")
    finally:
        await asyncio.gather(*(each.close() for each in held))


# --- a hostile load, and a page ---


def heavy() -> list[tuple[str, bytes]]:
    """Bodies that cost as much as the limits allow."""
    alerts = [{"status": "firing", "labels": {"n": str(each)}, "fingerprint": f"{each:x}"} for each in range(2000)]
    labels = {f"label-{each}": "v" * 50 for each in range(20_000)}
    wide = {"status": "firing", "labels": labels, "fingerprint": "wide"}
    return [
        (ALERTMANAGER, json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()),
        (ALERTMANAGER, json.dumps({"version": "4", "status": "firing", "alerts": [wide]}).encode()),
        (ALERTMANAGER, b'{"version":"4","x":"' + b"y" * 8_000_000 + b'"}'),
        ("/v2/enqueue", b'{"routing_key":"' + b"[" * 500_000),
        (SIGNALS, b"[" * 500_000),
        (INCIDENTS, b"[" * 1_000_000),
        *((f"/webhooks/{each['kind']}/{each['key']}", b'{"a":' * 50_000) for each in EVERY_OTHER),
        *((f"/webhooks/{each['kind']}/{each['key']}", b"a=" * 30_000) for each in EVERY_OTHER),
    ]


@pytest.mark.slow
async def test_a_page_leaves_while_hostile_bodies_pour_in(engine: RealEngine):
    pouring = True

    async def pours(bodies: list[tuple[str, bytes]]) -> list[int]:
        heard = []
        while pouring:
            for path, content in bodies:
                heard.append((await post(engine, path, content)).status)
        return heard

    load = heavy()
    senders = [asyncio.create_task(pours(load[number::4])) for number in range(4)]
    try:
        for number in range(5):
            await pages(engine, f"amid-{number}")
    finally:
        pouring = False
        heard = [status for each in await asyncio.gather(*senders) for status in each]

    assert set(heard) <= {202, 400, 401, 404, 405, 409, 413, 415, 503}
    assert 500 not in heard


# --- clocks that are wrong ---


def at(**times: str) -> bytes:
    alert = {"status": "firing", "labels": {"alertname": "Clock"}, "fingerprint": "clock", **times}
    return json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()


MOMENTS = (
    "2099-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999+23:59",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "1970-01-01T00:00:00Z",
    "2026-02-30T25:61:61Z",
    "yesterday",
    "-1",
    "1" * 10_000,
)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda each: each[:30])
async def test_an_alert_is_heard_whatever_its_sender_takes_for_the_time(engine: RealEngine, moment: str):
    assert (await post(engine, ALERTMANAGER, at(startsAt=moment, endsAt=moment))).status == 202
    posted = [{"labels": {"alertname": "Posted"}, "startsAt": moment, "endsAt": "0001-01-01T00:00:00Z"}]
    assert (await post(engine, PROMETHEUS, json.dumps(posted).encode())).status == 200
    event = {**body("/v2/enqueue", dedup_key="dated"), "timestamp": moment}  # type: ignore[dict-item]
    event["payload"] = {**event["payload"], "timestamp": moment}
    assert (await post(engine, "/v2/enqueue", json.dumps(event).encode())).status == 202

    shown = [await engine.show(f"INC-{number}") for number in (1, 2, 3)]
    assert [[key["firing"] for key in each["signals"]] for each in shown] == [[True]] * 3
    await pages(engine, "after-all")


async def test_an_end_before_the_start_or_in_the_future_is_taken_as_it_stands(engine: RealEngine):
    def posted(**times: str) -> bytes:
        return json.dumps([{"labels": {"alertname": "Skewed"}, **times}]).encode()

    assert (await post(engine, PROMETHEUS, posted(startsAt="2099-01-01T00:00:00Z", endsAt=""))).status == 200
    assert [key["firing"] for key in (await engine.show())["signals"]] == [True]
    # It ended before it began, and that was years ago: it is over.
    over = posted(startsAt="2099-01-01T00:00:00Z", endsAt="2020-01-01T00:00:00Z")
    assert (await post(engine, PROMETHEUS, over)).status == 200
    assert [key["firing"] for key in (await engine.show())["signals"]] == [False]
    # Its end lies in the future: it fires.
    assert (await post(engine, PROMETHEUS, posted(endsAt="2099-01-01T00:00:00Z"))).status == 200
    listed = (await engine.get("/api/v1/incidents?status=all"))["incidents"]
    assert [[key["firing"] for key in (await engine.show(each["id"]))["signals"]] for each in listed[:1]] == [[True]]


async def test_what_comes_out_of_order_leaves_nothing_behind(engine: RealEngine):
    def event(action: str) -> bytes:
        return json.dumps({**body("/v2/enqueue", dedup_key="order"), "event_action": action}).encode()  # type: ignore[dict-item]

    for action in ("resolve", "acknowledge"):
        assert (await post(engine, "/v2/enqueue", event(action))).status == 202
    assert engine.counted("incidents") == 0

    for action in ("trigger", "resolve", "acknowledge", "resolve"):
        assert (await post(engine, "/v2/enqueue", event(action))).status == 202
    assert engine.counted("incidents") == 1
    assert (await engine.show())["signals"] == [{"dedup_key": "pagerduty:order", "firing": False}]


async def test_a_sender_that_loops_makes_one_incident(engine: RealEngine):
    content = json.dumps(body("/v2/enqueue", dedup_key="loop")).encode()

    answers = await asyncio.gather(*(post(engine, "/v2/enqueue", content) for _ in range(200)))

    assert {each.status for each in answers} == {202}
    assert engine.counted("incidents") == 1
