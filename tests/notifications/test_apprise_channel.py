"""Apprise's own client against a recorder: its json:// plugin is a real program that we did not write."""

import asyncio
import logging
import sys
import threading
from dataclasses import replace

import pytest

from incidents.errors import OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.apprise_channel import AppriseChannel
from notifications.channel import Message
from notifications.wording import message_code
from tests.support.counterparties import Recorder, Reply, free_port
from tests.support.misbehaving_receiver import MisbehavingReceiver

PAGE_ID = "1.INC-7.1.r1.c1.1"
TEXT = "SEV1 INC-7: Shop down\nCard payments fail & <more>\nAnswer with: tocsin ack INC-7"


def address(url):
    return url.replace("http://", "json://") + "/notify"


@pytest.fixture
def page():
    return Message(PAGE_ID, "INC-7", "page", "team-telegram", TEXT, "en", message_code(PAGE_ID), None, contact="nora")


@pytest.fixture
async def channel(recorder: Recorder):
    built = AppriseChannel({"team_telegram": address(recorder.url)}, timeout_seconds=5)
    yield built
    await built.close()


async def test_the_first_line_is_the_title_and_nothing_is_taken_for_markup(channel, page, recorder):
    sent = await channel.send(page)

    [request] = recorder.at("/notify")
    assert request.json["title"] == "SEV1 INC-7: Shop down"
    assert request.json["message"] == "Card payments fail & <more>\nAnswer with: tocsin ack INC-7"
    assert sent.provider_id is None


async def test_a_single_line_goes_below_the_incidents_name(channel, page, recorder):
    await channel.send(replace(page, kind="notice", text="INC-7 was already taken."))

    [request] = recorder.at("/notify")
    assert (request.json["title"], request.json["message"]) == ("INC-7", "INC-7 was already taken.")


async def test_it_says_that_nothing_comes_back(channel, page):
    assert not channel.two_way
    assert not channel.gives_receipts
    await channel.send(page)
    assert await channel.recover(page) is None


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_a_no_of_apprise_is_a_refusal_for_now(channel, page, recorder, status):
    recorder.replies["/notify"] = lambda _: Reply(status=status)

    with pytest.raises(ProviderUnavailable, match="team-telegram"):
        await channel.send(page)


async def test_a_service_that_is_not_there_is_a_refusal_too(page):
    nowhere = AppriseChannel({"team_telegram": f"json://127.0.0.1:{free_port()}/"})

    with pytest.raises(ProviderUnavailable):
        await nowhere.send(page)
    await nowhere.close()


async def test_a_name_without_its_variable_is_undeliverable_and_says_which(channel, page):
    with pytest.raises(Undeliverable, match="TOCSIN_APPRISE__TEAM_MATRIX is not set"):
        await channel.send(replace(page, to="team-matrix"))


async def test_an_address_that_apprise_does_not_know_is_undeliverable_and_keeps_its_secret(page):
    built = AppriseChannel({"team_telegram": "nosuchservice://secret-token/"})

    with pytest.raises(Undeliverable, match="TOCSIN_APPRISE__TEAM_TELEGRAM") as refused:
        await built.send(page)
    await built.close()
    assert "secret-token" not in str(refused.value)


@pytest.fixture
async def hanging():
    running = MisbehavingReceiver()
    running.how = "never answers"
    await running.start(free_port())
    yield running
    await running.stop()


async def test_a_service_that_hangs_leaves_the_outcome_unknown_and_the_loop_free(page, hanging):
    built = AppriseChannel({"team_telegram": address(hanging.url)}, timeout_seconds=0.5)
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    busy = asyncio.create_task(others())
    with pytest.raises(OutcomeUnknown, match="did not answer"):
        await built.send(page)
    busy.cancel()
    assert turns > 5
    assert hanging.asked, "it was certainly handed over"
    await built.close()


async def test_services_that_hang_do_not_take_the_threads_of_others(page, hanging, recorder):
    urls = {"team_telegram": address(recorder.url), "stuck": address(hanging.url)}
    built = AppriseChannel(urls, timeout_seconds=1)

    stuck = [asyncio.create_task(built.send(replace(page, to="stuck"))) for _ in range(40)]
    while len(hanging.asked) < 8:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(str)
    assert not any(each.done() for each in stuck), "the loop's own threads were free meanwhile"
    outcomes = await asyncio.gather(*stuck, return_exceptions=True)

    kinds = {type(each) for each in outcomes}
    assert kinds == {OutcomeUnknown, ProviderUnavailable}, "those that never got a thread have certainly not left"
    await built.close()


async def test_the_process_ends_although_a_service_hangs(hanging):
    program = (
        "import asyncio\n"
        "from notifications.apprise_channel import AppriseChannel\n"
        "from notifications.channel import Message\n"
        "async def main():\n"
        f"    channel = AppriseChannel({{'a': {address(hanging.url)!r}}}, timeout_seconds=0.5)\n"
        "    try:\n"
        "        await channel.send(Message('m', 'INC-1', 'page', 'a', 'x', 'en', 'c', None))\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "    await channel.close()\n"
        "    print('closed', flush=True)\n"
        "asyncio.run(main())\n"
    )
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    assert (await running.stdout.readline()).strip() == b"OutcomeUnknown"
    assert (await running.stdout.readline()).strip() == b"closed"

    assert await asyncio.wait_for(running.wait(), 2) == 0


async def test_a_thread_ends_when_its_channel_is_closed(page, recorder):
    built = AppriseChannel({"team_telegram": address(recorder.url)}, timeout_seconds=5)
    await built.send(page)
    await built.close()
    async with asyncio.timeout(2):
        while any(each.name.startswith("apprise-") for each in threading.enumerate()):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "url",
    [
        "tgram://123456789:SECRETTOKEN/",
        "nosuch://" + "user:SECRET@h/SECRET",
        "json://" + "user:SECRET@127.0.0.1:1/SECRET?x=SECRET",
        "slack://SECRET",
        "SECRET",
    ],
)
async def test_no_log_ever_holds_an_address(page, url, caplog, capfd):
    logger = logging.getLogger("apprise")
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.DEBUG)
    built = AppriseChannel({"team_telegram": url}, timeout_seconds=5)

    with pytest.raises((ProviderUnavailable, Undeliverable)) as refused:
        await built.send(page)

    await built.close()
    logger.removeHandler(caplog.handler)
    assert "SECRET" not in caplog.text + str(refused.value) + "".join(capfd.readouterr())
