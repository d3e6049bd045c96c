"""What people read and hear: short enough, in their language, and never without the way to answer."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.addresses import ChannelKind
from incidents.severity import Severity
from notifications import twiml
from notifications.gsm7 import SMS_SEPTETS, fold, septets
from notifications.wording import (
    PageFacts,
    Reader,
    already_taken,
    bundle_spoken,
    bundle_text,
    message_code,
    no_such_code,
    nothing_to_answer,
    notice_text,
    page_text,
    question_menu,
    recovered_by_itself,
    summary_text,
    update_text,
    voice_menu,
)

SATURDAY = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
PAGE = PageFacts(
    message_id="1.INC-7.1.r2.c1.1",
    incident="INC-7",
    severity=Severity.SEV1,
    situation="Card payments fail",
    title="4 in 10 cards declined",
    declared_at=SATURDAY,
    contact="ana",
    name="Ana Ruiz",
    rung=2,
    reader=Reader("en", "Europe/Madrid"),
    code=1,
)
SPANISH = Reader("es", "Europe/Madrid")

anything = st.text(max_size=400)
pages = st.builds(
    PageFacts,
    message_id=st.text(min_size=1, max_size=80),
    incident=st.integers(1, 10**12 - 1).map(lambda number: f"INC-{number}"),
    severity=st.sampled_from(Severity),
    situation=anything,
    title=anything,
    declared_at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    contact=st.just("ana"),
    name=anything,
    rung=st.integers(1, 9),
    area=st.none() | anything,
    reason=st.none() | anything,
    reader=st.builds(
        Reader, st.sampled_from(["en", "es"]), st.sampled_from(["UTC", "Europe/Madrid", "Asia/Kathmandu"])
    ),
    drill=st.booleans(),
    possible_duplicate=st.booleans(),
    two_way=st.booleans(),
    link=st.none() | st.just("https://tocsin.example/i/7?s=k"),
    role=st.none() | anything,
    code=st.none() | st.integers(1, 99),
    question=st.none() | anything,
    expires_at=st.none() | st.just(SATURDAY),
)


def test_an_sms_page_says_what_where_since_when_and_how_to_answer():
    assert page_text(ChannelKind.SMS, PAGE) == (
        "SEV1 INC-7 Card payments fail: 4 in 10 cards declined. Since Sat 14:05. "
        f"Reply 1a take, 1e escalate, 1p pass #{message_code(PAGE.message_id)}"
    )


def test_an_sms_page_speaks_spanish_to_those_who_do():
    assert page_text(ChannelKind.SMS, replace(PAGE, situation="Caída de cobros", title="", reader=SPANISH)) == (
        "SEV1 INC-7 Caida de cobros. Desde sab 14:05. "
        f"Responda 1a tomo, 1e escala, 1p paso #{message_code(PAGE.message_id)}"
    )


@given(page=pages)
def test_an_sms_page_is_one_segment_whatever_people_write_in_its_title(page: PageFacts):
    text = page_text(ChannelKind.SMS, page)

    cost = septets(text)
    assert cost is not None, "outside GSM-7 an SMS holds only 70 characters"
    assert cost <= SMS_SEPTETS
    number = page.incident.removeprefix("INC-")
    written = [
        f"{page.code}{key} " if page.code else f"{key}#{number} " for key in ("aep" if page.question is None else "n")
    ]
    assert page.incident in text
    assert page.severity.value in text
    assert text.endswith(f"#{message_code(page.message_id)}")
    if page.two_way:
        assert all(each in text for each in written)
    else:
        assert f"tocsin ack {page.incident}" in text
        assert not any(f"Reply {each}" in text for each in written)


@given(page=pages)
def test_every_page_names_its_incident_and_marks_a_drill_in_its_first_word(page: PageFacts):
    for kind in ChannelKind:
        text = page_text(kind, page)
        assert page.incident.removeprefix("INC-") in text
        assert text.encode("utf-8")
        first = re.search(r"\w+", text)
        assert first is not None
        assert (first[0].upper() in ("DRILL", "SIMULACRO")) == page.drill


@given(page=pages)
def test_a_voice_page_with_its_menu_takes_at_most_25_seconds_at_15_characters_a_second(page: PageFacts):
    asked = question_menu if page.question is not None else voice_menu
    menu = f" {asked(page.reader.language)}" if page.two_way else ""
    spoken = page_text(ChannelKind.VOICE, page) + menu

    assert len(spoken) <= 25 * 15


@given(page=pages)
def test_a_voice_page_can_be_carried_by_xml_whatever_is_in_its_title(page: PageFacts):
    document = twiml.ask(page_text(ChannelKind.VOICE, page), page.reader.language, "https://x/gather/1")

    assert ElementTree.fromstring(document).find("Gather/Say") is not None


@given(sentence=anything, drill=st.booleans(), language=st.sampled_from(["en", "es"]))
def test_any_notice_by_sms_is_one_segment_and_can_be_found_again(sentence, drill, language):
    text = notice_text(ChannelKind.SMS, sentence, message_id="1.n.3", language=language, drill=drill)

    assert septets(text) in range(SMS_SEPTETS + 1)
    assert text.endswith(f"#{message_code('1.n.3')}")


def test_a_drill_says_so_in_its_first_word():
    drill = replace(PAGE, drill=True)

    assert page_text(ChannelKind.SMS, drill).startswith("DRILL SEV1 INC-7")
    assert page_text(ChannelKind.SMS, replace(drill, reader=SPANISH)).startswith("SIMULACRO SEV1 INC-7")
    assert page_text(ChannelKind.VOICE, drill).startswith("Drill.")
    assert page_text(ChannelKind.SLACK, drill).startswith("DRILL *SEV1")
    assert page_text(ChannelKind.CONSOLE, drill).startswith("DRILL SEV1")


@pytest.mark.parametrize("channel", ChannelKind)
@pytest.mark.parametrize("two_way", [True, False])
@pytest.mark.parametrize("incident", ["INC-0", "TEST"])
def test_a_test_page_says_that_it_is_one_and_asks_for_no_answer(channel, two_way, incident):
    title = "This is a test of your paging channel. Nothing is wrong."
    trial = replace(PAGE, incident=incident, situation="Test page", title=title, drill=True, two_way=two_way)

    text = page_text(channel, trial)

    assert "Test page" in text
    assert "Nothing is wrong" in text
    assert not re.search(r"tocsin,? ack|Reply|Answer|incident 0|take charge", text)


def test_several_incidents_in_one_sms_are_taken_by_one_code():
    told = [("INC-7", Severity.SEV1, "Cards"), ("INC-9", Severity.SEV2, "Mails")]
    assert bundle_text(told, 100, "1.b", Reader()) == (
        f"2 incidents wait for you: INC-7 SEV1, INC-9 SEV2. Reply 100aa take all, 100pp pass all #{message_code('1.b')}"
    )
    many = [(f"INC-{number}", Severity.SEV1, "x") for number in range(1, 60)]
    assert septets(bundle_text(many, 100, "1.b", SPANISH)) in range(SMS_SEPTETS + 1)
    assert "Incident 7, severity 1. Incident 9, severity 2." in bundle_spoken(told, Reader())


def test_a_code_that_a_phone_never_had_changes_nothing():
    assert no_such_code(Reader(), 9) == "Code 9 means nothing on this phone. Nothing was changed."


def test_a_decision_page_asks_one_question_and_says_how_to_answer_it():
    asked = replace(PAGE, question="Pay 20 EUR to 412 customers?", expires_at=SATURDAY, reason="Pay 20 EUR?")

    assert page_text(ChannelKind.SMS, asked) == (
        "SEV1 INC-7 Pay 20 EUR to 412 customers? Until Sat 14:05. "
        f"Reply 1y yes, 1n no, 1call to talk first #{message_code(PAGE.message_id)}"
    )
    assert "Pay 20 EUR to 412 customers" in page_text(ChannelKind.VOICE, asked)
    assert "tocsin answer INC-7 yes|no|call --by ana" in page_text(ChannelKind.CONSOLE, asked)


def test_an_answer_to_a_message_that_wants_none_is_received():
    assert nothing_to_answer(Reader()) == "Received. This message needs no answer."
    assert nothing_to_answer(SPANISH) == "Recibido. Este mensaje no pide respuesta."


def test_a_second_copy_is_marked_as_a_possible_duplicate():
    copy = replace(PAGE, possible_duplicate=True)

    assert page_text(ChannelKind.SMS, copy).startswith("COPY? SEV1 INC-7")
    assert page_text(ChannelKind.VOICE, copy).startswith("You may have had this call before.")
    assert "possible duplicate" in page_text(ChannelKind.SLACK, copy)
    assert "possible duplicate" in page_text(ChannelKind.CONSOLE, copy)


def test_the_reason_for_a_call_comes_before_the_incident_itself():
    late = page_text(ChannelKind.SMS, replace(PAGE, reason="Step 'Freeze payouts' is overdue"))

    assert late.startswith("SEV1 INC-7 Step 'Freeze payouts' is overdue. Card payments fail")


def test_a_link_stands_in_an_sms_only_where_it_fits():
    short = replace(PAGE, title="", link="https://t.example/7")

    assert "https://t.example/7 #" in page_text(ChannelKind.SMS, short)
    assert "https" not in page_text(ChannelKind.SMS, replace(short, link="https://t.example/" + "7" * 90))


def test_the_console_says_who_is_paged_on_which_rung_and_how_to_answer():
    text = page_text(ChannelKind.CONSOLE, PAGE)

    assert "Ana Ruiz (ana), rung 2, attempt 1" in text
    assert "tocsin ack INC-7 --by ana" in text


def test_a_title_cannot_ring_a_whole_slack_channel_or_draw_on_a_terminal():
    rude = replace(PAGE, title="<!channel> \x1b[31mfree & <@U1>\nsecond line")

    assert "&lt;!channel&gt;" in page_text(ChannelKind.SLACK, rude)
    assert "\x1b" not in page_text(ChannelKind.CONSOLE, rude)


def test_an_unknown_time_zone_costs_no_page():
    assert "Since Sat 13:05 UTC" in page_text(ChannelKind.SMS, replace(PAGE, reader=Reader("en", "Mars/Base")))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Málaga: café, niño, ¿qué? — «sí»", 'Malaga: café, niño, ¿qué? - "si"'),
        ("€5 [all] {x} ~a|b", "EUR5 (all) (x) -a/b"),
        ("Łódź straße œuvre", "Lodz straße oeuvre"),
        ("支払い障害 outage", "? outage"),
        ("a\u200bb\n\tc", "a b c"),
    ],
)
def test_gsm7_spells_what_it_lacks(written, sent):
    assert fold(written) == sent


def test_the_code_of_a_message_is_five_letters_that_never_change():
    assert message_code("1.INC-7.1.r2.c1.1") == "AC4XC"
    assert message_code("1.INC-7.1.r2.c1.2") != "AC4XC"


def test_notices_tell_the_truth_about_who_and_when():
    reader = Reader("en", "Europe/Madrid")

    assert already_taken("INC-7", "Ana", SATURDAY, reader) == (
        "INC-7 was already taken by Ana at Sat 14:05. You need do nothing."
    )
    assert recovered_by_itself("INC-7", SATURDAY, reader, needs_owner=True) == (
        "INC-7 recovered by itself at Sat 14:05, needs an owner"
    )
    assert update_text("INC-7", Severity.SEV2, "Cards work again.", SATURDAY, reader) == (
        "INC-7 SEV2: Cards work again. Next by Sat 14:05."
    )
    assert summary_text("INC-7", Severity.SEV2, "Worse.", None, None, reader) == (
        "INC-7 SEV2. Bottom line: Worse. Needs: none."
    )
