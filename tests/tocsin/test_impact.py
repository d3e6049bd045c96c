"""Questions about the impact, and standing down: typed, in the browser and over the API of a real engine."""

import json

import pytest
from click.testing import CliRunner

from tests.support.counterparties import ROOT
from tests.support.real_engine import RealEngine
from tests.tocsin.test_pages import Browser
from tocsin.cli import cli

ROWS = ["people", "customers", "service", "data", "legal", "money"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = RealEngine(tmp_path_factory.mktemp("impact") / "home", ROOT / "example").start()
    yield running
    running.stop()


@pytest.fixture
def tocsin(engine, monkeypatch):
    """Types a command as nora; gives its result."""
    for name in ("TOCSIN_API_TOKEN", "TOCSIN_PLAN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_HOME", str(engine.home))
    monkeypatch.setenv("TOCSIN_BY", "nora")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words):
        return CliRunner().invoke(cli, [str(word) for word in words])

    return run


@pytest.fixture
async def browser(engine):
    visitor = Browser(engine)
    await visitor.logs_in()
    return visitor


async def declared(engine, **more):
    order = {"title": "Orders fail", "situation": "DRILL_SHOP_DOWN", "severity": "SEV3", "by": "nora", **more}
    answer = await engine.ask("POST", "/api/v1/incidents", json_body=order)
    assert answer.status == 201, answer
    return answer.json["incident"]["id"]


def answered(view):
    return {row["question"]: row["answer"] for row in view["impact"]}


# --- typed ---


def test_what_is_known_of_the_impact_is_typed_with_the_declaration(tocsin):
    done = tocsin("declare", "Orders fail", "--drill", "--severity", "SEV4",
                  "--impact", "customers=0.5-5%", "--impact", "data=dont-know", "--json")  # fmt: skip

    said = json.loads(done.stdout)
    assert said["incident"]["severity"] == "SEV2"
    assert "SEV2 because of your answers: Customers hit: 0.5 to 5 % (SEV3); Data: not known" in said["sentence"]
    assert answered(said["incident"]) == {**dict.fromkeys(ROWS), "customers": "0.5-5%", "data": "dont-know"}


async def test_a_worse_answer_raises_it_and_a_better_one_says_how_a_person_lowers_it(tocsin, engine):
    incident = await declared(engine)

    worse = tocsin("impact", incident, "service=down").stdout
    better = tocsin("impact", incident, "service=cosmetic", "people=none").stdout

    assert f"{incident} is SEV2 now, because of the answers: Service: a core journey is down" in worse
    assert "people are called from the first rung" in worse
    assert f"Noted in {incident}, which stays SEV2. The answers come to SEV4" in better
    assert f"`tocsin severity {incident} SEV4 --because ...`" in better
    assert (await engine.show(incident))["round"] == 2
    assert "This stands in" in tocsin("impact", incident, "people=none").stdout


async def test_it_is_shown_what_was_answered_and_what_nobody_was_asked(tocsin, engine):
    incident = await declared(engine, impact={"money": "0.01-0.1%"})

    shown = tocsin("impact", incident).stdout

    assert f"{incident} is SEV3." in shown
    assert "people     not asked" in shown
    assert "0.01 to 0.1 % of a year's revenue (SEV3), Nora Lindqvist at" in shown
    assert "not asked" in tocsin("show", incident).stdout


def test_the_questions_are_listed_with_every_answer(tocsin):
    shown = tocsin("impact", "--questions").stdout

    assert "Customers hit  How many customers are hit?" in shown
    assert "customers=5-25%       SEV2  5 to 25 %, or 10,000 or more" in shown
    assert "dont-know" in shown
    assert [row["question"] for row in json.loads(tocsin("impact", "--questions", "--json").stdout)] == ROWS


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "Name an incident"),
        (("service",), 2, "is not an incident"),
        (("7", "service"), 2, "is not QUESTION=ANSWER"),
        (("7", "service=down", "service=cosmetic"), 2, "answered twice"),
    ],
)
def test_what_is_not_an_answer_is_a_usage_error(tocsin, words, code, sentence):
    done = tocsin("impact", *words)

    assert done.exit_code == code
    assert sentence in done.stderr


async def test_an_answer_that_there_is_not_is_refused_by_name_and_changes_nothing(tocsin, engine):
    incident = await declared(engine)

    done = tocsin("impact", incident, "customers=many", "people=death")

    assert done.exit_code == 1
    assert "customers: 'many' is not an answer to 'How many customers are hit?'; it takes 25%+, 5-25%" in done.stderr
    view = await engine.show(incident)
    assert (view["severity"], set(answered(view).values())) == ("SEV3", {None})
    assert tocsin("declare", "Trouble", "--drill", "--impact", "shops=2").exit_code == 1


# --- over the API ---


async def test_the_plan_lists_the_questions(engine):
    plan = await engine.get("/api/v1/plan")

    assert [row["question"] for row in plan["impact"]] == ROWS
    people = plan["impact"][0]
    assert people["answers"][0]["severity"] == "SEV1"


@pytest.mark.parametrize(
    "impact",
    [
        {},
        "service=down",
        {"service": 7},
        {"service": "x" * 201},
        {f"q{n}": "x" for n in range(21)},
    ],
)
async def test_what_is_not_an_answer_is_bad_input(engine, impact):
    incident = await declared(engine)

    answer = await engine.command(incident, "impact", "nora", impact=impact)

    assert answer.status == 400, answer
    assert "impact" in json.dumps(answer.json)


# --- in the browser ---


async def test_questions_about_the_impact_may_be_left_alone_in_the_form(browser, engine):
    page = await browser.get("/declare")
    fields = {name: "" for name in ("title", *(f"impact-{row}" for row in ROWS))}
    form = {**page.fields, **fields, "title": "Trouble", "situation": "DRILL_SHOP_DOWN", "severity": "SEV4"}

    answer = await browser.post("/declare", **form, because="")

    assert "How many customers are hit?" in page.words
    assert page.words.count("I don't know") >= len(ROWS)
    view = await engine.show(answer.headers["location"].rsplit("/", 1)[1])
    assert view["severity"] == "SEV4"
    assert set(answered(view).values()) == {None}


async def test_what_is_answered_in_the_form_counts(browser, engine):
    form = {**(await browser.get("/declare")).fields, "title": "Trouble", "situation": "DRILL_SHOP_DOWN"}

    answer = await browser.post("/declare", **form, severity="SEV4", **{"impact-people": "injury"})

    view = await engine.show(answer.headers["location"].rsplit("/", 1)[1])
    assert (view["severity"], answered(view)["people"]) == ("SEV2", "injury")


async def test_a_wrong_answer_in_the_form_is_said_and_the_right_ones_are_kept(browser, engine):
    form = {**(await browser.get("/declare")).fields, "title": "Trouble", "situation": "DRILL_SHOP_DOWN"}
    before = engine.counted("incidents")

    answer = await browser.post("/declare", **form, **{"impact-data": "suspected", "impact-money": "lots"})

    assert answer.status == 409
    assert "money: 'lots' is not an answer" in answer.words
    assert 'value="suspected" selected' in answer.text
    assert engine.counted("incidents") == before


async def test_whoever_is_logged_in_answers_later_and_reads_what_it_did(browser, engine):
    incident = await declared(engine)
    page = await browser.get(f"/incidents/{incident}/impact")
    assert "not asked" in page.words

    raised = await browser.post(f"/incidents/{incident}/impact", **page.fields, **{"impact-service": "down"})
    better = await browser.post(f"/incidents/{incident}/impact", **page.fields, **{"impact-service": "cosmetic"})

    assert f"{incident} is SEV2 now, because of the answers" in raised.words
    assert f"only a person lowers it: `tocsin severity {incident} SEV4" in better.words
    assert "it is cosmetic (SEV4), Nora Lindqvist at" in (await browser.get(f"/incidents/{incident}")).words


async def test_an_incident_is_stood_down_in_the_browser_with_a_reason(browser, engine):
    incident = await declared(engine)
    page = await browser.get(f"/incidents/{incident}/stand-down")

    refused = await browser.post(f"/incidents/{incident}/stand-down", **page.fields, because=" ")
    done = await browser.post(f"/incidents/{incident}/stand-down", **page.fields, because="a film of last year")

    assert (refused.status, done.status) == (409, 303)
    assert "needs a reason" in refused.words
    shown = (await browser.get(f"/incidents/{incident}")).words
    assert "Stood down by Nora Lindqvist: a film of last year" in shown
    assert "Answer these" not in shown


async def test_customers_who_were_told_are_told_when_it_is_stood_down(browser, engine):
    incident = await declared(engine, situation="GENERIC", severity="SEV4")
    await engine.does(incident, "update", "nora", audience="customers", text="We look into it.", next_in="30m")
    page = await browser.get(f"/incidents/{incident}/stand-down")
    form = {**page.fields, "because": "a false alarm"}

    refused = await browser.post(f"/incidents/{incident}/stand-down", **form)
    done = await browser.post(f"/incidents/{incident}/stand-down", **form, told="On the status page: it was nothing.")

    assert "What are they told now?" in page.words
    assert "The customers have been told of" in refused.words
    assert "a false alarm" in refused.words
    assert (refused.status, done.status) == (409, 303)
    timeline = [each["sentence"] for each in (await engine.show(incident))["timeline"]]
    assert "Stood down: a false alarm; the customers were told: On the status page: it was nothing." in timeline


@pytest.mark.parametrize("form", ["impact", "stand-down"])
async def test_nobody_but_who_is_logged_in_fills_in_these_forms(engine, form):
    incident = await declared(engine)
    stranger = Browser(engine)

    assert (await stranger.get(f"/incidents/{incident}/{form}")).status == 303
    assert (await stranger.post(f"/incidents/{incident}/{form}", because="x")).status == 303
    await stranger.logs_in("nora")
    assert (await stranger.post(f"/incidents/{incident}/{form}", because="x")).status == 403
    assert (await stranger.get(f"/incidents/99999/{form}")).status == 404
    assert (await engine.show(incident))["status"] == "declared"


@pytest.mark.parametrize("form", ["impact", "stand-down"])
async def test_who_is_left_out_does_not_see_these_forms(engine, browser, form):
    incident = await declared(engine, implicated=["marcus"])
    marcus = Browser(engine)
    await marcus.logs_in("marcus")
    fields = (await marcus.get("/declare")).fields

    assert (await marcus.get(f"/incidents/{incident}/{form}")).status == 403
    answer = await marcus.post(f"/incidents/{incident}/{form}", **fields, because="x", **{"impact-data": "none"})
    assert answer.status == 403
    assert (await engine.show(incident))["status"] == "declared"
