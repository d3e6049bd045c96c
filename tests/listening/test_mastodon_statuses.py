"""What servers of the fediverse may send as a status: any shape, from anybody."""

from datetime import UTC, datetime
from typing import Any

import pytest

from listening.mastodon_statuses import Statuses, moment

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATUSES = Statuses("fedi", "social.example", frozenset({"care@social.example"}))
ANA = {"acct": "ana@other.example", "url": "https://other.example/@ana", "followers_count": 12}


def read(**status: Any) -> Any:
    return STATUSES.status({"id": 7, "account": ANA, "created_at": "2026-11-20T11:59:00Z", **status}, NOON)


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        "text",
        {},
        {"id": None},
        {"id": True, "content": 5},
        {"id": "", "account": 7},
    ],
)
def test_what_has_no_id_is_nothing(status: object):
    assert STATUSES.status(status, NOON) is None
    assert STATUSES.notification({"type": "mention", "id": "1", "status": status}, NOON) is None
    assert STATUSES.notification(status, NOON) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"account": None, "content": None, "spoiler_text": 5, "mentions": "none", "created_at": "soon"},
        {"account": {"followers_count": -1, "acct": []}, "mentions": [None, 1, {}], "language": 4},
        {"reblog": 1, "in_reply_to_id": {"a": 1}, "visibility": 7, "created_at": datetime(1, 1, 1)},  # noqa: DTZ001
        {"created_at": datetime(9999, 12, 31, tzinfo=UTC), "url": None, "uri": ["x"]},
    ],
)
def test_the_rest_may_be_anything(fields: dict[str, Any]):
    mention = read(**fields)

    assert mention.id == "7"
    assert mention.at <= NOON
    assert not mention.to_us


def test_a_warning_is_said_before_what_it_warns_of():
    assert read(spoiler_text="Rant &amp; tears", content="<p>Never again</p>").text == "Rant & tears\n\nNever again"
    assert read(spoiler_text="Only this", content="").text == "Only this"


def test_who_is_named_is_told_by_name_and_server():
    assert read(mentions=[{"acct": "Care"}]).to_us
    assert read(mentions=[{"acct": "care@social.example"}]).to_us
    assert not read(mentions=[{"acct": "care@elsewhere.example"}]).to_us
    ours = read(account={"acct": "care"}, mentions=[{"acct": "care"}])
    assert (ours.by_us, ours.to_us) == (True, False)


def test_a_boost_passes_on_and_says_what():
    boost = read(reblog={"id": 3, "content": "<p>They lost my bag</p>", "url": "https://x.example/3", "language": "en"})

    assert (boost.id, boost.repost_of, boost.text) == ("7", "3", "They lost my bag")
    assert (boost.author, boost.link, boost.reach) == (ANA["url"], "https://x.example/3", 12)


def test_what_is_not_for_all_is_private():
    assert [read(visibility=each).private for each in ("public", "unlisted", "private", "direct")] == [
        False,
        False,
        True,
        True,
    ]


def test_times_of_any_kind():
    assert moment("2026-11-20T12:00:00.000Z") == moment(NOON) == NOON
    assert moment("2026-11-20T13:00:00+01:00") == NOON
    assert moment("x" * 100) is None
    assert moment(5) is None
