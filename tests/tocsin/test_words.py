"""How pages, roles and questions are put into words, the same in the terminal and in the browser."""

from datetime import UTC, datetime

import pytest

from tocsin import words
from tocsin.screen import next_commands

NOW = datetime(2026, 11, 21, 14, 3, tzinfo=UTC)
NAMES = {"ana": "Ana Ruiz", "bob": "Bob Stone"}


def page(message_id="1.INC-7.1.r1.c1.1", channel="sms", provider="twilio", state="failed", **more):
    about = {"message_id": message_id, "channel": channel, "provider": provider, "state": state, "contact": "ana"}
    told = {"escalation": "1", "rung": 1, "requested_at": "2026-11-21T14:00:00.000Z", "possible_duplicate": False}
    return {**about, **told, "instead_of": None, "reference": "", "failure": "refused", **more}


def question(**more):
    times = {"asked_at": "2026-11-21T14:00:00.000Z", "expires_at": "2026-11-21T14:20:00.000Z", "expired_at": None}
    said: dict[str, object] = {"open": True, "answer": None, "answered_by": None, "answered_at": None, "wants_call": []}
    about = {"id": "question-1", "text": "Close?", "about": "other", "to": ["ana", "bob"], "asked_by": "person:ana"}
    return {**about, **times, **said, "if_silent": "no", "document": None, **more}


def view(**more):
    known = {"id": "INC-7", "status": "acknowledged", "commander": "ana", "round": 1, "compensation": None}
    lists: dict[str, list[object]] = {
        "pages": [],
        "escalations": [],
        "steps": [],
        "decisions": [],
        "timeline": [],
        "questions": [],
    }
    return {**known, **lists, "declared_at": "2026-11-21T14:00:00.000Z", "roles": {}, **more}


@pytest.mark.parametrize(
    ("channel", "provider", "said"),
    [
        ("sms", "twilio", "SMS"),
        ("sms", "", "SMS"),
        ("sms", "backup", "SMS through backup"),
        ("voice", "backup", "voice through backup"),
        ("email", "smtp", "e-mail"),
        ("push", "web-push", "browser push"),
        ("console", "console", "console"),
        ("pigeon", "pigeon", "pigeon"),
    ],
)
def test_the_provider_is_said_where_it_is_not_the_usual_one(channel, provider, said):
    assert words.by_channel(page(channel=channel, provider=provider)) == said


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("failed", "instead of the SMS that failed"),
        ("unknown", "instead of the SMS that is not known to have arrived"),
        ("delivered", "instead of the SMS that seemed to have failed"),
    ],
)
def test_a_page_says_which_one_it_stands_in_for(state, said):
    first = page(state=state)
    second = page("1.INC-7.1.r1.c1.2", "voice", "backup", "sent", instead_of=first["message_id"])
    lines = words.escalation_plan(view(pages=[first, second], next_moves=[]), NOW, NAMES)

    assert [line.sentence for line in lines] == [
        "Ana Ruiz by SMS, rung 1",
        f"Ana Ruiz by voice through backup, {said}, rung 1",
    ]


def test_of_what_comes_next_eight_lines_are_shown_and_how_many_follow():
    moves = [{"at": f"2026-03-02T14:{minute}:00+00:00", "title": f"page {minute}"} for minute in range(30, 42)]
    waiting = view(pages=[], next_moves=moves)

    *shown, rest = words.escalation_plan(waiting, NOW, NAMES)

    assert [line.sentence for line in shown] == [f"page {minute}" for minute in range(30, 38)]
    assert (rest.sentence, rest.future) == ("and 4 more", True)
    assert len(words.escalation_plan(waiting, NOW, NAMES, whole=True)) == 12


def test_who_leads_it_while_people_are_called_anew_is_not_called_nobody():
    assert words.status_words(view(status="declared", commander=None)) == "nobody has it"
    assert words.status_words(view(status="declared")) == "people are called anew"
    assert words.status_words(view()) == "in hand"


@pytest.mark.parametrize(
    ("firing", "more", "said"),
    [
        ([], {}, ""),
        ([True, False], {}, ""),
        ([False], {"status": "closed"}, ""),
        ([False], {}, "Nothing fires any more: its monitor says that it has recovered."),
        ([False, False], {"commander": None, "status": "declared"}, "Somebody must still take it, or stand it down."),
    ],
)
def test_that_nothing_fires_any_more_is_said_while_people_are_called_or_at_work(firing, more, said):
    signals = [{"dedup_key": str(number), "firing": each} for number, each in enumerate(firing)]

    words_of_it = words.recovered(view(signals=signals, **more))

    assert words_of_it.endswith(said)
    assert bool(words_of_it) == bool(said)


def test_a_role_is_said_by_its_title_or_as_it_is_written():
    roles = {"role:care": "ana", "area:shop": "bob"}

    assert words.roles(view(roles=roles), NAMES, {"role:care": "Customer care lead"}) == [
        ("Customer care lead", "Ana Ruiz"),
        ("area shop", "Bob Stone"),
    ]


def test_a_deputy_takes_the_role_itself_and_the_calling_in_hand_counts_first():
    pages = [page(reference="role:care/deputy", escalation="crew-care"), page(reference="role:legal", escalation="1")]

    assert words.called_as(view(pages=pages), "ana", "crew-care") == "care"
    assert words.called_as(view(pages=pages), "ana", "other") == "legal"
    assert words.called_as(view(pages=[page(reference="ana")]), "ana", "1") == ""


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ("ana", "You said no at 14:02 UTC."),
        ("bob", "Ana Ruiz already said no at 14:02 UTC."),
        (None, "Ana Ruiz said no at 14:02 UTC."),
    ],
)
def test_an_answer_is_told_to_each_reader_as_it_is_to_them(reader, said):
    answered = question(open=False, answer="no", answered_by="ana", answered_at="2026-11-21T14:02:00.000Z")

    assert words.question_state(view(), answered, NAMES, NOW, reader) == said


@pytest.mark.parametrize(("about", "silence", "means"), [("other", "yes", "yes"), ("money", "yes", "no")])
def test_what_silence_means_is_said_before_and_after(about, silence, means):
    asked = question(about=about, if_silent=silence)
    expired = {**asked, "open": False, "expired_at": "2026-11-21T14:20:00.000Z"}

    assert words.question_state(view(), asked, NAMES, NOW).endswith(f"No answer means {means}.")
    assert words.question_state(view(), expired, NAMES, NOW) == f"Nobody answered by 14:20 UTC. That means {means}."
    assert words.question_word(view(), expired) == "expired"


def test_a_question_of_an_incident_that_ended_or_about_a_proposal_that_changed_is_over():
    proposed = {"state": "proposed", "document": "new", "requester": "bob"}

    assert not words.can_answer(view(status="closed"), question())
    assert words.question_word(view(compensation=proposed), question(document="old")) == "over"
    assert words.can_answer(view(compensation=proposed), question(document="new"))


def test_one_takes_first_what_one_was_paged_for_and_never_a_question_or_somebody_elses_page():
    callings = [
        {"id": "1", "kind": "round", "live": True},
        {"id": "crew-care", "kind": "crew", "live": True},
        {"id": "question-1", "kind": "question", "live": True},
    ]
    direct = {"id": "direct-1", "kind": "direct", "live": True}
    seen = view(escalations=callings, pages=[page(escalation="crew-care")])
    called = view(escalations=[direct], pages=[page(escalation="direct-1")])

    assert [[each["id"] for each in words.answers(called, who)] for who in ("ana", "bob")] == [["direct-1"], []]
    assert [each["id"] for each in words.answers(seen, "ana")] == ["crew-care", "1"]
    assert [each["id"] for each in words.answers(seen, "bob")] == ["1", "crew-care"]


def test_an_open_question_is_the_first_thing_to_do_and_named_when_there_are_several():
    one, other = question(), question(id="question-2")

    assert next_commands(view(questions=[one]))[0] == "tocsin answer INC-7 yes|no|call"
    assert next_commands(view(questions=[one, other]))[:2] == [
        "tocsin answer INC-7 yes|no|call --question question-1",
        "tocsin answer INC-7 yes|no|call --question question-2",
    ]
    assert next_commands(view(questions=[one], commander=None)) == [
        "tocsin ack INC-7",
        "tocsin answer INC-7 yes|no|call",
    ]
    answered = {**one, "open": False, "answer": "no"}
    assert next_commands(view(questions=[answered])) == ['tocsin resolve INC-7 --note "..."']
