"""Calendar feeds, from a real server on loopback: the last good copy stays, and trouble is told once."""

import asyncio
import io
import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contacts.addresses import EmailChannel
from contacts.calendars import Reading
from contacts.directory import Directory
from contacts.schedules import Layer, Schedule
from engine import calendars as looks
from engine import feeds
from engine.book import PlanBook
from engine.calendars import Calendars
from engine.clock import SystemClock
from engine.feeds import Failed, Marks
from engine.services import Engine, EngineConfig
from storage import calendars as rows
from storage.database import Database
from storage.migrate import migrate
from tests.support.feed_server import FeedServer, calendar, shift
from tests.support.plans import crisis_plan, everybody, someone
from tests.support.real_engine import PlanFiles, person, rung

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = shift("ana", NOON - DAY / 2, NOON + DAY / 2)
TOMORROW = shift("bob", NOON + DAY / 2, NOON + DAY)


class StoppedClock:
    """Time goes on when the test says so."""

    held_back = 0.0

    def __init__(self):
        self.at = NOON

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


@pytest.fixture
def feed():
    server = FeedServer()
    yield server
    server.stop()


@pytest.fixture
async def desk(tmp_path, feed):
    migrate(tmp_path / "tocsin.db")
    made = Desk(tmp_path / "tocsin.db", feed.url)
    yield made
    await asyncio.to_thread(made.database.close)


class Desk:
    """The engine's part under test over a real file, and what it tells the operators."""

    def __init__(self, file, url):
        self.file, self.url = file, url
        self.clock, self.told, self.nudged = StoppedClock(), [], []
        self.database = Database(file)
        self.database.start()
        self.follows(Schedule(id="tech", title="Tech on call", calendar=url))

    def follows(self, *schedules, people=None):
        """A process begins with these schedules in its plan."""
        self.book = PlanBook()
        self.book.activate("1", crisis_plan(), self._directory(schedules, people))
        self.calendars = Calendars(self.database, self.book, self.clock, self._tell, lambda: self.nudged.append(1))
        self.calendars.load()

    def changes_to(self, *schedules, people=None):
        """The plan is activated anew."""
        self.book.activate("2", crisis_plan(), self._directory(schedules, people))
        self.calendars.follow_plan()

    def _directory(self, schedules, people):
        contacts = people or everybody().contacts
        return Directory(contacts=tuple(contacts), schedules=tuple(schedules))

    async def _tell(self, subject, sentence):
        self.told.append((subject, sentence))

    async def looks(self, **later):
        self.clock.at += timedelta(**later)
        await self.calendars.refresh()

    @property
    def shifts(self):
        return self.book.directory.live.calendars.get("tech")

    @property
    def people(self):
        return [each.person for each in self.shifts or ()]

    @property
    def copy(self):
        return self.calendars.copy_of("tech")


async def test_a_feed_becomes_shifts_that_everybody_sees_and_that_outlive_the_process(desk, feed):
    feed.gives(TODAY, TOMORROW)
    await desk.looks()
    read = desk.shifts
    assert desk.people == ["ana", "bob"]

    desk.follows(Schedule(id="tech", title="Tech on call", calendar=desk.url))

    assert desk.shifts == read
    assert desk.copy.trouble is None


async def test_a_calendar_that_was_read_again_and_says_the_same_stays_the_same_object(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    before = desk.shifts
    feed.gives(TODAY, "BEGIN:VEVENT\r\nUID:x\r\nSUMMARY:Christmas\r\nDTSTART:20261225\r\nEND:VEVENT")
    await desk.looks(minutes=5)

    assert desk.shifts is before
    assert desk.nudged == [1]


# --- trouble ---


def _says_500(feed):
    feed.says("oops", 500)


def _says_html(feed):
    feed.says("<!doctype html><title>Sign in</title>")


def _is_truncated(feed):
    feed.says(calendar(TODAY).removesuffix("END:VCALENDAR\r\n"))


def _breaks_off(feed):
    feed.says(calendar(TODAY), cut=100)


def _is_slow(feed):
    feed.answers.clear()


def _is_too_large(feed):
    feed.says(calendar(TODAY).replace("PRODID", "X-PADDING:" + "x" * feeds.SIZE_LIMIT + "\r\nPRODID"))


def _is_suddenly_empty(feed):
    feed.gives()


def _says_nothing(feed):
    feed.says("")


def _names_strangers_only(feed):
    feed.gives(shift("Somebody Else", NOON, NOON + DAY))


def _moves_to_a_file(feed):
    feed.says("", 302, headers=[("Location", "file:///etc/hostname")])


def _moves_in_a_circle(feed):
    feed.says("", 302, headers=[("Location", feed.url)])


TROUBLES = [
    (_says_500, "Its server answered 500."),
    (_says_html, "no iCalendar text"),
    (_is_truncated, "only a part of one"),
    (_breaks_off, "It broke off in the middle."),
    (_is_slow, "It did not come within"),
    (_is_too_large, "It is larger than 5 MB."),
    (_is_suddenly_empty, "It suddenly has no shifts at all."),
    (_says_nothing, "no iCalendar text"),
    (_names_strangers_only, "names nobody whom we know"),
    (_moves_to_a_file, "neither http nor https"),
    (_moves_in_a_circle, "again and again"),
]


@pytest.mark.parametrize(("breaks", "sentence"), TROUBLES, ids=[breaks.__name__[1:] for breaks, _ in TROUBLES])
async def test_a_feed_in_trouble_leaves_the_last_good_copy_in_force_and_is_told_once(
    desk, feed, monkeypatch, breaks, sentence
):
    monkeypatch.setattr(feeds, "TIME_LIMIT", 2.0)
    feed.gives(TODAY)
    await desk.looks()
    good = desk.shifts

    breaks(feed)
    await desk.looks(minutes=5)
    assert desk.told == []
    for _ in range(3):
        await desk.looks(minutes=5)

    assert desk.shifts is good
    assert sentence in desk.copy.trouble
    assert desk.copy.trouble_since == NOON + timedelta(minutes=5)
    ((subject, told),) = desk.told
    assert subject == "calendar-tech-20260302"
    assert "The copy of 02 Mar 12:00 UTC stays in force." in told

    feed.answers.set()
    feed.gives(TODAY, TOMORROW)
    await desk.looks(minutes=5)
    assert desk.people == ["ana", "bob"]
    assert desk.copy.trouble is None
    (row,) = desk.database.read_now(rows.every)
    assert (row.trouble, row.trouble_since) == (None, None)


async def test_a_server_that_is_gone_is_trouble_like_any_other(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    desk.changes_to(Schedule(id="tech", title="Tech on call", calendar="http://127.0.0.1:9/gone.ics"))
    await desk.looks(minutes=5)

    assert desk.people == ["ana"]
    assert "cannot be reached" in desk.copy.trouble


async def test_without_any_copy_the_operators_hear_at_once_and_every_day(desk, feed):
    feed.says("oops", 500)
    await desk.looks()
    await desk.looks(minutes=5)
    await desk.looks(days=1)

    assert [subject for subject, _ in desk.told] == ["calendar-tech-20260302", "calendar-tech-20260303"]
    assert "There is no copy of it: nobody is on duty by it." in desk.told[0][1]
    assert desk.shifts is None


async def test_a_copy_older_than_a_week_is_told_again_every_day(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    feed.says("oops", 500)
    await desk.looks(minutes=5)
    for _ in range(9):
        await desk.looks(days=1)

    assert [subject for subject, _ in desk.told] == [
        "calendar-tech-20260302",
        "calendar-tech-20260309",
        "calendar-tech-20260310",
        "calendar-tech-20260311",
    ]
    assert "stays in force, 7 days old." in desk.told[1][1]


async def test_trouble_is_remembered_by_the_next_process_and_told_under_the_same_subject(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    feed.says("oops", 500)
    await desk.looks(minutes=5)
    desk.follows(Schedule(id="tech", title="Tech on call", calendar=desk.url))
    assert desk.copy.trouble == "Its server answered 500."
    await desk.looks(hours=20)

    assert [subject for subject, _ in desk.told] == ["calendar-tech-20260302"]


async def test_an_empty_calendar_is_good_where_nobody_was_left_on_duty_anyway(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    feed.gives()
    await desk.looks(days=2)

    assert desk.shifts == ()
    assert desk.copy.trouble is None


async def test_one_event_that_cannot_be_used_costs_a_sentence_and_no_other_event(desk, feed):
    feed.gives(TODAY, shift("Somebody Else", NOON, NOON + DAY))
    await desk.looks()

    assert desk.people == ["ana"]
    assert desk.copy.trouble is None
    assert "names nobody whom we know" in desk.copy.problems[0]


async def test_one_feed_in_trouble_keeps_no_other_from_being_read(desk, feed):
    feed.gives(TODAY)
    gone = Schedule(id="gone", title="Gone", calendar="http://127.0.0.1:9/gone.ics")
    desk.changes_to(gone, Schedule(id="tech", title="Tech on call", calendar=desk.url))
    await desk.looks()

    assert desk.people == ["ana"]
    assert [subject for subject, _ in desk.told] == ["calendar-gone-20260302"]


async def test_what_an_older_version_kept_is_fetched_anew_and_keeps_nobody_from_starting(desk, feed):
    strange = rows.CalendarRow("tech", desk.url, b'{"something": "else"}', NOON.timestamp(), None, None)
    desk.database.write_now(lambda tx: rows.keep(tx, strange))
    feed.gives(TODAY)
    desk.follows(Schedule(id="tech", title="Tech on call", calendar=desk.url))
    assert desk.shifts is None
    await desk.looks()

    assert desk.people == ["ana"]


# --- reading in a process of its own ---


def _readers():
    """Processes of ours that read a calendar now."""
    told = Path("/proc/self/task").glob("*/children")
    children = [pid for each in told for pid in each.read_text().split()]
    return [pid for pid in children if b"contacts.calendars" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture
def reading_never_ends(monkeypatch):
    monkeypatch.setattr(feeds, "_READER", "# contacts.calendars\nwhile True: pass")


async def test_a_feed_whose_reading_takes_too_long_is_trouble_and_is_read_no_further(
    desk, feed, monkeypatch, reading_never_ends
):
    monkeypatch.setattr(feeds, "READ_LIMIT", 0.5)
    feed.gives(TODAY)
    await desk.looks()

    assert desk.copy.trouble.startswith("It cannot be read within")
    assert [subject for subject, _ in desk.told] == ["calendar-tech-20260302"]
    assert _readers() == []


async def test_the_loop_goes_on_while_a_feed_is_read_and_stopping_ends_the_reader(desk, feed, reading_never_ends):
    feed.gives(TODAY)
    desk.calendars.start()
    await until(_readers)
    await asyncio.wait_for(desk.calendars.stop(), 5)

    assert _readers() == []
    assert desk.copy is None


async def test_a_reader_that_breaks_is_trouble_and_says_nothing_of_what_it_read(desk, feed, monkeypatch):
    monkeypatch.setattr(feeds, "_READER", "raise SystemExit(3)")
    feed.gives(TODAY)
    await desk.looks()

    assert desk.copy.trouble == "It cannot be read: whatever read it ended with 3."


async def test_where_no_process_starts_the_feed_is_in_trouble(desk, feed, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    feed.gives(TODAY)
    await desk.looks()

    assert "no process starts" in desk.copy.trouble


async def test_the_reader_is_told_no_secret(monkeypatch):
    monkeypatch.setenv("TOCSIN_TWILIO__AUTH_TOKEN", "secret")
    told = "import json, os, sys; sys.stdout.write(json.dumps([[], list(os.environ.values()), True]))"
    monkeypatch.setattr(feeds, "_READER", told)

    got = await feeds.read("")
    assert isinstance(got, Reading)
    assert "secret" not in got.problems


async def test_a_feed_that_takes_for_ever_keeps_no_other_waiting(desk, feed, monkeypatch):
    monkeypatch.setattr(looks, "LOOK_LIMIT", 8.0)
    monkeypatch.setattr(looks, "AT_ONCE", 1)
    really = feeds.fetch

    async def fetch(session, url, marks):
        return await (asyncio.Event().wait() if "slow" in url else really(session, url, marks))

    monkeypatch.setattr(looks, "fetch", fetch)
    slow = Schedule(id="slow", title="Slow", calendar="http://127.0.0.1:9/slow.ics")
    desk.changes_to(slow, Schedule(id="tech", title="Tech on call", calendar=desk.url))
    feed.gives(TODAY)
    await desk.looks()

    assert desk.people == ["ana"]
    assert desk.calendars.copy_of("slow").trouble == "It takes longer than 8 s."


async def test_a_feed_with_too_many_shifts_is_refused_by_name(desk, feed):
    hours = [NOON + timedelta(hours=n) for n in (0, 1, 2)]
    feed.gives(*(shift("ana", at, at + DAY / 24).replace("SUMMARY", "RRULE:FREQ=HOURLY\r\nSUMMARY") for at in hours))
    await desk.looks()

    ((_, told),) = desk.told
    assert "(schedule:tech)" in told
    assert "It has more than 20000 shifts" in told


@pytest.mark.parametrize("charset", ["punycode", "idna", "nonsense", "utf-8"])
async def test_an_encoding_in_which_no_calendar_is_written_is_not_believed(desk, feed, charset, monkeypatch):
    monkeypatch.setattr("aiohttp.ClientResponse.charset", charset)
    feed.gives(TODAY)
    await desk.looks()

    assert desk.people == ["ana"]


# --- asking whether anything has changed ---


async def test_a_server_is_asked_for_changes_only_and_304_means_that_the_copy_is_good(desk, feed):
    feed.says(calendar(TODAY), headers=[("ETag", '"one"'), ("Last-Modified", "Mon, 02 Mar 2026 11:00:00 GMT")])
    await desk.looks()
    await desk.looks(minutes=5)

    assert "if-none-match" not in feed.asked[0]
    assert feed.asked[1]["if-none-match"] == '"one"'
    assert feed.asked[1]["if-modified-since"] == "Mon, 02 Mar 2026 11:00:00 GMT"
    assert desk.people == ["ana"]
    assert desk.copy.good_at == NOON + timedelta(minutes=5)


async def test_a_calendar_that_never_changes_is_read_again_so_that_its_copy_reaches_ahead(desk, feed):
    daily = TODAY.replace("SUMMARY", "RRULE:FREQ=DAILY\r\nSUMMARY")
    feed.says(calendar(daily), headers=[("ETag", '"one"')])
    await desk.looks()
    last = desk.shifts[-1].end
    await desk.looks(days=30)

    assert "if-none-match" not in feed.asked[-1]
    assert desk.shifts[-1].end == last + timedelta(days=30)


async def test_another_plan_reads_the_same_calendar_anew(desk, feed):
    feed.says(calendar(shift("The Boss", NOON, NOON + DAY), TOMORROW), headers=[("ETag", '"one"')])
    await desk.looks()
    assert desk.people == ["bob"]
    desk.changes_to(Schedule(id="tech", title="Tech on call", calendar=desk.url, names={"The Boss": "dora"}))
    await desk.looks(minutes=5)

    assert sorted(desk.people) == ["bob", "dora"]


async def test_a_schedule_that_follows_no_calendar_any_more_is_not_fed_by_its_old_copy(desk, feed):
    feed.gives(TODAY)
    await desk.looks()
    desk.changes_to(Schedule(id="tech", title="Tech on call", layers=(Layer(people=("cleo",)),)))

    assert desk.shifts is None


# --- whom a calendar means ---


async def test_people_are_known_by_id_address_and_whole_name_and_the_schedule_has_the_last_word(desk, feed):
    ana = someone("ana").model_copy(update={"name": "Ana Ruiz"})
    mail = (EmailChannel(kind="email", to="bob@larkfield.example"),)
    bob = someone("bob").model_copy(update={"channels": mail})
    twins = [someone(each).model_copy(update={"name": "Kim Park"}) for each in ("cleo", "dora")]
    names = {"Duty phone": "dora"}
    desk.changes_to(
        Schedule(id="tech", title="Tech on call", calendar=desk.url, names=names), people=[ana, bob, *twins]
    )
    said = ["ANA RUIZ", "Bob@Larkfield.example", "cleo", "duty PHONE", "Kim Park"]
    feed.gives(*(shift(who, NOON + n * DAY, NOON + (n + 1) * DAY) for n, who in enumerate(said)))
    await desk.looks()

    assert desk.people == ["ana", "bob", "cleo", "dora"]
    assert "Kim Park" in desk.copy.problems[0]


# --- addresses ---


async def test_webcal_means_https():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]

        def hear():
            connection, _ = server.accept()
            with connection:
                return connection.recv(1)

        async with feeds.new_session() as session:
            heard = asyncio.create_task(asyncio.to_thread(hear))
            got = await feeds.fetch(session, f"webcal://127.0.0.1:{port}/oncall.ics", Marks())

    assert await heard == b"\x16"  # the first byte of a TLS handshake
    assert isinstance(got, Failed)


async def test_the_address_of_a_feed_is_told_to_nobody(desk, feed):
    secret = "http://127.0.0.1:9/private-0123456789/oncall.ics"
    desk.changes_to(Schedule(id="tech", title="Tech on call", calendar=secret))
    await desk.looks()

    assert "private-0123456789" not in json.dumps(desk.told)
    assert "private-0123456789" not in (desk.copy.trouble or "")


# --- in the engine ---


async def test_a_running_engine_follows_its_feeds_and_pages_its_operators_once(tmp_path, feed):
    files = PlanFiles([person("nora", "console"), person("tomas", "console")], [rung("nora")], last=["tomas"])
    plan = files.write(tmp_path / "plan")
    contacts = json.loads((plan / "contacts.yaml").read_text(encoding="utf-8"))
    contacts["schedules"] = [{"id": "tech", "title": "Tech on call", "calendar": feed.url}]
    (plan / "contacts.yaml").write_text(json.dumps(contacts), encoding="utf-8")
    feed.says("oops", 500)
    console = io.StringIO()
    engine = Engine(EngineConfig(tmp_path / "home", plan, "http://test"), SystemClock(), console)
    engine.prepare()
    await engine.start()
    try:
        await until(lambda: "is in trouble since" in console.getvalue())
        await engine.calendars.refresh()
        feed.gives(shift("nora", engine.clock.now() - DAY, engine.clock.now() + DAY))
        await engine.activate_plan()
        await until(lambda: engine.directory.live.calendars.get("tech"))
    finally:
        await engine.stop()

    assert console.getvalue().count("is in trouble since") == len(engine.book.plan.operators)


async def until(found):
    for _ in range(400):
        if found():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")
