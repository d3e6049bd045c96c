"""What strangers put into Bluesky's records, and what the firehose may bring."""

from datetime import UTC, datetime
from typing import Any

import pytest

from listening.bluesky_firehose import PassedOn, Reader
from listening.bluesky_posts import Author, Posts, moment
from listening.words import hashtags, of_interest, quick_look, search_words
from signals.listening import Brand

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OURS, THEIRS = "did:plc:ours", "did:plc:theirs"
URI = f"at://{THEIRS}/app.bsky.feed.post/3k"
POSTS = Posts("sky", frozenset({OURS}))


def read(**record: Any) -> Any:
    return POSTS.post(URI, {"createdAt": "2026-11-20T11:59:00Z", "text": "hello", **record}, Author(THEIRS), NOON)


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "text",
        {},
        {"text": 5, "langs": "en", "facets": 7, "reply": [], "embed": 1, "createdAt": 9},
        {"facets": [None, 3, {"features": 1}, {"features": [None, {"did": 4}]}], "langs": [None]},
        {"createdAt": "0001-01-01T00:00:00+23:59", "reply": {"parent": {"uri": 3}}},
        {"createdAt": "9999-12-31T23:59:59-23:59", "langs": ["x" * 100]},
        {"createdAt": "1" * 10_000, "embed": {"record": {"record": {"uri": None}}}},
    ],
)
def test_a_record_of_any_shape_is_read_as_far_as_it_can_be(record: object):
    mention = POSTS.post(URI, record, Author(THEIRS), NOON)

    assert mention.id == URI
    assert mention.at <= NOON
    assert not mention.to_us


def test_a_post_was_not_written_after_the_network_had_it():
    assert read(createdAt="2099-01-01T00:00:00Z").at == NOON
    assert read(createdAt="2026-11-20T06:00:00-05:00").at == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert moment("2026-11-20T11:00:00") == datetime(2026, 11, 20, 11, tzinfo=UTC)


def test_a_post_is_to_us_by_its_tag_its_parent_its_root_and_its_quote():
    ours, theirs = {"uri": f"at://{OURS}/app.bsky.feed.post/1"}, {"uri": f"at://{THEIRS}/app.bsky.feed.post/1"}
    tag = {"features": [{"$type": "app.bsky.richtext.facet#mention", "did": OURS}]}

    assert read(facets=[tag]).to_us
    assert read(reply={"parent": ours, "root": theirs}).to_us
    assert read(reply={"parent": theirs, "root": ours}).to_us
    assert read(embed={"record": ours}).to_us
    assert read(embed={"record": {"record": ours}, "media": {}}).to_us
    assert not read(reply={"parent": theirs, "root": theirs}).to_us


def test_a_quote_without_a_word_only_passes_on():
    quoted = {"uri": f"at://{THEIRS}/app.bsky.feed.post/1"}

    assert read(text=" ", embed={"record": quoted}).repost_of == quoted["uri"]
    assert read(text="look!", embed={"record": quoted}).repost_of == ""


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ops": 5, "blocks": b"", "time": "2026-11-20T12:00:00Z", "repo": THEIRS},
        {"ops": [{"action": "create", "path": "app.bsky.feed.post/1", "cid": b"no cid"}], "blocks": b"x", "time": "z"},
        {
            "ops": [{"action": "create", "path": 7, "cid": None}],
            "blocks": b"\x00" * 100,
            "time": "2026-11-20T12:00:00Z",
        },
        {"ops": [None], "blocks": b"\xff" * 100, "time": "2026-11-20T12:00:00Z", "repo": 7},
    ],
)
def test_a_commit_that_nobody_can_read_is_passed_over(body: dict[str, Any]):
    assert Reader(POSTS, lambda text: True, PassedOn()).read(body) == ()


BRANDS = (
    Brand(
        id="northwind",
        names=("Northwind", "North Wind Air"),
        misspellings=("Norwind",),
        products=("NW-Pass",),
        people=("Dora Lindt",),
        hashtags=("#northwindfail", "northwind"),
    ),
    Brand(id="contoso", names=("northwind", "Contoso")),
)


def test_a_network_is_asked_for_every_word_of_every_brand_once():
    assert search_words(BRANDS) == (
        "Northwind", "North Wind Air", "Norwind", "NW-Pass", "Dora Lindt", "#northwindfail", "#northwind", "Contoso",
    )  # fmt: skip
    assert hashtags(BRANDS) == ("northwindfail", "northwind", "northwindair", "nwpass", "contoso")
    assert of_interest(BRANDS, "contoso") == BRANDS[1:]


def test_the_quick_look_finds_names_misspellings_and_hashtags_and_no_other_word():
    names_us = quick_look(BRANDS)

    assert all(
        map(names_us, ["NORTHWIND!", "my Nortwind flight", "#BoycottNorthwind", "dora lindt must go", "nw-pass"])
    )
    assert not any(map(names_us, ["", "north of here the wind", "hello", "air"]))
