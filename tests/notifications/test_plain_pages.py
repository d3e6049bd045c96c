"""What a page says where there is no markup: a browser's notification, a webhook's text, whatever Apprise reaches."""

from datetime import UTC, datetime

import pytest

from contacts.addresses import ChannelKind
from incidents.severity import Severity
from notifications.wording import PageFacts, Reader, page_text

LINK = "https://tocsin.example/incidents/INC-7?c=nora&s=0123"
PLAIN = pytest.mark.parametrize("channel", [ChannelKind.PUSH, ChannelKind.WEBHOOK, ChannelKind.APPRISE])


def facts(**more):
    known = {
        "message_id": "1.INC-7.1.r1.c1.1",
        "incident": "INC-7",
        "severity": Severity.SEV1,
        "situation": "Shop down",
        "title": "Card payments fail",
        "declared_at": datetime(2026, 3, 2, 9, 5, tzinfo=UTC),
        "contact": "nora",
        "name": "Nora",
        "rung": 1,
        "area": "shop",
    }
    return PageFacts(**{**known, **more})


@PLAIN
def test_the_first_line_is_a_title_and_the_rest_says_what_and_since_when(channel):
    assert page_text(channel, facts()).split("\n") == [
        "SEV1 INC-7: Shop down",
        "Card payments fail",
        "shop, since Mon 09:05 UTC",
        "Needs: somebody to take charge",
        "Answer with: tocsin ack INC-7",
    ]


@PLAIN
def test_a_drill_and_a_copy_say_so_in_the_title(channel):
    text = page_text(channel, facts(drill=True, possible_duplicate=True, reader=Reader("es", "Europe/Madrid")))

    assert text.startswith("SIMULACRO SEV1 INC-7 (posible duplicado): Shop down\n")
    assert "shop, desde lun 10:05" in text


@pytest.mark.parametrize(
    ("channel", "written"), [(ChannelKind.PUSH, False), (ChannelKind.WEBHOOK, False), (ChannelKind.APPRISE, True)]
)
def test_the_link_is_written_out_only_where_nothing_else_carries_it(channel, written):
    text = page_text(channel, facts(link=LINK))

    assert (LINK in text) is written
    assert "tocsin ack" not in text


@PLAIN
def test_a_title_with_line_breaks_stays_one_line(channel):
    lines = page_text(channel, facts(title="Card\npayments\r\nfail\x00")).split("\n")

    assert lines[1] == "Card payments fail"
    assert len(lines) == 5
