"""The pages for people, from a real engine: who may see and do what, and what a real browser makes of them."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from tests.support.counterparties import ROOT, free_port
from tests.support.real_engine import RealEngine

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = RealEngine(tmp_path_factory.mktemp("pages") / "home", ROOT / "example").start()
    yield running
    running.stop()


@dataclass
class Visit:
    """What a browser got."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def words(self) -> str:
        """The text as a person reads it."""
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", self.text)))

    @property
    def fields(self) -> dict[str, str]:
        """The hidden fields of the page's forms."""
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.text)
        return {name: unescape(value) for name, value in found}


@dataclass
class Browser:
    """Follows no redirect by itself; keeps its cookie."""

    engine: RealEngine
    cookie: str = ""

    async def get(self, path):
        return await self._ask("GET", path)

    async def post(self, path, **form):
        return await self._ask("POST", path, urlencode(form).encode())

    async def logs_in(self, contact="nora"):
        answer = await self.post("/login", contact=contact, token=self.engine.token, next="/")
        assert answer.status == 303, answer
        self.cookie = SimpleCookie(answer.headers["set-cookie"])["tocsin_session"].value
        return answer

    async def _ask(self, method, path, body=None):
        headers = {"Cookie": f"tocsin_session={self.cookie}"} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = await self.engine.ask(method, path, body=body, headers=headers, token=False)
        return Visit(answer.status, answer.headers, answer.text)


@pytest.fixture
def browser(engine):
    return Browser(engine)


async def declared(engine, title="The shop is down", situation="SERVICE_OUTAGE"):
    order = {"title": title, "situation": situation, "by": "nora"}
    answer = await engine.ask("POST", "/api/v1/incidents", json_body=order)
    assert answer.status == 201, answer
    return answer.json["incident"]["id"]


async def link(engine, incident, contact="nora"):
    url = (await engine.get(f"/api/v1/incidents/{incident}/link?contact={contact}"))["url"]
    return url.removeprefix(engine.url)


def proof(path):
    """The two parameters that sign a link."""
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


# --- strangers ---


async def test_a_stranger_is_sent_to_the_login_and_learns_nothing(engine, browser):
    incident = await declared(engine, "Secret trouble")

    for path in ("/", "/declare", f"/incidents/{incident}"):
        answer = await browser.get(path)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/login?next=")
    login = await browser.get("/login")
    assert login.status == 200
    assert "Secret" not in login.text
    assert "Larkfield" not in login.text


async def test_a_stranger_can_change_nothing(engine, browser):
    incident = await declared(engine)
    before = await engine.show(incident)

    paths = [page_of(incident, action) for action in ("acknowledge", "pass", "say")]
    for path in (*paths, "/declare", "/logout"):
        assert (await browser.post(path, title="x", situation="GENERIC")).status in (303, 403)
    after = await engine.show(incident)
    assert (after["commander"], after["status"]) == (before["commander"], "declared")


# --- the signed link ---


async def test_the_link_shows_the_incident_and_looking_changes_nothing(engine, browser):
    incident = await declared(engine)
    path = await link(engine, incident)
    before = await engine.kinds(incident)

    for _ in range(3):
        page = await browser.get(path)
    assert page.status == 200
    assert "I take it" in page.words
    assert "Nobody has taken it yet." in page.words
    assert (await browser.get(path.replace("?", "/acknowledge?"))).status == 405
    assert "Acknowledged" not in await engine.kinds(incident)
    assert (await engine.kinds(incident))[: len(before)] == before
    assert (await engine.show(incident))["commander"] is None


async def test_the_button_takes_it_in_the_name_of_the_links_owner(engine, browser):
    incident = await declared(engine)
    path = await link(engine, incident, "tomas")
    page = await browser.get(path)

    done = await browser.post(f"/incidents/{incident}/acknowledge", **page.fields)

    assert done.status == 303
    assert done.headers["location"] == path
    assert (await engine.show(incident))["commander"] == "tomas"
    assert "You have it" in (await browser.get(path)).words
    assert "Tomás Herrera has it" in (await browser.get(await link(engine, incident, "sofia"))).words


async def test_pressing_twice_is_pressing_once(engine, browser):
    incident = await declared(engine)
    fields = (await browser.get(await link(engine, incident))).fields

    for _ in range(2):
        assert (await browser.post(f"/incidents/{incident}/acknowledge", **fields)).status == 303
    assert [each["kind"] for each in (await engine.show(incident))["timeline"]].count("Acknowledged") == 1


async def test_whoever_cannot_take_it_hands_it_on(engine, browser):
    incident = await declared(engine)
    fields = (await browser.get(await link(engine, incident, "nora"))).fields

    assert (await browser.post(f"/incidents/{incident}/pass", **fields)).status == 303
    sentences = [each["sentence"] for each in (await engine.show(incident))["timeline"]]
    assert any("nora passed" in each for each in sentences)


async def test_a_link_opens_one_incident_for_one_person_only(engine, browser):
    first, second = await declared(engine), await declared(engine, "Another")
    path = await link(engine, first)
    signed = proof(path)

    wrong = [
        path.replace(first, second),
        path.replace("c=nora", "c=tomas"),
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path + "%ff",
        f"/incidents/{first}?c=nora",
        f"/incidents/{first}?c=nora&s=",
    ]
    for each in wrong:
        assert (await browser.get(each)).status in (303, 403), each
    assert (await browser.post(f"/incidents/{second}/acknowledge", **signed)).status == 403
    assert (await browser.post(f"/incidents/{first}/acknowledge", **{**signed, "c": "tomas"})).status == 403
    assert (await engine.show(first))["commander"] is None
    assert (await engine.show(second))["commander"] is None


async def test_a_wrong_link_opens_nothing_even_for_somebody_logged_in(engine, browser):
    incident = await declared(engine)
    await browser.logs_in()

    assert (await browser.get(f"/incidents/{incident}?c=nora&s=0")).status == 403


async def test_what_has_ended_is_told_and_not_a_stack_trace(engine, browser):
    incident = await declared(engine)
    path = await link(engine, incident)
    fields = (await browser.get(path)).fields
    await engine.does(incident, "stand-down", "nora", because="nothing")

    answer = await browser.post(f"/incidents/{incident}/acknowledge", **fields)

    assert answer.status == 409
    assert f"{incident} is stood-down" in answer.words


# --- logging in ---


async def test_the_login_gives_a_cookie_that_gives_the_token_away_to_nobody(engine, browser):
    answer = await browser.logs_in()
    cookie = answer.headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert engine.token not in answer.headers["set-cookie"]
    assert "Nora Lindqvist" in (await browser.get("/")).words


async def test_a_wrong_token_or_an_unknown_person_stays_outside(browser, engine):
    assert (await browser.post("/login", contact="nora", token="wrong")).status == 403
    assert (await browser.post("/login", contact="mallory", token=engine.token)).status == 400
    assert (await browser.post("/login")).status == 403


@pytest.mark.parametrize("cookie", ["", "1.nora.x", "99999999999.nora.0", "x", "..", "99999999999999999999.nora.0"])
async def test_a_made_up_cookie_is_no_session(browser, cookie):
    browser.cookie = cookie
    assert (await browser.get("/")).status == 303


async def test_a_session_cannot_be_made_to_last_longer_or_to_be_somebody_else(browser):
    await browser.logs_in()
    until, contact, seal = browser.cookie.split(".")

    for forged in (f"{int(until) + 1}.{contact}.{seal}", f"{until}.tomas.{seal}"):
        browser.cookie = forged
        assert (await browser.get("/")).status == 303


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"])
async def test_the_login_leads_nowhere_else(browser, engine, elsewhere):
    answer = await browser.post("/login", contact="nora", token=engine.token, next=elsewhere)

    assert answer.headers["location"] == "/"


async def test_another_site_cannot_post_in_a_sessions_name(engine, browser):
    incident = await declared(engine)
    await browser.logs_in()

    assert (await browser.post(f"/incidents/{incident}/acknowledge")).status == 403
    assert (await browser.post(f"/incidents/{incident}/acknowledge", form="0" * 32)).status == 403
    assert (await browser.post("/declare", title="x", situation="GENERIC")).status == 403
    assert (await engine.show(incident))["commander"] is None


async def test_the_list_shows_the_worst_first_and_then_the_newest(engine, browser):
    for title, severity in (("Small and old", "SEV3"), ("The worst", "SEV1"), ("Small and new", "SEV3")):
        order = {"title": title, "situation": "SERVICE_OUTAGE", "severity": severity, "by": "nora"}
        assert (await engine.ask("POST", "/api/v1/incidents", json_body=order)).status == 201
    await browser.logs_in("sofia")

    page = (await browser.get("/")).words
    told = [each["title"] for each in (await engine.get("/api/v1/incidents"))["incidents"]]
    places = [page.index(title) for title in ("The worst", "Small and new", "Small and old")]
    assert places == sorted(places)
    assert told[:1] == ["The worst"]
    assert "Nobody has taken it yet. Declared " in page


async def test_somebody_logged_in_takes_it_from_the_list(engine, browser):
    incident = await declared(engine, "Found on the list")
    await browser.logs_in("sofia")

    assert "Found on the list" in (await browser.get("/")).words
    fields = (await browser.get(f"/incidents/{incident}")).fields
    await browser.post(f"/incidents/{incident}/acknowledge", **fields)

    assert (await engine.show(incident))["commander"] == "sofia"


async def test_logging_out_ends_it_in_this_browser(browser):
    await browser.logs_in()
    fields = (await browser.get("/")).fields

    answer = await browser.post("/logout", **fields)

    assert answer.status == 303
    assert 'tocsin_session=""' in answer.headers["set-cookie"]


# --- declaring ---


async def test_on_call_staff_declare_in_the_browser(engine, browser):
    await browser.logs_in()
    fields = (await browser.get("/declare")).fields
    form = {**fields, "title": "Parcels vanish", "situation": "SUPPLY_FAILURE", "severity": "SEV3", "because": "calls"}

    first, second = await browser.post("/declare", **form), await browser.post("/declare", **form)

    assert first.status == 303
    assert first.headers["location"] == second.headers["location"], "the same form twice is one incident"
    view = await engine.show(first.headers["location"].rsplit("/", 1)[1])
    assert (view["title"], view["severity"], view["situation"]) == ("Parcels vanish", "SEV3", "SUPPLY_FAILURE")
    assert view["pages"], "people are paged"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"title": ""}, "what is wrong"),
        ({"title": "x" * 201}, "201 characters"),
        ({"severity": "SEV9"}, "not a severity"),
        ({"situation": "NOPE"}, "no situation"),
    ],
)
async def test_a_wrong_declaration_is_said_and_keeps_what_was_written(browser, engine, wrong, sentence):
    await browser.logs_in()
    fields = (await browser.get("/declare")).fields
    form = {**fields, "title": "Trouble", "situation": "GENERIC", "severity": "", "because": "I know this", **wrong}
    before = engine.counted("incidents")

    answer = await browser.post("/declare", **form)

    assert answer.status == 409
    assert sentence in answer.words
    assert "I know this" in answer.words
    assert engine.counted("incidents") == before


# --- hostile input ---


async def test_what_a_monitor_writes_is_text_and_never_markup(engine, browser):
    incident = await declared(engine, HOSTILE)
    await engine.does(incident, "acknowledge", "nora")
    await engine.does(incident, "note", "nora", text=HOSTILE)
    await browser.logs_in()

    for path in (await link(engine, incident), f"/incidents/{incident}", "/"):
        page = await browser.get(path)
        assert page.status == 200
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert HOSTILE in unescape(page.text)


async def test_every_page_forbids_scripts_frames_and_foreign_sources(engine, browser):
    incident = await declared(engine)
    await browser.logs_in()

    for path in ("/", "/login", "/declare", f"/incidents/{incident}", await link(engine, incident), "/incidents/999"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer", "the signature in the address goes to nobody"
        assert headers["cache-control"] == "no-store"


async def test_an_unknown_incident_is_a_plain_page(browser):
    await browser.logs_in()

    for path in ("/incidents/INC-999", "/incidents/nonsense"):
        answer = await browser.get(path)
        assert answer.status == 404
        assert "no" in answer.words


async def test_a_page_says_who_performs_while_prefect_is_away(engine, browser):
    incident = await declared(engine)

    assert "the engine performs" in (await browser.get(await link(engine, incident))).words


# --- roles ---


async def test_the_button_says_as_what_one_takes_it_and_the_page_then_says_who_is_what(engine, browser):
    incident = await declared(engine)
    page = await browser.get(await link(engine, incident))

    assert "I take it as Duty incident commander" in page.words
    await browser.post(f"/incidents/{incident}/acknowledge", **page.fields)

    mine, theirs = await browser.get(page_path := await link(engine, incident)), await link(engine, incident, "sofia")
    assert "I take it" not in mine.words
    assert "You have it" in mine.words
    assert "Who is what Duty incident commander Nora Lindqvist" in mine.words
    assert re.search(r"Taken at \d\d:\d\d UTC as Duty incident commander", (await browser.get(theirs)).words)
    assert page_path != theirs


async def test_whoever_was_called_by_nobody_takes_it_as_nothing(engine, browser):
    incident = await declared(engine)

    assert "I take it I cannot" in (await browser.get(await link(engine, incident, "margaret"))).words


async def test_whoever_passed_reads_when_and_can_still_take_it(engine, browser):
    incident = await declared(engine)
    path = await link(engine, incident, "nora")
    await browser.post(f"/incidents/{incident}/pass", **(await browser.get(path)).fields)

    after = await browser.get(path)

    assert re.search(r"You passed at \d\d:\d\d UTC; the next one is called. You can still take it.", after.words)
    assert "I cannot" not in after.words
    assert "I take it" in after.words


# --- questions ---


async def asked(engine, *to, text="Close all shops until noon?", **more):
    """An incident that nora leads, in which she asks these people something."""
    incident = await declared(engine, "The shop is on fire")
    await engine.does(incident, "acknowledge", "nora")
    await engine.does(incident, "ask", "nora", to=list(to), text=text, expires_in="20m", about="other", **more)
    return incident


async def money_asked(engine):
    """An incident in which callum proposes more than he may; the question goes to those who may."""
    incident = await declared(engine, "Orders are lost")
    await engine.does(incident, "acknowledge", "nora")
    each = {"amount": "200.00", "currency": "EUR"}
    proposed = {"per_customer": each, "population": "customers who lost an order", "count": 412}
    await engine.does(incident, "compensate", "callum", **proposed, rationale="They waited two days for nothing")
    await engine.eventually(lambda: _questions(engine, incident), "a question about the money")
    return incident


async def _questions(engine, incident):
    return (await engine.show(incident))["questions"]


async def test_the_link_of_a_question_asks_it_with_its_deadline_and_looking_answers_nothing(engine, browser):
    incident = await asked(engine, "leon", "sofia")

    page = await browser.get(await link(engine, incident, "leon"))

    assert "Close all shops until noon?" in page.words
    assert "Asked by Nora Lindqvist" in page.words
    assert re.search(r"Answer in \d+ min \(.*?\d\d:\d\d UTC\)\. No answer means no\.", page.words)
    assert [each for each in ("Yes", "No", "Call me first") if f">{each}</button>" in page.text] == [
        "Yes",
        "No",
        "Call me first",
    ]
    assert page.text.index(">Yes</button>") < page.text.index("Nora Lindqvist has it")
    assert "I take" not in page.words, "a question is no calling that one takes"
    assert (await browser.get(page_of(incident, "say"))).status == 405
    assert (await engine.show(incident))["questions"][0]["open"]


def page_of(incident, action):
    return f"/incidents/{incident}/{action}"


@pytest.mark.parametrize(("pressed", "sentence"), [("yes", "You said yes at"), ("no", "You said no at")])
async def test_an_answer_is_taken_once_and_everybody_asked_reads_the_truth(engine, browser, pressed, sentence):
    incident = await asked(engine, "leon", "sofia")
    leon, sofia = await link(engine, incident, "leon"), await link(engine, incident, "sofia")
    hers = (await browser.get(sofia)).fields

    done = await browser.post(page_of(incident, "say"), **(await browser.get(leon)).fields, answer=pressed)
    late = await browser.post(page_of(incident, "say"), **hers, answer="yes" if pressed == "no" else "no")

    assert (done.status, done.headers["location"]) == (303, leon)
    assert (late.status, late.headers["location"]) == (303, sofia)
    assert sentence in (await browser.get(leon)).words
    assert f"Leon Achterberg already said {pressed} at" in (await browser.get(sofia)).words
    assert "Call me first" not in (await browser.get(sofia)).words
    [question] = (await engine.show(incident))["questions"]
    assert (question["answer"], question["answered_by"]) == (pressed, "leon")


async def test_whoever_wants_to_talk_first_can_still_answer(engine, browser):
    incident = await asked(engine, "leon")
    path = await link(engine, incident, "leon")
    fields = (await browser.get(path)).fields

    await browser.post(page_of(incident, "say"), **fields, answer="call")
    waiting = await browser.get(path)
    await browser.post(page_of(incident, "say"), **fields, answer="no")

    assert "You asked to be called first; you can still answer here." in waiting.words
    assert ">Call me first<" not in waiting.text
    assert "I take" not in waiting.words, "the page that tells nora to call is hers"
    assert "wants to be called before deciding" in (await browser.get(await link(engine, incident, "nora"))).words
    assert "You said no at" in (await browser.get(path)).words


async def test_a_question_about_money_says_all_that_a_yes_pays(engine, browser):
    incident = await money_asked(engine)
    path = await link(engine, incident, "david")
    page = await browser.get(path)

    assert "Yes pays 200.00 EUR \u00d7 412 = 82400.00 EUR" in page.words
    assert "412 customers who lost an order" in page.words
    assert "Because They waited two days for nothing" in page.words
    assert "Proposed by Callum Reid" in page.words
    await browser.post(page_of(incident, "say"), **page.fields, answer="yes")

    view = await engine.show(incident)
    assert (view["compensation"]["state"], view["compensation"]["decided_by"]) == ("decided", "david")
    assert re.search(r"You said yes at \d\d:\d\d UTC\. It is approved\.", (await browser.get(path)).words)


async def test_a_question_that_was_settled_otherwise_has_no_buttons(engine, browser):
    incident = await money_asked(engine)
    document = (await engine.show(incident))["compensation"]["document"]
    await engine.does(incident, "approve", "sofia", document=document)

    page = await browser.get(await link(engine, incident, "david"))

    assert "It needs no answer any more: Sofia Brandt has decided it." in page.words
    assert "Call me first" not in page.words


async def test_only_whoever_was_asked_can_answer_and_only_with_their_own_link(engine, browser):
    incident = await asked(engine, "leon")
    fields = (await browser.get(await link(engine, incident, "leon"))).fields
    nora = proof(await link(engine, incident, "nora"))
    said = {"question": fields["question"], "answer": "yes"}

    other = await browser.post(page_of(incident, "say"), **nora, **said)
    forged = await browser.post(page_of(incident, "say"), **{**fields, "c": "sofia"}, answer="yes")
    nothing = await browser.post(page_of(incident, "say"), **{**fields, "answer": "perhaps"})

    assert (other.status, forged.status, nothing.status) == (409, 403, 409)
    assert "asks nora no question" in other.words
    assert (await engine.show(incident))["questions"][0]["open"]


async def test_everybody_sees_how_a_question_stands(engine, browser):
    incident = await asked(engine, "leon")
    path = await link(engine, incident, "nora")
    before = await browser.get(path)
    await engine.does(incident, "answer", "leon", answer="yes")

    assert "Leon Achterberg: Answer in" in before.words
    assert "Leon Achterberg: Leon Achterberg said yes at" in (await browser.get(path)).words


# --- who is left out ---


async def left_out(engine, contact="marcus"):
    incident = await asked(engine, contact, "leon", text="Recall it?")
    path = await link(engine, incident, contact)
    await engine.does(incident, "implicate", "nora", contacts=[contact], because="he signed the delivery")
    return incident, path


async def test_the_link_of_somebody_who_is_left_out_opens_nothing_and_names_nothing(engine, browser):
    incident, path = await left_out(engine)

    page = await browser.get(path)

    assert page.status == 403
    assert "This page is not for you." in page.words
    for word in (incident, "fire", "Larkfield", "Marcus", "Nora", "implicated", "SEV"):
        assert word not in page.text


@pytest.mark.parametrize("action", ["acknowledge", "pass", "say"])
async def test_whoever_is_left_out_can_change_nothing_with_a_link_from_before(engine, browser, action):
    incident, path = await left_out(engine)
    before = await engine.kinds(incident)

    answer = await browser.post(page_of(incident, action), **proof(path), answer="yes", question="question-1")

    assert answer.status == 403
    assert "This page is not for you." in answer.words
    assert incident not in answer.text
    by_marcus = [each for each in (await engine.show(incident))["timeline"] if each["by"] == "person:marcus"]
    assert by_marcus == []
    assert (await engine.kinds(incident))[: len(before)] == before


async def test_who_is_left_out_is_seen_by_somebody_logged_in_and_not_by_the_holder_of_a_link(engine, browser):
    incident, _ = await left_out(engine)
    by_link = await browser.get(await link(engine, incident, "leon"))
    await browser.logs_in("nora")
    by_session = await browser.get(f"/incidents/{incident}")

    assert re.search(r"Left out [^.]*Marcus Hale", by_session.words)
    assert "he signed the delivery" in by_session.words
    assert "Recall it?" in by_link.words
    for word in ("Left out", "left out", "implicated", "he signed the delivery"):
        assert word not in by_link.words


async def test_whoever_is_left_out_sees_nothing_as_themselves_when_logged_in(engine, browser):
    incident, _ = await left_out(engine)
    await browser.logs_in("marcus")

    assert (await browser.get(f"/incidents/{incident}")).status == 403
    assert incident not in (await browser.get("/")).text
    await browser.logs_in("nora")
    assert incident in (await browser.get("/")).text


# --- a real browser ---


class Chromium:
    """Headless chromium, driven over its own debugging protocol: it is really painted and really clicked."""

    def __init__(self, profile):
        self.port = free_port()
        self._numbers = iter(range(1, 10**6))
        self._process = subprocess.Popen(
            [
                shutil.which("chromium") or "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                f"--user-data-dir={profile}",
                f"--remote-debugging-port={self.port}",
                "--window-size=390,844",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    @contextlib.asynccontextmanager
    async def tab(self):
        async with aiohttp.ClientSession() as session:
            address = await self._first_tab(session)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Tab(socket, self._numbers)

    async def _first_tab(self, session):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{self.port}/json/list") as answer:
                    pages = [each for each in await answer.json(content_type=None) if each["type"] == "page"]
                    if pages:
                        return pages[0]["webSocketDebuggerUrl"]
            await asyncio.sleep(0.1)
        raise AssertionError("chromium did not start")


class Tab:
    def __init__(self, socket, numbers):
        self._socket = socket
        self._numbers = numbers

    async def does(self, method, **parameters):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = json.loads((await asyncio.wait_for(self._socket.receive(), 60)).data)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def opens(self, url):
        await self.does("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def finds(self, expression):
        result = await self.does("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    async def until(self, expression):
        end = time.monotonic() + 60
        while not await self.finds(expression):
            assert time.monotonic() < end, (
                f"{expression} never became true: {await self.finds('document.body.innerText')}"
            )
            await asyncio.sleep(0.05)

    async def clicks(self, selector):
        """Press the middle of what is painted there."""
        where = await self.finds(
            f"(() => {{const b = document.querySelector({selector!r}); b.scrollIntoView({{block: 'center'}});"
            "const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width, r.height]})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.does("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)
        return where


@pytest.fixture
def chromium(tmp_path):
    running = Chromium(tmp_path / "profile")
    yield running
    running.end()


@pytest.mark.slow
@pytest.mark.counterparty("chromium")
async def test_a_thumb_takes_the_incident_in_a_real_browser(engine, chromium):
    incident = await declared(engine, HOSTILE)
    address = engine.url + await link(engine, incident)

    async with chromium.tab() as tab:
        await tab.opens(address)
        assert await tab.finds("document.querySelector('h1').innerText") == HOSTILE
        assert await tab.finds("document.scripts.length + document.images.length") == 0
        assert await tab.finds("document.documentElement.scrollWidth <= innerWidth"), "nothing to push sideways"
        assert (await engine.show(incident))["commander"] is None, "opening it has changed nothing"
        _, _, width, height = await tab.clicks("button.big")
        assert width > 250
        assert height >= 48
        await tab.until("document.body.innerText.includes('You have it')")

    assert (await engine.show(incident))["commander"] == "nora"


@pytest.mark.slow
@pytest.mark.counterparty("chromium")
async def test_somebody_logs_in_and_declares_in_a_real_browser(engine, chromium):
    async with chromium.tab() as tab:
        await tab.opens(f"{engine.url}/declare")
        await tab.until("location.pathname === '/login'")
        await tab.finds(
            "document.querySelector('[name=contact]').value = 'nora';"
            f"document.querySelector('[name=token]').value = {engine.token!r}"
        )
        await tab.clicks("button.big")
        await tab.until("location.pathname === '/declare'")
        await tab.finds("document.querySelector('[name=title]').value = 'Lifts are stuck'")
        await tab.clicks("button.big")
        await tab.until("location.pathname.startsWith('/incidents/INC-')")
        assert await tab.finds("document.querySelector('h1').innerText") == "Lifts are stuck"
        assert await tab.finds("document.cookie") == "", "no script could read the session"


@pytest.mark.slow
@pytest.mark.counterparty("chromium")
async def test_a_question_about_money_is_read_and_answered_on_one_screen_of_a_telephone(engine, chromium):
    incident = await money_asked(engine)

    async with chromium.tab() as tab:
        await tab.opens(engine.url + await link(engine, incident, "david"))
        bottom = "document.querySelector('.say').getBoundingClientRect().bottom"
        assert await tab.finds(f"{bottom} <= innerHeight"), await tab.finds(f"[{bottom}, innerHeight]")
        assert await tab.finds("document.documentElement.scrollWidth <= innerWidth"), "nothing to push sideways"
        _, _, width, height = await tab.clicks("button.yes")
        assert width > 120
        assert height >= 48
        await tab.until("document.body.innerText.includes('You said yes at')")

    assert (await engine.show(incident))["compensation"]["decided_by"] == "david"
