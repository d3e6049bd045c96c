"""Going back through a list: nothing missed, nothing twice, and an end whatever the list does."""

from datetime import UTC, datetime, timedelta

import pytest

from listening.source import SourceFailed
from listening.walk import OVERLAP, PAGES, REMEMBERED, ROOM, Cursor, Fetch, Item, Page, decode, walk
from signals.mention import Mention

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIZE = 10


def item(name: str, at: datetime) -> Item:
    return Item(name, at, Mention("list", name, at, name))


class Listed:
    """A list that gives ten items a page, the newest first."""

    def __init__(self, *items: Item) -> None:
        self.items = list(items)
        self.asked: list[str | None] = []

    async def fetch(self, token: str | None, floor: datetime) -> Page:
        self.asked.append(token)
        listed = sorted(self.items, key=lambda each: each.at, reverse=True)
        start = int(token or 0)
        page = tuple(listed[start : start + SIZE])
        return Page(page, str(start + SIZE) if start + SIZE < len(listed) else None)

    def add(self, name: str, seconds_ago: float, now: datetime = NOON) -> None:
        self.items.append(item(name, now - timedelta(seconds=seconds_ago)))


async def poll(cursor: str | None, now: datetime = NOON, **lists: Listed) -> tuple[list[str], str, bool]:
    fetches: dict[str, Fetch] = {name: each.fetch for name, each in lists.items()}
    walked = await walk(fetches, decode(cursor), now)
    return [each.id for each in walked.mentions], walked.cursor.encode(), walked.more


async def everything(cursor: str | None, **lists: Listed) -> tuple[list[str], str]:
    found: list[str] = []
    for _ in range(100):
        some, cursor, more = await poll(cursor, NOON, **lists)
        found += some
        if not more:
            return found, cursor
    raise AssertionError("it never ends")


async def test_the_first_poll_begins_a_few_minutes_back():
    listed = Listed()
    listed.add("old", OVERLAP.total_seconds() + 1)
    listed.add("recent", 60)

    heard, _, more = await poll(None, a=listed)

    assert (heard, more) == (["recent"], False)


async def test_a_post_that_is_listed_late_is_heard_and_nothing_twice():
    listed = Listed()
    listed.add("one", 60)
    first, cursor, _ = await poll(None, a=listed)
    listed.add("late", 300)

    second, cursor, _ = await poll(cursor, a=listed)
    third, _, _ = await poll(cursor, a=listed)

    assert (first, second, third) == (["one"], ["late"], [])


async def test_more_than_one_poll_takes_is_read_to_its_end_though_more_comes_meanwhile():
    listed = Listed()
    for number in range(3 * ROOM):
        listed.add(f"{number}", number / 10)
    first, cursor, more = await poll(None, a=listed)
    assert more
    assert len(first) < 2 * ROOM

    rest, cursor = await everything(cursor, a=listed)
    listed.items.append(item("after", NOON + timedelta(seconds=1)))
    last, _, _ = await poll(cursor, NOON + timedelta(seconds=2), a=listed)

    assert sorted(map(int, [*first, *rest])) == list(range(3 * ROOM))
    assert last == ["after"]


async def test_a_busy_list_does_not_silence_the_others(monkeypatch):
    monkeypatch.setattr("listening.walk.ROOM", 2 * SIZE)
    busy, quiet = Listed(), Listed()
    for number in range(10 * SIZE):
        busy.add(f"busy {number}", number / 100)
    quiet.add("quiet", 1)
    first, cursor, more = await poll(None, busy=busy, quiet=quiet)
    assert more
    assert "quiet" not in first

    heard, _, _ = await poll(cursor, busy=busy, quiet=quiet)

    assert "quiet" in heard


async def test_a_post_from_the_future_makes_nobody_skip_what_comes_until_then():
    listed = Listed()
    listed.add("from 2099", -365 * 24 * 3600)
    heard, cursor, _ = await poll(None, a=listed)
    listed.add("next", -60)

    later, _, _ = await poll(cursor, NOON + timedelta(minutes=1), a=listed)

    assert (heard, later) == (["from 2099"], ["next"])


async def test_a_page_that_is_known_from_another_list_is_not_the_end_of_this_one():
    tagged, found = Listed(), Listed()
    for number in range(SIZE):
        tagged.add(f"tagged {number}", 10 + number)
        found.add(f"tagged {number}", 10 + number)
    found.add("untagged", 100)

    heard, _, _ = await poll(None, tagged=tagged, found=found)

    assert "untagged" in heard
    assert len(heard) == len({*heard}) == SIZE + 1


async def test_a_list_that_goes_in_a_circle_ends():
    class Circle(Listed):
        async def fetch(self, token: str | None, floor: datetime) -> Page:
            self.asked.append(token)
            return Page(tuple(self.items), "again")

    circle = Circle()
    circle.add("one", 1)

    heard, _, more = await poll(None, a=circle)

    assert (heard, more) == (["one"], False)
    assert len(circle.asked) <= PAGES


async def test_one_list_that_fails_is_told_when_nothing_was_heard_and_keeps_its_place():
    class Failing(Listed):
        async def fetch(self, token: str | None, floor: datetime) -> Page:
            raise SourceFailed("It is out.")

    quiet, broken = Listed(), Failing()
    with pytest.raises(SourceFailed, match="It is out"):
        await poll(None, quiet=quiet, broken=broken)
    quiet.add("one", 1)

    heard, cursor, more = await poll(None, quiet=quiet, broken=broken)

    assert (heard, more) == (["one"], False)
    assert "broken" not in decode(cursor).places


async def test_a_rate_limit_of_one_list_is_one_of_all():
    class Limited(Listed):
        async def fetch(self, token: str | None, floor: datetime) -> Page:
            raise SourceFailed("Wait.", 30)

    other = Listed()
    with pytest.raises(SourceFailed):
        await poll(None, limited=Limited(), other=other)

    assert other.asked == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "null", '{"places": {"a": [1]}, "seen": "", "turn": 0}', "[" * 100_000]
)
def test_what_is_no_cursor_of_ours_starts_over(text: str):
    assert decode(text) == Cursor()


def test_a_cursor_says_the_same_after_a_restart_and_stays_small():
    walked = decode(None)
    many = Cursor(walked.places, tuple("12345678" for _ in range(REMEMBERED)), 3, {"seq": 7})

    assert decode(many.encode()) == many
    assert len(many.encode()) < 10_000
