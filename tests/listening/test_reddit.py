"""Reddit through the real praw. Its answers are constructed from what praw's models read: nobody may record them."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listening import reddit as module
from listening.reddit import build, queries
from listening.source import Batch, Source, SourceFailed
from signals.listening import Brand, Reddit
from tests.support.network_server import Asked, NetworkServer, Reply

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRAND = Brand(
    id="northwind", names=("Northwind", "North Wind Air"), hashtags=("#nwfail",), accounts=("u/NorthwindCare",)
)
ENVIRONMENT = {
    "TOCSIN_REDDIT_CLIENT_ID": "an-app",
    "TOCSIN_REDDIT_CLIENT_SECRET": "its-secret",
    "TOCSIN_REDDIT_PASSWORD": "a-password",
}


def _created(minutes_ago: float) -> float:
    return (NOW - timedelta(minutes=minutes_ago)).timestamp()


def submission(number: str, minutes_ago: float, title: str, **fields: Any) -> dict[str, Any]:
    """Constructed: a post as Reddit lists it, with the attributes that praw's Submission documents."""
    data = {
        "id": number,
        "name": f"t3_{number}",
        "title": title,
        "selftext": "",
        "author": "ana",
        "author_fullname": "t2_a1",
        "created_utc": _created(minutes_ago),
        "permalink": f"/r/travel/comments/{number}/title/",
        "subreddit": "travel",
        "num_comments": 0,
        **fields,
    }
    return {"kind": "t3", "data": data}


def comment(number: str, minutes_ago: float, text: str, **fields: Any) -> dict[str, Any]:
    """Constructed: a comment, with the attributes that praw's Comment documents."""
    data = {
        "id": number,
        "name": f"t1_{number}",
        "body": text,
        "author": "bob",
        "author_fullname": "t2_b1",
        "created_utc": _created(minutes_ago),
        "link_id": "t3_p1",
        "parent_id": "t3_p1",
        "permalink": f"/r/travel/comments/p1/title/{number}/",
        "subreddit": "travel",
        "replies": "",
        **fields,
    }
    return {"kind": "t1", "data": data}


def message(number: str, minutes_ago: float, text: str, **fields: Any) -> dict[str, Any]:
    """Constructed: a private message, with the attributes that praw's Message documents."""
    data = {
        "id": number,
        "name": f"t4_{number}",
        "subject": "My order",
        "body": text,
        "author": "ana",
        "author_fullname": "t2_a1",
        "dest": "NorthwindCare",
        "created_utc": _created(minutes_ago),
        "first_message_name": None,
        "parent_id": None,
        "replies": "",
        "subreddit": None,
        "was_comment": False,
        "context": "",
        **fields,
    }
    return {"kind": "t4", "data": data}


class ConstructedReddit:
    """Lists by path, the newest first, a page of `limit` after the thing named by `after`."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.headers: dict[str, str] = {}
        self.fails: dict[str, Reply] = {}
        self.server = NetworkServer(self.answer)

    def answer(self, asked: Asked) -> Reply:
        if asked.path in self.fails:
            return self.fails[asked.path]
        if asked.path == "/api/v1/access_token":
            known = b64decode(asked.headers["authorization"].split()[1]).decode()
            if known != "an-app:its-secret":
                return Reply({"error": "invalid_client"}, 401)
            return Reply({"access_token": "t", "token_type": "bearer", "expires_in": 86400, "scope": "*"})
        assert asked.headers["authorization"] == "bearer t"
        things = self.lists.get(asked.path, [])
        after = asked.query.get("after")
        start = next((at + 1 for at, each in enumerate(things) if each["data"]["name"] == after), 0)
        page = things[start : start + int(asked.query["limit"])]
        more = start + len(page) < len(things)
        data = {
            "children": page,
            "after": page[-1]["data"]["name"] if more else None,
            "before": None,
            "dist": len(page),
        }
        return Reply({"kind": "Listing", "data": data}, headers=self.headers)

    def asked(self, path: str) -> list[Asked]:
        return [each for each in self.server.asked if each.path == path]


@pytest.fixture
def network() -> Iterator[ConstructedReddit]:
    found = ConstructedReddit()
    yield found
    found.server.stop()


def source_of(network: ConstructedReddit, clock: list[datetime] | None = None, **fields: Any) -> Source:
    spec = Reddit.model_validate({"kind": "reddit", "name": "reddit", "api": network.server.url, **fields})
    times = clock or [NOW]
    return build(spec, (BRAND,), ENVIRONMENT, lambda: times[0])


def names(batch: Batch) -> list[str]:
    return [each.id for each in batch.mentions]


SEARCH, COMMENTS, NEW = "/r/all/search/", "/r/travel/comments/", "/r/travel/new/"


async def test_a_post_has_everything_that_reddit_knows_about_it(network):
    network.lists[SEARCH] = [submission("p1", 2, "Northwind again", selftext="They lost *my* bag.")]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert (found.id, found.title, found.text) == ("t3_p1", "Northwind again", "They lost *my* bag.")
    assert (found.author, found.author_name) == ("t2_a1", "ana")
    assert found.at == NOW - timedelta(minutes=2)
    assert found.link == "https://www.reddit.com/r/travel/comments/p1/title/"
    assert (found.thread, found.private, found.by_us, found.reach) == ("", False, False, None)
    asked = network.asked(SEARCH)[0].query
    assert asked["q"] == '"Northwind" OR "North Wind Air" OR "nwfail"'
    assert (asked["sort"], asked["restrict_sr"]) == ("new", "false")


async def test_a_crosspost_says_what_it_passes_on(network):
    network.lists[SEARCH] = [submission("p2", 1, "Northwind", crosspost_parent="t3_p1")]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert found.repost_of == "t3_p1"


async def test_comments_of_named_subreddits_are_read_in_their_threads(network):
    network.lists[COMMENTS] = [comment("c2", 1, "No, late", parent_id="t1_c1"), comment("c1", 2, "Northwind is late")]
    source = source_of(network, subreddits=["travel"])
    first, second = (await source.poll(None)).mentions
    await source.close()
    assert (first.text, first.thread, first.reply_to) == ("Northwind is late", "t3_p1", "t3_p1")
    assert (second.text, second.thread, second.reply_to) == ("No, late", "t3_p1", "t1_c1")


async def test_of_all_no_comments_are_read(network):
    source = source_of(network)
    await source.poll(None)
    await source.close()
    assert not any("comments" in each.path for each in network.server.asked)


async def test_a_subreddit_that_is_wholly_about_a_brand_is_read_without_a_search(network):
    network.lists[NEW] = [submission("p3", 1, "no name in it")]
    source = source_of(network, subreddits=["travel"], brand="northwind")
    assert names(await source.poll(None)) == ["t3_p3"]
    await source.close()
    assert not network.asked("/r/travel/search/")


async def test_what_comes_to_our_account_is_to_us_and_what_it_writes_is_by_us(network):
    network.lists["/message/inbox/"] = [
        message("m2", 1, "Hello?", first_message_name="t4_m1", parent_id="t4_m1"),
        comment("c5", 2, "Any news?", link_id="", context="/r/travel/comments/p9/title/c5/?context=3"),
        message("m1", 3, "Where is it?"),
    ]
    network.lists["/message/sent/"] = [message("m3", 0, "On it", author="NorthwindCare", first_message_name="t4_m1")]
    network.lists["/user/northwindcare/overview/"] = [comment("c6", 0, "Sorry!", author="NorthwindCare")]
    source = source_of(network, user="northwindcare")
    found = {each.id: each for each in (await source.poll(None)).mentions}
    await source.close()
    assert {key for key, each in found.items() if each.to_us} == {"t4_m1", "t4_m2", "t1_c5"}
    assert {key for key, each in found.items() if each.by_us} == {"t4_m3", "t1_c6"}
    assert {key for key, each in found.items() if each.private} == {"t4_m1", "t4_m2", "t4_m3"}
    assert (found["t4_m1"].thread, found["t4_m2"].thread, found["t4_m3"].thread) == ("", "t4_m1", "t4_m1")
    assert found["t1_c5"].thread == "t3_p9"
    assert found["t4_m1"].title == "My order"
    token = next(each for each in network.server.asked if each.path == "/api/v1/access_token")
    assert b"grant_type=password" in token.body
    assert not any(each.method == "POST" and each.path != "/api/v1/access_token" for each in network.server.asked)


async def test_what_was_deleted_or_has_no_author_is_nothing(network):
    network.lists[COMMENTS] = [
        comment("c1", 1, "[deleted]", author="[deleted]"),
        comment("c2", 1, "[removed]"),
        comment("c3", 1, "Northwind", author="[deleted]"),
        comment("c4", 1, "Northwind"),
        {"kind": "more", "data": {"id": "_", "name": "t1__", "children": [], "count": 0, "parent_id": "t3_p1"}},
    ]
    source = source_of(network, subreddits=["travel"])
    assert names(await source.poll(None)) == ["t1_c4"]
    await source.close()


async def test_what_is_new_is_read_once_and_one_token_serves_many_polls(network):
    network.lists[SEARCH] = [submission("p1", 3, "Northwind")]
    source = source_of(network)
    first = await source.poll(None)
    again = await source.poll(first.cursor)
    # A post that moderators let through late is older than the last one that was read.
    network.lists[SEARCH] = [submission("p2", 1, "Northwind"), submission("p1", 3, "N"), submission("p0", 5, "late")]
    later = await source.poll(again.cursor)
    await source.close()
    assert (names(first), names(again), names(later)) == (["t3_p1"], [], ["t3_p0", "t3_p2"])
    assert len(network.asked("/api/v1/access_token")) == 1


async def test_a_storm_is_read_page_by_page_and_nothing_is_missed_or_doubled(network):
    things = [submission(f"p{number}", 4 - number / 200, "Northwind") for number in reversed(range(450))]
    network.lists[SEARCH] = things
    source = source_of(network)
    cursor: str | None = None
    found: list[str] = []
    more = True
    while more:
        batch = await source.poll(cursor)
        cursor, more = batch.cursor, batch.more
        found += names(batch)
    await source.close()
    assert sorted(found) == sorted(each["data"]["name"] for each in things)


async def test_a_poll_repeated_with_one_cursor_gives_the_same(network):
    network.lists[SEARCH] = [submission("p1", 1, "Northwind")]
    source = source_of(network)
    first, second = await source.poll(None), await source.poll(None)
    await source.close()
    assert first == second


async def test_an_exhausted_limit_is_obeyed_without_asking_again(network):
    network.headers = {"x-ratelimit-remaining": "0.0", "x-ratelimit-used": "100", "x-ratelimit-reset": "240"}
    network.lists[SEARCH] = [submission("p1", 1, "Northwind")]
    clock = [NOW]
    source = source_of(network, clock)
    first = await source.poll(None)
    with pytest.raises(SourceFailed, match=r"wait 2[34]\d s") as refused:
        await source.poll(first.cursor)
    assert len(network.asked(SEARCH)) == 1
    network.headers = {}
    clock[0] += timedelta(seconds=241)
    await source.poll(first.cursor)
    await source.close()
    assert refused.value.retry_after == pytest.approx(240, abs=5)
    assert len(network.asked(SEARCH)) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "30"}, 30), ({"x-ratelimit-reset": "90"}, 90), ({}, 60), ({"retry-after": "999999"}, 3600)],
)
async def test_a_429_is_told_with_its_end_and_nobody_sleeps(network, monkeypatch, headers, seconds):
    def asleep(_: float) -> None:
        raise AssertionError("somebody sleeps")

    monkeypatch.setattr("time.sleep", asleep)
    network.fails[SEARCH] = Reply({"error": 429}, 429, headers)
    source = source_of(network)
    for _ in range(2):
        with pytest.raises(SourceFailed, match=f"wait {seconds} s") as refused:
            await source.poll(None)
        assert refused.value.retry_after == seconds
    await source.close()
    assert len(network.asked(SEARCH)) == 1


@pytest.mark.parametrize(
    ("path", "reply", "sentence"),
    [
        (SEARCH, Reply({}, 500), "Reddit answers 500"),
        (SEARCH, Reply({}, 403), "Reddit answers 403"),
        (
            SEARCH,
            Reply({}, 401, {"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'}),
            "refuses the app of TOCSIN_REDDIT_CLIENT_ID",
        ),
        (SEARCH, Reply(b"<html>", 200), "cannot be read"),
        (SEARCH, Reply({"kind": "Listing", "data": {}}, 200), "cannot be read"),
        (SEARCH, Reply([1, 2], 200), "cannot be read"),
        (SEARCH, Reply({}, 200, cut=10), "Reddit: "),
        (SEARCH, Reply(b" " * (9 * 1024 * 1024), 200), "longer than 8 MB"),
        ("/api/v1/access_token", Reply({"error": "x"}, 401), "refuses the app of TOCSIN_REDDIT_CLIENT_ID"),
        ("/api/v1/access_token", Reply({"error": "invalid_grant"}, 200), "refuses u/None|refuses the app"),
    ],
)
async def test_whatever_reddit_answers_the_source_fails_with_a_sentence(network, path, reply, sentence):
    network.fails[path] = reply
    source = source_of(network)
    with pytest.raises(SourceFailed, match=sentence):
        await source.poll(None)
    await source.close()
    assert len(network.asked(path)) == 1


async def test_one_list_that_fails_silences_no_other(network):
    network.fails["/r/travel/search/"] = Reply({}, 503)
    network.lists[COMMENTS] = [comment("c1", 1, "Northwind")]
    source = source_of(network, subreddits=["travel"])
    assert names(await source.poll(None)) == ["t1_c1"]
    await source.close()


async def test_a_file_of_praws_in_the_working_folder_redirects_nobody(network, tmp_path, monkeypatch):
    (tmp_path / "praw.ini").write_text("[DEFAULT]\nclient_id=evil\nusername=evil\npassword=evil\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("praw.config.Config.CONFIG", None)
    network.lists[SEARCH] = [submission("p1", 1, "Northwind")]
    source = source_of(network)
    assert names(await source.poll(None)) == ["t3_p1"]
    await source.close()
    assert not any(b"evil" in each.body for each in network.server.asked)


async def test_without_its_secrets_the_source_says_which_variable_is_missing(network):
    spec = Reddit.model_validate({"kind": "reddit", "name": "reddit", "api": network.server.url, "user": "care"})
    for missing in ENVIRONMENT:
        environment = {key: value for key, value in ENVIRONMENT.items() if key != missing}
        with pytest.raises(SourceFailed, match=f"{missing} is not set"):
            await build(spec, (BRAND,), environment, lambda: NOW).poll(None)


def test_no_query_is_longer_than_reddit_takes_and_no_word_is_lost():
    words = tuple(f"Brand number {number}" for number in range(90))
    found = queries([Brand(id="many", names=words)])
    assert all(len(each) <= 500 for each in found)
    assert all(any(f'"{word}"' in each for each in found) for word in words)
    assert json.dumps(found).count("OR") == len(words) - len(found)


def test_praw_is_never_let_sleep_before_it_tries_again():
    once = module._Once()
    assert not once.should_retry_on_failure()
    assert once.consume_available_retry() is once
