"""Sources are built from listening.yaml and the environment, and nothing that is missing there stops the engine."""

import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import get_args

import pytest

from listening.build import BY_WEBHOOK, MODULES, build_sources
from listening.environment import secret
from listening.source import SourceFailed
from signals.listening import Listening, SourceSpec

BRANDS = [{"id": "northwind", "names": ["Northwind"]}]


def listening(*sources: dict[str, object]) -> Listening:
    return Listening.model_validate({"brands": BRANDS, "sources": list(sources)})


def now() -> datetime:
    return datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_every_kind_has_a_module_or_comes_by_webhook():
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(get_args(SourceSpec)[0])}

    assert kinds == MODULES.keys() | BY_WEBHOOK
    assert all(callable(import_module(each).build) for each in MODULES.values())


def test_sources_are_built_in_the_order_of_the_file_without_those_that_come_by_themselves():
    built = build_sources(
        listening(
            {"kind": "mastodon", "name": "fedi", "server": "https://social.example"},
            {"kind": "chatwoot", "name": "chat", "key": "k" * 16},
            {"kind": "bluesky", "name": "sky", "handle": "care.example.com", "firehose": "wss://relay.example"},
            {"kind": "bluesky", "name": "search"},
        ),
        {},
        now,
    )

    assert [(each.name, each.kind) for each in built] == [
        ("fedi", "mastodon"),
        ("sky", "bluesky"),
        ("search", "bluesky"),
    ]
    assert [each.follow is not None for each in built] == [True, True, False]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            {"kind": "bluesky", "name": "sky", "handle": "care.example.com"},
            "TOCSIN_BLUESKY_PASSWORD is not set: it holds the app password of care.example.com.",
        ),
        (
            {"kind": "mastodon", "name": "fedi", "server": "https://social.example", "token_from": "FEDI"},
            "FEDI is not set: it holds the access token at https://social.example.",
        ),
    ],
)
async def test_a_secret_that_is_missing_is_a_source_in_trouble_and_no_crash(source: dict[str, object], sentence: str):
    [built] = build_sources(listening(source), {}, now)

    with pytest.raises(SourceFailed) as failed:
        await built.poll(None)
    assert str(failed.value) == sentence
    assert built.follow is not None or source["kind"] == "bluesky"
    await built.close()


def test_a_secret_is_read_without_the_blanks_around_it():
    assert secret({"TOKEN": " abc\n"}, "TOKEN", "a token") == "abc"
    with pytest.raises(SourceFailed, match="TOKEN is not set"):
        secret({"TOKEN": " \n"}, "TOKEN", "a token")


def test_the_networks_clients_are_loaded_when_a_source_needs_them():
    program = "import listening.build, sys; print({'atproto', 'mastodon', 'praw', 'tweepy'} & {*sys.modules})"

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert printed.strip() == "set()"
