"""X through the real tweepy. The answers are constructed from the names in tweepy's models: nobody may record X's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tweepy.tweet import PUBLIC_TWEET_FIELDS  # type: ignore[import-untyped]
from tweepy.user import USER_FIELDS  # type: ignore[import-untyped]

from listening import cursors
from listening.source import Batch, Source, SourceFailed
from listening.x import build, id_at, queries
from signals.listening import Brand, X
from tests.support.network_server import Asked, NetworkServer, Reply

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRAND = Brand(
    id="northwind",
    names=("Northwind", "North Wind Air"),
    products=("NW-Pass",),
    hashtags=("northwindfail",),
    accounts=("@northwindcare", "care.northwind.example"),
    leave_out=("northwind traders",),
)
USERS = {
    "11": {"name": "Ana", "username": "ana", "verified": False, "public_metrics": {"followers_count": 120}},
    "12": {"name": "Bob", "username": "bob", "verified": True, "public_metrics": {"followers_count": 250_000}},
    "99": {"name": "Northwind", "username": "NorthwindCare", "verified": True, "public_metrics": {}},
}


def post(minutes_ago: float, text: str, author: str = "11", **fields: object) -> dict[str, object]:
    """Constructed: a post object of X's API v2, with the fields that tweepy's Tweet reads."""
    number = id_at(NOW - timedelta(minutes=minutes_ago)) + 1
    assert {*fields} <= {*PUBLIC_TWEET_FIELDS, "note_tweet"}
    return {
        "id": str(number),
        "text": text,
        "edit_history_tweet_ids": [str(number)],
        "author_id": author,
        "conversation_id": str(number),
        "created_at": f"{NOW - timedelta(minutes=minutes_ago):%Y-%m-%dT%H:%M:%S}.000Z",
        "lang": "en",
        **fields,
    }


class ConstructedX:
    """What X would answer, by since_id, until_id and max_results. Newest first."""

    def __init__(self) -> None:
        self.posts: list[dict[str, object]] = []
        self.mentions: list[dict[str, object]] = []
        self.included: list[dict[str, object]] = []
        self.limited_after: int | None = None
        self.raw: Reply | None = None
        self.server = NetworkServer(self.answer)

    def answer(self, asked: Asked) -> Reply:
        if self.raw is not None:
            return self.raw
        if self.limited_after is not None:
            if self.limited_after == 0:
                reset = {"x-rate-limit-reset": str(int(NOW.timestamp()) + 600)}
                return Reply({"title": "Too Many Requests", "detail": "Too Many Requests"}, 429, reset)
            self.limited_after -= 1
        if asked.headers["authorization"] != "Bearer a-token":
            return Reply({"title": "Unauthorized", "detail": "Unauthorized"}, 401)
        posts = self.mentions if asked.path.endswith("/mentions") else self.posts
        since, until = int(asked.query.get("since_id", 0)), int(asked.query.get("until_id", 2**63))
        left = sorted((each for each in posts if since < int(str(each["id"])) < until), key=_number, reverse=True)
        page = left[: int(asked.query["max_results"])]
        users = [{"id": key, **value} for key, value in USERS.items()]
        assert all({*each} <= {*USER_FIELDS} for each in users)
        meta = {"result_count": len(page)} | ({"next_token": "t"} if len(left) > len(page) else {})
        found = {"data": page, "includes": {"users": users, "tweets": self.included}} if page else {}
        return Reply({**found, "meta": meta})


def _number(each: dict[str, object]) -> int:
    return int(str(each["id"]))


@pytest.fixture
def network() -> Iterator[ConstructedX]:
    found = ConstructedX()
    yield found
    found.server.stop()


def source_of(network: ConstructedX, **fields: object) -> Source:
    spec = X.model_validate({"kind": "x", "name": "x", "api": network.server.url, **fields})
    return build(spec, (BRAND,), {"TOCSIN_X_BEARER_TOKEN": "a-token"}, lambda: NOW)


async def test_a_post_has_everything_that_x_knows_about_it(network):
    root = post(4, "Where is my bag?")
    network.posts = [
        post(2, "@northwindcare my flight?", "12", conversation_id=root["id"], in_reply_to_user_id="99", lang="es")
        | {"referenced_tweets": [{"type": "replied_to", "id": root["id"]}]}
        | {"entities": {"mentions": [{"username": "NorthwindCare", "id": "99", "start": 0, "end": 14}]}}
    ]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert (found.source, found.author, found.author_name, found.reach, found.verified) == (
        "x",
        "12",
        "bob",
        250_000,
        True,
    )
    assert (found.thread, found.reply_to, found.language) == (root["id"], root["id"], "es")
    assert found.link == f"https://x.com/bob/status/{found.id}"
    assert found.at == NOW - timedelta(minutes=2)
    assert found.to_us
    assert not found.by_us


async def test_a_repost_has_the_whole_text_of_what_it_passes_on_and_says_whose_it_is(network):
    original = post(60, "x" * 300, "12")
    network.included = [original]
    network.posts = [post(1, "RT @bob: xxx…", referenced_tweets=[{"type": "retweeted", "id": original["id"]}])]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert (found.repost_of, found.text, found.author) == (original["id"], "x" * 300, "11")


async def test_a_long_post_is_read_to_its_end(network):
    network.posts = [post(1, "Northwind …", note_tweet={"text": "Northwind " + "y" * 900}, lang="zxx")]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert len(found.text) == 910
    assert found.language is None


async def test_what_our_account_writes_is_by_us(network):
    network.posts = [post(1, "Sorry, we are on it", "99")]
    source = source_of(network)
    (found,) = (await source.poll(None)).mentions
    await source.close()
    assert found.by_us


async def test_the_next_poll_asks_only_for_what_is_newer(network):
    network.posts = [post(3, "Northwind is late")]
    source = source_of(network)
    first = await source.poll(None)
    again = await source.poll(first.cursor)
    network.posts.append(post(1, "Northwind is still late"))
    later = await source.poll(again.cursor)
    await source.close()
    assert ([each.text for each in first.mentions], again.mentions) == (["Northwind is late"], ())
    assert [each.text for each in later.mentions] == ["Northwind is still late"]
    assert network.server.asked[-1].query["since_id"] == first.mentions[0].id


async def test_a_storm_is_read_over_several_polls_and_nothing_is_missed_or_doubled(network):
    network.posts = [post(4.9 - number / 200, f"Northwind {number}") for number in range(720)]
    source = source_of(network)
    cursor: str | None = None
    batches: list[Batch] = []
    while not batches or batches[-1].more:
        batches.append(await source.poll(cursor))
        cursor = batches[-1].cursor
        if len(batches) == 1:  # it goes on meanwhile
            network.posts.append(post(0.5, "Northwind 720"))
    batches.append(await source.poll(cursor))
    await source.close()
    texts = [each.text for batch in batches for each in batch.mentions]
    assert sorted(texts) == sorted(f"Northwind {number}" for number in range(721))
    assert all(len(batch.mentions) <= 600 for batch in batches)
    assert all([*batch.mentions] == sorted(batch.mentions, key=lambda each: each.at) for batch in batches)


async def test_a_poll_repeated_with_one_cursor_gives_the_same(network):
    network.posts = [post(2, "Northwind")]
    source = source_of(network)
    first, second = await source.poll(None), await source.poll(None)
    await source.close()
    assert first == second


async def test_a_rate_limit_is_told_with_its_end_and_x_is_left_alone_until_then(network):
    network.limited_after = 0
    source = source_of(network)
    for _ in range(2):
        with pytest.raises(SourceFailed, match="wait 600 s") as refused:
            await source.poll(None)
        assert refused.value.retry_after == pytest.approx(600, abs=1)
    await source.close()
    assert len(network.server.asked) == 1


async def test_what_was_read_before_the_limit_is_kept_and_the_rest_comes_first_next_time(network):
    network.posts = [post(2, "Northwind")]
    network.mentions = [post(1, "@northwindcare hello")]
    network.limited_after = 1
    clock = [NOW]
    spec = X.model_validate({"kind": "x", "name": "x", "api": network.server.url, "user_id": "99"})
    source = build(spec, (BRAND,), {"TOCSIN_X_BEARER_TOKEN": "a-token"}, lambda: clock[0])
    first = await source.poll(None)
    assert [each.text for each in first.mentions] == ["@northwindcare hello"]
    assert first.mentions[0].to_us
    network.limited_after = None
    clock[0] += timedelta(seconds=601)
    second = await source.poll(first.cursor)
    await source.close()
    assert [each.text for each in second.mentions] == ["Northwind"]
    assert network.server.asked[2].path.endswith("/search/recent")


async def test_a_slow_network_is_heard_question_by_question(network, monkeypatch):
    monkeypatch.setattr("listening.x._ENOUGH", -1.0)
    network.posts = [post(2, "Northwind")]
    network.mentions = [post(1, "@northwindcare hello")]
    source = source_of(network, user_id="99")
    first = await source.poll(None)
    second = await source.poll(first.cursor)
    third = await source.poll(second.cursor)
    await source.close()
    assert [[each.text for each in batch.mentions] for batch in (first, second, third)] == [
        ["@northwindcare hello"],
        ["Northwind"],
        ["Northwind"],  # the search for our accounts finds it too, and the store keeps it once
    ]
    assert first.more
    assert second.more


async def test_a_cursor_older_than_what_x_searches_goes_on_from_the_oldest_it_has(network):
    source = source_of(network)
    marks = {"turn": 0, "marks": {"mentions": [id_at(NOW - timedelta(days=30)), 0, 0]}}
    await source.poll(cursors.encode("x", marks))
    await source.close()
    assert int(network.server.asked[0].query["since_id"]) == id_at(NOW - timedelta(days=6, hours=23))


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply({"title": "Unauthorized"}, 401), "refuses the token in TOCSIN_X_BEARER_TOKEN"),
        (Reply({"errors": [{"message": "Invalid query"}]}, 400), "400: Invalid query"),
        (Reply({}, 503), "503"),
        (Reply(b"<html>", 200), "cannot be read"),
        (Reply({"data": [{"text": "no id"}]}, 200), "cannot be read"),
        (Reply({"data": []}, 200, cut=10), "cannot be read"),
        (Reply(b" " * (9 * 1024 * 1024), 200), "longer than 8 MB"),
    ],
)
async def test_whatever_x_answers_the_source_fails_with_a_sentence_and_keeps_its_place(network, reply, sentence):
    network.raw = reply
    source = source_of(network)
    with pytest.raises(SourceFailed, match=sentence):
        await source.poll(None)
    await source.close()


@pytest.mark.parametrize("cursor", ["", "{}", "[1]", "not json", cursors.encode("feed", {"turn": 0})])
async def test_a_cursor_of_something_else_starts_over_from_now(network, cursor):
    source = source_of(network)
    await source.poll(cursor)
    await source.close()
    assert int(network.server.asked[0].query["since_id"]) == id_at(NOW - timedelta(minutes=5))


async def test_without_its_token_the_source_says_which_variable_is_missing(network):
    spec = X.model_validate({"kind": "x", "name": "x", "api": network.server.url})
    source = build(spec, (BRAND,), {}, lambda: NOW)
    with pytest.raises(SourceFailed, match="TOCSIN_X_BEARER_TOKEN is not set"):
        await source.poll(None)


def test_the_words_of_a_brand_make_a_query_and_its_accounts_another():
    words, accounts = queries([BRAND], 512)
    assert words == '(Northwind OR "North Wind Air" OR "NW-Pass" OR #northwindfail) -"northwind traders"'
    assert accounts == "(@northwindcare OR from:northwindcare)"


def test_no_query_is_longer_than_x_takes_and_no_word_is_lost():
    names = tuple(f"Brand number {number}" for number in range(60))
    brand = Brand(id="many", names=names, leave_out=tuple(f"other thing {number}" for number in range(60)))
    found = queries([brand], 512)
    assert all(len(each) <= 512 for each in found)
    assert all(any(f'"{name}"' in each for each in found) for name in names)


def test_operators_in_a_name_mean_nothing_to_x():
    brand = Brand(id="odd", names=('say "OR" -from:me', "OR", "!!!"))
    assert queries([brand], 512) == ['("say OR -from:me" OR "OR")']
