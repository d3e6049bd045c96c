"""Files of mentions: read as they grow, with the place of every mistake; a history streams in the order of time."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from listening import replay
from listening.build import build_sources
from listening.history import HistoryInvalid, columns
from listening.replay import build, read_history
from listening.source import Source, SourceFailed
from signals.listening import Brand, Listening, Replay
from signals.mention import Mention

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRANDS = (Brand(id="northwind", names=("Northwind",)),)


def source_of(folder: Path, file: str = "day.csv") -> Source:
    spec = Replay(kind="replay", name="day", file=file)
    return build(spec, BRANDS, {"TOCSIN_PLAN": str(folder)}, lambda: NOON)


def write(folder: Path, text: str | bytes, file: str = "day.csv") -> Path:
    path = folder / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def at(minutes: float) -> str:
    return f"{NOON + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


async def test_every_column_is_a_field_of_a_mention(tmp_path):
    write(
        tmp_path,
        "at,text,id,author,author_name,link,language,reach,verified,thread,reply_to,repost_of,private,to_us,by_us,"
        "title,stars,count\n"
        f'{at(0)},"It says ""late"",\nagain.",7,u1,Ana,https://x.example/7,en,1200,true,5,6,4,no,yes,false,Bad,1,2\n',
    )
    (found,) = (await source_of(tmp_path).poll(None)).mentions
    assert found == Mention(
        source="day", id="7", at=NOON, text='It says "late",\nagain.', author="u1", author_name="Ana",
        link="https://x.example/7", language="en", reach=1200, verified=True, thread="5", reply_to="6", repost_of="4",
        private=False, to_us=True, by_us=False, title="Bad", stars=1, count=2,
    )  # fmt: skip


async def test_json_lines_say_the_same(tmp_path):
    write(
        tmp_path, json.dumps({"at": NOON.timestamp(), "text": "Late ☹", "verified": None, "reach": 5}) + "\n", "a.jsonl"
    )
    (found,) = (await source_of(tmp_path, "a.jsonl").poll(None)).mentions
    assert (found.at, found.text, found.reach, found.verified) == (NOON, "Late ☹", 5, None)


async def test_a_tally_stands_for_so_many_mentions_and_none_for_none(tmp_path):
    path = write(tmp_path, "timestamp,value\n2026-11-20 12:00:00,41\n2026-11-20 12:05:00,0\n2026-11-20 12:10:00,3\n")
    assert [each.count for each in (await source_of(tmp_path).poll(None)).mentions] == [41, 3]
    assert [(each.at.minute, each.count) for each in read_history(path)] == [(0, 41), (5, 0), (10, 3)]


async def test_lines_that_are_added_are_read_and_one_that_is_being_written_waits(tmp_path):
    path = write(tmp_path, f"at,text\n{at(0)},one\n")
    source = source_of(tmp_path)
    first = await source.poll(None)
    with path.open("a") as file:
        file.write(f"{at(1)},two\n{at(2)},thr")
    second = await source.poll(first.cursor)
    with path.open("a") as file:
        file.write("ee\n")
    third = await source.poll(second.cursor)
    assert [[each.text for each in batch.mentions] for batch in (first, second, third)] == [["one"], ["two"], ["three"]]


async def test_a_long_file_comes_in_batches_and_none_is_missed_or_doubled(tmp_path):
    write(tmp_path, "at,text\n" + "".join(f"{at(number / 60)},n{number}\n" for number in range(1000)))
    source = source_of(tmp_path)
    cursor, texts, more = None, [], True
    while more:
        batch = await source.poll(cursor)
        cursor, more = batch.cursor, batch.more
        texts += [each.text for each in batch.mentions]
        assert len(batch.mentions) <= 300
    assert texts == [f"n{number}" for number in range(1000)]


async def test_ids_stay_when_the_file_grows_and_two_equal_lines_are_two_mentions(tmp_path):
    path = write(tmp_path, f"at,text\n{at(0)},same\n{at(0)},same\n")
    before = (await source_of(tmp_path).poll(None)).mentions
    with path.open("a") as file:
        file.write(f"{at(1)},more\n")
    after = (await source_of(tmp_path).poll(None)).mentions
    assert after[:2] == before
    assert len({each.id for each in after}) == 3


async def test_another_name_has_all_of_it_read_and_so_has_a_cursor_of_something_else(tmp_path):
    path = write(tmp_path, f"at,text\n{at(0)},one\n")
    cursor = (await source_of(tmp_path).poll(None)).cursor
    path.rename(tmp_path / "again.csv")
    for given in (cursor, "{}", "nonsense"):
        assert len((await source_of(tmp_path, "again.csv").poll(given)).mentions) == 1


@pytest.mark.parametrize("text", ["at,text\n", f"at,text\n{at(0)},two\n{at(1)},three\n"])
async def test_a_file_that_is_another_one_now_is_trouble_and_no_guess(tmp_path, text):
    write(tmp_path, f"at,text\n{at(0)},one\n")
    source = source_of(tmp_path)
    cursor = (await source.poll(None)).cursor
    write(tmp_path, text)
    with pytest.raises(SourceFailed, match="has changed before byte"):
        await source.poll(cursor)


async def test_what_stands_before_a_bad_line_is_heard_and_then_its_place_is_told(tmp_path):
    path = write(tmp_path, f"at,text\n{at(0)},one\nyesterday,two\n{at(2)},three\n")
    source = source_of(tmp_path)
    first = await source.poll(None)
    assert [each.text for each in first.mentions] == ["one"]
    with pytest.raises(SourceFailed, match=r"day\.csv:3:1: a time is expected"):
        await source.poll(first.cursor)
    path.write_text(path.read_text().replace("yesterday", at(1)))
    assert [each.text for each in (await source.poll(first.cursor)).mentions] == ["two", "three"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("at,text,autor\n", "day.csv:1:9: `autor` is no field of a mention"),
        ("at,text,at\n", "day.csv:1:9: `at` stands here twice"),
        ("text,at\na,b\n", "day.csv:2:3: a time is expected"),
        ('text,at\n"a\nb",c\n', "day.csv:3:4: a time is expected"),
        (f"at,text,reach\n{at(0)},hello,many\n", "day.csv:2:28: a whole number is expected"),
        (f"at,text,stars\n{at(0)},hello,6\n", "day.csv:2:28: 1 to 5 stars"),
        (f"at,text,verified\n{at(0)},hello,perhaps\n", "day.csv:2:28: true or false"),
        (f"at,value\n{at(0)},1.5\n", "day.csv:2:22: a whole number up to 100000000"),
        (f"at,value\n{at(0)},-1\n", "day.csv:2:22: a whole number"),
        (f"at,value\n{at(0)},1e999\n", "day.csv:2:22: a whole number"),
        (f"at,text\n{at(0)}\n", "day.csv:2:1: 2 fields are expected and 1 are here"),
        (f"at,text\n{at(0)},a,b\n", "day.csv:2:22: 2 fields are expected and 3 are here"),
        (f'at,text\n{at(0)},"a"b"c"\n', "day.csv:2:1: this is no CSV"),
        (f"at,text\n{at(0)},\n", "day.csv:2:1: there is neither"),
        ("text\nhello\n", "day.csv:2:1: there is no time"),
        (b"at,text\n1,caf\xe9\n", "day.csv:2:6: this is not UTF-8"),
        ('{"at": 1, "text": "a"}\n{"at": 1,\n', "day.csv:2:10: this is no JSON"),
        ('{"at": 1, "texts": "a"}\n', "day.csv:1:11: `texts` is no field"),
        ('{"at": true, "text": "a"}\n', "day.csv:1:2: a time is expected"),
        ('{"at": 1, "text": ["a"]}\n', "day.csv:1:11: a text is expected"),
        ('{"at": 1e300, "text": "a"}\n', "day.csv:1:2: a time is expected"),
        ("at,text\n" + "x" * 300_000, "day.csv:2:1: a record is longer than 256 KB"),
        ('at,text\n"' + "x\n" * 300_000, "day.csv:2:1: a record is longer than 256 KB"),
    ],
)
def test_every_mistake_is_told_with_file_line_and_column(tmp_path, text, place):
    path = write(tmp_path, text)
    with pytest.raises(HistoryInvalid) as refused:
        list(read_history(path))
    assert str(refused.value).startswith(place)


def test_semicolons_tabs_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    for delimiter in ";\t":
        path = write(tmp_path, f"\ufeffat{delimiter}text\r\n\r\n{at(0)}{delimiter}hello, you\r\n")
        assert [each.text for each in read_history(path)] == ["hello, you"]


def test_a_history_in_disorder_comes_in_the_order_of_time(tmp_path, monkeypatch):
    path = write(tmp_path, "at,text\n" + "".join(f"{at(minute)},n{minute}\n" for minute in (3, 1, 2, 0, 5, 4)))
    assert [each.text for each in read_history(path)] == ["n0", "n1", "n2", "n3", "n4", "n5"]
    monkeypatch.setattr(replay, "OUT_OF_ORDER", 2)
    with pytest.raises(HistoryInvalid, match=r"day\.csv:5:1: it is older than .* sort the file by time"):
        list(read_history(path))


def test_a_last_line_without_its_break_belongs_to_a_history(tmp_path):
    assert [each.text for each in read_history(write(tmp_path, f"at,text\n{at(0)},end"))] == ["end"]


def test_a_history_is_never_held_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "OUT_OF_ORDER", 10)
    path = write(tmp_path, "at,text\n" + "".join(f"{at(number)},n{number}\n" for number in range(100)) + "broken\n")
    history = read_history(path)
    assert [next(history).text for _ in range(80)] == [f"n{number}" for number in range(80)]


async def test_a_file_outside_the_plans_folder_is_not_read(tmp_path):
    write(tmp_path, f"at,text\n{at(0)},secret\n", "outside.csv")
    folder = tmp_path / "plan"
    folder.mkdir()
    os.symlink(tmp_path / "outside.csv", folder / "link.csv")
    for file in ("../outside.csv", str(tmp_path / "outside.csv"), "link.csv"):
        with pytest.raises(SourceFailed, match="does not lie in the plan's folder"):
            await source_of(folder, file).poll(None)


async def test_the_folder_is_the_plans_in_force_whatever_the_environment_says(tmp_path):
    write(tmp_path, f"at,text\n{at(0)},one\n")
    spec = Replay(kind="replay", name="day", file="day.csv")
    listening = Listening(brands=BRANDS, sources=(spec,))
    (source,) = build_sources(listening, {"TOCSIN_PLAN": "/nowhere"}, lambda: NOON, tmp_path)
    assert len((await source.poll(None)).mentions) == 1


async def test_what_is_no_file_is_trouble_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for file in ("pipe.csv", "missing.csv", "."):
        with pytest.raises(SourceFailed, match="There is no file"):
            await source_of(tmp_path, file).poll(None)


async def test_an_empty_file_is_waited_for(tmp_path):
    path = write(tmp_path, "")
    source = source_of(tmp_path)
    first = await source.poll(None)
    path.write_text(f"at,text\n{at(0)},one\n")
    second = await source.poll(first.cursor)
    assert (first.mentions, first.cursor, len(second.mentions)) == ((), None, 1)


def test_every_field_of_a_mention_but_its_source_has_a_column():
    assert {*Mention.__dataclass_fields__} - {"source"} <= {*columns()}
