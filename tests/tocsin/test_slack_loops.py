"""What keeps Slack's loops alive, and who hears that they do no work. Slack here is a program that answers rubbish."""

import asyncio
import io

import pytest
from aiohttp import web

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from incidents import commands as c
from notifications.channels import ChannelSettings
from notifications.slack_socket import SlackSocket
from tests.support.real_engine import Person, PlanFiles, rung
from tocsin.web.slack_pages import SlackPages
from tocsin.web.slack_trouble import SlackTrouble


@pytest.fixture
async def rubbish():
    """`await rubbish(text)` is the address of a program that answers everything with it, labelled as JSON."""
    runners = []

    async def answering(text):
        async def answered(_):
            return web.Response(text=text, content_type="application/json")

        app = web.Application()
        app.router.add_route("*", "/{x:.*}", answered)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}/api/"

    yield answering
    for each in runners:
        await each.cleanup()


async def nothing(_kind, _payload):
    return None


@pytest.mark.parametrize(
    "text", ["[]", "null", "5", "<html>502", '{"ok":true}', '{"ok":true,"url":5}', '{"ok":true,"url":"wss://["}']
)
async def test_the_socket_asks_again_whatever_is_answered_and_somebody_hears_of_it(rubbish, text, monkeypatch):
    monkeypatch.setattr("notifications.slack_socket._LONGEST_PAUSE", 0.02)
    monkeypatch.setattr("notifications.slack_socket._CONNECT_SECONDS", 0.3)
    heard = asyncio.Event()
    told = []

    async def tell(sentence):
        told.append(sentence)
        heard.set()

    socket = SlackSocket("xapp-1", nothing, await rubbish(text), trouble=tell, shortest_pause=0.01)
    running = asyncio.create_task(socket.run())

    await asyncio.wait_for(heard.wait(), 20)

    assert not running.done()
    assert told[0].startswith("Slack is not connected, answers do not arrive from there: ")
    assert "wss://" not in told[0]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.fixture
async def engine(tmp_path):
    people = [Person("ana", {"slack": "U0ANA"}), Person("bob", {"sms": "+12025550102"})]
    plan = PlanFiles(people, [rung("ana"), rung("bob")], ["bob"], operators=["bob"]).write(tmp_path / "plan")
    channels = ChannelSettings(slack_bot_token="x")
    engine = Engine(
        EngineConfig(tmp_path / "home", plan, "http://127.0.0.1:1", channels=channels), SystemClock(), io.StringIO()
    )
    engine.prepare()
    yield engine
    await engine.stop()


def told(engine):
    """What the operators hear of Slack."""
    rows = engine.database.read_now(lambda tx: tx.all("SELECT text FROM outbox WHERE text LIKE '%Slack%'"))
    return [text for (text,) in rows]


async def test_one_log_that_cannot_be_read_keeps_no_other_page_back(engine):
    for title in ("Broken", "Sound"):
        await engine.declare(title=title, situation="SHOP_DOWN", severity=None, by="person:bob")
    await engine.database.write(
        lambda tx: (
            tx.execute("UPDATE outbox SET provider_id = 'C:1'"),
            tx.execute("UPDATE events SET body = ? WHERE incident_id = 'INC-1'", (b"{broken",)),
        )
    )
    settled = []

    class Web:
        async def settle(self, provider_id, message, line):
            settled.append(message.incident)

    pages = SlackPages(engine, Web())  # type: ignore[arg-type]  # all that it asks of Slack here
    await engine.command("INC-2", lambda _i, _n: c.Acknowledge("bob", "cli"))
    running = asyncio.create_task(pages.run())
    async with asyncio.timeout(5):
        while "INC-2" not in settled or not told(engine):
            await asyncio.sleep(0.02)

    assert not running.done()
    [sentence] = told(engine)
    assert "the pages of INC-1 in Slack do not follow it" in sentence
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_operators_hear_of_one_loop_once_a_day(engine):
    trouble = SlackTrouble(engine, "slack-socket")
    for number in range(3):
        await trouble.tell(f"Slack is away, {number}")

    assert len(told(engine)) == 1
