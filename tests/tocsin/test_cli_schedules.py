"""`tocsin schedules` against a real engine that follows a real feed; and on a plan alone."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from contacts.calendars import known_as, read_calendar
from tests.support.feed_server import FeedServer, shift
from tests.support.real_engine import PlanFiles, RealEngine, person, rung
from tocsin.cli import cli

STEP = {"id": "look", "title": "Look", "owner": "nora", "within": "60d", "say": "Look.", "required": False}
PEOPLE = ("nora", "priya", "jonas", "helen")


def schedules(url):
    return [
        {
            "id": "tech",
            "title": "Tech on call",
            "time_zone": "Europe/Madrid",
            "layers": [{"people": ["nora", "priya"], "rotate": "daily", "start": "2026-01-05 09:00"}],
        },
        {
            "id": "office",
            "title": "Office hours",
            "layers": [{"people": ["jonas"], "only": [{"days": ["mon"], "after": "08:00", "until": "18:00"}]}],
        },
        {"id": "fed", "title": "By a feed", "calendar": url, "names": {"The duty phone": "helen"}},
    ]


KNOWN = known_as({each.capitalize(): each for each in PEOPLE})


@pytest.fixture(scope="module")
def feed():
    server = FeedServer()
    now = datetime.now(UTC)
    server.gives(shift("The duty phone", now - timedelta(hours=1), now + timedelta(weeks=2)))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def plan(tmp_path_factory, feed):
    files = PlanFiles([person(each, "console") for each in PEOPLE], [rung("schedule:fed")], last=["nora"], steps=[STEP])
    folder = files.write(tmp_path_factory.mktemp("schedules") / "plan")
    contacts = json.loads((folder / "contacts.yaml").read_text())
    (folder / "contacts.yaml").write_text(json.dumps({**contacts, "schedules": schedules(feed.url)}))
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory, plan):
    running = RealEngine(tmp_path_factory.mktemp("cli") / "home", plan).start()
    asyncio.run(running.eventually(lambda: read(running), "the feed"))
    yield running
    running.stop()


async def read(engine):
    found = (await engine.get("/api/v1/schedules"))["schedules"]
    return found[-1]["calendar"]["read_at"]


@pytest.fixture
def tocsin(monkeypatch):
    for name in ("TOCSIN_BY", "TOCSIN_API_TOKEN", "TOCSIN_PLAN", "TOCSIN_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*words, **more):
        return CliRunner().invoke(cli, [str(word) for word in words], **more)

    return run


@pytest.fixture
def at_engine(tocsin, engine, monkeypatch):
    monkeypatch.setenv("TOCSIN_HOME", str(engine.home))
    return tocsin


def test_the_list_says_who_is_on_duty_until_when_and_where_the_gaps_are(at_engine):
    done = at_engine("schedules")

    assert done.exit_code == 0, done.output
    assert re.search(r"tech  Tech on call \(Europe/Madrid\)\n  On duty  (Nora|Priya), until .* 09:00\n", done.stdout)
    assert re.search(r"On duty  Helen, until", done.stdout)
    assert "Gaps     none in the next 12 weeks" in done.stdout
    assert re.search(r"Gaps     1[23] in the next 12 weeks:\n           from ", done.stdout)
    assert re.search(r"Calendar read \d+ s ago", done.stdout)


def test_scripts_get_the_same_as_json(at_engine):
    views = json.loads(at_engine("schedules", "--json").stdout)["schedules"]

    assert [each["id"] for each in views] == ["tech", "office", "fed"]
    assert views[2]["on_duty"] == views[2]["called"] == [{"id": "helen", "name": "Helen"}]
    assert views[2]["calendar"]["trouble"] is None


def test_an_export_is_a_calendar_that_says_who_is_on_duty(at_engine, tmp_path):
    out = tmp_path / "tech.ics"
    assert at_engine("schedules", "export", "tech", "--weeks", 2, "--out", out).exit_code == 0

    now = datetime.now(UTC)
    shifts = read_calendar(out.read_bytes().decode(), now, now + timedelta(weeks=2), KNOWN).shifts
    assert len(shifts) >= 14
    assert {each.person for each in shifts} == {"nora", "priya"}
    assert at_engine("schedules", "export", "tech", "--weeks", 2).stdout_bytes.count(b"BEGIN:VEVENT\r\n") >= 14


def test_an_export_of_a_schedule_that_is_not_there_is_refused_with_those_that_are(at_engine):
    done = at_engine("schedules", "export", "teck")

    assert done.exit_code == 1
    assert "it has tech, office, fed" in done.stderr


def test_a_link_opens_the_calendar_without_a_token_and_opens_nothing_else(at_engine):
    url = at_engine("schedules", "link", "tech").stdout.strip()
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"

    assert "SUMMARY:On call: " in text
    assert status_of(url[:-1] + ("0" if url[-1] != "0" else "1")) == 403
    assert status_of(url.replace("/tech.ics", "/office.ics")) == 403
    assert status_of(url.partition("?")[0]) == 403
    assert status_of(url, method="POST") == 405
    assert status_of(url.partition("/calendars")[0] + "/api/v1/schedules/tech.ics") == 401


def status_of(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


# --- without an engine ---


def test_a_plan_alone_is_listed_too_and_says_that_its_feed_is_not_here(tocsin, plan):
    done = tocsin("schedules", plan)

    assert done.exit_code == 0, done.output
    assert "Tech on call" in done.stdout
    assert "On duty  nobody" in done.stdout
    assert "there is no copy here" in done.stdout


def test_a_plan_alone_is_exported_but_for_what_follows_a_feed(tocsin, plan):
    assert "BEGIN:VCALENDAR" in tocsin("schedules", "export", "tech", plan).stdout
    refused = tocsin("schedules", "export", "fed", plan)

    assert refused.exit_code == 1
    assert "Leave PLAN out" in refused.stderr


def test_without_plan_and_engine_the_code_is_3(tocsin, tmp_path):
    assert tocsin("schedules", "--home", tmp_path).exit_code == 3
    assert tocsin("schedules", "export", "tech", "--home", tmp_path).exit_code == 3


# --- last, because the feed is broken from here on ---


def test_trouble_with_a_feed_stands_in_the_list_in_words_and_the_copy_still_counts(at_engine, engine, feed):
    feed.says("<html>gone</html>")
    assert at_engine("plan", "activate").exit_code == 0

    async def troubled():
        return (await engine.get("/api/v1/schedules"))["schedules"][-1]["calendar"]["trouble"]

    asyncio.run(engine.eventually(troubled, "trouble"))
    done = at_engine("schedules", color=True)

    assert "On duty  \x1b[32mHelen" in done.stdout
    assert re.search(
        r"\x1b\[31m  Calendar in trouble for \d+ s: This is no iCalendar text, or only a part of one.", done.stdout
    )
    assert re.search(r"its copy of .* UTC is used", done.stdout)
