"""What was written by any released version is read by this one, and means the same."""

import json
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from incidents import events as e
from incidents.events import decode, encode, stored_kind
from incidents.evolve import fold
from incidents.state import Status
from incidents.timeline import sentence
from tests.incidents.samples import later_kinds, one_of_each

GOLDEN = Path(__file__).with_name("golden") / "events-1.jsonl"
"""Written by version 0.1. Never changed: a later shape gets a file of its own and an upcaster."""
LATER = GOLDEN.with_name("events-2.jsonl")
"""The kinds that came afterwards."""
EVERY_KIND = [*one_of_each(), *later_kinds()]


def golden(file: Path = GOLDEN) -> list[e.Event]:
    rows = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    return [decode(row["kind"], row["schema"], orjson.dumps(row["body"])) for row in rows]


def test_the_golden_files_have_every_kind():
    assert {event.kind for event in (*golden(), *golden(LATER))} == e.KNOWN_KINDS


def test_the_golden_files_are_read_as_they_were_meant():
    assert golden() == one_of_each()
    assert golden(LATER) == later_kinds()


def test_the_golden_file_folds_to_what_it_always_folded_to():
    state = fold(golden())
    assert state is not None
    assert state.version == len(golden())
    assert (state.status, state.merged_into, state.commander) == (Status.MERGED, "INC-2", None)
    assert state.plan_version == "bbbbbbbbbbbb"
    assert [page.state for page in state.pages.values()] == ["delivered", "sent"]
    assert {step.id: str(step.state) for step in state.steps.values()} == {"look": "done", "tell": "skipped"}
    assert state.escalations["1"].answered_by == "bob"
    assert state.support == ("ana",)


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event.kind)
def test_what_is_stored_is_read_back_the_same(event):
    assert decode(stored_kind(event), e.SCHEMA, encode(event)) == event


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event.kind)
def test_every_event_is_a_sentence_for_people(event):
    said = sentence(event)
    assert "None" not in said
    assert "<" not in said


def test_every_kind_of_event_stands_alone_in_the_fold():
    """`evolve` is total: an event that comes too early or twice breaks nothing."""
    declared, *others = EVERY_KIND
    for event in others:
        state = fold([declared, event, event])
        assert state is not None
        assert state.version == 3


def test_before_the_declaration_nothing_counts():
    assert fold(one_of_each()[1:]) is None


def test_an_unknown_kind_is_kept_shown_and_ignored():
    body = {"kind": "MoonRose", "at": "2026-03-02T09:00:00Z", "by": "rule", "phase": "full"}
    event = decode("MoonRose", 7, orjson.dumps(body))
    assert isinstance(event, e.Unknown)
    assert (stored_kind(event), json.loads(encode(event))) == ("MoonRose", body)
    assert "MoonRose" in sentence(event)
    known = one_of_each()[:5]
    with_it, without = fold([*known, event]), fold(known)
    assert with_it is not None
    assert without is not None
    assert with_it.pages == without.pages
    assert with_it.version == without.version + 1


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"kind":"Closed"}', b'{"kind":"Closed","at":"today","by":"x"}'])
def test_a_body_that_cannot_be_read_is_an_error_and_not_a_guess(body):
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode("Closed", e.SCHEMA, body)


def test_a_known_kind_with_a_wrong_body_is_an_error_and_not_an_unknown():
    body = b'{"kind":"Closed","at":"2026-03-02T09:00:00Z","by":{"person":"ana"}}'
    with pytest.raises(ValidationError):
        decode("Closed", e.SCHEMA, body)


def test_a_moment_without_its_zone_is_refused_and_any_zone_becomes_utc():
    with pytest.raises(ValidationError):
        decode("Closed", e.SCHEMA, b'{"kind":"Closed","at":"2026-03-02T09:00:00","by":"x"}')
    event = decode("Closed", e.SCHEMA, b'{"kind":"Closed","at":"2026-03-02T10:00:00+01:00","by":"x"}')
    assert event.at.isoformat() == "2026-03-02T09:00:00+00:00"


def test_an_older_shape_is_lifted_step_by_step(monkeypatch):
    monkeypatch.setitem(e.UPCASTERS, ("NoteAdded", -1), lambda body: {**body, "text": body.pop("words")})
    monkeypatch.setitem(e.UPCASTERS, ("NoteAdded", 0), lambda body: {**body, "text": body["text"].strip()})
    old = b'{"kind":"NoteAdded","at":"2026-03-02T09:00:00Z","by":"person:ana","words":" hello "}'
    assert decode("NoteAdded", -1, old).text == "hello"  # type: ignore[union-attr]  # it is a NoteAdded
