"""CloudWatch through SNS: only what Amazon has signed is heard, and nothing is fetched from anybody else."""

import asyncio
import io
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.clock import SystemClock
from engine.services import Engine, EngineConfig
from tests.support.amazon import ALARM, CERTIFICATE, HOST, TOPIC, Amazon
from tests.support.counterparties import free_port
from tests.support.monitors import captured, declared, documented, integration, key_of, request
from tests.support.real_engine import PlanFiles, person, rung
from tocsin.web.app import build_app
from tocsin.web.senders import cloudwatch
from tocsin.web.senders.reading import NotNow
from tocsin.web.sns import LARGEST, MOST_CERTIFICATES, Certificates, fetcher

URL = f"/webhooks/cloudwatch/{key_of('cloudwatch')}"


@pytest.fixture(scope="module")
def signer() -> Amazon:
    return Amazon()


@pytest.fixture
def amazon(signer: Amazon) -> Amazon:
    signer.asked, signer.answers = [], True
    return signer


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    words = {"ALARM": "SEV2", "INSUFFICIENT_DATA": "SEV4"}
    entries = [
        integration("cloudwatch", severity_words=words),
        integration("cloudwatch", name="one-topic", key="one-topic-0123456789", topics=[TOPIC]),
    ]
    files = PlanFiles([person("ana", "console"), person("dora")], [rung("ana")], ["dora"], more_integrations=entries)
    config = EngineConfig(tmp_path / "home", files.write(tmp_path / "plan"), "http://127.0.0.1:1", api_token="t")
    engine = Engine(config, SystemClock(), io.StringIO())
    engine.prepare()
    yield engine
    await engine.stop()


@pytest.fixture
async def sender(engine: Engine, amazon: Amazon) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(engine, amazon.fetch))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client


async def posts(sender: httpx.AsyncClient, body: dict[str, Any], url: str = URL, **headers: str) -> httpx.Response:
    kind = {"content-type": "text/plain; charset=UTF-8"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await sender.post(url, content=json.dumps(body), headers={**kind, **named})


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_alarm_fires_and_recovers(engine: Engine, amazon: Amazon, sender: httpx.AsyncClient, version: str):
    assert (await posts(sender, amazon.message(version=version))).status_code == 200
    view = await engine.show("INC-1")
    assert (view["title"], view["severity"]) == ("orders: Threshold Crossed", "SEV2")

    over = amazon.message({**ALARM, "NewStateValue": "OK"}, version=version, MessageId="m-2")
    assert (await posts(sender, over)).status_code == 200

    assert [each["firing"] for each in (await engine.show("INC-1"))["signals"]] == [False]
    assert amazon.asked == [CERTIFICATE], "a certificate is fetched once"


async def test_nothing_that_was_changed_on_its_way_is_heard(engine: Engine, amazon: Amazon, sender: httpx.AsyncClient):
    whole = amazon.message()
    for field in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn"):
        assert (await posts(sender, {**whole, field: whole[field] + " "})).status_code == 401, field
    for signature in ("", "AAAA", "not base64!", Amazon().sign(whole)):
        assert (await posts(sender, {**whole, "Signature": signature})).status_code == 401
    assert (await posts(sender, {**whole, "SignatureVersion": "1"})).status_code == 401
    assert (await posts(sender, {**whole, "Subject": None})).status_code == 401
    assert not engine.database.read_now(lambda tx: tx.all("SELECT 1 FROM incidents"))


FOREIGN = [
    "http://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
    "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
    "https://evil.example#@sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
    "https://s3.eu-west-1.amazonaws.com/mine/x.pem",
    "https://mysns.s3.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com\t.evil.example/x.pem",
    "https://127.0.0.1/x.pem",
    "https://[::1]/x.pem",
    "https://[/x.pem",
    "file:///etc/passwd",
    "",
]


async def test_no_certificate_and_no_confirmation_comes_from_anywhere_else(amazon: Amazon, sender: httpx.AsyncClient):
    for url in FOREIGN:
        assert not cloudwatch.is_amazons(url), url
        refused = await posts(sender, amazon.message(SigningCertURL=url))
        assert (refused.status_code, refused.json()["error"].split(":")[0]) == (401, "SigningCertURL"), url
        assert (await posts(sender, amazon.confirmation(subscribe=url or "x"))).status_code == 400, url
    assert set(amazon.asked) <= {CERTIFICATE}


@pytest.mark.parametrize(
    "url", ["https://sns.us-gov-west-1.amazonaws.com/a.pem", "https://sns.cn-north-1.amazonaws.com.cn/a.pem"]
)
def test_every_partition_of_amazon_is_amazons(url: str):
    assert cloudwatch.is_amazons(url)


async def test_a_subscription_is_confirmed_where_amazon_says(amazon: Amazon, sender: httpx.AsyncClient):
    body = amazon.confirmation()

    assert (await posts(sender, body)).json() == {"status": "confirmed"}

    assert amazon.asked == [CERTIFICATE, body["SubscribeURL"]]


async def test_a_subscription_that_nobody_signed_is_not_confirmed(amazon: Amazon, sender: httpx.AsyncClient):
    assert (await posts(sender, {**amazon.confirmation(), "Token": "other"})).status_code == 401
    assert amazon.asked == [CERTIFICATE]


async def test_only_the_topics_of_the_plan_may_write(engine: Engine, amazon: Amazon, sender: httpx.AsyncClient):
    url = "/webhooks/cloudwatch/one-topic-0123456789"
    other = amazon.message(TopicArn=f"{TOPIC}-of-a-stranger")

    assert (await posts(sender, other, url)).status_code == 403
    assert (await posts(sender, amazon.message(), url)).status_code == 200


async def test_amazon_that_does_not_answer_makes_sns_come_again(amazon: Amazon, sender: httpx.AsyncClient):
    amazon.answers = False
    for _ in range(3):
        answer = await posts(sender, amazon.message())
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    assert len(amazon.asked) == 1, "a certificate that is missing is not asked for with every message"


async def test_the_operators_hear_that_a_topic_has_gone(engine: Engine, amazon: Amazon, sender: httpx.AsyncClient):
    body = amazon.message("gone", Type="UnsubscribeConfirmation", Subject=None, Token="t", SubscribeURL="https://x")

    assert (await posts(sender, body)).status_code == 200

    told = engine.database.read_now(lambda tx: tx.all("SELECT text FROM outbox WHERE incident_id = 'TOCSIN'"))
    assert "no longer sends to our-cloudwatch" in told[0][0]


async def test_what_is_no_message_of_sns_is_refused_by_its_field(amazon: Amazon, sender: httpx.AsyncClient):
    raw = await posts(sender, ALARM, x_amz_sns_rawdelivery="true")
    assert (raw.status_code, raw.json()["problems"][0][:5]) == (400, "body:")
    for field in ("Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "SigningCertURL"):
        without = {name: value for name, value in amazon.message().items() if name != field}
        answer = await posts(sender, without)
        assert (answer.status_code, answer.json()["problems"][0].split(":")[0]) == (400, field)
    captured_body = captured("aws_sns_notification.moto")["body"]
    assert (await posts(sender, captured_body)).status_code == 401, "moto signs with a key of its own"


# --- what stands in a notification ---


def heard(message: object, **changes: Any) -> Any:
    envelope = cloudwatch.read_envelope(request(Amazon().message(message, **changes)))
    return cloudwatch.signal_of(envelope, b"")


def test_an_alarm_is_named_by_its_arn_and_labelled_by_its_dimensions():
    signal = heard(ALARM)

    assert signal.dedup_key == ALARM["AlarmArn"]
    assert (signal.labels["shop"], signal.labels["Namespace"], signal.severity_word) == ("eu", "Shop", "ALARM")


def test_data_that_are_missing_are_an_alarm_too():
    signal = heard({**ALARM, "NewStateValue": "INSUFFICIENT_DATA"})
    assert (signal.action, signal.severity_word) == ("trigger", "INSUFFICIENT_DATA")


@pytest.mark.parametrize("message", ["Disk full\non web-1", "[]", '{"AlarmName": 7}', "{", '{"other": 1}'])
def test_any_other_message_is_a_signal_of_its_own(message: str):
    signal = heard(message, Subject=None)

    assert (signal.action, signal.dedup_key) == ("trigger", "m-1")
    assert signal.summary == message.split("\n")[0]


@pytest.mark.parametrize(
    ("name", "action", "key"),
    [
        ("alerta_cloudwatch_notification", "trigger", "1234567890:bucketbytesAlarm"),
        ("alerta_cloudwatch_insufficient_data", "trigger", "1234567890:notificationCountAlarm"),
    ],
)
def test_documented_notifications(name: str, action: str, key: str):
    envelope = cloudwatch.read_envelope(request(documented(name)))

    signal = cloudwatch.signal_of(envelope, b"")

    assert (signal.action, signal.dedup_key) == (action, key)
    assert cloudwatch.certificate_url(envelope).startswith("https://sns.eu-west-1.amazonaws.com/")


def test_a_documented_confirmation_leads_to_amazon():
    envelope = cloudwatch.read_envelope(request(documented("alerta_cloudwatch_subscription_confirmation")))
    assert cloudwatch.is_amazons(envelope.SubscribeURL or "")
    assert cloudwatch.allows(declared("cloudwatch"), envelope)


# --- the real way to Amazon, to a server of ours ---


class Elsewhere(AbstractResolver):
    """Amazon's names lead to this port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET, "proto": 0,
                 "flags": socket.AI_NUMERICHOST}  # fmt: skip
        return [ResolveResult(**found)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def https() -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def answer(asked: web.Request) -> web.Response:
        match asked.path:
            case "/good.pem":
                return web.Response(body=b"PEM")
            case "/large.pem":
                return web.Response(body=b"x" * (LARGEST + 1))
            case "/moved.pem":
                raise web.HTTPFound("https://127.0.0.1/elsewhere.pem")
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server).start()
    yield port, client
    await runner.cleanup()


async def test_what_is_fetched_is_fetched_over_tls_from_amazon_and_is_small(https: tuple[int, ssl.SSLContext]):
    port, trusting = https
    fetch = fetcher(Elsewhere(port), trusting)

    assert await fetch(f"https://{HOST}/good.pem") == b"PEM"
    for name, said in (("large", "more than belongs there"), ("moved", "302"), ("missing", "404")):
        with pytest.raises(NotNow, match=said):
            await fetch(f"https://{HOST}/{name}.pem")
    with pytest.raises(NotNow, match="not an address"):
        await fetch(f"https://127.0.0.1:{port}/good.pem")
    with pytest.raises(NotNow, match="cannot be reached"):
        await fetch("https://sns.eu-west-2.amazonaws.com/good.pem")  # the certificate is another's


async def test_a_server_that_nobody_vouches_for_is_not_amazon(https: tuple[int, ssl.SSLContext]):
    port, _ = https
    with pytest.raises(NotNow, match="cannot be reached"):
        await fetcher(Elsewhere(port))(f"https://{HOST}/good.pem")


async def test_few_certificates_are_kept_and_each_is_asked_for_once():
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        await asyncio.sleep(0)
        return url.encode()

    certificates = Certificates(fetch, SystemClock())
    await asyncio.gather(*(certificates.at("a") for _ in range(5)))
    for number in range(MOST_CERTIFICATES):
        await certificates.at(str(number))
    assert asked.count("a") == 1
    await certificates.at("a")
    assert asked.count("a") == 2, "the oldest one made room"
