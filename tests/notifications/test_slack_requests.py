"""What people ask in Slack, read from payloads as Slack documents them; anything else is nothing."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channel import Answer
from notifications.slack_requests import (
    ButtonPress,
    SlashCommand,
    Submission,
    form_of,
    is_reply_address,
    payload_of,
    read_request,
)

PAGE_ID = "1.INC-7.1.r1.c1.1"
TRIGGER, REPLY_TO = "12321423423.333649436676.d8c1bb83", "https://hooks.slack.com/actions/T0/1/x"
SLACK = "https://slack.com/api/"


def pressed(action_id, **changes):
    payload = {
        "type": "block_actions",
        "user": {"id": "U0ANA", "username": "ana"},
        "trigger_id": TRIGGER,
        "container": {"type": "message", "message_ts": "1548261231.000200", "channel_id": "C0INC"},
        "response_url": REPLY_TO,
        "actions": [{"action_id": action_id, "value": PAGE_ID, "type": "button", "action_ts": "1548426417.840180"}],
    }
    return read_request("interactive", {**payload, **changes})


@pytest.mark.parametrize(
    ("action_id", "verb"),
    [
        ("tocsin_ack", "acknowledge"),
        ("tocsin_escalate", "escalate"),
        ("tocsin_pass", "pass"),
        ("tocsin_resolve", "resolve"),
        ("tocsin_yes", "yes"),
        ("tocsin_no", "no"),
        ("tocsin_call", "call"),
    ],
)
def test_each_button_is_its_answer(action_id, verb):
    answer = Answer(verb=verb, message_id=PAGE_ID, event_id="U0ANA:1548426417.840180", sender="U0ANA")

    assert pressed(action_id) == ButtonPress(answer, TRIGGER, REPLY_TO)


def test_the_same_press_delivered_twice_is_one_event_and_two_people_are_two():
    once, again = pressed("tocsin_ack"), pressed("tocsin_ack")
    another = pressed("tocsin_ack", user={"id": "U0LUIS"})

    assert once.answer.event_id == again.answer.event_id != another.answer.event_id


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "view_submission"},
        {"actions": []},
        {"actions": None},
        {"actions": [{"action_id": "some_other_button", "value": PAGE_ID}]},
        {"actions": [{"action_id": "tocsin_ack"}]},
        {"user": None},
    ],
)
def test_a_press_that_lacks_something_is_nothing(changes):
    assert pressed("tocsin_ack", **changes) is None


def test_a_form_gives_what_was_filled_in_and_what_we_wrote_into_it():
    values = {
        "title": {"title": {"type": "plain_text_input", "value": " Nobody can pay "}},
        "situation": {"situation": {"type": "static_select", "selected_option": {"value": "SHOP_DOWN"}}},
        "severity": {"severity": {"type": "static_select", "selected_option": None}},
        "known": {"known": {"type": "plain_text_input", "value": None}},
    }
    view = {
        "id": "V1",
        "callback_id": "tocsin_declare",
        "private_metadata": f'{{"reply_to": "{REPLY_TO}"}}',
        "state": {"values": values},
    }

    assert read_request(
        "interactive", {"type": "view_submission", "user": {"id": "U0ANA"}, "view": view}
    ) == Submission(
        form="tocsin_declare",
        view="V1",
        person="U0ANA",
        given={"title": "Nobody can pay", "situation": "SHOP_DOWN"},
        note={"reply_to": REPLY_TO},
    )


def test_a_command_is_its_first_word_and_the_rest():
    form = {
        "user_id": "U0ANA",
        "text": "  Note INC-7 called the bank ",
        "trigger_id": TRIGGER,
        "response_url": REPLY_TO,
    }

    assert read_request("slash_commands", form) == SlashCommand(
        "U0ANA", "note", "INC-7 called the bank", f"U0ANA:{TRIGGER}", TRIGGER, REPLY_TO
    )


@pytest.mark.parametrize("kind", ["events_api", "hello", "", "slash_commands", "interactive"])
def test_other_envelopes_are_nothing(kind):
    assert read_request(kind, {"type": "event_callback"}) is None


_JSON = st.recursive(
    st.sampled_from([None, True, 7, "", "x", "U1", "{", "tocsin_ack", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "user", "id", "view", "state", "values", "actions", "action_id", "value", "text"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    payload=st.dictionaries(st.sampled_from(["user", "view", "actions", "user_id", "text", "trigger_id"]), _JSON),
    kind=st.sampled_from(["block_actions", "view_submission", "x"]),
)
def test_junk_breaks_nothing(payload, kind):
    read_request("interactive", {**payload, "type": kind})
    read_request("slash_commands", payload)


@given(st.binary(max_size=60))
def test_a_body_that_is_no_form_is_empty(body):
    assert payload_of(body) == {}
    assert isinstance(form_of(body), dict)


def test_a_payload_is_read_from_its_form():
    assert payload_of(urlencode({"payload": '{"type": "x"}'}).encode()) == {"type": "x"}
    assert form_of(b"a=1&b=%C3%B1&a=2") == {"a": "1", "b": "ñ"}


@pytest.mark.parametrize(
    ("url", "api", "may"),
    [
        ("https://hooks.slack.com/actions/T0/1/x", SLACK, True),
        ("https://hooks.slack-gov.com/actions/T0/1/x", SLACK, True),
        ("https://slack.com:443/x", SLACK, True),
        ("http://hooks.slack.com/actions/T0/1/x", SLACK, False),
        ("https://hooks.slack.com:8443/x", SLACK, False),
        ("https://hooks.slack.com.evil.example/x", SLACK, False),
        ("https://evilslack.com/x", SLACK, False),
        ("https://slack.com@evil.example/x", SLACK, False),
        ("https://169.254.169.254/latest", SLACK, False),
        ("http://127.0.0.1:8420/x", SLACK, False),
        ("https://[::1", SLACK, False),
        ("file:///etc/passwd", SLACK, False),
        ("", SLACK, False),
        ("http://127.0.0.1:20001/x", "http://127.0.0.1:20000/api/", True),
        ("http://192.0.2.7/x", "http://127.0.0.1:20000/api/", False),
        ("https://hooks.slack.com/x", "http://127.0.0.1:20000/api/", False),
    ],
)
def test_replies_go_to_slack_only(url, api, may):
    assert is_reply_address(url, api) is may
