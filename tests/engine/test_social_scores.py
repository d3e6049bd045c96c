"""The social score of an incident that rules declared: of its brand's mentions, at the time of their assessment."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine import view
from engine.clock import from_stamp
from engine.view import SocialScores
from signals.mention import Mention, Tagged
from storage import mentions as store
from storage.database import Database, Tx
from storage.migrate import migrate

MINUTE = 60.0
AT = 1_740_999_600.0
"""A whole hour, which is a whole minute too."""
WEEK = timedelta(days=7).total_seconds()


@pytest.fixture(autouse=True)
def as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_PATIENCE", 60.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    migrate(tmp_path / "tocsin.db")
    database = Database(tmp_path / "tocsin.db")
    database.start()
    yield database
    database.close()


def people_write(database: Database, number: int, at: float, brand: str = "northwind", *, by_us: bool = False) -> None:
    def work(tx: Tx) -> None:
        for each in range(number):
            name = f"{brand}-{at:.0f}-{each}"
            mention = Mention("file", name, from_stamp(at), "It is broken", author=name)
            store.keep(tx, Tagged(mention, brand, "en", "negative", -0.8, True, by_us=by_us), at, at)

    database.write_now(work)


def assessed(database: Database, kind: str = "raises", at: float = AT, incident: str = "INC-1") -> None:
    row = store.AssessmentRow(f"northwind@1/{kind}/{at}", "northwind", at, incident, "SEV2", {"kind": kind})
    database.write_now(lambda tx: store.assess_once(tx, row))


async def test_it_is_counted_from_what_people_wrote_about_the_brand_until_the_assessment(database):
    for ago in (5, 20):
        people_write(database, 40, AT - ago * MINUTE)
    people_write(database, 500, AT + 2 * MINUTE)
    people_write(database, 500, AT - 5 * MINUTE, "larkfield")
    people_write(database, 500, AT - 5 * MINUTE, by_us=True)
    assessed(database)

    score = await SocialScores(database).of("INC-1")

    assert score is not None
    said = {each.name: each.sentence for each in score.parts}
    assert said["negative share"] == "Negative share: 100 %: 1."
    assert said["volume"] == "Volume: unknown."
    assert score.low == 20


async def test_the_same_hour_of_earlier_weeks_says_what_is_usual(database):
    people_write(database, 1, AT - 4 * WEEK)
    for week in (1, 2, 3):
        people_write(database, 8, AT - week * WEEK + 30 * MINUTE)
    people_write(database, 40, AT - 5 * MINUTE)
    assessed(database)

    score = await SocialScores(database).of("INC-1")

    assert score is not None
    assert score.parts[0].sentence == "Volume: 40 mentions in 15 minutes, 20.0 times the usual 2: 1."


async def test_the_mention_that_turned_the_rule_is_among_them_however_late_in_its_minute(database):
    people_write(database, 35, AT + 59)
    assessed(database)
    score = await SocialScores(database).of("INC-1")
    assert score is not None
    assert score.parts[2].sentence == "Negative share: 100 %: 1."


async def test_there_is_none_for_an_incident_that_no_rule_declared(database):
    people_write(database, 40, AT)
    assessed(database)
    assert await SocialScores(database).of("INC-2") is None


async def test_calming_down_changes_nothing_about_it(database):
    people_write(database, 40, AT - 5 * MINUTE)
    assessed(database)
    scores = SocialScores(database)
    before = await scores.of("INC-1")
    assessed(database, "calm", AT + 7200)
    assert await scores.of("INC-1") == before


async def test_more_than_is_read_gives_no_score_instead_of_a_wrong_one(database, monkeypatch):
    monkeypatch.setattr(view, "MOST_SCORED", 20)
    monkeypatch.setattr(view, "_AT_ONCE", 10)
    people_write(database, 19, AT)
    assessed(database)
    assert await SocialScores(database).of("INC-1") is not None
    people_write(database, 9, AT - 1)
    assert await SocialScores(database).of("INC-1") is None


async def test_nobody_waits_for_it_and_it_is_there_for_whoever_looks_next(database, monkeypatch):
    people_write(database, 40, AT)
    assessed(database)
    scores = SocialScores(database)
    monkeypatch.setattr(view, "_PATIENCE", 0.0)
    assert await scores.of("INC-1") is None
    monkeypatch.setattr(view, "_PATIENCE", 60.0)
    assert await scores.of("INC-1") is not None
