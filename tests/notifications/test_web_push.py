"""Browser push against a service that decrypts with the subscription's own key."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contacts.addresses import ChannelKind
from incidents.errors import OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message
from notifications.push_subscriptions import LONGEST_ENDPOINT, Subscription, what_is_wrong
from notifications.web_push import LONGEST_PAYLOAD, PushKey, WebPushChannel, payload, topic
from notifications.wording import message_code
from tests.support.counterparties import free_port
from tests.support.push_service import Book, PushService, decoded, decrypted, encoded

PAGE_ID = "1.INC-7.1.r1.c1.1"
LINK = "https://tocsin.example/incidents/INC-7?c=nora&s=0123"
KEY = PushKey.from_text(encoded(bytes(range(1, 33))))
SUBJECT = "mailto:ops@tocsin.example"


def now():
    return datetime.now(UTC)


@pytest.fixture
async def service():
    running = PushService()
    await running.start(free_port())
    yield running
    await running.stop()


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def telephone(service, book):
    """Nora's browser, which she calls nora-phone."""
    browser = service.subscribe(KEY.public)
    book.kept["nora", "nora-phone"] = browser.subscription
    return browser


@pytest.fixture
async def channel(book):
    built = WebPushChannel(
        KEY, SUBJECT, book, now, public_url="https://tocsin.example", loopback=True, timeout_seconds=2
    )
    yield built
    await built.close()


@pytest.fixture
def page():
    text = "SEV1 INC-7: Shop down\nCard payments fail\nSince Sat 14:05"
    return Message(PAGE_ID, "INC-7", "page", "nora-phone", text, "en", message_code(PAGE_ID), LINK, contact="nora")


# --- what arrives ---


def test_the_recorder_decrypts_the_example_of_rfc_8291():
    private = int.from_bytes(decoded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    body = decoded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    plain = decrypted(body, ec.derive_private_key(private, ec.SECP256R1()), decoded("BTBZMqHH6r4Tts7J_aSIgg"))

    assert plain == b"When I grow up, I want to be a watermelon"


async def test_the_browser_reads_what_to_show(channel, page, telephone):
    sent = await channel.send(page)

    [pushed] = telephone.pushed
    assert pushed.content == {
        "title": "SEV1 INC-7: Shop down",
        "body": "Card payments fail\nSince Sat 14:05",
        "link": LINK,
        "tag": PAGE_ID,
        "code": message_code(PAGE_ID),
        "kind": "page",
        "language": "en",
    }
    assert sent.provider_id is not None


async def test_a_page_is_urgent_and_worthless_after_ten_minutes(channel, page, telephone):
    await channel.send(page)
    await channel.send(replace(page, kind="notice", message_id="1.INC-7.n.1", text="Already taken."))

    first, second = (each.headers for each in telephone.pushed)
    assert (first["Urgency"], first["TTL"]) == ("high", "600")
    assert second["Urgency"] == "normal"
    assert telephone.pushed[1].content["title"] == "INC-7"
    assert telephone.pushed[1].content["body"] == "Already taken."


async def test_a_second_copy_takes_the_place_of_the_first(channel, page, telephone):
    for message in (page, replace(page, message_id="1.INC-7.1.r1.c1.2"), page):
        await channel.send(message)

    assert len(telephone.pushed) == 3
    assert sorted(each.content["tag"] for each in telephone.shown.values()) == [PAGE_ID, "1.INC-7.1.r1.c1.2"]
    assert topic(PAGE_ID) != topic("1.INC-7.1.r1.c1.2")


async def test_we_say_who_we_are_and_whom_to_write_to(channel, page, telephone, service):
    await channel.send(page)

    assert telephone.pushed[0].claims["sub"] == SUBJECT
    assert telephone.pushed[0].claims["aud"] == service.url, "the origin with its port"


@pytest.mark.parametrize("letter", ["a", "ñ", "💥", '"', "\\", "\ud800"])
def test_a_text_of_any_length_fits_into_one_push(page, letter):
    for length in (0, 1, 700, 2899, 2900, 50_000):
        written = payload(replace(page, text=f"SEV1 INC-7\nx{letter * length}"))

        assert len(written) <= LONGEST_PAYLOAD
        assert json.loads(written)["title"] == "SEV1 INC-7"
        assert json.loads(written)["body"].startswith("x")


# --- what goes wrong ---


async def test_a_browser_that_never_subscribed_is_told_about_at_once(channel, page, service, telephone):
    for stranger in (replace(page, to="nora-laptop"), replace(page, contact="tomas")):
        with pytest.raises(Undeliverable, match=r"https://tocsin\.example/push"):
            await channel.send(stranger)
    assert service.asked == []


async def test_a_browser_that_is_gone_is_forgotten(channel, page, telephone, book, service):
    telephone.alive = False

    with pytest.raises(Undeliverable, match="no longer knows"):
        await channel.send(page)
    assert book.kept == {}
    with pytest.raises(Undeliverable, match="does not ring yet"):
        await channel.send(page)
    assert len(service.asked) == 1


async def test_an_unknown_browser_is_forgotten_too(channel, page, telephone, book, service):
    book.kept["nora", "nora-phone"] = replace(telephone.subscription, endpoint=f"{service.url}/push/never-seen")

    with pytest.raises(Undeliverable, match="404"):
        await channel.send(page)
    assert book.kept == {}


async def test_a_key_that_is_not_the_one_the_browser_bound_itself_to_is_named(book, page, telephone):
    other = WebPushChannel(PushKey.from_text(encoded(b"\7" * 32)), SUBJECT, book, now, public_url=None, loopback=True)

    with pytest.raises(ProviderUnavailable, match="credentials"):
        await other.send(page)
    await other.close()
    assert telephone.pushed == []
    assert book.kept, "the browser is not to blame"


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, ProviderUnavailable, "credentials"),
        (401, ProviderUnavailable, "credentials"),
        (403, ProviderUnavailable, "credentials"),
        (413, Undeliverable, "too large"),
        (418, ProviderUnavailable, "418"),
        (429, ProviderUnavailable, "asks to wait"),
        (503, ProviderUnavailable, "asks to wait"),
        (500, OutcomeUnknown, "500"),
        (502, OutcomeUnknown, "502"),
    ],
)
async def test_a_refusal_says_what_the_pager_may_assume(channel, page, telephone, service, book, status, error, words):
    service.refuses, service.answer_headers = status, {"Retry-After": "11"}

    with pytest.raises(error, match=words) as refused:
        await channel.send(page)
    assert len(service.asked) == 1, "a channel never repeats by itself"
    assert book.kept
    assert getattr(refused.value, "retry_after", None) == (11 if status in (429, 503) else None)
    assert telephone.endpoint not in str(refused.value), "the log forgets nothing, and an endpoint is a secret"


async def test_a_redirect_is_not_followed(channel, page, telephone, book, service):
    moved = telephone.endpoint.replace("/push/", "/moved/")
    book.kept["nora", "nora-phone"] = replace(telephone.subscription, endpoint=moved)

    with pytest.raises(ProviderUnavailable, match="307"):
        await channel.send(page)
    assert [each.path.split("/")[1] for each in service.asked] == ["moved"]


async def test_a_key_that_is_no_point_of_the_curve_is_undeliverable(channel, page, telephone, book, service):
    book.kept["nora", "nora-phone"] = replace(telephone.subscription, p256dh=encoded(b"\4" + b"\1" * 64))

    with pytest.raises(Undeliverable, match="key"):
        await channel.send(page)
    assert service.asked == []


async def test_outside_tests_nothing_on_this_machine_is_posted_to(book, page, telephone, service):
    strict = WebPushChannel(KEY, SUBJECT, book, now, public_url=None)

    with pytest.raises(Undeliverable, match="https address of a push service"):
        await strict.send(page)
    await strict.close()
    assert service.asked == []


# --- which endpoints ---

GOOD = Subscription("https://push.example/x", encoded(b"\4" * 65), encoded(b"a" * 16))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:APA91-_x",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
        "https://web.push.apple.com/QGuQ",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAC%2f",
        "https://push.example:8443/x",
    ],
)
def test_the_endpoints_of_push_services_are_taken(endpoint):
    assert what_is_wrong(replace(GOOD, endpoint=endpoint)) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/x",
        "http://127.0.0.1:9/x",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://[fd00::1]/x",
        "https://10.0.0.8/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://x.localhost/x",
        "https://intranet/x",
        "https://metadata.google.internal/x",
        "https://printer.local./x",
        "https://127.0.0.0x1:9443/x",
        "https://0x7f.0.0.0x1/x",
        "https://10.0.0.0xA/admin",
        "https://169.254.169.0xfe/latest",
        "https://127.0.0.0x/x",
        "https://127.0.0.1./x",
        "https://[::ffff:127.0.0.1]/x",
        "https://localhost./x",
        "https://jenkins.corp/x",
        "https://wiki.intranet./x",
        "https://nas.home.arpa/x",
        "https://user@push.example/x",
        "https://push.example:99999/x",
        "https://push.example/a b",
        "https://push.example/\r\nHost: x",
        "https://pusch.exämple/x",
        "ftp://push.example/x",
        "file:///etc/passwd",
        "",
        "https://push.example/" + "x" * LONGEST_ENDPOINT,
    ],
)
def test_an_endpoint_that_could_be_a_neighbour_of_ours_is_refused(endpoint):
    assert what_is_wrong(replace(GOOD, endpoint=endpoint)) is not None


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8080/x", "http://localhost/x", "https://[::1]/x"])
def test_a_test_may_have_its_push_service_on_this_machine(endpoint):
    assert what_is_wrong(replace(GOOD, endpoint=endpoint), loopback=True) is None
    assert what_is_wrong(replace(GOOD, endpoint="https://10.0.0.8/x"), loopback=True) is not None


@pytest.mark.parametrize(("p256dh", "auth"), [("", ""), ("*" * 87, "a" * 22), (GOOD.auth, GOOD.p256dh)])
def test_keys_of_another_shape_are_refused(p256dh, auth):
    assert what_is_wrong(Subscription(GOOD.endpoint, p256dh, auth)) is not None


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 43, "not base64 at all", encoded(b"\xff" * 32)])
def test_a_push_key_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        PushKey.from_text(text)


async def test_nothing_is_known_afterwards(channel, page, telephone):
    await channel.send(page)

    assert await channel.recover(page) is None
    assert channel.kind is ChannelKind.PUSH
    assert channel.two_way
    assert not channel.gives_receipts
