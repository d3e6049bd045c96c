"""The page `/push`: who may let which browser ring, from a real engine, up to a page that a browser decrypts.

A push service cannot be reached from a test machine, so PushManager.subscribe alone is the test's own in the tests with
a real Chromium; the page, its script, the service worker and what that shows are really run.
"""

import asyncio
import json
import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from engine.home import Home
from notifications.web_push import PushKey
from tests.support.counterparties import free_port
from tests.support.push_service import PushService
from tests.support.real_engine import Person, PlanFiles, RealEngine, a_number, person, rung
from tests.tocsin.test_pages import Browser, chromium  # noqa: F401 - fixtures are found by their names here

SUBJECT = "mailto:ops@tocsin.example"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    people = [Person("nora", {"push": "nora-phone"}), person("tomas", "console", "sms")]
    plan = PlanFiles(people, [rung("nora"), rung("tomas")], ["tomas"]).write(folder / "plan")
    port = free_port()
    environment = {
        "TOCSIN_PUSH__SUBJECT": SUBJECT,
        "TOCSIN_PUSH__LOOPBACK": "true",
        "TOCSIN_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    running = RealEngine(folder / "home", plan, environment, port).start()
    yield running
    running.stop()


@pytest.fixture
async def service():
    running = PushService()
    await running.start(free_port())
    yield running
    await running.stop()


@pytest.fixture
def key(engine):
    """Our public key, as the engine's home has the private one."""
    return PushKey.from_text(Home(engine.home).push_key_file.read_text()).public


@pytest.fixture
async def visit(engine):
    """Nora, logged in."""
    browser = Browser(engine)
    await browser.logs_in("nora")
    return browser


def attributes(page):
    return {name: unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', page.text)}


def link_on(page, engine):
    [found] = re.findall(r"<code>(http[^<]+)</code>", page.text)
    return unescape(found).removeprefix(engine.url)


def given(browser):
    kept = browser.subscription
    return {
        "endpoint": kept.endpoint,
        "expirationTime": None,
        "keys": {"p256dh": kept.p256dh, "auth": kept.auth},
    }


async def subscribes(engine, proof, subscription, name="nora-phone", cookie=""):
    order = {
        "name": name,
        "subscription": subscription,
        **{each: proof.get(each, "") for each in ("c", "u", "s", "form")},
    }
    headers = {"Cookie": f"tocsin_session={cookie}"} if cookie else {}
    return await engine.ask("POST", "/push", json_body=order, headers=headers, token=False)


# --- the way to a page on the telephone ---


async def test_a_browser_that_was_let_ring_shows_the_next_page(engine, visit, service, key):
    page = await visit.get("/push")
    telephone = service.subscribe(attributes(page)["key"])

    answer = await subscribes(engine, attributes(page), given(telephone), cookie=visit.cookie)

    assert (answer.status, answer.json["sentence"]) == (200, "This browser now rings for you as nora-phone.")
    order = {"title": "Lifts are stuck", "situation": "SHOP_DOWN", "by": "tomas"}
    incident = (await engine.ask("POST", "/api/v1/incidents", json_body=order)).json["incident"]["id"]

    await engine.until(lambda: telephone.pushed, "the page arrives")
    pushed = telephone.pushed[0]
    assert pushed.content["title"] == f"SEV1 {incident}: Shop down"
    assert "Lifts are stuck" in pushed.content["body"]
    assert pushed.headers["Urgency"] == "high"
    assert pushed.claims["sub"] == SUBJECT
    assert attributes(page)["key"] == key
    opened = await Browser(engine).get(pushed.content["link"].removeprefix(engine.url))
    assert "I take it" in opened.words
    taken = await Browser(engine).post(f"/incidents/{incident}/acknowledge", **opened.fields)
    assert taken.status == 303
    assert (await engine.show(incident))["commander"] == "nora"
    assert service.complaints == []


async def test_a_link_opens_the_page_on_another_device_and_proves_itself(engine, visit, service, key):
    path = link_on(await visit.get("/push"), engine)
    elsewhere = Browser(engine)

    page = await elsewhere.get(path)
    tablet = service.subscribe(key)
    answer = await subscribes(engine, attributes(page), given(tablet))

    assert page.status == 200
    assert "On another device" not in page.words, "a link makes no further links"
    assert answer.status == 200
    assert "rings already" in (await elsewhere.get(path)).words


async def test_subscribing_again_takes_the_place_of_what_was(engine, visit, service, key):
    proof = attributes(await visit.get("/push"))
    old, new = service.subscribe(key), service.subscribe(key)
    for each in (old, old, new):
        assert (await subscribes(engine, proof, given(each), cookie=visit.cookie)).status == 200

    assert engine.counted("subscriptions") == 1
    await engine.ask("POST", "/api/v1/test-page", json_body={"contact": "nora"})
    await engine.until(lambda: new.pushed, "the test page arrives")
    assert old.pushed == []
    assert new.pushed[0].content["title"].startswith("DRILL")


# --- who may not ---


async def test_a_stranger_is_sent_to_the_login(engine):
    answer = await Browser(engine).get("/push")

    assert answer.status == 303
    assert answer.headers["location"] == "/login?next=%2Fpush"


def changed(path, **new):
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return f"{parts.path}?{urlencode({**query, **new})}"


async def test_a_link_holds_for_one_contact_and_one_day_only(engine, visit, service, key):
    path = link_on(await visit.get("/push"), engine)
    proof = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    wrong = [
        {"c": "tomas"},
        {"s": "0" * 32},
        {"u": str(int(proof["u"]) + 60)},
        {"u": "x"},
        {"u": ""},
        {"s": ""},
        {"c": ""},
    ]

    for new in wrong:
        assert (await Browser(engine).get(changed(path, **new))).status == 403, new
        answer = await subscribes(engine, {**proof, **new}, given(service.subscribe(key)))
        assert answer.status == 403, new


async def test_a_link_to_an_incident_is_no_link_to_this_page(engine, service, key):
    order = {"title": "Lifts are stuck", "situation": "SHOP_DOWN", "by": "tomas"}
    incident = (await engine.ask("POST", "/api/v1/incidents", json_body=order)).json["incident"]["id"]
    url = (await engine.get(f"/api/v1/incidents/{incident}/link?contact=nora"))["url"]
    proof = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    answer = await subscribes(engine, {**proof, "u": "9999999999"}, given(service.subscribe(key)))

    assert answer.status == 403


async def test_another_site_cannot_subscribe_with_somebodys_session(engine, visit, service, key):
    for proof in ({}, {"form": "0" * 32}):
        answer = await subscribes(engine, proof, given(service.subscribe(key)), cookie=visit.cookie)
        assert answer.status == 403


# --- what is refused ---


@pytest.mark.parametrize(
    "endpoint",
    ["http://push.example/x", "https://10.0.0.8/x", "https://intranet/x", "file:///etc/passwd", "", "x" * 2000],
)
async def test_an_endpoint_that_is_no_push_service_is_refused(engine, visit, service, key, endpoint):
    proof = attributes(await visit.get("/push"))
    before = engine.counted("subscriptions")
    subscription = {**given(service.subscribe(key)), "endpoint": endpoint}

    answer = await subscribes(engine, proof, subscription, cookie=visit.cookie)

    assert answer.status in (400, 409)
    assert "endpoint" in answer.error
    assert engine.counted("subscriptions") == before


async def test_only_a_name_that_stands_in_contacts_yaml_is_taken(engine, visit, service, key):
    proof = attributes(await visit.get("/push"))

    answer = await subscribes(engine, proof, given(service.subscribe(key)), name="burglar", cookie=visit.cookie)

    assert (answer.status, answer.error) == (
        409,
        "contacts.yaml names no browser 'burglar' of yours; it has nora-phone.",
    )


async def test_a_body_that_is_no_subscription_says_what_is_wrong(engine, visit):
    for body in (b"", b"[]", b"{}", b'{"name": "nora-phone"}', b"\xff", b"x" * 9000):
        answer = await engine.ask("POST", "/push", body=body, token=False)
        assert answer.status in (400, 413)
        assert answer.error


async def test_whoever_has_no_browser_in_contacts_yaml_is_told_the_line_to_add(engine):
    browser = Browser(engine)
    await browser.logs_in("tomas")

    assert "- {kind: push, to: tomas-phone}" in (await browser.get("/push")).words


async def test_without_push_the_page_says_what_is_missing(tmp_path):
    people = [Person("nora", {"push": "nora-phone", "sms": a_number()})]
    plain = RealEngine(tmp_path / "home", PlanFiles(people, [rung("nora")], ["nora"]).write(tmp_path / "plan"))
    await plain.up()
    try:
        browser = Browser(plain)
        await browser.logs_in("nora")
        assert "TOCSIN_PUSH__SUBJECT" in (await browser.get("/push")).words
        assert not Home(plain.home).push_key_file.exists()
    finally:
        plain.stop()


# --- the page itself ---


async def test_the_page_runs_our_script_and_no_other(engine, visit):
    page = await visit.get("/push")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'; worker-src 'self'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page.text
    assert "script-src" not in (await visit.get("/")).headers["content-security-policy"], "no other page has one"
    for path in ("/static/push.js", "/push-worker.js"):
        script = await Browser(engine).get(path)
        assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


async def test_the_push_key_is_made_once_and_only_we_can_read_it(engine, key):
    file = Home(engine.home).push_key_file
    before = file.read_text()
    engine.kill()
    engine.start()

    assert file.read_text() == before
    assert file.stat().st_mode & 0o777 == 0o600


# --- in a real browser ---

SUBSCRIBES = """
window.asked = null;
PushManager.prototype.getSubscription = async () => null;
PushManager.prototype.subscribe = async function (options) {
  window.asked = {
    visible: options.userVisibleOnly,
    key: btoa(String.fromCharCode(...options.applicationServerKey)),
  };
  return { toJSON: () => (%s) };
};
"""


@pytest.fixture
async def tab(engine, visit, service, key, chromium):  # noqa: F811 - the fixture
    """A real browser on Nora's page, allowed to show notifications; it subscribes with keys that the test knows."""
    telephone = service.subscribe(key)
    async with chromium.tab() as opened:
        await opened.does("Browser.grantPermissions", origin=engine.url, permissions=["notifications"])
        await opened.does("Page.addScriptToEvaluateOnNewDocument", source=SUBSCRIBES % json.dumps(given(telephone)))
        await opened.does("Page.enable")
        await opened.opens(engine.url + link_on(await visit.get("/push"), engine))
        opened.telephone = telephone
        yield opened


@pytest.mark.slow
@pytest.mark.counterparty("chromium")
async def test_a_thumb_lets_a_real_browser_ring(engine, tab, key):
    assert await tab.finds("document.documentElement.scrollWidth <= innerWidth"), "nothing to push sideways"
    _, _, width, height = await tab.clicks("button.big")
    await tab.until("document.querySelector('#said').innerText.includes('now rings for you as nora-phone')")

    asked = json.loads(await tab.finds("JSON.stringify(window.asked)"))
    assert width > 250
    assert height >= 48
    assert asked["visible"] is True
    assert asked["key"].translate(str.maketrans("+/", "-_", "=")) == key
    await engine.ask("POST", "/api/v1/test-page", json_body={"contact": "nora"})
    await engine.until(lambda: tab.telephone.pushed, "the test page arrives")
    assert await tab.finds("document.querySelector('#said').className") == "calm"


async def registration(tab):
    """The id of the page's service worker, which the browser tells only as an event."""
    await tab._socket.send_json({"id": 10**9, "method": "ServiceWorker.enable", "params": {}})
    while True:
        event = json.loads((await asyncio.wait_for(tab._socket.receive(), 60)).data)
        if event.get("method") == "ServiceWorker.workerRegistrationUpdated" and event["params"]["registrations"]:
            return event["params"]["registrations"][0]["registrationId"]


SHOWN = """
navigator.serviceWorker.getRegistration("/push")
  .then((worker) => worker.getNotifications())
  .then((all) => JSON.stringify(all.map((each) => ({
    title: each.title, body: each.body, tag: each.tag, stays: each.requireInteraction, lang: each.lang,
    actions: each.actions.map((action) => action.title), link: each.data.link,
  }))))
"""


async def notifications(tab):
    answer = await tab.does("Runtime.evaluate", expression=SHOWN, awaitPromise=True, returnByValue=True)
    return json.loads(answer["result"]["value"])


async def shows(tab, origin, worker, content):
    """Deliver a push and look whether it is on the screen. May be repeated: a copy takes the place of the first."""
    await tab.does("ServiceWorker.deliverPushMessage", origin=origin, registrationId=worker, data=json.dumps(content))
    # Chromium drops what it is about to show when it is asked in that moment what it shows.
    await asyncio.sleep(0.5)
    return any(each["body"] == content["body"] for each in await notifications(tab))


@pytest.mark.slow
@pytest.mark.counterparty("chromium")
async def test_the_service_worker_shows_a_page_until_somebody_touches_it(engine, tab):
    await tab.clicks("button.big")
    await tab.until("document.querySelector('#said').innerText.includes('now rings')")
    page = {
        "title": "SEV1 INC-7: Shop down",
        "body": "Card payments fail",
        "link": f"{engine.url}/incidents/INC-7?c=nora&s=0",
        "tag": "1.INC-7.1.r1.c1.1",
        "code": "ABCDE",
        "kind": "page",
        "language": "es",
    }
    worker = await registration(tab)
    for body in ("Card payments fail", "Card payments fail everywhere"):
        content = {**page, "body": body}
        await engine.eventually(lambda said=content: shows(tab, engine.url, worker, said), "the notification is shown")

    [shown] = await notifications(tab)
    assert shown == {
        "title": "SEV1 INC-7: Shop down",
        "body": "Card payments fail everywhere",
        "tag": "1.INC-7.1.r1.c1.1",
        "stays": True,
        "lang": "es",
        "actions": ["Lo tomo", "Abrir"],
        "link": page["link"],
    }, "and it has taken the place of the first"
