"""The signed webhook, read by a receiver that was written from the specification alone."""

import asyncio
import json
import traceback
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from incidents.errors import OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message
from notifications.webhook import WebhookChannel
from notifications.wording import message_code
from tests.support.counterparties import Recorder, Reply, free_port
from tests.support.misbehaving_receiver import MisbehavingReceiver
from tests.support.webhook_receiver import WebhookReceiver, believed
from tocsin.settings import WebhookSettings

PAGE_ID = "1.INC-7.1.r1.c1.1"
LINK = "https://tocsin.example/incidents/INC-7?c=nora&s=0123"
OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a plain secret and a long one"


def keys(secret):
    settings = WebhookSettings.model_validate({"secret": secret})
    return settings.keys()


def channel_with(secret, **options):
    return WebhookChannel(keys(secret), lambda: datetime.now(UTC), two_way=True, timeout_seconds=1, **options)


@pytest.fixture
async def channel():
    built = channel_with(OLD)
    yield built
    await built.close()


@pytest.fixture
def receiver(recorder: Recorder):
    return WebhookReceiver(recorder, OLD)


@pytest.fixture
def page(receiver):
    return Message(
        PAGE_ID,
        "INC-7",
        "page",
        receiver.url,
        "SEV1 INC-7: ¿Señal? 💥",
        "es",
        message_code(PAGE_ID),
        LINK,
        contact="nora",
    )


async def test_the_receiver_believes_it_and_reads_everything(channel, page, receiver):
    await channel.send(page)

    assert receiver.taken == {
        PAGE_ID: {
            "type": "page",
            "message_id": PAGE_ID,
            "incident": "INC-7",
            "contact": "nora",
            "text": "SEV1 INC-7: ¿Señal? 💥",
            "language": "es",
            "code": message_code(PAGE_ID),
            "link": LINK,
            "drill": False,
        }
    }
    assert receiver.requests[0].headers["content-type"] == "application/json"


async def test_the_receiver_drops_a_second_copy(channel, page, receiver):
    await channel.send(page)
    await channel.send(page)

    assert receiver.copies == [PAGE_ID, PAGE_ID]
    assert len(receiver.taken) == 1


async def test_a_changed_request_is_not_believed(channel, page, receiver):
    await channel.send(page)
    [request] = receiver.requests

    assert believed(request, OLD)
    assert not believed(replace(request, body=request.body.replace(b"nora", b"nobo")), OLD)
    later = str(int(request.headers["webhook-timestamp"]) + 1)
    assert not believed(replace(request, headers={**request.headers, "webhook-timestamp": later}), OLD)
    assert not believed(replace(request, headers={**request.headers, "webhook-id": "1.INC-8.1.r1.c1.1"}), OLD)


@pytest.mark.parametrize("known", [OLD, NEW])
async def test_while_a_secret_is_rotated_the_receiver_needs_either(recorder, page, known):
    receiver = WebhookReceiver(recorder, known)
    both = channel_with(f"{NEW},{OLD}")

    await both.send(page)

    await both.close()
    assert len(receiver.taken) == 1
    assert receiver.requests[-1].headers["webhook-signature"].count("v1,") == 2


async def test_a_secret_that_the_receiver_does_not_know_is_named_as_the_cause(page, receiver):
    stranger = channel_with(NEW)

    with pytest.raises(ProviderUnavailable, match="credentials"):
        await stranger.send(page)
    await stranger.close()
    assert receiver.taken == {}


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (410, Undeliverable, "gone"),
        (404, Undeliverable, "404"),
        (422, Undeliverable, "422"),
        (301, Undeliverable, "redirects"),
        (403, ProviderUnavailable, "credentials"),
        (429, ProviderUnavailable, "asks to wait"),
        (503, ProviderUnavailable, "asks to wait"),
        (500, OutcomeUnknown, "500"),
        (504, OutcomeUnknown, "504"),
    ],
)
async def test_a_refusal_says_what_the_pager_may_assume(channel, page, recorder, status, error, words):
    recorder.replies = {"/hook": lambda _: Reply(body="no", status=status)}

    with pytest.raises(error, match=words) as refused:
        await channel.send(page)
    assert len(recorder.requests) == 1, "a channel never repeats by itself"
    assert page.to not in str(refused.value), "the log forgets nothing, and an address may hold a key"


@pytest.fixture
async def misbehaving():
    running = MisbehavingReceiver()
    await running.start(free_port())
    yield running
    await running.stop()


async def test_a_redirect_is_not_followed(channel, page, misbehaving):
    misbehaving.how = "redirects"

    with pytest.raises(Undeliverable, match="redirects"):
        await channel.send(replace(page, to=f"{misbehaving.url}/hook"))
    assert misbehaving.asked == ["/hook"]


@pytest.mark.parametrize("how", ["never answers", "hangs up"])
async def test_an_answer_that_never_comes_leaves_the_outcome_unknown(channel, page, misbehaving, how):
    misbehaving.how = how

    with pytest.raises(OutcomeUnknown):
        await channel.send(replace(page, to=f"{misbehaving.url}/hook"))
    assert misbehaving.asked == ["/hook"]
    assert await channel.recover(page) is None


async def test_a_wish_to_come_back_later_is_passed_on(channel, page, misbehaving):
    misbehaving.how = "too many"

    with pytest.raises(ProviderUnavailable) as refused:
        await channel.send(replace(page, to=f"{misbehaving.url}/hook"))
    assert refused.value.retry_after == 7


async def test_a_receiver_that_is_not_there_has_certainly_not_accepted(channel, page):
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await channel.send(replace(page, to=f"http://127.0.0.1:{free_port()}/hook"))


async def test_the_body_is_json_whatever_the_text_holds(channel, page, receiver):
    await channel.send(replace(page, text='lone \ud800 surrogate, "quotes"\n\x00'))

    assert json.loads(receiver.requests[0].body)["text"].startswith("lone ")


@pytest.mark.parametrize("secret", ["short", "whsec_not base64!", "whsec_c2hvcnQ=", f"{OLD},short"])
def test_a_secret_that_cannot_be_used_ends_the_start(secret):
    with pytest.raises(ValidationError):
        TypeAdapter(WebhookSettings).validate_python({"secret": secret})


@pytest.fixture
async def babbling():
    """A receiver whose answer is no HTTP."""

    async def answered(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 abc\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_whatever_goes_wrong_the_address_is_not_told(channel, page, babbling):
    secret = "/services/T0/SECRET-CAPABILITY"
    nowhere = f"http://127.0.0.1:{free_port()}"
    for url, words in ((babbling, "ClientResponseError, HTTP 400"), (nowhere, "Connection refused")):
        with pytest.raises((OutcomeUnknown, ProviderUnavailable), match=words) as refused:
            await channel.send(replace(page, to=url + secret))

        told = "".join(traceback.format_exception(refused.value))
        assert "SECRET" not in told
        assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://[SECRET", "http://a.test:99999/SECRET", "http://SECRET\x00/", "http:///SECRET"]
)
async def test_an_address_that_is_none_is_not_told_either(channel, page, url):
    with pytest.raises((Undeliverable, ProviderUnavailable)) as refused:
        await channel.send(replace(page, to=url))

    assert "SECRET" not in "".join(traceback.format_exception(refused.value))
