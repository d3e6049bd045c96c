"""Feeds from a real server on loopback: read once each, whatever the feed does with its ids, times and bytes."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from listening import feed as feeds
from listening.feed import build
from listening.feed_entries import answer, entries
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Feed
from tests.support.network_server import Asked, NetworkServer, Reply

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRANDS = (Brand(id="northwind", names=("Northwind",)),)
XML = {"Content-Type": "application/rss+xml"}


def item(title: str, minutes_ago: float | None = 1, guid: str | None = None, **more: str) -> str:
    fields = {"title": title, "guid": guid or title, "link": f"https://press.example/{title.replace(' ', '-')}"} | more
    if minutes_ago is not None:
        fields.setdefault("pubDate", format_datetime(NOW - timedelta(minutes=minutes_ago)))
    return "<item>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items() if value) + "</item>"


def rss(*items: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    channel = f"<title>The Press</title><language>en-gb</language>{''.join(items)}"
    return f'{head}<rss version="2.0"><channel>{channel}</channel></rss>'.encode()


class Press:
    """A server whose feed the test writes."""

    def __init__(self) -> None:
        self.reply = Reply(rss(), headers=XML)
        self.server = NetworkServer(lambda asked: self.answer(asked))

    def answer(self, asked: Asked) -> Reply:
        known = self.reply.headers.get("ETag")
        if asked.path.startswith("/loop"):
            return Reply(b"", 302, {"Location": f"/loop{len(self.server.asked)}"})
        if known is not None and asked.headers.get("if-none-match") == known:
            return Reply(b"", 304)
        return self.reply

    def says(self, content: bytes, status: int = 200, cut: int = 0, **headers: str) -> None:
        self.reply = Reply(content, status, XML | {key.replace("_", "-"): value for key, value in headers.items()}, cut)


@pytest.fixture
def press() -> Iterator[Press]:
    found = Press()
    yield found
    found.server.stop()


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed is read by the same function, here and not in a process of its own, which takes a while to start."""

    async def answered(question: bytes) -> bytes:
        return answer(question)

    monkeypatch.setattr(feeds, "answered_apart", answered)


def source_of(press: Press, path: str = "/feed", **fields: object) -> Source:
    spec = Feed.model_validate({"kind": "feed", "name": "press", "url": press.server.url + path, **fields})
    return build(spec, BRANDS, {}, lambda: NOW)


async def begun(press: Press, **fields: object) -> tuple[Source, str | None]:
    """A source that has seen the feed as it is."""
    source = source_of(press, "/feed", **fields)
    return source, (await source.poll(None)).cursor


def titles(batch: Batch) -> list[str]:
    return [each.title for each in batch.mentions]


async def test_an_article_has_everything_that_the_feed_says(press):
    press.says(
        rss(
            item(
                "Bags &amp; belts",
                1,
                "tag:7",
                description="&lt;p&gt;Northwind &lt;b&gt;lost&lt;/b&gt; them&lt;/p&gt;",
                author="desk@press.example",
            )
        )
    )
    (found,) = (await source_of(press).poll(None)).mentions
    assert (found.id, found.title, found.text) == ("tag:7", "Bags & belts", "Northwind lost them")
    assert (found.at, found.language) == (NOW - timedelta(minutes=1), "en-gb")
    assert (found.author, found.link) == ("desk@press.example", "https://press.example/Bags-&-belts")
    assert not found.to_us


@pytest.mark.usefixtures("at_hand")
async def test_the_first_look_brings_what_is_new_and_not_the_archive(press):
    press.says(rss(item("new", 2), item("old", 60), item("undated", None)))
    source = source_of(press)
    first = await source.poll(None)
    press.says(rss(item("newer", 0), item("new", 2), item("old", 60), item("undated", None)))
    second = await source.poll(first.cursor)
    assert (titles(first), titles(second)) == (["new"], ["newer"])


async def test_an_entry_is_brought_once_also_when_its_words_are_edited(press):
    press.says(rss(item("one", 30, "1")))
    source, cursor = await begun(press)
    press.says(rss(item("two", 1, "2"), item("one", 30, "1")))
    first = await source.poll(cursor)
    press.says(rss(item("two, corrected", 1, "2"), item("one", 30, "1")))
    second = await source.poll(first.cursor)
    assert (titles(first), titles(second)) == (["two"], [])


@pytest.mark.usefixtures("at_hand")
async def test_an_article_that_leaves_and_comes_back_is_no_new_one(press):
    press.says(rss(item("one", 30)))
    source, cursor = await begun(press)
    for content in (rss(item("two", 1)), rss(item("one", 30))):
        press.says(content)
        batch = await source.poll(cursor)
        cursor = batch.cursor
    assert titles(batch) == []


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_that_makes_new_ids_every_time_says_nothing_twice(press):
    press.says(rss(item("one", 3, "session-1")))
    source = source_of(press)
    batch = await source.poll(None)
    assert titles(batch) == ["one"]
    for number in range(3):
        press.says(rss(item("two", 1, f"s-{number}"), item("one", 3, f"session-{number + 2}")))
        batch = await source.poll(batch.cursor)
        assert titles(batch) == (["two"] if number == 0 else [])


@pytest.mark.usefixtures("at_hand")
async def test_entries_of_one_id_are_told_apart_by_their_links_or_their_words(press):
    press.says(rss())
    source, cursor = await begun(press)
    same = "https://press.example/"
    press.says(
        rss(item("one", 3, "1"), item("two", 2, "1"), item("three", 1, "1", link=same), item("four", 1, "1", link=same))
    )
    batch = await source.poll(cursor)
    assert sorted(titles(batch)) == ["four", "one", "three", "two"]
    assert len({each.id for each in batch.mentions}) == 4
    assert titles(await source.poll(batch.cursor)) == []


@pytest.mark.usefixtures("at_hand")
async def test_an_entry_without_id_link_or_time_is_heard_once_when_it_appears(press):
    source, cursor = await begun(press)
    press.says(rss("<item><description>Northwind in the news</description></item>"))
    first = await source.poll(cursor)
    press.says(rss("<item><description>Northwind in the news</description></item>", item("other", 1)))
    second = await source.poll(first.cursor)
    (found,) = first.mentions
    assert (found.text, found.at, found.id[:7]) == ("Northwind in the news", NOW, "sha256:")
    assert titles(second) == ["other"]


@pytest.mark.usefixtures("at_hand")
async def test_a_time_in_the_future_is_left_as_the_feed_says(press):
    source, cursor = await begun(press)
    press.says(rss(item("tomorrow", -24 * 60)))
    (found,) = (await source.poll(cursor)).mentions
    assert found.at == NOW + timedelta(days=1)


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize(
    "date", ["99999-01-01", "0000-00-00T00:00:00Z", "soon", "1" * 5000, "Mon, 99 Foo 2026 99:99:99"]
)
async def test_a_time_that_is_none_is_the_time_of_our_look(press, date):
    source, cursor = await begun(press)
    press.says(rss(item("when", 1, pubDate=date)))
    (found,) = (await source.poll(cursor)).mentions
    assert found.at == NOW


@pytest.mark.usefixtures("at_hand")
async def test_a_server_is_asked_only_whether_something_has_changed(press):
    press.says(rss(item("one", 1)), ETag='"7"', Last_Modified="Fri, 20 Nov 2026 11:00:00 GMT")
    source = source_of(press)
    first = await source.poll(None)
    second = await source.poll(first.cursor)
    asked = press.server.asked[1].headers
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"7"', "Fri, 20 Nov 2026 11:00:00 GMT")
    assert (second.mentions, second.cursor) == ((), first.cursor)


@pytest.mark.usefixtures("at_hand")
async def test_a_cursor_of_another_feed_starts_over_and_brings_no_archive(press):
    press.says(rss(item("new", 1), item("old", 60)), ETag='"7"')
    _, cursor = await begun(press)
    for given in (cursor, "[]", "nonsense"):
        assert titles(await source_of(press, "/another").poll(given)) == ["new"]
    assert "if-none-match" not in press.server.asked[1].headers


@pytest.mark.usefixtures("at_hand")
async def test_a_repeated_poll_gives_the_same(press):
    press.says(rss(item("one", 1), item("two", 2)))
    source = source_of(press)
    first, second = await source.poll(None), await source.poll(None)
    assert (titles(first), first) == (["two", "one"], second)


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_of_a_thousand_new_entries_comes_in_batches_and_none_is_missed(press):
    press.says(rss(), ETag='"1"')
    source, cursor = await begun(press)
    press.says(rss(*(item(f"n{number}", number / 10) for number in range(700))), ETag='"2"')
    found: list[str] = []
    more = True
    while more:
        batch = await source.poll(cursor)
        cursor, more = batch.cursor, batch.more
        assert len(batch.mentions) <= 300
        found += titles(batch)
    assert found == [f"n{number}" for number in reversed(range(700))]
    assert titles(await source.poll(cursor)) == []
    assert len(cursor or "") < 100_000


APPLE = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:im="http://itunes.apple.com/rss"><title>Reviews</title>
<entry><id>310633997</id><title>Northwind</title><im:name>Northwind</im:name><im:artist>Northwind Ltd</im:artist>
<updated>{at}</updated></entry>
<entry><updated>{at}</updated><id>901</id><title>Crashes</title><content type="text">Since the update.</content>
<im:rating>1</im:rating><im:version>2.1</im:version><author><name>ana</name>
<uri>https://itunes.apple.com/gb/reviews/id77</uri></author></entry></feed>"""


@pytest.mark.usefixtures("at_hand")
async def test_a_review_of_an_app_store_has_stars_and_the_app_itself_is_none(press):
    press.says(APPLE.format(at="2026-11-20T11:58:00-00:00").encode())
    (found,) = (await source_of(press, reviews=True).poll(None)).mentions
    assert (found.id, found.stars, found.title, found.text) == ("901", 1, "Crashes", "Since the update.")
    assert (found.author, found.author_name) == ("https://itunes.apple.com/gb/reviews/id77", "ana")
    assert found.to_us
    assert found.language is None


@pytest.mark.usefixtures("at_hand")
async def test_stars_that_are_drawn_count_and_what_is_no_star_does_not(press):
    source, cursor = await begun(press, reviews=True)
    rating = "<rating>{}</rating>"
    press.says(
        rss(
            item("★★☆☆☆ Slow", 1),
            item("none", 1),
            item("many", 1, description="9").replace("</item>", rating.format("1e999") + "</item>"),
            item("four", 1).replace("</item>", rating.format("4.0") + "</item>"),
        )
    )
    found = (await source.poll(cursor)).mentions
    assert {each.title: each.stars for each in found} == {"★★☆☆☆ Slow": 2, "none": None, "many": None, "four": 4}


async def test_a_json_feed_is_read_and_one_strange_item_harms_no_other(press):
    items = [
        {"id": 1, "url": "https://press.example/1", "title": "One", "content_html": "<p>a &amp; b</p>"},
        {"id": ["x"], "title": 7, "authors": "nobody", "content_text": {}, "date_published": [1]},
        "no item at all",
        {"id": "2", "content_text": "two", "date_published": "2026-11-20T11:59:00Z", "author": {"name": "Ana"}},
    ]
    source, cursor = await begun(press)
    press.says(json.dumps({"version": "https://jsonfeed.org/version/1", "title": "P", "items": items}).encode())
    found = (await source.poll(cursor)).mentions
    assert {"a & b", "two"} <= {each.text for each in found}
    assert [each.author for each in found if each.text == "two"] == ["Ana"]


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (rss(item("Café ☕", 1)), {"Content_Type": "text/xml; charset=iso-8859-1"}),
        (rss(item("Café ☕", 1), head='<?xml version="1.0" encoding="us-ascii"?>'), {}),
        (rss(item("Café ☕", 1), head='<?xml version="1.0" encoding="UTF-16"?>').decode().encode("utf-16"), {}),
        (rss(item("Café ☕", 1)).decode().encode("utf-16-le"), {}),
        (b"\xef\xbb\xbf" + rss(item("Café ☕", 1)), {"Content_Type": "text/xml; charset=punycode"}),
        (b"\n\n " + rss(item("Café ☕", 1)), {"Content_Type": "text/html"}),
        (rss(item("Café \x0b☕", 1)), {}),
    ],
)
async def test_whatever_the_encoding_is_said_to_be_the_words_are_right(press, content, headers):
    press.says(content, **headers)
    assert titles(await source_of(press).poll(None)) == ["Café ☕"]


@pytest.mark.usefixtures("at_hand")
async def test_windows_letters_are_read_where_nothing_is_said(press):
    press.says(rss(item("“Café”", 1), head="").decode().encode("cp1252"))
    assert titles(await source_of(press).poll(None)) == ["“Café”"]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (rss(item("&j;", 1), head=BOMB), "it defines entities"),
        (rss(item("&x;", 1), head='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "it defines entities"),
        (b'<oops><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss>&x;', "it defines entities"),
        (b"<html><body>Blocked</body></html>", "cannot be read"),
        (b"", "cannot be read"),
        (b"{", "line 1, column"),
        (b'{"items": 3}', "it is JSON and no JSON Feed"),
        (b"[" * 100_000, "cannot be read"),
        (b"\x00" * 100_000, "cannot be read"),
    ],
)
async def test_what_is_no_feed_or_a_trap_is_told_in_a_sentence(press, content, sentence):
    press.says(content)
    with pytest.raises(SourceFailed, match=sentence):
        await source_of(press).poll(None)


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_that_is_cut_off_in_its_bytes_is_not_taken_for_a_short_one(press):
    press.says(rss(item("one", 1)), cut=50)
    with pytest.raises(SourceFailed, match="broke off"):
        await source_of(press).poll(None)


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_that_is_not_well_formed_is_mended(press):
    press.says(rss(item("Cats & dogs", 1), item("two", 2)).replace(b"</channel></rss>", b""))
    assert "two" in titles(await source_of(press).poll(None))


@pytest.mark.usefixtures("at_hand")
async def test_a_large_feed_is_refused_also_when_it_is_packed(press):
    press.says(gzip.compress(b"<rss>" + b" " * (6 * 1024 * 1024)), Content_Encoding="gzip")
    with pytest.raises(SourceFailed, match="larger than 5 MB"):
        await source_of(press).poll(None)


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_that_moves_for_ever_is_left(press):
    with pytest.raises(SourceFailed, match="moved, again and again"):
        await source_of(press, "/loop").poll(None)
    assert len(press.server.asked) <= 7


@pytest.mark.usefixtures("at_hand")
async def test_a_feed_that_moves_to_a_file_is_not_followed(press):
    press.says(b"", 302, Location="file:///etc/passwd")
    with pytest.raises(SourceFailed, match="neither http nor https"):
        await source_of(press).poll(None)


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), ("Fri, 20 Nov 2026 12:05:00 GMT", 300.0), ("999999999999", 3600.0), ("soon", None)],
)
async def test_a_server_that_asks_us_to_wait_is_obeyed(press, said, seconds):
    press.says(b"", 429, Retry_After=said)
    with pytest.raises(SourceFailed, match="429") as refused:
        await source_of(press).poll(None)
    assert refused.value.retry_after == seconds


async def test_reading_that_does_not_end_is_ended(press, monkeypatch):
    monkeypatch.setattr(feeds, "_READER", "while True: pass")
    monkeypatch.setattr(feeds, "READ_LIMIT", 1.0)
    press.says(rss(item("one", 1)))
    with pytest.raises(SourceFailed, match="cannot be read"):
        await source_of(press).poll(None)


async def test_nobody_listens_there(press):
    spec = Feed(kind="feed", name="press", url="http://127.0.0.1:9/feed?token=secret")
    with pytest.raises(SourceFailed, match="cannot be reached") as refused:
        await build(spec, BRANDS, {}, lambda: NOW).poll(None)
    assert "secret" not in str(refused.value)


def test_a_million_nested_elements_are_read_or_refused_without_harm():
    nested = (
        b"<rss><channel>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"<item><title>in</title></item></channel></rss>"
    )
    try:
        found = entries(nested, None, reviews=False)
    except ValueError:
        return
    assert [each["title"] for each in found] in ([], ["in"])
