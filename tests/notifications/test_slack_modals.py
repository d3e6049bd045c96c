"""The forms, within the limits that Slack sets: https://docs.slack.dev/reference/block-kit."""

import json

import pytest

from incidents.impact import MATRIX, Question, Row
from notifications.slack_modals import declare_view, impact_of, refusal, resolve_view

LONG = "x" * 500
REPLY_TO = "https://hooks.slack.com/actions/T0/1/x"


def by_id(view):
    return {block["block_id"]: block for block in view["blocks"]}


def texts(value):
    if isinstance(value, dict):
        found = [value["text"]] if value.get("type") == "plain_text" else []
        return found + [text for inner in value.values() for text in texts(inner)]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list) else []


def test_only_the_title_has_to_be_filled_in():
    blocks = by_id(declare_view("", [("SHOP_DOWN", "Shop down"), ("LEAK", "Data leak")], REPLY_TO, "en"))

    unfilled = [
        name
        for name, block in blocks.items()
        if not block["optional"] and not {"initial_value", "initial_option"} & set(block["element"])
    ]
    assert unfilled == ["title"]
    assert blocks["situation"]["element"]["initial_option"]["value"] == "SHOP_DOWN"
    assert [each["value"] for each in blocks["severity"]["element"]["options"]] == ["SEV1", "SEV2", "SEV3", "SEV4"]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    "make",
    [
        lambda language: declare_view(LONG, [(f"S{n}", LONG) for n in range(300)], "https://" + LONG * 8, language),
        lambda language: resolve_view("INC-999999999999", REPLY_TO, language),
    ],
    ids=["declare", "resolve"],
)
def test_no_limit_of_slacks_is_exceeded(make, language):
    view = make(language)

    assert len(view["title"]["text"]) <= 24
    assert max(len(view[part]["text"]) for part in ("submit", "close")) <= 24
    assert len(view["private_metadata"]) <= 3000
    for block in view["blocks"]:
        element = block["element"]
        assert len(element.get("options", [])) <= 100
        assert all(1 <= len(each["text"]["text"]) <= 75 for each in element.get("options", []))
        assert len(element.get("initial_value", "")) <= element.get("max_length", 0) <= 3000
    assert all(texts(view))


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_question_about_the_impact_is_asked_whole_and_may_be_left_alone(language):
    blocks = by_id(declare_view("", [("SHOP_DOWN", "Shop down")], REPLY_TO, language))

    for row, question in MATRIX.items():
        block = blocks[f"impact-{row}"]
        assert block["optional"]
        assert "initial_option" not in block["element"]
        assert [each["value"] for each in block["element"]["options"]] == [*question.answers, "dont-know"]
        assert not any(text.endswith("…") for text in texts(block)), "Slack cuts at 75 characters"


def test_the_questions_are_in_the_readers_language_and_in_the_plans_words():
    own = {Row.CUSTOMERS: Question(ask="How many shops?", answers=MATRIX[Row.CUSTOMERS].answers)}

    spanish = texts(declare_view("", [], REPLY_TO, "es")["blocks"])
    assert {"¿A cuántos clientes afecta?", "del 5 al 25 %, o 10.000 o más", "No lo sé"} <= set(spanish)
    assert "How many shops?" in texts(declare_view("", [], REPLY_TO, "es", own)["blocks"])


def test_answers_about_the_impact_are_told_from_the_other_fields():
    given = {"title": "Fire", "impact-people": "injury", "impact-data": "dont-know", "severity": "SEV3"}

    assert impact_of(given) == {"people": "injury", "data": "dont-know"}


def test_what_comes_back_says_which_incident_and_where_to_reply():
    note = json.loads(resolve_view("INC-7", REPLY_TO, "en")["private_metadata"])

    assert note == {"incident": "INC-7", "reply_to": REPLY_TO}


def test_a_refusal_keeps_the_form_open():
    assert refusal({"title": "An incident needs a title."}) == {
        "response_action": "errors",
        "errors": {"title": "An incident needs a title."},
    }
